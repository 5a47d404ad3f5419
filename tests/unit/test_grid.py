"""A grid of tasks: each computed once, whatever fails or dies on the way."""

from __future__ import annotations

import functools
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import torch
from distributed import Client

import helpers.grid.tasks
from helpers.causal import local_test
from helpers.grid import GridError, Task, clients, map_chunks, open_client, run_grid, running
from helpers.grid.catalogues import local_test_in_chunks, nearest_neighbours_in_chunks
from helpers.neighbours import nearest_neighbours
from tests import grid_tasks
from tests.grid_tasks import noted


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two workers whose nannies kill what goes beyond a planted limit."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 100}),
        open_client(n_workers=2, memory_limit="700MB", gpus=False) as client,
    ):
        yield client


@pytest.fixture
def address(client: Client) -> str:
    return client.scheduler.address


def numbers(folder: Path, n: int, **options: Any) -> list[Task]:
    return [
        Task(f"number {seed}", grid_tasks.number, {"runs": str(folder / "runs"), "seed": seed}, **options)
        for seed in range(n)
    ]


def failing(folder: Path, how: str) -> Task:
    return Task(how, grid_tasks.fail, {"how": how, "runs": str(folder / "fails")})


# Tasks as data ---------------------------------------------------------------------------------------------------


def test_a_key_says_what_a_result_depends_on_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(function: Any = grid_tasks.number, settings: Any = None, code: Any = ("cores.py",), **options: Any) -> str:
        return Task(options.pop("name", "a"), function, settings or {"seed": 1, "runs": "r"}, code, **options).key

    first = key()
    assert first == key(name="b", after=("x",), priority=3, gpus=1)
    assert first == key(settings={"runs": "r", "seed": 1})
    bound = functools.partial(grid_tasks.number, runs="r")
    assert first == key(bound, {"seed": 1})
    others = [
        key(grid_tasks.fail),
        key(settings={"seed": 2, "runs": "r"}),
        key(functools.partial(grid_tasks.number, "r"), {"seed": 1}),
        key(code=("progress.py",)),
        key(code=()),
        key(depends={"torch": "2"}),
    ]
    monkeypatch.setattr(helpers.grid.tasks, "library_fingerprint", lambda room: "edited")
    assert len({first, *others, key()}) == 8


def test_settings_are_those_that_json_gives_back_and_later_edits_do_not_reach_them() -> None:
    settings: dict[str, Any] = {"sizes": (1, 2), "seed": 0}
    task = Task("a", grid_tasks.number, settings)
    settings["seed"] = 1
    assert task.settings == {"sizes": [1, 2], "seed": 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": " "}, "name: found ' ', expected text"),
        ({"function": lambda: 1}, "function: task 'a' has <function .*lambda.*, expected a function that workers can"),
        ({"function": 3}, "function: task 'a' has 3, expected a function that workers can import"),
        ({"settings": {"seed": {1, 2}}}, "settings: task 'a' has .*, expected arguments that JSON can hold"),
        ({"settings": {"seed": float("nan")}}, "settings: task 'a' has .*, expected arguments that JSON can hold"),
        ({"settings": {1: 2}}, "settings: task 'a' has {1: 2}, expected arguments by name"),
        ({"function": functools.partial(grid_tasks.number, Path())}, "function: .* expected arguments that JSON can"),
        ({"code": ("nowhere.py",)}, "code: task 'a' has 'nowhere.py', expected a folder or module of the library"),
        ({"code": "causal"}, "code: task 'a' has 'causal', expected a tuple of text"),
        ({"after": "b"}, "after: task 'a' has 'b', expected a tuple of text"),
        ({"priority": 0.5}, "priority: task 'a' has 0.5, expected a whole number"),
        ({"gpus": 2}, "gpus: task 'a' has 2, expected 0 or 1"),
    ],
)
def test_a_task_that_could_not_be_computed_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Task(**({"name": "a", "function": grid_tasks.number, "settings": {"seed": 1}} | change))


