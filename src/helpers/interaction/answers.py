"""What every subset of some bands tells: a table for the picker, checked (ours)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..plotting import ATOMS

__all__ = [
    "COMPONENTS",
    "QUANTITIES",
    "Answers",
    "band_answers",
    "checked_answers",
    "checked_bands",
    "subset_mask",
    "subset_name",
]

FEWEST_BANDS, MOST_BANDS = 2, 8
# What is shown of a choice of bands, with the names that `Decomposition.mean` gives it; the first stands for the choice
# and the others for how it and the rest share what they tell.
QUANTITIES = {
    "information": "I(X1)",
    **{name: name for name in ("R", "U1", "U2", "Syn", "conditional_1", "conditional_2")},
}
COMPONENTS = tuple(name for name, _, _ in ATOMS)
MIRRORED = {"U1": "U2", "U2": "U1", "conditional_1": "conditional_2", "conditional_2": "conditional_1"}
ENDS = ("", "_low", "_high")
TOLERANCE = 0.005  # nats, by which rounded components may miss their sum


def band_answers(bands: Sequence[str], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put decompositions of bands against the rest together to the table that `band_picker` takes (ours).

    Parameters
    ----------
    bands : sequence of str
        From 2 to 8, in order of wavelength.
    tables : mapping of str to DataFrame
        For every division of the bands in two, what ``Decomposition.mean`` of `helpers.information` returns, by the
        bands of the first input joined by "+": ``"u+g"``. One of a division and its mirror image is enough.

    Returns
    -------
    DataFrame
        A row for every subset but the empty one, ``bands`` its name as index; columns ``information``, ``R``,
        ``U1``, ``U2``, ``Syn``, ``conditional_1`` and ``conditional_2`` with ``_low`` and ``_high`` of each, in nats.
        X1 is the subset and X2 the rest; all bands have no rest, and NaN but for ``information``.

    Raises
    ------
    ValueError
        If the bands are not from 2 to 8 different names, a division is missing, named wrongly or given twice, or a
        table lacks a row or column.
    """
    bands = checked_bands(bands)
    given = _by_mask(bands, tables, "tables")
    whole = 2 ** len(bands) - 1
    missing = [mask for mask in range(1, whole) if mask not in given and whole ^ mask not in given]
    if missing:
        raise ValueError(f"tables: {_first_few(bands, missing)} missing, and so the mirror image")
    for name, table in tables.items():
        lacking = [row for row in (*QUANTITIES.values(), "I(X2)", "I(X1,X2)") if row not in table.index]
        lacking += [column for column in ("mean", "low", "high") if column not in table.columns]
        if lacking:
            raise ValueError(f"tables: {name!r} lacks {', '.join(map(repr, lacking))}")
    rows = {}
    for mask in range(1, whole):
        mirrored = mask not in given
        table = tables[given[whole ^ mask if mirrored else mask]]
        row: dict[str, float] = {}
        for quantity, source in QUANTITIES.items():
            if mirrored:
                source = "I(X2)" if quantity == "information" else MIRRORED.get(source, source)
            row |= _three(quantity, table.loc[source])
        rows[subset_name(bands, mask, "+")] = row
    any_table = tables[next(iter(given.values()))]
    rows["+".join(bands)] = _three("information", any_table.loc["I(X1,X2)"])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("bands")


def _three(quantity: str, row: pd.Series) -> dict[str, float]:
    return {f"{quantity}{end}": row[name] for end, name in zip(ENDS, ("mean", "low", "high"), strict=True)}


def checked_bands(bands: Sequence[str]) -> tuple[str, ...]:
    """Names of bands as they are given, unless they are not from 2 to 8 different ones: then a ValueError."""
    names = tuple(bands)
    fine = all(isinstance(name, str) and name.strip() == name != "" and "+" not in name for name in names)
    if not fine or len(set(names)) < len(names) or not FEWEST_BANDS <= len(names) <= MOST_BANDS:
        raise ValueError(
            f"bands: found {list(names)}, expected from {FEWEST_BANDS} to {MOST_BANDS} different names without '+'"
        )
    return names


def subset_mask(bands: Sequence[str], chosen: Sequence[str], argument: str) -> int:
    """Number of a subset: bit i is set if it holds band i. A band that is unknown or stands twice is a ValueError."""
    for band in chosen:
        if band not in bands:
            raise ValueError(f"{argument}: found the band {band!r} in {list(chosen)}, expected some of {list(bands)}")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"{argument}: found {list(chosen)}, in which a band stands twice")
    return sum(1 << list(bands).index(band) for band in chosen)


def _by_mask(bands: Sequence[str], names: Mapping[str, object] | pd.Index, argument: str) -> dict[int, str]:
    """The names of subsets by their numbers."""
    found: dict[int, str] = {}
    for name in names:
        mask = subset_mask(bands, str(name).split("+"), argument)
        if mask in found:
            raise ValueError(f"{argument}: found {found[mask]!r} and {name!r}, expected every subset once")
        found[mask] = name
    return found


def subset_name(bands: Sequence[str], mask: int, separator: str = ", ") -> str:
    """Bands of the subset of this number, in order."""
    return separator.join(band for i, band in enumerate(bands) if mask >> i & 1)


def _first_few(bands: Sequence[str], masks: Sequence[int]) -> str:
    shown = ", ".join(repr(subset_name(bands, mask, "+")) for mask in masks[:3])
    more = f" and {len(masks) - 3} more" if len(masks) > 3 else ""
    return f"{shown}{more} {'are' if len(masks) > 1 else 'is'}"


