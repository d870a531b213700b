"""Augmentation of pairs of crops: what the two have in common is changed for both, what gives them away for each."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from tracker.errors import ConfigError

_KNOTS = 5  # along each axis, where the elastic displacement is drawn


@dataclass(frozen=True)
class PairAugmentation:
    """What is drawn anew for each pair, uniformly, each with this probability; as published for TAP.

    Of both frames: flips along each axis; any rotation with a scale out of `scale`; an elastic displacement, up to +-
    this part of the crop at each of 5 x 5 knots; intensities I become g I + o with g of `gain` and o up to +- `offset`.
    Of each frame on its own, so that drift, growth of the whole and bleaching tell nothing: a shift up to +-
    `frame_shift` of the crop with a scale out of `frame_scale`; `frame_gain`, `frame_offset`; Gaussian noise with a
    standard deviation up to `noise`.
    Raises ConfigError for ranges that are not.
    """

    probability: float = 0.5
    scale: tuple[float, float] = (0.8, 1.25)
    elastic: float = 0.1
    frame_shift: float = 0.03
    frame_scale: tuple[float, float] = (0.9, 1.11)
    gain: tuple[float, float] = (0.8, 1.25)
    offset: float = 0.1
    frame_gain: tuple[float, float] = (0.9, 1.11)
    frame_offset: float = 0.05
    noise: float = 0.05

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.probability <= 1:
            raise ConfigError(f"augmentation of pairs: probability must lie in [0, 1], found {self.probability}")
        for name in ("scale", "frame_scale", "gain", "frame_gain"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise ConfigError(
                    f"augmentation of pairs: {name} is a range of positive numbers, found [{low}, {high}]"
                )
        for name in ("elastic", "frame_shift", "offset", "frame_offset", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"augmentation of pairs: {name} must not be negative, found {getattr(self, name)}")


def augment_pairs(crops: Tensor, crop_px: int, settings: PairAugmentation) -> Tensor:
    """A random view of each pair: (n, 2, side, side) -> (n, 2, crop_px, crop_px), by torch's random numbers.

    The middle of the crops is shown; where a view reaches beyond their edges, they are mirrored.
    """
    with torch.autocast(crops.device.type, enabled=False):  # places and noise need all their digits
        return _light(_warp(crops.float(), crop_px, settings), settings)


def middle(crops: Tensor, crop_px: int) -> Tensor:
    """What is shown without augmentation: (n, 2, side, side) -> (n, 2, crop_px, crop_px)."""
    margin = (crops.shape[-1] - crop_px) // 2
    return crops[..., margin : margin + crop_px, margin : margin + crop_px]


def _warp(crops: Tensor, crop_px: int, settings: PairAugmentation) -> Tensor:
    """The pixel at the offset d from the middle shows the place F (J d + e(d)) + s: J, e of both, F, s of each."""
    count, device = len(crops), crops.device
    draw = _Draw(crops, settings.probability)
    angle = draw.within(-math.pi, math.pi, 0.0)
    turned = draw.last[:, None, None]  # a rotation and its scale come together
    zoom = torch.where(turned, draw.uniform(*settings.scale, 1, 1), 1.0)
    flips = torch.where(draw.chosen(2), -1.0, 1.0)
    matrix = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(count, 2, 2)
    matrix = matrix * flips[:, None] / zoom
    axis = torch.arange(crop_px, device=device) - (crop_px - 1) / 2
    offset = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(1, -1, 2)
    reach = settings.elastic * crop_px
    knots = draw.within(-reach, reach, 0.0, 2, _KNOTS, _KNOTS)
    bent = interpolate(knots, size=(crop_px, crop_px), mode="bicubic", align_corners=True).flatten(2).transpose(1, 2)
    place = (offset @ matrix.transpose(1, 2) + bent).unsqueeze(1)  # (n, 1, pixels, 2)
    reach = settings.frame_shift * crop_px
    shift = draw.within(-reach, reach, 0.0, 2, 2)
    moved = draw.last.view(count, 1, 1, 1)
    place = place / torch.where(moved, draw.uniform(*settings.frame_scale, 2, 1, 1), 1.0) + shift.unsqueeze(2)
    side = crops.shape[-1]
    grid = (place * 2 / (side - 1)).flip(-1).reshape(2 * count, crop_px, crop_px, 2)  # -1 and 1: the outermost centres
    planes = crops.reshape(2 * count, 1, side, side)
    seen = grid_sample(planes, grid, mode="bilinear", padding_mode="reflection", align_corners=True)
    return seen.view(count, 2, crop_px, crop_px)


def _light(pairs: Tensor, settings: PairAugmentation) -> Tensor:
    draw = _Draw(pairs, settings.probability)
    for gains, offset, frames in (
        (settings.frame_gain, settings.frame_offset, 2),
        (settings.gain, settings.offset, 1),
    ):
        shift = draw.within(-offset, offset, 0.0, frames, 1, 1)
        changed = draw.last.view(-1, 1, 1, 1)
        pairs = pairs * torch.where(changed, draw.uniform(*gains, frames, 1, 1), 1.0) + shift
    return pairs + draw.within(0.0, settings.noise, 0.0, 1, 1, 1) * torch.randn_like(pairs)


class _Draw:
    """Random numbers of n pairs; `last` (n,): for which of them the last `within` was not left out."""

    def __init__(self, pairs: Tensor, probability: float) -> None:
        self._count, self._device, self._probability = len(pairs), pairs.device, probability
        self.last = torch.zeros(len(pairs), dtype=torch.bool, device=pairs.device)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(self._count, *shape, device=self._device)

    def chosen(self, *shape: int) -> Tensor:
        return torch.rand(self._count, *shape, device=self._device) < self._probability

    def within(self, low: float, high: float, otherwise: float, *shape: int) -> Tensor:
        """Uniform (n, *shape) for the pairs that are chosen."""
        self.last = self.chosen()
        drawn = self.uniform(low, high, *shape)
        return torch.where(self.last.view(-1, *(1,) * len(shape)), drawn, otherwise)
