"""Estimates of the information that an input carries on stellar mass (paper).

``separate`` trains one network per input, as published. ``nested`` starts a network from what is known
without it: a part from the prior, a union from its part's out-of-fold predictions. ``amortised`` asks one
network about every subset.

No test galaxy is looked at until everything is chosen: inputs are scaled and the prior counted on the training
split; early stopping and calibration use the validation split, but that out-of-fold predictions are calibrated on
the training galaxies they are of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from scipy.special import logsumexp

from ..checks import is_whole
from ..contrastive.calibration import Calibration
from ..inputs import parse
from ..progress import progress_bar
from ..runs import config_from, profile_settings
from .checkpoints import Fit
from .config import InformationConfig
from .intervals import interval_of_mean
from .laboratory import FEWEST, HELD_OUT, Inputs, Laboratory, contents

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["ESTIMATORS", "InformationEstimate", "estimate_information", "estimate_inputs", "information_configs"]

ESTIMATORS = ("nested", "separate", "amortised")
Key = TypeVar("Key")


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

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95% interval of `mean`: bootstrap over held-out galaxies, and the spread of refits if there are several."""
        held_out = ~np.isnan(self.pointwise)
        refits = self.repeats[:, held_out].mean(axis=1)
        return interval_of_mean(self.pointwise[held_out], refits, seed=self.settings["seeds"][0])

    @property
    def seed_means(self) -> np.ndarray:
        """Mean of each refit, nats, [n_seeds]."""
        return np.nanmean(self.repeats, axis=1)


def averaged(laboratory: Laboratory, fits: Sequence[Fit]) -> tuple[dict[str, np.ndarray], Calibration]:
    """Log-probabilities of the refits' mean, float64 [n_galaxies, n_bins] by held-out part, and its calibration."""
    stacked = {part: np.stack([fit.log_probability[part] for fit in fits]).astype(np.float64) for part in HELD_OUT}
    mean = {part: logsumexp(values, axis=0) - np.log(len(fits)) for part, values in stacked.items()}
    if len(fits) == 1:
        return mean, fits[0].calibration
    # The mean of several predictions is less sure of itself than each: it is calibrated again.
    calibration = laboratory.calibration(mean["validation"], "validation")
    return {
        part: calibration.apply(values, laboratory.prior).astype(np.float64) for part, values in mean.items()
    }, calibration


def make_estimate(
    laboratory: Laboratory, name: str, fits: Sequence[Fit], seeds: Sequence[int], settings: dict[str, Any]
) -> InformationEstimate:
    """Average the refits' probabilities, and compare with the prior on the test split."""
    rows, label = laboratory.rows["test"], laboratory.label[laboratory.rows["test"]]
    mean, calibration = averaged(laboratory, fits)
    each = np.stack([fit.log_probability["test"] for fit in fits])
    own = np.arange(len(rows))
    surprise = -np.log(laboratory.prior[label])
    cross_entropy = -mean["test"][own, label]
    per_seed = surprise + each[:, own, label].astype(np.float64)
    validation_label = laboratory.label[laboratory.rows["validation"]]
    validation_cross_entropy = -mean["validation"][np.arange(len(validation_label)), validation_label].mean()
    probability = np.exp(mean["test"])
    below = np.cumsum(probability, axis=1)[own, label] - probability[own, label]
    uniform = np.random.default_rng([seeds[0], 5]).random(len(rows))

    def spread(values: np.ndarray) -> np.ndarray:
        """Values of the test split among NaN for all other galaxies."""
        everywhere = np.full(len(laboratory.sample), np.nan)
        everywhere[rows] = values
        return everywhere

    return InformationEstimate(
        name=name,
        pointwise=spread(surprise - cross_entropy),
        cross_entropy=spread(cross_entropy),
        pit=spread(np.clip(below + uniform * probability[own, label], 0.0, 1.0)),
        predicted_mass=spread(probability @ laboratory.bins.centres),
        validation_cross_entropy=float(validation_cross_entropy),
        temperature=calibration.temperature,
        contamination=calibration.contamination,
        repeats=np.stack([spread(values) for values in per_seed]),
        settings={**settings, "seeds": list(seeds), "best_steps": [fit.best_step for fit in fits]},
    )


def pooled(parts: Sequence[InformationEstimate]) -> InformationEstimate:
    """One estimate from those of a cross-fit, each of its own held-out galaxies."""
    if len(parts) == 1:
        return parts[0]

    def joined(values: Sequence[np.ndarray]) -> np.ndarray:
        """The one number that is not NaN of each galaxy."""
        stacked = np.stack(values)
        known = ~np.isnan(stacked)
        return np.where(known.any(axis=0), np.where(known, stacked, 0.0).sum(axis=0), np.nan)

    first, own = parts[0], {}
    for name in ("pointwise", "cross_entropy", "pit", "predicted_mass", "repeats"):
        own[name] = joined([getattr(part, name) for part in parts])
    best_steps = [step for part in parts for step in part.settings["best_steps"]]

    def average(name: str) -> float:
        return float(np.mean([getattr(part, name) for part in parts]))

    return InformationEstimate(
        name=first.name,
        validation_cross_entropy=average("validation_cross_entropy"),
        temperature=average("temperature"),
        contamination=average("contamination"),
        settings={**first.settings, "best_steps": best_steps},
        **own,
    )


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


