import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._utils.error import serializable_error_info_from_exc_info

from tests.defs.execution import values
from tests.defs.project import Project
from tests.defs.ticker import Ticker
from tmdb_assets import watched
from tmdb_assets.defs import exports
from tmdb_assets.defs.exports import (
    EXPORT_JOB,
    IdExportConfig,
    daily_export,
    id_exports,
    tmdb_id_export,
)
from tmdb_assets.defs.partitions import ID_EXPORTS
from tmdb_assets.errors import ConfigurationError
from tmdb_assets.standin.server import StandIn


def make(project: Project, **config: Any) -> dict[str, Any]:
    """Materialize the asset as a run does; return its metadata, numbers and texts as they are."""
    result = dg.materialize(
        [id_exports],
        instance=project.instance,
        resources={"tmdb": project.tmdb},
        run_config=dg.RunConfig(ops={ID_EXPORTS: IdExportConfig(**config)}),
    )
    (event,) = result.asset_materializations_for_node(ID_EXPORTS)
    return values(event.metadata)


def failure(project: Project, **config: Any) -> dg.Failure:
    """Call the asset so that nothing is retried; return what it failed with."""
    with (
        dg.build_asset_context(instance=project.instance) as context,
        pytest.raises(dg.Failure) as caught,
    ):
        id_exports(context, IdExportConfig(**config), tmdb=project.tmdb)
    return caught.value


def dropped(project: Project) -> list[str]:
    folder = project.tmdb.settings().url_lists_dir
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_list_is_dropped_into_the_watched_folder(project: Project, stand_in: StandIn) -> None:
    stand_in.change({"export_lines": 250})
    said = make(project, kinds=["tv"], append=["credits"], parameters=["language=de-DE"])

    path = project.folder / "url_lists/tv-export.txt"
    urls = path.read_text().splitlines()
    assert dropped(project) == ["tv-export.txt"]
    assert urls[0].endswith("?append_to_response=credits&language=de-DE")
    assert (said["lines"], said["ids"], said["urls_written"]) == (250, 250, len(urls))
    assert (said["odd_lines"], said["urls_in_lists_already"]) == (0, 0)
    assert said["path"] == str(path)
    assert said["preview"] == [{"list": "tv-export", "url": url} for url in urls[:10]]
    assert said["exports"] == [
        {
            "kind": "tv",
            "date": said["date"],
            "lines": 250,
            "left out": "none",
            "ids": 250,
            "in lists already": 0,
            "written": 250,
        }
    ]


def test_the_sensor_takes_it_and_the_next_one_drops_nothing(
    project: Project, ticker: Ticker, stand_in: StandIn
) -> None:
    stand_in.change({"export_lines": 250})
    make(project, kinds=["keyword"])
    ticker.tick()
    ticked = ticker.tick()
    (project.folder / "url_lists/keyword-export.txt").unlink()

    said = make(project, kinds=["keyword"])

    assert len(ticked.run_requests or []) == 3
    assert (said["urls_written"], said["urls_in_lists_already"]) == (0, 250)
    assert not {"path", "preview"} & set(said)
    assert dropped(project) == []


def test_what_is_new_becomes_further_batches(
    project: Project, ticker: Ticker, stand_in: StandIn
) -> None:
    stand_in.change({"export_lines": 100})
    make(project, kinds=["keyword"])
    ticker.tick()
    assert len(ticker.queue()) == 1
    stand_in.change({"export_lines": 120})
    said = make(project, kinds=["keyword"])
    ticker.tick()

    assert said["urls_written"] == 20
    assert ticker.keys() == ["keyword-export-stand-in-0002"]


def test_several_kinds_make_a_list_each(project: Project, stand_in: StandIn) -> None:
    stand_in.change({"export_lines": 100, "export_fault": "odd_lines"})
    said = make(project, kinds=["movie", "person", "movie"], limit=30, video=True)

    assert dropped(project) == ["movie-export.txt", "person-export.txt"]
    assert (said["lines"], said["urls_written"], said["odd_lines"]) == (212, 60, 12)
    movie, _ = said["exports"]
    assert " beyond the limit, " in movie["left out"]
    assert "1 an id that is null" in movie["left out"]
    assert len(said["preview"]) == 20


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"kinds": ["season"]}, "exports no ids of 'season'"),
        ({"append": ["credit"]}, "'credit' is no sub-resource of movie"),
        ({"limit": 0}, "a limit of 0"),
        ({"parameters": ["api_key=x"]}, "a parameter is a credential"),
    ],
)
def test_what_cannot_be_had_fails_for_good(
    project: Project, config: dict[str, Any], words: str
) -> None:
    failed = failure(project, **config)

    assert words in str(failed.description)
    assert not failed.allow_retries


