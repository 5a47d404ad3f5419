"""Interaction without a kernel: a slider of figures, and a picker of bands, each one self-contained piece of a page.

Both are the last line of a cell. They work alike in the static pages, in Jupyter and in Colab: style, data and a script
of a few lines stand in the HTML, which asks for nothing from elsewhere. Without scripts, and in print, the piece is a
still. No element has an id, so that several pieces share a page, even twice the same.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from .bands import SURVEYS
from .checks import is_whole
from .plotting import ATOMS, COLOURS

__all__ = ["SLIDER_LIMIT", "Fragment", "band_answers", "band_picker", "slider"]

SLIDER_LIMIT = 3_000_000  # bytes of HTML
FEWEST_BANDS, MOST_BANDS = 2, 8
# What is shown of a choice of bands, with the names that `Decomposition.mean` gives it; the first stands for the choice
# and the others for how it and the rest share what they tell.
QUANTITIES = {
    "information": "I(X1)",
    **{name: name for name in ("R", "U1", "U2", "Syn", "conditional_1", "conditional_2")},
}
COMPONENTS = tuple(name for name, _, _ in ATOMS)
MIRRORED = {"U1": "U2", "U2": "U1", "conditional_1": "conditional_2", "conditional_2": "conditional_1"}
ENDS = ("", "_low", "_high")
TOLERANCE = 0.005  # nats, by which rounded components may miss their sum
NOTHING, MINUS = "\u2013", "\u2212"


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
.frame-slider label {{ display: block; margin: 0 0 0.5rem; }}
.frame-slider input {{ width: 100%; margin: 0.4rem 0 0; accent-color: {COLOURS["blue"]}; }}
.frame-slider img {{ display: block; max-width: 100%; height: auto; margin: 0; }}
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
@media (max-width: 30rem) {{
  .no-kernel {{ padding: 0.7rem; }}
  .band-picker .picker-row {{ font-size: 0.82em; column-gap: 0.3rem; }}
}}
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
@media print {{
  .no-kernel {{
    --ink: #222222 !important; --paper: #ffffff !important; --faint: #595959 !important; --grid: #dddddd !important;
    break-inside: avoid; print-color-adjust: exact; -webkit-print-color-adjust: exact;
  }}
  .no-kernel .no-kernel-controls {{ display: none !important; }}
}}
""".strip()

# The scripts make ready every piece of their kind that is not ready yet: one of them serves a page of many, and where
# a page runs it twice nothing happens twice. They hold no words; what they fill in, Python has written once before.
SLIDER_SCRIPT = """
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

PICKER_SCRIPT = """
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


def _page(kind: str, content: str, script: str, attributes: str = "") -> str:
    """One figure with its style before it and its script after it."""
    # data-lm-suppress-shortcuts: JupyterLab leaves the keys to it.
    return (
        f"<style>{STYLE}</style>\n"
        f'<figure class="no-kernel {kind}" data-lm-suppress-shortcuts="true"{attributes}>\n{content}\n</figure>\n'
        f"<script>{script}</script>"
    )


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
    html = _page("frame-slider", "\n".join([control, *pictures]), SLIDER_SCRIPT)
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


