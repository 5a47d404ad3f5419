"""Definitions of redundancy, summaries and their binning, against answers known beforehand."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brute

from helpers.information import compare_definitions, quantile_bins
from helpers.information.binning import binned_components, binning_effect
from helpers.information.definitions import DEFINITIONS
from helpers.information.gaussian import gaussian_components, gaussian_measures
from helpers.information.redundancy import three_informations
from helpers.information.summaries import learned_summaries
from helpers.information.truths import draw_gaussian_pair, gaussian_decomposition
from helpers.survey import Sample

LN2 = np.log(2)
A, B = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
GATES = {"and": (A, B, A & B), "xor": (A, B, A ^ B), "copy": (A, B, 2 * A + B), "unique": (A, B, A), "same": (A, A, A)}
# Redundancy in bits. AND and XOR are in the papers that define them; where definitions differ on "copy" and "unique"
# is why there are so many: a copy of two independent bits, and a target that is one of them.
REDUNDANCY = {
    "pointwise": ((np.log2(4 / 3) + 2 * np.log2(2 / 3) + 1) / 4, 0, 1, 0, 1),
    "WB": (0.3113, 0, 1, 0, 1),
    "MMI": (0.3113, 0, 1, 0, 1),
    "BROJA": (0.3113, 0, 0, 0, 1),
    "CCS": (0.1038, 0, 0, 0, 1),
    "dep": (0.0817, 0, 0, 0, 1),
    "PM": (0.5613, 0, 1, 1, 1),
    "SX": (0.1226, np.log2(2 / 3), np.log2(4 / 3), np.log2(4 / 3), 1),
    "IG": (0.0828, 0, 0, 0, 1),
    "RR": (0, 0, 0, 0, 1),
    "Do": (0.0817, 0, 0, 0, 1),
    "CT": (0, 0, 0, 0, 1),
}


def probability(*codes: np.ndarray) -> np.ndarray:
    table = np.zeros([code.max() + 1 for code in codes])
    np.add.at(table, codes, 1 / len(codes[0]))
    return table


@pytest.mark.parametrize("name", DEFINITIONS)
def test_gates_have_their_known_redundancy(name):
    found = [float(DEFINITIONS[name].redundancy(probability(*gate))) / LN2 for gate in GATES.values()]
    np.testing.assert_allclose(found, REDUNDANCY[name], atol=4e-4)


def noisy_table(n_bins: int, kind: str) -> tuple[np.ndarray, ...]:
    mass, first, second = np.random.default_rng(0).standard_normal((3, 800))
    columns = (mass + 0.5 * first, mass + second, mass) if kind == "pair" else (first, second, first + second + mass)
    return tuple(quantile_bins(values, n_bins) for values in columns)


@pytest.mark.parametrize("kind", ["pair", "sum"])
def test_ours_and_dit_agree(kind):
    codes = noisy_table(3, kind)
    ours, theirs = (compare_definitions(*codes, library=library) for library in ("ours", "dit"))
    pd.testing.assert_frame_equal(ours.drop("BROJA"), theirs.drop("BROJA"), atol=1e-6, rtol=0)
    # Both are minimisations: ours is within 2e-4 nats of the optimum.
    np.testing.assert_allclose(ours.loc["BROJA"], theirs.loc["BROJA"], atol=2e-4)


def test_broja_is_the_optimum_of_a_plain_search():
    # Two bits and a bit: given each value of the target, one number is free.
    for table in np.random.default_rng(1).dirichlet(np.full(8, 0.7), size=5).reshape(5, 2, 2, 2):
        shift = np.array([[1.0, -1.0], [-1.0, 1.0]])

        def union(free, table=table, shift=shift):
            moved = table + shift[..., None] * np.asarray(free)
            return np.inf if moved.min() < 0 else float(three_informations(moved)[2])

        ranges = [(-min(table[0, 0, m], table[1, 1, m]), min(table[0, 1, m], table[1, 0, m])) for m in range(2)]
        _, least, *_ = brute(union, ranges, Ns=60, full_output=True)
        i1, i2, _ = three_informations(table)
        assert float(DEFINITIONS["BROJA"].redundancy(table)) == pytest.approx(i1 + i2 - least, abs=3e-4)


@pytest.mark.parametrize("sparse", [0.2, 1.0])
def test_what_is_called_non_negative_is_and_what_is_not_goes_below_zero(sparse):
    tables = np.random.default_rng(2).dirichlet(np.full(27, sparse), size=150).reshape(150, 3, 3, 3)
    i1, i2, i12 = three_informations(tables)
    for name, definition in DEFINITIONS.items():
        r = definition.redundancy(tables)
        lowest = min(values.min() for values in (r, i1 - r, i2 - r, i12 - i1 - i2 + r))
        if definition.non_negative:
            assert lowest > -2e-4, name  # as far as BROJA is from its optimum
        elif sparse == 0.2:
            assert lowest < -1e-3, name


def test_independent_noise_has_no_components_once_the_bias_is_gone():
    noise = np.random.default_rng(3).standard_normal((3, 4000))
    for name, components in binned_components(*noise, n_bins=4, bootstrap=60).items():
        if name in ("pointwise", "PM"):
            continue  # the mean of a minimum of noise is below zero by its width, which shrinks slowly
        assert components.estimate.abs().max() < 0.006, name


def test_extrapolation_takes_off_the_bias_of_binning_and_its_interval_covers():
    truth_sample = np.random.default_rng(4).standard_normal((3, 1_000_000))
    truth = components_at(truth_sample, 6, ("MMI", "IG"))
    biases, covered = [], []
    for seed in range(12):
        draw = np.random.default_rng(100 + seed).standard_normal((3, 1800))
        table = binning_effect(*correlated(draw), n_bins=(6,), definitions=("MMI", "IG"), bootstrap=60)
        own = table[table["quantity"] == "Syn"].set_index("definition")
        biases.append(own[["plugin", "mean"]].sub(truth, axis=0))
        covered += ((own["low"] < truth) & (truth < own["high"])).tolist()
        both = table[table["quantity"] == "I(X1,X2)"]["null"].iloc[0]
        # With the target exchanged all that is left is bias, and where there is something to tell it is no more.
        assert biases[-1]["plugin"].max() < both + 0.04
    bias = sum(biases) / len(biases)
    assert (bias["plugin"] > 0.02).all()
    # Standard errors of the mean of 12 are about 0.003.
    assert (bias["mean"].abs() < 0.012).all()
    assert np.mean(covered) > 0.75  # 24 intervals of 95%, in pairs of the same galaxies


def correlated(noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mass, first, second = noise
    return mass + 0.5 * first, mass + second, mass


def components_at(noise: np.ndarray, n_bins: int, definitions: tuple[str, ...]) -> pd.Series:
    table = compare_definitions(*correlated(noise), n_bins=n_bins, definitions=definitions)
    return table.loc[list(definitions), "synergy"]


@pytest.mark.parametrize("c", [-0.5, 0.0, 0.7])
def test_gaussian_measures_are_the_closed_forms_of_the_pair_whatever_is_mixed_in(c):
    i1, i2 = 1.0, 0.4
    rho = np.sqrt(-np.expm1(-2 * np.array([i1, i2])))
    between = np.prod(rho) + c * np.sqrt(np.prod(1 - rho**2))
    pair = np.array([[1, between, rho[0]], [between, 1, rho[1]], [rho[0], rho[1], 1]])
    closed = gaussian_decomposition(i1, i2, c)
    found = gaussian_measures(pair)
    pd.testing.assert_frame_equal(found.loc[closed.index], closed, atol=1e-8, rtol=0)
    # Columns of noise beside each source, mixed with it, and a target in other units, change nothing.
    rng = np.random.default_rng(5)
    wide = np.eye(6)
    wide[np.ix_([0, 2, 5], [0, 2, 5])] = pair
    mixing = np.zeros((6, 6))
    mixing[:2, :2], mixing[2:5, 2:5] = rng.standard_normal((2, 2)), rng.standard_normal((3, 3))
    mixing[5, 5] = -7.0
    pd.testing.assert_frame_equal(gaussian_measures(mixing @ wide @ mixing.T, 2), found, atol=1e-8, rtol=0)


def test_summaries_made_gaussian_give_the_closed_forms_on_any_scale():
    truth = draw_gaussian_pair(20_000, 0.8, 0.5, 0.3)
    x1, x2 = (truth.sources[name][:, 0] for name in ("x1", "x2"))
    found = gaussian_components(x1, x2, truth.target, bootstrap=50)
    same = gaussian_components(np.exp(x1), -(x2**3), np.sqrt(truth.target), bootstrap=0)
    closed = gaussian_decomposition(0.8, 0.5, 0.3)
    for name in closed.index:
        own = found[name].estimate[["R", "U1", "U2", "Syn"]]
        np.testing.assert_allclose(own, closed.loc[name], atol=4 * 0.006)  # a standard error is 1 / sqrt(n)
        np.testing.assert_allclose(own, same[name].estimate[["R", "U1", "U2", "Syn"]], atol=1e-9)
        table = found[name].table()
        assert (table["low"] <= table["mean"] + 0.02).all() and (table["high"] >= table["mean"] - 0.02).all()


def test_fine_bins_of_a_gaussian_pair_approach_its_closed_forms():
    truth = draw_gaussian_pair(200_000, 0.8, 0.5, 0.3)
    columns = [truth.sources["x1"][:, 0], truth.sources["x2"][:, 0], truth.target]
    names = ("WB", "MMI", "BROJA", "dep", "pointwise")
    coarse, fine = (compare_definitions(*columns, n_bins=k, definitions=names) for k in (4, 12))
    closed = gaussian_decomposition(0.8, 0.5, 0.3).loc[fine.index]
    assert ((fine - closed).abs().max(axis=1) < 0.06).all()
    assert ((fine - closed).abs().sum(axis=1) < (coarse - closed).abs().sum(axis=1)).all()


def test_summaries_keep_what_only_both_inputs_tell():
    # Like magnitudes and redshift: each alone says little of a sum, and both say it all but for some noise.
    rng, n_galaxies, noise = np.random.default_rng(6), 3000, 0.2
    u, v, w, other, e = rng.standard_normal((5, n_galaxies))
    mass = u + np.sinh(v) / 1.5 + noise * e
    frame = pd.DataFrame(
        {"a": u + w, "b": u - w, "c": v, "d": other, "lgm_tot_p50": 9.25 + 0.45 * np.clip(mass, -6, 6)}
    )
    split = pd.Series(np.repeat(["train", "validation", "test"], [1800, 300, 900]))
    sample = Sample.from_frame(frame, split=split)
    found = learned_summaries(sample, ["a", "b"], ["c", "d"], n_summaries=1, device="cpu", n_bins=40)
    assert abs(np.corrcoef(found.first[:, 0], u)[0, 1]) > 0.97
    assert abs(np.corrcoef(found.second[:, 0], v)[0, 1]) > 0.97
    rows = sample.rows("test")
    learned = binned_components(found.first[rows], found.second[rows], mass[rows], n_bins=4, definitions=("IG", "MMI"))
    planted = binned_components(u[rows], v[rows], mass[rows], n_bins=4, definitions=("IG", "MMI"))
    for name in learned:
        assert learned[name].table().loc["Syn", "low"] > 0.2
        assert learned[name].estimate["Syn"] == pytest.approx(planted[name].estimate["Syn"], abs=0.06)
    assert found.information["I(X1,X2)"] > 1.0 > found.information["I(X1)"] + 0.3


def test_two_summaries_keep_what_an_input_tells_alone_and_one_forgets_it():
    # A brightness, of which little is known without the distance, and a colour that tells more alone.
    rng, n_galaxies = np.random.default_rng(7), 4000
    mass, distance, e1, e2 = rng.standard_normal((4, n_galaxies)) * [[1], [3], [0.2], [1.2]]
    brightness, colour = mass - distance + e1, mass + e2
    covariance = np.cov([brightness, colour, distance, mass])
    parts = gaussian_measures(covariance, 2).loc["MMI"]
    alone, together = parts["redundancy"] + parts["unique_1"], parts.sum()
    frame = pd.DataFrame({"brightness": brightness, "colour": colour, "distance": distance})
    frame["lgm_tot_p50"] = 9.25 + 0.6 * mass
    split = pd.Series(np.repeat(["train", "validation", "test"], [2400, 400, 1200]))
    sample = Sample.from_frame(frame, split=split)
    one, two = (
        learned_summaries(sample, ["brightness", "colour"], ["distance"], n_summaries=n, device="cpu", n_bins=40)
        for n in (1, 2)
    )
    for found in (one, two):
        assert found.information["I(X1,X2)"] == pytest.approx(together, abs=0.2)
    assert two.information["I(X1)"] > 0.8 * alone and one.information["I(X1)"] < 0.5 * alone
