"""Handlers for `tests.loopback` that answer as the catalogue services do: the SDSS SkyServer and IRSA's TAP."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from io import BytesIO

import numpy as np
import pandas as pd

from .loopback import Answer, Loopback, Request

SKYSERVER = "/dr17/en/tools/search/x_results.aspx"
TAP = "/TAP/sync"


@dataclass
class SkyServer:
    """The archive's catalogue query: CSV with a first line ``#Table1``.

    Attributes
    ----------
    table : DataFrame
        By our column names; identifiers uint64; several rows for a galaxy with several WISE matches. NaN is a null.
    """

    table: pd.DataFrame
    queries: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Answer:
        assert request.query["format"] == "csv" and request.query["searchtool"] == "SQL"
        query = " ".join(request.query["cmd"].split())
        self.queries.append(query)
        n, last = (int(self._found(pattern, query)) for pattern in (r"TOP (\d+) ", r"CAST\('(\d+)' AS bigint\)"))
        step, remainder = re.search(r"s\.plate%(\d+)=(\d+)", query).groups() if "s.plate%" in query else (1, 0)
        near, far = re.search(r"s\.z BETWEEN (\S+) AND (\S+)", query).groups()
        table = self.table
        table = table[(table["specObjID"] > np.uint64(last)) & (table["plate"] % int(step) == int(remainder))]
        table = table[table["z"].between(float(near), float(far))]
        order = ["specObjID", *(["wise_distance"] if "ORDER BY g.specObjID,wise_distance" in query else [])]
        # A null, here -9999, sorts first there as well.
        table = table.sort_values(order, na_position="first", kind="stable")
        if len(order) == 1:
            table = table.drop_duplicates("specObjID")
        table = table.head(n)
        columns = {}
        for item in re.split(r",(?![^(]*\))", self._found(r"SELECT TOP \d+ (.*) FROM galSpecExtra", query)):
            name = re.split(r" AS |\.", item)[-1]
            values = np.ones(len(table), dtype=int) if name == "complete" else table[name]
            columns[name] = ["-9999" if "ISNULL" in item and pd.isna(v) else self._text(v) for v in values]
        lines = ["#Table1", ",".join(columns), *map(",".join, zip(*columns.values(), strict=True))]
        return Answer(("\n".join(lines) + "\n").encode(), 200, "text/plain")

    @staticmethod
    def _found(pattern: str, text: str) -> str:
        found = re.search(pattern, text)
        assert found, f"{pattern} in {text}"
        return found[1]

    @staticmethod
    def _text(value: object) -> str:
        return "null" if pd.isna(value) else str(int(value)) if isinstance(value, np.integer | int) else repr(value)


@dataclass
class Irsa:
    """TAP with an upload: all sources within the radius of each uploaded position, as a VOTable.

    Attributes
    ----------
    table : DataFrame
        AllWISE sources: cntr, ra, dec, magnitudes, errors and flags.
    row_limit : int
        The service's own, below what a client may ask for.
    """

    table: pd.DataFrame
    row_limit: int = 100_000

    def __call__(self, request: Request) -> Answer:
        from astropy.table import Table

        form = _form(request)
        assert form["LANG"] == b"ADQL" and b"TAP_UPLOAD.galaxies" in form["QUERY"]
        name = form["UPLOAD"].decode().rpartition("param:")[2]
        uploaded = Table.read(BytesIO(form[name]), format="votable")
        radius = float(re.search(rb"t\.dec,([\d.]+)\)", form["QUERY"])[1])
        rows, galaxies = [], []
        for galaxy, ra, dec in uploaded.iterrows("galaxy", "ra", "dec"):
            # The cosine rule's half-angle form, written apart from the library's.
            phi, theta = np.radians(self.table["dec"]), np.radians(dec)
            half = np.sin((phi - theta) / 2) ** 2
            half += np.cos(phi) * np.cos(theta) * np.sin(np.radians(self.table["ra"] - ra) / 2) ** 2
            near = np.flatnonzero(np.degrees(2 * np.arcsin(np.sqrt(half))) <= radius)
            rows.extend(near)
            galaxies.extend([galaxy] * len(near))
        limit = min(int(form["MAXREC"]), self.row_limit)
        found = self.table.iloc[rows[:limit]].reset_index(drop=True)
        found.insert(0, "galaxy", np.array(galaxies[:limit], dtype=np.int64))
        return Answer(votable(found, "OVERFLOW" if len(rows) > limit else "OK"), 200, "application/x-votable+xml")


def votable(frame: pd.DataFrame, status: str, message: str = "") -> bytes:
    """A TAP answer of that status."""
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Info
    from astropy.table import MaskedColumn, Table

    columns = {}
    for name in frame:
        values = frame[name].to_numpy()
        text = values.dtype.kind not in "iuf"
        columns[name] = np.array(values, dtype=str) if text else MaskedColumn(values, mask=pd.isna(values))
    document = from_table(Table(columns))
    information = Info(name="QUERY_STATUS", value=status)
    information.content = message
    document.resources[0].type = "results"
    document.resources[0].infos.append(information)
    stream = BytesIO()
    document.to_xml(stream)
    return stream.getvalue()


def _form(request: Request) -> dict[str, bytes]:
    """Fields of a multipart body."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message: Message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
        for part in message.iter_parts()
    }


