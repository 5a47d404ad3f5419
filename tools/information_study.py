"""Can the estimates of chapter 5 be believed? Tried where the truth is known, at sizes that take too long to wait for.

The result is one file, ``src/helpers/stored/information_study.json``: for each experiment a table of rows, and where it
comes from.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from helpers.grid import Outcome, Task
from helpers.information import (
    CrossCheck,
    boosting_information,
    compose,
    copula_information,
    distinct_inputs,
    ksg_information,
)
from helpers.information.checkpoints import Fit
from helpers.information.decomposition import summarise
from helpers.information.estimators import InformationEstimate, information_configs, make_estimate
from helpers.information.intervals import bootstrap_means
from helpers.information.laboratory import Inputs, Laboratory
from helpers.information.truths import KnownTruth, draw_gaussian, draw_student, draw_transformed, plant
from helpers.information.tuples import PHOTOMETRIC_BAND_TUPLES
from helpers.runs import profile_settings
from helpers.survey import Sample, load_sample
from helpers.survey.mock.loading import INGREDIENTS
from tools.studies import STORED, Study, code_of, mock, provenance

__all__ = ["AmortisedAgrees", "ClosedForms", "NullUniverses", "Plan", "Planted", "Untouched", "study"]

RESULT = STORED / "information_study.json"
# What makes an estimate what it is; an edit elsewhere in the library does not undo a study.
NETWORKS = tuple(
    f"information/{name}.py"
    for name in ("config", "entropy", "estimators", "fitting", "heads", "intervals", "laboratory", "networks")
)
NETWORKS += ("information/observations.py", "information/pictures.py", "information/decomposition.py")
NETWORKS += ("inputs.py", "survey/sample.py")
NETWORKS += tuple(
    f"contrastive/{name}.py"
    for name in ("bins", "calibration", "config", "data", "devices", "features", "fitting", "images", "image_networks")
)
NETWORKS += ("contrastive/networks.py",)
N_BOOTSTRAP = 1000
PHOTOMETRY, PICTURES = "Mopt", "Ioptnorm"
BOTH = f"{PHOTOMETRY}+{PICTURES}"
CROSS_CHECKS = ("ksg", "copula", "boosting")
# Beyond which neighbours are too far, and trees slow.
MOST_DIMENSIONS = {"ksg": 4, "boosting": 4}

Settings = dict[str, Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class NullUniverses:
    """Images that tell nothing beyond the photometry, asked with a base that is trained and with one that is not.

    Attributes
    ----------
    datasets : tuple of str
    seeds : tuple of int
        Universes of each, and of their networks.
    n_galaxies : int
    base_steps : tuple of int
        Optimiser steps of the base's networks; 0 stands for the profile's.
    image_steps, image_folds, image_corrections : int
        Of the networks that read images.
    """

    datasets: tuple[str, ...] = ("mock-swapped-shapes", "mock-one-spectrum")
    seeds: tuple[int, ...] = tuple(range(8))
    n_galaxies: int = 3000
    base_steps: tuple[int, ...] = (0, 40)
    image_steps: int = 800
    image_folds: int = 2
    image_corrections: int = 1

    code: ClassVar[tuple[str, ...]] = (*NETWORKS, *INGREDIENTS, "survey/mock", "survey/nulls.py")

    def items(self) -> Iterator[Settings]:
        """Each seed, with all its universes: they share their photometry."""
        own = _without(self, "seeds")
        yield from ({"seed": seed} | own for seed in self.seeds)

    @staticmethod
    def measure(
        datasets: Sequence[str],
        seed: int,
        n_galaxies: int,
        base_steps: Sequence[int],
        *,
        profile: str,
        **images: Any,
    ) -> Rows:
        """What pictures add to the photometry, by each base, in universes that nothing reads again."""
        rows: Rows = []
        with TemporaryDirectory() as universes:
            for dataset in datasets:
                sample = load_sample(dataset, n_galaxies, seed, cache_dir=universes, n_processes=1)
                reuse: dict[Any, Any] = {}  # the networks that read pictures alone serve every base
                for steps in base_steps:
                    laboratory = _laboratory(sample, profile, reuse, steps, **images)
                    found = _added(laboratory, PHOTOMETRY, BOTH, seed)
                    rows.append({"dataset": dataset, "base_steps": steps} | found)
        return rows


@dataclass(frozen=True)
class Untouched:
    """What images add where they do tell something, against the number of training galaxies.

    Attributes
    ----------
    n_train : tuple of int
        Training galaxies; the validation split shrinks alike, and the test split stays.
    seeds : tuple of int
        Subsets of each size, and of their networks.
    n_galaxies : int
        Of the mock.
    image_steps : tuple of int
        Of the networks that read images, at each size.
    image_folds, image_corrections : int
    """

    n_train: tuple[int, ...] = (700, 1400, 2800, 5600, 14_000)
    seeds: tuple[int, ...] = (0, 1)
    n_galaxies: int = 20_000
    image_steps: tuple[int, ...] = (1000, 1000, 1000, 2000, 4000)
    image_folds: int = 2
    image_corrections: int = 1

    code: ClassVar[tuple[str, ...]] = (*NETWORKS, *INGREDIENTS)

    def items(self) -> Iterator[Settings]:
        """Each size and seed, the longest first."""
        own = _without(self, "n_train", "seeds", "image_steps")
        for n_train, steps in sorted(zip(self.n_train, self.image_steps, strict=True), reverse=True):
            for seed in self.seeds:
                yield {"n_train": n_train, "seed": seed, "image_steps": steps} | own

    @staticmethod
    def measure(n_train: int, seed: int, n_galaxies: int, *, profile: str, **images: Any) -> Rows:
        """What pictures add to the photometry, nested and by networks trained from scratch (paper)."""
        laboratory = _laboratory(_fewer(mock(n_galaxies), n_train, seed), profile, {}, **images)
        start = time.perf_counter()
        nested = _added(laboratory, PHOTOMETRY, BOTH, seed)
        middle = time.perf_counter()
        alone, both = (_pointwise(laboratory, laboratory.separate(inputs, seed)) for inputs in (PHOTOMETRY, BOTH))
        published = _with_intervals(pd.DataFrame({"separate_gain": both - alone}), seed)
        seconds = {"nested_seconds": middle - start, "separate_seconds": time.perf_counter() - middle}
        return [nested | {"separate_base": float(alone.mean())} | published | seconds]


@dataclass(frozen=True)
class Planted:
    """A column that tells a known amount of a made-up mass beyond the photometry, against the number of galaxies.

    Attributes
    ----------
    n_galaxies : tuple of int
        Galaxies, of which the mock's share trains and validates; the whole mock's test split is measured on.
    information : tuple of float
        Planted, nats; 0 is a null.
    seeds : tuple of int
        Of masses, columns and networks.
    mock_size : int
    """

    n_galaxies: tuple[int, ...] = (1000, 5000, 20_000)
    information: tuple[float, ...] = (0.15, 0.0)
    seeds: tuple[int, ...] = tuple(range(4))
    mock_size: int = 20_000

    code: ClassVar[tuple[str, ...]] = (*NETWORKS, *INGREDIENTS, "information/truths.py")

    def items(self) -> Iterator[Settings]:
        """Each size and seed, the longest first."""
        own = _without(self, "n_galaxies", "seeds")
        for n_galaxies in sorted(self.n_galaxies, reverse=True):
            yield from ({"n_galaxies": n_galaxies, "seed": seed} | own for seed in self.seeds)

    @staticmethod
    def measure(n_galaxies: int, seed: int, information: Sequence[float], mock_size: int, *, profile: str) -> Rows:
        """What each column adds, and what it truly adds on the held-out galaxies."""
        whole = replace(mock(mock_size), images=None)
        n_train = round(len(whole.rows("train")) * n_galaxies / mock_size)
        rows: Rows = []
        reuse: dict[Any, Any] = {}  # the mass is the same whatever is planted, so that one base serves all
        for nats in information:
            planted = plant(whole, PHOTOMETRY, nats, seed=seed)
            laboratory = _laboratory(_fewer(planted.sample, n_train, seed), profile, reuse)
            found = _added(laboratory, planted.inputs, (*planted.inputs, planted.column), seed)
            truth = float(planted.pointwise[whole.rows("test")].mean())
            rows.append({"information": nats, "truth": truth} | found)
        return rows


@dataclass(frozen=True)
class ClosedForms:
    """Distributions whose information is a formula.

    Attributes
    ----------
    families : tuple of str
        ``"gaussian"``, ``"student"``, or a transform of `helpers.information.truths.draw_transformed`.
    n_dimensions : tuple of int
    information : tuple of float
        Nats. Where Student's t cannot have so little, the least it can have stands in its place.
    methods : tuple of str
        ``"separate"``, ``"nested"``, ``"amortised"``, ``"ksg"`` and ``"boosting"`` (in few dimensions), ``"copula"``.
    n_galaxies : int
    seed : int
    """

    families: tuple[str, ...] = ("gaussian", "half-cube", "bend", "student", "spiral")
    n_dimensions: tuple[int, ...] = (1, 4, 16)
    information: tuple[float, ...] = (0.0, 1.5, 3.0)
    methods: tuple[str, ...] = ("nested", "separate", "amortised", *CROSS_CHECKS)
    n_galaxies: int = 20_000
    seed: int = 0

    code: ClassVar[tuple[str, ...]] = (
        *NETWORKS,
        "information/truths.py",
        "information/crosschecks.py",
        "contrastive/baselines.py",
    )

    def items(self) -> Iterator[Settings]:
        """Each distribution and method, but where the two do not go together."""
        own = _without(self, "families", "n_dimensions", "information", "methods")
        for method in self.methods:
            for family in self.families:
                for n_dimensions in self.n_dimensions:
                    if n_dimensions > MOST_DIMENSIONS.get(method, n_dimensions):
                        continue
                    if family in ("bend", "spiral") and n_dimensions < 2:
                        continue
                    for nats in self.information:
                        what = {"family": family, "n_dimensions": n_dimensions, "information": nats, "method": method}
                        yield what | own

    @staticmethod
    def measure(
        family: str,
        n_dimensions: int,
        information: float,
        method: str,
        n_galaxies: int,
        seed: int,
        *,
        profile: str,
    ) -> Rows:
        """What a method finds, and the truth of the galaxies that it was measured on."""
        known = _draw(family, n_galaxies, n_dimensions, information, seed)
        sample, columns = known.sample(seed=seed), known.columns["x1"]
        found: InformationEstimate | CrossCheck
        if method == "ksg":
            found = ksg_information(known.sources["x1"], known.target, seed=seed)
        elif method == "copula":
            found = copula_information(known.sources["x1"], known.target)
        elif method == "boosting":
            found = boosting_information(sample, columns, seed=seed)
        else:
            # The amortised network has to tell the whole from its first half.
            half = [columns[: n_dimensions // 2]] if method == "amortised" and n_dimensions > 1 else []
            *_, found = _estimates(_laboratory(sample, profile, {}, estimator=method), [*half, columns], method, seed)
        measured = ~np.isnan(found.pointwise)
        low, high = found.interval
        truth = {"truth": float(known.pointwise["x1"][measured].mean()), "closed_form": known.information["x1"]}
        return [truth | {"found": found.mean, "found_low": low, "found_high": high}]


@dataclass(frozen=True)
class AmortisedAgrees:
    """One network for all divisions of the photometric bands, against a network or fold networks for each input.

    Attributes
    ----------
    estimators : tuple of str
    n_galaxies : int
        Of the mock.
    seeds : tuple of int
        Of the networks.
    """

    estimators: tuple[str, ...] = ("separate", "amortised")
    n_galaxies: int = 20_000
    seeds: tuple[int, ...] = (0, 1, 2, 3)

    code: ClassVar[tuple[str, ...]] = (
        *NETWORKS,
        *INGREDIENTS,
        "information/composition.py",
        "information/pairs.py",
        "information/tuples.py",
    )

    def items(self) -> Iterator[Settings]:
        """Each estimator with each seed."""
        own = _without(self, "estimators", "seeds")
        yield from ({"estimator": one, "seed": seed} | own for one in self.estimators for seed in self.seeds)

    @staticmethod
    def measure(estimator: str, n_galaxies: int, seed: int, *, profile: str) -> Rows:
        """Cross-entropy of every input, conditional information of every tuple both ways, and seconds of training."""
        sample = replace(mock(n_galaxies), images=None)
        inputs = distinct_inputs(PHOTOMETRIC_BAND_TUPLES, sample)
        laboratory = _laboratory(sample, profile, {}, estimator=estimator)
        start = time.perf_counter()
        estimates = dict(zip(inputs, _estimates(laboratory, list(inputs.values()), estimator, seed), strict=True))
        seconds = time.perf_counter() - start
        decompositions = compose(PHOTOMETRIC_BAND_TUPLES, estimates, sample)
        cross_entropy = {name: float(np.nanmean(one.cross_entropy)) for name, one in estimates.items()}
        conditional = {name: [one.conditional_1, one.conditional_2] for name, one in decompositions.items()}
        return [{"training_seconds": seconds, "cross_entropy": cross_entropy, "conditional": conditional}]


@dataclass(frozen=True)
class Plan:
    """All experiments, and the profile of their networks. The defaults are what is kept with the library.

    Attributes
    ----------
    profile : str
    amortised_agrees : AmortisedAgrees
    untouched : Untouched
    null_universes : NullUniverses
    closed_forms : ClosedForms
    planted : Planted
    """

    profile: str = "book"
    # Those of the longest items first, so that none is left to run alone at the end.
    amortised_agrees: AmortisedAgrees = field(default_factory=AmortisedAgrees)
    untouched: Untouched = field(default_factory=Untouched)
    null_universes: NullUniverses = field(default_factory=NullUniverses)
    closed_forms: ClosedForms = field(default_factory=ClosedForms)
    planted: Planted = field(default_factory=Planted)

    def experiments(self) -> dict[str, Any]:
        """Experiments by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "profile"}


