"""The sample: a catalogue with canonical columns, images where there are any, and a split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ..bands import SDSS
from ..checks import is_numeric
from ..inputs import optical_survey
from .column_map import canonical_columns
from .identifiers import check_identifiers
from .quality import EXEMPT, SENTINEL, count_nulls, null_sentinels

__all__ = ["SPLITS", "TARGET", "Sample", "galaxy_hash", "position_hash", "position_split"]

TARGET = "lgm_tot_p50"
IDENTIFIER = "objID"
SPLITS = ("train", "validation", "test")
FRACTIONS = (0.7, 0.1, 0.2)
CELL = 0.01  # degrees
LOWEST_REDSHIFT = -0.01  # the nearest galaxies may approach
HIGHEST_REDSHIFT = 10.0


@dataclass(frozen=True)
class Sample:
    """Galaxies, as every part of this library takes them.

    Attributes
    ----------
    catalog : DataFrame [n_galaxies]
        Canonical columns; nulls are NaN.
    split : Series of str [n_galaxies]
        ``"train"``, ``"validation"`` or ``"test"``, on the catalogue's index.
    bands : tuple of str
        Bands of the images, or of the optical photometry where there are none.
    images : array-like [n_galaxies, n_bands, y, x] or None
        In nanomaggies.
    target : str
        Column of log10 stellar mass, in solar masses.
    provenance : dict
        Where the sample comes from, and what was counted on the way.
    truth : DataFrame [n_galaxies] or None
        True properties, known only for a mock, on the catalogue's index. They stand apart from the catalogue, in which
        alone inputs are looked up, so that no model is ever given one.
    """

    catalog: pd.DataFrame
    split: pd.Series
    bands: tuple[str, ...] = tuple(band.name for band in SDSS.bands)
    images: Any = None
    target: str = TARGET
    provenance: dict[str, Any] = field(default_factory=dict)
    truth: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.catalog)

    @classmethod
    def from_frame(
        cls,
        catalog: pd.DataFrame,
        images: Any = None,
        *,
        bands: Sequence[str] | None = None,
        target: str = TARGET,
        split: pd.Series | str | None = None,
        provenance: dict[str, Any] | None = None,
        truth: pd.DataFrame | None = None,
    ) -> Sample:
        """Wrap galaxies that are already in memory, checking them.

        Parameters
        ----------
        catalog : DataFrame [n_galaxies]
            One row per galaxy. Sentinels (absolute value of 9000 or more) become NaN, but not in columns that have no
            meaning here and hold whole numbers, or large ones only.
        images : array-like [n_galaxies, n_bands, y, x], optional
        bands : sequence of str, optional
            Default u, g, r, i, z; without images the bands of the catalogue's optical survey, where it holds one whole.
        target : str, default "lgm_tot_p50"
            Column of log10 stellar mass.
        split : Series, str or None
            Labels train, validation, test; or the name of the column that holds them; or None to split by a hash of the
            position, rounded to 0.01 degrees, into 70%, 10% and 20%. That needs the columns ``ra`` and ``dec``; a
            catalogue without them is split by a hash of its ``objID`` into the same shares, as the provenance then
            says.
        provenance : dict, optional
        truth : DataFrame [n_galaxies], optional
            True properties, on the catalogue's index.

        Returns
        -------
        Sample

        Raises
        ------
        ValueError
            If a column is missing, is not numeric or repeats; an identifier repeats or is not exact; a redshift or a
            position is out of range; the target has nulls or does not look like log10 of solar masses; the split has
            other labels, the wrong length or an empty part; a band stands twice; images have another shape, no pixels
            or values that are not finite; or the truth has another index.
        """
        if not isinstance(catalog, pd.DataFrame) or len(catalog) == 0:
            raise ValueError(f"catalog: found {_describe(catalog)}, expected a DataFrame with at least one row")
        repeated = catalog.columns[catalog.columns.duplicated()]
        if len(repeated):
            raise ValueError(f"catalog: column {repeated[0]!r} stands twice")
        if target not in catalog.columns:
            raise ValueError(
                f"catalog: target column {target!r} is missing, found {', '.join(map(str, catalog.columns))}"
            )
        labels = split
        if isinstance(split, str):
            if split not in catalog.columns:
                raise ValueError(f"split: column {split!r} is missing from the catalogue")
            labels = catalog[split]
            catalog = catalog.drop(columns=split)
        _check_numbers(catalog, target)
        _check_logarithm(catalog[target], target)
        catalog = null_sentinels(catalog, _with_sentinels(catalog, target))
        check_identifiers(catalog)
        _check_ranges(catalog)
        _check_target(catalog, target)
        provenance = dict(provenance or {})
        if labels is None:
            labels = _split_by(galaxy_hash(catalog, purpose="split by position; or give `split`"), catalog.index)
            if not _has_position(catalog):
                provenance["split"] = f"by a hash of {IDENTIFIER}, for want of positions"
        if bands is None:
            bands = _photometry_bands(catalog) if images is None else cls.bands
        bands = tuple(bands)
        if len(set(bands)) < len(bands):
            raise ValueError(f"bands: found {', '.join(map(str, bands))}, expected each once")
        sample = cls(catalog, _check_split(labels, catalog), bands, images, target, provenance, truth)
        if images is not None:
            _check_images(images, len(catalog), bands)
        if truth is not None and not truth.index.equals(catalog.index):
            raise ValueError(f"truth: found {len(truth)} rows of another index than the catalogue's {len(catalog)}")
        return sample

    def rows(self, part: str) -> np.ndarray:
        """Row numbers of one part of the split.

        Raises
        ------
        ValueError
            If `part` is not train, validation or test.
        """
        if part not in SPLITS:
            raise ValueError(f"part: found {part!r}, expected one of {', '.join(SPLITS)}")
        return np.flatnonzero(self.split.to_numpy() == part)

    @property
    def mass(self) -> np.ndarray:
        """Target, log10 stellar mass in solar masses, float64 [n_galaxies]."""
        return self.catalog[self.target].to_numpy(dtype=np.float64)

    def take(self, rows: np.ndarray) -> Sample:
        """Sample of the given row numbers, in their order."""
        images = self.images
        if hasattr(images, "select"):
            images = images.select(rows)  # without reading them
        elif images is not None:
            images = images[rows]
        truth = None if self.truth is None else self.truth.iloc[rows]
        return replace(self, catalog=self.catalog.iloc[rows], split=self.split.iloc[rows], images=images, truth=truth)

    def null_counts(self) -> pd.Series:
        """Number of nulls in each column that has any."""
        return count_nulls(self.catalog)


def position_split(catalog: pd.DataFrame) -> pd.Series:
    """Split by a hash of the position, so that a galaxy never changes side.

    Right ascension and declination are rounded to 0.01 degrees (36 arcsec), and galaxies of one such cell share a side:
    70% train, 10% validation, 20% test. The side depends on nothing else, so a galaxy met in two samples is on the same
    side in both, but for one in some hundreds whose position, measured to 0.1 arcsec, crosses the edge of a cell.

    Parameters
    ----------
    catalog : DataFrame
        With ``ra`` and ``dec`` in degrees.

    Raises
    ------
    ValueError
        If a position is missing or null.
    """
    return _split_by(position_hash(catalog), catalog.index)


def galaxy_hash(catalog: pd.DataFrame, salt: str = "", purpose: str = "tell galaxies apart") -> np.ndarray:
    """Uniform number in [0, 1) for each galaxy: of its position, or of its ``objID`` in a catalogue without positions.

    Parameters
    ----------
    catalog : DataFrame [n]
    salt : str
        Another salt gives other numbers.
    purpose : str
        What they are for, in an error message.

    Raises
    ------
    ValueError
        If there is neither, or one has nulls.
    """
    if _has_position(catalog) or IDENTIFIER not in catalog.columns:
        return position_hash(catalog, salt, purpose)
    if catalog[IDENTIFIER].isna().any():
        raise ValueError(
            f"catalog: column {IDENTIFIER!r} has {int(catalog[IDENTIFIER].isna().sum())} nulls, needed to {purpose}; "
            "expected none, or the columns ra and dec"
        )
    return _uniform(f"{salt}{IDENTIFIER} {int(number)}" for number in catalog[IDENTIFIER])


def position_hash(
    catalog: pd.DataFrame, salt: str = "", purpose: str = "split by position; or give `split`"
) -> np.ndarray:
    """Uniform number in [0, 1) from each galaxy's rounded position and `salt`; `purpose` is for the error message."""
    for name in ("ra", "dec"):
        if name not in catalog.columns:
            raise ValueError(
                f"catalog: column {name!r} is missing, needed to {purpose}; add ra and dec in degrees, or objID"
            )
        if catalog[name].isna().any():
            raise ValueError(f"catalog: column {name!r} has {int(catalog[name].isna().sum())} nulls, expected none")
    if (catalog["dec"].abs() > 90).any():
        raise ValueError(
            f"catalog: column 'dec' reaches {catalog['dec'].abs().max():g}, expected degrees from -90 to 90"
        )
    # Whole cells, so that -0.001 and 0.001 are one position; RA wraps at 360.
    ra = np.rint(catalog["ra"].to_numpy(np.float64) / CELL).astype(np.int64) % round(360 / CELL)
    dec = np.rint(catalog["dec"].to_numpy(np.float64) / CELL).astype(np.int64)
    return _uniform(f"{salt}{a},{d}" for a, d in zip(ra, dec, strict=True))


