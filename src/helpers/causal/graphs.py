"""Graphs that may be only partly directed, and how far two of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import networkx as nx
import pandas as pd

__all__ = [
    "EDGE_KINDS",
    "CausalGraph",
    "GraphScore",
    "compare_graphs",
    "score_graph",
    "structural_hamming_distance",
]

# How an edge (a, b) ends at a and at b: "tail", "arrow", or "circle" where the data leave it open.
_ENDS = {
    "directed": ("tail", "arrow"),
    "undirected": ("tail", "tail"),
    "bidirected": ("arrow", "arrow"),
    "partially directed": ("circle", "arrow"),
    "partially undirected": ("circle", "tail"),
    "unknown": ("circle", "circle"),
}
EDGE_KINDS = tuple(_ENDS)
_KINDS = {ends: kind for kind, ends in _ENDS.items()}
_SYMBOLS = {("tail", "left"): "-", ("arrow", "left"): "<", ("circle", "left"): "o"}
_SYMBOLS |= {("tail", "right"): "-", ("arrow", "right"): ">", ("circle", "right"): "o"}
_SYMMETRIC = tuple(kind for kind, (first, second) in _ENDS.items() if first == second)


@dataclass(frozen=True, eq=False)
class CausalGraph:
    """Nodes, and at most one edge between any two of them (ours).

    Holds what discovery returns. PC gives directed, undirected and, where two colliders contradict each other,
    bidirected edges; GES directed and undirected ones; direct-lingam directed ones; marginal undirected ones; and FCI
    partial ancestral graphs, with edges of all kinds. Graphs are equal when nodes and edges are, in whatever order.

    Parameters
    ----------
    nodes : iterable of str
        Names of the variables.
    edges : iterable of (str, str, str)
        ``(a, b, kind)`` with kind "directed" (``a --> b``), "undirected" (``a --- b``), "bidirected" (``a <-> b``),
        "partially directed" (``a o-> b``), "partially undirected" (``a o-- b``) or "unknown" (``a o-o b``).
    metadata : mapping, optional
        How the graph was made; not compared.

    Raises
    ------
    ValueError
        If a node is repeated, or an edge names an unknown node or kind, joins a node to itself, or joins a
        pair a second time.
    """

    nodes: tuple[str, ...]
    edges: tuple[tuple[str, str, str], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the edges and freeze all three fields."""
        nodes, edges = tuple(self.nodes), tuple((a, b, kind) for a, b, kind in self.edges)
        if len(set(nodes)) != len(nodes):
            raise ValueError(f"nodes: found a name twice in {list(nodes)}, expected different names")
        pairs: set[frozenset[str]] = set()
        for a, b, kind in edges:
            if a not in nodes or b not in nodes or a == b:
                raise ValueError(f"edges: found ({a!r}, {b!r}), expected two of the nodes of {list(nodes)}")
            if kind not in _ENDS:
                raise ValueError(f"edges: found kind {kind!r}, expected one of {list(EDGE_KINDS)}")
            if frozenset((a, b)) in pairs:
                raise ValueError(f"edges: found a second edge between {a!r} and {b!r}, expected one at most")
            pairs.add(frozenset((a, b)))
        object.__setattr__(self, "nodes", nodes)
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def _canonical(self) -> tuple[frozenset[str], frozenset[tuple[str, str, str]]]:
        return frozenset(self.nodes), frozenset(
            (min(a, b), max(a, b), kind) if kind in _SYMMETRIC else (a, b, kind) for a, b, kind in self.edges
        )

    def __eq__(self, other: object) -> bool:
        """Compare nodes and edges, whatever their order."""
        if not isinstance(other, CausalGraph):
            return NotImplemented
        return self._canonical() == other._canonical()

    def __hash__(self) -> int:
        """Hash nodes and edges, whatever their order."""
        return hash(self._canonical())

    @classmethod
    def from_marks(
        cls,
        nodes: Iterable[str],
        marks: Mapping[tuple[str, str], tuple[str, str]],
        metadata: Mapping[str, Any] | None = None,
    ) -> CausalGraph:
        """Make a graph from the two end marks of each pair.

        Parameters
        ----------
        nodes : iterable of str
        marks : mapping
            ``{(a, b): (mark at a, mark at b)}`` with marks "tail", "arrow" or "circle".
        metadata : mapping, optional

        Raises
        ------
        ValueError
            If a mark is another word, and as the class.
        """
        edges = []
        for (a, b), ends in marks.items():
            if ends in _KINDS:
                edges.append((a, b, _KINDS[ends]))
            elif ends[::-1] in _KINDS:
                edges.append((b, a, _KINDS[ends[::-1]]))
            else:
                raise ValueError(f"marks: found {ends!r} at ({a!r}, {b!r}), expected two of 'tail', 'arrow', 'circle'")
        return cls(tuple(nodes), tuple(edges), metadata or {})

    def marks(self, a: str, b: str) -> tuple[str, str] | None:
        """Marks of the edge between a and b, at a and at b; None if they are not joined."""
        for first, second, kind in self.edges:
            if (first, second) == (a, b):
                return _ENDS[kind]
            if (first, second) == (b, a):
                return _ENDS[kind][1], _ENDS[kind][0]
        return None

    def symbol(self, a: str, b: str) -> str:
        """Edge from a to b in the usual signs, such as ``-->``, ``<->``, ``o->`` or ``o-o``; empty if there is none."""
        ends = self.marks(a, b)
        return "" if ends is None else f"{_SYMBOLS[ends[0], 'left']}-{_SYMBOLS[ends[1], 'right']}"

    def arrowheads(self) -> set[tuple[str, str]]:
        """Pairs (a, b) whose edge has an arrowhead at b: b is no cause of a."""
        heads = set()
        for a, b, kind in self.edges:
            heads |= {pair for pair, end in (((b, a), _ENDS[kind][0]), ((a, b), _ENDS[kind][1])) if end == "arrow"}
        return heads

    def without(self, nodes: Iterable[str]) -> CausalGraph:
        """Graph of the other nodes and the edges between them; no edge is added for a path that is lost."""
        left = set(nodes)
        return CausalGraph(
            tuple(node for node in self.nodes if node not in left),
            tuple(edge for edge in self.edges if not left & set(edge[:2])),
            self.metadata,
        )

    def has_edge(self, a: str, b: str) -> bool:
        """Whether a and b are joined by an edge of any kind.

        Raises
        ------
        ValueError
            If a or b is not a node.
        """
        for name in (a, b):
            if name not in self.nodes:
                raise ValueError(f"node {name!r} is not in the graph, expected one of {list(self.nodes)}")
        return frozenset((a, b)) in _skeleton(self)

    def edge_kind(self, a: str, b: str) -> str | None:
        """Kind of the edge written from a to b: None if none is, as for (b, a) of ``a --> b``."""
        for first, second, kind in self.edges:
            if (first, second) == (a, b) or (kind in _SYMMETRIC and (second, first) == (a, b)):
                return kind
        return None

    def to_networkx(self) -> nx.DiGraph:
        """Return a networkx graph whose edges carry ``kind``; for drawing and for path searches."""
        graph: nx.DiGraph = nx.DiGraph()
        graph.add_nodes_from(self.nodes)
        graph.add_edges_from((a, b, {"kind": kind}) for a, b, kind in self.edges)
        return graph


