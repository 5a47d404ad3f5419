"""Exercises for a course, without their solutions: a sheet to print, and the chapters with room to answer.

One source serves both: in a chapter each exercise is followed by the cell that solves it, tagged ``hide-cell``, and its
text begins with its level.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers.runs import atomic_path
from tools.project import ROOT, chapters, documents

__all__ = ["LEVELS", "Exercise", "blank", "exercises", "main", "sheet"]

LEVELS = ("Look", "Change", "Build")
ROOM = "# Your answer\n"
FENCE = re.compile(r":::\{exercise\}\n:label: (?P<label>\S+)\n\*(?P<level>\w+)\.\* (?P<text>.+?)\n:::", re.DOTALL)
ROLE = re.compile(r"\{(?:ref|term|doc|cite:t|cite:p)\}`(?P<content>[^`]+)`")
TARGET = re.compile(r"^\((?P<label>[\w-]+)\)=\n#+ (?P<title>.+)$", re.MULTILINE)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Exercises</title>
<style>body {{ max-width: 42rem; margin: 2rem auto; padding: 0 1rem; font: 11pt/1.5 serif; }}
h2 {{ break-after: avoid; }} li {{ margin: 0 0 1.2rem; break-inside: avoid; }}</style></head>
<body>
{body}</body></html>
"""


@dataclass(frozen=True)
class Exercise:
    """One exercise: its label, its level, its text with the book's own markup, and the place of its solution's cell."""

    label: str
    level: str
    text: str
    solution: int


def exercises(notebook: nbformat.NotebookNode) -> Iterator[Exercise]:
    """Exercises of a chapter, in order.

    Raises
    ------
    ValueError
        If an exercise has no level, or the cell after it does not solve it.
    """
    for i, cell in enumerate(notebook.cells):
        if ":::{exercise}" not in cell.source or cell.cell_type != "markdown":
            continue
        found = FENCE.fullmatch(cell.source.strip())
        if not found or found["level"] not in LEVELS:
            raise ValueError(f"exercise: found {cell.source[:80]!r}, expected a label and one of {', '.join(LEVELS)}")
        after = notebook.cells[i + 1] if i + 1 < len(notebook.cells) else None
        if (
            after is None
            or "hide-cell" not in after.metadata.get("tags", [])
            or not after.source.startswith("# Solution: ")
        ):
            raise ValueError(f"{found['label']}: the cell after it is not tagged hide-cell, or is no '# Solution: ...'")
        yield Exercise(found["label"], found["level"], found["text"], i + 1)


def blank(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Chapter in which every solution has become an empty cell that can be seen."""
    emptied = nbformat.from_dict(notebook)  # type: ignore[no-untyped-call]
    for one in list(exercises(emptied)):
        cell = emptied.cells[one.solution]
        cell.source, cell.outputs, cell.execution_count = ROOM, [], None
        cell.metadata.pop("tags")
    return emptied


def sheet(notebooks: dict[str, nbformat.NotebookNode], titles: dict[str, str]) -> str:
    """Sheet of all exercises, Markdown without the book's roles.

    Parameters
    ----------
    notebooks : dict of str to notebook
        By chapter.
    titles : dict of str to str
        What a label stands for, where a sentence points to it.
    """

    def plain(match: re.Match[str]) -> str:
        words, _, label = match["content"].partition("<")
        return words.strip() if label else titles.get(words, words)

    lines = ["# Exercises", "", "*Look*: from the page. *Change*: edit a line. *Build*: write your own."]
    for notebook in notebooks.values():
        title = next(line for line in notebook.cells[0].source.splitlines() if line.startswith("# "))
        lines += ["", f"#{title}", ""]
        for number, one in enumerate(exercises(notebook), start=1):
            text = ROLE.sub(plain, one.text).replace("\n", "\n   ")
            lines.append(f"{number}. *{one.level}.* {text}")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "exercises")
    output = parser.parse_args(arguments).output
    notebooks = {
        name: nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]
        for name in chapters()
    }
    text = sheet(notebooks, _titles())
    html = PAGE.format(body=MarkdownIt().render(text))
    pages = {"sheet.md": text, "sheet.html": html}
    pages |= {f"{name}.ipynb": nbformat.writes(blank(one)) for name, one in notebooks.items()}
    output.mkdir(parents=True, exist_ok=True)
    for name, content in pages.items():
        with atomic_path(output / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    count = sum(len(list(exercises(one))) for one in notebooks.values())
    print(f"{count} exercises: {output / 'sheet.html'}, and a notebook for each chapter beside it")
    return 0


def _titles() -> dict[str, str]:
    """Titles of all labelled sections of the book."""
    found: dict[str, str] = {}
    for name in documents():
        chapter = name.startswith("notebooks/")
        text = (ROOT / f"{name}.{'py' if chapter else 'md'}").read_text(encoding="utf-8")
        text = re.sub(r"^# ?", "", text, flags=re.MULTILINE) if chapter else text
        found |= {match["label"]: match["title"] for match in TARGET.finditer(text)}
    return found


if __name__ == "__main__":
    raise SystemExit(main())
