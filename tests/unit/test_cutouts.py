"""Cutouts: bands lie on each other, light stays, edges are completed or refused, and no bad file is believed."""

from __future__ import annotations

import bz2
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.survey.sdss import frames as frames_module
from helpers.survey.sdss import transfer
from helpers.survey.sdss.cutouts import Cutouts, cut_galaxies
from helpers.survey.sdss.frames import (
    BANDS,
    Field,
    MissingFrame,
    check_frame,
    clear_frames,
    fetch_frames,
    frame_path,
    frame_url,
    read_frame,
)
from helpers.survey.sdss.hips import hips_cutouts
from helpers.survey.sdss.registration import registered
from helpers.survey.sdss.transfer import BadAnswer, NotThere, Politeness, TransferError, checksum_path
from tests import loopback
from tests.sky_field import (
    APERTURE,
    OPTICS,
    REAL,
    STAND_IN,
    SkyField,
    pointed_at,
    real_field,
    robust_spread,
    serve,
    split_field,
    stand_in_field,
    unpacked,
    url_path,
)

QUICK = Politeness(first_pause=0.01, longest_pause=0.02, interval=0.0, timeout=2.0)
BEFORE, MIDDLE, AFTER = (replace(STAND_IN, field=STAND_IN.field + step) for step in (-1, 0, 1))


@pytest.fixture(scope="module")
def sky() -> SkyField:
    return stand_in_field()


@pytest.fixture(scope="module")
def parts(sky) -> SkyField:
    return split_field(sky)


@pytest.fixture(scope="module", params=["stand-in", "real"])
def whole(request, sky) -> SkyField:
    return sky if request.param == "stand-in" else real_field(request.getfixturevalue("shared_data"))


@pytest.fixture(scope="module")
def cut(whole, tmp_path_factory) -> tuple[pd.DataFrame, Cutouts]:
    """Isolated sources that are bright and not saturated, and their cutouts from frames put there by hand."""
    folder = tmp_path_factory.mktemp("frames")
    whole.put(folder)
    sources = whole.sources
    bright = sources["isolated"] & sources["flux_r"].between(15, 200 if len(sources) > 100 else 1000)
    sources = sources[bright].reset_index(drop=True)
    return sources, cut_galaxies(sources, folder, QUICK)


@pytest.fixture
def server():
    with loopback.serving() as running:
        yield running


def at_hand(sky: SkyField, folder, *fields: Field) -> None:
    """Put the frames of some of the fields there."""
    chosen = {url_path(field, band) for field in fields for band in BANDS}
    SkyField({path: content for path, content in sky.frames.items() if path in chosen}, sky.sources).put(folder)


