"""The pairs of inputs whose information is decomposed, as data: generated from the bands of the surveys.

A *tuple* names two inputs; with their union it has three roles, each of which needs an estimate. Many roles of
different tuples are the same input: `helpers.information.distinct_inputs` and `compose` make each estimate once.

The paper's tuples are of SDSS and WISE. `tuples_of` says which of them a sample can answer, with the bands that it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import pandas as pd

from ..bands import SDSS, TWO_MASS, WISE, Band, Survey
from ..inputs import INPUTS, infrared_input, optical_survey, parse, resolve

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = [
    "FEATURE_QUANTITIES",
    "IMAGE_BAND_TUPLES",
    "MODALITY_TUPLES",
    "NAME_ORDER",
    "PHOTOMETRIC_BAND_TUPLES",
    "TUPLE_KINDS",
    "InformationTuple",
    "band_divisions",
    "feature_tuples",
    "tuples_of",
]

# A registered name or union, or catalogue columns.
Inputs = str | tuple[str, ...]

TUPLE_KINDS = ("modality", "image band", "photometric band")
# Quantities that are compared between bands: the symbol, and the column without its band.
FEATURE_QUANTITIES = {"n": "Sersic_n", "R50": "petroR50"}


@dataclass(frozen=True)
class InformationTuple:
    """Two inputs whose information on stellar mass is to be decomposed.

    Attributes
    ----------
    name : str
        Such as ``"<Mopt, Ioptnorm>"``.
    first, second : str or tuple of str
        Both registered names, alone or joined by "+"; or both catalogue columns.
    kind : str
        ``"modality"``, ``"image band"`` or ``"photometric band"`` (see `tuples_of`), or ``"conditional feature"`` or
        ``"feature pair"`` (see `feature_tuples`).
    words : (str, str)
        What a figure calls the first and the second.
    bands : tuple of str
        In order of wavelength: where the tuple divides bands those of the first input, of a feature the two that it is
        measured in; else empty.

    Raises
    ------
    ValueError
        If one input is named and the other a list of columns.
    """

    name: str
    first: Inputs
    second: Inputs
    kind: str
    words: tuple[str, str]
    bands: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a mixture that has no union."""
        if isinstance(self.first, str) != isinstance(self.second, str):
            raise ValueError(
                f"first, second: {self.name} has {self.first!r} and {self.second!r}, "
                "expected two registered names or two tuples of columns"
            )
        for role in ("first", "second"):
            if not isinstance(getattr(self, role), str):
                object.__setattr__(self, role, tuple(getattr(self, role)))

    @property
    def union(self) -> Inputs:
        """Both inputs together, each name or column once; all bands of a named input by its name."""
        parts = tuple(dict.fromkeys((*parse(self.first), *parse(self.second))))
        if not isinstance(self.first, str):
            return parts
        for whole, single in _BAND_BY_BAND.items():
            if set(single) <= set(parts):
                parts = (*(whole if part == single[0] else part for part in parts if part not in single[1:]),)
        return "+".join(sorted(parts, key=NAME_ORDER.index))

    @property
    def roles(self) -> dict[str, Inputs]:
        """What needs an estimate: ``first``, ``second`` and ``union``."""
        return {"first": self.first, "second": self.second, "union": self.union}

    @property
    def label(self) -> str:
        """The words of a figure for both."""
        return " | ".join(self.words)


# Names by the magnitude of their only band, and the names of single bands by the input that holds them all.
_SINGLE_BANDS = {entry.main[0]: name for name, entry in INPUTS.items() if name.startswith("M") and len(entry.main) == 1}
_BAND_BY_BAND = {
    **{
        name: tuple(_SINGLE_BANDS[magnitude] for magnitude in survey.magnitudes)
        for name, survey in (("Mopt", SDSS), ("Mir", WISE))
    },
    "Iopt": tuple(f"I{band.name}" for band in SDSS.bands),
}
# Registered names in the order in which unions are written; a whole before its parts.
NAME_ORDER = tuple(
    dict.fromkeys(
        name
        for whole in ("Mopt", "Iopt", "Ioptnorm", "Morph", "Mnir", "Mir", "Zspec")
        for name in (whole, *_BAND_BY_BAND.get(whole, ()))
    )
)
NAME_ORDER += tuple(name for name in INPUTS if name not in NAME_ORDER)

# The modality tuples (paper), by the parts of either side.
_MODALITIES = (
    (("Mopt",), ("Ioptnorm",)),
    (("Mopt",), ("Morph",)),
    (("Mopt",), ("Mir",)),
    (("Iopt",), ("Mir",)),
    (("Iopt", "Mir"), ("Zspec",)),
)


