"""The test of a whole sample: exact pieces, invariances, nulls, refusals. Its level is in tests/truth."""

import numpy as np
import pandas as pd
import pytest

from helpers.causal import cross_fitted_residuals, local_test, nonlinear_test, sample_test, sample_tests
from helpers.causal.smoothing import fit_smoothers
from helpers.neighbours import nearest_neighbours

N_GALAXIES, K = 400, 40


@pytest.fixture(scope="module")
def fork():
    """S of 3 dimensions, target and query that follow it, and neighbours of a quarter of the galaxies."""
    rng = np.random.default_rng(1)
    latent = rng.normal(size=(N_GALAXIES, 3))
    noise = 0.5 * rng.normal(size=(2, N_GALAXIES))
    target, query = np.tanh(latent[:, 0]) + noise[0], latent[:, 0] + np.sin(latent[:, 1]) + noise[1]
    return target, query, nearest_neighbours(latent, latent[:100], K).index, latent


def test_held_out_residuals_are_those_of_a_fit_without_the_galaxy():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 2))
    values = (points[:, 0] ** 2 + rng.normal(size=60))[:, None]
    smoother = fit_smoothers(values, points, metric_of=[None], seed=0)[0]
    functions = smoother.basis * np.sqrt(smoother.kept / (1 - smoother.kept + 1e-300))  # ridge of penalty 1
    found = smoother.residual(values[:, 0])
    for i in (0, 17, 59):
        rest = np.delete(np.arange(60), i)
        design = np.column_stack([np.ones(60), functions])
        penalty = np.diag(np.r_[0.0, np.ones(functions.shape[1])])
        fit = np.linalg.solve(design[rest].T @ design[rest] + penalty, design[rest].T @ values[rest, 0])
        assert found[i] == pytest.approx(values[i, 0] - design[i] @ fit, abs=1e-8)


def test_a_learned_metric_finds_the_one_direction_that_matters():
    # A ridge function of one direction among 16: without the metric a third of its variance is missed.
    rng = np.random.default_rng(2)
    latent = rng.normal(size=(3000, 16))
    signal = np.sin(2 * latent @ np.ones(16) / 4)
    values = signal + 0.3 * rng.normal(size=3000)
    missed = [np.var(cross_fitted_residuals(values, latent, learn_metric=learn)) / 0.09 - 1 for learn in (False, True)]
    assert missed[0] > 1 and missed[1] < 0.15


def test_residuals_of_nulls_are_null(fork):
    target, query, _, latent = fork
    values = np.column_stack([target, query])
    values[:10, 0], latent = np.inf, latent.copy()
    latent[-1] = np.nan
    found = cross_fitted_residuals(values, latent)
    assert np.isnan(found).sum(axis=0).tolist() == [11, 1]
    with pytest.raises(ValueError, match="found 15 galaxies that are known, expected at least 20"):
        cross_fitted_residuals(target[:15], latent[:15])


def test_statistic_is_the_mean_efficiency_of_the_residuals(fork):
    target, query, index, latent = fork
    residuals = cross_fitted_residuals(np.column_stack([target, query]), latent)
    by_hand = local_test(residuals[:, 0], residuals[:, 1], index).adjusted_efficiency
    result = sample_test(target, query, index, None, latent, 5, 4)
    np.testing.assert_allclose(result.by_neighbourhood, by_hand, atol=1e-10)
    assert result.statistic == pytest.approx(by_hand.mean()) and result.n_undefined == 0
    assert result.excess == pytest.approx(result.statistic - result.null.mean())


def test_the_published_form_is_the_mean_of_the_local_tests(fork):
    target, query, index, latent = fork
    given = latent[:, 2] + 0.1 * target
    result = sample_test(target, query, index, given, n_replicates=3, n_resamples=2)
    by_hand = local_test(target, query, index, given).adjusted_efficiency
    np.testing.assert_allclose(result.by_neighbourhood, by_hand, atol=1e-12)


def test_units_do_not_matter(fork):
    target, query, index, latent = fork
    options = {"n_replicates": 5, "n_resamples": 4}
    plain = sample_test(target, query, index, None, latent, **options)
    moved = sample_test(1e3 + 7 * target, 5 - 1e-3 * query, index, None, 3 + 20 * latent, **options)
    assert moved.statistic == pytest.approx(plain.statistic, abs=1e-6)
    np.testing.assert_allclose(moved.null, plain.null, atol=1e-5)


