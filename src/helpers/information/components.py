"""Mean components of two sources, with what resampled galaxies and refits make of all of them together (ours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..checks import check_count
from .decomposition import QUANTITIES, Decomposition, summarise
from .intervals import bootstrap_means
from .pairs import InputDecomposition

__all__ = ["Components", "components_of", "pooled_components"]


def _no_refits() -> pd.DataFrame:
    return pd.DataFrame(columns=list(QUANTITIES), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Components:
    """Mean components of two sources, with bootstrap draws of all of them together.

    Attributes
    ----------
    estimate : Series [9]
        Nats, by the quantities of `Decomposition.mean`.
    draws : DataFrame [n_draws, 9]
        Of the same, over galaxies, centred on the estimate where its bias was corrected. Those of several pairs of
        sources are of the same resampled galaxies if the pairs are of the same galaxies and the seed is the same.
    refits : DataFrame [n_refits, 9]
        Of each refit alone; empty where nothing was refitted.
    """

    estimate: pd.Series
    draws: pd.DataFrame
    refits: pd.DataFrame = field(default_factory=_no_refits)

    def spread(self, seed: int = 0) -> pd.DataFrame:
        """Draws over galaxies and refits [n_draws, 9].

        Quantities that change together from refit to refit do so here: the noise of the mean of refits is multivariate
        Student's t with their covariance.

        Parameters
        ----------
        seed : int, default 0
            Of that noise: another for each pair of sources, since their refits have nothing in common.
        """
        n_refits, n_draws = len(self.refits), len(self.draws)
        if n_refits < 2:
            return self.draws
        rng = np.random.default_rng([seed, 15])
        deviation = self.refits.to_numpy() - self.refits.to_numpy().mean(axis=0)
        noise = rng.standard_normal((n_draws, n_refits)) @ deviation / np.sqrt(n_refits * (n_refits - 1))
        scale = np.sqrt((n_refits - 1) / rng.chisquare(n_refits - 1, n_draws))
        return self.draws + noise * scale[:, None]

    def table(self) -> pd.DataFrame:
        """Columns mean, low, high of every quantity, as `Decomposition.mean` has them; over galaxies and refits."""
        return summarise(self.estimate.to_frame().T, self.spread().to_numpy() if len(self.draws) else None)


def components_of(decomposition: Decomposition, *, bootstrap: int = 1000, seed: int = 0) -> Components:
    """Mean components of what networks know, galaxy by galaxy, over held-out galaxies and refits.

    Parameters
    ----------
    decomposition : Decomposition
    bootstrap : int, default 1000
        Number of draws.
    seed : int, default 0

    Returns
    -------
    Components

    Raises
    ------
    ValueError
        If no galaxy is held out, or `bootstrap` is no whole number from 0.
    """
    check_count("bootstrap", bootstrap)
    rows = decomposition.held_out
    if not rows.any():
        raise ValueError(f"decomposition: none of {rows.size} galaxies is held out (all NaN), expected at least one")
    table = decomposition.table().loc[rows]
    draws = bootstrap_means(table.to_numpy(), bootstrap, seed) if bootstrap else table.to_numpy()[:0]
    repeats = decomposition.repeats if isinstance(decomposition, InputDecomposition) else ()
    refits = pd.DataFrame([repeat.table().loc[rows].mean() for repeat in repeats], columns=list(QUANTITIES))
    return Components(table.mean(), pd.DataFrame(draws, columns=list(QUANTITIES)), refits)


def pooled_components(refits: Sequence[Mapping[str, Components]]) -> dict[str, Components]:
    """Mean over refits, such as summaries learned from several seeds, of what each gives under every definition.

    Parameters
    ----------
    refits : sequence of mapping of str to Components
        By definition, as `binned_components` returns it; of the same galaxies, with the same seed.

    Returns
    -------
    dict of str to Components
        Their intervals are over galaxies and refits.

    Raises
    ------
    ValueError
        If there is no refit, or refits differ in definitions or in the number of draws.
    """
    if not refits:
        raise ValueError("refits: found none, expected at least one")
    n_draws = [{name: len(own.draws) for name, own in refit.items()} for refit in refits]
    if any(own != n_draws[0] for own in n_draws):
        raise ValueError(f"refits: found {n_draws} draws, expected the same definitions and numbers in each")
    pooled = {}
    for name in refits[0]:
        estimates = pd.DataFrame([refit[name].estimate for refit in refits]).reset_index(drop=True)
        draws = np.mean([refit[name].draws.to_numpy() for refit in refits], axis=0)
        pooled[name] = Components(estimates.mean(), pd.DataFrame(draws, columns=estimates.columns), estimates)
    return pooled
