"""Real galaxies as a sample: the archive's catalogue, pictures cut from its frames, and what is measured on them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...checks import is_whole
from ...inputs import BANDS
from ...runs import atomic_path, library_fingerprint
from ..mock.observing import GAIN
from ..photometry import measure_galaxies
from ..quality import count_nulls
from ..sample import Sample
from ..store import ChunkedStore, ChunkError, build
from ..stored import StoredImages
from .catalogue import CataloguePages, Selection, catalogue_query, extinction_law
from .transfer import Politeness, is_intact, write_checksum

__all__ = ["Cost", "SdssOptions", "expected_cost", "load_sdss"]

SDSS_SIZE = 3000
CHUNK_ROWS = 200  # galaxies cut and stored together; their frames lie on the disk until they are
STAMP = 64
IMAGES = ("frames", "hips2fits", "none")
# To be raised when pictures or null rules change so that those in readers' caches should be fetched again.
VERSION = 1
MEASURING = ("survey/photometry.py", "survey/sersic.py", "survey/sdss/loading.py")
SERSIC = tuple(f"Sersic_n_{name}" for name in BANDS)
# Of the frames of one real field in five bands, and of fields per galaxy at the density of the main galaxy sample.
FIELD_MEGABYTES = 16.8
FIELDS_PER_GALAXY = 0.7
HIPS_MEGABYTES = 0.1
ROW_BYTES = 900
LATENCY = 0.5  # seconds until a service begins to answer: a guess


@dataclass(frozen=True)
class SdssOptions:
    """What to fetch of the Sloan Digital Sky Survey, and how.

    Attributes
    ----------
    selection : Selection, optional
        Which galaxies; default: main galaxies with clean photometry on every 40th plate, the seed choosing which.
    images : str, default "frames"
        ``"frames"``: cut from the survey's own calibrated frames, in nanomaggies, all bands on the pixels of the r
        band. ``"hips2fits"``: from a resampled all-sky map, quick, for looking at and not for measuring. ``"none"``.
    keep_frames : bool, default False
        Keep downloaded frames (17 MB a field) after their galaxies are cut.
    sersic_catalogue : path, optional
        A published table with positions and Sérsic indices, matched to 1.5 arcsec; its indices then stand in the
        catalogue. Default: they are measured on pictures from frames.
    politeness : Politeness
        Downloads at once, pauses, attempts.
    """

    selection: Selection | None = None
    images: str = "frames"
    keep_frames: bool = False
    sersic_catalogue: str | None = None
    politeness: Politeness = field(default_factory=Politeness)

    def __post_init__(self) -> None:
        if self.images not in IMAGES:
            raise ValueError(f"images: found {self.images!r}, expected one of {', '.join(IMAGES)}")


@dataclass(frozen=True)
class Cost:
    """What a sample takes to fetch, from the sizes of one field and the density of the main galaxy sample.

    Attributes
    ----------
    n_requests : int
        For the catalogue and for frames or pictures, to all servers together. A match at IRSA (``wise="irsa"``) asks
        once more for each thousand galaxies, and is not counted.
    gigabytes : float
        To download.
    disk_gigabytes : float
        To keep, once frames are deleted.
    hours : float
        The longer of the transfer at the given rate and half a second for each frame's or picture's answer to begin,
        shared among the workers of `politeness`; and the interval of `politeness` for each catalogue query.
    """

    n_requests: int
    gigabytes: float
    disk_gigabytes: float
    hours: float


def expected_cost(n_galaxies: int, options: SdssOptions | None = None, *, megabytes_per_second: float = 5.0) -> Cost:
    """Estimate what ``load_sample("sdss", n_galaxies, allow_network=True)`` will ask of the network.

    Parameters
    ----------
    n_galaxies : int
    options : SdssOptions, optional
    megabytes_per_second : float, default 5
        What the connection carries.

    Returns
    -------
    Cost
    """
    options = options or SdssOptions()
    pages = -(-n_galaxies // CataloguePages.PAGE_ROWS) + 1
    n_images, megabytes = {
        "frames": (5 * FIELDS_PER_GALAXY * n_galaxies, FIELD_MEGABYTES * FIELDS_PER_GALAXY * n_galaxies),
        "hips2fits": (5 * n_galaxies, HIPS_MEGABYTES * n_galaxies),
        "none": (0, 0.0),
    }[options.images]
    megabytes += n_galaxies * ROW_BYTES / 1e6
    stored = n_galaxies * (ROW_BYTES + (0 if options.images == "none" else 4 * len(BANDS) * STAMP**2)) / 1e9
    waiting = LATENCY * n_images / options.politeness.n_workers
    seconds = max(megabytes / megabytes_per_second, waiting) + pages * options.politeness.interval
    return Cost(round(pages + n_images), megabytes / 1e3, stored, seconds / 3600)


def load_sdss(
    n_galaxies: int | None,
    seed: int,
    cache: Path,
    *,
    allow_network: bool = False,
    options: SdssOptions | None = None,
) -> Sample:
    """Fetch real galaxies, or open those that were fetched before.

    The galaxies are the first `n_galaxies` of the archive's order (by specObjID) that satisfy the selection and have a
    whole picture in every band, so a smaller sample is part of a larger one. What was fetched stays in the cache:
    an interrupted call goes on where it stopped, and a finished one needs no network.

    Parameters
    ----------
    n_galaxies : int or None
        Default 3,000.
    seed : int
        Chooses the plates where `options` names no selection.
    cache : Path
    allow_network : bool, default False
    options : SdssOptions, optional

    Returns
    -------
    Sample
        Images [n, 5, 64, 64] are read from disk when asked for.

    Raises
    ------
    ValueError
        If an argument is out of range, the network would be needed and is not allowed, or the archive holds too few.
    ChunkError
        If pictures cannot be fetched or written; what is finished is kept.
    TransferError
        If the catalogue cannot be fetched; what is finished is kept.
    """
    n_galaxies = SDSS_SIZE if n_galaxies is None else n_galaxies
    for name, value, least in (("n_galaxies", n_galaxies, 1), ("seed", seed, 0)):
        if not is_whole(value) or value < least:
            raise ValueError(f"{name}: found {value!r}, expected a whole number of at least {least}")
    options = options or SdssOptions()
    selection = options.selection or _seeded(Selection(), int(seed))
    folder = cache / f"sdss-{_key(selection, options)}"
    if not allow_network and not folder.is_dir():
        raise ValueError(_offline(n_galaxies, folder))
    pages = CataloguePages(selection, folder / "pages", options.politeness, allow_network=allow_network)
    store = None
    if options.images == "none":
        catalog = _catalogue_alone(pages, n_galaxies)
    else:
        store = _pictures(pages, n_galaxies, folder, options, selection.release, allow_network)
        catalog = store.catalog
    catalog, sersic = _with_sersic(catalog, store, folder, options)
    sample = Sample.from_frame(
        catalog,
        provenance={
            "dataset": "sdss",
            "origin": f"SDSS DR{selection.release}: CAS (galSpecExtra, SpecObj, PhotoPrimary), frames of the SAS; WISE",
            "target": "lgm_tot_p50 of the MPA-JHU catalogue: log10 of the stellar mass, from ugriz and redshift",
            "selection": asdict(selection),
            "query": catalogue_query(selection, 0, CataloguePages.PAGE_ROWS),
            "extinction_law": _extinction_record(catalog),
            "wise": selection.wise,
            "sersic": sersic,
            "images": _image_record(store, folder, options),
            "nulls": count_nulls(catalog).to_dict(),
        },
    )
    # Not through `from_frame`, which would read them all to check them.
    return sample if store is None else replace(sample, images=store.images)


def _seeded(selection: Selection, seed: int) -> Selection:
    return replace(selection, plate_remainder=seed % selection.plate_step)


def _key(selection: Selection, options: SdssOptions) -> str:
    """What tells one set of galaxies and pictures from another: what they are, not how they were fetched."""
    told = {
        "version": VERSION,
        "query": catalogue_query(selection, 0, 1),
        "selection": asdict(selection),
        "images": options.images,
        "size": STAMP,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:12]


def _offline(n_galaxies: int, folder: Path) -> str:
    return (
        f"dataset 'sdss': {n_galaxies} galaxies are not in {folder.parent}, and allow_network is False; set "
        "allow_network=True to fetch them from the survey's servers, or cache_dir to where they were fetched before"
    )


def _too_few(n_galaxies: int, found: int, kept: int) -> str:
    lost = "" if kept == found else f", of which {kept} have whole pictures"
    return (
        f"n_galaxies: found {n_galaxies}, but the archive holds {found} galaxies of this selection{lost}; "
        "expected no more, or a wider Selection (plate_step=1 takes every plate)"
    )


class _NetworkOff(RuntimeError):
    """A chunk is missing and may not be fetched."""


class _ArchiveEnds(RuntimeError):
    """The archive holds no more galaxies of this selection; the argument is their number."""


def _catalogue_alone(pages: CataloguePages, n_galaxies: int) -> pd.DataFrame:
    catalog = pages.rows(0, n_galaxies)
    if len(catalog) < n_galaxies:
        raise ValueError(_too_few(n_galaxies, len(catalog), len(catalog)))
    return catalog.reset_index(drop=True)


@dataclass(frozen=True)
class _MakeChunk:
    """Fetch one chunk: rows of the archive's order, with the pictures of those that have whole ones."""

    pages: CataloguePages
    folder: Path
    options: SdssOptions
    release: int
    allow_network: bool

    def __call__(self, number: int) -> Mapping[str, Any]:
        if not self.allow_network:
            raise _NetworkOff
        start = number * CHUNK_ROWS
        table = self.pages.rows(start, start + CHUNK_ROWS).reset_index(drop=True)
        if table.empty:
            raise _ArchiveEnds(len(self.pages))
        images, kept, completed, reason = self._cut(table)
        refused = pd.DataFrame({name: table.loc[~kept, name] for name in ("specObjID", "objID", "ra", "dec")})
        with atomic_path(self.folder / "refused" / f"{number:05d}.parquet") as temporary:
            refused.assign(reason=reason[~kept].astype(str)).to_parquet(temporary)
        catalog = table[kept].reset_index(drop=True)
        # What is known of a picture stands apart from the catalogue, as a mock's truth does.
        about = pd.DataFrame({"completed": completed[kept]})
        return {"catalog": catalog, "truth": about, "images": images[kept]}

    def _cut(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        if self.options.images == "hips2fits":
            from .hips import hips_cutouts

            found = hips_cutouts(table, self.options.politeness, size=STAMP)
            return found.images, found.kept, found.completed, found.reason
        from .cutouts import cut_galaxies, fields_of
        from .frames import clear_frames

        # Under no temporary name, so that a restart finds the frames of an unfinished chunk.
        frames = self.folder / "frames"
        cut = cut_galaxies(table, frames, self.options.politeness, size=STAMP, allow_network=True, release=self.release)
        if not self.options.keep_frames:
            clear_frames(fields_of(table), frames)
        return cut.images, cut.kept, cut.completed, cut.reason


def _pictures(
    pages: CataloguePages,
    n_galaxies: int,
    folder: Path,
    options: SdssOptions,
    release: int,
    allow_network: bool,
) -> ChunkedStore:
    make_chunk = _MakeChunk(pages, folder, options, release, allow_network)
    try:
        return build(folder / "chunks", make_chunk, n_galaxies, n_processes=1, description="SDSS galaxies")
    except ChunkError as error:
        if isinstance(error.__cause__, _NetworkOff):
            raise ValueError(_offline(n_galaxies, folder)) from None
        if isinstance(error.__cause__, _ArchiveEnds):
            found = error.__cause__.args[0]
            raise ValueError(_too_few(n_galaxies, found, found - len(_refused(folder, error.chunk)))) from None
        raise


def _refused(folder: Path, n_chunks: int) -> pd.DataFrame:
    """Galaxies without whole pictures in the first chunks."""
    files = (folder / "refused" / f"{number:05d}.parquet" for number in range(n_chunks))
    tables = [pd.read_parquet(file) for file in files if file.is_file()]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["specObjID", "reason"])


