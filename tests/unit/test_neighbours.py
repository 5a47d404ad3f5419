"""Neighbours against a slow twin: exact, whatever the backend, the blocks and the number of ties."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from helpers.neighbours import nearest_neighbours, search

BACKENDS = ["numpy", "faiss", "torch"]


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(500, 5)).astype(np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_agree_with_all_distances(points, backend):
    found = nearest_neighbours(points[:400], points[400:], 7, backend=backend)
    exact = cdist(points[400:].astype(float), points[:400].astype(float))
    np.testing.assert_array_equal(found.index, np.argsort(exact, axis=1)[:, :7])
    np.testing.assert_allclose(found.distance, np.sort(exact, axis=1)[:, :7], rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_far_offset_changes_nothing(points, backend):
    near = nearest_neighbours(points, points, 5, backend=backend)
    far_points = points.astype(np.float64) + 1e6
    far = nearest_neighbours(far_points, far_points, 5, backend=backend)
    np.testing.assert_array_equal(near.index, far.index)
    np.testing.assert_allclose(near.distance, far.distance, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tight_clusters_far_apart_keep_their_own_neighbours(backend):
    rng = np.random.default_rng(3)
    cluster = rng.normal(0, 0.01, (200, 4))
    both = np.concatenate([cluster, cluster + 100])
    found = nearest_neighbours(both, both, 5, backend=backend)
    exact = cdist(both, both)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_allclose(found.distance, np.sort(exact, axis=1)[:, :5], rtol=1e-2)


def in_small_tiles(monkeypatch, backend, n_rows, n_columns, n_values=1 << 27):
    monkeypatch.setitem(search.BACKENDS, backend, replace(search.BACKENDS[backend], n_rows=n_rows, n_columns=n_columns))
    monkeypatch.setattr(search, "_REFERENCE_VALUES", n_values)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 3), st.integers(1, 9), st.integers(1, 50))
def test_of_equal_distances_the_lower_row_comes_first(monkeypatch, backend, seed, k, d, n_rows, n_columns):
    """On a lattice most distances tie, also at the k-th place. Its mirror image makes the mean, and rounding, zero."""
    rng = np.random.default_rng(seed)
    half = rng.integers(-2, 3, (20, d))
    reference, query = np.concatenate([half, -half]), rng.integers(-2, 3, (15, d))
    with monkeypatch.context() as patch:
        in_small_tiles(patch, backend, n_rows, n_columns, n_values=25 * d)
        found = nearest_neighbours(reference, query, k, exclude_self=False, backend=backend)
    squared = ((query[:, None] - reference) ** 2).sum(axis=2)
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(found.index, order)
    np.testing.assert_allclose(found.distance**2, np.take_along_axis(squared, order, 1), rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_three_hundred_equal_vectors_and_a_hundred_neighbours(monkeypatch, points, backend):
    crowd = np.concatenate([points[:50], np.repeat(points[50:51], 300, axis=0), points[51:80]])
    in_small_tiles(monkeypatch, backend, 16, 64)
    kept = nearest_neighbours(crowd, crowd, 100, exclude_self=False, backend=backend)
    without = nearest_neighbours(crowd, crowd, 100, backend=backend)
    for row in (50, 120, 349):
        assert kept.index[row].tolist() == list(range(50, 150))
        assert without.index[row].tolist() == [i for i in range(50, 151) if i != row][:100]
    assert (without.index != np.arange(len(crowd))[:, None]).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_latent_space_that_collapsed_to_a_point_is_searched(backend):
    found = nearest_neighbours(np.full((400, 8), 0.3), np.full((5, 8), 0.3), 7, exclude_self=False, backend=backend)
    np.testing.assert_array_equal(found.index, np.tile(np.arange(7), (5, 1)))
    assert (found.distance == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_answers_are_the_same_to_the_bit(monkeypatch, backend):
    """Clusters of galaxies much closer to each other than to the mean, which the expanded square cannot resolve."""
    rng = np.random.default_rng(6)
    points = (rng.normal(size=(30, 1, 16)) * 10 + rng.normal(size=(1, 40, 16)) * 1e-4).reshape(-1, 16)
    expected = nearest_neighbours(points, points, 45, backend="numpy")
    in_small_tiles(monkeypatch, backend, 100, 256, n_values=16 * 500)
    found = nearest_neighbours(points, points, 45, backend=backend)
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_array_equal(found.distance, expected.distance)
    exact = cdist(points, points)
    np.fill_diagonal(exact, np.inf)
    np.testing.assert_allclose(found.distance, np.sort(exact, axis=1)[:, :45], rtol=0.02)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_memory_maps_are_read_in_blocks(monkeypatch, tmp_path, points, dtype):
    points.astype(dtype).tofile(tmp_path / "latent")
    stored = np.memmap(tmp_path / "latent", dtype, "r", shape=points.shape)
    expected = nearest_neighbours(points.astype(dtype), points.astype(dtype), 6)
    monkeypatch.setattr(search, "_ROWS", 64)
    in_small_tiles(monkeypatch, "numpy", 32, 50, n_values=700)
    found = nearest_neighbours(stored, stored, 6)
    np.testing.assert_array_equal(found.index, expected.index)
    np.testing.assert_allclose(found.distance, expected.distance, rtol=1e-6)


def test_many_queries_cost_their_answer_and_no_copy(tmp_path):
    n, k = 200_000, 2
    query = np.memmap(tmp_path / "latent", np.float32, "w+", shape=(n, 16))
    reference = np.random.default_rng(7).normal(size=(60, 16))
    nearest_neighbours(reference, reference, k)  # what is imported once
    tracemalloc.start()
    nearest_neighbours(reference, query, k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    answer = n * k * 12 + n * (k + 1) * 8
    in_blocks = 2 * 65_536 * 16 * 8
    assert peak < answer + in_blocks + 5e6 < query.nbytes * 2 + answer


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
    # One galaxy may be asked about twice.
    again = nearest_neighbours(reference, points[[0, 0]], 1, reference_id=np.arange(51), query_id=np.array([0, 0]))
    assert again.index.tolist() == [[50], [50]]
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
        (
            {"query_id": np.arange(500), "reference_id": np.arange(500) // 499},
            "reference_id: found 0 for 499 galaxies, expected an identifier of its own for each",
        ),
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
    with pytest.raises(ValueError, match="reference: found values of type <U1, expected real numbers"):
        nearest_neighbours(np.array([["a", "b"]]), points, 3)
    with pytest.raises(ValueError, match="query: found a value of size 1.0e[+]20, expected at most 1e15"):
        nearest_neighbours(points, points * 0 + 1e20, 3)
