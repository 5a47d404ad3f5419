"""Training a contrastive model, and what a trained one can be asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import check_positive, check_widths, is_whole
from ..inputs import ResolvedInput, resolve
from ..progress import progress_bar
from ..runs import atomic_path, config_from, library_fingerprint, profile_settings
from .bins import MassBins, default_n_bins
from .features import Features, Scaling, fit_scaling, scale_features
from .losses import Batch, LossTerms, contrastive_loss
from .networks import ContrastiveNetwork, copy_weights, photometry_network

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["ContrastiveConfig", "TrainedModel", "embed", "learning_rate", "make_fabric", "predict_mass", "train"]

# Weights stay float32: "true" half precision would lose the small steps of Adam.
PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")


@dataclass(frozen=True)
class ContrastiveConfig:
    """Settings of a contrastive training; a profile fills them.

    Attributes
    ----------
    steps : int
        Optimiser steps.
    batch_size : int
        Galaxies in each of the two batches of a step.
    learning_rate : float
        Of Adam, until `decay_at`.
    decay_at, decay_factor : float
        The fraction of the steps after which the rate is multiplied by the factor, once.
    reconstruction_weight : float
        lambda; for standardised inputs, in units of their variance.
    n_bins : int
        Mass bins on [6, 12.5] dex; 0 takes `default_n_bins`.
    n_shared, n_ext : int
        Sizes of S and of ext.
    encoder_hidden, decoder_hidden, estimator_hidden : tuple of int
        Hidden widths.
    standardise : bool
        Ours; the published models read magnitudes as they are.
    keep : str
        ``"best"``: the step with the lowest validation cross-entropy (ours); ``"last"`` (paper).
    evaluate_every, checkpoint_every : int
        Steps between validations, and between checkpoints.
    precision : str
        Of Lightning Fabric.
    """

    steps: int = 3000
    batch_size: int = 128
    learning_rate: float = 1e-3
    decay_at: float = 1 / 3
    decay_factor: float = 0.2
    reconstruction_weight: float = 1.0
    n_bins: int = 0
    n_shared: int = 8
    n_ext: int = 8
    encoder_hidden: tuple[int, ...] = (128, 128, 128)
    decoder_hidden: tuple[int, ...] = (128, 128)
    estimator_hidden: tuple[int, ...] = (128,)
    standardise: bool = True
    keep: str = "best"
    evaluate_every: int = 100
    checkpoint_every: int = 250
    precision: str = "32-true"

    def __post_init__(self) -> None:
        check_positive(self, ("steps", "batch_size", "n_shared", "n_ext", "evaluate_every", "checkpoint_every"))
        check_widths(self, ("encoder_hidden", "decoder_hidden", "estimator_hidden"))
        if self.keep not in ("best", "last"):
            raise ValueError(f"ContrastiveConfig.keep: found {self.keep!r}, expected 'best' or 'last'")
        if not 0 < self.learning_rate < np.inf:
            raise ValueError(f"ContrastiveConfig.learning_rate: found {self.learning_rate}, expected a positive number")


@dataclass(frozen=True)
class TrainedModel:
    """A trained contrastive model.

    Attributes
    ----------
    network : ContrastiveNetwork
    resolved : ResolvedInput
    scaling : Scaling
    bins : MassBins
    config : ContrastiveConfig
    history : DataFrame
        One row per validation: step, learning rate, the loss's terms, validation cross-entropy (nats) and RMSE (dex).
    verdict : dict
        Whether training converged, and at which step the kept network was: see `judge_convergence`.
    """

    network: ContrastiveNetwork
    resolved: ResolvedInput
    scaling: Scaling
    bins: MassBins
    config: ContrastiveConfig
    history: pd.DataFrame
    verdict: dict[str, Any]

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Weights as arrays and everything else as text: what a safetensors file holds."""
        weights = {name: tensor.cpu().numpy() for name, tensor in self.network.state_dict().items()}
        parts = {
            "resolved": asdict(self.resolved),
            "scaling": asdict(self.scaling),
            "bins": asdict(self.bins),
            "config": asdict(self.config),
            "history": self.history.to_dict(orient="list"),
            "verdict": self.verdict,
        }
        return weights, {name: json.dumps(part) for name, part in parts.items()}

    @classmethod
    def unpack(cls, weights: dict[str, np.ndarray], metadata: dict[str, str]) -> TrainedModel:
        """Model from what `pack` gave."""
        parts = {name: json.loads(text) for name, text in metadata.items()}
        scaling = Scaling(**_tuples(parts["scaling"]))
        bins = MassBins(**parts["bins"])
        config = ContrastiveConfig(**_tuples(parts["config"]))
        network = _network(scaling, bins, config)
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        resolved = ResolvedInput(**_tuples(parts["resolved"]))
        return cls(network.eval(), resolved, scaling, bins, config, pd.DataFrame(parts["history"]), parts["verdict"])


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _network(scaling: Scaling, bins: MassBins, config: ContrastiveConfig) -> ContrastiveNetwork:
    return photometry_network(
        scaling.n_main,
        scaling.n_extra,
        bins.count,
        n_shared=config.n_shared,
        n_ext=config.n_ext,
        encoder_hidden=config.encoder_hidden,
        decoder_hidden=config.decoder_hidden,
        estimator_hidden=config.estimator_hidden,
    )


