"""Encoder of patches of images whose embeddings are compared by their cosine."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from embeddings.nets.autoencoder import Autoencoder
from embeddings.nets.autoencoder_config import AutoencoderConfig


class PatchEncoder(nn.Module):
    """patch -> embedding of length 1: the encoder of an auto-encoder of the same sizes, without its decoder."""

    def __init__(self, config: AutoencoderConfig) -> None:
        """Make the encoder with random weights."""
        super().__init__()
        self.config = config
        self.encoder = Autoencoder(config).encoder

    def encode(self, patches: Tensor) -> Tensor:
        """(B, 1, *patch_px) -> (B, latent) float32, each of Euclidean length 1."""
        return normalize(self.encoder(patches).flatten(1).float(), dim=1)

    def forward(self, patches: Tensor) -> Tensor:
        """As `encode`."""
        return self.encode(patches)


def seeded_patch_encoder(config: AutoencoderConfig, seed: int) -> PatchEncoder:
    """An encoder whose random weights depend on the seed alone; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return PatchEncoder(config)
