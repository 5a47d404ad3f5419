"""Training a contrastive model, whole or cross-fitted."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from ..checks import is_whole
from ..inputs import ResolvedInput, resolve
from ..runs import config_from, library_fingerprint, profile_settings
from .bins import MassBins, default_n_bins
from .calibration import Calibration, calibrate
from .config import ContrastiveConfig
from .data import StoredStamps
from .devices import make_fabric
from .features import Scaling, fit_scaling, scale_features
from .fitting import Fitted, Part, Task, fit, judge_convergence
from .images import ImageScaling, fit_image_scaling
from .model import TrainedModel, build_network, class_name, embed, predict_mass
from .networks import whitening_of

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = [
    "CrossFit",
    "contrastive_config",
    "cross_fit",
    "train",
]

FEWEST = {"training": 20, "validation": 5}  # galaxies
PSEUDO_COUNT = 0.5  # of every bin of the prior
TINY = 1e-300  # a probability whose logarithm is finite
FINGERPRINT_IMAGES = 64  # of each part of the split


@dataclass(frozen=True)
class CrossFit:
    """Models trained on different parts of the training split (ours).

    The numbers of S mean something else in every encoder, so each has its own S of all galaxies, and neighbours are
    looked for within one of them.

    Attributes
    ----------
    models : list of TrainedModel
        One for each fold, trained on the other folds.
    latents : list of DataFrame [n_galaxies, n_shared]
        S of every galaxy, by each model.
    unseen : bool array [n_galaxies, n_models]
        Whether a model was neither trained on the galaxy nor chosen by it.
    """

    models: list[TrainedModel]
    latents: list[pd.DataFrame]
    unseen: np.ndarray


def contrastive_config(profile: str, resolved: ResolvedInput, **overrides: Any) -> ContrastiveConfig:
    """Settings of a profile for an input: those for images where it has any, else those for photometry.

    Raises
    ------
    ValueError
        If the profile or a setting is unknown.
    """
    block = "contrastive_images" if resolved.images else "contrastive"
    return config_from(ContrastiveConfig, profile_settings(profile)[block], **overrides)


def train(
    sample: Sample,
    inputs: str | Sequence[str],
    profile: str = "book",
    *,
    seed: int = 0,
    device: str = "auto",
    devices: int = 1,
    checkpoint_dir: str | Path | None = None,
    rows: np.ndarray | None = None,
    encoder: str | type[nn.Module] | None = None,
    **overrides: Any,
) -> TrainedModel:
    """Train a contrastive model of an input (paper).

    Parameters
    ----------
    sample : Sample
        Its validation split chooses the step that is kept; its test split is not looked at.
    inputs : str or sequence of str
        A registered name or union, or a list of catalogue columns.
    profile : str, default "book"
        Whose settings to use.
    seed : int, default 0
        Of the first weights, the batches and the views of the images.
    device : str, default "auto"
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    devices : int, default 1
        Of several, each works on a part of every batch. They are processes of their own, so this is for scripts, with
        their ``if __name__ == "__main__":``, and not for notebooks.
    checkpoint_dir : path, optional
        Where a killed training resumes from. The same settings, data, code and seed find their checkpoint again;
        a resumed training ends in the same weights as an uninterrupted one on the same machine.
    rows : int array, optional
        Rows of the training split to train on, instead of all of it: for cross-fitting, and for learning curves.
    encoder : str or class, optional
        Another image encoder than the settings name: ``"inception"`` (paper), ``"compact"`` or ``"residual"``, or a
        class of the caller's own, an ``nn.Module`` built as ``Encoder(n_bands, n_extra, n_latent, size)`` that maps
        images [batch, band, y, x] and extras [batch, n_extra] to [batch, n_latent].
    **overrides
        Fields of `ContrastiveConfig` to set instead of the profile's.

    Returns
    -------
    TrainedModel

    Raises
    ------
    ValueError
        If the input, a setting, the profile or the device is unknown; a column or band is missing, null everywhere or
        constant; images are of the wrong shape; or there are too few galaxies.
    FloatingPointError
        If the loss stops being finite, with the step and the last good checkpoint.
    MemoryError
        If the device has no memory left, with what would need less.
    """
    if not is_whole(seed) or seed < 0:
        raise ValueError(f"seed: found {seed!r}, expected a whole number, 0 or more")
    rows = _training_rows(sample, rows)
    validation_rows = sample.rows("validation")
    for part, found in (("training", rows), ("validation", validation_rows)):
        if len(found) < FEWEST[part]:
            raise ValueError(f"sample: found {len(found)} {part} galaxies, expected at least {FEWEST[part]}")
    resolved = _resolve(inputs, sample)
    config = contrastive_config(profile, resolved, **overrides)
    if encoder is not None:
        if not isinstance(encoder, str | type):
            raise ValueError(f"encoder: found {encoder!r}, expected a name, or a class that it is made of")
        if not resolved.images:
            raise ValueError(f"encoder: found {encoder!r}, but the input {resolved.name!r} has no images")
        config = replace(config, encoder=encoder if isinstance(encoder, str) else class_name(encoder))
    own_encoder = None if isinstance(encoder, str) else encoder
    fabric = make_fabric(device, config.precision, devices)
    if config.batch_size % (config.accumulate * devices):
        raise ValueError(
            f"batch_size: found {config.batch_size}, expected a multiple of {config.accumulate} x {devices}, the parts "
            "of a batch times the devices"
        )

    scaling = fit_scaling(resolved, sample.catalog.iloc[rows], standardise=config.standardise)
    images = None
    if resolved.images:
        images = fit_image_scaling(resolved, sample, rows, bin_pixels=config.bin_pixels, standardise=config.standardise)
    bins = MassBins(config.n_bins or default_n_bins(len(rows)))
    parts = [_part(sample, part, scaling, images) for part in (rows, validation_rows)]
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        whitening = whitening_of(torch.from_numpy(parts[0].features.main)) if config.whiten and images is None else None
        network = build_network(scaling, images, bins, config, own_encoder, whitening)
    checkpoint = None
    if checkpoint_dir is not None:
        scalings = asdict(scaling), asdict(images) if images else None, asdict(bins)
        described: list[Any] = [asdict(config), *scalings, seed, devices]
        described += [fabric.strategy.precision.precision, None if own_encoder is None else _code_of(own_encoder)]
        key = _fingerprint(described, network, parts)
        checkpoint = Path(checkpoint_dir) / f"contrastive-{key}.pt"
    task = Task(resolved.name, network, parts[0], parts[1], bins, config, seed, checkpoint)
    fitted = fit(fabric, task) if devices == 1 else _fit_in_processes(fabric, task)
    network.load_state_dict(fitted.weights)
    model = TrainedModel(
        network.cpu().eval(),
        resolved,
        scaling,
        images,
        bins,
        config,
        pd.DataFrame(fitted.history),
        judge_convergence(fitted.history, fitted.best_step, schedule=config.schedule),
        Calibration(),
        tuple(bins.prior(sample.mass[rows], PSEUDO_COUNT).tolist()),
        fitted.cost,
    )
    if not config.calibrate:
        return model
    probability, _ = predict_mass(model, sample.take(validation_rows), device=device)
    label = bins.labels(sample.mass[validation_rows])
    calibration = calibrate(np.log(np.maximum(probability, TINY)), label, np.array(model.prior))
    return replace(model, calibration=calibration)


def cross_fit(
    sample: Sample,
    inputs: str | Sequence[str],
    profile: str = "book",
    *,
    n_folds: int = 2,
    seed: int = 0,
    **options: Any,
) -> CrossFit:
    """Train one model for each fold of the training split, on the other folds (ours).

    A galaxy that an encoder was trained on carries its own mass in S. Among those an encoder has not seen, distances
    in S mean what they will mean for new galaxies.

    Parameters
    ----------
    sample : Sample
    inputs, profile, seed
        As `train`.
    n_folds : int, default 2
    **options
        Of `train`.

    Returns
    -------
    CrossFit

    Raises
    ------
    ValueError
        If there are fewer than 2 folds; and as `train`.
    """
    if not is_whole(n_folds) or n_folds < 2:
        raise ValueError(f"n_folds: found {n_folds!r}, expected a whole number, 2 or more")
    training = _training_rows(sample, options.pop("rows", None))
    folds = np.array_split(np.random.default_rng([seed, 2]).permutation(training), n_folds)
    models, latents, unseen = [], [], np.zeros((len(sample), n_folds), dtype=bool)
    unseen[sample.rows("test")] = True
    for number, fold in enumerate(folds):
        others = np.setdiff1d(training, fold)
        models.append(train(sample, inputs, profile, seed=seed, rows=others, **options))
        latents.append(embed(models[-1], sample, device=options.get("device", "auto")))
        unseen[fold, number] = True
    return CrossFit(models, latents, unseen)


def _fit_in_processes(fabric: Any, task: Task) -> Fitted:
    """`fit` in the processes that Fabric starts, one for each device."""
    fields = fabric.launch(partial(_fit_fields, task=task))
    if isinstance(fields, Exception):
        raise fields
    return Fitted(**fields | {"weights": {name: torch.from_numpy(array) for name, array in fields["weights"].items()}})


def _fit_fields(fabric: Any, *, task: Task) -> dict[str, Any] | Exception:
    """`fit`, with a result that outlives its process: torch would leave the weights in that one's memory.

    What `fit` is known to raise is returned, for the caller to see it as it was.
    """
    try:
        fitted = fit(fabric, task)
    except (FloatingPointError, MemoryError, ValueError) as error:
        return type(error)(*error.args)
    return {**vars(fitted), "weights": {name: weight.numpy() for name, weight in fitted.weights.items()}}


def _resolve(inputs: str | Sequence[str], sample: Sample) -> ResolvedInput:
    bands = None if sample.images is None else sample.bands
    return resolve(inputs, sample.catalog, bands=bands, target=sample.target)


def _training_rows(sample: Sample, rows: np.ndarray | None) -> np.ndarray:
    """Rows to train on: the training split, or the caller's part of it."""
    training = sample.rows("train")
    if rows is None:
        return training
    rows = np.asarray(rows)
    if rows.dtype.kind not in "iu" or len(np.unique(rows)) < rows.size or not np.isin(rows, training).all():
        raise ValueError(
            "rows: found repeated numbers or rows outside the training split, expected different rows of it"
        )
    return rows


