"""All studies through one grid: what is complete is written, what failed is named, and the exit status says so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.causal.forks import FORMS
from helpers.grid import Outcome, Task
from tests import grid_tasks
from tests.grid_tasks import noted
from tests.serial_grid import serial_grid
from tools import full, studies
from tools.project import ROOT
from tools.studies import Study, run_studies


def sums(name: str, tasks: Sequence[Task], folder: Path) -> Study:
    """Study of a number for each task."""

    def assemble(outcomes: Sequence[Outcome]) -> dict[str, Any]:
        return {name: [one.task.settings["seed"] for one in outcomes]}

    return Study(name, tuple(tasks), assemble, folder / f"{name}.json")


def numbers(name: str, runs: Path, seeds: Sequence[int]) -> list[Task]:
    return [Task(f"{name} {seed}", grid_tasks.number, {"runs": str(runs), "seed": seed}) for seed in seeds]


def test_what_is_complete_is_written_and_what_failed_leaves_its_file_and_an_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs.txt"
    good = sums("good", numbers("good", runs, (3, 5)), tmp_path)
    fails = Task("never", grid_tasks.fail, {"how": "nan", "runs": str(runs)})
    bad = sums("bad", [*numbers("bad", runs, (7,)), fails], tmp_path)
    bad.result.write_text("of another day", encoding="utf-8")
    monkeypatch.setattr(full, "ROOT", tmp_path)
    monkeypatch.setattr(full, "STUDIES", {"good": lambda device: good, "bad": lambda device: bad})
    assert full.main(["--workers", "1", "--device", "cpu"]) == 1
    assert json.loads(good.result.read_text(encoding="utf-8")) == {"good": [3, 5]}
    assert bad.result.read_text(encoding="utf-8") == "of another day"
    assert "1 of 4 tasks failed.\nnever: " in capsys.readouterr().err
    # Nothing that was finished is computed again.
    assert full.main(["good"]) == 0 and noted(runs).count("3") == noted(runs).count("7") == 1
    assert "0 tasks finished, 2 had been" in capsys.readouterr().out


def test_a_name_asks_for_all_studies_that_begin_with_it_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {name: sums(name, numbers(name, tmp_path / "runs", (1,)), tmp_path) for name in ("a_one", "a_two", "ab")}
    monkeypatch.setattr(full, "STUDIES", {name: lambda device, one=one: one for name, one in made.items()})
    assert full.main(["a_two", "a", "--list", "--device", "cpu"]) == 0
    assert [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()] == ["a_two 1", "a_one 1"]
    with pytest.raises(SystemExit):
        full.main(["a_"])
    assert "found a_, expected some of a_one, a_two, ab" in capsys.readouterr().err


def test_the_mock_is_made_before_workers_ask_for_it_and_only_where_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(studies, "load_sample", lambda name, n_galaxies: made.append(n_galaxies))
    monkeypatch.setattr(studies, "run_grid", serial_grid)
    small = replace(sums("small", numbers("small", tmp_path / "runs.txt", (1,)), tmp_path), n_mock=300)
    large = replace(sums("large", numbers("large", tmp_path / "runs.txt", (2,)), tmp_path), n_mock=700)
    for _ in range(2):
        run_studies([small, large], tmp_path / "grid")
    assert made == [700]


def test_a_script_finds_its_modules_in_worker_processes(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from tools import full, independence_study
plan = independence_study.Plan(100, 20, 20, (2,), (0.0,), n_null=1, n_permuted=0, n_replicates=19)
full.ROOT = Path({str(tmp_path)!r})
full.STUDIES = {{"one": lambda device: independence_study.study(plan, result=full.ROOT / "one.json")}}
raise SystemExit(full.main(["--workers", "1"]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "one.json").read_text(encoding="utf-8"))["rows"]
    assert [row["form"] for row in rows] == list(FORMS) and all(0 < row["mean_p"] <= 1 for row in rows)


def test_what_is_not_there_is_refused_and_a_list_computes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        full.main(["nothing"])
    assert "STUDY: found nothing, expected some of contrastive" in capsys.readouterr().err
    assert full.main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    tasks = [task for study in full.STUDIES.values() for task in study("cpu").tasks]
    assert len(listed) == len(tasks) == len({task.name for task in tasks})


def test_a_gpu_is_for_the_networks_of_chapter_2_and_of_the_pairs() -> None:
    tasks = [task for name in full.STUDIES for task in full.STUDIES[name]("cuda").tasks]
    networks = {"train_once", "fit_once", "fit_bands_once", "pair_once", "bands_once"}
    assert {task.function.__name__ for task in tasks if task.gpus} == networks
    assert all(task.settings["device"] == "cuda" for task in tasks if task.gpus)
