"""Tasks of a grid: what is to be computed, as data."""

from __future__ import annotations

import functools
import hashlib
import heapq
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from operator import attrgetter
from typing import Any

from helpers.checks import is_whole
from helpers.runs import library_fingerprint

__all__ = ["Task", "in_order"]


@dataclass(frozen=True)
class Task:
    """A piece of work: a function and its arguments, under a key that says what its result depends on.

    A task is not handed the results of those that it waits for: it reads what they left. What it reads should be told
    in its settings, so that its key depends on theirs too::

        fit = Task("fit 0", fit_model, {"seed": 0}, code=("contrastive",))
        judge = Task("judge 0", judge_model, {"fit": fit.key}, after=("fit 0",))

    Attributes
    ----------
    name : str
        For people; no other task of a grid has it.
    function : callable
        What is called, of a module that can be imported, or a `functools.partial` of one. It returns what JSON can
        hold, without NaN.
    settings : mapping
        Keyword arguments, which JSON can hold. The function gets them as JSON gives them back: tuples as lists, keys
        as text.
    code : tuple of str
        Parts (folders or modules) of this library that the result depends on, such as
        ``"information/networks.py"`` or ``"causal"``.
    after : tuple of str
        Names of tasks that have to be finished first.
    priority : int, default 0
        Of the tasks that could begin the one with the largest does, and of equals the first in the list.
    gpus : int, default 0
        1 for a worker that has a GPU.
    depends : what JSON can hold, optional
        Whatever else the result depends on, and the function is not called with.
    key : str
        Digest of the function's name, what it is called with, the code of those parts and `depends`, taken when the
        task is made. The function's own code counts only if it is in one of them.

    Raises
    ------
    ValueError
        If an attribute is not what it should be.
    """

    name: str
    function: Callable[..., Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    code: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    priority: int = 0
    gpus: int = 0
    depends: Any = None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"name: found {self.name!r}, expected text")
        for name in ("code", "after"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(one, str) for one in value):
                raise ValueError(f"{name}: task {self.name!r} has {value!r}, expected a tuple of text")
            object.__setattr__(self, name, tuple(value))
        if not is_whole(self.priority):
            raise ValueError(f"priority: task {self.name!r} has {self.priority!r}, expected a whole number")
        if self.gpus not in (0, 1):
            raise ValueError(f"gpus: task {self.name!r} has {self.gpus!r}, expected 0 or 1")
        if not isinstance(self.settings, Mapping) or not all(isinstance(name, str) for name in self.settings):
            raise ValueError(f"settings: task {self.name!r} has {self.settings!r}, expected arguments by name")
        object.__setattr__(self, "settings", json.loads(self._as_json("settings", dict(self.settings))))
        object.__setattr__(self, "depends", json.loads(self._as_json("depends", self.depends)))
        object.__setattr__(self, "key", self._digest())

    def _digest(self) -> str:
        called: Any = self.function
        positional, named = (), {}
        if isinstance(called, functools.partial):
            called, positional, named = called.func, called.args, called.keywords
        what = [_importable_name(self.name, called), positional, {**named, **self.settings}]
        if self.depends is not None:
            what.append(self.depends)
        rooms = []
        for room in self.code:
            try:
                rooms.append(library_fingerprint(room))
            except OSError:
                raise ValueError(
                    f"code: task {self.name!r} has {room!r}, expected a folder or module of the library"
                ) from None
        return hashlib.sha256((self._as_json("function", what) + json.dumps(rooms)).encode()).hexdigest()[:16]

    def _as_json(self, argument: str, value: Any) -> str:
        try:
            return json.dumps(value, sort_keys=argument in ("function", "depends"), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{argument}: task {self.name!r} has {value!r}, expected arguments that JSON can hold ({error})"
            ) from None


def _importable_name(task: str, function: Any) -> str:
    """Name by which another process finds a function."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    # What a notebook or a script defines is in a module of that name in every process, and another one in each.
    if callable(function) and module not in (None, "__main__", "__mp_main__"):
        try:
            if attrgetter(name)(importlib.import_module(module)) is function:
                return f"{module}:{name}"
        except (ImportError, AttributeError):
            pass
    raise ValueError(
        f"function: task {task!r} has {function!r}, expected a function that workers can import by name from a module"
    )


def in_order(tasks: Sequence[Task]) -> list[Task]:
    """Tasks such that each comes after those that it waits for; of the others the more urgent, then the earlier.

    Raises
    ------
    ValueError
        If two tasks have one name, one waits for a task that is not there, or some wait for each other.
    """
    by_name: dict[str, Task] = {}
    for task in tasks:
        if task.name in by_name:
            raise ValueError(f"tasks: found two with the name {task.name!r}, expected a name of its own for each")
        by_name[task.name] = task
    for task in tasks:
        for name in task.after:
            if name not in by_name:
                raise ValueError(f"after: task {task.name!r} has {name!r}, expected the name of a task of the grid")
    place = {name: (-task.priority, number) for number, (name, task) in enumerate(by_name.items())}
    sorter = TopologicalSorter({task.name: task.after for task in tasks})
    try:
        sorter.prepare()
    except CycleError as error:
        cycle = " before ".join(repr(name) for name in error.args[1])
        raise ValueError(f"after: found the cycle {cycle}, expected none that waits for itself") from None
    found: list[Task] = []
    ready: list[tuple[int, int, str]] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (*place[name], name))
        *_, name = heapq.heappop(ready)
        found.append(by_name[name])
        sorter.done(name)
    return found
