"""Figures: one style, one palette, and the plots that more than one chapter draws."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas as pd

    from .causal import CausalGraph

__all__ = [
    "COLOURS",
    "binomial_band",
    "draw_graph",
    "draw_layers",
    "footnote",
    "forest",
    "galaxy_pictures",
    "panels",
    "pit_departure",
    "pit_histogram",
    "grouped_atoms",
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


def footnote(figure: Figure, text: str) -> None:
    """Write a line or two in small grey letters under a figure: where its numbers come from."""
    figure.supxlabel(textwrap.fill(text, 100), x=0.01, ha="left", fontsize=8.5, color=COLOURS["grey"])


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


def grouped_atoms(axis: Axes, labels: Sequence[str], tables: Sequence[pd.DataFrame]) -> None:
    """Draw each decomposition as bars beside one another, with intervals: redundant, unique to each, synergistic.

    Each table is what ``Decomposition.mean`` of `helpers.information` returns.
    """
    width = 0.8 / len(ATOMS)
    for i, (row, words, colour) in enumerate(ATOMS):
        place = np.arange(len(labels)) + (i - (len(ATOMS) - 1) / 2) * width
        value = np.array([table.loc[row, "mean"] for table in tables])
        low = np.array([table.loc[row, "low"] for table in tables])
        high = np.array([table.loc[row, "high"] for table in tables])
        axis.bar(place, value, width * 0.92, color=colour, label=words)
        axis.errorbar(
            place,
            value,
            np.clip([value - low, high - value], 0, None),
            fmt="none",
            ecolor=COLOURS["black"],
            capsize=3,
            linewidth=1,
        )
    axis.axhline(0, color=COLOURS["black"], linewidth=0.8)
    axis.set_xticks(np.arange(len(labels)), labels)
    axis.grid(visible=False, axis="x")


def draw_graph(
    axis: Axes,
    graph: CausalGraph,
    *,
    highlight: str | None = None,
    dashed: Collection[frozenset[str]] = (),
) -> None:
    """Draw a causal graph on a circle: arrows where the direction is identified, plain lines where it is not.

    `highlight` is a node to colour, `dashed` the pairs of nodes whose edge is drawn broken.
    """
    angles = np.pi / 2 - 2 * np.pi * np.arange(len(graph.nodes)) / len(graph.nodes)
    place = {node: np.array([np.cos(angle), np.sin(angle)]) for node, angle in zip(graph.nodes, angles, strict=True)}
    styles = {"directed": "-|>", "undirected": "-", "bidirected": "<|-|>"}
    for a, b, kind in graph.edges:
        axis.annotate(
            "",
            xy=tuple(place[b]),
            xytext=tuple(place[a]),
            arrowprops={
                "arrowstyle": styles.get(kind, "-"),
                "color": COLOURS["black"] if kind == "directed" else COLOURS["grey"],
                "shrinkA": 26,
                "shrinkB": 26,
                "linewidth": 1.6,
                "linestyle": "--" if frozenset((a, b)) in dashed else "-",
                "mutation_scale": 16,
            },
        )
    for node, (x, y) in place.items():
        face = "#FFE3C2" if node == highlight else "#E3F0FA"
        axis.text(
            x,
            y,
            node,
            ha="center",
            va="center",
            bbox={"boxstyle": "round,pad=0.4", "fc": face, "ec": "#888888"},
        )
    axis.set(xlim=(-1.45, 1.45), ylim=(-1.3, 1.3))
    axis.set_axis_off()


def draw_layers(
    axis: Axes, nodes: Sequence[str], edges: Sequence[tuple[str, str, str]], *, highlight: Collection[str] = ()
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
    for parent, child, _ in edges:
        axis.annotate(
            "",
            xy=place[child],
            xytext=place[parent],
            arrowprops={
                "arrowstyle": "-|>",
                "color": COLOURS["vermilion"] if {parent, child} <= set(highlight) else COLOURS["grey"],
                "alpha": 0.75,
                # As far as the box reaches, by its lines of text.
                "shrinkA": 6 + 5 * (parent.count("_") + 1),
                "shrinkB": 6 + 5 * (child.count("_") + 1),
                # Bent a little, so that an arrow does not pass for two through a node that lies between.
                "connectionstyle": "arc3,rad=0.07",
                "linewidth": 1.1,
                "mutation_scale": 10,
            },
        )
    for node, (x, y) in place.items():
        axis.text(
            x,
            y,
            node.replace("_", "\n"),
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
        )
    axis.set(xlim=(0, 1), ylim=(-max(depth.values()) - 0.5, 0.5))
    axis.set_axis_off()
