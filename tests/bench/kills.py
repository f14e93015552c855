"""200 times kill -9 at random moments of one list, 5 % of whose URLs misbehave at first.

`KILLS=40` in the environment shortens it. Everything is real: `tmdb-assets run`, its queue daemon,
Dagster's run workers, a stand-in that refuses what is above the cap.
"""

import operator
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.system.hunt import Hunt, Prey
from tests.system.judge import judging
from tests.system.kills import FAULTS, Verdict, Witness
from tests.system.project import Project

KILLS = 200
URLS_PER_KILL = 20
RATE = 30
SEED = 20_260_101
WEIGHTS = {Prey.WORKER: 7, Prey.DAEMON: 5, Prey.BOTH: 4, Prey.ALL: 4}
"""How often what is killed: after the last kind nothing happens until dead runs are found."""

Row = tuple[str, str, str]


def main() -> Iterator[Row]:
    """Yield what was lost, torn, repeated and wasted."""
    kills = int(os.environ.get("KILLS", KILLS))
    urls = URLS_PER_KILL * kills
    name = f"kill -9, {kills} times over {urls:,}"
    with (
        tempfile.TemporaryDirectory() as folder,
        judging(latency_seconds=0.2, cap=50, **FAULTS) as (server, _),
        Project(
            Path(folder),
            server.origin,
            TMDB_BATCH_SIZE=str(max(100, urls // 4)),
            TMDB_REQUESTS_PER_SECOND=str(RATE),
        ) as project,
    ):
        began_at = time.monotonic()
        hunt = Hunt(project, project.write_list(urls), SEED)
        witness = Witness(Path(folder, "data"), "movies-stand-in", server)
        _strike(hunt, witness, kills)
        last_seconds = hunt.finish()
        seconds = time.monotonic() - began_at
        verdict = witness.verdict()
        yield from _rows(name, hunt, verdict)
        for surprise in dict.fromkeys(hunt.surprises):
            sys.stderr.write(f"{surprise}\n")
        struck = Counter(strike.what for strike in witness.strikes)
        yield (
            name,
            f"killed, {len(witness.strikes)} times",
            ", ".join(f"{what} {count}" for what, count in struck.items()),
        )
        more = sum(map(operator.gt, verdict.wasted, (one.in_flight for one in witness.strikes)))
        yield name, "kills that wasted more than was in flight just before", str(more)
        yield name, "in flight at a kill", _spread([one.in_flight for one in witness.strikes])
        yield name, "refused by the stand-in", str(server.statistics()["refused"])
        yield (
            name,
            "minutes, and seconds after the last kill",
            f"{seconds / 60:.0f}, {last_seconds:.0f}",
        )


def _strike(hunt: Hunt, witness: Witness, kills: int) -> None:
    """Kill at random moments that leave work for the kills to come."""
    dice = random.Random(SEED)  # noqa: S311 - the same kills every time
    preys, weights = list(WEIGHTS), list(WEIGHTS.values())
    for number in range(kills):
        written = witness.written()
        left = max(0, witness.urls - written)
        # half of what there is per kill: more is fetched while the command starts again
        step = dice.randint(1, max(1, left // (kills - number) // 2))
        prey = dice.choices(preys, weights)[0]
        if not hunt.strike(witness, prey, written + step):
            return
        sys.stderr.write(
            f"{time.strftime('%H:%M:%S')} kill {number + 1}: {prey}, {written + step} outcomes, "
            f"{hunt.starts} starts\n"
        )


def _rows(name: str, hunt: Hunt, verdict: Verdict) -> Iterator[Row]:
    yield (
        name,
        "URLs / fetched / absent / that misbehaved",
        (f"{verdict.urls} / {verdict.fetched} / {verdict.absent} / {verdict.faulty}"),
    )
    for what, found in (
        ("lost: without an outcome that counts", verdict.lost),
        ("with more than one", verdict.duplicates),
        ("outcome or body not true", verdict.untrue),
        ("asked again although settled at a kill", verdict.asked_again),
        ("answered twice without a kill between", verdict.unexplained),
    ):
        yield name, what, " ".join([str(len(found)), *found[:5]])
    yield name, "torn lines", str(verdict.torn)
    yield name, "wrong after a kill, or in the end", "; ".join(verdict.flaws[:5]) or "nothing"
    yield name, "true answers wasted, per kill", _spread(verdict.wasted)
    yield (
        name,
        "wasted in all / most in flight at once",
        (f"{sum(verdict.wasted)} / {verdict.most_in_flight}"),
    )
    yield name, "starts of the command", str(hunt.starts)
    for end, count in hunt.ends.most_common():
        yield name, f"ended by itself, {end}", str(count)
    # the words in full are on standard error
    yield name, "of those with a traceback", str(len(hunt.surprises))


def _spread(counts: list[int]) -> str:
    if not counts:
        return "none"
    return f"{sum(counts) / len(counts):.1f} on average, {max(counts)} at most"
