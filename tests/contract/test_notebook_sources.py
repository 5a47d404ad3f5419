"""The notebooks as they are committed: generated, empty of outputs, one parameters cell, the same in all."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import nbformat
import pytest
import yaml

from tools.execute import check_parameters, overrides
from tools.notebooks import generate
from tools.notebooks import main as notebooks_main
from tools.project import ROOT, chapters, config

NOTEBOOKS = ROOT / "notebooks"
PROFILES = sorted((NOTEBOOKS / "profiles").glob("*.yaml"))


def cells(chapter: str) -> list[nbformat.NotebookNode]:
    return nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=4).cells


def parameters_source(chapter: str) -> str:
    return next(cell.source for cell in cells(chapter) if "parameters" in cell.metadata.get("tags", []))


def test_every_pair_is_equal(capsys: pytest.CaptureFixture[str]) -> None:
    assert notebooks_main(["--check"]) == 0, capsys.readouterr().err


def test_chapters_of_the_contents_are_the_files() -> None:
    assert chapters() == sorted(path.stem for path in NOTEBOOKS.glob("*.py"))
    assert chapters() == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("chapter", chapters())
def test_no_outputs_and_the_plain_kernel(chapter: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
    assert notebook.metadata.kernelspec.name == "python3"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("chapter", chapters())
def test_parameters_cell_is_the_one_of_all_chapters(chapter: str) -> None:
    assert parameters_source(chapter) == parameters_source(chapters()[0])


@pytest.mark.parametrize("chapter", chapters())
@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_parameter_files_fit_the_cell(chapter: str, profile: Path) -> None:
    check_parameters(NOTEBOOKS / f"{chapter}.ipynb", yaml.safe_load(profile.read_text(encoding="utf-8")))


def test_published_values_are_the_defaults() -> None:
    values = yaml.safe_load((NOTEBOOKS / "profiles" / "book.yaml").read_text(encoding="utf-8"))
    defaults = check_parameters(NOTEBOOKS / f"{chapters()[0]}.ipynb", values)
    assert values == defaults
    assert overrides(defaults, values) == {}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_a_parameter_file_has_a_run_of_its_own_name(profile: Path) -> None:
    assert yaml.safe_load(profile.read_text(encoding="utf-8"))["run"] == profile.stem


@pytest.mark.parametrize("chapter", chapters())
def test_setup_cell_installs_from_the_public_address(chapter: str) -> None:
    setup = [cell.source for cell in cells(chapter) if "remove-cell" in cell.metadata.get("tags", [])]
    assert any(config()["repository"]["url"] in source for source in setup)
    assert not any("!pip" in cell.source or "%pip" in cell.source for cell in cells(chapter))


def test_generation_is_the_same_each_time_and_depends_on_content_alone(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("# %%\nx = 1\n\n# %%\nx = 1\n\n# %% [markdown]\n# text\n", encoding="utf-8")
    first = generate(source)
    assert generate(source) == first
    ids = [cell.id for cell in nbformat.reads(first, as_version=4).cells]
    assert len(set(ids)) == 3
    source.write_text("# %%\ny = 0\n\n" + source.read_text(encoding="utf-8"), encoding="utf-8")
    assert [cell.id for cell in nbformat.reads(generate(source), as_version=4).cells][1:] == ids


def test_a_changed_pair_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for suffix in (".py", ".ipynb"):
        shutil.copy(NOTEBOOKS / f"{chapters()[0]}{suffix}", tmp_path / f"edited{suffix}")
    source = tmp_path / "edited.py"
    assert notebooks_main(["--check", str(source)]) == 0
    source.write_text(source.read_text(encoding="utf-8") + "\n# %%\nmore = True\n", encoding="utf-8")
    assert notebooks_main(["--check", str(source)]) == 1
    assert "edited.ipynb" in capsys.readouterr().err


@pytest.mark.parametrize("chapter", chapters())
def test_setup_cell_is_the_one_of_all_chapters(chapter: str) -> None:
    setups = [cell.source for cell in cells(chapter) if "remove-cell" in cell.metadata.get("tags", [])]
    assert setups == [cell.source for cell in cells(chapters()[0]) if "remove-cell" in cell.metadata.get("tags", [])]


def test_setup_cell_in_colab_fetches_the_book_and_changes_no_numpy_pandas_or_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = next(cell.source for cell in cells(chapters()[0]) if "remove-cell" in cell.metadata.get("tags", []))
    commands: list[list[str]] = []

    def run(command: list[str], check: bool) -> None:
        assert check
        commands.append(command)
        if command[0] == "git":
            (tmp_path / command[-1] / "notebooks").mkdir(parents=True)
            for name in ("_toc.yml", "constraints.txt"):
                shutil.copy(ROOT / name, tmp_path / command[-1] / name)

    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    held = {"numpy": "2.0.2", "Pandas": "2.2.2", "torch": "2.6.0+cu124", "typing_extensions": "4.1"}
    here = [types.SimpleNamespace(name=name, version=version) for name, version in held.items()]
    monkeypatch.setattr("importlib.metadata.distributions", lambda: here)
    monkeypatch.chdir(tmp_path)
    exec(source, {})  # as a notebook would
    assert [command[0] for command in commands] == ["git", sys.executable]
    assert commands[0][-2:] == [config()["repository"]["url"], "galaxy-mass-anatomy"]
    versions = (tmp_path / "versions.txt").read_text().splitlines()
    assert {"numpy==2.0.2", "pandas==2.2.2", "torch==2.6.0+cu124"} <= set(versions)
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert set(versions) <= {*pinned, "numpy==2.0.2", "pandas==2.2.2", "torch==2.6.0+cu124"}
    assert not [line for line in versions if line.startswith("typing-extensions")]  # it is there, and stays
    assert Path.cwd() == tmp_path / "galaxy-mass-anatomy" / "notebooks"
    exec(source, {})  # again, after a restart of the kernel: nothing is left to do
    assert len(commands) == 2
