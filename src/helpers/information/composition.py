"""Many decompositions from few estimates: what tuples need, each input once, and how it is put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..bands import REDDENING
from ..inputs import resolve
from .estimators import InformationEstimate
from .laboratory import contents
from .pairs import InputDecomposition, decompose_estimates
from .tuples import NAME_ORDER, InformationTuple, Inputs

if TYPE_CHECKING:
    from ..survey import Sample

__all__ = ["compose", "distinct_inputs"]


def distinct_inputs(tuples: Iterable[InformationTuple], sample: Sample) -> dict[str, Inputs]:
    """All inputs that tuples need, each once: what `helpers.information.estimate_inputs` takes.

    Two inputs are the same if this sample holds the same columns and images for both.

    Parameters
    ----------
    tuples : iterable of InformationTuple
    sample : Sample

    Returns
    -------
    dict of str to input
        By a name that depends on nothing but what the input holds, such as ``"Mopt+Mir"``: registered names as far
        as they go, then single columns. In the order in which the tuples need them.

    Raises
    ------
    ValueError
        As `helpers.inputs.resolve`.
    """
    names = _Names(sample)
    found: dict[str, Inputs] = {}
    for one in tuples:
        for inputs in one.roles.values():
            key, named = names.of(inputs)
            found.setdefault(key, key if named else inputs)
    return found


def compose(
    tuples: Iterable[InformationTuple], estimates: Mapping[str, InformationEstimate], sample: Sample
) -> dict[str, InputDecomposition]:
    """Decompose tuples from estimates that were made once for every distinct input.

    Parameters
    ----------
    tuples : iterable of InformationTuple
    estimates : mapping of str to InformationEstimate
        By the names that `distinct_inputs` gives.
    sample : Sample
        What the estimates were made on; only its columns and bands matter.

    Returns
    -------
    dict of str to InputDecomposition
        By the names of the tuples, in their order. There are no placebos.

    Raises
    ------
    ValueError
        If an estimate is missing, or those of a tuple are not of the same galaxies or have not as many refits.
    """
    names = _Names(sample)
    found: dict[str, InputDecomposition] = {}
    for one in tuples:
        keys = {role: names.of(inputs)[0] for role, inputs in one.roles.items()}
        for role, key in keys.items():
            if key not in estimates:
                raise ValueError(
                    f"estimates: {one.name} needs one of {key!r}, its {role}, which is missing; "
                    f"found {', '.join(estimates) or 'none'}"
                )
        decomposition = decompose_estimates(*(estimates[key] for key in keys.values()))
        found[one.name] = replace(decomposition, names=(keys["first"], keys["second"]))
    return found


class _Names:
    """Canonical names of inputs in a sample.

    Parameters
    ----------
    sample : Sample
    """

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.bands = None if sample.images is None else sample.bands
        # The reddening goes along with every input, so that no input is named by it.
        self.reddening = frozenset({REDDENING}) & frozenset(sample.catalog.columns)
        self.registered: dict[str, frozenset[Any]] = {}
        for name in NAME_ORDER:
            try:
                self.registered[name] = self._contents(name) - self.reddening
            except ValueError:  # the sample has no such input, so nothing is named by it
                continue

    def _contents(self, inputs: Inputs) -> frozenset[Any]:
        catalog, target = self.sample.catalog, self.sample.target
        return contents(resolve(inputs, catalog, bands=self.bands, errors_as_main=True, target=target))

    def of(self, inputs: Inputs) -> tuple[str, bool]:
        """Name of an input, and whether it is one by registered names alone."""
        left = self._contents(inputs) - self.reddening
        found = []
        for name, own in self.registered.items():
            if own <= left:
                found.append(name)
                left -= own
        columns = sorted(map(str, left))
        return "+".join((*found, *columns)) or REDDENING, not columns and bool(found)
