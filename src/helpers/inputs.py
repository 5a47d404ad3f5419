"""The named inputs of the models, as data: one registry, one parser.

An input is a set of catalogue columns, each in a role. A *main* column is what the model is about, and what
contrastive learning reconstructs; an *extra* column goes along with it: the reddening, which goes with every
input, and the measurement errors (paper). ``"Mopt+Mnir"`` is the union of two named inputs.

An input may be of images, by band. Beside images every column is extra (paper): ``"Iopt+Mir"`` reconstructs images, and
takes the infrared magnitudes along.

The registry names the columns of SDSS, 2MASS and WISE (paper). A catalogue of another survey is understood too (ours):
``Mopt`` is the photometry of the first optical survey that it holds whole, ``Mir`` does without W3 where there is no
such column, reddening and errors go along where the catalogue has them, and ``Iopt`` is all bands of the images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from .bands import DESI_LEGACY, EUCLID, GALEX, LSST, REDDENING, SDSS, SURVEYS, TWO_MASS, WISE, Band, Survey

__all__ = [
    "BANDS",
    "INPUTS",
    "NamedInput",
    "ResolvedInput",
    "contrastive_inputs",
    "infrared_input",
    "optical_survey",
    "parse",
    "photometric_inputs",
    "resolve",
]

BANDS = tuple(band.name for band in SDSS.bands)
# The surveys that Mopt may mean, the paper's own first.
OPTICAL = (SDSS, DESI_LEGACY, LSST, EUCLID)


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
    images : tuple of str
        Bands of the images it takes.
    normalised : bool
        Whether the image of each band is divided by the Petrosian flux in it.
    """

    label: str
    main: tuple[str, ...]
    errors: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    normalised: bool = False


def _photometry(bands: Sequence[Band], label: str) -> NamedInput:
    return NamedInput(
        f"{label} photometry",
        tuple(band.magnitude for band in bands),
        tuple(band.magnitude_error for band in bands if band.magnitude_error),
    )


def _of_survey(survey: Survey, bands: Sequence[Band] | None = None) -> NamedInput:
    bands = survey.bands if bands is None else bands
    return _photometry(bands, f"{survey.name} {', '.join(band.name for band in bands)}")


def _images(bands: Sequence[str], *, normalised: bool = False) -> NamedInput:
    words = SDSS.label if tuple(bands) == BANDS else ", ".join(bands)
    suffix = " divided by flux" if normalised else ""
    return NamedInput(f"{words} images{suffix}", (), images=tuple(bands), normalised=normalised)


INPUTS: dict[str, NamedInput] = {
    "Mopt": _photometry(SDSS.bands, SDSS.label),
    **{f"M{band.name}": _photometry([band], band.name) for band in SDSS.bands},
    "Mnir": _of_survey(TWO_MASS),
    "Mir": _of_survey(WISE),
    **{f"M{band.name.lower()}": _of_survey(WISE, [band]) for band in WISE.bands},
    "Muv": _of_survey(GALEX),
    "Morph": NamedInput(
        "shapes in five bands",
        tuple(f"{quantity}_{b}" for quantity in ("Sersic_n", "expAB", "petroR50", "petroR90") for b in BANDS),
    ),
    "Zspec": NamedInput("spectroscopic redshift", ("z",)),
    "Iopt": _images(BANDS),
    "Ioptnorm": _images(BANDS, normalised=True),
    **{f"I{band}": _images([band]) for band in BANDS},
}


