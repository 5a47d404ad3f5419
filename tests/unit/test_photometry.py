"""Photometry: closed forms, planted profiles drawn by GalSim, invariances, and what is refused."""

from __future__ import annotations

from dataclasses import fields

import galsim
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import spearmanr

from helpers.survey import sersic
from helpers.survey.photometry import Photometry, measure_galaxies
from helpers.survey.sersic import concentration_to_index, sersic_b, sersic_fraction_inside
from helpers.survey.stamps import MOFFAT_BETA

SCALE = 0.396
WIDTH = np.array([1.5, 1.42, 1.35, 1.3, 1.25])
NOISE = np.array([0.044, 0.016, 0.029, 0.051, 0.25])
GAIN = np.array([200.0, 1000.0, 900.0, 700.0, 130.0])
COLOUR = np.array([0.12, 0.5, 1.0, 1.4, 1.8])


def draw(profile, offset=(0.0, 0.0), size: int = 128) -> np.ndarray:
    """One galaxy in five bands without noise, float64 [5, size, size]."""
    stamps = [
        galsim.Convolve(profile, galsim.Moffat(MOFFAT_BETA, fwhm=width))
        .drawImage(nx=size, ny=size, scale=SCALE, offset=offset, dtype=float)
        .array
        for width in WIDTH
    ]
    return np.array(stamps) * COLOUR[:, None, None]


def add_noise(images: np.ndarray, seed: int) -> np.ndarray:
    variance = NOISE[:, None, None] ** 2 + np.maximum(images, 0) / GAIN[:, None, None]
    return images + np.random.default_rng(seed).normal(size=images.shape) * np.sqrt(variance)


def measure(images: np.ndarray, **options) -> Photometry:
    return measure_galaxies(images, np.tile(WIDTH, (len(images), 1)), gain=GAIN, **options)


def ellipse(index: float, radius: float, axis_ratio: float, angle: float):
    """Sersic profile of unit flux; the radius is half-light along the major axis."""
    return galsim.Sersic(index, half_light_radius=radius * np.sqrt(axis_ratio)).shear(
        q=axis_ratio, beta=angle * galsim.radians
    )


def petrosian(index: float) -> tuple[float, float, float]:
    """Petrosian radius and R50 of a round profile in half-light radii, and its Petrosian share of the light."""

    def excess(x):
        ring = sersic_fraction_inside(1.25 * x, index) - sersic_fraction_inside(0.8 * x, index)
        return ring / (1.25**2 - 0.8**2) - 0.2 * sersic_fraction_inside(x, index)

    radius = brentq(excess, 0.5, 8)
    share = float(sersic_fraction_inside(2 * radius, index))
    half = brentq(lambda x: sersic_fraction_inside(x, index) - 0.5 * share, 0.01, 3)
    return radius, half, share


@pytest.fixture(scope="module")
def singles():
    """100 Sersic galaxies of r = 15 to 17.7, their truth, and what is measured."""
    rng = np.random.default_rng(3)
    truth = {
        "magnitude": rng.uniform(15, 17.7, 100),
        "index": np.round(np.exp(rng.uniform(np.log(0.8), np.log(5), 100)), 1),
        "radius": np.exp(rng.uniform(0, np.log(6), 100)),
        "axis_ratio": rng.uniform(0.2, 1, 100),
        "angle": rng.uniform(0, np.pi, 100),
    }
    flux = 10 ** (0.4 * (22.5 - truth["magnitude"]))
    shapes = zip(truth["index"], truth["radius"], truth["axis_ratio"], truth["angle"], strict=True)
    clean = np.array(
        [draw(ellipse(*shape) * f, rng.uniform(-0.5, 0.5, 2)) for shape, f in zip(shapes, flux, strict=True)]
    )
    images = add_noise(clean, 4).astype(np.float32)
    return {**truth, "flux": flux}, images, measure(images)


def test_closed_forms():
    index = np.array([0.5, 1.0, 4.0])
    np.testing.assert_allclose(sersic_b(index), [np.log(2), 1.67834699, 7.66924944], rtol=1e-8)
    # n = 1: 1 - (1 + b x) exp(-b x); n = 1/2: 1 - 2^(-x^2).
    x = np.array([0.0, 0.3, 1.0, 2.7])
    exponential = 1 - (1 + 1.67834699 * x) * np.exp(-1.67834699 * x)
    np.testing.assert_allclose(sersic_fraction_inside(x, 1.0), exponential, atol=1e-9)
    np.testing.assert_allclose(sersic_fraction_inside(x, 0.5), 1 - 2 ** -(x**2), atol=1e-12)
    for n in (0.5, 1.0, 4.0):
        ratio = brentq(lambda x, n=n: sersic_fraction_inside(x, n) - 0.9, 0.5, 30)
        assert concentration_to_index(ratio) == pytest.approx(n, rel=1e-4)
    assert np.isnan(concentration_to_index(np.nan))


