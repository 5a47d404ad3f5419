"""Neighbours in S: exact search, their mass distribution, and what distance in S means (chapter 03)."""

from helpers.neighbours.ensemble import (
    NumberOfNeighbours,
    choose_k,
    continuous_ranked_probability_score,
    probability_integral_transform,
)
from helpers.neighbours.geometry import (
    Hubness,
    IntrinsicDimension,
    gaussian_hubness,
    hubness,
    local_dimension,
    mass_variogram,
    relative_contrast,
    two_nearest_dimension,
)
from helpers.neighbours.search import Neighbours, nearest_neighbours

__all__ = [
    "Hubness",
    "IntrinsicDimension",
    "Neighbours",
    "NumberOfNeighbours",
    "choose_k",
    "continuous_ranked_probability_score",
    "gaussian_hubness",
    "hubness",
    "local_dimension",
    "mass_variogram",
    "nearest_neighbours",
    "probability_integral_transform",
    "relative_contrast",
    "two_nearest_dimension",
]
