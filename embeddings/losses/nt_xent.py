"""NT-Xent: each detection of a frame is to be recognised in another view of the frame, among all the others there."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from embeddings.losses.reid import reid_loss

Negatives = Literal["other_view", "both_views"]


def nt_xent(
    first: Tensor,
    second: Tensor,
    padding: Tensor | None = None,
    *,
    temperature: float = 0.05,
    negatives: Negatives = "other_view",
) -> Tensor:
    """Normalised temperature-scaled cross-entropy between two views u, v of frames; S detections of a frame in both.

        s_ij = cos(u_i, v_j) / temperature
        L    = -1/(2 S) sum_i [ log exp(s_ii) / sum_k exp(s_ik)  +  the same with u and v exchanged ]

    With negatives = "both_views" the others of the own view count, too, 2 S - 1 terms (Chen et al., ICML 2020): to
    sum_k exp(s_ik) comes sum_{k != i} exp(cos(u_i, u_k) / temperature). Detections of other frames never count. The
    mean is over the detections of all frames; one that is alone in its frame has nothing to be told from, and does not
    count.

    first, second: (B, S, C) u and v, of any length.   padding: (B, S) bool, what is not in both views.
    temperature: > 0.   Returns a scalar; 0 where everybody is alone.
    """
    if negatives == "other_view":
        return reid_loss(first, second, padding=padding, temperature=temperature)
    count = first.shape[1]
    if padding is None:
        padding = torch.zeros(first.shape[:2], dtype=torch.bool, device=first.device)
    both, gone = torch.cat([first, second], dim=1), torch.cat([padding, padding], dim=1)  # (B, 2 S)
    unit = normalize(both.masked_fill(gone.unsqueeze(-1), 0), dim=-1)
    similarity = unit @ unit.transpose(1, 2) / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=first.device)
    partner = itself.roll(count, dims=1)
    own = similarity[:, partner].view(len(first), 2 * count)
    # The largest finite number rather than infinity: rows of padding, which do not count, stay free of NaN.
    lowest = torch.finfo(similarity.dtype).min
    beyond = similarity.masked_fill(itself | gone.unsqueeze(1), lowest)
    loss = torch.logsumexp(beyond, dim=2) - own
    counts = ~gone & ((~padding).sum(dim=1, keepdim=True) > 1)
    return loss.masked_fill(~counts, 0).sum() / counts.sum().clamp_min(1)
