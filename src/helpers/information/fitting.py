"""Fitting the networks of information estimates by cross-entropy (paper)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..contrastive.config import learning_rate
from ..contrastive.data import Waiting, batches
from ..contrastive.networks import copy_weights
from .config import InformationConfig
from .networks import Ensemble
from .observations import Observations

__all__ = ["batch_rows", "fit_ensemble", "log_probabilities"]

BLOCK = 8192  # galaxies predicted at once, to bound the memory
IMAGE_BLOCK = 1024
N_VALIDATED = 4  # subsets that each validation galaxy is shown by an amortised network


def batch_rows(step: int, n_galaxies: int, batch_size: int, seed: int, member: int = 0) -> np.ndarray:
    """Places of one member's batch: a stretch of its epoch's permutation, by step, seed and member alone."""
    size = min(batch_size, n_galaxies)
    per_epoch = n_galaxies // size
    epoch, position = divmod(step, per_epoch)
    return _order(seed, epoch, member, n_galaxies)[position * size : (position + 1) * size]


@lru_cache(maxsize=32)
def _order(seed: int, epoch: int, member: int, n_galaxies: int) -> np.ndarray:
    """Galaxies in an epoch's order, drawn once for all its batches."""
    order = np.random.default_rng([seed, 1, epoch, member]).permutation(n_galaxies)
    order.flags.writeable = False
    return order


def fit_ensemble(
    fabric: Any,
    ensemble: Ensemble,
    data: Observations,
    training: Sequence[np.ndarray],
    validation: np.ndarray,
    config: InformationConfig,
    *,
    seed: int,
    name: str,
    strengths: Sequence[float] = (1.0,),
) -> dict[str, float]:
    """Train an ensemble in place by cross-entropy (paper), keeping its best validation step (ours).

    The step is chosen by the members' common prediction: what a single member gains may be less than what its
    own noise costs, and then it would stop at its start though all of them together know more. Images are rotated and
    flipped at random in training (paper).

    Parameters
    ----------
    fabric : lightning.fabric.Fabric
    ensemble : Ensemble
        Of networks to whose logits the base is added.
    data : Observations
    training : sequence of int arrays
        Rows of each member's training galaxies, repeats included.
    validation : int array
        Rows of the validation galaxies.
    config : InformationConfig
    seed : int
        Of the batches.
    name : str
        For messages.
    strengths : sequence of float, default (1,)
        Strengths to choose from at each validation.

    Returns
    -------
    dict
        ``best_step``, ``steps`` (both optimiser steps), ``validation_cross_entropy`` (nats, of the common
        prediction).

    Raises
    ------
    FloatingPointError
        If the validation cross-entropy stops being finite, with the step.
    """
    with_images = data.pictures is not None
    if with_images:
        ensemble.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(
        ensemble.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=fabric.device.type in ("cpu", "cuda"),
    )
    forward, optimizer = fabric.setup(ensemble, optimizer)
    shown = _validated_subsets(data, len(validation), seed)
    best = {"best_step": 0, "validation_cross_entropy": _validate(ensemble, data, validation, shown, strengths)}
    best_weights = copy_weights(ensemble)
    failures = step = 0
    sizes = [min(config.batch_size, len(rows)) for rows in training]
    # The sum over members of each one's mean: each gets the gradient that it would get alone.
    weights = torch.cat([torch.full((size,), 1 / size) for size in sizes]).to(fabric.device)

    def rows_of(step: int) -> np.ndarray:
        return np.concatenate(
            [rows[batch_rows(step, len(rows), config.batch_size, seed, member)] for member, rows in enumerate(training)]
        )

    fetched = batches(data.fetch, rows_of, 0, config.steps, Waiting(), ahead=data.streamed)
    with closing(fetched):
        for step, (rows, images) in enumerate(fetched, 1):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step - 1, config)
            subset, views = _draws(data, len(rows), seed, step - 1)
            main, extra, base, label = data.batch(rows, images, subset=subset, views=views)
            losses = F.cross_entropy(forward(main, extra, sizes).float() + base, label, reduction="none")
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(losses @ weights)
            if config.largest_gradient:
                fabric.clip_gradients(forward, optimizer, max_norm=config.largest_gradient, error_if_nonfinite=False)
            optimizer.step()
            if step % config.evaluate_every and step < config.steps:
                continue
            cross_entropy = _validate(ensemble, data, validation, shown, strengths)
            if not np.isfinite(cross_entropy):
                raise FloatingPointError(
                    f"information network of {name}: not finite at step {step}; lower learning_rate"
                )
            failures += 1
            if cross_entropy < best["validation_cross_entropy"] or config.keep == "last":
                best = {"best_step": step, "validation_cross_entropy": cross_entropy}
                best_weights, failures = copy_weights(ensemble), 0
            if failures >= config.patience and config.keep == "best":
                break
    ensemble.load_state_dict(best_weights)
    return {**best, "steps": step}


