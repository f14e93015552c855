"""An outcome of our choice."""

import hashlib
from dataclasses import replace
from typing import Any

from tmdb_assets.model import Outcome, OutcomeKind, Target


def made_outcome(
    one: Target, kind: OutcomeKind, body: bytes = b"", as_of: float = 0.0, **changes: Any
) -> Outcome:
    """Return an outcome after one request, with what this body makes of it."""
    outcome = Outcome(
        url=one.url,
        name=one.name,
        outcome=kind,
        status=200,
        reason="",
        attempts=1,
        bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest() if body else "",
        etag="",
        sent_at=(as_of,) if as_of else (),
        seconds=0.1,
        as_of=as_of,
    )
    return replace(outcome, **changes)
