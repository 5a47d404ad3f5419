"""Published definitions of redundancy, by name (ours).

`dit` has all but the first of them too, one table at a time: on its results ours are tested.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from . import redundancy

__all__ = ["DEFINITIONS", "Definition", "definition_quantities", "definition_table"]


@dataclass(frozen=True)
class Definition:
    """One definition of the redundancy of two sources.

    Attributes
    ----------
    name : str
    words : str
        What redundancy is by it.
    source : str
        Author and year.
    redundancy : callable
        From probabilities [..., x1, x2, target] to nats [...].
    dit : str
        Its class in ``dit.pid``; empty where there is none.
    dit_options : dict
    non_negative : bool
        Whether no component is ever below zero.
    pointwise : bool
        Whether it is a mean over single outcomes.
    """

    name: str
    words: str
    source: str
    redundancy: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    dit: str = ""
    dit_options: dict[str, Any] = field(default_factory=dict)
    non_negative: bool = False
    pointwise: bool = False


# dit 2.3 by itself takes for BROJA a search that stops early on noisy tables, at impossible redundancies. Where the
# cycles of "admui" run out, and a thousand may, it falls back on that search from a random start and says nothing.
ENTRIES = (
    Definition(
        "pointwise",
        "for each galaxy, the smaller of what the two inputs tell of its mass",
        "Zhang et al. 2025",
        redundancy.smaller_pointwise,
        pointwise=True,
    ),
    Definition(
        "WB",
        "for each value of the mass, the smaller mean information about it",
        "Williams and Beer 2010",
        redundancy.smaller_specific,
        dit="PID_WB",
        non_negative=True,
    ),
    Definition(
        "MMI",
        "the smaller of the two mutual informations",
        "Barrett 2015",
        redundancy.smaller_mutual,
        dit="PID_MMI",
        non_negative=True,
    ),
    Definition(
        "BROJA",
        "what cannot be lost, however the inputs are tied while each is tied to the mass as observed",
        "Bertschinger et al. 2014",
        redundancy.least_union,
        dit="PID_BROJA",
        dit_options={"method": "admui", "maxiter": 20_000},
        non_negative=True,
    ),
    Definition(
        "CCS",
        "the part of both surprises that changes with the same sign",
        "Ince 2017",
        redundancy.common_surprisal,
        dit="PID_CCS",
        pointwise=True,
    ),
    Definition(
        "dep",
        "what is left when the least that the tie of one input to the mass adds is taken off",
        "James, Emenheiser and Crutchfield 2019",
        redundancy.dependency,
        dit="PID_dep",
        non_negative=True,
    ),
    Definition(
        "PM",
        "the smaller surprise that an input removes, less the smaller one that it causes",
        "Finn and Lizier 2018",
        redundancy.smaller_surprises,
        dit="PID_PM",
        pointwise=True,
    ),
    Definition(
        "SX",
        "what it tells that one or the other input has its value",
        "Makkeh, Gutknecht and Wibral 2021",
        redundancy.shared_exclusions,
        dit="PID_SX",
        pointwise=True,
    ),
    Definition(
        "IG",
        "what is left when synergy is the distance from the nearest chain of one input, the other and the mass",
        "Niu and Quinn 2019",
        redundancy.nearest_chain,
        dit="PID_IG",
        non_negative=True,
    ),
    Definition(
        "RR",
        "between the least and the most possible, in proportion to what the inputs tell of each other",
        "Goodwell and Kumar 2017",
        redundancy.rescaled,
        dit="PID_RR",
        non_negative=True,
    ),
    Definition(
        "Do",
        "what the inputs tell of each other when the mass alone ties them",
        "Lyu, Clark and Raviv 2024",
        redundancy.intervened,
        dit="PID_Do",
    ),
    Definition(
        "CT",
        "what passes from one input through the other to the mass",
        "Sigtermans 2020",
        redundancy.paths,
        dit="PID_CT",
    ),
)
DEFINITIONS = {entry.name: entry for entry in ENTRIES}


def definition_table() -> pd.DataFrame:
    """The definitions of `DEFINITIONS` for the eye: what redundancy is, by whom, never below zero, pointwise.

    Returns
    -------
    DataFrame
        A row for each, by its name; columns ``redundancy is``, ``by``, ``never below zero`` and ``pointwise``, the last
        two "yes" or "no".
    """
    says = {True: "yes", False: "no"}
    rows = {
        name: [entry.words, entry.source, says[entry.non_negative], says[entry.pointwise]]
        for name, entry in DEFINITIONS.items()
    }
    columns = ["redundancy is", "by", "never below zero", "pointwise"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("definition")


def definition_quantities(probability: np.ndarray, definition: str) -> np.ndarray:
    """All quantities of tables under a definition, nats [..., 9], in the order of `QUANTITIES`.

    Parameters
    ----------
    probability : float64 array [..., x1, x2, target]
    definition : str
        A key of `DEFINITIONS`.
    """
    found = DEFINITIONS[definition].redundancy(probability)
    return redundancy.all_quantities(*redundancy.three_informations(probability), found)
