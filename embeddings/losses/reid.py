"""Contrastive loss of the re-identification baseline: a detection is recognised in two augmented pictures of it."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def reid_loss(
    first: Tensor,
    second: Tensor,
    frame: Tensor | None = None,
    padding: Tensor | None = None,
    *,
    temperature: float = 0.1,
) -> Tensor:
    """Normalised temperature-scaled cross-entropy (van den Oord et al. 2018, Chen et al. 2020), between the two views.

        s_ij = cos(u_i, v_j) / temperature
        L    = 1/2 mean_i [ -log exp(s_ii) / sum_{j in N(i)} exp(s_ij) ]  +  the same with u and v exchanged

    u and v are embeddings of two random augmentations of each crop. N(i) is i and its negatives: the other detections
    of its window and, when `frame` is given, of its frame only, since the same cell in another frame is no negative.
    Detections without a negative do not count. The Attrackt paper compares with such a baseline without its formula;
    this is the usual one.

    first, second: (B, N, C) u and v, of any length.   frame: (B, N).   padding: (B, N) bool.   temperature: > 0.
    Returns a scalar; 0 where nobody has a negative.
    """
    if not first.numel():
        return (first + second).sum()
    if padding is not None:
        hidden = padding.unsqueeze(-1)
        first, second = first.masked_fill(hidden, 0), second.masked_fill(hidden, 0)
    similarity = functional.normalize(first, dim=-1) @ functional.normalize(second, dim=-1).transpose(1, 2)
    similarity = similarity / temperature
    others = ~torch.eye(first.shape[1], dtype=torch.bool, device=first.device).expand_as(similarity)
    if frame is not None:
        others = others & (frame.unsqueeze(1) == frame.unsqueeze(2))
    if padding is not None:
        others = others & ~(padding.unsqueeze(1) | padding.unsqueeze(2))
    counts = others.any(dim=2)
    own = similarity.diagonal(dim1=1, dim2=2)
    beyond = (similarity - own.unsqueeze(2)).masked_fill(~others, -math.inf)
    mirrored = (similarity.transpose(1, 2) - own.unsqueeze(2)).masked_fill(~others, -math.inf)
    loss = (_log_one_plus_sum(beyond) + _log_one_plus_sum(mirrored)) / 2
    return loss.masked_fill(~counts, 0).sum() / counts.sum().clamp_min(1)


def _log_one_plus_sum(values: Tensor) -> Tensor:
    """log(1 + sum over the last dimension of exp(values)); 0 where all are -infinity."""
    return torch.logsumexp(functional.pad(values, (0, 1)), dim=-1)