def same(left: Cutouts, right: Cutouts) -> None:
    for name in ("images", "kept", "completed", "offset"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    assert list(left.reason) == list(right.reason)


def aperture(image: np.ndarray, x: float, y: float) -> float:
    from photutils.aperture import CircularAperture

    weights = CircularAperture((x, y), APERTURE).to_mask(method="exact").to_image(image.shape)
    return float((image.astype(np.float64) * weights).sum())


def centroid(image: np.ndarray, x: float, y: float) -> np.ndarray:
    """Where a round Gaussian fits best, near a place: other than what registers the bands."""
    from scipy.optimize import least_squares

    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    near = np.hypot(columns - x, rows - y) < 5

    def misfit(p):
        model = p[2] * np.exp(-((columns[near] - p[0]) ** 2 + (rows[near] - p[1]) ** 2) / (2 * p[3] ** 2)) + p[4]
        return model - image[near]

    return least_squares(misfit, [x, y, image[near].max(), 1.5, 0.0]).x[:2]


def test_bands_lie_on_each_other(cut, whole):
    sources, cutouts = cut
    distances = []
    for number, band in enumerate(BANDS):
        clear = sources[f"flux_{band}"] > 40 * sources[f"noise_{band}"]
        rows = np.flatnonzero(clear & ~sources["extended"] & cutouts.kept)
        if band == "r" or not len(rows):
            continue
        centre = cutouts.offset[rows] + 31.5
        apart = [
            np.hypot(*(centroid(cutouts.images[row, number], *place) - centroid(cutouts.images[row, 2], *place)))
            for row, place in zip(rows, centre, strict=True)
        ]
        assert np.median(apart) < 0.1, band
        distances.extend(apart)
    assert len(distances) >= 20
    assert np.percentile(distances, 95) < (0.02 if whole.fields() == [STAND_IN] else 0.15)


def test_sources_lie_where_the_offset_says(cut):
    sources, cutouts = cut
    kept = np.flatnonzero(cutouts.kept & ~sources["extended"])
    assert (abs(cutouts.offset[kept]) <= 0.5).all() and len(kept) >= 6
    for row in kept:
        place = cutouts.offset[row] + 31.5
        assert np.hypot(*(centroid(cutouts.images[row, 2], *place) - place)) < 0.25


def test_light_stays(cut, whole):
    """Against aperture photometry on each band's own frame, at the place its own astrometry gives."""
    sources, cutouts = cut
    n_compared = 0
    for number, band in enumerate(BANDS):
        clear = sources[f"flux_{band}"] > 20 * sources[f"noise_{band}"]
        ratios = [
            aperture(cutouts.images[row, number], *(cutouts.offset[row] + 31.5)) / sources[f"flux_{band}"][row]
            for row in np.flatnonzero(clear & cutouts.kept)
        ]
        assert ratios == pytest.approx(np.ones(len(ratios)), abs=0.01), band
        if whole.fields() == [STAND_IN]:
            # The pixels of u and r differ in area by 8e-4.
            assert np.median(ratios) == pytest.approx(1, abs=2e-4), band
        n_compared += len(ratios)
    assert n_compared >= 50


def test_noise_is_smoothed_by_no_more_than_is_said(cut, whole):
    _, cutouts = cut
    rows = cutouts.images[cutouts.kept]
    outskirts = np.ones((64, 64), dtype=bool)
    outskirts[12:52, 12:52] = False
    for number, band in enumerate(BANDS):
        own, _, _ = unpacked(whole.frames[url_path(whole.fields()[0], band)])
        # By differences of neighbours, which sources disturb least.
        mine = np.diff(rows[:, number], axis=2)[:, outskirts[:, 1:] & outskirts[:, :-1]]
        ratio = robust_spread(mine) / robust_spread(np.diff(own, axis=1))
        assert ratio == pytest.approx(1, abs=0.1) if band == "r" else 0.65 < ratio < 1.05, band


def test_r_pixels_are_the_frame_s_own(cut, whole):
    sources, cutouts = cut
    image, _, _ = unpacked(whole.frames[url_path(whole.fields()[0], "r")])
    for row in np.flatnonzero(cutouts.kept):
        x, y = np.rint(sources.loc[row, ["x", "y"]].to_numpy(float) - 31.5).astype(int)
        # The centroid and the astrometry may differ in the last digits, and so by a pixel at a half.
        found = [
            np.array_equal(cutouts.images[row, 2], image[y + b : y + b + 64, x + a : x + a + 64])
            for a in (-1, 0, 1)
            for b in (-1, 0, 1)
        ]
        assert sum(found) == 1


def test_a_stamp_of_odd_size_has_the_galaxy_on_its_central_pixel(sky, tmp_path):
    sky.put(tmp_path)
    cutouts = cut_galaxies(sky.sources, tmp_path, QUICK, size=33)
    assert cutouts.kept.all() and cutouts.images.shape == (12, 5, 33, 33)
    stars = np.flatnonzero(~sky.sources["extended"])
    assert (cutouts.images[stars].reshape(len(stars), 5, -1).argmax(-1) == 16 * 33 + 16).mean() > 0.8


def test_misplaced_bands_are_registered(sky, tmp_path):
    """A frame that is off by a tenth of a pixel and a little turned, as the real ones are."""
    sky.put(tmp_path)
    frames = {band: read_frame(frame_path(tmp_path, STAND_IN, band)) for band in BANDS}
    truth = frames["g"].wcs
    wrong = truth.deepcopy()
    turn = 6e-4
    wrong.wcs.crpix = wrong.wcs.crpix + [0.12, -0.07]
    wrong.wcs.cd = wrong.pixel_scale_matrix @ [[1, turn], [-turn, 1]]
    mended = registered({**frames, "g": replace(frames["g"], wcs=wrong)})
    ra, dec = sky.sources["ra"], sky.sources["dec"]

    def apart(wcs):
        return np.hypot(*(np.array(wcs.wcs_world2pix(ra, dec, 0)) - truth.wcs_world2pix(ra, dec, 0)))

    assert apart(wrong).max() > 0.15
    assert apart(mended["g"].wcs).max() < 0.015
    assert apart(registered(frames)["g"].wcs).max() < 0.015
    # Nothing to go by: it keeps its own.
    empty = {**frames, "g": replace(frames["g"], wcs=wrong, image=np.random.default_rng(0).normal(size=(300, 400)))}
    np.testing.assert_allclose(apart(registered(empty)["g"].wcs), apart(wrong), atol=0.05)


@pytest.mark.parametrize("field", [BEFORE, AFTER], ids=["above", "below"])
def test_an_edge_is_completed_from_the_next_field(field, sky, parts, tmp_path):
    """Two neighbours of one sky, calibrated to counts of different size: the stamp is that of the uncut frame."""
    inner = sky.sources["y"].between(130, 170) & sky.sources["x"].between(100, 300)
    table = sky.sources[inner].reset_index(drop=True)
    sky.put(tmp_path / "whole")
    parts.put(tmp_path / "parts")
    uncut = cut_galaxies(table, tmp_path / "whole", QUICK, size=96)
    pieced = cut_galaxies(table.assign(field=field.field), tmp_path / "parts", QUICK, size=96)
    assert len(table) == 2 and uncut.kept.all() and not uncut.completed.any()
    assert pieced.kept.all() and pieced.completed.all() and not pieced.reason.any()
    np.testing.assert_allclose(pieced.offset, uncut.offset, atol=1e-6)
    for number, band in enumerate(BANDS):
        noise = OPTICS[band][5]
        difference = pieced.images[:, number] - uncut.images[:, number]
        assert difference.std() < 0.4 * noise, band
        # No step in the sky where the fields meet, and nothing left out.
        assert abs(np.median(difference[:, :20])) < 0.1 * noise and abs(np.median(difference[:, -20:])) < 0.1 * noise
        assert (abs(pieced.images[:, number]) > 0).mean() > 0.999
        for row in range(2):
            place = uncut.offset[row] + 47.5
            flux = aperture(pieced.images[row, number], *place)
            assert flux == pytest.approx(aperture(uncut.images[row, number], *place), rel=2e-3)


def test_an_edge_without_a_neighbour_is_refused_and_never_filled(sky, parts, tmp_path, server):
    serve(server, SkyField({path: c for path, c in parts.frames.items() if "-0099." in path}, parts.sources))
    inner = sky.sources["y"].between(130, 170) & sky.sources["x"].between(100, 300)
    table = sky.sources[inner].assign(field=BEFORE.field)
    with pointed_at(server):
        cutouts = cut_galaxies(table, tmp_path, QUICK, size=96, allow_network=True)
    assert not cutouts.kept.any() and not cutouts.completed.any() and np.isnan(cutouts.images).all()
    # The frames end at row 186; that of g, 11.8 rows on, ends first.
    y = table["y"].to_numpy()
    for reason, lost in zip(cutouts.reason, (np.rint(y - 47.5) + 95 + 11.8 - 185) / 96, strict=True):
        share, rest = reason.split("%")
        assert rest == " of the g stamp lies outside the frames" and float(share) == pytest.approx(100 * lost, abs=1.5)
    # Off the network the same, for a neighbour that is not at hand.
    same(cut_galaxies(table, tmp_path, QUICK, size=96), cutouts)


def test_beyond_the_side_of_the_camera_no_neighbour_is_asked(sky, parts, tmp_path, server):
    serve(server, parts)
    beside = sky.sources["x"] < 100
    table = parts.sources[beside]
    with pointed_at(server):
        cutouts = cut_galaxies(table[table["field"] == MIDDLE.field], tmp_path, QUICK, size=128, allow_network=True)
    assert not cutouts.kept.any() and np.isnan(cutouts.images).all()
    assert all("stamp lies outside the frames" in reason for reason in cutouts.reason)
    above = [request.path for request in server.requests if f"-{MIDDLE.field:04d}" not in request.path]
    # 128 rows about the middle of 186 leave u, g, i and z, a few rows on, without neighbours too.
    assert len(server.requests) - len(above) == len(BANDS) and len(above) <= 2 * len(BANDS)


def test_neighbours_are_fetched_only_where_needed_and_every_frame_once(sky, parts, tmp_path, server, monkeypatch):
    serve(server, parts)
    unpackings = []
    monkeypatch.setattr(
        frames_module.bz2,
        "decompress",
        lambda packed: unpackings.append(len(packed)) or bz2.BZ2Decompressor().decompress(packed),
    )
    table = parts.sources[parts.sources["field"] == MIDDLE.field]
    assert len(table) >= 3
    with pointed_at(server):
        first = cut_galaxies(table, tmp_path, QUICK, size=48, allow_network=True)
        assert first.kept.all() and not first.completed.any()
        assert server.count("/sas/") == len(unpackings) == len(BANDS)
        again = cut_galaxies(table.iloc[::-1], tmp_path, QUICK, size=48, allow_network=True)
    assert server.count("/sas/") == len(BANDS)
    np.testing.assert_array_equal(again.images[::-1], first.images)


def test_many_fields_in_any_order(parts, tmp_path, server):
    serve(server, parts)
    with pointed_at(server):
        whole = cut_galaxies(parts.sources, tmp_path, QUICK, size=48, allow_network=True)
        shuffled = parts.sources.sample(frac=1, random_state=1)
        mixed = cut_galaxies(shuffled, tmp_path, QUICK, size=48)
        alone = cut_galaxies(parts.sources.iloc[[5]], tmp_path, QUICK, size=48)
    order = shuffled.index.to_numpy()
    np.testing.assert_array_equal(mixed.images, whole.images[order])
    np.testing.assert_array_equal(alone.images[0], whole.images[5])
    assert whole.kept.sum() >= 10


FAULTS = {
    "truncated bz2": loopback.truncated(20_000),
    "cut connection": loopback.cut_short(20_000),
    "reset": loopback.connection_reset,
    "HTML with status 200": loopback.html_page,
    "packed HTML": loopback.body(bz2.compress(b"<html><body>Maintenance</body></html>")),
    "nothing": loopback.body(b""),
    "503": loopback.status(503),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_leaves_no_trace(fault, sky, tmp_path, server):
    serve(server, sky)
    sky.put(tmp_path / "good")
    table = sky.sources.iloc[5:7]
    server.fail("/sas/", *[FAULTS[fault]] * 2)
    with pointed_at(server):
        found = cut_galaxies(table, tmp_path / "bad", QUICK, allow_network=True)
    same(found, cut_galaxies(table, tmp_path / "good", QUICK))
    assert server.count("/sas/") == len(BANDS) + 2
    files = [path for path in (tmp_path / "bad").rglob("*") if path.is_file()]
    assert len(files) == 2 * len(BANDS)  # frames and checksums, and nothing half done
    for band in BANDS:
        path = frame_path(tmp_path / "bad", STAND_IN, band)
        assert path.read_bytes() == sky.frames[url_path(STAND_IN, band)]


def test_a_fault_that_stays_is_raised_and_what_is_finished_is_kept(parts, tmp_path, server):
    serve(server, parts)
    server.fail(f"/sas{url_path(AFTER, 'i')}", *[loopback.html_page] * 3)
    with pointed_at(server):
        with pytest.raises(TransferError, match=r"frame-i-007001-3-0101\.fits\.bz2.*<html>"):
            cut_galaxies(parts.sources, tmp_path, replace(QUICK, attempts=3), size=48, allow_network=True)
        assert not frame_path(tmp_path, AFTER, "i").exists() and frame_path(tmp_path, BEFORE, "z").exists()
        n_before = server.count("/sas/")
        found = cut_galaxies(parts.sources, tmp_path, QUICK, size=48, allow_network=True)
    finished = {request.path for request in server.requests[:n_before]} - {f"/sas{url_path(AFTER, 'i')}"}
    assert not finished & {request.path for request in server.requests[n_before:]}
    assert found.kept.sum() >= 10


def test_another_frame_is_not_believed(parts, tmp_path):
    content = parts.frames[url_path(MIDDLE, "g")]
    path = tmp_path / "frame-g-007001-3-0100.fits.bz2"
    path.write_bytes(content)
    assert check_frame(path, MIDDLE, "g").image.dtype == np.float32
    for other, band, card in (
        (AFTER, "g", "FRAME"),
        (BEFORE, "g", "FRAME"),
        (MIDDLE, "r", "FRAME|FILTER"),
        (replace(MIDDLE, run=7002), "g", "RUN"),
        (replace(MIDDLE, camcol=4), "g", "CAMCOL"),
        (replace(MIDDLE, rerun=157), "g", "RERUN"),
    ):
        with pytest.raises(BadAnswer, match=f"another frame: its ({card}) is"):
            check_frame(path, other, band)
    for damaged, match in (
        (content[:-1000], "no whole bz2"),
        (b"", "no FITS"),
        (bz2.compress(bz2.decompress(content)[:50_000]), "damaged FITS|shape"),
        (_with_value(content, np.nan), "1 pixels that are not finite"),
        (_with_card(content, "CTYPE1", "LINEAR"), "astrometry"),
    ):
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(BadAnswer, match=match):
                check_frame(path, MIDDLE, "g")


def _with_value(content: bytes, value: float) -> bytes:
    plain = bytearray(bz2.decompress(content))
    plain[2880 * 2 : 2880 * 2 + 4] = np.array(value, dtype=">f4").tobytes()
    return bz2.compress(bytes(plain))


def _with_card(content: bytes, card: str, value: str) -> bytes:
    plain = bz2.decompress(content)
    start = plain.index(f"{card:<8}=".encode())
    return bz2.compress(plain[:start] + f"{card:<8}= '{value:<8}'".ljust(80).encode() + plain[start + 80 :])


def test_frames_put_there_by_hand_are_used_and_given_a_checksum(sky, tmp_path, server):
    sky.put(tmp_path)
    path = frame_path(tmp_path, STAND_IN, "i")
    assert path == tmp_path / "301" / "7001" / "3" / "frame-i-007001-3-0100.fits.bz2"
    with pointed_at(server):
        cutouts = cut_galaxies(sky.sources, tmp_path, QUICK, allow_network=True)
    assert not server.requests and cutouts.kept.all() and checksum_path(path).exists()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(MissingFrame, match=r"is damaged.*allow_network=True"):
        cut_galaxies(sky.sources, tmp_path, QUICK)
    checksum_path(path).unlink()
    with pytest.raises(MissingFrame, match=r"no whole bz2.*allow_network=True"):
        cut_galaxies(sky.sources, tmp_path, QUICK)
    # A damaged one is fetched again, alone.
    serve(server, sky)
    with pointed_at(server):
        same(cut_galaxies(sky.sources, tmp_path, QUICK, allow_network=True), cutouts)
    assert server.count("/sas/") == 1


def test_frames_that_another_process_clears_away_are_fetched_again(sky, tmp_path, server, monkeypatch):
    serve(server, sky)
    whole, write = cut_galaxies_from(sky, tmp_path / "calm", server), transfer.write_checksum
    cleared = []

    def raced(path):
        # The other process is done just when the file has come, and before its checksum is noted.
        if len(cleared) < 3:
            cleared.append(path)
            clear_frames([STAND_IN], tmp_path / "raced")
        write(path)

    monkeypatch.setattr(transfer, "write_checksum", raced)
    same(cut_galaxies_from(sky, tmp_path / "raced", server), whole)
    assert len(cleared) == 3


def test_clearing_frames_touches_nothing_else(parts, tmp_path):
    parts.put(tmp_path)
    other = frame_path(tmp_path, replace(STAND_IN, field=STAND_IN.field + 9), "r")
    unfinished = other.with_name(f".{other.name}.x.bz2")
    for path in (other, unfinished):
        path.write_bytes(b"")
    clear_frames([BEFORE], tmp_path)
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {other, unfinished, *(frame_path(tmp_path, AFTER, band) for band in BANDS)}
    clear_frames([AFTER], tmp_path)
    other.unlink(), unfinished.unlink()
    clear_frames([AFTER], tmp_path)
    assert not list(tmp_path.iterdir())


def cut_galaxies_from(sky: SkyField, folder, server) -> Cutouts:
    with pointed_at(server):
        return cut_galaxies(sky.sources, folder, QUICK, allow_network=True)


def test_off_the_network_a_missing_frame_is_named(sky, tmp_path):
    sky.put(tmp_path)
    path = frame_path(tmp_path, STAND_IN, "z")
    path.unlink()
    with pytest.raises(
        MissingFrame, match=rf"{path.name} is not there; put .* into {path.parent}, or set allow_network"
    ):
        cut_galaxies(sky.sources, tmp_path, QUICK)


def test_a_frame_that_the_archive_lacks_is_a_reason(sky, tmp_path, server):
    serve(server, SkyField({p: c for p, c in sky.frames.items() if "frame-u" not in p}, sky.sources))
    with pointed_at(server):
        cutouts = cut_galaxies(sky.sources, tmp_path, QUICK, allow_network=True)
    assert not cutouts.kept.any() and set(cutouts.reason) == {"the archive holds no u frame of field 100"}


def test_a_position_off_its_frame_is_a_reason(sky, tmp_path):
    sky.put(tmp_path)
    table = sky.sources.iloc[:3].copy()
    table.loc[1, "dec"] += 1.0
    table.loc[2, "ra"] -= 180.0 - 360.0 * (table.loc[2, "ra"] < 180)
    cutouts = cut_galaxies(table, tmp_path, QUICK, size=48)
    assert list(cutouts.kept) == [True, False, False]
    assert set(cutouts.reason[1:]) == {"the position lies outside the r frame of its field"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"ra": None}, "column 'ra' is missing"),
        ({"dec": 91.0}, "column 'dec': found 91.0"),
        ({"ra": np.nan}, "column 'ra': found nan"),
        ({"field": 100.0}, "column 'field' is missing or holds no whole numbers"),
        ({"run": -1}, "column 'run': found a null or negative"),
    ],
)
def test_tables_that_are_refused(change, match, sky, tmp_path):
    table = sky.sources.assign(**change) if None not in change.values() else sky.sources.drop(columns=list(change))
    with pytest.raises(ValueError, match=match):
        cut_galaxies(table, tmp_path, QUICK)
    with pytest.raises(ValueError, match="size: found 64.0"):
        cut_galaxies(sky.sources, tmp_path, QUICK, size=64.0)


