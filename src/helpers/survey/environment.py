"""Environment as an observer measures it: the projected density of galaxies out to the nth neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..checks import is_number, is_whole

__all__ = ["NeighbourDensity", "contrast_to_local_mean", "projected_density"]

Footprint = Callable[[np.ndarray, np.ndarray], np.ndarray]

LIGHT_SPEED = 299_792.458  # km/s
LARGEST_BLOCK = 2000  # galaxies searched at once
LARGEST_QUERY = 2_000_000  # neighbours held at once
N_POINTS = 256  # in a circle whose area inside the footprint is measured
LEAST_FRACTION = 0.5
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


@dataclass(frozen=True, eq=False)
class NeighbourDensity:
    """Projected density around each galaxy; null (NaN) where there is none.

    Attributes
    ----------
    distance : float64 array [n_galaxies]
        Projected comoving distance to the nth neighbour, in megaparsecs.
    log_density : float64 array [n_galaxies]
        log10 of the density, in galaxies per square megaparsec.
    area_fraction : float64 array [n_galaxies]
        Share of the circle out to that neighbour that lies in the footprint.
    window_fraction : float64 array [n_galaxies]
        Share of the redshift window, by comoving volume, that lies in the sample's redshift range.
    edge : bool array [n_galaxies]
        Whether `area_fraction` is below one half, so that the correction is larger than what was seen.
    n_missing : int
        Galaxies inside, with too few tracers in their redshift window.
    n_outside : int
        Galaxies outside the footprint or the redshift range: they have no density and are no tracers.
    """

    distance: np.ndarray
    log_density: np.ndarray
    area_fraction: np.ndarray
    window_fraction: np.ndarray
    edge: np.ndarray
    n_missing: int
    n_outside: int


def projected_density(
    ra: np.ndarray,
    dec: np.ndarray,
    redshift: np.ndarray,
    *,
    neighbour: int = 5,
    velocity_window: float = 1000.0,
    footprint: Footprint | None = None,
    tracer: np.ndarray | None = None,
    redshift_range: tuple[float, float] | None = None,
) -> NeighbourDensity:
    """Projected density to the nth neighbour in a redshift slice (Dressler 1980; Baldry et al. 2006).

    ``density = neighbour / (pi distance^2)``, where the distance is that to the nth nearest other tracer whose redshift
    is within ``velocity_window (1 + z) / c`` of the galaxy's. Distances are chords of the unit sphere times the
    galaxy's own comoving distance (Planck 2018), so that ``pi distance^2`` is the exact area of the spherical cap. At
    the edges the area is the part in the footprint, and the expected count the part of the window in the redshift
    range (ours); a galaxy outside either has no density and is nobody's neighbour.

    The correction is exact for a Poisson field. Where galaxies cluster, a group cut by the border sends the search on
    into the emptier field, so that the outermost densities stay a little low; `edge` marks the worst.

    Over a Poisson field the mean of this usual estimator is neighbour / (neighbour - 1) times the density, 1.25 for the
    fifth neighbour, and its mean logarithm is 0.045 dex above the density's. The factor is the same everywhere, and is
    left in.

    Parameters
    ----------
    ra, dec : array [n_galaxies]
        Degrees.
    redshift : array [n_galaxies]
        Observed, positive.
    neighbour : int, default 5
        Which neighbour the distance is to: 1 for the nearest.
    velocity_window : float, default 1000
        Half-width of the slice in km/s.
    footprint : callable, optional
        Takes arrays of ra (0 to 360) and dec in degrees and returns a bool array, true inside the survey. Default: the
        whole sky.
    tracer : bool array [n_galaxies], optional
        Galaxies that count as neighbours, such as a volume-limited part. Default: all.
    redshift_range : tuple of float, optional
        Lowest and highest redshift of the sample. Default: no ends.

    Returns
    -------
    NeighbourDensity

    Raises
    ------
    ValueError
        If lengths disagree; a value is not finite or outside its range; there are too few tracers; the footprint
        returns something else; or as many tracers as asked for stand at exactly a galaxy's own position.
    """
    ra, dec, redshift = (_column(name, v) for name, v in (("ra", ra), ("dec", dec), ("redshift", redshift)))
    _check_positions(ra, dec, redshift)
    _check_options(neighbour, velocity_window)
    low, high = ends = _check_range(redshift_range)
    inside = (redshift >= low) & (redshift <= high)
    if footprint is not None:
        inside &= _in_footprint(footprint, ra % 360, dec)
    tracers = np.flatnonzero(_check_tracer(tracer, len(ra)) & inside)
    if len(tracers) <= neighbour:
        raise ValueError(
            f"tracer: found {len(tracers)} galaxies that count as neighbours, expected more than {neighbour}"
        )

    place = _unit_vectors(np.radians(ra), np.radians(dec))
    window = velocity_window / LIGHT_SPEED * (1 + redshift)
    chord = _chord_to_neighbour(place, redshift, window, inside, tracers, neighbour)
    found = np.isfinite(chord)
    repeated = chord == 0
    if repeated.any():
        raise ValueError(
            f"ra, dec: galaxy {int(repeated.argmax())} has {neighbour} tracers at exactly its own position, "
            "expected galaxies at distinct positions"
        )

    area_fraction = np.where(found, 1.0, np.nan)
    if footprint is not None:
        rows = np.flatnonzero(found)
        area_fraction[rows] = _area_fraction(footprint, np.radians(ra[rows]), np.radians(dec[rows]), chord[rows])
    window_fraction = np.where(found, _window_fraction(redshift, window, ends), np.nan)
    distance = chord * _comoving_distance(redshift)
    area = np.pi * distance**2 * area_fraction * window_fraction
    return NeighbourDensity(
        distance=distance,
        log_density=np.log10(neighbour / area),
        area_fraction=area_fraction,
        window_fraction=window_fraction,
        edge=area_fraction < LEAST_FRACTION,
        n_missing=int((inside & ~found).sum()),
        n_outside=int((~inside).sum()),
    )


def contrast_to_local_mean(log_density: np.ndarray, redshift: np.ndarray, n_bins: int = 20) -> np.ndarray:
    """Density against what is usual at the galaxy's redshift, since tracers limited in magnitude thin with it (ours).

    The usual density is the median in bins of equally many galaxies, interpolated in redshift between the bins' median
    redshifts and constant beyond the first and the last.

    Parameters
    ----------
    log_density : array [n_galaxies]
        Nulls (NaN) stay null and count in no median.
    redshift : array [n_galaxies]
    n_bins : int, default 20

    Returns
    -------
    float64 array [n_galaxies]
        log10 of the density divided by its median at that redshift, in dex.

    Raises
    ------
    ValueError
        If lengths disagree, a redshift is not finite, or there are fewer known densities than bins.
    """
    density = np.asarray(log_density, dtype=np.float64)
    redshift = _column("redshift", redshift)
    if density.shape != redshift.shape:
        raise ValueError(f"log_density: found shape {density.shape}, expected that of redshift, {redshift.shape}")
    known = np.flatnonzero(np.isfinite(density))
    if not is_whole(n_bins) or not 1 <= n_bins <= len(known):
        raise ValueError(
            f"n_bins: found {n_bins!r}, expected a whole number from 1 to {len(known)}, the number of known densities"
        )
    bins = np.array_split(known[np.argsort(redshift[known], kind="stable")], n_bins)
    middle = [np.median(redshift[rows]) for rows in bins]
    return density - np.interp(redshift, middle, [np.median(density[rows]) for rows in bins])


def _chord_to_neighbour(
    place: np.ndarray,
    redshift: np.ndarray,
    window: np.ndarray,
    inside: np.ndarray,
    tracers: np.ndarray,
    neighbour: int,
) -> np.ndarray:
    """Chord on the unit sphere to the nth tracer in the window, NaN where there are too few [n_galaxies]."""
    tracers = tracers[np.argsort(redshift[tracers], kind="stable")]
    rank = np.full(len(place), -1)
    rank[tracers] = np.arange(len(tracers))
    first = np.searchsorted(redshift[tracers], redshift - window, side="left")
    last = np.searchsorted(redshift[tracers], redshift + window, side="right")
    enough = inside & (last - first - (rank >= 0) >= neighbour)
    rows = np.flatnonzero(enough)
    rows = rows[np.argsort(redshift[rows], kind="stable")]
    chord = np.full(len(place), np.nan)
    for block in _blocks(rows, redshift, window):
        # Both ends of the window grow with redshift, so that these hold every tracer of every window in the block.
        low, high = first[block[0]], last[block[-1]]
        chord[block] = _search(
            place[tracers[low:high]], place[block], first[block] - low, last[block] - low, rank[block] - low, neighbour
        )
    return chord


def _blocks(rows: np.ndarray, redshift: np.ndarray, window: np.ndarray) -> Iterator[np.ndarray]:
    """Cut galaxies sorted by redshift where a block would be wider than a window or too many."""
    start = 0
    while start < len(rows):
        widest = np.searchsorted(redshift[rows], redshift[rows[start]] + window[rows[start]], side="right")
        stop = min(int(widest), start + LARGEST_BLOCK)
        yield rows[start:stop]
        start = stop


def _search(
    candidates: np.ndarray, places: np.ndarray, first: np.ndarray, last: np.ndarray, own: np.ndarray, neighbour: int
) -> np.ndarray:
    """Chord to the nth nearest candidate with a number from `first` to `last` other than `own`.

    Nearest first, the nth that passes is the answer however few were searched; where fewer pass, more are searched.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(candidates)
    chord = np.empty(len(places))
    pending = np.arange(len(places))
    k = min(3 * neighbour + 1, len(candidates))
    while len(pending):
        left = []
        step = max(1, LARGEST_QUERY // k)
        for start in range(0, len(pending), step):
            rows = pending[start : start + step]
            distance, index = tree.query(places[rows], k=np.arange(1, k + 1))
            passes = (index >= first[rows, None]) & (index < last[rows, None]) & (index != own[rows, None])
            count = passes.cumsum(axis=1)
            done = count[:, -1] >= neighbour
            position = (count >= neighbour).argmax(axis=1)
            chord[rows[done]] = distance[done, position[done]]
            left.append(rows[~done])
        pending = np.concatenate(left)
        k = min(4 * k, len(candidates))
    return chord


def _area_fraction(footprint: Footprint, ra: np.ndarray, dec: np.ndarray, chord: np.ndarray) -> np.ndarray:
    """Share of each circle in the footprint, from points of equal area on a golden spiral (Vogel 1979)."""
    share = (np.arange(N_POINTS) + 0.5) / N_POINTS
    turn = GOLDEN_ANGLE * np.arange(N_POINTS)
    fraction = np.empty(len(ra))
    step = LARGEST_QUERY // (4 * N_POINTS)
    for start in range(0, len(ra), step):
        part = slice(start, start + step)
        depth = share * chord[part, None] ** 2 / 2  # 1 - cos(angle from the centre) is the share of the cap's area
        radius = np.sqrt(depth * (2 - depth))
        east, north = radius * np.cos(turn), radius * np.sin(turn)
        sine, cosine = np.sin(dec[part, None]), np.cos(dec[part, None])
        outward = (1 - depth) * cosine - north * sine
        up = (1 - depth) * sine + north * cosine
        around = np.degrees(ra[part, None] + np.arctan2(east, outward)) % 360
        height = np.degrees(np.arctan2(up, np.hypot(outward, east)))
        inside = _in_footprint(footprint, around.ravel(), height.ravel()).reshape(depth.shape)
        # The galaxy itself is inside, even where every point of a thin corner misses.
        fraction[part] = np.maximum(inside.mean(axis=1), 1 / N_POINTS)
    return fraction


def _window_fraction(redshift: np.ndarray, window: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Share of the redshift window within the ends, by comoving volume in a fixed solid angle."""
    low, high = np.maximum(redshift - window, 0), redshift + window
    limits = np.stack([low, high, np.maximum(low, ends[0]), np.minimum(high, ends[1])])
    volume = _comoving_distance(limits) ** 3
    return (volume[3] - volume[2]) / (volume[1] - volume[0])


def _comoving_distance(redshift: np.ndarray) -> np.ndarray:
    """Comoving distance in megaparsecs (Planck 2018), by a spline through steps of 0.005, good to 1e-8."""
    from astropy.cosmology import Planck18
    from scipy.interpolate import CubicSpline

    knots = np.linspace(0, redshift.max(), 3 + int(np.ceil(redshift.max() / 0.005)))
    return CubicSpline(knots, Planck18.comoving_distance(knots).value)(redshift)


def _unit_vectors(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _in_footprint(footprint: Footprint, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    inside = np.asarray(footprint(ra, dec))
    if inside.shape != ra.shape or inside.dtype != bool:
        raise ValueError(
            f"footprint: returned {inside.dtype} of shape {inside.shape}, expected bool of shape {ra.shape}"
        )
    return inside


def _column(name: str, values: np.ndarray) -> np.ndarray:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1 or len(column) == 0:
        raise ValueError(f"{name}: found shape {column.shape}, expected (n_galaxies,)")
    bad = ~np.isfinite(column)
    if bad.any():
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(column)} values are not finite, the first in row {int(bad.argmax())}"
        )
    return column


def _check_positions(ra: np.ndarray, dec: np.ndarray, redshift: np.ndarray) -> None:
    for name, column in (("dec", dec), ("redshift", redshift)):
        if len(column) != len(ra):
            raise ValueError(f"{name}: found {len(column)} values, expected one for each of {len(ra)} in ra")
    if (np.abs(dec) > 90).any():
        raise ValueError(f"dec: reaches {dec[np.abs(dec).argmax()]:g}, expected degrees from -90 to 90")
    if (redshift <= 0).any():
        raise ValueError(f"redshift: found {redshift.min():g}, expected positive values")


def _check_options(neighbour: int, velocity_window: float) -> None:
    if not is_whole(neighbour) or neighbour < 1:
        raise ValueError(f"neighbour: found {neighbour!r}, expected a positive whole number")
    if not is_number(velocity_window) or not 0 < velocity_window < LIGHT_SPEED:
        raise ValueError(
            f"velocity_window: found {velocity_window!r}, expected a positive number of km/s below that of light"
        )


def _check_tracer(tracer: np.ndarray | None, n_galaxies: int) -> np.ndarray:
    if tracer is None:
        return np.ones(n_galaxies, dtype=bool)
    mask = np.asarray(tracer)
    if mask.shape != (n_galaxies,) or mask.dtype != bool:
        raise ValueError(f"tracer: found {mask.dtype} of shape {mask.shape}, expected bool of shape ({n_galaxies},)")
    return mask


def _check_range(redshift_range: tuple[float, float] | None) -> tuple[float, float]:
    if redshift_range is None:
        return (0.0, np.inf)
    low, high = redshift_range
    if not 0 <= low < high:
        raise ValueError(f"redshift_range: found {redshift_range!r}, expected two increasing numbers from 0")
    return (float(low), float(high))
