"""Forks S -> M, S -> Q with known truth: what a test of independence at given S must not, and must, reject."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .reference import Floats

__all__ = ["FORMS", "Fork", "draw_fork"]

FORMS = ("linear", "nonlinear", "shared bend", "heteroscedastic")
_NOISE = 0.5


@dataclass(frozen=True, eq=False)
class Fork:
    """Galaxies whose target and query property both follow S.

    Attributes
    ----------
    latent : ndarray of float, [n, n_dimensions]
        S, standard normal.
    target, query : ndarray of float, [n]
    """

    latent: Floats
    target: Floats
    query: Floats


def draw_fork(
    n: int, n_dimensions: int, form: str = "nonlinear", *, partial_correlation: float = 0.0, seed: int = 0
) -> Fork:
    """Draw a fork: S causes M, S causes Q, and at given S they are independent, or correlated as asked (ours).

    Parameters
    ----------
    n : int
        Number of galaxies.
    n_dimensions : int
        Of S.
    form : {"linear", "nonlinear", "shared bend", "heteroscedastic"}
        How target and query follow S. "linear": each along a direction of its own, the query partly along the
        target's. "nonlinear": slope, square and wave along directions of their own. "shared bend": both follow one and
        the same sharp bend, which no local slope removes in many dimensions. "heteroscedastic": as "linear" with bends,
        and both scatter more on the same side of S, by a factor of 2.7 for two standard deviations.
    partial_correlation : float, default 0
        Correlation of their scatter at given S.
    seed : int, default 0

    Returns
    -------
    Fork

    Raises
    ------
    ValueError
        If the form is unknown or the correlation not between -1 and 1.
    """
    if form not in FORMS:
        raise ValueError(f"form: found {form!r}, expected one of {', '.join(FORMS)}")
    if not -1 < partial_correlation < 1:
        raise ValueError(f"partial_correlation: found {partial_correlation!r}, expected a number between -1 and 1")
    rng = np.random.default_rng([seed, n_dimensions, FORMS.index(form)])
    latent = rng.normal(size=(n, n_dimensions))
    directions = rng.normal(size=(n_dimensions, 7))
    a, b, c, d, e, f, side = (latent @ (directions / np.linalg.norm(directions, axis=0))).T
    target, query = {
        "linear": lambda: (a, b + 0.5 * a),
        "nonlinear": lambda: (a + 0.3 * b**2 + 0.5 * np.sin(c), d + 0.3 * e**2 + 0.5 * np.sin(f)),
        "shared bend": lambda: (a + np.tanh(1.5 * a), a + np.tanh(1.5 * a) + np.sin(b)),
        "heteroscedastic": lambda: (np.tanh(a), np.sin(b) + 0.5 * a),
    }[form]()
    scatter = _NOISE * (np.exp(0.5 * side) if form == "heteroscedastic" else 1.0)
    own, other = rng.normal(size=(2, n))
    own = partial_correlation * other + np.sqrt(1 - partial_correlation**2) * own
    return Fork(latent, target + scatter * own, query + scatter * other)