def band_answers(bands: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put decompositions of bands against the rest together to the table that `band_picker` takes (ours).

    Parameters
    ----------
    bands : sequence of str
        From 2 to 8, in order of wavelength.
    tables : mapping of str to DataFrame
        For every division of the bands in two, what ``Decomposition.mean`` of `helpers.information` returns, by the
        bands of the first input joined by "+": ``"u+g"``. One of a division and its mirror image is enough.

    Returns
    -------
    DataFrame
        A row for every subset but the empty one, ``bands`` its name as index; columns ``information``, ``R``,
        ``U1``, ``U2``, ``Syn``, ``conditional_1`` and ``conditional_2`` with ``_low`` and ``_high`` of each, in nats.
        X1 is the subset and X2 the rest; all bands have no rest, and NaN but for ``information``.

    Raises
    ------
    ValueError
        If the bands are not from 2 to 8 different names, a division is missing, named wrongly or given twice, or a
        table lacks a row or column.
    """
    bands = _checked_bands(bands)
    given = _by_mask(bands, tables, "tables")
    whole = 2 ** len(bands) - 1
    missing = [mask for mask in range(1, whole) if mask not in given and whole ^ mask not in given]
    if missing:
        raise ValueError(f"tables: {_first_few(bands, missing)} missing, and so the mirror image")
    for name, table in tables.items():
        lacking = [row for row in (*QUANTITIES.values(), "I(X2)", "I(X1,X2)") if row not in table.index]
        lacking += [column for column in ("mean", "low", "high") if column not in table.columns]
        if lacking:
            raise ValueError(f"tables: {name!r} lacks {', '.join(map(repr, lacking))}")
    rows = {}
    for mask in range(1, whole):
        mirrored = mask not in given
        table = tables[given[whole ^ mask if mirrored else mask]]
        row: dict[str, float] = {}
        for quantity, source in QUANTITIES.items():
            if mirrored:
                source = "I(X2)" if quantity == "information" else MIRRORED.get(source, source)
            row |= _three(quantity, table.loc[source])
        rows[_listed(bands, mask, "+")] = row
    any_table = tables[next(iter(given.values()))]
    rows["+".join(bands)] = _three("information", any_table.loc["I(X1,X2)"])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("bands")


def _three(quantity: str, row: pd.Series) -> dict[str, float]:
    return {f"{quantity}{end}": row[name] for end, name in zip(ENDS, ("mean", "low", "high"), strict=True)}


def _checked_bands(bands: Sequence[str]) -> tuple[str, ...]:
    names = tuple(bands)
    fine = all(isinstance(name, str) and name.strip() == name != "" and "+" not in name for name in names)
    if not fine or len(set(names)) < len(names) or not FEWEST_BANDS <= len(names) <= MOST_BANDS:
        raise ValueError(
            f"bands: found {list(names)}, expected from {FEWEST_BANDS} to {MOST_BANDS} different names without '+'"
        )
    return names


def _mask(bands: Sequence[str], chosen: Sequence[str], argument: str) -> int:
    """Number of a subset: bit i is set if it holds band i."""
    for band in chosen:
        if band not in bands:
            raise ValueError(f"{argument}: found the band {band!r} in {list(chosen)}, expected some of {list(bands)}")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"{argument}: found {list(chosen)}, in which a band stands twice")
    return sum(1 << list(bands).index(band) for band in chosen)


def _by_mask(bands: Sequence[str], names: Mapping[str, object] | pd.Index, argument: str) -> dict[int, str]:
    """The names of subsets by their numbers."""
    found: dict[int, str] = {}
    for name in names:
        mask = _mask(bands, str(name).split("+"), argument)
        if mask in found:
            raise ValueError(f"{argument}: found {found[mask]!r} and {name!r}, expected every subset once")
        found[mask] = name
    return found


def _listed(bands: Sequence[str], mask: int, separator: str = ", ") -> str:
    return separator.join(band for i, band in enumerate(bands) if mask >> i & 1)


def _first_few(bands: Sequence[str], masks: Sequence[int]) -> str:
    shown = ", ".join(repr(_listed(bands, mask, "+")) for mask in masks[:3])
    more = f" and {len(masks) - 3} more" if len(masks) > 3 else ""
    return f"{shown}{more} {'are' if len(masks) > 1 else 'is'}"


@dataclass(frozen=True)
class _Answers:
    """What every subset of some bands tells, in thousandths of a nat, int [n_subsets, n_quantities, 3]."""

    bands: tuple[str, ...]
    thousandths: np.ndarray

    @property
    def whole(self) -> int:
        return len(self.thousandths) - 1

    def shared(self, mask: int) -> bool:
        """Whether there is something on both sides to be shared."""
        return 0 < mask < self.whole

    def row(self, mask: int) -> list[int | None]:
        """Value, low and high of all quantities in turn; None for components where there is nothing to share."""
        return [
            value if self.shared(mask) or name not in COMPONENTS else None
            for name, values in zip(QUANTITIES, self.thousandths[mask].tolist(), strict=True)
            for value in values
        ]

    def shown(self, mask: int) -> dict[str, list[int | None]]:
        """Value, low and high of everything that is shown of a choice, by name."""
        row = self.row(mask)
        found = {name: row[3 * i : 3 * i + 3] for i, name in enumerate(QUANTITIES)}
        return {**found, "rest": self.row(self.whole ^ mask)[:3], "all": self.row(self.whole)[:3]}

    @property
    def scale(self) -> tuple[float, float]:
        """Ends of the axis on which every choice can be drawn, in thousandths of a nat."""
        names = list(QUANTITIES)
        components = self.thousandths[1 : self.whole, [names.index(name) for name in COMPONENTS], 0]
        ranges = self.thousandths[:, [i for i, name in enumerate(names) if name not in COMPONENTS]]
        low = min(0, ranges.min(), np.minimum(components, 0).sum(axis=1).min())
        high = max(1, ranges.max(), np.maximum(components, 0).sum(axis=1).max())
        return float(low - 0.01 * (high - low)), float(high + 0.02 * (high - low))


def _checked_answers(bands: tuple[str, ...], answers: pd.DataFrame) -> _Answers:
    columns = [f"{quantity}{end}" for quantity in QUANTITIES for end in ENDS]
    lacking = [column for column in columns if column not in answers.columns]
    if lacking:
        raise ValueError(f"answers: column {lacking[0]!r} is missing, found {', '.join(map(str, answers.columns))}")
    names = answers["bands"] if "bands" in answers.columns else answers.index
    given = _by_mask(bands, pd.Index(names), "answers")
    whole = 2 ** len(bands) - 1
    missing = [mask for mask in range(1, whole + 1) if mask not in given]
    if missing:
        raise ValueError(f"answers: {_first_few(bands, missing)} missing, expected all {whole} subsets")
    values = np.zeros((whole + 1, len(columns)))
    values[list(given)] = answers[columns].to_numpy(dtype=np.float64)
    values[whole, len(ENDS) :] = 0.0  # of all bands there is no rest
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        mask, i = wrong[0]
        raise ValueError(f"answers: {columns[i]!r} of {given[mask]!r} is {values[mask, i]}, expected a number")
    triples = values.reshape(whole + 1, len(QUANTITIES), len(ENDS))
    # Given nothing, the whole adds all it tells; given the whole, nothing does.
    information, first, last = triples[whole, 0], list(QUANTITIES).index("conditional_1"), -1
    triples[whole, first] = triples[0, last] = information
    _check_sums(bands, triples, whole)
    return _Answers(bands, np.rint(1000 * triples).astype(int))


def _check_sums(bands: Sequence[str], triples: np.ndarray, whole: int) -> None:
    """Refuse numbers that cannot be those of one decomposition of each subset and the rest."""
    reversed_interval = np.argwhere(triples[..., 1] > triples[..., 2])
    if len(reversed_interval):
        mask, quantity = reversed_interval[0]
        name = list(QUANTITIES)[quantity]
        raise ValueError(f"answers: {name}_low of {_listed(bands, mask, '+')!r} is above {name}_high")
    own = np.arange(1, whole)
    value = dict(zip(QUANTITIES, triples[..., 0].T, strict=True))
    rest, both = value["information"][whole ^ own], value["information"][whole]
    one, redundant = value["information"][own], value["R"][own]
    unique_1, unique_2, synergistic = (value[name][own] for name in ("U1", "U2", "Syn"))
    equations = {
        "R + U1 and information": (redundant + unique_1, one),
        "R + U2 and information of the rest": (redundant + unique_2, rest),
        "R + U1 + U2 + Syn and information of all bands": (redundant + unique_1 + unique_2 + synergistic, both),
        "R and R of the rest": (redundant, value["R"][whole ^ own]),
        "U1 + Syn and conditional_1": (unique_1 + synergistic, value["conditional_1"][own]),
        "U2 + Syn and conditional_2": (unique_2 + synergistic, value["conditional_2"][own]),
    }
    for words, (left, right) in equations.items():
        wrong = np.flatnonzero(np.abs(left - right) > TOLERANCE)
        if len(wrong):
            i = wrong[0]
            raise ValueError(
                f"answers: {words} of {_listed(bands, own[i], '+')!r} are {left[i]:.3f} and {right[i]:.3f}, "
                "expected the same"
            )


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
    bands = _checked_bands(bands)
    known = _checked_answers(bands, answers)
    buttons = _default_presets(bands) if presets is None else {words: tuple(part) for words, part in presets.items()}
    if start is None:
        start = list(buttons.values())[1] if len(buttons) > 1 else bands[: len(bands) // 2]
    masks = {words: _mask(bands, part, f"presets[{words!r}]") for words, part in buttons.items()}
    first = _mask(bands, tuple(start), "start")
    data = {
        "bands": bands,
        "quantities": list(QUANTITIES),
        "answers": [known.row(mask) for mask in range(known.whole + 1)],
        "scale": known.scale,
        "missing": NOTHING,
    }
    content = f"<figcaption>{escape(name)}</figcaption>\n{_controls(bands, masks, first)}\n{_still(known, first)}"
    embedded = escape(json.dumps(data, separators=(",", ":")))
    html = _page("band-picker", content, PICKER_SCRIPT, f' data-answers="{embedded}"')
    return Fragment(html, _as_text(known, first, name))


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


# Names of what is shown, with the words and the colour of each.
SIDES = {
    "information": ("Chosen: ", COLOURS["blue"]),
    "rest": ("The rest: ", COLOURS["orange"]),
    "all": ("All together", COLOURS["grey"]),
}
PARTS = dict(
    zip(
        COMPONENTS,
        ("redundant", "unique to the chosen", "unique to the rest", "synergistic"),
        strict=True,
    )
)
ADDED = {"conditional_1": "Chosen, given the rest", "conditional_2": "The rest, given the chosen"}


def _nats(value: int | None) -> str:
    return NOTHING if value is None else f"{value / 1000:.3f}".replace("-", MINUS)


def _interval(values: Sequence[int | None]) -> str:
    return "" if values[0] is None else f"({_nats(values[1])} to {_nats(values[2])})"


def _still(known: _Answers, mask: int) -> str:
    """The answer for one choice as the script would write and draw it."""
    shown, colours = known.shown(mask), {name: colour for name, _, colour in ATOMS}
    chosen, rest = (escape(_listed(known.bands, side) or NOTHING) for side in (mask, known.whole ^ mask))
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
        '<p class="picker-note">Information on stellar mass in nats, with 95% intervals. Redundant is what either '
        "side tells, synergistic what only both together tell. The line across the stacked bar is what all bands tell; "
        "parts below zero are drawn to the left.</p>"
    )
    return "\n".join(parts)


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


def _stack(known: _Answers, shown: Mapping[str, Sequence[int | None]], colours: Mapping[str, str]) -> str:
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


def _as_text(known: _Answers, mask: int, name: str) -> str:
    """The answer for one choice in plain words."""
    shown = known.shown(mask)
    sides = {"information": _listed(known.bands, mask), "rest": _listed(known.bands, known.whole ^ mask), "all": ""}
    words = {name: words + (sides[name] or "") for name, (words, _) in SIDES.items()} | PARTS | ADDED
    lines = [f"{words[one]:<42} {_nats(shown[one][0])} {_interval(shown[one])}".rstrip() for one in words]
    return "\n".join([name, *lines, "Nats, with 95% intervals."])
