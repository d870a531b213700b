"""Measuring a movie without labels: solve, look at the answer, solve again with better numbers.

The first numbers come from detections that are each other's nearest, and from priors; then a few rounds of the global
optimum and of estimates from its links and divisions ("hard" expectation maximisation). Priors count as a few pseudo
observations, so that a movie without divisions keeps sensible numbers for them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.auto.channels import channels_of
from tracker.auto.density import log_student, median_normal, median_student
from tracker.auto.flow import local_flow, mutual_nearest, step_scale
from tracker.auto.model import MovieModel, Surprise, children_together, outlier_share
from tracker.candidates import CandidateGraph
from tracker.config_measured import Measured, MeasuredProperty
from tracker.detections import Detections
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import make_problem
from tracker.ilp.solve import solve
from tracker.local_motion import residuals

ROUNDS = 4
_TAILS = (2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
_FIRST = {
    "step_tail": 4.0,
    "midpoint_steps": 2.0,
    "separation": 0.42,
    "separation_spread": 0.35,
    "division_rate": 0.01,
    "appear_rate": 0.005,
    "disappear_rate": 0.005,
    "edge_appear_rate": 0.1,
    "edge_disappear_rate": 0.1,
    "missed_rate": 0.01,
    "link_outliers": 0.1,
    "division_outliers": 0.1,
}
_PRIOR_DIVISIONS = 20  # pseudo observations of the shape and properties of divisions
_PRIOR_PARENTS = 100  # of the division rate
_PRIOR_ENDS = 300  # of each rate of appearing and disappearing
_PRIOR_OUTLIERS = 50
_PROPERTY_SPREAD = 0.3  # of sizes and intensities at divisions, before any is known
_EDGE_STEPS = 5.0
_STILL = 1e-6  # of the distance between neighbours: shorter steps are none, or rounding
Propose = Callable[[NDArray[np.float64] | None], CandidateGraph]
# (N,) bool detections that are cells, links that are chosen, and (K, 2) pairs of links of the divisions that are.
_Solution = tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]


def measure_movie(
    detections: Detections,
    propose: Propose,
    *,
    numbers: Measured | None = None,
    keep: bool = True,
    detection_cost: float = 0.0,
    settings: SolverSettings | None = None,
) -> MovieModel:
    """Measure local motion and, unless they are given, the numbers of a movie.

    propose: the candidate graph under a local motion (None: nothing moves).
    keep, detection_cost: as in the config, whether every detection is a cell, else the cost of one.
    """
    flow = np.zeros_like(detections.position)
    if len(detections.frames) < 2 or not len(detections):
        return MovieModel(numbers or _first_numbers(Surprise(detections), flow), flow, None if numbers else 0)
    surprise = Surprise(detections)
    model = MovieModel(numbers or _first_numbers(surprise, flow), flow, None if numbers else 0)
    before: NDArray[np.int64] | None = None
    for _ in range(ROUNDS):
        graph = propose(model.flow)
        selected, links, pairs = _solve(graph, surprise, model, keep, detection_cost, settings)
        chosen = np.concatenate([graph.links[links], graph.links[pairs].reshape(-1, 2)])
        if before is not None and np.array_equal(before, chosen):
            break
        before = chosen
        one_frame = links[graph.link_gap_frames[links] == 1]
        flow = local_flow(detections, graph.links[one_frame]) if len(one_frame) else model.flow
        after = numbers or _look(surprise, graph, (selected, links, pairs), model, flow)
        model = MovieModel(after, flow, None if numbers else len(one_frame))
    return model


def _solve(
    graph: CandidateGraph,
    surprise: Surprise,
    model: MovieModel,
    keep: bool,
    detection_cost: float,
    settings: SolverSettings | None,
) -> _Solution:
    """The optimum; its ends are free where the final program's are."""
    found = graph.detections
    appear, disappear = surprise.ends(model.numbers)
    could_come, could_follow = _beside(found)
    appear[~could_come], disappear[~could_follow] = 0.0, 0.0
    problem = make_problem(
        len(found),
        graph.links,
        graph.divisions,
        link_cost=surprise.links(graph.links, model),
        division_cost=surprise.divisions(graph.links, graph.division_links, model),
        detection_cost=detection_cost,
        appear_cost=appear,
        disappear_cost=disappear,
        keep=keep,
        division_links=graph.division_links,
    )
    values = solve(problem, settings).values
    layout = problem.layout
    pairs = graph.division_links[np.flatnonzero(values[layout.division])].astype(np.int64)
    return np.asarray(values[layout.detection], bool), np.flatnonzero(values[layout.link]), pairs


