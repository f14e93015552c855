"""What outcomes on disk say about a span of time: whose requests, how many, how dense."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.made_outcome import made_outcome
from tmdb_assets.cap_use import CapUse, fullest_second, look_back
from tmdb_assets.errors import StoreError
from tmdb_assets.model import OutcomeKind, Target
from tmdb_assets.outcomes import encode

T = 1_600_000_000.0
MICROSECONDS_OF_T = 1_600_000_000_000_000
SECOND = 1_000_000

OWN, OTHER = "films-0001", "shows-0007"


def line(*moments: float) -> bytes:
    one = Target("https://api.themoviedb.org/3/movie/1", "movie-1")
    return encode(made_outcome(one, OutcomeKind.FETCHED, sent_at=moments))


def sent(data_dir: Path, batch: str, *moments: float) -> Path:
    """Record requests of a batch, one outcome for each two of them."""
    folder = data_dir / "responses" / batch.rpartition("-")[0] / batch
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "outcomes.jsonl"
    with path.open("ab") as file:
        file.writelines(line(*moments[start : start + 2]) for start in range(0, len(moments), 2))
    return path


def seconds(microseconds: int) -> float:
    return (MICROSECONDS_OF_T + microseconds) / 1e6


def fullest_by_counting(moments: Sequence[int]) -> int:
    return max(
        (sum(0 <= last - one < SECOND for one in moments) for last in moments),
        default=0,
    )


# many are a second apart to the microsecond, or one more, or one less
crowded = st.lists(
    st.builds(int.__add__, st.integers(0, 12).map(lambda n: n * SECOND // 4), st.integers(-1, 1))
    | st.integers(0, 3 * SECOND),
    max_size=60,
).map(sorted)


@given(crowded)
def test_the_fullest_second_is_what_counting_says(moments: list[int]) -> None:
    most, ended_at = fullest_second([seconds(one) for one in moments])

    assert most == fullest_by_counting(moments)
    ends = [
        last
        for last in moments
        if sum(0 <= last - one < SECOND for one in moments if one <= last) == most
    ]
    assert ended_at == (seconds(ends[0]) if ends else 0.0)


def test_what_left_exactly_a_second_later_is_not_in_the_same_second() -> None:
    assert fullest_second([T, T + 1.0]) == (1, T)
    assert fullest_second([T, T + 0.999999]) == (2, T + 0.999999)


def test_the_first_of_equally_full_seconds_is_named() -> None:
    assert fullest_second([T, T + 0.5, T + 5.0, T + 5.5]) == (2, T + 0.5)


# own ones lie on whole tenths and others between them, so that none lies at the edge of the span
tenths = st.integers(20, 60).map(lambda n: n * SECOND // 10)
between = st.integers(0, 80).map(lambda n: n * SECOND // 10 + SECOND // 20)


@settings(max_examples=60)
@given(
    own=st.lists(tenths, min_size=1, max_size=40),
    others=st.lists(st.lists(between, max_size=40), max_size=3),
)
def test_looking_back_finds_what_counting_finds(own: list[int], others: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sent(Path(folder), OWN, *map(seconds, own))
        for number, moments in enumerate(others):
            sent(Path(folder), f"shows-{number:04}", *map(seconds, moments))

        found = look_back(Path(folder), [seconds(one) for one in own])

    began, ended = min(own), max(own)
    within = [[one for one in moments if began <= one <= ended] for moments in (own, *others)]
    near = [
        one
        for moments in (own, *others)
        for one in moments
        if began - SECOND < one < ended + SECOND
    ]
    assert found.requests == sum(map(len, within))
    assert found.batches == sum(map(bool, within))
    assert found.fullest == fullest_by_counting(near)
    bins = range((ended - began) // SECOND + 1)
    assert found.per_second == tuple(
        sum((one - began) // SECOND == number for moments in within for one in moments)
        for number in bins
    )
    assert found.own_per_second == tuple(
        sum((one - began) // SECOND == number for one in own) for number in bins
    )


def test_a_run_that_sent_nothing_used_nothing_and_reads_nothing(tmp_path: Path) -> None:
    sent(tmp_path, OTHER, T).write_bytes(b'{"format":99}\n')

    nothing = CapUse(0, 0, 0, 0.0, (), ())
    assert look_back(tmp_path, []) == nothing
    assert look_back(tmp_path / "nowhere", []) == nothing


def test_without_any_outcomes_only_the_own_requests_are_told(tmp_path: Path) -> None:
    found = look_back(tmp_path / "nowhere", [T, T + 1.5])

    assert found == CapUse(0, 0, 0, 0.0, (0, 0), (1, 1))


def test_one_request_is_a_second_with_one_request(tmp_path: Path) -> None:
    sent(tmp_path, OWN, T)

    assert look_back(tmp_path, [T]) == CapUse(1, 1, 1, T, (1,), (1,))


@pytest.mark.parametrize("rest", [-0.0000005, -0.0000002, 0.0000003, 0.0000005])
def test_moments_that_outcomes_round_away_from_the_span_are_within_it(
    tmp_path: Path, rest: float
) -> None:
    own = [T + 3.0 + rest, T + 4.0, T + 5.0 + rest]
    sent(tmp_path, OWN, *own)

    found = look_back(tmp_path, own)

    assert (found.requests, found.batches) == (3, 1)
    assert sum(found.per_second) == sum(found.own_per_second) == 3


def test_own_moments_may_come_in_any_order(tmp_path: Path) -> None:
    sent(tmp_path, OWN, T + 2.5, T, T + 1.0)

    assert look_back(tmp_path, [T + 2.5, T, T + 1.0]).per_second == (1, 1, 1)


def test_requests_of_other_batches_within_the_span_count_and_those_apart_from_it_do_not(
    tmp_path: Path,
) -> None:
    sent(tmp_path, OWN, T, T + 3.0)
    sent(tmp_path, OTHER, T - 7.0, T + 0.5, T + 2.5, T + 2.6, T + 11.0)
    sent(tmp_path, "shows-0008", T - 3.0, T + 6.0)

    found = look_back(tmp_path, [T, T + 3.0])

    assert found == CapUse(5, 2, 3, T + 3.0, (2, 0, 2, 1), (1, 0, 0, 1))


@pytest.mark.parametrize("offset", [-0.95, 3.05])
def test_a_second_that_lies_half_outside_the_span_counts_whole(
    tmp_path: Path, offset: float
) -> None:
    crowd = [T + offset + number / 100 for number in range(90)]
    sent(tmp_path, OWN, T, T + 3.0)
    sent(tmp_path, OTHER, *crowd)

    found = look_back(tmp_path, [T, T + 3.0])

    assert (found.requests, found.batches) == (2, 1)
    assert found.fullest == 91
    assert found.fullest_at == pytest.approx(T if offset < 0 else crowd[-1], abs=1e-6)


@pytest.mark.parametrize("offset", [-2.0, 4.1])
def test_a_second_that_shares_nothing_with_the_span_does_not_count(
    tmp_path: Path, offset: float
) -> None:
    sent(tmp_path, OWN, T, T + 3.0)
    sent(tmp_path, OTHER, *(T + offset + number / 100 for number in range(90)))

    assert look_back(tmp_path, [T, T + 3.0]).fullest == 1


def test_a_file_that_was_last_written_before_the_span_is_not_read(tmp_path: Path) -> None:
    sent(tmp_path, OWN, T)
    path = sent(tmp_path, OTHER, T)
    path.write_bytes(b"no outcome\n" + path.read_bytes())
    os.utime(path, (T - 61.0, T - 61.0))

    assert look_back(tmp_path, [T]).batches == 1


def test_a_file_whose_stamp_is_a_little_behind_the_clock_of_the_requests_is_read(
    tmp_path: Path,
) -> None:
    sent(tmp_path, OWN, T)
    os.utime(sent(tmp_path, OTHER, T), (T - 59.0, T - 59.0))

    assert look_back(tmp_path, [T]).batches == 2


def test_a_torn_last_line_and_lines_that_are_no_outcome_are_passed_over(tmp_path: Path) -> None:
    path = sent(tmp_path, OWN, T, T + 0.1)
    with path.open("ab") as file:
        file.write(b"\0" * 40 + b"\n{}\n[[[\n" + line(T + 0.2) + line(T + 0.3)[:-1])

    assert look_back(tmp_path, [T, T + 0.3]).requests == 3


def test_a_file_of_a_newer_format_is_skipped_and_the_others_count(tmp_path: Path) -> None:
    sent(tmp_path, OWN, T)
    newer = sent(tmp_path, OTHER, T, T)
    with newer.open("ab") as file:
        file.write(line(T).replace(b'"format":2', b'"format":3'))
    sent(tmp_path, "shows-0008", T)

    found = look_back(tmp_path, [T])

    assert (found.requests, found.batches) == (2, 2)


def test_strange_things_beside_the_batches_are_passed_over(tmp_path: Path) -> None:
    sent(tmp_path, OWN, T)
    responses = tmp_path / "responses"
    (responses / "notes.txt").write_bytes(b"mine")
    (responses / "films" / "notes.txt").write_bytes(b"mine")
    (responses / "films" / "films-0002").mkdir()
    (responses / "films" / "films-0003").mkdir()
    (responses / "films" / "films-0003" / "outcomes.jsonl").symlink_to("nowhere")

    assert look_back(tmp_path, [T]).batches == 1


def test_outcomes_of_others_that_cannot_be_read_are_a_figure_less_and_no_failure(
    tmp_path: Path,
) -> None:
    sent(tmp_path, OWN, T)
    (tmp_path / "responses" / "films" / "films-0002" / "outcomes.jsonl").mkdir(parents=True)

    assert look_back(tmp_path, [T]).requests == 1


@pytest.mark.parametrize(
    "place",
    [
        "responses",
        "responses/shows",
        "responses/shows/shows-0007",
    ],
)
def test_no_outcomes_behind_a_link_that_leads_out_are_counted(tmp_path: Path, place: str) -> None:
    data_dir, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    sent(elsewhere, OTHER, T)
    (data_dir / place).parent.mkdir(parents=True)
    (data_dir / place).symlink_to(elsewhere / place)

    try:
        requests = look_back(data_dir, [T]).requests
    except StoreError:
        requests = 0

    assert requests == 0


@pytest.mark.parametrize(
    ("per_second", "expected"),
    [
        ((), 0.0),
        ((5,), 0.0),
        ((10, 20, 1), 15.0),
        ((50,) * 6 + (1,) * 4 + (9,), 50.0),
    ],
)
def test_the_rate_of_all_is_taken_over_whole_seconds_whose_outcomes_are_there(
    per_second: tuple[int, ...], expected: float
) -> None:
    use = CapUse(sum(per_second), 1, 1, T, per_second, per_second)

    assert use.requests_per_second == expected
