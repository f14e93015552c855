"""Whatever is answered, every target ends in one outcome that is true."""

import json
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.combinable import TMDB
from tests.fetch_pool.fake_store import ABSENT, FAILED, FETCHED
from tests.landing.batches import assert_told_once, pool_of
from tests.landing.fake_store import FakeStore
from tests.landing.fake_tmdb import FakeTmdb
from tests.landing.targets import RESOURCES, digest, made, stored
from tests.made_attempt import BAD_ID, BUSY, NOT_MODIFIED, OFFLINE, TIMED_OUT, TOO_LARGE, answer
from tmdb_assets.combine import requests_for
from tmdb_assets.model import Attempt, Outcome, OutcomeKind, Target

AGAIN = [OFFLINE, TIMED_OUT, answer(200, b"<html>"), NOT_MODIFIED, answer(200, b"[]")]
PERMANENT = [TOO_LARGE, BAD_ID]
PATHS = [f"/movie/{number}{resource}" for number in range(3) for resource in RESOURCES]
_answers = st.lists(st.sampled_from([*AGAIN, *PERMANENT, BUSY]), max_size=3)
_scripts = st.dictionaries(st.sampled_from([*PATHS, "0", "1", "2"]), _answers, max_size=6)
_former = st.dictionaries(
    st.sampled_from(PATHS), st.sampled_from(["alone", "together", "old"]), max_size=12
)


def end_of(path: str, answers: Sequence[Attempt], tmdb: FakeTmdb, max_attempts: int) -> OutcomeKind:
    """Return how a target ends that is asked for alone."""
    tries = 0
    for one in answers:
        tries += one is not BUSY
        if one in PERMANENT or tries >= max_attempts:
            return FAILED
    return ABSENT if path in tmdb.gone else FETCHED


def before(
    targets: Sequence[Target], former: Mapping[str, str], whole: Mapping[str, str], tmdb: FakeTmdb
) -> dict[str, Outcome]:
    """Return the outcomes of what was fetched before: alone or together, and perhaps otherwise."""
    known = {}
    for one in targets:
        path = one.url.removeprefix(f"{TMDB}/3")
        if (how := former.get(path)) is not None:
            is_whole = not tmdb.lacking and not tmdb.gone  # only then it could bring all of them
            together = whole.get(one.url, path) if how == "together" and is_whole else path
            known[one.url] = stored(
                one,
                tmdb.truth(path).body,
                'W/"old"' if how == "old" else tmdb.truth(together).etag,
                f"{TMDB}/3{together}" if together != path else "",
            )
    return known


@settings(max_examples=150)
@given(
    paths=st.lists(st.sampled_from(PATHS), unique=True),
    scripts=_scripts,
    former=_former,
    gone=st.frozensets(st.sampled_from(PATHS), max_size=3),
    lacking=st.frozensets(st.sampled_from(["credits", "images", "similar"]), max_size=2),
    threads=st.integers(1, 6),
    max_attempts=st.integers(1, 4),
)
def test_whatever_is_answered_every_target_ends_in_one_outcome_that_is_true(  # noqa: PLR0913 - what varies
    *,
    paths: list[str],
    scripts: dict[str, list[Attempt]],
    former: dict[str, str],
    gone: frozenset[str],
    lacking: frozenset[str],
    threads: int,
    max_attempts: int,
) -> None:
    targets = made(*paths)
    whole = {
        part.url: one.url.removeprefix(f"{TMDB}/3")
        for one in requests_for(targets, {}, combined=True)
        for part in one.parts
    }
    script: dict[str, list[Attempt | Exception | None]] = {
        path: list(answers) for path, answers in scripts.items() if path in PATHS
    }
    for path in set(whole.values()):
        number = path.removeprefix("/movie/").partition("?")[0]
        script[path] = list(scripts.get(number, []))
    tmdb = FakeTmdb(script, gone, lacking)
    known = before(targets, former, whole, tmdb)
    store = FakeStore(targets, known)

    pool_of(store, tmdb, threads=threads, max_attempts=max_attempts).run(lambda: pytest.fail("?"))

    assert_told_once(store, tmdb, targets)
    for one, path in zip(targets, paths, strict=True):
        outcome, body, last = store.of(path), store.bodies[path], known.get(one.url)
        was_alone = outcome.combined_with == ""
        answers = [
            said for said in scripts.get(path, []) if not (said.status == 304 and was_alone and
            path in tmdb.conditions)
        ]  # fmt: skip
        is_true = ABSENT if path in gone else FETCHED
        assert outcome.outcome is (
            end_of(path, answers, tmdb, max_attempts) if tmdb.asked[path] else is_true
        )
        if body is not None:
            assert (digest(body), len(body)) == (outcome.sha256, outcome.bytes)
            assert json.loads(body) == json.loads(tmdb.truth(path).body)
        elif outcome.has_body:
            assert last is not None
            assert (outcome.sha256, outcome.bytes) == (last.sha256, last.bytes)
            assert outcome.status == 304 or outcome.outcome is FAILED
            assert (outcome.as_of == last.as_of) == (outcome.outcome is FAILED)
        assert outcome.has_body == (
            outcome.outcome is FETCHED or (outcome.outcome is FAILED and last is not None)
        )
        if outcome.outcome is not FAILED:
            assert outcome.as_of in tmdb.moments
