"""Dimension, hubness, contrast and variogram against manifolds and masses whose answers are known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from helpers.neighbours import (
    gaussian_hubness,
    hubness,
    local_dimension,
    mass_variogram,
    nearest_neighbours,
    relative_contrast,
    two_nearest_dimension,
)


def sphere(n: int, dimension: int, seed: int) -> np.ndarray:
    """Points spread evenly over a sphere's surface, which has no edge, turned at random in 16 dimensions."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, dimension + 1))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    turn = np.linalg.qr(rng.normal(size=(16, 16)))[0]
    return points @ turn[: dimension + 1]


@pytest.mark.parametrize("dimension", [1, 2, 6])
def test_dimension_of_a_sphere_in_sixteen_dimensions(dimension):
    """For n points and k neighbours the relative standard error is 1 / sqrt(n) at worst, if pairs were all one's own.

    The surface is curved: on the scale of 20 of 3,000 neighbours that costs six dimensions some per cent, and one or
    two dimensions nothing. (On a sphere in space the share of points nearer than a chord goes exactly as its square.)
    """
    points = sphere(3000, dimension, seed=dimension)
    distance = nearest_neighbours(points, points, 20).distance
    assert local_dimension(distance).mean == pytest.approx(dimension, rel=0.05)
    # A line through 2,700 ratios: the error of each is as large as itself.
    assert two_nearest_dimension(distance).mean == pytest.approx(dimension, rel=4 / np.sqrt(3000))


def test_local_dimension_tells_a_line_from_a_plane():
    line, plane = sphere(1000, 1, seed=1), sphere(1000, 2, seed=2) + 10
    both = np.concatenate([line, plane])
    found = local_dimension(nearest_neighbours(both, both, 50).distance)
    # Unbiased, and with a relative spread of 1 / sqrt(k - 2) = 0.14 for each galaxy.
    assert np.mean(found.local[:1000]) == pytest.approx(1, rel=0.03)
    assert np.mean(found.local[1000:]) == pytest.approx(2, rel=0.03)
    assert found.n_left_out == found.n_duplicates == 0


def test_maximum_likelihood_estimates_are_their_formulas():
    distance = np.array([[1, 2, 4, 8.0], [3, 3, 3, 9.0]])
    logs = np.array([np.log([8, 4, 2]).sum(), 3 * np.log(3)])
    found = local_dimension(distance)
    np.testing.assert_allclose(found.local, 2 / logs)
    assert found.mean == pytest.approx(1 / np.mean(logs / 3))


@pytest.mark.parametrize("estimator", [local_dimension, two_nearest_dimension])
def test_duplicates_are_counted_and_change_nothing(estimator):
    points = sphere(2000, 2, seed=3)
    alone = estimator(nearest_neighbours(points, points, 20).distance)
    twice = np.concatenate([points, points[:500]])
    distance = nearest_neighbours(twice, points, 20, reference_id=np.arange(2500), query_id=np.arange(2000)).distance
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = estimator(distance)
        # Galaxies with nothing but twins about them.
        crowd = estimator(np.concatenate([distance, np.zeros((7, 20)), np.full((3, 20), 0.1)]))
    assert found.n_duplicates == 500
    # Where the nearest neighbour has a twin, the two nearest are equally far, and their ratio says nothing.
    assert found.n_left_out == 0 if estimator is local_dimension else 400 < found.n_left_out < 600
    assert found.mean == pytest.approx(alone.mean, rel=0.1)
    assert crowd.n_left_out == found.n_left_out + 10
    assert np.isnan(crowd.local[-10:]).all() and crowd.mean == pytest.approx(found.mean, rel=0.01)


def test_dimensions_refuse_what_are_no_neighbours():
    for estimator, at_least in ((local_dimension, 3), (two_nearest_dimension, 2)):
        with pytest.raises(ValueError, match=f"with k at least {at_least}"):
            estimator(np.ones((5, 1)))
        with pytest.raises(ValueError, match="do not ascend"):
            estimator(np.array([[3.0, 2, 1]]))
        with pytest.raises(ValueError, match="not finite"):
            estimator(np.array([[1.0, 2, np.nan]]))
    with pytest.raises(ValueError, match="none of 4 galaxies has three neighbours"):
        local_dimension(np.zeros((4, 5)))
    with pytest.raises(ValueError, match="found 0 galaxies with two neighbours"):
        two_nearest_dimension(np.zeros((40, 5)))


