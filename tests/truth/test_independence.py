"""Forks S -> M, S -> Q with smooth nonlinear links: size without a direct effect, power with one."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from helpers.causal import local_test, sample_test

N_GALAXIES, K, N_QUERY = 4000, 100, 500
N_FORKS = 12


def link(rng, latent):
    """Slope, square and wave along three random directions."""
    along, square, wave = (latent @ (v / np.linalg.norm(v)) for v in rng.normal(size=(3, latent.shape[1])))
    return along + 0.3 * square**2 + 0.5 * np.sin(wave)


def fork(n_latent, seed):
    """Latent space, its neighbours, the parts of M and Q that it explains, and the noise of both."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(N_GALAXIES, n_latent))
    index = cKDTree(latent).query(latent, K + 1)[1][:, 1:]
    return latent, index, link(rng, latent), link(rng, latent), 0.5 * rng.normal(size=(2, N_GALAXIES))


def p_value(target, query, index, latent, seed=0):
    return sample_test(target, query, index[:N_QUERY], None, latent, 39, 2, seed, reference_index=index).p_value


@pytest.mark.parametrize("n_latent", [2, 8])
def test_size_and_power(n_latent):
    null, linear, square, published = [], [], [], []
    for seed in range(N_FORKS):
        latent, index, m, q, (noise_m, noise_q) = fork(n_latent, 100 * n_latent + seed)
        target, query = m + noise_m, q + noise_q
        null.append(p_value(target, query, index, latent, seed))
        if seed < 4:
            linear.append(p_value(target + 0.2 * noise_q, query, index, latent))
            square.append(p_value(target + 0.4 * noise_q**2, query, index, latent))
            published.append(sample_test(target, query, index[:N_QUERY], n_permutations=39, n_resamples=2).p_value)
    # At level 0.05, more than three of twelve true nulls are rejected by a right test in 0.2% of all cases.
    assert np.sum(np.array(null) <= 0.05) <= 3
    # p-values of true nulls are uniform: their mean has standard error sqrt(1 / 12 / n).
    assert abs(np.mean(null) - 0.5) < 4 * np.sqrt(1 / 12 / N_FORKS)
    assert max(linear) <= 0.05 and max(square) <= 0.05
    # The negative control: the published form takes the width of the neighbourhoods for dependence.
    assert np.mean(np.array(published) <= 0.05) >= 0.75


def test_local_slope_along_the_latent_space_is_what_the_published_form_sees():
    shares = {"published": [], "latent": []}
    for seed in range(4):
        latent, index, m, q, (noise_m, noise_q) = fork(8, seed)
        target, query = m + noise_m, q + noise_q
        shares["published"].append((local_test(target, query, index).p_value < 0.05).mean())
        shares["latent"].append((local_test(target, query, index, latent=latent).p_value < 0.05).mean())
    assert np.mean(shares["latent"]) == pytest.approx(0.05, abs=0.03)
    assert np.mean(shares["published"]) > 0.2


def test_statistic_and_interval_hold_the_planted_efficiency():
    # M = ... + 0.5 e_q + e_m with equal noise: the squared correlation given S is 0.25 / 1.25.
    inside = []
    for seed in range(6):
        latent, index, m, q, (noise_m, noise_q) = fork(2, 50 + seed)
        result = sample_test(
            m + noise_m + 0.5 * noise_q,
            q + noise_q,
            index[:N_QUERY],
            None,
            latent,
            1,
            40,
            reference_index=index,
        )
        inside.append(result.interval[0] < 0.2 < result.interval[1])
        assert result.statistic == pytest.approx(0.2, abs=4 * result.standard_error)
        assert result.resamples.mean() == pytest.approx(result.statistic, abs=2 * result.standard_error)
    assert sum(inside) >= 4


def test_a_chain_through_the_given_variable_is_not_a_direct_effect():
    # Q -> C -> M at fixed S; C acts by its square, and is not a function of S.
    latent, index, m, q, (noise_m, noise_q) = fork(2, 9)
    query = q + noise_q
    given = query + 0.5 * np.random.default_rng(9).normal(size=N_GALAXIES)
    target = m + given + 0.5 * given**2 + noise_m
    options = {"latent": latent, "n_permutations": 99, "n_resamples": 2, "reference_index": index}
    assert sample_test(target, query, index[:N_QUERY], **options).p_value <= 0.05
    assert sample_test(target, query, index[:N_QUERY], given, **options).p_value > 0.05
    published = {"n_permutations": 39, "n_resamples": 2}
    assert sample_test(target, query, index[:N_QUERY], **published).p_value <= 0.05


def test_nulls_seed_and_own_row():
    latent, index, m, q, (noise_m, noise_q) = fork(2, 11)
    target, query = m + noise_m, q + noise_q
    query[::10] = np.nan
    with_self = np.concatenate([np.arange(N_GALAXIES)[:, None], index], axis=1)
    options = {"latent": latent, "n_permutations": 9, "n_resamples": 5}
    first = sample_test(target, query, index[:N_QUERY], reference_index=index, **options)
    again = sample_test(target, query, index[:N_QUERY], reference_index=with_self, **options)
    assert first.n_used == N_GALAXIES * 9 // 10 and first.n_neighbourhoods == N_QUERY
    np.testing.assert_allclose(first.null, again.null, atol=1e-12)
    np.testing.assert_allclose(first.resamples, again.resamples, atol=1e-12)
    other = sample_test(target, query, index[:N_QUERY], reference_index=index, seed=1, **options)
    assert other.statistic == first.statistic and not np.allclose(other.null, first.null)
