"""Causal analysis: local independence tests, causal discovery, and graphs to compare (chapter 04)."""

from helpers.causal.columns import determinism, normal_scores, rescaled
from helpers.causal.discovery import (
    bootstrap_edges,
    bootstrap_graphs,
    discover,
    edge_frequencies,
    pc_graph,
)
from helpers.causal.edge_agreement import agreement
from helpers.causal.experiments import hidden_variable_experiment
from helpers.causal.forks import Fork, draw_fork
from helpers.causal.graphs import CausalGraph, GraphScore, compare_graphs, score_graph, structural_hamming_distance
from helpers.causal.independence import LocalTest, benjamini_hochberg, local_test
from helpers.causal.nonlinear import NonlinearTest, nonlinear_test
from helpers.causal.planted import LINKS, TRIPLETS, draw_planted, draw_triplet
from helpers.causal.queries import CONTROLS, query_properties
from helpers.causal.sample_tests import SampleTest, sample_test, sample_tests
from helpers.causal.sensitivity import (
    Sensitivity,
    adjusted_estimate,
    confounder_bound,
    robustness_value,
    sensitivity_analysis,
)
from helpers.causal.smoothing import cross_fitted_residuals
from helpers.causal.truth import (
    GraphClaims,
    equivalence_class,
    expected_random_score,
    judge_claims,
    strongest_correlations,
    true_graph,
)

__all__ = [
    "CONTROLS",
    "LINKS",
    "TRIPLETS",
    "CausalGraph",
    "Fork",
    "GraphClaims",
    "GraphScore",
    "LocalTest",
    "NonlinearTest",
    "SampleTest",
    "Sensitivity",
    "adjusted_estimate",
    "agreement",
    "benjamini_hochberg",
    "bootstrap_edges",
    "bootstrap_graphs",
    "compare_graphs",
    "confounder_bound",
    "cross_fitted_residuals",
    "determinism",
    "discover",
    "draw_fork",
    "draw_planted",
    "draw_triplet",
    "edge_frequencies",
    "equivalence_class",
    "expected_random_score",
    "hidden_variable_experiment",
    "judge_claims",
    "local_test",
    "nonlinear_test",
    "normal_scores",
    "pc_graph",
    "rescaled",
    "query_properties",
    "robustness_value",
    "sample_test",
    "sample_tests",
    "score_graph",
    "sensitivity_analysis",
    "strongest_correlations",
    "structural_hamming_distance",
    "true_graph",
]
