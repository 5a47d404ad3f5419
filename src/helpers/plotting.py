"""Figures: one style, one palette, and the plots that more than one chapter draws."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.text import Text
from matplotlib.transforms import ScaledTranslation

if TYPE_CHECKING:
    import pandas as pd

    from .causal import CausalGraph

__all__ = [
    "COLOURS",
    "binomial_band",
    "decimal",
    "draw_graph",
    "draw_layers",
    "footnote",
    "forest",
    "galaxy_pictures",
    "graph_legend",
    "graph_order",
    "legend_below",
    "panels",
    "pit_departure",
    "pit_histogram",
    "show_picture",
    "use_style",
]

# Okabe & Ito's palette: told apart by colour-blind readers, and ordered by lightness for grey prints.
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermilion": "#D55E00",
    "sky": "#56B4E9",
    "purple": "#CC79A7",
    "grey": "#7A7A7A",
    "black": "#222222",
}


def use_style() -> None:
    """Set the book's style: legible at phone width, titles on the left, light grid, no top and right frame."""
    plt.rcParams.update(
        {
            "figure.figsize": (6.6, 4.1),
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "savefig.bbox": "tight",
            "figure.constrained_layout.use": True,
            "font.size": 12,
            "axes.titlesize": 12.5,
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#E4E4E4",
            "grid.linewidth": 0.8,
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "axes.prop_cycle": plt.cycler(color=list(COLOURS.values())),
            "image.cmap": "viridis",
        }
    )


def panels(
    n: int, *, width: float = 3.3, height: float = 3.3, columns: int = 2, title: str = ""
) -> tuple[Figure, list[Axes]]:
    """Figure with `n` panels in rows of `columns`; unused ones are hidden."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows + 0.3), squeeze=False)
    flat = list(axes.flat)
    for axis in flat[n:]:
        axis.set_visible(False)
    if title:
        figure.suptitle(textwrap.fill(title, 58), x=0.01, ha="left", fontsize=12.5, fontweight="bold")
    return figure, flat[:n]


def decimal(value: float, digits: int = 2) -> str:
    """A number for a title: with a true minus sign, and none on what rounds to zero."""
    return f"{value:z.{digits}f}".replace("-", "\N{MINUS SIGN}")


def footnote(figure: Figure, text: str) -> None:
    """Write a line or two in small grey letters under a figure: where its numbers come from."""
    figure.supxlabel(textwrap.fill(text, 100), x=0.01, ha="left", fontsize=8.5, color=COLOURS["grey"])


def legend_below(figure: Figure, axis: Axes, *, columns: int = 2) -> None:
    """Explain the artists of one panel under a figure whose panels share them."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, ncols=columns, loc="upper center", bbox_to_anchor=(0.5, 0.02))


