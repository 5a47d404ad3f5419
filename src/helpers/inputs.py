"""The named inputs of the models, as data: one registry, one parser.

An input is a set of catalogue columns, each in a role. A *main* column is what the model is about, and what
contrastive learning reconstructs; an *extra* column goes along with it: the reddening, which goes with every
input, and the measurement errors (paper). ``"Mopt+Mnir"`` is the union of two named inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

__all__ = ["BANDS", "INPUTS", "NamedInput", "ResolvedInput", "parse", "resolve"]

BANDS = ("u", "g", "r", "i", "z")
REDDENING = "EBV"


@dataclass(frozen=True)
class NamedInput:
    """One entry of the registry.

    Attributes
    ----------
    label : str
        The words a figure uses for it.
    main : tuple of str
        Columns the model is about.
    errors : tuple of str
        Measurement errors of main columns: always extra, and scaled by their logarithm.
    """

    label: str
    main: tuple[str, ...]
    errors: tuple[str, ...] = ()


def _optical(bands: Sequence[str], label: str) -> NamedInput:
    return NamedInput(label, tuple(f"petroMag_{b}" for b in bands), tuple(f"petroMagErr_{b}" for b in bands))


INPUTS: dict[str, NamedInput] = {
    "Mopt": _optical(BANDS, "ugriz photometry"),
    **{f"M{band}": _optical(band, f"{band} photometry") for band in BANDS},
    "Mnir": NamedInput(
        "2MASS J, H, K photometry", ("j_m_ext", "h_m_ext", "k_m_ext"), ("j_msig_ext", "h_msig_ext", "k_msig_ext")
    ),
    # The W3 error is left out, as in the paper.
    "Mir": NamedInput("WISE W1, W2, W3 photometry", ("w1mpro", "w2mpro", "w3mpro"), ("w1sigmpro", "w2sigmpro")),
    "Mw1": NamedInput("WISE W1 photometry", ("w1mpro",), ("w1sigmpro",)),
    "Mw2": NamedInput("WISE W2 photometry", ("w2mpro",), ("w2sigmpro",)),
    "Mw3": NamedInput("WISE W3 photometry", ("w3mpro",)),
    "Morph": NamedInput(
        "shapes in five bands",
        tuple(f"{quantity}_{b}" for quantity in ("Sersic_n", "expAB", "petroR50", "petroR90") for b in BANDS),
    ),
    "Zspec": NamedInput("spectroscopic redshift", ("z",)),
}


@dataclass(frozen=True)
class ResolvedInput:
    """An input as a sample holds it: which columns, in which role.

    Attributes
    ----------
    name : str
        Its canonical name, such as ``"Mopt+Mnir"``.
    label : str
        The words a figure uses for it.
    main : tuple of str
        Columns that contrastive learning reconstructs.
    extra : tuple of str
        Side inputs: the reddening, errors, and what the caller moved here.
    errors : tuple of str
        Those columns, of either role, that are measurement errors.
    """

    name: str
    label: str
    main: tuple[str, ...]
    extra: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, main before extra."""
        return self.main + self.extra


def parse(inputs: str | Sequence[str]) -> tuple[str, ...]:
    """Split an input into the names it unites; a list of catalogue columns is returned as it is.

    Raises
    ------
    ValueError
        If a name is not registered, or stands twice.
    """
    if not isinstance(inputs, str):
        names = tuple(inputs)
        if not names:
            raise ValueError("inputs: found an empty list, expected a registered name or catalogue columns")
    else:
        names = tuple(name.strip() for name in inputs.split("+"))
        unknown = [name for name in names if name not in INPUTS]
        if unknown:
            raise ValueError(
                f"inputs: {', '.join(map(repr, unknown))} in {inputs!r} is not registered, "
                f"expected names among {', '.join(INPUTS)} joined by '+', or a list of catalogue columns"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"inputs: found {inputs!r}, in which a name stands twice")
    return names


def resolve(
    inputs: str | Sequence[str],
    catalog: pd.DataFrame,
    *,
    errors_as_main: bool = False,
    target: str | None = None,
) -> ResolvedInput:
    """Find the columns of an input in a catalogue.

    Parameters
    ----------
    inputs : str or sequence of str
        A registered name, a union such as ``"Mopt+Zspec"``, or a list of catalogue columns. The reddening goes along
        with every named input, and with a list where the catalogue has it.
    catalog : DataFrame
        Canonical columns.
    errors_as_main : bool, default False
        Information models take errors as main inputs; contrastive ones as extra (paper). With no
        reconstruction the two differ in name only.
    target : str, optional
        Column that is to be learnt, which cannot be an input.

    Raises
    ------
    ValueError
        If a name is not registered, a column is missing, or the target is among the inputs.
    """
    names = parse(inputs)
    if isinstance(inputs, str):
        entries = [INPUTS[name] for name in names]
        main = _unique(column for entry in entries for column in entry.main)
        errors = _unique(column for entry in entries for column in entry.errors)
        label = " and ".join(entry.label for entry in entries)
        reddening = True
    else:
        known_errors = {column for entry in INPUTS.values() for column in entry.errors}
        errors = tuple(name for name in names if name in known_errors)
        main = tuple(name for name in names if name not in errors and name != REDDENING)
        if not main:
            main, errors = names, ()
        label = ", ".join(names)
        reddening = REDDENING in catalog.columns
    side = () if errors_as_main else errors
    main = main + errors if errors_as_main else main
    extra = ((REDDENING,) if reddening and REDDENING not in main else ()) + side
    resolved = ResolvedInput("+".join(names), label, main, extra, errors)
    if target in resolved.columns:
        raise ValueError(f"inputs: {resolved.name!r} holds the target {target!r}, expected other columns")
    missing = [column for column in resolved.columns if column not in catalog.columns]
    if missing:
        raise ValueError(
            f"inputs: {resolved.name!r} needs the catalogue columns {', '.join(missing)}, which are missing; "
            f"the catalogue has {', '.join(map(str, catalog.columns))}"
        )
    return resolved


def _unique(columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(columns))