def test_gaussians_make_up_the_profiles():
    spline, _ = sersic._profile_weights()
    radius = np.geomspace(0.02, 10, 300)
    inside = -np.expm1(-0.5 * (radius[:, None] / sersic.WIDTHS) ** 2)
    for index in (0.5, 0.83, 1.7, 3.1, 5.9, 8.0):
        error = inside @ spline(np.log(index)) - sersic_fraction_inside(radius, index)
        assert abs(error[radius > 0.05]).max() < 0.003
    weight, width = sersic._seeing_mixture()
    scale = 0.5 / np.sqrt(2 ** (1 / MOFFAT_BETA) - 1)
    moffat = 1 - (1 + (radius / scale) ** 2) ** (1 - MOFFAT_BETA)
    assert abs(-np.expm1(-0.5 * (radius[:, None] / width) ** 2) @ weight - moffat).max() < 0.002


@pytest.mark.parametrize("free", [True, False])
def test_slopes_are_those_of_the_model(free):
    state = np.array([[1.0, np.log(5), np.log(2.3), 0.6, 0.4, 0.2, -0.3]])
    slopes = sersic._slopes(state, np.array([3.4]), 64, free)[0].astype(np.float64)
    for parameter in range(1, len(slopes)):
        moved = []
        for sign in (-1, 1):
            step = np.zeros((1, len(slopes)))
            step[0, parameter] = sign * 0.01
            moved.append(sersic._slopes(sersic._move(state, step, free), np.array([3.4]), 64, free)[0, 0])
        numeric = (moved[1].astype(np.float64) - moved[0]) / 0.02
        # Central differences: the third derivative leaves 1e-4 of the largest slope, float32 as much.
        assert abs(numeric - slopes[parameter]).max() < 1e-3 * abs(slopes[parameter]).max()


@pytest.mark.parametrize(("index", "radius"), [(0.6, 3.0), (1.0, 3.0), (1.0, 4.5), (2.5, 3.0), (4.0, 4.0)])
def test_round_profiles_without_noise(index, radius):
    images = draw(ellipse(index, radius, 1.0, 0.0) * 300)
    found = measure(images[None].astype(np.float32))
    petro, half, share = petrosian(index)
    # Seeing widens the profile, so that the circle is larger and takes in a little more of the light.
    taken = found.flux[0] / COLOUR / 300 / share
    assert (taken > 0.999).all() and (taken < (1.003 if index <= 1 else 1.02)).all()
    assert 1 < found.petrosian_radius[0] / (petro * radius) < 1.08
    assert (found.radius_50[0] > half * radius).all() and (np.diff(found.radius_50[0]) < 0).all()
    # Below n = 1 the Gaussians make the edge a little too soft, which only a noise-free image shows.
    np.testing.assert_allclose(found.sersic_index[0], index, rtol=0.03 if index >= 1 else 0.06)
    np.testing.assert_allclose(found.sersic_radius[0], radius, rtol=0.01)
    assert (found.axis_ratio[0] > 0.99).all() and not found.truncated[0]


def test_growth_curve_is_that_of_a_gaussian():
    # Without seeing: R50 = sigma sqrt(2 ln 2) with the pixel's variance of 1/12, and 2 Petrosian radii hold all.
    sigma = 6.0
    axis = np.arange(128) - 63.5
    widened = np.sqrt(sigma**2 + 1 / 12)
    gaussian = np.exp(-0.5 * (axis**2 + axis[:, None] ** 2) / sigma**2) / (2 * np.pi * sigma**2)
    found = measure_galaxies(100 * gaussian[None, None], np.full((1, 1), 0.1), pixel_scale=1.0, reference=0)
    assert found.flux[0, 0] == pytest.approx(100, rel=2e-4)
    assert found.radius_50[0, 0] == pytest.approx(widened * np.sqrt(2 * np.log(2)), rel=5e-4)
    assert found.radius_90[0, 0] == pytest.approx(widened * np.sqrt(2 * np.log(10)), rel=5e-4)


