"""The mock universe for a search of causal graphs: independent galaxies, and what each measured column is made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..checks import is_whole

__all__ = [
    "MEASUREMENTS",
    "PHYSICAL_SCALES",
    "Measurement",
    "draw_galaxies",
    "measured_table",
    "measurement_edges",
    "universe_edges",
]

# Tiles whose positions are drawn from, and galaxies drawn at a time.
_N_TILES, _BLOCK, _MOST_BLOCKS = 30, 20_000, 2000
# What a galaxy takes from one and the same galaxy of the sky.
_TOGETHER = (("group_richness", "group_distance"), ("redshift",), ("reddening",))
# Apart from the streams of the mock's own tiles, and from each other.
_SKY_STREAM, _GALAXY_STREAM = 0xCA05E, 0xCA05F
# The size of a group sets how far its galaxies scatter: both are given to the model from outside, and it has no arrow.
_GIVEN_EDGES = (("group_richness", "group_distance", "directed"),)


@dataclass(frozen=True)
class Measurement:
    """A measured column as a child of what it is measured from (ours).

    Attributes
    ----------
    name : str
        As a reader meets it; no variable of the mock has it.
    column : str
        Column of the mock's catalogue; for a colour the first, and the second after a minus sign.
    causes : tuple of str
        Variables of the mock that enter, and hidden ones of the observation: ``seeing`` and ``image_noise``, which all
        that is measured on one picture has in common.
    reason : str
    exact : bool
        Whether the column is its only cause, without error: then the two are one node.
    """

    name: str
    column: str
    causes: tuple[str, ...]
    reason: str
    exact: bool = False


# Scales on which the equations of the mock are nearly sums: what an astronomer would plot them on.
PHYSICAL_SCALES = {
    "group_richness": "log",
    "redshift": "log",
    "reddening": "log",
    "dust_depth": "log",
    "bulge_radius": "log",
    "disc_radius": "log",
    "bulge_fraction": "logit",
    "inclination": "cosine",
}

_LIGHT = ("bulge_flux", "disc_flux")
_SIZES = ("bulge_angular_radius", "disc_angular_radius")
_PICTURE = ("seeing", "image_noise")
_PROFILE = (*_LIGHT, *_SIZES, "bulge_sersic_index")
_SHAPE = (*_PROFILE, "bulge_axis_ratio", "disc_axis_ratio")

MEASUREMENTS = (
    Measurement("mass", "lgm_tot_p50", ("log_mass",), "the mock's target is the true mass, without error", exact=True),
    Measurement("z", "z", ("redshift", "peculiar_velocity"), "expansion and own motion, with an error of the spectrum"),
    Measurement("E(B-V)", "EBV", ("reddening",), "the true reddening with an error of the map"),
    Measurement(
        "density",
        "log_density_5",
        ("group_richness", "group_distance", "redshift", "peculiar_velocity"),
        "fifth neighbour among the galaxies bright enough to be seen, which are fewer far away, within a window of "
        "measured redshift, out of which a galaxy's own motion can carry it",
    ),
    Measurement("sSFR", "specsfr_tot_p50", ("log_ssfr",), "the true rate with an error of its own"),
    Measurement("r", "petroMag_r", (*_PROFILE, *_PICTURE), "flux inside an aperture, which profile and seeing set"),
    Measurement(
        "g - r",
        "petroMag_g-petroMag_r",
        (*_PROFILE, *_PICTURE),
        "fluxes in two bands inside one aperture, where bulge and disc differ in colour",
    ),
    Measurement("W1", "w1mpro", (*_LIGHT, *_SIZES), "flux of a point-source fit, which misses light of a large galaxy"),
    Measurement("n", "Sersic_n_r", (*_SHAPE, *_PICTURE), "one profile fitted to the sum of bulge and disc"),
    Measurement("R50", "petroR50_r", (*_SHAPE, *_PICTURE), "half of the light inside a circular aperture"),
    Measurement(
        "b/a", "expAB_r", (*_SHAPE, *_PICTURE), "axis ratio of one profile fitted to the sum of bulge and disc"
    ),
)


def universe_edges() -> tuple[tuple[str, str, str], ...]:
    """Arrows of the mock universe, and the one between what is given to it: a larger group is a wider one.

    Returns
    -------
    tuple of (str, str, str)
        ``(cause, effect, "directed")``.
    """
    from ..survey.mock import UNIVERSE

    return (*UNIVERSE.edges, *_GIVEN_EDGES)


def measurement_edges(measurements: Iterable[Measurement] = MEASUREMENTS) -> tuple[tuple[str, str, str], ...]:
    """Arrows of the mock universe, and from its variables into measured columns under the names readers meet."""
    chosen = tuple(measurements)
    same = {measurement.causes[0]: measurement.name for measurement in chosen if measurement.exact}
    arrows = [(a, b) for a, b, _ in universe_edges()]
    arrows += [
        (cause, measurement.name) for measurement in chosen if not measurement.exact for cause in measurement.causes
    ]
    return tuple((same.get(a, a), same.get(b, b), "directed") for a, b in arrows)


def measured_table(catalog: pd.DataFrame, measurements: Iterable[Measurement] = MEASUREMENTS) -> pd.DataFrame:
    """Measured columns of a mock's catalogue under the names of `MEASUREMENTS`.

    Raises
    ------
    ValueError
        If the catalogue lacks a column.
    """
    table = {}
    for measurement in measurements:
        parts = measurement.column.split("-")
        missing = [part for part in parts if part not in catalog]
        if missing:
            raise ValueError(f"catalog: there is no column {missing[0]!r}, of which {measurement.name!r} is made")
        table[measurement.name] = catalog[parts[0]] - catalog[parts[1]] if len(parts) == 2 else catalog[parts[0]]
    return pd.DataFrame(table)


def draw_galaxies(
    n: int,
    seed: int = 0,
    *,
    least_log_mass: float | None = None,
    magnitude_range: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Draw galaxies of the mock universe one by one, without pictures and measurements (ours).

    In the sky of the mock, galaxies of a group share their redshift and their group, and neighbours their reddening:
    rows that depend on one another, on which every test of independence is too sure. Here each galaxy takes group,
    redshift and reddening from three galaxies of that sky at random, and the equations of the model are as ever.

    Parameters
    ----------
    n : int
        Galaxies to return.
    seed : int, default 0
    least_log_mass : float, optional
        Only galaxies of at least this log10 mass in solar masses: a selection by a cause.
    magnitude_range : (float, float), optional
        Only galaxies of a total r magnitude in this range: a selection by an effect. Under the mock's own limits one
        galaxy in a hundred is left.

    Returns
    -------
    DataFrame, [n, n_variables]
        The variables of the model that are single numbers, in their own units.

    Raises
    ------
    ValueError
        If ``n`` is no whole number from 1, or so few galaxies pass that forty million are not enough.
    """
    from ..survey.mock import UNIVERSE

    if not is_whole(n) or n < 1:
        raise ValueError(f"n: found {n!r}, expected a whole number from 1")
    names = [variable.name for variable in UNIVERSE.variables if not variable.components]
    sky = _sky_of_tiles(seed)
    found: list[pd.DataFrame] = []
    for block in range(_MOST_BLOCKS):
        stream = [seed, block, _GALAXY_STREAM]
        generator = np.random.default_rng(stream)
        rows = generator.integers(len(sky), size=(3, _BLOCK))
        given = {name: sky[name].to_numpy()[rows[i]] for i, part in enumerate(_TOGETHER) for name in part}
        values = UNIVERSE.sample(_BLOCK, stream, given)
        table = pd.DataFrame({name: values[name] for name in names})
        kept = np.ones(_BLOCK, dtype=bool)
        if least_log_mass is not None:
            kept &= (table["log_mass"] >= least_log_mass).to_numpy()
        if magnitude_range is not None:
            kept &= table["apparent_magnitude"].between(*magnitude_range, inclusive="neither").to_numpy()
        found.append(table[kept])
        if sum(map(len, found)) >= n:
            return pd.concat(found, ignore_index=True).iloc[:n]
    raise ValueError(
        f"n: found {n}, but of {_MOST_BLOCKS * _BLOCK} galaxies {sum(map(len, found))} are of this kind; expected fewer"
    )


def _sky_of_tiles(seed: int) -> pd.DataFrame:
    """What the model is given, of the galaxies of some tiles of the mock's sky."""
    from ..survey.mock.sky import draw_positions, reddening_map

    tiles = []
    for tile in range(_N_TILES):
        given = draw_positions(tile, np.random.default_rng([seed, tile, _SKY_STREAM]))
        given["reddening"] = reddening_map(given["ra"], given["dec"], seed)
        tiles.append(pd.DataFrame(given))
    return pd.concat(tiles, ignore_index=True)
