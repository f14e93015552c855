import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from tests.standin.asking import with_kind
from tmdb_assets.standin import exports
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

Ask = Callable[..., Any]
DAY = date(2026, 8, 27)
KINDS = {
    "movie_ids": "movie",
    "tv_series_ids": "tv",
    "person_ids": "person",
    "collection_ids": "collection",
    "tv_network_ids": "network",
    "keyword_ids": "keyword",
    "production_company_ids": "company",
}
KEYS = {
    "movie_ids": ["adult", "id", "original_title", "popularity", "video"],
    "tv_series_ids": ["id", "original_name", "popularity"],
    "person_ids": ["adult", "id", "name", "popularity"],
    "adult_movie_ids": ["adult", "id", "original_title", "popularity", "video"],
    "adult_tv_series_ids": ["adult", "id", "original_name", "popularity"],
    "adult_person_ids": ["adult", "id", "name", "popularity"],
}


def path_of(name: str, day: date) -> str:
    return f"/p/exports/{name}_{day:%m_%d_%Y}.json.gz"


def today() -> date:
    return datetime.now(UTC).date()


def yesterday(name: str = "movie_ids") -> str:
    """Return a path that is there, also when the day ends within a test."""
    return path_of(name, today() - timedelta(days=1))


def lines(name: str, day: date = DAY, count: int = 300, fault: str | None = None) -> list[Any]:
    body = exports.file_of(name, day, count, fault).body
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]


@pytest.mark.parametrize("name", exports.NAMES)
def test_an_export_has_the_lines_of_tmdbs(name: str) -> None:
    found = lines(name)

    assert len(found) == 300
    assert {tuple(line) for line in found} == {tuple(KEYS.get(name, ["id", "name"]))}
    assert len({line["id"] for line in found}) == 300
    if name.startswith("adult_"):
        assert {line["adult"] for line in found} == {True}
    text = gzip.decompress(exports.file_of(name, DAY, 300).body).decode()
    assert text.endswith("}\n")
    assert '": ' not in text


@pytest.mark.parametrize("name", KINDS)
def test_most_ids_exist_and_some_do_not(name: str) -> None:
    statuses = [
        answer_to(f"/3/{KINDS[name]}/{line['id']}", "").status for line in lines(name, count=800)
    ]

    assert statuses.count(404) in {1, 2}
    assert statuses.count(200) == 800 - statuses.count(404)


def test_titles_are_those_of_the_details() -> None:
    names = {"movie_ids": "original_title", "tv_series_ids": "original_name", "person_ids": "name"}
    for name, key in names.items():
        line = lines(name)[20]
        details = json.loads(answer_to(f"/3/{KINDS[name]}/{line['id']}", "").body)
        assert line[key] == details[key]


def test_flags_and_popularity_vary_and_ids_are_in_no_strict_order() -> None:
    found = lines("movie_ids", count=1000)
    ids = [line["id"] for line in found]

    assert 0 < sum(line["adult"] for line in found) < 50
    assert 0 < sum(line["video"] for line in found) < 100
    assert 0 < sum(line["popularity"] > 10 for line in found) < 100
    assert ids != sorted(ids)


def test_every_day_has_its_own_ids_and_popularity() -> None:
    first, second = lines("movie_ids"), lines("movie_ids", DAY + timedelta(days=1))
    one, other = ({line["id"] for line in found} for found in (first, second))

    assert 0 < len(one - other) < 10
    assert first[5]["popularity"] != second[5]["popularity"]


def test_another_process_makes_the_same_bytes() -> None:
    code = (
        "from datetime import date; from hashlib import sha256;"
        "from tmdb_assets.standin.exports import file_of;"
        "print(sha256(file_of('person_ids', date(2026, 8, 27), 50).body).hexdigest())"
    )

    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    here = exports.file_of("person_ids", DAY, 50).body
    assert there.stdout.strip() == sha256(here).hexdigest()


def test_an_export_is_served_with_length_etag_and_date(either_server: StandIn, ask: Ask) -> None:
    path = yesterday()
    reply = ask(either_server.origin, path)
    head = ask(either_server.origin, path, method="HEAD")

    assert reply.status == head.status == 200
    assert len(gzip.decompress(reply.body).splitlines()) == 2000
    assert reply.headers["content-type"] == "application/gzip"
    assert int(reply.headers["content-length"]) == len(reply.body)
    assert reply.headers["etag"].startswith('"')
    assert reply.headers["last-modified"].endswith(" 07:20:00 GMT")
    assert "content-encoding" not in reply.headers
    assert (head.body, head.headers["content-length"]) == (b"", reply.headers["content-length"])
    known = ask(either_server.origin, path, if_none_match=reply.headers["etag"])
    assert (known.status, known.body) == (304, b"")


