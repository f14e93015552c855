"""Kills with -9 at random moments, and a witness of what has to hold after each and in the end.

The witness knows what was on disk at every kill, what arrived at the stand-in since, and which of
its answers were true. So it can tell a request that was wasted, because a kill came between answer
and outcome, from one that was repeated for no reason.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from tmdb_assets import batches
from tmdb_assets.inspection import inspect
from tmdb_assets.model import OutcomeKind, Target
from tmdb_assets.outcomes import FILE_NAME
from tmdb_assets.receipt import batch_folder
from tmdb_assets.standin.bodies import answer_to
from tmdb_assets.standin.faults import DEFAULT_KINDS, Share
from tmdb_assets.standin.process import StandInProcess
from tmdb_assets.verification import verify_list

FAULT_KINDS = (*DEFAULT_KINDS, "wrong_id", "cut_gzip", "truncated_chunked", "reset_in_body")
FAULTS: dict[str, Any] = {"fault_share": 0.05, "fault_kinds": FAULT_KINDS}
"""Settings of a stand-in that misbehaves at first about one URL in twenty."""

SHARE = Share(FAULTS["fault_share"], FAULT_KINDS, times=2, seed=0)
"""The same, as the stand-in's own plan has it."""

_SETTLED = {OutcomeKind.FETCHED, OutcomeKind.ABSENT}
_ANSWERS = {HTTPStatus.OK, HTTPStatus.NOT_FOUND}


@dataclass(frozen=True)
class Strike:
    """One kill; arrivals at the stand-in just before it and when what it hit was gone."""

    what: str
    before: int
    after: int
    in_flight: int


@dataclass(frozen=True)
class Verdict:
    """What came of a list that was killed again and again.

    Attributes:
        lost: URLs without an outcome that counts.
        torn: lines that are no outcome, a last one without its end among them.
        duplicates: URLs with more than one outcome that counts.
        untrue: URLs whose outcome or body is not what the stand-in serves when it is healthy.
        asked_again: URLs that had an outcome on disk at a kill and were asked after it.
        wasted: true answers that had to be fetched anew, by kill.
        unexplained: URLs with two true answers and no kill between them.
        most_in_flight: requests under way at the stand-in at once, at most.
        flaws: what was wrong after a kill or is wrong now, in words.
    """

    urls: int
    fetched: int
    absent: int
    faulty: int
    lost: list[str]
    torn: int
    duplicates: list[str]
    untrue: list[str]
    asked_again: list[str]
    wasted: list[int]
    unexplained: list[str]
    most_in_flight: int
    flaws: list[str] = field(default_factory=list)

    def complaints(self) -> list[str]:
        """Return all that must not be, in words; empty when all is well."""
        said = [
            f"{name}: {found[:20]}"
            for name in ("lost", "duplicates", "untrue", "asked_again", "unexplained")
            if (found := getattr(self, name))
        ]
        if self.torn:
            said.append(f"torn: {self.torn}")
        if max(self.wasted, default=0) > self.most_in_flight:
            said.append(f"wasted {self.wasted}, in flight {self.most_in_flight} at most")
        return said + self.flaws


