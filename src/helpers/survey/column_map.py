"""Other people's columns: their names and units become ours.

A column map goes from a file's column to ``"ours"`` or ``"ours [unit]"``, in which the unit is that of *their* column:
``{"FLUX_R": "legacyMag_r [nanomaggy]", "MASS": "lgm_tot_p50 [Msun]"}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..bands import REDDENING, SURVEYS, Band, Survey
from ..inputs import INPUTS
from .identifiers import IDENTIFIERS, as_identifiers
from .quality import as_numbers, positive_or_null

__all__ = ["MappedColumn", "apply_column_map", "canonical_columns", "parse_column_map"]

# Nanomaggies in one of each; a source of 3631 Jy is one of AB magnitude 0, a maggy.
FLUX_UNITS = {
    "nanomaggy": 1.0,
    "maggy": 1e9,
    "jansky": 1e9 / 3631,
    "microjansky": 1e3 / 3631,
    "nanojansky": 1 / 3631,
}
ANGLES = {"arcsec": 1.0, "arcmin": 60.0, "deg": 3600.0, "mas": 1e-3}
SYSTEMS = ("AB", "Vega")
INVERSE_VARIANCE = "^-2"
ZERO_POINT = 22.5  # AB magnitude of one nanomaggy
MASSES = "lgm_"
RADII = ("petroR50_", "petroR90_", "petroRad_")

_BANDS: dict[str, tuple[str, Survey, Band]] = {
    column: (kind, survey, band)
    for survey in SURVEYS.values()
    for band in survey.bands
    for kind, column in (("magnitude", band.magnitude), ("error", band.magnitude_error), ("flux", band.flux))
    if column
}


@dataclass(frozen=True)
class MappedColumn:
    """Where a column goes: our name, and the unit of theirs, None where it is ours already."""

    column: str
    unit: str | None = None


def canonical_columns(target: str) -> frozenset[str]:
    """Names of the columns that must hold numbers, the target's among them; identifiers are not."""
    inputs = (entry.main + entry.errors for entry in INPUTS.values())
    return frozenset({"ra", "dec", REDDENING, target, *_BANDS}.union(*inputs))


def parse_column_map(column_map: Mapping[str, str], target: str) -> dict[str, MappedColumn]:
    """Read a column map.

    Parameters
    ----------
    column_map : mapping
        From their column to ``"ours"`` or ``"ours [unit]"``.
    target : str
        Our column of log10 stellar mass.

    Raises
    ------
    ValueError
        If it is no mapping, a value is no name with or without a unit, the unit is none of those known for such a
        column, or two columns become one.
    """
    if not isinstance(column_map, Mapping):
        raise ValueError(f"column_map: found {column_map!r}, expected a mapping from their columns to ours")
    mapped: dict[str, MappedColumn] = {}
    for theirs, ours in column_map.items():
        match = (
            re.fullmatch(r"\s*([^\[\]]*[^\[\]\s])\s*(?:\[\s*([^\[\]]+?)\s*\])?\s*", ours) if _is_text(ours) else None
        )
        if match is None:
            raise ValueError(f"column_map: found {ours!r} for {theirs!r}, expected 'column' or 'column [unit]'")
        entry = MappedColumn(*match.groups())
        known = _units_of(entry.column, target)
        if entry.unit is not None and entry.unit not in known:
            raise ValueError(
                f"column_map: found the unit {entry.unit!r} for {entry.column!r}, expected "
                + (f"one of {', '.join(known)}" if known else "none: this column has no other units")
            )
        twin = next((other for other, held in mapped.items() if held.column == entry.column), None)
        if twin is not None:
            raise ValueError(f"column_map: both {twin!r} and {theirs!r} become {entry.column!r}, expected one")
        mapped[theirs] = entry
    return mapped


