"""How two inputs share information on stellar mass: redundant, unique, synergistic (paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..checks import is_whole
from .intervals import INTERVAL, bootstrap_means

__all__ = ["Decomposition", "NoiseBias", "decompose", "noise_bias", "summarise"]

QUANTITIES = ("I(X1)", "I(X2)", "I(X1,X2)", "R", "U1", "U2", "Syn", "conditional_1", "conditional_2")


@dataclass(frozen=True)
class Decomposition:
    """Pointwise decomposition of what two inputs tell about stellar mass; all in nats.

    Attributes
    ----------
    redundant, unique_1, unique_2, synergistic : float64 array [n_galaxies]
        NaN for a galaxy that was not held out. Their sum is the information of both inputs together.
    """

    redundant: np.ndarray
    unique_1: np.ndarray
    unique_2: np.ndarray
    synergistic: np.ndarray

    @property
    def pointwise_conditional_1(self) -> np.ndarray:
        """What X1 adds to X2 for each galaxy, i12 - i2 = U1 + Syn, float64 [n_galaxies]."""
        return self.unique_1 + self.synergistic

    @property
    def pointwise_conditional_2(self) -> np.ndarray:
        """What X2 adds to X1 for each galaxy, i12 - i1 = U2 + Syn, float64 [n_galaxies]."""
        return self.unique_2 + self.synergistic

    @property
    def conditional_1(self) -> float:
        """Conditional information I(X1; M*|X2), the mean of i12 - i2; vanishes if X1 adds nothing."""
        return float(np.nanmean(self.pointwise_conditional_1))

    @property
    def conditional_2(self) -> float:
        """Conditional information I(X2; M*|X1), the mean of i12 - i1; vanishes if X2 adds nothing."""
        return float(np.nanmean(self.pointwise_conditional_2))

    @property
    def held_out(self) -> np.ndarray:
        """Whether each galaxy has all four values, bool [n_galaxies]."""
        return ~np.isnan(self.redundant + self.unique_1 + self.unique_2 + self.synergistic)

    def table(self) -> pd.DataFrame:
        """All quantities of every galaxy, one column each, [n_galaxies, 9]."""
        i1, i2 = self.redundant + self.unique_1, self.redundant + self.unique_2
        i12 = i1 + self.unique_2 + self.synergistic
        parts = (self.redundant, self.unique_1, self.unique_2, self.synergistic)
        conditional = (self.pointwise_conditional_1, self.pointwise_conditional_2)
        return pd.DataFrame(dict(zip(QUANTITIES, (i1, i2, i12, *parts, *conditional), strict=True)))

    def mean(self, bootstrap: int = 1000, seed: int = 0, groups: ArrayLike | None = None) -> pd.DataFrame:
        """Means over held-out galaxies, with 95% intervals.

        Parameters
        ----------
        bootstrap : int, default 1000
            Number of bootstrap samples of the galaxies; 0 leaves the intervals NaN.
        seed : int, default 0
        groups : array [n_galaxies], optional
            A label for each galaxy, such as star-forming or passive: one block of rows for each label. A galaxy
            whose label is null is in no block.

        Returns
        -------
        DataFrame
            Rows I(X1), I(X2), I(X1,X2), R, U1, U2, Syn, conditional_1, conditional_2 (under each group's
            label, where there are groups); columns mean, low, high, in nats. ``attrs`` counts ``n_held_out``
            and ``n_dropped``; with groups also ``n_ungrouped``, the held-out galaxies without a label.

        Raises
        ------
        ValueError
            If no galaxy is held out, `groups` has another length or no label for any held-out galaxy, or
            `bootstrap` is negative.
        """
        if bootstrap < 0:
            raise ValueError(f"bootstrap: found {bootstrap}, expected 0 or more samples")
        rows = self.held_out
        if not rows.any():
            raise ValueError(
                f"decomposition: none of {rows.size} galaxies is held out (all NaN), expected at least one"
            )
        counts = {"n_held_out": int(rows.sum()), "n_dropped": int((~rows).sum())}
        if groups is None:
            table = self._means(rows, bootstrap, seed)
        else:
            labels = pd.Series(np.asarray(groups))
            if len(labels) != rows.size:
                raise ValueError(f"groups: found {len(labels)} labels, expected one for each of {rows.size} galaxies")
            counts["n_ungrouped"] = int(labels[rows].isna().sum())
            if counts["n_ungrouped"] == counts["n_held_out"]:
                raise ValueError(
                    f"groups: the labels of all {counts['n_held_out']} held-out galaxies are null, expected some"
                )
            blocks = {
                label: self._means(rows & (labels == label).to_numpy(), bootstrap, seed)
                for label in pd.unique(labels[rows].dropna())
            }
            table = pd.concat(blocks, names=["group", "quantity"])
        table.attrs = counts
        return table

    def _means(self, rows: np.ndarray, bootstrap: int, seed: int) -> pd.DataFrame:
        table = self.table().loc[rows]
        draws = bootstrap_means(table.to_numpy(), bootstrap, seed) if bootstrap else None
        return summarise(table, draws)


def summarise(table: pd.DataFrame, draws: np.ndarray | None) -> pd.DataFrame:
    """Means of a table's columns as rows, with the 95% interval of `draws` [n_draws, n_columns]."""
    low, high = np.full((2, table.shape[1]), np.nan) if draws is None else np.percentile(draws, INTERVAL, axis=0)
    index = pd.Index(table.columns, name="quantity")
    return pd.DataFrame({"mean": table.mean().to_numpy(), "low": low, "high": high}, index)


