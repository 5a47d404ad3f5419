"""Every chapter through papermill at profile ``smoke``, and what a chapter says when it cannot run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest
import yaml

from tests.conftest import ROOT, ChapterExecutions
from tools.bundle import check_bundle, make_bundle
from tools.execute import execute
from tools.project import chapters

ALONE = "03_knn_estimation"  # it reads what the two chapters before it made
SMOKE = yaml.safe_load((ROOT / "notebooks" / "profiles" / "smoke.yaml").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("chapter", chapters())
def test_chapter_runs(chapter: str, executed: ChapterExecutions, anatomy_home: Path) -> None:
    notebook = nbformat.read(executed.notebook(chapter), as_version=4)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip())
    assert (anatomy_home / "runs" / "smoke" / chapter / "results.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("chapter", chapters())
def test_every_figure_has_a_cell_and_a_description_of_its_own(chapter: str, executed: ChapterExecutions) -> None:
    figures = 0
    for cell in nbformat.read(executed.notebook(chapter), as_version=4).cells:
        images = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
        if images:
            figures += 1
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(images) == 1, f"{len(images)} figures in one cell share one alt text: {cell.source[:60]}"
            assert len(alt.split()) >= 5, f"no alt text in: {cell.source[:60]}"
    assert figures


@pytest.mark.slow
def test_chapter_runs_alone_from_stored_artifacts(executed: ChapterExecutions, tmp_path: Path) -> None:
    executed.notebook(ALONE)
    assert execute(ROOT / "notebooks" / f"{ALONE}.ipynb", tmp_path / "out.ipynb", SMOKE).output.is_file()


@pytest.mark.slow
@pytest.mark.parametrize("chapter", ["03_knn_estimation", "06_findings"])
def test_chapter_opens_alone_from_the_bundle(
    chapter: str, executed: ChapterExecutions, anatomy_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in chapters():
        executed.notebook(name)
    monkeypatch.chdir(ROOT / "notebooks")  # where the chapters executed
    make_bundle(anatomy_home / "runs" / "smoke", executed.folder, tmp_path)
    assert check_bundle(tmp_path) == []  # it holds what every chapter read, so that of the others too
    (tmp_path / "data" / "cache").symlink_to(anatomy_home / "data" / "cache")
    monkeypatch.setenv("ANATOMY_HOME", str(tmp_path))
    done = execute(ROOT / "notebooks" / f"{chapter}.ipynb", tmp_path / "out.ipynb", SMOKE)
    assert [path.name for path in (tmp_path / "runs" / "smoke").iterdir()] == [chapter]
    assert "is read from data/bundle" in done.output.read_text(encoding="utf-8")


@pytest.mark.slow
def test_chapter_without_artifacts_names_the_chapter_and_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANATOMY_HOME", str(tmp_path))
    output = tmp_path / f"{ALONE}.ipynb"
    with pytest.raises(papermill.PapermillExecutionError) as stopped:
        execute(ROOT / "notebooks" / f"{ALONE}.ipynb", output, SMOKE)
    message = str(stopped.value)
    assert "ArtifactError" in message
    needed = [name for name in chapters()[:2] if f"make chapter CHAPTER={name} PROFILE=smoke" in message]
    assert needed, message
    assert not output.exists()
    assert output.with_suffix(".failed.ipynb").is_file()
