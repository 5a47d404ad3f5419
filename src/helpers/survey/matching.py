"""Matching by position on the sphere, and columns of a published table by it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ..checks import is_number
from ..inputs import BANDS
from .quality import SENTINEL, positive_or_null

__all__ = ["match_positions", "match_table", "separation"]

ARCSEC = 3600.0  # in a degree
POSITIONS = (("ra", "dec"), ("raj2000", "dej2000"), ("_raj2000", "_dej2000"))
NONE = -1


def match_positions(
    ra: np.ndarray, dec: np.ndarray, other_ra: np.ndarray, other_dec: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest of other positions to each of these, on the sphere: right at the poles and across RA 0.

    Parameters
    ----------
    ra, dec : array [n]
        Degrees. A position that is not finite matches nothing.
    other_ra, other_dec : array [m]
    radius : float
        Arcseconds within which a match counts.

    Returns
    -------
    index : int64 array [n]
        Row of the nearest other position; -1 where none is within `radius`.
    separation : float64 array [n]
        Arcseconds to it; NaN where there is none.

    Raises
    ------
    ValueError
        If arrays differ in shape, a declination is beyond a pole, or the radius is not positive.
    """
    from scipy.spatial import cKDTree

    if not is_number(radius) or not radius > 0:
        raise ValueError(f"radius: found {radius!r}, expected arcseconds, more than 0")
    here, there = _unit_vectors(ra, dec, "ra, dec"), _unit_vectors(other_ra, other_dec, "other_ra, other_dec")
    index = np.full(len(here), NONE, dtype=np.int64)
    angle = np.full(len(here), np.nan)
    ours, theirs = (np.flatnonzero(np.isfinite(vectors).all(axis=1)) for vectors in (here, there))
    if len(ours) and len(theirs):
        _, nearest = cKDTree(there[theirs]).query(here[ours])
        found = theirs[nearest]
        between = _angle(here[ours], there[found])
        within = between <= radius
        index[ours[within]], angle[ours[within]] = found[within], between[within]
    return index, angle


def separation(ra: np.ndarray, dec: np.ndarray, other_ra: np.ndarray, other_dec: np.ndarray) -> np.ndarray:
    """Angle between positions pair by pair, in arcseconds, from degrees; float64 [n]."""
    return _angle(_unit_vectors(ra, dec, "ra, dec"), _unit_vectors(other_ra, other_dec, "other_ra, other_dec"))


def match_table(
    catalog: pd.DataFrame,
    path: str | os.PathLike[str],
    columns: Sequence[str] | Mapping[str, str],
    radius: float = 1.5,
) -> pd.DataFrame:
    """Add columns of a published table to the galaxies that it holds, by position.

    Parameters
    ----------
    catalog : DataFrame [n_galaxies]
        With ``ra`` and ``dec`` in degrees.
    path : path
        FITS, CSV or Parquet, with columns ``ra`` and ``dec`` (or ``RAJ2000`` and ``DEJ2000``) in whatever case. Of
        a FITS file the first table is read.
    columns : sequence of str, or mapping of str to str
        Our names, or our names and theirs. A name that ends in a band, such as ``Sersic_n_r``, may also stand for one
        element of an array column of five (``sersic_n[2]``): u, g, r, i, z.
    radius : float, default 1.5
        Arcseconds.

    Returns
    -------
    DataFrame [n_galaxies]
        A copy with the new columns, float64; null for the galaxies without a match, whose number a warning gives.

    Raises
    ------
    ValueError
        If the file cannot be read so, a column is missing, or no galaxy at all has a match.
    """
    path = Path(path)
    table = _read(path)
    theirs = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    values = {ours: _column(table, name, path) for ours, name in theirs.items()}
    for name in ("ra", "dec"):
        if name not in catalog.columns:
            raise ValueError(f"catalog: column {name!r} is missing, expected positions to match by")
    index, _ = match_positions(
        catalog["ra"].to_numpy(np.float64), catalog["dec"].to_numpy(np.float64), *_positions(table, path), radius
    )
    matched = index != NONE
    if not matched.any():
        raise ValueError(f"{path}: none of the {len(catalog)} galaxies has a counterpart within {radius:g} arcsec")
    if not matched.all():
        warnings.warn(
            f"{path.name}: {int((~matched).sum())} of {len(catalog)} galaxies have no counterpart within {radius:g} "
            f"arcsec, so {', '.join(values)} of these are null",
            stacklevel=2,
        )
    result = catalog.copy()
    for ours, column in values.items():
        result[ours] = np.where(matched, column[index], np.nan)
    return result


