"""What a survey measures of galaxies from their images: Petrosian fluxes and radii, errors, and Sersic profiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.stats import norm

from ..checks import is_number, is_whole
from .sersic import concentration_to_index, fit_sersic

__all__ = ["LEAST_SIGNAL_TO_NOISE", "Photometry", "measure_galaxies"]

PETROSIAN_RATIO = 0.2
PETROSIAN_RADII = 2.0
LEAST_SIGNAL_TO_NOISE = 10.0
SIZES = (64, 128)
STEPS = 16  # radii of the growth curve per factor of 1.25, so that 0.8 r and 1.25 r are radii too
LEAST_RADIUS = 0.6  # pixels
OUTSIDE = 0.9  # of half the stamp: where the sky begins


@dataclass(frozen=True)
class Photometry:
    """Measurements of n galaxies in b bands.

    Attributes
    ----------
    petrosian_radius : float64 [n]
        In arcsec, from the reference band; NaN where the Petrosian ratio does not fall below 0.2 inside the stamp.
    flux : float64 [n, b]
        In nanomaggies, in the circle of two Petrosian radii of the reference band, or the largest that fits into the
        stamp where that is `truncated`. May be negative.
    flux_error : float64 [n, b]
        From the measured flux, the measured sky noise, the area and the gain.
    radius_50, radius_90 : float64 [n, b]
        In arcsec, not corrected for the seeing: circles that hold half and 90% of that band's flux; NaN where the flux
        is not positive.
    sersic_index, sersic_radius, axis_ratio : float64 [n, b]
        Of the Sérsic profile before the seeing: index, half-light radius along the major axis in arcsec, and minor over
        major axis. NaN where the profile's signal-to-noise is below 10, in its own band or in the reference band.
    position_angle : float64 [n]
        Of the reference band's major axis: radians from the x axis (columns) towards the y axis (rows), in [0, pi).
    sky_noise : float64 [n, b]
        In nanomaggies per pixel, from the stamp's outskirts.
    truncated : bool [n]
        Whether the circle of two Petrosian radii does not fit into the stamp, or there is no Petrosian radius.
    """

    petrosian_radius: np.ndarray
    flux: np.ndarray
    flux_error: np.ndarray
    radius_50: np.ndarray
    radius_90: np.ndarray
    sersic_index: np.ndarray
    sersic_radius: np.ndarray
    axis_ratio: np.ndarray
    position_angle: np.ndarray
    sky_noise: np.ndarray
    truncated: np.ndarray


def measure_galaxies(
    images: np.ndarray,
    psf_width: ArrayLike,
    *,
    pixel_scale: float = 0.396,
    gain: ArrayLike | None = None,
    reference: int = 2,
) -> Photometry:
    """Measure galaxies from sky-subtracted stamps, each by itself, so that it does not matter how many are given.

    Fluxes are Petrosian (Blanton et al. 2001; Strauss et al. 2002): the Petrosian radius is where the mean surface
    brightness between 0.8 r and 1.25 r falls to 0.2 of that inside r, and the flux of every band is that within two
    Petrosian radii of the reference band, by exact overlaps of circle and pixels. Of several such radii the smallest is
    taken beyond which the ratio stays below 0.2 for another factor of 1.25 (ours). Apertures are centred on the stamp,
    from which a galaxy may be off by half a pixel along each axis. No local sky is subtracted: in a stamp, the sky
    around a large galaxy is its own outskirts (ours).

    The Sérsic profiles, convolved with the PSF, are fitted freely in the reference band; the other bands take centre
    and angle from it and are fitted in index, radius, axis ratio and flux.

    Parameters
    ----------
    images : float [n, b, size, size]
        In nanomaggies; size 64 or 128.
    psf_width : array-like [n, b]
        FWHM in arcsec of a round Moffat PSF of exponent `helpers.survey.stamps.MOFFAT_BETA`.
    pixel_scale : float, default 0.396
        Arcsec per pixel.
    gain : array-like [b], optional
        Electrons per nanomaggy, for the Poisson noise of the galaxy. Default: sky noise only.
    reference : int, default 2
        Which band sets apertures, centres and angles.

    Returns
    -------
    Photometry

    Raises
    ------
    ValueError
        If images have another shape or values that are not finite; PSF widths or gains have another shape or are not
        positive; the pixel scale is not positive; or there is no such band.
    """
    images, psf_width, gain = _checked(images, psf_width, pixel_scale, gain, reference)
    radii, _ = _growth_weights(images.shape[-1])
    noise = _sky_noise(images)
    growth = _growth(images)
    petrosian = _petrosian_radius(growth[:, reference], radii)
    found = PETROSIAN_RADII * petrosian
    truncated = ~(found <= radii[-1])  # NaN counts
    aperture = np.where(truncated, radii[-1], found)
    flux = _at_radius(growth, radii, aperture)
    variance = np.pi * aperture[:, None] ** 2 * noise**2
    inverse_gain = np.zeros(images.shape[1]) if gain is None else 1 / gain
    flux_error = np.sqrt(variance + np.maximum(flux, 0) * inverse_gain)
    radius_50, radius_90 = (_radius_of_share(growth, radii, aperture, flux, share) for share in (0.5, 0.9))
    index, radius, axis_ratio, angle = _fit_profiles(
        images, psf_width / pixel_scale, noise, inverse_gain, radius_50, radius_90, reference
    )
    return Photometry(
        petrosian_radius=petrosian * pixel_scale,
        flux=flux,
        flux_error=flux_error,
        radius_50=radius_50 * pixel_scale,
        radius_90=radius_90 * pixel_scale,
        sersic_index=index,
        sersic_radius=radius * pixel_scale,
        axis_ratio=axis_ratio,
        position_angle=angle,
        sky_noise=noise,
        truncated=truncated,
    )


def _checked(
    images: Any, psf_width: Any, pixel_scale: Any, gain: Any, reference: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[2] != images.shape[3] or images.shape[3] not in SIZES or 0 in images.shape:
        raise ValueError(
            f"images: found shape {images.shape}, expected [n, b, size, size], none empty, of size 64 or 128"
        )
    if images.dtype.kind not in "fiu":
        raise ValueError(f"images: found values of type {images.dtype}, expected numbers")
    images = np.ascontiguousarray(images, dtype=np.float32)
    n_bands = images.shape[1]
    finite = np.isfinite(images).all((2, 3))
    if not finite.all():
        row, band = np.argwhere(~finite)[0]
        raise ValueError(f"images: found values that are not finite, first in galaxy {row}, band {band}")
    if not is_number(pixel_scale) or not 0 < pixel_scale < np.inf:
        raise ValueError(f"pixel_scale: found {pixel_scale!r}, expected a positive number of arcsec")
    if not is_whole(reference) or not 0 <= reference < n_bands:
        raise ValueError(f"reference: found {reference!r}, expected the number of a band, 0 to {n_bands - 1}")
    psf_width = _positive("psf_width", psf_width, images.shape[:2])
    return images, psf_width, None if gain is None else _positive("gain", gain, (n_bands,))


def _positive(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != shape:
        raise ValueError(f"{name}: found shape {values.shape}, expected {shape}")
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError(f"{name}: found a smallest value of {values.min():g}, expected positive finite numbers")
    return values


@lru_cache(maxsize=len(SIZES))
def _growth_weights(size: int) -> tuple[np.ndarray, csr_array]:
    """Radii in pixels, and the share of each pixel in the ring between each radius and the one before, exactly."""
    from photutils.aperture import CircularAperture

    n_radii = int(np.log(size / 2 / LEAST_RADIUS) / np.log(1.25) * STEPS) + 1
    radii = size / 2 * 1.25 ** (np.arange(1 - n_radii, 1) / STEPS)
    centre = (size - 1) / 2
    rings, inner = [], csr_array((1, size * size))
    for radius in radii:
        disc = CircularAperture((centre, centre), radius).to_mask(method="exact").to_image((size, size))
        outer = csr_array(disc.reshape(1, -1))
        rings.append((outer - inner).toarray()[0])
        inner = outer
    weights = csr_array(np.array(rings))
    return radii, weights


def _growth(images: np.ndarray) -> np.ndarray:
    """Flux inside each radius, float64 [n, b, radii]."""
    radii, weights = _growth_weights(images.shape[-1])
    growth = np.empty((*images.shape[:2], len(radii)))
    for row, stamps in enumerate(images):
        # One galaxy at a time: the columns' layout, and so the last bit, is the same whatever is measured beside it.
        pixels = np.ascontiguousarray(stamps.reshape(len(stamps), -1).T, dtype=np.float64)
        growth[row] = np.cumsum(weights @ pixels, axis=0).T
    return growth


def _sky_noise(images: np.ndarray) -> np.ndarray:
    """Noise of a pixel [n, b]: the median absolute difference of neighbours in the outskirts, as for a Gaussian.

    Differences, because the outskirts of a large galaxy have a slope but no steps.
    """
    size = images.shape[-1]
    offset = np.arange(size) - (size - 1) / 2
    outside = np.hypot(offset[:, None], offset) > OUTSIDE * size / 2
    # Disjoint pairs of neighbours along the rows.
    pair = outside[:, 0::2] & outside[:, 1::2]
    difference = abs(images[..., 1::2][..., pair] - images[..., 0::2][..., pair])
    return np.median(difference.astype(np.float64), axis=-1) / (np.sqrt(2) * norm.ppf(0.75))


def _petrosian_radius(growth: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Petrosian radius in pixels [n], NaN where there is none inside the stamp."""
    mean = growth / radii**2
    ring = (growth[:, 2 * STEPS :] - growth[:, : -2 * STEPS]) / (radii[2 * STEPS :] ** 2 - radii[: -2 * STEPS] ** 2)
    mean = mean[:, STEPS:-STEPS]
    inner = radii[STEPS:-STEPS]
    # Excess is the sign of (ratio - 0.2) without dividing by a mean that noise may have made zero.
    excess = ring - PETROSIAN_RATIO * mean
    below = (excess < 0) & (mean > 0)
    # Stays below over the next STEPS radii, or as many as the stamp has.
    longer = np.concatenate([below, np.ones((len(below), STEPS - 1), dtype=bool)], axis=1)
    stays = np.asarray(np.lib.stride_tricks.sliding_window_view(longer, STEPS, axis=1).all(axis=2))
    first = stays.argmax(1)
    none = ~stays.any(1) | (first == 0)
    first = np.maximum(first, 1)
    rows = np.arange(len(growth))
    high, low = excess[rows, first - 1], excess[rows, first]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(high / (high - low), 0, 1)
    log_radius = np.log(inner[first - 1]) + share * np.log(1.25) / STEPS
    return np.where(none, np.nan, np.exp(log_radius))


