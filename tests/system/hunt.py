"""Kills among the processes of a real `tmdb-assets run`, which is started again when it ended."""

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from tests.patience import wait_until
from tests.system.kills import Witness
from tests.system.project import Project
from tmdb_assets.batch_lock import LOCK_NAME
from tmdb_assets.outcomes import FILE_NAME

STRIKE_SECONDS = 240.0
"""How long a kill may wait for work to fall into: dead runs are found after 10 to 25 s."""

END_SECONDS = 600.0
_COMMAND_SECONDS = 60.0
_LOOK_SECONDS = 0.03
_WITHIN_SECONDS = 0.2
_AT_WORK = 0.75


class Prey(StrEnum):
    """What a kill hits, all at once."""

    WORKER = "a run worker"
    DAEMON = "the queue daemon"
    BOTH = "a run worker and the queue daemon"
    ALL = "all processes"


class Hunt:
    """Keeps `tmdb-assets run LIST` going and kills; a command that ends is started again.

    Attributes:
        ends: how commands ended that were not killed themselves, with their number.
        surprises: output of commands that ended with a traceback.
    """

    def __init__(self, project: Project, path: Path, seed: int) -> None:
        """Freeze the list, so that the witness knows its batches."""
        code, _, err = project.run("add", path)
        assert code == 0, err
        self.ends: Counter[str] = Counter()
        self.surprises: list[str] = []
        self.starts = 0
        self.is_done = False
        self._project = project
        self._path = path
        self._dice = random.Random(seed)  # noqa: S311 - the same kills every time
        self._command: subprocess.Popen[str] | None = None

    def strike(self, witness: Witness, prey: Prey, outcomes: int) -> bool:
        """Kill once so many outcomes are on disk; return False if the list is done before."""
        deadline = time.monotonic() + STRIKE_SECONDS
        while time.monotonic() < deadline:
            self._keep_running()
            if self.is_done:
                return False
            if witness.written() >= outcomes and self._victims(prey):
                time.sleep(_WITHIN_SECONDS * self._dice.random())
                if victims := self._victims(prey):
                    with witness.strike(prey.value):
                        _kill(victims)
                    return True
            time.sleep(_LOOK_SECONDS)
        raise AssertionError(f"no {prey} to kill at {outcomes} outcomes: {self.ends}")

    def finish(self) -> float:
        """Run to completion; return the seconds that took."""
        began_at = time.monotonic()

        def is_done() -> bool:
            self._keep_running()
            return self.is_done

        wait_until(is_done, f"the list is done: {self.ends}", 0.3, END_SECONDS)
        return time.monotonic() - began_at

    def _keep_running(self) -> None:
        command = self._command
        if self.is_done or (command is not None and command.poll() is None):
            return
        if command is not None:
            out, err = command.communicate(timeout=_COMMAND_SECONDS)
            self._command = None
            self._note(command.returncode, out + err)
            if command.returncode == 0:
                self.is_done = True
                return
        self.starts += 1
        self._command = self._project.start("run", self._path)

    def _note(self, code: int, said: str) -> None:
        if code in {0, -signal.SIGKILL}:
            return
        if "Traceback" in said:
            self.surprises.append(said[-4000:])
        last = said.strip().splitlines()[-1:] or [""]
        self.ends[f"exit {code}: {last[0][:60]}"] += 1

    def _victims(self, prey: Prey) -> list[int]:
        """Return whom to kill; nobody unless all whom the prey names are there."""
        commands = {pid: _command_of(pid) for pid in self._project.processes()}
        workers = sorted(pid for pid, said in commands.items() if "spawn_main" in said)
        daemons = [pid for pid, said in commands.items() if "tmdb_assets.defs.daemon" in said]
        worker = [self._pick(workers)] if workers else []
        if prey is Prey.WORKER or not worker:
            return worker
        if prey is Prey.ALL:
            return list(commands)
        if not daemons:
            return []
        return daemons + (worker if prey is Prey.BOTH else [])

    def _pick(self, workers: list[int]) -> int:
        """Return the worker that wrote last, three times of four: others mostly wait their turn."""
        folders = self._project.folder.glob("data/responses/*/*")
        written = [path for folder in folders if (path := folder / FILE_NAME).exists()]
        newest = max(written, key=lambda path: path.stat().st_mtime, default=None)
        if newest is not None and self._dice.random() < _AT_WORK:
            holder = newest.with_name(LOCK_NAME).read_text().split()
            if len(holder) > 1 and int(holder[1]) in workers:
                return int(holder[1])
        return self._dice.choice(workers)


def _command_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""


def _kill(pids: list[int]) -> None:
    """Kill, and wait until they are gone: until then they may hold locks."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(map(_is_alive, pids)), f"{pids} are gone", 0.005)


def _is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}
