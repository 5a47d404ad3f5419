"""Stamps: square pictures of galaxies [n, band, y, x] in nanomaggies, of any origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..bands import SDSS
from ..checks import is_number
from .stored import StoredImages, central_window

__all__ = [
    "MOFFAT_BETA",
    "EqualisedImages",
    "central_cut",
    "colour_picture",
    "common_signal_to_noise",
    "equalise_signal_to_noise",
    "flux_floor",
    "normalise_by_flux",
]

# Exponent of the Moffat profile (1 + r^2 / a^2)^(-beta) that stands for the PSF.
MOFFAT_BETA = 3.5

SDSS_BANDS = tuple(band.name for band in SDSS.bands)
# Percentile of the training fluxes at which `Ioptnorm` clips the flux, by band (paper).
FLOOR_PERCENTILE = {"u": 2.0, "g": 0.1, "r": 0.1, "i": 0.1, "z": 0.1}
# Factors of red, green and blue for i, r and g, so that an old population looks warm and a young one bluish (ours).
COLOUR_WEIGHTS = (0.86, 1.0, 1.37)


@dataclass(frozen=True)
class EqualisedImages:
    """Images in units of the galaxy's flux, with the same sky noise for all.

    Attributes
    ----------
    images : float32 array [n, band, y, x]
        Zero where the ratio is not reached.
    reached : bool array [n, band]
        Whether the image was at least as good as the common ratio; it then has exactly that.
    """

    images: np.ndarray
    reached: np.ndarray


def central_cut(images: Any, size: int = 64) -> Any:
    """The central `size` by `size` pixels of stamps.

    Parameters
    ----------
    images : array [n, band, y, x] or StoredImages
        Stored images stay unread.
    size : int, default 64
        Of the same parity as the stamps' width, so that the centre stays the centre.

    Returns
    -------
    array [n, band, size, size] or StoredImages
        As `images` are.

    Raises
    ------
    ValueError
        If `size` is larger than the stamp or of other parity.
    """
    if isinstance(images, StoredImages):
        return images.central_cut(size)
    images = _as_stamps(images)
    return images[:, :, *central_window(images.shape, size)]


def flux_floor(flux_train: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Flux of each band below which `normalise_by_flux` clips (paper): a low percentile of the training fluxes.

    Parameters
    ----------
    flux_train : array [n_train, band]
        Petrosian fluxes of the training galaxies.
    bands : sequence of str
        Names of the columns of `flux_train`, among u, g, r, i and z.

    Returns
    -------
    float64 array [band]
        The 2nd percentile in u, the 0.1th in g, r, i and z.

    Raises
    ------
    ValueError
        If a band is unknown, a flux is not finite, or a floor is not positive.
    """
    unknown = [band for band in bands if band not in FLOOR_PERCENTILE]
    if unknown:
        raise ValueError(f"bands: found {unknown[0]!r}, expected some of {', '.join(FLOOR_PERCENTILE)}")
    flux_train = np.asarray(flux_train, np.float64)
    if flux_train.ndim != 2 or flux_train.shape[1] != len(bands) or len(flux_train) == 0:
        raise ValueError(f"flux_train: found shape {flux_train.shape}, expected (n_train, {len(bands)})")
    _check_finite("flux_train", flux_train)
    floor = np.array(
        [np.percentile(flux, FLOOR_PERCENTILE[band]) for band, flux in zip(bands, flux_train.T, strict=True)]
    )
    if (floor <= 0).any():
        band = int(np.flatnonzero(floor <= 0)[0])
        raise ValueError(
            f"flux_train: the {FLOOR_PERCENTILE[bands[band]]:g}th percentile in {bands[band]} is {floor[band]:g}, "
            "expected a positive flux"
        )
    return floor


