"""Searches for causal graphs on planted ones; what is prepared, resampled and refused."""

import numpy as np
import pandas as pd
import pytest

from helpers.causal import (
    CausalGraph,
    agreement,
    bootstrap_edges,
    bootstrap_graphs,
    determinism,
    discover,
    edge_frequencies,
    hidden_variable_experiment,
    normal_scores,
    pc_graph,
    rescaled,
)
from helpers.causal.discovery import _METHODS


@pytest.fixture(scope="module")
def variables():
    """A collider a -> c <- b followed by c -> d; and the chain u -> v -> w."""
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(7, 2000))
    a, b, u = noise[:3]
    c = a + b + noise[3]
    v = u + noise[4]
    return pd.DataFrame({"a": a, "b": b, "c": c, "d": c + noise[5], "u": u, "v": v, "w": v + noise[6]})


@pytest.fixture(scope="module")
def confounded():
    """A hidden h causes p and q, which have one more cause each: x -> p <- h -> q <- y."""
    x, y, h, *noise = np.random.default_rng(3).normal(size=(5, 3000))
    return pd.DataFrame({"x": x, "p": x + h + 0.7 * noise[0], "q": y + h + 0.7 * noise[1], "y": y, "h": h})


COLLIDER = CausalGraph(("a", "b", "c", "d"), (("a", "c", "directed"), ("b", "c", "directed"), ("c", "d", "directed")))


@pytest.mark.parametrize("options", [{}, {"test": "rank"}, {"method": "ges"}], ids=str)
def test_collider_is_directed_and_its_effect_too(variables, options):
    assert discover(variables[["d", "c", "b", "a"]], **options) == COLLIDER


def test_fci_leaves_open_whether_a_cause_is_hidden_behind_the_first_arrows(variables):
    marks = (("a", "c", "partially directed"), ("b", "c", "partially directed"), ("c", "d", "directed"))
    assert discover(variables[["d", "c", "b", "a"]], "fci") == CausalGraph(("a", "b", "c", "d"), marks)


@pytest.mark.parametrize("bend", [np.exp, lambda x: x**3])
def test_ranks_do_not_see_a_monotone_transformation(variables, bend):
    frame = variables[["a", "b", "c", "d"]]
    assert discover(bend(frame), test="rank") == discover(frame, test="rank") == COLLIDER
    pd.testing.assert_frame_equal(normal_scores(bend(frame)), normal_scores(frame))


def test_chain_stays_undirected_until_tiers_direct_it(variables):
    chain = variables[["u", "v", "w"]]
    undirected = CausalGraph(("u", "v", "w"), (("v", "u", "undirected"), ("v", "w", "undirected")))
    assert pc_graph(chain) == undirected
    later = pc_graph(chain, tiers={"u": 0, "v": 1, "w": 2})
    assert later == CausalGraph(("u", "v", "w"), (("u", "v", "directed"), ("v", "w", "directed")))
    backwards = pc_graph(chain, tiers={"u": 2, "v": 1, "w": 0})
    assert backwards == CausalGraph(("u", "v", "w"), (("w", "v", "directed"), ("v", "u", "directed")))


def test_fci_turns_tiers_into_arrowheads_and_not_into_causes(variables, confounded):
    # From v alone, u may be a cause or share one with it; w then follows from v, which no collider explains.
    chain = discover(variables[["u", "v", "w"]], "fci", tiers={"u": 0, "v": 1})
    assert chain == CausalGraph(("u", "v", "w"), (("u", "v", "partially directed"), ("v", "w", "directed")))
    # A hidden common cause of variables in two tiers stays one.
    seen = confounded.drop(columns="h")
    assert discover(seen, "fci", tiers={"p": 0, "q": 1}).edge_kind("p", "q") == "bidirected"
    assert discover(seen, "fci", tiers={"x": 1, "y": 1, "p": 2, "q": 3}).edge_kind("p", "q") == "bidirected"


