"""How good a predicted distribution of mass is: errors of its mean, its width, and both at once (ours).

A predicted distribution is a probability for each mass bin, spread evenly over the bin. Its mean is the point estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from .bins import MassBins

__all__ = [
    "Difference",
    "MassQuality",
    "cross_entropy",
    "crps",
    "mass_quality",
    "paired_difference",
    "probability_integral_transform",
    "quality_table",
]

LEVELS = (0.5, 0.68, 0.95)
GAUSSIAN = 1.4826  # standard deviation of a Gaussian over its median absolute deviation
OUTLIER = 3.0
INTERVAL = (2.5, 97.5)  # per cent
WITH_INTERVALS = ("bias", "sigma_mad", "cross_entropy", "crps")


@dataclass(frozen=True)
class MassQuality:
    """Quality of predicted mass distributions on some galaxies.

    Attributes
    ----------
    n : int
        Number of galaxies.
    bias : float
        Mean residual in dex, predicted mean minus mass.
    sigma_mad : float
        1.4826 times the median absolute deviation of the residuals from their median, dex.
    outlier_share : float
        Share of galaxies whose residual is larger than 3 `sigma_mad` either way: 0.0027 for unbiased Gaussian
        residuals, more where their tails are heavier or they are biased.
    rmse : float
        Root mean square of the residuals, dex.
    cross_entropy : float
        Mean of minus the logarithm of the probability of the mass's bin, nats.
    crps : float
        Mean continuous ranked probability score, dex.
    coverage : dict
        From level (0.5, 0.68, 0.95) to the share of galaxies whose mass lies in the predicted central interval.
    pit_departure : float
        Largest difference between the cumulative distribution of the probability integral transform and the uniform
        one (Kolmogorov and Smirnov).
    """

    n: int
    bias: float
    sigma_mad: float
    outlier_share: float
    rmse: float
    cross_entropy: float
    crps: float
    coverage: dict[float, float]
    pit_departure: float


class Difference(NamedTuple):
    """A mean difference between paired losses, and its 95% interval over galaxies."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class _Scores:
    """What each galaxy contributes, float64 [n] each."""

    residual: np.ndarray
    cross_entropy: np.ndarray
    crps: np.ndarray
    pit: np.ndarray

    def take(self, rows: np.ndarray) -> _Scores:
        return _Scores(self.residual[rows], self.cross_entropy[rows], self.crps[rows], self.pit[rows])


def mass_quality(probability: np.ndarray, bins: MassBins, mass: np.ndarray) -> MassQuality:
    """Judge predicted distributions by the masses that came true.

    Parameters
    ----------
    probability : array [n_galaxies, n_bins]
        Rows sum to 1.
    bins : MassBins
    mass : array [n_galaxies]
        log10 of solar masses.

    Returns
    -------
    MassQuality

    Raises
    ------
    ValueError
        If there are no galaxies, the shapes do not fit, the rows are no probabilities, or a mass is not finite.
    """
    return _quality(_scores(probability, bins, mass))


