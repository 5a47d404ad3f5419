"""Which sample has the pictures that image networks read."""

from __future__ import annotations

from typing import Any

from .sample import Sample
from .stamps import central_cut

__all__ = ["readable_size", "with_pictures"]


def readable_size(images: Any, unit: int) -> int:
    """Pixels a side of the central part of images that networks can read.

    Parameters
    ----------
    images : array [n_galaxies, n_bands, height, width]
    unit : int
        What the side has to be a multiple of.

    Returns
    -------
    int
        0 if there is no such part: one side is odd, so that there is no central pixel corner, or too short.
    """
    height, width = images.shape[2:]
    return 0 if height % 2 or width % 2 else min(height, width) // unit * unit


def with_pictures(sample: Sample, loaded: Sample, unit: int) -> Sample | None:
    """The galaxies of a catalogue with the central parts of their images.

    Parameters
    ----------
    sample : Sample
        Catalogue and split.
    loaded : Sample
        The same galaxies as `load_sample` gave them, with or without images.
    unit : int
        What the side of an image has to be a multiple of for the networks that are to read it.

    Returns
    -------
    Sample or None
        With the images' largest central part whose side is a multiple of `unit`; None if there are no images, one of
        their sides is odd, or they are smaller than that.
    """
    size = 0 if loaded.images is None else readable_size(loaded.images, unit)
    if not size:
        return None
    return Sample.from_frame(sample.catalog, central_cut(loaded.images, size), bands=loaded.bands, split=sample.split)
