"""Does a property still go with the target among neighbours? One test in every neighbourhood (method, section 5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..checks import is_whole
from .neighbourhoods import along, block_size, in_blocks, local_residuals, moments_of_residuals, quadratic_fit
from .reference import Columns, Floats, Integers, Mask, check_columns, check_index

__all__ = ["LocalTest", "benjamini_hochberg", "local_test"]

_COUNTS = ("n_valid", "degrees_of_freedom")


@dataclass(frozen=True, eq=False)
class LocalTest:
    """Dependence of the target on query properties inside every neighbourhood (paper; adjusted form ours).

    All fields are arrays [n_query], or [n_query, n_queries] where several query properties were tested at once. The
    floating-point ones are NaN where a neighbourhood has fewer than ten complete galaxies or too few for the fits, or
    where the target or the query property has no variance left in it.

    Attributes
    ----------
    correlation : ndarray of float
        Pearson correlation of target and query residuals.
    null_correlation : ndarray of float
        The same after the target residuals were permuted at random inside the neighbourhood, scaled for the dimensions
        that were removed from them (a permutation knows nothing of those).
    efficiency : ndarray of float
        Predictive efficiency, 1 - RSS / TSS of a quadratic fit of target on query residuals. Not negative, and about
        2 / (k - 1) for independent variables.
    adjusted_efficiency : ndarray of float
        The same with every sum of squares divided by its degrees of freedom; mean zero for independent variables, also
        after conditioning.
    n_valid : ndarray of int
        Galaxies of the neighbourhood with target, query and all conditioning variables known.
    degrees_of_freedom : ndarray of int
        Dimensions left for the target after the mean and the conditioning variables were removed, n_valid - 1 - p.
        Collinear and constant columns are not counted in p.
    """

    correlation: Floats
    null_correlation: Floats
    efficiency: Floats
    adjusted_efficiency: Floats
    n_valid: Integers
    degrees_of_freedom: Integers

    @property
    def n_undefined(self) -> int | Integers:
        """Neighbourhoods without a result; one number for each query property."""
        undefined = np.isnan(self.correlation).sum(axis=0)
        return int(undefined) if self.correlation.ndim == 1 else undefined

    @property
    def p_value(self) -> Floats:
        """Two-sided p-value of each correlation.

        A map, not a test: neighbourhoods overlap, so the values of different galaxies hang together.
        """
        freedom = np.where(np.isfinite(self.correlation), self.degrees_of_freedom - 1, 1)
        left = np.maximum(1.0 - self.correlation**2, np.finfo(float).tiny)
        return np.asarray(2.0 * stats.t.sf(np.abs(self.correlation) * np.sqrt(freedom / left), freedom))


def local_test(
    target: ArrayLike,
    query: ArrayLike,
    index: ArrayLike,
    given: ArrayLike | None = None,
    latent: ArrayLike | None = None,
    seed: int = 0,
    first: int = 0,
) -> LocalTest:
    """Test target against query properties inside every neighbourhood.

    Target and query are first replaced by their residuals of one joint fit on ``[1, C, C**2]`` for every variable C of
    ``given`` and on the columns S of ``latent``; then the target residual is fitted by a quadratic of the query
    residual. Without ``latent`` this is the published form (paper), which takes the width of a neighbourhood for
    dependence: both variables follow S from one side of it to the other. With ``latent`` the local slope along S is
    removed, its degrees of freedom counted (ours).

    Parameters
    ----------
    target : array_like, [n_reference]
        Target, such as log10 of the stellar mass in solar masses. NaN or infinite values count as unknown.
    query : array_like, [n_reference] or [n_reference, n_queries]
        Properties to be tested, each alone, in any unit. Many at once cost far less than one by one. The nulls of one
        do not matter to another.
    index : array_like of int, [n_query, k]
        Neighbours of each query galaxy, as rows of the reference.
    given : array_like, [n_reference] or [n_reference, n_given], optional
        Variables to condition on, all at once.
    latent : array_like, [n_reference] or [n_reference, n_latent], optional
        The space S in which the neighbours were found.
    seed : int, default 0
        Seed of the permutation inside the neighbourhoods, which shuffles *residuals*.
    first : int, default 0
        Where `index` is a part of a larger one: the row at which it begins there, a multiple of
        `helpers.causal.neighbourhoods.block_size`. Parts then give what the whole would have given, random numbers
        included.

    Returns
    -------
    LocalTest
        Arrays [n_query], or [n_query, n_queries] if ``query`` has columns.

    Raises
    ------
    ValueError
        If lengths disagree, ``index`` is not a matrix of rows of the reference, or `first` is no place where a part
        may begin.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)
    >>> result = local_test(3 + x**2, x, np.arange(50)[None, :])
    >>> round(float(result.efficiency[0]), 6)
    1.0
    """
    columns = check_columns(target, query, given, latent)
    rows = check_index(index, columns.target.size)
    at_once = block_size(rows.shape[1])
    if not is_whole(first) or first < 0 or first % at_once:
        raise ValueError(f"first: found {first!r}, expected a multiple of {at_once} with {rows.shape[1]} neighbours")
    shape = (len(rows), columns.queries.shape[1])
    fields: dict[str, NDArray[Any]] = {
        name: np.empty(shape, dtype=np.intp if name in _COUNTS else np.float64)
        for name in LocalTest.__dataclass_fields__
    }
    for queries, known in columns.patterns():
        part = _one_pattern(columns, queries, known, rows, seed, first // at_once)
        for values, found in zip(fields.values(), part, strict=True):
            values[:, queries] = found
    return LocalTest(**({name: values[:, 0] for name, values in fields.items()} if np.ndim(query) == 1 else fields))


def _one_pattern(
    columns: Columns, queries: Integers, known: Mask, rows: Integers, seed: int, before: int
) -> Iterator[NDArray[Any]]:
    """Fields of the test, [n_query, n_queries], for queries that the same galaxies know, after so many blocks."""
    values = np.concatenate([columns.target[:, None], columns.queries[:, queries]], axis=1)

    def block(index: Integers, number: int) -> tuple[NDArray[Any], ...]:
        m, q, taking_part, n_removed = local_residuals(values, columns, known, index)
        n_valid = taking_part.sum(axis=1, keepdims=True)
        sums = moments_of_residuals(m, q, taking_part)
        fit = quadratic_fit(sums, n_removed[:, None])
        rng = np.random.default_rng([seed, before + number])
        packed_m, packed_q = _shuffled(m, q, taking_part, rng)
        with np.errstate(invalid="ignore", divide="ignore"):
            null = along(packed_m, packed_q) / np.sqrt(sums.mm * sums.qq)
            # A permutation leaves the space of residuals; correlations in it scatter as in fewer dimensions.
            null *= np.sqrt((n_valid - 1) / (n_valid - 1 - n_removed[:, None]))
        null = np.where(np.isfinite(fit.correlation), np.clip(null, -1.0, 1.0), np.nan)
        count = np.broadcast_to(n_valid, fit.correlation.shape)
        return fit.correlation, null, fit.efficiency, fit.adjusted, count, count - 1 - n_removed[:, None]

    return (np.concatenate(part) for part in zip(*in_blocks(rows, block), strict=True))


def _shuffled(m: Floats, q: Floats, taking_part: Mask, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Target in random order within each neighbourhood, and queries in theirs; members that take no part last."""
    if taking_part.all():
        return rng.permuted(m[:, :, 0], axis=1)[:, :, None], q
    keys = np.where(taking_part, rng.random(taking_part.shape), 2.0)
    at_random = np.argsort(keys, axis=1)[:, :, None]
    in_order = np.argsort(~taking_part, axis=1, kind="stable")[:, :, None]
    return np.take_along_axis(m, at_random, axis=1), np.take_along_axis(q, in_order, axis=1)


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """Adjust the p-values of several hypotheses so that a cut at q keeps the false discovery rate below q.

    For the (input, query property) hypotheses of `sample_test`, never for the galaxies of `local_test`.

    Parameters
    ----------
    p_values : array_like, [n_hypotheses]
        One p-value per hypothesis, within 0 to 1.

    Returns
    -------
    ndarray of float, [n_hypotheses]
        Adjusted p-values in the given order (Benjamini and Hochberg, by `scipy.stats.false_discovery_control`).

    Raises
    ------
    ValueError
        If they are no list of numbers, or a value is unknown or outside 0 to 1.
    """
    values = np.asarray(p_values, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"p_values: found shape {values.shape}, expected one p-value per hypothesis")
    bad = values[~((values >= 0) & (values <= 1))]
    if bad.size:
        raise ValueError(f"p_values: found {bad[0]}, expected numbers within 0 to 1")
    return np.asarray(stats.false_discovery_control(values, method="bh"))
