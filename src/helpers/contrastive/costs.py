"""What a network costs, from arithmetic: operations, memory, and the time they take at a machine's rate (ours).

Nothing is computed: the network is passed on torch's meta device, where tensors have shapes and no numbers. A multiply
and an add count as two operations, and only dense layers and convolutions count; so the published information network
takes 5.9 GFLOP forward, and 17.7 forward and backward, for an image.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .devices import pick_device
from .losses import Batch, contrastive_loss
from .networks import ContrastiveNetwork, count_parameters

__all__ = ["NetworkCost", "contrastive_cost", "expected_time", "information_cost", "machine_rate", "wait_for"]

# Weights, gradients and the two moments of Adam, all of them float32 in every precision that training knows.
STATE_BYTES_PER_PARAMETER = 16
TYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
N_EACH = 2  # galaxies of a batch that is passed to be counted


@dataclass(frozen=True)
class NetworkCost:
    """What training a network costs.

    Attributes
    ----------
    parameters : int
        Trainable parameters.
    forward_operations : float
        Of the mass estimate of a galaxy: encoder and estimator, once.
    step_operations : float
        Of an optimiser step, for each galaxy in it: forward and backward, with every pass through the network that
        the loss asks for. The optimiser's own operations, a few for each parameter, are not in it.
    activation_bytes : float
        What the forward pass keeps for the backward pass, for each galaxy of a step.
    state_bytes : int
        Weights, gradients and the moments of Adam.
    """

    parameters: int
    forward_operations: float
    step_operations: float
    activation_bytes: float
    state_bytes: int

    def memory_bytes(self, n_galaxies: int) -> float:
        """Least memory of a step of `n_galaxies`; the workspace of the largest layer comes on top of it."""
        return self.state_bytes + n_galaxies * self.activation_bytes


def _operations(call: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def _kept_bytes(network: nn.Module, call: Callable[[], Tensor], bytes_per_value: int) -> float:
    """Bytes that a forward pass keeps for the backward pass, without the weights themselves."""
    weights = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    kept: dict[int, tuple[Tensor, float]] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        # Views of one tensor share its storage, which is kept once. The tensor is held so that its key stays its own.
        if storage._cdata not in weights:
            size = bytes_per_value if tensor.is_floating_point() else tensor.element_size()
            kept[storage._cdata] = (tensor, storage.nbytes() / tensor.element_size() * size)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call()
    return sum(size for _, size in kept.values())


def _cost(
    network: nn.Module,
    forward: Callable[[Any], object],
    loss: Callable[[Any], Tensor],
    n_galaxies: tuple[int, int],
    bytes_per_value: int,
) -> NetworkCost:
    """Cost from a forward pass and a loss, of so many galaxies each."""
    if bytes_per_value not in (2, 4):
        raise ValueError(f"bytes_per_value: found {bytes_per_value!r}, expected 2 or 4")
    hollow = copy.deepcopy(network).to("meta").train()
    parameters = count_parameters(hollow)
    with torch.no_grad():
        forward_operations = _operations(lambda: forward(hollow))
    return NetworkCost(
        parameters,
        forward_operations / n_galaxies[0],
        _operations(lambda: loss(hollow).backward()) / n_galaxies[1],
        _kept_bytes(hollow, lambda: loss(hollow), bytes_per_value) / n_galaxies[1],
        STATE_BYTES_PER_PARAMETER * parameters,
    )


def _empty(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


def _check_shape(shape: Sequence[int]) -> None:
    if len(shape) not in (1, 3):
        raise ValueError(f"shape: found {tuple(shape)}, expected (n_main,) or (n_bands, size, size)")


def contrastive_cost(
    network: ContrastiveNetwork,
    shape: Sequence[int],
    n_extra: int,
    *,
    views: bool | None = None,
    bytes_per_value: int = 4,
) -> NetworkCost:
    """Cost of contrastive training; a galaxy of a step is one of the galaxies of either batch.

    Parameters
    ----------
    network : ContrastiveNetwork
    shape : sequence of int
        Of the main input of a galaxy: (n_main,), or (n_bands, size, size) for images.
    n_extra : int
    views : bool, optional
        Whether there are second views x~. Unless given: for images.
    bytes_per_value : int, default 4
        Of what is kept for the backward pass: 4 in float32, 2 in bfloat16 and float16.

    Returns
    -------
    NetworkCost

    Raises
    ------
    ValueError
        If the shape is not one of these, or a value has another size.

    Examples
    --------
    >>> from helpers.contrastive.image_networks import image_network
    >>> cost = contrastive_cost(image_network(5, 1, 520), (5, 64, 64), 1)
    >>> f"{cost.parameters:,} parameters, {cost.step_operations / 1e9:.1f} GFLOP for each galaxy of a step"
    '7,135,069 parameters, 54.5 GFLOP for each galaxy of a step'
    >>> f"{cost.memory_bytes(64) / 2**30:.1f} GiB"
    '4.7 GiB'
    """
    _check_shape(shape)
    with_views = len(shape) == 3 if views is None else views

    def batch() -> Batch:
        label = torch.zeros(N_EACH, dtype=torch.int64, device="meta")
        view = _empty(N_EACH, *shape) if with_views else None
        return Batch(_empty(N_EACH, *shape), _empty(N_EACH, n_extra), None, label, view)

    return _cost(
        network,
        lambda hollow: hollow(_empty(N_EACH, *shape), _empty(N_EACH, n_extra)),
        lambda hollow: contrastive_loss(hollow, batch(), batch()).total(1.0),
        (N_EACH, 2 * N_EACH),
        bytes_per_value,
    )


def information_cost(
    network: nn.Module, shape: Sequence[int], n_extra: int, *, bytes_per_value: int = 4
) -> NetworkCost:
    """Cost of training a network from an input to logits by cross-entropy; parameters as in `contrastive_cost`.

    Examples
    --------
    >>> from helpers.contrastive.image_networks import image_information_network
    >>> cost = information_cost(image_information_network(5, 1, 520), (5, 64, 64), 1)
    >>> f"{cost.forward_operations / 1e9:.1f} GFLOP forward, {cost.step_operations / 1e9:.1f} forward and backward"
    '5.9 GFLOP forward, 17.7 forward and backward'
    """
    _check_shape(shape)
    label = torch.zeros(N_EACH, dtype=torch.int64, device="meta")
    return _cost(
        network,
        lambda hollow: hollow(_empty(N_EACH, *shape), _empty(N_EACH, n_extra)),
        lambda hollow: F.cross_entropy(hollow(_empty(N_EACH, *shape), _empty(N_EACH, n_extra)), label),
        (N_EACH, N_EACH),
        bytes_per_value,
    )


def expected_time(cost: NetworkCost, batch_size: int, steps: int, operations_per_second: float) -> float:
    """Seconds of training, from the operations alone.

    Parameters
    ----------
    cost : NetworkCost
    batch_size : int
        Galaxies of a step: of both batches together where training is contrastive.
    steps : int
    operations_per_second : float
        What the machine does, as ``helpers.contrastive.machine_rate()`` measures it on a convolution: multiplications
        and additions, each counted.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the rate is not positive.
    """
    if not operations_per_second > 0:
        raise ValueError(f"operations_per_second: found {operations_per_second}, expected a positive number")
    return cost.step_operations * batch_size * steps / operations_per_second


def machine_rate(device: str = "auto", precision: str = "32-true", *, seconds: float = 0.5) -> float:
    """Operations a second of a device in a convolution like the published ones: 3 x 3 pixels, 96 to 96 channels.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision : str
        ``"32-true"``, ``"bf16-mixed"`` or ``"16-mixed"``.
    seconds : float, default 0.5
        How long the convolution is repeated; the fastest time counts, so that other work on the machine does not.

    Raises
    ------
    ValueError
        If a name is unknown, or the machine has no such device.
    """
    if precision not in TYPES:
        raise ValueError(f"precision: found {precision!r}, expected one of {', '.join(TYPES)}")
    where = torch.device(pick_device(device))
    n_images = 4 if where.type == "cpu" else 128
    images, weights = (
        torch.randn(n, 96, width, width, device=where, dtype=TYPES[precision]).contiguous(
            memory_format=torch.channels_last
        )
        for n, width in ((n_images, 64), (96, 3))
    )
    with torch.no_grad():
        operations = _operations(lambda: F.conv2d(images, weights, padding=1))
        times: list[float] = []
        begin = time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            F.conv2d(images, weights, padding=1)
            wait_for(where)
            times.append(time.perf_counter() - start)
    return operations / min(times)


def wait_for(device: torch.device) -> None:
    """Return when a device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
