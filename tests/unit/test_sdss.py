"""Real galaxies as a sample: archive, frames and pictures together, through faults, kills and restarts."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photutils.aperture import CircularAperture, aperture_photometry

from helpers.survey import load_sample
from helpers.survey import sample as sample_module
from helpers.survey.sdss import Field, Politeness, SdssOptions, Selection, expected_cost, frame_path, loading
from helpers.survey.store import ChunkError
from tests.archive import SKYSERVER, SkyServer, made_galaxies, serve_archive
from tests.loopback import (
    Loopback,
    connection_reset,
    cut_short,
    html_page,
    serving,
    stalled,
    status,
    throttled,
    truncated,
)
from tests.sky_field import (
    APERTURE,
    SkyField,
    pointed_at,
    real_field,
    serve,
    split_field,
    stand_in_field,
    unpacked,
    url_path,
)

FAST = Politeness(first_pause=0.005, longest_pause=0.02, interval=0, timeout=20)
OPTIONS = SdssOptions(selection=Selection(plate_step=1), politeness=FAST)
ROWS = 4  # galaxies in a chunk


@dataclass
class Archive:
    """A piece of sky, its galaxies as the archive lists them, and the server that answers for both."""

    field: SkyField
    table: pd.DataFrame
    loopback: Loopback

    def load(self, cache: Path, n: int | None = None, *, online: bool = True, options: SdssOptions = OPTIONS):
        return load_sample("sdss", n or len(self.table), allow_network=online, cache_dir=cache, sdss=options)

    def fill(self, cache: Path, **how):
        """The sample of every galaxy with a whole picture."""
        with pytest.raises(
            ValueError, match=rf"the archive holds {len(self.table)} galaxies of this selection"
        ) as told:
            self.load(cache, len(self.table) + 1, **how)
        text = str(told.value)
        n = int(text.split("of which ")[1].split()[0]) if "of which" in text else len(self.table)
        return self.load(cache, n, **how)


def generated_field() -> SkyField:
    """The generated field as three that overlap, with galaxies whose stamps need a neighbour, and one past all help."""
    field = split_field(stand_in_field())
    sources = field.sources
    # Of the first field as long as they are on it: near its last row, then.
    sources["field"] = np.where(sources["y"] < 170, 99, sources["field"])
    _, wcs, _ = unpacked(field.frames[url_path(Field(7001, 301, 3, 99), "r")])
    edge = sources.iloc[[4]].copy()
    edge["ra"], edge["dec"] = wcs.wcs_pix2world([12.0], [80.0], 0)
    return SkyField(field.frames, pd.concat([sources, edge.assign(field=99)], ignore_index=True))


def listed(field: SkyField) -> pd.DataFrame:
    """The archive's rows of a field's bright sources: made up, but for place and photometry."""
    noise = field.sources["noise_r"]
    bright = field.sources[(field.sources["flux_r"] > 100 * noise) & (field.sources["flux_r"] < 500)]
    table = made_galaxies(len(bright), matches=False).drop_duplicates("specObjID").reset_index(drop=True)
    for name in ("ra", "dec", "run", "rerun", "camcol", "field"):
        table[name] = bright[name].to_numpy()
    for band in "ugriz":
        table[f"petroFlux_{band}"] = bright[f"flux_{band}"].to_numpy()
        table[f"petroMag_{band}"] = 22.5 - 2.5 * np.log10(bright[f"flux_{band}"].clip(lower=1e-3).to_numpy())
        table[f"psffwhm_{band}"] = 1.3
    table["lgm_tot_p50"] = np.linspace(9, 11, len(table))
    return table


@pytest.fixture(params=["generated", "real"])
def archive(request, monkeypatch) -> Iterator[Archive]:
    with whole_archive(request, request.param, monkeypatch) as found:
        yield found


@pytest.fixture
def generated(request, monkeypatch) -> Iterator[Archive]:
    """The generated field as three, so that stamps are completed from neighbours."""
    with whole_archive(request, "generated", monkeypatch) as found:
        yield found


@contextmanager
def whole_archive(request, kind: str, monkeypatch) -> Iterator[Archive]:
    from astroquery.sdss import conf

    field = real_field(request.getfixturevalue("shared_data")) if kind == "real" else generated_field()
    # The real frames are large: they are fetched and unpacked once.
    monkeypatch.setattr(loading, "CHUNK_ROWS", 500 if kind == "real" else ROWS)
    monkeypatch.setattr(sample_module, "_split_by", in_turn)
    table = listed(field)
    with serving() as loopback, pointed_at(loopback), conf.set_temp("skyserver_baseurl", loopback.url):
        serve_archive(loopback, SkyServer(table))
        serve(loopback, field)
        yield Archive(field, table, loopback)


def in_turn(fraction: np.ndarray, index: pd.Index) -> pd.Series:
    """A split for so few galaxies that the usual one would leave a part of it empty."""
    return pd.Series(np.resize(sample_module.SPLITS, len(index)), index, dtype=object, name="split")


def circle_flux(stamp: np.ndarray, offset: np.ndarray) -> float:
    centre = (np.array(stamp.shape[::-1]) - 1) / 2 + offset
    found = aperture_photometry(stamp.astype(np.float64), CircularAperture(centre, APERTURE))
    return float(found["aperture_sum"][0])


def same(one, other) -> None:
    pd.testing.assert_frame_equal(one.catalog, other.catalog, check_exact=True)
    assert np.array_equal(one.images[:], other.images[:])


def test_a_survey_becomes_a_sample(archive, tmp_path):
    sample = archive.fill(tmp_path)
    table = archive.table.set_index("specObjID").loc[sample.catalog["specObjID"].to_numpy()]
    if archive.field.fields()[0].run == 7001:
        assert sample.provenance["images"]["completed_from_a_neighbouring_frame"] >= 4
    assert sample.catalog["specObjID"].is_monotonic_increasing and sample.catalog["specObjID"].dtype == np.uint64
    assert np.array_equal(table["objID"].to_numpy(), sample.catalog["objID"].to_numpy())
    # Which galaxies are lost is said, and every one of them is near an edge of the frames.
    record = sample.provenance["images"]
    assert sum(record["refused"].values()) == len(archive.table) - len(sample) > 0
    assert not record["resampled"] and record["source"] == "frames"
    assert all("lies outside the frames" in reason for reason in record["refused"])
    # Pictures: whole, in nanomaggies, with the light where it was on each band's own frame.
    images = sample.images[:]
    assert images.shape == (len(sample), 5, 64, 64) and np.isfinite(images).all()
    assert not (images == 0).all(axis=(2, 3)).any()
    sources = archive.field.sources.set_index(["ra", "dec"]).loc[list(zip(table["ra"], table["dec"], strict=True))]
    ratios = []
    for row in range(len(sample)):
        for band, name in enumerate("ugriz"):
            expected, noise = sources[f"flux_{name}"].iloc[row], sources[f"noise_{name}"].iloc[row]
            if expected > 100 * noise:
                # The galaxy lies within half a pixel of the stamp's centre.
                ratios.append(circle_flux(images[row, band], np.zeros(2)) / expected)
    ratios = np.array(ratios)
    assert len(ratios) > 20 and abs(np.median(ratios) - 1) < 0.01 and (np.abs(ratios - 1) < 0.03).mean() > 0.95
    # Sersic indices are measured on the pictures.
    measured = sample.catalog["Sersic_n_r"].notna()
    assert measured.mean() > 0.8 and sample.catalog.loc[measured, "Sersic_n_r"].between(0.3, 8).all()
    assert sample.provenance["extinction_law"] == "SFD98"


def test_what_was_fetched_needs_no_network_and_grows(generated, tmp_path):
    small = generated.load(tmp_path, 5)
    asked = len(generated.loopback.requests)
    same(small, generated.load(tmp_path, 5, online=False))
    assert len(generated.loopback.requests) == asked
    with pytest.raises(ValueError, match="allow_network is False; set allow_network=True"):
        generated.load(tmp_path, 9, online=False)
    assert len(generated.loopback.requests) == asked
    large = generated.load(tmp_path, 9)
    same(small, large.take(np.arange(5)))
    # Frames are large: none is kept, unless that is asked for.
    assert not list(tmp_path.rglob("*.bz2"))


def test_what_is_refused_is_counted_among_the_sample_s_own(generated, tmp_path):
    late = generated.table["specObjID"].nlargest(2).index[1]
    generated.table.loc[late, "dec"] += 1.0
    everything = generated.fill(tmp_path / "all").provenance["images"]["refused"]
    assert everything["the position lies outside the r frame of its field"] == 1
    # Of five galaxies it is the same, whatever else was fetched before.
    alone, among = (generated.load(tmp_path / name, 5) for name in ("five", "all"))
    assert alone.provenance == among.provenance
    assert "the position lies outside the r frame of its field" not in alone.provenance["images"]["refused"]
    json.dumps(alone.provenance)


def test_of_the_frames_that_are_kept_those_of_a_chunk_alone_are_cleared(generated, tmp_path):
    keeping = replace(OPTIONS, keep_frames=True)
    generated.load(tmp_path, 5, options=keeping)
    (folder,) = tmp_path.glob("sdss-*/frames")
    assert len(list(folder.rglob("*.bz2"))) >= 5
    elsewhere = frame_path(folder, Field(7002, 301, 3, 99), "r")
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes(b"")
    generated.load(tmp_path, 12)
    assert list(folder.rglob("*.bz2")) == [elsewhere]


def test_a_null_seeing_is_that_of_the_galaxy_before(generated, tmp_path, monkeypatch):
    nulls = generated.load(tmp_path / "calm", 9).catalog["specObjID"].iloc[[0, 8]]
    generated.table.loc[generated.table["specObjID"].isin(nulls), "psffwhm_u"] = -9999.0
    # The ninth galaxy is alone in its chunk of measurements.
    found = generated.load(tmp_path / "null", 9).catalog
    assert found["psffwhm_u"].isna().tolist() == [row in (0, 8) for row in range(9)]
    assert np.array_equal(loading._seeing(found), np.full((9, 5), 1.3))
    widths = found.assign(psffwhm_u=[np.nan, 1.1, np.nan, 1.2, 1.3, 1.4, 1.5, 1.6, np.nan])
    assert loading._seeing(widths)[:, 0].tolist() == [1.1, 1.1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.6]
    with pytest.raises(ValueError, match="column 'psffwhm_u': every value is null"):
        loading._seeing(found.assign(psffwhm_u=np.nan))


def test_an_extinction_of_no_known_law_is_said_and_no_error(generated, tmp_path):
    generated.table["extinction_g"] = 1.2 * generated.table["extinction_r"]
    sample = generated.load(tmp_path, options=replace(OPTIONS, images="none"))
    assert sample.provenance["extinction_law"].startswith("not known: extinction_g / extinction_r: found a median of 1")


@pytest.mark.slow
def test_two_processes_may_fetch_one_sample_at_once(generated, tmp_path):
    calm = generated.fill(tmp_path / "calm")
    command = [
        sys.executable,
        "-c",
        KILLED.format(rows=ROWS, n=len(calm)),
        generated.loopback.url,
        str(tmp_path / "two"),
    ]
    runs = [subprocess.Popen(command, env=os.environ) for _ in range(2)]
    assert [run.wait(120) for run in runs] == [0, 0]
    same(calm, generated.load(tmp_path / "two", len(calm), online=False))
    assert not list(tmp_path.rglob("*.bz2"))


def test_without_permission_nothing_is_asked(generated, tmp_path):
    for options in (OPTIONS, replace(OPTIONS, images="none"), replace(OPTIONS, images="hips2fits")):
        with pytest.raises(ValueError, match="set allow_network=True"):
            generated.load(tmp_path / "nothing", 5, online=False, options=options)
    assert not generated.loopback.requests and not (tmp_path / "nothing").exists()


STORM = {
    SKYSERVER: [
        status(503, **{"Retry-After": "0"}),
        html_page,
        throttled,
        connection_reset,
        truncated(9),
        cut_short(50),
        truncated(700),
    ],
    "/sas/": [status(500), truncated(4000), html_page, connection_reset, cut_short(1000), truncated(0), status(429)] * 3
    + [stalled(3.0)],
}


def test_a_storm_of_faults_changes_nothing(generated, tmp_path):
    calm = generated.fill(tmp_path / "calm")
    impatient = replace(OPTIONS, politeness=replace(FAST, attempts=3, timeout=2.0))
    for prefix, faults in STORM.items():
        generated.loopback.fail(prefix, *faults)
    failures = 0
    for _ in range(20):
        try:
            sample = generated.load(tmp_path / "storm", len(calm), options=impatient)
            break
        except (ChunkError, RuntimeError) as error:
            failures += 1
            assert "kept" in str(error)
    assert failures >= 2, "the storm must have stopped some runs"
    same(calm, sample)


def test_a_full_disk_stops_and_room_lets_it_go_on(generated, tmp_path, monkeypatch):
    calm = generated.fill(tmp_path / "calm")
    save, left = np.save, [2]

    def full(*arguments, **options):
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[0] -= 1
        return save(*arguments, **options)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(ChunkError, match="No space left on device.*MB are free"):
        generated.load(tmp_path / "full", len(calm))
    chunks = list((tmp_path / "full").glob("sdss-*/chunks/[0-9]*"))
    assert len(chunks) == 2, "what was finished is kept, and nothing half written"
    monkeypatch.setattr(np, "save", save)
    same(calm, generated.load(tmp_path / "full", len(calm)))


KILLED = """
import sys
from astroquery.sdss import conf
from helpers.survey import load_sample, sample
from helpers.survey.sdss import Politeness, SdssOptions, Selection, loading
loading.CHUNK_ROWS = {rows}
sample._check_split = lambda labels, catalog: labels
conf.skyserver_baseurl, conf.sas_baseurl = sys.argv[1], sys.argv[1] + "/sas"
options = SdssOptions(selection=Selection(plate_step=1), politeness=Politeness(interval=0, first_pause=0.01))
load_sample("sdss", {n}, allow_network=True, cache_dir=sys.argv[2], sdss=options)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(generated, tmp_path):
    calm = generated.fill(tmp_path / "calm")
    script = KILLED.format(rows=ROWS, n=len(calm))
    before = len(generated.loopback.requests)
    # The frames of the second chunk hang until the process is killed there.
    generated.loopback.fail("/sas/", *[None] * 20, *[stalled(30)] * 5)
    run = subprocess.Popen(
        [sys.executable, "-c", script, generated.loopback.url, str(tmp_path / "killed")], env=os.environ
    )
    chunks = tmp_path / "killed"
    deadline = time.monotonic() + 120
    while not list(chunks.glob("sdss-*/chunks/[0-9]*")) and time.monotonic() < deadline:
        assert run.poll() is None, "the run ended before it was killed"
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    generated.loopback.faults.clear()
    done = len(list(chunks.glob("sdss-*/chunks/[0-9]*")))
    assert done >= 1
    first = len(generated.loopback.requests) - before
    same(calm, generated.load(chunks, len(calm)))
    # Restarted, it asked for no more than what was missing.
    assert generated.loopback.count("/sas/") and first > 0


