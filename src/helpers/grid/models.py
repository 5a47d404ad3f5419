"""The networks of chapters 2 and 5 as tasks: each is trained once, by whichever worker is free."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from helpers.contrastive import train
from helpers.contrastive.devices import pick_device
from helpers.grid.report import GridReport
from helpers.grid.running import run_grid
from helpers.grid.tasks import Task
from helpers.information.estimators import checked_seeds, information_configs, open_session
from helpers.information.laboratory import Inputs
from helpers.information.pairs import fit_role, fitted_roles
from helpers.runs import atomic_path
from helpers.survey import Sample

__all__ = ["fit_pairs", "fit_stored", "pair_tasks", "train_models", "train_stored"]

# What a fit depends on, beside its settings.
CODE = ("information", "contrastive", "inputs.py", "bands.py")


def train_models(
    models: Mapping[str, tuple[Sample, str]],
    checkpoint_dir: str | Path,
    *,
    profile: str = "book",
    seed: int = 0,
    device: str = "auto",
    scheduler: str | None = None,
    n_workers: int | None = None,
    **overrides: Any,
) -> GridReport:
    """Train contrastive models on a grid.

    Called with the same arguments and `checkpoint_dir`, `helpers.contrastive.train` then finds each of them trained.

    Parameters
    ----------
    models : mapping of str to (Sample, str)
        Sample and input of each, under a name for messages.
    checkpoint_dir : path
        All workers have to see it under the same name.
    profile, seed, **overrides
        As in `helpers.contrastive.train`.
    device : str, default "auto"
        What this computer has; the workers need the same.
    scheduler, n_workers
        As in `run_grid`.

    Returns
    -------
    GridReport

    Raises
    ------
    ValueError
        As `run_grid`.
    """
    folder, device = Path(checkpoint_dir).resolve(), pick_device(device)
    paths = {id(sample): _store(sample, folder) for sample, _ in models.values()}
    settings = {"checkpoint_dir": str(folder), "profile": profile, "seed": seed, "device": device, **overrides}
    tasks = [
        Task(
            name,
            train_stored,
            {"sample": paths[id(sample)], "inputs": inputs, **settings},
            code=CODE[1:],
            gpus=int(device == "cuda"),
        )
        for name, (sample, inputs) in models.items()
    ]
    return _run(tasks, folder, scheduler, n_workers)


def train_stored(sample: str, **options: Any) -> dict[str, int]:
    """Train a contrastive model of a sample that lies in a file; ``best_step`` of it."""
    return {"best_step": int(train(_stored(sample), **options).verdict["best_step"])}


def fit_pairs(
    sample: Sample,
    pairs: Mapping[str, tuple[Inputs, Inputs]],
    checkpoint_dir: str | Path,
    *,
    profile: str = "book",
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    placebo: bool | str = True,
    scheduler: str | None = None,
    n_workers: int | None = None,
    **overrides: Any,
) -> GridReport:
    """Train on a grid what `helpers.information.decompose_pairs` with the nested estimator would train one by one.

    Called with the same arguments and `checkpoint_dir`, that function then finds every network trained.

    Parameters
    ----------
    sample : Sample
        Workers read a copy beside the fits, and images that lie in files from these.
    pairs, profile, seeds, placebo, **overrides
        As in `helpers.information.decompose_pairs`.
    device : str, default "auto"
        What this computer has; the workers need the same.
    checkpoint_dir : path
        Of the fits. All workers have to see it under the same name.
    scheduler, n_workers
        As in `run_grid`.

    Returns
    -------
    GridReport

    Raises
    ------
    ValueError
        As `helpers.information.decompose_pairs` and `run_grid`.
    """
    folder, device, seeds = Path(checkpoint_dir).resolve(), pick_device(device), checked_seeds(seeds)
    information_configs(profile, "nested", **overrides)  # refused here rather than by every worker
    session = {"profile": profile, "seeds": seeds, "device": device, "overrides": overrides}
    tasks = pair_tasks(
        pairs,
        fit_stored,
        {"sample": _store(sample, folder), "checkpoint_dir": str(folder), **session},
        seeds=seeds,
        placebo=placebo,
        code=CODE,
        gpus=int(device == "cuda"),
    )
    return _run(tasks, folder, scheduler, n_workers)


def _run(tasks: Sequence[Task], folder: Path, scheduler: str | None, n_workers: int | None) -> GridReport:
    """Compute all tasks: each finds its fit if it is there, and the fits alone say what is."""
    results = folder / "grid"
    for before in results.glob("*.json"):
        before.unlink()
    return run_grid(tasks, results, scheduler=scheduler, n_workers=n_workers)


def pair_tasks(
    pairs: Mapping[str, tuple[Inputs, Inputs]],
    function: Callable[..., Any],
    settings: Mapping[str, Any],
    *,
    seeds: Sequence[int],
    placebo: bool | str,
    name: str = "",
    after: tuple[str, ...] = (),
    **options: Any,
) -> list[Task]:
    """Tasks of the fits of some pairs: parts, each input once, then unions and placebos, which wait for them.

    Parameters
    ----------
    pairs : mapping of str to (input, input)
    function : callable
        Called with ``a``, ``b``, ``role`` and ``seed``, as `helpers.information.pairs.fit_role` has them, and
        `settings`.
    settings : mapping
    seeds, placebo
        As in `helpers.information.decompose_pairs`.
    name : str
        Before the name of every task.
    after : tuple of str
        Names of tasks that all of them wait for.
    **options
        As `Task` has them.
    """

    def task(what: str, pair: tuple[Inputs, Inputs], role: str, seed: int, waits: tuple[str, ...]) -> Task:
        own = {"a": pair[0], "b": pair[1], "role": role, "seed": seed}
        return Task(f"{name}{what}, seed {seed}", function, {**settings, **own}, after=waits, **options)

    roles = fitted_roles(placebo)
    tasks: list[Task] = []
    parts: dict[Inputs, tuple[str, ...]] = {}
    for pair in pairs.values():
        for role, inputs in zip(roles[:2], map(_hashable, pair), strict=True):
            if inputs not in parts:
                own = [task(f"{_words(inputs)} alone", pair, role, seed, after) for seed in seeds]
                parts[inputs] = tuple(one.name for one in own)
                tasks += own
    for key, pair in pairs.items():
        waits = tuple(dict.fromkeys(one for inputs in map(_hashable, pair) for one in parts[inputs]))
        tasks += [task(f"{key} {role}", pair, role, seed, waits) for role in roles[2:] for seed in seeds]
    return tasks


def fit_stored(
    sample: str, checkpoint_dir: str, a: Inputs, b: Inputs, role: str, seed: int, **session: Any
) -> dict[str, int]:
    """Fit one network of a pair, for a sample that lies in a file; ``best_step`` of it."""
    opened = open_session(
        _stored(sample), estimator="nested", cross_fit=1, reuse={}, checkpoint_dir=checkpoint_dir, **session
    )
    return {"best_step": fit_role(opened, a, b, role, seed).best_step}


def _store(sample: Sample, folder: Path) -> str:
    """Path of a copy of a sample; images that lie in files stay where they are."""
    content = pickle.dumps(sample, protocol=pickle.HIGHEST_PROTOCOL)
    path = folder / "samples" / f"{hashlib.sha256(content).hexdigest()[:16]}.pickle"
    if not path.is_file():
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    return str(path)


@lru_cache(maxsize=2)
def _stored(path: str) -> Sample:
    sample: Sample = pickle.loads(Path(path).read_bytes())  # noqa: S301, written by `_store`
    return sample


def _hashable(inputs: Inputs) -> Inputs:
    return inputs if isinstance(inputs, str) else tuple(inputs)


def _words(inputs: Inputs) -> str:
    return inputs if isinstance(inputs, str) else ", ".join(inputs)
