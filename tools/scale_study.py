"""What the steps of the book cost as samples grow: time and memory of each, alone on this computer.

The result is one file, ``src/helpers/stored/scale_study.json``: ``rows``, one for each step and size; ``grid``, what
dask.distributed adds to a task and gains by two workers; ``survey``, neighbours and tests at the size of a survey, by
which the growth of the small sizes can be checked; ``provenance``. A killed study goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from helpers.causal import local_test, sample_tests
from helpers.contrastive import train
from helpers.contrastive.costs import machine_rate
from helpers.information import estimate_information
from helpers.inputs import resolve
from helpers.neighbours import nearest_neighbours
from helpers.progress import progress_bar
from helpers.survey import Sample, load_sample
from tools.bench_survey import draw_latents, draw_properties, peak_gigabytes
from tools.project import ROOT
from tools.studies import STORED, provenance, write_result

__all__ = ["STEPS", "Plan", "main", "measure", "run_plan"]

RESULT = STORED / "scale_study.json"
FINISHED = ROOT / "runs" / "scale"
K = 100
BACKEND, DEVICE = "faiss", "cpu"  # all costs are those of processor cores
N_STEPS = 200  # of a training of which a step is timed

Measured = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Sizes at which each step is measured, in galaxies, the smallest first.

    Attributes
    ----------
    mock, neighbours, tests, sample_tests : tuple of int
    training, published : tuple of int
        Of the mock, all splits together: with the compact networks, and with the published ones.
    """

    mock: tuple[int, ...] = (250, 500, 1000, 2000)
    neighbours: tuple[int, ...] = (10_000, 20_000, 40_000, 80_000, 160_000)
    tests: tuple[int, ...] = (5_000, 10_000, 20_000, 40_000, 80_000)
    sample_tests: tuple[int, ...] = (1_000, 2_000, 4_000, 8_000)
    training: tuple[int, ...] = (1_500, 6_000)
    published: tuple[int, ...] = (1_500,)

    def sizes(self, step: str) -> tuple[int, ...]:
        """At which a step of `STEPS` is measured."""
        found: tuple[int, ...] = getattr(self, STEPS[step][1])
        return found


# The steps -------------------------------------------------------------------------------------------------------


def mock_galaxies(n: int) -> Measured:
    """Mock galaxies with pictures, from nothing, by one process."""
    with tempfile.TemporaryDirectory() as cache:
        seconds = _seconds(lambda: load_sample("mock", n, cache_dir=cache, n_processes=1))
        size = sum(file.stat().st_size for file in Path(cache).rglob("*") if file.is_file())
    return {"seconds": seconds, "disk_bytes": size}


def neighbours(n: int) -> Measured:
    """The hundred neighbours of every galaxy among all of them."""
    latents = draw_latents("clumps", n, seed=1)
    return {"seconds": _seconds(lambda: nearest_neighbours(latents, latents, K, backend=BACKEND))}


def local_tests(n: int) -> Measured:
    """Twenty properties against the mass in every neighbourhood."""
    return _tested(n, removed=False)


def local_tests_s_removed(n: int) -> Measured:
    """The same with S removed inside each neighbourhood."""
    return _tested(n, removed=True)


def _tested(n: int, *, removed: bool) -> Measured:
    latents, target, queries, index = _neighbourhoods(n)
    latent = latents if removed else None
    return {"seconds": _seconds(lambda: local_test(target, queries, index, latent=latent))}


def tests_of_sample(n: int) -> Measured:
    """Twenty properties against the mass for the sample as a whole, 199 replicates."""
    latents, target, queries, index = _neighbourhoods(n)
    return {"seconds": _seconds(lambda: sample_tests(target, queries, index, latent=latents))}


def _neighbourhoods(n: int) -> tuple[np.ndarray, np.ndarray, pd.DataFrame, np.ndarray]:
    """Vectors, a target, properties, and the neighbours of every galaxy."""
    latents = draw_latents("clumps", n, seed=1)
    target, queries = draw_properties(latents)
    return (
        latents,
        target,
        queries.add_prefix("property "),
        nearest_neighbours(latents, latents, K, backend=BACKEND).index,
    )


def contrastive_columns(n: int) -> Measured:
    """A step of the contrastive network of magnitudes."""
    return _trained(n, "Mopt", steps=N_STEPS)


def contrastive_pictures(n: int) -> Measured:
    """A step of the contrastive network of pictures."""
    return _trained(n, "Iopt", steps=N_STEPS)


def published_columns(n: int) -> Measured:
    """A step of the published contrastive network of magnitudes."""
    return _trained(n, "Mopt", profile="paper", steps=N_STEPS)