def _at_radius(growth: np.ndarray, radii: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Growth curves [n, b, radii] at a radius per galaxy [n], linear in ln r between radii."""
    position = np.clip(np.log(radius / radii[0]) / (np.log(1.25) / STEPS), 0, len(radii) - 1)
    lower = np.minimum(position.astype(np.int64), len(radii) - 2)
    share = (position - lower)[:, None]
    rows = np.arange(len(growth))
    return growth[rows, :, lower] * (1 - share) + growth[rows, :, lower + 1] * share


def _radius_of_share(
    growth: np.ndarray, radii: np.ndarray, aperture: np.ndarray, flux: np.ndarray, share: float
) -> np.ndarray:
    """Radius in pixels [n, b] that holds a share of the flux, NaN where the flux is not positive.

    Noise makes a growth curve cross the share several times: the mean of the first and the last, for the first alone
    is too small (ours).
    """
    wanted = share * flux[..., None]
    reached = (growth >= wanted) | (radii >= aperture[:, None])[:, None]
    first = np.maximum(reached.argmax(-1), 1)
    last = len(radii) - np.argmin(reached[..., ::-1], axis=-1)
    last = np.where(reached.all(-1), first, last)

    def crossing(upper: np.ndarray) -> np.ndarray:
        outer = np.take_along_axis(growth, upper[..., None], -1)
        inner = np.take_along_axis(growth, upper[..., None] - 1, -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.clip((wanted - inner) / (outer - inner), 0, 1)[..., 0]
        return np.exp(np.log(radii[upper - 1]) + np.where(np.isfinite(part), part, 0) * np.log(1.25) / STEPS)

    return np.where(flux > 0, 0.5 * (crossing(first) + crossing(np.clip(last, 1, len(radii) - 1))), np.nan)


def _fit_profiles(
    images: np.ndarray,
    psf_width: np.ndarray,
    noise: np.ndarray,
    inverse_gain: np.ndarray,
    radius_50: np.ndarray,
    radius_90: np.ndarray,
    reference: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sersic index, radius in pixels and axis ratio, each [n, b], and the angle [n]."""
    n, n_bands = images.shape[:2]
    # Seeing adds to the radius roughly in quadrature.
    seeing = 0.5 * psf_width[:, reference]
    half = np.nan_to_num(radius_50[:, reference], nan=4.0)
    radius = np.sqrt(np.maximum(half**2 - seeing**2, 0.25))
    ratio = np.nan_to_num(radius_90[:, reference] / radius_50[:, reference], nan=2.5)
    index = np.clip(concentration_to_index(np.maximum(ratio, 1.5)), 0.7, 5)
    # A stamp without noise still needs a scale for its residuals: a thousandth of its peak, about where the model ends.
    noise = np.maximum(noise, np.maximum(1e-3 * abs(images).max((2, 3)), 1e-9))

    def fit(band: int, **options: Any) -> Any:
        gains = np.full(n, inverse_gain[band])
        return fit_sersic(images[:, band], psf_width[:, band], noise[:, band], inverse_gain=gains, **options)

    free = fit(reference, radius=radius, index=index)
    circular = free.radius * np.sqrt(free.axis_ratio)
    fits = [
        free if band == reference else fit(band, radius=circular, index=free.index, geometry=free)
        for band in range(n_bands)
    ]
    trusted = np.stack([one.signal_to_noise >= LEAST_SIGNAL_TO_NOISE for one in fits], axis=1)
    trusted &= trusted[:, [reference]]
    values = [
        np.where(trusted, np.stack([getattr(one, name) for one in fits], axis=1), np.nan)
        for name in ("index", "radius", "axis_ratio")
    ]
    return values[0], values[1], values[2], np.where(trusted[:, reference], free.angle, np.nan)
