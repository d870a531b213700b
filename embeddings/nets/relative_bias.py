"""A learnt table over (time difference, distance) added to the attention logits."""

import math

import torch
from torch import Tensor, nn


class RelativeBias(nn.Module):
    """bias_h(query i, key j) = table[bin(t_j - t_i), bin(||x_i - x_j||), h].

    Bins of distance end at exp(linspace(0, ln(cutoff + 1), bins)), fine near zero; bins of time at -W .. W. A value
    beyond the last end falls into the last bin.
    """

    spatial_bins: Tensor
    temporal_bins: Tensor

    def __init__(self, heads: int, cutoff_px: float, window_frames: int, bins: int) -> None:
        """Make a random table, uniform in [-0.5, 0.5)."""
        super().__init__()
        times = 2 * window_frames + 1
        self.register_buffer("spatial_bins", torch.exp(torch.linspace(0.0, math.log(cutoff_px + 1), bins)))
        self.register_buffer("temporal_bins", torch.linspace(-window_frames, window_frames, times))
        self.bias = nn.Parameter(torch.rand(times * bins, heads) - 0.5)

    def rows(self, distance: Tensor, delay: Tensor) -> Tensor:
        """Row of the table for each pair. distance, delay (t_key - t_query): (B, N, N).   Returns (B, N, N) int64."""
        near = torch.bucketize(distance, self.spatial_bins).clamp_(max=len(self.spatial_bins) - 1)
        late = torch.bucketize(delay, self.temporal_bins).clamp_(max=len(self.temporal_bins) - 1)
        return late * len(self.spatial_bins) + near

    def forward(self, rows: Tensor) -> Tensor:
        """rows: (B, N, N) of `rows`.   Returns (B, H, N, N)."""
        # index_select has a far faster backward than indexing with a matrix
        picked = self.bias.index_select(0, rows.flatten())
        return picked.reshape(*rows.shape, -1).permute(0, 3, 1, 2)