def test_lingam_tells_the_direction_where_noise_is_not_normal():
    a, *noise = np.random.default_rng(2).uniform(-1, 1, size=(4, 3000))
    b = a + noise[0]
    frame = pd.DataFrame({"c": 0.8 * b - 0.5 * a + noise[1], "b": b, "a": a, "alone": noise[2]})
    planted = (("a", "b", "directed"), ("b", "c", "directed"), ("a", "c", "directed"))
    nodes = tuple(frame)
    assert discover(frame, "direct-lingam", alpha=0.001) == CausalGraph(nodes, planted)
    # Knowledge is followed even where it is wrong: a may cause nothing before it.
    forced = discover(frame, "direct-lingam", alpha=0.001, tiers={"c": 0, "b": 1, "a": 2})
    assert {forced.edge_kind("c", "b"), forced.edge_kind("b", "a"), forced.edge_kind("c", "a")} == {"directed"}


def test_marginal_baseline_joins_what_only_goes_together(variables):
    graph = discover(variables[["a", "b", "c", "d", "u"]], "marginal")
    assert graph.has_edge("a", "d") and not graph.has_edge("a", "b") and not graph.arrowheads()
    assert not any("u" in edge for edge in graph.edges)


def test_hidden_variable_is_found_by_fci_and_misread_by_pc(confounded):
    table = hidden_variable_experiment(confounded, "h").set_index(["a", "b"])
    assert table.loc[("p", "q"), ["pc", "fci"]].tolist() == ["", ""]
    assert table.loc[("p", "q"), "fci_hidden"] == "<->"
    assert table.loc[("x", "p"), ["pc", "pc_hidden"]].tolist() == ["-->", "-->"]
    assert list(table.index) == [("x", "p"), ("p", "q"), ("q", "y")]
    with pytest.raises(ValueError, match="hide: found 'z', expected a column"):
        hidden_variable_experiment(confounded, "z")
    # Rows of which the hidden value is unknown or infinite are in none of the four graphs.
    spoilt = pd.concat([confounded, confounded.assign(q=-5 * confounded["p"], h=np.inf)], ignore_index=True)
    pd.testing.assert_frame_equal(hidden_variable_experiment(spoilt, "h"), table.reset_index())


def test_rows_with_nulls_are_dropped_and_counted(variables):
    frame = variables[["a", "c"]].copy()
    frame.loc[:99, "a"] = np.nan
    graph = pc_graph(frame)
    assert (graph.metadata["n_rows"], graph.metadata["n_used"]) == (2000, 1900)
    assert graph.has_edge("c", "a") and graph.edge_kind("c", "a") == "undirected"
    assert discover(frame, n_rows=500).metadata["n_used"] == 500
    assert discover(frame, n_rows=5000).metadata["n_used"] == 1900


@pytest.mark.parametrize("method", _METHODS)
def test_a_search_is_silent_and_leaves_the_global_random_state_alone(method, variables, capsys):
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    discover(variables[["a", "b", "c", "u"]], method)
    assert np.random.random() == expected
    assert capsys.readouterr() == ("", "")


def test_bootstrap_frequencies(variables):
    table = bootstrap_edges(variables[["a", "b", "c"]], 10, seed=1).set_index(["a", "b"])
    assert table.loc[("a", "c"), "any"] == 1 and table.loc[("b", "c"), "any"] == 1
    assert table.loc[("a", "c"), "a_to_b"] >= 0.7 and table.loc[("a", "b"), "any"] <= 0.3
    assert (table["a_to_b"] + table["b_to_a"] <= table["any"] + 1e-12).all()
    pd.testing.assert_frame_equal(table.reset_index(), bootstrap_edges(variables[["a", "b", "c"]], 10, seed=1))


def test_frequencies_are_counted_by_hand():
    kinds = ("directed", "bidirected", "unknown", None)
    graphs = [CausalGraph(("a", "b"), () if kind is None else (("b", "a", kind),)) for kind in kinds]
    row = edge_frequencies(graphs).iloc[0]
    expected = {"any": 0.75, "a_to_b": 0, "b_to_a": 0.25, "latent": 0.25, "arrow_at_a": 0.5, "arrow_at_b": 0.25}
    assert row.drop(["a", "b"]).to_dict() == expected
    with pytest.raises(ValueError, match="graphs: found none"):
        edge_frequencies([])
    with pytest.raises(ValueError, match="different nodes"):
        edge_frequencies([CausalGraph(("a", "b")), CausalGraph(("a", "c"))])


