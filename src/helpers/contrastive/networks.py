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
    "InformationNetwork",
    "VectorEncoder",
    "copy_weights",
    "count_parameters",
    "mass_estimator",
    "multilayer",
    "photometry_network",
    "whitening_of",
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
    """Encoder of a vector: main and extra are concatenated.

    Parameters
    ----------
    n_main, n_extra : int
    hidden : sequence of int
    n_latent : int
    whitening : Tensor [n_main, n_main], optional
        Fixed matrix that main is multiplied by first (ours): see `whitening_of`. The inverse hyperbolic sine then
        leaves usual values and draws in those of failed measurements. Default: neither (paper).
    """

    whitening: Tensor | None

    def __init__(
        self, n_main: int, n_extra: int, hidden: Sequence[int], n_latent: int, *, whitening: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("whitening", whitening)
        self.layers = multilayer((n_main + n_extra, *hidden, n_latent))

    def forward(self, main: Tensor, extra: Tensor) -> Tensor:
        """Latent vector [batch, n_latent] of main [batch, n_main] and extra [batch, n_extra]."""
        if self.whitening is not None:
            main, extra = (main @ self.whitening).asinh(), extra.asinh()
        return self.layers(torch.cat([main, extra], dim=1))


def whitening_of(main: Tensor, *, floor: float = 1e-4) -> Tensor:
    """Matrix that makes columns uncorrelated, each of variance 1 (ours).

    Magnitudes of one galaxy in neighbouring bands are nearly equal, and what tells of its stars is their difference.
    Left as they are, a network has to find the differences first, and does so slowly.

    Parameters
    ----------
    main : Tensor [n_galaxies, n_main]
        Scaled columns of the training split.
    floor : float, default 1e-4
        Of a variance, in units of the largest: a difference that is always nearly the same is not blown up.

    Returns
    -------
    float32 Tensor [n_main, n_main]
    """
    variance, directions = torch.linalg.eigh(torch.cov(main.double().T).reshape(main.shape[1], main.shape[1]))
    return (directions / variance.clamp(min=floor * variance.max()).sqrt()).float()


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


class InformationNetwork(nn.Module):
    """Encoder without ext, and estimator: what an information estimate trains by cross-entropy alone (paper)."""

    def __init__(self, encoder: nn.Module, estimator: nn.Module) -> None:
        super().__init__()
        self.encoder, self.estimator = encoder, estimator

    def forward(self, main: Tensor, extra: Tensor) -> Tensor:
        """Logits [batch, n_bins] over mass bins."""
        return self.estimator(self.encoder(main, extra))


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
    whitening: Tensor | None = None,
) -> ContrastiveNetwork:
    """Network for photometry; the default widths are the published ones, without whitening (paper).

    Parameters
    ----------
    n_main, n_extra, n_bins : int
    n_shared : int, default 8
        Size of S.
    n_ext : int, default 8
        Size of ext.
    encoder_hidden : sequence of int
        Hidden widths of the encoder.
    decoder_hidden : sequence of int
        Hidden widths of the decoder.
    estimator_hidden : sequence of int
        Hidden widths of the estimator, which reads S.
    whitening : Tensor [n_main, n_main], optional
        Fixed matrix that main is multiplied by before the encoder's first layer, so that its columns are uncorrelated
        and of variance 1; the encoder then reads the inverse hyperbolic sine of these and of extra (ours). Default:
        neither (paper).

    Returns
    -------
    ContrastiveNetwork
    """
    n_latent = n_shared + n_ext
    return ContrastiveNetwork(
        VectorEncoder(n_main, n_extra, encoder_hidden, n_latent, whitening=whitening),
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
