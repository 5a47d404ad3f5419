"""Estimates of information that share nothing with the networks (ours).

Where they work, a network's estimate has to agree with them: distances between neighbours for few columns, the Gaussian
copula as a lower bound, boosted trees on the same held-out galaxies and mass bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.special import psi

from ..checks import check_count, is_whole
from ..contrastive import boosting_density
from ..contrastive.bins import MassBins, default_n_bins
from ..cores import available_cores
from .entropy import mass_prior
from .gaussian import gaussian_scores

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = [
    "CrossCheck",
    "boosting_information",
    "copula_conditional_information",
    "copula_information",
    "ksg_conditional_information",
    "ksg_information",
]

NORMAL_95 = 1.96
TIE_BREAKER = 1e-10  # of a standard deviation
FLAT = 1e-6  # a direction this much narrower than the widest repeats the others
EXACT = 1e-12  # share of the target's variance that is left when it is a function of the inputs
N_PARTS, N_PARTITIONS = 10, 3


@dataclass(frozen=True, eq=False)
class CrossCheck:
    """Information on stellar mass by another method than a network.

    Attributes
    ----------
    method : str
        Such as ``"KSG"`` or ``"boosting"``.
    pointwise : float64 array [n_galaxies]
        Nats; NaN for a galaxy that was not held out, where some are.
    interval : tuple of float
        95% interval of `mean`, of the luck of the draw alone: it knows nothing of a method's bias.
    settings : dict
        What the method was given and, of boosted trees, what was chosen on the validation split.
    """

    method: str
    pointwise: np.ndarray
    interval: tuple[float, float]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Mean of `pointwise`, nats. It may be negative; nothing is clipped."""
        return float(np.nanmean(self.pointwise))


def ksg_information(x: ArrayLike, target: ArrayLike, *, k: int = 5, whiten: bool = False, seed: int = 0) -> CrossCheck:
    r"""Mutual information from distances between neighbours: the first estimator of Kraskov et al. (2004).

    .. math:: i = \psi(k) + \psi(n) - \psi(n_x + 1) - \psi(n_m + 1)

    with :math:`n_x` and :math:`n_m` the numbers of galaxies that are nearer in x alone and in mass alone than the k-th
    neighbour is in both, by the largest difference of any column. Columns are first given Gaussian distributions by
    their ranks, which changes no information and makes the estimate the same for any monotone scale of a column.

    It takes the density to be flat over k neighbours, so it is too low where the dependence is strong or the columns
    are many. Seen with 20,000 Gaussian galaxies: within 0.02 nats for 1 column to 3 nats, for 2 to 1.5 and for 4 to
    0.5; 2.93 of 3 nats for 2 columns, 1.4 of 1.5 and 2.0 of 3 for 4, 0.41 of 0.5 and 0.85 of 1.5 for 8, 0.22 of 0.5
    for 16. Where nothing is told it is within 0.01 in all of them. One core takes 1 s for 4 columns, 30 s for 16.

    Parameters
    ----------
    x : array [n_galaxies] or [n_galaxies, n_dimensions]
    target : array [n_galaxies]
    k : int, default 5
        At most a twentieth of the galaxies.
    whiten : bool, default False
        Whether the columns of x are also made uncorrelated: better where they nearly repeat each other, as
        magnitudes do, and worse where that blows up directions that tell nothing.
    seed : int, default 0
        Of noise of 1e-10 standard deviations that breaks ties, and of the interval.

    Returns
    -------
    CrossCheck
        Its interval comes from the scatter between tenths of the galaxies (Holmes and Nemenman 2019), which below
        2,000 galaxies is about a tenth too small; the scatter of `pointwise` is a fifth too small at any number.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, a column is constant, or `k` or `seed` is out of range.
    """
    columns, mass = _columns(x, "x"), _one_target(target)
    _same_length(x=columns, target=mass)
    return _ksg("KSG", columns, mass, np.empty((len(mass), 0)), k=k, whiten=whiten, seed=seed)


