"""A store in memory that had outcomes before, and knows all by their paths."""

from collections.abc import Mapping, Sequence

from tests.combinable import TMDB
from tests.fetch_pool import fake_store
from tmdb_assets.model import Outcome, Target


class FakeStore(fake_store.FakeStore):
    """Knows outcomes by their paths, and those of a former run."""

    def __init__(
        self,
        pending: Sequence[Target],
        former: Mapping[str, Outcome] | None = None,
        failure: BaseException | None = None,
        fails_at: int = 0,
    ) -> None:
        super().__init__(pending, failure, fails_at)
        self.former = dict(former or {})

    def key(self, outcome: Outcome) -> str:
        return outcome.url.removeprefix(f"{TMDB}/3")
