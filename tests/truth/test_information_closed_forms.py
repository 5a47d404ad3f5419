"""Networks against distributions whose information is a formula: 20,000 galaxies, profile `book`.

A selection of the grid of ``make information``, spread over estimators; each within 0.05 nats or 5%.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.information import (
    decompose,
    decompose_inputs,
    draw_gaussian,
    draw_gaussian_pair,
    draw_student,
    draw_transformed,
    draw_xor,
    estimate_inputs,
    gaussian_decomposition,
)
from helpers.information.networks import N_KNOTS, NormalScores

N_GALAXIES = 20_000


@pytest.mark.parametrize(
    ("estimator", "draw", "arguments"),
    [
        ("separate", draw_transformed, (16, 1.5, "half-cube")),
        ("nested", draw_transformed, (4, 3.0, "half-cube")),
        ("nested", draw_transformed, (16, 1.5, "bend")),
        ("amortised", draw_gaussian, (16, 3.0)),
        ("separate", draw_student, (4, 1.5)),
        ("nested", draw_gaussian, (16, 0.0)),
    ],
)
def test_networks_recover_closed_forms(estimator, draw, arguments):
    known = draw(N_GALAXIES, *arguments)
    sample, columns = known.sample(), list(known.columns["x1"])
    # The amortised network is asked about half of the columns too.
    inputs = {"half": columns[: len(columns) // 2], "whole": columns}
    if estimator != "amortised":
        del inputs["half"]
    found = estimate_inputs(sample, inputs, estimator=estimator, device="cpu")["whole"].mean
    truth = known.pointwise["x1"][sample.rows("test")].mean()
    if known.information["x1"] == 0:
        assert abs(found) <= 0.02
    else:
        assert found == pytest.approx(truth, abs=max(0.05, 0.05 * truth))
        assert found < truth + 0.02, "an estimate is a lower bound"


def test_the_decomposition_of_a_gaussian_pair_is_that_of_quadrature():
    pair = (1.0, 0.5, -0.3)
    known = draw_gaussian_pair(10_000, *pair)
    sample = known.sample()
    found = decompose_inputs(
        sample,
        list(known.columns["x1"]),
        list(known.columns["x2"]),
        estimator="nested",
        placebo=False,
        device="cpu",
    ).mean(bootstrap=0)["mean"]
    # The same galaxies, so that their luck drops out; it is what is between their mean and quadrature.
    rows = sample.rows("test")
    exact = decompose(*(known.pointwise[name][rows] for name in ("x1", "x2", "both"))).mean(bootstrap=0)["mean"]
    parts = ["R", "U1", "U2", "Syn"]
    assert found[parts].to_numpy() == pytest.approx(exact[parts].to_numpy(), abs=0.03)
    quadrature = gaussian_decomposition(*pair).loc["pointwise"].to_numpy()
    assert exact[parts].to_numpy() == pytest.approx(quadrature, abs=0.06)


def test_the_exclusive_or_is_all_synergy():
    known = draw_xor(N_GALAXIES, 0.1)
    rows = known.sample().rows("test")
    found = decompose_inputs(
        known.sample(),
        list(known.columns["x1"]),
        list(known.columns["x2"]),
        estimator="amortised",
        placebo=False,
        device="cpu",
    ).mean(bootstrap=0)["mean"]
    truth = known.pointwise["both"][rows].mean()
    assert found["Syn"] == pytest.approx(truth, abs=max(0.05, 0.05 * truth))
    assert abs(found[["R", "U1", "U2"]]).max() < 0.05


def test_a_source_given_twice_has_nothing_unique_and_no_synergy():
    known = draw_gaussian(20_000, 2, 1.0)
    twice = replace(known, sources=known.sources | {"x2": known.sources["x1"]})
    # One network for both, which it has to find alike; a network of each would be the same one twice.
    found = decompose_inputs(
        twice.sample(),
        list(twice.columns["x1"]),
        list(twice.columns["x2"]),
        estimator="amortised",
        placebo=False,
        device="cpu",
    ).mean(bootstrap=0)["mean"]
    assert abs(found[["U1", "U2", "Syn"]]).max() < 0.02
    assert abs(found[["conditional_1", "conditional_2"]]).max() < 0.01


def test_normal_scores_undo_any_map_of_single_columns_and_stay_bounded():
    rng = np.random.default_rng(0)
    plain = torch.from_numpy(rng.standard_normal((5000, 2))).float()
    bent = torch.stack([plain[:, 0].exp(), plain[:, 1] ** 3], dim=1)
    scores = NormalScores(bent)
    inside = (plain.abs() < 2).all(dim=1)
    torch.testing.assert_close(scores.scores(bent)[inside], plain[inside], atol=0.15, rtol=0)
    covariance = torch.cov(scores(bent).T)
    torch.testing.assert_close(covariance, torch.eye(2), atol=1e-3, rtol=0)
    line = torch.linspace(-1e6, 1e6, 4001)[:, None].repeat(1, 2)
    assert (scores.scores(line).diff(dim=0) >= 0).all() and scores.scores(line).abs().max() < 4


def test_normal_scores_of_few_galaxies_and_of_columns_that_repeat_are_finite():
    values = torch.tensor([[0.0, 1.0, -0.5], [0.0, 1.0, 0.5]] * 20)  # a constant, another, and two values
    scores = NormalScores(values)
    assert scores.knots.shape == (3, N_KNOTS)
    found = scores(torch.tensor([[0.0, 1.0, 0.5], [9.0, -9.0, 0.0], [-1e30, 1e30, -0.5]]))
    assert torch.isfinite(found).all()
    assert scores.scores(values)[0, 2] < scores.scores(values)[1, 2]
