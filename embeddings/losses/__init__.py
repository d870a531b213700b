"""What the networks are trained to make small: one loss per file, each with its formula.

Shapes: B windows of a batch, N tokens of a window (the longest of the batch), C channels. Rows i of an association are
parents (earlier), columns j children (later). `frame` (B, N) int64 is the step of each token; its offset does not
matter. `padding` (B, N) bool is True for tokens that only fill up; whatever stands there is never looked at. Every loss
is a scalar that can be differentiated, 0 where there is nothing to judge.
"""

from embeddings.losses.association import association_loss
from embeddings.losses.nt_xent import nt_xent
from embeddings.losses.object_centric import object_centric_loss
from embeddings.losses.parental_softmax import Normalisation, parental_log_softmax, parental_softmax
from embeddings.losses.reconstruction import ReconstructionLoss, ResidualMLP
from embeddings.losses.reid import reid_loss
from embeddings.losses.star_shapes import mixed_star_loss, star_loss
from embeddings.losses.time_arrow import time_arrow_loss
from embeddings.losses.transitive import transitive_loss

__all__ = [
    "Normalisation",
    "ReconstructionLoss",
    "ResidualMLP",
    "association_loss",
    "mixed_star_loss",
    "nt_xent",
    "object_centric_loss",
    "parental_log_softmax",
    "parental_softmax",
    "reid_loss",
    "star_loss",
    "time_arrow_loss",
    "transitive_loss",
]
