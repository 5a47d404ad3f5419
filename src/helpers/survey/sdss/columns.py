"""Where every column of a real sample comes from: one table, from which the query is written, and the book's too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from ...inputs import BANDS

__all__ = ["COUNTS", "IDENTIFIERS", "ORIGINS", "POSITIVE", "WISE_NAMES", "Origin", "archive_origins", "origin_table"]

WISE_NAMES = ("w1", "w2", "w3", "w4")
IDENTIFIERS = ("specObjID", "objID")
# Columns of whole numbers that are never null.
COUNTS = ("run", "rerun", "camcol", "field", "plate", "bptclass")
# Quantities that are greater than zero where they were measured at all.
POSITIVE = ("petroMagErr", "petroR50", "petroR90", "expAB", "psffwhm")
ARCHIVE, INFRARED, IRSA, LIBRARY = "CAS", "CAS or IRSA", "IRSA", "this library"


@dataclass(frozen=True)
class Origin:
    """Where one column comes from.

    Attributes
    ----------
    column : str
        Our name.
    service : str
        ``"CAS"``: the SDSS archive; ``"CAS or IRSA"``: WISE by the SDSS archive's own match or by position at IRSA;
        ``"IRSA"``: with the latter only; ``"this library"``: measured or computed here.
    table : str
        The service's table or tables.
    expression : str
        In the service's language; empty where the column is ours.
    unit : str
    note : str
    band : str
        The optical band, where there is one column for each.
    """

    column: str
    service: str
    table: str
    expression: str
    unit: str
    note: str
    band: str = ""


def _per_band(name: str, table: str, prefix: str, unit: str, note: str, service: str = ARCHIVE) -> Iterator[Origin]:
    for band in BANDS:
        expression = f"{prefix}.{name}_{band}" if prefix else ""
        yield Origin(f"{name}_{band}", service, table, expression, unit, note, band)


def _photometry(name: str, unit: str, note: str) -> Iterator[Origin]:
    return _per_band(name, "PhotoPrimary", "p", unit, note)


def _infrared() -> Iterator[Origin]:
    table = "WISE_allsky, or allwise_p3as_psd at IRSA"
    limit = "null where the source gives no error: such a magnitude is an upper limit"
    for name in WISE_NAMES:
        yield Origin(f"{name}mpro", INFRARED, table, f"w.{name}mpro", "mag (Vega)", f"profile-fit magnitude; {limit}")
        yield Origin(f"{name}sigmpro", INFRARED, table, f"w.{name}sigmpro", "mag", "its error")
    yield Origin(
        "wise_distance",
        INFRARED,
        "WISE_xmatch, or computed from IRSA's positions",
        "x.match_dist",
        "arcsec",
        "to the nearest WISE source; null where there is none",
    )
    for name, note in (
        ("cc_flags", "contamination in each band; 0: none"),
        ("ext_flg", "0: a point source; 5: within a galaxy of the 2MASS extended catalogue"),
        ("ph_qual", "quality in each band, A to C; U: an upper limit"),
    ):
        yield Origin(name, IRSA, "allwise_p3as_psd", f"w.{name}", "", note)


ORIGINS: tuple[Origin, ...] = (
    # The identifiers come first: the order of the archive, by which pages are asked for.
    Origin("specObjID", ARCHIVE, "galSpecExtra", "g.specObjID", "", "of the spectrum; 64-bit"),
    Origin("objID", ARCHIVE, "PhotoPrimary", "p.objID", "", "of the image; by position (SpecObj.bestObjID); 64-bit"),
    Origin("ra", ARCHIVE, "PhotoPrimary", "p.ra", "deg", "J2000, of the r band"),
    Origin("dec", ARCHIVE, "PhotoPrimary", "p.dec", "deg", "J2000, of the r band"),
    Origin("z", ARCHIVE, "SpecObj", "s.z", "", "spectroscopic redshift, heliocentric, zWarning = 0"),
    Origin("zErr", ARCHIVE, "SpecObj", "s.zErr", "", "its error"),
    Origin("plate", ARCHIVE, "SpecObj", "s.plate", "", "spectroscopic plate"),
    Origin("run", ARCHIVE, "PhotoPrimary", "p.run", "", "imaging run: with the next three, the frame"),
    Origin("rerun", ARCHIVE, "PhotoPrimary", "p.rerun", "", "version of the photometric pipeline"),
    Origin("camcol", ARCHIVE, "PhotoPrimary", "p.camcol", "", "camera column, 1 to 6"),
    Origin("field", ARCHIVE, "PhotoPrimary", "p.field", "", "field along the run"),
    Origin("rowc_r", ARCHIVE, "PhotoPrimary", "p.rowc_r", "pixel", "row of the centre in the r frame"),
    Origin("colc_r", ARCHIVE, "PhotoPrimary", "p.colc_r", "pixel", "column of the centre in the r frame"),
    Origin("EBV", ARCHIVE, "galSpecInfo", "i.e_bv_sfd", "mag", "E(B-V) of Schlegel, Finkbeiner & Davis (1998)"),
    *_photometry("petroMag", "mag (asinh)", "Petrosian; not corrected for extinction; null where the flux is <= 0"),
    *_photometry("petroMagErr", "mag", "its error; null where the flux is <= 0"),
    *_photometry("petroFlux", "nanomaggy", "Petrosian; a flux may be negative"),
    *_photometry("petroR50", "arcsec", "radius of half of the Petrosian flux, not corrected for seeing"),
    *_photometry("petroR90", "arcsec", "radius of 90% of the Petrosian flux, not corrected for seeing"),
    *_photometry("expAB", "", "axis ratio b/a of the best exponential model, corrected for seeing"),
    *_photometry("extinction", "mag", "Galactic extinction as the archive applies it"),
    *_photometry("psffwhm", "arcsec", "width of the point spread function in the field"),
    Origin("lgm_tot_p16", ARCHIVE, "galSpecExtra", "g.lgm_tot_p16", "log10 Msun", "16th percentile of the mass"),
    Origin(
        "lgm_tot_p50",
        ARCHIVE,
        "galSpecExtra",
        "g.lgm_tot_p50",
        "log10 Msun",
        "the target: total stellar mass of the MPA-JHU catalogue, made from ugriz photometry and redshift",
    ),
    Origin("lgm_tot_p84", ARCHIVE, "galSpecExtra", "g.lgm_tot_p84", "log10 Msun", "84th percentile of the mass"),
    Origin("sfr_tot_p50", ARCHIVE, "galSpecExtra", "g.sfr_tot_p50", "log10 Msun/yr", "total star-formation rate"),
    Origin("specsfr_tot_p50", ARCHIVE, "galSpecExtra", "g.specsfr_tot_p50", "log10 1/yr", "the same per stellar mass"),
    Origin("bptclass", ARCHIVE, "galSpecExtra", "g.bptclass", "", "class by emission lines, -1 to 5"),
    *_infrared(),
    *_per_band(
        "Sersic_n",
        "",
        "",
        "",
        "from the r-aligned cutouts, before the seeing; or from a published table, matched by position",
        LIBRARY,
    ),
)


def archive_origins(*, wise: bool) -> tuple[Origin, ...]:
    """The columns that the SDSS archive is asked for, with or without its match to WISE."""
    return tuple(origin for origin in ORIGINS if origin.service == ARCHIVE or (wise and origin.service == INFRARED))


def origin_table() -> pd.DataFrame:
    """Where every column comes from, for a reader: one row for each, and one for all bands of a quantity.

    Returns
    -------
    DataFrame
        Columns ``column``, ``service``, ``table``, ``expression``, ``unit``, ``note``; a quantity in five bands is
        written ``petroMag_{u,g,r,i,z}``.
    """
    all_bands = f"{{{','.join(BANDS)}}}"
    rows = {}
    for origin in ORIGINS:
        column, expression = (
            (text.removesuffix(origin.band) + all_bands if origin.band and text else text)
            for text in (origin.column, origin.expression)
        )
        rows[column] = (column, origin.service, origin.table, expression, origin.unit, origin.note)
    return pd.DataFrame(
        list(rows.values()), columns=["column", "service", "table", "expression", "unit", "note"], dtype=str
    )
