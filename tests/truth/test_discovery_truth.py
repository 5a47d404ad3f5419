"""True graphs against brute force over all graphs, and discovery on the mock universe against its baselines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from helpers.causal import (
    CausalGraph,
    bootstrap_graphs,
    discover,
    equivalence_class,
    expected_random_score,
    normal_scores,
    score_graph,
    strongest_correlations,
    structural_hamming_distance,
    true_graph,
)
from helpers.causal.mock_truth import MEASUREMENTS, draw_galaxies, measured_table, measurement_edges, universe_edges
from helpers.survey.mock import MAGNITUDE_RANGE, UNIVERSE

N_GRAPHS = 25
# Joined pairs that brute force can go through: three directions each.
MOST_JOINED = 6


@dataclass(frozen=True)
class Planted:
    """A random directed graph without cycles; the first names are observed, two more are hidden."""

    edges: tuple[tuple[str, str], ...]
    observed: tuple[str, ...]

    @property
    def graph(self) -> nx.DiGraph:
        graph: nx.DiGraph = nx.DiGraph(self.edges)
        graph.add_nodes_from(self.observed)
        return graph


def planted_graphs(n_observed: int, n_hidden: int, seed: int) -> Iterator[Planted]:
    rng = np.random.default_rng(seed)
    names = [f"v{i}" for i in range(n_observed + n_hidden)]
    found = 0
    while found < N_GRAPHS:
        order, density = rng.permutation(names), rng.uniform(0.2, 0.6)
        edges = tuple((str(a), str(b)) for a, b in combinations(order, 2) if rng.random() < density)
        planted = Planted(edges, tuple(names[:n_observed]))
        if len(true_graph(edges, planted.observed).edges) <= MOST_JOINED:
            found += 1
            yield planted


def independences(graph: nx.DiGraph, observed: tuple[str, ...], given: frozenset[str] = frozenset()) -> dict:
    """Every statement of independence of two observed variables given some others."""
    found = {}
    for a, b in combinations(observed, 2):
        others = [name for name in observed if name not in (a, b)]
        for size in range(len(others) + 1):
            for chosen in combinations(others, size):
                found[a, b, chosen] = nx.is_d_separator(graph, {a}, {b}, set(chosen) | given)
    return found


def with_hidden_causes(graph: CausalGraph) -> nx.DiGraph:
    """Directed graph in which every double-headed edge is a hidden cause of its own."""
    directed: nx.DiGraph = nx.DiGraph()
    directed.add_nodes_from(graph.nodes)
    for a, b, kind in graph.edges:
        if kind == "directed":
            directed.add_edge(a, b)
        else:
            directed.add_edges_from([(f"{a} and {b}", a), (f"{a} and {b}", b)])
    return directed


def is_ancestral(graph: CausalGraph) -> bool:
    directed: nx.DiGraph = nx.DiGraph([edge[:2] for edge in graph.edges if edge[2] == "directed"])
    directed.add_nodes_from(graph.nodes)
    return nx.is_directed_acyclic_graph(directed) and not any(
        kind == "bidirected" and (nx.has_path(directed, a, b) or nx.has_path(directed, b, a))
        for a, b, kind in graph.edges
    )


def common_marks(planted: Planted, ways: tuple[str, ...], open_mark: str) -> CausalGraph:
    """Marks that all graphs of the same skeleton and independences have in common; others are `open_mark`."""
    joined = [edge[:2] for edge in true_graph(planted.edges, planted.observed).edges]
    wanted = independences(planted.graph, planted.observed)
    alike = []
    for choice in product(ways, repeat=len(joined)):
        edges = [
            {"forth": (a, b, "directed"), "back": (b, a, "directed"), "both": (a, b, "bidirected")}[way]
            for (a, b), way in zip(joined, choice, strict=True)
        ]
        graph = CausalGraph(planted.observed, tuple(edges))
        directed = with_hidden_causes(graph)
        if is_ancestral(graph) and all(
            nx.is_d_separator(directed, {a}, {b}, set(given)) == separated
            for (a, b, given), separated in wanted.items()
        ):
            alike.append(graph)
    marks = {}
    for a, b in joined:
        ends = [graph.marks(a, b) for graph in alike]
        marks[a, b] = tuple(
            next(iter(seen)) if len(seen := {end[side] for end in ends if end}) == 1 else open_mark for side in (0, 1)
        )
    return CausalGraph.from_marks(planted.observed, marks)


def test_pairs_are_joined_where_nothing_observed_separates_them():
    for seed, selected in ((1, False), (2, True)):
        for planted in planted_graphs(5, 2, seed):
            hidden = [name for name in planted.graph if name not in planted.observed]
            selection = hidden[:1] if selected else []
            statements = independences(planted.graph, planted.observed, frozenset(selection))
            separable = {frozenset(key[:2]) for key, separated in statements.items() if separated}
            graph = true_graph(planted.edges, planted.observed, selection=selection)
            joined = {frozenset(edge[:2]) for edge in graph.edges}
            assert joined == {frozenset(pair) for pair in combinations(planted.observed, 2)} - separable


def test_true_graph_implies_the_independences_of_the_one_with_hidden_variables():
    for planted in planted_graphs(5, 2, 3):
        graph = true_graph(planted.edges, planted.observed)
        assert is_ancestral(graph)
        observed = with_hidden_causes(graph)
        assert independences(observed, planted.observed) == independences(planted.graph, planted.observed)


def test_fci_with_perfect_tests_finds_what_all_equivalent_graphs_share():
    for planted in planted_graphs(5, 2, 4):
        found = equivalence_class(planted.edges, planted.observed, "fci")
        assert found == common_marks(planted, ("forth", "back", "both"), "circle"), planted


def test_pc_with_perfect_tests_finds_what_all_equivalent_graphs_share():
    for planted in planted_graphs(5, 0, 5):
        found = equivalence_class(planted.edges, planted.observed, "pc")
        assert found == common_marks(planted, ("forth", "back"), "tail"), planted


def false_marks(found: CausalGraph, truth: CausalGraph) -> int:
    """Ends that are neither open nor as in the truth."""
    return sum(
        end not in ("circle", true_end)
        for a, b, _ in truth.edges
        for end, true_end in zip(found.marks(a, b), truth.marks(a, b), strict=True)
    )


@pytest.mark.parametrize("selected", [False, True])
def test_tiers_add_marks_and_no_false_one(selected):
    added = false_if_ignored = 0
    for planted in planted_graphs(5, 2, 6):
        order = list(nx.topological_sort(planted.graph))
        tier = {name: place // 3 for place, name in enumerate(order)}
        tiers = {name: tier[name] for name in planted.observed}
        selection = [name for name in order if name not in planted.observed][-1:] if selected else []
        truth = true_graph(planted.edges, planted.observed, selection=selection)
        told = {}
        for words, given in (
            ("nothing", {}),
            ("tiers", {"tiers": tiers, "selection_tier": tier[selection[0]] if selected else None}),
            # As if the selection came before everything: an arrowhead at every later end.
            ("selection ignored", {"tiers": {name: 1 + n for name, n in tiers.items()}, "selection_tier": 0}),
        ):
            told[words] = equivalence_class(planted.edges, planted.observed, "fci", selection=selection, **given)
        assert false_marks(told["nothing"], truth) == false_marks(told["tiers"], truth) == 0, (planted, tiers)
        assert told["tiers"].arrowheads() >= told["nothing"].arrowheads()
        added += len(told["tiers"].arrowheads()) - len(told["nothing"].arrowheads())
        false_if_ignored += false_marks(told["selection ignored"], truth)
    assert added > 0 and (false_if_ignored > 0) == selected


def test_a_later_variable_that_causes_the_selection_gets_no_arrowhead():
    """The chain z -> r <- m with r selected on: m comes before z, and neither causes the other."""
    edges = [("x", "m"), ("m", "r"), ("z", "r"), ("y", "z"), ("r", "s")]
    tiers = {"x": 0, "y": 0, "m": 1, "z": 2}
    options = {"tiers": tiers, "selection": ["s"]}
    truth = true_graph(edges, "xmzy", selection=["s"])
    assert truth.edge_kind("m", "z") == "undirected"
    found = equivalence_class(edges, "xmzy", "fci", selection_tier=2, **options)
    assert found == equivalence_class(edges, "xmzy", "fci", selection=["s"])
    with pytest.raises(ValueError, match="selection_tier: found none"):
        equivalence_class(edges, "xmzy", "fci", **options)


def test_hidden_causes_and_selections_of_known_form():
    fork = true_graph([("h", "a"), ("h", "b"), ("b", "c")], "abc")
    assert fork == CausalGraph(tuple("abc"), (("a", "b", "bidirected"), ("b", "c", "directed")))
    assert true_graph([("a", "h"), ("h", "b")], "ab").edge_kind("a", "b") == "directed"
    limited = true_graph([("m", "r"), ("z", "r"), ("r", "s")], ["m", "z"], selection=["s"])
    assert limited.edge_kind("m", "z") == "undirected"
    assert equivalence_class([("m", "r"), ("z", "r"), ("r", "s")], ["m", "z"], "fci", selection=["s"]).has_edge(
        "m", "z"
    )
    assert true_graph([("m", "r"), ("z", "r")], ["m", "z"]).edges == ()
    for arguments, message in (
        (([("a", "b"), ("b", "a")], "ab"), "expected a graph without cycles"),
        (([("a", "b")], "aab"), "expected different names"),
    ):
        with pytest.raises(ValueError, match=message):
            true_graph(*arguments)
    with pytest.raises(ValueError, match=r"selection: found \['z'\]"):
        true_graph([("a", "b")], "ab", selection=["z"])
    with pytest.raises(ValueError, match="method: found 'ges'"):
        equivalence_class([("a", "b")], "ab", "ges")


# The mock universe


def physical(frame: pd.DataFrame) -> list[str]:
    """Variables of the galaxies themselves: not their appearance on the sky, which is a function of these."""
    return [name for name in frame if "angular" not in name and name not in ("position_angle", "apparent_magnitude")]


def test_discovery_beats_every_baseline_on_the_mock():
    """Intervals over resamples do not touch those of the baselines, the strongest correlations among them."""
    galaxies = draw_galaxies(2000, 0, least_log_mass=9.5)
    columns = physical(galaxies)
    truth = true_graph(universe_edges(), columns)

    def scores(graphs, name="f1"):
        return np.array([getattr(score_graph(graph, truth), name) for graph in graphs])

    graphs = bootstrap_graphs(galaxies[columns], 20, test="rank", seed=1)
    found = scores(graphs)
    marginal = scores(bootstrap_graphs(normal_scores(galaxies[columns]), 20, method="marginal", seed=1))
    assert np.quantile(found, 0.025) > np.quantile(marginal, 0.975) + 0.1
    rng = np.random.default_rng(1)
    draws = [galaxies[columns].sample(frac=1, replace=True, random_state=rng) for _ in graphs]
    strongest = [strongest_correlations(draw, len(graph.edges)) for draw, graph in zip(draws, graphs, strict=True)]
    assert np.quantile(found, 0.025) > np.quantile(scores(strongest), 0.975)
    n_pairs = len(columns) * (len(columns) - 1) // 2
    graph = discover(galaxies[columns], test="rank")
    for n_found in (0, len(graph.edges), n_pairs):
        assert np.quantile(found, 0.025) > expected_random_score(len(columns), len(truth.edges), n_found).f1 + 0.3
    # Marks and all: told what comes first, PC is nearer to the truth than the empty graph is, let alone the others.
    first = {"group_richness", "group_distance", "redshift", "reddening", "inclination", "log_mass"}
    tiers = {name: int(name not in first) for name in columns}
    told = bootstrap_graphs(galaxies[columns], 20, test="rank", tiers=tiers, seed=1)
    distances = [len(truth.edges), expected_random_score(len(columns), len(truth.edges), len(graph.edges)).distance]
    distances += [structural_hamming_distance(discover(galaxies[columns], "marginal"), truth)]
    assert np.quantile(scores(told, "distance"), 0.975) < min(distances)
    assert np.median(scores(told, "arrow_precision")) > 0.55 and np.median(scores(told, "arrow_recall")) > 0.4


def test_a_magnitude_limit_ties_mass_and_redshift_and_a_mass_limit_does_not():
    columns = ["redshift", "log_mass", "inclination", "reddening"]
    limited = draw_galaxies(1500, 0, magnitude_range=MAGNITUDE_RANGE)
    by_mass = draw_galaxies(1500, 0, least_log_mass=9.5)
    assert discover(limited[columns], test="rank").has_edge("redshift", "log_mass")
    assert not discover(by_mass[columns], test="rank").has_edge("redshift", "log_mass")
    edges = (*universe_edges(), ("apparent_magnitude", "seen"))
    assert true_graph(edges, columns, selection=["seen"]).has_edge("redshift", "log_mass")
    assert true_graph(universe_edges(), columns).edges == ()


def test_galaxies_are_drawn_as_asked():
    galaxies = draw_galaxies(300, 1, magnitude_range=(14.0, 17.0))
    assert len(galaxies) == 300 and galaxies["apparent_magnitude"].between(14, 17).all()
    pd.testing.assert_frame_equal(galaxies, draw_galaxies(300, 1, magnitude_range=(14.0, 17.0)))
    assert draw_galaxies(300, 1, least_log_mass=10.0)["log_mass"].min() >= 10
    # Neighbours of the sky are no neighbours here.
    everyone = draw_galaxies(4000, 1)
    assert abs(np.corrcoef(everyone["redshift"], everyone["group_richness"])[0, 1]) < 4 / np.sqrt(4000)
    with pytest.raises(ValueError, match="n: found 0"):
        draw_galaxies(0)


def test_measurements_name_what_is_there(mock_universe):
    hidden = {"seeing", "image_noise"}
    for measurement in MEASUREMENTS:
        assert set(measurement.causes) <= {*UNIVERSE.names, *hidden}
        assert measurement.name not in UNIVERSE.names
    table = measured_table(mock_universe.catalog)
    truth = true_graph(measurement_edges(), list(table))
    assert truth.edge_kind("mass", "r") == "directed" and not truth.has_edge("mass", "z")
    assert truth.edge_kind("z", "r") == "bidirected"
    with pytest.raises(ValueError, match="there is no column 'lgm_tot_p50'"):
        measured_table(mock_universe.catalog.drop(columns="lgm_tot_p50"))
