"""Work on the rows of a catalogue that is too large to be worked on at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from distributed import Client

from helpers.checks import check_count, is_whole

__all__ = ["map_chunks"]


def map_chunks(function: Callable[[slice], Any], n_rows: int, *, chunk: int, client: Client | None = None) -> list[Any]:
    """Call a function for consecutive rows.

    Parameters
    ----------
    function : callable
        Called with each slice of rows. It travels to the workers, so it should open what it reads, such as a memory
        map, rather than hold it; what it returns travels back.
    n_rows : int
        Rows in all.
    chunk : int
        Rows of a slice; the last may have fewer.
    client : distributed.Client, optional
        As `open_client` gives it. Default: this process makes one chunk after the other.

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
    if client is None:
        return [function(rows) for rows in slices]
    return client.gather(client.map(function, slices, pure=False))