@dataclass(frozen=True)
class Answers:
    """What every subset of some bands tells, in thousandths of a nat, int [n_subsets, n_quantities, 3]."""

    bands: tuple[str, ...]
    thousandths: np.ndarray

    @property
    def whole(self) -> int:
        """Number of the subset of all bands."""
        return len(self.thousandths) - 1

    def shared(self, mask: int) -> bool:
        """Whether there is something on both sides to be shared."""
        return 0 < mask < self.whole

    def row(self, mask: int) -> list[int | None]:
        """Value, low and high of all quantities in turn; None for components where there is nothing to share."""
        return [
            value if self.shared(mask) or name not in COMPONENTS else None
            for name, values in zip(QUANTITIES, self.thousandths[mask].tolist(), strict=True)
            for value in values
        ]

    def shown(self, mask: int) -> dict[str, list[int | None]]:
        """Value, low and high of everything that is shown of a choice, by name."""
        row = self.row(mask)
        found = {name: row[3 * i : 3 * i + 3] for i, name in enumerate(QUANTITIES)}
        return {**found, "rest": self.row(self.whole ^ mask)[:3], "all": self.row(self.whole)[:3]}

    @property
    def scale(self) -> tuple[float, float]:
        """Ends of the axis on which every choice can be drawn, in thousandths of a nat."""
        names = list(QUANTITIES)
        components = self.thousandths[1 : self.whole, [names.index(name) for name in COMPONENTS], 0]
        ranges = self.thousandths[:, [i for i, name in enumerate(names) if name not in COMPONENTS]]
        low = min(0, ranges.min(), np.minimum(components, 0).sum(axis=1).min())
        high = max(1, ranges.max(), np.maximum(components, 0).sum(axis=1).max())
        return float(low - 0.01 * (high - low)), float(high + 0.02 * (high - low))


def checked_answers(bands: tuple[str, ...], answers: pd.DataFrame) -> Answers:
    """Read a table of all subsets, as `band_answers` returns it.

    Raises
    ------
    ValueError
        If it lacks a column or a subset, names one wrongly or twice or has a null, an interval is the wrong way round,
        or components do not add up to 0.005 nats.
    """
    columns = [f"{quantity}{end}" for quantity in QUANTITIES for end in ENDS]
    lacking = [column for column in columns if column not in answers.columns]
    if lacking:
        raise ValueError(f"answers: column {lacking[0]!r} is missing, found {', '.join(map(str, answers.columns))}")
    names = answers["bands"] if "bands" in answers.columns else answers.index
    given = _by_mask(bands, pd.Index(names), "answers")
    whole = 2 ** len(bands) - 1
    missing = [mask for mask in range(1, whole + 1) if mask not in given]
    if missing:
        raise ValueError(f"answers: {_first_few(bands, missing)} missing, expected all {whole} subsets")
    values = np.zeros((whole + 1, len(columns)))
    values[list(given)] = answers[columns].to_numpy(dtype=np.float64)
    values[whole, len(ENDS) :] = 0.0  # of all bands there is no rest
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        mask, i = wrong[0]
        raise ValueError(f"answers: {columns[i]!r} of {given[mask]!r} is {values[mask, i]}, expected a number")
    triples = values.reshape(whole + 1, len(QUANTITIES), len(ENDS))
    # Given nothing, the whole adds all it tells; given the whole, nothing does.
    information, first, last = triples[whole, 0], list(QUANTITIES).index("conditional_1"), -1
    triples[whole, first] = triples[0, last] = information
    _check_sums(bands, triples, whole)
    return Answers(bands, np.rint(1000 * triples).astype(int))


def _check_sums(bands: Sequence[str], triples: np.ndarray, whole: int) -> None:
    """Refuse numbers that cannot be those of one decomposition of each subset and the rest."""
    reversed_interval = np.argwhere(triples[..., 1] > triples[..., 2])
    if len(reversed_interval):
        mask, quantity = reversed_interval[0]
        name = list(QUANTITIES)[quantity]
        raise ValueError(f"answers: {name}_low of {subset_name(bands, mask, '+')!r} is above {name}_high")
    own = np.arange(1, whole)
    value = dict(zip(QUANTITIES, triples[..., 0].T, strict=True))
    rest, both = value["information"][whole ^ own], value["information"][whole]
    one, redundant = value["information"][own], value["R"][own]
    unique_1, unique_2, synergistic = (value[name][own] for name in ("U1", "U2", "Syn"))
    equations = {
        "R + U1 and information": (redundant + unique_1, one),
        "R + U2 and information of the rest": (redundant + unique_2, rest),
        "R + U1 + U2 + Syn and information of all bands": (redundant + unique_1 + unique_2 + synergistic, both),
        "R and R of the rest": (redundant, value["R"][whole ^ own]),
        "U1 + Syn and conditional_1": (unique_1 + synergistic, value["conditional_1"][own]),
        "U2 + Syn and conditional_2": (unique_2 + synergistic, value["conditional_2"][own]),
    }
    for words, (left, right) in equations.items():
        wrong = np.flatnonzero(np.abs(left - right) > TOLERANCE)
        if len(wrong):
            i = wrong[0]
            raise ValueError(
                f"answers: {words} of {subset_name(bands, own[i], '+')!r} are {left[i]:.3f} and {right[i]:.3f}, "
                "expected the same"
            )
