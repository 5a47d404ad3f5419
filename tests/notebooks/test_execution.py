"""The tool that executes chapters: its refusals, and what it leaves behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient.exceptions import DeadKernelError

from tools.execute import ParameterError, check_parameters, execute, main, overrides, read_parameters
from tools.stage import StagingError, clean_notebook

PARAMETERS = 'run: str = "book"\nrate: float = 0.5\nsteps: int = 3\nfast: bool = False'


def write(path: Path, *sources: str, tags: tuple[str, ...] = ("parameters",)) -> Path:
    """Write a notebook whose first cell carries `tags`."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = list(tags)
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def outputs(path: Path) -> str:
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stpes": 4}, "unknown parameter 'stpes', expected one of run, rate, steps, fast"),
        ({"rate": "1e-3"}, r"'rate': found '1e-3' of type str, expected float \(YAML reads 1e-3 as text"),
        ({"steps": 4.0}, "'steps': found 4.0 of type float, expected int"),
        ({"steps": True}, "'steps': found True of type bool, expected int"),
        ({"fast": "true"}, "'fast': found 'true' of type str, expected bool"),
        ({"run": 7}, "'run': found 7 of type int, expected str"),
        ({"run": None}, "'run': found None of type NoneType, expected str"),
    ],
)
def test_values_that_do_not_fit_are_refused(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        execute(write(tmp_path / "a.ipynb", PARAMETERS), tmp_path / "out.ipynb", values)
    assert not (tmp_path / "out.ipynb").exists()


def test_a_missing_or_second_parameters_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="found 0 cells tagged 'parameters', expected exactly one"):
        check_parameters(write(tmp_path / "none.ipynb", PARAMETERS, tags=()), {})
    two = nbformat.read(write(tmp_path / "two.ipynb", PARAMETERS, "x: int = 1"), as_version=4)
    two.cells[1].metadata["tags"] = ["parameters"]
    nbformat.write(two, tmp_path / "two.ipynb")
    with pytest.raises(ParameterError, match="found 2 cells"):
        check_parameters(tmp_path / "two.ipynb", {})


def test_an_annotation_we_cannot_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="'sizes' has the annotation"):
        check_parameters(write(tmp_path / "a.ipynb", "sizes: list = [1]"), {})


