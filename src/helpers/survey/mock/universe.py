"""The mock universe: which property causes which, by what equation.

Each equation states a relation that is known from surveys, with round coefficients and generous scatter (ours). The
model is a laboratory, not a fit: what matters is that its causes are known.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import gammaincinv

from .causal_model import StructuralCausalModel, Variable
from .cosmology import kpc_per_arcsec
from .light import BANDS, LIGHT_BANDS, N_TEMPLATES, R_BAND, optical_depth, population_flux

__all__ = ["MASS_RANGE", "MEAN_DENSITY", "UNIVERSE", "draw_log_mass", "group_spread"]

Parents = Mapping[str, np.ndarray]
Noise = np.random.Generator

MASS_RANGE = (8.0, 12.0)
# Double Schechter function of Baldry et al. (2012), per cubic megaparsec.
LOG_CHARACTERISTIC_MASS = 10.66
SCHECHTER = ((3.96e-3, -0.35), (0.79e-3, -1.47))  # density, slope
TEMPLATE_NAMES = ("old_metal_rich", "nebular", "young_metal_rich", "old", "young")
# Scatter of star formation histories about their mean: the concentration of a Dirichlet distribution.
CONCENTRATION = 200.0


def _mass_function() -> tuple[np.ndarray, np.ndarray]:
    log_mass = np.linspace(*MASS_RANGE, 2001)
    x = 10 ** (log_mass - LOG_CHARACTERISTIC_MASS)
    density = np.log(10) * np.exp(-x) * sum(phi * x ** (alpha + 1) for phi, alpha in SCHECHTER)
    return log_mass, density


def _mean_density() -> float:
    log_mass, density = _mass_function()
    return float(np.trapezoid(density, log_mass))


# Galaxies of at least 10^8 solar masses per cubic megaparsec.
MEAN_DENSITY = _mean_density()


def draw_log_mass(uniform: np.ndarray) -> np.ndarray:
    """Log10 stellar mass by inverting the mass function's cumulative distribution at numbers in [0, 1)."""
    log_mass, density = _mass_function()
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return np.interp(uniform, cumulative / cumulative[-1], log_mass)


