"""Which device computes, how many of them, and in which precision."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

from ..checks import is_whole
from .config import PRECISIONS

__all__ = ["choose_precision", "describe_device", "keep_freed_memory", "make_fabric", "pick_device"]

DEVICES = ("auto", "cpu", "cuda", "mps")
# Of glibc's malloc.h. Blocks from the first number of bytes on come from the system and go back to it; so does what is
# free at the end of the heap once it is more than the second.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1


def pick_device(device: str) -> str:
    """Name of the device that `device` means on this machine: ``"cuda"``, ``"mps"`` or ``"cpu"``.

    Raises
    ------
    ValueError
        If the name is unknown, or the machine has no such device.
    """
    if device not in DEVICES:
        raise ValueError(f"device: found {device!r}, expected {', '.join(map(repr, DEVICES))}")
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, there in available.items() if there)
    if not available[device]:
        raise ValueError(f"device: found {device!r}, which this machine does not have; 'auto' takes what there is")
    return device


def choose_precision(device: str) -> str:
    """Precision that suits a device: bf16-mixed where it computes in it, else float32."""
    if device == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
    if device == "cpu":
        able = torch.cpu.get_capabilities()
        # Elsewhere bf16 is translated to float32 and back, which is slower than float32.
        return "bf16-mixed" if able.get("avx512_bf16") or able.get("amx_bf16") else "32-true"
    return "32-true"


def make_fabric(device: str, precision: str, devices: int = 1) -> Any:
    """Lightning Fabric on one device or several of a kind.

    Parameters
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision : str
        One of `PRECISIONS`.
    devices : int, default 1
        Of several, each holds the whole network and works on a part of every batch, in a process of its own, which
        ``fabric.launch(function, ...)`` starts.

    Raises
    ------
    ValueError
        If a name is unknown, the machine has no such device or not so many, or several are asked for in a notebook.
    """
    name = pick_device(device)
    if precision not in PRECISIONS:
        raise ValueError(f"precision: found {precision!r}, expected one of {', '.join(PRECISIONS)}")
    if not is_whole(devices) or devices < 1:
        raise ValueError(f"devices: found {devices!r}, expected a positive whole number")
    found = {"cuda": torch.cuda.device_count(), "mps": 1}.get(name)
    if found is not None and devices > found:
        raise ValueError(f"devices: found {devices}, but this machine has {found} of {name}")
    if devices > 1 and hasattr(sys, "ps1"):
        raise ValueError(f"devices: found {devices} in a notebook, expected 1; several devices need a script")
    from lightning.fabric import Fabric

    if name == "cpu":
        keep_freed_memory()
    chosen: Any = choose_precision(name) if precision == "auto" else precision
    strategy = "ddp_spawn" if devices > 1 else "auto"
    # Which of the two tells depends on what else was imported.
    for package in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(f"{package}.utilities.rank_zero").addFilter(_asked_for)
    with _quiet("lightning.fabric", "lightning.pytorch"):
        return Fabric(accelerator=name, devices=devices, strategy=strategy, precision=chosen)


@cache
def keep_freed_memory() -> bool:
    """Keep what tensors leave, up to 256 MB, for the next ones of this process (ours).

    Each step of a training on a processor asks for the same megabytes again; to get them from the system anew takes
    an eighth of the time of a small network of pictures.

    Returns
    -------
    bool
        False where the C library is not glibc, and nothing was changed.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all([mallopt(M_MMAP_THRESHOLD, 32 * 2**20), mallopt(M_TRIM_THRESHOLD, 256 * 2**20)])


def _asked_for(record: logging.LogRecord) -> bool:
    """Not the advice, at every training on a GPU, to multiply in less than float32: `precision` says what is wanted."""
    return "set_float32_matmul_precision" not in record.getMessage()


@contextmanager
def _quiet(*loggers: str) -> Iterator[None]:
    """Keep loggers from telling the reader of a notebook what was asked for."""
    levels = {name: logging.getLogger(name).level for name in loggers}
    for name in loggers:
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def describe_device(device: torch.device) -> str:
    """A device in words: the GPU's name, or the processor's with its number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        name = torch.cpu.get_capabilities().get("cpu_name") or "processor"
        return f"{name}, {torch.get_num_threads()} threads"
    return device.type