@pytest.mark.parametrize("fault", ["cut_gzip", "html"])
def test_an_export_that_is_cut_short_is_tried_again_later(
    project: Project, stand_in: StandIn, fault: str
) -> None:
    stand_in.change({"export_fault": fault})
    failed = failure(project)

    assert "nothing of it is used" in str(failed.description)
    assert failed.allow_retries
    assert dropped(project) == []


def test_an_export_that_is_not_there_is_tried_again_later(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("tmdb_assets.standin.exports.find", lambda *_, **__: None)
        failed = failure(project)

    assert "there is no export movie_ids at" in str(failed.description)
    assert failed.allow_retries
    assert id_exports.op.retry_policy is not None
    assert id_exports.op.retry_policy.max_retries == 2


def test_a_list_that_the_sensor_would_refuse_is_not_dropped(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_BYTES", 1000)
    failed = failure(project, kinds=["keyword"])

    assert "more than the 1,000 that the sensor takes: set a limit" in str(failed.description)
    assert dropped(project) == []
    assert watched.MAX_BYTES > 1000


def test_settings_that_cannot_be_used_fail_in_words(project: Project) -> None:
    with (
        dg.build_asset_context(instance=project.instance) as context,
        pytest.raises(dg.Failure, match="TMDB_THREADS is 'x'"),
    ):
        id_exports(context, IdExportConfig(), tmdb=project.with_(TMDB_THREADS="x"))


def test_the_schedule_starts_the_job_every_morning_once_somebody_turns_it_on(
    project: Project,
) -> None:
    defs = dg.Definitions(
        assets=[id_exports],
        jobs=[tmdb_id_export],
        schedules=[daily_export],
        resources={"tmdb": project.tmdb},
        executor=dg.in_process_executor,
    )
    schedule = defs.get_repository_def().get_schedule_def("daily_export")

    assert schedule.job_name == EXPORT_JOB == "tmdb_id_export"
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 8 * * *", "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    result = defs.resolve_job_def(EXPORT_JOB).execute_in_process(instance=project.instance)
    assert result.success
    assert dropped(project) == ["movie-export.txt"]


def test_the_asset_says_what_it_is() -> None:
    (spec,) = id_exports.specs

    assert spec.key == dg.AssetKey("id_exports")
    assert (spec.group_name, list(spec.owners), spec.kinds) == (
        "tmdb",
        ["team:tmdb"],
        {"file", "tmdb"},
    )
    assert "cut short makes none" in (spec.description or "")
    assert id_exports.partitions_def is None


def test_nothing_is_made_of_no_kind(project: Project) -> None:
    assert make(project, kinds=[])["urls_written"] == 0
    assert not Path(project.folder / "url_lists").exists()


def test_what_only_other_kinds_have_is_passed_over(project: Project, stand_in: StandIn) -> None:
    stand_in.change({"export_lines": 50})
    make(
        project,
        kinds=["movie", "tv", "keyword"],
        append=["release_dates", "season/1", "credits"],
        min_popularity=0.001,
        adult=True,
        video=True,
    )

    ends = {
        name: (project.folder / "url_lists" / name).read_text().split()[0].partition("?")[2]
        for name in dropped(project)
    }
    assert ends == {
        "movie-export.txt": "append_to_response=release_dates,credits",
        "tv-export.txt": "append_to_response=season%2F1,credits",
        "keyword-export.txt": "",
    }


def test_a_kind_without_anything_that_is_to_stand_alone_has_its_details(
    project: Project, stand_in: StandIn
) -> None:
    stand_in.change({"export_lines": 50})
    said = make(project, kinds=["keyword", "collection"], append=["images"], separate=True)

    assert [row["written"] for row in said["exports"]] == [50, 100]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"append": ["credits", "guests"]}, "'guests' is no sub-resource of movie or tv: take"),
        ({"append": [f"season/{number}" for number in range(21)]}, "21 sub-resources are more"),
        ({"kinds": ["movie", "season"]}, "exports no ids of 'season'"),
        ({"separate": True}, "nothing stands alone without sub-resources"),
    ],
)
def test_all_kinds_are_checked_before_the_first_list_is_dropped(
    project: Project, stand_in: StandIn, config: dict[str, Any], words: str
) -> None:
    failed = failure(project, **{"kinds": ["movie", "tv"], **config})

    assert words in str(failed.description)
    assert stand_in.statistics()["file_requests"] == 0
    assert dropped(project) == []


