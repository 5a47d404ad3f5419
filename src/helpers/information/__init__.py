"""Information: what inputs tell about stellar mass, and how two share it (paper)."""

from .decomposition import (
    Decomposition,
    InputDecomposition,
    NoiseBias,
    decompose,
    decompose_inputs,
    noise_bias,
)
from .entropy import mass_prior, plugin_entropy, pointwise_information
from .estimators import InformationEstimate, estimate_information
from .fitting import InformationConfig
from .measures import (
    DEFINITIONS,
    binned_decomposition,
    binned_information,
    compare_definitions,
    joint_distribution,
    quantile_bins,
)

__all__ = [
    "DEFINITIONS",
    "Decomposition",
    "InformationConfig",
    "InformationEstimate",
    "InputDecomposition",
    "NoiseBias",
    "binned_decomposition",
    "binned_information",
    "compare_definitions",
    "decompose",
    "decompose_inputs",
    "estimate_information",
    "joint_distribution",
    "mass_prior",
    "noise_bias",
    "plugin_entropy",
    "pointwise_information",
    "quantile_bins",
]