def _part(sample: Sample, rows: np.ndarray, scaling: Scaling, images: ImageScaling | None) -> Part:
    features = scale_features(scaling, sample.catalog.iloc[rows])
    return Part(features, sample.mass[rows], None if images is None else StoredStamps(images, sample, rows))


def _fingerprint(described: list[Any], network: nn.Module, parts: Sequence[Part]) -> str:
    """What a checkpoint goes by: settings, code, first weights, numbers, and the pixels of some galaxies of each part.

    Where images are standardised, all training pixels enter through the deviations.
    """
    settings = json.dumps([*described, torch.__version__])
    digest = hashlib.sha256(settings.encode() + library_fingerprint("contrastive").encode())
    for name, weight in network.state_dict().items():
        digest.update(name.encode() + np.ascontiguousarray(weight.numpy()).tobytes())
    for part in parts:
        for array in (part.features.main, part.features.extra, part.features.present, part.mass):
            digest.update(np.ascontiguousarray(array).tobytes())
        if part.stamps is not None:
            some = np.unique(np.linspace(0, len(part.mass) - 1, FINGERPRINT_IMAGES).astype(np.int64))
            digest.update(part.stamps.read(some).numpy().tobytes())
    return digest.hexdigest()[:16]


def _code_of(encoder: type[nn.Module]) -> str:
    """Source of a class, so that an edited encoder is another one; its compiled code where there is no source."""
    try:
        return inspect.getsource(encoder)
    except (OSError, TypeError):
        functions = [value for value in vars(encoder).values() if inspect.isfunction(value)]
        return repr([(each.__code__.co_code, each.__code__.co_consts, each.__code__.co_names) for each in functions])
