"""The one straight line: detections -> candidate graph -> features -> costs (+ pins) -> exact ILP -> lineage.

With [store] or [blocks] the candidates go into a store, and blocks of it are solved (tracker/blocks/).
With solver.method = "sequential" all between detections and lineage gives way to a tracker that goes frame by frame.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.annotations import solve_pinned
from tracker.candidates import CandidateGraph
from tracker.config import Config
from tracker.costs import Costs
from tracker.dropped_ways import dropped_ways
from tracker.errors import ConfigError
from tracker.evaluate import compare, require_traccuracy
from tracker.exact_margins import exact_margins
from tracker.explain import Bill, explain, find_row
from tracker.ilp.backends import check_backend
from tracker.ilp.problem import Solution, TrackingProblem
from tracker.inputs import Inputs
from tracker.io.result import ResultTables, refuse_existing, write_result
from tracker.lineage import Lineage, make_lineage
from tracker.margins import Margins, bound_margins
from tracker.mistakes import Mistakes
from tracker.pin_table import Key
from tracker.prepare import Prepared, prepare, solver_settings
from tracker.run_report import make_block_report, make_report, make_sequential_report, peak_memory_mb
from tracker.sequential_run import check_sequential, track_sequentially
from tracker.stopwatch import Progress, Stopwatch
from tracker.truth import read_truth

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunResult:
    """Everything a run computed. report: the content of run.json; metrics: of metrics.json, or None.

    mistakes: every error, in rows of the lineage; None without a truth.
    bills: of the detections that were to be explained.
    graph, costs, problem, solution: None with the sequential tracker, which proposes, prices and proves nothing, and
    where a movie was solved block by block, whose candidates are in the store.
    """

    lineage: Lineage
    graph: CandidateGraph | None
    costs: Costs | None
    problem: TrackingProblem | None
    solution: Solution | None
    margins: Margins | None
    report: dict[str, Any]
    metrics: dict[str, Any] | None
    bills: tuple[Bill, ...] = ()
    mistakes: Mistakes | None = None


@dataclass(frozen=True)
class _Tracked:
    """done: without report and metrics.   report: run.json, from the seconds so far.   columns: of the tables."""

    inputs: Inputs
    done: RunResult
    report: Callable[[dict[str, float]], dict[str, Any]]
    detection_columns: dict[str, NDArray[np.float64]]
    link_columns: dict[str, NDArray[np.float64]]


def run(
    config: Config,
    *,
    overwrite: bool = False,
    plot: bool = False,
    explained: Sequence[Key] = (),
    resume: bool = False,
    progress: Progress = lambda stage: None,
) -> RunResult:
    """Track a movie and write the result folder.

    overwrite: replace an earlier result.   resume: go on with the store of a run that was not finished.   plot: also
    write overview.png.   explained: (t, label) of detections whose bills are wanted.   progress: told each stage as it
    begins.
    Raises the errors of tracker.errors; then nothing has been written.
    """
    start = time.perf_counter()
    watch = Stopwatch(progress=progress)
    folder = config.path(config.output.path)
    refuse_existing(folder, overwrite)
    check_backend(config.solver.backend)
    check_sequential(config)
    by_blocks = config.blockwise is not None
    if resume and not by_blocks:
        raise ConfigError(
            "--resume goes on with a run that solves block by block: the config has neither [store] nor [blocks]"
        )
    if plot:
        from tracker.plot import plot_overview, require_matplotlib

        require_matplotlib()
    truth_path = None if config.data.truth is None else config.path(config.data.truth)
    if truth_path is not None:
        require_traccuracy()

    truth = None
    if truth_path is not None:
        with watch.stage("read", "reading the truth"):
            truth = read_truth(truth_path, scale=config.data.scale)
    sequential = config.solver.method == "sequential"
    if by_blocks:
        tracked = _in_blocks(config, watch, explained, resume=resume, overwrite=overwrite)
    else:
        tracked = _one_by_one(config, watch, explained) if sequential else _at_once(config, watch, explained)
    inputs, lineage = tracked.inputs, tracked.done.lineage
    metrics, mistakes = None, None
    if truth is not None:
        with watch.stage("evaluate", "evaluating"):
            scores, mistakes = compare(lineage, truth, masks=inputs.masks)
        metrics = scores.to_dict()

    extra = {}
    if plot:
        extra["overview.png"] = lambda path: plot_overview(path, lineage, inputs.masks, inputs.images)
    tables = ResultTables(lineage, tracked.detection_columns, tracked.link_columns)
    report = tracked.report(watch.seconds)

    watch.progress("writing the result")
    seconds = report["seconds"]
    writing = time.perf_counter()

    def finish() -> dict[str, Any]:
        now = time.perf_counter()
        seconds.update(write=now - writing, total=now - start)
        report["peak_memory_mb"] = peak_memory_mb()
        return report

    write_result(
        folder,
        tables,
        masks=inputs.masks,
        report=finish,
        metrics=metrics,
        overwrite=overwrite,
        masks_as=config.output.masks,
        extra_files=extra,
    )
    return replace(tracked.done, report=report, metrics=metrics, mistakes=mistakes)


def _at_once(config: Config, watch: Stopwatch, explained: Sequence[Key]) -> _Tracked:
    """The lineage of least cost."""
    by_motile = bool(config.costs.motile) or config.solver.engine == "motile"
    if by_motile and (explained or config.output.margins == "exact"):
        raise ConfigError(
            "what a choice is worth is unknown where motile solves, or classes of your own take part: leave out "
            '--explain, and set output.margins = "bound" or "none"'
        )
    needs = {
        "motile": by_motile,
        "--explain": bool(explained),
        'output.margins = "exact"': config.output.margins == "exact",
    }
    every = [what for what, wanted in needs.items() if wanted]
    if every and config.candidates.materialise == "needed":
        raise ConfigError(
            f'{every[0]} looks at every candidate, and candidates.materialise = "needed" holds only some: '
            'set it to "auto" or "all"'
        )
    prepared = prepare(config, watch, with_motile=True, as_needed=not every)
    inputs, graph, costs = prepared.inputs, prepared.graph, prepared.costs
    explained_rows = [find_row(inputs.detections, key) for key in dict.fromkeys(explained)]
    with watch.stage("solve", "solving"):
        if by_motile:
            from tracker.motile.configured import solve_as_motile

            problem, solution = solve_as_motile(config, prepared)
        else:
            problem, solution = solve_pinned(prepared.problem, prepared.pins, solver_settings(config))
    with watch.stage("margins", "measuring margins"):
        margins = _margins(config, prepared, problem, solution, watch)
    bills = []
    for row in explained_rows:
        watch.progress("explaining")
        bills.append(explain(prepared, problem, solution, row, config, solver_settings(config)))
    lineage = to_lineage(graph, problem, solution)
    return _Tracked(
        inputs,
        RunResult(lineage, graph, costs, problem, solution, margins, {}, None, tuple(bills)),
        partial(make_report, config, prepared, solution, lineage, margins),
        _detection_columns(margins),
        _link_columns(lineage, graph, costs, problem, solution),
    )


def _in_blocks(
    config: Config, watch: Stopwatch, explained: Sequence[Key], *, resume: bool, overwrite: bool
) -> _Tracked:
    """The lineage of least cost, block by block through a store. Raises ConfigError where bills are wanted."""
    if explained:
        raise ConfigError("bills need every candidate in memory: leave out --explain, or [store] and [blocks]")
    from tracker.blocks.run import solve_in_blocks

    stored = solve_in_blocks(config, watch, resume=resume, overwrite=overwrite)
    movie = stored.movie
    child = np.flatnonzero(movie.parent >= 0)
    lineage = make_lineage(stored.inputs.detections, movie.selected, np.column_stack([movie.parent[child], child]))
    done = RunResult(lineage, None, None, None, None, stored.margins, {}, None)
    columns = {"cost": stored.link_cost[lineage.links[:, 1]]}
    report = partial(make_block_report, config, stored, lineage)
    return _Tracked(stored.inputs, done, report, _detection_columns(stored.margins), columns)


def _one_by_one(config: Config, watch: Stopwatch, explained: Sequence[Key]) -> _Tracked:
    """The lineage of the sequential tracker. Raises ConfigError where bills are wanted."""
    if explained:
        raise ConfigError('solver.method = "sequential" has no costs to explain: leave out --explain')
    inputs, lineage = track_sequentially(config, watch)
    done = RunResult(lineage, None, None, None, None, None, {}, None)
    return _Tracked(inputs, done, partial(make_sequential_report, config, lineage), {}, {})


def to_lineage(graph: CandidateGraph, problem: TrackingProblem, solution: Solution) -> Lineage:
    """The selected columns as a lineage."""
    layout, values = problem.layout, solution.values
    divided = graph.divisions[values[layout.division]]
    links = np.concatenate([graph.links[values[layout.link]], divided[:, :2], divided[:, [0, 2]]])
    return make_lineage(graph.detections, values[layout.detection], links)


def _margins(
    config: Config, prepared: Prepared, problem: TrackingProblem, solution: Solution, watch: Stopwatch
) -> Margins | None:
    if config.output.margins == "none":
        return None
    if config.output.margins == "exact" and solution.status == "optimal":
        return exact_margins(problem, solution.values, solver_settings(config))
    if config.output.margins == "exact":
        log.warning("margins are bounds: exact ones need a proven optimum, and time ran out")
    dropped = None
    if prepared.source is not None:
        count, layout = problem.n_detections, problem.layout
        paid = (solution.duals[: 2 * count] + solution.slack[: 2 * count]).reshape(2, count)
        parent = np.full(count, -1, np.int64)
        mother, child = problem.links[solution.values[layout.link]].T
        parent[child] = mother
        dropped = dropped_ways(prepared.source, paid, parent, watch.share("measuring margins"))
    return bound_margins(problem, solution, dropped)


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
