"""A real `dagster dev`, asked over GraphQL as its own UI asks it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from typing import Any

from tests.system.project import Project, wait_until

BACKFILL = """
mutation ($keys: [String!]!) {
  launchPartitionBackfill(
    backfillParams: {partitionNames: $keys, assetSelection: [{path: ["tmdb_responses"]}]}
  ) { __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } }
}
"""

MATERIALIZE = """
mutation ($key: String!) {
  launchPipelineExecution(
    executionParams: {
      selector: {
        repositoryLocationName: "tmdb_assets.definitions"
        repositoryName: "__repository__"
        pipelineName: "__ASSET_JOB"
        assetSelection: [{path: ["tmdb_responses"]}]
      }
      mode: "default"
      executionMetadata: {tags: [{key: "dagster/partition", value: $key}]}
    }
  ) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""

RUNS = """
{ runsOrError(limit: 100) { ... on Runs { results {
  runId status startTime endTime tags { key value }
} } } }
"""


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
        wait_until(self.is_up, 60, "dagster dev is up", between=0.5)

    def is_up(self) -> bool:
        try:
            locations = self.ask(
                "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"
            )
        except OSError:
            return False
        entries = locations["workspaceOrError"]["locationEntries"]
        return [entry["loadStatus"] for entry in entries] == ["LOADED"]

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
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

    def stop(self) -> None:
        """End it as Ctrl-C would; its code server may take a minute, which nobody waits for."""
        os.kill(self.process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.project.kill_all()
        self.process.wait(10)
