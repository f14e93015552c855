"""Whole files from TMDB's host of files: streamed to the disk, whole or not at all.

That host is not the API and knows no credential, so none is sent. Every request takes a permit all
the same: the cap is for everything that shares it. No retries here; what is in a file is not looked
at either.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import urljoin, urlsplit

import requests

from tmdb_assets.client.adapter import PacedAdapter
from tmdb_assets.client.session import (
    HANDSHAKE_SECONDS,
    NET_ERRORS,
    REDIRECT_STATUSES,
    REDIRECTS,
    USER_AGENT,
    fault_of,
)
from tmdb_assets.client.watchdog import Watchdog
from tmdb_assets.client.wire import Gate, Timeouts, Wire
from tmdb_assets.errors import TmdbAssetsError
from tmdb_assets.files import open_file, remove, storing, sync_folder
from tmdb_assets.model import Fault
from tmdb_assets.urls import canonical_origin, is_loopback

_PIECE_BYTES = 256 * 1024
_ABSENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_PASSING = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)


class FileDownloadError(TmdbAssetsError):
    """A file cannot be had."""


class FileAbsentError(FileDownloadError):
    """There is no such file: 403, as stores of files say it, 404 or 410."""


class FileUnavailableError(FileDownloadError):
    """It cannot be had at this moment: another try may bring it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one file may take.

    Attributes:
        max_bytes: size as sent.
        handshake_seconds: for a connection to be up.
        silence_seconds: without a byte.
        seconds: from the permit to the last byte.
    """

    max_bytes: int = 1 << 30
    handshake_seconds: float = HANDSHAKE_SECONDS
    silence_seconds: float = 30.0
    seconds: float = 900.0


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that is on disk, whole.

    Attributes:
        url: that was asked for.
        etag: as sent, or empty.
    """

    url: str
    bytes: int
    etag: str


