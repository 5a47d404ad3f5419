"""A null universe: galaxies that keep their photometry and wear the shape of another with the same photometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..bands import SDSS
from ..checks import is_whole
from ..inputs import INPUTS, REDDENING
from .quality import positive_or_null
from .sample import SPLITS, Sample

__all__ = ["Partners", "ScaledImages", "match_partners", "swap_shapes"]

# What is measured on a picture, or describes how it was taken, beside the input Morph.
PICTURE_PREFIXES = ("psfWidth_", "skyNoise_", "Sersic_r_")
MAGNITUDES = INPUTS["Mopt"].main
IDENTITY = ("ra", "dec", "objID", "specObjID", REDDENING)
QUANTILES = {"5%": 0.05, "50%": 0.5, "95%": 0.95}
# Between galaxies of matched photometry a larger ratio is a failed measurement, and would scale up nothing but noise.
LARGEST_RATIO = 10.0


@dataclass(frozen=True, eq=False)
class Partners:
    """Another galaxy of matched photometry for each galaxy.

    Attributes
    ----------
    row : int64 array [n_galaxies]
        Row number of the partner.
    distance : float64 array [n_galaxies]
        Distance to it in standardised magnitudes.
    difference : float64 array [n_galaxies, n_magnitudes]
        Absolute difference in each magnitude, corrected for reddening where that is known; NaN where either is null.
    """

    row: np.ndarray
    distance: np.ndarray
    difference: np.ndarray


@dataclass(frozen=True, eq=False)
class ScaledImages:
    """Images of chosen galaxies, each band times a factor, read and multiplied only where they are asked for.

    Attributes
    ----------
    images : array-like [n_stored, n_bands, y, x]
        Anything with a shape and a dtype whose rows are read by an array of integers.
    rows : int array [n_galaxies]
        Row of each galaxy's image.
    factor : array [n_galaxies, n_bands]
    """

    images: Any
    rows: np.ndarray
    factor: np.ndarray

    def __post_init__(self) -> None:
        shape = tuple(getattr(self.images, "shape", ()))
        if len(shape) != 4:
            raise ValueError(f"images: found shape {shape}, expected (n_stored, n_bands, y, x)")
        if np.shape(self.factor) != (len(self.rows), shape[1]):
            raise ValueError(f"factor: found shape {np.shape(self.factor)}, expected ({len(self.rows)}, {shape[1]})")

    @property
    def shape(self) -> tuple[int, ...]:
        """Galaxy, band, y, x."""
        return (len(self.rows), *self.images.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of dimensions, 4."""
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Floating point of at least single precision."""
        return np.result_type(self.images.dtype, np.float32)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Pixels of galaxies chosen as numpy would, and of whole numbers or slices of the further axes."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if rest and (first is Ellipsis or any(not isinstance(part, slice) and not is_whole(part) for part in rest)):
            raise ValueError(
                f"key: found {key!r}, expected rows, then whole numbers or slices for the band and the pixels"
            )
        chosen = np.arange(len(self))[first]
        factor = self.factor[chosen].astype(self.dtype)
        pixels = np.asarray(self.images[self.rows[chosen]]) * factor[..., None, None]
        return pixels[(slice(None),) * np.ndim(chosen) + tuple(rest)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)

    def select(self, rows: Any) -> ScaledImages:
        """Images of these galaxies, in their order, without reading any."""
        return replace(self, rows=self.rows[rows], factor=self.factor[rows])


def match_partners(sample: Sample, *, n_candidates: int = 5, seed: int = 0) -> Partners:
    """Choose for each galaxy another of nearly the same measured photometry (ours).

    The partner is drawn at random among the nearest galaxies of the same part of the split, in the Petrosian
    magnitudes of the catalogue, each less its Galactic extinction where the reddening is known, standardised on the
    training part. A null magnitude counts as the training mean, and a flag, standardised too, says so: nulls are
    matched to nulls.

    Parameters
    ----------
    sample : Sample
    n_candidates : int, default 5
    seed : int, default 0

    Returns
    -------
    Partners

    Raises
    ------
    ValueError
        If there is no photometry, or a part of the split has no more galaxies than candidates.
    """
    from scipy.spatial import cKDTree

    if not is_whole(n_candidates) or n_candidates < 1:
        raise ValueError(f"n_candidates: found {n_candidates!r}, expected a positive whole number")
    parts = {part: sample.rows(part) for part in SPLITS}
    for part, rows in parts.items():
        if (part == "train" or len(rows)) and len(rows) <= n_candidates:
            raise ValueError(f"sample: found {len(rows)} galaxies in part {part!r}, expected more than {n_candidates}")
    magnitudes = _dereddened(sample.catalog)
    space = _standardised(magnitudes, parts["train"])
    generator = np.random.default_rng(seed)
    row = np.empty(len(sample), dtype=np.int64)
    distance = np.empty(len(sample))
    for rows in parts.values():
        if len(rows) == 0:
            continue
        searched, index = cKDTree(space[rows]).query(space[rows], k=n_candidates + 1)
        own = index == np.arange(len(rows))[:, None]
        own[~own.any(axis=1), -1] = True  # not among its many equals: the farthest goes instead
        column = np.argsort(own, axis=1, kind="stable")[
            np.arange(len(rows)), generator.integers(n_candidates, size=len(rows))
        ]
        row[rows] = rows[index[np.arange(len(rows)), column]]
        distance[rows] = searched[np.arange(len(rows)), column]
    return Partners(row, distance, np.abs(magnitudes - magnitudes[row]))


def swap_shapes(
    sample: Sample, *, n_candidates: int = 5, seed: int = 0, columns: Sequence[str] | None = None
) -> Sample:
    """Give each galaxy the image and the shape of a partner of matched measured photometry (ours).

    A null universe: partners are chosen by measured photometry alone, so that, given a galaxy's own magnitudes and
    reddening, the shape it now wears says nothing about its mass, however close the match. A close match keeps the
    images realistic. Beside fewer magnitudes, such as one band's, shapes still tell what the others would have.
    Photometry, redshift, position, mass, truth and every other column stay the galaxy's own; a true bulge fraction no
    longer describes the image.

    Each band of the partner's image is multiplied by the ratio of the galaxy's measured flux to the partner's, its
    noise with it, and so is the column ``skyNoise_*`` that tells it. Where either flux is not positive, or one is more
    than ten times the other, the band is left as it is, and counted.

    Parameters
    ----------
    sample : Sample
        With or without images. They are not copied: pixels are multiplied on reading.
    n_candidates : int, default 5
        The partner is drawn among this many galaxies of the same part of the split: the nearest in standardised
        magnitudes, each less its Galactic extinction where the reddening is known.
    seed : int, default 0
    columns : sequence of str, optional
        Catalogue columns that go with the image. Default: those of the input Morph, ``psfWidth_*``, ``skyNoise_*`` and
        ``Sersic_r_*``, as far as the catalogue has them.

    Returns
    -------
    Sample
        Its provenance has ``universe`` = ``"swapped"`` and, under ``swap``, the settings, quantiles of the partners'
        distance, the median difference in each magnitude, and how the images were scaled.

    Raises
    ------
    ValueError
        If there is no photometry, of the catalogue or of a band of the images; a part of the split has too few
        galaxies; there is nothing to swap; or a column is missing, or is one that a galaxy keeps.
    """
    names = _shape_columns(sample, columns)
    if not names and sample.images is None:
        raise ValueError("sample: found neither images nor shape columns, expected something to swap")
    partners = match_partners(sample, n_candidates=n_candidates, seed=seed)
    catalog = sample.catalog.copy()
    for name in names:
        catalog[name] = sample.catalog[name].array.take(partners.row)
    record: dict[str, Any] = {
        "seed": seed,
        "n_candidates": n_candidates,
        "columns": list(names),
        "distance": {name: float(np.quantile(partners.distance, q)) for name, q in QUANTILES.items()},
        "median_difference": dict(
            zip(_magnitudes(catalog), np.nanmedian(partners.difference, axis=0).tolist(), strict=True)
        ),
    }
    images = None
    if sample.images is not None:
        ratio = _flux_ratio(sample, partners.row)
        scaled = np.isfinite(ratio)
        record["not_scaled"] = dict(zip(sample.bands, (~scaled).sum(axis=0).tolist(), strict=True))
        record["scale"] = {name: np.nanquantile(ratio, q, axis=0).tolist() for name, q in QUANTILES.items()}
        factor = np.where(scaled, ratio, 1.0)
        images = ScaledImages(sample.images, partners.row, factor)
        for band, of_band in zip(sample.bands, factor.T, strict=True):
            if f"skyNoise_{band}" in names:  # the noise of the picture that the galaxy now wears
                catalog[f"skyNoise_{band}"] *= of_band
    swapped = replace(sample, catalog=catalog, images=images)
    provenance = {**sample.provenance, "universe": "swapped", "swap": record}
    if "nulls" in provenance:
        provenance["nulls"] = swapped.null_counts().to_dict()
    return replace(swapped, provenance=provenance)


def _magnitudes(catalog: pd.DataFrame) -> list[str]:
    return [name for name in MAGNITUDES if name in catalog.columns]


def _shape_columns(sample: Sample, columns: Sequence[str] | None) -> tuple[str, ...]:
    catalog = sample.catalog
    if columns is None:
        return tuple(n for n in catalog.columns if n in INPUTS["Morph"].main or str(n).startswith(PICTURE_PREFIXES))
    names = tuple(columns)
    missing = [name for name in names if name not in catalog.columns]
    if missing:
        raise ValueError(f"columns: {missing[0]!r} is missing, found {', '.join(map(str, catalog.columns))}")
    photometry = (entry.main + entry.errors for name, entry in INPUTS.items() if name != "Morph")
    kept = {sample.target, *IDENTITY, *(f"petroFlux_{band}" for band in sample.bands)}.union(*photometry)
    refused = [name for name in names if name in kept]
    if refused:
        raise ValueError(
            f"columns: found {refused[0]!r}, expected shapes: a galaxy keeps its target, photometry and place"
        )
    return names


def _dereddened(catalog: pd.DataFrame) -> np.ndarray:
    """Magnitudes less Galactic extinction, NaN where null [n_galaxies, n_magnitudes]."""
    names = _magnitudes(catalog)
    if not names:
        raise ValueError(
            f"sample: found none of the columns {', '.join(MAGNITUDES)}, expected photometry to match galaxies by"
        )
    magnitudes = catalog[names].to_numpy(dtype=np.float64)
    if REDDENING not in catalog.columns:
        return magnitudes
    extinction = [band.extinction for band in SDSS.bands if band.magnitude in names]
    # An unknown reddening is taken for none.
    return magnitudes - catalog[REDDENING].fillna(0.0).to_numpy(dtype=np.float64)[:, None] * extinction


def _standardised(magnitudes: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Magnitudes with nulls at the training mean, and flags of those with nulls, in units of the training scatter."""
    null = np.isnan(magnitudes)
    if null[train].all(axis=0).any():
        raise ValueError("sample: found a magnitude that is null for every training galaxy, expected some values")
    columns = np.hstack([np.where(null, np.nanmean(magnitudes[train], axis=0), magnitudes), null[:, null.any(axis=0)]])
    scatter = columns[train].std(axis=0)
    return (columns - columns[train].mean(axis=0)) / np.where(scatter > 0, scatter, 1.0)


def _flux_ratio(sample: Sample, partner: np.ndarray) -> np.ndarray:
    """Measured flux over the partner's, NaN where it cannot scale an image [n_galaxies, n_bands]."""
    flux = np.column_stack([_flux(sample.catalog, band) for band in sample.bands])
    ratio = flux / flux[partner]
    return np.where((ratio <= LARGEST_RATIO) & (ratio >= 1 / LARGEST_RATIO), ratio, np.nan)


def _flux(catalog: pd.DataFrame, band: str) -> np.ndarray:
    if f"petroFlux_{band}" in catalog.columns:
        return positive_or_null(catalog[f"petroFlux_{band}"].to_numpy(dtype=np.float64))
    if f"petroMag_{band}" in catalog.columns:
        return 10 ** (0.4 * (22.5 - catalog[f"petroMag_{band}"].to_numpy(dtype=np.float64)))
    raise ValueError(
        f"sample: found neither petroFlux_{band} nor petroMag_{band}, expected the flux of every band of the images"
    )