def _unit_vectors(ra: np.ndarray, dec: np.ndarray, name: str) -> np.ndarray:
    """Directions [n, 3]."""
    alpha, delta = np.asarray(ra, dtype=np.float64), np.asarray(dec, dtype=np.float64)
    if alpha.ndim != 1 or alpha.shape != delta.shape:
        raise ValueError(f"{name}: found shapes {alpha.shape} and {delta.shape}, expected one length for both")
    beyond = np.abs(delta) > 90
    if beyond.any():
        raise ValueError(f"{name}: found a declination of {delta[beyond][0]}, expected -90 to 90 degrees")
    alpha, delta = np.radians(alpha), np.radians(delta)
    return np.stack([np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=1)


def _angle(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    # By half chords of the difference and of the sum: exact for small angles and for those near 180 degrees.
    difference, total = np.linalg.norm(here - there, axis=1), np.linalg.norm(here + there, axis=1)
    return np.degrees(2 * np.arctan2(difference, total)) * ARCSEC


def _read(path: Path) -> dict[str, np.ndarray]:
    """Columns by name in lower case."""
    readers = {
        ".csv": pd.read_csv,
        ".parquet": pd.read_parquet,
        **dict.fromkeys((".fits", ".fit", ".gz"), _read_fits),
    }
    if path.suffix.lower() not in readers:
        raise ValueError(f"path: found {str(path)!r}, expected a file of type {', '.join(readers)}")
    if not path.is_file():
        raise ValueError(f"path: found no file {str(path)!r}")
    table = readers[path.suffix.lower()](path)
    return {str(name).lower(): np.asarray(table[name]) for name in table.keys()}  # noqa: SIM118


def _read_fits(path: Path) -> dict[str, np.ndarray]:
    from astropy.table import Table

    table = Table.read(path, format="fits")
    return {
        name: np.ma.filled(table[name].astype(np.float64), np.nan) for name in table.colnames if _is_real(table[name])
    }


def _is_real(column: np.ndarray) -> bool:
    return column.dtype.kind in "iuf"


def _column(table: Mapping[str, np.ndarray], name: str, path: Path) -> np.ndarray:
    """One column as float64, its sentinels null."""
    stem, _, band = name.lower().rpartition("_")
    found = table.get(name.lower())
    if found is None and band in BANDS and stem in table and table[stem].ndim == 2:
        if table[stem].shape[1] != len(BANDS):
            raise ValueError(
                f"{path}: column {stem!r} has {table[stem].shape[1]} elements a row, expected {len(BANDS)} bands"
            )
        found = table[stem][:, BANDS.index(band)]
    if found is None or found.ndim != 1:
        raise ValueError(f"{path}: there is no column {name!r}, found {', '.join(table)}")
    try:
        values = found.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{path}: column {name!r} holds {found.dtype}, expected numbers") from None
    if name.lower().startswith("sersic_n"):
        values = positive_or_null(values)
    return np.where(np.abs(values) < SENTINEL, values, np.nan)


def _positions(table: Mapping[str, np.ndarray], path: Path) -> tuple[np.ndarray, np.ndarray]:
    for ra, dec in POSITIONS:
        if ra in table and dec in table:
            return _column(table, ra, path), _column(table, dec, path)
    raise ValueError(
        f"{path}: there are no columns ra and dec, found {', '.join(table)}; a table whose rows go with those of "
        "another needs that one's positions first"
    )
