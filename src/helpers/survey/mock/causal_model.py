"""A structural causal model as data: variables with parents and equations, and the do-operator on them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...checks import is_number

__all__ = ["Equation", "StructuralCausalModel", "Variable"]

Equation = Callable[[Mapping[str, np.ndarray], np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Variable:
    """One node of the graph, and how nature sets it (ours).

    Attributes
    ----------
    name : str
    parents : tuple of str
        Its direct causes: all that its equation reads, but for noise of its own.
    equation : callable or None
        ``equation(parents, generator, n)`` returns an array [n] or, with `components`, [n, n_components];
        ``parents`` maps names to arrays, the generator is the variable's own noise. None for a variable that is
        given from outside, such as a position.
    formula : str
        The equation as a reader meets it.
    unit : str
        Empty where it has none.
    meaning : str
        What it is, in words.
    components : tuple of str
        Names of the columns of a variable that is a vector.
    cut : frozenset of str
        Former parents whose arrow was removed: the equation reads the value of another galaxy, drawn at random.
    """

    name: str
    parents: tuple[str, ...]
    equation: Equation | None
    formula: str
    unit: str
    meaning: str
    components: tuple[str, ...] = ()
    cut: frozenset[str] = field(default_factory=frozenset)

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in a table."""
        return tuple(f"{self.name}_{part}" for part in self.components) or (self.name,)


@dataclass(frozen=True)
class StructuralCausalModel:
    """Variables in causal order: every parent stands before its children (ours).

    Parameters
    ----------
    variables : tuple of Variable
        In that order.

    Raises
    ------
    ValueError
        If a name repeats, or a parent does not stand before its child.
    """

    variables: tuple[Variable, ...]

    def __post_init__(self) -> None:
        """Check that the order is causal."""
        known: set[str] = set()
        for variable in self.variables:
            if variable.name in known:
                raise ValueError(f"variables: {variable.name!r} stands twice")
            missing = [name for name in (*variable.parents, *variable.cut) if name not in known]
            if missing:
                raise ValueError(f"variables: {variable.name!r} has the parent {missing[0]!r}, which is not before it")
            known.add(variable.name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables, in causal order."""
        return tuple(variable.name for variable in self.variables)

    @property
    def edges(self) -> tuple[tuple[str, str, str], ...]:
        """Arrows ``(parent, child, "directed")``, as a causal graph takes them."""
        return tuple((parent, v.name, "directed") for v in self.variables for parent in v.parents)

    def __getitem__(self, name: str) -> Variable:
        """Variable of a name."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        raise ValueError(f"variable: found {name!r}, expected one of {', '.join(self.names)}")

    def ancestors(self, name: str) -> frozenset[str]:
        """All variables from which a directed path leads to `name`."""
        found: set[str] = set()
        waiting = list(self[name].parents)
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found.add(parent)
                waiting.extend(self[parent].parents)
        return frozenset(found)

    def do(self, interventions: Mapping[str, Any]) -> StructuralCausalModel:
        """Model in which some equations are replaced and some arrows cut.

        Parameters
        ----------
        interventions : mapping
            ``{"inclination": 30.0}`` sets a variable to a number for every galaxy, whatever its causes, which lose
            their arrows into it. ``{"dust": equation}`` replaces the equation; it is called as the old one was, with
            the same parents. ``{"environment -> quenched": None}`` cuts one arrow: the child's equation stays, and
            reads the parent's value from another galaxy of the same patch of sky, so that all distributions of single
            variables up to the child stay and their dependence through the arrow goes.

        Raises
        ------
        ValueError
            If a variable or arrow does not exist, or a value is neither of these.
        """
        if not isinstance(interventions, Mapping) or not all(isinstance(key, str) for key in interventions):
            raise ValueError(f"interventions: found {interventions!r}, expected a mapping from names or arrows")
        changed = {variable.name: variable for variable in self.variables}
        # Arrows first, so that the order in which interventions are told does not matter.
        for key, value in sorted(interventions.items(), key=lambda item: "->" not in item[0]):
            if "->" in key:
                parent, child = (part.strip() for part in key.split("->", 1))
                if child not in changed or parent not in changed[child].parents or value is not None:
                    raise ValueError(
                        f"interventions: found {key!r}: {value!r}, expected None at one of the model's arrows"
                        + (f"; arrows into {child!r} come from {', '.join(self[child].parents) or 'nowhere'}")
                        if child in changed
                        else f"interventions: there is no variable {child!r}, found in {key!r}"
                    )
                old = changed[child]
                parents = tuple(name for name in old.parents if name != parent)
                changed[child] = replace(old, parents=parents, cut=old.cut | {parent})
                continue
            old = self[key]
            if is_number(value) and np.isfinite(value):
                changed[key] = replace(
                    old, parents=(), cut=frozenset(), equation=_constant(float(value), old), formula=f"do({value:g})"
                )
            elif callable(value):
                changed[key] = replace(changed[key], equation=value, formula="replaced")
            else:
                raise ValueError(f"interventions: found {value!r} for {key!r}, expected a finite number or an equation")
        return StructuralCausalModel(tuple(changed[name] for name in self.names))

    def sample(self, n: int, seed: Sequence[int], given: Mapping[str, np.ndarray] | None = None) -> dict[str, Any]:
        """Draw `n` galaxies, cause before effect.

        Every variable draws its noise from a stream of its own, keyed by `seed` and its name: after an intervention,
        what is not downstream of it keeps its values to the last bit, and what is downstream meets the same noise.

        Parameters
        ----------
        n : int
        seed : sequence of int
        given : mapping of array [n]
            Values of the variables without an equation.

        Returns
        -------
        dict of array
            By variable, [n] or [n, n_components], float64.

        Raises
        ------
        ValueError
            If a variable without an equation is not given, or an equation returns another shape or values that
            are not finite.
        """
        values: dict[str, np.ndarray] = {}
        for variable in self.variables:
            shape = (n, len(variable.components)) if variable.components else (n,)
            if variable.equation is None:
                if given is None or variable.name not in given:
                    raise ValueError(f"given: {variable.name!r} is missing, which has no equation")
                value = given[variable.name]
            else:
                generator = np.random.default_rng([*seed, zlib.crc32(variable.name.encode())])
                causes = {name: values[name] for name in variable.parents}
                if variable.cut:
                    shuffle = np.random.default_rng([*seed, zlib.crc32(f"cut into {variable.name}".encode())])
                    causes |= {name: values[name][shuffle.permutation(n)] for name in sorted(variable.cut)}
                value = variable.equation(causes, generator, n)
            value = np.asarray(value, dtype=np.float64)
            if value.shape != shape or not np.isfinite(value).all():
                raise ValueError(
                    f"equation of {variable.name!r}: found shape {value.shape} with "
                    f"{int((~np.isfinite(value)).sum())} values that are not finite, expected finite values of {shape}"
                )
            values[variable.name] = value
        return values


def _constant(value: float, variable: Variable) -> Equation:
    width = (len(variable.components),) if variable.components else ()

    def equation(parents: Mapping[str, np.ndarray], generator: np.random.Generator, n: int) -> np.ndarray:
        return np.full((n, *width), value)

    return equation
