r"""Pairs of galaxies that may be neighbours: all that are, and few that are not (ours).

A quick distance of every query galaxy to a block of the reference gives a bound on the k-th smallest distance; every
pair within the bound is a candidate. On a CPU the quick distance expands the square, which makes it one matrix product:

.. math:: |q - r|^2 = |q|^2 + |r|^2 - 2 q \cdot r

In float32 that loses small distances. By how much at most is known (Higham 2002, section 3.1), and the bound is
widened by it. So no neighbour is missed, whatever the vectors are; where they lie much closer to each other than to
their common mean there are just more candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["BACKENDS", "Backend", "Block"]

Pairs = tuple[np.ndarray, np.ndarray]

# Groups for each neighbour wanted, among whose minima the first bound is sought.
_GROUPS = 4
# Neighbours that faiss is asked for beyond those wanted.
_SPARE = 8


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive reference galaxies.

    Attributes
    ----------
    start : int
        Row of the first.
    vectors : float32 array [n, n_dimensions]
    expanded : float32 array [n_dimensions + 1, n]
        The vectors times -2, above their squared norms.
    """

    start: int
    vectors: np.ndarray
    expanded: np.ndarray

    @classmethod
    def of(cls, start: int, vectors: np.ndarray) -> Block:
        """Block of these vectors."""
        return cls(start, vectors, np.concatenate([-2 * vectors.T, _squared_norm(vectors)[None]]))


@dataclass(frozen=True)
class Backend:
    """A way to propose candidates.

    Attributes
    ----------
    propose : callable (query, block, farthest, k) -> (row, column)
        The pairs of query galaxies [n, n_dimensions] and galaxies of the block that may be among the k nearest, ordered
        by row. `farthest` [n] is the distance that a neighbour must not exceed by what is known so far, or infinity.
    n_rows, n_columns : int
        Query and reference galaxies to give it at a time.
    threaded : bool
        Whether it is to be called from several threads.
    """

    propose: Callable[[np.ndarray, Block, np.ndarray, int], Pairs]
    n_rows: int
    n_columns: int
    threaded: bool = False


def _squared_norm(vectors: np.ndarray) -> np.ndarray:
    return np.einsum("nd,nd->n", vectors, vectors)


def _widened(squared: np.ndarray, norm: np.ndarray | float, n_dimensions: int) -> np.ndarray:
    """Squared distances with room for the rounding of two quick distances.

    The error of one is at most (d + 2) 2^-23 (|q| + |r|)^2, and (|q| + |r|)^2 <= 8 |q|^2 + 2 |q - r|^2.
    """
    return squared + 2 * (n_dimensions + 8) * 2.0**-23 * (8 * norm + 2 * squared)


def _propose(query: np.ndarray, block: Block, farthest: np.ndarray, k: int) -> Pairs:
    """By a matrix product in numpy; the first bound is the k-th smallest of the minima of groups.

    The k smallest minima belong to k galaxies, so the k-th nearest galaxy is no farther. It is hardly nearer either: to
    find the minima of groups and then the k-th smallest is quicker than to find the k-th smallest of all.
    """
    score = np.column_stack([query, np.ones(len(query), np.float32)]) @ block.expanded
    n, n_dimensions = block.vectors.shape
    norm, bound = _squared_norm(query.astype(np.float64)), farthest.astype(np.float64) ** 2
    if n >= k and not np.isfinite(bound).all():
        size = max(1, n // (_GROUPS * k))
        lowest = score[:, : n // size * size].reshape(len(query), size, -1).min(axis=1)
        lowest.partition(k - 1, axis=1)
        bound = np.minimum(bound, np.maximum(lowest[:, k - 1] + norm, 0))
    limit = (_widened(bound, norm, n_dimensions) - norm).astype(np.float32)
    place = np.flatnonzero(score <= limit[:, None])
    row = np.repeat(np.arange(len(query)), np.diff(np.searchsorted(place, np.arange(len(query) + 1) * n)))
    return row, place - row * n


def _propose_faiss(query: np.ndarray, block: Block, farthest: np.ndarray, k: int) -> Pairs:
    """By faiss, which finds a few more than k; where these do not reach beyond the widened bound, by numpy."""
    import faiss

    found = min(k + _SPARE, len(block.vectors))
    squared, column = faiss.knn(query, block.vectors, found)
    norm, bound = _squared_norm(query.astype(np.float64)), farthest.astype(np.float64) ** 2
    if found >= k:
        bound = np.minimum(bound, squared[:, k - 1])
    limit = _widened(bound, norm, query.shape[1])
    cut_off = (squared[:, -1] <= limit) & (found < len(block.vectors))
    row, place = np.nonzero((squared <= limit[:, None]) & ~cut_off[:, None])
    rows, columns = [row], [column[row, place]]
    for i in np.flatnonzero(cut_off):
        _, more = _propose(query[i : i + 1], block, farthest[i : i + 1], k)
        rows.append(np.full(len(more), i))
        columns.append(more)
    row, chosen = np.concatenate(rows), np.concatenate(columns)
    order = np.argsort(row, kind="stable")
    return row[order], chosen[order]


def _propose_torch(query: np.ndarray, block: Block, farthest: np.ndarray, k: int) -> Pairs:
    """By torch, on the GPU where there is one, from differences: a GPU's matrix products may round to ten bits."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    distance = torch.cdist(
        torch.from_numpy(query).to(device),
        torch.from_numpy(block.vectors).to(device),
        compute_mode="donot_use_mm_for_euclid_dist",
    )
    bound = torch.from_numpy(farthest).to(device)
    if len(block.vectors) >= k and not torch.isfinite(bound).all():
        bound = torch.minimum(bound, distance.topk(k, largest=False, sorted=False).values.amax(dim=1))
    limit = torch.from_numpy(np.sqrt(_widened(bound.cpu().numpy().astype(np.float64) ** 2, 0.0, query.shape[1])))
    row, column = (distance <= limit.float().to(device)[:, None]).nonzero(as_tuple=True)
    return row.cpu().numpy(), column.cpu().numpy()


BACKENDS = {
    # What stays in a processor's cache; what keeps the threads of faiss busy; 128 MB on a GPU.
    "numpy": Backend(_propose, 64, 32_000, threaded=True),
    "faiss": Backend(_propose_faiss, 1024, 1 << 16),
    "torch": Backend(_propose_torch, 512, 1 << 16),
}
