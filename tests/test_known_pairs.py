"""Known pairs: what pins and solutions say about the pairs of a window."""

import re
import subprocess
import sys

import numpy as np
import pytest

from embeddings.known_pairs import joined, known_links_of_lineage, known_links_of_pins, known_pairs, pseudo_labelled
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.lineage import make_lineage
from tracker.pin_checks import resolve_pins
from tracker.pins import PinRow, pin_table

# Three detections in each of five frames; the row of (t, label) is 3 t + label - 1.
STEP = np.repeat(np.arange(5), 3)
ROWS = np.arange(15)


def movie(frames=5):
    frame = np.repeat(np.arange(frames), 3)
    label = np.tile([1, 2, 3], frames)
    return Detections(frame, label, np.zeros((len(frame), 2)), np.arange(frames), np.ones(2))


def pin(kind, *rows, value=True, confidence=None):
    return PinRow(kind, tuple((row // 3, row % 3 + 1) for row in rows), value, confidence)


def known_of(*pins):
    return known_links_of_pins(resolve_pins(pin_table(pins), movie()))


def pairs_of(matrix):
    """Pairs (earlier, later); the matrix must be symmetric."""
    assert (matrix == matrix.T).all()
    return {(int(i), int(j)) for i, j in np.argwhere(matrix) if i < j}


def judged(known, rows=ROWS, frame=STEP):
    """Negative and positive pairs, as rows."""
    mask, target = known_pairs(known, np.asarray(rows), np.asarray(frame))
    assert mask.dtype == target.dtype == np.bool_
    assert not (target & ~mask).any()
    names = [{(int(rows[i]), int(rows[j])) for i, j in pairs_of(matrix)} for matrix in (mask & ~target, target)]
    return names[0], names[1]


CASES = {
    "one child: its row and its column": (
        [pin("children", 3, 6)],
        {(3, 7), (3, 8), (4, 6), (5, 6)},
        {(3, 6)},
    ),
    "two children": (
        [pin("children", 3, 7, 6)],
        {(3, 8), (4, 6), (5, 6), (4, 7), (5, 7)},
        {(3, 6), (3, 7)},
    ),
    "a division is two children": (
        [pin("division", 3, 7, 6)],
        {(3, 8), (4, 6), (5, 6), (4, 7), (5, 7)},
        {(3, 6), (3, 7)},
    ),
    "two links are a division": (
        [pin("link", 3, 7), pin("link", 3, 6)],
        {(3, 8), (4, 6), (5, 6), (4, 7), (5, 7)},
        {(3, 6), (3, 7)},
    ),
    "a link: its column alone": ([pin("link", 3, 6)], {(4, 6), (5, 6)}, {(3, 6)}),
    "a link of an answer adds nothing": (
        [pin("link", 3, 6), pin("children", 3, 6)],
        {(3, 7), (3, 8), (4, 6), (5, 6)},
        {(3, 6)},
    ),
    "no link: the pair alone": ([pin("link", 3, 6, value=False)], {(3, 6)}, set()),
    "no link across a frame": ([pin("link", 3, 9, value=False)], {(3, 9)}, set()),
    "no child": ([pin("children", 3)], {(3, 6), (3, 7), (3, 8)}, set()),
    "the end is no child": ([pin("disappear", 3)], {(3, 6), (3, 7), (3, 8)}, set()),
    "no child in the last frame": ([pin("children", 12)], set(), set()),
    "the beginning is no parent": ([pin("appear", 3)], {(0, 3), (1, 3), (2, 3)}, set()),
    "no parent in the first frame": ([pin("appear", 0)], set(), set()),
    "what is not real has neither": (
        [pin("detection", 4, value=False)],
        {(0, 4), (1, 4), (2, 4), (4, 6), (4, 7), (4, 8)},
        set(),
    ),
    "two answers": (
        [pin("children", 3, 6), pin("children", 4, 7)],
        {(3, 7), (3, 8), (4, 6), (5, 6), (4, 8), (5, 7)},
        {(3, 6), (4, 7)},
    ),
    "a chain": (
        [pin("children", 3, 6), pin("children", 6, 9)],
        {(3, 7), (3, 8), (4, 6), (5, 6), (6, 10), (6, 11), (7, 9), (8, 9)},
        {(3, 6), (6, 9)},
    ),
    "a link that skips a frame": (
        [pin("children", 3, 9)],
        {(3, 6), (3, 7), (3, 8), (3, 10), (3, 11)} | {(4, 9), (5, 9), (6, 9), (7, 9), (8, 9)},
        {(3, 9)},
    ),
    "a known parent a frame further back": (
        [pin("link", 3, 9)],
        {(4, 9), (5, 9), (6, 9), (7, 9), (8, 9)},
        {(3, 9)},
    ),
    "beyond the earlier child its descendants are not judged": (
        [pin("children", 3, 6, 10)],
        {(3, 7), (3, 8), (4, 6), (5, 6)} | {(4, 10), (5, 10), (6, 10), (7, 10), (8, 10)},
        {(3, 6), (3, 10)},
    ),
    "nothing about pairs": (
        [
            pin("detection", 3),
            pin("division", 3, 6, 7, value=False),
            pin("appear", 4, value=False),
            pin("disappear", 5, value=False),
        ],
        set(),
        set(),
    ),
    "no pin at all": ([], set(), set()),
    "an opinion is not knowledge": ([pin("children", 3, 6, confidence=0.9)], set(), set()),
}


@pytest.mark.parametrize("name", CASES)
def test_pins(name):
    pins, negative, positive = CASES[name]
    assert judged(known_of(*pins)) == (negative, positive)


def test_arrays():
    known = known_of(
        pin("children", 7, 9),
        pin("children", 3, 8, 6),
        pin("link", 4, 7),
        pin("appear", 5),
        pin("link", 1, 5, value=False),
        pin("children", 10),
    )
    assert known.annotated.tolist() == [3, 7, 10]
    assert known.children.tolist() == [[6, 8], [9, -1], [-1, -1]]
    assert known.linked.tolist() == [[-1, 5], [3, 6], [4, 7], [3, 8], [7, 9]]
    assert known.refused.tolist() == [[1, 5]]
    assert known.anchors.tolist() == [1, 3, 4, 5, 7, 10]
    assert known_of().anchors.tolist() == []


def slow_pairs(known, rows, frame):
    """A loop over the rules."""
    at = {row: place for place, row in enumerate(rows) if row >= 0}
    mask, target = np.zeros((2, len(rows), len(rows)), bool)
    inside = list(at.values())
    for row, pair in zip(known.annotated.tolist(), known.children.tolist(), strict=True):
        children = [child for child in pair if child >= 0]
        if row not in at:
            continue
        j = at[row]
        last = frame[j] + 1
        if children and all(child in at for child in children):
            last = min(frame[at[child]] for child in children)
        for k in inside:
            if frame[j] < frame[k] <= last:
                mask[j, k] = mask[k, j] = True
    for parent, child in known.linked.tolist():
        if child not in at or (parent >= 0 and parent not in at):
            continue
        c = at[child]
        first = frame[c] - 1 if parent < 0 else frame[at[parent]]
        for k in inside:
            if first <= frame[k] < frame[c]:
                mask[c, k] = mask[k, c] = True
        if parent >= 0:
            target[c, at[parent]] = target[at[parent], c] = True
    for parent, child in known.refused.tolist():
        if parent in at and child in at:
            mask[at[parent], at[child]] = mask[at[child], at[parent]] = True
    return mask, target


@pytest.mark.parametrize("seed", range(20))
def test_any_window_is_as_the_rules_say(seed):
    generator = np.random.default_rng(seed)
    detections = movie()
    parents = {}
    for child in range(3, 15):
        parent = int(generator.integers(3 * max(0, child // 3 - 2), 3 * (child // 3)))
        if generator.random() < 0.7 and list(parents.values()).count(parent) < 2:
            parents[child] = parent
    lineage = make_lineage(detections, np.ones(15, bool), np.array([[p, c] for c, p in parents.items()]))
    asked = np.flatnonzero(generator.random(15) < 0.4)
    pins = [pin("children", int(row), *(c for c, p in parents.items() if p == row)) for row in asked]
    pins += [pin("link", p, c) for c, p in parents.items() if generator.random() < 0.2]
    pins += [pin("appear", row) for row in range(15) if row not in parents and generator.random() < 0.2]
    pins += [
        pin("link", p, c, value=False)
        for c in range(3, 15)
        for p in range(3 * (c // 3))
        if parents.get(c) != p and generator.random() < 0.05
    ]
    known = known_of(*pins)
    rows = np.flatnonzero(generator.random(15) < 0.7)
    padded = np.concatenate([rows, [-1, -1]])
    frame = np.concatenate([STEP[rows] - 2, [0, 9]])
    found, wanted = known_pairs(known, padded, frame), slow_pairs(known, padded, frame)
    for mine, slow in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(mine, slow)
    without = known_pairs(known, rows, STEP[rows])
    for mine, bare in zip(found, without, strict=True):
        np.testing.assert_array_equal(mine[:-2, :-2], bare)
        assert not mine[-2:].any()
    confirmed, answered = known_links_of_lineage(lineage, asked), known_of(*pins[: len(asked)])
    for name in ("annotated", "children", "linked", "refused"):
        np.testing.assert_array_equal(getattr(confirmed, name), getattr(answered, name))


def test_what_lies_outside_the_window_is_not_there():
    known = known_of(pin("children", 3, 6), pin("link", 4, 7))
    assert judged(known, [3, 4, 5, 7, 8], [1, 1, 1, 2, 2]) == ({(3, 7), (3, 8), (5, 7)}, {(4, 7)})  # no 6
    assert judged(known, [4, 5, 6, 7, 8], [1, 1, 2, 2, 2]) == ({(5, 7)}, {(4, 7)})  # no 3
    assert judged(known, [0, 3, 4], [0, 1, 1]) == (set(), set())  # no later frame
    assert judged(known, [9, 12], [3, 4]) == (set(), set())
    mask, target = known_pairs(known, np.array([-1, -1]), np.array([0, 0]))
    assert mask.shape == target.shape == (2, 2)
    assert not mask.any()
    assert known_pairs(known, np.empty(0, np.int64), np.empty(0, np.int64))[0].shape == (0, 0)


def test_a_skipping_link_into_what_the_window_lacks_judges_the_next_frame_alone():
    known = known_of(pin("children", 3, 9))
    assert judged(known, [3, 4, 6, 7, 10], [0, 0, 1, 1, 2]) == ({(3, 6), (3, 7)}, set())
    known = known_of(pin("children", 3, 6, 10))
    rows = [3, 4, 7, 9, 10]  # where 6 is not, its descendants may be: 9 is not judged with 3
    assert judged(known, rows, [1, 1, 2, 3, 3]) == ({(3, 7), (4, 10), (7, 10)}, {(3, 10)})


def test_a_solution_confirms_its_own_links_out():
    lineage = make_lineage(movie(), np.arange(15) != 5, np.array([[0, 3], [3, 6], [3, 7], [4, 8], [6, 9]]))
    known = known_links_of_lineage(lineage, np.array([4, 3, 9, 12]))
    assert known.annotated.tolist() == [3, 4, 9, 12]
    assert known.children.tolist() == [[6, 7], [8, -1], [-1, -1], [-1, -1]]
    assert known.linked.tolist() == [[3, 6], [3, 7], [4, 8]]
    assert known.refused.shape == (0, 2)
    negative, positive = judged(known)
    assert positive == {(3, 6), (3, 7), (4, 8)}
    assert negative == {(3, 8), (4, 6), (4, 7), (5, 6), (5, 7), (5, 8)} | {(9, 12), (9, 13), (9, 14)}


def test_joined_is_what_either_knows():
    first = known_of(pin("children", 0, 3, 4), pin("link", 7, 9, value=False))
    second = known_of(pin("children", 1, 5), pin("appear", 8))
    both = known_of(pin("children", 0, 3, 4), pin("link", 7, 9, value=False), pin("children", 1, 5), pin("appear", 8))
    assert joined(first, second).digest == joined(second, first).digest == both.digest
    assert joined(first, first).digest == first.digest


def lineage_of_four():
    """Rows 3 -> 6 and 4 -> 7, 8 over three frames; 5 is not selected."""
    return make_lineage(movie(3), np.arange(9) != 5, np.array([[3, 6], [4, 7], [4, 8], [0, 3]]))


def test_the_most_consistent_tenth():
    out = np.array([0.4, 0.1, 0.3, 1.0, 1.5, 0.0, 0.0, 0.0, 0.0])
    # |out - children| of the rows 0 .. 4, which alone are selected and have a next frame: .6 .1 .3 0 .5
    lineage = lineage_of_four()
    assert pseudo_labelled(out, lineage).tolist() == []  # a tenth of five is none
    assert pseudo_labelled(out, lineage, share=0.2).tolist() == [3]
    assert pseudo_labelled(out, lineage, share=0.6).tolist() == [1, 2, 3]
    assert pseudo_labelled(out, lineage, np.arange(9) == 1, share=0.6).tolist() == [2, 3]  # none steps in
    assert pseudo_labelled(out, lineage, share=1).tolist() == [0, 1, 2, 3, 4]
    assert pseudo_labelled(out, lineage, share=0).tolist() == []


def test_ties_go_to_the_earlier_detection_and_shares_are_exact():
    lineage = make_lineage(movie(31), np.ones(93, bool), np.empty((0, 2)))
    out = np.full(93, 0.25)
    assert 0.7 * 90 < 63
    assert pseudo_labelled(out, lineage, share=0.7).tolist() == list(range(63))
    out[50:] = -0.25
    assert pseudo_labelled(out, lineage).tolist() == list(range(9))


@pytest.mark.parametrize("share", [-0.1, 1.5, np.nan])
def test_a_share_is_a_share(share):
    message = f"the share of pseudo-labels must lie between 0 and 1, found {share:g}"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        pseudo_labelled(np.zeros(9), lineage_of_four(), share=share)


def test_no_torch():
    program = "import sys, embeddings.known_pairs\nprint('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
