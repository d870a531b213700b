"""What ASCENT sees of a movie: frames of comparable brightness, and patches in them as a view of a frame shows them.

Letters: n detections, c planes of a patch (1 in 2-D), P its side, Z, Y, X the planes, rows and columns of a frame.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.nn.functional import grid_sample

from embeddings.ascent_augment import View, plain_view
from embeddings.frame_images import FrameImages
from embeddings.nets.ascent_config import AscentConfig, Positions
from tracker.errors import ConfigError

NOUN = "ASCENT"

_PERCENTILES = (1.0, 99.99)
_PLANES = (0, 1, -1)  # of a 3-D patch, beside the detection's own; in this order in the channels
_IDEAL_SHARE = 0.4  # of a patch, that a cell takes: some of its neighbours are to be seen
_SMALLEST_SHARE = 16.0  # of a patch


@dataclass(frozen=True)
class AscentFrames:
    """frames: read one at a time, 2-D or 3-D.   config: of the network.   zoom: how much y and x are enlarged.

    Raises ConfigError for a zoom that is not positive, frames smaller than a patch, and cells that do not fit one.
    """

    frames: FrameImages
    config: AscentConfig
    zoom: float = 1.0

    def __post_init__(self) -> None:
        """Check the zoom, and that patches fit the frames and cells the patches."""
        if not 0 < self.zoom < math.inf:
            raise ConfigError(f"zoom must be positive and finite, found {self.zoom:g}")
        movie, patch = self.frames.movie, self.config.patch_px
        height, width = self.shape[1:]
        if min(height, width) * self.zoom < patch:
            raise ConfigError(
                f"{NOUN} looks at patches of {patch} px, but the frames of {self.frames.images.name} are {height} x "
                f"{width} px at zoom {self.zoom:g}. Set zoom = {math.ceil(100 * patch / min(height, width)) / 100:g} "
                "or more, or a smaller patch_px"
            )
        diameter = movie.detections.properties.get("equivalent_diameter_px")
        if diameter is None or not len(diameter):
            return
        typical = float(np.median(diameter))
        smallest = patch / _SMALLEST_SHARE
        if not smallest <= typical * self.zoom <= patch:
            raise ConfigError(
                f"{NOUN} sees patches of {patch} px, but the cells of {movie.name} are {typical * self.zoom:.3g} px "
                f"across at zoom {self.zoom:g}: they must be smaller than a patch and at least {smallest:.3g} px. Set "
                f"zoom = {_IDEAL_SHARE * patch / typical:.2g}, or another patch_px"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X) pixels of the frames as they are; Z = 1 in 2-D."""
        shape = self.frames.images.shape
        return (1, *shape[-2:]) if len(shape) == 2 else (shape[0], shape[1], shape[2])

    @property
    def planes(self) -> tuple[int, ...]:
        """The planes of a patch, beside the detection's own."""
        return _PLANES if len(self.frames.images.shape) == 3 else _PLANES[:1]

    def image(self, step: int) -> NDArray[np.float32]:
        """(Z, Y, X) of a step: 0 at the percentile 1 of the frame, 1 at its percentile 99.99, not clipped.

        With a zoom below 1 each plane is smoothed first.   Raises what `FrameImages.pixels` does.
        """
        image = self.frames.pixels(step).astype(np.float32)
        dark, bright = (float(value) for value in np.percentile(image, _PERCENTILES))
        image -= dark
        image /= (bright - dark) or 1.0
        if self.zoom < 1:
            blur = (1 / self.zoom - 1) / 2
            image = np.asarray(gaussian_filter(image, (0.0,) * (image.ndim - 2) + (blur, blur)), np.float32)
        return image.reshape(self.shape)

    def place_px(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n, 3) z, y, x of detections in pixels of the frames; z = 0 in 2-D."""
        found = self.frames.movie.detections
        place = found.position[rows] / found.scale
        return place if found.ndim == 3 else np.pad(place, ((0, 0), (1, 0)))

    def plain_view(self) -> View:
        """A frame as it is, but for the zoom."""
        return plain_view((self.shape[1], self.shape[2]), self.zoom)

    def coordinates(self, place: NDArray[np.float64]) -> NDArray[np.float32]:
        """(n, 3) what the network is told of places (n, 3) z, y, x in a view.

        "relative": from the centre, in halves of the size of the view along y and x; z in the same measure, as the
        pixel sizes of the movie have it, by the mean of both. "physical": from the centre, in the unit of the movie.
        "none": zeros.
        """
        how: Positions = self.config.positions
        if how == "none":
            return np.zeros(place.shape, np.float32)
        scale = self.frames.movie.detections.scale
        pixel = np.array([scale[0] if len(scale) == 3 else 1.0, scale[-2] / self.zoom, scale[-1] / self.zoom])
        size = np.array([self.shape[0], self.shape[1] * self.zoom, self.shape[2] * self.zoom])
        from_centre = place - (size - 1) / 2
        if how == "physical":
            return (from_centre * pixel).astype(np.float32)
        measure = 2 / size
        measure[0] = measure[1:].mean() * pixel[0] / pixel[1:].mean()
        return (from_centre * measure).astype(np.float32)

    def patches(self, image: NDArray[np.float32], view: View, place: NDArray[np.float64]) -> NDArray[np.float32]:
        """(n, c, P, P) patches of a view of a frame; outside of the frame they are 0, in every light.

        image: (Z, Y, X), of `image`.   place: (n, 3) z, y, x in the view; the pixel that holds it is the pixel P / 2 of
        the patch, along y and x. In 3-D the channels are its plane, the next and the one before.
        y and x are sampled bilinearly. Within a patch the elastic displacement is taken to be linear.
        """
        side, count = self.config.patch_px, len(place)
        pixel = np.floor(place + 0.5)
        centre, slope = view.to_frame(pixel[:, 1:])
        offset = np.arange(side) - side // 2
        grid = np.stack(np.meshgrid(offset, offset, indexing="ij"), axis=-1).reshape(-1, 2)
        shown = centre[:, None] + grid @ slope.transpose(0, 2, 1)  # (n, P P, 2)
        where = ((2 * shown + 1) / image.shape[1:] - 1).astype(np.float32)  # -1 and 1: the edges of the frame
        seen, mean = np.zeros((count, len(self.planes), side, side), np.float32), float(image.mean())
        for channel, beside in enumerate(self.planes):
            plane = pixel[:, 0].astype(np.int64) + beside
            for own in np.unique(plane[(plane >= 0) & (plane < len(image))]).tolist():
                there = np.flatnonzero(plane == own)
                cut = grid_sample(
                    torch.from_numpy(view.light(image[None, own : own + 1], mean)),
                    torch.from_numpy(where[there, :, ::-1].reshape(1, len(there) * side, side, 2)),
                    mode="bilinear",
                    padding_mode="zeros",
                    align_corners=False,
                )
                seen[there, channel] = cut.numpy().reshape(len(there), side, side)
        return seen
