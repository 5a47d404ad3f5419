"""Pictures made by the workers of a grid: the mock's, and cutouts of the survey's frames."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from distributed import Client

from helpers.grid import open_client
from helpers.grid.catalogues import cutouts_in_chunks
from helpers.runs import file_sha256
from helpers.survey import load_sample
from helpers.survey.sdss.cutouts import cut_galaxies
from helpers.survey.sdss.patience import Politeness
from tests.sky_field import STAND_IN, split_field, stand_in_field


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with open_client(n_workers=2, gpus=False) as client:
        yield client


def test_the_mock_made_by_workers_has_the_bytes_of_one_process(client: Client, tmp_path: Path) -> None:
    made = load_sample("mock", 30, 5, cache_dir=tmp_path / "here", n_processes=1)
    with joblib.parallel_config(backend="dask", client=client):
        by_workers = load_sample("mock", 30, 5, cache_dir=tmp_path / "there")
    pd.testing.assert_frame_equal(made.catalog, by_workers.catalog)
    files = sorted(path.relative_to(tmp_path / "here") for path in (tmp_path / "here").rglob("*.npy"))
    assert files and all(file_sha256(tmp_path / "here" / one) == file_sha256(tmp_path / "there" / one) for one in files)
    # Its galaxies were drawn there, not here.
    assert client.run(lambda: "galsim" in sys.modules) and all(client.run(lambda: "galsim" in sys.modules).values())


def test_cutouts_in_chunks_of_fields_are_those_of_one_call(client: Client, tmp_path: Path) -> None:
    field = stand_in_field()
    field.put(tmp_path)
    bright = field.sources.nlargest(6, "flux_r")
    elsewhere = bright.assign(field=bright["field"] + 1)  # whose frames are not there
    with pytest.raises(ValueError, match="is not there"):
        cutouts_in_chunks(pd.concat([bright, elsewhere]), tmp_path, client=client)
    parts = split_field(field)
    parts.put(tmp_path / "parts")
    table = bright.assign(field=np.where(bright["y"] < 150, STAND_IN.field - 1, STAND_IN.field + 1)).sample(
        frac=1, random_state=0
    )
    assert table["field"].nunique() == 2
    whole = cut_galaxies(table, tmp_path / "parts", Politeness(), size=48)
    for where in (None, client):
        found = cutouts_in_chunks(table, tmp_path / "parts", size=48, chunk=1, client=where)
        for one in fields(whole):
            np.testing.assert_array_equal(getattr(found, one.name), getattr(whole, one.name))
    assert whole.kept.any()
    assert len(cutouts_in_chunks(table.iloc[:0], tmp_path / "parts").kept) == 0
