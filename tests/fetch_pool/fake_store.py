"""A store that keeps all in memory and fails at a moment of our choice."""

from collections.abc import Sequence

from tmdb_assets.model import Outcome, OutcomeKind, Target

FETCHED, ABSENT, FAILED = OutcomeKind.FETCHED, OutcomeKind.ABSENT, OutcomeKind.FAILED


class FakeStore:
    """Keeps outcomes in memory; `fails_at` is the number of the record that raises `failure`."""

    def __init__(
        self,
        pending: Sequence[Target],
        failure: BaseException | None = None,
        fails_at: int = 0,
    ) -> None:
        self.pending = tuple(pending)
        self.former: dict[str, Outcome] = {}
        self.outcomes: list[Outcome] = []
        self.bodies: dict[str, bytes | None] = {}
        self._failure = failure
        self._fails_at = fails_at
        self._calls = 0

    def key(self, outcome: Outcome) -> str:
        """Return what the tests call an outcome."""
        return outcome.name

    def record(self, outcome: Outcome, body: bytes | None) -> None:
        self._calls += 1
        if self._failure is not None and self._calls == self._fails_at:
            raise self._failure
        self.outcomes.append(outcome)
        self.bodies[self.key(outcome)] = body

    def keep(self) -> None:
        pass

    def of(self, key: str) -> Outcome:
        (outcome,) = (one for one in self.outcomes if self.key(one) == key)
        return outcome
