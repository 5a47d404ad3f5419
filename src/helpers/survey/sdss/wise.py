"""WISE: which magnitudes are measurements, and the match by position at the Infrared Science Archive (IRSA)."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...checks import is_whole
from ...progress import progress_bar
from ...runs import atomic_path
from ..matching import separation
from .columns import WISE_NAMES
from .transfer import (
    USER_AGENT,
    BadAnswer,
    Politeness,
    TransferError,
    doubting_empty,
    is_intact,
    persist,
    take_turn,
    write_checksum,
    writing_to,
)

__all__ = ["clean_wise", "match_irsa"]

RADIUS = 3.0  # arcsec; half of the width of the point spread function in W1
CHUNK_ROWS = 1000
# Sources allowed for one galaxy, on average, before the answer counts as cut off.
SOURCES_PER_GALAXY = 10
SANE_MAGNITUDE = (-5.0, 25.0)
TABLE = "allwise_p3as_psd"
VALUES = tuple(f"{name}{kind}" for name in WISE_NAMES for kind in ("mpro", "sigmpro"))
FLAGS = ("cc_flags", "ext_flg", "ph_qual")


def clean_wise(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn what is no measurement into null: a magnitude without a positive error, which is an upper limit.

    Parameters
    ----------
    frame : DataFrame
        With ``w1mpro``, ``w1sigmpro`` and so on, for whichever of the four bands there are.

    Returns
    -------
    DataFrame
        A copy. A magnitude beyond -5 to 25 is null too, and its error with it.
    """
    clean = frame.copy()
    faint, bright = SANE_MAGNITUDE[1], SANE_MAGNITUDE[0]
    for name in WISE_NAMES:
        magnitude, error = f"{name}mpro", f"{name}sigmpro"
        if magnitude not in frame.columns or error not in frame.columns:
            continue
        valid = frame[magnitude].between(bright, faint) & frame[error].between(0, faint, inclusive="neither")
        clean[magnitude] = frame[magnitude].where(valid)
        clean[error] = frame[error].where(valid)
    return clean


def match_irsa(
    catalog: pd.DataFrame,
    politeness: Politeness,
    *,
    directory: Path | None = None,
    allow_network: bool = False,
    chunk_rows: int = CHUNK_ROWS,
) -> pd.DataFrame:
    """Nearest AllWISE source within 3 arcsec of each galaxy.

    Positions are uploaded in chunks, and the nearest of the sources that come back is chosen here.

    Parameters
    ----------
    catalog : DataFrame [n_galaxies]
        With ``ra`` and ``dec`` in degrees.
    politeness : Politeness
    directory : path, optional
        Where finished chunks are kept, so that an interrupted call goes on. Default: they are not.
    allow_network : bool, default False
        Ask for chunks that are not in `directory`.
    chunk_rows : int
        Galaxies asked for at once.

    Returns
    -------
    DataFrame [n_galaxies]
        With the index of `catalog`: ``w1mpro``, ``w1sigmpro`` to those of W4 (Vega), ``cc_flags``, ``ext_flg``,
        ``ph_qual`` and ``wise_distance`` in arcsec. Null where there is no source or no measurement.

    Raises
    ------
    ValueError
        If a position is not finite, or chunks are missing and `allow_network` is False.
    TransferError, OSError
        As `persist` does.
    """
    if not is_whole(chunk_rows) or chunk_rows < 1:
        raise ValueError(f"chunk_rows: found {chunk_rows!r}, expected a positive whole number")
    positions = catalog[["ra", "dec"]].astype(np.float64).reset_index(drop=True)
    if not np.isfinite(positions.to_numpy()).all():
        raise ValueError("catalog: a position is null, expected finite ra and dec")
    pieces = []
    with progress_bar(len(positions), "WISE at IRSA", unit="galaxy") as bar:
        for start in range(0, len(positions), chunk_rows):
            chunk = positions.iloc[start : start + chunk_rows].reset_index(drop=True)
            pieces.append(_matched(chunk, politeness, directory, allow_network))
            bar.update(len(chunk))
    table = pd.concat(pieces) if pieces else _nearest(positions, _no_sources())
    return clean_wise(table.set_axis(catalog.index, axis=0))


def _matched(chunk: pd.DataFrame, politeness: Politeness, directory: Path | None, allow_network: bool) -> pd.DataFrame:
    """One chunk, from the disk or from the archive."""
    path = None if directory is None else Path(directory) / f"{_key(chunk)}.parquet"
    if path is not None and is_intact(path):
        return pd.read_parquet(path)
    if not allow_network:
        raise ValueError(
            f"match_irsa: the WISE sources of {len(chunk)} galaxies are not at hand, "
            "expected allow_network=True to ask IRSA for them"
        )
    found = _nearest(chunk, _sources(chunk, politeness))
    if path is not None:
        with writing_to(path.parent):
            with atomic_path(path) as temporary:
                found.to_parquet(temporary)
            write_checksum(path)
    return found


def _key(chunk: pd.DataFrame) -> str:
    return hashlib.sha256(np.ascontiguousarray(chunk.to_numpy(np.float64)).tobytes()).hexdigest()[:16]


