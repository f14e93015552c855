"""Lists of films, and where adding them to a data folder leaves its record."""

from pathlib import Path

from tmdb_assets.batches import load
from tmdb_assets.model import Settings
from tmdb_assets.plans import Added
from tmdb_assets.settings import from_environment

TMDB = "https://api.themoviedb.org"


def small_batches(tmp_path: Path) -> Settings:
    return from_environment({"TMDB_DATA_DIR": str(tmp_path / "data"), "TMDB_BATCH_SIZE": "100"})


def written(folder: Path, *numbers: int, name: str = "movies.txt") -> Path:
    path = folder / name
    path.write_text("".join(f"/movie/{number}\n" for number in numbers))
    return path


def record(settings: Settings, name: str = "movies") -> Path:
    return settings.data_dir / "batches" / name / "list.json"


def loaded(settings: Settings, added: Added) -> list[int]:
    return [
        int(target.url.removeprefix(f"{TMDB}/3/movie/"))
        for batch in added.all_batches
        for target in load(settings.data_dir, batch)
    ]
