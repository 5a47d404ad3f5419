"""Intervals of means over galaxies and refits (ours)."""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student_t

__all__ = ["INTERVAL", "bootstrap_means", "interval_of_mean", "refit_draws"]

INTERVAL = (2.5, 97.5)  # per cent


def refit_draws(repeats: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
    """Draws of what refits add to the error of their mean: Student's t, [n_draws, ...] (ours).

    Parameters
    ----------
    repeats : array [n_refits, ...]
        A statistic of each refit alone. A single refit says nothing of its spread, and zeros are drawn.
    n_draws, seed : int
    """
    n_refits = len(repeats)
    if n_refits < 2:
        return np.zeros((n_draws, *repeats.shape[1:]))
    scale = repeats.std(axis=0, ddof=1) / np.sqrt(n_refits)
    draws = student_t.rvs(n_refits - 1, size=n_draws, random_state=np.random.default_rng([seed, 7]))
    return draws.reshape(-1, *[1] * scale.ndim) * scale


def bootstrap_means(values: np.ndarray, n_draws: int, seed: int, block: int = 50) -> np.ndarray:
    """Means of `values` [n_galaxies, ...] over galaxies drawn with replacement, [n_draws, ...]."""
    rng = np.random.default_rng([seed, 8])
    n_galaxies = len(values)
    means = []
    for start in range(0, n_draws, block):
        size = min(block, n_draws - start)
        counts = rng.multinomial(n_galaxies, np.full(n_galaxies, 1 / n_galaxies), size=size)
        means.append(counts @ values.reshape(n_galaxies, -1) / n_galaxies)
    return np.concatenate(means).reshape(n_draws, *values.shape[1:])


def interval_of_mean(
    values: np.ndarray, refit_means: np.ndarray, *, seed: int, n_draws: int = 1000
) -> tuple[float, float]:
    """95% interval of the mean of `values`, over galaxies and refits."""
    draws = bootstrap_means(values, n_draws, seed) + refit_draws(refit_means, n_draws, seed)
    low, high = np.percentile(draws, INTERVAL)
    return float(low), float(high)