class _Objective(nn.Module):
    """The network and its loss as one module, so that Fabric sees a single forward call per step."""

    def __init__(self, network: ContrastiveNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, a: Batch, b: Batch) -> LossTerms:
        return contrastive_loss(self.network, a, b)


@dataclass(frozen=True)
class _Data:
    """Galaxies on the device."""

    main: Tensor
    extra: Tensor
    present: Tensor
    label: Tensor
    mass: Tensor

    @classmethod
    def of(cls, features: Features, mass: np.ndarray, bins: MassBins, device: torch.device) -> _Data:
        arrays = (features.main, features.extra, features.present, bins.labels(mass), mass.astype(np.float32))
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def batch(self, rows: Tensor) -> Batch:
        return Batch(self.main[rows], self.extra[rows], self.present[rows], self.label[rows])


def learning_rate(step: int, config: ContrastiveConfig) -> float:
    """Learning rate of a step: constant, then divided once (paper)."""
    return config.learning_rate * (config.decay_factor if step >= config.decay_at * config.steps else 1.0)


def pair_rows(step: int, n_galaxies: int, batch_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the batches A and B of a step: two stretches of the epoch's permutation, so no galaxy meets itself.

    A function of the step and the seed alone, so that a resumed training sees what an uninterrupted one would.
    """
    size = min(batch_size, n_galaxies // 2)
    per_epoch = n_galaxies // (2 * size)
    epoch, position = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(n_galaxies)
    start = 2 * size * position
    return order[start : start + size], order[start + size : start + 2 * size]


def train(
    sample: Sample,
    inputs: str | Sequence[str],
    profile: str = "book",
    *,
    seed: int = 0,
    device: str = "auto",
    checkpoint_dir: str | Path | None = None,
    rows: np.ndarray | None = None,
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
        Of the first weights and of the batches.
    device : str, default "auto"
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    checkpoint_dir : path, optional
        Where a killed training resumes from. The same settings, data, code and seed find their checkpoint again;
        a resumed training ends in the same weights as an uninterrupted one on the same machine.
    rows : int array, optional
        Rows of the training split to train on, instead of all of it: for cross-fitting.
    **overrides
        Fields of `ContrastiveConfig` to set instead of the profile's.

    Returns
    -------
    TrainedModel

    Raises
    ------
    ValueError
        If the input, a setting, the profile or the device is unknown, or there are too few galaxies.
    FloatingPointError
        If the loss stops being finite, with the step.
    """
    config = config_from(ContrastiveConfig, profile_settings(profile)["contrastive"], **overrides)
    if not is_whole(seed) or seed < 0:
        raise ValueError(f"seed: found {seed!r}, expected a whole number, 0 or more")
    rows = _training_rows(sample, rows)
    validation_rows = sample.rows("validation")
    if len(rows) < 20 or len(validation_rows) < 5:
        raise ValueError(
            f"sample: found {len(rows)} training and {len(validation_rows)} validation galaxies, "
            "expected at least 20 and 5"
        )
    resolved = resolve(inputs, sample.catalog, target=sample.target)
    training_catalog = sample.catalog.iloc[rows]
    scaling = fit_scaling(resolved, training_catalog, standardise=config.standardise)
    bins = MassBins(config.n_bins or default_n_bins(len(rows)))
    arrays = scale_features(scaling, training_catalog), scale_features(scaling, sample.catalog.iloc[validation_rows])
    fabric = make_fabric(device, config.precision)
    training = _Data.of(arrays[0], sample.mass[rows], bins, fabric.device)
    validation = _Data.of(arrays[1], sample.mass[validation_rows], bins, fabric.device)

    torch.manual_seed(seed)
    network = _network(scaling, bins, config)
    key = _fingerprint(config, scaling, bins, seed, training, validation)
    checkpoint = Path(checkpoint_dir) / f"contrastive-{key}.pt" if checkpoint_dir is not None else None
    history, best_step = _fit(fabric, network, training, validation, bins, config, seed, checkpoint, resolved.name)
    return TrainedModel(
        network.cpu().eval(),
        resolved,
        scaling,
        bins,
        config,
        pd.DataFrame(history),
        judge_convergence(history, best_step),
    )


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


def make_fabric(device: str, precision: str) -> Any:
    """Lightning Fabric on one device.

    Raises
    ------
    ValueError
        If the device's name is unknown, the machine has no such device, or the precision is unknown.
    """
    if device not in ("auto", "cpu", "cuda", "mps"):
        raise ValueError(f"device: found {device!r}, expected 'auto', 'cpu', 'cuda' or 'mps'")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, True):
        raise ValueError(f"device: found {device!r}, which this machine does not have; 'auto' takes what there is")
    if precision not in PRECISIONS:
        raise ValueError(f"precision: found {precision!r}, expected one of {', '.join(PRECISIONS)}")
    from lightning.fabric import Fabric

    return Fabric(accelerator=device, devices=1, precision=precision)  # type: ignore[arg-type]


