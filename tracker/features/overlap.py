"""How much the masks overlap from one frame to the next."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tracker.errors import FeatureError
from tracker.features.context import FeatureContext, OverlapShift
from tracker.features.drift import drift_px

_PIXELS_PER_CHUNK = 4_000_000


def link(context: FeatureContext) -> NDArray[np.float64]:
    """Intersection over union of the two masks.  f_uv = |M_u & M_v| / |M_u | M_v|, in [0, 1]; higher is better.

    The parent's mask is moved first as `features.overlap_shift` says: "none"; "centroid" (so that the centroids
    coincide, to the nearest pixel: a comparison of shapes); "drift" (of the whole picture between the two frames, by
    phase correlation of the images, or of the masks where there are none); or a drift in pixels per frame along
    [z,] y, x.
    Returns (E,). Give it a negative weight.
    """
    common = context.once_per_links("overlap", lambda: _intersections(context))
    area = context.column("area_px", "overlap")
    parent, child = context.graph.links.T
    return common / (area[parent] + area[child] - common)


def division(context: FeatureContext) -> NDArray[np.float64]:
    """Intersection over union of the parent's mask and both children's together. Returns (H,) in [0, 1].

    The areas and the intersections of the two children are added: within a frame they cannot overlap. Children of
    different frames can, and with the shift "centroid" the parent is moved to each in turn; then 1 is the most.
    """
    common = context.once_per_links("overlap", lambda: _intersections(context))[context.graph.division_links].sum(
        axis=1
    )
    area = context.column("area_px", "overlap")
    parent, one, other = context.graph.divisions.T
    together = area[parent] + area[one] + area[other]
    return np.minimum(common / np.maximum(together - common, 1.0), 1.0)


def _intersections(context: FeatureContext) -> NDArray[np.float64]:
    """(E,) pixels that the two masks of each link share after the shift. Two frames are in memory at a time."""
    if context.masks is None:
        raise FeatureError("feature 'overlap' needs masks; give data.segmentation instead of points")
    graph, detections = context.graph, context.graph.detections
    common = np.zeros(len(graph.links))
    step = detections.step
    parent_step, gap = step[graph.links[:, 0]], graph.link_gap_frames
    for earlier in np.unique(parent_step):
        own = np.flatnonzero(parent_step == earlier)
        first = np.asarray(context.masks.read(int(detections.frames[earlier])))
        pixels = _Pixels(first)
        for frames in np.unique(gap[own]):
            chosen = own[gap[own] == frames]
            later = np.asarray(context.masks.read(int(detections.frames[earlier + frames])))
            if context.overlap_shift == "drift":
                pair = int(detections.frames[earlier]), int(detections.frames[earlier + frames])
                shift = np.tile(drift_px(context, *pair, (first, later)), (len(chosen), 1))
            else:
                shift = _shifts(context, chosen, int(frames))
            labels = detections.label[graph.links[chosen]]
            common[chosen] = pixels.shared_with(later, labels[:, 0], labels[:, 1], shift)
    return common


def _shifts(context: FeatureContext, links: NDArray[np.int64], frames: int) -> NDArray[np.int64]:
    """(K, D) whole pixels to move each link's parent by."""
    detections = context.graph.detections
    shift: OverlapShift = context.overlap_shift
    if shift == "none":
        return np.zeros((len(links), detections.ndim), np.int64)
    if shift == "centroid":
        parent, child = context.graph.links[links].T
        moved = (detections.position[child] - detections.position[parent]) / detections.scale
        return np.round(moved).astype(np.int64)
    if len(shift) != detections.ndim:
        raise FeatureError(f"features.overlap_shift needs {detections.ndim} numbers of pixels, found {shift!r}")
    return np.tile(np.asarray(shift, np.int64) * frames, (len(links), 1))


class _Pixels:
    """The foreground pixels of one frame, grouped by label."""

    def __init__(self, mask: NDArray[np.generic]) -> None:
        flat = np.flatnonzero(mask)
        label = mask.ravel()[flat].astype(np.int64)  # as detections have them; numpy compares uint64 with it as float
        order = np.argsort(label, kind="stable")
        self._shape = mask.shape
        self._label = label[order]
        self._place = np.column_stack(np.unravel_index(flat[order], mask.shape))

    def shared_with(
        self, later: NDArray[np.generic], parent: NDArray[np.int64], child: NDArray[np.int64], shift: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """(K,) pixels of each parent label that, moved by its shift, lie on its child's label in `later`."""
        start = np.searchsorted(self._label, parent)
        size = np.searchsorted(self._label, parent, side="right") - start
        common = np.zeros(len(parent))
        for chunk in _chunks(size):
            link = np.repeat(np.arange(chunk.start, chunk.stop), size[chunk])
            offset = np.arange(len(link)) - np.repeat(np.cumsum(size[chunk]) - size[chunk], size[chunk])
            place = self._place[start[link] + offset] + shift[link]
            inside = ((place >= 0) & (place < self._shape)).all(axis=1)
            hit = later[tuple(place[inside].T)] == child[link[inside]]
            common += np.bincount(link[inside], weights=hit, minlength=len(parent))
        return common


def _chunks(size: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of links with about _PIXELS_PER_CHUNK pixels each."""
    number = (np.cumsum(size) - size) // _PIXELS_PER_CHUNK
    edges = np.append(np.flatnonzero(np.diff(number, prepend=-1)), len(size))
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield slice(low, high)