def study(plan: Plan | None = None, *, result: Path = RESULT) -> Study:
    """Tasks of a plan, and how their outcomes become a file.

    Parameters
    ----------
    plan : Plan, optional
    result : path
        The file: rows of each experiment by its name, and ``provenance`` of each.
    """
    plan = plan or Plan()
    experiments = plan.experiments()
    settings = {name: list(experiment.items()) for name, experiment in experiments.items()}
    tasks = [
        _task(experiments[name], f"information: {name} {number}", one, plan.profile)
        for name, own in settings.items()
        for number, one in enumerate(own)
    ]
    # Of the code that is about to run: it may be edited before all is done.
    origins = {name: provenance("make information", experiment) for name, experiment in experiments.items()}

    def assemble(outcomes: Sequence[Outcome]) -> dict[str, Any]:
        found: dict[str, Any] = {"provenance": {}}
        left = iter(outcomes)
        for name, own in settings.items():
            measured = list(islice(left, len(own)))
            found[name] = [
                one | row | {"seconds": outcome.seconds}
                for one, outcome in zip(own, measured, strict=True)
                for row in outcome.found
            ]
            found["provenance"][name] = origins[name] | {
                "profile": plan.profile,
                "seconds": sum(outcome.seconds for outcome in measured),
                "settings": _settings(experiments[name], plan.profile),
            }
        return found

    n_mock = max(_mock_size(experiment) for experiment in experiments.values())
    return Study("information", tuple(tasks), assemble, result, n_mock)


