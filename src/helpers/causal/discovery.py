"""Causal graphs from a table of measurements, by causal-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.causal.graphs import _ENDS, CausalGraph
from helpers.checks import is_number, is_whole

__all__ = ["bootstrap_edges", "pc_graph"]

_TESTS = ("fisherz", "kci", "rcit", "fastkci")
# A correlation so near to 1 makes a partial correlation rounding error.
_COLLINEAR = 1.0 - 1e-9
# Draws of one resample, until no column in it is constant or follows from others.
_MOST_DRAWS = 100
_MARKS = {-1: "tail", 1: "arrow", 2: "circle"}
_KINDS = {ends: kind for kind, ends in _ENDS.items()}


def pc_graph(
    frame: pd.DataFrame,
    *,
    alpha: float = 0.01,
    test: str = "fisherz",
    tiers: Mapping[str, int] | None = None,
    seed: int = 0,
) -> CausalGraph:
    """Find a completed partially directed graph by the PC algorithm (Spirtes and Glymour; use ours).

    PC starts from all pairs joined, drops a pair when some set of its neighbours makes it independent, and
    directs edges where only one direction agrees with those independences. It supposes that no common cause
    is unobserved and that the sample was not selected by an effect.

    Parameters
    ----------
    frame : DataFrame, [n_rows, n_variables]
        Numeric columns, in any unit. Rows with an unknown value are dropped and counted in the metadata.
    alpha : float, default 0.01
        Level of each independence test, between 0 and 1.
    test : {"fisherz", "kci", "rcit", "fastkci"}, default "fisherz"
        Fisher's z for linear relations; kernel tests for any, far slower.
    tiers : mapping of str to int, optional
        Background knowledge: no arrow points from a later (higher) tier to an earlier one. Columns that are
        not named stay free.
    seed : int, default 0
        Seed of the tests that draw random features; without effect on "fisherz".

    Returns
    -------
    CausalGraph
        Directed, undirected and (from conflicting colliders) bidirected edges. Metadata: method, test, alpha,
        tiers, seed, n_rows, n_used.

    Raises
    ------
    ValueError
        If `frame` is no DataFrame or has fewer than two columns, a column is not of real numbers or is
        constant, columns are collinear, complete rows are too few, or an option is not allowed.
    """
    alpha = _checked_alpha(alpha)
    _check_test(test)
    values = _complete_rows(frame)
    tiers = _checked_tiers(tiers, list(frame.columns))
    return CausalGraph(
        nodes=tuple(frame.columns),
        edges=_pc_edges(values, list(frame.columns), alpha, test, tiers, seed),
        metadata={
            "method": "pc",
            "test": test,
            "alpha": alpha,
            "tiers": tiers,
            "seed": seed,
            "n_rows": len(frame),
            "n_used": len(values),
        },
    )


def bootstrap_edges(
    frame: pd.DataFrame,
    n_bootstrap: int = 50,
    *,
    alpha: float = 0.01,
    test: str = "fisherz",
    tiers: Mapping[str, int] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Count how often each edge of `pc_graph` returns when the complete rows are drawn with replacement (ours).

    Repeated rows make the tests a little too sure, so a frequency ranks edges and is no probability. A
    resample in which a rare value went missing, so that a column is constant or columns are collinear, is
    drawn again.

    Parameters
    ----------
    frame, alpha, test, tiers
        As in `pc_graph`.
    n_bootstrap : int, default 50
        Number of graphs, at least 1.
    seed : int, default 0
        Seed of the draws, and of the tests that draw random features.

    Returns
    -------
    DataFrame
        One row per pair of columns, in the order of the frame: ``a``, ``b``, ``any`` (share of graphs that
        join them), ``a_to_b`` and ``b_to_a`` (share with that arrow, and a tail at its start).

    Raises
    ------
    ValueError
        As `pc_graph`; if ``n_bootstrap`` is no whole number from 1; or if a column varies in so few rows that
        a hundred resamples on end are unusable.
    """
    if not is_whole(n_bootstrap) or n_bootstrap < 1:
        raise ValueError(f"n_bootstrap: found {n_bootstrap!r}, expected a whole number, at least 1")
    alpha = _checked_alpha(alpha)
    _check_test(test)
    complete = _complete_rows(frame)
    names = list(frame.columns)
    tiers = _checked_tiers(tiers, names)
    rng = np.random.default_rng(seed)
    graphs = []
    for _ in range(n_bootstrap):
        drawn, own_seed = _resample(complete, names, rng), int(rng.integers(2**31))
        graphs.append(CausalGraph(tuple(names), _pc_edges(drawn, names, alpha, test, tiers, own_seed)))
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return pd.DataFrame(
        {
            "a": [a for a, _ in pairs],
            "b": [b for _, b in pairs],
            "any": [np.mean([graph.has_edge(a, b) for graph in graphs]) for a, b in pairs],
            "a_to_b": [np.mean([graph.edge_kind(a, b) == "directed" for graph in graphs]) for a, b in pairs],
            "b_to_a": [np.mean([graph.edge_kind(b, a) == "directed" for graph in graphs]) for a, b in pairs],
        }
    )


