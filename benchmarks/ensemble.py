"""How much faster is a step of an ensemble of columns than of members one by one, on this machine, in this run?

And how much of it is the mixture's gradient, written out rather than left to automatic differentiation?
"""

import json
import time

import numpy as np
import torch
import torch.nn.functional as F

from helpers.information import heads
from helpers.information.estimators import information_configs
from helpers.information.networks import Ensemble, InputSize, information_network

N_MEMBERS, N_COLUMNS, N_BINS, N_STEPS, REPEATS = 3, 8, 104, 100, 5


def plain_mixture(heights, means, deviations, positions):
    """The same logarithm, differentiated by torch."""
    distance = (positions - means[..., None]) / deviations[..., None]
    return torch.logsumexp(heights[..., None] - 0.5 * distance.square(), dim=-2)


def step_seconds(ensemble, batch_size):
    """Best of some repeats, of one optimiser step."""
    optimizer = torch.optim.AdamW(ensemble.parameters(), lr=1e-3, fused=True)
    n_rows = N_MEMBERS * batch_size
    main, extra = torch.randn(n_rows, N_COLUMNS), torch.randn(n_rows, 1)
    label, sizes = torch.randint(0, N_BINS, (n_rows,)), [batch_size] * N_MEMBERS
    times = []
    for _ in range(REPEATS + 1):  # the first does not count
        start = time.perf_counter()
        for _ in range(N_STEPS):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(ensemble(main, extra, sizes), label).backward()
            optimizer.step()
        times.append((time.perf_counter() - start) / N_STEPS)
    return min(times[1:])


def benchmark():
    """Return milliseconds of a step of profile book, and its ratios to the plain ways."""
    config, _ = information_configs("book", "nested")
    torch.manual_seed(0)
    columns, prior = torch.randn(1000, N_COLUMNS), np.full(N_BINS, 1 / N_BINS)
    size = InputSize(N_COLUMNS, 1)
    ensemble = Ensemble([information_network(size, prior, config, training=columns) for _ in range(N_MEMBERS)])
    joined = step_seconds(ensemble, config.batch_size)
    ensemble.joined = False
    one_by_one = step_seconds(ensemble, config.batch_size)
    written_out, heads.mixture_logarithm = heads.mixture_logarithm, plain_mixture
    plain = step_seconds(ensemble, config.batch_size)
    heads.mixture_logarithm = written_out
    return {
        "name": "ensemble",
        "members": N_MEMBERS,
        "milliseconds": 1000 * joined,
        "one_by_one_over_joined": one_by_one / joined,
        "and_differentiated_by_torch_over_joined": plain / joined,
    }


if __name__ == "__main__":
    print(json.dumps(benchmark()))
