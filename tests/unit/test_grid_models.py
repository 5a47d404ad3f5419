"""Networks trained by workers are those that one process would train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.contrastive import fitting, train
from helpers.grid.models import fit_pairs, fit_stored, pair_tasks, train_models
from helpers.information import decompose_pairs, laboratory
from helpers.survey import Sample

TINY = {
    "encoder_hidden": [8],
    "estimator_hidden": [8],
    "n_folds": 2,
    "steps": 20,
    "n_bins": 20,
    "evaluate_every": 10,
}
PAIRS = {"x and y": (["x"], ["y"]), "x and w": (["x"], ["w"])}


@pytest.fixture
def sample() -> Sample:
    x, y, w = np.random.default_rng(0).standard_normal((3, 300))
    frame = pd.DataFrame({"x": x, "y": y, "w": w, "lgm_tot_p50": 10 + 0.4 * (x + y)})
    return Sample.from_frame(frame, split=pd.Series(["train"] * 180 + ["validation"] * 60 + ["test"] * 60))


def test_workers_train_each_network_once_and_what_one_process_would(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"seeds": (0, 1), "device": "cpu", "placebo": "second", **TINY}
    report = fit_pairs(sample, PAIRS, tmp_path, n_workers=1, **options)
    report.raise_for_failures()
    # Parts x, y and w, and of each pair a union and a placebo, each of two seeds.
    assert len(report.finished) == (3 + 2 * 2) * 2 == len(list(tmp_path.glob("*.npz")))
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    fit_pairs(sample, PAIRS, tmp_path, n_workers=1, **options).raise_for_failures()
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    expected = decompose_pairs(sample, PAIRS, **options)
    monkeypatch.setattr(laboratory, "fit_ensemble", None)
    found = decompose_pairs(sample, PAIRS, checkpoint_dir=tmp_path, **options)
    for name in PAIRS:
        # A worker has one thread, and sums split otherwise differ in their last bits.
        pd.testing.assert_frame_equal(found[name].mean(bootstrap=20), expected[name].mean(bootstrap=20), rtol=1e-3)


def test_unions_wait_for_all_parts_and_what_cannot_be_is_refused_at_once(sample: Sample, tmp_path: Path) -> None:
    tasks = pair_tasks(PAIRS, fit_stored, {}, seeds=(0, 1), placebo=True, after=("mock",))
    by_name = {task.name: task for task in tasks}
    assert by_name["x alone, seed 1"].after == ("mock",)
    waits = {f"{name} alone, seed {seed}" for name in "xw" for seed in (0, 1)}
    assert set(by_name["x and w first exchanged, seed 0"].after) == waits
    assert len(tasks) == (3 + 3 * 2) * 2
    with pytest.raises(ValueError, match="n_folds: found 1"):
        fit_pairs(sample, PAIRS, tmp_path, **TINY | {"n_folds": 1})
    with pytest.raises(ValueError, match="placebo: found 'third'"):
        fit_pairs(sample, PAIRS, tmp_path, placebo="third")


def test_contrastive_models_are_found_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    magnitude = np.random.default_rng(0).uniform(14, 18, (300, 5))
    catalog = pd.DataFrame(magnitude, columns=[f"petroMag_{band}" for band in "ugriz"])
    catalog = catalog.assign(EBV=0.05, lgm_tot_p50=18 - 0.5 * magnitude[:, 0])
    split = pd.Series(["train"] * 180 + ["validation"] * 60 + ["test"] * 60)
    photometry = Sample.from_frame(catalog, split=split)
    options = {"profile": "smoke", "seed": 1, "device": "cpu"}
    models = {"ugriz": (photometry, "Mopt"), "u": (photometry, "Mu")}
    report = train_models(models, tmp_path, n_workers=1, **options)
    report.raise_for_failures()
    assert report.finished == ("ugriz", "u") and len(list((tmp_path / "samples").iterdir())) == 1
    monkeypatch.setattr(fitting._Loop, "_accumulate", None)
    for name, (own, inputs) in models.items():
        trained = train(own, inputs, checkpoint_dir=tmp_path, **options)
        assert trained.verdict["best_step"] == report.found[name]["best_step"]
