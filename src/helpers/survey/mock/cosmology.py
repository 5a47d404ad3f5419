"""Distances in the Planck 2018 cosmology, tabulated for speed."""

from __future__ import annotations

from functools import cache

import numpy as np

__all__ = ["HIGHEST_REDSHIFT", "comoving_distance", "distance_modulus", "kpc_per_arcsec", "redshift_at"]

HIGHEST_REDSHIFT = 0.35


@cache
def _table() -> tuple[np.ndarray, np.ndarray]:
    from astropy.cosmology import Planck18

    redshift = np.linspace(0.0, HIGHEST_REDSHIFT, 7001)
    return redshift, Planck18.comoving_distance(redshift).value


def comoving_distance(redshift: np.ndarray) -> np.ndarray:
    """Comoving distance in megaparsecs; ValueError beyond the table, which ends at `HIGHEST_REDSHIFT`."""
    beyond = (np.asarray(redshift) < 0) | (np.asarray(redshift) > HIGHEST_REDSHIFT)
    if beyond.any():
        found = np.asarray(redshift)[beyond][0]
        raise ValueError(f"redshift: found {found:g}, expected numbers from 0 to {HIGHEST_REDSHIFT}")
    return np.interp(redshift, *_table())


def redshift_at(distance: np.ndarray) -> np.ndarray:
    """Redshift at a comoving distance in megaparsecs."""
    redshift, table = _table()
    return np.interp(distance, table, redshift)


def distance_modulus(redshift: np.ndarray) -> np.ndarray:
    """Distance modulus in magnitudes."""
    return 5 * np.log10(comoving_distance(redshift) * (1 + redshift)) + 25


def kpc_per_arcsec(redshift: np.ndarray) -> np.ndarray:
    """Proper kiloparsecs per arcsecond."""
    return comoving_distance(redshift) / (1 + redshift) * 1e3 * np.pi / (180 * 3600)
