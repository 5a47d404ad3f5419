"""Samples of galaxies: the surveys as data, the catalogue with canonical columns, and where it comes from."""

from ..bands import DESI_LEGACY, EUCLID, GALEX, LSST, SDSS, SURVEYS, TWO_MASS, WISE, Band, Survey, dereddened
from .environment import projected_density
from .nulls import swap_shapes
from .pictures import with_pictures
from .quality import count_nulls, null_sentinels
from .sample import Sample, position_split
from .sources import load_sample

__all__ = [
    "DESI_LEGACY",
    "EUCLID",
    "GALEX",
    "LSST",
    "SDSS",
    "SURVEYS",
    "TWO_MASS",
    "WISE",
    "Band",
    "Sample",
    "Survey",
    "count_nulls",
    "dereddened",
    "load_sample",
    "null_sentinels",
    "position_split",
    "projected_density",
    "swap_shapes",
    "with_pictures",
]
