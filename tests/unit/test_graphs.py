"""Graphs that are partly directed: equality, marks, scores counted by hand, refusals."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from helpers.causal import (
    CausalGraph,
    compare_graphs,
    edge_frequencies,
    expected_random_score,
    score_graph,
    strongest_correlations,
    structural_hamming_distance,
)
from helpers.causal.graphs import EDGE_KINDS
from helpers.plotting import draw_graph, graph_order

TRUE = CausalGraph(tuple("abcd"), (("a", "b", "directed"), ("b", "c", "directed"), ("c", "d", "directed")))
FOUND = CausalGraph(tuple("abcd"), (("b", "a", "directed"), ("b", "c", "directed"), ("a", "d", "undirected")))


def test_graph_equality_ignores_order():
    one = CausalGraph(("a", "b", "c"), (("a", "b", "directed"), ("b", "c", "undirected")))
    two = CausalGraph(("c", "b", "a"), (("c", "b", "undirected"), ("a", "b", "directed")), {"test": "fisherz"})
    assert one == two and hash(one) == hash(two)
    assert one != CausalGraph(("a", "b", "c"), (("b", "a", "directed"), ("b", "c", "undirected")))
    assert one.edge_kind("a", "b") == "directed" and one.edge_kind("b", "a") is None
    assert not one.has_edge("a", "c")
    assert one.to_networkx().edges["a", "b"]["kind"] == "directed"


@pytest.mark.parametrize("kind", EDGE_KINDS)
def test_marks_and_graphs_say_the_same(kind):
    graph = CausalGraph(("a", "b"), (("a", "b", kind),))
    there, back = graph.marks("a", "b"), graph.marks("b", "a")
    assert there == back[::-1]
    assert CausalGraph.from_marks(("a", "b"), {("a", "b"): there}) == graph
    assert CausalGraph.from_marks(("a", "b"), {("b", "a"): back}) == graph
    assert (("a", "b") in graph.arrowheads()) == (there[1] == "arrow")
    # The sign read from the other end is its mirror image.
    mirror = str.maketrans("<>", "><")
    assert graph.symbol("a", "b") == graph.symbol("b", "a")[::-1].translate(mirror)


def test_symbols_are_the_usual_ones():
    graph = CausalGraph(tuple("abcd"), (("a", "b", "bidirected"), ("b", "c", "partially directed")))
    assert graph.symbol("a", "b") == "<->" and graph.symbol("b", "c") == "o->" and graph.symbol("c", "b") == "<-o"
    assert graph.symbol("a", "c") == "" and graph.marks("a", "c") is None
    assert graph.without(["a"]) == CausalGraph(tuple("bcd"), (("b", "c", "partially directed"),))


def test_score_counts_by_hand():
    assert structural_hamming_distance(FOUND, TRUE) == structural_hamming_distance(TRUE, FOUND) == 3
    score = score_graph(FOUND, TRUE)
    assert (score.precision, score.recall, score.f1) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    # Two arrowheads were found, at a and c, and the truth has three, of which that at c alone is shared.
    assert (score.arrow_precision, score.arrow_recall) == pytest.approx((1 / 2, 1 / 3))
    assert (score.distance, score.n_found, score.n_true) == (3, 3, 3)
    perfect = score_graph(TRUE, TRUE)
    assert (perfect.f1, perfect.arrow_precision, perfect.arrow_recall, perfect.distance) == (1, 1, 1, 0)
    empty = score_graph(CausalGraph(tuple("abcd")), TRUE)
    assert np.isnan(empty.precision) and empty.recall == empty.f1 == 0 and empty.distance == 3


def test_expected_score_of_random_edges_is_the_mean_of_many_draws():
    rng = np.random.default_rng(0)
    pairs = [(a, b) for i, a in enumerate("abcd") for b in "abcd"[i + 1 :]]
    draws = []
    for _ in range(4000):
        chosen = rng.choice(len(pairs), size=2, replace=False)
        graph = CausalGraph(tuple("abcd"), tuple((*pairs[i], "undirected") for i in chosen))
        draws.append(score_graph(graph, TRUE))
    expected = expected_random_score(4, 3, 2)
    for name in ("precision", "recall", "f1"):
        values = [getattr(score, name) for score in draws]
        # Four standard errors.
        assert np.mean(values) == pytest.approx(getattr(expected, name), abs=4 * np.std(values) / np.sqrt(len(values)))
    assert np.mean([score.distance for score in draws]) == pytest.approx(expected.distance, abs=0.05)
    assert expected_random_score(4, 3, 6).recall == 1 and expected_random_score(4, 3, 0).f1 == 0
    with pytest.raises(ValueError, match="found 4, 7, 2, expected at least 2 nodes"):
        expected_random_score(4, 7, 2)


def test_strongest_correlations_are_as_many_as_asked_for():
    a, b, c = np.random.default_rng(1).normal(size=(3, 500))
    frame = pd.DataFrame({"a": a, "b": a + b, "c": np.exp(a + b + 0.1 * c)})
    assert [edge[:2] for edge in strongest_correlations(frame, 1).edges] == [("b", "c")]
    assert len(strongest_correlations(frame, 2).edges) == 2 and not strongest_correlations(frame, 0).edges
    with pytest.raises(ValueError, match="n_edges: found 4, expected a whole number from 0 to 3"):
        strongest_correlations(frame, 4)


def test_comparison_names_every_change():
    table = compare_graphs(TRUE, FOUND, ("true", "found"))
    expected = pd.DataFrame(
        [
            ("a", "b", "-->", "<--", "other marks"),
            ("a", "d", "", "---", "gained"),
            ("b", "c", "-->", "-->", "same"),
            ("c", "d", "-->", "", "lost"),
        ],
        columns=["a", "b", "true", "found", "change"],
    )
    pd.testing.assert_frame_equal(table, expected)
    assert compare_graphs(TRUE, FOUND.without(["a", "d"]))["change"].tolist() == ["same"]
    with pytest.raises(ValueError, match=r"shared nodes \['a'\]"):
        compare_graphs(TRUE, CausalGraph(("a", "z")))


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


def test_other_refusals():
    with pytest.raises(ValueError, match=r"nodes \['c'\] are in one graph only"):
        score_graph(CausalGraph(("a", "b")), CausalGraph(("a", "b", "c")))
    with pytest.raises(ValueError, match="'z' is not in the graph"):
        CausalGraph(("a", "b")).has_edge("a", "z")
    with pytest.raises(ValueError, match=r"marks: found \('tail', 'wave'\) at \('a', 'b'\)"):
        CausalGraph.from_marks(("a", "b"), {("a", "b"): ("tail", "wave")})


# The drawing


def test_order_around_the_circle_takes_crossings_away():
    # A ring told in an order in which its edges cross.
    ring = CausalGraph(tuple("acebdf"), tuple((a, b, "undirected") for a, b in zip("abcdef", "bcdefa", strict=True)))
    order = "".join(graph_order(ring))
    turned = order[order.index("a") :] + order[: order.index("a")]
    assert turned in ("abcdef", "afedcb")


def test_drawing_has_a_circle_per_open_end_and_a_width_per_frequency():
    kinds = ("directed", "bidirected", "unknown", "partially directed", "undirected", "partially undirected")
    graph = CausalGraph(tuple("abcdefg"), tuple((a, b, k) for a, b, k in zip("abcdef", "bcdefg", kinds, strict=True)))
    figure, axis = plt.subplots()
    draw_graph(
        axis, graph, highlight="a", frequency=edge_frequencies([graph, CausalGraph(graph.nodes, graph.edges[1:])])
    )
    figure.canvas.draw()
    circles = [line for line in axis.lines if line.get_markerfacecolor() == "white" and line.get_zorder() == 3]
    assert len(circles) == 4
    assert sorted({arrow.get_arrowstyle().__class__.__name__ for arrow in axis.patches}) == [
        "Curve",
        "CurveFilledAB",
        "CurveFilledB",
    ]
    widths = [arrow.get_linewidth() for arrow in axis.patches]
    assert widths[0] < min(widths[1:])
    plt.close(figure)
    with pytest.raises(ValueError, match="order: found"):
        draw_graph(axis, graph, order=["a"])
