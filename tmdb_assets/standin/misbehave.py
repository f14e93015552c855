"""How each kind of misbehaviour looks on the wire; `faults` decides which request gets one.

Some kinds are answers like any other, only wrong ones; the others break the connection or the body
off, or stretch it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tmdb_assets.standin import answers
from tmdb_assets.standin.answers import FROM_CDN, HTML_TYPE, JSON_TYPE, Answer
from tmdb_assets.standin.bodies import MOVED
from tmdb_assets.standin.request import FAULT_PARAMETER, Request
from tmdb_assets.standin.wire import GZIP, Exchange, length

ELSEWHERE = "127.0.0.2"
"""Where `redirect_other` leads: loopback, but another origin, and nobody listens there."""

STALL_SECONDS = 120.0
_DRIP_SECONDS = 1.0
_SETTLE_SECONDS = 0.02  # between bytes and a reset, lest the reset overtake them
_HUGE_PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Task:
    """What a misbehaviour needs to know.

    Attributes:
        answer: what would have been answered.
        huge_bytes: a huge body is larger than that.
    """

    exchange: Exchange
    answer: Answer
    huge_bytes: int


def _page(status: int, text: str) -> Answer:
    body = f"<!DOCTYPE html>\n<html><head><title>{text}</title></head><body>{text}</body></html>\n"
    return Answer(status, body.encode(), (HTML_TYPE,))


def _fixed_answers() -> dict[str, Answer]:
    offline = "Service offline: This service is temporarily offline, try again later."
    suspended = "Suspended API key: Access to your account has been suspended, contact TMDB."
    missing = "Entry not found: The item you are trying to edit cannot be found."
    slow = "Your request to the backend server timed out. Try again."
    error = answers.error
    return {
        "401": answers.bad_key(),
        "404_html": _page(404, "Page not found"),
        "429": answers.over_limit(51, 50),
        "429_retry_after": answers.over_limit(51, 50, retry_after=1),
        "500": error(500, 11, "Internal error: Something went wrong, contact TMDB."),
        "502": error(502, 43, "Couldn't connect to the backend server.", FROM_CDN),
        "503": error(503, 9, offline),
        "503_retry_after": error(503, 9, offline, answers.wait(1)),
        "504": error(504, 24, slow, FROM_CDN),
        "bad_gzip": Answer(200, b"this says gzip and is none", (JSON_TYPE, GZIP)),
        "empty": Answer(200, b"", (JSON_TYPE, length(0))),
        "error_44": error(500, 44, "The ID is invalid."),
        "error_in_200": error(200, 21, missing),
        "html": _page(200, "Please log in to this network"),
        "suspended": error(401, 10, suspended),
    }


_FIXED = _fixed_answers()


def _redirect(status: int, location: str) -> Answer:
    return Answer(status, b"", ((b"location", location.encode("latin-1")), length(0)))


def _location(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _redirect_same(request: Request) -> Answer:
    path = request.url.partition("?")[0]
    moved = path if path[3:].startswith(MOVED) else f"{path[:3]}{MOVED}{path[3:]}"
    return _redirect(301, _location(moved, request.query))


def _redirect_other(request: Request) -> Answer:
    scheme, _, port = request.origin
    path = request.url.partition("?")[0]
    return _redirect(302, f"{scheme}://{ELSEWHERE}:{port}{_location(path, request.query)}")


def _redirect_loop(request: Request) -> Answer:
    path = request.url.partition("?")[0]
    again = f"{FAULT_PARAMETER}=redirect_loop"
    return _redirect(302, _location(path, f"{request.query}&{again}".lstrip("&")))


_REDIRECTS: dict[str, Callable[[Request], Answer]] = {
    "redirect_loop": _redirect_loop,
    "redirect_other": _redirect_other,
    "redirect_same": _redirect_same,
}


async def _reset(task: Task) -> int | None:
    await task.exchange.connection.reset()
    return None


async def _close(task: Task) -> int | None:
    await task.exchange.connection.close()
    return None


async def _first_half(task: Task) -> None:
    """Send headers that announce the whole body, and half of it."""
    body = task.answer.body
    await task.exchange.start(task.answer.status, *task.answer.headers, length(len(body)))
    await task.exchange.piece(body[: len(body) // 2])


async def _reset_in_body(task: Task) -> int | None:
    await _first_half(task)
    await task.exchange.connection.pause(_SETTLE_SECONDS)
    await task.exchange.connection.reset()
    return task.answer.status


async def _truncated(task: Task) -> int | None:
    await _first_half(task)
    await task.exchange.connection.close()
    return task.answer.status


async def _truncated_chunked(task: Task) -> int | None:
    body = task.answer.body
    await task.exchange.start(task.answer.status, *task.answer.headers)
    await task.exchange.piece(body[: len(body) // 2])
    await task.exchange.connection.close()
    return task.answer.status


async def _bad_json(task: Task) -> int | None:
    body = task.answer.body
    return await task.exchange.whole(Answer(200, body[: len(body) * 2 // 3], (JSON_TYPE,)))


async def _stall(task: Task) -> int | None:
    await task.exchange.connection.pause(STALL_SECONDS)
    await task.exchange.connection.close()
    return None


async def _stall_in_body(task: Task) -> int | None:
    await _first_half(task)
    await task.exchange.connection.pause(STALL_SECONDS)
    await task.exchange.connection.close()
    return task.answer.status


async def _drip(task: Task) -> int | None:
    exchange, body = task.exchange, task.answer.body
    await exchange.start(task.answer.status, *task.answer.headers, length(len(body)))
    last = len(body) - 1
    for place in range(len(body)):
        await exchange.piece(body[place : place + 1], is_last=place == last)
        if place < last and not await exchange.connection.pause(_DRIP_SECONDS):
            break
    return task.answer.status


async def _huge(task: Task) -> int | None:
    """Send `{"id":1,"padding":"xxx..."}`, piece by piece as the client takes it."""
    exchange = task.exchange
    await exchange.start(200, JSON_TYPE)
    padding = b"x" * _HUGE_PIECE
    is_there = await exchange.piece(b'{"id":1,"padding":"')
    for _ in range(task.huge_bytes // _HUGE_PIECE + 1):
        if not is_there:
            return 200
        is_there = await exchange.piece(padding)
    await exchange.piece(b'"}', is_last=True)
    return 200


_ON_THE_WIRE: dict[str, Callable[[Task], Awaitable[int | None]]] = {
    "bad_json": _bad_json,
    "close": _close,
    "drip": _drip,
    "huge": _huge,
    "reset": _reset,
    "reset_in_body": _reset_in_body,
    "stall": _stall,
    "stall_in_body": _stall_in_body,
    "truncated": _truncated,
    "truncated_chunked": _truncated_chunked,
}


async def misbehave(kind: str, task: Task) -> int | None:
    """Answer wrongly; return the status that was sent, None if none was."""
    if kind in _FIXED:
        return await task.exchange.whole(_FIXED[kind])
    if kind in _REDIRECTS:
        return await task.exchange.whole(_REDIRECTS[kind](task.exchange.request))
    return await _ON_THE_WIRE[kind](task)
