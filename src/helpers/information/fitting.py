"""Fitting the networks of information estimates by cross-entropy (paper)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_positive, check_widths
from ..contrastive.networks import InformationNetwork, VectorEncoder, copy_weights, mass_estimator

__all__ = [
    "Ensemble",
    "InformationConfig",
    "LabelledInputs",
    "fit_ensemble",
    "information_network",
    "log_probabilities",
]


@dataclass(frozen=True)
class InformationConfig:
    """Settings of information estimates; a profile fills them.

    Attributes
    ----------
    encoder_hidden, estimator_hidden : tuple of int
        Hidden widths.
    n_shared : int
        Width of the layer between encoder and estimator.
    steps : int
        Most optimiser steps of one network.
    batch_size : int
    learning_rate : float
        Of AdamW, until `decay_at`.
    decay_at, decay_factor : float
        The fraction of the steps after which the rate is multiplied by the factor, once.
    weight_decay : float
        Of AdamW; 0 makes it Adam (paper).
    evaluate_every : int
        Steps between validations.
    patience : int
        Validations without a new best cross-entropy after which training stops.
    keep : str
        ``"best"``: the step with the lowest validation cross-entropy, step 0 included (ours); ``"last"``
        (paper).
    n_folds : int
        Networks of a nested estimate: one for each fold of a part's out-of-fold logits, and as many
        corrections.
    n_bins : int
        Mass bins on [6, 12.5] dex; 0 takes `helpers.contrastive.default_n_bins`.
    smoothing : float
        Pseudo-count of each bin of the prior.
    standardise : bool
        Ours; the published models read magnitudes as they are.
    resample : bool
        Whether, with several seeds, each trains on its own bootstrap sample of the training split (ours).
    calibrate : bool
        Whether predictions are calibrated on the validation split (ours).
    precision : str
        Of Lightning Fabric.
    """

    encoder_hidden: tuple[int, ...] = (128, 128)
    estimator_hidden: tuple[int, ...] = (128,)
    n_shared: int = 8
    steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 2e-3
    decay_at: float = 0.6
    decay_factor: float = 0.2
    weight_decay: float = 0.01
    evaluate_every: int = 50
    patience: int = 10
    keep: str = "best"
    n_folds: int = 4
    n_bins: int = 0
    smoothing: float = 0.5
    standardise: bool = True
    resample: bool = True
    calibrate: bool = True
    precision: str = "32-true"

    def __post_init__(self) -> None:
        """Refuse values that make no training."""
        check_positive(self, ("n_shared", "steps", "batch_size", "evaluate_every", "patience", "n_folds"))
        check_widths(self, ("encoder_hidden", "estimator_hidden"))
        self._check("keep", self.keep in ("best", "last"), "'best' or 'last'")
        self._check("n_folds", self.n_folds >= 2, "2 or more")
        self._check("n_bins", type(self.n_bins) is int and (self.n_bins == 0 or self.n_bins >= 2), "0, or 2 or more")
        # Training starts from the prior's logarithm, and a held-out galaxy may fall in any bin.
        self._check("smoothing", 0 < self.smoothing < np.inf, "a pseudo-count above 0")
        self._check("learning_rate", 0 < self.learning_rate < np.inf, "a positive number")
        self._check("weight_decay", 0 <= self.weight_decay < np.inf, "0 or a positive number")
        self._check("decay_at", 0 <= self.decay_at <= 1, "a fraction from 0 to 1")
        self._check("decay_factor", 0 < self.decay_factor < np.inf, "a positive number")

    def _check(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ValueError(f"InformationConfig.{name}: found {getattr(self, name)!r}, expected {expected}")


def information_network(
    n_main: int, n_extra: int, n_bins: int, config: InformationConfig, *, zero_start: bool = False
) -> nn.Module:
    """Network from an input to logits over mass bins, without ext and without a decoder (paper).

    Parameters
    ----------
    n_main, n_extra : int
        Numbers of main and extra inputs.
    n_bins : int
    config : InformationConfig
    zero_start : bool, default False
        Whether the last layer starts at zero, so that the untrained network changes nothing it is added to
        (ours).
    """
    network = InformationNetwork(
        VectorEncoder(n_main, n_extra, config.encoder_hidden, config.n_shared),
        mass_estimator(config.n_shared, config.estimator_hidden, n_bins),
    )
    if zero_start:
        last = network.estimator[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return network


@dataclass(frozen=True)
class LabelledInputs:
    """Inputs of galaxies, the logits a network's are added to, and the bins to predict.

    Attributes
    ----------
    main : float32 Tensor [n_galaxies, n_main]
    extra : float32 Tensor [n_galaxies, n_extra]
    base : float32 Tensor [n_galaxies, n_bins] or [1, n_bins]
        Log-probabilities known beforehand; zeros where nothing is.
    label : int64 Tensor [n_galaxies]
    masks : float32 Tensor [n_subsets, n_main + n_extra], optional
        For the amortised estimator: which inputs each subset keeps. A batch draws a subset for each galaxy.
    """

    main: Tensor
    extra: Tensor
    base: Tensor
    label: Tensor
    masks: Tensor | None = None

    @classmethod
    def of(
        cls, main: np.ndarray, extra: np.ndarray, base: np.ndarray, label: np.ndarray, device: torch.device
    ) -> LabelledInputs:
        """From numpy arrays, on a device."""
        arrays = (
            main.astype(np.float32),
            extra.astype(np.float32),
            base.astype(np.float32),
            label.astype(np.int64),
        )
        return cls(*(torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in arrays))

    def base_of(self, rows: Tensor) -> Tensor:
        """Select base logits of some galaxies, [n_rows, n_bins] or [1, n_bins]."""
        return self.base if len(self.base) == 1 else self.base[rows]

    def batch(self, rows: Tensor, subset: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Select main and extra of some galaxies, with what each one's subset leaves out set to zero."""
        main, extra = self.main[rows], self.extra[rows]
        if self.masks is None or subset is None:
            return main, extra
        mask, n_main = self.masks[subset], main.shape[1]
        # What is hidden becomes the training mean, and the mask says that it is hidden.
        hidden = torch.cat([extra * mask[:, n_main:], mask], dim=1)
        return main * mask[:, :n_main], hidden


