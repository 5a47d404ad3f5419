"""Every figure and answer of the laboratory comes from what it stores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.conftest import ROOT, ChapterExecutions
from tests.notebooks.test_findings import SMOKE, shown
from tools.execute import execute

CHAPTER = "07_known_truths"
CLAIMED = "mass hidden: less than 0.5 false claims a graph"
CHANGED = {"FCI": (0.123, "yes"), "PC": (0.777, "no")}


@pytest.fixture
def results(executed: ChapterExecutions, anatomy_home: Path) -> dict[str, Any]:
    executed.notebook(CHAPTER)
    stored = (anatomy_home / "runs" / "smoke" / CHAPTER / "results.json").read_text(encoding="utf-8")
    return dict(json.loads(stored))


def shown_again(results: dict[str, Any], folder: Path) -> str:
    """The chapter with nothing measured: all that it shows is shown from these results."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{CHAPTER}.ipynb", as_version=4)
    measuring = [i for i, cell in enumerate(notebook.cells) if "measure" in cell.metadata.get("tags", [])]
    assert len(measuring) >= 5
    stored = folder / "found.json"
    stored.write_text(json.dumps(results), encoding="utf-8")
    notebook.cells[measuring[0]].source = f"import json\nfound = json.load(open({str(stored)!r}))"
    for i in reversed(measuring[1:]):
        del notebook.cells[i]
    nbformat.write(notebook, folder / f"{CHAPTER}.ipynb")
    return shown(execute(folder / f"{CHAPTER}.ipynb", folder / "out.ipynb", SMOKE).output)


@pytest.mark.slow
def test_another_number_in_the_results_is_another_number_on_the_page_and_another_answer(
    executed: ChapterExecutions, results: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANATOMY_HOME", str(tmp_path))
    for search, (value, _) in CHANGED.items():
        row = {"world": "mass hidden", "search": search, "error": "false"}
        rows = [one for one in results["graphs"] if one.items() >= row.items()]
        max(rows, key=lambda one: one["n"]).update(mean=value, low=value - 0.001, high=value + 0.001)
    before, page = shown(executed.notebook(CHAPTER)), shown_again(results, tmp_path)
    stored = json.loads((tmp_path / "runs" / "smoke" / CHAPTER / "results.json").read_text(encoding="utf-8"))
    for search, (value, answer) in CHANGED.items():
        number = f"{value:.3f} ({value - 0.001:.3f} to {value + 0.001:.3f})"
        assert number in page and number not in before
        assert [one["answer"] for one in stored["score"] if one["words"] == f"{search}, {CLAIMED}"] == [answer]
