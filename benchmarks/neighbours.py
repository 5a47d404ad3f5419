"""How much faster is the exact search than one galaxy at a time in numpy, on this machine, in this run?"""

import json
import time

import numpy as np

from helpers.cores import available_cores
from helpers.neighbours import nearest_neighbours

N_REFERENCE, N_QUERY, K, N_DIMENSIONS, N_INTRINSIC = 30_000, 40_000, 100, 16, 4
# The loops take as long for each query galaxy, so a few hundred tell.
N_TIMED = 300
REPEATS = 3


def gaussian(rng, n):
    """Round in all dimensions: no search can leave anything out."""
    return rng.normal(size=(n, N_DIMENSIONS)).astype(np.float32)


def sheet(rng, n):
    """A bent sheet of few dimensions with some noise, more like a latent space."""
    flat = rng.normal(size=(n, N_INTRINSIC)) @ np.random.default_rng(1).normal(size=(N_INTRINSIC, N_DIMENSIONS))
    return (np.tanh(flat) + 0.05 * rng.normal(size=flat.shape)).astype(np.float32)


def by_sorting(squared):
    return np.argsort(squared)[:K]


def by_partition(squared):
    nearest = np.argpartition(squared, K - 1)[:K]
    return nearest[np.argsort(squared[nearest])]


def loop_over_galaxies(reference, query, pick):
    """Neighbours of some galaxies, and the seconds that all would take."""
    start = time.perf_counter()
    found = [pick(((reference - galaxy) ** 2).sum(axis=1)) for galaxy in query[:N_TIMED]]
    return np.array(found), (time.perf_counter() - start) * len(query) / N_TIMED


def search_seconds(reference, query, k=K, backend="auto", clock=time.perf_counter):
    """Best of some repeats."""
    seconds = []
    for _ in range(REPEATS):
        start = clock()
        nearest_neighbours(reference, query, k, backend=backend)
        seconds.append(clock() - start)
    return min(seconds)


def benchmark():
    """Return seconds, ratios to either loop, the share of neighbours that agree, and growth where a size is doubled.

    The loops are timed on 300 galaxies and their seconds scaled to all. They run on one core, as numpy does.
    """
    results = {
        "name": "neighbours",
        "cores": available_cores(),
        "loops_timed_on": N_TIMED,
        "sizes": [N_QUERY, N_REFERENCE, N_DIMENSIONS, K],
    }
    for draw in (gaussian, sheet):
        rng = np.random.default_rng(0)
        reference, query = draw(rng, N_REFERENCE), draw(rng, N_QUERY)
        found = nearest_neighbours(reference, query[:N_TIMED], K).index
        slow, argsort = loop_over_galaxies(reference, query, by_sorting)
        _, argpartition = loop_over_galaxies(reference, query, by_partition)
        ours = search_seconds(reference, query)
        results[draw.__name__] = {
            "argsort_seconds": argsort,
            "argpartition_seconds": argpartition,
            "search_seconds": ours,
            # Of all cores together, which other programs disturb less.
            "search_processor_seconds": search_seconds(reference, query, clock=time.process_time),
            "faiss_seconds": search_seconds(reference, query, backend="faiss"),
            "ratio_to_argsort": argsort / ours,
            "ratio_to_argpartition": argpartition / ours,
            "share_agreeing": float((found == slow).mean()),
            "growth_when_doubled": {
                "n_query": search_seconds(reference, np.concatenate([query, draw(rng, N_QUERY)])) / ours,
                "n_reference": search_seconds(np.concatenate([reference, draw(rng, N_REFERENCE)]), query) / ours,
                "k": search_seconds(reference, query, 2 * K) / ours,
            },
        }
    return results


if __name__ == "__main__":
    print(json.dumps(benchmark()))