def tick(project: Project, wishes: str, **variables: str) -> dg.RunRequest:
    """Evaluate the schedule of a morning; return what it requests."""
    with dg.build_schedule_context(
        instance=project.instance,
        scheduled_execution_time=datetime(2026, 11, 24, 8, 30, tzinfo=UTC),
        resources={"tmdb": project.with_(TMDB_DAILY_EXPORT=wishes, **variables)},
    ) as context:
        found = daily_export(context)
    assert isinstance(found, dg.RunRequest)
    return found


def test_the_schedule_asks_for_what_the_environment_wishes_once_a_day(project: Project) -> None:
    request = tick(project, '{"kinds": ["tv"], "min_popularity": 1, "append": ["credits"]}')

    config = request.run_config["ops"][ID_EXPORTS]["config"]
    assert request.run_key == "2026-11-24"
    assert (config["kinds"], config["min_popularity"]) == (["tv"], 1)
    assert (config["append"], config["adult"]) == (["credits"], False)
    result = dg.materialize(
        [id_exports],
        instance=project.instance,
        resources={"tmdb": project.tmdb},
        run_config=request.run_config,
    )
    assert result.success
    assert dropped(project) == ["tv-export.txt"]


def test_without_a_wish_it_is_all_movies(project: Project) -> None:
    config = tick(project, "").run_config["ops"][ID_EXPORTS]["config"]

    assert (config["kinds"], config["min_popularity"]) == (["movie"], 0)


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ("movie", "is no JSON object"),
        ("[1]", "is no JSON object"),
        ("[" * 100_000, "is no JSON object"),
        ('{"kind": "movie"}', "kind"),
        ('{"kinds": "movie"}', "kinds"),
        ('{"min_popularity": "much"}', "min_popularity"),
        ('{"min_popularity": -1}', "a popularity of -1.0 is none"),
        ('{"min_popularity": 1e999}', "a popularity of inf is none"),
        ('{"limit": 0}', "a limit of 0 leaves nothing"),
        ('{"kinds": []}', "names no kind: write some"),
        ('{"kinds": ["season"]}', "exports no ids of 'season'"),
        ('{"kinds": ["tv"], "append": ["release_dates"]}', "is no sub-resource of tv"),
        ('{"parameters": ["language"]}', "not of the form name=value"),
    ],
)
def test_a_wish_that_is_none_is_named(project: Project, wishes: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"TMDB_DAILY_EXPORT.*{words}"):
        tick(project, wishes)


KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiI1ZjQ.sn7Qa0wLrXc3Zk9TfYb5"  # noqa: S105 - made up


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"parameters": [f"api_key={KEY}"]}, "a parameter is a credential: leave it out"),
        ({"parameters": [f"language={TOKEN}"]}, "a parameter is a credential: leave it out"),
        ({"parameters": [f"language=de&api_key={KEY}"]}, "the value of 'language' holds"),
        ({"parameters": [f"Bearer {TOKEN}"]}, "not of the form name=value"),
        ({"parameters": [f"api_key={KEY}"], "kinds": []}, "names no kind"),
        ({"append": [f"credits?api_key={KEY}"]}, "'…' (not shown: it may be a credential) is no"),
        ({"kinds": [KEY]}, "exports no ids of '…'"),
        ({"kinds": ["movie", TOKEN]}, "exports no ids of '…'"),
        ({KEY: True}, "there is no '…'"),
        ({"api_key": KEY}, "there is no 'api_key'"),
        ({"limit": KEY}, "limit: "),
        ({"kinds": KEY}, "kinds: "),
    ],
)
def test_a_credential_in_the_wishes_is_refused_before_dagster_stores_it(
    project: Project, wish: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tick(project, json.dumps(wish), TMDB_READ_ACCESS_TOKEN=TOKEN)

    # what Dagster stores of a tick that failed
    error = serializable_error_info_from_exc_info((caught.type, caught.value, caught.tb))
    stored = error.to_string()
    assert words in stored
    assert "TMDB_DAILY_EXPORT" in stored
    assert not [text for text in (KEY, TOKEN) if text in stored]