def _draws(data: Observations, n_rows: int, seed: int, step: int) -> tuple[np.ndarray | None, np.ndarray | int]:
    """Draw subset and view of each row of a batch, as functions of seed and step alone."""
    subset = None
    if data.subsets is not None:
        subset = np.random.default_rng([seed, 2, step]).integers(len(data.subsets), size=n_rows)
    views: np.ndarray | int = 0
    if data.pictures is not None:
        views = np.random.default_rng([seed, 10, step]).integers(8, size=n_rows)
    return subset, views


def _validated_subsets(data: Observations, n_galaxies: int, seed: int) -> list[np.ndarray | None]:
    """Subsets to validate on: all for every galaxy or, where they are many, some for each."""
    if data.subsets is None:
        return [None]
    n_subsets = len(data.subsets)
    n_shown = min(n_subsets, N_VALIDATED)
    first = np.random.default_rng([seed, 11]).permutation(n_galaxies)
    # Evenly spread over subsets, and different for each galaxy.
    return [(first + i * n_subsets // n_shown) % n_subsets for i in range(n_shown)]


def _validate(
    ensemble: Ensemble,
    data: Observations,
    rows: np.ndarray,
    shown: Sequence[np.ndarray | None],
    strengths: Sequence[float],
) -> float:
    """Set the best of `strengths`; return the mean cross-entropy of the common prediction at it, nats."""
    losses = torch.zeros(len(strengths), dtype=torch.float64)
    ensemble.eval()
    for subset in shown:
        for mean, base, label in _forward(ensemble, data, rows, subset):
            for i, strength in enumerate(strengths):
                losses[i] += F.cross_entropy(strength * mean + base, label, reduction="sum").cpu()
    best = int(losses.argmin())
    ensemble.strength.fill_(strengths[best])
    ensemble.train()
    return float(losses[best]) / (len(rows) * len(shown))


@torch.no_grad()
def _forward(
    ensemble: Ensemble, data: Observations, rows: np.ndarray, subset: np.ndarray | int | None, orientations: int = 1
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the members' mean logits in float64, base and label, in blocks."""
    block = BLOCK if data.pictures is None else IMAGE_BLOCK
    for start in range(0, len(rows), block):
        part = rows[start : start + block]
        own = subset[start : start + block] if isinstance(subset, np.ndarray) else subset
        images = data.fetch(part)
        means: list[Tensor] = []
        for view in range(orientations):
            main, extra, base, label = data.batch(part, images, subset=own, views=view)
            means.append(ensemble.of_all(main, extra).double().mean(dim=0))
        yield torch.stack(means).mean(dim=0), base, label


def log_probabilities(
    ensemble: Ensemble, data: Observations, rows: np.ndarray, subset: int | None = None, *, orientations: int = 1
) -> np.ndarray:
    """Log-probability of every bin for some galaxies, by the members together.

    Parameters
    ----------
    ensemble : Ensemble
    data : Observations
    rows : int array [n]
    subset : int, optional
        The subset of inputs that is shown, where there are several.
    orientations : int, default 1
        Rotations and flips of the images over which logits are averaged.

    Returns
    -------
    float32 array [n, n_bins]
        Normalised in float64.
    """
    ensemble.eval()
    views = 1 if data.pictures is None else orientations
    blocks = [
        (ensemble.strength * mean + base).log_softmax(dim=1).float().cpu().numpy()
        for mean, base, _ in _forward(ensemble, data, rows, subset, views)
    ]
    return np.concatenate(blocks) if blocks else np.empty((0, data.base.shape[1]), dtype=np.float32)
