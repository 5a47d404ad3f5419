"""What networks expect of single galaxies: the distributions behind every estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .estimators import averaged, open_session
from .laboratory import Inputs

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["PredictiveDistributions", "predictive_distributions"]


@dataclass(frozen=True)
class PredictiveDistributions:
    """Probabilities of mass bins before and after an input was seen.

    Attributes
    ----------
    name : str
        The input.
    rows : int array [n_galaxies]
        Rows of the sample, those of the test split.
    masses : float64 array [n_bins]
        Centres of the bins, log10 of solar masses.
    prior : float64 array [n_bins]
        Probability of each bin before a galaxy is seen.
    probability : float64 array [n_galaxies, n_bins]
        After the input was seen. The logarithm of its ratio to the prior, at a galaxy's own mass, is the galaxy's
        pointwise information.
    """

    name: str
    rows: np.ndarray
    masses: np.ndarray
    prior: np.ndarray
    probability: np.ndarray


def predictive_distributions(
    sample: Sample,
    inputs: Inputs,
    *,
    estimator: str = "nested",
    profile: str = "book",
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    base: Inputs | None = None,
    reuse: dict[Any, Any] | None = None,
    checkpoint_dir: str | Path | None = None,
    **overrides: Any,
) -> PredictiveDistributions:
    """Distributions of test galaxies' masses that `estimate_information` with the same arguments judges (paper).

    With the `reuse` or `checkpoint_dir` that it was given nothing is trained again.

    Parameters
    ----------
    sample, inputs, estimator, profile, seeds, device, base, reuse, checkpoint_dir, **overrides
        As in `estimate_information`.

    Returns
    -------
    PredictiveDistributions

    Raises
    ------
    ValueError
        As `estimate_information`.
    """
    session = open_session(
        sample,
        estimator=estimator,
        profile=profile,
        seeds=seeds,
        device=device,
        cross_fit=1,
        reuse=reuse,
        checkpoint_dir=checkpoint_dir,
        overrides=overrides,
    )
    (laboratory,) = session.laboratories
    base = session.base_of(inputs, base)
    mean, _ = averaged(laboratory, [session.fit(laboratory, inputs, base, seed) for seed in session.seeds])
    return PredictiveDistributions(
        laboratory.resolve(inputs).name,
        laboratory.rows["test"],
        laboratory.bins.centres,
        laboratory.prior,
        np.exp(mean["test"]),
    )
