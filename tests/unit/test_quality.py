"""Scores of predicted mass distributions, against closed forms, and the temperature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import norm

from helpers.contrastive.bins import MassBins
from helpers.contrastive.calibration import calibrate
from helpers.contrastive.quality import (
    cross_entropy,
    crps,
    mass_quality,
    paired_difference,
    probability_integral_transform,
    quality_table,
)

FINE = MassBins(520)
COARSE = MassBins(3, 9.0, 12.0)


def gaussian(mean: np.ndarray, sigma: float, bins: MassBins = FINE) -> np.ndarray:
    at_edges = ndtr((bins.edges[None] - np.asarray(mean)[:, None]) / sigma)
    probability = np.diff(at_edges, axis=1)
    return probability / probability.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Means, and masses drawn from Gaussians of 0.2 dex about them."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(8.5, 11, 20_000)
    return mean, mean + 0.2 * rng.standard_normal(mean.size)


@pytest.mark.parametrize("sigma", [0.05, 0.2, 0.5])
def test_crps_of_a_gaussian_is_the_closed_form(sigma):
    z = np.linspace(-4, 4, 41)
    # Gneiting & Raftery (2007), equation 21; the bins of 0.0125 dex add less than their width squared.
    expected = sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    found = crps(gaussian(np.full(41, 9.5), sigma), FINE, 9.5 + sigma * z)
    np.testing.assert_allclose(found, expected, atol=FINE.width**2 / sigma / 4)


def test_crps_of_wide_bins_is_the_integral():
    rng = np.random.default_rng(1)
    probability = rng.dirichlet(np.ones(3), size=5)
    mass = np.array([9.2, 10.0, 11.97, 8.4, 12.6])  # two outside the range
    x = np.linspace(8, 13, 500_001)
    for row, own, found in zip(probability, mass, crps(probability, COARSE, mass), strict=True):
        cumulative = np.interp(x, COARSE.edges, np.concatenate([[0], np.cumsum(row)]))
        integral = np.trapezoid((cumulative - (x >= own)) ** 2, x)
        assert found == pytest.approx(integral, abs=2e-5)


def test_a_mass_is_placed_inside_its_bin():
    probability = np.tile([0.2, 0.5, 0.3], (5, 1))
    found = probability_integral_transform(probability, COARSE, np.array([9.5, 10.25, 12.0, 8.0, 13.0]))
    np.testing.assert_allclose(found, [0.1, 0.325, 1, 0, 1])
    np.testing.assert_allclose(
        cross_entropy(probability, COARSE, np.array([9.5, 10, 12, 8, 13])), -np.log([0.2, 0.5, 0.3, 0.2, 0.3])
    )
    assert cross_entropy(np.array([[0.0, 1, 0]]), COARSE, np.array([9.5]))[0] == np.inf


def test_a_calibrated_prediction_covers_what_it_says(drawn):
    mean, mass = drawn
    quality = mass_quality(gaussian(mean, 0.2), FINE, mass)
    root = np.sqrt(mass.size)
    for level, share in quality.coverage.items():
        assert share == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level)) / root)
    assert quality.pit_departure < 1.63 / root  # 1% critical value
    assert quality.bias == pytest.approx(0, abs=4 * 0.2 / root)
    assert quality.sigma_mad == pytest.approx(0.2, rel=0.04) and quality.rmse == pytest.approx(0.2, rel=0.02)
    assert quality.outlier_share == pytest.approx(2 * norm.cdf(-3), abs=0.0015)
    # Closed forms of a Gaussian judged by itself.
    assert quality.crps == pytest.approx(0.2 / np.sqrt(np.pi), rel=0.02)
    entropy = 0.5 * np.log(2 * np.pi * np.e * 0.2**2) - np.log(FINE.width)
    assert quality.cross_entropy == pytest.approx(entropy, abs=4 * np.sqrt(0.5) / root)


@pytest.mark.parametrize(("claimed", "covers"), [(0.1, 2 * norm.cdf(0.5 * norm.ppf(0.84)) - 1), (0.4, 0.9533)])
def test_a_prediction_of_the_wrong_width_is_found_out(drawn, claimed, covers):
    mean, mass = drawn
    quality = mass_quality(gaussian(mean, claimed), FINE, mass)
    assert quality.coverage[0.68] == pytest.approx(covers, abs=0.015)
    # The largest difference between the distribution functions of z / ratio and z.
    x = np.linspace(0, 4, 4001)
    expected = np.abs(norm.cdf(x * claimed / 0.2) - norm.cdf(x)).max()
    assert quality.pit_departure == pytest.approx(expected, abs=0.012)


def test_residuals_by_hand():
    bins = MassBins(12, 9.0, 12.0)
    probability = np.zeros((5, 12))
    probability[:, 4] = 1  # a mean of 10.125
    mass = 10.125 - np.array([0.1, 0.0, -0.1, 0.2, 1.3])
    quality = mass_quality(probability + 0.0, bins, mass)
    assert quality.n == 5 and quality.bias == pytest.approx(0.3)
    assert quality.rmse == pytest.approx(np.sqrt((0.01 + 0 + 0.01 + 0.04 + 1.69) / 5))
    # About the median 0.1, the absolute deviations are 0, 0.1, 0.2, 0.1, 1.2.
    assert quality.sigma_mad == pytest.approx(0.14826) and quality.outlier_share == pytest.approx(0.2)


def test_table_is_the_quality_of_each_group(drawn):
    mean, mass = (values[:2000] for values in drawn)
    probability = gaussian(mean, 0.2)
    heavy = mean > 10
    table = quality_table(probability, FINE, mass, {"all": mean > 0, "heavy": heavy, "none": mean < 0})
    expected = mass_quality(probability[heavy], FINE, mass[heavy])
    for name in ("n", "bias", "sigma_mad", "outlier_share", "rmse", "cross_entropy", "crps", "pit_departure"):
        assert table.loc["heavy", name] == pytest.approx(getattr(expected, name))
    assert table.loc["heavy", "coverage_68"] == expected.coverage[0.68]
    assert table.loc["none", "n"] == 0 and table.loc["none"].drop("n").isna().all()
    # The interval of a mean is 2 * 1.96 standard errors wide; 200 resamples find it to a tenth or so.
    for name, deviation in (("bias", 0.2), ("cross_entropy", np.sqrt(0.5))):
        width = table.loc["all", f"{name}_high"] - table.loc["all", f"{name}_low"]
        assert width == pytest.approx(2 * 1.96 * deviation / np.sqrt(2000), rel=0.25)
    assert table.loc["all", "sigma_mad_low"] < table.loc["all", "sigma_mad"] < table.loc["all", "sigma_mad_high"]


def test_pairs_see_a_difference_that_unpaired_losses_hide():
    rng = np.random.default_rng(3)
    hard = 5 * rng.standard_normal(4000)
    mean, low, high = paired_difference(hard + 0.1 * rng.standard_normal(4000), hard - 0.02)
    assert low < 0.02 < high and low > 0 and low < mean < high
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / np.sqrt(4000), rel=0.15)
    assert paired_difference(hard, hard) == (0, 0, 0)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_temperature_undoes_what_the_logits_were_multiplied_by(factor):
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 2, (20_000, 10))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (truth.cumsum(axis=1) < rng.random((20_000, 1))).sum(axis=1).clip(max=9)
    found = calibrate(factor * logits, label, np.full(10, 0.1))
    assert found.temperature == pytest.approx(factor, rel=0.03) and found.contamination < 0.01
    # A constant added to a galaxy's logits changes nothing.
    shifted = calibrate(factor * logits + 100, label, np.full(10, 0.1))
    assert shifted.temperature == pytest.approx(found.temperature, rel=1e-3)


@pytest.mark.parametrize(
    ("probability", "mass", "words"),
    [
        (np.ones((2, 3)) / 3, [10.0], "probability: found shape \\(2, 3\\), expected \\(1, 3\\)"),
        (np.ones((1, 4)) / 4, [10.0], "probability: found shape"),
        (np.ones((0, 3)), [], "expected a mass for each of at least one galaxy"),
        (np.ones((1, 3)), [10.0], "do not sum to 1"),
        ([[1.5, -0.5, 0]], [10.0], "rows that are negative"),
        ([[np.nan, 0.5, 0.5]], [10.0], "not finite"),
        (np.ones((1, 3)) / 3, [np.nan], "1 of 1 values are not finite"),
    ],
)
def test_what_is_no_prediction_is_refused(probability, mass, words):
    with pytest.raises(ValueError, match=words):
        mass_quality(np.asarray(probability), COARSE, np.asarray(mass))


def test_other_refusals():
    third = np.ones((2, 3)) / 3
    with pytest.raises(ValueError, match="groups: found 'late' of type int64 and shape \\(1,\\)"):
        quality_table(third, COARSE, np.full(2, 10.0), {"late": np.array([1])})
    with pytest.raises(ValueError, match="found shapes \\(2,\\) and \\(3,\\)"):
        paired_difference(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="found 1 losses that are not finite"):
        paired_difference(np.array([np.inf, 0]), np.zeros(2))
