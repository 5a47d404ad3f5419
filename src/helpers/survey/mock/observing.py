"""How the mock is observed: seeing and sky noise by field, infrared photometry, and errors known from data alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...bands import WISE
from ..environment import LIGHT_SPEED
from .light import OPTICAL, WISE_VEGA
from .rendering import Conditions

__all__ = ["FIELD", "field_conditions", "infrared_catalog", "measured_redshift"]

FIELD = 0.2  # degrees on a side
# Medians and scatter between fields. Noise and gain are those of a real frame of SDSS (run 5112, camcol 4, field 345):
# robust scatter of its sky in nanomaggies per pixel; sky level over sky variance in electrons per nanomaggy.
PSF_WIDTH = np.array([1.50, 1.40, 1.32, 1.26, 1.25])
PSF_SCATTER = 0.08
SKY_NOISE = np.array([0.044, 0.016, 0.029, 0.050, 0.25])
SKY_SCATTER = 0.07
GAIN = np.array([110.0, 840.0, 850.0, 740.0, 100.0])
SKY_OFFSET = 0.02  # error of the sky subtraction, in units of the noise of a pixel
# Vega magnitudes at 5 sigma, about those of the AllWISE catalogue, and what calibration leaves.
WISE_DEPTH = np.array([16.9, 16.0, 11.6])
WISE_FLOOR = 0.02
WISE_BEAM = 6.1  # arcsec
FAINTEST_DETECTION = 2.0  # signal-to-noise
VELOCITY_ERROR = 30.0  # km/s
SFR_ERROR = 0.25  # dex


def field_conditions(ra: np.ndarray, dec: np.ndarray, seed: int, generator: np.random.Generator) -> Conditions:
    """Seeing and sky noise of the field that each galaxy lies in.

    Parameters
    ----------
    ra, dec : array [n]
        Degrees.
    seed : int
        Seed of the universe; a field's conditions depend on it and on the field alone.
    generator : Generator
        Noise of the single galaxy: the error of its sky subtraction.

    Returns
    -------
    Conditions
    """
    cell = np.stack([np.floor(ra / FIELD), np.floor((dec + 90) / FIELD)], axis=1).astype(np.int64)
    fields, of_field = np.unique(cell, axis=0, return_inverse=True)
    width, noise = np.empty((2, len(fields), len(OPTICAL)))
    for i, (x, y) in enumerate(fields):
        field = np.random.default_rng([seed, 0xF1E1D, x, y])
        # Seeing is shared by the bands, which are observed within minutes of one another.
        width[i] = PSF_WIDTH * np.exp(PSF_SCATTER * field.standard_normal() + 0.02 * field.standard_normal(5))
        noise[i] = SKY_NOISE * np.exp(SKY_SCATTER * field.standard_normal(5))
    of_field = of_field.reshape(-1)
    offset = SKY_OFFSET * noise[of_field] * generator.standard_normal((len(ra), len(OPTICAL)))
    return Conditions(psf_width=width[of_field], sky_noise=noise[of_field], gain=GAIN, sky_offset=offset)


def infrared_catalog(flux: np.ndarray, radius: np.ndarray, generator: np.random.Generator) -> pd.DataFrame:
    """WISE magnitudes as a point-source fit measures them.

    A fit of a point source misses light of a galaxy that the beam resolves, the more the larger it is. A magnitude of
    less than twice its noise is null. Errors come from the measured flux.

    Parameters
    ----------
    flux : array [n, 3]
        True total fluxes in W1, W2, W3, nanomaggies (AB).
    radius : array [n]
        Half-light radius in arcsec.
    generator : Generator

    Returns
    -------
    DataFrame [n]
        ``w1mpro w2mpro w3mpro`` (Vega), ``w1sigmpro w2sigmpro``.
    """
    caught = 1 / (1 + 0.7 * (radius / WISE_BEAM) ** 2)
    # Fluxes in units of a Vega magnitude of zero.
    true = 1e-9 * flux * 10 ** (0.4 * WISE_VEGA) * caught[:, None]
    depth = np.exp(0.1 * generator.standard_normal((len(flux), 3)))
    noise = 10 ** (-0.4 * WISE_DEPTH) / 5 * depth
    scale = np.exp(WISE_FLOOR * generator.standard_normal(flux.shape))
    measured = true * scale + noise * generator.standard_normal(flux.shape)
    error = np.sqrt(noise**2 + (WISE_FLOOR * measured) ** 2)
    seen = measured > FAINTEST_DETECTION * error
    safe = np.where(seen, measured, 1.0)
    columns = {}
    for i, band in enumerate(WISE.bands):
        columns[band.magnitude] = np.where(seen[:, i], -2.5 * np.log10(safe[:, i]), np.nan)
        if band.magnitude_error:
            columns[band.magnitude_error] = np.where(seen[:, i], 2.5 / np.log(10) * error[:, i] / safe[:, i], np.nan)
    return pd.DataFrame(columns)


def measured_redshift(values: Mapping[str, np.ndarray], generator: np.random.Generator) -> np.ndarray:
    """Spectroscopic redshift: expansion, peculiar velocity and a measurement error of 30 km/s."""
    velocity = values["peculiar_velocity"] + VELOCITY_ERROR * generator.standard_normal(len(values["redshift"]))
    return (1 + values["redshift"]) * (1 + velocity / LIGHT_SPEED) - 1