def test_smaller_resamples_find_fewer_edges(variables):
    weak = variables[["a", "b"]].assign(e=0.1 * variables["a"] + variables["w"])
    shares = [bootstrap_edges(weak, 20, n_rows=n, seed=0)["any"].sum() for n in (50, 2000)]
    assert shares[0] < shares[1]


def test_a_resample_without_the_rare_value_is_drawn_again(variables):
    # Two rows in 200 differ: one resample in seven misses both, and forty draws without a miss are as likely
    # as 0.002.
    frame = variables.loc[:199, ["a", "c"]].assign(rare=np.r_[1.0, -1.0, np.zeros(198)])
    table = bootstrap_edges(frame, 40, seed=2).set_index(["a", "b"])
    assert np.isfinite(table.to_numpy()).all() and table.loc[("a", "c"), "any"] == 1
    pd.testing.assert_frame_equal(table.reset_index(), bootstrap_edges(frame, 40, seed=2))


def test_resamples_that_never_vary_are_refused(monkeypatch, variables):
    monkeypatch.setattr("helpers.causal.discovery._MOST_DRAWS", 1)
    frame = variables.loc[:199, ["a", "c"]].assign(rare=np.r_[1.0, np.zeros(199)])
    with pytest.raises(ValueError, match=r"in each of 1 resamples columns \['rare'\] are constant"):
        bootstrap_edges(frame, 40)