def test_a_default_that_is_no_literal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"a.ipynb: parameter 'steps' has the default len\('ab'\), expected a lit"):
        check_parameters(write(tmp_path / "a.ipynb", "steps: int = len('ab')"), {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- run\n- seed\n", r"found \['run', 'seed'\], expected lines of the form 'name: value'"),
        (b"smoke", "found 'smoke', expected lines"),
        (b"0", "found 0, expected lines"),
        (b"1: 2", "found {1: 2}, expected lines"),
        (b"run: [a", "found no valid YAML"),
        (b"run: \xff\xfe", "found no valid YAML"),
    ],
)
def test_a_file_that_holds_no_parameters_is_refused_by_name(
    tmp_path: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(ParameterError, match=f"mine.yaml: {message}"):
        read_parameters(file)
    assert main(["-f", str(file), "--output", str(tmp_path / "out")]) == 2
    assert "mine.yaml" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_file_of_parameters_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# nothing yet\n", encoding="utf-8")
    assert read_parameters(tmp_path / "mine.yaml") == {}


def test_a_kernel_that_dies_leaves_its_notebook_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notebooks").mkdir()
    source = write(
        tmp_path / "notebooks" / "01_data.ipynb", PARAMETERS, "print('so far')", "import os; os.kill(os.getpid(), 9)"
    )
    with pytest.raises(DeadKernelError):
        execute(source, tmp_path / "out.ipynb", {})
    assert outputs(tmp_path / "out.failed.ipynb") == "so far\n"
    assert not (tmp_path / "out.ipynb").exists() and not list(tmp_path.glob("*.running.ipynb"))
    monkeypatch.setattr("tools.execute.ROOT", tmp_path)
    monkeypatch.setattr("tools.execute.chapters", lambda: ["01_data"])
    (tmp_path / "mine.yaml").write_text("steps: 4\n", encoding="utf-8")
    assert main(["-f", str(tmp_path / "mine.yaml"), "--output", str(tmp_path / "executed")]) == 1
    assert "01_data: kernel died (out of memory?)" in capsys.readouterr().err
    assert outputs(tmp_path / "executed" / "01_data.failed.ipynb") == "so far\n"


def test_a_whole_number_is_a_float_and_defaults_are_no_overrides(tmp_path: Path) -> None:
    defaults = check_parameters(write(tmp_path / "a.ipynb", PARAMETERS), {"rate": 1})
    assert defaults == {"run": "book", "rate": 0.5, "steps": 3, "fast": False}
    assert overrides(defaults, {"steps": 3, "fast": True}) == {"fast": True}


def test_default_values_leave_one_parameters_cell_and_others_two(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ipynb", PARAMETERS, "print(steps)")
    before = source.read_bytes()
    execute(source, tmp_path / "same.ipynb", {"steps": 3})
    execute(source, tmp_path / "other.ipynb", {"steps": 5})
    assert len(nbformat.read(tmp_path / "same.ipynb", as_version=4).cells) == 2
    assert len(nbformat.read(tmp_path / "other.ipynb", as_version=4).cells) == 3
    assert outputs(tmp_path / "other.ipynb") == "5\n"
    assert source.read_bytes() == before


def test_a_failure_keeps_the_last_good_notebook_and_lays_the_failed_one_aside(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ipynb", PARAMETERS, "print(1 // steps)")
    output = tmp_path / "out.ipynb"
    done = execute(source, output, {"steps": 1})
    assert done.output == output
    assert done.seconds > 0
    good = output.read_bytes()
    with pytest.raises(papermill.PapermillExecutionError, match="ZeroDivisionError"):
        execute(source, output, {"steps": 0})
    assert output.read_bytes() == good
    assert (tmp_path / "out.failed.ipynb").is_file()
    execute(source, output, {"steps": 1})
    assert not (tmp_path / "out.failed.ipynb").exists()
    assert not list(tmp_path.glob("*.running.ipynb"))


def test_the_kernel_is_this_environment_even_beside_another_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "share" / "kernels" / "python3"
    foreign.mkdir(parents=True)
    spec = {
        "argv": ["/nowhere/python", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
    }
    (foreign / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "share"))
    source = write(tmp_path / "a.ipynb", PARAMETERS, "import sys; print(sys.prefix)")
    execute(source, tmp_path / "out.ipynb", {})
    assert outputs(tmp_path / "out.ipynb").strip() == sys.prefix


def test_the_kernel_works_in_the_folder_of_the_notebook(tmp_path: Path) -> None:
    source = write(tmp_path / "a.ipynb", PARAMETERS, "import os; print(os.getcwd())")
    execute(source, tmp_path / "deep" / "out.ipynb", {})
    assert outputs(tmp_path / "deep" / "out.ipynb").strip() == str(tmp_path)


def test_staging_refuses_what_failed_or_did_not_run_and_drops_widgets(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="is missing: execute the chapter first"):
        clean_notebook(tmp_path / "absent.ipynb")
    path = write(tmp_path / "a.ipynb", "x = 1")
    with pytest.raises(StagingError, match="a cell was not executed: 'x = 1'"):
        clean_notebook(path)
    notebook = nbformat.read(path, as_version=4)
    cell = notebook.cells[0]
    cell.execution_count = 1
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "m"}, "text/plain": "Slider()"}
    cell.outputs = [
        nbformat.v4.new_output("display_data", widget),
        nbformat.v4.new_output("stream", name="stdout", text="kept"),
    ]
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}
    nbformat.write(notebook, path)
    staged = nbformat.reads(clean_notebook(path), as_version=4)
    assert [output.output_type for output in staged.cells[0].outputs] == ["stream"]
    assert "widgets" not in staged.metadata
    cell.outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])]
    nbformat.write(notebook, path)
    with pytest.raises(StagingError, match="failed with ValueError: no"):
        clean_notebook(path)
