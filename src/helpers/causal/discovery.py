"""Causal graphs from a table of measurements, by causal-learn: one door for all methods, and their bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..checks import is_number, is_whole
from .columns import complete_rows, degeneracy, fewest_rows, scores_of_ranks, standardised
from .graphs import CausalGraph
from .search import SEARCHES, Question, run_search

__all__ = [
    "bootstrap_edges",
    "bootstrap_graphs",
    "discover",
    "edge_frequencies",
    "pc_graph",
]

_METHODS = tuple(SEARCHES)
_TESTS = ("fisherz", "rank", "kci", "rcit", "fastkci")
_ALPHA = 0.01
# Draws of one resample, until no column in it is constant or follows from others.
_MOST_DRAWS = 100


def discover(
    frame: pd.DataFrame,
    method: str = "pc",
    *,
    alpha: float | None = None,
    test: str | None = None,
    tiers: Mapping[str, int] | None = None,
    selection_tier: int | None = None,
    n_rows: int | None = None,
    seed: int = 0,
) -> CausalGraph:
    """Find a causal graph of the columns of a table (causal-learn, Zheng et al. 2024; use ours).

    Every method takes the rows for independent draws, and what it supposes beyond that decides what its edges mean:

    - ``"pc"`` (Spirtes and Glymour 1991) drops a pair where some other variables make it independent, and directs edges
      where one direction alone agrees with those independences. It supposes that no common cause is unobserved, that
      the sample was not selected by an effect, and that all independences come from the graph (faithfulness).
      Returns directed and undirected edges, and bidirected ones where two colliders contradict each other.
    - ``"fci"`` (Spirtes, Meek and Richardson 1995; Zhang 2008) does without the first two. An arrowhead means that this
      end causes neither the other nor the selection, a tail that it causes one of them: ``a <-> b`` stands for a
      hidden common cause, and in a selected sample ``a --> b`` need not make ``a`` a cause of ``b``. A circle is a mark
      that the data leave open.
    - ``"ges"`` (Chickering 2002) adds and drops edges as long as the BIC score of a linear Gaussian model grows. It
      supposes what PC does, linearity and normal noise; give it `normal_scores`. It makes no test and takes no tiers.
    - ``"direct-lingam"`` (Shimizu et al. 2011) orders the variables so that residuals are independent of what comes
      before, which tells direction where noise is *not* normal; it supposes linear relations, no hidden common cause
      and no selection. All edges are directed. An arrow is kept where its coefficient, in a least-squares regression on
      all earlier variables, is significant at `alpha` (ours).
    - ``"marginal"`` joins all pairs whose correlation is significant after Benjamini and Hochberg at `alpha`. It is no
      causal method: the baseline that the others must beat.

    A search seeds causal-learn by numpy's global generator, and silences it by standard output and the warning filters;
    all three are put back afterwards, so it is not safe in several threads at once: use processes.

    Parameters
    ----------
    frame : DataFrame, [n_rows, n_variables]
        Numeric columns, in any unit. Rows with an unknown value are dropped and counted in the metadata.
    method : {"pc", "fci", "ges", "direct-lingam", "marginal"}, default "pc"
    alpha : float, optional
        Level of each test, between 0 and 1; default 0.01. Not for "ges".
    test : {"fisherz", "rank", "kci", "rcit", "fastkci"}, optional
        For "pc" and "fci". "fisherz", the default: Fisher's z of partial correlations, for linear relations. "rank":
        the same of `normal_scores`, for monotone ones (ours, after the rank PC of Harris and Drton 2013). The others
        are kernel tests for any relation, far slower: use `n_rows`.
    tiers : mapping of str to int, optional
        Background knowledge: no variable causes one of an earlier (lower) tier. Columns that are not named stay free.
        PC and DirectLiNGAM make an edge between tiers an arrow; FCI an arrowhead at the later end, since a hidden
        common cause remains possible. Not for "ges" and "marginal".
    selection_tier : int, optional
        For "fci" with tiers, where the sample was selected: no variable of a later tier causes the selection. Only such
        variables then get arrowheads from their tier, since others may cause the selection, which is no arrowhead.
        Give a number no lower than all tiers where nothing is known. Default: the sample was not selected.
    n_rows : int, optional
        Use so many complete rows at most, drawn by `seed` without replacement. Default: all.
    seed : int, default 0

    Returns
    -------
    CausalGraph
        Metadata: method, test, alpha, tiers, selection_tier, seed, n_rows, n_used.

    Raises
    ------
    ValueError
        If `frame` is no DataFrame or has fewer than two columns, a column is not of real numbers or is constant,
        columns are collinear, complete rows are too few, or an option is not allowed or not for this method.
    """
    question = _question(frame, method, alpha, test, tiers, selection_tier, seed)
    if n_rows is not None:
        rows = np.random.default_rng(seed).permutation(len(question.values))[: _checked_rows(n_rows, frame)]
        question = replace(question, values=_prepared(question.values[rows], question.names, test))
    return CausalGraph.from_marks(
        question.names,
        run_search(method, question),
        {
            "method": method,
            "test": test or ("fisherz" if SEARCHES[method].tests else None),
            "alpha": question.alpha if SEARCHES[method].levels else None,
            "tiers": dict(question.tiers),
            "selection_tier": question.selection_tier,
            "seed": seed,
            "n_rows": len(frame),
            "n_used": len(question.values),
        },
    )


def pc_graph(
    frame: pd.DataFrame,
    *,
    alpha: float = _ALPHA,
    test: str = "fisherz",
    tiers: Mapping[str, int] | None = None,
    seed: int = 0,
) -> CausalGraph:
    """Find a completed partially directed graph by the PC algorithm: `discover` with ``method="pc"``.

    Parameters, result and errors are those of `discover`.
    """
    return discover(frame, "pc", alpha=_checked_alpha(alpha), test=test, tiers=tiers, seed=seed)


def bootstrap_graphs(
    frame: pd.DataFrame,
    n_bootstrap: int = 50,
    *,
    method: str = "pc",
    alpha: float | None = None,
    test: str | None = None,
    tiers: Mapping[str, int] | None = None,
    selection_tier: int | None = None,
    n_rows: int | None = None,
    seed: int = 0,
) -> list[CausalGraph]:
    """Find the graph again and again, each time with rows drawn with replacement (ours).

    A resample in which a rare value went missing, so that a column is constant or columns are collinear, is drawn
    again. Repeated rows make the tests too sure of what they see: a resample of n rows varies as a sample of n / 2
    would, so that weak edges, the false ones among them, come more often than in fresh samples.

    Parameters
    ----------
    frame, method, alpha, test, tiers, selection_tier
        As in `discover`.
    n_bootstrap : int, default 50
        Number of graphs, at least 1.
    n_rows : int, optional
        Rows of each resample; default as many as there are complete ones. Smaller ones show what a smaller sample would
        have found.
    seed : int, default 0
        Seed of the draws, and of the tests that draw random features.

    Returns
    -------
    list of CausalGraph, [n_bootstrap]

    Raises
    ------
    ValueError
        As `discover`; if ``n_bootstrap`` is no whole number from 1; or if a column varies in so few rows that a hundred
        resamples on end are unusable.
    """
    if not is_whole(n_bootstrap) or n_bootstrap < 1:
        raise ValueError(f"n_bootstrap: found {n_bootstrap!r}, expected a whole number, at least 1")
    question = _question(frame, method, alpha, test, tiers, selection_tier, seed)
    size = len(question.values) if n_rows is None else _checked_rows(n_rows, frame)
    rng = np.random.default_rng(seed)
    graphs = []
    for _ in range(n_bootstrap):
        drawn = _resample(question.values, question.names, size, test, rng)
        resampled = replace(question, values=drawn, seed=int(rng.integers(2**31)))
        graphs.append(CausalGraph.from_marks(question.names, run_search(method, resampled)))
    return graphs


def edge_frequencies(graphs: Sequence[CausalGraph]) -> pd.DataFrame:
    """Count how often each edge, and each mark at its ends, occurs in graphs of the same nodes (ours).

    A frequency ranks edges; it is no probability that they are true.

    Parameters
    ----------
    graphs : sequence of CausalGraph

    Returns
    -------
    DataFrame
        One row per pair of nodes, in the order of the first graph's nodes: ``a``, ``b``, and shares of all graphs:
        ``any`` (joined), ``a_to_b`` and ``b_to_a`` (an arrow with a tail at its start), ``latent`` (an arrowhead at
        both ends: a hidden common cause, or in PC a contradiction), ``arrow_at_a`` and ``arrow_at_b`` (an arrowhead
        there, whatever the other end).

    Raises
    ------
    ValueError
        If there is no graph, or nodes differ.
    """
    if not graphs:
        raise ValueError("graphs: found none, expected at least one")
    nodes = graphs[0].nodes
    if any(set(graph.nodes) != set(nodes) for graph in graphs):
        raise ValueError("graphs: found different nodes, expected the same in all")
    rows = []
    for i, a in enumerate(nodes):
        for b in nodes[i + 1 :]:
            marks = [graph.marks(a, b) for graph in graphs]
            rows.append(
                {
                    "a": a,
                    "b": b,
                    "any": np.mean([mark is not None for mark in marks]),
                    "a_to_b": np.mean([mark == ("tail", "arrow") for mark in marks]),
                    "b_to_a": np.mean([mark == ("arrow", "tail") for mark in marks]),
                    "latent": np.mean([mark == ("arrow", "arrow") for mark in marks]),
                    "arrow_at_a": np.mean([mark is not None and mark[0] == "arrow" for mark in marks]),
                    "arrow_at_b": np.mean([mark is not None and mark[1] == "arrow" for mark in marks]),
                }
            )
    return pd.DataFrame(rows)


def bootstrap_edges(
    frame: pd.DataFrame,
    n_bootstrap: int = 50,
    *,
    method: str = "pc",
    alpha: float | None = None,
    test: str | None = None,
    tiers: Mapping[str, int] | None = None,
    selection_tier: int | None = None,
    n_rows: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Edge frequencies over bootstrap resamples: `edge_frequencies` of `bootstrap_graphs`, whose parameters it has."""
    return edge_frequencies(
        bootstrap_graphs(
            frame,
            n_bootstrap,
            method=method,
            alpha=alpha,
            test=test,
            tiers=tiers,
            selection_tier=selection_tier,
            n_rows=n_rows,
            seed=seed,
        )
    )


