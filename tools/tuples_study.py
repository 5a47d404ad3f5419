"""All 29 pairs of inputs, and shapes in pairs of bands, on 20,000 mock galaxies.

Each network is trained once however many pairs need it.

Of each kind of pairs there is a study of its own, and its result is one file,
``src/helpers/stored/tuples_<kind>.json``: what each pair's parts are for all galaxies and by class, and those of pairs
of modalities along mass, magnitude and redshift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.grid import Outcome, Task
from helpers.grid.models import pair_tasks
from helpers.information import (
    compose,
    decompose_pairs,
    decomposition_table,
    distinct_inputs,
    estimate_inputs,
    running_components,
)
from helpers.information.decomposition import Decomposition
from helpers.information.estimators import Session, open_session
from helpers.information.laboratory import Inputs
from helpers.information.pairs import fit_role
from helpers.information.tuples import (
    FEATURE_QUANTITIES,
    IMAGE_BAND_TUPLES,
    MODALITY_TUPLES,
    PHOTOMETRIC_BAND_TUPLES,
    InformationTuple,
    feature_tuples,
)
from helpers.runs import profile_settings
from helpers.star_formation import star_formation_class
from helpers.survey import Sample
from helpers.survey.mock.loading import INGREDIENTS
from tools.project import ROOT
from tools.studies import STORED, Study, code_of, mock, provenance

__all__ = ["KINDS", "Plan", "bands_once", "fit_bands_once", "fit_once", "name_of", "pair_once", "study"]

FITS = ROOT / "runs" / "fits"  # shared by all workers
ALONG = {"mass": "lgm_tot_p50", "r magnitude": "petroMag_r", "redshift": "z"}
BANDS: dict[str, Callable[[Sample], Sequence[InformationTuple]]] = {
    "photometric band": lambda sample: PHOTOMETRIC_BAND_TUPLES,
    "image band": lambda sample: IMAGE_BAND_TUPLES,
    "feature": lambda sample: [one for name in FEATURE_QUANTITIES for one in feature_tuples(sample, name)],
}
KINDS = ("modality", *BANDS)  # the first nested, the others amortised

BLOCKS = ("information", "information_images", "information_amortised")

Settings = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is estimated, and how.

    Attributes
    ----------
    profile : str
        Of the networks.
    n_galaxies : int
        Of the mock.
    seeds : tuple of int
        Refits of every network, each on its own bootstrap sample of the training galaxies.
    n_bootstrap : int
    """

    profile: str = "full"
    n_galaxies: int = 20_000
    seeds: tuple[int, ...] = (0, 1, 2)
    n_bootstrap: int = 1000


def name_of(kind: str) -> str:
    """Name of the study of one kind of pairs, and of its file."""
    return f"tuples_{kind.replace(' ', '_')}"


def study(kind: str, plan: Plan | None = None, *, device: str = "cpu", result: Path | None = None) -> Study:
    """Tasks of one kind of pairs, and how their outcomes become a file.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    plan : Plan, optional
    device : str, default "cpu"
        ``"cuda"`` for workers that have a GPU.
    result : path, optional
        The file, by default among the stored ones: ``pairs``, rows of each quantity by tuple and class; ``along``,
        those of pairs of modalities in bins of mass, magnitude and redshift; ``fits``, the steps of every network;
        ``provenance``.
    """
    plan = plan or Plan()
    tasks = tuple(_band_tasks(plan, kind, device) if kind in BANDS else _modality_tasks(plan, device))
    name = name_of(kind)
    origin = provenance("make tuples", plan)
    settings = {name: profile_settings(plan.profile).get(name, {}) for name in BLOCKS}

    def assemble(outcomes: Sequence[Outcome]) -> dict[str, Any]:
        rows: dict[str, list[Any]] = {"pairs": [], "along": [], "fits": []}
        for one in outcomes:
            for name, own in one.found.items():
                rows[name] += own
        seconds = sum(one.seconds for one in outcomes)
        return rows | {"provenance": origin | {"settings": settings, "seconds": seconds}}

    return Study(name, tasks, assemble, result or STORED / f"{name}.json", plan.n_galaxies)


def _modality_tasks(plan: Plan, device: str) -> Iterator[Task]:
    """Networks of all pairs, each once, then the pairs that read them."""
    pairs = {one.name: (one.first, one.second) for one in MODALITY_TUPLES}
    fits = pair_tasks(
        pairs,
        fit_once,
        _settings(plan, device),
        seeds=plan.seeds,
        placebo="second",
        name="tuples: ",
        **_options(plan, device, fit_once),
    )
    yield from fits
    for name in pairs:
        own = tuple(one.name for one in fits if one.name.startswith(f"tuples: {name} "))
        yield _last_task(plan, name, pair_once, {"pair": name}, device, own)


