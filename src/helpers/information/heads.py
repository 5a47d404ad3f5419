"""Last layers of information networks: from a latent vector to a change of log-probabilities of mass bins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..contrastive.networks import multilayer

__all__ = ["MixtureHead", "bin_positions", "categorical_head"]

SMALLEST_WIDTH = 0.4  # of a component, in bins: narrower, it could fall between two bins' centres


def bin_positions(prior: np.ndarray) -> Tensor:
    """Centres of mass bins, in units of the prior's deviation from its mean, float32 [n_bins]."""
    number = np.arange(len(prior))
    mean = prior @ number
    return torch.from_numpy(((number - mean) / np.sqrt(prior @ (number - mean) ** 2)).astype(np.float32))


def categorical_head(
    n_input: int, hidden: Sequence[int], n_bins: int, activation: type[nn.Module] | None, *, zero_start: bool
) -> nn.Sequential:
    """A logit for each bin (paper), of zero at the start where asked for (ours)."""
    layers = multilayer((n_input, *hidden, n_bins), activation)
    if zero_start:
        _zero(layers[-1])
    return layers


class MixtureHead(nn.Module):
    """Logarithm of a mixture of Gaussians in the mass, taken at the bins' centres (ours).

    Neighbouring bins are alike, which a logit for each has to learn from galaxies that fell in both: few numbers learn
    more from few galaxies.

    Parameters
    ----------
    n_input : int
    hidden : sequence of int
    positions : Tensor [n_bins]
        As `bin_positions`.
    n_components : int, default 5
    activation : class, optional
    zero_start : bool, default False
        Whether the logarithm of the mixture that training starts from is subtracted, the same for every galaxy, so
        that the untrained network changes nothing it is added to: to a base, a trained one then adds a ratio of
        likelihoods.
    """

    positions: Tensor
    start: Tensor | None

    def __init__(
        self,
        n_input: int,
        hidden: Sequence[int],
        positions: Tensor,
        *,
        n_components: int = 5,
        activation: type[nn.Module] | None = None,
        zero_start: bool = False,
    ) -> None:
        super().__init__()
        self.register_buffer("positions", positions)
        self.smallest = SMALLEST_WIDTH * float(positions[1] - positions[0])
        self.layers = multilayer((n_input, *hidden, 3 * n_components), activation)
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        # Spread over the prior, about as wide as their distance.
        weights, means, widths = last.bias.data.chunk(3)
        weights.zero_()
        means.copy_(torch.linspace(-1.2, 1.2, n_components))
        widths.fill_(-0.5)
        start = self._logarithm(last.bias.data[None]).detach() if zero_start else None
        self.register_buffer("start", start)

    def forward(self, latent: Tensor) -> Tensor:
        """Logits [batch, n_bins] of a latent vector [batch, n_input]."""
        logits = self._logarithm(self.layers(latent).float())
        return logits if self.start is None else logits - self.start

    def _logarithm(self, numbers: Tensor) -> Tensor:
        weights, means, widths = numbers.chunk(3, dim=1)
        deviations = F.softplus(widths) + self.smallest
        distance = (self.positions - means[..., None]) / deviations[..., None]
        each = weights.log_softmax(dim=1) - deviations.log()
        return torch.logsumexp(each[..., None] - 0.5 * distance.square(), dim=1)


def _zero(layer: nn.Module) -> None:
    assert isinstance(layer, nn.Linear)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
