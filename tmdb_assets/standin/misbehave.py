"""How each kind of misbehaviour looks on the wire; `faults` decides which request gets one.

Some kinds are answers like any other, only wrong ones: fixed ones, `redirects`, and those that
`spoiled` makes of the right answer. The others, all here, break the connection, the headers or the
body off, or stretch them.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import repeat

from tmdb_assets.standin import answers
from tmdb_assets.standin.answers import FROM_CDN, HTML_TYPE, JSON_TYPE, Answer
from tmdb_assets.standin.redirects import REDIRECTS
from tmdb_assets.standin.spoiled import SPOILED, echo
from tmdb_assets.standin.wire import GZIP, Exchange, head, length, status_line

STALL_SECONDS = 120.0
_DRIP_SECONDS = 1.0
_SETTLE_SECONDS = 0.02  # between bytes and a reset, lest the reset overtake them
_INTERIM_SECONDS = 0.01
_HUGE_PIECE = 64 * 1024
_PART_OF_HEAD = 40  # bytes: in the middle of the first header
_GZIP_FORMAT = 31  # what zlib calls a window of 32 KiB in gzip, not zlib's own format


@dataclass(frozen=True, slots=True)
class Task:
    """What a misbehaviour needs to know.

    Attributes:
        answer: what would have been answered.
        huge_bytes: a huge body is larger than that, unpacked.
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


async def _truncated_unframed(task: Task) -> int | None:
    """Leave it to the end of the connection to end the body, which the ASGI server never does."""
    answer, connection = task.answer, task.exchange.connection
    connection.write(head(answer.status, *answer.headers, (b"connection", b"close")))
    connection.write(answer.body[: len(answer.body) // 2])
    await connection.close()
    return answer.status


async def _reset_in_headers(task: Task) -> int | None:
    connection = task.exchange.connection
    connection.write(head(task.answer.status, *task.answer.headers)[:_PART_OF_HEAD])
    await connection.pause(_SETTLE_SECONDS)
    await connection.reset()
    return task.answer.status


async def _drip_headers(task: Task) -> int | None:
    """Send one endless header: clients bear fewer headers than bytes in one."""
    connection = task.exchange.connection
    connection.write(status_line(task.answer.status) + b"x-drip: ")
    while connection.write(b"d"):
        await connection.pause(_DRIP_SECONDS)
    return task.answer.status


async def _interim_flood(task: Task) -> int | None:
    connection = task.exchange.connection
    hint = head(HTTPStatus.EARLY_HINTS, (b"link", b"</style.css>; rel=preload"))
    while connection.write(hint):
        await connection.pause(_INTERIM_SECONDS)
    return None


def _huge_json(huge_bytes: int) -> Iterator[bytes]:
    """Yield `{"id":1,"padding":"xxx..."}` in pieces."""
    padding = b"x" * _HUGE_PIECE
    yield b'{"id":1,"padding":"'
    yield from repeat(padding, huge_bytes // _HUGE_PIECE + 1)
    yield b'"}'


async def _huge(task: Task) -> int | None:
    exchange = task.exchange
    await exchange.start(200, JSON_TYPE)
    for piece in _huge_json(task.huge_bytes):
        if not await exchange.piece(piece):
            return 200
    await exchange.piece(b"", is_last=True)
    return 200


async def _gzip_bomb(task: Task) -> int | None:
    """Pack a huge body while it is sent, so that it is never in memory."""
    exchange, packer = task.exchange, zlib.compressobj(wbits=_GZIP_FORMAT)
    await exchange.start(200, JSON_TYPE, GZIP)
    for piece in _huge_json(task.huge_bytes):
        if not await exchange.piece(packer.compress(piece)):
            return 200
        await asyncio.sleep(0)  # so few bytes never fill the connection: let others have their turn
    await exchange.piece(packer.flush(), is_last=True)
    return 200


async def _echo(task: Task) -> int | None:
    return await task.exchange.whole(echo(task.answer, task.exchange.request.secrets))


_ON_THE_WIRE: dict[str, Callable[[Task], Awaitable[int | None]]] = {
    "close": _close,
    "drip": _drip,
    "drip_headers": _drip_headers,
    "echo": _echo,
    "gzip_bomb": _gzip_bomb,
    "huge": _huge,
    "interim_flood": _interim_flood,
    "reset": _reset,
    "reset_in_body": _reset_in_body,
    "reset_in_headers": _reset_in_headers,
    "stall": _stall,
    "stall_in_body": _stall_in_body,
    "truncated": _truncated,
    "truncated_chunked": _truncated_chunked,
    "truncated_unframed": _truncated_unframed,
}


async def misbehave(kind: str, task: Task) -> int | None:
    """Answer wrongly; return the status that was sent, None if none was."""
    if kind in _FIXED:
        return await task.exchange.whole(_FIXED[kind])
    if kind in REDIRECTS:
        return await task.exchange.whole(REDIRECTS[kind](task.exchange.request))
    if kind in SPOILED:
        return await task.exchange.whole(SPOILED[kind](task.answer))
    return await _ON_THE_WIRE[kind](task)
