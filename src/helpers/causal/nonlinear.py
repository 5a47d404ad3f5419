"""A test of dependence of many forms at given S, by random features: slower, and without a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .columns import scores_of_ranks
from .reference import LEAST_GALAXIES, Floats, check_columns, check_count
from .smoothing import fit_smoothers

__all__ = ["NonlinearTest", "nonlinear_test"]

# Share of a wave's scatter below which only what the penalty of the regression keeps back is left.
_LEAST_LEFT = 1e-4


@dataclass(frozen=True, eq=False)
class NonlinearTest:
    """Dependence of target and query at given S, of whatever form the waves can follow (ours).

    Attributes
    ----------
    statistic : float
        Mean squared correlation of the features of the target with those of the query, after S. Not negative.
    p_value : float
        (1 + number of null values not below the statistic) / (1 + number of replicates).
    null : ndarray of float, [n_replicates]
        The statistic where random signs made independence true.
    n_used : int
        Galaxies in the test.
    """

    statistic: float
    p_value: float
    null: Floats
    n_used: int


def nonlinear_test(
    target: ArrayLike,
    query: ArrayLike,
    latent: ArrayLike,
    given: ArrayLike | None = None,
    *,
    n_galaxies: int = 2000,
    n_features: int = 10,
    n_replicates: int = 199,
    seed: int = 0,
) -> NonlinearTest:
    """Test independence of target and query at given S against dependence of many forms (ours).

    Target and query are each replaced by random waves of their ranks, cos(w u + b), more of which can follow any smooth
    dependence (Strobl, Zhang & Visweswaran 2019 use them so). S and ``given`` are removed from every wave by
    `cross_fitted_residuals`. The statistic is what is left of the covariance between the two sets of waves; a replicate
    multiplies each galaxy's products by a random sign. It answers for the whole space at once: unlike `sample_test` it
    knows no neighbourhoods, and errors that both regressions share add up over the sample. So it is a second opinion,
    on a subsample.

    Parameters
    ----------
    target, query : array_like, [n]
    latent : array_like, [n] or [n, n_latent]
    given : array_like, [n] or [n, n_given], optional
    n_galaxies : int, default 2000
        Most galaxies to use, drawn at random from the complete ones.
    n_features : int, default 10
        Waves for each of target and query.
    n_replicates : int, default 199
    seed : int, default 0

    Returns
    -------
    NonlinearTest

    Raises
    ------
    ValueError
        If lengths disagree, numbers are too small, fewer than 20 galaxies are complete, or the target or the query does
        not vary, or not beyond S.
    """
    for name, value, least in (("n_features", n_features, 1), ("n_replicates", n_replicates, 1)):
        check_count(value, name, least)
    check_count(n_galaxies, "n_galaxies", LEAST_GALAXIES)
    if np.ndim(query) != 1:
        raise ValueError(f"query: found shape {np.shape(query)}, expected one value per galaxy")
    columns = check_columns(target, query, given, latent)
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.flatnonzero(columns.known[:, 0]))[:n_galaxies]
    if len(rows) < LEAST_GALAXIES:
        raise ValueError(f"query: found {len(rows)} galaxies with all values known, expected at least {LEAST_GALAXIES}")
    for name, values in (("target", columns.target[rows]), ("query", columns.queries[rows, 0])):
        if np.ptp(values) == 0:
            raise ValueError(
                f"{name}: found one value in all {len(rows)} galaxies used, expected a property that varies"
            )
    points = np.concatenate([columns.latent, columns.given], axis=1)[rows]
    waves = np.concatenate(
        [_waves(values[rows], n_features, rng) for values in (columns.target, columns.queries[:, 0])], axis=1
    )
    metric_of = ["target"] * n_features + ["query"] * n_features
    smoothers = fit_smoothers(waves, points, metric_of=metric_of, seed=seed)
    left = np.column_stack([s.residual(waves[:, j]) for j, s in enumerate(smoothers)])
    scatter = np.sqrt((left**2).mean(axis=0))
    if (scatter < _LEAST_LEFT * waves.std(axis=0)).any():
        raise ValueError("query or target: found a function of latent and given, expected one that S leaves open")
    left /= scatter
    products = (left[:, :n_features, None] * left[:, None, n_features:]).reshape(len(rows), -1)
    signs = rng.choice([-1.0, 1.0], size=(n_replicates, len(rows)))
    statistic = float((products.mean(axis=0) ** 2).mean())
    null = ((signs @ products / len(rows)) ** 2).mean(axis=1)
    return NonlinearTest(statistic, float((1 + np.sum(null >= statistic)) / (1 + n_replicates)), null, len(rows))


def _waves(values: Floats, n_features: int, rng: np.random.Generator) -> Floats:
    """Waves [n, n_features] of the normal scores of the ranks, of wavelengths around their deviation."""
    scores = scores_of_ranks(values)
    return np.cos(np.outer(scores, rng.normal(size=n_features)) + rng.uniform(0, 2 * np.pi, n_features))
