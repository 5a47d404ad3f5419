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
WORDS = "FCI, mass hidden: less than 0.5 false claims a graph"
ROW = {"world": "mass hidden", "search": "FCI", "error": "false"}


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
    results: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANATOMY_HOME", str(tmp_path))
    for value, answer in ((0.123, "yes"), (0.777, "no")):
        rows = [row for row in results["graphs"] if row.items() >= ROW.items()]
        max(rows, key=lambda row: row["n"]).update(mean=value, low=value - 0.001, high=value + 0.001)
        page = shown_again(results, tmp_path)
        assert f"{value:.3f} ({value - 0.001:.3f} to {value + 0.001:.3f})" in page
        stored = json.loads((tmp_path / "runs" / "smoke" / CHAPTER / "results.json").read_text(encoding="utf-8"))
        assert [one["answer"] for one in stored["score"] if one["words"] == WORDS] == [answer]
