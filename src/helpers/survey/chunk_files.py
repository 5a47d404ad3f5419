"""One chunk on the disk: a folder that appears in one step, whole, with a record by which damage is told."""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from pathlib import Path

import numpy as np
import pandas as pd

from ..runs import file_sha256

__all__ = ["IMAGES", "TABLES", "chunk_folder", "intact_rows", "remove_chunk", "sweep", "write_chunk"]

TABLES = ("catalog.parquet", "truth.parquet")
IMAGES = "images.npy"
RECORD = "record.json"
UNFINISHED = ".unfinished-"
# A chunk is written in seconds; a folder untouched for so long was left by a process that died.
ABANDONED_AFTER = 900.0  # seconds


def write_chunk(directory: Path, number: int, catalog: pd.DataFrame, truth: pd.DataFrame, images: np.ndarray) -> int:
    """Write a chunk under a temporary name and rename it; gives the rows of the chunk that stands there then."""
    temporary = _new_folder(directory)
    try:
        for name, table in zip(TABLES, (catalog, truth), strict=True):
            table.reset_index(drop=True).to_parquet(temporary / name)
        np.save(temporary / IMAGES, np.ascontiguousarray(images), allow_pickle=False)
        files = {
            name: {"size": (temporary / name).stat().st_size, "sha256": file_sha256(temporary / name)}
            for name in (*TABLES, IMAGES)
        }
        (temporary / RECORD).write_text(json.dumps({"rows": len(catalog), "files": files}, indent=1))
        for name in (*TABLES, IMAGES, RECORD):
            _flush(temporary / name)
        try:
            os.rename(temporary, chunk_folder(directory, number))
            _flush(directory)
        except OSError:
            # Somebody else finished this chunk meanwhile: the same bytes, so theirs will do.
            theirs = intact_rows(chunk_folder(directory, number), full_check=False)
            if theirs is None:
                raise
            return theirs
        return len(catalog)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def intact_rows(folder: Path, *, full_check: bool) -> int | None:
    """Number of rows of a chunk, or None if it is damaged."""
    try:
        record = json.loads((folder / RECORD).read_text())
        for name in (*TABLES, IMAGES):
            expected = record["files"][name]
            if (folder / name).stat().st_size != expected["size"]:
                return None
            if (name in TABLES or full_check) and file_sha256(folder / name) != expected["sha256"]:
                return None
        return int(record["rows"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def chunk_folder(directory: Path, number: int) -> Path:
    """Folder of a chunk: five digits, so that names sort as numbers do."""
    return directory / f"{number:05d}"


def _new_folder(directory: Path) -> Path:
    folder = directory / f"{UNFINISHED}{uuid.uuid4().hex}"
    folder.mkdir()
    return folder


def sweep(directory: Path) -> None:
    """Remove what processes that died left half made, and leave what others are writing now."""
    for folder in directory.glob(f"{UNFINISHED}*"):
        try:
            abandoned = time.time() - folder.stat().st_mtime > ABANDONED_AFTER
        except FileNotFoundError:  # it was renamed, or swept by another
            continue
        if abandoned:
            shutil.rmtree(folder, ignore_errors=True)


def remove_chunk(folder: Path) -> None:
    """Remove a chunk in one step, so that no reader meets half of it."""
    aside = _new_folder(folder.parent)
    try:
        os.rename(folder, aside / folder.name)
    except FileNotFoundError:  # another process removed it
        pass
    shutil.rmtree(aside, ignore_errors=True)


def _flush(path: Path) -> None:
    """See a file's bytes, or a folder's entries, onto the disk."""
    if path.is_dir() and os.name == "nt":  # where a folder cannot be opened
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
