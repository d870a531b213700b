"""Upsamplers small enough for tests, as files of TorchScript."""

import warnings

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


class Guided(nn.Module):
    """Features enlarged bilinearly, and brighter where the image is."""

    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        enlarged = interpolate(features, (image.shape[2], image.shape[3]), mode="bilinear")
        return enlarged * (2.0 + torch.tanh(image[:, :1]))


class Bilinear(nn.Module):
    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        return interpolate(features, (image.shape[2], image.shape[3]), mode="bilinear")


class Transposed(nn.Module):
    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        return interpolate(features, (image.shape[3], image.shape[2]), mode="bilinear")


class Picky(nn.Module):
    """For images of 12 x 8 pixels."""

    def forward(self, image: Tensor, features: Tensor) -> Tensor:
        return image[:, :1] + torch.zeros(1, 5, 12, 8)


def saved(module, path, example=None):
    """The module in a file; traced where there is an example."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later releases of torch prefer torch.export
        script = torch.jit.script(module) if example is None else torch.jit.trace(module, example)
        script.save(str(path))
    return path
