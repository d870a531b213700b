"""Multi-head attention that knows where and when the tokens are."""

from torch import Tensor, nn

from embeddings.nets.pair_geometry import Geometry
from embeddings.nets.relative_bias import RelativeBias
from embeddings.nets.rotary_encoding import RotaryEncoding, rotary_channels, rotate
from embeddings.nets.transformer_config import TransformerConfig


class Attention(nn.Module):
    """out = Wo concat_h softmax_j( q_i.k_j / sqrt(C) + logit_ij [+ bias_ij] ) v_j,   C = d_model / heads.

    q, k, v are biased linear maps of the tokens; with "rope" q and k are rotated by time and place, with "bias" a
    learnt table is added. Dropout acts on the attention weights, in training only.
    """

    def __init__(self, config: TransformerConfig) -> None:
        """Make the projections and what `config.positional` asks for."""
        super().__init__()
        channels = config.d_model
        self.heads = config.heads
        self.dropout = config.dropout
        self.q_pro = nn.Linear(channels, channels)
        self.k_pro = nn.Linear(channels, channels)
        self.v_pro = nn.Linear(channels, channels)
        self.proj = nn.Linear(channels, channels)
        self.rot_pos_enc: RotaryEncoding | None = None
        self.pos_bias: RelativeBias | None = None
        if config.positional == "rope":
            slowest = (config.window_frames, *(config.cutoff_px,) * config.dimensions)
            self.rot_pos_enc = RotaryEncoding(slowest, rotary_channels(channels // config.heads, config.dimensions))
        elif config.positional == "bias":
            self.pos_bias = RelativeBias(config.heads, config.cutoff_px, config.window_frames, config.bias_bins)

    def forward(self, queries: Tensor, memory: Tensor, geometry: Geometry) -> Tensor:
        """Both queries and memory: (B, N, d_model), of the same detections.   Returns (B, N, d_model)."""
        q, k, v = self._split(self.q_pro(queries)), self._split(self.k_pro(memory)), self._split(self.v_pro(memory))
        if self.rot_pos_enc is not None:
            cosine, sine = self.rot_pos_enc.angles(geometry.coordinates)
            q, k = rotate(q, cosine, sine), rotate(k, cosine, sine)
        out = geometry.attend(q, k, v, self.pos_bias, self.dropout if self.training else 0.0)
        merged: Tensor = self.proj(out.transpose(1, 2).flatten(-2))
        return merged

    def _split(self, tokens: Tensor) -> Tensor:
        """(B, N, d_model) -> (B, H, N, C)."""
        return tokens.view(*tokens.shape[:2], self.heads, -1).transpose(1, 2)
