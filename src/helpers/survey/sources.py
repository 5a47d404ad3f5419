"""Where samples come from: a name or a file."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..bands import SDSS, TWO_MASS
from ..checks import is_whole
from ..runs import atomic_path, cache_directory, file_sha256, library_fingerprint
from .column_map import apply_column_map, canonical_columns, parse_column_map
from .files import FORMATS, find_file, is_file_name, read_file
from .identifiers import IDENTIFIERS
from .mock.loading import MOCKS, load_mock
from .plausible import check_magnitudes, null_photometry, warn_of_absent
from .quality import SENTINEL, count_nulls, positive_or_null
from .sample import TARGET, Sample, galaxy_hash
from .sdss.loading import SdssOptions, load_sdss

__all__ = ["load_sample"]

# Read before writing numbers that depend on it: the file ships inside the package kcorrect 5.1.9 (BSD-3-Clause).
MINI_FILE = "data/test/gst_tests_small.fits"
MINI_SHA256 = "d7e87e8abc45167e48889a0e824870760a2e6dde20650a6e41a72164859bf578"
# Warnings show the line that called `load_sample`.
CALLER = 4


def load_sample(
    dataset: str | os.PathLike[str],
    n_galaxies: int | None = None,
    seed: int = 0,
    *,
    allow_network: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    column_map: Mapping[str, str] | None = None,
    target: str = TARGET,
    interventions: Mapping[str, Any] | None = None,
    n_processes: int | None = None,
    sdss: SdssOptions | None = None,
) -> Sample:
    """Load a sample by name or from a file.

    Parameters
    ----------
    dataset : str or path
        ``"sdss-mini"``: 10,000 SDSS galaxies with Petrosian photometry, redshift and 2MASS magnitudes, which ship
        with kcorrect and need no network. ``"mock"``: a universe of galaxies with images, whose causes are known;
        ``"mock-swapped-shapes"`` and ``"mock-one-spectrum"``: null universes, in which images know nothing of the mass
        beyond the measured photometry. ``"sdss"``: galaxies of the Sloan Digital Sky Survey with images, fetched from
        its servers. Or the path of a table: .csv, .parquet, .fits, or .npz, which may hold images too; or of a folder
        of ``catalog.npz`` and ``images.npz``, as the program of Zhang et al. (2025) has them. A relative path is looked
        for in the working directory, then in the project. Galaxies without a mass, or on no side of a file's own split,
        are left out, with a warning.
    n_galaxies : int, optional
        Keep this many, chosen by a hash of the position (or of the identifier, where there are no positions) and the
        seed, so that a smaller sample is part of a larger one. Default: all. Of a mock: make so many; default 6,000.
    seed : int, default 0
        Chooses which galaxies are kept, or which universe is made.
    allow_network : bool, default False
        Whether ``"sdss"`` may be fetched. Once fetched, it is read from ``cache_dir`` without the network. No other
        source needs it.
    cache_dir : path, optional
        Where a computed catalogue, a mock's images (82 kB a galaxy) or those of a file are kept. Default
        ``data/cache`` of the project.
    column_map : mapping, optional
        For a file: from its column names to the canonical ones, with the unit of theirs where it is another:
        ``{"Z": "z", "FLUX_R": "legacyMag_r [nanomaggy]"}``. Columns that are not in it stay as they are.
    target : str, default "lgm_tot_p50"
        For a file: its column of log10 stellar mass, after ``column_map``.
    interventions : mapping, optional
        For a mock: equations replaced, ``{"inclination": 0.0}``, or arrows cut, ``{"environment -> quenched": None}``,
        as ``helpers.survey.mock.StructuralCausalModel.do`` takes them.
    n_processes : int, optional
        For a mock: how many processes make it; the result does not depend on it. Default: one for each core.
    sdss : SdssOptions, optional
        For ``"sdss"``: which galaxies, what pictures, and how the servers are treated. Of ``"sdss"`` the first
        ``n_galaxies`` in the archive's order are taken (default 3,000), and the seed chooses the plates.

    Returns
    -------
    Sample

    Raises
    ------
    ValueError
        If the name is unknown, a file or column is missing or cannot be what it is called, or more galaxies are asked
        for than there are.
    ChunkError
        If a tile of a mock cannot be made, or pictures cannot be fetched; what was finished before is kept.
    TransferError
        If the archive gives no usable answer; what was finished before is kept.

    Warns
    -----
    UserWarning
        If a file has no reddening or no errors, so that inputs go without, or nulls of several kinds in one column.
    """
    if not isinstance(dataset, str | os.PathLike):
        raise ValueError(f"dataset: found {dataset!r}, expected a name or a path")
    name = str(dataset)
    of_files = {"column_map": (column_map or None, None), "target": (target, TARGET)}
    of_mocks = {"interventions": (interventions, None), "n_processes": (n_processes, None)}
    if name != "sdss":
        _refuse({"sdss": (sdss, None)}, name, "'sdss'")
    if name in MOCKS:
        _refuse(of_files, name, "a file")
        return load_mock(
            name,
            n_galaxies,
            seed,
            cache_directory(cache_dir),
            interventions=interventions,
            n_processes=n_processes,
        )
    _refuse(of_mocks, name, "a mock")
    if name == "sdss":
        _refuse(of_files, name, "a file")
        return load_sdss(n_galaxies, seed, cache_directory(cache_dir), allow_network=allow_network, options=sdss)
    if name == "sdss-mini":
        _refuse(of_files, name, "a file")
        sample = _load_mini(cache_directory(cache_dir))
    elif is_file_name(dataset):
        sample = _load_file(dataset, column_map or {}, target, cache_directory(cache_dir))
    else:
        raise ValueError(
            f"dataset: found {name!r}, expected one of sdss-mini, {', '.join(MOCKS)}, sdss, a file ending in "
            f"{', '.join(FORMATS)}, or a folder"
        )
    return sample if n_galaxies is None else _subset(sample, n_galaxies, seed)


def _refuse(options: Mapping[str, tuple[Any, Any]], dataset: str, where: str) -> None:
    """Refuse options that are not at their defaults with a dataset that has no use for them."""
    for option, (found, default) in options.items():
        if found != default:
            raise ValueError(f"{option}: found {found!r} with dataset {dataset!r}, expected it only with {where}")


def _subset(sample: Sample, n_galaxies: int, seed: int) -> Sample:
    if not is_whole(n_galaxies):
        raise ValueError(f"n_galaxies: found {n_galaxies!r}, expected a whole number")
    if not 1 <= n_galaxies <= len(sample):
        raise ValueError(f"n_galaxies: found {n_galaxies}, expected 1 to {len(sample)}, the size of the sample")
    if n_galaxies == len(sample):
        return sample
    hashed = galaxy_hash(sample.catalog, salt=f"subset {seed}: ", purpose="choose `n_galaxies` of them")
    subset = sample.take(np.sort(np.argsort(hashed, kind="stable")[:n_galaxies]))
    return replace(subset, provenance={**sample.provenance, "nulls": subset.null_counts().to_dict()})


def _load_file(dataset: str | os.PathLike[str], column_map: Mapping[str, str], target: str, cache: Path) -> Sample:
    mapping = parse_column_map(column_map, target)
    theirs = {entry.column: name for name, entry in mapping.items()}
    found = read_file(find_file(dataset), cache, text={theirs.get(name, name) for name in IDENTIFIERS})
    frame, not_positive = apply_column_map(found.frame, mapping, source=found.name, target=target)
    check_magnitudes(frame, theirs)
    frame = null_photometry(frame, canonical_columns(target) - {target}, stacklevel=CALLER)
    warn_of_absent(frame, found.name, stacklevel=CALLER)
    provenance: dict[str, Any] = {"dataset": found.name, "sha256": found.sha256}
    kept = _with_mass(frame, target)
    if not kept.all():
        provenance["without_mass"] = int((~kept).sum())
        warnings.warn(
            f"target {target!r}: {(~kept).sum()} of {len(kept)} values of {found.name} are null; "
            "those galaxies are left out",
            UserWarning,
            CALLER - 1,
        )
    if column_map:
        provenance["column_map"] = dict(column_map)
    if not_positive:
        provenance["not_positive"] = not_positive
    if found.left_out:
        provenance["left_out"] = found.left_out
        warnings.warn(
            f"dataset: {found.left_out} rows of {found.name} are in none of id_train, id_validation and id_test, and "
            "are left out",
            UserWarning,
            CALLER - 1,
        )
    images, split = found.images, found.split
    if split is None and "split" in frame.columns:
        split = frame.pop("split")
    if not kept.all():
        rows = np.flatnonzero(kept)
        frame = frame.iloc[rows].reset_index(drop=True)
        images = None if images is None else images.select(rows)
        split = None if split is None else split.iloc[rows].reset_index(drop=True)
    sample = Sample.from_frame(frame, images, bands=found.bands, target=target, split=split, provenance=provenance)
    sample.provenance["nulls"] = count_nulls(sample.catalog).to_dict()
    return sample


def _with_mass(frame: pd.DataFrame, target: str) -> np.ndarray:
    """Which galaxies have a mass; all of them where none has, or there is no such column: that is refused elsewhere.

    Large positive numbers are no nulls here, for they may be masses that are no logarithms.
    """
    if target not in frame.columns:
        return np.ones(len(frame), dtype=bool)
    values = frame[target].to_numpy(dtype=np.float64, na_value=np.nan)
    known = values > -SENTINEL
    return known if known.any() else np.ones(len(frame), dtype=bool)


def _mini_path() -> Path:
    spec = importlib.util.find_spec("kcorrect")
    if spec is None or spec.origin is None:
        raise ValueError(
            "dataset 'sdss-mini' ships with the package kcorrect, which is not installed: pip install kcorrect==5.1.9"
        )
    path = Path(spec.origin).parent / MINI_FILE
    found = file_sha256(path) if path.is_file() else "no file"
    if found != MINI_SHA256:
        raise ValueError(
            f"dataset 'sdss-mini': {path.name} has sha256 {found}, expected {MINI_SHA256} (kcorrect 5.1.9)"
        )
    return path


def _load_mini(cache: Path) -> Sample:
    source = _mini_path()
    code = "".join(map(library_fingerprint, ("survey/sources.py", "bands.py", "survey/quality.py")))
    stored = cache / f"sdss-mini-{hashlib.sha256(code.encode()).hexdigest()[:16]}-{MINI_SHA256[:12]}.parquet"
    checksum = stored.with_suffix(".sha256")
    if not (stored.is_file() and checksum.is_file() and checksum.read_text().strip() == file_sha256(stored)):
        frame = mini_catalog(source)
        with atomic_path(stored) as temporary:
            frame.to_parquet(temporary)
        with atomic_path(checksum) as temporary:
            temporary.write_text(file_sha256(stored) + "\n")
    catalog = pd.read_parquet(stored)
    return Sample.from_frame(
        catalog,
        provenance={
            "dataset": "sdss-mini",
            "origin": "kcorrect 5.1.9, data/test/gst_tests_small.fits (BSD-3-Clause): SDSS and 2MASS",
            "sha256": MINI_SHA256,
            "target": "log10 of kcorrect's surviving stellar mass, from Petrosian ugriz and redshift (Planck 2018)",
            "nulls": count_nulls(catalog).to_dict(),
        },
    )


def mini_catalog(path: Path) -> pd.DataFrame:
    """Make the canonical catalogue of ``sdss-mini`` from kcorrect's file.

    A flux that is not positive has no magnitude: both it and its error are null. In the 2MASS columns 0 means missing.
    """
    from astropy.table import Table

    table = Table.read(path, format="fits")

    def column(name: str) -> np.ndarray:
        return np.asarray(table[name], dtype=np.float64)

    flux, inverse_variance, extinction = column("PETROFLUX"), column("PETROFLUX_IVAR"), column("EXTINCTION")
    positive = positive_or_null(flux)
    frame = pd.DataFrame({"ra": column("RA"), "dec": column("DEC"), "z": column("Z")})
    reference = next(i for i, band in enumerate(SDSS.bands) if band.name == "r")
    frame["EBV"] = extinction[:, reference] / SDSS.bands[reference].extinction
    magnitude = 22.5 - 2.5 * np.log10(positive)
    error = 2.5 / np.log(10) / (positive * np.sqrt(positive_or_null(inverse_variance)))
    for i, band in enumerate(SDSS.bands):
        frame[f"petroFlux_{band.name}"] = flux[:, i]
        frame[band.magnitude] = magnitude[:, i]
        frame[band.magnitude_error] = np.where(error[:, i] < SENSIBLE_ERROR, error[:, i], np.nan)
    for band in TWO_MASS.bands:
        frame[band.magnitude] = positive_or_null(column(f"{band.name}_M_EXT"))
        frame[band.magnitude_error] = positive_or_null(column(f"{band.name}_MSIG_EXT"))
    frame[TARGET] = kcorrect_mass(flux, inverse_variance, extinction, frame["z"].to_numpy())
    return frame


# A magnitude error at or above the null sentinel is a failed measurement (flux thousands of times below its error).
SENSIBLE_ERROR = 9000.0


def kcorrect_mass(
    flux: np.ndarray, inverse_variance: np.ndarray, extinction: np.ndarray, redshift: np.ndarray
) -> np.ndarray:
    """Stellar mass by kcorrect from ugriz fluxes and redshift.

    Parameters
    ----------
    flux, inverse_variance : array [n_galaxies, 5]
        Nanomaggies and their inverse variances; a flux may be negative.
    extinction : array [n_galaxies, 5]
        Galactic extinction in magnitudes.
    redshift : array [n_galaxies]

    Returns
    -------
    array [n_galaxies], float64
        log10 of the surviving stellar mass in solar masses: kcorrect's default templates (Blanton & Roweis 2007),
        Planck 2018 cosmology.

    Raises
    ------
    ValueError
        If the fit gives no positive mass for some galaxy, with their number.
    """
    from kcorrect.kcorrect import Kcorrect

    # kcorrect tabulates its templates over redshift; its default step of 0.0005 is kept, its range of 2 is not needed.
    highest = float(np.ceil(redshift.max() * 10) / 10)
    fitter = Kcorrect(
        responses=[f"sdss_{band.name}0" for band in SDSS.bands],
        redshift_range=[0.0, highest],
        nredshift=max(2, round(highest / 0.0005)),
        abcorrect=True,
    )
    transparency = 10 ** (-0.4 * extinction)
    maggies = (1e-9 * flux / transparency).astype(np.float32)
    ivar = (1e18 * inverse_variance * transparency**2).astype(np.float32)
    z = redshift.astype(np.float32)
    mass = np.asarray(
        fitter.derived(redshift=z, coeffs=fitter.fit_coeffs(redshift=z, maggies=maggies, ivar=ivar))["mremain"]
    )
    if not (mass > 0).all():
        raise ValueError(f"kcorrect: {int((~(mass > 0)).sum())} of {len(mass)} galaxies got no positive stellar mass")
    return np.log10(mass.astype(np.float64))
