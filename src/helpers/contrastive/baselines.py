"""Mass distributions without a network: the bar that a trained one has to reach (ours).

Both see what the network sees, learn from the training split, and tune and calibrate on the validation split.
Differences of magnitudes are given to them outright: a network forms such sums in its first layer, while trees cut
along single columns and a distance weighs columns as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from scipy.special import ndtr

from ..bands import SURVEYS
from ..checks import is_whole
from ..inputs import INPUTS, ResolvedInput, parse, resolve
from ..progress import progress_bar
from .bins import MassBins
from .calibration import Calibration, calibrate
from .features import column_values, fit_scaling, scale_features
from .quality import cross_entropy

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["MassDensity", "boosting_density", "neighbour_density"]

FEWEST = {"train": 40, "validation": 10}
SMALLEST_SCALE = 1e-3  # dex
LEAST_PROBABILITY = 1e-12
SMOOTHING = 0.5  # pseudo-count of each bin of the prior
GRID = np.linspace(-10, 10, 1001)  # of a residual in units of its scale
WIDTHS = (0.1, 0.2, 0.3, 0.5, 0.7)  # of the kernel, in the same units
N_FOLDS = 5
MEAN_TREES: dict[str, Any] = {
    "loss": "squared_error",
    "learning_rate": 0.05,
    "max_leaf_nodes": 23,
    "min_samples_leaf": 20,
}
SCALE_TREES: dict[str, Any] = {
    "loss": "gamma",
    "learning_rate": 0.025,
    "max_leaf_nodes": 23,
    "min_samples_leaf": 40,
}
BOTH_TREES: dict[str, Any] = {"max_features": 0.4, "l2_regularization": 1.0, "early_stopping": False}
NEIGHBOURS = (25, 50, 100, 200, 400)
EXTRA_WEIGHT = 0.3  # of an extra column in the distance, beside 1 for a main one
RIDGE = 1.0


@dataclass(frozen=True)
class MassDensity:
    """Predicted mass distributions.

    Attributes
    ----------
    probability : float64 array [n_galaxies, n_bins]
        For every galaxy of the sample; rows sum to 1. For a training galaxy, what the others tell of it.
    calibration : Calibration
        Found on the validation split, and applied.
    settings : dict
        What was chosen on the validation split.
    """

    probability: np.ndarray
    calibration: Calibration
    settings: dict[str, float]


def boosting_density(
    sample: Sample, inputs: str | Sequence[str], bins: MassBins, *, seed: int = 0, n_trees: int = 500
) -> MassDensity:
    """Gradient boosting of the mean mass and of the size of its residual, with the residuals' own distribution.

    Trees learn the mean in five folds, as many trees as serve the galaxies left out best; other trees learn the mean
    absolute residual of those. The residuals in units of that scale, smoothed by a Gaussian, are taken for the shape of
    every galaxy's distribution.

    Parameters
    ----------
    sample : Sample
    inputs : str or sequence of str
        Without images.
    bins : MassBins
    seed : int, default 0
        Of the folds and the trees.
    n_trees : int, default 500
        Most trees for the mean; of those for the residual, two fifths as many.

    Returns
    -------
    MassDensity

    Raises
    ------
    ValueError
        If an input takes images or does not resolve, the seed is negative, `n_trees` is less than 5, or there are too
        few galaxies.
    """
    if not is_whole(seed) or seed < 0:
        raise ValueError(f"seed: found {seed!r}, expected a whole number, 0 or more")
    if not is_whole(n_trees) or n_trees < 5:
        raise ValueError(f"n_trees: found {n_trees!r}, expected a whole number, 5 or more")
    catalog, resolved, training = _prepare(sample, inputs)
    raw = np.column_stack([column_values(catalog, name) for name in resolved.columns])
    features = np.hstack([raw, _principal(_scaled(resolved, catalog, training, extra_weight=1.0), training)])
    centre, scale = _boosted(features, sample.mass, training, seed, n_trees, resolved.name)
    residual = np.sort((sample.mass[training] - centre[training]) / scale[training])

    def candidate(width: float, rows: np.ndarray) -> np.ndarray:
        return _on_bins(_smoothed(residual[None], width), centre[rows], scale[rows], bins)

    validation = sample.rows("validation")
    losses = {width: _loss(candidate(width, validation), bins, sample.mass[validation]) for width in WIDTHS}
    width = min(losses, key=losses.__getitem__)
    return _calibrated(candidate(width, np.arange(len(sample))), sample, bins, {"width": width})


def neighbour_density(sample: Sample, inputs: str | Sequence[str], bins: MassBins, *, seed: int = 0) -> MassDensity:
    """Masses of the k nearest training galaxies, shifted by a local linear fit and smoothed by a kernel.

    Distances are Euclidean in standardised columns; a null is the training mean with a flag. In each neighbourhood a
    ridge regression takes the trend of mass with the columns out, so that k may be large; its residuals, about the
    fitted mass, are the distribution. k and the width of the kernel are chosen on the validation split.

    Parameters
    ----------
    sample : Sample
    inputs : str or sequence of str
        Without images.
    bins : MassBins
    seed : int, default 0
        Without effect: nothing here is drawn. For one call with `boosting_density`.

    Returns
    -------
    MassDensity

    Raises
    ------
    ValueError
        If an input takes images or does not resolve, or there are too few galaxies.
    """
    catalog, resolved, training = _prepare(sample, inputs)
    # Turning the axes changes no distance, and drops the directions that colours repeat.
    vectors = _principal(_scaled(resolved, catalog, training, extra_weight=EXTRA_WEIGHT), training, whiten=False)
    masses, validation = sample.mass, sample.rows("validation")
    numbers = [k for k in NEIGHBOURS if k <= len(training) // 4] or [len(training) // 4]
    indices = _other_neighbours(vectors, training, validation, max(numbers))
    losses = {}
    for k in numbers:
        centre, scale, residual = _local(vectors, masses, validation, indices[:, :k])
        for width in WIDTHS:
            probability = _on_bins(_smoothed(residual, width), centre, scale, bins)
            losses[k, width] = _loss(probability, bins, masses[validation])
    k, width = min(losses, key=losses.__getitem__)
    blocks = []
    for rows in np.array_split(np.arange(len(sample)), len(sample) // 1000 + 1):
        near = _other_neighbours(vectors, training, rows, k)
        centre, scale, residual = _local(vectors, masses, rows, near)
        blocks.append(_on_bins(_smoothed(residual, width), centre, scale, bins))
    return _calibrated(np.concatenate(blocks), sample, bins, {"k": k, "width": width})


def _prepare(sample: Sample, inputs: str | Sequence[str]) -> tuple[pd.DataFrame, ResolvedInput, np.ndarray]:
    """Catalogue with the differences of main magnitudes, the input with them as main, and the training rows."""
    pictured = [name for name in parse(inputs) if isinstance(inputs, str) and INPUTS[name].images]
    if pictured:
        raise ValueError(f"inputs: {pictured[0]!r} takes images, expected catalogue columns alone")
    found = {part: len(sample.rows(part)) for part in FEWEST}
    if any(found[part] < fewest for part, fewest in FEWEST.items()):
        raise ValueError(
            f"sample: found {found['train']} training and {found['validation']} validation galaxies, "
            f"expected at least {FEWEST['train']} and {FEWEST['validation']}"
        )
    resolved, training = resolve(inputs, sample.catalog, target=sample.target), sample.rows("train")
    known = {column for survey in SURVEYS.values() for column in survey.magnitudes}
    values = {name: column_values(sample.catalog, name) for name in resolved.main if name in known}
    colours = {f"{a} - {b}": values[a] - values[b] for a, b in combinations(values, 2)}
    catalog = sample.catalog.assign(**colours)
    # A colour may be null or the same in all of training though its magnitudes are not.
    told = [name for name in colours if catalog[name].iloc[training].min() < catalog[name].iloc[training].max()]
    return catalog, replace(resolved, main=resolved.main + tuple(told)), training


def _scaled(resolved: ResolvedInput, catalog: pd.DataFrame, training: np.ndarray, *, extra_weight: float) -> np.ndarray:
    features = scale_features(fit_scaling(resolved, catalog.iloc[training]), catalog)
    return np.hstack([features.main, extra_weight * features.extra]).astype(np.float64)


def _principal(vectors: np.ndarray, training: np.ndarray, *, whiten: bool = True) -> np.ndarray:
    """Coordinates along the principal axes of the training galaxies, without those along which nothing varies."""
    centred = vectors - vectors[training].mean(axis=0)
    _, spread, axes = np.linalg.svd(centred[training], full_matrices=False)
    kept = spread > 1e-5 * spread[0]  # float32 columns
    turned = centred @ axes[kept].T
    return turned / (spread[kept] / np.sqrt(len(training))) if whiten else turned


def _boosted(
    features: np.ndarray, mass: np.ndarray, training: np.ndarray, seed: int, n_trees: int, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and mean absolute residual of every galaxy, each by trees that did not see it."""
    with progress_bar(2 * N_FOLDS, f"gradient boosting of {name}") as bar:
        centre = _out_of_fold(features, mass, training, seed, MEAN_TREES | {"max_iter": n_trees}, bar)
        # The gamma deviance makes this the maximum-likelihood scale of a Laplace distribution.
        size = np.maximum(np.abs(mass - centre), SMALLEST_SCALE)
        scale = _out_of_fold(features, size, training, seed, SCALE_TREES | {"max_iter": 2 * n_trees // 5}, bar)
    return centre, np.maximum(scale, SMALLEST_SCALE)


def _out_of_fold(
    features: np.ndarray, target: np.ndarray, training: np.ndarray, seed: int, options: dict[str, Any], bar: Any
) -> np.ndarray:
    """Prediction for each galaxy by trees of the folds without it: one fold in training, elsewhere the mean of all.

    The number of trees is the one that is best for the training galaxies left out.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.model_selection import KFold

    others = np.setdiff1d(np.arange(len(target)), training)
    staged = np.zeros((options["max_iter"], len(target)), dtype=np.float32)
    for seen, unseen in KFold(N_FOLDS, shuffle=True, random_state=seed).split(training):
        trees = HistGradientBoostingRegressor(**options, **BOTH_TREES, random_state=seed)
        trees.fit(features[training[seen]], target[training[seen]])
        rows = np.concatenate([training[unseen], others])
        weight = np.where(np.arange(len(rows)) < len(unseen), 1.0, 1 / N_FOLDS)
        for stage, predicted in enumerate(trees.staged_predict(features[rows])):
            staged[stage, rows] += weight * predicted
        bar.update()
    predicted, true = staged[:, training], target[training]
    gamma = options["loss"] == "gamma"
    # The absolute error: squares would let a few failed measurements choose.
    loss = np.log(predicted) + true / predicted if gamma else np.abs(predicted - true)
    return staged[loss.mean(axis=1).argmin()].astype(np.float64)


def _other_neighbours(vectors: np.ndarray, training: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Rows of the k nearest training galaxies of each of `rows`, nearest first, itself left out [n_rows, k]."""
    _, near = cKDTree(vectors[training]).query(vectors[rows], k + 1)
    near = training[near]
    itself = near == rows[:, None]
    # Where a galaxy is not among its neighbours, as outside training, the farthest goes.
    itself[~itself.any(axis=1), -1] = True
    return near[~itself].reshape(len(rows), k)


def _local(
    vectors: np.ndarray, mass: np.ndarray, rows: np.ndarray, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fitted mass [n_rows], scale of the residuals [n_rows], and these in units of it, sorted [n_rows, k]."""
    centre, scale, residual = [], [], []
    for part in np.array_split(np.arange(len(rows)), len(rows) // 250 + 1):
        offset = vectors[near[part]] - vectors[rows[part], None]
        own = mass[near[part]]
        offset_mean, own_mean = offset.mean(axis=1, keepdims=True), own.mean(axis=1, keepdims=True)
        offset, own = offset - offset_mean, own - own_mean
        gram = np.einsum("nki,nkj->nij", offset, offset, optimize=True)
        damped = gram + RIDGE * np.eye(gram.shape[-1])
        slope = np.linalg.solve(damped, np.einsum("nki,nk->ni", offset, own)[..., None])
        left = own - (offset @ slope)[..., 0]
        # Effective number of fitted parameters: the fit has taken that much from the residuals.
        fitted = 1 + np.trace(np.linalg.solve(damped, gram), axis1=1, axis2=2)
        left *= np.sqrt(own.shape[1] / np.maximum(own.shape[1] - fitted, 1))[:, None]
        centre.append(own_mean[:, 0] - (offset_mean @ slope)[:, 0, 0])
        low, high = np.percentile(left, [16, 84], axis=1)
        scale.append(np.maximum((high - low) / 2, SMALLEST_SCALE))
        residual.append(np.sort(left, axis=1) / scale[-1][:, None])
    return np.concatenate(centre), np.concatenate(scale), np.concatenate(residual)


def _smoothed(residual: np.ndarray, width: float) -> np.ndarray:
    """Distribution function on `GRID` of residuals smoothed by a Gaussian of this width [n, n_grid]."""
    step = GRID[1] - GRID[0]
    place = np.clip((residual - GRID[0]) / step, 0, len(GRID) - 1)
    cell = np.rint(place).astype(np.int64) + len(GRID) * np.arange(len(residual))[:, None]
    count = np.bincount(cell.ravel(), minlength=len(residual) * len(GRID)).reshape(len(residual), len(GRID))
    return (count / residual.shape[1]) @ ndtr((GRID[None] - GRID[:, None]) / width)


def _on_bins(cumulative: np.ndarray, centre: np.ndarray, scale: np.ndarray, bins: MassBins) -> np.ndarray:
    """Probability of each bin [n, n_bins], the first and last holding what lies beyond.

    `cumulative` [n or 1, n_grid] is the distribution function on `GRID` of (mass - centre) / scale.
    """
    place = (bins.edges[None] - centre[:, None]) / scale[:, None]
    place = np.clip((place - GRID[0]) / (GRID[1] - GRID[0]), 0, len(GRID) - 1)
    cell = np.minimum(place.astype(np.int64), len(GRID) - 2)
    rows = np.arange(len(centre))[:, None] if len(cumulative) > 1 else np.zeros((1, 1), dtype=np.int64)
    below, above = cumulative[rows, cell], cumulative[rows, cell + 1]
    at_edges = below + (place - cell) * (above - below)
    at_edges[:, 0], at_edges[:, -1] = 0, 1
    probability = np.maximum(np.diff(at_edges, axis=1), LEAST_PROBABILITY)
    return probability / probability.sum(axis=1, keepdims=True)


def _loss(probability: np.ndarray, bins: MassBins, mass: np.ndarray) -> float:
    return float(cross_entropy(probability, bins, mass).mean())


def _calibrated(probability: np.ndarray, sample: Sample, bins: MassBins, settings: dict[str, float]) -> MassDensity:
    prior, validation = bins.prior(sample.mass[sample.rows("train")], SMOOTHING), sample.rows("validation")
    logarithm = np.log(probability)
    calibration = calibrate(logarithm[validation], bins.labels(sample.mass[validation]), prior)
    calibrated = np.exp(calibration.apply(logarithm, prior).astype(np.float64))
    return MassDensity(calibrated / calibrated.sum(axis=1, keepdims=True), calibration, settings)
