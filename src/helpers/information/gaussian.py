"""Decomposition of Gaussians under several definitions, in closed form (ours)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from ..checks import check_count, is_whole
from .components import Components
from .decomposition import QUANTITIES
from .intervals import bootstrap_means
from .measures import PARTS
from .redundancy import all_quantities
from .truths import gaussian_decomposition, gaussian_redundancies

__all__ = ["gaussian_components", "gaussian_measures", "gaussian_ranks", "gaussian_scores"]

SMALLEST = 1e-10  # eigenvalue of a correlation matrix
MOST_CORRELATED = 1 - 1e-12  # errors of two predictions


def gaussian_measures(covariance: ArrayLike, n_first: int = 1) -> pd.DataFrame:
    r"""Decompose what two sources tell of one target, all jointly Gaussian.

    With one target the redundancy by MMI, WB and BROJA is the same, :math:`\min(I_1, I_2)` (Barrett 2015). By the
    dependency decomposition (Kay and Ince 2018) it is :math:`\max(I_1 + I_2 - I_{12}, I_c)`, with

    .. math:: I_c = -\tfrac{1}{2} \ln(1 - \rho_1^2 \rho_2^2)

    what the best predictions by each source tell of each other where the target alone ties them, and which is the
    redundancy by Do. The pointwise one is an integral of one dimension, see `gaussian_decomposition`.

    Parameters
    ----------
    covariance : array [n, n]
        Of the columns of X1, then those of X2, then the target.
    n_first : int, default 1
        Columns of X1.

    Returns
    -------
    DataFrame
        Rows "pointwise", "WB", "MMI", "BROJA", "dep", "Do"; columns redundancy, unique_1, unique_2, synergy, in nats,
        as `compare_definitions` has them.

    Raises
    ------
    ValueError
        If the matrix is no positive definite covariance matrix, `n_first` leaves a source empty, or a source tells
        more than 10 nats.
    """
    correlation = _correlation(covariance)
    if not is_whole(n_first) or not 1 <= n_first < len(correlation) - 1:
        raise ValueError(
            f"n_first: found {n_first!r}, expected a whole number from 1 to {len(correlation) - 2}: "
            "each source has a column, and the target is the last"
        )
    found = _decomposed(correlation[None], int(n_first))
    columns = [QUANTITIES.index(quantity) for quantity in PARTS.values()]
    rows = {name: values[0, columns] for name, values in found.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(PARTS))


def gaussian_components(
    x1: ArrayLike, x2: ArrayLike, target: ArrayLike, *, bootstrap: int = 200, seed: int = 0
) -> dict[str, Components]:
    """Decompose summaries as if they were Gaussian with the mass, once each has got a Gaussian distribution by ranks.

    Nothing is lost by binning. What is not seen is all that the covariance does not tell: of an exclusive or, nothing
    is left. The plug-in bias, about the number of summaries over twice that of galaxies, stays.

    Parameters
    ----------
    x1, x2 : array [n_galaxies] or [n_galaxies, n_summaries]
    target : array [n_galaxies]
    bootstrap : int, default 200
        Draws of the galaxies, the same as those of `binned_components` with this seed.
    seed : int, default 0

    Returns
    -------
    dict of str to Components
        By definition, as the rows of `gaussian_measures`.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, a column is constant, or columns repeat each other.
    """
    check_count("bootstrap", bootstrap)
    columns = [gaussian_ranks(values, name) for name, values in (("x1", x1), ("x2", x2), ("target", target))]
    sizes = [len(values) for values in columns]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"x1, x2, target: found {sizes[0]}, {sizes[1]} and {sizes[2]} galaxies, expected a row for each in each"
        )
    if columns[2].shape[1] != 1:
        raise ValueError(f"target: found {columns[2].shape[1]} columns, expected one mass per galaxy")
    values = np.hstack(columns)
    ones = np.column_stack([np.ones(len(values)), values])
    moments = ones[:, :, None] * ones[:, None, :]
    drawn = bootstrap_means(moments, bootstrap, seed) if bootstrap else moments[:0]
    drawn = np.concatenate([moments.mean(axis=0, keepdims=True), drawn])
    covariance = drawn[:, 1:, 1:] - drawn[:, 1:, :1] * drawn[:, :1, 1:]
    width = np.sqrt(np.einsum("nii->ni", covariance))
    correlation = covariance / (width[:, :, None] * width[:, None, :])
    if np.linalg.eigvalsh(correlation[0])[0] < SMALLEST:
        raise ValueError("x1, x2, target: found columns that repeat each other, expected none a function of the others")
    found = {}
    for name, values in _decomposed(correlation, columns[0].shape[1]).items():
        table = pd.DataFrame(values, columns=list(QUANTITIES))
        found[name] = Components(table.iloc[0].rename(None), table.iloc[1:].reset_index(drop=True))
    return found


def gaussian_ranks(values: ArrayLike, name: str = "values") -> np.ndarray:
    """Standard normal quantiles of each column's ranks, float64 [n_galaxies, n_columns]; equal values share one.

    Raises
    ------
    ValueError
        If values are not finite numbers, one row per galaxy, or a column is constant.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: found values that are not numbers") from None
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or 0 in array.shape or not np.isfinite(array).all():
        unusable = int((~np.isfinite(array)).sum())
        raise ValueError(f"{name}: found shape {array.shape}, {unusable} not finite, expected finite rows")
    constant = np.flatnonzero(np.ptp(array, axis=0) == 0)
    if constant.size:
        raise ValueError(f"{name}: column {constant[0]} is constant, expected columns that vary")
    return gaussian_scores(array)


