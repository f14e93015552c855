import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.client.servers import (
    CountingGate,
    Link,
    RawServer,
    Script,
    answer,
    answers_once,
    redirect,
)
from tmdb_assets.batches import add, load, plan
from tmdb_assets.client.session import REDIRECTS, Client
from tmdb_assets.errors import BatchError, UrlListError
from tmdb_assets.list_name import MAX_NAME_LENGTH
from tmdb_assets.lists import LIMITS, MAX_REJECTED_EXAMPLES, Limits, Scan
from tmdb_assets.model import Attempt, Fault, Settings
from tmdb_assets.rejection import MAX_LENGTH, RejectedLineError
from tmdb_assets.settings import from_environment
from tmdb_assets.store import BatchStore
from tmdb_assets.urls import canonical, file_name, target

TMDB = "https://api.themoviedb.org"
LINE_BYTES = 65_536
MIB = 1 << 20
SMALL = 12 * MIB
"""Far less than what is unpacked below, and room for all lines of one piece of a file."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"TMDB_DATA_DIR": str(tmp_path / "data")})


def written(folder: Path, content: bytes, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def scanned(path: Path, limits: Limits = LIMITS) -> tuple[Scan, list[str]]:
    scan = Scan(path, [TMDB], limits=limits)
    return scan, [url.removeprefix(f"{TMDB}/3") for url in scan.new_urls()]


@contextmanager
def peak_bytes() -> Iterator[list[int]]:
    """Give a list that gets the most memory that the block had on top of what there was."""
    peaks: list[int] = []
    tracemalloc.start()
    try:
        yield peaks
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


# --- lines and URLs ------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
@pytest.mark.parametrize("before", [b"", b"#\n" * 130_000], ids=["at the start", "across a cut"])
def test_a_line_may_have_65536_bytes_with_its_end(
    tmp_path: Path, before: bytes, end: bytes
) -> None:
    line = b"/movie/5".ljust(LINE_BYTES - len(end)) + end
    after = b"/movie/6\n" if end else b""

    scan, urls = scanned(written(tmp_path, before + line + after))
    longer, rest = scanned(written(tmp_path, before + b"/movie/7\n " + line + after))

    assert urls == ["/movie/5", "/movie/6"][: 2 if end else 1]
    assert scan.rejected == 0
    assert rest == ["/movie/7", "/movie/6"][: 2 if end else 1]
    assert [line.reason for line in longer.first_rejected] == ["longer than 65,536 bytes"]


@pytest.mark.parametrize("path", ["/3/x/", "/3/x?q=", "/3/x?b=1&q=a&a="])
@pytest.mark.parametrize("start", ["", TMDB])
def test_a_url_may_have_2000_characters_as_given_and_as_asked(start: str, path: str) -> None:
    fits = f"{TMDB}{path}".ljust(MAX_LENGTH, "5")[len(TMDB) :]

    assert MAX_LENGTH == 2000
    assert len(canonical(f" {start}{fits}\r\n", [TMDB]).url) == MAX_LENGTH
    with pytest.raises(RejectedLineError, match="longer than 2,000 characters"):
        canonical(f"{start}{fits}5", [TMDB])


@pytest.mark.parametrize(
    "line",
    [
        f"{TMDB}/3/x#".ljust(MAX_LENGTH + 1, "5"),  # asked for without the fragment
        f"{TMDB}/3/x?api_key=".ljust(MAX_LENGTH + 1, "5"),
        "/3/x?q=" + "\xe9" * 330,  # six characters each when it is asked for
        "/x/".ljust(MAX_LENGTH - len(TMDB) - 1, "5"),  # gets an origin and a version
    ],
)
def test_a_url_is_too_long_if_it_is_so_before_or_after_it_is_made_canonical(line: str) -> None:
    with pytest.raises(RejectedLineError, match="longer than 2,000 characters"):
        canonical(line, [TMDB])


def test_a_host_a_scheme_or_a_name_from_outside_is_quoted_in_part(
    tmp_path: Path, settings: Settings
) -> None:
    hosts = [f"https://{'h' * 1900}/3/x", f"{'s' * 1900}://x/3/x", f"{TMDB}:{'0' * 1900}/3/x"]
    content = "\n".join(["/movie/1", *hosts]).encode()

    rejected = plan(written(tmp_path, content), settings).first_rejected

    assert [line.line for line in rejected] == [2, 3, 4]
    assert all(len(f"{line.reason}{line.remedy}") < 250 for line in rejected)
    with pytest.raises(UrlListError) as caught:
        add(written(tmp_path, content), settings, "n" * 10_000)
    assert len(str(caught.value)) < 400


# --- lists ---------------------------------------------------------------------------------------


def test_a_list_has_bounds_of_its_own_unless_told_otherwise(tmp_path: Path) -> None:
    assert Scan(tmp_path, [TMDB]).limits == Limits(text_bytes=4 * 1024**3, lines=50_000_000)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("line", [b"/movie/1\n", b"#\n", b"\n", b"url\n", b"\r", b"\r\n"])
def test_every_byte_and_every_line_counts_good_or_not(
    tmp_path: Path, line: bytes, pack: Callable[[bytes], bytes]
) -> None:
    path = written(tmp_path, pack(b"/movie/1\n" + line * 29_999))
    limits = Limits(text_bytes=9 + len(line) * 29_999, lines=30_000)

    scan, urls = scanned(path, limits)

    assert (scan.lines, urls) == (30_000, ["/movie/1"])
    with pytest.raises(UrlListError, match=r"larger than .* bytes unpacked"):
        scanned(path, replace(limits, text_bytes=limits.text_bytes - 1))
    with pytest.raises(UrlListError, match="has more than 29,999 lines: split it"):
        scanned(path, replace(limits, lines=29_999))


@pytest.mark.parametrize(
    "content",
    [b"x" * 64 * MIB, b"/movie/1\n" + b" " * 64 * MIB, b"\n" * 600_000, b"x\n" * 140_000],
    ids=["one line", "blanks", "empty lines", "short lines"],
)
def test_a_packed_list_that_holds_more_than_allowed_takes_little_memory(
    tmp_path: Path, content: bytes
) -> None:
    path = written(tmp_path, gzip.compress(content, 9), "bomb.txt.gz")
    limits = Limits(text_bytes=len(content) - 1)
    del content

    with peak_bytes() as peaks, pytest.raises(UrlListError, match="bytes unpacked: split it"):
        scanned(path, limits)

    assert path.stat().st_size < MIB
    assert peaks[0] < SMALL


def test_a_packed_list_of_empty_members_ends(tmp_path: Path) -> None:
    members = gzip.compress(b"") * 20_000 + gzip.compress(b"/movie/1\n")

    assert scanned(written(tmp_path, members))[1] == ["/movie/1"]


def test_a_list_beyond_its_bounds_leaves_no_batch(tmp_path: Path, settings: Settings) -> None:
    good = b"".join(b"/movie/%d\n" % number for number in range(300))
    path = written(tmp_path, gzip.compress(good) + gzip.compress(b"/movie/301\n")[:-1])

    with pytest.raises(UrlListError):
        add(path, settings)

    assert [one.name for one in settings.data_dir.rglob("*")] == ["batches", ".lock"]


def test_a_list_of_bad_lines_leaves_a_hundred_examples_on_disk(
    tmp_path: Path, settings: Settings
) -> None:
    bad = "".join(f"https://{'h' * 900}{number}/3/x\n" for number in range(5000))
    path = written(tmp_path, f"{bad}/movie/1\n".encode())

    added = add(path, settings)

    record = settings.data_dir / "batches" / "list" / "list.json"
    (source,) = json.loads(record.read_bytes())["sources"]
    assert added.plan.rejected == source["rejected"] == 5000
    assert len(source["first_rejected"]) == MAX_REJECTED_EXAMPLES == 100
    assert record.stat().st_size < 50_000


def test_a_name_of_80_characters_serves_for_all_files_and_one_more_is_refused(
    tmp_path: Path, settings: Settings
) -> None:
    path = written(tmp_path, f"/movie/{'5' * 1900}\n".encode(), f"{'f' * 200}.txt")
    longest = "n" * MAX_NAME_LENGTH

    by_file = add(path, settings)
    (key,) = add(path, settings, longest).all_batches

    assert by_file.plan.name == "f" * MAX_NAME_LENGTH
    targets = load(settings.data_dir, key)
    assert [len(file_name(one.url)) for one in targets] == [60 + 1 + 12]
    with BatchStore(settings.data_dir, key, targets) as store:
        assert store.pending == targets
    with pytest.raises(UrlListError, match="take at most 80 characters"):
        add(path, settings, f"{longest}n")
    with pytest.raises(BatchError, match="is no name of a batch"):
        load(settings.data_dir, f"{longest}n-0001")


# --- answers -------------------------------------------------------------------------------------


def attempted(script: Script, max_body_bytes: int = MIB) -> tuple[Attempt, list[bytes]]:
    """Ask a server once; return the heads that it saw too."""
    with RawServer(script) as server:
        settings = from_environment({"TMDB_ALLOWED_ORIGINS": server.origin})
        settings = replace(settings, max_body_bytes=max_body_bytes)
        with closing(Client(settings, CountingGate())) as client:
            return client.attempt(target(f"{server.origin}/3/hop/0")), server.requests


def chunked(body: bytes) -> bytes:
    pieces = [body[at : at + 300] for at in range(0, len(body), 300)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])
    return answer(framed, "Transfer-Encoding: chunked", framed=False)


def packed(body: bytes) -> bytes:
    return answer(gzip.compress(body), "Content-Encoding: gzip")


def unframed(body: bytes) -> bytes:
    return answer(body, "X-Ends: with the connection", "Connection: close", framed=False)


@pytest.mark.parametrize("send", [answer, chunked, packed, unframed])
@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"500 Broken"])
def test_a_body_has_one_bound_however_it_is_framed(
    send: Callable[[bytes], bytes], status: bytes
) -> None:
    for excess in (0, 1):
        body = b"[" + b" " * (998 + excess) + b"]"
        piece = send(body).replace(b"200 OK", status)

        attempt, _ = attempted(answers_once(piece), max_body_bytes=1000)

        assert attempt.fault is (Fault.TOO_LARGE if excess else None)
        assert attempt.body == (b"" if excess else body)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_packed_body_that_holds_more_than_allowed_takes_little_memory(layers: int) -> None:
    bomb = b" " * 128 * MIB
    for _ in range(layers):
        bomb = gzip.compress(bomb, 9)
    piece = answer(bomb, f"Content-Encoding: {', '.join(['gzip'] * layers)}")

    with peak_bytes() as peaks:
        attempt, _ = attempted(answers_once(piece))

    assert attempt.fault in {Fault.TOO_LARGE, Fault.BAD_ENCODING}
    assert attempt.body == b""
    assert peaks[0] < SMALL


@pytest.mark.parametrize("hops", range(REDIRECTS + 2))
def test_five_redirects_are_followed_and_the_sixth_is_not(hops: int) -> None:
    def leads_on(link: Link) -> None:
        while head := link.request():
            number = int(head.split()[1].rpartition(b"/")[2])
            link.send(redirect(f"/3/hop/{number + 1}") if number < hops else answer(b"[]"))

    attempt, heads = attempted(leads_on)

    assert REDIRECTS == 5
    assert len(heads) == len(attempt.sent_at) == 1 + min(hops, 5)
    assert attempt.fault is (None if hops <= 5 else Fault.REDIRECT_LOOP)
    assert attempt.body == (b"[]" if hops <= 5 else b"")
