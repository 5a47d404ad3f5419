"""Identifiers: 64-bit whole numbers, exact or refused.

A survey's identifier has 18 to 20 digits and float64 holds 15 to 17 of them, so one that ever was a floating-point
number is another galaxy's.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

from .quality import is_textual_null

__all__ = ["IDENTIFIERS", "as_identifiers", "check_identifiers"]

IDENTIFIERS = ("objID", "specObjID")
# Below this, every whole number is a float64, or a float32, of its own.
EXACT, EXACT_SINGLE = 2**53, 2**24
# So many large identifiers that all end in 000 did so by accident less than once in 10^30 tables.
ROUNDED = 10


def as_identifiers(column: pd.Series) -> pd.Series:
    """Identifiers as exact whole numbers.

    Parameters
    ----------
    column : Series [n]
        Whole numbers of any type, decimal ones too; text; or floating-point numbers that are whole and below 2^53
        (float32: 2^24).

    Returns
    -------
    Series [n]
        uint64, or int64 where one is negative; the nullable type of the same width where there are nulls.

    Raises
    ------
    ValueError
        If a value is not a whole number of 64 bits, or has lost its last digits, with the first such row.
    """
    limit = EXACT_SINGLE if column.dtype == np.float32 else EXACT
    numbers: list[int] = []
    null = np.zeros(len(column), dtype=bool)
    for row, value in enumerate(column.to_numpy(dtype=object, na_value=None)):
        null[row] = value is None or is_textual_null(value)
        numbers.append(0 if null[row] else _whole(value, limit, column.name, row))
    low, high = (min(numbers), max(numbers)) if numbers else (0, 0)
    if low < -(2**63) or high >= 2**64 or (low < 0 and high >= 2**63):
        raise ValueError(f"column {column.name!r}: found identifiers from {low} to {high}, expected 64-bit ones")
    _check_last_digits(column.name, [number for number, no in zip(numbers, null, strict=True) if not no])
    values = np.array(numbers, dtype=np.int64 if low < 0 else np.uint64)
    if null.any():
        return pd.Series(pd.arrays.IntegerArray(values, null), column.index, name=column.name)
    return pd.Series(values, column.index, name=column.name)


def check_identifiers(catalog: pd.DataFrame) -> None:
    """Refuse identifiers that are not exact whole numbers, or that repeat; nulls do not repeat.

    Raises
    ------
    ValueError
        Naming the column and the first such value.
    """
    for name in IDENTIFIERS:
        if name not in catalog.columns:
            continue
        held = catalog[name].dropna()
        if not pd.api.types.is_integer_dtype(held.dtype):
            held = as_identifiers(held).dropna()
        repeated = held[held.duplicated()]
        if len(repeated):
            raise ValueError(
                f"catalog: identifier {name}={repeated.iloc[0]} stands twice ({len(repeated)} repeats in all)"
            )


def _whole(value: Any, limit: int, name: Any, row: int) -> int:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    # As some archives declare theirs: exact, whatever the number of digits.
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return int(value)
    text = str(value).strip()
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not np.isfinite(number) or (number != round(number) and abs(number) < EXACT):
        raise ValueError(f"column {name!r}: found {value!r} in row {row}, counted from 0, expected whole numbers")
    if abs(number) >= limit:
        raise ValueError(
            f"column {name!r}: {text} in row {row}, counted from 0, has lost its last digits; expected whole numbers "
            "that never were floating-point ones: save the table again from its source, with this column as text or "
            "64-bit integers"
        )
    return int(number)


def _check_last_digits(name: Any, numbers: list[int]) -> None:
    """Refuse long identifiers all of which end in 000: somebody rounded them before they became whole again."""
    if len(numbers) >= ROUNDED and all(abs(number) >= EXACT and number % 1000 == 0 for number in numbers):
        raise ValueError(
            f"column {name!r}: has lost its last digits: found {len(numbers)} identifiers that all end in 000, such as "
            f"{numbers[0]}; leave the column out of column_map, or save the table again from its source"
        )