def _uniform(texts: Iterable[str]) -> np.ndarray:
    """A number in [0, 1) from each text, always the same."""
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    # 53 bits: what a float64 holds exactly, and never rounds up to 1.
    return np.array([(int.from_bytes(digest, "big") >> 11) / 2.0**53 for digest in digests])


def _describe(value: Any) -> str:
    return f"a DataFrame of {len(value)} rows" if isinstance(value, pd.DataFrame) else type(value).__name__


def _has_position(catalog: pd.DataFrame) -> bool:
    return "ra" in catalog.columns and "dec" in catalog.columns


def _split_by(fraction: np.ndarray, index: pd.Index) -> pd.Series:
    sides = np.searchsorted(np.cumsum(FRACTIONS)[:-1], fraction, side="right")
    return pd.Series(np.asarray(SPLITS, dtype=object)[sides], index, name="split")


def _photometry_bands(catalog: pd.DataFrame) -> tuple[str, ...]:
    try:
        return tuple(band.name for band in optical_survey(catalog).bands)
    except ValueError:  # a catalogue without whole photometry is one too
        return Sample.bands


def _check_ranges(catalog: pd.DataFrame) -> None:
    """Refuse redshifts and right ascensions that are none."""
    if "z" in catalog.columns:
        low, high = catalog["z"].min(), catalog["z"].max()
        if low < LOWEST_REDSHIFT or high > HIGHEST_REDSHIFT:
            raise ValueError(
                f"column 'z': found redshifts from {low:g} to {high:g}, "
                f"expected {LOWEST_REDSHIFT:g} to {HIGHEST_REDSHIFT:g}"
            )
    if "ra" in catalog.columns:
        low, high = catalog["ra"].min(), catalog["ra"].max()
        if low < -180 or high > 360:
            raise ValueError(f"column 'ra': found {low:g} to {high:g}, expected degrees from -180 to 360")


