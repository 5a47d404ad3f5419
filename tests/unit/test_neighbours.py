"""Neighbours against a slow twin, and the scores of an ensemble against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kstest, norm

from helpers.neighbours import continuous_ranked_probability_score, nearest_neighbours, probability_integral_transform
from helpers.plotting import pit_departure


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(500, 5)).astype(np.float32)


@pytest.mark.parametrize("backend", ["faiss", "torch"])
def test_backends_agree_with_all_distances(points, backend):
    found = nearest_neighbours(points[:400], points[400:], 7, backend=backend)
    exact = cdist(points[400:].astype(float), points[:400].astype(float))
    np.testing.assert_array_equal(found.index, np.argsort(exact, axis=1)[:, :7])
    np.testing.assert_allclose(found.distance, np.sort(exact, axis=1)[:, :7], rtol=1e-6)


@pytest.mark.parametrize("backend", ["faiss", "torch"])
def test_a_far_offset_changes_nothing(points, backend):
    near = nearest_neighbours(points, points, 5, backend=backend)
    far_points = points.astype(np.float64) + 1e6
    far = nearest_neighbours(far_points, far_points, 5, backend=backend)
    np.testing.assert_array_equal(near.index, far.index)
    np.testing.assert_allclose(near.distance, far.distance, atol=1e-6)


@pytest.mark.parametrize("backend", ["faiss", "torch"])
def test_tight_clusters_far_apart_keep_their_own_neighbours(backend):
    rng = np.random.default_rng(3)
    cluster = rng.normal(0, 0.01, (200, 4))
    both = np.concatenate([cluster, cluster + 100])
    found = nearest_neighbours(both, both, 5, backend=backend)
    exact = cdist(both, both)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_allclose(found.distance, np.sort(exact, axis=1)[:, :5], rtol=1e-2)


def test_self_is_left_out_or_kept_first(points):
    without = nearest_neighbours(points, points, 4)
    kept = nearest_neighbours(points, points, 4, exclude_self=False)
    own = np.arange(len(points))
    assert not (without.index == own[:, None]).any()
    assert (kept.index[:, 0] == own).all() and (kept.distance[:, 0] == 0).all()
    np.testing.assert_array_equal(kept.index[:, 1:], without.index[:, :3])


def test_identifiers_tell_twins_apart(points):
    reference = np.concatenate([points[:50], points[:1]])  # row 50 is a twin of row 0, and another galaxy
    found = nearest_neighbours(reference, points[:1], 1, reference_id=np.arange(51), query_id=np.array([0]))
    assert found.index.tolist() == [[50]] and found.distance.tolist() == [[0.0]]
    # A test galaxy is in no reference: nothing is dropped, whatever lies near.
    other = nearest_neighbours(reference, points[:1], 2, reference_id=np.arange(51), query_id=np.array([-1]))
    assert set(other.index[0]) == {0, 50}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k": 0}, "k: found 0, expected 1 to 499"),
        ({"k": 500}, "k: found 500, expected 1 to 499 for 500"),
        ({"backend": "ann"}, "backend: found 'ann'"),
        ({"k": 5.0}, "k: found 5.0, expected a whole number"),
        ({"query_id": np.arange(500)}, "expected both or neither"),
        ({"query_id": np.arange(1), "reference_id": np.arange(500)}, r"query_id: found shape \(1,\)"),
        ({"query_id": np.arange(500), "reference_id": np.arange(600)}, r"reference_id: found shape \(600,\)"),
    ],
)
def test_options_are_checked(points, options, words):
    with pytest.raises(ValueError, match=words):
        nearest_neighbours(points, points, **{"k": 3, **options})


def test_vectors_are_checked(points):
    with pytest.raises(ValueError, match="query: found 4 dimensions, expected the reference's 5"):
        nearest_neighbours(points, points[:, :4], 3)
    broken = points.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="reference: 1 of 500 vectors are not finite, the first in row 3"):
        nearest_neighbours(broken, points, 3)
    with pytest.raises(ValueError, match=r"query: found shape \(5,\)"):
        nearest_neighbours(points, points[0], 3)
    with pytest.raises(ValueError, match="k: found 9, expected 1 to 5"):
        nearest_neighbours(points, points, 5).first(9)


def test_pit_is_uniform_for_draws_and_not_for_shifted_ones():
    rng = np.random.default_rng(1)
    members, truth = rng.normal(size=(4000, 9)), rng.normal(size=4000)
    assert kstest(probability_integral_transform(members, truth), "uniform").pvalue > 0.01
    assert kstest(probability_integral_transform(members, truth + 0.3), "uniform").pvalue < 1e-6
    # Ties are spread over their step instead of piled up at its end.
    coarse = probability_integral_transform(np.round(members), np.round(truth))
    assert kstest(coarse, "uniform").pvalue > 0.01


def test_crps_against_its_definition_and_a_closed_form():
    rng = np.random.default_rng(2)
    members, truth = rng.normal(size=(20, 6)), rng.normal(size=20)
    slow = [
        np.abs(m - t).mean() - np.abs(m[:, None] - m[None, :]).mean() / 2 for m, t in zip(members, truth, strict=True)
    ]
    np.testing.assert_allclose(continuous_ranked_probability_score(members, truth), slow, atol=1e-12)
    np.testing.assert_allclose(
        continuous_ranked_probability_score(members[:, :1], truth), np.abs(members[:, 0] - truth)
    )
    # Normal forecast, Gneiting & Raftery (2007), equation 21.
    quantiles = norm.ppf((np.arange(20_000) + 0.5) / 20_000)[None, :]
    y = 0.7
    exact = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    assert continuous_ranked_probability_score(quantiles, np.array([y]))[0] == pytest.approx(exact, abs=1e-4)


def test_departure_is_the_largest_gap_between_the_cumulatives():
    middles = (np.arange(400) + 0.5) / 400
    departure, critical = pit_departure(middles)
    assert departure == pytest.approx(1 / 800) and critical == pytest.approx(1.358 / 20)
    assert pit_departure(middles / 2)[0] == pytest.approx(0.5 + 1 / 1600)


def test_ensembles_are_checked():
    with pytest.raises(ValueError, match=r"found shapes \(3, 2\) and \(4,\)"):
        probability_integral_transform(np.zeros((3, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="not finite"):
        probability_integral_transform(np.zeros((3, 2)), np.array([0, np.nan, 1]))
    with pytest.raises(ValueError, match=r"found shapes \(3, 0\)"):
        continuous_ranked_probability_score(np.zeros((3, 0)), np.zeros(3))
