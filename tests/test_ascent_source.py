"""Pairs of views: who is in them and where, the same by seed, what is held out, and that few suffice."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="views need the extra learn")

from ascent_cases import GENTLE, STILL, frames_of, marked_cells, points  # noqa: E402

from embeddings.ascent_augment import AscentAugmentation  # noqa: E402
from embeddings.ascent_source import FrameSizes, ViewSource, batch_of, draw_pair  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

SIZES = FrameSizes(2, 0, 64.0)


@pytest.fixture(scope="module")
def cells():
    return marked_cells(n_frames=12)[0]


def pair(frames, settings, most=0, seed=0, step=0):
    return draw_pair(frames, step, frames.image(step), settings, most, np.random.default_rng(seed))


def test_still_views_are_the_frame_twice(cells):
    frames = frames_of(cells)
    found = pair(frames, STILL)
    place = frames.place_px(np.arange(9))
    assert found.present.all()
    for view in (0, 1):
        np.testing.assert_allclose(
            found.patches[view], frames.patches(frames.image(0), frames.plain_view(), place), atol=1e-5
        )
        np.testing.assert_allclose(found.position[view], frames.coordinates(place), atol=1e-6)


def test_patches_and_positions_are_of_those_present(cells):
    for seed in range(10):
        found = pair(frames_of(cells), GENTLE, seed=seed)
        assert found.present.all(axis=0).sum() >= 2
        for view in (0, 1):
            count = found.present[view].sum()
            assert len(found.patches[view]) == len(found.position[view]) == count
            assert np.abs(found.position[view][:, 1:]).max() <= 1


def test_dropout_and_leaving():
    frames = frames_of(points(np.random.default_rng(0).uniform(0, 200, (400, 2)), np.zeros((200, 200))))
    dropped = np.mean([pair(frames, replace(STILL, dropout=0.1), seed=seed).present.mean() for seed in range(20)])
    assert dropped == pytest.approx(0.9, abs=0.01)
    cut = np.mean([pair(frames, replace(STILL, scale=(0.6, 0.6)), seed=seed).present.mean() for seed in range(20)])
    assert cut == pytest.approx(0.36, abs=0.03)


def test_jitter_is_seen_by_patch_and_position():
    image = np.zeros((64, 64))
    image[20:45, 20:45] = 1.0
    frames = frames_of(points(np.full((300, 2), 32.0), image))
    found = pair(frames, replace(STILL, jitter_px=5.0))
    moved = found.position[0][:, 1:] * 32 + 31.5 - 32
    assert np.abs(moved).max() <= 5.001
    assert moved.std() == pytest.approx(5 / 3**0.5, rel=0.1)
    own = np.floor(32 + moved + 0.5).astype(int)
    for (y, x), patch in zip(own[:20], found.patches[0], strict=False):
        np.testing.assert_allclose(patch[0], image[y - 8 : y + 8, x - 8 : x + 8], atol=1e-3)


def test_planes_are_jittered_in_stacks_alone():
    where = np.full((200, 3), [4.0, 20.0, 20.0])
    stack = frames_of(points(where, np.zeros((9, 40, 40))))
    moved = pair(stack, replace(STILL, jitter_planes=1.0)).position[0][:, 0] / (2 / 40)
    assert moved.std() == pytest.approx(1 / 3**0.5, rel=0.15)
    shallow = frames_of(points(where - [4, 0, 0], np.zeros((1, 40, 40))))
    assert pair(shallow, replace(STILL, jitter_planes=1.0)).present.mean() < 0.8  # they leave the stack
    plane = frames_of(points(where[:, 1:], np.zeros((40, 40))))
    assert (pair(plane, replace(STILL, jitter_planes=1.0)).position[0][:, 0] == 0).all()


def test_two_detections_are_always_shared():
    corners = frames_of(points([[0.0, 0.0], [99.0, 99.0]], np.zeros((100, 100))))
    harsh = AscentAugmentation(scale=(0.3, 0.3), dropout=0.9)
    for seed in range(20):
        assert pair(corners, harsh, seed=seed).present.sum() == 4


def test_at_most_so_many_neighbours(cells):
    place = np.random.default_rng(0).uniform(10, 90, (40, 2))
    frames = frames_of(points(place, np.zeros((100, 100))))
    found = pair(frames, STILL, most=6)
    chosen = np.flatnonzero(found.present.all(axis=0))
    assert len(chosen) == found.present.any(axis=0).sum() == 6
    around = [np.sort(np.linalg.norm(place - one, axis=1))[5] for one in place[chosen]]
    farthest = [np.linalg.norm(place[chosen] - one, axis=1).max() for one in place[chosen]]
    assert np.isclose(around, farthest).any()


def test_a_batch_has_each_detection_at_one_place_of_both_views(cells):
    frames = frames_of(cells)
    pairs = [pair(frames, GENTLE, seed=seed, step=step) for seed, step in ((0, 1), (1, 4))]
    batch = batch_of(pairs)
    assert batch.padding.shape == (4, max(one.present.any(axis=0).sum() for one in pairs))
    assert len(batch.patches) == len(batch.position) == (~batch.padding).sum()
    filled = torch.zeros(*batch.padding.shape, 3).masked_scatter(~batch.padding.unsqueeze(-1), batch.position)
    for number, one in enumerate(pairs):
        known = one.present[:, one.present.any(axis=0)]
        for view in (0, 1):
            row = 2 * view + number
            assert (~batch.padding[row, : known.shape[1]]).numpy().tolist() == known[view].tolist()
            np.testing.assert_array_equal(filled[row][~batch.padding[row]], one.position[view])


def test_a_batch_depends_on_seed_and_step_alone(cells):
    def source(seed=0, memory_mb=64.0):
        return ViewSource([frames_of(cells)], GENTLE, FrameSizes(2, 0, memory_mb), seed)

    one, same, poor = source(), source(), source(memory_mb=0.0)
    for step in (0, 5):
        one(step)
    for other in (same, poor):
        assert all(torch.equal(a, b) for a, b in zip(one(3), other(3), strict=True))
    assert not torch.equal(one(3).padding, source(seed=1)(3).padding) or not torch.equal(
        one(3).position, source(seed=1)(3).position
    )
    assert not torch.equal(one(3).position, one(4).position)


def test_frames_are_kept_where_there_is_room(cells):
    for memory_mb, most in ((64.0, 10), (0.0, 1000)):
        cells.images.reads.clear()
        source = ViewSource([frames_of(cells)], GENTLE, FrameSizes(4, 0, memory_mb), 0)
        for step in range(20):
            source(step)
        assert len(cells.images.reads) <= most
    assert len(cells.images.reads) == 80


def test_what_is_held_out(cells):
    source = ViewSource([frames_of(cells)], GENTLE, SIZES, 0)
    (held,) = source.held_out_frames()
    assert len(held) == 2  # a tenth of 12, rounded up
    cells.images.reads.clear()
    batches = source.held_out()
    assert len(batches) == 2
    assert cells.images.reads == held
    assert all(torch.equal(a, b) for a, b in zip(batches[0], source.held_out()[0], strict=True))
    cells.images.reads.clear()
    for step in range(50):
        source(step)
    assert set(cells.images.reads) == set(range(12)) - set(held)


def test_frames_of_one_detection_are_left_out():
    movie = points([[20.0, 20.0], [10.0, 30.0]], *[np.zeros((40, 40))] * 3)
    found = movie.detections
    few = replace(found, frame=found.frame[1:], label=found.label[1:], position=found.position[1:])
    movie.images.reads.clear()
    source = ViewSource([frames_of(replace(movie, detections=few))], STILL, SIZES, 0)
    for step in range(20):
        source(step)
    assert set(movie.images.reads) == {1, 2}


def test_one_detection_per_frame_is_refused():
    movie = points([[20.0, 20.0]], np.zeros((40, 40)), np.zeros((40, 40)))
    with pytest.raises(ConfigError) as error:
        ViewSource([frames_of(movie)], STILL, SIZES, 0)
    assert str(error.value) == (
        "ASCENT learns by telling the detections of a frame from each other and needs frames with at least 2, but "
        "those of the points have at most 1: leave it out, or look at its masks or points"
    )


@pytest.mark.parametrize("sizes", [(0, 0, 1.0), (1, 1, 1.0), (1, -2, 1.0), (1, 0, -1.0)])
def test_sizes_that_cannot_be(sizes):
    with pytest.raises(ConfigError) as error:
        FrameSizes(*sizes)
    assert str(error.value) == (
        "batch_size must be at least 1, max_detections at least 2 (or 0 for all) and memory_mb not negative, found "
        f"{sizes[0]}, {sizes[1]} and {sizes[2]:g}"
    )
