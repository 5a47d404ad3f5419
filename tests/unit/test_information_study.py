"""The study of chapter 5's estimates: each item made once, resumed, and told apart from other plans."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from helpers.grid import GridReport, Task
from helpers.information import draw_gaussian
from helpers.inputs import INPUTS
from helpers.runs import stored_result
from helpers.survey import Sample
from helpers.survey.sample import SPLITS
from tests.serial_grid import serial_grid
from tools import information_study, studies
from tools.information_study import AmortisedAgrees, ClosedForms, NullUniverses, Plan, Planted, Untouched, study
from tools.studies import run_studies

WAYS = ("amortised", "separate")
NAMES = set(Plan().experiments())
N_GALAXIES = 400
PLAN = Plan(
    profile="smoke",
    amortised_agrees=AmortisedAgrees(seeds=(0,), n_galaxies=N_GALAXIES),
    untouched=Untouched(n_train=(80, 160), seeds=(0,), n_galaxies=N_GALAXIES, image_steps=(4, 4)),
    null_universes=NullUniverses(seeds=(0,), n_galaxies=N_GALAXIES, base_steps=(0, 5), image_steps=4),
    closed_forms=ClosedForms(
        families=("gaussian",),
        n_dimensions=(2,),
        information=(0.0, 1.5),
        methods=("nested", "amortised", "ksg", "copula"),
        n_galaxies=600,
    ),
    planted=Planted(n_galaxies=(200, 400), seeds=(0,), mock_size=N_GALAXIES),
)


def universe(*_: Any, **__: Any) -> Sample:
    """Photometry and pictures of which the mass follows from the first two bands."""
    rng = np.random.default_rng(0)
    columns = [*INPUTS["Mopt"].main, *INPUTS["Mopt"].errors, *INPUTS["Mir"].main, *INPUTS["Mir"].errors, "EBV"]
    catalog = pd.DataFrame(rng.standard_normal((N_GALAXIES, len(columns))), columns=columns)
    errors = [*INPUTS["Mopt"].errors, *INPUTS["Mir"].errors]
    catalog[errors] = 0.1 + rng.random((N_GALAXIES, len(errors)))
    for band in "ugriz":
        catalog[f"petroFlux_{band}"] = 1.0 + rng.random(N_GALAXIES)
    catalog["lgm_tot_p50"] = 10 + 0.3 * (catalog["petroMag_u"] + catalog["petroMag_g"])
    split = pd.Series(["train"] * 200 + ["validation"] * 60 + ["test"] * 140)
    images = rng.random((N_GALAXIES, 5, 64, 64), dtype=np.float32)
    return Sample.from_frame(catalog, images, bands="ugriz", split=split)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the tasks that are computed, in this process and of galaxies that need no rendering."""
    measured: list[str] = []

    def run_grid(tasks: Iterable[Task], folder: Path, **_: Any) -> GridReport:
        report = serial_grid(tasks, folder)
        measured.extend(report.finished)
        return report

    monkeypatch.setattr(studies, "run_grid", run_grid)
    monkeypatch.setattr(studies, "load_sample", universe)
    monkeypatch.setattr(information_study, "load_sample", universe)
    studies.mock.cache_clear()
    yield measured
    studies.mock.cache_clear()


def found_by(plan: Plan, folder: Path, result: Path) -> dict[str, Any]:
    """What is written of a plan."""
    found, _ = run_studies([study(plan, result=result)], folder)
    return found["information"]


