"""Checks that every room makes of what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["check_positive", "check_setting", "check_widths", "is_number", "is_numeric", "is_whole"]


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number: Python's or numpy's, and not a truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a real number: Python's or numpy's, and not a truth value."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, which truth values are not."""
    return pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)


def check_count(name: str, value: Any) -> None:
    """Raise a ValueError for an argument, such as a seed, that is not a whole number from 0."""
    if not is_whole(value) or value < 0:
        raise ValueError(f"{name}: found {value!r}, expected a whole number from 0")


def check_positive(config: Any, names: Sequence[str]) -> None:
    """Raise a ValueError for the first of these settings that is not a positive whole number."""
    for name in names:
        value = getattr(config, name)
        if type(value) is not int or value < 1:
            raise ValueError(f"{type(config).__name__}.{name}: found {value!r}, expected a positive whole number")


def check_setting(config: Any, name: str, holds: bool, expected: str) -> None:
    """Raise a ValueError for a setting that does not hold."""
    if not holds:
        raise ValueError(f"{type(config).__name__}.{name}: found {getattr(config, name)!r}, expected {expected}")


def check_widths(config: Any, names: Sequence[str]) -> None:
    """Raise a ValueError for the first of these settings that is not a tuple of positive whole numbers."""
    for name in names:
        value = getattr(config, name)
        if not all(type(width) is int and width >= 1 for width in value):
            raise ValueError(f"{type(config).__name__}.{name}: found {value!r}, expected positive whole numbers")
