"""Compute a grid of tasks, each result once."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Future, as_completed, wait

from helpers.checks import check_count
from helpers.grid.clients import BATCH_SYSTEMS, dashboard_link, has_gpu, open_client
from helpers.grid.computing import TaskError, compute, log_path, result_path
from helpers.grid.report import GridReport, Outcome, State
from helpers.grid.tasks import Task, in_order
from helpers.progress import progress_bar
from helpers.runs import atomic_path

__all__ = ["run_grid"]


def run_grid(
    tasks: Iterable[Task],
    folder: str | Path,
    *,
    scheduler: str | None = None,
    n_workers: int | None = None,
    retries: int = 1,
    progress: bool = True,
    memory_limit: str | int | None = "auto",
    per_gpu: int = 1,
    options: Mapping[str, Any] | None = None,
) -> GridReport:
    """Compute the tasks that have no result yet, several at a time.

    A result is written by the worker that found it, so that nothing that was finished is lost, whatever is killed. A
    task that fails does not stop the others. Ctrl-C cancels what has not begun and waits for the rest; a second one
    does not wait. Workers on this computer see its GPUs if a task asks for one.

    Parameters
    ----------
    tasks : iterable of Task
        Two with the same key are computed once, as the first of them says.
    folder : path
        Where results are kept: ``<key>.json`` with ``name``, ``settings``, ``found`` and ``seconds``; and tracebacks of
        tasks that failed: ``failed/<key>.txt``. All workers have to see it under the same name.
    scheduler, n_workers, memory_limit, per_gpu, options
        As in `open_client`.
    retries : int, default 1
        How often a task is begun again that failed, and one whose worker was killed. Of a scheduler that runs already,
        its own setting ``allowed-failures`` is another limit on the latter.
    progress : bool, default True
        Show a progress bar and, once, the address of dask's own page.

    Returns
    -------
    GridReport

    Raises
    ------
    ValueError
        If a task waits for one that is not there or, in a circle, for itself; two have one name; one needs a GPU where
        no worker has any; or `scheduler` does not go with the other arguments.
    """
    check_count("retries", retries)
    start = time.perf_counter()
    given, folder = list(tasks), Path(folder).resolve()
    first: dict[str, Task] = {}
    for task in in_order(given):
        first.setdefault(task.key, task)
    missing = [task for key, task in first.items() if not result_path(folder, key).is_file()]
    without: dict[str, tuple[State, str]] = {}
    if missing:
        gpus = [task.name for task in missing if task.gpus]
        # A worker that dies takes those along that wait in its line. Who is to blame is counted where a task begins.
        limit = {"distributed.scheduler.allowed-failures": (retries + 1) * len(missing)}
        workers = open_client(
            scheduler,
            n_workers=n_workers,
            memory_limit=memory_limit,
            gpus=bool(gpus),
            per_gpu=per_gpu,
            options=options,
        )
        with dask.config.set(limit), workers as client:
            if gpus and scheduler not in BATCH_SYSTEMS and not has_gpu(client):
                raise ValueError(f"gpus: task {gpus[0]!r} needs a GPU, and no worker has one")
            submitted = _submit(client, missing, {task.name: task.key for task in given}, folder, retries)
            without = submitted.wait(client, progress)
            list(folder.glob("*.json"))  # a network file system may hold that a file is not there until it lists them
    begun = {task.key for task in missing}
    outcomes = tuple(_outcome(task, folder, "finished" if task.key in begun else "reused", without) for task in given)
    return GridReport(outcomes, time.perf_counter() - start)


def _submit(client: Client, tasks: list[Task], keys: Mapping[str, str], folder: Path, retries: int) -> _Submitted:
    """Hand tasks, which are in order, to dask."""
    run = uuid.uuid4().hex[:8]
    futures: dict[str, Future] = {}
    for place, task in enumerate(tasks):
        waits_for = futures.keys() & {keys[name] for name in task.after}
        # To dask the kind of a task is what is before the first dash: of one that has many it hands out what can begin.
        kind = getattr(task.function, "func", task.function).__name__
        futures[task.key] = client.submit(
            compute,
            task,
            folder,
            retries,
            *(futures[key] for key in waits_for),
            key=f"{kind}-{task.key}-{task.name}-{run}",
            retries=retries,
            priority=task.priority - place / len(tasks),  # to dask, those of one priority are in no order
            resources={"GPU": 1} if task.gpus else None,
            pure=False,
        )
    return _Submitted(folder, {task.key: task for task in tasks}, keys, futures)


@dataclass(frozen=True)
class _Submitted:
    """Tasks that dask has, and their futures, both by key; the keys of all tasks by their names."""

    folder: Path
    tasks: Mapping[str, Task]
    keys: Mapping[str, str]
    futures: Mapping[str, Future]

    def wait(self, client: Client, progress: bool) -> dict[str, tuple[State, str]]:
        """Wait for all; state and reason, by key, of those that got no result."""
        without: dict[str, tuple[State, str]] = {}
        hidden = not progress
        with client.as_current(), progress_bar(len(self.futures), "grid", unit="task", hidden=hidden) as bar:
            link = dashboard_link(client)
            if link and not bar.disable:
                bar.write(f"workers at work: {link}", file=sys.stderr)
            key_of = {future.key: key for key, future in self.futures.items()}
            try:
                for future in as_completed(list(self.futures.values())):
                    key = key_of[future.key]
                    if self._has_failed(key):
                        without[key] = self._why(key)
                    bar.update()
            except KeyboardInterrupt:
                self._finish_what_has_begun(client)
                raise
        return without

    def _why(self, key: str) -> tuple[State, str]:
        """Why a task got no result; what stopped it is written to its log."""
        task, future = self.tasks[key], self.futures[key]
        cause = self._cause(task)
        if cause is not None:
            return "blocked", f"waiting for {cause}"
        if future.status == "error":
            error = future.exception()
            if not isinstance(error, TaskError):  # of dask, such as of a function that the worker cannot import
                error = TaskError.of(error.with_traceback(future.traceback()))
        else:
            error = TaskError.of(RuntimeError("dask dropped it: its scheduler was closed or cannot be reached"))
        with atomic_path(log_path(self.folder, key)) as temporary:
            told = f"{task.name}\n{json.dumps(task.settings)}\n\n{error.log}"
            temporary.write_text(told, encoding="utf-8")
        return "failed", error.reason

    def _cause(self, task: Task) -> str | None:
        """Name of what failed among all that a task waits for."""
        for name in task.after:
            key = self.keys[name]
            if key in self.futures and self._has_failed(key):
                return self._cause(self.tasks[key]) or name
        return None

    def _has_failed(self, key: str) -> bool:
        """Whether a task came to an end without a result; dask loses what it knew of those of a worker that died."""
        ended = self.futures[key].status not in ("finished", "pending")
        return ended and not result_path(self.folder, key).is_file()

    def _finish_what_has_begun(self, client: Client) -> None:
        begun = {key for stacks in client.call_stack().values() for key in stacks}
        futures = [future for future in self.futures.values() if not future.done()]
        client.cancel([future for future in futures if future.key not in begun])
        wait([future for future in futures if future.key in begun])


def _outcome(task: Task, folder: Path, state: State, without: Mapping[str, tuple[State, str]]) -> Outcome:
    path, log = result_path(folder, task.key), log_path(folder, task.key)
    if path.is_file():
        log.unlink(missing_ok=True)  # of an attempt before
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Outcome(task, state, path, stored["found"], stored["seconds"])
    nowhere: tuple[State, str] = ("failed", f"its result is not in {folder}, which all workers have to see")
    state, reason = without.get(task.key, nowhere)
    return Outcome(task, state, log, reason=reason)
