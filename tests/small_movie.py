"""Cases: a tiny problem with the answer that a person worked out, under a name. The situations are in cases.py."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem, make_problem

PAIR, SPLIT = "pair", "split"
MODELS = (PAIR, SPLIT)


@dataclass(frozen=True)
class Case:
    """A problem and its answer; links and selected are None, and objective is ignored, where it has no answer."""

    problem: TrackingProblem
    frames: NDArray[np.int64]
    objective: float
    links: set[tuple[int, int]] | None
    unselected: set[int] = field(default_factory=set)
    pins: PinArrays = field(default_factory=PinArrays)

    @property
    def feasible(self) -> bool:
        return self.links is not None


CASES: dict[str, Callable[[], Case]] = {}


def case(*models: str) -> Callable[[Callable[[str], Case]], Callable[[str], Case]]:
    """Register a builder once for each of the models."""

    def register(build: Callable[[str], Case]) -> Callable[[str], Case]:
        for model in models:
            CASES[f"{build.__name__}-{model}"] = lambda model=model: build(model)
        return build

    return register


def movie(
    model: str,
    frames: list[int],
    links: dict[tuple[int, int], float],
    *,
    divisions: dict[tuple[int, int, int], float] | None = None,
    split: float = 5.0,
    appear: float | list[float] = 1.0,
    disappear: float | list[float] = 1.0,
    detection: float | list[float] = 0.0,
    keep: bool | list[bool] = True,
    exclusive: list[list[int]] | None = None,
    forbidden: list[tuple[int, int]] | None = None,
) -> TrackingProblem:
    """A problem; appear and disappear given as one number are free in the first and last frame."""
    frame = np.array(frames, np.int64)
    pairs = list(links)
    if divisions is None:
        siblings = [(one, other) for one, other in combinations(sorted(pairs), 2) if one[0] == other[0]]
        divisions = {(one[0], one[1], other[1]): links[one] + links[other] + split for one, other in siblings}
    ends = [
        np.where(frame == end, 0.0, cost) if isinstance(cost, float) else np.array(cost)
        for cost, end in ((appear, frame.min(initial=0)), (disappear, frame.max(initial=0)))
    ]
    by_pair = model == PAIR
    problem = make_problem(
        len(frame),
        np.array(pairs, np.int64).reshape(-1, 2),
        np.array(list(divisions), np.int64).reshape(-1, 3) if by_pair else None,
        link_cost=np.array(list(links.values())),
        division_cost=np.array(list(divisions.values())) if by_pair else None,
        appear_cost=ends[0],
        disappear_cost=ends[1],
        detection_cost=np.array(detection),
        split_cost=None if by_pair else split,
        keep=np.array(keep),
        exclusive_sets=[np.array(members) for members in exclusive or []],
    )
    if forbidden and not by_pair:
        problem = replace(problem, forbidden_pairs=np.array(forbidden))
    return problem


def frames_of(*per_frame: int) -> list[int]:
    """So many detections in frame 0, 1, ..."""
    return np.repeat(np.arange(len(per_frame)), per_frame).tolist()


def answer(
    problem: TrackingProblem,
    frames: list[int],
    objective: float,
    links: set[tuple[int, int]] | None,
    unselected: set[int] | None = None,
    pins: PinArrays | None = None,
) -> Case:
    return Case(problem, np.array(frames, np.int64), objective, links, unselected or set(), pins or PinArrays())


def no_answer(problem: TrackingProblem, frames: list[int], pins: PinArrays | None = None) -> Case:
    return answer(problem, frames, np.nan, None, None, pins)
