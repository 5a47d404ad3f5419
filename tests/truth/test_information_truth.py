"""The information room against answers known beforehand."""

import dit
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from helpers.information import (
    binned_decomposition,
    binned_information,
    compare_definitions,
    decompose,
    decompose_inputs,
    estimate_information,
    joint_distribution,
    noise_bias,
    plugin_entropy,
    quantile_bins,
)
from helpers.survey import Sample

LN2 = np.log(2)
SMALL = {
    "encoder_hidden": (32,),
    "estimator_hidden": (32,),
    "n_folds": 4,
    "steps": 600,
    "n_bins": 65,
    "learning_rate": 3e-3,
}


def gaussian_information(mass: np.ndarray, mean: np.ndarray, variance: float) -> np.ndarray:
    """Pointwise information of a Gaussian prediction of a standard normal mass."""
    return norm.logpdf(mass, mean, np.sqrt(variance)) - norm.logpdf(mass)


def planted(n_galaxies: int, noise_1: float, x2_is_noise: bool) -> tuple[Sample, dict[str, np.ndarray]]:
    """A sample with its own pointwise information: X1 is mass and noise; X2 the same, or noise alone."""
    rng = np.random.default_rng(0)
    mass, x1, x2 = rng.standard_normal((3, n_galaxies))
    x1 = mass + noise_1 * x1
    precision_2 = 0.0 if x2_is_noise else 1.0
    x2 = x2 if x2_is_noise else mass + x2
    counts = [n_galaxies * 6 // 10, n_galaxies // 10, n_galaxies * 3 // 10]
    split = pd.Series(np.repeat(["train", "validation", "test"], counts))
    sample = Sample.from_frame(pd.DataFrame({"x1": x1, "x2": x2, "lgm_tot_p50": 10 + 0.5 * mass}), split=split)
    truth = {}
    for name, p1, p2 in (
        ("x1", noise_1**-2, 0.0),
        ("x2", 0.0, precision_2),
        ("both", noise_1**-2, precision_2),
    ):
        variance = 1 / (1 + p1 + p2)
        truth[name] = gaussian_information(mass, variance * (p1 * x1 + p2 * x2), variance)
    return sample, truth


def test_the_plugin_entropy_of_two_thousand_galaxies_is_low_by_eight_hundredths():
    rng, edges = np.random.default_rng(1), np.linspace(6, 12.5, 521)
    probability = np.diff(norm.cdf(edges, 10.5, 0.6))
    truth = -(probability * np.log(probability, where=probability > 0, out=np.zeros(520))).sum()
    plain, corrected = np.mean(
        [
            [plugin_entropy(masses, correction=correction) for correction in ("none", "miller-madow")]
            for masses in rng.normal(10.5, 0.6, (50, 2000))
        ],
        axis=0,
    )
    # Theory: low by about (occupied bins - 1) / 2n, about 300 / 4000.
    assert truth - plain == pytest.approx(0.08, abs=0.015)
    assert abs(truth - corrected) < 0.3 * (truth - plain)


def test_the_pointwise_decomposition_of_a_gaussian_agrees_with_quadrature():
    rho, n_galaxies = 0.95, 200_000
    mass, error = np.random.default_rng(2).standard_normal((2, n_galaxies))
    variance = 1 - rho**2
    i1 = gaussian_information(mass, rho * (rho * mass + np.sqrt(variance) * error), variance)
    parts = decompose(i1, np.zeros(n_galaxies), i1)  # X2 is noise: i2 = 0 and i12 = i1
    # By quadrature over mass and error: i1 is a function of the two alone.
    m, e = np.meshgrid(*[np.linspace(-8, 8, 641)] * 2, indexing="ij")
    density = norm.pdf(m) * norm.pdf(e) * 0.025**2
    exact = gaussian_information(m, rho * (rho * m + np.sqrt(variance) * e), variance)
    assert (density * exact).sum() == pytest.approx(-np.log(variance) / 2, abs=1e-6)
    table = parts.mean(bootstrap=0)
    synergy = (density * np.minimum(exact, 0)).sum()
    assert synergy == pytest.approx(-0.06, abs=0.01)  # what perfect estimates give for pure noise
    standard_error = np.minimum(i1, 0).std() / np.sqrt(n_galaxies)
    assert table.loc["Syn", "mean"] == pytest.approx(synergy, abs=4 * standard_error)
    assert table.loc["conditional_2", "mean"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("gate", "expected"),  # R, U1, U2, Syn in bits, of the pointwise definition
    [
        (lambda a, b: a ^ b, (0, 0, 0, 1)),
        (lambda a, b: 2 * a + b, (1, 0, 0, 1)),  # copies both: i1 = i2 = 1 bit, i12 = 2 bits
        (lambda a, b: a, (0, 1, 0, 0)),
    ],
)
def test_gates_give_what_the_definition_says(gate, expected):
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    table = binned_decomposition(a, b, gate(a, b)).mean(bootstrap=0)["mean"]
    np.testing.assert_allclose(table[["R", "U1", "U2", "Syn"]], np.array(expected) * LN2, atol=1e-12)


def test_a_source_given_twice_is_redundant():
    a = np.array([0, 1, 2, 3])
    table = binned_decomposition(a, a, a).mean(bootstrap=0)["mean"]
    np.testing.assert_allclose(table[["R", "U1", "U2", "Syn"]], [2 * LN2, 0, 0, 0], atol=1e-12)


def test_the_and_gate_galaxy_by_galaxy():
    a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    parts = binned_decomposition(a, b, a & b)
    # p(M=0) = 3/4: an input of 0 settles it, ln 4/3; an input of 1 leaves M=0 at 1/2, ln 2/3, and M=1, ln 2.
    i1 = np.log([4 / 3, 4 / 3, 2 / 3, 2])
    np.testing.assert_allclose(parts.redundant, np.minimum(i1, i1[[0, 2, 1, 3]]), atol=1e-12)
    np.testing.assert_allclose(parts.synergistic, np.log([1, 1, 1, 2]), atol=1e-12)
    others = compare_definitions(a, b, a & b)
    # Known values: 0.311 bits redundant, 0.5 bits synergistic.
    np.testing.assert_allclose(others.loc["BROJA"] / LN2, [0.3113, 0, 0, 0.5], atol=2e-3)
    np.testing.assert_allclose(others.loc["MMI"] / LN2, [0.3113, 0, 0, 0.5], atol=1e-4)
    np.testing.assert_allclose(others.loc["pointwise", "redundancy"], parts.redundant.mean())


def test_binned_information_agrees_with_dit_and_every_definition_keeps_the_sums():
    mass, x1, x2 = np.random.default_rng(3).standard_normal((3, 2000))
    x1, x2 = mass + x1, mass + 2 * x2
    bins = [quantile_bins(values, 3) for values in (x1, x2, mass)]
    distribution = joint_distribution(*bins)
    i1, i2 = (binned_information(x, bins[2]) for x in bins[:2])
    i12 = binned_information(np.stack(bins[:2], axis=1), bins[2])
    for ours, sources in ((i1, [0]), (i2, [1]), (i12, [0, 1])):
        assert ours == pytest.approx(dit.shannon.mutual_information(distribution, sources, [2]) * LN2, abs=1e-9)
    table = compare_definitions(x1, x2, mass)
    np.testing.assert_allclose(table["redundancy"] + table["unique_1"], i1, atol=1e-6)
    np.testing.assert_allclose(table["redundancy"] + table["unique_2"], i2, atol=1e-6)
    np.testing.assert_allclose(table.sum(axis=1), i12, atol=1e-6)
    assert table.loc["MMI", "redundancy"] == pytest.approx(min(i1, i2), abs=1e-9)
    # The proof that BROJA's optimiser got somewhere: 0 <= R <= MMI's.
    assert 0 <= table.loc["BROJA", "redundancy"] <= min(i1, i2) + 1e-6


def test_mmi_of_binned_gaussians_approaches_its_closed_form():
    rng, n_galaxies = np.random.default_rng(4), 100_000
    mass = rng.standard_normal(n_galaxies)
    x1, x2 = mass + rng.standard_normal((2, n_galaxies)) * [[0.5], [1.0]]
    bins = [quantile_bins(values, 12) for values in (x1, x2, mass)]
    table = compare_definitions(*bins, definitions=("MMI",))
    closed = np.log(1 + np.array([4.0, 1.0])).min() / 2  # min over inputs of ln(1 + signal to noise) / 2
    # Twelve bins lose a few per cent of the information and can add none but the plug-in's bias, 121 /
    # 200,000.
    assert 0.9 * closed < table.loc["MMI", "redundancy"] < closed + 1e-3


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_simex_finds_the_bias_where_it_is_known(spread):
    rng, n_galaxies, error = np.random.default_rng(5), 200_000, 0.3
    e1, e2 = rng.standard_normal((2, n_galaxies)) * error
    i1 = 1 + rng.standard_normal(n_galaxies) * spread
    bias = noise_bias(i1 + e1, 1 + e2, np.ones(n_galaxies), error, n_draws=5)
    # E|N(0, s)| = s sqrt(2 / pi); at D = 0 half of that is 0.56 of the error of an input.
    noisy = np.hypot(spread, np.sqrt(2) * error)
    closed = (noisy - spread) / np.sqrt(2 * np.pi)
    # The sampling error of the squared mean of abs(D) is twice 0.76 / sqrt(n) of it; its root is taken, of
    # zero too.
    variance = 2 / np.pi * noisy**2 * 2 * 0.76 / np.sqrt(n_galaxies)
    square = 2 / np.pi * spread**2
    tolerance = (np.sqrt(square + 4 * variance) - np.sqrt(square)) / 2
    assert bias.unique == pytest.approx(closed, abs=tolerance)
    assert bias.unique > 0.9 * closed
    assert bias.redundant == bias.synergistic == -bias.unique


def test_simex_finds_no_bias_without_error_or_far_from_a_tie():
    rng, n_galaxies = np.random.default_rng(6), 10_000
    assert noise_bias(np.zeros(9), np.zeros(9), np.zeros(9), 0.0).unique == 0
    e1, e2 = rng.standard_normal((2, n_galaxies)) * 0.3
    assert noise_bias(5 + e1, e2, np.ones(n_galaxies), 0.3).unique < 0.003


@pytest.mark.parametrize("estimator", ["nested", "separate", "amortised"])
def test_estimates_recover_a_planted_gaussian(estimator):
    sample, truth = planted(6000, 0.5, x2_is_noise=False)
    rows = sample.rows("test")
    estimate = estimate_information(sample, ["x1"], estimator=estimator, device="cpu", **SMALL)
    closed = np.log(1 + 0.5**-2) / 2
    correlation = np.sqrt(1 / (1 + 0.5**2))
    # Pointwise information of a Gaussian has variance rho^2: that is the sampling error of its mean.
    assert abs(truth["x1"][rows].mean() - closed) < 4 * correlation / np.sqrt(len(rows))
    # On the same galaxies the sampling error is common: what is left is what the network did not learn.
    assert -0.06 < estimate.mean - truth["x1"][rows].mean() < 0.02
    # A PIT's variance is 1/12 when it is uniform, with standard error sqrt(1/180 n).
    assert np.nanvar(estimate.pit) == pytest.approx(1 / 12, abs=5 * np.sqrt(1 / 180 / len(rows)))


def test_noise_adds_no_conditional_information_and_lowers_synergy():
    sample, truth = planted(6000, 1 / 3, x2_is_noise=True)
    rows = sample.rows("test")
    pair = decompose_inputs(sample, ["x1"], ["x2"], device="cpu", **SMALL)
    table = pair.mean()
    assert table.loc["conditional_2_net", "low"] <= 1e-3 and abs(table.loc["conditional_2_net", "mean"]) < 0.01
    # Syn = -U2 with perfect estimates, which is not zero.
    exact = np.minimum(truth["x1"][rows], 0).mean()
    assert exact < -0.03
    # Error of the estimates can only lower it further: it biases U upwards.
    assert exact - 0.06 < table.loc["Syn", "mean"] < exact + 0.02
    assert abs(table.loc["I(X2)", "mean"]) < 0.01


def test_a_second_input_adds_what_the_closed_form_says():
    sample, truth = planted(6000, 0.5, x2_is_noise=False)
    rows = sample.rows("test")
    pair = decompose_inputs(sample, ["x1"], ["x2"], device="cpu", **SMALL)
    gain = (truth["both"] - truth["x1"])[rows].mean()
    table = pair.mean()
    assert table.loc["conditional_2_net", "mean"] == pytest.approx(gain, abs=0.05)
    assert table.loc["conditional_2_net", "low"] > 0
    assert pair.estimates[2].mean >= max(pair.estimates[0].mean, pair.estimates[1].mean)
    assert abs(pair.placebo_gain_2) < 0.02
