"""Neighbours and local tests at the size of a survey, in time and memory: 516,000 galaxies against 393,000."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from helpers.causal import local_test
from helpers.cores import available_cores
from helpers.neighbours import nearest_neighbours

__all__ = ["main"]

N_QUERY, N_REFERENCE, N_DIMENSIONS, K = 516_000, 393_000, 16, 100
N_QUERIES = 20
N_INTRINSIC, N_CLUMPS, NOISE = 5, 30, 0.05
DRAWS = ("clumps", "gaussian")

Result = TypeVar("Result")


def draw_latents(draw: str, n: int, seed: int) -> np.ndarray:
    """Vectors in 16 dimensions, float32 [n, 16].

    ``clumps`` is a mixture of Gaussians of five dimensions each, bent by a hyperbolic tangent, with noise of 0.05 in
    all dimensions. ``gaussian`` is round in all of them, the worst case for any search that would leave something out.
    """
    rng = np.random.default_rng(seed)
    if draw == "gaussian":
        return rng.normal(size=(n, N_DIMENSIONS)).astype(np.float32)
    shape = np.random.default_rng(0)  # query and reference come from the same mixture
    axes = shape.normal(size=(N_CLUMPS, N_INTRINSIC, N_DIMENSIONS)) / np.sqrt(N_INTRINSIC)
    centres = shape.normal(size=(N_CLUMPS, N_DIMENSIONS))
    latents = np.empty((n, N_DIMENSIONS), dtype=np.float32)
    clump_of = rng.integers(N_CLUMPS, size=n)
    for clump in range(N_CLUMPS):
        rows = np.flatnonzero(clump_of == clump)
        flat = rng.normal(size=(len(rows), N_INTRINSIC)) @ axes[clump]
        latents[rows] = centres[clump] + np.tanh(flat) + NOISE * rng.normal(size=flat.shape)
    return latents


def peak_gigabytes() -> float:
    """Highest memory of this process so far.

    By Linux's own count where there is one: that of `resource` begins with the memory of the process that started this.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def draw_properties(latent: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
    """A target that follows S, and 20 query properties that do; every fourth is tied to the target beyond S."""
    rng = np.random.default_rng(3)
    along = latent @ rng.normal(size=(N_DIMENSIONS, N_QUERIES + 1)) / np.sqrt(N_DIMENSIONS)
    scatter = rng.normal(size=(len(latent), N_QUERIES + 1))
    scatter[:, 1::4] += 0.3 * scatter[:, :1]
    values = np.sin(along) + 0.5 * scatter
    return values[:, 0], pd.DataFrame(values[:, 1:])


def measured(call: Callable[[], Result]) -> tuple[Result, dict[str, Any]]:
    """Result of a call, its seconds, and the highest memory of the process so far."""
    start, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, {
        "seconds": round(time.perf_counter() - start, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "peak_gigabytes": round(peak_gigabytes(), 2),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Time the neighbours and the tests, and print them as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--draw", choices=DRAWS, default=DRAWS[0], help="how the vectors are drawn")
    parser.add_argument("--share", type=float, default=1.0, help="share of the query galaxies, for a trial")
    options = parser.parse_args(arguments)
    n_query = round(options.share * N_QUERY)
    reference = draw_latents(options.draw, N_REFERENCE, seed=1)
    query = draw_latents(options.draw, n_query, seed=2)
    results: dict[str, Any] = {
        "n_query": n_query,
        "n_reference": N_REFERENCE,
        "n_dimensions": N_DIMENSIONS,
        "k": K,
        "draw": options.draw,
        "cores": available_cores(),
        "before": {"peak_gigabytes": round(peak_gigabytes(), 2)},
    }
    found, results["neighbours"] = measured(lambda: nearest_neighbours(reference, query, K, backend="faiss"))
    target, queries = draw_properties(reference)
    for name, latent in {"published form": None, "S removed": reference}.items():
        tests, results[name] = measured(partial(local_test, target, queries, found.index, latent=latent))
        results[name]["mean_adjusted_efficiency"] = tests.adjusted_efficiency.mean(axis=0).round(4).tolist()
        del tests
    print(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
