"""Null values and numbers: what counts as one, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..bands import SURVEYS
from ..checks import is_numeric

__all__ = ["as_numbers", "count_nulls", "is_textual_null", "null_kinds", "null_sentinels", "positive_or_null"]

SENTINEL = 9000.0
# In files of others 99 and -99 stand for a magnitude, or an error, that could not be measured.
MAGNITUDE_SENTINEL = 90.0
EXEMPT = ("ra", "dec", "objID", "specObjID")
TEXTUAL_NULLS = frozenset({"", "null", "none", "nan", "na", "n/a", "<na>", "--"})
PHOTOMETRY = frozenset(
    column for survey in SURVEYS.values() for column in (*survey.magnitudes, *survey.errors) if column
)


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


def as_numbers(column: pd.Series) -> pd.Series:
    """A column's values as plain numbers: text is read, and nulls of every kind of column become NaN.

    Parameters
    ----------
    column : Series [n]
        Numbers of any type, or text; "null", "NaN", "N/A", "--" and the like are nulls.

    Returns
    -------
    Series [n]
        float64, or the integers that were there when none is null.

    Raises
    ------
    ValueError
        If there is other text, with the column, the first such row and its value; or truth values.
    """
    if is_numeric(column):
        if pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any():
            whole = np.uint64 if pd.api.types.is_unsigned_integer_dtype(column.dtype) else np.int64
            return pd.Series(column.to_numpy(dtype=whole), column.index, name=column.name)
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan), column.index, name=column.name)
    values = np.empty(len(column))
    for row, value in enumerate(column.to_numpy(dtype=object, na_value=None)):
        try:
            values[row] = np.nan if value is None or is_textual_null(value) else float(_not_truth(value))
        except (TypeError, ValueError):
            raise ValueError(
                f"column {column.name!r}: found {value!r} in row {row}, counted from 0, expected numbers"
            ) from None
    return pd.Series(values, column.index, name=column.name)


def _not_truth(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        raise TypeError
    return value


def is_textual_null(value: Any) -> bool:
    """Whether a value is a text that stands for none."""
    return isinstance(value, str) and value.strip().lower() in TEXTUAL_NULLS


def null_kinds(column: pd.Series) -> dict[str, int]:
    """Count the kinds of null in a column of numbers: NaN, infinite, and each value that is a sentinel.

    A sentinel is what `null_sentinels` takes for one, and in a column of magnitudes or of their errors any value of 90
    or more in absolute value: 99, -99, 999.
    """
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    limit = MAGNITUDE_SENTINEL if column.name in PHOTOMETRY else SENTINEL
    size = -values if "Flux" in str(column.name) else np.abs(values)
    counts = {"NaN": int(np.isnan(values).sum()), "infinite": int(np.isinf(values).sum())}
    for value, count in zip(*np.unique(values[np.isfinite(values) & (size >= limit)], return_counts=True), strict=True):
        counts[f"{value:g}"] = int(count)
    return {kind: count for kind, count in counts.items() if count}


def positive_or_null(values: np.ndarray) -> np.ndarray:
    """Values as float64 with everything that is not a positive finite number turned into NaN."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def count_nulls(catalog: pd.DataFrame) -> pd.Series:
    """Number of nulls in each column that has any, most first."""
    counts = catalog.isna().sum()
    return counts[counts > 0].sort_values(ascending=False)
