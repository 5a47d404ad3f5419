"""Definitions of redundancy: invariances, intervals, verdicts, and what is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest

from helpers.information import InputDecomposition, compare_definitions, decompose
from helpers.information.binning import binned_components, binning_effect
from helpers.information.components import Components, components_of, pooled_components
from helpers.information.conclusions import (
    Conclusion,
    adds_little,
    conclusion_margins,
    conclusions,
    more_synergy,
    mostly_unique,
    positive_synergy,
)
from helpers.information.definitions import DEFINITIONS, definition_table
from helpers.information.gaussian import gaussian_components, gaussian_measures
from helpers.information.measures import bin_numbers, binned_decomposition
from helpers.information.redundancy import three_informations
from helpers.information.summaries import learned_summaries
from helpers.survey import Sample

QUANTITIES = ["I(X1)", "I(X2)", "I(X1,X2)", "R", "U1", "U2", "Syn", "conditional_1", "conditional_2"]
QUICK = {"encoder_hidden": (16,), "estimator_hidden": (16,), "steps": 40, "n_bins": 20, "evaluate_every": 20}


def sources(n_galaxies: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mass, first, second = np.random.default_rng(seed).standard_normal((3, n_galaxies))
    return mass + 0.5 * first, mass + second, mass


def random_tables(n_tables: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(np.prod(shape), 0.5), size=n_tables).reshape(n_tables, *shape)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_takes_tables_together_as_one_by_one_and_does_not_mind_order_or_labels(name):
    redundancy = DEFINITIONS[name].redundancy
    tables = random_tables(6, (3, 2, 4))
    tables[0] = 0.0
    tables[0, 0, 0, 0] = tables[0, 2, 1, 3] = 0.5  # most cells empty, one value of X1 and two of the target never seen
    together = redundancy(tables.reshape(2, 3, 3, 2, 4)).ravel()
    # The iterative definitions stop where they are good to 2e-4.
    near = {"atol": 2e-4 if name == "BROJA" else 1e-5}
    np.testing.assert_allclose(together, [redundancy(table) for table in tables], **near)
    np.testing.assert_allclose(together, redundancy(np.swapaxes(tables, 1, 2)), **near)
    np.testing.assert_allclose(together, redundancy(tables[:, [2, 0, 1]][:, :, ::-1][..., [3, 1, 0, 2]]), **near)


def test_the_table_of_definitions_names_each_once():
    table = definition_table()
    assert list(table.index) == list(DEFINITIONS) and table["redundancy is"].is_unique and table["by"].is_unique
    assert all(len(words.split()) > 4 for words in table["redundancy is"])
    for column, attribute in (("never below zero", "non_negative"), ("pointwise", "pointwise")):
        answers = {True: "yes", False: "no"}
        assert list(table[column]) == [answers[getattr(entry, attribute)] for entry in DEFINITIONS.values()]


def test_the_table_and_the_galaxies_give_the_same_pointwise_components():
    codes = [bin_numbers(values, 4) for values in sources(500)]
    table = compare_definitions(*codes, definitions=("MMI", "pointwise", "MMI"))
    assert list(table.index) == ["pointwise", "MMI"]
    one_by_one = binned_decomposition(*codes).mean(bootstrap=0)["mean"]
    np.testing.assert_allclose(table.loc["pointwise"], one_by_one[["R", "U1", "U2", "Syn"]], atol=1e-12)


def test_several_summaries_are_binned_each_by_itself_and_tell_together():
    x1, x2, mass = sources(2000)
    table = compare_definitions(np.column_stack([x1, x2]), x2, mass, definitions=("MMI",))
    # The first source holds the second: all of it is redundant, and nothing synergistic.
    np.testing.assert_allclose(table.loc["MMI", ["unique_2", "synergy"]], 0, atol=1e-12)


def test_components_of_a_decomposition_are_its_means_with_their_intervals():
    i1, i2, i12 = np.random.default_rng(1).normal(1, 1, (3, 400))
    i1[:3] = np.nan
    parts = decompose(i1, i2, i12)
    found = components_of(parts, bootstrap=300, seed=5)
    pd.testing.assert_frame_equal(
        found.table(), parts.mean(bootstrap=300, seed=5), check_names=False, check_flags=False, obj="components"
    )


def test_components_of_refitted_networks_hold_each_refit():
    i1, i2, i12 = np.random.default_rng(1).normal(1, 1, (3, 400))
    refits = tuple(decompose(i1 + change, i2, i12) for change in (-0.1, 0.0, 0.1))
    own = decompose(i1, i2, i12)
    found = components_of(InputDecomposition(*vars(own).values(), repeats=refits))
    np.testing.assert_allclose(found.refits["I(X1)"] - i1.mean(), [-0.1, 0.0, 0.1])
    alone, wider = components_of(own).table(), found.table()
    assert (wider["high"] - wider["low"])["I(X1)"] > 2 * (alone["high"] - alone["low"])["I(X1)"]
    assert wider.loc["I(X2)", "low"] == pytest.approx(alone.loc["I(X2)", "low"])


def test_components_repeat_exactly_keep_the_sums_and_say_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, again = (binned_components(*sources(400), n_bins=3, bootstrap=20, seed=3) for _ in range(2))
    assert list(first) == list(DEFINITIONS)
    for name, components in first.items():
        pd.testing.assert_frame_equal(components.draws, again[name].draws)
        for row in (components.estimate, *(components.draws.iloc[i] for i in (0, 7))):
            assert row["R"] + row["U1"] + row["U2"] + row["Syn"] == pytest.approx(row["I(X1,X2)"], abs=1e-10)
            assert row["U2"] + row["Syn"] == pytest.approx(row["conditional_2"], abs=1e-10)
        assert (components.table()["low"] <= components.table()["high"]).all()


def test_without_draws_there_is_no_interval():
    table = binned_components(*sources(100), definitions=("MMI",), bootstrap=0)["MMI"].table()
    assert table["mean"].notna().all() and table[["low", "high"]].isna().all(axis=None)


def test_draws_of_pairs_of_the_same_galaxies_are_of_the_same_galaxies():
    x1, x2, mass = sources(300)
    pairs = {"a": (x1, x2), "b": (-x1, np.exp(x2))}  # the same but for maps that keep the bins
    found = {name: binned_components(*pair, mass, definitions=("IG",), seed=2) for name, pair in pairs.items()}
    margins = conclusion_margins(found, [more_synergy("a", "b")])
    assert found["a"]["IG"].draws["Syn"].std() > 0
    np.testing.assert_allclose(margins[["margin", "low", "high"]], 0, atol=1e-9)


def test_the_effect_of_binning_has_a_row_for_each_number_definition_and_quantity():
    x1, x2, mass = sources(300)
    table = binning_effect(x1, x2, mass, n_bins=(2, 3), definitions=("MMI", "SX"), bootstrap=20)
    assert len(table) == 2 * 2 * len(QUANTITIES) and list(table["quantity"].unique()) == QUANTITIES
    row = table[(table["n_bins"] == 3) & (table["definition"] == "SX") & (table["quantity"] == "R")].iloc[0]
    plugin = compare_definitions(x1, x2, mass, n_bins=3, definitions=("SX",)).loc["SX", "redundancy"]
    assert row["plugin"] == pytest.approx(plugin, abs=1e-12)
    assert row["low"] < row["mean"] < row["high"] and row["galaxies_per_cell"] == pytest.approx(300 / 27)


def test_refits_that_trade_one_component_for_another_widen_their_difference_alone():
    none = pd.DataFrame(np.zeros((4000, 9)), columns=QUANTITIES)
    refits = []
    for change in (-0.1, 0.0, 0.05, 0.05):  # R + U2, what the second source tells, is the same for all
        estimate = pd.Series(dict.fromkeys(QUANTITIES, 0.0) | {"R": 0.3 + change, "U2": 0.4 - change})
        refits.append({"MMI": Components(estimate, none + estimate)})
    pooled = pooled_components(refits)["MMI"]
    spread = pooled.spread()
    np.testing.assert_allclose(spread["R"] + spread["U2"], 0.7, atol=1e-12)
    # Student's t with three degrees of freedom, of the standard error of four refits.
    error = np.std([-0.2, 0.0, 0.1, 0.1], ddof=1) / 2
    low, high = np.percentile(spread["U2"] - spread["R"], [2.5, 97.5])
    np.testing.assert_allclose([low, high], [0.1 - 3.18 * error, 0.1 + 3.18 * error], atol=0.04)
    table = pooled.table()
    assert table.loc["Syn", "low"] == table.loc["Syn", "high"] == 0 and table.loc["R", "low"] < 0.25
    # Two pairs of sources are refitted apart: the same refits do not cancel.
    found = {"a": {"MMI": pooled}, "b": {"MMI": pooled}}
    more = Conclusion("more", "a more redundant than b", ("a", "b"), lambda a, b: a["R"] - b["R"])
    margin = conclusion_margins(found, [more]).iloc[0]
    assert margin["margin"] == 0 and margin["high"] - margin["low"] > table.loc["R", "high"] - table.loc["R", "low"]


def components(rng: np.random.Generator, **means: float) -> Components:
    """Components with given means and draws of deviation 0.1."""
    estimate = pd.Series(dict.fromkeys(QUANTITIES, 0.0) | means)
    return Components(estimate, pd.DataFrame(rng.normal(estimate, 0.1, (500, 9)), columns=QUANTITIES))


def test_verdicts_are_by_intervals_and_say_where_definitions_differ():
    rng = np.random.default_rng(0)
    found = {
        "a": {"first": components(rng, Syn=1.0, U2=1.0), "second": components(rng, Syn=1.0, R=1.0)},
        "b": {"first": components(rng, Syn=0.05), "second": components(rng, Syn=-1.0)},
    }
    statements = [
        positive_synergy("a"),
        positive_synergy("b"),
        more_synergy("b", "a"),
        mostly_unique("a"),
        adds_little("a", 0.5),
        Conclusion("own", "any function will do", ("a", "b"), lambda a, b: a["U2"] + b["Syn"] - 0.5),
    ]
    table = conclusions(found, statements)
    assert table.to_numpy().tolist() == [
        ["yes", "yes", "yes"],
        ["undecided", "no", "undecided"],
        ["no", "no", "no"],
        ["yes", "no", "differ"],
        ["yes", "yes", "yes"],
        ["yes", "no", "differ"],
    ]
    assert list(table.columns) == ["first", "second", "agree"]
    margins = conclusion_margins(found, statements[:1])
    assert margins["margin"].tolist() == [1.0, 1.0] and (margins["low"] > 0.7).all()


def test_a_summary_depends_on_its_own_input_alone_and_repeats_exactly():
    sample = summary_sample()
    first, again = (learned_summaries(sample, ["x"], ["y", "w"], device="cpu", seed=1, **QUICK) for _ in range(2))
    np.testing.assert_array_equal(first.second, again.second)
    np.testing.assert_array_equal(first.pointwise, again.pointwise)
    assert (first.pointwise.notna().all(axis=1) == (sample.split.to_numpy() == "test")).all()
    rows = sample.rows("test")
    catalog = sample.catalog.copy()
    catalog.loc[rows, "y"] = catalog.loc[rows[::-1], "y"].to_numpy()
    other = learned_summaries(
        Sample.from_frame(catalog, split=sample.split), ["x"], ["y", "w"], device="cpu", seed=1, **QUICK
    )
    np.testing.assert_array_equal(first.first, other.first)
    assert (first.second != other.second).any()
    assert (first.pointwise["I(X2)"][rows] != other.pointwise["I(X2)"][rows]).any()


def test_features_may_stand_in_the_place_of_an_input():
    sample = summary_sample()
    features = sample.catalog[["y", "w"]].to_numpy() * [3.0, 5.0] + 100
    found = learned_summaries(sample, ["x"], features, n_summaries=2, device="cpu", **QUICK)
    assert found.first.shape == found.second.shape == (300, 2)
    assert found.settings["inputs"] == ("x", "b")


def summary_sample() -> Sample:
    x, y, w = np.random.default_rng(4).standard_normal((3, 300))
    frame = pd.DataFrame({"x": x, "y": y, "w": w, "lgm_tot_p50": 9.5 + 0.3 * (x + y)})
    return Sample.from_frame(frame, split=pd.Series(["train"] * 200 + ["validation"] * 40 + ["test"] * 60))


def test_definitions_refuse():
    x1, x2, mass = sources(50)
    own = components(np.random.default_rng(0))
    for call, message in (
        (lambda: compare_definitions(x1, x2, mass, library="dot"), "library: found 'dot', expected 'ours' or 'dit'"),
        (lambda: binned_components(x1, x2, mass, definitions=("vibes",)), "definitions: found 'vibes'"),
        (lambda: binned_components(x1, x2, mass, bootstrap=-1), "bootstrap: found -1"),
        (lambda: binned_components(x1, x2, mass[:9]), "found 50 in x1, 50 in x2, 9 in target"),
        (lambda: binned_components(x1[:7], x2[:7], mass[:7]), "found 7 galaxies, expected at least 8"),
        (lambda: binned_components(np.full(50, np.nan), x2, mass), "50 not finite"),
        (lambda: bin_numbers(np.zeros((2, 3, 4)), 2, "x1"), r"x1: found shape \(2, 3, 4\)"),
        (lambda: binning_effect(x1, x2, mass, n_bins=()), "n_bins: found none"),
        (lambda: binned_components(*sources(60), n_bins=60), "n_bins: found 60, which make 216,000 cells for 60 gal"),
        (lambda: binning_effect(x1, x2, np.arange(50)), "target: found whole numbers"),
        (lambda: binning_effect(x1, x2, mass, n_permutations=0.5), "n_permutations: found 0.5"),
        (lambda: pooled_components([]), "refits: found none"),
        (lambda: pooled_components([{"MMI": own}, {}]), r"refits: found \[{'MMI': 500}, {}\] draws"),
        (lambda: components_of(decompose([np.nan], [0.0], [0.0])), "none of 1 galaxies is held out"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_gaussian_measures_refuse():
    x1, x2, mass = sources(50)
    for call, message in (
        (lambda: gaussian_measures(np.eye(2)), r"covariance: found shape \(2, 2\)"),
        (lambda: gaussian_measures(np.ones((3, 3))), "not positive definite"),
        (lambda: gaussian_measures([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]), "expected a symmetric finite one"),
        (lambda: gaussian_measures(np.eye(3), 2), "n_first: found 2, expected a whole number from 1 to 1"),
        (lambda: gaussian_components(x1, x2[:9], mass), "found 50, 9 and 50 galaxies"),
        (lambda: gaussian_components(x1, np.exp(x1), mass), "repeat each other"),
        (lambda: gaussian_components(x1, np.ones(50), mass), "x2: column 0 is constant"),
        (lambda: gaussian_components(x1, x2, np.column_stack([mass, x1])), "target: found 2 columns"),
        (lambda: gaussian_components(["a"] * 50, x2, mass), "x1: found values that are not numbers"),
        (lambda: gaussian_components(x1, x2, mass, bootstrap=None), "bootstrap: found None"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_summaries_refuse():
    sample = summary_sample()
    missing = np.full(300, np.nan)
    for arguments, options, message in (
        ((["x"], ["mass of the moon"]), {}, "missing"),
        ((["x"], np.zeros((299, 1))), {}, r"b: found shape \(299, 1\), expected a row of features for each of 300"),
        ((missing, ["x"]), {}, "a: 300 of 300 galaxies have features that are not finite"),
        ((np.ones(300), ["x"]), {}, "a: feature 0 is constant"),
        ((np.array(["x"] * 300), ["x"]), {}, "a: found an array of type <U1"),
        ((["x"], ["y"]), {"n_summaries": 0}, "n_summaries: found 0"),
        ((["x"], ["y"]), {"alone": -1}, "alone: found -1"),
        ((["x"], ["y"]), {"seed": 0.5}, "seed: found 0.5"),
        ((["x"], ["y"]), {"stepz": 3}, "unknown setting 'stepz'"),
    ):
        with pytest.raises(ValueError, match=message):
            learned_summaries(sample, *arguments, device="cpu", **options)
    with pytest.raises(ValueError, match="expected at least 40"):
        learned_summaries(sample.take(np.r_[0:20, 200:300]), ["x"], ["y"])


def test_conclusions_refuse():
    own = components(np.random.default_rng(0))
    found, short = {"a": {"MMI": own}}, Components(own.estimate, own.draws.head(1))
    for given, statements, message in (
        ({}, [positive_synergy("a")], "components: found no pair of sources with a definition"),
        ({"a": {}}, [positive_synergy("a")], "components: found no pair of sources with a definition"),
        (found, [], r"statements: found the names \[\]"),
        (found, [positive_synergy("a")] * 2, r"statements: found the names \['a: synergy', 'a: synergy'\]"),
        (found, [positive_synergy("b")], "components: 'b' is missing, expected it among a"),
        (found | {"b": {"IG": own}}, [more_synergy("a", "b")], "components: found IG of 'b', expected .* 'a': MMI"),
        (found | {"b": {"MMI": short}}, [more_synergy("a", "b")], r"found \[1, 500\] draws of a, b under 'MMI'"),
        ({"a": {"MMI": short}}, [positive_synergy("a")], r"components: found \[1\] draws of a under 'MMI'"),
    ):
        with pytest.raises(ValueError, match=message):
            conclusions(given, statements)


def test_three_informations_of_independent_sources_are_zero():
    table = np.einsum("i,j,k->ijk", [0.2, 0.8], [0.5, 0.5], [0.1, 0.9])
    np.testing.assert_allclose(three_informations(table), 0, atol=1e-12)
