"""Redundancy of two sources about a target by each published definition, on tables of probabilities (ours).

Every function takes probabilities [..., x1, x2, target], gives nats [...], and works on all leading axes at once, so
that hundreds of resampled tables cost little more than one.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "all_quantities",
    "common_surprisal",
    "dependency",
    "intervened",
    "least_union",
    "nearest_chain",
    "paths",
    "rescaled",
    "shared_exclusions",
    "smaller_mutual",
    "smaller_pointwise",
    "smaller_specific",
    "smaller_surprises",
    "three_informations",
]

FLOOR = 1e-100  # of a conditional probability whose logarithm is taken
OPTIMUM = 2e-4  # nats: BROJA's redundancy is at most so far below its optimum
OVERSHOOT = 1.8  # of a cycle's change, as a power; from 2 on it diverges
FIT = 1e-7  # largest departure of a fitted marginal
MOST_CYCLES = 20_000
MOST_FITTING_CYCLES = 2000
NO_DIRECT_PATH = 1e-6
AXES = (-1, -2, -3)


def three_informations(probability: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mutual information of X1, of X2 and of both with the target, nats [...].

    Parameters
    ----------
    probability : float64 array [..., x1, x2, target]
    """
    i1, i2, i12 = _pointwise_informations(probability)
    return _mean(probability, i1), _mean(probability, i2), _mean(probability, i12)


def all_quantities(i1: np.ndarray, i2: np.ndarray, i12: np.ndarray, redundancy: np.ndarray) -> np.ndarray:
    """What three informations and a redundancy leave for the rest, nats [..., 9], in the order of `QUANTITIES`."""
    unique_1, unique_2 = i1 - redundancy, i2 - redundancy
    synergy = i12 - i1 - unique_2
    return np.stack([i1, i2, i12, redundancy, unique_1, unique_2, synergy, i12 - i2, i12 - i1], axis=-1)


def smaller_pointwise(p: np.ndarray) -> np.ndarray:
    """Mean of the smaller information, outcome by outcome."""
    i1, i2, _ = _pointwise_informations(p)
    return _mean(p, np.minimum(i1, i2))


def smaller_mutual(p: np.ndarray) -> np.ndarray:
    """Smaller of the two mutual informations."""
    i1, i2, _ = three_informations(p)
    return np.minimum(i1, i2)


def smaller_specific(p: np.ndarray) -> np.ndarray:
    """Sum over the target's values of the smaller information about each."""
    i1, i2, _ = _pointwise_informations(p)
    return np.minimum((p * i1).sum((-3, -2)), (p * i2).sum((-3, -2))).sum(-1)


def smaller_surprises(p: np.ndarray) -> np.ndarray:
    """Smaller surprise by a source, less the smaller one once the target is known."""
    of_target = p.sum((-3, -2), keepdims=True)
    alone, given = [], []
    for axis in (-2, -3):
        with_target = p.sum(axis, keepdims=True)
        alone.append(-_log(with_target.sum(-1, keepdims=True)))
        given.append(-_log_ratio(with_target, of_target))
    return _mean(p, np.minimum(*alone) - np.minimum(*given))


def shared_exclusions(p: np.ndarray) -> np.ndarray:
    """What it tells that at least one of the sources has its value."""
    either_with_target = p.sum(-2, keepdims=True) + p.sum(-3, keepdims=True) - p
    either = either_with_target.sum(-1, keepdims=True)
    return _mean(p, _log_ratio(either_with_target, either * p.sum((-3, -2), keepdims=True)))


def rescaled(p: np.ndarray) -> np.ndarray:
    """Between the least and the most there can be, by how much the sources tell of each other."""
    i1, i2, i12 = three_informations(p)
    most, least = np.minimum(i1, i2), np.maximum(i1 + i2 - i12, 0.0)
    of_sources = p.sum(-1)
    entropy = np.minimum(_entropy(of_sources.sum(-1)), _entropy(of_sources.sum(-2)))
    shared = _mutual(of_sources)
    return least + np.divide(shared, entropy, out=np.zeros_like(shared), where=entropy > 0) * (most - least)


def intervened(p: np.ndarray) -> np.ndarray:
    """What the sources tell of each other when nothing but the target ties them."""
    return _mutual(_tied_by_target(p).sum(-1))


