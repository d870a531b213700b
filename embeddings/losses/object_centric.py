"""Object-centric loss (Cellulus; Wolf et al., ICCV 2023): neighbours are to point at one place, where they can."""

import torch
from torch import Tensor


def object_centric_loss(
    offsets: Tensor,
    anchor_px: Tensor,
    reference_px: Tensor,
    *,
    temperature: float = 10.0,
    offset_weight: float = 1e-5,
) -> Tensor:
    """Pairs of near pixels are drawn together, and given up where that fails.

        E(i) = i + r(i)                                                       where pixel i points
        L = mean_(i,j) [ 1 - exp( -|E(i) - sg(E(j))|^2 / temperature ) ]  +  offset_weight mean_i |r(i)|

    sg: no gradient goes through the reference j. Pixels of one object can be made to agree from what they see around
    them; those of two cannot, as the field of view is smaller than an object, and the saturation lets go of them.
    The published loss is a sum over pairs instead of the mean. Its paper writes the logistic function of the squared
    distance where its code, and this, have 1 - exp; its code weights |E(i)|, its paper and this |r(i)|.

    offsets: (B, D, [z,] y, x) r in pixels, channels in the order of the axes.   anchor_px: (B, A, D) whole pixels i.
    reference_px: (B, A, R, D), the pixels j that each is paired with.   temperature: in px^2.
    Half precision is raised to float32.   Returns a scalar.
    """
    with torch.autocast(offsets.device.type, enabled=False):
        values = (offsets if offsets.dtype == torch.float64 else offsets.float()).flatten(2)
        shape = offsets.shape[2:]
        at_anchor = _values_at(values, _flat(anchor_px, shape)).transpose(1, 2)  # (B, A, D)
        place = _flat(reference_px, shape)
        at_reference = _values_at(values.detach(), place.flatten(1)).view(*values.shape[:2], *place.shape[1:])
        between = (anchor_px.unsqueeze(2) - reference_px).to(values.dtype)  # (B, A, R, D)
        distance = between + at_anchor.unsqueeze(2) - at_reference.permute(0, 2, 3, 1)
        apart = -torch.expm1(-distance.square().sum(dim=-1) / temperature)
        return apart.mean() + offset_weight * torch.linalg.vector_norm(at_anchor, dim=-1).mean()


def _flat(place_px: Tensor, shape: torch.Size) -> Tensor:
    """(..., D) places -> (...) int64 index into the flattened image."""
    index = place_px[..., 0].long()
    for axis, side in enumerate(shape[1:], start=1):
        index = index * side + place_px[..., axis]
    return index


def _values_at(values: Tensor, index: Tensor) -> Tensor:
    """(B, D, pixels) at (B, n) -> (B, D, n)."""
    return values.gather(2, index.unsqueeze(1).expand(-1, values.shape[1], -1))