def galaxy_pictures(images: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Colour pictures of stamps, whatever their bands.

    Parameters
    ----------
    images : array [n, band, y, x]
    bands : sequence of str
        From blue to red. Red, green and blue are i, r and g where these are among them, else the last, the middle and
        the first; of fewer than three bands the pictures are grey.

    Returns
    -------
    uint8 array [n, y, x, 3]
    """
    from .survey.stamps import colour_picture

    if {"i", "r", "g"} <= set(bands):
        return colour_picture(images, available=bands)
    chosen = [bands[-1], bands[len(bands) // 2], bands[0]] if len(bands) > 2 else [bands[-1]] * 3
    return colour_picture(images, bands=chosen, available=bands, weights=(1.0, 1.0, 1.0))


def show_picture(
    axis: Axes, picture: np.ndarray, caption: str = "", *, limits: tuple[float, float] | None = None
) -> None:
    """Show a picture without ticks, north up; one that is not in colour in grey, between `limits`."""
    low, high = limits or (None, None)
    axis.imshow(picture, origin="lower", cmap="gray", vmin=low, vmax=high)
    axis.set(xticks=[], yticks=[])
    axis.grid(visible=False)
    axis.set_title(caption, fontsize=9.5, fontweight="normal")


def binomial_band(n_values: int, n_bins: int, level: float = 0.95) -> tuple[float, float]:
    """Range of a density histogram's height that `level` of bins keep to when values are uniform on [0, 1]."""
    from scipy.stats import binom

    low, high = binom.interval(level, n_values, 1 / n_bins)
    return low * n_bins / n_values, high * n_bins / n_values


def pit_departure(values: np.ndarray) -> tuple[float, float]:
    """Departure of a probability integral transform from uniform, and its 5% critical value.

    The departure is Kolmogorov and Smirnov's: the largest difference between the cumulative distributions. The critical
    value, 1.358 over the root of the number of values, is the asymptotic one.
    """
    from scipy.stats import kstest

    return float(kstest(values, "uniform").statistic), float(1.358 / np.sqrt(len(values)))


def pit_histogram(
    axis: Axes, values: np.ndarray, *, n_bins: int = 20, label: str | None = None, colour: str = COLOURS["blue"]
) -> None:
    """Draw a probability integral transform with the 95% band of a uniform one."""
    values = np.asarray(values)
    values = values[np.isfinite(values)]
    low, high = binomial_band(len(values), n_bins)
    axis.axhspan(low, high, color="#DDDDDD", zorder=0, label="95% of bins, if uniform")
    axis.hist(
        values,
        bins=np.linspace(0, 1, n_bins + 1).tolist(),
        density=True,
        histtype="step",
        color=colour,
        linewidth=1.8,
        label=label,
    )
    axis.set(xlabel="probability integral transform", ylabel="density", xlim=(0, 1), ylim=(0, None))


def forest(
    axis: Axes,
    labels: Sequence[str],
    values: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    colour: str = COLOURS["blue"],
    marker: str = "o",
    offset: float = 0.0,
    label: str | None = None,
) -> None:
    """Draw one value with its interval per row, first row on top."""
    rows = np.arange(len(labels))[::-1] + offset
    values, low, high = (np.asarray(array, dtype=float) for array in (values, low, high))
    errors = np.clip(np.vstack([values - low, high - values]), 0, None)
    axis.errorbar(values, rows, xerr=errors, fmt=marker, color=colour, capsize=3, markersize=6, label=label)
    axis.set_yticks(np.arange(len(labels))[::-1], labels)
    axis.grid(visible=False, axis="y")


ATOMS = (
    ("R", "redundant", COLOURS["sky"]),
    ("U1", "unique to first", COLOURS["blue"]),
    ("U2", "unique to second", COLOURS["orange"]),
    ("Syn", "synergistic", COLOURS["vermilion"]),
)


# How an edge of a causal graph is drawn, by its two marks in either order, and what it is called. What it means depends
# on the search: two arrowheads are a hidden common cause to FCI, and a contradiction to PC.
EDGE_STYLES: dict[frozenset[str], tuple[str, tuple[float, tuple[float, ...]], str]] = {
    frozenset({"tail", "arrow"}): ("black", (0, ()), "\u2192 one arrowhead"),
    frozenset({"tail"}): ("grey", (0, ()), "\u2014 no arrowhead"),
    frozenset({"arrow"}): ("vermilion", (0, (4, 2)), "\u2194 two arrowheads"),
    frozenset({"circle", "arrow"}): ("blue", (0, ()), "o\u2192 one arrowhead, one end open"),
    frozenset({"circle"}): ("blue", (0, (1, 1)), "o\u2013o both ends open"),
    frozenset({"circle", "tail"}): ("grey", (0, (1, 1)), "o\u2014 one end open"),
}
NODE_RADIUS, MARK_RADIUS = 6.0, 3.0  # points
SHORT_CHORD = 0.95  # in radii of the circle that nodes lie on
INWARDS, OUTWARDS = 0.35, 0.25  # how far an edge bends at most, as a share of its length


def graph_order(graph: CausalGraph) -> list[str]:
    """Order of a graph's nodes around a circle in which few edges cross, by exchanging pairs as long as that helps."""
    order = list(graph.nodes)

    def cost(order: list[str]) -> tuple[int, int]:
        place = {node: i for i, node in enumerate(order)}
        ends = [tuple(sorted((place[a], place[b]))) for a, b, _ in graph.edges]
        crossings = sum(a < c < b < d or c < a < d < b for i, (a, b) in enumerate(ends) for c, d in ends[:i])
        return crossings, sum(min(b - a, len(order) - b + a) for a, b in ends)

    best, improved = cost(order), True
    while improved:
        improved = False
        for i in range(len(order)):
            for j in range(i):
                order[i], order[j] = order[j], order[i]
                if (now := cost(order)) < best:
                    best, improved = now, True
                else:
                    order[i], order[j] = order[j], order[i]
    return order


def draw_graph(
    axis: Axes,
    graph: CausalGraph,
    *,
    highlight: str | None = None,
    frequency: pd.DataFrame | None = None,
    order: Sequence[str] | None = None,
    legend: bool = True,
) -> None:
    """Draw a causal graph on a circle, with the mark of each end: arrowhead, plain, or a small open circle.

    Parameters
    ----------
    axis : Axes
    graph : CausalGraph
    highlight : str, optional
        Node to colour.
    frequency : DataFrame, optional
        As `helpers.causal.edge_frequencies` returns: the wider an edge, the more of the resamples joined its nodes.
    order : sequence of str, optional
        Nodes around the circle, from the top clockwise; default `graph_order`. Give two graphs the same to compare
        them.
    legend : bool, default True
        Whether to name marks and widths below the figure; where it has several graphs, leave that to `graph_legend`.

    Raises
    ------
    ValueError
        If `order` does not hold each node of the graph once.
    """
    nodes = graph_order(graph) if order is None else list(order)
    if sorted(nodes) != sorted(graph.nodes):
        raise ValueError(f"order: found {nodes}, expected the nodes {list(graph.nodes)}")
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(nodes)) / len(nodes)
    place = dict(zip(nodes, np.column_stack([np.cos(angles), np.sin(angles)]), strict=True))
    shares = {}
    if frequency is not None:
        shares = {frozenset(pair): share for *pair, share in frequency[["a", "b", "any"]].itertuples(index=False)}
    for a, b, _ in graph.edges:
        marks = graph.marks(a, b)
        if marks is not None:
            chord = np.linalg.norm(place[a] - place[b])
            # Nodes side by side are joined along the circle, where no longer line comes near; other short lines bend
            # inwards, past the nodes between.
            beside = (nodes.index(a) - nodes.index(b)) % len(nodes) in (1, len(nodes) - 1)
            along = -min(np.tan(np.pi / (2 * len(nodes))), OUTWARDS)
            bend = along if beside else INWARDS if chord < SHORT_CHORD else 0.0
            share = shares.get(frozenset((a, b)), 0.5 if not shares else 0.0)
            _draw_edge(axis, place[a], place[b], marks, share, inwards=bend)
    for node, (x, y) in place.items():
        face = COLOURS["orange"] if node == highlight else "white"
        axis.plot(x, y, "o", markersize=2 * NODE_RADIUS, mfc=face, mec=COLOURS["black"], zorder=4)
        side = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
        axis.annotate(
            node,
            (x, y),
            xytext=((NODE_RADIUS + 5) * x, (NODE_RADIUS + 8) * y),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=11,
            fontweight="bold" if node == highlight else "normal",
        )
    axis.set(xlim=(-1.75, 1.75), ylim=(-1.2, 1.2), aspect="equal")
    axis.set_axis_off()
    if legend:
        graph_legend(axis, [graph], widths=frequency is not None)


