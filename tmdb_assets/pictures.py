"""Pictures of a run as SVG, small enough to stand in a table of metadata.

Dagster's UI shows Markdown in place below 1,000 characters only, and the picture is base64 in it,
beside the words that say what it shows: so one has some 660 bytes.
"""

import base64
from collections.abc import Sequence

MAX_SVG_BYTES = 660
WIDTH, HEIGHT, TOP = 220, 60, 10
POINTS = (42, 36, 30, 24, 18)
"""Corners of a line at most; less where it jumps a lot and the picture gets too large."""

BINS = 27


def arrivals(everybody: Sequence[int], own: Sequence[int], cap: int) -> str:
    """Draw requests per second against the cap: all of them grey, those of this run blue.

    Args:
        everybody: requests by seconds.
        own: of this run, by the same seconds.
        cap: requests per second at most.
    """
    drawn = (_arrivals(everybody, own, cap, points) for points in POINTS)
    return next((svg for svg in drawn if len(svg) <= MAX_SVG_BYTES), _svg(""))


def _arrivals(everybody: Sequence[int], own: Sequence[int], cap: int, points: int) -> str:
    top = max(cap, *everybody, *own, 1)
    all_line, right = _line(everybody, top, points)
    own_line, _ = _line(own, top, points)
    return _svg(
        f'<path d="{all_line}V{HEIGHT}H0" fill="#ccc"/>'
        f'<path d="{own_line}" fill="none" stroke="#36c"/>'
        f'<path d="M0 {_y(cap, top)}H{right}" stroke="#d22" stroke-dasharray="3"/>'
        f'<text y="8">{cap}/s</text>{_right(right, f"{len(everybody)} s")}'
    )


def latencies(seconds: Sequence[float]) -> str:
    """Draw how many answers took how long; the slowest hundredth stands in the last bar."""
    ordered = sorted(seconds)
    longest = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
    counts = [0] * BINS
    for value in ordered:
        counts[int(min(BINS - 1, value / longest * BINS)) if longest else 0] += 1
    top, step = max(*counts, 1), WIDTH // BINS
    bars = "".join(
        f"M{number * step} {HEIGHT}V{_y(count, top)}"
        for number, count in enumerate(counts)
        if count
    )
    return _svg(
        f'<path transform="translate(4)" d="{bars}" stroke="#36c" stroke-width="7"/>'
        f'<text y="8">{top}</text>{_right(WIDTH, f"{longest:.1f} s")}'
    )


def markdown(svg: str, words: str) -> str:
    """Return a picture as Markdown."""
    return f"![{words}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _svg(inner: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="9" fill="#888">{inner}</svg>'
    )


def _right(x: int, words: str) -> str:
    return f'<text x="{x}" y="8" text-anchor="end">{words}</text>'


def _line(counts: Sequence[int], top: int, points: int) -> tuple[str, int]:
    """Return a path in relative steps and where it ends; means of a few where there are many."""
    size = max(1, -(-len(counts) // points))
    groups = [counts[start : start + size] for start in range(0, len(counts), size)] or [(0,)]
    first, *others = [_y(sum(group) / len(group), top) for group in groups]
    if not others:
        return f"M0 {first}H{WIDTH}", WIDTH
    step = max(1, WIDTH // len(others))
    path, before = f"M0 {first}l", first
    for y in others:
        path += f"{step} {y - before} "
        before = y
    return path.rstrip().replace(" -", "-"), step * len(others)


def _y(value: float, top: float) -> int:
    return round(HEIGHT - value / top * (HEIGHT - TOP))
