"""Pictures of a run: small whatever the run was like, well-formed, and true."""

import base64
import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmdb_assets.pictures import BINS, HEIGHT, TOP, WIDTH, arrivals, latencies, markdown

SHOWN_IN_PLACE = 1000
"""Markdown of so many characters or more is hidden behind a link."""

WORDS = "requests per second: blue of this run, grey of all runs together, red the cap"
"""The longest words that a picture has."""

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ET.Element:
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    return root


def words(svg: str) -> list[str]:
    return [one.text or "" for one in parsed(svg).iter(f"{SVG}text")]


def paths(svg: str) -> list[str]:
    return [one.attrib["d"] for one in parsed(svg).iter(f"{SVG}path")]


def corners(path: str) -> list[tuple[int, int]]:
    """Return the corners of a line `M0 yldx dy dx dy ...`, as a reader of SVG finds them."""
    start, _, steps = path.partition("V")[0].partition("l")
    if "H" in start:  # a single second is flat
        start, _, end = start.partition("H")
        y = int(start.split()[1])
        return [(0, y), (int(end), y)]
    x, y = map(int, re.findall(r"-?\d+", start))
    found = [(x, y)]
    numbers = [*map(int, re.findall(r"-?\d+", steps))]
    for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
        x, y = x + dx, y + dy
        found.append((x, y))
    return found


def cap_y(svg: str) -> int:
    match = re.fullmatch(r"M0 (-?\d+)H\d+", paths(svg)[2])
    assert match is not None
    return int(match[1])


