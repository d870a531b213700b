"""Pairs of crops: the same place in two frames, which frames are held out, and how little is in memory."""

import numpy as np
import pytest
from memory_movie import MemoryMovie

from embeddings.arrow_pairs import PairSettings, PairSizes, PairSource
from embeddings.frame_images import FrameImages
from embeddings.learning_movie import LearningMovie
from embeddings.zoomed_frames import ZoomedFrames
from tracker.detections import Detections
from tracker.errors import ConfigError, MovieError

ANYWHERE = PairSettings(crop_px=8, near_detections=0.0)


def frames_of(n_frames: int = 20, shape=(30, 40), places=(), name: str = "images") -> FrameImages:
    """Frame t shows 1000 t + the number of the pixel, modulo 3001; detections at the places in each frame."""
    number = np.arange(np.prod(shape)).reshape(shape)
    images = MemoryMovie({t: ((1000 * t + number) % 3001).astype(np.uint16) for t in range(n_frames)}, name)
    keys = [(t, label, *place) for t in range(n_frames) for label, place in enumerate(places, start=1)]
    table = np.array(keys, np.float64).reshape(-1, 4)
    frame, label = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    found = Detections(frame, label, table[:, 2:], np.arange(n_frames), np.ones(2))
    return FrameImages(LearningMovie(found, images, name="movie 1"), "time arrow prediction")


def whole(frames: FrameImages) -> np.ndarray:
    return np.stack([frames.image(step) for step in range(len(frames))])


def places_of(crop: np.ndarray, images: np.ndarray) -> list[tuple[int, int, int]]:
    """(frame, y, x) where the crop, without its margin, is found exactly."""
    inner = crop[2:-2, 2:-2]
    windows = np.lib.stride_tricks.sliding_window_view(images, inner.shape, axis=(1, 2))
    return [tuple(one) for one in np.argwhere((windows == inner).all(axis=(3, 4))).tolist()]


@pytest.mark.parametrize("gaps", [(1,), (2, 3)])
def test_both_crops_show_the_same_place_a_gap_apart(gaps):
    frames = frames_of(12)
    images = whole(frames)
    source = PairSource([frames], PairSettings(8, gaps, 0.0), PairSizes(30), 0)
    crops = source(0)
    assert crops.shape == (30, 2, 12, 12)
    seen = set()
    for first, second in crops:
        common = {
            (b - a, y, x)
            for a, y, x in places_of(first, images)
            for b, v, u in places_of(second, images)
            if (y, x) == (v, u) and b - a in gaps
        }
        assert common
        seen |= common
    assert {gap for gap, _, _ in seen} == set(gaps)
    assert len({(y, x) for _, y, x in seen}) > 10


def test_crops_near_detections_hold_one_in_their_middle_half():
    frames = frames_of(12, places=[(15, 20)])
    source = PairSource([frames], PairSettings(8, near_detections=1.0), PairSizes(40), 0)
    images = whole(frames)
    for first, _ in source(0):
        assert any(abs(y + 4 - 15) <= 2.5 and abs(x + 4 - 20) <= 2.5 for _, y, x in places_of(first, images))


def spots(changing: tuple[int, ...]) -> FrameImages:
    """Two spots, 20 pixels apart, in 12 frames of noise; one of them is dark in these frames. A detection at each."""
    rng = np.random.default_rng(0)
    pixels = {}
    for t in range(12):
        image = rng.integers(90, 110, (30, 40))
        image[14:17, 9:12] = 200
        image[14:17, 29:32] = 100 if t in changing else 200
        pixels[t] = image.astype(np.uint16)
    key = np.array([(t, label) for t in range(12) for label in (1, 2)])
    place = np.array([(15.0, 10.0), (15.0, 30.0)] * 12)
    found = Detections(key[:, 0], key[:, 1], place, np.arange(12), np.ones(2))
    return FrameImages(LearningMovie(found, MemoryMovie(pixels, "images"), name="spots"), "time arrow prediction")


def test_crops_where_much_changes():
    """Drawn in proportion to the square of the change, out of all pairs: here nearly all at one spot of one frame."""
    frames = spots(changing=(7,))
    images = whole(frames)
    source = PairSource([frames], PairSettings(8, near_detections=1.0, near_changes=1.0), PairSizes(60), 0)
    seen = [places_of(pair[0], images)[0] for step in range(3) for pair in source(step)]
    at_change = [t in (6, 7) and abs(x + 4 - 30) <= 2.5 for t, _, x in seen]
    assert np.mean(at_change) > 0.95
    half = PairSource([frames], PairSettings(8, near_detections=1.0, near_changes=0.5), PairSizes(60), 0)
    seen = [places_of(pair[0], images)[0] for step in range(3) for pair in half(step)]
    at_change = [t in (6, 7) and abs(x + 4 - 30) <= 2.5 for t, _, x in seen]
    assert 0.4 < np.mean(at_change) < 0.75
    still = PairSource([spots(())], PairSettings(8, near_changes=1.0), PairSizes(4), 0)
    assert np.isfinite(still(0)).all()


