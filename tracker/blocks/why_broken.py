"""Why the seams of a movie could not be mended: which pins contradict each other, or that time was up."""

from dataclasses import replace

import numpy as np

from tracker.annotations import blame
from tracker.blocks.stored import Forbidden, problem_of
from tracker.config import Config
from tracker.errors import NoSolutionError, SolverError
from tracker.ilp.bounds import apply_pins
from tracker.ilp.solve import InfeasibleProblemError, solve
from tracker.pin_checks import ResolvedPins
from tracker.prepare import solver_settings
from tracker.store import Region, Store


def why_broken(
    store: Store, forbidden: Forbidden, pins: ResolvedPins | None, config: Config, *, out_of_time: bool
) -> Exception:
    """Time was up, or pins contradict each other: which."""
    if out_of_time:
        return NoSolutionError(
            "the time limit came before the seams of the blocks were mended. Raise solver.time_limit_s and go on with "
            "`track run --resume`; the blocks are kept"
        )
    region = store.read(Region(0, len(store.header.frames)))
    problem, _ = problem_of(region, store.header, forbidden)
    settings = solver_settings(config)
    try:
        solve(problem, settings)
    except InfeasibleProblemError as error:
        if pins is None:
            return error
        free = problem.with_bounds(
            np.where(
                np.arange(problem.layout.n_columns) < problem.n_detections, config.costs.detection == "keep", 0
            ).astype(np.int8),
            np.ones(problem.layout.n_columns, np.int8),
        )
        unpinned = replace(free, forbidden_pairs=np.empty((0, 2), np.int64))
        try:
            solve(apply_pins(unpinned, pins.hard), settings)
        except InfeasibleProblemError as again:
            return blame(unpinned, pins, again, settings)
        return error
    return SolverError("the seams of the blocks could not be mended although a lineage exists; please report this")
