"""Truths that a reader plants: tables from graphs, triplets, and the count of false claims."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.causal import TRIPLETS, CausalGraph, discover, draw_planted, draw_triplet, judge_claims, true_graph

EDGES = [("mass", "size"), ("mass", "colour"), ("dust", "colour")]
N = 40_000
ERROR = 4 / np.sqrt(N)  # of a correlation, four standard errors


@pytest.mark.parametrize(("strength", "noise"), [(1.0, 1.0), (-2.0, 1.0), (0.5, 2.0)])
def test_a_straight_link_correlates_as_its_formula_says(strength: float, noise: float) -> None:
    table = draw_planted([("a", "b", strength)], N, noise=noise, seed=3)
    assert table["a"].corr(table["b"]) == pytest.approx(strength / np.hypot(strength, noise), abs=ERROR)


def test_no_correlation_sees_a_square_but_that_of_squares() -> None:
    table = draw_planted([("a", "b", 1.0)], N, link="even", seed=1)
    assert abs(table["a"].corr(table["b"])) < 2 * ERROR  # the fourth moment of a square is wide
    assert (table["a"] ** 2).corr(table["b"]) == pytest.approx(1 / np.sqrt(2), abs=2 * ERROR)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["linear", "bent", "even"]), st.integers(0, 5))
def test_every_column_has_mean_zero_and_variance_one_whatever_its_place(link: str, seed: int) -> None:
    table = draw_planted(EDGES, 200, link=link, seed=seed)
    assert list(table) == ["mass", "size", "colour", "dust"]
    np.testing.assert_allclose(table.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(table.std(ddof=0), 1)
    pd.testing.assert_frame_equal(table, draw_planted(EDGES, 200, link=link, seed=seed))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"edges": [("a", "b"), ("b", "a")]}, "the cycle"),
        ({"edges": [("a", "a")]}, "pair of different names"),
        ({"edges": [("a", "b"), ("a", "b")]}, "pair of different names once"),
        ({"edges": []}, "expected at least one"),
        ({"edges": [("a", "b", np.nan)]}, "the strength nan"),
        ({"link": "spiral"}, "link: found 'spiral', expected one of linear, bent, even"),
        ({"n": 1}, "n: found 1"),
        ({"noise": 0}, "noise: found 0"),
    ],
)
def test_what_cannot_be_planted_is_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        draw_planted(**({"edges": EDGES, "n": 10} | arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", TRIPLETS)
def test_triplets_are_tied_at_given_s_exactly_where_they_say(kind: str) -> None:
    drawn = draw_triplet(kind, N, 4, strength=0.3, seed=2)
    design = np.column_stack([np.ones(N), drawn.latent])
    left = [y - design @ np.linalg.lstsq(design, y, rcond=None)[0] for y in (drawn.target, drawn.query)]
    partial = np.corrcoef(*left)[0, 1]
    if not TRIPLETS[kind]:
        assert abs(partial) < ERROR
    elif kind == "fork and arrow":
        assert partial == pytest.approx(0.3, abs=ERROR)
    else:
        assert abs(partial) > 0.2
    marginal = np.corrcoef(drawn.target, drawn.query)[0, 1]
    assert (abs(marginal) < ERROR) == (kind == "collider")


def test_triplets_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="kind: found 'star', expected one of fork"):
        draw_triplet("star", 10, 2)
    with pytest.raises(ValueError, match="n_dimensions: found 1"):
        draw_triplet("collider", 10, 1)


def test_claims_are_counted_by_hand() -> None:
    true = CausalGraph("abcd", [("a", "b", "directed"), ("b", "c", "bidirected")])

    def counts(*edges: tuple[str, str, str]) -> tuple[int, int, int]:
        judged = judge_claims(CausalGraph("abcd", edges), true)
        assert judged.false == judged.invented + judged.contradicted
        return judged.missed, judged.invented, judged.contradicted

    assert counts() == (2, 0, 0)
    assert counts(*true.edges) == (0, 0, 0)
    assert counts(("b", "a", "directed"), ("b", "c", "bidirected")) == (0, 0, 2)
    # An edge without marks and a circle claim nothing; an arrow claims that its tail is a cause.
    assert counts(("a", "b", "undirected"), ("b", "c", "partially directed")) == (0, 0, 0)
    assert counts(("a", "b", "directed"), ("b", "c", "directed")) == (0, 0, 1)
    assert counts(("a", "d", "directed")) == (2, 1, 0)
    with pytest.raises(ValueError, match="expected those of true"):
        judge_claims(CausalGraph("ab"), true)


def test_pc_claims_an_arrow_where_a_cause_is_hidden_and_fci_does_not() -> None:
    """Seen from the truth: environment -> star formation <-> size, with the mass hidden."""
    edges = [("environment", "star formation"), ("mass", "star formation"), ("mass", "size")]
    seen = ["environment", "star formation", "size"]
    truth = true_graph(edges, seen)
    tables = [draw_planted(edges, 5000, seed=seed)[seen] for seed in range(8)]
    false = {
        method: np.mean([judge_claims(discover(table, method), truth).false for table in tables])
        for method in ("pc", "fci")
    }
    assert false["pc"] >= 0.75
    assert false["fci"] <= 0.25
