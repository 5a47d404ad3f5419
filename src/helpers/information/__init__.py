"""Information: what inputs tell about stellar mass, and how two share it (paper)."""

from .binning import binned_components, binning_effect
from .components import Components, components_of, pooled_components
from .composition import compose, distinct_inputs
from .conclusions import (
    Conclusion,
    adds_little,
    conclusion_margins,
    conclusions,
    more_synergy,
    mostly_unique,
    positive_synergy,
)
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
from .definitions import DEFINITIONS, Definition, definition_table
from .distributions import PredictiveDistributions, predictive_distributions
from .entropy import kernel_prior, mass_prior, plugin_entropy, pointwise_information
from .estimators import InformationEstimate, estimate_information, estimate_inputs
from .gaussian import gaussian_components, gaussian_measures
from .measures import (
    binned_decomposition,
    binned_information,
    compare_definitions,
    joint_distribution,
    quantile_bins,
)
from .pairs import InputDecomposition, decompose_estimates, decompose_inputs, decompose_pairs
from .summaries import LearnedSummaries, learned_summaries
from .tables import (
    band_that_adds_most,
    decomposition_table,
    running_components,
    synergy_extremes,
    synergy_profile,
)
from .truths import (
    KnownTruth,
    PlantedInformation,
    draw_gaussian,
    draw_gaussian_pair,
    draw_student,
    draw_transformed,
    draw_xor,
    gaussian_decomposition,
    plant,
)
from .tuples import (
    IMAGE_BAND_TUPLES,
    MODALITY_TUPLES,
    PHOTOMETRIC_BAND_TUPLES,
    InformationTuple,
    band_divisions,
    feature_tuples,
    tuples_of,
)

__all__ = [
    "DEFINITIONS",
    "IMAGE_BAND_TUPLES",
    "MODALITY_TUPLES",
    "PHOTOMETRIC_BAND_TUPLES",
    "Components",
    "Conclusion",
    "CrossCheck",
    "Decomposition",
    "Definition",
    "InformationConfig",
    "InformationEstimate",
    "InformationTuple",
    "InputDecomposition",
    "KnownTruth",
    "LearnedSummaries",
    "NoiseBias",
    "PlantedInformation",
    "PredictiveDistributions",
    "adds_little",
    "band_divisions",
    "band_that_adds_most",
    "binned_components",
    "binned_decomposition",
    "binned_information",
    "binning_effect",
    "boosting_information",
    "compare_definitions",
    "components_of",
    "compose",
    "conclusion_margins",
    "conclusions",
    "copula_conditional_information",
    "copula_information",
    "decompose",
    "decompose_estimates",
    "decompose_inputs",
    "decompose_pairs",
    "decomposition_table",
    "definition_table",
    "distinct_inputs",
    "draw_gaussian",
    "draw_gaussian_pair",
    "draw_student",
    "draw_transformed",
    "draw_xor",
    "estimate_information",
    "estimate_inputs",
    "feature_tuples",
    "gaussian_components",
    "gaussian_decomposition",
    "gaussian_measures",
    "joint_distribution",
    "kernel_prior",
    "ksg_conditional_information",
    "ksg_information",
    "learned_summaries",
    "mass_prior",
    "more_synergy",
    "mostly_unique",
    "noise_bias",
    "plant",
    "plugin_entropy",
    "pointwise_information",
    "pooled_components",
    "positive_synergy",
    "predictive_distributions",
    "quantile_bins",
    "running_components",
    "synergy_extremes",
    "synergy_profile",
    "tuples_of",
]
