"""The same question under other definitions of redundancy, on binned summaries (ours).

Definitions are published for small tables. Two learned summaries and the mass itself are binned at their quantiles;
what is lost by binning is the same for every definition.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .decomposition import QUANTITIES, Decomposition, decompose
from .definitions import DEFINITIONS, definition_quantities

__all__ = [
    "PARTS",
    "bin_numbers",
    "bins_of_three",
    "binned_decomposition",
    "binned_information",
    "check_definitions",
    "compare_definitions",
    "joint_distribution",
    "quantile_bins",
]

TO_NATS = np.log(2)  # dit works in bits
# The components: column of a table, quantity, and node of the lattice in dit.
PARTS = {"redundancy": "R", "unique_1": "U1", "unique_2": "U2", "synergy": "Syn"}
NODES = (((0,), (1,)), ((0,),), ((1,),), ((0, 1),))


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
    definitions: Sequence[str] = tuple(DEFINITIONS),
    library: str = "ours",
) -> pd.DataFrame:
    """Decompose binned summaries under several published definitions.

    Plug-in values: see `binned_components` for their bias and their intervals.

    Parameters
    ----------
    x1, x2, target : array [n_galaxies] or [n_galaxies, n_summaries]
        Real numbers are binned at their quantiles; whole numbers are bins already.
    n_bins : int, default 3
        Of each summary and of the target.
    definitions : sequence of str
        Among the keys of `DEFINITIONS`.
    library : {"ours", "dit"}
        Who computes. Both give the same, BROJA to 0.0002 nats; dit takes from a tenth of a second to tens of seconds
        for each definition at 3 and 4 bins, and longer beyond.

    Returns
    -------
    DataFrame
        Rows: "pointwise" (this book's, from the paper), then the other `definitions`; columns redundancy, unique_1,
        unique_2, synergy, in nats.

    Raises
    ------
    ValueError
        If a definition or the library is unknown, lengths differ or a value is not finite.
    """
    names = list(dict.fromkeys(("pointwise", *check_definitions(definitions))))
    if library not in ("ours", "dit"):
        raise ValueError(f"library: found {library!r}, expected 'ours' or 'dit'")
    codes = bins_of_three(x1, x2, target, n_bins)
    probability = np.zeros(codes.max(axis=1) + 1)
    np.add.at(probability, tuple(codes), 1 / codes.shape[1])
    distribution = joint_distribution(*codes) if library == "dit" else None
    rows = {}
    for name in names:
        if distribution is None or not DEFINITIONS[name].dit:
            values = definition_quantities(probability, name)
            rows[name] = [float(values[QUANTITIES.index(quantity)]) for quantity in PARTS.values()]
        else:
            measure = getattr(importlib.import_module("dit.pid"), DEFINITIONS[name].dit)
            lattice = measure(distribution, **DEFINITIONS[name].dit_options)
            rows[name] = [float(lattice.get_pi(node)) * TO_NATS for node in NODES]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(PARTS))


def check_definitions(definitions: Sequence[str]) -> tuple[str, ...]:
    """Names of definitions, each once, in the order given.

    Raises
    ------
    ValueError
        If a name is no key of `DEFINITIONS`.
    """
    unknown = [name for name in definitions if name not in DEFINITIONS]
    if unknown:
        raise ValueError(f"definitions: found {unknown[0]!r}, expected names among {', '.join(DEFINITIONS)}")
    return tuple(dict.fromkeys(definitions))


def bin_numbers(values: ArrayLike, n_bins: int, name: str = "values") -> np.ndarray:
    """Numbers, from 0, of the cells of one or several summaries.

    Parameters
    ----------
    values : array [n_galaxies] or [n_galaxies, n_summaries]
        Whole numbers are bins already; others are binned by `quantile_bins`, each summary by itself.
    n_bins : int
    name : str
        For messages.

    Returns
    -------
    int64 array [n_galaxies]
        Of the cells that hold a galaxy.

    Raises
    ------
    ValueError
        As `quantile_bins`, or if the array has another shape.
    """
    array = np.asarray(values)
    if np.issubdtype(array.dtype, np.integer):
        return _codes(array, name)
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(f"{name}: found shape {array.shape}, expected one value per galaxy, or a row of them")
    return _codes(np.stack([quantile_bins(column, n_bins) for column in np.atleast_2d(array.T)], axis=1), name)


def bins_of_three(x1: ArrayLike, x2: ArrayLike, target: ArrayLike, n_bins: int) -> np.ndarray:
    """Numbers of the cells of two sources and the target, int64 [3, n_galaxies].

    Raises
    ------
    ValueError
        As `bin_numbers`, or if lengths differ.
    """
    codes = {name: bin_numbers(own, n_bins, name) for name, own in (("x1", x1), ("x2", x2), ("target", target))}
    _same_length(**codes)
    return np.stack(list(codes.values()))
