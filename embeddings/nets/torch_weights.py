"""Weights in a file of torch, read without running any code in it."""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from embeddings.nets.errors import ModelError

# What torch.load raises on a file that is damaged, empty or something else.
_UNREADABLE = (RuntimeError, ValueError, EOFError, KeyError, TypeError, AttributeError, pickle.UnpicklingError)


def parse_torch_weights(content: bytes, path: Path) -> Mapping[str, Tensor]:
    """Parameters by name, on the CPU. The whole content of a file; `path` is for messages. Raises ModelError.

    A training checkpoint, a mapping with `state_dict` whose names start with "model.", is understood too.
    """
    stored = read_plain(io.BytesIO(content), path)
    if isinstance(stored, Mapping) and isinstance(stored.get("state_dict"), Mapping):
        prefix = "model."
        stored = {str(name).removeprefix(prefix): value for name, value in stored["state_dict"].items()}
    if not isinstance(stored, Mapping) or not all(isinstance(value, Tensor) for value in stored.values()):
        raise ModelError(f"the weights {path} are not a mapping of names to tensors")
    return {str(name): value for name, value in stored.items()}


def read_plain(source: Path | io.BytesIO, path: Path) -> object:
    """What is in a file of torch, tensors on the CPU; `path` is for messages. Raises ModelError."""
    try:
        return torch.load(source, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelError(
            f"the weights {path} cannot be read: the file is damaged, or holds more than plain tensors ({reason}). "
            "Download or copy it again"
        ) from error
