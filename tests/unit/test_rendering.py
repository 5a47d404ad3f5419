"""Rendering: GalSim's own pictures, the light that stays in the stamp, and the noise."""

from __future__ import annotations

from dataclasses import fields, replace

import galsim
import numpy as np
import pytest

from helpers.survey.mock.rendering import Conditions, Profiles, add_noise, render
from helpers.survey.stamps import MOFFAT_BETA

SCALE = 0.396


def galaxies(n: int = 8, n_bands: int = 2, seed: int = 0) -> tuple[Profiles, Conditions]:
    rng = np.random.default_rng(seed)
    flux = rng.uniform(80, 2500, (n, 1)) * np.linspace(0.3, 1.5, n_bands)
    share = rng.uniform(0.05, 0.95, (n, n_bands))
    profiles = Profiles(
        bulge_flux=flux * share,
        disc_flux=flux * (1 - share),
        bulge_radius=rng.uniform(0.5, 4, n),
        disc_radius=rng.uniform(1.5, 7, n),
        bulge_axis_ratio=rng.uniform(0.5, 1, n),
        disc_axis_ratio=rng.uniform(0.15, 1, n),
        bulge_sersic_index=rng.uniform(0.8, 4.5, n),
        position_angle=rng.uniform(0, np.pi, n),
        offset=rng.uniform(-0.5, 0.5, (n, 2)),
    )
    conditions = Conditions(
        psf_width=rng.uniform(1.2, 1.6, (n, n_bands)),
        sky_noise=rng.uniform(0.02, 0.2, (n, n_bands)),
        gain=np.linspace(20, 60, n_bands),
        sky_offset=rng.normal(0, 0.003, (n, n_bands)),
    )
    return profiles, conditions


def rows_of(group, rows: slice):
    """The same galaxies of every array but the gain, which belongs to the bands."""
    return type(group)(
        **{f.name: getattr(group, f.name) if f.name == "gain" else getattr(group, f.name)[rows] for f in fields(group)}
    )


def drawn_by_galsim(profiles: Profiles, conditions: Conditions, row: int, band: int, size: int) -> np.ndarray:
    # GalSim's default lets half a per cent of the light fold back; the finer grid is its own truth.
    finer = galsim.GSParams(folding_threshold=3e-4, maximum_fft_size=16384)
    parts = []
    for name, kind in (("bulge", galsim.Sersic), ("disc", galsim.Exponential)):
        axis_ratio = getattr(profiles, f"{name}_axis_ratio")[row]
        shape = (round(profiles.bulge_sersic_index[row], 1),) if name == "bulge" else ()
        radius = getattr(profiles, f"{name}_radius")[row] * np.sqrt(axis_ratio)
        part = kind(*shape, half_light_radius=radius, flux=getattr(profiles, f"{name}_flux")[row, band])
        parts.append(part.shear(q=axis_ratio, beta=profiles.position_angle[row] * galsim.radians))
    psf = galsim.Moffat(beta=MOFFAT_BETA, fwhm=conditions.psf_width[row, band])
    seen = galsim.Convolve(galsim.Sum(parts), psf, gsparams=finer)
    return seen.drawImage(nx=size, ny=size, scale=SCALE, offset=profiles.offset[row], dtype=float).array


def test_pictures_are_galsims():
    profiles, conditions = galaxies()
    images = render(profiles, conditions)
    assert images.shape == (8, 2, 128, 128) and images.dtype == np.float32
    for row in range(8):
        for band in range(2):
            expected = drawn_by_galsim(profiles, conditions, row, band, 128)
            assert np.abs(images[row, band] - expected).max() < 3e-4 * expected.max()
            assert images[row, band].sum(dtype=float) == pytest.approx(expected.sum(), rel=3e-4)


def test_sharpest_and_widest_galaxies_are_galsims_too():
    # A bulge far below the PSF's width, whose transform is cut off at the pixels' limit, and one that overfills stamps.
    profiles, conditions = galaxies(2, 1)
    profiles = replace(
        profiles,
        bulge_flux=np.full((2, 1), 1000.0),
        disc_flux=np.array([[0.0], [100.0]]),
        bulge_radius=np.array([0.25, 8.0]),
        bulge_sersic_index=np.array([4.0, 4.5]),
    )
    conditions = replace(conditions, psf_width=np.full((2, 1), 1.15))
    images = render(profiles, conditions)
    for row in range(2):
        expected = drawn_by_galsim(profiles, conditions, row, 0, 128)
        assert np.abs(images[row, 0] - expected).max() < 1e-3 * expected.max()
        assert images[row, 0].sum(dtype=float) == pytest.approx(expected.sum(), rel=5e-4)
    assert images[1].sum() < 0.85 * 1100  # the light beyond the stamp is not there