def normalise_by_flux(images: Any, flux: np.ndarray, *, floor: np.ndarray | None = None) -> np.ndarray:
    """Divide every image by its galaxy's flux in that band: the input `Ioptnorm` (paper).

    What brightness it still tells: the sky noise, in units of the flux, is the larger the fainter the galaxy.
    `equalise_signal_to_noise` removes that.

    Parameters
    ----------
    images : array [n, band, y, x]
    flux : array [n, band]
        Petrosian flux, in the units of the images.
    floor : array [band], optional
        From `flux_floor`: lower fluxes are raised to it. Default: none is.

    Returns
    -------
    float32 array [n, band, y, x]

    Raises
    ------
    ValueError
        If shapes do not fit, or a flux is not positive and there is no floor.
    """
    images = _as_stamps(images)
    flux = _per_galaxy_and_band("flux", flux, images)
    if floor is not None:
        floor = np.asarray(floor, np.float64)
        if floor.shape != flux.shape[1:] or not (floor > 0).all():
            raise ValueError(f"floor: found {floor}, expected a positive flux for each of {flux.shape[1]} bands")
        flux = np.maximum(flux, floor)
    elif (flux <= 0).any():
        raise ValueError(f"flux: found {flux[flux <= 0][0]:g}, expected positive fluxes or a floor")
    return images.astype(np.float32, copy=False) * (1 / flux).astype(np.float32)[:, :, None, None]


def common_signal_to_noise(flux: np.ndarray, sky_noise: np.ndarray, *, quantile: float = 0.05) -> np.ndarray:
    """Ratio of flux to sky noise per pixel that all but the noisiest galaxies reach, for each band (ours).

    Parameters
    ----------
    flux : array [n, band]
        In nanomaggies.
    sky_noise : array [n, band]
        In nanomaggies per pixel.
    quantile : float, default 0.05
        Share of the galaxies of a band that fall short.

    Returns
    -------
    float64 array [band]

    Raises
    ------
    ValueError
        If shapes differ, a number is not finite, the noise is not positive, or so many fluxes are not positive that
        the ratio is not either.
    """
    if not is_number(quantile) or not 0 <= quantile < 1:
        raise ValueError(f"quantile: found {quantile!r}, expected a number from 0 to below 1")
    flux, sky_noise = np.asarray(flux, np.float64), np.asarray(sky_noise, np.float64)
    if flux.ndim != 2 or len(flux) == 0 or sky_noise.shape != flux.shape:
        raise ValueError(
            f"sky_noise: found shape {sky_noise.shape} with flux {flux.shape}, expected (n, band) for both"
        )
    _check_finite("flux", flux)
    _check_finite("sky_noise", sky_noise, positive=True)
    ratio = np.quantile(flux / sky_noise, quantile, axis=0)
    if (ratio <= 0).any():
        raise ValueError(
            f"flux: the quantile {quantile:g} of its ratio to the noise is {ratio.min():g}, expected above 0"
        )
    return ratio


def equalise_signal_to_noise(
    images: Any,
    flux: np.ndarray,
    sky_noise: np.ndarray,
    *,
    signal_to_noise: float | np.ndarray,
    seeds: Sequence[Sequence[int]] | np.ndarray,
) -> EqualisedImages:
    """Add noise until flux over sky noise is the same for every galaxy, then divide by the flux (ours).

    The noise of an empty pixel is then one over the ratio whatever the galaxy's brightness, which it therefore no
    longer tells. The photon noise of the galaxy's own light, and what the PSF and the pixels leave of its shape, are
    not touched.

    Parameters
    ----------
    images : array [n, band, y, x]
    flux : array [n, band]
        Petrosian flux in nanomaggies.
    sky_noise : array [n, band]
        Noise of an empty pixel in nanomaggies.
    signal_to_noise : float or array [band]
        The ratio; `common_signal_to_noise` gives one that nearly all galaxies reach.
    seeds : sequence of n seeds
        Whole numbers, not negative, for each galaxy.

    Returns
    -------
    EqualisedImages
        A galaxy that is noisier than that already is blank in that band and marked.

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or noise or ratio is not positive.
    """
    images = _as_stamps(images)
    flux = _per_galaxy_and_band("flux", flux, images)
    sky_noise = _per_galaxy_and_band("sky_noise", sky_noise, images, positive=True)
    ratio = np.asarray(signal_to_noise, np.float64)
    if ratio.shape not in ((), flux.shape[1:]) or not np.isfinite(ratio).all() or not (ratio > 0).all():
        raise ValueError(f"signal_to_noise: found {ratio}, expected a positive number, or one for each band")
    if len(seeds) != len(images):
        raise ValueError(f"seeds: found {len(seeds)}, expected one for each of {len(images)} galaxies")
    missing = np.square(flux / ratio) - np.square(sky_noise)
    reached = (flux > 0) & (missing >= 0)
    added = np.sqrt(np.where(reached, missing, 0)).astype(np.float32)
    scale = np.divide(1, flux, out=np.zeros_like(flux), where=reached).astype(np.float32)
    equalised = np.empty(images.shape, np.float32)
    for row, seed in enumerate(seeds):
        noise = np.random.default_rng(seed).standard_normal(images.shape[1:], dtype=np.float32)
        noise *= added[row, :, None, None]
        equalised[row] = (images[row] + noise) * scale[row, :, None, None]
    return EqualisedImages(equalised, reached)


