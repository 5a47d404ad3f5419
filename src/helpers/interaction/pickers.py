"""A picker of bands (ours)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd

from ..bands import SURVEYS
from ..plotting import COLOURS
from .answers import QUANTITIES, checked_answers, checked_bands, subset_mask
from .drawing import NOTHING, answer_html, answer_text
from .fragments import Fragment, page

__all__ = ["band_picker"]

STYLE = f"""
.band-picker fieldset {{ margin: 0; padding: 0; border: 0; min-width: 0; }}
.band-picker legend {{ float: none; width: auto; margin: 0 0 0.3rem; padding: 0; font-size: 1em; }}
.band-picker .picker-choices {{ display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 0 0 0.6rem; }}
.band-picker .picker-choices label, .band-picker button {{
  display: inline-flex; align-items: center; gap: 0.35rem; min-height: 2.2rem; margin: 0; padding: 0 0.65rem;
  border: 1px solid var(--line); border-radius: 0.3rem; background: var(--paper); color: var(--ink); font: inherit;
  cursor: pointer;
}}
.band-picker button:hover, .band-picker .picker-choices label:hover {{ border-color: var(--ink); }}
.band-picker input {{ width: 1.05rem; height: 1.05rem; margin: 0; accent-color: {COLOURS["blue"]}; }}
.band-picker p {{ margin: 0.3rem 0 0.7rem; }}
.band-picker .picker-note {{ margin: 0.5rem 0 0; color: var(--faint); font-size: 0.85em; }}
.band-picker .picker-row {{ display: flex; flex-wrap: wrap; justify-content: space-between; column-gap: 1rem; }}
.band-picker .picker-group {{ margin: 0.8rem 0 0; font-weight: bold; }}
.band-picker .picker-number {{ margin-left: auto; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.band-picker .picker-interval {{ color: var(--faint); }}
.band-picker .picker-key {{
  display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.45em; border-radius: 2px;
}}
.band-picker svg {{ display: block; width: 100%; height: 18px; margin: 0.1rem 0 0.35rem; overflow: visible; }}
.band-picker .picker-stack {{ height: 26px; }}
.band-picker .picker-axis {{ height: 20px; margin: 0; }}
.band-picker .picker-grid {{ stroke: var(--grid); }}
.band-picker .picker-zero {{ stroke: var(--line); }}
.band-picker .picker-ink {{ stroke: var(--ink); stroke-width: 2; fill: var(--ink); }}
.band-picker text {{ fill: var(--faint); font-size: 12px; text-anchor: middle; }}
@media (max-width: 30rem) {{
  .band-picker .picker-row {{ font-size: 0.82em; column-gap: 0.3rem; }}
}}
""".strip()

SCRIPT = """
(() => {
  for (const root of document.querySelectorAll(".band-picker:not([data-ready])")) {
    root.dataset.ready = "";
    const {bands, quantities, answers, scale, missing} = JSON.parse(root.dataset.answers);
    const boxes = [...root.querySelectorAll("input")], whole = answers.length - 1;
    const each = (kind, act) => {
      for (const node of root.querySelectorAll(`[data-${kind}]`)) act(node, node.dataset[kind]);
    };
    const nats = (value) => value === null ? missing : (value / 1000).toFixed(3).replace("-", "\\u2212");
    const at = (value) => `${(100 * (value - scale[0]) / (scale[1] - scale[0])).toFixed(2)}%`;
    const set = (node, values) => {
      for (const [name, value] of Object.entries(values)) node.setAttribute(name, at(value));
    };
    const bar = (node, from, to) => set(node, {x: from, width: scale[0] + to - from});
    const show = () => {
      const mask = boxes.reduce((sum, box, i) => sum + (box.checked ? 1 << i : 0), 0);
      const answer = {rest: answers[whole ^ mask].slice(0, 3)};
      quantities.forEach((name, i) => { answer[name] = answers[mask].slice(3 * i, 3 * i + 3); });
      each("bands", (node, side) => {
        const chosen = side === "rest" ? whole ^ mask : mask;
        node.textContent = bands.filter((_, i) => chosen >> i & 1).join(", ") || missing;
      });
      each("value", (node, name) => { node.textContent = nats(answer[name][0]); });
      each("interval", (node, name) => {
        const [value, low, high] = answer[name];
        node.textContent = value === null ? "" : `(${nats(low)} to ${nats(high)})`;
      });
      each("bar", (node, name) => bar(node, Math.min(0, answer[name][0]), Math.max(0, answer[name][0])));
      each("range", (node, name) => set(node, {x1: answer[name][1], x2: answer[name][2]}));
      each("point", (node, name) => set(node, {cx: answer[name][0]}));
      let left = 0, right = 0;
      each("part", (node, name) => {
        const value = answer[name][0];
        if (value < 0) { bar(node, left + value, left); left += value; }
        else { bar(node, right, right + value); right += value; }
      });
    };
    const choose = (mask) => {
      boxes.forEach((box, i) => { box.checked = Boolean(mask >> i & 1); });
      show();
    };
    boxes.forEach((box) => box.addEventListener("change", show));
    each("choose", (node, mask) => node.addEventListener("click", () => choose(Number(mask))));
    root.querySelector(".no-kernel-controls").hidden = false;
    show();
  }
})();
""".strip()


def band_picker(
    bands: Sequence[str],
    answers: pd.DataFrame,
    *,
    start: Sequence[str] | None = None,
    presets: Mapping[str, Sequence[str]] | None = None,
    name: str = "What do some of the bands tell about stellar mass?",
) -> Fragment:
    """Let the reader choose bands, and show what they, the rest and all tell, and how they share it (ours).

    Every answer is computed beforehand and embedded in thousandths of a nat. All choices are drawn on one scale.
    Without scripts, and in print, the answer for `start` stands alone.

    Parameters
    ----------
    bands : sequence of str
        From 2 to 8 names, in the order of the boxes.
    answers : DataFrame
        As `band_answers` returns it; the names of the subsets, their bands in any order joined by "+", are the index
        or a column ``bands``.
    start : sequence of str, optional
        The choice that is shown first; default the second preset, or where there is none the first half of the bands.
    presets : mapping of str to sequence of str, optional
        Words on a button, and the bands that it chooses; default one band, the optical and the infrared ones.
    name : str
        Heading.

    Returns
    -------
    Fragment

    Raises
    ------
    ValueError
        If the bands are not from 2 to 8 different names, `answers` lacks a column or a subset, names one wrongly or
        twice or has a null, an interval is the wrong way round, components do not add up to 0.005 nats, or `start` or a
        preset holds an unknown band.
    """
    bands = checked_bands(bands)
    known = checked_answers(bands, answers)
    buttons = _default_presets(bands) if presets is None else {words: tuple(part) for words, part in presets.items()}
    if start is None:
        start = list(buttons.values())[1] if len(buttons) > 1 else bands[: len(bands) // 2]
    masks = {words: subset_mask(bands, part, f"presets[{words!r}]") for words, part in buttons.items()}
    first = subset_mask(bands, tuple(start), "start")
    data = {
        "bands": bands,
        "quantities": list(QUANTITIES),
        "answers": [known.row(mask) for mask in range(known.whole + 1)],
        "scale": known.scale,
        "missing": NOTHING,
    }
    content = f"<figcaption>{escape(name)}</figcaption>\n{_controls(bands, masks, first)}\n{answer_html(known, first)}"
    embedded = escape(json.dumps(data, separators=(",", ":")))
    html = page("band-picker", content, STYLE, SCRIPT, f' data-answers="{embedded}"')
    return Fragment(html, answer_text(known, first, name))


def _default_presets(bands: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """One band, the optical ones and the infrared ones, as far as these are some of the bands and not all."""
    # Later surveys win, so that J and H are 2MASS's and not Euclid's.
    kinds = {band.name: survey.kind for survey in SURVEYS.values() for band in survey.bands}
    optical = tuple(band for band in bands if kinds.get(band) == "optical")
    infrared = tuple(band for band in bands if "infrared" in kinds.get(band, ""))
    letters = all(len(band) == 1 for band in optical)
    found = {
        "one band": ("r",) if "r" in bands else bands[:1],
        "".join(optical) if letters else "optical": optical,
        "infrared": infrared,
    }
    return {words: tuple(part) for words, part in found.items() if 0 < len(part) < len(bands)}


def _controls(bands: Sequence[str], presets: Mapping[str, int], start: int) -> str:
    """Boxes and buttons; hidden until the script can serve them."""
    boxes = [
        f'<label><input type="checkbox" autocomplete="off"{" checked" if start >> i & 1 else ""}>{escape(band)}</label>'
        for i, band in enumerate(bands)
    ]
    buttons = [
        f'<button type="button" data-choose="{mask}">{escape(words)}</button>'
        for words, mask in {**presets, "reset": start}.items()
    ]
    return (
        '<div class="no-kernel-controls" hidden>\n<fieldset><legend>Choose bands</legend>'
        f'<div class="picker-choices">{"".join(boxes)}</div></fieldset>\n'
        f'<div class="picker-choices" role="group" aria-label="Ready choices">{"".join(buttons)}</div>\n</div>'
    )
