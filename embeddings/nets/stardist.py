"""StarDist (Schmidt et al., MICCAI 2018) on the U-Net of Cellulus: from each pixel, how far its object reaches."""

import torch
from torch import Tensor, nn

from embeddings.nets.cellulus import MiniUNet
from embeddings.nets.stardist_config import StarDistConfig


class StarDistNetwork(nn.Module):
    """image -> logit of the probability, and the length of each ray."""

    def __init__(self, config: StarDistConfig) -> None:
        """Make it with random weights (He et al.); all rays are about `config.ray_px` long."""
        super().__init__()
        self.config = config
        features = config.unet.features
        self.unet = MiniUNet(config.unet)
        within, last = nn.Conv2d(features, features, 1), nn.Conv2d(features, 1 + config.n_rays, 1)
        for layer, bias in ((within, torch.zeros(features)), (last, torch.tensor([0.0] + config.n_rays * [1.0]))):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            layer.bias = nn.Parameter(bias)
        self.head = nn.Sequential(within, nn.ReLU(), last)

    @property
    def lost_px(self) -> int:
        """Pixels lost on each side along each axis."""
        return self.config.unet.lost_px

    def forward(self, images: Tensor) -> Tensor:
        """(B, inputs, y, x) -> (B, 1 + R, y, x), smaller by `lost_px` on each side.

        Channel 0 is the logit, the others are rays in pixels (see `ray_directions`); they may be negative.
        """
        found: Tensor = self.head(self.unet(images))
        return torch.cat([found[:, :1], self.config.ray_px * found[:, 1:]], dim=1)


def seeded_stardist(config: StarDistConfig, seed: int) -> StarDistNetwork:
    """A network whose random weights depend on the seed alone; the caller's random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return StarDistNetwork(config)
