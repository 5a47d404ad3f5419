"""What causal-learn is asked, and how its answers are read: as the marks at both ends of each edge."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from .independence import benjamini_hochberg

__all__ = ["SEARCHES", "Marks", "Question", "Search", "run_search"]

Marks = dict[tuple[str, str], tuple[str, str]]
Ends = NDArray[np.int_]

# causal-learn's matrices hold at (i, j) the mark that the edge between i and j has at i.
_NONE, _TAIL, _ARROW, _CIRCLE = 0, -1, 1, 2
_WORDS = {_TAIL: "tail", _ARROW: "arrow", _CIRCLE: "circle"}
_ORACLE = "d_separation_given_selection"


@dataclass(frozen=True, eq=False)
class Question:
    """A search, checked and ready to run.

    Attributes
    ----------
    values : array [n_rows, n_variables]
        Centred and scaled; without rows where an oracle answers instead.
    names : tuple of str
    alpha : float
        Level of the tests, where the search makes any.
    test : str
        Name of causal-learn's test, where the search makes any.
    tiers : mapping
        From a name to its tier.
    selection_tier : int, optional
        Tier of what the sample was selected by; None for a sample that was not selected.
    seed : int
    oracle : networkx.DiGraph, optional
        Graph of the numbers 0 to ``n_variables - 1`` and of hidden nodes, which answers every test of independence.
    selection : frozenset
        Nodes of `oracle` on which everything is conditioned.
    """

    values: NDArray[np.float64]
    names: tuple[str, ...]
    alpha: float
    test: str
    tiers: Mapping[str, int]
    selection_tier: int | None = None
    seed: int = 0
    oracle: nx.DiGraph | None = None
    selection: frozenset[Any] = frozenset()


@dataclass(frozen=True)
class Search:
    """A method and which options it can take.

    Attributes
    ----------
    run : callable
        From a `Question` to an array [n_variables, n_variables] of marks.
    tests, levels, tiers, selection : bool
        Whether it tests independence, at a level, takes background knowledge, and allows for a selection.
    """

    run: Callable[[Question], Ends]
    tests: bool
    levels: bool
    tiers: bool
    selection: bool = False


def run_search(method: str, question: Question) -> Marks:
    """Run a search, silent and with numpy's global random state put back, and read the marks of its edges."""
    with _quiet(question.seed):
        ends = SEARCHES[method].run(question)
    names = question.names
    return {
        (a, names[j]): (_WORDS[int(ends[i, j])], _WORDS[int(ends[j, i])])
        for i, a in enumerate(names)
        for j in range(i + 1, len(names))
        if ends[i, j] != _NONE or ends[j, i] != _NONE
    }


@contextlib.contextmanager
def _quiet(seed: int) -> Iterator[None]:
    state = np.random.get_state()
    # The random-feature tests draw from numpy's global generator, and FCI prints whatever it is told.
    np.random.seed(seed % 2**32)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            # Of few rows, which an oracle has none of, and of rounding in the kernels.
            warnings.filterwarnings("ignore", module=r"causallearn\.")
            yield
    finally:
        np.random.set_state(state)


def _pc(question: Question) -> Ends:
    # Imported here, as in all searches: causal-learn brings a plotting stack along, which the local tests do not need.
    from causallearn.search.ConstraintBased.PC import pc

    test, options = _test_of(question)
    if test == "fisherz":
        # Whether the neighbour of a separated pair is a collider is read off the set that separates the pair best, not
        # off the first that does (Ramsey 2016): twice as many arrowheads are right on the mock. Kernels are too slow.
        options["uc_rule"] = 1
    if question.tiers:
        options["background_knowledge"] = _background_knowledge(question.tiers)
    found = pc(
        question.values,
        alpha=question.alpha,
        indep_test=test,
        show_progress=False,
        node_names=list(question.names),
        **options,
    )
    ends: Ends = found.G.graph
    return ends


def _fci(question: Question) -> Ends:
    from causallearn.search.ConstraintBased.FCI import fci

    test, options = _test_of(question)
    graph, _ = fci(
        question.values, test, question.alpha, show_progress=False, node_names=list(question.names), **options
    )
    tiers = np.array([question.tiers.get(name, np.nan) for name in question.names])
    return _with_tiers(graph.graph, tiers, question.selection_tier)


