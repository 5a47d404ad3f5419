"""One tile of the mock's sky, from causes to catalogue: drawn, selected, photographed, measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ...bands import SDSS
from ..photometry import Photometry, measure_galaxies
from ..quality import positive_or_null
from ..stamps import central_cut
from .causal_model import StructuralCausalModel
from .light import N_OPTICAL, OPTICAL, R_BAND
from .observing import SFR_ERROR, field_conditions, infrared_catalog, measured_redshift
from .profile_truth import true_shape
from .rendering import Conditions, Profiles, add_noise, render
from .sky import draw_positions, reddening_map
from .universe import UNIVERSE

__all__ = ["MAGNITUDE_RANGE", "STAMP", "MakeTile", "draw_tile", "optical_catalog", "profiles_of"]

MAGNITUDE_RANGE = (14.0, 17.77)  # measured Petrosian r, corrected for Galactic extinction
# A measured Petrosian magnitude is fainter than the total one, but for noise: what is photographed and then refused.
MARGIN = 0.25
STAMP = 64  # pixels on a side that are kept
MEASURED_STAMP = 128  # pixels on a side on which galaxies are measured, since many reach beyond what is kept
REDDENING_ERROR = 0.1  # relative error of the extinction map


def draw_tile(tile: int, seed: int, model: StructuralCausalModel | None = None) -> dict[str, np.ndarray]:
    """Draw all galaxies of a tile, whether or not they will be seen.

    Parameters
    ----------
    tile : int
        Number of the tile, from 0: a square degree, and they fill the sky in a spiral.
    seed : int
        Which universe.
    model : StructuralCausalModel, optional
        `UNIVERSE` after interventions. Default: as it is written.

    Returns
    -------
    dict of array
        ``ra``, ``dec`` and every variable of the model, [n_galaxies] or [n_galaxies, n_components].
    """
    given = draw_positions(tile, np.random.default_rng([seed, tile, 1]))
    given["reddening"] = reddening_map(given["ra"], given["dec"], seed)
    values = (model or UNIVERSE).sample(len(given["ra"]), [seed, tile], given)
    return {"ra": given["ra"], "dec": given["dec"], **values}


def profiles_of(values: Mapping[str, np.ndarray], offset: np.ndarray) -> Profiles:
    """Optical surface brightness profiles of drawn galaxies, displaced by `offset` [n, 2] pixels."""
    return Profiles(
        bulge_flux=values["bulge_flux"][:, :N_OPTICAL],
        disc_flux=values["disc_flux"][:, :N_OPTICAL],
        bulge_radius=values["bulge_angular_radius"],
        disc_radius=values["disc_angular_radius"],
        bulge_axis_ratio=values["bulge_axis_ratio"],
        disc_axis_ratio=values["disc_axis_ratio"],
        bulge_sersic_index=values["bulge_sersic_index"],
        position_angle=values["position_angle"],
        offset=offset,
    )


@dataclass(frozen=True)
class MakeTile:
    """What makes a tile, for one seed and one set of interventions; picklable.

    Attributes
    ----------
    seed : int
    interventions : mapping
        As `StructuralCausalModel.do` takes them.
    """

    seed: int
    interventions: Mapping[str, Any]

    def __call__(self, tile: int) -> dict[str, Any]:
        """Catalogue, truth and images of the selected galaxies of a tile."""
        values = draw_tile(tile, self.seed, UNIVERSE.do(self.interventions))
        # The noise of all is drawn before any is chosen: whom an intervention brings into view changes nobody else's.
        generator = np.random.default_rng([self.seed, tile, 2])
        conditions = field_conditions(values["ra"], values["dec"], self.seed, generator)
        offset = generator.uniform(-0.5, 0.5, (len(values["ra"]), 2))
        identity, others = _identity(values, tile, generator), _others(values, generator)
        magnitude = values["apparent_magnitude"]
        bright, faint = MAGNITUDE_RANGE[0] - 1.0, MAGNITUDE_RANGE[1] + MARGIN
        drawn = np.flatnonzero((magnitude > bright) & (magnitude < faint))
        values = {name: value[drawn] for name, value in values.items()}
        conditions, profiles = conditions.take(drawn), profiles_of(values, offset[drawn])
        seeds = [[self.seed, tile, 3, int(number)] for number in drawn]
        images = add_noise(render(profiles, conditions, size=MEASURED_STAMP), conditions, seeds=seeds)
        measured = measure_galaxies(images, conditions.psf_width, gain=conditions.gain, reference=R_BAND)
        identity, others = (table.iloc[drawn].reset_index(drop=True) for table in (identity, others))
        catalog = pd.concat([identity, optical_catalog(measured, conditions), others], axis=1)
        truth = true_table(values, profiles)
        dereddened = catalog[f"petroMag_{OPTICAL[R_BAND]}"] - SDSS.bands[R_BAND].extinction * catalog["EBV"]
        kept = dereddened.between(*MAGNITUDE_RANGE, inclusive="neither").to_numpy()
        return {
            "catalog": catalog[kept].reset_index(drop=True),
            "truth": truth[kept].reset_index(drop=True),
            "images": central_cut(images[kept], STAMP),
        }


def _identity(values: Mapping[str, np.ndarray], tile: int, generator: np.random.Generator) -> pd.DataFrame:
    n = len(values["ra"])
    reddening = values["reddening"] * np.exp(REDDENING_ERROR * generator.standard_normal(n))
    return pd.DataFrame(
        {
            "objID": tile * 1_000_000 + np.arange(n),
            "ra": values["ra"],
            "dec": values["dec"],
            "z": measured_redshift(values, generator),
            "EBV": reddening,
        }
    )


def optical_catalog(measured: Photometry, conditions: Conditions) -> pd.DataFrame:
    """Canonical columns of the optical photometry and shapes, with null where a quantity could not be measured."""
    columns = {}
    for i, band in enumerate(SDSS.bands):
        flux = positive_or_null(measured.flux[:, i])
        columns[f"petroFlux_{band.name}"] = measured.flux[:, i]
        columns[band.magnitude] = 22.5 - 2.5 * np.log10(flux)
        columns[band.magnitude_error] = 2.5 / np.log(10) * measured.flux_error[:, i] / flux
        columns[f"petroR50_{band.name}"] = measured.radius_50[:, i]
        columns[f"petroR90_{band.name}"] = measured.radius_90[:, i]
        columns[f"Sersic_n_{band.name}"] = measured.sersic_index[:, i]
        columns[f"Sersic_r_{band.name}"] = measured.sersic_radius[:, i]
        columns[f"expAB_{band.name}"] = measured.axis_ratio[:, i]
        columns[f"psfWidth_{band.name}"] = conditions.psf_width[:, i]
        columns[f"skyNoise_{band.name}"] = measured.sky_noise[:, i]
    return pd.DataFrame(columns)


def _others(values: Mapping[str, np.ndarray], generator: np.random.Generator) -> pd.DataFrame:
    """Infrared photometry, star formation, and the target: in the mock the true mass, which nobody has to infer."""
    in_bulge = values["bulge_flux"][:, R_BAND] / (values["bulge_flux"] + values["disc_flux"])[:, R_BAND]
    radius = in_bulge * values["bulge_angular_radius"] + (1 - in_bulge) * values["disc_angular_radius"]
    infrared = (values["bulge_flux"] + values["disc_flux"])[:, N_OPTICAL:]
    catalog = infrared_catalog(infrared, radius, generator)
    # Errors of their own: with a common one their difference would be the mass.
    error = SFR_ERROR * generator.standard_normal((2, len(radius)))
    catalog["specsfr_tot_p50"] = values["log_ssfr"] + error[0]
    catalog["sfr_tot_p50"] = values["log_ssfr"] + values["log_mass"] + error[1]
    catalog["lgm_tot_p50"] = values["log_mass"]
    return catalog


def true_table(values: Mapping[str, np.ndarray], profiles: Profiles) -> pd.DataFrame:
    """Every variable of the model, and under a catalogue column's name what a perfect observer would find there."""
    columns: dict[str, np.ndarray] = {}
    for variable in UNIVERSE.variables:
        value = values[variable.name]
        columns |= dict(zip(variable.columns, value.T if value.ndim == 2 else [value], strict=True))
    shape = true_shape(profiles, reference=R_BAND)
    for i, band in enumerate(SDSS.bands):
        columns[f"petroFlux_{band.name}"] = shape.flux[:, i]
        columns[band.magnitude] = 22.5 - 2.5 * np.log10(shape.flux[:, i])
        columns[f"petroR50_{band.name}"] = shape.radius_50[:, i]
        columns[f"petroR90_{band.name}"] = shape.radius_90[:, i]
        columns[f"Sersic_n_{band.name}"] = shape.sersic_index[:, i]
        columns[f"expAB_{band.name}"] = shape.axis_ratio[:, i]
    return pd.DataFrame(columns)
