"""What information networks read of galaxies, and the bins they are to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..contrastive.features import Features
from ..contrastive.images import rotate_or_flip
from .networks import InputSize
from .pictures import Channel, Pictures

__all__ = ["Observations", "Subsets", "make_subsets"]


@dataclass(frozen=True)
class Subsets:
    """Which inputs each subset of an amortised estimate shows, and what stands in the place of the others.

    Attributes
    ----------
    shown : float32 Tensor [n_subsets, n_channels + n_columns + n_missing]
        1 where a channel, column or missing flag is shown.
    imputation : float32 Tensor [n_subsets, n_columns, n_columns]
        Matrix that columns are multiplied by: a hidden one becomes its best linear guess from those shown.
    """

    shown: Tensor
    imputation: Tensor

    def __len__(self) -> int:
        return len(self.shown)


def make_subsets(
    kept: Sequence[tuple[Sequence[Channel], Sequence[str]]],
    channels: Sequence[Channel],
    columns: Sequence[str],
    flagged: Sequence[str],
    training: np.ndarray,
    device: torch.device,
) -> Subsets:
    """Masks and linear guesses of subsets (ours).

    A hidden column could as well be set to its mean. But bands are correlated, and the whitened difference of two of
    them would then be as large as a magnitude: the network would have to learn every subset's arithmetic.

    Parameters
    ----------
    kept : sequence of (channels, columns)
        Of each subset.
    channels, columns, flagged : sequence
        Of all there are; `flagged` are the columns with a missing flag, which is hidden with its column.
    training : float array [n_galaxies, n_columns]
        Scaled columns of the training split.
    device : torch.device
    """
    shown, imputation = [], []
    covariance = np.cov(training.astype(np.float64), rowvar=False).reshape(len(columns), len(columns))
    for kept_channels, kept_columns in kept:
        seen = np.array([column in kept_columns for column in columns], dtype=bool)
        shown.append(
            [channel in kept_channels for channel in channels]
            + seen.tolist()
            + [name in kept_columns for name in flagged]
        )
        guess = np.diag(seen.astype(np.float64))
        inside = covariance[np.ix_(seen, seen)] + 1e-6 * np.eye(seen.sum())
        guess[np.ix_(seen, ~seen)] = np.linalg.solve(inside, covariance[np.ix_(seen, ~seen)])
        imputation.append(guess)
    return Subsets(
        torch.tensor(shown, dtype=torch.float32, device=device),
        torch.from_numpy(np.array(imputation, dtype=np.float32)).to(device),
    )


@dataclass(frozen=True)
class Observations:
    """All galaxies of a sample on a device, in its order; trainings choose rows of them.

    Attributes
    ----------
    columns : float32 Tensor [n_galaxies, n_columns + n_missing]
        Main and extra columns, scaled, then missing flags.
    label : int64 Tensor [n_galaxies]
        Mass bins.
    base : float32 Tensor [n_galaxies, n_bins] or [1, n_bins]
        Log-probabilities known beforehand, to which a network's logits are added; zeros where nothing is known.
    size : InputSize
    pictures : Pictures, optional
    subsets : Subsets, optional
        For the amortised estimator.
    """

    columns: Tensor
    label: Tensor
    base: Tensor
    size: InputSize
    pictures: Pictures | None = None
    subsets: Subsets | None = None

    @classmethod
    def of(
        cls,
        features: Features,
        label: np.ndarray,
        base: np.ndarray,
        device: torch.device,
        *,
        n_columns: int,
        pictures: Pictures | None = None,
        subsets: Subsets | None = None,
    ) -> Observations:
        """From numpy arrays, on a device."""
        columns = np.concatenate([features.main, features.extra], axis=1)
        n_main, n_missing = features.main.shape[1], columns.shape[1] - n_columns
        n_flags = n_missing + (0 if subsets is None else subsets.shown.shape[1])
        images = (0, 0) if pictures is None else (len(pictures.channels), pictures.size)
        return cls(
            torch.from_numpy(columns).to(device),
            torch.from_numpy(label.astype(np.int64)).to(device),
            torch.from_numpy(base.astype(np.float32)).to(device),
            InputSize(n_main, n_columns - n_main, n_flags, *images),
            pictures,
            subsets,
        )

    @property
    def streamed(self) -> bool:
        """Whether images are read from the sample when asked for."""
        return self.pictures is not None and self.pictures.kept is None

    def fetch(self, rows: np.ndarray) -> Tensor | None:
        """Images of some galaxies, where there are any."""
        return None if self.pictures is None else self.pictures.read(rows)

    def batch(
        self,
        rows: np.ndarray,
        images: Tensor | None,
        *,
        subset: np.ndarray | int | None = None,
        views: np.ndarray | int = 0,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Main and extra inputs, base and label of some galaxies.

        Parameters
        ----------
        rows : int array [n]
        images : Tensor or None
            What `fetch` gave for them.
        subset : int or int array [n], optional
            Number of the subset that each galaxy is shown. What is hidden is a linear guess, or an empty image, and
            the mask says so.
        views : int or int array [n], default 0
            Elements of `helpers.contrastive.images.rotate_or_flip` for the images.
        """
        device, n_columns, n_main = self.label.device, self.size.n_columns, self.size.n_main
        at = torch.from_numpy(rows).to(device)
        columns = self.columns[at]
        columns, flags = columns[:, :n_columns], columns[:, n_columns:]
        if images is not None:
            images = images.to(device, non_blocking=True)
            if np.any(views):
                images = rotate_or_flip(images, torch.from_numpy(np.broadcast_to(views, len(rows)).copy()).to(device))
        if self.subsets is not None and subset is not None:
            chosen = torch.as_tensor(np.broadcast_to(subset, len(rows)).copy(), device=device)
            shown = self.subsets.shown[chosen]
            columns = self._guess(columns, subset, chosen)
            n_channels = self.size.n_channels
            if images is not None:
                images = images * shown[:, :n_channels, None, None]
            flags = torch.cat([flags * shown[:, n_channels + n_columns :], shown], dim=1)
        if images is None:
            main, extra = columns[:, :n_main], torch.cat([columns[:, n_main:], flags], dim=1)
        else:
            main, extra = images.contiguous(memory_format=torch.channels_last), torch.cat([columns, flags], dim=1)
        return main, extra, self.base if len(self.base) == 1 else self.base[at], self.label[at]

    def _guess(self, columns: Tensor, subset: np.ndarray | int, chosen: Tensor) -> Tensor:
        assert self.subsets is not None
        if isinstance(subset, int):
            return columns @ self.subsets.imputation[subset]
        return torch.einsum("ni,nij->nj", columns, self.subsets.imputation[chosen])
