import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg
import pytest

from tests.defs.execution import Evaluations, evaluations, execute, failure_of, look, values
from tests.defs.project import Project
from tests.made_outcome import made_outcome
from tmdb_assets.definitions import defs
from tmdb_assets.defs.checks import (
    CAP_WAS_HELD,
    EVERY_LINE,
    FILES_MATCH,
    NO_URL_FAILED,
    ONE_OUTCOME,
    every_line_was_taken,
    every_url_has_one_outcome,
)
from tmdb_assets.defs.table_checks import NO_DUPLICATES, NOT_OLD, ROW_PER_BODY, TYPES_HOLD
from tmdb_assets.model import OutcomeKind, Target
from tmdb_assets.outcomes import FILE_NAME, encode
from tmdb_assets.receipt import RECEIPT_NAME, batch_folder
from tmdb_assets.standin.server import StandIn
from tmdb_assets.watched import Refused, WatchedFolder, note_refused

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
ON_DISK = {ONE_OUTCOME, FILES_MATCH}


def passed(found: Evaluations) -> dict[str, bool]:
    return {name: one.passed for name, one in found.items()}


def lines_of(folder: Path) -> list[bytes]:
    return (folder / FILE_NAME).read_bytes().splitlines(keepends=True)


# --- all of them --------------------------------------------------------------------------------


def test_all_checks_of_a_good_run_pass_each_about_its_partition(project: Project) -> None:
    first, second = project.add(200).all_batches

    result = execute(project, second)

    found = evaluations(result)
    assert passed(found) == {
        NO_URL_FAILED: True,
        CAP_WAS_HELD: True,
        ONE_OUTCOME: True,
        FILES_MATCH: True,
    }
    assert {one.partition for one in found.values()} == {second} != {first}
    assert values(found[ONE_OUTCOME].metadata) == {"urls": 100, "without_outcome": 0}
    assert values(found[FILES_MATCH].metadata) == {"files_as_fetched": 97}


def test_the_job_of_downloads_executes_all_checks_of_the_partition_too(project: Project) -> None:
    (key,) = project.add(100).all_batches

    result = defs.resolve_job_def("tmdb_download").execute_in_process(
        partition_key=key, instance=project.instance, resources={"tmdb": project.tmdb}
    )

    assert set(evaluations(result)) == {
        *(NO_URL_FAILED, CAP_WAS_HELD, *ON_DISK),
        *(NO_DUPLICATES, ROW_PER_BODY, TYPES_HOLD, NOT_OLD),
    }
    assert all(passed(evaluations(result)).values())


def test_a_good_batch_does_not_hide_a_bad_one(project: Project) -> None:
    bad, good = project.add(200).all_batches
    execute(project, bad)
    (batch_folder(project.data_dir, bad) / RECEIPT_NAME).write_text("{}")

    found = {key: evaluations(look(project, key)) for key in (bad, good)}
    found[good] = evaluations(execute(project, good))

    (key,) = every_url_has_one_outcome.check_keys
    info = project.instance.event_log_storage.get_asset_check_partition_info([key])
    statuses = {one.partition_key: one.latest_execution_status.value for one in info}
    assert (found[bad][ONE_OUTCOME].passed, found[good][ONE_OUTCOME].passed) == (False, True)
    assert statuses == {bad: "FAILED", good: "SUCCEEDED"}


# --- failed URLs --------------------------------------------------------------------------------


@pytest.mark.parametrize(("failed", "severity"), [(0, None), (1, WARN), (2, ERROR), (10, ERROR)])
def test_up_to_one_failed_url_in_a_hundred_is_a_warning_and_more_an_error(
    project: Project, stand_in: StandIn, failed: int, severity: dg.AssetCheckSeverity | None
) -> None:
    stand_in.change({"script": {f"/3/movie/{number}": ["503"] for number in range(1, failed + 1)}})
    (key,) = project.add(100).all_batches

    one = evaluations(execute(project, key))[NO_URL_FAILED]

    told = values(one.metadata)
    rows = told.pop("failures", [])
    assert one.passed is (severity is None)
    assert severity in {None, one.severity}
    assert told == {"failed": failed, "urls": 100, "failed_share": failed / 100}
    assert [(row["reason"], row["times"]) for row in rows] == (
        [("HTTP 503, TMDB code 9", failed)] if failed else []
    )
    assert all(row["examples"].count("/3/movie/") == min(failed, 3) for row in rows)


def test_a_run_that_repairs_what_failed_has_a_check_that_passes(
    project: Project, stand_in: StandIn
) -> None:
    stand_in.change({"script": {"/3/movie/7": ["503"]}})
    (key,) = project.add(100).all_batches

    found = [evaluations(execute(project, key))[NO_URL_FAILED].passed for _ in range(2)]

    assert found == [False, True]


# --- the cap ------------------------------------------------------------------------------------

