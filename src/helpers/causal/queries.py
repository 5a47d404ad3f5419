"""The properties that a catalogue can be asked about, as data: what is tested against the mass at fixed S."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from helpers.bands import REDDENING, TWO_MASS, WISE
from helpers.inputs import infrared_input, optical_survey

__all__ = ["CONTROLS", "query_properties"]

# Families that every photometric input holds: with a perfect S they would tell nothing more.
CONTROLS = ("colour", "reddening")
_SINGLE = {
    "redshift": ("redshift", "z"),
    "E(B-V)": ("reddening", REDDENING),
    "specific star formation": ("star formation", "specsfr_tot_p50"),
    "environment": ("environment", "log_density_5"),
}
# Family, how it is written, column without its band, and whether its logarithm is taken: sizes and indices scatter by
# factors.
_SHAPES = (
    ("Sersic index", "n", "Sersic_n", True),
    ("axis ratio", "q", "expAB", False),
    ("half-light radius", "R50", "petroR50", True),
    ("90% radius", "R90", "petroR90", True),
)
_RATIOS = ("Sersic index", "half-light radius")


def query_properties(catalog: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the query properties that a catalogue holds (paper; environment, reddening and colour ours).

    Redshift, infrared magnitudes, the colour of the optical survey, reddening, specific star formation rate,
    environment; in each optical band Sérsic index n, axis ratio q, half-light radius R50, 90% radius R90 and
    concentration R90/R50; and the ratios of n and of R50 for all pairs of bands. Indices, radii and ratios are given as
    their log10, the axis ratio and the concentration as they are.

    Parameters
    ----------
    catalog : DataFrame, [n_galaxies]
        Canonical columns, the photometry of one optical survey among them.

    Returns
    -------
    values : DataFrame, [n_galaxies, n_queries]
        One column per property, named as a figure shows it; NaN where unknown or without a logarithm.
    described : DataFrame, [n_queries]
        By that name: ``family``; ``bands``, the names of the bands it is measured in, joined by "/"; ``columns``, the
        catalogue columns it is made of.

    Raises
    ------
    ValueError
        If no optical survey is whole.
    """
    survey = optical_survey(catalog)
    bands = [band.name for band in survey.bands]
    found: dict[str, tuple[str, str, tuple[str, ...], pd.Series]] = {}

    def single(name: str) -> None:
        family, column = _SINGLE[name]
        if column in catalog:
            found[name] = (family, "", (column,), catalog[column])

    single("redshift")
    infrared = {"Mnir": TWO_MASS, "Mir": WISE}.get(infrared_input(catalog) or "")
    for band in infrared.bands if infrared else ():
        if band.magnitude in catalog:
            found[band.name] = ("infrared", band.name, (band.magnitude,), catalog[band.magnitude])
    bluer, redder = (survey.band(name) for name in survey.colour)
    colour = catalog[bluer.magnitude] - catalog[redder.magnitude]
    of_colour = (bluer.magnitude, redder.magnitude)
    found[f"{bluer.name} - {redder.name}"] = ("colour", f"{bluer.name}/{redder.name}", of_colour, colour)
    for name in ("E(B-V)", "specific star formation", "environment"):
        single(name)
    for family, symbol, column, logarithm in _SHAPES:
        for band_name in bands:
            if f"{column}_{band_name}" in catalog:
                of_band = f"{column}_{band_name}"
                values = _log10(catalog[of_band]) if logarithm else catalog[of_band]
                found[f"{symbol}_{band_name}"] = (family, band_name, (of_band,), values)
    for name in bands:
        radii = (f"petroR90_{name}", f"petroR50_{name}")
        if set(radii) <= set(catalog):
            ratio = catalog[radii[0]] / catalog[radii[1]]
            found[f"C_{name}"] = ("concentration", name, radii, ratio.where(np.isfinite(ratio)))
    for family, symbol, *_ in _SHAPES:
        if family not in _RATIOS:
            continue
        held = [name for name in bands if f"{symbol}_{name}" in found]
        for first, second in combinations(held, 2):
            one, other = found[f"{symbol}_{first}"], found[f"{symbol}_{second}"]
            what = (f"{family} ratio", f"{first}/{second}", one[2] + other[2])
            found[f"{symbol}_{first}/{symbol}_{second}"] = (*what, one[3] - other[3])
    values = pd.DataFrame({name: entry[3].astype(float) for name, entry in found.items()}, index=catalog.index)
    described = pd.DataFrame(
        [entry[:3] for entry in found.values()],
        columns=["family", "bands", "columns"],
        index=pd.Index(list(found), name="query"),
    )
    return values, described


def _log10(values: pd.Series) -> pd.Series:
    return np.log10(values.where(values > 0))