def _task(experiment: Any, name: str, settings: Settings, profile: str) -> Task:
    own_code = code_of(experiment.measure, *SHARED)
    depends = [_settings(experiment, profile), own_code, N_BOOTSTRAP, BOTH, version("torch")]
    return Task(
        name,
        experiment.measure,
        settings | {"profile": profile},
        code=experiment.code,
        depends=depends,
    )


def _mock_size(experiment: Any) -> int:
    """How many galaxies of the mock an experiment reads."""
    if isinstance(experiment, Planted):
        return experiment.mock_size
    return experiment.n_galaxies if isinstance(experiment, Untouched | AmortisedAgrees) else 0


def _settings(experiment: Any, profile: str) -> Settings:
    """What of a profile the networks of an experiment go by."""
    settings = profile_settings(profile)
    blocks = ["information"]
    if isinstance(experiment, Untouched | NullUniverses):
        blocks.append("information_images")
    if isinstance(experiment, ClosedForms | AmortisedAgrees):
        blocks.append("information_amortised")
    return {name: settings.get(name, {}) for name in blocks}


def _without(experiment: Any, *names: str) -> Settings:
    """Settings of an experiment that all its items share."""
    return {name: value for name, value in asdict(experiment).items() if name not in names}


# What the experiments share --------------------------------------------------------------------------------------


