"""A sample made chunk by chunk: in parallel, resumable, and the same bytes whoever makes it.

Chunk k is made from its number alone, so it depends neither on how many galaxies are asked for nor on how many
processes share the work. A chunk is a folder that appears in one step, whole, and is never made twice. Beside its
tables and images it keeps a record of their sizes and checksums, by which a damaged chunk is told and made anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..checks import is_whole
from ..progress import progress_bar
from .chunk_files import IMAGES, TABLES, chunk_folder, intact_rows, remove_chunk, sweep, write_chunk
from .stored import StoredImages

__all__ = ["ChunkError", "ChunkedStore", "build"]

# So many empty chunks from the first on are a mistake in what makes them.
EMPTY_CHUNKS = 100


class ChunkError(RuntimeError):
    """A chunk could not be made. Those made before it are kept.

    Attributes
    ----------
    chunk : int
        Its number.
    """

    def __init__(self, message: str, chunk: int) -> None:
        super().__init__(message, chunk)
        self.chunk = chunk

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class ChunkedStore:
    """The first n galaxies of the chunks in a folder.

    Attributes
    ----------
    directory : path
    catalog, truth : DataFrame [n]
        What was measured, and what is true; numbered from 0.
    beyond : DataFrame
        Catalogue of the galaxies of the last chunk that are not among the first n.
    images : StoredImages [n, band, y, x]
        Read from the chunks when asked for.
    chunk_rows : tuple of int
        Number of galaxies in each chunk, the last of which may be used in part.
    """

    directory: Path
    catalog: pd.DataFrame
    truth: pd.DataFrame
    beyond: pd.DataFrame
    images: StoredImages
    chunk_rows: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.catalog)


def build(
    directory: str | os.PathLike[str],
    make_chunk: Callable[[int], Mapping[str, Any]],
    n_rows: int,
    *,
    n_processes: int | None = None,
    n_chunks: int | None = None,
    description: str = "mock galaxies",
    full_check: bool = False,
) -> ChunkedStore:
    """Make the chunks 0, 1, 2, ... that are not there yet, until they hold `n_rows` galaxies, and open them.

    Parameters
    ----------
    directory : path
        Of one set of settings and one seed. Two processes may build it at once: each chunk is kept from whoever
        finishes it first.
    make_chunk : callable
        From a chunk's number to a mapping of ``catalog`` and ``truth`` (DataFrames of m rows) and ``images``
        (float32 [m, band, y, x]). m may differ from chunk to chunk, and be 0. The function must depend on the number
        alone, and be picklable when there are several processes.
    n_rows : int
        Galaxies wanted; the sample is the first `n_rows` of the chunks in their order.
    n_processes : int, optional
        Default: one for each core that this process may use, or for each worker of the backend of joblib that is
        active. 1 makes the chunks in this process.
    n_chunks : int, optional
        How many chunks can be made at all. Several processes begin chunks that may turn out not to be needed; they
        begin none from this number on. Default: any number can.
    description : str
        What the progress bar says.
    full_check : bool, default False
        Read every image file found, and compare its checksum. Otherwise its size is compared, and the checksums of
        the tables.

    Returns
    -------
    ChunkedStore

    Raises
    ------
    ChunkError
        If `make_chunk` fails or returns something else, a chunk cannot be written, or `n_chunks` do not hold `n_rows`
        galaxies.
    OSError
        If the folder cannot be made or read.
    Exception
        What a backend of the caller's raises for a worker that was killed.
    ValueError
        If a number is not a positive whole number.
    """
    for name, value in (
        ("n_rows", n_rows),
        ("n_processes", 1 if n_processes is None else n_processes),
        ("n_chunks", 1 if n_chunks is None else n_chunks),
    ):
        if not is_whole(value) or value < 1:
            raise ValueError(f"{name}: found {value!r}, expected a positive whole number")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    sweep(directory)
    rows = _intact_chunks(directory, n_rows, full_check=full_check)
    done = _contiguous(rows)
    if done < n_rows:
        with progress_bar(n_rows, description, done=done, unit="galaxy") as bar:
            for number, made in _make_missing(directory, make_chunk, n_rows, rows, n_processes, n_chunks):
                rows[number] = made
                bar.update(min(sum(rows.values()), n_rows) - bar.n)
    return _open(directory, rows, n_rows)


def _make_missing(
    directory: Path,
    make_chunk: Callable[[int], Mapping[str, Any]],
    n_rows: int,
    rows: dict[int, int],
    n_processes: int | None,
    n_chunks: int | None,
) -> Iterator[tuple[int, int]]:
    """Make missing chunks until `rows`, which the caller keeps, holds enough; gives number and rows of each."""
    import joblib

    n_processes = n_processes or joblib.effective_n_jobs(-1)
    while _contiguous(rows) < n_rows:
        if n_chunks is not None and all(number in rows for number in range(n_chunks)):
            raise ChunkError(
                f"n_chunks: the {n_chunks} chunks of {directory} hold {sum(rows.values())} galaxies, expected {n_rows}",
                n_chunks,
            )
        wanted = _next_chunks(rows, n_rows, n_processes, n_chunks)
        if n_processes == 1:
            for number in wanted:
                yield _make_one(directory, make_chunk, number)
            continue
        # One chunk ahead for each process, so that none waits and few too many are made.
        with _where_to_compute():
            parallel = joblib.Parallel(
                n_processes, return_as="generator_unordered", pre_dispatch="n_jobs", batch_size=1
            )
            try:
                yield from parallel(joblib.delayed(_make_one)(directory, make_chunk, number) for number in wanted)
            except BrokenProcessPool:
                first = next(number for number in range(len(rows) + 1) if number not in rows)
                raise ChunkError(
                    f"chunk {first} of {directory}, or one after it: its process was killed, perhaps for want of "
                    "memory. What is finished is kept: call again, perhaps with fewer processes",
                    first,
                ) from None


def _where_to_compute() -> AbstractContextManager[Any]:
    """The backend of joblib that the caller chose, such as dask; by default processes of one thread each.

    Threads of one process would set the number of each other's threads.
    """
    import joblib

    backend = joblib.parallel.get_active_backend()[0]
    if getattr(backend, "uses_threads", False) or isinstance(backend, joblib.parallel.LokyBackend):
        return joblib.parallel_config(backend="loky", inner_max_num_threads=1)
    return nullcontext()


def _next_chunks(rows: dict[int, int], n_rows: int, n_processes: int, n_chunks: int | None) -> Iterator[int]:
    """Numbers of the chunks to make, for as long as those made and under way will not do.

    `rows` grows while this runs. A chunk under way is taken to hold the mean of those known; while none is known, one
    chunk for each process is begun.
    """
    begun: set[int] = set()
    number = 0
    while True:
        while number in rows or number in begun:
            number += 1
        if number >= EMPTY_CHUNKS and not any(rows.values()) and rows:
            raise ChunkError(f"make_chunk: the first {len(rows)} chunks are empty", max(rows))
        known = {chunk: held for chunk, held in list(rows.items()) if chunk < number}
        under_way = begun - known.keys()
        if known:
            expected = sum(known.values()) * (1 + len(under_way) / len(known))
            enough = expected >= n_rows
        else:
            enough = len(under_way) >= n_processes
        if enough or (n_chunks is not None and number >= n_chunks):
            return
        begun.add(number)
        yield number


def _make_one(directory: Path, make_chunk: Callable[[int], Mapping[str, Any]], number: int) -> tuple[int, int]:
    """Make and write one chunk; gives its number and how many rows it holds."""
    from threadpoolctl import threadpool_limits

    try:
        # With one thread everywhere: sums split otherwise would differ in their last bits.
        with threadpool_limits(limits=1):
            chunk = make_chunk(number)
        return number, write_chunk(directory, number, *_checked(chunk))
    except Exception as error:
        free = (
            f" ({shutil.disk_usage(directory).free / 1e6:.0f} MB are free there)" if isinstance(error, OSError) else ""
        )
        raise ChunkError(f"chunk {number} of {directory}: {type(error).__name__}: {error}{free}", number) from error


def _checked(chunk: Mapping[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    catalog, truth, images = chunk["catalog"], chunk["truth"], np.asarray(chunk["images"])
    if images.ndim != 4 or images.dtype != np.float32:
        raise ValueError(f"images: found {images.dtype} {images.shape}, expected float32 (m, band, y, x)")
    if not len(catalog) == len(truth) == len(images):
        raise ValueError(
            f"chunk: found {len(catalog)} rows of catalog, {len(truth)} of truth and {len(images)} images, "
            "expected as many of each"
        )
    return catalog, truth, images


def _intact_chunks(directory: Path, n_rows: int, *, full_check: bool) -> dict[int, int]:
    """Rows of the chunks found whole, as far as they are needed; damaged ones are removed."""
    rows: dict[int, int] = {}
    for folder in sorted(folder for folder in directory.iterdir() if folder.name.isdigit()):
        if _contiguous(rows) >= n_rows:
            break
        held = intact_rows(folder, full_check=full_check)
        if held is None:
            remove_chunk(folder)
        else:
            rows[int(folder.name)] = held
    return rows


def _open(directory: Path, rows: dict[int, int], n_rows: int) -> ChunkedStore:
    total = 0
    numbers: list[int] = []
    while total < n_rows:
        numbers.append(len(numbers))
        total += rows[numbers[-1]]
    folders = [chunk_folder(directory, number) for number in numbers]
    filled = [folder for number, folder in zip(numbers, folders, strict=True) if rows[number]]
    catalog, truth = (
        pd.concat([pd.read_parquet(folder / name) for folder in filled], ignore_index=True) for name in TABLES
    )
    images = StoredImages([folder / IMAGES for folder in filled], np.arange(n_rows))
    return ChunkedStore(
        directory,
        catalog.head(n_rows),
        truth.head(n_rows),
        catalog.iloc[n_rows:],
        images,
        tuple(rows[number] for number in numbers),
    )


def _contiguous(rows: dict[int, int]) -> int:
    """Rows of the chunks from the first up to the first gap."""
    total, number = 0, 0
    while number in rows:
        total += rows[number]
        number += 1
    return total
