"""What attention needs to know about pairs of detections; computed once per forward pass, used by all layers."""

from dataclasses import dataclass

import torch
from torch import Tensor

from embeddings.nets.transformer_config import DistanceTerm

# Added to the logit of a pair that must not attend. exp(-1000) is 0 in every float type, so such a pair carries no
# weight at all; yet it is finite, so that a padded query, whose pairs are all excluded, stays a number.
EXCLUDED = -1000.0


@dataclass(frozen=True)
class PairGeometry:
    """coordinates: (B, N, 1 + D), frames and pixels, less the earliest frame; padding is at the origin.

    distance_px: (B, N, N), in space.   logit: (B, 1, N, N), added to every attention logit.
    """

    coordinates: Tensor
    distance_px: Tensor
    logit: Tensor

    @property
    def delay_frames(self) -> Tensor:
        """t_j - t_i for query i and key j, (B, N, N)."""
        time = self.coordinates[..., 0]
        return time.unsqueeze(-2) - time.unsqueeze(-1)


@torch.no_grad()
def pair_geometry(
    coordinates: Tensor, padding: Tensor | None, *, cutoff_px: float, distance_term: DistanceTerm
) -> PairGeometry:
    """Distances and what they add to the attention logits.

    logit_ij = exp(-||(t, x)_i - (t, x)_j|| / 10)    distance_term "v0": frames and pixels in one norm
             = exp(-5 ||x_i - x_j|| / cutoff)        distance_term "v1"
             = -1000                                 where ||x_i - x_j|| > cutoff, or i or j is padding
    coordinates: (B, N, 1 + D).   padding: (B, N) bool, True where there is no detection.
    The earliest frame is subtracted from every axis, places too, because the public models do so: it moves a window of
    frames 40 to 45 by 40 px. Where t counts from the window's first frame, nothing moves.
    Distances are exact differences, not |x|^2 + |y|^2 - 2xy, whose rounding is tenths of a pixel at x = 1000 px.
    """
    time = coordinates[..., :1]
    if padding is None:
        coordinates = coordinates - time.amin(dim=1, keepdim=True)
    else:
        outside = padding.unsqueeze(-1)
        earliest = time.masked_fill(outside, torch.inf).amin(dim=1, keepdim=True)
        coordinates = (coordinates - earliest).masked_fill(outside, 0.0)
    exact = "donot_use_mm_for_euclid_dist"
    place = coordinates[..., 1:].contiguous()
    distance_px = torch.cdist(place, place, compute_mode=exact)
    if distance_term == "v0":
        logit = torch.cdist(coordinates, coordinates, compute_mode=exact).mul_(-0.1).exp_()
    else:
        logit = torch.exp(distance_px * (-5.0 / cutoff_px))
    logit.masked_fill_(distance_px > cutoff_px, EXCLUDED)
    if padding is not None:
        logit.masked_fill_(padding.unsqueeze(-1) | padding.unsqueeze(-2), EXCLUDED)
    return PairGeometry(coordinates, distance_px, logit.unsqueeze(1))
