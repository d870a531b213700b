"""From movies and point tables to detections."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from memory_movie import MemoryMovie
from skimage.measure import regionprops

from tracker.errors import ConfigError, MovieError, PointsError
from tracker.io.ctc import find_sequences
from tracker.io.movies import open_movie
from tracker.io.points import PointTable
from tracker.reading import (
    detections_from_masks,
    detections_from_points,
    frames_of_points,
    pair_frames,
    select_frames,
)
from tracker.regions import region_properties

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[2] / "shared" / "data"))


def raises(error_class, message, function, *args, **kwargs):
    with pytest.raises(error_class) as error:
        function(*args, **kwargs)
    assert str(error.value) == message


# ---- frames


@pytest.mark.parametrize(
    ("frames", "every", "expected"),
    [
        (None, 1, [1, 2, 3, 4, 5, 6]),
        ((0, 2), 1, [1, 2]),
        ((2, 6), 3, [3, 6]),
        (None, 4, [1, 5]),
        (None, 99, [1]),
    ],
)
def test_select_frames(frames, every, expected):
    assert select_frames(np.arange(1, 7), frames, every).tolist() == expected


@pytest.mark.parametrize("frames", [(0, 7), (3, 3), (4, 2), (-2, 3), (6, 7)])
def test_select_frames_outside(frames):
    raises(
        ConfigError,
        f"data.frames = [{frames[0]}, {frames[1]}] must be a half-open range within [0, 6], counted from the first "
        "frame; there are 6 frames, t = 1 to 6",
        select_frames, np.arange(1, 7), frames,
    )  # fmt: skip


def test_select_frames_refuses():
    raises(ConfigError, "data.every must be at least 1, found 0", select_frames, np.arange(3), None, 0)
    raises(ConfigError, "there is no frame to select from", select_frames, np.arange(0))


# ---- masks

MASK = np.zeros((6, 8), np.uint16)
MASK[1:3, 2:5] = 40
MASK[5, 7] = 3
OTHER = np.where(MASK == 40, 7, 0).astype(np.uint16)
EMPTY = np.zeros_like(MASK)


def movie(pixels, first=0, stride=1, name="masks"):
    return MemoryMovie({first + stride * k: frame for k, frame in enumerate(pixels)}, name)


@pytest.mark.parametrize("workers", [1, 3])
def test_masks_become_detections(workers):
    masks = movie([EMPTY, MASK, EMPTY, OTHER], first=5)
    images = movie([10.0 * k + MASK for k in range(4)], first=5, name="images")
    found = detections_from_masks(masks, images, scale=[0.5, 2.0], unit="micrometer", workers=workers)
    assert found.frames.tolist() == [5, 6, 7, 8]
    assert found.frame.tolist() == [6, 6, 8]
    assert found.label.tolist() == [3, 40, 7]
    np.testing.assert_allclose(found.position, [[2.5, 14.0], [0.75, 6.0], [0.75, 6.0]])
    assert found.scale.tolist() == [0.5, 2.0]
    assert found.unit == "micrometer"
    assert found.image_shape == (6, 8)
    assert found.properties["intensity_mean"].tolist() == [13, 50, 70]
    assert found.properties["border_distance_px"].tolist() == [0, 1, 1]
    regions = region_properties(MASK)
    for name in ("area_px", "equivalent_diameter_px", "centroid_px", "inertia_tensor_px2", "bbox_px"):
        column = found.properties[name]
        assert column.dtype == np.float64
        np.testing.assert_array_equal(column[:2], getattr(regions, name))
    assert sorted(masks.reads) == sorted(images.reads) == [5, 6, 7, 8]


def test_chosen_frames_only():
    masks = movie([MASK, EMPTY, OTHER, MASK])
    found = detections_from_masks(masks, frames=np.array([0, 2]))
    assert found.frames.tolist() == masks.reads == [0, 2]
    assert found.frame.tolist() == [0, 0, 2]
    assert "intensity_mean" not in found.properties
    assert found.scale.tolist() == [1, 1]


def test_three_dimensions():
    stack = np.stack([EMPTY, MASK, MASK])
    found = detections_from_masks(movie([stack]), scale=[4, 1, 1])
    assert found.position.tolist() == [[6, 5, 7], [6, 1.5, 3]]
    assert found.properties["inertia_tensor_px2"].shape == (2, 3, 3)
    assert found.properties["bbox_px"].shape == (2, 6)


def test_masks_refused():
    masks = movie([EMPTY, EMPTY])
    raises(
        MovieError,
        "the masks in masks hold no object: all 2 frames read have label 0 only",
        detections_from_masks, masks,
    )  # fmt: skip
    raises(
        MovieError,
        "masks has no frame t = 2, 4; it has t = 0 to 1",
        detections_from_masks, masks, frames=np.array([1, 2, 4]),
    )  # fmt: skip
    raises(
        ConfigError,
        "data.scale needs 2 numbers (y, x) for this input, found [1.0, 1.0, 1.0]",
        detections_from_masks, masks, scale=[1, 1, 1],
    )  # fmt: skip
    raises(
        MovieError,
        "images and masks must have one shape ([z,] y, x); found (8, 6) in images and (6, 8) in masks",
        detections_from_masks, masks, movie([MASK.T, MASK.T], name="images"),
    )  # fmt: skip


def test_damage_in_a_later_frame_ends_the_reading(tmp_path):
    tmp_path.joinpath("01").mkdir()
    for k in range(4):
        tifffile.imwrite(tmp_path / "01" / f"m{k}.tif", MASK if k != 2 else MASK[:3])
    for workers in (1, 2):
        with pytest.raises(MovieError, match=r"found \(3, 8\) uint16 in .*m2.tif"):
            detections_from_masks(open_movie(tmp_path / "01", kind="masks"), workers=workers)


# ---- images that belong to masks


@pytest.mark.parametrize(
    ("mask_frames", "image_frames", "chosen", "expected"),
    [
        ((0, 1, 3), (0, 1, 3), None, [0, 1, 2]),
        ((2, 2, 3), (0, 1, 9), None, [2, 4, 6]),  # every second frame was segmented
        ((0, 1, 3), (1, 1, 3), None, [1, 2, 3]),  # one counts from 0, the other from 1
        ((0, 1, 3), (1, 1, 3), [1, 2], [2, 3]),  # and so they do when only a part is read
        ((0, 1, 5), (0, 1, 3), [0, 2], [0, 2]),
    ],
)
def test_pairs(mask_frames, image_frames, chosen, expected):
    first, stride, count = mask_frames
    masks = movie([MASK] * count, first, stride)
    first, stride, count = image_frames
    images = movie([MASK] * count, first, stride)
    frames = None if chosen is None else np.array(chosen)
    assert pair_frames(masks, images, frames).tolist() == expected


def test_frames_without_a_pair():
    raises(
        MovieError,
        "every mask needs its image; 5 masks in masks (t = 0 to 4) but 3 images in images (t = 0 to 2); "
        "without an image: t = 3, 4",
        pair_frames, movie([MASK] * 5), movie([MASK] * 3, name="images"),
    )  # fmt: skip


# ---- points


def points(**changes):
    columns = {
        "id": np.array([9, 4, 2, 7]),
        "frame": np.array([5, 3, 5, 3]),
        "position": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [0.0, 9.5]]),
        "axes": ("y", "x"),
        "parent_id": np.array([4, -1, 4, -1]),
        "properties": {"radius": np.array([1.0, 2.0, 3.0, 4.0])},
        "name": "points.csv",
    }
    return PointTable(**{**columns, **changes})


def test_points_become_detections():
    found = detections_from_points(points(), scale=[2, 10], unit="micrometer", image_shape=(8, 10))
    assert found.frames.tolist() == [3, 4, 5]  # no point at 4: an empty frame
    assert found.frame.tolist() == [3, 3, 5, 5]
    assert found.label.tolist() == [4, 7, 2, 9]
    assert found.position.tolist() == [[6, 40], [0, 95], [10, 60], [2, 20]]
    assert found.properties["radius"].tolist() == [2, 4, 3, 1]
    assert found.properties["border_distance_px"].tolist() == [3, -0.5, 2, 1]
    assert found.image_shape == (8, 10)
    assert found.unit == "micrometer"


def test_parents_never_reach_the_detections():
    one = detections_from_points(points())
    other = detections_from_points(points(parent_id=None))
    assert set(one.properties) == set(other.properties) == {"radius"}
    assert not any("parent" in name for name in vars(one))


def test_chosen_frames_of_points():
    found = detections_from_points(points(), frames=np.array([4, 5]))
    assert found.frames.tolist() == [4, 5]
    assert found.label.tolist() == [2, 9]
    assert found.image_shape is None


def test_points_refused():
    empty = PointTable(np.empty(0, int), np.empty(0, int), np.empty((0, 2)), ("y", "x"), name="points.csv")
    raises(PointsError, "no points in points.csv", detections_from_points, empty)
    raises(
        PointsError,
        "no point of points.csv lies in the chosen frames; its points have t = 3 to 5",
        detections_from_points, points(), frames=np.array([4]),
    )  # fmt: skip
    raises(
        PointsError,
        "points.csv has the axes y, x, but the images have the shape (3, 4, 5)",
        detections_from_points, points(), image_shape=(3, 4, 5),
    )  # fmt: skip
    raises(
        ConfigError,
        "data.scale needs 2 numbers (y, x) for this input, found [1.0]",
        detections_from_points, points(), scale=[1.0],
    )  # fmt: skip
    raises(
        PointsError,
        "the times in points.csv span 3 to 20000000: too many frames to be frame numbers",
        frames_of_points, points(frame=np.array([3, 20_000_000, 4, 5])),
    )  # fmt: skip


# ---- a real movie


@pytest.mark.data
def test_hela():
    folder = DATA / "Fluo-N2DL-HeLa-02-t00-19"
    if not folder.is_dir():
        pytest.skip(f"the real movies are absent: no {folder} (set TRACK_DATA)")
    sequence = find_sequences(folder)[0]
    assert sequence.name == "02"
    assert sequence.segmentation == folder / "02_SEG"
    assert sequence.truth == folder / "02_GT" / "TRA"
    masks, images = open_movie(sequence.segmentation, kind="masks"), open_movie(sequence.images)
    found = detections_from_masks(masks, images, workers=2)
    assert len(found) == 3271
    assert found.frames.tolist() == list(range(20))
    wanted = regionprops(masks.read(19), images.read(19))
    last = found.frame == 19
    assert found.label[last].tolist() == [region.label for region in wanted]
    np.testing.assert_allclose(found.position[last], [region.centroid for region in wanted])
    np.testing.assert_allclose(
        found.properties["inertia_tensor_px2"][last], [region.inertia_tensor for region in wanted]
    )
    np.testing.assert_allclose(found.properties["intensity_mean"][last], [region.intensity_mean for region in wanted])
