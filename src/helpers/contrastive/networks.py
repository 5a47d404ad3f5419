"""The networks: an encoder, a decoder and an estimator of the mass distribution (paper).

A latent vector is S followed by ext. The estimator sees S alone; ext helps only the decoder. Any encoder with
``forward(main, extra) -> latent`` and any decoder with ``forward(latent) -> main`` fit `ContrastiveNetwork`, images
included: there `main` is [batch, band, y, x].
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = [
    "ContrastiveNetwork",
    "VectorEncoder",
    "copy_weights",
    "count_parameters",
    "mass_estimator",
    "multilayer",
    "photometry_network",
]

SLOPE = 0.2  # of the leaky ReLU
FIRST_BIAS = 0.1


def multilayer(widths: Sequence[int], activation: type[nn.Module] | None = None) -> nn.Sequential:
    """Dense layers of the given widths with an activation between them: leaky ReLU of slope 0.2 unless told otherwise.

    Biases start at 0.1 and weights as Glorot uniform (paper).
    """
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layer = nn.Linear(before, after)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.constant_(layer.bias, FIRST_BIAS)
        layers += [layer, nn.LeakyReLU(SLOPE) if activation is None else activation()]
    return nn.Sequential(*layers[:-1])


class VectorEncoder(nn.Module):
    """Encoder of a vector: main and extra are concatenated."""

    def __init__(self, n_main: int, n_extra: int, hidden: Sequence[int], n_latent: int) -> None:
        super().__init__()
        self.layers = multilayer((n_main + n_extra, *hidden, n_latent))

    def forward(self, main: Tensor, extra: Tensor) -> Tensor:
        """Latent vector [batch, n_latent] of main [batch, n_main] and extra [batch, n_extra]."""
        return self.layers(torch.cat([main, extra], dim=1))


class ContrastiveNetwork(nn.Module):
    """Encoder, decoder and estimator around a latent vector whose first `n_shared` numbers are S."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module, estimator: nn.Module, n_shared: int) -> None:
        super().__init__()
        self.encoder, self.decoder, self.estimator, self.n_shared = encoder, decoder, estimator, n_shared

    def encode(self, main: Tensor, extra: Tensor) -> tuple[Tensor, Tensor]:
        """S [batch, n_shared] and the whole latent vector [batch, n_latent]."""
        latent = self.encoder(main, extra)
        return latent[:, : self.n_shared], latent

    def forward(self, main: Tensor, extra: Tensor) -> tuple[Tensor, Tensor]:
        """S [batch, n_shared] and logits over mass bins [batch, n_bins]."""
        shared, _ = self.encode(main, extra)
        return shared, self.estimator(shared)


def mass_estimator(n_input: int, hidden: Sequence[int], n_bins: int) -> nn.Sequential:
    """Network from S to logits over mass bins."""
    return multilayer((n_input, *hidden, n_bins))


def photometry_network(
    n_main: int,
    n_extra: int,
    n_bins: int,
    *,
    n_shared: int = 8,
    n_ext: int = 8,
    encoder_hidden: Sequence[int] = (128,) * 20,
    decoder_hidden: Sequence[int] = (128,) * 19,
    estimator_hidden: Sequence[int] = (128,),
) -> ContrastiveNetwork:
    """Network for photometry; the default widths are the published ones (paper)."""
    n_latent = n_shared + n_ext
    return ContrastiveNetwork(
        VectorEncoder(n_main, n_extra, encoder_hidden, n_latent),
        multilayer((n_latent, *decoder_hidden, n_main)),
        mass_estimator(n_shared, estimator_hidden, n_bins),
        n_shared,
    )


def copy_weights(network: nn.Module) -> dict[str, Tensor]:
    """Copy of a network's weights, to be put back later."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def count_parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
