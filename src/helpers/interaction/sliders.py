"""A slider of figures (ours)."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ..checks import is_whole
from ..plotting import COLOURS
from .fragments import Fragment, page

__all__ = ["SLIDER_LIMIT", "slider"]

SLIDER_LIMIT = 3_000_000  # bytes of HTML

STYLE = f"""
.frame-slider label {{ display: block; margin: 0 0 0.5rem; }}
.frame-slider input {{ width: 100%; margin: 0.4rem 0 0; accent-color: {COLOURS["blue"]}; }}
.frame-slider img {{ display: block; max-width: 100%; height: auto; margin: 0; }}
""".strip()

SCRIPT = """
(() => {
  for (const root of document.querySelectorAll(".frame-slider:not([data-ready])")) {
    root.dataset.ready = "";
    const input = root.querySelector("input"), frames = [...root.querySelectorAll("img")];
    const show = () => {
      frames.forEach((frame, i) => { frame.hidden = i !== Number(input.value); });
      const label = frames[input.value].dataset.label;
      root.querySelector("[data-shown]").textContent = label;
      input.setAttribute("aria-valuetext", label);
    };
    input.addEventListener("input", show);
    input.hidden = false;
    show();
  }
})();
""".strip()


def slider(
    frames: Sequence[Figure],
    labels: Sequence[object],
    alts: Sequence[str],
    *,
    name: str,
    start: int = 0,
    max_bytes: int = SLIDER_LIMIT,
) -> Fragment:
    """Put figures behind a slider: one is shown, with its label, and the reader moves to the others (ours).

    The figures are drawn now and closed, so that the cell shows them once. All are cut to one size and embedded as PNG
    or as SVG, whichever is smaller in all. Mouse, touch and arrow keys move the slider. Without scripts, and in print,
    the frame `start` stands alone.

    Parameters
    ----------
    frames : sequence of Figure
        At least two, best of one size: all are cut alike.
    labels : sequence
        What the slider's value is called at each frame, such as ``[10, 30, 100]``.
    alts : sequence of str
        Alternative text of each frame: what it shows.
    name : str
        What the slider varies, such as ``"neighbours"``.
    start : int, default 0
        Number of the frame that is shown first.
    max_bytes : int, default 3,000,000
        Size of the HTML that is refused if exceeded: a page must open on a phone.

    Returns
    -------
    Fragment

    Raises
    ------
    ValueError
        If there are fewer than two frames, or not as many labels and alternative texts as frames, a text is empty, a
        frame is no figure, `start` is no frame's number, or the HTML is larger than `max_bytes`.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figures = [plt.figure(figsize=(1, 1)) for _ in range(2)]
    >>> slider(figures, [10, 100], ["ten", "a hundred"], name="neighbours")
    neighbours: 10 (frame 1 of 2)
    ten
    """
    frames, words, alts = list(frames), [str(label) for label in labels], list(alts)
    if len(frames) < 2:
        raise ValueError(f"frames: found {len(frames)}, expected at least two figures")
    for argument, texts in (("labels", words), ("alts", alts)):
        if len(texts) != len(frames):
            raise ValueError(f"{argument}: found {len(texts)}, expected one for each of {len(frames)} frames")
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(f"{argument}: found {texts}, expected words for each frame")
    for frame in frames:
        if not isinstance(frame, Figure):
            raise ValueError(f"frames: found {type(frame).__name__}, expected matplotlib figures")
    if not name.strip():
        raise ValueError(f"name: found {name!r}, expected what the slider varies")
    if not is_whole(start) or not 0 <= start < len(frames):
        raise ValueError(f"start: found {start!r}, expected a frame's number from 0 to {len(frames) - 1}")
    images, width, height = _embedded(frames)
    pictures = [
        f'<img src="{image}" width="{width}" height="{height}" alt="{escape(alt)}" '
        f'data-label="{escape(label)}"{"" if i == start else " hidden"}>'
        for i, (image, label, alt) in enumerate(zip(images, words, alts, strict=True))
    ]
    control = (
        f'<label>{escape(name)}: <strong data-shown>{escape(words[start])}</strong>\n<input class="no-kernel-controls" '
        f'type="range" min="0" max="{len(frames) - 1}" step="1" value="{start}" autocomplete="off" '
        f'aria-label="{escape(name)}" aria-valuetext="{escape(words[start])}" hidden></label>'
    )
    html = page("frame-slider", "\n".join([control, *pictures]), STYLE, SCRIPT)
    size = len(html.encode())
    if size > max_bytes:
        raise ValueError(
            f"frames: found {size:,} bytes of HTML, expected at most {max_bytes:,}: give fewer or smaller figures"
        )
    return Fragment(html, f"{name}: {words[start]} (frame {start + 1} of {len(frames)})\n{alts[start]}")


def _embedded(frames: Sequence[Figure]) -> tuple[list[str], int, int]:
    """Addresses that hold the frames themselves, and their width and height in the pixels of a page."""
    boxes = []
    for frame in frames:
        frame.draw_without_rendering()
        boxes.append(frame.get_tightbbox())
    # One cut for all: a slider whose frames differ in size would jump.
    cut = Bbox.union(boxes).padded(0.05)
    kinds = {kind: [_drawn(frame, kind, cut) for frame in frames] for kind in ("png", "svg")}
    for frame in frames:
        plt.close(frame)
    kind = min(kinds, key=lambda kind: sum(map(len, kinds[kind])))
    mime = {"png": "image/png", "svg": "image/svg+xml"}[kind]
    resolution = plt.rcParams["savefig.dpi"]
    pixels = frames[0].dpi if resolution == "figure" else float(resolution)
    addresses = [f"data:{mime};base64,{base64.b64encode(drawn).decode('ascii')}" for drawn in kinds[kind]]
    return addresses, round(cut.width * pixels), round(cut.height * pixels)


def _drawn(frame: Figure, kind: str, cut: Bbox) -> bytes:
    buffer = io.BytesIO()
    # Neither the date nor random names: the same figure makes the same page.
    with plt.rc_context({"svg.hashsalt": "slider"}):
        frame.savefig(buffer, format=kind, bbox_inches=cut, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()
