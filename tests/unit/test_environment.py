"""Projected density: exact neighbours, unbiased in the field and at the edges, high in a cluster."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.survey import environment
from helpers.survey.environment import contrast_to_local_mean, projected_density

WEST, EAST, SOUTH, NORTH = 350.0, 370.0, 40.0, 65.0  # across right ascension 0


def box(ra, dec):
    return ((ra - WEST) % 360 <= EAST - WEST) & (dec >= SOUTH) & (dec <= NORTH)


def poisson(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Uniform galaxies of the box, in a slice in which everyone is in everyone's window."""
    rng = np.random.default_rng(seed)
    sine = rng.uniform(*np.sin(np.radians([SOUTH, NORTH])), n)
    return rng.uniform(WEST, EAST, n) % 360, np.degrees(np.arcsin(sine)), rng.uniform(0.0990, 0.1010, n)


def true_density(n: int) -> float:
    """Of the n - 1 others, per square megaparsec at redshift 0.1."""
    from astropy.cosmology import Planck18

    sines = np.sin(np.radians(NORTH)) - np.sin(np.radians(SOUTH))
    return (n - 1) / (np.radians(EAST - WEST) * sines * Planck18.comoving_distance(0.1).value ** 2)


def degrees_to_edge(ra, dec):
    east = np.minimum((ra - WEST) % 360, (EAST - ra) % 360) * np.cos(np.radians(dec))
    return np.minimum(east, np.minimum(dec - SOUTH, NORTH - dec))


def brute_force(ra, dec, redshift, tracer, neighbour=5, window=1000.0):
    """Great-circle distances of all pairs, by the haversine."""
    from astropy.cosmology import Planck18

    a, d = np.radians(ra), np.radians(dec)
    haversine = np.sin((d[:, None] - d) / 2) ** 2 + np.cos(d[:, None]) * np.cos(d) * np.sin((a[:, None] - a) / 2) ** 2
    near = np.abs(redshift[:, None] - redshift) * 299_792.458 / (1 + redshift[:, None]) <= window
    np.fill_diagonal(near, False)
    chord = np.sort(np.where(near & tracer, 2 * np.sqrt(haversine), np.inf), axis=1)[:, neighbour - 1]
    return np.where(np.isfinite(chord), chord, np.nan) * Planck18.comoving_distance(redshift).value


def clumpy_sky(n: int = 900, seed: int = 3):
    """The whole sky with poles, a clump on the pole, and redshifts that leave some galaxies alone."""
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    dec[:100] = 90 - np.abs(rng.normal(0, 1, 100))
    dec[100] = -90
    return ra, dec, 0.02 + 0.1 * rng.beta(1, 6, n)


@pytest.mark.parametrize(("blocks", "queries"), [(2000, 2_000_000), (7, 100)])
def test_it_is_exact(monkeypatch, blocks, queries):
    monkeypatch.setattr(environment, "LARGEST_BLOCK", blocks)
    monkeypatch.setattr(environment, "LARGEST_QUERY", queries)
    ra, dec, redshift = clumpy_sky()
    tracer = np.random.default_rng(1).random(len(ra)) < 0.4
    for mask in (np.ones(len(ra), dtype=bool), tracer):
        expected = brute_force(ra, dec, redshift, mask)
        found = projected_density(ra, dec, redshift, tracer=mask)
        assert found.n_missing == np.isnan(expected).sum() > 0 and found.n_outside == 0
        np.testing.assert_allclose(found.distance, expected, rtol=1e-7)
        np.testing.assert_allclose(found.log_density, np.log10(5 / (np.pi * expected**2)), atol=1e-7)
        assert not found.edge.any()
    third = projected_density(ra, dec, redshift, neighbour=3, velocity_window=400.0)
    everyone = np.ones(len(ra), dtype=bool)
    np.testing.assert_allclose(third.distance, brute_force(ra, dec, redshift, everyone, 3, 400.0), rtol=1e-7)


