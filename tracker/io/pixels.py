"""What the pixels of images and of label masks may be, checked for every movie format alike."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MovieError

KINDS = ("images", "masks")

#: What the readers and decoders of pixel files raise on damaged input.
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,
    zlib.error,
)


def check_kind(kind: str) -> None:
    """Raise ValueError unless `kind` is images or masks."""
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, found {kind!r}")


def check_dtype(dtype: np.dtype[np.generic], kind: str, where: object) -> None:
    """Raise MovieError unless pixels of `dtype` can be `kind`; `where` names the file."""
    if kind == "images":
        if dtype.kind not in "buif":
            raise MovieError(f"images must hold real numbers; found {dtype} in {where}")
        return
    if dtype.kind == "b":
        raise MovieError(
            f"label masks must be integers; found bool in {where}. A foreground mask has to be split into objects "
            "first, for instance by its connected components: skimage.measure.label(mask)"
        )
    if dtype.kind not in "iu":
        raise MovieError(
            f"label masks must be integers; found {dtype} in {where}. "
            "If these are labels, save them as uint16 or uint32; if they are images, name them as images"
        )


def check_labels(pixels: NDArray[np.generic], where: object) -> None:
    """Raise MovieError when a label mask holds negative labels, or labels beyond 63 bits."""
    if pixels.dtype.kind == "i" and pixels.size and (low := int(pixels.min())) < 0:
        raise MovieError(f"labels must not be negative; found {low} in {where}. Use 0 for the background")
    if pixels.dtype == np.uint64 and pixels.size and (high := int(pixels.max())) > np.iinfo(np.int64).max:
        raise MovieError(f"labels must be below 2**63; found {high} in {where}. Number the objects anew")


def check_same(
    pixels: NDArray[np.generic], shape: tuple[int, ...], dtype: np.dtype[np.generic], kind: str, where: object
) -> None:
    """Raise MovieError unless a frame has the shape and type of the first one."""
    if pixels.shape != shape or pixels.dtype != dtype:
        raise MovieError(
            f"all frames of the {kind} must be alike; the first is {shape} {dtype}, "
            f"found {pixels.shape} {pixels.dtype} in {where}"
        )