def test_reduced_frames():
    """Twice as far in a crop; detections are where they were."""
    frames = frames_of(12, shape=(60, 80), places=[(30, 50)])
    source = PairSource([frames], PairSettings(8, near_detections=1.0, zoom=0.5), PairSizes(40), 0)
    reduced = ZoomedFrames(frames, 0.5)
    images = np.stack([reduced.image(step) for step in range(12)])
    assert images.shape == (12, 30, 40)
    for first, _ in source(0):
        assert any(abs(y + 4 - 14.75) <= 2.5 and abs(x + 4 - 24.75) <= 2.5 for _, y, x in places_of(first, images))


def test_detections_at_the_edge_and_frames_without_any_are_no_trouble():
    for places in ([(0, 0), (29, 39)], []):
        crops = PairSource([frames_of(6, places=places)], PairSettings(8, near_detections=1.0), PairSizes(40), 0)(0)
        assert np.isfinite(crops).all()


def test_small_frames_are_mirrored():
    frames = frames_of(4, shape=(5, 9))
    crop = PairSource([frames], ANYWHERE, PairSizes(2), 0)(0)[0, 0]
    assert crop.shape == (12, 12)
    assert any(
        np.array_equal(crop, np.pad(image, [(3, 4), (2, 2)], mode="reflect")[:, x : x + 12])
        for image in whole(frames)
        for x in (0, 1)
    )


def test_batches_depend_on_seed_and_step_alone():
    movies = [frames_of(20), frames_of(8, shape=(20, 20))]
    sizes = PairSizes(4, frames_held=3, exchange_steps=2)
    in_order = PairSource(movies, ANYWHERE, sizes, 5)
    batches = [in_order(step) for step in range(9)]
    again = PairSource(movies, ANYWHERE, sizes, 5)
    for step in (8, 2, 5, 0):
        np.testing.assert_array_equal(again(step), batches[step])
    assert not np.array_equal(PairSource(movies, ANYWHERE, sizes, 6)(0), batches[0])


def test_few_frames_are_read_and_exchanged():
    frames = frames_of(40)
    source = PairSource([frames], ANYWHERE, PairSizes(4, frames_held=5, exchange_steps=3), 0)
    for step in range(3):
        source(step)
    assert 2 <= len(frames.images.reads) <= 5
    for step in range(3, 60):
        source(step)
    assert len(frames.images.reads) <= 20 * 5
    assert len(set(frames.images.reads)) > 20


def test_little_memory_still_holds_a_pair():
    frames = frames_of(40)
    PairSource([frames], ANYWHERE, PairSizes(4, memory_mb=1e-6), 0)(0)
    assert len(frames.images.reads) == 2


def test_held_out_frames_are_never_learnt_from():
    frames = frames_of(40)
    source = PairSource([frames], ANYWHERE, PairSizes(4), 0)
    assert source.held_out().shape == (3 * 43, 2, 12, 12)
    assert source.held_out_frames() == [[0, 1, 2, 3]]
    assert set(frames.images.reads) == {0, 1, 2, 3}
    frames.images.reads.clear()
    for step in range(0, 6000, 200):
        source(step)
    assert set(frames.images.reads) == set(range(4, 40))


@pytest.mark.parametrize(("n_frames", "away"), [(2, 0), (3, 0), (4, 2), (10, 2), (50, 5)])
def test_how_much_is_held_out(n_frames, away):
    source = PairSource([frames_of(n_frames)], ANYWHERE, PairSizes(4), 0)
    assert source.held_out_frames() == [list(range(away))]
    assert len(source.held_out()) == (128 if away else 0)
    assert source(0).shape == (4, 2, 12, 12)


def test_a_movie_that_is_too_short():
    for n_frames, gaps, wanted in [(1, (1,), 2), (3, (3, 5), 4)]:
        with pytest.raises(MovieError) as error:
            PairSource([frames_of(), frames_of(n_frames)], PairSettings(8, gaps), PairSizes(4), 0)
        assert str(error.value) == (
            f"time arrow prediction compares frames of one movie and needs at least {wanted}, but movie 1 has "
            f"{n_frames}: give a longer movie, or a smaller gap between the frames"
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_px": 7}, "crop_px must be even and positive, found 7"),
        ({"gaps_frames": (0,)}, "gaps_frames must be different positive numbers, found [0]"),
        ({"gaps_frames": (2, 2)}, "gaps_frames must be different positive numbers, found [2, 2]"),
        ({"gaps_frames": ()}, "gaps_frames must be different positive numbers, found []"),
        ({"near_detections": 1.2}, "near_detections must lie in [0, 1], found 1.2"),
        ({"near_changes": -0.1}, "near_changes must lie in [0, 1], found -0.1"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ConfigError) as error:
        PairSettings(**changes)
    assert str(error.value) == message


def test_sizes_are_checked():
    with pytest.raises(ConfigError) as error:
        PairSizes(0, 1)
    assert str(error.value) == (
        "batch_size and exchange_steps must be at least 1, frames_held at least 2, memory_mb positive; found "
        "0, 200, 1 and 256"
    )
