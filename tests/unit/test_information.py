"""The information room: arithmetic, refusals, and what estimates promise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.contrastive import count_parameters
from helpers.information import (
    InformationConfig,
    compare_definitions,
    decompose,
    decompose_inputs,
    estimate_information,
    mass_prior,
    noise_bias,
    plugin_entropy,
    pointwise_information,
    quantile_bins,
)
from helpers.information.estimators import exchange
from helpers.information.fitting import Calibration, calibrate, information_network
from helpers.inputs import resolve
from helpers.survey import Sample

TINY = {
    "encoder_hidden": (16,),
    "estimator_hidden": (16,),
    "n_folds": 2,
    "steps": 60,
    "n_bins": 20,
    "evaluate_every": 20,
}


@pytest.fixture(scope="module")
def sample() -> Sample:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 400))
    frame = pd.DataFrame({"x": x, "y": y, "lgm_tot_p50": 10 + 0.4 * (x + y)})
    return Sample.from_frame(frame, split=pd.Series(["train"] * 240 + ["validation"] * 60 + ["test"] * 100))


def test_pointwise_information_is_prior_surprise_less_cross_entropy():
    masses = np.array([7.0, 7.0, 11.0, 11.0, 11.0, 11.0, 11.0, 11.0])
    information = pointwise_information(np.full(8, 0.1), masses, bins=2, range=(6, 12))
    np.testing.assert_allclose(information[:2], np.log(4) - 0.1)
    np.testing.assert_allclose(information[2:], np.log(4 / 3) - 0.1)


def test_perfect_predictions_carry_the_plugin_entropy():
    masses = np.random.default_rng(1).normal(10, 0.5, 500)
    information = pointwise_information(np.zeros(500), masses)
    assert information.mean() == pytest.approx(plugin_entropy(masses), abs=1e-12)


def test_masses_outside_the_range_are_clipped_in_label_and_prior_alike():
    inside, outside = np.array([6.001, 12.499, 9.0]), np.array([3.0, 15.0, 9.0])
    np.testing.assert_array_equal(
        pointwise_information(np.zeros(3), outside), pointwise_information(np.zeros(3), inside)
    )


def test_a_galaxy_that_was_not_held_out_stays_nan_and_needs_no_prior():
    information = pointwise_information([np.nan, 0.0], [7.0, 11.0], prior_target=[11.0])
    assert np.isnan(information[0]) and information[1] == 0.0


def test_the_smoothed_prior_adds_half_a_galaxy_to_each_bin():
    np.testing.assert_allclose(
        mass_prior([7.0, 11.0, 11.0], 4, (6, 14), smoothing=0.5), np.array([1.5, 0.5, 2.5, 0.5]) / 5
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.1, 0.2], [10.0]), "cross_entropy: found 2 values for 1 galaxies"),
        (([-1.0], [10.0]), "not of a density"),
        (([np.inf], [10.0]), "1 of 1 values are infinite"),
        (([0.1], [np.nan]), "not finite"),
        ((["a"], [10.0]), "cross_entropy: found values that are not numbers"),
        (
            ([0.1], [10.0], [11.0]),
            "1 of 1 held-out galaxies lie in bins where the prior is zero; set smoothing=0.5",
        ),
        (([0.1], [10.0], None, 520, (6, 12.5), -1.0), "smoothing: found -1.0"),
    ],
)
def test_pointwise_information_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        pointwise_information(*arguments)


triples = st.lists(st.tuples(*[st.floats(-20, 20)] * 3), min_size=1, max_size=20)


@given(triples)
def test_the_parts_sum_to_the_whole_and_exchange_with_the_inputs(rows):
    i1, i2, i12 = np.array(rows).T
    parts, swapped = decompose(i1, i2, i12), decompose(i2, i1, i12)
    total = parts.redundant + parts.unique_1 + parts.unique_2 + parts.synergistic
    np.testing.assert_allclose(total, i12, atol=1e-9)
    np.testing.assert_allclose(parts.synergistic, i12 - np.maximum(i1, i2), atol=1e-9)
    assert (np.minimum(parts.unique_1, parts.unique_2) == 0).all()
    np.testing.assert_array_equal(parts.unique_1, swapped.unique_2)
    np.testing.assert_array_equal(parts.redundant, swapped.redundant)


def test_mean_drops_galaxies_jointly_counts_them_and_covers_the_mean():
    rng = np.random.default_rng(2)
    i1, i2, i12 = rng.normal(1, 1, (3, 300))
    i1[0] = i2[1] = i12[2] = np.nan
    parts = decompose(i1, i2, i12)
    table = parts.mean(seed=3)
    assert table.attrs == {"n_held_out": 297, "n_dropped": 3}
    assert table.loc["conditional_1", "mean"] == pytest.approx((i12 - i2)[3:].mean())
    assert parts.conditional_1 == pytest.approx((i12 - i2)[3:].mean())
    assert table.loc["I(X1)", "high"] - table.loc["I(X1)", "low"] == pytest.approx(
        4 * i1[3:].std() / np.sqrt(297), rel=0.1
    )
    pd.testing.assert_frame_equal(table, parts.mean(seed=3))


def test_groups_are_the_decomposition_of_each_group():
    values = np.random.default_rng(4).normal(size=(3, 100))
    group = np.array(["passive", "forming"] * 50)
    table = decompose(*values).mean(bootstrap=0, groups=group)
    alone = decompose(*values[:, group == "passive"]).mean(bootstrap=0)
    np.testing.assert_allclose(table.loc["passive", "mean"], alone["mean"])


def test_decompose_refuses():
    with pytest.raises(ValueError, match="i12: found 1 values, expected 2, as in i1"):
        decompose([0.0, 1.0], [0.0, 1.0], [0.0])
    with pytest.raises(ValueError, match="i2: 1 of 1 values are infinite"):
        decompose([0.0], [np.inf], [0.0])
    with pytest.raises(ValueError, match="none of 1 galaxies is held out"):
        decompose([np.nan], [0.0], [0.0]).mean()
    with pytest.raises(ValueError, match="groups: found 2 labels"):
        decompose([0.0], [0.0], [0.0]).mean(groups=["a", "b"])
    with pytest.raises(ValueError, match="error: found negative"):
        noise_bias([0.0], [0.0], [0.0], -1.0)


def test_the_published_widths_have_the_published_number_of_parameters():
    columns = [f"petroMag{part}_{band}" for part in ("", "Err") for band in "ugriz"] + ["EBV"]
    resolved = resolve("Mopt", pd.DataFrame(columns=columns, dtype=float), errors_as_main=True)
    assert (len(resolved.main), len(resolved.extra)) == (10, 1)
    network = information_network(10, 1, 520, InformationConfig(encoder_hidden=(128,) * 20, estimator_hidden=(128,)))
    assert count_parameters(network.encoder) == 316_296
    assert count_parameters(network.estimator) == 68_232


def test_calibration_finds_the_temperature_and_the_contamination_that_were_planted():
    rng = np.random.default_rng(5)
    prior, n_galaxies = np.full(10, 0.1), 20_000
    logits = rng.normal(0, 2, (n_galaxies, 10))
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = (truth.cumsum(axis=1) < rng.random((n_galaxies, 1))).sum(axis=1).clip(max=9)
    wrong = rng.random(n_galaxies) < 0.05
    label[wrong] = rng.integers(10, size=wrong.sum())
    found = calibrate(2 * logits, label, prior)
    assert found.temperature == pytest.approx(2, abs=0.1)
    assert found.contamination == pytest.approx(0.05, abs=0.01)
    assert np.exp(found.apply(logits, prior)).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_no_calibration_changes_nothing():
    logits = np.log([[0.2, 0.8]])
    assert Calibration().apply(logits, np.array([0.5, 0.5])) is logits


def test_exchanged_columns_move_together_and_stay_in_their_part():
    catalog = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) + 100, "c": np.arange(20.0)})
    mixed = exchange(catalog, ["a", "b"], [np.arange(12), np.arange(12, 20)], seed=0)
    assert (mixed["b"] - mixed["a"] == 100).all() and (mixed["c"] == catalog["c"]).all()
    assert sorted(mixed["a"][:12]) == list(range(12)) and (mixed["a"] != catalog["a"]).sum() > 10


@pytest.mark.parametrize("estimator", ["nested", "separate", "amortised"])
def test_an_estimate_fills_the_test_split_and_repeats_exactly(sample, estimator):
    first, again = (
        estimate_information(sample, ["x"], estimator=estimator, profile="book", device="cpu", **TINY) for _ in range(2)
    )
    held_out = sample.split.to_numpy() == "test"
    for values in (first.pointwise, first.cross_entropy, first.pit):
        assert (np.isfinite(values) == held_out).all()
    np.testing.assert_array_equal(first.pointwise, again.pointwise)
    expected = pointwise_information(
        first.cross_entropy,
        sample.mass,
        sample.mass[sample.rows("train")],
        first.settings["n_bins"],
        smoothing=0.5,
    )
    np.testing.assert_allclose(first.pointwise, expected, atol=1e-6)
    assert first.interval[0] < first.mean < first.interval[1]
    assert first.repeats.shape == (1, 400)


def test_several_seeds_average_probabilities_and_widen_the_interval(sample):
    reuse: dict = {}
    estimate = estimate_information(
        sample, ["x"], seeds=(0, 1), device="cpu", profile="book", reuse=reuse, calibrate=False, **TINY
    )
    rows = sample.rows("test")
    surprise = (estimate.pointwise + estimate.cross_entropy)[rows]
    mean = np.log(np.exp(estimate.repeats[:, rows] - surprise).mean(axis=0)) + surprise
    np.testing.assert_allclose(estimate.pointwise[rows], mean, atol=1e-5)
    assert estimate.settings["resampled"] and len(reuse) == 2


def test_a_reused_part_is_fitted_once_and_another_sample_is_not_mistaken_for_it(sample):
    reuse: dict = {}
    pair = decompose_inputs(sample, ["x"], ["y"], profile="book", device="cpu", reuse=reuse, **TINY)
    assert len(reuse) == 5  # two parts, the union, two placebos
    alone = estimate_information(sample, ["x"], profile="book", device="cpu", reuse=reuse, **TINY)
    assert len(reuse) == 5
    np.testing.assert_array_equal(alone.pointwise, pair.estimates[0].pointwise)
    shuffled = Sample.from_frame(sample.catalog.assign(x=sample.catalog["y"]), split=sample.split)
    estimate_information(shuffled, ["x"], profile="book", device="cpu", reuse=reuse, **TINY)
    assert len(reuse) == 6


def test_estimates_refuse(sample):
    for arguments, message in (
        ({"estimator": "magic"}, "estimator: found 'magic', expected one of nested, separate, amortised"),
        ({"device": "abacus"}, "device: found 'abacus'"),
        ({"seeds": ()}, "seeds: found"),
        ({"seeds": (1, 1)}, "seeds: found"),
        ({"profile": "none"}, "profile: found 'none'"),
        ({"colour": 1}, "unknown setting 'colour'"),
        ({"n_folds": 1}, "n_folds: found 1"),
        ({"estimator": "separate", "base": ["x"]}, "base: found"),
    ):
        with pytest.raises(ValueError, match=message):
            estimate_information(sample, ["x"], **arguments)
    with pytest.raises(ValueError, match="missing"):
        estimate_information(sample, ["mass of the moon"])
    with pytest.raises(ValueError, match="expected at least 40"):
        estimate_information(sample.take(np.r_[0:20, 240:400]), ["x"])
    with pytest.raises(ValueError, match="one of which holds the other"):
        decompose_inputs(sample, ["x"], ["x", "y"])
    with pytest.raises(ValueError, match="expected two registered names or two lists"):
        decompose_inputs(sample, "Mopt", ["x"])


def test_binned_measures_refuse():
    with pytest.raises(ValueError, match="n_bins: found 5 for 3 values"):
        quantile_bins([1.0, 2.0, 3.0], 5)
    with pytest.raises(ValueError, match="definitions: found 'vibes'"):
        compare_definitions([0, 1], [0, 1], [0, 1], definitions=("vibes",))
    with pytest.raises(ValueError, match="found 2 in x"):
        compare_definitions(np.array([0, 1]), np.array([0, 1, 1]), np.array([0, 1]), definitions=())
