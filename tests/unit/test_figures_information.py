"""Figures of decompositions draw the numbers they are given."""

from __future__ import annotations

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from helpers.figures_information import (
    BAND_WORDS,
    STYLES,
    band_by_band,
    component_bars,
    component_trends,
    feature_map,
    galaxy_row,
    stacked_components,
)
from helpers.information import decompose
from helpers.information.tables import decomposition_table, running_components
from helpers.information.tuples import PHOTOMETRIC_BAND_TUPLES, InformationTuple
from helpers.survey import Sample

matplotlib.use("Agg")
COMPONENTS = ("R", "U1", "U2", "Syn")


@pytest.fixture
def axis() -> Axes:
    return Figure().add_subplot()


def table_of(**values: float) -> pd.DataFrame:
    rows = [
        {"tuple": "<a, b>", "group": "all", "quantity": name, "mean": value, "low": value - 0.1, "high": value + 0.2}
        for name, value in values.items()
    ]
    return pd.DataFrame(rows)


def drawn_errorbars(axis: Axes, horizontal: bool) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Value, low and high of every series of markers, by its label."""
    found = {}
    for container in axis.containers:
        if not hasattr(container, "has_yerr"):
            continue
        data, _, (segments,) = container.lines
        ends = np.array(segments.get_segments())[:, :, 0 if horizontal else 1]
        found[container.get_label()] = (data.get_data()[0 if horizontal else 1], ends[:, 0], ends[:, 1])
    return found


def test_parts_below_zero_are_stacked_to_the_left_and_none_covers_another(axis):
    values = {"R": -0.1, "U1": 0.6, "U2": 0.3, "Syn": -0.2, "conditional_1": 0.4, "conditional_2": 0.1, "I(X1,X2)": 0.6}
    stacked_components(axis, table_of(**values))
    spans = {}
    for quantity, bar in zip(COMPONENTS, axis.patches, strict=True):
        assert to_hex(bar.get_facecolor()) == STYLES[quantity].colour.lower()
        assert bar.get_width() == pytest.approx(values[quantity])
        spans[quantity] = sorted((bar.get_x(), bar.get_x() + bar.get_width()))
    assert spans["R"] == pytest.approx([-0.1, 0]) and spans["Syn"] == pytest.approx([-0.3, -0.1])
    assert spans["U1"] == pytest.approx([0, 0.6]) and spans["U2"] == pytest.approx([0.6, 0.9])
    (mark,) = [line for line in axis.lines if list(line.get_xdata()) == [0.6, 0.6]]
    low, high = mark.get_ydata()
    assert low < axis.patches[0].get_y() < high  # upright, across the bar
    (shown,) = [line for line in axis.lines if line.get_label() == "both together"]
    assert shown.get_marker() == "|"
    markers = drawn_errorbars(axis, horizontal=True)
    for name in ("conditional_1", "conditional_2"):
        value = values[name]
        np.testing.assert_allclose(np.ravel(markers[STYLES[name].words]), [value, value - 0.1, value + 0.2])


def test_bars_of_one_galaxy_call_what_is_unique_by_the_inputs(axis):
    component_bars(axis, {"R": 0.1, "U1": 0.4, "U2": -0.2, "Syn": 0.3}, names=("ugriz", "the image"))
    ticks = [tick.get_text() for tick in axis.get_yticklabels()]
    assert ticks == ["redundant", "only ugriz", "only the image", "synergistic"]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([0.1, 0.4, -0.2, 0.3])


def test_every_tuple_and_class_has_a_bar_and_every_style_one_entry_in_the_legend(axis):
    rng = np.random.default_rng(0)
    parts = {name: decompose(*rng.normal(1, 1, (3, 90))) for name in ("<a, b>", "<c, d>")}
    table = decomposition_table(parts, np.repeat(["x", "y", "z"], 30), bootstrap=20)
    stacked_components(axis, table, labels={"<a, b>": "first words"})
    assert len(axis.patches) == 2 * 4 * 4
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["all", "x", "y", "z"] * 2
    assert [text.get_text() for text in axis.texts] == ["first words", "<c, d>"]
    assert len(axis.get_legend_handles_labels()[1]) == 7
    # Rows are in the order of the table, from the top.
    middles = [bar.get_y() for bar in axis.patches[::4]]
    assert middles == sorted(middles, reverse=True)
    widths = [bar.get_width() for bar in axis.patches[3::4]]
    np.testing.assert_allclose(widths, table.loc[table["quantity"] == "Syn", "mean"])


def test_trends_draw_means_bands_and_gaps(axis):
    parts = decompose(*np.random.default_rng(1).normal(1, 1, (3, 100)))
    by = np.concatenate([np.linspace(0, 0.9, 50), np.linspace(2, 2.9, 50)])
    running = running_components(parts, by, edges=[0, 1, 2, 3], bootstrap=20)
    component_trends(axis, running, quantities=("Syn", "conditional_1"), xlabel="redshift")
    synergy = running[running["quantity"] == "Syn"]
    line, band = axis.lines[0], axis.collections[0]
    np.testing.assert_array_equal(line.get_ydata(), synergy["mean"])
    assert np.isnan(line.get_ydata()[1]) and line.get_xdata()[1] == 1.5
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((synergy["low"].iloc[0], synergy["high"].iloc[0]))
    assert axis.get_legend_handles_labels()[1] == ["synergistic", "what the first adds to the second"]


@pytest.mark.parametrize("n_bands", [1, 2])
def test_bands_stand_in_order_of_wavelength_with_their_numbers(axis, n_bands):
    rng = np.random.default_rng(2)
    parts = {one.name: decompose(*rng.normal(1, 1, (3, 50))) for one in PHOTOMETRIC_BAND_TUPLES}
    table = decomposition_table(parts, bootstrap=20).sample(frac=1, random_state=0)
    band_by_band(axis, PHOTOMETRIC_BAND_TUPLES, table, n_bands=n_bands)
    ticks = [tick.get_text() for tick in axis.get_xticklabels()]
    assert ticks[0] == ("u", "u\ng")[n_bands - 1] and ticks[-1] == ("W3", "W2\nW3")[n_bands - 1]
    assert len(ticks) == (8, 7)[n_bands - 1]
    markers = drawn_errorbars(axis, horizontal=False)
    chosen = [one.name for one in PHOTOMETRIC_BAND_TUPLES if len(one.bands) == n_bands]
    for quantity in ("R", "U1", "Syn", "conditional_1"):
        own = table[table["quantity"] == quantity].set_index("tuple").loc[chosen]
        for drawn, column in zip(markers[BAND_WORDS[quantity]], ("mean", "low", "high"), strict=True):
            np.testing.assert_allclose(drawn, own[column])


def test_galaxies_carry_their_own_numbers():
    rng = np.random.default_rng(3)
    catalog = pd.DataFrame({"lgm_tot_p50": np.linspace(9, 11, 6)})
    sample = Sample(catalog, pd.Series("test", catalog.index), tuple("ugriz"), rng.exponential(1, (6, 5, 8, 8)))
    parts = decompose(np.zeros(6), np.full(6, 0.5), np.linspace(-1, 1, 6))
    axes = list(Figure().subplots(1, 3))
    galaxy_row(axes, sample, parts, [5, 0])
    captions = [axis.get_title() for axis in axes]
    assert captions[0] == "Syn +0.50\nX1 adds +0.50\nX2 adds +1.00\nlog M* 11.00"
    assert captions[1].startswith("Syn \N{MINUS SIGN}1.50") and captions[1].endswith("9.00")
    assert axes[1].images and not axes[2].get_visible()
    with pytest.raises(ValueError, match="axes: found 1 for 2 galaxies"):
        galaxy_row(axes[:1], sample, parts, [5, 0])
    with pytest.raises(ValueError, match="sample: found no images"):
        galaxy_row(axes, Sample(catalog, sample.split), parts, [0])


def test_a_feature_map_has_each_value_at_its_bands(axis):
    pairs = {("u", "g"): 0.02, ("u", "r"): -0.001, ("g", "r"): 0.04}
    tuples = [InformationTuple(f"{a}|{b}", (b,), (a,), "conditional feature", (b, a), (a, b)) for a, b in pairs] + [
        InformationTuple("pair", ("u",), ("g",), "feature pair", ("u", "g"), ("u", "g"))
    ]
    table = pd.DataFrame(
        [
            {"tuple": f"{a}|{b}", "group": "all", "quantity": "conditional_2", "mean": value}
            for (a, b), value in pairs.items()
        ]
    )
    feature_map(axis, tuples, table)
    bands = [tick.get_text() for tick in axis.get_xticklabels()]
    assert bands == [tick.get_text() for tick in axis.get_yticklabels()] == ["u", "g", "r"]
    found = {text.get_position(): text.get_text() for text in axis.texts}
    assert found == {(1, 0): "0.020", (2, 0): "\N{MINUS SIGN}0.001", (2, 1): "0.040"}
    with pytest.raises(ValueError, match="found no conditional feature"):
        feature_map(axis, tuples[-1:], table)


def test_figures_refuse_tables_that_lack_something(axis):
    table = table_of(R=0.1, U1=0.1)
    with pytest.raises(ValueError, match="table: <a, b>, all lacks U2, Syn"):
        stacked_components(axis, table)
    with pytest.raises(ValueError, match="table: column 'mean' is missing"):
        stacked_components(axis, table.drop(columns="mean"))
    with pytest.raises(ValueError, match="tuples: found none with 3 bands"):
        band_by_band(axis, PHOTOMETRIC_BAND_TUPLES, table, n_bands=3)
    with pytest.raises(ValueError, match="table: <Mu, .*, all lacks R, .* found none"):
        band_by_band(axis, PHOTOMETRIC_BAND_TUPLES, table)
    running = table.assign(bin=0, centre=1.0)
    with pytest.raises(ValueError, match="quantities: found \\['synergy'\\], expected some of R, U1"):
        component_trends(axis, running, quantities=["synergy"])
    with pytest.raises(ValueError, match="running: quantity 'Syn' is missing, found R, U1"):
        component_trends(axis, running, quantities=["Syn"])