def _check_numbers(catalog: pd.DataFrame, target: str) -> None:
    """Refuse canonical columns that do not hold numbers."""
    canonical = canonical_columns(target)
    for name in catalog.columns:
        if name in canonical and not is_numeric(catalog[name]):
            raise ValueError(f"column {name!r}: found values of type {catalog[name].dtype}, expected numbers")


def _with_sentinels(catalog: pd.DataFrame, target: str) -> list[str]:
    """Columns in which a large number is a null: not the run, the date or the identifier that somebody left in."""
    canonical = canonical_columns(target) - set(EXEMPT)
    return [
        name
        for name in catalog.columns
        if name in canonical or (name not in EXEMPT and _may_hold_sentinels(catalog[name]))
    ]


def _may_hold_sentinels(column: pd.Series) -> bool:
    """Whether a column that has no meaning here holds numbers with a fraction, some of them small."""
    if not pd.api.types.is_float_dtype(column.dtype):
        return False
    values = np.abs(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return bool((values < SENTINEL).any())


def _check_logarithm(mass: pd.Series, target: str) -> None:
    if mass.median() > 1e4:  # before the sentinel rule would take solar masses for nulls
        raise ValueError(
            f"target {target!r}: found a median of {mass.median():.3g}, expected log10 of solar masses; "
            f"if a file's are solar masses, name the unit: '{target} [Msun]'"
        )


def _check_target(catalog: pd.DataFrame, target: str) -> None:
    nulls = int(catalog[target].isna().sum())
    if nulls:
        raise ValueError(
            f"target {target!r}: {nulls} of {len(catalog)} values are null, expected none; drop those galaxies first"
        )
    low, high = catalog[target].min(), catalog[target].max()
    if low < 0 or high > 20:
        raise ValueError(
            f"target {target!r}: found values from {low:g} to {high:g}, expected log10 of solar masses (0 to 20)"
        )


def _check_split(labels: Any, catalog: pd.DataFrame) -> pd.Series:
    if np.ndim(labels) != 1:
        raise ValueError(f"split: found {labels!r}, expected a label for each of {len(catalog)} galaxies")
    if len(labels) != len(catalog):
        raise ValueError(f"split: found {len(labels)} labels, expected one for each of {len(catalog)} galaxies")
    values = labels.reindex(catalog.index) if isinstance(labels, pd.Series) else pd.Series(labels, catalog.index)
    other = [label for label in pd.unique(values) if label not in SPLITS]
    if other:
        raise ValueError(f"split: found the label {other[0]!r}, expected {', '.join(SPLITS)}")
    empty = [part for part in SPLITS if not (values == part).any()]
    if empty:
        raise ValueError(f"split: no galaxy is labelled {empty[0]!r}, expected some in each of {', '.join(SPLITS)}")
    return values.astype(object).rename("split")


def _check_images(images: Any, n_galaxies: int, bands: tuple[str, ...]) -> None:
    shape = getattr(images, "shape", None)
    if shape is None or len(shape) != 4 or shape[:2] != (n_galaxies, len(bands)):
        raise ValueError(
            f"images: found shape {shape}, expected ({n_galaxies}, {len(bands)}, y, x): galaxy, band, y, x"
        )
    if 0 in shape:
        raise ValueError(f"images: found shape {shape}, expected pixels")
    for start in range(0, n_galaxies, 1024):
        block = np.asarray(images[start : start + 1024])
        if block.dtype.kind not in "iuf":
            raise ValueError(f"images: found pixels of type {block.dtype}, expected numbers")
        if not np.isfinite(block).all():
            row = start + int(np.flatnonzero(~np.isfinite(block).all(axis=(1, 2, 3)))[0])
            raise ValueError(f"images: galaxy {row} has pixels that are not finite")
