"""Which conclusions hang on the definition of redundancy: conclusion by definition, agree or not (ours)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .components import Components
from .intervals import INTERVAL

__all__ = [
    "Conclusion",
    "adds_little",
    "conclusion_margins",
    "conclusions",
    "more_synergy",
    "mostly_unique",
    "positive_synergy",
]

YES, NO, UNDECIDED = "yes", "no", "undecided"


@dataclass(frozen=True)
class Conclusion:
    """A statement about what one or several pairs of sources tell, that is true where a number is positive.

    Attributes
    ----------
    name : str
        Short, for a table.
    words : str
        The statement as a sentence.
    pairs : tuple of str
        Names of the pairs of sources that it is about.
    margin : callable
        Takes a DataFrame for each pair, rows of values by quantity, in nats, and gives the number, row by row.
    """

    name: str
    words: str
    pairs: tuple[str, ...]
    margin: Callable[..., pd.Series] = field(repr=False)


def positive_synergy(pair: str) -> Conclusion:
    """Synergy of a pair of sources is positive.

    Parameters
    ----------
    pair : str
        Name of a pair of sources, as the components given to `conclusions` have it.

    Returns
    -------
    Conclusion
    """
    return Conclusion(f"{pair}: synergy", f"the synergy of {pair} is positive", (pair,), lambda own: own["Syn"])


def more_synergy(pair: str, other: str) -> Conclusion:
    """One pair of sources is more synergistic than another.

    Parameters
    ----------
    pair : str
        Name of a pair of sources, as the components given to `conclusions` have it.
    other : str
        Name of the other pair.

    Returns
    -------
    Conclusion
    """
    return Conclusion(
        f"{pair} over {other}",
        f"{pair} are more synergistic than {other}",
        (pair, other),
        lambda own, others: own["Syn"] - others["Syn"],
    )


def mostly_unique(pair: str) -> Conclusion:
    """Of what the second source tells alone, more is unique than redundant.

    Parameters
    ----------
    pair : str
        Name of a pair of sources, as the components given to `conclusions` have it.

    Returns
    -------
    Conclusion
    """
    return Conclusion(
        f"{pair}: unique",
        f"the second of {pair} has more unique than redundant information",
        (pair,),
        lambda own: own["U2"] - own["R"],
    )


def adds_little(pair: str, limit: float = 0.02) -> Conclusion:
    """The second source adds less than `limit` nats to the first; the same under every definition.

    Parameters
    ----------
    pair : str
        Name of a pair of sources, as the components given to `conclusions` have it.
    limit : float, default 0.02
        Nats.

    Returns
    -------
    Conclusion
    """
    return Conclusion(
        f"{pair}: adds little",
        f"the second of {pair} adds less than {limit:g} nats to the first",
        (pair,),
        lambda own: limit - own["conditional_2"],
    )


def conclusion_margins(
    components: Mapping[str, Mapping[str, Components]], statements: Sequence[Conclusion]
) -> pd.DataFrame:
    """Weigh statements under every definition.

    Parameters
    ----------
    components : mapping of str to mapping of str to Components
        By pair of sources, then by definition, as `binned_components` returns it for each pair.
    statements : sequence of Conclusion

    Returns
    -------
    DataFrame
        Columns ``conclusion``, ``words``, ``definition``; ``margin``, ``low``, ``high`` in nats, with a 95% interval;
        ``verdict``: "yes" where the interval is above 0, "no" where it is below, else "undecided". Draws of several
        pairs are compared one by one, so that what the resampled galaxies have in common drops out; refits of several
        pairs have nothing in common.

    Raises
    ------
    ValueError
        If there is no pair, definition or statement, names repeat, a pair is missing, pairs have not the same
        definitions, or a definition has not the same number of draws for all pairs of a statement, at least 2.
    """
    definitions = _definitions(components)
    names = [statement.name for statement in statements]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"statements: found the names {names}, expected at least one, and each once")
    rows = []
    for statement in statements:
        missing = [pair for pair in statement.pairs if pair not in components]
        if missing:
            raise ValueError(f"components: {missing[0]!r} is missing, expected it among {', '.join(components)}")
        for definition in definitions:
            own = [components[pair][definition] for pair in statement.pairs]
            rows.append((statement.name, statement.words, definition, *_weigh(statement, own, definition)))
    columns = ["conclusion", "words", "definition", "margin", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def conclusions(components: Mapping[str, Mapping[str, Components]], statements: Sequence[Conclusion]) -> pd.DataFrame:
    """Table of statements against definitions.

    Parameters
    ----------
    components, statements
        As in `conclusion_margins`.

    Returns
    -------
    DataFrame
        A row for each statement; columns: one for each definition with "yes", "no" or "undecided", and ``agree``:
        "yes" or "no" where all definitions say so, "differ" where one says yes and one no, else "undecided".

    Raises
    ------
    ValueError
        As `conclusion_margins`.
    """
    margins = conclusion_margins(components, statements)
    table = margins.pivot(index="conclusion", columns="definition", values="verdict")
    table = table.loc[[statement.name for statement in statements], list(_definitions(components))]
    table.columns.name = None
    return table.assign(agree=[_agreement(set(row)) for row in table.to_numpy()])


def _definitions(components: Mapping[str, Mapping[str, Components]]) -> tuple[str, ...]:
    """Those of all pairs, which have the same."""
    first = next(iter(components), "")
    wanted = tuple(components.get(first, ()))
    if not wanted:
        raise ValueError("components: found no pair of sources with a definition, expected at least one")
    for pair, own in components.items():
        if set(own) != set(wanted):
            raise ValueError(
                f"components: found {', '.join(own)} of {pair!r}, expected the definitions of {first!r}: "
                f"{', '.join(wanted)}"
            )
    return wanted


def _weigh(statement: Conclusion, own: Sequence[Components], definition: str) -> tuple[float, float, float, str]:
    """Margin of a statement, its interval and the verdict."""
    sizes = {len(each.draws) for each in own}
    if len(sizes) > 1 or min(sizes) < 2:
        raise ValueError(
            f"components: found {sorted(sizes)} draws of {', '.join(statement.pairs)} under {definition!r}, "
            "expected the same number of each, at least 2"
        )
    spread = [each.spread(seed) for seed, each in enumerate(own)]
    estimate = float(statement.margin(*(each.estimate.to_frame().T for each in own)).iloc[0])
    low, high = map(float, np.percentile(statement.margin(*spread), INTERVAL))
    return estimate, low, high, YES if low > 0 else NO if high < 0 else UNDECIDED


def _agreement(verdicts: set[str]) -> str:
    if {YES, NO} <= verdicts:
        return "differ"
    return verdicts.pop() if len(verdicts) == 1 else UNDECIDED
