"""Bands of a field registered on each other by the sources that they share.

The sky crosses the bands of the camera one minute after the other, and the air moves it a little in between: by the
astrometry of the frames alone, sources lie a tenth of a pixel apart from band to band, more at one end of a field than
at the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .frames import Frame

__all__ = ["registered"]

BOX = 6  # pixels on either side of a source's peak
WINDOW = 1.6  # pixels: standard deviation of the weight of the centroid, about that of the seeing
ITERATIONS = 12
APART = 12  # pixels between a source and the next brighter pixel
# Peak of a source, in standard deviations of a pixel and in nanomaggies; brighter ones may be saturated in some band.
LEAST_PEAK, GREATEST_PEAK = 15.0, 25.0
LARGEST_SHIFT = 1.0  # pixels: a larger one is another source
# Pixels by which frames are off a priori, and by which one source is off for reasons of its own, as its colour.
EXPECTED_SHIFT, SOURCE_SCATTER = 0.1, 0.05
REJECTIONS, CLIP = 5, 3.0


def registered(frames: Mapping[str, Frame], reference: str = "r") -> dict[str, Frame]:
    """Frames of one field with their astrometry set right against that of the reference band (ours).

    The centroids of the same sources in both bands are compared, and a shift, turn and scale is fitted to the
    differences: weighted by their errors, without outliers, and drawn towards none by how much frames are off a priori
    (0.1 pixel), so that a band in which few sources stand out keeps nearly its own astrometry.

    Measured on the sources of a real field, each left out of the fit that it is judged by: the median distance from r
    falls from 0.10 to 0.06 pixel in u, 0.12 to 0.08 in g, 0.10 to 0.06 in i and 0.11 to 0.07 in z, which holds the
    error of the centroids and the sources' colours.

    Parameters
    ----------
    frames : mapping of band to Frame
        Of one field, the reference among them.
    reference : str, default "r"

    Returns
    -------
    dict of band to Frame
        The same pixels; the reference is unchanged.
    """
    base = frames[reference]
    peaks = _peaks(base.image)
    place, error = _centroids(base.image, peaks)
    ra, dec = base.wcs.wcs_pix2world(place[:, 0], place[:, 1], 0)
    found = {}
    for band, frame in frames.items():
        if band != reference:
            expected = np.transpose(frame.wcs.wcs_world2pix(ra, dec, 0))
            seen, own_error = _centroids(frame.image, expected)
            shift, turn, middle = _fit(expected, seen - expected, np.hypot(error, own_error), frame.image.shape)
            frame = _moved(frame, shift, turn, middle)
        found[band] = frame
    return found


def _peaks(image: np.ndarray) -> np.ndarray:
    """Places (x, y) of single sources that stand out and are not saturated, float64 [n, 2]."""
    from scipy.ndimage import maximum_filter

    brightest = maximum_filter(image, size=2 * APART + 1)
    rows, columns = np.nonzero((image == brightest) & (image > LEAST_PEAK * _noise(image)) & (image < GREATEST_PEAK))
    return np.stack([columns, rows], axis=1).astype(np.float64)


def _noise(image: np.ndarray) -> float:
    sample = image[::7, ::7]
    return float(1.4826 * np.median(abs(sample - np.median(sample))))


def _centroids(image: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centroids [n, 2] in a Gaussian window near given places, and their errors [n]; NaN where there is none."""
    n_rows, n_columns = image.shape
    nearest = np.rint(np.nan_to_num(place, nan=-1e6)).astype(np.int64)
    within = (nearest >= BOX).all(1) & (nearest[:, 0] < n_columns - BOX) & (nearest[:, 1] < n_rows - BOX)
    nearest[~within] = BOX
    step = np.arange(-BOX, BOX + 1)
    x, y = nearest[:, :1] + step, nearest[:, 1:] + step
    pixels = image[y[:, :, None], x[:, None, :]].astype(np.float64)
    centre = np.where(within[:, None], place, nearest).astype(np.float64)
    for _ in range(ITERATIONS):
        weight_x = np.exp(-0.5 * ((x - centre[:, :1]) / WINDOW) ** 2)
        weight_y = np.exp(-0.5 * ((y - centre[:, 1:]) / WINDOW) ** 2)
        weighted = pixels * weight_y[:, :, None] * weight_x[:, None, :]
        total = weighted.sum((1, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_x = np.einsum("nyx,nx->n", weighted, x - centre[:, :1]) / total
            mean_y = np.einsum("nyx,ny->n", weighted, y - centre[:, 1:]) / total
        # The window halves a source's displacement, which is why it is doubled.
        centre = centre + 2 * np.clip(np.nan_to_num(np.stack([mean_x, mean_y], axis=1)), -0.5, 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        signal = total / (np.sqrt(np.pi) * WINDOW * _noise(image))
        good = within & (signal > 5) & (np.hypot(*(centre - place).T) < np.sqrt(2) * LARGEST_SHIFT)
        error = np.where(good, WINDOW / signal, np.nan)
    return np.where(good[:, None], centre, np.nan), error


def _fit(
    place: np.ndarray, difference: np.ndarray, error: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shift [2] in the middle of the frame, its change per pixel [2, 2], and the middle [2]."""
    middle = (np.array(shape[::-1]) - 1) / 2
    good = np.isfinite(difference).all(1) & np.isfinite(error) & (np.hypot(*difference.T) < LARGEST_SHIFT)
    place, difference, error = place[good], difference[good], error[good]
    # In half frames from the middle, so that all three unknowns of an axis are pixels.
    terms = np.column_stack([np.ones(len(place)), (place - middle) / middle])
    weight = 1 / (error**2 + SOURCE_SCATTER**2)
    kept = np.ones(len(place), dtype=bool)
    solution = np.zeros((3, 2))
    for _ in range(REJECTIONS):
        weighted = terms[kept].T * weight[kept]
        solution = np.linalg.solve(weighted @ terms[kept] + np.eye(3) / EXPECTED_SHIFT**2, weighted @ difference[kept])
        apart = np.hypot(*(difference - terms @ solution).T) * np.sqrt(weight / 2)
        # Not below one expected error, or a few sources that agree by chance would throw out the others.
        spread = max(1.0, float(np.median(apart[kept])) if kept.any() else 1.0)
        kept = apart < CLIP * spread
    return solution[0], (solution[1:] / middle[:, None]).T, middle


def _moved(frame: Frame, shift: np.ndarray, turn: np.ndarray, middle: np.ndarray) -> Frame:
    """A frame whose astrometry puts what it put at p to p + shift + turn (p - middle)."""
    whole = np.eye(2) + turn
    matrix = frame.wcs.pixel_scale_matrix @ np.linalg.inv(whole)
    reference = frame.wcs.wcs.crpix - 1 - middle
    wcs = type(frame.wcs)(naxis=2)
    for name in ("ctype", "cunit", "crval", "radesys"):
        setattr(wcs.wcs, name, getattr(frame.wcs.wcs, name))
    wcs.wcs.cd = matrix
    wcs.wcs.crpix = middle + shift + whole @ reference + 1
    wcs.wcs.set()
    return replace(frame, wcs=wcs)
