"""Calibrated frames of the Sloan Digital Sky Survey: where they lie, whether they are whole, and their pixels.

A frame is one band of one field: a picture of 2048 by 1489 pixels in nanomaggies, less the sky, with its astrometry.
"""

from __future__ import annotations

import bz2
import io
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...inputs import BANDS
from .transfer import BadAnswer, NotThere, Politeness, checksum_path, download, is_intact, write_checksum, writing_to

__all__ = [
    "BANDS",
    "Field",
    "Frame",
    "MissingFrame",
    "check_frame",
    "clear_frames",
    "fetch_frame",
    "fetch_frames",
    "frame_path",
    "frame_url",
    "read_frame",
]

# Rows of the camera in the order in which the sky drifts over them; each is two fields behind the one before.
CAMERA_ROWS = ("r", "i", "u", "z", "g")
WCS_CARDS = re.compile(r"(CTYPE|CUNIT|CRPIX|CRVAL)[12]|CD[12]_[12]|EQUINOX")
FRAME_NAME = re.compile(r"frame-([ugriz])-(\d{6})-([1-6])-(\d{4,})\.fits\.bz2")
# Fields that are read while one is in use: 60 megabytes each.
FIELDS_AHEAD = 2
# How often a frame may vanish, cleared away by another process, before that is an error.
VANISHED = 5


@dataclass(frozen=True, order=True)
class Field:
    """A field of the survey: all bands of one piece of a drift scan.

    Attributes
    ----------
    run, rerun, camcol, field : int
        The scan, the processing, the column of the camera (1 to 6), and the number along the scan.
    """

    run: int
    rerun: int
    camcol: int
    field: int


@dataclass(frozen=True)
class Frame:
    """One band of a field.

    Attributes
    ----------
    image : float32 [y, x]
        In nanomaggies per pixel, less the sky.
    wcs : astropy.wcs.WCS
        Of `image`.
    field : Field
    band : str
    calibration : float32 [x]
        Nanomaggies per count of each column; empty where the file holds none.
    """

    image: np.ndarray
    wcs: Any
    field: Field
    band: str
    calibration: np.ndarray


class MissingFrame(ValueError):
    """A frame is not at hand, or is damaged, and may not be fetched."""


def frame_url(field: Field, band: str, release: int = 17) -> str:
    """Address of a frame in the survey's archive, which is the one that astroquery is set to.

    Parameters
    ----------
    field : Field
    band : str
    release : int, default 17
    """
    from astroquery.sdss import SDSSClass, conf

    project = "boss" if release <= 12 else "eboss" if release <= 17 else "prior-surveys/sdss4-dr17-eboss"
    return SDSSClass.IMAGING_URL_SUFFIX.format(
        base=conf.sas_baseurl,
        dr=release,
        instrument=project,
        rerun=field.rerun,
        run=field.run,
        camcol=field.camcol,
        band=band,
        field=field.field,
    )


def frame_path(directory: str | Path, field: Field, band: str) -> Path:
    """Where a frame lies below a folder: as in the archive, e.g. ``301/5112/4/frame-r-005112-4-0345.fits.bz2``."""
    name = f"frame-{band}-{field.run:06d}-{field.camcol}-{field.field:04d}.fits.bz2"
    return Path(directory) / str(field.rerun) / str(field.run) / str(field.camcol) / name


def check_frame(path: str | Path, field: Field, band: str) -> Frame:
    """Read a frame that must be this one and whole.

    Unpacking takes 0.4 s and all else 0.02 s, so what was unpacked for the check is handed on.

    Parameters
    ----------
    path : path
    field : Field
    band : str

    Returns
    -------
    Frame

    Raises
    ------
    BadAnswer
        If the file is no whole bz2 of a FITS file, the picture is not two-dimensional or not finite, its header tells
        of another run, camera column, field or band, or its astrometry is not celestial.
    """
    path = Path(path)
    header, image, calibration = _unpack(path)
    _check_identity(header, path, field, band)
    return Frame(image, _celestial(header, path), field, band, calibration)


