"""Mass distributions without a network, on a planted conditional distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from helpers.contrastive.baselines import _other_neighbours, boosting_density, neighbour_density
from helpers.contrastive.bins import MassBins
from helpers.contrastive.quality import cross_entropy, mass_quality
from helpers.survey import Sample

DENSITIES = {"boosting": boosting_density, "neighbours": neighbour_density}
BINS = MassBins(52)
MARGIN = 0.05  # nats


def planted(n_galaxies: int, seed: int = 0) -> tuple[Sample, np.ndarray]:
    """Masses that are Gaussian given x and y, of a curved mean and a width that varies fourfold; and their truth."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-1, 1, (2, n_galaxies))
    mean, sigma = 10 + 0.6 * np.sin(2 * x) + 0.3 * x * y, 0.1 * 2 ** (1 + y)
    truth = np.diff(ndtr((BINS.edges[None] - mean[:, None]) / sigma[:, None]), axis=1)
    catalog = pd.DataFrame({"x": x, "y": y, "lgm_tot_p50": mean + sigma * rng.standard_normal(n_galaxies)})
    split = pd.Series(np.array(["train"] * 6 + ["validation"] + ["test"] * 3)[np.arange(n_galaxies) % 10])
    return Sample.from_frame(catalog, split=split), truth


@pytest.fixture(scope="module")
def sample() -> tuple[Sample, np.ndarray]:
    return planted(6000)


def excess(sample: Sample, probability: np.ndarray, truth: np.ndarray, part: str) -> float:
    """Mean cross-entropy above the true distribution's, on the same galaxies, whose luck so cancels."""
    rows = sample.rows(part)
    mass = sample.mass[rows]
    return float((cross_entropy(probability[rows], BINS, mass) - cross_entropy(truth[rows], BINS, mass)).mean())


@pytest.mark.parametrize("name", DENSITIES)
def test_densities_come_near_the_true_entropy(sample, name):
    galaxies, truth = sample
    density = DENSITIES[name](galaxies, ["x", "y"], BINS)
    np.testing.assert_allclose(density.probability.sum(axis=1), 1, atol=1e-9)
    assert density.probability.shape == truth.shape and (density.probability > 0).all()
    assert 0 < excess(galaxies, density.probability, truth, "test") < MARGIN
    # A training galaxy does not see its own mass: no better than the truth, which knows the distribution.
    assert 0 < excess(galaxies, density.probability, truth, "train") < MARGIN
    # The true conditional entropy of the binned mass, on average over the test galaxies.
    rows = galaxies.rows("test")
    entropy = -(truth[rows] * np.log(np.maximum(truth[rows], 1e-300))).sum(axis=1).mean()
    quality = mass_quality(density.probability[rows], BINS, galaxies.mass[rows])
    assert quality.cross_entropy == pytest.approx(entropy, abs=MARGIN + 4 * np.sqrt(0.5 / len(rows)))
    for level, share in quality.coverage.items():
        assert share == pytest.approx(level, abs=0.04)


@pytest.mark.parametrize("name", DENSITIES)
def test_test_galaxies_change_nothing_and_the_same_seed_repeats(name):
    galaxies, _ = planted(600)
    catalog = galaxies.catalog.copy()
    catalog.loc[galaxies.rows("test"), "lgm_tot_p50"] = 6.5
    disturbed = Sample.from_frame(catalog, split=galaxies.split)
    first, second = (DENSITIES[name](each, ["x", "y"], BINS, seed=1) for each in (galaxies, disturbed))
    np.testing.assert_array_equal(first.probability, second.probability)
    assert first.calibration == second.calibration and first.settings == second.settings


def test_a_galaxy_is_no_neighbour_of_its_own():
    vectors, training = np.array([[0.0], [1.0], [2.1], [2.1], [2.2]]), np.array([0, 1, 3, 4])
    near = _other_neighbours(vectors, training, np.arange(5), 2)
    # Galaxy 2 is outside training, so that its twin is its neighbour.
    np.testing.assert_array_equal(near, [[1, 3], [0, 3], [3, 4], [4, 1], [3, 1]])


@pytest.mark.parametrize("name", DENSITIES)
def test_a_colour_that_tells_the_mass_is_seen_through_bright_magnitudes(name):
    rng = np.random.default_rng(2)
    n_galaxies = 2000
    magnitude, colour = rng.normal(17, 1.5, n_galaxies), rng.normal(0.7, 0.1, n_galaxies)
    catalog = pd.DataFrame(
        {
            "legacyMag_g": magnitude + colour,
            "legacyMag_r": magnitude,
            "legacyMag_z": magnitude - 0.5 * rng.normal(1, 0.3, n_galaxies),
            "lgm_tot_p50": 10 + 5 * (colour - 0.7) + 0.1 * rng.standard_normal(n_galaxies),
        }
    )
    catalog.loc[::50, "legacyMag_z"] = np.nan
    split = pd.Series(np.array(["train"] * 6 + ["validation"] + ["test"] * 3)[np.arange(n_galaxies) % 10])
    galaxies = Sample.from_frame(catalog, split=split)
    rows = galaxies.rows("test")
    quality = mass_quality(DENSITIES[name](galaxies, "Mopt", BINS).probability[rows], BINS, galaxies.mass[rows])
    # 0.1 dex is what the colour leaves, 0.51 the spread of the masses.
    assert quality.rmse < 0.13


@pytest.mark.parametrize("name", DENSITIES)
def test_what_makes_no_density_is_refused(sample, name):
    galaxies, _ = sample
    with pytest.raises(ValueError, match="'Iopt' takes images, expected catalogue columns alone"):
        DENSITIES[name](galaxies, "Zspec+Iopt", BINS)
    with pytest.raises(ValueError, match="holds the target"):
        DENSITIES[name](galaxies, ["x", "lgm_tot_p50"], BINS)
    with pytest.raises(ValueError, match="found 24 training and 4 validation galaxies, expected at least 40 and 10"):
        DENSITIES[name](planted(40)[0], ["x"], BINS)
    with pytest.raises(ValueError, match="seed: found -1"):
        boosting_density(galaxies, ["x"], BINS, seed=-1)
    with pytest.raises(ValueError, match="n_trees: found 0, expected a whole number, 5 or more"):
        boosting_density(galaxies, ["x"], BINS, n_trees=0)