def _log_mass(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return draw_log_mass(noise.random(n))


def _environment(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    companions = parents["group_richness"] - 1
    spread = group_spread(parents["group_richness"])
    peak = companions / ((2 * np.pi) ** 1.5 * spread**3)
    return np.log10(1 + peak * np.exp(-0.5 * (parents["group_distance"] / spread) ** 2) / MEAN_DENSITY)


def group_spread(richness: np.ndarray) -> np.ndarray:
    """Standard deviation of a group's galaxies about its centre along one axis, in megaparsecs."""
    return 0.5 * (richness / 10) ** 0.2


def _peculiar_velocity(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return 60 * parents["group_richness"] ** 0.35 * noise.standard_normal(n)


def _quenched(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    by_mass = np.exp(-(10 ** (1.3 * (parents["log_mass"] - 10.75))))
    by_environment = np.exp(-(10 ** (0.6 * (parents["environment"] - 2.8))))
    return noise.random(n) < 1 - by_mass * by_environment


def _log_ssfr(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    quenched = parents["quenched"] > 0.5
    active = -10.1 - 0.35 * (parents["log_mass"] - 10)
    return np.where(quenched, -11.9, active) + np.where(quenched, 0.25, 0.2) * noise.standard_normal(n)


def _metallicity(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return 0.3 * (parents["log_mass"] - 10.5) + 0.1 * noise.standard_normal(n)


def _bulge_fraction(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    logit = -1.7 + 1.3 * (parents["log_mass"] - 10.5) + 2.0 * parents["quenched"] + 0.6 * noise.standard_normal(n)
    return 1 / (1 + np.exp(-logit))


def _dust_depth(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    mean = -0.3 + 0.25 * (parents["log_mass"] - 10.3) + 0.35 * (parents["log_ssfr"] + 10)
    return 10 ** np.clip(mean + 0.18 * noise.standard_normal(n), -3.0, 0.7)


def _dust_slope(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return -0.9 + 0.3 * np.log10(parents["dust_depth"] / 0.6) + 0.2 * noise.standard_normal(n)


def _bulge_sersic_index(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    mean = 1.5 + 2.5 * parents["bulge_fraction"] + 0.6 * (parents["log_mass"] - 10.5)
    return np.clip(mean + 0.5 * noise.standard_normal(n), 0.8, 6.0)


def _bulge_radius(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    log_bulge_mass = parents["log_mass"] + np.log10(parents["bulge_fraction"])
    return 10 ** (0.5 + 0.5 * (log_bulge_mass - 10.5) + 0.15 * noise.standard_normal(n))


def _disc_radius(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    mean = 0.78 + 0.25 * (parents["log_mass"] - 10.5) - 0.1 * parents["quenched"]
    return 10 ** (mean + 0.17 * noise.standard_normal(n))


def _population(parents: Parents, noise: Noise, n: int, *, young_share: float, metal_offset: float) -> np.ndarray:
    """Shares of the mass in the five templates: a mean set by star formation and metallicity, and Dirichlet scatter."""
    young = young_share * 10 ** (-0.82 + 0.6 * (parents["log_ssfr"] + 10) + 0.05 * noise.standard_normal(n))
    young = np.clip(young, 1e-4, 0.9)
    rich = 1 / (1 + np.exp(-(metal_offset + 2.5 * parents["metallicity"])))
    mean = np.stack([(1 - young) * rich, 0.15 * young, (1 - young) * (1 - rich), 0.85 * young], axis=1)
    # Gamma variates by inversion, one uniform number each: a generator's own takes as many as it happens to reject, so
    # that one galaxy's other mean would give all after it another noise.
    draws = gammaincinv(CONCENTRATION * mean, noise.random(mean.shape))
    draws /= draws.sum(axis=1, keepdims=True)
    # The nebular template is so bright for its mass that its share follows the young stars without scatter in number.
    nebular = 0.002 * (draws[:, 1] + draws[:, 3]) * 10 ** (0.3 * noise.standard_normal(n))
    shares = np.stack([draws[:, 0], nebular, draws[:, 1], draws[:, 2], draws[:, 3]], axis=1)
    return shares / shares.sum(axis=1, keepdims=True)


def _bulge_population(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return _population(parents, noise, n, young_share=0.08, metal_offset=-1.6)


def _disc_population(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return _population(parents, noise, n, young_share=1.0, metal_offset=-2.6)


def _inclination(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return np.degrees(np.arccos(noise.random(n)))


def _oblate_axis_ratio(flattening: np.ndarray, inclination: np.ndarray) -> np.ndarray:
    cosine = np.cos(np.radians(inclination))
    return np.sqrt(flattening**2 + (1 - flattening**2) * cosine**2)


def _disc_axis_ratio(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    thickness = np.clip(0.2 + 0.04 * noise.standard_normal(n), 0.1, 0.35)
    return _oblate_axis_ratio(thickness, parents["inclination"])


def _bulge_axis_ratio(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    flattening = np.clip(0.7 + 0.15 * noise.standard_normal(n), 0.4, 1.0)
    return _oblate_axis_ratio(flattening, parents["inclination"])


def _position_angle(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return np.pi * noise.random(n)


def _angular(radius: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    return radius / kpc_per_arcsec(redshift)


def _bulge_angular_radius(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return _angular(parents["bulge_radius"], parents["redshift"])


def _disc_angular_radius(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    return _angular(parents["disc_radius"], parents["redshift"])


def _galactic_extinction(reddening: np.ndarray) -> np.ndarray:
    return reddening[:, None] * np.array([band.extinction for band in BANDS])


def _bulge_flux(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    """The bulge is seen through half of the dust layer."""
    redshift = parents["redshift"]
    mass = 10 ** parents["log_mass"] * parents["bulge_fraction"]
    light = population_flux(mass, parents["bulge_population"], redshift, _galactic_extinction(parents["reddening"]))
    return light * np.exp(-0.5 * optical_depth(parents["dust_depth"], parents["dust_slope"], redshift))


def _disc_flux(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    """Stars and dust of the disc are mixed in a slab, whose path grows with inclination."""
    redshift = parents["redshift"]
    mass = 10 ** parents["log_mass"] * (1 - parents["bulge_fraction"])
    light = population_flux(mass, parents["disc_population"], redshift, _galactic_extinction(parents["reddening"]))
    path = 1 / np.maximum(np.cos(np.radians(parents["inclination"])), 0.2)
    depth = optical_depth(parents["dust_depth"] * path, parents["dust_slope"], redshift)
    return light * -np.expm1(-depth) / depth


def _apparent_magnitude(parents: Parents, noise: Noise, n: int) -> np.ndarray:
    flux = parents["bulge_flux"][:, R_BAND] + parents["disc_flux"][:, R_BAND]
    return 22.5 - 2.5 * np.log10(flux) - BANDS[R_BAND].extinction * parents["reddening"]


GIVEN = None

UNIVERSE = StructuralCausalModel(
    (
        Variable(
            "group_richness", (), GIVEN, "p(N) ~ N^-2, 1 to 300", "galaxies", "size of the group that it was born into"
        ),
        Variable(
            "group_distance", (), GIVEN, "Gaussian about the group's centre", "Mpc", "distance from the group's centre"
        ),
        Variable("redshift", (), GIVEN, "uniform in comoving volume, by groups", "", "cosmological redshift"),
        Variable("reddening", (), GIVEN, "smooth on the sky", "mag", "Galactic reddening E(B-V)"),
        Variable("log_mass", (), _log_mass, "double Schechter function", "dex(Msun)", "stellar mass"),
        Variable("inclination", (), _inclination, "cos i uniform", "deg", "0 is face-on"),
        Variable("position_angle", (), _position_angle, "uniform", "rad", "angle of the major axis on the sky"),
        Variable(
            "environment",
            ("group_richness", "group_distance"),
            _environment,
            "log10(1 + (N - 1) g(d) / mean density)",
            "dex",
            "density of companions, in units of the mean density",
        ),
        Variable(
            "peculiar_velocity",
            ("group_richness",),
            _peculiar_velocity,
            "Gaussian, spread 60 N^0.35",
            "km/s",
            "velocity along the line of sight beside the expansion",
        ),
        Variable(
            "quenched",
            ("log_mass", "environment"),
            _quenched,
            "P = 1 - exp(-10^(1.3 (log M - 10.75))) exp(-10^(0.6 (environment - 2.8)))",
            "",
            "1 where star formation has ceased",
        ),
        Variable(
            "log_ssfr",
            ("log_mass", "quenched"),
            _log_ssfr,
            "-10.1 - 0.35 (log M - 10) ± 0.2, or -11.9 ± 0.25 if quenched",
            "dex(1/yr)",
            "specific star formation rate",
        ),
        Variable(
            "metallicity", ("log_mass",), _metallicity, "0.3 (log M - 10.5) ± 0.1", "dex", "of the stars, relative"
        ),
        Variable(
            "bulge_fraction",
            ("log_mass", "quenched"),
            _bulge_fraction,
            "logit = -1.7 + 1.3 (log M - 10.5) + 2.0 quenched ± 0.6",
            "",
            "share of the stellar mass in the bulge",
        ),
        Variable(
            "dust_depth",
            ("log_mass", "log_ssfr"),
            _dust_depth,
            "log10 = -0.3 + 0.25 (log M - 10.3) + 0.35 (log sSFR + 10) ± 0.18",
            "",
            "optical depth at 0.55 micrometres through the face-on disc",
        ),
        Variable(
            "dust_slope",
            ("dust_depth",),
            _dust_slope,
            "-0.9 + 0.3 log10(depth / 0.6) ± 0.2",
            "",
            "power of wavelength in the optical depth",
        ),
        Variable(
            "bulge_sersic_index",
            ("log_mass", "bulge_fraction"),
            _bulge_sersic_index,
            "1.5 + 2.5 B + 0.6 (log M - 10.5) ± 0.5",
            "",
            "Sersic index of the bulge; the disc's is 1",
        ),
        Variable(
            "bulge_radius",
            ("log_mass", "bulge_fraction"),
            _bulge_radius,
            "log10 = 0.5 + 0.5 (log(B M) - 10.5) ± 0.15",
            "kpc",
            "half-light radius of the bulge",
        ),
        Variable(
            "disc_radius",
            ("log_mass", "quenched"),
            _disc_radius,
            "log10 = 0.78 + 0.25 (log M - 10.5) - 0.1 quenched ± 0.17",
            "kpc",
            "half-light radius of the disc",
        ),
        Variable(
            "bulge_population",
            ("log_ssfr", "metallicity"),
            _bulge_population,
            "as the disc's, with 0.08 times the young share and more metal-rich stars",
            "",
            "shares of the bulge's mass in five template populations",
            TEMPLATE_NAMES,
        ),
        Variable(
            "disc_population",
            ("log_ssfr", "metallicity"),
            _disc_population,
            "Dirichlet(200) about a young share of 10^(-0.82 + 0.6 (log sSFR + 10)) and a metal-rich share",
            "",
            "shares of the disc's mass in five template populations",
            TEMPLATE_NAMES,
        ),
        Variable(
            "disc_axis_ratio",
            ("inclination",),
            _disc_axis_ratio,
            "q^2 = t^2 + (1 - t^2) cos^2 i, thickness t = 0.2 ± 0.04",
            "",
            "apparent minor over major axis of the disc",
        ),
        Variable(
            "bulge_axis_ratio",
            ("inclination",),
            _bulge_axis_ratio,
            "q^2 = t^2 + (1 - t^2) cos^2 i, t = 0.7 ± 0.15",
            "",
            "apparent minor over major axis of the bulge",
        ),
        Variable(
            "bulge_angular_radius",
            ("bulge_radius", "redshift"),
            _bulge_angular_radius,
            "radius / angular-diameter distance",
            "arcsec",
            "half-light radius of the bulge on the sky",
        ),
        Variable(
            "disc_angular_radius",
            ("disc_radius", "redshift"),
            _disc_angular_radius,
            "radius / angular-diameter distance",
            "arcsec",
            "half-light radius of the disc on the sky",
        ),
        Variable(
            "bulge_flux",
            ("log_mass", "bulge_fraction", "bulge_population", "dust_depth", "dust_slope", "redshift", "reddening"),
            _bulge_flux,
            "B M x templates(redshift) x exp(-depth / 2) / distance^2 x Galactic extinction",
            "nanomaggies",
            "flux of the bulge in each band",
            LIGHT_BANDS,
        ),
        Variable(
            "disc_flux",
            (
                "log_mass",
                "bulge_fraction",
                "disc_population",
                "dust_depth",
                "dust_slope",
                "inclination",
                "redshift",
                "reddening",
            ),
            _disc_flux,
            "(1 - B) M x templates(redshift) x slab of dust at inclination i / distance^2 x Galactic extinction",
            "nanomaggies",
            "flux of the disc in each band",
            LIGHT_BANDS,
        ),
        Variable(
            "apparent_magnitude",
            ("bulge_flux", "disc_flux", "reddening"),
            _apparent_magnitude,
            "22.5 - 2.5 log10(total r flux) - Galactic extinction",
            "mag",
            "total r magnitude, corrected for extinction; on what is measured of it galaxies are selected",
        ),
    )
)


assert N_TEMPLATES == len(TEMPLATE_NAMES)