def test_every_experiment_gives_a_row_for_each_of_its_items_and_none_is_made_twice(
    measured: list[str], tmp_path: Path
) -> None:
    result = tmp_path / "stored" / "study.json"
    found = found_by(PLAN, tmp_path / "work", result)
    assert json.loads(result.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    rows = {name: len(found[name]) for name in PLAN.experiments()}
    closed = 4 * 2  # methods, informations
    assert rows == {
        "amortised_agrees": 2,
        "untouched": 2,
        "null_universes": 2 * 2,
        "closed_forms": closed,
        "planted": 2 * 2,
    }
    assert len(measured) == 2 + 2 + 1 + closed + 2
    again = found_by(PLAN, tmp_path / "work", result)
    assert again["planted"] == found["planted"] and len(measured) == 2 + 2 + 1 + closed + 2

    # Numbers are those of the estimates: a base that is hardly trained knows less, halves add up, the truth is known.
    nulls = pd.DataFrame(found["null_universes"])
    assert nulls["trained_on"].eq(200).all() and nulls["measured_on"].eq(140).all()
    np.testing.assert_allclose(nulls["raw"], nulls["union"] - nulls["base"], atol=1e-9)
    np.testing.assert_allclose(nulls["net"], nulls["raw"] - nulls["placebo"], atol=1e-9)
    by_steps = nulls.groupby("base_steps")["base"].mean()
    assert by_steps[5] < by_steps[0]
    sizes = pd.DataFrame(found["untouched"]).set_index("n_train")
    assert sizes.loc[160, "trained_on"] == 160 and sizes.loc[80, "trained_on"] == 80
    forms = pd.DataFrame(found["closed_forms"])
    truth = draw_gaussian(600, 2, 1.5, 0).information["x1"]
    assert forms.loc[forms["information"] == 1.5, "closed_form"].to_numpy() == pytest.approx(truth)
    known = forms[(forms["information"] == 1.5) & forms["method"].isin(["ksg", "copula"])]
    np.testing.assert_allclose(known["found"], known["truth"], atol=0.25)
    planted = pd.DataFrame(found["planted"])
    assert (planted.loc[planted["information"] == 0, "truth"] == 0).all()


def test_other_plans_and_other_code_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    copula = replace(PLAN, closed_forms=replace(PLAN.closed_forms, methods=("copula",)))

    def keys(plan: Plan) -> set[str]:
        return {task.key for task in study(plan).tasks if "closed_forms" in task.name}

    first = keys(copula)
    assert len(first) == 2
    larger = replace(copula, closed_forms=replace(copula.closed_forms, information=(0.0, 0.5, 1.5)))
    assert len(keys(larger)) == 3 and first < keys(larger)
    assert not first & keys(replace(copula, closed_forms=replace(copula.closed_forms, seed=1)))
    assert not first & keys(replace(copula, profile="book"))
    monkeypatch.setattr(information_study, "code_of", lambda *functions: "another")
    assert not first & keys(copula)


def test_a_smaller_sample_is_a_part_of_a_larger_one_and_is_tested_on_the_same_galaxies() -> None:
    whole = universe()
    few, more, other = (
        information_study._fewer(whole, n_train, seed) for n_train, seed in ((80, 0), (120, 0), (80, 1))
    )
    parts = [{part: list(one.catalog.index[one.rows(part)]) for part in SPLITS} for one in (few, more, other)]
    assert [{part: len(rows) for part, rows in one.items()} for one in parts] == [
        {"train": n_train, "validation": n_validation, "test": 140}
        for n_train, n_validation in ((80, 24), (120, 36), (80, 24))
    ]
    assert all(one["test"] == list(whole.rows("test")) for one in parts)
    for part in ("train", "validation"):
        assert set(parts[0][part]) < set(parts[1][part]) <= set(whole.rows(part))
        assert set(parts[0][part]) != set(parts[2][part])
    # Pictures and masses go along with their galaxies.
    np.testing.assert_array_equal(few.images[:], whole.images[few.catalog.index.to_numpy()])
    assert len(information_study._fewer(whole, 10_000, 0)) == len(whole)


def test_stored_study_is_that_of_the_plan_and_says_where_it_comes_from() -> None:
    stored = stored_result("information_study.json")
    plans = {name: json.loads(json.dumps(asdict(plan))) for name, plan in Plan().experiments().items()}
    assert set(stored) == {"provenance", *plans}
    for name, plan in plans.items():
        origin = stored["provenance"][name]
        assert origin["plan"] == plan and origin["profile"] == Plan().profile
        assert "dirty" not in origin["commit"] and len(stored[name]) >= len(list(Plan().experiments()[name].items()))


def test_stored_study_shows_what_the_chapter_says() -> None:
    rows = {name: pd.DataFrame(of) for name, of in stored_result("information_study.json").items() if name in NAMES}
    planted = rows["planted"].groupby(["information", "n_galaxies"])["net"].mean()
    assert planted[0.15, 20_000] > 0.075 and abs(planted[0.0, 20_000]) < 0.01
    nulls = rows["null_universes"]
    trained = nulls[nulls["base_steps"] == 0].groupby("dataset")["net"]
    assert (trained.mean().abs() < t.ppf(0.975, trained.size() - 1) * trained.sem()).all()
    grown = rows["untouched"].groupby("n_train")[["net", "net_low", "placebo"]].agg(["mean", "min"])
    net = grown["net", "mean"]
    assert net[14_000] > net[5600] > 2 * net[700] and grown["net_low", "min"].min() > 0
    assert grown["placebo", "mean"].abs().max() < 0.02
    forms = rows["closed_forms"]
    networks = forms[forms["method"].isin(["nested", "separate", "amortised"]) & (forms["family"] != "spiral")]
    error = (networks["found"] - networks["truth"]).abs()
    assert (error <= np.where(networks["information"] == 0, 0.02, np.maximum(0.05, 0.05 * networks["truth"]))).all()
    agreement = rows["amortised_agrees"].groupby("estimator")["conditional"]
    one, each = (np.mean([[*own.values()] for own in agreement.get_group(way)], axis=0) for way in WAYS)
    assert (np.abs(one - each) <= np.maximum(0.01, np.abs(each) / 3)).all()
