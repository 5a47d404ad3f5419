"""What does a grid add to each task, and how much faster are two workers than a loop, on this machine, in this run?"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from helpers.grid import Task, open_client, run_grid

N_TINY, N_LONG, N_WORKERS = 200, 6, 2
LONG_SECONDS = 2.0


def tiny(seed):
    return float(np.random.default_rng(seed).standard_normal(100).sum())


def work(seed, n_sorts):
    """Numpy on one core: the same numbers sorted again and again."""
    values = np.random.default_rng(seed).standard_normal(100_000)
    return float(sum(np.sort(values * (1 + i))[i] for i in range(n_sorts)))


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def loop(function, settings):
    return [function(**own) for own in settings]


def grid_seconds(function, settings, scheduler=None):
    """Of a grid whose results are not there yet."""
    tasks = [Task(f"task {number}", function, own) for number, own in enumerate(settings)]
    with tempfile.TemporaryDirectory() as folder:
        return seconds(lambda: run_grid(tasks, Path(folder), scheduler=scheduler, progress=False).raise_for_failures())


def benchmark():
    """Return milliseconds that the grid adds to a tiny task, and how much faster two workers do long ones.

    Starting the workers is timed apart. The loop is timed once before and once after the grid, since the machine may do
    other work.
    """
    n_sorts = round(LONG_SECONDS / (seconds(lambda: work(0, 20)) / 20))
    many = [{"seed": seed} for seed in range(N_TINY)]
    long = [{"seed": seed, "n_sorts": n_sorts} for seed in range(N_LONG)]
    start = time.perf_counter()
    with open_client(n_workers=N_WORKERS, gpus=False) as client:
        starting = time.perf_counter() - start
        address = client.scheduler.address
        grid_seconds(tiny, many[:4], address)  # workers import what they need
        added = grid_seconds(tiny, many, address) - seconds(lambda: loop(tiny, many))
        before = seconds(lambda: loop(work, long))
        in_grid = grid_seconds(work, long, address)
        after = seconds(lambda: loop(work, long))
    serial = (before + after) / 2
    return {
        "name": "grid",
        "tasks": N_TINY,
        "added_milliseconds_per_task": 1000 * added / N_TINY,
        "start_seconds": starting,
        "workers": N_WORKERS,
        "long_tasks": N_LONG,
        "long_task_seconds": serial / N_LONG,
        "loop_seconds": [before, after],
        "grid_seconds": in_grid,
        "speed_up": serial / in_grid,
    }


if __name__ == "__main__":
    # Workers import functions by name, and what runs as a script has none.
    sys.path.insert(0, str(Path(__file__).parent))
    import grid

    print(json.dumps(grid.benchmark()))
