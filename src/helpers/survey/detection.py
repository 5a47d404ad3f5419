"""Finding sources on a frame, and which of them are wider than a point; and the centre of one in a stamp."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from ..checks import is_number

__all__ = ["find_sources", "light_centre"]

COLUMNS = ("x", "y", "flux", "half_light_radius")
LEAST_PIXELS = 20
STEPS = 20
SMOOTHING = 3.0  # pixels, FWHM: about the seeing


def find_sources(image: np.ndarray, *, threshold: float = 2.0, wider_than: float = 1.5) -> pd.DataFrame:
    """Find sources on a sky-subtracted frame.

    Sources are connected pixels above the noise of the smoothed frame (photutils); those that touch are one. A source
    is extended when its half-light radius is larger than that of the typical point by a factor (ours). The
    typical point is the 10th percentile of the half-light radii of well detected sources.

    Parameters
    ----------
    image : float [y, x]
        In nanomaggies.
    threshold : float, default 2
        In standard deviations of the smoothed frame.
    wider_than : float, default 1.5
        In half-light radii of a point.

    Returns
    -------
    DataFrame
        ``x``, ``y`` in pixels from 0; ``flux`` in nanomaggies within the source's pixels; ``half_light_radius`` in
        pixels; ``extended``, a truth value; brightest first.

    Raises
    ------
    ValueError
        If the image is not two-dimensional or holds values that are not finite, or a number is not positive.
    """
    from astropy.stats import gaussian_fwhm_to_sigma, sigma_clipped_stats
    from photutils.segmentation import SourceCatalog, SourceFinder

    image = np.asarray(image, dtype=np.float64)
    if image.ndim != 2 or not np.isfinite(image).all():
        raise ValueError(f"image: found shape {image.shape}, expected [y, x] of finite values")
    for name, value in (("threshold", threshold), ("wider_than", wider_than)):
        if not is_number(value) or not value > 0:
            raise ValueError(f"{name}: found {value!r}, expected a positive number")
    smooth = gaussian_filter(image, SMOOTHING * gaussian_fwhm_to_sigma)
    _, sky, noise = sigma_clipped_stats(smooth)
    segments = SourceFinder(LEAST_PIXELS, deblend=False, progress_bar=False)(smooth, sky + threshold * noise)
    if segments is None:
        return pd.DataFrame({name: np.empty(0) for name in COLUMNS}).assign(extended=np.empty(0, dtype=bool))
    catalog = SourceCatalog(image, segments, convolved_data=smooth)
    values = (catalog.x_centroid, catalog.y_centroid, catalog.segment_flux, catalog.flux_radius(0.5).value)
    found = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
    found = found[(found["flux"] > 0) & np.isfinite(found).all(axis=1)]
    bright = found["flux"] > found["flux"].median()
    point = found.loc[bright, "half_light_radius"].quantile(0.1)
    found = found.assign(extended=found["half_light_radius"] > wider_than * point)
    return found.sort_values("flux", ascending=False).reset_index(drop=True)


def light_centre(stamp: np.ndarray, width: float = 3.0) -> np.ndarray:
    """Centre of the light in the middle of a stamp, under a Gaussian window that follows it.

    Parameters
    ----------
    stamp : float [y, x]
    width : float, default 3
        Standard deviation of the window in pixels.

    Returns
    -------
    float64 [2]
        x and y in pixels from 0; NaN where the window holds no light.
    """
    y, x = np.mgrid[: stamp.shape[0], : stamp.shape[1]]
    centre = (np.array(stamp.shape[::-1]) - 1) / 2
    for _ in range(STEPS):
        window = stamp * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
        total = window.sum(dtype=np.float64)
        if not total > 0:
            return np.array([np.nan, np.nan])
        # Twice the step: under a window as wide as the source the mean goes half of the way.
        mean = np.array([(window * x).sum(dtype=np.float64), (window * y).sum(dtype=np.float64)]) / total
        centre = centre + 2 * (mean - centre)
    return centre