def test_conditions_can_be_ignored_for_exports_too(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0, honours_conditions=False)) as server:
        assert ask(server.origin, yesterday(), if_none_match="*").status == 200


def test_exports_are_no_arrivals_and_count_in_no_second(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0, cap=1, token="s3cret")) as server:  # noqa: S106 - made up
        replies = [ask(server.origin, yesterday()) for _ in range(3)]
        ask(server.origin, yesterday(), authorization="Bearer s3cret")
        said, arrivals = server.statistics(), server.arrivals()
        server.reset()
        after = server.statistics()

    assert {reply.status for reply in replies} == {200}
    assert (said["arrivals"], said["max_in_any_second"], arrivals) == (0, 0, [])
    assert (said["file_requests"], said["file_requests_with_credentials"]) == (4, 1)
    assert after["file_requests"] == 0


def test_only_the_last_ninety_days_are_there() -> None:
    for days, is_there in ((0, True), (90, True), (91, False), (-1, False)):
        found = exports.find(path_of("movie_ids", DAY - timedelta(days=days)), DAY, has_today=True)
        assert (found is not None) is is_there
    assert exports.find(path_of("movie_ids", DAY), DAY, has_today=False) is None
    yesterday_path = path_of("movie_ids", DAY - timedelta(days=1))
    assert exports.find(yesterday_path, DAY, has_today=False) is not None


@pytest.mark.parametrize(
    "path",
    [
        "/p/exports/movie_ids_13_45_2026.json.gz",
        "/p/exports/film_ids_08_27_2026.json.gz",
        "/p/exports/movie_ids_08_27_2026.json",
        "/p/exports/",
        "/p/exports/movie_ids_01_01_2019.json.gz",
        "/p/other",
    ],
)
def test_what_is_not_there_is_denied_in_xml(server: StandIn, ask: Ask, path: str) -> None:
    reply = ask(server.origin, path)

    assert (reply.status, reply.headers["content-type"]) == (403, "application/xml")
    assert b"<Code>AccessDenied</Code>" in reply.body


def test_todays_can_be_not_there_yet(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0, export_today=False)) as server:
        early = ask(server.origin, path_of("movie_ids", today())).status
        server.change({"export_today": True})
        later = ask(server.origin, path_of("movie_ids", today())).status

    assert (early, later) == (403, 200)


def test_the_number_of_lines_is_a_setting(ask: Ask) -> None:
    with StandIn(StandInSettings(latency_seconds=0, export_lines=7)) as server:
        reply = ask(server.origin, yesterday("keyword_ids"))

    assert len(gzip.decompress(reply.body).splitlines()) == 7


def test_exports_misbehave_in_their_own_ways() -> None:
    def body(fault: str) -> bytes:
        return exports.file_of("movie_ids", DAY, 300, fault).body

    whole = exports.file_of("movie_ids", DAY, 300)
    with pytest.raises(EOFError):
        gzip.decompress(body("cut_gzip"))
    *good, cut = gzip.decompress(body("cut_line")).splitlines()
    assert len(good) == 299
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut)
    assert body("html").startswith(b"<!DOCTYPE html>")
    assert body("no_gzip") == gzip.decompress(whole.body)
    assert len(lines("movie_ids", fault="short")) == 30
    again = exports.file_of("movie_ids", DAY, 300, "republished")
    assert dict(again.headers)[b"etag"] != dict(whole.headers)[b"etag"]
    assert len(lines("movie_ids", fault="republished")) == 300


def test_odd_lines_are_among_the_others() -> None:
    found = lines("tv_series_ids", fault="odd_lines")
    ids = [line.get("id", ...) if isinstance(line, dict) else line for line in found]

    assert ids[1:6] == [None, "12", 2**64, ..., [1]]
    assert ids[0] == ids[6]
    assert len(found) == 306


def test_an_export_can_misbehave_on_the_wire(ask: Ask) -> None:
    path = yesterday()
    script = {path: ["503", "ok"]}
    with StandIn(StandInSettings(latency_seconds=0, script=script, fault_share=1)) as server:
        statuses = [ask(server.origin, path).status for _ in range(3)]
        moved = ask(server.origin, with_kind("redirect_same", path))
        there = ask(server.origin, moved.headers["location"])

    assert statuses == [503, 200, 200]
    assert (moved.status, there.status) == (301, 200)
