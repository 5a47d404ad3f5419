"""Stamps: images in files, cuts, what normalisation leaves of brightness, and colour pictures."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import median_abs_deviation, spearmanr

from helpers.survey import Sample
from helpers.survey.stamps import (
    central_cut,
    colour_picture,
    common_signal_to_noise,
    equalise_signal_to_noise,
    flux_floor,
    normalise_by_flux,
)
from helpers.survey.stored import StoredImages


@pytest.fixture
def stored(tmp_path) -> tuple[StoredImages, np.ndarray, list]:
    """Images in four files, one of them empty, and the same in memory."""
    everything = np.random.default_rng(0).normal(size=(12, 3, 8, 8)).astype(np.float32)
    paths = [tmp_path / f"{number}.npy" for number in range(4)]
    for path, part in zip(paths, np.split(everything, [5, 5, 9]), strict=True):
        np.save(path, part)
    return StoredImages(paths), everything, paths


INDICES = [
    3, -1, np.int64(7), slice(None), slice(2, 9), slice(None, None, -2), [11, 0, 5, 5], np.array([-1, 4]), [],
    np.arange(12) % 3 == 0, ([8, 1], 2), (slice(3, 6), slice(0, 2)), (4, 1), (4, 1, slice(2, 4), -1),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_stored_images_are_indexed_as_an_array(stored, index):
    images, everything, _ = stored
    found = images[index]
    assert type(found) is np.ndarray and found.dtype == np.float32
    np.testing.assert_array_equal(found, everything[index], strict=True)


def test_selections_of_selections_read_the_right_rows(stored):
    images, everything, _ = stored
    assert (images.shape, images.ndim, len(images), images.dtype) == ((12, 3, 8, 8), 4, 12, np.float32)
    rows, mask = np.array([9, 2, 2, 11, 0]), np.array([True, False, True, True, False])
    twice = pickle.loads(pickle.dumps(central_cut(images.select(rows), 4).select(mask)))
    assert twice.shape == (3, 3, 4, 4)
    np.testing.assert_array_equal(twice, everything[rows][mask][:, :, 2:6, 2:6])
    np.testing.assert_array_equal(twice[1, 2, 0], everything[2, 2, 2, 2:6])
    np.testing.assert_array_equal(central_cut(central_cut(images, 6), 2), central_cut(everything, 2))


def test_only_the_files_of_the_rows_are_read(stored):
    images, everything, paths = stored
    paths[0].unlink()
    np.testing.assert_array_equal(images[5:], everything[5:])
    with pytest.raises(FileNotFoundError, match="0.npy held 5 of these images and is there no more"):
        images[3:7]
    paths[3].write_bytes(paths[3].read_bytes()[:-4])
    with pytest.raises(ValueError, match="3.npy no longer holds 3 images"):
        images[-1]


def test_bad_indices_and_files_are_refused(stored, tmp_path):
    images, _, paths = stored
    for index, error, words in (
        (12, IndexError, "rows: found 12, expected a number below 12"),
        ([0, -13], IndexError, "rows: found -13"),
        (np.ones(5, bool), IndexError, "rows: found 5 truth values, expected one for each of 12"),
        ([0.5], ValueError, "rows: found"),
        ((0, [1, 2]), ValueError, "index: found .*, expected rows, then whole numbers or slices"),
        ((0, 3), IndexError, "out of bounds"),
        (..., ValueError, "rows: found"),
    ):
        with pytest.raises(error, match=words):
            images[index]
    np.save(tmp_path / "other.npy", np.zeros((2, 3, 8, 8)))
    with pytest.raises(ValueError, match="other.npy holds float64"):
        StoredImages([*paths, tmp_path / "other.npy"])
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(ValueError, match="text.npy holds no array"):
        StoredImages([tmp_path / "text.npy"])
    with pytest.raises(FileNotFoundError, match="there is no file"):
        StoredImages([tmp_path / "none.npy"])
    with pytest.raises(ValueError, match="paths: found none"):
        StoredImages([])


def test_part_of_a_sample_leaves_its_images_in_their_files(stored):
    images, everything, _ = stored
    rng = np.random.default_rng(1)
    catalog = pd.DataFrame({"lgm_tot_p50": rng.normal(10, 0.3, 12)})
    split = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    sample = Sample.from_frame(catalog, images, bands=tuple("gri"), split=split)
    part = sample.take(sample.rows("test"))
    assert isinstance(part.images, StoredImages)
    np.testing.assert_array_equal(part.images, everything[10:])


def test_central_cut_keeps_the_centre():
    images = np.zeros((1, 1, 128, 128))
    images[..., 63:65, 63:65] = 1
    cut = central_cut(images)
    assert cut.shape == (1, 1, 64, 64) and cut[..., 31:33, 31:33].sum() == 4
    for size in (63, 130, 0, 64.0):
        with pytest.raises(ValueError, match="size: found"):
            central_cut(images, size)


def test_flux_is_clipped_at_the_stated_percentiles():
    flux = np.tile(np.arange(1.0, 1002)[:, None], (1, 5))
    floor = flux_floor(flux, "ugriz")
    np.testing.assert_allclose(floor, [21, 2, 2, 2, 2])  # of 1 to 1001: 1 + 1000 q
    images = np.full((2, 5, 4, 4), 42.0)
    found = normalise_by_flux(images, np.array([[7.0] * 5, [-3.0] * 5]), floor=floor)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, :, 0, 0], [[2, 6, 6, 6, 6], [2, 21, 21, 21, 21]], rtol=1e-6)
    with pytest.raises(ValueError, match="flux: found -3, expected positive fluxes or a floor"):
        normalise_by_flux(images, np.full((2, 5), -3.0))
    with pytest.raises(ValueError, match="floor: found"):
        normalise_by_flux(images, np.ones((2, 5)), floor=np.zeros(5))
    with pytest.raises(ValueError, match="bands: found 'y'"):
        flux_floor(flux, "ugriy")
    with pytest.raises(ValueError, match="the 2th percentile in u is -"):
        flux_floor(-flux, "ugriz")
    with pytest.raises(ValueError, match=r"flux_train: found shape \(1001, 5\), expected \(n_train, 2\)"):
        flux_floor(flux, "ug")


@pytest.fixture(scope="module")
def faint_and_bright():
    """Stamps of one profile, at fluxes over two magnitudes and a half, on skies of different noise."""
    rng = np.random.default_rng(2)
    n = 1200
    flux = 10 ** rng.uniform(1.8, 2.8, (n, 2))
    sky_noise = np.array([0.03, 0.1]) * rng.uniform(0.8, 1.2, (n, 2))
    y, x = np.indices((24, 24)) - 11.5
    profile = np.exp(-0.5 * (x**2 + y**2) / 2**2)
    light = flux[:, :, None, None] * profile / profile.sum()
    noise = sky_noise[:, :, None, None] * rng.normal(size=light.shape)
    return (light + noise).astype(np.float32), flux, sky_noise


def border_noise(images: np.ndarray) -> np.ndarray:
    """Robust standard deviation [n, band] of the pixels away from the centre."""
    border = np.ones(images.shape[2:], bool)
    border[3:-3, 3:-3] = False
    return median_abs_deviation(images[:, :, border], axis=2, scale="normal")


def test_common_signal_to_noise_hides_brightness_that_plain_division_tells(faint_and_bright):
    images, flux, sky_noise = faint_and_bright
    ratio = common_signal_to_noise(flux, sky_noise)
    found = equalise_signal_to_noise(
        images, flux, sky_noise, signal_to_noise=ratio, seeds=[(3, k) for k in range(1200)]
    )
    np.testing.assert_allclose(found.reached.mean(axis=0), 0.95, atol=1e-3)
    assert not found.images[~found.reached].any()
    plain = border_noise(normalise_by_flux(images, flux))
    equal = border_noise(found.images)
    for band in range(2):
        kept = found.reached[:, band]
        assert abs(spearmanr(plain[kept, band], flux[kept, band]).statistic) > 0.9
        # Under independence the coefficient scatters by 1 / sqrt(1140) = 0.03.
        assert abs(spearmanr(equal[kept, band], flux[kept, band]).statistic) < 0.1
        # 252 pixels tell a robust deviation to 7%, a thousand galaxies its median to 0.3%.
        assert np.median(equal[kept, band]) * ratio[band] == pytest.approx(1, abs=0.015)
    # The light itself is whole: unit flux, within the noise of 24 x 24 pixels.
    total = found.images[found.reached[:, 0], 0].sum(axis=(1, 2))
    assert total.mean() == pytest.approx(1, abs=4 * 24 / ratio[0] / np.sqrt(len(total)))


def test_equalised_noise_does_not_depend_on_the_batch(faint_and_bright):
    images, flux, sky_noise = (part[:6] for part in faint_and_bright)
    whole, alone = (
        equalise_signal_to_noise(
            images[rows], flux[rows], sky_noise[rows], signal_to_noise=500, seeds=[(0, k) for k in range(6)][rows]
        )
        for rows in (slice(None), slice(4, 5))
    )
    np.testing.assert_array_equal(whole.images[4:5], alone.images)


def test_bad_noise_is_refused(faint_and_bright):
    images, flux, sky_noise = (part[:6] for part in faint_and_bright)
    good = {"signal_to_noise": 500, "seeds": range(6)}
    for change, words in (
        ({"signal_to_noise": [1, 2, 3]}, "signal_to_noise: found"),
        ({"signal_to_noise": 0}, "signal_to_noise: found 0"),
        ({"seeds": [1]}, "seeds: found 1, expected one for each of 6"),
        ({"sky_noise": 0 * sky_noise}, "sky_noise: found 0, expected finite positive numbers"),
        ({"flux": flux[:, :1]}, r"flux: found shape \(6, 1\), expected \(6, 2\)"),
        ({"images": images[0]}, "images: found"),
    ):
        with pytest.raises(ValueError, match=words):
            equalise_signal_to_noise(**{"images": images, "flux": flux, "sky_noise": sky_noise, **good, **change})
    with pytest.raises(ValueError, match="quantile: found 1"):
        common_signal_to_noise(flux, sky_noise, quantile=1)
    with pytest.raises(ValueError, match="flux: the quantile 0.05 of its ratio to the noise is -"):
        common_signal_to_noise(-flux, sky_noise)


def test_colour_picture_shows_the_colour():
    images = np.zeros((3, 5, 6, 6))
    images[0, 3] = images[1, 2] = images[2, 1] = 0.5  # light in i, in r, in g alone
    pictures = colour_picture(images)
    assert pictures.shape == (3, 6, 6, 3) and pictures.dtype == np.uint8
    assert pictures[:, 0, 0].argmax(axis=1).tolist() == [0, 1, 2]
    assert (np.sort(pictures[:, 0, 0], axis=1)[:, :2] == 0).all() and pictures.max() > 50
    # Brightness changes, colour does not: the ratio of the channels is that of the weighted fluxes.
    grey = colour_picture(np.full((1, 5, 2, 2), 0.4), weights=(1.0, 1.0, 1.0))
    assert len(np.unique(grey)) == 1
    for change, words in (
        ({"bands": "ir"}, "bands: found"),
        ({"bands": "iry"}, "bands: found"),
        ({"available": "gri"}, "available: found 3 bands, expected 5"),
        ({"weights": (1, 1)}, "weights: found"),
    ):
        with pytest.raises(ValueError, match=words):
            colour_picture(images, **change)
