"""Train what takes too long for every reader: learning curves and ablations of chapter 2, kept with the library.

Each training is stored when it is done, so that a killed study goes on where it stopped. The result is one file,
``src/helpers/stored/contrastive_study.json``, with its provenance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.contrastive import MassBins, predict_mass, train
from helpers.contrastive.baselines import boosting_density
from helpers.contrastive.quality import cross_entropy, mass_quality, paired_difference
from helpers.runs import atomic_path, library_fingerprint, profile_settings
from helpers.survey import Sample, load_sample
from helpers.survey.mock.loading import INGREDIENTS

if __package__ in (None, ""):
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT
from tools.studies import provenance

__all__ = ["Plan", "Training", "main", "study", "trainings"]

RESULT = ROOT / "src" / "helpers" / "stored" / "contrastive_study.json"
CURVES = ("Mopt", "Iopt", "Iopt+Mir", "Iopt+Mir+Zspec")
# What makes a training what it is; an edit elsewhere in the library does not undo a study.
CODE: tuple[str, ...] = ("bins", "features", "images", "data", "image_networks", "networks", "losses", "config")
CODE += ("fitting", "training", "model", "calibration", "quality")
# Pairs whose difference on the same galaxies says which input tells more.
PAIRS = (("Mopt", "Iopt"), ("boosting", "Iopt"), ("Iopt", "Iopt+Mir"), ("Iopt+Mir", "Iopt+Mir+Zspec"))


@dataclass(frozen=True)
class Plan:
    """What is trained, and on how much.

    Attributes
    ----------
    profile : str
    n_galaxies : int
        Of the mock.
    n_train : tuple of int
        Training sizes of the learning curves.
    image_steps : tuple of int
        Optimiser steps of the image networks at those sizes.
    image_weight_decay : tuple of float
        Of the image networks at those sizes. Of 0.1 and 0.5 the validation split preferred 0.5 at 1,500 galaxies.
    n_seeds : tuple of int
        Trainings of each point of the curves at those sizes.
    n_ablation : int
        Training size of the ablations, one of `n_train`.
    ablation_weight_decay : float
    ablation_seeds : int
        Trainings of the ablations that are repeated.
    n_bins : int
        The same at all sizes: a cross-entropy depends on it.
    """

    profile: str = "full"
    n_galaxies: int = 20000
    n_train: tuple[int, ...] = (500, 1500, 4500, 14000)
    image_steps: tuple[int, ...] = (600, 1200, 3600, 7200)
    image_weight_decay: tuple[float, ...] = (0.5, 0.5, 0.1, 0.1)
    n_seeds: tuple[int, ...] = (3, 3, 1, 1)
    n_ablation: int = 4500
    ablation_weight_decay: float = 0.5
    ablation_seeds: int = 3
    n_bins: int = 104


@dataclass(frozen=True)
class Training:
    """One training of a study.

    Attributes
    ----------
    group : str
        ``"learning_curve"``, ``"rival"`` (gradient boosting, not a network) or ``"ablation"``.
    variant, words : str
        Short name, and what a figure calls it.
    inputs : str
    n_train, seed : int
    settings : dict
        Set instead of the profile's.
    """

    group: str
    variant: str
    words: str
    inputs: str
    n_train: int
    seed: int
    settings: dict[str, Any] = field(default_factory=dict)


# What is changed, one thing at a time; "contrastive" changes nothing.
VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("contrastive", "all four terms", {}),
    ("no contrast", "without contrast", {"contrast_weight": 0.0}),
    ("no consistency", "without consistency", {"consistency_weight": 0.0}),
    ("no reconstruction", "without reconstruction", {"reconstruction_weight": 0.0}),
    ("supervised", "mass of x alone", {"objective": "supervised"}),
    ("residual", "second architecture", {"encoder": "residual"}),
    ("twice the steps", "twice the steps", {}),
    ("less decay", "a fifth of the weight decay", {}),
    ("whole pixels", "64 x 64 pixels", {"bin_pixels": 1}),
)
REPEATED = ("contrastive", "supervised", "residual")


def trainings(plan: Plan) -> Iterator[Training]:
    """All trainings of a study."""

    def settings(inputs: str, size: int) -> dict[str, Any]:
        of_images = {"steps": plan.image_steps[size], "weight_decay": plan.image_weight_decay[size]}
        return {"n_bins": plan.n_bins} | (of_images if inputs.startswith("I") else {})

    for size, n_train in enumerate(plan.n_train):
        yield Training("rival", "boosting", "boosted trees", "Mopt", n_train, 0, {"n_bins": plan.n_bins})
        for inputs in CURVES:
            for seed in range(plan.n_seeds[size]):
                yield Training("learning_curve", inputs, inputs, inputs, n_train, seed, settings(inputs, size))
    base = settings("Iopt", plan.n_train.index(plan.n_ablation)) | {"weight_decay": plan.ablation_weight_decay}
    for variant, words, changes in VARIANTS:
        own = base | changes
        if variant == "twice the steps":
            own["steps"] *= 2
        if variant == "less decay":
            own["weight_decay"] /= 5
        for seed in range(plan.ablation_seeds if variant in REPEATED else 1):
            yield Training("ablation", variant, words, "Iopt", plan.n_ablation, seed, own)


def study(
    plan: Plan, sample: Sample, folder: Path, *, device: str = "auto", n_jobs: int = 1, result: Path = RESULT
) -> dict[str, Any]:
    """Train what is missing of a plan, and write the result.

    Parameters
    ----------
    plan : Plan
    sample : Sample
        With images, infrared magnitudes and redshifts.
    folder : path
        Where finished trainings are kept.
    device : str, default "auto"
    n_jobs : int, default 1
        Trainings at a time, each in a process of its own: compact networks leave a GPU idle for most of a step.
    result : path
        The file to write.

    Returns
    -------
    dict
        What the file holds: ``provenance``, ``learning_curve``, ``rivals``, ``ablations``, ``paired`` and
        ``ablation_gaps``, each variant less the unchanged method.
    """
    import joblib

    # The first of these are the small samples, so that a larger one holds every smaller one.
    order = np.random.default_rng(0).permutation(sample.rows("train"))
    # A size beyond what there is means all there is.
    rows = {n_train: np.sort(order[:n_train]) for n_train in plan.n_train}
    folder.mkdir(parents=True, exist_ok=True)
    planned = list(trainings(plan))
    digest = _digest(sample)
    paths = [folder / f"{_key(training, plan, digest)}.json" for training in planned]
    # Two entries of a study may be one training.
    missing = {path: training for path, training in zip(paths, planned, strict=True) if not path.is_file()}
    # The longest first, so that none is left to run alone at the end.
    longest = sorted(missing.items(), key=lambda item: -item[1].settings.get("steps", 0))
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1 if n_jobs > 1 else None):
        joblib.Parallel(n_jobs, batch_size=1, pre_dispatch="n_jobs")(
            joblib.delayed(_train_once)(training, sample, rows[training.n_train], plan.profile, path, device)
            for path, training in longest
        )
    stored = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    names = [{name: getattr(training, name) for name in ("group", "variant", "words")} for training in planned]
    done = [training["record"] | name for training, name in zip(stored, names, strict=True)]
    losses: dict[tuple[str, int], list[np.ndarray]] = {}
    for training, one in zip(planned, stored, strict=True):
        losses.setdefault((training.variant, training.n_train), []).append(np.array(one["loss"]))
    unchanged = losses["contrastive", plan.n_ablation]
    found = {
        "provenance": _provenance(plan, sample, [record for record in done if record["group"] != "rival"]),
        "learning_curve": [record for record in done if record["group"] == "learning_curve"],
        "rivals": [record for record in done if record["group"] == "rival"],
        "ablations": [record for record in done if record["group"] == "ablation"],
        "paired": [
            {"first": first, "second": second, "n_train": len(rows[n_train])}
            | _difference(losses[first, n_train], losses[second, n_train])
            for n_train in plan.n_train
            for first, second in PAIRS
        ],
        "ablation_gaps": [
            {"variant": variant} | _difference(losses[variant, plan.n_ablation], unchanged)
            for variant, *_ in VARIANTS
            if variant != "contrastive"
        ],
    }
    result.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(result) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _difference(first: list[np.ndarray], second: list[np.ndarray]) -> dict[str, Any]:
    """Difference of the mean losses of two inputs' trainings, its interval over galaxies, and that of each seed."""
    paired = paired_difference(np.mean(first, axis=0), np.mean(second, axis=0), seed=0)._asdict()
    # What was trained once meets every seed of the other.
    n_pairs = max(len(first), len(second))
    each = zip(first * (n_pairs // len(first)), second * (n_pairs // len(second)), strict=True)
    return paired | {"seeds": [float((a - b).mean()) for a, b in each]}


def _key(training: Training, plan: Plan, digest: str) -> str:
    """Name of all that makes a training what it is."""
    block = "contrastive_images" if training.inputs.startswith("I") else "contrastive"
    settings, code = _settings(plan)[block] | training.settings, CODE
    if training.group == "rival":
        settings, code = training.settings, ("baselines", "features", "calibration", "quality", "bins")
    what = [training.group == "rival", training.inputs, training.n_train, training.seed, settings, digest]
    key = json.dumps([what, [library_fingerprint(f"contrastive/{name}.py") for name in code]], sort_keys=True)
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _settings(plan: Plan) -> dict[str, Any]:
    """What of a profile these trainings go by."""
    settings = profile_settings(plan.profile)
    return {block: settings[block] for block in ("contrastive", "contrastive_images")}


def _digest(sample: Sample) -> str:
    """What a sample is told by. No measured number: another processor's differ in their last digit."""
    made_of = [library_fingerprint(room) for room in INGREDIENTS] if sample.provenance.get("dataset") == "mock" else []
    names = sample.catalog["objID"] if "objID" in sample.catalog else sample.catalog.index
    told = [sample.provenance.get("origin"), made_of, names.tolist(), sample.split.tolist()]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _train_once(training: Training, sample: Sample, rows: np.ndarray, profile: str, path: Path, device: str) -> None:
    """Train, judge on the test split, and keep the result."""
    print(f"{training.inputs}, {training.words}, {len(rows)} galaxies, seed {training.seed}", flush=True)
    test, checkpoints = sample.rows("test"), path.with_suffix("")
    if training.group == "rival":
        bins = MassBins(training.settings["n_bins"])
        # The training galaxies of this size, and all others.
        part = sample.take(np.concatenate([rows, sample.rows("validation"), test]))
        probability = boosting_density(part, training.inputs, bins, seed=training.seed).probability[part.rows("test")]
        found: dict[str, Any] = {}
    else:
        model = train(
            sample,
            training.inputs,
            profile,
            seed=training.seed,
            device=device,
            rows=rows,
            checkpoint_dir=checkpoints,
            **training.settings,
        )
        bins, (probability, _) = model.bins, predict_mass(model, sample.take(test), device=device)
        found = {
            "minutes": model.cost["seconds"] / 60,
            **{name: model.cost[name] for name in ("seconds_per_step", "precision", "device")},
            "torch": torch.__version__,
            **{name: model.verdict[name] for name in ("best_step", "steps", "late_gain", "converged")},
        }
    mass = sample.mass[test]
    quality, loss = mass_quality(probability, bins, mass), cross_entropy(probability, bins, mass)
    _, low, high = paired_difference(loss, np.zeros_like(loss), seed=0)
    record = {
        "inputs": training.inputs,
        "n_train": len(rows),
        "seed": training.seed,
        **{name: getattr(quality, name) for name in ("cross_entropy", "rmse", "sigma_mad", "crps", "pit_departure")},
        **{"low": low, "high": high},
        **found,
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps({"record": record, "loss": loss.tolist()}), encoding="utf-8")
    shutil.rmtree(checkpoints, ignore_errors=True)


def _provenance(plan: Plan, sample: Sample, done: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        **provenance("make study", plan),
        "library": library_fingerprint("contrastive"),
        "machine": "; ".join(sorted({record["device"] for record in done})),
        "torch": "; ".join(sorted({record["torch"] for record in done})),
        # Two entries that are one training count once.
        "training_minutes": sum({(r["inputs"], r["cross_entropy"]): r["minutes"] for r in done}.values()),
        "dataset": "mock",
        "split": sample.split.value_counts().to_dict(),
        "settings": _settings(plan),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time; a GPU has room for several")
    options = parser.parse_args(arguments)
    plan = Plan()
    sample = load_sample("mock", plan.n_galaxies, 0)
    found = study(plan, sample, ROOT / "runs" / "study", device=options.device, n_jobs=options.jobs)
    print(f"{len(found['learning_curve'])} + {len(found['ablations'])} trainings are in {RESULT}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
