"""Estimates of the information that an input carries on stellar mass (paper).

``separate`` trains one network per input, as published. ``nested`` starts a network from what is known
without it: a part from the prior, a union from its part's out-of-fold predictions. ``amortised`` asks one
network about every subset.

No test galaxy is looked at until everything is chosen: inputs are scaled and the prior counted on the training
split; early stopping and calibration use the validation split, but that out-of-fold predictions are calibrated on
the training galaxies they are of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from scipy.special import logsumexp
from scipy.stats import t as student_t

from ..checks import is_whole
from ..contrastive.bins import MassBins, default_n_bins
from ..contrastive.calibration import Calibration, calibrate
from ..contrastive.devices import make_fabric
from ..contrastive.features import Features, Scaling, column_values, fit_scaling, scale_features
from ..inputs import ResolvedInput, parse, resolve
from ..progress import progress_bar
from ..runs import config_from, library_fingerprint, profile_settings
from .checkpoints import Fit, load_fits, store_fits
from .entropy import mass_prior
from .fitting import (
    Ensemble,
    InformationConfig,
    LabelledInputs,
    fit_ensemble,
    information_network,
    log_probabilities,
)

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["ESTIMATORS", "InformationEstimate", "estimate_information"]

ESTIMATORS = ("nested", "separate", "amortised")
PARTS = ("train", "validation", "test")
HELD_OUT = ("validation", "test")
INTERVAL = (2.5, 97.5)  # per cent
STRENGTHS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)  # of a correction
FEWEST = {"train": 40, "validation": 10, "test": 5}

Inputs = str | Sequence[str]


@dataclass(frozen=True)
class InformationEstimate:
    """What one input tells about stellar mass, measured on held-out galaxies.

    Attributes
    ----------
    name : str
        The input.
    pointwise : float64 array [n_galaxies]
        Information on each galaxy's mass, nats; NaN where it was not held out, that is outside the test
        split.
    cross_entropy : float64 array [n_galaxies]
        -ln of the probability given to its bin, nats; NaN likewise.
    interval : tuple of float
        95% interval of the mean: bootstrap over held-out galaxies, and the spread of refits where there are
        several.
    pit : float64 array [n_galaxies]
        Predictive distribution function at the mass, at random within the bin; uniform when calibrated; NaN
        likewise.
    predicted_mass : float64 array [n_galaxies]
        Mean of the predictive distribution, log10 of solar masses; NaN likewise.
    validation_cross_entropy : float
        Nats; what choices between networks may be made by.
    temperature : float
        Of the calibration; of the refits' mean where there are several, after each has had its own.
    contamination : float
        Of the calibration: the share of the prior mixed in.
    repeats : float64 array [n_seeds, n_galaxies]
        `pointwise` of each refit alone.
    settings : dict
        Estimator, seeds and all that was set; `best_steps`, the step that each refit kept: 0 where no
        training helped.
    """

    name: str
    pointwise: np.ndarray
    cross_entropy: np.ndarray
    interval: tuple[float, float]
    pit: np.ndarray
    predicted_mass: np.ndarray
    validation_cross_entropy: float
    temperature: float
    contamination: float
    repeats: np.ndarray
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        """Mean of `pointwise` over the held-out galaxies, nats: a lower bound of the information."""
        return float(np.nanmean(self.pointwise))

    @property
    def seed_means(self) -> np.ndarray:
        """Mean of each refit, nats, [n_seeds]."""
        return np.nanmean(self.repeats, axis=1)


class Laboratory:
    """One sample with one configuration: fits networks, and remembers the fits.

    Parameters
    ----------
    sample : Sample
    config : InformationConfig
    device : str
    resample : bool
        Whether each seed trains on its own bootstrap sample of the training split.
    reuse : dict, optional
        Fits by what made them; kept by the caller to fit nothing twice.
    checkpoint_dir : path, optional
        Folder that keeps every finished fit for later processes.
    """

    def __init__(
        self,
        sample: Sample,
        config: InformationConfig,
        *,
        device: str,
        resample: bool,
        reuse: dict[Any, Any] | None,
        checkpoint_dir: str | Path | None = None,
    ) -> None:
        self.sample, self.config, self.resample = sample, config, resample
        self.rows = {part: sample.rows(part) for part in PARTS}
        for part, fewest in FEWEST.items():
            if len(self.rows[part]) < fewest:
                raise ValueError(f"sample: found {len(self.rows[part])} {part} galaxies, expected at least {fewest}")
        self.fabric = make_fabric(device, config.precision)
        self.bins = MassBins(config.n_bins or default_n_bins(len(self.rows["train"])))
        self.label = self.bins.labels(sample.mass)
        self.prior = mass_prior(
            sample.mass[self.rows["train"]],
            self.bins.count,
            (self.bins.low, self.bins.high),
            smoothing=config.smoothing,
        )
        self.reuse: dict[Any, Any] = {} if reuse is None else reuse
        self.checkpoint_dir = None if checkpoint_dir is None else Path(checkpoint_dir)
        if self.checkpoint_dir is not None and self.checkpoint_dir.exists() and not self.checkpoint_dir.is_dir():
            raise ValueError(f"checkpoint_dir: found the file {str(checkpoint_dir)!r}, expected a folder")

    def resolve(self, inputs: Inputs) -> ResolvedInput:
        """Columns of an input, all main but the reddening; the target is refused."""
        return resolve(inputs, self.sample.catalog, errors_as_main=True, target=self.sample.target)

    def remembered(self, key: tuple[Any, ...], catalog: pd.DataFrame, columns: Sequence[str], fit: Any) -> Any:
        """Return `fit()`, or what it gave before for the same key, settings, masses, split and columns.

        What an earlier process stored in `checkpoint_dir` counts if the code of the networks and the version of
        torch are also the same. A file that cannot be read counts as absent.
        """
        digest = hashlib.blake2b(digest_size=16)
        for values in (self.label, *self.rows.values(), *(column_values(catalog, column) for column in columns)):
            digest.update(np.ascontiguousarray(values).tobytes())
        key = (*key, self.config, self.resample, digest.hexdigest())
        if key not in self.reuse:
            self.reuse[key] = self._restored(key, fit)
        return self.reuse[key]

    def _restored(self, key: tuple[Any, ...], fit: Any) -> Any:
        """Return what `checkpoint_dir` holds under `key`, or `fit()`, which is stored there."""
        if self.checkpoint_dir is None:
            return fit()
        code = [library_fingerprint(room) for room in ("information", "contrastive")]
        # The key's parts are names, numbers and dataclasses of them: their text says all.
        whole = repr((key, self.bins, str(self.fabric.device), code, torch.__version__))
        file = self.checkpoint_dir / f"information-{hashlib.sha256(whole.encode()).hexdigest()[:32]}.npz"
        fitted = load_fits(file)
        if fitted is None:
            fitted = fit()
            store_fits(file, fitted)
        return fitted

    def training_rows(self, seed: int) -> np.ndarray:
        """Rows of the training split that a refit learns from, repeats included."""
        rows = self.rows["train"]
        return np.random.default_rng([seed, 3]).choice(rows, size=len(rows)) if self.resample else rows

    def features(self, resolved: ResolvedInput, catalog: pd.DataFrame) -> tuple[Scaling, Features]:
        """Scale the inputs of all galaxies by the training split."""
        scaling = fit_scaling(resolved, catalog.iloc[self.rows["train"]], standardise=self.config.standardise)
        return scaling, scale_features(scaling, catalog)

    def data(self, features: Features, rows: np.ndarray, base: np.ndarray) -> LabelledInputs:
        """Put some galaxies on the device."""
        return LabelledInputs.of(features.main[rows], features.extra[rows], base, self.label[rows], self.fabric.device)

    def ensemble(
        self, scaling: Scaling, seed: int, *, n_members: int = 1, n_flags: int = 0, zero_start: bool = True
    ) -> Ensemble:
        """Untrained networks of a seed."""
        torch.manual_seed(seed)
        sizes = scaling.n_main, scaling.n_extra + n_flags, self.bins.count
        return Ensemble([information_network(*sizes, self.config, zero_start=zero_start) for _ in range(n_members)])

    def fit(
        self,
        ensemble: Ensemble,
        training: Sequence[LabelledInputs],
        validation: LabelledInputs,
        seed: int,
        name: str,
        strengths: Sequence[float] = (1.0,),
    ) -> int:
        """Train; return the step that was kept."""
        record = fit_ensemble(
            self.fabric,
            ensemble,
            training,
            validation,
            self.config,
            seed=seed,
            name=name,
            strengths=strengths,
        )
        return int(record["best_step"])

    def calibration(self, log_probability: np.ndarray, part: str) -> Calibration:
        """Calibration by one part of the split; none where it is switched off."""
        if not self.config.calibrate:
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

    def separate(self, inputs: Inputs, seed: int) -> Fit:
        """One network from scratch (paper)."""
        resolved = self.resolve(inputs)

        def fit() -> Fit:
            scaling, features = self.features(resolved, self.sample.catalog)
            nothing = np.zeros((1, self.bins.count))
            network = self.ensemble(scaling, seed, zero_start=False)
            held_out = {part: self.data(features, self.rows[part], nothing) for part in HELD_OUT}
            training = [self.data(features, self.training_rows(seed), nothing)]
            best_step = self.fit(network, training, held_out["validation"], seed, resolved.name)
            return self.calibrated(
                {part: log_probabilities(network, data) for part, data in held_out.items()}, best_step
            )

        return self.remembered(("separate", resolved, seed), self.sample.catalog, resolved.columns, fit)

    def part(self, inputs: Inputs, seed: int) -> Fit:
        """Fold networks of a part, each starting from the prior (ours).

        Training galaxies are predicted by the network that did not see them, the others by the mean of all
        networks' log-probabilities.
        """
        resolved = self.resolve(inputs)
        if self.config.n_folds > len(self.rows["train"]):
            raise ValueError(
                f"n_folds: found {self.config.n_folds} for {len(self.rows['train'])} training galaxies, "
                "expected no more folds than galaxies"
            )

        def fit() -> Fit:
            rows, own = self.training_rows(seed), self.rows["train"]
            scaling, features = self.features(resolved, self.sample.catalog)
            prior, n_folds = np.log(self.prior)[None], self.config.n_folds
            # Folds are drawn for galaxies, not rows, so that repeats of a galaxy stay on one side.
            fold = np.full(len(self.sample), -1)
            fold[own] = np.random.default_rng([seed, 4]).permutation(len(own)) % n_folds
            networks = self.ensemble(scaling, seed, n_members=n_folds)
            training = [self.data(features, rows[fold[rows] != k], prior) for k in range(n_folds)]
            held_out = {part: self.data(features, self.rows[part], prior) for part in HELD_OUT}
            best_step = self.fit(networks, training, held_out["validation"], seed, resolved.name)
            predictions = {part: log_probabilities(networks, data) for part, data in held_out.items()}
            predictions["train"] = np.empty((len(own), self.bins.count), dtype=np.float32)
            for k, network in enumerate(networks.members):
                unseen = fold[own] == k
                predictions["train"][unseen] = log_probabilities(
                    Ensemble([network]), self.data(features, own[unseen], prior)
                )
            return self.calibrated(predictions, best_step)

        return self.remembered(("part", resolved, seed), self.sample.catalog, resolved.columns, fit)

    def union(self, base: Inputs, union: Inputs, seed: int, *, placebo: bool = False) -> Fit:
        """Corrections, of zero at the start, to the part's predictions, from the inputs of the union (ours).

        With `placebo`, what the union adds to its base is exchanged between galaxies within each part of the
        split.
        """
        resolved_base, resolved = self.resolve(base), self.resolve(union)
        base_columns = resolved_base.columns
        if not set(base_columns) < set(resolved.columns):
            raise ValueError(
                f"base: found {base!r} for {resolved.name!r}, expected a part of it: some of its columns, not all"
            )
        start = self.part(base, seed)

        def fit() -> Fit:
            catalog, rows = self.sample.catalog, self.training_rows(seed)
            if placebo:
                added = [column for column in resolved.columns if column not in base_columns]
                catalog = exchange(catalog, added, list(self.rows.values()), seed)
            scaling, features = self.features(resolved, catalog)
            # Row number in the whole sample -> row of the out-of-fold predictions.
            position = np.full(len(self.sample), -1)
            position[self.rows["train"]] = np.arange(len(self.rows["train"]))
            training = self.data(features, rows, start.log_probability["train"][position[rows]])
            held_out = {part: self.data(features, self.rows[part], start.log_probability[part]) for part in HELD_OUT}
            n_members = self.config.n_folds
            corrections = self.ensemble(scaling, seed, n_members=n_members)
            best_step = self.fit(
                corrections, [training] * n_members, held_out["validation"], seed, resolved.name, STRENGTHS
            )
            return self.calibrated(
                {part: log_probabilities(corrections, data) for part, data in held_out.items()}, best_step
            )

        key = ("union", resolved_base, resolved, seed, placebo)
        return self.remembered(key, self.sample.catalog, resolved.columns, fit)

    def amortised(self, subsets: Sequence[Inputs], seed: int) -> list[Fit]:
        """One network for all `subsets`: each galaxy of a batch is shown one, drawn at random (ours)."""
        resolved = [self.resolve(inputs) for inputs in subsets]
        whole = _merge(resolved)

        def fit() -> list[Fit]:
            scaling, features = self.features(whole, self.sample.catalog)
            shown = scaling.columns + scaling.flagged  # a missing flag is hidden with its column
            kept = np.array([[column in inputs.columns for column in shown] for inputs in resolved], dtype=np.float32)
            masks = torch.from_numpy(kept).to(self.fabric.device)
            prior = np.log(self.prior)[None]

            def masked(rows: np.ndarray) -> LabelledInputs:
                return replace(self.data(features, rows, prior), masks=masks)

            network = self.ensemble(scaling, seed, n_flags=len(shown))
            held_out = {part: masked(self.rows[part]) for part in HELD_OUT}
            training = [masked(self.training_rows(seed))]
            best_step = self.fit(network, training, held_out["validation"], seed, f"subsets of {whole.name}")
            return [
                self.calibrated(
                    {part: log_probabilities(network, data, i) for part, data in held_out.items()}, best_step
                )
                for i in range(len(resolved))
            ]

        return self.remembered(("amortised", tuple(resolved), seed), self.sample.catalog, whole.columns, fit)

    def estimate(self, name: str, fits: Sequence[Fit], seeds: Sequence[int], estimator: str) -> InformationEstimate:
        """Average the refits' probabilities, and compare with the prior on the test split."""
        rows, label = self.rows["test"], self.label[self.rows["test"]]
        everything = {part: np.stack([fit.log_probability[part] for fit in fits]) for part in HELD_OUT}
        mean = {
            part: logsumexp(values.astype(np.float64), axis=0) - np.log(len(fits))
            for part, values in everything.items()
        }
        # The mean of several predictions is less sure of itself than each: it is calibrated again.
        calibration = self.calibration(mean["validation"], "validation") if len(fits) > 1 else fits[0].calibration
        if len(fits) > 1:
            mean = {part: calibration.apply(values, self.prior).astype(np.float64) for part, values in mean.items()}
        own = np.arange(len(rows))
        surprise = -np.log(self.prior[label])
        cross_entropy = -mean["test"][own, label]
        per_seed = surprise + everything["test"][:, own, label].astype(np.float64)
        validation_label = self.label[self.rows["validation"]]
        validation_cross_entropy = -mean["validation"][np.arange(len(validation_label)), validation_label].mean()
        probability = np.exp(mean["test"])
        below = np.cumsum(probability, axis=1)[own, label] - probability[own, label]
        uniform = np.random.default_rng([seeds[0], 5]).random(len(rows))
        return InformationEstimate(
            name=name,
            pointwise=self._spread(surprise - cross_entropy),
            cross_entropy=self._spread(cross_entropy),
            interval=interval_of_mean(surprise - cross_entropy, per_seed.mean(axis=1), seed=seeds[0]),
            pit=self._spread(np.clip(below + uniform * probability[own, label], 0.0, 1.0)),
            predicted_mass=self._spread(probability @ self.bins.centres),
            validation_cross_entropy=float(validation_cross_entropy),
            temperature=calibration.temperature,
            contamination=calibration.contamination,
            repeats=np.stack([self._spread(values) for values in per_seed]),
            settings={
                "estimator": estimator,
                "seeds": list(seeds),
                "n_bins": self.bins.count,
                "resampled": self.resample,
                "best_steps": [fit.best_step for fit in fits],
                **{key: value for key, value in asdict(self.config).items() if key not in ("n_bins", "resample")},
            },
        )

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Values of the test split among NaN for all other galaxies."""
        everywhere = np.full(len(self.sample), np.nan)
        everywhere[self.rows["test"]] = values
        return everywhere


def _merge(resolved: Sequence[ResolvedInput]) -> ResolvedInput:
    """Union of resolved inputs; a column that is main anywhere is main."""
    main = tuple(dict.fromkeys(column for inputs in resolved for column in inputs.main))
    extra = tuple(dict.fromkeys(column for inputs in resolved for column in inputs.extra if column not in main))
    errors = tuple(dict.fromkeys(column for inputs in resolved for column in inputs.errors))
    name = max((inputs.name for inputs in resolved), key=len)
    return ResolvedInput(name, name, main, extra, errors)


def exchange(catalog: pd.DataFrame, columns: Sequence[str], parts: Sequence[np.ndarray], seed: int) -> pd.DataFrame:
    """Exchange `columns`, together, between galaxies of the same part: what they say of the galaxy is lost.

    Parameters
    ----------
    catalog : DataFrame
    columns : sequence of str
    parts : sequence of int arrays
        Row numbers of each part of the split.
    seed : int
    """
    order = np.arange(len(catalog))
    rng = np.random.default_rng([seed, 6])
    for rows in parts:
        order[rows] = rng.permutation(rows)
    return catalog.assign(**{column: catalog[column].to_numpy()[order] for column in columns})


def refit_draws(repeats: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
    """Draws of what refits add to the error of their mean: Student's t, [n_draws, ...] (ours).

    Parameters
    ----------
    repeats : array [n_refits, ...]
        A statistic of each refit alone. A single refit says nothing of its spread, and zeros are drawn.
    n_draws, seed : int
    """
    n_refits = len(repeats)
    if n_refits < 2:
        return np.zeros((n_draws, *repeats.shape[1:]))
    scale = repeats.std(axis=0, ddof=1) / np.sqrt(n_refits)
    draws = student_t.rvs(n_refits - 1, size=n_draws, random_state=np.random.default_rng([seed, 7]))
    return draws.reshape(-1, *[1] * scale.ndim) * scale


def bootstrap_means(values: np.ndarray, n_draws: int, seed: int, block: int = 50) -> np.ndarray:
    """Means of `values` [n_galaxies, ...] over galaxies drawn with replacement, [n_draws, ...]."""
    rng = np.random.default_rng([seed, 8])
    n_galaxies = len(values)
    means = []
    for start in range(0, n_draws, block):
        size = min(block, n_draws - start)
        counts = rng.multinomial(n_galaxies, np.full(n_galaxies, 1 / n_galaxies), size=size)
        means.append(counts @ values.reshape(n_galaxies, -1) / n_galaxies)
    return np.concatenate(means).reshape(n_draws, *values.shape[1:])


def interval_of_mean(
    values: np.ndarray, refit_means: np.ndarray, *, seed: int, n_draws: int = 1000
) -> tuple[float, float]:
    """95% interval of the mean of `values`, over galaxies and refits."""
    draws = bootstrap_means(values, n_draws, seed) + refit_draws(refit_means, n_draws, seed)
    low, high = np.percentile(draws, INTERVAL)
    return float(low), float(high)


def checked_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """Seeds as a tuple, taken from their source once.

    Raises
    ------
    ValueError
        If they are no different whole numbers from 0, or there is none.
    """
    if not isinstance(seeds, Iterable):
        raise ValueError(f"seeds: found {seeds!r}, expected a sequence of whole numbers, such as (0,)")
    found = tuple(seeds)
    whole = all(is_whole(seed) and seed >= 0 for seed in found)
    if not found or not whole or len(set(found)) < len(found):
        raise ValueError(f"seeds: found {found!r}, expected different whole numbers from 0, at least one")
    return tuple(int(seed) for seed in found)


def open_laboratory(
    sample: Sample,
    *,
    estimator: str,
    profile: str,
    seeds: tuple[int, ...],
    device: str,
    reuse: dict[Any, Any] | None,
    checkpoint_dir: str | Path | None,
    overrides: dict[str, Any],
) -> Laboratory:
    """Check what every estimate is told, and set up the laboratory."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator: found {estimator!r}, expected one of {', '.join(ESTIMATORS)}")
    config = config_from(InformationConfig, profile_settings(profile)["information"], **overrides)
    return Laboratory(
        sample,
        config,
        device=device,
        resample=config.resample and len(seeds) > 1,
        reuse=reuse,
        checkpoint_dir=checkpoint_dir,
    )


