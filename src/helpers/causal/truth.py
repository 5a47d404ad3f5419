"""What a search could at best find: known graphs seen through hidden variables and selection, and baselines to beat."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import networkx as nx
import numpy as np
import pandas as pd

from ..checks import is_whole
from .columns import complete_rows
from .discovery import checked_selection_tier, checked_tiers
from .graphs import CausalGraph, GraphScore
from .search import Question, run_search

__all__ = [
    "GraphClaims",
    "equivalence_class",
    "expected_random_score",
    "judge_claims",
    "strongest_correlations",
    "true_graph",
]

Edges = Iterable[Sequence[str]]


def true_graph(edges: Edges, observed: Sequence[str], *, selection: Collection[str] = ()) -> CausalGraph:
    """Graph over the observed variables that is right while the others are hidden (Richardson and Spirtes 2002).

    It is the maximal ancestral graph of a directed graph without cycles. Two variables are joined where no set of other
    observed ones makes them independent; an end has a tail where that variable causes the other, or the selection, and
    an arrowhead where it does not. So a hidden common cause that nothing blocks becomes ``<->``; a hidden variable on
    the way an arrow; and two causes of the selection a line. With nothing hidden or selected it is the graph itself.

    Parameters
    ----------
    edges : iterable of (cause, effect, ...)
        Such as the ``edges`` of a `helpers.survey.mock.StructuralCausalModel`; what follows the first two is not read.
    observed : sequence of str
        At least one variable. Those that no edge names have no causes and no effects.
    selection : collection of str, optional
        Hidden variables by which the sample was selected.

    Returns
    -------
    CausalGraph

    Raises
    ------
    ValueError
        If the edges make a cycle, a name is observed twice, or a selection is observed or in no edge.
    """
    graph = _directed(edges, observed, selection)
    chosen = set(selection)
    ancestors = {node: nx.ancestors(graph, node) | {node} for node in graph}
    of_selection = set().union(*(ancestors[node] for node in chosen))
    marks = {}
    for a, b in combinations(observed, 2):
        # If any observed set separates the two, then their own observed ancestors and the selection's do.
        separating = ((ancestors[a] | ancestors[b] | of_selection) & set(observed)) - {a, b}
        if not nx.is_d_separator(graph, {a}, {b}, separating | chosen):
            marks[a, b] = (
                "tail" if a in ancestors[b] | of_selection else "arrow",
                "tail" if b in ancestors[a] | of_selection else "arrow",
            )
    return CausalGraph.from_marks(observed, marks, {"hidden": sorted(set(graph) - set(observed) - chosen)})


def equivalence_class(
    edges: Edges,
    observed: Sequence[str],
    method: str = "pc",
    *,
    tiers: Mapping[str, int] | None = None,
    selection: Collection[str] = (),
    selection_tier: int | None = None,
) -> CausalGraph:
    """Return what PC or FCI would find with perfect tests: the same search, its tests answered by the known graph.

    With nothing hidden PC finds the completed partially directed graph of all graphs that imply the same
    independences; FCI the partial ancestral graph, whatever is hidden. With hidden variables PC's own answer is wrong
    in a way that more galaxies do not cure, and this shows how.

    Parameters
    ----------
    edges, observed, selection
        As in `true_graph`.
    method : {"pc", "fci"}, default "pc"
        For what GES could find take "pc".
    tiers : mapping of str to int, optional
        Background knowledge, as `discover` takes it.
    selection_tier : int, optional
        As `discover` takes it; FCI needs it beside tiers where there is a selection.

    Returns
    -------
    CausalGraph

    Raises
    ------
    ValueError
        If the method is another, FCI has a selection and tiers but not the selection's, and as `true_graph` and
        `discover`.
    """
    if method not in ("pc", "fci"):
        raise ValueError(f"method: found {method!r}, expected 'pc' or 'fci'")
    if method == "fci" and selection and tiers and selection_tier is None:
        raise ValueError("selection_tier: found none, expected the tier of the selection, since there are tiers")
    graph = _directed(edges, observed, selection)
    number: dict[str, int | str] = {name: i for i, name in enumerate(observed)}
    question = Question(
        values=np.empty((0, len(observed))),
        names=tuple(observed),
        alpha=0.5,
        test="",
        tiers=checked_tiers(tiers, observed),
        selection_tier=checked_selection_tier(selection_tier, method, tiers),
        oracle=nx.relabel_nodes(graph, number),
        selection=frozenset(selection),
    )
    return CausalGraph.from_marks(observed, run_search(method, question), {"method": method, "test": "known graph"})


@dataclass(frozen=True)
class GraphClaims:
    """What a graph says that is not so, and what it does not say (ours).

    Attributes
    ----------
    missed : int
        Pairs that are joined in truth alone.
    invented : int
        Pairs that are joined in the found graph alone.
    contradicted : int
        Ends of shared pairs whose arrowhead or tail is not the true mark. A circle says nothing, and neither does an
        edge without any mark.
    """

    missed: int
    invented: int
    contradicted: int

    @property
    def false(self) -> int:
        """Number of claims that are false."""
        return self.invented + self.contradicted


def judge_claims(found: CausalGraph, true: CausalGraph) -> GraphClaims:
    """Hold every claim of a graph against the true one, whatever its method leaves open (ours).

    Parameters
    ----------
    found : CausalGraph
    true : CausalGraph
        As `true_graph` returns it, of the same nodes.

    Returns
    -------
    GraphClaims

    Raises
    ------
    ValueError
        If the two have different nodes.
    """
    if set(found.nodes) != set(true.nodes):
        raise ValueError(f"found: found the nodes {sorted(found.nodes)}, expected those of true: {sorted(true.nodes)}")
    missed = invented = contradicted = 0
    for a, b in combinations(true.nodes, 2):
        claimed, right = found.marks(a, b), true.marks(a, b)
        missed += claimed is None and right is not None
        invented += claimed is not None and right is None
        if claimed and right and claimed != ("tail", "tail"):
            contradicted += sum(one not in (end, "circle") for one, end in zip(claimed, right, strict=True))
    return GraphClaims(missed, invented, contradicted)


def expected_random_score(n_nodes: int, n_true: int, n_found: int) -> GraphScore:
    """Expected score of edges drawn at random: ``n_found`` of all pairs, each set of pairs as likely (ours).

    The number of true pairs among them is hypergeometric, of mean ``n_true n_found / n_pairs``, and the pair scores are
    linear in it. With ``n_found`` all pairs this is the complete graph, with none the empty one. The edges have no
    arrowheads; those of the truth are taken to be directed, so that each pair in either graph counts into the distance.

    Parameters
    ----------
    n_nodes : int
        At least 2.
    n_true, n_found : int
        From 0 to the number of pairs.

    Returns
    -------
    GraphScore
        Distance rounded; arrow scores are NaN and 0.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    n_pairs = n_nodes * (n_nodes - 1) // 2
    if n_nodes < 2 or not 0 <= n_true <= n_pairs or not 0 <= n_found <= n_pairs:
        raise ValueError(
            f"n_nodes, n_true, n_found: found {n_nodes}, {n_true}, {n_found}, "
            "expected at least 2 nodes and no more pairs than they allow"
        )
    shared = n_true * n_found / n_pairs
    return GraphScore(
        precision=n_true / n_pairs if n_found else float("nan"),
        recall=n_found / n_pairs if n_true else float("nan"),
        f1=2 * shared / (n_true + n_found) if n_true + n_found else float("nan"),
        arrow_precision=float("nan"),
        arrow_recall=0.0,
        distance=round(n_true + n_found - shared),
        n_found=n_found,
        n_true=n_true,
    )


