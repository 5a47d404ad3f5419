"""Interaction: a slider and a picker, which need no kernel; a bench of graphs and a galaxy explorer, which do.

The first two are self-contained pieces of a page, each the last line of a cell. They work alike in the static pages, in
Jupyter and in Colab: style, data and a script of a few lines stand in the HTML, which asks for nothing from elsewhere.
Without scripts, and in print, the piece is a still. No element has an id, so that several pieces share a page, even
twice the same.
"""

from .answers import band_answers
from .benches import graph_bench, planted_and_found
from .explorers import explored_galaxy, galaxy_explorer
from .fragments import Fragment
from .pickers import band_picker
from .sliders import SLIDER_LIMIT, slider

__all__ = [
    "SLIDER_LIMIT",
    "Fragment",
    "band_answers",
    "band_picker",
    "explored_galaxy",
    "galaxy_explorer",
    "graph_bench",
    "planted_and_found",
    "slider",
]
