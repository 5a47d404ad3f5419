"""How fast is the mock made, does its memory stay flat, and what do its fast parts gain, in this run?

The mock of 6,000 galaxies is made from nothing on two processes, then continued to 20,000. Then galaxies of its first
tile are drawn band by band with GalSim and measured one at a time with photutils and with a fit of astropy's Sersic
profile, and by the library.
"""

import resource
import tempfile
import time
from functools import partial

import galsim
import numpy as np
from astropy.modeling.models import Sersic2D
from photutils.aperture import CircularAperture, aperture_photometry
from scipy.optimize import least_squares
from scipy.signal import fftconvolve
from threadpoolctl import threadpool_limits

from helpers.survey import load_sample
from helpers.survey.mock import MAGNITUDE_RANGE, draw_tile
from helpers.survey.mock.observing import field_conditions
from helpers.survey.mock.rendering import add_noise, render
from helpers.survey.mock.tile import MEASURED_STAMP, R_BAND, profiles_of
from helpers.survey.photometry import measure_galaxies
from helpers.survey.sersic import fit_sersic
from helpers.survey.stamps import MOFFAT_BETA

SIZES = (6_000, 20_000)
PIXEL_SCALE = 0.396
N_DRAWN, N_MEASURED, N_FITTED = 60, 40, 10


