"""Supervised contrastive learning: networks, loss, training (paper)."""

from .bins import MassBins, default_n_bins
from .features import Features, Scaling, fit_scaling, scale_features
from .losses import Batch, LossTerms, contrastive_loss
from .networks import ContrastiveNetwork, count_parameters, photometry_network
from .training import ContrastiveConfig, TrainedModel, embed, predict_mass, train

__all__ = [
    "Batch",
    "ContrastiveConfig",
    "ContrastiveNetwork",
    "Features",
    "LossTerms",
    "MassBins",
    "Scaling",
    "TrainedModel",
    "contrastive_loss",
    "count_parameters",
    "default_n_bins",
    "embed",
    "fit_scaling",
    "photometry_network",
    "predict_mass",
    "scale_features",
    "train",
]