def published_pictures(n: int) -> Measured:
    """A step of the published contrastive network of pictures, which takes a minute here, and the machine's rate."""
    found = _trained(n, "Iopt", profile="paper", steps=2)
    return found | {"operations_per_second": machine_rate(DEVICE)}


def published_information(n: int) -> Measured:
    """A step of the published information network of magnitudes: what more steps add to an estimate."""
    sample = _whole(n, "Mopt")

    def seconds(steps: int) -> float:
        return _seconds(
            lambda: estimate_information(
                sample, "Mopt", estimator="separate", profile="paper", steps=steps, device=DEVICE
            )
        )

    seconds(N_STEPS)  # what is done once is done
    return {"seconds": (seconds(3 * N_STEPS) - seconds(N_STEPS)) / (2 * N_STEPS)}


def _trained(n: int, inputs: str, *, profile: str = "book", steps: int) -> Measured:
    cost = train(_whole(n, inputs), inputs, profile, steps=steps, device=DEVICE).cost
    return {"seconds": cost["seconds_per_step"], "galaxies_per_second": cost["galaxies_per_second"]}


def information_columns(n: int) -> Measured:
    """The information of magnitudes, all its networks."""
    return {"seconds": _seconds(lambda: estimate_information(_mock(n), "Mopt", estimator="separate", device=DEVICE))}


def information_pictures(n: int) -> Measured:
    """The information of pictures, all its networks."""
    return {"seconds": _seconds(lambda: estimate_information(_mock(n), "Iopt", estimator="separate", device=DEVICE))}


STEPS: dict[str, tuple[Callable[[int], Measured], str]] = {
    "mock galaxies": (mock_galaxies, "mock"),
    "neighbours": (neighbours, "neighbours"),
    "local tests": (local_tests, "tests"),
    "local tests, S removed": (local_tests_s_removed, "tests"),
    "tests of the sample": (tests_of_sample, "sample_tests"),
    "contrastive step, magnitudes": (contrastive_columns, "training"),
    "contrastive step, pictures": (contrastive_pictures, "training"),
    "published step, magnitudes": (published_columns, "published"),
    "published step, pictures": (published_pictures, "published"),
    "published information step, magnitudes": (published_information, "published"),
    "information of magnitudes": (information_columns, "training"),
    "information of pictures": (information_pictures, "training"),
}


def _mock(n: int) -> Sample:
    return load_sample("mock", n)


def _whole(n: int, inputs: str) -> Sample:
    """Galaxies without nulls, for which the published networks have no place."""
    sample = _mock(n)
    columns = resolve(inputs, sample.catalog, bands=sample.bands).columns
    return sample.take(np.flatnonzero(sample.catalog[list(columns)].notna().all(axis=1)))


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# The study -------------------------------------------------------------------------------------------------------


def measure(step: str, n: int) -> Measured:
    """Measure a step in this process, whose highest memory is the step's only if it does nothing else."""
    if STEPS[step][1] in ("training", "published"):
        _mock(n)  # made before the clock starts
    return {"step": step, "n_galaxies": n, **STEPS[step][0](n), "peak_gigabytes": peak_gigabytes()}


def run_plan(plan: Plan, folder: Path = FINISHED, result: Path = RESULT) -> dict[str, Any]:
    """Measure what is missing, each in a process of its own and nothing beside it, and write the file.

    What is finished lies below `folder`, by commit, until the file is written.
    """
    origin = provenance("make scale", plan)
    finished = folder / origin["commit"]
    rows = []
    todo = [(step, n) for step in STEPS for n in plan.sizes(step)]
    with progress_bar(len(todo) + 2, "scale", unit="step") as bar:
        for step, n in todo:
            name = f"{step} {n}".replace(" ", "-").replace(",", "")
            rows.append(_kept(finished / f"{name}.json", _command("scale_study.py", "--measure", step, str(n))))
            bar.update()
        grid = _kept(finished / "grid.json", [sys.executable, str(ROOT / "benchmarks" / "grid.py")])
        bar.update()
        survey = _kept(finished / "survey.json", _command("bench_survey.py"))
        bar.update()
    found = {"rows": rows, "grid": grid, "survey": survey, "provenance": origin}
    write_result(result, found)
    shutil.rmtree(finished)
    return found


def _command(tool: str, *arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "tools" / tool), *arguments]


def _kept(file: Path, command: Sequence[str]) -> Measured:
    """What a command prints as JSON, of which a file is kept."""
    if not file.is_file():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}: {last}")
        write_result(file, json.loads(done.stdout[done.stdout.index("{") :]))
    found: Measured = json.loads(file.read_text(encoding="utf-8"))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--measure", nargs=2, metavar=("STEP", "N"), help="measure one step here, and print it as JSON")
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure[0], int(options.measure[1]))))
        return 0
    run_plan(Plan())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
