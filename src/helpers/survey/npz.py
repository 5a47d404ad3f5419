"""NumPy archives of galaxies, read without pickles: columns, a split, and images of any size."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.lib import format as npy

from ..bands import SURVEYS
from ..progress import progress_bar
from ..runs import atomic_path, file_sha256
from .stored import StoredImages

__all__ = ["BROKEN", "SPLIT_KEYS", "Member", "read_columns", "read_members", "read_split", "store_images"]

SPLIT_KEYS = {"id_train": "train", "id_validation": "validation", "id_test": "test"}
IMAGES = "images"
BAND_NAMES = "bands"
BAND_PREFIX = "img_"
# What reading a file that was cut short or is something else raises.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError)
CHUNK = 32 * 2**20  # bytes of pixels in memory at once


@dataclass(frozen=True)
class Member:
    """One array of an archive: its shape and its type."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_members(path: Path) -> dict[str, Member]:
    """Names, shapes and types of an archive's arrays, of which no value is read.

    Raises
    ------
    ValueError
        If an array holds Python objects, which only a pickle could restore, or has its first axis last.
    """
    members: dict[str, Member] = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as stream:
                shape, in_columns, dtype = _read_header(stream)
            if dtype.hasobject:
                raise ValueError(
                    f"{path.name}: {name!r} holds Python objects, which are not read since they can run programs; "
                    f"save it as numbers or text: numpy.savez(..., {name}=numpy.asarray({name}, dtype=float)), or "
                    "dtype=str"
                )
            if in_columns and len(shape) > 1:
                raise ValueError(
                    f"{path.name}: {name!r} lies in the order of columns, expected that of rows; save "
                    f"numpy.ascontiguousarray({name})"
                )
            members[name] = Member(shape, dtype)
    return members


def read_columns(path: Path, members: Mapping[str, Member]) -> pd.DataFrame:
    """The catalogue of an archive: its arrays of one dimension that are neither a split nor the names of bands.

    Raises
    ------
    ValueError
        If there are none, one has more dimensions or several fields, or they differ in length.
    """
    names = [name for name in members if name not in SPLIT_KEYS and name != BAND_NAMES and not _is_image(name)]
    if not names:
        raise ValueError(f"{path.name}: found no columns among {', '.join(members)}, expected one array for each")
    n_rows = members[names[0]].shape[:1]
    for name in names:
        if members[name].shape != n_rows or len(n_rows) != 1:
            raise ValueError(
                f"{path.name}: {name!r} has shape {members[name].shape}, expected one number for each galaxy, as "
                f"{names[0]!r} of shape {members[names[0]].shape}"
            )
        fields = members[name].dtype.names
        if fields is not None:
            raise ValueError(
                f"{path.name}: {name!r} is a table of the columns {', '.join(fields)}, expected one "
                f"array for each: numpy.savez(..., **{{column: {name}[column] for column in {name}.dtype.names}})"
            )
    with np.load(path, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in names}
    return pd.DataFrame(
        {
            # Bytes become text; numbers become those of this machine's byte order, which pandas needs.
            name: values.astype(str) if values.dtype.kind in "SU" else values.astype(values.dtype.newbyteorder("="))
            for name, values in columns.items()
        }
    )


def read_split(path: Path, members: Mapping[str, Member], n_rows: int) -> pd.Series | None:
    """Labels of the rows by the arrays of row numbers ``id_train``, ``id_validation`` and ``id_test``.

    Returns
    -------
    Series of str [n_rows] or None
        Null for a row that is in none of them; None where the archive has no such array at all.

    Raises
    ------
    ValueError
        If some but not all three are there, or a row number is none, is out of range or stands twice.
    """
    missing = [key for key in SPLIT_KEYS if key not in members]
    if len(missing) == len(SPLIT_KEYS):
        return None
    if missing:
        raise ValueError(f"{path.name}: the rows of the split {', '.join(missing)} are missing, expected all three")
    labels = pd.Series([None] * n_rows, dtype=object)
    owner = np.full(n_rows, -1)
    with np.load(path, allow_pickle=False) as arrays:
        for number, (key, label) in enumerate(SPLIT_KEYS.items()):
            rows = arrays[key]
            if rows.ndim != 1 or rows.dtype.kind not in "iu":
                raise ValueError(f"{path.name}: {key!r} holds {rows.dtype} {rows.shape}, expected row numbers")
            outside = (rows < 0) | (rows >= n_rows)
            if outside.any():
                raise ValueError(f"{path.name}: {key!r} holds the row {rows[outside][0]}, expected 0 to {n_rows - 1}")
            taken = rows[owner[rows] >= 0]
            if len(taken):
                other = tuple(SPLIT_KEYS)[owner[taken[0]]]
                raise ValueError(
                    f"{path.name}: {key!r} and {other!r} overlap in {len(taken)} rows, such as {taken[0]}, expected "
                    "every galaxy on one side"
                )
            if len(np.unique(rows)) < len(rows):
                raise ValueError(f"{path.name}: a row stands twice in {key!r}, expected each once")
            owner[rows] = number
            labels.iloc[rows] = label
    return labels


