"""Exercises come from one source, at three levels, and leave it without their solutions."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tools.exercises import LEVELS, ROOM, blank, exercises, main, sheet
from tools.project import ROOT, chapters


def notebook_of(chapter: str) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)


@pytest.mark.parametrize("chapter", chapters())
def test_every_chapter_has_an_exercise_of_each_level(chapter: str) -> None:
    found = list(exercises(notebook_of(chapter)))
    assert [one.level for one in found] == list(LEVELS)
    assert all(one.label.startswith("exercise-") and "?" in one.text for one in found)


@pytest.mark.parametrize("chapter", chapters())
def test_a_blank_chapter_has_room_in_place_of_its_solutions_and_all_else_as_it_was(chapter: str) -> None:
    whole = notebook_of(chapter)
    emptied = blank(whole)
    solutions = {one.solution for one in exercises(whole)}
    nbformat.validate(emptied)
    assert len(emptied.cells) == len(whole.cells)
    for i, (before, after) in enumerate(zip(whole.cells, emptied.cells, strict=True)):
        if i in solutions:
            assert after.source == ROOM and "tags" not in after.metadata
        else:
            assert after == before
    assert "# Solution" not in nbformat.writes(emptied)


def test_the_sheet_holds_every_exercise_and_no_markup_of_the_book(tmp_path: Path) -> None:
    assert main(["--output", str(tmp_path)]) == 0
    text = (tmp_path / "sheet.md").read_text(encoding="utf-8")
    assert text.count("*Build.*") == text.count("*Look.*") == len(chapters())
    assert "{ref}" not in text and "{term}" not in text and "Solution" not in text
    assert (tmp_path / "sheet.html").read_text(encoding="utf-8").count("<li>") == text.count(".* ")
    assert {path.stem for path in tmp_path.glob("*.ipynb")} == set(chapters())


def test_an_exercise_without_level_or_solution_is_named() -> None:
    exercise = nbformat.v4.new_markdown_cell(":::{exercise}\n:label: exercise-a\n*Look.* Why?\n:::")
    notebook = nbformat.v4.new_notebook(cells=[exercise, nbformat.v4.new_code_cell("print()")])
    with pytest.raises(ValueError, match="exercise-a: the cell after it is not tagged hide-cell"):
        list(exercises(notebook))
    exercise.source = exercise.source.replace("*Look.* ", "")
    with pytest.raises(ValueError, match="expected a label and one of Look, Change, Build"):
        list(exercises(notebook))


def test_words_that_lead_elsewhere_are_written_out() -> None:
    text = ":::{exercise}\n:label: exercise-a\n*Look.* See {ref}`chapter 5 <five>`, {ref}`six` and {term}`nat`?\n:::"
    solution = nbformat.v4.new_code_cell("# Solution: no.", metadata={"tags": ["hide-cell"]})
    title = nbformat.v4.new_markdown_cell("(a)=\n# 1. A")
    notebook = nbformat.v4.new_notebook(cells=[title, nbformat.v4.new_markdown_cell(text), solution])
    assert "1. *Look.* See chapter 5, Six and nat?" in sheet({"01": notebook}, {"six": "Six"})
