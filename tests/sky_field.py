"""A piece of sky as the survey's archive holds it: frames in five bands, and the sources on them.

The real one lies beside the repository on some machines; the generated one is small, and its sources are known.
"""

from __future__ import annotations

import bz2
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.wcs import WCS

from helpers.survey.sdss.frames import BANDS, Field, frame_path, frame_url
from tests.loopback import Answer, Loopback, Request

# Radius in pixels of the circles in which fluxes are measured.
APERTURE = 8.0
OVERLAP = 128  # rows that neighbouring fields share
# Rows of the camera, in the order in which the sky crosses them: a band's frames are numbered two on from the last.
ORDER_OF_ROWS = "riuzg"
REAL = Field(5112, 301, 4, 345)
STAND_IN = Field(7001, 301, 3, 100)
# Of the stand-in, by band: columns and rows by which its frame is off that of r, turn in radians, scale, FWHM in
# pixels, noise of a pixel in nanomaggies. As in the real field, the noise excepted, which is low so that little hides.
OPTICS = {
    "u": (1.7, 6.9, 1.1e-3, 1.0004, 3.6, 0.010),
    "g": (0.2, 11.8, -1.1e-3, 0.9997, 3.4, 0.004),
    "r": (0.0, 0.0, 0.0, 1.0, 3.2, 0.005),
    "i": (0.5, 3.4, 0.6e-3, 0.9999, 3.0, 0.006),
    "z": (0.1, 7.8, 0.5e-3, 0.9998, 3.1, 0.012),
}
COLOURS = {"u": 0.3, "g": 0.7, "r": 1.0, "i": 1.3, "z": 1.6}


@dataclass(frozen=True)
class SkyField:
    """Frames by their path on the archive's server, and sources.

    Sources: ``x``, ``y`` on the r frame, ``ra``, ``dec``, ``run``, ``rerun``, ``camcol``, ``field``, ``extended``,
    ``isolated``, and by band ``flux_<band>``, ``noise_<band>``: aperture photometry on the band's own frame.
    """

    frames: Mapping[str, bytes]
    sources: pd.DataFrame

    def put(self, directory: Path) -> None:
        """Lay the frames below a folder, as somebody does who has them: without checksums."""
        for field in self.fields():
            for band in BANDS:
                target = frame_path(directory, field, band)
                if (content := self.frames.get(url_path(field, band))) is not None:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)

    def fields(self) -> list[Field]:
        """The fields there are frames of."""
        names = {tuple(path.split("/")[-4:]) for path in self.frames}
        return sorted(
            {Field(int(run), int(rerun), int(camcol), int(name[-13:-9])) for rerun, run, camcol, name in names}
        )


def url_path(field: Field, band: str) -> str:
    """Path of a frame below the root of the archive's server."""
    parts = urlsplit(frame_url(field, band)).path
    return parts[parts.index("/dr17/") :]


def unpacked(content: bytes) -> tuple[np.ndarray, WCS, fits.Header]:
    """Picture, astrometry and header of a packed frame."""
    with fits.open(io.BytesIO(bz2.decompress(content)), memmap=False) as units:
        header = units[0].header.copy()
        image = units[0].data.astype(np.float32)
    header.rename_keyword("RADECSYS", "RADESYS")
    header.remove("DATE-OBS", ignore_missing=True)
    return image, WCS(header), header


def real_field(shared_data: Path) -> SkyField:
    """The real field 345 of run 5112, column 4, with the sources that photutils finds on its r frame."""
    folder = shared_data / "sdss_field_5112_4_345"
    frames = {url_path(REAL, band): (folder / frame_path("", REAL, band).name).read_bytes() for band in BANDS}
    image, _, _ = unpacked(frames[url_path(REAL, "r")])
    found = _detected(image)
    return SkyField(frames, _with_photometry(found, frames, REAL))