def test_right_ascension_has_no_seam_and_order_no_meaning():
    ra, dec, redshift = clumpy_sky()
    found = projected_density(ra, dec, redshift)
    turned = projected_density((ra + 200) % 360, dec, redshift)
    np.testing.assert_allclose(turned.distance, found.distance, rtol=1e-9)
    order = np.random.default_rng(0).permutation(len(ra))
    shuffled = projected_density(ra[order] - 360, dec[order], redshift[order])
    np.testing.assert_allclose(shuffled.distance, found.distance[order], rtol=1e-9)


def test_poisson_field_gives_its_density_in_the_interior_and_at_the_border():
    n = 6000
    ra, dec, redshift = poisson(n)
    expected = true_density(n)
    corrected = projected_density(ra, dec, redshift, footprint=box)
    plain = projected_density(ra, dec, redshift)
    border = degrees_to_edge(ra, dec) < 0.2  # a third of the mean distance to the fifth neighbour
    interior = degrees_to_edge(ra, dec) > 1.5

    def ratio(found, rows):
        # (neighbour - 1) / (pi distance^2) is the unbiased form: its relative scatter is 1 / sqrt(neighbour - 2).
        return (0.8 * 10 ** found.log_density[rows] / expected).mean()

    # About five galaxies share a circle, so that n / 5 of the values are independent; three standard errors.
    for rows in (interior, border):
        assert ratio(corrected, rows) == pytest.approx(1, abs=3 * np.sqrt(5 / 3 / rows.sum()))
    assert ratio(plain, border) < 0.75
    # The bias of the mean logarithm, (ln 5 - digamma(5)) / ln 10.
    dex = corrected.log_density[interior] - np.log10(expected)
    assert dex.mean() == pytest.approx(0.0448, abs=3 * dex.std() * np.sqrt(5 / interior.sum()))
    assert (corrected.area_fraction[interior] == 1).mean() > 0.99


def test_area_fraction_is_that_of_a_halved_and_a_quartered_circle():
    """A galaxy on a straight edge sees half of its circle, one in a corner a quarter, also near the pole."""
    rng = np.random.default_rng(5)
    for declination in (0.0, 80.0):
        offset = rng.uniform(0, 0.5, (40, 2))
        ra = np.r_[0.0, offset[:, 0] / np.cos(np.radians(declination))]
        dec = declination + np.r_[0.0, offset[:, 1]]
        redshift = np.full(41, 0.05)
        half = projected_density(ra, dec, redshift, footprint=lambda a, d: (a + 90) % 360 >= 90)
        quarter = projected_density(
            ra, dec, redshift, footprint=lambda a, d, low=declination: ((a + 90) % 360 >= 90) & (d >= low)
        )
        assert half.area_fraction[0] == pytest.approx(0.5, abs=0.02)
        assert quarter.area_fraction[0] == pytest.approx(0.25, abs=0.02) and quarter.edge[0]
        assert quarter.log_density[0] - half.log_density[0] == pytest.approx(np.log10(2), abs=0.05)


def test_redshift_ends_are_corrected_and_outsiders_left_out():
    rng = np.random.default_rng(2)
    ra, dec, _ = poisson(20_000)
    redshift = rng.uniform(0.09, 0.11, len(ra))
    low, high = 0.095, 0.105
    found = projected_density(ra, dec, redshift, footprint=box, redshift_range=(low, high))
    outside = (redshift < low) | (redshift > high)
    assert found.n_outside == outside.sum() and np.isnan(found.log_density[outside]).all()
    inner = np.abs(redshift - 0.1) < 0.001
    end = ~outside & (np.abs(redshift - 0.1) > 0.0045)
    assert (found.window_fraction[inner] == 1).all() and found.window_fraction[end].max() < 0.6
    difference = found.log_density[inner].mean() - found.log_density[end].mean()
    assert abs(difference) < 3 * 0.2 * np.sqrt(5 / inner.sum() + 5 / end.sum())
    # Only half the window holds galaxies: uncorrected, 0.3 dex are missing.
    same = ~outside
    plain = projected_density(ra[same], dec[same], redshift[same], footprint=box)
    assert plain.log_density[inner[same]].mean() - plain.log_density[end[same]].mean() > 0.2


