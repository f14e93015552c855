"""A limiter that only listens: what the tests of its callers hand in."""

from dataclasses import replace

from tmdb_assets.limiter.cooldown import Pace

AT_FULL_RATE = Pace(
    requests_per_second=50.0,
    cap=50,
    pause_seconds=0.0,
    last_pause_seconds=0.0,
    calm_seconds=0.0,
    refused_seconds=0.0,
    permits=0,
    asker=1,
    eldest=1,
)
PAUSED = replace(
    AT_FULL_RATE, requests_per_second=42.5, pause_seconds=1.0, last_pause_seconds=1.0, is_news=True
)


class FakePacer:
    """Notes refusals and answers with `pace`; an exception there is raised."""

    def __init__(
        self, pace: Pace | Exception = AT_FULL_RATE, *, born: int = 1, on_refusal: Pace = PAUSED
    ) -> None:
        self.refusals: list[tuple[float, float]] = []
        self.now: Pace | Exception = pace
        self.on_refusal = on_refusal
        self._born = born

    def refused(self, left_at: float, asked_seconds: float) -> Pace:
        self.refusals.append((left_at, asked_seconds))
        return self.on_refusal

    def pace(self) -> Pace:
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def is_behind(self, pace: Pace) -> bool:
        return pace.eldest is not None and pace.eldest < self._born
