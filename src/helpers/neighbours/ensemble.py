"""The mass distribution of a galaxy's neighbours: how right it is, and how many neighbours make it best (CLAP)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..checks import is_whole

__all__ = ["NumberOfNeighbours", "choose_k", "continuous_ranked_probability_score", "probability_integral_transform"]

# Values converted to float64 at a time: 64 MB.
_VALUES = 1 << 23


@dataclass(frozen=True, eq=False)
class NumberOfNeighbours:
    """How many neighbours to take.

    Attributes
    ----------
    k : int
        The smallest number whose score is within one standard error of the best one's.
    best : int
        The number of the best score.
    table : DataFrame
        On ``k``, for each number tried: ``crps``, the mean score in dex; ``excess``, by how much it is worse than the
        best; ``standard_error`` of that difference, paired galaxy by galaxy; ``rmse`` of the members' mean; and
        ``pit_departure``, the largest difference of the cumulative distribution of the probability integral transform
        from the uniform one (Kolmogorov and Smirnov).
    """

    k: int
    best: int
    table: pd.DataFrame


def probability_integral_transform(members: np.ndarray, truth: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Rank of the truth among the members of an ensemble, as a number in [0, 1] (Dawid 1984).

    Uniform where truth and members are draws from the same distribution. The rank falls anywhere in its step with equal
    chance, so that a finite ensemble gives a uniform value and not a lattice.

    Parameters
    ----------
    members : array [n_galaxies, k]
        Such as the masses of the k nearest neighbours.
    truth : array [n_galaxies]
    seed : int, default 0

    Returns
    -------
    float64 array [n_galaxies]

    Raises
    ------
    ValueError
        If shapes disagree or values are not finite.
    """
    _check_ensemble(members, truth)
    rank = np.random.default_rng(seed).random(len(truth))
    for rows, part, true in _blocks(members, truth):
        rank[rows] *= (part == true[:, None]).sum(axis=1) + 1
        rank[rows] += (part < true[:, None]).sum(axis=1)
    return rank / (np.shape(members)[1] + 1)


def continuous_ranked_probability_score(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of an ensemble (Gneiting & Raftery 2007), in the unit of the truth.

    E|X - truth| - E|X - X'| / 2, where X and X' are drawn from the ensemble: the score of its empirical
    distribution, so that an ensemble of too few members scores worse. For a single member it is the absolute error.

    Parameters
    ----------
    members : array [n_galaxies, k]
    truth : array [n_galaxies]

    Returns
    -------
    float64 array [n_galaxies]

    Raises
    ------
    ValueError
        If shapes disagree or values are not finite.
    """
    _check_ensemble(members, truth)
    k = np.shape(members)[1]
    # The mean difference of all ordered pairs, from ranks instead of k * k differences.
    weight = (2 * np.arange(1, k + 1) - k - 1) / k**2
    score = np.empty(len(truth))
    for rows, part, true in _blocks(members, truth):
        score[rows] = np.abs(part - true[:, None]).mean(axis=1) - np.sort(part, axis=1) @ weight
    return score


def choose_k(members: np.ndarray, truth: np.ndarray, k_grid: Sequence[int], *, seed: int = 0) -> NumberOfNeighbours:
    """Choose the number of neighbours by the score of their mass distribution (ours).

    Use galaxies that are neither in the reference nor judged afterwards: the validation split. Among numbers that the
    galaxies cannot tell apart the smallest is taken, because its neighbourhoods are the narrowest.

    Parameters
    ----------
    members : array [n_galaxies, at least the largest k]
        Masses of the neighbours, nearest first.
    truth : array [n_galaxies]
        At least two.
    k_grid : sequence of int
    seed : int, default 0
        Of the probability integral transform.

    Returns
    -------
    NumberOfNeighbours

    Raises
    ------
    ValueError
        If shapes disagree, values are not finite, there are fewer than two galaxies, or `k_grid` is empty or asks for
        more neighbours than there are.
    """
    from scipy.stats import kstest

    _check_ensemble(members, truth)
    grid = sorted(set(k_grid))
    most = np.shape(members)[1]
    if not grid or not all(is_whole(k) and 1 <= k <= most for k in grid):
        raise ValueError(f"k_grid: found {list(k_grid)}, expected whole numbers from 1 to {most}")
    if len(truth) < 2:
        raise ValueError(f"truth: found {len(truth)} galaxies, expected two or more")
    nearest = {k: np.asarray(members)[:, :k] for k in grid}
    scores = {k: continuous_ranked_probability_score(nearest[k], truth) for k in grid}
    best = min(grid, key=lambda k: scores[k].mean())
    rows = []
    for k in grid:
        excess = scores[k] - scores[best]
        error = np.mean(nearest[k], axis=1, dtype=np.float64) - truth
        transform = probability_integral_transform(nearest[k], truth, seed=seed)
        rows.append(
            {
                "k": k,
                "crps": scores[k].mean(),
                "excess": excess.mean(),
                "standard_error": excess.std(ddof=1) / np.sqrt(len(excess)),
                "rmse": np.sqrt(np.mean(error**2)),
                "pit_departure": kstest(transform, "uniform").statistic,
            }
        )
    table = pd.DataFrame(rows).set_index("k")
    chosen = table.index[table["excess"] <= table["standard_error"]][0]
    return NumberOfNeighbours(int(chosen), int(best), table)


def _check_ensemble(members: np.ndarray, truth: np.ndarray) -> None:
    shape = np.shape(members)
    if len(shape) != 2 or shape[1] == 0 or np.shape(truth) != shape[:1]:
        raise ValueError(f"members and truth: found shapes {shape} and {np.shape(truth)}, expected (n, k) and (n,)")
    for _, part, true in _blocks(members, truth):
        if not (np.isfinite(part).all() and np.isfinite(true).all()):
            raise ValueError(
                "members and truth: found values that are not finite, expected none; drop those galaxies first"
            )


def _blocks(members: np.ndarray, truth: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    size = max(1, _VALUES // np.shape(members)[1])
    for start in range(0, len(truth), size):
        rows = slice(start, start + size)
        yield rows, np.asarray(members[rows], dtype=np.float64), np.asarray(truth[rows], dtype=np.float64)
