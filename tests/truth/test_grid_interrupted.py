"""A grid whose whole process is killed or interrupted goes on where it stopped; a batch system's jobs compute one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.grid import Task, run_grid
from tests import grid_tasks
from tests.conftest import ROOT
from tests.grid_tasks import noted

N_TASKS = 8
PATIENCE = 60.0  # seconds: the machine may be busy
# What a shell starts in the background ignores Ctrl-C, and so would all that the tests start there.
HEAD = f"""
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from helpers.grid import Task, run_grid
from tests import grid_tasks
n = {N_TASKS}
"""
# Each in a folder of its own, so that the same settings are noted in different files.
NUMBERS = f"""{HEAD}
settings = {{"runs": "runs", "delay": 0.4}}
tasks = [Task(f"number {{i}}", grid_tasks.number, settings | {{"seed": i}}) for i in range(n)]
tasks.append(Task("last", grid_tasks.number, {{"runs": "runs", "seed": 99}}, after=("number 0", f"number {{n - 1}}")))
"""
GATED = f"""{HEAD}
settings = {{"path": "gate", "runs": "runs"}}
tasks = [Task(str(i), grid_tasks.wait_for, settings | {{"name": i}}) for i in range(n)]
"""
RUN = "run_grid(tasks, 'grid', n_workers=2).raise_for_failures()"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, str], subprocess.Popen]]:
    """Start Python in a folder and a group of processes of its own, as a shell does."""
    started = []

    def start(code: str, folder: str) -> subprocess.Popen:
        (tmp_path / folder).mkdir(exist_ok=True)
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path / folder,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def interrupted(process: subprocess.Popen) -> bool:
    """Whether a process has ended, some seconds after one more signal."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(15)  # another signal meanwhile would disturb the closing of its workers
    except subprocess.TimeoutExpired:
        return False
    return True


def results(folder: Path) -> dict[str, str]:
    """Files of results, all of no seconds, by name."""
    paths = (folder / "grid").glob("[!.]*.json")
    return {path.name: re.sub(r'"seconds": .*', '"seconds": 0', path.read_text(encoding="utf-8")) for path in paths}


def test_a_killed_grid_goes_on_and_gives_what_an_uninterrupted_one_does(start: Callable, tmp_path: Path) -> None:
    whole = start(NUMBERS + RUN, "whole")
    killed = tmp_path / "killed"
    process = start(NUMBERS + RUN, "killed")
    until(lambda: len(results(killed)) >= 3)
    process.kill()
    process.wait()
    kept = {json.loads(text)["name"] for text in results(killed).values()}
    assert 3 <= len(kept) < N_TASKS
    assert start(NUMBERS + RUN, "killed").wait(PATIENCE) == 0
    assert whole.wait(PATIENCE) == 0 and len(noted(tmp_path / "whole" / "runs")) == N_TASKS + 1
    assert results(killed) == results(tmp_path / "whole")
    begun = Counter(noted(killed / "runs"))
    assert set(begun) == {*(str(i) for i in range(N_TASKS)), "99"}
    assert all(begun[name.removeprefix("number ")] == 1 for name in kept)
    # No more were begun twice than were at work when it was killed.
    assert sum(begun.values()) <= N_TASKS + 1 + 2


