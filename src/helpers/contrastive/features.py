"""From catalogue columns to the numbers a network reads."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..inputs import ResolvedInput

__all__ = ["Features", "Scaling", "column_values", "fit_scaling", "scale_features", "refuse_empty_columns"]

UNFLAGGED = 0.01  # share of nulls without a flag that passes without a warning


@dataclass(frozen=True)
class Features:
    """Network inputs of a set of galaxies.

    Attributes
    ----------
    main : float32 array [n_galaxies, n_main]
        Scaled; nulls are 0, the training mean. Without columns where images are main.
    extra : float32 array [n_galaxies, n_extra]
        Scaled, then one missing flag (0 or 1) for each column that had nulls in training.
    present : float32 array [n_galaxies, n_main]
        1 where the main value was measured: the mask of the reconstruction error.
    """

    main: np.ndarray
    extra: np.ndarray
    present: np.ndarray


@dataclass(frozen=True)
class Scaling:
    """How an input is scaled, fitted on the training split alone.

    Attributes
    ----------
    columns : tuple of str
        Main columns, then extra.
    n_main : int
    logarithmic : tuple of str
        Columns whose logarithm is scaled: errors, because a failed measurement's is thousands of times the median.
    mean, deviation : tuple of float
        Of each column, after the logarithm.
    flagged : tuple of str
        Columns that get a missing flag.
    """

    columns: tuple[str, ...]
    n_main: int
    logarithmic: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    flagged: tuple[str, ...]

    @property
    def n_extra(self) -> int:
        """Number of extra inputs, missing flags included."""
        return len(self.columns) - self.n_main + len(self.flagged)


def fit_scaling(resolved: ResolvedInput, catalog: pd.DataFrame, *, standardise: bool = True) -> Scaling:
    """Fit the scaling of an input (ours; the paper neither standardises nor handles nulls).

    Parameters
    ----------
    resolved : ResolvedInput
    catalog : DataFrame
        The training split.
    standardise : bool, default True
        False keeps values as they are, as published; then nulls are refused.

    Raises
    ------
    ValueError
        If a column is null everywhere in training, a main one that is no error has the same value for all training
        galaxies, an error is not positive, or there are nulls and `standardise` is False.
    """
    logarithmic = resolved.errors if standardise else ()
    values = _values(resolved.columns, logarithmic, catalog)
    null = np.isnan(values)
    for name, column in zip(resolved.columns, null.T, strict=True):
        if column.all():
            raise ValueError(f"column {name!r} is null for all {len(catalog)} training galaxies, expected some values")
        if column.any() and not standardise:
            raise ValueError(
                f"column {name!r} has {int(column.sum())} nulls, which inputs without standardisation cannot hold"
            )
    deviation = np.nanstd(values, axis=0)
    mean = np.nanmean(values, axis=0)
    constant = deviation < 1e-12 * np.maximum(1, np.abs(mean))
    # A constant extra column, or error, is no harm: a mock may have one reddening. What a model is about may not be.
    for i, name in enumerate(resolved.main):
        if constant[i] and name not in resolved.errors:
            raise ValueError(
                f"column {name!r} has the one value {mean[i]:g} for all {len(catalog)} training galaxies, "
                "expected values that differ"
            )
    if not standardise:
        return Scaling(resolved.columns, len(resolved.main), (), (0.0,) * values.shape[1], (1.0,) * values.shape[1], ())
    deviation[constant] = 1.0
    flagged = tuple(name for name, column in zip(resolved.columns, null.T, strict=True) if column.any())
    return Scaling(
        resolved.columns, len(resolved.main), logarithmic, tuple(mean.tolist()), tuple(deviation.tolist()), flagged
    )


def scale_features(scaling: Scaling, catalog: pd.DataFrame) -> Features:
    """Apply a scaling.

    A null becomes the training mean, and raises its flag. A null in a column that had none in training has no flag to
    raise: where such nulls are more than `UNFLAGGED` of a column, a warning counts them.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    missing = [name for name in scaling.columns if name not in catalog.columns]
    if missing:
        raise ValueError(f"catalog: columns {', '.join(missing)} are missing, which the model was trained on")
    values = (_values(scaling.columns, scaling.logarithmic, catalog) - np.array(scaling.mean)) / np.array(
        scaling.deviation
    )
    null = np.isnan(values)
    unflagged = {
        name: int(column.sum())
        for name, column in zip(scaling.columns, null.T, strict=True)
        if name not in scaling.flagged and column.mean() > UNFLAGGED
    }
    if unflagged:
        counts = ", ".join(f"{name} ({count})" for name, count in unflagged.items())
        warnings.warn(
            f"nulls in columns that had none in training are taken as the training mean: {counts}", stacklevel=2
        )
    values[null] = 0.0
    flags = null[:, [scaling.columns.index(name) for name in scaling.flagged]]
    n_main = scaling.n_main
    return Features(
        values[:, :n_main].astype(np.float32),
        np.concatenate([values[:, n_main:], flags], axis=1).astype(np.float32),
        (~null[:, :n_main]).astype(np.float32),
    )


def refuse_empty_columns(scaling: Scaling, catalog: pd.DataFrame) -> None:
    """Refuse a column that is null for all of several galaxies and has no flag to say so.

    Raises
    ------
    ValueError
        Naming the column.
    """
    for name in scaling.columns:
        if len(catalog) > 1 and name in catalog.columns and name not in scaling.flagged and catalog[name].isna().all():
            raise ValueError(
                f"column {name!r} is null for all {len(catalog)} galaxies, expected values: it had no nulls in training"
            )


def column_values(catalog: pd.DataFrame, name: str) -> np.ndarray:
    """Values of a column, float64 [n_galaxies], nulls as NaN.

    Raises
    ------
    ValueError
        If the column does not hold real numbers.
    """
    dtype = catalog[name].dtype
    if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
        raise ValueError(f"column {name!r}: found values of type {dtype}, expected real numbers")
    return catalog[name].to_numpy(dtype=np.float64, na_value=np.nan)


def _values(columns: tuple[str, ...], logarithmic: tuple[str, ...], catalog: pd.DataFrame) -> np.ndarray:
    """Columns as float64, because a magnitude's mean must not lose digits before it is subtracted."""
    values = np.empty((len(catalog), len(columns)))
    for i, name in enumerate(columns):
        values[:, i] = column_values(catalog, name)
        if name in logarithmic:
            if (values[:, i] <= 0).any():
                raise ValueError(
                    f"column {name!r}: found an error of {np.nanmin(values[:, i]):g}, expected positive values"
                )
            values[:, i] = np.log10(values[:, i])
    return values