def test_galaxy_stands_where_it_is_told():
    profiles, conditions = galaxies(1, 1)
    profiles = replace(
        profiles, bulge_flux=np.zeros((1, 1)), disc_radius=np.array([1.5]), disc_axis_ratio=np.array([0.6])
    )
    for offset in ((0.0, 0.0), (0.4, -0.25)):
        (image,) = render(replace(profiles, offset=np.array([offset])), conditions)[:, 0].astype(float)
        y, x = np.indices(image.shape) - 63.5
        # What is left: the wings cut off on one side more than on the other.
        assert ((x * image).sum() / image.sum(), (y * image).sum() / image.sum()) == pytest.approx(offset, abs=2e-3)
    # The major axis at 30 degrees from x towards y.
    (image,) = render(replace(profiles, offset=np.zeros((1, 2)), position_angle=np.array([np.pi / 6])), conditions)[
        :, 0
    ]
    moment = [(a * b * image).sum() for a, b in ((x, x), (y, y), (x, y))]
    assert 0.5 * np.arctan2(2 * moment[2], moment[0] - moment[1]) == pytest.approx(np.pi / 6, abs=1e-3)


def test_a_galaxy_does_not_depend_on_its_batch():
    profiles, conditions = galaxies()
    seeds = [(5, row) for row in range(8)]
    images = render(profiles, conditions, size=64)
    noisy = add_noise(images, conditions, seeds=seeds)
    for start, stop in ((0, 1), (1, 4), (4, 8)):
        part = slice(start, stop)
        alone = render(rows_of(profiles, part), rows_of(conditions, part), size=64)
        np.testing.assert_array_equal(alone, images[part])
        np.testing.assert_array_equal(add_noise(alone, rows_of(conditions, part), seeds=seeds[part]), noisy[part])
    assert not np.array_equal(add_noise(images, conditions, seeds=[(6, row) for row in range(8)]), noisy)


def test_noise_has_the_stated_mean_and_variance():
    _, conditions = galaxies(2, 2)
    images = np.array([0.0, 1.5, -1.0], np.float32)[None, None, :, None] * np.ones((2, 2, 1, 60_000), np.float32)
    noise = add_noise(images, conditions, seeds=[(0, 0), (0, 1)]) - images
    photons = np.maximum(images[..., 0], 0) / conditions.gain[:, None]
    expected = np.sqrt(conditions.sky_noise[..., None] ** 2 + photons)
    # A standard deviation of 60,000 draws is known to 1 in 350, the mean to 1 in 245 of it: four of each.
    np.testing.assert_allclose(noise.std(axis=3, dtype=float), expected, rtol=4 / 346)
    error = noise.mean(axis=3, dtype=float) - conditions.sky_offset[..., None]
    assert (np.abs(error) < 4 * expected / 245).all()


@pytest.mark.parametrize(
    ("group", "change", "words"),
    [
        ("profiles", {"bulge_flux": np.ones(8)}, r"bulge_flux: found shape \(8,\), expected \(n, band\)"),
        ("profiles", {"disc_flux": np.ones((8, 3))}, r"disc_flux: found shape \(8, 3\), expected \(8, 2\)"),
        ("profiles", {"disc_flux": np.full((8, 2), -1.0)}, "disc_flux: found -1, expected finite numbers from 0"),
        ("profiles", {"bulge_radius": np.zeros(8)}, "bulge_radius: found 0, expected finite numbers above 0"),
        ("profiles", {"disc_axis_ratio": np.full(8, 1.1)}, "disc_axis_ratio: found 1.1, .* above 0 to 1"),
        ("profiles", {"bulge_sersic_index": np.full(8, 7)}, "bulge_sersic_index: found 7, .* from 0.3 to 6.2"),
        ("profiles", {"offset": np.full((8, 2), np.nan)}, "offset: found nan"),
        ("conditions", {"psf_width": np.zeros((8, 2))}, "psf_width: found 0, expected finite numbers above 0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(group, change, words):
    profiles, conditions = galaxies()
    given = {"profiles": profiles, "conditions": conditions}
    given[group] = replace(given[group], **change)
    with pytest.raises(ValueError, match=words):
        render(**given)


def test_other_bad_arguments_are_refused():
    profiles, conditions = galaxies()
    with pytest.raises(ValueError, match="size: found 65, expected an even number"):
        render(profiles, conditions, size=65)
    with pytest.raises(ValueError, match="pixel_scale: found 0"):
        render(profiles, conditions, pixel_scale=0)
    images = np.zeros((8, 2, 4, 4))
    with pytest.raises(ValueError, match="seeds: found 3, expected one for each of 8"):
        add_noise(images, conditions, seeds=[1, 2, 3])
    with pytest.raises(ValueError, match="gain: found -1, expected finite numbers above 0"):
        add_noise(images, replace(conditions, gain=np.full(2, -1.0)), seeds=range(8))
    with pytest.raises(ValueError, match=r"images: found shape \(8, 4, 4\)"):
        add_noise(images[:, 0], conditions, seeds=range(8))
