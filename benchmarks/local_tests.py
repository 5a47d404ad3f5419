"""How much faster are batched local tests than a loop over neighbourhoods, on this machine, in this run?"""

import json
import time

import numpy as np

from helpers.causal import local_test

N_REFERENCE, N_QUERY, K, N_LATENT = 7000, 2000, 100, 8


def loop(target, query, index, latent):
    """The same numbers, one neighbourhood at a time."""
    efficiency = np.empty(len(index))
    for i, rows in enumerate(index):
        design = np.column_stack([np.ones(len(rows)), latent[rows]])
        both = np.column_stack([target[rows], query[rows]])
        m, q = (both - design @ np.linalg.lstsq(design, both, rcond=None)[0]).T
        rest = m - np.polyval(np.polyfit(q, m, 2), q)
        efficiency[i] = 1 - rest @ rest / (m @ m)
    return efficiency


def benchmark():
    """Return the seconds of both, their ratio, and the largest difference of the results."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(N_REFERENCE, N_LATENT))
    target, query = rng.normal(size=(2, N_REFERENCE)) + latent[:, 0]
    index = rng.integers(N_REFERENCE, size=(N_QUERY, K))
    start = time.perf_counter()
    slow = loop(target, query, index, latent)
    middle = time.perf_counter()
    fast = local_test(target, query, index, latent=latent).efficiency
    end = time.perf_counter()
    return {
        "name": "local_tests",
        "loop_seconds": middle - start,
        "batched_seconds": end - middle,
        "speed_ratio": (middle - start) / (end - middle),
        "largest_difference": float(np.abs(fast - slow).max()),
    }


if __name__ == "__main__":
    print(json.dumps(benchmark()))