def bars(svg: str) -> dict[int, int]:
    """Return the height of each bar that there is, by its number from the left."""
    (path,) = paths(svg)
    found = re.findall(rf"M(\d+) {HEIGHT}V(\d+)", path)
    assert "".join(f"M{x} {HEIGHT}V{y}" for x, y in found) == path
    return {int(x) // (WIDTH // BINS): HEIGHT - int(y) for x, y in found}


def stretched(counts: Sequence[int], length: int) -> list[int]:
    """Return so many counts, each in a row of its own: means of neighbours stay far apart."""
    return [counts[number * len(counts) // length] for number in range(length)] if counts else []


numbers = st.integers(0, 10**9) | st.sampled_from([0, 1, 49, 50, 51, 10**9])
pairs = st.lists(st.tuples(numbers, numbers).map(sorted), min_size=1, max_size=90)
lengths = st.integers(0, 100) | st.integers(0, 80_000)
caps = st.integers(1, 999_999_999) | st.sampled_from([1, 50, 999_999_999])


@settings(max_examples=200)
@given(pairs, lengths, caps)
def test_a_picture_of_any_run_is_well_formed_and_tells_cap_and_duration(
    counts: list[list[int]], length: int, cap: int
) -> None:
    own, everybody = (stretched([pair[which] for pair in counts], length) for which in (0, 1))

    svg = arrivals(everybody, own, cap)

    assert words(svg) == [f"{cap}/s", f"{length} s"]
    assert TOP <= cap_y(svg) <= HEIGHT
    for path in paths(svg)[:2]:
        line = corners(path)
        assert line[0][0] == 0
        assert all(TOP <= y <= HEIGHT for _, y in line)
        if length > 1:
            assert 0.8 * WIDTH <= line[-1][0] <= WIDTH
    assert len(markdown(svg, "")) < SHOWN_IN_PLACE


JUMPING = [0, 10**9] * 21


@pytest.mark.parametrize("length", [38, 42, 84, 80_000])
def test_a_run_that_jumps_up_and_down_all_the_time_is_shown_in_place_with_its_words(
    length: int,
) -> None:
    counts = stretched(JUMPING[:length], length)

    assert len(markdown(arrivals(counts, counts, 50), WORDS)) < SHOWN_IN_PLACE


def test_own_requests_that_nobody_has_recorded_leave_the_picture_small() -> None:
    picture = arrivals([0] * 42, JUMPING, 1)

    assert len(markdown(picture, "")) < SHOWN_IN_PLACE


@pytest.mark.parametrize("length", [2, 7, 42, 43, 5000])
def test_a_flat_line_at_the_cap_touches_the_line_of_the_cap(length: int) -> None:
    svg = arrivals([50] * length, [50] * length, 50)

    for path in paths(svg)[:2]:
        assert {y for _, y in corners(path)} == {cap_y(svg)} == {TOP}


def test_half_the_cap_is_half_as_high_and_nothing_is_at_the_bottom() -> None:
    svg = arrivals([25, 25, 25], [0, 0, 0], 50)

    everybody, own = (corners(path) for path in paths(svg)[:2])
    assert {y for _, y in everybody} == {(TOP + HEIGHT) // 2}
    assert {y for _, y in own} == {HEIGHT}


def test_more_than_the_cap_rises_above_its_line() -> None:
    svg = arrivals([50, 100, 50], [50, 50, 50], 50)

    heights = [y for _, y in corners(paths(svg)[0])]
    assert heights == [cap_y(svg), TOP, cap_y(svg)]
    assert cap_y(svg) > TOP


def test_the_points_stand_evenly_from_the_left_to_the_right() -> None:
    svg = arrivals([10, 20, 30], [0, 10, 20], 30)

    assert [x for x, _ in corners(paths(svg)[1])] == [0, WIDTH // 2, WIDTH]


def test_of_many_seconds_the_means_of_neighbours_are_drawn() -> None:
    svg = arrivals([0, 50] * 42, [0] * 84, 50)

    line = corners(paths(svg)[0])
    assert len(line) == 42
    assert {y for _, y in line} == {(TOP + HEIGHT) // 2}


def test_the_area_of_all_is_closed_at_the_bottom_on_both_sides() -> None:
    assert paths(arrivals([1, 2], [1, 2], 2))[0].endswith(f"V{HEIGHT}H0")


# --- how long answers took ----------------------------------------------------------------------

durations = st.integers(0, 600_000_000).map(lambda microseconds: microseconds / 1e6)


@settings(max_examples=200)
@given(st.lists(durations, max_size=400))
def test_a_histogram_of_any_answers_is_well_formed_and_small(seconds: list[float]) -> None:
    svg = latencies(seconds)

    tallest, longest = words(svg)
    heights = bars(svg)
    assert len(markdown(svg, WORDS)) < SHOWN_IN_PLACE
    assert float(longest.removesuffix(" s")) <= max(seconds, default=0.0) + 0.05
    assert heights.keys() <= set(range(BINS))
    assert max(heights.values(), default=0) == (HEIGHT - TOP if seconds else 0)
    assert len(seconds) / BINS <= int(tallest) <= max(1, len(seconds))


@given(st.lists(st.integers(0, BINS - 2), max_size=300), st.integers(0, 50))
def test_bars_are_as_high_as_there_are_answers(bins: list[int], more: int) -> None:
    slow = 1 + more + len(bins) // 50
    counts = Counter({**Counter(bins), BINS - 1: slow})

    svg = latencies([*((number + 0.5) / BINS for number in bins), *[1.0] * slow])

    top = max(counts.values())
    assert words(svg) == [str(top), "1.0 s"]
    assert bars(svg).keys() == counts.keys()
    for number, height in bars(svg).items():
        assert height == pytest.approx(counts[number] / top * (HEIGHT - TOP), abs=0.5)


@pytest.mark.parametrize("count", [1, 2, 99, 100, 101, 5000])
def test_equal_answers_are_one_bar_of_full_height_at_the_right(count: int) -> None:
    svg = latencies([0.25] * count)

    assert bars(svg) == {BINS - 1: HEIGHT - TOP}
    assert words(svg)[0] == str(count)


def test_answers_without_any_duration_are_one_bar_at_the_left() -> None:
    assert bars(latencies([0.0, 0.0])) == {0: HEIGHT - TOP}


def test_the_slowest_hundredth_stands_in_the_last_bar_and_does_not_press_the_others() -> None:
    svg = latencies([number / 990 for number in range(1, 991)] + [30.0] * 9)

    assert words(svg)[1] == "1.0 s"
    assert bars(svg).keys() == set(range(BINS))
    assert max(bars(svg), key=bars(svg).__getitem__) == BINS - 1


def test_no_answers_are_no_bars() -> None:
    svg = latencies([])

    assert bars(svg) == {}
    assert words(svg)[1] == "0.0 s"


def test_markdown_holds_the_picture_and_its_words() -> None:
    match = re.fullmatch(
        r"!\[what it shows\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)",
        markdown("<svg/>", "what it shows"),
    )

    assert match is not None
    assert base64.b64decode(match[1]) == b"<svg/>"
