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
    "supervised_loss",
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
    present : Tensor of the shape of main, or None
        1 where main was measured, 0 where it is null; None where nothing is.
    label : Tensor of int64 [batch]
        Mass bin.
    view : Tensor or None
        For images x~, a further rotation or flip of x that is not the identity.
    """

    main: Tensor
    extra: Tensor
    present: Tensor | None
    label: Tensor
    view: Tensor | None = None


@dataclass
class LossTerms:
    """The four terms of the loss, before the weight lambda of the reconstruction.

    Attributes
    ----------
    cross_entropy, reconstruction, contrast, consistency : Tensor
        Scalars, as `contrastive_loss` or `supervised_loss` gives them.
    """

    cross_entropy: Tensor
    reconstruction: Tensor
    contrast: Tensor
    consistency: Tensor

    def total(
        self, reconstruction_weight: float, contrast_weight: float = 1.0, consistency_weight: float = 1.0
    ) -> Tensor:
        """The sum, with weight lambda on the reconstruction; the other weights are 1 (paper)."""
        return (
            self.cross_entropy
            + reconstruction_weight * self.reconstruction
            + contrast_weight * self.contrast
            + consistency_weight * self.consistency
        )


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


def contrastive_loss(network: ContrastiveNetwork, a: Batch, b: Batch) -> LossTerms:
    """The loss of a pair of batches of equal size, in which no galaxy is paired with itself (paper).

    The network is passed twice: once by x and x~ of both batches together, once by x'. Nothing is encoded or decoded
    more often than that.

    Parameters
    ----------
    network : ContrastiveNetwork
    a, b : Batch

    Returns
    -------
    LossTerms
        Scalars. Each but the contrast is a sum over its parts, of A and of B, of batch means; the contrast is
        ``log(1 + exp(d_pos - d_neg))`` of mean distances in S.

    Raises
    ------
    ValueError
        If the batches differ in size, or one has second views and the other has none.
    """
    both, n = _joined(a, b), len(a.label)
    shared, latent = network.encode(_with_views(both.main, both.view), _with_views(both.extra, both.view, both.extra))
    logits = _full(network.estimator(shared))
    redrawn = _full(network.decoder(latent))
    first = redrawn[: 2 * n]
    # x' is encoded again with the same extras, missing flags included: what was null stays null.
    again = first if both.present is None else first * both.present
    shared_again, latent_again = network.encode(again, both.extra)
    logits_again = _full(network.estimator(shared_again))
    second = _full(network.decoder(latent_again))

    s = _full(shared)
    positive = [(s[: 2 * n], _full(shared_again))]
    # A mean over both batches, twice, is the sum of the two batches' means.
    cross_entropy = 2 * (F.cross_entropy(logits[: 2 * n], both.label) + F.cross_entropy(logits_again, both.label))
    reconstruction = _of_both(both.main, first, both.present) + _of_both(first, second, both.present)
    agreement = 2 * consistency(logits[: 2 * n], logits_again)
    if both.view is not None:
        positive.append((s[: 2 * n], s[2 * n :]))
        reconstruction = reconstruction + _of_both(both.view, redrawn[2 * n :], both.present)
        agreement = agreement + 2 * consistency(logits[: 2 * n], logits[2 * n :])
    return LossTerms(cross_entropy, reconstruction, contrast(positive, (s[:n], s[n : 2 * n])), agreement)


def supervised_loss(network: ContrastiveNetwork, a: Batch, b: Batch) -> LossTerms:
    """Cross-entropy of the mass bin on x alone, a batch mean for A and one for B; the other terms are zero.

    Parameters
    ----------
    network : ContrastiveNetwork
    a, b : Batch
        Of equal size.

    Returns
    -------
    LossTerms
        Scalars.

    Raises
    ------
    ValueError
        As `contrastive_loss`.
    """
    both = _joined(a, b)
    _, logits = network(both.main, both.extra)
    logits = _full(logits)
    none = logits.new_zeros(())
    return LossTerms(2 * F.cross_entropy(logits, both.label), none, none, none)


def _full(values: Tensor) -> Tensor:
    """Half precision as float32: a loss is a sum of small differences."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def _joined(a: Batch, b: Batch) -> Batch:
    """A and B as one batch."""
    if len(a.label) != len(b.label):
        raise ValueError(f"batches: found sizes {len(a.label)} and {len(b.label)}, expected equal ones")
    if (a.view is None) != (b.view is None) or (a.present is None) != (b.present is None):
        raise ValueError("batches: only one of them has second views or a mask, expected both or none")
    main, extra, label = (torch.cat([getattr(a, name), getattr(b, name)]) for name in ("main", "extra", "label"))
    present = None if a.present is None or b.present is None else torch.cat([a.present, b.present])
    view = None if a.view is None or b.view is None else torch.cat([a.view, b.view])
    return Batch(main, extra, present, label, view)


def _with_views(values: Tensor, view: Tensor | None, more: Tensor | None = None) -> Tensor:
    """Values of x, followed by those of x~ where there are second views."""
    return values if view is None else torch.cat([values, view if more is None else more])


def _of_both(target: Tensor, found: Tensor, present: Tensor | None) -> Tensor:
    """Mean squared error of the first half of the rows plus that of the second: batches A and B."""
    if present is None:
        return 2 * F.mse_loss(found, target)
    n = len(target) // 2
    return mean_squared_error(target[:n], found[:n], present[:n]) + mean_squared_error(
        target[n:], found[n:], present[n:]
    )