def test_fluxes_are_the_petrosian_fluxes_of_the_profiles(singles):
    truth, images, found = singles
    whole = ~found.truncated
    assert whole.mean() > 0.9
    share = np.array([petrosian(index)[2] for index in truth["index"]])
    error = (found.flux / COLOUR / (truth["flux"] * share)[:, None])[whole] - 1
    assert (abs(np.median(error, axis=0)) < 0.03).all()
    large = (truth["radius"] * np.sqrt(truth["axis_ratio"]))[whole] > 2
    assert np.median(abs(error[large, 2])) < 0.012


def test_radii_are_those_of_the_image_without_noise(singles):
    truth, images, found = singles
    shape = [truth[name][:12] for name in ("index", "radius", "axis_ratio", "angle", "flux")]
    clean = measure(np.array([draw(ellipse(*row[:4]) * row[4]) for row in zip(*shape, strict=True)]))
    for name in ("radius_50", "radius_90", "petrosian_radius"):
        ratio = getattr(found, name)[:12] / getattr(clean, name)
        assert abs(np.median(ratio if ratio.ndim == 1 else ratio[:, 1:4]) - 1) < 0.01
    # The fitted radius is that before the seeing, which R50 is not.
    seeing_free = found.sersic_radius[:, 2] / truth["radius"]
    assert abs(np.median(seeing_free) - 1) < 0.01 and np.median(abs(seeing_free - 1)) < 0.02


def test_shapes_are_recovered(singles):
    truth, _, found = singles
    for band, (ratio, index, order) in {1: (0.01, 0.03, 0.98), 2: (0.01, 0.03, 0.98), 0: (0.06, 0.25, 0.75)}.items():
        kept = np.isfinite(found.sersic_index[:, band])
        assert kept.mean() > 0.9
        assert np.median(abs(found.axis_ratio[:, band] - truth["axis_ratio"])[kept]) < ratio
        relative = found.sersic_index[kept, band] / truth["index"][kept] - 1
        assert np.median(abs(relative)) < index
        assert spearmanr(found.sersic_index[kept, band], truth["index"][kept])[0] > order
    turn = np.mod(found.position_angle - truth["angle"] + np.pi / 2, np.pi) - np.pi / 2
    assert np.median(abs(turn[truth["axis_ratio"] < 0.8])) < 0.01


def test_index_ranks_bulge_and_disc_by_their_concentration():
    rng = np.random.default_rng(8)
    images, expected, bulge_fraction = [], [], []
    for _ in range(80):
        fraction, radius, inner = rng.beta(0.7, 1), np.exp(rng.uniform(0.2, 1.7)), rng.uniform(0.15, 0.6)
        index, axis_ratio, angle = np.round(rng.uniform(2, 5), 1), rng.uniform(0.3, 1), rng.uniform(0, np.pi)
        bulge = ellipse(index, inner * radius, max(axis_ratio, 0.6), angle)
        disc = ellipse(1.0, radius, axis_ratio, angle)
        flux = 10 ** (0.4 * (22.5 - rng.uniform(15, 17.0)))
        images.append(draw((fraction * bulge + (1 - fraction) * disc) * flux, rng.uniform(-0.5, 0.5, 2)))
        radii = [
            brentq(
                lambda x, share=share, b=fraction, c=inner, n=index: (
                    b * sersic_fraction_inside(x / c, n) + (1 - b) * sersic_fraction_inside(x, 1.0) - share
                ),
                1e-3,
                200,
            )
            for share in (0.5, 0.9)
        ]
        expected.append(float(concentration_to_index(radii[1] / radii[0])))
        bulge_fraction.append(fraction)
    found = measure(add_noise(np.array(images), 9).astype(np.float32))
    for band in (1, 2, 3):
        assert spearmanr(found.sersic_index[:, band], expected)[0] > 0.85
        assert spearmanr(found.sersic_index[:, band], bulge_fraction)[0] > 0.7


def test_errors_are_the_scatter_of_repeated_measurements():
    clean = draw(ellipse(2.0, 2.5, 0.7, 0.5) * 120)
    found = measure(np.array([add_noise(clean, seed) for seed in range(60)]).astype(np.float32))
    ratio = found.flux.std(axis=0) / found.flux_error.mean(axis=0)
    # 60 repeats know a scatter within 9%: three standard deviations, and some for the radius's own noise.
    assert (abs(ratio - 1) < 0.35).all()
    assert (abs(np.median(found.sky_noise, axis=0) / NOISE - 1) < 0.02).all()
    # Of the same image, the Poisson noise is what a gain adds.
    images = add_noise(clean, 0)[None].astype(np.float32)
    with_gain, without = measure(images), measure_galaxies(images, WIDTH[None])
    poisson = with_gain.flux_error**2 - without.flux_error**2
    np.testing.assert_allclose(poisson, with_gain.flux / GAIN, rtol=1e-6)


