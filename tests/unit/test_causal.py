"""Local tests against closed forms and a slow twin; discovery on planted graphs; refusals."""

import numpy as np
import pandas as pd
import pytest

from helpers.causal import (
    CausalGraph,
    benjamini_hochberg,
    bootstrap_edges,
    local_test,
    pc_graph,
    sample_test,
    skeleton_score,
    structural_hamming_distance,
)


def slow_twin(target, query, index, given=None, latent=None):
    """Correlation, efficiency and adjusted efficiency of each neighbourhood, by textbook calls in a loop."""
    n = len(target)
    given = np.empty((n, 0)) if given is None else given.reshape(n, -1)
    latent = np.empty((n, 0)) if latent is None else latent
    out = []
    for rows in index:
        m, q, c, s = target[rows], query[rows], given[rows], latent[rows]
        known = np.isfinite(np.column_stack([m, q, c, s])).all(axis=1)
        m, q, c, s = m[known], q[known], c[known], s[known]
        if known.sum() < 4 or np.ptp(q) == 0:
            out.append([np.nan] * 3)
            continue
        c = c - c.mean(axis=0)
        design = np.column_stack([np.ones(len(m)), c, c**2, s - s.mean(axis=0)])
        m, q = (y - design @ np.linalg.lstsq(design, y, rcond=None)[0] for y in (m - m.mean(), q - q.mean()))
        rest = m - np.polyval(np.polyfit(q, m, 2), q)
        left = len(m) - np.linalg.matrix_rank(design)
        out.append(
            [
                np.corrcoef(m, q)[0, 1],
                1 - rest @ rest / (m @ m),
                1 - (rest @ rest / (left - 2)) / (m @ m / left),
            ]
        )
    return np.array(out).T


@pytest.fixture
def galaxies():
    """Target, query, given [n, 2], latent [n, 3] with nulls, and neighbourhoods of 40 drawn at random."""
    rng = np.random.default_rng(1)
    latent = rng.normal(size=(500, 3))
    given = latent[:, :2] + rng.normal(size=(500, 2))
    query = given[:, 0] ** 2 + latent[:, 2] + rng.normal(size=500)
    target = 10 + 0.3 * query + given[:, 1] + rng.normal(size=500)
    target[rng.random(500) < 0.1] = np.nan
    query[rng.random(500) < 0.1] = np.inf
    given[rng.random(500) < 0.1, 1] = np.nan
    query[:40] = 2.5  # one neighbourhood without variance
    index = np.concatenate([np.arange(40)[None, :], rng.integers(500, size=(60, 40))])
    return target, query, given, latent, index


@pytest.mark.parametrize("use_given", [False, True])
@pytest.mark.parametrize("use_latent", [False, True])
def test_agrees_with_slow_twin(galaxies, use_given, use_latent):
    target, query, given, latent, index = galaxies
    options = {"given": given if use_given else None, "latent": latent if use_latent else None}
    result = local_test(target, query, index, **options)
    found = np.array([result.correlation, result.efficiency, result.adjusted_efficiency])
    expected = slow_twin(target, query, index, **options)
    assert np.isnan(found[:, 0]).all() and np.isfinite(found[:, 1:]).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)
    known = np.isfinite(target) & np.isfinite(query) & (~use_given | np.isfinite(given).all(axis=1))
    np.testing.assert_array_equal(result.n_valid, known[index].sum(axis=1))
    np.testing.assert_array_equal(
        result.degrees_of_freedom[1:], result.n_valid[1:] - 1 - 4 * use_given - 3 * use_latent
    )


def test_exact_quadratic_has_efficiency_one():
    query = np.linspace(-1, 2, 60)
    result = local_test(7 - 3 * query + 2 * query**2, query, np.arange(60)[None, :])
    assert result.efficiency[0] == pytest.approx(1, abs=1e-12)
    assert result.adjusted_efficiency[0] == pytest.approx(1, abs=1e-12)