def _modalities(held: Mapping[str, tuple[str, str]]) -> tuple[InformationTuple, ...]:
    """Modality tuples by what stands for each part, and its words.

    A side goes without the parts that are not held. A tuple is left out when nothing is left of a side, when one side
    holds the other, and when it is a repetition.
    """
    found: dict[str, InformationTuple] = {}
    for sides in _MODALITIES:
        parts = [dict(held[part] for part in side if part in held) for side in sides]
        first, second = map(set, parts)
        if first <= second or second <= first:
            continue
        one, other = ("+".join(side) for side in parts)
        name = f"<{one}, {other}>"
        words = (_listed(parts[0].values()), _listed(parts[1].values()))
        found.setdefault(name, InformationTuple(name, one, other, "modality", words))
    return tuple(found.values())


def _divisions(bands: Sequence[str], *, every: bool = False) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Bands against the rest: each alone, then every two neighbours, then, if wanted, all others; no mirror images."""
    chosen: list[tuple[str, ...]] = [*((band,) for band in bands), *zip(bands, bands[1:], strict=False)]
    if every:
        chosen += [part for size in range(2, len(bands)) for part in combinations(bands, size)]
    found: dict[frozenset[tuple[str, ...]], tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for part in chosen:
        rest = tuple(band for band in bands if band not in part)
        if rest:
            found.setdefault(frozenset((part, rest)), (part, rest))
    return list(found.values())


def _image_bands(bands: Sequence[str]) -> tuple[InformationTuple, ...]:
    """Divisions of the images' bands."""
    found = []
    for part, rest in _divisions(bands):
        first, second = ("+".join(f"I{band}" for band in side) for side in (part, rest))
        words = (f"{', '.join(part)} images", f"{', '.join(rest)} images")
        found.append(InformationTuple(f"<{first}, {second}>", first, second, "image band", words, part))
    return tuple(found)


def _photometric_bands(
    bands: Sequence[Band], columns: Collection[str] | None = None, *, every: bool = False
) -> tuple[InformationTuple, ...]:
    """Divisions of photometric bands: by registered names, or by columns where one band has no such name."""
    by_name = {band.name: band for band in bands}
    named = all(band.magnitude in _SINGLE_BANDS for band in bands)

    def written(part: Sequence[str]) -> str:
        return "+".join(_SINGLE_BANDS.get(by_name[band].magnitude, f"M{band}") for band in part)

    def inputs(part: Sequence[str]) -> Inputs:
        if named:
            return written(part)
        own = [by_name[band] for band in part]
        errors = [band.magnitude_error for band in own if columns is None or band.magnitude_error in columns]
        return (*(band.magnitude for band in own), *errors)

    return tuple(
        InformationTuple(
            f"<{written(part)}, {written(rest)}>",
            inputs(part),
            inputs(rest),
            "photometric band",
            (", ".join(part), ", ".join(rest)),
            part,
        )
        for part, rest in _divisions(tuple(by_name), every=every)
    )


def _listed(words: Iterable[str]) -> str:
    """``"a, b and c"``."""
    *before, last = words
    return f"{', '.join(before)} and {last}" if before else last


MODALITY_TUPLES = _modalities(
    {
        **{name: (name, INPUTS[name].label) for name in ("Iopt", "Ioptnorm", "Morph")},
        "Mopt": ("Mopt", SDSS.label),
        "Mir": ("Mir", WISE.label),
        "Zspec": ("Zspec", "redshift"),
    }
)
IMAGE_BAND_TUPLES = _image_bands([band.name for band in SDSS.bands])
PHOTOMETRIC_BAND_TUPLES = _photometric_bands((*SDSS.bands, *WISE.bands))


def tuples_of(sample: Sample, kinds: Collection[str] = TUPLE_KINDS) -> tuple[InformationTuple, ...]:
    """Find the tuples that a sample can answer, adapted to the surveys that it is of.

    They take 2MASS in place of WISE where that is the infrared there is, the first optical survey that is whole, WISE
    without W3 where there is no such column, and the images' own bands. What a sample lacks altogether
    is left out of the tuples; without images photometry stands in their place (ours), so that ``<Iopt+Mir, Zspec>``
    becomes ``<Mopt+Mir, Zspec>``.

    Parameters
    ----------
    sample : Sample
    kinds : collection of str, default all
        Among ``"modality"``, ``"image band"`` and ``"photometric band"``.

    Returns
    -------
    tuple of InformationTuple
        In the order of the paper: modalities, image bands, photometric bands. For a sample with ugriz images,
        shapes, WISE and redshift the paper's own 29.

    Raises
    ------
    ValueError
        If a kind is unknown.
    """
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    unknown = [kind for kind in kinds if kind not in TUPLE_KINDS]
    if unknown:
        raise ValueError(f"kinds: found {unknown[0]!r}, expected some of {', '.join(map(repr, TUPLE_KINDS))}")
    catalog, images = sample.catalog, () if sample.images is None else sample.bands
    # Images in bands that have no registered name are read all together or not at all.
    named = [band for band in images if f"I{band}" in INPUTS]
    found = {
        "modality": _modalities(_held_parts(catalog, images)),
        "image band": _image_bands(named) if len(named) == len(images) else (),
        "photometric band": _photometric_bands(_photometric(catalog), catalog.columns),
    }
    return tuple(one for kind, own in found.items() if kind in kinds for one in own)


