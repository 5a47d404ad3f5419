"""Slider and band picker on a page of the book's own tool chain, in a real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from helpers.information import decompose
from helpers.interaction import Fragment, band_answers, band_picker, slider
from tests.contrast import faint_texts
from tools.build import build
from tools.check_html import check
from tools.notebooks import METADATA
from tools.project import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.browser]

BANDS = ("u", "g", "r", "i", "z", "W1", "W2", "W3")
LAPTOP, PHONE = 1280, 390
# Every text that is shown, every attribute that is drawn, of one piece.
CONTENT = """root => [...root.querySelectorAll("p, span, strong, rect, line, circle")].map(node => [
    node.children.length ? "" : node.textContent, ...["x", "width", "x1", "x2", "cx"].map(a => node.getAttribute(a))
])"""
SHOWN = """(root, kind) => [...root.querySelectorAll(`[data-${kind}]`)].map(node => [
    node.dataset[kind], node.textContent
])"""
# Widths of the parts of the stacked bar, and where zero and the sum are, in pixels.
DRAWN = """root => {
    const stack = root.querySelector(".picker-stack");
    const box = query => stack.querySelector(query).getBoundingClientRect();
    return [["zero", box(".picker-zero").left], ["both", box(".picker-ink").left]].concat(
        [...stack.querySelectorAll("rect")].map(part => [part.dataset.part, part.getBoundingClientRect().width]));
}"""


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    names = ["+".join(band for i, band in enumerate(BANDS) if mask >> i & 1) for mask in range(256)]
    pointwise = [rng.normal(0.15 * mask.bit_count(), 0.6, 40) for mask in range(256)]
    halves = range(1, 128)
    return band_answers(
        BANDS,
        {
            names[i]: decompose(pointwise[i], pointwise[255 - i], pointwise[255]).mean(bootstrap=10, seed=i)
            for i in halves
        },
    )


@pytest.fixture(scope="module")
def address(answers: pd.DataFrame, serve: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A book of one page: a slider, and twice the same picker."""
    frames = []
    for waves in (1, 2, 4):
        frame = Figure()
        frame.subplots().plot(np.sin(waves * np.linspace(0, 6, 100)))
        frames.append(frame)
    moved = slider(frames, ["one", "two", "four"], ["One wave", "Two waves", "Four waves"], name="waves")
    picked = band_picker(BANDS, answers)
    work = tmp_path_factory.mktemp("interaction")
    stage = work / "stage"
    shutil.copytree(ROOT / "book" / "_static", stage / "book" / "_static")
    shutil.copy(ROOT / "book" / "references.bib", stage / "book")
    shutil.copy(ROOT / "_config.yml", stage)
    (stage / "_toc.yml").write_text("format: jb-book\nroot: page\n", encoding="utf-8")
    title = nbformat.v4.new_markdown_cell("# Page", id="title")
    cells = [title, *(executed_cell(name, piece) for name, piece in {"moved": moved, "a": picked, "b": picked}.items())]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=METADATA), stage / "page.ipynb")
    html = build(stage, work / "book").parent
    assert check(html, stage) == []
    return serve(html)


def executed_cell(name: str, piece: Fragment) -> Any:
    data = {"text/html": piece._repr_html_(), "text/plain": repr(piece)}
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    return nbformat.v4.new_code_cell(name, id=name, execution_count=1, outputs=[output])


def pickers(page: Any) -> list[Any]:
    return page.query_selector_all(".band-picker")


def content(picker: Any) -> list[Any]:
    return picker.evaluate(CONTENT)


def choose(picker: Any, bands: str) -> None:
    for box in picker.query_selector_all("fieldset label"):
        box.query_selector("input").set_checked(box.text_content() in bands.split("+"))


def number(words: str) -> float:
    return float(words.replace("\u2212", "-"))


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_is_whole_and_legible(address: str, visit: Any, width: int, theme: str) -> None:
    visit.page.emulate_media(color_scheme=theme)
    visit.page.set_viewport_size({"width": width, "height": 900})
    visit.page.goto(address + "/page.html", wait_until="networkidle")
    assert visit.page.evaluate("document.documentElement.dataset.theme") == theme
    too_wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert too_wide <= 0
    for piece in visit.page.query_selector_all(".no-kernel"):
        # On a phone the frames of a slider keep their size and scroll; its control stays in sight.
        scrolls = width == PHONE and piece.evaluate("root => root.matches('.frame-slider')")
        assert scrolls or piece.evaluate("root => root.scrollWidth - root.clientWidth") <= 0
        assert not faint_texts(piece)
        own, around = (
            piece.evaluate(f"root => getComputedStyle(root{node}).backgroundColor") for node in ("", ".parentElement")
        )
        assert around == "rgba(0, 0, 0, 0)" != own
    for name in ("redundant", "unique to the chosen", "Chosen, given the rest"):  # a name and its number share a line
        row = visit.page.query_selector(f'.picker-row:has-text("{name}")')
        assert row.bounding_box()["height"] < 30
    assert visit.complaints == []
    assert visit.strangers == []


