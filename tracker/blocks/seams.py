"""Seams mended: windows around every place where values cost more than is proven, until the gap is closed.

Each round: windows of `rings` columns around what is dear, broken or undecided; in them the duals rise as far as those
outside let them, and the lineage is decided anew while the rest stands. Both can only help. What is dear all the same
is either a gap of the relaxation, which the integer optimum of the window's own program proves away, or reaches
farther: then the windows of the next round are twice as wide. In the limit a window is a whole component, and the
answer exact.
"""

import time
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.certificate import Excess, measure_excess
from tracker.blocks.part import Part, ends_of, grown, rows_of_detections, windows, within
from tracker.blocks.window import Proof, ascend, compatible, prove, redecide
from tracker.errors import NoSolutionError, PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.rows import constraint_matrix

_Flags = NDArray[np.bool_]
_LEAST = 1e-9  # an excess below this is the noise of linear programs


@dataclass
class Mended:
    """What mending gave. values, duals: as in `Part`.   proofs: what integer programs add to the bound.

    open: (N,) whole detections around which the gap is not closed, or that are undecided.
    unclosed: sum of excesses there.   windows: how many were solved.   rounds: how often they grew.
    """

    values: NDArray[np.bool_]
    duals: NDArray[np.float64]
    proofs: list[Proof] = field(default_factory=list)
    open: _Flags = field(default_factory=lambda: np.empty(0, bool))
    unclosed: float = 0.0
    windows: int = 0
    rounds: int = 0
    covered: tuple[_Flags, _Flags] | None = None


def mend(
    part: Part,
    settings: SolverSettings,
    deadline: float,
    *,
    enough: float = 0.0,
    rings: int = 2,
    covered: tuple[_Flags, _Flags] | None = None,
) -> Mended:
    """Close the gap of a part as far as its whole detections allow. The part's values and duals change in place.

    enough: stop when at most this much excess is left, and nothing is broken.   rings: radius of the first windows.
    deadline: time.perf_counter seconds.   covered: (columns,), (rows,) what proofs of before account for.
    """
    problem = part.problem
    state = Mended(part.values, part.duals, covered=covered)
    before = np.zeros(0, bool)
    while True:
        state.proofs = [proof for proof, good in zip(state.proofs, compatible(state.proofs), strict=True) if good]
        excess, seeds = _what_is_dear(part, state)
        if not seeds.any() or (state.unclosed <= enough and not _broken(part, excess).any()):
            break
        if time.perf_counter() >= deadline:
            break
        chosen = grown(problem, seeds, rings) & part.whole
        groups = windows(problem, chosen)
        state.windows += len(groups)
        state.rounds += 1
        _forget(state, part, chosen)
        _raise_duals(part, chosen, settings, deadline)
        _decide_anew(part, chosen, groups, replace(settings, time_limit_s=max(0.0, deadline - time.perf_counter())))
        excess, seeds = _what_is_dear(part, state)
        state.proofs += prove(part, excess, chosen & ~_broken(part, excess), _LEAST, settings, deadline)
        if np.array_equal(chosen, before):  # as wide as they get
            excess, seeds = _what_is_dear(part, state)
            break
        before = chosen
        rings *= 2
    state.open = seeds
    return state


def _what_is_dear(part: Part, state: Mended) -> tuple[Excess, _Flags]:
    """The excess, and the whole detections that it touches outside of proofs, or that are broken or undecided."""
    excess = measure_excess(part.problem, part.values, part.duals)
    columns, rows = excess.columns.copy(), excess.rows.copy()
    if state.covered is not None:
        columns[state.covered[0]] = 0.0
        rows[state.covered[1]] = 0.0
    for proof in state.proofs:
        columns[proof.columns] = 0.0
        rows[proof.rows] = 0.0
    state.unclosed = float(columns.sum() + rows.sum())
    dear = columns > _LEAST
    if (rows > _LEAST).any():
        matrix = constraint_matrix(part.problem, np.arange(part.problem.layout.n_columns))
        dear |= np.asarray(abs(matrix).T @ (rows > _LEAST).astype(np.float64)) > 0
    seeds = (ends_of(part.problem, dear) & part.whole) | _broken(part, excess)
    return excess, seeds


def _broken(part: Part, excess: Excess) -> _Flags:
    """(N,) whole detections with a row that is not satisfied, a column out of bounds, or undecided."""
    problem = part.problem
    kinds = 3 if problem.split else 2
    rows: _Flags = np.asarray(excess.broken[: kinds * problem.n_detections].reshape(kinds, -1).any(axis=0))
    extra = excess.broken[kinds * problem.n_detections :]
    for number in np.flatnonzero(extra[: len(problem.exclusive_sets)]).tolist():
        rows[problem.exclusive_sets[number]] = True
    pairs = extra[len(problem.exclusive_sets) :]
    rows[problem.links[problem.forbidden_pairs[pairs, 0], 0]] = True
    wrong = ~part.decided | (part.values < problem.lower) | (part.values > problem.upper)
    found: _Flags = (rows | ends_of(problem, wrong)) & part.whole
    return found


def _forget(state: Mended, part: Part, chosen: _Flags) -> None:
    """Drop proofs that stand on duals, or on columns, which are about to change."""
    changing = grown(part.problem, chosen)
    rows = rows_of_detections(part.problem, ~changing)
    state.proofs = [proof for proof in state.proofs if rows[proof.rows].all()]


def _raise_duals(part: Part, chosen: _Flags, settings: SolverSettings, deadline: float) -> None:
    """The best duals of the window, unless they are worse by a rounding error."""
    before = measure_excess(part.problem, part.values, part.duals).bound
    duals = ascend(part, chosen, settings, deadline)
    if measure_excess(part.problem, part.values, duals).bound >= before:
        part.duals[:] = duals


def _decide_anew(part: Part, chosen: _Flags, groups: list[NDArray[np.int64]], settings: SolverSettings) -> None:
    """Cheaper values in the windows, one after the other only where together there are none."""
    if _redecided(part, chosen, settings):
        return
    for group in groups if len(groups) > 1 else []:
        inner = np.zeros(part.problem.n_detections, bool)
        inner[group] = True
        _redecided(part, inner, settings)


def _redecided(part: Part, chosen: _Flags, settings: SolverSettings) -> bool:
    try:
        values = redecide(part, chosen, settings)
    except (PinConflictError, NoSolutionError):
        return False
    inner = within(part.problem, chosen)
    was_valid = not _broken(part, measure_excess(part.problem, part.values, part.duals)).any()
    if was_valid and float(part.problem.cost @ values) > float(part.problem.cost @ part.values):
        return True
    part.values[:] = values
    part.decided |= inner
    return True
