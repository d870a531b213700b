"""Convolutional auto-encoder of patches of images, 2-D and 3-D: its latent picture, flattened, is the embedding.

The layout is that of the first stage of latent diffusion (Rombach et al., CVPR 2022), in the sizes of Attrackt (Lalit
and Funke, ICCV Workshops 2025): a plain auto-encoder, nothing variational.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention

from embeddings.nets.autoencoder_config import GRID, AutoencoderConfig


def reconstruction_error(model: nn.Module, patches: Tensor) -> Tensor:
    """L = mean over patches of the sum over pixels of (decoded - patch)^2.   patches: (B, 1, *patch_px)."""
    decoded: Tensor = model(patches)
    return (decoded.float() - patches).square().flatten(1).sum(dim=1).mean()


class Autoencoder(nn.Module):
    """patch -> encode -> embedding (latent numbers) -> decode -> patch."""

    def __init__(self, config: AutoencoderConfig) -> None:
        """Make encoder and decoder with random weights."""
        super().__init__()
        self.config = config
        widths = [config.channels * multiplier for multiplier in config.multipliers]
        sizes = config.sizes_px
        self.latent_channels = config.latent // GRID**config.dimensions
        down: list[nn.Module] = [_conv(config, 1, config.channels)]
        width = config.channels
        for level, size in enumerate(sizes):
            down += _level(config, width, widths[level], size, config.blocks)
            width = widths[level]
            if level + 1 < len(sizes):
                down.append(_Halve(config, width, size, sizes[level + 1]))
        self.encoder = nn.Sequential(*down, *_middle(config, width), *_last(config, width, self.latent_channels))
        up: list[nn.Module] = [_conv(config, self.latent_channels, width), *_middle(config, width)]
        for level in range(len(sizes) - 1, -1, -1):
            up += _level(config, width, widths[level], sizes[level], config.blocks + 1)
            width = widths[level]
            if level:
                up.append(_Double(config, width, sizes[level - 1]))
        self.decoder = nn.Sequential(*up, *_last(config, width, 1))

    def encode(self, patches: Tensor) -> Tensor:
        """(B, 1, *patch_px) -> (B, latent)."""
        latent: Tensor = self.encoder(patches)
        return latent.flatten(1)

    def decode(self, embeddings: Tensor) -> Tensor:
        """(B, latent) -> (B, 1, *patch_px)."""
        grid = (GRID,) * self.config.dimensions
        decoded: Tensor = self.decoder(embeddings.reshape(-1, self.latent_channels, *grid))
        return decoded

    def forward(self, patches: Tensor) -> Tensor:
        """(B, 1, *patch_px) -> the same, through the latent."""
        return self.decode(self.encode(patches))


class _Residual(nn.Module):
    """x + conv(dropout(silu(norm(conv(silu(norm(x))))))); x through a 1x1 convolution where the channels change."""

    def __init__(self, config: AutoencoderConfig, before: int, after: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            _norm(config, before),
            nn.SiLU(),
            _conv(config, before, after),
            _norm(config, after),
            nn.SiLU(),
            nn.Dropout(config.dropout),
            _conv(config, after, after),
        )
        self.skip = nn.Identity() if before == after else _conv(config, before, after, kernel=1)

    def forward(self, picture: Tensor) -> Tensor:
        out: Tensor = self.skip(picture) + self.change(picture)
        return out


class _Attention(nn.Module):
    """x + out(softmax(q.k / sqrt(C)) v) with q, k, v of norm(x): one head, every pixel attends to every other."""

    def __init__(self, config: AutoencoderConfig, channels: int) -> None:
        super().__init__()
        self.norm = _norm(config, channels)
        self.qkv = _conv(config, channels, 3 * channels, kernel=1)
        self.out = _conv(config, channels, channels, kernel=1)

    def forward(self, picture: Tensor) -> Tensor:
        query, key, value = self.qkv(self.norm(picture)).flatten(2).transpose(1, 2).chunk(3, dim=2)  # (B, pixels, C)
        seen = scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(picture.shape)
        out: Tensor = picture + self.out(seen)
        return out


class _Halve(nn.Module):
    """3x3 convolution of stride 2 along the axes that shrink; these are padded by 1 at their far end."""

    def __init__(self, config: AutoencoderConfig, channels: int, before: Sequence[int], after: Sequence[int]) -> None:
        super().__init__()
        shrinks = [old > new for old, new in zip(before, after, strict=True)]
        self.margins = [margin for one in reversed(shrinks) for margin in ((0, 1) if one else (1, 1))]
        kind = nn.Conv2d if config.dimensions == 2 else nn.Conv3d
        self.conv = kind(channels, channels, 3, stride=tuple(1 + one for one in shrinks))  # type: ignore[arg-type]

    def forward(self, picture: Tensor) -> Tensor:
        out: Tensor = self.conv(pad(picture, self.margins))
        return out


class _Double(nn.Module):
    """Nearest-neighbour enlargement to a size, then a 3x3 convolution."""

    def __init__(self, config: AutoencoderConfig, channels: int, size: Sequence[int]) -> None:
        super().__init__()
        self.size = list(size)
        self.conv = _conv(config, channels, channels)

    def forward(self, picture: Tensor) -> Tensor:
        out: Tensor = self.conv(interpolate(picture, size=self.size, mode="nearest"))
        return out


def _conv(config: AutoencoderConfig, before: int, after: int, kernel: int = 3) -> nn.Module:
    kind = nn.Conv2d if config.dimensions == 2 else nn.Conv3d
    return kind(before, after, kernel, padding=kernel // 2)


def _norm(config: AutoencoderConfig, channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(config.groups, channels, eps=1e-6)


def _level(config: AutoencoderConfig, before: int, after: int, size: Sequence[int], blocks: int) -> list[nn.Module]:
    """Residual blocks, each followed by attention where the level is of that size."""
    layers: list[nn.Module] = []
    for block in range(blocks):
        layers.append(_Residual(config, after if block else before, after))
        if max(size) == config.attention_px:
            layers.append(_Attention(config, after))
    return layers


def _middle(config: AutoencoderConfig, width: int) -> list[nn.Module]:
    return [_Residual(config, width, width), _Attention(config, width), _Residual(config, width, width)]


def _last(config: AutoencoderConfig, width: int, channels: int) -> list[nn.Module]:
    return [_norm(config, width), nn.SiLU(), _conv(config, width, channels)]


def seeded_autoencoder(config: AutoencoderConfig, seed: int) -> Autoencoder:
    """An auto-encoder whose random weights depend on the seed alone; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Autoencoder(config)
