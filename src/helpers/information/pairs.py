"""How two inputs of a sample share what they tell about stellar mass (paper)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..inputs import INPUTS, parse
from ..progress import progress_bar
from .checkpoints import Fit
from .decomposition import Decomposition, decompose, summarise
from .estimators import InformationEstimate, Session, estimate_distinct, make_estimate, open_session, pooled
from .intervals import bootstrap_means, refit_draws
from .laboratory import Inputs, Laboratory, contents

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = [
    "ROLES",
    "InputDecomposition",
    "decompose_estimates",
    "decompose_inputs",
    "decompose_pairs",
    "fit_role",
    "fitted_roles",
]

PLACEBOS = ("first exchanged", "second exchanged")
ROLES = ("first", "second", "union", *PLACEBOS)


@dataclass(frozen=True)
class InputDecomposition(Decomposition):
    """A `Decomposition` of two inputs of a sample, with the estimates that it rests on.

    Attributes
    ----------
    names : (str, str)
        The two inputs, X1 and X2.
    estimates : (InformationEstimate, InformationEstimate, InformationEstimate)
        Of X1, X2 and both.
    placebo_1, placebo_2 : InformationEstimate or None
        Of both inputs when X1, or X2, was exchanged between galaxies: its gain over the other input alone is
        what any correction would gain.
    repeats : tuple of Decomposition
        The decomposition by each refit alone.
    """

    names: tuple[str, str] = ("X1", "X2")
    estimates: tuple[InformationEstimate, ...] = ()
    placebo_1: InformationEstimate | None = None
    placebo_2: InformationEstimate | None = None
    repeats: tuple[Decomposition, ...] = field(default=(), repr=False)

    @property
    def placebo_gain_1(self) -> float:
        """Mean gain over X2 alone from an X1 exchanged between galaxies, nats; NaN without a placebo."""
        return np.nan if self.placebo_1 is None else self.placebo_1.mean - self.estimates[1].mean

    @property
    def placebo_gain_2(self) -> float:
        """Mean gain over X1 alone from an X2 exchanged between galaxies, nats; NaN without a placebo."""
        return np.nan if self.placebo_2 is None else self.placebo_2.mean - self.estimates[0].mean

    @property
    def refit_error(self) -> float:
        """Error of each input's pointwise information by the refits, nats.

        The standard deviation of i1 - i2 between refits, over the root of their number, and over the root of
        2 for the two inputs; NaN with one refit. Noise that all refits share does not show.
        """
        if len(self.repeats) < 2:
            return np.nan
        difference = np.stack([repeat.unique_1 - repeat.unique_2 for repeat in self.repeats])[:, self.held_out]
        return float(np.sqrt(difference.var(axis=0, ddof=1).mean() / (2 * len(self.repeats))))

    def table(self) -> pd.DataFrame:
        """All quantities of every galaxy; with placebos also their gains and what is left net of them."""
        return self._with_placebos(super().table(), lambda estimate: estimate.pointwise)

    def _with_placebos(
        self, table: pd.DataFrame, information: Callable[[InformationEstimate], np.ndarray]
    ) -> pd.DataFrame:
        """Add to a table, per placebo, its gain by `information` and the conditional information net of it."""
        for i, (placebo, other) in enumerate(((self.placebo_1, 1), (self.placebo_2, 0)), start=1):
            if placebo is not None:
                table[f"placebo_{i}"] = information(placebo) - information(self.estimates[other])
                table[f"conditional_{i}_net"] = table[f"conditional_{i}"] - table[f"placebo_{i}"]
        return table

    def _refit_means(self, refit: int, rows: np.ndarray) -> np.ndarray:
        """Means of the table's columns over some galaxies, by one refit alone."""
        table = self._with_placebos(self.repeats[refit].table(), lambda estimate: estimate.repeats[refit])
        return table.loc[rows].mean().to_numpy()

    def _means(self, rows: np.ndarray, bootstrap: int, seed: int) -> pd.DataFrame:
        table = self.table().loc[rows]
        if not bootstrap:
            return summarise(table, None)
        per_refit = np.stack([self._refit_means(refit, rows) for refit in range(len(self.repeats))])
        draws = bootstrap_means(table.to_numpy(), bootstrap, seed) + refit_draws(per_refit, bootstrap, seed)
        return summarise(table, draws)


