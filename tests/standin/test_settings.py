from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.faults import Share
from tmdb_assets.standin.settings import CHANGEABLE, StandInSettings, changed, shown


def test_defaults_are_those_of_tmdb() -> None:
    settings = StandInSettings()

    assert (settings.host, settings.port) == ("127.0.0.1", 0)
    assert (settings.latency_seconds, settings.cap, settings.retry_after) == (2.3, 50, None)
    assert settings.token is None


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("port", 70_000, "port is 70000: use a whole number from 0 to 65535"),
        ("latency_seconds", -1, "latency_seconds is -1: use a number from 0 to 600"),
        ("cap", 0, "cap is 0: use a whole number from 1 to 1000000 or None"),
        ("cap", True, "cap is True: use"),
        ("cap", "50", "cap is '50': use"),
        ("fault_share", 1.5, "fault_share is 1.5: use a number from 0 to 1"),
        ("fault_share", float("nan"), "fault_share is nan: use"),
        ("fault_times", None, "fault_times is None: use"),
        ("fault_kinds", ("nope",), "fault_kinds: 'nope' is no kind of misbehaviour"),
        ("fault_kinds", "503", "fault_kinds is '503': use a list of kinds"),
        ("script", {"/3/movie/1": ["nope"]}, "script of '/3/movie/1': 'nope' is no kind"),
        ("script", ["503"], "script is ['503']: use path -> list of kinds"),
    ],
)
def test_a_bad_value_is_named_with_its_bounds(name: str, value: Any, text: str) -> None:
    with pytest.raises(ValueError, match="use") as caught:
        StandInSettings(**{name: value})

    assert text in str(caught.value)


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="certfile and keyfile go together"):
        StandInSettings(certfile=tmp_path)


def test_over_cap_is_counted_against_50_when_no_cap_is_enforced() -> None:
    assert StandInSettings(cap=None).reference_cap == 50
    assert StandInSettings(cap=7).reference_cap == 7


def test_changes_are_checked_and_leave_the_rest() -> None:
    settings = changed(StandInSettings(seed=4), {"cap": None, "fault_kinds": ["reset"]})

    assert (settings.cap, settings.fault_kinds, settings.seed) == (None, ("reset",), 4)
    assert settings.share == Share(0.0, ("reset",), 2, 4)


@pytest.mark.parametrize("name", ["token", "port", "nonsense"])
def test_what_cannot_change_while_running_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' cannot be changed while running"):
        changed(StandInSettings(), {name: 1})


@given(st.text(min_size=20))
def test_a_token_shows_nowhere(token: str) -> None:
    settings = StandInSettings(token=token)

    assert token not in repr(settings)
    assert set(shown(settings)) == set(CHANGEABLE)
