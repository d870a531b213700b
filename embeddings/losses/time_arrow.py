"""Loss of time arrow prediction (Gallusser, Stieber and Weigert, MICCAI 2023)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Over = Literal["image", "pair"]

_EPSILON = 1e-10


def time_arrow_loss(
    logits: Tensor,
    swapped: Tensor,
    features: Tensor,
    *,
    decorrelation_weight: float = 0.01,
    temperature: float = 0.2,
    over: Over = "image",
) -> Tensor:
    """Cross-entropy of who came first, and a little of the decorrelation of the features.

        L = mean_b -log( exp(x_b,s_b) / (exp(x_b0) + exp(x_b1)) )  +  decorrelation_weight * L_decorrelation

    logits: (B, 2) x, high at the earlier picture.   swapped: (B,) s, which picture is the earlier one: 0 when the pair
    is in order, 1 when it is swapped; bool or integers.   features: (B, 2, C, h, w).   temperature, over: as in
    `decorrelation_loss`.   Returns a scalar.
    """
    loss = functional.cross_entropy(logits if logits.dtype == torch.float64 else logits.float(), swapped.long())
    if decorrelation_weight:
        loss = loss + decorrelation_weight * decorrelation_loss(features, temperature=temperature, over=over)
    return loss


def decorrelation_loss(features: Tensor, *, temperature: float = 0.2, over: Over = "image") -> Tensor:
    """Channels that show the same are redundant: each is to be most like itself.

        A_ij  = softmax_j( v_i . v_j / temperature )        v_i: channel i, flattened over pixels, not normalised
        image   mean over images and i of -log(A_ii + 1e-10)                            (the published code)
        pair    mean over pairs of -(1 / C) log( sum_i A_ii ), v_i over both images     (the paper)

    features: (B, 2, C, h, w).   Half precision is raised to float32.   Returns a scalar.
    """
    with torch.autocast(features.device.type, enabled=False):
        channels = features if features.dtype == torch.float64 else features.float()
        channels = channels.flatten(0, 1) if over == "image" else channels.transpose(1, 2)
        flat = channels.flatten(2)  # (images or pairs, C, pixels)
        alike = torch.softmax(flat @ flat.transpose(1, 2) / temperature, dim=2).diagonal(dim1=1, dim2=2)
        if over == "image":
            return -(alike + _EPSILON).log().mean()
        return -(alike.sum(dim=1).log() / flat.shape[1]).mean()
