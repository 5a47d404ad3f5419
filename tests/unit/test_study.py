"""The study that is kept with the library: trained once, resumed, and told apart from other settings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.runs import stored_result
from helpers.survey import Sample
from tests.serial_grid import serial_grid
from tools import contrastive_study, studies
from tools.contrastive_study import Plan, study, trainings
from tools.studies import run_studies

PLAN = Plan("smoke", 150, (40, 90), (3, 4), (0.1, 0.1), (2, 1), n_ablation=40, ablation_weight_decay=0.1, n_bins=26)


@pytest.fixture(scope="module")
def galaxies() -> Sample:
    rng = np.random.default_rng(0)
    n = 150
    magnitude = rng.uniform(14, 18, n)
    catalog = pd.DataFrame({"ra": rng.uniform(0, 360, n), "dec": rng.uniform(0, 60, n), "EBV": 0.05})
    for band in "ugriz":
        catalog[f"petroMag_{band}"] = magnitude + rng.normal(0, 0.1, n)
    for name in ("w1mpro", "w2mpro", "w3mpro"):
        catalog[name] = magnitude - 2 + rng.normal(0, 0.1, n)
    catalog["z"] = rng.uniform(0.01, 0.3, n)
    images = rng.normal(0, 1, (n, 5, 64, 64)).astype(np.float32) + (10 ** (3 - 0.2 * magnitude))[:, None, None, None]
    return Sample.from_frame(catalog.assign(lgm_tot_p50=18 - 0.5 * magnitude), images)


def test_study_trains_each_model_once_and_goes_on_where_it_stopped(
    galaxies: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contrastive_study, "VARIANTS", contrastive_study.VARIANTS[:2])
    monkeypatch.setattr(contrastive_study, "UNFINISHED", tmp_path / "unfinished")
    monkeypatch.setattr(studies, "load_sample", lambda *_, **__: galaxies)
    monkeypatch.setattr(studies, "run_grid", serial_grid)
    studies.mock.cache_clear()
    real, trained = contrastive_study.train, []

    def train(sample, inputs, profile, **options):
        if len(trained) == 3 and not (tmp_path / "went on").exists():
            raise KeyboardInterrupt
        trained.append((inputs, len(options["rows"]), options["seed"], options.get("contrast_weight", 1.0)))
        steps = {"steps": 3, "evaluate_every": 3}
        return real(sample, inputs, profile, **{**options, **steps})

    monkeypatch.setattr(contrastive_study, "train", train)
    result = tmp_path / "stored" / "study.json"
    with pytest.raises(KeyboardInterrupt):
        run_studies([study(PLAN, result=result)], tmp_path / "work")
    assert not result.exists() and len(trained) == 3
    (tmp_path / "went on").touch()
    found = run_studies([study(PLAN, result=result)], tmp_path / "work")[0]["contrastive"]
    studies.mock.cache_clear()
    # The unchanged ablation of the first seeds is a point of the curve.
    networks = [training for training in trainings(PLAN) if training.group != "rival"]
    distinct = {json.dumps([t.inputs, t.n_train, t.seed, t.settings]) for t in networks}
    assert len(trained) == len(set(trained)) == len(distinct) == 4 * (2 + 1) + 2
    assert json.loads(result.read_text()) == json.loads(json.dumps(found))
    assert {record["variant"] for record in found["ablations"]} == {"contrastive", "no contrast"}
    twins = [r for r in found["learning_curve"] + found["ablations"] if r["inputs"] == "Iopt" and r["n_train"] == 40]
    assert len({r["cross_entropy"] for r in twins if r["seed"] == 0 and r["variant"] != "no contrast"}) == 1
    assert [record["n_train"] for record in found["rivals"]] == [40, 90]
    for record in found["learning_curve"] + found["rivals"]:
        assert record["low"] <= record["cross_entropy"] <= record["high"]
    curve = pd.DataFrame(found["learning_curve"]).set_index(["inputs", "n_train", "seed"])["cross_entropy"].sort_index()
    assert [gap["variant"] for gap in found["ablation_gaps"]] == ["no contrast"]
    trees = {record["n_train"]: record["cross_entropy"] for record in found["rivals"]}
    for pair in found["paired"]:
        n = pair["n_train"]
        first = trees[n] if pair["first"] == "boosting" else curve[pair["first"], n]
        expected = first - curve[pair["second"], n]
        assert pair["seeds"] == pytest.approx(expected.tolist(), abs=1e-6)
        assert pair["mean"] == pytest.approx(expected.mean(), abs=1e-6) and pair["low"] <= pair["mean"] <= pair["high"]


def test_what_was_trained_once_meets_every_seed() -> None:
    once, thrice = [np.array([1.0, 3.0])], [np.array([1.0, 1.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0])]
    assert contrastive_study._difference(once, thrice)["seeds"] == [1.0, 2.0, 0.0]
    assert contrastive_study._difference(thrice, once)["seeds"] == [-1.0, -2.0, 0.0]
    assert contrastive_study._difference(thrice, thrice)["seeds"] == [0.0, 0.0, 0.0]


def test_stored_study_says_where_it_comes_from() -> None:
    stored = stored_result("contrastive_study.json")
    origin = stored["provenance"]
    assert {"commit", "date", "machine", "training_minutes", "plan", "settings", "split"} <= origin.keys()
    sizes = {record["n_train"] for record in stored["learning_curve"]}
    assert len(sizes) >= 3 and {record["inputs"] for record in stored["learning_curve"]} == set(
        contrastive_study.CURVES
    )
    assert all(0 < record["cross_entropy"] < 5 and record["minutes"] > 0 for record in stored["learning_curve"])
    assert len({record["seed"] for record in stored["ablations"]}) == 3
    assert {record["n_train"] for record in stored["rivals"]} == sizes
