"""Targets by their paths, and what was fetched of them long ago."""

import hashlib

from tests.fetch_pool.fake_store import FETCHED
from tests.made_outcome import made_outcome
from tmdb_assets.combine import requests_for
from tmdb_assets.model import Outcome, Target
from tmdb_assets.urls import target

TMDB = "https://api.themoviedb.org"
RESOURCES = ("", "/credits", "/images", "/similar")


def made(*paths: str) -> tuple[Target, ...]:
    return tuple(target(f"{TMDB}/3{path}") for path in paths)


def whole_of(*paths: str) -> Target:
    """Return the one request for all of these."""
    (whole,) = requests_for(made(*paths), {}, combined=True)
    return whole


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def stored(one: Target, body: bytes, etag: str = 'W/"old"', combined_with: str = "") -> Outcome:
    """Return the outcome of a body that was fetched long ago."""
    return made_outcome(one, FETCHED, body, 0.5, etag=etag, combined_with=combined_with)
