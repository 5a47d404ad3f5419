"""Finished fits on disc, for a killed computation to go on from (ours)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..contrastive.calibration import Calibration
from ..runs import atomic_path

__all__ = ["Fit", "load_fits", "store_fits"]

DAMAGE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Fit:
    """Predictions of one refit.

    Attributes
    ----------
    log_probability : dict of float32 array [n_galaxies, n_bins]
        Calibrated, of each part of the split. ``train`` holds out-of-fold predictions, and is absent where
        nothing is to be built on them.
    calibration : Calibration
        Of the validation and test predictions.
    best_step : int
        Step that was kept.
    image_encoders : tuple of dict of float32 array
        Weights of the image encoder of each network of a part, for a union to start from.
    """

    log_probability: dict[str, np.ndarray]
    calibration: Calibration
    best_step: int
    image_encoders: tuple[dict[str, np.ndarray], ...] = ()


def store_fits(file: Path, fits: Fit | Sequence[Fit]) -> None:
    """Write a fit, or the fits of one network to several inputs, atomically."""
    several = not isinstance(fits, Fit)
    arrays = {"several": np.array(several)}
    for i, fit in enumerate([fits] if isinstance(fits, Fit) else fits):
        calibration = (fit.calibration.temperature, fit.calibration.contamination)
        arrays[f"{i}/calibration"] = np.array(calibration, dtype=np.float64)
        arrays[f"{i}/best_step"] = np.array(fit.best_step)
        arrays |= {f"{i}/log_probability/{part}": values for part, values in fit.log_probability.items()}
        for member, weights in enumerate(fit.image_encoders):
            arrays |= {f"{i}/image_encoder/{member}/{name}": values for name, values in weights.items()}
    with atomic_path(file) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def load_fits(file: Path) -> Fit | list[Fit] | None:
    """Read what `store_fits` wrote; None where there is no such file, or it is damaged."""
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        n_fits = sum(name.endswith("/best_step") for name in arrays)
        fits = [_fit(arrays, i) for i in range(n_fits)]
        return fits if arrays["several"] else fits[0]
    except (*DAMAGE, IndexError):
        return None


def _fit(arrays: Mapping[str, np.ndarray], i: int) -> Fit:
    encoders: dict[int, dict[str, np.ndarray]] = {}
    for name, values in _under(f"{i}/image_encoder/", arrays).items():
        member, weight = name.split("/", 1)
        encoders.setdefault(int(member), {})[weight] = values
    return Fit(
        _under(f"{i}/log_probability/", arrays),
        Calibration(*arrays[f"{i}/calibration"].tolist()),
        int(arrays[f"{i}/best_step"]),
        tuple(encoders[member] for member in sorted(encoders)),
    )


def _under(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