def graph_legend(axis: Axes, graphs: Sequence[CausalGraph], *, widths: bool = False) -> None:
    """Name below a figure the marks that occur in the graphs drawn in it, and the widths of edges if asked for."""
    present = {frozenset(graph.marks(a, b) or ()) for graph in graphs for a, b, _ in graph.edges}
    handles = [
        Line2D([], [], color=COLOURS[name], linestyle=dashes, label=words)
        for ends, (name, dashes, words) in EDGE_STYLES.items()
        if ends in present
    ]
    if widths:
        for share, words in ((0.5, "in half of the resamples"), (1.0, "in all resamples")):
            handles.append(Line2D([], [], color=COLOURS["black"], linewidth=_edge_width(share), label=words))
    _figure(axis).legend(handles=handles, loc="outside lower center", ncols=2, fontsize=9, handlelength=2.6)


def _figure(axis: Axes) -> Figure:
    figure = axis.get_figure(root=True)
    assert figure is not None
    return figure


def _edge_width(share: float) -> float:
    return 0.7 + 2.3 * share


def _draw_edge(
    axis: Axes, start: np.ndarray, end: np.ndarray, marks: tuple[str, str], share: float, *, inwards: float
) -> None:
    """Draw a line between two nodes, short of their discs, and the mark at each end; bend it towards the middle."""
    name, dashes, _ = EDGE_STYLES[frozenset(marks)]
    way = end - start
    bend = inwards * np.sign(way[0] * start[1] - way[1] * start[0])
    middle = (start + end) / 2 + bend * np.array([way[1], -way[0]])
    gaps = []
    for point, mark in ((start, marks[0]), (end, marks[1])):
        gap = NODE_RADIUS + 1.5
        if mark == "circle":
            # In points from the node, so that the circle touches the line at any size of the figure.
            ahead = (middle - point) / np.linalg.norm(middle - point)
            right, up = (ahead * (gap + MARK_RADIUS) / 72).tolist()
            moved = axis.transData + ScaledTranslation(right, up, _figure(axis).dpi_scale_trans)
            size = 2 * MARK_RADIUS
            axis.plot(*point, "o", markersize=size, mfc="white", mec=COLOURS[name], mew=1.3, transform=moved, zorder=3)
            gap += 2 * MARK_RADIUS
        gaps.append(gap)
    axis.add_patch(
        FancyArrowPatch(
            tuple(start),
            tuple(end),
            arrowstyle=f"{'<|' if marks[0] == 'arrow' else ''}-{'|>' if marks[1] == 'arrow' else ''}",
            connectionstyle=f"arc3,rad={bend}",
            shrinkA=gaps[0],
            shrinkB=gaps[1],
            color=COLOURS[name],
            linewidth=_edge_width(share),
            linestyle=dashes,
            mutation_scale=10 + 4 * share,
            joinstyle="miter",
            zorder=2,
        )
    )


