"""Checkpoints of Segment Anything (SAM; Kirillov et al., ICCV 2023), micro-SAM's as well: the image encoder alone.

Two layouts are known: that of the segment_anything package (`image_encoder.blocks.0...`, as in sam_vit_b_01ec64.pth and
vit_b_lm.pt), and that of transformers (`vision_encoder.layers.0...`). Sizes are read off the weights, so that all of
vit_b, vit_l and vit_h load. Prompt encoder and mask decoder are left aside.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor

from embeddings.nets.errors import ModelError
from embeddings.nets.torch_weights import read_plain
from tracker.errors import MissingExtraError, first_five

_OURS, _OFFICIAL = "vision_encoder.", "image_encoder."
_PATCH = "patch_embed.projection.weight"
# Official name, name in transformers; of each block first.
_BLOCK = {
    "norm1.weight": "layer_norm1.weight",
    "norm1.bias": "layer_norm1.bias",
    "attn.rel_pos_h": "attn.rel_pos_h",
    "attn.rel_pos_w": "attn.rel_pos_w",
    "attn.qkv.weight": "attn.qkv.weight",
    "attn.qkv.bias": "attn.qkv.bias",
    "attn.proj.weight": "attn.proj.weight",
    "attn.proj.bias": "attn.proj.bias",
    "norm2.weight": "layer_norm2.weight",
    "norm2.bias": "layer_norm2.bias",
    "mlp.lin1.weight": "mlp.lin1.weight",
    "mlp.lin1.bias": "mlp.lin1.bias",
    "mlp.lin2.weight": "mlp.lin2.weight",
    "mlp.lin2.bias": "mlp.lin2.bias",
}
_REST = {
    "pos_embed": "pos_embed",
    "patch_embed.proj.weight": _PATCH,
    "patch_embed.proj.bias": "patch_embed.projection.bias",
    "neck.0.weight": "neck.conv1.weight",
    "neck.1.weight": "neck.layer_norm1.weight",
    "neck.1.bias": "neck.layer_norm1.bias",
    "neck.2.weight": "neck.conv2.weight",
    "neck.3.weight": "neck.layer_norm2.weight",
    "neck.3.bias": "neck.layer_norm2.bias",
}


@dataclass(frozen=True)
class SamSizes:
    """image_px: side of what is encoded at once.   patch_px: of a patch, which becomes a token.   channels: of a token.

    width, depth, heads, mlp_width: of the transformer.   window_tokens: side of the windows within which most blocks
    attend.   global_blocks: those that attend to the whole image.
    """

    image_px: int
    patch_px: int
    channels: int
    width: int
    depth: int
    heads: int
    mlp_width: int
    window_tokens: int
    global_blocks: tuple[int, ...]

    @property
    def grid(self) -> int:
        """Tokens along each axis."""
        return self.image_px // self.patch_px

    def as_mapping(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "global_blocks": list(self.global_blocks)}


@dataclass(frozen=True)
class SamCheckpoint:
    """weights: by their names in transformers' SamVisionEncoder.   digest: sha256 of the file.   path: of the file."""

    sizes: SamSizes
    weights: Mapping[str, Tensor]
    digest: str
    path: Path


def read_sam_checkpoint(path: Path) -> SamCheckpoint:
    """Read the image encoder of a checkpoint onto the CPU; no code in the file is run.

    path: a file of torch or, by its name, of safetensors.
    Raises ModelError for a file that is missing or damaged, or of another layout, naming the weights at fault.
    """
    digest = file_digest(path)
    weights = _encoder_weights(_stored(path), path)
    return SamCheckpoint(_sizes(weights, path), weights, digest, path)


def file_digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits. Raises ModelError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except IsADirectoryError as error:
        raise ModelError(f"{path} is a folder: name the file of the weights itself") from error
    except OSError as error:
        raise ModelError(f"the weights {path} cannot be read: {error.strerror}") from error


