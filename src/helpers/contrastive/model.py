"""A trained contrastive model, and what it can be asked."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scipy.special import log_softmax, softmax
from torch import nn

from ..inputs import ResolvedInput
from .bins import MassBins
from .calibration import Calibration
from .config import ContrastiveConfig
from .data import BLOCK
from .devices import pick_device
from .features import Scaling, refuse_empty_columns, scale_features
from .image_networks import image_network
from .images import ImageScaling, read_images, to_network
from .networks import ContrastiveNetwork, photometry_network

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["TrainedModel", "build_network", "class_name", "embed", "predict_mass"]


@dataclass(frozen=True)
class TrainedModel:
    """A trained contrastive model.

    Attributes
    ----------
    network : ContrastiveNetwork
        Encoder, decoder and estimator, with the weights that were kept.
    resolved : ResolvedInput
        The input: its columns and bands.
    scaling : Scaling
        How catalogue columns are scaled, and which have a flag for their nulls; found on the galaxies trained on.
    images : ImageScaling or None
        How images are binned, divided by flux where they are, and scaled, found on the same galaxies; None without
        images.
    bins : MassBins
        Bins of mass that the estimator's probabilities are of.
    config : ContrastiveConfig
        Settings of the training.
    history : DataFrame
        One row per validation: step, learning rate, the loss and its terms, validation cross-entropy (nats) and RMSE
        (dex).
    verdict : dict
        ``converged``, whether the last quarter of the steps, of a one-cycle schedule the last tenth, lowered the best
        validation cross-entropy by less than 0.02 nats; ``late_gain``, by how much it did; ``best_step``, that of the
        kept network; ``steps``.
    calibration : Calibration
        Of the predicted distributions, found on the validation split (ours).
    prior : tuple of float
        Of the bins: the smoothed histogram of the training masses, which the calibration mixes in.
    cost : dict
        ``device``, ``n_devices``, ``precision``, ``seconds`` (validations and checkpoints included),
        ``seconds_per_step``, ``galaxies_per_second``, ``waiting_share`` (of the time, for the training's input) and
        ``peak_memory_bytes`` (of the GPU, or of the process).
    """

    network: ContrastiveNetwork
    resolved: ResolvedInput
    scaling: Scaling
    images: ImageScaling | None
    bins: MassBins
    config: ContrastiveConfig
    history: pd.DataFrame
    verdict: dict[str, Any]
    calibration: Calibration
    prior: tuple[float, ...]
    cost: dict[str, Any]

    def pack(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Weights as arrays and everything else as text: what a safetensors file holds."""
        weights = {name: tensor.cpu().contiguous().numpy() for name, tensor in self.network.state_dict().items()}
        parts = {
            "resolved": asdict(self.resolved),
            "scaling": asdict(self.scaling),
            "images": asdict(self.images) if self.images else None,
            "bins": asdict(self.bins),
            "config": asdict(self.config),
            "history": self.history.to_dict(orient="list"),
            "verdict": self.verdict,
            "calibration": asdict(self.calibration),
            "prior": self.prior,
            "cost": self.cost,
        }
        return weights, {name: json.dumps(part) for name, part in parts.items()}

    @classmethod
    def unpack(
        cls, weights: dict[str, np.ndarray], metadata: dict[str, str], *, encoder: type[nn.Module] | None = None
    ) -> TrainedModel:
        """Model from what `pack` gave.

        Parameters
        ----------
        weights, metadata : dict
        encoder : class, optional
            Of the image encoder, where it was the caller's own.

        Raises
        ------
        ValueError
            If the model has an encoder of the caller's own and `encoder` is another, or none.
        """
        parts = {name: json.loads(text) for name, text in metadata.items()}
        scaling = Scaling(**_tuples(parts["scaling"]))
        images = ImageScaling(**_tuples(parts["images"])) if parts["images"] else None
        bins = MassBins(**parts["bins"])
        config = ContrastiveConfig(**_tuples(parts["config"]))
        whitening = torch.eye(scaling.n_main) if "encoder.whitening" in weights else None
        network = build_network(scaling, images, bins, config, encoder, whitening)
        network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in weights.items()})
        return cls(
            network.eval(),
            ResolvedInput(**_tuples(parts["resolved"])),
            scaling,
            images,
            bins,
            config,
            pd.DataFrame(parts["history"]),
            parts["verdict"],
            Calibration(**parts["calibration"]),
            tuple(parts["prior"]),
            parts["cost"],
        )