def store_images(path: Path, members: Mapping[str, Member], cache: Path) -> tuple[StoredImages, tuple[str, ...]] | None:
    """Copy an archive's images into one file of the cache, a chunk at a time, and open that.

    Images are one array ``images`` [n, band, y, x] beside the names ``bands``, or one array ``img_<band>`` [n, y, x]
    or [n, y, x, 1] for each band. The copy, float32 [n, band, y, x], is known by the archive's checksum and made once.

    Returns
    -------
    images : StoredImages [n, band, y, x]
    bands : tuple of str
        As named in ``bands``, or in order of wavelength.
    None
        Where the archive holds no images.

    Raises
    ------
    ValueError
        If shapes differ or hold no pixel, bands are not named, repeat or are of no survey, or the archive is cut short.
    OSError
        If the cache cannot be written; nothing is left there then.
    """
    keys, bands, shape = _layout(path, members)
    if not keys:
        return None
    if 0 in shape:
        raise ValueError(f"{path.name}: found images of shape {shape}, expected pixels: galaxy, band, y, x")
    stored = cache / f"images-{file_sha256(path)[:24]}.npy"
    if not _is_whole(stored, shape):
        with atomic_path(stored) as temporary:
            _copy_pixels(path, keys, shape, temporary)
    return StoredImages([stored]), bands


def _is_image(name: str) -> bool:
    return name == IMAGES or name.startswith(BAND_PREFIX)


def _layout(path: Path, members: Mapping[str, Member]) -> tuple[list[str], tuple[str, ...], tuple[int, ...]]:
    """Arrays that hold images, their bands, and the shape [n, band, y, x] of all together."""
    keys = [name for name in members if _is_image(name)]
    for key in keys:
        if members[key].dtype.kind not in "fiu":
            raise ValueError(f"{path.name}: {key!r} holds {members[key].dtype}, expected numbers")
    if IMAGES in keys:
        if len(keys) > 1:
            raise ValueError(f"{path.name}: found both {IMAGES!r} and {keys[1 - keys.index(IMAGES)]!r}, expected one")
        return [IMAGES], _named_bands(path, members), members[IMAGES].shape
    bands = _by_wavelength(path, [key.removeprefix(BAND_PREFIX) for key in keys])
    keys = [BAND_PREFIX + band for band in bands]
    shapes = {key: members[key].shape[:-1] if members[key].shape[3:] == (1,) else members[key].shape for key in keys}
    for key, shape in shapes.items():
        if len(shape) != 3 or shape != shapes[keys[0]]:
            raise ValueError(
                f"{path.name}: {key!r} has shape {members[key].shape}, expected (n, y, x), the same in every band"
            )
    n, height, width = shapes[keys[0]] if keys else (0, 0, 0)
    return keys, bands, (n, len(keys), height, width)


def _named_bands(path: Path, members: Mapping[str, Member]) -> tuple[str, ...]:
    shape = members[IMAGES].shape
    if BAND_NAMES not in members:
        raise ValueError(f"{path.name}: {BAND_NAMES!r} is missing, expected the names of the bands of {IMAGES!r}")
    with np.load(path, allow_pickle=False) as arrays:
        bands = tuple(str(band) for band in np.atleast_1d(arrays[BAND_NAMES].astype(str)))
    if len(shape) != 4 or shape[1] != len(bands):
        raise ValueError(
            f"{path.name}: {IMAGES!r} has shape {shape}, expected (n, {len(bands)}, y, x): galaxy, band, y, x, with "
            f"the bands {', '.join(bands)}"
        )
    if len(set(bands)) < len(bands):
        raise ValueError(f"{path.name}: {BAND_NAMES!r} are {', '.join(bands)}, expected each once")
    return bands


def _by_wavelength(path: Path, bands: Sequence[str]) -> tuple[str, ...]:
    wavelengths: dict[str, float] = {}
    for survey in SURVEYS.values():
        for band in survey.bands:
            wavelengths.setdefault(band.name, band.wavelength)
    unknown = [band for band in bands if band not in wavelengths]
    if unknown:
        raise ValueError(
            f"{path.name}: found images of the band {unknown[0]!r}, expected some of {', '.join(wavelengths)}"
        )
    return tuple(sorted(bands, key=wavelengths.__getitem__))


def _is_whole(stored: Path, shape: tuple[int, ...]) -> bool:
    """Whether a file of the cache holds images of this shape to the last byte."""
    try:
        found = StoredImages([stored])
        with open(stored, "rb") as stream:
            _read_header(stream)
            rest = stored.stat().st_size - stream.tell()
    except (ValueError, OSError):
        return False
    return found.shape == shape and rest == int(np.prod(shape)) * found.dtype.itemsize


def _copy_pixels(path: Path, keys: Sequence[str], shape: tuple[int, ...], target: Path) -> None:
    n, n_bands, height, width = shape
    with zipfile.ZipFile(path) as archive, ExitStack() as opened, open(target, "wb") as out:
        streams = [opened.enter_context(archive.open(f"{key}.npy")) for key in keys]
        dtypes = [_read_header(stream)[2] for stream in streams]
        npy.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": shape})
        step = max(1, CHUNK // (n_bands * height * width * max(dtype.itemsize for dtype in dtypes)))
        bar = opened.enter_context(progress_bar(n, "images to the cache", unit="galaxy"))
        for start in range(0, n, step):
            count = min(step, n - start)
            each = (count, n_bands // len(keys), height, width)
            blocks = [_read_block(path, *pair, each) for pair in zip(streams, dtypes, strict=True)]
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as such
                out.write(np.concatenate(blocks, axis=1).astype("<f4").tobytes())
            bar.update(count)


def _read_block(path: Path, stream: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape)) * dtype.itemsize
    pixels = stream.read(size)
    if len(pixels) < size:
        raise ValueError(f"{path.name}: its images end before the last galaxy")
    return np.frombuffer(pixels, dtype).reshape(shape)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it lies in the order of columns, and type of the array that begins here."""
    version = npy.read_magic(stream)
    reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return reader(stream)