def _band_tasks(plan: Plan, kind: str, device: str) -> Iterator[Task]:
    """An amortised network of each seed, then all pairs."""
    fits = [
        Task(
            f"tuples: {kind}s, seed {seed}",
            fit_bands_once,
            _settings(plan, device) | {"kind": kind, "seed": seed},
            priority=1,  # the longest of all
            **_options(plan, device, fit_bands_once),
        )
        for seed in plan.seeds
    ]
    yield from fits
    yield _last_task(plan, f"{kind}s", bands_once, {"kind": kind}, device, tuple(task.name for task in fits))


def _last_task(plan: Plan, name: str, function: Any, own: Settings, device: str, after: tuple[str, ...]) -> Task:
    settings = _settings(plan, device) | {"n_bootstrap": plan.n_bootstrap} | own
    return Task(f"tuples: {name}", function, settings, after=after, **_options(plan, device, function, _rows_of))


def _settings(plan: Plan, device: str) -> Settings:
    """What every function is called with."""
    return {"profile": plan.profile, "n_galaxies": plan.n_galaxies, "seeds": plan.seeds, "device": device}


def _options(plan: Plan, device: str, *functions: Callable[..., Any]) -> Settings:
    """What else every task has."""
    settings = {block: profile_settings(plan.profile).get(block, {}) for block in BLOCKS}
    return {
        "code": (*INGREDIENTS, "information", "contrastive", "inputs.py", "survey/sample.py", "star_formation.py"),
        "gpus": int(device == "cuda"),
        "depends": [settings, code_of(*functions, _records), ALONG, version("torch")],
    }


# What a worker does ----------------------------------------------------------------------------------------------


def fit_once(a: Inputs, b: Inputs, role: str, seed: int, n_galaxies: int, **session: Any) -> dict[str, Any]:
    """Fit one network of a pair of modalities and keep it for the pairs that need it."""
    fit = fit_role(_session(mock(n_galaxies), "nested", **session), a, b, role, seed)
    return {"fits": [{"first": a, "second": b, "role": role, "seed": seed, "best_step": fit.best_step}]}


def fit_bands_once(kind: str, seed: int, n_galaxies: int, **session: Any) -> dict[str, Any]:
    """Fit the amortised network of all pairs of one kind, and keep it."""
    sample = _bands_of(kind, n_galaxies)
    inputs = list(distinct_inputs(BANDS[kind](sample), sample).values())
    fits = _session(sample, "amortised", **session).laboratories[0].amortised(inputs, seed)
    return {"fits": [{"first": kind, "second": None, "role": "all", "seed": seed, "best_step": fits[0].best_step}]}


def pair_once(pair: str, n_bootstrap: int, n_galaxies: int, **options: Any) -> dict[str, Any]:
    """Decompose a pair of modalities, whose networks have been fitted."""
    one, sample = _modality(pair), mock(n_galaxies)
    found = decompose_pairs(sample, {pair: (one.first, one.second)}, placebo="second", checkpoint_dir=FITS, **options)
    return _rows_of(found, sample, n_bootstrap, along=True)


def bands_once(kind: str, n_bootstrap: int, n_galaxies: int, **options: Any) -> dict[str, Any]:
    """Decompose all pairs of one kind, whose networks have been fitted."""
    sample = _bands_of(kind, n_galaxies)
    inputs = distinct_inputs(BANDS[kind](sample), sample)
    estimates = estimate_inputs(sample, inputs, estimator="amortised", checkpoint_dir=FITS, **options)
    return _rows_of(compose(BANDS[kind](sample), estimates, sample), sample, n_bootstrap)


def _session(sample: Sample, estimator: str, **session: Any) -> Session:
    return open_session(
        sample, estimator=estimator, cross_fit=1, reuse={}, checkpoint_dir=FITS, overrides={}, **session
    )


def _bands_of(kind: str, n_galaxies: int) -> Sample:
    """The mock, of which columns are decomposed without its pictures."""
    return mock(n_galaxies) if kind == "image band" else replace(mock(n_galaxies), images=None)


def _modality(name: str) -> InformationTuple:
    return next(one for one in MODALITY_TUPLES if one.name == name)


def _rows_of(
    found: Mapping[str, Decomposition], sample: Sample, n_bootstrap: int, *, along: bool = False
) -> dict[str, Any]:
    """Rows of all quantities by class and, if asked for, along properties of galaxies; null where there is none."""
    classes = star_formation_class(sample.catalog["specsfr_tot_p50"])
    tables = {"pairs": decomposition_table(found, classes, bootstrap=n_bootstrap)}
    if along:
        tables["along"] = pd.concat(
            running_components(one, sample.catalog[column], bootstrap=n_bootstrap).assign(tuple=name, by=words)
            for name, one in found.items()
            for words, column in ALONG.items()
        )
    return {name: _records(table) for name, table in tables.items()}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table, null where there is no number."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
