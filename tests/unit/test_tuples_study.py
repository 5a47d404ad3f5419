"""All pairs of inputs through the grid: each network once, and rows of every pair."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
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
    kinds = ("modality", "photometric band", "feature")
    own = [study(kind, PLAN, result=folder / f"{kind}.json") for kind in kinds]
    found = run_studies(own, folder / "grid")[0]
    assert list(found) == ["tuples_modality", "tuples_photometric_band", "tuples_feature"]
    for one in own:
        assert json.loads(one.result.read_text(encoding="utf-8")) == json.loads(json.dumps(found[one.name]))
        assert found[one.name]["provenance"]["plan"] == asdict(PLAN)
    pairs = pd.concat(pd.DataFrame(one["pairs"]) for one in found.values())
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
    along = pd.DataFrame(found["tuples_modality"]["along"])
    assert not found["tuples_feature"]["along"]
    assert set(along["tuple"]) == {one.name for one in MODALITY_TUPLES}
    assert set(along["by"]) == set(tuples_study.ALONG) and along["n_galaxies"].max() <= 80
    # Seven parts, a union and a placebo of each of five pairs, and one network for all pairs of a kind; of two seeds.
    fits = pd.concat(pd.DataFrame(one["fits"]) for one in found.values())
    assert len(fits) == (7 + 2 * 5 + 2) * 2 and not fits.duplicated(["first", "second", "role", "seed"]).any()
    assert len(list((folder / "fits").iterdir())) == len(fits)