def test_addresses_are_the_archive_s():
    assert frame_url(REAL, "r") == (
        "https://data.sdss.org/sas/dr17/eboss/photoObj/frames/301/5112/4/frame-r-005112-4-0345.fits.bz2"
    )
    assert "/dr12/boss/" in frame_url(REAL, "r", 12) and "/dr18/prior-surveys/sdss4-dr17-eboss/" in frame_url(
        REAL, "r", 18
    )


def test_fields_are_read_ahead_in_order_and_few_at_once(parts, tmp_path, server):
    serve(server, parts)
    lock, now, most, answer = threading.Lock(), [0], [0], server.routes["/sas/"]

    def counted(request):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.03)
        with lock:
            now[0] -= 1
        return answer(request)

    server.routes["/sas/"] = counted
    wanted = [AFTER, BEFORE, MIDDLE]
    with pointed_at(server):
        found = list(fetch_frames(wanted, tmp_path, replace(QUICK, n_workers=3), allow_network=True))
    assert most[0] == 3
    assert [field for field, _ in found] == wanted
    assert all(frames[band].field == field and frames[band].band == band for field, frames in found for band in BANDS)


def test_the_quick_path_shows_the_same_sources(sky, server):
    serve(server, sky)
    stars = sky.sources[~sky.sources["extended"]].reset_index(drop=True)
    with pointed_at(server):
        cutouts = hips_cutouts(stars, QUICK, size=48)
    assert cutouts.kept.all() and not cutouts.completed.any() and server.count("/hips2fits") == 5 * len(stars)
    for row in range(len(stars)):
        for number in range(len(BANDS)):
            place = centroid(cutouts.images[row, number], 23.5, 23.5)
            assert np.hypot(*(place - 23.5)) < 0.2
    with pointed_at(server):
        same(hips_cutouts(stars, QUICK, size=48, server=f"{server.url}/hips2fits"), cutouts)


