"""Runs: artifacts come back as they were, and never half written, stale or from another run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import runs
from helpers.contrastive import ContrastiveConfig
from helpers.runs import ArtifactError, atomic_path, config_from, open_run, profile_settings

SHARED = {"dataset": "sdss-mini", "profile": "smoke", "seed": 0, "n_galaxies": 600}


def run_for(root: Path, chapter: str, **changes):
    return open_run("t", chapter=chapter, parameters={**SHARED, **changes}, root=root)


def test_artifacts_come_back_as_they_were(tmp_path):
    run = run_for(tmp_path, "01_data")
    frame = pd.DataFrame({"ra": [1.0, np.nan], "split": ["train", "test"]}, index=[7, 3])
    arrays = {"index": np.arange(6).reshape(2, 3), "x": np.array([0.1, np.nan], dtype=np.float32)}
    weights = ({"w": np.arange(4, dtype=np.float32).reshape(2, 2)}, {"config": '{"steps": 3}'})
    run.save("a.parquet", frame)
    run.save("b.npz", arrays)
    run.save("c.safetensors", weights)
    run.save_results({"rmse": np.float64(0.25), "counts": np.array([1, 2]), "p": float("nan")})
    assert os.stat(run.path("results.json")).st_mode & 0o444 == 0o444, "a result can be read by others"

    reader = run_for(tmp_path, "02_contrastive_training")
    pd.testing.assert_frame_equal(reader.load("01_data/a.parquet"), frame)
    for name, array in reader.load("01_data/b.npz").items():
        np.testing.assert_array_equal(array, arrays[name])
    found, texts = reader.load("01_data/c.safetensors")
    np.testing.assert_array_equal(found["w"], weights[0]["w"])
    assert texts == weights[1]
    assert reader.load("01_data/results.json") == {"rmse": 0.25, "counts": [1, 2], "p": None}


def test_missing_artifact_names_the_chapter_and_the_command(tmp_path):
    # The parameter file bears the name of the run, which need not be that of the profile it asks for.
    with pytest.raises(ArtifactError, match=r"make chapter CHAPTER=02_contrastive_training PROFILE=t\n") as error:
        run_for(tmp_path, "03_knn_estimation").load("02_contrastive_training/latent_Mopt.parquet")
    assert "Chapter 02_contrastive_training makes it" in str(error.value)


@pytest.mark.parametrize(("change", "words"), [({"seed": 1}, "seed=0"), ({"n_galaxies": 500}, "n_galaxies=600")])
def test_artifact_of_other_parameters_is_refused(tmp_path, change, words):
    run_for(tmp_path, "01_data").save("a.json", {"x": 1})
    with pytest.raises(ArtifactError, match=words):
        run_for(tmp_path, "02_contrastive_training", **change).load("01_data/a.json")


def test_edited_or_cut_off_artifact_is_refused(tmp_path):
    path = run_for(tmp_path, "01_data").save("a.json", {"x": 1})
    path.write_text('{"x": 2}\n')
    with pytest.raises(ArtifactError, match="checksum"):
        run_for(tmp_path, "02_contrastive_training").load("01_data/a.json")
    for record in ("{", "{}", "[]"):
        path.with_suffix(".meta.json").write_text(record)
        with pytest.raises(ArtifactError, match="record beside it is damaged"):
            run_for(tmp_path, "02_contrastive_training").load("01_data/a.json")


def test_artifact_of_other_code_is_refused(tmp_path, monkeypatch):
    run_for(tmp_path, "01_data").save("a.json", {"x": 1})
    before = run_for(tmp_path, "01_data")
    monkeypatch.setattr(runs, "_code_fingerprint", lambda *arguments: "another")
    # Edited while the chapter ran: what it saves was made by the code it started with.
    before.save("b.json", {"x": 1})
    with pytest.raises(ArtifactError, match="code that made it has changed"):
        run_for(tmp_path, "02_contrastive_training").load("01_data/b.json")
    with pytest.raises(ArtifactError, match="code that made it has changed"):
        run_for(tmp_path, "02_contrastive_training").load("01_data/a.json")


def test_artifact_is_stale_when_what_it_was_made_from_changed(tmp_path):
    first = run_for(tmp_path, "01_data")
    first.save("a.json", {"x": 1})
    second = run_for(tmp_path, "02_contrastive_training")
    second.load("01_data/a.json")
    second.save("b.json", {"y": 1})
    assert run_for(tmp_path, "03_knn_estimation").load("02_contrastive_training/b.json") == {"y": 1}
    first.save("a.json", {"x": 2})
    with pytest.raises(ArtifactError, match="another version of 01_data/a.json"):
        run_for(tmp_path, "03_knn_estimation").load("02_contrastive_training/b.json")


def test_comments_and_docstrings_are_not_code():
    plain = "def f(x):\n    return x + 1\n"
    told = 'def f(x):\n    """Add one."""\n    # because\n    return x + 1\n'
    other = "def f(x):\n    return x + 2\n"
    same = runs._code_of(told)
    assert same == runs._code_of('def f(x):\n    """Other words."""\n    return x + 1\n')
    assert same != runs._code_of(other) and runs._code_of(plain) != runs._code_of(other)


def test_notebook_counts_by_its_code_alone(tmp_path):
    def fingerprint(folder: str, parameter: str, code: str, prose: str) -> str:
        cells = [
            {"cell_type": "markdown", "metadata": {}, "source": [prose]},
            {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": [parameter]},
            {"cell_type": "code", "metadata": {}, "source": [code]},
        ]
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "01_data.ipynb").write_text(json.dumps({"cells": cells}))
        return runs._code_fingerprint("01_data", "smoke", tmp_path / folder)

    first = fingerprint("a", "seed: int = 0", "x = 1", "one")
    assert fingerprint("b", "seed: int = 1", "x = 1  # because", "two") == first
    assert fingerprint("c", "seed: int = 0", "x = 2", "one") != first


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


def test_killed_in_mid_write_the_old_artifact_is_whole(tmp_path):
    run = run_for(tmp_path, "01_data")
    run.save("a.parquet", pd.DataFrame({"x": [1, 2, 3]}))
    script = f"""
        import os, signal
        from helpers import runs

        def write_half(frame, path):
            path.write_bytes(b"PAR1 and then")
            os.kill(os.getpid(), signal.SIGKILL)

        runs._FORMATS[".parquet"] = (write_half, None)
        runs.open_run("t", chapter="01_data", parameters={SHARED!r}, root={str(tmp_path)!r}).save("a.parquet", None)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert run_for(tmp_path, "02_contrastive_training").load("01_data/a.parquet")["x"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", ["", "../x", "a b", ".hidden"])
def test_run_name_must_be_a_plain_name(tmp_path, name):
    with pytest.raises(ValueError, match="run: found"):
        open_run(name, chapter="01_data", parameters=SHARED, root=tmp_path)


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="chapter: found '09_x'"):
        open_run("t", chapter="09_x", parameters=SHARED, root=tmp_path)
    with pytest.raises(ValueError, match="profile: found 'huge', expected one of smoke, book, full, paper"):
        run_for(tmp_path, "01_data", profile="huge")
    with pytest.raises(ValueError, match="with a suffix among"):
        run_for(tmp_path, "01_data").save("a.pickle", {})
    for name in ("catalog.parquet", "01_data/../x.json", "01_data/x.txt"):
        with pytest.raises(ValueError, match="expected '<chapter>/<file>'"):
            run_for(tmp_path, "01_data").load(name)
    with pytest.raises(ValueError, match="expected a plain file name"):
        run_for(tmp_path, "01_data").save("../a.json", {})
    with pytest.raises(ValueError, match="'s' holds Python objects"):
        run_for(tmp_path, "01_data").save("a.npz", {"s": np.array([None, 1])})