def gaussian_scores(values: np.ndarray) -> np.ndarray:
    """Standard normal quantiles of each column's ranks, of finite values [n_galaxies, n_columns]."""
    return ndtri((rankdata(values, axis=0) - 0.5) / len(values))


def _decomposed(correlation: np.ndarray, n_first: int) -> dict[str, np.ndarray]:
    """All quantities of correlation matrices [n, p, p], nats [n, 9], by definition."""
    rho, between, i12 = _predictions(correlation, n_first)
    i1, i2 = (-np.log1p(-(rho**2)) / 2).T
    each = zip(i1.tolist(), i2.tolist(), rho, between.tolist(), strict=True)
    redundancy = {
        "pointwise": np.array([_pointwise_redundancy(*own) for own in each]),
        **gaussian_redundancies(i1, i2, i12),
    }
    return {name: all_quantities(i1, i2, i12, values) for name, values in redundancy.items()}


def _predictions(correlation: np.ndarray, n_first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What matrices [n, p, p] say of the best linear predictions of the target by each source.

    Their correlations with the target [n, 2] and with each other [n], and the information of both sources [n], nats.
    """
    parts = (slice(0, n_first), slice(n_first, correlation.shape[-1] - 1))
    target = correlation[:, :-1, -1:]
    weights = [np.linalg.solve(correlation[:, part, part], target[:, part]) for part in parts]
    square = np.stack([(w * target[:, part]).sum((1, 2)) for w, part in zip(weights, parts, strict=True)], axis=1)
    rho = np.sqrt(np.clip(square, 0.0, None))
    shared = (weights[0] * (correlation[:, parts[0], parts[1]] @ weights[1])).sum((1, 2))
    product = rho.prod(axis=1)
    between = np.divide(shared, product, out=np.zeros_like(shared), where=product > 0)
    both = (np.linalg.solve(correlation[:, :-1, :-1], target) * target).sum((1, 2))
    return rho, between, -np.log1p(-both) / 2


def _pointwise_redundancy(i1: float, i2: float, rho: np.ndarray, between: float) -> float:
    """By the correlation of the errors of both predictions, all that it needs."""
    correlation = (between - np.prod(rho)) / np.sqrt(np.prod(1 - rho**2))
    table = gaussian_decomposition(i1, i2, float(np.clip(correlation, -MOST_CORRELATED, MOST_CORRELATED)))
    return float(table["redundancy"]["pointwise"])


def _correlation(covariance: ArrayLike) -> np.ndarray:
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 3:
        raise ValueError(f"covariance: found shape {matrix.shape}, expected a square matrix of at least three columns")
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T) or (np.diag(matrix) <= 0).any():
        raise ValueError("covariance: found values that make no covariance matrix, expected a symmetric finite one")
    width = np.sqrt(np.diag(matrix))
    correlation = matrix / np.outer(width, width)
    if np.linalg.eigvalsh(correlation)[0] < SMALLEST:
        raise ValueError("covariance: found a matrix that is not positive definite, expected one that is")
    return correlation
