"""Light of a stellar population: kcorrect's templates through SDSS and WISE bands, dimmed by distance and dust."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ...bands import SDSS, WISE
from .cosmology import HIGHEST_REDSHIFT, distance_modulus

__all__ = ["LIGHT_BANDS", "N_TEMPLATES", "WISE_VEGA", "Templates", "optical_depth", "population_flux", "templates"]

BANDS = (*SDSS.bands, *WISE.bands)
LIGHT_BANDS = tuple(band.name for band in BANDS)
OPTICAL = tuple(band.name for band in SDSS.bands)  # those that are photographed, the first of all
N_OPTICAL = len(OPTICAL)
R_BAND = OPTICAL.index("r")
N_TEMPLATES = 5
# AB minus Vega magnitudes of W1, W2, W3 (Jarrett et al. 2011).
WISE_VEGA = np.array([2.699, 3.339, 5.174])
STEP = 0.01
V_BAND = 0.55  # micrometres


@dataclass(frozen=True)
class Templates:
    """Template spectra of one solar mass, as fluxes in the bands.

    Attributes
    ----------
    redshift : array [n_redshifts]
    maggies : array [n_redshifts, n_bands, n_templates]
        AB maggies at 10 pc of one solar mass of surviving stars, the spectrum shifted to the redshift.
    """

    redshift: np.ndarray
    maggies: np.ndarray

    def at(self, redshift: np.ndarray) -> np.ndarray:
        """Interpolate to redshifts [n]: [n, n_bands, n_templates]."""
        place = np.clip(redshift, 0.0, self.redshift[-1]) / STEP
        low = np.minimum(place.astype(np.int64), len(self.redshift) - 2)
        share = (place - low)[:, None, None]
        return (1 - share) * self.maggies[low] + share * self.maggies[low + 1]


@cache
def templates() -> Templates:
    """Five default templates of kcorrect (Blanton & Roweis 2007) in u, g, r, i, z, W1, W2, W3."""
    from kcorrect.kcorrect import Kcorrect

    responses = [f"sdss_{band.name}0" for band in SDSS.bands] + [f"wise_{band.name.lower()}" for band in WISE.bands]
    count = round(HIGHEST_REDSHIFT / STEP) + 1
    fitter = Kcorrect(responses=responses, redshift_range=[0.0, HIGHEST_REDSHIFT], nredshift=count)
    maggies = np.asarray(fitter.Amatrix(fitter.redshifts), dtype=np.float64)
    return Templates(
        np.linspace(0.0, HIGHEST_REDSHIFT, count), maggies / np.asarray(fitter.templates.mremain, dtype=np.float64)
    )


def population_flux(mass: np.ndarray, weights: np.ndarray, redshift: np.ndarray, extinction: np.ndarray) -> np.ndarray:
    """Flux of a population in all bands, before dust of its own.

    Parameters
    ----------
    mass : array [n]
        Surviving stellar mass in solar masses.
    weights : array [n, n_templates]
        Share of the mass in each template.
    redshift : array [n]
    extinction : array [n, n_bands]
        Galactic extinction in magnitudes.

    Returns
    -------
    array [n, n_bands]
        Nanomaggies.
    """
    absolute = np.einsum("nbt,nt->nb", templates().at(redshift), weights)
    dimming = distance_modulus(redshift)[:, None] + extinction
    return 1e9 * mass[:, None] * absolute * 10 ** (-0.4 * dimming)


def optical_depth(depth: np.ndarray, slope: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Optical depth [n, n_bands] from the one at 0.55 micrometres and a power law in rest-frame wavelength.

    The depth within a band is taken at the band's effective wavelength, shifted to the rest frame.
    """
    rest = np.array([band.wavelength for band in BANDS]) / (1 + redshift)[:, None]
    return depth[:, None] * (rest / V_BAND) ** slope[:, None]
