"""Object-centric offsets (Cellulus; Wolf et al., ICCV 2023): from each pixel to the middle of its object.

A mini U-Net of valid convolutions: what it says of a pixel depends on a small square around it, and on nothing else,
not even on how far the edge of the image is. D spatial axes y, x or z, y, x; channels of offsets in the same order
(the reference implementation has x first).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, max_pool3d

from embeddings.nets.cellulus_config import MiniUNetConfig


class MiniUNet(nn.Module):
    """image -> `config.features` channels for each pixel that is at least `config.lost_px` away from the edge.

    Each block is convolutions of size 3, 1, 1, 3 with ReLU; the largest of 2 (x 2 x 2) on the way down, nearest
    neighbour on the way up.
    """

    def __init__(self, config: MiniUNetConfig) -> None:
        """Make it with random weights (He et al.)."""
        super().__init__()
        self.config = config
        widths = [config.channels * config.growth**level for level in range(config.depth + 1)]
        ends = [config.features, *widths[1:]]
        before, axes = [config.inputs, *widths[:-1]], config.dimensions
        self.down = nn.ModuleList([_block(a, b, b, axes) for a, b in zip(before, widths, strict=True)])
        self.up = nn.ModuleList(
            [
                _block(widths[level] + widths[level + 1], widths[level], ends[level], axes)
                for level in range(config.depth)
            ]
        )
        self.apply(_initialise)
        # Channels side by side in memory: on the CPU up to three times as fast.
        packed = torch.channels_last if axes == 2 else torch.channels_last_3d
        self.to(memory_format=packed)  # type: ignore[call-overload]

    @property
    def lost_px(self) -> int:
        """Pixels lost on each side along each axis."""
        return self.config.lost_px

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, [z,] y, x) -> (B, features, ...), smaller by `lost_px` on each side; sides as `config.fits`."""
        pool = max_pool2d if self.config.dimensions == 2 else max_pool3d
        seen = [self.down[0](images)]
        for block in list(self.down)[1:]:
            seen.append(block(pool(seen[-1], 2)))
        here: Tensor = seen.pop()
        for block in reversed(list(self.up)):
            above = interpolate(here, scale_factor=2.0, mode="nearest")
            here = block(torch.cat([middle(seen.pop(), above.shape[2:]), above], dim=1))
        spare = self.config.lost_px - self.config.convolved_px
        return middle(here, torch.Size([side - 2 * spare for side in here.shape[2:]]))


class CellulusNetwork(nn.Module):
    """image -> offsets: where, seen from each pixel, the middle of its object lies."""

    def __init__(self, config: MiniUNetConfig) -> None:
        """Make it with random weights (He et al.)."""
        super().__init__()
        self.config = config
        convolution = nn.Conv2d if config.dimensions == 2 else nn.Conv3d
        self.unet = MiniUNet(config)
        self.head = nn.Sequential(
            convolution(config.features, config.features, 1),
            nn.ReLU(),
            convolution(config.features, config.dimensions, 1),
        )
        self.head.apply(_initialise)

    @property
    def lost_px(self) -> int:
        """Pixels lost on each side along each axis."""
        return self.config.lost_px

    def features(self, images: Tensor) -> Tensor:
        """(B, inputs, [z,] y, x) -> (B, features, ...): what the offsets are made of."""
        found: Tensor = self.unet(images)
        return found

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, [z,] y, x) -> offsets (B, D, ...) in pixels, smaller by `lost_px` on each side."""
        offsets: Tensor = self.head(self.features(images))
        return offsets


def middle(maps: Tensor, shape: torch.Size) -> Tensor:
    """(B, C, ...) -> (B, C, *shape), the same cut off on both sides."""
    for axis, (whole, wanted) in enumerate(zip(maps.shape[2:], shape, strict=True), start=2):
        maps = maps.narrow(axis, (whole - wanted) // 2, wanted)
    return maps


def seeded_cellulus(config: MiniUNetConfig, seed: int) -> CellulusNetwork:
    """A network whose random weights depend on the seed alone; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CellulusNetwork(config)


def _block(before: int, within: int, after: int, dimensions: int) -> nn.Sequential:
    convolution = nn.Conv2d if dimensions == 2 else nn.Conv3d
    layers: list[nn.Module] = []
    for size, width in zip((3, 1, 1, 3), (within, within, within, after), strict=True):
        layers += [convolution(before, width, size), nn.ReLU(inplace=True)]
        before = width
    return nn.Sequential(*layers)


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.Conv3d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
