"""Inference: from a trained network and a movie to a score per candidate link."""

from embeddings.inference.scores import ScoreSettings, link_scores

__all__ = ["ScoreSettings", "link_scores"]