class Witness:
    """Sees the files of a frozen list and the stand-in that it is downloaded from."""

    def __init__(self, data_dir: Path, name: str, server: StandInProcess) -> None:
        self.strikes: list[Strike] = []
        self._data_dir = data_dir
        self._name = name
        self._server = server
        self._flaws: list[str] = []
        self._settled: dict[str, int] = {}
        self._batches: dict[Path, Sequence[Target]] = {
            batch_folder(data_dir, batch.name): batches.load(data_dir, batch.name)
            for batch in batches.read_list(data_dir, name).batches
        }

    @property
    def urls(self) -> int:
        return sum(map(len, self._batches.values()))

    def written(self) -> int:
        """Return how many outcomes are on disk."""
        return sum(len(_lines(folder)) for folder in self._batches)

    @contextmanager
    def strike(self, what: str) -> Iterator[None]:
        """Look before and after a kill; the `with` kills and waits until what it hit is gone."""
        before = self._statistics()
        yield
        after = self._statistics()
        self.strikes.append(
            Strike(what, before["arrivals"], after["arrivals"], before["in_flight"])
        )
        self._look(f"after kill {len(self.strikes)} ({what})")

    def _look(self, when: str) -> None:
        """Read everything back; what is settled now must not be asked any more."""
        settled: set[str] = set()
        for folder, targets in self._batches.items():
            for line in _lines(folder):
                if not _is_outcome(line):
                    self._flaws.append(f"{when}: {folder.name} has the line {line[:200]!r}")
            found = inspect(folder, targets)
            for flaw in ("missing", "altered", "unreadable_lines", "strange_outcomes", "foreign"):
                if bad := getattr(found, flaw):
                    self._flaws.append(f"{when}: {folder.name}: {flaw}: {bad}")
            settled.update(url for url, outcome in found.last.items() if found.holds(outcome))
        arrived = self._statistics()["arrivals"]
        self._flaws += [f"{when}: gone from disk: {url}" for url in self._settled.keys() - settled]
        for url in settled:
            self._settled.setdefault(url, arrived)

    def verdict(self) -> Verdict:
        """Judge the list, which was downloaded to its end."""
        self._look("in the end")
        said: dict[str, list[str]] = {"lost": [], "duplicates": [], "untrue": []}
        kinds: Counter[str] = Counter()
        outcomes = self._outcomes()
        for folder, targets in self._batches.items():
            for target in targets:
                counting = [o for o in outcomes.get(target.url, []) if o["outcome"] in _SETTLED]
                kinds.update(outcome["outcome"] for outcome in counting)
                if len(counting) != 1:
                    said["duplicates" if counting else "lost"].append(target.url)
                elif not is_true(target.url, counting[0], folder / f"{target.name}.json"):
                    said["untrue"].append(target.url)
        findings = [
            f"{finding.batch}: {finding.flaw.value}: {finding.what}"
            for verified in verify_list(self._data_dir, self._name)
            for finding in verified.findings
        ]
        asked_again, wasted, unexplained = self._repetitions()
        return Verdict(
            urls=self.urls,
            fetched=kinds[OutcomeKind.FETCHED],
            absent=kinds[OutcomeKind.ABSENT],
            faulty=sum(SHARE.kind_of(self._path(url)) is not None for url in outcomes),
            torn=sum(_torn(folder) for folder in self._batches),
            asked_again=asked_again,
            wasted=wasted,
            unexplained=unexplained,
            most_in_flight=self._statistics()["max_in_flight"],
            flaws=self._flaws + findings,
            **said,
        )

    def _repetitions(self) -> tuple[list[str], list[int], list[str]]:
        """Return who was asked although settled, what each kill wasted, and who else came twice."""
        settled = {self._path(url): arrived for url, arrived in self._settled.items()}
        asked: Counter[str] = Counter()
        answered: dict[str, list[int]] = {}
        again = []
        for number, (_, url, status) in enumerate(self._server.arrivals()):
            asked[url] += 1
            if number >= settled.get(url, number + 1):
                again.append(url)
            if _is_answered_truly(url, asked[url], status):
                answered.setdefault(url, []).append(number)
        wasted, unexplained = [0] * len(self.strikes), []
        for url, numbers in answered.items():
            for one, next_one in pairwise(numbers):
                strike = self._first_strike_after(one)
                if strike is None or self.strikes[strike].before > next_one:
                    unexplained.append(url)
                else:
                    wasted[strike] += 1
        return again, wasted, unexplained

    def _first_strike_after(self, number: int) -> int | None:
        after = (at for at, strike in enumerate(self.strikes) if strike.after > number)
        return next(after, None)

    def _outcomes(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for folder in self._batches:
            for line in filter(_is_outcome, _lines(folder)):
                outcome = json.loads(line)
                found.setdefault(outcome["url"], []).append(outcome)
        return found

    def _statistics(self) -> dict[str, int]:
        return cast("dict[str, int]", self._server.statistics())

    def _path(self, url: str) -> str:
        return url.removeprefix(self._server.origin)


def is_true(url: str, outcome: dict[str, Any], path: Path) -> bool:
    """Say whether outcome and body of a URL are those of a stand-in that does not misbehave."""
    number = int(url.rpartition("/")[2])
    answer = answer_to(f"/3/movie/{number}", "")
    if answer.status == HTTPStatus.NOT_FOUND:
        return outcome["outcome"] == OutcomeKind.ABSENT and not path.exists()
    if outcome["outcome"] != OutcomeKind.FETCHED or not path.exists():
        return False
    body = path.read_bytes()
    return body == answer.body and json.loads(body)["id"] == number


def _is_answered_truly(url: str, time: int, status: int | None) -> bool:
    """Say whether a URL's answer of this status, its first, second ..., was what it should be."""
    kind = SHARE.kind_of(url)
    if status not in _ANSWERS or kind is None or time > SHARE.times:
        return status in _ANSWERS
    # there is no wrong id in an answer without one
    return kind == "wrong_id" and _is_absent(url)


@cache
def _is_absent(url: str) -> bool:
    return answer_to(url, "").status == HTTPStatus.NOT_FOUND


def _lines(folder: Path) -> list[bytes]:
    """Return the whole lines of a batch's outcomes."""
    path = folder / FILE_NAME
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _torn(folder: Path) -> int:
    data = (folder / FILE_NAME).read_bytes() if (folder / FILE_NAME).exists() else b""
    lines = data.split(b"\n")
    return sum(not _is_outcome(line) for line in lines[:-1]) + bool(lines[-1])


def _is_outcome(line: bytes) -> bool:
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    return isinstance(fields, dict) and {"format", "url", "outcome", "sha256"} <= fields.keys()
