"""Embeddings of detections added to what the tracking transformer sees of them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# A channel that varies by less than this part of its mean is rounding, not a difference between detections.
_CONSTANT = 1e-6
# Of the random weights a linear layer begins with.
_GAIN = 0.1


class Fusion(nn.Module):
    """f' = f + W (e - m) / s + b,   f: (B, N, F) shape features,   e: (B, N, C) embeddings.

    A sum, so that all later layers keep their sizes. m and s are mean and standard deviation of each channel over the
    movies of the training, kept with the weights. W could undo them, so they change nothing but how fast it learns: not
    according to the unit of the embeddings.
    W and b begin at random, at a tenth of what a linear layer usually begins with: near the network without embeddings,
    which learns to generalise better where shapes tell cells apart already; where embeddings alone do, they grow within
    a few hundred steps. Or they begin at zero, see `silence`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int, features: int) -> None:
        """channels: C.   features: F."""
        super().__init__()
        self.project = nn.Linear(channels, features)
        with torch.no_grad():
            self.project.weight.mul_(_GAIN)
            self.project.bias.mul_(_GAIN)
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def standardise(self, vectors: NDArray[np.float32]) -> None:
        """Take m and s from the embeddings (N, C) of all detections of a training; constant channels have s = 1."""
        mean, std = vectors.mean(axis=0, dtype=np.float64), vectors.std(axis=0, dtype=np.float64)
        std[std <= _CONSTANT * np.abs(mean)] = 1.0
        self.mean.copy_(torch.from_numpy(mean))
        self.std.copy_(torch.from_numpy(std))

    def silence(self) -> None:
        """W = 0, b = 0, so that a network which has learnt without embeddings begins exactly as it is."""
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, features: Tensor, embeddings: Tensor) -> Tensor:
        """Return f' (B, N, F)."""
        with torch.autocast(features.device.type, enabled=False):  # their Fourier code needs all digits
            fused: Tensor = features + self.project((embeddings - self.mean) / self.std)
        return fused
