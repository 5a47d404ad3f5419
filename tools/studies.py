"""What the stored studies share: tasks of one grid, one file for each study, and where its numbers come from."""

from __future__ import annotations

import ast
import inspect
import json
import platform
import subprocess
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

from helpers.cores import available_cores
from helpers.grid import GridReport, Outcome, Task, run_grid
from helpers.grid.computing import result_path
from helpers.runs import atomic_path
from helpers.survey import Sample, load_sample
from tools.project import ROOT

__all__ = [
    "STORED",
    "Study",
    "code_of",
    "commit",
    "computer",
    "mock",
    "provenance",
    "run_studies",
    "today",
    "write_result",
]

STORED = ROOT / "src" / "helpers" / "stored"


@dataclass(frozen=True)
class Study:
    """Work that takes too long for every reader, and the file in which its outcome is kept.

    Attributes
    ----------
    name : str
    tasks : tuple of Task
    assemble : callable
        Makes what the file holds of the outcomes of all tasks, in their order.
    result : Path
        The file.
    n_mock : int, default 0
        Galaxies of the mock that its tasks read.
    """

    name: str
    tasks: tuple[Task, ...]
    assemble: Callable[[Sequence[Outcome]], dict[str, Any]]
    result: Path
    n_mock: int = 0


def run_studies(studies: Sequence[Study], folder: Path, **grid: Any) -> tuple[dict[str, Any], GridReport]:
    """Compute what is missing of some studies in one grid, and write the file of each that is complete.

    Parameters
    ----------
    studies : sequence of Study
    folder : path
        Where finished tasks are kept.
    **grid
        As `helpers.grid.run_grid` has them.

    Returns
    -------
    found : dict
        What the files of the complete studies hold, by name.
    report : GridReport
        What became of all tasks. The file of a study of which one failed is left as it was.
    """
    tasks = [task for study in studies for task in study.tasks]
    n_mock = max((study.n_mock for study in studies), default=0)
    if n_mock and any(not result_path(folder, task.key).is_file() for task in tasks):
        load_sample("mock", n_mock)  # made once, on all cores, before many workers ask for it
    report = run_grid(tasks, folder, **grid)
    outcomes = {one.task.name: one for one in report.outcomes}
    found = {}
    for study in studies:
        own = [outcomes[task.name] for task in study.tasks]
        if all(one.state in ("finished", "reused") for one in own):
            found[study.name] = study.assemble(own)
            write_result(study.result, found[study.name])
    return found, report


@cache
def mock(n_galaxies: int) -> Sample:
    """The mock that tasks share, opened once in each process."""
    return load_sample("mock", n_galaxies, n_processes=1)


def code_of(*functions: Callable[..., Any]) -> list[str]:
    """Code of functions without comments and docstrings, so that mending a sentence makes nothing anew."""
    return [_code_of_one(function) for function in functions]


@cache
def _code_of_one(function: Callable[..., Any]) -> str:
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(definition, ast.FunctionDef)
    if ast.get_docstring(definition) is not None:
        del definition.body[0]
    return ast.unparse(definition)


def write_result(path: Path, result: Any) -> None:
    """Write JSON in one step."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def provenance(command: str, plan: Any) -> dict[str, Any]:
    """What every result says of itself: command, commit, date, system, computer, torch and plan, a dataclass."""
    return {
        "command": command,
        "commit": commit(),
        "date": today(),
        "system": f"{platform.system()} {platform.machine()}",
        "computer": computer(),
        "torch": version("torch"),
        "plan": asdict(plan),
    }


def commit() -> str:
    """Commit of this repository, with ``-dirty`` where files that it holds have been edited since."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "not on record"


def today() -> str:
    """Date in UTC, as ISO has it."""
    return datetime.now(UTC).date().isoformat()


def computer() -> dict[str, Any]:
    """Processor, cores that work is spread over and memory; its GPU, where it has one."""
    found = {
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 2**30),
    }
    return found | ({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {})


def _processor() -> str:
    """Name of the processor, by Linux's own list where there is one."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
