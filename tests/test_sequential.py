"""The sequential tracker against a slow loop over its rules, and in cases small enough to see."""

import math
from itertools import permutations

import numpy as np
import pytest

from tracker.detections import Detections
from tracker.errors import ConfigError, InputError
from tracker.sequential import SequentialSettings, matching_costs, sequential_links


def detections(*counts, frames=None) -> Detections:
    """So many detections in each frame, labelled 1, 2, ..."""
    frames = np.arange(len(counts)) if frames is None else np.asarray(frames)
    frame = np.repeat(frames, counts)
    label = np.concatenate([np.arange(1, count + 1) for count in counts])
    return Detections(frame, label, np.zeros((len(frame), 2)), frames, np.ones(2))


def turned(*degrees):
    """Vectors of the plane."""
    angle = np.radians(degrees)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def cosine(a, b):
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def slow_links(found, vectors, settings):
    """The rules, one after another."""
    tracks = []  # vector, last row, its step
    links = []
    for step in range(len(found.frames)):
        rows = [row for row in range(len(found)) if found.frame[row] == found.frames[step]]
        z = {row: vectors[row] / np.linalg.norm(vectors[row]) for row in rows}
        tracks = [track for track in tracks if step - track[2] <= settings.max_gap_frames]
        taken = set()
        if tracks and rows:
            s = [[cosine(v, z[row]) / settings.temperature for row in rows] for v, _, _ in tracks]
            k, n = len(tracks), len(rows)
            p = [
                [
                    0.5 / sum(math.exp(s[i][b] - s[i][j]) for b in range(n))
                    + 0.5 / sum(math.exp(s[a][j] - s[i][j]) for a in range(k))
                    for j in range(n)
                ]
                for i in range(k)
            ]
            flat = [-value for line in p for value in line]
            mean = sum(flat) / len(flat)
            spread = math.sqrt(sum((value - mean) ** 2 for value in flat) / len(flat))
            c = [[(-value - mean) / (spread if spread > 1e-12 else 1) for value in line] for line in p]
            if k <= n:
                ways = [list(enumerate(way)) for way in permutations(range(n), k)]
            else:
                ways = [[(i, j) for j, i in enumerate(way)] for way in permutations(range(k), n)]
            best = min(ways, key=lambda way: sum(c[i][j] for i, j in way))
            least = [(i, min(range(n), key=lambda j, i=i: c[i][j])) for i in range(k)]
            within = [c[i][j] for i, j in least]
            inter = [c[i][j] for i in range(k) for j in range(n) if (i, j) not in least]
            w = settings.within_weight
            limit = w * np.mean(within) + (1 - w) * np.mean(inter) if inter else math.inf
            for i, j in best:
                if c[i][j] < limit:
                    v, last, _ = tracks[i]
                    links.append((last, rows[j]))
                    tracks[i] = (settings.momentum * v + (1 - settings.momentum) * z[rows[j]], rows[j], step)
                    taken.add(rows[j])
        tracks += [(z[row], row, step) for row in rows if row not in taken]
    return sorted(links, key=lambda link: link[1])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "settings",
    [
        SequentialSettings(),
        SequentialSettings(within_weight=0.7, momentum=0.2),
        SequentialSettings(max_gap_frames=1, temperature=0.5),
        SequentialSettings(max_gap_frames=2, momentum=0.0),
    ],
)
def test_it_does_what_the_slow_loop_does(seed, settings):
    rng = np.random.default_rng(seed)
    found = detections(*rng.integers(0, 4, 6))
    vectors = rng.normal(size=(len(found), 3)) * rng.uniform(0.1, 9, (len(found), 1))
    assert sequential_links(found, vectors, settings).tolist() == [
        list(link) for link in slow_links(found, vectors, settings)
    ]


def test_who_looks_alike_is_followed():
    links = sequential_links(detections(3, 3, 3), turned(0, 120, 240, 245, 5, 115, 125, 235, -5))
    assert links.tolist() == [[2, 3], [0, 4], [1, 5], [5, 6], [3, 7], [4, 8]]