def strongest_correlations(frame: pd.DataFrame, n_edges: int) -> CausalGraph:
    """Join the pairs of the largest absolute correlations of normal scores: as many pairs as are asked for (ours).

    A harder baseline than all significant correlations: given as many edges as a search found, it can be as precise.

    Parameters
    ----------
    frame : DataFrame, [n_rows, n_variables]
        As `discover` takes it.
    n_edges : int
        From 0 to the number of pairs.

    Returns
    -------
    CausalGraph
        With undirected edges.

    Raises
    ------
    ValueError
        If the number is out of range, and as `discover`.
    """
    values, names = complete_rows(frame, ranks=True), list(frame.columns)
    first, second = np.triu_indices(len(names), 1)
    if not is_whole(n_edges) or not 0 <= n_edges <= len(first):
        raise ValueError(f"n_edges: found {n_edges!r}, expected a whole number from 0 to {len(first)}")
    strength = np.abs(np.corrcoef(values, rowvar=False))[first, second]
    strongest = np.argsort(-strength, kind="stable")[:n_edges]
    return CausalGraph(tuple(names), tuple((names[first[i]], names[second[i]], "undirected") for i in strongest))


def _directed(edges: Edges, observed: Sequence[str], selection: Collection[str]) -> nx.DiGraph:
    graph: nx.DiGraph = nx.DiGraph()
    graph.add_edges_from((edge[0], edge[1]) for edge in edges)
    wrong = [name for name in selection if name in set(observed) or name not in graph]
    if wrong:
        raise ValueError(f"selection: found {wrong}, expected hidden variables that an edge names")
    graph.add_nodes_from(observed)
    if len(set(observed)) != len(observed) or len(observed) == 0:
        raise ValueError(f"observed: found {list(observed)}, expected different names, at least one")
    if not nx.is_directed_acyclic_graph(graph):
        raise ValueError(f"edges: found the cycle {nx.find_cycle(graph)}, expected a graph without cycles")
    return graph
