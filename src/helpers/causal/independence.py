"""Does a property still go with the target among neighbours? Local tests, and one test for a whole sample.

Section 5 of the method. A *neighbourhood* is a row of ``index``: the reference galaxies nearest to one query
galaxy in the space S that a network learned. All fits inside a neighbourhood are least squares on centred and
scaled columns in float64, for thousands of neighbourhoods at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

__all__ = ["LocalTest", "SampleTest", "benjamini_hochberg", "local_test", "sample_test"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Columns have unit length: an eigenvalue of their Gram matrix below this is a direction that they do not
# span.
_RANK_TOLERANCE = 1e-10
# What is left of a column after a fit, relative to the column (sums of squares): below this it is rounding
# error.
_ZERO_VARIANCE = 1e-18
# Bytes for the largest array of one chunk; about five such arrays live at the same time.
_CHUNK_BYTES = 16 * 2**20


@dataclass(frozen=True, eq=False)
class LocalTest:
    """Dependence of the target on a query property inside every neighbourhood (paper; adjusted form ours).

    All fields are arrays [n_query]. The floating-point ones are NaN where a neighbourhood has too few
    complete galaxies for the fits, or where the target or the query property has no variance left in it.

    Attributes
    ----------
    correlation : ndarray of float
        Pearson correlation of target and query residuals.
    null_correlation : ndarray of float
        The same after the query residuals were permuted at random inside the neighbourhood.
    efficiency : ndarray of float
        Predictive efficiency, 1 - RSS / TSS of a quadratic fit of target on query residuals. Not negative,
        and about 2 / (k - 1) for independent variables.
    adjusted_efficiency : ndarray of float
        The same with every sum of squares divided by its degrees of freedom; mean zero for independent
        variables.
    n_valid : ndarray of int
        Galaxies of the neighbourhood with target, query and all conditioning variables known.
    degrees_of_freedom : ndarray of int
        Dimensions left for the target after the mean and the conditioning variables were removed,
        n_valid - 1 - p. Collinear and constant columns are not counted in p.
    """

    correlation: Floats
    null_correlation: Floats
    efficiency: Floats
    adjusted_efficiency: Floats
    n_valid: Integers
    degrees_of_freedom: Integers

    @property
    def p_value(self) -> Floats:
        """Two-sided p-value of each correlation, [n_query].

        A map, not a test: neighbourhoods overlap, so the values of different galaxies hang together.
        """
        freedom = np.where(np.isfinite(self.correlation), self.degrees_of_freedom - 1, 1)
        left = np.maximum(1.0 - self.correlation**2, np.finfo(float).tiny)
        return np.asarray(2.0 * stats.t.sf(np.abs(self.correlation) * np.sqrt(freedom / left), freedom))


@dataclass(frozen=True, eq=False)
class SampleTest:
    """One hypothesis for a whole sample: target and query property are independent (ours).

    Attributes
    ----------
    statistic : float
        Mean adjusted predictive efficiency over the neighbourhoods. It may be negative.
    interval : tuple of float
        Interval of 95% around the statistic, from subsamples of the reference galaxies. Too wide where the
        statistic is near zero, because a half has fewer neighbours and so more noise.
    standard_error : float
        Spread of the statistic over those subsamples.
    p_value : float
        (1 + number of null values not below the statistic) / (1 + n_permutations).
    null : ndarray of float, [n_permutations]
        The statistic after permutation.
    resamples : ndarray of float, [n_resamples]
        The statistic of each random half of the reference galaxies.
    n_permutations, n_resamples : int
        Numbers of replicates.
    n_used : int
        Reference galaxies that entered.
    n_neighbourhoods : int
        Neighbourhoods in which the statistic is defined.
    """

    statistic: float
    interval: tuple[float, float]
    standard_error: float
    p_value: float
    null: Floats
    resamples: Floats
    n_permutations: int
    n_resamples: int
    n_used: int
    n_neighbourhoods: int


@dataclass(frozen=True, eq=False)
class _Columns:
    """Checked columns [n_reference, ...], nulls set to zero, and the rows in which all are known."""

    target: Floats
    query: Floats
    given: Floats
    latent: Floats
    known: Mask


@dataclass(frozen=True, eq=False)
class _Fit:
    """Sums over neighbourhoods [n]: what a quadratic of the query says on the target."""

    correlation: Floats
    efficiency: Floats
    adjusted: Floats


def local_test(
    target: ArrayLike,
    query: ArrayLike,
    index: ArrayLike,
    given: ArrayLike | None = None,
    latent: ArrayLike | None = None,
    seed: int = 0,
) -> LocalTest:
    """Test target against a query property inside every neighbourhood.

    Target and query are first replaced by their residuals of one joint fit on ``[1, C, C**2]`` for every
    variable C of ``given`` and on the columns S of ``latent``; then the target residual is fitted by a
    quadratic of the query residual. Without ``latent`` this is the published form (paper), which takes the
    width of a neighbourhood for dependence: both variables follow S from one side of it to the other. With
    ``latent`` the local slope along S is removed, its degrees of freedom counted (ours).

    Parameters
    ----------
    target : array_like, [n_reference]
        Target, such as log10 of the stellar mass in solar masses. NaN or infinite values count as unknown.
    query : array_like, [n_reference]
        Property to be tested, in any unit.
    index : array_like of int, [n_query, k]
        Neighbours of each query galaxy, as rows of the reference.
    given : array_like, [n_reference] or [n_reference, n_given], optional
        Variables to condition on.
    latent : array_like, [n_reference] or [n_reference, n_latent], optional
        The space S in which the neighbours were found.
    seed : int, default 0
        Seed of the permutation inside the neighbourhoods, which shuffles the query *residuals*.

    Returns
    -------
    LocalTest
        Arrays [n_query].

    Raises
    ------
    ValueError
        If lengths disagree, or ``index`` is not a matrix of rows of the reference.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(-1, 1, 50)
    >>> result = local_test(3 + x**2, x, np.arange(50)[None, :])
    >>> round(float(result.efficiency[0]), 6)
    1.0
    """
    columns = _check_columns(target, query, given, latent)
    rows = _check_index(index, columns.known.size, "index")
    rng = np.random.default_rng(seed)
    parts: list[tuple[NDArray, ...]] = []
    for chunk in _chunks(rows, _width(columns)):
        mask = columns.known[chunk]
        m, q, n_removed = _residuals(columns, chunk, mask)
        n_valid = mask.sum(axis=1)
        fit = _quadratic_fit(m, q, n_valid, n_removed)
        shuffled = _sum(_pack(m, mask), _permute_inside(q, mask, rng))
        with np.errstate(invalid="ignore", divide="ignore"):
            null = shuffled / np.sqrt(_sum(m, m) * _sum(q, q))
        null = np.where(np.isfinite(fit.correlation), null, np.nan)
        parts.append((fit.correlation, null, fit.efficiency, fit.adjusted, n_valid, n_valid - 1 - n_removed))
    return LocalTest(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def sample_test(
    target: ArrayLike,
    query: ArrayLike,
    index: ArrayLike,
    given: ArrayLike | None = None,
    latent: ArrayLike | None = None,
    n_permutations: int = 200,
    n_resamples: int = 100,
    seed: int = 0,
    *,
    reference_index: ArrayLike | None = None,
) -> SampleTest:
    """Test independence of target and query for the sample as a whole (ours).

    The statistic is the mean adjusted predictive efficiency over all neighbourhoods. They share galaxies, so
    nothing is assumed about their spread: the p-value comes from permuting the query property *once over the
    whole sample* per replicate, the interval from random halves of the reference galaxies. (The adjusted
    efficiency has the same mean at any size, and a half deviates from the whole as the whole does from the
    truth.)

    With ``latent``, every reference galaxy's target and query are compared with a prediction from its own
    neighbours, itself left out: linear in S, quadratic in ``given``. The differences are divided by
    ``sqrt(1 + |weights|**2)``, so that poorly predicted galaxies do not dominate. Such residuals of
    neighbours resemble each other a little, since they share predictions; a replicate therefore adds the
    permuted query residuals to the predictions and passes the sum through the same fit again, as Freedman and
    Lane do for regressions. What the local slope cannot follow, curvature of both variables along the *same*
    direction of S within one neighbourhood, stays in the residuals and counts as dependence; more galaxies or
    fewer latent dimensions make it smaller. Without ``latent`` it is the published form: ``given`` is removed
    inside each neighbourhood, and the permuted query property goes the same way.

    Parameters
    ----------
    target, query, index, given, latent
        As in `local_test`.
    n_permutations : int, default 200
        Replicates of the null, at least 1.
    n_resamples : int, default 100
        Random halves, at least 2.
    seed : int, default 0
        Seed of permutations and halves.
    reference_index : array_like of int, [n_reference, k_reference], optional
        Neighbours of every reference galaxy among the reference, for ``latent`` only; a galaxy in its own row
        is passed over. Default: ``index``, if it has one row per reference galaxy.

    Returns
    -------
    SampleTest
        Statistic, interval and p-value with their replicates.

    Raises
    ------
    ValueError
        If arguments disagree in shape, ``reference_index`` is missing or not used, replicates are too few,
        no neighbourhood has enough complete galaxies, or ``query`` varies so rarely that permutations of it
        are constant in every neighbourhood.
    """
    _check_count(n_permutations, "n_permutations", 1)
    _check_count(n_resamples, "n_resamples", 2)
    columns = _check_columns(target, query, given, latent)
    rows = _check_index(index, columns.known.size, "index")
    rng = np.random.default_rng(seed)
    if latent is None:
        if reference_index is not None:
            raise ValueError("reference_index was given without latent; it serves only to remove latent")
        smoother = None
    else:
        smoother = _LocalSmoother.fit(columns, _reference_rows(rows, reference_index, columns.known.size))
        columns = smoother.residual_columns(columns)
    n_used = int(columns.known.sum())
    defined = np.isfinite(_adjusted(columns, rows, columns.known))
    if not defined.any():
        raise ValueError(
            f"index: none of the {len(rows)} neighbourhoods of {rows.shape[1]} galaxies has enough complete "
            f"galaxies and variance for the fits ({n_used} of {columns.known.size} reference galaxies "
            "are usable)"
        )
    statistic = _mean_adjusted(columns, rows, columns.known)
    null = np.empty(n_permutations)
    for i in range(n_permutations):
        null[i] = _mean_adjusted(_permuted(columns, smoother, rng), rows, columns.known)
    undefined = int((~np.isfinite(null)).sum())
    if undefined:
        # Compared with NaN the statistic would win, and the p-value come out too small.
        raise ValueError(
            f"query: {undefined} of {n_permutations} permutations leave no neighbourhood in which it varies, "
            "expected a property that differs between more galaxies"
        )
    halves = np.empty(n_resamples)
    for i in range(n_resamples):
        halves[i] = _mean_adjusted(columns, rows, _half(columns.known, rng))
    if not np.isfinite(halves).all():
        raise ValueError(f"index: {rows.shape[1]} neighbours are too few for fits in half of the galaxies")
    error = float(halves.std(ddof=1))
    return SampleTest(
        statistic=statistic,
        interval=(statistic - 1.96 * error, statistic + 1.96 * error),
        standard_error=error,
        p_value=float((1 + np.sum(null >= statistic)) / (1 + n_permutations)),
        null=null,
        resamples=halves,
        n_permutations=n_permutations,
        n_resamples=n_resamples,
        n_used=n_used,
        n_neighbourhoods=int(defined.sum()),
    )


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
        Adjusted p-values in the given order (Benjamini and Hochberg, by
        `scipy.stats.false_discovery_control`).

    Raises
    ------
    ValueError
        If a value is unknown or outside 0 to 1.
    """
    values = np.asarray(p_values, dtype=float)
    bad = values[~((values >= 0) & (values <= 1))]
    if bad.size:
        raise ValueError(f"p_values: found {bad[0]}, expected numbers within 0 to 1")
    return np.asarray(stats.false_discovery_control(values, method="bh"))