def _with_sersic(
    catalog: pd.DataFrame, store: ChunkedStore | None, folder: Path, options: SdssOptions
) -> tuple[pd.DataFrame, str]:
    """Catalogue with Sersic indices where they can be had, and where they come from."""
    if options.sersic_catalogue is not None:
        from ..matching import match_table

        return match_table(catalog, options.sersic_catalogue, SERSIC), f"matched in {options.sersic_catalogue}"
    if store is None or options.images != "frames":
        return catalog, "none: they need pictures from frames, or a sersic_catalogue"
    measured = _measured(store, folder)
    return catalog.join(measured), "measured on the pictures, before the seeing"


def _measured(store: ChunkedStore, folder: Path) -> pd.DataFrame:
    """Sersic indices of every stored picture, in chunks that are kept."""
    import joblib

    code = "".join(map(library_fingerprint, MEASURING))
    place = folder / f"measured-{hashlib.sha256(code.encode()).hexdigest()[:12]}"
    seeing = _seeing(store.catalog)
    parts = [np.arange(start, min(start + CHUNK_ROWS, len(store))) for start in range(0, len(store), CHUNK_ROWS)]
    targets = [place / f"{_pictures_key(store.catalog.iloc[rows], seeing[rows])}.parquet" for rows in parts]
    # Each process is sent its own part alone, or the whole catalogue would travel with every one.
    tasks = [
        joblib.delayed(_measure)(store.images.select(rows), seeing[rows], target)
        for rows, target in zip(parts, targets, strict=True)
        if not is_intact(target)
    ]
    if tasks:
        joblib.Parallel(n_jobs=-1)(tasks)
    return pd.concat([pd.read_parquet(target) for target in targets], ignore_index=True)