def stand_in_field(shape: tuple[int, int] = (300, 400), seed: int = 0) -> SkyField:
    """A generated field of 12 stars and galaxies, with bands off and turned against each other as in the real one."""
    rng = np.random.default_rng(seed)
    rows, columns = np.meshgrid([50, 150, 250], [50, 150, 250, 350], indexing="ij")
    n = rows.size
    known = pd.DataFrame(
        {
            "x": columns.ravel() + rng.uniform(-8, 8, n),
            "y": rows.ravel() + rng.uniform(-8, 8, n),
            "flux": rng.uniform(100, 400, n),
            "extended": np.arange(n) % 2 == 0,
            "isolated": True,
        }
    )
    reference = _stand_in_wcs("r")
    ra, dec = reference.wcs_pix2world(known["x"], known["y"], 0)
    frames = {}
    for band in BANDS:
        wcs = _stand_in_wcs(band)
        x, y = wcs.wcs_world2pix(ra, dec, 0)
        width, noise = OPTICS[band][4:]
        image = rng.normal(0, noise, shape)
        for source, (a, b) in enumerate(zip(x, y, strict=True)):
            broad = np.hypot(width, 4.0) if known["extended"][source] else width
            image += known["flux"][source] * COLOURS[band] * _moffat(shape, a, b, broad)
        frames[url_path(STAND_IN, band)] = _packed(image, wcs, STAND_IN, band)
    return SkyField(frames, _with_photometry(known, frames, STAND_IN))


def split_field(field: SkyField, n_fields: int = 3) -> SkyField:
    """The same sky as shorter fields that follow each other and share 128 rows; the middle one keeps its number.

    Each source is of the field in which it lies farthest from the edge. The neighbours are calibrated to counts of
    another size, which does not show in nanomaggies.
    """
    (whole,) = field.fields()
    frames: dict[str, bytes] = {}
    starts = height = None
    for band in BANDS:
        image, wcs, _ = unpacked(field.frames[url_path(whole, band)])
        height = -(-(len(image) + (n_fields - 1) * OVERLAP) // n_fields)
        starts = [min(k * (height - OVERLAP), len(image) - height) for k in range(n_fields)]
        for k, start in enumerate(starts):
            part = replace(whole, field=whole.field + k - n_fields // 2)
            window = wcs.deepcopy()
            window.wcs.crpix = window.wcs.crpix - [0, start]
            content = _packed(image[start : start + height], window, part, band, count=0.005 * (1 + k))
            frames[url_path(part, band)] = content
    assert starts is not None and height is not None
    y = field.sources["y"].to_numpy()[:, None] - np.array(starts)
    sources = field.sources.assign(field=whole.field - n_fields // 2 + np.minimum(y, height - 1 - y).argmax(1))
    return SkyField(frames, sources)


def serve(loopback: Loopback, field: SkyField) -> None:
    """Let a server answer for the archive's frames below ``/sas`` and for hips2fits at ``/hips2fits``."""
    loopback.routes["/sas/"] = lambda request: _frame(field, request)
    loopback.routes["/hips2fits"] = _HipsToFits(field)


@contextmanager
def pointed_at(loopback: Loopback) -> Iterator[None]:
    """Let astroquery take a server that `serve` was given for the archive and for hips2fits."""
    from astroquery.hips2fits import hips2fitsClass
    from astroquery.sdss import conf

    with conf.set_temp("sas_baseurl", f"{loopback.url}/sas"):
        with mock.patch.object(hips2fitsClass, "server", f"{loopback.url}/hips2fits"):
            yield


def _frame(field: SkyField, request: Request) -> Answer:
    content = field.frames.get(request.path.removeprefix("/sas"))
    return Answer(b"not found", 404, "text/plain") if content is None else Answer(content, 200, "application/x-bzip2")


class _HipsToFits:
    """Answers like the service: the header of the wanted picture is in the query, and FITS is what comes back."""

    def __init__(self, field: SkyField) -> None:
        self.field = field
        self.frames: dict[str, tuple[np.ndarray, WCS]] = {}

    def __call__(self, request: Request) -> Answer:
        from reproject import reproject_interp

        name = request.query.get("hips", "")
        if not name.startswith("CDS/P/SDSS9/") or name[-1] not in BANDS or request.query.get("format") != "fits":
            problem = {"title": "400 Bad Request", "description": f"no map {name}"}
            return Answer(json.dumps(problem).encode(), 400, "application/json")
        if name not in self.frames:
            # Of several fields the middle one.
            middle = self.field.fields()[len(self.field.fields()) // 2]
            image, wcs, _ = unpacked(self.field.frames[url_path(middle, name[-1])])
            self.frames[name] = image, wcs
        wanted = json.loads(request.query["wcs"])
        shape = wanted.pop("NAXIS2"), wanted.pop("NAXIS1")
        picture = reproject_interp(self.frames[name], WCS(fits.Header(wanted)), shape_out=shape, return_footprint=False)
        stream = io.BytesIO()
        fits.PrimaryHDU(picture.astype(np.float32)).writeto(stream)
        return Answer(stream.getvalue(), 200, "image/fits")


def _stand_in_wcs(band: str) -> WCS:
    x, y, turn, scale = OPTICS[band][:4]
    angle = np.radians(100.3) + turn
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.crval = [162.18, 25.95]
    wcs.wcs.crpix = [201.0 + x, 151.0 + y]
    # East is not where x grows, but where it falls, on the sky as on the real frames.
    wcs.wcs.cd = 0.396 / 3600 * scale * np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), -np.cos(angle)]])
    wcs.wcs.radesys = "ICRS"
    return wcs


