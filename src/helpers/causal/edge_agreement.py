"""Whether a causal graph and the local tests say the same of a property and the mass."""

from __future__ import annotations

import pandas as pd

from ..checks import is_number
from .discovery import edge_frequencies
from .graphs import CausalGraph

__all__ = ["agreement"]

_COLUMNS = ("query", "statistic", "p (BH)")


def agreement(
    found: CausalGraph | pd.DataFrame,
    tests: pd.DataFrame,
    target: str = "mass",
    *,
    joined_from: float = 0.5,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Lay the edges at the target beside the local tests, property by property (ours).

    A graph joins a property and the mass where no set of the *other columns* makes them independent; a local test
    rejects where S does not. The two agree by necessity only where S holds what those columns hold, so a disagreement
    is a question and no contradiction.

    Parameters
    ----------
    found : CausalGraph or DataFrame
        A graph, or frequencies of edges as `edge_frequencies` returns them.
    tests : DataFrame
        One row per hypothesis, with columns ``query``, ``statistic`` and ``p (BH)``; others, such as ``given``, are
        kept.
    target : str, default "mass"
        Node of the graph.
    joined_from : float, default 0.5
        From which share of graphs on a property counts as joined to the target.
    alpha : float, default 0.05
        Below which adjusted p-value a test counts as rejecting.

    Returns
    -------
    DataFrame
        The rows of `tests` whose query is a node: their columns, then ``frequency`` (share of graphs that join the
        query to the target), ``joined``, ``rejected`` and ``agree``.

    Raises
    ------
    ValueError
        If a column is missing, the target is no node, no query is a node, or a level is not between 0 and 1.
    """
    for name, value in {"joined_from": joined_from, "alpha": alpha}.items():
        if not is_number(value) or not 0 < value <= 1:
            raise ValueError(f"{name}: found {value!r}, expected a number above 0 and at most 1")
    frequencies = edge_frequencies([found]) if isinstance(found, CausalGraph) else found
    missing = [name for name in _COLUMNS if name not in tests]
    if missing:
        raise ValueError(f"tests: there is no column {missing[0]!r}, expected {list(_COLUMNS)}")
    at_target = frequencies[(frequencies["a"] == target) | (frequencies["b"] == target)]
    if at_target.empty:
        nodes = sorted({*frequencies["a"], *frequencies["b"]})
        raise ValueError(f"target: found {target!r}, expected one of the nodes {nodes}")
    other = at_target["a"].where(at_target["b"] == target, at_target["b"])
    shares = pd.Series(at_target["any"].to_numpy(), index=other.to_numpy())
    rows = tests[tests["query"].isin(shares.index)].reset_index(drop=True)
    if rows.empty:
        raise ValueError(
            f"tests: found the queries {sorted(set(tests['query']))}, expected nodes {sorted(shares.index)}"
        )
    rows["frequency"] = rows["query"].map(shares)
    rows["joined"] = rows["frequency"] >= joined_from
    rows["rejected"] = rows["p (BH)"] < alpha
    rows["agree"] = rows["joined"] == rows["rejected"]
    return rows
