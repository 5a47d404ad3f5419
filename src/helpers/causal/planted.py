"""Tables drawn from a graph of one's own, and triplets of S, mass and a property whose tie is known (ours)."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
import pandas as pd

from ..checks import is_number, is_whole
from .forks import Fork, draw_fork

__all__ = ["LINKS", "TRIPLETS", "draw_planted", "draw_triplet"]

LINKS = {
    "linear": lambda cause: cause,
    "bent": lambda cause: np.tanh(2 * cause) + cause / 4,
    "even": lambda cause: (cause**2 - 1) / np.sqrt(2),
}
# Whether mass and property are tied at given S.
TRIPLETS = {"fork": False, "chain": False, "collider": True, "fork and arrow": True}
STRENGTHS = (0.5, 1.0)
NOISE = 0.5  # of a triplet, in standard deviations of its causes


def draw_planted(
    edges: Sequence[Sequence[str | float]], n: int, *, link: str = "linear", noise: float = 1.0, seed: int = 0
) -> pd.DataFrame:
    """Draw a table whose causal graph is the one given (ours).

    Every variable is the sum of what its causes do and normal noise of its own, and is then scaled to mean 0 and
    variance 1, so that no order of variances gives the graph away (Reisach et al. 2021).

    Parameters
    ----------
    edges : sequence of (cause, effect) or (cause, effect, strength)
        Strengths that are not given are drawn by `seed` from 0.5 to 1, with either sign.
    n : int
        Rows.
    link : {"linear", "bent", "even"}
        What a cause does: its value; a monotone bend of it; or its square, which no correlation sees.
    noise : float, default 1
        Standard deviation of the noise, where that of every cause is 1.
    seed : int, default 0

    Returns
    -------
    DataFrame, [n, n_variables]
        Columns in the order in which the edges name them. Leave one out, and it is a hidden variable.

    Raises
    ------
    ValueError
        If an edge is no pair of different names with a number, stands twice or closes a cycle, or an argument is out of
        its range.
    """
    if link not in LINKS:
        raise ValueError(f"link: found {link!r}, expected one of {', '.join(LINKS)}")
    if not is_whole(n) or n < 2:
        raise ValueError(f"n: found {n!r}, expected a whole number from 2")
    if not is_number(noise) or not 0 < noise < np.inf:
        raise ValueError(f"noise: found {noise!r}, expected a positive number")
    rng = np.random.default_rng([seed, 41])
    graph = _graph_of(edges, rng)
    columns: dict[str, np.ndarray] = {}
    for name in nx.topological_sort(graph):
        values = noise * rng.standard_normal(n)
        for cause in graph.predecessors(name):
            values += graph.edges[cause, name]["strength"] * LINKS[link](columns[cause])
        columns[name] = (values - values.mean()) / values.std()
    return pd.DataFrame({name: columns[name] for name in graph})


def draw_triplet(kind: str, n: int, n_dimensions: int, *, strength: float = 0.3, seed: int = 0) -> Fork:
    """Draw S, mass and a property in one of the ways in which three things can hang together (ours).

    Parameters
    ----------
    kind : {"fork", "chain", "collider", "fork and arrow"}
        "fork": S causes both, along straight lines. "chain": the property causes S, which causes the mass.
        "collider": mass and property, independent, both cause S. "fork and arrow": as a fork, and the property is tied
        to the mass at given S. At given S the two are tied in the last two alone.
    n : int
    n_dimensions : int
        Of S, at least 2.
    strength : float, default 0.3
        Correlation of mass and property at given S, of "fork and arrow" alone.
    seed : int, default 0

    Returns
    -------
    Fork

    Raises
    ------
    ValueError
        If the kind is unknown or S has fewer than 2 dimensions.
    """
    if kind not in TRIPLETS:
        raise ValueError(f"kind: found {kind!r}, expected one of {', '.join(TRIPLETS)}")
    if not is_whole(n_dimensions) or n_dimensions < 2:
        raise ValueError(f"n_dimensions: found {n_dimensions!r}, expected a whole number from 2")
    if kind.startswith("fork"):
        return draw_fork(n, n_dimensions, "linear", partial_correlation=strength * TRIPLETS[kind], seed=seed)
    rng = np.random.default_rng([seed, n_dimensions, 42])
    own, other = rng.standard_normal((2, n))
    to_s, across = np.linalg.qr(rng.standard_normal((n_dimensions, 2)))[0].T
    scatter = rng.standard_normal((n, n_dimensions))
    if kind == "collider":
        both = (to_s + across) / np.sqrt(2)
        return Fork(own[:, None] * to_s + other[:, None] * both + NOISE * scatter, own, other)
    latent = other[:, None] * to_s + scatter
    return Fork(latent, latent @ (to_s + across) + NOISE * own, other)


def _graph_of(edges: Sequence[Sequence[str | float]], rng: np.random.Generator) -> nx.DiGraph:
    """Directed graph with a strength at every edge."""
    graph: nx.DiGraph = nx.DiGraph()
    for edge in edges:
        named = len(edge) in (2, 3) and all(isinstance(name, str) and name for name in edge[:2])
        if not named or edge[0] == edge[1] or graph.has_edge(*edge[:2]):
            raise ValueError(f"edges: found {edge!r}, expected each pair of different names once, and its strength")
        low, high = STRENGTHS
        drawn = rng.choice([-1.0, 1.0]) * rng.uniform(low, high)
        strength = edge[2] if len(edge) == 3 else drawn
        if not is_number(strength) or not np.isfinite(strength):
            raise ValueError(f"edges: found the strength {strength!r} in {edge!r}, expected a finite number")
        graph.add_edge(*edge[:2], strength=float(strength))
    if not graph:
        raise ValueError("edges: found none, expected at least one")
    if not nx.is_directed_acyclic_graph(graph):
        raise ValueError(f"edges: found the cycle {nx.find_cycle(graph)}, expected a graph without cycles")
    return graph
