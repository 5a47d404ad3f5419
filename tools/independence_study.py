"""How often do the tests of chapter 4 reject, in hundreds of forks with known truth? Kept with the library.

Forks are stored as they are tested, so that a killed study goes on where it stopped, and a larger one goes on from a
smaller. The result is one file, ``src/helpers/stored/independence_study.json``, with its provenance.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.causal import local_test, sample_test
from helpers.causal.forks import FORMS, draw_fork
from helpers.cores import available_cores
from helpers.neighbours import nearest_neighbours
from helpers.progress import progress_bar
from helpers.runs import atomic_path, library_fingerprint

if __package__ in (None, ""):
    import sys

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.project import ROOT
from tools.studies import one_thread, provenance, write_result

__all__ = ["Plan", "main", "study"]

RESULT = ROOT / "src" / "helpers" / "stored" / "independence_study.json"
# Forks between two writings of what was found.
_KEPT_EVERY = 20
CODE = ("forks", "independence", "neighbourhoods", "reference", "sample_tests", "smoothing")


@dataclass(frozen=True)
class Plan:
    """What is drawn, and how often.

    Attributes
    ----------
    n_galaxies, n_neighbourhoods, k : int
        Reference galaxies of a fork; how many of them have a neighbourhood; its size.
    dimensions : tuple of int
        Of S.
    partial_correlations : tuple of float
        Effects; 0 is the null.
    n_null, n_effect, n_permuted : int
        Forks of each combination without an effect, and with one; of how many without the other null is tried.
    n_replicates : int
        Of the null inside a test. With 99, p <= 0.05 has probability 0.05 exactly.
    """

    n_galaxies: int = 7000
    n_neighbourhoods: int = 1500
    k: int = 100
    dimensions: tuple[int, ...] = (2, 8, 16)
    partial_correlations: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2)
    n_null: int = 200
    n_effect: int = 50
    n_permuted: int = 40
    n_replicates: int = 99

    def combinations(self) -> Iterator[tuple[str, int, float]]:
        """Form, dimensions and effect."""
        for correlation in self.partial_correlations:
            for form in FORMS:
                for n_dimensions in self.dimensions:
                    yield form, n_dimensions, correlation

    def n_forks(self, correlation: float) -> int:
        """Number of forks with this effect."""
        return self.n_effect if correlation else self.n_null


def study(plan: Plan, folder: Path, result: Path = RESULT, *, n_jobs: int = 1) -> dict[str, Any]:
    """Draw and test the forks that are missing, and write the result."""
    folder.mkdir(parents=True, exist_ok=True)
    code = [library_fingerprint(f"causal/{name}.py") for name in CODE]
    rows, combinations = [], list(plan.combinations())
    with (
        ProcessPoolExecutor(n_jobs, initializer=one_thread) as pool,
        progress_bar(sum(plan.n_forks(effect) for *_, effect in combinations), "forks", unit="fork") as bar,
    ):
        for form, n_dimensions, correlation in combinations:
            path = folder / f"{form.replace(' ', '-')}-{n_dimensions}-{correlation}.json"
            key = [plan.n_galaxies, plan.n_neighbourhoods, plan.k, plan.n_replicates, plan.n_permuted, code]
            stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            forks: list[dict[str, Any]] = stored["forks"] if stored.get("key") == key else []
            n_forks = plan.n_forks(correlation)
            bar.update(min(len(forks), n_forks))
            one = partial(_fork, plan, form, n_dimensions, correlation)
            for start in range(len(forks), n_forks, _KEPT_EVERY):
                numbers = range(start, min(start + _KEPT_EVERY, n_forks))
                forks += pool.map(one, numbers)
                with atomic_path(path) as temporary:
                    temporary.write_text(json.dumps({"key": key, "forks": forks}), encoding="utf-8")
                bar.update(len(numbers))
            rows.append(_summary(form, n_dimensions, correlation, forks[:n_forks]))
    found = {"rows": rows, "provenance": provenance("make independence", plan)}
    write_result(result, found)
    return found


def _fork(plan: Plan, form: str, n_dimensions: int, correlation: float, number: int) -> dict[str, float | None]:
    """p-values of one fork under each test, and shares of neighbourhoods with p < 0.05."""
    fork = draw_fork(plan.n_galaxies, n_dimensions, form, partial_correlation=correlation, seed=number)
    m, q, latent = fork.target, fork.query, fork.latent
    index = nearest_neighbours(latent, latent[: plan.n_neighbourhoods], plan.k).index
    test = partial(sample_test, m, q, index, None, n_replicates=plan.n_replicates, n_resamples=2, seed=number)
    found = test(latent)
    permuted = not correlation and number < plan.n_permuted
    return {
        "p": found.p_value,
        # Of few replicates, at each of which all fits inside the neighbourhoods are made anew.
        "p_published": None if correlation else test(None, n_replicates=19).p_value,
        "p_permutation": test(latent, null="permutation").p_value if permuted else None,
        "excess": found.excess,
        "share_published": float((local_test(m, q, index).p_value < 0.05).mean()),
        "share_s_removed": float((local_test(m, q, index, latent=latent).p_value < 0.05).mean()),
    }


def _summary(form: str, n_dimensions: int, correlation: float, forks: list[dict[str, Any]]) -> dict[str, Any]:
    table = pd.DataFrame(forks).astype(float)

    def rejected(column: str) -> float | None:
        p = table[column].dropna()
        return float((p <= 0.05).mean()) if len(p) else None

    return {
        "form": form,
        "dimensions": n_dimensions,
        "partial_correlation": correlation,
        "n_forks": len(forks),
        "rejected": rejected("p"),
        "rejected_published": rejected("p_published"),
        "rejected_permutation": rejected("p_permutation"),
        "mean_p": float(table["p"].mean()),
        "excess": float(table["excess"].mean()),
        "share_published": float(table["share_published"].mean()),
        "share_s_removed": float(table["share_s_removed"].mean()),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=available_cores(), help="processes")
    parser.add_argument("--forks", type=int, default=Plan.n_null, help="forks of each combination without an effect")
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    plan = Plan(n_null=options.forks, n_effect=min(options.forks, Plan.n_effect))
    found = study(plan, ROOT / "runs" / "independence_study", options.output, n_jobs=options.jobs)
    print(f"{len(found['rows'])} combinations are in {options.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
