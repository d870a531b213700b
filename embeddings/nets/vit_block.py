"""The block of a plain vision transformer."""

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

NORM_EPS = 1e-6


class VitBlock(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x))."""

    def __init__(self, channels: int, heads: int, mlp_ratio: int) -> None:
        """heads: divides channels.   mlp_ratio: width of the MLP, in channels."""
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(channels, eps=NORM_EPS)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.mlp_norm = nn.LayerNorm(channels, eps=NORM_EPS)
        self.mlp = nn.Sequential(
            nn.Linear(channels, mlp_ratio * channels), nn.GELU(), nn.Linear(mlp_ratio * channels, channels)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, K, channels) to the same."""
        batch, count, channels = tokens.shape
        qkv = self.qkv(self.attention_norm(tokens)).view(batch, count, 3, self.heads, channels // self.heads)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4)  # each (B, H, K, C / H)
        seen = scaled_dot_product_attention(queries, keys, values).transpose(1, 2).reshape(tokens.shape)
        tokens = tokens + self.out(seen)
        out: Tensor = tokens + self.mlp(self.mlp_norm(tokens))
        return out
