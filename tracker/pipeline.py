"""The one straight line: detections -> candidate graph -> features -> costs -> exact ILP -> lineage."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.candidates import CandidateGraph, build_candidates
from tracker.config import Config
from tracker.costs import Costs, price, to_problem
from tracker.detections import Detections
from tracker.evaluate import evaluate, require_traccuracy
from tracker.exact_margins import exact_margins
from tracker.features.context import FeatureContext
from tracker.ilp.backends import SolverSettings, check_backend
from tracker.ilp.problem import Solution, TrackingProblem
from tracker.ilp.solve import solve
from tracker.io.movie import Movie
from tracker.io.movies import open_movie
from tracker.io.points import read_points
from tracker.io.result import ResultTables, refuse_existing, write_result
from tracker.lineage import Lineage, make_lineage
from tracker.margins import Margins, bound_margins
from tracker.reading import detections_from_masks, detections_from_points, frames_of_points, select_frames
from tracker.run_report import make_report, peak_memory_mb
from tracker.scores import load_associations, load_embeddings, load_geff_scores
from tracker.truth import read_truth

log = logging.getLogger(__name__)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Inputs:
    """What was read: detections, and the movies they came from (None where not given)."""

    detections: Detections
    masks: Movie | None
    images: Movie | None


@dataclass(frozen=True)
class RunResult:
    """Everything a run computed. report: the content of run.json; metrics: of metrics.json, or None."""

    lineage: Lineage
    graph: CandidateGraph
    costs: Costs
    problem: TrackingProblem
    solution: Solution
    margins: Margins | None
    report: dict[str, Any]
    metrics: dict[str, Any] | None


@dataclass
class Stopwatch:
    """Seconds per named stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    progress: Progress = lambda stage: None

    @contextmanager
    def stage(self, name: str, message: str) -> Iterator[None]:
        """Time a stage and announce it."""
        self.progress(message)
        start = time.perf_counter()
        yield
        passed = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + passed
        log.debug("%s: %.2f s", message, passed)


def run(
    config: Config, *, overwrite: bool = False, plot: bool = False, progress: Progress = lambda stage: None
) -> RunResult:
    """Track a movie and write the result folder.

    overwrite: replace an earlier result.   plot: also write overview.png.   progress: told each stage as it begins.
    Raises the errors of tracker.errors; then nothing has been written.
    """
    start = time.perf_counter()
    watch = Stopwatch(progress=progress)
    folder = config.path(config.output.path)
    refuse_existing(folder, overwrite)
    check_backend(config.solver.backend)
    if plot:
        from tracker.plot import plot_overview, require_matplotlib

        require_matplotlib()
    truth_path = None if config.data.truth is None else config.path(config.data.truth)
    if truth_path is not None:
        require_traccuracy()

    with watch.stage("read", "reading detections"):
        inputs = read_inputs(config)
        truth = None if truth_path is None else read_truth(truth_path, scale=inputs.detections.scale)
    graph, context = propose(config, inputs, watch)
    with watch.stage("features", "computing features and costs"):
        costs = price(context, config.costs, divisions=config.candidates.divisions)
    with watch.stage("build", "building the program"):
        problem = to_problem(context, costs, config.costs)
    with watch.stage("solve", "solving"):
        solution = solve(problem, solver_settings(config))
    with watch.stage("margins", "measuring margins"):
        margins = _margins(config, problem, solution)
    lineage = to_lineage(graph, problem, solution)
    metrics = None
    if truth is not None:
        with watch.stage("evaluate", "evaluating"):
            metrics = evaluate(lineage, truth, masks=inputs.masks).to_dict()

    extra = {}
    if plot:
        extra["overview.png"] = lambda path: plot_overview(path, lineage, inputs.masks, inputs.images)
    tables = ResultTables(lineage, _detection_columns(margins), _link_columns(lineage, graph, costs, problem, solution))
    report = make_report(config, graph, costs, problem, solution, lineage, watch.seconds)

    watch.progress("writing the result")
    seconds = report["seconds"]
    writing = time.perf_counter()

    def finish() -> dict[str, Any]:
        now = time.perf_counter()
        seconds.update(write=now - writing, total=now - start)
        report["peak_memory_mb"] = peak_memory_mb()
        return report

    write_result(
        folder, tables, masks=inputs.masks, report=finish, metrics=metrics, overwrite=overwrite, extra_files=extra
    )
    return RunResult(lineage, graph, costs, problem, solution, margins, report, metrics)


