"""Interaction without a kernel: a slider of figures, and a picker of bands, each one self-contained piece of a page.

Both are the last line of a cell. They work alike in the static pages, in Jupyter and in Colab: style, data and a script
of a few lines stand in the HTML, which asks for nothing from elsewhere. Without scripts, and in print, the piece is a
still. No element has an id, so that several pieces share a page, even twice the same.
"""

from .answers import band_answers
from .fragments import Fragment
from .pickers import band_picker
from .sliders import SLIDER_LIMIT, slider

__all__ = ["SLIDER_LIMIT", "Fragment", "band_answers", "band_picker", "slider"]
