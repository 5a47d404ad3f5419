"""Images that lie in files and are read when they are asked for, so that a sample may be larger than the memory."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ..checks import is_whole

__all__ = ["StoredImages", "central_window"]


class StoredImages:
    """Images that lie in ``.npy`` files and are read when they are asked for.

    Rows are taken as numpy takes them, by whole number, slice, whole numbers or truth values; whole numbers or slices
    for band, y and x may follow: ``images[rows, 2]``. The result is an array in memory. A file is mapped only while
    rows are copied from it, so that memory holds what was asked for and no more, however many files there are.

    Parameters
    ----------
    paths : sequence of path
        Files of arrays [m, band, y, x]; m may differ from file to file, and be 0.
    rows : int array, optional
        Which rows of the concatenation these images are, in this order. Default: all.

    Raises
    ------
    FileNotFoundError
        If a file is missing, now or when it is read.
    ValueError
        If a file holds no array, or arrays differ in type or in shape beyond their first axis.
    """

    def __init__(self, paths: Sequence[str | PathLike[str]], rows: np.ndarray | None = None) -> None:
        if len(paths) == 0:
            raise ValueError("paths: found none, expected at least one file")
        self._paths = tuple(Path(path) for path in paths)
        layouts = [_read_layout(path) for path in self._paths]
        _, first, self._dtype = layouts[0]
        for path, (_, shape, dtype) in zip(self._paths, layouts, strict=True):
            if len(shape) != 4 or shape[1:] != first[1:] or dtype != self._dtype:
                raise ValueError(
                    f"paths: {path} holds {dtype} {shape}, expected {self._dtype} (n, band, y, x) as {first}"
                )
        self._offsets = tuple(offset for offset, _, _ in layouts)
        self._lengths = np.array([shape[0] for _, shape, _ in layouts])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._stamp = tuple(first[1:])
        self._window = (slice(None), slice(None))
        self._rows = _row_numbers(slice(None) if rows is None else rows, int(self._lengths.sum()))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of galaxies, bands, rows and columns."""
        height, width = (len(range(length)[part]) for length, part in zip(self._stamp[1:], self._window, strict=True))
        return (len(self._rows), self._stamp[0], height, width)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a pixel."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """4: galaxy, band, y, x."""
        return 4

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"StoredImages(shape={self.shape}, dtype={self._dtype}, files={len(self._paths)})"

    def __getitem__(self, index: Any) -> np.ndarray:
        rows, *rest = index if isinstance(index, tuple) else (index,)
        if len(rest) > 3 or not all(is_whole(part) or isinstance(part, slice) for part in rest):
            raise ValueError(f"index: found {index!r}, expected rows, then whole numbers or slices for band, y and x")
        if is_whole(rows):
            return self._read(_row_numbers([rows], len(self)), rest)[0]
        return self._read(_row_numbers(rows, len(self)), rest)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("copy: found False, but stored images are read into a new array")
        return self[:].astype(dtype or self._dtype, copy=False)

    def select(self, rows: Any) -> StoredImages:
        """These rows, in their order, without reading a pixel."""
        return self._with(_rows=self._rows[_row_numbers(rows, len(self))])

    def central_cut(self, size: int) -> StoredImages:
        """The central `size` by `size` pixels, without reading one."""
        window = central_window(self.shape, size)
        placed = (
            range(length)[part][cut] for length, part, cut in zip(self._stamp[1:], self._window, window, strict=True)
        )
        return self._with(_window=tuple(slice(pixels.start, pixels.stop) for pixels in placed))

    def _with(self, **changes: Any) -> StoredImages:
        other = object.__new__(StoredImages)
        other.__dict__.update(self.__dict__, **changes)
        return other

    def _read(self, numbers: np.ndarray, rest: Sequence[Any]) -> np.ndarray:
        stored = self._rows[numbers]
        files = np.searchsorted(self._starts + self._lengths, stored, side="right")
        # An array of no rows has the shape that the rest of the index leaves; a bad index fails here.
        left = np.empty((0, *self.shape[1:]), self._dtype)[(slice(None), *rest)].shape[1:]
        found = np.empty((len(stored), *left), self._dtype)
        for file in np.unique(files):
            here = np.flatnonzero(files == file)
            images = self._map(int(file))[:, :, self._window[0], self._window[1]]
            for place, row in zip(here, stored[here] - self._starts[file], strict=True):
                found[place] = images[(row, *rest)]
        return found

    def _map(self, file: int) -> np.ndarray:
        path, offset, shape = self._paths[file], self._offsets[file], (int(self._lengths[file]), *self._stamp)
        try:
            return np.memmap(path, self._dtype, "r", offset, shape)
        except FileNotFoundError:
            raise FileNotFoundError(f"{path} held {shape[0]} of these images and is there no more") from None
        except ValueError:
            raise ValueError(f"{path} no longer holds {shape[0]} images {self._stamp}: it has been cut short") from None


def central_window(shape: tuple[int, ...], size: int) -> tuple[slice, slice]:
    """Rows and columns of the central `size` by `size` pixels of images of a shape [n, band, y, x].

    Raises
    ------
    ValueError
        If `size` is larger than the images or of other parity.
    """
    height, width = shape[2:]
    if not is_whole(size) or not 1 <= size <= min(height, width) or (height - size) % 2 or (width - size) % 2:
        raise ValueError(
            f"size: found {size!r}, expected a width as even or odd as the stamps' {height} x {width}, and no larger"
        )
    top, left = (height - size) // 2, (width - size) // 2
    return slice(top, top + size), slice(left, left + size)


def _read_layout(path: Path) -> tuple[int, tuple[int, ...], np.dtype[Any]]:
    """Where the array of a ``.npy`` file begins, its shape and its type."""
    try:
        with open(path, "rb") as stream:
            version = npy.read_magic(stream)
            reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, in_columns, dtype = reader(stream)
            offset = stream.tell()
    except FileNotFoundError:
        raise FileNotFoundError(f"paths: there is no file {str(path)!r}") from None
    except ValueError as error:
        raise ValueError(f"paths: {path} holds no array: {error}") from None
    if in_columns or dtype.hasobject:
        raise ValueError(f"paths: {path} holds {dtype} in the order of columns, expected numbers in the order of rows")
    return offset, shape, dtype


def _row_numbers(rows: Any, length: int) -> np.ndarray:
    """Row numbers from 0 to `length` - 1 that an index means."""
    if isinstance(rows, slice):
        return np.arange(length)[rows]
    numbers = np.asarray(rows)
    if numbers.ndim != 1 or (numbers.size and numbers.dtype.kind not in "iub"):
        raise ValueError(f"rows: found {rows!r}, expected a whole number, a slice, whole numbers or truth values")
    if numbers.dtype.kind == "b":
        if len(numbers) != length:
            raise IndexError(f"rows: found {len(numbers)} truth values, expected one for each of {length} images")
        return np.flatnonzero(numbers)
    numbers = numbers.astype(np.int64)
    outside = (numbers < -length) | (numbers >= length)
    if outside.any():
        raise IndexError(f"rows: found {numbers[outside][0]}, expected a number below {length}, the number of images")
    return np.where(numbers < 0, numbers + length, numbers)
