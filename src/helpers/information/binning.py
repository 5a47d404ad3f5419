"""Components under several definitions, with the bias of binning and intervals (ours)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..checks import check_count
from .components import Components
from .decomposition import QUANTITIES
from .definitions import DEFINITIONS, definition_quantities
from .intervals import bootstrap_means
from .measures import bins_of_three, check_definitions

__all__ = ["binned_components", "binning_effect"]

N_SPLITS = 10  # random halvings and quarterings
FEWEST = 8  # galaxies, of which a quarter are two
MOST_CELLS = 50_000
FAST = ("pointwise", "WB", "MMI", "SX", "IG", "Do")


def binned_components(
    x1: ArrayLike,
    x2: ArrayLike,
    target: ArrayLike,
    *,
    n_bins: int = 3,
    definitions: Sequence[str] = tuple(DEFINITIONS),
    bootstrap: int = 200,
    seed: int = 0,
) -> dict[str, Components]:
    """Decompose binned summaries under several published definitions, with intervals.

    The plug-in values of small samples are too high, synergy most of all, because cells are empty by chance. The
    estimate is extrapolated to infinitely many galaxies from all, halves and quarters of them, with terms in 1/n and
    1/n^2 (Strong et al. 1998). Seen on three Gaussian cases of 1,800 galaxies, means over 12 data sets: at 3 to 6 bins
    at most 0.015 nats of bias are left, and 0.04 at 8 and 12, where the plug-in synergy is too high by up to 0.45.
    With fewer galaxies than cells it fails. Where both sources tell the same of many galaxies, the pointwise
    redundancy stays too low by 0.01 to 0.02. Intervals are of the plug-in value, moved onto the estimate: in 60 data
    sets of one Gaussian pair at 3 to 6 bins they covered the truth 83 to 98% of the time, 92% on average. They are over
    galaxies alone; `pooled_components` adds what summaries learned once more would change.

    Parameters
    ----------
    x1, x2, target : array [n_galaxies] or [n_galaxies, n_summaries]
        As in `compare_definitions`.
    n_bins : int, default 3
    definitions : sequence of str
        Among the keys of `DEFINITIONS`.
    bootstrap : int, default 200
        Draws of the galaxies, whose edges of bins stay.
    seed : int, default 0
        Of the draws and of the halves and quarters.

    Returns
    -------
    dict of str to Components
        By definition.

    Raises
    ------
    ValueError
        As `compare_definitions`; if there are fewer than 8 galaxies or more than 50,000 cells, or `bootstrap` is no
        whole number from 0.
    """
    names = check_definitions(definitions)
    check_count("bootstrap", bootstrap)
    codes = _codes(x1, x2, target, n_bins)
    shape = _shape(codes)
    cells = np.ravel_multi_index(tuple(codes), shape)
    tables = np.concatenate([_extrapolated_from(cells, shape, seed), _resampled(cells, shape, bootstrap, seed)])
    n_parts = 1 + 6 * N_SPLITS
    found = {}
    for name in names:
        values = definition_quantities(tables, name)
        draws, estimate = values[n_parts:], _extrapolate(values[:n_parts])
        if bootstrap:
            draws = draws - draws.mean(axis=0) + estimate
        found[name] = Components(
            pd.Series(estimate, index=list(QUANTITIES)), pd.DataFrame(draws, columns=list(QUANTITIES))
        )
    return found


def binning_effect(
    x1: ArrayLike,
    x2: ArrayLike,
    target: ArrayLike,
    *,
    n_bins: Sequence[int] = (2, 3, 4, 6, 8),
    definitions: Sequence[str] = FAST,
    bootstrap: int = 100,
    n_permutations: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """Components against the number of bins, under definitions that are fast with many.

    Parameters
    ----------
    x1, x2, target : float array [n_galaxies] or [n_galaxies, n_summaries]
    n_bins : sequence of int
    definitions : sequence of str
        Among the keys of `DEFINITIONS`. BROJA, CCS and dep are iterative: with them and 12 bins it takes minutes.
    bootstrap, seed
        As in `binned_components`.
    n_permutations : int, default 5
        Of the target between galaxies.

    Returns
    -------
    DataFrame
        Columns ``n_bins``, ``definition``, ``quantity``; ``plugin``, the value of the table as it is; ``mean``,
        extrapolated to infinitely many galaxies as in `binned_components`, ``low`` and ``high``, its 95% interval;
        ``null``, the plug-in value when the target is exchanged between galaxies, for the informations about the
        most that the bias may be; ``galaxies_per_cell``, below 1 of which no value is to be believed. Nats.

    Raises
    ------
    ValueError
        As `binned_components`; if values are whole numbers, which are bins already, or there is no number of bins.
    """
    names = check_definitions(definitions)
    check_count("n_permutations", n_permutations)
    for name, values in (("x1", x1), ("x2", x2), ("target", target)):
        if np.issubdtype(np.asarray(values).dtype, np.integer):
            raise ValueError(f"{name}: found whole numbers, which count as bins already, expected real numbers")
    if not len(n_bins):
        raise ValueError("n_bins: found none, expected at least one number of bins")
    blocks = []
    for count in n_bins:
        codes = _codes(x1, x2, target, count)
        shape, n_galaxies = _shape(codes), codes.shape[1]
        found = binned_components(*codes, n_bins=count, definitions=names, bootstrap=bootstrap, seed=seed)
        rng = np.random.default_rng([seed, 13])
        exchanged = [rng.permutation(codes[2]) for _ in range(n_permutations)]
        cells = [np.ravel_multi_index((codes[0], codes[1], own), shape) for own in (codes[2], *exchanged)]
        tables = np.stack([_table(own, shape) for own in cells])
        for name in names:
            values = definition_quantities(tables, name)
            block = found[name].table().reset_index()
            block.insert(0, "definition", name)
            block.insert(0, "n_bins", count)
            block.insert(3, "plugin", values[0])
            null = values[1:].mean(axis=0) if n_permutations else np.full(len(QUANTITIES), np.nan)
            blocks.append(block.assign(null=null, galaxies_per_cell=n_galaxies / np.prod(shape)))
    return pd.concat(blocks, ignore_index=True)


def _codes(x1: ArrayLike, x2: ArrayLike, target: ArrayLike, n_bins: int) -> np.ndarray:
    """Bins of two sources and the target, int64 [3, n_galaxies]."""
    codes = bins_of_three(x1, x2, target, n_bins)
    if codes.shape[1] < FEWEST:
        raise ValueError(f"x1, x2, target: found {codes.shape[1]} galaxies, expected at least {FEWEST}")
    n_cells = int(np.prod(_shape(codes)))
    if n_cells > MOST_CELLS:
        raise ValueError(
            f"n_bins: found {n_bins}, which make {n_cells:,} cells for {codes.shape[1]:,} galaxies, "
            f"expected at most {MOST_CELLS:,}: give fewer bins or summaries"
        )
    return codes


def _shape(codes: np.ndarray) -> tuple[int, int, int]:
    first, second, third = (int(code.max()) + 1 for code in codes)
    return first, second, third


def _table(cells: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape) / cells.size


def _extrapolated_from(cells: np.ndarray, shape: tuple[int, int, int], seed: int) -> np.ndarray:
    """Tables of all galaxies, of random halves and of random quarters, in this order, [1 + 6 N_SPLITS, ...]."""
    rng = np.random.default_rng([seed, 12])
    orders = [rng.permutation(cells.size) for _ in range(N_SPLITS)]
    parts = [part for n_parts in (2, 4) for order in orders for part in np.array_split(order, n_parts)]
    return np.stack([_table(cells, shape), *(_table(cells[part], shape) for part in parts)])


def _extrapolate(values: np.ndarray) -> np.ndarray:
    """Value at infinitely many galaxies, of a second-order polynomial in 1/n through n, n/2 and n/4."""
    n_halves = 2 * N_SPLITS
    halves, quarters = values[1 : 1 + n_halves].mean(axis=0), values[1 + n_halves :].mean(axis=0)
    return (8 * values[0] - 6 * halves + quarters) / 3


def _resampled(cells: np.ndarray, shape: tuple[int, int, int], n_draws: int, seed: int) -> np.ndarray:
    """Tables of galaxies drawn with replacement, [n_draws, ...]; the same galaxies in every call with a seed."""
    occupied, place = np.unique(cells, return_inverse=True)
    member = np.zeros((cells.size, occupied.size))
    member[np.arange(cells.size), place] = 1.0
    tables = np.zeros((n_draws, int(np.prod(shape))))
    if n_draws:
        tables[:, occupied] = bootstrap_means(member, n_draws, seed)
    return tables.reshape(n_draws, *shape)
