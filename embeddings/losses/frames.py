"""Tokens of a batch, gathered frame by frame, so that whatever works on pairs of frames is plain batched arithmetic."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FrameGroups:
    """F frames of at most K tokens each, for every window of the batch.

    token: (B, F, K) int64, which token of the window stands there; meaningless where not present.
    present: (B, F, K) bool.   step: (B, N) int64, frame of each token counted from the first of its window, 0 for
    padding.   place: (B, N) int64, where each token stands in (F, K) counted row by row, F * K for padding.
    """

    token: Tensor
    present: Tensor
    step: Tensor
    place: Tensor

    def rows(self, matrix: Tensor) -> Tensor:
        """(B, N, X) gathered to (B, F, K, X); zero where no token is present."""
        batch, frames, per_frame = self.token.shape
        first_row = torch.arange(batch, device=matrix.device).view(-1, 1, 1) * matrix.shape[1]
        gathered = matrix.flatten(0, 1).index_select(0, (first_row + self.token).flatten())
        return gathered.view(batch, frames, per_frame, -1).masked_fill(~self.present.unsqueeze(-1), 0)

    def ungroup(self, grouped: Tensor) -> Tensor:
        """(B, F, K, X) back to (B, N, X); zero for padding. The inverse of `rows`."""
        batch, frames, per_frame = self.token.shape
        padding = self.place == frames * per_frame
        first_row = torch.arange(batch, device=grouped.device).view(-1, 1) * (frames * per_frame)
        row = first_row + self.place.masked_fill(padding, 0)
        back = grouped.flatten(0, 2).index_select(0, row.flatten()).view(batch, -1, grouped.shape[-1])
        return back.masked_fill(padding.unsqueeze(-1), 0)


def group_by_frame(frame: Tensor, padding: Tensor | None = None) -> FrameGroups:
    """Group the tokens of each window by their frame, in any order, with any number of tokens per frame.

    frame: (B, N) int64, N > 0; memory grows with the number of steps it spans.   padding: (B, N) bool.
    """
    batch, count = frame.shape
    padding = torch.zeros_like(frame, dtype=torch.bool) if padding is None else padding
    frame = frame.long()
    earliest = frame.masked_fill(padding, torch.iinfo(torch.int64).max).amin(dim=1, keepdim=True)
    step = (frame - earliest).masked_fill(padding, 0)
    frames = int(step.max()) + 1
    stands = torch.nn.functional.one_hot(step, frames).masked_fill(padding.unsqueeze(-1), 0)
    rank = stands.cumsum(dim=1).gather(2, step.unsqueeze(-1)).squeeze(-1) - 1
    per_frame = max(int(stands.sum(dim=1).max()), 1)
    slots = frames * per_frame
    place = (step * per_frame + rank).masked_fill(padding, slots)
    number = torch.arange(count, device=frame.device).expand(batch, count)
    token = torch.zeros((batch, slots + 1), dtype=torch.int64, device=frame.device).scatter(1, place, number)
    present = torch.zeros((batch, slots + 1), dtype=torch.bool, device=frame.device).scatter(1, place, True)
    shape = (batch, frames, per_frame)
    return FrameGroups(token[:, :slots].view(shape), present[:, :slots].view(shape), step, place)
