"""The built pages: static gates, then a real browser over loopback."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contrast import faint_texts
from tools.check_html import check
from tools.pdf import print_book
from tools.project import ROOT, chapters, documents

pytestmark = pytest.mark.slow

LAPTOP, PHONE = 1280, 390


@pytest.fixture(scope="module")
def address(pages: Path, serve: Callable[[Path], str]) -> str:
    return serve(pages)


def test_static_gates(pages: Path) -> None:
    assert check(pages) == []


@pytest.mark.browser
@pytest.mark.parametrize("document", documents())
def test_page_is_whole_and_legible_on_a_laptop_and_on_a_phone(document: str, address: str, visit: Any) -> None:
    for width in (LAPTOP, PHONE):
        visit.page.set_viewport_size({"width": width, "height": 900})
        visit.page.goto(f"{address}/{document}.html", wait_until="load")
        visit.page.wait_for_function("() => !window.MathJax || window.MathJax.startup.promise.then(() => true)")
        visit.page.wait_for_load_state("networkidle")
        widths = visit.page.eval_on_selector_all("article img", "images => images.map(image => image.naturalWidth)")
        assert all(natural > 0 for natural in widths)
        if document.removeprefix("notebooks/") in chapters():
            assert widths, "a chapter without figures"
        too_wide = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, f"{too_wide} pixels too wide at {width}"
        assert not visit.page.query_selector_all("mjx-merror"), "an equation that MathJax cannot read"
    for theme in ("light", "dark"):
        visit.page.emulate_media(color_scheme=theme)
        visit.page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
        assert faint_texts(visit.page.query_selector("article")) == []
    assert visit.complaints == []
    assert visit.strangers == []


@pytest.mark.browser
@pytest.mark.parametrize("document", ["book/intro", f"notebooks/{chapters()[0]}"])
def test_keys_reach_what_can_be_clicked_and_show_where_they_are(document: str, address: str, visit: Any) -> None:
    visit.page.goto(f"{address}/{document}.html", wait_until="networkidle")
    wanted = visit.page.evaluate(
        """() => {
            const all = [...document.querySelectorAll("a[href], button, input, summary")];
            const seen = all.filter(node => node.checkVisibility({visibilityProperty: true}) && !node.disabled);
            seen.forEach((node, i) => node.dataset.number = i);
            return seen.map((node, i) => [i, node.outerHTML.slice(0, 120)]);
        }"""
    )
    reached, unmarked = set(), []
    for _ in range(2 * len(wanted)):  # what scrolls can be reached too
        visit.page.keyboard.press("Tab")
        number, marked, markup = visit.page.evaluate(
            """() => {
                const node = document.activeElement, style = getComputedStyle(node);
                const marked = style.outlineStyle !== "none" || style.boxShadow !== "none";
                return [node.dataset.number, marked, node.outerHTML.slice(0, 120)];
            }"""
        )
        if number is None:
            continue
        if int(number) in reached:
            break
        reached.add(int(number))
        unmarked += [] if marked else [markup]
    assert [markup for number, markup in wanted if number not in reached] == []
    assert unmarked == []


@pytest.mark.browser
def test_book_is_printed_page_by_page_with_bookmarks(pages: Path, browser_path: str, tmp_path: Path) -> None:
    from pypdf import PdfReader

    (tmp_path / "_config.yml").write_text((ROOT / "_config.yml").read_text(encoding="utf-8"), encoding="utf-8")
    toc = "format: jb-book\nroot: book/intro\nchapters:\n- file: book/api\n- file: notebooks/06_findings\n"
    (tmp_path / "_toc.yml").write_text(toc, encoding="utf-8")
    with ThreadPoolExecutor(1) as thread:  # the browser of the other tests holds this one's event loop
        sheets = thread.submit(print_book, pages, tmp_path / "book.pdf", tmp_path).result()
    book = PdfReader(tmp_path / "book.pdf")
    assert len(book.pages) == sheets > 3
    assert [mark.title for mark in book.outline if not isinstance(mark, list)] == [
        "Anatomy of a Stellar Mass",
        "6. Findings",
    ]
    text = "".join(page.extract_text() for page in book.pages)
    assert "not tested" in text  # a word of a table, and nothing scrolls on paper
    with pytest.raises(FileNotFoundError, match="found no page book/intro, notebooks/06_findings"):
        print_book(tmp_path, tmp_path / "book.pdf", tmp_path)
    assert (tmp_path / "book.pdf").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_config.yml", "_toc.yml", "book.pdf"]


@pytest.mark.browser
def test_mathematics_is_rendered(address: str, visit: Any) -> None:
    visit.page.goto(f"{address}/book/notation.html", wait_until="load")
    visit.page.wait_for_selector("article mjx-container", timeout=20_000)


@pytest.mark.browser
def test_search_finds_a_word(address: str, visit: Any) -> None:
    visit.page.goto(f"{address}/search.html?q=neighbour", wait_until="load")
    visit.page.wait_for_selector("#search-results ul.search li a", timeout=20_000)
    assert visit.page.query_selector_all("#search-results ul.search li a")
    assert visit.strangers == []


@pytest.mark.browser
def test_front_page_shows_a_picture_and_three_doors_on_its_first_screen(address: str, visit: Any) -> None:
    visit.page.set_viewport_size({"width": LAPTOP, "height": 900})
    visit.page.goto(f"{address}/book/intro.html", wait_until="load")
    picture = visit.page.query_selector("article img")
    assert "front-page" in picture.get_attribute("src")
    doors = visit.page.query_selector_all("article .sd-card")
    assert [door.query_selector(".sd-card-title").inner_text() for door in doors] == ["Read", "Run", "Teach"]
    for seen in (picture, *doors):
        box = seen.bounding_box()
        assert box["y"] + box["height"] <= 900
        assert seen is picture or seen.query_selector("a")


@pytest.mark.browser
def test_a_slider_moves_by_keyboard_and_shows_the_figure_that_it_names(address: str, visit: Any) -> None:
    visit.page.goto(f"{address}/notebooks/07_known_truths.html", wait_until="load")
    slider = visit.page.locator(".frame-slider").first
    control = slider.locator("input")
    before = slider.locator("[data-shown]").inner_text()
    control.focus()
    visit.page.keyboard.press("Home")
    assert slider.locator("img:not([hidden])").count() == 1
    labels = [slider.locator("[data-shown]").inner_text()]
    for _ in range(slider.locator("img").count() - 1):
        visit.page.keyboard.press("ArrowRight")
        labels.append(slider.locator("[data-shown]").inner_text())
        assert slider.locator("img:not([hidden])").get_attribute("data-label") == labels[-1]
    assert len(set(labels)) == len(labels) and before in labels
    assert visit.complaints == []


@pytest.mark.browser
def test_first_page_leads_to_the_introduction(address: str, visit: Any) -> None:
    visit.page.goto(f"{address}/", wait_until="load")
    visit.page.wait_for_url("**/book/intro.html", timeout=20_000)
    assert visit.page.title()


BAD_PAGES = {
    "a script from elsewhere": ('<script src="https://example.org/a.js"></script>', "from elsewhere"),
    "a style sheet from elsewhere": ('<link rel="stylesheet" href="//example.org/a.css">', "from elsewhere"),
    "an import in a style": ("<style>@import url('https://example.org/a.css');</style>", "from elsewhere"),
    "a file that is not there": ('<script src="../_static/absent.js"></script>', "does not exist"),
    "an image without alt": ('<img src="data:image/png;base64,AA">', "no alt text"),
    "a path as alt": ('<img src="data:image/png;base64,AA" alt="../_images/ab12.png">', "a path as alt text"),
    "mathematics without MathJax": ('<span class="math">x</span>', "own MathJax"),
    "a link to no page": ('<a href="absent.html">go</a>', "leads to absent.html, which does not exist"),
    "a link to no place": ('<a href="page.html#absent">go</a>', "there is no such place"),
    "a launch of nothing": (
        '<a href="https://colab.research.google.com/github/o/r/blob/main/notebooks/99_none.ipynb">go</a>',
        "opens notebooks/99_none.ipynb, which is not in the repository",
    ),
}


@pytest.mark.parametrize("name", BAD_PAGES)
def test_gate_closes_on(name: str, tmp_path: Path) -> None:
    body, problem = BAD_PAGES[name]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "page.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    found = [line for line in check(tmp_path, ROOT) if line.startswith("notebooks/page.html")]
    assert len(found) == 1
    assert problem in found[0]