CAP = 200


def forge(project: Project, moments: Sequence[float], batch: str = "others-0001") -> None:
    """Have another batch of the data folder tell of requests at these moments."""
    folder = batch_folder(project.data_dir, batch)
    folder.mkdir(parents=True)
    one = Target("https://api.themoviedb.org/3/tv/1", "tv-1")
    outcome = made_outcome(one, OutcomeKind.FAILED, sent_at=moments, status=503, reason="HTTP 503")
    (folder / FILE_NAME).write_bytes(encode(outcome))


def from_now_on(per_second: int, seconds: int = 40) -> list[float]:
    now = time.time()
    return [now + number / per_second for number in range(per_second * seconds)]


@pytest.mark.parametrize(("of_others", "is_held"), [(100, True), (CAP - 10, False)])
def test_the_cap_is_of_all_runs_together(
    project: Project, of_others: int, *, is_held: bool
) -> None:
    (key,) = project.add(20).all_batches
    forge(project, from_now_on(of_others))

    tmdb = project.with_(TMDB_REQUESTS_PER_SECOND=str(CAP))
    one = evaluations(execute(project, key, tmdb=tmdb))[CAP_WAS_HELD]

    told = values(one.metadata)
    assert (one.passed, one.severity) == (is_held, ERROR)
    assert told["cap"] == f"{CAP} requests in any second"
    # the moments of a second at whose ends two requests lie count once
    assert of_others + 19 <= told["most_in_a_second"] <= of_others + 20
    assert told["batches_that_sent"] == 2
    assert told["requests_of_all_runs"] >= 20
    assert told["fullest_second_ended_at"].endswith("+00:00")


def test_what_was_sent_an_hour_ago_does_not_count(project: Project) -> None:
    (key,) = project.add(20).all_batches
    forge(project, [time.time() - 3600] * (CAP + 1))

    tmdb = project.with_(TMDB_REQUESTS_PER_SECOND=str(CAP))
    one = evaluations(execute(project, key, tmdb=tmdb))[CAP_WAS_HELD]

    assert one.passed
    assert values(one.metadata)["batches_that_sent"] == 1
    assert values(one.metadata)["requests_of_all_runs"] == 20
    assert values(one.metadata)["most_in_a_second"] == 20


def test_a_run_that_sent_nothing_held_the_cap(project: Project) -> None:
    (key,) = project.add(20).all_batches
    execute(project, key)

    one = evaluations(execute(project, key))[CAP_WAS_HELD]

    assert one.passed
    assert values(one.metadata) == {
        "most_in_a_second": 0,
        "cap": "2000 requests in any second",
        "requests_of_all_runs": 0,
        "batches_that_sent": 0,
    }


# --- what is on disk ----------------------------------------------------------------------------


def alter(folder: Path) -> None:
    min(folder.glob("movie-*.json")).write_bytes(b'{"id": 1}')


def lose(folder: Path) -> None:
    min(folder.glob("movie-*.json")).unlink()


def put_beside(folder: Path) -> None:
    (folder / "notes.docx").touch()


def leave_over(folder: Path) -> None:
    (folder / ".tmp-1-abc").touch()


def damage_receipt(folder: Path) -> None:
    (folder / RECEIPT_NAME).write_text("half of a rec")


def falsify_receipt(folder: Path) -> None:
    path = folder / RECEIPT_NAME
    path.write_text(path.read_text().replace('"fetched": 98', '"fetched": 99'))


def append_nonsense(folder: Path) -> None:
    with (folder / FILE_NAME).open("ab") as file:
        file.write(b"nonsense\n")


def append_a_strange_outcome(folder: Path) -> None:
    with (folder / FILE_NAME).open("ab") as file:
        file.write(lines_of(folder)[0].replace(b"/movie/", b"/tv/"))


def lose_an_absent_outcome(folder: Path) -> None:
    kept = [line for line in lines_of(folder) if b"/movie/37" not in line]
    (folder / FILE_NAME).write_bytes(b"".join(kept))
    (folder / RECEIPT_NAME).unlink()


Damage = Callable[[Path], None]


@pytest.mark.parametrize(
    ("damage", "check", "flaw", "example"),
    [
        (alter, FILES_MATCH, "altered", "movie-"),
        (lose, FILES_MATCH, "missing", "movie-"),
        (put_beside, FILES_MATCH, "foreign", "notes.docx"),
        (leave_over, FILES_MATCH, "leftover", ".tmp-1-abc"),
        (damage_receipt, ONE_OUTCOME, "wrong receipt", "cannot be read"),
        (falsify_receipt, ONE_OUTCOME, "wrong receipt", "fetched"),
        (append_nonsense, ONE_OUTCOME, "unreadable outcomes", "1 lines"),
        (append_a_strange_outcome, ONE_OUTCOME, "unreadable outcomes", "URLs that it does not"),
    ],
)
def test_each_flaw_fails_the_check_that_is_about_it_and_no_other(
    project: Project, damage: Damage, check: str, flaw: str, example: str
) -> None:
    (key,) = project.add(100).all_batches
    execute(project, key)
    damage(batch_folder(project.data_dir, key))

    result = look(project, key)

    found = evaluations(result)
    (row,) = values(found[check].metadata)["flaws"]
    assert result.success
    assert passed(found) == {name: name != check for name in ON_DISK}
    assert (row["flaw"], row["times"]) == (flaw, 1)
    assert example in row["examples"]
    assert row["remedy"]


