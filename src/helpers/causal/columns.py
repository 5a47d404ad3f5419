"""Tables of measurements before a search for causal graphs: what is refused, prepared, and nearly a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

__all__ = [
    "SCALES",
    "complete_rows",
    "degeneracy",
    "determinism",
    "fewest_rows",
    "normal_scores",
    "rescaled",
    "scores_of_ranks",
    "standardised",
]

# A correlation so near to 1 makes a partial correlation rounding error.
_COLLINEAR = 1.0 - 1e-9
# Rows beyond the number of columns that a correlation matrix needs to be more than noise.
_SPARE_ROWS = 10


def normal_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Replace each column by the normal quantiles of its ranks (van der Waerden 1952).

    The result does not depend on monotone transformations of single columns, such as logarithms. Variables that are
    jointly normal after some such transformation (a Gaussian copula) have linear relations afterwards, whatever their
    distributions before. Ties share their mean rank; unknown values stay unknown.

    Parameters
    ----------
    frame : DataFrame, [n_rows, n_variables]
        Numeric columns.

    Returns
    -------
    DataFrame, [n_rows, n_variables]

    Raises
    ------
    ValueError
        If `frame` is no DataFrame, or a column is not of real numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> normal_scores(pd.DataFrame({"a": [1.0, 10.0, 100.0]}))["a"].round(3).tolist()
    [-0.674, 0.0, 0.674]
    """
    values, names = _numbers(frame)
    return pd.DataFrame(scores_of_ranks(values), columns=names, index=frame.index)


def scores_of_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal quantiles of ranks along the first axis, of one column [n] or several [n, n_columns]; NaN stays NaN."""
    ranks = rankdata(values, axis=0, nan_policy="omit")
    scores: NDArray[np.float64] = norm.ppf(ranks / (np.isfinite(values).sum(axis=0) + 1))
    return scores


def _logit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(values / (1 - values))


def _cosine(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cos(np.radians(values))


# By name: the function, where it is defined, and what it takes.
SCALES: Mapping[str, tuple[Callable[..., NDArray[np.float64]], tuple[float, float], str]] = {
    "log": (np.log10, (0.0, np.inf), "positive values"),
    "logit": (_logit, (0.0, 1.0), "values between 0 and 1"),
    "cosine": (_cosine, (-np.inf, np.inf), "degrees"),
}


def rescaled(frame: pd.DataFrame, scales: Mapping[str, str]) -> pd.DataFrame:
    """Put columns on scales on which their relations are straight lines (ours).

    A linear test, or a linear score, sees a relation as the scale draws it: a power law is a line between logarithms.
    Which scale a column wants is knowledge of the matter, and is told here column by column. Where there is none,
    `normal_scores` asks for less, and bends what was straight.

    Parameters
    ----------
    frame : DataFrame, [n_rows, n_variables]
        Numeric columns.
    scales : mapping of str to str
        From a column to "log" (to base 10), "logit" (of a share) or "cosine" (of degrees). Other columns stay.

    Returns
    -------
    DataFrame, [n_rows, n_variables]

    Raises
    ------
    ValueError
        If a column or scale is unknown, or a value is not on its scale.
    """
    changed = {}
    for name, scale in scales.items():
        if name not in frame:
            raise ValueError(f"scales: found {name!r}, expected columns of the frame: {list(frame)}")
        if scale not in SCALES:
            raise ValueError(f"scales: found {scale!r} for {name!r}, expected one of {list(SCALES)}")
        function, (low, high), expected = SCALES[scale]
        values = frame[name].to_numpy(dtype=float)
        outside = ~np.isnan(values) & ~((values > low) & (values < high))
        if outside.any():
            raise ValueError(f"frame: column {name!r} holds {values[outside][0]:g}, expected {expected} for {scale!r}")
        changed[name] = function(values)
    return frame.assign(**changed)


def determinism(frame: pd.DataFrame, *, near: float = 0.95) -> pd.DataFrame:
    """Say how nearly each column is a function of all the others (ours).

    A column that follows from others leaves them independent of everything given it, whatever the arrows: this is not
    faithful to the graph, and constraint-based searches go wrong around it (Spirtes, Glymour and Scheines
    2000). Colours beside both magnitudes, ratios beside both parts, and angular sizes beside size and distance are such
    columns. The share is that of a linear regression of normal scores, so that products and powers count as well.

    Parameters
    ----------
    frame : DataFrame, [n_rows, n_variables]
        Numeric columns. Rows with an unknown value are dropped.
    near : float, default 0.95
        From which share on a column is called a near function.

    Returns
    -------
    DataFrame
        One row per column, the largest share first: ``column``, ``r_squared`` and ``near_function``.

    Raises
    ------
    ValueError
        If `frame` is no DataFrame with at least two columns of real numbers that vary, complete rows are too few, or
        ``near`` is not between 0 and 1.
    """
    if not 0 < near <= 1:
        raise ValueError(f"near: found {near!r}, expected a share above 0 and at most 1")
    values, names = _known_rows(frame)
    _refuse_constant(values, names)
    scores = standardised(scores_of_ranks(values))
    shares = []
    for i in range(len(names)):
        others = np.delete(scores, i, axis=1)
        rest = scores[:, i] - others @ np.linalg.lstsq(others, scores[:, i], rcond=None)[0]
        shares.append(1.0 - float(rest @ rest) / len(rest))
    table = pd.DataFrame({"column": names, "r_squared": shares})
    table["near_function"] = table["r_squared"] >= near
    return table.sort_values("r_squared", ascending=False, ignore_index=True)


def complete_rows(frame: pd.DataFrame, *, ranks: bool = False) -> NDArray[np.float64]:
    """Rows without unknown values, as normal scores if asked for, centred and scaled, after all checks."""
    values, names = _known_rows(frame)
    fault = degeneracy(values, names)
    if ranks and not fault:
        values = scores_of_ranks(values)
        fault = degeneracy(values, names)
    if fault:
        raise ValueError(f"frame: {fault}")
    return standardised(values)


def standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Columns centred on their mean and divided by their standard deviation."""
    return (values - values.mean(axis=0)) / values.std(axis=0)


