"""The training loop: rate, batches, loss, step; validation, checkpoint, and what stops it."""

from __future__ import annotations

import pickle
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..progress import progress_bar
from ..runs import atomic_path
from .bins import MassBins
from .config import ContrastiveConfig, learning_rate
from .data import Galaxies, StoredStamps, Waiting, batches, pair_rows
from .devices import describe_device
from .features import Features
from .images import draw_views
from .losses import Batch, LossTerms, contrastive_loss, supervised_loss
from .networks import ContrastiveNetwork, copy_weights

__all__ = ["Fitted", "Part", "Task", "fit", "judge_convergence"]

OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")


@dataclass(frozen=True)
class Part:
    """Galaxies of one part of the split, before they are on a device."""

    features: Features
    mass: np.ndarray
    stamps: StoredStamps | None = None

    def on(self, device: torch.device, bins: MassBins, image_memory: float) -> Galaxies:
        """These galaxies on a device."""
        return Galaxies.of(self.features, self.mass, bins, device, stamps=self.stamps, image_memory=image_memory)


@dataclass(frozen=True)
class Task:
    """One training, as a process that is to do it needs it.

    Attributes
    ----------
    name : str
        Of the input, for messages.
    network : ContrastiveNetwork
    training, validation : Part
    bins : MassBins
    config : ContrastiveConfig
    seed : int
    checkpoint : Path or None
    """

    name: str
    network: ContrastiveNetwork
    training: Part
    validation: Part
    bins: MassBins
    config: ContrastiveConfig
    seed: int
    checkpoint: Path | None


@dataclass(frozen=True)
class Fitted:
    """What a training ends with.

    Attributes
    ----------
    weights : dict
        Of the network that is kept, on the host.
    history : list of dict
        One per validation.
    best_step : int
        After which the kept weights were reached.
    cost : dict
        ``device``, ``n_devices``, ``precision``, ``seconds`` (validations and checkpoints included),
        ``seconds_per_step``, ``galaxies_per_second``, ``waiting_share`` (of the time, for the training's input),
        ``peak_memory_bytes`` (of the GPU, or of the process).
    """

    weights: dict[str, Tensor]
    history: list[dict[str, float]]
    best_step: int
    cost: dict[str, Any]


class _Objective(nn.Module):
    """The network and its loss as one module, so that Fabric sees a single forward call per step."""

    def __init__(self, network: ContrastiveNetwork, objective: str) -> None:
        super().__init__()
        self.network = network
        self.loss = contrastive_loss if objective == "contrastive" else supervised_loss

    def forward(self, a: Batch, b: Batch) -> LossTerms:
        return self.loss(self.network, a, b)