def serve_archive(loopback: Loopback, sky: SkyServer | None = None, irsa: Irsa | None = None) -> None:
    """Let a loopback server answer for these services."""
    if sky is not None:
        loopback.routes[SKYSERVER] = sky
    if irsa is not None:
        loopback.routes[TAP] = irsa


def made_galaxies(n: int, seed: int = 0, *, matches: bool = True) -> pd.DataFrame:
    """Rows of the archive as it answers: some nulls, and for a tenth of the galaxies a second WISE match.

    Identifiers run up to 2**63 - 1, half of them within a few of each other, so that no float tells them apart.
    """
    from helpers.survey.sdss.columns import COUNTS, ORIGINS

    rng = np.random.default_rng(seed)
    near = np.uint64(2**63 - 1) - np.arange(n // 2, dtype=np.uint64)
    far = rng.choice(2**62, n - n // 2, replace=False).astype(np.uint64) + np.uint64(1)
    table = pd.DataFrame({"specObjID": rng.permutation(np.concatenate([near, far]))})
    table["objID"] = rng.permutation(np.arange(n, dtype=np.uint64) + np.uint64(2**60 + 1))
    table["ra"], table["dec"] = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    for origin in ORIGINS:
        if origin.column in table or origin.service in ("IRSA", "this library"):
            continue
        table[origin.column] = rng.integers(1, 7, n) if origin.column in COUNTS else rng.uniform(0.02, 0.29, n)
    table["plate"] = rng.integers(266, 2975, n)
    for band in "ugriz":
        table[f"petroMag_{band}"] = rng.uniform(14, 20, n)
        table[f"petroFlux_{band}"] = 10 ** (0.4 * (22.5 - table[f"petroMag_{band}"]))
    table["extinction_g"] = table["extinction_r"] * 3.793 / 2.751
    table.loc[rng.random(n) < 0.05, "petroFlux_u"] = -0.3
    table.loc[:3, "petroFlux_g"] = 12_345.0  # a bright galaxy, and no sentinel
    table.loc[rng.random(n) < 0.05, "petroR50_z"] = -9999.0
    table.loc[rng.random(n) < 0.05, "sfr_tot_p50"] = np.nan
    for name in ("w1", "w2", "w3", "w4"):
        table[f"{name}mpro"] = rng.uniform(8, 16, n)
    unmatched = rng.random(n) < 0.1
    table.loc[unmatched, [name for name in table if name.startswith("w")]] = np.nan
    # A second source beside the first, farther off.
    second = table[~unmatched].sample(frac=0.1 if matches else 0, random_state=1)
    second = second.assign(wise_distance=second["wise_distance"] + 1, w1mpro=second["w1mpro"] + 3)
    return pd.concat([second, table], ignore_index=True)


def made_sources(galaxies: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """An AllWISE source about half an arcsecond from each galaxy, and a second one at 2 arcsec from each third."""
    rng = np.random.default_rng(seed)
    pieces = []
    for offset, part in ((0.5, galaxies), (2.0, galaxies.iloc[::3])):
        n = len(part)
        source = pd.DataFrame({"ra": part["ra"].to_numpy(), "dec": part["dec"].to_numpy() + offset / 3600})
        for name in ("w1", "w2", "w3", "w4"):
            source[f"{name}mpro"], source[f"{name}sigmpro"] = rng.uniform(8, 16, n), rng.uniform(0.01, 0.3, n)
        source.loc[rng.random(n) < 0.2, "w4sigmpro"] = np.nan
        source["cc_flags"], source["ext_flg"], source["ph_qual"] = "0000", 5, "AABU"
        pieces.append(source)
    table = pd.concat(pieces, ignore_index=True)
    table.insert(0, "cntr", rng.permutation(len(table)).astype(np.int64) + 2**62 + 1)
    return table
