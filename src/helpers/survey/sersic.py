"""Sersic profiles: their closed forms, and a fast fit of one, convolved with the seeing, to many stamps at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares
from scipy.special import gamma, gammainc, gammaincinv

from .stamps import MOFFAT_BETA

__all__ = [
    "INDEX_RANGE",
    "SersicFit",
    "concentration_to_index",
    "fit_sersic",
    "sersic_b",
    "sersic_fraction_inside",
]

SIZES = (16, 32, 64, 128)
INDEX_RANGE = (0.5, 8.0)
RADIUS_RANGE = (0.2, 100.0)  # pixels, circularised
LARGEST_SHEAR = 3.0  # an axis ratio of 0.05
MODEL_ERROR = 0.02  # share of a cell's light that no smooth profile is asked to explain
N_WIDTHS = 14
WIDTHS = np.geomspace(0.02, 6.0, N_WIDTHS)  # of the Gaussians, in half-light radii
N_SEEING = 3
ITERATIONS = 40
BLOCK = 24  # stamps fitted together: what fits a processor's cache


def _check_index(index: ArrayLike) -> np.ndarray:
    index = np.asarray(index, dtype=np.float64)
    if not (np.isfinite(index) & (index > 0)).all():
        raise ValueError(f"index: found a smallest value of {index.min():g}, expected positive finite numbers")
    return index


def sersic_b(index: ArrayLike) -> np.ndarray:
    """Coefficient b of a Sersic profile exp(-b (r/R)^(1/n)), for which half the light is inside R.

    Parameters
    ----------
    index : array-like
        Sersic index n, positive.

    Returns
    -------
    float64 array
        The solution of P(2n, b) = 1/2, P the regularised incomplete gamma function; same shape.

    Raises
    ------
    ValueError
        If an index is not positive and finite.
    """
    return gammaincinv(2 * _check_index(index), 0.5)


def sersic_fraction_inside(radius: ArrayLike, index: ArrayLike) -> np.ndarray:
    """Share of a Sersic profile's light inside a radius, P(2n, b x^(1/n)).

    Parameters
    ----------
    radius : array-like
        x, in units of the half-light radius (of an ellipse: along its major axis), not negative.
    index : array-like
        Sersic index n; broadcast against `radius`.

    Returns
    -------
    float64 array

    Raises
    ------
    ValueError
        If an index is not positive and finite, or a radius is negative.
    """
    index, radius = _check_index(index), np.asarray(radius, dtype=np.float64)
    if (radius < 0).any():
        raise ValueError(f"radius: found {radius.min():g}, expected numbers of 0 or more")
    return gammainc(2 * index, sersic_b(index) * radius ** (1 / index))


def concentration_to_index(concentration: ArrayLike) -> np.ndarray:
    """Index of the Sersic profile whose radii of 90% and 50% of its light have this ratio.

    Parameters
    ----------
    concentration : array-like
        R90/R50 of the total light, before any seeing.

    Returns
    -------
    float64 array
        Between 0.1 and 12, the nearer of which stands for a ratio outside their range; NaN for NaN.

    Raises
    ------
    ValueError
        If a concentration is 1 or less.
    """
    concentration = np.asarray(concentration, dtype=np.float64)
    if (concentration <= 1).any():
        raise ValueError(f"concentration: found {np.nanmin(concentration):g}, expected numbers above 1")
    log_index = np.linspace(np.log(0.1), np.log(12.0), 2000)
    index = np.exp(log_index)
    ratio = (gammaincinv(2 * index, 0.9) / sersic_b(index)) ** index
    return np.exp(np.interp(np.log(concentration), np.log(ratio), log_index))


@lru_cache(maxsize=1)
def _profile_weights() -> tuple[CubicSpline, CubicSpline]:
    """Weights of the Gaussians that make up a Sersic profile of unit flux, and their slope, against ln n (ours).

    Least squares of the light per ln r and of the light inside r. The widths are the same for every index and a weight
    may be negative, so that the weights are smooth in n. The light inside any radius is right within 0.003.
    """
    radius = np.geomspace(0.01, 20, 400)
    ratio = 0.5 * (radius[:, None] / WIDTHS) ** 2
    trust = np.where(radius > 0.03, 1.0, 0.2)[:, None]
    penalty = 0.02 * np.eye(N_WIDTHS)
    design = np.concatenate([2 * ratio * np.exp(-ratio) * trust, -np.expm1(-ratio) * trust, penalty])
    nodes = np.linspace(np.log(INDEX_RANGE[0]), np.log(INDEX_RANGE[1]), 60)
    index = np.exp(nodes)
    b = sersic_b(index)
    reduced = b * radius[:, None] ** (1 / index)
    per_log_radius = np.exp(-reduced) * reduced ** (2 * index) / (index * gamma(2 * index))
    target = np.concatenate([per_log_radius * trust, gammainc(2 * index, reduced) * trust, np.zeros((N_WIDTHS, 60))])
    spline = CubicSpline(nodes, np.linalg.lstsq(design, target, rcond=None)[0].T)
    return spline, spline.derivative()


@lru_cache(maxsize=1)
def _seeing_mixture() -> tuple[np.ndarray, np.ndarray]:
    """Weights and widths, in units of its FWHM, of the Gaussians that make up a Moffat profile (ours).

    The light inside any radius is right within 0.002.
    """
    radius = np.geomspace(0.02, 8, 300)
    scale = 0.5 / np.sqrt(2 ** (1 / MOFFAT_BETA) - 1)
    reduced = 1 + (radius / scale) ** 2
    density = (MOFFAT_BETA - 1) / (np.pi * scale**2) * reduced**-MOFFAT_BETA
    inside = 1 - reduced ** (1 - MOFFAT_BETA)

    def residual(values: np.ndarray) -> np.ndarray:
        width, weight = np.exp(values[:N_SEEING]), np.exp(values[N_SEEING:])
        weight = weight / weight.sum()
        ratio = 0.5 * (radius[:, None] / width) ** 2
        light = (2 * ratio * np.exp(-ratio)) @ weight - 2 * np.pi * radius**2 * density
        return np.concatenate([light, -np.expm1(-ratio) @ weight - inside])

    start = np.concatenate([np.log([0.36, 0.58, 1.08]), np.zeros(N_SEEING)])
    found = least_squares(residual, start).x
    weight = np.exp(found[N_SEEING:])
    return weight / weight.sum(), np.exp(found[:N_SEEING])


@lru_cache(maxsize=8)
def _cells(size: int) -> tuple[tuple[int, np.ndarray, np.ndarray], ...]:
    """Cells that grow outwards: for each width, which cells of the binned stamp, and their centres [2, cells].

    Single pixels in the inner 16 x 16, blocks of 2 x 2 up to 32 x 32, 4 x 4 up to 64 x 64, 8 x 8 up to 128 x 128.
    """
    groups = []
    for width in (1, 2, 4, 8):
        reach = min(16 * width, size)
        number = reach // width
        centre = (np.arange(number) - (number - 1) / 2) * width
        y, x = np.meshgrid(centre, centre, indexing="ij")
        inner = 4 * width if width > 1 else 0
        keep = np.maximum(abs(x), abs(y)).ravel() > inner
        groups.append((width, np.flatnonzero(keep), np.stack([x.ravel(), y.ravel()])[:, keep]))
        if reach == size:
            break
    return tuple(groups)


def _bin(images: np.ndarray) -> np.ndarray:
    """Sums over the cells, float32 [m, cells]."""
    size = images.shape[-1]
    sums = []
    for width, keep, _ in _cells(size):
        reach = min(16 * width, size)
        low, high = (size - reach) // 2, (size + reach) // 2
        part = images[:, low:high, low:high]
        # Added one by one in a fixed order, so that the last bit does not depend on how the stamps lie in memory.
        binned = np.zeros((len(images), reach // width, reach // width), dtype=np.float32)
        for row in range(width):
            for column in range(width):
                binned += part[:, row::width, column::width]
        sums.append(binned.reshape(len(images), -1)[:, keep])
    return np.concatenate(sums, axis=1)


@dataclass(frozen=True)
class SersicFit:
    """Sersic profiles fitted to m stamps.

    Attributes
    ----------
    flux : float64 [m]
        Of the whole profile, in the stamps' unit.
    index : float64 [m]
        Sersic index, within `INDEX_RANGE`.
    radius : float64 [m]
        Half-light radius along the major axis, in pixels, before the seeing.
    axis_ratio : float64 [m]
        Minor over major axis.
    angle : float64 [m]
        Of the major axis, radians from the x axis (columns) towards the y axis (rows), in [0, pi).
    centre : float64 [m, 2]
        x and y in pixels from the geometric centre of the stamp.
    signal_to_noise : float64 [m]
        Flux over its error, the shape held fixed; has the sign of the flux.
    converged : bool [m]
    """

    flux: np.ndarray
    index: np.ndarray
    radius: np.ndarray
    axis_ratio: np.ndarray
    angle: np.ndarray
    centre: np.ndarray
    signal_to_noise: np.ndarray
    converged: np.ndarray


def fit_sersic(
    images: np.ndarray,
    psf_width: np.ndarray,
    noise: np.ndarray,
    *,
    inverse_gain: np.ndarray,
    radius: np.ndarray,
    index: np.ndarray,
    geometry: SersicFit | None = None,
) -> SersicFit:
    """Fit a Sersic profile, convolved with a round Moffat PSF, to each stamp (ours).

    The profile is a sum of Gaussians of fixed widths (Hogg & Lang 2013), the PSF of three, so that the convolved model
    is a sum of elliptical Gaussians. It is compared with the stamp in cells that grow outwards, weighted by sky noise,
    Poisson noise of the model and 2% of the model, by Levenberg-Marquardt with the exact Jacobian. Every stamp is
    fitted by itself: what it is fitted beside changes nothing.

    Parameters
    ----------
    images : float [m, size, size]
        Sky-subtracted; size 16, 32, 64 or 128.
    psf_width : float [m]
        FWHM in pixels.
    noise : float [m]
        Of the sky in a pixel.
    inverse_gain : float [m]
        Flux per electron; 0 leaves the Poisson noise out.
    radius, index : float [m]
        Where the search begins: circularised half-light radius in pixels, and Sersic index.
    geometry : SersicFit, optional
        Centre and angle to hold fixed. Default: they are fitted.

    Returns
    -------
    SersicFit

    Raises
    ------
    ValueError
        If the images have another shape, or there is not one number of each kind for every stamp.
    """
    if images.ndim != 3 or images.shape[1] != images.shape[2] or images.shape[2] not in SIZES:
        raise ValueError(f"images: found shape {images.shape}, expected [m, size, size], size one of {SIZES}")
    given = {"psf_width": psf_width, "noise": noise, "inverse_gain": inverse_gain, "radius": radius, "index": index}
    for name, values in given.items():
        if values.shape != (len(images),):
            raise ValueError(f"{name}: found shape {values.shape}, expected {(len(images),)}")
    if geometry is not None and len(geometry.flux) != len(images):
        raise ValueError(f"geometry: found {len(geometry.flux)} fits, expected {len(images)}, one for every stamp")
    start = _start(len(images), radius, index, geometry)
    parts = []
    for low in range(0, len(images), BLOCK):
        part = slice(low, low + BLOCK)
        scales = (values[part].astype(np.float64) for values in (psf_width, noise, inverse_gain))
        parts.append(_fit_block(_bin(images[part]), start[part], *scales, size=images.shape[-1], free=geometry is None))
    state, signal_to_noise, converged = (np.concatenate(part) for part in zip(*parts, strict=True))
    flux, log_radius, log_index, shear, angle, x, y = state.T
    # A negative shear is an ellipse across the given angle: only a noisy, nearly round one.
    return SersicFit(
        flux,
        np.exp(log_index),
        np.exp(log_radius + 0.5 * abs(shear)),
        np.exp(-abs(shear)),
        np.mod(angle, np.pi) % np.pi,
        np.stack([x, y], axis=1),
        signal_to_noise,
        converged,
    )


def _start(m: int, radius: np.ndarray, index: np.ndarray, geometry: SersicFit | None) -> np.ndarray:
    """First state [m, 7]: flux, ln of the circularised radius, ln n, shear, angle, centre."""
    state = np.zeros((m, 7))
    state[:, 1] = np.log(np.clip(radius, *RADIUS_RANGE))
    state[:, 2] = np.log(np.clip(index, *INDEX_RANGE))
    if geometry is not None:
        state[:, 3] = -np.log(geometry.axis_ratio)
        state[:, 4] = geometry.angle
        state[:, 5:] = geometry.centre
    return state


def _fit_block(
    data: np.ndarray,
    start: np.ndarray,
    psf_width: np.ndarray,
    noise: np.ndarray,
    inverse_gain: np.ndarray,
    *,
    size: int,
    free: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levenberg-Marquardt of one block: the last state [m, 7], the signal-to-noise, and whether it settled."""
    area = np.concatenate([np.full(centres.shape[1], width**2) for width, _, centres in _cells(size)])
    sky = (noise**2)[:, None] * area

    def weight(model: np.ndarray, rows: np.ndarray) -> np.ndarray:
        light = np.maximum(model, 0)
        return 1 / (sky[rows] + inverse_gain[rows, None] * light + (MODEL_ERROR * light) ** 2)

    everyone, state = np.arange(len(data)), start.copy()
    slopes = _slopes(state, psf_width, size, free)
    # The flux is linear: it begins at its best value for the first shape.
    flat = 1 / sky
    state[:, 0] = (flat * data * slopes[:, 0]).sum(1) / (flat * slopes[:, 0].astype(np.float64) ** 2).sum(1)
    slopes[:, 1:] *= state[:, 0, None, None].astype(np.float32)
    damping = np.full(len(data), 1e-2)
    active = everyone
    for _ in range(ITERATIONS):
        model = state[active, 0, None] * slopes[active, 0]
        trust = weight(model, active)
        residual = data[active] - model
        step = _step(slopes[active], trust, residual, damping[active], state[active])
        trial = _move(state[active], step, free)
        new = _slopes(trial, psf_width[active], size, free)
        before = (trust * residual**2).sum(1)
        after = (trust * (data[active] - trial[:, 0, None] * new[:, 0]) ** 2).sum(1)
        better = after <= before
        accepted = active[better]
        new[:, 1:] *= trial[:, 0, None, None].astype(np.float32)
        state[accepted], slopes[accepted] = trial[better], new[better]
        damping[active] = np.where(better, np.maximum(damping[active] * 0.2, 1e-6), damping[active] * 8)
        # Settled: the last step changed neither the fit nor the shape, or no step of any length helps.
        still = (abs(step[:, 1:]).max(1) < 1e-3) & better | (before - after < 1e-5 * before) & better
        active = active[~(still | (damping[active] > 1e8))]
        if not len(active):
            break
    converged = np.ones(len(data), dtype=bool)
    converged[active] = False
    trust = weight(state[:, 0, None] * slopes[:, 0], everyone)
    signal_to_noise = state[:, 0] * np.sqrt((trust * slopes[:, 0].astype(np.float64) ** 2).sum(1))
    return state, signal_to_noise, converged


