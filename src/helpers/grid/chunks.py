"""Work on the rows of a catalogue that is too large to be worked on at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client

from helpers.checks import check_count, is_whole

__all__ = ["Rows", "map_chunks", "opened"]

# Values by row, or the .npy file that holds them.
Rows = str | Path | np.ndarray


def map_chunks(
    function: Callable[..., Any],
    n_rows: int,
    *,
    chunk: int,
    client: Client | None = None,
    arrays: Mapping[str, Rows] | None = None,
) -> list[Any]:
    """Call a function for consecutive rows.

    Parameters
    ----------
    function : callable
        Called with each slice of rows, and with `arrays` as keywords. It travels to the workers, and what it returns
        travels back.
    n_rows : int
        Rows in all.
    chunk : int
        Rows of a slice; the last may have fewer.
    client : distributed.Client, optional
        As `open_client` gives it. Default: this process makes one chunk after the other.
    arrays : mapping of str to array or path, optional
        What the function reads, whole. An array is sent to the workers, not with every chunk. Of a path to a .npy
        file, which all workers have to see, each reads what it needs.

    Returns
    -------
    list
        What the function returned, in the order of the rows, whatever the order in which they were done.

    Raises
    ------
    ValueError
        If `n_rows` or `chunk` is not a number of rows.
    Exception
        What the function raised.
    """
    check_count("n_rows", n_rows)
    if not is_whole(chunk) or chunk < 1:
        raise ValueError(f"chunk: found {chunk!r}, expected a positive whole number")
    slices = [slice(start, min(start + chunk, n_rows)) for start in range(0, n_rows, chunk)]
    work, read = partial(_with_files_open, function), dict(arrays or {})
    if client is None:
        return [work(rows, **read) for rows in slices]
    client.wait_for_workers(1)  # of a batch system they may still be in line
    sent: dict[str, Any] = {
        name: str(Path(values).resolve())
        if isinstance(values, str | Path)
        else client.scatter(np.asarray(values), broadcast=True, hash=False)
        for name, values in read.items()
    }
    return client.gather(client.map(work, slices, pure=False, **sent))


def opened(values: Rows) -> np.ndarray:
    """Array, or that of a .npy file, of which is read what is asked for."""
    return np.load(values, mmap_mode="r") if isinstance(values, str | Path) else np.asarray(values)


def _with_files_open(function: Callable[..., Any], rows: slice, **arrays: Rows) -> Any:
    return function(rows, **{name: opened(values) for name, values in arrays.items()})
