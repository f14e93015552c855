"""How long an answer takes: lognormal, as latencies of web services are."""

import math
from statistics import NormalDist

from tmdb_assets.standin.dice import unit_of

_STANDARD = NormalDist()
_TINY = 2.0**-54  # keeps the quantile finite where the hash gives 0


class Latency:
    """The latency of each arrival, fixed by the seed and its number.

    Args:
        mean: seconds; 0 means none at all.
        variation: standard deviation over mean; 0 means that all are the mean.
        seed: other seeds give other latencies.
    """

    __slots__ = ("_location", "_mean", "_seed", "_spread")

    def __init__(self, mean: float, variation: float, seed: int) -> None:
        self._mean = mean
        self._seed = seed
        self._spread = math.sqrt(math.log1p(variation**2))
        self._location = math.log(mean) - self._spread**2 / 2 if mean else 0.0

    def of(self, number: int) -> float:
        """Return the seconds that the arrival of that number waits."""
        if not self._mean:
            return 0.0
        unit = unit_of(f"{self._seed} latency {number}") + _TINY
        return math.exp(self._location + self._spread * _STANDARD.inv_cdf(unit))