def decompose(i1: ArrayLike, i2: ArrayLike, i12: ArrayLike) -> Decomposition:
    r"""Decompose the information of two inputs, galaxy by galaxy (paper).

    .. math:: R = \min(i_1, i_2), \quad U_1 = i_1 - R, \quad U_2 = i_2 - R, \quad Syn = i_{12} - R - U_1 - U_2

    R and Syn may be negative for a galaxy. If X2 tells nothing beyond X1, then Syn = -U2, so that Syn is not
    above 0 even with perfect estimates: it is the conditional information that vanishes.

    Parameters
    ----------
    i1, i2, i12 : array [n_galaxies]
        Information of the first input, of the second, and of both, nats. A galaxy that is NaN in one is NaN
        in all.

    Returns
    -------
    Decomposition

    Raises
    ------
    ValueError
        If the three are not one-dimensional and of one length, or a value is infinite.

    Examples
    --------
    >>> decompose([1.0], [0.4], [1.5]).synergistic
    array([0.5])
    """
    first, second, both = _three(i1, i2, i12)
    redundant = np.minimum(first, second)  # NaN where either is
    redundant[np.isnan(both)] = np.nan
    unique_1, unique_2 = first - redundant, second - redundant
    return Decomposition(redundant, unique_1, unique_2, both - redundant - unique_1 - unique_2)


def _three(i1: ArrayLike, i2: ArrayLike, i12: ArrayLike) -> tuple[np.ndarray, ...]:
    arrays: list[np.ndarray] = []
    for name, values in (("i1", i1), ("i2", i2), ("i12", i12)):
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1:
            raise ValueError(f"{name}: found shape {array.shape}, expected one value per galaxy")
        if arrays and array.size != arrays[0].size:
            raise ValueError(f"{name}: found {array.size} values, expected {arrays[0].size}, as in i1")
        if np.isinf(array).any():
            raise ValueError(
                f"{name}: {int(np.isinf(array).sum())} of {array.size} values are infinite, expected finite or NaN"
            )
        arrays.append(array)
    return tuple(arrays)


@dataclass(frozen=True)
class NoiseBias:
    """Bias of mean R, U and Syn by estimation error, in nats: subtract it.

    Attributes
    ----------
    unique : float
        Of mean U1 and of mean U2 alike; not negative.
    redundant, synergistic : float
        Its opposite.
    absolute_difference : array [n_scales]
        Mean of abs(i1 - i2) at each scale.
    scales : array [n_scales]
        Error variance in units of the estimate's own; 1 is the estimate as it stands.
    """

    unique: float
    redundant: float
    synergistic: float
    absolute_difference: np.ndarray
    scales: np.ndarray


def noise_bias(
    i1: ArrayLike,
    i2: ArrayLike,
    i12: ArrayLike,
    error: ArrayLike,
    *,
    scales: Sequence[float] = (1.0, 1.5, 2.0, 2.5, 3.0),
    n_draws: int = 50,
    seed: int = 0,
) -> NoiseBias:
    r"""Bias of the decomposition by estimation error, by adding noise and extrapolating to none (ours).

    With :math:`D = i_1 - i_2` and its error :math:`e`, mean U is too high by :math:`(E|D + e| - E|D|)/2`, and
    R and Syn are too low by as much. The mean of :math:`|D + e|` is simulated at larger errors; its square is
    extrapolated as a straight line in the error's variance, which is exact when D is Gaussian of mean zero, D
    = 0 included.

    Parameters
    ----------
    i1, i2, i12 : array [n_galaxies]
        Nats; galaxies that are NaN in one are left out.
    error : float or array [n_galaxies]
        Standard deviation of the error of i1 and, independently, of i2, in nats: from refits on resampled
        training sets.
    scales : sequence of float
        Error variances to simulate, in units of the present one; not below 1, at least two.
    n_draws : int, default 50
        Draws of noise at each scale.
    seed : int, default 0

    Returns
    -------
    NoiseBias

    Raises
    ------
    ValueError
        If lengths differ, no galaxy has all three values, `error` is negative or not finite, a scale is below 1
        or not finite, or `n_draws` is no whole number from 1.
    """
    first, second, both = _three(i1, i2, i12)
    rows = ~np.isnan(first + second + both)
    if not rows.any():
        raise ValueError(f"i1, i2, i12: none of {rows.size} galaxies has all three values, expected at least one")
    if not is_whole(n_draws) or n_draws < 1:
        raise ValueError(f"n_draws: found {n_draws!r}, expected a whole number, at least 1")
    deviation = np.asarray(error, dtype=np.float64)
    if deviation.ndim > 1 or (deviation.ndim == 1 and deviation.size != first.size):
        raise ValueError(f"error: found shape {deviation.shape}, expected one number or {first.size} of them")
    deviation = np.broadcast_to(deviation, first.shape)[rows]
    if not (np.isfinite(deviation).all() and (deviation >= 0).all()):
        raise ValueError("error: found negative or missing values, expected standard deviations in nats")
    variances = np.asarray(scales, dtype=np.float64)
    if not np.isfinite(variances).all() or len(np.unique(variances)) < 2 or variances.min() < 1:
        raise ValueError(f"scales: found {tuple(scales)}, expected at least two finite numbers, none below 1")
    difference = (first - second)[rows]
    rng = np.random.default_rng([seed, 9])
    means = np.array(
        [
            np.mean(
                [
                    np.abs(
                        difference + rng.standard_normal(difference.size) * deviation * np.sqrt(2 * (scale - 1))
                    ).mean()
                    for _ in range(n_draws if scale > 1 else 1)
                ]
            )
            for scale in variances
        ]
    )
    slope, intercept = np.polyfit(variances, means**2, 1)
    observed = np.abs(difference).mean()
    bias = float(max(observed - np.sqrt(max(intercept, 0.0)), 0.0) / 2)
    return NoiseBias(bias, -bias, -bias, means, variances)