def _fit(
    fabric: Any,
    network: ContrastiveNetwork,
    training: _Data,
    validation: _Data,
    bins: MassBins,
    config: ContrastiveConfig,
    seed: int,
    checkpoint: Path | None,
    name: str,
) -> tuple[list[dict[str, float]], int]:
    """Train `network` in place; return the history and the step whose weights it holds."""
    optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    objective, optimizer = fabric.setup(_Objective(network), optimizer)
    step = 0
    history: list[dict[str, float]] = []
    best: dict[str, Any] = {"step": 0, "cross_entropy": float("inf"), "weights": copy_weights(network)}
    if checkpoint is not None and checkpoint.is_file():
        state = torch.load(checkpoint, map_location=fabric.device, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        step, history, best = state["step"], state["history"], state["best"]

    def save() -> None:
        if checkpoint is not None:
            state = {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "history": history,
                "best": best,
            }
            with atomic_path(checkpoint) as temporary:
                torch.save(state, temporary)

    with progress_bar(config.steps, f"contrastive training of {name}", done=step) as bar:
        while step < config.steps:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, config)
            rows = pair_rows(step, len(training.label), config.batch_size, seed)
            a, b = (training.batch(torch.from_numpy(side).to(fabric.device)) for side in rows)
            terms = objective(a, b)
            loss = terms.total(config.reconstruction_weight)
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss)
            optimizer.step()
            step += 1
            bar.update()

            if step % config.evaluate_every == 0 or step == config.steps:
                record = _record(step, config, terms, network, validation, bins)
                if not np.isfinite(record["validation_cross_entropy"] + record["loss"]):
                    raise FloatingPointError(
                        f"training of {name}: the loss is not finite at step {step}; lower learning_rate"
                    )
                history.append(record)
                if record["validation_cross_entropy"] < best["cross_entropy"]:
                    best = {
                        "step": step,
                        "cross_entropy": record["validation_cross_entropy"],
                        "weights": copy_weights(network),
                    }
            if step % config.checkpoint_every == 0 or step == config.steps:
                save()
    if config.keep == "last":
        return history, step
    network.load_state_dict(best["weights"])
    return history, best["step"]


