"""A folder with one frozen batch of films, and a stand-in that gives them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tmdb_assets import batches
from tmdb_assets.model import Outcome, OutcomeKind, Settings, Target
from tmdb_assets.outcomes import decode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings

BATCH = "films-stand-in-0001"
THREADS = 16


@dataclass(frozen=True)
class Place:
    """A folder with one frozen batch of films."""

    folder: Path
    settings: Settings
    targets: tuple[Target, ...]

    @property
    def responses(self) -> Path:
        return batch_folder(self.settings.data_dir, BATCH)

    def outcomes(self) -> list[Outcome]:
        lines = (self.responses / "outcomes.jsonl").read_bytes().splitlines(keepends=True)
        return [decode(line) for line in lines if line.endswith(b"\n")]

    def settled(self) -> set[str]:
        """Return the paths of URLs that need no request any more."""
        return {
            outcome.url.removeprefix(self.settings.origins[0])
            for outcome in self.outcomes()
            if outcome.outcome is not OutcomeKind.FAILED
        }

    def bodies(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.responses.glob("movie-*.json")}

    def true_bodies(self) -> dict[str, bytes]:
        answers = {target.name: self.answer(target) for target in self.targets}
        return {f"{name}.json": body for name, (status, body) in answers.items() if status == 200}

    def answer(self, target: Target) -> tuple[int, bytes]:
        answer = answer_to(target.url.removeprefix(self.settings.origins[0]), "")
        return answer.status, answer.body


def place(folder: Path, origin: str, limiter: Path, count: int, token: str = "") -> Place:
    settings = from_environment(
        {
            "TMDB_DATA_DIR": str(folder / "data"),
            "TMDB_ALLOWED_ORIGINS": origin,
            "TMDB_LIMITER": f"file:{limiter}",
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_THREADS": str(THREADS),
            "TMDB_READ_ACCESS_TOKEN": token,
        }
    )
    path = folder / "films.txt"
    path.write_text("".join(f"/movie/{number}\n" for number in range(100, 100 + count)))
    batches.add(path, settings)
    return Place(folder, settings, batches.load(settings.data_dir, BATCH))


def quick(**changes: object) -> StandInSettings:
    return replace(StandInSettings(latency_seconds=0, cap=None, fault_times=1), **changes)  # type: ignore[arg-type]


def asked(server: StandIn) -> Counter[str]:
    return Counter(url for _, url, _ in server.arrivals())


def paths(targets: Sequence[Target], origin: str) -> set[str]:
    return {target.url.removeprefix(origin) for target in targets}
