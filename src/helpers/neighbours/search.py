"""Exact k nearest neighbours in S, by exhaustive search with bounded memory (ours).

A backend of `helpers.neighbours.candidates` only proposes pairs, more than enough of them. Here they are measured, from
differences, and sorted by distance and then by reference row. So the answer does not depend on the backend, on how the
arrays were cut into blocks, or on how many vectors are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_count, is_whole
from ..cores import available_cores
from ..progress import progress_bar
from .candidates import BACKENDS, Backend, Block

__all__ = ["Neighbours", "nearest_neighbours"]

# Rows read at a time where an array is only looked through.
_ROWS = 1 << 16
# A reference of more float32 values than this, half a GiB, is searched part by part.
_REFERENCE_VALUES = 1 << 27
# Pairs measured at a time.
_PAIRS = 1 << 18
# Pairs of galaxies from which on a GPU is worth asking for, and from which on, some seconds of work on two cores, one
# wants to see the search advance.
_MANY, _LONG = 10**9, 10**10

# A candidate is one number that sorts as it should: the bits of its distance, a float32 that is not negative, above its
# reference row.
_SHIFT = np.uint64(32)
_ROW = np.uint64(0xFFFFFFFF)
_NONE = (np.uint64(np.float32(np.inf).view(np.uint32)) << _SHIFT) | _ROW

Keys = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k nearest reference galaxies of each query galaxy, nearest first.

    Attributes
    ----------
    distance : float32 array [n_query, k]
        Euclidean distance in S.
    index : int64 array [n_query, k]
        Row numbers in the reference. Of equal distances the lower row comes first.
    """

    distance: np.ndarray
    index: np.ndarray

    def first(self, k: int) -> Neighbours:
        """The nearest k of them.

        Raises
        ------
        ValueError
            If there are fewer than k.
        """
        if not 1 <= k <= self.index.shape[1]:
            raise ValueError(f"k: found {k}, expected 1 to {self.index.shape[1]}, the number of neighbours searched")
        return Neighbours(self.distance[:, :k], self.index[:, :k])


