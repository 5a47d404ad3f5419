"""Figures of decompositions: by tuple and class, along a property, band by band, and galaxies in pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .plotting import ATOMS, COLOURS, decimal, galaxy_pictures, show_picture

if TYPE_CHECKING:
    from .information import Decomposition, PredictiveDistributions
    from .information.tuples import InformationTuple
    from .survey import Sample

__all__ = [
    "band_by_band",
    "component_bars",
    "component_trends",
    "feature_map",
    "galaxy_row",
    "known_mass",
    "stacked_components",
]


class Style(NamedTuple):
    """How a quantity is drawn, in every figure alike."""

    words: str
    colour: str
    marker: str
    face: str
    line: str


# Components are told apart by colour; conditional information is black, one way round filled and the other open.
STYLES = {
    **{
        quantity: Style(words, colour, marker, colour, "-")
        for (quantity, words, colour), marker in zip(ATOMS, ("s", "^", "v", "D"), strict=True)
    },
    "conditional_1": Style("what the first adds to the second", COLOURS["black"], "o", COLOURS["black"], "--"),
    "conditional_2": Style("what the second adds to the first", COLOURS["black"], "o", "white", ":"),
}
COMPONENTS = tuple(quantity for quantity, _, _ in ATOMS)
CONDITIONAL = ("conditional_1", "conditional_2")
# Of one band against the rest: what the components and the band's conditional information are then called.
BAND_WORDS = {
    "R": "shared with the rest",
    "U1": "unique to the band",
    "U2": "unique to the rest",
    "Syn": "synergistic",
    "conditional_1": "what the band adds to the rest",
    "conditional_2": "what the rest adds to the band",
}
PICTURE_WORDS = {"Syn": "Syn", "conditional_1": "X1 adds", "conditional_2": "X2 adds"}
SHADES = ("blue", "orange", "vermilion", "green")  # of inputs that are compared
# Places of a row's bar and markers about its middle, in rows.
BAR_PLACE, BAR_HEIGHT, MARKER_PLACES = 0.16, 0.44, (-0.18, -0.36)


def stacked_components(axis: Axes, table: pd.DataFrame, *, labels: Mapping[str, str] | None = None) -> None:
    """Draw the components of tuples as stacked bars, one row for each class of galaxies.

    What is above zero is stacked to the right, what is below zero to the left, so that no part covers another; a black
    line marks the information of both inputs, where the two stacks balance. Beneath each bar stand the conditional
    informations with their intervals. Artists carry labels, so that ``axis.legend`` explains them.

    Parameters
    ----------
    axis : Axes
        A row takes about 0.4 inches, and a tuple one row more for its name where it has several classes.
    table : DataFrame
        Of `helpers.information.decomposition_table`; tuples and groups are drawn in its order, first on top.
    labels : mapping of str to str, optional
        What to call a tuple; default its name.

    Raises
    ------
    ValueError
        If a column or a quantity of a tuple is missing.
    """
    _check_columns(table, ("tuple", "group", "quantity", "mean", "low", "high"))
    places: list[float] = []
    ticks: list[str] = []
    place = 0.0
    for name, own in table.groupby("tuple", sort=False):
        label = textwrap.fill((labels or {}).get(str(name), str(name)), 60)
        groups = list(own["group"].unique())
        if len(groups) > 1:
            # A white box keeps the zero line out of the words; it starts right of the axis line.
            axis.text(
                0.01,
                place,
                label,
                transform=axis.get_yaxis_transform(),
                va="center",
                fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )
            place -= 1 + 0.35 * label.count("\n")
        for group in groups:
            row = _by_quantity(own[own["group"] == group], (*COMPONENTS, *CONDITIONAL, "I(X1,X2)"), f"{name}, {group}")
            _draw_stack(axis, place, row, first=not places)
            places.append(place)
            ticks.append(str(group) if len(groups) > 1 else label)
            place -= 1
        place -= 0.3 if len(groups) > 1 else 0.0
    axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
    axis.set_yticks(places, ticks)
    axis.set(ylim=(place + 0.5, 0.6), xlabel="information on stellar mass (nats)")
    axis.grid(visible=False, axis="y")


def _draw_stack(axis: Axes, place: float, row: pd.DataFrame, *, first: bool) -> None:
    """One bar of components, the mark of their sum, and the conditional informations beneath; labels if `first`."""
    ends = {True: 0.0, False: 0.0}  # of the stack above zero, and of the one below
    middle = place + BAR_PLACE
    for quantity in COMPONENTS:
        value, style = float(row.loc[quantity, "mean"]), STYLES[quantity]
        side = value >= 0
        label = style.words if first else None
        axis.barh(middle, value, BAR_HEIGHT, left=ends[side], color=style.colour, label=label)
        ends[side] += value
    both = row.loc["I(X1,X2)", "mean"]
    span = np.array([-0.5, 0.5]) * BAR_HEIGHT * 1.25 + middle
    axis.plot([both, both], span, color=COLOURS["black"], linewidth=2)
    if first:  # an upright mark for the legend, which draws a line lying down
        axis.plot([], [], "|", color=COLOURS["black"], markersize=10, markeredgewidth=2, label="both together")
    for quantity, offset in zip(CONDITIONAL, MARKER_PLACES, strict=True):
        _marker(axis, quantity, [place + offset], row.loc[[quantity]], across=False, labelled=first)


def component_trends(
    axis: Axes,
    running: pd.DataFrame,
    *,
    quantities: Sequence[str] = (*COMPONENTS, *CONDITIONAL),
    xlabel: str = "",
) -> None:
    """Draw components against a property of the galaxies, with the bands of their intervals.

    Parameters
    ----------
    axis : Axes
    running : DataFrame
        Of `helpers.information.running_components`; an empty bin is a gap.
    quantities : sequence of str
        Among R, U1, U2, Syn, conditional_1, conditional_2.
    xlabel : str
        The property, with its unit.

    Raises
    ------
    ValueError
        If a column or quantity is missing or unknown.
    """
    _check_columns(running, ("bin", "centre", "quantity", "mean", "low", "high"))
    _check_quantities(quantities)
    for quantity in quantities:
        own = running[running["quantity"] == quantity].sort_values("bin")
        if own.empty:
            raise ValueError(f"running: quantity {quantity!r} is missing, found {_found(running['quantity'])}")
        style = STYLES[quantity]
        centre = _bin_places(own)
        axis.fill_between(centre, own["low"], own["high"], color=style.colour, alpha=0.15, linewidth=0)
        axis.plot(
            centre,
            own["mean"].to_numpy(),
            style.line,
            color=style.colour,
            marker=style.marker,
            markerfacecolor=style.face,
            markersize=5,
            label=style.words,
        )
    axis.axhline(0, color=COLOURS["black"], linewidth=0.8)
    axis.set(xlabel=xlabel, ylabel="mean information (nats)")


def _bin_places(own: pd.DataFrame) -> np.ndarray:
    """Centres of bins; of an empty one the middle of its edges, so that its gap lies between its neighbours."""
    centre = own["centre"].to_numpy(dtype=float)
    if {"from", "to"} <= set(own.columns):
        centre = np.where(np.isnan(centre), own[["from", "to"]].mean(axis=1), centre)
    return centre


def band_by_band(
    axis: Axes,
    tuples: Iterable[InformationTuple],
    table: pd.DataFrame,
    *,
    n_bands: int = 1,
    group: str = "all",
    quantities: Sequence[str] = ("R", "U1", "Syn", "conditional_1"),
) -> None:
    """Draw what each band shares with the rest, has alone, and adds, in order of wavelength.

    Parameters
    ----------
    axis : Axes
    tuples : iterable of InformationTuple
        Those with `n_bands` bands on their first side are drawn, in their order.
    table : DataFrame
        Of `helpers.information.decomposition_table`.
    n_bands : int, default 1
        1 for one band against the rest, 2 for neighbours against the rest.
    group : str, default "all"
        Class of galaxies.
    quantities : sequence of str
        Among R, U1, U2, Syn, conditional_1, conditional_2.

    Raises
    ------
    ValueError
        If no tuple divides bands so, a tuple's rows or quantities are missing from the table, or a quantity is unknown.
    """
    _check_columns(table, ("tuple", "group", "quantity", "mean", "low", "high"))
    _check_quantities(quantities)
    drawn = [one for one in tuples if len(one.bands) == n_bands]
    if not drawn:
        raise ValueError(f"tuples: found none with {n_bands} bands on its first side, expected at least one")
    in_group = table[table["group"] == group]
    rows = [_by_quantity(in_group[in_group["tuple"] == one.name], quantities, f"{one.name}, {group}") for one in drawn]
    step = 0.6 / len(quantities)
    for i, quantity in enumerate(quantities):
        places = np.arange(len(drawn)) + (i - (len(quantities) - 1) / 2) * step
        own = pd.concat([row.loc[[quantity]] for row in rows])
        # The thin line leads the eye along a quantity; between two bands there is nothing.
        axis.plot(places, own["mean"].to_numpy(), color=STYLES[quantity].colour, linewidth=0.8, alpha=0.45)
        _marker(axis, quantity, places, own, across=True, words=BAND_WORDS[quantity])
    axis.axhline(0, color=COLOURS["black"], linewidth=0.8)
    axis.set_xticks(range(len(drawn)), ["\n".join(one.bands) for one in drawn])
    axis.set(xlim=(-0.6, len(drawn) - 0.4), ylabel="mean information (nats)")
    axis.grid(visible=False, axis="x")


def feature_map(
    axis: Axes,
    tuples: Iterable[InformationTuple],
    table: pd.DataFrame,
    *,
    quantity: str = "conditional_2",
    group: str = "all",
    limit: float | None = None,
) -> None:
    """Draw a quantity of conditional features as a map: the shape's own band upwards, the band that is given across.

    Parameters
    ----------
    axis : Axes
    tuples : iterable of InformationTuple
        Of `helpers.information.feature_tuples`; those of the kind ``"conditional feature"`` are drawn.
    table : DataFrame
        Of `helpers.information.decomposition_table`.
    quantity : str, default "conditional_2"
    group : str, default "all"
        Class of galaxies.
    limit : float, optional
        Size of the value that is drawn darkest; default the largest of the map.

    Raises
    ------
    ValueError
        If there is no conditional feature, or its row is missing from the table.
    """
    _check_columns(table, ("tuple", "group", "quantity", "mean"))
    drawn = [one for one in tuples if one.kind == "conditional feature"]
    if not drawn:
        raise ValueError("tuples: found no conditional feature, expected those of feature_tuples")
    in_group = table[table["group"] == group]
    bands = list(dict.fromkeys(band for one in drawn for band in one.bands))
    values = np.full((len(bands), len(bands)), np.nan)
    for one in drawn:
        row = _by_quantity(in_group[in_group["tuple"] == one.name], (quantity,), f"{one.name}, {group}")
        own, given = (bands.index(band) for band in one.bands)
        values[own, given] = row.loc[quantity, "mean"]
    limit = np.nanmax(np.abs(values)) if limit is None else limit
    axis.imshow(values, cmap="RdBu", vmin=-1.6 * limit, vmax=1.6 * limit)  # light enough for black numbers
    for own, given in zip(*np.nonzero(np.isfinite(values)), strict=True):
        words = decimal(values[own, given], 3)
        axis.text(given, own, words, ha="center", va="center", fontsize=8)
    axis.set_xticks(range(len(bands)), bands)
    axis.set_yticks(range(len(bands)), bands)
    axis.set(xlabel="given the same shape in band", ylabel="shape in band")
    axis.grid(visible=False)


def galaxy_row(
    axes: Sequence[Axes], sample: Sample, decomposition: Decomposition, rows: Sequence[int] | np.ndarray
) -> None:
    """Show galaxies in pictures, each with its synergy, conditional informations (nats) and stellar mass.

    Parameters
    ----------
    axes : sequence of Axes
        One for each galaxy; those left over are hidden.
    sample : Sample
        With images.
    decomposition : Decomposition
        Of this sample.
    rows : int array [n]
        Rows of the sample, such as the first of `helpers.information.synergy_extremes`.

    Raises
    ------
    ValueError
        If the sample has no images, or there are fewer axes than galaxies.
    """
    rows = np.asarray(rows, dtype=int)
    if sample.images is None:
        raise ValueError("sample: found no images, expected a sample with images to show")
    if len(axes) < len(rows):
        raise ValueError(f"axes: found {len(axes)} for {len(rows)} galaxies, expected one for each")
    if len(rows):
        images = np.stack([np.asarray(sample.images[row]) for row in rows])
        values = decomposition.table().iloc[rows]
        for axis, row, picture, (_, own) in zip(
            axes, rows, galaxy_pictures(images, sample.bands), values.iterrows(), strict=False
        ):
            lines = [f"{words} {own[quantity]:+.2f}" for quantity, words in PICTURE_WORDS.items()]
            caption = "\n".join([*lines, f"log M* {sample.mass[row]:.2f}"])
            show_picture(axis, picture, caption.replace("-", "\N{MINUS SIGN}"))
    for axis in axes[len(rows) :]:
        axis.set_visible(False)


def known_mass(axis: Axes, sample: Sample, row: int, distributions: Mapping[str, PredictiveDistributions]) -> None:
    """Draw what is known of a galaxy's mass before it is seen and by each input, and its mass.

    Parameters
    ----------
    axis : Axes
    sample : Sample
    row : int
        Of the sample.
    distributions : mapping of str to PredictiveDistributions
        At most four, by what they are called; the prior is that of the first.

    Raises
    ------
    ValueError
        If a distribution lacks the row.
    """
    for i, (name, one) in enumerate(distributions.items()):
        place = np.flatnonzero(one.rows == row)
        if len(place) != 1:
            raise ValueError(f"row: found {row}, expected one of the {len(one.rows)} galaxies of {name!r}")
        width = one.masses[1] - one.masses[0]
        if i == 0:
            axis.fill_between(one.masses, one.prior / width, color="0.85", label="prior")
        axis.plot(one.masses, one.probability[place[0]] / width, color=COLOURS[SHADES[i]], label=name)
    axis.axvline(sample.mass[row], color=COLOURS["black"], ls="--", linewidth=1, label="its mass")
    axis.set(
        xlim=np.quantile(sample.mass, [0.001, 0.999]) + [-0.3, 0.3],
        xlabel="log10 stellar mass (solar masses)",
        ylabel="probability density (1/dex)",
    )
    axis.legend(fontsize=8, loc="upper left")


def component_bars(
    axis: Axes, values: Mapping[str, float] | pd.Series, *, names: tuple[str, str] | None = None
) -> None:
    """Draw R, U1, U2 and Syn (nats) as bars below one another; what is unique is called by the inputs' `names`."""
    unique = {} if names is None else {"U1": f"only {names[0]}", "U2": f"only {names[1]}"}
    axis.barh(
        [unique.get(quantity, words) for quantity, words, _ in ATOMS],
        [values[quantity] for quantity, _, _ in ATOMS],
        color=[colour for _, _, colour in ATOMS],
    )
    axis.axvline(0, color=COLOURS["black"], linewidth=0.8)
    axis.invert_yaxis()
    axis.tick_params(axis="y", labelsize=9)


