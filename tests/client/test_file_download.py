import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.client.servers import (
    Certificate,
    CountingGate,
    Link,
    Proxy,
    RawServer,
    answer,
    answers_always,
    answers_once,
    deaf_port,
    never_answers,
    redirect,
)
from tmdb_assets.client.file_download import (
    Bounds,
    FetchedFile,
    FileAbsentError,
    FileClient,
    FileDownloadError,
    FileUnavailableError,
)
from tmdb_assets.client.session import REDIRECTS
from tmdb_assets.client.wire import Gate
from tmdb_assets.errors import LimiterClosedError, StoreError

Fetch = Callable[..., FetchedFile]
BODY = bytes(range(256)) * 5000
QUICK = Bounds(max_bytes=2 << 20, handshake_seconds=1.0, silence_seconds=0.4, seconds=0.8)


@pytest.fixture
def gate() -> CountingGate:
    return CountingGate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder / "export.json.gz"


@pytest.fixture
def fetch(gate: CountingGate, path: Path) -> Fetch:
    def one(origin: str, place: str = "/p/x.gz", bounds: Bounds = QUICK) -> FetchedFile:
        with FileClient(gate, bounds) as client:
            return client.fetch(f"{origin}{place}", path)

    return one


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def refusal(kind: type[FileDownloadError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    return str(caught.value)


@contextmanager
def serving(piece: bytes) -> Iterator[RawServer]:
    with RawServer(answers_always(piece)) as server:
        yield server


def test_a_file_comes_whole_with_one_permit(fetch: Fetch, path: Path, gate: CountingGate) -> None:
    path.write_bytes(b"before")
    with serving(answer(BODY, 'ETag: "e"')) as server:
        fetched = fetch(server.origin)

    assert path.read_bytes() == BODY
    assert names(path) == ["export.json.gz"]
    assert fetched == FetchedFile(f"{server.origin}/p/x.gz", len(BODY), '"e"')
    assert (gate.permits, len(server.requests)) == (1, 1)


def test_a_request_shows_who_asks_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("TMDB_READ_ACCESS_TOKEN", "t0ken")
    cookies = answer(b"x", "Set-Cookie: a=b", "Connection: keep-alive")
    with serving(cookies) as server, FileClient(CountingGate(), QUICK) as client:
        for _ in range(2):
            client.fetch(f"{server.origin}/p/x.gz", tmp_path / "x")

    for head in server.requests:
        lines = head.decode().split("\r\n")
        assert lines[0] == "GET /p/x.gz HTTP/1.1"
        assert {line.partition(":")[0].lower() for line in lines[1:]} == {
            *("host", "accept", "accept-encoding", "connection", "user-agent")
        }
        assert "User-Agent: tmdb-assets/" in head.decode()
        assert "Accept-Encoding: identity" in head.decode()


def test_a_body_in_chunks_or_until_the_end_of_the_connection_comes_too(
    fetch: Fetch, path: Path
) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    with serving(chunked) as server:
        assert fetch(server.origin).bytes == 3
    with RawServer(answers_once(answer(b"abcd", framed=False))) as server:
        assert fetch(server.origin).bytes == 4
    assert path.read_bytes() == b"abcd"


def test_an_announced_packing_is_left_as_it_is(fetch: Fetch, path: Path) -> None:
    with serving(answer(b"\x1f\x8bnot really", "Content-Encoding: gzip")) as server:
        fetch(server.origin)

    assert path.read_bytes() == b"\x1f\x8bnot really"


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "410 Gone"])
def test_what_is_not_there_is_absent(fetch: Fetch, path: Path, status: str) -> None:
    with serving(answer(b"<Error/>", status=status)) as server:
        said = refusal(FileAbsentError, lambda: fetch(server.origin))

    assert f"there is no file {server.origin}/p/x.gz (HTTP {status[:3]})" in said
    assert names(path) == []


@pytest.mark.parametrize("status", ["408 x", "425 x", "429 x", "500 x", "502 x", "503 x"])
def test_what_a_server_cannot_do_now_may_pass(fetch: Fetch, status: str) -> None:
    with serving(answer(b"", status=status)) as server:
        said = refusal(FileUnavailableError, lambda: fetch(server.origin))

    assert f"/p/x.gz cannot be had now: HTTP {status[:3]}: try again later" in said


@pytest.mark.parametrize("status", ["204 x", "206 x", "304 x", "400 x", "401 x", "416 x"])
def test_any_other_status_is_no_file(fetch: Fetch, status: str) -> None:
    with serving(answer(b"", status=status)) as server:
        assert f"HTTP {status[:3]}" in refusal(FileDownloadError, lambda: fetch(server.origin))


def cut(link: Link) -> None:
    if link.request():
        link.send(answer(BODY)[:-1])


def resets(link: Link) -> None:
    if link.request():
        link.send(answer(BODY)[:5000])
        link.reset()


def drips(link: Link) -> None:
    if link.request():
        link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        link.drip(100)


def drips_without_a_length(link: Link) -> None:
    if link.request():
        link.send(b"HTTP/1.1 200 OK\r\n\r\n")
        link.drip(100)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (drips_without_a_length, "timed out"),
        (cut, "truncated body"),
        (resets, "connection lost"),
        (drips, "timed out"),
        (never_answers, "timed out"),
        (answers_once(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), "truncated body"),
        (answers_once(b"nonsense\r\n\r\n"), "malformed HTTP"),
    ],
)
def test_what_does_not_come_whole_leaves_what_was_there(
    fetch: Fetch, path: Path, script: Callable[[Link], object], words: str
) -> None:
    path.write_bytes(b"before")
    with RawServer(script) as server:
        said = refusal(FileUnavailableError, lambda: fetch(server.origin))

    assert f"cannot be had now: {words}: try again later" in said
    assert path.read_bytes() == b"before"
    assert names(path) == ["export.json.gz"]