def test_several_queries_keep_their_own_nulls_and_answers(fork):
    target, query, index, latent = fork
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"a": query, "b": query + rng.normal(size=N_GALAXIES), "c": query})
    table.loc[::7, "b"] = np.nan
    together = sample_tests(target, table, index, None, latent, 9, 4)
    assert list(together) == ["a", "b", "c"]
    assert [test.n_used for test in together.values()] == [N_GALAXIES, N_GALAXIES - 58, N_GALAXIES]
    alone = sample_tests(target, table[["b"]], index, None, latent, 9, 4)["b"]
    assert together["b"].statistic == pytest.approx(alone.statistic, abs=1e-10)
    assert together["a"].statistic == pytest.approx(together["c"].statistic, abs=1e-12)


def test_groups_are_tests_of_their_own_neighbourhoods(fork):
    target, query, index, latent = fork
    # A link in one half of the galaxies only.
    side = latent[:, 2] > 0
    query = query + 1.5 * side * (target - np.tanh(latent[:, 0]))
    groups = np.where(side[:100], "linked", "free")
    table = sample_test(target, query, index, None, latent, 99, 20, groups=groups).by_group
    reach = 1.96 * table["standard_error"]
    assert table.loc["linked", "p_value"] == 0.01
    assert table.loc["linked", "excess"] - reach["linked"] > table.loc["free", "excess"] + reach["free"]
    own = sample_test(target, query, index[side[:100]], None, latent, 99, 20)
    assert table.loc["linked", "statistic"] == pytest.approx(own.statistic, abs=1e-12)
    assert table["n_neighbourhoods"].sum() == 100
    with pytest.raises(ValueError, match=r"groups: found shape \(99,\), expected \(100,\)"):
        sample_test(target, query, index, None, latent, 9, 4, groups=groups[1:])


def test_replicates_depend_on_the_seed_alone(fork):
    target, query, index, latent = fork
    first, again, other = (sample_test(target, query, index, None, latent, 5, 4, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.null, again.null)
    np.testing.assert_array_equal(first.resamples, again.resamples)
    assert not np.allclose(first.null, other.null)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_replicates": 0}, "n_replicates: found 0, expected a whole number, at least 1"),
        ({"n_resamples": 1}, "n_resamples: found 1, expected a whole number, at least 2"),
        ({"null": "bootstrap"}, "null: found 'bootstrap', expected one of sign-flip, permutation"),
        ({"query": np.ones(30)}, "index: none of the 1 neighbourhoods"),
        ({"query": np.ones((30, 2))}, r"query: found shape \(30, 2\), expected one property"),
        (
            {"query": np.r_[np.ones(5), np.full(25, np.nan)], "latent": np.arange(30.0)},
            "5 of 30 reference galaxies are usable",
        ),
        # One galaxy that differs lands outside the only neighbourhood in a third of the permutations.
        (
            {"query": np.eye(30)[0], "n_replicates": 60},
            r"query: \d+ of 60 replicates leave no neighbourhood in which it varies",
        ),
        ({"index": np.arange(12)[None, :]}, "too few neighbours for fits in half"),
        ({"index": np.arange(31)[None, :]}, "index: found rows 0 to 30, expected 0 to 29"),
        ({"latent": np.ones((29, 2))}, r"latent: found shape \(29, 2\), expected \(30,\)"),
    ],
)
def test_sample_test_refuses(change, message):
    rng = np.random.default_rng(0)
    arguments = {
        "target": rng.normal(size=30),
        "query": rng.normal(size=30),
        "index": np.arange(20)[None, :],
        "n_replicates": 5,
        "n_resamples": 20,
    }
    with pytest.raises(ValueError, match=message):
        sample_test(**(arguments | change))