def _ges(question: Question) -> Ends:
    from causallearn.search.ScoreBased.GES import ges

    correlation = np.corrcoef(question.values, rowvar=False)
    record = ges(None, cov=correlation, n=len(question.values), node_names=list(question.names))
    ends: Ends = record["G"].graph
    return ends


def _direct_lingam(question: Question) -> Ends:
    """Order by DirectLiNGAM; arrows where a regression on all earlier variables keeps a coefficient."""
    from causallearn.search.FCMBased.lingam import DirectLiNGAM

    model = DirectLiNGAM(random_state=question.seed, prior_knowledge=_forbidden_paths(question))
    order = list(model.fit(question.values).causal_order_)
    ends = np.zeros((len(order), len(order)), dtype=int)
    for place, effect in enumerate(order):
        causes = [c for c in order[:place] if not _later(question, c, effect)]
        for cause, p_value in zip(causes, _coefficient_tests(question.values, causes, effect), strict=True):
            if p_value < question.alpha:
                ends[cause, effect], ends[effect, cause] = _TAIL, _ARROW
    return ends


def _marginal(question: Question) -> Ends:
    """Lines between all pairs whose correlation is significant, the false discovery rate controlled."""
    n, n_variables = question.values.shape
    first, second = np.triu_indices(n_variables, 1)
    correlation = np.atleast_2d(np.corrcoef(question.values, rowvar=False))[first, second]
    p_values = 2 * student.sf(np.abs(correlation) * np.sqrt((n - 2) / (1 - correlation**2)), n - 2)
    joined = benjamini_hochberg(p_values) < question.alpha
    ends = np.zeros((n_variables, n_variables), dtype=int)
    ends[first[joined], second[joined]] = ends[second[joined], first[joined]] = _TAIL
    return ends


SEARCHES: Mapping[str, Search] = {
    "pc": Search(_pc, tests=True, levels=True, tiers=True),
    "fci": Search(_fci, tests=True, levels=True, tiers=True, selection=True),
    "ges": Search(_ges, tests=False, levels=False, tiers=False),
    "direct-lingam": Search(_direct_lingam, tests=False, levels=True, tiers=True),
    "marginal": Search(_marginal, tests=False, levels=True, tiers=False),
}


def _test_of(question: Question) -> tuple[str, dict[str, Any]]:
    if question.oracle is None:
        return question.test, {}
    _register_oracle()
    return _ORACLE, {"oracle": question.oracle, "selection": question.selection}


def _register_oracle() -> None:
    """Tell causal-learn of a test that reads a known graph; its own cannot condition on a selection."""
    from causallearn.utils.cit import CIT_Base, register_ci_test

    class GraphOracle(CIT_Base):  # type: ignore[misc]
        def __init__(self, data: NDArray[np.float64], oracle: nx.DiGraph, selection: frozenset[Any]) -> None:
            super().__init__(data)
            self.method, self.oracle, self.selection = _ORACLE, oracle, set(selection)

        def __call__(self, x: int, y: int, condition_set: Any = None) -> float:
            first, second, given, key = self.get_formatted_XYZ_and_cachekey(x, y, condition_set)
            if key not in self.pvalue_cache:
                held = set(given) | self.selection
                self.pvalue_cache[key] = float(nx.is_d_separator(self.oracle, set(first), set(second), held))
            return float(self.pvalue_cache[key])

    register_ci_test(_ORACLE, GraphOracle)


def _background_knowledge(tiers: Mapping[str, int]) -> Any:
    from causallearn.graph.GraphNode import GraphNode
    from causallearn.utils.PCUtils.BackgroundKnowledge import BackgroundKnowledge

    knowledge = BackgroundKnowledge()
    for name, tier in tiers.items():
        knowledge.add_node_to_tier(GraphNode(name), tier)
    return knowledge


