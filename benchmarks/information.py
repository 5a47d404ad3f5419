"""How long do separate networks take for every input of the tuples, and one amortised network for all of them?

Both are trained on the same galaxies of the mock, with the same settings, stopping rule and calibration. A ratio of
times says something only where the amortised network knows as much: held-out cross-entropies and the conditional
information of every tuple stand beside it. By default the 15 divisions of the photometric bands, in minutes on two
cores that do nothing else; ``--all`` takes all 29 tuples, images included, in about an hour.
"""

import argparse
import time

import numpy as np

from helpers.information import estimate_inputs
from helpers.information.composition import compose, distinct_inputs
from helpers.information.tuples import PHOTOMETRIC_BAND_TUPLES, tuples_of
from helpers.survey import load_sample


def timed(sample, inputs, **options):
    """Estimates of all inputs, and seconds."""
    start = time.perf_counter()
    found = estimate_inputs(sample, inputs, **options)
    return found, time.perf_counter() - start


def conditional(decompositions):
    """Conditional information both ways of every tuple, nats."""
    return np.array([[one.conditional_1, one.conditional_2] for one in decompositions.values()])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="all tuples, images included")
    parser.add_argument("--galaxies", type=int, default=6000)
    parser.add_argument("--profile", default="book")
    options = parser.parse_args()
    sample = load_sample("mock", options.galaxies)
    tuples = tuples_of(sample) if options.all else PHOTOMETRIC_BAND_TUPLES
    inputs = distinct_inputs(tuples, sample)
    settings = {"profile": options.profile, "device": "cpu"}
    # Read and compile once before anything is timed.
    estimate_inputs(sample, dict(list(inputs.items())[:1]), estimator="separate", **settings, steps=2)
    one, seconds_one = timed(sample, inputs, estimator="amortised", **settings)
    each, seconds_each = timed(sample, inputs, estimator="separate", **settings)

    rows = sample.rows("test")
    losses = {
        name: np.array([estimates[key].cross_entropy[rows].mean() for key in inputs])
        for name, estimates in (("amortised", one), ("separate", each))
    }
    behind = losses["amortised"] - losses["separate"]
    print(f"{len(inputs)} inputs of {len(tuples)} tuples, {len(sample)} mock galaxies, profile {options.profile}")
    print(f"separate networks {seconds_each:.0f} s, amortised {seconds_one:.0f} s: 1/{seconds_each / seconds_one:.1f}")
    print(
        f"held-out cross-entropy, amortised less separate: mean {behind.mean():+.4f}, "
        f"from {behind.min():+.4f} to {behind.max():+.4f} nats"
    )
    first, second = (conditional(compose(tuples, estimates, sample)) for estimates in (one, each))
    difference = np.abs(first - second)
    agreed = difference <= np.maximum(0.01, np.abs(second) / 3)
    print(
        f"conditional information: differs by at most {difference.max():.4f} nats; within 0.01 nats or a third for "
        f"{agreed.sum()} of {agreed.size}"
    )


if __name__ == "__main__":
    main()