def ksg_conditional_information(
    x: ArrayLike, target: ArrayLike, given: ArrayLike, *, k: int = 5, whiten: bool = False, seed: int = 0
) -> CrossCheck:
    r"""Conditional information from distances between neighbours (Frenzel and Pompe 2007).

    .. math:: i = \psi(k) + \psi(n_z + 1) - \psi(n_{xz} + 1) - \psi(n_{mz} + 1)

    with z the given columns, and otherwise as in `ksg_information`, whose limits are narrower here, because all
    columns count. Seen with 20,000 galaxies of a Gaussian pair: of 0.10 nats that x adds, 0.10 with 1 or 2 columns of
    each and 0.09 with 4; where it adds nothing, 0 to -0.01.

    Parameters
    ----------
    x : array [n_galaxies] or [n_galaxies, n_dimensions]
    target : array [n_galaxies]
    given : array [n_galaxies] or [n_galaxies, n_given]
    k, whiten, seed
        As in `ksg_information`; x and `given` are whitened each by itself.

    Returns
    -------
    CrossCheck

    Raises
    ------
    ValueError
        As `ksg_information`.
    """
    columns, mass, known = _columns(x, "x"), _one_target(target), _columns(given, "given")
    _same_length(x=columns, target=mass, given=known)
    return _ksg("KSG, conditional", columns, mass, known, k=k, whiten=whiten, seed=seed)


def copula_information(x: ArrayLike, target: ArrayLike) -> CrossCheck:
    r"""Mutual information of the Gaussian copula (Ince et al. 2017): a lower bound.

    .. math:: I = -\tfrac{1}{2} \ln(1 - r^2)

    with :math:`r` the multiple correlation of the mass with x after each column was given a Gaussian distribution by
    its ranks, so that the value is the same for any monotone scale of any column. The mass then is Gaussian, and a
    linear prediction leaves at least what the best one would: the true information is no smaller, whatever the
    distribution of x. Overfitting adds about :math:`d / 2n` for d columns; it is subtracted, as for Gaussians.

    Parameters
    ----------
    x : array [n_galaxies] or [n_galaxies, n_dimensions]
    target : array [n_galaxies]

    Returns
    -------
    CrossCheck
        Of the fitted Gaussian: `pointwise` is evaluated on the galaxies it was fitted to.

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, a column is constant, there are no more than two galaxies for each
        column, or the mass is a function of x.
    """
    columns, mass = _columns(x, "x"), _one_target(target)
    _same_length(x=columns, target=mass)
    pointwise, rank = _copula(columns, mass)
    return _copula_check("Gaussian copula", pointwise, rank)


def copula_conditional_information(x: ArrayLike, target: ArrayLike, given: ArrayLike) -> CrossCheck:
    """Conditional information of the Gaussian copula: what x adds to `given`.

    The difference of two lower bounds, which is no bound: where `given` tells by curves that x makes straight, it is
    too high.

    Parameters
    ----------
    x : array [n_galaxies] or [n_galaxies, n_dimensions]
    target : array [n_galaxies]
    given : array [n_galaxies] or [n_galaxies, n_given]

    Returns
    -------
    CrossCheck

    Raises
    ------
    ValueError
        As `copula_information`.
    """
    columns, mass, known = _columns(x, "x"), _one_target(target), _columns(given, "given")
    _same_length(x=columns, target=mass, given=known)
    both, rank_of_both = _copula(np.hstack([columns, known]), mass)
    part, rank = _copula(known, mass)
    return _copula_check("Gaussian copula, conditional", both - part, rank_of_both - rank)