@dataclass(frozen=True)
class ResolvedInput:
    """An input as a sample holds it: which columns, in which role.

    Attributes
    ----------
    name : str
        Its canonical name, such as ``"Mopt+Mnir"``.
    label : str
        The words a figure uses for it; they name the survey where it is not the registry's.
    main : tuple of str
        Columns that contrastive learning reconstructs.
    extra : tuple of str
        Side inputs: the reddening, errors, and what the caller moved here.
    errors : tuple of str
        Those columns, of either role, that are measurement errors.
    images : tuple of str
        Bands of the images, which then are main alone, in the sample's order.
    normalised : bool
        Whether the image of each band is divided by its flux.
    """

    name: str
    label: str
    main: tuple[str, ...]
    extra: tuple[str, ...]
    errors: tuple[str, ...]
    images: tuple[str, ...] = ()
    normalised: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, main before extra; a network reads no others."""
        return self.main + self.extra

    @property
    def fluxes(self) -> tuple[str, ...]:
        """Columns of the Petrosian fluxes that the images are divided by, band by band; none if they are not."""
        return tuple(f"petroFlux_{band}" for band in self.images) if self.normalised else ()


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


def optical_survey(catalog: pd.DataFrame) -> Survey:
    """The survey whose optical photometry ``Mopt`` means in this catalogue.

    Returns
    -------
    Survey
        The first of SDSS, DESI Legacy, LSST and Euclid all of whose magnitudes the catalogue holds.

    Raises
    ------
    ValueError
        If it holds none whole, with the columns that the nearest to it lacks.
    """
    whole = _whole_survey(catalog)
    if whole is not None:
        return whole
    missing = {survey.name: _missing(survey.magnitudes, catalog) for survey in OPTICAL}
    # The nearest lacks the smallest share; of equals, and where there is nothing of any, the first.
    nearest = min(OPTICAL, key=lambda survey: len(missing[survey.name]) / len(survey.bands))
    raise ValueError(
        f"inputs: 'Mopt' needs the catalogue columns {', '.join(missing[nearest.name])} of {nearest.name}, "
        f"which are missing; the catalogue has {', '.join(map(str, catalog.columns))}"
    )


def infrared_input(catalog: pd.DataFrame) -> str | None:
    """Name of the infrared input that a catalogue holds: ``"Mnir"``, else ``"Mir"``, else None."""
    for name in ("Mnir", "Mir"):
        if not _missing(_entry(name, catalog).main, catalog):
            return name
    return None


def photometric_inputs(catalog: pd.DataFrame) -> dict[str, str]:
    """The photometric inputs that the chapters compare, each with the words of a figure.

    Returns
    -------
    dict
        The optical input and, where the catalogue has infrared magnitudes, its union with those:
        ``{"Mopt": "ugriz", "Mopt+Mnir": "ugriz and J, H, K"}``.

    Raises
    ------
    ValueError
        If no optical survey is whole.
    """
    optical, infrared = optical_survey(catalog).label, infrared_input(catalog)
    found = {"Mopt": optical}
    if infrared is not None:
        found[f"Mopt+{infrared}"] = f"{optical} and {_infrared_words(infrared, catalog)}"
    return found


def contrastive_inputs(catalog: pd.DataFrame, bands: Sequence[str] | None = None) -> dict[str, str]:
    """The inputs of the contrastive models that the chapters train, each with the words of a figure.

    They are the five of the paper, as far as the sample has them: photometry, and images with ever more beside them.

    Parameters
    ----------
    catalog : DataFrame
        Canonical columns.
    bands : sequence of str, optional
        Bands of the sample's images; None where it has none.

    Returns
    -------
    dict
        Among ``Mopt``, ``Mopt+Mir``, ``Iopt``, ``Iopt+Mir`` and ``Iopt+Mir+Zspec``, with ``Mnir`` in place of ``Mir``
        where that is the infrared there is.

    Raises
    ------
    ValueError
        If there are neither images nor a whole optical survey.
    """
    if not bands:
        return photometric_inputs(catalog)
    found = photometric_inputs(catalog) if _whole_survey(catalog) is not None else {}
    images, infrared = _images(bands).label, infrared_input(catalog)
    found["Iopt"] = images
    if infrared is not None:
        words = _infrared_words(infrared, catalog)
        found[f"Iopt+{infrared}"] = f"{images} and {words}"
        if "z" in catalog.columns:
            found[f"Iopt+{infrared}+Zspec"] = f"{images}, {words} and redshift"
    return found


def resolve(
    inputs: str | Sequence[str],
    catalog: pd.DataFrame,
    *,
    bands: Sequence[str] | None = None,
    errors_as_main: bool = False,
    target: str | None = None,
) -> ResolvedInput:
    """Find the columns of an input in a catalogue.

    Parameters
    ----------
    inputs : str or sequence of str
        A registered name, a union such as ``"Mopt+Zspec"``, or a list of catalogue columns. The reddening goes along
        with either, and the errors of a named input with it, where the catalogue has them.
    catalog : DataFrame
        Canonical columns.
    bands : sequence of str, optional
        Bands of the sample's images; None where it has none.
    errors_as_main : bool, default False
        Information models take errors as main inputs; contrastive ones as extra (paper). With no
        reconstruction the two differ in name only. Beside images every column is extra.
    target : str, optional
        Column that is to be learnt, which cannot be an input.

    Returns
    -------
    ResolvedInput

    Raises
    ------
    ValueError
        If a name is not registered, a column is missing, some but not all errors of a named input are, the target is
        among the inputs, the sample lacks the images or a band, or images are wanted both as they are and divided by
        flux.
    """
    names = parse(inputs)
    entries: list[NamedInput] = []
    if isinstance(inputs, str):
        entries = [_entry(name, catalog, bands) for name in names]
        main = _unique(column for entry in entries for column in entry.main)
        errors = _unique(column for name in names for column in _held_errors(name, catalog))
        label = " and ".join(entry.label for entry in entries)
    else:
        known_errors = {column for survey in SURVEYS.values() for column in survey.errors}
        errors = tuple(name for name in names if name in known_errors)
        main = tuple(name for name in names if name not in errors and name != REDDENING)
        if not main:
            main, errors = names, ()
        label = ", ".join(names)
    images, normalised = _united_images(names, entries, bands)
    reddening = (REDDENING,) if REDDENING in catalog.columns and REDDENING not in main else ()
    if images:
        main, extra = (), reddening + main + errors
    elif errors_as_main:
        main, extra = main + errors, reddening
    else:
        extra = reddening + errors
    resolved = ResolvedInput("+".join(names), label, main, extra, errors, images, normalised)
    if target in resolved.columns:
        raise ValueError(f"inputs: {resolved.name!r} holds the target {target!r}, expected other columns")
    missing = _missing(resolved.columns + resolved.fluxes, catalog)
    if missing:
        raise ValueError(
            f"inputs: {resolved.name!r} needs the catalogue columns {', '.join(missing)}, which are missing; "
            f"the catalogue has {', '.join(map(str, catalog.columns))}"
        )
    return resolved


def _entry(name: str, catalog: pd.DataFrame, bands: Sequence[str] | None = None) -> NamedInput:
    """What a registered name means in this catalogue, and with images of these bands."""
    if name == "Mopt":
        survey = optical_survey(catalog)
        if survey is SDSS:
            return INPUTS[name]
        return NamedInput(
            f"{', '.join(band.name for band in survey.bands)} photometry ({survey.name})",
            survey.magnitudes,
            survey.errors,
        )
    if name == "Mir" and WISE.band("W3").magnitude not in catalog.columns:
        return _of_survey(WISE, [band for band in WISE.bands if band.name != "W3"])
    if name in ("Iopt", "Ioptnorm") and bands:
        return _images(bands, normalised=INPUTS[name].normalised)
    return INPUTS[name]


def _united_images(
    names: Sequence[str], entries: Sequence[NamedInput], bands: Sequence[str] | None
) -> tuple[tuple[str, ...], bool]:
    """Bands of the images that these inputs take together, in the order of the sample's, and whether by flux."""
    wanted = {name: entry for name, entry in zip(names, entries, strict=False) if entry.images}
    for name, entry in wanted.items():
        if not bands:
            raise ValueError(f"inputs: {name!r} needs images, which the sample does not have")
        missing = [band for band in entry.images if band not in bands]
        if missing:
            raise ValueError(
                f"inputs: {name!r} needs images in the band {missing[0]}, which is missing; "
                f"the images have {', '.join(bands)}"
            )
    if len({entry.normalised for entry in wanted.values()}) > 1:
        raise ValueError(
            f"inputs: {'+'.join(names)!r} takes images both as they are and divided by flux, expected one of the two"
        )
    united = {band for entry in wanted.values() for band in entry.images}
    return tuple(band for band in bands or () if band in united), any(entry.normalised for entry in wanted.values())


def _whole_survey(catalog: pd.DataFrame) -> Survey | None:
    """First optical survey all of whose magnitudes the catalogue holds."""
    return next((survey for survey in OPTICAL if not _missing(survey.magnitudes, catalog)), None)


def _infrared_words(name: str, catalog: pd.DataFrame) -> str:
    columns = _entry(name, catalog).main
    survey = TWO_MASS if name == "Mnir" else WISE
    return ", ".join(band.name for band in survey.bands if band.magnitude in columns)


def _held_errors(name: str, catalog: pd.DataFrame) -> tuple[str, ...]:
    """Errors of a named input: all of them, or none where the catalogue has none."""
    errors = _entry(name, catalog).errors
    missing = _missing(errors, catalog)
    if len(missing) == len(errors):
        return ()
    if missing:
        held = ", ".join(column for column in errors if column in catalog.columns)
        raise ValueError(
            f"inputs: {name!r} has the errors {held} but not {', '.join(missing)} in the catalogue, "
            "expected all or none of them"
        )
    return errors


def _missing(columns: Iterable[str], catalog: pd.DataFrame) -> list[str]:
    return [column for column in columns if column not in catalog.columns]


def _unique(columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(columns))
