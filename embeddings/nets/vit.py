"""A plain vision transformer, as ImageNet's, whose weights can be those of DINO (Caron et al., ICCV 2021)."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from embeddings.nets.ascent_config import Pool
from embeddings.nets.errors import ModelError
from embeddings.nets.model_folder import misfits
from embeddings.nets.torch_weights import parse_torch_weights
from embeddings.nets.vit_block import NORM_EPS, VitBlock

# Parameters as they are called here, and in the checkpoints of DINO and timm.
_DINO_NAMES = {
    "patch_embed.": "patch_embed.proj.",
    ".attention_norm.": ".norm1.",
    ".qkv.": ".attn.qkv.",
    ".out.": ".attn.proj.",
    ".mlp_norm.": ".norm2.",
    ".mlp.0.": ".mlp.fc1.",
    ".mlp.2.": ".mlp.fc2.",
}
_CHANNELS = 3


class VisionTransformer(nn.Module):
    """Images (B, 3, S, S) -> (B, width), one token of what comes after the last norm, or a mean.

    Pieces of token_px become N = G^2 tokens, G = S / token_px, beside the class token.
    """

    def __init__(
        self, image_px: int, token_px: int, width: int, depth: int, heads: int, mlp_ratio: int = 4, pool: Pool = "class"
    ) -> None:
        """image_px: S, a multiple of token_px.   heads: divides width.   pool: class token, or the mean of all N."""
        super().__init__()
        self.pool = pool
        tokens = (image_px // token_px) ** 2
        self.patch_embed = nn.Conv2d(_CHANNELS, width, token_px, stride=token_px)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + tokens, width))
        self.blocks = nn.Sequential(*(VitBlock(width, heads, mlp_ratio) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=NORM_EPS)
        self.apply(_initialise)
        for token in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(token, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, width)."""
        tokens = self.patch_embed(images).flatten(2).transpose(1, 2)  # (B, N, width), row by row
        first = self.cls_token.to(tokens.dtype).expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], dim=1) + self.pos_embed
        out: Tensor = self.norm(self.blocks(tokens))
        return out[:, 0] if self.pool == "class" else out[:, 1:].mean(dim=1)


def read_dino(path: Path) -> Mapping[str, Tensor]:
    """The weights in a checkpoint of DINO's backbone (.pth), by their names there. Raises ModelError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the checkpoint {path} cannot be read: {error.strerror}. Download it (dino_deitsmall16 of DINO), or leave "
            'ascent.dino out and set pool = "mean" and visual_norm = true'
        ) from error
    return parse_torch_weights(content, path)


def fill_dino(network: VisionTransformer, weights: Mapping[str, Tensor], source: object) -> None:
    """Copy weights named as in DINO (and timm, without a head) into a network.

    The positions, learnt for images of another size, are interpolated bicubically.
    Raises ModelError naming `source` and the first parameters, as named there, that are missing, not known, of another
    shape or not finite.
    """
    own = {_dino_name(name): name for name in network.state_dict()}
    wanted = {name: network.state_dict()[ours] for name, ours in own.items()}
    found = dict(weights)
    if "pos_embed" in found:
        found["pos_embed"] = _resized(found["pos_embed"], wanted["pos_embed"].shape[1])
    problems = misfits(wanted, found)
    if problems:
        raise ModelError(
            f"{source} is no checkpoint of DINO's backbone that fits this vision transformer: {'; '.join(problems)}. "
            "Give other weights, or set token_px, width and depth as they have them"
        )
    network.load_state_dict({own[name]: value for name, value in found.items()})


def _dino_name(name: str) -> str:
    for ours, theirs in _DINO_NAMES.items():
        name = name.replace(ours, theirs)
    return name


def _resized(positions: Tensor, count: int) -> Tensor:
    """(1, 1 + g^2, C) -> (1, count, C), count = 1 + G^2; unchanged where it is no such thing."""
    grid, wanted = (round(max(tokens - 1, 0) ** 0.5) for tokens in (positions.shape[1:2].numel(), count))
    if positions.ndim != 3 or positions.shape[:2] != (1, 1 + grid**2) or grid in (0, wanted):
        return positions
    places = positions[:, 1:].float().reshape(1, grid, grid, -1).permute(0, 3, 1, 2)
    places = interpolate(places, size=(wanted, wanted), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1].float(), places.flatten(2).transpose(1, 2)], dim=1)


def _initialise(layer: nn.Module) -> None:
    """Narrow normal weights for linear maps, without offsets."""
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
        nn.init.zeros_(layer.bias)