def _step(
    slopes: np.ndarray, trust: np.ndarray, residual: np.ndarray, damping: np.ndarray, state: np.ndarray
) -> np.ndarray:
    """Damped Gauss-Newton step [m, parameters]; a parameter pressed against its bound stays there."""
    weighted = slopes * trust[:, None]
    normal = weighted @ slopes.astype(np.float64).transpose(0, 2, 1)
    gradient = (weighted @ residual[:, :, None].astype(np.float64))[..., 0]
    for column, (lowest, highest) in ((1, np.log(RADIUS_RANGE)), (2, np.log(INDEX_RANGE))):
        pressed = (state[:, column] <= lowest) & (gradient[:, column] < 0)
        pressed |= (state[:, column] >= highest) & (gradient[:, column] > 0)
        normal[pressed, column, :] = normal[pressed, :, column] = gradient[pressed, column] = 0
    diagonal = np.einsum("mpp->mp", normal)
    scale = np.where(diagonal > 0, diagonal, 1) ** -0.5
    scaled = normal * scale[:, :, None] * scale[:, None, :]
    np.einsum("mpp->mp", scaled)[:] = 1 + damping[:, None]
    return scale * np.linalg.solve(scaled, (gradient * scale)[..., None])[..., 0]


def _move(state: np.ndarray, step: np.ndarray, free: bool) -> np.ndarray:
    """State after a step of at most a factor 2 in radius and index, a shear of 0.7 and a pixel."""
    trial = state.copy()
    trial[:, 0] += step[:, 0]
    limited = np.clip(step[:, 1:], -0.7, 0.7)
    trial[:, 1] = np.clip(trial[:, 1] + limited[:, 0], *np.log(RADIUS_RANGE))
    trial[:, 2] = np.clip(trial[:, 2] + limited[:, 1], *np.log(INDEX_RANGE))
    along = trial[:, 3] + limited[:, 2]
    if not free:
        trial[:, 3] = np.clip(along, -LARGEST_SHEAR, LARGEST_SHEAR)
        return trial
    across = limited[:, 3]
    cosine, sine = np.cos(trial[:, 4]), np.sin(trial[:, 4])
    trial[:, 5] += cosine * limited[:, 4] - sine * limited[:, 5]
    trial[:, 6] += sine * limited[:, 4] + cosine * limited[:, 5]
    trial[:, 3] = np.minimum(np.hypot(along, across), LARGEST_SHEAR)
    trial[:, 4] += 0.5 * np.arctan2(across, along)
    return trial


