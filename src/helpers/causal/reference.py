"""What the tests are given, checked: columns of the reference galaxies, their nulls, and rows of neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from helpers.checks import is_whole

__all__ = ["LEAST_GALAXIES", "Columns", "Floats", "Integers", "Mask", "check_columns", "check_count", "check_index"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Fewer complete galaxies than this are no sample to learn a regression from.
LEAST_GALAXIES = 20


@dataclass(frozen=True, eq=False)
class Columns:
    """Checked columns of the reference galaxies, centred, nulls set to zero.

    Attributes
    ----------
    target : ndarray of float, [n_reference]
    queries : ndarray of float, [n_reference, n_queries]
    given : ndarray of float, [n_reference, n_given]
    latent : ndarray of float, [n_reference, n_latent]
    known : ndarray of bool, [n_reference, n_queries]
        Where target, query, and all of given and latent are known.
    """

    target: Floats
    queries: Floats
    given: Floats
    latent: Floats
    known: Mask

    def patterns(self) -> Iterator[tuple[Integers, Mask]]:
        """Queries with nulls in the same galaxies, and the galaxies [n_reference] that they all know.

        Nulls drop out pair by pair (paper): a query's unknown values cost the other queries nothing. What depends
        on the galaxies alone is computed once for each pattern.
        """
        _, first, pattern = np.unique(np.packbits(self.known, axis=0), axis=1, return_index=True, return_inverse=True)
        for number, example in enumerate(first):
            yield np.flatnonzero(pattern.ravel() == number), self.known[:, example]


def check_columns(target: ArrayLike, query: ArrayLike, given: ArrayLike | None, latent: ArrayLike | None) -> Columns:
    """Check the lengths of columns, find their nulls and centre them, for precision.

    Raises
    ------
    ValueError
        If a column is not of numbers, or not one value (or row) per value of the target.
    """
    m = _numeric(target, "target")
    if m.ndim != 1:
        raise ValueError(f"target: found shape {m.shape}, expected one value per reference galaxy")
    q, c, s = (_matrix(*pair, m.size) for pair in ((query, "query"), (given, "given"), (latent, "latent")))
    rows = np.isfinite(m) & np.isfinite(c).all(axis=1) & np.isfinite(s).all(axis=1)
    known = rows[:, None] & np.isfinite(q)
    queries = np.zeros_like(q)
    for j in range(q.shape[1]):
        queries[:, j] = _centred(q[:, j], known[:, j])
    return Columns(_centred(m, rows), queries, _centred(c, rows), _centred(s, rows), known)


def check_index(index: ArrayLike, n_reference: int) -> Integers:
    """Check neighbours: rows of the reference, [n_query, k].

    Raises
    ------
    ValueError
        If it is no matrix of integers from 0 to ``n_reference - 1``.
    """
    rows = np.asarray(index)
    if rows.ndim != 2 or rows.size == 0 or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(
            f"index: found shape {rows.shape} of {rows.dtype}, expected integers of shape (galaxies, neighbours)"
        )
    if rows.min() < 0 or rows.max() >= n_reference:
        raise ValueError(
            f"index: found rows {rows.min()} to {rows.max()}, expected 0 to {n_reference - 1}, the rows of target"
        )
    return rows.astype(np.intp, copy=False)


def check_count(value: int, name: str, least: int) -> None:
    """Raise a ValueError if a number of replicates is no whole number or too small."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{name}: found {value!r}, expected a whole number, at least {least}")


def _centred(values: Floats, known: Mask) -> Floats:
    filled = np.zeros_like(values)
    if known.any():
        filled[known] = values[known] - values[known].mean(axis=0)
    return filled


def _matrix(values: ArrayLike | None, name: str, n: int) -> Floats:
    if values is None:
        return np.empty((n, 0))
    array = _numeric(values, name)
    if array.ndim not in (1, 2) or len(array) != n or array.size == 0:
        raise ValueError(
            f"{name}: found shape {array.shape}, expected ({n},) or ({n}, columns), a row for each value of target"
        )
    return array[:, None] if array.ndim == 1 else array


def _numeric(values: ArrayLike, name: str) -> Floats:
    try:
        if isinstance(values, pd.DataFrame | pd.Series):
            return values.to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: found what is no number, expected floats (NaN for unknown)") from None
