"""How much faster are batched local tests than a loop over neighbourhoods, on this machine, in this run?

The loop is plain numpy on one core: for every galaxy one fit on S, then for every query a quadratic and a correlation
with the target in random order. It is timed on a part of the galaxies and scaled up. The batch uses all cores.
"""

import json
import time

import numpy as np

from helpers.causal import local_test
from helpers.cores import available_cores

N_GALAXIES, K, N_LATENT, N_QUERIES = 20_000, 100, 16, 20
N_LOOPED = 500
REPEATS = 3


def loop(target, queries, index, latent, rng):
    """Efficiency and null correlation of each query property, one neighbourhood at a time.

    What the queries of a neighbourhood share is done once for all of them: the fit on S and the permutation.
    """
    values = np.column_stack([target, queries])
    efficiency = np.empty((len(index), queries.shape[1]))
    null = np.empty_like(efficiency)
    for i, rows in enumerate(index):
        members = values[rows]
        if latent is not None:
            design = np.column_stack([np.ones(len(rows)), latent[rows]])
            members -= design @ np.linalg.lstsq(design, members, rcond=None)[0]
        m = members[:, 0]
        shuffled = rng.permutation(m)
        for j, q in enumerate(members[:, 1:].T):
            rest = m - np.polyval(np.polyfit(q, m, 2), q)
            efficiency[i, j] = 1 - rest.var() / m.var()
            null[i, j] = np.corrcoef(shuffled, q)[0, 1]
    # Residuals have fewer dimensions than members, and correlations in them scatter more.
    n_removed = 0 if latent is None else latent.shape[1]
    return efficiency, null * np.sqrt((index.shape[1] - 1) / (index.shape[1] - 1 - n_removed))


def seconds(call):
    """Best wall time of several calls, and the last result."""
    best = np.inf
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    return best, result


def compare(name, target, queries, index, latent, rng):
    """Seconds of the loop and of the batch, the largest difference of efficiencies, and the spread of either null."""
    some = index[:N_LOOPED]
    slow, (efficiency, null) = seconds(lambda: loop(target, queries, some, latent, rng))
    slow *= len(index) / len(some)
    fast, found = seconds(lambda: local_test(target, queries, index, latent=latent))
    return {
        "what": name,
        "loop_seconds": round(slow, 2),
        "batched_seconds": round(fast, 3),
        "speed_ratio": round(slow / fast, 1),
        "largest_difference": float(np.abs(found.efficiency[:N_LOOPED] - efficiency).max()),
        "null_spread_loop": round(float(null.std()), 3),
        "null_spread_batched": round(float(found.null_correlation.std()), 3),
    }


def benchmark():
    """Return the comparisons, and how the batch grows with galaxies, neighbours and queries."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(N_GALAXIES, N_LATENT))
    queries = rng.normal(size=(N_GALAXIES, N_QUERIES)) + latent[:, :1]
    target = rng.normal(size=N_GALAXIES) + latent[:, 0]
    index = rng.integers(N_GALAXIES, size=(N_GALAXIES, K))
    rows = [
        compare("published form, 1 query", target, queries[:, :1], index, None, rng),
        compare("S removed, 1 query", target, queries[:, :1], index, latent, rng),
        compare(f"published form, {N_QUERIES} queries", target, queries, index, None, rng),
        compare(f"S removed, {N_QUERIES} queries", target, queries, index, latent, rng),
    ]
    whole = rows[-1]["batched_seconds"]
    growth = {
        "half the galaxies": lambda: local_test(target, queries, index[::2], latent=latent),
        "half the neighbours": lambda: local_test(target, queries, index[:, ::2], latent=latent),
        "half the queries": lambda: local_test(target, queries[:, ::2], index, latent=latent),
    }
    return {
        "name": "local_tests",
        "cores": available_cores(),
        "galaxies": N_GALAXIES,
        "k": K,
        "dimensions": N_LATENT,
        "comparisons": rows,
        "time_against_the_whole": {what: round(seconds(call)[0] / whole, 2) for what, call in growth.items()},
    }


if __name__ == "__main__":
    print(json.dumps(benchmark(), indent=1))