def _later(question: Question, a: str | int, b: str | int) -> bool:
    """Whether variable number a is known to come after number b."""
    tier_a, tier_b = (question.tiers.get(question.names[int(i)]) for i in (a, b))
    return tier_a is not None and tier_b is not None and tier_a > tier_b


def _forbidden_paths(question: Question) -> NDArray[np.int_] | None:
    """Matrix for DirectLiNGAM: 0 at (i, j) where no path leads from j to i, else -1; None without knowledge."""
    n = len(question.names)
    matrix = np.array([[0 if _later(question, j, i) else -1 for j in range(n)] for i in range(n)])
    return matrix if (matrix == 0).any() else None


def _coefficient_tests(values: NDArray[np.float64], causes: list[int], effect: int) -> NDArray[np.float64]:
    """Two-sided p-value of each coefficient in a least-squares regression, from Student's t."""
    if not causes:
        return np.empty(0)
    design, outcome = values[:, causes], values[:, effect]
    inverse = np.linalg.inv(design.T @ design)
    coefficient = inverse @ design.T @ outcome
    rest = outcome - design @ coefficient
    left = len(values) - len(causes) - 1
    error = np.sqrt(np.diag(inverse) * (rest @ rest) / left)
    p_values: NDArray[np.float64] = 2 * student.sf(np.abs(coefficient) / error, left)
    return p_values


def _with_tiers(ends: Ends, tiers: NDArray[np.float64], selection_tier: int | None) -> Ends:
    """Give edges an arrowhead at their later end, and draw what follows.

    causal-learn turns a forbidden direction into the opposite *arrow*, and so denies that both ends may have a hidden
    common cause. All that is known is that the later variable is no cause of the earlier one: an arrowhead. In a
    selected sample a tail means "causes the other, or the selection", so that an arrowhead is known only where the
    later variable comes after the selection too. From the arrowheads follow others by the rules 1, 2, 3 and 8 of Zhang
    (2008), each of which is sound by itself, selected or not.
    """
    ends = ends.copy()
    if not np.isfinite(tiers).any():
        return ends
    later = tiers[:, None] > tiers[None, :]
    if selection_tier is not None:
        later &= tiers[:, None] > selection_tier
    ends[later & (ends != _NONE)] = _ARROW
    while True:
        before = ends.copy()
        for a, b, c in _adjacent_triples(ends):
            _orient(ends, a, b, c)
        if (ends == before).all():
            return ends


def _adjacent_triples(ends: Ends) -> list[tuple[int, int, int]]:
    joined = ends != _NONE
    n = len(ends)
    return [
        (a, b, c)
        for b in range(n)
        for a in np.flatnonzero(joined[b]).tolist()
        for c in np.flatnonzero(joined[b]).tolist()
        if a != c
    ]


def _orient(ends: Ends, a: int, b: int, c: int) -> None:
    """Apply to the path a, b, c those of the rules that change a circle at c, or at a beside c."""
    into_b, into_c = ends[b, a] == _ARROW, ends[c, b] == _ARROW
    if ends[a, c] == _NONE:
        # Rule 1: b is no collider between a and c, so that it causes c.
        if into_b and ends[b, c] == _CIRCLE and ends[c, b] != _TAIL:
            ends[b, c], ends[c, b] = _TAIL, _ARROW
        # Rule 3: with b no collider either, d between a and c would make a cycle if it were caused by b.
        if into_b and ends[b, c] == _ARROW:
            for d in range(len(ends)):
                if ends[b, d] == _CIRCLE and ends[d, a] == _CIRCLE and ends[d, c] == _CIRCLE:
                    ends[b, d] = _ARROW
        return
    # Rule 2: c is no cause of a where the way from a to c leads along an arrow.
    if into_b and into_c and _TAIL in (ends[a, b], ends[b, c]) and ends[c, a] == _CIRCLE:
        ends[c, a] = _ARROW
    # Rule 8: a causes c through b.
    causes_b = ends[a, b] == _TAIL and ends[b, a] in (_ARROW, _CIRCLE)
    if causes_b and ends[b, c] == _TAIL and into_c and ends[a, c] == _CIRCLE and ends[c, a] == _ARROW:
        ends[a, c] = _TAIL
