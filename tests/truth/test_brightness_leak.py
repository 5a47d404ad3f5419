"""What images divided by their flux still tell of a galaxy's brightness: through the sky noise at the stamp's border.

On the mock and on a real field, after plain division and after equalising signal-to-noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import median_abs_deviation, spearmanr
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict

from helpers.survey import Sample, load_sample
from helpers.survey.mock.observing import field_conditions
from helpers.survey.photometry import measure_galaxies
from helpers.survey.stamps import (
    common_signal_to_noise,
    equalise_signal_to_noise,
    flux_floor,
    normalise_by_flux,
)

BANDS = "ugriz"
N_GALAXIES = 600
BORDER = 26  # pixels from the centre, where a stamp of 64 ends at 32
FIELD = Path(__file__).resolve().parents[3] / "shared" / "data" / "sdss_field_5112_4_345"


def border(images: np.ndarray) -> np.ndarray:
    """Pixels [n, band, pixel] far from the centre."""
    y, x = np.indices(images.shape[2:]) - (images.shape[-1] - 1) / 2
    return images[:, :, np.hypot(y, x) > BORDER]


def log_border_noise(images: np.ndarray) -> np.ndarray:
    """Logarithm of the border's robust scatter [n, band]."""
    return np.log(median_abs_deviation(border(images), axis=2, scale="normal"))


def prediction_error(features: np.ndarray, magnitude: np.ndarray) -> float:
    """Root-mean-square error of a linear regression, cross-validated."""
    folds = KFold(10, shuffle=True, random_state=0)
    predicted = cross_val_predict(LinearRegression(), features, magnitude, cv=folds)
    return float(np.sqrt(np.mean((predicted - magnitude) ** 2)))


def columns(sample: Sample, name: str) -> np.ndarray:
    return sample.catalog[[f"{name}_{band}" for band in BANDS]].to_numpy(np.float64)


@pytest.fixture(scope="module")
def mock(data_cache) -> Sample:
    return load_sample("mock", N_GALAXIES, 0, cache_dir=data_cache)


@pytest.fixture(scope="module")
def equalised(mock):
    """Equalised images and magnitudes of the galaxies that reach the common ratio in every band, and who they are."""
    flux, noise = columns(mock, "petroFlux"), columns(mock, "skyNoise")
    ratio = common_signal_to_noise(flux, noise)
    seeds = [(0, row) for row in range(len(mock))]
    found = equalise_signal_to_noise(mock.images, flux, noise, signal_to_noise=ratio, seeds=seeds)
    kept = found.reached.all(axis=1)
    return found.images[kept], mock.catalog["petroMag_r"].to_numpy()[kept], kept


def test_border_noise_tells_the_magnitude_after_plain_division(mock):
    flux = columns(mock, "petroFlux")
    images = normalise_by_flux(mock.images, flux, floor=flux_floor(flux, BANDS))
    magnitude = mock.catalog["petroMag_r"].to_numpy()
    assert magnitude.std() > 0.6
    # Fields differ in noise by 7%, which five bands average out; the largest galaxies reach the border.
    assert prediction_error(log_border_noise(images), magnitude) < 0.1


def test_border_noise_tells_nothing_after_equalising(equalised):
    images, magnitude, _ = equalised
    noise = log_border_noise(images)
    assert prediction_error(noise, magnitude) > 0.97 * magnitude.std()
    for band in range(len(BANDS)):
        # Under independence the coefficient scatters by 1 / sqrt(n - 1).
        assert abs(spearmanr(noise[:, band], magnitude).statistic) < 3.5 / np.sqrt(len(magnitude) - 1)
    # The border's 1,972 pixels tell a robust deviation to 1.17 / sqrt(1972) = 2.6%, the noise it was equalised by
    # 2.2%, of which only the part that is not made up by added noise remains.
    assert (noise.std(axis=0) < 0.05).all()


def test_equalising_costs_few_galaxies_and_noise_in_the_faint_band(mock, equalised):
    flux, noise = columns(mock, "petroFlux"), columns(mock, "skyNoise")
    kept = equalised[2]
    # One in twenty falls short in a band; in all bands together fewer than one in four.
    assert kept.mean() > 0.8
    grows = np.median(flux / noise, axis=0) / common_signal_to_noise(flux, noise)
    assert (grows[1:] < 2.5).all() and 2.5 < grows[0] < 5
    # A stricter choice of who falls short buys less noise with more galaxies.
    stricter = common_signal_to_noise(flux, noise, quantile=0.2)
    assert (np.median(flux / noise, axis=0) / stricter < 0.9 * grows).all()
    assert (flux / noise > stricter).all(axis=1).mean() < kept.mean() - 0.15


