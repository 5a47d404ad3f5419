"""Local tests against closed forms and a slow twin: nulls, rank, rounding, refusals."""

import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from helpers.causal import benjamini_hochberg, local_test


def slow_twin(target, query, index, given=None, latent=None):
    """Correlation, efficiency and adjusted efficiency of each neighbourhood, by textbook calls in a loop."""
    n = len(target)
    given = np.empty((n, 0)) if given is None else given.reshape(n, -1)
    latent = np.empty((n, 0)) if latent is None else latent
    out = []
    for rows in index:
        m, q, c, s = target[rows], query[rows], given[rows], latent[rows]
        known = np.isfinite(np.column_stack([m, q, c, s])).all(axis=1)
        m, q, c, s = m[known], q[known], c[known], s[known]
        if known.sum() < 10 or np.ptp(q) == 0:
            out.append([np.nan] * 3)
            continue
        c = c - c.mean(axis=0)
        design = np.column_stack([np.ones(len(m)), c, c**2, s - s.mean(axis=0)])
        m, q = (y - design @ np.linalg.lstsq(design, y, rcond=None)[0] for y in (m - m.mean(), q - q.mean()))
        rest = m - np.polyval(np.polyfit(q, m, 2), q)
        left = len(m) - np.linalg.matrix_rank(design)
        out.append(
            [
                np.corrcoef(m, q)[0, 1],
                1 - rest @ rest / (m @ m),
                1 - (rest @ rest / (left - 1 - left / (len(m) - 1))) / (m @ m / left),
            ]
        )
    return np.array(out).T


@pytest.fixture
def galaxies():
    """Target, query, given [n, 2], latent [n, 3] with nulls, and neighbourhoods of 40 drawn at random."""
    rng = np.random.default_rng(1)
    latent = rng.normal(size=(500, 3))
    given = latent[:, :2] + rng.normal(size=(500, 2))
    query = given[:, 0] ** 2 + latent[:, 2] + rng.normal(size=500)
    target = 10 + 0.3 * query + given[:, 1] + rng.normal(size=500)
    target[rng.random(500) < 0.1] = np.nan
    query[rng.random(500) < 0.1] = np.inf
    given[rng.random(500) < 0.1, 1] = np.nan
    query[:40] = 2.5  # one neighbourhood without variance
    index = np.concatenate([np.arange(40)[None, :], rng.integers(500, size=(60, 40))])
    return target, query, given, latent, index


@pytest.mark.parametrize("use_given", [False, True])
@pytest.mark.parametrize("use_latent", [False, True])
def test_agrees_with_slow_twin(galaxies, use_given, use_latent):
    target, query, given, latent, index = galaxies
    options = {"given": given if use_given else None, "latent": latent if use_latent else None}
    result = local_test(target, query, index, **options)
    found = np.array([result.correlation, result.efficiency, result.adjusted_efficiency])
    expected = slow_twin(target, query, index, **options)
    assert np.isnan(found[:, 0]).all() and np.isfinite(found[:, 1:]).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)
    known = np.isfinite(target) & np.isfinite(query) & (~use_given | np.isfinite(given).all(axis=1))
    np.testing.assert_array_equal(result.n_valid, known[index].sum(axis=1))
    np.testing.assert_array_equal(
        result.degrees_of_freedom[1:], result.n_valid[1:] - 1 - 4 * use_given - 3 * use_latent
    )


def test_exact_quadratic_has_efficiency_one():
    query = np.linspace(-1, 2, 60)
    result = local_test(7 - 3 * query + 2 * query**2, query, np.arange(60)[None, :])
    assert result.efficiency[0] == pytest.approx(1, abs=1e-12)
    assert result.adjusted_efficiency[0] == pytest.approx(1, abs=1e-12)


def test_independent_variables_have_known_efficiency():
    # Under independence the efficiency is a Beta variable with mean 2 / (k - 1); its adjusted mean is 0.
    rng = np.random.default_rng(2)
    n, k = 4000, 100
    result = local_test(rng.normal(size=n * k), rng.exponential(size=n * k), np.arange(n * k).reshape(n, k))
    error = 2 / (k - 1) / np.sqrt(n)  # the Beta variable is nearly exponential: its deviation is its mean
    assert result.efficiency.mean() == pytest.approx(2 / (k - 1), abs=4 * error)
    assert result.adjusted_efficiency.mean() == pytest.approx(0, abs=4 * error)
    assert (result.p_value < 0.05).mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / n))
    assert result.null_correlation.std() == pytest.approx(1 / np.sqrt(k - 1), rel=0.05)


def test_conditioning_on_many_columns_leaves_independent_variables_at_zero():
    rng = np.random.default_rng(6)
    n, k, width = 3000, 100, 16
    values, latent = rng.normal(size=(2, n * k)), rng.normal(size=(n * k, width))
    result = local_test(*values, np.arange(n * k).reshape(n, k), latent=latent)
    error = 2 / (k - 1 - width) / np.sqrt(n)
    assert result.adjusted_efficiency.mean() == pytest.approx(0, abs=4 * error)
    # Both correlations scatter as those of k - 1 - width dimensions do.
    spread = 1 / np.sqrt(k - 1 - width)
    for correlation in (result.correlation, result.null_correlation):
        assert correlation.std() == pytest.approx(spread, abs=4 * spread / np.sqrt(2 * n))


def test_shift_and_scale_change_nothing(galaxies):
    target, query, given, latent, index = galaxies
    plain = local_test(target, query, index, given, latent)
    moved = local_test(1e4 + 0.01 * target, 1e4 - query, index, 1e4 + given, 30 * latent)
    np.testing.assert_allclose(moved.efficiency, plain.efficiency, atol=1e-8)
    np.testing.assert_allclose(moved.correlation, -plain.correlation, atol=1e-8)


