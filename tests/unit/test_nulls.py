"""The swapped universe: what stays, what moves, whose images they are, and that the gain of shapes is gone."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.inputs import INPUTS
from helpers.survey import Sample
from helpers.survey.nulls import ScaledImages, match_partners, swap_shapes

MAGNITUDES = list(INPUTS["Mopt"].main)
SHAPES = ["Sersic_n_r", "petroR50_r", "psfWidth_r"]
EXTINCTION = np.array([5.155, 3.793, 2.751, 2.086, 1.479])


def planted(n: int = 400, seed: int = 0, images: bool = False) -> Sample:
    """Mass from photometry and, at fixed photometry, from shape; shape from photometry and from chance."""
    rng = np.random.default_rng(seed)
    red, bright = rng.normal(size=(2, n))
    shape = 0.6 * red + 0.8 * rng.normal(size=n)
    colour = 0.4 * red[:, None] * np.array([2.0, 1.0, 0.0, -0.3, -0.5])
    reddening = rng.uniform(0, 0.1, n)
    magnitudes = 16.8 - 0.8 * bright[:, None] + colour + reddening[:, None] * EXTINCTION + rng.normal(0, 0.05, (n, 5))
    catalog = pd.DataFrame(magnitudes, columns=MAGNITUDES, index=np.arange(n) + 1000)
    for name in MAGNITUDES:
        catalog[name.replace("Mag", "Flux")] = 10 ** (0.4 * (22.5 - catalog[name]))
    catalog["EBV"] = reddening
    catalog["objID"] = np.arange(n) * 7
    catalog["Sersic_n_r"] = np.exp(0.5 * shape)
    catalog["petroR50_r"] = np.exp(-0.3 * bright + 0.2 * rng.normal(size=n))
    catalog["psfWidth_r"] = rng.uniform(1.1, 1.5, n)
    catalog["lgm_tot_p50"] = 10.5 + 0.3 * bright + 0.2 * red + 0.2 * shape + rng.normal(0, 0.1, n)
    split = pd.Series(rng.choice(["train", "validation", "test"], n, p=[0.6, 0.1, 0.3]), catalog.index)
    pixels = None
    if images:  # the pixels of a band add up to its flux
        flux = catalog[[name.replace("Mag", "Flux") for name in MAGNITUDES]].to_numpy()
        pixels = np.broadcast_to(flux[:, :, None, None] / 16, (n, 5, 4, 4)).astype(np.float32)
    truth = pd.DataFrame({"bulge_fraction": shape}, catalog.index)
    return Sample.from_frame(catalog, pixels, split=split, truth=truth, provenance={"dataset": "planted", "nulls": {}})


def gain_of_shapes(sample: Sample) -> np.ndarray:
    """Bootstrap of the fall in test error, in dex, when gradient boosting is given the shapes too."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    train, test = sample.rows("train"), sample.rows("test")
    errors = []
    for columns in ([*MAGNITUDES, "EBV"], [*MAGNITUDES, "EBV", *SHAPES]):
        values = sample.catalog[columns].to_numpy()
        model = HistGradientBoostingRegressor(max_iter=150, learning_rate=0.05, random_state=0)
        errors.append(sample.mass[test] - model.fit(values[train], sample.mass[train]).predict(values[test]))
    draws = np.random.default_rng(0).integers(len(test), size=(400, len(test)))
    alone, together = (np.sqrt((error**2)[draws].mean(axis=1)) for error in errors)
    return alone - together


def test_shapes_help_before_the_swap_and_not_after():
    sample = planted(6000)
    before, after = gain_of_shapes(sample), gain_of_shapes(swap_shapes(sample))
    assert np.quantile(before, 0.025) > 0.03
    # Useless columns can only cost: the gain is zero or just below, and less than a tenth of what it was.
    assert np.quantile(after, 0.025) <= 0
    assert np.quantile(after, 0.975) < 0.1 * before.mean() and abs(after.mean()) < 0.1 * before.mean()


