"""Supervised association loss of Trackastra (Gallusser and Weigert, ECCV 2024)."""

import torch
from torch import Tensor
from torch.nn import functional

from embeddings.losses.frames import group_by_frame
from embeddings.losses.parental_softmax import Normalisation, parental_log_softmax


def association_loss(
    logits: Tensor,
    target: Tensor,
    frame: Tensor,
    padding: Tensor | None = None,
    *,
    mode: Normalisation = "quiet_softmax",
    max_gap_frames: int = 2,
    division_upweight: float = 2.0,
    logit_weight: float = 0.01,
) -> Tensor:
    """Binary cross-entropy of the scores and, a little, of the bare logits, with divisions weighted up.

        L   = sum_b c_b L_b,    c_b = |M_b|^0.2 / sum_b' |M_b'|^0.2
        L_b = sum_{ij in M_b} w_ij [ BCE(Phi_ij, A_ij) + logit_weight BCE(sigma(x_ij), A_ij) ] / |M_b|
        M_b : pairs without padding, 0 < t_j - t_i <= max_gap_frames
        s_ij = A_ij (sum of A_ij' over the frame of j + sum of A_i'j over the frame of i)
        w_ij = 1 where A_ij = 0;  2 where s_ij = 2, a plain continuation;  1 + division_upweight where s_ij > 2

    Phi is the parental softmax, taken over all pairs without padding, however far apart. With mode "none" the first
    term is left out and the second counts in full, as in Trackastra. division_upweight: the published training script
    has 2, its class 20, and about 10 is quoted from the paper; 2 is the default here.

    logits: (B, N, N) x, rows parents.   target: (B, N, N) bool or 0/1, see `embeddings.targets`.   frame: (B, N).
    padding: (B, N) bool.   Returns a scalar; 0 where there is no pair to judge.
    """
    if not logits.numel():
        return logits.sum()
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    gap = frame.unsqueeze(1) - frame.unsqueeze(2)
    pairs = (gap > 0) & (gap <= max_gap_frames)
    truth = target.to(logits.dtype)
    if padding is not None:
        inside = ~(padding.unsqueeze(1) | padding.unsqueeze(2))
        pairs, truth = pairs & inside, truth.masked_fill(~inside, 0)
    known = logits.masked_fill(~pairs, 0)
    bare = functional.binary_cross_entropy_with_logits(known, truth, reduction="none")
    if mode == "none":
        loss = bare
    else:
        log_phi, log_other = parental_log_softmax(logits, frame, padding, mode=mode)
        loss = logit_weight * bare - truth * log_phi - (1 - truth) * log_other
    weight = association_weight(truth, group_by_frame(frame, padding).step, division_upweight)
    count = pairs.sum(dim=(1, 2))
    per_window = (loss * weight).masked_fill(~pairs, 0).sum(dim=(1, 2)) / count.clamp_min(1)
    share = count.to(logits.dtype) ** 0.2
    return (per_window * share).sum() / share.sum().clamp_min(1)


def association_weight(truth: Tensor, step: Tensor, division_upweight: float) -> Tensor:
    """The weights w_ij above, (B, N, N). truth: (B, N, N) 0/1, zero at padding.   step: (B, N) int64 from 0 on."""
    with torch.no_grad():
        stands = functional.one_hot(step, int(step.max()) + 1).to(truth.dtype)  # (B, N, F)
        count = truth.shape[1]
        children = (truth @ stands).gather(2, step.unsqueeze(1).expand(-1, count, -1))
        parents = (stands.transpose(1, 2) @ truth).gather(1, step.unsqueeze(2).expand(-1, -1, count))
        family = truth * (children + parents)
        return 1 + (family == 2).to(truth.dtype) + division_upweight * (family > 2).to(truth.dtype)