@dataclass(frozen=True)
class Session:
    """What a call was told, checked; and its laboratories: one, or one for each fold of a cross-fit.

    Attributes
    ----------
    estimator : str
    seeds : tuple of int
    laboratories : tuple of Laboratory
    """

    estimator: str
    seeds: tuple[int, ...]
    laboratories: tuple[Laboratory, ...]

    def settings(self, laboratory: Laboratory, inputs: Inputs) -> dict[str, Any]:
        """What an estimate of this input records."""
        described = laboratory.described(laboratory.resolve(inputs))
        return {"estimator": self.estimator, "cross_fit": len(self.laboratories), **described}

    def base_of(self, inputs: Inputs, base: Inputs | None) -> Inputs | None:
        """What a nested union starts from: as told, or the first of its named parts that does not hold the others."""
        if base is not None and self.estimator != "nested":
            raise ValueError(
                f"base: found {base!r} with estimator {self.estimator!r}, expected a base for 'nested' alone"
            )
        if base is not None or self.estimator != "nested":
            return base
        first = self.laboratories[0]
        whole = contents(first.resolve(inputs))
        return next((part for part in parts_of(inputs) if contents(first.resolve(part)) < whole), None)

    def fit(self, laboratory: Laboratory, inputs: Inputs, base: Inputs | None, seed: int) -> Fit:
        """One refit of an input."""
        if self.estimator == "separate":
            return laboratory.separate(inputs, seed)
        if self.estimator == "amortised":
            return laboratory.amortised(subsets_of(inputs), seed)[-1]
        return laboratory.part(inputs, seed) if base is None else laboratory.union(base, inputs, seed)


def information_configs(profile: str, estimator: str, **overrides: Any) -> tuple[InformationConfig, InformationConfig]:
    """Settings of the networks of columns alone and of those with images, of a profile and an estimator.

    What the block ``information_images`` leaves out is as for columns. One network of columns for many inputs learns
    as much as one for each from more galaxies and less decay: it has a block of its own, ``information_amortised``.

    Raises
    ------
    ValueError
        If a setting is unknown or out of range, or what has to be common differs between columns and images.
    """
    settings = profile_settings(profile)
    of_columns = settings["information"]
    of_images = {**of_columns, **settings.get("information_images", {})}
    if estimator == "amortised":
        of_columns = {**of_columns, **settings.get("information_amortised", {})}
    config, image_config = (config_from(InformationConfig, own, **overrides) for own in (of_columns, of_images))
    for name in ("n_bins", "prior", "smoothing", "calibrate"):
        found = getattr(config, name), getattr(image_config, name)
        if found[0] != found[1]:
            raise ValueError(
                f"profile: {profile!r} has {name} {found[0]!r} for columns and {found[1]!r} for images, expected the "
                "same: all inputs are compared with one prior"
            )
    return config, image_config


def open_session(
    sample: Sample,
    *,
    estimator: str,
    profile: str,
    seeds: Iterable[int],
    device: str,
    cross_fit: int,
    reuse: dict[Any, Any] | None,
    checkpoint_dir: str | Path | None,
    overrides: dict[str, Any],
) -> Session:
    """Check what every estimate is told, and set up the laboratories."""
    seeds = checked_seeds(seeds)
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator: found {estimator!r}, expected one of {', '.join(ESTIMATORS)}")
    config, image_config = information_configs(profile, estimator, **overrides)
    laboratories = [
        Laboratory(
            sample,
            config,
            image_config=image_config,
            device=device,
            resample=config.resample and len(seeds) > 1,
            reuse=reuse,
            checkpoint_dir=checkpoint_dir,
            rows=rows,
        )
        for rows in (cross_fit_rows(sample, cross_fit) if cross_fit != 1 else [None])
    ]
    return Session(estimator, seeds, tuple(laboratories))


