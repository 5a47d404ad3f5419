"""Tables of decompositions: by tuple and class, along a quantity, and of the galaxies that hold the synergy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ..checks import is_number, is_numeric, is_whole
from .decomposition import Decomposition
from .pairs import InputDecomposition
from .tuples import InformationTuple

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = [
    "ALL_GALAXIES",
    "SynergyExtremes",
    "band_that_adds_most",
    "decomposition_table",
    "running_components",
    "synergy_extremes",
    "synergy_profile",
]

ALL_GALAXIES = "all"
FEWEST_COMPARED = 5  # known values in each group


def band_that_adds_most(tuples: Iterable[InformationTuple], table: pd.DataFrame) -> tuple[str, float]:
    """Which single band adds most to all the others, for all galaxies, and how much.

    Parameters
    ----------
    tuples : iterable of InformationTuple
        Those with one band on their first side count.
    table : DataFrame
        Of `decomposition_table`.

    Returns
    -------
    band : str
    value : float
        Mean conditional information, nats.
    """
    single = {one.name: one.bands[0] for one in tuples if len(one.bands) == 1}
    wanted = (table["quantity"] == "conditional_1") & (table["group"] == ALL_GALAXIES) & table["tuple"].isin(single)
    best = table.loc[table.loc[wanted, "mean"].idxmax()]
    return single[best["tuple"]], float(best["mean"])


def decomposition_table(
    decompositions: Mapping[str, Decomposition],
    groups: ArrayLike | None = None,
    *,
    bootstrap: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean quantities of several decompositions as one long table.

    Parameters
    ----------
    decompositions : mapping of str to Decomposition
        By the names of the tuples, all of the same galaxies.
    groups : array [n_galaxies], optional
        A label for each galaxy, such as `helpers.star_formation.star_formation_class` gives; null where it has none.
    bootstrap, seed : int
        As in `Decomposition.mean`.

    Returns
    -------
    DataFrame
        Columns ``tuple``, ``group``, ``quantity``, ``mean``, ``low``, ``high`` (nats, 95% intervals) and
        ``n_galaxies``, those that were held out. The group ``"all"`` comes first, then the labels in
        alphabetical order, or in that of their categories; one of which no galaxy was held out has no rows.

    Raises
    ------
    ValueError
        If there is no decomposition, a label is ``"all"``, or as `Decomposition.mean`.
    """
    if not decompositions:
        raise ValueError("decompositions: found none, expected at least one")
    labels = None if groups is None else pd.Categorical(groups)
    if labels is not None and ALL_GALAXIES in labels.categories:
        raise ValueError(f"groups: found the label {ALL_GALAXIES!r}, expected another: it names all galaxies together")
    blocks = []
    for name, decomposition in decompositions.items():
        held_out = decomposition.held_out
        tables = {ALL_GALAXIES: decomposition.mean(bootstrap, seed)}
        counts = {ALL_GALAXIES: int(held_out.sum())}
        if labels is not None:
            by_group = decomposition.mean(bootstrap, seed, groups=labels)
            for label in labels.categories[labels.categories.isin(by_group.index.get_level_values("group"))]:
                tables[label] = by_group.loc[label]
                counts[label] = int((held_out & np.asarray(labels == label)).sum())
        for label, table in tables.items():
            block = table.reset_index()
            blocks.append(block.assign(tuple=name, group=label, n_galaxies=counts[label]))
    columns = ["tuple", "group", "quantity", "mean", "low", "high", "n_galaxies"]
    return pd.concat(blocks, ignore_index=True)[columns]