def _question(
    frame: pd.DataFrame,
    method: str,
    alpha: float | None,
    test: str | None,
    tiers: Mapping[str, int] | None,
    selection_tier: int | None,
    seed: int,
) -> Question:
    """Check everything that a search is asked with."""
    if method not in SEARCHES:
        raise ValueError(f"method: found {method!r}, expected one of {list(_METHODS)}")
    search = SEARCHES[method]
    for name, value, taken in (
        ("alpha", alpha, search.levels),
        ("test", test, search.tests),
        ("tiers", tiers, search.tiers),
    ):
        if value is not None and not taken:
            raise ValueError(f"{name}: found {value!r}, expected none, since {method!r} takes no {name}")
    alpha = _ALPHA if alpha is None else _checked_alpha(alpha)
    if test is not None and test not in _TESTS:
        raise ValueError(f"test: found {test!r}, expected one of {list(_TESTS)}")
    values = complete_rows(frame, ranks=test == "rank")
    names = tuple(frame.columns)
    return Question(
        values=values,
        names=names,
        alpha=alpha,
        test="fisherz" if test in (None, "rank") else str(test),
        tiers=checked_tiers(tiers, names),
        selection_tier=checked_selection_tier(selection_tier, method, tiers),
        seed=seed,
    )


def _prepared(values: NDArray[np.float64], names: Sequence[str], test: str | None) -> NDArray[np.float64]:
    """Rows chosen from checked ones, ranked among themselves where the test is of ranks."""
    return complete_rows(pd.DataFrame(values, columns=list(names)), ranks=test == "rank")


