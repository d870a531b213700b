"""The two kinds of layers of the tracking transformer."""

from torch import Tensor, nn

from embeddings.nets.attention import Attention
from embeddings.nets.feed_forward import FeedForward
from embeddings.nets.pair_geometry import Geometry
from embeddings.nets.transformer_config import TransformerConfig


class EncoderLayer(nn.Module):
    """x <- LN(x);  x <- x + Attention(x, x);  x <- x + FF(LN(x)). The residual leaves from the normalised x."""

    def __init__(self, config: TransformerConfig) -> None:
        """Make the parts."""
        super().__init__()
        self.attn = Attention(config)
        self.mlp = FeedForward(config.d_model)
        self.norm1 = nn.LayerNorm(config.d_model)
        self.norm2 = nn.LayerNorm(config.d_model)

    def forward(self, tokens: Tensor, geometry: Geometry) -> Tensor:
        """tokens: (B, N, d_model).   Returns the same shape."""
        tokens = self.norm1(tokens)
        tokens = tokens + self.attn(tokens, tokens, geometry)
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


class DecoderLayer(nn.Module):
    """y <- LN(y), m <- LN(memory);  y <- y + Attention(y, m);  y <- y + FF(LN(y)). No attention of y to itself."""

    def __init__(self, config: TransformerConfig) -> None:
        """Make the parts."""
        super().__init__()
        self.attn = Attention(config)
        self.mlp = FeedForward(config.d_model)
        self.norm1 = nn.LayerNorm(config.d_model)
        self.norm2 = nn.LayerNorm(config.d_model)
        self.norm3 = nn.LayerNorm(config.d_model)

    def forward(self, tokens: Tensor, memory: Tensor, geometry: Geometry) -> Tensor:
        """tokens, memory: (B, N, d_model), of the same detections.   Returns the same shape."""
        tokens = self.norm1(tokens)
        tokens = tokens + self.attn(tokens, self.norm2(memory), geometry)
        out: Tensor = tokens + self.mlp(self.norm3(tokens))
        return out
