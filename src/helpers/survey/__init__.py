"""Samples of galaxies: the surveys as data, the catalogue with canonical columns, and where it comes from."""

from ..bands import SDSS, TWO_MASS, WISE, Band, Survey
from .environment import projected_density
from .nulls import swap_shapes
from .quality import count_nulls, null_sentinels
from .sample import Sample, position_split
from .sources import load_sample

__all__ = [
    "SDSS",
    "TWO_MASS",
    "WISE",
    "Band",
    "Sample",
    "Survey",
    "count_nulls",
    "load_sample",
    "null_sentinels",
    "position_split",
    "projected_density",
    "swap_shapes",
]