def test_settings_are_checked_against_the_configuration():
    with pytest.raises(ValueError, match="unknown setting 'stepz'"):
        config_from(ContrastiveConfig, {"stepz": 3})
    with pytest.raises(ValueError, match="found '1e-3' of type str, expected float"):
        config_from(ContrastiveConfig, {"learning_rate": "1e-3"})
    assert config_from(ContrastiveConfig, {"encoder_hidden": [4, 4]}, steps=7).encoder_hidden == (4, 4)


@pytest.mark.parametrize("profile", runs.PROFILES)
def test_every_profile_fills_every_configuration(profile):
    from helpers.information import InformationConfig

    settings = profile_settings(profile)
    assert config_from(ContrastiveConfig, settings["contrastive"]).steps > 0
    assert config_from(InformationConfig, settings["information"]) is not None
    assert 0 < settings["neighbours"]["k"] and min(settings["neighbours"]["k_grid"]) > 0
    assert settings["causal"].keys() == profile_settings("book")["causal"].keys()
    assert min(settings["causal"].values()) > 0 and settings["causal"]["alpha"] < 1


def test_root_is_found_from_below_and_by_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("ANATOMY_HOME", raising=False)
    (tmp_path / "_toc.yml").write_text("root: x\n")
    (tmp_path / "notebooks" / "deep").mkdir(parents=True)
    assert runs.project_root(tmp_path / "notebooks" / "deep") == tmp_path.resolve()
    monkeypatch.setenv("ANATOMY_HOME", str(tmp_path / "elsewhere"))
    assert runs.project_root() == (tmp_path / "elsewhere").resolve()
