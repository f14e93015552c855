import gzip
import hashlib
import os
import random
from pathlib import Path

import pytest

from tmdb_assets.errors import UrlListError
from tmdb_assets.list_name import check_name, list_name
from tmdb_assets.lists import Limits, Rejected, Scan
from tmdb_assets.urls import key

TMDB = "https://api.themoviedb.org"
ORIGINS = (TMDB,)
LOOPBACK = "http://127.0.0.1:8000"


def scanned(path: Path, limits: Limits | None = None) -> tuple[Scan, list[str]]:
    scan = Scan(path, ORIGINS, limits=limits or Limits())
    return scan, [url.removeprefix(f"{TMDB}/3/") for url in scan.new_urls()]


def written(folder: Path, content: bytes, name: str = "list.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [b"", b"end"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(
    tmp_path: Path, end: bytes, start: bytes, last: bytes
) -> None:
    lines = [b"/movie/1", b"", b"# comment", b"  ", b" # another", b"url", b"/movie/2", b"/movie/1"]
    content = start + end.join(lines) + last.replace(b"end", end)

    scan, urls = scanned(written(tmp_path, content))

    assert urls == ["movie/1", "movie/2"]
    assert (scan.lines, scan.new, scan.duplicates, scan.rejected) == (8, 2, 1, 1)
    assert [line.line for line in scan.first_rejected] == [6]


def test_line_ends_are_found_wherever_the_file_is_cut(tmp_path: Path) -> None:
    # far more than is read at a time, with ends of every kind at random places
    chance = random.Random(1)  # noqa: S311 - repeatable, not secret
    lines = [f"/movie/{number}?a={'x' * chance.randrange(200)}" for number in range(20_000)]
    ends = [chance.choice(["\n", "\r\n", "\r", "\r\r\n\n"]) for _ in lines]
    content = "".join(line + end for line, end in zip(lines, ends, strict=True)).encode()

    scan, urls = scanned(written(tmp_path, content))

    assert urls == [line.removeprefix("/") for line in lines]
    assert scan.lines == len(content.splitlines())


@pytest.mark.parametrize("name", ["list.txt", "list.txt.gz"])
def test_gzip_is_known_by_its_bytes_and_hashed_as_it_is(tmp_path: Path, name: str) -> None:
    content = b"".join(b"/movie/%d\n" % number for number in range(50_000))
    packed = gzip.compress(content[:1000]) + gzip.compress(content[1000:])

    scan, urls = scanned(written(tmp_path, packed, name))

    assert len(urls) == scan.lines == 50_000
    assert scan.sha256 == hashlib.sha256(packed).hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"/movie/1\n" * 1000, mtime=0)[:-9],
        gzip.compress(b"/movie/1\n" * 1000, mtime=0)[:-5] + b"\0\1\2\3\4",
        gzip.compress(b"/movie/1\n", mtime=0) + b"garbage",
        b"\x1f\x8b",
        b"\x1f\x8bgarbage that is long enough",
        gzip.compress(b"/movie/1\n/movie/234\n", mtime=0)[:12] + b"\xff" * 40,
    ],
)
def test_a_broken_gzip_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)

    with pytest.raises(UrlListError, match=r"'.*list.txt' is a broken gzip file \(.*copy or pack"):
        scanned(path)


def test_bytes_that_are_no_utf8_reject_their_line_alone(tmp_path: Path) -> None:
    scan, urls = scanned(written(tmp_path, b"/movie/1\n/search/x?query=\xe9\n/movie/2\n"))

    assert urls == ["movie/1", "movie/2"]
    assert scan.first_rejected == [Rejected(2, "not UTF-8", "save the file as UTF-8")]


