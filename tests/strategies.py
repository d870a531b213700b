"""Random tiny problems and pins for hypothesis: small enough for brute force, rich enough to break a solver."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_movie import PAIR, SPLIT

from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem, make_problem

PLAIN = "plain"  # model A without any division

_QUARTERS = st.integers(-8, 8).map(lambda n: n / 4)  # ties happen
_REALS = st.floats(-3, 3, width=32)


def examples(count: int) -> Callable[[Any], Any]:
    """Settings: always the same `count` examples, none of them stored."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=quiet)


def frames_of_problem(problem: TrackingProblem) -> NDArray[np.int64]:
    """(N,) frames that fit the problem: each detection in a frame of its own, in the order of the rows."""
    return np.arange(problem.n_detections)


@st.composite
def problems(
    draw: st.DrawFn,
    model: str,
    *,
    max_detections: int = 7,
    max_links: int = 10,
    max_divisions: int = 6,
    bounded: bool = False,
    free_ends_at_least: float = -3,
) -> TrackingProblem:
    """A problem over at most four frames: links that skip frames, costs of both signs, kept detections, exclusive sets.

    Divisions are mostly of two candidate links, some lack one or both. `bounded`: a few columns are fixed at random.
    free_ends_at_least: smallest cost of appearing and disappearing.
    """
    frames = sorted(draw(st.lists(st.integers(0, 3), min_size=1, max_size=max_detections)))
    count = len(frames)
    later = {u: [v for v in range(count) if frames[v] > frames[u]] for u in range(count)}
    links = draw(_some([(u, v) for u in range(count) for v in later[u]], max_links))
    triples = []
    if model == PAIR:
        proper = [(u, v, w) for (u, v), (m, w) in combinations(sorted(links), 2) if u == m]
        any_pair = [(u, *pair) for u in range(count) for pair in combinations(later[u], 2)]
        chosen = draw(_some(proper, max_divisions)) + draw(_some(any_pair, 1))
        triples = [(u, w, v) if draw(st.booleans()) else (u, v, w) for u, v, w in dict.fromkeys(chosen)]

    number = draw(st.sampled_from([_QUARTERS, _REALS]))

    def costs(size: int, least: float = -3) -> NDArray[np.float64]:
        drawn = draw(st.lists(number, min_size=size, max_size=size))
        return np.maximum(np.array(drawn, np.float64), least)

    keep = draw(st.one_of(st.booleans(), st.lists(st.booleans(), min_size=count, max_size=count)))
    sets = draw(st.lists(_some(list(range(count)), 3), max_size=2)) if count > 1 else []
    problem = make_problem(
        count,
        np.array(links, np.int64).reshape(-1, 2),
        np.array(triples, np.int64).reshape(-1, 3) if model != SPLIT else None,
        link_cost=costs(len(links)),
        division_cost=costs(len(triples)) * 2 if model != SPLIT else None,
        appear_cost=costs(count, free_ends_at_least),
        disappear_cost=costs(count, free_ends_at_least),
        detection_cost=costs(count) if draw(st.booleans()) else 0.0,
        split_cost=costs(count) if model == SPLIT else None,
        keep=np.array(keep),
        exclusive_sets=[np.array(members) for members in sets if len(members) > 1],
    )
    if model == SPLIT and draw(st.booleans()):
        siblings = [(i, j) for i, j in combinations(range(len(links)), 2) if links[i][0] == links[j][0]]
        problem = replace(problem, forbidden_pairs=np.array(draw(_some(siblings, 2)), np.int64).reshape(-1, 2))
    if bounded:
        lower, upper = problem.lower.copy(), problem.upper.copy()
        for column in draw(_some(list(range(problem.layout.n_columns)), 3)):
            if draw(st.booleans()):
                lower[column] = 1
            else:
                upper[column] = 0
        problem = problem.with_bounds(lower, upper)
    return problem


def _some(of: list[Any], at_most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(of), max_size=at_most, unique=True) if of else st.just([])


@st.composite
def pinned_problems(draw: st.DrawFn, model: str, **options: Any) -> tuple[TrackingProblem, PinArrays]:
    """A problem and one or two pins on its candidates, which may or may not hold together."""
    problem = draw(problems(model, **options))
    links, divisions = problem.links.tolist(), problem.divisions.tolist()
    siblings = [(u, v, w) for (u, v), (m, w) in combinations(sorted(links), 2) if u == m]
    dividing = siblings if problem.split else divisions
    rows = st.integers(0, problem.n_detections - 1)
    row_value = st.tuples(rows, st.integers(0, 1))
    ends = [(u, -1, -1) for u in range(problem.n_detections)]
    kinds: dict[str, Any] = dict.fromkeys(("detection", "appear", "disappear"), row_value)
    kinds["children"] = st.sampled_from(ends + [(u, v, -1) for u, v in links] + [tuple(three) for three in dividing])
    if links:
        kinds["link"] = st.tuples(st.sampled_from(links), st.integers(0, 1)).map(lambda pin: (*pin[0], pin[1]))
    if dividing:
        kinds["division"] = st.tuples(st.sampled_from(dividing), st.integers(0, 1)).map(lambda pin: (*pin[0], pin[1]))
    chosen: dict[str, list[tuple[int, ...]]] = {}
    for kind in draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=2)):
        chosen.setdefault(kind, []).append(draw(kinds[kind]))
    return problem, PinArrays(**{kind: np.array(pins, np.int64) for kind, pins in chosen.items()})