# Linear algebra in neighbourhoods


def _sum(a: Floats, b: Floats) -> Floats:
    """Sum of products along each neighbourhood: [n, k], [n, k] -> [n]."""
    return np.einsum("nk,nk->n", a, b)


def _width(columns: _Columns) -> int:
    """Conditioning columns in a neighbourhood: two per given variable, one per latent one."""
    return 2 * columns.given.shape[1] + columns.latent.shape[1]


def _chunks(index: Integers, width: int) -> Iterator[Integers]:
    """Rows of index, in pieces whose design matrices fit the chunk's memory."""
    size = max(1, _CHUNK_BYTES // (8 * index.shape[1] * max(width, 4)))
    for start in range(0, len(index), size):
        yield index[start : start + size]


def _unit_columns(columns: Floats, weight: Floats) -> Floats:
    """Give columns [n, k, p] weighted mean 0 and length 1; constant ones become 0."""
    n = np.maximum(weight.sum(axis=1), 1.0)[:, None, None]
    mean = np.einsum("nk,nkp->np", weight, columns)[:, None, :] / n
    centred = columns - mean
    length = np.sqrt(np.einsum("nk,nkp->np", weight, centred**2))[:, None, :]
    constant = length <= 1e-12 * np.sqrt(n) * np.maximum(np.abs(mean), np.finfo(float).tiny)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, length))


