"""Real galaxies: the catalogue of the Sloan Digital Sky Survey, its frames, WISE, and how they become a sample."""

from .columns import origin_table
from .cutouts import Cutouts, cut_galaxies
from .frames import Field, fetch_frames, frame_path, read_frame
from .loading import Cost, SdssOptions, expected_cost
from .skyserver import Selection, catalogue_query
from .transfer import NotThere, Politeness, TransferError

__all__ = [
    "Cost",
    "Cutouts",
    "Field",
    "NotThere",
    "Politeness",
    "SdssOptions",
    "Selection",
    "TransferError",
    "catalogue_query",
    "cut_galaxies",
    "expected_cost",
    "fetch_frames",
    "frame_path",
    "origin_table",
    "read_frame",
]
