"""Unsupervised reconstruction loss of Attrackt (Lalit and Funke, ICCV Workshops 2025)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from embeddings.losses.frames import group_by_frame


class ResidualMLP(nn.Module):
    """m(v) = v + W2 GELU(W1 LayerNorm(v)), from (..., channels) to the same; both layers have a bias."""

    def __init__(self, channels: int, hidden: int | None = None) -> None:
        """hidden: width of the middle layer, default twice the channels."""
        super().__init__()
        hidden = 2 * channels if hidden is None else hidden
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, hidden)
        self.contract = nn.Linear(hidden, channels)

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., channels) to (..., channels)."""
        update: Tensor = self.contract(functional.gelu(self.expand(self.norm(vectors))))
        return vectors + update


class ReconstructionLoss(nn.Module):
    """The associations must carry the embeddings of earlier detections to the later ones, over every gap dt.

        r_j(dt) = m_D( sum_{i: t_i = t_j - dt} Phi_ij m_E(e_i) )
        L       = sum_{dt=1..max_gap_frames}  mean over j in V_dt and channels of (r_j(dt) - e_j)^2
        V_dt    = tokens of the batch that take any weight: sum_{i: t_i = t_j - dt} Phi_ij > 0

    m_E = `encode` and m_D = `decode` are learnt along (ResidualMLP); the targets e are fixed. The published code leaves
    out the j whose sum of vectors is exactly zero, which is the same. A gap without any such j counts 0, where the code
    has NaN and skips the step. A token may take less than weight 1 (quiet softmax), and nothing but this loss speaks
    against it.
    """

    def __init__(self, channels: int = 64, max_gap_frames: int = 5, hidden: int | None = None) -> None:
        """channels: C of the embeddings.   max_gap_frames: the window's frames less one, to use all gaps."""
        super().__init__()
        self.max_gap_frames = max_gap_frames
        self.encode = ResidualMLP(channels, hidden)
        self.decode = ResidualMLP(channels, hidden)

    def forward(self, association: Tensor, embedding: Tensor, frame: Tensor, padding: Tensor | None = None) -> Tensor:
        """Scalar L.

        association: (B, N, N) Phi, rows parents; only t_i < t_j is read.   embedding: (B, N, C) e.   frame: (B, N).
        padding: (B, N) bool.
        """
        if not association.numel():
            return association.sum()
        if padding is not None:
            embedding = embedding.masked_fill(padding.unsqueeze(-1), 0)
        groups = group_by_frame(frame, padding)
        n_frames = groups.token.shape[1]
        gap = groups.step.unsqueeze(1) - torch.arange(n_frames, device=frame.device).view(1, -1, 1)  # (B, F, N)
        asked = (gap >= 1) & (gap <= self.max_gap_frames)
        if padding is not None:
            asked &= ~padding.unsqueeze(1)
        weight = groups.rows(association).masked_fill(~asked.unsqueeze(2), 0)  # (B, F, K, N)
        carried = weight.transpose(2, 3) @ groups.rows(self.encode(embedding)).to(weight.dtype)  # (B, F, N, C)
        window, earlier, token = torch.nonzero(asked & (weight.detach().sum(dim=2) > 0), as_tuple=True)
        rebuilt = self.decode(carried[window, earlier, token])
        error = (rebuilt - embedding.detach()[window, token]).square().mean(dim=-1)
        dt = gap[window, earlier, token] - 1
        total = error.new_zeros(self.max_gap_frames).index_add(0, dt, error)
        count = torch.bincount(dt, minlength=self.max_gap_frames)
        loss: Tensor = (total / count.clamp_min(1)).sum()
        return loss