def _fewer(sample: Sample, n_train: int, seed: int) -> Sample:
    """Sample of so many training galaxies, the same share of those that validate, and all that test.

    Of one seed, a smaller sample is a part of every larger one. A size beyond what there is means all there is.
    """
    share = min(1.0, n_train / len(sample.rows("train")))
    rng = np.random.default_rng([seed, 51])
    kept = [sample.rows("test")]
    for part in ("train", "validation"):
        rows = sample.rows(part)
        kept.append(rng.permutation(rows)[: round(share * len(rows))])
    return sample.take(np.sort(np.concatenate(kept)))


def _laboratory(
    sample: Sample,
    profile: str,
    reuse: dict[Any, Any],
    steps: int = 0,
    *,
    estimator: str = "nested",
    image_steps: int | None = None,
    image_folds: int | None = None,
    image_corrections: int | None = None,
) -> Laboratory:
    """Networks of one sample, on a processor; `steps` of those that read columns alone, 0 for the profile's."""
    asked = {"steps": image_steps, "n_folds": image_folds, "n_corrections": image_corrections}
    of_images = {name: value for name, value in asked.items() if value is not None}
    config, _ = information_configs(profile, estimator, **({"steps": steps} if steps else {}))
    _, image_config = information_configs(profile, estimator, **of_images)
    return Laboratory(sample, config, image_config=image_config, device="cpu", resample=False, reuse=reuse)


