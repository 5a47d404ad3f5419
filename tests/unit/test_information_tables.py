"""Tables of decompositions: groups, bins, and the galaxies that hold the synergy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from helpers.information import InformationTuple, InputDecomposition, decompose
from helpers.information.tables import (
    band_that_adds_most,
    decomposition_table,
    running_components,
    synergy_extremes,
    synergy_profile,
)
from helpers.star_formation import STAR_FORMATION_CLASSES, star_formation_class
from helpers.survey import Sample

N = 400


def decomposition(seed: int = 0, n_galaxies: int = N):
    return decompose(*np.random.default_rng(seed).normal(1, 1, (3, n_galaxies)))


def of_synergy(synergy: np.ndarray, refits: np.ndarray | None = None) -> InputDecomposition:
    """A decomposition with this pointwise synergy and nothing else."""
    nothing = np.zeros_like(synergy)
    repeats = () if refits is None else tuple(decompose(nothing, nothing, one) for one in refits)
    return InputDecomposition(nothing, nothing, nothing, synergy, repeats=repeats)


def with_columns(**columns) -> Sample:
    catalog = pd.DataFrame({"lgm_tot_p50": 10.0, **columns})
    return Sample(catalog, pd.Series("test", catalog.index))


def test_classes_by_specific_star_formation_rate():
    classes = star_formation_class(pd.Series([-11.0, -11.01, -10.5, -10.51, np.nan]))
    assert classes.tolist()[:4] == ["other", "passive", "star-forming", "other"] and pd.isna(classes[4])
    assert tuple(classes.categories) == STAR_FORMATION_CLASSES
    with pytest.raises(ValueError, match="log_specific_rate: found values that are not numbers"):
        star_formation_class(["passive"])
    with pytest.raises(ValueError, match="log_specific_rate: found shape \\(1, 1\\)"):
        star_formation_class([[-11.0]])


def test_the_table_holds_every_tuple_and_class_once_in_order():
    parts = {"<b>": decomposition(0), "<a>": decomposition(1)}
    classes = star_formation_class(np.where(np.arange(N) < 300, -12.0, -9.0))
    table = decomposition_table(parts, classes, bootstrap=50)
    assert list(table["tuple"].unique()) == ["<b>", "<a>"]
    assert list(table["group"].unique()) == ["all", "star-forming", "passive"]  # no galaxy is other
    assert not table.duplicated(["tuple", "group", "quantity"]).any()
    passive = table[(table["tuple"] == "<a>") & (table["group"] == "passive")].set_index("quantity")
    assert (passive["n_galaxies"] == 300).all()
    expected = parts["<a>"].table().iloc[:300].mean()
    np.testing.assert_allclose(passive["mean"], expected[passive.index])
    assert ((table["low"] < table["mean"]) & (table["mean"] < table["high"])).all()


def test_the_table_refuses():
    with pytest.raises(ValueError, match="decompositions: found none"):
        decomposition_table({})
    with pytest.raises(ValueError, match="groups: found the label 'all'"):
        decomposition_table({"a": decomposition()}, np.repeat(["all", "b"], N // 2))


def test_running_means_are_those_of_the_bins_and_unknown_values_are_counted():
    parts = decomposition()
    by = np.arange(N, dtype=float)
    by[:10] = np.nan
    table = running_components(parts, by, edges=[0, 100, 200, 399], bootstrap=20)
    synergy = table[table["quantity"] == "Syn"].set_index("bin")
    for i, rows in enumerate((slice(10, 100), slice(100, 200), slice(200, 400))):  # the last edge belongs to its bin
        assert synergy.loc[i, "mean"] == pytest.approx(parts.synergistic[rows].mean())
        assert synergy.loc[i, "n_galaxies"] == len(by[rows])
    assert synergy.loc[1, "centre"] == 149.5 and table.attrs == {"n_outside": 10}


def test_an_empty_bin_is_a_gap_and_repeated_values_make_fewer_bins():
    table = running_components(decomposition(n_galaxies=4), [0.1, 0.2, 2.5, np.inf], edges=[0, 1, 2, 3], bootstrap=0)
    empty = table[table["bin"] == 1]
    assert empty["mean"].isna().all() and (empty["n_galaxies"] == 0).all() and len(empty) == 9
    assert table.attrs == {"n_outside": 1}
    alike = running_components(decomposition(), np.ones(N), bootstrap=0)
    assert alike["bin"].max() == 0 and (alike["n_galaxies"] == N).all()
    by_quantile = running_components(decomposition(), np.arange(N), n_bins=8, bootstrap=0)
    assert set(by_quantile["n_galaxies"]) == {50}


@pytest.mark.parametrize(
    ("by", "options", "message"),
    [
        (np.ones(3), {}, "by: found 3 values, expected one for each of 400 galaxies"),
        (np.full(N, np.nan), {}, "by: known for none of 400 held-out galaxies"),
        (np.full(N, "a"), {}, "by: found values that are not numbers"),
        (np.ones(N), {"n_bins": 0}, "n_bins: found 0"),
        (np.ones(N), {"edges": [1, 1]}, "edges: found \\[1, 1\\], expected at least two increasing"),
        (np.ones(N), {"edges": [2, 3]}, "edges: none of 400 galaxies lies between 2 and 3"),
    ],
)
def test_running_components_refuses(by, options, message):
    with pytest.raises(ValueError, match=message):
        running_components(decomposition(), by, **options)


def test_extremes_are_the_ends_of_the_held_out_galaxies():
    synergy = np.array([0.0, 3.0, -2.0, 1.0, np.nan, 2.0])
    found = synergy_extremes(of_synergy(synergy), share=0.4)
    assert found.top.tolist() == [1, 5] and found.bottom.tolist() == [2, 0]
    assert found.means == (2.5, -1.0)


def test_extremes_of_noise_are_gone_when_other_refits_measure_them():
    refits = np.random.default_rng(2).normal(0, 1, (3, 5000))
    parts = of_synergy(refits.mean(axis=0), refits)
    selected, measured = synergy_extremes(parts), synergy_extremes(parts, rank_by=0)
    # The mean of the top fifth of a normal variable is 1.40 standard deviations.
    assert selected.means[0] == pytest.approx(1.40 / np.sqrt(3), abs=0.03)
    assert measured.means == pytest.approx((0, 0), abs=4 / np.sqrt(2 * 1000))
    assert measured.ranked_by == 0


@pytest.mark.parametrize(
    ("parts", "options", "message"),
    [
        (of_synergy(np.arange(5.0)), {"share": 0.6}, "share: found 0.6"),
        (of_synergy(np.array([1.0, np.nan])), {}, "decomposition: 1 galaxies are held out"),
        (of_synergy(np.arange(5.0)), {"rank_by": 0}, "rank_by: found 0 of 0 refits"),
        (of_synergy(np.arange(5.0), np.zeros((2, 5))), {"rank_by": 2}, "rank_by: found 2 of 2 refits"),
    ],
)
def test_extremes_refuse(parts, options, message):
    with pytest.raises(ValueError, match=message):
        synergy_extremes(parts, **options)


def test_the_profile_recovers_a_planted_difference_and_no_other():
    rng = np.random.default_rng(3)
    n_galaxies = 4000
    synergy = rng.permutation(np.arange(n_galaxies, dtype=float))
    planted = rng.normal(0, 1, n_galaxies) + 0.5 * (synergy >= 3200)
    columns = {f"noise_{i}": rng.normal(0, 1, n_galaxies) for i in range(20)}
    columns["noise_0"][:100] = np.nan
    sample = with_columns(planted=planted, few=np.where(synergy > 3996, 1.0, np.nan), **columns)
    table = synergy_profile(of_synergy(synergy), sample, ["few", *columns, "planted", "lgm_tot_p50"])
    # Of two normal sets 0.5 standard deviations apart, P(x > y) - P(x < y) = 2 Phi(0.5 / sqrt 2) - 1.
    truth = 2 * norm.cdf(0.5 / np.sqrt(2)) - 1
    assert table.index[0] == "planted" and table.loc["planted", "low"] < truth < table.loc["planted", "high"]
    assert list(table.index[table["p_adjusted"] < 0.05]) == ["planted"]
    assert table.loc["planted", "median_top"] - table.loc["planted", "median_bottom"] == pytest.approx(0.5, abs=0.2)
    assert np.isnan(table.loc["few", "effect"]) and table.loc["few", ["n_top", "n_bottom"]].tolist() == [3, 0]
    assert table.loc["lgm_tot_p50", ["effect", "p_value"]].tolist() == [0.0, 1.0]  # the same for all galaxies
    assert table.attrs == {"synergy_top": 3599.5, "synergy_bottom": 399.5, "ranked_by": None}


def test_the_interval_of_the_effect_covers_as_often_as_it_says():
    rng = np.random.default_rng(4)
    truth, covered = 2 * norm.cdf(0.8 / np.sqrt(2)) - 1, []
    for _ in range(300):
        values = np.concatenate([rng.normal(0, 1, 60), np.zeros(180), rng.normal(0.8, 1, 60)])
        table = synergy_profile(of_synergy(np.arange(300.0)), with_columns(x=values), ["x"])
        covered.append(table.loc["x", "low"] < truth < table.loc["x", "high"])
    # 4 standard errors of a share of 300; normal theory is a little short at 60 galaxies an end.
    assert np.mean(covered) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 300))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([], "columns: found \\[\\]"),
        (["x", "x"], "columns: found \\['x', 'x'\\]"),
        (["y"], "columns: 'y' is missing, the catalogue has lgm_tot_p50, x, name"),
        (["name"], "columns: 'name' holds .*, expected numbers"),
    ],
)
def test_the_profile_refuses_columns(columns, message):
    sample = with_columns(x=np.zeros(5), name=list("abcde"))
    with pytest.raises(ValueError, match=message):
        synergy_profile(of_synergy(np.arange(5.0)), sample, columns)


def test_the_profile_refuses_another_sample():
    with pytest.raises(ValueError, match="decomposition: found 4 galaxies, expected the sample's 5"):
        synergy_profile(of_synergy(np.arange(4.0)), with_columns(x=np.zeros(5)), ["x"])


def test_the_band_that_adds_most_is_a_single_one_of_all_galaxies():
    rows = [("<Mu, rest>", "all", 0.1), ("<Mg, rest>", "all", 0.2), ("<Mu+Mg, rest>", "all", 0.9)]
    rows += [("<Mu, rest>", "passive", 0.8)]
    table = pd.DataFrame(rows, columns=["tuple", "group", "mean"]).assign(quantity="conditional_1")
    table = pd.concat([table, table.assign(quantity="Syn", mean=1 - table["mean"])], ignore_index=True)
    bands = {"<Mu, rest>": ("u",), "<Mg, rest>": ("g",), "<Mu+Mg, rest>": ("u", "g")}
    tuples = [InformationTuple(name, "a", "b", "photometric band", ("a", "b"), own) for name, own in bands.items()]
    assert band_that_adds_most(tuples, table) == ("g", 0.2)
