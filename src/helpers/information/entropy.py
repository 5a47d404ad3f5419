"""Entropies of the binned mass, and the pointwise information of a prediction (paper)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..checks import is_number, is_whole
from ..contrastive.bins import MassBins

__all__ = ["kernel_prior", "mass_prior", "plugin_entropy", "pointwise_information"]

PUBLISHED_RANGE = (6.0, 12.5)  # dex
KERNEL_WIDTHS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)  # bins
PSEUDO_SHARES = (1.0, 1 / 4, 1 / 16, 1 / 64, 1 / 256)
ROUNDING = 1e-5  # nats by which a float32 cross-entropy may fall below zero


def mass_prior(
    target: ArrayLike,
    bins: int = 520,
    range: tuple[float, float] = PUBLISHED_RANGE,
    *,
    smoothing: float = 0.0,
) -> np.ndarray:
    r"""Probability of each mass bin, from a histogram.

    .. math:: p_j = (n_j + s) / (n + s B)

    Parameters
    ----------
    target : array [n_galaxies]
        log10 stellar mass in solar masses; a mass outside `range` counts in the first or last bin.
    bins : int, default 520
        Number of bins, :math:`B` (paper).
    range : (float, float), default (6, 12.5)
        In dex (paper).
    smoothing : float, default 0
        Pseudo-count :math:`s` of each bin: 0 is the plain histogram (paper), 0.5 the Krichevsky-Trofimov
        estimate (ours).

    Returns
    -------
    float64 array [bins]
        Sums to 1.

    Raises
    ------
    ValueError
        If there is no mass, a mass is not finite, `smoothing` is no number of 0 or more, `bins` no whole number
        of 2 or more, or `range` no increasing pair of finite numbers.
    """
    masses = _one_dimensional(target, "target")
    if masses.size == 0:
        raise ValueError("target: found no masses, expected at least one")
    if not is_number(smoothing) or not 0 <= smoothing < np.inf:
        raise ValueError(f"smoothing: found {smoothing!r}, expected a pseudo-count of 0 or more")
    return _mass_bins(bins, range).prior(masses, float(smoothing))


def kernel_prior(
    target: ArrayLike,
    bins: int = 520,
    range: tuple[float, float] = PUBLISHED_RANGE,
    *,
    smoothing: float = 0.5,
) -> np.ndarray:
    """Probability of each mass bin, from a histogram spread by a Gaussian kernel (ours).

    A histogram of n galaxies in B bins is worse than the truth by about B / 2n nats for a galaxy that it has not seen,
    so that a smooth prediction from an input that knows nothing would seem to know as much. Width of the kernel and
    pseudo-count are those that predict each galaxy best from all others, of a grid that holds the plain histogram.

    Parameters
    ----------
    target, bins, range
        As in `mass_prior`.
    smoothing : float, default 0.5
        Largest pseudo-count of each bin; fractions of it are tried too.

    Returns
    -------
    float64 array [bins]
        Positive; sums to 1.

    Raises
    ------
    ValueError
        As `mass_prior`, and if `smoothing` is 0.
    """
    if not is_number(smoothing) or not 0 < smoothing < np.inf:
        raise ValueError(f"smoothing: found {smoothing!r}, expected a pseudo-count above 0")
    masses = _one_dimensional(target, "target")
    counts = mass_prior(masses, bins, range) * masses.size
    number = np.arange(bins)
    best, best_loss = np.empty(0), np.inf
    for width in KERNEL_WIDTHS:
        kernel = np.exp(-0.5 * ((number[:, None] - number) / width) ** 2) if width else np.eye(bins)
        kernel /= kernel.sum(axis=0)  # what a galaxy spreads stays within the range
        spread = kernel @ counts
        for share in PSEUDO_SHARES:
            total = masses.size + bins * smoothing * share
            others = np.maximum(spread - np.diag(kernel), 0.0) + smoothing * share
            loss = -counts @ np.log(others / (total - 1)) / masses.size
            if loss < best_loss:
                best, best_loss = (spread + smoothing * share) / total, loss
    return best


def plugin_entropy(
    target: ArrayLike,
    bins: int = 520,
    range: tuple[float, float] = PUBLISHED_RANGE,
    *,
    correction: str = "none",
) -> float:
    r"""Entropy of the binned mass, in nats.

    The plug-in value, the entropy of the observed histogram, is too low on average. Miller and Madow's
    first-order correction adds :math:`(B_+ - 1) / 2n` for :math:`B_+` occupied bins and :math:`n` galaxies.

    Parameters
    ----------
    target, bins, range
        As in `mass_prior`.
    correction : {"none", "miller-madow"}
        "none" is the published choice.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        As `mass_prior`, and if `correction` is unknown.
    """
    if correction not in ("none", "miller-madow"):
        raise ValueError(f"correction: found {correction!r}, expected 'none' or 'miller-madow'")
    prior = mass_prior(target, bins, range)
    occupied = prior[prior > 0]
    entropy = float(-(occupied * np.log(occupied)).sum())
    if correction == "miller-madow":
        entropy += (occupied.size - 1) / (2 * np.size(target))
    return entropy


def pointwise_information(
    cross_entropy: ArrayLike,
    target: ArrayLike,
    prior_target: ArrayLike | None = None,
    bins: int = 520,
    range: tuple[float, float] = PUBLISHED_RANGE,
    smoothing: float = 0.0,
) -> np.ndarray:
    r"""Information that a prediction carries on each galaxy's mass, in nats (paper).

    .. math:: i = -\ln p(\mathrm{bin}) - CE, \qquad CE = -\ln q(\mathrm{bin} \mid X)

    Its mean over held-out galaxies is a lower bound of :math:`I(X; M_\star)`. A single galaxy's value is
    negative where the prediction did worse than the prior.

    Parameters
    ----------
    cross_entropy : array [n_galaxies]
        :math:`CE` of each galaxy in its own bin, nats, over these same bins. NaN marks a galaxy that was not
        held out, and stays NaN.
    target : array [n_galaxies]
        log10 stellar mass in solar masses. Outside `range` it counts in the first or last bin, here and in
        the prior.
    prior_target : array [n_prior], optional
        Masses whose histogram is the prior; the training split's is ours. Default: `target` itself, all of it
        (paper).
    bins : int, default 520
    range : (float, float), default (6, 12.5)
    smoothing : float, default 0
        Pseudo-count of each bin of the prior: 0 (paper), or 0.5 (Krichevsky-Trofimov, ours).

    Returns
    -------
    float64 array [n_galaxies]

    Raises
    ------
    ValueError
        If there is no mass or one is not finite, `smoothing` is no number from 0, `bins` no whole number from 2, or
        `range` no increasing pair; lengths differ; a cross-entropy is negative (then it is of a density, not of bins)
        or infinite; or a held-out galaxy lies in a bin of prior zero.

    Examples
    --------
    >>> pointwise_information([0.0, 0.0], [9.0, 11.0], bins=2, range=(8, 12)).round(3)
    array([0.693, 0.693])
    """
    losses = _one_dimensional(cross_entropy, "cross_entropy")
    masses = _one_dimensional(target, "target")
    if losses.size != masses.size:
        raise ValueError(
            f"cross_entropy: found {losses.size} values for {masses.size} galaxies of target, expected as many"
        )
    held_out = ~np.isnan(losses)
    if np.isinf(losses).any():
        raise ValueError(
            f"cross_entropy: {int(np.isinf(losses).sum())} of {losses.size} values are infinite, expected finite or NaN"
        )
    if (losses[held_out] < -ROUNDING).any():
        raise ValueError(
            f"cross_entropy: found {losses[held_out].min():.3g}, expected 0 or more: "
            "-ln of the probability of a bin, not of a density"
        )
    prior = mass_prior(masses if prior_target is None else prior_target, bins, range, smoothing=smoothing)
    probability = prior[_mass_bins(bins, range).labels(masses)]
    empty = held_out & (probability == 0)
    if empty.any():
        raise ValueError(
            f"target: {int(empty.sum())} of {int(held_out.sum())} held-out galaxies "
            "lie in bins where the prior is zero; set smoothing=0.5, take fewer bins or a larger prior_target"
        )
    information = np.full(losses.size, np.nan)
    information[held_out] = -np.log(probability[held_out]) - losses[held_out]
    return information


def _mass_bins(bins: int, range: tuple[float, float]) -> MassBins:
    if not is_whole(bins) or bins < 2:
        raise ValueError(f"bins: found {bins!r}, expected a whole number of bins, at least 2")
    pair = tuple(range) if isinstance(range, tuple | list | np.ndarray) else ()
    if len(pair) != 2 or not all(map(is_number, pair)) or not -np.inf < pair[0] < pair[1] < np.inf:
        raise ValueError(f"range: found {range!r}, expected two increasing finite numbers, in dex")
    return MassBins(int(bins), float(pair[0]), float(pair[1]))


def _one_dimensional(values: ArrayLike, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: found values that are not numbers") from None
    if array.ndim != 1:
        raise ValueError(f"{name}: found shape {array.shape}, expected one value per galaxy")
    return array
