"""Films of which two are too old to be kept."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.made_outcome import made_outcome
from tests.store.stored_batches import frozen
from tmdb_assets import batches
from tmdb_assets.inspection import inspect
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.purging import Purged, purge_list
from tmdb_assets.store import BatchStore

FETCHED, ABSENT = OutcomeKind.FETCHED, OutcomeKind.ABSENT
BATCH = "films-0001"
OLD, BEFORE, NEW, NOW = 1_700_000_000.0, 1_750_000_000.0, 1_780_000_000.0, 1_800_000_000.0


def body_of(one: Target) -> bytes:
    return json.dumps({"id": int(one.url.rpartition("/")[2]), "title": one.name}).encode()


def outcome_of(one: Target, kind: OutcomeKind, as_of: float) -> Outcome:
    return made_outcome(
        one,
        kind,
        body_of(one) if kind is FETCHED else b"",
        as_of,
        (as_of - 1, as_of),
        reason="" if kind is FETCHED else "HTTP 404",
        etag='W/"1"',
        combined_with="https://api.themoviedb.org/3/movie/1",
    )


ENDS = (
    (FETCHED, OLD),
    (FETCHED, NEW),
    (ABSENT, OLD),
    (FETCHED, OLD),
    (ABSENT, NEW),
    (FETCHED, NEW),
)


@dataclass(frozen=True)
class Films:
    """A list of one batch of six films: 0 and 3 are too old, 1 and 5 are not, 2 and 4 absent."""

    data_dir: Path
    folder: Path
    targets: tuple[Target, ...]

    def body(self, number: int) -> Path:
        return self.folder / f"{self.targets[number].name}.json"

    def there(self) -> list[int]:
        return [number for number in range(6) if self.body(number).exists()]

    def last(self) -> list[Outcome]:
        found = inspect(self.folder, self.targets).last
        return [found[one.url] for one in self.targets]

    def kinds(self) -> list[OutcomeKind]:
        return [one.outcome for one in self.last()]

    def purge(self, before: float = BEFORE, now: float = NOW) -> list[Purged]:
        return list(purge_list(self.data_dir, "films", before, now))


def six_films(tmp_path: Path) -> Films:
    data_dir = tmp_path / "data"
    (batch,) = frozen(data_dir)
    targets = batches.load(data_dir, batch)
    with BatchStore(data_dir, batch, targets) as store:
        for one, (kind, as_of) in zip(targets, ENDS, strict=True):
            store.record(outcome_of(one, kind, as_of), body_of(one) if kind is FETCHED else None)
        store.seal(1.5)
        return Films(data_dir, store.folder, targets)
