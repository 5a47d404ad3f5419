"""The study of costs: each step measured by itself, once, and a file only when all are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import scale_study
from tools.scale_study import Plan, measure, run_plan
from tools.studies import commit

SMALL = Plan(mock=(), neighbours=(300,), tests=(), sample_tests=(), training=(), published=())


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """Where the two long measurements have been made."""
    folder = tmp_path / "finished" / commit()
    folder.mkdir(parents=True)
    for name in ("grid", "survey"):
        (folder / f"{name}.json").write_text('{"seconds": 1}')
    return folder.parent


@pytest.mark.parametrize("step", [name for name in scale_study.STEPS if name.startswith(("neigh", "local", "tests"))])
def test_a_step_is_measured(step: str) -> None:
    found = measure(step, 400)
    assert found["step"] == step and found["n_galaxies"] == 400
    assert 0 < found["seconds"] < 60 and 0.1 < found["peak_gigabytes"] < 4


def test_every_step_has_sizes_that_grow() -> None:
    for step in scale_study.STEPS:
        sizes = Plan().sizes(step)
        assert sizes and list(sizes) == sorted(sizes)


def test_a_study_is_written_when_all_is_measured(finished: Path, tmp_path: Path) -> None:
    result = tmp_path / "scale_study.json"
    found = run_plan(SMALL, finished, result)
    assert json.loads(result.read_text()) == json.loads(json.dumps(found))
    assert [(row["step"], row["n_galaxies"]) for row in found["rows"]] == [("neighbours", 300)]
    assert found["grid"] == {"seconds": 1} and found["provenance"]["computer"]["cores"] >= 1
    assert list(finished.iterdir()) == []  # the next study measures anew


def test_what_was_measured_is_not_measured_again(finished: Path, tmp_path: Path) -> None:
    row = {"step": "neighbours", "n_galaxies": 300, "seconds": 7.0, "peak_gigabytes": 1.0}
    (finished / commit() / "neighbours-300.json").write_text(json.dumps(row))
    assert run_plan(SMALL, finished, tmp_path / "scale_study.json")["rows"] == [row]


def test_a_failure_is_told_and_leaves_the_file_as_it_was(finished: Path, tmp_path: Path) -> None:
    result = tmp_path / "scale_study.json"
    result.write_text("before")
    with pytest.raises(RuntimeError, match="--measure neighbours 0: exit status 1: ValueError"):
        run_plan(Plan(mock=(), neighbours=(0,), tests=(), sample_tests=(), training=(), published=()), finished, result)
    assert result.read_text() == "before"
