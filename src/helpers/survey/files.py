"""Tables and images that anybody has, as they stand in their files."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..runs import WRITE_FAULTS, file_sha256, project_root
from .npz import BROKEN, read_columns, read_members, read_split, store_images
from .stored import StoredImages

__all__ = ["FORMATS", "SourceFile", "find_file", "is_file_name", "read_file"]

FORMATS = (".csv", ".parquet", ".fits", ".npz")
CATALOGUE, PICTURES = "catalog.npz", "images.npz"
NULLABLE = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


@dataclass(frozen=True)
class SourceFile:
    """What a file, or a folder of two, holds.

    Attributes
    ----------
    name : str
    frame : DataFrame [n]
        Its columns, under its own names.
    sha256 : str
        Checksum of the file; of a folder, that of its files' checksums.
    images : StoredImages [n, band, y, x] or None
    bands : tuple of str or None
        Bands of the images.
    split : Series of str [n] or None
        Labels train, validation, test.
    left_out : int
        Number of rows that are on no side of the file's split, and not in `frame`.
    """

    name: str
    frame: pd.DataFrame
    sha256: str
    images: StoredImages | None = None
    bands: tuple[str, ...] | None = None
    split: pd.Series | None = None
    left_out: int = 0


def is_file_name(dataset: str | os.PathLike[str]) -> bool:
    """Whether a data set's name is that of a file of a known format, or of a folder."""
    return Path(dataset).suffix.lower() in FORMATS or _locate(dataset).is_dir()


def find_file(dataset: str | os.PathLike[str]) -> Path:
    """Path of a file or folder; a relative one is looked for in the working directory, then in the project.

    Raises
    ------
    ValueError
        If it is in neither.
    """
    path = _locate(dataset)
    if not path.exists():
        raise ValueError(
            f"dataset: there is no file {str(dataset)!r}, neither in {Path.cwd()} nor in the project, {project_root()}"
        )
    return path


def read_file(path: Path, cache: Path, text: Collection[str] = ()) -> SourceFile:
    """Read a table, or an archive of columns and images.

    Parameters
    ----------
    path : path
        A .csv (one that begins with SkyServer's line ``#Table1`` too), .parquet, .fits or .npz file, or a folder of
        ``catalog.npz`` and ``images.npz``.
    cache : path
        Folder for the images of an archive, which are copied there once, a chunk at a time.
    text : collection of str
        Columns of a .csv to be read as text, digit by digit: identifiers.

    Returns
    -------
    SourceFile

    Raises
    ------
    ValueError
        If the file cannot be read, or holds what no table of galaxies can, with its name.
    OSError
        If the images cannot be written to the cache.
    """
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            return _read_folder(path, cache)
        if suffix == ".npz":
            return _read_archive(path, path, cache)
        readers: dict[str, Callable[[Path], pd.DataFrame]] = {
            ".csv": lambda path: _read_csv(path, text),
            ".parquet": _read_parquet,
            ".fits": _read_fits,
        }
        frame = readers[suffix](path)
    except (*BROKEN, pa.ArrowException) as error:  # parsers' own errors are among these
        if isinstance(error, OSError) and error.errno in WRITE_FAULTS:
            raise
        raise ValueError(f"dataset: cannot read {str(path)!r}: {error}") from None
    return SourceFile(path.name, frame, file_sha256(path))


def _locate(dataset: str | os.PathLike[str]) -> Path:
    path = Path(dataset).expanduser()
    return path if path.exists() else project_root() / path


def _read_csv(path: Path, text: Collection[str]) -> pd.DataFrame:
    with open(path, encoding="utf-8-sig") as stream:
        of_skyserver = stream.readline().startswith("#Table")
    frame = pd.read_csv(
        path,
        skiprows=1 if of_skyserver else 0,
        dtype=dict.fromkeys(text, "str"),
        low_memory=False,
        encoding="utf-8-sig",
    )
    # Of rows with more fields than the header pandas takes the first fields for an index, and moves all names along.
    if not isinstance(frame.index, pd.RangeIndex):
        raise ValueError(
            f"its rows have more fields than the {len(frame.columns)} names of its header, perhaps by a comma at their "
            "end, expected as many"
        )
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    # Whole numbers with nulls among them stay whole; pandas alone would make them floating-point ones.
    frame = pq.read_table(path).to_pandas(types_mapper=NULLABLE.get)
    if frame.index.name is not None or isinstance(frame.index, pd.MultiIndex):
        frame = frame.reset_index()
    return _plain_integers(frame).reset_index(drop=True)


def _read_fits(path: Path) -> pd.DataFrame:
    from astropy.table import Table

    with warnings.catch_warnings():
        # Units that astropy does not know, such as nanomaggies, are none of a table's faults.
        warnings.filterwarnings("ignore", message=".*did not parse.*|.*not supported by the FITS standard.*")
        table = Table.read(path, format="fits")
    wide = [name for name in table.colnames if table[name].ndim > 1]
    if wide:
        raise ValueError(
            f"{path.name}: column {wide[0]!r} holds arrays, expected one number per galaxy in every column"
        )
    table.convert_bytestring_to_unicode()
    return _plain_integers(table.to_pandas())


def _plain_integers(frame: pd.DataFrame) -> pd.DataFrame:
    """Nullable whole numbers without a null become numpy's."""
    for name in frame.columns[~frame.columns.duplicated(keep=False)]:
        column = frame[name]
        if isinstance(column.array, pd.arrays.IntegerArray) and not column.isna().any():
            frame[name] = column.astype(column.dtype.numpy_dtype)
    return frame


def _read_folder(folder: Path, cache: Path) -> SourceFile:
    for name in (CATALOGUE, PICTURES):
        if not (folder / name).is_file():
            raise ValueError(f"the folder has no {name}, expected {CATALOGUE} and {PICTURES}")
    return _read_archive(folder / CATALOGUE, folder / PICTURES, cache)


def _read_archive(catalogue: Path, pictures: Path, cache: Path) -> SourceFile:
    members = read_members(catalogue)
    frame = read_columns(catalogue, members)
    split = read_split(catalogue, members, len(frame))
    in_folder = pictures != catalogue
    if in_folder and split is None:
        raise ValueError(f"{catalogue.name}: the rows of the split, id_train, id_validation and id_test, are missing")
    found = store_images(pictures, read_members(pictures) if in_folder else members, cache)
    images, bands = found if found is not None else (None, None)
    if in_folder and images is None:
        raise ValueError(f"{pictures.name}: found no images, expected one array img_<band> for each band")
    if images is not None and len(images) != len(frame):
        raise ValueError(
            f"{pictures.name}: found images of {len(images)} galaxies, expected as many as {catalogue.name} has, "
            f"{len(frame)}"
        )
    checksum = file_sha256(catalogue)
    if in_folder:
        checksum = hashlib.sha256((checksum + file_sha256(pictures)).encode()).hexdigest()
    name = catalogue.parent.name if in_folder else catalogue.name
    if split is None or split.notna().all():
        return SourceFile(name, frame, checksum, images, bands, split)
    kept = np.flatnonzero(split.notna())
    return SourceFile(
        name,
        frame.iloc[kept].reset_index(drop=True),
        checksum,
        None if images is None else images.select(kept),
        bands,
        split.iloc[kept].reset_index(drop=True),
        left_out=len(frame) - len(kept),
    )
