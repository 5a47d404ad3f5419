"""Galaxies as a training reads them: numbers on the device, images from memory or from where they lie."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .bins import MassBins
from .features import Features
from .images import BLOCK, ImageScaling, read_images, rotate_or_flip, to_network
from .losses import Batch

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["Galaxies", "StoredStamps", "batches", "pair_rows"]

# Batches that are read ahead, each by a thread of its own: reading waits for the disk, not for the processor.
AHEAD = 3


@dataclass(frozen=True)
class StoredStamps:
    """Images of an input, read when they are asked for.

    Attributes
    ----------
    scaling : ImageScaling
    sample : Sample
    rows : int array [n_galaxies]
        Row numbers in the sample.
    """

    scaling: ImageScaling
    sample: Sample
    rows: np.ndarray

    @property
    def gigabytes(self) -> float:
        """What they take when they are read, in 10^9 bytes."""
        return len(self.rows) * len(self.scaling.bands) * self.scaling.size**2 * 4 / 1e9

    def read(self, positions: np.ndarray) -> Tensor:
        """Images of the galaxies at these positions, before the stretch, float32 [n, band, y, x]."""
        return torch.from_numpy(read_images(self.scaling, self.sample, self.rows[positions]))

    def blocks(self) -> Iterator[Tensor]:
        """All images, in blocks that fit any memory."""
        for start in range(0, len(self.rows), BLOCK):
            yield self.read(np.arange(start, min(start + BLOCK, len(self.rows))))


@dataclass(frozen=True)
class Galaxies:
    """Galaxies of one part of the split, on a device.

    Attributes
    ----------
    main, extra, present : float32 Tensor [n_galaxies, ...]
        As `Features`; main and present have no columns where there are images.
    label : int64 Tensor [n_galaxies]
        Mass bins.
    mass : float32 Tensor [n_galaxies]
    stamps : StoredStamps or None
    images : float32 Tensor [n_galaxies, band, y, x] or None
        Stretched and scaled, where they are kept on the device.
    """

    main: Tensor
    extra: Tensor
    present: Tensor
    label: Tensor
    mass: Tensor
    stamps: StoredStamps | None = None
    images: Tensor | None = None

    @classmethod
    def of(
        cls,
        features: Features,
        mass: np.ndarray,
        bins: MassBins,
        device: torch.device,
        *,
        stamps: StoredStamps | None = None,
        image_memory: float = 0.0,
    ) -> Galaxies:
        """From arrays; images of up to `image_memory` GB are read now and kept on the device."""
        arrays = (features.main, features.extra, features.present, bins.labels(mass), mass.astype(np.float32))
        images = None
        if stamps is not None and stamps.gigabytes <= image_memory:
            size = stamps.scaling.size
            images = torch.empty(len(stamps.rows), len(stamps.scaling.bands), size, size, device=device)
            # Block by block, so that nothing is held twice.
            for start, block in zip(range(0, len(stamps.rows), BLOCK), stamps.blocks(), strict=True):
                images[start : start + BLOCK] = to_network(stamps.scaling, block.to(device))
        main, extra, present, label, target = (torch.from_numpy(array).to(device) for array in arrays)
        return cls(main, extra, present, label, target, stamps, images)

    def __len__(self) -> int:
        return len(self.label)

    def fetch(self, rows: np.ndarray) -> Tensor | None:
        """Images of some galaxies: views of what is kept, or read from the store, still on the host."""
        if self.stamps is None:
            return None
        if self.images is not None:
            return self.images[torch.from_numpy(rows).to(self.images.device)]
        read = self.stamps.read(rows)
        return read.pin_memory() if self.label.is_cuda else read

    @property
    def streamed(self) -> bool:
        """Whether images are read from the store when asked for."""
        return self.stamps is not None and self.images is None

    def batch(
        self, rows: np.ndarray, fetched: Tensor | None, views: tuple[np.ndarray, np.ndarray | None] | None
    ) -> Batch:
        """One batch; its images are turned, flipped and stretched on the device.

        Parameters
        ----------
        rows : int array [n]
        fetched : Tensor or None
            What `fetch` gave for these rows.
        views : pair of int arrays, optional
            Elements of `draw_views`, for x and for x~ from x. Without the latter there is no x~, without both images
            stay as they are.
        """
        device = self.label.device
        at = torch.from_numpy(rows).to(device)
        if fetched is None or self.stamps is None:
            return Batch(self.main[at], self.extra[at], self.present[at], self.label[at])
        images = fetched.to(device, non_blocking=True)
        if self.images is None:
            # Turning moves pixels and stretching changes each by itself, so their order does not matter.
            images = to_network(self.stamps.scaling, images)
        view = None
        if views is not None:
            first, further = views
            images = rotate_or_flip(images, torch.from_numpy(first).to(device))
            if further is not None:
                view = rotate_or_flip(images, torch.from_numpy(further).to(device))
                view = view.contiguous(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
        return Batch(images, self.extra[at], None, self.label[at], view)


def pair_rows(step: int, n_galaxies: int, batch_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the batches A and B of a step: two stretches of the epoch's permutation, so no galaxy meets itself.

    A function of the step and the seed alone, so that a resumed training sees what an uninterrupted one would.
    """
    size = min(batch_size, n_galaxies // 2)
    per_epoch = n_galaxies // (2 * size)
    epoch, position = divmod(step, per_epoch)
    order = _epoch_order(n_galaxies, seed, epoch)
    start = 2 * size * position
    return order[start : start + size], order[start + size : start + 2 * size]


@lru_cache(maxsize=2)
def _epoch_order(n_galaxies: int, seed: int, epoch: int) -> np.ndarray:
    """Order of an epoch; kept, because a large sample's takes longer to draw than a batch to use."""
    order = np.random.default_rng([seed, epoch]).permutation(n_galaxies)
    order.setflags(write=False)
    return order


@dataclass
class Waiting:
    """Seconds that a training has waited for its input."""

    seconds: float = 0.0
    _since: float = field(default=0.0, repr=False)

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: Any) -> None:
        self.seconds += time.perf_counter() - self._since


def batches(
    fetch: Callable[[np.ndarray], Tensor | None],
    rows_of: Callable[[int], np.ndarray],
    first: int,
    last: int,
    waiting: Waiting,
    *,
    ahead: bool,
) -> Generator[tuple[np.ndarray, Tensor | None]]:
    """Rows and fetched images of the steps from `first` to before `last`, in order.

    With `ahead`, for images that are not kept in memory, threads read some steps ahead. Nothing depends on when they
    finish.
    """
    if not ahead:
        for step in range(first, last):
            with waiting:
                rows = rows_of(step)
                fetched = fetch(rows)
            yield rows, fetched
        return
    waited: deque[tuple[np.ndarray, Future[Tensor | None]]] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="images") as pool:
        try:
            for step in range(first, last + AHEAD):
                if step < last:
                    rows = rows_of(step)
                    waited.append((rows, pool.submit(fetch, rows)))
                if len(waited) > AHEAD or step >= last:
                    if not waited:
                        return
                    rows, future = waited.popleft()
                    with waiting:
                        fetched = future.result()
                    yield rows, fetched
        finally:
            for _, future in waited:
                future.cancel()
