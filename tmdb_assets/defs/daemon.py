"""A queue daemon of our own, for `tmdb-assets run` when no `dagster dev` is up.

A process of its own (`python -m tmdb_assets.defs.daemon FOLDER`): it takes runs from the queue,
watches and retries them, and leaves sensors, schedules and backfills to `dagster dev`. It lives as
long as its standard input is open, so it cannot outlive whoever started it, kill -9 included.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dagster._core.instance import DagsterInstance
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.controller import create_daemon_of_type, daemon_controller_from_instance
from dagster._daemon.daemon import DagsterDaemon

from tmdb_assets.defs.queue import LOCATION, QUEUE_DAEMON, open_instance
from tmdb_assets.files import exclusive

DAEMON_TYPES = ("QUEUED_RUN_COORDINATOR", "MONITORING", "EVENT_LOG_CONSUMER")
HEARTBEAT_SECONDS = 5
BEACON_WAIT_SECONDS = 30.0


def main(folder: Path, beacon: Path) -> None:
    """Serve the queue until standard input ends or a signal comes.

    Args:
        folder: where `dagster.yaml` and the code are.
        beacon: file to hold the lock of, and to write the id of this daemon to.

    Raises:
        BatchBusyError: another daemon of ours is up.
    """
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=_watch_input, args=(ended,), daemon=True).start()
    target = ModuleTarget(
        module_name=LOCATION,
        attribute=None,
        working_directory=str(folder),
        location_name=LOCATION,
    )
    with exclusive(beacon, BEACON_WAIT_SECONDS), open_instance(folder) as instance:
        beacon.write_text("")  # an id that a killed one left would be taken for ours
        with daemon_controller_from_instance(
            instance,
            workspace_load_target=target,
            heartbeat_interval_seconds=HEARTBEAT_SECONDS,
            gen_daemons=_daemons,
        ) as controller:
            while not ended.wait(1.0):
                controller.check_daemon_threads()
                heartbeat = instance.get_daemon_heartbeats().get(QUEUE_DAEMON)
                beacon.write_text(heartbeat.daemon_id or "" if heartbeat else "")
        # a heartbeat left behind would look like a daemon that is up
        instance.wipe_daemon_heartbeats()


def _daemons(instance: DagsterInstance) -> Iterator[DagsterDaemon[Any]]:
    required = set(instance.get_required_daemon_types())
    for daemon_type in DAEMON_TYPES:
        if daemon_type in required:
            yield create_daemon_of_type(daemon_type, instance)


def _watch_input(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    ended.set()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
