"""Rotary positional encoding over time and space, with learnable frequencies."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from embeddings.nets.fourier_encoding import frequencies


def rotary_channels(head_channels: int, dimensions: int) -> tuple[int, ...]:
    """Channels of a head for (t, [z,] y, x), all even: space axes get equal shares, time its own and the rest."""
    share = 2 * (head_channels // (2 * (dimensions + 1)))
    return (head_channels - dimensions * share, *(share,) * dimensions)


class RotaryEncoding(nn.Module):
    """Rotates pairs of neighbouring channels of queries and keys by pi/2 x f, so that q.k sees differences of x only.

    slowest: for each axis, the scale of its slowest frequency.   channels: for each axis, even; they sum to a head's.
    """

    def __init__(self, slowest: Sequence[float], channels: Sequence[int]) -> None:
        """Make the frequencies, one parameter per axis."""
        super().__init__()
        pairs = zip(slowest, channels, strict=True)
        self.freqs = nn.ParameterList([frequencies(scale, count // 2) for scale, count in pairs])

    def angles(self, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        """coordinates: (B, N, A).   Returns cosine and sine, (B, 1, N, C/2) for heads of C channels."""
        quarter_turns = 0.5 * math.pi * coordinates
        angle = torch.cat([quarter_turns[..., axis, None] * f for axis, f in enumerate(self.freqs)], dim=-1)
        return angle.cos().unsqueeze(1), angle.sin().unsqueeze(1)


def rotate(heads: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """(a, b) -> (a cos - b sin, b cos + a sin) for each pair of channels.

    heads: (B, H, N, C).   cosine, sine: (B, 1, N, C/2).   Returns (B, H, N, C), of the type of `heads`.
    """
    first, second = heads[..., 0::2], heads[..., 1::2]
    turned = torch.stack((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
    return turned.flatten(-2).to(heads.dtype)