def _marker(
    axis: Axes,
    quantity: str,
    places: Sequence[float] | np.ndarray,
    rows: pd.DataFrame,
    *,
    across: bool,
    labelled: bool = True,
    words: str | None = None,
) -> None:
    """Markers with intervals: values upwards at places `across`, or values across at places up the axis."""
    style = STYLES[quantity]
    value, low, high = (rows[column].to_numpy(dtype=float) for column in ("mean", "low", "high"))
    errors = np.clip(np.vstack([value - low, high - value]), 0, None)
    x, y = (places, value) if across else (value, places)
    axis.errorbar(
        x,
        y,
        **{"yerr" if across else "xerr": errors},
        fmt=style.marker,
        color=style.colour,
        markerfacecolor=style.face,
        markersize=5,
        capsize=2.5,
        linewidth=1.2,
        zorder=3,
        label=(words or style.words) if labelled else None,
    )


def _by_quantity(rows: pd.DataFrame, quantities: Sequence[str], what: str) -> pd.DataFrame:
    """Rows by quantity, checked."""
    missing = [quantity for quantity in quantities if quantity not in set(rows["quantity"])]
    if missing:
        raise ValueError(f"table: {what} lacks {', '.join(missing)}, found {_found(rows['quantity'])}")
    return rows.set_index("quantity")


def _check_columns(table: pd.DataFrame, columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise ValueError(f"table: column {missing[0]!r} is missing, found {', '.join(map(str, table.columns))}")


def _check_quantities(quantities: Sequence[str]) -> None:
    unknown = [quantity for quantity in quantities if quantity not in STYLES]
    if unknown or not quantities:
        raise ValueError(f"quantities: found {list(quantities)}, expected some of {', '.join(STYLES)}")


def _found(values: pd.Series) -> str:
    return ", ".join(map(str, values.unique())) or "none"
