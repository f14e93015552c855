"""What becomes of one faulty URL among good ones, end to end, and what the page says of it."""

from pathlib import Path

import pytest

import tmdb_assets
from tests.client.servers import Certificate
from tests.faults.place import ATTEMPTS, SECRET, MakePlace, Place
from tests.faults.rows import ROWS, Again, End, Row, Stage, markdown
from tests.faults.stages import ALWAYS, Scene, greeting, misbehaving, unreachable
from tmdb_assets.errors import CredentialError
from tmdb_assets.model import OutcomeKind
from tmdb_assets.standin.faults import KINDS

PAGE = Path(tmdb_assets.__file__).parent / "ARCHITECTURE.md"
HEADING = "## Faults of the server and the net\n"
HANDSHAKE_SECONDS = 0.4
SHORT_SECONDS = 0.6

BY_THE_STAND_IN = [row for row in ROWS if row.stage is Stage.STAND_IN]
IN_HANDSHAKES = [row for row in ROWS if row.stage is Stage.HANDSHAKE]
FOR_EVER = [row for row in ROWS if row.stage is Stage.NET and row.end is End.FAILED]


def named(row: Row) -> str:
    return row.kind


def tuned(where: Place, row: Row) -> Place:
    """Be impatient where something waits, and share no limiter with what slows it down."""
    if row.attempt_seconds:
        where = where.but(timeout_seconds=SHORT_SECONDS)
    if row.again in {Again.PAUSED, Again.UNCOUNTED}:
        where = where.but(limiter=f"file:{where.settings.data_dir.parent / 'limiter'}")
    return where


def download(where: Place, row: Row) -> None:
    """Run the thing itself, except where nobody has the time."""
    if row.kind == "mute":
        where.download_with(handshake_seconds=HANDSHAKE_SECONDS)
    else:
        where.download()


def check_failed(where: Place, scene: Scene, row: Row, attempts: int) -> None:
    """Make sure that the faulty URL failed, for its reason and at its price."""
    outcome = where.outcomes()[scene.faulty]
    assert (outcome.outcome, outcome.reason) == (OutcomeKind.FAILED, row.reason)
    assert (outcome.bytes, outcome.sha256) == (0, "")
    assert outcome.attempts == scene.asked() == row.requests * attempts
    if scene.knocks is not None:
        assert scene.knocks() == attempts
    assert where.bodies() == where.true_bodies(scene.faulty)


def check_fetched(where: Place, scene: Scene, requests: int) -> None:
    """Make sure that the faulty URL was fetched after all, and what it took."""
    outcome = where.outcomes()[scene.faulty]
    assert (outcome.outcome, outcome.reason) == (OutcomeKind.FETCHED, "")
    assert outcome.attempts == scene.asked() == requests
    assert where.bodies() == where.true_bodies()


def check_stopped(where: Place, scene: Scene, row: Row) -> None:
    """Make sure that the run ends with the row's words and keeps no body but true ones."""
    with pytest.raises(CredentialError) as caught:
        download(where, row)
    assert str(caught.value).startswith(f"{row.reason}: check TMDB_READ_ACCESS_TOKEN")
    assert scene.asked() == row.requests
    assert where.bodies().items() <= where.true_bodies(scene.faulty).items()
    assert scene.faulty not in where.outcomes()


def check_others(where: Place, scene: Scene) -> None:
    """Make sure that the fault was nobody else's, and that no file holds the credential."""
    outcomes = where.outcomes()
    assert {outcomes[url].outcome for url in scene.healthy} == {OutcomeKind.FETCHED}
    assert outcomes.keys() == set(scene.urls)
    assert not where.holds(SECRET)


def downloaded(scene: Scene, row: Row, place: MakePlace) -> Place | None:
    """Download, and look at all but the faulty URL; None if the run stopped as it should."""
    where = tuned(place(*scene.urls), row)
    if row.end is End.STOPPED:
        check_stopped(where, scene, row)
        return None
    download(where, row)
    check_others(where, scene)
    return where


def check_always(scene: Scene, row: Row, place: MakePlace) -> None:
    """Download with a fault that does not go away, or not soon."""
    where = downloaded(scene, row, place)
    if where is None:
        return
    if row.again is Again.UNCOUNTED:
        check_fetched(where, scene, ATTEMPTS + 1)  # more than there are tries
    elif row.end is End.FETCHED:
        check_fetched(where, scene, row.requests)
    else:
        check_failed(where, scene, row, 1 if row.again is Again.NO else ATTEMPTS)


def check_once(scene: Scene, row: Row, place: MakePlace) -> None:
    """Download with a fault that is over with the next attempt."""
    where = downloaded(scene, row, place)
    if where is None:
        return
    if row.again is not Again.NO:
        check_fetched(where, scene, row.requests + 1)
    elif row.end is End.FETCHED:
        check_fetched(where, scene, row.requests)
    else:
        check_failed(where, scene, row, 1)


@pytest.mark.parametrize("row", BY_THE_STAND_IN, ids=named)
def test_a_url_whose_fault_stays_ends_as_the_table_says(row: Row, place: MakePlace) -> None:
    times = ATTEMPTS if row.again is Again.UNCOUNTED else ALWAYS
    with misbehaving(row, times) as scene:
        check_always(scene, row, place)


@pytest.mark.parametrize("row", BY_THE_STAND_IN, ids=named)
def test_a_url_whose_fault_passes_is_fetched_if_the_table_says_that_it_is_tried_again(
    row: Row, place: MakePlace
) -> None:
    with misbehaving(row, 1) as scene:
        check_once(scene, row, place)


@pytest.mark.parametrize("row", IN_HANDSHAKES, ids=named)
def test_a_handshake_that_always_fails_costs_no_request(
    row: Row, place: MakePlace, trusted: Certificate, other_certificate: Certificate
) -> None:
    with greeting(row, ALWAYS, trusted, other_certificate) as scene:
        check_always(scene, row, place)


@pytest.mark.parametrize("row", IN_HANDSHAKES, ids=named)
def test_a_handshake_that_fails_once_is_tried_again(
    row: Row, place: MakePlace, trusted: Certificate, other_certificate: Certificate
) -> None:
    with greeting(row, 1, trusted, other_certificate) as scene:
        check_once(scene, row, place)


@pytest.mark.parametrize("row", FOR_EVER, ids=named)
def test_a_place_that_cannot_be_reached_costs_no_request(row: Row, place: MakePlace) -> None:
    with unreachable(row.kind) as scene:
        check_always(scene, row, place)


def test_every_kind_of_misbehaviour_of_the_stand_in_has_its_row() -> None:
    kinds = [row.kind for row in BY_THE_STAND_IN]
    assert sorted(kinds) == sorted(KINDS)


def test_the_page_has_the_rows_that_are_tested() -> None:
    section = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    expected = markdown().splitlines()
    wrong = [line for line in expected if line not in lines]
    if lines != expected:
        pytest.fail("\n".join((f"{len(wrong)} rows are not there; paste:", *expected)))