def colour_picture(
    images: Any,
    *,
    bands: Sequence[str] = ("i", "r", "g"),
    available: Sequence[str] = SDSS_BANDS,
    weights: Sequence[float] = COLOUR_WEIGHTS,
    stretch: float = 0.3,
    softening: float = 8.0,
) -> np.ndarray:
    """Colour pictures for the eye: an asinh stretch of the mean brightness that keeps colours (Lupton et al. 2004).

    Parameters
    ----------
    images : array [n, band, y, x]
        In nanomaggies.
    bands : three band names, default i, r, g
        For red, green and blue.
    available : sequence of str, default u, g, r, i, z
        Names of the bands of `images`, in their order.
    weights : three positive numbers
        Factors of red, green and blue.
    stretch : float, default 0.3
        Brightness in nanomaggies per pixel that fills the linear part.
    softening : float, default 8
        Lupton's Q: the larger, the more the bright part is compressed.

    Returns
    -------
    uint8 array [n, y, x, 3]
        For `imshow` with ``origin="lower"``.

    Raises
    ------
    ValueError
        If a band is not available, or there are not three bands and weights.
    """
    from astropy.visualization import make_lupton_rgb

    images = _as_stamps(images)
    if len(available) != images.shape[1]:
        raise ValueError(f"available: found {len(available)} bands, expected {images.shape[1]} as the images have")
    if len(bands) != 3 or any(band not in available for band in bands):
        raise ValueError(f"bands: found {tuple(bands)}, expected three of {', '.join(available)}")
    if len(weights) != 3 or not all(weight > 0 for weight in weights):
        raise ValueError(f"weights: found {tuple(weights)}, expected three positive numbers")
    chosen = images[:, [list(available).index(band) for band in bands]]
    coloured = chosen * np.asarray(weights, np.float32)[:, None, None]
    pictures = np.empty((len(images), *images.shape[2:], 3), np.uint8)
    for row, (red, green, blue) in enumerate(coloured):
        pictures[row] = make_lupton_rgb(red, green, blue, stretch=stretch, Q=softening)
    return pictures


def _as_stamps(images: Any) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype.kind not in "fiu":
        raise ValueError(f"images: found {images.dtype} {images.shape}, expected numbers (n, band, y, x)")
    return images


def _per_galaxy_and_band(name: str, values: Any, images: np.ndarray, *, positive: bool = False) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.shape != images.shape[:2]:
        raise ValueError(f"{name}: found shape {values.shape}, expected {images.shape[:2]}: galaxy, band")
    _check_finite(name, values, positive=positive)
    return values


def _check_finite(name: str, values: np.ndarray, *, positive: bool = False) -> None:
    bad = ~np.isfinite(values) | ((values <= 0) & positive)
    if bad.any():
        raise ValueError(f"{name}: found {values[bad][0]:g}, expected finite {'positive ' * positive}numbers")
