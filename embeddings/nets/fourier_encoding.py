"""Numbers as sines and cosines of learnable frequencies."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def frequencies(slowest: float, count: int) -> nn.Parameter:
    """Learnable frequencies, (1, 1, count): from 1 down to 1/slowest, evenly spaced in their logarithm."""
    return nn.Parameter(torch.exp(torch.linspace(0.0, -math.log(slowest), count)).reshape(1, 1, count))


class FourierEncoding(nn.Module):
    """code_a(x) = [sin(pi/2 x f_a), cos(pi/2 x f_a)] for each column a, the codes one after the other.

    slowest: for each column, the period scale of its slowest frequency (in the unit of the column).
    channels: even, sines and cosines together, per column.
    """

    def __init__(self, slowest: Sequence[float], channels: int) -> None:
        """Make the frequencies, one parameter per column."""
        super().__init__()
        self.freqs = nn.ParameterList([frequencies(scale, channels // 2) for scale in slowest])

    def forward(self, values: Tensor) -> Tensor:
        """values: (B, N, A).   Returns (B, N, A * channels)."""
        if not len(self.freqs):
            return values.new_zeros((*values.shape[:2], 0))
        frequency = torch.cat(list(self.freqs), dim=1)  # (1, A, channels / 2)
        angle = (0.5 * math.pi * values).unsqueeze(-1) * frequency  # (B, N, A, channels / 2)
        return torch.cat((angle.sin(), angle.cos()), dim=-1).flatten(-2)
