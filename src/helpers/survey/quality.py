"""Null values: what counts as one, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..checks import is_numeric

__all__ = ["count_nulls", "null_sentinels", "positive_or_null"]

SENTINEL = 9000.0
EXEMPT = ("ra", "dec", "objID", "specObjID")


def null_sentinels(catalog: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Turn survey sentinels into NaN: numbers that are not finite, or at least 9000 in absolute value.

    A flux of 9000 nanomaggies is a bright galaxy and not a sentinel: in flux columns only -9000 and below counts.

    Parameters
    ----------
    catalog : DataFrame
    columns : sequence of str, optional
        Default: every numeric column but positions and identifiers. A column of integers that holds a sentinel becomes
        one of floating-point numbers.

    Returns
    -------
    DataFrame
        A copy; `catalog` is unchanged.

    Raises
    ------
    ValueError
        If a named column does not hold numbers, or the rule leaves nothing of a column, such as one of dates.
    """
    clean = catalog.copy()
    if columns is None:
        columns = [name for name in catalog.columns if name not in EXEMPT and is_numeric(catalog[name])]
    for name in columns:
        if not is_numeric(catalog[name]):
            raise ValueError(f"column {name!r}: found values of type {catalog[name].dtype}, expected numbers")
        values = catalog[name].to_numpy(dtype=np.float64, na_value=np.nan)
        size = -values if "Flux" in str(name) else np.abs(values)
        sentinel = np.isinf(values) | (size >= SENTINEL)
        if not sentinel.any():
            continue
        if np.isfinite(values).any() and not (np.isfinite(values) & ~sentinel).any():
            raise ValueError(
                f"column {name!r}: every value counts as a survey's sentinel (absolute value of {SENTINEL:g} or more); "
                "drop the column or change its unit"
            )
        clean[name] = np.where(sentinel, np.nan, values)
    return clean


def positive_or_null(values: np.ndarray) -> np.ndarray:
    """Values as float64 with everything that is not a positive finite number turned into NaN."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def count_nulls(catalog: pd.DataFrame) -> pd.Series:
    """Number of nulls in each column that has any, most first."""
    counts = catalog.isna().sum()
    return counts[counts > 0].sort_values(ascending=False)
