"""Transitive loss of Attrackt (Lalit and Funke, ICCV Workshops 2025)."""

from typing import Literal

import torch
from torch import Tensor

from embeddings.losses.frames import FrameGroups, group_by_frame


def transitive_loss(
    association: Tensor, frame: Tensor, padding: Tensor | None = None, *, batch: Literal["sum", "mean"] = "sum"
) -> Tensor:
    """Two steps of one frame must agree with one step of two.

        L = sum_b  mean_s  mean over entries of ( A_{s,s+2} - A_{s,s+1} A_{s+1,s+2} )^2

    A_{a,b} is the block of rows of frame a and columns of frame b, s runs over the frames of the window for which s,
    s + 1 and s + 2 all hold tokens. The sum over the windows b of a batch is that of the published code; batch="mean"
    divides it by their number B, so that the weight of this loss does not grow with the batch.

    association: (B, N, N) Phi, rows parents; only t_i < t_j is read.   frame: (B, N).   padding: (B, N) bool.
    Returns a scalar; a window without such s counts 0.
    """
    if not association.numel():
        return association.sum()
    groups = group_by_frame(frame, padding)
    rows = groups.rows(association)  # (B, F, K, N)
    if rows.shape[1] < 3:
        return rows.masked_fill(torch.ones_like(rows, dtype=torch.bool), 0).sum()
    one, two = _blocks(rows, groups, 1), _blocks(rows, groups, 2)
    product = one[:, :-1] @ one[:, 1:]  # (B, F - 2, K, K)
    size = groups.present.sum(dim=2)  # (B, F)
    entries = size[:, :-2] * size[:, 2:]
    squared = (two - product).square().sum(dim=(2, 3)) / entries.clamp_min(1)
    counts = (entries > 0) & (size[:, 1:-1] > 0)
    per_window = squared.masked_fill(~counts, 0).sum(dim=1) / counts.sum(dim=1).clamp_min(1)
    return per_window.sum() if batch == "sum" else per_window.mean()


def _blocks(rows: Tensor, groups: FrameGroups, gap: int) -> Tensor:
    """(B, F - gap, K, K) the blocks of rows of frame f and columns of frame f + gap; 0 where no token is present."""
    per_frame = groups.token.shape[2]
    column = groups.token[:, gap:].unsqueeze(2).expand(-1, -1, per_frame, -1)
    both = groups.present[:, :-gap].unsqueeze(3) & groups.present[:, gap:].unsqueeze(2)
    return rows[:, :-gap].gather(3, column).masked_fill(~both, 0)
