"""Classes of galaxies by their specific star formation rate."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

__all__ = ["STAR_FORMATION_CLASSES", "star_formation_class"]

STAR_FORMATION_CLASSES = ("star-forming", "other", "passive")
# log10 of the rate in 1/yr at which passive galaxies end and star-forming ones begin: round numbers on either side of
# the valley between the two (ours).
PASSIVE_BELOW, STAR_FORMING_FROM = -11.0, -10.5


def star_formation_class(log_specific_rate: ArrayLike) -> pd.Categorical:
    """Class of each galaxy: star-forming, passive, or other in between (paper; cuts ours).

    Parameters
    ----------
    log_specific_rate : array_like [n_galaxies]
        log10 of star formation rate over stellar mass, 1/yr: the column ``specsfr_tot_p50``. NaN where unknown.

    Returns
    -------
    Categorical [n_galaxies]
        ``"passive"`` below -11, ``"star-forming"`` from -10.5, ``"other"`` between; null where unknown. Its categories
        are `STAR_FORMATION_CLASSES`, in that order.

    Raises
    ------
    ValueError
        If the rates are no list of numbers.

    Examples
    --------
    >>> star_formation_class([-9.8, -12.0, -10.8, float("nan")]).tolist()
    ['star-forming', 'passive', 'other', nan]
    """
    try:
        rate = np.asarray(log_specific_rate, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError("log_specific_rate: found values that are not numbers, expected log10 of 1/yr") from None
    if rate.ndim != 1:
        raise ValueError(f"log_specific_rate: found shape {rate.shape}, expected one rate per galaxy")
    # Positions in STAR_FORMATION_CLASSES; -1 is null.
    code = np.where(rate < PASSIVE_BELOW, 2, np.where(rate >= STAR_FORMING_FROM, 0, 1))
    return pd.Categorical.from_codes(np.where(np.isnan(rate), -1, code), list(STAR_FORMATION_CLASSES))
