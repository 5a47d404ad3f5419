"""The answer for one choice of bands, as HTML and as text (ours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from ..plotting import ATOMS, COLOURS
from .answers import COMPONENTS, Answers, subset_name

__all__ = ["NOTHING", "answer_html", "answer_text"]

NOTHING, MINUS = "\u2013", "\u2212"

# Names of what is shown, with the words and the colour of each.
SIDES = {
    "information": ("Chosen: ", COLOURS["blue"]),
    "rest": ("The rest: ", COLOURS["orange"]),
    "all": ("All together", COLOURS["grey"]),
}
PARTS = dict(zip(COMPONENTS, ("redundant", "unique to the chosen", "unique to the rest", "synergistic"), strict=True))
ADDED = {"conditional_1": "Chosen, given the rest", "conditional_2": "The rest, given the chosen"}


def answer_html(known: Answers, mask: int) -> str:
    """The answer for one choice as the script would write and draw it."""
    shown, colours = known.shown(mask), {name: colour for name, _, colour in ATOMS}
    chosen, rest = (escape(subset_name(known.bands, side) or NOTHING) for side in (mask, known.whole ^ mask))
    parts, grid = [], _grid(known.scale)

    def row(name: str, words: str, drawing: str = "") -> None:
        # What all bands tell never changes: no mark for the script.
        value, interval = (f' data-{kind}="{name}"' if name != "all" else "" for kind in ("value", "interval"))
        number = f"<strong{value}>{_nats(shown[name][0])}</strong>"
        number += f' <span class="picker-interval"{interval}>{_interval(shown[name])}</span>'
        parts.append(
            f'<div class="picker-row"><span>{words}</span><span class="picker-number">{number}</span></div>{drawing}'
        )

    parts.append(
        f'<p aria-live="polite" aria-atomic="true"><strong data-bands="chosen">{chosen}</strong>: '
        f'<span data-value="information">{_nats(shown["information"][0])}</span> of {_nats(shown["all"][0])} nats. '
        f'The rest adds <span data-value="conditional_2">{_nats(shown["conditional_2"][0])}</span>; to the rest, the '
        f'choice adds <span data-value="conditional_1">{_nats(shown["conditional_1"][0])}</span>.</p>'
    )
    for name, (words, colour) in SIDES.items():
        value, low, high = (end or 0 for end in shown[name])
        bar, whisker = (f' data-{kind}="{name}"' if name != "all" else "" for kind in ("bar", "range"))
        drawing = _rectangle(known.scale, min(0, value), max(0, value), 16, f' fill="{colour}"{bar}')
        drawing += _line(known.scale, low, high, 9, f' class="picker-ink"{whisker}')
        side = {"information": f'<span data-bands="chosen">{chosen}</span>'}.get(name, "")
        side = f'<span data-bands="rest">{rest}</span>' if name == "rest" else side
        row(name, words + side, _drawing(grid + drawing))
    parts.append('<div class="picker-group">How the chosen and the rest share it</div>')
    parts.append(_drawing(grid + _stack(known, shown, colours), "picker-stack"))
    for name, words in PARTS.items():
        row(name, f'<span class="picker-key" style="background: {colours[name]}"></span>{words}')
    parts.append('<div class="picker-group">Conditional information</div>')
    for name, words in ADDED.items():
        value, low, high = (end or 0 for end in shown[name])
        drawing = _line(known.scale, low, high, 9, f' class="picker-ink" data-range="{name}"')
        drawing += (
            f'<circle class="picker-ink" cx="{_percent(known.scale, value)}" cy="9" r="4" data-point="{name}"></circle>'
        )
        row(name, words, _drawing(grid + drawing))
    parts.append(_axis(known.scale))
    parts.append(
        '<p class="picker-note">Information on stellar mass in nats, with 95% intervals. Redundant is what both sides '
        "tell, each by itself, synergistic what only both together tell. The line across the stacked bar is what all "
        "bands tell; parts below zero are drawn to the left.</p>"
    )
    return "\n".join(parts)


def answer_text(known: Answers, mask: int, name: str) -> str:
    """The answer for one choice in plain words."""
    shown = known.shown(mask)
    sides = {"information": mask, "rest": known.whole ^ mask, "all": 0}
    words = {name: words + subset_name(known.bands, sides[name]) for name, (words, _) in SIDES.items()} | PARTS | ADDED
    lines = [f"{words[one]:<42} {_nats(shown[one][0])} {_interval(shown[one])}".rstrip() for one in words]
    return "\n".join([name, *lines, "Nats, with 95% intervals."])


def _nats(value: int | None) -> str:
    return NOTHING if value is None else f"{value / 1000:.3f}".replace("-", MINUS)


def _interval(values: Sequence[int | None]) -> str:
    return "" if values[0] is None else f"({_nats(values[1])} to {_nats(values[2])})"


def _percent(scale: tuple[float, float], value: float) -> str:
    return f"{100 * (value - scale[0]) / (scale[1] - scale[0]):.2f}%"


def _rectangle(scale: tuple[float, float], start: float, end: float, height: int, attributes: str) -> str:
    width = _percent(scale, scale[0] + end - start)
    return f'<rect x="{_percent(scale, start)}" y="1" width="{width}" height="{height}"{attributes}></rect>'


def _line(scale: tuple[float, float], start: float, end: float, y: int, attributes: str) -> str:
    return f'<line x1="{_percent(scale, start)}" x2="{_percent(scale, end)}" y1="{y}" y2="{y}"{attributes}></line>'


def _drawing(content: str, kind: str = "picker-bar") -> str:
    # The numbers stand beside it as text.
    return f'<svg class="{kind}" aria-hidden="true">{content}</svg>'


def _stack(known: Answers, shown: Mapping[str, Sequence[int | None]], colours: Mapping[str, str]) -> str:
    """Components above zero side by side to the right, those below to the left, and a line at their sum."""
    left = right = 0
    drawn = []
    for name in COMPONENTS:
        value = shown[name][0] or 0
        attributes = f' fill="{colours[name]}" data-part="{name}"'
        if value < 0:
            left += value
            drawn.append(_rectangle(known.scale, left, left - value, 22, attributes))
        else:
            drawn.append(_rectangle(known.scale, right, right + value, 22, attributes))
            right += value
    both = _percent(known.scale, shown["all"][0] or 0)
    return "".join(drawn) + f'<line class="picker-ink" x1="{both}" x2="{both}" y1="-2" y2="26"></line>'


def _ticks(scale: tuple[float, float]) -> tuple[np.ndarray, int]:
    """Some four round values on the axis, in thousandths of a nat, and the decimals that they need in nats."""
    rough = (scale[1] - scale[0]) / 4
    power = 10 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda factor: abs(np.log(factor * power / rough)))
    values = np.arange(int(np.ceil(scale[0] / step)), int(np.floor(scale[1] / step)) + 1) * step
    return values, max(0, -int(np.floor(np.log10(step / 1000) + 1e-9)))


def _grid(scale: tuple[float, float]) -> str:
    lines = []
    for value in _ticks(scale)[0]:
        at, kind = _percent(scale, value), "picker-zero" if value == 0 else "picker-grid"
        lines.append(f'<line class="{kind}" x1="{at}" x2="{at}" y1="0" y2="100%"></line>')
    return "".join(lines)


def _axis(scale: tuple[float, float]) -> str:
    values, decimals = _ticks(scale)
    texts = []
    for value in values:
        words = f"{value / 1000:.{decimals}f}".replace("-", MINUS)
        texts.append(f'<text x="{_percent(scale, value)}" y="14">{words}</text>')
    return _drawing("".join(texts), "picker-axis")