def _slopes(state: np.ndarray, psf_width: np.ndarray, size: int, free: bool) -> np.ndarray:
    """Model of unit flux in every cell and its slopes, float32 [m, parameters, cells].

    Parameters: flux (whose slope is the model), ln radius, ln n, shear along the axes, and if `free` shear across
    them and the centre along both axes. In the frame of the axes every Gaussian's covariance is diagonal.
    """
    spline, spline_slope = _profile_weights()
    seeing_weight, seeing_width = _seeing_mixture()
    m = len(state)
    _, log_radius, log_index, shear, angle, x, y = state.T
    major, minor = np.exp(2 * log_radius + shear), np.exp(2 * log_radius - shear)

    def mixed(of_profile: np.ndarray, of_seeing: np.ndarray) -> np.ndarray:
        return (of_profile[:, :, None] * of_seeing[:, None, :]).reshape(m, -1)

    ones = np.ones((m, N_SEEING))
    weight = mixed(spline(log_index), seeing_weight * ones)
    weight_slope = mixed(spline_slope(log_index), seeing_weight * ones)
    spread = mixed(WIDTHS**2 * np.ones((m, 1)), ones)
    seeing = mixed(np.ones((m, N_WIDTHS)), (psf_width[:, None] * seeing_width) ** 2)
    cosine, sine = np.cos(angle), np.sin(angle)
    # d(shear matrix)/d(shear across) is sinh(shear)/shear, 1 for a round profile.
    across = np.sqrt(major * minor) * np.where(abs(shear) > 1e-6, np.sinh(shear) / np.where(shear == 0, 1, shear), 1)
    parts = []
    for width, _, centres in _cells(size):
        # A cell is as good as a Gaussian of its own variance, width^2/12 along each axis.
        cell = width**2 / 12
        a, b = 1 / (spread * major[:, None] + seeing + cell), 1 / (spread * minor[:, None] + seeing + cell)
        height = np.sqrt(a * b) * (width**2 / (2 * np.pi))
        first = weight * height
        stretched = first * spread
        rows = [first, weight_slope * height, stretched * a**2, stretched * a, stretched * b**2, stretched * b]
        if free:
            rows += [stretched * a * b, first * a, first * b]
        along_x, along_y = centres[0] - x[:, None], centres[1] - y[:, None]
        u = cosine[:, None] * along_x + sine[:, None] * along_y
        v = cosine[:, None] * along_y - sine[:, None] * along_x
        squares = np.stack([u**2, v**2], axis=1).astype(np.float32)
        exponent = np.stack([-0.5 * a, -0.5 * b], axis=2).astype(np.float32) @ squares
        # Far out a narrow Gaussian is nothing; numbers too small for the processor's fast path are slow.
        np.maximum(exponent, -60, out=exponent)
        sums = np.stack(rows, axis=1).astype(np.float32) @ np.exp(exponent, out=exponent)
        by_major = 0.5 * major[:, None].astype(np.float32) * (squares[:, 0] * sums[:, 2] - sums[:, 3])
        by_minor = 0.5 * minor[:, None].astype(np.float32) * (squares[:, 1] * sums[:, 4] - sums[:, 5])
        made = [sums[:, 0], 2 * (by_major + by_minor), sums[:, 1], by_major - by_minor]
        if free:
            u, v = u.astype(np.float32), v.astype(np.float32)
            made += [across[:, None].astype(np.float32) * u * v * sums[:, 6], u * sums[:, 7], v * sums[:, 8]]
        parts.append(np.stack(made, axis=1))
    return np.concatenate(parts, axis=2)