def cross_fit_rows(sample: Sample, n_folds: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Rows of training, validation and test galaxies by which each galaxy is held out once (ours).

    Of the galaxies outside a fold as large a share validates as in the sample's own split.

    Raises
    ------
    ValueError
        If `n_folds` is no whole number from 2, or more than a tenth of the galaxies.
    """
    n_galaxies = len(sample)
    largest = n_galaxies // (2 * FEWEST["test"])
    if not is_whole(n_folds) or not 2 <= n_folds <= largest:
        raise ValueError(f"cross_fit: found {n_folds!r}, expected 1, or from 2 to {largest} folds")
    order = np.random.default_rng([seed, 12]).permutation(n_galaxies)
    validating = len(sample.rows("validation")) / (len(sample.rows("validation")) + len(sample.rows("train")))
    parts = []
    for fold in np.array_split(order, n_folds):
        others = order[~np.isin(order, fold)]
        n_validation = max(FEWEST["validation"], round(validating * len(others)))
        rows = {"train": others[n_validation:], "validation": others[:n_validation], "test": fold}
        parts.append({part: np.sort(own) for part, own in rows.items()})
    return parts


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
    cross_fit: int = 1,
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
    cross_fit : int, default 1
        1 measures on the test split (paper). With more folds every galaxy is held out once, from networks that the
        others trained, and the sample's split is not used (ours): narrower intervals, for as many times the work.
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
    session = open_session(
        sample,
        estimator=estimator,
        profile=profile,
        seeds=seeds,
        device=device,
        cross_fit=cross_fit,
        reuse=reuse,
        checkpoint_dir=checkpoint_dir,
        overrides=overrides,
    )
    base = session.base_of(inputs, base)
    resolved = session.laboratories[0].resolve(inputs)
    estimates = []
    n_fits = len(session.seeds) * len(session.laboratories)
    with progress_bar(n_fits, f"information of {resolved.name}", unit="refit") as bar:
        for laboratory in session.laboratories:
            fits = []
            for seed in session.seeds:
                fits.append(session.fit(laboratory, inputs, base, seed))
                bar.update()
            settings = session.settings(laboratory, inputs)
            estimates.append(make_estimate(laboratory, resolved.name, fits, session.seeds, settings))
    return pooled(estimates)


def estimate_inputs(
    sample: Sample,
    inputs: Mapping[str, Inputs],
    *,
    estimator: str = "amortised",
    profile: str = "book",
    seeds: Sequence[int] = (0,),
    device: str = "auto",
    cross_fit: int = 1,
    reuse: dict[Any, Any] | None = None,
    checkpoint_dir: str | Path | None = None,
    **overrides: Any,
) -> dict[str, InformationEstimate]:
    """Estimate what each of many inputs tells about stellar mass, every distinct one once.

    Parameters
    ----------
    sample : Sample
    inputs : mapping of str to input
        By the caller's own keys; each as in `estimate_information`.
    estimator : {"amortised", "separate", "nested"}
        "amortised" trains one network for all inputs of columns and one for all with images (ours), "separate" one
        for each input (paper), "nested" the fold networks of each (ours), as for a part.
    profile, seeds, device, cross_fit, reuse, checkpoint_dir, **overrides
        As in `estimate_information`.

    Returns
    -------
    dict of str to InformationEstimate
        By the same keys, in the same order.

    Raises
    ------
    ValueError
        As `estimate_information`; and if there is no input.
    """
    if not inputs:
        raise ValueError("inputs: found none, expected at least one")
    session = open_session(
        sample,
        estimator=estimator,
        profile=profile,
        seeds=seeds,
        device=device,
        cross_fit=cross_fit,
        reuse=reuse,
        checkpoint_dir=checkpoint_dir,
        overrides=overrides,
    )
    return estimate_distinct(session, inputs)


def estimate_distinct(session: Session, inputs: Mapping[Key, Inputs]) -> dict[Key, InformationEstimate]:
    """Estimate each distinct input once, all alone or in amortised networks; by the keys of `inputs`."""
    resolved = {key: session.laboratories[0].resolve(one) for key, one in inputs.items()}
    distinct: dict[frozenset[Any], Inputs] = {}
    for key, one in inputs.items():
        distinct.setdefault(contents(resolved[key]), one)
    wanted = list(distinct.values())
    estimates: dict[frozenset[Any], list[InformationEstimate]] = {own: [] for own in distinct}
    n_fits = len(session.laboratories) * len(session.seeds) * (1 if session.estimator == "amortised" else len(wanted))
    with progress_bar(n_fits, f"information of {len(wanted)} inputs, {session.estimator}", unit="fit") as bar:
        for laboratory in session.laboratories:
            refits: list[list[Fit]] = []
            for seed in session.seeds:
                if session.estimator == "amortised":
                    refits.append(laboratory.amortised(wanted, seed))
                    bar.update()
                    continue
                fit = laboratory.separate if session.estimator == "separate" else laboratory.part
                refits.append([])
                for one in wanted:
                    refits[-1].append(fit(one, seed))
                    bar.update()
            for own, one, *fits in zip(distinct, wanted, *refits, strict=True):
                name, settings = laboratory.resolve(one).name, session.settings(laboratory, one)
                estimates[own].append(make_estimate(laboratory, name, fits, session.seeds, settings))
    found = {own: pooled(parts) for own, parts in estimates.items()}
    return {key: found[contents(one)] for key, one in resolved.items()}


def subsets_of(inputs: Inputs) -> list[Inputs]:
    """Non-empty subsets of an input's named parts, the whole last; a list of columns is a whole."""
    parts = parts_of(inputs)
    if not parts:
        return [inputs]
    chosen = [[part for i, part in enumerate(parts) if code >> i & 1] for code in range(1, 2 ** len(parts))]
    return ["+".join(subset) for subset in chosen]
