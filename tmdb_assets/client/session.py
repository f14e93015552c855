"""One attempt for one target: sends it, reads the answer whole, says what came of it.

No judgement here (that is `retry`), and no retries: what is sent again is sent by the caller.
"""

import errno
import http.client
import os
import re
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.parse import urljoin

import requests
from urllib3 import exceptions as urllib3_errors

from tmdb_assets.client import body as bodies
from tmdb_assets.client.adapter import PacedAdapter
from tmdb_assets.client.watchdog import Watchdog
from tmdb_assets.client.wire import Gate, Timeouts, Wire
from tmdb_assets.errors import ConfigurationError
from tmdb_assets.model import Attempt, Fault, Settings, Target
from tmdb_assets.rejection import RejectedLineError
from tmdb_assets.urls import canonical, is_loopback, origin_of

HANDSHAKE_SECONDS = 10.0
REDIRECTS = 5
"""Redirects followed within one attempt; each takes a permit."""

MAX_ETAG_LENGTH = 200
"""Characters of an ETag that is kept; TMDB's have 36. A longer one is left out."""

REDIRECT_STATUSES = frozenset(
    {
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
    }
)


_ETAG = re.compile(r'(?:W/)?"[!#-~]*"')
"""What can stand in a header for sure; it comes back from a file."""

