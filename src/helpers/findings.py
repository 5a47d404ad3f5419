"""Statements about results, each judged by the number that it stands on: what a claim's verdict is made of (ours)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

__all__ = ["ANSWERS", "Answered", "Statement", "answer", "answers_page", "answers_table", "look_up", "verdict"]

ANSWERS = ("yes", "no", "undecided", "not tested")
RELATIONS = ("above", "below")
FIRST_APPENDIX = 90

# A key of a dictionary, or of a list of rows the values by which one of them is known.
Key = str | Mapping[str, Any]


@dataclass(frozen=True)
class Statement:
    """A sentence that one number, with its interval, can bear out or contradict.

    Attributes
    ----------
    claim : str
        Letter of the claim that it is a part of.
    words : str
        The sentence, as a page shows it.
    source : str
        Chapter, or stored study, whose results hold the number.
    path : tuple of str or dict
        Where in them; a dictionary picks the row of a list that has these values. A number, or a dictionary with
        ``mean``, ``low`` and ``high``.
    relation : str
        ``"above"`` or ``"below"``: where the number has to lie.
    bound : float, default 0
        What the number has to lie above or below, in `unit`.
    unit : str, default "nats"
        Of the number, as a page writes it.
    sample : str
        Of what galaxies, in words.
    section : str
        Page and section that show it, as ``"page#section"``; empty for none.
    """

    claim: str
    words: str
    source: str
    path: tuple[Key, ...]
    relation: str = "above"
    bound: float = 0.0
    unit: str = "nats"
    sample: str = "mock"
    section: str = ""

    def __post_init__(self) -> None:
        """Refuse a relation that cannot be judged."""
        if self.relation not in RELATIONS:
            raise ValueError(f"relation: found {self.relation!r}, expected one of {', '.join(RELATIONS)}")


@dataclass(frozen=True)
class Answered:
    """A statement with the number that was found, and the answer.

    Attributes
    ----------
    statement : Statement
    value, low, high : float
        The number and its interval, both ends of which are the number where it has none; NaN where nothing was tested.
    answer : str
        ``"yes"``, ``"no"``, ``"undecided"`` or ``"not tested"``.
    """

    statement: Statement
    value: float
    low: float
    high: float
    answer: str


def look_up(results: Mapping[str, Any], path: Sequence[Key]) -> Any:
    """Value at a path of nested results.

    Parameters
    ----------
    results : dict
        Of dictionaries, and lists of rows.
    path : sequence of str or dict
        As in `Statement`.

    Returns
    -------
    object
        What stands there: a number, text, a dictionary or a list.

    Raises
    ------
    ValueError
        If there is nothing there, with the key that was not found and those that there are.
    """
    found: Any = results
    for key in path:
        if isinstance(key, str):
            if not isinstance(found, Mapping) or key not in found:
                there = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
                raise ValueError(f"path: found no {key!r} of {_written(path)}, expected one of: {there}")
            found = found[key]
            continue
        rows = [row for row in found if all(row.get(name) == value for name, value in key.items())]
        if len(rows) != 1:
            raise ValueError(f"path: found {len(rows)} rows with {dict(key)} of {_written(path)}, expected 1")
        found = rows[0]
    return found


def answer(statement: Statement, results: Mapping[str, Mapping[str, Any]]) -> Answered:
    """Judge a statement.

    It is answered yes if the whole interval lies where it has to, no if none of it does, and is undecided in between.

    Parameters
    ----------
    statement : Statement
    results : dict
        Results by source. A source that is not there leaves the statement not tested.

    Returns
    -------
    Answered

    Raises
    ------
    ValueError
        As `look_up`, or if what is found is no number.
    """
    if statement.source not in results:
        return Answered(statement, math.nan, math.nan, math.nan, "not tested")
    value, low, high = _interval(look_up(results[statement.source], statement.path), statement.path)
    inside = [end > statement.bound if statement.relation == "above" else end < statement.bound for end in (low, high)]
    return Answered(statement, value, low, high, "yes" if all(inside) else "undecided" if any(inside) else "no")


def verdict(answered: Iterable[Answered]) -> str:
    """What statements say of the claim that they make up.

    They bear it out if all are answered yes, and in part if some are and others are not, or were not tested. They do
    not if none is answered yes and one no, and leave it undecided if there is neither. If none was tested, the claim is
    not tested.

    Parameters
    ----------
    answered : iterable of Answered

    Returns
    -------
    str
        "borne out", "borne out in part", "not borne out", "undecided" or "not tested".
    """
    answers = {one.answer for one in answered}
    if not answers - {"not tested"}:
        return "not tested"
    if answers == {"yes"}:
        return "borne out"
    if "yes" in answers:
        return "borne out in part"
    return "not borne out" if "no" in answers else "undecided"


def answers_table(answered: Iterable[Answered]) -> pd.DataFrame:
    """Table of statements for a page: sentence, number, answer, galaxies, and a link to where the number was made.

    Parameters
    ----------
    answered : iterable of Answered

    Returns
    -------
    DataFrame
        The last column is HTML.
    """
    return pd.DataFrame(
        {
            "statement": one.statement.words,
            "found": _number(one),
            "answer": one.answer,
            "galaxies": one.statement.sample,
            "shown in": _link(one.statement.section),
        }
        for one in answered
    )


def answers_page(table: pd.DataFrame) -> Styler:
    """Table such as that of `answers_table` as a page shows it: text to the left, and links that lead somewhere.

    Parameters
    ----------
    table : DataFrame
        Its texts are HTML. The index is not shown.

    Returns
    -------
    Styler
    """
    props = "text-align: left; vertical-align: top; padding: 0.2em 0.6em; white-space: normal"
    style = table.style.hide(axis="index").set_table_styles([{"selector": "th, td", "props": props}])
    return style.set_table_attributes('class="dataframe"')  # without it themes leave it white in the dark


def _number(one: Answered) -> str:
    if not math.isfinite(one.value):
        return ""
    interval = f" ({one.low:.3f} to {one.high:.3f})" if one.low < one.high else ""
    return f"{one.value:.3f}{interval} {one.statement.unit}".strip()


def _link(section: str) -> str:
    """A page's chapter number, or its letter among the appendices, that leads to the section."""
    page, _, anchor = section.partition("#")
    if not page:
        return ""
    number = int(page[:2])
    words = f"chapter {number}" if number < FIRST_APPENDIX else f"appendix {'ABC'[number - FIRST_APPENDIX]}"
    return f'<a href="{page}.html#{anchor}">{words}</a>'


def _interval(found: Any, path: Sequence[Key]) -> tuple[float, float, float]:
    """Value and interval, which of a lone number is the number."""
    ends: list[Any] = [found] * 3
    if isinstance(found, Mapping):
        ends = [found.get(name) for name in ("mean", "low", "high")]
    if not all(isinstance(end, int | float) and math.isfinite(end) for end in ends):
        raise ValueError(f"path: found {found!r} at {_written(path)}, expected a number, or mean, low and high")
    value, low, high = (float(end) for end in ends)
    return value, low, high


def _written(path: Sequence[Key]) -> str:
    return " / ".join(key if isinstance(key, str) else str(dict(key)) for key in path)
