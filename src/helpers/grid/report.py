"""What became of a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from helpers.grid.tasks import Task

__all__ = ["GridError", "GridReport", "Outcome", "State"]

State = Literal["finished", "reused", "failed", "blocked"]


class GridError(RuntimeError):
    """Tasks of a grid failed.

    Attributes
    ----------
    report : GridReport
        With the results of those that did not.
    """

    def __init__(self, message: str, report: GridReport) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Outcome:
    """What became of one task.

    Attributes
    ----------
    task : Task
    state : str
        ``"finished"``, ``"reused"`` (finished before), ``"failed"``, or ``"blocked"`` (it waits for one that failed).
    path : Path
        The file of its result or, if it failed, of its traceback.
    found : what the function returned
    seconds : float
        That the function took; NaN for a task without a result.
    reason : str
        Why there is no result, in one line.
    """

    task: Task
    state: State
    path: Path
    found: Any = None
    seconds: float = float("nan")
    reason: str = ""


@dataclass(frozen=True)
class GridReport:
    """What became of a grid.

    Attributes
    ----------
    outcomes : tuple of Outcome
        In the order in which the tasks were given.
    seconds : float
        That the grid took.
    """

    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def finished(self) -> tuple[str, ...]:
        """Names of the tasks that were finished now."""
        return self._names("finished")

    @property
    def reused(self) -> tuple[str, ...]:
        """Names of the tasks that had been finished before."""
        return self._names("reused")

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the tasks that failed."""
        return self._names("failed")

    @property
    def blocked(self) -> tuple[str, ...]:
        """Names of the tasks that wait for one that failed."""
        return self._names("blocked")

    @property
    def found(self) -> dict[str, Any]:
        """Results by the names of their tasks."""
        return {one.task.name: one.found for one in self.outcomes if one.state in ("finished", "reused")}

    def table(self) -> pd.DataFrame:
        """One row for each task, under its name.

        Returns
        -------
        DataFrame
            The settings in columns; what was found likewise if it has names of its own, else as ``found``; ``state``,
            ``seconds`` and ``reason``. Where two share a name, the later of these stands.
        """
        rows = []
        for one in self.outcomes:
            row = dict(one.task.settings)
            if one.state in ("finished", "reused"):
                row |= one.found if isinstance(one.found, Mapping) else {"found": one.found}
            rows.append(row | {"state": one.state, "seconds": one.seconds, "reason": one.reason})
        return pd.DataFrame(rows, index=pd.Index([one.task.name for one in self.outcomes], name="name"))

    def raise_for_failures(self) -> None:
        """Do nothing if every task has a result.

        Raises
        ------
        GridError
            Naming every task that failed, its error in one line and where its log lies; and those that wait for it.
        """
        if not self.failed:
            return
        lines = [f"{len(self.failed)} of {len(self.outcomes)} tasks failed."]
        lines += [f"{one.task.name}: {one.reason} ({one.path})" for one in self.outcomes if one.state == "failed"]
        lines += [f"{one.task.name}: {one.reason}" for one in self.outcomes if one.state == "blocked"]
        raise GridError("\n".join(lines), self)

    def _names(self, state: State) -> tuple[str, ...]:
        return tuple(one.task.name for one in self.outcomes if one.state == state)
