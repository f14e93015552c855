"""Files of the watched folder that are no lists, or that not all of could be taken."""

import os
from pathlib import Path

import dagster as dg
import pytest

from tests.defs.project import Project
from tests.defs.ticker import Ticker, evaluations, words
from tests.store.stored_batches import in_time
from tmdb_assets.defs.checks import lines_taken
from tmdb_assets.watched import MAX_BYTES, refused_files

Captured = pytest.CaptureFixture[str]


def names_refused(project: Project) -> list[str]:
    return [one.file for one in refused_files(project.tmdb.settings())]


def rows(
    evaluation: dg.AssetCheckEvaluation | dg.AssetCheckResult,
) -> list[dict[str, object]]:
    value = evaluation.metadata["left_out"]
    assert isinstance(value, dg.TableMetadataValue)
    return [dict(record.data) for record in value.records]


def test_a_bad_list_is_named_everywhere_where_somebody_may_look(
    ticker: Ticker, project: Project, capfd: Captured
) -> None:
    path = ticker.write("bad.txt", "nonsense")
    ticker.tick()

    result = ticker.tick()

    (refused,) = refused_files(project.tmdb.settings())
    (evaluation,) = evaluations(result)
    assert words(result) == f"refused: {refused.reason}"
    assert repr(str(path)) in refused.reason
    assert (refused.file, refused.version[0]) == ("bad.txt", path.stat().st_size)
    assert f"WARNING - refused: {refused.reason}\n" in capfd.readouterr().err
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    assert evaluation.metadata["refused_files"].value == 1
    assert rows(evaluation) == [{"file": "bad.txt", "lines": "all", "reason": refused.reason}]


def test_a_bad_list_is_named_once_and_not_in_each_tick_while_the_record_stays(
    ticker: Ticker, project: Project, capfd: Captured
) -> None:
    ticker.write("bad.txt", "nonsense")
    ticker.tick()
    ticker.tick()
    capfd.readouterr()

    later = [ticker.tick(), ticker.tick()]

    assert [words(one) for one in later] == ["no new URL list"] * 2
    assert [one.asset_events for one in later] == [[], []]
    assert "bad.txt" not in capfd.readouterr().err
    assert names_refused(project) == ["bad.txt"]


def test_a_bad_list_does_not_block_the_others(ticker: Ticker, project: Project) -> None:
    ticker.write("bad.txt", "nonsense")
    ticker.drop("good.txt", 10)
    ticker.write("worse.txt", "nonsense")
    ticker.tick()

    result = ticker.tick()

    (evaluation,) = evaluations(result)
    assert [one.partition_key for one in result.run_requests or []] == ["good-stand-in-0001"]
    assert [row["file"] for row in rows(evaluation)] == ["bad.txt", "worse.txt"]
    assert names_refused(project) == ["bad.txt", "worse.txt"]


def test_when_a_bad_list_is_corrected_the_record_and_the_check_are_clean(
    ticker: Ticker, project: Project
) -> None:
    ticker.write("bad.txt", "nonsense")
    ticker.tick()
    ticker.tick()
    ticker.write("bad.txt", "/movie/1")
    ticker.tick()

    result = ticker.tick()

    (evaluation,) = evaluations(result)
    assert evaluation.passed
    assert evaluation.metadata["refused_files"].value == 0
    assert "refused" not in evaluation.metadata
    assert names_refused(project) == []
    assert [one.partition_key for one in result.run_requests or []] == ["bad-stand-in-0001"]


def test_a_bad_list_that_is_as_bad_in_another_way_is_named_anew(
    ticker: Ticker, project: Project
) -> None:
    ticker.write("bad.txt", "nonsense")
    ticker.tick()
    ticker.tick()
    ticker.write("bad.txt", "# nothing", "# at all")
    ticker.tick()

    result = ticker.tick()

    assert "holds no URL" in words(result)
    assert len(evaluations(result)) == 1
    assert ["holds no URL" in one.reason for one in refused_files(project.tmdb.settings())] == [
        True
    ]


def test_a_bad_list_that_was_removed_is_off_the_record(ticker: Ticker, project: Project) -> None:
    path = ticker.write("bad.txt", "nonsense")
    ticker.tick()
    ticker.tick()
    path.unlink()

    assert names_refused(project) == []
    assert lines_taken(project.tmdb.settings()).passed


def test_a_partly_bad_list_is_taken_with_a_warning_that_names_the_first_line(
    ticker: Ticker, capfd: Captured
) -> None:
    ticker.write("partly.txt", "/movie/1", "nonsense", "/movie/2", "ftp://x/3/movie/3")
    ticker.tick()

    result = ticker.tick()

    (evaluation,) = evaluations(result)
    (row,) = rows(evaluation)
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["partly_taken_files"].value == 1
    assert (row["file"], row["lines"]) == ("partly.txt", "2")
    assert ": 2 lines, the first is line 2: " in str(row["reason"])
    assert "'partly.txt' line 4: " in capfd.readouterr().err
    assert [one.partition_key for one in result.run_requests or []] == ["partly-stand-in-0001"]


def test_a_partly_bad_list_that_is_corrected_with_further_urls_is_clean(ticker: Ticker) -> None:
    ticker.write("partly.txt", "/movie/1", "nonsense")
    ticker.tick()
    ticker.tick()
    ticker.write("partly.txt", "/movie/1", "/movie/2")
    ticker.tick()

    (evaluation,) = evaluations(ticker.tick())

    assert evaluation.passed