def test_the_quick_path_is_marked_as_resampled(generated, tmp_path):
    sample = generated.load(tmp_path, 3, options=replace(OPTIONS, images="hips2fits"))
    assert sample.images.shape == (3, 5, 64, 64)
    assert sample.provenance["images"]["resampled"] and "not verified" in sample.provenance["images"]["unit"]
    assert not any(name.startswith("Sersic") for name in sample.catalog)


def test_the_catalogue_alone_and_a_published_table(generated, tmp_path):
    published = generated.table[["ra", "dec"]].assign(
        **{f"Sersic_n_{band}": np.arange(len(generated.table)) % 4 + 1.0 for band in "ugriz"}
    )
    published.to_parquet(tmp_path / "published.parquet")
    options = replace(OPTIONS, images="none", sersic_catalogue=str(tmp_path / "published.parquet"))
    sample = generated.load(tmp_path, options=options)
    assert sample.images is None and len(sample) == len(generated.table)
    expected = generated.table.set_index("specObjID").assign(n=published["Sersic_n_g"].to_numpy())
    assert np.array_equal(expected.loc[sample.catalog["specObjID"], "n"], sample.catalog["Sersic_n_g"])
    assert not generated.loopback.count("/sas/")


def test_refusals():
    with pytest.raises(ValueError, match="images: found 'jpeg', expected one of frames, hips2fits, none"):
        SdssOptions(images="jpeg")
    with pytest.raises(ValueError, match="n_galaxies: found 0"):
        load_sample("sdss", 0)
    with pytest.raises(ValueError, match="sdss: found .* with dataset 'mock', expected it only with 'sdss'"):
        load_sample("mock", 10, sdss=SdssOptions())
    with pytest.raises(ValueError, match="column_map: found .* with dataset 'sdss'"):
        load_sample("sdss", 10, column_map={"a": "b"})


def test_the_seed_chooses_plates_and_so_the_folder(tmp_path):
    folders = set()
    for seed in (0, 1, 41):
        with pytest.raises(ValueError, match="allow_network"):
            load_sample("sdss", 10, seed, cache_dir=tmp_path)
        selection = loading._seeded(Selection(), seed)
        folders.add(loading._key(selection, SdssOptions()))
        assert selection.plate_remainder == seed % 40
    assert len(folders) == 2


def test_the_estimate_counts_what_is_asked():
    frames, quick, none = (expected_cost(3000, SdssOptions(images=name)) for name in ("frames", "hips2fits", "none"))
    assert frames.gigabytes > 100 * quick.gigabytes > 100 * none.gigabytes
    assert none.n_requests == 3 and quick.n_requests == 15003
    assert np.isclose(frames.disk_gigabytes, 3000 * (5 * 64 * 64 * 4 + loading.ROW_BYTES) / 1e9)
    assert expected_cost(3000, megabytes_per_second=10.0).hours < frames.hours
