"""A store of nothing: what the tests of those who use a store hand in."""

from tests.fake_pacer import AT_FULL_RATE
from tmdb_assets.limiter.cooldown import Pace
from tmdb_assets.limiter.slots import MS


class FakeStore:
    """Answers in turn what it is told, or with a slot for now; its clock is moved by hand."""

    name = "a fake"
    born = 7

    def __init__(self, *answers: tuple[int | None, int] | Exception) -> None:
        self.now = 1_000_000 * MS
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.standing = AT_FULL_RATE
        self._answers = list(answers)

    def book(self) -> tuple[int | None, int]:
        """Note the call; answer with a slot that lies so far ahead, or with the error."""
        self.calls.append("book")
        answer = self._answers.pop(0) if self._answers else (0, 0)
        if isinstance(answer, Exception):
            raise answer
        ahead_ns, wait_ns = answer
        return (None if ahead_ns is None else self.now + ahead_ns), wait_ns

    def write_back(self, late_ns: int) -> None:
        """Note the call."""
        self.calls.append(f"write_back {late_ns}")

    def refused(self, left_ns: int, asked_ns: int) -> Pace:
        """Note the call; raise if there is a failure."""
        self.calls.append(f"refused {left_ns} {asked_ns}")
        self.check_open()
        return self.standing

    def pace(self) -> Pace:
        """Raise if there is a failure; else return what `standing` says."""
        self.check_open()
        return self.standing

    def reset(self) -> None:
        """Note the call."""
        self.calls.append("reset")

    def now_ns(self) -> int:
        """Return what the clock shows."""
        return self.now

    def check_open(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Note the call."""
        self.calls.append("close")