def _pictures_key(part: pd.DataFrame, seeing: np.ndarray) -> str:
    """What tells the pictures of these very galaxies: with more galaxies the last chunk is measured again."""
    return hashlib.sha256(part["specObjID"].to_numpy(np.uint64).tobytes() + seeing.tobytes()).hexdigest()[:16]


def _measure(images: StoredImages, seeing: np.ndarray, target: Path) -> None:
    found = measure_galaxies(images[:], seeing, gain=GAIN)
    with atomic_path(target) as temporary:
        pd.DataFrame(found.sersic_index, columns=list(SERSIC)).to_parquet(temporary)
    write_checksum(target)


def _seeing(catalog: pd.DataFrame) -> np.ndarray:
    """FWHM of the point spread function in arcsec [n, band]; where it is null, that of the galaxy before it.

    The galaxy before is mostly of the same plate, and is the same one in a larger sample.
    """
    widths = catalog[[f"psffwhm_{name}" for name in BANDS]].astype(np.float64)
    widths = widths.where(widths > 0)
    empty = widths.columns[widths.isna().all()]
    if len(empty):
        raise ValueError(f"column {empty[0]!r}: every value is null, expected the width of the point spread function")
    return widths.ffill().bfill().to_numpy()


def _extinction_record(catalog: pd.DataFrame) -> str:
    """Which coefficients the archive's extinction has; no input is made from it, so that none known is no error."""
    try:
        return extinction_law(catalog)
    except ValueError as error:
        return f"not known: {error}"


def _image_record(store: ChunkedStore | None, folder: Path, options: SdssOptions) -> dict[str, Any]:
    if store is None:
        return {"source": "none"}
    refused = _refused(folder, len(store.chunk_rows))
    # Those among the sample's galaxies in the archive's order, and not whatever else was fetched before.
    refused = refused[refused["specObjID"] <= store.catalog["specObjID"].iloc[-1]]
    return {
        "source": options.images,
        "resampled": options.images == "hips2fits",
        "unit": "nanomaggies" if options.images == "frames" else "as the service gives it, not verified",
        "completed_from_a_neighbouring_frame": int(store.truth["completed"].sum()),
        "refused": refused["reason"].map(_kind).value_counts().to_dict(),
    }


def _kind(reason: str) -> str:
    """A reason without its numbers, to count by."""
    return re.sub(r"[\d.]+(?:e[-+]\d+)?%", "part", re.sub(r"field \d+", "its field", reason))
