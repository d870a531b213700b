"""ASCENT (Han and Lu, ICCV 2025): what a detection looks like, where it is, and among whom, as one vector.

Letters: M detections, c planes of their patches (1, or z, z + 1 and z - 1), P side of a patch, B sets (a frame, or a
view of one), N places in the fullest set, d channels.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from embeddings.nets.ascent_config import AscentConfig
from embeddings.nets.vit import VisionTransformer


class AscentBatch(NamedTuple):
    """Detections of B sets, those of a set one after another.

    patches: (M, c, P, P).   position: (M, 3) z, y, x.   padding: (B, N) bool, with M places that are not.
    """

    patches: Tensor
    position: Tensor
    padding: Tensor


class AscentNetwork(nn.Module):
    """embedding = transformer over the set of ( Linear(ViT(patch)) + MLP(position) ), and maybe a projection.

    Learning needs two detections at least, for the batch norms.
    """

    def __init__(self, config: AscentConfig) -> None:
        """Make all parts with random weights."""
        super().__init__()
        self.config = config
        channels = config.embedding
        self.encoder = VisionTransformer(
            config.patch_px,
            config.token_px,
            config.width,
            config.depth,
            config.heads,
            config.mlp_ratio,
            config.pool,
        )
        self.visual = nn.Linear(config.width, channels)
        self.visual_norm: nn.Module = nn.BatchNorm1d(channels) if config.visual_norm else nn.Identity()
        self.position = None if config.positions == "none" else _position_branch(channels)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                channels, config.set_heads, config.feed_forward, config.dropout, batch_first=True
            )
            for _ in range(config.set_layers)
        )
        self.projection: nn.Module = nn.Identity()
        if config.projection:
            wide = config.projection
            self.projection = nn.Sequential(nn.Linear(channels, wide), nn.ReLU(), nn.Linear(wide, channels))

    def see(self, patches: Tensor) -> Tensor:
        """(M, c, P, P) -> (M, d): each patch on its own. Of a single plane the three channels are the same."""
        seen: Tensor = self.visual_norm(self.visual(self.encoder(patches.expand(-1, 3, -1, -1))))
        return seen

    def compare(self, seen: Tensor, position: Tensor, padding: Tensor) -> Tensor:
        """seen: (M, d), position: (M, 3), padding: (B, N) bool -> (B, N, d); zeros where padding is.

        The batch norms of the position branch see nothing of the padding.
        """
        if self.position is not None:
            seen = seen + self.position(position)
        tokens = seen.new_zeros(*padding.shape, seen.shape[-1])
        tokens = tokens.masked_scatter(~padding.unsqueeze(-1), seen)
        hidden = padding & ~padding.all(dim=1, keepdim=True)  # attention to nobody at all would be NaN
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=hidden)
        out: Tensor = self.projection(tokens)
        return out.masked_fill(padding.unsqueeze(-1), 0)

    def forward(self, batch: AscentBatch) -> Tensor:
        """(B, N, d), of any length; zeros where padding is."""
        return self.compare(self.see(batch.patches), batch.position, batch.padding)


def _position_branch(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(3, channels),
        nn.BatchNorm1d(channels),
        nn.ReLU(),
        nn.Linear(channels, channels),
        nn.BatchNorm1d(channels),
        nn.ReLU(),
        nn.Linear(channels, channels),
    )


def seeded_ascent(config: AscentConfig, seed: int) -> AscentNetwork:
    """A network whose random weights depend on the seed alone; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AscentNetwork(config)
