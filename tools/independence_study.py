"""How often do the tests of chapter 4 reject, in hundreds of forks with known truth? Kept with the library.

The result is one file, ``src/helpers/stored/independence_study.json``, with its provenance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.causal import local_test, sample_test
from helpers.causal.forks import FORMS, draw_fork
from helpers.grid import Outcome, Task
from helpers.neighbours import nearest_neighbours
from tools.studies import STORED, Study, code_of, provenance

__all__ = ["Plan", "draw_and_test", "study"]

RESULT = STORED / "independence_study.json"
AT_ONCE = 20  # forks of a task
NAMES = ("form", "n_dimensions", "correlation")
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


def study(plan: Plan | None = None, *, result: Path = RESULT) -> Study:
    """Tasks of a plan, some forks each, and how their outcomes become a file.

    Parameters
    ----------
    plan : Plan, optional
    result : path
        The file: ``rows``, one for each combination, and ``provenance``.
    """
    plan = plan or Plan()
    combinations = list(plan.combinations())
    tasks = [task for combination in combinations for task in _tasks(plan, combination)]
    origin = provenance("make independence", plan)

    def assemble(outcomes: Sequence[Outcome]) -> dict[str, Any]:
        forks: dict[tuple[Any, ...], list[dict[str, Any]]] = {combination: [] for combination in combinations}
        for one in outcomes:
            form, n_dimensions, correlation = (one.task.settings[name] for name in NAMES)
            forks[form, n_dimensions, correlation] += one.found
        rows = [_summary(*combination, forks[combination]) for combination in combinations]
        return {"rows": rows, "provenance": origin | {"seconds": sum(one.seconds for one in outcomes)}}

    return Study("independence", tuple(tasks), assemble, result)


def _tasks(plan: Plan, combination: tuple[str, int, float]) -> Iterator[Task]:
    form, n_dimensions, correlation = combination
    sizes = {name: getattr(plan, name) for name in ("n_galaxies", "n_neighbourhoods", "k", "n_replicates")}
    n_forks = plan.n_forks(correlation)
    for first in range(0, n_forks, AT_ONCE):
        last = min(first + AT_ONCE, n_forks)
        n_permuted = 0 if correlation else min(max(plan.n_permuted - first, 0), last - first)
        yield Task(
            f"independence: {form}, {n_dimensions} dimensions, effect {correlation:g}, forks {first} to {last - 1}",
            draw_and_test,
            dict(zip(NAMES, combination, strict=True))
            | {"first": first, "last": last, "n_permuted": n_permuted}
            | sizes,
            code=(*(f"causal/{name}.py" for name in CODE), "neighbours"),
            depends=code_of(draw_and_test, _fork),
        )


def draw_and_test(first: int, last: int, n_permuted: int, **fork: Any) -> list[dict[str, float | None]]:
    """Test some forks; the first so many of them by permutations too."""
    return [_fork(number, number < first + n_permuted, **fork) for number in range(first, last)]


def _fork(
    number: int,
    permuted: bool,
    form: str,
    n_dimensions: int,
    correlation: float,
    n_galaxies: int,
    n_neighbourhoods: int,
    k: int,
    n_replicates: int,
) -> dict[str, float | None]:
    """p-values of one fork under each test, and shares of neighbourhoods with p < 0.05."""
    fork = draw_fork(n_galaxies, n_dimensions, form, partial_correlation=correlation, seed=number)
    m, q, latent = fork.target, fork.query, fork.latent
    index = nearest_neighbours(latent, latent[:n_neighbourhoods], k).index
    test = partial(sample_test, m, q, index, None, n_replicates=n_replicates, n_resamples=2, seed=number)
    found = test(latent)
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
