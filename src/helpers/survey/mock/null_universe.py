"""A universe whose pictures know nothing that their photometry does not know.

Every galaxy of the mock is photographed once more: one spectrum for bulge and disc, a size on the sky, axis ratio and
profile that have nothing to do with anything, and in each band the flux that was *measured* for it, through the seeing
and before the sky of another night: with those of its own, the new picture would tell by how much the measured flux may
be wrong. What it tells of the mass beyond the measured photometry is therefore nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..chunk_files import TABLES, chunk_folder
from ..photometry import measure_galaxies
from ..stamps import central_cut
from .light import OPTICAL, R_BAND
from .observing import field_conditions
from .rendering import Profiles, add_noise, render
from .tile import MEASURED_STAMP, STAMP, optical_catalog

__all__ = ["MakeOneSpectrumTile"]


@dataclass(frozen=True)
class MakeOneSpectrumTile:
    """What makes a tile of the null universe from the finished tile of the mock; picklable.

    Attributes
    ----------
    base : path
        Directory of the mock's tiles.
    seed : int
        Of the mock.
    """

    base: Path
    seed: int

    def __call__(self, tile: int) -> dict[str, Any]:
        """Catalogue with the mock's photometry and new shapes, new images, and the truth behind the photometry."""
        folder = chunk_folder(self.base, tile)
        catalog, truth = (pd.read_parquet(folder / name) for name in TABLES)
        if catalog.empty:
            return {"catalog": catalog, "truth": truth, "images": np.empty((0, len(OPTICAL), STAMP, STAMP), np.float32)}
        generator = np.random.default_rng([self.seed, tile, 4])
        ra, dec = catalog["ra"].to_numpy(), catalog["dec"].to_numpy()
        conditions = field_conditions(ra, dec, int(generator.integers(2**32)), generator)
        flux = catalog[[f"petroFlux_{band}" for band in OPTICAL]].to_numpy(np.float64)
        profiles = _unrelated_profiles(np.maximum(flux, 0.0), generator)
        seeds = [[self.seed, tile, 5, row] for row in range(len(catalog))]
        images = add_noise(render(profiles, conditions, size=MEASURED_STAMP), conditions, seeds=seeds)
        measured = measure_galaxies(images, conditions.psf_width, gain=conditions.gain, reference=R_BAND)
        shapes = optical_catalog(measured, conditions)
        photometry = [name for name in shapes if name.startswith(("petroFlux", "petroMag"))]
        return {
            "catalog": catalog.assign(**shapes.drop(columns=photometry)),
            "truth": truth,
            "images": central_cut(images, STAMP),
        }


def _unrelated_profiles(flux: np.ndarray, generator: np.random.Generator) -> Profiles:
    """Shapes drawn at random, about as large and as round as the mock's, for fluxes [n, band]."""
    n = len(flux)
    share = generator.random(n)
    radius = 2.6 * 10 ** (0.16 * generator.standard_normal(n))
    axis_ratio = generator.uniform(0.25, 1.0, n)
    return Profiles(
        bulge_flux=share[:, None] * flux,
        disc_flux=(1 - share)[:, None] * flux,
        bulge_radius=0.6 * radius,
        disc_radius=radius,
        bulge_axis_ratio=np.sqrt(axis_ratio),
        disc_axis_ratio=axis_ratio,
        bulge_sersic_index=generator.uniform(1.0, 4.0, n),
        position_angle=generator.uniform(0, np.pi, n),
        offset=generator.uniform(-0.5, 0.5, (n, 2)),
    )
