"""Bins of log10 stellar mass: labels for a classifier, and a distribution's moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks import is_number, is_whole

__all__ = ["MassBins", "default_n_bins"]

PUBLISHED_BINS = 520  # width 0.0125 dex on [6, 12.5]
DIVISORS = (8, 10, 13, 20, 26, 40, 52, 65, 104, 130, 260, 520)


def default_n_bins(n_training: int) -> int:
    """Number of bins that a training set of this size can fill (ours).

    The square-root rule, scaled so that the published 520 bins are reached at about 100,000 galaxies; always a divisor
    of 520, so that coarse bins are unions of published ones.
    """
    wanted = 1.6 * np.sqrt(n_training)
    return max((bins for bins in DIVISORS if bins <= wanted), default=DIVISORS[0])


@dataclass(frozen=True)
class MassBins:
    """Equal bins of log10 stellar mass.

    Attributes
    ----------
    count : int
    low, high : float
        The range in dex; masses outside it are clipped to its ends, in label and prior alike.
    """

    count: int = PUBLISHED_BINS
    low: float = 6.0
    high: float = 12.5

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        plain = is_whole(self.count) and all(is_number(end) and np.isfinite(end) for end in ends)
        if not plain or self.count < 2 or self.low >= self.high:
            raise ValueError(
                f"bins: found {self.count} on ({self.low}, {self.high}), expected at least 2 on an increasing range"
            )

    @property
    def width(self) -> float:
        """Width of a bin in dex."""
        return (self.high - self.low) / self.count

    @property
    def edges(self) -> np.ndarray:
        """Edges, float64 [count + 1]."""
        return np.linspace(self.low, self.high, self.count + 1)

    @property
    def centres(self) -> np.ndarray:
        """Centres, float64 [count]."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    def labels(self, mass: np.ndarray) -> np.ndarray:
        """Bin number of each mass, int64; masses outside the range fall in the first or last bin.

        Raises
        ------
        ValueError
            If a mass is not finite.
        """
        mass = np.asarray(mass, dtype=np.float64)
        if not np.isfinite(mass).all():
            raise ValueError(f"mass: {int((~np.isfinite(mass)).sum())} of {mass.size} values are not finite")
        return np.clip(np.searchsorted(self.edges, mass, side="right") - 1, 0, self.count - 1).astype(np.int64)

    def prior(self, mass: np.ndarray, smoothing: float) -> np.ndarray:
        """Share of the masses in each bin, after `smoothing` was added to every bin's count; float64 [count].

        Raises
        ------
        ValueError
            If a mass is not finite.
        """
        counts = np.bincount(self.labels(mass), minlength=self.count) + smoothing
        return counts / counts.sum()
