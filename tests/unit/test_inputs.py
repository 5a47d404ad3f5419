"""The registry of inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.bands import DESI_LEGACY, EUCLID, GALEX, LSST, SDSS, SURVEYS, TWO_MASS, WISE, dereddened
from helpers.contrastive.features import fit_scaling, scale_features
from helpers.inputs import (
    INPUTS,
    contrastive_inputs,
    infrared_input,
    optical_survey,
    photometric_inputs,
    resolve,
)

BANDS = "ugriz"


@pytest.fixture
def catalog() -> pd.DataFrame:
    columns = ["EBV", "z", "lgm_tot_p50"]
    for entry in INPUTS.values():
        columns += [*entry.main, *entry.errors]
    return pd.DataFrame(columns=list(dict.fromkeys(columns)), dtype=float)


@pytest.mark.parametrize(
    ("name", "n_main", "n_extra"),
    [("Mopt", 5, 6), ("Mopt+Mir", 8, 8), ("Mopt+Mnir", 8, 9), ("Zspec", 1, 1), ("Morph", 20, 1)],
)
def test_main_and_extra_of_the_published_inputs(catalog, name, n_main, n_extra):
    found = resolve(name, catalog)
    assert (len(found.main), len(found.extra)) == (n_main, n_extra)
    assert "EBV" in found.extra and found.name == name


def test_information_models_take_errors_as_main(catalog):
    found = resolve("Mopt", catalog, errors_as_main=True)
    assert len(found.main) == 10 and found.extra == ("EBV",)


def test_union_counts_shared_columns_once(catalog):
    assert resolve("Mg+Mopt", catalog).main[0] == "petroMag_g"
    assert sorted(resolve("Mg+Mopt", catalog).columns) == sorted(resolve("Mopt", catalog).columns)


def test_catalogue_columns_are_an_input(catalog):
    found = resolve(["z", "petroMag_r", "petroMagErr_r"], catalog)
    assert found.main == ("z", "petroMag_r") and found.extra == ("EBV", "petroMagErr_r")
    # A name with "sigma" in it is no error; an error alone is the input; no reddening where the catalogue has none.
    bare = pd.DataFrame(columns=["sigma_v", "petroMagErr_r"], dtype=float)
    assert resolve(["sigma_v"], bare).main == ("sigma_v",) and resolve(["sigma_v"], bare).extra == ()
    assert resolve(["petroMagErr_r"], bare, errors_as_main=True).columns == ("petroMagErr_r",)


def test_target_is_no_input(catalog):
    with pytest.raises(ValueError, match="holds the target 'lgm_tot_p50'"):
        resolve(["z", "lgm_tot_p50"], catalog, target="lgm_tot_p50")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("Mopt+Radio", "'Radio' in 'Mopt\\+Radio' is not registered"),
        ("Mopt+Mopt", "a name stands twice"),
        ([], "an empty list"),
        (["petroMag_y"], "needs the catalogue columns petroMag_y, which are missing"),
    ],
)
def test_refusals(catalog, inputs, words):
    with pytest.raises(ValueError, match=words):
        resolve(inputs, catalog)


def held(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns), dtype=float)


@pytest.mark.parametrize("survey", [SDSS, DESI_LEGACY, LSST, EUCLID])
def test_optical_photometry_is_that_of_the_survey_that_is_whole(survey):
    # A part of an earlier survey does not stand in the way.
    catalog = held("petroMag_r", *survey.magnitudes) if survey is not SDSS else held(*survey.magnitudes)
    assert optical_survey(catalog) is survey
    found = resolve("Mopt", catalog)
    assert found.main == survey.magnitudes and found.extra == found.errors == ()
    names = ", ".join(band.name for band in survey.bands)
    assert found.label == ("ugriz photometry" if survey is SDSS else f"{names} photometry ({survey.name})")
    assert resolve("Mopt", held("EBV", *survey.magnitudes, *survey.errors)).extra == ("EBV", *survey.errors)


def test_errors_go_along_all_or_not_at_all():
    with pytest.raises(ValueError, match="'Mopt' has the errors legacyMagErr_g but not legacyMagErr_r, legacyMagErr_z"):
        resolve("Mopt", held(*DESI_LEGACY.magnitudes, "legacyMagErr_g"))
    # Each input of a union for itself.
    union = resolve("Mopt+Mir", held(*SDSS.magnitudes, *WISE.magnitudes, *WISE.errors))
    assert union.errors == WISE.errors and len(union.main) == 8


def test_missing_photometry_is_told_of_the_nearest_survey():
    with pytest.raises(ValueError, match="'Mopt' needs the catalogue columns legacyMag_z of DESI Legacy"):
        resolve("Mopt", held("legacyMag_g", "legacyMag_r", "petroMag_r"))
    with pytest.raises(ValueError, match="petroMag_u, petroMag_g, petroMag_r, petroMag_i, petroMag_z of SDSS"):
        optical_survey(held("z"))


def test_infrared_without_w3_is_w1_and_w2_only_where_there_is_no_such_column():
    two = held(*DESI_LEGACY.magnitudes, "w1mpro", "w2mpro")
    assert resolve("Mir", two).main == ("w1mpro", "w2mpro") and resolve("Mir", two).label == "WISE W1, W2 photometry"
    assert photometric_inputs(two) == {"Mopt": "grz", "Mopt+Mir": "grz and W1, W2"}
    with pytest.raises(ValueError, match="needs the catalogue columns w2mpro"):
        resolve("Mir", held("w1mpro", "w3mpro"))


@pytest.mark.parametrize(
    ("infrared", "name", "words"),
    [
        ((), None, {"Mopt": "ugriz"}),
        (TWO_MASS.magnitudes, "Mnir", {"Mopt": "ugriz", "Mopt+Mnir": "ugriz and J, H, K"}),
        (WISE.magnitudes, "Mir", {"Mopt": "ugriz", "Mopt+Mir": "ugriz and W1, W2, W3"}),
        ((*WISE.magnitudes, *TWO_MASS.magnitudes), "Mnir", {"Mopt": "ugriz", "Mopt+Mnir": "ugriz and J, H, K"}),
        (("w1mpro",), None, {"Mopt": "ugriz"}),
    ],
)
def test_photometric_inputs_are_those_that_the_catalogue_holds(infrared, name, words):
    catalog = held(*SDSS.magnitudes, *infrared)
    assert infrared_input(catalog) == name and photometric_inputs(catalog) == words


def test_a_survey_is_data():
    for name, survey in SURVEYS.items():
        assert survey.name == name and survey.label.replace(", ", "") == "".join(band.name for band in survey.bands)
        wavelengths = [band.wavelength for band in survey.bands]
        assert wavelengths == sorted(wavelengths)
        assert survey.band(survey.reference) and all(survey.band(band) for band in survey.colour)
        # Vega magnitudes have an offset in every band, AB magnitudes in none.
        assert {band.vega > 0 for band in survey.bands} == {survey.system == "Vega"}
    columns = [column for survey in SURVEYS.values() for column in (*survey.magnitudes, *survey.errors)]
    assert len(set(columns)) == len(columns) and resolve("Muv", held(*GALEX.magnitudes)).main == GALEX.magnitudes
    with pytest.raises(ValueError, match="band: found 'i', expected one of g, r, z, the bands of DESI Legacy"):
        DESI_LEGACY.band("i")


@pytest.mark.parametrize("name", ["Y", "J", "H"])
def test_near_infrared_extinction_is_that_of_the_curve(name):
    # Cardelli, Clayton & Mathis (1989), equation 2, with R_V = 3.1.
    band = EUCLID.band(name)
    assert band.extinction == pytest.approx((0.574 * 3.1 - 0.527) * band.wavelength**-1.61, abs=5e-4)


def test_dereddened_magnitudes():
    catalog = pd.DataFrame({"legacyMag_r": [17.0, np.nan, 18.0], "EBV": [0.1, 0.1, np.nan]})
    np.testing.assert_allclose(dereddened(catalog, DESI_LEGACY, "r"), [17 - 0.2165, np.nan, np.nan])
    np.testing.assert_array_equal(dereddened(catalog.drop(columns="EBV"), DESI_LEGACY, "r"), catalog["legacyMag_r"])
    with pytest.raises(ValueError, match="column 'legacyMag_g' is missing"):
        dereddened(catalog, DESI_LEGACY, "g")


@pytest.mark.parametrize(
    ("name", "n_extra", "images", "normalised"),
    [
        ("Iopt", 1, "ugriz", False),
        ("Iopt+Mir", 6, "ugriz", False),
        ("Iopt+Mir+Zspec", 7, "ugriz", False),
        ("Mopt+Ioptnorm", 11, "ugriz", True),
        ("Ig+Iu", 1, "ug", False),
        ("Iz+Iopt", 1, "ugriz", False),
    ],
)
def test_beside_images_every_column_is_extra(catalog, name, n_extra, images, normalised):
    catalog = catalog.assign(**{f"petroFlux_{band}": 1.0 for band in BANDS})
    # The role of errors makes no difference, and the images keep the sample's order of bands.
    for errors_as_main in (False, True):
        found = resolve(name, catalog, bands=tuple(BANDS), errors_as_main=errors_as_main)
        assert found.main == () and len(found.extra) == n_extra and found.extra[0] == "EBV"
        assert "".join(found.images) == images and found.normalised is normalised
        assert found.fluxes == (tuple(f"petroFlux_{band}" for band in BANDS) if normalised else ())
        assert not set(found.fluxes) & set(found.columns)
    assert resolve("Mopt", catalog, bands=tuple(BANDS)) == resolve("Mopt", catalog)


def test_optical_images_are_those_of_the_sample(catalog):
    found = resolve("Iopt", catalog, bands=("g", "r", "z"))
    assert found.images == ("g", "r", "z") and found.label == "g, r, z images"
    assert resolve("Iopt", catalog, bands=tuple(BANDS)).label == "ugriz images"


@pytest.mark.parametrize(
    ("name", "bands", "words"),
    [
        ("Iopt", None, "'Iopt' needs images, which the sample does not have"),
        ("Mopt+Ir", None, "'Ir' needs images, which the sample does not have"),
        ("Ig+Ii", ("g", "r"), "'Ii' needs images in the band i, which is missing; the images have g, r"),
        ("Iopt+Ioptnorm", tuple(BANDS), "'Iopt\\+Ioptnorm' takes images both as they are and divided by flux"),
        ("Iu+Ioptnorm", tuple(BANDS), "takes images both"),
        ("Ioptnorm", ("g", "r"), "'Ioptnorm' needs the catalogue columns petroFlux_g, petroFlux_r, which are missing"),
    ],
)
def test_images_that_are_not_there_are_refused(catalog, name, bands, words):
    with pytest.raises(ValueError, match=words):
        resolve(name, catalog, bands=bands)


def test_contrastive_inputs_are_those_that_the_sample_holds():
    bare = held(*SDSS.magnitudes)
    assert contrastive_inputs(bare) == {"Mopt": "ugriz"}
    assert contrastive_inputs(bare, tuple(BANDS)) == {"Mopt": "ugriz", "Iopt": "ugriz images"}
    whole = held(*SDSS.magnitudes, *WISE.magnitudes, "z")
    assert list(contrastive_inputs(whole)) == ["Mopt", "Mopt+Mir"]
    assert contrastive_inputs(whole, tuple(BANDS)) == {
        "Mopt": "ugriz",
        "Mopt+Mir": "ugriz and W1, W2, W3",
        "Iopt": "ugriz images",
        "Iopt+Mir": "ugriz images and W1, W2, W3",
        "Iopt+Mir+Zspec": "ugriz images, W1, W2, W3 and redshift",
    }
    for name in contrastive_inputs(whole, tuple(BANDS)):
        resolve(name, whole, bands=tuple(BANDS))
    # Near infrared stands in for mid infrared; without photometry the images remain, and with neither nothing does.
    assert "Iopt+Mnir" in contrastive_inputs(held(*TWO_MASS.magnitudes), ("g", "r"))
    assert list(contrastive_inputs(held("z"), ("g", "r"))) == ["Iopt"]
    with pytest.raises(ValueError, match="'Mopt' needs the catalogue columns"):
        contrastive_inputs(held("z"))


def test_a_constant_column_is_refused_where_the_model_is_about_it():
    catalog = pd.DataFrame({"x": [1.5] * 3 + [np.nan], "y": [1.0, 2.0, 3.0, 4.0], "EBV": 0.1})
    with pytest.raises(ValueError, match=r"column 'x' has the one value 1.5 for all 4 training galaxies"):
        fit_scaling(resolve(["x", "y"], catalog), catalog)
    passes = fit_scaling(resolve(["y"], catalog), catalog)
    assert passes.columns == ("y", "EBV")
    np.testing.assert_array_equal(scale_features(passes, catalog).extra, np.zeros((4, 1)))


def test_images_alone_make_features_without_main_columns(catalog):
    resolved = resolve("Iopt", catalog, bands=tuple(BANDS))
    features = scale_features(fit_scaling(resolved, pd.DataFrame({"EBV": [0.0, 2.0]})), pd.DataFrame({"EBV": [2.0]}))
    assert features.main.shape == features.present.shape == (1, 0)
    np.testing.assert_array_equal(features.extra, [[1.0]])
    none = fit_scaling(resolve("Iopt", held("z"), bands=("r",)), held("z"))
    assert scale_features(none, pd.DataFrame({"z": [0.1]})).extra.shape == (1, 0)
