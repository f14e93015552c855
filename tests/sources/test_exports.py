import gzip
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.client.servers import RawServer, answer, answers_always, deaf_port
from tmdb_assets import batches
from tmdb_assets.client.file_download import FileDownloadError, FileUnavailableError
from tmdb_assets.errors import BatchError, ConfigurationError, StoreError
from tmdb_assets.model import Settings
from tmdb_assets.sources.export_file import ExportError
from tmdb_assets.sources.exports import ExportReport, Wanted, make_list
from tmdb_assets.sources.fetching import EXPORTS_URL, NoExportError, exports_url
from tmdb_assets.sources.shapes import Wish
from tmdb_assets.standin import exports
from tmdb_assets.standin.server import StandIn

MakeSettings = Callable[..., Settings]
Freeze = Callable[..., None]
SECRET = "sn7Qa0wLrXc3Zk9TfYb5"  # noqa: S105 - made up, and looked for


def yesterday() -> date:
    """Return a day whose export is there whatever the hour."""
    return datetime.now(UTC).date() - timedelta(days=1)


def lines_of(name: str, day: date, count: int = 300) -> list[dict[str, Any]]:
    body = exports.file_of(name, day, count).body
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]


def make(
    settings: Settings, path: Path, kind: str = "movie", **changes: Any
) -> tuple[ExportReport, list[str]]:
    """Make a list of yesterday's export; return the report and the ends of the URLs."""
    wanted = replace(Wanted(kind, day=yesterday().isoformat()), **changes)
    report = make_list(wanted, settings, path, sleep=lambda _: None)
    urls = path.read_text().splitlines() if path.exists() else []
    assert all(url.startswith(settings.origins[0]) for url in urls)
    return report, [url.removeprefix(f"{settings.origins[0]}/3") for url in urls]


def paths(kind: str, lines: list[dict[str, Any]]) -> list[str]:
    return [f"/{kind}/{line['id']}" for line in lines]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


def test_a_list_has_every_id_in_the_order_of_the_export_without_adult_and_video_ones(
    settings: Settings, path: Path
) -> None:
    report, urls = make(settings, path)

    lines = lines_of("movie_ids", yesterday())
    wanted = [line for line in lines if not line["adult"] and not line["video"]]
    assert urls == paths("movie", wanted)
    adult = sum(line["adult"] for line in lines)
    assert dict(report.left_out) == {"adult": adult, "video": 300 - len(wanted) - adult}
    assert (report.lines, report.ids, report.written) == (300, len(wanted), len(wanted))
    assert (report.already, report.odd, report.day) == (0, (), yesterday())
    assert report.first == tuple(f"{settings.origins[0]}/3{url}" for url in urls[:10])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("tv", "tv_series_ids"),
        ("collection", "collection_ids"),
        ("network", "tv_network_ids"),
        ("keyword", "keyword_ids"),
        ("company", "production_company_ids"),
    ],
)
def test_each_kind_has_its_export(settings: Settings, path: Path, kind: str, name: str) -> None:
    assert make(settings, path, kind)[1] == paths(kind, lines_of(name, yesterday()))


def test_what_is_made_can_be_added(settings: Settings, path: Path) -> None:
    report, _ = make(settings, path, "tv", wish=Wish(("credits", "season/1")))

    added = batches.add(path, settings)

    assert (added.plan.new, added.plan.rejected) == (report.written, 0)


def test_adult_ones_come_from_both_exports(settings: Settings, path: Path) -> None:
    report, urls = make(settings, path, "person", adult=True)

    ordinary, adult = lines_of("person_ids", yesterday()), lines_of("adult_person_ids", yesterday())
    assert urls == paths("person", ordinary + adult)
    assert report.lines == 600
    assert [source.rpartition("/")[2][:-19] for source in report.sources] == [
        "person_ids",
        "adult_person_ids",
    ]


def test_films_marked_as_video_can_be_had(settings: Settings, path: Path) -> None:
    _, urls = make(settings, path, video=True)

    assert urls == paths(
        "movie", [one for one in lines_of("movie_ids", yesterday()) if not one["adult"]]
    )