def test_independent_variables_have_known_efficiency():
    # Under independence the efficiency is a Beta variable with mean 2 / (k - 1); its adjusted mean is 0.
    rng = np.random.default_rng(2)
    n, k = 4000, 100
    result = local_test(rng.normal(size=n * k), rng.exponential(size=n * k), np.arange(n * k).reshape(n, k))
    error = 2 / (k - 1) / np.sqrt(n)  # the Beta variable is nearly exponential: its deviation is its mean
    assert result.efficiency.mean() == pytest.approx(2 / (k - 1), abs=4 * error)
    assert result.adjusted_efficiency.mean() == pytest.approx(0, abs=4 * error)
    assert (result.p_value < 0.05).mean() == pytest.approx(0.05, abs=4 * np.sqrt(0.05 * 0.95 / n))
    assert result.null_correlation.std() == pytest.approx(1 / np.sqrt(k - 1), rel=0.05)


def test_shift_and_scale_change_nothing(galaxies):
    target, query, given, latent, index = galaxies
    plain = local_test(target, query, index, given, latent)
    moved = local_test(1e4 + 0.01 * target, 1e4 - query, index, 1e4 + given, 30 * latent)
    np.testing.assert_allclose(moved.efficiency, plain.efficiency, atol=1e-8)
    np.testing.assert_allclose(moved.correlation, -plain.correlation, atol=1e-8)


def test_collinear_and_constant_conditioning_is_not_counted(galaxies):
    target, query, given, latent, index = galaxies
    plain = local_test(target, query, index, latent=latent)
    padded = local_test(target, query, index, latent=np.column_stack([latent, latent @ [1, 2, 3], np.ones(500)]))
    np.testing.assert_array_equal(padded.degrees_of_freedom, plain.degrees_of_freedom)
    np.testing.assert_allclose(padded.adjusted_efficiency, plain.adjusted_efficiency, atol=1e-8)


def test_query_that_is_a_function_of_the_conditioning_is_undefined(galaxies):
    target, _, given, latent, index = galaxies
    result = local_test(target, latent @ [1, 2, 3], index[1:], latent=latent)
    assert np.isnan(result.correlation).all() and np.isnan(result.p_value).all()


def test_two_valued_query_costs_one_degree_of_freedom():
    rng = np.random.default_rng(3)
    query = np.repeat([0.0, 1.0], 15)
    target = query + rng.normal(size=30)
    result = local_test(target, query, np.arange(30)[None, :])
    squared = np.corrcoef(target, query)[0, 1] ** 2
    assert result.efficiency[0] == pytest.approx(squared, abs=1e-10)
    assert result.adjusted_efficiency[0] == pytest.approx(1 - (1 - squared) * 29 / 28, abs=1e-10)


def test_too_few_galaxies_give_nan():
    values = np.random.default_rng(4).normal(size=(2, 4))
    result = local_test(*values, np.array([[0, 1, 2]]))
    assert np.isnan(result.efficiency[0]) and result.n_valid[0] == 3
    assert np.isfinite(local_test(*values, np.array([[0, 1, 2, 3]])).efficiency[0])


