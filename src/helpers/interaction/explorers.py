"""One galaxy after another: its picture, those near it in S, what is known of its mass, and who says it (ours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np

from ..figures_information import component_bars, known_mass
from ..plotting import galaxy_pictures, show_picture
from .fragments import drawn_as_png

if TYPE_CHECKING:
    from ipywidgets import VBox
    from matplotlib.figure import Figure

    from ..information import Decomposition, PredictiveDistributions
    from ..survey import Sample

__all__ = ["explored_galaxy", "galaxy_explorer"]

N_SHOWN = 4  # neighbours
ORDERS = {"mass": "mass", "synergy": "Syn", "what the second adds": "conditional_2"}


def explored_galaxy(
    sample: Sample,
    row: int,
    distributions: Mapping[str, PredictiveDistributions],
    decomposition: Decomposition,
    neighbours: Mapping[int, Sequence[int] | np.ndarray] | None = None,
) -> Figure:
    """Draw all that is known of one galaxy (ours).

    Its picture and those of its nearest neighbours with their masses; the distributions of its mass; and its own
    redundant, unique and synergistic information, any of which may be negative for a single galaxy.

    Parameters
    ----------
    sample : Sample
        With images.
    row : int
        A row that the distributions hold.
    distributions : mapping of str to PredictiveDistributions
        At most four, by what they are called; the prior is that of the first. The first two are of the inputs of the
        decomposition, and name what is unique.
    decomposition : Decomposition
        Of the sample's galaxies.
    neighbours : mapping of int to rows, optional
        Of the galaxy, nearest first; of those, four are shown.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If the sample has no images, or a distribution lacks the row.
    """
    if sample.images is None:
        raise ValueError("sample: found no images, expected a sample with images to show")
    near = list((neighbours or {}).get(row, ()))[:N_SHOWN]
    figure = plt.figure(figsize=(8.4, 4.6))
    rows = figure.subfigures(2, 1, height_ratios=[1, 1.5], squeeze=False)  # each keeps its own margins
    above, below = rows[:, 0]
    pictures = galaxy_pictures(np.stack([np.asarray(sample.images[i]) for i in (row, *near)]), sample.bands)
    stamps = above.subplots(1, N_SHOWN + 1)
    for i, (axis, member, picture) in enumerate(zip(stamps, (row, *near), pictures, strict=False)):
        words = f"neighbour {i}" if i else "this galaxy"
        show_picture(axis, picture, f"{words}\nlog M* {sample.mass[member]:.2f}")
    for axis in stamps[len(pictures) :]:
        axis.set_visible(False)
    known, parts = below.subplots(1, 2, width_ratios=[1.7, 1])
    known_mass(known, sample, row, distributions)
    first, second, *_ = [*distributions, "second"]
    component_bars(parts, decomposition.table().iloc[row], names=(first, second))
    parts.set(xlabel="its own information (nats)")
    return figure


def galaxy_explorer(
    sample: Sample,
    distributions: Mapping[str, PredictiveDistributions],
    decomposition: Decomposition,
    neighbours: Mapping[int, Sequence[int] | np.ndarray] | None = None,
) -> VBox:
    """Let the reader go through the galaxies, in Jupyter, Binder or Colab (ours).

    A page without a kernel shows nothing in its place.

    Parameters
    ----------
    sample, distributions, decomposition, neighbours
        As in `explored_galaxy`.

    Returns
    -------
    ipywidgets.VBox
        Galaxies in order of mass, of synergy or of what the second input adds, and a figure of the chosen one.
    """
    import ipywidgets

    rows = next(iter(distributions.values())).rows
    order = ipywidgets.Dropdown(options=list(ORDERS), description="in order of")
    place = ipywidgets.IntSlider(value=len(rows) // 2, max=len(rows) - 1, description="galaxy", continuous_update=False)
    picture = ipywidgets.Image(format="png")
    values = decomposition.table().assign(mass=sample.mass)

    def show(*_: Any) -> None:
        sequence = rows[np.argsort(values[ORDERS[order.value]].to_numpy()[rows], kind="stable")]
        galaxy = int(sequence[place.value])
        picture.value = drawn_as_png(explored_galaxy(sample, galaxy, distributions, decomposition, neighbours))

    for control in (order, place):
        control.observe(show, names="value")
    show()
    return ipywidgets.VBox([ipywidgets.HBox([order, place]), picture])
