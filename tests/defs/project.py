"""A project folder for tests, as a user would have one."""

from pathlib import Path

import dagster as dg

from tmdb_assets import batches
from tmdb_assets.defs.partitions import batches_partitions
from tmdb_assets.defs.resources import TmdbResource
from tmdb_assets.plans import Added


class Project:
    """A data folder, its settings, and an instance that knows its partitions."""

    def __init__(
        self, folder: Path, limiter: Path, origin: str, instance: dg.DagsterInstance
    ) -> None:
        self.folder = folder
        self.instance = instance
        self.tmdb = TmdbResource(
            overrides={
                "TMDB_DATA_DIR": str(folder / "data"),
                "TMDB_URL_LISTS_DIR": str(folder / "url_lists"),
                "TMDB_ALLOWED_ORIGINS": origin,
                "TMDB_LIMITER": f"file:{limiter}",
                "TMDB_REQUESTS_PER_SECOND": "2000",
                "TMDB_BATCH_SIZE": "100",
                "TMDB_THREADS": "16",
                "TMDB_MAX_ATTEMPTS": "1",
            }
        )

    @property
    def data_dir(self) -> Path:
        return self.tmdb.settings().data_dir

    def with_(self, **variables: str) -> TmdbResource:
        """Return the resource with some variables otherwise."""
        return TmdbResource(overrides={**self.tmdb.overrides, **variables})

    def add(self, urls: int, name: str = "movies") -> Added:
        """Freeze a list of movies, and make its batches partitions."""
        path = self.folder / f"{name}.txt"
        path.write_text("".join(f"/movie/{number}\n" for number in range(1, urls + 1)))
        return self.add_file(path.name)

    def add_file(self, name: str) -> Added:
        """Freeze a file of the folder, and make its batches partitions."""
        added = batches.add(self.folder / name, self.tmdb.settings())
        self.instance.add_dynamic_partitions(batches_partitions.name or "", list(added.all_batches))
        return added
