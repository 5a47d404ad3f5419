"""From stamps to what an image network reads: bands, flux, binning, views and stretch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..inputs import ResolvedInput
from ..survey.stamps import flux_floor, normalise_by_flux

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["ImageScaling", "draw_views", "fit_image_scaling", "read_images", "rotate_or_flip", "stretch", "to_network"]

BLOCK = 1024  # images read at once when statistics are taken


@dataclass(frozen=True)
class ImageScaling:
    """How the images of an input are prepared, fitted on the training split alone.

    Attributes
    ----------
    bands : tuple of str
    size : int
        Pixels a side that the network reads, after binning.
    bin_pixels : int
        Pixels a side that are summed into one (ours).
    fluxes : tuple of str
        Columns by which the images are divided, for ``Ioptnorm``; otherwise empty.
    floor : tuple of float
        Flux of each band below which it is clipped (paper).
    deviation : tuple of float
        Of the stretched pixels of each band, by which they are divided (ours); 1 as published. Nothing is subtracted,
        so that empty sky stays at 0.
    """

    bands: tuple[str, ...]
    size: int
    bin_pixels: int
    fluxes: tuple[str, ...]
    floor: tuple[float, ...]
    deviation: tuple[float, ...]


def stretch(images: Tensor) -> Tensor:
    """sign(x) log(1 + abs(x)) (paper): nearly x where the sky is, a logarithm in the cores."""
    return images.sign() * images.abs().log1p()


def rotate_or_flip(images: Tensor, element: Tensor) -> Tensor:
    """Apply to each image its own element of the symmetry group of the square.

    Parameters
    ----------
    images : Tensor [n, band, y, x]
        Square.
    element : int64 Tensor [n]
        0 to 7: its bits reverse y, reverse x, and then exchange y and x; 0 is the identity.

    Returns
    -------
    Tensor [n, band, y, x]
    """
    for bit, change in enumerate((lambda x: x.flip(2), lambda x: x.flip(3), lambda x: x.transpose(2, 3))):
        images = torch.where((element >> bit & 1).bool()[:, None, None, None], change(images), images)
    return images


def draw_views(step: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Elements that make x, any of the eight, and then x~ from x, any but the identity (paper).

    A function of the step and the seed alone.

    Returns
    -------
    first, further : int64 array [n]
    """
    rng = np.random.default_rng([seed, 1, step])
    return rng.integers(0, 8, n), rng.integers(1, 8, n)


def read_images(scaling: ImageScaling, sample: Sample, rows: np.ndarray) -> np.ndarray:
    """Images of some galaxies, in nanomaggies or in units of the galaxy's flux, before the stretch.

    Returns
    -------
    float32 array [n_rows, n_bands, size, size]

    Raises
    ------
    ValueError
        If the sample's images lack a band, or are of another size than the model's.
    """
    places = _check_images(sample, scaling.bands, scaling.size * scaling.bin_pixels)
    images = np.asarray(sample.images[rows], dtype=np.float32)
    if places != list(range(images.shape[1])):
        images = images[:, places]
    if scaling.fluxes:
        flux = _fluxes(sample, scaling.fluxes, rows)
        images = normalise_by_flux(images, flux, floor=np.array(scaling.floor))
    if scaling.bin_pixels > 1:
        n, band, _, size = (*images.shape[:3], scaling.size)
        squares = images.reshape(n, band, size, scaling.bin_pixels, size, scaling.bin_pixels)
        images = squares.sum(axis=(3, 5))
    return images


def to_network(scaling: ImageScaling, images: Tensor) -> Tensor:
    """Stretch images that `read_images` gave, and divide them by their bands' deviations."""
    deviation = torch.tensor(scaling.deviation, dtype=images.dtype, device=images.device)
    return stretch(images) / deviation[:, None, None]