@dataclass(frozen=True)
class GraphScore:
    """How near a graph that was found comes to the true one (ours).

    Attributes
    ----------
    precision, recall : float
        Of the pairs joined by any edge: the share of those found that are true, and of the true ones that are found.
        NaN where none is found, or none is true.
    f1 : float
        Harmonic mean of the two, ``2 n_shared / (n_found + n_true)``; NaN where both graphs are empty.
    arrow_precision, arrow_recall : float
        The same of arrowheads, each at its own end: one at a pair that is not joined in the other graph, or has a tail
        or a circle there, is not shared.
    distance : int
        Structural Hamming distance.
    n_found, n_true : int
        Numbers of joined pairs.
    """

    precision: float
    recall: float
    f1: float
    arrow_precision: float
    arrow_recall: float
    distance: int
    n_found: int
    n_true: int


def structural_hamming_distance(a: CausalGraph, b: CausalGraph) -> int:
    """Count the pairs of nodes that are joined in another way, or in one graph only (ours).

    A missing, an extra and a differently directed edge count one each.

    Parameters
    ----------
    a, b : CausalGraph
        Graphs on the same nodes.

    Returns
    -------
    int
        Number of pairs.

    Raises
    ------
    ValueError
        If the nodes differ.
    """
    _check_same_nodes(a, b)
    edges_a, edges_b = a._canonical()[1], b._canonical()[1]
    return len({frozenset(edge[:2]) for edge in edges_a ^ edges_b})


