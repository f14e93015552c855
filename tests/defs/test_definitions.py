import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType

from tests.patience import HANG_SECONDS
from tmdb_assets.definitions import defs
from tmdb_assets.defs.daemon import DAEMON_TYPES
from tmdb_assets.defs.exports import EXPORT_JOB
from tmdb_assets.defs.jobs import DOWNLOAD_JOB
from tmdb_assets.defs.queue import QUEUE_DAEMON, RETRIED_BY_TAG, WILL_RETRY_TAG, open_instance
from tmdb_assets.errors import ConfigurationError, StoreError

ROOT = Path(__file__).parents[2]


def test_this_and_nothing_else_is_published() -> None:
    repository = defs.get_repository_def()

    assert {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()} == {
        "id_exports",
        "url_lists",
        "tmdb_responses",
        "tmdb_tables",
        "tmdb_catalog",
    }
    assert [sensor.name for sensor in repository.sensor_defs] == [
        "dead_runs",
        "new_url_lists",
        "old_content",
    ]
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {
        DOWNLOAD_JOB,
        EXPORT_JOB,
    }
    assert [schedule.name for schedule in repository.schedule_defs] == [
        "daily_export",
        "unfinished_batches",
    ]
    assert {key.to_user_string() for key in repository.asset_graph.asset_check_keys} == {
        "tmdb_responses:no_url_failed",
        "tmdb_responses:cap_was_held",
        "tmdb_responses:every_url_has_one_outcome",
        "tmdb_responses:files_are_as_fetched",
        "tmdb_tables:no_duplicate_ids",
        "tmdb_tables:every_body_has_a_row",
        "tmdb_tables:types_hold",
        "tmdb_catalog:content_is_not_old",
        "url_lists:every_line_was_taken",
    }


@pytest.mark.parametrize(
    ("name", "kinds", "stage"),
    [
        ("id_exports", {"file", "tmdb"}, "source"),
        ("url_lists", {"file"}, "source"),
        ("tmdb_responses", {"json", "tmdb"}, "raw"),
        ("tmdb_tables", {"parquet", "duckdb"}, "tables"),
        ("tmdb_catalog", {"duckdb"}, "catalog"),
    ],
)
def test_an_asset_says_whose_it_is_what_it_is_and_what_for(
    name: str, kinds: set[str], stage: str
) -> None:
    asset = defs.get_repository_def().asset_graph.get(dg.AssetKey(name))

    assert list(asset.owners) == ["team:tmdb"]
    assert set(asset.kinds) == kinds
    assert asset.group_name == "tmdb"
    assert asset.tags["stage"] == stage
    assert len(asset.description or "") > 100


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("id_exports", "exports.py"),
        ("tmdb_responses", "assets.py"),
        ("tmdb_tables", "tables.py"),
        ("tmdb_catalog", "tables.py"),
        ("url_lists", "lists.py"),
    ],
)
def test_an_asset_leads_to_its_code(name: str, file: str) -> None:
    asset = defs.get_repository_def().asset_graph.get(dg.AssetKey(name))

    found = asset.metadata["dagster/code_references"]
    assert isinstance(found, dg.CodeReferencesMetadataValue)
    (reference,) = found.code_references
    assert isinstance(reference, dg.LocalFileCodeReference)
    assert Path(reference.file_path) == ROOT / "tmdb_assets" / "defs" / file
    line = Path(reference.file_path).read_text().splitlines()[(reference.line_number or 0) - 1]
    assert line.startswith(("@dg.asset", "def "))


def test_every_check_says_what_it_proves_and_those_of_batches_have_a_result_per_partition() -> None:
    graph = defs.get_repository_def().asset_graph

    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]

    assert all(len(spec.description or "") > 80 for spec in specs)
    assert {spec.asset_key.to_user_string() for spec in specs if spec.partitions_def} == {
        "tmdb_responses",
        "tmdb_tables",
    }
    assert {spec.name for spec in specs if not spec.partitions_def} == {
        "every_line_was_taken",
        "content_is_not_old",
    }


