"""The registry of inputs."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers.inputs import INPUTS, resolve

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
