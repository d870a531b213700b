"""Random movies for block-wise solving, and the whole of it in one process through a store in memory."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.bounds_column import BOUNDS, SPLIT_COST, encode_candidates, encode_detections
from tracker.blocks.grid import Grid, make_grid, spans
from tracker.blocks.mending import MovieMended, mend_movie
from tracker.blocks.movie import Movie, read_movie
from tracker.blocks.plan import Plan
from tracker.blocks.stored import Forbidden
from tracker.blocks.work import solve_in_store
from tracker.config_blocks import Blocks
from tracker.detections import Detections
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.store import CandidateRows, DetectionRows, Header, Place, Store, create_store

SETTINGS = SolverSettings(threads=1)


@dataclass(frozen=True)
class Sample:
    """A problem over detections in time and along one axis (y = 0)."""

    problem: TrackingProblem
    frame: NDArray[np.int64]
    x: NDArray[np.float64]

    @property
    def detections(self) -> Detections:
        position = np.column_stack([np.zeros(len(self.x)), self.x])
        frames = np.arange(self.frame.max() + 1)
        return Detections(self.frame, np.arange(1, len(self.x) + 1), position, frames, np.ones(2))


def random_movie(rng: np.random.Generator, *, split: bool, closed: float = 0.0) -> Sample:
    """Costs of both signs, links over one or two frames, some detections kept.

    closed: share of detections that may not appear, and of those that may not disappear, as pins would have it.
    """
    steps, per_frame = int(rng.integers(3, 8)), int(rng.integers(4, 12))
    count = steps * per_frame
    frame, x = np.repeat(np.arange(steps), per_frame), rng.random(count) * per_frame
    u, v = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
    step = frame[v] - frame[u]
    near = (step >= 1) & (step <= rng.integers(1, 3)) & (np.abs(x[u] - x[v]) < 2.5)
    links = np.column_stack(np.nonzero(near))
    cost = rng.normal(size=len(links)) * rng.choice([0.3, 1]) + np.abs(x[u] - x[v])[near] - rng.choice([0, 1, 2])
    if rng.random() < 0.4:
        cost = np.round(cost * 2) / 2  # ties happen
    divisions, prices = [], []
    for one in range(0 if not split else len(links), len(links)):
        for other in range(one + 1, len(links)):
            if links[one, 0] != links[other, 0]:
                break
            if rng.random() < 0.7:
                divisions.append([*links[one], links[other, 1]])
                prices.append(cost[one] + cost[other] + rng.normal() * 1.5)
    appear, disappear = rng.normal(size=(2, count)) * 0.5 + 1
    appear[frame == 0] = disappear[frame == steps - 1] = 0
    problem = make_problem(
        count,
        links,
        None if split else np.array(divisions, np.int64).reshape(-1, 3),
        link_cost=cost,
        division_cost=None if split else np.array(prices),
        appear_cost=appear,
        disappear_cost=disappear,
        detection_cost=rng.normal(size=count) * 0.5,
        split_cost=rng.normal(size=count) if split else None,
        keep=rng.random(count) < rng.choice([0, 0.5, 1]),
    )
    layout, lower, upper = problem.layout, problem.lower.copy(), problem.upper.copy()
    if closed:
        upper[layout.appear][(rng.random(count) < closed) & (frame > 0)] = 0
        upper[layout.disappear][(rng.random(count) < closed) & (frame < steps - 1)] = 0
        upper[layout.link][rng.random(len(links)) < 0.05] = 0
        wanted = layout.link.start + rng.integers(0, len(links))
        lower[wanted] = upper[wanted] = 1
    return Sample(problem.with_bounds(lower, upper), frame, x)


def store_of(sample: Sample, folder: Path) -> Store:
    """A filled store in memory."""
    problem, found = sample.problem, sample.detections
    layout = problem.layout
    header = Header(
        config={},
        frames=found.frames,
        ndim=2,
        divisions="split" if problem.split else "pair",
        detection_columns=(BOUNDS, *([SPLIT_COST] if problem.split else [])),
        link_columns=(BOUNDS,),
        division_columns=(BOUNDS,),
    )
    store = create_store(Place("memory", folder), header)
    columns = {BOUNDS: encode_detections(problem)}
    if problem.split:
        columns[SPLIT_COST] = problem.cost[layout.splits]
    store.write_detections(
        DetectionRows(
            id=np.arange(len(found)),
            step=found.step,
            frame=found.frame,
            label=found.label,
            position=found.position,
            appear_cost=problem.cost[layout.appear],
            disappear_cost=problem.cost[layout.disappear],
            detection_cost=problem.cost[layout.detection],
            keep=problem.lower[layout.detection] == 1,
            columns=columns,
        )
    )
    store.write_candidates(
        CandidateRows(
            links=problem.links,
            link_cost=problem.cost[layout.link],
            divisions=problem.divisions,
            division_cost=problem.cost[layout.division],
            link_columns={BOUNDS: encode_candidates(problem, layout.link)},
            division_columns={BOUNDS: encode_candidates(problem, layout.division)},
        )
    )
    return store


def grid_of(sample: Sample, blocks: Blocks) -> Grid:
    problem, found = sample.problem, sample.detections
    far = [spans(found.step, found.position, ends) for ends in (problem.links, problem.divisions)]
    longest = np.concatenate(far).max(axis=0, initial=0.0)
    must = problem.links[problem.lower[problem.layout.link] == 1]
    pinned = spans(found.step, found.position, must).max(axis=0, initial=0.0)
    return make_grid(blocks, found, longest=longest, common=longest, pinned=pinned)


def solve_sample(
    sample: Sample, blocks: Blocks, folder: Path, forbidden: Forbidden | None = None
) -> tuple[Store, Movie, MovieMended]:
    """All blocks one after the other, then the seams; nothing of the seams is written."""
    store = store_of(sample, folder)
    folder.mkdir(exist_ok=True)
    place = store.place
    plan = Plan(place, grid_of(sample, blocks), forbidden or Forbidden(), SETTINGS, "digest", folder, "token")
    plan.token_file.write_text("token", encoding="utf-8")
    for number in range(len(plan.grid)):
        solve_in_store(store, plan, number, np.inf)
    movie = read_movie(store, sample.problem.n_detections, plan.forbidden)
    return store, movie, mend_movie(store, movie, sample.detections.starts, SETTINGS, np.inf)
