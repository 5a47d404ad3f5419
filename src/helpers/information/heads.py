"""Last layers of information networks: from a latent vector to a change of log-probabilities of mass bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..contrastive.networks import multilayer

__all__ = ["MixtureHead", "bin_positions", "categorical_head", "mixture_logarithm"]

SMALLEST_WIDTH = 0.4  # of a component, in bins: narrower, it could fall between two bins' centres
LEAST_EXPONENT = -80.0


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
        return self.logits(self.layers(latent))

    def logits(self, numbers: Tensor) -> Tensor:
        """Logits [..., n_bins] of what the layers put out, [..., 3 * n_components]."""
        logits = self._logarithm(numbers.float())
        return logits if self.start is None else logits - self.start

    def _logarithm(self, numbers: Tensor) -> Tensor:
        weights, means, widths = numbers.chunk(3, dim=-1)
        deviations = F.softplus(widths) + self.smallest
        return mixture_logarithm(weights.log_softmax(dim=-1) - deviations.log(), means, deviations, self.positions)


class _MixtureLogarithm(torch.autograd.Function):
    """See `mixture_logarithm`. Its gradient is written out: the automatic one took most of a training's time."""

    @staticmethod
    def forward(ctx: Any, heights: Tensor, means: Tensor, deviations: Tensor, positions: Tensor) -> Tensor:
        distance = (positions - means[..., None]) / deviations[..., None]
        share = torch.addcmul(heights[..., None], distance, distance, value=-0.5)
        highest = share.amax(dim=-2, keepdim=True)
        # Below, an exponential rounds to nothing beside the 1 of the highest, and processors take ten times as long.
        share = (share - highest).clamp_(min=LEAST_EXPONENT).exp_()
        total = share.sum(dim=-2, keepdim=True)
        ctx.save_for_backward(share.div_(total), distance, deviations)
        return (total.log() + highest).squeeze(-2)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        share, distance, deviations = ctx.saved_tensors
        term = gradient[..., None, :] * share
        heights = term.sum(dim=-1)
        means = term.mul_(distance).sum(dim=-1) / deviations
        widths = term.mul_(distance).sum(dim=-1) / deviations
        return heights, means, widths, None


def mixture_logarithm(heights: Tensor, means: Tensor, deviations: Tensor, positions: Tensor) -> Tensor:
    """Logarithm of a sum of Gaussians at some positions (ours).

    Parameters
    ----------
    heights : Tensor [..., n_components]
        Logarithms of the Gaussians at their means.
    means, deviations : Tensor [..., n_components]
    positions : Tensor [n_bins]
        Without a gradient.

    Returns
    -------
    Tensor [..., n_bins]
    """
    result: Tensor = _MixtureLogarithm.apply(heights, means, deviations, positions)
    return result


def _zero(layer: nn.Module) -> None:
    assert isinstance(layer, nn.Linear)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
