import statistics

import pytest

from tmdb_assets.standin.latency import Latency


@pytest.mark.parametrize(("mean", "variation"), [(2.3, 0.3), (0.5, 1.0)])
def test_latencies_have_the_mean_and_the_variation_asked_for(mean: float, variation: float) -> None:
    latency = Latency(mean, variation, seed=7)

    seconds = [latency.of(number) for number in range(20_000)]

    assert statistics.fmean(seconds) == pytest.approx(mean, rel=0.02)
    assert statistics.pstdev(seconds) / mean == pytest.approx(variation, rel=0.05)
    assert min(seconds) > 0


def test_a_mean_of_nothing_is_no_latency_at_all() -> None:
    assert Latency(0, 0.3, 0).of(1) == 0


def test_without_variation_all_latencies_are_the_mean() -> None:
    latency = Latency(2.3, 0, 0)

    assert [latency.of(number) for number in range(3)] == pytest.approx([2.3, 2.3, 2.3])


def test_the_seed_fixes_the_latencies() -> None:
    assert Latency(2.3, 0.3, 1).of(5) == Latency(2.3, 0.3, 1).of(5)
    assert Latency(2.3, 0.3, 1).of(5) != Latency(2.3, 0.3, 2).of(5)