def read_frame(path: str | Path) -> Frame:
    """Read a frame whose name is the archive's.

    Parameters
    ----------
    path : path

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If the name is not like ``frame-r-005112-4-0345.fits.bz2``, or the file is not the whole frame that it names.
    """
    path = Path(path)
    found = FRAME_NAME.fullmatch(path.name)
    if found is None:
        raise ValueError(f"path: found {path.name!r}, expected a name like frame-r-005112-4-0345.fits.bz2")
    band, run, camcol, number = found.groups()
    header, image, calibration = _unpack(path)
    field = Field(int(run), int(header.get("RERUN", 301)), int(camcol), int(number))
    _check_identity(header, path, field, band)
    return Frame(image, _celestial(header, path), field, band, calibration)


def fetch_frame(
    field: Field,
    band: str,
    directory: str | Path,
    politeness: Politeness,
    *,
    allow_network: bool = False,
    release: int = 17,
) -> Frame:
    """Read a frame, and fetch it before where it is not at hand.

    Parameters
    ----------
    field : Field
    band : str
    directory : path
        A frame may have been put there by hand (see `frame_path`); one without a checksum beside it is checked and
        given one.
    politeness : Politeness
    allow_network : bool, default False
    release : int, default 17

    Returns
    -------
    Frame

    Raises
    ------
    MissingFrame
        If the network is needed and not allowed.
    NotThere, TransferError, OSError
        As `helpers.survey.sdss.transfer.download` does.
    """
    path = frame_path(directory, field, band)
    if not allow_network:
        return _frame_at_hand(path, field, band)
    checked: list[Frame] = []
    url = frame_url(field, band, release)
    for vanished in range(1, VANISHED + 1):
        try:
            download(
                url, path, validate=lambda came: checked.append(check_frame(came, field, band)), politeness=politeness
            )
            return checked[-1] if checked else check_frame(path, field, band)
        except FileNotFoundError:
            # Another process has finished the same galaxies and cleared the frame away under our hands.
            if checked:
                return checked[-1]
            if vanished == VANISHED:
                raise
    raise AssertionError("the last attempt returns or raises")


def fetch_frames(
    fields: Sequence[Field],
    directory: str | Path,
    politeness: Politeness,
    *,
    allow_network: bool = False,
    release: int = 17,
) -> Iterator[tuple[Field, dict[str, Frame]]]:
    """Frames of fields, one field after the other, fetched and unpacked while others are in use.

    Each file is unpacked once, and no more than four fields are in memory.

    Parameters
    ----------
    fields : sequence of Field
    directory : path
    politeness : Politeness
    allow_network : bool, default False
    release : int, default 17

    Yields
    ------
    Field, dict of band to Frame
        In the order given; a band that the archive does not hold is not in the dictionary.

    Raises
    ------
    MissingFrame, TransferError, OSError
        As `fetch_frame` does, when the turn of that field comes. Files that are finished are kept.
    """
    remaining = deque(fields)
    pending: deque[tuple[Field, dict[str, Future[Frame]]]] = deque()
    pool = ThreadPoolExecutor(politeness.n_workers, thread_name_prefix="frames")

    def begin(field: Field) -> dict[str, Future[Frame]]:
        options: dict[str, Any] = {"allow_network": allow_network, "release": release}
        return {band: pool.submit(fetch_frame, field, band, directory, politeness, **options) for band in BANDS}

    try:
        while remaining or pending:
            while remaining and len(pending) <= FIELDS_AHEAD:
                field = remaining.popleft()
                pending.append((field, begin(field)))
            field, futures = pending.popleft()
            yield field, _results(futures)
            del futures  # or a fourth field would be held while the next is read
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def clear_frames(fields: Iterable[Field], directory: str | Path) -> None:
    """Remove the frames of fields, and of those beside them, from a folder, where they are there.

    Other processes may be reading or writing in the folder: nothing but these files is touched, and folders only when
    they are empty.

    Parameters
    ----------
    fields : iterable of Field
    directory : path
    """
    beside = {replace(field, field=field.field + step) for field in fields for step in (-1, 0, 1)}
    folders = set()
    for field in beside:
        for band in BANDS:
            path = frame_path(directory, field, band)
            path.unlink(missing_ok=True)
            checksum_path(path).unlink(missing_ok=True)
            folders.add(path.parent)
    for folder in folders:
        for empty in (folder, folder.parent, folder.parent.parent):
            with suppress(OSError):  # it is not empty, or not there
                empty.rmdir()


