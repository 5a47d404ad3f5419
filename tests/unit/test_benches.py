"""The bench on which a reader plants a graph."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.interaction import graph_bench, planted_and_found
from helpers.interaction.benches import read_edges

EDGES = [("mass", "size"), ("dust", "size")]


def test_arrows_are_read_line_by_line_and_nonsense_is_named() -> None:
    assert read_edges("mass -> size\n\n dust->size ") == EDGES
    with pytest.raises(ValueError, match="line 2: found 'dust', expected an arrow such as"):
        read_edges("mass -> size\ndust")


def test_what_is_planted_is_found_and_what_is_hidden_is_not_seen() -> None:
    planted, found = planted_and_found(EDGES, 3000)
    assert {edge[:2] for edge in planted.edges} == set(EDGES)
    assert {frozenset(edge[:2]) for edge in found.edges} == {frozenset(edge) for edge in EDGES}
    planted, found = planted_and_found(EDGES, 3000, hidden="dust")
    assert set(planted.nodes) == set(found.nodes) == {"mass", "size"}
    with pytest.raises(ValueError, match="expected at least two variables"):
        planted_and_found([("a", "b")], hidden="a")
    with pytest.raises(ValueError, match="search: found 'magic'"):
        planted_and_found(EDGES, search="magic")


def controls(bench: Any) -> dict[str, Any]:
    (arrows, column), words = bench.children[0].children, bench.children[1]
    return {one.description: one for one in (arrows, *column.children)} | {"words": words}


def test_the_bench_answers_to_its_controls() -> None:
    pytest.importorskip("ipywidgets")
    found = controls(graph_bench(EDGES, n=3000))
    assert found["words"].value == "0 edges missed, 0 invented, 0 marks contradicted"
    found["links"].value = "even"
    assert found["words"].value.startswith("2 edges missed")
    found["links"].value = "linear"
    found["hide"].value = "dust"
    assert found["words"].value.startswith("0 edges missed")
    found["arrows"].value = "mass -> size\nsize -> mass"
    assert "the cycle" in found["words"].value
    found["arrows"].value = "mass > <b>size</b>"
    assert "line 1" in found["words"].value and "<b>" not in found["words"].value
    found["arrows"].value = "a -> b"
    assert found["hide"].value == "nothing" and list(found["hide"].options) == ["nothing", "a", "b"]
    with pytest.raises(ValueError, match="n: found 7"):
        graph_bench(EDGES, n=7)
