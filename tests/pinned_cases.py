r"""Named situations with pins: one movie whose free answer each pin changes, and pins that cannot hold together.

The movie, with every detection kept; links cost -2 on the rows, -1 on the diagonals, a split 1.5:

    0 --- 2 --- 4        free answer: 0-2-4, 1-3-5 for -8
      \ /   \ /
      / \   / \
    1 --- 3 --- 5
"""

import numpy as np
from small_movie import MODELS, Case, answer, case, frames_of, movie, no_answer

from tracker.ilp.pins import PinArrays

FRAMES = frames_of(2, 2, 2)
ROWS = {(0, 2): -2.0, (1, 3): -2.0, (2, 4): -2.0, (3, 5): -2.0}
DIAGONALS = {(0, 3): -1.0, (1, 2): -1.0, (2, 5): -1.0, (3, 4): -1.0}


def pins(**kinds: list[tuple[int, ...]]) -> PinArrays:
    """PinArrays from lists of tuples."""
    return PinArrays(**{kind: np.array(rows, np.int64) for kind, rows in kinds.items()})


def ladder(model: str, objective: float, links: set[tuple[int, int]], **kinds: list[tuple[int, ...]]) -> Case:
    return answer(movie(model, FRAMES, ROWS | DIAGONALS, split=1.5), FRAMES, objective, links, None, pins(**kinds))


def clash(model: str, **kinds: list[tuple[int, ...]]) -> Case:
    return no_answer(movie(model, FRAMES, ROWS | DIAGONALS, split=1.5), FRAMES, pins(**kinds))


@case(*MODELS)
def unpinned(model: str) -> Case:
    """The rows: 4 x -2."""
    return ladder(model, -8.0, set(ROWS))


@case(*MODELS)
def link_true(model: str) -> Case:
    """0 -> 3 is known: 0-3 and 1-2 cross, -1 -1, then -2 -2. Sharing 0 with 2 would cost -2 -1 + 1.5 and 1 leaves."""
    return ladder(model, -6.0, {(0, 3), (1, 2), (2, 4), (3, 5)}, link=[(0, 3, 1)])


@case(*MODELS)
def link_false(model: str) -> Case:
    """0 -> 2 is wrong: the cells cross in the first step, -6."""
    return ladder(model, -6.0, {(0, 3), (1, 2), (2, 4), (3, 5)}, link=[(0, 2, 0)])


@case(*MODELS)
def link_false_forbids_divisions(model: str) -> Case:
    """0 divides into 2, 3, but 0 -> 2 is wrong: the division may not hold it either; 1 -> 2 crosses, -6."""
    return ladder(model, -6.0, {(0, 3), (1, 2), (2, 4), (3, 5)}, link=[(0, 2, 0), (0, 3, 1)])


@case(*MODELS)
def division_true(model: str) -> Case:
    """0 divides into 2 and 3: -2 -1 + 1.5 = -1.5, 1 leaves for 1; then -4. Together -4.5."""
    return ladder(model, -4.5, {(0, 2), (0, 3), (2, 4), (3, 5)}, division=[(0, 3, 2, 1)])


@case(*MODELS)
def division_false(model: str) -> Case:
    """0 -> 2 is known and 1 leaves: 0 would divide (-4.5), but may not; 3 appears: -2 + 1 + 1 - 4 = -4."""
    found = {"link": [(0, 2, 1)], "disappear": [(1, 1)], "division": [(0, 2, 3, 0)]}
    return ladder(model, -4.0, {(0, 2), (2, 4), (3, 5)}, **found)


@case(*MODELS)
def children_none(model: str) -> Case:
    """2 has no child: it leaves for 1; 3 divides into 4 and 5: -1 -2 + 1.5 = -1.5; before, -4. Together -4.5."""
    return ladder(model, -4.5, {(0, 2), (1, 3), (3, 4), (3, 5)}, children=[(2, -1, -1)])


@case(*MODELS)
def children_one(model: str) -> Case:
    """5 is all that comes of 2: the cells cross in the second step, -4 -2."""
    return ladder(model, -6.0, {(0, 2), (1, 3), (2, 5), (3, 4)}, children=[(2, 5, -1)])


@case(*MODELS)
def children_one_is_no_division(model: str) -> Case:
    """1 leaves, and 2 is the only child of 0: 3 appears. -2 + 1 + 1 - 4 = -4; a division would have given -4.5."""
    return ladder(model, -4.0, {(0, 2), (2, 4), (3, 5)}, children=[(0, 2, -1), (1, -1, -1)])


@case(*MODELS)
def children_two(model: str) -> Case:
    """4 and 5 are the children of 3: 2 leaves, as in children_none."""
    return ladder(model, -4.5, {(0, 2), (1, 3), (3, 4), (3, 5)}, children=[(3, 4, 5)])


