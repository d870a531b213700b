"""Named situations small enough to solve by hand. Each builder draws its movie, time to the right, and does the sum.

A number on a row is a detection; costs not mentioned are 1 for appearing, 1 for disappearing and 0 for a detection,
free in the first and last frame. The decorator says which models give the stated answer; where a case names no
division columns, model A gets every pair of out-links at the sum of the links plus `split`, as model B has it.
"""

from small_movie import MODELS, PAIR, SPLIT, Case, answer, case, frames_of, movie, no_answer


@case(*MODELS)
def straight(model: str) -> Case:
    """0 --(-2)-- 1 --(-3)-- 2. Both links: -5; both ends of the movie are free."""
    frames = frames_of(1, 1, 1)
    return answer(movie(model, frames, {(0, 1): -2.0, (1, 2): -3.0}), frames, -5.0, {(0, 1), (1, 2)})


@case(*MODELS)
def crossover(model: str) -> Case:
    r"""The cheapest link, 0 -> 2, leaves 1 -> 3 at +2, together -1, or 1 and 3 apart, -1. The diagonals, -2 each: -4.

    0 --(-3)-- 2
         \ /
         / \
    1 --(+2)-- 3
    """
    frames = frames_of(2, 2)
    problem = movie(model, frames, {(0, 2): -3.0, (0, 3): -2.0, (1, 2): -2.0, (1, 3): 2.0})
    return answer(problem, frames, -4.0, {(0, 3), (1, 2)})


@case(*MODELS)
def division(model: str) -> Case:
    r"""Both children: -1 -1 + split 0.5 = -1.5; one child and one founder: -1 + 1 = 0.

    0 --(-1)-- 1
     \--(-1)-- 2
    """
    frames = frames_of(1, 2)
    return answer(movie(model, frames, {(0, 1): -1.0, (0, 2): -1.0}, split=0.5), frames, -1.5, {(0, 1), (0, 2)})


@case(*MODELS)
def division_too_dear(model: str) -> Case:
    """As division, with split 1.5 and links -1, -0.9: -0.4 is worse than -1 and a founder at 0.5, together -0.5."""
    frames = frames_of(1, 2)
    problem = movie(model, frames, {(0, 1): -1.0, (0, 2): -0.9}, split=1.5, appear=0.5)
    return answer(problem, frames, -0.5, {(0, 1)})


@case(PAIR)
def division_replaces_its_links(model: str) -> Case:
    """As division, links -1 and +9, the pair -4: the pair's cost stands instead of the links': -4, not +4."""
    frames = frames_of(1, 2)
    problem = movie(model, frames, {(0, 1): -1.0, (0, 2): 9.0}, divisions={(0, 1, 2): -4.0})
    return answer(problem, frames, -4.0, {(0, 1), (0, 2)})


@case(PAIR)
def division_without_links(model: str) -> Case:
    """0 divides into 1 and 2 for -1 although neither link is a candidate: -1, against three lone detections at 2."""
    frames = frames_of(1, 2)
    return answer(movie(model, frames, {}, divisions={(0, 2, 1): -1.0}), frames, -1.0, {(0, 1), (0, 2)})


@case(PAIR)
def pair_not_a_candidate(model: str) -> Case:
    """Three children at -5 each, but only {1, 3} may divide, for -6: the third is a founder at 1, together -5.

    One child alone and two founders: -5 + 2 = -3.
    """
    frames = frames_of(1, 3)
    links = {(0, 1): -5.0, (0, 2): -5.0, (0, 3): -5.0}
    return answer(movie(model, frames, links, divisions={(0, 1, 3): -6.0}), frames, -5.0, {(0, 1), (0, 3)})


@case(SPLIT)
def forbidden_pair(model: str) -> Case:
    """Children 1, 2, 3 at -5, -4, -3 and a free split; {1, 2} is forbidden: -5 -3 and a founder at 1, together -7."""
    frames = frames_of(1, 3)
    links = {(0, 1): -5.0, (0, 2): -4.0, (0, 3): -3.0}
    problem = movie(model, frames, links, split=0.0, forbidden=[(0, 1)])
    return answer(problem, frames, -7.0, {(0, 1), (0, 3)})


@case(*MODELS)
def at_most_two_children(model: str) -> Case:
    """Three children at -5, -4, -3 and a free split: the third is a founder at 1: -5 -4 + 1 = -8."""
    frames = frames_of(1, 3)
    problem = movie(model, frames, {(0, 1): -5.0, (0, 2): -4.0, (0, 3): -3.0}, split=0.0)
    return answer(problem, frames, -8.0, {(0, 1), (0, 2)})


@case(*MODELS)
def division_over_two_frames(model: str) -> Case:
    r"""Children of 0 in frames 1 and 2: -2 -2 + split 1, and 1 leaves for 1: -2. Without 2: -2 + 1 + 1 = 0.

    0 --(-2)-- 1
     \---------(-2)-- 2
    """
    frames = frames_of(1, 1, 1)
    return answer(movie(model, frames, {(0, 1): -2.0, (0, 2): -2.0}, split=1.0), frames, -2.0, {(0, 1), (0, 2)})


@case(*MODELS)
def frame_gap(model: str) -> Case:
    """0 --(-1)-- (empty frame) -- 1: one link over an empty frame, -1."""
    frames = [0, 2]
    return answer(movie(model, frames, {(0, 1): -1.0}), frames, -1.0, {(0, 1)})


