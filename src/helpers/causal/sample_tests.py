"""One hypothesis for a whole sample: target and query property are independent at given S."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import sparse

from .neighbourhoods import Moments, in_blocks, in_threads, local_residuals, moments_of_residuals, quadratic_fit
from .reference import LEAST_GALAXIES, Columns, Floats, Integers, Mask, check_columns, check_count, check_index
from .smoothing import Smoother, fit_smoothers

__all__ = ["NULLS", "SampleTest", "sample_test", "sample_tests"]

NULLS = ("sign-flip", "permutation")
# Numbers in the largest array of moments at a time.
_MOST_NUMBERS = 4_000_000
# Variance that S leaves of a column, relative to it: below this it is what the penalty of the regression keeps back.
_LEAST_LEFT = 1e-8


class Kinds(NamedTuple):
    """Kinds of neighbourhoods: their labels, and members [n_kinds, n_query]."""

    labels: list[str]
    members: Mask


@dataclass(frozen=True, eq=False)
class SampleTest:
    """One hypothesis for a whole sample: target and query property are independent (ours).

    Attributes
    ----------
    statistic : float
        Mean adjusted predictive efficiency over the neighbourhoods. It may be negative.
    interval : tuple of float
        Interval of 95% around the statistic, from subsamples of the reference galaxies. Too wide where the statistic is
        near zero, because a half has fewer neighbours and so more noise.
    standard_error : float
        Spread of the statistic over those subsamples.
    p_value : float
        (1 + number of null values not below the statistic) / (1 + n_replicates).
    null : ndarray of float, [n_replicates]
        The statistic where independence was made true.
    resamples : ndarray of float, [n_resamples]
        The statistic of each random half of the reference galaxies.
    n_replicates, n_resamples : int
        Numbers of replicates.
    n_used : int
        Reference galaxies that entered.
    n_neighbourhoods : int
        Neighbourhoods in which the statistic is defined.
    n_undefined : int
        Neighbourhoods in which it is not.
    by_neighbourhood : ndarray of float, [n_query]
        Adjusted predictive efficiency of each, NaN where undefined; its mean is the statistic.
    by_group : DataFrame
        The same for the neighbourhoods of each group, if groups were given: statistic, excess, standard_error, p_value,
        n_neighbourhoods; NaN where a group is too small for the fits. Empty without groups.
    """

    statistic: float
    interval: tuple[float, float]
    standard_error: float
    p_value: float
    null: Floats
    resamples: Floats
    n_replicates: int
    n_resamples: int
    n_used: int
    n_neighbourhoods: int
    n_undefined: int
    by_neighbourhood: Floats
    by_group: pd.DataFrame

    @property
    def excess(self) -> float:
        """Statistic less its mean where independence was made true.

        The adjusted efficiency of independent variables is zero on average only where their scatter is the same for all
        galaxies of a neighbourhood. Where both scatter more on one side of it, chance efficiency is larger.
        """
        return self.statistic - float(self.null.mean())

    @property
    def excess_interval(self) -> tuple[float, float]:
        """Interval of 95% around the excess."""
        return self.excess - 1.96 * self.standard_error, self.excess + 1.96 * self.standard_error


def sample_test(
    target: ArrayLike,
    query: ArrayLike,
    index: ArrayLike,
    given: ArrayLike | None = None,
    latent: ArrayLike | None = None,
    n_replicates: int = 199,
    n_resamples: int = 100,
    seed: int = 0,
    *,
    null: str = "sign-flip",
    learn_metric: bool = True,
    groups: ArrayLike | None = None,
) -> SampleTest:
    """Test independence of target and query for the sample as a whole (ours).

    The statistic is the mean adjusted predictive efficiency over all neighbourhoods. They share galaxies, so nothing is
    assumed about their spread: the p-value comes from replicates of the whole sample in which independence is true, the
    interval from random halves of the reference galaxies. (The adjusted efficiency has the same mean at any size, and a
    half deviates from the whole as the whole does from the truth.)

    With ``latent``, target and query are first compared with what S and ``given`` say of them, each galaxy held out
    (`cross_fitted_residuals`). A replicate flips the signs of the target's residuals at random, adds them to its
    prediction, and passes the sum through the same regression again, as Freedman and Lane do for regressions. A flip
    leaves every galaxy its own scatter; a permutation hands it that of another, and where target and query both scatter
    more in one part of S it takes that for dependence.

    In memory it holds the smooth functions of S, some 300 numbers for every galaxy, a few times over: 1 GB for 100,000
    galaxies.

    Without ``latent`` the published local test is averaged: ``given`` is removed inside each neighbourhood, and a
    replicate permutes the query property over the sample.

    Parameters
    ----------
    target, index, given, latent
        As in `local_test`.
    query : array_like, [n_reference]
        One property, in any unit. NaN or infinite values count as unknown.
    n_replicates : int, default 199
        Replicates in which independence is true, at least 1.
    n_resamples : int, default 100
        Random halves, at least 2.
    seed : int, default 0
    null : {"sign-flip", "permutation"}, default "sign-flip"
        With ``latent``: how independence is made true. "permutation" permutes the residuals of the query over the
        sample; for comparison.
    learn_metric : bool, default True
        With ``latent``: learn a metric in S for the target, and one for the query. Without, faster and less sharp.
    groups : array_like of str, [n_query], optional
        Kind of each query galaxy, for `SampleTest.by_group`; unknown ones are of no group.

    Returns
    -------
    SampleTest
        Statistic, interval and p-value with their replicates.

    Raises
    ------
    ValueError
        If arguments disagree in shape, replicates are too few, no neighbourhood has enough complete galaxies, or
        ``query`` varies so rarely that a replicate is constant in every neighbourhood.
    """
    if np.ndim(query) != 1:
        raise ValueError(f"query: found shape {np.shape(query)}, expected one property; sample_tests takes several")
    found = _tests(target, query, index, given, latent, n_replicates, n_resamples, seed, null, learn_metric, groups)
    _, test, why = found[0]
    if why:
        raise ValueError(why)
    return test


def sample_tests(
    target: ArrayLike,
    queries: pd.DataFrame,
    index: ArrayLike,
    given: ArrayLike | None = None,
    latent: ArrayLike | None = None,
    n_replicates: int = 199,
    n_resamples: int = 100,
    seed: int = 0,
    *,
    null: str = "sign-flip",
    learn_metric: bool = True,
    groups: ArrayLike | None = None,
) -> dict[str, SampleTest]:
    """`sample_test` for every column of a table: what depends on S and the target alone is computed once.

    All queries with the same nulls meet the same replicates.

    Parameters
    ----------
    queries : DataFrame, [n_reference, n_queries]
        Properties to be tested, each alone; the nulls of one do not matter to another.
    learn_metric : bool, default True
        With ``latent``: learn a metric in S for the target, and one for all queries with the same nulls together: an
        answer depends a little on who else is asked. One metric for each would be sharper, and slower.
    target, index, given, latent, n_replicates, n_resamples, seed, null, groups
        As in `sample_test`.

    Returns
    -------
    dict of str to SampleTest
        In the order of the columns. Statistic, p-value and interval of a property that varies too little, or is known
        for too few galaxies, are NaN.

    Raises
    ------
    ValueError
        As `sample_test`, and if ``queries`` is no DataFrame or repeats a name.
    """
    if not isinstance(queries, pd.DataFrame):
        raise ValueError(f"queries: found {type(queries).__name__}, expected a DataFrame, one column per property")
    if not queries.columns.is_unique:
        twice = queries.columns[queries.columns.duplicated()]
        raise ValueError(f"queries: found the column {twice[0]!r} twice, expected different names")
    found = _tests(target, queries, index, given, latent, n_replicates, n_resamples, seed, null, learn_metric, groups)
    tests = {number: test for number, test, _ in found}
    return {str(name): tests[j] for j, name in enumerate(queries.columns)}


def _tests(
    target: ArrayLike,
    query: ArrayLike,
    index: ArrayLike,
    given: ArrayLike | None,
    latent: ArrayLike | None,
    n_replicates: int,
    n_resamples: int,
    seed: int,
    null: str,
    learn_metric: bool,
    groups: ArrayLike | None,
) -> list[tuple[int, SampleTest, str]]:
    check_count(n_replicates, "n_replicates", 1)
    check_count(n_resamples, "n_resamples", 2)
    if null not in NULLS:
        raise ValueError(f"null: found {null!r}, expected one of {', '.join(NULLS)}")
    columns = check_columns(target, query, given, latent)
    rows = check_index(index, columns.target.size)
    kinds = _kinds(groups, len(rows))

    def tests(queries: Integers, known: Mask) -> list[tuple[int, SampleTest, str]]:
        if latent is None:
            scene: _Scene = _Published(columns, queries, known, rows)
        elif known.sum() < LEAST_GALAXIES:
            scene = _Nothing(known, rows, len(queries))
        else:
            scene = _AtFixedS.prepare(columns, queries, known, rows, learn_metric, null, seed)
        efficiencies = scene.efficiencies()
        rng = np.random.default_rng(seed)
        replicates = scene.replicates(n_replicates, kinds, rng)
        halves = scene.halves(n_resamples, kinds, rng)
        return [
            (int(name), *_result(efficiencies[:, j], replicates[:, j], halves[:, j], kinds, known))
            for j, name in enumerate(queries)
        ]

    return [test for part in in_threads(tests, *zip(*columns.patterns(), strict=True)) for test in part]


class _Scene(Protocol):
    """Galaxies in neighbourhoods, for queries with the same nulls."""

    def efficiencies(self) -> Floats:
        """Adjusted efficiency of each neighbourhood, [n_query, n_queries]."""

    def replicates(self, n: int, kinds: Kinds, rng: np.random.Generator) -> Floats:
        """Its mean over each kind of neighbourhoods where independence is true, [n_kinds, n_queries, n]."""

    def halves(self, n: int, kinds: Kinds, rng: np.random.Generator) -> Floats:
        """Its mean in random halves of the galaxies, [n_kinds, n_queries, n]."""


def _kinds(groups: ArrayLike | None, n_query: int) -> Kinds:
    """Which neighbourhoods are of which kind, [n_kinds, n_query], with their labels; the first kind is all of them."""
    labels, members = [""], [np.ones(n_query, dtype=bool)]
    if groups is not None:
        kind = pd.Series(np.asarray(groups, dtype=object))
        if kind.shape != (n_query,):
            raise ValueError(f"groups: found shape {kind.shape}, expected ({n_query},), one label per row of index")
        for label in sorted(kind.dropna().unique(), key=str):
            labels.append(str(label))
            members.append((kind == label).to_numpy(dtype=bool))
    return Kinds(labels, np.stack(members))


def _result(efficiency: Floats, null: Floats, halves: Floats, kinds: Kinds, known: Mask) -> tuple[SampleTest, str]:
    """Result for one query, and why it has none; then its numbers are NaN."""
    defined = np.isfinite(efficiency)
    missing = int((~np.isfinite(null[0])).sum())
    why = ""
    if not defined.any():
        why = (
            f"index: none of the {len(efficiency)} neighbourhoods has enough complete galaxies and variance for the "
            f"fits ({int(known.sum())} of {known.size} reference galaxies are usable)"
        )
    elif missing:
        # Compared with NaN the statistic would win, and the p-value come out too small.
        why = (
            f"query: {missing} of {len(null[0])} replicates leave no neighbourhood in which it varies, "
            "expected a property that differs between more galaxies"
        )
    elif not np.isfinite(halves[0]).all():
        why = "index: found too few neighbours for fits in half of the galaxies, expected more"
    rows = [
        _row(efficiency[members & defined], null[number], halves[number])
        for number, members in enumerate(kinds.members)
    ]
    whole = rows[0]
    reach = 1.96 * whole["standard_error"]
    test = SampleTest(
        statistic=whole["statistic"],
        interval=(whole["statistic"] - reach, whole["statistic"] + reach),
        standard_error=whole["standard_error"],
        p_value=whole["p_value"],
        null=null[0],
        resamples=halves[0],
        n_replicates=len(null[0]),
        n_resamples=len(halves[0]),
        n_used=int(known.sum()),
        n_neighbourhoods=int(defined.sum()),
        n_undefined=int((~defined).sum()),
        by_neighbourhood=efficiency,
        by_group=pd.DataFrame(rows[1:], index=pd.Index(kinds.labels[1:], name="group"), columns=list(whole)),
    )
    return test, why


def _row(efficiency: Floats, null: Floats, halves: Floats) -> dict[str, float]:
    """Numbers of one kind of neighbourhoods; NaN where the statistic, a replicate or a half is undefined."""
    unknown = float("nan")
    well = bool(len(efficiency)) and bool(np.isfinite(null).all()) and bool(np.isfinite(halves).all())
    statistic = float(efficiency.mean()) if well else unknown
    return {
        "statistic": statistic,
        "excess": statistic - float(null.mean()) if well else unknown,
        "standard_error": float(halves.std(ddof=1)) if well else unknown,
        "p_value": float((1 + np.sum(null >= statistic)) / (1 + len(null))) if well else unknown,
        "n_neighbourhoods": len(efficiency),
    }


@dataclass(frozen=True, eq=False)
class _Nothing:
    """Too few galaxies to say anything."""

    known: Mask
    rows: Integers
    n_queries: int

    def efficiencies(self) -> Floats:
        return np.full((len(self.rows), self.n_queries), np.nan)

    def replicates(self, n: int, kinds: Kinds, rng: np.random.Generator) -> Floats:
        return np.full((len(kinds.labels), self.n_queries, n), np.nan)

    halves = replicates


@dataclass(frozen=True, eq=False)
class _AtFixedS:
    """Residuals at fixed S: with nothing left to condition on, sums over neighbours say everything."""

    known: Mask
    rows: Integers
    member: sparse.csr_matrix  # [n_query, n_known], which galaxies are in which neighbourhood
    smoother: Smoother  # of the target
    prediction: Floats  # [n_known], of the target
    target: Floats  # [n_known], residual
    queries: Floats  # [n_known, n_queries], residuals
    query_smoothers: list[Smoother]
    null: str

    @classmethod
    def prepare(
        cls,
        columns: Columns,
        queries: Integers,
        known: Mask,
        rows: Integers,
        learn_metric: bool,
        null: str,
        seed: int,
    ) -> _AtFixedS:
        n_query, k = rows.shape
        points = np.concatenate([columns.latent, columns.given], axis=1)[known]
        values = np.concatenate([columns.target[:, None], columns.queries[:, queries]], axis=1)[known]
        metric_of = ["target", *["query"] * len(queries)] if learn_metric else [None] * (1 + len(queries))
        smoothers = fit_smoothers(values, points, metric_of=metric_of, seed=seed)
        residuals = np.column_stack([s.residual(values[:, j]) for j, s in enumerate(smoothers)])
        residuals *= residuals.var(axis=0) > _LEAST_LEFT * values.var(axis=0)
        number = np.cumsum(known) - 1
        there = known[rows]
        member = sparse.csr_matrix(
            (np.ones(int(there.sum())), number[rows[there]], np.concatenate([[0], np.cumsum(there.sum(axis=1))])),
            shape=(n_query, int(known.sum())),
        )
        target = residuals[:, 0]
        return cls(
            known=known,
            rows=rows,
            member=member,
            smoother=smoothers[0],
            prediction=values[:, 0] - target,
            target=target,
            queries=residuals[:, 1:],
            query_smoothers=smoothers[1:],
            null=null,
        )

    def efficiencies(self) -> Floats:
        everyone = np.ones((len(self.target), 1))
        of_target = self._target_sums(everyone, self.target[:, None])
        columns = (self._adjusted(of_target, everyone, self.target[:, None], q[:, None]) for q in self.queries.T)
        return np.concatenate(list(columns), axis=1)

    def replicates(self, n: int, kinds: Kinds, rng: np.random.Generator) -> Floats:
        m, everyone = self.target[:, None], np.ones((len(self.target), 1))
        found = np.empty((len(kinds.labels), self.queries.shape[1], n))
        for part in self._batches(n):
            shape = (len(m), part.stop - part.start)
            if self.null == "sign-flip":
                signs = rng.choice([-1.0, 1.0], size=shape)
                flipped = self.smoother.residual(self.prediction[:, None] + signs * m)
                of_target = self._target_sums(everyone, flipped)
                for j, q in enumerate(self.queries.T):
                    values = self._adjusted(of_target, everyone, flipped, q[:, None])
                    found[:, j, part] = _means(values, kinds)
            else:
                order = np.column_stack([rng.permutation(shape[0]) for _ in range(shape[1])])
                of_target = self._target_sums(everyone, m)
                for j, q in enumerate(self.queries.T):
                    values = self._adjusted(of_target, everyone, m, self.query_smoothers[j].residual(q[order]))
                    found[:, j, part] = _means(values, kinds)
        return found

    def halves(self, n: int, kinds: Kinds, rng: np.random.Generator) -> Floats:
        m = self.target[:, None]
        found = np.empty((len(kinds.labels), self.queries.shape[1], n))
        for part in self._batches(n):
            weight = np.column_stack([_half(len(m), rng) for _ in range(part.stop - part.start)])
            of_target = self._target_sums(weight, m)
            for j, q in enumerate(self.queries.T):
                found[:, j, part] = _means(self._adjusted(of_target, weight, m, q[:, None]), kinds)
        return found

    def _batches(self, n: int) -> Iterator[slice]:
        size = max(1, _MOST_NUMBERS // (9 * max(self.member.shape)))
        return (slice(start, min(start + size, n)) for start in range(0, n, size))

    def _sums(self, *products: Floats) -> list[Floats]:
        """Sums over the members of each neighbourhood, [n_query, c] for products [n_known, c]."""
        ends = np.cumsum([part.shape[1] for part in products])
        return np.split(self.member @ np.concatenate(products, axis=1), ends[:-1], axis=1)

    def _target_sums(self, weight: Floats, m: Floats) -> list[Floats]:
        """Count, and sums of the target and its square: the same for all queries."""
        return self._sums(weight, weight * m, weight * m**2)

    def _adjusted(self, of_target: list[Floats], weight: Floats, m: Floats, q: Floats) -> Floats:
        """Adjusted efficiency [n_query, c] for c columns of weight, target or query, of which some may be one."""
        wq, wqq = weight * q, weight * q**2
        sums = [*of_target, *self._sums(wq, wqq, wqq * q, wqq * q**2, wq * m, wqq * m)]
        width = max(part.shape[1] for part in sums)
        return quadratic_fit(Moments(*(np.broadcast_to(part, (len(part), width)) for part in sums)), 0).adjusted


@dataclass(frozen=True, eq=False)
class _Published:
    """Plain columns, from which what is given is removed inside each neighbourhood (paper)."""

    columns: Columns
    of: Integers  # which queries
    known: Mask
    rows: Integers

    def efficiencies(self) -> Floats:
        return self._adjusted(self.columns.queries[:, self.of], self.known)

    def replicates(self, n: int, kinds: Kinds, rng: np.random.Generator) -> Floats:
        found = np.empty((len(kinds.labels), len(self.of), n))
        for i in range(n):
            order = rng.permutation(np.flatnonzero(self.known))
            permuted = np.zeros((len(self.known), len(self.of)))
            permuted[self.known] = self.columns.queries[order[:, None], self.of]
            found[:, :, i] = _means(self._adjusted(permuted, self.known), kinds)
        return found

    def halves(self, n: int, kinds: Kinds, rng: np.random.Generator) -> Floats:
        found = np.empty((len(kinds.labels), len(self.of), n))
        for i in range(n):
            known = np.zeros_like(self.known)
            known[self.known] = _half(int(self.known.sum()), rng) > 0
            found[:, :, i] = _means(self._adjusted(self.columns.queries[:, self.of], known), kinds)
        return found

    def _adjusted(self, queries: Floats, known: Mask) -> Floats:
        values = np.concatenate([self.columns.target[:, None], queries], axis=1)

        def block(index: Integers, _: int) -> Floats:
            m, q, taking_part, n_removed = local_residuals(values, self.columns, known, index)
            return quadratic_fit(moments_of_residuals(m, q, taking_part), n_removed[:, None]).adjusted

        return np.concatenate(in_blocks(self.rows, block))


def _half(n: int, rng: np.random.Generator) -> Floats:
    """1 for a random half of `n` galaxies, 0 for the others."""
    half = np.zeros(n)
    half[rng.permutation(n)[: n // 2]] = 1.0
    return half


def _means(values: Floats, kinds: Kinds) -> Floats:
    """Means of [n_query, c] over the neighbourhoods of each kind in which it is defined; NaN where it is in none."""
    defined = np.isfinite(values)
    filled = np.where(defined, values, 0.0)
    members = kinds.members.astype(float)
    count = members @ defined
    return np.where(count > 0, members @ filled / np.maximum(count, 1), np.nan)