def nearest_neighbours(
    reference: np.ndarray,
    query: np.ndarray,
    k: int,
    *,
    exclude_self: bool = True,
    reference_id: np.ndarray | None = None,
    query_id: np.ndarray | None = None,
    first: int = 0,
    backend: str = "auto",
) -> Neighbours:
    """Find the k nearest reference galaxies of each query galaxy by exhaustive search.

    Distances are those of float32 vectors, after the mean of the reference was taken off in float64. Beside its result
    the search needs 8 (k + 1) bytes for each query galaxy, the reference twice in float32, or 1 GiB if that is less,
    and some 100 MB. Both arrays may be memory maps larger than memory; they are read in blocks.

    Parameters
    ----------
    reference : array [n_reference, n_dimensions]
        Latent vectors of the galaxies to find, in general the training split. At most 2^32 - 1.
    query : array [n_query, n_dimensions]
    k : int
        Number of neighbours.
    exclude_self : bool, default True
        Leave out the query galaxy itself where it is in the reference (ours). False keeps it, as its own first
        neighbour (paper).
    reference_id : array [n_reference], optional
        Identifiers, no two of them equal, that say with `query_id` which query galaxy is which reference galaxy. Give
        both or neither. Without them a reference galaxy with exactly the same vector is taken for the query itself:
        that of the same row number where there is one, else the first.
    query_id : array [n_query], optional
        Identifiers of the query galaxies.
    first : int, default 0
        Where `query` is a part of a larger one: the row at which it begins there. Parts then give what the whole would
        have given.
    backend : {"auto", "numpy", "faiss", "torch"}
        What proposes candidates; the answer is the same. ``auto`` takes torch where there is a GPU and
        enough to do, else numpy, on all cores or as many as the variable ``OMP_NUM_THREADS`` says.

    Returns
    -------
    Neighbours

    Raises
    ------
    ValueError
        If shapes disagree, values are not finite, k exceeds the reference, one of the identifiers is given alone, a
        `reference_id` repeats, the backend is unknown, or `first` is no row number.
    """
    check_count("first", first)
    reference, query = _checked("reference", reference), _checked("query", query)
    if reference.shape[1] != query.shape[1]:
        raise ValueError(f"query: found {query.shape[1]} dimensions, expected the reference's {reference.shape[1]}")
    if backend not in ("auto", *BACKENDS):
        raise ValueError(f"backend: found {backend!r}, expected one of auto, {', '.join(BACKENDS)}")
    if (reference_id is None) != (query_id is None):
        raise ValueError("reference_id and query_id: found one of them, expected both or neither")
    for name, ids, vectors in (("reference_id", reference_id, reference), ("query_id", query_id, query)):
        if ids is not None and np.shape(ids) != (len(vectors),):
            raise ValueError(f"{name}: found shape {np.shape(ids)}, expected ({len(vectors)},)")
    if reference_id is not None:
        _refuse_repeated("reference_id", reference_id)
    most = len(reference) - bool(exclude_self)
    if not is_whole(k):
        raise ValueError(f"k: found {k!r}, expected a whole number")
    if not 1 <= k <= most:
        raise ValueError(f"k: found {k}, expected 1 to {most} for {len(reference)} reference galaxies")

    centre = _centre("reference", reference)
    _centre("query", query)
    keys = _search(reference, query, centre, k + bool(exclude_self), _choose(backend, len(query) * len(reference)))
    if not exclude_self:
        return Neighbours(_distance_of(keys), _row_of(keys))
    found = Neighbours(np.empty((len(query), k), np.float32), np.empty((len(query), k), np.int64))
    for rows in _slices(len(query), _ROWS):
        distance, index = _distance_of(keys[rows]), _row_of(keys[rows])
        if reference_id is not None and query_id is not None:
            itself = np.asarray(reference_id)[index] == np.asarray(query_id[rows])[:, None]
        else:
            itself = _twins(reference, query[rows], centre, first + rows.start, distance, index)
        # Drop one match per galaxy, or the farthest neighbour where there is none.
        keep = np.arange(k + 1) != np.where(itself.any(axis=1), itself.argmax(axis=1), k)[:, None]
        found.distance[rows], found.index[rows] = distance[keep].reshape(-1, k), index[keep].reshape(-1, k)
    return found


def _checked(name: str, values: np.ndarray) -> np.ndarray:
    values = values if isinstance(values, np.ndarray) else np.asarray(values)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"{name}: found shape {values.shape}, expected (n_galaxies, n_dimensions)")
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{name}: found values of type {values.dtype}, expected real numbers")
    return values


def _refuse_repeated(name: str, ids: np.ndarray) -> None:
    values, count = np.unique(ids, return_counts=True)
    if count.max() > 1:
        raise ValueError(
            f"{name}: found {values[count.argmax()]} for {count.max()} galaxies, expected an identifier of its own for "
            "each"
        )


def _slices(stop: int, size: int, start: int = 0) -> list[slice]:
    return [slice(first, min(first + size, stop)) for first in range(start, stop, size)]


def _centre(name: str, values: np.ndarray) -> np.ndarray:
    """Mean vector, float64; refuses vectors that are not finite, or so long that their squares are not."""
    total = np.zeros(values.shape[1])
    bad: list[np.ndarray] = []
    largest = 0.0
    for rows in _slices(len(values), _ROWS):
        part = np.asarray(values[rows], dtype=np.float64)
        finite = np.isfinite(part).all(axis=1)
        bad.append(rows.start + np.flatnonzero(~finite))
        if finite.all():
            total += part.sum(axis=0)
            largest = max(largest, float(np.abs(part).max()))
    wrong = np.concatenate(bad)
    if len(wrong):
        raise ValueError(f"{name}: {len(wrong)} of {len(values)} vectors are not finite, the first in row {wrong[0]}")
    if largest > 1e15:
        raise ValueError(f"{name}: found a value of size {largest:.1e}, expected at most 1e15; rescale the vectors")
    return total / len(values)


