"""The page of findings follows the results that it reads, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml

from helpers.runs import file_sha256, sidecar
from tests.conftest import ROOT, ChapterExecutions
from tools.execute import execute

SMOKE = yaml.safe_load((ROOT / "notebooks" / "profiles" / "smoke.yaml").read_text(encoding="utf-8"))
CHAPTER = "06_findings"
PATH = ("pictures", "decompositions", "<Mopt, Ioptnorm>", "all", "conditional_2_net")
WORDS = "Images divided by their flux add to ugriz, net of the placebo"


def shown(notebook: Path) -> str:
    """All that a page shows beside its code."""
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") + output.get("data", {}).get("text/html", "") for output in outputs)


@pytest.mark.slow
def test_another_number_in_the_results_is_another_page_and_another_answer(
    executed: ChapterExecutions, anatomy_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shown(executed.notebook(CHAPTER))
    shutil.copytree(anatomy_home / "runs", tmp_path / "runs")
    results = tmp_path / "runs" / "smoke" / "05_information_decomposition" / "results.json"
    for value, answer in ((0.777, "yes"), (-0.777, "no")):
        changed = json.loads(results.read_text(encoding="utf-8"))
        entry = changed
        for key in PATH:
            entry = entry[key]
        entry |= {"mean": value, "low": value - 0.001, "high": value + 0.001}
        results.write_text(json.dumps(changed), encoding="utf-8")
        made = json.loads(sidecar(results).read_text(encoding="utf-8"))
        sidecar(results).write_text(json.dumps(made | {"sha256": file_sha256(results)}), encoding="utf-8")
        monkeypatch.setenv("ANATOMY_HOME", str(tmp_path))
        page = shown(execute(ROOT / "notebooks" / f"{CHAPTER}.ipynb", tmp_path / "out.ipynb", SMOKE).output)
        number = f"{value:.3f} ({value - 0.001:.3f} to {value + 0.001:.3f}) nats"
        assert number in page and number not in before
        stored = json.loads((tmp_path / "runs" / "smoke" / CHAPTER / "results.json").read_text(encoding="utf-8"))
        assert [one["answer"] for one in stored["statements"] if one["words"] == WORDS] == [answer]
