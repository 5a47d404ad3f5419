"""The study of chapter 5's estimates: each item made once, resumed, and told apart from other plans."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import t

from helpers.information import draw_gaussian
from helpers.inputs import INPUTS
from helpers.runs import stored_result
from helpers.survey import Sample
from helpers.survey.sample import SPLITS
from tools import information_study, studies
from tools.information_study import AmortisedAgrees, ClosedForms, NullUniverses, Plan, Planted, Untouched, study

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
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Files in the order in which they are made, in this process and of galaxies that need no rendering."""
    made: list[Path] = []

    def make_missing(items: Mapping[Path, Callable[[], Any]], description: str, *, n_jobs: int = 1) -> None:
        for path, make in items.items():
            if not path.is_file():
                made.append(path)
                studies._make(path, make)

    monkeypatch.setattr(information_study, "make_missing", make_missing)
    monkeypatch.setattr(information_study, "load_sample", universe)
    information_study._mock.cache_clear()
    yield made
    information_study._mock.cache_clear()


def test_every_experiment_gives_a_row_for_each_of_its_items_and_none_is_made_twice(
    made: list[Path], tmp_path: Path
) -> None:
    result = tmp_path / "stored" / "study.json"
    found = study(PLAN, tmp_path / "work", result)
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
    assert len(made) == 2 + 2 + 2 + closed + 2
    again = study(PLAN, tmp_path / "work", result)
    assert again["planted"] == found["planted"] and len(made) == 2 + 2 + 2 + closed + 2

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


def test_one_experiment_may_be_made_alone_and_the_others_are_kept(made: list[Path], tmp_path: Path) -> None:
    result = tmp_path / "study.json"
    study(PLAN, tmp_path / "work", result, only=["planted"])
    n_made = len(made)
    other = replace(PLAN, closed_forms=replace(PLAN.closed_forms, methods=("copula",)))
    found = study(other, tmp_path / "work", result, only=["closed_forms"])
    assert len(made) == n_made + 2
    assert set(found) == {"provenance", "planted", "closed_forms"} == {"provenance", *found["provenance"]}
    with pytest.raises(ValueError, match="only: found nothing, expected some of amortised_agrees"):
        study(PLAN, tmp_path / "work", result, only=["nothing"])


def test_other_plans_and_other_code_are_told_apart(
    made: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copula = replace(PLAN, closed_forms=replace(PLAN.closed_forms, methods=("copula",)))

    def made_by(plan: Plan) -> int:
        made.clear()
        study(plan, tmp_path / "work", tmp_path / "study.json", only=["closed_forms"])
        return len(made)

    assert made_by(copula) == 2
    larger = replace(copula, closed_forms=replace(copula.closed_forms, information=(0.0, 0.5, 1.5)))
    assert made_by(larger) == 1
    assert made_by(replace(copula, closed_forms=replace(copula.closed_forms, seed=1))) == 2
    monkeypatch.setattr(information_study, "library_fingerprint", lambda room: "another")
    assert made_by(copula) == 2


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


def test_an_item_has_one_thread_and_a_failed_one_keeps_those_that_were_finished(tmp_path: Path) -> None:
    items = {tmp_path / "good.json": torch.get_num_threads, tmp_path / "bad.json": _fail, tmp_path / "later.json": list}
    with pytest.raises(RuntimeError, match="on purpose"):
        studies.make_missing(items, "test", n_jobs=1)
    assert json.loads((tmp_path / "good.json").read_text(encoding="utf-8"))["found"] == 1
    assert not (tmp_path / "bad.json").exists()


def _fail() -> None:
    raise RuntimeError("on purpose")


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
    assert grown["net", "mean"].is_monotonic_increasing and grown.loc[2800:, ("net_low", "min")].min() > 0
    assert grown["placebo", "mean"].abs().max() < 0.02
    forms = rows["closed_forms"]
    networks = forms[forms["method"].isin(["nested", "separate", "amortised"]) & (forms["family"] != "spiral")]
    error = (networks["found"] - networks["truth"]).abs()
    assert (error <= np.where(networks["information"] == 0, 0.02, np.maximum(0.05, 0.05 * networks["truth"]))).all()
    agreement = rows["amortised_agrees"].groupby("estimator")["conditional"]
    one, each = (np.mean([[*own.values()] for own in agreement.get_group(way)], axis=0) for way in WAYS)
    assert (np.abs(one - each) <= np.maximum(0.01, np.abs(each) / 3)).all()
