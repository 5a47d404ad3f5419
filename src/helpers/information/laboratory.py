"""One sample with its networks: what every estimator of information trains, each fit once (paper, ours)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from ..contrastive.bins import MassBins, default_n_bins
from ..contrastive.calibration import Calibration, calibrate
from ..contrastive.devices import make_fabric
from ..contrastive.features import Scaling, column_values, fit_scaling, scale_features
from ..inputs import INPUTS, ResolvedInput, parse, resolve
from ..runs import library_fingerprint
from .checkpoints import Fit, load_fits, store_fits
from .config import InformationConfig
from .entropy import kernel_prior, mass_prior
from .fitting import fit_ensemble, log_probabilities
from .networks import Ensemble, image_encoder, information_network
from .observations import Observations, make_subsets
from .pictures import Channel, Pictures, channels_of

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["FEWEST", "HELD_OUT", "Inputs", "Laboratory", "contents", "exchange_order", "rows_of_parts"]

PARTS = ("train", "validation", "test")
HELD_OUT = ("validation", "test")
STRENGTHS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # of a correction
FEWEST = {"train": 40, "validation": 10, "test": 5}

Inputs = str | Sequence[str]


def contents(resolved: ResolvedInput) -> frozenset[str | Channel]:
    """Columns and image channels of an input: what makes one input a part of another."""
    return frozenset(resolved.columns) | frozenset(channels_of(resolved))


def rows_of_parts(sample: Sample, rows: Mapping[str, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Rows of each part, of the sample's split unless they are given.

    Raises
    ------
    ValueError
        If a part has too few galaxies.
    """
    found = dict(rows) if rows is not None else {part: sample.rows(part) for part in PARTS}
    for part, fewest in FEWEST.items():
        if len(found[part]) < fewest:
            raise ValueError(f"sample: found {len(found[part])} {part} galaxies, expected at least {fewest}")
    return found


