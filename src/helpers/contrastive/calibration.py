"""Calibration of predicted distributions on held-out galaxies (ours)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

__all__ = ["Calibration", "calibrate"]

LARGEST_TEMPERATURE = 5.0
LARGEST_CONTAMINATION = 0.2


@dataclass(frozen=True)
class Calibration:
    """Two numbers that make predictions fit held-out galaxies (ours).

    Attributes
    ----------
    temperature : float
        Probabilities become proportional to their power 1/temperature: above 1 when they were too sure of
        themselves.
    contamination : float
        Share of the prior that is mixed in: galaxies whose inputs or mass are wrong, such as failed
        photometry. Without it a few of them decide the temperature of all.
    """

    temperature: float = 1.0
    contamination: float = 0.0

    def apply(self, log_probability: np.ndarray, prior: np.ndarray) -> np.ndarray:
        """Calibrated log-probabilities, float32 [n_galaxies, n_bins].

        Parameters
        ----------
        log_probability : array [n_galaxies, n_bins]
        prior : array [n_bins]
        """
        if self == Calibration():
            return log_probability
        sharpened = log_softmax(np.asarray(log_probability, dtype=np.float64) / self.temperature, axis=1)
        if self.contamination == 0:
            return sharpened.astype(np.float32)
        mixed = np.logaddexp(np.log1p(-self.contamination) + sharpened, np.log(self.contamination * prior))
        return mixed.astype(np.float32)


def calibrate(log_probability: np.ndarray, label: np.ndarray, prior: np.ndarray) -> Calibration:
    """Calibration that minimises the mean cross-entropy of labelled galaxies (ours).

    Parameters
    ----------
    log_probability : array [n_galaxies, n_bins]
    label : int array [n_galaxies]
    prior : array [n_bins]
        Positive.

    Returns
    -------
    Calibration
        A temperature from 1/5 to 5 and a contamination from half a galaxy of these to a fifth of them. The least, which
        costs half a nat of all of them together, is kept where none of them asks for it: without it a single galaxy
        whose mass was thought impossible may cost hundreds of nats, and the next one may be such.
    """
    logits, rows = log_softmax(np.asarray(log_probability, dtype=np.float64), axis=1), np.arange(len(label))
    below = np.maximum(logits - logits.max(axis=1, keepdims=True), -1e4)  # finite where a probability is zero
    below_at_label, prior_of_label = below[rows, label], prior[label]

    def cross_entropy(logarithms: np.ndarray) -> tuple[float, np.ndarray]:
        """Of these logarithms of temperature and contamination, with its slopes."""
        sharpness, share = np.exp(-logarithms[0]), np.exp(logarithms[1])
        weights = np.exp(sharpness * below)
        total = weights.sum(axis=1)
        own = np.exp(sharpness * below_at_label) / total
        mixed = (1 - share) * own + share * prior_of_label
        above_mean = below_at_label - np.einsum("ij,ij->i", weights, below) / total
        slopes = (sharpness * (1 - share) * own * above_mean, share * (own - prior_of_label))
        return float(-np.log(mixed).mean()), np.array([(slope / mixed).mean() for slope in slopes])

    limit, most = np.log(LARGEST_TEMPERATURE), np.log(LARGEST_CONTAMINATION)
    bounds = [(-limit, limit), (min(np.log(0.5 / len(label)), most), most)]
    start = np.array([0.0, np.log(0.01)])
    found = minimize(cross_entropy, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return Calibration(*np.exp(found.x).tolist())
