"""The mock universe as a sample: made where it is not yet, opened, and given the density around each galaxy."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from pickle import PicklingError
from types import CodeType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from ...checks import is_number, is_whole
from ...runs import library_fingerprint
from ..environment import contrast_to_local_mean, projected_density
from ..nulls import swap_shapes
from ..quality import count_nulls
from ..sample import SPLITS, Sample, position_split
from ..store import ChunkedStore, build
from .null_universe import MakeOneSpectrumTile
from .sky import TILE, tile_centre
from .tile import MAGNITUDE_RANGE, MakeTile
from .universe import UNIVERSE

__all__ = ["MOCKS", "MOCK_SIZE", "load_mock"]

MOCK_SIZE = 6000
# Galaxies that a median of the density at one redshift is taken over.
FEWEST_PER_BIN = 10
# Dataset names, and what they are.
MOCKS = {
    "mock": "a universe with known causes",
    "mock-swapped-shapes": "the mock, each galaxy with the picture of another of the same measured photometry",
    "mock-one-spectrum": "the mock's photometry, with pictures that are drawn from it and unrelated shapes",
}
# The code that a tile is made of.
INGREDIENTS = (
    "survey/mock",
    "survey/store.py",
    "survey/chunk_files.py",
    "survey/photometry.py",
    "survey/sersic.py",
    "survey/stamps.py",
    "survey/stored.py",
    "bands.py",
    "survey/quality.py",
)
# And the programs of others that it is computed with.
PROGRAMS = ("numpy", "scipy", "astropy", "galsim", "photutils", "kcorrect")


def load_mock(
    dataset: str,
    n_galaxies: int | None,
    seed: int,
    cache: Path,
    *,
    interventions: Mapping[str, Any] | None = None,
    n_processes: int | None = None,
) -> Sample:
    """Open a mock universe, making those of its tiles that are missing from the cache.

    Parameters
    ----------
    dataset : str
        One of `MOCKS`.
    n_galaxies : int or None
        The first so many; default 6,000.
    seed : int
    cache : Path
    interventions : mapping, optional
        As `StructuralCausalModel.do` takes them.
    n_processes : int, optional
        Default: one for each core.

    Returns
    -------
    Sample
        Images [n, 5, 64, 64] are read from disk when asked for.

    Raises
    ------
    ValueError
        If an argument is out of range, or an intervention does not fit the model.
    ChunkError
        If a tile cannot be made, as with an intervention whose galaxies cannot be drawn.
    """
    n_galaxies = MOCK_SIZE if n_galaxies is None else n_galaxies
    if not is_whole(n_galaxies) or n_galaxies < 1:
        raise ValueError(f"n_galaxies: found {n_galaxies!r}, expected a positive whole number")
    if not is_whole(seed) or not 0 <= seed < 2**32:  # numpy would split a larger one, and two universes share noise
        raise ValueError(f"seed: found {seed!r}, expected a whole number from 0 to 2**32 - 1")
    interventions = {} if interventions is None else interventions
    UNIVERSE.do(interventions)  # refuses what does not fit before anything is made
    interventions = {re.sub(r"\s*->\s*", " -> ", key): value for key, value in interventions.items()}
    base = cache / f"mock-{_fingerprint()}-seed{seed}{_tag(interventions)}"
    store = build(base, MakeTile(int(seed), interventions), n_galaxies, n_processes=n_processes)
    if dataset == "mock-one-spectrum":
        store = build(
            base.with_name(f"{base.name}-one-spectrum"),
            MakeOneSpectrumTile(base, int(seed)),
            n_galaxies,
            n_processes=n_processes,
            n_chunks=len(store.chunk_rows),
            description="pictures of one spectrum",
        )
    catalog = store.catalog.assign(**_density(store))
    absent = set(SPLITS) - set(position_split(catalog))
    if absent:
        raise ValueError(
            f"n_galaxies: found {n_galaxies}, so few that none is for {', '.join(sorted(absent))}; expected more"
        )
    sample = Sample.from_frame(
        catalog,
        truth=store.truth,
        provenance={
            "dataset": dataset,
            "origin": f"{MOCKS[dataset]}; this library, seed {seed}",
            "target": "log10 of the true stellar mass",
            "interventions": {key: _words(value) for key, value in interventions.items()},
            "selection": f"measured Petrosian r, corrected for extinction, from {MAGNITUDE_RANGE[0]:g} to "
            f"{MAGNITUDE_RANGE[1]:g}",
            "square_degrees": len(store.chunk_rows) * TILE**2,
            "nulls": count_nulls(catalog).to_dict(),
        },
    )
    # Not through `from_frame`, which would read them all to check them.
    sample = replace(sample, images=store.images)
    if dataset == "mock-swapped-shapes":
        return swap_shapes(sample, seed=int(seed))
    return sample


def _density(store: ChunkedStore) -> dict[str, np.ndarray]:
    """Density to the fifth neighbour, as an observer of these tiles measures it, and relative to its redshift's median.

    The galaxies of the last tile that are beyond the sample count as neighbours.
    """
    everyone = pd.concat([store.catalog, store.beyond], ignore_index=True)
    n = len(store.catalog)
    if len(everyone) <= FEWEST_PER_BIN:
        return {name: np.full(n, np.nan) for name in ("log_density_5", "density_contrast_5")}
    centres = np.array([tile_centre(tile) for tile in range(len(store.chunk_rows))])
    tiles = {(round(x / TILE), round(y / TILE)) for x, y in centres}

    def inside(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
        cells = zip(np.rint(ra / TILE).astype(int), np.rint(dec / TILE).astype(int), strict=True)
        return np.array([cell in tiles for cell in cells])

    position = (everyone[name].to_numpy(np.float64) for name in ("ra", "dec", "z"))
    density = projected_density(*position, footprint=inside).log_density
    n_bins = int(np.clip(np.isfinite(density).sum() // FEWEST_PER_BIN, 1, 20))
    contrast = contrast_to_local_mean(density, everyone["z"].to_numpy(np.float64), n_bins)
    return {"log_density_5": density[:n], "density_contrast_5": contrast[:n]}


def _fingerprint() -> str:
    """Hash of the code that makes a tile: another version of it never reads this one's tiles."""
    parts = [*map(library_fingerprint, INGREDIENTS), *map(version, PROGRAMS)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]


