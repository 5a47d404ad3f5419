"""Images of a sample as information networks read them: by channel, kept on the device or read when asked for (ours).

A channel is a band, with the images as they are or divided by flux; a network may read both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..contrastive.images import BLOCK, ImageScaling, fit_image_scaling, read_images, to_network
from ..inputs import ResolvedInput

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["Channel", "Pictures", "channels_of"]


class Channel(NamedTuple):
    """A band of the images, as they are or divided by flux."""

    band: str
    normalised: bool


def channels_of(resolved: ResolvedInput) -> tuple[Channel, ...]:
    """Channels of the images that an input takes; none where it takes none."""
    return tuple(Channel(band, resolved.normalised) for band in resolved.images)


@dataclass(frozen=True)
class Pictures:
    """Images of all galaxies of a sample, in some channels.

    Attributes
    ----------
    sample : Sample
    scalings : tuple of ImageScaling
        One for the images as they are, or divided by flux, or one for each.
    kept : float32 Tensor [n_galaxies, channel, y, x], optional
        All of them, stretched and scaled; without it they are read from the sample when asked for.
    order : int array [n_galaxies], optional
        The galaxy whose image is shown in place of each one's own, in the channels `exchanged`.
    exchanged : tuple of int
        Positions of channels.
    """

    sample: Sample
    scalings: tuple[ImageScaling, ...]
    kept: Tensor | None = None
    order: np.ndarray | None = None
    exchanged: tuple[int, ...] = ()

    @classmethod
    def fit(
        cls,
        sample: Sample,
        channels: Sequence[Channel],
        training: np.ndarray,
        *,
        bin_pixels: int,
        standardise: bool,
    ) -> Pictures:
        """Scale the images in these channels by the training galaxies; those divided by flux come last.

        Raises
        ------
        ValueError
            As `helpers.contrastive.images.fit_image_scaling`.
        """
        scalings = []
        for normalised in (False, True):
            bands = tuple(channel.band for channel in channels if channel.normalised is normalised)
            if bands:
                images = ResolvedInput("", "", (), (), (), images=bands, normalised=normalised)
                scalings.append(
                    fit_image_scaling(images, sample, training, bin_pixels=bin_pixels, standardise=standardise)
                )
        return cls(sample, tuple(scalings))

    @property
    def channels(self) -> tuple[Channel, ...]:
        """What each channel shows."""
        return tuple(Channel(band, bool(scaling.fluxes)) for scaling in self.scalings for band in scaling.bands)

    @property
    def size(self) -> int:
        """Pixels a side that a network reads."""
        return self.scalings[0].size

    @property
    def gigabytes(self) -> float:
        """What all of them take when they are kept, in 10^9 bytes."""
        return len(self.sample) * len(self.channels) * self.size**2 * 4 / 1e9

    def keep(self, device: torch.device) -> Pictures:
        """Read all of them now, block by block, so that nothing is held twice."""
        kept = torch.empty(len(self.sample), len(self.channels), self.size, self.size, device=device)
        for start in range(0, len(kept), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(kept)))
            kept[start : start + BLOCK] = self._from_sample(rows).to(device)
        return replace(self, kept=kept)

    def part(self, channels: Sequence[Channel]) -> Pictures:
        """Only these channels, in the order given for each scaling.

        Raises
        ------
        ValueError
            If one is not among them.
        """
        places = [self.channels.index(channel) for channel in channels]
        scalings = []
        for scaling in self.scalings:
            wanted = [channel.band for channel in channels if channel.normalised == bool(scaling.fluxes)]
            at = [scaling.bands.index(band) for band in wanted]
            if at:
                scalings.append(
                    replace(
                        scaling,
                        bands=tuple(wanted),
                        fluxes=tuple(scaling.fluxes[i] for i in at if scaling.fluxes),
                        floor=tuple(scaling.floor[i] for i in at if scaling.floor),
                        deviation=tuple(scaling.deviation[i] for i in at),
                    )
                )
        kept = None if self.kept is None else self.kept[:, places]
        return replace(self, scalings=tuple(scalings), kept=kept)

    def exchange(self, order: np.ndarray, channels: Sequence[Channel]) -> Pictures:
        """Show in these channels the image of another galaxy: of ``order[i]`` in place of i."""
        return replace(self, order=order, exchanged=tuple(self.channels.index(channel) for channel in channels))

    def read(self, rows: np.ndarray) -> Tensor:
        """Images of some galaxies, float32 [n_rows, channel, y, x], stretched and scaled."""
        images = self._own(rows)
        if self.order is None or not self.exchanged:
            return images
        places = list(self.exchanged)
        images[:, places] = self._own(self.order[rows])[:, places]
        return images

    def fingerprint(self) -> str:
        """Digest of all pixels; of images that are not kept it takes one reading of them all."""
        digest = hashlib.blake2b(repr(self.channels).encode(), digest_size=16)
        for start in range(0, len(self.sample), BLOCK):
            images = self._own(np.arange(start, min(start + BLOCK, len(self.sample))))
            digest.update(images.cpu().numpy().tobytes())
        return digest.hexdigest()

    def _own(self, rows: np.ndarray) -> Tensor:
        if self.kept is None:
            return self._from_sample(rows)
        return self.kept[torch.from_numpy(rows).to(self.kept.device)]

    def _from_sample(self, rows: np.ndarray) -> Tensor:
        parts = [
            to_network(scaling, torch.from_numpy(read_images(scaling, self.sample, rows))) for scaling in self.scalings
        ]
        return torch.cat(parts, dim=1)