def score_graph(found: CausalGraph, true: CausalGraph) -> GraphScore:
    """Score the pairs joined and the arrowheads of a graph that was found (ours).

    As the true graph take what the method could at best have found: the equivalence class of the true graph
    (`helpers.causal.equivalence_class`) for PC, GES and FCI, the graph itself (`helpers.causal.true_graph`) for a
    functional method. Against the graph itself a method loses arrowheads that no data could have told.

    Parameters
    ----------
    found, true : CausalGraph
        Graphs on the same nodes.

    Returns
    -------
    GraphScore

    Raises
    ------
    ValueError
        If the nodes differ.
    """
    _check_same_nodes(found, true)
    pairs_found, pairs_true = _skeleton(found), _skeleton(true)
    heads_found, heads_true = found.arrowheads(), true.arrowheads()
    shared = len(pairs_found & pairs_true)
    return GraphScore(
        precision=_share(shared, len(pairs_found)),
        recall=_share(shared, len(pairs_true)),
        f1=_share(2 * shared, len(pairs_found) + len(pairs_true)),
        arrow_precision=_share(len(heads_found & heads_true), len(heads_found)),
        arrow_recall=_share(len(heads_found & heads_true), len(heads_true)),
        distance=structural_hamming_distance(found, true),
        n_found=len(pairs_found),
        n_true=len(pairs_true),
    )


def compare_graphs(
    first: CausalGraph, second: CausalGraph, names: tuple[str, str] = ("first", "second")
) -> pd.DataFrame:
    """Lay two graphs side by side, edge by edge (ours).

    They are compared on the nodes that both have: a graph with a further variable may stand beside one without it.

    Parameters
    ----------
    first, second : CausalGraph
    names : pair of str
        Names of their columns.

    Returns
    -------
    DataFrame
        One row per pair joined in either: ``a``, ``b``, the edge from a to b in each graph as `CausalGraph.symbol`
        writes it, and ``change``: "same", "gained", "lost" or "other marks", from the first graph to the second.

    Raises
    ------
    ValueError
        If the graphs share fewer than two nodes.
    """
    shared = [node for node in first.nodes if node in second.nodes]
    if len(shared) < 2:
        raise ValueError(f"graphs: found the shared nodes {shared}, expected at least two")
    rows = []
    for i, a in enumerate(shared):
        for b in shared[i + 1 :]:
            before, after = first.symbol(a, b), second.symbol(a, b)
            if before or after:
                change = (
                    "same" if before == after else "gained" if not before else "lost" if not after else "other marks"
                )
                rows.append((a, b, before, after, change))
    return pd.DataFrame(rows, columns=["a", "b", *names, "change"])


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _skeleton(graph: CausalGraph) -> set[frozenset[str]]:
    return {frozenset((a, b)) for a, b, _ in graph.edges}


def _check_same_nodes(a: CausalGraph, b: CausalGraph) -> None:
    different = sorted(set(a.nodes) ^ set(b.nodes))
    if different:
        raise ValueError(f"graphs: nodes {different} are in one graph only, expected the same nodes in both")