class Laboratory:
    """One sample with one configuration: fits networks, and remembers the fits.

    Parameters
    ----------
    sample : Sample
    config : InformationConfig
        Of inputs of columns alone; the mass bins and their prior are its.
    image_config : InformationConfig, optional
        Of inputs with images. Default: `config`.
    device : str
    resample : bool
        Whether each seed trains on its own bootstrap sample of the training split.
    reuse : dict, optional
        Fits by what made them; kept by the caller to fit nothing twice.
    checkpoint_dir : path, optional
        Folder that keeps every finished fit for later processes.
    rows : dict of int array, optional
        Rows of each part in place of the sample's split: for cross-fitting.
    """

    def __init__(
        self,
        sample: Sample,
        config: InformationConfig,
        *,
        device: str,
        resample: bool,
        reuse: dict[Any, Any] | None,
        image_config: InformationConfig | None = None,
        checkpoint_dir: str | Path | None = None,
        rows: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.sample, self.resample = sample, resample
        self.configs = {False: config, True: image_config or config}
        self.rows = rows_of_parts(sample, rows)
        self.fabrics = {images: make_fabric(device, own.precision) for images, own in self.configs.items()}
        self.device: torch.device = self.fabrics[False].device
        self.bins = MassBins(config.n_bins or default_n_bins(len(self.rows["train"])))
        self.label = self.bins.labels(sample.mass)
        make_prior = kernel_prior if config.prior == "kernel" else mass_prior
        self.prior = make_prior(
            sample.mass[self.rows["train"]],
            self.bins.count,
            (self.bins.low, self.bins.high),
            smoothing=config.smoothing,
        )
        self.reuse: dict[Any, Any] = {} if reuse is None else reuse
        self._pictures: list[Pictures] = []
        self._fingerprints: dict[tuple[Channel, ...], str] = {}
        self.checkpoint_dir = None if checkpoint_dir is None else Path(checkpoint_dir)
        if self.checkpoint_dir is not None and self.checkpoint_dir.exists() and not self.checkpoint_dir.is_dir():
            raise ValueError(f"checkpoint_dir: found the file {str(checkpoint_dir)!r}, expected a folder")

    def resolve(self, inputs: Inputs) -> ResolvedInput:
        """Columns and images of an input, all columns main but the reddening; the target is refused."""
        bands = self.sample.bands if self.sample.images is not None else None
        return resolve(inputs, self.sample.catalog, errors_as_main=True, target=self.sample.target, bands=bands)

    def config_of(self, resolved: ResolvedInput) -> InformationConfig:
        """Settings of the networks of an input."""
        return self.configs[bool(resolved.images)]

    # What networks read ------------------------------------------------------------------------------------------

    def training_rows(self, seed: int) -> np.ndarray:
        """Rows of the training split that a refit learns from, repeats included."""
        rows = self.rows["train"]
        return np.random.default_rng([seed, 3]).choice(rows, size=len(rows)) if self.resample else rows

    def scaling(self, resolved: ResolvedInput) -> Scaling:
        """Scaling of an input's columns by the training split."""
        training = self.sample.catalog.iloc[self.rows["train"]]
        return fit_scaling(resolved, training, standardise=self.config_of(resolved).standardise)

    def pictures(self, channels: Collection[Channel]) -> Pictures | None:
        """Images in these channels, in the sample's order; read once, and kept where they fit."""
        wanted = self._ordered(channels)
        if not wanted:
            return None
        whole = next((known for known in self._pictures if set(wanted) <= set(known.channels)), None)
        if whole is None:
            config = self.configs[True]
            whole = Pictures.fit(
                self.sample,
                wanted,
                self.rows["train"],
                bin_pixels=config.bin_pixels,
                standardise=config.standardise,
            )
            if whole.gigabytes <= config.image_memory:
                whole = whole.keep(self.device)
            self._pictures.append(whole)
        return whole if whole.channels == wanted else whole.part(wanted)

    def fingerprint(self, channels: Collection[Channel]) -> str:
        """Digest of the images in these channels, taken once."""
        wanted = self._ordered(channels)
        if wanted not in self._fingerprints:
            pictures = self.pictures(wanted)
            self._fingerprints[wanted] = "" if pictures is None else pictures.fingerprint()
        return self._fingerprints[wanted]

    def _ordered(self, channels: Collection[Channel]) -> tuple[Channel, ...]:
        """Channels as `Pictures` have them: those as they are first, each kind by the sample's bands."""
        return tuple(sorted(channels, key=lambda one: (one.normalised, self.sample.bands.index(one.band))))

    def observe(
        self,
        scaling: Scaling,
        catalog: pd.DataFrame,
        base: np.ndarray,
        pictures: Pictures | None,
        subsets: Sequence[ResolvedInput] | None = None,
    ) -> Observations:
        """Everything networks read of all galaxies, on the device."""
        features = scale_features(scaling, catalog)
        n_columns, made = len(scaling.columns), None
        if subsets is not None:
            columns = np.concatenate([features.main, features.extra], axis=1)[self.rows["train"], :n_columns]
            made = make_subsets(
                [(channels_of(one), one.columns) for one in subsets],
                () if pictures is None else pictures.channels,
                scaling.columns,
                scaling.flagged,
                columns,
                self.device,
            )
        return Observations.of(
            features, self.label, base, self.device, n_columns=n_columns, pictures=pictures, subsets=made
        )

    # Networks ----------------------------------------------------------------------------------------------------

    def ensemble(
        self,
        data: Observations,
        config: InformationConfig,
        seed: int,
        *,
        n_members: int = 1,
        zero_start: bool = True,
    ) -> Ensemble:
        """Untrained networks of a seed."""
        torch.manual_seed(seed)
        training = None
        n_whitened = data.size.n_main if data.pictures is None else data.size.n_columns
        if config.whiten and n_whitened:
            training = data.columns[torch.from_numpy(self.rows["train"]).to(self.device), :n_whitened].cpu()
        return Ensemble(
            [
                information_network(data.size, self.prior, config, training=training, zero_start=zero_start)
                for _ in range(n_members)
            ]
        )

    def fit(
        self,
        ensemble: Ensemble,
        data: Observations,
        training: Sequence[np.ndarray],
        config: InformationConfig,
        seed: int,
        name: str,
        strengths: Sequence[float] = (1.0,),
    ) -> int:
        """Train; return the step that was kept."""
        record = fit_ensemble(
            self.fabrics[data.pictures is not None],
            ensemble,
            data,
            training,
            self.rows["validation"],
            config,
            seed=seed,
            name=name,
            strengths=strengths,
        )
        return int(record["best_step"])

    def predictions(
        self, ensemble: Ensemble, data: Observations, config: InformationConfig, subset: int | None = None
    ) -> dict[str, np.ndarray]:
        """Log-probabilities of all bins for the validation and the test galaxies."""
        return {
            part: log_probabilities(ensemble, data, self.rows[part], subset, orientations=config.orientations)
            for part in HELD_OUT
        }

    def calibration(self, log_probability: np.ndarray, part: str) -> Calibration:
        """Calibration by one part of the split; none where it is switched off."""
        if not self.configs[False].calibrate:
            return Calibration()
        return calibrate(log_probability, self.label[self.rows[part]], self.prior)

    def calibrated(self, log_probability: dict[str, np.ndarray], best_step: int) -> Fit:
        """Fit whose validation and test predictions are calibrated on the validation split.

        Out-of-fold predictions come from single networks and get a calibration of their own.
        """
        calibration = self.calibration(log_probability["validation"], "validation")
        own = {part: calibration for part in log_probability}
        if "train" in log_probability:
            own["train"] = self.calibration(log_probability["train"], "train")
        calibrated = {part: own[part].apply(values, self.prior) for part, values in log_probability.items()}
        return Fit(calibrated, calibration, best_step)

    # Estimators --------------------------------------------------------------------------------------------------

    def separate(self, inputs: Inputs, seed: int) -> Fit:
        """One network from scratch (paper)."""
        resolved = self.resolve(inputs)
        config = self.config_of(resolved)

        def fit() -> Fit:
            nothing = np.zeros((1, self.bins.count))
            data = self.observe(self.scaling(resolved), self.sample.catalog, nothing, self._images_of(resolved))
            network = self.ensemble(data, config, seed, zero_start=False)
            best_step = self.fit(network, data, [self.training_rows(seed)], config, seed, resolved.name)
            return self.calibrated(self.predictions(network, data, config), best_step)

        return self.remembered(("separate", resolved, seed), config, contents(resolved), fit)

    def part(self, inputs: Inputs, seed: int) -> Fit:
        """Fold networks of a part, each starting from the prior (ours).

        Training galaxies are predicted by the network that did not see them, the others by the mean of all
        networks' log-probabilities.
        """
        resolved = self.resolve(inputs)
        config = self.config_of(resolved)
        if config.n_folds > len(self.rows["train"]):
            raise ValueError(
                f"n_folds: found {config.n_folds} for {len(self.rows['train'])} training galaxies, "
                "expected no more folds than galaxies"
            )

        def fit() -> Fit:
            rows, own, n_folds = self.training_rows(seed), self.rows["train"], config.n_folds
            prior = np.log(self.prior)[None]
            data = self.observe(self.scaling(resolved), self.sample.catalog, prior, self._images_of(resolved))
            # Folds are drawn for galaxies, not rows, so that repeats of a galaxy stay on one side.
            fold = np.full(len(self.sample), -1)
            fold[own] = np.random.default_rng([seed, 4]).permutation(len(own)) % n_folds
            networks = self.ensemble(data, config, seed, n_members=n_folds)
            training = [rows[fold[rows] != k] for k in range(n_folds)]
            best_step = self.fit(networks, data, training, config, seed, resolved.name)
            found = self.predictions(networks, data, config)
            found["train"] = np.empty((len(own), self.bins.count), dtype=np.float32)
            for k, network in enumerate(networks.members):
                unseen = fold[own] == k
                alone = Ensemble([network])
                found["train"][unseen] = log_probabilities(alone, data, own[unseen], orientations=config.orientations)
            return replace(self.calibrated(found, best_step), image_encoders=_image_encoders(networks))

        return self.remembered(("part", resolved, seed), config, contents(resolved), fit)

    def union(self, base: Inputs, union: Inputs, seed: int, *, placebo: bool = False) -> Fit:
        """Corrections, of zero at the start, to the part's predictions, from the inputs of the union (ours).

        What reads images starts from where it stood in a part that reads the same: a correction is a faint signal, and
        few galaxies do not teach a network to see from it alone. With `placebo`, what the union adds to its base is
        exchanged between galaxies within each part of the split.
        """
        resolved_base, resolved = self.resolve(base), self.resolve(union)
        config, known = self.config_of(resolved), contents(resolved_base)
        if not known < contents(resolved):
            raise ValueError(
                f"base: found {base!r} for {resolved.name!r}, expected a part of it: some of its columns, not all"
            )
        start = self.part(base, seed)
        encoders = self._trained_encoders(base, union, seed)

        def fit() -> Fit:
            catalog, pictures, rows = self.sample.catalog, self._images_of(resolved), self.training_rows(seed)
            if placebo:
                order = exchange_order(len(self.sample), list(self.rows.values()), seed)
                added = [column for column in resolved.columns if column not in known]
                catalog = catalog.assign(**{column: catalog[column].to_numpy()[order] for column in added})
                channels = [channel for channel in channels_of(resolved) if channel not in known]
                pictures = None if pictures is None else pictures.exchange(order, channels)
            expected = np.zeros((len(self.sample), self.bins.count), dtype=np.float32)
            for part, values in start.log_probability.items():
                expected[self.rows[part]] = values
            data = self.observe(self.scaling(resolved), catalog, expected, pictures)
            corrections = self.ensemble(data, config, seed, n_members=config.n_corrections)
            for i, network in enumerate(corrections.members if encoders else ()):
                encoder, weights = image_encoder(network), encoders[i % len(encoders)]
                assert encoder is not None
                encoder.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
            training = [rows] * config.n_corrections
            rate = config.learning_rate * (config.warm_start_factor if encoders else 1.0)
            own = replace(config, learning_rate=rate)
            best_step = self.fit(corrections, data, training, own, seed, resolved.name, STRENGTHS)
            return self.calibrated(self.predictions(corrections, data, config), best_step)

        key = ("union", resolved_base, resolved, seed, placebo, self.config_of(resolved_base))
        return self.remembered(key, config, contents(resolved), fit)

    def _trained_encoders(self, base: Inputs, union: Inputs, seed: int) -> tuple[dict[str, np.ndarray], ...]:
        """Image encoders of a part with the union's images: of the base or, where that has others, of images alone."""
        channels = channels_of(self.resolve(union))
        if not channels or self.configs[True].fusion != "late":
            return ()
        if channels_of(self.resolve(base)) == channels:
            return self.part(base, seed).image_encoders
        images = "+".join(name for name in parse(union) if INPUTS[name].images)
        return self.part(images, seed).image_encoders

    def amortised(self, subsets: Sequence[Inputs], seed: int) -> list[Fit]:
        """One network for all subsets with images, and one for all without (ours).

        In training each galaxy of a batch is shown one of them, drawn at random.
        """
        resolved = [self.resolve(inputs) for inputs in subsets]
        fits: dict[int, Fit] = {}
        for images in (False, True):
            places = [i for i, one in enumerate(resolved) if bool(one.images) is images]
            # The same inputs asked for in another order are the same network.
            places.sort(key=lambda i: (resolved[i].name, resolved[i].columns))
            if places:
                own = self._amortised([resolved[i] for i in places], self.configs[images], seed)
                fits |= dict(zip(places, own, strict=True))
        return [fits[i] for i in range(len(resolved))]

    def _amortised(self, resolved: Sequence[ResolvedInput], config: InformationConfig, seed: int) -> list[Fit]:
        whole = _merge(resolved)
        channels = {channel for one in resolved for channel in channels_of(one)}

        def fit() -> list[Fit]:
            training = self.sample.catalog.iloc[self.rows["train"]]
            scaling = fit_scaling(whole, training, standardise=config.standardise)
            prior = np.log(self.prior)[None]
            data = self.observe(scaling, self.sample.catalog, prior, self.pictures(channels), resolved)
            network = self.ensemble(data, config, seed)
            best_step = self.fit(network, data, [self.training_rows(seed)], config, seed, f"subsets of {whole.name}")
            return [
                self.calibrated(self.predictions(network, data, config, i), best_step) for i in range(len(resolved))
            ]

        everything = frozenset().union(*(contents(one) for one in resolved))
        return self.remembered(("amortised", tuple(resolved), seed), config, everything, fit)

    def _images_of(self, resolved: ResolvedInput) -> Pictures | None:
        return self.pictures(channels_of(resolved))

    # Memory ------------------------------------------------------------------------------------------------------

    def remembered(
        self, key: tuple[Any, ...], config: InformationConfig, read: frozenset[str | Channel], fit: Callable[[], Any]
    ) -> Any:
        """Return `fit()`, or what it gave before for the same key, settings, masses, split, columns and images.

        What an earlier process stored in `checkpoint_dir` counts if the code of the networks and the version of
        torch are also the same. A file that cannot be read counts as absent.
        """
        digest = hashlib.blake2b(digest_size=16)
        columns = sorted(name for name in read if isinstance(name, str))
        values = (column_values(self.sample.catalog, column) for column in columns)
        for array in (self.label, *self.rows.values(), *values):
            digest.update(np.ascontiguousarray(array).tobytes())
        images = self.fingerprint([name for name in read if isinstance(name, Channel)])
        key = (*key, config, self.resample, digest.hexdigest(), *([images] if images else []))
        if key not in self.reuse:
            self.reuse[key] = self._restored(key, fit)
        return self.reuse[key]

    def _restored(self, key: tuple[Any, ...], fit: Callable[[], Any]) -> Any:
        """Return what `checkpoint_dir` holds under `key`, or `fit()`, which is stored there."""
        if self.checkpoint_dir is None:
            return fit()
        code = [library_fingerprint(room) for room in ("information", "contrastive")]
        # The key's parts are names, numbers and dataclasses of them: their text says all.
        whole = repr((key, self.bins, str(self.device), code, torch.__version__))
        file = self.checkpoint_dir / f"information-{hashlib.sha256(whole.encode()).hexdigest()[:32]}.npz"
        fitted = load_fits(file)
        if fitted is None:
            fitted = fit()
            store_fits(file, fitted)
        return fitted

    def described(self, resolved: ResolvedInput) -> dict[str, Any]:
        """Settings of an input's networks, for a record."""
        own = asdict(replace(self.config_of(resolved), n_bins=self.bins.count))
        return {"resampled": self.resample, **{key: value for key, value in own.items() if key != "resample"}}


def _image_encoders(networks: Ensemble) -> tuple[dict[str, np.ndarray], ...]:
    """Weights of what reads images alone in each network; none where columns join early, or there are no columns."""
    found = [image_encoder(network) for network in networks.members]
    return tuple(
        {name: values.detach().cpu().numpy().copy() for name, values in encoder.state_dict().items()}
        for encoder in found
        if encoder is not None
    )


def _merge(resolved: Sequence[ResolvedInput]) -> ResolvedInput:
    """Union of the columns of resolved inputs; one that is main anywhere is main, beside images none is."""
    images = any(one.images for one in resolved)
    main = () if images else tuple(dict.fromkeys(column for inputs in resolved for column in inputs.main))
    extra = tuple(dict.fromkeys(column for inputs in resolved for column in inputs.columns if column not in main))
    errors = tuple(dict.fromkeys(column for inputs in resolved for column in inputs.errors))
    name = max((inputs.name for inputs in resolved), key=len)
    return ResolvedInput(name, name, main, extra, errors)


def exchange_order(n_galaxies: int, parts: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """The galaxy whose values each one gets, drawn within its own part of the split.

    Parameters
    ----------
    n_galaxies : int
    parts : sequence of int arrays
        Row numbers of each part.
    seed : int

    Returns
    -------
    int array [n_galaxies]
    """
    order = np.arange(n_galaxies)
    rng = np.random.default_rng([seed, 6])
    for rows in parts:
        order[rows] = rng.permutation(rows)
    return order