def embed(model: TrainedModel, sample: Sample, *, device: str = "auto") -> pd.DataFrame:
    """S of every galaxy of a sample.

    Parameters
    ----------
    model : TrainedModel
    sample : Sample
        Of any split, with the columns and bands that the model was trained on.
    device : str, default "auto"
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Returns
    -------
    DataFrame [n_galaxies, n_shared]
        float32 columns S1, S2, ..., on the catalogue's index.

    Raises
    ------
    ValueError
        If the sample is empty, lacks a column or band that the model was trained on, or has images of another size; or
        a column that had no nulls in training is null for every galaxy, of more than one.
    """
    shared, _ = _forward(model, sample, device)
    return pd.DataFrame(shared, index=sample.catalog.index, columns=[f"S{i + 1}" for i in range(shared.shape[1])])


def predict_mass(
    model: TrainedModel, sample: Sample, *, device: str = "auto", calibrated: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The network's own mass estimate.

    Parameters
    ----------
    model : TrainedModel
    sample : Sample
    device : str, default "auto"
    calibrated : bool, default True
        False gives the distributions as the network puts them out.

    Returns
    -------
    probability : float64 array [n_galaxies, n_bins]
        Over `model.bins`.
    mean : float64 array [n_galaxies]
        Its mean, log10 of solar masses.

    Raises
    ------
    ValueError
        As `embed`.
    """
    _, logits = _forward(model, sample, device)
    logarithm = log_softmax(logits.astype(np.float64), axis=1)
    if calibrated:
        logarithm = model.calibration.apply(logarithm, np.array(model.prior)).astype(np.float64)
    probability = softmax(logarithm, axis=1)
    return probability, probability @ model.bins.centres


def build_network(
    scaling: Scaling,
    images: ImageScaling | None,
    bins: MassBins,
    config: ContrastiveConfig,
    encoder: type[nn.Module] | None,
    whitening: torch.Tensor | None,
) -> ContrastiveNetwork:
    """Untrained network of an input: of images where `images` says how they are scaled, else of photometry.

    Parameters
    ----------
    scaling : Scaling
    images : ImageScaling or None
    bins : MassBins
    config : ContrastiveConfig
    encoder : class or None
        Of images, where it is the caller's own.
    whitening : Tensor or None
        Of photometry.

    Raises
    ------
    ValueError
        If the settings name an encoder of the caller's own and `encoder` is another, or none.
    """
    sizes: Any = {"n_shared": config.n_shared, "n_ext": config.n_ext, "estimator_hidden": config.estimator_hidden}
    if images is None:
        return photometry_network(
            scaling.n_main,
            scaling.n_extra,
            bins.count,
            encoder_hidden=config.encoder_hidden,
            decoder_hidden=config.decoder_hidden,
            whitening=whitening,
            **sizes,
        )
    if encoder is not None and ":" not in config.encoder:
        raise ValueError(f"encoder: found {encoder!r}, but the model has the encoder {config.encoder!r}")
    if ":" in config.encoder and (encoder is None or class_name(encoder) != config.encoder):
        raise ValueError(
            f"encoder: found {encoder!r}, expected the class {config.encoder} that the model was trained with"
        )
    return image_network(
        len(images.bands),
        scaling.n_extra,
        bins.count,
        encoder=encoder or config.encoder,
        decoder=config.decoder,
        size=images.size,
        **sizes,
    )


def class_name(encoder: type[nn.Module]) -> str:
    """How a settings file remembers a class that is not one of ours."""
    return f"{encoder.__module__}:{encoder.__qualname__}"


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _forward(model: TrainedModel, sample: Sample, device: str) -> tuple[np.ndarray, np.ndarray]:
    """S [n, n_shared] and logits [n, n_bins] of every galaxy, float32, computed in float32."""
    if len(sample) == 0:
        raise ValueError("sample: found no galaxies, expected at least one")
    refuse_empty_columns(model.scaling, sample.catalog)
    features = scale_features(model.scaling, sample.catalog)
    place = torch.device(pick_device(device))
    network = model.network.to(place)
    shared, logits = [], []
    with torch.no_grad():
        for start in range(0, len(sample), BLOCK):
            part = slice(start, start + BLOCK)
            main = torch.from_numpy(features.main[part])
            if model.images is not None:
                rows = np.arange(start, min(start + BLOCK, len(sample)))
                main = to_network(model.images, torch.from_numpy(read_images(model.images, sample, rows)).to(place))
            s, q = network(main.to(place), torch.from_numpy(features.extra[part]).to(place))
            shared.append(s.cpu().numpy())
            logits.append(q.cpu().numpy())
    network.cpu()
    return np.concatenate(shared), np.concatenate(logits)
