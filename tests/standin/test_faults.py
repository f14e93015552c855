import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmdb_assets.standin.faults import DEFAULT_KINDS, KINDS, FaultPlan, Share, check_kinds

NO_SHARE = Share(0.0, DEFAULT_KINDS, 2, 0)
ALL = Share(1.0, DEFAULT_KINDS, 2, 0)


def test_about_the_share_asked_for_misbehaves() -> None:
    share = Share(0.05, DEFAULT_KINDS, 2, seed=3)

    kinds = [share.kind_of(f"/3/movie/{number}") for number in range(20_000)]

    faulty = [kind for kind in kinds if kind]
    assert 0.045 < len(faulty) / len(kinds) < 0.055
    assert set(faulty) == set(DEFAULT_KINDS)


@given(st.text())
def test_no_share_means_no_fault_and_a_whole_one_means_all(url: str) -> None:
    assert NO_SHARE.kind_of(url) is None
    assert ALL.kind_of(url) in DEFAULT_KINDS


def test_another_seed_makes_other_urls_faulty() -> None:
    urls = [f"/3/movie/{number}" for number in range(500)]

    def faulty(seed: int) -> list[str]:
        return [url for url in urls if Share(0.1, DEFAULT_KINDS, 2, seed).kind_of(url)]

    assert faulty(1) == faulty(1)
    assert faulty(1) != faulty(2)


def test_a_faulty_url_behaves_after_its_first_requests() -> None:
    plan = FaultPlan(Share(1.0, ("503",), 2, 0), {})

    kinds = [plan.kind_for("/3/movie/1", "/3/movie/1?a=b") for _ in range(4)]

    assert kinds == ["503", "503", None, None]


def test_a_script_is_followed_and_goes_before_the_share() -> None:
    plan = FaultPlan(ALL, {"/3/movie/1": ["503", "ok", "reset"]})

    kinds = [plan.kind_for("/3/movie/1", "/3/movie/1") for _ in range(5)]

    assert kinds == ["503", None, "reset", None, None]


def test_a_kind_that_does_not_exist_is_refused_with_a_list_of_those_that_do() -> None:
    with pytest.raises(ValueError, match=r"'nope' is no kind of misbehaviour: use one of 401, "):
        check_kinds(["503", "nope"])


def test_every_kind_is_explained_in_one_line() -> None:
    assert all(text and "\n" not in text for text in KINDS.values())
    check_kinds(KINDS)