def band_divisions(sample: Sample) -> tuple[InformationTuple, ...]:
    """Every division of a sample's photometric bands in two, of which those of the paper are the first (ours).

    With them an amortised network answers for every subset of the bands. A division and its mirror image count as one,
    so that eight bands have 127.

    Parameters
    ----------
    sample : Sample

    Returns
    -------
    tuple of InformationTuple
        First what `tuples_of` has of the kind ``"photometric band"``, by the same names.
    """
    return _photometric_bands(_photometric(sample.catalog), sample.catalog.columns, every=True)


def _photometric(catalog: pd.DataFrame) -> tuple[Band, ...]:
    """Bands of the optical and of the infrared photometry."""
    optical = _optical(catalog)
    return (*(optical.bands if optical else ()), *_infrared_bands(catalog))


def _held_parts(catalog: pd.DataFrame, images: Sequence[str]) -> dict[str, tuple[str, str]]:
    """What stands for each part of the modality tuples, and its words; without what is not there."""
    held: dict[str, tuple[str, str]] = {}
    optical, infrared = _optical(catalog), infrared_input(catalog)
    if optical is not None:
        held["Mopt"] = ("Mopt", optical.label)
    if images:
        held["Iopt"] = ("Iopt", resolve("Iopt", catalog, bands=images).label)
        if {f"petroFlux_{band}" for band in images} <= set(catalog.columns):
            held["Ioptnorm"] = ("Ioptnorm", resolve("Ioptnorm", catalog, bands=images).label)
    elif optical is not None:
        held["Iopt"] = held["Mopt"]
    if set(INPUTS["Morph"].main) <= set(catalog.columns):
        held["Morph"] = ("Morph", INPUTS["Morph"].label)
    if infrared is not None:
        held["Mir"] = (infrared, ", ".join(band.name for band in _infrared_bands(catalog)))
    if "z" in catalog.columns:
        held["Zspec"] = ("Zspec", "redshift")
    return held


def _optical(catalog: pd.DataFrame) -> Survey | None:
    try:
        return optical_survey(catalog)
    except ValueError:  # none is whole
        return None


def _infrared_bands(catalog: pd.DataFrame) -> tuple[Band, ...]:
    """Bands of the infrared input of a catalogue."""
    name = infrared_input(catalog)
    if name is None:
        return ()
    survey = TWO_MASS if name == "Mnir" else WISE
    return tuple(band for band in survey.bands if band.magnitude in catalog.columns)


def feature_tuples(sample: Sample, quantity: str) -> tuple[InformationTuple, ...]:
    """Tuples of a shape that is measured in two bands, for every pair of bands a, b in order of wavelength (ours).

    The paper's cross-band features are ratios such as n_g/n_r. Given n_b, the ratio and n_a tell the same, for
    each follows from the other: I(n_a/n_b; M*| Mopt, n_b) = I(n_a; M*| Mopt, n_b). So two tuples stand for the ratio:

    - ``"conditional feature"``: Mopt with n_b, and n_a. Its `conditional_2` is the information that the ratio adds to
      the photometry and n_b; its synergy is what of that n_a does not tell alone.
    - ``"feature pair"``: n_a and n_b, each with Mopt. Its conditional information both ways is what either band adds
      to the other.

    Parameters
    ----------
    sample : Sample
    quantity : str
        ``"n"``, the Sérsic index, or ``"R50"``, the half-light radius.

    Returns
    -------
    tuple of InformationTuple
        Of columns: the magnitudes of ``Mopt`` with errors and reddening, as information models read them. For
        every pair of bands the conditional feature, then the feature pair; none where the catalogue has the
        quantity in fewer than two bands.

    Raises
    ------
    ValueError
        If the quantity is unknown, or no optical survey is whole.
    """
    if quantity not in FEATURE_QUANTITIES:
        raise ValueError(f"quantity: found {quantity!r}, expected one of {', '.join(map(repr, FEATURE_QUANTITIES))}")
    survey = optical_survey(sample.catalog)
    photometry = resolve("Mopt", sample.catalog, errors_as_main=True).columns
    measured = {band.name: f"{FEATURE_QUANTITIES[quantity]}_{band.name}" for band in SDSS.bands}
    bands = [band for band, column in measured.items() if column in sample.catalog.columns]
    found = []
    for a, b in combinations(bands, 2):
        (one, of_one), (other, of_other) = ((f"{quantity}_{band}", measured[band]) for band in (a, b))
        found += [
            InformationTuple(
                f"<Mopt+{other}, {one}>",
                (*photometry, of_other),
                (of_one,),
                "conditional feature",
                (f"{survey.label} and {other}", one),
                (a, b),
            ),
            InformationTuple(
                f"<Mopt+{one}, Mopt+{other}>",
                (*photometry, of_one),
                (*photometry, of_other),
                "feature pair",
                (f"{survey.label} and {one}", f"{survey.label} and {other}"),
                (a, b),
            ),
        ]
    return tuple(found)
