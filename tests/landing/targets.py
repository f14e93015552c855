"""Targets by their paths, and what was fetched of them long ago."""

import hashlib

from tests import combinable
from tests.fetch_pool.fake_store import FETCHED
from tests.made_outcome import made_outcome
from tmdb_assets.model import Outcome, Target

RESOURCES = ("", "/credits", "/images", "/similar")


def made(*paths: str) -> tuple[Target, ...]:
    return combinable.made(*(f"/3{path}" for path in paths))


def whole_of(*paths: str) -> Target:
    """Return the one request for all of these."""
    return combinable.whole_of(*(f"/3{path}" for path in paths))


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def stored(one: Target, body: bytes, etag: str = 'W/"old"', combined_with: str = "") -> Outcome:
    """Return the outcome of a body that was fetched long ago."""
    return made_outcome(one, FETCHED, body, 0.5, etag=etag, combined_with=combined_with)
