"""Settings of information estimates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks import check_positive, check_setting, check_widths

__all__ = ["InformationConfig"]


@dataclass(frozen=True)
class InformationConfig:
    """Settings of information estimates; a profile fills them, one set for columns and one for images.

    Attributes
    ----------
    encoder_hidden, estimator_hidden : tuple of int
        Hidden widths; where there are images, `encoder_hidden` is that of the columns beside them.
    n_shared : int
        Width of the layer between encoder and estimator.
    head : str
        What the estimator puts out: ``"categorical"``, a logit for each bin (paper), or ``"mixture"``, a mixture of
        Gaussians (ours).
    whiten : bool
        Whether columns are made uncorrelated first, as they are and as normal scores (ours).
    encoder : str
        Of images: ``"inception"`` (paper), ``"compact"`` or ``"residual"``.
    fusion : str
        How columns join images: ``"late"``, encoded by themselves and joined before the estimator (ours), or
        ``"first"``, added to the first layer's channels (paper).
    bin_pixels : int
        Pixels a side of an image that are summed into one (ours).
    orientations : int
        Rotations and flips, from 1 to 8, that a held-out image is predicted from; their logits are averaged (ours).
    steps : int
        Most optimiser steps of one network.
    batch_size : int
    learning_rate : float
        Of AdamW.
    warm_start_factor : float
        What the rate is multiplied by where a union's image encoder starts from a part's.
    schedule : str
        ``"step"``: constant until `decay_at`, then multiplied by `decay_factor` (paper); ``"one-cycle"``: up over
        `warm_up` of the steps, then down to nothing as a cosine (ours).
    decay_at, decay_factor, warm_up : float
    weight_decay : float
        Of AdamW; 0 makes it Adam (paper).
    largest_gradient : float
        Norm to which a longer gradient is shortened; 0 leaves it.
    evaluate_every : int
        Steps between validations.
    patience : int
        Validations without a new best cross-entropy after which training stops.
    keep : str
        ``"best"``: the step with the lowest validation cross-entropy, step 0 included (ours); ``"last"``
        (paper).
    n_folds : int
        Networks of a nested part: one for each fold of its out-of-fold logits.
    n_corrections : int
        Networks of a nested union, whose mean logits are the correction.
    n_bins : int
        Mass bins on [6, 12.5] dex; 0 takes 1.6 times the root of the number of training galaxies, down to a divisor of
        520 and at least 8 (ours).
    prior : str
        ``"histogram"`` of the training masses, or that spread by a Gaussian ``"kernel"`` of the width that predicts
        each of them best from the others (ours).
    smoothing : float
        Pseudo-count of each bin of the prior; the largest of those that the kernel's are chosen from.
    standardise : bool
        Ours; the published models read magnitudes as they are.
    resample : bool
        Whether, with several seeds, each trains on its own bootstrap sample of the training split (ours).
    calibrate : bool
        Whether predictions are calibrated on the validation split (ours).
    precision : str
        Of Lightning Fabric; ``"auto"`` takes what suits the device.
    image_memory : float
        Images of up to so many 10^9 bytes are kept on the device; more are read as they are needed.
    """

    encoder_hidden: tuple[int, ...] = (128, 128)
    estimator_hidden: tuple[int, ...] = (128,)
    n_shared: int = 8
    head: str = "mixture"
    whiten: bool = True
    encoder: str = "compact"
    fusion: str = "late"
    bin_pixels: int = 2
    orientations: int = 1
    steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 2e-3
    warm_start_factor: float = 0.3
    schedule: str = "step"
    decay_at: float = 0.6
    decay_factor: float = 0.2
    warm_up: float = 0.1
    weight_decay: float = 0.01
    largest_gradient: float = 0.0
    evaluate_every: int = 50
    patience: int = 10
    keep: str = "best"
    n_folds: int = 4
    n_corrections: int = 4
    n_bins: int = 0
    prior: str = "kernel"
    smoothing: float = 0.5
    standardise: bool = True
    resample: bool = True
    calibrate: bool = True
    precision: str = "32-true"
    image_memory: float = 8.0

    def __post_init__(self) -> None:
        """Refuse values that make no training."""
        check_positive(
            self,
            ("n_shared", "bin_pixels", "steps", "batch_size", "evaluate_every", "patience", "n_folds", "n_corrections"),
        )
        check_widths(self, ("encoder_hidden", "estimator_hidden"))
        check_setting(self, "keep", self.keep in ("best", "last"), "'best' or 'last'")
        check_setting(self, "head", self.head in ("mixture", "categorical"), "'mixture' or 'categorical'")
        check_setting(self, "fusion", self.fusion in ("late", "first"), "'late' or 'first'")
        check_setting(self, "schedule", self.schedule in ("step", "one-cycle"), "'step' or 'one-cycle'")
        check_setting(self, "prior", self.prior in ("kernel", "histogram"), "'kernel' or 'histogram'")
        check_setting(self, "orientations", 1 <= self.orientations <= 8, "from 1 to 8")
        check_setting(self, "n_folds", self.n_folds >= 2, "2 or more")
        check_setting(
            self, "n_bins", type(self.n_bins) is int and (self.n_bins == 0 or self.n_bins >= 2), "0, or 2 or more"
        )
        # Training starts from the prior's logarithm, and a held-out galaxy may fall in any bin.
        check_setting(self, "smoothing", 0 < self.smoothing < np.inf, "a pseudo-count above 0")
        check_setting(self, "learning_rate", 0 < self.learning_rate < np.inf, "a positive number")
        for name in ("weight_decay", "largest_gradient", "image_memory"):
            check_setting(self, name, 0 <= getattr(self, name) < np.inf, "0 or a positive number")
        check_setting(self, "decay_at", 0 <= self.decay_at <= 1, "a fraction from 0 to 1")
        check_setting(self, "warm_up", 0 <= self.warm_up < 1, "a fraction from 0 to below 1")
        for name in ("decay_factor", "warm_start_factor"):
            check_setting(self, name, 0 < getattr(self, name) < np.inf, "a positive number")