def test_measurements_do_not_depend_on_what_is_measured_beside(singles):
    _, images, found = singles
    for step in (1, 7):
        parts = [measure(images[low : low + step]) for low in range(0, 28, step)]
        for field in fields(Photometry):
            together = np.concatenate([getattr(part, field.name) for part in parts])
            assert together.tobytes() == getattr(found, field.name)[:28].tobytes(), (step, field.name)


def test_flux_scale_and_rotation_change_nothing_else(singles):
    _, images, _ = singles
    width = np.tile(WIDTH, (8, 1))
    plain = measure_galaxies(images[:8], width)
    scaled = measure_galaxies(images[:8] * 4, width)
    for name in ("flux", "flux_error", "sky_noise"):
        np.testing.assert_allclose(getattr(scaled, name), 4 * getattr(plain, name), rtol=1e-6)
    for name in ("petrosian_radius", "radius_50", "radius_90"):
        np.testing.assert_allclose(getattr(scaled, name), getattr(plain, name), rtol=1e-6)
    np.testing.assert_allclose(scaled.sersic_index, plain.sersic_index, rtol=1e-3)
    turned = measure_galaxies(np.rot90(images[:8], -1, axes=(2, 3)), width)  # x axis to y axis
    for name in ("petrosian_radius", "flux", "radius_50", "radius_90"):
        np.testing.assert_allclose(getattr(turned, name), getattr(plain, name), rtol=1e-6)
    # The sky noise is that of other pairs of pixels, and weighs a little in the fit.
    np.testing.assert_allclose(turned.axis_ratio[:, 1:4], plain.axis_ratio[:, 1:4], atol=0.02)
    angle = np.mod(turned.position_angle - plain.position_angle - np.pi / 2 + 0.5, np.pi) - 0.5
    assert np.median(abs(angle)) < 1e-3


def test_what_cannot_be_measured_is_null():
    empty = measure(np.zeros((1, 5, 64, 64)))
    noise = measure(np.random.default_rng(0).normal(size=(6, 5, 64, 64)) * NOISE[:, None, None])
    for found in (empty, noise):
        assert np.isnan(found.sersic_index).all() and np.isnan(found.position_angle).all()
        assert np.isfinite(found.flux).all()
        assert np.array_equal(np.isnan(found.radius_50), found.flux <= 0)
    assert np.isnan(empty.petrosian_radius[0]) and empty.truncated[0]
    # A galaxy larger than its stamp: the aperture is the largest circle that fits.
    large = draw(ellipse(4.0, 8.0, 1.0, 0.0) * 500, size=64)
    found = measure(large[None])
    assert found.truncated[0]
    axis = np.arange(64) - 31.5
    inside = large[2][np.hypot(axis, axis[:, None]) < 32].sum()
    assert found.flux[0, 2] == pytest.approx(inside, rel=1e-3)


def test_refusals():
    images, width = np.ones((2, 5, 64, 64)), np.ones((2, 5))
    for wrong in (images[0], images[..., :32, :32], images[..., :32]):
        with pytest.raises(ValueError, match="images: found shape"):
            measure_galaxies(wrong, width)
    hole = images.copy()
    hole[1, 3, 5, 5] = np.nan
    with pytest.raises(ValueError, match="not finite, first in galaxy 1, band 3"):
        measure_galaxies(hole, width)
    with pytest.raises(ValueError, match="psf_width: found shape"):
        measure_galaxies(images, width[0])
    with pytest.raises(ValueError, match="psf_width: found a smallest value"):
        measure_galaxies(images, width * 0)
    with pytest.raises(ValueError, match="gain: found shape"):
        measure_galaxies(images, width, gain=[1.0])
    with pytest.raises(ValueError, match="reference: found 5"):
        measure_galaxies(images, width, reference=5)
    with pytest.raises(ValueError, match="pixel_scale: found -1"):
        measure_galaxies(images, width, pixel_scale=-1)
    with pytest.raises(ValueError, match="index: found a smallest value"):
        sersic_b([1.0, 0.0])
    with pytest.raises(ValueError, match="radius: found -1"):
        sersic_fraction_inside(-1.0, 1.0)
    with pytest.raises(ValueError, match="concentration: found 1"):
        concentration_to_index(1.0)
    ones = np.ones(2)
    with pytest.raises(ValueError, match=r"noise: found shape \(3,\)"):
        sersic.fit_sersic(images[:, 0], ones, np.ones(3), inverse_gain=ones, radius=ones, index=ones)