def peak_megabytes():
    """Highest memory so far of this process, and of the largest of its children that have ended or are counted."""
    return [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def make_mock():
    """Seconds, galaxies per second and peak memory for each size; the second size continues the first."""
    from joblib.externals.loky import get_reusable_executor

    rows, before = [], 0
    with tempfile.TemporaryDirectory() as cache:
        for size in SIZES:
            start = time.perf_counter()
            sample = load_sample("mock", size, 0, cache_dir=cache, n_processes=2)
            seconds = time.perf_counter() - start
            # A child's memory is counted when it has ended.
            get_reusable_executor().shutdown(wait=True)
            rows.append((len(sample), len(sample) - before, seconds, *peak_megabytes()))
            before = len(sample)
    return rows


def observed(n):
    """Profiles, conditions and noisy images of the first `n` galaxies of the first tile that the mock would draw."""
    values = draw_tile(0, 0)
    brightest, faintest = MAGNITUDE_RANGE
    magnitude = values["apparent_magnitude"]
    seen = np.flatnonzero((magnitude > brightest) & (magnitude < faintest))[:n]
    values = {name: value[seen] for name, value in values.items()}
    generator = np.random.default_rng(0)
    conditions = field_conditions(values["ra"], values["dec"], 0, generator)
    profiles = profiles_of(values, generator.uniform(-0.5, 0.5, (len(seen), 2)))
    images = render(profiles, conditions, size=MEASURED_STAMP)
    return profiles, conditions, add_noise(images, conditions, seeds=[[0, int(number)] for number in seen])


def draw_with_galsim(profiles, conditions):
    """The same galaxies by `drawImage`, one band after the other."""
    n, bands = conditions.psf_width.shape
    images = np.empty((n, bands, MEASURED_STAMP, MEASURED_STAMP), np.float32)
    for row in range(n):
        index = round(float(profiles.bulge_sersic_index[row]), 1)
        bulge, disc = (
            # A shear keeps the area, so it starts from the circle of the same area.
            profile(half_light_radius=radius[row] * np.sqrt(axis_ratio[row])).shear(
                q=axis_ratio[row], beta=profiles.position_angle[row] * galsim.radians
            )
            for profile, radius, axis_ratio in (
                (partial(galsim.Sersic, index), profiles.bulge_radius, profiles.bulge_axis_ratio),
                (galsim.Exponential, profiles.disc_radius, profiles.disc_axis_ratio),
            )
        )
        for band in range(bands):
            light = bulge * profiles.bulge_flux[row, band] + disc * profiles.disc_flux[row, band]
            psf = galsim.Moffat(beta=MOFFAT_BETA, fwhm=conditions.psf_width[row, band])
            image = galsim.ImageF(MEASURED_STAMP, MEASURED_STAMP, scale=PIXEL_SCALE)
            galsim.Convolve(light, psf).drawImage(image=image, offset=tuple(profiles.offset[row]))
            images[row, band] = image.array
    return images


def growth_with_photutils(images):
    """Growth curves by aperture photometry, at 40 radii, one galaxy at a time."""
    centre = (MEASURED_STAMP - 1) / 2
    radii = np.geomspace(0.6, MEASURED_STAMP / 2, 40)
    apertures = [CircularAperture((centre, centre), radius) for radius in radii]
    curves = np.empty((*images.shape[:2], len(radii)))
    for row, stamps in enumerate(images):
        for band, stamp in enumerate(stamps):
            table = aperture_photometry(stamp, apertures, method="exact")
            curves[row, band] = [table[f"aperture_sum_{number}"][0] for number in range(len(radii))]
    return curves


def fit_with_astropy(image, psf_width, noise):
    """Sersic index by least squares of astropy's profile, convolved with the PSF, on single pixels."""
    middle = slice(MEASURED_STAMP // 2 - 32, MEASURED_STAMP // 2 + 32)
    image = image[middle, middle]
    y, x = np.indices(image.shape) - 31.5
    scale = psf_width / (2 * np.sqrt(2 ** (1 / MOFFAT_BETA) - 1))
    v, u = np.indices((33, 33)) - 16.0
    psf = (1 + (u**2 + v**2) / scale**2) ** -MOFFAT_BETA
    psf /= psf.sum()

    def residual(p):
        profile = Sersic2D(np.exp(p[0]), np.exp(p[1]), np.exp(p[2]), p[3], p[4], 1 - np.exp(-abs(p[5])), p[6])
        return ((fftconvolve(profile(x, y), psf, mode="same") - image) / noise).ravel()

    start = [np.log(max(image[30:34, 30:34].mean(), noise)) - 1, np.log(6.0), np.log(2.0), 0, 0, 0.3, 0.5]
    return np.exp(least_squares(residual, start, max_nfev=60).x[2])


def timed(call, *arguments, **options):
    """Seconds of a call, and what it gives."""
    start = time.perf_counter()
    result = call(*arguments, **options)
    return time.perf_counter() - start, result


def compare():
    """Milliseconds per galaxy of the plain way and of the library, for drawing, measuring and fitting."""
    profiles, conditions, images = observed(N_DRAWN)
    draw_with_galsim(*observed(2)[:2])  # GalSim's tables are not what is measured
    measure_galaxies(images[:2], conditions.psf_width[:2], gain=conditions.gain, reference=R_BAND)
    plain, drawn = timed(draw_with_galsim, profiles, conditions)
    fast, ours = timed(render, profiles, conditions, size=MEASURED_STAMP)
    difference = np.abs(drawn - ours).max(axis=(2, 3)) / conditions.sky_noise
    yield "drawing in 5 bands", N_DRAWN, plain, fast, f"largest difference {difference.max():.2f} of the sky noise"

    some, width = images[:N_MEASURED], conditions.psf_width[:N_MEASURED]
    plain, _ = timed(growth_with_photutils, some)
    fast, measured = timed(measure_galaxies, some, width, gain=conditions.gain, reference=R_BAND)
    yield "measuring in 5 bands", N_MEASURED, plain, fast, "plain: growth curves of 40 radii; library: with Sersic fits"

    few = range(N_FITTED)
    noise, width = measured.sky_noise[:, R_BAND], width[:, R_BAND] / PIXEL_SCALE
    plain, index = timed(lambda: [fit_with_astropy(images[row, R_BAND], width[row], noise[row]) for row in few])
    start = {"radius": np.full(N_MEASURED, 6.0), "index": np.full(N_MEASURED, 2.0)}
    gain = np.full(N_MEASURED, 1 / conditions.gain[R_BAND])
    fast, fits = timed(fit_sersic, some[:, R_BAND], width, noise, inverse_gain=gain, **start)
    apart = np.median(np.abs(np.log(index) - np.log(fits.index[:N_FITTED])))
    what = f"Sersic n differs by {100 * apart:.0f}% in the median"
    yield "fitting in 1 band", N_FITTED, plain, fast * N_FITTED / N_MEASURED, what


if __name__ == "__main__":
    print(f"{'galaxies':>8} {'made':>7} {'seconds':>8} {'per second':>10} {'main MB':>8} {'worker MB':>9}")
    for size, made, seconds, main, worker in make_mock():
        print(f"{size:8d} {made:7d} {seconds:8.1f} {made / seconds:10.1f} {main:8.0f} {worker:9.0f}")
    print(f"\n{'ms per galaxy':<22} {'plain':>8} {'library':>8} {'ratio':>6}")
    with threadpool_limits(limits=1):
        for name, n, plain, fast, remark in compare():
            print(f"{name:<22} {1e3 * plain / n:8.1f} {1e3 * fast / n:8.1f} {plain / fast:6.1f}  {remark}")
