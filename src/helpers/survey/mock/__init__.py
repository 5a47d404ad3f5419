"""The mock universe: galaxies whose causes are known, photographed and measured as a survey would."""

from .causal_model import StructuralCausalModel, Variable
from .loading import MOCKS, load_mock
from .profile_truth import radius_without_seeing
from .tile import MAGNITUDE_RANGE, draw_tile
from .universe import UNIVERSE

__all__ = [
    "MAGNITUDE_RANGE",
    "MOCKS",
    "UNIVERSE",
    "StructuralCausalModel",
    "Variable",
    "draw_tile",
    "load_mock",
    "radius_without_seeing",
]
