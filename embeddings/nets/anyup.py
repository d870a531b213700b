"""Upsamplers of feature maps, such as AnyUp (Wimmer et al., ICLR 2026), as files of TorchScript.

TorchScript brings network and weights in one file, runs without the Python code they come from, and runs no other.
"""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from embeddings.nets.errors import ModelError
from embeddings.nets.sam_checkpoint import file_digest

_CALL = "(image (1, 3, H, W), features (1, C, h, w)) -> (1, C, H, W)"


class Upsampler:
    """A module of TorchScript, called as (image (1, 3, H, W), features (1, C, h, w)) -> (1, C, H, W).

    The image is standardised as in `sam_input`; image and features cover the same part of the picture.
    """

    def __init__(self, path: Path) -> None:
        """Load it onto the CPU, in evaluation mode. Raises ModelError for a file that is none of TorchScript."""
        self.path, self.digest = path, file_digest(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # later releases of torch prefer torch.export
            try:
                self._module = torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
            except (RuntimeError, ValueError) as error:
                reason = str(error).strip().split("\n")[0]
                raise ModelError(
                    f"the upsampler {path} is not a TorchScript file ({reason}). Write one by torch.jit.trace or "
                    f"torch.jit.script of a module called as {_CALL}"
                ) from error

    def to(self, device: torch.device) -> "Upsampler":
        """Move it."""
        self._module.to(device)
        return self

    def __call__(self, image: Tensor, features: Tensor) -> Tensor:
        """As the class says, all on the device of the module. Raises ModelError where the module does otherwise."""
        given = f"image {tuple(image.shape)}, features {tuple(features.shape)}"
        try:
            enlarged = self._module(image, features)
        except torch.OutOfMemoryError:
            raise
        except (torch.jit.Error, RuntimeError) as error:  # what a module of TorchScript raises, and torch itself
            reason = str(error).strip().split("\n")[-1]
            raise ModelError(
                f"the upsampler {self.path} failed on {given}: {reason}. It must be called as {_CALL}; one written by "
                "torch.jit.trace may know a single size of images: trace it with images of this size"
            ) from error
        wanted = (1, features.shape[1], *image.shape[-2:])
        found = tuple(enlarged.shape) if isinstance(enlarged, Tensor) else type(enlarged).__name__
        if found != wanted:
            raise ModelError(f"the upsampler {self.path} must be called as {_CALL}, but for {given} it gives {found}")
        return enlarged
