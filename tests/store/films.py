"""A batch of films that a stand-in gives, also in a process that is disturbed half-way."""

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from tests.patience import HANG_SECONDS
from tmdb_assets import batches
from tmdb_assets.download import download_batch
from tmdb_assets.inspection import inspect
from tmdb_assets.model import Settings, Target
from tmdb_assets.receipt import needs_download
from tmdb_assets.settings import from_environment
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.server import StandIn
from tmdb_assets.standin.settings import StandInSettings
from tmdb_assets.verification import verify_batch

FILMS = "films-stand-in-0001"
THREADS = 16
URLS = 150

DISTURBED = """
import ctypes, os, resource, sys, threading
from pathlib import Path
from tmdb_assets.download import download_batch
from tmdb_assets.errors import TmdbAssetsError
from tmdb_assets.settings import from_environment

data_dir, origin, limiter, how = sys.argv[1:]
folder = Path(data_dir, "responses", "films-stand-in", "films-stand-in-0001")

def without_power_over_files():
    # root may write everything; without these two capabilities it is like anybody else
    libc = ctypes.CDLL(None, use_errno=True)
    head, caps = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(head, caps) == 0:
        caps[0] &= ~0b110
        libc.capset(head, caps)

def use_up_descriptors():
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass

def keep_using_them_up():
    while not is_over.wait(0.001):
        use_up_descriptors()
    # a thread that ends with the interpreter needs one: the C library loads a part of itself then
    for descriptor in taken:
        os.close(descriptor)

def when_half_is_done(disturb):
    path = folder / "outcomes.jsonl"
    while not path.exists() or path.read_bytes().count(b"\\n") < 50:
        is_over.wait(0.002)
    disturb()

is_over, taken = threading.Event(), []
half_way = threading.Thread(target=when_half_is_done, args=(lambda: disturb(),), daemon=True)

if how == "permission":
    without_power_over_files()
    disturb = lambda: folder.chmod(0o555)
else:
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    disturb = keep_using_them_up
if how == "no files from the start":
    use_up_descriptors()
    for descriptor in taken[:12]:
        os.close(descriptor)
else:
    half_way.start()
try:
    download_batch("films-stand-in-0001", from_environment({
        "TMDB_DATA_DIR": data_dir,
        "TMDB_ALLOWED_ORIGINS": origin,
        "TMDB_LIMITER": f"file:{limiter}",
        "TMDB_REQUESTS_PER_SECOND": "1000",
        "TMDB_THREADS": "16",
        "TMDB_MAX_ATTEMPTS": "2",
    }))
except TmdbAssetsError as error:
    os.write(1, f"{type(error).__name__}: {error}".encode())
if half_way.is_alive():
    is_over.set()
    half_way.join()
"""


@dataclass(frozen=True)
class Films:
    """A frozen batch of films in a data folder, and what is true of it."""

    settings: Settings
    targets: tuple[Target, ...]

    @property
    def folder(self) -> Path:
        return self.settings.data_dir / "responses" / "films-stand-in" / FILMS

    def bodies(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.glob("movie-*.json")}

    def true_bodies(self) -> dict[str, bytes]:
        origin = self.settings.origins[0]
        answers = {one.name: answer_to(one.url.removeprefix(origin), "") for one in self.targets}
        return {f"{name}.json": one.body for name, one in answers.items() if one.status == 200}

    def settled(self) -> set[str]:
        """Return what needs no request any more, after a look that all of it is true."""
        found = inspect(self.folder, self.targets)
        assert not found.has_broken_bodies
        assert not found.unreadable_lines
        assert {one.outcome for one in found.last.values()} <= {"fetched", "absent"}
        assert not (self.folder / "receipt.json").exists()
        assert len(found.unrecorded) <= 1
        recorded = {name: body for name, body in self.bodies().items()
                    if name.removesuffix(".json") not in found.unrecorded}  # fmt: skip
        assert recorded.items() <= self.true_bodies().items()
        return set(found.last)


def films(folder: Path, data_dir: Path, server: StandIn, limiter: Path) -> Films:
    settings = from_environment(
        {
            "TMDB_DATA_DIR": str(data_dir),
            "TMDB_ALLOWED_ORIGINS": server.origin,
            "TMDB_LIMITER": f"file:{limiter}",
            "TMDB_REQUESTS_PER_SECOND": "1000",
            "TMDB_THREADS": str(THREADS),
        }
    )
    path = folder / "films.txt"
    path.write_text("".join(f"/movie/{number}\n" for number in range(100, 100 + URLS)))
    batches.add(path, settings)
    return Films(settings, batches.load(settings.data_dir, FILMS))


def quick(**changes: object) -> StandInSettings:
    return replace(StandInSettings(latency_seconds=0.01, cap=None), **changes)  # type: ignore[arg-type]


def assert_resumes(films: Films, server: StandIn, settled: set[str]) -> None:
    """Have the next run complete the batch, asking for nothing that was settled before."""
    server.reset()
    report = download_batch(FILMS, films.settings)

    asked = Counter(f"{server.origin}{path}" for _, path, _ in server.arrivals())
    assert asked == Counter({one.url for one in films.targets} - settled)
    assert (report.resumed, report.failed) == (len(settled), 0)
    assert films.bodies() == films.true_bodies()
    assert not needs_download(films.settings.data_dir, FILMS)
    assert verify_batch(films.settings.data_dir, FILMS).findings == ()


def disturbed(films: Films, limiter: Path, how: str) -> str:
    """Have another process download the batch, disturbed half-way; return its last words."""
    command = [
        *(sys.executable, "-c", DISTURBED, str(films.settings.data_dir)),
        *(films.settings.origins[0], str(limiter), how),
    ]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=HANG_SECONDS
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