def test_a_cluster_stands_out_of_the_field():
    rng = np.random.default_rng(4)
    ra, dec, redshift = poisson(3000)
    members = 80
    # One megaparsec at redshift 0.1 is 0.13 degrees; 500 km/s are 0.0018 in redshift.
    ra = np.r_[ra, rng.normal(0, 0.13, members) / np.cos(np.radians(50)) % 360]
    dec = np.r_[dec, rng.normal(50, 0.13, members)]
    redshift = np.r_[redshift, rng.normal(0.1, 0.0018, members)]
    density = projected_density(ra, dec, redshift, footprint=box).log_density
    # In the middle 80 / (2 pi) = 13 per square megaparsec, at the median member half of that; the field has 0.17.
    assert np.nanmedian(density[3000:]) == pytest.approx(np.log10(13 / 2), abs=0.25)
    assert np.nanmedian(density[3000:]) - np.nanmedian(density[:3000]) > 1.2


def test_contrast_takes_out_the_thinning_with_redshift():
    rng = np.random.default_rng(0)
    redshift = rng.uniform(0.02, 0.3, 8000)
    scatter = rng.normal(0, 0.3, 8000)
    density = 0.5 - 12 * redshift + scatter
    density[:50] = np.nan
    contrast = contrast_to_local_mean(density, redshift)
    assert np.isnan(contrast[:50]).all() and np.isfinite(contrast[50:]).all()
    assert np.median(contrast[50:]) == pytest.approx(0, abs=0.02)
    assert abs(np.corrcoef(redshift[50:], contrast[50:])[0, 1]) < 0.05
    assert np.corrcoef(scatter[50:], contrast[50:])[0, 1] > 0.99
    # A constant factor in the density is none in the contrast.
    np.testing.assert_allclose(contrast_to_local_mean(density + 1, redshift), contrast, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dec": np.zeros(5)}, "dec: found 5 values, expected one for each of 20 in ra"),
        ({"ra": np.r_[np.nan, np.zeros(19)]}, "ra: 1 of 20 values are not finite, the first in row 0"),
        ({"dec": np.full(20, -91.0)}, "dec: reaches -91"),
        ({"redshift": np.zeros(20)}, "redshift: found 0, expected positive"),
        ({"ra": np.ones(20), "dec": np.ones(20)}, "galaxy 0 has 5 tracers at exactly its own position"),
        ({"neighbour": 20}, "tracer: found 20 galaxies that count as neighbours, expected more than 20"),
        ({"neighbour": 2.5}, "neighbour: found 2.5"),
        ({"velocity_window": -1}, "velocity_window: found -1"),
        ({"tracer": np.ones(20)}, "tracer: found float64 of shape"),
        ({"tracer": np.arange(20) < 4}, "tracer: found 4 galaxies"),
        ({"footprint": lambda ra, dec: True}, "footprint: returned bool of shape"),
        ({"redshift_range": (0.3, 0.1)}, "redshift_range: found"),
    ],
)
def test_bad_arguments_are_refused(change, words):
    rng = np.random.default_rng(0)
    good = {"ra": rng.uniform(0, 5, 20), "dec": rng.uniform(0, 5, 20), "redshift": np.full(20, 0.1)}
    assert projected_density(**good).n_missing == 0
    with pytest.raises(ValueError, match=words):
        projected_density(**{**good, **change})


def test_bad_contrasts_are_refused():
    with pytest.raises(ValueError, match="log_density: found shape"):
        contrast_to_local_mean(np.zeros(3), np.ones(4))
    with pytest.raises(ValueError, match="n_bins: found 5, expected a whole number from 1 to 4"):
        contrast_to_local_mean(np.r_[np.nan, np.zeros(4)], np.ones(5), 5)