class _Loop:
    """A training in progress: what a checkpoint holds, and what is needed to go on."""

    def __init__(self, fabric: Any, task: Task) -> None:
        self.fabric, self.task, self.config = fabric, task, task.config
        kept = self.config.image_memory
        if sum(part.stamps.gigabytes for part in (task.training, task.validation) if part.stamps) > kept:
            kept = 0.0
        self.training = task.training.on(fabric.device, task.bins, kept)
        self.validation = task.validation.on(fabric.device, task.bins, kept)
        # A copy: processes that are started together would otherwise move one network that they share.
        self.network = deepcopy(task.network)
        if self.config.objective == "supervised":
            self.network.decoder.requires_grad_(False)
        if task.training.stamps is not None:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        # One kernel for all weights, where Fabric and the device know how.
        scaled = self.config.largest_gradient > 0 and fabric.strategy.precision.precision == "16-mixed"
        optimizer = torch.optim.AdamW(
            [weight for weight in self.network.parameters() if weight.requires_grad],
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=fabric.device.type in ("cpu", "cuda") and not scaled,
        )
        self.objective, self.optimizer = fabric.setup(_Objective(self.network, self.config.objective), optimizer)
        self.step = 0
        self.seconds = 0.0
        self.waiting = Waiting()
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {"step": 0, "cross_entropy": float("inf"), "weights": copy_weights(self.network)}
        self.checkpoint_step = 0
        self._resume()

    def run(self) -> None:
        """Train to the end, or until no better validation has come for long enough."""
        config, parts = self.config, self.config.accumulate
        last = parts * config.steps
        words, hidden = f"{config.objective} training of {self.task.name}", not self.fabric.is_global_zero
        with progress_bar(config.steps, words, done=self.step, hidden=hidden) as bar:
            if self._exhausted():
                return
            finite = torch.ones((), dtype=torch.bool, device=self.fabric.device)
            terms: list[dict[str, Tensor]] = []
            start = time.perf_counter() - self.seconds
            first, training = parts * self.step, self.training
            fetched_batches = batches(training.fetch, self._rows, first, last, self.waiting, ahead=training.streamed)
            for micro_step, (rows, fetched) in enumerate(fetched_batches, first):
                terms.append(self._accumulate(micro_step, rows, fetched))
                if (micro_step + 1) % parts:
                    continue
                self._move()
                self.step += 1
                bar.update()
                finite &= torch.stack([part["loss"] for part in terms]).isfinite().all()
                self.seconds = time.perf_counter() - start
                validated = self.step % config.evaluate_every == 0 or self.step == config.steps
                if validated:
                    self._validate(terms, bool(finite))
                if self.step % config.checkpoint_every == 0 or self._exhausted():
                    if not validated:
                        # What is saved as good gives finite estimates.
                        estimate, _ = evaluate(self.network, self.validation, self.task.bins)
                        self._refuse_unless(bool(finite) and np.isfinite(estimate))
                    self._save()
                terms.clear()
                if self._exhausted():
                    return

    def _rows(self, micro_step: int) -> np.ndarray:
        """Rows of this device's part of A, then of B."""
        step, part = divmod(micro_step, self.config.accumulate)
        sides = pair_rows(step, len(self.training), self.config.batch_size, self.task.seed)
        size = len(sides[0]) // (self.config.accumulate * self.fabric.world_size)
        if size == 0:
            raise ValueError(
                f"sample: its {len(self.training)} training galaxies make no batch for each of "
                f"{self.config.accumulate} parts on {self.fabric.world_size} devices"
            )
        start = (part * self.fabric.world_size + self.fabric.global_rank) * size
        return np.concatenate([side[start : start + size] for side in sides])

    def _accumulate(self, micro_step: int, rows: np.ndarray, fetched: Tensor | None) -> dict[str, Tensor]:
        """Forward and backward pass of one part of a step; the loss and its terms."""
        config, size = self.config, len(rows) // 2
        # Every device and part draws its own views.
        stream = micro_step * self.fabric.world_size + self.fabric.global_rank
        first, further = draw_views(stream, len(rows), self.task.seed)
        views = (first, None if config.objective == "supervised" else further)
        both = self.training.batch(rows, fetched, views)
        complete = (micro_step + 1) % config.accumulate == 0
        with self.fabric.no_backward_sync(self.objective, enabled=not complete and self.fabric.world_size > 1):
            terms = self.objective(*_sides(both, size))
            loss = terms.total(config.reconstruction_weight, config.contrast_weight, config.consistency_weight)
            self.fabric.backward(loss / config.accumulate)
        return {"loss": loss.detach(), **{name: value.detach() for name, value in vars(terms).items()}}

    def _move(self) -> None:
        rate = learning_rate(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.config.largest_gradient:
            self.fabric.clip_gradients(
                self.objective, self.optimizer, max_norm=self.config.largest_gradient, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _validate(self, terms: list[dict[str, Tensor]], finite: bool) -> None:
        cross_entropy, rmse = evaluate(self.network, self.validation, self.task.bins)
        record = {
            "step": self.step,
            "learning_rate": learning_rate(self.step - 1, self.config),
            **{name: float(torch.stack([part[name] for part in terms]).mean()) for name in terms[0]},
            "validation_cross_entropy": cross_entropy,
            "validation_rmse": rmse,
        }
        # All devices go by the first one's numbers, or one might stop where another goes on.
        record = self.fabric.broadcast(record)
        self._refuse_unless(finite and np.isfinite(record["validation_cross_entropy"] + record["loss"]))
        self.history.append(record)
        if record["validation_cross_entropy"] < self.best["cross_entropy"]:
            self.best = {
                "step": self.step,
                "cross_entropy": record["validation_cross_entropy"],
                "weights": copy_weights(self.network),
            }

    def _refuse_unless(self, finite: bool) -> None:
        if not finite:
            raise FloatingPointError(
                f"training of {self.task.name}: the loss is not finite at step {self.step}; lower learning_rate "
                f"(now {self.config.learning_rate:g}). {self.last_checkpoint()}"
            )

    def _exhausted(self) -> bool:
        """Whether the steps are done, or so many validations in a row were no better."""
        if self.step >= self.config.steps:
            return True
        since = [record for record in self.history if record["step"] > self.best["step"]]
        return 0 < self.config.patience <= len(since)

    def last_checkpoint(self) -> str:
        """Where a training that ends badly can be taken up."""
        if self.task.checkpoint is None or not self.checkpoint_step:
            return "There is no checkpoint."
        return f"The last good checkpoint, of step {self.checkpoint_step}, is {self.task.checkpoint}"

    def _save(self) -> None:
        if self.task.checkpoint is None or not self.fabric.is_global_zero:
            return
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "random": _random_state(),
            "step": self.step,
            "history": self.history,
            "best": self.best,
            "seconds": self.seconds,
            "waiting": self.waiting.seconds,
        }
        with atomic_path(self.task.checkpoint) as temporary:
            torch.save(state, temporary)
        self.checkpoint_step = self.step

    def _resume(self) -> None:
        path = self.task.checkpoint
        if path is None or not path.is_file():
            return
        try:
            # By way of the host: the optimiser puts on the device what belongs there.
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
        except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"checkpoint: {path} cannot be read ({error}); remove it to train from the start"
            ) from None
        _set_random_state(state["random"])
        self.step = self.checkpoint_step = state["step"]
        self.history, self.best = state["history"], state["best"]
        self.seconds, self.waiting.seconds = state["seconds"], state["waiting"]

    def fitted(self) -> Fitted:
        """The kept weights, and what they took."""
        kept = self.config.keep == "best"
        weights = self.best["weights"] if kept else self.network.state_dict()
        seen = self.step * len(self._rows(0)) * self.config.accumulate * self.fabric.world_size
        cost = {
            "device": describe_device(self.fabric.device),
            "n_devices": self.fabric.world_size,
            "precision": self.fabric.strategy.precision.precision,
            "seconds": self.seconds,
            "seconds_per_step": self.seconds / max(self.step, 1),
            "galaxies_per_second": seen / max(self.seconds, 1e-9),
            "waiting_share": self.waiting.seconds / max(self.seconds, 1e-9),
            "peak_memory_bytes": _peak_memory(self.fabric.device),
        }
        return Fitted(
            {name: weight.detach().cpu().clone() for name, weight in weights.items()},
            self.history,
            self.best["step"] if kept else self.step,
            cost,
        )


