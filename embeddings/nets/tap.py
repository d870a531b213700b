"""Time arrow prediction (Gallusser, Stieber and Weigert, MICCAI 2023): which of two frames came first, and why.

A U-Net gives each pixel of either frame a vector; a small head, which treats the two frames alike, votes for the
earlier one. What the U-Net has to see for that are events that look different backwards: divisions, deaths.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from embeddings.nets.tap_config import TapConfig

_SLOPE = 0.01


class TapNetwork(nn.Module):
    """pair of pictures -> dense features z of each -> two logits, the higher one at the earlier picture."""

    def __init__(self, config: TapConfig) -> None:
        """Make U-Net, projection and head with random weights."""
        super().__init__()
        self.config = config
        count = config.features
        self.unet = _UNet(config)
        self.projection = nn.Sequential(nn.Conv2d(count, count, 1), nn.BatchNorm2d(count))
        self.head = nn.ModuleList([_Equivariant(count, count, config), _Equivariant(count, count, config)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(count), nn.BatchNorm2d(count)])
        self.vote = _Equivariant(count, 1, config)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=_SLOPE)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def features(self, pictures: Tensor) -> Tensor:
        """(B, h, w) -> z (B, C, h, w); h and w multiples of `config.multiple_px`."""
        dense: Tensor = self.projection(self.unet(pictures.unsqueeze(1)))
        return dense

    def votes(self, features: Tensor) -> Tensor:
        """Features (B, 2, C, h, w) -> the same shape: the head pixel by pixel, before it takes the mean."""
        for layer, norm in zip(self.head, self.norms, strict=True):
            mixed = layer(features)
            features = nn.functional.leaky_relu(norm(mixed.flatten(0, 1)), _SLOPE).view_as(mixed)
        return features

    def count_votes(self, votes: Tensor) -> Tensor:
        """Means over the picture (B, 2, C) -> logits (B, 2); linear, so that parts of a picture may be summed."""
        logits: Tensor = self.vote(votes[..., None, None])[:, :, 0, 0, 0]
        return logits

    def judge(self, features: Tensor) -> Tensor:
        """Features (B, 2, C, h, w) -> logits (B, 2); in the other order, the logits are in the other order."""
        return self.count_votes(self.votes(features).mean(dim=(-2, -1)))

    def forward(self, pairs: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs (B, 2, h, w) -> logits (B, 2), and z (B, 2, C, h, w)."""
        dense = self.features(pairs.flatten(0, 1))
        features = dense.view(*pairs.shape[:2], *dense.shape[1:])
        return self.judge(features), features


class _Equivariant(nn.Module):
    """y_t = L x_t + G agg_s(x_s) + b, pixel by pixel; agg over the frames s of the pair."""

    def __init__(self, before: int, after: int, config: TapConfig) -> None:
        super().__init__()
        self.own = nn.Conv2d(before, after, 1)
        self.both = nn.Conv2d(before, after, 1, bias=False)
        self.sums = config.aggregate == "sum"

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, before, h, w) -> (B, T, after, h, w)."""
        together = features.sum(dim=1) if self.sums else features.mean(dim=1)
        own = self.own(features.flatten(0, 1))
        mixed: Tensor = own.view(*features.shape[:2], *own.shape[1:]) + self.both(together).unsqueeze(1)
        return mixed


class _UNet(nn.Module):
    """Two 3x3 convolutions per level, the largest of 2x2 on the way down, nearest neighbour on the way up."""

    def __init__(self, config: TapConfig) -> None:
        super().__init__()
        widths = [config.channels * 2**level for level in range(config.levels + 1)]
        self.down = nn.ModuleList([_block(before, after) for before, after in zip([1, *widths], widths, strict=False)])
        self.up = nn.ModuleList(
            [_block(widths[level] + widths[level + 1], widths[level]) for level in range(config.levels)]
        )
        self.last = nn.Conv2d(widths[0], config.features, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 1, h, w) -> (B, features, h, w)."""
        seen = [self.down[0](picture)]
        for block in list(self.down)[1:]:
            seen.append(block(nn.functional.max_pool2d(seen[-1], 2)))
        here: Tensor = seen.pop()
        for block in reversed(list(self.up)):
            here = block(torch.cat([interpolate(here, scale_factor=2.0, mode="nearest"), seen.pop()], dim=1))
        out: Tensor = self.last(here)
        return out


def _block(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        # Without a bias: the batch norm has one.
        layers.append(nn.Conv2d(width, after, 3, padding=1, padding_mode="replicate", bias=False))
        layers += [nn.BatchNorm2d(after), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers)


def seeded_tap(config: TapConfig, seed: int) -> TapNetwork:
    """A network whose random weights depend on the seed alone; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TapNetwork(config)