def batch_rows(step: int, n_galaxies: int, batch_size: int, seed: int, member: int = 0) -> np.ndarray:
    """Rows of one member's batch: a stretch of its epoch's permutation, by step, seed and member alone."""
    size = min(batch_size, n_galaxies)
    per_epoch = n_galaxies // size
    epoch, position = divmod(step, per_epoch)
    order = np.random.default_rng([seed, 1, epoch, member]).permutation(n_galaxies)
    return order[position * size : (position + 1) * size]


class Ensemble(nn.Module):
    """Networks that train side by side and predict together: a base plus `strength` times their mean logits.

    A strength below 1 keeps what the networks learned about the base's errors and shrinks what they made up.
    """

    strength: Tensor

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("strength", torch.tensor(1.0, dtype=torch.float64))

    def forward(self, inputs: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """Logits [batch, n_bins] of each member for its own (main, extra)."""
        return [member(*own) for member, own in zip(self.members, inputs, strict=True)]


def fit_ensemble(
    fabric: Any,
    ensemble: Ensemble,
    training: Sequence[LabelledInputs],
    validation: LabelledInputs,
    config: InformationConfig,
    *,
    seed: int,
    name: str,
    strengths: Sequence[float] = (1.0,),
) -> dict[str, float]:
    """Train an ensemble in place by cross-entropy (paper), keeping its best validation step (ours).

    The step is chosen by the members' common prediction: what a single member gains may be less than what its
    own noise costs, and then it would stop at its start though all of them together know more.

    Parameters
    ----------
    fabric : lightning.fabric.Fabric
    ensemble : Ensemble
        Of networks from (main, extra) to logits, to which the base is added.
    training : sequence of LabelledInputs
        Of each member.
    validation : LabelledInputs
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
    optimizer = torch.optim.AdamW(ensemble.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    forward, optimizer = fabric.setup(ensemble, optimizer)
    best = {"best_step": 0, "validation_cross_entropy": _validate(ensemble, validation, strengths)}
    best_weights = copy_weights(ensemble)
    step = failures = 0
    while step < config.steps and (failures < config.patience or config.keep == "last"):
        rate = config.learning_rate * (config.decay_factor if step >= config.decay_at * config.steps else 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        rows = [
            torch.from_numpy(batch_rows(step, len(data.label), config.batch_size, seed, member)).to(fabric.device)
            for member, data in enumerate(training)
        ]
        inputs = [
            data.batch(own, _draw_subsets(data.masks, len(own), seed, step))
            for data, own in zip(training, rows, strict=True)
        ]
        # The sum over members: each gets the gradient that it would get alone.
        losses = [
            F.cross_entropy(logits.float() + data.base_of(own), data.label[own])
            for logits, data, own in zip(forward(inputs), training, rows, strict=True)
        ]
        optimizer.zero_grad(set_to_none=True)
        fabric.backward(torch.stack(losses).sum())
        optimizer.step()
        step += 1

        if step % config.evaluate_every == 0 or step == config.steps:
            cross_entropy = _validate(ensemble, validation, strengths)
            if not np.isfinite(cross_entropy):
                raise FloatingPointError(
                    f"information network of {name}: not finite at step {step}; lower learning_rate"
                )
            failures += 1
            if cross_entropy < best["validation_cross_entropy"] or config.keep == "last":
                best = {"best_step": step, "validation_cross_entropy": cross_entropy}
                best_weights, failures = copy_weights(ensemble), 0
    ensemble.load_state_dict(best_weights)
    return {**best, "steps": step}


def _draw_subsets(masks: Tensor | None, n_rows: int, seed: int, step: int) -> Tensor | None:
    """Draw a subset for each row of a batch, as a function of seed and step alone."""
    if masks is None:
        return None
    return torch.from_numpy(np.random.default_rng([seed, 2, step]).integers(len(masks), size=n_rows)).to(masks.device)


def _validate(ensemble: Ensemble, data: LabelledInputs, strengths: Sequence[float]) -> float:
    """Set the best of `strengths`; return the mean cross-entropy of the common prediction at it, nats.

    Where there are masks, over all subsets.
    """
    subsets = [None] if data.masks is None else list(range(len(data.masks)))
    losses = torch.zeros(len(strengths), dtype=torch.float64)
    ensemble.eval()
    with torch.no_grad():
        for subset in subsets:
            for mean, rows in _forward(ensemble, data, subset):
                for i, strength in enumerate(strengths):
                    logits = strength * mean + data.base_of(rows)
                    losses[i] += F.cross_entropy(logits, data.label[rows], reduction="sum").cpu()
        best = int(losses.argmin())
        ensemble.strength.fill_(strengths[best])
    ensemble.train()
    return float(losses[best]) / (len(data.label) * len(subsets))


def _forward(
    ensemble: Ensemble, data: LabelledInputs, subset: int | None, block: int = 8192
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the members' mean logits in float64, and rows; in blocks, to bound the memory."""
    for start in range(0, len(data.label), block):
        rows = torch.arange(start, min(start + block, len(data.label)), device=data.label.device)
        inputs = data.batch(rows, None if subset is None else torch.full_like(rows, subset))
        yield (
            torch.stack([logits.double() for logits in ensemble([inputs] * len(ensemble.members))]).mean(dim=0),
            rows,
        )


def log_probabilities(ensemble: Ensemble, data: LabelledInputs, subset: int | None = None) -> np.ndarray:
    """Log-probability of every bin for every galaxy, by the members together.

    Parameters
    ----------
    ensemble : Ensemble
    data : LabelledInputs
    subset : int, optional
        With masks: the subset of inputs that is shown.

    Returns
    -------
    float32 array [n_galaxies, n_bins]
        Normalised in float64.
    """
    ensemble.eval()
    with torch.no_grad():
        blocks = [
            (ensemble.strength * mean + data.base_of(rows)).log_softmax(dim=1).float().cpu().numpy()
            for mean, rows in _forward(ensemble, data, subset)
        ]
    return np.concatenate(blocks)
