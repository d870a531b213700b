"""The candidate graph against a slow reference, and its edge cases by hand."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples

from tracker.candidates import CandidateGraph, build_candidates, with_divisions
from tracker.detections import Detections

SCALES = {2: [[1.0, 1.0], [2.0, 0.5]], 3: [[1.0, 1.0, 1.0], [4.0, 1.0, 0.5]]}


def detections_of(per_frame, scale=(1.0, 1.0), first=0, step=1):
    """per_frame: pixel positions of each frame."""
    ndim = len(scale)
    pixels = np.array([place for places in per_frame for place in places], float).reshape(-1, ndim)
    frames = first + step * np.arange(len(per_frame))
    counts = [len(places) for places in per_frame]
    label = np.concatenate([np.empty(0, np.int64), *(np.arange(1, count + 1) for count in counts)])
    return Detections(
        np.repeat(frames, counts), label, pixels * np.array(scale), frames, np.array(scale), properties={}
    )


def near(detections, query, targets, neighbors, radius):
    """The smallest distances to the `neighbors` nearest targets within `radius` (0: all), as {target: distance}."""
    distance = {t: math.dist(detections.position[query], detections.position[t]) for t in targets}
    within = {t: d for t, d in distance.items() if d <= radius}
    if neighbors == 0:
        return within
    return dict(sorted(within.items(), key=lambda item: item[1])[:neighbors])


def reference_links(detections, *, neighbors=10, direction="backward", max_distance=math.inf, max_frame_gap=1):
    links = set()
    step = np.searchsorted(detections.frames, detections.frame)
    for v in range(len(detections)):
        for gap in range(1, max_frame_gap + 1):
            radius = max_distance * gap
            if direction in ("backward", "both"):
                earlier = np.flatnonzero(step == step[v] - gap).tolist()
                links |= {(u, v) for u in near(detections, v, earlier, neighbors, radius)}
            if direction in ("forward", "both"):
                later = np.flatnonzero(step == step[v] + gap).tolist()
                links |= {(v, w) for w in near(detections, v, later, neighbors, radius)}
    return sorted(links)


def reference_divisions(detections, links, *, pairs_per_parent=0, division_max_distance=math.inf):
    step = np.searchsorted(detections.frames, detections.frame)
    place = detections.position
    children = {}
    for u, v in links:
        if math.dist(place[u], place[v]) <= division_max_distance * (step[v] - step[u]):
            children.setdefault(u, []).append(v)
    found = []
    for u, candidates in children.items():
        pairs = list(combinations(sorted(candidates), 2))
        if pairs_per_parent:
            pairs.sort(key=lambda pair: math.dist(place[u], (place[pair[0]] + place[pair[1]]) / 2))
            pairs = pairs[:pairs_per_parent]
        found += [(u, v, w) for v, w in pairs]
    return sorted(found)


def check_form(graph: CandidateGraph):
    """Sorted, unique, forward in time, and consistent with each other."""
    links, divisions = graph.links.tolist(), graph.divisions.tolist()
    assert (graph.links.shape[1:], graph.divisions.shape[1:], graph.division_links.shape[1:]) == ((2,), (3,), (2,))
    assert graph.links.dtype == graph.divisions.dtype == graph.division_links.dtype == np.int32
    assert links == [list(link) for link in sorted(set(map(tuple, links)))]
    assert divisions == [list(three) for three in sorted(set(map(tuple, divisions)))]
    frame = graph.detections.frame
    assert (frame[graph.links[:, 0]] < frame[graph.links[:, 1]]).all()
    assert len(graph.division_links) == len(divisions)
    for (u, v, w), (one, other) in zip(divisions, graph.division_links.tolist(), strict=True):
        assert v < w
        assert (links[one], links[other]) == ([u, v], [u, w])


def check(detections, **options):
    graph = build_candidates(detections, **options)
    check_form(graph)
    pairs = {key: options.pop(key) for key in ("pairs_per_parent", "division_max_distance") if key in options}
    wanted = options.pop("divisions", True)
    assert list(map(tuple, graph.links.tolist())) == reference_links(detections, **options)
    divisions = reference_divisions(detections, graph.links.tolist(), **pairs) if wanted else []
    assert list(map(tuple, graph.divisions.tolist())) == divisions
    return graph


@st.composite
def movies(draw):
    """Up to five frames, some empty, whose detections lie at random: no two distances are alike."""
    ndim = draw(st.sampled_from([2, 3]))
    counts = draw(st.lists(st.integers(0, 7), min_size=1, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from(SCALES[ndim]))
    return detections_of([rng.uniform(0, 20, (n, ndim)) for n in counts], scale, draw(st.integers(0, 9)))


def test_random_movies():
    sizes = []

    @examples(150)
    @given(
        detections=movies(),
        neighbors=st.sampled_from([1, 2, 3, 20]),
        direction=st.sampled_from(["backward", "forward", "both"]),
        max_distance=st.sampled_from([5.0, 12.0, math.inf]),
        max_frame_gap=st.sampled_from([1, 2, 9]),
        pairs_per_parent=st.sampled_from([0, 1, 3]),
        division_max_distance=st.sampled_from([4.0, 8.0, math.inf]),
    )
    def compare(detections, **options):
        graph = check(detections, **options)
        sizes.append((len(graph.links), len(graph.divisions)))

    compare()
    assert min(np.mean(sizes, axis=0)) > 5


def test_all_within_the_radius():
    found = []

    @examples(40)
    @given(detections=movies(), max_distance=st.sampled_from([3.0, 9.0, 30.0]), max_frame_gap=st.sampled_from([1, 3]))
    def compare(detections, max_distance, max_frame_gap):
        graphs = [
            check(
                detections,
                neighbors=0,
                max_distance=max_distance,
                max_frame_gap=max_frame_gap,
                direction=direction,
                pairs_per_parent=1,
            )
            for direction in ("backward", "forward", "both")
        ]
        assert graphs[0].links.tolist() == graphs[1].links.tolist() == graphs[2].links.tolist()
        found.append(len(graphs[0].links))

    compare()
    assert np.mean(found) > 5


@pytest.mark.parametrize("neighbors", [0, 1, 3])
@pytest.mark.parametrize("direction", ["backward", "forward", "both"])
@pytest.mark.parametrize(("radius", "count"), [(5.0, 1), (np.nextafter(5.0, 0.0), 0)])
def test_the_radius_itself_is_within(neighbors, direction, radius, count):
    """3-4-5: exactly on the radius counts, and the next smaller radius does not reach."""
    detections = detections_of([[(10, 10)], [(13, 14)]])
    found = build_candidates(detections, neighbors=neighbors, direction=direction, max_distance=radius)
    assert len(found.links) == count


@pytest.mark.parametrize("neighbors", [0, 2])
def test_the_radius_grows_with_the_gap(neighbors):
    """10 px apart, 5 px a frame: reached over two frames, not over one; empty frames count."""
    detections = detections_of([[(0, 0)], [(6, 8)], [(6, 8)], [], [(12, 16)]])
    graph = build_candidates(detections, neighbors=neighbors, max_distance=5.0, max_frame_gap=3)
    assert graph.links.tolist() == [[0, 2], [1, 2], [1, 3], [2, 3]]
    assert graph.link_gap_frames.tolist() == [2, 1, 3, 2]


def test_gaps_are_counted_in_kept_frames():
    detections = detections_of([[(0, 0)], [], [(1, 1)]], first=7, step=5)
    assert build_candidates(detections, max_frame_gap=1).links.tolist() == []
    graph = build_candidates(detections, max_frame_gap=2)
    assert (graph.links.tolist(), graph.link_gap_frames.tolist()) == ([[0, 1]], [2])


@pytest.mark.parametrize("neighbors", [0, 1, 5])
def test_detections_at_one_place(neighbors):
    """Distance 0 is a distance, and k = 1 takes one of two that are equally near."""
    detections = detections_of([[(3, 3), (3, 3)], [(3, 3)]])
    graph = build_candidates(detections, neighbors=neighbors, max_distance=1.0)
    check_form(graph)
    assert len(graph.links) == (1 if neighbors == 1 else 2)


def test_directions_by_hand():
    """Two in the first frame, three in the second, on a line; nearest one only."""
    detections = detections_of([[(0, 0), (0, 10)], [(0, 1), (0, 2), (0, 3)]])
    links = {
        direction: build_candidates(detections, neighbors=1, direction=direction).links.tolist()
        for direction in ("backward", "forward", "both")
    }
    assert links == {
        "backward": [[0, 2], [0, 3], [0, 4]],
        "forward": [[0, 2], [1, 4]],
        "both": [[0, 2], [0, 3], [0, 4], [1, 4]],
    }


def test_nearest_is_measured_in_the_unit():
    """Pixels are four times as high as wide: 2 px along y are farther than 3 px along x."""
    pixels = [[(0, 0)], [(2, 0), (0, 3)]]
    square = build_candidates(detections_of(pixels), neighbors=1, direction="forward")
    tall = build_candidates(detections_of(pixels, (4.0, 1.0)), neighbors=1, direction="forward")
    assert (square.links.tolist(), tall.links.tolist()) == ([[0, 1]], [[0, 2]])


def test_divisions_by_hand():
    """Children at 1, -2 and 6 of a parent at 0: midpoints at 0.5, 3.5 and 2 from it."""
    detections = detections_of([[(0, 0)], [(0, 1), (0, -2), (0, 6)]])
    graph = build_candidates(detections)
    assert graph.divisions.tolist() == [[0, 1, 2], [0, 1, 3], [0, 2, 3]]
    assert graph.division_links.tolist() == [[0, 1], [0, 2], [1, 2]]
    kept = {keep: build_candidates(detections, pairs_per_parent=keep).divisions.tolist() for keep in (1, 2, 9)}
    assert kept == {1: [[0, 1, 2]], 2: [[0, 1, 2], [0, 2, 3]], 9: graph.divisions.tolist()}
    for reach, pairs in ((6.0, 3), (5.9, 1), (2.0, 1), (1.9, 0)):
        assert len(build_candidates(detections, division_max_distance=reach).divisions) == pairs


def test_children_in_different_frames():
    """Both links are candidates, so they may be the two daughters; the gate is per frame of gap."""
    detections = detections_of([[(0, 0)], [(0, 4)], [(0, 8)]])
    graph = build_candidates(detections, max_frame_gap=2, division_max_distance=4.0)
    assert graph.divisions.tolist() == [[0, 1, 2]]
    assert len(build_candidates(detections, max_frame_gap=2, division_max_distance=3.9).divisions) == 0


def test_without_divisions():
    graph = check(detections_of([[(0, 0)], [(0, 1), (0, 2)]]), divisions=False)
    assert len(graph.links) == 2


@pytest.mark.parametrize(
    "per_frame",
    [[], [[]], [[], [], []], [[(1, 1)]], [[(1, 1), (2, 2)]], [[(1, 1)], []], [[], [(1, 1)]], [[(1, 1)], [], [(1, 1)]]],
    ids=str,
)
@pytest.mark.parametrize("neighbors", [0, 4])
def test_nothing_to_link(per_frame, neighbors):
    graph = build_candidates(
        detections_of(per_frame), neighbors=neighbors, max_distance=9.0, pairs_per_parent=2, division_max_distance=3.0
    )
    check_form(graph)
    assert len(graph.links) == len(graph.divisions) == 0


def test_with_divisions_takes_pairs_of_links():
    graph = build_candidates(detections_of([[(0, 0)], [(0, 1), (0, 2), (0, 3)]]), divisions=False)
    chosen = with_divisions(graph, np.array([[0, 2], [1, 2]], np.int32))
    check_form(chosen)
    assert chosen.divisions.tolist() == [[0, 1, 3], [0, 2, 3]]


def test_gating_does_not_depend_on_the_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    detections = detections_of([rng.uniform(0, 20, (9, 2)) for _ in range(4)])
    options = {"max_frame_gap": 2, "pairs_per_parent": 4, "division_max_distance": 12.0}
    whole = build_candidates(detections, **options)
    monkeypatch.setattr("tracker.candidates._PAIRS_PER_CHUNK", 2)
    chunked = build_candidates(detections, **options)
    assert len(whole.divisions) > 20
    assert chunked.divisions.tolist() == whole.divisions.tolist()
    assert chunked.division_links.tolist() == whole.division_links.tolist()