def test_a_galaxy_keeps_everything_but_its_shape():
    sample = planted()
    before = sample.catalog.copy()
    swapped, partner = swap_shapes(sample), match_partners(sample).row
    kept = [name for name in sample.catalog.columns if name not in SHAPES]
    pd.testing.assert_frame_equal(swapped.catalog[kept], before[kept], check_exact=True)
    pd.testing.assert_frame_equal(sample.catalog, before, check_exact=True)
    for name in SHAPES:
        np.testing.assert_array_equal(swapped.catalog[name], before[name].to_numpy()[partner])
    assert swapped.truth is sample.truth and swapped.split is sample.split and swapped.images is None
    assert swapped.provenance["universe"] == "swapped" and swapped.provenance["dataset"] == "planted"
    assert swapped.provenance["swap"]["columns"] == SHAPES and "universe" not in sample.provenance
    only = swap_shapes(sample, columns=["psfWidth_r"])
    pd.testing.assert_frame_equal(only.catalog.drop(columns="psfWidth_r"), before.drop(columns="psfWidth_r"))


def test_a_partner_is_another_of_the_nearest_in_the_same_part():
    sample = planted(500)
    partners = match_partners(sample, n_candidates=3, seed=1)
    part = sample.split.to_numpy()
    assert (partners.row != np.arange(500)).all() and (part[partners.row] == part).all()
    # Against all pairs: corrected for reddening, standardised on the training part.
    corrected = sample.catalog[MAGNITUDES].to_numpy() - sample.catalog[["EBV"]].to_numpy() * EXTINCTION
    space = corrected / corrected[part == "train"].std(axis=0)
    distance = np.sqrt(((space[:, None] - space) ** 2).sum(axis=-1))
    distance[(part[:, None] != part) | np.eye(500, dtype=bool)] = np.inf
    order = (distance < distance[np.arange(500), partners.row][:, None] - 1e-9).sum(axis=1)
    # Each of the three is drawn as often: binomial, three standard deviations.
    assert set(order) == {0, 1, 2} and np.abs(np.bincount(order) / 500 - 1 / 3).max() < 3 * np.sqrt(2 / 9 / 500)
    np.testing.assert_allclose(partners.difference, np.abs(corrected - corrected[partners.row]), atol=1e-12)
    assert (match_partners(sample, n_candidates=3, seed=2).row != partners.row).any()
    np.testing.assert_array_equal(match_partners(sample, n_candidates=3, seed=1).row, partners.row)


def test_matches_are_close_and_closer_among_more():
    few, many = (np.nanmedian(match_partners(planted(n)).difference) for n in (300, 6000))
    assert many < 0.6 * few and many < 0.1


def test_nulls_and_repeats_find_partners():
    sample = planted()
    catalog = sample.catalog.copy()
    rows = np.flatnonzero((sample.split == "train").to_numpy())[:20]
    catalog.iloc[rows, 0] = np.nan
    partners = match_partners(replace(sample, catalog=catalog))
    # All but the odd one that is alone among the twenty.
    assert np.isin(partners.row[rows], rows).mean() >= 0.9 and np.isnan(partners.difference[rows, 0]).all()
    catalog[MAGNITUDES], catalog["EBV"] = 17.0, 0.0
    same = match_partners(replace(sample, catalog=catalog))
    assert (same.row != np.arange(len(sample))).all() and (same.distance == 0).all()


def test_images_carry_the_measured_flux_and_are_read_when_asked():
    sample = planted(images=True)
    sample.catalog["skyNoise_g"] = np.linspace(0.01, 0.02, len(sample))
    swapped, partner = swap_shapes(sample), match_partners(sample).row
    images = swapped.images
    assert images.images is sample.images and images.shape == sample.images.shape and images.ndim == 4
    flux = sample.catalog[[name.replace("Mag", "Flux") for name in MAGNITUDES]].to_numpy()
    # Planted images hold the galaxy's flux: after scaling, those of the partner do.
    np.testing.assert_allclose(np.asarray(images).sum(axis=(2, 3)), flux, rtol=1e-5)
    ratio = flux[7] / flux[partner[7]]
    np.testing.assert_allclose(images[7], sample.images[partner[7]] * ratio[:, None, None], rtol=1e-6)
    # The noise of the picture is scaled with it.
    noise = sample.catalog["skyNoise_g"].to_numpy()[partner] * flux[:, 1] / flux[partner, 1]
    np.testing.assert_allclose(swapped.catalog["skyNoise_g"], noise, rtol=1e-12)
    taken = swapped.take(np.array([7, 3]))
    assert taken.images.images is sample.images  # unread
    np.testing.assert_array_equal(np.asarray(taken.images), images[np.array([7, 3])])


