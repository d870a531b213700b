"""Augmentation of patches in the space of pixels: as if the cell lay otherwise, nearer, or in another light."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from tracker.errors import ConfigError


@dataclass(frozen=True)
class PatchAugmentation:
    """What is drawn anew for each patch, uniformly. In 3-D planes stay planes: only y and x are turned.

    Always a rotation by any angle, and a flip for every second patch.
    scale: how much larger the patch looks.   shift: up to +- this part of the patch's longer side along y and x.
    Pixels I become a I + s (b + c e), with s the standard deviation of the patch, a out of `contrast`, b up to
    +- `brightness`, c in [0, noise] and e of each pixel from a standard normal distribution.
    Raises ConfigError for ranges that are not.
    """

    scale: tuple[float, float] = (0.9, 1.1)
    shift: float = 0.05
    contrast: tuple[float, float] = (0.8, 1.25)
    brightness: float = 0.25
    noise: float = 0.1

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("scale", "contrast"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise ConfigError(
                    f"augmentation of patches: {name} is a range of positive numbers, found [{low}, {high}]"
                )
        for name in ("shift", "brightness", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"augmentation of patches: {name} must not be negative, found {getattr(self, name)}")

    def crop_px(self, patch_px: tuple[int, ...]) -> tuple[int, ...]:
        """([z,] y, x) sizes to cut out, all even, so that no corner of a patch of `patch_px` is ever empty."""
        y, x = patch_px[-2:]
        reach = math.hypot(y / 2, x / 2) / self.scale[0] + math.sqrt(2) * self.shift * max(y, x)
        side = 2 * math.ceil(reach + 1)
        return (*patch_px[:-2], side, side)


def augment_patches(crops: Tensor, patch_px: tuple[int, ...], settings: PatchAugmentation) -> Tensor:
    """A random view of each crop: (n, *settings.crop_px(patch_px)) -> (n, 1, *patch_px), by torch's random numbers."""
    count, device = len(crops), crops.device

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, device=device)

    angle = draw(0.0, 2 * math.pi)
    flip = torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0)
    cosine, sine = angle.cos(), angle.sin()
    matrix = torch.stack([cosine, -sine * flip, sine, cosine * flip], dim=1).view(count, 2, 2)
    matrix = matrix / draw(*settings.scale, 1, 1)
    reach = settings.shift * max(patch_px[-2:])
    patches = warp_patches(crops, patch_px, matrix, draw(-reach, reach, 2))
    one = (1,) * (patches.ndim - 1)
    spread = patches.flatten(1).std(dim=1, correction=0).view(count, *one)
    light = draw(-settings.brightness, settings.brightness, *one)
    noise = draw(0.0, settings.noise, *one) * torch.randn_like(patches)
    return draw(*settings.contrast, *one) * patches + spread * (light + noise)


def warp_patches(crops: Tensor, patch_px: tuple[int, ...], matrix: Tensor, shift_px: Tensor) -> Tensor:
    """Patches out of crops around the same centres, (n, *crop_px) -> (n, 1, *patch_px), by bilinear interpolation.

    The pixel at the offset d (y, x) from the centre of a patch shows the crop at the offset M d + shift; the centre is
    in the pixel size / 2 of either. Planes along z stay as they are. Outside of the crop is 0.
    matrix: (n, 2, 2) M, axes y, x.   shift_px: (n, 2).
    """
    count, device = len(crops), crops.device
    y, x = (torch.arange(size, device=device) - size // 2 for size in patch_px[-2:])
    offset = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).to(crops.dtype).view(1, -1, 2)
    size = torch.tensor(crops.shape[-2:], dtype=crops.dtype, device=device)
    place = offset @ matrix.transpose(1, 2) + shift_px.unsqueeze(1) + size // 2  # (n, pixels, 2) in pixels of the crop
    grid = ((2 * place + 1) / size - 1).flip(-1).view(count, *patch_px[-2:], 2)  # -1 and 1 are the edges; x, then y
    planes = crops if crops.ndim == 4 else crops.unsqueeze(1)
    return grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False).view(
        count, 1, *patch_px
    )
