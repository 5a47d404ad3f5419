"""The photometric chapters on catalogues of other surveys, by papermill parameters alone.

Two are real, and read where this machine has them; one is made here from the mock universe, so that the door to
anyone's own galaxies is tested everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
import yaml

from helpers.survey import DESI_LEGACY, SDSS, WISE, Sample, dereddened, load_sample
from tests.conftest import ROOT
from tools.execute import ParameterError, check_parameters, execute, read_parameters

pytestmark = pytest.mark.slow

CHAPTERS = (
    "01_data",
    "02_contrastive_training",
    "03_knn_estimation",
    "04_causal_discovery",
    "05_information_decomposition",
)
JANSKY = 3631.0  # of an AB magnitude of 0


class OwnRun:
    """Chapters executed in order on one catalogue, in a run of their own."""

    def __init__(self, folder: Path, home: Path, chapters: Sequence[str], **values: Any) -> None:
        self.folder, self.home, self.name = folder, home, values["run"]
        self.parameters = folder / f"{self.name}.yaml"
        self.parameters.write_text(yaml.safe_dump({"profile": "smoke", **values}), encoding="utf-8")
        for chapter in chapters:
            self.execute(chapter, read_parameters(self.parameters))

    def execute(self, chapter: str, values: Mapping[str, Any]) -> None:
        execute(ROOT / "notebooks" / f"{chapter}.ipynb", self.folder / f"{chapter}.ipynb", values)

    def artifact(self, name: str) -> Path:
        return self.home / "runs" / self.name / name

    def results(self, chapter: str) -> dict[str, Any]:
        return json.loads(self.artifact(f"{chapter}/results.json").read_text(encoding="utf-8"))

    def printed(self, chapter: str) -> str:
        cells = nbformat.read(self.folder / f"{chapter}.ipynb", as_version=4).cells
        return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))

    def verdicts(self) -> pd.DataFrame:
        return pd.DataFrame(self.results("04_causal_discovery")["verdicts"])


@pytest.fixture(scope="module")
def sdss_galaxies(shared_data: Path, anatomy_home: Path, tmp_path_factory: pytest.TempPathFactory) -> OwnRun:
    """SDSS galaxies without infrared, errors or reddening."""
    columns = {"redshift": "z", "stellar_mass": "lgm_tot_p50", **{f"mag_{b}": f"petroMag_{b}" for b in "ugriz"}}
    return OwnRun(
        tmp_path_factory.mktemp("own-sdss"),
        anatomy_home,
        [chapter for chapter in CHAPTERS if chapter != "04_causal_discovery"],
        run="own-sdss",
        dataset=str(shared_data / "sdss_galaxies_4975.csv"),
        n_galaxies=600,
        column_map=columns,
    )


@pytest.fixture(scope="module")
def desi_galaxies(shared_data: Path, anatomy_home: Path, tmp_path_factory: pytest.TempPathFactory) -> OwnRun:
    """DESI galaxies: fluxes in g, r, z, W1, W2, without errors, reddening or positions."""
    columns = {"TARGET_ID": "objID", "Z": "z", "PROVABGS_LOGMSTAR_BF": "lgm_tot_p50"}
    columns |= {f"FLUX_{b.upper()}_DERED": f"legacyMag_{b} [nanomaggy]" for b in "grz"}
    columns |= {f"FLUX_W{i}_DERED": f"w{i}mpro [nanomaggy]" for i in (1, 2)}
    return OwnRun(
        tmp_path_factory.mktemp("own-desi"),
        anatomy_home,
        CHAPTERS[:4],
        run="own-desi",
        dataset=str(shared_data / "desi_bgs_30k.csv"),
        n_galaxies=2000,  # what the infrared adds is lost among fewer
        column_map=columns,
    )


@pytest.fixture(scope="module")
def mock_galaxies(data_cache: Path) -> Sample:
    """The mock that chapter 1 makes at profile ``smoke``."""
    return load_sample("mock", 400, 0, cache_dir=data_cache)


@pytest.fixture(scope="module")
def identifiers(mock_galaxies: Sample) -> np.ndarray:
    """64-bit numbers next to one another, which a float would make one."""
    return np.uint64(2**63) + np.arange(len(mock_galaxies), dtype=np.uint64)


@pytest.fixture(scope="module")
def made_here(
    mock_galaxies: Sample, identifiers: np.ndarray, anatomy_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> OwnRun:
    """The mock as another survey would publish it: other names, fluxes, masses in solar masses, no positions."""
    folder, catalog = tmp_path_factory.mktemp("own-made"), mock_galaxies.catalog
    table = pd.DataFrame({"TARGET": identifiers, "ZSPEC": catalog["z"], "MSTAR": 10**mock_galaxies.mass})
    columns = {"TARGET": "objID", "ZSPEC": "z", "MSTAR": "lgm_tot_p50 [Msun]"}
    for name in ("g", "r", "z"):
        table[f"F_{name}"] = 10 ** (0.4 * (22.5 - dereddened(catalog, SDSS, name)))
        columns[f"F_{name}"] = f"{DESI_LEGACY.band(name).magnitude} [nanomaggy]"
    for band in WISE.bands[:2]:
        table[f"F_{band.name}"] = 1e6 * JANSKY * 10 ** (-0.4 * (catalog[band.magnitude] + band.vega))
        columns[f"F_{band.name}"] = f"{band.magnitude} [microjansky]"
    table.to_csv(folder / "galaxies.csv", index=False)
    return OwnRun(
        folder,
        anatomy_home,
        CHAPTERS[:2],
        run="own-made",
        dataset=str(folder / "galaxies.csv"),
        n_galaxies=len(table),
        column_map=columns,
    )


def test_own_columns_arrive_under_the_names_of_the_book(
    made_here: OwnRun, mock_galaxies: Sample, identifiers: np.ndarray
) -> None:
    arrived = pd.read_parquet(made_here.artifact("01_data/catalog.parquet"))
    assert np.array_equal(arrived["objID"].to_numpy(np.uint64), identifiers)
    assert np.allclose(arrived["lgm_tot_p50"], mock_galaxies.mass, rtol=0, atol=1e-9)
    for name in ("g", "r", "z"):
        ours = dereddened(mock_galaxies.catalog, SDSS, name)
        assert np.allclose(arrived[DESI_LEGACY.band(name).magnitude], ours, rtol=0, atol=1e-9, equal_nan=True)
    for band in WISE.bands[:2]:
        ours = mock_galaxies.catalog[band.magnitude]
        assert np.allclose(arrived[band.magnitude], ours, rtol=0, atol=1e-9, equal_nan=True)


def test_models_read_the_bands_that_there_are(made_here: OwnRun) -> None:
    rmse = made_here.results("02_contrastive_training")["rmse_dex"]
    assert list(rmse) == ["Mopt", "Mopt+Mir"]
    assert rmse["Mopt+Mir"]["boosting"] < 0.9 * rmse["Mopt"]["boosting"]
    printed = made_here.printed("02_contrastive_training")
    assert "main:  legacyMag_g, legacyMag_r, legacyMag_z, w1mpro, w2mpro\n" in printed
    assert "petroMag" not in printed and "EBV" not in printed
    latent = pd.read_parquet(made_here.artifact("02_contrastive_training/latent_Mopt+Mir.parquet"))
    assert np.isfinite(latent.to_numpy()).all() and len(latent) == 400


def test_redshift_is_what_the_photometry_of_the_mock_lacks(made_here: OwnRun) -> None:
    rmse = made_here.results("01_data")["boosting_rmse_dex"]
    assert rmse["Mopt+Zspec"] < 0.6 * rmse["Mopt"] < 0.6 * rmse["the mean mass"]


def test_a_chapter_refuses_results_that_were_made_with_another_column_map(made_here: OwnRun) -> None:
    values = read_parameters(made_here.parameters)
    values["column_map"] = {**values["column_map"], "F_g": "legacyMag_g [maggy]"}
    with pytest.raises(papermill.PapermillExecutionError, match="it was made with column_map="):
        made_here.execute("02_contrastive_training", values)


@pytest.mark.parametrize("found", [None, "Z: z", ["Z", "z"]])
def test_a_column_map_that_is_no_mapping_is_refused(found: Any) -> None:
    with pytest.raises(ParameterError, match=f"'column_map': found .* of type {type(found).__name__}, expected dict"):
        check_parameters(ROOT / "notebooks" / f"{CHAPTERS[0]}.ipynb", {"column_map": found})


def test_galaxies_without_infrared_pass_the_chapters(sdss_galaxies: OwnRun) -> None:
    rmse = sdss_galaxies.results("01_data")["boosting_rmse_dex"]
    assert set(rmse) == {"Mopt", "Mopt+Zspec", "the mean mass"}
    assert rmse["Mopt+Zspec"] < 0.5 * rmse["Mopt"] < 0.4 * rmse["the mean mass"]
    for chapter in CHAPTERS[1:3]:
        assert "Mnir" not in json.dumps(sdss_galaxies.results(chapter))
    assert list(sdss_galaxies.results("02_contrastive_training")["rmse_dex"]) == ["Mopt"]


def test_galaxies_without_infrared_have_one_decomposition(sdss_galaxies: OwnRun) -> None:
    results = sdss_galaxies.results("05_information_decomposition")
    assert set(results["decompositions"]) == {"<Mopt, Zspec>"}
    assert results["decompositions"]["<Mopt, Zspec>"]["all"]["conditional_2_net"]["mean"] > 0.1
    assert {"ugriz and redshift", "ugriz and infrared"} & set(results["definitions"]) == {"ugriz and redshift"}


def test_infrared_of_another_survey_lowers_the_error(desi_galaxies: OwnRun) -> None:
    rmse = desi_galaxies.results("02_contrastive_training")["rmse_dex"]
    assert list(rmse) == ["Mopt", "Mopt+Mir"]
    assert rmse["Mopt+Mir"]["boosting"] < 0.95 * rmse["Mopt"]["boosting"]
    boosting = desi_galaxies.results("01_data")["boosting_rmse_dex"]
    assert boosting["Mopt+Zspec"] < 0.6 * boosting["Mopt"]


def test_infrared_of_another_survey_is_missed_by_its_optical_bands(desi_galaxies: OwnRun) -> None:
    table = desi_galaxies.verdicts()
    assert set(table["query"]) == {"redshift", "W1", "W2", "g - r"}
    alone = table[table["given"] == ""].set_index(["input", "query"])["S removed"]
    assert alone["Mopt", "W1"] > 0.15 > 3 * abs(alone["Mopt", "g - r"])
    assert alone["Mopt+Mir", "W1"] < 0.5 * alone["Mopt", "W1"]
    assert alone["Mopt", "redshift"] > 0.4