def test_a_partly_bad_list_whose_bad_line_was_only_removed_is_clean(ticker: Ticker) -> None:
    ticker.write("partly.txt", "/movie/1", "nonsense")
    ticker.tick()
    ticker.tick()
    ticker.write("partly.txt", "/movie/1")
    ticker.tick()

    (evaluation,) = evaluations(ticker.tick())

    assert evaluation.passed


def test_a_list_to_which_only_bad_lines_were_added_is_a_warning(ticker: Ticker) -> None:
    ticker.write("partly.txt", "/movie/1")
    ticker.tick()
    ticker.tick()
    ticker.write("partly.txt", "/movie/1", "nonsense")
    ticker.tick()

    (evaluation,) = evaluations(ticker.tick())

    assert not evaluation.passed


def test_a_list_that_is_too_large_for_a_tick_is_refused_with_what_to_do(
    ticker: Ticker, project: Project
) -> None:
    project.add(100)
    with (ticker.folder / "large.txt").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # takes no room
    ticker.tick()

    said = words(ticker.tick())

    assert "large.txt" in said
    assert "take it with `tmdb-assets add" in said


def test_a_pipe_is_refused_and_never_waited_for(ticker: Ticker, project: Project) -> None:
    project.add(100)
    os.mkfifo(ticker.folder / "pipe.txt")
    with in_time(20):
        ticker.tick()
        result = ticker.tick()

    assert "is not a regular file" in words(result)


def test_a_file_that_is_refused_before_there_is_any_data_does_not_stop_the_ticks(
    ticker: Ticker, project: Project
) -> None:
    ticker.write("_.txt", "/movie/1")
    ticker.tick()

    assert "'_.txt' gives no name for a list" in words(ticker.tick())
    assert names_refused(project) == ["_.txt"]


@pytest.mark.parametrize("target", ["loop.txt", "movies.csv/x"])
def test_a_link_that_leads_nowhere_does_not_stop_the_ticks(ticker: Ticker, target: str) -> None:
    ticker.drop("movies.csv")
    (ticker.folder / "loop.txt").symlink_to(target)
    ticker.drop("good.txt", 10)
    ticker.tick()

    assert ticker.keys() == ["good-stand-in-0001"]


def test_a_list_that_the_data_folder_could_not_take_is_taken_when_it_can(
    ticker: Ticker, project: Project
) -> None:
    in_the_way = project.data_dir / "batches" / "movies-stand-in"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.symlink_to(project.folder)
    ticker.drop("movies.txt", 10)
    ticker.tick()
    ticker.tick()
    in_the_way.unlink()

    assert [*ticker.keys(), *ticker.keys()] == ["movies-stand-in-0001"]


# --- what is no list ----------------------------------------------------------------------------


def test_hidden_and_temporary_files_are_left_alone_without_a_word(ticker: Ticker) -> None:
    for name in (".movies.txt", "movies.txt.part", "movies.txt~", "movies.txt.tmp"):
        ticker.drop(name)
    ticker.tick()

    result = ticker.tick()

    assert result.run_requests == []
    assert words(result) == "no new URL list"


def test_other_files_and_folders_are_named_as_what_they_are_not(ticker: Ticker) -> None:
    ticker.drop("movies.csv")
    (ticker.folder / "folder.txt").mkdir()
    ticker.tick()

    result = ticker.tick()

    assert result.run_requests == []
    assert words(result).startswith("left alone, since lists are files that end in .txt")
    assert words(result).endswith(": 'folder.txt', 'movies.csv'")


def test_only_a_few_of_very_many_other_files_are_named(ticker: Ticker) -> None:
    for number in range(100):
        (ticker.folder / f"{number:03}.csv").touch()

    assert len(words(ticker.tick())) < 200


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        b'it\'s "good".txt',
        b"a\nlist.txt",
        b"a\x1b[31mlist.txt",
        b"x\xff\xfe.txt",
        "größe \N{RIGHT-TO-LEFT OVERRIDE}x.txt".encode(),
        b"-rf *; $(touch x) `y` %s %(name)s {0}.txt",
        b"[bold]x.txt",
    ],
)
def test_a_list_of_whatever_name_is_taken_with_all_that_is_said_about_it(
    ticker: Ticker, project: Project, name: bytes
) -> None:
    path = Path(os.fsdecode(os.fsencode(ticker.folder) + b"/" + name))
    path.write_text("/movie/1\nnonsense\n")
    ticker.tick()

    result = ticker.tick()
    for event in result.asset_events:
        assert isinstance(event, dg.AssetMaterialization | dg.AssetCheckEvaluation)
        project.instance.report_runless_asset_event(event)

    (request,) = result.run_requests or []
    assert str(request.partition_key).endswith("-stand-in-0001")
    assert str(request.partition_key).isascii()


@pytest.mark.parametrize("name", [b"x\xff\ny\x1b.txt", b'it\'s "bad".txt'])
def test_a_bad_list_of_whatever_name_is_named_in_a_line_of_plain_text(
    ticker: Ticker, project: Project, name: bytes
) -> None:
    path = Path(os.fsdecode(os.fsencode(ticker.folder) + b"/" + name))
    path.write_text("nonsense\n")
    ticker.tick()

    result = ticker.tick()
    for event in result.asset_events:
        assert isinstance(event, dg.AssetCheckEvaluation)
        project.instance.report_runless_asset_event(event)

    assert repr(str(path)) in words(result)
    assert words(result).isprintable()
    assert names_refused(project) == [path.name]