def _beside(found: Detections) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(N,) whether the frame before, and (N,) whether the frame after, holds detections."""
    filled = np.diff(found.starts) > 0
    return np.append(False, filled[:-1])[found.step], np.append(filled[1:], False)[found.step]


def _first_numbers(surprise: Surprise, flow: NDArray[np.float64]) -> Measured:
    """From mutual nearest neighbours, and priors."""
    detections = surprise.detections
    pairs = mutual_nearest(detections, flow)
    steps = _moving(residuals(detections, pairs, flow), surprise)
    # Nothing moves: any scale will do that is small against a pixel.
    scale = step_scale(steps) if len(steps) else 1e-3 * float(detections.scale.min())
    known = "border_distance_px" in detections.properties
    properties = {
        channel.name: MeasuredProperty(
            mean=_short(channel.values.mean()),
            spread=_short(channel.values.std()),
            unit=channel.unit,
            link_spread=_link_spread(channel.values, pairs),
            division_shift=0.0,
            division_spread=_PROPERTY_SPREAD,
            balance_spread=_PROPERTY_SPREAD,
        )
        for channel in channels_of(detections)
        if channel.values.std() > 0
    }
    return Measured(
        **_FIRST,
        step_scale=_short(scale),
        edge_px=_short(_EDGE_STEPS * scale / detections.scale[-1]) if known else 0.0,
        properties=properties,
    )


def _look(
    surprise: Surprise,
    graph: CandidateGraph,
    solution: _Solution,
    model: MovieModel,
    flow: NDArray[np.float64],
) -> Measured:
    """New numbers from a solution."""
    old, found = model.numbers, graph.detections
    _, links, pairs = solution
    own = graph.links[links]
    one_frame = own[graph.link_gap_frames[links] == 1]
    new: dict[str, Any] = {}
    steps = _moving(residuals(found, one_frame, flow), surprise)
    if len(steps):
        new |= _steps(np.linalg.norm(steps, axis=1), found.ndim)
    new |= _rates(surprise, graph, solution, old)
    if len(pairs):
        midpoint, separation = surprise.shape(graph.links, pairs, model)
        typical = np.log(np.median(separation))
        spread = _spread(np.log(separation) - typical)
        scale = np.median(midpoint) / median_normal(found.ndim) / new.get("step_scale", old.step_scale)
        new["separation"] = np.exp(_pooled(typical, np.log(_FIRST["separation"]), len(pairs)))
        new["separation_spread"] = np.sqrt(_pooled(spread**2, _FIRST["separation_spread"] ** 2, len(pairs)))
        new["midpoint_steps"] = np.exp(_pooled(np.log(max(scale, 0.3)), np.log(_FIRST["midpoint_steps"]), len(pairs)))
    parent, one, other = graph.links[pairs[:, 0], 0], graph.links[pairs[:, 0], 1], graph.links[pairs[:, 1], 1]
    properties = {}
    for (name, number), (_, values, adds_up) in zip(old.properties.items(), surprise.channels(old), strict=True):
        changed = {"link_spread": _link_spread(values, one_frame, number.link_spread)}
        if len(pairs):
            shift = children_together(values[one], values[other], adds_up) - values[parent]
            typical = float(np.median(shift))
            squares = {"division_spread": shift - typical, "balance_spread": values[one] - values[other]}
            changed["division_shift"] = _short(_pooled(typical, 0.0, len(pairs)))
            for key, deviation in squares.items():
                changed[key] = _short(np.sqrt(_pooled(_spread(deviation) ** 2, _PROPERTY_SPREAD**2, len(pairs))))
        properties[name] = number.model_copy(update=changed)
    return old.model_copy(update={key: _short(value) for key, value in new.items()} | {"properties": properties})


def _moving(steps: NDArray[np.float64], surprise: Surprise) -> NDArray[np.float64]:
    """The steps; where most cells stay exactly where they were, those of the cells that move."""
    moves = np.linalg.norm(steps, axis=1) > _STILL * np.median(surprise.nearest) if len(steps) else np.empty(0, bool)
    return steps[moves] if 2 * moves.sum() <= len(steps) else steps


def _steps(length: NDArray[np.float64], axes: int) -> dict[str, float]:
    """Scale and tail of the steps: the tail of the greatest likelihood, the scale that gives the median."""
    median = float(np.median(length))
    scales = {tail: median / median_student(axes, tail) for tail in _TAILS}
    tail = max(_TAILS, key=lambda nu: float(log_student(length**2, scales[nu], nu, axes).sum()))
    return {"step_scale": scales[tail], "step_tail": tail}


def _rates(
    surprise: Surprise,
    graph: CandidateGraph,
    solution: _Solution,
    old: Measured,
) -> dict[str, float]:
    """How often what happened to the cells, with pseudo observations of the priors.

    What no candidate allows (divisions, frame gaps) keeps its prior: not seeing it tells nothing.
    """
    found, count = graph.detections, len(graph.detections)
    cell, links, pairs = solution
    own = np.concatenate([graph.links[links], graph.links[pairs].reshape(-1, 2)])
    followed, explained = np.zeros(count, bool), np.zeros(count, bool)
    followed[own[:, 0]] = explained[own[:, 1]] = True
    could_come, could_follow = (beside & cell for beside in _beside(found))
    edge = surprise.at_edge(old)
    rates = {}
    for name, missing, asked in (("appear", ~explained, could_come), ("disappear", ~followed, could_follow)):
        for key, zone in ((f"{name}_rate", ~edge), (f"edge_{name}_rate", edge)):
            rates[key] = _rate(_FIRST[key], _PRIOR_ENDS, (missing & asked & zone).sum(), (asked & zone).sum())
    if len(graph.divisions):
        rates["division_rate"] = _rate(_FIRST["division_rate"], _PRIOR_PARENTS, len(pairs), could_follow.sum())
    if np.any(graph.link_gap_frames > 1):
        missed = surprise.missed(own[:, 0], own[:, 1]).sum()
        rates["missed_rate"] = _rate(_FIRST["missed_rate"], _PRIOR_ENDS, missed, len(own) + missed)
    for key, evidence in (
        ("link_outliers", surprise.link_evidence(graph.links[links], old)),
        ("division_outliers", surprise.division_evidence(graph.links, pairs, old)),
    ):
        share = outlier_share(evidence, getattr(old, key)).sum() if old.properties else 0.0
        rates[key] = _rate(_FIRST[key], _PRIOR_OUTLIERS, share, len(evidence) if old.properties else 0)
    return rates


def _rate(prior: float, weight: float, times: float, chances: float) -> float:
    return float((prior * weight + times) / (weight + chances))


def _pooled(value: float, prior: float, count: int) -> float:
    """Mean of `count` observations of `value` and the pseudo observations of the prior."""
    return float((count * value + _PRIOR_DIVISIONS * prior) / (count + _PRIOR_DIVISIONS))


def _spread(deviation: NDArray[np.float64]) -> float:
    """Standard deviation from the median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(deviation)))


def _link_spread(values: NDArray[np.float64], links: NDArray[np.integer], otherwise: float = 1.0) -> float:
    """Spread of a property along links: by the median or by the 80 % quantile, whichever is larger.

    Many annotators leave a radius as it was, so the median alone may be 0.
    """
    if not len(links):
        return otherwise
    change = np.abs(values[links[:, 1]] - values[links[:, 0]])
    return _short(max(_spread(change), float(np.quantile(change, 0.8)) / 1.2816, 1e-3))


def _short(value: float) -> float:
    """Six significant digits, so that frozen numbers are the measured ones."""
    return float(f"{value:.6g}")
