"""Networks of information estimates: from columns, images or both to logits over mass bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..contrastive.image_networks import ENCODERS
from ..contrastive.networks import InformationNetwork, VectorEncoder, multilayer
from .config import InformationConfig
from .heads import MixtureHead, bin_positions, categorical_head

__all__ = ["ColumnEncoder", "Ensemble", "ImagesBesideColumns", "InputSize", "image_encoder", "information_network"]

FARTHEST = 5.0  # deviations from the mean beyond which a column's linear part grows no more


@dataclass(frozen=True)
class InputSize:
    """How many numbers a network reads of a galaxy.

    Attributes
    ----------
    n_main, n_extra : int
        Columns, main and extra; where there are images all are extra (paper).
    n_flags : int
        Missing flags, and the mask of the amortised estimator.
    n_channels, image_size : int
        Of the images; 0 without them.
    """

    n_main: int
    n_extra: int
    n_flags: int = 0
    n_channels: int = 0
    image_size: int = 0

    @property
    def n_columns(self) -> int:
        """Main and extra columns."""
        return self.n_main + self.n_extra


class ColumnEncoder(nn.Module):
    """Encoder of columns, in which what is linear in them has a way of its own (ours).

    Layers learn a precise linear combination of many columns slowly; its rest they learn beside it.

    Parameters
    ----------
    n_main, n_extra : int
    hidden : sequence of int
    n_latent : int
    whitening : Tensor [n_main, n_main]
        Of main, which is then uncorrelated.
    """

    whitening: Tensor

    def __init__(self, n_main: int, n_extra: int, hidden: Sequence[int], n_latent: int, whitening: Tensor) -> None:
        super().__init__()
        self.register_buffer("whitening", whitening)
        self.layers = multilayer((n_main + n_extra, *hidden, n_latent))
        self.linear = nn.Linear(n_main + n_extra, n_latent, bias=False)

    def forward(self, main: Tensor, extra: Tensor) -> Tensor:
        """Latent vector [batch, n_latent] of main [batch, n_main] and extra [batch, n_extra]."""
        columns = torch.cat([main @ self.whitening, extra], dim=1)
        # Failed measurements lie far out: the linear way ignores how far, the layers see it as a logarithm.
        return self.layers(columns.asinh()) + self.linear(columns.clamp(-FARTHEST, FARTHEST))


class ImagesBesideColumns(nn.Module):
    """Encoder of images and another of the columns beside them, whose outputs are joined (ours).

    Added to the first layer's channels, as published, a magnitude is one of hundreds of numbers that a convolution
    sums; encoded by itself it keeps its digits.
    """

    def __init__(self, images: nn.Module, columns: nn.Module, n_columns: int) -> None:
        super().__init__()
        self.images, self.columns, self.n_columns = images, columns, n_columns

    def forward(self, images: Tensor, extra: Tensor) -> Tensor:
        """Latent vector of images [batch, channel, y, x] and of columns and flags [batch, n_columns + n_flags]."""
        columns, flags = extra[:, : self.n_columns], extra[:, self.n_columns :]
        latent = self.images(images, extra[:, :0])
        return torch.cat([latent.to(extra.dtype), self.columns(columns, flags)], dim=1)


def information_network(
    size: InputSize,
    prior: np.ndarray,
    config: InformationConfig,
    *,
    whitening: Tensor | None = None,
    zero_start: bool = False,
) -> InformationNetwork:
    """Network from an input to logits over mass bins, without ext and without a decoder (paper).

    Parameters
    ----------
    size : InputSize
    prior : float64 array [n_bins]
        Probability of each mass bin: where a mixture's components start, and their unit.
    config : InformationConfig
    whitening : Tensor [n, n], optional
        Of the main columns or, beside images, of all (ours).
    zero_start : bool, default False
        Whether the untrained network changes nothing that its logits are added to (ours).

    Raises
    ------
    ValueError
        If there is no encoder of that name, or the images' size does not fit it.
    """
    encoder, n_latent = _encoder(size, config, whitening)
    activation = nn.ReLU if size.n_channels else None
    if config.head == "mixture":
        head: nn.Module = MixtureHead(
            n_latent, config.estimator_hidden, bin_positions(prior), activation=activation, zero_start=zero_start
        )
    else:
        head = categorical_head(n_latent, config.estimator_hidden, len(prior), activation, zero_start=zero_start)
    return InformationNetwork(encoder, head)


def _encoder(size: InputSize, config: InformationConfig, whitening: Tensor | None) -> tuple[nn.Module, int]:
    """Encoder of columns, of images or of both, and the length of what it puts out."""

    def of_columns(n_main: int, n_extra: int) -> nn.Module:
        widths = (n_main, n_extra, config.encoder_hidden, config.n_shared)
        return VectorEncoder(*widths) if whitening is None else ColumnEncoder(*widths, whitening)

    if not size.n_channels:
        return of_columns(size.n_main, size.n_extra + size.n_flags), config.n_shared
    if config.encoder not in ENCODERS:
        raise ValueError(f"encoder: found {config.encoder!r}, expected one of {', '.join(ENCODERS)}")
    make, n_beside = ENCODERS[config.encoder], size.n_columns + size.n_flags
    if config.fusion == "first" or not n_beside:
        return make(size.n_channels, n_beside, config.n_shared, size.image_size), config.n_shared
    images = make(size.n_channels, 0, config.n_shared, size.image_size)
    columns = of_columns(size.n_columns, size.n_flags)
    return ImagesBesideColumns(images, columns, size.n_columns), 2 * config.n_shared


def image_encoder(network: nn.Module) -> nn.Module | None:
    """The part of a network that reads images and nothing else; None where there is none, or columns join early."""
    encoder = network.encoder if isinstance(network, InformationNetwork) else None
    return encoder.images if isinstance(encoder, ImagesBesideColumns) else None


class Ensemble(nn.Module):
    """Networks that train side by side and predict together: a base plus `strength` times their mean logits.

    A strength below 1 keeps what the networks learned about the base's errors and shrinks what they made up.
    """

    strength: Tensor

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("strength", torch.tensor(1.0, dtype=torch.float64))

    def forward(self, inputs: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
        """Logits [batch, n_bins] of each member for its own (main, extra)."""
        return [member(*own) for member, own in zip(self.members, inputs, strict=True)]