def decompose_estimates(
    first: InformationEstimate,
    second: InformationEstimate,
    both: InformationEstimate,
    placebo_1: InformationEstimate | None = None,
    placebo_2: InformationEstimate | None = None,
) -> InputDecomposition:
    """Decompose estimates of two inputs and of their union, made with the same seeds on the same galaxies (paper).

    Parameters
    ----------
    first, second, both : InformationEstimate
    placebo_1, placebo_2 : InformationEstimate, optional
        Of both inputs when the first, or the second, was exchanged between galaxies.

    Raises
    ------
    ValueError
        If they are not of the same galaxies, or have not as many refits.
    """
    shapes = {estimate.name: estimate.repeats.shape for estimate in (first, second, both)}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"estimates: found refits and galaxies {shapes}, expected the same of all three")
    whole = decompose(first.pointwise, second.pointwise, both.pointwise)
    repeats = tuple(decompose(*three) for three in zip(first.repeats, second.repeats, both.repeats, strict=True))
    return InputDecomposition(
        whole.redundant,
        whole.unique_1,
        whole.unique_2,
        whole.synergistic,
        names=(first.name, second.name),
        estimates=(first, second, both),
        placebo_1=placebo_1,
        placebo_2=placebo_2,
        repeats=repeats,
    )


def decompose_inputs(
    sample: Sample,
    a: Inputs,
    b: Inputs,
    *,
    estimator: str = "nested",
    profile: str = "book",
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    placebo: bool | str = True,
    cross_fit: int = 1,
    reuse: dict[Any, Any] | None = None,
    checkpoint_dir: str | Path | None = None,
    **overrides: Any,
) -> InputDecomposition:
    """Estimate and decompose what two inputs of a sample tell about stellar mass (paper).

    With the nested estimator the union starts from the part with the lower validation cross-entropy. The
    placebos (ours) start from either part, and correct it with the other part's columns exchanged between
    galaxies. With several seeds each refits every network on its own bootstrap sample of the training split,
    and the intervals cover both the held-out galaxies and the refits.

    Parameters
    ----------
    sample : Sample
    a, b : str or sequence of str
        The two inputs: both registered names or unions, or both lists of catalogue columns.
    estimator : {"nested", "separate", "amortised"}
        As in `estimate_information`; "amortised" trains one network on a, b and both.
    profile, seeds, device, cross_fit, checkpoint_dir, **overrides
        As in `estimate_information`.
    placebo : bool or str, default True
        Whether to train the placebos; ``"first"`` or ``"second"`` trains the one in which that input is exchanged, for
        a placebo takes as long as a union. Only the nested estimator has them.
    reuse : dict, optional
        Give the same dict to several calls and no network is fitted twice.

    Returns
    -------
    InputDecomposition

    Raises
    ------
    ValueError
        As `estimate_information`; and if one input is named and the other a list, or they are the same.
    """
    pairs = decompose_pairs(
        sample,
        {"": (a, b)},
        estimator=estimator,
        profile=profile,
        seeds=seeds,
        device=device,
        placebo=placebo,
        cross_fit=cross_fit,
        reuse=reuse,
        checkpoint_dir=checkpoint_dir,
        **overrides,
    )
    return pairs[""]


def decompose_pairs(
    sample: Sample,
    pairs: Mapping[str, tuple[Inputs, Inputs]],
    *,
    estimator: str = "nested",
    profile: str = "book",
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    placebo: bool | str = True,
    cross_fit: int = 1,
    reuse: dict[Any, Any] | None = None,
    checkpoint_dir: str | Path | None = None,
    **overrides: Any,
) -> dict[str, InputDecomposition]:
    """Estimate and decompose many pairs of inputs: no network is trained, and no image read, twice.

    Parameters
    ----------
    sample : Sample
    pairs : mapping of str to (input, input)
        By the caller's own keys.
    estimator : {"nested", "separate", "amortised"}
        As in `decompose_inputs`; "amortised" trains one network for all inputs of columns and one for all with
        images.
    profile, seeds, device, placebo, cross_fit, reuse, checkpoint_dir, **overrides
        As in `decompose_inputs`.

    Returns
    -------
    dict of str to InputDecomposition
        By the same keys.

    Raises
    ------
    ValueError
        As `decompose_inputs`.
    """
    session = open_session(
        sample,
        estimator=estimator,
        profile=profile,
        seeds=seeds,
        device=device,
        cross_fit=cross_fit,
        reuse={} if reuse is None else reuse,
        checkpoint_dir=checkpoint_dir,
        overrides=overrides,
    )
    exchanged = _exchanged(placebo)
    roles = {key: _roles(session.laboratories[0], a, b) for key, (a, b) in pairs.items()}
    if estimator != "nested":
        every = {(key, i): inputs for key, three in roles.items() for i, inputs in enumerate(three)}
        estimates = estimate_distinct(session, every)
        return {key: decompose_estimates(*(estimates[key, i] for i in range(3))) for key in roles}
    return {key: _nested(session, three, exchanged) for key, three in roles.items()}


def _roles(laboratory: Laboratory, a: Inputs, b: Inputs) -> tuple[Inputs, Inputs, Inputs]:
    """The two inputs and their union, checked."""
    if isinstance(a, str) != isinstance(b, str):
        raise ValueError(f"a, b: found {a!r} and {b!r}, expected two registered names or two lists of columns")
    first, second = (contents(laboratory.resolve(inputs)) for inputs in (a, b))
    if first <= second or second <= first:
        raise ValueError(
            f"a, b: found {a!r} and {b!r}, one of which holds the other, expected each to add columns to the other"
        )
    # In an order of its own, so that exchanging the two inputs changes no network.
    known = list(INPUTS) if isinstance(a, str) else [str(column) for column in laboratory.sample.catalog.columns]
    union = tuple(sorted({*parse(a), *parse(b)}, key=known.index))
    return a, b, "+".join(union) if isinstance(a, str) else union