def _resample(
    values: NDArray[np.float64], names: Sequence[str], size: int, test: str | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw rows with replacement, centred and scaled, until every column varies and none follows from others."""
    fault = ""
    for _ in range(_MOST_DRAWS):
        drawn = values[rng.integers(len(values), size=size)]
        fault = degeneracy(drawn, list(names))
        if not fault:
            if test == "rank":
                drawn = scores_of_ranks(drawn)
            return standardised(drawn)
    raise ValueError(f"frame: in each of {_MOST_DRAWS} resamples {fault}; expected columns that vary in more rows")


def _checked_alpha(alpha: float) -> float:
    if not is_number(alpha) or not 0 < alpha < 1:
        raise ValueError(f"alpha: found {alpha!r}, expected a number between 0 and 1")
    return float(alpha)


def _checked_rows(n_rows: int, frame: pd.DataFrame) -> int:
    least = fewest_rows(frame.shape[1])
    if not is_whole(n_rows) or n_rows < least:
        raise ValueError(f"n_rows: found {n_rows!r}, expected a whole number, at least {least} for these columns")
    return int(n_rows)


def checked_tiers(tiers: Mapping[str, int] | None, names: Sequence[str]) -> dict[str, int]:
    """Tiers as whole numbers, after a look at their names."""
    checked = dict(tiers or {})
    for name, tier in checked.items():
        if name not in names:
            raise ValueError(f"tiers: found {name!r}, expected columns of the frame: {list(names)}")
        if not is_whole(tier) or tier < 0:
            raise ValueError(f"tiers: found {tier!r} for {name!r}, expected an integer from 0")
        checked[name] = int(tier)
    return checked


def checked_selection_tier(selection_tier: int | None, method: str, tiers: Mapping[str, int] | None) -> int | None:
    """Tier of the selection, after a look at what it is given with."""
    if selection_tier is None:
        return None
    if not SEARCHES[method].selection or not tiers:
        raise ValueError(
            f"selection_tier: found {selection_tier!r} for {method!r} {'with' if tiers else 'without'} tiers, expected "
            "it only for 'fci' with tiers"
        )
    if not is_whole(selection_tier) or selection_tier < 0:
        raise ValueError(f"selection_tier: found {selection_tier!r}, expected an integer from 0")
    return int(selection_tier)