def test_permutation_depends_on_the_seed_alone(galaxies):
    target, query, *_, index = galaxies
    first, again, other = (local_test(target, query, index, seed=seed).null_correlation for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first[1:], other[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.zeros((5, 2))}, "target: found shape"),
        ({"target": list("abcde")}, "target: found what is no number"),
        ({"query": np.zeros(4)}, "query: found 4 values, expected 5"),
        ({"given": np.zeros((4, 1))}, r"given: found shape \(4, 1\), expected \(5,\)"),
        ({"latent": np.zeros((5, 0))}, r"latent: found shape \(5, 0\)"),
        ({"index": np.zeros(5, dtype=int)}, "index: found shape"),
        ({"index": np.zeros((1, 5))}, "float64, expected integers"),
        ({"index": np.array([[0, 5]])}, "index: found rows 0 to 5, expected 0 to 4"),
        ({"index": np.array([[-1, 2]])}, "index: found rows -1 to 2"),
    ],
)
def test_local_test_refuses(change, message):
    arguments = {"target": np.arange(5.0), "query": np.arange(5.0), "index": np.array([[0, 1, 2, 3, 4]])}
    with pytest.raises(ValueError, match=message):
        local_test(**(arguments | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_permutations": 0}, "n_permutations: found 0, expected at least 1"),
        ({"n_resamples": 1}, "n_resamples: found 1, expected at least 2"),
        ({"latent": np.arange(30.0)}, "reference_index: needed with latent"),
        ({"latent": np.arange(30.0), "reference_index": np.zeros((4, 3), int)}, "found 4 rows, expected 30"),
        ({"reference_index": np.zeros((30, 3), int)}, "without latent"),
        ({"query": np.ones(30)}, "index: none of the 1 neighbourhoods"),
        # One galaxy that differs lands outside the only neighbourhood in a third of the permutations.
        (
            {"query": np.eye(30)[0], "n_permutations": 60},
            r"query: \d+ of 60 permutations leave no neighbourhood in which it varies",
        ),
        ({"index": np.arange(5)[None, :]}, "too few for fits in half"),
    ],
)
def test_sample_test_refuses(change, message):
    rng = np.random.default_rng(0)
    arguments = {
        "target": rng.normal(size=30),
        "query": rng.normal(size=30),
        "index": np.arange(20)[None, :],
        "n_permutations": 5,
        "n_resamples": 20,
    }
    with pytest.raises(ValueError, match=message):
        sample_test(**(arguments | change))


def test_benjamini_hochberg_adjusts_and_refuses():
    np.testing.assert_allclose(benjamini_hochberg([0.04, 0.01, 0.5, 0.03]), [0.16 / 3, 0.04, 0.5, 0.16 / 3])
    with pytest.raises(ValueError, match="p_values: found 1.2"):
        benjamini_hochberg([0.1, 1.2])


# Discovery


@pytest.fixture(scope="module")
def variables():
    """A collider a -> c <- b followed by c -> d; and the chain u -> v -> w."""
    rng = np.random.default_rng(7)
    noise = rng.normal(size=(7, 2000))
    a, b, u = noise[:3]
    c = a + b + noise[3]
    v = u + noise[4]
    return pd.DataFrame({"a": a, "b": b, "c": c, "d": c + noise[5], "u": u, "v": v, "w": v + noise[6]})


def test_collider_is_directed_and_its_effect_too(variables):
    truth = CausalGraph(("a", "b", "c", "d"), (("a", "c", "directed"), ("b", "c", "directed"), ("c", "d", "directed")))
    assert pc_graph(variables[["d", "c", "b", "a"]]) == truth


def test_chain_stays_undirected_until_tiers_direct_it(variables):
    chain = variables[["u", "v", "w"]]
    undirected = CausalGraph(("u", "v", "w"), (("v", "u", "undirected"), ("v", "w", "undirected")))
    assert pc_graph(chain) == undirected
    later = pc_graph(chain, tiers={"u": 0, "v": 1, "w": 2})
    assert later == CausalGraph(("u", "v", "w"), (("u", "v", "directed"), ("v", "w", "directed")))
    backwards = pc_graph(chain, tiers={"u": 2, "v": 1, "w": 0})
    assert backwards == CausalGraph(("u", "v", "w"), (("w", "v", "directed"), ("v", "u", "directed")))


def test_rows_with_nulls_are_dropped_and_counted(variables):
    frame = variables[["a", "c"]].copy()
    frame.loc[:99, "a"] = np.nan
    graph = pc_graph(frame)
    assert (graph.metadata["n_rows"], graph.metadata["n_used"]) == (2000, 1900)
    assert graph.has_edge("c", "a") and graph.edge_kind("c", "a") == "undirected"


def test_the_global_random_state_is_left_alone(variables):
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    pc_graph(variables[["a", "c"]])
    assert np.random.random() == expected