def fewest_rows(n_columns: int) -> int:
    """Fewest complete rows of which a search of so many columns makes anything."""
    return n_columns + _SPARE_ROWS


def degeneracy(values: NDArray[np.float64], names: list[str]) -> str:
    """Say which columns are constant or collinear, and what was expected; empty where none is."""
    constant = _constant(values, names)
    if constant:
        return f"columns {constant} are constant, expected columns that vary"
    correlation = np.atleast_2d(np.corrcoef(standardised(values), rowvar=False))
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            if abs(correlation[i, j]) > _COLLINEAR:
                return f"columns {a!r} and {names[j]!r} are collinear, expected only one of them"
    eigenvalues, vectors = np.linalg.eigh(correlation)
    if eigenvalues[0] < 1.0 - _COLLINEAR:
        involved = [name for name, part in zip(names, np.abs(vectors[:, 0]), strict=True) if part > 0.01]
        return f"columns {involved} are collinear as a group, expected one of them left out"
    return ""


def _constant(values: NDArray[np.float64], names: list[str]) -> list[str]:
    flat = values.std(axis=0) <= 1e-12 * np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    return [name for name, is_flat in zip(names, flat, strict=True) if is_flat]


def _refuse_constant(values: NDArray[np.float64], names: list[str]) -> None:
    constant = _constant(values, names)
    if constant:
        raise ValueError(f"frame: columns {constant} are constant, expected columns that vary")


def _known_rows(frame: pd.DataFrame) -> tuple[NDArray[np.float64], list[str]]:
    values, names = _numbers(frame)
    if len(names) < 2:
        raise ValueError(f"frame: found columns {names}, expected at least two different names")
    values = values[np.isfinite(values).all(axis=1)]
    least = fewest_rows(len(names))
    if len(values) < least:
        raise ValueError(
            f"frame: found {len(values)} rows without nulls of {len(frame)}, expected at least {least} "
            f"for {len(names)} columns"
        )
    return values, names


def _numbers(frame: pd.DataFrame) -> tuple[NDArray[np.float64], list[str]]:
    """Values of a table, infinite ones unknown, and its names, after a look at both."""
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame: found {type(frame).__name__}, expected a DataFrame with one column per variable")
    names = list(frame.columns)
    if len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"frame: found columns {names}, expected at least two different names")
    wrong = [
        name
        for name in names
        if not pd.api.types.is_numeric_dtype(frame[name].dtype) or pd.api.types.is_complex_dtype(frame[name].dtype)
    ]
    if wrong:
        raise ValueError(
            f"frame: columns {wrong} are not numeric, of type {frame[wrong[0]].dtype}, "
            "expected real numbers (NaN for unknown)"
        )
    values = frame.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan), names
