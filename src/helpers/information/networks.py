"""Networks of information estimates: from columns, images or both to logits over mass bins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..contrastive.image_networks import ENCODERS
from ..contrastive.networks import InformationNetwork, VectorEncoder, multilayer, whitening_of
from .config import InformationConfig
from .heads import MixtureHead, bin_positions, categorical_head

__all__ = [
    "ColumnEncoder",
    "Ensemble",
    "ImagesBesideColumns",
    "InputSize",
    "NormalScores",
    "image_encoder",
    "information_network",
]

NEAR = 5.0  # deviations from the mean beyond which a column's linear part grows no more
FARTHEST = 50.0  # the same of the part that is compressed after its sum
COMPRESSION = 2.0  # that part is straight up to about its inverse
SOFT = 0.1  # deviations, below which a distance from the mean counts little
N_KNOTS = 64  # of a normal score, at equal shares of the training galaxies
BEYOND = 3.0  # steps between knots that a score goes on for beyond the last


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


class NormalScores(nn.Module):
    """Columns by their ranks among the training galaxies, as standard normal numbers, made uncorrelated (ours).

    Whatever each column's distribution, its score has a Gaussian one. A map that bends single columns, as a logarithm
    does, then has nothing for the layers to undo.

    Parameters
    ----------
    columns : Tensor [n_galaxies, n_columns]
        Of the training split.
    """

    knots: Tensor
    levels: Tensor
    whitening: Tensor

    def __init__(self, columns: Tensor) -> None:
        super().__init__()
        share = (np.arange(N_KNOTS) + 0.5) / N_KNOTS
        knots = np.quantile(columns.double().numpy(), share, axis=0).T
        self.register_buffer("knots", torch.from_numpy(knots).float().contiguous())
        self.register_buffer("levels", torch.special.ndtri(torch.from_numpy(share)).float())
        self.register_buffer("whitening", whitening_of(self.scores(columns)))

    def scores(self, columns: Tensor) -> Tensor:
        """Normal scores [batch, n_columns], straight between knots and, to a limit, beyond the last."""
        values = columns.T.contiguous()
        above = torch.searchsorted(self.knots, values).clamp(1, N_KNOTS - 1)
        low, high = self.knots.gather(1, above - 1), self.knots.gather(1, above)
        # Where a value is common, knots coincide.
        share = ((values - low) / (high - low).clamp(min=1e-9)).clamp(-BEYOND, 1 + BEYOND)
        return torch.lerp(self.levels[above - 1], self.levels[above], share).T

    def forward(self, columns: Tensor) -> Tensor:
        """Uncorrelated normal scores [batch, n_columns]."""
        return self.scores(columns) @ self.whitening


class ColumnEncoder(nn.Module):
    """Encoder of columns, in which what is linear in them has ways of its own (ours).

    It reads the main columns twice, whitened as they are, since a colour is a difference of magnitudes, and as
    normal scores. Layers learn a precise linear combination of many columns slowly; they learn the rest, from the
    direction of a galaxy's columns and the logarithm of their distance from the mean. Of the linear ways one is
    compressed after its sum: where columns have heavy tails, a difference of two that lie far out keeps its digits.

    Parameters
    ----------
    n_main, n_extra : int
    hidden : sequence of int
    n_latent : int
    training : Tensor [n_galaxies, n_main]
        Main columns of the training split.
    """

    whitening: Tensor

    def __init__(self, n_main: int, n_extra: int, hidden: Sequence[int], n_latent: int, training: Tensor) -> None:
        super().__init__()
        self.register_buffer("whitening", whitening_of(training))
        self.normal_scores = NormalScores(training)
        n_read = 2 * n_main + 1 + n_extra
        self.layers = multilayer((n_read, *hidden, n_latent))
        self.linear = nn.Linear(n_read, n_latent, bias=False)
        self.compressed = nn.Linear(n_read, n_latent, bias=False)

    def forward(self, main: Tensor, extra: Tensor) -> Tensor:
        """Latent vector [batch, n_latent] of main [batch, n_main] and extra [batch, n_extra]."""
        directions, near, within = self.prepared(main, extra)
        return self.layers(directions) + self.linear(near) + _compression(self.compressed(within))

    @torch.no_grad()
    def prepared(self, main: Tensor, extra: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the layers, the linear and the compressed way read, each [batch, n_read]; no parameter is in it."""
        whitened, scores = main @ self.whitening, self.normal_scores(main)
        distance = _distance(whitened)
        beside = [(distance + SOFT).log(), extra]
        columns = torch.cat([whitened, scores, *beside], dim=1)
        directions = torch.cat([whitened / (distance + SOFT), scores / (_distance(scores) + SOFT), *beside], dim=1)
        # Failed measurements lie far out: beyond a limit the linear ways ignore how far.
        return directions, columns.clamp(-NEAR, NEAR), columns.clamp(-FARTHEST, FARTHEST)


