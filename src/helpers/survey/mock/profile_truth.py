"""What a perfect observer would measure: the Petrosian quantities of a bulge and a disc without seeing or noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sersic import sersic_fraction_inside
from .rendering import Profiles

__all__ = ["TrueShape", "radius_without_seeing", "true_shape"]

PETROSIAN_RATIO = 0.2
N_ANGLES = 24
# Radii in units of the larger of the two half-light radii.
RADII = np.geomspace(0.01, 60.0, 160)
# Where, in half-light radii, and among which indices the Sersic profile nearest to a bulge and disc is looked for.
FITTED_RADII = np.array([0.25, 0.4, 0.6, 0.8, 1.25, 1.6, 2.0, 2.5, 3.0])
INDICES = np.geomspace(0.5, 8.0, 160)


@dataclass(frozen=True)
class TrueShape:
    """Noise-free quantities in every band, before any seeing.

    Attributes
    ----------
    petrosian_radius : array [n]
        In the reference band, arcsec.
    flux : array [n, band]
        Inside twice that radius, nanomaggies.
    radius_50, radius_90 : array [n, band]
        Circles that hold half and nine tenths of that flux, arcsec.
    sersic_index : array [n, band]
        Of the Sersic profile whose light inside ellipses, from a quarter to three half-light radii, is nearest.
    axis_ratio : array [n, band]
        Mean of bulge and disc, weighted by flux.
    """

    petrosian_radius: np.ndarray
    flux: np.ndarray
    radius_50: np.ndarray
    radius_90: np.ndarray
    sersic_index: np.ndarray
    axis_ratio: np.ndarray


def true_shape(profiles: Profiles, *, reference: int = 2) -> TrueShape:
    """Petrosian quantities from the closed form of the light inside a circle (ours).

    For an ellipse of axis ratio q, with g(t)^2 = cos^2 t + sin^2 t / q^2, the share of the light inside a circle of
    radius R is the mean over the angle t of P(R g) / (q g^2), where P is the share inside the ellipse of a semi-major
    axis.

    Parameters
    ----------
    profiles : Profiles
    reference : int, default 2
        Band that sets the Petrosian aperture: r.

    Returns
    -------
    TrueShape
    """
    scale = np.maximum(profiles.bulge_radius, profiles.disc_radius)
    index = np.round(profiles.bulge_sersic_index, 1)  # as it is drawn
    bulge = _inside_circle(scale / profiles.bulge_radius, profiles.bulge_axis_ratio, index)
    disc = _inside_circle(scale / profiles.disc_radius, profiles.disc_axis_ratio, np.ones_like(index))
    # [n, band, radius]
    growth = profiles.bulge_flux[:, :, None] * bulge[:, None] + profiles.disc_flux[:, :, None] * disc[:, None]
    petrosian = np.array([_petrosian_radius(curve) for curve in growth[:, reference]])
    flux, half, most = np.empty((3, *growth.shape[:2]))
    for row, curves in enumerate(growth):
        for band, curve in enumerate(curves):
            flux[row, band] = np.interp(2 * petrosian[row], RADII, curve)
            half[row, band], most[row, band] = np.interp([0.5 * flux[row, band], 0.9 * flux[row, band]], curve, RADII)
    in_bulge = profiles.bulge_flux / (profiles.bulge_flux + profiles.disc_flux)
    return TrueShape(
        petrosian_radius=petrosian * scale,
        flux=flux,
        radius_50=half * scale[:, None],
        radius_90=most * scale[:, None],
        sersic_index=_nearest_index(in_bulge, scale / profiles.bulge_radius, scale / profiles.disc_radius, index),
        axis_ratio=in_bulge * profiles.bulge_axis_ratio[:, None] + (1 - in_bulge) * profiles.disc_axis_ratio[:, None],
    )


def radius_without_seeing(index: np.ndarray, radius: np.ndarray, axis_ratio: np.ndarray) -> np.ndarray:
    """Petrosian half-light radius of Sérsic profiles, from fits that allowed for the seeing (ours).

    Parameters
    ----------
    index : array [n]
        Of the fits. May be NaN, as may the next two.
    radius : array [n]
        Half-light radius of the fits along the major axis, arcsec.
    axis_ratio : array [n]
        Of the fits.

    Returns
    -------
    array [n]
        Arcsec; NaN where a fit is.
    """
    known = np.isfinite(index) & np.isfinite(radius) & np.isfinite(axis_ratio)
    index, radius, axis_ratio = index[known], radius[known], axis_ratio[known]
    growth = _inside_circle(np.ones_like(radius), axis_ratio, index)
    result = np.full(len(known), np.nan)
    result[known] = radius * [
        np.interp(0.5 * np.interp(2 * _petrosian_radius(curve), RADII, curve), curve, RADII) for curve in growth
    ]
    return result


def _nearest_index(
    in_bulge: np.ndarray, bulge_stretch: np.ndarray, disc_stretch: np.ndarray, bulge_index: np.ndarray
) -> np.ndarray:
    """Index [n, band] of the Sersic profile that is nearest to a sum of two, ellipse by ellipse."""
    bulge = sersic_fraction_inside(RADII * bulge_stretch[:, None], bulge_index[:, None])
    disc = sersic_fraction_inside(RADII * disc_stretch[:, None], 1.0)
    candidates = sersic_fraction_inside(FITTED_RADII, INDICES[:, None])
    last = len(INDICES) - 2
    nearest = np.empty(in_bulge.shape)
    for row, shares in enumerate(in_bulge):
        for band, share in enumerate(shares):
            curve = share * bulge[row] + (1 - share) * disc[row]
            inside = np.interp(FITTED_RADII * np.interp(0.5, curve, RADII), RADII, curve)
            distance = ((candidates - inside) ** 2).sum(axis=1)
            # Between the candidates: the lowest point of a parabola through the best one and its neighbours.
            best = min(max(int(np.argmin(distance)), 1), last)
            before, at, after = distance[best - 1 : best + 2]
            shift = 0.5 * (before - after) / (before - 2 * at + after)
            nearest[row, band] = INDICES[best] * (INDICES[1] / INDICES[0]) ** np.clip(shift, -1, 1)
    return nearest


def _inside_circle(stretch: np.ndarray, axis_ratio: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Share of a component's light inside circles of `RADII` / `stretch` half-light radii [n, radius]."""
    angle = (np.arange(N_ANGLES) + 0.5) * (np.pi / 2 / N_ANGLES)
    g = np.sqrt(np.cos(angle) ** 2 + (np.sin(angle) / axis_ratio[:, None]) ** 2)  # [n, angle]
    radius = RADII[None, None, :] * (stretch[:, None] * g)[:, :, None]
    share = sersic_fraction_inside(radius, index[:, None, None])
    weight = 1 / (axis_ratio[:, None] * g**2)
    # The quadrature's own normalisation, which at an axis ratio of 0.2 is right to 1e-3 only.
    return np.einsum("nar,na->nr", share, weight / weight.sum(axis=1, keepdims=True))


def _petrosian_radius(curve: np.ndarray) -> float:
    """Outermost radius, in the units of `RADII`, where the brightness of the annulus is 0.2 times the mean inside.

    A compact bulge in a wide disc gives more than one.
    """
    outer, inner = np.interp(1.25 * RADII, RADII, curve), np.interp(0.8 * RADII, RADII, curve)
    ratio = (outer - inner) / (1.25**2 - 0.8**2) / curve
    below = int(np.flatnonzero(ratio >= PETROSIAN_RATIO)[-1]) + 1
    share = (ratio[below - 1] - PETROSIAN_RATIO) / (ratio[below - 1] - ratio[below])
    return float(RADII[below - 1] + share * (RADII[below] - RADII[below - 1]))
