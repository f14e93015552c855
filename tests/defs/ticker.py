"""The sensor for lists, ticked as Dagster's daemon does."""

from pathlib import Path

import dagster as dg

from tests.defs.project import Project
from tests.defs.runs import QUEUED, add_run
from tmdb_assets.defs.checks import EVERY_LINE
from tmdb_assets.defs.sensors import new_url_lists


class Ticker:
    """Ticks the sensor with the cursor it left, and does what it asks."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.cursor: str | None = None
        self.folder: Path = project.folder / "url_lists"
        self.folder.mkdir()

    def tick(self) -> dg.SensorResult:
        """Evaluate the sensor, register what it asks for and keep its cursor; starts no run."""
        context = dg.build_sensor_context(instance=self.project.instance, cursor=self.cursor)
        result = new_url_lists(context, tmdb=self.project.tmdb)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        for request in result.dynamic_partitions_requests or []:
            self.project.instance.add_dynamic_partitions(
                "tmdb_batches", list(request.partition_keys)
            )
        return result

    def keys(self) -> list[str]:
        """Tick and return the partitions that it wants runs for."""
        requests = self.tick().run_requests or []
        assert all(request.run_key == request.partition_key for request in requests)
        return [str(request.partition_key) for request in requests]

    def queue(self) -> list[dg.DagsterRun]:
        """Tick and queue the runs that it wants."""
        return [add_run(self.project.instance, key, QUEUED) for key in self.keys()]

    def drop(self, name: str, urls: int = 150, start: int = 1) -> Path:
        """Write a list of movies into the watched folder."""
        path = self.folder / name
        path.write_text("".join(f"/movie/{number}\n" for number in range(start, start + urls)))
        return path

    def write(self, name: str, *lines: str) -> Path:
        """Write lines into the watched folder."""
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    def partitions(self) -> list[str]:
        return list(self.project.instance.get_dynamic_partitions("tmdb_batches"))


def words(result: dg.SensorResult) -> str:
    """Return why a tick started nothing; empty if it did."""
    return (result.skip_reason and result.skip_reason.skip_message) or ""


def evaluations(result: dg.SensorResult) -> list[dg.AssetCheckEvaluation]:
    """Return what a tick says about the check of lists."""
    found = [one for one in result.asset_events if isinstance(one, dg.AssetCheckEvaluation)]
    assert all(one.check_name == EVERY_LINE for one in found)
    assert all(one.asset_key == dg.AssetKey("url_lists") for one in found)
    return found
