"""On the real HeLa movie: exact margins are the difference between two full solves."""

import os
from pathlib import Path

import numpy as np
import pytest

from tracker.config import make_config
from tracker.errors import PinConflictError
from tracker.exact_margins import exact_margins
from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve
from tracker.prepare import prepare
from tracker.stopwatch import Stopwatch

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19" / "02_SEG"
SETTINGS = SolverSettings(threads=2)


@pytest.mark.data
@pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}")
def test_margins_are_differences_of_two_full_solves() -> None:
    config = make_config({"data": {"segmentation": str(HELA)}, "costs": {"preset": "attrackt"}})
    problem = prepare(config, Stopwatch()).problem
    solution, layout = solve(problem, SETTINGS), problem.layout
    margins = exact_margins(problem, solution.values, SETTINGS)
    chosen = np.flatnonzero(solution.values)
    links = chosen[(chosen >= layout.link.start) & (chosen < layout.link.stop)]
    divisions = chosen[(chosen >= layout.division.start) & (chosen < layout.division.stop)]
    # The column of every detection's way out, and of its way in.
    out, into = np.arange(problem.n_detections) + np.array([[layout.disappear.start], [layout.appear.start]])
    parent, child = problem.links[links - layout.link.start].T
    out[parent], into[child] = links, links
    mother, *daughters = problem.divisions[divisions - layout.division.start].T
    out[mother] = into[daughters[0]] = into[daughters[1]] = divisions

    def dearer(column: int) -> float:
        upper = problem.upper.copy()
        upper[column] = 0
        try:
            return solve(problem.with_bounds(problem.lower, upper), SETTINGS).objective - solution.objective
        except PinConflictError:  # in the last frame there is no other way out
            return np.inf

    rng = np.random.default_rng(2)
    selected = np.flatnonzero(solution.values[layout.detection])
    sample = np.concatenate([rng.choice(mother, 3, replace=False), rng.choice(selected, 17, replace=False)])
    assert solution.values[[*out[sample], *into[sample]]].all()
    for row in sample.tolist():
        for margin, column in ((margins.out[row], out[row]), (margins.into[row], into[row])):
            assert margin == pytest.approx(dearer(column), abs=1e-6)
    finite = np.isfinite(margins.out[sample]) & np.isfinite(margins.into[sample])
    assert finite.sum() >= 15
    assert len(np.unique(margins.out[sample])) > 10