def test_the_less_popular_are_left_out(settings: Settings, path: Path) -> None:
    report, urls = make(settings, path, "tv", min_popularity=2.0)

    lines = lines_of("tv_series_ids", yesterday())
    assert urls == paths("tv", [line for line in lines if line["popularity"] >= 2.0])
    assert dict(report.left_out) == {"less popular": 300 - len(urls)}


def test_a_limit_takes_the_most_popular_in_the_order_of_the_export(
    settings: Settings, path: Path
) -> None:
    report, urls = make(settings, path, "tv", limit=20)

    lines = lines_of("tv_series_ids", yesterday())
    best = sorted(lines, key=lambda line: -line["popularity"])[:20]
    assert urls == paths("tv", [line for line in lines if line in best])
    assert dict(report.left_out) == {"beyond the limit": 280}


def test_a_limit_takes_the_first_where_nobody_knows_what_is_popular(
    settings: Settings, path: Path
) -> None:
    _, urls = make(settings, path, "keyword", limit=5)

    assert urls == paths("keyword", lines_of("keyword_ids", yesterday())[:5])


def test_separate_parts_are_grouped_by_id(settings: Settings, path: Path) -> None:
    report, urls = make(
        settings, path, "tv", wish=Wish(("credits", "images"), separate=True), limit=2
    )

    first, second = (url for url in urls if url.count("/") == 2)
    assert urls == [f"{one}{end}" for one in (first, second) for end in ("", "/credits", "/images")]
    assert (report.ids, report.written) == (2, 6)


def test_what_a_list_has_is_left_out_unless_all_is_wanted(
    settings: Settings, path: Path, freeze: Freeze
) -> None:
    ids = [line["id"] for line in lines_of("tv_series_ids", yesterday())]
    freeze(settings, "some", *(f"/tv/{number}" for number in ids[::2]))
    freeze(settings, "others", *(f"/movie/{number}" for number in ids))

    report, urls = make(settings, path, "tv")
    again, everything = make(settings, path, "tv", every=True)

    assert urls == [f"/tv/{number}" for number in ids[1::2]]
    assert (report.already, report.written) == (150, 150)
    assert (again.already, len(everything)) == (0, 300)


def test_the_next_day_makes_a_list_of_what_is_new(settings: Settings, path: Path) -> None:
    before = yesterday() - timedelta(days=1)
    make(settings, path, "keyword", day=before.isoformat())
    batches.add(path, settings)

    report, urls = make(settings, path, "keyword")

    had = {line["id"] for line in lines_of("keyword_ids", before)}
    new = [line for line in lines_of("keyword_ids", yesterday()) if line["id"] not in had]
    assert urls == paths("keyword", new)
    assert 0 < report.written < 20


def test_when_nothing_is_new_nothing_is_written(settings: Settings, path: Path) -> None:
    make(settings, path)
    batches.add(path, settings)
    path.unlink()

    report, _ = make(settings, path)

    assert (report.written, report.first) == (0, ())
    assert report.already == report.ids > 250
    assert not path.exists()


def test_no_file_stays_but_the_record(settings: Settings, path: Path, tmp_path: Path) -> None:
    make(settings, path)

    assert sorted(os.listdir(tmp_path / "data/exports")) == [  # noqa: PTH208 - names alone
        ".lock-movie_ids-stand-in",
        "movie_ids-stand-in.json",
    ]
    record = json.loads((tmp_path / "data/exports/movie_ids-stand-in.json").read_text())
    assert (record["date"], record["lines"]) == (yesterday().isoformat(), 300)


def test_exports_take_a_permit_each_and_no_credential(
    make_settings: MakeSettings, server: StandIn, path: Path
) -> None:
    make(make_settings(server.origin, TMDB_READ_ACCESS_TOKEN=SECRET), path)
    make(make_settings(server.origin, TMDB_API_KEY=SECRET), path)

    said = server.statistics()
    assert (said["file_requests"], said["file_requests_with_credentials"]) == (2, 0)
    assert said["arrivals"] == 0


