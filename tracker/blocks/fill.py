"""From a config to a filled store: detections, candidates and bounds, a window of frames at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.annotations import blame, with_soft_pins
from tracker.auto.model import MovieModel
from tracker.blocks.bounds_column import BOUNDS, FREE, SPLIT_COST, encode_candidates, encode_detections
from tracker.blocks.filled import Filled, fingerprints
from tracker.blocks.grid import spans
from tracker.blocks.lengths import Lengths
from tracker.blocks.plan import FILLED
from tracker.blocks.stored import Forbidden
from tracker.candidate_stream import PricedChunk, stream_candidates
from tracker.candidate_windows import CandidateSource
from tracker.config import Config
from tracker.detections import Detections
from tracker.ilp.backends import SolverSettings
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.ilp.rows import constraint_matrix
from tracker.ilp.solve import InfeasibleProblemError
from tracker.notes import notes_of
from tracker.pin_checks import ResolvedPins
from tracker.store import (
    PIN_KINDS,
    BlockSolution,
    CandidateRows,
    DetectionRows,
    Header,
    PinRows,
    Store,
)
from tracker.store.configured import config_identity

_ROWS_AT_ONCE = 200_000


def header_of(config: Config, detections: Detections) -> Header:
    """What the store of a config is made for."""
    split = config.candidates.divisions == "split"
    return Header(
        config=config_identity(config),
        frames=detections.frames,
        ndim=detections.ndim,
        unit=detections.unit,
        scale=tuple(detections.scale.tolist()),
        image_shape=detections.image_shape,
        divisions=config.candidates.divisions,
        detection_columns=(BOUNDS, *([SPLIT_COST] if split else [])),
        link_columns=(BOUNDS,),
        division_columns=(BOUNDS,),
    )


def forbidden_of(pins: ResolvedPins | None, divisions: str) -> Forbidden:
    """The divisions that pins forbid, where that is no bound of a column: in the split model."""
    if pins is None or divisions != "split":
        return Forbidden()
    given = pins.hard.division
    false = given[given[:, 3] == 0][:, :3]
    ordered = np.column_stack([false[:, 0], np.sort(false[:, 1:], axis=1)])
    return Forbidden(np.unique(ordered, axis=0).reshape(-1, 3))


def fill(
    store: Store,
    config: Config,
    source: CandidateSource,
    pins: ResolvedPins | None,
    movie: MovieModel | None,
    settings: SolverSettings,
    done: Callable[[float], None] = lambda share: None,
) -> Filled:
    """Write everything that blocks need; the record FILLED, last of all, says that it is complete.

    Candidates around detections that pins touch wait until all are known; then the pins become bounds and costs.
    Raises PinConflictError where pins contradict each other at sight.
    """
    detections = source.context.graph.detections
    touched = np.zeros(len(detections), bool) if source.demand is None else source.demand.touched
    step, lengths = detections.step, Lengths(detections)
    held: list[PricedChunk] = []
    proposed, kept = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for chunk in stream_candidates(source, done=done):
        proposed += (chunk.n_links_proposed, chunk.n_divisions_proposed)
        kept += (len(chunk.links), len(chunk.divisions))
        for ends in (chunk.links, chunk.divisions):
            lengths.add(spans(step, detections.position, ends))
        near: list[NDArray[np.bool_]] = [
            np.asarray(touched[ends].any(axis=1)) for ends in (chunk.links, chunk.divisions)
        ]
        _write_candidates(store, chunk, ~near[0], ~near[1])
        if near[0].any() or near[1].any():
            held.append(_part(chunk, near[0], near[1]))
    problem = _detections_with(source, held, detections, keep=config.costs.detection == "keep")
    if pins is not None:
        problem = with_soft_pins(problem, pins, config.annotations.soft_weight)
        problem = _pinned(problem, pins, settings)
    _write_held(store, problem)
    _write_detections(store, detections, problem)
    if pins is not None:
        store.write_pins("user", pin_rows(pins.hard))
    filled = Filled(
        longest=tuple(lengths.longest.tolist()),
        common=tuple(lengths.common().tolist()),
        pinned=tuple(_pinned_reach(problem, detections).tolist()),
        proposed=(int(proposed[0]), int(proposed[1])),
        kept=(int(kept[0]), int(kept[1])),
        statistics={
            f"{family}.{name}": {"mean": measure.mean, "std": measure.std}
            for (family, name), measure in source.statistics.items()
        },
        measured=None if movie is None else movie.numbers.model_dump(mode="json"),
        notes=tuple(notes_of(config, detections, movie, int(proposed[0] + kept[0]))),
        made_of=fingerprints(config, detections, pins),
    )
    mark(store, FILLED, "", filled.facts())
    return filled


def _pinned_reach(problem: TrackingProblem, detections: Detections) -> NDArray[np.float64]:
    """(1 + D,) how far the links and divisions span that must be chosen."""
    layout, reach = problem.layout, np.zeros(detections.ndim + 1)
    for ends, family in ((problem.links, layout.link), (problem.divisions, layout.division)):
        found = spans(detections.step, detections.position, ends[problem.lower[family] == 1])
        reach = np.maximum(reach, found.max(axis=0, initial=0.0))
    return reach


def mark(
    store: Store, number: int, digest: str, facts: dict[str, Any], objective: float = 0.0, bound: float = 0.0
) -> None:
    """Write a record that owns no detection."""
    none = np.empty(0)
    flags, ids = none.astype(bool), none.astype(np.int64)
    store.write_solution(
        BlockSolution(
            block=number,
            digest=digest,
            id=ids,
            selected=flags,
            appear=flags,
            disappear=flags,
            dual_in=none,
            dual_out=none,
            links=ids.reshape(-1, 2),
            divisions=ids.reshape(-1, 3),
            objective=objective,
            bound=bound,
            facts=facts,
        )
    )


def pin_rows(pins: PinArrays) -> PinRows:
    """Certain pins as a store keeps them, for whoever reads it; `children` as the pins that it means."""
    kinds, ids, values = [np.empty(0, np.int8)], [np.empty((0, 3), np.int64)], [np.empty(0, bool)]

    def add(kind: str, rows: NDArray[np.int64], value: NDArray[np.bool_]) -> None:
        wide = np.full((len(rows), 3), -1, np.int64)
        wide[:, : rows.shape[1]] = rows
        kinds.append(np.full(len(rows), PIN_KINDS.index(kind), np.int8))
        ids.append(wide)
        values.append(value)

    for kind in PIN_KINDS:
        given = getattr(pins, kind)
        add(kind, given[:, :-1], given[:, -1] == 1)
    n_children = (pins.children[:, 1:] >= 0).sum(axis=1)
    none, one, two = (pins.children[n_children == number] for number in range(3))
    add("disappear", none[:, :1], np.ones(len(none), bool))
    add("link", np.column_stack([one[:, 0], one[:, 1:].max(axis=1, initial=-1)]), np.ones(len(one), bool))
    add("division", two, np.ones(len(two), bool))
    return PinRows(np.concatenate(kinds), np.concatenate(ids), np.concatenate(values))


def _write_candidates(store: Store, chunk: PricedChunk, links: NDArray[np.bool_], divisions: NDArray[np.bool_]) -> None:
    store.write_candidates(
        CandidateRows(
            links=chunk.links[links].astype(np.int64),
            link_cost=chunk.link_cost[links],
            divisions=_ordered(chunk.divisions[divisions]),
            division_cost=chunk.division_cost[divisions],
            link_columns={BOUNDS: np.full(int(links.sum()), FREE)},
            division_columns={BOUNDS: np.full(int(divisions.sum()), FREE)},
        )
    )


def _part(chunk: PricedChunk, links: NDArray[np.bool_], divisions: NDArray[np.bool_]) -> PricedChunk:
    return PricedChunk(
        first_step=chunk.first_step,
        stop_step=chunk.stop_step,
        links=chunk.links[links],
        link_cost=chunk.link_cost[links],
        divisions=chunk.divisions[divisions],
        division_cost=chunk.division_cost[divisions],
        division_links=np.empty((0, 2), np.int32),
        n_links_proposed=0,
        n_divisions_proposed=0,
    )


def _detections_with(
    source: CandidateSource, held: list[PricedChunk], detections: Detections, *, keep: bool
) -> TrackingProblem:
    """The program of all detections and of the candidates that were held back."""
    ends = source.ends
    pairs = source.pairs
    return make_problem(
        len(detections),
        np.concatenate([np.empty((0, 2), np.int64), *(chunk.links for chunk in held)]),
        np.concatenate([np.empty((0, 3), np.int64), *(_ordered(chunk.divisions) for chunk in held)]) if pairs else None,
        link_cost=np.concatenate([np.empty(0), *(chunk.link_cost for chunk in held)]),
        division_cost=np.concatenate([np.empty(0), *(chunk.division_cost for chunk in held)]) if pairs else None,
        appear_cost=ends.appear,
        disappear_cost=ends.disappear,
        detection_cost=ends.detection,
        split_cost=ends.split,
        keep=keep,
    )


def _pinned(problem: TrackingProblem, pins: ResolvedPins, settings: SolverSettings) -> TrackingProblem:
    """The problem under the certain pins. Raises PinConflictError where some contradict each other at sight."""
    bounded = apply_pins(problem, pins.hard)
    impossible = np.flatnonzero(bounded.lower > bounded.upper)
    if len(impossible):
        rows = np.unique(constraint_matrix(problem, impossible).indices).astype(np.int64)
        raise blame(problem, pins, InfeasibleProblemError(problem, rows), settings)
    return bounded


def _write_held(store: Store, problem: TrackingProblem) -> None:
    layout = problem.layout
    if not len(problem.links) and not len(problem.divisions):
        return
    store.write_candidates(
        CandidateRows(
            links=problem.links.astype(np.int64),
            link_cost=problem.cost[layout.link],
            divisions=problem.divisions.astype(np.int64),
            division_cost=problem.cost[layout.division],
            link_columns={BOUNDS: encode_candidates(problem, layout.link)},
            division_columns={BOUNDS: encode_candidates(problem, layout.division)},
        )
    )


def _write_detections(store: Store, detections: Detections, problem: TrackingProblem) -> None:
    layout, bounds, step = problem.layout, encode_detections(problem), detections.step
    keep = problem.lower[layout.detection] == 1
    for first in range(0, len(detections), _ROWS_AT_ONCE):
        own = slice(first, min(first + _ROWS_AT_ONCE, len(detections)))
        columns = {BOUNDS: bounds[own]}
        if problem.split:
            columns[SPLIT_COST] = problem.cost[layout.splits][own]
        store.write_detections(
            DetectionRows(
                id=np.arange(own.start, own.stop),
                step=step[own],
                frame=detections.frame[own],
                label=detections.label[own],
                position=detections.position[own],
                appear_cost=problem.cost[layout.appear][own],
                disappear_cost=problem.cost[layout.disappear][own],
                detection_cost=problem.cost[layout.detection][own],
                keep=keep[own],
                columns=columns,
            )
        )


def _ordered(divisions: NDArray[np.integer]) -> NDArray[np.int64]:
    """Divisions with increasing child ids."""
    return np.column_stack([divisions[:, 0], np.sort(divisions[:, 1:], axis=1)]).astype(np.int64).reshape(-1, 3)