def _record(
    step: int,
    config: ContrastiveConfig,
    terms: LossTerms,
    network: ContrastiveNetwork,
    validation: _Data,
    bins: MassBins,
) -> dict[str, float]:
    network.eval()
    with torch.no_grad():
        _, logits = network(validation.main, validation.extra)
        cross_entropy = F.cross_entropy(logits.float(), validation.label)
        centres = torch.as_tensor(bins.centres, dtype=torch.float32, device=logits.device)
        error = logits.float().softmax(dim=1) @ centres - validation.mass
    network.train()
    return {
        "step": step,
        "learning_rate": learning_rate(step - 1, config),
        "loss": float(terms.total(config.reconstruction_weight).detach()),
        **{name: float(value.detach()) for name, value in vars(terms).items()},
        "validation_cross_entropy": float(cross_entropy),
        "validation_rmse": float(error.square().mean().sqrt()),
    }


def judge_convergence(history: list[dict[str, float]], best_step: int, tolerance: float = 0.02) -> dict[str, Any]:
    """Say whether a training had converged (ours).

    It had when the last quarter of the steps lowered the best validation cross-entropy by less than `tolerance` nats.

    Returns
    -------
    dict
        ``converged``, ``best_step``, ``steps``, ``gain_in_last_quarter`` (nats).
    """
    steps = history[-1]["step"]
    early = [row["validation_cross_entropy"] for row in history if row["step"] <= 0.75 * steps] or [float("inf")]
    gain = min(early) - min(row["validation_cross_entropy"] for row in history)
    return {
        "converged": bool(gain < tolerance),
        "best_step": int(best_step),
        "steps": int(steps),
        "gain_in_last_quarter": float(min(gain, 1e9)),
    }


def _fingerprint(
    config: ContrastiveConfig, scaling: Scaling, bins: MassBins, seed: int, training: _Data, validation: _Data
) -> str:
    settings = [asdict(config), asdict(scaling), asdict(bins), seed, torch.__version__]
    digest = hashlib.sha256(json.dumps(settings).encode() + library_fingerprint("contrastive").encode())
    for data in (training, validation):
        for tensor in vars(data).values():
            digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _forward(model: TrainedModel, sample: Sample, batch_size: int = 8192) -> tuple[np.ndarray, np.ndarray]:
    """S [n, n_shared] and logits [n, n_bins] of every galaxy, float32."""
    features = scale_features(model.scaling, sample.catalog)
    shared, logits = [], []
    with torch.no_grad():
        for start in range(0, len(sample), batch_size):
            part = slice(start, start + batch_size)
            s, q = model.network(torch.from_numpy(features.main[part]), torch.from_numpy(features.extra[part]))
            shared.append(s.numpy())
            logits.append(q.numpy())
    return np.concatenate(shared), np.concatenate(logits)


def embed(model: TrainedModel, sample: Sample) -> pd.DataFrame:
    """S of every galaxy of a sample.

    Returns
    -------
    DataFrame [n_galaxies, n_shared]
        float32 columns S1, S2, ..., on the catalogue's index.

    Raises
    ------
    ValueError
        If the catalogue lacks a column that the model was trained on.
    """
    shared, _ = _forward(model, sample)
    return pd.DataFrame(shared, index=sample.catalog.index, columns=[f"S{i + 1}" for i in range(shared.shape[1])])


def predict_mass(model: TrainedModel, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """The network's own mass estimate.

    Returns
    -------
    probability : float64 array [n_galaxies, n_bins]
        Over `model.bins`.
    mean : float64 array [n_galaxies]
        Its mean, log10 of solar masses.
    """
    _, logits = _forward(model, sample)
    probability = torch.from_numpy(logits.astype(np.float64)).softmax(dim=1).numpy()
    return probability, probability @ model.bins.centres
