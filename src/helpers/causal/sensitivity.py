"""How strong an unobserved common cause would have to be to explain a conclusion away (Cinelli and Hazlett 2020)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from ..checks import is_number, is_whole
from .columns import complete_rows
from .reference import Floats

__all__ = ["Sensitivity", "adjusted_estimate", "confounder_bound", "robustness_value", "sensitivity_analysis"]


def robustness_value(
    partial_r2: ArrayLike, *, q: float = 1.0, degrees_of_freedom: int | None = None, alpha: float = 0.05
) -> Floats:
    """Strength of an unobserved common cause that would explain a share `q` of a dependence away.

    The strength is the same share of the remaining variance of both: a common cause that explains more than the
    robustness value of what the controls leave of the query, *and* of what controls and query leave of the target,
    could account for the dependence; one that explains less of both could not. With ``f = q sqrt(R2 / (1 - R2))`` it is
    ``(sqrt(f^4 + 4 f^2) - f^2) / 2`` (Cinelli and Hazlett 2020). Given `degrees_of_freedom`, it is the strength that
    would make the rest no longer significant: f is lowered by ``c``, the critical t over the root of them, less one.
    Where ``f c > 1``, which takes very few of them, the worst cause explains less of the target than it may, since what
    it explains also shrinks the error; the value is then ``(f^2 - c^2) / (1 + f^2)``.

    A mean adjusted predictive efficiency of a local test is such a share as well. That it comes from a quadratic in the
    query, and is a mean over neighbourhoods, makes the value one for a typical neighbourhood.

    Parameters
    ----------
    partial_r2 : array-like
        Share of the target's remaining variance that the query explains, below 1; negative estimates count as 0.
    q : float, default 1
        Share of the dependence to be explained away.
    degrees_of_freedom : int, optional
        Of the residual of the regression; default: sampling error is not counted.
    alpha : float, default 0.05
        Level of the two-sided test; without effect unless `degrees_of_freedom` is given.

    Returns
    -------
    ndarray
        From 0, where nothing is needed, to below 1, in the shape of `partial_r2`; NaN stays NaN.

    Raises
    ------
    ValueError
        If a share is 1 or more, or an option is out of range.

    Examples
    --------
    >>> robustness_value(0.25).round(3).item()
    0.434
    """
    share = np.asarray(partial_r2, dtype=np.float64)
    if (share >= 1).any():
        raise ValueError(f"partial_r2: found {np.nanmax(share):g}, expected shares below 1")
    if not is_number(q) or q <= 0:
        raise ValueError(f"q: found {q!r}, expected a positive number")
    if not is_number(alpha) or not 0 < alpha < 1:
        raise ValueError(f"alpha: found {alpha!r}, expected a number between 0 and 1")
    share = np.maximum(share, 0.0)
    f = q * np.sqrt(share / (1 - share))
    if degrees_of_freedom is not None:
        if not is_whole(degrees_of_freedom) or degrees_of_freedom < 2:
            raise ValueError(f"degrees_of_freedom: found {degrees_of_freedom!r}, expected a whole number from 2")
        left = degrees_of_freedom - 1
        critical = student.isf(alpha / 2, left) / np.sqrt(left)
        few = (f**2 - critical**2) / (1 + f**2)
        return np.where(f * critical > 1, np.maximum(few, 0.0), _equal_strength(np.maximum(f - critical, 0.0)))
    return _equal_strength(f)


def _equal_strength(f: Floats) -> Floats:
    """Share r of both query and target with ``r / sqrt(1 - r) = f``."""
    strength: Floats = 0.5 * (np.sqrt(f**4 + 4 * f**2) - f**2)
    return strength


def adjusted_estimate(
    estimate: float, standard_error: float, degrees_of_freedom: int, query_r2: float, target_r2: float
) -> tuple[float, float]:
    """Coefficient and standard error that a regression would have had with an unobserved common cause in it.

    ``bias = standard_error sqrt(dof query_r2 target_r2 / (1 - query_r2))``, taken towards zero, and ``error =
    standard_error sqrt((1 - target_r2) / (1 - query_r2) dof / (dof - 1))`` (Cinelli and Hazlett
    2020). Both are algebra of least squares, exact in every sample.

    Parameters
    ----------
    estimate : float
        Coefficient of the query in the regression of the target on query and controls.
    standard_error : float
        Its standard error.
    degrees_of_freedom : int
        Of that regression's residual.
    query_r2 : float
        Share of what the controls leave of the query that the common cause explains, below 1.
    target_r2 : float
        Share of what controls and query leave of the target that it explains.

    Returns
    -------
    estimate, standard_error : float
        After such a common cause, at its worst.

    Raises
    ------
    ValueError
        If a share is out of range or the degrees of freedom are fewer than 2.
    """
    if not 0 <= query_r2 < 1 or not 0 <= target_r2 <= 1:
        raise ValueError(f"query_r2, target_r2: found {query_r2}, {target_r2}, expected shares, the first below 1")
    if not is_whole(degrees_of_freedom) or degrees_of_freedom < 2:
        raise ValueError(f"degrees_of_freedom: found {degrees_of_freedom!r}, expected a whole number from 2")
    bias = standard_error * np.sqrt(degrees_of_freedom * target_r2 * query_r2 / (1 - query_r2))
    inflation = (1 - target_r2) / (1 - query_r2) * degrees_of_freedom / (degrees_of_freedom - 1)
    return float(estimate - np.sign(estimate) * bias), float(standard_error * np.sqrt(inflation))


def confounder_bound(
    benchmark_query_r2: float, benchmark_target_r2: float, *, times: float = 1.0
) -> tuple[float, float]:
    """Largest shares that a common cause explains if it is `times` as strong as an observed control.

    As strong means: of what the *other* controls leave, it explains `times` the variance of the query, and given the
    query `times` the variance of the target, that the benchmark explains; it is supposed uncorrelated with the controls
    (Cinelli and Hazlett 2020).

    Parameters
    ----------
    benchmark_query_r2 : float
        Share of the query's variance left by the other controls that the benchmark explains, below 1.
    benchmark_target_r2 : float
        Share of the target's variance left by the other controls and the query that it explains, below 1.
    times : float, default 1
        Positive.

    Returns
    -------
    query_r2, target_r2 : float
        As `adjusted_estimate` takes them. The second is a bound, at most 1.

    Raises
    ------
    ValueError
        If a share is out of range, or a cause so strong would explain all of the query.
    """
    if not 0 <= benchmark_query_r2 < 1 or not 0 <= benchmark_target_r2 < 1:
        raise ValueError(
            f"benchmark_query_r2, benchmark_target_r2: found {benchmark_query_r2}, {benchmark_target_r2}, "
            "expected shares below 1"
        )
    if not is_number(times) or times <= 0:
        raise ValueError(f"times: found {times!r}, expected a positive number")
    left = 1 - benchmark_query_r2
    query = times * benchmark_query_r2 / left
    if query >= 1 or times * benchmark_query_r2 >= 1:
        raise ValueError(
            f"times: found {times:g} at a share of {benchmark_query_r2:g}, which would explain all of the query; "
            "expected less"
        )
    # Share that cause and benchmark have in common once the query, which both move, is held fixed.
    common = times * benchmark_query_r2**2 / ((1 - times * benchmark_query_r2) * left)
    if common >= 1:
        return query, 1.0
    factor = (np.sqrt(times) + np.sqrt(common)) / np.sqrt(1 - common)
    return query, min(float(factor**2 * benchmark_target_r2 / (1 - benchmark_target_r2)), 1.0)


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """A regression coefficient, and what an unobserved common cause could make of it.

    Attributes
    ----------
    estimate, standard_error : float
        Of the query, in standard deviations of target per standard deviation of query.
    degrees_of_freedom : int
    partial_r2 : float
        Share of the target's variance left by the controls that the query explains.
    robustness : float
        Robustness value: the common strength that would bring the coefficient to zero.
    significant_robustness : float
        The strength that would make it no longer significant.
    bounds : DataFrame
        One row per benchmark and strength: ``benchmark``, ``times``, ``query_r2``, ``target_r2``, and ``estimate``,
        ``low``, ``high`` after such a common cause, at its worst; NaN where it cannot be that strong.
    """

    estimate: float
    standard_error: float
    degrees_of_freedom: int
    partial_r2: float
    robustness: float
    significant_robustness: float
    bounds: pd.DataFrame


def sensitivity_analysis(
    frame: pd.DataFrame,
    target: str,
    query: str,
    controls: Collection[str] = (),
    *,
    times: Sequence[float] = (1.0, 2.0, 3.0),
    ranks: bool = False,
    alpha: float = 0.05,
) -> Sensitivity:
    """Regress a target on a query and controls, and ask what an unobserved common cause could do to the result.

    Parameters
    ----------
    frame : DataFrame, [n_rows, n_columns]
        Rows with an unknown value in one of the columns used are dropped.
    target, query : str
    controls : collection of str, optional
        Columns held fixed; each serves as a benchmark.
    times : sequence of float, default (1, 2, 3)
        How many times as strong as a benchmark the common cause is taken to be.
    ranks : bool, default False
        Regress `normal_scores` instead of values, for monotone relations.
    alpha : float, default 0.05
        Level of the intervals.

    Returns
    -------
    Sensitivity

    Raises
    ------
    ValueError
        If a column is missing or named twice, or as `discover`.
    """
    names = [target, query, *controls]
    if len(set(names)) != len(names):
        raise ValueError(f"target, query, controls: found {names}, expected different columns")
    missing = [name for name in names if name not in frame]
    if missing:
        raise ValueError(f"frame: there is no column {missing[0]!r}")
    values = complete_rows(frame[names], ranks=ranks)
    fit = _coefficient(values[:, 0], values[:, 1], values[:, 2:])
    explained = _partial_r2(values[:, 0], values[:, 1], values[:, 2:])
    rows = []
    for i, benchmark in enumerate(controls):
        others = np.delete(values[:, 2:], i, axis=1)
        on_query = _partial_r2(values[:, 1], values[:, 2 + i], others)
        on_target = _partial_r2(values[:, 0], values[:, 2 + i], np.column_stack([values[:, 1], others]))
        for strength in times:
            rows.append(
                {"benchmark": benchmark, "times": strength, **_bounded(fit, on_query, on_target, strength, alpha)}
            )
    return Sensitivity(
        estimate=fit[0],
        standard_error=fit[1],
        degrees_of_freedom=fit[2],
        partial_r2=explained,
        robustness=float(robustness_value(explained)),
        significant_robustness=float(robustness_value(explained, degrees_of_freedom=fit[2], alpha=alpha)),
        bounds=pd.DataFrame(rows, columns=["benchmark", "times", "query_r2", "target_r2", "estimate", "low", "high"]),
    )


def _bounded(
    fit: tuple[float, float, int], on_query: float, on_target: float, strength: float, alpha: float
) -> dict[str, float]:
    try:
        query_r2, target_r2 = confounder_bound(on_query, on_target, times=strength)
    except ValueError:
        return dict.fromkeys(("query_r2", "target_r2", "estimate", "low", "high"), float("nan"))
    estimate, error = adjusted_estimate(*fit, query_r2, target_r2)
    reach = float(student.isf(alpha / 2, fit[2] - 1)) * error
    return {
        "query_r2": query_r2,
        "target_r2": target_r2,
        "estimate": estimate,
        "low": estimate - reach,
        "high": estimate + reach,
    }


def _residual(y: Floats, controls: Floats) -> Floats:
    design = np.column_stack([np.ones(len(y)), controls])
    rest: Floats = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return rest


def _coefficient(target: Floats, query: Floats, controls: Floats) -> tuple[float, float, int]:
    """Coefficient of the query, its standard error and the degrees of freedom of the residual."""
    y, x = _residual(target, controls), _residual(query, controls)
    estimate = float(x @ y / (x @ x))
    rest = y - estimate * x
    left = len(y) - controls.shape[1] - 2
    return estimate, float(np.sqrt(rest @ rest / left / (x @ x))), left


def _partial_r2(target: Floats, query: Floats, controls: Floats) -> float:
    y, x = _residual(target, controls), _residual(query, controls)
    return float((x @ y) ** 2 / ((x @ x) * (y @ y)))