def test_the_tables_of_a_batch_are_made_in_the_run_of_the_batch() -> None:
    job = defs.resolve_job_def(DOWNLOAD_JOB)

    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == {
        "tmdb_responses",
        "tmdb_tables",
        "tmdb_catalog",
    }
    assert job.partitions_def is not None


def test_sensors_and_schedule_say_what_they_do() -> None:
    repository = defs.get_repository_def()

    texts = [one.description for one in repository.sensor_defs]
    texts += [one.description for one in repository.schedule_defs]
    assert all(len(text or "") > 60 for text in texts)


def test_the_sensors_run_by_default_so_that_a_dropped_list_just_works() -> None:
    sensors = defs.get_repository_def().sensor_defs

    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.RUNNING}


def test_importing_the_code_lets_no_warning_of_dagster_out(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import tmdb_assets.definitions"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_loading_the_code_needs_no_variable_no_file_and_warns_of_nothing(tmp_path: Path) -> None:
    script = (
        "import dagster, sys, warnings; warnings.simplefilter('error');"
        "import tmdb_assets.definitions as d; d.defs.get_repository_def();"
        "heavy = {'pyarrow', 'duckdb', 'redis', 'uvicorn'} & set(sys.modules);"
        "sys.exit(f'imports {heavy}' if heavy else 0)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_the_dagster_yaml_of_the_project_loads_and_limits_runs_by_the_built_in_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)

    with open_instance(tmp_path) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        limits = queue.tag_concurrency_limits if queue else None
        retries = instance.run_retries_enabled
        required = set(instance.get_required_daemon_types())
        bounds = (
            instance.run_monitoring_start_timeout_seconds,
            instance.run_monitoring_cancel_timeout_seconds,
            instance.run_monitoring_max_runtime_seconds,
            instance.run_monitoring_poll_interval_seconds,
        )
        ticks = instance.get_tick_retention_settings(InstigatorType.SENSOR)
        loggers = instance.managed_python_loggers

    assert bounds == (45, 45, 7200, 10)
    assert {status.value.lower(): days for status, days in ticks.items()} == {
        "started": -1,
        "skipped": 1,
        "failure": 30,
        "success": 90,
    }
    assert loggers == ["tmdb_assets"]
    assert limits == [{"key": "dagster/code_location", "limit": 3}]
    assert retries
    assert {QUEUE_DAEMON, *DAEMON_TYPES} <= required
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["dagster"]


def test_without_a_dagster_yaml_the_error_says_where_to_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="start in the folder of the project"):
        open_instance(tmp_path)


def test_a_dagster_yaml_that_dagster_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("nonsense: {}\n")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match=r"dagster\.yaml"):
        open_instance(tmp_path)


def test_no_module_of_the_skin_hides_its_annotations_from_dagster() -> None:
    for path in [*(ROOT / "tmdb_assets").rglob("*.py")]:
        assert "from __future__ import annotations" not in path.read_text()


def test_dagster_still_uses_the_tags_that_we_look_for() -> None:
    from dagster._core.storage import tags  # noqa: PLC0415 - private, hence a test of its own

    assert tags.WILL_RETRY_TAG == WILL_RETRY_TAG
    assert tags.AUTO_RETRY_RUN_ID_TAG == RETRIED_BY_TAG
    assert tags.PARTITION_NAME_TAG == "dagster/partition"


def test_a_database_that_cannot_be_opened_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    (tmp_path / "data").write_text("a file in the way")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(StoreError, match="Dagster's database"):
        open_instance(tmp_path)


def test_commands_that_begin_in_a_new_folder_at_once_all_get_in(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    script = (
        "from pathlib import Path; from tmdb_assets.defs.queue import open_instance;"
        "open_instance(Path.cwd()).dispose()"
    )

    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    ends = [
        (process.communicate(timeout=HANG_SECONDS)[1], process.returncode) for process in processes
    ]

    assert [code for _, code in ends] == [0, 0, 0], ends