def fit_image_scaling(
    resolved: ResolvedInput, sample: Sample, rows: np.ndarray, *, bin_pixels: int = 1, standardise: bool = True
) -> ImageScaling:
    """Fit the preparation of an input's images on training galaxies.

    Parameters
    ----------
    resolved : ResolvedInput
        With images.
    sample : Sample
    rows : int array
        Training galaxies.
    bin_pixels : int, default 1
    standardise : bool, default True
        False leaves stretched pixels as they are (paper).

    Raises
    ------
    ValueError
        If a band is missing, the images are not square or do not divide into squares of `bin_pixels`, a flux is null,
        all pixels of a band are equal, or its images are the same for all galaxies.
    """
    size = 0 if sample.images is None else sample.images.shape[-1]
    _check_images(sample, resolved.images, size)
    if size % bin_pixels:
        raise ValueError(f"bin_pixels: found {bin_pixels}, expected a divisor of the images' {size} pixels")
    fluxes = resolved.fluxes
    floor = flux_floor(_fluxes(sample, fluxes, rows), resolved.images) if fluxes else np.empty(0)
    one = (1.0,) * len(resolved.images)
    scaling = ImageScaling(resolved.images, size // bin_pixels, bin_pixels, fluxes, tuple(floor.tolist()), one)
    deviation = _deviation(scaling, sample, rows)
    for band, found in zip(resolved.images, deviation, strict=True):
        if not found > 0:
            raise ValueError(f"images: all pixels of band {band!r} are equal in the {len(rows)} training galaxies")
    some = read_images(scaling, sample, rows[:BLOCK])
    for band, images in zip(resolved.images, some.swapaxes(0, 1), strict=True):
        if len(images) > 1 and (images == images[0]).all():
            raise ValueError(f"images: those of band {band!r} are the same for all {len(images)} galaxies looked at")
    if not standardise:
        return scaling
    return replace(scaling, deviation=tuple(deviation.tolist()))


def _deviation(scaling: ImageScaling, sample: Sample, rows: np.ndarray) -> np.ndarray:
    """Standard deviation of each band's stretched pixels; sums in float64, because there are many millions."""
    total, squares, count = np.zeros(len(scaling.bands)), np.zeros(len(scaling.bands)), 0
    for start in range(0, len(rows), BLOCK):
        images = to_network(scaling, torch.from_numpy(read_images(scaling, sample, rows[start : start + BLOCK])))
        pixels = images.transpose(0, 1).flatten(1).double()
        total += pixels.sum(dim=1).numpy()
        squares += pixels.square().sum(dim=1).numpy()
        count += pixels.shape[1]
    return np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0))


def _fluxes(sample: Sample, columns: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
    flux = sample.catalog[list(columns)].iloc[rows].to_numpy(np.float64)
    nulls = np.isnan(flux).sum(axis=0)
    for name, count in zip(columns, nulls, strict=True):
        if count:
            raise ValueError(
                f"column {name!r}: {count} nulls, expected the flux of every galaxy whose image it divides"
            )
    return flux


def _check_images(sample: Sample, bands: tuple[str, ...], size: int) -> list[int]:
    """Where the bands stand among the sample's; refuse images that are not what is expected."""
    if sample.images is None:
        raise ValueError(f"images: the sample has none, expected the bands {', '.join(bands)}")
    missing = [band for band in bands if band not in sample.bands]
    if missing:
        raise ValueError(
            f"images: the sample lacks the band {', '.join(missing)}, found {', '.join(sample.bands) or 'none'}"
        )
    shape = tuple(sample.images.shape)
    if len(shape) != 4 or shape[1] != len(sample.bands):
        raise ValueError(f"images: found shape {shape}, expected (galaxy, {len(sample.bands)} bands, y, x)")
    if shape[2:] != (size, size):
        raise ValueError(f"images: found {shape[2]} x {shape[3]} pixels, expected {size} x {size}")
    return [sample.bands.index(band) for band in bands]