def test_bootstrap_frequencies(variables):
    table = bootstrap_edges(variables[["a", "b", "c"]], 10, seed=1).set_index(["a", "b"])
    assert table.loc[("a", "c"), "any"] == 1 and table.loc[("b", "c"), "any"] == 1
    assert table.loc[("a", "c"), "a_to_b"] >= 0.7 and table.loc[("a", "b"), "any"] <= 0.3
    assert (table["a_to_b"] + table["b_to_a"] <= table["any"] + 1e-12).all()
    pd.testing.assert_frame_equal(table.reset_index(), bootstrap_edges(variables[["a", "b", "c"]], 10, seed=1))


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


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"b": 1.0}, {}, r"columns \['b'\] are constant"),
        ({"b": lambda f: 3 - 2 * f["a"]}, {}, "columns 'a' and 'b' are collinear"),
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
        ({}, {"alpha": None}, "alpha: found None"),
        ({}, {"alpha": True}, "alpha: found True"),
        ({}, {"test": "magic"}, "test: found 'magic', expected one of"),
        ({}, {"tiers": {"q": 0}}, "tiers: found 'q'"),
        ({}, {"tiers": {"a": -1}}, "tiers: found -1 for 'a'"),
    ],
)
def test_pc_graph_refuses(variables, change, options, message):
    with pytest.raises(ValueError, match=message):
        pc_graph(variables[["a", "b", "d"]].assign(**change), **options)


def test_other_refusals_of_discovery(variables):
    with pytest.raises(ValueError, match="n_bootstrap: found 0"):
        bootstrap_edges(variables, 0)
    with pytest.raises(ValueError, match="n_bootstrap: found 2.5"):
        bootstrap_edges(variables, 2.5)
    with pytest.raises(ValueError, match="at least two different names"):
        pc_graph(variables[["a"]])
    for function in (pc_graph, bootstrap_edges):
        with pytest.raises(ValueError, match="frame: found ndarray, expected a DataFrame"):
            function(variables.to_numpy())


# Graphs


def test_graph_equality_ignores_order():
    one = CausalGraph(("a", "b", "c"), (("a", "b", "directed"), ("b", "c", "undirected")))
    two = CausalGraph(("c", "b", "a"), (("c", "b", "undirected"), ("a", "b", "directed")), {"test": "fisherz"})
    assert one == two and hash(one) == hash(two)
    assert one != CausalGraph(("a", "b", "c"), (("b", "a", "directed"), ("b", "c", "undirected")))
    assert one.edge_kind("a", "b") == "directed" and one.edge_kind("b", "a") is None
    assert not one.has_edge("a", "c")
    assert one.to_networkx().edges["a", "b"]["kind"] == "directed"


def test_distance_and_score_count_by_hand():
    true = CausalGraph(tuple("abcd"), (("a", "b", "directed"), ("b", "c", "directed"), ("c", "d", "directed")))
    found = CausalGraph(tuple("abcd"), (("b", "a", "directed"), ("b", "c", "directed"), ("a", "d", "undirected")))
    assert structural_hamming_distance(found, true) == structural_hamming_distance(true, found) == 3
    score = skeleton_score(found, true)
    assert (score.precision, score.recall) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert np.isnan(skeleton_score(CausalGraph(tuple("abcd")), true).precision)
    assert structural_hamming_distance(true, true) == 0


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        ("aa", (), "found a name twice"),
        ("ab", (("a", "z", "directed"),), r"found \('a', 'z'\)"),
        ("ab", (("a", "a", "directed"),), r"found \('a', 'a'\)"),
        ("ab", (("a", "b", "wavy"),), "found kind 'wavy', expected one of"),
        ("ab", (("a", "b", "directed"), ("b", "a", "directed")), "second edge between 'b' and 'a'"),
    ],
)
def test_graph_refuses(nodes, edges, message):
    with pytest.raises(ValueError, match=message):
        CausalGraph(tuple(nodes), edges)


def test_graphs_on_other_nodes_are_not_compared():
    with pytest.raises(ValueError, match=r"nodes \['c'\] are in one graph only"):
        skeleton_score(CausalGraph(("a", "b")), CausalGraph(("a", "b", "c")))
    with pytest.raises(ValueError, match="'z' is not in the graph"):
        CausalGraph(("a", "b")).has_edge("a", "z")
