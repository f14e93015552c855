"""What an attempt that decided something means for its targets: outcomes, bodies, further tasks.

Pure. A combined request decides for several targets; those it says nothing about are asked for
alone, so that each ends in the outcome that it would have had by itself.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tmdb_assets.backlog import Task
from tmdb_assets.combine import itself, split
from tmdb_assets.model import Attempt, Outcome, OutcomeKind, Target
from tmdb_assets.retry import Judgement, Verdict

_KINDS = {
    Verdict.FETCHED: OutcomeKind.FETCHED,
    Verdict.UNCHANGED: OutcomeKind.FETCHED,
    Verdict.ABSENT: OutcomeKind.ABSENT,
}


@dataclass(frozen=True, slots=True)
class Result:
    """One outcome, with the body that is to be stored for it; None if there is none, or it stays.

    Attributes:
        seconds: duration of the attempt that brought it.
    """

    outcome: Outcome
    body: bytes | None
    seconds: float


@dataclass(slots=True)
class Landing:
    """All that came of one task: results, and targets that have to be asked for alone."""

    results: list[Result] = field(default_factory=list)
    alone: list[Task] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What an outcome says of the body on disk; without one, only when that was so."""

    bytes: int = 0
    sha256: str = ""
    etag: str = ""
    as_of: float = 0.0
    combined_with: str = ""


def land(
    judgement: Judgement, attempt: Attempt, task: Task, former: Mapping[str, Outcome]
) -> Landing:
    """Return what comes of a task with its last attempt.

    Args:
        judgement: of the attempt; whatever is no answer gives up.
        attempt: the last one.
        task: with the moments of all its requests.
        former: outcomes of targets whose body is there already, by URL.
    """
    landing = Landing()
    sent_at = tuple(task.sent_at)  # told once: with the first of several targets
    for target, body in _answers(judgement, attempt, task.target):
        if body is None:
            landing.alone.append(Task(target, sent_at=list(sent_at)))
        else:
            stored = _stored(judgement, attempt, task, body, former.get(target.url))
            outcome = Outcome(
                url=target.url,
                name=target.name,
                outcome=_KINDS.get(judgement.verdict, OutcomeKind.FAILED),
                status=attempt.status,
                reason=judgement.reason,
                attempts=len(sent_at),
                bytes=stored.bytes,
                sha256=stored.sha256,
                etag=stored.etag,
                sent_at=sent_at,
                seconds=attempt.seconds,
                as_of=stored.as_of,
                combined_with=stored.combined_with,
            )
            is_new = judgement.verdict is Verdict.FETCHED
            landing.results.append(Result(outcome, body if is_new else None, attempt.seconds))
        sent_at = ()
    return landing


def _answers(
    judgement: Judgement, attempt: Attempt, whole: Target
) -> Iterator[tuple[Target, bytes | None]]:
    """Yield each target with its part of the answer; None where the answer says nothing of it."""
    match judgement.verdict:
        case _ if not whole.parts:
            yield whole, attempt.body
        case Verdict.FETCHED:
            yield from split(attempt.body, whole)
        case Verdict.UNCHANGED:
            yield from ((part, b"") for part in whole.parts)
        case Verdict.ABSENT:
            # a 404 is about the thing itself; what is appended to it may say otherwise
            decided = itself(whole)
            yield from ((part, b"" if part is decided else None) for part in whole.parts)
        case _:
            yield from ((part, None) for part in whole.parts)


def _stored(
    judgement: Judgement, attempt: Attempt, task: Task, body: bytes, known: Outcome | None
) -> _Stored:
    as_of = task.sent_at[-1] if task.sent_at else 0.0
    combined_with = task.target.url if task.target.parts else ""
    match judgement.verdict:
        case Verdict.FETCHED:
            digest = hashlib.sha256(body).hexdigest()
            return _Stored(len(body), digest, attempt.etag, as_of, combined_with)
        case Verdict.UNCHANGED if known is not None:
            etag = attempt.etag or known.etag
            return _Stored(known.bytes, known.sha256, etag, as_of, combined_with)
        case Verdict.ABSENT:
            return _Stored(as_of=as_of, combined_with=combined_with)
        case _ if known is not None:
            # it could not be fetched anew: what is there is as old as it was
            return _Stored(known.bytes, known.sha256, known.etag, known.as_of, known.combined_with)
    return _Stored(as_of=as_of)
