"""Train what takes too long for every reader: learning curves and ablations of chapter 2, kept with the library.

Each training is stored when it is done, so that a killed study goes on where it stopped. The result is one file,
``src/helpers/stored/contrastive_study.json``, with its provenance.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from helpers.contrastive import TrainedModel, predict_mass, train
from helpers.contrastive.quality import cross_entropy, mass_quality, paired_difference
from helpers.runs import atomic_path, library_fingerprint, profile_settings
from helpers.survey import Sample, load_sample

if __package__ in (None, ""):
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT

__all__ = ["Plan", "Training", "main", "study", "trainings"]

RESULT = ROOT / "src" / "helpers" / "stored" / "contrastive_study.json"
CURVES = ("Mopt", "Iopt", "Iopt+Mir", "Iopt+Mir+Zspec")
# What makes a training what it is; an edit elsewhere in the library does not undo a study.
CODE: tuple[str, ...] = ("bins", "features", "images", "data", "image_networks", "networks", "losses", "config")
CODE += ("fitting", "training", "model", "calibration", "quality")
# Pairs whose difference on the same galaxies says which input tells more.
PAIRS = (("Mopt", "Iopt"), ("Iopt", "Iopt+Mir"), ("Iopt+Mir", "Iopt+Mir+Zspec"))


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
    n_ablation : int
        Training size of the ablations, one of `n_train`.
    n_bins : int
        The same at all sizes: a cross-entropy depends on it.
    """

    profile: str = "full"
    n_galaxies: int = 20000
    n_train: tuple[int, ...] = (500, 1500, 4500, 14000)
    image_steps: tuple[int, ...] = (150, 450, 1200, 2800)
    n_ablation: int = 1500
    n_bins: int = 104


@dataclass(frozen=True)
class Training:
    """One training of a study.

    Attributes
    ----------
    group : str
        ``"learning_curve"`` or ``"ablation"``.
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
    ("whole pixels", "64 x 64 pixels", {"bin_pixels": 1}),
)


def trainings(plan: Plan) -> Iterator[Training]:
    """All trainings of a study, the cheapest first."""
    steps = dict(zip(plan.n_train, plan.image_steps, strict=True))

    def settings(inputs: str, n_train: int) -> dict[str, Any]:
        return {"n_bins": plan.n_bins} | ({"steps": steps[n_train]} if inputs.startswith("I") else {})

    for n_train in plan.n_train:
        for inputs in CURVES:
            yield Training("learning_curve", inputs, inputs, inputs, n_train, 0, settings(inputs, n_train))
    for seed in (0, 1, 2):
        for variant, words, changes in VARIANTS:
            if seed and variant not in ("contrastive", "supervised", "residual"):
                continue
            own = settings("Iopt", plan.n_ablation) | changes
            if variant == "twice the steps":
                own["steps"] *= 2
            yield Training("ablation", variant, words, "Iopt", plan.n_ablation, seed, own)


def study(plan: Plan, sample: Sample, folder: Path, *, device: str = "auto", result: Path = RESULT) -> dict[str, Any]:
    """Train what is missing of a plan, and write the result.

    Parameters
    ----------
    plan : Plan
    sample : Sample
        With images, infrared magnitudes and redshifts.
    folder : path
        Where finished trainings are kept.
    device : str, default "auto"
    result : path
        The file to write.

    Returns
    -------
    dict
        What the file holds: ``provenance``, ``learning_curve``, ``ablations``, ``paired``.
    """
    # The first of these are the small samples, so that a larger one holds every smaller one.
    order = np.random.default_rng(0).permutation(sample.rows("train"))
    # A size beyond what there is means all there is.
    plan_sizes = {n_train: min(n_train, len(order)) for n_train in plan.n_train}
    done, losses = [], {}
    for training in trainings(plan):
        rows = np.sort(order[: plan_sizes[training.n_train]])
        record, loss = _once(training, sample, rows, plan, folder, device)
        done.append(record)
        losses[training.group, training.variant, training.n_train, training.seed] = loss
    paired = [
        {"first": first, "second": second, "n_train": plan_sizes[n_train]}
        | paired_difference(
            losses["learning_curve", first, n_train, 0], losses["learning_curve", second, n_train, 0], seed=0
        )._asdict()
        for n_train in plan.n_train
        for first, second in PAIRS
    ]
    found = {
        "provenance": _provenance(plan, sample, done),
        "learning_curve": [record for record in done if record["group"] == "learning_curve"],
        "ablations": [record for record in done if record["group"] == "ablation"],
        "paired": paired,
    }
    result.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(result) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _once(
    training: Training, sample: Sample, rows: np.ndarray, plan: Plan, folder: Path, device: str
) -> tuple[dict[str, Any], np.ndarray]:
    """Result of a training and the test galaxies' losses: read if they are stored, computed if not."""
    code = [library_fingerprint(f"contrastive/{name}.py") for name in CODE]
    settings = profile_settings(plan.profile)
    blocks = [settings[block] for block in ("contrastive", "contrastive_images")]
    what = [training.inputs, training.n_train, training.seed, training.settings]
    key = json.dumps([what, blocks, code, _digest(sample)], sort_keys=True)
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        print(f"{training.inputs}, {training.words}, {len(rows)} galaxies, seed {training.seed}", flush=True)
        checkpoints = folder / "checkpoints"
        model = train(
            sample,
            training.inputs,
            plan.profile,
            seed=training.seed,
            device=device,
            rows=rows,
            checkpoint_dir=checkpoints,
            **training.settings,
        )
        record, loss = _judge(training, model, sample, len(rows), device)
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps({"record": record, "loss": loss.tolist()}), encoding="utf-8")
        for checkpoint in checkpoints.glob("*.pt"):
            checkpoint.unlink()
    stored = json.loads(path.read_text(encoding="utf-8"))
    # Two entries of a study may be one training.
    names = {name: getattr(training, name) for name in ("group", "variant", "words")}
    return stored["record"] | names, np.array(stored["loss"])


