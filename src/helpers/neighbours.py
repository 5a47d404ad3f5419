"""Exact k nearest neighbours in S, and the mass distribution of a galaxy's neighbours (paper)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .checks import is_whole

__all__ = ["Neighbours", "continuous_ranked_probability_score", "nearest_neighbours", "probability_integral_transform"]

BACKENDS = ("auto", "faiss", "torch")
SPARE = 8


@dataclass(frozen=True)
class Neighbours:
    """The k nearest reference galaxies of each query galaxy, nearest first.

    Attributes
    ----------
    distance : float32 array [n_query, k]
        Euclidean distance in S.
    index : int64 array [n_query, k]
        Row numbers in the reference.
    """

    distance: np.ndarray
    index: np.ndarray

    def first(self, k: int) -> Neighbours:
        """The nearest k of them.

        Raises
        ------
        ValueError
            If there are fewer than k.
        """
        if not 1 <= k <= self.index.shape[1]:
            raise ValueError(f"k: found {k}, expected 1 to {self.index.shape[1]}, the number of neighbours searched")
        return Neighbours(self.distance[:, :k], self.index[:, :k])


def nearest_neighbours(
    reference: np.ndarray,
    query: np.ndarray,
    k: int,
    *,
    exclude_self: bool = True,
    reference_id: np.ndarray | None = None,
    query_id: np.ndarray | None = None,
    backend: str = "auto",
) -> Neighbours:
    """Find the k nearest reference galaxies of each query galaxy by exhaustive search.

    Parameters
    ----------
    reference : array [n_reference, n_dimensions]
        Latent vectors of the galaxies to find, in general the training split.
    query : array [n_query, n_dimensions]
    k : int
        Number of neighbours.
    exclude_self : bool, default True
        Leave out the query galaxy itself where it is in the reference (ours). False keeps it, as its own first
        neighbour (paper).
    reference_id, query_id : array, optional
        Identifiers that say which query galaxy is which reference galaxy. Without them a reference galaxy with exactly
        the same vector is taken for the query itself, and one such is left out.
    backend : {"auto", "faiss", "torch"}
        faiss on a CPU, torch on a GPU; ``auto`` takes the GPU where there is one.

    Returns
    -------
    Neighbours

    Raises
    ------
    ValueError
        If shapes disagree, values are not finite, k exceeds the reference, or the backend is unknown.
    """
    reference, query = _vectors("reference", reference), _vectors("query", query)
    if reference.shape[1] != query.shape[1]:
        raise ValueError(f"query: found {query.shape[1]} dimensions, expected the reference's {reference.shape[1]}")
    if backend not in BACKENDS:
        raise ValueError(f"backend: found {backend!r}, expected one of {', '.join(BACKENDS)}")
    if (reference_id is None) != (query_id is None):
        raise ValueError("reference_id and query_id: found one of them, expected both or neither")
    for name, ids, vectors in (("reference_id", reference_id, reference), ("query_id", query_id, query)):
        if ids is not None and np.shape(ids) != (len(vectors),):
            raise ValueError(f"{name}: found shape {np.shape(ids)}, expected ({len(vectors)},)")
    extra = 1 if exclude_self else 0
    if not is_whole(k):
        raise ValueError(f"k: found {k!r}, expected a whole number")
    if not 1 <= k <= len(reference) - extra:
        raise ValueError(
            f"k: found {k}, expected 1 to {len(reference) - extra} for {len(reference)} reference galaxies"
        )

    # The search expands the square of the distance, whose rounding can swap near equals: search some more, and
    # measure again.
    searched = min(k + extra + SPARE, len(reference))
    # Centring changes no distance, and keeps float32 from losing small ones to a large common offset.
    centre = reference.mean(axis=0)
    reference, query = (reference - centre).astype(np.float32), (query - centre).astype(np.float32)
    index = _search(reference, query, searched, _choose(backend))
    distance = _exact_distance(reference, query, index)
    order = np.argsort(distance, axis=1, kind="stable")[:, : k + extra]
    index, distance = np.take_along_axis(index, order, 1), np.take_along_axis(distance, order, 1)
    if not exclude_self:
        return Neighbours(distance, index)
    if reference_id is not None and query_id is not None:
        itself = np.asarray(reference_id)[index] == np.asarray(query_id)[:, None]
    else:
        itself = distance == 0
        same_row = itself & (index == np.arange(len(query))[:, None])
        itself = np.where(same_row.any(axis=1, keepdims=True), same_row, itself)
    # Drop one match per galaxy, or the farthest neighbour where there is none.
    dropped = np.where(itself.any(axis=1), itself.argmax(axis=1), k)
    keep = np.ones(index.shape, dtype=bool)
    keep[np.arange(len(query)), dropped] = False
    return Neighbours(distance[keep].reshape(-1, k), index[keep].reshape(-1, k))


def _vectors(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"{name}: found shape {values.shape}, expected (n_galaxies, n_dimensions)")
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{name}: {int(bad.sum())} of {len(values)} vectors are not finite, the first in row {int(bad.argmax())}"
        )
    return values


def _choose(backend: str) -> str:
    if backend != "auto":
        return backend
    import torch

    return "torch" if torch.cuda.is_available() else "faiss"


def _search(reference: np.ndarray, query: np.ndarray, k: int, backend: str) -> np.ndarray:
    return _search_faiss(reference, query, k) if backend == "faiss" else _search_torch(reference, query, k)


def _search_faiss(reference: np.ndarray, query: np.ndarray, k: int) -> np.ndarray:
    import faiss

    search = faiss.IndexFlatL2(reference.shape[1])
    search.add(reference)
    return search.search(query, k)[1]


def _search_torch(reference: np.ndarray, query: np.ndarray, k: int) -> np.ndarray:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    points = torch.from_numpy(reference).to(device)
    block = max(1, 64_000_000 // len(reference))  # at most 256 MB of float32 distances at a time
    found = []
    for start in range(0, len(query), block):
        part = torch.from_numpy(query[start : start + block]).to(device)
        # Differences instead of an expanded square, which loses small distances in float32.
        distance = torch.cdist(part, points, compute_mode="donot_use_mm_for_euclid_dist")
        found.append(distance.topk(k, largest=False).indices.cpu().numpy())
    return np.concatenate(found)


def _exact_distance(reference: np.ndarray, query: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Distances from differences: exhaustive searches expand the square, which loses small distances in float32."""
    distance = np.empty(index.shape, dtype=np.float32)
    block = max(1, 8_000_000 // (index.shape[1] * reference.shape[1]))
    for start in range(0, len(query), block):
        part = slice(start, start + block)
        difference = reference[index[part]] - query[part, None, :]
        distance[part] = np.sqrt(np.einsum("qkd,qkd->qk", difference, difference))
    return distance


def probability_integral_transform(members: np.ndarray, truth: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Rank of the truth among the members of an ensemble, as a number in [0, 1] (Dawid 1984).

    Uniform where truth and members are draws from the same distribution. The rank falls anywhere in its step with equal
    chance, so that a finite ensemble gives a uniform value and not a lattice.

    Parameters
    ----------
    members : array [n_galaxies, k]
        Such as the masses of the k nearest neighbours.
    truth : array [n_galaxies]
    seed : int, default 0

    Returns
    -------
    float64 array [n_galaxies]

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    members, truth = _ensemble(members, truth)
    below = (members < truth[:, None]).sum(axis=1)
    equal = (members == truth[:, None]).sum(axis=1)
    rank = below + np.random.default_rng(seed).random(len(truth)) * (equal + 1)
    return rank / (members.shape[1] + 1)


def continuous_ranked_probability_score(members: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of an ensemble (Gneiting & Raftery 2007), in the unit of the truth.

    E|X - truth| - E|X - X'| / 2, where X and X' are drawn from the ensemble: the score of its empirical
    distribution, so that an ensemble of too few members scores worse. For a single member it is the absolute error.

    Parameters
    ----------
    members : array [n_galaxies, k]
    truth : array [n_galaxies]

    Returns
    -------
    float64 array [n_galaxies]

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    members, truth = _ensemble(members, truth)
    k = members.shape[1]
    # The mean difference of all ordered pairs, from ranks instead of k * k differences.
    weight = 2 * np.arange(1, k + 1) - k - 1
    spread = 2 * (np.sort(members, axis=1) @ weight) / k**2
    return np.abs(members - truth[:, None]).mean(axis=1) - spread / 2


def _ensemble(members: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    members, truth = np.asarray(members, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if members.ndim != 2 or members.shape[1] == 0 or truth.shape != members.shape[:1]:
        raise ValueError(f"members and truth: found shapes {members.shape} and {truth.shape}, expected (n, k) and (n,)")
    if not (np.isfinite(members).all() and np.isfinite(truth).all()):
        raise ValueError(
            "members and truth: found values that are not finite, expected none; drop those galaxies first"
        )
    return members, truth
