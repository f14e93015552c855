"""Runs the benchmarks that are named, or all, and prints a table of figures."""

import os
import platform
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from tests.bench import (
    backfill,
    boundaries,
    ceiling,
    combine,
    costs,
    durability,
    exports,
    faults_100k,
    kill,
    kills,
    launch,
    limiters,
    overlap,
    plan,
    rates,
    tables,
)

BENCHMARKS: dict[str, Callable[[], Iterator[tuple[str, str, str]]]] = {
    "plan": plan.main,
    "ceiling": ceiling.main,
    "backfill": backfill.main,
    "boundaries": boundaries.main,
    "combine": combine.main,
    "launch": launch.main,
    "costs": costs.main,
    "kill": kill.main,
    "kills": kills.main,
    "durability": durability.main,
    "exports": exports.main,
    "tables": tables.main,
    "faults_100k": faults_100k.main,
    "overlap": overlap.main,
    "limiters": limiters.main,
    "rates": rates.main,
}


def main() -> None:
    """Run and print."""
    names = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        raise SystemExit(f"no benchmark {', '.join(unknown)}: take {', '.join(BENCHMARKS)}")
    console = Console(width=120)
    load = os.getloadavg()[0]
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f}")
    table = Table("benchmark", "what", "figure")
    for name in names:
        console.print(f"running {name} ...")
        for row in BENCHMARKS[name]():
            table.add_row(*row)
            # an hour of figures must not hang on whether the last one comes
            sys.stderr.write(f"{' | '.join(row)}\n")
    console.print(table)


if __name__ == "__main__":
    main()
