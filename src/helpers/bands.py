"""Surveys and their bands, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

__all__ = [
    "DESI_LEGACY",
    "EUCLID",
    "GALEX",
    "LSST",
    "REDDENING",
    "SDSS",
    "SURVEYS",
    "TWO_MASS",
    "WISE",
    "Band",
    "Survey",
    "dereddened",
]

REDDENING = "EBV"


@dataclass(frozen=True)
class Band:
    """One photometric band.

    Attributes
    ----------
    name : str
        The survey's name of the band.
    wavelength : float
        Effective wavelength in micrometres.
    magnitude, magnitude_error, flux : str
        Canonical catalogue columns; the error's or the flux's is empty where none is used.
    extinction : float
        Galactic extinction in magnitudes per magnitude of E(B-V) on the scale of Schlegel, Finkbeiner & Davis (1998).
    vega : float
        AB minus Vega magnitude of the same source; 0 in a survey of AB magnitudes.
    """

    name: str
    wavelength: float
    magnitude: str
    magnitude_error: str
    flux: str
    extinction: float
    vega: float = 0.0


@dataclass(frozen=True)
class Survey:
    """A survey: its bands, its magnitude system and its pixels.

    Attributes
    ----------
    name : str
        Such as ``"SDSS"``, as a figure writes it.
    bands : tuple of Band
        In order of wavelength.
    system : str
        ``"AB"`` or ``"Vega"``.
    kind : str
        ``"ultraviolet"``, ``"optical"``, ``"near infrared"`` or ``"mid infrared"``.
    reference : str
        The band of apertures and of selection.
    colour : tuple of str
        The two bands of the colour that a figure shows, bluer first.
    label : str
        The bands in a figure's words: ``"ugriz"``, ``"J, H, K"``.
    pixel_scale : float or None
        Arcseconds per pixel of its images; None where images are not used.
    """

    name: str
    bands: tuple[Band, ...]
    system: str
    kind: str
    reference: str
    colour: tuple[str, str]
    label: str
    pixel_scale: float | None = None

    @property
    def magnitudes(self) -> tuple[str, ...]:
        """Magnitude columns, in the order of the bands."""
        return tuple(band.magnitude for band in self.bands)

    @property
    def errors(self) -> tuple[str, ...]:
        """Magnitude-error columns, in the order of the bands that have one."""
        return tuple(band.magnitude_error for band in self.bands if band.magnitude_error)

    def band(self, name: str) -> Band:
        """The band of a name.

        Raises
        ------
        ValueError
            If the survey has no such band.
        """
        for band in self.bands:
            if band.name == name:
                return band
        known = ", ".join(band.name for band in self.bands)
        raise ValueError(f"band: found {name!r}, expected one of {known}, the bands of {self.name}")


def _bands(prefix: str, *values: tuple[str, float, float]) -> tuple[Band, ...]:
    """Bands of a survey whose columns are ``<prefix>Mag_<band>`` and so on, from name, wavelength, extinction."""
    return tuple(
        Band(name, wavelength, f"{prefix}Mag_{name}", f"{prefix}MagErr_{name}", f"{prefix}Flux_{name}", extinction)
        for name, wavelength, extinction in values
    )


# Extinction: Schlegel, Finkbeiner & Davis (1998), as in the survey's own columns. Wavelengths: Fukugita et al. (1996).
SDSS = Survey(
    "SDSS",
    _bands(
        "petro",
        ("u", 0.3551, 5.155),
        ("g", 0.4686, 3.793),
        ("r", 0.6165, 2.751),
        ("i", 0.7481, 2.086),
        ("z", 0.8931, 1.479),
    ),
    "AB",
    "optical",
    reference="r",
    colour=("g", "r"),
    label="ugriz",
    pixel_scale=0.396,
)

# Extinction: DECam, Schlafly & Finkbeiner (2011), whose coefficients already hold their correction of the map's scale,
# as in the survey's catalogues (Dey et al. 2019). Wavelengths: Abbott et al. (2018).
DESI_LEGACY = Survey(
    "DESI Legacy",
    _bands("legacy", ("g", 0.473, 3.214), ("r", 0.642, 2.165), ("z", 0.926, 1.211)),
    "AB",
    "optical",
    reference="r",
    colour=("g", "r"),
    label="grz",
    pixel_scale=0.262,
)

# Extinction: Cardelli, Clayton & Mathis (1989) with R_V = 3.1 through the bands for a flat spectrum, as in the
# observatory's package rubin_sim. Wavelengths: Ivezic et al. (2019).
LSST = Survey(
    "LSST",
    _bands(
        "lsst",
        ("u", 0.3671, 4.757),
        ("g", 0.4827, 3.661),
        ("r", 0.6223, 2.701),
        ("i", 0.7546, 2.054),
        ("z", 0.8691, 1.590),
        ("y", 0.9712, 1.308),
    ),
    "AB",
    "optical",
    reference="r",
    colour=("g", "r"),
    label="ugrizy",
    pixel_scale=0.2,
)

# Extinction: the curve of Cardelli, Clayton & Mathis (1989) with R_V = 3.1 at the effective wavelength, which for
# so broad a band as VIS is good to about a tenth. Wavelengths: Cropper et al. (2016), Schirmer et al. (2022).
EUCLID = Survey(
    "Euclid",
    _bands("euclid", ("VIS", 0.715, 2.253), ("Y", 1.0809, 1.105), ("J", 1.3673, 0.757), ("H", 1.7714, 0.499)),
    "AB",
    "optical",
    reference="VIS",
    colour=("VIS", "H"),
    label="VIS, Y, J, H",
    pixel_scale=0.1,
)

# Extinction: Wyder et al. (2007), of whose NUV law this is the linear term. Wavelengths: Morrissey et al. (2007).
GALEX = Survey(
    "GALEX",
    _bands("galex", ("FUV", 0.1539, 8.24), ("NUV", 0.2316, 8.24)),
    "AB",
    "ultraviolet",
    reference="NUV",
    colour=("FUV", "NUV"),
    label="FUV, NUV",
    pixel_scale=1.5,
)

# Extinction: Schlegel, Finkbeiner & Davis (1998). Wavelengths: Cohen et al. (2003). AB minus Vega: Blanton & Roweis
# (2007).
TWO_MASS = Survey(
    "2MASS",
    (
        Band("J", 1.235, "j_m_ext", "j_msig_ext", "", 0.902, 0.91),
        Band("H", 1.662, "h_m_ext", "h_msig_ext", "", 0.576, 1.39),
        Band("K", 2.159, "k_m_ext", "k_msig_ext", "", 0.367, 1.85),
    ),
    "Vega",
    "near infrared",
    reference="K",
    colour=("J", "K"),
    label="J, H, K",
)

# Extinction is neglected. Wavelengths: Wright et al. (2010). AB minus Vega: Jarrett et al. (2011). The W3 error is left
# out, as in the paper.
WISE = Survey(
    "WISE",
    (
        Band("W1", 3.353, "w1mpro", "w1sigmpro", "", 0.0, 2.699),
        Band("W2", 4.603, "w2mpro", "w2sigmpro", "", 0.0, 3.339),
        Band("W3", 11.561, "w3mpro", "", "", 0.0, 5.174),
    ),
    "Vega",
    "mid infrared",
    reference="W1",
    colour=("W1", "W2"),
    label="W1, W2, W3",
)

SURVEYS: dict[str, Survey] = {
    survey.name: survey for survey in (SDSS, DESI_LEGACY, LSST, EUCLID, GALEX, TWO_MASS, WISE)
}


def dereddened(catalog: pd.DataFrame, survey: Survey, band: str) -> np.ndarray:
    """Magnitude less Galactic extinction, in the survey's system, float64 [n_galaxies].

    A catalogue without a column of reddening is taken to hold corrected magnitudes already. Nulls stay NaN, and a
    galaxy whose reddening is null has no corrected magnitude.

    Parameters
    ----------
    catalog : DataFrame [n_galaxies]
    survey : Survey
    band : str
        Name of a band of the survey.

    Raises
    ------
    ValueError
        If the survey has no such band, or the catalogue no such magnitude.
    """
    known = survey.band(band)
    if known.magnitude not in catalog.columns:
        raise ValueError(
            f"catalog: column {known.magnitude!r} is missing, found {', '.join(map(str, catalog.columns))}"
        )
    magnitude = catalog[known.magnitude].to_numpy(dtype=np.float64, na_value=np.nan)
    if REDDENING not in catalog.columns:
        return magnitude
    return magnitude - known.extinction * catalog[REDDENING].to_numpy(dtype=np.float64, na_value=np.nan)
