"""Graphs that may be only partly directed, and how far two of them differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import networkx as nx

__all__ = ["EDGE_KINDS", "CausalGraph", "SkeletonScore", "skeleton_score", "structural_hamming_distance"]

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
_SYMMETRIC = tuple(kind for kind, (first, second) in _ENDS.items() if first == second)


@dataclass(frozen=True, eq=False)
class CausalGraph:
    """Nodes, and at most one edge between any two of them (ours).

    Holds what discovery returns: completed partially directed graphs (PC, GES: directed and undirected edges)
    and partial ancestral graphs (FCI: all kinds). Graphs are equal when nodes and edges are, in whatever
    order.

    Parameters
    ----------
    nodes : iterable of str
        Names of the variables.
    edges : iterable of (str, str, str)
        ``(a, b, kind)`` with kind "directed" (a -> b), "undirected" (a - b), "bidirected" (a <-> b),
        "partially directed" (a o-> b), "partially undirected" (a o- b) or "unknown" (a o-o b).
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
        """Kind of the edge written from a to b: None if none is, so that a -> b gives None for (b, a)."""
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
class SkeletonScore:
    """How well the pairs joined in a graph that was found are those joined in the true one (ours).

    Attributes
    ----------
    precision : float
        Share of the found pairs that are true; NaN if none was found.
    recall : float
        Share of the true pairs that were found; NaN if there are none.
    """

    precision: float
    recall: float


def structural_hamming_distance(a: CausalGraph, b: CausalGraph) -> int:
    """Count the pairs of nodes that are joined in another way, or in one graph only (ours).

    A missing, an extra and a differently directed edge count one each.

    Parameters
    ----------
    a, b : CausalGraph
        Graphs on the same nodes.

    Raises
    ------
    ValueError
        If the nodes differ.
    """
    _check_same_nodes(a, b)
    edges_a, edges_b = a._canonical()[1], b._canonical()[1]
    return len({frozenset(edge[:2]) for edge in edges_a ^ edges_b})


def skeleton_score(found: CausalGraph, true: CausalGraph) -> SkeletonScore:
    """Precision and recall of the pairs joined by any edge, directions aside (ours).

    Parameters
    ----------
    found, true : CausalGraph
        Graphs on the same nodes.

    Raises
    ------
    ValueError
        If the nodes differ.
    """
    _check_same_nodes(found, true)
    pairs_found, pairs_true = _skeleton(found), _skeleton(true)
    shared = len(pairs_found & pairs_true)
    return SkeletonScore(
        precision=shared / len(pairs_found) if pairs_found else float("nan"),
        recall=shared / len(pairs_true) if pairs_true else float("nan"),
    )


def _skeleton(graph: CausalGraph) -> set[frozenset[str]]:
    return {frozenset((a, b)) for a, b, _ in graph.edges}


def _check_same_nodes(a: CausalGraph, b: CausalGraph) -> None:
    different = sorted(set(a.nodes) ^ set(b.nodes))
    if different:
        raise ValueError(f"graphs: nodes {different} are in one graph only, expected the same nodes in both")
