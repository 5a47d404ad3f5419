"""The archive's catalogue in pages that can be fetched one by one, kept, and continued after any interruption.

A page holds the galaxies after a given identifier, in the order of identifiers, and lies on the disk under that
identifier. So pages form a chain: whichever of them is damaged is asked for again, and a page that does not follow
from the one before it is never used. An answer is a page only if every row of it is complete.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...bands import SDSS
from ...checks import is_whole
from ...progress import progress_bar
from ...runs import atomic_path
from ..quality import SENTINEL
from .columns import IDENTIFIERS, POSITIVE, archive_origins
from .skyserver import FIRST_LINE, Selection, catalogue_query, parse_page
from .transfer import (
    USER_AGENT,
    Politeness,
    doubting_empty,
    is_intact,
    persist,
    take_turn,
    write_checksum,
    writing_to,
)
from .wise import clean_wise, match_irsa

__all__ = ["CataloguePages", "Selection", "catalogue_query", "extinction_law"]

# A_g / A_r of the coefficients of Schlegel, Finkbeiner & Davis (1998) and of Schlafly & Finkbeiner (2011).
EXTINCTION_RATIOS = {"SFD98": 3.793 / 2.751, "SF11": 3.303 / 2.285}
RATIO_TOLERANCE = 0.02


class CataloguePages:
    """The galaxies of a selection, in the archive's order, fetched page by page as they are asked for.

    Parameters
    ----------
    selection : Selection
    directory : path
        Where pages lie: Parquet with a SHA-256 beside each, in a folder of the selection's own.
    politeness : Politeness
    page_rows : int
        Rows asked for at once.
    allow_network : bool, default False
        Fetch pages that are missing.
    """

    PAGE_ROWS = 2000

    def __init__(
        self,
        selection: Selection,
        directory: Path,
        politeness: Politeness,
        page_rows: int = PAGE_ROWS,
        *,
        allow_network: bool = False,
    ) -> None:
        if not is_whole(page_rows) or page_rows < 1:
            raise ValueError(f"page_rows: found {page_rows!r}, expected a positive whole number")
        self.selection = selection
        self.politeness = politeness
        self.page_rows = page_rows
        self.allow_network = allow_network
        told = {"query": catalogue_query(selection, 0, 1), "selection": asdict(selection)}
        key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        self.directory = Path(directory) / key
        self._columns = tuple(origin.column for origin in archive_origins(wise=selection.wise == "archive"))
        # What is known of the chain: pages, which of their rows count, and whether an empty page ended it.
        self._pages: list[tuple[Path, np.ndarray]] = []
        self._seen = np.array([], dtype=np.uint64)
        self._last = 0
        self._ended = False
        self._recent: tuple[Path, pd.DataFrame] | None = None

    def __len__(self) -> int:
        """Galaxies known so far."""
        return sum(len(kept) for _, kept in self._pages)

    def rows(self, start: int, stop: int) -> pd.DataFrame:
        """Galaxies `start` to `stop` of the archive's order, fetching the pages that are missing.

        Parameters
        ----------
        start, stop : int
            Numbers from 0, as in a slice.

        Returns
        -------
        DataFrame
            ``stop - start`` rows, fewer only where the archive ends; numbered by their place in the order. Nulls are
            NaN; a magnitude without a positive flux, or an infrared one without a positive error, is null.

        Raises
        ------
        ValueError
            If pages are missing and `allow_network` is False.
        TransferError, OSError
            As `persist` does.
        """
        if not (is_whole(start) and is_whole(stop)) or not 0 <= start <= stop:
            raise ValueError(f"start, stop: found {start!r}, {stop!r}, expected 0 <= start <= stop")
        self._extend(stop)
        pieces, place = [], 0
        for path, kept in self._pages:
            if place < stop and place + len(kept) > start:
                pieces.append(self._read(path).iloc[kept[max(start - place, 0) : stop - place]])
            place += len(kept)
        table = pd.concat(pieces) if pieces else parse_page(FIRST_LINE.encode(), self._columns, 0)
        return _with_nulls(table.set_axis(range(start, start + len(table)), axis=0))

    def _extend(self, stop: int) -> None:
        """Know the chain as far as galaxy `stop`."""
        with ExitStack() as stack:
            bar: Any = None
            while not self._ended and len(self) < stop:
                path = self.directory / f"after-{self._last:020d}.parquet"
                if not is_intact(path):
                    if not self.allow_network:
                        raise ValueError(
                            f"CataloguePages: the galaxies from number {len(self)} on are not in {self.directory}, "
                            "expected allow_network=True to fetch them"
                        )
                    if bar is None and stop - len(self) > self.page_rows:
                        bar = progress_bar(stop, "SDSS catalogue", done=len(self), unit="galaxy")
                        stack.enter_context(bar)
                    self._fetch(path)
                self._append(path)
                if bar is not None:
                    bar.update(min(len(self), stop) - bar.n)

    def _append(self, path: Path) -> None:
        identifiers = pd.read_parquet(path, columns=list(IDENTIFIERS))
        if identifiers.empty:
            self._ended = True
            return
        objects = identifiers["objID"]
        # Two spectra may lie at one object; it stands in the catalogue once.
        fresh = ~objects.duplicated() & ~objects.isin(self._seen)
        self._seen = np.concatenate([self._seen, objects[fresh].to_numpy(np.uint64)])
        self._pages.append((path, np.flatnonzero(fresh)))
        self._last = int(identifiers["specObjID"].iloc[-1])

    def _fetch(self, path: Path) -> None:
        from astroquery.sdss import conf

        url, last = conf.skyserver_baseurl, self._last
        page = persist(
            doubting_empty(lambda: self._ask(url, last), lambda frame: frame.empty),
            self.politeness,
            f"catalogue page after specObjID {last}",
            url,
        )
        # What is cut off after the first rows of a galaxy is more distant WISE matches of it.
        page = page.drop_duplicates("specObjID").reset_index(drop=True)
        with writing_to(path.parent):
            with atomic_path(path) as temporary:
                page.to_parquet(temporary)
            write_checksum(path)

    def _ask(self, url: str, last: int) -> pd.DataFrame:
        from astroquery.sdss import SDSSClass

        client = SDSSClass()
        client._session.headers["User-Agent"] += f" {USER_AGENT}"
        take_turn(url, self.politeness.interval)
        # The client's own cache would keep error pages, too.
        response = client.query_sql_async(
            catalogue_query(self.selection, last, self.page_rows),
            cache=False,
            data_release=self.selection.release,
            timeout=self.politeness.timeout,
        )
        response.raise_for_status()
        return parse_page(response.content, self._columns, last)

    def _read(self, path: Path) -> pd.DataFrame:
        if self._recent is None or self._recent[0] != path:
            page = pd.read_parquet(path)
            if self.selection.wise == "irsa":
                found = match_irsa(
                    page, self.politeness, directory=self.directory / "irsa", allow_network=self.allow_network
                )
                page = page.join(found)
            self._recent = (path, page)
        return self._recent[1]


def _with_nulls(table: pd.DataFrame) -> pd.DataFrame:
    """The archive's ways of saying that there is no value, as NaN."""
    table = table.copy()
    for name in table.columns[table.dtypes == np.float64]:
        values = table[name]
        # A flux may well be 9000 nanomaggies.
        size = -values if name.startswith("petroFlux") else values.abs()
        valid = (size < SENTINEL) & ((values > 0) | (not name.startswith(POSITIVE)))
        table[name] = values.where(valid)
    for band in SDSS.bands:
        dark = ~(table[band.flux] > 0)
        table.loc[dark, [band.magnitude, band.magnitude_error]] = np.nan
    return clean_wise(table) if "w1mpro" in table.columns else table


def extinction_law(catalog: pd.DataFrame) -> str:
    """Which coefficients the archive's extinction is made with, told from the data.

    Parameters
    ----------
    catalog : DataFrame
        With ``extinction_g`` and ``extinction_r`` in magnitudes.

    Returns
    -------
    str
        ``"SFD98"`` or ``"SF11"``, by the median of A_g / A_r: 1.379 or 1.446.

    Raises
    ------
    ValueError
        If it is neither.
    """
    red = catalog["extinction_r"].to_numpy(np.float64)
    ratio = catalog["extinction_g"].to_numpy(np.float64)[red > 0] / red[red > 0]
    median = float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else np.nan
    for law, expected in EXTINCTION_RATIOS.items():
        if abs(median - expected) < RATIO_TOLERANCE:
            return law
    known = ", ".join(f"{expected:.3f} ({law})" for law, expected in EXTINCTION_RATIOS.items())
    raise ValueError(f"extinction_g / extinction_r: found a median of {median:.3f}, expected {known}")