def _resample(values: NDArray[np.float64], names: list[str], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw rows with replacement, centred and scaled, until every column varies and none follows from others."""
    fault = ""
    for _ in range(_MOST_DRAWS):
        drawn = values[rng.integers(len(values), size=len(values))]
        fault = _degeneracy(drawn, names)
        if not fault:
            return _standardised(drawn)
    raise ValueError(f"frame: in each of {_MOST_DRAWS} resamples {fault}; expected columns that vary in more rows")


def _pc_edges(
    values: NDArray[np.float64], names: list[str], alpha: float, test: str, tiers: dict[str, int], seed: int
) -> tuple[tuple[str, str, str], ...]:
    """Run causal-learn and read its matrix of edge ends: entry (i, j) is the end at i of the edge with j."""
    # Imported here: it brings a plotting stack along, which the local tests do not need.
    from causallearn.search.ConstraintBased.PC import pc

    options: dict[str, Any] = {"node_names": names, "show_progress": False}
    if tiers:
        options["background_knowledge"] = _background_knowledge(tiers)
    state = np.random.get_state()
    # The random-feature tests draw from numpy's global generator; it is put back as it was.
    np.random.seed(seed % 2**32)
    try:
        ends = pc(values, alpha=alpha, indep_test=test, **options).G.graph
    finally:
        np.random.set_state(state)
    edges = []
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            if ends[i, j] == 0 and ends[j, i] == 0:
                continue
            marks = (_MARKS[int(ends[i, j])], _MARKS[int(ends[j, i])])
            if marks in _KINDS:
                edges.append((a, names[j], _KINDS[marks]))
            else:
                edges.append((names[j], a, _KINDS[marks[::-1]]))
    return tuple(edges)


def _background_knowledge(tiers: Mapping[str, int]) -> Any:
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    knowledge = BackgroundKnowledge()
    for name, tier in tiers.items():
        knowledge.add_node_to_tier(GraphNode(name), tier)
    return knowledge


def _complete_rows(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Rows without unknown values, centred and scaled, after the checks."""
    if not isinstance(frame, pd.DataFrame):
        raise ValueError(f"frame: found {type(frame).__name__}, expected a DataFrame with one column per variable")
    names = list(frame.columns)
    if len(names) < 2 or len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"frame: found columns {names}, expected at least two different names")
    types = {name: frame[name].dtype for name in names}
    wrong = [
        name
        for name, kind in types.items()
        if not pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_complex_dtype(kind)
    ]
    if wrong:
        raise ValueError(
            f"frame: columns {wrong} are not numeric, of type {types[wrong[0]]}, "
            "expected real numbers (NaN for unknown)"
        )
    values = frame.to_numpy(dtype=float, na_value=np.nan)
    values = values[np.isfinite(values).all(axis=1)]
    least = len(names) + 10
    if len(values) < least:
        raise ValueError(
            f"frame: found {len(values)} rows without nulls of {len(frame)}, expected at least {least} "
            f"for {len(names)} columns"
        )
    fault = _degeneracy(values, names)
    if fault:
        raise ValueError(f"frame: {fault}")
    return _standardised(values)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def _degeneracy(values: NDArray[np.float64], names: list[str]) -> str:
    """Say which columns are constant or collinear, and what was expected; empty where none is."""
    deviation = values.std(axis=0)
    flat = deviation <= 1e-12 * np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    if flat.any():
        constant = [name for name, is_flat in zip(names, flat, strict=True) if is_flat]
        return f"columns {constant} are constant, expected columns that vary"
    correlation = np.atleast_2d(np.corrcoef(_standardised(values), rowvar=False))
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            if abs(correlation[i, j]) > _COLLINEAR:
                return f"columns {a!r} and {names[j]!r} are collinear, expected only one of them"
    eigenvalues, vectors = np.linalg.eigh(correlation)
    if eigenvalues[0] < 1.0 - _COLLINEAR:
        involved = [name for name, part in zip(names, np.abs(vectors[:, 0]), strict=True) if part > 0.01]
        return f"columns {involved} are collinear as a group, expected one of them left out"
    return ""


def _checked_alpha(alpha: float) -> float:
    if not is_number(alpha) or not 0 < alpha < 1:
        raise ValueError(f"alpha: found {alpha!r}, expected a number between 0 and 1")
    return float(alpha)


def _check_test(test: str) -> None:
    if test not in _TESTS:
        raise ValueError(f"test: found {test!r}, expected one of {list(_TESTS)}")


def _checked_tiers(tiers: Mapping[str, int] | None, names: list[str]) -> dict[str, int]:
    checked = dict(tiers or {})
    for name, tier in checked.items():
        if name not in names:
            raise ValueError(f"tiers: found {name!r}, expected columns of the frame: {names}")
        if not isinstance(tier, int | np.integer) or tier < 0:
            raise ValueError(f"tiers: found {tier!r} for {name!r}, expected an integer from 0")
        checked[name] = int(tier)
    return checked