def test_a_function_of_the_notebook_or_script_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_tasks.squares, "__module__", "__main__")
    with pytest.raises(ValueError, match="import by name from a module"):
        Task("a", grid_tasks.squares)


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ([("a", ()), ("a", ())], {}, "tasks: found two with the name 'a'"),
        ([("a", ("c",)), ("b", ())], {}, "after: task 'a' has 'c', expected the name of a task of the grid"),
        ([("a", ("b",)), ("b", ("a",))], {}, "after: found the cycle 'a' before 'b' before 'a'|'b' before 'a' before"),
        ([("a", ("a",))], {}, "after: found the cycle 'a' before 'a'"),
        ([("a", ())], {"scheduler": "moon"}, "scheduler: found 'moon', expected 'local', an address .* 'slurm', 'pbs'"),
        ([("a", ())], {"scheduler": "slurm"}, "n_workers: found None, expected how many workers 'slurm' is asked for"),
        ([("a", ())], {"scheduler": "pbs", "memory_limit": "1GB"}, "memory_limit: found '1GB', expected none"),
        ([("a", ())], {"scheduler": "tcp://localhost:1", "n_workers": 2}, "n_workers: found 2, expected none"),
        ([("a", ())], {"options": {"queue": "q"}}, "options: found {'queue': 'q'}, expected none for scheduler=None"),
        ([("a", ())], {"n_workers": 0}, "n_workers: found 0, expected a positive whole number"),
        ([("a", ())], {"retries": -1}, "retries: found -1, expected a whole number from 0"),
    ],
)
def test_a_grid_that_could_not_end_is_refused(
    names: list[tuple[str, tuple[str, ...]]], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    tasks = [
        Task(name, grid_tasks.number, {"runs": str(tmp_path / "runs"), "seed": seed}, after=after)
        for seed, (name, after) in enumerate(names)
    ]
    with pytest.raises(ValueError, match=message):
        run_grid(tasks, tmp_path, **options)
    assert not noted(tmp_path / "runs")


def test_a_missing_dask_jobqueue_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(
        ValueError, match=r"'slurm' needs dask-jobqueue, .*pip install 'galaxy-mass-anatomy\[cluster\]'"
    ):
        run_grid(numbers(tmp_path, 1), tmp_path, scheduler="slurm", n_workers=1)


# Grids -----------------------------------------------------------------------------------------------------------


def test_results_are_kept_reused_and_those_of_a_serial_loop(address: str, tmp_path: Path) -> None:
    tasks = numbers(tmp_path, 6)
    report = run_grid(tasks[:4], tmp_path / "grid", scheduler=address)
    assert report.finished == tuple(task.name for task in tasks[:4]) and report.reused == report.failed == ()
    again = run_grid(tasks, tmp_path / "grid", scheduler=address)
    assert (again.reused, again.finished) == (report.finished, ("number 4", "number 5"))
    assert Counter(noted(tmp_path / "runs")) == Counter("012345")
    serial = {task.name: grid_tasks.number(str(tmp_path / "other"), task.settings["seed"]) for task in tasks}
    assert again.found == serial
    again.raise_for_failures()
    table = again.table()
    assert table.loc["number 5", "mean"] == serial["number 5"]["mean"] and table["state"].tolist()[3:5] == [
        "reused",
        "finished",
    ]
    stored = json.loads((tmp_path / "grid" / f"{tasks[1].key}.json").read_text(encoding="utf-8"))
    assert stored["name"] == "number 1" and stored["settings"] == tasks[1].settings and stored["seconds"] > 0
    assert set(stored) == {"name", "settings", "found", "seconds"}
    # With nothing to do, no scheduler is asked.
    assert run_grid(tasks, tmp_path / "grid", scheduler="tcp://127.0.0.1:1").reused == tuple(serial)


def test_tasks_with_one_key_are_computed_once(address: str, tmp_path: Path) -> None:
    settings = {"runs": str(tmp_path / "runs"), "seed": 7}
    twins = [Task("first", grid_tasks.number, settings), Task("second", grid_tasks.number, settings, after=("first",))]
    report = run_grid(twins, tmp_path / "grid", scheduler=address)
    assert noted(tmp_path / "runs") == ["7"]
    assert report.finished == ("first", "second") and report.found["first"] == report.found["second"]


def test_failures_stop_no_other_task_and_are_named(address: str, tmp_path: Path) -> None:
    kinds = ("value", "nan", "memory", "exit", "unsendable", "kill", "huge")
    after = [
        Task("waits", grid_tasks.number, {"runs": str(tmp_path / "runs"), "seed": 90}, after=("number 1", "kill")),
        Task("waits longer", grid_tasks.number, {"runs": str(tmp_path / "runs"), "seed": 91}, after=("waits",)),
    ]
    tasks = [*(failing(tmp_path, how) for how in kinds), *after, *numbers(tmp_path, 12)]
    report = run_grid(tasks, tmp_path / "grid", scheduler=address)
    assert report.failed == kinds and report.blocked == ("waits", "waits longer")
    assert report.finished == tuple(f"number {seed}" for seed in range(12))
    # Each begun twice, and the workers that were killed took no other task along.
    assert Counter(noted(tmp_path / "fails")) == Counter(kinds * 2)
    assert Counter(noted(tmp_path / "runs")) == Counter(str(seed) for seed in range(12))
    with pytest.raises(GridError, match="7 of 21 tasks failed") as caught:
        report.raise_for_failures()
    assert caught.value.report is report
    reasons = {one.task.name: one.reason for one in report.outcomes}
    assert reasons["waits"] == reasons["waits longer"] == "waiting for kill"
    for name, line in {
        "value": "ValueError: on purpose,",
        "nan": "ValueError: found: Out of range float values are not JSON compliant: nan; expected",
        "memory": "MemoryError: on purpose,",
        "exit": "SystemExit: enough",
        "unsendable": "Unsendable: ",
        "kill": "RuntimeError: its worker was killed 2 times",
        "huge": "RuntimeError: its worker was killed 2 times: beyond memory_limit, or from outside",
    }.items():
        log = tmp_path / "grid" / "failed" / f"{next(task.key for task in tasks if task.name == name)}.txt"
        (found,) = [told for told in str(caught.value).splitlines() if told.startswith(f"{name}: {line}")]
        assert found.endswith(f"({log})")
        text = log.read_text(encoding="utf-8")
        assert text.startswith(f"{name}\n") and (
            "in fail" in text or line.startswith(("RuntimeError", "ValueError: f"))
        )
    assert {path.stem for path in (tmp_path / "grid" / "failed").iterdir()} == {task.key for task in tasks[:7]}


@pytest.mark.parametrize("hows", [["value"], ["kill"], ["value", "kill"]])
def test_what_fails_and_what_is_killed_is_begun_again_but_for_no_retries(
    hows: list[str], address: str, tmp_path: Path
) -> None:
    task = Task("once", grid_tasks.fail_at_first, {"runs": str(tmp_path / "runs"), "hows": hows})
    other = Task("after", grid_tasks.number, {"runs": str(tmp_path / "other"), "seed": 1}, after=("once",))
    report = run_grid([task, other], tmp_path / "grid", scheduler=address, retries=0)
    log = tmp_path / "grid" / "failed" / f"{task.key}.txt"
    assert report.failed == ("once",) and report.blocked == ("after",) and log.is_file()
    assert noted(tmp_path / "runs") == hows[:1]
    (tmp_path / "runs").unlink()
    report = run_grid([task, other], tmp_path / "grid", scheduler=address)
    assert report.finished == ("once", "after") and report.found["once"] == len(hows)
    assert noted(tmp_path / "runs") == [*hows, "no more"] and not log.exists()


def test_a_worker_killed_from_outside_is_replaced(client: Client, tmp_path: Path) -> None:
    """Its task is computed elsewhere, and no other was in its line."""
    runs, gate = tmp_path / "runs", tmp_path / "gate"
    # The first do not wait: dask hands out some before it knows that there are many.
    tasks = [
        Task(f"task {i}", grid_tasks.wait_for, {"path": str(gate if i > 5 else tmp_path), "runs": str(runs), "name": i})
        for i in range(12)
    ]
    in_line: list[int] = []

    def kill_a_worker() -> None:
        while len(noted(runs)) < 8:
            time.sleep(0.02)
        time.sleep(0.1)
        in_line.extend(len(keys) for keys in client.processing().values())
        os.kill(min(client.run(os.getpid).values()), 9)
        while len(noted(runs)) < 9:
            time.sleep(0.02)
        gate.touch()

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    report = run_grid(tasks, tmp_path / "grid", scheduler=client.scheduler.address)
    killer.join()
    assert report.finished == tuple(task.name for task in tasks)
    assert sorted(Counter(noted(runs)).values()) == [1] * 11 + [2]
    assert in_line == [1, 1]


def test_a_worker_with_other_code_refuses(
    client: Client, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helpers.grid.tasks, "library_fingerprint", lambda room: "edited")
    report = run_grid(numbers(tmp_path, 1, code=("cores.py",)), tmp_path / "grid", scheduler=address)
    assert report.outcomes[0].reason.startswith("RuntimeError: the library's code differs")
    assert not noted(tmp_path / "runs")


def test_a_folder_that_only_the_workers_see_is_told(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "result_path", lambda folder, key: tmp_path / "elsewhere" / key)
    report = run_grid(numbers(tmp_path, 1), tmp_path / "grid", scheduler=address)
    assert report.failed == ("number 0",) and "which all workers have to see" in report.outcomes[0].reason


def test_tasks_begin_after_those_that_they_wait_for(address: str, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    last = Task("last", grid_tasks.number, {"runs": runs, "seed": 2}, after=("middle", "first"), priority=9)
    middle = Task("middle", grid_tasks.number, {"runs": runs, "seed": 1, "delay": 0.1}, after=("first",))
    first = Task("first", grid_tasks.number, {"runs": runs, "seed": 0, "delay": 0.1})
    report = run_grid([last, middle, first], tmp_path / "grid", scheduler=address)
    assert noted(runs) == ["0", "1", "2"] and report.finished == ("last", "middle", "first")


def test_the_first_begin_first_but_for_an_urgent_one(address: str, tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    tasks = numbers(tmp_path, 20)
    tasks = [Task(task.name, task.function, {**task.settings, "delay": 0.02}) for task in tasks]
    tasks.append(Task("urgent", grid_tasks.number, {"runs": runs, "seed": 99}, after=("number 3",), priority=1))
    run_grid(tasks, tmp_path / "grid", scheduler=address)
    begun = [int(seed) for seed in noted(runs)]
    place = {seed: number for number, seed in enumerate(begun)}
    # Two workers at a time, so that neighbours may change places.
    assert all(abs(place[seed] - seed) <= 4 for seed in range(20))
    assert place[99] < 10


# Clusters of one's own -------------------------------------------------------------------------------------------


def test_one_gpu_has_one_worker_that_takes_the_urgent_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the tasks kills its worker; those in its line are neither blamed nor lost."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    runs, before = tmp_path / "runs", dict(os.environ)
    tasks = [
        Task(f"seed {seed}", grid_tasks.number, {"runs": str(runs), "seed": seed}, priority=seed // 2, gpus=1)
        for seed in range(6)
    ]
    tasks.append(Task("bad", grid_tasks.fail, {"how": "kill", "runs": str(runs)}, priority=9, gpus=1))
    tasks.append(Task("where", grid_tasks.environment, gpus=1, priority=-1))
    report = run_grid(tasks, tmp_path / "grid")
    assert report.failed == ("bad",) and len(report.finished) == 7
    assert noted(runs) == ["kill", "kill", "4", "5", "2", "3", "0", "1"]
    where = report.found["where"]
    assert where["CUDA_VISIBLE_DEVICES"] == "4"
    assert where["OMP_NUM_THREADS"] == where["OPENBLAS_NUM_THREADS"] == where["MKL_NUM_THREADS"] == "1"
    assert where["MALLOC_TRIM_THRESHOLD_"] is None and where["profiled"] is False
    assert dict(os.environ) == before


def test_each_gpu_has_a_worker_of_its_own_and_further_workers_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert clients.visible_gpus() == ("0", "1")
    with open_client(n_workers=3) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        seen = client.run(grid_tasks.environment)
    own = {
        workers[one]["name"]: (found["CUDA_VISIBLE_DEVICES"], workers[one]["resources"]) for one, found in seen.items()
    }
    assert own == {0: ("0", {"GPU": 1}), 1: ("1", {"GPU": 1}), 2: ("", {})}
    assert all(one["nthreads"] == 1 for one in workers.values())
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with open_client(per_gpu=2) as client:
        shared = client.run(grid_tasks.environment).values()
    assert [found["CUDA_VISIBLE_DEVICES"] for found in shared] == ["0", "0"]


def test_a_gpu_that_is_not_there_is_asked_for(address: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gpus: task 'number 0' needs a GPU, and no worker has one"):
        run_grid(numbers(tmp_path, 1, gpus=1), tmp_path / "grid", scheduler=address)


# Chunks ----------------------------------------------------------------------------------------------------------


def test_chunks_are_the_same_in_one_process_and_in_many(client: Client) -> None:
    serial = map_chunks(grid_tasks.squares, 103, chunk=10)
    assert np.concatenate(serial).tolist() == [row * row for row in range(103)]
    assert [len(one) for one in serial] == [10] * 10 + [3]
    assert map_chunks(grid_tasks.squares, 103, chunk=10, client=client) == serial
    assert map_chunks(grid_tasks.squares, 0, chunk=10, client=client) == []


def test_chunks_that_cannot_be_are_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="chunk: found 0, expected a positive whole number"):
        map_chunks(grid_tasks.squares, 5, chunk=0)
    with pytest.raises(ValueError, match="n_rows: found -1, expected a whole number from 0"):
        map_chunks(grid_tasks.squares, -1, chunk=2)
    with pytest.raises(ZeroDivisionError):
        map_chunks(lambda rows: 1 / rows.start, 5, chunk=2, client=client)


@pytest.fixture(scope="module")
def latents() -> np.ndarray:
    """Vectors of which some are twins."""
    vectors = np.random.default_rng(0).standard_normal((1500, 3)).astype(np.float32)
    vectors[700:710] = vectors[:10]
    return vectors


@pytest.mark.parametrize("ids", [False, True])
def test_neighbours_and_tests_in_chunks_are_those_of_one_call(
    ids: bool, latents: np.ndarray, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "latents.npy"
    np.save(path, latents)
    named = {name: np.arange(1500) for name in ("reference_id", "query_id")} if ids else {}
    whole = nearest_neighbours(latents, latents, 60, **named)
    target, properties = latents.sum(axis=1), latents[:, :2] ** 2
    tested = local_test(target, properties, whole.index, latent=latents, seed=3)
    for where in (None, client):
        found = nearest_neighbours_in_chunks(path, latents, 60, chunk=400, client=where, **named)
        np.testing.assert_array_equal(found.index, whole.index)
        np.testing.assert_array_equal(found.distance, whole.distance)
        in_chunks = local_test_in_chunks(target, properties, whole.index, latent=path, seed=3, chunk=500, client=where)
        for one in fields(tested):
            np.testing.assert_array_equal(getattr(in_chunks, one.name), getattr(tested, one.name))


def test_a_part_of_a_test_begins_where_random_numbers_do(latents: np.ndarray) -> None:
    index = nearest_neighbours(latents, latents, 60).index
    with pytest.raises(ValueError, match="first: found 100, expected a multiple of 666 with 60 neighbours"):
        local_test(latents[:, 0], latents[:, 1], index[100:], first=100)
    with pytest.raises(ValueError, match="query: found shape"):
        nearest_neighbours_in_chunks(latents, latents[:0], 5)