def _digest(sample: Sample) -> str:
    """What a sample is told by: its catalogue and split, and the pixels of one galaxy in a hundred."""
    digest = hashlib.sha256(sample.catalog.to_csv().encode() + "".join(sample.split).encode())
    digest.update(np.ascontiguousarray(sample.images[np.arange(0, len(sample), 100)]).tobytes())
    return digest.hexdigest()[:16]


def _judge(
    training: Training, model: TrainedModel, sample: Sample, n_train: int, device: str
) -> tuple[dict[str, Any], np.ndarray]:
    """Quality of a model on the test split; its numbers, and each galaxy's cross-entropy."""
    test = sample.rows("test")
    probability, _ = predict_mass(model, sample.take(test), device=device)
    mass = sample.mass[test]
    quality = mass_quality(probability, model.bins, mass)
    loss = cross_entropy(probability, model.bins, mass)
    _, low, high = paired_difference(loss, np.zeros_like(loss), seed=0)
    record = {
        "inputs": training.inputs,
        "n_train": n_train,
        "seed": training.seed,
        "cross_entropy": quality.cross_entropy,
        "low": low,
        "high": high,
        "rmse": quality.rmse,
        "sigma_mad": quality.sigma_mad,
        "crps": quality.crps,
        "pit_departure": quality.pit_departure,
        "minutes": model.cost["seconds"] / 60,
        "seconds_per_step": model.cost["seconds_per_step"],
        "precision": model.cost["precision"],
        "device": model.cost["device"],
        **{name: model.verdict[name] for name in ("best_step", "steps", "late_gain", "converged")},
    }
    return record, loss


def _provenance(plan: Plan, sample: Sample, done: Sequence[dict[str, Any]]) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    import torch

    return {
        "command": "make study",
        "commit": commit.stdout.strip() or "not on record",
        "library": library_fingerprint("contrastive"),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": "; ".join(sorted({record["device"] for record in done})),
        "system": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        # Two entries that are one training count once.
        "training_minutes": sum({(r["inputs"], r["cross_entropy"]): r["minutes"] for r in done}.values()),
        "dataset": "mock",
        "split": sample.split.value_counts().to_dict(),
        "plan": asdict(plan),
        "settings": profile_settings(plan.profile),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    options = parser.parse_args(arguments)
    plan = Plan()
    sample = load_sample("mock", plan.n_galaxies, 0)
    found = study(plan, sample, ROOT / "runs" / "study", device=options.device)
    print(f"{len(found['learning_curve'])} + {len(found['ablations'])} trainings are in {RESULT}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