def _moffat(shape: tuple[int, int], x: float, y: float, width: float, beta: float = 3.5) -> np.ndarray:
    """Moffat profile of unit flux."""
    core = width / 2 / np.sqrt(2 ** (1 / beta) - 1)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = (rows - y) ** 2 + (columns - x) ** 2
    return (beta - 1) / (np.pi * core**2) * (1 + distance / core**2) ** -beta


def _packed(image: np.ndarray, wcs: WCS, field: Field, band: str, count: float = 0.005) -> bytes:
    """A packed file as the archive's: the picture with its cards, and the calibration of each column."""
    header = fits.Header()
    header["RUN"], header["CAMCOL"], header["RERUN"] = field.run, field.camcol, str(field.rerun)
    header["FRAME"] = field.field + 2 * ORDER_OF_ROWS.index(band)
    header["FILTER"], header["BUNIT"], header["NMGY"] = band, "nanomaggy", count
    header["RADECSYS"], header["DATE-OBS"] = "ICRS", "2005-01-17"
    for axis in (0, 1):
        header[f"CTYPE{axis + 1}"], header[f"CUNIT{axis + 1}"] = wcs.wcs.ctype[axis], "deg"
        header[f"CRPIX{axis + 1}"], header[f"CRVAL{axis + 1}"] = wcs.wcs.crpix[axis], wcs.wcs.crval[axis]
        for other in (0, 1):
            header[f"CD{axis + 1}_{other + 1}"] = wcs.pixel_scale_matrix[axis, other]
    calibration = fits.ImageHDU(np.full(image.shape[1], count, dtype=np.float32))
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(image.astype(np.float32), header), calibration]).writeto(stream)
    return bz2.compress(stream.getvalue())


def _detected(image: np.ndarray) -> pd.DataFrame:
    """Sources on a frame: place, whether wider than a point, whether another is nearer than two apertures."""
    from photutils.segmentation import SourceCatalog, SourceFinder
    from scipy.ndimage import gaussian_filter
    from scipy.spatial import cKDTree

    smooth = gaussian_filter(image, 1.3)
    segments = SourceFinder(10, deblend=False, progress_bar=False)(smooth, 5 * robust_spread(smooth[::2, ::2]))
    catalog = SourceCatalog(image, segments, convolved_data=smooth)
    found = pd.DataFrame(
        {"x": catalog.x_centroid, "y": catalog.y_centroid, "half_light": catalog.flux_radius(0.5).value}
    ).dropna()
    place = found[["x", "y"]].to_numpy()
    found["isolated"] = cKDTree(place).query(place, k=2)[0][:, 1] > 2 * APERTURE
    found["extended"] = found["half_light"] > 1.4 * found["half_light"].quantile(0.1)
    return found.drop(columns="half_light").reset_index(drop=True)


def _with_photometry(found: pd.DataFrame, frames: Mapping[str, bytes], field: Field) -> pd.DataFrame:
    """Sources with their position on the sky and their aperture flux and noise on each band's own frame."""
    from photutils.aperture import CircularAperture, aperture_photometry

    sources = found.copy()
    _, wcs, _ = unpacked(frames[url_path(field, "r")])
    sources["ra"], sources["dec"] = wcs.wcs_pix2world(found["x"], found["y"], 0)
    for name in ("run", "rerun", "camcol", "field"):
        sources[name] = np.int64(getattr(field, name))
    for band in BANDS:
        image, wcs, _ = unpacked(frames[url_path(field, band)])
        place = np.transpose(wcs.wcs_world2pix(sources["ra"], sources["dec"], 0))
        table = aperture_photometry(image.astype(np.float64), CircularAperture(place, APERTURE))
        sources[f"flux_{band}"] = np.asarray(table["aperture_sum"])
        sources[f"noise_{band}"] = robust_spread(image) * np.sqrt(np.pi) * APERTURE
    return sources


def robust_spread(values: np.ndarray) -> float:
    """Standard deviation by the median absolute deviation, as for a Gaussian."""
    return float(1.4826 * np.median(abs(values - np.median(values))))
