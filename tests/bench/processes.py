"""What processes cost: CPU seconds and peak memory, read from /proc while they live (Linux)."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

_TICKS = os.sysconf("SC_CLK_TCK")


class Watch:
    """Adds up CPU and peak memory of some processes by kind; they may come and go."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self._pids = pids
        self._cpu_seconds: dict[int, float] = {}
        self._peak_mib: dict[int, float] = {}
        self._kinds: dict[int, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def cpu_seconds(self, *without: str) -> float:
        """Return the CPU seconds of all processes but those of these kinds."""
        return sum(
            seconds for pid, seconds in self._cpu_seconds.items() if self._kinds[pid] not in without
        )

    def peak_mib(self, kind: str) -> float:
        """Return the largest peak memory of the processes of a kind."""
        return max(
            (mib for pid, mib in self._peak_mib.items() if self._kinds[pid] == kind), default=0
        )

    def by_kind(self) -> dict[str, float]:
        """Return CPU seconds by kind."""
        kinds = sorted(set(self._kinds.values()))
        return {kind: self.cpu_seconds(*(set(kinds) - {kind})) for kind in kinds}

    def _follow(self) -> None:
        while not self._ended.wait(0.2):
            for pid in self._pids():
                try:
                    self._look(pid)
                except (OSError, IndexError, ValueError):
                    continue

    def _look(self, pid: int) -> None:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text()
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        self._cpu_seconds[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
        peak = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0")
        self._peak_mib[pid] = int(peak.split()[1]) / 1024
        self._kinds[pid] = _kind(command)


def _kind(command: str) -> str:
    for words, kind in (
        ("multiprocessing.spawn", "run"),
        # these two name the code server among their arguments
        ("dagster_webserver", "webserver"),
        ("dagster._daemon", "daemon"),
        ("defs.daemon", "daemon"),
        ("api grpc", "code server"),
        ("code-server", "code server"),
        ("dagster dev", "dagster dev"),
        ("tmdb_assets.cli", "tmdb-assets"),
    ):
        if words in command:
            return kind
    return "other"