def test_scales_straighten_and_refuse():
    frame = pd.DataFrame({"a": [1.0, 10.0, np.nan], "b": [0.5, 0.9, 0.1], "c": [0.0, 60.0, 90.0], "d": [1.0, 2.0, 3.0]})
    got = rescaled(frame, {"a": "log", "b": "logit", "c": "cosine"})
    expected = [[0, 0, 1, 1], [1, np.log(9), 0.5, 2], [np.nan, -np.log(9), 0, 3]]
    np.testing.assert_allclose(got.to_numpy(), expected, atol=1e-12)
    for column, scale, message in (
        ("a", "root", "found 'root' for 'a'"),
        ("z", "log", "found 'z', expected columns"),
        ("c", "log", "column 'c' holds 0, expected positive values"),
        ("d", "logit", "column 'd' holds 1, expected values between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            rescaled(frame, {column: scale})


def test_determinism_sees_products_and_not_independent_columns(variables):
    size, distance, alone = np.exp(0.5 * variables[["a", "b", "u"]].to_numpy().T)
    table = determinism(pd.DataFrame({"size": size, "distance": distance, "angle": size / distance, "alone": alone}))
    shares = table.set_index("column")["r_squared"]
    assert (shares[["size", "distance", "angle"]] > 0.99).all() and shares["alone"] < 0.01
    assert table["near_function"].tolist() == [True, True, True, False]
    # R^2 = 1 - 1 / 2 for c = a + noise of the same variance.
    pair = pd.DataFrame({"a": variables["u"], "c": variables["v"]})
    assert determinism(pair)["r_squared"].to_numpy() == pytest.approx(0.5, abs=0.05)
    assert determinism(pair.assign(twice=2 * pair["a"]))["r_squared"].max() == pytest.approx(1)
    with pytest.raises(ValueError, match="near: found 0"):
        determinism(pair, near=0)
    with pytest.raises(ValueError, match=r"columns \['k'\] are constant"):
        determinism(pair.assign(k=1.0))


def test_agreement_with_local_tests_edge_by_edge():
    frequencies = pd.DataFrame({"a": ["mass", "r", "mass"], "b": ["z", "mass", "n"], "any": [1.0, 0.2, 0.9]})
    tests = pd.DataFrame(
        {"query": ["z", "r", "n", "other"], "statistic": [0.4, 0.1, 0.0, 0.3], "p (BH)": [0.01, 0.01, 0.6, 0.01]}
    )
    table = agreement(frequencies, tests).set_index("query")
    assert table["frequency"].to_dict() == {"z": 1.0, "r": 0.2, "n": 0.9}
    assert table["agree"].to_dict() == {"z": True, "r": False, "n": False}
    graph = CausalGraph(("mass", "z", "r"), (("mass", "z", "unknown"),))
    assert agreement(graph, tests)["frequency"].tolist() == [1.0, 0.0]
    for change, message in (
        ({"target": "m"}, "target: found 'm'"),
        ({"tests": tests.drop(columns="statistic")}, "no column 'statistic'"),
        ({"tests": tests.iloc[3:]}, r"found the queries \['other'\]"),
        ({"alpha": 0}, "alpha: found 0"),
    ):
        with pytest.raises(ValueError, match=message):
            agreement(**({"found": frequencies, "tests": tests} | change))


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"b": 1.0}, {}, r"columns \['b'\] are constant"),
        ({"b": lambda f: 3 - 2 * f["a"]}, {}, "columns 'a' and 'b' are collinear"),
        ({"b": lambda f: np.exp(f["a"])}, {"test": "rank"}, "columns 'a' and 'b' are collinear"),
        ({"d": lambda f: f["a"] + f["b"]}, {}, r"columns \['a', 'b', 'd'\] are collinear as a group"),
        ({"b": "x"}, {}, r"columns \['b'\] are not numeric"),
        (
            {"b": lambda f: f["b"].where(f.index < 5)},
            {},
            "found 5 rows without nulls of 2000, expected at least",
        ),
        ({"b": 1j}, {}, r"columns \['b'\] are not numeric, of type complex128"),
        ({}, {"alpha": 1.0}, "alpha: found 1.0"),
        ({}, {"alpha": "0.01"}, "alpha: found '0.01', expected a number"),
        ({}, {"alpha": True}, "alpha: found True"),
        ({}, {"test": "magic"}, "test: found 'magic', expected one of"),
        ({}, {"tiers": {"q": 0}}, "tiers: found 'q'"),
        ({}, {"tiers": {"a": -1}}, "tiers: found -1 for 'a'"),
        ({}, {"method": "magic"}, "method: found 'magic', expected one of"),
        ({}, {"method": "ges", "tiers": {"a": 0}}, "tiers: .* since 'ges' takes no tiers"),
        ({}, {"method": "ges", "alpha": 0.1}, "alpha: .* since 'ges' takes no alpha"),
        ({}, {"tiers": {"a": 0}, "selection_tier": 1}, "selection_tier: found 1 for 'pc' with tiers"),
        ({}, {"method": "fci", "selection_tier": 1}, "selection_tier: found 1 for 'fci' without tiers"),
        ({}, {"method": "fci", "tiers": {"a": 0}, "selection_tier": -1}, "selection_tier: found -1"),
        ({}, {"method": "direct-lingam", "test": "rank"}, "test: .* since 'direct-lingam' takes no test"),
        ({}, {"n_rows": 3}, "n_rows: found 3, expected a whole number, at least 13"),
    ],
)
def test_discover_refuses(variables, change, options, message):
    with pytest.raises(ValueError, match=message):
        discover(variables[["a", "b", "d"]].assign(**change), **options)


def test_other_refusals(variables):
    for number in (0, 2.5):
        with pytest.raises(ValueError, match=f"n_bootstrap: found {number}"):
            bootstrap_graphs(variables, number)
    with pytest.raises(ValueError, match="at least two different names"):
        pc_graph(variables[["a"]])
    with pytest.raises(ValueError, match="alpha: found None"):
        pc_graph(variables[["a", "b"]], alpha=None)
    for function in (pc_graph, bootstrap_edges, determinism, normal_scores):
        with pytest.raises(ValueError, match="frame: found ndarray, expected a DataFrame"):
            function(variables.to_numpy())