def test_measured_sky_noise_holds_no_light_of_the_galaxy(mock):
    position = (mock.catalog[name].to_numpy() for name in ("ra", "dec"))
    given = field_conditions(*position, 0, np.random.default_rng(0)).sky_noise
    ratio = columns(mock, "skyNoise") / given
    # 2,980 pairs of pixels tell the noise to 2.1%.
    np.testing.assert_allclose(np.median(ratio, axis=0), 1, atol=0.005)
    assert (ratio.std(axis=0) < 0.03).all()
    for name in ("petroMag_r", "petroR50_r", "petroR90_r"):
        for band in range(len(BANDS)):
            related = spearmanr(ratio[:, band], mock.catalog[name], nan_policy="omit").statistic
            assert abs(related) < 3.5 / np.sqrt(N_GALAXIES)
    # The scatter of the kept stamp's border would not do: large galaxies, and so the bright ones, reach it.
    of_border = np.exp(log_border_noise(np.asarray(mock.images))) / given
    assert spearmanr(of_border[:, 2], mock.catalog["petroMag_r"]).statistic < -0.25


def test_what_remains_at_the_border_is_light_and_tells_less_than_the_size_does(mock, equalised):
    images, magnitude, kept = equalised
    light = border(images)
    # A few hundredths of a galaxy's light are out there, more of a large one: shape, which is no artefact of noise.
    assert 0.01 < np.median(light[:, 2].sum(axis=1)) < 0.08
    by_light = prediction_error(light.mean(axis=2), magnitude)
    by_size = prediction_error(np.log(columns(mock, "petroR50")[kept][:, 1:4]), magnitude)
    assert by_size < by_light and 0.75 * magnitude.std() < by_light < magnitude.std()


@pytest.fixture(scope="module")
def real_stamps() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stamps in g, r, i of whatever is brighter than r = 20 in a real field, their fluxes and their sky noise."""
    if not FIELD.is_dir():
        pytest.skip(f"no real field: there is no folder {FIELD.parent.name}/{FIELD.name} beside the repository")
    from astropy.io import fits
    from photutils.segmentation import SourceCatalog, detect_sources
    from scipy.ndimage import gaussian_filter

    field = np.stack([fits.getdata(FIELD / f"frame-{b}-005112-4-0345.fits.bz2") for b in "gri"]).astype(np.float32)
    smooth = gaussian_filter(field[1], 1.5)
    segments = detect_sources(smooth, 5 * median_abs_deviation(smooth, axis=None, scale="normal"), n_pixels=8)
    found = SourceCatalog(field[1], segments)
    x, y = np.rint(found.x_centroid).astype(int), np.rint(found.y_centroid).astype(int)
    inside = (x >= 32) & (x < field.shape[2] - 32) & (y >= 32) & (y < field.shape[1] - 32)
    # From 14, brighter than which a star saturates, to 20.
    rows = np.flatnonzero(inside & (found.segment_flux < 2500) & (found.segment_flux > 10))
    stamps = np.stack([field[:, y[row] - 32 : y[row] + 32, x[row] - 32 : x[row] + 32] for row in rows])
    measured = measure_galaxies(stamps, np.full(stamps.shape[:2], 1.3), reference=1)
    positive = (measured.flux > 0).all(axis=1)
    return stamps[positive], measured.flux[positive], measured.sky_noise[positive]


def test_the_same_on_a_real_field(real_stamps):
    stamps, flux, noise = real_stamps
    assert len(stamps) > 40
    plain = log_border_noise(normalise_by_flux(stamps, flux))  # [n, band]
    ratio = common_signal_to_noise(flux, noise)
    seeds = [(1, row) for row in range(len(stamps))]
    found = equalise_signal_to_noise(stamps, flux, noise, signal_to_noise=ratio, seeds=seeds)
    for band in range(flux.shape[1]):
        kept = found.reached[:, band]
        assert kept.mean() > 0.9
        assert spearmanr(plain[:, band], flux[:, band]).statistic < -0.95
        magnitude = -2.5 * np.log10(flux[kept, band])
        equal = log_border_noise(found.images[kept, band : band + 1])[:, 0]
        assert abs(spearmanr(equal, magnitude).statistic) < 3 / np.sqrt(kept.sum() - 1)
        assert prediction_error(plain[kept, band, None], magnitude) < 0.25
        assert prediction_error(equal[:, None], magnitude) > 0.9 * magnitude.std()