def test_a_url_without_an_outcome_fails_the_check_although_no_file_is_at_fault(
    project: Project,
) -> None:
    (key,) = project.add(100).all_batches
    execute(project, key)
    lose_an_absent_outcome(batch_folder(project.data_dir, key))

    found = evaluations(look(project, key))

    assert passed(found) == {ONE_OUTCOME: False, FILES_MATCH: True}
    assert values(found[ONE_OUTCOME].metadata) == {"urls": 100, "without_outcome": 1}


def test_a_batch_that_was_never_begun_lacks_all_outcomes_and_has_no_wrong_file(
    project: Project,
) -> None:
    (key,) = project.add(100).all_batches

    found = evaluations(look(project, key))

    assert passed(found) == {ONE_OUTCOME: False, FILES_MATCH: True}
    assert values(found[ONE_OUTCOME].metadata)["without_outcome"] == 100


def test_many_flaws_of_a_kind_are_counted_with_a_few_examples(project: Project) -> None:
    (key,) = project.add(100).all_batches
    execute(project, key)
    for path in batch_folder(project.data_dir, key).glob("movie-*.json"):
        path.write_bytes(b"{}")

    (row,) = values(evaluations(look(project, key))[FILES_MATCH].metadata)["flaws"]

    assert row["times"] == 98
    assert len(row["examples"].splitlines()) == 3


def test_what_a_failed_url_left_is_an_outcome_like_any_other(
    project: Project, stand_in: StandIn
) -> None:
    stand_in.change({"script": {"/3/movie/7": ["503"]}})
    (key,) = project.add(100).all_batches

    found = evaluations(execute(project, key))

    assert found[ONE_OUTCOME].passed
    assert found[FILES_MATCH].passed


@pytest.mark.parametrize("key", ["ghost-0001", "ghost", "movies-stand-in-0009"])
def test_a_batch_that_does_not_exist_fails_the_run_with_words(project: Project, key: str) -> None:
    project.add(100)
    project.instance.add_dynamic_partitions("tmdb_batches", [key])

    result = look(project, key, raise_on_error=False)

    assert not result.success
    assert evaluations(result) == {}
    words = failure_of(result, "tmdb_responses_every_url_has_one_outcome").description
    assert f"{key!r}" in words or "'ghost'" in words
    assert "tmdb-assets status" in words


# --- lists --------------------------------------------------------------------------------------


def lines(project: Project) -> dg.AssetCheckResult:
    found = every_line_was_taken(tmdb=project.tmdb)
    assert isinstance(found, dg.AssetCheckResult)
    return found


def test_with_no_lists_and_with_good_ones_every_line_was_taken(project: Project) -> None:
    before = lines(project)
    project.add(100)

    for one in (before, lines(project)):
        assert one.passed
        assert values(one.metadata) == {"refused_files": 0, "partly_taken_files": 0}


def test_a_file_that_was_taken_in_part_is_a_warning_and_a_refused_one_an_error(
    project: Project,
) -> None:
    settings = project.tmdb.settings()
    settings.url_lists_dir.mkdir()
    for name, left_out, severity in (("a.txt", 3, WARN), ("b.txt", 0, ERROR)):
        (settings.url_lists_dir / name).write_text("nonsense\n")
        watched = WatchedFolder(settings.url_lists_dir, {})
        version = watched.taken(settings.url_lists_dir / name)
        note_refused(settings, [Refused(name, version, "no URL in it", left_out)], [])

        one = lines(project)

        assert (one.check_name, one.asset_key) == (EVERY_LINE, dg.AssetKey("url_lists"))
        assert (one.passed, one.severity) == (False, severity)
    rows = values(one.metadata)["left_out"]
    assert [(row["file"], row["lines"]) for row in rows] == [("a.txt", "3"), ("b.txt", "all")]


def test_dagster_executes_the_check_of_lists_by_itself(project: Project) -> None:
    result = dg.materialize(
        [every_line_was_taken],
        instance=project.instance,
        resources={"tmdb": project.tmdb},
        selection=dg.AssetSelection.checks(*every_line_was_taken.check_keys),
    )

    assert passed(evaluations(result)) == {EVERY_LINE: True}
