"""What a worker does with one task of a grid."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import get_client, get_worker

from helpers.grid.tasks import Task
from helpers.runs import atomic_path

__all__ = ["TaskError", "compute", "log_path", "result_path"]


class TaskError(Exception):
    """What stopped a task, as text: not every exception can be sent from one process to another.

    Attributes
    ----------
    reason, log : str
        In one line, and in full.
    """

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(reason, log)
        self.reason, self.log = reason, log

    @classmethod
    def of(cls, error: BaseException) -> TaskError:
        """Text of an exception, with its traceback if it was raised."""
        first, *_ = str(error).splitlines() or [""]
        return cls(f"{type(error).__name__}: {first}", "".join(traceback.format_exception(error)))


def result_path(folder: Path, key: str) -> Path:
    """File of a result."""
    return folder / f"{key}.json"


def log_path(folder: Path, key: str) -> Path:
    """File of what stopped a task."""
    return folder / "failed" / f"{key}.txt"


def compute(task: Task, folder: Path, retries: int, *before: None) -> None:
    """Compute a task, and keep the result.

    Parameters
    ----------
    task : Task
    folder : Path
        Of the results.
    retries : int
        How often it is begun again after its worker was killed.
    *before
        What dask hands over of the tasks that this one waits for.

    Raises
    ------
    TaskError
        If there is no result.
    """
    path = result_path(folder, task.key)
    if path.is_file():  # what was computed on a worker that died later
        return
    if replace(task).key != task.key:
        raise TaskError.of(RuntimeError("the library's code differs between the worker and who made the task"))
    # What has begun and come to no end died: the scheduler keeps the count for a process that is no more.
    client, count = get_client(), f"deaths-{get_worker().get_current_task()}"
    died = client.get_metadata(count, 0)
    if died > retries:
        raise TaskError.of(RuntimeError(f"its worker was killed {died} times: beyond memory_limit, or from outside"))
    client.set_metadata(count, died + 1)
    try:
        start = time.perf_counter()
        found = task.function(**task.settings)
        seconds = time.perf_counter() - start
        text = _as_json({"name": task.name, "settings": task.settings, "found": found, "seconds": seconds})
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except (Exception, SystemExit) as error:
        client.set_metadata(count, died)
        raise TaskError.of(error) from None


def _as_json(result: Mapping[str, Any]) -> str:
    try:
        return json.dumps(result, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(f"found: {error}; expected what JSON can hold, without NaN") from None