def _basis(given: Floats, latent: Floats, weight: Floats) -> tuple[Floats, Integers]:
    """Orthonormal directions of [C, C**2, S] beside the mean: [n, k, p] and rank [n].

    Rows of weight 0 take no part in making the basis, but have their coordinates in it.
    """
    # C is centred inside the neighbourhood before squaring: in a narrow one C and C**2 are else one
    # direction.
    linear = _unit_columns(given, weight)
    columns = np.concatenate([linear, _unit_columns(linear**2, weight), _unit_columns(latent, weight)], axis=2)
    gram = np.matmul((columns * weight[:, :, None]).transpose(0, 2, 1), columns)
    values, vectors = np.linalg.eigh(gram)
    spanned = values > _RANK_TOLERANCE
    inverse = np.where(spanned, 1.0 / np.sqrt(np.where(spanned, values, 1.0)), 0.0)
    return np.matmul(columns, vectors * inverse[:, None, :]), spanned.sum(axis=1)


def _remove(values: Floats, basis: Floats, weight: Floats, n_valid: Floats) -> Floats:
    """Take mean and basis out of values [n, k]; zero at weight 0 and where only rounding is left."""
    mean = _sum(weight, values) / n_valid
    centred = weight * (values - mean[:, None])
    residual = centred
    if basis.shape[2]:
        # The second pass restores the orthogonality that a nearly collinear basis loses to rounding.
        for _ in range(2):
            slope = np.matmul(residual[:, None, :], basis)
            residual = weight * (residual - np.matmul(basis, slope.transpose(0, 2, 1))[:, :, 0])
    floor = _ZERO_VARIANCE * np.maximum(_sum(centred, centred), 1e-6 * n_valid * mean**2)
    return np.where((_sum(residual, residual) > floor)[:, None], residual, 0.0)


