"""Supervised contrastive learning: networks, loss, training (paper)."""

from .baselines import MassDensity, boosting_density, neighbour_density
from .bins import MassBins, default_n_bins
from .calibration import Calibration, calibrate
from .config import ContrastiveConfig
from .costs import NetworkCost, contrastive_cost, expected_time, information_cost, machine_rate
from .features import Features, Scaling, fit_scaling, scale_features
from .image_networks import DECODERS, ENCODERS, image_information_network, image_network
from .images import ImageScaling, fit_image_scaling
from .losses import Batch, LossTerms, contrastive_loss, supervised_loss
from .model import TrainedModel, embed, predict_mass
from .networks import ContrastiveNetwork, count_parameters, photometry_network
from .quality import (
    MassQuality,
    cross_entropy,
    crps,
    mass_quality,
    paired_difference,
    probability_integral_transform,
    quality_table,
)
from .training import CrossFit, contrastive_config, cross_fit, train

__all__ = [
    "MassDensity",
    "boosting_density",
    "neighbour_density",
    "Calibration",
    "calibrate",
    "NetworkCost",
    "contrastive_cost",
    "expected_time",
    "information_cost",
    "machine_rate",
    "MassQuality",
    "crps",
    "cross_entropy",
    "mass_quality",
    "paired_difference",
    "probability_integral_transform",
    "quality_table",
    "DECODERS",
    "ENCODERS",
    "Batch",
    "ContrastiveConfig",
    "ContrastiveNetwork",
    "CrossFit",
    "Features",
    "ImageScaling",
    "LossTerms",
    "MassBins",
    "Scaling",
    "TrainedModel",
    "contrastive_config",
    "contrastive_loss",
    "count_parameters",
    "cross_fit",
    "default_n_bins",
    "embed",
    "fit_image_scaling",
    "fit_scaling",
    "image_information_network",
    "image_network",
    "photometry_network",
    "predict_mass",
    "scale_features",
    "supervised_loss",
    "train",
]
