"""Least squares inside thousands of neighbourhoods at a time: the arithmetic under the local tests.

A *neighbourhood* is a row of ``index``: the reference galaxies nearest to one query galaxy in the space S that a
network learned. All fits are on columns that were centred and scaled inside the neighbourhood, in float64: the textbook
normal equations of raw columns in float32 miss the efficiency by up to 0.06.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from helpers.cores import available_cores

from .reference import Columns, Floats, Integers, Mask

__all__ = [
    "LEAST_PAIRS",
    "Fit",
    "Moments",
    "along",
    "in_blocks",
    "in_threads",
    "local_residuals",
    "moments_of_residuals",
    "quadratic_fit",
]

Result = TypeVar("Result")

# Fewer galaxies than this say nothing of a dependence: the neighbourhood is undefined, and counted.
LEAST_PAIRS = 10
# Columns have unit length: an eigenvalue of their Gram matrix below this is a direction that they do not span.
_RANK_TOLERANCE = 1e-10
# Above this the first solution of the normal equations is exact enough; below, a second pass mends its rounding.
_WELL_CONDITIONED = 1e-3
# What is left of a column after a fit, relative to the column (sums of squares): below this it is rounding error.
_ZERO_VARIANCE = 1e-18
# Members of the neighbourhoods of one block; sized for a processor's cache. Random permutations are drawn block by
# block, so this number is part of what a seed means.
_BLOCK_MEMBERS = 40_000


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the members of neighbourhoods, [...], of target m and query q.

    ``count`` is their number, the others are the sums of what their names say.
    """

    count: Floats
    m: Floats
    mm: Floats
    q: Floats
    qq: Floats
    qqq: Floats
    qqqq: Floats
    mq: Floats
    mqq: Floats


@dataclass(frozen=True, eq=False)
class Fit:
    """What a quadratic of the query says on the target: arrays [...], NaN where undefined."""

    correlation: Floats
    efficiency: Floats
    adjusted: Floats


def in_blocks(index: Integers, work: Callable[[Integers, int], Result]) -> list[Result]:
    """Call ``work(rows, number)`` on blocks of the neighbourhoods, on all cores, and return the results in order.

    The blocks depend on the number of neighbours alone, so that random numbers drawn for a block do not depend on
    memory or cores.
    """
    size = block_size(index.shape[1])
    blocks = [index[start : start + size] for start in range(0, len(index), size)]
    if len(blocks) == 1:
        return [work(blocks[0], 0)]
    return in_threads(work, blocks, range(len(blocks)))


