"""Neighbours, tests among them and pictures, for catalogues that take one process too long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from distributed import Client

from helpers.causal import LocalTest, local_test
from helpers.causal.neighbourhoods import block_size
from helpers.grid.chunks import Rows, map_chunks, opened
from helpers.neighbours import Neighbours, nearest_neighbours
from helpers.survey.sdss.cutouts import PLACE, Cutouts, cut_galaxies, fields_of, positions
from helpers.survey.sdss.patience import Politeness

__all__ = ["cutouts_in_chunks", "local_test_in_chunks", "nearest_neighbours_in_chunks"]

Result = TypeVar("Result", Neighbours, LocalTest, Cutouts)


def nearest_neighbours_in_chunks(
    reference: Rows, query: Rows, k: int, *, chunk: int = 20_000, client: Client | None = None, **options: Any
) -> Neighbours:
    """Find neighbours of so many query galaxies at a time; the answer is that of `helpers.neighbours`.

    Parameters
    ----------
    reference, query : array or path
        Latent vectors [n, n_dimensions]. An array is sent to the workers, not with every chunk; of a path to a .npy
        file, which all workers have to see, each worker reads what it needs.
    k : int
    chunk : int, default 20,000
        Query galaxies at a time.
    client : distributed.Client, optional
        As `open_client` gives it. Default: this process searches for one chunk after the other.
    **options
        As `helpers.neighbours.nearest_neighbours` has them.

    Returns
    -------
    Neighbours

    Raises
    ------
    ValueError
        As `helpers.neighbours.nearest_neighbours` and `map_chunks`.
    """
    ids = {name: options.pop(name) for name in ("reference_id", "query_id") if options.get(name) is not None}
    arrays: dict[str, Rows] = {"reference": reference, "query": query, **ids}
    work = partial(_neighbours_of, k=k, **options)
    n_rows = max(len(opened(query)), 1)  # no galaxies are for the function itself to refuse
    return _joined(Neighbours, map_chunks(work, n_rows, chunk=chunk, client=client, arrays=arrays))


def _neighbours_of(
    rows: slice,
    reference: np.ndarray,
    query: np.ndarray,
    reference_id: np.ndarray | None = None,
    query_id: np.ndarray | None = None,
    **options: Any,
) -> Neighbours:
    own = None if query_id is None else query_id[rows]
    return nearest_neighbours(
        reference, query[rows], reference_id=reference_id, query_id=own, first=rows.start, **options
    )


def local_test_in_chunks(
    target: Rows,
    query: Rows,
    index: Rows,
    given: Rows | None = None,
    latent: Rows | None = None,
    *,
    seed: int = 0,
    chunk: int = 20_000,
    client: Client | None = None,
) -> LocalTest:
    """Test so many neighbourhoods at a time; the answer is that of `helpers.causal.local_test`, its nulls included.

    Parameters
    ----------
    target, query, index, given, latent : array or path
        As `helpers.causal.local_test` has them, or paths as in `nearest_neighbours_in_chunks`.
    seed : int, default 0
    chunk : int, default 20,000
        Neighbourhoods at a time, rounded up to what shares random numbers.
    client : distributed.Client, optional

    Returns
    -------
    LocalTest

    Raises
    ------
    ValueError
        As `helpers.causal.local_test` and `map_chunks`.
    """
    arrays = {"target": target, "query": query, "index": index, "given": given, "latent": latent}
    whole = opened(index)
    at_once = block_size(whole.shape[1]) if whole.ndim == 2 and whole.shape[1] else 1
    parts = map_chunks(
        partial(_tests_of, seed=seed),
        max(len(whole), 1),
        chunk=-(-chunk // at_once) * at_once,
        client=client,
        arrays={name: values for name, values in arrays.items() if values is not None},
    )
    return _joined(LocalTest, parts)


def _tests_of(rows: slice, target: np.ndarray, query: np.ndarray, index: np.ndarray, **options: Any) -> LocalTest:
    return local_test(target, query, index[rows], first=rows.start, **options)


def cutouts_in_chunks(
    table: pd.DataFrame,
    directory: str | Path,
    *,
    size: int = 64,
    chunk: int = 20,
    client: Client | None = None,
) -> Cutouts:
    """Cut galaxies from frames that are at hand; the answer is that of `helpers.survey.sdss.cutouts.cut_galaxies`.

    Fetching is left to one process, which keeps to what the archive asks of a user. The workers share the time, not
    the memory: all pictures come back to the caller, 82 kB of each galaxy at the default size.

    Parameters
    ----------
    table : DataFrame [n]
        As `cut_galaxies` has it.
    directory : path
        Of the frames. All workers have to see it under the same name.
    size : int, default 64
    chunk : int, default 20
        Fields at a time: the frames of each are read once.
    client : distributed.Client, optional

    Returns
    -------
    Cutouts

    Raises
    ------
    ValueError
        As `cut_galaxies` and `map_chunks`.
    """
    positions(table, size)
    rows = list(fields_of(table).values())
    if not rows:
        return Cutouts.empty(0, size)
    order, first = np.concatenate(rows), np.cumsum([0, *map(len, rows)])
    arrays = {name: table[name].to_numpy()[order] for name in ("ra", "dec", *PLACE)}
    work = partial(_cutouts_of, directory=str(Path(directory).resolve()), size=size)
    found = _joined(Cutouts, map_chunks(work, len(rows), chunk=chunk, client=client, arrays={"first": first} | arrays))
    return Cutouts(*(getattr(found, one.name)[np.argsort(order)] for one in fields(Cutouts)))


def _cutouts_of(of_fields: slice, first: np.ndarray, directory: str, size: int, **columns: np.ndarray) -> Cutouts:
    rows = slice(first[of_fields.start], first[of_fields.stop])
    table = pd.DataFrame({name: values[rows] for name, values in columns.items()})
    return cut_galaxies(table, directory, Politeness(), size=size)


def _joined(kind: type[Result], parts: Sequence[Result]) -> Result:
    """Results of consecutive rows as one."""
    return kind(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(kind)))
