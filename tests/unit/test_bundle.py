"""The bundle of a run: complete, checked, and read where a run has nothing of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from helpers import runs
from helpers.runs import BUNDLE, ArtifactError, open_run
from tools import bundle
from tools.bundle import BundleError, changed_chapters, check_bundle, make_bundle
from tools.project import ROOT

SHARED = {"dataset": "sdss-mini", "profile": "smoke", "seed": 0, "n_galaxies": 600}
CHAPTERS = ["01_data", "02_contrastive_training"]


def opened(root: Path, chapter: str, **changes):
    return open_run("t", chapter=chapter, parameters={**SHARED, **changes}, root=root)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a run of two chapters and their bundle."""
    monkeypatch.setattr(bundle, "chapters", lambda: CHAPTERS)
    first, second = (opened(tmp_path, chapter) for chapter in CHAPTERS)
    first.save("catalog.parquet", pd.DataFrame({"z": [0.1, 0.2]}))
    second.load("01_data/catalog.parquet")
    second.save("latent.parquet", pd.DataFrame({"s1": [1.0, 2.0]}))
    second.save("model.safetensors", ({}, {}))
    (second.scratch("fits") / "fit.npz").write_bytes(b"large")
    for run in (first, second):
        run.save_results({"chapter": run.chapter})
        notebook = nbformat.v4.new_notebook(metadata={"papermill": {"duration": 12.34}})
        (tmp_path / "executed").mkdir(exist_ok=True)
        nbformat.write(notebook, tmp_path / "executed" / f"{run.chapter}.ipynb")
    make_bundle(tmp_path / "runs" / "t", tmp_path / "executed", tmp_path)
    return tmp_path


def alone(root: Path, target: Path) -> Path:
    """A root that has the bundle and no runs."""
    (target / "data").mkdir(parents=True)
    (root / BUNDLE).rename(target / BUNDLE)
    return target


def test_a_bundle_holds_what_chapters_read_and_says_where_it_comes_from(made: Path) -> None:
    record = json.loads((made / BUNDLE / "bundle.json").read_text())
    held = {name.removeprefix("runs/t/") for name in record["files"]}
    assert {"01_data/catalog.parquet", "01_data/catalog.parquet.json", "01_data/results.json"} <= held
    assert not any(word in name for name in held for word in ("safetensors", "scratch"))
    assert record["parameters"] == SHARED and record["seconds"] == dict.fromkeys(CHAPTERS, 12.3)
    assert {"processor", "cores", "memory_gigabytes"} <= record["computer"].keys() and record["commit"]
    assert record["studies"]["information_study.json"]["commits"]
    assert check_bundle(made) == [] and changed_chapters(made) == []


def test_a_chapter_reads_the_bundle_where_its_run_has_nothing(made: Path, tmp_path: Path, capsys) -> None:
    root = alone(made, tmp_path / "alone")
    third = opened(root, "03_knn_estimation")
    assert third.load("02_contrastive_training/latent.parquet")["s1"].tolist() == [1.0, 2.0]
    third.load("01_data/catalog.parquet")
    assert capsys.readouterr().out.count("is read from data/bundle, made at commit") == 1
    # Another run, and the same run with other parameters, are not the published one.
    with pytest.raises(ArtifactError, match="it was made with seed=0, and this run has seed=1"):
        opened(root, "03_knn_estimation", seed=1).load("01_data/catalog.parquet")
    with pytest.raises(ArtifactError, match="it does not exist"):
        open_run("mine", chapter="03_knn_estimation", parameters=SHARED, root=root).load("01_data/catalog.parquet")


def test_two_runs_are_not_mixed(made: Path, tmp_path: Path) -> None:
    root = alone(made, tmp_path / "alone")
    # A chapter that was begun here is not completed from there.
    opened(root, "01_data").save("other.json", {"x": 1})
    with pytest.raises(ArtifactError, match="needs 01_data/catalog.parquet of run 't', but it does not exist"):
        opened(root, "03_knn_estimation").load("01_data/catalog.parquet")
    # With a catalogue of one's own, what the bundle made of another one is refused.
    opened(root, "01_data").save("catalog.parquet", pd.DataFrame({"z": [0.3]}))
    with pytest.raises(ArtifactError, match="another version of 01_data/catalog.parquet"):
        opened(root, "03_knn_estimation").load("02_contrastive_training/latent.parquet")