def block_size(k: int) -> int:
    """Neighbourhoods of k members in a block."""
    return max(1, _BLOCK_MEMBERS // k)


def in_threads(work: Callable[..., Result], *arguments: Iterable[Any]) -> list[Result]:
    """Call `work` on each set of arguments, on all cores, and return the results in order.

    Meanwhile the linear algebra keeps to one thread each: where cores are busy its threads wait for one another, and
    an eigenvalue problem of a few milliseconds takes a quarter of a second.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(available_cores()) as pool:
        return list(pool.map(work, *arguments))


def local_residuals(
    values: Floats, columns: Columns, known: Mask, index: Integers
) -> tuple[Floats, Floats, Mask, Integers]:
    """Remove mean, given and latent from target and queries inside each neighbourhood.

    Parameters
    ----------
    values : array [n_reference, 1 + n_queries]
        Target and queries side by side, so that a block gathers them in one go.
    columns : Columns
        For what is given and latent.
    known : array of bool, [n_reference]
        Galaxies that take part.
    index : array of int, [n, k]

    Returns
    -------
    target : float64 [n, k, 1]
        Residual of one joint fit on [1, C, C**2, S]; 0 for members that take no part, and where only rounding error is
        left.
    queries : float64 [n, k, n_queries]
    taking_part : bool [n, k]
    n_removed : int [n]
        Dimensions removed beside the mean; collinear and constant columns are not counted.
    """
    taking_part = known[index]
    weight = None if taking_part.all() else taking_part[:, :, None].astype(float)
    residual, mean = _centred(values[index], weight)
    # A constant column leaves rounding errors of its mean, whatever that is.
    floor = _ZERO_VARIANCE * np.maximum(_squares(residual), 1e-6 * index.shape[1] * mean**2)
    rank = np.zeros(len(index), dtype=np.intp)
    design = _design(columns, index, weight)
    if design is not None:
        residual, rank = _regress(residual, design)
        if weight is not None:
            residual *= weight
    residual *= (_squares(residual) > floor)[:, None, :]
    return residual[:, :, :1], residual[:, :, 1:], taking_part, rank


def _centred(values: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    """Take the mean of the members that take part out of values [n, k, c]; also the mean, [n, c]."""
    if weight is None:
        mean = values.mean(axis=1, keepdims=True)
        return values - mean, mean[:, 0]
    n_valid = np.maximum(weight.sum(axis=1, keepdims=True), 1.0)
    mean = (weight * values).sum(axis=1, keepdims=True) / n_valid
    return weight * (values - mean), mean[:, 0]


def _squares(values: Floats) -> Floats:
    """Sums of squares over the members, [n, k, c] -> [n, c]."""
    return np.einsum("nkc,nkc->nc", values, values)


def _design(columns: Columns, index: Integers, weight: Floats | None) -> Floats | None:
    """Columns [C, C**2, S] without their mean, [n, k, p]; constant ones are 0. None if there is nothing to remove."""
    parts = []
    if columns.given.shape[1]:
        # C is centred inside the neighbourhood before squaring: in a narrow one C and C**2 are else one direction.
        linear = _varying(columns.given[index], weight)
        parts += [linear, _varying(linear**2, weight)]
    if columns.latent.shape[1]:
        parts.append(_varying(columns.latent[index], weight))
    return np.concatenate(parts, axis=2) if parts else None


def _varying(values: Floats, weight: Floats | None) -> Floats:
    centred, mean = _centred(values, weight)
    length = _squares(centred)
    constant = length <= 1e-24 * values.shape[1] * np.maximum(mean**2, np.finfo(float).tiny)
    if constant.any():
        centred *= ~constant[:, None, :]
    return centred


def _regress(values: Floats, design: Floats) -> tuple[Floats, Integers]:
    """Residuals of values [n, k, c] on the columns of design [n, k, p], and the rank of each design [n]."""
    across = design.transpose(0, 2, 1)
    gram = np.matmul(across, design)
    length = np.sqrt(np.diagonal(gram, axis1=1, axis2=2))
    scale = np.where(length > 0, 1.0 / np.where(length > 0, length, 1.0), 0.0)
    gram *= scale[:, :, None] * scale[:, None, :]
    least = _smallest_pivot(gram)
    full = least > _RANK_TOLERANCE
    rank = np.full(len(values), gram.shape[1], dtype=np.intp)
    inverse = np.empty_like(gram)
    inverse[full] = np.linalg.inv(gram[full])
    if not full.all():
        inverse[~full], rank[~full] = _pseudo_inverse(gram[~full])
    inverse *= scale[:, :, None] * scale[:, None, :]
    residual = values - np.matmul(design, np.matmul(inverse, np.matmul(across, values)))
    again = np.flatnonzero(least < _WELL_CONDITIONED)
    if again.size:
        some, back, rest = design[again], across[again], residual[again]
        for _ in range(2):
            rest -= np.matmul(some, np.matmul(inverse[again], np.matmul(back, rest)))
        residual[again] = rest
    return residual, rank


def _smallest_pivot(gram: Floats) -> Floats:
    """Smallest pivot of a Cholesky factorisation [n]: what a column adds to those before it; 0 if there is none."""
    try:
        factor = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:  # one in the block is singular: let the eigenvalues of all of it decide
        return np.where(np.linalg.eigvalsh(gram)[:, 0] > _RANK_TOLERANCE, _RANK_TOLERANCE * 2, 0.0)
    return np.diagonal(factor, axis1=1, axis2=2).min(axis=1) ** 2


def _pseudo_inverse(gram: Floats) -> tuple[Floats, Integers]:
    values, vectors = np.linalg.eigh(gram)
    spanned = values > _RANK_TOLERANCE
    scaled = vectors * np.where(spanned, 1.0 / np.where(spanned, values, 1.0), 0.0)[:, None, :]
    return np.matmul(scaled, vectors.transpose(0, 2, 1)), spanned.sum(axis=1)


def along(a: Floats, b: Floats) -> Floats:
    """Sums over the members: [n, k, 1], [n, k, c] -> [n, c]."""
    return np.matmul(a.transpose(0, 2, 1), b)[:, 0]


def moments_of_residuals(m: Floats, q: Floats, taking_part: Mask) -> Moments:
    """Moments of residuals, whose sums are zero: target [n, k, 1], queries [n, k, c], both 0 at who takes no part."""
    square = q * q
    zero = np.zeros_like(q[:, 0])
    return Moments(
        count=taking_part.sum(axis=1, keepdims=True).astype(float),
        m=zero[:, :1],
        mm=(m * m).sum(axis=1),
        q=zero,
        qq=square.sum(axis=1),
        qqq=np.einsum("nkc,nkc->nc", square, q),
        qqqq=np.einsum("nkc,nkc->nc", square, square),
        mq=along(m, q),
        mqq=along(m, square),
    )


def quadratic_fit(moments: Moments, n_removed: Integers | int) -> Fit:
    """Fit target by a quadratic of the query, from their moments; undefined neighbourhoods give NaN.

    Parameters
    ----------
    moments : Moments
        Of residuals, or of plain columns.
    n_removed : int or array of int
        Dimensions taken out before, beside the mean.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        n = moments.count
        mean_m, mean_q = moments.m / n, moments.q / n
        variance_m = moments.mm / n - mean_m**2
        variance_q = moments.qq / n - mean_q**2
        covariance = moments.mq / n - mean_m * mean_q
        # Central moments in units of the query's deviation, so that its scale and place do not matter.
        scale = np.sqrt(variance_q)
        third = (moments.qqq / n - 3 * mean_q * moments.qq / n + 2 * mean_q**3) / scale**3
        fourth = (
            moments.qqqq / n - 4 * mean_q * moments.qqq / n + 6 * mean_q**2 * moments.qq / n - 3 * mean_q**4
        ) / scale**4
        along = covariance / scale
        along_square = (moments.mqq / n - 2 * mean_q * covariance - mean_m * moments.qq / n) / variance_q
        # The square beside mean and slope: nothing is left of it where the query has two values.
        bend = fourth - 1.0 - third**2
        curved = bend > _RANK_TOLERANCE * fourth
        explained = along**2 + np.where(curved, (along_square - along * third) ** 2 / np.where(curved, bend, 1.0), 0.0)
        efficiency = explained / variance_m
        freedom = n - 1 - n_removed
        # The slope of residuals costs one degree of freedom. Their square is not free of what was removed: of a
        # random direction the share freedom / (n - 1) lies where the target's residuals can be.
        adjusted = 1.0 - (1.0 - efficiency) * freedom / (freedom - 1 - curved * freedom / (n - 1))
        correlation = np.clip(along / np.sqrt(variance_m), -1.0, 1.0)
        defined = (n >= LEAST_PAIRS) & (freedom >= 3) & np.isfinite(correlation)
        # A variance that is only the rounding error of its sums.
        for variance, square in ((variance_m, moments.mm), (variance_q, moments.qq)):
            defined &= variance > 1e-12 * square / n
    return Fit(*(np.where(defined, value, np.nan) for value in (correlation, efficiency, adjusted)))