def _residuals(columns: _Columns, index: Integers, mask: Mask) -> tuple[Floats, Floats, Integers]:
    """Target and query residuals [n, k] in the neighbourhoods of index, and the dimensions removed [n]."""
    weight = mask.astype(float)
    n_valid = np.maximum(weight.sum(axis=1), 1.0)
    if _width(columns):
        basis, rank = _basis(columns.given[index], columns.latent[index], weight)
    else:
        basis, rank = np.empty((*index.shape, 0)), np.zeros(len(index), dtype=np.intp)
    target = _remove(columns.target[index], basis, weight, n_valid)
    return target, _remove(columns.query[index], basis, weight, n_valid), rank


def _quadratic_fit(m: Floats, q: Floats, n_valid: Integers, n_removed: Integers) -> _Fit:
    """Fit centred residuals m by a quadratic of q, both [n, k]; undefined neighbourhoods give NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        q = q / np.sqrt(_sum(q, q) / n_valid)[:, None]
        total, square = _sum(m, m), q * q
        along, along_square = _sum(m, q), _sum(m, square)
        third, fourth = _sum(square, q), _sum(square, square)
        # The square beside mean and slope: q has length sqrt(n_valid), so its own products are n_valid.
        bend = fourth - n_valid - third**2 / n_valid
        curved = bend > _RANK_TOLERANCE * fourth
        explained = along**2 / n_valid + np.where(
            curved, (along_square - along * third / n_valid) ** 2 / np.where(curved, bend, 1.0), 0.0
        )
        freedom = n_valid - 1 - n_removed
        left = freedom - 1 - curved
        efficiency = explained / total
        adjusted = 1.0 - (1.0 - efficiency) * freedom / left
        correlation = np.clip(along / np.sqrt(total * n_valid), -1.0, 1.0)
    defined = (freedom >= 3) & np.isfinite(correlation)
    return _Fit(*(np.where(defined, value, np.nan) for value in (correlation, efficiency, adjusted)))


def _pack(values: Floats, mask: Mask) -> Floats:
    """Move the valid entries of each row to its front, in order."""
    return np.take_along_axis(values, np.argsort(~mask, axis=1, kind="stable"), axis=1)


def _permute_inside(values: Floats, mask: Mask, rng: np.random.Generator) -> Floats:
    """Move the valid entries of each row to its front, in random order."""
    keys = np.where(mask, rng.random(mask.shape), 2.0)
    return np.take_along_axis(values, np.argsort(keys, axis=1), axis=1)


# The sample as a whole


@dataclass(frozen=True, eq=False)
class _LocalSmoother:
    """Prediction of every reference galaxy from its neighbours: a linear map, the same for any variable."""

    index: Integers  # [n_reference, k]
    weights: Floats  # [n_reference, k]
    scale: Floats  # [n_reference], standard deviation of a residual for noise of unit variance
    usable: Mask  # [n_reference]
    query_prediction: Floats  # [n_reference]

    @classmethod
    def fit(cls, columns: _Columns, index: Integers) -> _LocalSmoother:
        """Find the weights of all neighbours, themselves independent of target and query."""
        weights = np.zeros(index.shape)
        usable = columns.known.copy()
        # The galaxy itself goes along in front with weight 0: its coordinates are wanted, its values are not.
        rows = np.concatenate([np.arange(len(index))[:, None], index], axis=1)
        done = 0
        for chunk in _chunks(rows, _width(columns)):
            part = slice(done, done + len(chunk))
            neighbours = columns.known[chunk] & (chunk != chunk[:, :1])
            n_valid = neighbours.sum(axis=1)
            basis, rank = _basis(columns.given[chunk], columns.latent[chunk], neighbours.astype(float))
            own = basis[:, 0, :, None]
            influence = np.matmul(basis, own)[:, :, 0] + 1.0 / np.maximum(n_valid, 1)[:, None]
            weights[part] = (neighbours * influence)[:, 1:]
            usable[part] &= n_valid - 1 - rank >= 3
            done += len(chunk)
        scale = np.sqrt(1.0 + _sum(weights, weights))
        return cls(index, weights, scale, usable, _sum(weights, columns.query[index]))

    def residual(self, values: Floats) -> Floats:
        """Difference from the prediction over its standard deviation, [n_reference]; zero where unusable."""
        return np.where(self.usable, (values - _sum(self.weights, values[self.index])) / self.scale, 0.0)

    def residual_columns(self, columns: _Columns) -> _Columns:
        """Target and query as residuals, with nothing left to condition on."""
        nothing = np.empty((self.usable.size, 0))
        return _Columns(self.residual(columns.target), self.residual(columns.query), nothing, nothing, self.usable)


def _permuted(columns: _Columns, smoother: _LocalSmoother | None, rng: np.random.Generator) -> _Columns:
    """Columns with the query property permuted over the known galaxies of the whole sample."""
    query = columns.query.copy()
    query[columns.known] = rng.permutation(query[columns.known])
    if smoother is not None:
        query = smoother.residual(smoother.query_prediction + query)
    return replace(columns, query=query)


def _half(known: Mask, rng: np.random.Generator) -> Mask:
    """Random half of the known galaxies."""
    rows = rng.permutation(np.flatnonzero(known))
    half = np.zeros_like(known)
    half[rows[: rows.size // 2]] = True
    return half


def _adjusted(columns: _Columns, index: Integers, known: Mask) -> Floats:
    """Find the adjusted predictive efficiency [n_query] from the known galaxies only."""
    parts = []
    for chunk in _chunks(index, _width(columns)):
        mask = known[chunk]
        m, q, n_removed = _residuals(columns, chunk, mask)
        parts.append(_quadratic_fit(m, q, mask.sum(axis=1), n_removed).adjusted)
    return np.concatenate(parts)


def _mean_adjusted(columns: _Columns, index: Integers, known: Mask) -> float:
    values = _adjusted(columns, index, known)
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float("nan")


# Checks


def _check_columns(target: ArrayLike, query: ArrayLike, given: ArrayLike | None, latent: ArrayLike | None) -> _Columns:
    m = _check_vector(target, "target")
    n = m.size
    q = _check_vector(query, "query", n)
    c, s = _check_matrix(given, "given", n), _check_matrix(latent, "latent", n)
    known = np.isfinite(m) & np.isfinite(q) & np.isfinite(c).all(axis=1) & np.isfinite(s).all(axis=1)
    m, q, c, s = (_centred(values, known) for values in (m, q, c, s))
    return _Columns(m, q, c, s, known)


def _centred(values: Floats, known: Mask) -> Floats:
    """Subtract the mean of the known rows, for precision, and set nulls to zero."""
    filled = np.zeros_like(values)
    if known.any():
        filled[known] = values[known] - values[known].mean(axis=0)
    return filled


def _check_vector(values: ArrayLike, name: str, n: int | None = None) -> Floats:
    array = _numeric(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name}: found shape {array.shape}, expected one value per reference galaxy")
    if n is not None and array.size != n:
        raise ValueError(f"{name}: found {array.size} values, expected {n}, as many as target has")
    return array


def _check_matrix(values: ArrayLike | None, name: str, n: int) -> Floats:
    if values is None:
        return np.empty((n, 0))
    array = _numeric(values, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != n or array.shape[1] == 0:
        raise ValueError(f"{name}: found shape {array.shape}, expected ({n},) or ({n}, columns)")
    return array


def _numeric(values: ArrayLike, name: str) -> Floats:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: found what is no number, expected floats (NaN for unknown)") from None


def _check_index(index: ArrayLike, n_reference: int, name: str) -> Integers:
    rows = np.asarray(index)
    if rows.ndim != 2 or rows.size == 0 or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(
            f"{name}: found shape {rows.shape} of {rows.dtype}, expected integers of shape (galaxies, neighbours)"
        )
    if rows.min() < 0 or rows.max() >= n_reference:
        raise ValueError(
            f"{name}: found rows {rows.min()} to {rows.max()}, expected 0 to {n_reference - 1}, the rows of target"
        )
    return rows.astype(np.intp, copy=False)


def _check_count(value: int, name: str, least: int) -> None:
    if value < least:
        raise ValueError(f"{name}: found {value}, expected at least {least}")


def _reference_rows(index: Integers, reference_index: ArrayLike | None, n_reference: int) -> Integers:
    """Neighbours of the reference galaxies themselves, which predictions are made from."""
    if reference_index is None:
        if len(index) != n_reference:
            raise ValueError(
                f"reference_index: needed with latent, because index has {len(index)} rows and not one for "
                f"each of the {n_reference} reference galaxies; expected their neighbours among the reference"
            )
        return index
    rows = _check_index(reference_index, n_reference, "reference_index")
    if len(rows) != n_reference:
        raise ValueError(f"reference_index: found {len(rows)} rows, expected {n_reference}, one per reference galaxy")
    return rows