def fit(fabric: Any, task: Task) -> Fitted:
    """Train one network; in each process of `fabric`, the first of which saves and reports.

    Raises
    ------
    FloatingPointError
        If the loss stops being finite, with the step and the last good checkpoint.
    MemoryError
        If the device has no memory left, with what would need less and the last good checkpoint.
    ValueError
        If the checkpoint cannot be read, or there are too few galaxies for the devices and parts.

    Notes
    -----
    A resumed training equals an uninterrupted one on one device; on several, where the encoder draws nothing.
    """
    # What an encoder may draw, such as dropout, is drawn from a stream of this training's own.
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(task.seed + fabric.global_rank)
        loop = None
        try:
            loop = _Loop(fabric, task)
            loop.run()
            return loop.fitted()
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in OUT_OF_MEMORY):
                raise
            raise MemoryError(_out_of_memory(fabric, task, loop)) from error


def _out_of_memory(fabric: Any, task: Task, loop: _Loop | None) -> str:
    """What there was no memory for, and what would need less of it."""
    config = task.config
    where = "before the first step" if loop is None else f"at step {loop.step + 1}"
    saved = "There is no checkpoint." if loop is None else loop.last_checkpoint()
    return (
        f"training of {task.name}: {describe_device(fabric.device)} has no memory left {where}, with "
        f"{config.batch_size} galaxies in each batch; raise accumulate (now {config.accumulate}), or lower batch_size "
        f"or image_memory (now {config.image_memory:g} GB). {saved}"
    )


def evaluate(network: ContrastiveNetwork, galaxies: Galaxies, bins: MassBins, block: int = 512) -> tuple[float, float]:
    """Mean cross-entropy (nats) and RMSE (dex) of a network's estimates, in float32."""
    centres = torch.as_tensor(bins.centres, dtype=torch.float32, device=galaxies.label.device)
    cross_entropy, squares = 0.0, 0.0
    network.eval()
    with torch.no_grad():
        for start in range(0, len(galaxies), block):
            rows = np.arange(start, min(start + block, len(galaxies)))
            batch = galaxies.batch(rows, galaxies.fetch(rows), None)
            logits = network(batch.main, batch.extra)[1].float()
            cross_entropy += float(F.cross_entropy(logits, batch.label, reduction="sum"))
            mass = galaxies.mass[start : start + block]
            squares += float((logits.softmax(dim=1) @ centres - mass).square().sum())
    network.train()
    return cross_entropy / len(galaxies), float(np.sqrt(squares / len(galaxies)))


def judge_convergence(
    history: list[dict[str, float]], best_step: int, *, schedule: str = "step", tolerance: float = 0.02
) -> dict[str, Any]:
    """Say whether a training had converged (ours).

    It had when the last quarter of the steps lowered the best validation cross-entropy by less than `tolerance` nats.
    A one-cycle schedule is made to gain until its end; of it the last tenth is judged, and whether more steps would
    have led further only a longer training can tell.

    Returns
    -------
    dict
        ``converged``, ``best_step``, ``steps``, ``late_gain`` (nats).
    """
    steps = history[-1]["step"]
    late = 0.9 if schedule == "one-cycle" else 0.75
    early = [row["validation_cross_entropy"] for row in history if row["step"] <= late * steps] or [float("inf")]
    gain = min(early) - min(row["validation_cross_entropy"] for row in history)
    return {
        "converged": bool(gain < tolerance),
        "best_step": int(best_step),
        "steps": int(steps),
        "late_gain": float(min(gain, 1e9)),
    }


def _sides(both: Batch, size: int) -> tuple[Batch, Batch]:
    """Batches A and B of one that holds both, A first."""

    def side(rows: slice) -> Batch:
        return Batch(*(None if value is None else value[rows] for value in vars(both).values()))  # type: ignore[arg-type]

    return side(slice(0, size)), side(slice(size, 2 * size))


def _random_state() -> dict[str, Any]:
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["cpu"].cpu())
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([part.cpu() for part in state["cuda"]])


def _peak_memory(device: torch.device) -> int:
    """Largest memory in use so far: the GPU's of this process, or the process's own; 0 where nobody knows."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