def test_many_dimensions_make_hubs():
    few, many = (gaussian_hubness(2000, 2000, 10, d, seed=4) for d in (2, 32))
    # A galaxy of a plane is in ten lists, give or take a few; the middle of 32 dimensions is near everybody.
    assert abs(few.skewness) < 1 and many.skewness > 2
    assert few.never < 0.02 < 0.1 < many.never
    assert few.top < 0.03 < 0.08 < many.top


def test_hubness_counts():
    found = hubness(np.array([[0, 1], [0, 2], [0, 1]]), 5)
    assert found.occurrence.tolist() == [3, 2, 1, 0, 0]
    assert found.never == 0.4 and found.top == 0.5
    deviation = np.array([3, 2, 1, 0, 0]) - 1.2
    assert found.skewness == pytest.approx(np.mean(deviation**3) / np.mean(deviation**2) ** 1.5)
    assert hubness(np.array([[0], [1]]), 2).skewness == 0
    with pytest.raises(ValueError, match="index: found rows 0 to 2, expected 0 to 1"):
        hubness(np.array([[0, 2]]), 2)
    with pytest.raises(ValueError, match="expected whole numbers"):
        hubness(np.array([[0.0]]), 2)
    with pytest.raises(ValueError, match="n_reference: found 2.0"):
        hubness(np.array([[0]]), 2.0)
    with pytest.raises(ValueError, match="n_dimensions: found 2.5"):
        gaussian_hubness(10, 10, 2, 2.5)


def test_contrast_is_a_ratio_of_distances():
    angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    ring = 3 * np.column_stack([np.cos(angle), np.sin(angle)])
    contrast = relative_contrast(ring, np.zeros((2, 2)), np.array([[0.5, 1.5], [0, 0]]))
    assert contrast == pytest.approx([2, np.inf])
    with pytest.raises(ValueError, match="distance: found 1 rows, expected 2"):
        relative_contrast(ring, np.zeros((2, 2)), np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"found shapes \(50, 2\) and \(2, 3\)"):
        relative_contrast(ring, np.zeros((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="n_random: found 0"):
        relative_contrast(ring, np.zeros((2, 2)), np.ones((2, 3)), n_random=0)


def test_variogram_of_a_slope_with_noise():
    """Mass is 3 S plus noise of 0.2 dex: half the mean square difference is 0.2^2 + (3 distance)^2 / 2."""
    rng = np.random.default_rng(5)
    s = rng.uniform(size=(3000, 1))
    mass = 3 * s[:, 0] + rng.normal(0, 0.2, 3000)
    found = nearest_neighbours(s, s, 200)
    edges = np.array([0, 0.005, 0.01, 0.02, 0.03, 5, 6])
    table = mass_variogram(found.distance, found.index, mass, mass, edges)
    filled = table.iloc[:4]
    # The mean square within a bin is the square of the mean and a twelfth of the squared width.
    expected = 0.04 + 4.5 * (filled["distance"] ** 2 + (filled["high"] - filled["low"]) ** 2 / 12)
    # Noise of 3,000 galaxies, each in hundreds of pairs on either side: 0.04 sqrt(2 / 3000), and the pairs' own.
    np.testing.assert_allclose(filled["semivariance"], expected, atol=4 * 0.04 * np.sqrt(2 / 3000))
    assert (filled["standard_error"] < 0.002).all()
    assert table["n_pairs"].iloc[-1] == 0 and table.iloc[-1][["semivariance", "standard_error"]].isna().all()
    assert table["n_pairs"].sum() == found.index.size
    with pytest.raises(ValueError, match="edges: found"):
        mass_variogram(found.distance, found.index, mass, mass, edges[::-1])
    with pytest.raises(ValueError, match="not finite"):
        mass_variogram(found.distance, found.index, mass * np.nan, mass, edges)
    with pytest.raises(ValueError, match=r"expected \(n_query, k\) twice"):
        mass_variogram(found.distance, found.index, mass, mass[:5], edges)
    for wrong, words in ((-1, "-1 to"), (3000, "0 to 3000")):
        index = found.index.copy()
        index[7, 3] = wrong
        with pytest.raises(ValueError, match=f"index: found rows {words}"):
            mass_variogram(found.distance, index, mass, mass, edges)
    with pytest.raises(ValueError, match="expected whole numbers"):
        mass_variogram(found.distance, found.index / 2, mass, mass, edges)
