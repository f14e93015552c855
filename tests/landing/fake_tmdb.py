"""A TMDB in memory that answers single and combined requests, and conditions."""

import json
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from urllib.parse import parse_qs, urlsplit

from tests.combinable import TMDB
from tests.landing.targets import digest
from tests.made_attempt import GONE, NOT_MODIFIED, answer
from tmdb_assets.model import Attempt, Target
from tmdb_assets.outage import PROBE_PATH


@dataclass
class FakeTmdb:
    """Answers by what it has, after the answers that a script has for a URL.

    Attributes:
        script: URL -> its first answers; an exception is raised, None is an answer as usual.
        gone: paths without version that are not there.
        lacking: names of what is left out of combined answers.
        moments: all that was sent.
        asked: how often for each path and query.
        conditions: paths and queries that were asked for on a condition.
    """

    script: dict[str, list[Attempt | Exception | None]] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    lacking: frozenset[str] = frozenset()
    moments: list[float] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    conditions: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _clock: Iterable[int] = field(default_factory=lambda: count(1000))

    def attempt(self, one: Target) -> Attempt:
        with self._lock:
            path = one.url.removeprefix(f"{TMDB}/3")
            self.asked[path] += 1
            if one.etag:
                self.conditions.append(path)
            left = self.script.get(path, [])
            while one.etag and NOT_MODIFIED in left[:1]:
                left.pop(0)  # to a condition it tells no lies
            said = left.pop(0) if left else None
            moment = float(next(iter(self._clock)))
            is_redirected = self.asked[path] % 3 == 0
            hops = (moment, moment + 0.5) if is_redirected else (moment,)
            if isinstance(said, Exception):
                raise said
            if said is None:
                said = self.truth(path, one.etag)
            self.moments.extend(hops)
        return replace(said, sent_at=hops)

    def truth(self, path: str, etag: str = "") -> Attempt:
        if path == PROBE_PATH.removeprefix("/3"):
            return answer(200, b'{"images":{}}')
        url = urlsplit(path)
        if url.path in self.gone:
            return GONE
        names = parse_qs(url.query).get("append_to_response", [""])[0].split(",")
        appended = {
            name: {key: value for key, value in part.items() if key != "id"}
            for name in filter(None, names)
            if name not in self.lacking and f"{url.path}/{name}" not in self.gone
            for part in [self.part(f"{url.path}/{name}")]
        }
        body = json.dumps({**self.part(url.path), **appended}).encode()
        is_known = etag == self.etag_of(body)
        return replace(NOT_MODIFIED if is_known else answer(200, body), etag=self.etag_of(body))

    def etag_of(self, body: bytes) -> str:
        return f'W/"{digest(body)[:32]}"'

    def part(self, path: str) -> dict[str, object]:
        """Return what a path has by itself; its URL for the name of what it is."""
        own: dict[str, object] = {"what": path, "of": [1.0, None]}
        return own if path.endswith("/similar") else {"id": int(path.split("/")[2]), **own}
