"""Parental softmax of Trackastra (Gallusser and Weigert, ECCV 2024): logits of pairs to association scores."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from embeddings.losses.frames import group_by_frame

Normalisation = Literal["quiet_softmax", "softmax", "linear", "none"]

LINEAR_EPSILON = 1e-6
LOWEST_LOG = -100.0
_NOTHING = -1e30


def parental_softmax(
    logits: Tensor,
    frame: Tensor,
    padding: Tensor | None = None,
    *,
    allowed: Tensor | None = None,
    mode: Normalisation = "quiet_softmax",
) -> Tensor:
    """Scores Phi (B, N, N): for every child j, the possible parents i of one earlier frame compete.

    With i' over the tokens of the frame of i, and t_i < t_j:

        quiet_softmax   Phi_ij = exp(x_ij) / (1 + sum_i' exp(x_i'j))      the sum over i is < 1: j may have appeared
        softmax         Phi_ij = exp(x_ij) / sum_i' exp(x_i'j)            it is 1
        linear          Phi_ij = sigma(x_ij) / (1e-6 + sum_i' sigma(x_i'j))
        none            Phi_ij = sigma(x_ij)                              no competition

    Phi_ij = 0 where t_i >= t_j, where i or j is padding, and where the pair is not allowed; such pairs do not compete
    either. (Trackastra fills t_i >= t_j with the mirrored normalisation; nothing ever reads it.) Several children of
    one parent do not compete: a division costs nothing here.

    logits: (B, N, N) x, rows parents.   frame: (B, N) int64.   padding: (B, N) bool.   allowed: (B, N, N) bool, for
    instance the pairs within the cut-off distance: Trackastra leaves the others out when it predicts, not in training.
    Half precision is raised to float32.
    """
    return _on_groups(logits, frame, padding, allowed, mode)[0]


def parental_log_softmax(
    logits: Tensor,
    frame: Tensor,
    padding: Tensor | None = None,
    *,
    allowed: Tensor | None = None,
    mode: Normalisation = "quiet_softmax",
) -> tuple[Tensor, Tensor]:
    """log(Phi) and log(1 - Phi), each (B, N, N); both 0 where Phi does not count. Arguments as in `parental_softmax`.

    They keep their gradient where Phi itself rounds to 0 or 1. log(1 - Phi) is at least -100 (a softmax with one single
    candidate is certain of it).
    """
    _, log_phi, log_other = _on_groups(logits, frame, padding, allowed, mode, logarithms=True)
    return log_phi, log_other


def normalise_block(logits: Tensor, allowed: Tensor | None = None, mode: Normalisation = "quiet_softmax") -> Tensor:
    """Phi of one pair of frames, (..., P, C): P parents compete for each of C children. For inference.

    allowed: (..., P, C) bool, the others get 0.
    """
    return _normalise(logits, torch.ones_like(logits, dtype=torch.bool) if allowed is None else allowed, mode, False)[0]


def _on_groups(
    logits: Tensor,
    frame: Tensor,
    padding: Tensor | None,
    allowed: Tensor | None,
    mode: Normalisation,
    logarithms: bool = False,
) -> list[Tensor]:
    """Phi, or log(Phi) and log(1 - Phi) after it, (B, N, N): rows gathered by frame, normalised, put back."""
    if not logits.numel():
        return [logits, logits, logits]
    groups = group_by_frame(frame, padding)
    n_frames = groups.token.shape[1]
    earlier = torch.arange(n_frames, device=logits.device).view(1, -1, 1) < groups.step.unsqueeze(1)  # (B, F, N)
    if padding is not None:
        earlier &= ~padding.unsqueeze(1)
    counts = groups.present.unsqueeze(-1) & earlier.unsqueeze(2)  # (B, F, K, N)
    if allowed is not None:
        counts &= groups.rows(allowed)
    return [groups.ungroup(part) for part in _normalise(groups.rows(logits), counts, mode, logarithms)]


def _normalise(logits: Tensor, counts: Tensor, mode: Normalisation, logarithms: bool) -> list[Tensor]:
    """Phi, and on request log(Phi) and log(1 - Phi), over dimension -2 of (..., P, C); 0 where `counts` is False."""
    if not logits.numel():
        return [logits, logits, logits]
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    ignored = ~counts
    # Whatever stands at ignored pairs, NaN included, leaves neither a value nor a gradient.
    known = logits.masked_fill(ignored, 0)
    if mode == "none":
        phi = torch.sigmoid(known).masked_fill(ignored, 0)
        if not logarithms:
            return [phi]
        logs = (functional.logsigmoid(known), functional.logsigmoid(-known))
        return [phi, *(log.masked_fill(ignored, 0) for log in logs)]
    # All three are softmaxes with a constant in the denominator: "linear" is one of log(sigma(x)).
    score = functional.logsigmoid(known) if mode == "linear" else known
    score = score.masked_fill(ignored, -torch.inf)
    constant = {"quiet_softmax": 0.0, "softmax": -math.inf, "linear": math.log(LINEAR_EPSILON)}[mode]
    total = _log_total(score, constant)
    log_phi = score - total
    phi = torch.exp(log_phi)
    if not logarithms:
        return [phi]
    # 1 - Phi of a clear winner, of which there is at most one per child, is summed from the others: no cancellation.
    winner = log_phi.detach() > -math.log(2)
    others = _log_total(score.masked_fill(winner, -torch.inf), constant)
    log_other = torch.where(winner, others - total, torch.log1p(-phi.masked_fill(winner, 0)))
    logs = (log_phi, log_other.clamp_min(LOWEST_LOG))
    return [phi, *(log.masked_fill(ignored, 0) for log in logs)]


def _log_total(score: Tensor, constant: float) -> Tensor:
    """log(exp(constant) + sum over dimension -2 of exp(score)), kept as size 1; very low where that is log(0)."""
    top = score.detach().amax(dim=-2, keepdim=True).clamp_min(constant)
    top = top.masked_fill(top == -torch.inf, 0)
    total = torch.exp(score - top).sum(dim=-2, keepdim=True) + torch.exp(constant - top)
    nothing = total == 0
    return (top + torch.log(total.masked_fill(nothing, 1))).masked_fill(nothing, _NOTHING)