def parts_of(inputs: Inputs) -> tuple[str, ...]:
    """Named parts of an input; a list of columns is one part."""
    return parse(inputs) if isinstance(inputs, str) else ()


def estimate_information(
    sample: Sample,
    inputs: Inputs,
    *,
    estimator: str = "nested",
    profile: str = "book",
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    base: Inputs | None = None,
    reuse: dict[Any, Any] | None = None,
    checkpoint_dir: str | Path | None = None,
    **overrides: Any,
) -> InformationEstimate:
    """Estimate what an input tells about stellar mass (paper).

    With several seeds each refits on its own bootstrap sample of the training split (unless
    ``resample=False``), and the refits' probabilities are averaged; `repeats` holds each alone. A bootstrap
    sample holds 63% of the galaxies, so the refits know a little less than one network of all of them would:
    the price of an error that counts the training set.

    Parameters
    ----------
    sample : Sample
        Its training split is learned from, its validation split stops and calibrates, its test split is
        measured on.
    inputs : str or sequence of str
        A registered name or union, or a list of catalogue columns; without the target.
    estimator : {"nested", "separate", "amortised"}
        "separate" is published, the others ours. A nested part is an ensemble of fold networks that start
        from the prior; a nested union is a correction to its `base`. "amortised" trains one network on all
        subsets of the named parts.
    profile : str, default "book"
    seeds : sequence of int, default (0,)
    device : str, default "auto"
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    base : str or sequence of str, optional
        What a nested union starts from: some of its columns, not all. Default the first of its named parts that
        does not hold all the others; for a list of columns none, so that it is one part.
    reuse : dict, optional
        Give the same dict to several calls and no network is fitted twice.
    checkpoint_dir : path, optional
        Folder in which every finished fit is stored, so that a killed computation goes on after its last one.
        The same settings, data, code, device, version of torch and seed find their fit again; a file that cannot
        be read is computed again.
    **overrides
        Fields of `InformationConfig` to set instead of the profile's.

    Returns
    -------
    InformationEstimate

    Raises
    ------
    ValueError
        If an input, the estimator, a setting, the profile or the device is unknown, the target is among the
        inputs, a column is not numeric, `base` is no part of the input, the seeds are no different whole numbers,
        `checkpoint_dir` is a file, or a part of the split has too few galaxies.
    """
    seeds = checked_seeds(seeds)
    laboratory = open_laboratory(
        sample,
        estimator=estimator,
        profile=profile,
        seeds=seeds,
        device=device,
        reuse=reuse,
        checkpoint_dir=checkpoint_dir,
        overrides=overrides,
    )
    resolved = laboratory.resolve(inputs)
    name = resolved.name
    if base is not None and estimator != "nested":
        raise ValueError(f"base: found {base!r} with estimator {estimator!r}, expected a base for 'nested' alone")
    if base is None:
        parts = (part for part in parts_of(inputs) if set(laboratory.resolve(part).columns) < set(resolved.columns))
        base = next(parts, None)
    fits = []
    with progress_bar(len(seeds), f"information of {name}", unit="refit") as bar:
        for seed in seeds:
            if estimator == "separate":
                fits.append(laboratory.separate(inputs, seed))
            elif estimator == "amortised":
                fits.append(laboratory.amortised(subsets_of(inputs), seed)[-1])
            elif base is not None:
                fits.append(laboratory.union(base, inputs, seed))
            else:
                fits.append(laboratory.part(inputs, seed))
            bar.update()
    return laboratory.estimate(name, fits, seeds, estimator)


def subsets_of(inputs: Inputs) -> list[Inputs]:
    """Non-empty subsets of an input's named parts, the whole last; a list of columns is a whole."""
    parts = parts_of(inputs)
    if not parts:
        return [inputs]
    chosen = [[part for i, part in enumerate(parts) if code >> i & 1] for code in range(1, 2 ** len(parts))]
    return ["+".join(subset) for subset in chosen]
