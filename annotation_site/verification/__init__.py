"""Clusters, questions, judgments, decisions."""
