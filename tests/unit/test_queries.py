"""Query properties of a small catalogue, by hand: names, families, scales, ratios, nulls."""

import numpy as np
import pandas as pd
import pytest

from helpers.causal import CONTROLS, query_properties


@pytest.fixture
def photometry():
    """Magnitudes of three galaxies in ugriz, and their redshift."""
    return pd.DataFrame({f"petroMag_{band}": [17.0 - i, 18.0, 19.0] for i, band in enumerate("ugriz")}).assign(
        z=[0.1, 0.2, np.nan]
    )


@pytest.fixture
def shapes(photometry):
    """The same galaxies with what is measured on pictures in two bands, one of them without a 90% radius."""
    return photometry.assign(
        Sersic_n_g=[1.0, 4.0, 0.0],
        Sersic_n_r=[10.0, 4.0, 2.0],
        expAB_r=[0.5, 1.0, np.nan],
        petroR50_g=[2.0, -9.0, 1.0],
        petroR50_r=[1.0, 3.0, 0.0],
        petroR90_r=[3.0, 6.0, 2.0],
    )


def test_survey_without_shapes_has_its_photometry_alone(photometry):
    values, described = query_properties(photometry)
    assert described.to_dict("index") == {
        "redshift": {"family": "redshift", "bands": "", "columns": ("z",)},
        "g - r": {"family": "colour", "bands": "g/r", "columns": ("petroMag_g", "petroMag_r")},
    }
    assert values["redshift"].tolist()[:2] == [0.1, 0.2] and np.isnan(values["redshift"][2])
    assert values["g - r"].tolist() == [1.0, 0.0, 0.0]


def test_shapes_have_the_names_families_and_bands_of_a_figure(shapes):
    values, described = query_properties(shapes)
    assert list(values) == list(described.index) and described.index.name == "query"
    found = described.drop(index=["redshift", "g - r"])
    assert list(zip(found.index, found["family"], found["bands"], strict=True)) == [
        ("n_g", "Sersic index", "g"),
        ("n_r", "Sersic index", "r"),
        ("q_r", "axis ratio", "r"),
        ("R50_g", "half-light radius", "g"),
        ("R50_r", "half-light radius", "r"),
        ("R90_r", "90% radius", "r"),
        ("C_r", "concentration", "r"),
        ("n_g/n_r", "Sersic index ratio", "g/r"),
        ("R50_g/R50_r", "half-light radius ratio", "g/r"),
    ]


def test_logarithms_and_ratios_are_null_where_there_is_none(shapes, recwarn):
    values, _ = query_properties(shapes)
    np.testing.assert_allclose(values["n_g"], np.log10([1, 4, np.nan]))
    np.testing.assert_allclose(values["R50_g"], np.log10([2, np.nan, 1]))
    np.testing.assert_allclose(values["q_r"], [0.5, 1, np.nan])
    np.testing.assert_allclose(values["C_r"], [3, 2, np.nan])  # the last has a radius of zero
    np.testing.assert_allclose(values["n_g/n_r"], np.log10([0.1, 1, np.nan]))
    np.testing.assert_allclose(values["R50_g/R50_r"], np.log10([2, np.nan, np.nan]))
    assert not recwarn.list


def test_all_pairs_of_bands_have_a_ratio(photometry):
    values, described = query_properties(photometry.assign(**{f"petroR50_{band}": [1.0, 2.0, 3.0] for band in "ugriz"}))
    pairs = described.index[described["family"] == "half-light radius ratio"]
    assert len(pairs) == 10 and (values[pairs] == 0).all(axis=None)


@pytest.mark.parametrize(
    ("magnitudes", "expected"),
    [
        (["j_m_ext", "h_m_ext", "k_m_ext"], ["J", "H", "K"]),
        (["w1mpro", "w2mpro", "w3mpro"], ["W1", "W2", "W3"]),
        (["w1mpro", "w2mpro"], ["W1", "W2"]),
    ],
)
def test_infrared_is_that_of_the_survey_at_hand(photometry, magnitudes, expected):
    _, described = query_properties(photometry.assign(**dict.fromkeys(magnitudes, 14.0)))
    assert described.index[described["family"] == "infrared"].tolist() == expected


def test_controls_are_families_that_photometry_holds(photometry):
    catalog = photometry.assign(EBV=0.1, specsfr_tot_p50=-10.0, log_density_5=0.3).set_axis([7, 8, 9])
    values, described = query_properties(catalog)
    assert values.index.tolist() == [7, 8, 9]
    assert set(CONTROLS) == {"colour", "reddening"} <= set(described["family"])
    assert described.loc[["specific star formation", "environment"], "family"].tolist() == [
        "star formation",
        "environment",
    ]


def test_catalogue_without_a_whole_optical_survey_is_refused(photometry):
    with pytest.raises(ValueError, match="petroMag_z"):
        query_properties(photometry.drop(columns="petroMag_z"))