def _added(laboratory: Laboratory, base: Inputs, union: Inputs, seed: int) -> dict[str, Any]:
    """What a union adds to its base, as `helpers.information.InputDecomposition.mean` has it, and the placebo."""
    fits = [laboratory.part(base, seed), laboratory.union(base, union, seed)]
    fits.append(laboratory.union(base, union, seed, placebo=True))
    alone, both, placebo = (_pointwise(laboratory, fit) for fit in fits)
    gains = pd.DataFrame({"raw": both - alone, "placebo": placebo - alone, "net": both - placebo})
    return {
        "trained_on": len(laboratory.rows["train"]),
        "measured_on": len(laboratory.rows["test"]),
        "base": float(alone.mean()),
        "union": float(both.mean()),
        **_with_intervals(gains, seed),
        **{f"{name}_step": fit.best_step for name, fit in zip(("base", "union", "placebo"), fits, strict=True)},
    }


def _pointwise(laboratory: Laboratory, fit: Fit) -> np.ndarray:
    """Information on each test galaxy's mass, nats."""
    return make_estimate(laboratory, "", [fit], (0,), {}).pointwise[laboratory.rows["test"]]


def _with_intervals(table: pd.DataFrame, seed: int) -> dict[str, float]:
    """Means over galaxies, with 95% intervals."""
    summary = summarise(table, bootstrap_means(table.to_numpy(), N_BOOTSTRAP, seed))
    ends = {"": "mean", "_low": "low", "_high": "high"}
    return {f"{name}{end}": float(summary.loc[name, column]) for name in table for end, column in ends.items()}


def _estimates(
    laboratory: Laboratory, inputs: Sequence[Inputs], estimator: str, seed: int
) -> list[InformationEstimate]:
    """Estimates of inputs, each by itself or all by one network."""
    if estimator == "amortised":
        fits = laboratory.amortised(inputs, seed)
    else:
        fit = {"separate": laboratory.separate, "nested": laboratory.part}[estimator]
        fits = [fit(one, seed) for one in inputs]
    return [make_estimate(laboratory, "", [own], (seed,), {}) for own in fits]


def _draw(family: str, n_galaxies: int, n_dimensions: int, information: float, seed: int) -> KnownTruth:
    """Galaxies of a distribution whose information is known."""
    if family == "gaussian":
        return draw_gaussian(n_galaxies, n_dimensions, information, seed)
    if family == "student":
        least = draw_student(1, n_dimensions).information["x1"]
        return draw_student(n_galaxies, n_dimensions, max(information, least) if information else 0.0, seed=seed)
    return draw_transformed(n_galaxies, n_dimensions, information, family, seed)


SHARED = (_fewer, _laboratory, _added, _pointwise, _with_intervals, _estimates, _draw)
