"""Pixels that stand for each detection of a frame: all of its mask, or a sample that few fields of view hold."""

import numpy as np
from numpy.typing import NDArray


def labelled_pixels(mask: NDArray[np.generic], label: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels (n, 2) of a mask (y, x) with one of some labels, and which of them, (n,).   label: (K,) increasing."""
    pixel = np.argwhere(mask != 0)
    own = mask[pixel[:, 0], pixel[:, 1]].astype(np.int64)
    if not len(label):
        return pixel[:0], own[:0]
    place = np.minimum(np.searchsorted(label, own), len(label) - 1)
    known = label[place] == own
    return pixel[known], place[known]


def sample_pixels(
    pixel_px: NDArray[np.int64], owner: NDArray[np.int64], most: int, patch_px: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Which of the pixels to take, sorted: of each owner a random sample of `most`, or all where it has fewer.

    A field of view gives the embeddings of pixels that lie a multiple of patch_px apart. So each owner draws an order
    of the patch_px^2 places (y mod patch_px, x mod patch_px), and takes the pixels at the first of them, those at the
    second, and so on, within a place in random order. Each pixel is equally likely to be taken.
    pixel_px: (n, 2).   owner: (n,) integers from 0.
    """
    if not len(pixel_px):
        return np.zeros(0, np.int64)
    place = pixel_px[:, 0] % patch_px * patch_px + pixel_px[:, 1] % patch_px
    rank = rng.random((int(owner.max()) + 1, patch_px**2)).argsort(axis=1).argsort(axis=1)
    order = np.lexsort((rng.random(len(owner)), rank[owner, place], owner))
    sorted_owner = owner[order]
    nth = np.arange(len(order)) - np.searchsorted(sorted_owner, sorted_owner)
    return np.sort(order[nth < most])
