"""Causal graphs from a table of measurements, by causal-learn (section 6 of the method)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.causal.graphs import _ENDS, CausalGraph

__all__ = ["DISCOVERY_METHODS", "bootstrap_edges", "discover", "pc_graph"]

DISCOVERY_METHODS = ("pc",)
_TESTS = ("fisherz", "kci", "rcit", "fastkci")
# A correlation so near to 1 makes a partial correlation rounding error.
_COLLINEAR = 1.0 - 1e-9
_MARKS = {-1: "tail", 1: "arrow", 2: "circle"}
_KINDS = {ends: kind for kind, ends in _ENDS.items()}


def discover(
    frame: pd.DataFrame,
    method: str = "pc",
    *,
    alpha: float = 0.01,
    test: str = "fisherz",
    tiers: Mapping[str, int] | None = None,
    seed: int = 0,
) -> CausalGraph:
    """Find a causal graph by the named method.

    Parameters
    ----------
    frame, alpha, test, tiers, seed
        As in `pc_graph`.
    method : {"pc"}, default "pc"
        Algorithm.

    Returns
    -------
    CausalGraph
        One node per column.

    Raises
    ------
    ValueError
        If the method is unknown, or as in `pc_graph`.
    """
    _check_method(method)
    return pc_graph(frame, alpha=alpha, test=test, tiers=tiers, seed=seed)


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
        If there are fewer than two columns, a column is not numeric or constant, two columns are collinear,
        complete rows are too few, or an option is not allowed.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: found {alpha}, expected a number between 0 and 1")
    if test not in _TESTS:
        raise ValueError(f"test: found {test!r}, expected one of {list(_TESTS)}")
    values = _complete_rows(frame)
    tiers = _checked_tiers(tiers, list(frame.columns))
    edges = _pc_edges(values, list(frame.columns), alpha, test, tiers, seed)
    return CausalGraph(
        nodes=tuple(frame.columns),
        edges=edges,
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
    method: str = "pc",
    alpha: float = 0.01,
    test: str = "fisherz",
    tiers: Mapping[str, int] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Count how often each edge returns when the complete rows are drawn again with replacement (ours).

    Repeated rows make the tests a little too sure, so a frequency ranks edges and is no probability.

    Parameters
    ----------
    frame, method, alpha, test, tiers
        As in `discover`.
    n_bootstrap : int, default 50
        Number of graphs, at least 1.
    seed : int, default 0
        Seed of the draws.

    Returns
    -------
    DataFrame
        One row per pair of columns, in the order of the frame: ``a``, ``b``, ``any`` (share of graphs that
        join them), ``a_to_b`` and ``b_to_a`` (share with that arrow, and a tail at its start).

    Raises
    ------
    ValueError
        If ``n_bootstrap`` is below 1, or as in `discover`.
    """
    _check_method(method)
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap: found {n_bootstrap}, expected at least 1")
    complete = pd.DataFrame(_complete_rows(frame), columns=frame.columns)
    rng = np.random.default_rng(seed)
    graphs = []
    for _ in range(n_bootstrap):
        rows = rng.integers(len(complete), size=len(complete))
        drawn, own_seed = complete.iloc[rows], int(rng.integers(2**31))
        graphs.append(discover(drawn, method, alpha=alpha, test=test, tiers=tiers, seed=own_seed))
    names = list(frame.columns)
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
    names = list(frame.columns)
    if len(names) < 2 or len(set(names)) != len(names) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"frame: found columns {names}, expected at least two different names")
    wrong = [name for name in names if not pd.api.types.is_numeric_dtype(frame[name])]
    if wrong:
        raise ValueError(f"frame: columns {wrong} are not numeric, expected numbers (NaN for unknown)")
    values = frame.to_numpy(dtype=float, na_value=np.nan)
    values = values[np.isfinite(values).all(axis=1)]
    least = len(names) + 10
    if len(values) < least:
        raise ValueError(
            f"frame: found {len(values)} rows without nulls of {len(frame)}, expected at least {least} "
            f"for {len(names)} columns"
        )
    deviation = values.std(axis=0)
    flat = deviation <= 1e-12 * np.maximum(np.abs(values).max(axis=0), np.finfo(float).tiny)
    if flat.any():
        constant = [name for name, is_flat in zip(names, flat, strict=True) if is_flat]
        raise ValueError(f"frame: columns {constant} are constant, expected columns that vary")
    values = (values - values.mean(axis=0)) / deviation
    _check_collinear(np.corrcoef(values, rowvar=False), names)
    return values


def _check_collinear(correlation: NDArray[np.float64], names: list[str]) -> None:
    for i, a in enumerate(names):
        for j in range(i + 1, len(names)):
            if abs(correlation[i, j]) > _COLLINEAR:
                raise ValueError(f"frame: columns {a!r} and {names[j]!r} are collinear, expected only one of them")
    if np.linalg.eigvalsh(correlation)[0] < 1.0 - _COLLINEAR:
        vector = np.abs(np.linalg.eigh(correlation)[1][:, 0])
        involved = [name for name, part in zip(names, vector, strict=True) if part > 0.01]
        raise ValueError(f"frame: columns {involved} are collinear as a group, expected one of them left out")


def _checked_tiers(tiers: Mapping[str, int] | None, names: list[str]) -> dict[str, int]:
    checked = dict(tiers or {})
    for name, tier in checked.items():
        if name not in names:
            raise ValueError(f"tiers: found {name!r}, expected columns of the frame: {names}")
        if not isinstance(tier, int | np.integer) or tier < 0:
            raise ValueError(f"tiers: found {tier!r} for {name!r}, expected an integer from 0")
        checked[name] = int(tier)
    return checked


def _check_method(method: str) -> None:
    if method not in DISCOVERY_METHODS:
        raise ValueError(f"method: found {method!r}, expected one of {list(DISCOVERY_METHODS)}")
