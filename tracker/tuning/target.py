"""What the annotation decides: a value for each column of the program that it speaks of or that follows from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.errors import TruthError
from tracker.ilp.bounds import apply_pins, find_divisions
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem, find_links
from tracker.matching import match_objects
from tracker.pin_checks import ResolvedPins
from tracker.pin_sources import TrueLineage, truth_as_lineage
from tracker.prepare import Prepared
from tracker.truth import Truth
from tracker.tuning.cost_model import LinearModel, column_spans
from tracker.tuning.propagate import propagate


@dataclass(frozen=True)
class Target:
    """The lineage that is wanted, as far as it is known.

    values: (columns,) int8, 0 or 1; 0 where nothing is known.   decided: (columns,) bool, what the annotation decides.
    Columns that no lineage could choose otherwise are not decided: nobody had to say so.
    spans: (columns, 2) int64 first and last step of the detections that each column touches.
    loss: (2, columns) float64, where it is not the Hamming distance over the decided columns: what choosing each column
    adds to the loss, and constants that are added whatever is chosen.
    """

    values: NDArray[np.int8]
    decided: NDArray[np.bool_]
    spans: NDArray[np.int64]
    loss: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class TargetReport:
    """How a truth became a target.

    rule: of `tracker.matching.match_objects`.   objects, matched: true objects in the frames used, and those that are a
    detection.   links, divisions: true parents with one child, and with two, that are decided; lost_*: those that are
    no candidate, about which nothing is said.   appearances, disappearances: decided ones, the movie's ends left out.
    """

    rule: str
    objects: int
    matched: int
    links: int
    lost_links: int
    divisions: int
    lost_divisions: int
    appearances: int
    disappearances: int


def target_from_truth(
    prepared: Prepared,
    truth: Truth,
    frames: NDArray[np.int64] | None = None,
    *,
    least_share: float = 0.5,
) -> tuple[Target, TargetReport]:
    """The target of a truth, and how well the two fit.

    frames: in which the truth is trusted (the input's own t), default all that it has.
    Decided are: all ways out of a true object, when the frames its children may lie in are known and what it really
    does is a candidate; its way in as far as the ways out of others and its own appearing decide it; and, where
    detections are optional, that what is no true object is left out.
    Raises TruthError when fewer than `least_share` of the true objects are detections.
    """
    detections, masks = prepared.inputs.detections, prepared.inputs.masks
    part = truth.select(detections.frames if frames is None else np.intersect1d(frames, detections.frames))
    matching = match_objects(detections, part, masks).one_to_one()
    matched = int((matching.rows >= 0).sum())
    if matched < least_share * len(part) or not matched:
        raise TruthError(
            f"the ground truth {truth.name} does not fit the detections: {matched} of its {len(part)} objects in "
            f"t = {part.frames[0]} to {part.frames[-1]} are detections (by the rule {matching.rule!r}), wanted at "
            f"least {least_share:.0%}. Give the truth of this movie, and of the same detections"
        )
    known = truth_as_lineage(truth, detections, masks)
    pins, lost_links, lost_divisions = _as_pins(prepared, known, np.isin(detections.frames, part.frames))
    target = decide(prepared.problem, pins, detections.step.astype(np.int64))
    n_children = (pins.children[:, 1:] >= 0).sum(axis=1)
    report = TargetReport(
        rule=matching.rule,
        objects=len(part),
        matched=matched,
        links=int((n_children == 1).sum()),
        lost_links=lost_links,
        divisions=int((n_children == 2).sum()),
        lost_divisions=lost_divisions,
        appearances=len(pins.appear),
        disappearances=int((n_children == 0).sum()),
    )
    return target, report


def target_from_pins(prepared: Prepared, pins: ResolvedPins) -> Target:
    """The target of the certain pins: what they say, and what follows from it for single rows of the program.

    `children` decides all ways out of a detection and all ways into its children; what is said to be false decides
    zeros. Pins with a confidence decide nothing. What they demand must be among the candidates, as after `prepare`.
    """
    return decide(prepared.problem, pins.hard, prepared.inputs.detections.step.astype(np.int64))


def cut_target(target: Target, whole: LinearModel, part: LinearModel) -> Target:
    """The target of a model that was cut from `whole` by `LinearModel.cut`.

    A detection whose parent lies, or may lie, outside is no more known not to appear; likewise children and the end.
    """
    place, program = part.columns, whole.program
    outside = np.ones(whole.n_columns, bool)
    outside[place] = False
    outside &= (target.values == 1) | ~target.decided
    layout = program.layout
    link, division = program.links[outside[layout.link]], program.divisions[outside[layout.division]]
    born, bears = np.zeros(program.n_detections, bool), np.zeros(program.n_detections, bool)
    born[link[:, 1]] = born[division[:, 1:]] = True
    bears[link[:, 0]] = bears[division[:, 0]] = True
    decided = target.decided.copy()
    decided[layout.appear] &= ~born | (target.values[layout.appear] == 1)
    decided[layout.disappear] &= ~bears | (target.values[layout.disappear] == 1)
    decided[layout.splits] &= ~bears[: layout.splits.stop - layout.splits.start]
    decided = decided[place]
    spans = part.spans
    # What every lineage of the part must do needs no annotation any more.
    lower, upper = propagate(part.program, part.program.lower, part.program.upper)
    decided &= lower < upper
    return Target(np.where(decided, target.values[place], 0).astype(np.int8), decided, spans)


def _as_pins(prepared: Prepared, known: TrueLineage, trusted: NDArray[np.bool_]) -> tuple[PinArrays, int, int]:
    """The truth as pins, without what is no candidate; and how many links and divisions that were.

    trusted: (T,) bool, steps in which the truth is known.
    """
    problem, step = prepared.problem, prepared.inputs.detections.step
    lineage, last = known.lineage, len(trusted) - 1
    gap = int(prepared.graph.link_gap_frames.max(initial=1))
    after, before = np.ones(len(trusted), bool), np.ones(len(trusted), bool)
    for skip in range(1, gap + 1):
        after[:-skip] &= trusted[skip:]
        before[skip:] &= trusted[:-skip]
    seen = lineage.selected & trusted[step]
    closed = seen & after[step] & (step < last) & ~known.unknown_children
    children = np.full((len(step), 2), -1, np.int64)
    children[lineage.links[:, 0], 0] = lineage.links[:, 1]
    children[lineage.divisions[:, 0]] = lineage.divisions[:, 1:]
    asked = np.column_stack([np.flatnonzero(closed), children[closed]])
    count = (asked[:, 1:] >= 0).sum(axis=1)
    here = np.ones(len(asked), bool)
    here[count == 1] = find_links(problem.links, asked[count == 1][:, [0, 1, 1]])[:, 0] >= 0
    here[count == 2] = _divisions_there(problem, asked[count == 2])
    appears = lineage.appears & seen & before[step] & (step > 0) & ~known.unknown_parent
    row = np.flatnonzero(appears)
    left_out = ~lineage.selected & trusted[step] & (problem.lower[problem.layout.detection] == 0)
    pins = PinArrays(
        children=asked[here],
        appear=np.column_stack([row, np.ones_like(row)]),
        detection=np.column_stack([np.flatnonzero(left_out), np.zeros(int(left_out.sum()), np.int64)]),
    )
    return pins, int((~here & (count == 1)).sum()), int((~here & (count == 2)).sum())


def _divisions_there(problem: TrackingProblem, wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(K,) whether each division (parent, child, child) can be chosen."""
    if problem.split:
        return np.asarray((find_links(problem.links, wanted) >= 0).all(axis=1))
    return find_divisions(problem.divisions, wanted) >= 0


def decide(problem: TrackingProblem, pins: PinArrays, step: NDArray[np.int64]) -> Target:
    """What pins decide: the columns that have one value left under them, but not without."""
    free_lower, free_upper = propagate(problem, problem.lower, problem.upper)
    pinned = apply_pins(problem, pins)
    lower, upper = propagate(pinned, pinned.lower, _without_other_children(problem, pins.link, pinned.upper))
    decided = (lower == upper) & (free_lower < free_upper)
    values = np.where(decided, lower, 0).astype(np.int8)
    return Target(values, decided, column_spans(problem, step))


def _without_other_children(
    problem: TrackingProblem, pins: NDArray[np.int64], upper: NDArray[np.int8]
) -> NDArray[np.int8]:
    """Upper bounds under `PinArrays.link`, with the ways out of a parent closed that miss a child it is known to have.

    A single row of the program does not show that: the link and the divisions that hold it share no variable.
    """
    true, upper, layout = pins[pins[:, 2] == 1, :2], upper.copy(), problem.layout
    upper[layout.disappear.start + true[:, 0]] = 0
    if problem.split or not len(true):
        return upper
    known = np.bincount(true[:, 0], minlength=problem.n_detections)
    key = true[:, 0] * problem.n_detections + true[:, 1]

    def missed(parent: NDArray[np.integer], children: NDArray[np.integer]) -> NDArray[np.bool_]:
        held = np.isin(parent[:, None].astype(np.int64) * problem.n_detections + children, key).sum(axis=1)
        return np.asarray(held < known[parent])

    upper[layout.link][missed(problem.links[:, 0], problem.links[:, 1:])] = 0
    upper[layout.division][missed(problem.divisions[:, 0], problem.divisions[:, 1:])] = 0
    return upper
