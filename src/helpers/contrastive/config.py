"""Settings of a contrastive training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..checks import check_positive, check_setting, check_widths

__all__ = ["PRECISIONS", "ContrastiveConfig", "learning_rate"]

# Weights stay float32: "true" half precision would lose the small steps of Adam.
PRECISIONS = ("auto", "32-true", "16-mixed", "bf16-mixed")


@dataclass(frozen=True)
class ContrastiveConfig:
    """Settings of a contrastive training; a profile fills them, for photometry and for images apart.

    Attributes
    ----------
    steps : int
        Optimiser steps.
    batch_size : int
        Galaxies in each of the two batches of a step, over all devices.
    accumulate : int
        Into how many parts a step's batches are cut, whose gradients are added up before the weights move. The
        contrast, which is no mean over galaxies, is then the mean of the parts' own.
    learning_rate : float
        Of Adam, at its largest.
    schedule : str
        ``"step"``: constant, then multiplied once (paper); ``"one-cycle"``: a linear rise, then half a cosine (ours).
    decay_at, decay_factor : float
        Of the step schedule: the fraction of the steps after which the rate is multiplied by the factor.
    warm_up : float
        Of the one-cycle schedule: the fraction of the steps during which the rate rises.
    weight_decay : float
        Decoupled from the gradient; 0 is plain Adam (paper).
    largest_gradient : float
        Norm to which a larger gradient is shortened (ours); 0 leaves all as they are (paper).
    objective : str
        ``"contrastive"``; or ``"supervised"``, which asks for the mass of x and nothing else: the plain training that
        contrastive learning is compared with.
    reconstruction_weight : float
        Weight of the reconstruction in the loss, lambda of the paper; for standardised inputs the error is in units of
        their variance.
    contrast_weight, consistency_weight : float
        1 (paper); 0 leaves a term out.
    n_bins : int
        Mass bins on [6, 12.5] dex; 0 takes 1.6 times the root of the number of training galaxies, down to a divisor of
        520 and at least 8 (ours).
    n_shared, n_ext : int
        Sizes of S and of ext.
    encoder, decoder : str
        Families of the image networks: ``"inception"`` (paper), ``"compact"`` or, for the encoder, ``"residual"``. Not
        used for photometry.
    encoder_hidden, decoder_hidden : tuple of int
        Hidden widths of the photometry networks. Not used for images.
    estimator_hidden : tuple of int
        Hidden widths of the estimator, which reads S.
    bin_pixels : int
        Images are summed over squares of so many pixels a side before a network reads them (ours); 1 leaves them.
    standardise : bool
        Columns are brought to mean 0 and variance 1, and stretched images divided by the standard deviation of each
        band (ours); the published models read magnitudes and stretched images as they are.
    whiten : bool
        Photometry is made uncorrelated, each combination of variance 1, before the encoder's first layer (ours). Not
        used for images.
    calibrate : bool
        Predicted distributions are calibrated on the validation split (ours): see `Calibration`.
    keep : str
        ``"best"``: the step with the lowest validation cross-entropy (ours); ``"last"`` (paper).
    patience : int
        Training stops after so many validations without a better one; 0 never stops early.
    evaluate_every, checkpoint_every : int
        Steps between validations, and between checkpoints.
    precision : str
        Of Lightning Fabric; ``"auto"`` takes bf16-mixed where the processor computes in it, else float32.
    image_memory : float
        Images of training and validation that together take up to so many GB stay on the device; more are read from
        where they lie, step by step.
    """

    steps: int = 3000
    batch_size: int = 128
    accumulate: int = 1
    learning_rate: float = 1e-3
    schedule: str = "step"
    decay_at: float = 1 / 3
    decay_factor: float = 0.2
    warm_up: float = 0.2
    weight_decay: float = 0.0
    largest_gradient: float = 0.0
    objective: str = "contrastive"
    reconstruction_weight: float = 1.0
    contrast_weight: float = 1.0
    consistency_weight: float = 1.0
    n_bins: int = 0
    n_shared: int = 8
    n_ext: int = 8
    encoder: str = "compact"
    decoder: str = "compact"
    encoder_hidden: tuple[int, ...] = (128, 128, 128)
    decoder_hidden: tuple[int, ...] = (128, 128)
    estimator_hidden: tuple[int, ...] = (128,)
    bin_pixels: int = 1
    standardise: bool = True
    whiten: bool = True
    calibrate: bool = True
    keep: str = "best"
    patience: int = 0
    evaluate_every: int = 100
    checkpoint_every: int = 300
    precision: str = "32-true"
    image_memory: float = 2.0

    def __post_init__(self) -> None:
        """Refuse values that make no training."""
        check_positive(
            self,
            ("steps", "batch_size", "accumulate", "n_shared", "n_ext", "bin_pixels")
            + ("evaluate_every", "checkpoint_every"),
        )
        check_widths(self, ("encoder_hidden", "decoder_hidden", "estimator_hidden"))
        check_setting(self, "keep", self.keep in ("best", "last"), "'best' or 'last'")
        check_setting(self, "schedule", self.schedule in ("step", "one-cycle"), "'step' or 'one-cycle'")
        check_setting(
            self, "objective", self.objective in ("contrastive", "supervised"), "'contrastive' or 'supervised'"
        )
        check_setting(self, "precision", self.precision in PRECISIONS, f"one of {', '.join(PRECISIONS)}")
        check_setting(self, "learning_rate", 0 < self.learning_rate < np.inf, "a positive number")
        check_setting(self, "decay_at", 0 <= self.decay_at <= 1, "a fraction from 0 to 1")
        check_setting(self, "decay_factor", 0 < self.decay_factor < np.inf, "a positive number")
        check_setting(self, "warm_up", 0 <= self.warm_up < 1, "a fraction from 0 to below 1")
        check_setting(self, "patience", self.patience >= 0, "0 or a positive whole number")
        check_setting(self, "accumulate", self.batch_size % self.accumulate == 0, "a divisor of batch_size")
        check_setting(self, "n_bins", self.n_bins == 0 or self.n_bins >= 2, "0, or 2 or more")
        weights = ("reconstruction_weight", "contrast_weight", "consistency_weight")
        for name in ("weight_decay", "largest_gradient", "image_memory", *weights):
            check_setting(self, name, 0 <= getattr(self, name) < np.inf, "0 or a positive number")


class Schedule(Protocol):
    """What `learning_rate` reads of settings."""

    @property
    def schedule(self) -> str: ...  # noqa: D102
    @property
    def steps(self) -> int: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def decay_at(self) -> float: ...  # noqa: D102
    @property
    def decay_factor(self) -> float: ...  # noqa: D102
    @property
    def warm_up(self) -> float: ...  # noqa: D102


def learning_rate(step: int, config: Schedule) -> float:
    """Learning rate of a step: constant, then divided once (paper); or one cycle (ours)."""
    if config.schedule == "step":
        return config.learning_rate * (config.decay_factor if step >= config.decay_at * config.steps else 1.0)
    done = (step + 1) / config.steps
    if done < config.warm_up:
        return config.learning_rate * done / config.warm_up
    falling = (done - config.warm_up) / (1 - config.warm_up)
    # The last step still moves: a rate of nothing would waste it.
    return config.learning_rate * float(max(0.5 * (1 + np.cos(np.pi * falling)), 1e-3))
