"""The quick path: pictures from the all-sky maps of the Sloan survey that a public service serves."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from ...checks import is_number
from ...progress import progress_bar
from .cutouts import Cutouts, positions
from .frames import BANDS
from .transfer import BadAnswer, Politeness, persist

__all__ = ["hips_cutouts"]

MAP = "CDS/P/SDSS9/{band}"


def hips_cutouts(
    table: pd.DataFrame,
    politeness: Politeness,
    *,
    size: int = 64,
    pixel_scale: float = 0.396,
    server: str | None = None,
) -> Cutouts:
    """Fetch pictures of galaxies from the service hips2fits, for looking at and not for measuring.

    The pictures are resampled twice, from the frames to a map of the sky and from that to these pixels, north up. They
    have no error; their unit is what the service gives and is not verified here; and the map in u is reported not to
    be linear. For measurements use `helpers.survey.sdss.cutouts.cut_galaxies`.

    Parameters
    ----------
    table : DataFrame [n]
        With ``ra`` and ``dec`` in degrees.
    politeness : Politeness
    size : int, default 64
        Pixels along a side.
    pixel_scale : float, default 0.396
        Arcsec per pixel.
    server : str, optional
        Address of the service; default: astroquery's.

    Returns
    -------
    Cutouts
        Centred on the galaxies. One whose picture is blank in part or throughout is refused.

    Raises
    ------
    ValueError
        If a position, the size or the pixel scale is out of range.
    TransferError
        If the service gives no usable answer. Nothing is kept: store finished galaxies in chunks.
    """
    ra, dec = positions(table, size)
    if not is_number(pixel_scale) or not 0 < pixel_scale < np.inf:
        raise ValueError(f"pixel_scale: found {pixel_scale!r}, expected a positive number of arcsec")
    cutouts = Cutouts.empty(len(table), size)

    def fill(row: int) -> None:
        grid = _grid(ra[row], dec[row], size, pixel_scale)
        pictures = np.stack([_picture(band, grid, size, politeness, server) for band in BANDS])
        cutouts.offset[row] = 0.0
        cutouts.reason[row] = _blank(pictures)
        cutouts.kept[row] = not cutouts.reason[row]
        if cutouts.kept[row]:
            cutouts.images[row] = pictures

    pool = ThreadPoolExecutor(politeness.n_workers, thread_name_prefix="hips2fits")
    try:
        with progress_bar(len(table), "hips2fits", unit="galaxy") as bar:
            for _ in pool.map(fill, range(len(table))):
                bar.update()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return cutouts


def _grid(ra: float, dec: float, size: int, pixel_scale: float) -> Any:
    """Astrometry of a tangential picture with the position in its middle."""
    from astropy.wcs import WCS

    grid = WCS(naxis=2)
    grid.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    grid.wcs.cunit = ["deg", "deg"]
    grid.wcs.crval = [ra, dec]
    grid.wcs.crpix = [(size + 1) / 2] * 2
    grid.wcs.cdelt = [-pixel_scale / 3600, pixel_scale / 3600]
    grid.wcs.radesys = "ICRS"
    grid.pixel_shape = (size, size)
    return grid


def _picture(band: str, grid: Any, size: int, politeness: Politeness, server: str | None) -> np.ndarray:
    from astroquery.hips2fits import hips2fitsClass

    client = hips2fitsClass()
    client.timeout = politeness.timeout
    if server is not None:
        client.server = server
    name = MAP.format(band=band)
    # The last four are for pictures of other formats; the service is sent them all the same.
    display: dict[str, Any] = {"min_cut": 0.5, "max_cut": 99.5, "stretch": "linear", "cmap": "Greys_r"}

    def ask() -> np.ndarray:
        # The answer as it came: astroquery's reading of it hides the status, and takes any text for a picture.
        response = client.query_with_wcs_async(hips=name, wcs=grid, format="fits", **display)
        response.raise_for_status()
        return _read(response.content, name, size)

    return persist(ask, politeness, f"picture of {name}", str(client.server))


def _read(content: bytes, name: str, size: int) -> np.ndarray:
    from astropy.io import fits

    if not content.startswith(b"SIMPLE"):
        raise BadAnswer(f"{name}: found {len(content)} bytes beginning with {content[:40]!r}, expected a FITS file")
    try:
        with fits.open(io.BytesIO(content), memmap=False) as units:
            image = units[0].data
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        raise BadAnswer(f"{name}: found a damaged FITS file: {error}") from error
    if image is None or image.shape != (size, size):
        raise BadAnswer(f"{name}: found a picture of shape {getattr(image, 'shape', ())}, expected {(size, size)}")
    return image.astype(np.float32)


def _blank(pictures: np.ndarray) -> str:
    """Which picture is blank, and how much of it; empty where none is."""
    for band, picture in zip(BANDS, pictures, strict=True):
        share = float((~np.isfinite(picture)).mean())
        if share or not picture.any():
            return f"{100 * (share or 1):.3g}% of the {band} picture is blank"
    return ""