_BENDS = tuple(sign * 0.035 * step for step in range(1, 13) for sign in (1, -1))  # of arrows, in units of their length


def draw_layers(
    axis: Axes,
    nodes: Sequence[str],
    edges: Sequence[tuple[str, str, str]],
    *,
    highlight: Collection[str] = (),
    labels: Mapping[str, str] | None = None,
) -> None:
    """Draw a directed graph without cycles from causes, on top, to effects: each node is below all its parents.

    Parameters
    ----------
    axis : Axes
    nodes : sequence of str
        In causal order.
    edges : sequence of (parent, child, kind)
    highlight : collection of str
        Nodes to colour.
    labels : mapping of str to str, optional
        What to write in the box of a node. Default: its name, a word a line.
    """
    parents: dict[str, list[str]] = {node: [] for node in nodes}
    for parent, child, _ in edges:
        parents[child].append(parent)
    depth: dict[str, int] = {}
    for node in nodes:
        depth[node] = 1 + max((depth[parent] for parent in parents[node]), default=-1)
    place: dict[str, tuple[float, float]] = {}
    for level in range(max(depth.values()) + 1):
        row = [node for node in nodes if depth[node] == level]
        if level:  # beneath the middle of its parents, so that few arrows cross
            row.sort(key=lambda node: np.mean([place[parent][0] for parent in parents[node]]))
        for i, node in enumerate(row):
            # Neighbours stand a little higher and lower by turns, so that their names have room.
            place[node] = ((i + 0.5) / len(row), -level - 0.34 * (i % 2) * (len(row) > 3))
    boxes: dict[str, Rectangle] = {}
    for node, (x, y) in place.items():
        text = axis.text(
            x,
            y,
            (labels or {}).get(node, node.replace("_", "\n")),
            ha="center",
            va="center",
            fontsize=9,
            linespacing=0.9,
            bbox={
                "boxstyle": "round,pad=0.25",
                "fc": "#FFE3C2" if node in highlight else "#E3F0FA",
                "ec": "#999999",
                "lw": 0.8,
            },
            zorder=4,
        )
        boxes[node] = _box_around(axis, text, padding=0.25)
    axis.set(xlim=(0, 1), ylim=(-max(depth.values()) - 0.5, 0.5))
    _figure(axis).draw_without_rendering()
    centre = dict(zip(place, axis.transData.transform(list(place.values())), strict=True))
    # A tenth of an inch larger than they are: the layout is not yet settled, and arrows keep their distance.
    half = {
        node: (np.array([box.get_width(), box.get_height()]) + 0.1) * _figure(axis).dpi / 2
        for node, box in boxes.items()
    }
    for parent, child, _ in edges:
        between = [node for node in nodes if node not in (parent, child)]
        bend = _least_bend(
            centre[parent],
            centre[child],
            np.array([centre[node] for node in between]).reshape(-1, 2),
            np.array([half[node] for node in between]).reshape(-1, 2),
        )
        axis.annotate(
            "",
            xy=place[child],
            xytext=place[parent],
            arrowprops={
                "arrowstyle": "-|>",
                "color": COLOURS["vermilion"] if {parent, child} <= set(highlight) else COLOURS["grey"],
                "alpha": 0.75,
                "patchA": boxes[parent],
                "patchB": boxes[child],
                "shrinkA": 1,
                "shrinkB": 1,
                "connectionstyle": f"arc3,rad={bend}",
                "linewidth": 1.1,
                "mutation_scale": 10,
            },
        )
    axis.set_axis_off()