def test_collinear_and_constant_conditioning_is_not_counted(galaxies):
    target, query, given, latent, index = galaxies
    plain = local_test(target, query, index, latent=latent)
    padded = local_test(target, query, index, latent=np.column_stack([latent, latent @ [1, 2, 3], np.ones(500)]))
    np.testing.assert_array_equal(padded.degrees_of_freedom, plain.degrees_of_freedom)
    np.testing.assert_allclose(padded.adjusted_efficiency, plain.adjusted_efficiency, atol=1e-8)


def test_query_that_is_a_function_of_the_conditioning_is_undefined(galaxies):
    target, _, given, latent, index = galaxies
    result = local_test(target, latent @ [1, 2, 3], index[1:], latent=latent)
    assert np.isnan(result.correlation).all() and np.isnan(result.p_value).all()


def test_two_valued_query_costs_one_degree_of_freedom():
    rng = np.random.default_rng(3)
    query = np.repeat([0.0, 1.0], 15)
    target = query + rng.normal(size=30)
    result = local_test(target, query, np.arange(30)[None, :])
    squared = np.corrcoef(target, query)[0, 1] ** 2
    assert result.efficiency[0] == pytest.approx(squared, abs=1e-10)
    assert result.adjusted_efficiency[0] == pytest.approx(1 - (1 - squared) * 29 / 28, abs=1e-10)


def test_fewer_than_ten_pairs_are_undefined_and_counted():
    values = np.random.default_rng(4).normal(size=(2, 12))
    values[1, 0] = np.nan
    index = np.array([np.arange(10), np.arange(1, 11)])
    result = local_test(*values, index)
    assert result.n_valid.tolist() == [9, 10]
    assert np.isnan(result.efficiency).tolist() == [True, False] and result.n_undefined == 1


def test_undefined_neighbourhoods_raise_no_warning(galaxies, recwarn):
    target, query, given, latent, index = galaxies
    result = local_test(np.full(500, 10.0), query, index, given, latent)
    unknown = local_test(np.full(500, np.nan), query, index)
    assert result.n_undefined == unknown.n_undefined == len(index)
    latent[3, 0] = np.inf  # takes no part
    members = local_test(target, query, index, latent=latent).n_valid
    assert (members < local_test(target, query, index).n_valid).any()
    assert not recwarn.list


def test_permutation_depends_on_the_seed_alone(galaxies):
    target, query, *_, index = galaxies
    first, again, other = (local_test(target, query, index, seed=seed).null_correlation for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first[1:], other[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.zeros((5, 2))}, "target: found shape"),
        ({"target": list("abcde")}, "target: found what is no number"),
        ({"query": np.zeros(4)}, r"query: found shape \(4,\), expected \(5,\)"),
        ({"given": np.zeros((4, 1))}, r"given: found shape \(4, 1\), expected \(5,\)"),
        ({"latent": np.zeros((5, 0))}, r"latent: found shape \(5, 0\)"),
        ({"index": np.zeros(5, dtype=int)}, "index: found shape"),
        ({"index": np.zeros((1, 5))}, "float64, expected integers"),
        ({"index": np.array([[0, 5]])}, "index: found rows 0 to 5, expected 0 to 4"),
        ({"index": np.array([[-1, 2]])}, "index: found rows -1 to 2"),
    ],
)
def test_local_test_refuses(change, message):
    arguments = {"target": np.arange(5.0), "query": np.arange(5.0), "index": np.array([[0, 1, 2, 3, 4]])}
    with pytest.raises(ValueError, match=message):
        local_test(**(arguments | change))


def test_many_queries_are_the_single_ones(galaxies):
    target, query, given, latent, index = galaxies
    rng = np.random.default_rng(8)
    queries = np.column_stack([query, rng.normal(size=(500, 2)), query + 1e-3 * rng.normal(size=500)])
    queries[rng.random(500) < 0.2, 2] = np.nan
    together = local_test(target, queries, index, given, latent, seed=3)
    for j in range(queries.shape[1]):
        alone = local_test(target, queries[:, j], index, given, latent, seed=3)
        assert together.n_undefined[j] == alone.n_undefined
        for name in ("correlation", "null_correlation", "efficiency", "adjusted_efficiency", "n_valid"):
            np.testing.assert_allclose(getattr(together, name)[:, j], getattr(alone, name), atol=1e-12)


@settings(max_examples=25, deadline=None)
@over(st.integers(0, 10_000), st.floats(-6, 6), st.floats(-6, 6))
def test_agrees_with_slow_twin_whatever_the_units(seed, log_scale, log_offset):
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(60, 2)) * 10**log_scale
    query = rng.normal(size=60) * 10**log_scale + 10**log_offset
    target = rng.normal(size=60) + query / 10**log_scale
    index = np.array([rng.permutation(60)[:30] for _ in range(5)])
    found = local_test(target, query, index, latent=latent)
    expected = slow_twin(target, query - query.mean(), index, latent=latent)
    # What an offset of 10**12 deviations leaves of the digits.
    tolerance = 1e-8 + 1e-14 * (1 + 10 ** (log_offset - log_scale)) ** 1
    np.testing.assert_allclose(found.efficiency, expected[1], atol=tolerance)


def test_benjamini_hochberg_adjusts_and_refuses():
    np.testing.assert_allclose(benjamini_hochberg([0.04, 0.01, 0.5, 0.03]), [0.16 / 3, 0.04, 0.5, 0.16 / 3])
    with pytest.raises(ValueError, match="p_values: found 1.2"):
        benjamini_hochberg([0.1, 1.2])
    with pytest.raises(ValueError, match=r"p_values: found shape \(1, 2\)"):
        benjamini_hochberg([[0.1, 0.2]])
