"""Progress on a console: a bar where there is a terminal, a line now and then where not."""

import time
from collections.abc import Callable
from typing import Protocol, Self

from rich import progress as rich_progress
from rich.console import Console

from tmdb_assets.cli import show
from tmdb_assets.survey import Standing

BAR_COLUMNS = 16
"""So that bar and figures fit into 80 columns."""

LINE_SECONDS = 10.0
"""Time between two lines where there is no terminal."""


class Progress(Protocol):
    """What `run` tells how far it is."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Leave the console as it was."""
        ...

    def show(self, standing: Standing) -> None:
        """Show where the list stands now."""
        ...

    def note(self, text: str) -> None:
        """Say something once."""
        ...


def bar_or_lines(standing: Standing, requests_per_second: int, console: Console) -> Progress:
    """Return what suits the console."""
    return (Bar if console.is_terminal else Lines)(standing, requests_per_second, console)


class Bar:
    """A live bar: done, absent, failed, requests/s against the cap, time left."""

    def __init__(self, standing: Standing, requests_per_second: int, console: Console) -> None:
        self._requests_per_second = requests_per_second
        self._name = standing.name
        self._progress = rich_progress.Progress(
            rich_progress.BarColumn(bar_width=BAR_COLUMNS),
            rich_progress.TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            rich_progress.TextColumn("{task.fields[detail]}"),
            console=console,
        )
        self._task = self._progress.add_task(
            standing.name, total=standing.urls, completed=_completed(standing), detail="starting"
        )

    def __enter__(self) -> Self:
        self.note(f"list {self._name}")
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, standing: Standing) -> None:
        """Move the bar."""
        self._progress.update(
            self._task,
            completed=_completed(standing),
            detail=_detail(standing, self._requests_per_second),
        )

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._progress.console.print(text)


class Lines:
    """A line every ten seconds, for logs."""

    def __init__(
        self,
        standing: Standing,
        requests_per_second: int,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._requests_per_second = requests_per_second
        self._clock = clock
        self._next_line = clock() + LINE_SECONDS
        self._name = standing.name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, standing: Standing) -> None:
        """Print a line if it is time."""
        if self._clock() >= self._next_line:
            self._next_line += LINE_SECONDS
            detail = _detail(standing, self._requests_per_second)
            self.note(f"{self._name}: {_completed(standing):,} of {standing.urls:,}, {detail}")

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(text)


def _completed(standing: Standing) -> int:
    return standing.urls - standing.pending


def _detail(standing: Standing, requests_per_second: int) -> str:
    left = show.duration(show.seconds_left(standing, requests_per_second))
    return (
        f"{standing.absent:,} absent, {standing.failed:,} failed, "
        f"{standing.requests_per_second:.1f}/{requests_per_second} req/s, {left} left"
    )