def test_the_bundle_is_found_where_runs_are_kept_elsewhere(made: Path, tmp_path: Path, monkeypatch) -> None:
    book = alone(made, tmp_path / "book")
    (book / "_toc.yml").touch()
    monkeypatch.chdir(book)
    assert opened(tmp_path / "elsewhere", "03_knn_estimation").load("01_data/results.json") == {"chapter": "01_data"}


def test_changed_code_is_told_and_not_refused(made: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    root = alone(made, tmp_path / "alone")
    monkeypatch.setattr(runs, "_code_fingerprint", lambda *arguments: "another")
    assert opened(root, "03_knn_estimation").load("01_data/results.json") == {"chapter": "01_data"}
    assert "the code of 01_data has changed since the bundle was made" in capsys.readouterr().out
    assert changed_chapters(root) == CHAPTERS


def test_a_bundle_holds_what_its_artifacts_were_made_from(made: Path) -> None:
    second = opened(made, "02_contrastive_training")
    second.save("extra.json", {"x": 1})  # of a kind that is not bundled
    third = opened(made, "02_contrastive_training")
    third.load("02_contrastive_training/extra.json")
    third.save("latent.parquet", pd.DataFrame({"s1": [1.0]}))
    with pytest.raises(BundleError, match=r"made from 02_contrastive_training/extra.json, which is not in the bundle"):
        make_bundle(made / "runs" / "t", made / "executed", made)


def test_git_takes_the_bundle_and_no_run() -> None:
    ignored = [
        subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False).returncode == 0
        for name in ("runs/book/01_data/catalog.parquet", "data/bundle/runs/book/01_data/catalog.parquet")
    ]
    assert ignored == [True, False]


def test_a_damaged_bundle_is_told_file_by_file(made: Path, tmp_path: Path) -> None:
    folder = made / BUNDLE
    (folder / "runs/t/01_data/results.json").write_text("{}")
    (folder / "runs/t/01_data/catalog.parquet").unlink()
    (folder / "runs/t/stray.txt").touch()
    faults = check_bundle(made)
    assert [fault.rpartition("/")[2].split(":")[0] for fault in faults] == [
        "stray.txt",
        "catalog.parquet",
        "results.json",
    ]
    assert "missing" in faults[1] and "its checksum differs" in faults[2]
    studies = tmp_path / "studies"
    studies.mkdir()
    assert any("information_study.json: missing" in fault for fault in check_bundle(made, studies))
    (folder / "bundle.json").write_text("{")
    with pytest.raises(BundleError, match="damaged"):
        check_bundle(made)


def test_a_bundle_is_made_whole_or_not_at_all(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (made / BUNDLE / "bundle.json").read_text()
    monkeypatch.setattr(bundle, "LARGEST", 10)
    with pytest.raises(BundleError, match="expected at most 0"):
        make_bundle(made / "runs" / "t", made / "executed", made)
    monkeypatch.undo()
    monkeypatch.setattr(bundle, "chapters", lambda: [*CHAPTERS, "03_knn_estimation"])
    with pytest.raises(BundleError, match=r"03_knn_estimation/results.meta.json is missing"):
        make_bundle(made / "runs" / "t", made / "executed", made)
    monkeypatch.setattr(bundle, "chapters", lambda: CHAPTERS)
    opened(made, "01_data").save("catalog.parquet", pd.DataFrame({"z": [0.5]}))
    with pytest.raises(BundleError, match="another version of 01_data/catalog.parquet"):
        make_bundle(made / "runs" / "t", made / "executed", made)
    opened(made, "01_data").path("catalog.parquet").unlink()
    with pytest.raises(BundleError, match="it does not exist"):
        make_bundle(made / "runs" / "t", made / "executed", made)
    opened(made, "01_data", seed=1).save_results({})
    with pytest.raises(BundleError, match="made with seed="):
        make_bundle(made / "runs" / "t", made / "executed", made)
    assert (made / BUNDLE / "bundle.json").read_text() == before and check_bundle(made) == []
    assert [path.name for path in (made / "data").iterdir()] == ["bundle"]
