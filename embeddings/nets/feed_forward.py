"""The feed-forward part of a transformer layer."""

from torch import Tensor, nn


class FeedForward(nn.Module):
    """W2 GELU(W1 x + b1) + b2, with twice the channels in between; no norm and no residual of its own."""

    def __init__(self, channels: int) -> None:
        """Make both linear maps."""
        super().__init__()
        self.fc1 = nn.Linear(channels, 2 * channels)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(2 * channels, channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (..., channels).   Returns the same shape."""
        out: Tensor = self.fc2(self.act(self.fc1(tokens)))
        return out
