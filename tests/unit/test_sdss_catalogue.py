"""The real catalogue: the query, its answer in pages through every fault, WISE, and matches by position."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from helpers.survey.matching import match_positions, match_table, separation
from helpers.survey.sdss.catalogue import CataloguePages, Selection, catalogue_query, extinction_law
from helpers.survey.sdss.columns import COUNTS, ORIGINS, archive_origins, origin_table
from helpers.survey.sdss.skyserver import parse_page
from helpers.survey.sdss.transfer import BadAnswer, Politeness, TransferError, is_intact
from helpers.survey.sdss.wise import clean_wise, match_irsa
from tests.archive import SKYSERVER, TAP, Irsa, SkyServer, made_galaxies, made_sources, serve_archive, votable
from tests.loopback import (
    Answer,
    body,
    connection_reset,
    cut_short,
    html_page,
    serving,
    stalled,
    status,
    throttled,
    truncated,
)

FAST = Politeness(first_pause=0.005, longest_pause=0.02, interval=0, timeout=20)
SHORT = replace(FAST, timeout=0.8, attempts=40)
EVERY = Selection(plate_step=1)
PAGE = 60
GALAXIES = made_galaxies(250)


def truth(table: pd.DataFrame = GALAXIES) -> pd.DataFrame:
    """What the pages must hold, by pandas alone: the nearest WISE match of each galaxy, in the order of identifiers."""
    table = table.sort_values(["specObjID", "wise_distance"]).drop_duplicates("specObjID").reset_index(drop=True)
    table = table.replace(-9999.0, np.nan)
    for band in "ugriz":
        dark = table[f"petroFlux_{band}"] <= 0
        table.loc[dark, [f"petroMag_{band}", f"petroMagErr_{band}"]] = np.nan
    return table[[origin.column for origin in archive_origins(wise=True)]]


@pytest.fixture
def sky():
    """A server of the archive and of IRSA, to which the clients are pointed."""
    from astroquery.ipac.irsa import conf as irsa_conf
    from astroquery.sdss import conf as sdss_conf

    with serving() as loopback:
        sources = made_sources(GALAXIES.drop_duplicates("specObjID"))
        serve_archive(loopback, SkyServer(GALAXIES), Irsa(sources))
        with (
            sdss_conf.set_temp("skyserver_baseurl", loopback.url),
            irsa_conf.set_temp("tap_url", f"{loopback.url}/TAP"),
        ):
            yield loopback


def pages(folder, politeness: Politeness = FAST, selection: Selection = EVERY, n: int = PAGE, online: bool = True):
    return CataloguePages(selection, folder, politeness, n, allow_network=online)


def test_identifiers_near_two_to_the_63_are_exact(sky, tmp_path):
    found = pages(tmp_path).rows(0, 1000)
    expected = truth()
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert found["specObjID"].dtype == found["objID"].dtype == np.uint64
    # A float would not tell half of them apart.
    assert found["specObjID"].astype(np.float64).nunique() < 0.6 * len(found)
    assert int(found["specObjID"].iloc[-1]) == 2**63 - 1


FAULTS = {
    "500": status(500),
    "503 with Retry-After": status(503, **{"Retry-After": "1"}),
    "time-out": stalled(1.2),
    "reset": connection_reset,
    "cut connection": cut_short(3000),
    "cut in a row": truncated(5003),
    "cut in the first line": truncated(4),
    "cut after the first line": truncated(8),
    "cut in the header": truncated(100),
    "cut at the end of a line": lambda good: Answer(good.body[: good.body.rindex(b"\n", 0, 9000) + 1]),
    "without the last byte": lambda good: Answer(good.body[:-1]),
    "without the last two bytes": lambda good: Answer(good.body[:-2]),
    "HTML with 200": html_page,
    "throttle line": throttled,
    "error message": body(b'[{"error_message": "Query timed out"}]'),
    "empty body": body(b""),
    "empty page": lambda good: Answer(b"\n".join(good.body.split(b"\n")[:2]) + b"\n"),
    "duplicate page": lambda good: Answer(SkyServer(GALAXIES)(FIRST_REQUEST[0]).body),
    "other columns": lambda good: Answer(good.body.replace(b"petroMag_r", b"psfMag_r")),
    "letters for digits": lambda good: Answer(good.body.replace(b"1", b"l", 40)),
    "rows in another order": lambda good: Answer(_reversed(good.body)),
    "bytes that are no text": body(b"#Table1\n\xff\xfe\x00"),
}
FIRST_REQUEST: list = []


def _reversed(content: bytes) -> bytes:
    lines = content.decode().splitlines()
    return "\n".join([*lines[:2], *lines[:1:-1], ""]).encode()


def asked_first(sky) -> None:
    FIRST_REQUEST[:] = sky.requests[:1]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_changes_nothing_of_the_result(sky, tmp_path, fault):
    catalogue = pages(tmp_path, SHORT if fault is FAULTS["time-out"] else FAST)
    catalogue.rows(0, 1)
    asked_first(sky)
    sky.fail(SKYSERVER, fault)
    pd.testing.assert_frame_equal(catalogue.rows(0, 250), truth(), check_exact=True)
    # And nothing of what is kept.
    pd.testing.assert_frame_equal(pages(tmp_path, online=False).rows(0, 250), truth(), check_exact=True)


def test_all_faults_in_one_run_change_nothing(sky, tmp_path):
    catalogue = pages(tmp_path, SHORT)
    catalogue.rows(0, 1)
    asked_first(sky)
    once = list(FAULTS.values())
    sky.fail(SKYSERVER, *once[:11], None, *once[11:], None, once[0])
    pd.testing.assert_frame_equal(catalogue.rows(0, 1000), truth(), check_exact=True)
    assert all(is_intact(path) for path in tmp_path.rglob("*.parquet"))


def test_an_empty_page_is_believed_only_when_it_keeps_coming(sky, tmp_path):
    sky.fail(SKYSERVER, FAULTS["empty page"], FAULTS["cut after the first line"])
    catalogue = pages(tmp_path)
    assert len(catalogue.rows(0, 1)) == 1
    sky.requests.clear()
    assert len(catalogue.rows(0, 1000)) == 250
    # 273 rows with second matches are five pages, of which one was there; the end is asked for three times.
    assert len(GALAXIES) == 273 and sky.count(SKYSERVER) == 4 + 3
    sky.requests.clear()
    assert len(pages(tmp_path, online=False).rows(0, 1000)) == 250 and not sky.requests


COLUMNS = ("specObjID", "objID", "ra", "run", "z")
SMALL = (
    b"#Table1\nspecobjid,OBJID,ra,run,z,complete\n"
    b"9223372036854775806,18446744073709551615,1.5e-05,94,0.11,1\n"
    b"9223372036854775807,2,-2.25,8162,null,1\n"
)


def test_an_answer_is_read_as_it_is_written():
    frame = parse_page(SMALL, COLUMNS, 5)
    assert frame["specObjID"].tolist() == [2**63 - 2, 2**63 - 1] and frame["objID"].tolist() == [2**64 - 1, 2]
    assert frame["ra"].tolist() == [1.5e-05, -2.25] and frame["run"].tolist() == [94, 8162]
    assert frame["z"][0] == 0.11 and np.isnan(frame["z"][1])
    pd.testing.assert_frame_equal(parse_page(SMALL.replace(b"\n", b"\r\n"), COLUMNS, 5), frame)


def test_an_answer_cut_anywhere_is_refused_or_loses_whole_rows_only():
    whole = parse_page(SMALL, COLUMNS, 5)
    lengths = []
    for cut in range(len(SMALL)):
        try:
            part = parse_page(SMALL[:cut], COLUMNS, 5)
        except BadAnswer:
            continue
        pd.testing.assert_frame_equal(part, whole.iloc[: len(part)], check_exact=True)
        lengths.append(len(part))
    # Accepted: after the first line, after the header, after the first row; each with and without the line's end, and
    # the second row but for its line's end.
    assert lengths == [0, 0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b"9223372036854775806", b"9.223372036854776e18"), "column 'specObjID': found '9.2"),
        ((b"9223372036854775806", b"-5"), "column 'specObjID': found '-5'"),
        ((b"18446744073709551615", b"18446744073709551616"), "column 'objID'"),
        ((b"8162", b"null"), "column 'run'"),
        ((b"-2.25", b"two"), "column 'ra': could not convert string to float: 'two'"),
        ((b"-2.25", b"-2.25,7"), "row 2 of 2 is cut short"),
        ((b"9223372036854775806", b"9223372036854775807", 1), None),
        ((b"9223372036854775806", b"5"), r"found rows from 5 on in some order, expected ascending after 5"),
        ((b"#Table1", b"<html>"), "found '<html> specobjid"),
    ],
)
def test_what_is_no_page_is_refused_with_what_was_found(change, message):
    content = SMALL.replace(*change)
    if message is None:  # a galaxy's second WISE match
        assert len(parse_page(content, COLUMNS, 5)) == 2
        return
    with pytest.raises(BadAnswer, match=message):
        parse_page(content, COLUMNS, 5)


def test_the_archive_s_own_answer_is_read(shared_data):
    # As the client's own tests hold one, with the constant column that our query adds.
    lines = (shared_data / "skyserver_responses" / "xid_sp.txt").read_text().splitlines()
    names, row = (line.split(",")[:12] for line in lines[1:])
    content = "\n".join([lines[0], ",".join([*names, "complete"]), ",".join([*row, "1"]), ""]).encode()
    columns = tuple({"specobjid": "specObjID", "objid": "objID"}.get(name, name) for name in names)
    frame = parse_page(content, columns, 0)
    assert frame["specObjID"][0] == 845594848269461504 and frame["objID"][0] == 1237652943176138868
    assert frame["z"][0] == 0.04559058 and frame["plate"][0] == 751


def test_rows_are_a_window_of_one_order(sky, tmp_path):
    catalogue, expected = pages(tmp_path), truth()
    assert len(catalogue.rows(0, 0)) == 0 and not sky.requests
    pd.testing.assert_frame_equal(catalogue.rows(0, 40), expected.iloc[:40], check_exact=True)
    n_asked = sky.count(SKYSERVER)
    assert n_asked == 1  # no page more than is needed
    for start, stop in ((55, 130), (10, 11), (200, 400), (250, 300)):
        found = catalogue.rows(start, stop)
        pd.testing.assert_frame_equal(found, expected.iloc[start:stop], check_exact=True)
        assert list(found.index) == list(range(start, min(stop, 250)))
    # Pages of any size give the same galaxies; with one row a page, matches of one galaxy fall on a page's border.
    pd.testing.assert_frame_equal(pages(tmp_path / "b", n=1).rows(0, 25), expected.iloc[:25], check_exact=True)
    with pytest.raises(ValueError, match="start, stop: found 5, 2"):
        catalogue.rows(5, 2)


def test_a_damaged_page_is_fetched_again_and_no_other(sky, tmp_path):
    pages(tmp_path).rows(0, 1000)
    damaged = sorted(tmp_path.rglob("*.parquet"))[2]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    sky.requests.clear()
    pd.testing.assert_frame_equal(pages(tmp_path).rows(0, 1000), truth(), check_exact=True)
    assert sky.count(SKYSERVER) == 1


def test_a_page_that_does_not_follow_from_the_one_before_is_not_used(sky, tmp_path):
    pages(tmp_path).rows(0, 1000)
    second = sorted(tmp_path.rglob("*.parquet"))[1]
    second.unlink()
    # The page comes shorter this time: the third page, which is whole, would leave a gap after it.
    sky.fail(SKYSERVER, FAULTS["cut at the end of a line"])
    pd.testing.assert_frame_equal(pages(tmp_path).rows(0, 1000), truth(), check_exact=True)


def test_one_object_with_two_spectra_stands_once(sky, tmp_path):
    doubled = GALAXIES.copy()
    ordered = truth()["specObjID"]
    first, last = (doubled["specObjID"] == ordered[k] for k in (3, 200))
    doubled.loc[last, "objID"] = doubled.loc[first, "objID"].iloc[0]
    sky.routes[SKYSERVER] = SkyServer(doubled)
    catalogue = pages(tmp_path)
    found = catalogue.rows(0, 1000)
    assert found["specObjID"].tolist() == ordered.drop(200).tolist() and found["objID"].is_unique
    assert catalogue.rows(198, 202)["specObjID"].tolist() == ordered.drop(200)[198:202].tolist()


def test_a_full_disk_is_raised_at_once_and_the_next_call_goes_on(sky, tmp_path, monkeypatch):
    catalogue = pages(tmp_path)
    catalogue.rows(0, 50)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sky.count(SKYSERVER)
    with monkeypatch.context() as patch:
        patch.setattr("helpers.runs.os.fsync", full)
        with pytest.raises(OSError, match=r"No space left on device: cannot write in .* MB are free"):
            catalogue.rows(0, 250)
    assert sky.count(SKYSERVER) == before + 1
    assert len(list(tmp_path.rglob("*.parquet"))) == 1 and not list(tmp_path.rglob(".*"))
    pd.testing.assert_frame_equal(catalogue.rows(0, 250), truth(), check_exact=True)


KILLED = """
import sys
from pathlib import Path
from astroquery.sdss import conf
from helpers.survey.sdss.catalogue import CataloguePages, Selection
from helpers.survey.sdss.transfer import Politeness
conf.skyserver_baseurl = sys.argv[1]
politeness = Politeness(interval=0, timeout=60)
CataloguePages(Selection(plate_step=1), Path(sys.argv[2]), politeness, 60, allow_network=True).rows(0, 1000)
"""


def test_a_killed_run_goes_on_where_it_stopped(sky, tmp_path):
    asked = threading.Event()

    def stuck(good: Answer) -> Answer:
        asked.set()
        time.sleep(20)
        return good

    sky.fail(SKYSERVER, None, None, stuck)
    process = subprocess.Popen([sys.executable, "-c", KILLED, sky.url, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        assert asked.wait(60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    kept = list(tmp_path.rglob("*.parquet"))
    assert len(kept) == 2
    # One of them as a kill between the page and its checksum leaves it.
    max(kept).with_name(f"{max(kept).name}.sha256").unlink()
    sky.requests.clear()
    pd.testing.assert_frame_equal(pages(tmp_path).rows(0, 1000), truth(), check_exact=True)
    assert "CAST('0' AS bigint)" not in "".join(request.query["cmd"] for request in sky.requests)


def test_attempts_are_limited_and_what_is_finished_is_kept(sky, tmp_path):
    politeness = Politeness(first_pause=0.001, interval=0, attempts=3)
    catalogue = pages(tmp_path, politeness)
    catalogue.rows(0, 50)
    sky.fail(SKYSERVER, *[throttled] * 3)
    with pytest.raises(TransferError, match=r"page after specObjID \d+: .* in 3 attempts.*Maximum 60 queries"):
        catalogue.rows(0, 250)
    assert sky.count(SKYSERVER) == 4
    pd.testing.assert_frame_equal(catalogue.rows(0, 250), truth(), check_exact=True)
    assert "CAST('0' AS bigint)" not in "".join(request.query["cmd"] for request in sky.requests[1:])


def test_queries_keep_their_interval(sky, tmp_path):
    sky.fail(SKYSERVER, None, status(500), html_page)
    pages(tmp_path, Politeness(first_pause=0.001, interval=0.08, attempts=6)).rows(0, 200)
    steps = np.diff(sky.times)
    assert len(steps) >= 5 and steps.min() > 0.07


def test_without_network_what_is_missing_is_refused(sky, tmp_path):
    with pytest.raises(ValueError, match=r"from number 0 on are not in .*allow_network=True"):
        pages(tmp_path, online=False).rows(0, 10)
    pages(tmp_path).rows(0, 50)
    sky.requests.clear()
    assert len(pages(tmp_path, online=False).rows(0, 50)) == 50
    with pytest.raises(ValueError, match="allow_network=True"):
        pages(tmp_path, online=False).rows(0, 250)
    # Another selection has pages of its own.
    with pytest.raises(ValueError, match="from number 0 on"):
        pages(tmp_path, selection=Selection(plate_step=2), online=False).rows(0, 1)
    assert not sky.requests


def test_plates_and_redshifts_are_those_selected(sky, tmp_path):
    parts = [
        pages(tmp_path, selection=Selection(plate_step=3, plate_remainder=k)).rows(0, 1000)["specObjID"]
        for k in range(3)
    ]
    assert sum(map(len, parts)) == 250 and set().union(*parts) == set(truth()["specObjID"])
    near = pages(tmp_path, selection=Selection(plate_step=1, redshift_range=(0.05, 0.1))).rows(0, 1000)
    pd.testing.assert_frame_equal(
        near, truth()[truth()["z"].between(0.05, 0.1)].reset_index(drop=True), check_exact=True
    )


@pytest.mark.parametrize("selection", [Selection(), Selection(wise="none"), Selection(clean_photometry=False)])
def test_the_query_as_it_is_sent(sky, tmp_path, selection):
    pages(tmp_path, selection=selection).rows(0, 1)
    sent = sky.requests[0].query["cmd"].strip()
    assert sent == catalogue_query(selection, 0, PAGE)
    assert ";" not in sent and "--" not in sent and "\n" not in sent
    wise = selection.wise == "archive"
    assert ("WISE" in sent) is wise and ("p.clean=1" in sent) is selection.clean_photometry
    assert "(s.legacy_target1&448)>0" in sent and "s.plate%40=0" in sent
    for origin in archive_origins(wise=wise):
        assert origin.expression in sent


def test_the_longest_query_fits_into_an_address():
    from astroquery.sdss import SDSSClass
    from requests import Request

    query = catalogue_query(Selection(plate_step=9999, plate_remainder=9998), 2**63 - 1, 10**6)
    payload = SDSSClass().query_sql_async(query, get_query_payload=True)
    url = Request("GET", "https://skyserver.sdss.org/dr17/en/tools/search/x_results.aspx", params=payload).prepare().url
    assert 2000 < len(url) < 6000


def test_columns_are_the_archive_s_own():
    known = {}
    for table, view in (("PhotoObjAll", "PhotoPrimary"), ("SpecObjAll", "SpecObj")):
        text = (resources.files("astroquery.sdss") / "data" / f"{table}_dr12.json").read_text()
        known[view] = {row["name"]: row["unit"] for row in json.loads(text)[0]["Rows"]}
    checked = 0
    for origin in ORIGINS:
        name = origin.expression.partition(".")[2]
        if origin.table in known:
            assert name in known[origin.table], origin.column
            checked += 1
    assert checked > 50 and known["PhotoPrimary"]["psffwhm_r"] == "arcsec"
    assert {"clean", "type"} <= known["PhotoPrimary"].keys()
    assert {"bestObjID", "zWarning", "legacy_target1", "class"} <= known["SpecObj"].keys()


def test_every_column_of_the_sample_has_an_origin(sky, tmp_path):
    columns = {origin.column for origin in ORIGINS}
    assert len(columns) == len(ORIGINS)
    found = pages(tmp_path, selection=Selection(plate_step=1, wise="irsa")).rows(0, 5)
    assert set(found.columns) <= columns and {f"Sersic_n_{band}" for band in "ugriz"} <= columns
    table = origin_table()
    assert set(table["column"]) >= {"lgm_tot_p50", "EBV", "w1mpro", "petroMag_{u,g,r,i,z}", "Sersic_n_{u,g,r,i,z}"}
    row = table.set_index("column").loc["psffwhm_{u,g,r,i,z}"]
    assert row["table"] == "PhotoPrimary" and row["expression"] == "p.psffwhm_{u,g,r,i,z}"


def test_what_the_archive_writes_for_nothing_is_null(sky, tmp_path):
    found = pages(tmp_path).rows(0, 250)
    raw = GALAXIES.drop_duplicates("specObjID", keep="last").set_index("specObjID").loc[found["specObjID"]]
    dark = (raw["petroFlux_u"] <= 0).to_numpy()
    assert dark.sum() > 5
    assert (found["petroMag_u"].isna() == dark).all() and (found["petroMagErr_u"].isna() == dark).all()
    assert (found["petroFlux_u"][dark] == -0.3).all() and (found["petroFlux_g"] == 12_345).sum() == 4
    assert (found["petroR50_z"].isna() == (raw["petroR50_z"] == -9999).to_numpy()).all()
    assert (found["sfr_tot_p50"].isna() == raw["sfr_tot_p50"].isna().to_numpy()).all()
    assert (found["w1mpro"].isna() == found["wise_distance"].isna()).all() and found["w1mpro"].isna().sum() > 5
    assert all(found[name].dtype == np.int64 for name in COUNTS)


@pytest.mark.parametrize(("law", "a_g", "a_r"), [("SFD98", 3.793, 2.751), ("SF11", 3.303, 2.285)])
def test_the_extinction_law_is_told_from_the_data(law, a_g, a_r):
    reddening = np.random.default_rng(0).uniform(0.005, 0.2, 200)
    catalog = pd.DataFrame({"extinction_g": a_g * reddening, "extinction_r": a_r * reddening}).round(5)
    catalog.loc[:3] = [np.nan, np.nan]
    catalog.loc[4:8] = [0.0, 0.0]
    assert extinction_law(catalog) == law
    catalog["extinction_g"] = 1.41 * catalog["extinction_r"]
    with pytest.raises(ValueError, match=r"found a median of 1.410, expected 1.379 \(SFD98\), 1.446 \(SF11\)"):
        extinction_law(catalog)


@pytest.mark.parametrize(
    "setting",
    [
        {"plate_step": 0},
        {"plate_step": 4, "plate_remainder": 4},
        {"magnitude_range": (17.0, 14.0)},
        {"redshift_range": (0.1, np.nan)},
        {"wise": "allwise"},
        {"release": 7},
    ],
)
def test_a_selection_out_of_range_is_refused(setting):
    with pytest.raises(ValueError, match=f"Selection.{list(setting)[-1]}: found"):
        Selection(**setting)


# WISE


def test_an_upper_limit_is_no_magnitude():
    frame = pd.DataFrame(
        {"w1mpro": [12.0, 13.0, 14.0, -9999.0, 99.0, np.nan], "w1sigmpro": [0.02, np.nan, -9999.0, 0.1, 0.1, 0.1]}
    )
    clean = clean_wise(frame.assign(w2mpro=15.0, w2sigmpro=0.0, other=1.0))
    np.testing.assert_array_equal(clean["w1mpro"], [12.0, *[np.nan] * 5])
    np.testing.assert_array_equal(clean["w1sigmpro"], [0.02, *[np.nan] * 5])
    assert clean["w2mpro"].isna().all() and clean["other"].eq(1).all() and frame["w1mpro"][3] == -9999


def galaxies(n: int = 60) -> pd.DataFrame:
    table = GALAXIES.drop_duplicates("specObjID")[["specObjID", "ra", "dec"]].reset_index(drop=True).head(n)
    return table.set_axis(np.arange(n) * 7 + 3, axis=0)


def expected_sources(table: pd.DataFrame) -> pd.DataFrame:
    """The sources half an arcsecond from each galaxy, which come first in the table made for the server."""
    sources = made_sources(GALAXIES.drop_duplicates("specObjID")).iloc[: len(table)].set_axis(table.index, axis=0)
    sources.loc[sources["w4sigmpro"].isna(), "w4mpro"] = np.nan
    return sources.drop(columns=["cntr", "ra", "dec"])


IRSA_FAULTS = {
    "500": status(500),
    "503": status(503),
    "429": status(429, **{"Retry-After": "1"}),
    "time-out": stalled(1.2),
    "reset": connection_reset,
    "cut connection": cut_short(2000),
    "truncated": truncated(2000),
    "HTML with 200": html_page,
    "throttle line": throttled,
    "empty body": body(b""),
    "error status": lambda good: Answer(votable(pd.DataFrame({"galaxy": [0]}), "ERROR", "Table is locked")),
    "empty table": lambda good: Answer(votable(made_sources(galaxies()).head(0).assign(galaxy=0), "OK")),
    "other columns": lambda good: Answer(good.body.replace(b"w1mpro", b"w9mpro")),
    "other galaxies": lambda good: Answer(votable(made_sources(galaxies()).head(1).assign(galaxy=999), "OK")),
}


@pytest.mark.parametrize("fault", [None, *IRSA_FAULTS.values()], ids=["none", *IRSA_FAULTS])
def test_the_nearest_source_of_each_galaxy_comes_through_every_fault(sky, tmp_path, fault):
    table = galaxies()
    sky.fail(TAP, fault)
    politeness = SHORT if fault is IRSA_FAULTS["time-out"] else FAST
    found = match_irsa(table, politeness, directory=tmp_path, allow_network=True, chunk_rows=25)
    expected = expected_sources(table)
    assert list(found.index) == list(table.index)
    np.testing.assert_allclose(found["wise_distance"], 0.5, atol=1e-6)
    for name in expected:
        values = found[name].astype(str) if name in ("cc_flags", "ext_flg", "ph_qual") else found[name]
        np.testing.assert_array_equal(values, expected[name].astype(values.dtype), err_msg=name)
    asked = 3 + (fault is not None)
    assert sky.count(TAP) == asked
    # Again from the disk, even without network.
    pd.testing.assert_frame_equal(match_irsa(table, FAST, directory=tmp_path, chunk_rows=25), found)
    assert sky.count(TAP) == asked


def test_an_answer_cut_off_at_a_row_limit_is_asked_for_in_halves(sky):
    table = galaxies()
    whole = match_irsa(table, FAST, allow_network=True)
    sky.routes[TAP].row_limit = 12
    pd.testing.assert_frame_equal(match_irsa(table, FAST, allow_network=True), whole)
    sky.routes[TAP].row_limit = 0
    with pytest.raises(TransferError, match="near one galaxy: the archive does not send them all"):
        match_irsa(table.head(2), FAST, allow_network=True)


def test_a_galaxy_without_a_source_is_null_and_an_interrupted_match_goes_on(sky, tmp_path):
    table = galaxies(50)
    table.loc[3, "dec"] -= 4 / 3600  # its sources lie to the north: now beyond 3 arcsec
    sky.fail(TAP, None, *[html_page] * 6)
    with pytest.raises(TransferError, match="WISE sources near 20 galaxies: .* in 6 attempts"):
        match_irsa(table, FAST, directory=tmp_path, allow_network=True, chunk_rows=20)
    with pytest.raises(ValueError, match="20 galaxies are not at hand, expected allow_network=True"):
        match_irsa(table, FAST, directory=tmp_path, chunk_rows=20)
    sky.requests.clear()
    found = match_irsa(table, FAST, directory=tmp_path, allow_network=True, chunk_rows=20)
    assert sky.count(TAP) == 2
    assert found.loc[3].isna().all() and found["w1mpro"].notna().sum() == 49


def test_pages_take_wise_from_irsa(sky, tmp_path):
    selection = Selection(plate_step=1, wise="irsa")
    found = pages(tmp_path, selection=selection).rows(0, 100)
    assert len(found) == 100 and "WISE" not in sky.requests[0].query["cmd"]
    assert found["w1mpro"].notna().all() and set(found["cc_flags"]) == {"0000"}
    np.testing.assert_allclose(found["wise_distance"], 0.5, atol=1e-6)
    sky.requests.clear()
    pd.testing.assert_frame_equal(pages(tmp_path, selection=selection, online=False).rows(0, 100), found)
    assert not sky.requests


# Matching by position


def test_matches_are_right_at_the_poles_and_across_zero():
    ra = np.array([0.0, 359.9999, 10.0, 200.0, 90.0, np.nan])
    dec = np.array([0.0, 30.0, 89.9999, -90.0, -45.0, 0.0])
    other_ra = np.array([359.9999, 0.0001, 190.0, 17.0, 90.0])
    other_dec = np.array([0.0, 30.0, 89.9999, -89.9999, -45.1])
    index, angle = match_positions(ra, dec, other_ra, other_dec, 1.0)
    assert index.dtype == np.int64 and index.tolist() == [0, 1, 2, 3, -1, -1]
    # Over the pole it is the sum of both polar distances.
    np.testing.assert_allclose(angle[[0, 2, 3]], [0.36, 0.72, 0.36], rtol=1e-7)
    assert np.isnan(angle[4:]).all()


@given(st.integers(0, 10**6))
def test_matches_are_those_of_comparing_all_pairs(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 30, 2)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    other_ra, other_dec = rng.uniform(0, 360, m), np.degrees(np.arcsin(rng.uniform(-1, 1, m)))
    index, angle = match_positions(ra, dec, other_ra, other_dec, 20 * 3600)
    pairs = SkyCoord(ra, dec, unit="deg")[:, None].separation(SkyCoord(other_ra, other_dec, unit="deg")).arcsec
    nearest = pairs.argmin(axis=1)
    near = pairs.min(axis=1) <= 20 * 3600
    np.testing.assert_array_equal(index, np.where(near, nearest, -1))
    np.testing.assert_allclose(angle[near], pairs.min(axis=1)[near], rtol=1e-9)


@given(st.floats(1e-4, 179.9), st.floats(0, 360), st.floats(-89, 89))
def test_separations_are_the_angles_that_were_set(degrees, ra, bearing):
    here = SkyCoord(ra, bearing, unit="deg")
    there = here.directional_offset_by(ra * here.ra.unit, degrees * here.ra.unit)
    found = separation(np.array([ra]), np.array([bearing]), np.array([there.ra.deg]), np.array([there.dec.deg]))
    assert found[0] == pytest.approx(degrees * 3600, rel=1e-8, abs=1e-7)


def test_a_match_refuses_what_is_no_position():
    zero = np.zeros(2)
    with pytest.raises(ValueError, match=r"ra, dec: found shapes \(2,\) and \(1,\)"):
        match_positions(zero, zero[:1], zero, zero, 1)
    with pytest.raises(ValueError, match=r"found a declination of 91"):
        match_positions(zero, zero, zero, zero + 91, 1)
    with pytest.raises(ValueError, match="radius: found 0"):
        match_positions(zero, zero, zero, zero, 0)


SERSIC = [f"Sersic_n_{band}" for band in "ugriz"]


def published(path, n: int = 8) -> tuple[pd.DataFrame, np.ndarray]:
    """A catalogue, and indices of all but its last galaxy in a FITS table of another order with an array column."""
    rng = np.random.default_rng(3)
    catalog = pd.DataFrame({"ra": rng.uniform(0, 360, n), "dec": rng.uniform(-60, 60, n), "objID": np.arange(n)})
    index = rng.uniform(0.5, 6, (n, 5))
    index[2, 0], index[3, 4] = 0.0, 9999.0
    order = rng.permutation(n - 1)
    Table(
        {
            "RA": catalog["ra"].to_numpy()[order],
            "DEC": catalog["dec"].to_numpy()[order] + 1 / 3600,
            "SERSIC_N": index[order].astype(np.float32),
            "NAME": np.array(["x"] * (n - 1)),
        }
    ).write(path)
    expected = np.where((index > 0) & (index < 9000), index.astype(np.float32), np.nan)
    expected[-1] = np.nan
    return catalog, expected


def test_published_indices_of_five_bands_are_matched_by_position(tmp_path):
    catalog, expected = published(tmp_path / "sersic.fits")
    with pytest.warns(UserWarning, match="sersic.fits: 1 of 8 galaxies have no counterpart within 1.5 arcsec"):
        found = match_table(catalog, tmp_path / "sersic.fits", SERSIC)
    np.testing.assert_array_equal(found[SERSIC], expected)
    assert list(found.columns) == [*catalog.columns, *SERSIC] and SERSIC[0] not in catalog
    csv = tmp_path / "n.csv"
    catalog.assign(ng=expected[:, 1])[["ra", "dec", "ng"]].to_csv(csv, index=False)
    found = match_table(catalog, csv, {"Sersic_n_g": "ng"})
    np.testing.assert_allclose(found["Sersic_n_g"], expected[:, 1], rtol=1e-6)


def test_a_published_table_that_does_not_fit_is_refused(tmp_path):
    catalog, _ = published(tmp_path / "sersic.fits")
    with pytest.raises(ValueError, match="there is no column 'Sersic_n_y', found ra, dec, sersic_n"):
        match_table(catalog, tmp_path / "sersic.fits", ["Sersic_n_y"])
    with pytest.raises(ValueError, match="none of the 8 galaxies has a counterpart within 0.5 arcsec"):
        match_table(catalog, tmp_path / "sersic.fits", SERSIC, 0.5)
    Table({"sersic_n": np.ones((8, 5))}).write(tmp_path / "bare.fits")
    with pytest.raises(ValueError, match="there are no columns ra and dec"):
        match_table(catalog, tmp_path / "bare.fits", SERSIC)
    Table({"ra": np.zeros(2), "dec": np.zeros(2), "sersic_n": np.ones((2, 3))}).write(tmp_path / "three.fits")
    with pytest.raises(ValueError, match="column 'sersic_n' has 3 elements a row, expected 5 bands"):
        match_table(catalog, tmp_path / "three.fits", SERSIC)
    with pytest.raises(ValueError, match="found no file"):
        match_table(catalog, tmp_path / "absent.fits", SERSIC)