def _centred(values: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Centring changes no distance, and keeps float32 from losing small ones to a large common offset."""
    return (np.asarray(values, dtype=np.float64) - centre).astype(np.float32)


def _twins(
    reference: np.ndarray, query: np.ndarray, centre: np.ndarray, first: int, distance: np.ndarray, index: np.ndarray
) -> np.ndarray:
    """Which neighbours have the query's own vector; of several, only that of the query's row if it is one of them."""
    number = first + np.arange(len(query))
    same = np.zeros(len(query), dtype=bool)
    beside = _centred(reference[first : first + len(query)], centre)
    same[: len(beside)] = (beside == _centred(query, centre)[: len(beside)]).all(axis=1)
    return np.where(same[:, None], index == number[:, None], distance == 0)


def _choose(name: str, n_pairs: int) -> Backend:
    if name == "auto":
        name = "torch" if n_pairs > _MANY and _has_gpu() else "numpy"
    return BACKENDS[name]


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _search(reference: np.ndarray, query: np.ndarray, centre: np.ndarray, k: int, backend: Backend) -> Keys:
    """The k smallest keys of each query galaxy, sorted."""
    keys = np.full((len(query), k), _NONE)
    tiles = _slices(len(query), backend.n_rows)
    parts = _slices(len(reference), max(1, _REFERENCE_VALUES // reference.shape[1]))
    bar = progress_bar(len(tiles) * len(parts), "neighbours", unit="tile", hidden=len(query) * len(reference) < _LONG)
    with bar, _workers() if backend.threaded else nullcontext(map) as run:
        for part in parts:
            blocks = [
                Block.of(rows.start, _centred(reference[rows], centre))
                for rows in _slices(part.stop, backend.n_columns, part.start)
            ]
            for _ in run(partial(_search_tile, query, centre, keys, blocks, backend), tiles):
                bar.update()
    return keys


@contextmanager
def _workers() -> Iterator[Callable[..., Iterator[Any]]]:
    """A map over threads, one for each core, that have a BLAS of one thread each."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(available_cores()) as pool:
        yield pool.map


def _search_tile(
    query: np.ndarray, centre: np.ndarray, keys: Keys, blocks: list[Block], backend: Backend, rows: slice
) -> None:
    """Bring the keys of some query galaxies up to date with more of the reference, in place."""
    vectors, best = _centred(query[rows], centre), keys[rows]
    for block in blocks:
        farthest = _distance_of(best[:, -1])
        row, column = backend.propose(vectors, block, farthest, keys.shape[1])
        distance = _measure(vectors, block.vectors, row, column)
        found = (distance.view(np.uint32).astype(np.uint64) << _SHIFT) | (column + block.start).astype(np.uint64)
        best[:] = _smallest(best, row, found)


def _measure(query: np.ndarray, vectors: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Distances of pairs, from differences, float32 [n_pairs]."""
    distance = np.empty(len(row), dtype=np.float32)
    for some in _slices(len(row), _PAIRS):
        difference = np.take(vectors, column[some], axis=0)
        difference -= np.take(query, row[some], axis=0)
        distance[some] = np.sqrt(np.einsum("pd,pd->p", difference, difference))
    return distance


def _smallest(best: Keys, row: np.ndarray, found: Keys) -> Keys:
    """The smallest keys of each row of `best` and what was found for it; `row` ascends."""
    k = best.shape[1]
    start = np.searchsorted(row, np.arange(len(best) + 1))
    table = np.full((len(best), k + int(np.diff(start).max())), _NONE)
    table[:, :k] = best
    table[row, k + np.arange(len(row)) - start[row]] = found
    table.sort(axis=1)
    return table[:, :k]


def _distance_of(keys: Keys) -> np.ndarray:
    return (keys >> _SHIFT).astype(np.uint32).view(np.float32)


def _row_of(keys: Keys) -> np.ndarray:
    return (keys & _ROW).astype(np.int64)