def _stored(path: Path) -> Mapping[str, Tensor]:
    """All weights of a file, by their names there."""
    if path.suffix == ".safetensors":
        if find_spec("safetensors") is None:
            raise MissingExtraError("safetensors", "learn", f"Reading {path}")
        import safetensors.torch

        try:
            loaded: dict[str, Tensor] = safetensors.torch.load_file(path)
        except safetensors.SafetensorError as error:
            raise ModelError(f"the weights {path} cannot be read: {error}") from error
        return loaded
    stored = read_plain(path, path)
    if isinstance(stored, Mapping) and isinstance(stored.get("model_state"), Mapping):  # micro-SAM, as trained
        stored = {str(name).removeprefix("sam."): value for name, value in stored["model_state"].items()}
    if not isinstance(stored, Mapping):
        raise ModelError(f"the SAM checkpoint {path} is not a mapping of names to tensors")
    return {str(name): value for name, value in stored.items()}


def _encoder_weights(stored: Mapping[str, Tensor], path: Path) -> Mapping[str, Tensor]:
    """The weights of the image encoder by the names of transformers."""
    layout = next((prefix for prefix in (_OFFICIAL, _OURS) if any(name.startswith(prefix) for name in stored)), None)
    if layout is None:
        raise ModelError(
            f"the SAM checkpoint {path} holds no image encoder: wanted weights called {_OFFICIAL}* as in "
            f"sam_vit_b_01ec64.pth (or {_OURS}* as in transformers), found {first_five(stored) or 'nothing'}"
        )
    held = {name.removeprefix(layout): value for name, value in stored.items() if name.startswith(layout)}
    official = layout == _OFFICIAL
    block = "blocks" if official else "layers"
    depth = 1 + max((int(found[1]) for name in held if (found := re.match(rf"{block}\.(\d+)\.", name))), default=0)
    names = dict(_REST)
    names |= {f"blocks.{i}.{here}": f"layers.{i}.{there}" for i in range(depth) for here, there in _BLOCK.items()}
    if not official:
        names = {name: name for name in names.values()}
    missing = [layout + name for name in names if name not in held]
    unexpected = [layout + name for name in held if name not in names]
    no_tensors = [layout + name for name in names if name in held and not isinstance(held[name], Tensor)]
    problems = [f"{first_five(missing)} missing"] * bool(missing)
    problems += [f"{first_five(unexpected)} unexpected"] * bool(unexpected)
    problems += [f"no tensors: {first_five(no_tensors)}"] * bool(no_tensors)
    if problems:
        raise ModelError(
            f"the SAM checkpoint {path} is not of the layout of sam_vit_b_01ec64.pth: {'; '.join(problems)}. Give one "
            "with the image encoder vit_b, vit_l or vit_h, as released"
        )
    return {there: held[here].float() for here, there in names.items()}


def _sizes(weights: Mapping[str, Tensor], path: Path) -> SamSizes:
    """Read off the shapes; `fill_weights` compares all of them with the network made of these sizes."""
    places, patch = weights["pos_embed"].shape, weights[_PATCH].shape
    depth = sum(name.endswith("attn.rel_pos_h") for name in weights)
    reach = [tuple(weights[f"layers.{i}.attn.rel_pos_h"].shape) for i in range(depth)]
    if not (len(places) == len(patch) == 4 and places[1] == places[2] and patch[2] == patch[3] and patch[1] == 3):
        raise _unsuitable(path, f"pos_embed is {tuple(places)} and {_PATCH} {tuple(patch)}")
    width, grid = int(places[3]), int(places[1])
    whole = all(len(one) == 2 and one[0] % 2 == 1 and one[1] > 0 and width % one[1] == 0 for one in reach)
    if not whole or len({one[1] for one in reach}) != 1:
        raise _unsuitable(path, f"attn.rel_pos_h of the blocks are {first_five(sorted(set(reach)))}")
    windows = {one[0] for one in reach} - {2 * grid - 1}
    if len(windows) > 1:
        raise _unsuitable(path, f"blocks attend within windows of {first_five((n + 1) // 2 for n in sorted(windows))}")
    return SamSizes(
        image_px=grid * int(patch[2]),
        patch_px=int(patch[2]),
        channels=int(weights["neck.conv1.weight"].shape[0]),
        width=width,
        depth=depth,
        heads=width // reach[0][1],
        mlp_width=int(weights["layers.0.mlp.lin1.weight"].shape[0]),
        window_tokens=(windows.pop() + 1) // 2 if windows else grid,
        global_blocks=tuple(i for i in range(depth) if reach[i][0] == 2 * grid - 1),
    )


def _unsuitable(path: Path, found: str) -> ModelError:
    return ModelError(f"the SAM checkpoint {path} has sizes that no SAM image encoder has: {found}")