@pytest.mark.parametrize(
    "fault",
    [
        loopback.html_page,
        loopback.status(500),
        loopback.truncated(4000),
        loopback.truncated(100),
        loopback.connection_reset,
        loopback.body(b'{"title": "busy"}', "application/json"),
    ],
)
def test_the_quick_path_believes_no_other_answer(fault, sky, server):
    serve(server, sky)
    table = sky.sources.iloc[:1]
    with pointed_at(server), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, of a truncated file
        good = hips_cutouts(table, QUICK, size=48)
        server.fail("/hips2fits", fault, fault)
        same(hips_cutouts(table, QUICK, size=48), good)
        server.fail("/hips2fits", *[fault] * 3)
        with pytest.raises(TransferError, match="CDS/P/SDSS9/u"):
            hips_cutouts(table, replace(QUICK, attempts=3), size=48)


def test_the_quick_path_asks_once_for_what_is_not_there(sky, server):
    serve(server, sky)
    server.fail("/hips2fits", loopback.status(404))
    with pointed_at(server), pytest.raises(NotThere, match="CDS/P/SDSS9/u"):
        hips_cutouts(sky.sources.iloc[:1], QUICK, size=48)
    assert server.count("/hips2fits") == 1


def test_the_quick_path_refuses_blank_pictures(sky, server):
    serve(server, sky)
    table = sky.sources.iloc[:3].copy()
    table.loc[1, "dec"] += 0.5
    # The field ends some 50 pixels from its outer sources.
    with pointed_at(server):
        cutouts = hips_cutouts(table, QUICK, size=48)
        wide = hips_cutouts(table.iloc[:1], QUICK, size=256)
    assert list(cutouts.kept) == [True, False, True]
    assert cutouts.reason[1] == "100% of the u picture is blank" and np.isnan(cutouts.images[1]).all()
    assert not wide.kept[0] and "of the u picture is blank" in wide.reason[0]