def test_script_draws_what_stands_there_without_it(address: str, browser: Any, visit: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(address + "/page.html")
    visit.page.goto(address + "/page.html")
    for page, scripts in ((still, False), (visit.page, True)):
        assert page.locator(".frame-slider img:visible").get_attribute("alt") == "One wave"
        assert page.locator(".frame-slider input").is_visible() is scripts
        assert page.locator(".band-picker button:visible").count() == (8 if scripts else 0)
    # A page without scripts cannot be asked by one: read its markup in the other.
    markup = still.locator(".band-picker").first.evaluate("root => root.outerHTML")
    before = visit.page.evaluate(
        f"""markup => {{
            const place = document.createElement("div");
            place.innerHTML = markup;
            return ({CONTENT})(place.firstElementChild);
        }}""",
        markup,
    )
    after = content(pickers(visit.page)[0])
    assert len(before) == len(after) > 40
    choose(pickers(visit.page)[0], "u")
    assert content(pickers(visit.page)[0]) != before
    pickers(visit.page)[0].query_selector("text=reset").click()
    assert before == after == content(pickers(visit.page)[0])
    context.close()


def test_every_choice_shows_the_tables_numbers(address: str, visit: Any, answers: pd.DataFrame) -> None:
    visit.page.goto(address + "/page.html")
    picker, other = pickers(visit.page)
    untouched = content(other)
    for name in np.random.default_rng(0).choice(answers.index[:-1], 8, replace=False):
        choose(picker, name)
        row, rest = answers.loc[name], "+".join(band for band in BANDS if band not in name.split("+"))
        assert picker.query_selector('[data-bands="rest"]').text_content() == rest.replace("+", ", ")
        values, intervals = (picker.evaluate(SHOWN, kind) for kind in ("value", "interval"))
        assert len(values) == 11 and len(intervals) == 8
        for quantity, words in values:
            wanted = answers.loc[rest, "information"] if quantity == "rest" else row[quantity]
            assert number(words) == pytest.approx(wanted, abs=0.00051)
        for quantity, words in intervals:
            low, high = map(number, re.fullmatch(r"\((\S+) to (\S+)\)", words).groups())
            wanted = answers.loc[rest] if quantity == "rest" else row
            ends = [f"{'information' if quantity == 'rest' else quantity}{end}" for end in ("_low", "_high")]
            assert (low, high) == pytest.approx(tuple(wanted[ends]), abs=0.00051)
        # The drawing agrees with the numbers: the stack ends on the line of what all bands tell.
        drawn = dict(picker.evaluate(DRAWN))
        ends = drawn["zero"] + sum(drawn[part] * np.sign(row[part]) for part in ("R", "U1", "U2", "Syn"))
        assert ends == pytest.approx(drawn["both"], abs=1)
    assert content(other) == untouched


def test_nothing_and_everything_can_be_chosen(address: str, visit: Any, answers: pd.DataFrame) -> None:
    visit.page.goto(address + "/page.html")
    picker = pickers(visit.page)[0]
    all_told = f"{answers.loc['+'.join(BANDS), 'information']:.3f}"
    for bands, information, adds in (("", "0.000", all_told), ("+".join(BANDS), all_told, "0.000")):
        choose(picker, bands)
        assert picker.query_selector('strong[data-value="information"]').text_content() == information
        assert picker.query_selector('strong[data-value="conditional_2"]').text_content() == adds
        assert picker.query_selector('[data-value="Syn"]').text_content() == "\u2013"
        assert "NaN" not in picker.inner_html() and "undefined" not in picker.inner_html()
    assert visit.complaints == []


def test_keys_move_the_slider_and_choose_bands(address: str, visit: Any) -> None:
    page = visit.page
    page.goto(address + "/page.html")
    page.focus(".frame-slider input")
    for key, label, alt in (
        ("ArrowRight", "two", "Two waves"),
        ("End", "four", "Four waves"),
        ("Home", "one", "One wave"),
    ):
        page.keyboard.press(key)
        assert page.locator(".frame-slider img:visible").get_attribute("alt") == alt
        assert page.text_content("[data-shown]") == label
        assert page.get_attribute(".frame-slider input", "aria-valuetext") == label
    page.keyboard.press("Tab")  # from the slider to the first box, unless the page has something between them
    while page.evaluate("document.activeElement.type") != "checkbox":
        page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    picker = pickers(page)[0]
    page.keyboard.press("Space")
    assert picker.query_selector('[data-bands="chosen"]').text_content() == "g, r, i, z"
    for _ in range(8):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the first button
    assert picker.query_selector('p[aria-live] [data-bands="chosen"]').text_content() == "r"
    checked = picker.query_selector_all("input:checked")
    assert [box.evaluate("box => box.parentElement.textContent") for box in checked] == ["r"]


def test_pieces_work_where_a_notebook_puts_them_in_later(visit: Any, answers: pd.DataFrame) -> None:
    """As Jupyter does: markup first, then each script anew, which sees the pieces of before too."""
    for _ in range(2):
        visit.page.evaluate(
            """html => {
                const output = document.body.appendChild(document.createElement("div"));
                output.innerHTML = html;
                for (const old of output.querySelectorAll("script")) {
                    const script = document.createElement("script");
                    script.textContent = old.textContent;
                    old.replaceWith(script);
                }
            }""",
            band_picker(BANDS, answers).html,
        )
    first, second = pickers(visit.page)
    for piece, bands in ((first, "u+W3"), (second, "i")):
        choose(piece, bands)
    # Chosen from once each: a script that made a piece ready twice would undo what the reader does.
    first.query_selector("text=infrared").click()
    shown = [piece.query_selector('[data-bands="chosen"]').text_content() for piece in (first, second)]
    assert shown == ["W1, W2, W3", "i"]
    assert visit.complaints == []