def running_components(
    decomposition: Decomposition,
    by: ArrayLike,
    *,
    n_bins: int = 8,
    edges: Sequence[float] | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean quantities of a decomposition along a property of the galaxies.

    Parameters
    ----------
    decomposition : Decomposition
    by : array [n_galaxies]
        Stellar mass, magnitude, redshift, or any other number; NaN where unknown.
    n_bins : int, default 8
        Bins of equal numbers of held-out galaxies; fewer where values repeat.
    edges : sequence of float, optional
        Edges of the bins in place of `n_bins`: increasing, a bin holds its lower edge and the last one both.
    bootstrap, seed : int
        As in `Decomposition.mean`.

    Returns
    -------
    DataFrame
        Columns ``bin``, ``from``, ``to``, ``centre`` (the median of the bin's galaxies), ``quantity``, ``mean``,
        ``low``, ``high`` (nats, 95% intervals) and ``n_galaxies``. A bin without galaxies has NaN and a count of 0.
        ``attrs`` counts ``n_outside``, the held-out galaxies that are in no bin or whose `by` is unknown.

    Raises
    ------
    ValueError
        If `by` has another length or no known value among held-out galaxies, `n_bins` is no whole number from 1, the
        edges are not increasing and finite, no galaxy lies between them, or as `Decomposition.mean`.
    """
    held_out = decomposition.held_out
    values = _numbers("by", by, held_out.size)
    known = held_out & np.isfinite(values)
    if not known.any():
        raise ValueError(f"by: known for none of {int(held_out.sum())} held-out galaxies, expected at least one")
    limits = _quantile_edges(values[known], n_bins) if edges is None else _checked_edges(edges)
    number = np.searchsorted(limits, values, side="right") - 1
    number[values == limits[-1]] = len(limits) - 2
    inside = known & (number >= 0) & (number < len(limits) - 1)
    if not inside.any():
        raise ValueError(
            f"edges: none of {int(known.sum())} galaxies lies between {limits[0]:g} and {limits[-1]:g}; "
            f"their values go from {values[known].min():g} to {values[known].max():g}"
        )
    means = decomposition.mean(bootstrap, seed, groups=np.where(inside, number, np.nan))
    quantities = means.index.get_level_values("quantity").unique()
    blocks = []
    for i, (low, high) in enumerate(zip(limits[:-1], limits[1:], strict=True)):
        own = inside & (number == i)
        nothing = pd.DataFrame({"mean": np.nan, "low": np.nan, "high": np.nan}, quantities)
        block = (means.loc[i] if own.any() else nothing).reset_index()
        block.insert(0, "bin", i)
        block.insert(1, "from", low)
        block.insert(2, "to", high)
        block.insert(3, "centre", np.median(values[own]) if own.any() else np.nan)
        blocks.append(block.assign(n_galaxies=int(own.sum())))
    table = pd.concat(blocks, ignore_index=True)
    table.attrs = {"n_outside": int((held_out & ~inside).sum())}
    return table


def _numbers(argument: str, values: ArrayLike, n_galaxies: int) -> np.ndarray:
    try:
        array = pd.Series(values).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise ValueError(f"{argument}: found values that are not numbers, expected one number per galaxy") from None
    if array.size != n_galaxies:
        raise ValueError(f"{argument}: found {array.size} values, expected one for each of {n_galaxies} galaxies")
    return array


def _quantile_edges(values: np.ndarray, n_bins: int) -> np.ndarray:
    if not is_whole(n_bins) or n_bins < 1:
        raise ValueError(f"n_bins: found {n_bins!r}, expected a whole number from 1")
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)))
    # All values alike make one bin, of no width.
    return edges if len(edges) > 1 else np.repeat(edges, 2)


def _checked_edges(edges: Sequence[float]) -> np.ndarray:
    limits = np.asarray(edges, dtype=np.float64)
    if limits.ndim != 1 or len(limits) < 2 or not np.isfinite(limits).all() or (np.diff(limits) <= 0).any():
        raise ValueError(f"edges: found {edges!r}, expected at least two increasing finite numbers")
    return limits


@dataclass(frozen=True)
class SynergyExtremes:
    """Galaxies of the highest and of the lowest pointwise synergy.

    Attributes
    ----------
    top, bottom : int array [n_chosen]
        Rows of the sample; the highest synergy first in `top`, the lowest first in `bottom`.
    synergy : float64 array [n_galaxies]
        As it was measured for all galaxies, nats: by the refits that did not rank them, where one refit did; else by
        what ranked them. NaN where not held out.
    ranked_by : int or None
        The refit that ranked them; None for all together.
    """

    top: np.ndarray
    bottom: np.ndarray
    synergy: np.ndarray
    ranked_by: int | None

    @property
    def means(self) -> tuple[float, float]:
        """Mean measured synergy of the top and of the bottom galaxies, nats."""
        return float(self.synergy[self.top].mean()), float(self.synergy[self.bottom].mean())


def synergy_extremes(
    decomposition: Decomposition, *, share: float = 0.2, rank_by: int | None = None
) -> SynergyExtremes:
    """Rank galaxies by pointwise synergy and take the two ends (ours).

    The extremes of a noisy quantity are those whose noise was extreme: measured again they lie nearer the
    mean. With several refits let one rank and the others measure (`rank_by`): the networks' noise, which is
    independent between refits, then drops out of the measured synergy. What the refits share does not: a galaxy whose
    mass lies where the union happens to expect it has a high synergy by every refit.

    Parameters
    ----------
    decomposition : Decomposition
    share : float, default 0.2
        Of the held-out galaxies at either end, at most a half and at least one galaxy.
    rank_by : int, optional
        Number of the refit that ranks, among `InputDecomposition.repeats`; the mean of the others' synergy is then
        measured. Default: all refits together rank and measure.

    Returns
    -------
    SynergyExtremes

    Raises
    ------
    ValueError
        If fewer than two galaxies are held out, `share` is not above 0 and at most 0.5, or there is no such refit or
        no other.
    """
    if not is_number(share) or not 0 < share <= 0.5:
        raise ValueError(f"share: found {share!r}, expected a number above 0 and at most 0.5")
    rows = np.flatnonzero(decomposition.held_out)
    if len(rows) < 2:
        raise ValueError(f"decomposition: {len(rows)} galaxies are held out, expected at least two")
    ranking = measured = decomposition.synergistic
    if rank_by is not None:
        repeats = decomposition.repeats if isinstance(decomposition, InputDecomposition) else ()
        if len(repeats) < 2 or not is_whole(rank_by) or not 0 <= rank_by < len(repeats):
            raise ValueError(
                f"rank_by: found {rank_by!r} of {len(repeats)} refits, expected the number of one among at least two"
            )
        ranking = repeats[rank_by].synergistic
        measured = np.mean([one.synergistic for i, one in enumerate(repeats) if i != rank_by], axis=0)
    ordered = rows[np.argsort(ranking[rows], kind="stable")]
    n_chosen = max(1, int(share * len(rows)))
    return SynergyExtremes(ordered[::-1][:n_chosen], ordered[:n_chosen], measured, rank_by)


def synergy_profile(
    decomposition: Decomposition,
    sample: Sample,
    columns: Sequence[str],
    *,
    share: float = 0.2,
    rank_by: int | None = None,
) -> pd.DataFrame:
    """Find what distinguishes the galaxies that hold the synergy from those that lack it (ours).

    Extremes of a noisy quantity regress: measured again they lie nearer the mean. Where there are several refits, rank
    by one of them: the others measure. What refits share does not drop out so.

    Parameters
    ----------
    decomposition : Decomposition
        Of this sample.
    sample : Sample
    columns : sequence of str
        Catalogue columns, the target among them if wanted.
    share : float, default 0.2
        Of the held-out galaxies at either end, at most a half and at least one galaxy.
    rank_by : int, optional
        Number of the refit that ranks, among `InputDecomposition.repeats`; the mean of the others' synergy is then
        measured. Default: all refits together rank and measure.

    Returns
    -------
    DataFrame
        By column, the strongest effect first: ``median_top`` and ``median_bottom``, in the column's units;
        ``effect``, Cliff's delta, the chance that a top galaxy has the higher value less the chance that a bottom
        one has, from -1 to 1, with its 95% interval ``low``, ``high`` (DeLong's variance); ``p_value`` of Mann and
        Whitney's test, ``p_adjusted`` over the columns by Benjamini and Hochberg; ``n_top``, ``n_bottom``, the
        galaxies whose value is known. A column known for fewer than five galaxies of an end has NaN. ``attrs``
        holds ``synergy_top`` and ``synergy_bottom``, means in nats, and ``ranked_by``.

    Raises
    ------
    ValueError
        If a column is missing, repeated or not numeric, or there is none; the decomposition is of another number of
        galaxies; fewer than two are held out; `share` is not above 0 and at most 0.5; or there is no such refit or no
        other.
    """
    from ..causal import benjamini_hochberg

    columns = list(columns)
    if not columns or len(set(columns)) < len(columns):
        raise ValueError(f"columns: found {columns}, expected catalogue columns, each once")
    for column in columns:
        if column not in sample.catalog.columns:
            raise ValueError(
                f"columns: {column!r} is missing, the catalogue has {', '.join(map(str, sample.catalog.columns))}"
            )
        if not is_numeric(sample.catalog[column]):
            raise ValueError(f"columns: {column!r} holds {sample.catalog[column].dtype}, expected numbers")
    if len(decomposition.held_out) != len(sample):
        raise ValueError(
            f"decomposition: found {len(decomposition.held_out)} galaxies, expected the sample's {len(sample)}"
        )
    extremes = synergy_extremes(decomposition, share=share, rank_by=rank_by)
    rows = {}
    for column in columns:
        values = sample.catalog[column].to_numpy(dtype=np.float64, na_value=np.nan)
        rows[column] = _compared(*(own[np.isfinite(own)] for own in (values[extremes.top], values[extremes.bottom])))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("column")
    tested = table["p_value"].notna()
    table.insert(6, "p_adjusted", np.nan)
    if tested.any():
        table.loc[tested, "p_adjusted"] = benjamini_hochberg(table.loc[tested, "p_value"].to_numpy())
    table = table.loc[table["effect"].abs().sort_values(ascending=False, kind="stable").index]
    top, bottom = extremes.means
    table.attrs = {"synergy_top": top, "synergy_bottom": bottom, "ranked_by": rank_by}
    return table


def _compared(top: np.ndarray, bottom: np.ndarray) -> dict[str, Any]:
    """Medians, Cliff's delta with its interval, and the p-value of two sets of values."""
    row = {
        "median_top": np.median(top) if top.size else np.nan,
        "median_bottom": np.median(bottom) if bottom.size else np.nan,
        **dict.fromkeys(("effect", "low", "high", "p_value"), np.nan),
        "n_top": top.size,
        "n_bottom": bottom.size,
    }
    if min(top.size, bottom.size) < FEWEST_COMPARED:
        return row
    # The share of the other set that each value exceeds, less the share that exceeds it (DeLong et al. 1988).
    of_top, of_bottom = _dominance(top, bottom), -_dominance(bottom, top)
    effect = of_top.mean()
    error = np.sqrt(of_top.var(ddof=1) / top.size + of_bottom.var(ddof=1) / bottom.size)
    low, high = np.clip(effect + stats.norm.ppf([0.025, 0.975]) * error, -1, 1)
    p_value = stats.mannwhitneyu(top, bottom, method="asymptotic").pvalue if np.ptp([*top, *bottom]) else 1.0
    return {**row, "effect": effect, "low": low, "high": high, "p_value": p_value}


def _dominance(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return below / len(others) - 1
