"""Masked auto-encoder: a vision transformer that learns by filling in patches it was not shown.

After MAESTER (Xie et al., CVPR 2023): small patches, and positions so weak that tokens come to tell texture. Letters:
B fields of view, S their side, p the side of a patch, N = (S / p)^2 tokens, row by row, K of them kept, C channels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embeddings.nets.mae_config import MaeConfig
from embeddings.nets.vit_block import NORM_EPS, VitBlock

_SLOWEST = 10_000.0


class MaskedAutoencoder(nn.Module):
    """encoder: tokens of the patches shown -> embeddings; decoder: these and a placeholder for the others -> pixels."""

    patch_position: Tensor
    decoder_position: Tensor

    def __init__(self, config: MaeConfig) -> None:
        """Make both with random weights."""
        super().__init__()
        self.config = config
        pixels, width, narrow = config.patch_px**2, config.width, config.decoder_width
        self.embed = nn.Linear(pixels, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = nn.Sequential(*(VitBlock(width, config.heads, config.mlp_ratio) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.to_decoder = nn.Linear(width, narrow)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, narrow))
        self.decoder = nn.Sequential(
            *(VitBlock(narrow, config.decoder_heads, config.mlp_ratio) for _ in range(config.decoder_depth))
        )
        self.decoder_norm = nn.LayerNorm(narrow, eps=NORM_EPS)
        self.to_pixels = nn.Linear(narrow, pixels)
        # The cls token is nowhere: its position is 0.
        position = config.position_weight * sincos_positions(config.grid, width)
        self.register_buffer("patch_position", position, persistent=False)
        self.register_buffer("decoder_position", sincos_positions(config.grid, narrow), persistent=False)
        self.apply(_initialise)
        for token in (self.cls_token, self.mask_token):
            nn.init.normal_(token, std=0.02)

    def encode(self, images: Tensor) -> Tensor:
        """(B, 1, S, S) -> (B, N, width): every token after the last norm, nothing hidden, cls left out."""
        return self._encode(self._tokens(images))[:, 1:]

    def forward(self, images: Tensor, kept: Tensor) -> Tensor:
        """The pixels of all patches, (B, N, p^2), guessed from those kept.

        images: (B, 1, S, S); nothing is seen of patches that are not kept.   kept: (B, K) int64 distinct tokens.
        """
        shown = self._tokens(images).gather(1, kept.unsqueeze(-1).expand(-1, -1, self.config.width))
        narrow = self.to_decoder(self._encode(shown))  # (B, 1 + K, decoder_width)
        batch, _, channels = narrow.shape
        hidden = self.mask_token.to(narrow.dtype).expand(batch, self.config.tokens, channels)
        tokens = hidden.scatter(1, kept.unsqueeze(-1).expand(-1, -1, channels), narrow[:, 1:])
        tokens = torch.cat([narrow[:, :1], tokens + self.decoder_position], dim=1)
        pixels: Tensor = self.to_pixels(self.decoder_norm(self.decoder(tokens))[:, 1:])
        return pixels

    def _tokens(self, images: Tensor) -> Tensor:
        """(B, 1, S, S) -> (B, N, width) with positions."""
        tokens: Tensor = self.embed(patchify(images, self.config.patch_px)) + self.patch_position
        return tokens

    def _encode(self, tokens: Tensor) -> Tensor:
        """(B, K, width) -> (B, 1 + K, width), the cls token first."""
        first = self.cls_token.to(tokens.dtype).expand(len(tokens), -1, -1)
        encoded: Tensor = self.norm(self.encoder(torch.cat([first, tokens], dim=1)))
        return encoded


def masked_pixel_error(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Scalar mean over the patches not kept, and their pixels, of (guess - pixel)^2; 0 where all are kept.

    batch: images (B, 1, S, S) and kept (B, K), as `MaskedAutoencoder.forward` takes them.
    """
    images, kept = batch
    guess = model(images, kept).float()
    hidden = torch.ones(guess.shape[:2], device=guess.device).scatter(1, kept, 0.0)
    patch_px = round(guess.shape[-1] ** 0.5)
    error = (guess - patchify(images.float(), patch_px)).square().mean(dim=-1)
    loss: Tensor = (error * hidden).sum() / hidden.sum().clamp_min(1.0)
    return loss


def draw_kept(rng: np.random.Generator, batch_size: int, config: MaeConfig) -> NDArray[np.int64]:
    """(batch_size, K) random distinct tokens for each field of view, sorted."""
    order = rng.random((batch_size, config.tokens)).argsort(axis=1)
    return np.sort(order[:, : config.kept_tokens], axis=1)


def patchify(images: Tensor, patch_px: int) -> Tensor:
    """(B, 1, S, S) -> (B, N, p^2); patches and the pixels in them row by row."""
    batch, grid = len(images), images.shape[-1] // patch_px
    cut = images.reshape(batch, grid, patch_px, grid, patch_px)  # (B, rows, y, columns, x)
    return cut.transpose(2, 3).reshape(batch, grid**2, patch_px**2)


def sincos_positions(grid: int, channels: int) -> Tensor:
    """(grid^2, channels) fixed code of the place (row r, column c) of each token, row by row.

    With Q = channels / 4 and w_k = 10000^(-k / Q), k = 0 .. Q - 1: [sin(r w), cos(r w), sin(c w), cos(c w)].
    """
    quarter = channels // 4
    rate = _SLOWEST ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    angle = torch.arange(grid, dtype=torch.float64)[:, None] * rate  # (grid, Q)
    along = torch.cat([angle.sin(), angle.cos()], dim=1)  # (grid, 2 Q)
    rows, columns = along[:, None].expand(-1, grid, -1), along[None].expand(grid, -1, -1)
    return torch.cat([rows, columns], dim=-1).reshape(grid**2, channels).float()


def seeded_mae(config: MaeConfig, seed: int) -> MaskedAutoencoder:
    """A masked auto-encoder whose random weights depend on the seed alone; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MaskedAutoencoder(config)


def _initialise(layer: nn.Module) -> None:
    """Glorot's uniform weights for linear maps, without offsets."""
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
