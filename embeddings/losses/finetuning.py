"""Supervised loss over the pairs that are known, for fine-tuning from few annotations."""

import torch
from torch import Tensor
from torch.nn import functional

from embeddings.losses.parental_softmax import Normalisation, parental_log_softmax


def finetuning_loss(
    logits: Tensor,
    target: Tensor,
    known: Tensor,
    frame: Tensor,
    padding: Tensor | None = None,
    *,
    mode: Normalisation = "quiet_softmax",
    max_gap_frames: int = 2,
    logit_weight: float = 0.01,
) -> Tensor:
    """Binary cross-entropy over known pairs, both classes weighing alike (Attrackt; Lalit and Funke, ICCVW 2025).

        L   = mean over windows b with any pair in M_b of L_b
        L_b = sum_{ij in M_b} w_ij [ BCE(Phi_ij, A_ij) + logit_weight BCE(sigma(x_ij), A_ij) ] / sum_{ij in M_b} w_ij
        M_b : known pairs without padding, 0 < t_j - t_i <= max_gap_frames
        w_ij = n_neg / n_pos where A_ij = 1, else 1;   n: pairs of either class in all M_b of the batch; where one of
               them is 0, all weigh 1

    Phi is the parental softmax, taken over all pairs without padding, known or not. With mode "none" the first term is
    left out and the second counts in full, as in `association_loss`.

    logits: (B, N, N) x, rows parents.   target, known: (B, N, N) bool, see `embeddings.known_pairs`.
    frame: (B, N).   padding: (B, N) bool.   Returns a scalar; 0 where no pair is known.
    """
    if not logits.numel():
        return logits.sum()
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    gap = frame.unsqueeze(1) - frame.unsqueeze(2)
    pairs = known & (gap > 0) & (gap <= max_gap_frames)
    if padding is not None:
        pairs = pairs & ~(padding.unsqueeze(1) | padding.unsqueeze(2))
    positive = pairs & target.bool()
    truth = positive.to(logits.dtype)
    bare = functional.binary_cross_entropy_with_logits(logits.masked_fill(~pairs, 0), truth, reduction="none")
    if mode == "none":
        loss = bare
    else:
        log_phi, log_other = parental_log_softmax(logits, frame, padding, mode=mode)
        loss = logit_weight * bare - truth * log_phi - (1 - truth) * log_other
    n_positive = truth.sum()
    n_negative = pairs.sum() - n_positive
    one_class = (n_positive == 0) | (n_negative == 0)
    upweight = torch.where(one_class, 1.0, n_negative / n_positive.clamp_min(1))
    weight = torch.where(positive, upweight, 1.0).masked_fill(~pairs, 0)
    total = weight.sum(dim=(1, 2))
    judged = total > 0
    per_window = (loss.masked_fill(~pairs, 0) * weight).sum(dim=(1, 2)) / total.masked_fill(~judged, 1)
    return per_window.sum() / judged.sum().clamp_min(1)
