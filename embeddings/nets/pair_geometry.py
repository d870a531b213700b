"""What attention needs to know about pairs of detections; computed once per forward pass, used by all layers."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from embeddings.nets.relative_bias import RelativeBias
from embeddings.nets.transformer_config import DistanceTerm

# Added to the logit of a pair that must not attend. exp(-1000) is 0 in every float type, so such a pair carries no
# weight at all; yet it is finite, so that a padded query, whose pairs are all excluded, stays a number.
EXCLUDED = -1000.0

# Not |x|^2 + |y|^2 - 2xy, whose rounding is tenths of a pixel at x = 1000 px.
_EXACT = "donot_use_mm_for_euclid_dist"


class Geometry(Protocol):
    """Places of the detections, and attention that knows them; how the pairs are gone through is its own business."""

    @property
    def coordinates(self) -> Tensor:
        """(B, N, 1 + D), frames and pixels, less the earliest frame; padding is at the origin."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, table: RelativeBias | None, dropout: float) -> Tensor:
        """softmax_j( q_i.k_j / sqrt(C) + logit_ij [+ table_ij] ) v_j for q, k, v (B, H, N, C).   (B, H, N, C)."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of Q queries with K keys, B times over.

    distance_px: (B, Q, K), in space.   logit: (B, 1, Q, K), added to every attention logit.
    rows: (B, Q, K) int64 of the table of "bias", None for other positional modes.
    """

    distance_px: Tensor
    logit: Tensor
    rows: Tensor | None

    def attend(self, q: Tensor, k: Tensor, v: Tensor, table: RelativeBias | None, dropout: float) -> Tensor:
        """Attention of q (B, H, Q, C) to k, v (B, H, K, C).   Returns (B, H, Q, C)."""
        logit = self.logit if table is None or self.rows is None else self.logit + table(self.rows)
        return scaled_dot_product_attention(q, k, v, attn_mask=logit.to(q.dtype), dropout_p=dropout)


@dataclass(frozen=True)
class PairGeometry:
    """All pairs of detections at once. coordinates: (B, N, 1 + D) as in `Geometry`; pairs: of N queries and N keys."""

    coordinates: Tensor
    pairs: Pairs

    @property
    def distance_px(self) -> Tensor:
        """(B, N, N), in space."""
        return self.pairs.distance_px

    @property
    def logit(self) -> Tensor:
        """(B, 1, N, N), added to every attention logit."""
        return self.pairs.logit

    @property
    def delay_frames(self) -> Tensor:
        """t_j - t_i for query i and key j, (B, N, N)."""
        return _delay(self.coordinates, self.coordinates)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, table: RelativeBias | None, dropout: float) -> Tensor:
        """As in `Geometry`."""
        return self.pairs.attend(q, k, v, table, dropout)


@torch.no_grad()
def pair_geometry(
    coordinates: Tensor,
    padding: Tensor | None,
    *,
    cutoff_px: float,
    distance_term: DistanceTerm,
    table: RelativeBias | None = None,
) -> PairGeometry:
    """Distances and what they add to the attention logits, of all pairs; formula in `pairs_of`.

    coordinates: (B, N, 1 + D).   padding: (B, N) bool, True where there is no detection.
    table: of any layer with the positional mode "bias": they all have the same bins.
    """
    coordinates = from_the_earliest(coordinates, padding)
    outside = None if padding is None else padding.unsqueeze(-1) | padding.unsqueeze(-2)
    pairs = pairs_of(coordinates, coordinates, outside, cutoff_px=cutoff_px, distance_term=distance_term, table=table)
    return PairGeometry(coordinates, pairs)


def from_the_earliest(coordinates: Tensor, padding: Tensor | None) -> Tensor:
    """Coordinates (B, N, 1 + D) less the earliest frame of each window, padding at the origin.

    The earliest frame is subtracted from every axis, places too, because the public models do so: it moves a window of
    frames 40 to 45 by 40 px. Where t counts from the window's first frame, nothing moves.
    """
    time = coordinates[..., :1]
    if padding is None:
        return coordinates - time.amin(dim=1, keepdim=True)
    outside = padding.unsqueeze(-1)
    earliest = time.masked_fill(outside, torch.inf).amin(dim=1, keepdim=True)
    return (coordinates - earliest).masked_fill(outside, 0.0)


def pairs_of(
    queries: Tensor,
    keys: Tensor,
    outside: Tensor | None,
    *,
    cutoff_px: float,
    distance_term: DistanceTerm,
    table: RelativeBias | None,
) -> Pairs:
    """Distances and what they add to the attention logits.

    logit_ij = exp(-||(t, x)_i - (t, x)_j|| / 10)    distance_term "v0": frames and pixels in one norm
             = exp(-5 ||x_i - x_j|| / cutoff)        distance_term "v1"
             = -1000                                 where ||x_i - x_j|| > cutoff, or i or j is padding
    queries: (B, Q, 1 + D), keys: (B, K, 1 + D), as of `from_the_earliest`.
    outside: (B, Q, K) bool, True where one of both is padding.
    """
    distance_px = torch.cdist(queries[..., 1:].contiguous(), keys[..., 1:].contiguous(), compute_mode=_EXACT)
    if distance_term == "v0":
        logit = torch.cdist(queries, keys, compute_mode=_EXACT).mul_(-0.1).exp_()
    else:
        logit = torch.exp(distance_px * (-5.0 / cutoff_px))
    logit.masked_fill_(distance_px > cutoff_px, EXCLUDED)
    if outside is not None:
        logit.masked_fill_(outside, EXCLUDED)
    rows = None if table is None else table.rows(distance_px, _delay(queries, keys))
    return Pairs(distance_px, logit.unsqueeze(1), rows)


def _delay(queries: Tensor, keys: Tensor) -> Tensor:
    """t_key - t_query, (B, Q, K)."""
    return keys[..., 0].unsqueeze(-2) - queries[..., 0].unsqueeze(-1)
