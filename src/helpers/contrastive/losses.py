"""The loss of supervised contrastive learning: one function per term, and their weighted sum (paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .networks import ContrastiveNetwork

__all__ = [
    "Batch",
    "LossTerms",
    "consistency",
    "contrast",
    "contrastive_loss",
    "mean_squared_error",
    "root_mean_square_distance",
]


# Not frozen: Lightning Fabric rebuilds what passes through a module.
@dataclass
class Batch:
    """One batch of galaxies.

    Attributes
    ----------
    main : Tensor [batch, n_main] or [batch, band, y, x]
        For images x, already randomly rotated or flipped, and stretched.
    extra : Tensor [batch, n_extra]
    present : Tensor, broadcastable to main
        1 where main was measured, 0 where it is null.
    label : Tensor of int64 [batch]
        Mass bin.
    view : Tensor or None
        For images x~, a further rotation or flip of x that is not the identity.
    """

    main: Tensor
    extra: Tensor
    present: Tensor
    label: Tensor
    view: Tensor | None = None


@dataclass
class LossTerms:
    """The four terms of the loss, before the weight lambda of the reconstruction."""

    cross_entropy: Tensor
    reconstruction: Tensor
    contrast: Tensor
    consistency: Tensor

    def total(self, reconstruction_weight: float) -> Tensor:
        """The sum, with weight lambda on the reconstruction and 1 on the others."""
        return self.cross_entropy + reconstruction_weight * self.reconstruction + self.contrast + self.consistency


def mean_squared_error(target: Tensor, found: Tensor, present: Tensor) -> Tensor:
    """Mean squared difference over the values that are present (ours: nulls do not count)."""
    weight = present.expand_as(target)
    return (weight * (target - found) ** 2).sum() / weight.sum().clamp(min=1.0)


def root_mean_square_distance(a: Tensor, b: Tensor) -> Tensor:
    """Root-mean-square difference over the numbers of S, for each pair [batch].

    The tiny constant keeps the gradient of the square root finite where two vectors are equal.
    """
    return ((a - b) ** 2).mean(dim=1).add(1e-12).sqrt()


def contrast(positive: Sequence[tuple[Tensor, Tensor]], negative: tuple[Tensor, Tensor]) -> Tensor:
    """log(1 + exp(d_pos - d_neg)).

    d_pos is one mean over all positive pairs together, d_neg the mean over the pairs (A_i, B_i).
    """
    d_positive = torch.cat([root_mean_square_distance(a, b) for a, b in positive]).mean()
    return F.softplus(d_positive - root_mean_square_distance(*negative).mean())


def consistency(logits: Tensor, other: Tensor) -> Tensor:
    """Symmetric cross-entropy between two predicted distributions; the target side carries no gradient."""
    forward = F.cross_entropy(other, logits.detach().softmax(dim=1))
    backward = F.cross_entropy(logits, other.detach().softmax(dim=1))
    return forward + backward


@dataclass(frozen=True)
class _Side:
    """What one batch contributes: sums of terms, its S, and its positive pairs."""

    shared: Tensor
    positive: list[tuple[Tensor, Tensor]]
    cross_entropy: Tensor
    reconstruction: Tensor
    consistency: Tensor


def _side(network: ContrastiveNetwork, batch: Batch) -> _Side:
    shared, latent = network.encode(batch.main, batch.extra)
    logits = network.estimator(shared)
    first = network.decoder(latent)
    # x' is encoded again with the same extras, missing flags included: what was null stays null.
    again = first * batch.present
    shared_again, latent_again = network.encode(again, batch.extra)
    logits_again = network.estimator(shared_again)
    second = network.decoder(latent_again)

    positive = [(shared, shared_again)]
    cross_entropy = F.cross_entropy(logits, batch.label) + F.cross_entropy(logits_again, batch.label)
    reconstruction = mean_squared_error(batch.main, first, batch.present) + mean_squared_error(
        first, second, batch.present
    )
    agreement = consistency(logits, logits_again)
    if batch.view is not None:
        shared_view, latent_view = network.encode(batch.view, batch.extra)
        positive.append((shared, shared_view))
        reconstruction = reconstruction + mean_squared_error(batch.view, network.decoder(latent_view), batch.present)
        agreement = agreement + consistency(logits, network.estimator(shared_view))
    return _Side(shared, positive, cross_entropy, reconstruction, agreement)


def contrastive_loss(network: ContrastiveNetwork, a: Batch, b: Batch) -> LossTerms:
    """The loss of a pair of batches of equal size, in which no galaxy is paired with itself.

    Parameters
    ----------
    network : ContrastiveNetwork
    a, b : Batch

    Returns
    -------
    LossTerms
        Scalars: each term is a sum over its parts of batch means.

    Raises
    ------
    ValueError
        If the batches differ in size.
    """
    if len(a.label) != len(b.label):
        raise ValueError(f"batches: found sizes {len(a.label)} and {len(b.label)}, expected equal ones")
    side_a, side_b = _side(network, a), _side(network, b)
    return LossTerms(
        side_a.cross_entropy + side_b.cross_entropy,
        side_a.reconstruction + side_b.reconstruction,
        contrast(side_a.positive + side_b.positive, (side_a.shared, side_b.shared)),
        side_a.consistency + side_b.consistency,
    )
