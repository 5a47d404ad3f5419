"""One question to the SDSS archive and what counts as its answer: a selection, its SQL, a strict reading of pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...checks import is_number, is_whole
from .columns import ARCHIVE, COUNTS, IDENTIFIERS, archive_origins
from .transfer import BadAnswer

__all__ = ["FIRST_LINE", "Selection", "catalogue_query", "parse_page"]

WISE_SOURCES = ("archive", "irsa", "none")
OLDEST_RELEASE = 8  # the first with the tables asked for
MAIN_GALAXY = 448  # bits of legacy_target1: GALAXY 64, GALAXY_BIG 128, GALAXY_BRIGHT_CORE 256
NULL = -9999
COMPLETE = "complete"  # a last column that is always 1, by which a row is known to be whole
FIRST_LINE = "#Table1"


@dataclass(frozen=True)
class Selection:
    """Which galaxies of the archive.

    Attributes
    ----------
    main_galaxies : bool
        Only targets of the main galaxy sample (Strauss et al. 2002).
    clean_photometry : bool
        Only objects that the archive flags as clean.
    magnitude_range, redshift_range : tuple of float
        Of ``petroMag_r - extinction_r``, and of the redshift.
    plate_step, plate_remainder : int
        Of the spectroscopic plates those whose number leaves this remainder; with a step of 1, all.
    wise : str
        ``"archive"``: by the archive's own match; ``"irsa"``: by position at IRSA, with flags; ``"none"``.
    release : int
        SDSS data release.
    """

    main_galaxies: bool = True
    clean_photometry: bool = True
    magnitude_range: tuple[float, float] = (14.0, 17.77)
    redshift_range: tuple[float, float] = (0.01, 0.3)
    plate_step: int = 40
    plate_remainder: int = 0
    wise: str = "archive"
    release: int = 17

    def __post_init__(self) -> None:
        for name in ("magnitude_range", "redshift_range"):
            value = tuple(getattr(self, name))
            if len(value) != 2 or not all(is_number(end) and np.isfinite(end) for end in value) or value[0] > value[1]:
                raise ValueError(f"Selection.{name}: found {value!r}, expected a lower and an upper number")
            object.__setattr__(self, name, (float(value[0]), float(value[1])))
        for name, least in (("plate_step", 1), ("plate_remainder", 0), ("release", OLDEST_RELEASE)):
            value = getattr(self, name)
            if not is_whole(value) or value < least:
                raise ValueError(f"Selection.{name}: found {value!r}, expected a whole number of at least {least}")
        if self.plate_remainder >= self.plate_step:
            raise ValueError(
                f"Selection.plate_remainder: found {self.plate_remainder}, expected less than plate_step, "
                f"{self.plate_step}"
            )
        if self.wise not in WISE_SOURCES:
            raise ValueError(f"Selection.wise: found {self.wise!r}, expected one of {', '.join(WISE_SOURCES)}")


def catalogue_query(selection: Selection, last: int, n: int) -> str:
    """SQL of the first `n` rows of the archive after the galaxy `last`, in the order of specObjID.

    A galaxy with several WISE matches has several rows, the nearest match first.

    Parameters
    ----------
    selection : Selection
    last : int
        A specObjID, or 0 for the beginning; less than 2**63, as the catalogue's all are.
    n : int

    Returns
    -------
    str
    """
    if not 0 <= last < 2**63:
        raise ValueError(f"last: found {last}, expected an identifier below 2**63")
    wise = selection.wise == "archive"
    items = []
    for origin in archive_origins(wise=wise):
        if origin.service != ARCHIVE:
            items.append(f"ISNULL({origin.expression},{NULL}) AS {origin.column}")
        elif origin.expression.endswith(f".{origin.column}"):
            items.append(origin.expression)
        else:
            items.append(f"{origin.expression} AS {origin.column}")
    join = "LEFT JOIN WISE_xmatch x ON x.sdss_objid=p.objID LEFT JOIN WISE_allsky w ON w.cntr=x.wise_cntr "
    # A bare number of so many digits would be compared as a decimal.
    conditions = [f"g.specObjID>CAST('{last}' AS bigint)", *_conditions(selection)]
    return (
        f"SELECT TOP {n} {','.join(items)},1 AS {COMPLETE} FROM galSpecExtra g "
        "JOIN galSpecInfo i ON i.specObjID=g.specObjID JOIN SpecObj s ON s.specObjID=g.specObjID "
        "JOIN PhotoPrimary p ON p.objID=s.bestObjID "
        f"{join if wise else ''}WHERE {' AND '.join(conditions)} "
        f"ORDER BY g.specObjID{',wise_distance' if wise else ''}"
    )


def _conditions(selection: Selection) -> list[str]:
    (bright, faint), (near, far) = selection.magnitude_range, selection.redshift_range
    conditions = ["s.class='GALAXY'", "s.zWarning=0", "p.type=3", "i.reliable=1"]
    # Each percentile may be missing alone.
    conditions += [f"g.lgm_tot_{percentile}>-1000" for percentile in ("p16", "p50", "p84")]
    conditions += [f"p.petroMag_r-p.extinction_r BETWEEN {bright!r} AND {faint!r}", f"s.z BETWEEN {near!r} AND {far!r}"]
    if selection.main_galaxies:
        conditions.append(f"(s.legacy_target1&{MAIN_GALAXY})>0")
    if selection.clean_photometry:
        conditions.append("p.clean=1")
    if selection.plate_step > 1:
        conditions.append(f"s.plate%{selection.plate_step}={selection.plate_remainder}")
    return conditions


def parse_page(body: bytes, columns: tuple[str, ...], last: int) -> pd.DataFrame:
    """Table of the archive's answer, of which every row is complete and comes after `last`.

    Parameters
    ----------
    body : bytes
        CSV after a line ``#Table1``.
    columns : tuple of str
        Those asked for, in order, without the last one, which is always 1. Their case may differ.
    last : int

    Returns
    -------
    DataFrame
        Identifiers uint64 and exact; the other columns int64 or float64, ``null`` as NaN. No row where nothing
        follows `last`.

    Raises
    ------
    BadAnswer
        If the answer is anything else: a page of HTML, a message, a table cut short or of other columns or rows.
    """
    try:
        lines = body.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadAnswer(f"found bytes that are no text, {body[:40]!r}, expected a table") from None
    while lines and not lines[-1]:
        lines.pop()
    if not lines or lines[0].strip() != FIRST_LINE:
        raise BadAnswer(f"found {' '.join(lines)[:200]!r}, expected a table that begins with {FIRST_LINE}")
    header = [*columns, COMPLETE]
    if len(lines) > 1 and [name.strip().lower() for name in lines[1].split(",")] != [name.lower() for name in header]:
        raise BadAnswer(f"found columns {lines[1][:200]!r}, expected {','.join(header)[:200]!r}")
    rows = [line.split(",") for line in lines[2:]]
    for number, row in enumerate(rows):
        if len(row) != len(header) or row[-1] != "1":
            raise BadAnswer(f"row {number + 1} of {len(rows)} is cut short")
    frame = pd.DataFrame({name: _numbers(name, [row[k] for row in rows]) for k, name in enumerate(columns)})
    found = frame["specObjID"].to_numpy()
    if len(found) and (found[0] <= np.uint64(last) or (found[1:] < found[:-1]).any()):
        raise BadAnswer(f"specObjID: found rows from {found[0]} on in some order, expected ascending after {last}")
    return frame


def _numbers(name: str, texts: list[str]) -> np.ndarray:
    try:
        if name in IDENTIFIERS:
            # Never through a floating-point number, which has too few digits.
            return np.array([_whole(text) for text in texts], dtype=np.uint64)
        if name in COUNTS:
            return np.array([int(text) for text in texts], dtype=np.int64)
        return np.array([np.nan if text in ("", "null", "NULL") else float(text) for text in texts], dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise BadAnswer(f"column {name!r}: {error}, expected numbers") from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"found {text!r}")
    return int(text)