def paths(p: np.ndarray) -> np.ndarray:
    """Smaller of the informations that pass from one source through the other to the target."""
    with_1, with_2, between = p.sum(-2), p.sum(-3), p.sum(-1)
    target = p.sum((-3, -2))[..., None, :]
    given = [_ratio(joint, joint.sum(-1, keepdims=True)) for joint in (with_1, with_2)]
    tied = [_ratio(joint, joint.sum(-1, keepdims=True)) for joint in (between, np.swapaxes(between, -1, -2))]
    through = [tied[0] @ given[1], tied[1] @ given[0]]
    path, direct = [], []
    for i, joint in enumerate((with_1, with_2)):
        weight = joint.sum(-1, keepdims=True) * through[i]
        path.append((weight * _log_ratio(through[i], target)).sum((-2, -1)))
        direct.append(np.abs(given[i] - through[i]).sum((-2, -1)) > NO_DIRECT_PATH)
    smaller = np.minimum(*path)
    smaller = np.where(direct[0] & ~direct[1], path[1], smaller)
    return np.where(direct[1] & ~direct[0], path[0], smaller)


def nearest_chain(p: np.ndarray) -> np.ndarray:
    """Co-information plus the distance to the nearest mixture, in logarithms, of the two chains."""
    i1, i2, i12 = three_informations(p)
    of_sources = p.sum(-1, keepdims=True)
    logs = []
    for axis in (-2, -3):
        with_target = p.sum(axis, keepdims=True)
        logs.append(np.log(np.maximum(_ratio(with_target, with_target.sum(-1, keepdims=True)), FLOOR)))
    difference = np.broadcast_to(logs[0] - logs[1], p.shape)
    wanted = (p * difference).sum((-3, -2, -1), keepdims=True)

    def mixture(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        exponent = logs[1] + share * difference
        largest = exponent.max((-3, -2, -1), keepdims=True)
        weight = of_sources * np.exp(exponent - largest)
        total = weight.sum((-3, -2, -1), keepdims=True)
        return weight / total, np.log(total) + largest

    share = np.full(wanted.shape, 0.5)
    for _ in range(100):  # Newton's steps on a convex function of one number
        q, _ = mixture(share)
        slope = (q * difference).sum((-3, -2, -1), keepdims=True) - wanted
        curvature = (q * (difference - slope - wanted) ** 2).sum((-3, -2, -1), keepdims=True)
        step = np.divide(slope, curvature, out=np.zeros_like(slope), where=curvature > 1e-14)
        share = share - np.clip(step, -0.2, 0.2)
        if np.abs(step).max() < 1e-10:
            break
    _, normalisation = mixture(share)
    fitted = _log(of_sources) + logs[1] + share * difference - normalisation
    synergy = _mean(p, _log(p) - fitted)
    return i1 + i2 - i12 + synergy


def least_union(p: np.ndarray) -> np.ndarray:
    """I1 + I2 less the least that both can tell with the same marginals of each source and the target."""
    i1, i2, _ = three_informations(p)
    tables = p.reshape(-1, *p.shape[-3:])
    union, waiting = np.empty(len(tables)), np.arange(len(tables))
    state = _first_coupling(tables)
    for cycle in range(MOST_CYCLES):
        state, told, found = _next_coupling(*state)
        # Finished tables leave now and then: one slow one would otherwise hold up hundreds.
        if found.all() or cycle % 25 == 24 or cycle == MOST_CYCLES - 1:
            done = found if cycle < MOST_CYCLES - 1 else np.ones_like(found)
            union[waiting[done]] = told[done]
            waiting = waiting[~done]
            state = tuple(values[~done] for values in state)
        if not waiting.size:
            break
    return i1 + i2 - union.reshape(p.shape[:-3])


Coupling = tuple[np.ndarray, ...]


def _first_coupling(p: np.ndarray) -> Coupling:
    """Target, both channels, distribution of the sources when only the target ties them, and a scaling."""
    target = p.sum((-3, -2))[:, None, :]
    first, second = _ratio(p.sum(-2), target), _ratio(p.sum(-3), target)
    return target, first, second, _tied_by_target(p).sum(-1, keepdims=True), np.ones_like(second)


def _next_coupling(
    target: np.ndarray, first: np.ndarray, second: np.ndarray, of_sources: np.ndarray, right: np.ndarray
) -> tuple[Coupling, np.ndarray, np.ndarray]:
    """One cycle of alternating minimisation, what both sources then tell, and whether it is over.

    As Banerjee, Rauh and Montufar (2018), but with a single step of each fit, and with an overshoot: for each value of
    the target, the nearest distribution to that of the sources with the right marginals; their mean is the next
    distribution of the sources. No solution tells less than the present one by more than the largest logarithm of the
    ratio of the two.
    """
    left = _ratio(first, (of_sources * right[:, None]).sum(-2))
    right = _ratio(second, (of_sources * left[:, :, None]).sum(-3))
    coupling = of_sources * left[:, :, None] * right[:, None]
    after = (target[:, None] * coupling).sum(-1, keepdims=True)
    change = np.divide(after, of_sources, out=np.ones_like(after), where=of_sources > 0)
    unfitted = np.abs(coupling.sum(-2) - first).max((-2, -1))
    found = (np.log(change.max((-3, -2, -1))) < OPTIMUM) & (unfitted < OPTIMUM / 100)
    told = (target[:, None] * coupling * _log_ratio(coupling, after)).sum((-3, -2, -1))
    beyond = of_sources * change**OVERSHOOT
    return (target, first, second, beyond / beyond.sum((-3, -2, -1), keepdims=True), right), told, found


def common_surprisal(p: np.ndarray) -> np.ndarray:
    """Mean co-information of the outcomes where all four informations have its sign."""
    q = _pairwise_fit(p)
    i1, i2, i12 = _pointwise_informations(q)
    informations = [np.broadcast_to(values, q.shape) for values in (i1 + i2 - i12, i1, i2, i12)]
    # What is zero but for rounding has no sign.
    signs = [np.where(np.abs(values) < 1e-8, 0.0, np.sign(values)) for values in informations]
    common = (signs[0] == signs[1]) & (signs[0] == signs[2]) & (signs[0] == signs[3])
    return (q * informations[0] * common).sum((-3, -2, -1))


def dependency(p: np.ndarray) -> np.ndarray:
    """I1 less the least that X1's tie to the target adds to any set of other ties."""
    i1, i2, _ = three_informations(p)
    tied_by_target = three_informations(_tied_by_target(p))[2]
    all_pairs = three_informations(_pairwise_fit(p))[2]
    return np.maximum(i1 + i2 - np.minimum(tied_by_target, all_pairs), 0.0)


# Arithmetic of tables --------------------------------------------------------------------------------------------


def _log(p: np.ndarray) -> np.ndarray:
    """Logarithm where p is positive, else 0: such an outcome has no weight."""
    return np.log(p, out=np.zeros_like(p), where=p > 0)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Their ratio, 0 where the denominator is."""
    denominator = np.broadcast_to(denominator, numerator.shape)
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _log_ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return _log(numerator) - _log(np.where(numerator > 0, denominator, 0.0))


def _mean(p: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (p * values).sum((-3, -2, -1))


def _pointwise_informations(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ln p(x, target) / p(x) p(target) of X1, X2 and both, each of shape that broadcasts to p's."""
    target = p.sum((-3, -2), keepdims=True)
    found = []
    for joint in (p.sum(-2, keepdims=True), p.sum(-3, keepdims=True), p):
        found.append(_log_ratio(joint, joint.sum(-1, keepdims=True) * target))
    return found[0], found[1], found[2]


def _entropy(p: np.ndarray) -> np.ndarray:
    """Entropy over the last axis, nats."""
    return -(p * _log(p)).sum(-1)


def _mutual(p: np.ndarray) -> np.ndarray:
    """Mutual information of the last two axes, nats."""
    return _entropy(p.sum(-1)) + _entropy(p.sum(-2)) - _entropy(p.reshape(*p.shape[:-2], -1))


def _tied_by_target(p: np.ndarray) -> np.ndarray:
    """Distribution in which the sources are independent given the target."""
    return _ratio(p.sum(-2, keepdims=True) * p.sum(-3, keepdims=True), p.sum((-3, -2), keepdims=True))


def _pairwise_fit(p: np.ndarray) -> np.ndarray:
    """Distribution of largest entropy with the same marginals of all pairs, by iterative proportional fitting."""
    tables = p.reshape(-1, *p.shape[-3:])
    wanted = [tables.sum(axis, keepdims=True) for axis in AXES]
    fitted, waiting, q = np.empty_like(tables), np.arange(len(tables)), _tied_by_target(tables)
    for cycle in range(0, MOST_FITTING_CYCLES, 10):
        for axis, marginal in [*zip(AXES, wanted, strict=True)] * 10:
            q = q * _ratio(marginal, q.sum(axis, keepdims=True))
        off = [
            np.abs(q.sum(axis, keepdims=True) - own).max((-3, -2, -1)) for axis, own in zip(AXES, wanted, strict=True)
        ]
        done = np.maximum.reduce(off) < FIT
        if cycle >= MOST_FITTING_CYCLES - 10:
            done = np.ones_like(done)
        fitted[waiting[done]] = q[done]
        waiting, q, wanted = waiting[~done], q[~done], [own[~done] for own in wanted]
        if not waiting.size:
            break
    return fitted.reshape(p.shape)