@case(*MODELS)
def missed_detection(model: str) -> Case:
    """Cell A is 0, missed, 3; cell B is 1, 2, 4. A's link over the gap costs 0.5, breaking it 1 + 1.

    B: -1 -1. A over the gap: 0.5. Together -1.5.
    """
    frames = frames_of(2, 1, 2)
    links = {(0, 2): 3.0, (1, 2): -1.0, (2, 3): 3.0, (2, 4): -1.0, (0, 3): 0.5}
    return answer(movie(model, frames, links), frames, -1.5, {(1, 2), (2, 4), (0, 3)})


@case(*MODELS)
def false_positive(model: str) -> Case:
    """0 --(-3)-- 1 --(-3)-- 3 and a lone 2 in the middle that would appear and leave for 1 + 1: left out. -6."""
    frames = frames_of(1, 2, 1)
    problem = movie(model, frames, {(0, 1): -3.0, (1, 3): -3.0, (0, 2): 4.0, (2, 3): 4.0}, keep=False)
    return answer(problem, frames, -6.0, {(0, 1), (1, 3)}, {2})


@case(*MODELS)
def false_positive_kept(model: str) -> Case:
    """As false_positive, but every detection must stay: -6 + 2 = -4."""
    frames = frames_of(1, 2, 1)
    problem = movie(model, frames, {(0, 1): -3.0, (1, 3): -3.0, (0, 2): 4.0, (2, 3): 4.0})
    return answer(problem, frames, -4.0, {(0, 1), (1, 3)})


@case(*MODELS)
def rewarded_detection(model: str) -> Case:
    """A lone detection worth -3 that appears and leaves for 1 + 1 stays: -1; its neighbour, worth -1, does not: 0."""
    frames = frames_of(1, 2, 1)
    problem = movie(model, frames, {}, detection=[1.0, -3.0, -1.0, 1.0], keep=False)
    return answer(problem, frames, -1.0, set(), {0, 2, 3})


@case(*MODELS)
def exclusive_segmentations(model: str) -> Case:
    """1 and 2 are two outlines of one cell: 0 -> 1 -> 3 at -2 -2 beats 0 -> 2 -> 3 at -3 -0.5. Both are not allowed."""
    frames = frames_of(1, 2, 1)
    links = {(0, 1): -2.0, (1, 3): -2.0, (0, 2): -3.0, (2, 3): -0.5}
    problem = movie(model, frames, links, split=-9.0, keep=False, exclusive=[[1, 2]])
    return answer(problem, frames, -4.0, {(0, 1), (1, 3)}, {2})


@case(*MODELS)
def exclusive_but_kept(model: str) -> Case:
    """Both members of an exclusive set must stay: no answer."""
    frames = frames_of(1, 2)
    return no_answer(movie(model, frames, {(0, 1): -1.0, (0, 2): -1.0}, exclusive=[[1, 2]]), frames)


@case(*MODELS)
def ends_of_the_movie(model: str) -> Case:
    """A cell in each frame, no links: the first appears free, the last leaves free, the middle pays both: 1 + 2 + 1."""
    frames = frames_of(1, 1, 1)
    return answer(movie(model, frames, {}), frames, 4.0, set())


@case(*MODELS)
def negative_appearance(model: str) -> Case:
    """Appearing is a reward of 2.5, leaving the first frame costs 1; the diagonals cost 9.

    0 --(-1)-- 2    Both links: -2, then 2 x -2.5 for 0 and 1: -7. None: 4 x -2.5 + 2 x 1 = -8.
    1 --(-1)-- 3    Not -12: a linked detection does not appear.
    """
    frames = frames_of(2, 2)
    links = {(0, 2): -1.0, (1, 3): -1.0, (0, 3): 9.0, (1, 2): 9.0}
    problem = movie(model, frames, links, appear=[-2.5] * 4, disappear=[1.0, 1.0, 0.0, 0.0])
    return answer(problem, frames, -8.0, set())


@case(*MODELS)
def negative_disappearance_and_split(model: str) -> Case:
    """0 may be followed by 1 or 2 at +1. Leaving pays -3, a division -4; never both.

    Dividing: 1 + 1 - 4, and 1, 2 leave: -2 - 6 = -8. Leaving: -3 -6 and two founders at 1: -7.
    """
    frames = frames_of(1, 2)
    problem = movie(model, frames, {(0, 1): 1.0, (0, 2): 1.0}, split=-4.0, disappear=[-3.0] * 3)
    return answer(problem, frames, -8.0, {(0, 1), (0, 2)})


@case(PAIR)
def odd_cycle(model: str) -> Case:
    """Parents 0, 1, 2 and children 3, 4, 5; each parent wants two of them: {3,4}, {4,5}, {3,5}, at -4, -4, -5.

    Any two pairs share a child, so there is one division only, where a linear relaxation takes half of each.
    The best: -5, parents 0 and 1 leave at 1 each, child 4 is a founder at 1: -5 + 3 = -2.
    """
    frames = frames_of(3, 3)
    pairs = {(0, 3, 4): -4.0, (1, 4, 5): -4.0, (2, 3, 5): -5.0}
    return answer(movie(model, frames, {}, divisions=pairs), frames, -2.0, {(2, 3), (2, 5)})


@case(*MODELS)
def no_detections(model: str) -> Case:
    """An empty movie: the empty lineage, 0."""
    return answer(movie(model, [], {}, appear=[], disappear=[]), [], 0.0, set())


@case(*MODELS)
def one_frame(model: str) -> Case:
    """Two cells in a single frame: both ends are free, 0."""
    return answer(movie(model, [0, 0], {}), [0, 0], 0.0, set())


@case(*MODELS)
def nothing_pays(model: str) -> Case:
    """Detections cost 1, the link is worth 1: the empty lineage, 0."""
    frames = frames_of(1, 1)
    return answer(movie(model, frames, {(0, 1): -1.0}, detection=1.0, keep=False), frames, 0.0, set(), {0, 1})
