"""Loss of StarDist (Schmidt et al., MICCAI 2018), as Cellulus mixes it over two kinds of labels (Wolf et al., 2023)."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def star_loss(
    logits: Tensor, rays: Tensor, probability: Tensor, true_rays: Tensor, *, ray_weight: float = 1.0
) -> Tensor:
    """Cross-entropy of the probability, and error of the rays where there is an object.

        L = mean_i [ BCE(sigmoid(l_i), p_i) + ray_weight p_i mean_k |r_ki - R_ki| ]      over the pixels i with p_i >= 0

    logits: (B, y, x) l.   rays: (B, R, y, x) r in pixels.   probability: (B, y, x) p in [0, 1], negative where nothing
    is known.   true_rays: (B, R, y, x) R.   Half precision is raised to float32.
    Returns a scalar, 0 where nothing is known at all.
    """
    with torch.autocast(logits.device.type, enabled=False):
        if logits.dtype != torch.float64:
            logits, rays = logits.float(), rays.float()
        known = (probability >= 0).to(logits.dtype)
        wanted = probability.clamp(min=0).to(logits.dtype)
        unsure = binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        apart = (rays - true_rays).abs().mean(dim=1)
        each = unsure + ray_weight * wanted * apart
        return (known * each).sum() / known.sum().clamp(min=1)


def mixed_star_loss(
    logits: Tensor,
    rays: Tensor,
    probability: Tensor,
    true_rays: Tensor,
    pseudo: Tensor,
    *,
    pseudo_weight: float,
    ray_weight: float = 1.0,
) -> Tensor:
    """(1 - a) L_sparse + a L_pseudo, both as `star_loss`, a = pseudo_weight; of one alone where the other has no crop.

    pseudo: (B,) bool, whether the labels of a crop are pseudo labels; other arguments as in `star_loss`.
    """
    total, weights = logits.new_zeros(()), 0.0
    for chosen, weight in ((~pseudo, 1 - pseudo_weight), (pseudo, pseudo_weight)):
        if weight and bool(chosen.any()):
            own = (part[chosen] for part in (logits, rays, probability, true_rays))
            total, weights = total + weight * star_loss(*own, ray_weight=ray_weight), weights + weight
    return total / weights if weights else total
