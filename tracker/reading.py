"""From movies of masks, or tables of points, to detections."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.detections import Detections
from tracker.errors import ConfigError, MovieError, PointsError, first_five
from tracker.io.movie import Movie
from tracker.io.point_table import PointTable
from tracker.regions import Regions, region_properties

MAX_FRAMES = 10_000_000


def select_frames(
    available: NDArray[np.int64], frames: tuple[int, int] | None = None, every: int = 1
) -> NDArray[np.int64]:
    """The frames to keep, out of those available (T,), in their own numbers.

    frames: half-open, counted from the first frame that is available: (0, 20) of a movie that starts at t = 1 is
        t = 1 .. 20. None = all.
    every: keep the first of these and every so-many-th after it.
    Raises ConfigError when the range is empty or reaches beyond the movie, or `every` is below 1.
    """
    count = len(available)
    start, stop = (0, count) if frames is None else frames
    if every < 1:
        raise ConfigError(f"data.every must be at least 1, found {every}")
    if count == 0:
        raise ConfigError("there is no frame to select from")
    if not 0 <= start < stop <= count:
        raise ConfigError(
            f"data.frames = [{start}, {stop}] must be a half-open range within [0, {count}], counted from the first "
            f"frame; there are {count} frames, t = {available[0]} to {available[-1]}"
        )
    return available[start:stop:every]


def pair_frames(masks: Movie, images: Movie, frames: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """The frame of the images that belongs to each of `frames` (T,) of the masks, default all of them.

    The frame of the same number; only where the images lack a number of the masks, but the two have as many frames
    (one counts from 0, the other from 1), the frame of the same order. Raises MovieError when the shapes differ, or
    the images lack a frame that is asked for.
    """
    chosen = masks.frames if frames is None else frames
    if masks.shape != images.shape:
        raise MovieError(
            f"images and masks must have one shape ([z,] y, x); found {images.shape} in {images.name} "
            f"and {masks.shape} in {masks.name}"
        )
    if len(masks.frames) == len(images.frames) and not np.isin(masks.frames, images.frames).all():
        return images.frames[np.searchsorted(masks.frames, chosen)]
    missing = chosen[~np.isin(chosen, images.frames)]
    if len(missing):
        raise MovieError(
            f"every mask needs its image; {len(masks.frames)} masks in {masks.name} (t = {_range(masks)}) but "
            f"{len(images.frames)} images in {images.name} (t = {_range(images)}); "
            f"without an image: t = {first_five(missing)}"
        )
    return chosen


def image_frames(images: Movie, masks: Movie | None, frames: NDArray[np.int64]) -> NDArray[np.int64]:
    """(T,) the frame of the images that belongs to each of `frames`; -1 where points have none.

    Raises MovieError as `pair_frames`, where there are masks.
    """
    if masks is not None:
        return pair_frames(masks, images, frames)
    return np.where(np.isin(frames, images.frames), frames, -1)


def detections_from_masks(
    masks: Movie,
    images: Movie | None = None,
    *,
    scale: ArrayLike | None = None,
    unit: str = "pixel",
    frames: NDArray[np.int64] | None = None,
    workers: int = 1,
) -> Detections:
    """Every labelled region of the masks as a detection, at its centroid.

    scale: (D,) size of a pixel along [z,] y, x in `unit`, default 1.   frames: which to read, default all.
    workers: frames read and measured at a time, each by a thread; as many are in memory.
    Properties, all (N, ...): area_px, equivalent_diameter_px, border_distance_px, inertia_tensor_px2 (N, D, D),
    bbox_px (N, 2D), centroid_px (N, D) as in `tracker.regions.Regions`; with images also
    intensity_mean and intensity_relative, both (N,).
    Raises MovieError when a frame cannot be read, the images do not fit, or no frame has a label.
    """
    chosen = masks.frames if frames is None else np.asarray(frames, np.int64)
    absent = chosen[~np.isin(chosen, masks.frames)]
    if len(absent):
        raise MovieError(f"{masks.name} has no frame t = {first_five(absent)}; it has t = {_range(masks)}")
    ndim = len(masks.shape)
    pixel_size = _scale(scale, ndim)
    pictured = chosen if images is None else pair_frames(masks, images, chosen)

    def measure(frame: int, image_frame: int) -> Regions:
        image = None if images is None else images.read(image_frame)
        return region_properties(masks.read(frame), image)

    numbers = (chosen.tolist(), pictured.tolist())
    if workers == 1:
        measured = list(map(measure, *numbers))
    else:
        with ThreadPoolExecutor(workers) as pool:
            measured = list(pool.map(measure, *numbers))
    counts = np.array([len(regions) for regions in measured], np.int64)
    if not counts.sum():
        raise MovieError(f"the masks in {masks.name} hold no object: all {len(chosen)} frames read have label 0 only")
    centroid = np.concatenate([regions.centroid_px for regions in measured])
    properties = {
        "area_px": np.concatenate([regions.area_px for regions in measured]),
        "equivalent_diameter_px": np.concatenate([regions.equivalent_diameter_px for regions in measured]),
        "border_distance_px": np.concatenate([regions.border_distance_px for regions in measured]),
        "inertia_tensor_px2": np.concatenate([regions.inertia_tensor_px2 for regions in measured]),
        "bbox_px": np.concatenate([regions.bbox_px for regions in measured]).astype(np.float64),
        "centroid_px": centroid,
    }
    for name in ("intensity_mean", "intensity_relative"):
        if images is not None:
            properties[name] = np.concatenate([getattr(regions, name) for regions in measured])
    return Detections(
        frame=np.repeat(chosen, counts),
        label=np.concatenate([regions.label for regions in measured]),
        position=centroid * pixel_size,
        frames=chosen,
        scale=pixel_size,
        unit=unit,
        image_shape=masks.shape,
        properties=properties,
    )


def frames_of_points(table: PointTable) -> NDArray[np.int64]:
    """(T,) every integer from the first to the last t of the points: a t without points is an empty frame.

    Raises PointsError for an empty table, or one that spans more than ten million frames.
    """
    if not len(table):
        raise PointsError(f"no points in {table.name}")
    first, last = int(table.frame.min()), int(table.frame.max())
    if last - first >= MAX_FRAMES:
        raise PointsError(f"the times in {table.name} span {first} to {last}: too many frames to be frame numbers")
    return np.arange(first, last + 1)


def detections_from_points(
    table: PointTable,
    *,
    scale: ArrayLike | None = None,
    unit: str = "pixel",
    frames: NDArray[np.int64] | None = None,
    image_shape: tuple[int, ...] | None = None,
) -> Detections:
    """Every point as a detection whose label is its id and whose position is the file's times `scale`.

    scale: (D,) size of the file's own unit along [z,] y, x in `unit`, default 1.   frames: those to keep, default all
    of `frames_of_points`.   image_shape: shape of the images in pixels, when the positions are pixels; then the
    property border_distance_px is added, from the point to the nearest pixel at the edge along y and x, negative
    outside. The table's other columns are carried as properties; its lineage is not.
    Raises PointsError when no point is left.
    """
    every_frame = frames_of_points(table)
    ndim = len(table.axes)
    pixel_size = _scale(scale, ndim)
    chosen = every_frame if frames is None else np.asarray(frames, np.int64)
    kept = np.flatnonzero(np.isin(table.frame, chosen))
    if not len(kept):
        raise PointsError(
            f"no point of {table.name} lies in the chosen frames; its points have t = {every_frame[0]} to "
            f"{every_frame[-1]}"
        )
    kept = kept[np.lexsort((table.id[kept], table.frame[kept]))]
    position = table.position[kept]
    properties = {name: column[kept] for name, column in table.properties.items()}
    if image_shape is not None:
        if len(image_shape) != ndim:
            raise PointsError(
                f"{table.name} has the axes {', '.join(table.axes)}, but the images have the shape {image_shape}"
            )
        in_plane = position[:, -2:]
        last = np.array(image_shape[-2:]) - 1
        properties["border_distance_px"] = np.minimum(in_plane, last - in_plane).min(axis=1)
    return Detections(
        frame=table.frame[kept],
        label=table.id[kept],
        position=position * pixel_size,
        frames=chosen,
        scale=pixel_size,
        unit=unit,
        image_shape=image_shape,
        properties=properties,
    )


def _scale(scale: ArrayLike | None, ndim: int) -> NDArray[np.float64]:
    pixel_size = np.ones(ndim) if scale is None else np.asarray(scale, np.float64)
    if pixel_size.shape != (ndim,):
        axes = ", ".join("zyx"[-ndim:])
        raise ConfigError(f"data.scale needs {ndim} numbers ({axes}) for this input, found {pixel_size.tolist()}")
    return pixel_size


def _range(movie: Movie) -> str:
    return f"{movie.frames[0]} to {movie.frames[-1]}"