def _exchanged(placebo: bool | str) -> tuple[int, ...]:
    """Which inputs are exchanged between galaxies, one at a time: 0 the first, 1 the second."""
    known: dict[bool | str, tuple[int, ...]] = {False: (), True: (0, 1), "first": (0,), "second": (1,)}
    if not isinstance(placebo, bool | str) or placebo not in known:
        raise ValueError(f"placebo: found {placebo!r}, expected True, False, 'first' or 'second'")
    return known[placebo]


def _nested(session: Session, roles: tuple[Inputs, Inputs, Inputs], exchanged: tuple[int, ...]) -> InputDecomposition:
    """Estimates of a, of b, of both and, as placebos, of both with one of them exchanged."""
    names = [session.laboratories[0].resolve(inputs).name for inputs in roles]
    inputs = [*zip(names, roles, strict=True)]
    inputs += [(f"{names[2]} with {names[i]} exchanged", roles[2]) for i in exchanged]
    n_fits = len(inputs) * len(session.seeds) * len(session.laboratories)
    parts: list[list[InformationEstimate]] = [[] for _ in inputs]
    with progress_bar(n_fits, f"information of {names[0]}, {names[1]} and both", unit="fit") as bar:
        for laboratory in session.laboratories:
            every = _nested_fits(session, laboratory, roles, exchanged, bar.update)
            for (name, own), fits, part in zip(inputs, every, parts, strict=True):
                settings = session.settings(laboratory, own)
                part.append(make_estimate(laboratory, name, fits, session.seeds, settings))
    first, second, both, *placebos = (pooled(part) for part in parts)
    by_number = dict(zip(exchanged, placebos, strict=True))
    return decompose_estimates(first, second, both, by_number.get(0), by_number.get(1))


def _nested_fits(
    session: Session,
    laboratory: Laboratory,
    roles: tuple[Inputs, ...],
    exchanged: tuple[int, ...],
    count: Callable[[], Any],
) -> list[list[Fit]]:
    """Refits of a, of b, of both and, as placebos, of both with one of them exchanged."""
    a, b, _ = roles
    found: list[list[Fit]] = []
    for role in (*ROLES[:3], *(PLACEBOS[i] for i in exchanged)):
        base = _better(session, laboratory, a, b) if role == "union" else None
        found.append([])
        for seed in session.seeds:
            found[-1].append(_fit_role(laboratory, roles, role, seed, base))
            count()
    return found


def fitted_roles(placebo: bool | str) -> tuple[str, ...]:
    """Which of `ROLES` a pair needs with these placebos, parts first."""
    return (*ROLES[:3], *(PLACEBOS[i] for i in _exchanged(placebo)))


def fit_role(session: Session, a: Inputs, b: Inputs, role: str, seed: int) -> Fit:
    """Fit one of the networks that the nested decomposition of a pair needs, or find it fitted.

    So that many processes that share a ``checkpoint_dir`` can fit them before one decomposes the pair: those of the
    parts first, of all seeds, for unions and placebos start from the better of the two.

    Parameters
    ----------
    session : Session
        Of the nested estimator, with all seeds, and without cross-fitting.
    a, b : str or sequence of str
    role : str
        One of `ROLES`.
    seed : int
        One of the session's.

    Raises
    ------
    ValueError
        If there is no such role, or as `decompose_inputs`.
    """
    if role not in ROLES:
        raise ValueError(f"role: found {role!r}, expected one of {', '.join(ROLES)}")
    (laboratory,) = session.laboratories
    roles = _roles(laboratory, a, b)
    base = _better(session, laboratory, a, b) if role == "union" else None
    return _fit_role(laboratory, roles, role, seed, base)


def _better(session: Session, laboratory: Laboratory, a: Inputs, b: Inputs) -> Inputs:
    """What predicts better, which the union starts from."""
    losses = []
    for inputs in (a, b):
        fits = [laboratory.part(inputs, seed) for seed in session.seeds]
        losses.append(make_estimate(laboratory, "", fits, session.seeds, {}).validation_cross_entropy)
    return a if losses[0] <= losses[1] else b


def _fit_role(laboratory: Laboratory, roles: tuple[Inputs, ...], role: str, seed: int, base: Inputs | None) -> Fit:
    a, b, union = roles
    if role in ("first", "second"):
        return laboratory.part(a if role == "first" else b, seed)
    if role in PLACEBOS:
        return laboratory.union((b, a)[PLACEBOS.index(role)], union, seed, placebo=True)
    assert base is not None
    return laboratory.union(base, union, seed)
