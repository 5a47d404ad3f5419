"""A grid computed in this process, whose functions a test may then replace, and which stops at the first error."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.grid import GridReport, Outcome, Task
from helpers.grid.computing import result_path
from helpers.grid.tasks import in_order


def serial_grid(tasks: Iterable[Task], folder: Path, **_: Any) -> GridReport:
    """As `helpers.grid.run_grid`."""
    given, finished = list(tasks), set()
    for task in in_order(given):
        path = result_path(folder, task.key)
        if not path.is_file():
            stored = {"found": task.function(**task.settings), "seconds": 1.0}
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(stored, allow_nan=False), encoding="utf-8")
            finished.add(task.key)
    outcomes = []
    for task in given:
        stored = json.loads(result_path(folder, task.key).read_text(encoding="utf-8"))
        state = "finished" if task.key in finished else "reused"
        outcomes.append(Outcome(task, state, result_path(folder, task.key), stored["found"], stored["seconds"]))
    return GridReport(tuple(outcomes), 1.0)