@pytest.mark.parametrize(
    "long",
    [
        b"/movie/" + b"5" * 1_000_000,
        b"/movie/5" + b" " * 1_000_000 + b"/movie/6",
        b" " * 1_000_000 + b"/movie/6",
        b"/movie/5" + b" " * 70_000,
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_huge_line_is_rejected_alone(tmp_path: Path, long: bytes, end: bytes) -> None:
    content = end.join([b"/movie/1", long, b"/movie/2", b"#" + long, b"/movie/3"])

    scan, urls = scanned(written(tmp_path, content))

    assert urls == ["movie/1", "movie/2", "movie/3"]
    assert scan.lines == 5
    assert [(line.line, line.reason) for line in scan.first_rejected] == [
        (2, "longer than 65,536 bytes")
    ]


def test_a_huge_line_that_ends_in_crlf_at_a_cut_is_one_line(tmp_path: Path) -> None:
    # the carriage return is the last byte of the second chunk of 256 KiB
    long = b"x" * (2 * 256 * 1024 - 1)

    scan, urls = scanned(written(tmp_path, long + b"\r\n/movie/2"))

    assert (scan.lines, urls) == (2, ["movie/2"])


def test_the_first_hundred_rejected_lines_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    scan, urls = scanned(written(tmp_path, b"url\n" * 150 + b"/movie/1\n"))

    assert urls == ["movie/1"]
    assert scan.rejected == 150
    assert [line.line for line in scan.first_rejected] == list(range(1, 101))


def test_lines_with_credentials_are_counted(tmp_path: Path) -> None:
    scan, urls = scanned(written(tmp_path, b"/movie/1?api_key=a\n/movie/1?api_key=b\n/movie/2\n"))

    assert urls == ["movie/1", "movie/2"]
    assert (scan.had_credential, scan.duplicates) == (2, 1)


def test_known_urls_are_counted_and_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, b"/movie/1\n/movie/2\n/movie/1\n/movie/3\n")
    known = {key(f"{TMDB}/3/movie/{number}") for number in (1, 3, 9)}

    scan = Scan(path, ORIGINS, known)

    assert list(scan.new_urls()) == [f"{TMDB}/3/movie/2"]
    assert (scan.already, scan.new, scan.duplicates) == (2, 1, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no URL: write one a line into it"),
        (b"\xef\xbb\xbf", "holds no URL: write one a line into it"),
        (b"\n \n# nothing\n", "holds no URL: write one a line into it"),
        (gzip.compress(b"", mtime=0), "holds no URL: write one a line into it"),
        (b"#x\nid\n5\n", "holds no usable URL among 2; line 2: not a URL: start it with https://"),
        (b"/movie/1\n\0", "is no text: save it as UTF-8 with a URL a line"),
        ("/movie/1\n".encode("utf-16"), "is no text: save it as UTF-8 with a URL a line"),
        (
            gzip.compress(b"a" * 8000 + b"\0", mtime=0),
            "is no text: save it as UTF-8 with a URL a line",
        ),
    ],
)
def test_a_file_without_urls_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path, content)

    with pytest.raises(UrlListError) as caught:
        scanned(path)

    assert str(caught.value).startswith(f"{str(path)!r} {message}")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(text_bytes=899), "is larger than 899 bytes unpacked: split it"),
        (Limits(lines=99), "has more than 99 lines: split it"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_beyond_all_bounds_is_an_error(
    tmp_path: Path, limits: Limits, message: str, pack: type[bytes]
) -> None:
    path = written(tmp_path, pack(b"/movie/1\n" * 100))

    with pytest.raises(UrlListError, match=message):
        scanned(path, limits)

    assert scanned(path, Limits(text_bytes=900, lines=100))[1] == ["movie/1"]


def test_what_is_no_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    written(tmp_path, b"", "file")
    messages = {
        "missing": "does not exist: check the path",
        ".": "is a folder: name a file",
        "pipe": "is not a regular file: save the URLs into one",
        "loop": "cannot be read: Too many levels of symbolic links: check its rights",
        "file/x": "cannot be read: Not a directory: check its rights",
        "x" * 300: "cannot be read: File name too long: check its rights",
    }

    for name, message in messages.items():
        with pytest.raises(UrlListError, match=message):
            scanned(tmp_path / name)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux: its /proc/self/mem")
def test_a_file_that_fails_while_it_is_read_is_an_error() -> None:
    with pytest.raises(UrlListError, match="'/proc/self/mem' cannot be read: Input/output error:"):
        scanned(Path("/proc/self/mem"))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("movies.txt", "movies"),
        ("Movies.TXT.GZ", "movies"),
        ("movies.csv", "movies.csv"),
        ("movies", "movies"),
        ("My Movies (2).txt", "my-movies-2"),
        ("_.-movies-0001.txt", "movies-0001"),
        ("a....b.txt", "a.b"),
        ("2026-01-01 Été.txt", "2026-01-01-t"),
        ("x" * 90 + ".txt", "x" * 80),
    ],
)
def test_a_list_is_named_after_its_file(file: str, name: str) -> None:
    assert list_name(Path("/tmp") / file, ORIGINS) == name  # noqa: S108 - no file is made there
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("movies.txt", "movies-stand-in"),
        ("movies-stand-in.txt", "movies-stand-in"),
        ("x" * 90, "x" * 71 + "-stand-in"),
    ],
)
def test_a_list_for_the_stand_in_says_so_in_its_name(file: str, name: str) -> None:
    assert list_name(Path(file), (LOOPBACK, TMDB)) == name
    assert check_name(name) == name


@pytest.mark.parametrize("file", [".txt", ".gz", "---.txt", "雨.txt", "..txt"])
def test_a_file_without_a_usable_name_must_be_renamed(file: str) -> None:
    with pytest.raises(UrlListError, match=r"gives no name for a list: rename it"):
        list_name(Path(file), ORIGINS)


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "A", "a b", "a/b", "a..b", "a\n", "x" * 81])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UrlListError, match=r"is no name for a list: take at most 80 characters"):
        check_name(name)


def test_a_chosen_name_too_says_that_the_data_is_made_up() -> None:
    path = Path("movies.txt")

    assert list_name(path, ["http://127.0.0.1:8731"], "mine") == "mine-stand-in"
    assert list_name(path, ["http://127.0.0.1:8731"], "mine-stand-in") == "mine-stand-in"
    assert list_name(path, ["https://api.themoviedb.org"], "mine") == "mine"


@pytest.mark.parametrize(
    "line",
    [
        "/3/search/movie?query=My-Own-Token-1",
        "/3/search/movie?query=my%2Down%2Dtoken%2D1",
        "/3/movie/my-own-token-1",
        "https://my-own-token-1.example.org/3/movie/1",
        "my-own-token-1://api.themoviedb.org/3/movie/1",
    ],
)
def test_a_line_with_the_users_own_credential_is_rejected_without_it(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "movies.txt"
    path.write_text(f"/3/movie/1?api_key=My-Own-Token-1\n{line}\n")
    scan = Scan(path, ["https://api.themoviedb.org"], secret="My-Own-Token-1")  # noqa: S106 - made up

    urls = list(scan.new_urls())

    assert urls == ["https://api.themoviedb.org/3/movie/1"]
    assert [one.reason for one in scan.first_rejected] == ["your own credential inside"]
    assert "own-token" not in repr(scan).lower()
