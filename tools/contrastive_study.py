"""Train what takes too long for every reader: learning curves and ablations of chapter 2, kept with the library.

The result is one file, ``src/helpers/stored/contrastive_study.json``, with its provenance.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from helpers.contrastive import MassBins, predict_mass, train
from helpers.contrastive.baselines import boosting_density
from helpers.contrastive.quality import cross_entropy, mass_quality, paired_difference
from helpers.grid import Outcome, Task
from helpers.runs import library_fingerprint, profile_settings
from helpers.survey import Sample
from helpers.survey.mock.loading import INGREDIENTS
from tools.project import ROOT
from tools.studies import STORED, Study, code_of, mock, provenance

__all__ = ["Plan", "Training", "study", "train_once", "trainings"]

RESULT = STORED / "contrastive_study.json"
UNFINISHED = ROOT / "runs" / "unfinished"  # checkpoints of trainings that were killed
CURVES = ("Mopt", "Iopt", "Iopt+Mir", "Iopt+Mir+Zspec")
# What makes a training what it is; an edit elsewhere in the library does not undo a study.
CODE: tuple[str, ...] = ("bins", "features", "images", "data", "image_networks", "networks", "losses", "config")
CODE += ("fitting", "training", "model", "calibration", "quality", "devices")
RIVAL_CODE = ("baselines", "features", "calibration", "quality", "bins")
# And what they are trained on.
GALAXIES = (*INGREDIENTS, "inputs.py", "survey/sample.py")
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


def study(plan: Plan | None = None, *, device: str = "cpu", result: Path = RESULT) -> Study:
    """Tasks of a plan, a training each, and how their outcomes become a file.

    Parameters
    ----------
    plan : Plan, optional
    device : str, default "cpu"
        ``"cuda"`` for workers that have a GPU.
    result : path
        The file: ``provenance``, ``learning_curve``, ``rivals``, ``ablations``, ``paired`` and ``ablation_gaps``,
        each variant less the unchanged method.
    """
    plan = plan or Plan()
    planned = list(trainings(plan))
    tasks = [_task(plan, training, device) for training in planned]
    origin = provenance("make study", plan)

    def assemble(outcomes: Sequence[Outcome]) -> dict[str, Any]:
        return _result(plan, planned, [one.found for one in outcomes], origin)

    return Study("contrastive", tuple(tasks), assemble, result, plan.n_galaxies)


def _task(plan: Plan, training: Training, device: str) -> Task:
    rival = training.group == "rival"
    block = "contrastive_images" if training.inputs.startswith("I") else "contrastive"
    what = {name: value for name, value in asdict(training).items() if name not in ("group", "variant", "words")}
    given = {"profile": plan.profile, "n_galaxies": plan.n_galaxies}
    return Task(
        f"contrastive: {training.variant}, {training.group}, {training.n_train} galaxies, seed {training.seed}",
        boost_once if rival else train_once,
        what | given | ({} if rival else {"device": device}),
        code=(*GALAXIES, *(f"contrastive/{name}.py" for name in (RIVAL_CODE if rival else CODE))),
        # The longest first, so that no worker is left alone with one at the end.
        priority=training.settings.get("steps", 0),
        gpus=int(device == "cuda" and not rival),
        depends=[
            code_of(train_once, boost_once, _judged, _rows),
            {} if rival else profile_settings(plan.profile)[block],
            version("torch"),
        ],
    )


def _result(
    plan: Plan, planned: Sequence[Training], stored: Sequence[Mapping[str, Any]], origin: Mapping[str, Any]
) -> dict[str, Any]:
    """What the file holds."""
    names = [{name: getattr(training, name) for name in ("group", "variant", "words")} for training in planned]
    done = [one["record"] | name for one, name in zip(stored, names, strict=True)]
    losses: dict[tuple[str, int], list[np.ndarray]] = {}
    sizes = {}
    for training, one in zip(planned, stored, strict=True):
        losses.setdefault((training.variant, training.n_train), []).append(np.array(one["loss"]))
        sizes[training.n_train] = one["record"]["n_train"]
    unchanged = losses["contrastive", plan.n_ablation]
    networks = [record for record in done if record["group"] != "rival"]
    return {
        "provenance": {
            **origin,
            "library": library_fingerprint("contrastive"),
            "machine": "; ".join(sorted({record["device"] for record in networks})),
            "torch": "; ".join(sorted({record["torch"] for record in networks})),
            # Two entries that are one training count once.
            "training_minutes": sum({(r["inputs"], r["cross_entropy"]): r["minutes"] for r in networks}.values()),
            "dataset": "mock",
            "split": stored[0]["split"],
            "settings": {name: profile_settings(plan.profile)[name] for name in ("contrastive", "contrastive_images")},
        },
        "learning_curve": [record for record in done if record["group"] == "learning_curve"],
        "rivals": [record for record in done if record["group"] == "rival"],
        "ablations": [record for record in done if record["group"] == "ablation"],
        "paired": [
            {"first": first, "second": second, "n_train": sizes[n_train]}
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


def _difference(first: list[np.ndarray], second: list[np.ndarray]) -> dict[str, Any]:
    """Difference of the mean losses of two inputs' trainings, its interval over galaxies, and that of each seed."""
    paired = paired_difference(np.mean(first, axis=0), np.mean(second, axis=0), seed=0)._asdict()
    # What was trained once meets every seed of the other.
    n_pairs = max(len(first), len(second))
    each = zip(first * (n_pairs // len(first)), second * (n_pairs // len(second)), strict=True)
    return paired | {"seeds": [float((a - b).mean()) for a, b in each]}


def _rows(sample: Sample, n_train: int) -> np.ndarray:
    """Training rows, of which those of a smaller size are a part; a size beyond what there is means all there is."""
    return np.sort(np.random.default_rng(0).permutation(sample.rows("train"))[:n_train])


def train_once(
    inputs: str, n_train: int, seed: int, settings: Mapping[str, Any], profile: str, n_galaxies: int, device: str
) -> dict[str, Any]:
    """Train a network and judge it on the test split; one that was killed goes on where it stopped.

    Returns
    -------
    dict
        ``record``; ``loss`` of each test galaxy, nats; ``split``, galaxies of each part.
    """
    sample = mock(n_galaxies)
    rows = _rows(sample, n_train)
    told = json.dumps([inputs, n_train, seed, settings, profile, n_galaxies, device], sort_keys=True)
    checkpoints = UNFINISHED / hashlib.sha256(told.encode()).hexdigest()[:16]
    model = train(sample, inputs, profile, seed=seed, device=device, rows=rows, checkpoint_dir=checkpoints, **settings)
    probability, _ = predict_mass(model, sample.take(sample.rows("test")), device=device)
    found = {
        "minutes": model.cost["seconds"] / 60,
        **{name: model.cost[name] for name in ("seconds_per_step", "precision", "device")},
        "torch": version("torch"),
        **{name: model.verdict[name] for name in ("best_step", "steps", "late_gain", "converged")},
    }
    judged = _judged(sample, probability, model.bins, {"inputs": inputs, "n_train": len(rows), "seed": seed}, found)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return judged


def boost_once(
    inputs: str, n_train: int, seed: int, settings: Mapping[str, Any], profile: str, n_galaxies: int
) -> dict[str, Any]:
    """Boost trees and judge them likewise."""
    sample = mock(n_galaxies)
    rows, bins = _rows(sample, n_train), MassBins(settings["n_bins"])
    # The training galaxies of this size, and all others.
    part = sample.take(np.concatenate([rows, sample.rows("validation"), sample.rows("test")]))
    probability = boosting_density(part, inputs, bins, seed=seed).probability[part.rows("test")]
    return _judged(sample, probability, bins, {"inputs": inputs, "n_train": len(rows), "seed": seed}, {})


def _judged(
    sample: Sample, probability: np.ndarray, bins: MassBins, what: dict[str, Any], found: dict[str, Any]
) -> dict[str, Any]:
    mass = sample.mass[sample.rows("test")]
    quality, loss = mass_quality(probability, bins, mass), cross_entropy(probability, bins, mass)
    _, low, high = paired_difference(loss, np.zeros_like(loss), seed=0)
    measures = ("cross_entropy", "rmse", "sigma_mad", "crps", "pit_departure")
    record = what | {name: getattr(quality, name) for name in measures} | {"low": low, "high": high} | found
    return {"record": record, "loss": loss.tolist(), "split": sample.split.value_counts().to_dict()}
