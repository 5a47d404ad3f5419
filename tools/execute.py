"""Execute chapters with papermill, in order, each in its own kernel.

Parameters come from ``notebooks/profiles/<profile>.yaml`` and are checked against the chapter's parameters
cell first: papermill itself only warns when the cell or a parameter is missing, and the override is lost.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The kernel named python3 must be the one of this environment, even where the user's own folder has another.
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"

import nbformat
import papermill
import psutil
import yaml
from nbclient.exceptions import DeadKernelError

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT, chapters

__all__ = ["Execution", "ParameterError", "check_parameters", "execute", "main", "overrides", "read_parameters"]

TYPES: dict[str, type] = {"bool": bool, "dict": dict, "float": float, "int": int, "str": str}
SAMPLING_INTERVAL = 0.2
# A local kernel otherwise warns each time that its loopback connection is not encrypted.
QUIET_KERNEL = "--IPKernelApp.log_level=ERROR"


class ParameterError(ValueError):
    """A parameter file cannot be read, or does not fit a chapter's parameters cell."""


@dataclass(frozen=True)
class Execution:
    """What one executed chapter cost.

    Attributes
    ----------
    output : Path
        The executed notebook.
    seconds : float
        Wall time.
    peak_bytes : int
        Largest resident memory of the kernel and its children, sampled.
    """

    output: Path
    seconds: float
    peak_bytes: int


def check_parameters(notebook: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values against a notebook's parameters cell.

    Parameters
    ----------
    notebook : Path
        An ``.ipynb``.
    values : mapping
        Parameter names and values, as YAML gave them.

    Returns
    -------
    dict
        Default value of every parameter of the cell.

    Raises
    ------
    ParameterError
        If the notebook has not exactly one cell tagged ``parameters``, if a default is no literal, if a name is
        not a parameter, or if a value has another type than the cell's annotation.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = sum("parameters" in cell.metadata.get("tags", []) for cell in cells)
    if tagged != 1:
        raise ParameterError(f"{notebook.name}: found {tagged} cells tagged 'parameters', expected exactly one")
    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        raise ParameterError(f"{notebook.name}: unknown parameter {unknown[0]!r}, expected one of {', '.join(known)}")
    for name, parameter in known.items():
        annotation = parameter["inferred_type_name"]
        if annotation not in TYPES:
            raise ParameterError(
                f"{notebook.name}: parameter {name!r} has the annotation {annotation!r}, "
                f"expected one of {', '.join(TYPES)}"
            )
        if name in values and not _fits(values[name], TYPES[annotation]):
            found = values[name]
            raise ParameterError(
                f"{notebook.name}: parameter {name!r}: found {found!r} of type {type(found).__name__}, "
                f"expected {annotation}{_hint(found, annotation)}"
            )
    return {name: _literal(notebook, name, parameter["default"]) for name, parameter in known.items()}


def _literal(notebook: Path, name: str, source: str) -> Any:
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ParameterError(
            f"{notebook.name}: parameter {name!r} has the default {source}, expected a literal, such as 0 or 'book'"
        ) from None


def read_parameters(file: Path) -> dict[str, Any]:
    """Values of a parameter file; of an empty one, none.

    Raises
    ------
    ParameterError
        If the file is not YAML, or holds something else than names and values.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{file}: found no valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise ParameterError(f"{file}: found {values!r}, expected lines of the form 'name: value'")
    return values


def _fits(value: Any, expected: type) -> bool:
    return type(value) is expected or (expected is float and type(value) is int)


def _hint(value: Any, annotation: str) -> str:
    if annotation == "float" and isinstance(value, str):
        return " (YAML reads 1e-3 as text: write 1.0e-3)"
    return ""


def overrides(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that differ from the defaults: a run with none of them shows one parameters cell, not two."""
    return {name: value for name, value in values.items() if value != defaults[name]}


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """Sample the resident memory of this process's children; the list's one item is the largest sum seen."""
    peak, done = [0], threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not done.wait(SAMPLING_INTERVAL):
            total = 0
            for child in me.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.Error:  # it ended in between
                    continue
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def execute(notebook: Path, output: Path, values: Mapping[str, Any]) -> Execution:
    """Execute one notebook in the folder where it lies.

    Parameters
    ----------
    notebook : Path
        The ``.ipynb``, which is not changed.
    output : Path
        Where the executed notebook goes, and only if every cell succeeded. After a failure the previous one
        is still there, and the failed one lies beside it as ``<name>.failed.ipynb``.
    values : mapping
        Parameters, checked first.

    Raises
    ------
    ParameterError
        If the parameters do not fit.
    papermill.PapermillExecutionError
        If a cell raises.
    nbclient.exceptions.DeadKernelError
        If the kernel dies, as it does when the system has no memory left to give it.
    """
    changed = overrides(check_parameters(notebook, values), values)
    output.parent.mkdir(parents=True, exist_ok=True)
    running = output.with_suffix(".running.ipynb")
    failed = output.with_suffix(".failed.ipynb")
    start = time.monotonic()
    try:
        with _peak_memory() as peak:
            papermill.execute_notebook(
                str(notebook),
                str(running),
                parameters=changed,
                kernel_name="python3",
                cwd=str(notebook.parent),
                progress_bar=sys.stderr.isatty(),
                extra_arguments=[QUIET_KERNEL],
            )
        os.replace(running, output)
        failed.unlink(missing_ok=True)
    except (papermill.PapermillExecutionError, DeadKernelError):
        if running.is_file():
            os.replace(running, failed)
        raise
    finally:
        running.unlink(missing_ok=True)
    return Execution(output, time.monotonic() - start, peak[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: execute the named chapters, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("chapters", nargs="*", help="such as 01_data; default: all, in the order of _toc.yml")
    parser.add_argument("--profile", default="book", help="a file of notebooks/profiles (default: book)")
    parser.add_argument("-f", "--parameters", type=Path, help="a parameter file that lies elsewhere")
    parser.add_argument("--output", type=Path, help="folder to write (default: _build/executed/PROFILE)")
    options = parser.parse_args(arguments)
    known = chapters()
    for name in options.chapters:
        if name not in known:
            parser.error(f"chapter {name!r} is not one of {', '.join(known)}")
    file = options.parameters or ROOT / "notebooks" / "profiles" / f"{options.profile}.yaml"
    if not file.is_file():
        parser.error(f"there is no parameter file {file}")
    try:
        values = read_parameters(file)
    except ParameterError as error:
        print(error, file=sys.stderr)
        return 2
    folder = options.output or ROOT / "_build" / "executed" / options.profile
    for name in options.chapters or known:
        try:
            done = execute(ROOT / "notebooks" / f"{name}.ipynb", folder / f"{name}.ipynb", values)
        except ParameterError as error:
            print(error, file=sys.stderr)
            return 2
        except papermill.PapermillExecutionError as error:
            print(f"{error}\n{name} failed; see {folder / name}.failed.ipynb", file=sys.stderr)
            return 1
        except DeadKernelError:
            print(f"{name}: kernel died (out of memory?); see {folder / name}.failed.ipynb", file=sys.stderr)
            return 1
        print(f"{name}: {done.seconds:.0f} s, at most {done.peak_bytes / 2**30:.2f} GB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
