"""Where the mock's galaxies are: groups in a cone of the universe, one tile of the sky after the other."""

from __future__ import annotations

import numpy as np

from .cosmology import comoving_distance, redshift_at
from .universe import MEAN_DENSITY, group_spread

__all__ = ["REDSHIFT_RANGE", "TILE", "draw_positions", "reddening_map", "tile_centre"]

TILE = 1.0  # degrees on a side
CENTRE = (180.0, 0.0)
REDSHIFT_RANGE = (0.01, 0.3)
LARGEST_GROUP = 300
RICHNESS_POWER = -2.0


def tile_centre(tile: int) -> tuple[float, float]:
    """Right ascension and declination of a tile's centre, in degrees.

    Tiles fill the sky in a square spiral, so that any number of first ones is a compact patch, and a small sample is
    part of every larger one.
    """
    x = y = 0
    step = (1, 0)
    side, walked, turns = 1, 0, 0
    for _ in range(tile):
        x, y = x + step[0], y + step[1]
        walked += 1
        if walked == side:
            walked, turns = 0, turns + 1
            step = (-step[1], step[0])
            side += turns % 2 == 0
    return CENTRE[0] + TILE * x, CENTRE[1] + TILE * y


def draw_positions(tile: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the galaxies of all masses whose group has its centre in a tile's cone.

    Group centres are uniform in comoving volume; a group's galaxies are scattered about it as a Gaussian, and may lie
    beyond the tile's edge, as its neighbours' galaxies lie within (a Neyman-Scott process; ours).

    Parameters
    ----------
    tile : int
    generator : Generator

    Returns
    -------
    dict of array [n_galaxies]
        ``ra``, ``dec`` (degrees), ``redshift`` (cosmological), ``group_richness``, ``group_distance`` (Mpc).
    """
    richness = np.arange(1, LARGEST_GROUP + 1)
    share = richness**RICHNESS_POWER / (richness**RICHNESS_POWER).sum()
    ra, dec = tile_centre(tile)
    near, far = comoving_distance(np.array(REDSHIFT_RANGE))
    sine = np.sin(np.radians([dec - TILE / 2, dec + TILE / 2]))
    volume = np.radians(TILE) * (sine[1] - sine[0]) * (far**3 - near**3) / 3
    n_groups = generator.poisson(MEAN_DENSITY / (share * richness).sum() * volume)
    distance = np.cbrt(generator.uniform(near**3, far**3, n_groups))
    longitude = np.radians(ra + TILE * (generator.random(n_groups) - 0.5))
    latitude = np.arcsin(generator.uniform(sine[0], sine[1], n_groups))
    members = generator.choice(richness, n_groups, p=share)
    centre = distance[:, None] * np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )
    of_group = np.repeat(np.arange(n_groups), members)
    n = members[of_group].astype(np.float64)
    offset = group_spread(n)[:, None] * generator.standard_normal((len(n), 3)) * (n > 1)[:, None]
    place = centre[of_group] + offset
    radial = np.sqrt((place**2).sum(axis=1))
    return {
        "ra": np.degrees(np.arctan2(place[:, 1], place[:, 0])) % 360,
        "dec": np.degrees(np.arcsin(place[:, 2] / radial)),
        "redshift": redshift_at(radial),
        "group_richness": n,
        "group_distance": np.sqrt((offset**2).sum(axis=1)),
    }


def reddening_map(ra: np.ndarray, dec: np.ndarray, seed: int) -> np.ndarray:
    """Galactic reddening E(B-V) in magnitudes: lognormal about 0.03, smooth over a few degrees (ours)."""
    generator = np.random.default_rng([seed, 0xEB])
    wave = generator.normal(0.0, 1.5, (24, 2))  # radians per degree
    phase = generator.uniform(0, 2 * np.pi, 24)
    angle = np.multiply.outer(ra, wave[:, 0]) + np.multiply.outer(dec, wave[:, 1]) + phase
    return 0.03 * 10 ** (0.2 * np.sqrt(2 / 24) * np.cos(angle).sum(axis=-1))
