import hashlib
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.stored_batches import BATCH, lines, targets
from tmdb_assets.outcomes import decode
from tmdb_assets.receipt import batch_folder
from tmdb_assets.store import BatchStore

RECORD_FOR_EVER = """
import hashlib, itertools, os, sys
from pathlib import Path
from tmdb_assets.model import Outcome, OutcomeKind, Target
from tmdb_assets.store import BatchStore
targets = [
    Target(f"https://api.themoviedb.org/3/movie/{number}", f"movie-{number}")
    for number in range(200)
]
with BatchStore(Path(sys.argv[1]), "films-0001", targets) as store:
    for round_number in itertools.count():
        for target in targets:
            body = b'{"padding":"%s"}' % (b"x" * round_number)
            digest = hashlib.sha256(body).hexdigest()
            store.record(
                Outcome(
                    target.url, target.name, OutcomeKind.FETCHED, 200, "", 1, len(body), digest,
                    "", (1.0,), 0.1,
                ),
                body,
            )
            os.write(1, b".")
"""


@pytest.mark.parametrize("seed", range(5))
def test_a_kill_at_any_moment_loses_nothing_that_was_recorded(tmp_path: Path, seed: int) -> None:
    all_targets = targets(200)
    command = [sys.executable, "-c", RECORD_FOR_EVER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(random.Random(seed).randrange(1, 600))  # noqa: S311 - a choice of moments
        process.kill()
        process.communicate()
    folder = batch_folder(tmp_path, BATCH)
    whole = [decode(line) for line in lines(folder) if line.endswith(b"\n")]
    last = {outcome.name: outcome for outcome in whole}
    on_disk = {
        name
        for name, outcome in last.items()
        if (folder / f"{name}.json").stat().st_size == outcome.bytes
    }

    with BatchStore(tmp_path, BATCH, all_targets) as store:
        left = [target.name for target in store.pending]

    # the one body that was renamed while its outcome was not written yet
    assert len(last) - len(on_disk) <= 1
    assert left == [target.name for target in all_targets if target.name not in on_disk]
    for name in on_disk:
        body = (folder / f"{name}.json").read_bytes()
        assert hashlib.sha256(body).hexdigest() == last[name].sha256
    assert not [path for path in folder.iterdir() if path.name.startswith(".tmp-")]
    assert all(line.endswith(b"\n") for line in lines(folder))