def boosting_information(
    sample: Sample,
    inputs: str | Sequence[str],
    *,
    n_bins: int = 0,
    smoothing: float = 0.5,
    seed: int = 0,
    n_trees: int = 500,
) -> CrossCheck:
    """Information by the mass distributions of boosted trees, against the networks' prior.

    Measured as `estimate_information` measures a network: on the test split, in the same bins. As there it is a lower
    bound.

    Parameters
    ----------
    sample : Sample
    inputs : str or sequence of str
        Without images.
    n_bins : int, default 0
        Mass bins on [6, 12.5]; 0 takes the number that fits the training split, as the networks do.
    smoothing : float, default 0.5
        Pseudo-count of each bin of the prior.
    seed : int, default 0
        Of the trees.
    n_trees : int, default 500
        As in `helpers.contrastive.baselines.boosting_density`.

    Returns
    -------
    CrossCheck
        NaN outside the test split.

    Raises
    ------
    ValueError
        As `helpers.contrastive.baselines.boosting_density`; and if `n_bins` is no whole number from 2 and not 0, or
        `smoothing` is no number from 0.
    """
    if not is_whole(n_bins) or n_bins < 0 or n_bins == 1:
        raise ValueError(f"n_bins: found {n_bins!r}, expected a whole number from 2, or 0 for what fits the sample")
    training, rows = sample.rows("train"), sample.rows("test")
    bins = MassBins(int(n_bins) or default_n_bins(len(training)))
    prior = mass_prior(sample.mass[training], bins.count, (bins.low, bins.high), smoothing=smoothing)
    density = boosting_density(sample, inputs, bins, seed=seed, n_trees=n_trees)
    label = bins.labels(sample.mass[rows])
    pointwise = np.full(len(sample), np.nan)
    pointwise[rows] = np.log(density.probability[rows, label]) - np.log(prior[label])
    error = pointwise[rows].std() / np.sqrt(len(rows))
    settings = {"n_bins": bins.count, "smoothing": smoothing, "seed": seed, **density.settings}
    return CrossCheck("boosting", pointwise, _interval(np.mean(pointwise[rows]), error), settings)


# Neighbours ------------------------------------------------------------------------------------------------------


def _ksg(
    method: str, x: np.ndarray, target: np.ndarray, given: np.ndarray, *, k: int, whiten: bool, seed: int
) -> CrossCheck:
    n_galaxies = len(target)
    if not is_whole(k) or not 1 <= k <= n_galaxies // (2 * N_PARTS):
        raise ValueError(
            f"k: found {k!r}, expected a whole number from 1 to {n_galaxies // (2 * N_PARTS)}, "
            f"a twentieth of {n_galaxies} galaxies"
        )
    check_count("seed", seed)
    rng = np.random.default_rng([seed, 41])
    prepared = []
    for values in (x, target[:, None], given):
        gaussian = gaussian_scores(values) if values.shape[1] else values
        if whiten and values.shape[1] > 1:
            gaussian = _whitened(gaussian)
        prepared.append(gaussian + TIE_BREAKER * rng.standard_normal(gaussian.shape))
    pointwise = _pointwise_ksg(*prepared, k=k)
    error = _ksg_error(prepared, k, rng)
    settings = {"k": int(k), "whiten": bool(whiten), "seed": int(seed)}
    return CrossCheck(method, pointwise, _interval(pointwise.mean(), error), settings)


def _pointwise_ksg(x: np.ndarray, target: np.ndarray, given: np.ndarray, *, k: int) -> np.ndarray:
    """Kraskov's estimate of each galaxy, nats; Frenzel and Pompe's where columns are given."""
    joint = np.hstack([x, target, given])
    distance = cKDTree(joint).query(joint, k=k + 1, p=np.inf, workers=available_cores())[0][:, -1]
    inside = np.nextafter(distance, 0)  # nearer than the k-th neighbour, which lies on the border
    with_x = _count_within(np.hstack([x, given]), inside)
    with_target = _count_within(np.hstack([target, given]), inside)
    with_given = _count_within(given, inside) if given.shape[1] else len(x) - 1
    return psi(k) + psi(with_given + 1) - psi(with_x + 1) - psi(with_target + 1)


