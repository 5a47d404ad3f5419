"""What S says about any column, by kernel regression with a learned metric; and what it leaves, each galaxy held out.

A test of independence given S stands on the residuals of target and query. An error that both regressions share looks
like a dependence, so the regression must follow what depends on S, in sixteen dimensions as in two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import block_diag
from threadpoolctl import threadpool_limits

from .reference import LEAST_GALAXIES, Floats, check_columns

__all__ = ["Smoother", "cross_fitted_residuals", "fit_smoothers"]

# Points whose kernels span the smooth functions.
N_LANDMARKS = 300
# Galaxies from which metric, width and penalty are chosen; the fit is to all.
_MOST_CHOOSING = 5_000
# Widths of the kernel, in typical distances, and penalties to choose from.
_WIDTHS = (0.5, 1.0, 2.0, 4.0)
_PENALTIES = np.logspace(-4, 4, 17)
# Least part of the metric that a direction keeps, whatever the gradient says.
_METRIC_FLOOR = 1e-3
# An improvement of the prediction error below this is no reason for another metric; nor are more steps than these.
_WORTHWHILE = 1e-3
_MOST_STEPS = 3


@dataclass(frozen=True, eq=False)
class Smoother:
    """Ridge regression on smooth functions of S, a linear map of any column to its prediction (ours).

    Attributes
    ----------
    basis : ndarray of float, [n, n_functions]
        Orthonormal columns without mean.
    kept : ndarray of float, [n_functions]
        Share of each that the penalty lets through.
    leverage : ndarray of float, [n]
        How much a galaxy's own value enters its prediction.
    """

    basis: Floats
    kept: Floats
    leverage: Floats

    def residual(self, values: Floats) -> Floats:
        """Difference from the prediction of coefficients that were fitted without the galaxy itself; [n] or [n, c]."""
        centred = values - values.mean(axis=0)
        shape = (-1,) + (1,) * (values.ndim - 1)
        fitted = self.basis @ (self.kept.reshape(shape) * (self.basis.T @ centred))
        return (centred - fitted) / (1.0 - self.leverage.reshape(shape))


@dataclass(frozen=True, eq=False)
class _Kernel:
    """A way to make smooth functions: Gaussian bumps at landmarks, in a metric, and the coordinates themselves."""

    metric: Floats  # [n_dimensions, rank]; distances are between points @ metric
    landmarks: Floats  # [n_landmarks, n_dimensions]
    width: float
    mixing: Floats  # [n_landmarks, n_bumps], makes the bumps orthonormal functions of the kernel's space

    @classmethod
    def make(cls, landmarks: Floats, metric: Floats, relative_width: float) -> _Kernel:
        centres = landmarks @ metric
        squared = _squared_distance(centres, centres)
        # Landmarks in one place have no distance: a typical one is that of the others.
        apart = squared[squared > 1e-12 * squared.max()]
        width = relative_width * float(np.sqrt(np.median(apart))) if apart.size else 1.0
        values, vectors = np.linalg.eigh(np.exp(-squared / (2 * width**2)))
        kept = values > 1e-7 * values[-1]
        return cls(metric, landmarks, width, vectors[:, kept] / np.sqrt(values[kept]))

    def bumps(self, points: Floats) -> Floats:
        """Values [n, n_landmarks] of the bumps."""
        squared = _squared_distance(points @ self.metric, self.landmarks @ self.metric)
        return np.exp(squared / (-2 * self.width**2))

    def terms(self, points: Floats) -> Floats:
        """Bumps and coordinates [n, n_terms], of which `mixture` makes the smooth functions."""
        return np.concatenate([self.bumps(points), points @ self.metric], axis=1)

    def mixture(self) -> Floats:
        """Orthonormal bumps, and the coordinates as they are: [n_terms, n_functions]."""
        return block_diag(self.mixing, np.eye(self.metric.shape[1]))

    def steepness(self, points: Floats, weights: Floats) -> Floats:
        """Sum over points and functions of gradient x gradient, [n_dimensions, n_dimensions].

        ``weights`` [n_terms, n_functions] are those of the terms in each function.
        """
        n_bumps = len(self.landmarks)
        bumps, at, centres = self.bumps(points), points @ self.metric, self.landmarks @ self.metric
        total = np.zeros((self.metric.shape[1],) * 2)
        for column in weights.T:
            pull = bumps @ (column[:n_bumps, None] * centres) - (bumps @ column[:n_bumps])[:, None] * at
            gradient = pull / self.width**2 + column[n_bumps:]
            total += gradient.T @ gradient
        return self.metric @ total @ self.metric.T


@dataclass(frozen=True, eq=False)
class _Choice:
    """The best kernel and penalty found for one column, and its error."""

    error: float
    kernel: _Kernel
    penalty: float
    weights: Floats  # of the kernel's terms


def cross_fitted_residuals(
    values: ArrayLike,
    latent: ArrayLike,
    given: ArrayLike | None = None,
    *,
    learn_metric: bool = True,
    seed: int = 0,
) -> Floats:
    """Subtract from each column what S, and other variables, say of it: E[values | latent, given] (ours).

    The expectation is a ridge regression on Gaussian kernels at 300 landmarks and on the coordinates. Width and penalty
    are those of least generalised cross-validation. With ``learn_metric`` distances are measured in a metric in which
    the directions along which the fit changes count most (Radhakrishnan et al. 2024), so that sixteen dimensions of
    which few matter cost no more than those few. The prediction for a galaxy has the coefficients of a fit without it,
    by the exact formula for ridge regression; only landmarks, metric, width and penalty have seen all galaxies.

    Parameters
    ----------
    values : array_like, [n] or [n, n_columns]
        NaN or infinite values count as unknown.
    latent : array_like, [n] or [n, n_latent]
    given : array_like, [n] or [n, n_given], optional
    learn_metric : bool, default True
    seed : int, default 0
        Seed of the choice of landmarks.

    Returns
    -------
    ndarray of float, of the shape of ``values``
        NaN where the value, or one of latent and given, is unknown.

    Raises
    ------
    ValueError
        If lengths disagree, or a column is known for fewer than 20 galaxies.
    """
    n = len(np.asarray(values))
    columns = check_columns(np.zeros(n), values, given, latent)
    everything = np.concatenate([columns.latent, columns.given], axis=1)
    residuals = np.full(columns.queries.shape, np.nan)
    for j, known in enumerate(columns.known.T):
        if known.sum() < LEAST_GALAXIES:
            raise ValueError(
                f"values: found {int(known.sum())} galaxies that are known, expected at least {LEAST_GALAXIES}"
            )
        # One column at a time: each has functions of its own, 300 numbers for every galaxy.
        wanted = columns.queries[known, j]
        metric_of = ["own" if learn_metric else None]
        smoother = fit_smoothers(wanted[:, None], everything[known], metric_of=metric_of, seed=seed)[0]
        residuals[known, j] = smoother.residual(wanted)
    return residuals[:, 0] if np.ndim(values) == 1 else residuals


def fit_smoothers(values: Floats, points: Floats, *, metric_of: Sequence[str | None], seed: int) -> list[Smoother]:
    """Choose and fit a smoother for each column.

    Parameters
    ----------
    values : array [n, n_columns]
        Finite.
    points : array [n, n_dimensions]
        Finite.
    metric_of : sequence of str or None, [n_columns]
        Columns with the same word learn one metric together, in the directions along which any of them changes; those
        with None learn none.
    seed : int

    Returns
    -------
    list of Smoother
    """
    # Many small problems, for which several threads wait for one another longer than they work.
    with threadpool_limits(1, user_api="blas"):
        return _fit_smoothers(values, points, metric_of, np.random.default_rng(seed))


def _fit_smoothers(
    values: Floats, points: Floats, metric_of: Sequence[str | None], rng: np.random.Generator
) -> list[Smoother]:
    spread = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    chosen = rng.permutation(len(points))
    landmarks = points[chosen[: min(N_LANDMARKS, len(points) // 2)]]
    some = np.sort(chosen[:_MOST_CHOOSING])
    at, y = points[some], values[some] - values[some].mean(axis=0)
    choices = _choose(at, y, landmarks, np.eye(points.shape[1]), [None] * y.shape[1])
    for name in dict.fromkeys(metric_of):
        if name is not None:
            members = [j for j, other in enumerate(metric_of) if other == name]
            learned = _learn_metric(at, y[:, members], landmarks, [choices[j] for j in members])
            for j, choice in zip(members, learned, strict=True):
                choices[j] = choice
    made: dict[int, tuple[Floats, Floats]] = {}
    smoothers = []
    for choice in choices:
        key = id(choice.kernel)
        if key not in made:
            terms = choice.kernel.terms(points)
            mean, rotation, strength = _principal(terms, choice.kernel.mixture())
            made[key] = (terms - mean) @ rotation, strength
        basis, strength = made[key]
        kept = strength / (strength + choice.penalty)
        smoothers.append(Smoother(basis, kept, basis**2 @ kept + 1.0 / len(points)))
    return smoothers


def _learn_metric(points: Floats, values: Floats, landmarks: Floats, choices: Sequence[_Choice]) -> Sequence[_Choice]:
    """Stretch the directions along which the fits change, fit again, and stop when it does not improve."""
    tiny = np.finfo(float).tiny
    variance = np.maximum(values.var(axis=0), tiny)
    for _ in range(_MOST_STEPS):
        kernels = {id(choice.kernel): choice.kernel for choice in choices}
        total = np.zeros((points.shape[1],) * 2)
        for key, kernel in kernels.items():
            of_kernel = [j for j, choice in enumerate(choices) if id(choice.kernel) == key]
            weights = np.column_stack([choices[j].weights / np.sqrt(variance[j]) for j in of_kernel])
            total += kernel.steepness(points, weights)
        strength, directions = np.linalg.eigh(total)
        if strength[-1] <= 0:
            break
        metric = directions * np.sqrt(np.maximum(strength, 0) / strength[-1] + _METRIC_FLOOR)
        better = _choose(points, values, landmarks, metric, choices)
        gain = 1 - np.mean([new.error / max(old.error, tiny) for new, old in zip(better, choices, strict=True)])
        choices = better
        if gain < _WORTHWHILE:
            break
    return choices


def _choose(
    points: Floats,
    values: Floats,
    landmarks: Floats,
    metric: Floats,
    choices: Sequence[_Choice | None],
) -> list[_Choice]:
    """Best of the choices and of this metric with all widths and penalties, by generalised cross-validation."""
    best = list(choices)
    n = len(points)
    total = np.einsum("nc,nc->c", values, values)
    for width in _WIDTHS:
        kernel = _Kernel.make(landmarks, metric, width)
        terms, mixture = kernel.terms(points), kernel.mixture()
        _, rotation, strength = _principal(terms, mixture)
        along = rotation.T @ (terms.T @ values)  # the values have no mean, so that of the terms does not matter
        kept = strength / (strength + _PENALTIES[:, None])  # [n_penalties, n_functions]
        left = total - (2 * kept - kept**2) @ along**2
        error = left / n / (1 - (kept.sum(axis=1, keepdims=True) + 1) / n) ** 2
        for j, row in enumerate(error.argmin(axis=0)):
            known = best[j]
            if known is None or error[row, j] < known.error:
                weights = rotation @ (kept[row] * along[:, j])  # of the terms
                best[j] = _Choice(float(error[row, j]), kernel, float(_PENALTIES[row]), weights)
    return [choice for choice in best if choice is not None]


def _principal(terms: Floats, mixture: Floats) -> tuple[Floats, Floats, Floats]:
    """Make orthonormal columns of the terms: their mean, the map from centred terms, the strength of each column.

    Works on products of the terms, one matrix product instead of three; what their rounding can disturb is far weaker
    than the least penalty.
    """
    mean = terms.mean(axis=0)
    square = terms.T @ terms
    product = mixture.T @ (square - len(terms) * np.outer(mean, mean)) @ mixture
    values, vectors = np.linalg.eigh(product)
    # Below the second bound it is the rounding of columns that are constant.
    kept = values > max(1e-9 * values[-1], 1e-11 * float(np.einsum("ij,ij->", mixture, square @ mixture)))
    return mean, mixture @ vectors[:, kept] / np.sqrt(values[kept]), values[kept]


def _squared_distance(a: Floats, b: Floats) -> Floats:
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * a @ b.T
    return np.maximum(squared, 0.0)