def _least_bend(start: np.ndarray, end: np.ndarray, centre: np.ndarray, half: np.ndarray) -> float:
    """Least bend of an arrow that meets none of other boxes, or the fewest: through one it would pass for two arrows.

    In pixels; boxes have centres and half sizes [n_boxes, 2]. The curve is that of matplotlib's ``arc3``.
    """
    along = np.linspace(0, 1, 101)[:, None]
    across = np.array([1, -1]) * (end - start)[::-1]
    met = []
    for bend in _BENDS:
        control = (start + end) / 2 + bend * across
        curve = (1 - along) ** 2 * start + 2 * along * (1 - along) * control + along**2 * end
        inside = (np.abs(curve[:, None] - centre) < half).all(axis=2)
        met.append(inside.any(axis=0).sum())
    return _BENDS[int(np.argmin(met))]


def _box_around(axis: Axes, text: Text, *, padding: float) -> Rectangle:
    """The box of a text, not drawn: of a fixed size in points, at the text's place wherever the layout moves the axes.

    Padding is in units of the font size, as for the box that is drawn.
    """
    figure = _figure(axis)
    extent, around = text.get_window_extent(), 2 * padding * float(text.get_fontsize()) / 72
    width, height = extent.width / figure.dpi + around, extent.height / figure.dpi + around
    data: Any = axis.transData  # typed more narrowly than what is needed
    place = figure.dpi_scale_trans + ScaledTranslation(*text.get_position(), data)
    return Rectangle((-width / 2, -height / 2), width, height, transform=place)