def _count_within(points: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Number of other points within the radius of each, int64 [n_points]."""
    tree = cKDTree(points)
    counts = tree.query_ball_point(points, radius, p=np.inf, workers=available_cores(), return_length=True)
    return np.asarray(counts, dtype=np.int64) - 1


def _ksg_error(prepared: Sequence[np.ndarray], k: int, rng: np.random.Generator) -> float:
    """Standard error from the variance between parts of the galaxies, which falls as their number rises."""
    n_galaxies = len(prepared[0])
    variances = []
    for _ in range(N_PARTITIONS):
        parts = np.array_split(rng.permutation(n_galaxies), N_PARTS)
        means = [_pointwise_ksg(*(values[part] for values in prepared), k=k).mean() for part in parts]
        variances.append(np.var(means, ddof=1) / N_PARTS)
    return float(np.sqrt(np.mean(variances)))


def _whitened(values: np.ndarray) -> np.ndarray:
    """Uncorrelated columns of unit variance that span the same directions, fewer where columns repeat each other."""
    left, width, _ = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    return left[:, width > FLAT * width[0]] * np.sqrt(len(values))


# Gaussian copula -------------------------------------------------------------------------------------------------


def _copula(x: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, int]:
    """Pointwise information of the Gaussian that ranks have, nats, bias subtracted; and the rank of x."""
    n_galaxies, n_columns = x.shape
    if n_galaxies <= 2 * (n_columns + 1):
        raise ValueError(
            f"x, given: found {n_galaxies} galaxies for {n_columns} columns, expected more than {2 * (n_columns + 1)}"
        )
    design, mass = gaussian_scores(x), gaussian_scores(target[:, None])[:, 0]
    design, mass = design - design.mean(axis=0), mass - mass.mean()
    mass /= mass.std()
    weights, _, rank, _ = np.linalg.lstsq(design, mass, rcond=FLAT)
    residual = mass - design @ weights
    left = float(np.mean(residual**2))
    if left < EXACT:
        raise ValueError("target: found that it is a function of the inputs, expected some scatter: it is infinite")
    bias = (psi((n_galaxies - 1) / 2) - psi((n_galaxies - 1 - rank) / 2)) / 2
    return (mass**2 - residual**2 / left - np.log(left)) / 2 - bias, int(rank)


def _copula_check(method: str, pointwise: np.ndarray, rank: int) -> CrossCheck:
    n_galaxies = len(pointwise)
    # Where there is no information the estimate is a chi-squared over 2n, and fitting doubles the pointwise variance.
    by_chance = rank / (2 * n_galaxies)
    error = np.sqrt(max(pointwise.var() - by_chance, by_chance) / n_galaxies)
    return CrossCheck(method, pointwise, _interval(pointwise.mean(), error), {"rank": rank})


# What is given ---------------------------------------------------------------------------------------------------


def _interval(mean: float, error: float) -> tuple[float, float]:
    return float(mean - NORMAL_95 * error), float(mean + NORMAL_95 * error)


def _columns(values: ArrayLike, name: str) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: found values that are not numbers") from None
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name}: found shape {array.shape}, expected a row for each galaxy and at least one column")
    unusable = ~np.isfinite(array)
    if unusable.any():
        raise ValueError(
            f"{name}: {int(unusable.any(axis=1).sum())} of {len(array)} galaxies have values that are not finite, "
            "expected none"
        )
    constant = np.flatnonzero(np.ptp(array, axis=0) == 0)
    if constant.size:
        raise ValueError(f"{name}: column {constant[0]} is constant, expected columns that vary")
    return array


def _one_target(values: ArrayLike) -> np.ndarray:
    array = _columns(values, "target")
    if array.shape[1] != 1:
        raise ValueError(f"target: found {array.shape[1]} columns, expected one mass per galaxy")
    return array[:, 0]


def _same_length(**arrays: np.ndarray) -> None:
    if len({len(array) for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{len(array)} in {name}" for name, array in arrays.items())
        raise ValueError(f"{', '.join(arrays)}: found {sizes}, expected a row for each galaxy in each")