@case(*MODELS)
def appear_true(model: str) -> Case:
    """3 appears for 1; 1 leaves for 1; -2 -4 remain: -4. (1 -> 2 and 0 leaving is dearer by 1.)"""
    return ladder(model, -4.0, {(0, 2), (2, 4), (3, 5)}, appear=[(3, 1)])


@case(*MODELS)
def appear_false(model: str) -> Case:
    """1 leaves and 3 does not appear: 0 divides. -1.5 + 1 - 4 = -4.5."""
    return ladder(model, -4.5, {(0, 2), (0, 3), (2, 4), (3, 5)}, disappear=[(1, 1)], appear=[(3, 0)])


@case(*MODELS)
def disappear_true(model: str) -> Case:
    """2 leaves for 1: as children_none."""
    return ladder(model, -4.5, {(0, 2), (1, 3), (3, 4), (3, 5)}, disappear=[(2, 1)])


@case(*MODELS)
def disappear_false(model: str) -> Case:
    """3 must go on and may not reach 5: it goes to 4, and 2 to 5. -4 -2."""
    return ladder(model, -6.0, {(0, 2), (1, 3), (2, 5), (3, 4)}, disappear=[(3, 0)], link=[(3, 5, 0)])


@case(*MODELS)
def not_real(model: str) -> Case:
    """As the ladder, detections optional, 3 not real: 0-2-4 at -4; 1 is left out (0); 5 from 2 too: -1 + 1.5 > 0."""
    problem = movie(model, FRAMES, ROWS | DIAGONALS, split=1.5, keep=False)
    return answer(problem, FRAMES, -4.0, {(0, 2), (2, 4)}, {1, 3, 5}, pins(detection=[(3, 0), (1, 0), (5, 0)]))


@case(*MODELS)
def real(model: str) -> Case:
    """One optional detection in the middle frame that pays 1 + 1 to be alone: it is real all the same, 2."""
    frames = frames_of(1, 1, 1)
    problem = movie(model, frames, {}, keep=False, detection=[1.0, 0.0, 1.0])
    return answer(problem, frames, 2.0, set(), {0, 2}, pins(detection=[(1, 1)]))


@case(*MODELS)
def appear_false_of_an_optional_detection(model: str) -> Case:
    """A detection worth -5 that may not appear and has no candidate parent is left out: 0, not -5."""
    problem = movie(model, [0], {}, keep=False, detection=-5.0)
    return answer(problem, [0], 0.0, set(), {0}, pins(appear=[(0, 0)]))


@case(*MODELS)
def two_parents(model: str) -> Case:
    """2 descends from 0 and from 1."""
    return clash(model, link=[(0, 2, 1), (1, 2, 1)])


@case(*MODELS)
def true_and_false(model: str) -> Case:
    """0 -> 2 is right and wrong."""
    return clash(model, link=[(0, 2, 1), (0, 2, 0)])


@case(*MODELS)
def link_to_a_rejected_detection(model: str) -> Case:
    """0 -> 2 is right, but 2 is not real."""
    return clash(model, link=[(0, 2, 1)], detection=[(2, 0)])


@case(*MODELS)
def link_outside_the_children(model: str) -> Case:
    """0 -> 3 is right, but 2 is the only child of 0."""
    return clash(model, link=[(0, 3, 1)], children=[(0, 2, -1)])


@case(*MODELS)
def appears_with_a_parent(model: str) -> Case:
    """2 appears, but descends from 0."""
    return clash(model, link=[(0, 2, 1)], appear=[(2, 1)])


@case(*MODELS)
def leaves_with_a_child(model: str) -> Case:
    """0 leaves, but 2 descends from it."""
    return clash(model, link=[(0, 2, 1)], disappear=[(0, 1)])


@case(*MODELS)
def three_children(model: str) -> Case:
    """0 -> 1, 0 -> 2 and 0 -> 3 are all right."""
    frames = frames_of(1, 3)
    problem = movie(model, frames, {(0, 1): -1.0, (0, 2): -1.0, (0, 3): -1.0})
    return no_answer(problem, frames, pins(link=[(0, 1, 1), (0, 2, 1), (0, 3, 1)]))


@case(*MODELS)
def three_that_may_not_appear(model: str) -> Case:
    """One detection, then three that are real and do not appear: no two pins clash, all together do."""
    frames = frames_of(1, 3)
    problem = movie(model, frames, {(0, 1): -1.0, (0, 2): -1.0, (0, 3): -1.0})
    return no_answer(problem, frames, pins(appear=[(1, 0), (2, 0), (3, 0)]))
