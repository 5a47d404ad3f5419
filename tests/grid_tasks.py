"""What the grids of the tests compute. Workers import this module by name, so it is not a test's own."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import dask
import numpy as np


def note(runs: str, text: str) -> None:
    """Append a line in one step: two processes that do it at once lose nothing."""
    handle = os.open(Path(runs), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{text}\n".encode())
    os.close(handle)


def noted(runs: str | Path) -> list[str]:
    path = Path(runs)
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def number(runs: str, seed: int, delay: float = 0.0) -> dict[str, Any]:
    """Numbers that hang on the seed alone; says that it began."""
    note(runs, str(seed))
    time.sleep(delay)
    return {"mean": float(np.random.default_rng(seed).standard_normal(1000).mean()), "values": [seed, seed / 3]}


def fail(how: str, runs: str) -> float:
    """Fail in the way that is asked for."""
    note(runs, how)
    if how == "nan":
        return float("nan")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        raise SystemExit("enough")
    if how == "huge":
        held = [np.ones(10_000_000) for _ in range(40)]  # 3.2 GB in all, slowly enough to be noticed
        time.sleep(10)
        return float(len(held))
    raise {"memory": MemoryError, "value": ValueError, "unsendable": Unsendable}[how]("on purpose,\nin two lines")


class Unsendable(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "more", "than", "one")


def fail_at_first(runs: str, hows: list[str]) -> int:
    """Fail in these ways, one after the other, and then no more."""
    before = len(noted(runs))
    if before < len(hows):
        return int(fail(hows[before], runs))
    note(runs, "no more")
    return before


def wait_for(path: str, runs: str, name: int) -> int:
    """Say that it began, and end when a file is there."""
    note(runs, str(name))
    while not Path(path).exists():
        time.sleep(0.01)
    return name


def environment() -> dict[str, Any]:
    """What a worker knows of threads and GPUs, and of what would slow it down."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES")
    profiled = dask.config.get("distributed.worker.profile.enabled")
    return {name: os.environ.get(name) for name in (*names, "MALLOC_TRIM_THRESHOLD_")} | {"profiled": profiled}


def squares(rows: slice) -> list[int]:
    """Squares of row numbers."""
    return [row * row for row in range(rows.start, rows.stop)]
