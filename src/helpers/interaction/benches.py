"""A bench on which the reader plants a graph and sees what a search makes of it; it needs a kernel (ours)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from ..causal import LINKS, CausalGraph, discover, draw_planted, judge_claims, true_graph
from ..plotting import draw_graph, graph_legend, graph_order, panels
from .fragments import drawn_as_png

if TYPE_CHECKING:
    from ipywidgets import VBox
    from matplotlib.figure import Figure

__all__ = ["graph_bench", "planted_and_found", "read_edges"]

NOTHING = "nothing"
SIZES = (100, 300, 1000, 3000, 10_000, 30_000)
SEARCHES: dict[str, dict[str, Any]] = {
    "PC": {"method": "pc"},
    "PC, ranks": {"method": "pc", "test": "rank"},
    "PC, random features": {"method": "pc", "test": "rcit", "n_rows": 1000},
    "FCI": {"method": "fci"},
    "GES": {"method": "ges"},
}


def read_edges(text: str) -> list[tuple[str, str]]:
    """Read arrows, one in a line: ``mass -> size``. Empty lines say nothing.

    Raises
    ------
    ValueError
        If a line is no arrow between two names.
    """
    edges = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        names = [name.strip() for name in line.split("->")]
        if len(names) != 2 or not all(names):
            raise ValueError(f"line {number}: found {line.strip()!r}, expected an arrow such as 'mass -> size'")
        edges.append((names[0], names[1]))
    return edges


def planted_and_found(
    edges: Sequence[tuple[str, str]],
    n: int = 1000,
    *,
    link: str = "linear",
    search: str = "PC",
    hidden: str | None = None,
    seed: int = 0,
) -> tuple[CausalGraph, CausalGraph]:
    """Plant a graph, draw a table, and search it (ours).

    Parameters
    ----------
    edges, n, link, seed
        As in `helpers.causal.draw_planted`.
    search : {"PC", "PC, ranks", "PC, random features", "FCI", "GES"}
        With random features at most 1,000 rows are read.
    hidden : str, optional
        Variable that the search does not see.

    Returns
    -------
    planted, found : CausalGraph
        The first is right while the variable is hidden, see `helpers.causal.true_graph`.

    Raises
    ------
    ValueError
        If the search is unknown, fewer than two variables are seen, and as `helpers.causal.draw_planted`.
    """
    if search not in SEARCHES:
        raise ValueError(f"search: found {search!r}, expected one of {', '.join(SEARCHES)}")
    table = draw_planted(edges, n, link=link, seed=seed)
    seen = table.drop(columns=hidden) if hidden in table else table
    if seen.shape[1] < 2:
        raise ValueError(f"edges: found {list(seen)} to be seen, expected at least two variables")
    return true_graph(edges, list(seen)), discover(seen, seed=seed, **SEARCHES[search])


def graph_bench(edges: Iterable[Sequence[str]], *, n: int = 1000, seed: int = 0) -> VBox:
    """Let the reader plant a graph and search it, in Jupyter, Binder or Colab (ours).

    A page without a kernel shows nothing in its place.

    Parameters
    ----------
    edges : iterable of (cause, effect)
        What is planted at first.
    n : int, default 1000
        Galaxies at first: 100, 300, 1000, 3000, 10000 or 30000.
    seed : int, default 0
        Of the first draw; each further one adds 1.

    Returns
    -------
    ipywidgets.VBox

    Raises
    ------
    ValueError
        If `n` is another number.
    """
    import ipywidgets

    if n not in SIZES:
        raise ValueError(f"n: found {n!r}, expected one of {', '.join(map(str, SIZES))}")
    arrows = ipywidgets.Textarea("\n".join(" -> ".join(edge) for edge in edges), rows=7, description="arrows")
    link = ipywidgets.Dropdown(options=list(LINKS), description="links")
    hidden = ipywidgets.Dropdown(options=[NOTHING], description="hide")
    search = ipywidgets.Dropdown(options=list(SEARCHES), description="search")
    size = ipywidgets.SelectionSlider(options=SIZES, value=n, description="galaxies", continuous_update=False)
    again = ipywidgets.Button(description="draw again")
    words, picture = ipywidgets.HTML(), ipywidgets.Image(format="png")
    number = [seed]

    def show(*_: Any) -> None:
        try:
            planted = read_edges(arrows.value)
            names = [NOTHING, *dict.fromkeys(name for edge in planted for name in edge)]
            if list(hidden.options) != names:
                kept = hidden.value
                hidden.options = names
                hidden.value = kept if kept in names else NOTHING
            graphs = planted_and_found(
                planted, size.value, link=link.value, search=search.value, hidden=hidden.value, seed=number[0]
            )
        except ValueError as error:
            words.value = f"<strong>{escape(str(error))}</strong>"
            return
        judged = judge_claims(graphs[1], graphs[0])
        words.value = (
            f"{judged.missed} edges missed, {judged.invented} invented, {judged.contradicted} marks contradicted"
        )
        picture.value = drawn_as_png(_drawn(*graphs, search.value))

    def draw_again(_: Any) -> None:
        number[0] += 1
        show()

    for control in (arrows, link, hidden, search, size):
        control.observe(show, names="value")
    again.on_click(draw_again)
    show()
    controls = ipywidgets.VBox([link, hidden, search, size, again])
    return ipywidgets.VBox([ipywidgets.HBox([arrows, controls]), words, picture])


def _drawn(planted: CausalGraph, found: CausalGraph, search: str) -> Figure:
    """Both graphs on one circle."""
    figure, axes = panels(2, width=3.5, height=3.2)
    order = graph_order(planted)
    for axis, graph, words in zip(axes, (planted, found), ("planted", f"found by {search}"), strict=True):
        draw_graph(axis, graph, order=order, legend=False)
        axis.set_title(words, fontsize=11)
    graph_legend(axes[0], [planted, found])
    return figure