def _compression(sums: Tensor) -> Tensor:
    return COMPRESSION * (COMPRESSION * sums).asinh()


def _distance(columns: Tensor) -> Tensor:
    """Root of the mean square of each galaxy's columns, [batch, 1]."""
    return columns.square().mean(dim=1, keepdim=True).sqrt()


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
    training: Tensor | None = None,
    zero_start: bool = False,
) -> InformationNetwork:
    """Network from an input to logits over mass bins, without ext and without a decoder (paper).

    Parameters
    ----------
    size : InputSize
    prior : float64 array [n_bins]
        Probability of each mass bin: where a mixture's components start, and their unit.
    config : InformationConfig
    training : Tensor [n_galaxies, n], optional
        Main columns of the training split or, beside images, all, by which they are whitened and scored (ours).
        Default: they are read as they are (paper).
    zero_start : bool, default False
        Whether the untrained network changes nothing that its logits are added to (ours).

    Raises
    ------
    ValueError
        If there is no encoder of that name, or the images' size does not fit it.
    """
    encoder, n_latent = _encoder(size, config, training)
    activation = nn.ReLU if size.n_channels else None
    if config.head == "mixture":
        head: nn.Module = MixtureHead(
            n_latent, config.estimator_hidden, bin_positions(prior), activation=activation, zero_start=zero_start
        )
    else:
        head = categorical_head(n_latent, config.estimator_hidden, len(prior), activation, zero_start=zero_start)
    return InformationNetwork(encoder, head)


def _encoder(size: InputSize, config: InformationConfig, training: Tensor | None) -> tuple[nn.Module, int]:
    """Encoder of columns, of images or of both, and the length of what it puts out."""

    def of_columns(n_main: int, n_extra: int) -> nn.Module:
        widths = (n_main, n_extra, config.encoder_hidden, config.n_shared)
        return VectorEncoder(*widths) if training is None else ColumnEncoder(*widths, training)

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

    Small networks of columns spend their time on starting operations: several that read their columns alike do each
    operation once for all of them.

    Parameters
    ----------
    members : sequence of Module
        From `information_network`, of one size and configuration.
    """

    strength: Tensor

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("strength", torch.tensor(1.0, dtype=torch.float64))
        self.joined = len(members) > 1 and all(map(_reads_columns, members)) and _same_buffers(members)

    def forward(self, main: Tensor, extra: Tensor, sizes: Sequence[int]) -> Tensor:
        """Logits [batch, n_bins], where each member reads its own stretch of the batch, of these sizes."""
        if self.joined and len(set(sizes)) == 1:
            return self._jointly(main, extra, (len(sizes), sizes[0])).flatten(0, 1)
        stretches = zip(self.members, main.split(list(sizes)), extra.split(list(sizes)), strict=True)
        return torch.cat([member(*own) for member, *own in stretches])

    def of_all(self, main: Tensor, extra: Tensor) -> Tensor:
        """Logits [member, batch, n_bins], where every member reads the whole batch."""
        if self.joined:
            return self._jointly(main, extra, (1, len(main)))
        return torch.stack([member(main, extra) for member in self.members])

    def _jointly(self, main: Tensor, extra: Tensor, shape: tuple[int, int]) -> Tensor:
        """Logits [member, batch, n_bins], an operation for all members at a time."""
        encoders: list[Any] = [member.encoder for member in self.members]
        heads: list[Any] = [member.estimator for member in self.members]
        directions, near, within = (
            values.view(*shape, values.shape[1]).expand(len(encoders), -1, -1)
            for values in encoders[0].prepared(main, extra)
        )
        latent = _side_by_side([encoder.layers for encoder in encoders], directions)
        latent = latent + _side_by_side([encoder.linear for encoder in encoders], near)
        latent = latent + _compression(_side_by_side([encoder.compressed for encoder in encoders], within))
        return heads[0].logits(_side_by_side([head.layers for head in heads], latent))


def _reads_columns(member: nn.Module) -> bool:
    return isinstance(member.encoder, ColumnEncoder) and isinstance(member.estimator, MixtureHead)


def _same_buffers(members: Sequence[nn.Module]) -> bool:
    first, *others = (dict(member.named_buffers()) for member in members)
    return all(
        own.keys() == first.keys() and all(torch.equal(own[name], values) for name, values in first.items())
        for own in others
    )


def _side_by_side(modules: Sequence[Any], values: Tensor) -> Tensor:
    """Apply layers of the same shapes, one to each member's values [member, batch, n]."""
    first = modules[0]
    if isinstance(first, nn.Sequential):
        for layers in zip(*modules, strict=True):
            values = _side_by_side(layers, values)
        return values
    if not isinstance(first, nn.Linear):  # an activation
        activated: Tensor = first(values)
        return activated
    weights = torch.stack([module.weight for module in modules]).transpose(1, 2)
    if first.bias is None:
        return torch.bmm(values, weights)
    return torch.baddbmm(torch.stack([module.bias for module in modules])[:, None], values, weights)
