"""Patches of several movies to learn from: which movie a step sees, what is held out, what a digest tells apart."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from memory_movie import MemoryMovie  # noqa: E402

from embeddings.learning_movie import LearningMovie  # noqa: E402
from embeddings.methods.patch_models import BatchSizes, Method, PatchSource  # noqa: E402
from embeddings.patches import PatchSettings  # noqa: E402
from tracker.detections import Detections  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402

ANY = Method("any", "the network")


def bright(name: str, value: int, count: int) -> LearningMovie:
    """A movie whose pixels all have one value, with `count` detections in each of five frames."""
    frame, label = np.repeat(np.arange(5), count), np.tile(np.arange(1, count + 1), 5)
    place = np.full((5 * count, 2), 12.0)
    found = Detections(frame, label, place, np.arange(5), np.ones(2))
    return LearningMovie(found, MemoryMovie({t: np.full((24, 24), value, np.uint8) for t in range(5)}), name=name)


def source(seed: int = 0, **changes) -> PatchSource:
    sizes = {"batch_size": 4, "frames_held": 2, "memory_mb": 1.0, **changes}
    movies = [bright("dark", 51, 30), bright("light", 204, 10)]
    return PatchSource(
        movies, PatchSettings((16, 16), "dtype"), BatchSizes(**sizes), seed, Method("any", "the network")
    )


def seen(one: PatchSource, step: int) -> float:
    values = np.unique(one.reservoir(step)(step))
    assert len(values) == 1  # a batch is of one movie
    return float(values[0])


def test_movies_are_drawn_in_proportion_to_their_detections():
    one, other = source(), source()
    drawn = [seen(one, step) for step in range(600)]
    assert set(drawn) == {np.float32(0.2), np.float32(0.8)}
    assert 0.7 < np.mean(np.array(drawn) < 0.5) < 0.8
    for step in (599, 0, 250, 7):
        assert seen(other, step) == drawn[step]
    assert [seen(source(seed=1), step) for step in range(60)] != drawn[:60]


def test_some_of_each_movie_is_held_out():
    kept = source().held_out()
    dark = [patches for patches in kept if patches.max() < 0.5]
    assert sum(map(len, dark)) == 15
    assert sum(map(len, kept)) == 15 + 5
    assert max(map(len, kept)) <= 15


def test_little_is_held_out_of_a_frame():
    one = PatchSource([bright("many", 51, 400)], PatchSettings((4, 4), "dtype"), BatchSizes(4, 2, 1.0), 0, ANY)
    assert sorted(map(len, one.held_out())) == [32] * 5
    few = PatchSource([bright("few", 51, 3)], PatchSettings((4, 4), "dtype"), BatchSizes(4, 2, 1.0), 0, ANY)
    assert sorted(map(len, few.held_out())) == [1]
    alone = PatchSource([bright("alone", 51, 1)], PatchSettings((4, 4), "dtype"), BatchSizes(4, 2, 1.0), 0, ANY)
    assert alone.held_out() == []


@pytest.mark.parametrize("part", ["frames", "label", "position", "scale", "properties"])
def test_a_digest_tells_movies_apart(part):
    one = bright("a", 51, 3).detections
    two = {
        "frames": np.arange(6),
        "label": one.label + 1,
        "position": one.position + 1e-9,
        "scale": np.array([1.0, 2.0]),
        "properties": {"area_px": np.ones(15)},
    }
    digest = LearningMovie(one).digest
    assert len(digest) == 16
    assert LearningMovie(replace(one), name="b").digest == digest
    assert LearningMovie(replace(one, **{part: two[part]})).digest != digest


def test_a_movie_without_detections_is_named():
    with pytest.raises(ConfigError) as error:
        PatchSource(
            [bright("some", 51, 3), bright("nothing.tif", 51, 0)], PatchSettings((4, 4)), BatchSizes(4, 2, 1.0), 0, ANY
        )
    assert str(error.value) == (
        "the network needs frames with at least 1 detection, but nothing.tif has none; leave it out, or look at its "
        "masks or points"
    )
