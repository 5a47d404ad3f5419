"""How much faster is the exact search than a table of all distances, on this machine, in this run?"""

import json
import time

import numpy as np
from scipy.spatial.distance import cdist

from helpers.neighbours import nearest_neighbours

N_REFERENCE, N_QUERY, K, N_LATENT = 7000, 2000, 100, 8


def benchmark():
    """Return the seconds of both, their ratio, and the share of neighbours that agree."""
    points = np.random.default_rng(0).normal(size=(N_REFERENCE + N_QUERY, N_LATENT))
    reference, query = points[:N_REFERENCE], points[N_REFERENCE:]
    nearest_neighbours(reference, query[:10], K)  # the import is not what is measured
    start = time.perf_counter()
    slow = np.argsort(cdist(query, reference), axis=1)[:, :K]
    middle = time.perf_counter()
    fast = nearest_neighbours(reference, query, K).index
    end = time.perf_counter()
    return {
        "name": "neighbours",
        "all_distances_seconds": middle - start,
        "search_seconds": end - middle,
        "speed_ratio": (middle - start) / (end - middle),
        "share_agreeing": float((fast == slow).mean()),
    }


if __name__ == "__main__":
    print(json.dumps(benchmark()))