def test_the_newest_is_that_of_yesterday_as_long_as_todays_is_not_there(
    settings: Settings, path: Path, server: StandIn
) -> None:
    server.change({"export_today": False})
    noon = datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC).replace(hour=12)

    report = make_list(Wanted("keyword"), settings, path, now=lambda: noon)

    assert report.day == noon.date() - timedelta(days=1)
    assert server.statistics()["file_requests"] == 2


def test_when_there_is_none_for_a_week_it_says_so(
    settings: Settings, path: Path, server: StandIn
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=200)

    with pytest.raises(NoExportError) as caught:
        make_list(Wanted("movie", adult=True), settings, path, now=lambda: long_ago)

    assert "there is no export movie_ids and adult_movie_ids at http://127" in str(caught.value)
    assert str(caught.value).endswith(": try again later")
    assert server.statistics()["file_requests"] == 8
    assert not path.exists()


def test_a_day_that_is_not_there_is_named(settings: Settings, path: Path, server: StandIn) -> None:
    server.change({"export_today": False})
    today = datetime.now(UTC).date().isoformat()

    with pytest.raises(NoExportError, match=f"of {today}: take another date, or none for the new"):
        make(settings, path, day=today)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("season"), "exports no ids of 'season'"),
        (Wanted("keyword", adult=True), "marks no keyword as adult"),
        (Wanted("tv", video=True), "marks no tv as video"),
        (Wanted("company", min_popularity=1), "the export of company has no popularity"),
        (Wanted("tv", min_popularity=-1), "a popularity of -1 is none"),
        (Wanted("tv", min_popularity=float("nan")), "a popularity of nan is none"),
        (Wanted("tv", limit=0), "a limit of 0 leaves nothing"),
        (Wanted("tv", day="2026-13-01"), "'2026-13-01' is no date"),
        (Wanted("tv", day="2019-01-01"), "2019-01-01 is too long ago: take"),
        (Wanted("tv", wish=Wish(("release_dates",))), "is no sub-resource of tv"),
    ],
)
def test_what_there_is_not_is_refused_before_anything_is_sent(
    settings: Settings, path: Path, server: StandIn, wanted: Wanted, words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_list(wanted, settings, path)

    assert words in str(caught.value)
    assert server.statistics()["file_requests"] == 0
    assert not settings.data_dir.exists()


@pytest.mark.parametrize("fault", ["cut_gzip", "cut_line", "html", "no_gzip"])
def test_a_bad_export_leaves_the_list_as_it_was(
    settings: Settings, path: Path, server: StandIn, fault: str
) -> None:
    path.write_text("before\n")
    server.change({"export_fault": fault})

    with pytest.raises(ExportError, match=r"http://127.*movie_ids_.*\.json\.gz is "):
        make(settings, path)

    assert path.read_text() == "before\n"
    assert not list(settings.data_dir.glob("exports/*.json*"))


def test_a_short_export_never_passes_for_few_ids(
    settings: Settings, path: Path, server: StandIn, tmp_path: Path
) -> None:
    make(settings, path)
    whole = path.read_text()
    server.change({"export_fault": "short"})

    with pytest.raises(ExportError, match=r"has 30 lines where that of .* had 300"):
        make(settings, path, every=True)

    assert path.read_text() == whole
    (tmp_path / "data/exports/movie_ids-stand-in.json").unlink()
    assert make(settings, path, every=True)[0].lines == 30


def test_a_republished_export_is_taken_as_it_is(
    settings: Settings, path: Path, server: StandIn
) -> None:
    make(settings, path, "keyword")
    batches.add(path, settings)
    server.change({"export_fault": "republished"})

    assert make(settings, path, "keyword")[0].written == 3


def test_odd_lines_are_counted(settings: Settings, path: Path, server: StandIn) -> None:
    server.change({"export_fault": "odd_lines"})

    report, urls = make(settings, path, "tv")

    assert len(urls) == 300
    assert sum(count for _, count in report.odd) == 6


NO_POPULARITIES = ("9" * 400, f"-{'9' * 400}", "1e999", "NaN", "null", '"3.5"')


@pytest.mark.parametrize(
    ("wish", "ids", "left_out"),
    [
        ({}, range(1, 8), {}),
        ({"min_popularity": 1.0}, [7], {"without a popularity": 6}),
        ({"limit": 2}, [1, 7], {"beyond the limit": 5}),
    ],
)
def test_what_is_no_popularity_is_the_least(
    make_settings: MakeSettings,
    path: Path,
    wish: dict[str, Any],
    ids: list[int],
    left_out: dict[str, int],
) -> None:
    values = (*NO_POPULARITIES, "3.5")
    lines = [f'{{"id":{number},"popularity":{value}}}\n' for number, value in enumerate(values, 1)]
    export = gzip.compress("".join(lines).encode())

    with RawServer(answers_always(answer(export))) as server:
        report, urls = make(make_settings(server.origin), path, **wish)

    assert urls == [f"/movie/{number}" for number in ids]
    assert dict(report.left_out) == left_out
    assert (report.lines, report.odd) == (7, ())


@pytest.mark.parametrize("kind", ["503", "429", "reset", "truncated", "truncated_unframed"])
def test_what_passes_is_tried_again(
    settings: Settings, path: Path, server: StandIn, kind: str
) -> None:
    name = f"/p/exports/keyword_ids_{yesterday():%m_%d_%Y}.json.gz"
    server.change({"script": {name: [kind, "ok"]}})
    pauses: list[float] = []
    wanted = Wanted("keyword", day=yesterday().isoformat())

    if kind == "truncated_unframed":  # nothing on the wire tells: the end of the gzip does
        with pytest.raises(ExportError, match="its gzip has no end"):
            make_list(wanted, settings, path, sleep=pauses.append)
        return
    report = make_list(wanted, settings, path, sleep=pauses.append)

    assert report.written == 300
    assert len(pauses) == 1


def test_what_does_not_pass_ends_it(settings: Settings, path: Path, server: StandIn) -> None:
    name = f"/p/exports/movie_ids_{yesterday():%m_%d_%Y}.json.gz"
    server.change({"script": {name: ["503"] * 3}})

    with pytest.raises(FileUnavailableError, match=r"gz cannot be had now: HTTP 503: try again"):
        make(settings, path)

    assert server.statistics()["file_requests"] == 3


def test_a_redirect_elsewhere_is_not_followed(
    settings: Settings, path: Path, server: StandIn
) -> None:
    name = f"/p/exports/movie_ids_{yesterday():%m_%d_%Y}.json.gz"
    server.change({"script": {name: ["redirect_other"]}})

    with pytest.raises(FileDownloadError, match="cannot be had: redirected elsewhere"):
        make(settings, path)

    assert server.statistics()["file_requests"] == 1


def test_a_host_that_nobody_answers_for_is_named(make_settings: MakeSettings, path: Path) -> None:
    with deaf_port() as port:
        settings = make_settings(f"http://127.0.0.1:{port}")
        with pytest.raises(FileUnavailableError, match="had now: connection refused: try again"):
            make(settings, path)


def test_two_at_once_wait_for_each_other(
    settings: Settings, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tmdb_assets.files import exclusive, make_folder  # noqa: PLC0415 - of this test alone
    from tmdb_assets.sources import fetching  # noqa: PLC0415

    monkeypatch.setattr(fetching, "_LOCK_WAIT_SECONDS", 0.1)
    folder = settings.data_dir / "exports"
    make_folder(folder)

    with exclusive(folder / ".lock-movie_ids-stand-in", 1.0):
        with pytest.raises(BatchError, match="another process held"):
            make(settings, path)
        assert make(settings, path, "tv")[0].written == 300


def test_a_list_that_cannot_be_written_is_named_before_anything_is_sent(
    settings: Settings, tmp_path: Path, server: StandIn
) -> None:
    with pytest.raises(StoreError, match="cannot write a list to"):
        make(settings, tmp_path / "nowhere/list.txt")

    assert server.statistics()["file_requests"] == 0


def test_exports_are_those_of_tmdb_unless_a_stand_in_is_asked(make_settings: MakeSettings) -> None:
    assert exports_url(make_settings()) == EXPORTS_URL == "https://files.tmdb.org/p/exports"
    assert exports_url(make_settings("https://tmdb.example.test")) == EXPORTS_URL
    assert exports_url(make_settings("http://127.0.0.1:8731")) == "http://127.0.0.1:8731/p/exports"