@pytest.mark.parametrize(
    "collapsed",
    [np.ones((N_GALAXIES, 3)), np.eye(N_GALAXIES)[:, :2], (np.arange(N_GALAXIES) % 2)[:, None]],
    ids=["one point", "nearly one point", "two points"],
)
def test_a_latent_space_that_has_collapsed_still_removes_what_it_says(collapsed, recwarn):
    rng = np.random.default_rng(4)
    values = 3.0 * collapsed[:, 0] + rng.normal(size=N_GALAXIES)
    residual = cross_fitted_residuals(values, collapsed)
    expected = values - np.array([values[collapsed[:, 0] == c].mean() for c in collapsed[:, 0]])
    # All but the one galaxy that stands alone, of which nobody else tells.
    assert np.corrcoef(residual[1:], expected[1:])[0, 1] > 0.98
    assert not recwarn.list


def test_one_dead_query_does_not_stop_the_others(fork, recwarn):
    target, query, index, latent = fork
    few = np.where(np.arange(N_GALAXIES) < 15, query, np.nan)
    table = pd.DataFrame({"alive": query, "constant": 2.5, "of S": latent[:, 1], "few": few})
    tests = sample_tests(target, table, index, None, latent, 9, 4)
    assert [np.isnan(test.p_value) for test in tests.values()] == [False, True, True, True]
    assert np.isnan(tests["constant"].statistic) and tests["of S"].n_undefined == len(index)
    alone = sample_tests(target, table[["alive"]], index, None, latent, 9, 4)["alive"]
    assert tests["alive"].statistic == pytest.approx(alone.statistic, abs=0.01)
    assert not recwarn.list


def test_groups_without_a_result_are_nan_and_unknown_labels_of_no_group(fork):
    target, query, index, latent = fork
    query = query.copy()
    query[index[7]] = np.nan
    groups = pd.Series(["alone" if i == 7 else "" for i in range(100)], dtype=object)
    groups[20:] = None
    result = sample_test(target, query, index, None, latent, 9, 4, groups=groups)
    assert list(result.by_group.index) == ["", "alone"]
    assert result.by_group["n_neighbourhoods"].tolist() == [19, 0]
    assert np.isnan(result.by_group.loc["alone", "p_value"]) and np.isfinite(result.by_group.loc["", "p_value"])
    whole = sample_test(target, query, index, None, latent, 9, 4)
    assert result.statistic == whole.statistic and result.p_value == whole.p_value


def test_the_form_of_what_is_given_does_not_matter(fork):
    target, query, index, latent = fork
    plain = sample_test(target, query, index, None, latent, 5, 4)
    other = sample_test(
        pd.Series(target).astype("Float64"),
        query[::-1][::-1],
        index.astype(np.int32),
        None,
        np.asfortranarray(latent),
        5,
        4,
    )
    np.testing.assert_allclose(other.null, plain.null, atol=1e-12)


def test_sample_tests_refuses_what_is_no_table(fork):
    target, query, index, latent = fork
    with pytest.raises(ValueError, match="queries: found the column 'q' twice"):
        sample_tests(target, pd.DataFrame(np.column_stack([query, query]), columns=["q", "q"]), index, None, latent)
    with pytest.raises(ValueError, match="queries: found ndarray, expected a DataFrame"):
        sample_tests(target, query, index, None, latent)


def test_nonlinear_test_sees_what_no_mean_shows():
    # The scatter of the target depends on the query; its mean does not, whether linear or quadratic.
    rng = np.random.default_rng(5)
    latent, ring = rng.normal(size=(1500, 3)), rng.normal(size=1500)
    target = np.tanh(latent[:, 0]) + np.where(np.abs(ring) > 0.67, 0.7, 0.2) * rng.normal(size=1500)
    assert nonlinear_test(target, ring, latent, n_replicates=99).p_value == 0.01
    index = nearest_neighbours(latent, latent[:300], K).index
    assert sample_test(target, ring, index, None, latent, 19, 2).p_value > 0.05
    follower = np.sin(latent[:, 0]) + rng.normal(size=1500)
    assert nonlinear_test(target, follower, latent, n_replicates=99).p_value > 0.05
    for changed, words in (
        ({"n_features": 0}, "n_features: found 0, expected a whole number, at least 1"),
        ({"query": np.ones(1500)}, "query: found one value in all 1500 galaxies used"),
        ({"target": np.ones(1500)}, "target: found one value"),
        ({"query": ring[:, None]}, r"query: found shape \(1500, 1\)"),
    ):
        with pytest.raises(ValueError, match=words):
            nonlinear_test(**({"target": target, "query": ring, "latent": latent, "n_replicates": 9} | changed))
