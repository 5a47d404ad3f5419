"""Scores of an ensemble against their definitions, and the choice of k on planted neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from helpers.neighbours import (
    choose_k,
    continuous_ranked_probability_score,
    ensemble,
    nearest_neighbours,
    probability_integral_transform,
)
from helpers.plotting import pit_departure


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


def test_scores_do_not_depend_on_the_blocks_they_are_computed_in(monkeypatch):
    rng = np.random.default_rng(4)
    members, truth = rng.normal(size=(50, 6)).round(1), rng.normal(size=50).round(1)
    whole = probability_integral_transform(members, truth), continuous_ranked_probability_score(members, truth)
    monkeypatch.setattr(ensemble, "_VALUES", 40)
    np.testing.assert_array_equal(probability_integral_transform(members, truth), whole[0])
    np.testing.assert_array_equal(continuous_ranked_probability_score(members, truth), whole[1])


def test_the_choice_of_k_weighs_noise_against_width():
    """Mass is a sawtooth of S with noise: neighbours beyond half a tooth do harm, and few are noisy."""
    rng = np.random.default_rng(5)
    s = rng.uniform(0, 10, (5000, 1))
    mass = np.abs(s[:, 0] % 2 - 1) + rng.normal(0, 0.2, 5000)
    found = nearest_neighbours(s[:4000], s[4000:], 1000, backend="numpy")
    choice = choose_k(mass[:4000][found.index], mass[4000:], [1000, 2, 10, 40, 60])
    assert choice.table.index.tolist() == [2, 10, 40, 60, 1000]
    table = choice.table
    # Half a tooth holds 400 galaxies.
    assert choice.best in (40, 60) and table.loc[choice.best, "excess"] == 0
    within = table["excess"] <= table["standard_error"]
    assert choice.k == min(table.index[within])
    assert (table.loc[[2, 1000], "excess"] > 10 * table.loc[[2, 1000], "standard_error"]).all()
    # A whole tooth and more is a distribution far too wide.
    assert table.loc[40, "pit_departure"] < pit_departure(mass[4000:])[1] < table.loc[1000, "pit_departure"]


def test_the_choice_of_k_is_checked():
    with pytest.raises(ValueError, match=r"k_grid: found \[1, 9\], expected whole numbers from 1 to 3"):
        choose_k(np.zeros((4, 3)), np.zeros(4), [1, 9])
    with pytest.raises(ValueError, match=r"k_grid: found \[\]"):
        choose_k(np.zeros((4, 3)), np.zeros(4), [])
    with pytest.raises(ValueError, match="truth: found 1 galaxies, expected two or more"):
        choose_k(np.zeros((1, 3)), np.zeros(1), [1])


def test_ensembles_are_checked():
    with pytest.raises(ValueError, match=r"found shapes \(3, 2\) and \(4,\)"):
        probability_integral_transform(np.zeros((3, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="not finite"):
        probability_integral_transform(np.zeros((3, 2)), np.array([0, np.nan, 1]))
    with pytest.raises(ValueError, match=r"found shapes \(3, 0\)"):
        continuous_ranked_probability_score(np.zeros((3, 0)), np.zeros(3))
