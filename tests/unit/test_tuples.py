"""The tuples of inputs: which there are, for which sample, and how they are put together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from helpers.bands import DESI_LEGACY, TWO_MASS, WISE
from helpers.information import InformationEstimate, decompose, decompose_pairs, estimate_inputs
from helpers.information.composition import compose, distinct_inputs
from helpers.information.tuples import (
    IMAGE_BAND_TUPLES,
    MODALITY_TUPLES,
    PHOTOMETRIC_BAND_TUPLES,
    InformationTuple,
    band_divisions,
    feature_tuples,
    tuples_of,
)
from helpers.inputs import INPUTS, resolve
from helpers.survey import Sample

PAPER = MODALITY_TUPLES + IMAGE_BAND_TUPLES + PHOTOMETRIC_BAND_TUPLES
UGRIZ = [*INPUTS["Mopt"].main, *INPUTS["Mopt"].errors, "EBV", "z"]


def held(*columns: str, bands: str | None = None) -> Sample:
    """A sample of these columns, with images in these bands."""
    catalog = pd.DataFrame(columns=[*columns, "lgm_tot_p50"], dtype=float)
    images = None if bands is None else np.empty((0, len(bands), 4, 4))
    return Sample(catalog, pd.Series(dtype=object), tuple(bands or "ugriz"), images)


PUBLISHED = held(
    *UGRIZ, *INPUTS["Mir"].main, *INPUTS["Mir"].errors, *INPUTS["Morph"].main, *(f"petroFlux_{b}" for b in "ugriz"),
    bands="ugriz",
)  # fmt: skip
MINI = held(*UGRIZ, *TWO_MASS.magnitudes, *TWO_MASS.errors)
DESI = held(*DESI_LEGACY.magnitudes, *WISE.magnitudes[:2], "z")
WITHOUT_W3 = held(*UGRIZ, *WISE.magnitudes[:2], *WISE.errors, bands="grz")


def contents(inputs, sample: Sample) -> frozenset:
    """Columns and images of an input, by the registry alone."""
    bands = None if sample.images is None else sample.bands
    resolved = resolve(inputs, sample.catalog, bands=bands)
    return frozenset(resolved.columns) | {(band, resolved.normalised) for band in resolved.images}


def names(tuples) -> list[str]:
    return [one.name for one in tuples]


def test_the_paper_has_29_tuples_87_roles_and_59_distinct_inputs():
    assert [len(MODALITY_TUPLES), len(IMAGE_BAND_TUPLES), len(PHOTOMETRIC_BAND_TUPLES)] == [5, 5 + 4, 8 + 7]
    roles = [inputs for one in PAPER for inputs in one.roles.values()]
    assert len(roles) == 87
    assert len({contents(inputs, PUBLISHED) for inputs in roles}) == 59
    assert names(MODALITY_TUPLES) == [
        "<Mopt, Ioptnorm>",
        "<Mopt, Morph>",
        "<Mopt, Mir>",
        "<Iopt, Mir>",
        "<Iopt+Mir, Zspec>",
    ]
    assert {one.union for one in IMAGE_BAND_TUPLES} == {"Iopt"}
    assert {one.union for one in PHOTOMETRIC_BAND_TUPLES} == {"Mopt+Mir"}


def test_a_sample_of_the_paper_has_its_tuples():
    assert tuples_of(PUBLISHED) == PAPER
    assert tuples_of(PUBLISHED, "image band") == IMAGE_BAND_TUPLES
    with pytest.raises(ValueError, match="kinds: found 'band', expected some of 'modality'"):
        tuples_of(PUBLISHED, ["band"])


def test_a_sample_without_images_has_photometry_in_their_place():
    modalities = tuples_of(MINI, ["modality"])
    assert names(modalities) == ["<Mopt, Mnir>", "<Mopt+Mnir, Zspec>"]
    assert modalities[1].words == ("ugriz and J, H, K", "redshift")
    assert names(tuples_of(DESI, ["modality"])) == ["<Mopt, Mir>", "<Mopt+Mir, Zspec>"]
    assert names(tuples_of(held(*UGRIZ), ["modality"])) == ["<Mopt, Zspec>"]
    assert tuples_of(MINI, ["image band"]) == ()


def test_bands_are_those_of_the_sample():
    mini, desi, images = (
        tuples_of(sample, [kind])
        for sample, kind in ((MINI, "photometric band"), (DESI, "photometric band"), (WITHOUT_W3, "image band"))
    )
    assert len(mini) == 8 + 7 and [one.bands for one in mini[:8]] == [(band,) for band in "ugrizJHK"]
    assert mini[5].first == ("j_m_ext", "j_msig_ext")  # errors go along with their magnitudes
    assert len(desi) == 5 + 4 and desi[0].first == ("legacyMag_g",)
    # Of three bands, two neighbours against the third is the third against the others.
    assert names(images) == ["<Ig, Ir+Iz>", "<Ir, Ig+Iz>", "<Iz, Ig+Ir>"]
    assert tuples_of(WITHOUT_W3, ["photometric band"])[-1].name == "<Mw1+Mw2, Mu+Mg+Mr+Mi+Mz>"
    assert names(tuples_of(WITHOUT_W3, ["modality"])) == ["<Mopt, Mir>", "<Iopt, Mir>", "<Iopt+Mir, Zspec>"]


@pytest.mark.parametrize("sample", [PUBLISHED, MINI, DESI, WITHOUT_W3], ids=["paper", "mini", "DESI", "without W3"])
def test_unions_hold_both_sides_and_keys_tell_inputs_apart(sample):
    tuples = tuples_of(sample)
    if sample is PUBLISHED:
        tuples += feature_tuples(sample, "n") + feature_tuples(sample, "R50")
    inputs = distinct_inputs(tuples, sample)
    for one in tuples:
        first, second, union = (contents(role, sample) for role in one.roles.values())
        assert first | second == union and not first <= second and not second <= first
    wanted = {contents(role, sample) for one in tuples for role in one.roles.values()}
    assert {contents(one, sample) for one in inputs.values()} == wanted and len(inputs) == len(wanted)
    # The name of an input does not depend on who asks for it first, nor on how it is written.
    assert distinct_inputs(reversed(tuples), sample).keys() == inputs.keys()
    written = {*inputs} & {"Mopt+Mir", "Mopt+Mnir"}
    swapped = InformationTuple("", *reversed([*written][0].split("+")), "modality", ("", ""))
    assert set(distinct_inputs([swapped], sample)) <= {*inputs}


def test_all_distinct_inputs_of_the_paper_have_registered_names():
    inputs = distinct_inputs(PAPER, PUBLISHED)
    assert len(inputs) == 59 and all(key == own for key, own in inputs.items())
    assert {"Mopt+Ioptnorm", "Iopt+Mir+Zspec", "Mg+Mr", "Iu+Ii+Iz"} <= set(inputs)


def test_features_of_all_pairs_of_bands():
    tuples = feature_tuples(PUBLISHED, "n")
    assert [one.bands for one in tuples[::2]] == list(combinations("ugriz", 2))
    conditional, pair = tuples[0], tuples[1]
    assert (conditional.name, conditional.second) == ("<Mopt+n_g, n_u>", ("Sersic_n_u",))
    assert set(conditional.first) == {*UGRIZ[:-1], "Sersic_n_g"}
    assert pair.words == ("ugriz and n_u", "ugriz and n_g")
    assert "Mopt+petroR50_g+petroR50_r" in distinct_inputs(feature_tuples(PUBLISHED, "R50"), PUBLISHED)
    assert feature_tuples(MINI, "n") == ()
    with pytest.raises(ValueError, match="quantity: found 'q', expected one of 'n', 'R50'"):
        feature_tuples(PUBLISHED, "q")


def estimate(name: str, rng: np.random.Generator, n_galaxies: int = 40, n_refits: int = 2) -> InformationEstimate:
    repeats = rng.normal(1, 1, (n_refits, n_galaxies))
    mean, nothing = repeats.mean(axis=0), np.full(n_galaxies, np.nan)
    return InformationEstimate(name, mean, nothing, nothing, nothing, 1.0, 1.0, 0.0, repeats)


def test_composed_decompositions_are_those_of_the_estimates_of_their_roles():
    rng = np.random.default_rng(0)
    tuples = PAPER + feature_tuples(PUBLISHED, "n")
    estimates = {key: estimate(key, rng) for key in distinct_inputs(tuples, PUBLISHED)}
    found = compose(tuples, estimates, PUBLISHED)
    assert [*found] == names(tuples)
    mine = found["<Iopt+Mir, Zspec>"]
    alone = decompose(*(estimates[key].pointwise for key in ("Iopt+Mir", "Zspec", "Iopt+Mir+Zspec")))
    np.testing.assert_array_equal(mine.synergistic, alone.synergistic)
    assert mine.names == ("Iopt+Mir", "Zspec") and len(mine.repeats) == 2
    # What the ratio adds is what the first band adds to the second.
    assert found["<Mopt+n_r, n_g>"].conditional_2 == pytest.approx(found["<Mopt+n_g, Mopt+n_r>"].conditional_1)
    del estimates["Iopt+Mir"]
    with pytest.raises(ValueError, match="estimates: <Iopt, Mir> needs one of 'Iopt\\+Mir', its union, which is miss"):
        compose(tuples, estimates, PUBLISHED)


def test_a_tuple_of_a_name_and_columns_is_refused():
    with pytest.raises(ValueError, match="first, second: <a> has 'Mopt' and \\('z',\\)"):
        InformationTuple("<a>", "Mopt", ("z",), "modality", ("", ""))


def test_estimates_of_distinct_inputs_compose_to_what_pairs_give():
    rng = np.random.default_rng(1)
    mass = rng.normal(10, 0.5, 300)
    bands = {f"legacyMag_{band}": 20 - mass + rng.normal(0, 0.3, 300) for band in "grz"}
    catalog = pd.DataFrame({**bands, "z": rng.uniform(0.01, 0.2, 300), "lgm_tot_p50": mass})
    sample = Sample.from_frame(catalog, split=pd.Series(["train"] * 180 + ["validation"] * 50 + ["test"] * 70))
    tuples = tuples_of(sample)
    assert names(tuples)[:2] == ["<Mopt, Zspec>", "<Mg, Mr+Mz>"]
    settings = dict(
        estimator="separate", device="cpu", encoder_hidden=(8,), estimator_hidden=(8,), steps=20, n_bins=10,
        evaluate_every=10,
    )  # fmt: skip
    reuse: dict = {}
    estimates = estimate_inputs(sample, distinct_inputs(tuples, sample), reuse=reuse, **settings)
    assert len(estimates) == len(reuse) == 9  # of 12 roles
    composed = compose(tuples, estimates, sample)
    union = composed["<Mg, Mr+Mz>"].table()["I(X1,X2)"]
    np.testing.assert_allclose(union, estimates["Mopt"].pointwise, atol=1e-12)
    pairs = decompose_pairs(sample, {"both": ("Mopt", "Zspec")}, reuse=reuse, **settings)
    pd.testing.assert_frame_equal(composed["<Mopt, Zspec>"].mean(), pairs["both"].mean())
    assert len(reuse) == 9


@pytest.mark.parametrize(("sample", "n_bands"), [(PUBLISHED, 8), (MINI, 8), (DESI, 5)])
def test_every_division_of_bands_is_there_once_and_the_papers_are_the_first(sample, n_bands):
    divisions, paper = band_divisions(sample), tuples_of(sample, ["photometric band"])
    assert divisions[: len(paper)] == paper
    whole = {contents(one.union, sample) for one in divisions}
    assert len(whole) == 1
    sides = {frozenset((contents(one.first, sample), contents(one.second, sample))) for one in divisions}
    assert len(divisions) == len(sides) == 2 ** (n_bands - 1) - 1
