"""Print the built book to one PDF: its pages by Chromium, in reading order, with bookmarks."""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from helpers.progress import progress_bar
from helpers.runs import atomic_path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT, config, documents

__all__ = ["BROWSERS", "FLAGS", "browser_path", "main", "print_book"]

# A reference of calls is searched, not read: on paper it would be as long as all chapters.
NOT_PRINTED = {"book/api"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Root in a container cannot use Chromium's sandbox; the pages are our own.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--no-first-run"]
FOOTER = """<div style="width: 100%; font: 8px sans-serif; color: #555; padding: 0 14mm; display: flex;
justify-content: space-between"><span>{title}</span><span class="pageNumber"></span></div>"""


def browser_path() -> str | None:
    """Path of a Chromium on this machine; None if there is none."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def print_book(html: Path, target: Path, root: Path = ROOT) -> int:
    """Print the pages of the table of contents, but for the API reference, and join them, with a bookmark for each.

    Parameters
    ----------
    html : Path
        Folder of built pages.
    target : Path
        The PDF. It is replaced only when all pages are printed.
    root : Path
        The repository, for the order of the pages.

    Returns
    -------
    int
        Number of sheets.

    Raises
    ------
    FileNotFoundError
        If there is no Chromium, or a page is missing.
    """
    from pypdf import PdfWriter

    names = [name for name in documents(root) if name not in NOT_PRINTED]
    missing = [name for name in names if not (html / f"{name}.html").is_file()]
    if missing:
        raise FileNotFoundError(
            f"{html}: found no page {', '.join(missing)}, expected every page of _toc.yml: make book"
        )
    book, writer = config(root), PdfWriter()
    for printed in _printed(html, names, book["title"]):
        writer.append(io.BytesIO(printed))
    writer.add_metadata({"/Title": book["title"], "/Author": book["author"]})
    with atomic_path(target) as temporary:
        writer.write(temporary)
    return len(writer.pages)


def _printed(html: Path, names: Sequence[str], title: str) -> Iterator[bytes]:
    """PDF of each page."""
    from playwright.sync_api import sync_playwright

    path = browser_path()
    if path is None:
        raise FileNotFoundError(f"browser: found none of {', '.join(BROWSERS)}, expected one to print the pages with")
    with sync_playwright() as playwright, progress_bar(len(names), "printing", unit="page") as bar:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 1400}, color_scheme="light")
        for name in names:
            page.goto((html / f"{name}.html").resolve().as_uri(), wait_until="load")
            yield _print(page, title)
            bar.update()
        browser.close()


def _print(page: Any, title: str) -> bytes:
    page.wait_for_function("() => !window.MathJax || window.MathJax.startup.promise.then(() => true)")
    # A picture that waits to be scrolled to would be printed as an empty frame.
    page.evaluate(
        """() => Promise.all([...document.images].map(image => {
            image.loading = "eager";
            return image.decode().catch(() => null);
        }))"""
    )
    return page.pdf(
        format="A4",
        scale=0.8,
        outline=True,
        tagged=True,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOTER.format(title=title),
        margin={"top": "14mm", "bottom": "16mm", "left": "14mm", "right": "14mm"},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: print the book, then say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("html", nargs="?", type=Path, default=ROOT / "_build" / "book" / "_build" / "html")
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "anatomy_of_a_stellar_mass.pdf")
    options = parser.parse_args(arguments)
    try:
        sheets = print_book(options.html, options.output)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The book is at {options.output}: {sheets} sheets, {options.output.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
