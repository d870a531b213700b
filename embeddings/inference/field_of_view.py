"""Embeddings of single pixels by a network that sees a field of view: where the field lies for each pixel, exactly.

A network cuts its field of view into G x G patches of p x p pixels (p odd), and gives a vector for each, a token. The
embedding of a pixel is that of the token whose patch has this pixel as its centre, in a field placed such that this
token is one of the c x c in the middle. Shifts of the field by 0 .. p - 1 pixels along each axis fill a block of
c p x c p pixels; the next block lies c p pixels further. Around the image is 0.

Hence the embeddings of an image shifted by whole blocks are those of the image, shifted; with c = 1, by any shift.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from embeddings.nets.mae import MaskedAutoencoder
from embeddings.nets.mae_config import MaeConfig
from embeddings.training.device import memory_watched
from tracker.errors import ConfigError


@dataclass(frozen=True)
class FieldOfView:
    """image_px: side of the field.   patch_px: p.   central_tokens: c. Along each axis, as in MaeConfig."""

    image_px: int
    patch_px: int
    central_tokens: int

    @classmethod
    def of(cls, config: MaeConfig) -> "FieldOfView":
        """That of a network."""
        return cls(config.image_px, config.patch_px, config.central_tokens)

    @property
    def grid(self) -> int:
        """G, tokens along each axis."""
        return self.image_px // self.patch_px

    @property
    def first_token(self) -> int:
        """Along each axis, the first of those in the middle."""
        return (self.grid - self.central_tokens) // 2

    @property
    def block_px(self) -> int:
        """Side of a block, c p."""
        return self.central_tokens * self.patch_px

    @property
    def reach_px(self) -> int:
        """Pixels from the start of a field to the centre of its first token in the middle."""
        return self.first_token * self.patch_px + self.patch_px // 2

    def place(self, pixel_px: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the field of each pixel starts, (n, 2) y, x, maybe negative; and its token there, (n,), row by row.

        pixel_px: (n, 2) y, x.   With j = (y mod c p) // p along each axis: token first + j, start y - j p - reach.
        """
        along = pixel_px % self.block_px // self.patch_px
        start = pixel_px - along * self.patch_px - self.reach_px
        token = self.first_token + along
        return start, token[:, 0] * self.grid + token[:, 1]

    def blocks(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Blocks along y and x that cover an image of `shape`."""
        return -(-shape[0] // self.block_px), -(-shape[1] // self.block_px)

    def fields(self, image: NDArray[np.float32], start: NDArray[np.int64], batch: int) -> Iterator[NDArray[np.float32]]:
        """The fields (<= batch, image_px, image_px) at each start (n, 2) that `place` gives for pixels of the image."""
        height, width = image.shape
        sizes = zip((height, width), self.blocks((height, width)), strict=True)
        after = [count * self.block_px - size + self.image_px - self.reach_px for size, count in sizes]
        padded = np.pad(image, [(self.reach_px, one) for one in after])
        every = sliding_window_view(padded, (self.image_px, self.image_px))
        for first in range(0, len(start), batch):
            part = start[first : first + batch] + self.reach_px
            yield np.ascontiguousarray(every[part[:, 0], part[:, 1]])


def pixel_embeddings(
    network: MaskedAutoencoder,
    image: NDArray[np.float32],
    pixel_px: NDArray[np.int64],
    device: torch.device,
    batch_size: int = 64,
) -> tuple[NDArray[np.float32], int]:
    """The embeddings (n, width) of some pixels of an image, and how many fields of view were encoded for them.

    Each field that holds a pixel asked for in its middle is encoded once; pixels share it where they can. The values
    are those of `dense_embeddings`.   image: (y, x), normalised.   pixel_px: (n, 2) y, x, inside of the image.
    network: on `device`, in evaluation mode.   batch_size: fields at a time; it bounds the memory.
    Raises ConfigError for a batch_size below 1, or a pixel outside; TrainingError when memory runs out.
    """
    _check_batch(batch_size)
    if len(pixel_px) and (pixel_px.min() < 0 or (pixel_px >= np.array(image.shape)).any()):
        raise ConfigError(f"pixels must lie inside of the image of {image.shape} pixels")
    view = FieldOfView.of(network.config)
    start, token = view.place(pixel_px)
    fields, owner = np.unique(start, axis=0, return_inverse=True)
    owner = owner.reshape(-1)
    order = np.argsort(owner, kind="stable")
    bounds = np.searchsorted(owner[order], np.arange(0, len(fields) + batch_size, batch_size))
    vector = np.zeros((len(pixel_px), network.config.width), np.float32)
    for number, batch in enumerate(view.fields(image, fields, batch_size)):
        encoded = _encode(network, batch, device)
        rows = order[bounds[number] : bounds[number + 1]]
        vector[rows] = encoded[owner[rows] - number * batch_size, token[rows]]
    return vector, len(fields)


def dense_embeddings(
    network: MaskedAutoencoder, image: NDArray[np.float32], device: torch.device, batch_size: int = 64
) -> tuple[NDArray[np.float32], int]:
    """The embeddings (y, x, width) of all pixels of an image, and how many fields of view were encoded for them.

    p^2 shifts of the field, each laid out in blocks over the image: slow, and as large as `width` images.
    Arguments and what is raised: as in `pixel_embeddings`.
    """
    _check_batch(batch_size)
    config, view = network.config, FieldOfView.of(network.config)
    height, width = image.shape
    rows, columns = view.blocks((height, width))
    c, p, first = view.central_tokens, view.patch_px, view.first_token
    corner = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)
    covered = np.zeros((rows * c * p, columns * c * p, config.width), np.float32)
    middle = slice(first, first + c)
    for y in range(p):
        for x in range(p):
            start = corner * view.block_px + (y - view.reach_px, x - view.reach_px)
            encoded = []
            for batch in view.fields(image, start, batch_size):
                tokens = _encode(network, batch, device).reshape(-1, view.grid, view.grid, config.width)
                encoded.append(tokens[:, middle, middle].copy())  # frees the tokens around
            blocks = np.concatenate(encoded).reshape(rows, columns, c, c, config.width)
            tokens = blocks.swapaxes(1, 2)  # (rows, c, columns, c, width)
            covered[y::p, x::p] = tokens.reshape(rows * c, columns * c, config.width)
    return covered[:height, :width], p * p * rows * columns


def _encode(network: MaskedAutoencoder, fields: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
    """(B, S, S) -> (B, N, width) float32."""
    advice = 'Make batch_size smaller, embed on the CPU (device = "cpu"), or train a smaller network'
    with torch.inference_mode(), memory_watched(device, "embedding fields of view", advice):
        encoded: NDArray[np.float32] = network.encode(torch.from_numpy(fields).unsqueeze(1).to(device)).cpu().numpy()
        return encoded


def _check_batch(batch_size: int) -> None:
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, found {batch_size}")
