"""All pairs of inputs through the grid: each network once, and rows of every pair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.information.tuples import MODALITY_TUPLES, PHOTOMETRIC_BAND_TUPLES
from helpers.survey import Sample
from tests.serial_grid import serial_grid
from tools import studies, tuples_study
from tools.studies import run_studies
from tools.tuples_study import Plan, study

PLAN = Plan("smoke", 300, seeds=(0, 1), n_bootstrap=20)


@pytest.fixture(scope="module")
def universe(mock_universe: Sample) -> Sample:
    """Few galaxies of each part of the split."""
    rng = np.random.default_rng(0)
    sizes = {"train": 160, "validation": 60, "test": 80}
    rows = [rng.permutation(mock_universe.rows(part))[:size] for part, size in sizes.items()]
    return mock_universe.take(np.sort(np.concatenate(rows)))


@pytest.fixture
def folder(universe: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(studies, "run_grid", serial_grid)
    monkeypatch.setattr(studies, "load_sample", lambda *_, **__: universe)
    monkeypatch.setattr(tuples_study, "FITS", tmp_path / "fits")
    studies.mock.cache_clear()
    yield tmp_path
    studies.mock.cache_clear()


def test_every_pair_has_its_rows_and_no_network_is_trained_twice(folder: Path) -> None:
    result = folder / "tuples.json"
    plan = replace(PLAN, kinds=("modality", "photometric band", "feature"))
    found = run_studies([study(plan, result=result)], folder / "grid")[0]["tuples"]
    assert json.loads(result.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    pairs = pd.DataFrame(found["pairs"])
    names = [one.name for one in (*MODALITY_TUPLES, *PHOTOMETRIC_BAND_TUPLES)]
    features = {name for name in pairs["tuple"] if "_" in name}
    assert set(pairs["tuple"]) - features == set(names) and len(names) == 5 + 15
    # Two quantities, ten pairs of five bands, two tuples of each.
    assert len(features) == 40 and {"<Mopt+n_g, n_u>", "<Mopt+R50_z, R50_i>"} <= features
    of_all = pairs[pairs["group"] == "all"].set_index(["tuple", "quantity"])["mean"].unstack("quantity")
    parts = of_all[["R", "U1", "U2", "Syn"]].sum(axis=1)
    np.testing.assert_allclose(parts, of_all["I(X1,X2)"], atol=1e-9)
    placebos = of_all["placebo_2"].notna()
    assert set(of_all.index[placebos]) == {one.name for one in MODALITY_TUPLES}
    along = pd.DataFrame(found["along"])
    assert set(along["tuple"]) == {one.name for one in MODALITY_TUPLES}
    assert set(along["by"]) == set(tuples_study.ALONG) and along["n_galaxies"].max() <= 80
    # Seven parts, a union and a placebo of each of five pairs, and one network for all pairs of a kind; of two seeds.
    fits = pd.DataFrame(found["fits"])
    assert len(fits) == (7 + 2 * 5 + 2) * 2 and not fits.duplicated(["first", "second", "role", "seed"]).any()
    assert len(list((folder / "fits").iterdir())) == len(fits)
    assert found["provenance"]["plan"] == asdict(plan)
