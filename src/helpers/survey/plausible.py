"""Whether a file's numbers can be what its columns are called."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from ..bands import REDDENING, SURVEYS
from ..checks import is_numeric
from .column_map import FLUX_UNITS
from .quality import EXEMPT, MAGNITUDE_SENTINEL, PHOTOMETRY, SENTINEL, null_kinds

__all__ = ["check_magnitudes", "null_photometry", "warn_of_absent"]

MAGNITUDES = (5.0, 35.0)
# The 95th percentile of magnitudes over their 5th is below 2.5 in surveys from the brightest galaxies to the faintest;
# that of fluxes is above 10.
LARGEST_SPREAD = 4.0
MOST_KINDS = 6  # that a warning counts
FEWEST = 5  # values of which a spread is taken


def check_magnitudes(catalog: pd.DataFrame, theirs: Mapping[str, str]) -> None:
    """Refuse magnitude columns that look like fluxes.

    Parameters
    ----------
    catalog : DataFrame
        Before any null rule: what a magnitude's rule takes for a null is a good flux.
    theirs : mapping
        From a canonical column to what the file calls it, where that differs.

    Raises
    ------
    ValueError
        If the median of a magnitude column is outside 5 to 35, or its 5th to 95th percentiles lie a factor of four
        apart; the message shows how a column map names the unit of a flux.
    """
    for name in (name for survey in SURVEYS.values() for name in survey.magnitudes):
        if name not in catalog.columns:
            continue
        values = catalog[name].to_numpy(dtype=np.float64)
        values = values[np.isfinite(values) & (np.abs(values) < SENTINEL)]
        measured = values[np.abs(values) < MAGNITUDE_SENTINEL]
        if len(measured) >= len(values) / 2:  # else most are not even near to magnitudes
            values = measured
        if len(values) == 0:
            continue
        low, median, high = np.percentile(values, [5, 50, 95])
        wide = len(values) >= FEWEST and high > LARGEST_SPREAD * low
        if wide or not MAGNITUDES[0] <= median <= MAGNITUDES[1]:
            raise ValueError(
                f"column {name!r}: found a median of {median:.3g}, and values from {low:.3g} to {high:.3g} (5th and "
                f"95th percentiles), expected magnitudes; if they are fluxes, name their unit: "
                f"column_map={{{theirs.get(name, name)!r}: '{name} [UNIT]'}}, UNIT being one of {', '.join(FLUX_UNITS)}"
            )


def null_photometry(catalog: pd.DataFrame, columns: Collection[str], *, stacklevel: int = 2) -> pd.DataFrame:
    """Turn 99, -99 and the like among magnitudes and their errors into NaN; warn of columns with nulls of two kinds.

    Parameters
    ----------
    catalog : DataFrame [n]
    columns : collection of str
        Columns to look at, where the catalogue has them.
    stacklevel : int
        Whose line the warnings show, as `warnings.warn` counts.

    Returns
    -------
    DataFrame [n]
        A copy. Other sentinels are left for `null_sentinels`.
    """
    clean = catalog.copy()
    for name in catalog.columns:
        if name not in columns or name in EXEMPT or not is_numeric(catalog[name]):
            continue
        kinds = null_kinds(catalog[name])
        if len(kinds) > 1:
            counts = ", ".join(f"{kind} in {count} rows" for kind, count in list(kinds.items())[:MOST_KINDS])
            counts += ", ..." if len(kinds) > MOST_KINDS else ""
            warnings.warn(
                f"column {name!r}: found nulls of {len(kinds)} kinds ({counts}), expected one; all count as null",
                UserWarning,
                stacklevel,
            )
        if name in PHOTOMETRY and kinds:
            values = catalog[name].to_numpy(dtype=np.float64, na_value=np.nan)
            clean[name] = np.where(np.abs(values) >= MAGNITUDE_SENTINEL, np.nan, values)
    return clean


def warn_of_absent(catalog: pd.DataFrame, source: str, *, stacklevel: int = 2) -> None:
    """Warn of a catalogue with magnitudes that has no reddening, or not their errors: inputs go without."""
    held = [band for survey in SURVEYS.values() for band in survey.bands if band.magnitude in catalog.columns]
    if not held:
        return
    if REDDENING not in catalog.columns:
        warnings.warn(
            f"column {REDDENING!r} is not in {source}: inputs go without the reddening, and its magnitudes are "
            "taken as corrected for Galactic extinction",
            UserWarning,
            stacklevel,
        )
    absent = [
        band.magnitude_error for band in held if band.magnitude_error and band.magnitude_error not in catalog.columns
    ]
    if absent:
        warnings.warn(
            f"columns {', '.join(absent)} are not in {source}: inputs of these magnitudes go without errors",
            UserWarning,
            stacklevel,
        )
