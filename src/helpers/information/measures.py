"""The same question under other definitions of redundancy, on binned summaries (ours).

`dit` knows many published definitions, for small tables. Two learned summaries, such as mean predicted
masses, and the mass itself are binned at their quantiles; what is lost by binning is the same for every
definition.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .decomposition import Decomposition, decompose

__all__ = [
    "DEFINITIONS",
    "binned_decomposition",
    "binned_information",
    "compare_definitions",
    "joint_distribution",
    "quantile_bins",
]

# Name here: class in dit.pid, and its options. The "scipy" solver that dit 2.3 takes for BROJA by itself
# stops early on noisy tables, at redundancies as impossible as a negative one; "admui" reaches the optimum at
# 3 and 4 bins.
DEFINITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "WB": ("PID_WB", {}),
    "MMI": ("PID_MMI", {}),
    "CCS": ("PID_CCS", {}),
    "PM": ("PID_PM", {}),
    "BROJA": ("PID_BROJA", {"method": "admui"}),
    "dep": ("PID_dep", {}),
    "SX": ("PID_SX", {}),
    "IG": ("PID_IG", {}),
}
TO_NATS = np.log(2)  # dit works in bits


def quantile_bins(values: ArrayLike, n_bins: int) -> np.ndarray:
    """Bin numbers of values, at their quantiles.

    Parameters
    ----------
    values : array [n_galaxies]
    n_bins : int

    Returns
    -------
    int64 array [n_galaxies]
        From 0 to `n_bins` - 1, nearly as many in each; equal values share a bin.

    Raises
    ------
    ValueError
        If a value is not finite, `n_bins` is below 2, or there are fewer values than bins.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not np.isfinite(numbers).all():
        unusable = int((~np.isfinite(numbers)).sum())
        raise ValueError(
            f"values: found shape {numbers.shape}, {unusable} not finite, expected one finite value per galaxy"
        )
    if n_bins < 2 or numbers.size < n_bins:
        raise ValueError(f"n_bins: found {n_bins} for {numbers.size} values, expected from 2 to as many as values")
    edges = np.quantile(numbers, np.arange(1, n_bins) / n_bins)
    return np.searchsorted(edges, numbers, side="right").astype(np.int64)


def binned_information(x: ArrayLike, target: ArrayLike) -> float:
    """Plug-in mutual information of discrete variables, in nats.

    Parameters
    ----------
    x : int array [n_galaxies] or [n_galaxies, n_variables]
        With several variables, of all together.
    target : int array [n_galaxies]

    Raises
    ------
    ValueError
        If lengths differ or values are not whole numbers.
    """
    return float(_pointwise(_codes(x, "x"), _codes(target, "target")).mean())


def binned_decomposition(x1: ArrayLike, x2: ArrayLike, target: ArrayLike) -> Decomposition:
    """Pointwise decomposition of discrete variables, from their own table (paper's definition).

    Parameters
    ----------
    x1, x2, target : int array [n_galaxies]

    Returns
    -------
    Decomposition
        In nats; every galaxy counts as held out.

    Raises
    ------
    ValueError
        If lengths differ or values are not whole numbers.
    """
    first, second, mass = _codes(x1, "x1"), _codes(x2, "x2"), _codes(target, "target")
    _same_length(x1=first, x2=second, target=mass)
    both = np.unique(np.stack([first, second], axis=1), axis=0, return_inverse=True)[1].ravel()
    return decompose(_pointwise(first, mass), _pointwise(second, mass), _pointwise(both, mass))


def _pointwise(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Ln p(x, target) / p(x) p(target) of each galaxy, of codes that count from 0."""
    _same_length(x=x, target=target)
    table = np.zeros((x.max() + 1, target.max() + 1))
    np.add.at(table, (x, target), 1.0)
    joint = table[x, target] / x.size
    return np.log(joint) - np.log(table.sum(axis=1)[x] / x.size) - np.log(table.sum(axis=0)[target] / x.size)


def _codes(values: ArrayLike, name: str) -> np.ndarray:
    """Discrete values, or rows of several, as numbers from 0."""
    array = np.asarray(values)
    if array.ndim not in (1, 2) or array.size == 0 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            f"{name}: found shape {array.shape} of type {array.dtype}, expected bin numbers, one per galaxy"
        )
    return np.unique(array, axis=0, return_inverse=True)[1].ravel()


def _same_length(**arrays: np.ndarray) -> None:
    if len({array.size for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{array.size} in {name}" for name, array in arrays.items())
        raise ValueError(f"{', '.join(arrays)}: found {sizes}, expected one value per galaxy in each")


def joint_distribution(x1: ArrayLike, x2: ArrayLike, target: ArrayLike) -> Any:
    """Joint distribution of two binned summaries and the binned target.

    Parameters
    ----------
    x1, x2, target : int array [n_galaxies]
        Bin numbers, such as `quantile_bins` gives.

    Returns
    -------
    dit.Distribution
        Of three variables, in that order.

    Raises
    ------
    ValueError
        If lengths differ or values are not whole numbers.
    """
    import dit

    columns = {"x1": _codes(x1, "x1"), "x2": _codes(x2, "x2"), "target": _codes(target, "target")}
    _same_length(**columns)
    outcomes, counts = np.unique(np.stack(list(columns.values()), axis=1), axis=0, return_counts=True)
    probability = counts / counts.sum()
    return dit.Distribution([tuple(map(int, outcome)) for outcome in outcomes], probability.tolist())


def compare_definitions(
    x1: ArrayLike,
    x2: ArrayLike,
    target: ArrayLike,
    *,
    n_bins: int = 3,
    definitions: Sequence[str] = ("WB", "MMI", "BROJA", "CCS", "dep", "IG"),
) -> pd.DataFrame:
    """Decompose binned summaries under several published definitions, and under the pointwise one.

    Parameters
    ----------
    x1, x2, target : array [n_galaxies]
        Real numbers are binned at their quantiles; whole numbers are bins already.
    n_bins : int, default 3
        Time grows fast with it: BROJA takes 1 to 3 s at 3 and 6 to 10 s at 4; at 5 it may not converge.
    definitions : sequence of str
        Among the keys of `DEFINITIONS`.

    Returns
    -------
    DataFrame
        Rows: "pointwise" (this book's, from the paper), then `definitions`; columns redundancy, unique_1,
        unique_2, synergy, in nats.

    Raises
    ------
    ValueError
        If a definition is unknown, lengths differ or a value is not finite.
    """
    unknown = [name for name in definitions if name not in DEFINITIONS]
    if unknown:
        raise ValueError(f"definitions: found {unknown[0]!r}, expected names among {', '.join(DEFINITIONS)}")
    columns = [
        values if np.issubdtype(np.asarray(values).dtype, np.integer) else quantile_bins(values, n_bins)
        for values in (x1, x2, target)
    ]
    ours = binned_decomposition(*columns).mean(bootstrap=0)["mean"]
    rows = {"pointwise": ours[["R", "U1", "U2", "Syn"]].tolist()}
    distribution = joint_distribution(*columns)
    pid = importlib.import_module("dit.pid")
    for name in definitions:
        measure, options = DEFINITIONS[name]
        lattice = getattr(pid, measure)(distribution, **options)
        nodes = (((0,), (1,)), ((0,),), ((1,),), ((0, 1),))
        rows[name] = [float(lattice.get_pi(node)) * TO_NATS for node in nodes]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["redundancy", "unique_1", "unique_2", "synergy"])
