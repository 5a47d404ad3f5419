"""Information: what inputs tell about stellar mass, and how two share it (paper)."""

from .composition import compose, distinct_inputs
from .config import InformationConfig
from .crosschecks import (
    CrossCheck,
    boosting_information,
    copula_conditional_information,
    copula_information,
    ksg_conditional_information,
    ksg_information,
)
from .decomposition import Decomposition, NoiseBias, decompose, noise_bias
from .entropy import kernel_prior, mass_prior, plugin_entropy, pointwise_information
from .estimators import InformationEstimate, estimate_information, estimate_inputs
from .measures import (
    DEFINITIONS,
    binned_decomposition,
    binned_information,
    compare_definitions,
    joint_distribution,
    quantile_bins,
)
from .pairs import InputDecomposition, decompose_estimates, decompose_inputs, decompose_pairs
from .tables import decomposition_table, running_components, synergy_extremes, synergy_profile
from .tuples import (
    IMAGE_BAND_TUPLES,
    MODALITY_TUPLES,
    PHOTOMETRIC_BAND_TUPLES,
    InformationTuple,
    feature_tuples,
    tuples_of,
)

__all__ = [
    "DEFINITIONS",
    "IMAGE_BAND_TUPLES",
    "MODALITY_TUPLES",
    "PHOTOMETRIC_BAND_TUPLES",
    "CrossCheck",
    "Decomposition",
    "InformationConfig",
    "InformationEstimate",
    "InformationTuple",
    "InputDecomposition",
    "NoiseBias",
    "binned_decomposition",
    "binned_information",
    "boosting_information",
    "compare_definitions",
    "compose",
    "copula_conditional_information",
    "copula_information",
    "decompose",
    "decompose_estimates",
    "decompose_inputs",
    "decompose_pairs",
    "decomposition_table",
    "distinct_inputs",
    "estimate_information",
    "estimate_inputs",
    "feature_tuples",
    "joint_distribution",
    "kernel_prior",
    "ksg_conditional_information",
    "ksg_information",
    "mass_prior",
    "noise_bias",
    "plugin_entropy",
    "pointwise_information",
    "quantile_bins",
    "running_components",
    "synergy_extremes",
    "synergy_profile",
    "tuples_of",
]
