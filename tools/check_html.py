"""Gates on built pages: they load nothing from elsewhere, describe their images, link and launch what exists."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from bs4 import BeautifulSoup, Tag

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT, chapters, documents

__all__ = ["check", "main"]

# What a browser fetches by itself. A link that a reader may follow (<a href>) is free to leave.
LOADED = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
}
LOADED_LINKS = set("stylesheet preload prefetch modulepreload preconnect dns-prefetch icon manifest".split())
CSS_REFERENCE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")
IMAGE_PATH = re.compile(r"\S+\.(?:png|svg|jpe?g|gif|webp)$|^_?images?/", re.IGNORECASE)


def check(html: Path, root: Path = ROOT) -> list[str]:
    """Check a folder of built pages.

    Parameters
    ----------
    html : Path
        Folder that holds ``index.html``.
    root : Path
        The repository, for the targets of launch buttons.

    Returns
    -------
    list of str
        One line per problem; empty when all is well.
    """
    needed = [*(f"{name}.html" for name in documents(root)), "index.html", "search.html", "searchindex.js"]
    problems = [f"{name} is missing" for name in needed if not (html / name).is_file()]
    pages = {
        page.resolve(): BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        for page in sorted(html.rglob("*.html"))
        if "_static" not in page.relative_to(html).parts
    }
    anchors = {page: {str(tag["id"]) for tag in soup.find_all(id=True)} for page, soup in pages.items()}
    for page, soup in pages.items():
        name = page.relative_to(html.resolve()).as_posix()
        found = [*_loads(soup, page, html), *_images(soup), *_mathematics(soup), *_launches(soup, root)]
        problems += [f"{name}: {problem}" for problem in (*found, *_links(soup, page, html, anchors))]
    for sheet in sorted(html.rglob("*.css")):
        text = sheet.read_text(encoding="utf-8", errors="replace")
        problems += [f"{sheet.relative_to(html)}: loads {address}" for address in CSS_REFERENCE.findall(text)]
    return problems + list(_chapters_launch(html, root))


def _references(soup: BeautifulSoup) -> Iterator[tuple[str, str]]:
    """Yield (element, address) for everything a browser would fetch."""
    for element, attributes in LOADED.items():
        for tag in soup.find_all(element):
            for attribute in attributes:
                value = tag.get(attribute)
                for candidate in str(value).split(",") if value and attribute == "srcset" else [value]:
                    if candidate:
                        yield element, str(candidate).split()[0]
    for tag in soup.find_all("link"):
        relations = {str(word).lower() for word in tag.get_attribute_list("rel")}
        if tag.get("href") and LOADED_LINKS & relations:
            yield "link", str(tag["href"])
    for tag in soup.find_all("style"):
        for address in CSS_REFERENCE.findall(tag.get_text()):
            yield "style", address


def _loads(soup: BeautifulSoup, page: Path, html: Path) -> Iterator[str]:
    for element, address in _references(soup):
        parts = urlsplit(address)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc:
            yield f"<{element}> loads {address} from elsewhere"
            continue
        target = (page.parent / unquote(parts.path)).resolve()
        if not target.is_relative_to(html.resolve()) or not target.exists():
            yield f"<{element}> loads {address}, which does not exist"


def _images(soup: BeautifulSoup) -> Iterator[str]:
    for image in soup.find_all("img"):
        alt = image.get("alt")
        if alt is None or not str(alt).strip():
            yield f"image {str(image.get('src'))[:60]} has no alt text"
        elif IMAGE_PATH.search(str(alt).strip()):
            yield f"image {str(image.get('src'))[:60]} has a path as alt text: {alt}"


def _mathematics(soup: BeautifulSoup) -> Iterator[str]:
    scripts = [str(tag["src"]) for tag in soup.find_all("script", src=True)]
    if soup.select_one(".math") and not any("_static/mathjax/" in source for source in scripts):
        yield "has mathematics but does not load the book's own MathJax"


def _links(soup: BeautifulSoup, page: Path, html: Path, anchors: dict[Path, set[str]]) -> Iterator[str]:
    """Links inside the book that lead to no page, or to no place on it; `anchors` are the places of every page."""
    article = soup.find("article") or soup
    for address in dict.fromkeys(str(link["href"]) for link in article.find_all("a", href=True)):
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        if not target.is_relative_to(html.resolve()) or not target.exists():
            yield f"a link leads to {address}, which does not exist"
        elif parts.fragment and target in anchors and unquote(parts.fragment) not in anchors[target]:
            yield f"a link leads to {address}, and there is no such place on that page"


def _launch_target(link: Tag) -> str | None:
    """Path in the repository that a Binder or Colab link opens; None for any other link."""
    parts = urlsplit(str(link["href"]))
    if parts.netloc == "mybinder.org":
        opened = parse_qs(parts.query).get("urlpath", parse_qs(parts.query).get("filepath", [""]))[0]
        return opened.removeprefix("lab/tree/").removeprefix("tree/")
    if parts.netloc == "colab.research.google.com":
        return "/".join(parts.path.split("/")[6:])  # after /github/owner/name/blob/branch
    return None


def _launches(soup: BeautifulSoup, root: Path) -> Iterator[str]:
    for link in soup.find_all("a", href=True):
        target = _launch_target(link)
        if target and target.endswith(".ipynb") and not (root / unquote(target)).is_file():
            yield f"a launch button opens {target}, which is not in the repository"


def _chapters_launch(html: Path, root: Path) -> Iterator[str]:
    """Every chapter's page opens its own notebook in both places."""
    for name in chapters(root):
        page = html / "notebooks" / f"{name}.html"
        if not page.is_file():
            continue
        soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
        wanted = f"notebooks/{name}.ipynb"
        links = soup.find_all("a", href=True)
        for host in ("mybinder.org", "colab.research.google.com"):
            opened = [_launch_target(link) for link in links if urlsplit(str(link["href"])).netloc == host]
            if wanted not in opened:
                yield f"notebooks/{name}.html: no launch button opens {wanted} at {host}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: print every problem; fail if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("html", nargs="?", type=Path, default=ROOT / "_build" / "book" / "_build" / "html")
    options = parser.parse_args(arguments)
    problems = check(options.html)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
