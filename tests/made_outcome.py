"""An outcome of our choice."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tmdb_assets.model import Outcome, OutcomeKind, Target


def made_outcome(
    one: Target,
    kind: OutcomeKind,
    body: bytes = b"",
    as_of: float = 0.0,
    sent_at: Sequence[float] | None = None,
    **changes: Any,
) -> Outcome:
    """Return an outcome after requests at these moments, with what this body makes of it.

    Without moments it is after one request, which left at `as_of`.
    """
    if sent_at is None:
        attempts, sent_at = 1, (as_of,) if as_of else ()
    else:
        attempts = len(sent_at)
    outcome = Outcome(
        url=one.url,
        name=one.name,
        outcome=kind,
        status=200,
        reason="",
        attempts=attempts,
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest() if body else "",
        etag="",
        sent_at=tuple(sent_at),
        seconds=0.1,
        as_of=as_of,
    )
    return replace(outcome, **changes)