def _tag(interventions: Mapping[str, Any]) -> str:
    if not interventions:
        return ""
    told = json.dumps({key: _identity(value) for key, value in interventions.items()}, sort_keys=True)
    return f"-do{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def _identity(value: Any, home: str | None = None, within: tuple[Any, ...] = ()) -> Any:
    """What tells one intervention from another, the same in every process: a number, or all that an equation reads.

    Of a function it is the compiled code, wherever that was written, with its defaults and what it encloses; of another
    module's function the name; of other values their content.
    """
    import joblib

    def of(part: Any) -> Any:
        return _identity(part, home, (*within, value))

    if is_number(value):
        return float(value)
    if isinstance(value, ModuleType):
        return value.__name__
    if isinstance(value, partial):
        return ["partial", of(value.func), of(value.args), of(sorted(value.keywords.items()))]
    if inspect.ismethod(value):
        return ["method", of(value.__func__), of(value.__self__)]
    if isinstance(value, list | tuple):
        return [of(part) for part in value]
    if isinstance(value, CodeType):
        return [value.co_code.hex(), value.co_names, value.co_varnames, of(value.co_consts)]
    if inspect.isfunction(value):
        home = home or value.__module__
        if value in within or value.__module__ != home:
            return [value.__module__, value.__qualname__]
        known = {name: value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__}
        enclosed = [cell.cell_contents for cell in value.__closure__ or ()]
        return [
            of(value.__code__),
            of(value.__defaults__),
            of(value.__kwdefaults__),
            of(enclosed),
            of([*known.items()]),
        ]
    try:
        return value if value is None or isinstance(value, str) else joblib.hash(value)
    except (PicklingError, TypeError, AttributeError) as error:
        raise ValueError(f"interventions: found {value!r}, which cannot be told from others: {error}") from None


def _names(code: CodeType) -> list[str]:
    """Global names that a function's code reads, and that of the functions within it."""
    inner = [_names(part) for part in code.co_consts if isinstance(part, CodeType)]
    return sorted({*code.co_names, *chain.from_iterable(inner)})


def _words(value: Any) -> Any:
    return getattr(value, "__name__", value)