def read_inputs(config: Config) -> Inputs:
    """Detections and movies of a config."""
    data = config.data
    scale = None if data.scale is None else np.asarray(data.scale, float)
    images = None if data.images is None else open_movie(config.path(data.images), channel=data.channel)
    if data.segmentation is not None:
        masks = open_movie(_ctc_masks(config.path(data.segmentation)), kind="masks")
        frames = select_frames(masks.frames, data.frames, data.every)
        found = detections_from_masks(masks, images, scale=scale, unit=data.unit, frames=frames, workers=2)
        return Inputs(found, masks, images)
    assert data.points is not None
    table = read_points(config.path(data.points), lineage=False)
    frames = select_frames(frames_of_points(table), data.frames, data.every)
    found = detections_from_points(
        table, scale=scale, unit=data.unit, frames=frames, image_shape=None if images is None else images.shape
    )
    return Inputs(found, None, images)


def propose(config: Config, inputs: Inputs, watch: Stopwatch) -> tuple[CandidateGraph, FeatureContext]:
    """The candidate graph and what its features look at."""
    wanted = config.candidates
    with watch.stage("candidates", "proposing candidates"):
        graph = build_candidates(
            inputs.detections,
            neighbors=wanted.neighbors,
            direction=wanted.direction,
            max_distance=wanted.max_distance,
            max_frame_gap=wanted.max_frame_gap,
            divisions=wanted.divisions == "pair",
            pairs_per_parent=wanted.pairs_per_parent,
            division_max_distance=wanted.division_max_distance,
        )
    with watch.stage("features", "reading scores"):
        embedding = association = None
        if config.embeddings is not None:
            embedding = load_embeddings(config.path(config.embeddings.path), inputs.detections)
        if config.associations is not None:
            given = config.associations
            if given.path is not None:
                association = load_associations(config.path(given.path), graph)
            elif given.geff is not None:
                association = load_geff_scores(config.path(given.geff), given.property, graph)
    shift = config.features.overlap_shift
    return graph, FeatureContext(graph, inputs.masks, shift, embedding, association)


def solver_settings(config: Config) -> SolverSettings:
    """The solver's share of a config."""
    wanted = config.solver
    return SolverSettings(wanted.backend, wanted.gap, wanted.time_limit_s, wanted.threads, wanted.seed)


def to_lineage(graph: CandidateGraph, problem: TrackingProblem, solution: Solution) -> Lineage:
    """The selected columns as a lineage."""
    layout, values = problem.layout, solution.values
    divided = graph.divisions[values[layout.division]]
    links = np.concatenate([graph.links[values[layout.link]], divided[:, :2], divided[:, [0, 2]]])
    return make_lineage(graph.detections, values[layout.detection], links)


def _margins(config: Config, problem: TrackingProblem, solution: Solution) -> Margins | None:
    if config.output.margins == "none":
        return None
    if config.output.margins == "exact" and solution.status == "optimal":
        return exact_margins(problem, solution.values, solver_settings(config))
    if config.output.margins == "exact":
        log.warning("margins are bounds: exact ones need a proven optimum, and time ran out")
    return bound_margins(problem, solution)


def _ctc_masks(path: Path) -> Path:
    """A folder of the Cell Tracking Challenge such as 01_ST or 01_GT stands for the masks inside it."""
    if path.is_dir() and not any(path.glob("*.tif*")):
        for inside in ("SEG", "TRA"):
            if (path / inside).is_dir():
                return path / inside
    return path


def _detection_columns(margins: Margins | None) -> dict[str, NDArray[np.float64]]:
    return {} if margins is None else {"margin": margins.out, "margin_in": margins.into}


def _link_columns(
    lineage: Lineage, graph: CandidateGraph, costs: Costs, problem: TrackingProblem, solution: Solution
) -> dict[str, NDArray[np.float64]]:
    """Cost and features of the chosen links; each link of a division carries half of the division's cost."""
    size = len(graph.detections)
    key = graph.links[:, 0].astype(np.int64) * size + graph.links[:, 1]
    place = np.searchsorted(key, lineage.links[:, 0] * size + lineage.links[:, 1])
    cost = costs.link.copy()
    chosen = np.flatnonzero(solution.values[problem.layout.division])
    cost[graph.division_links[chosen]] = 0.5 * costs.division[chosen, None]
    if costs.split is not None:
        dividing = lineage.n_children == 2
        cost[place[dividing[lineage.links[:, 0]]]] += 0.5 * costs.split
    columns = {name: column[place] for (family, name), column in costs.columns.items() if family == "link"}
    columns.pop("constant", None)
    return {"cost": cost[place], **columns}