def _nearest(chunk: pd.DataFrame, sources: pd.DataFrame) -> pd.DataFrame:
    """For each galaxy of the chunk its nearest source, null where none is within the radius."""
    galaxy = sources["galaxy"].to_numpy(np.int64)
    ra, dec = (chunk[name].to_numpy()[galaxy] for name in ("ra", "dec"))
    distance = separation(ra, dec, sources["ra"].to_numpy(np.float64), sources["dec"].to_numpy(np.float64))
    near = sources.assign(wise_distance=distance)[distance <= RADIUS]
    # Equally near sources in a fixed order, whatever the archive's.
    near = near.sort_values(["galaxy", "wise_distance", "cntr"]).drop_duplicates("galaxy").set_index("galaxy")
    return near.reindex(range(len(chunk)))[[*VALUES, *FLAGS, "wise_distance"]]


def _sources(chunk: pd.DataFrame, politeness: Politeness) -> pd.DataFrame:
    """All sources near the galaxies of a chunk; a chunk whose answer was cut off is halved."""
    from astroquery.ipac.irsa import conf

    found = persist(
        doubting_empty(lambda: _ask(chunk, politeness), lambda sources: sources is not None and sources.empty),
        politeness,
        f"WISE sources near {len(chunk)} galaxies",
        conf.tap_url,
    )
    if found is not None:
        return found
    if len(chunk) == 1:
        raise TransferError("WISE sources near one galaxy: the archive does not send them all", conf.tap_url, 1)
    middle = len(chunk) // 2
    first, second = (
        _sources(part.reset_index(drop=True), politeness) for part in (chunk.iloc[:middle], chunk.iloc[middle:])
    )
    return pd.concat([first, second.assign(galaxy=second["galaxy"] + middle)], ignore_index=True)


def _ask(chunk: pd.DataFrame, politeness: Politeness) -> pd.DataFrame | None:
    """One query; None if not all sources were sent."""
    from astropy.table import Table
    from astroquery.ipac.irsa import IrsaClass
    from pyvo.dal.exceptions import DALAccessError

    client = IrsaClass()
    session = client._session
    session.headers["User-Agent"] += f" {USER_AGENT}"
    # The client sets no time limit of its own.
    request = session.request
    session.request = lambda *args, **options: request(*args, **{"timeout": politeness.timeout, **options})
    upload = Table({"galaxy": np.arange(len(chunk)), "ra": chunk["ra"].to_numpy(), "dec": chunk["dec"].to_numpy()})
    limit = SOURCES_PER_GALAXY * len(chunk)
    take_turn(client.tap_url, politeness.interval)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an answer cut off, which is looked at below, and of loose VOTables
        try:
            result = client.tap.run_sync(_query(), uploads={"galaxies": upload}, maxrec=limit)
            table = result.to_table()
        except DALAccessError as error:
            raise _cause(error) from error
    if result.status[0].lower() == "overflow" or len(table) >= limit:
        return None
    return _checked(table, len(chunk))


def _query() -> str:
    columns = ",".join(f"w.{name}" for name in ("cntr", "ra", "dec", *VALUES, *FLAGS))
    return (
        f"SELECT t.galaxy,{columns} FROM {TABLE} w, TAP_UPLOAD.galaxies t WHERE CONTAINS("
        f"POINT('ICRS',w.ra,w.dec),CIRCLE('ICRS',t.ra,t.dec,{RADIUS / 3600:.7f}))=1"
    )


def _cause(error: Exception) -> Exception:
    """What the client's exception was raised for: a fault of the connection as it was, all else as a bad answer."""
    import requests

    seen: BaseException | None = error
    while seen is not None:
        for found in (seen, getattr(seen, "cause", None)):
            if isinstance(found, requests.exceptions.RequestException):
                return found
        seen = seen.__cause__ or seen.__context__
    return BadAnswer(f"{type(error).__name__}: {error}")


def _checked(table: Any, n_galaxies: int) -> pd.DataFrame:
    """The sources of an answer as a table; refuses one with other columns, or of other galaxies."""
    wanted = ("galaxy", "cntr", "ra", "dec", *VALUES, *FLAGS)
    absent = [name for name in wanted if name not in table.colnames]
    if absent:
        raise BadAnswer(f"found columns {', '.join(table.colnames)}, expected {', '.join(absent)} too")
    columns: dict[str, Any] = {}
    for name in wanted:
        column = table[name]
        if name in FLAGS:
            columns[name] = ["" if text is np.ma.masked else str(text) for text in column]
        elif name in ("galaxy", "cntr"):
            columns[name] = np.asarray(column, dtype=np.int64)
        else:
            columns[name] = np.ma.filled(np.ma.asarray(column).astype(np.float64), np.nan)
    frame = pd.DataFrame(columns)
    if not frame["galaxy"].between(0, n_galaxies - 1).all():
        raise BadAnswer(f"galaxy: found a source of a galaxy that was not asked for, expected 0 to {n_galaxies - 1}")
    return frame


def _no_sources() -> pd.DataFrame:
    numbers = dict.fromkeys(("galaxy", "cntr"), np.array([], dtype=np.int64))
    values = dict.fromkeys(("ra", "dec", *VALUES), np.array([], dtype=np.float64))
    return pd.DataFrame({**numbers, **values, **{name: np.array([], dtype=str) for name in FLAGS}})