def quality_table(
    probability: np.ndarray,
    bins: MassBins,
    mass: np.ndarray,
    groups: Mapping[str, np.ndarray],
    *,
    n_bootstrap: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Quality of predicted distributions, group by group.

    Parameters
    ----------
    probability, bins, mass
        As in `mass_quality`.
    groups : mapping of str to bool array [n_galaxies]
        They may overlap.
    n_bootstrap : int, default 200
        Resamples of a group's galaxies that the intervals come from.
    seed : int, default 0

    Returns
    -------
    DataFrame [n_groups]
        On the groups' names, the numbers of `MassQuality` with the coverage as ``coverage_50`` and so on, and the ends
        of a 95% interval over galaxies as ``bias_low``, ``bias_high``, for bias, sigma_mad, cross_entropy and crps. A
        group without galaxies has ``n`` 0 and otherwise NaN.

    Raises
    ------
    ValueError
        As `mass_quality`, and if a group is no bool array of the right length or `n_bootstrap` is below 1.
    """
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap: found {n_bootstrap!r}, expected 1 or more")
    scores = _scores(probability, bins, mass)
    rows = {}
    for name, group in groups.items():
        chosen = np.asarray(group)
        if chosen.dtype != np.bool_ or chosen.shape != scores.pit.shape:
            raise ValueError(
                f"groups: found {name!r} of type {chosen.dtype} and shape {chosen.shape}, "
                f"expected truth values of shape {scores.pit.shape}"
            )
        rows[name] = _table_row(scores.take(chosen), n_bootstrap, seed)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=_columns())
    return table.astype({"n": int}).rename_axis("group")


def cross_entropy(probability: np.ndarray, bins: MassBins, mass: np.ndarray) -> np.ndarray:
    """Minus the logarithm of the probability of each mass's bin, nats, float64 [n_galaxies].

    Infinite where that probability is 0. Parameters and errors as in `mass_quality`.
    """
    checked, masses = _check(probability, bins, mass)
    with np.errstate(divide="ignore"):
        return -np.log(np.take_along_axis(checked, bins.labels(masses)[:, None], axis=1)[:, 0])


def probability_integral_transform(probability: np.ndarray, bins: MassBins, mass: np.ndarray) -> np.ndarray:
    """Predicted probability of a mass below the true one, float64 [n_galaxies].

    The mass is placed inside its bin; one outside the range of the bins is clipped to it. Uniform on [0, 1] where the
    predictions are calibrated. Parameters and errors as in `mass_quality`.
    """
    checked, masses = _check(probability, bins, mass)
    return _cumulative_at(checked, bins, masses)[2]


def crps(probability: np.ndarray, bins: MassBins, mass: np.ndarray) -> np.ndarray:
    r"""Continuous ranked probability score of each galaxy, dex, float64 [n_galaxies].

    .. math:: \mathrm{CRPS} = \int (F(x) - [x \geq m])^2\,\mathrm{d}x

    with the predicted distribution function :math:`F` of mass and the true mass :math:`m` (Gneiting & Raftery 2007). It
    is the mean absolute error where a prediction has no width. :math:`F` is linear inside a bin, for which the integral
    is exact; a mass outside the range of the bins adds its distance from it. Parameters and errors as in
    `mass_quality`.
    """
    checked, masses = _check(probability, bins, mass)
    label, inside, own = _cumulative_at(checked, bins, masses)
    upper = np.cumsum(checked, axis=1)
    lower = upper - checked
    below = np.arange(bins.count)[None] < label[:, None]
    above = np.arange(bins.count)[None] > label[:, None]
    total = np.where(below, _squared_line(lower, upper), 0.0).sum(axis=1)
    total += np.where(above, _squared_line(1 - lower, 1 - upper), 0.0).sum(axis=1)
    rows = np.arange(len(label))
    total += inside * _squared_line(lower[rows, label], own)
    total += (1 - inside) * _squared_line(1 - own, 1 - upper[rows, label])
    outside = np.maximum(bins.low - masses, 0) + np.maximum(masses - bins.high, 0)
    return total * bins.width + outside


def paired_difference(a: np.ndarray, b: np.ndarray, *, n_bootstrap: int = 1000, seed: int = 0) -> Difference:
    """Mean of a - b, losses of two models on the same galaxies, with a 95% interval over galaxies.

    Paired, because what makes a galaxy hard for one model makes it hard for the other.

    Parameters
    ----------
    a, b : array [n_galaxies]
    n_bootstrap : int, default 1000
    seed : int, default 0

    Raises
    ------
    ValueError
        If the lengths differ, there are no galaxies, a loss is not finite, or `n_bootstrap` is below 1.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError(f"a, b: found shapes {first.shape} and {second.shape}, expected losses of the same galaxies")
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap: found {n_bootstrap!r}, expected 1 or more")
    difference = first - second
    if not np.isfinite(difference).all():
        raise ValueError(f"a, b: found {int((~np.isfinite(difference)).sum())} losses that are not finite")
    rng = np.random.default_rng(seed)
    means = [difference[rng.integers(first.size, size=first.size)].mean() for _ in range(n_bootstrap)]
    low, high = np.percentile(means, INTERVAL)
    return Difference(float(difference.mean()), float(low), float(high))


def _check(probability: np.ndarray, bins: MassBins, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Arguments as float64, the rows summing to 1 exactly."""
    values, masses = np.asarray(probability, dtype=np.float64), np.asarray(mass, dtype=np.float64)
    if masses.ndim != 1 or masses.size == 0:
        raise ValueError(f"mass: found shape {masses.shape}, expected a mass for each of at least one galaxy")
    if values.shape != (masses.size, bins.count):
        raise ValueError(f"probability: found shape {values.shape}, expected {(masses.size, bins.count)}")
    sums = values.sum(axis=1, keepdims=True)
    # Written so that NaN is refused.
    if not ((values >= 0).all() and (np.abs(sums - 1) < 1e-3).all()):
        raise ValueError("probability: found rows that are negative, not finite or do not sum to 1")
    if not np.isfinite(masses).all():
        raise ValueError(f"mass: {int((~np.isfinite(masses)).sum())} of {masses.size} values are not finite")
    return values / sums, masses


def _cumulative_at(
    probability: np.ndarray, bins: MassBins, mass: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bin of each mass, its place inside it from 0 to 1, and the distribution function there."""
    clipped = np.clip(mass, bins.low, bins.high)
    label = bins.labels(clipped)
    inside = np.clip((clipped - bins.edges[label]) / bins.width, 0, 1)
    own = np.take_along_axis(probability, label[:, None], axis=1)[:, 0]
    before = np.take_along_axis(np.cumsum(probability, axis=1), label[:, None], axis=1)[:, 0] - own
    return label, inside, np.clip(before + inside * own, 0, 1)


def _squared_line(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Mean square of a line from `start` to `end`."""
    return (start**2 + start * end + end**2) / 3


def _scores(probability: np.ndarray, bins: MassBins, mass: np.ndarray) -> _Scores:
    checked, masses = _check(probability, bins, mass)
    return _Scores(
        checked @ bins.centres - masses,
        cross_entropy(checked, bins, masses),
        crps(checked, bins, masses),
        probability_integral_transform(checked, bins, masses),
    )


def _quality(scores: _Scores) -> MassQuality:
    from scipy.stats import kstest

    residual = scores.residual
    sigma = _sigma_mad(residual)
    return MassQuality(
        n=residual.size,
        bias=float(residual.mean()),
        sigma_mad=sigma,
        outlier_share=float((np.abs(residual) > OUTLIER * sigma).mean()),
        rmse=float(np.sqrt((residual**2).mean())),
        cross_entropy=float(scores.cross_entropy.mean()),
        crps=float(scores.crps.mean()),
        # A mass lies in the central interval of a level where its transform is less than half the level from 1/2.
        coverage={level: float((np.abs(scores.pit - 0.5) <= level / 2).mean()) for level in LEVELS},
        pit_departure=float(kstest(scores.pit, "uniform").statistic),
    )


def _sigma_mad(residual: np.ndarray) -> float:
    return float(GAUSSIAN * np.median(np.abs(residual - np.median(residual))))


def _columns() -> list[str]:
    columns = []
    for name in ("n", "bias", "sigma_mad", "outlier_share", "rmse", "cross_entropy", "crps"):
        columns += [name, f"{name}_low", f"{name}_high"] if name in WITH_INTERVALS else [name]
    return [*columns, *(f"coverage_{100 * level:.0f}" for level in LEVELS), "pit_departure"]


def _table_row(scores: _Scores, n_bootstrap: int, seed: int) -> dict[str, float]:
    if scores.pit.size == 0:
        return {"n": 0}
    whole = _quality(scores)
    row = {name: value for name, value in vars(whole).items() if name != "coverage"}
    row |= {f"coverage_{100 * level:.0f}": share for level, share in whole.coverage.items()}
    rng, size = np.random.default_rng(seed), scores.pit.size
    repeats = []
    for _ in range(n_bootstrap):
        drawn = scores.take(rng.integers(size, size=size))
        means = (drawn.residual.mean(), _sigma_mad(drawn.residual), drawn.cross_entropy.mean(), drawn.crps.mean())
        repeats.append(means)
    for name, (low, high) in zip(WITH_INTERVALS, np.percentile(repeats, INTERVAL, axis=0).T, strict=True):
        row |= {f"{name}_low": float(low), f"{name}_high": float(high)}
    return row
