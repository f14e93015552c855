"""Targets with numbers, and who answers them by a script."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.made_attempt import OK
from tmdb_assets.model import Attempt, Fault, Target

UNSENT = {Fault.NAME, Fault.CONNECTION_REFUSED, Fault.NO_ROUTE}
"""Faults before anything could leave."""


def targets(count: int) -> tuple[Target, ...]:
    return tuple(
        Target(f"https://api.themoviedb.org/3/movie/{number}/credits", f"movie-{number}")
        for number in range(count)
    )


class FakeFetcher:
    """Answers each target as scripted, then with 200; an exception in a script is raised."""

    def __init__(self, script: Mapping[str, Sequence[Attempt | Exception]] | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self._script = {name: list(answers) for name, answers in (script or {}).items()}
        self._lock = threading.Lock()
        self._moment = 0.0

    def attempt(self, target: Target) -> Attempt:
        with self._lock:
            self.asked[target.name] += 1
            self._moment += 1.0
            answers = self._script.get(target.name)
            next_answer = answers.pop(0) if answers else OK
            moment = self._moment
        if isinstance(next_answer, Exception):
            raise next_answer
        return Attempt(
            status=next_answer.status,
            body=next_answer.body,
            etag=next_answer.etag,
            retry_after=next_answer.retry_after,
            fault=next_answer.fault,
            sent_at=() if next_answer.fault in UNSENT else (moment,),
            seconds=next_answer.seconds,
        )
