"""A real `dagster dev`, asked over GraphQL as its own UI asks it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.patience import HANG_SECONDS, wait_until
from tests.system.dagster_questions import (
    BACKFILL,
    CHECKS,
    EVALUATE_SCHEDULE,
    EVENTS,
    EXECUTIONS,
    LATEST,
    LAUNCH_ALL,
    LOCATIONS,
    MATERIALIZE,
    PARTITIONS,
    RE_EXECUTE,
    RUNS,
    SENSOR,
    START_SENSOR,
    STOP_SENSOR,
    TERMINATE,
)
from tests.system.judge import judging
from tests.system.project import Project
from tmdb_assets.standin.process import StandInProcess

ENDED = frozenset({"SUCCESS", "FAILURE", "CANCELED"})


class DagsterDev:
    """A running `dagster dev` of a project."""

    def __init__(self, project: Project) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.project = project
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(self.port)],
            cwd=project.folder,
            env=project.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self.is_up, "dagster dev is up", between=0.5)

    def is_up(self) -> bool:
        try:
            entries = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        except OSError:
            return False
        errors = [entry["locationOrLoadError"] for entry in entries]
        assert not any("message" in error for error in errors if error), errors
        return [entry["loadStatus"] for entry in entries] == ["LOADED"]

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310 - loopback
            said: dict[str, Any] = json.load(answer)
        assert "errors" not in said, said
        data: dict[str, Any] = said["data"]
        return data

    def runs(self) -> dict[str, list[dict[str, Any]]]:
        """Return all runs by partition."""
        found: dict[str, list[dict[str, Any]]] = {}
        for run in self.ask(RUNS)["runsOrError"]["results"]:
            tags = {tag["key"]: tag["value"] for tag in run["tags"]}
            found.setdefault(tags.get("dagster/partition", ""), []).append(run)
        return found

    def have_succeeded(self, keys: list[str]) -> bool:
        runs = self.runs()
        return all(any(run["status"] == "SUCCESS" for run in runs.get(key, [])) for key in keys)

    def run_of(self, run_id: str) -> dict[str, Any]:
        """Return a run with its tags as a mapping."""
        runs = [run for runs in self.runs().values() for run in runs if run["runId"] == run_id]
        return {**runs[0], "tags": {tag["key"]: tag["value"] for tag in runs[0]["tags"]}}

    def status(self, run_id: str) -> str:
        return str(self.run_of(run_id)["status"])

    def materialize(self, key: str) -> str:
        """Click *Materialize* for a partition; return the run."""
        answer = self.ask(MATERIALIZE, key=key)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def backfill(self, keys: list[str], query: str = BACKFILL) -> None:
        answer = self.ask(query, keys=keys)["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer

    def re_execute(self, run_id: str) -> str:
        """Click *Re-execute from failure*; return the new run."""
        answer = self.ask(RE_EXECUTE, id=run_id)["launchRunReexecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def terminate(self, run_ids: list[str]) -> None:
        for answer in self.ask(TERMINATE, ids=run_ids)["terminateRuns"]["terminateRunResults"]:
            assert answer["__typename"] == "TerminateRunSuccess", answer

    def evaluate_schedule(self) -> list[dict[str, Any]]:
        """Return what the schedule would launch now, as the UI hands it on to launch all."""
        tick = self.ask(EVALUATE_SCHEDULE, at=time.time())["scheduleDryRun"]["evaluationResult"]
        assert tick["error"] is None, tick
        return [
            {
                "runConfigData": request["runConfigYaml"],
                "selector": {
                    "jobName": request["jobName"] or "tmdb_download",
                    "repositoryLocationName": "tmdb_assets.definitions",
                    "repositoryName": "__repository__",
                    "assetSelection": [],
                    "assetCheckSelection": [],
                },
                "mode": "default",
                "executionMetadata": {"tags": request["tags"]},
            }
            for request in tick["runRequests"] or []
        ]

    def launch_all(self, requests: list[dict[str, Any]]) -> list[str]:
        answer = self.ask(LAUNCH_ALL, all=requests)["launchMultipleRuns"]
        return [str(one["run"]["runId"]) for one in answer["launchMultipleRunsResult"]]

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """Return the event log of a run, oldest first."""
        events: list[dict[str, Any]] = self.ask(EVENTS, id=run_id)["logsForRun"]["events"]
        return events

    def numbers(self, key: str) -> dict[str, float]:
        """Return the numbers in the metadata of a partition's latest materialization."""
        node = self.ask(LATEST, key=key)["assetNodeOrError"]
        entries = node["latestMaterializationByPartition"][0]["metadataEntries"]
        values = {one["label"]: one.get("intValue", one.get("floatValue")) for one in entries}
        return {label: value for label, value in values.items() if value is not None}

    def checks(self, asset: str) -> dict[str, dict[str, Any]]:
        """Return the latest execution of every check of an asset that was executed."""
        found = self.ask(CHECKS, asset=asset)["assetNodeOrError"]["assetChecksOrError"]["checks"]
        executions = {one["name"]: one["executionForLatestMaterialization"] for one in found}
        return {name: execution for name, execution in executions.items() if execution}

    def check_of(self, run: str, asset: str, check: str) -> list[str]:
        """Return the statuses of the executions of a check by a run."""
        found = self.ask(EXECUTIONS, asset=asset, check=check)["assetCheckExecutions"]
        return [one["status"] for one in found if one["runId"] == run]

    def partitions(self) -> list[str]:
        return list(self.ask(PARTITIONS)["assetNodeOrError"]["partitionKeys"])

    def ticks(self, sensor: str) -> list[dict[str, Any]]:
        """Return the last ticks of a sensor, newest first."""
        answer = self.ask(SENSOR, name=sensor)["sensorOrError"]
        assert "sensorState" in answer, answer
        return list(answer["sensorState"]["ticks"])

    def switch_off(self, sensor: str) -> None:
        """Click until it is off: a daemon that ends a tick writes the status of before back."""

        def is_off() -> bool:
            state = self.ask(SENSOR, name=sensor)["sensorOrError"]["sensorState"]
            if state["status"] == "STOPPED":
                return not any(tick["status"] == "STARTED" for tick in state["ticks"])
            answer = self.ask(STOP_SENSOR, id=state["id"])["stopSensor"]
            assert answer["__typename"] == "StopSensorMutationResult", answer
            return False

        wait_until(is_off, f"{sensor} is off")

    def switch_on(self, sensor: str) -> None:
        """Click until it has ticked once more, for the same reason."""
        before = self.ticks(sensor)[0]["timestamp"]

        def has_ticked() -> bool:
            state = self.ask(SENSOR, name=sensor)["sensorOrError"]["sensorState"]
            if state["status"] == "STOPPED":
                answer = self.ask(START_SENSOR, name=sensor)["startSensor"]
                assert answer["__typename"] == "Sensor", answer
            return bool(state["ticks"][0]["timestamp"] > before)

        wait_until(has_ticked, f"{sensor} is on")

    def kill(self) -> None:
        """End it and every process of its folder with SIGKILL."""
        self.project.kill_all()
        self.process.wait(HANG_SECONDS)

    def stop(self) -> None:
        """End it as Ctrl-C would; its code server may take a minute, which nobody waits for."""
        os.kill(self.process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.project.kill_all()
        self.process.wait(HANG_SECONDS)


@dataclass(frozen=True)
class Place:
    """A project with a running `dagster dev` and the stand-in that it asks."""

    dev: DagsterDev
    project: Project
    stand_in: StandInProcess

    def add(self, name: str, start: int, urls: int, batch_size: int = 100) -> list[str]:
        """Freeze a list of movies from a number on; return its partitions."""
        path = self.write(f"{name}.txt", start, urls)
        self.project.environment["TMDB_BATCH_SIZE"] = str(batch_size)
        code, added, err = self.project.run("add", path, "--json")
        assert code == 0, err
        return list(json.loads(added)["all_batches"])

    def write(self, name: str, start: int, urls: int) -> Path:
        """Write a list of movies from a number on, whole from the start."""
        path = self.project.folder / name
        path.parent.mkdir(exist_ok=True)
        lines = "".join(f"/movie/{number}\n" for number in range(start, start + urls))
        part = path.with_name(f"{path.name}.part")
        part.write_text(lines)
        return part.rename(path)

    def by_hand(self, key: str) -> "subprocess.Popen[str]":
        """Start `dagster asset materialize` for a partition."""
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "dagster", "asset", "materialize"),
                *("--select", "tmdb_responses", "--partition", key),
                *("-m", "tmdb_assets.definitions"),
            ],
            cwd=self.project.folder,
            env=self.project.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def done(self, key: str) -> int:
        """Return how many outcomes of a partition are on disk."""
        path = self.project.folder / "data/responses" / key.rpartition("-")[0] / key
        outcomes = path / "outcomes.jsonl"
        return outcomes.read_bytes().count(b"\n") if outcomes.exists() else 0


@contextmanager
def dagster_dev_in(
    folder: Path, limiter: Path, stand_in: dict[str, Any], **environment: str
) -> Iterator[Place]:
    """Lend a running `dagster dev` in a folder, for as many tests as share it."""
    environment = {"TMDB_LIMITER": f"file:{limiter}", **environment}
    with judging(**stand_in) as (server, _), Project(folder, server.origin, **environment) as one:
        for name in list(one.environment):
            if name.startswith("DAGSTER_") or name.lower().endswith("_proxy"):
                del one.environment[name]
        one.environment["DAGSTER_DISABLE_TELEMETRY"] = "yes"
        dev = DagsterDev(one)
        try:
            yield Place(dev, one, server)
        finally:
            dev.kill()
