"""What distance in S means: how many dimensions galaxies fill, who is everybody's neighbour, how mass varies (ours).

All but `relative_contrast` needs only what a search has found, not the vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..checks import is_whole
from .search import nearest_neighbours

__all__ = [
    "Hubness",
    "IntrinsicDimension",
    "gaussian_hubness",
    "hubness",
    "local_dimension",
    "mass_variogram",
    "relative_contrast",
    "two_nearest_dimension",
]

# Share of the two-nearest-neighbour ratios that the fit uses: the largest are ruled by the density's changes.
_KEPT = 0.9
_TOP = 0.01
# Galaxies looked at together.
_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class IntrinsicDimension:
    """Number of directions in which galaxies spread, on the scale of their neighbourhoods.

    Attributes
    ----------
    mean : float
        Of all galaxies.
    local : float64 array [n_query]
        Of each galaxy, NaN for one that was left out.
    n_left_out : int
        Galaxies whose neighbours say nothing: fewer than three (`local_dimension`) or two (`two_nearest_dimension`)
        are at a distance other than zero, or those that count are all equally far.
    n_duplicates : int
        Neighbours at distance zero, which say nothing of a dimension and are left out.
    """

    mean: float
    local: np.ndarray
    n_left_out: int
    n_duplicates: int


@dataclass(frozen=True, eq=False)
class Hubness:
    """How unequally galaxies serve as neighbours (Radovanović et al. 2010).

    Attributes
    ----------
    occurrence : int64 array [n_reference]
        In how many lists of k neighbours a reference galaxy stands: the k-occurrence.
    skewness : float
        Third standardised moment of the occurrence; 0 if all are equal.
    never : float
        Share of reference galaxies that are nobody's neighbour, the antihubs.
    top : float
        Share of all places in the lists that the most frequent hundredth of the reference galaxies takes.
    """

    occurrence: np.ndarray
    skewness: float
    never: float
    top: float


def local_dimension(distance: np.ndarray) -> IntrinsicDimension:
    r"""Intrinsic dimension by maximum likelihood (Levina & Bickel 2004).

    .. math:: m_i = \left[\frac{1}{k - 2} \sum_{j=1}^{k-1} \ln \frac{T_k}{T_j}\right]^{-1}

    for a galaxy with neighbours at distances :math:`T_1 \leq \dots \leq T_k`. For the mean over galaxies inverses are
    averaged, weighted by k - 1, as the likelihood of all together asks (MacKay & Ghahramani 2005). A density that
    changes within the neighbourhoods, or their being cut by an edge, makes the dimension come out smaller.

    Parameters
    ----------
    distance : array [n_query, k]
        Ascending in each row, the galaxy itself left out; k at least 3.

    Returns
    -------
    IntrinsicDimension

    Raises
    ------
    ValueError
        If the distances are not as described, or every galaxy had to be left out.
    """
    values = _distances(distance, at_least=3)
    far = values > 0
    count = far.sum(axis=1)
    with np.errstate(divide="ignore"):
        logs = np.where(far, np.log(values), 0.0)
    spread = count * logs[:, -1] - logs.sum(axis=1)
    # Equal distances leave rounding errors instead of zero.
    used = (count >= 3) & (spread > 1e-6 * count)
    if not used.any():
        raise ValueError(f"distance: none of {len(used)} galaxies has three neighbours at different distances")
    local = np.full(len(values), np.nan)
    local[used] = (count[used] - 2) / spread[used]
    mean = (count[used] - 1).sum() / spread[used].sum()
    return IntrinsicDimension(float(mean), local, int((~used).sum()), int((~far).sum()))


def two_nearest_dimension(distance: np.ndarray) -> IntrinsicDimension:
    r"""Intrinsic dimension from the two nearest neighbours alone (Facco et al. 2017).

    The ratio :math:`\mu` of their distances has the distribution function :math:`F = 1 - \mu^{-d}` where the density
    is constant as far as the second. So :math:`-\ln(1 - F)` is fitted by a line in :math:`\ln \mu`
    through the origin, without the tenth of the largest ratios. This is the smallest scale there is, where noise fills
    all dimensions.

    Parameters
    ----------
    distance : array [n_query, k]
        Ascending in each row, the galaxy itself left out; k at least 2. The first two that are not zero count.

    Returns
    -------
    IntrinsicDimension
        Its `local` is :math:`1 / \ln \mu`, of use only on average.

    Raises
    ------
    ValueError
        If the distances are not as described, or fewer than ten galaxies have two neighbours at different distances.
    """
    values = _distances(distance, at_least=2)
    zeros = (values == 0).sum(axis=1)
    rows = np.flatnonzero(zeros <= values.shape[1] - 2)
    first = values[rows, zeros[rows]]
    log_ratio = np.log(values[rows, zeros[rows] + 1] / first)
    rows, log_ratio = rows[log_ratio > 0], log_ratio[log_ratio > 0]
    if len(rows) < 10:
        raise ValueError(
            f"distance: found {len(rows)} galaxies with two neighbours at different distances, expected 10"
        )
    local = np.full(len(values), np.nan)
    local[rows] = 1 / log_ratio
    x = np.sort(log_ratio)[: int(_KEPT * len(rows))]
    y = -np.log1p(-np.arange(1, len(x) + 1) / len(rows))
    return IntrinsicDimension(float(x @ y / (x @ x)), local, len(values) - len(rows), int(zeros.sum()))


def hubness(index: np.ndarray, n_reference: int) -> Hubness:
    """Count how often each reference galaxy is a neighbour.

    Parameters
    ----------
    index : int array [n_query, k]
        Reference rows of the neighbours.
    n_reference : int

    Returns
    -------
    Hubness

    Raises
    ------
    ValueError
        If `n_reference` is no positive whole number, or `index` is no table of rows of the reference.
    """
    if not is_whole(n_reference) or n_reference < 1:
        raise ValueError(f"n_reference: found {n_reference!r}, expected a positive whole number")
    rows = _rows(index, n_reference)
    occurrence = np.bincount(rows.ravel(), minlength=n_reference)
    deviation = occurrence - occurrence.mean()
    variance = np.mean(deviation**2)
    n_top = max(1, round(_TOP * n_reference))
    return Hubness(
        occurrence=occurrence,
        skewness=float(np.mean(deviation**3) / variance**1.5) if variance > 0 else 0.0,
        never=float(np.mean(occurrence == 0)),
        top=float(np.partition(occurrence, -n_top)[-n_top:].sum() / rows.size),
    )


def gaussian_hubness(n_reference: int, n_query: int, k: int, n_dimensions: int, *, seed: int = 0) -> Hubness:
    """Hubness of a round Gaussian cloud, to compare with: what a number of dimensions brings along by itself.

    Parameters
    ----------
    n_reference : int
        Galaxies to draw as the reference.
    n_query : int
        Galaxies to draw as queries: others than those.
    k : int
        Number of neighbours.
    n_dimensions : int
        Such as the intrinsic dimension, rounded.
    seed : int, default 0

    Returns
    -------
    Hubness

    Raises
    ------
    ValueError
        If a number is not positive, or k exceeds the reference.
    """
    for name, value in (("n_reference", n_reference), ("n_query", n_query), ("n_dimensions", n_dimensions)):
        if not is_whole(value) or value < 1:
            raise ValueError(f"{name}: found {value!r}, expected a positive whole number")
    rng = np.random.default_rng(seed)
    reference, query = (rng.normal(size=(n, n_dimensions)) for n in (n_reference, n_query))
    return hubness(nearest_neighbours(reference, query, k, exclude_self=False).index, n_reference)


def relative_contrast(
    reference: np.ndarray, query: np.ndarray, distance: np.ndarray, *, n_random: int = 100, seed: int = 0
) -> np.ndarray:
    """Mean distance to any galaxy over that to the k-th neighbour (He, Kumar & Chang 2012, for the first neighbour).

    Near one, neighbours are hardly nearer than strangers, and which galaxies they are is an accident.

    Parameters
    ----------
    reference : array [n_reference, n_dimensions]
    query : array [n_query, n_dimensions]
    distance : array [n_query, k]
        Of the neighbours, ascending in each row.
    n_random : int, default 100
        Reference galaxies, drawn anew for each query galaxy with replacement, that stand for any galaxy.
    seed : int, default 0

    Returns
    -------
    float64 array [n_query]
        Infinite where the k-th neighbour is at distance zero.

    Raises
    ------
    ValueError
        If shapes disagree, distances are not as described, or `n_random` is not positive.
    """
    farthest = _distances(distance, at_least=1)[:, -1]
    if np.ndim(query) != 2 or np.ndim(reference) != 2 or np.shape(query)[1] != np.shape(reference)[1]:
        raise ValueError(
            f"reference, query: found shapes {np.shape(reference)} and {np.shape(query)}, "
            "expected (n_reference, n_dimensions) and (n_query, n_dimensions)"
        )
    if len(query) != len(farthest):
        raise ValueError(f"distance: found {len(farthest)} rows, expected {len(query)}, one for each query galaxy")
    if not is_whole(n_random) or n_random < 1:
        raise ValueError(f"n_random: found {n_random!r}, expected a positive whole number")
    rng = np.random.default_rng(seed)
    mean = np.empty(len(farthest))
    step = max(1, _ROWS * 16 // n_random)
    for start in range(0, len(mean), step):
        part = np.asarray(query[start : start + step], dtype=np.float64)
        drawn = np.asarray(reference)[rng.integers(len(reference), size=(len(part), n_random))]
        mean[start : start + step] = np.linalg.norm(drawn - part[:, None], axis=2).mean(axis=1)
    return np.divide(mean, farthest, out=np.full(len(mean), np.inf), where=farthest > 0)


def mass_variogram(
    distance: np.ndarray, index: np.ndarray, mass: np.ndarray, query_mass: np.ndarray, edges: np.ndarray
) -> pd.DataFrame:
    """Semivariance of mass between a galaxy and its neighbours, by their distance (Matheron 1963).

    Half the mean square of the difference. At distance zero it is what S leaves open of the mass; its rise is what a
    neighbourhood of that width adds.

    Parameters
    ----------
    distance : array [n_query, k]
        Of the neighbours; or whatever else they are to be sorted by, such as their rank.
    index : int array [n_query, k]
        Reference rows of the neighbours.
    mass : array [n_reference]
    query_mass : array [n_query]
    edges : array [n_bins + 1]
        Ascending; a bin holds its lower edge and not its upper one.

    Returns
    -------
    DataFrame [n_bins]
        ``low``, ``high``, ``distance`` (mean), ``semivariance`` (dex squared), ``standard_error`` (over query galaxies,
        whose pairs hang together) and ``n_pairs``; NaN where a bin has no pairs.

    Raises
    ------
    ValueError
        If shapes disagree, masses or distances are not finite, `index` holds other than rows of the reference, or the
        edges do not ascend.
    """
    separation, shape = np.asarray(distance, dtype=np.float64), np.shape(index)
    masses, own = np.asarray(mass, dtype=np.float64), np.asarray(query_mass, dtype=np.float64)
    bounds = np.asarray(edges, dtype=np.float64)
    if len(shape) != 2 or separation.shape != shape or own.shape != shape[:1] or masses.ndim != 1:
        raise ValueError(
            f"distance, index, mass, query_mass: found shapes {separation.shape}, {shape}, {masses.shape} and "
            f"{own.shape}, expected (n_query, k) twice, (n_reference,) and (n_query,)"
        )
    if not all(np.isfinite(values).all() for values in (separation, masses, own)):
        raise ValueError("distance, mass, query_mass: found values that are not finite, expected none")
    if bounds.ndim != 1 or len(bounds) < 2 or not (np.diff(bounds) > 0).all():
        raise ValueError(f"edges: found {bounds.tolist()}, expected two or more ascending numbers")
    rows = _rows(index, len(masses))
    n_bins = len(bounds) - 1
    half_square = (masses[rows] - own[:, None]) ** 2 / 2
    bins = np.searchsorted(bounds, separation, side="right") - 1
    inside = (bins >= 0) & (bins < n_bins)
    cell = (np.arange(len(own))[:, None] * n_bins + bins)[inside]

    def per_galaxy(weights: np.ndarray | None) -> np.ndarray:
        return np.bincount(cell, weights, minlength=len(own) * n_bins).reshape(-1, n_bins)

    pairs, squares = per_galaxy(None), per_galaxy(half_square[inside])
    n_pairs = pairs.sum(axis=0)
    filled = np.where(n_pairs > 0, n_pairs, np.nan)
    semivariance = squares.sum(axis=0) / filled
    # Of a ratio of sums over galaxies, to first order.
    residual = squares - np.nan_to_num(semivariance) * pairs
    return pd.DataFrame(
        {
            "low": bounds[:-1],
            "high": bounds[1:],
            "distance": per_galaxy(separation[inside]).sum(axis=0) / filled,
            "semivariance": semivariance,
            "standard_error": np.sqrt((residual**2).sum(axis=0)) / filled,
            "n_pairs": n_pairs,
        }
    )


def _rows(index: np.ndarray, n_reference: int) -> np.ndarray:
    rows = np.asarray(index)
    if rows.ndim != 2 or rows.size == 0 or rows.dtype.kind not in "iu":
        raise ValueError(f"index: found shape {rows.shape} of type {rows.dtype}, expected whole numbers (n_query, k)")
    if rows.min() < 0 or rows.max() >= n_reference:
        raise ValueError(f"index: found rows {rows.min()} to {rows.max()}, expected 0 to {n_reference - 1}")
    return rows


def _distances(distance: np.ndarray, at_least: int) -> np.ndarray:
    values = np.asarray(distance, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] == 0 or values.shape[1] < at_least:
        raise ValueError(f"distance: found shape {values.shape}, expected (n_query, k) with k at least {at_least}")
    # Written so that NaN is refused.
    if not ((values[:, 0] >= 0).all() and (np.diff(values, axis=1) >= 0).all() and np.isfinite(values[:, -1]).all()):
        raise ValueError("distance: found values that are negative, not finite or do not ascend in each row")
    return values
