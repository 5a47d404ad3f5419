"""Samples of galaxies: the surveys as data, the catalogue with canonical columns, and where it comes from."""

from .bands import SDSS, TWO_MASS, WISE, Band, Survey
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
]
