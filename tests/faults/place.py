"""A frozen list on disk, the run that downloads it, and what it left there."""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tmdb_assets import batches
from tmdb_assets.client.session import HANDSHAKE_SECONDS, Client
from tmdb_assets.download import download_batch
from tmdb_assets.fetch_pool import Fetcher, FetchPool
from tmdb_assets.limiter.opening import open_door
from tmdb_assets.model import Credential, Outcome, Settings, Target
from tmdb_assets.outcomes import decode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.report import Report, Statistics
from tmdb_assets.slowdown import Pacer
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.store import BatchStore
from tmdb_assets.urls import origin_of

ATTEMPTS = 2
TIMEOUT_SECONDS = 10.0
SECRET = "sn7Qa0wLrXc3Zk9TfYb5"  # noqa: S105 - made up, and looked for
_SHORT_PAUSES = 152_872
"""A seed whose first four numbers are below 0.04: four pauses before another try are short."""

_NO_BODIES = {".lock", "outcomes.jsonl", "receipt.json"}


@dataclass(frozen=True)
class Place:
    """A folder with one frozen batch, and the settings to download it."""

    batch: str
    settings: Settings
    targets: tuple[Target, ...]

    @classmethod
    def of(cls, urls: Sequence[str], folder: Path, limiter: Path) -> "Place":
        settings = Settings(
            data_dir=folder / "data",
            url_lists_dir=folder / "url_lists",
            origins=tuple(dict.fromkeys(map(origin_of, urls))),
            credential=Credential(SECRET, is_token=True),
            requests_per_second=1000,
            limiter=f"file:{limiter}",
            limiter_key="faults",
            threads=4,
            batch_size=100,
            timeout_seconds=TIMEOUT_SECONDS,
            max_attempts=ATTEMPTS,
            outage_seconds=600.0,
            max_body_bytes=16 << 20,
            max_failed_share=1.0,
        )
        path = folder / "faults.txt"
        path.write_text("".join(f"{url}\n" for url in urls))
        (batch,) = batches.add(path, settings).all_batches
        return cls(batch, settings, batches.load(settings.data_dir, batch))

    def but(self, **changes: Any) -> "Place":
        """Return the same place with some settings changed."""
        return replace(self, settings=replace(self.settings, **changes))

    def download(self) -> Report:
        random.seed(_SHORT_PAUSES)
        return download_batch(self.batch, self.settings)

    def download_with(
        self,
        *,
        handshake_seconds: float = HANDSHAKE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        pacer: Pacer | None = None,
        wrapped: Callable[[Client], Fetcher] = lambda client: client,
    ) -> Statistics:
        """Do what `download_batch` does, with what nobody can wait for replaced."""
        random.seed(_SHORT_PAUSES)
        settings = self.settings
        with (
            BatchStore(settings.data_dir, self.batch, self.targets) as store,
            closing(open_door(settings)) as door,
            closing(Client(settings, door, handshake_seconds)) as client,
        ):
            pool = FetchPool(
                *(store, wrapped(client), pacer or door),
                threads=settings.threads,
                max_attempts=settings.max_attempts,
                clock=clock,
            )
            pool.run(stop_sending=door.close)
            store.seal(0.0)
        return pool.statistics

    @property
    def folder(self) -> Path:
        return batch_folder(self.settings.data_dir, self.batch)

    def outcomes(self) -> dict[str, Outcome]:
        """Return the outcome of each URL that has one; there is one line of each."""
        lines = (self.folder / "outcomes.jsonl").read_bytes().splitlines()
        outcomes = {outcome.url: outcome for outcome in map(decode, lines)}
        assert len(outcomes) == len(lines)
        return outcomes

    def bodies(self) -> dict[str, bytes]:
        """Return all there is but the files of the run itself, whatever it is called."""
        paths = {path.name: path for path in self.folder.rglob("*")}
        return {name: path.read_bytes() for name, path in paths.items() if name not in _NO_BODIES}

    def true_bodies(self, *but: str) -> dict[str, bytes]:
        """Return what should be there, of all URLs but these."""
        return {
            f"{one.name}.json": answer_to(one.url.removeprefix(origin_of(one.url)), "").body
            for one in self.targets
            if one.url not in but
        }

    def holds(self, text: str) -> bool:
        """Say whether a text is in any file of the data."""
        files = [path for path in self.settings.data_dir.rglob("*") if path.is_file()]
        assert files
        return any(text.encode() in path.read_bytes() for path in files)


MakePlace = Callable[..., Place]
