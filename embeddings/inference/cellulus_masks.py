"""From a frame to its objects: offsets under noise, foreground, clusters, outlines."""

import math
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from embeddings.cellulus_frames import ScaledFrames, resized
from embeddings.inference.cellulus_offsets import NoiseSettings, noisy_offsets
from embeddings.inference.cluster_objects import (
    Clustering,
    certain_pixels,
    greedy_clusters,
    mean_shift,
    offset_minima,
)
from embeddings.inference.refine_masks import Refinement, refine, separate
from embeddings.nets.cellulus import CellulusNetwork
from tracker.errors import ConfigError


@dataclass(frozen=True)
class SegmentSettings:
    """How objects are found; checked on construction. Raises ConfigError naming the key.

    object_size_px: diameter of a typical object along y and x, in pixels of the images as they are.
    noise: at test time.   uncertainty: pixels whose offset varies less, in pixels, are foreground; None = Otsu.
    clustering: "mean_shift" from a grid of seeds; "seeds": the same from the minima of the offsets; "greedy".
    bandwidth_px: reach of the clustering, in pixels of the images; None = half of object_size_px.
    fit_share: of the foreground, that the mean-shift looks at.
    refinement, grow_px, shrink_px: as in `refine`.   smallest_share: objects smaller than this part of a disc, or ball,
        of the typical size are dropped.   tile_px: as in `dense_maps`.   seed: of noise and samples.
    """

    object_size_px: float = 30.0
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    uncertainty: float | None = None
    clustering: Clustering = "mean_shift"
    bandwidth_px: float | None = None
    fit_share: float = 0.1
    refinement: Refinement = "cell"
    grow_px: float = 3.0
    shrink_px: float = 6.0
    smallest_share: float = 0.1
    tile_px: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        wanted = {
            "object_size_px must be positive": 0 < self.object_size_px < math.inf,
            "uncertainty must be positive": self.uncertainty is None or 0 < self.uncertainty < math.inf,
            f"clustering must be one of {', '.join(get_args(Clustering))}": self.clustering in get_args(Clustering),
            "bandwidth_px must be positive": self.bandwidth_px is None or 0 < self.bandwidth_px < math.inf,
            "fit_share must be above 0 and at most 1": 0 < self.fit_share <= 1,
            f"refinement must be one of {', '.join(get_args(Refinement))}": self.refinement in get_args(Refinement),
            "grow_px must be at least 0": 0 <= self.grow_px < math.inf,
            "shrink_px must be at least 0": 0 <= self.shrink_px < math.inf,
            "smallest_share must be at least 0": 0 <= self.smallest_share < math.inf,
            "tile_px must be positive": self.tile_px >= 1,
            "seed must be at least 0": self.seed >= 0,
        }
        broken = next((text for text, holds in wanted.items() if not holds), None)
        if broken:
            raise ConfigError(f"segmentation: {broken}; found {getattr(self, broken.split()[0])!r}")


def smallest_object_px(settings: SegmentSettings, zoom: tuple[float, ...], ndim: int) -> float:
    """Pixels of an image below which an object is dropped: a part of a disc or ball, round where the zoom makes it."""
    size, zoom = settings.object_size_px * zoom[-1], zoom * ndim if len(zoom) == 1 else zoom
    ball = math.pi * size**2 / 4 if ndim == 2 else math.pi * size**3 / 6
    return settings.smallest_share * ball / math.prod(zoom)


@dataclass(frozen=True)
class FoundObjects:
    """labels: ([z,] y, x) int64 of the image as it is, 0 is background, objects are 1 .. count.

    foreground: part of the pixels that were certain.   threshold: of their uncertainty, in pixels; NaN where all pixels
    were equally uncertain, and none counted.
    """

    labels: NDArray[np.int64]
    count: int
    foreground: float
    threshold: float


def segment_step(
    network: CellulusNetwork, frames: ScaledFrames, step: int, settings: SegmentSettings, device: torch.device
) -> FoundObjects:
    """The objects of a step; the same however often it is asked, and whatever other steps were.

    Offsets are computed on the enlarged frame and brought back to the pixels of the image, where the rest happens.
    network: on the device.   Raises what `ScaledFrames.image` does.
    """
    rng = np.random.default_rng([settings.seed, step])
    offset, spread = noisy_offsets(
        network,
        network.config,
        frames.image(step),
        device,
        noise=settings.noise,
        rng=rng,
        tile_px=settings.tile_px,
    )
    return objects_of(offset, spread, frames.frames.pixels(step), settings, rng)


def objects_of(
    offset: NDArray[np.float32],
    spread: NDArray[np.float32],
    image: NDArray[np.generic],
    settings: SegmentSettings,
    rng: np.random.Generator,
) -> FoundObjects:
    """Cluster offsets into objects.

    offset: (D, ...), spread: (...), both in pixels of an enlarged frame.   image: the frame as it is, any number of
    pixels. Distances are measured in pixels of the enlarged frame, where objects are round.
    """
    zoom = np.array(spread.shape) / np.array(image.shape)
    spread = resized(spread, image.shape)
    offset = np.stack([resized(one, image.shape) for one in offset])
    if settings.uncertainty is None:
        foreground, threshold = certain_pixels(spread)
    else:
        foreground, threshold = spread < settings.uncertainty, settings.uncertainty
    pixel = np.argwhere(foreground)
    points = (pixel + 0.5) * zoom + offset[:, foreground].T.astype(np.float64)
    size = settings.object_size_px * float(zoom[-1])
    bandwidth = size / 2 if settings.bandwidth_px is None else settings.bandwidth_px * float(zoom[-1])
    fewest = smallest_object_px(settings, tuple(zoom.tolist()), image.ndim)
    if settings.clustering == "greedy":
        certainty = 1 - spread[foreground].astype(np.float64) / max(float(spread.max()), 1e-12)
        cluster = greedy_clusters(points, certainty, bandwidth, fewest)
    else:
        seeds = None
        if settings.clustering == "seeds":
            lowest = offset_minima(offset, foreground)
            seeds = (lowest + 0.5) * zoom + offset[:, *lowest.T].T
        cluster = mean_shift(points, bandwidth, fit_share=settings.fit_share, rng=rng, seeds=seeds)
    labels = np.zeros(image.shape, np.int64)
    labels[foreground] = cluster + 1
    spacing = tuple((zoom / zoom[-1]).tolist())
    refined = refine(
        labels, image, settings.refinement, grow_px=settings.grow_px, shrink_px=settings.shrink_px, spacing=spacing
    )
    done = separate(refined, fewest)
    return FoundObjects(done, int(done.max(initial=0)), float(foreground.mean()), threshold)