def _results(futures: dict[str, Future[Frame]]) -> dict[str, Frame]:
    frames = {}
    for band, future in futures.items():
        try:
            frames[band] = future.result()
        except NotThere:
            continue
    return frames


def _frame_at_hand(path: Path, field: Field, band: str) -> Frame:
    way_out = f"put the archive's {path.name} into {path.parent}, or set allow_network=True to fetch it"
    if not path.is_file():
        raise MissingFrame(f"frame {path} is not there; {way_out}")
    known = checksum_path(path).exists()
    if known and not is_intact(path):
        raise MissingFrame(f"frame {path} is damaged: its checksum differs from the one beside it; {way_out}")
    try:
        frame = check_frame(path, field, band)
    except BadAnswer as error:
        raise MissingFrame(f"{error}; {way_out}") from error
    if not known:
        with writing_to(path.parent):
            write_checksum(path)
    return frame


def _unpack(path: Path) -> tuple[Any, np.ndarray, np.ndarray]:
    """Header, picture and calibration of a packed FITS file."""
    from astropy.io import fits

    packed = path.read_bytes()
    try:
        content = bz2.decompress(packed)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise BadAnswer(f"{path.name} is no whole bz2 file: {error}, after {_beginning(packed)}") from error
    if not content.startswith(b"SIMPLE"):
        raise BadAnswer(f"{path.name} is packed, but no FITS file: it begins with {_beginning(content)}")
    try:
        with fits.open(io.BytesIO(content), memmap=False) as units:
            header, image = units[0].header, units[0].data
            calibration = units[1].data if len(units) > 1 and isinstance(units[1], fits.ImageHDU) else np.empty(0)
    except (OSError, ValueError, TypeError, IndexError, KeyError) as error:
        raise BadAnswer(f"{path.name} is a damaged FITS file: {error}") from error
    if image is None or image.ndim != 2:
        raise BadAnswer(f"{path.name} holds a picture of shape {getattr(image, 'shape', ())}, expected [y, x]")
    if not np.isfinite(image).all():
        raise BadAnswer(f"{path.name} holds {(~np.isfinite(image)).sum()} pixels that are not finite, expected none")
    return header, image.astype(np.float32), np.asarray(calibration, dtype=np.float32)


def _beginning(content: bytes) -> str:
    return f"{len(content)} bytes beginning with {content[:24]!r}"


def _check_identity(header: Any, path: Path, field: Field, band: str) -> None:
    # The archive counts frames by the row of the camera that saw the sky first: a field's other bands come later.
    later = 2 * CAMERA_ROWS.index(band)
    expected: dict[str, tuple[Any, ...]] = {
        "RUN": (field.run,),
        "CAMCOL": (field.camcol,),
        "FRAME": (field.field + later, field.field),
        "FILTER": (band,),
    }
    if "RERUN" in header:
        expected["RERUN"] = (field.rerun, str(field.rerun))
    for card, values in expected.items():
        found = header.get(card)
        if (found.strip() if isinstance(found, str) else found) not in values:
            raise BadAnswer(f"{path.name} is another frame: its {card} is {found!r}, expected {values[0]!r}")


def _celestial(header: Any, path: Path) -> Any:
    from astropy.io.fits import Header
    from astropy.wcs import WCS

    # These cards alone: others, of old names, are mended by astropy with a warning each.
    chosen = Header([(card.keyword, card.value) for card in header.cards if WCS_CARDS.fullmatch(card.keyword)])
    chosen["RADESYS"] = str(header.get("RADESYS", header.get("RADECSYS", "ICRS"))).strip()
    try:
        wcs = WCS(chosen)
        celestial = wcs.naxis == 2 and wcs.has_celestial and np.linalg.det(wcs.pixel_scale_matrix) != 0
    except Exception as error:  # wcslib's own, of no common kind
        raise BadAnswer(f"{path.name} has no usable astrometry: {error}") from error
    if not celestial:
        raise BadAnswer(f"{path.name} has no celestial astrometry: its axes are {list(wcs.wcs.ctype)}")
    return wcs