def apply_column_map(
    frame: pd.DataFrame, mapping: Mapping[str, MappedColumn], *, source: str, target: str
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Give a file's columns our names, types and units; what is not mapped stays as it is.

    Canonical columns become numbers, identifiers exact whole numbers. A flux becomes a magnitude,
    m = 22.5 - 2.5 log10(flux / nanomaggy), less the survey's offset where its magnitudes are Vega's; the error of a
    flux, or its inverse variance, becomes that of the magnitude, 2.5 / ln 10 times error over flux; a mass its
    log10. What is not positive has no logarithm: it becomes null, and is counted.

    Parameters
    ----------
    frame : DataFrame [n]
    mapping : mapping
        As `parse_column_map` gives it.
    source : str
        Name of the file, for messages.
    target : str
        Our column of log10 stellar mass.

    Returns
    -------
    frame : DataFrame [n]
    counts : dict
        Number of fluxes or masses that were not positive, by our column, where there are any.

    Raises
    ------
    ValueError
        If a mapped column is not in the file, becomes one that the file has already, or holds what is no number; or
        an error is mapped without its flux.
    """
    absent = [name for name in mapping if name not in frame.columns]
    if absent:
        raise ValueError(
            f"column_map: column {absent[0]!r} is not in {source}, which has {', '.join(map(str, frame.columns))}"
        )
    for theirs, entry in mapping.items():
        if entry.column in frame.columns and entry.column not in mapping:
            raise ValueError(
                f"column_map: {theirs!r} becomes {entry.column!r}, which {source} has already; map that one elsewhere"
            )
    raw = frame.rename(columns={theirs: entry.column for theirs, entry in mapping.items()})
    numeric = canonical_columns(target).union(entry.column for entry in mapping.values() if entry.unit)
    for name in raw.columns:
        if name in IDENTIFIERS:
            raw[name] = as_identifiers(raw[name])
        elif name in numeric:
            raw[name] = as_numbers(raw[name])
    units = {entry.column: entry.unit for entry in mapping.values() if entry.unit is not None}
    converted, counts = raw.copy(), {}
    for name in units:
        converted[name], not_positive = _convert(name, raw, units)
        if not_positive:
            counts[name] = not_positive
    return converted, counts


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _units_of(column: str, target: str) -> tuple[str, ...]:
    """Units that a column of theirs may have when it becomes this one of ours."""
    if column in _BANDS:
        kind, survey, _ = _BANDS[column]
        if kind == "flux":
            return tuple(FLUX_UNITS)
        if kind == "error":
            return (*FLUX_UNITS, *(unit + INVERSE_VARIANCE for unit in FLUX_UNITS))
        # The offset of an AB survey's bands to Vega magnitudes is not on record here.
        return (*FLUX_UNITS, *(SYSTEMS if survey.system == "Vega" else (survey.system,)))
    if column == target or column.startswith(MASSES):
        return ("Msun",)
    return tuple(ANGLES) if column.startswith(RADII) else ()


def _convert(name: str, raw: pd.DataFrame, units: Mapping[str, str]) -> tuple[np.ndarray, int]:
    """Values of our column `name`, and how many were not positive where only positive ones have a meaning."""
    values, unit = raw[name].to_numpy(dtype=np.float64), units[name]
    if unit in ANGLES:
        return values * ANGLES[unit], 0
    if unit == "Msun":
        return np.log10(positive_or_null(values)), _not_positive(values)
    kind, survey, band = _BANDS[name]
    if kind == "flux":
        return values * FLUX_UNITS[unit], 0
    if kind == "error":
        return _magnitude_error(values, unit, band, raw, units), 0
    if unit in SYSTEMS:
        return (values if unit == survey.system else values - band.vega), 0
    magnitude = ZERO_POINT - 2.5 * np.log10(positive_or_null(values) * FLUX_UNITS[unit])
    return (magnitude - band.vega if survey.system == "Vega" else magnitude), _not_positive(values)


def _magnitude_error(
    values: np.ndarray, unit: str, band: Band, raw: pd.DataFrame, units: Mapping[str, str]
) -> np.ndarray:
    flux_unit = units.get(band.magnitude)
    if flux_unit not in FLUX_UNITS:
        raise ValueError(
            f"column_map: {band.magnitude_error!r} is the error of a flux, [{unit}], but no flux becomes "
            f"{band.magnitude!r}; expected it mapped too, as '{band.magnitude} [nanomaggy]'"
        )
    flux = positive_or_null(raw[band.magnitude].to_numpy(dtype=np.float64)) * FLUX_UNITS[flux_unit]
    sigma = positive_or_null(values)
    if unit.endswith(INVERSE_VARIANCE):
        sigma = FLUX_UNITS[unit.removesuffix(INVERSE_VARIANCE)] / np.sqrt(sigma)
    else:
        sigma = FLUX_UNITS[unit] * sigma
    return 2.5 / np.log(10) * sigma / flux


def _not_positive(values: np.ndarray) -> int:
    return int((values <= 0).sum())
