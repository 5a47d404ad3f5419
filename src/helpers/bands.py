"""Surveys and their bands, as data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SDSS", "TWO_MASS", "WISE", "Band", "Survey"]


@dataclass(frozen=True)
class Band:
    """One photometric band.

    Attributes
    ----------
    name : str
        The survey's name of the band.
    wavelength : float
        Effective wavelength in micrometres.
    magnitude, magnitude_error : str
        Canonical catalogue columns; the error's is empty where none is used.
    extinction : float
        Galactic extinction in magnitudes per magnitude of E(B-V).
    """

    name: str
    wavelength: float
    magnitude: str
    magnitude_error: str
    extinction: float


@dataclass(frozen=True)
class Survey:
    """A survey: its bands, its magnitude system and its pixels.

    Attributes
    ----------
    name : str
    bands : tuple of Band
    system : str
        ``"AB"`` or ``"Vega"``.
    pixel_scale : float or None
        Arcseconds per pixel of its images, where the book uses them.
    """

    name: str
    bands: tuple[Band, ...]
    system: str
    pixel_scale: float | None = None

    @property
    def magnitudes(self) -> tuple[str, ...]:
        """Magnitude columns, in the order of the bands."""
        return tuple(band.magnitude for band in self.bands)


def _sdss(name: str, wavelength: float, extinction: float) -> Band:
    return Band(name, wavelength, f"petroMag_{name}", f"petroMagErr_{name}", extinction)


# Extinction ratios of Schlegel, Finkbeiner & Davis (1998), as in the survey's own columns; wavelengths of
# Fukugita et al. (1996), Cohen et al. (2003) and Wright et al. (2010).
SDSS = Survey(
    "SDSS",
    (
        _sdss("u", 0.3551, 5.155),
        _sdss("g", 0.4686, 3.793),
        _sdss("r", 0.6165, 2.751),
        _sdss("i", 0.7481, 2.086),
        _sdss("z", 0.8931, 1.479),
    ),
    "AB",
    0.396,
)
TWO_MASS = Survey(
    "2MASS",
    (
        Band("J", 1.235, "j_m_ext", "j_msig_ext", 0.902),
        Band("H", 1.662, "h_m_ext", "h_msig_ext", 0.576),
        Band("K", 2.159, "k_m_ext", "k_msig_ext", 0.367),
    ),
    "Vega",
)
WISE = Survey(
    "WISE",
    (
        Band("W1", 3.353, "w1mpro", "w1sigmpro", 0.0),
        Band("W2", 4.603, "w2mpro", "w2sigmpro", 0.0),
        Band("W3", 11.561, "w3mpro", "", 0.0),
    ),
    "Vega",
)
