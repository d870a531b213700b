"""Which axis of an array is time, channel, z, y and x."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MovieError


@dataclass(frozen=True)
class Axes:
    """An array of a movie, axis by axis.

    letters: one of T, C, Z, Y, X per axis of the array; T, C and Z may be absent.   size: of each axis.
    channel: the one to read, where there is a C.
    """

    letters: str
    size: tuple[int, ...]
    channel: int

    @property
    def n_frames(self) -> int:
        """Frames, 1 without a T axis."""
        return self.size[self.letters.index("T")] if "T" in self.letters else 1

    @property
    def spatial(self) -> str:
        """The spatial axes in the order they are handed out: ZYX or YX; a z of one plane is left out."""
        deep = "Z" in self.letters and self.size[self.letters.index("Z")] > 1
        return "ZYX" if deep else "YX"

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape ([z,] y, x) of a frame."""
        return tuple(self.size[self.letters.index(letter)] for letter in self.spatial)

    def index(self, step: int) -> tuple[int | slice, ...]:
        """Index into the array that picks the frame of the `step`-th time point."""
        fixed = {"T": step, "C": self.channel, "Z": 0}
        return tuple(slice(None) if letter in self.spatial else fixed[letter] for letter in self.letters)

    def arrange(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """What `index` picked, with its axes in the order [z,] y, x."""
        found = [letter for letter in self.letters if letter in self.spatial]
        return pixels.transpose([found.index(letter) for letter in self.spatial])


def make_axes(letters: str, size: tuple[int, ...], *, channel: int, kind: str, where: object) -> Axes:
    """Check that the axes make a movie and that `channel` exists.

    For masks `channel` is ignored: it is one of the images. Raises MovieError.
    """
    described = f"axes {letters} of sizes {' x '.join(map(str, size))}"
    if "S" in letters:
        raise MovieError(
            f"{kind} must have one value per pixel; found a colour (RGB) image in {where} ({described}). "
            "Save the channel to be used as a greyscale image"
        )
    if len(set(letters)) < len(letters) or set(letters) - set("TCZYX") or not {"Y", "X"} <= set(letters):
        raise MovieError(f"{kind} must have the axes t, [c,] [z,] y, x; found {described} in {where}")
    if 0 in size:
        raise MovieError(f"{where} holds no {kind}: it has {described}")
    channels = size[letters.index("C")] if "C" in letters else 1
    if kind == "masks" and channels > 1:
        raise MovieError(
            f"label masks must have one channel; found {channels} in {where} ({described}). "
            "Save the masks to be tracked by themselves; if the axis is z, save them with the axes t, z, y, x"
        )
    wanted = 0 if kind == "masks" else channel
    if not 0 <= wanted < channels:
        raise MovieError(f"channel {wanted} was asked for, but {where} has {channels} (counted from 0)")
    return Axes(letters, size, wanted)