class FileClient:
    """Fetches files, one at a time; a context manager.

    Proxies and certificate bundles of the environment are honoured for all but loopback, `.netrc`
    and cookies never.
    """

    def __init__(self, gate: Gate, bounds: Bounds = BOUNDS) -> None:
        """Set the client up; nothing is sent or connected yet.

        Args:
            gate: the limiter's door.
            bounds: what one file may take.
        """
        self._bounds = bounds
        self._watchdog = Watchdog()
        timeouts = Timeouts(bounds.handshake_seconds, bounds.seconds)
        self._wire = Wire(gate, self._watchdog, None, timeouts)
        self._adapter = PacedAdapter(self._wire, pool_size=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Cut off what is in flight and close all connections."""
        self._watchdog.close()
        self._adapter.close()

    def fetch(self, url: str, path: Path) -> FetchedFile:
        """Put the file at `url` at `path`, replacing what is there; blocks.

        It comes to `path` with `.part` at its end and is renamed when all of it is on disk: nobody
        else may fetch to the same path meanwhile. Redirects are followed within the origin only.

        Raises:
            FileAbsentError: there is none.
            FileUnavailableError: it did not come, or not whole; what was at `path` is still there.
            FileDownloadError: it will not come from there.
            LimiterError: no permit can be had.
            StoreError: the disk cannot take it.
        """
        _check_url(url)
        part = path.with_name(f"{path.name}.part")
        with storing(part):
            descriptor = open_file(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - it has no path
                fetched = self._fetch(url, _Sink(part, file))
                with storing(part):
                    file.flush()
                    os.fsync(descriptor)
            with storing(path):
                part.replace(path)
        except BaseException:
            remove(part)
            raise
        sync_folder(path.parent)
        return fetched

    def _fetch(self, url: str, sink: "_Sink") -> FetchedFile:
        place = url
        for _ in range(REDIRECTS + 1):
            with self._answer(place, url) as response:
                if response.status_code not in REDIRECT_STATUSES:
                    _check_status(response.status_code, url)
                    size = self._store(response, sink, url)
                    return FetchedFile(url, size, response.headers.get("etag", ""))
                place = _next_hop(place, response.headers.get("location", ""), url)
        raise _never(url, Fault.REDIRECT_LOOP.value)

    @contextmanager
    def _answer(self, place: str, url: str) -> Iterator[requests.Response]:
        """Send one request; what fails until its answer is read is the file's failure."""
        journey = self._wire.journey
        journey.sent_at_ns, journey.flight = [], None
        request = requests.Request("GET", place, headers=_HEADERS).prepare()
        timeout = (self._bounds.handshake_seconds, self._bounds.silence_seconds)
        self._wire.line_up()
        try:
            with closing(
                self._adapter.send(request, timeout=timeout, **_environment(place))
            ) as response:
                yield response
        except NET_ERRORS as error:
            expired = journey.flight is not None and journey.flight.is_expired
            fault = Fault.TIMED_OUT if expired else fault_of(error)
            raise _not_now(url, fault.value) from None
        finally:
            self._wire.step_out()
            if journey.flight is not None:
                self._watchdog.forget(journey.flight)

    def _store(self, response: requests.Response, sink: "_Sink", url: str) -> int:
        """Write the body and return its size."""
        size = 0
        # a read that brings nothing is what makes urllib3 compare Content-Length with what came
        while piece := response.raw.read(_PIECE_BYTES, decode_content=False):
            size += len(piece)
            if size > self._bounds.max_bytes:
                raise _never(url, f"it has more than {self._bounds.max_bytes:,} bytes")
            sink.write(piece)
        # without one, the end of the connection ends the body, whoever ended it
        flight = self._wire.journey.flight
        if flight is not None and flight.is_expired:
            raise TimeoutError
        return size


@dataclass(frozen=True, slots=True)
class _Sink:
    """A file that is being written, and its path for what goes wrong."""

    path: Path
    file: BinaryIO

    def write(self, piece: bytes) -> None:
        # a full disk must not look like a fault of the net
        with storing(self.path):
            self.file.write(piece)


_HEADERS = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
    "User-Agent": USER_AGENT,
}


def _environment(url: str) -> dict[str, Any]:
    """Return what the environment says of proxies and certificates for this URL."""
    with requests.Session() as session:
        found = dict(
            session.merge_environment_settings(url, {}, stream=True, verify=None, cert=None)
        )
    if is_loopback(_origin(url)):
        found["proxies"] = {}
    return found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return canonical_origin(f"{parts.scheme}://{parts.netloc}")


def _check_url(url: str) -> None:
    try:
        origin = _origin(url)
    except ValueError:
        raise FileDownloadError(
            f"{url[:200]!r} is no URL of a file: start it with https://"
        ) from None
    if origin.startswith("http://") and not is_loopback(origin):
        raise FileDownloadError(
            f"{url[:200]!r} would come over plain http, where anybody can change it: "
            "use https; plain http is for 127.0.0.0/8, ::1 and localhost"
        )


def _check_status(status: int, url: str) -> None:
    if status == HTTPStatus.OK:
        return
    if status in _ABSENT:
        raise FileAbsentError(f"there is no file {url} (HTTP {status}): look for another date")
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _not_now(url, f"HTTP {status}")
    raise _never(url, f"HTTP {status}")


def _next_hop(place: str, location: str, url: str) -> str:
    """Return where a redirect leads, if that is within the same origin."""
    try:
        joined = urljoin(place, location)
        if location and _origin(joined) == _origin(place):
            return joined
    except ValueError:
        pass
    raise _never(url, Fault.REDIRECTED.value)


def _not_now(url: str, why: str) -> FileUnavailableError:
    return FileUnavailableError(f"{url} cannot be had now: {why}: try again later")


def _never(url: str, why: str) -> FileDownloadError:
    return FileDownloadError(
        f"{url} cannot be had: {why}: see with a browser what comes from there, "
        "and whether a proxy stands between"
    )