def test_a_track_is_taken_up_again_after_a_gap():
    found, vectors = detections(2, 1, 0, 2), turned(0, 90, 2, 91, 1)
    assert sequential_links(found, vectors).tolist() == [[0, 2], [1, 3], [2, 4]]
    assert sequential_links(found, vectors, SequentialSettings(max_gap_frames=2)).tolist() == [[0, 2], [2, 4]]
    assert sequential_links(found, vectors, SequentialSettings(max_gap_frames=1)).tolist() == [[0, 2]]


def test_gaps_count_kept_frames():
    found = detections(2, 2, frames=[0, 10])
    one = SequentialSettings(max_gap_frames=1)
    assert sequential_links(found, turned(0, 90, 0, 90), one).tolist() == [[0, 2], [1, 3]]


def test_who_is_new_begins_a_track():
    links = sequential_links(detections(2, 3, 3), turned(0, 90, 180, 0, 90, 180, 0, 90))
    assert links.tolist() == [[0, 3], [1, 4], [2, 5], [3, 6], [4, 7]]


def test_nobody_has_two_children():
    links = sequential_links(detections(2, 3), turned(0, 90, 0, 1, 90))
    assert len(links) == 2
    assert len(set(links[:, 0])) == 2


def test_a_track_remembers_by_its_momentum():
    found, vectors = detections(2, 2, 1), turned(0, 170, 70, 80, 78)
    forgetful, faithful = (
        sequential_links(found, vectors, SequentialSettings(momentum=momentum)).tolist() for momentum in (0.0, 0.9)
    )
    assert forgetful == [[0, 2], [1, 3], [3, 4]]
    assert faithful == [[0, 2], [1, 3], [2, 4]]


def test_costs_have_mean_zero_and_spread_one():
    rng = np.random.default_rng(0)
    tracks, vectors = rng.normal(size=(4, 5)), rng.normal(size=(6, 5))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cost = matching_costs(tracks, vectors, 0.05)
    assert (cost.mean(), cost.std()) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
    np.testing.assert_allclose(matching_costs(7 * tracks, vectors, 0.05), cost)
    assert (matching_costs(np.ones((2, 2)), turned(45, 45), 0.05) == 0).all()


def test_who_cannot_be_told_apart_is_not_linked_but_a_single_one_is():
    assert sequential_links(detections(2, 2), turned(10, 10, 10, 10)).tolist() == []
    assert sequential_links(detections(1, 1), turned(10, 200)).tolist() == [[0, 1]]
    assert sequential_links(detections(2, 1), turned(0, 90, 80)).tolist() == [[1, 2]]


@pytest.mark.parametrize("counts", [(0, 0), (3,), (0, 2, 0)])
def test_without_two_frames_there_are_no_links(counts):
    assert sequential_links(detections(*counts), turned(*range(sum(counts)))).shape == (0, 2)


def test_without_frames_there_are_no_links():
    nothing = np.zeros(0, np.int64)
    none = Detections(nothing, nothing, np.zeros((0, 2)), nothing, np.ones(2))
    assert sequential_links(none, np.zeros((0, 3))).shape == (0, 2)


def test_a_track_between_opposite_vectors_is_like_nobody():
    links = sequential_links(detections(1, 1, 2), turned(0, 180, 0, 90))
    assert np.isfinite(links).all()
    assert links.tolist()[0] == [0, 1]


def test_vectors_that_cannot_be():
    found = detections(2, 2)
    with pytest.raises(InputError) as error:
        sequential_links(found, turned(0, 1, 2))
    assert str(error.value) == "the sequential tracker needs a vector per detection, (4, C), found (3, 2)"
    for bad in (0.0, np.nan):
        vectors = turned(0, 1, 2, 3)
        vectors[2] = bad
        with pytest.raises(InputError) as error:
            sequential_links(found, vectors)
        assert str(error.value) == (
            "the sequential tracker compares directions, and vectors must be finite and not 0; these are not: 1:1 "
            "(frame:label). Embed this movie again"
        )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"momentum": 1.0}, "momentum must lie in [0, 1); found 1.0"),
        ({"temperature": 0.0}, "temperature must be positive; found 0.0"),
        ({"within_weight": 1.5}, "within_weight must lie in [0, 1]; found 1.5"),
        ({"max_gap_frames": 0}, "max_gap_frames must be at least 1; found 0"),
    ],
)
def test_settings_that_cannot_be(changes, problem):
    with pytest.raises(ConfigError) as error:
        SequentialSettings(**changes)
    assert str(error.value) == f"sequential tracker: {problem}"
