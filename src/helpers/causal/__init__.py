"""Causal analysis: local independence tests, causal discovery, and graphs to compare (chapter 04)."""

from helpers.causal.discovery import bootstrap_edges, pc_graph
from helpers.causal.graphs import CausalGraph, SkeletonScore, skeleton_score, structural_hamming_distance
from helpers.causal.independence import LocalTest, SampleTest, benjamini_hochberg, local_test, sample_test

__all__ = [
    "CausalGraph",
    "LocalTest",
    "SampleTest",
    "SkeletonScore",
    "benjamini_hochberg",
    "bootstrap_edges",
    "local_test",
    "pc_graph",
    "sample_test",
    "skeleton_score",
    "structural_hamming_distance",
]