def test_a_band_without_two_good_fluxes_is_left_as_it_is():
    sample = planted(images=True)
    catalog = sample.catalog.copy()
    catalog.iloc[0, catalog.columns.get_loc("petroFlux_u")] = -0.3
    catalog.iloc[1, catalog.columns.get_loc("petroFlux_g")] *= 1e4
    swapped = swap_shapes(replace(sample, catalog=catalog))
    partner = match_partners(replace(sample, catalog=catalog)).row
    assert swapped.provenance["swap"]["not_scaled"] == {
        "u": 1 + int((partner == 0).sum()),
        "g": 1 + int((partner == 1).sum()),
        **dict.fromkeys("riz", 0),
    }
    np.testing.assert_array_equal(swapped.images[0][0], sample.images[partner[0]][0])
    # Without fluxes they come from the magnitudes.
    bare = catalog.drop(columns=[name for name in catalog.columns if "Flux" in name])
    magnitude = catalog["petroMag_r"].to_numpy()
    np.testing.assert_allclose(
        swap_shapes(replace(sample, catalog=bare)).images.factor[:, 2], 10 ** (0.4 * (magnitude[partner] - magnitude))
    )


def test_scaled_images_index_as_numpy_does():
    rng = np.random.default_rng(0)
    stored = rng.normal(size=(6, 2, 3, 3)).astype(np.float32)
    rows, factor = np.array([5, 0, 0, 2]), rng.uniform(0.5, 2, (4, 2)).astype(np.float32)
    lazy, whole = ScaledImages(stored, rows, factor), stored[rows] * factor[:, :, None, None]
    mask = np.array([True, False, True, True])
    for key in (1, -1, slice(1, 3), np.array([3, 0, 3]), [2, 1], mask, (2, 1), (mask, 0), (slice(None), 1, 2), ...):
        np.testing.assert_array_equal(lazy[key], whole[key])
        assert lazy[key].dtype == np.float32
    np.testing.assert_array_equal(np.asarray(lazy.select(mask)), whole[mask])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(lazy))[:], whole)
    with pytest.raises(IndexError):
        lazy[4]
    for key in ((slice(None), [0, 1]), (..., slice(0, 1))):
        with pytest.raises(ValueError, match="key: found .* expected rows, then whole numbers or slices"):
            lazy[key]
    with pytest.raises(ValueError, match=r"factor: found shape \(4, 1\), expected \(4, 2\)"):
        ScaledImages(stored, rows, factor[:, :1])


def test_samples_that_cannot_be_swapped_are_refused():
    sample = planted()
    with pytest.raises(ValueError, match="found none of the columns petroMag_u"):
        swap_shapes(replace(sample, catalog=sample.catalog.drop(columns=MAGNITUDES)))
    with pytest.raises(ValueError, match="found neither images nor shape columns"):
        swap_shapes(replace(sample, catalog=sample.catalog.drop(columns=SHAPES)))
    with pytest.raises(ValueError, match="galaxies in part 'validation', expected more than 100"):
        swap_shapes(sample, n_candidates=100)
    with pytest.raises(ValueError, match="found 0 galaxies in part 'train'"):
        match_partners(sample.take(sample.rows("test")))
    with pytest.raises(ValueError, match="n_candidates: found 0"):
        swap_shapes(sample, n_candidates=0)
    with pytest.raises(ValueError, match="columns: 'expAB_r' is missing"):
        swap_shapes(sample, columns=["expAB_r"])
    for name in ("lgm_tot_p50", "petroFlux_u", "petroMag_r", "EBV", "objID"):
        with pytest.raises(ValueError, match=f"columns: found '{name}', expected shapes"):
            swap_shapes(sample, columns=[name])
    pictures = replace(sample, images=np.zeros((400, 1, 4, 4)), bands=("y",))
    with pytest.raises(ValueError, match="found neither petroFlux_y nor petroMag_y"):
        swap_shapes(pictures)