def test_a_refused_connection_and_a_name_that_nobody_knows_are_named(fetch: Fetch) -> None:
    with deaf_port() as port:
        said = refusal(FileUnavailableError, lambda: fetch(f"http://127.0.0.1:{port}"))
    assert "connection refused" in said
    too_long = ".".join(["a" * 60] * 5)
    assert "host name not found" in refusal(
        FileUnavailableError, lambda: fetch(f"https://{too_long}")
    )


@pytest.mark.parametrize("framed", [True, False])
def test_a_file_that_is_too_large_is_cut_off(
    fetch: Fetch,
    path: Path,
    framed: bool,  # noqa: FBT001 - a column of the table
) -> None:
    with RawServer(answers_once(answer(BODY * 3, framed=framed))) as server:
        said = refusal(FileDownloadError, lambda: fetch(server.origin))

    assert "it has more than 2,097,152 bytes" in said
    assert names(path) == []


@pytest.mark.parametrize("location", ["/p/y.gz", "y.gz", "{origin}/p/y.gz"])
def test_a_redirect_within_the_host_is_followed_with_a_permit_of_its_own(
    fetch: Fetch, path: Path, gate: CountingGate, location: str
) -> None:
    def script(link: Link) -> None:
        while head := link.request():
            moved = head.startswith(b"GET /p/x.gz ")
            place = location.format(origin=server.origin)
            link.send(redirect(place, b"moved") if moved else answer(BODY))

    with RawServer(script) as server:
        fetched = fetch(server.origin)

    assert path.read_bytes() == BODY
    assert fetched.url == f"{server.origin}/p/x.gz"
    assert gate.permits == 2


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2/x", "https://files.tmdb.org/x", "//evil.test/x", "file:///etc/passwd", ""],
)
def test_a_redirect_elsewhere_is_not_followed(
    fetch: Fetch, gate: CountingGate, location: str
) -> None:
    with serving(redirect(location)) as server:
        said = refusal(FileDownloadError, lambda: fetch(server.origin))

    assert "cannot be had: redirected elsewhere" in said
    assert gate.permits == 1


def test_redirects_in_a_circle_end(fetch: Fetch, gate: CountingGate) -> None:
    with serving(redirect("/p/x.gz")) as server:
        said = refusal(FileDownloadError, lambda: fetch(server.origin))

    assert "redirect loop" in said
    assert gate.permits == 1 + REDIRECTS


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://files.tmdb.org/p/exports/x.gz", "would come over plain http"),
        ("http://10.0.0.1/x.gz", "use https; plain http is for 127.0.0.0/8, ::1 and localhost"),
        ("ftp://127.0.0.1/x.gz", "is no URL of a file"),
        ("https://me:secret@files.tmdb.org/x", "is no URL of a file"),
        ("/p/x.gz", "is no URL of a file"),
    ],
)
def test_what_is_no_safe_url_is_refused_before_anything_is_sent(
    fetch: Fetch, gate: CountingGate, url: str, words: str
) -> None:
    assert words in refusal(FileDownloadError, lambda: fetch(url, ""))
    assert gate.entries == 0


def test_a_closed_limiter_ends_it_before_anything_is_sent(path: Path) -> None:
    class Closed(CountingGate):
        def permit(self) -> None:
            raise LimiterClosedError("closed")

    gate: Gate = Closed()
    with serving(answer(BODY)) as server, FileClient(gate, QUICK) as client:
        with pytest.raises(LimiterClosedError):
            client.fetch(f"{server.origin}/p/x.gz", path)
        assert server.requests == []
    assert names(path) == []


def test_a_full_disk_is_named_as_such(
    fetch: Fetch, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with (
        serving(answer(BODY)) as server,
        pytest.raises(StoreError, match="No space left on device"),
    ):
        fetch(server.origin)
    assert names(path) == []


def test_a_folder_that_is_not_there_is_named(gate: CountingGate, tmp_path: Path) -> None:
    with (
        serving(answer(BODY)) as server,
        FileClient(gate, QUICK) as client,
        pytest.raises(StoreError, match="cannot use"),
    ):
        client.fetch(f"{server.origin}/p/x.gz", tmp_path / "nowhere/x.gz")
    assert gate.entries == 0


def test_over_tls_the_certificate_is_checked(
    fetch: Fetch, path: Path, trusted: Certificate, other_certificate: Certificate
) -> None:
    with RawServer(answers_always(answer(BODY)), trusted.server_context()) as server:
        fetch(server.origin)
    assert path.read_bytes() == BODY

    with RawServer(answers_always(answer(BODY)), other_certificate.server_context()) as server:
        said = refusal(FileUnavailableError, lambda: fetch(server.origin))
    assert "TLS failure" in said


def test_a_proxy_of_the_environment_leads_there_but_not_on_loopback(
    fetch: Fetch, path: Path, trusted: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(answers_always(answer(BODY)), trusted.server_context()) as server:
        tunnels: list[bytes] = []
        with RawServer(Proxy(server.port, tunnels)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.origin)
            fetch(server.origin)
            assert proxy.connections == 0
            fetch("https://api.example.test")

    assert path.read_bytes() == BODY
    assert proxy.connections == 1
    assert tunnels
