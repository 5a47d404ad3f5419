"""Distributions whose information is known exactly, to try estimates on (ours).

Whatever is jointly Gaussian with one target can be turned into one column that tells of the target and others that
tell nothing. So the draws begin with the telling column, whose information is a formula, and end with maps that can be
undone, which leave the information of every single galaxy as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.integrate import quad
from scipy.special import gammaln, k0, ndtri, psi
from scipy.stats import norm
from scipy.stats import t as student_t

from ..checks import check_count, is_number, is_whole
from ..contrastive.features import column_values
from ..inputs import resolve
from ..survey.quality import SENTINEL
from ..survey.sample import TARGET, Sample

__all__ = [
    "TRANSFORMS",
    "KnownTruth",
    "PlantedInformation",
    "draw_gaussian",
    "draw_gaussian_pair",
    "draw_student",
    "draw_transformed",
    "draw_xor",
    "gaussian_decomposition",
    "plant",
]

BOTH = "both"
TRANSFORMS = ("half-cube", "bend", "spiral")
MOST_INFORMATION = 10.0  # nats; more is beyond what float64 resolves well
MIDDLE, STRAIGHT, LIMIT = 9.25, 2.75, 3.24  # dex
SCALE = 0.9  # dex of one standard deviation of the target
SKEW = 0.1
BEND = 0.5
STRETCH = 3.0  # longest axis of the mixed columns over the shortest


@dataclass(frozen=True, eq=False)
class KnownTruth:
    """Galaxies drawn from a distribution whose information is known exactly.

    Attributes
    ----------
    name : str
    sources : dict of str to float64 array [n_galaxies, n_dimensions]
        ``"x1"``, and ``"x2"`` where there are two.
    target : float64 array [n_galaxies]
        Stands for log10 stellar mass in solar masses, inside (6, 12.5).
    pointwise : dict of str to float64 array [n_galaxies]
        Exact pointwise information on the target, nats: of each source, and under ``"both"`` of two together.
    information : dict of str to float
        Its exact mean over the distribution, nats, by the same keys.
    """

    name: str
    sources: dict[str, np.ndarray]
    target: np.ndarray
    pointwise: dict[str, np.ndarray]
    information: dict[str, float]

    def __len__(self) -> int:
        return len(self.target)

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Columns of each source in the catalogue of `sample`, and under ``"both"`` of two together."""
        found = {
            name: tuple(f"{name}_{number}" for number in range(values.shape[1]))
            for name, values in self.sources.items()
        }
        if BOTH in self.information:
            found[BOTH] = tuple(column for columns in found.values() for column in columns)
        return found

    def sample(self, fractions: Sequence[float] = (0.6, 0.1, 0.3), seed: int = 0) -> Sample:
        """Sample of these galaxies, in their order, split at random.

        A column with values that a catalogue would take for nulls, as the heaviest tails have, is scaled down.

        Parameters
        ----------
        fractions : sequence of float, default (0.6, 0.1, 0.3)
            Shares of training, validation and test galaxies.
        seed : int, default 0
            Of the split.

        Returns
        -------
        Sample
            Catalogue columns as in `columns`, target ``lgm_tot_p50``.

        Raises
        ------
        ValueError
            If `fractions` are no three positive numbers that sum to 1, a part of the split would be empty, or `seed` is
            no whole number from 0.
        """
        shares = np.asarray(fractions, dtype=np.float64)
        if shares.shape != (3,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
            raise ValueError(f"fractions: found {tuple(fractions)}, expected three positive shares that sum to 1")
        frame = pd.DataFrame(index=range(len(self)))
        for name, values in self.sources.items():
            largest = np.abs(values).max(axis=0)
            scaled = values * np.where(largest >= SENTINEL, SENTINEL / 2 / largest, 1.0)
            frame[list(self.columns[name])] = scaled
        frame[TARGET] = self.target
        ends = np.round(np.cumsum(shares)[:2] * len(self)).astype(int)
        labels = np.repeat(["train", "validation", "test"], np.diff([0, *ends, len(self)]))
        labels = np.random.default_rng([_seed(seed), 31]).permutation(labels)
        provenance = {"source": "known truth", "name": self.name, "information": dict(self.information)}
        return Sample.from_frame(frame, split=pd.Series(labels), provenance=provenance)


def draw_gaussian(n_galaxies: int, n_dimensions: int = 1, information: float = 0.5, seed: int = 0) -> KnownTruth:
    r"""Draw a source that is jointly Gaussian with the target, with correlated columns.

    .. math:: I = -\tfrac{1}{2} \ln(1 - \rho^2)

    with :math:`\rho` the correlation of the target with its best linear prediction.

    Parameters
    ----------
    n_galaxies : int
    n_dimensions : int, default 1
        Number of columns.
    information : float, default 0.5
        I(X1; M), nats, from 0 to 10.
    seed : int, default 0

    Returns
    -------
    KnownTruth

    Raises
    ------
    ValueError
        If a number is out of its range.
    """
    source, target, pointwise = _gaussian(n_galaxies, n_dimensions, information, seed)
    return KnownTruth("Gaussian", {"x1": source}, _dex(target), {"x1": pointwise}, {"x1": float(information)})


def draw_transformed(
    n_galaxies: int, n_dimensions: int = 2, information: float = 0.5, transform: str = "half-cube", seed: int = 0
) -> KnownTruth:
    """Draw a source as `draw_gaussian` does, and send it and the target through maps that can be undone.

    No such map of the source alone, nor of the target alone, changes the information, while the straight lines that
    join them are gone; both are among those on which Czyz et al. (2023, "Beyond Normal") try estimators. The target is
    skewed, with a longer tail to low masses.

    Parameters
    ----------
    n_galaxies : int
    n_dimensions : int, default 2
    information : float, default 0.5
        I(X1; M), nats, from 0 to 10.
    transform : {"half-cube", "bend", "spiral"}
        "half-cube" takes each column :math:`x` to :math:`x |x|^{1/2}`, which ranks undo; "bend" adds
        :math:`(x_1^2 - 1) / 2` to the second column, which they do not; nor do they "spiral", which turns each pair of
        columns about the origin by their distance from it, in radians for columns of unit variance. A last column
        without a partner stays. A network learns a bend from 20,000 galaxies. Spirals it does not: profile `book`
        finds 2.56 of 3 nats in 4 columns and 0.82 of 1.5 in 16, where a k-nearest-neighbour estimate finds 0.27.
    seed : int, default 0

    Returns
    -------
    KnownTruth

    Raises
    ------
    ValueError
        If a number is out of its range, `transform` is unknown, or a bend or a spiral has one dimension.
    """
    if transform not in TRANSFORMS:
        raise ValueError(f"transform: found {transform!r}, expected one of {', '.join(TRANSFORMS)}")
    source, target, pointwise = _gaussian(n_galaxies, n_dimensions, information, seed)
    if transform != "half-cube" and n_dimensions < 2:
        raise ValueError(f"n_dimensions: found {n_dimensions} with transform {transform!r}, expected 2 or more")
    source = {"half-cube": _half_cube, "bend": _bend, "spiral": _spiral}[transform](source)
    return KnownTruth(
        f"Gaussian, {transform}", {"x1": source}, _dex(_skewed(target)), {"x1": pointwise}, {"x1": float(information)}
    )


def draw_student(
    n_galaxies: int,
    n_dimensions: int = 1,
    information: float | None = None,
    degrees_of_freedom: float = 3.0,
    seed: int = 0,
) -> KnownTruth:
    r"""Draw a source with heavy tails: Student's t, jointly with the target.

    .. math:: I = -\tfrac{1}{2} \ln(1 - \rho^2) + K(\nu, d)

    with :math:`\rho` as in `draw_gaussian`, of the dispersion in place of the covariance. :math:`K` comes from the
    common scale of all columns and is positive: uncorrelated columns of one such distribution are not independent
    (Arellano-Valle, Contreras-Reyes and Genton 2013). The target, whose own tails no range of masses would hold, is
    mapped to a Gaussian one by its distribution function.

    Parameters
    ----------
    n_galaxies : int
    n_dimensions : int, default 1
    information : float, optional
        I(X1; M), nats. Default: :math:`K`, where the dispersion is uncorrelated. 0: the target is drawn by itself, from
        its own distribution, and nothing but the tails of the source is left.
    degrees_of_freedom : float, default 3
        :math:`\nu`; 1 is Cauchy's distribution, and less is not taken.
    seed : int, default 0

    Returns
    -------
    KnownTruth

    Raises
    ------
    ValueError
        If a number is out of its range, or `information` is above 0 and below :math:`K`.
    """
    _check_size(n_galaxies, n_dimensions)
    nu = degrees_of_freedom
    if not is_number(nu) or not 1 <= nu < np.inf:
        raise ValueError(f"degrees_of_freedom: found {nu!r}, expected a finite number from 1")
    least = _common_scale_information(nu, n_dimensions)
    wanted = least if information is None else _information(information)
    if 0 < wanted < least:
        raise ValueError(
            f"information: found {wanted:g} nats, expected 0, or at least {least:.4g}, which the common scale alone "
            f"tells with {nu:g} degrees of freedom in {n_dimensions} dimensions"
        )
    rng = np.random.default_rng([_seed(seed), 33])
    rho = _correlation(max(wanted - least, 0.0))
    columns, target = _gaussian_columns(rng, n_galaxies, n_dimensions, rho)
    scale = np.sqrt(nu / rng.chisquare(nu, size=(2, n_galaxies)))
    columns *= scale[0][:, None]
    target *= scale[0] if wanted > 0 else scale[1]
    pointwise = _student_information(columns, target, rho, nu) if wanted > 0 else np.zeros(n_galaxies)
    # By the smaller tail, which keeps its digits.
    gaussian = -np.sign(target) * ndtri(student_t.sf(np.abs(target), nu))
    source = columns @ _mixing(rng, n_dimensions)
    return KnownTruth(
        f"Student's t, {nu:g} degrees of freedom",
        {"x1": source},
        _dex(gaussian),
        {"x1": pointwise},
        {"x1": float(wanted)},
    )


def draw_gaussian_pair(
    n_galaxies: int,
    information_1: float = 1.0,
    information_2: float = 0.5,
    noise_correlation: float = 0.0,
    n_dimensions: int = 1,
    seed: int = 0,
) -> KnownTruth:
    r"""Draw two sources that are jointly Gaussian with the target.

    .. math:: s_j = \rho_j m + \sqrt{1 - \rho_j^2}\, e_j, \qquad \mathrm{corr}(e_1, e_2) = c

    is the telling column of source :math:`j`; its other columns are noise of its own, and all are mixed.

    Parameters
    ----------
    n_galaxies : int
    information_1 : float, default 1
        I(X1; M), nats, from 0 to 10.
    information_2 : float, default 0.5
        I(X2; M), likewise.
    noise_correlation : float, default 0
        :math:`c`, between -1 and 1: at 0 the sources are independent given the target. As it grows from there they
        repeat each other, until at :math:`\rho_2 \sqrt{1 - \rho_1^2} / (\rho_1 \sqrt{1 - \rho_2^2})`, for the weaker
        source X2, it adds nothing; beyond that, and below 0, they correct each other's noise.
    n_dimensions : int, default 1
        Columns of each source.
    seed : int, default 0

    Returns
    -------
    KnownTruth

    Raises
    ------
    ValueError
        If a number is out of its range.
    """
    _check_size(n_galaxies, n_dimensions)
    signal, c, both = _pair(information_1, information_2, noise_correlation)
    rng = np.random.default_rng([_seed(seed), 34])
    target, first, other = rng.standard_normal((3, n_galaxies))
    noise = np.stack([first, c * first + np.sqrt(1 - c**2) * other])
    received = signal[:, None] * target + noise
    # What is left of the target's variance by each source alone, and by both.
    left, left_by_both = 1 / (1 + signal**2), np.exp(-2 * both)
    weights = (signal - c * signal[::-1]) / (1 - c**2) * left_by_both
    sources, pointwise = {}, {}
    for j, name in enumerate(("x1", "x2")):
        pointwise[name] = _gaussian_information(target, signal[j] * left[j] * received[j], left[j])
        telling = received[j] * np.sqrt(left[j])  # of unit variance
        columns = np.column_stack([telling, rng.standard_normal((n_galaxies, n_dimensions - 1))])
        sources[name] = columns @ _mixing(rng, n_dimensions)
    pointwise[BOTH] = _gaussian_information(target, weights @ received, left_by_both)
    information = {"x1": float(information_1), "x2": float(information_2), BOTH: both}
    return KnownTruth("Gaussian pair", sources, _dex(target), pointwise, information)


def gaussian_decomposition(information_1: float, information_2: float, noise_correlation: float = 0.0) -> pd.DataFrame:
    r"""Exact decomposition of the pair of `draw_gaussian_pair`, under several definitions.

    Pointwise: the difference of the two pointwise informations is

    .. math:: i_1 - i_2 = I_1 - I_2 - (a_1^2 - a_2^2) / 2

    with :math:`a_j` the error of the prediction by source :math:`j` in units of its scatter, standard normal. Half the
    difference of their squares is :math:`\sqrt{1 - \kappa^2}` times the product of two independent standard normal
    numbers, where :math:`\kappa = \sqrt{(1 - \rho_1^2)(1 - \rho_2^2)} + \rho_1 \rho_2 c` is the correlation of the
    errors. So :math:`R = (I_1 + I_2 - E|i_1 - i_2|) / 2` is a one-dimensional integral, good to :math:`10^{-9}` nats.

    Other definitions: with one target, the redundancy of Gaussians by MMI, :math:`\min(I_1, I_2)`, is also BROJA's
    (Barrett 2015), because the weaker source could be the stronger one with noise added, and that of Williams and Beer,
    because the stronger source tells more of every single mass. By the dependency decomposition (James et al. 2018; for
    Gaussians Kay and Ince 2018) it is :math:`\max(I_1 + I_2 - I_{12}, -\ln(1 - \rho_1^2 \rho_2^2) / 2)`. All these
    need the three informations alone.

    Parameters
    ----------
    information_1 : float
        I(X1; M), nats, from 0 to 10.
    information_2 : float
        I(X2; M), likewise.
    noise_correlation : float, default 0
        As in `draw_gaussian_pair`; the number of dimensions does not matter.

    Returns
    -------
    DataFrame
        Rows "pointwise", "WB", "MMI", "BROJA", "dep"; columns redundancy, unique_1, unique_2, synergy, in nats, as
        `compare_definitions` has them.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """
    signal, c, i12 = _pair(information_1, information_2, noise_correlation)
    i1, i2 = float(information_1), float(information_2)
    rho_product = float(np.prod(signal / np.sqrt(1 + signal**2)))
    kappa = np.exp(-i1 - i2) + rho_product * c
    difference = _mean_absolute_difference(i1 - i2, float(np.sqrt(max(1 - kappa**2, 0.0))))
    redundancy = {"pointwise": (i1 + i2 - difference) / 2}
    others = gaussian_redundancies(*map(np.asarray, (i1, i2, i12)))
    redundancy |= {name: float(others[name]) for name in ("WB", "MMI", "BROJA", "dep")}
    rows = {name: [r, i1 - r, i2 - r, i12 - i1 - i2 + r] for name, r in redundancy.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["redundancy", "unique_1", "unique_2", "synergy"])


def gaussian_redundancies(i1: np.ndarray, i2: np.ndarray, i12: np.ndarray) -> dict[str, np.ndarray]:
    """Redundancies of Gaussian pairs under definitions that need the three informations alone, nats, by definition.

    Those of `gaussian_decomposition`, and "Do", what the sources tell of each other where the target alone ties them.
    """
    tied_by_target = -np.log1p(-np.expm1(-2 * i1) * np.expm1(-2 * i2)) / 2
    smaller = np.minimum(i1, i2)
    dependency = np.maximum(i1 + i2 - i12, tied_by_target)
    return {"WB": smaller, "MMI": smaller, "BROJA": smaller, "dep": dependency, "Do": tied_by_target}


def draw_xor(n_galaxies: int, noise: float = 0.05, seed: int = 0) -> KnownTruth:
    r"""Draw two sources that tell nothing each, and much together: a continuous exclusive or.

    .. math:: t = (x_1 + x_2 + \sigma e) \bmod 1

    with uniform :math:`x_1, x_2` and Gaussian :math:`e`: given one source, the target is as uniform as without it. Both
    leave a wrapped Gaussian; its entropy is integrated numerically.

    Parameters
    ----------
    n_galaxies : int
    noise : float, default 0.05
        :math:`\sigma`, in turns, from 1e-4 to 2.
    seed : int, default 0

    Returns
    -------
    KnownTruth

    Raises
    ------
    ValueError
        If a number is out of its range.
    """
    _check_size(n_galaxies, 1)
    if not is_number(noise) or not 1e-4 <= noise <= 2:
        raise ValueError(f"noise: found {noise!r}, expected turns from 0.0001 to 2")
    rng = np.random.default_rng([_seed(seed), 35])
    x1, x2 = rng.random((2, n_galaxies))
    departure = noise * rng.standard_normal(n_galaxies)
    nothing = np.zeros(n_galaxies)
    pointwise = {"x1": nothing, "x2": nothing.copy(), BOTH: np.log(_wrapped_gaussian(departure, noise))}

    def integrand(offset: float) -> float:
        density = float(_wrapped_gaussian(np.array([offset]), noise)[0])
        return density * np.log(density) if density > 0 else 0.0

    # The density is even, and nil beyond ten standard deviations.
    both = 2 * quad(integrand, 0.0, min(0.5, 10 * noise), epsabs=1e-12, limit=200)[0]
    sources = {"x1": x1[:, None], "x2": x2[:, None]}
    target = MIDDLE + 6.0 * ((x1 + x2 + departure) % 1 - 0.5)
    return KnownTruth("exclusive or", sources, target, pointwise, {"x1": 0.0, "x2": 0.0, BOTH: float(both)})


@dataclass(frozen=True, eq=False)
class PlantedInformation:
    """A sample whose conditional information is known.

    Attributes
    ----------
    sample : Sample
        With another target, and one column more.
    inputs : tuple of str
        Columns of X1.
    column : str
        That of X2.
    pointwise : float64 array [n_galaxies]
        Exact pointwise conditional information, nats: ln p(M | X1, X2) - ln p(M | X1).
    information : float
        Its exact mean over the distribution, I(X2; M | X1), nats.
    """

    sample: Sample
    inputs: tuple[str, ...]
    column: str
    pointwise: np.ndarray
    information: float


def plant(
    sample: Sample,
    inputs: str | Sequence[str],
    information: float = 0.15,
    *,
    scatter: float | None = None,
    column: str = "planted",
    seed: int = 0,
) -> PlantedInformation:
    r"""Give a sample a new mass, and a new column that tells a known amount of it beyond the inputs.

    .. math:: M = f(X_1) + \sigma e, \qquad X_2 = \rho e + \sqrt{1 - \rho^2}\, e', \qquad
              I(X_2; M \mid X_1) = -\tfrac{1}{2} \ln(1 - \rho^2)

    with :math:`f` a linear fit of the sample's mass on the inputs and :math:`e, e'` standard normal numbers. This is
    exact, because :math:`f`, whatever it is, is a function of :math:`X_1`; what real masses have to do with a column
    cannot be. All the sample's other columns and its images tell nothing of the new mass beyond :math:`X_1`: each is a
    null, of conditional information 0, on real inputs.

    Parameters
    ----------
    sample : Sample
    inputs : str or sequence of str
        X1: a registered name or union without images, or columns. A null counts as the column's mean.
    information : float, default 0.15
        I(X2; M | X1), nats, from 0 to 10.
    scatter : float, optional
        :math:`\sigma` in dex. Default: that of the sample's mass about the fit.
    column : str, default "planted"
        Name of X2.
    seed : int, default 0

    Returns
    -------
    PlantedInformation
        The mass is squeezed into (6, 12.5) by a monotone map that changes only what lies beyond 6.5 and 12.

    Raises
    ------
    ValueError
        If the inputs take images or do not resolve, `column` is in the catalogue, or a number is out of its range.
    """
    rho = _correlation(_information(information))
    if scatter is not None and not (is_number(scatter) and 0 < scatter < np.inf):
        raise ValueError(f"scatter: found {scatter!r}, expected a positive number of dex")
    if column in sample.catalog.columns:
        raise ValueError(f"column: found {column!r}, which is in the catalogue, expected a new name")
    resolved = resolve(inputs, sample.catalog, target=sample.target, bands=sample.bands)
    if resolved.images:
        raise ValueError(f"inputs: {resolved.name!r} takes images, expected catalogue columns alone")
    rng = np.random.default_rng([_seed(seed), 36])
    known = _linear_fit([column_values(sample.catalog, name) for name in resolved.columns], sample.mass)
    sigma = float((sample.mass - known).std()) if scatter is None else float(scatter)
    residual, other = rng.standard_normal((2, len(sample)))
    planted = rho * residual + np.sqrt(1 - rho**2) * other
    catalog = sample.catalog.assign(**{sample.target: _inside(known + sigma * residual), column: planted})
    provenance = {**sample.provenance, "planted": {"column": column, "information": float(information)}}
    return PlantedInformation(
        replace(sample, catalog=catalog, provenance=provenance),
        resolved.columns,
        column,
        _gaussian_information(residual, rho * planted, 1 - rho**2),
        float(information),
    )


# Draws and their pointwise information ---------------------------------------------------------------------------


def _gaussian(
    n_galaxies: int, n_dimensions: int, information: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mixed Gaussian columns, the standard normal target and the exact pointwise information."""
    _check_size(n_galaxies, n_dimensions)
    rho = _correlation(_information(information))
    rng = np.random.default_rng([_seed(seed), 32])
    columns, target = _gaussian_columns(rng, n_galaxies, n_dimensions, rho)
    pointwise = _gaussian_information(target, rho * columns[:, 0], 1 - rho**2)
    return columns @ _mixing(rng, n_dimensions), target, pointwise


def _gaussian_columns(
    rng: np.random.Generator, n_galaxies: int, n_dimensions: int, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Independent standard normal columns, of which the first has correlation `rho` with the target."""
    columns = rng.standard_normal((n_galaxies, n_dimensions))
    target = rho * columns[:, 0] + np.sqrt(1 - rho**2) * rng.standard_normal(n_galaxies)
    return columns, target


def _mixing(rng: np.random.Generator, n_dimensions: int) -> np.ndarray:
    """Matrix that mixes independent columns of unit variance into correlated ones, [n_dimensions, n_dimensions]."""
    turns = [np.linalg.qr(rng.standard_normal((n_dimensions, n_dimensions)))[0] for _ in range(2)]
    mixing = turns[0] * np.geomspace(1, STRETCH, n_dimensions) @ turns[1]
    return mixing / np.linalg.norm(mixing, axis=0)


def _gaussian_information(target: np.ndarray, mean: np.ndarray, variance: float) -> np.ndarray:
    """Pointwise information of a Gaussian prediction of a standard normal target, nats."""
    return norm.logpdf(target, mean, np.sqrt(variance)) - norm.logpdf(target)


def _student_information(columns: np.ndarray, target: np.ndarray, rho: float, nu: float) -> np.ndarray:
    """Pointwise information, nats, of columns of joint Student's t, of which the first has dispersion `rho`."""
    d = columns.shape[1]
    of_columns = (columns**2).sum(axis=1)
    of_both = of_columns + (target - rho * columns[:, 0]) ** 2 / (1 - rho**2)
    constant = gammaln((nu + d + 1) / 2) + gammaln(nu / 2) - gammaln((nu + d) / 2) - gammaln((nu + 1) / 2)
    return (
        constant
        - np.log1p(-(rho**2)) / 2
        - (nu + d + 1) / 2 * np.log1p(of_both / nu)
        + (nu + d) / 2 * np.log1p(of_columns / nu)
        + (nu + 1) / 2 * np.log1p(target**2 / nu)
    )


def _common_scale_information(nu: float, n_dimensions: int) -> float:
    """What uncorrelated columns of joint Student's t tell of one more, nats."""
    d = n_dimensions

    def part(half: float) -> float:
        return float(gammaln(half) - half * psi(half))

    return part((nu + d + 1) / 2) + part(nu / 2) - part((nu + d) / 2) - part((nu + 1) / 2)


def _wrapped_gaussian(offset: np.ndarray, deviation: float) -> np.ndarray:
    """Density of Gaussian noise on a circle of circumference 1."""
    wrapped = (offset + 0.5) % 1 - 0.5
    turns = np.arange(-int(np.ceil(10 * deviation)) - 1, int(np.ceil(10 * deviation)) + 2)
    return norm.pdf(wrapped[:, None] + turns, scale=deviation).sum(axis=1)


def _mean_absolute_difference(mean: float, spread: float) -> float:
    """Mean of abs(mean + spread g h), g and h independent standard normal; g h has the density K0(abs) / pi."""
    offset = abs(mean)
    if spread == 0:
        return offset
    beyond, _ = quad(lambda excess: excess * k0(offset / spread + excess), 0.0, np.inf, epsabs=1e-12, limit=200)
    return float(offset + 2 * spread * beyond / np.pi)


def _linear_fit(columns: Sequence[np.ndarray], mass: np.ndarray) -> np.ndarray:
    """Fitted values of a linear fit of the mass; nulls count as the mean, and a column of nulls as nothing."""
    design = np.ones((len(mass), len(columns) + 1))
    for i, values in enumerate(columns):
        known = ~np.isnan(values)
        centre, width = (values[known].mean(), values[known].std()) if known.any() else (0.0, 1.0)
        design[:, i] = np.where(known, values - centre, 0.0) / (width or 1.0)
    return design @ np.linalg.lstsq(design, mass, rcond=None)[0]


# Maps that can be undone -----------------------------------------------------------------------------------------


def _half_cube(x: np.ndarray) -> np.ndarray:
    return x * np.sqrt(np.abs(x))


def _bend(x: np.ndarray) -> np.ndarray:
    """The second column bent by the first, as a banana is."""
    bent = x.copy()
    bent[:, 1] += BEND * (x[:, 0] ** 2 - 1)
    return bent


def _spiral(x: np.ndarray) -> np.ndarray:
    """Each pair of columns turned by its distance from the origin, which the turn leaves as it is."""
    turned = x.copy()
    for i in range(0, x.shape[1] - 1, 2):
        angle = np.hypot(x[:, i], x[:, i + 1])
        turned[:, i] = np.cos(angle) * x[:, i] - np.sin(angle) * x[:, i + 1]
        turned[:, i + 1] = np.sin(angle) * x[:, i] + np.cos(angle) * x[:, i + 1]
    return turned


def _skewed(x: np.ndarray) -> np.ndarray:
    return -np.expm1(-SKEW * x) / SKEW


def _dex(standard: np.ndarray) -> np.ndarray:
    """Standard normal numbers as masses, dex."""
    return _inside(MIDDLE + SCALE * standard)


def _inside(dex: np.ndarray) -> np.ndarray:
    """Masses squeezed into (6, 12.5), strictly monotone, with those from 6.5 to 12 as they are."""
    departure = dex - MIDDLE
    excess = np.maximum(np.abs(departure) - STRAIGHT, 0.0) / (LIMIT - STRAIGHT)
    squeezed = STRAIGHT + (LIMIT - STRAIGHT) * excess / (1 + excess)
    return MIDDLE + np.where(excess > 0, np.sign(departure) * squeezed, departure)


# What is asked for -----------------------------------------------------------------------------------------------


def _correlation(information: float) -> float:
    return float(np.sqrt(-np.expm1(-2 * information)))


def _pair(information_1: float, information_2: float, noise_correlation: float) -> tuple[np.ndarray, float, float]:
    """Signal to noise of each source [2], the correlation of their noises, and the information of both."""
    named = (("information_1", information_1), ("information_2", information_2))
    signal = np.sqrt(np.expm1([2 * _information(value, name) for name, value in named]))
    c = noise_correlation
    if not is_number(c) or not -1 < c < 1:
        raise ValueError(f"noise_correlation: found {c!r}, expected a number between -1 and 1")
    first, second = signal
    both = np.log1p((first**2 + second**2 - 2 * c * first * second) / (1 - c**2)) / 2
    return signal, float(c), float(both)


def _information(value: float, name: str = "information") -> float:
    if not is_number(value) or not 0 <= value <= MOST_INFORMATION:
        raise ValueError(f"{name}: found {value!r}, expected nats from 0 to {MOST_INFORMATION:g}")
    return float(value)


def _check_size(n_galaxies: int, n_dimensions: int) -> None:
    for name, value in (("n_galaxies", n_galaxies), ("n_dimensions", n_dimensions)):
        if not is_whole(value) or value < 1:
            raise ValueError(f"{name}: found {value!r}, expected a whole number from 1")


def _seed(seed: int) -> int:
    check_count("seed", seed)
    return int(seed)
