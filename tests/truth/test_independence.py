"""Forks S -> M, S -> Q: level without a direct effect, power with one; the stored study says the same of hundreds."""

import numpy as np
import pytest

from helpers.causal import local_test, nonlinear_test, sample_test
from helpers.causal.forks import FORMS, draw_fork
from helpers.neighbours import nearest_neighbours

N_GALAXIES, K, N_QUERY = 7000, 100, 1000
N_FORKS = 20


def neighbourhoods(fork):
    return nearest_neighbours(fork.latent, fork.latent[:N_QUERY], K).index


def p_value(fork, index, *, latent=True, **options):
    options = {"n_replicates": 99, "n_resamples": 2} | options
    return sample_test(fork.target, fork.query, index, None, fork.latent if latent else None, **options).p_value


@pytest.mark.parametrize("n_dimensions", [2, 16])
def test_level_of_the_sample_test(n_dimensions):
    # Twenty forks, of all forms by turns. Of a right test more than four of twenty reject at 0.05 in 0.3% of all cases,
    # and the mean of the p-values has standard error sqrt(1 / 12 / 20).
    p, published = [], []
    for number in range(N_FORKS):
        fork = draw_fork(N_GALAXIES, n_dimensions, FORMS[number % len(FORMS)], seed=3000 + number)
        index = neighbourhoods(fork)
        p.append(p_value(fork, index, seed=number))
        if number < 4:
            published.append(p_value(fork, index, latent=False, n_replicates=19))
    assert np.sum(np.array(p) <= 0.05) <= 4
    assert abs(np.mean(p) - 0.5) < 4 * np.sqrt(1 / 12 / N_FORKS)
    # The negative control: the published form takes the width of the neighbourhoods for dependence.
    assert np.mean(np.array(published) <= 0.05) >= 0.75


@pytest.mark.parametrize("n_dimensions", [2, 8, 16])
def test_power_against_a_partial_correlation_of_a_fifth(n_dimensions):
    # All forms; five forks that all reject have probability 0.33 where the power is 0.8, and 0.0003 where it is 0.2.
    for number in range(5):
        form = FORMS[number % len(FORMS)]
        fork = draw_fork(N_GALAXIES, n_dimensions, form, partial_correlation=0.2, seed=4000 + number)
        assert p_value(fork, neighbourhoods(fork), learn_metric=False, n_replicates=39) <= 0.05, form


def test_scatter_that_varies_together_deceives_permutations_and_not_sign_flips():
    rejected = {"permutation": [], "sign-flip": []}
    for number in range(4):
        fork = draw_fork(N_GALAXIES, 8, "heteroscedastic", seed=5000 + number)
        index = neighbourhoods(fork)
        for null, found in rejected.items():
            found.append(p_value(fork, index, null=null, n_replicates=39, learn_metric=False) <= 0.05)
    assert np.mean(rejected["permutation"]) >= 0.75
    assert np.mean(rejected["sign-flip"]) <= 0.25


def test_local_slope_along_the_latent_space_is_what_the_published_form_sees():
    shares = {"published": [], "latent": []}
    for number in range(4):
        fork = draw_fork(N_GALAXIES, 8, "linear", seed=number)
        index = neighbourhoods(fork)
        for form, latent in {"published": None, "latent": fork.latent}.items():
            shares[form].append((local_test(fork.target, fork.query, index, latent=latent).p_value < 0.05).mean())
    assert np.mean(shares["latent"]) == pytest.approx(0.05, abs=0.015)
    assert np.mean(shares["published"]) > 0.2


def test_statistic_and_interval_hold_the_planted_efficiency():
    # Scatter of partial correlation r leaves the query r**2 of the target's variance to predict.
    inside = []
    for number in range(6):
        fork = draw_fork(4000, 2, "linear", partial_correlation=0.45, seed=50 + number)
        result = sample_test(
            fork.target, fork.query, neighbourhoods(fork), None, fork.latent, 1, 40, learn_metric=False
        )
        inside.append(result.interval[0] < 0.2025 < result.interval[1])
        assert result.statistic == pytest.approx(0.2025, abs=4 * result.standard_error)
        assert result.resamples.mean() == pytest.approx(result.statistic, abs=2 * result.standard_error)
    assert sum(inside) >= 4


def test_a_chain_through_the_given_variable_is_not_a_direct_effect():
    # Q -> C -> M at fixed S; C acts by its square, and is not a function of S.
    fork = draw_fork(4000, 2, "nonlinear", seed=9)
    index = neighbourhoods(fork)
    rng = np.random.default_rng(9)
    given = fork.query + 0.5 * rng.normal(size=4000)
    target = fork.target + given + 0.5 * given**2
    options = {"n_replicates": 99, "n_resamples": 2}
    assert sample_test(target, fork.query, index, None, fork.latent, **options).p_value == 0.01
    assert sample_test(target, fork.query, index, given, fork.latent, **options).p_value > 0.05
    # Two given variables that only together explain the query's part.
    halves = rng.normal(size=4000)
    pair = np.column_stack([given - halves, halves])
    assert sample_test(target, fork.query, index, pair[:, 0], fork.latent, **options).p_value == 0.01
    assert sample_test(target, fork.query, index, pair, fork.latent, **options).p_value > 0.05


def test_nonlinear_test_holds_its_level():
    p = []
    for number in range(12):
        fork = draw_fork(1000, 3, FORMS[number % len(FORMS)], seed=6000 + number)
        p.append(nonlinear_test(fork.target, fork.query, fork.latent, n_features=5, n_replicates=99).p_value)
    # More than three of twelve right tests reject at 0.05 in 0.2% of all cases.
    assert np.sum(np.array(p) <= 0.05) <= 3
    assert abs(np.mean(p) - 0.5) < 4 * np.sqrt(1 / 12 / 12)


def test_forks_are_refused_where_they_are_not_known():
    with pytest.raises(ValueError, match="form: found 'bent', expected one of linear, nonlinear"):
        draw_fork(100, 2, "bent")
    with pytest.raises(ValueError, match="partial_correlation: found 1.0, expected a number between -1 and 1"):
        draw_fork(100, 2, partial_correlation=1.0)