def test_ctrl_c_keeps_what_has_begun_and_a_second_one_does_not_wait(start: Callable, tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    processes = [start(GATED + RUN, "once"), start(GATED + RUN, "twice")]
    until(lambda: len(noted(once / "runs")) == len(noted(twice / "runs")) == 2)
    for process in processes:
        os.killpg(process.pid, signal.SIGINT)  # of every process, as a terminal does
    time.sleep(0.5)
    # Where the machine is busy, two signals may have become one.
    until(lambda: interrupted(processes[1]))
    assert processes[1].returncode != 0 and not results(twice)
    # What ended its workers in that time would have ended these too.
    assert processes[0].poll() is None and not results(once)
    (once / "gate").touch()
    assert processes[0].wait(PATIENCE) != 0
    assert len(noted(once / "runs")) == len(results(once)) == 2
    bad = "tasks.append(Task('bad', grid_tasks.fail, {'how': 'nan', 'runs': 'bad'}))\n"
    assert start(GATED + bad + RUN, "once").wait(PATIENCE) == 1  # a failure shows in the exit status
    assert sorted(noted(once / "runs")) == [str(i) for i in range(N_TASKS)] and len(results(once)) == N_TASKS


def test_what_was_finished_survives_the_scheduler(start: Callable, tmp_path: Path) -> None:
    code = (
        "from helpers.grid import open_client\nimport os, pathlib, time\n"
        "with open_client(n_workers=1, gpus=False) as client:\n"
        "    pathlib.Path('.address').write_text(client.scheduler.address)\n"
        "    os.rename('.address', 'address')\n    time.sleep(600)"
    )
    scheduler = start(code, "own")
    address, runs = tmp_path / "own" / "address", tmp_path / "runs"
    until(address.is_file)
    tasks = [
        Task(f"number {i}", grid_tasks.number, {"runs": str(runs), "seed": i, "delay": 0.2}) for i in range(N_TASKS)
    ]

    def kill() -> None:
        until(lambda: len(noted(runs)) >= 3)
        scheduler.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    report = run_grid(tasks, tmp_path / "grid", scheduler=address.read_text(encoding="utf-8"))
    killer.join()
    assert report.finished[:2] == ("number 0", "number 1") and 4 <= len(report.failed) <= 6
    assert "scheduler was closed or cannot be reached" in report.outcomes[-1].reason
    again = run_grid(tasks, tmp_path / "grid", n_workers=1)
    assert again.reused == report.finished and again.finished == report.failed
    begun = Counter(noted(runs))
    assert all(begun[name.removeprefix("number ")] == 1 for name in report.finished)
    assert not list((tmp_path / "grid" / "failed").iterdir())


SBATCH = f"""#!{sys.executable}
import os, pathlib, subprocess, sys
here = pathlib.Path(__file__).parent
text = pathlib.Path(sys.argv[1]).read_text()
log = open(here / "log", "a")
job = subprocess.Popen(["bash", "-c", text], start_new_session=True, stdout=log, stderr=log)
(here / f"job-{{job.pid}}").write_text(text)
print(f"Submitted batch job {{job.pid}}")
"""
SCANCEL = f"""#!{sys.executable}
import os, signal, sys
os.killpg(int(sys.argv[1]), signal.SIGKILL)
"""


@pytest.mark.parametrize(("system", "submit", "cancel"), [("slurm", "sbatch", "scancel"), ("pbs", "qsub", "qdel")])
def test_jobs_of_a_batch_system_compute_a_grid(
    system: str, submit: str, cancel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in takes the place of the batch system's commands, and starts each job on this computer."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, text in ((submit, SBATCH), (cancel, SCANCEL)):
        (commands / name).write_text(text, encoding="utf-8")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "2")
    options = {
        "memory": "700MB",
        "queue": "galaxies",
        "walltime": "00:10:00",
        "job_extra_directives": ["--quiet-please"],
        "worker_extra_args": ["--resources", "GPU=1"],
        "scheduler_options": {"host": "127.0.0.1"},
        "local_directory": str(tmp_path),
    }
    tasks = [Task("where", grid_tasks.environment, gpus=1)]
    report = run_grid(tasks, tmp_path / "grid", scheduler=system, n_workers=1, options=options)
    report.raise_for_failures()
    (job,) = commands.glob("job-*")
    text = job.read_text(encoding="utf-8")
    for told in ("galaxies", "00:10:00", "--quiet-please", "--nthreads 1"):
        assert told in text
    where = report.found["where"]
    assert where["OMP_NUM_THREADS"] == where["OPENBLAS_NUM_THREADS"] == "1"
    assert where["MALLOC_TRIM_THRESHOLD_"] is None and where["profiled"] is False
    number = int(job.name.removeprefix("job-"))
    until(lambda: not _lives(number))


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
