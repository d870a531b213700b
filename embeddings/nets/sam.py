"""The image encoder of Segment Anything (SAM; Kirillov et al., ICCV 2023), through the package transformers."""

import warnings
from importlib.util import find_spec

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from embeddings.nets.model_folder import fill_weights
from embeddings.nets.sam_checkpoint import SamCheckpoint, SamSizes
from embeddings.without_torchvision import without_broken_torchvision
from tracker.errors import MissingExtraError, PintrackError

# Mean and standard deviation of red, green, blue in 0..255, over ImageNet, as SAM was trained with.
_MEAN = (123.675, 116.28, 103.53)
_DEVIATION = (58.395, 57.12, 57.375)


class SamEncoder(nn.Module):
    """Images (B, 3, image_px, image_px) of `sam_input` -> features (B, channels, grid, grid), one per patch."""

    def __init__(self, checkpoint: SamCheckpoint) -> None:
        """Build it, on the CPU, in evaluation mode. Raises MissingExtraError without transformers, ModelError."""
        super().__init__()
        self.sizes = checkpoint.sizes
        self.encoder = _untrained(checkpoint.sizes)
        fill_weights(self.encoder, checkpoint.weights, checkpoint.path)
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        features: Tensor = self.encoder(images).last_hidden_state
        return features


def sam_input(image: NDArray[np.float32]) -> Tensor:
    """A grey image (y, x), black 0, white 1, as SAM sees it: (3, y, x), clipped to white, standardised as ImageNet.

    channel_c = (255 min(image, 1) - mean_c) / deviation_c.   Beyond the image SAM sees 0 of these values.
    """
    grey = 255.0 * torch.from_numpy(image).clamp(0.0, 1.0)
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (_MEAN, _DEVIATION))
    return (grey - mean) / deviation


def _untrained(sizes: SamSizes) -> nn.Module:
    """The encoder of the package, of these sizes, on the CPU."""
    if find_spec("transformers") is None:
        raise MissingExtraError("transformers", "sam", "The image encoder of SAM")
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        without_broken_torchvision()
        try:
            from transformers.models.sam.configuration_sam import SamVisionConfig
            from transformers.models.sam.modeling_sam import SamVisionEncoder
        except (ImportError, OSError, RuntimeError) as error:
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            raise PintrackError(
                f"the package transformers is installed but its SAM cannot be imported: {cause}. Install releases of "
                "transformers and torch that go together"
            ) from error
        config = SamVisionConfig(
            hidden_size=sizes.width,
            output_channels=sizes.channels,
            num_hidden_layers=sizes.depth,
            num_attention_heads=sizes.heads,
            image_size=sizes.image_px,
            patch_size=sizes.patch_px,
            mlp_dim=sizes.mlp_width,
            window_size=sizes.window_tokens,
            global_attn_indexes=list(sizes.global_blocks),
        )
        network: nn.Module = SamVisionEncoder(config)
        return network
