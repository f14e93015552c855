"""How the stand-in is to behave: one frozen value with units, defaults and bounds.

Nothing here reads the environment or acts. `changed` makes the next value from what came over HTTP.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tmdb_assets.standin import exports
from tmdb_assets.standin.dice import unit_of
from tmdb_assets.standin.faults import BEHAVE, DEFAULT_KINDS, Share, check_kinds
from tmdb_assets.standin.world import World

DEFAULT_PORT = 8731
"""Where the command listens unless told otherwise."""

REFERENCE_CAP = 50
"""What `over_cap` in the statistics is counted against when no cap is enforced."""

_MEBIBYTE = 1024 * 1024
_NO_BOUND = 10**12


@dataclass(frozen=True, slots=True)
class _Number:
    """Bounds of a numeric setting, both included."""

    low: float
    high: float
    whole: bool = True
    optional: bool = False

    def check(self, name: str, value: object) -> None:
        """Raise ValueError that names the setting and its bounds."""
        if value is None and self.optional:
            return
        kinds = int if self.whole else (int, float)
        right = isinstance(value, kinds) and not isinstance(value, bool)
        if right and self.low <= cast("float", value) <= self.high:
            return
        what = "a whole number" if self.whole else "a number"
        none = " or None" if self.optional else ""
        raise ValueError(f"{name} is {value!r}: use {what} from {self.low} to {self.high}{none}")


_NUMBERS = {
    "port": _Number(0, 65_535),
    "latency_seconds": _Number(0, 600, whole=False),
    "latency_variation": _Number(0, 5, whole=False),
    "seed": _Number(0, _NO_BOUND),
    "cap": _Number(1, 1_000_000, optional=True),
    "retry_after": _Number(0, 86_400, optional=True),
    "refuse_after": _Number(1, _NO_BOUND, optional=True),
    "fault_share": _Number(0, 1, whole=False),
    "fault_times": _Number(1, _NO_BOUND),
    "huge_bytes": _Number(1, 4096 * _MEBIBYTE),
    "keep_alive_seconds": _Number(1, 3600),
    "revision": _Number(0, _NO_BOUND),
    "revised_share": _Number(0, 1, whole=False),
    "changes_per_day": _Number(0, 100_000),
    "export_lines": _Number(0, 10_000_000),
}


@dataclass(frozen=True, slots=True)
class StandInSettings:
    """How the stand-in behaves. A value out of its bounds raises ValueError.

    Attributes:
        host: address to listen on; nothing but loopback unless told.
        port: 0 takes a free one.
        latency_seconds: mean time until an answer; 0 answers at once.
        latency_variation: standard deviation of the latency over its mean.
        seed: other seeds give other latencies and other faulty URLs, never other bodies.
        cap: requests in any sliding second beyond which 429 is answered; None only counts.
        retry_after: seconds for Retry-After on those 429; None sends none, as TMDB does.
        token: what a request has to bring as Bearer or as api_key; None lets everybody in.
        refuse_after: from this arrival on, every answer is 401; None is never.
        fault_share: share of URLs that misbehave at first, from 0 to 1.
        fault_kinds: how they misbehave; see `faults.KINDS`.
        fault_times: first requests for a faulty URL that misbehave.
        script: path (without query) -> misbehaviour of its successive requests, "ok" for none;
            after its end the path behaves. It goes before the share.
        huge_bytes: a body of kind `huge`, or `gzip_bomb` unpacked, is larger than that.
        keep_alive_seconds: idle connections are closed after that.
        samples: folder of recorded responses to serve where they match; see `samples`.
        certfile: with `keyfile`, serve TLS with this certificate (PEM).
        keyfile: private key of the certificate (PEM).
        honours_conditions: whether `If-None-Match` can bring a 304; else all is sent anew.
        revision: with another one, bodies and their ETags are others.
        revised_share: share of paths that the revision is about, from 0 to 1.
        revisions: path (without query) -> its own revision, which goes before the general one.
        gone: paths that answer 404 whatever they are.
        changes_per_day: about how many ids the lists of changes have for a day.
        export_lines: lines of each daily export of ids.
        export_today: whether today's exports were made already.
        export_fault: what is wrong with exports; see `exports.FAULTS`.
    """

    host: str = "127.0.0.1"
    port: int = 0
    latency_seconds: float = 2.3
    latency_variation: float = 0.3
    seed: int = 0
    cap: int | None = REFERENCE_CAP
    retry_after: int | None = None
    token: str | None = field(default=None, repr=False)
    refuse_after: int | None = None
    fault_share: float = 0.0
    fault_kinds: tuple[str, ...] = DEFAULT_KINDS
    fault_times: int = 2
    script: Mapping[str, Sequence[str]] = field(default_factory=dict)
    huge_bytes: int = 20 * _MEBIBYTE
    keep_alive_seconds: int = 60
    samples: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    honours_conditions: bool = True
    revision: int = 0
    revised_share: float = 1.0
    revisions: Mapping[str, int] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    changes_per_day: int = 250
    export_lines: int = 2000
    export_today: bool = True
    export_fault: str | None = None

    def __post_init__(self) -> None:
        for name, bounds in _NUMBERS.items():
            bounds.check(name, getattr(self, name))
        _check_list("fault_kinds", self.fault_kinds)
        if not isinstance(self.script, Mapping):
            raise ValueError(f"script is {self.script!r}: use path -> list of kinds")  # noqa: TRY004 - one kind of error for every bad setting
        for path, kinds in self.script.items():
            _check_list(f"script of {path!r}", kinds, BEHAVE)
        _check_world(self)
        if (self.certfile is None) != (self.keyfile is None):
            raise ValueError("certfile and keyfile go together: give both or none")

    @property
    def reference_cap(self) -> int:
        """What `over_cap` is counted against."""
        return REFERENCE_CAP if self.cap is None else self.cap

    @property
    def share(self) -> Share:
        """The share of URLs that misbehave."""
        return Share(self.fault_share, self.fault_kinds, self.fault_times, self.seed)

    def world_of(self, path: str) -> World:
        """Return the state of the data that requests for the path see."""
        revision = self.revisions.get(path)
        if revision is None:
            is_revised = self.revision and unit_of(f"revised {path}") < self.revised_share
            revision = self.revision if is_revised else 0
        return World(revision, self.changes_per_day)


def _check_world(settings: StandInSettings) -> None:
    for name in ("honours_conditions", "export_today"):
        if not isinstance(value := getattr(settings, name), bool):
            raise ValueError(f"{name} is {value!r}: use true or false")  # noqa: TRY004 - as above
    if settings.export_fault not in {None, *exports.FAULTS}:
        known = ", ".join(exports.FAULTS)
        raise ValueError(f"export_fault is {settings.export_fault!r}: use None or one of {known}")
    if not isinstance(settings.revisions, Mapping):
        raise ValueError(f"revisions is {settings.revisions!r}: use path -> revision")  # noqa: TRY004 - as above
    for path, revision in settings.revisions.items():
        _NUMBERS["revision"].check(f"the revision of {path!r}", revision)
    if isinstance(settings.gone, str) or not isinstance(settings.gone, Sequence):
        raise ValueError(f"gone is {settings.gone!r}: use a list of paths")  # noqa: TRY004 - as above


def _check_list(name: str, kinds: object, *more: str) -> None:
    if isinstance(kinds, str) or not isinstance(kinds, Sequence):
        raise ValueError(f"{name} is {kinds!r}: use a list of kinds")  # noqa: TRY004 - as above
    try:
        check_kinds(str(kind) for kind in kinds if kind not in more)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


CHANGEABLE = (
    "latency_seconds",
    "latency_variation",
    "cap",
    "retry_after",
    "refuse_after",
    "fault_share",
    "fault_kinds",
    "fault_times",
    "script",
    "huge_bytes",
    "honours_conditions",
    "revision",
    "revised_share",
    "revisions",
    "gone",
    "changes_per_day",
    "export_lines",
    "export_today",
    "export_fault",
)
"""Settings that may change while the stand-in runs."""


def changed(settings: StandInSettings, changes: Mapping[str, object]) -> StandInSettings:
    """Return the settings with some of `CHANGEABLE` replaced.

    Raises:
        ValueError: a name that cannot be changed, or a value out of its bounds.
    """
    for name in changes:
        if name not in CHANGEABLE:
            names = ", ".join(CHANGEABLE)
            raise ValueError(f"{name!r} cannot be changed while running: use one of {names}")
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()
    }
    return dataclasses.replace(settings, **cast("dict[str, Any]", values))


def shown(settings: StandInSettings) -> dict[str, object]:
    """Return the settings that may change, ready for JSON; credentials are not among them."""
    return {name: getattr(settings, name) for name in CHANGEABLE}