USER_AGENT = f"tmdb-assets/{version('tmdb-assets')}"
NET_ERRORS = (requests.RequestException, urllib3_errors.HTTPError, OSError)
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Client:
    """Sends attempts through one pooled adapter; safe to share between threads.

    Proxies and certificate bundles of the environment are honoured for all but loopback origins,
    `.netrc` and cookies never.
    """

    def __init__(
        self, settings: Settings, gate: Gate, handshake_seconds: float = HANDSHAKE_SECONDS
    ) -> None:
        """Set the client up; nothing is sent or connected yet.

        Args:
            settings: origins, credential, threads, time-out and body size.
            gate: the limiter's door.
            handshake_seconds: bound of setting one connection up.
        """
        self._watchdog = Watchdog()
        self._timeouts = Timeouts(handshake_seconds, settings.timeout_seconds)
        self._wire = Wire(gate, self._watchdog, settings.credential, self._timeouts)
        self._max_body_bytes = settings.max_body_bytes
        self._headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Connection": "keep-alive",
            "User-Agent": USER_AGENT,
        }
        adapter = PacedAdapter(self._wire, pool_size=settings.threads)
        self._session = requests.Session()
        self._is_closed = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter)
        self._environment: dict[str, dict[str, Any]] = {
            origin: dict(
                self._session.merge_environment_settings(
                    origin, {}, stream=True, verify=None, cert=None
                )
            )
            for origin in settings.origins
        }
        for origin in filter(is_loopback, settings.origins):
            self._environment[origin]["proxies"] = {}

    def attempt(self, target: Target) -> Attempt:
        """Send one attempt and read its answer; blocks for the permit and at most the time-outs.

        Redirects are followed within the target's origin only. A target with an ETag is asked for
        on the condition that it changed: the status may then be 304, without a body.

        Raises:
            LimiterError: no permit can be had.
            ConfigurationError: this machine has no file or memory left for a connection.
        """
        journey = self._wire.journey
        journey.sent_at_ns, journey.flight, journey.permit_at = [], None, time.monotonic()
        status: int | None = None
        headers: dict[str, str] = {}
        body, fault = b"", None
        conditions = {"If-None-Match": target.etag} if _ETAG.fullmatch(target.etag) else {}
        try:
            url = target.url
            for _ in range(REDIRECTS + 1):
                status, headers, body = self._exchange(url, conditions)
                if status not in REDIRECT_STATUSES:
                    break
                url = _next_hop(url, headers.get("location", ""))
            else:
                fault = Fault.REDIRECT_LOOP
        except bodies.BodyTooLargeError:
            fault = Fault.TOO_LARGE
        except RejectedLineError:
            fault = Fault.REDIRECTED
        except NET_ERRORS as error:
            expired = journey.flight is not None and journey.flight.is_expired
            fault = Fault.TIMED_OUT if expired else fault_of(error)
        etag = headers.get("etag", "")
        if fault is None and (self._wire.echoes(body) or self._wire.echoes(etag.encode())):
            fault = Fault.ECHO
        return Attempt(
            status=status,
            body=b"" if fault else body,
            etag="" if fault or len(etag) > MAX_ETAG_LENGTH else etag,
            retry_after=headers.get("retry-after"),
            fault=fault,
            sent_at=tuple(sent_ns / 1e9 for sent_ns in journey.sent_at_ns),
            seconds=time.monotonic() - journey.permit_at,
            left_at=journey.permit_at,
        )

    def close(self) -> None:
        """Cut off what is in flight and close all connections; attempts under way end in faults."""
        self._is_closed = True
        self._watchdog.close()
        self._session.close()

    def _exchange(self, url: str, conditions: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        headers = {**self._headers, **conditions}
        request = requests.Request("GET", url, headers=headers).prepare()
        request.url = url  # as frozen: requests would quote it once more
        self._wire.line_up()
        try:
            # not Session.send: it reads the body of a redirect whole and chokes on odd locations
            response = self._session.get_adapter(url).send(
                request,
                timeout=(self._timeouts.handshake, self._timeouts.answer),
                **self._environment[origin_of(url)],
            )
            try:
                body = self._body(response)
            except BaseException as error:
                response.close()
                if not _is_refusal_cut_short(response, error):
                    raise
                body = b""
        finally:
            self._wire.step_out()
            if self._wire.journey.flight is not None:
                self._watchdog.forget(self._wire.journey.flight)
            if self._is_closed:
                # who was under way may have opened a pool since then
                self._session.close()
        response.raw.release_conn()
        answered = {name.lower(): value for name, value in response.headers.items()}
        return response.status_code, answered, body

    def _body(self, response: requests.Response) -> bytes:
        status = response.status_code
        if status == HTTPStatus.NOT_MODIFIED:  # never has a body, whatever its headers say of one
            if "transfer-encoding" in response.headers:
                response.close()
            return b""
        if status < HTTPStatus.OK:
            raise urllib3_errors.ProtocolError("an interim answer, the real one is yet to come")
        body = bodies.read(response.raw, self._max_body_bytes)
        # the end of a connection also ends headers and unframed bodies, and nothing says so
        flight = self._wire.journey.flight
        if flight is not None and flight.is_expired:
            raise TimeoutError
        is_framed = "content-length" in response.headers or "transfer-encoding" in response.headers
        if not body and not is_framed and status not in _BODILESS:
            raise urllib3_errors.ProtocolError("the connection ended within the headers")
        return body


def _is_refusal_cut_short(response: requests.Response, error: BaseException) -> bool:
    """Say whether this is a 429 whose body failed: its status has said everything."""
    is_refusal = response.status_code == HTTPStatus.TOO_MANY_REQUESTS
    return is_refusal and isinstance(error, (bodies.BodyTooLargeError, *NET_ERRORS))


def _next_hop(url: str, location: str) -> str:
    """Return where a redirect leads, if that is another URL of the same origin.

    Raises:
        RejectedLineError: it is not, in whatever spelling.
    """
    try:
        joined = urljoin(url, location)
    except ValueError as error:
        raise RejectedLineError("not a URL", "none: the server sent it") from error
    return canonical(joined, [origin_of(url)]).url


_FAULTS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Fault], ...] = (
    ((urllib3_errors.NameResolutionError, socket.gaierror), Fault.NAME),
    ((ssl.SSLError, urllib3_errors.SSLError, requests.exceptions.SSLError), Fault.TLS),
    (requests.exceptions.ProxyError, Fault.PROXY),
    (ConnectionRefusedError, Fault.CONNECTION_REFUSED),
    (urllib3_errors.NewConnectionError, Fault.CONNECTION_LOST),
    ((TimeoutError, urllib3_errors.TimeoutError, requests.Timeout), Fault.TIMED_OUT),
    (urllib3_errors.DecodeError, Fault.BAD_ENCODING),
    (http.client.IncompleteRead, Fault.TRUNCATED),
    (http.client.RemoteDisconnected, Fault.CONNECTION_LOST),
    ((http.client.HTTPException, urllib3_errors.InvalidHeader), Fault.MALFORMED),
)

_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def fault_of(error: BaseException) -> Fault:
    """Name the fault by the kinds of exception in the chain; their texts may hold anything.

    Raises:
        ConfigurationError: it is no fault of the peer or the net.
    """
    chain = list(_chain(error))
    numbers = {link.errno or 0 for link in chain if isinstance(link, OSError)}
    if exhausted := numbers & _EXHAUSTED:
        raise ConfigurationError(
            f"no connection can be opened: {os.strerror(min(exhausted))}: "
            "raise the limit (ulimit -n 4096) or set TMDB_THREADS lower"
        ) from None
    if numbers & _NO_ROUTE:
        return Fault.NO_ROUTE
    for kinds, fault in _FAULTS:
        if any(isinstance(link, kinds) for link in chain):
            return fault
    return Fault.CONNECTION_LOST


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and what it wraps: requests and urllib3 nest them in their arguments."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        inner: Iterable[object] = (
            link.__cause__,
            link.__context__,
            getattr(link, "reason", None),
            *link.args,
        )
        waiting.extend(candidate for candidate in inner if isinstance(candidate, BaseException))
