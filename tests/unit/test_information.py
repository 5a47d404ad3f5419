"""The information room: arithmetic, refusals, and what estimates promise."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from helpers.contrastive import count_parameters
from helpers.contrastive.calibration import Calibration, calibrate
from helpers.information import (
    InformationConfig,
    compare_definitions,
    decompose,
    decompose_inputs,
    decompose_pairs,
    estimate_information,
    mass_prior,
    noise_bias,
    plugin_entropy,
    pointwise_information,
    quantile_bins,
)
from helpers.information import laboratory as module
from helpers.information.entropy import kernel_prior
from helpers.information.estimators import information_configs, open_session
from helpers.information.laboratory import Laboratory, exchange_order
from helpers.information.networks import InputSize, information_network
from helpers.information.pairs import fit_role
from helpers.inputs import resolve
from helpers.runs import profile_settings
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


def test_the_kernel_prior_is_nearer_the_truth_than_the_histogram():
    rng, edges = np.random.default_rng(2), np.linspace(6, 12.5, 131)
    truth = np.diff(norm.cdf(edges, 10.5, 0.6))
    masses = rng.normal(10.5, 0.6, 4000)
    plain, spread = mass_prior(masses, 130, smoothing=0.5), kernel_prior(masses, 130)
    assert spread.sum() == pytest.approx(1, abs=1e-12) and spread.min() > 0
    excess = [(truth * np.log(truth / prior)).sum() for prior in (plain, spread)]
    assert excess[0] > 0.008 and excess[1] < 0.002
    # Lines that no kernel may blur stay: masses at a few values.
    steps = rng.choice([9.03, 10.03, 11.03], 4000)
    np.testing.assert_allclose(kernel_prior(steps, 130), mass_prior(steps, 130), atol=0.01)
    with pytest.raises(ValueError, match="smoothing: found 0"):
        kernel_prior(masses, 130, smoothing=0)


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
        (([0.1], [10.0], None, 520, (6, 12.5), np.inf), "smoothing: found inf"),
        (([0.1], [10.0], None, 520, (6, 12.5), "0.5"), "smoothing: found '0.5'"),
        (([0.1], [10.0], None, 20.0), "bins: found 20.0, expected a whole number"),
        (([0.1], [10.0], None, True), "bins: found True"),
        (([0.1], [10.0], None, 1), "bins: found 1"),
        (([0.1], [10.0], None, 20, (6, np.inf)), "range: found .* expected two increasing finite numbers"),
        (([0.1], [10.0], None, 20, (12, 6)), "range: found"),
        (([0.1], [10.0], None, 20, 6), "range: found 6"),
        (([0.1], [10.0], None, 20, (6, 8, 12)), "range: found"),
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


@pytest.mark.parametrize("estimator", ["nested", "separate", "amortised"])
def test_sources_given_in_the_other_order_exchange_their_parts(sample, estimator):
    options = {"estimator": estimator, "placebo": False, "device": "cpu", **TINY}
    one, other = (decompose_inputs(sample, a, b, **options) for a, b in ((["x"], ["y"]), (["y"], ["x"])))
    np.testing.assert_array_equal(one.unique_1, other.unique_2)
    np.testing.assert_array_equal(one.redundant, other.redundant)
    np.testing.assert_array_equal(one.synergistic, other.synergistic)


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


def test_galaxies_without_a_group_are_counted_and_in_no_block():
    values = np.random.default_rng(4).normal(size=(3, 100))
    group = np.array(["passive", "forming", None, None] * 25, dtype=object)
    table = decompose(*values).mean(bootstrap=0, groups=group)
    assert table.attrs == {"n_held_out": 100, "n_dropped": 0, "n_ungrouped": 50}
    assert set(table.index.get_level_values("group")) == {"passive", "forming"}
    with pytest.raises(ValueError, match="groups: the labels of all 100 held-out galaxies are null"):
        decompose(*values).mean(bootstrap=0, groups=np.full(100, np.nan))


def test_decompose_refuses():
    with pytest.raises(ValueError, match="i12: found 1 values, expected 2, as in i1"):
        decompose([0.0, 1.0], [0.0, 1.0], [0.0])
    with pytest.raises(ValueError, match="i2: 1 of 1 values are infinite"):
        decompose([0.0], [np.inf], [0.0])
    with pytest.raises(ValueError, match="none of 1 galaxies is held out"):
        decompose([np.nan], [0.0], [0.0]).mean()
    with pytest.raises(ValueError, match="groups: found 2 labels"):
        decompose([0.0], [0.0], [0.0]).mean(groups=["a", "b"])
    for arguments, options, message in (
        (([0.0], [0.0], [0.0], -1.0), {}, "error: found negative"),
        (([np.nan], [0.0], [0.0], 0.1), {}, "none of 1 galaxies has all three values"),
        (([0.0], [0.0], [0.0], 0.1), {"n_draws": 0}, "n_draws: found 0"),
        (([0.0], [0.0], [0.0], 0.1), {"n_draws": 2.5}, "n_draws: found 2.5"),
        (([0.0], [0.0], [0.0], 0.1), {"scales": (1.0, np.nan, 2.0)}, "scales: found .* expected at least two finite"),
    ):
        with pytest.raises(ValueError, match=message):
            noise_bias(*arguments, **options)


def test_the_published_widths_have_the_published_number_of_parameters():
    columns = [f"petroMag{part}_{band}" for part in ("", "Err") for band in "ugriz"] + ["EBV"]
    resolved = resolve("Mopt", pd.DataFrame(columns=columns, dtype=float), errors_as_main=True)
    assert (len(resolved.main), len(resolved.extra)) == (10, 1)
    config = InformationConfig(encoder_hidden=(128,) * 20, estimator_hidden=(128,), head="categorical")
    network = information_network(InputSize(10, 1), np.full(520, 1 / 520), config)
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


def test_one_impossible_galaxy_among_those_to_come_costs_a_few_nats():
    """Where no validation galaxy asks for it, a share of the prior is kept all the same."""
    label, prior = np.arange(400) % 4, np.full(4, 0.25)
    logits = np.log(np.where(np.arange(4) == label[:, None], 0.997, 0.001))
    found = calibrate(logits, label, prior)
    assert found.contamination == pytest.approx(0.5 / 400)
    sure = np.array([[0.0, -800.0, -np.inf, -800.0]])
    unseen = found.apply(sure, prior)[0]
    assert np.isfinite(unseen).all() and unseen[1:].min() > np.log(0.25 * 0.5 / 400) - 1e-3
    # Seen in validation they are followed, zeros among them.
    seen = calibrate(np.vstack([logits, sure]), np.append(label, 2), prior)
    assert found.contamination < seen.contamination < 0.05


def test_no_calibration_changes_nothing():
    logits = np.log([[0.2, 0.8]])
    assert Calibration().apply(logits, np.array([0.5, 0.5])) is logits


def test_exchanged_columns_move_together_and_stay_in_their_part():
    catalog = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) + 100, "c": np.arange(20.0)})
    order = exchange_order(20, [np.arange(12), np.arange(12, 20)], seed=0)
    mixed = catalog.assign(**{column: catalog[column].to_numpy()[order] for column in "ab"})
    assert (mixed["b"] - mixed["a"] == 100).all() and (mixed["c"] == catalog["c"]).all()
    assert sorted(mixed["a"][:12]) == list(range(12)) and (mixed["a"] != catalog["a"]).sum() > 10


@pytest.mark.parametrize("estimator", ["nested", "separate", "amortised"])
def test_an_estimate_fills_the_test_split_and_repeats_exactly(sample, estimator):
    options = {"estimator": estimator, "profile": "book", "prior": "histogram", "device": "cpu", **TINY}
    first, again = (estimate_information(sample, ["x"], **options) for _ in range(2))
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


def disturbed(sample: Sample, part: str) -> Sample:
    """The sample with other inputs and masses in one part of the split, far from the true ones."""
    rng, rows = np.random.default_rng(9), sample.rows(part)
    catalog = sample.catalog.copy()
    for column in ("x", "y"):
        catalog.loc[rows, column] = 300 + 200 * rng.standard_normal(len(rows))
    catalog.loc[rows, "lgm_tot_p50"] = rng.uniform(6.1, 12.4, len(rows))
    return Sample.from_frame(catalog, split=sample.split)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        (["x"], {"estimator": "separate"}),
        (["x"], {"estimator": "nested"}),
        (["x", "y"], {"estimator": "nested", "base": ["x"]}),
        (["x", "y"], {"estimator": "amortised"}),
    ],
    ids=["separate", "part", "union", "amortised"],
)
def test_nothing_that_is_chosen_depends_on_test_galaxies(sample, inputs, options, seeds):
    before, after = (
        estimate_information(each, inputs, seeds=seeds, device="cpu", **options, **TINY)
        for each in (sample, disturbed(sample, "test"))
    )
    for name in ("temperature", "contamination", "validation_cross_entropy"):
        assert getattr(before, name) == getattr(after, name), name
    assert before.settings["best_steps"] == after.settings["best_steps"]
    assert after.mean < before.mean - 1  # the change was large where it may be seen


def test_refits_are_calibrated_without_test_galaxies(sample):
    settings = InformationConfig(**TINY)
    fits = [
        Laboratory(each, settings, device="cpu", resample=False, reuse=None).part(["x"], 0)
        for each in (sample, disturbed(sample, "test"))
    ]
    assert fits[0].calibration == fits[1].calibration
    for part in ("train", "validation"):
        np.testing.assert_array_equal(fits[0].log_probability[part], fits[1].log_probability[part])


@pytest.mark.parametrize("part", ["validation", "test"])
def test_scaling_prior_and_first_weights_depend_on_training_galaxies_alone(sample, part):
    first, second = (
        Laboratory(each, InformationConfig(**TINY), device="cpu", resample=False, reuse=None)
        for each in (sample, disturbed(sample, part))
    )
    np.testing.assert_array_equal(first.prior, second.prior)
    scalings = [each.scaling(each.resolve(["x", "y"])) for each in (first, second)]
    assert scalings[0] == scalings[1]
    weights = []
    for each in (first, second):
        data = each.observe(scalings[0], each.sample.catalog, np.zeros((1, each.bins.count)), None)
        weights.append(each.ensemble(data, InformationConfig(**TINY), 0).state_dict())
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])


@pytest.mark.parametrize("resample", [False, True])
def test_out_of_fold_predictions_of_noise_do_not_beat_the_prior(resample):
    rng = np.random.default_rng(12)
    frame = pd.DataFrame(rng.standard_normal((420, 5)), columns=list("abcde"))
    frame["lgm_tot_p50"] = 10 + 0.5 * rng.standard_normal(420)
    noise = Sample.from_frame(frame, split=pd.Series(np.repeat(["train", "validation", "test"], [300, 60, 60])))
    # Large, long and not stopped: a network that saw a galaxy knows its mass by heart.
    config = InformationConfig(
        **TINY | {"encoder_hidden": (128, 128), "steps": 400, "keep": "last", "calibrate": False, "weight_decay": 0.0}
    )
    laboratory = Laboratory(noise, config, device="cpu", resample=resample, reuse=None)
    rows = noise.rows("train")
    label = laboratory.label[rows]
    fit = laboratory.part(list("abcde"), 0)
    own = np.arange(len(rows)), label
    gain = fit.log_probability["train"][own] - np.log(laboratory.prior[label])
    assert gain.mean() < 4 * gain.std() / np.sqrt(len(rows))
    assert gain.mean() < -0.5  # it did overfit: what it learned by heart misleads it elsewhere
    # A few galaxies that misled it very much could hide others that it had seen; probabilities are bounded, and
    # on average as high in a galaxy's own bin as in another galaxy's.
    probability = np.exp(fit.log_probability["train"])
    excess = probability[own] - probability @ (np.bincount(label, minlength=laboratory.bins.count) / len(rows))
    assert excess.mean() < 4 * excess.std() / np.sqrt(len(rows))


def test_seeds_may_come_from_a_generator(sample):
    given = estimate_information(sample, ["x"], seeds=(seed for seed in range(2)), device="cpu", **TINY)
    assert given.settings["seeds"] == [0, 1] and len(given.repeats) == 2
    pair = decompose_inputs(sample, ["x"], ["y"], seeds=iter([np.int64(0)]), placebo=False, device="cpu", **TINY)
    assert pair.estimates[2].settings["seeds"] == [0] and len(pair.repeats) == 1


def test_the_first_part_that_leaves_something_to_add_is_the_base():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        rng.uniform(0.1, 1, (400, 7)), columns=["w1mpro", "w2mpro", "w3mpro", "w1sigmpro", "w2sigmpro", "EBV", "z"]
    )
    frame["lgm_tot_p50"] = 9 + frame["w1mpro"]
    wise = Sample.from_frame(frame, split=pd.Series(np.repeat(["train", "validation", "test"], [240, 60, 100])))
    reuse: dict = {}
    estimate_information(wise, "Mir+Mw1", reuse=reuse, device="cpu", **TINY)
    assert [key[1].name for key in reuse] == ["Mw1", "Mw1"] and {key[0] for key in reuse} == {"part", "union"}


@pytest.fixture
def untrainable(monkeypatch):
    """Forbid training when called."""

    def refuse(*arguments, **options):
        raise AssertionError("a network was trained")

    return lambda: monkeypatch.setattr(module, "fit_ensemble", refuse)


def assert_same_estimates(first, second):
    for name in ("pointwise", "cross_entropy", "pit", "predicted_mass", "repeats"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for name in ("interval", "validation_cross_entropy", "temperature", "contamination", "settings"):
        assert getattr(first, name) == getattr(second, name)


@pytest.mark.parametrize("estimator", ["nested", "separate", "amortised"])
def test_a_later_process_finds_every_finished_fit(sample, tmp_path, untrainable, estimator):
    options = {"estimator": estimator, "seeds": (0, 1), "device": "cpu", "checkpoint_dir": tmp_path / "fits", **TINY}
    pair = decompose_inputs(sample, ["x"], ["y"], **options)
    alone = None if estimator == "amortised" else estimate_information(sample, ["x"], **options)
    files = {path.name for path in (tmp_path / "fits").iterdir()}
    assert len(files) == {"nested": 10, "separate": 6, "amortised": 2}[estimator]
    untrainable()
    again = decompose_inputs(sample, ["x"], ["y"], **options)
    for first, second in zip(pair.estimates, again.estimates, strict=True):
        assert_same_estimates(first, second)
    pd.testing.assert_frame_equal(pair.mean(), again.mean())
    if alone is not None:
        assert_same_estimates(alone, estimate_information(sample, ["x"], **options))
    assert {path.name for path in (tmp_path / "fits").iterdir()} == files


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """Names of the networks that were trained."""
    names, train = [], module.fit_ensemble

    def record(*arguments, **options):
        names.append(options["name"])
        return train(*arguments, **options)

    monkeypatch.setattr(module, "fit_ensemble", record)
    return names


def test_a_killed_computation_goes_on_after_its_last_finished_fit(sample, tmp_path, trained, monkeypatch):
    options = {"base": ["x"], "device": "cpu", **TINY}
    whole = estimate_information(sample, ["x", "y"], **options)
    assert trained == ["x", "x+y"]
    recorded = module.fit_ensemble

    def killed(*arguments, **settings):
        if settings["name"] == "x+y":
            raise KeyboardInterrupt
        return recorded(*arguments, **settings)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(module, "fit_ensemble", killed)
        estimate_information(sample, ["x", "y"], checkpoint_dir=tmp_path, **options)
    resumed = estimate_information(sample, ["x", "y"], checkpoint_dir=tmp_path, **options)
    assert trained == ["x", "x+y", "x", "x+y"]
    assert_same_estimates(whole, resumed)


def test_networks_of_a_pair_may_be_fitted_one_by_one_before_it_is_decomposed(sample, tmp_path, untrainable):
    where = {"seeds": (0, 1), "device": "cpu"}
    pairs, options = {"pair": (["x"], ["y"])}, {"placebo": "second", **where, **TINY}
    expected = decompose_pairs(sample, pairs, **options)["pair"]
    for seed in where["seeds"]:
        for role in ("first", "second"):
            fit_role(session_of(sample, tmp_path, **where), ["x"], ["y"], role, seed)
    for role in ("second exchanged", "union"):
        for seed in where["seeds"]:
            fit_role(session_of(sample, tmp_path, **where), ["x"], ["y"], role, seed)
    untrainable()
    found = decompose_pairs(sample, pairs, checkpoint_dir=tmp_path, **options)["pair"]
    pd.testing.assert_frame_equal(found.mean(bootstrap=50), expected.mean(bootstrap=50))
    with pytest.raises(ValueError, match="role: found 'third', expected one of first, second, union, first exchanged"):
        fit_role(session_of(sample, tmp_path, **where), ["x"], ["y"], "third", 0)


def session_of(sample, folder, **where):
    """What a process of its own opens."""
    return open_session(
        sample,
        estimator="nested",
        profile="book",
        cross_fit=1,
        reuse={},
        checkpoint_dir=folder,
        overrides=TINY,
        **where,
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:5000] + bytes([whole[5000] ^ 255]) + whole[5001:],
    ],
    ids=["empty", "cut off", "one byte"],
)
def test_a_damaged_fit_is_trained_again(sample, tmp_path, trained, damage):
    options = {"device": "cpu", "checkpoint_dir": tmp_path, **TINY}
    first = estimate_information(sample, ["x"], **options)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert_same_estimates(first, estimate_information(sample, ["x"], **options))
    assert trained == ["x", "x"]
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [whole]


@pytest.mark.parametrize("change", ["data", "split", "config", "seed", "code", "torch", "base"])
def test_a_fit_of_anything_else_is_not_taken_for_it(sample, tmp_path, monkeypatch, untrainable, change):
    options = {"device": "cpu", "checkpoint_dir": tmp_path, "base": ["x"], **TINY}
    estimate_information(sample, ["x", "y"], **options)
    catalog, split = sample.catalog.copy(), sample.split.copy()
    if change == "data":
        catalog.loc[399, "y"] += 1e-9
    elif change == "split":
        split[[0, 399]] = split[[399, 0]].to_numpy()
    elif change == "config":
        options |= {"weight_decay": 0.02}
    elif change == "seed":
        options |= {"seeds": (1,)}
    elif change == "code":
        monkeypatch.setattr(module, "library_fingerprint", lambda room: "other" if room == "contrastive" else "")
    elif change == "torch":
        monkeypatch.setattr(module.torch, "__version__", "0.0")
    else:
        options |= {"base": ["y"]}
    untrainable()
    with pytest.raises(AssertionError, match="a network was trained"):
        estimate_information(Sample.from_frame(catalog, split=split), ["x", "y"], **options)


def test_a_file_is_no_folder_for_checkpoints(sample, tmp_path):
    (tmp_path / "fits").write_text("")
    with pytest.raises(ValueError, match="checkpoint_dir: found the file"):
        estimate_information(sample, ["x"], checkpoint_dir=tmp_path / "fits", device="cpu", **TINY)


def test_estimates_refuse(sample):
    for arguments, message in (
        ({"estimator": "magic"}, "estimator: found 'magic', expected one of nested, separate, amortised"),
        ({"device": "abacus"}, "device: found 'abacus'"),
        ({"seeds": ()}, "seeds: found"),
        ({"seeds": (1, 1)}, "seeds: found"),
        ({"seeds": 3}, "seeds: found 3, expected a sequence"),
        ({"seeds": (True,)}, "seeds: found"),
        ({"seeds": "01"}, "seeds: found"),
        ({"profile": "none"}, "profile: found 'none'"),
        ({"colour": 1}, "unknown setting 'colour'"),
        ({"n_folds": 1}, "n_folds: found 1"),
        ({"n_folds": 241}, "n_folds: found 241 for 240 training galaxies"),
        ({"n_bins": 1}, "n_bins: found 1"),
        ({"steps": 0}, "InformationConfig.steps: found 0"),
        ({"encoder_hidden": (0,)}, "InformationConfig.encoder_hidden"),
        ({"learning_rate": np.nan}, "learning_rate: found nan"),
        ({"smoothing": 0.0}, "smoothing: found 0.0"),
        ({"estimator": "separate", "base": ["x"]}, "base: found"),
    ):
        with pytest.raises(ValueError, match=message):
            estimate_information(sample, ["x"], **arguments)
    with pytest.raises(ValueError, match="missing"):
        estimate_information(sample, ["mass of the moon"])
    with pytest.raises(ValueError, match="holds the target 'lgm_tot_p50'"):
        estimate_information(sample, ["x", "lgm_tot_p50"])
    words = replace(sample, catalog=sample.catalog.assign(word="spiral", phase=1j))
    for column in ("word", "phase"):
        with pytest.raises(ValueError, match=f"column '{column}': found values of type"):
            estimate_information(words, ["x", column], device="cpu", **TINY)
    for base in (["y"], ["x"], ["x", "y"]):  # of x: another column, all of it, more than it
        with pytest.raises(ValueError, match="base: found .* expected a part of it"):
            estimate_information(sample, ["x"], base=base, device="cpu", **TINY)
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


def test_only_the_amortised_network_of_columns_goes_by_the_block_of_its_own():
    own = profile_settings("book")["information_amortised"]
    columns, images = information_configs("book", "nested")
    amortised, amortised_images = information_configs("book", "amortised", steps=7)
    assert {name: getattr(amortised, name) for name in own} == own | {"steps": 7}
    assert amortised == replace(columns, **own | {"steps": 7})
    assert amortised_images == replace(images, steps=7)
