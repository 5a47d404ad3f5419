"""Self-contained pieces of a page: markup with its style before it and its script after it (ours).

The scripts make ready every piece of their kind that is not ready yet: one of them serves a page of many, and where a
page runs it twice nothing happens twice. They hold no words; what they fill in, Python has written once before.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ..plotting import COLOURS

__all__ = ["Fragment", "drawn_as_png", "page"]

# A theme tells by an attribute that it is dark: the book's pages, JupyterLab, Colab. The book's theme puts HTML that it
# does not know on a light ground in the dark; a piece brings its own. `hidden` must win over `display`.
STYLE = f"""
.no-kernel {{
  --ink: #222222; --paper: #ffffff; --faint: #595959; --line: #8a8a8a; --grid: #dddddd; color-scheme: light;
  box-sizing: border-box; max-width: 46rem; margin: 1rem 0; padding: 0.9rem 1.1rem; border: 1px solid var(--grid);
  border-radius: 0.4rem; background: var(--paper); color: var(--ink); line-height: 1.45; text-align: left;
}}
html[data-theme="dark"] .no-kernel, body[data-jp-theme-light="false"] .no-kernel, html[theme="dark"] .no-kernel {{
  --ink: #ececec; --paper: #1a1e23; --faint: #b4b4b4; --line: #8f8f8f; --grid: #3d4349; color-scheme: dark;
}}
.text_html:has(> .no-kernel) {{ background: none !important; padding: 0 !important; }}
.no-kernel [hidden] {{ display: none !important; }}
.no-kernel figcaption {{ margin: 0 0 0.6rem; padding: 0; font-weight: bold; color: var(--ink); text-align: left; }}
.no-kernel :focus-visible {{ outline: 3px solid {COLOURS["orange"]}; outline-offset: 2px; }}
@media (max-width: 30rem) {{
  .no-kernel {{ padding: 0.7rem; }}
}}
@media print {{
  .no-kernel {{
    --ink: #222222 !important; --paper: #ffffff !important; --faint: #595959 !important; --grid: #dddddd !important;
    break-inside: avoid; print-color-adjust: exact; -webkit-print-color-adjust: exact;
  }}
  .no-kernel .no-kernel-controls {{ display: none !important; }}
}}
""".strip()


@dataclass(frozen=True, repr=False)
class Fragment:
    """A self-contained piece of a page.

    Attributes
    ----------
    html : str
        Markup, style, data and script.
    text : str
        What stands in its place where there is no HTML.
    """

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def page(kind: str, content: str, style: str, script: str, attributes: str = "") -> str:
    """One figure with its style before it and its script after it.

    Parameters
    ----------
    kind : str
        Class of the figure, by which `style` and `script` know it.
    content, style, script : str
        HTML, CSS and JavaScript.
    attributes : str
        More attributes of the figure, with a space before each.
    """
    # data-lm-suppress-shortcuts: JupyterLab leaves the keys to it.
    return (
        f"<style>{STYLE}\n{style}</style>\n"
        f'<figure class="no-kernel {kind}" data-lm-suppress-shortcuts="true"{attributes}>\n{content}\n</figure>\n'
        f"<script>{script}</script>"
    )


def drawn_as_png(figure: Figure) -> bytes:
    """Draw a figure for a widget, and close it, so that the cell does not show it once more.

    Widgets hold pictures, and not the output of cells: a front end that executes a notebook has to follow captured
    output message by message, and was seen to wait for one that never came.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()
