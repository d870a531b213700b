"""A region of a store as a part of the problem, and back.

The store gives every link to its parent's block. What a block decided about links of parents that were not finished yet
stands in its record, among the facts: `early_links` and `early_divisions`, chosen ones, as ids. All other links and
divisions into its detections are decided, too: not chosen.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.blocks.bounds_column import BOUNDS, SPLIT_COST, with_bounds
from tracker.blocks.grid import spans
from tracker.blocks.part import Part
from tracker.blocks.region import Decided
from tracker.ilp.bounds import find_divisions
from tracker.ilp.problem import TrackingProblem, find_links, make_problem
from tracker.ilp.rows import right_hand_side
from tracker.store import UNDECIDED, BlockRecord, BlockSolution, Header
from tracker.store import Part as Found

_Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Early:
    """What finished blocks chose among the columns of parents that were not, and the duals that no row keeps.

    links: (K, 2), divisions: (M, 3) ids.   pair_duals: (P,) of `Forbidden.pairs`.
    """

    links: _Ids = field(default_factory=lambda: np.empty((0, 2), np.int64))
    divisions: _Ids = field(default_factory=lambda: np.empty((0, 3), np.int64))
    pair_duals: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Forbidden:
    """Divisions that pins forbid in the split model: (P, 3) ids (parent, child, child), sorted."""

    pairs: _Ids = field(default_factory=lambda: np.empty((0, 3), np.int64))


def early_of(records: Iterable[BlockRecord], forbidden: Forbidden) -> Early:
    """What all records say."""
    links, divisions = [np.empty((0, 2), np.int64)], [np.empty((0, 3), np.int64)]
    duals = np.zeros(len(forbidden.pairs))
    for record in sorted(records, key=lambda one: one.order):
        if record.status != "done":
            continue
        links.append(np.array(record.facts.get("early_links", []), np.int64).reshape(-1, 2))
        divisions.append(np.array(record.facts.get("early_divisions", []), np.int64).reshape(-1, 3))
        own = np.array(record.facts.get("pair_duals", []), np.float64).reshape(-1, 2)
        duals[own[:, 0].astype(np.int64)] = own[:, 1]
    return Early(np.concatenate(links), np.concatenate(divisions), duals)


def problem_of(found: Found, header: Header, forbidden: Forbidden) -> tuple[TrackingProblem, NDArray[np.int64]]:
    """The program of a region, and which of the forbidden pairs its rows are (indices)."""
    rows, split = found.detections, header.divisions == "split"
    problem = make_problem(
        len(rows),
        found.links,
        found.divisions if header.divisions == "pair" else None,
        link_cost=found.link_cost,
        division_cost=found.division_cost if header.divisions == "pair" else None,
        appear_cost=rows.appear_cost,
        disappear_cost=rows.disappear_cost,
        detection_cost=rows.detection_cost,
        split_cost=rows.columns[SPLIT_COST] if split else None,
    )
    problem = with_bounds(problem, rows.columns[BOUNDS], found.link_columns[BOUNDS], found.division_columns[BOUNDS])
    if not len(forbidden.pairs) or not split:
        return problem, np.empty(0, np.int64)
    near = np.flatnonzero(np.isin(forbidden.pairs, found.id).all(axis=1))
    pairs = find_links(problem.links, np.searchsorted(found.id, forbidden.pairs[near]))
    known = (pairs >= 0).all(axis=1)
    return replace(problem, forbidden_pairs=pairs[known]), near[known]


def half_paired(found: Found, problem: TrackingProblem, forbidden: Forbidden) -> NDArray[np.bool_]:
    """(L,) links of a region that are in a forbidden pair whose other link is outside; see `Part`."""
    flags = np.zeros(len(problem.links), bool)
    if not len(forbidden.pairs) or not problem.split:
        return flags
    place = np.full((len(forbidden.pairs), 2), -1, np.int64)
    outside = np.ones(place.shape, bool)  # such a link might be a candidate, and not be here
    for which, ends in enumerate((forbidden.pairs[:, :2], forbidden.pairs[:, [0, 2]])):
        rows = np.flatnonzero(np.isin(ends, found.id).all(axis=1))
        own = np.searchsorted(found.id, ends[rows])
        place[rows, which] = find_links(problem.links, own[:, [0, 1, 1]])[:, 0]
        outside[rows, which] = ~found.inside[own].any(axis=1)
    here = place >= 0
    flags[place[here & (~here & outside)[:, ::-1]]] = True
    return flags


def without_long(found: Found, reach: Sequence[float]) -> Found:
    """The region without candidates that span more than `reach` (1 + D,), in steps and along each axis."""
    rows = found.detections
    changed: dict[str, Any] = {}
    for name in ("link", "division"):
        ends = getattr(found, f"{name}s")
        short = (spans(rows.step, rows.position, ends) <= np.array(reach)).all(axis=1)
        changed |= {f"{name}s": ends[short]}
        changed |= {f"{name}_{what}": getattr(found, f"{name}_{what}")[short] for what in ("cost", "selected")}
        columns = getattr(found, f"{name}_columns")
        changed[f"{name}_columns"] = {key: column[short] for key, column in columns.items()}
    return replace(found, **changed)


def part_of(found: Found, header: Header, forbidden: Forbidden, early: Early) -> Part:
    """A region with what is decided there."""
    problem, pairs = problem_of(found, header, forbidden)
    layout = problem.layout
    finished = found.owner != UNDECIDED
    values, decided = np.zeros(layout.n_columns, bool), np.zeros(layout.n_columns, bool)
    for family, state in (
        (layout.detection, found.selected),
        (layout.appear, found.appear),
        (layout.disappear, found.disappear),
    ):
        values[family], decided[family] = finished & (state == 1), finished
    decided[layout.link] = finished[problem.links].any(axis=1)
    decided[layout.division] = finished[problem.divisions].any(axis=1)
    values[layout.link] = found.link_selected == 1
    if len(problem.divisions):
        values[layout.division] = found.division_selected == 1
    links, divisions = early_columns(found, problem, early)
    open_link = ~finished[problem.links[links, 0]]
    values[layout.link.start + links[open_link]] = True
    open_division = ~finished[problem.divisions[divisions, 0]]
    values[layout.division.start + divisions[open_division]] = True
    if problem.split:
        values[layout.splits] = np.bincount(
            problem.links[values[layout.link], 0], minlength=problem.n_detections
        )[: problem.n_detections] == 2  # fmt: skip
        decided[layout.splits] = finished
        values[layout.splits] &= finished
    duals = np.zeros(len(right_hand_side(problem)))
    kinds = [found.dual_in, found.dual_out, *([found.dual_cap] if problem.split else [])]
    duals[: len(kinds) * problem.n_detections] = np.concatenate([np.where(finished, kind, 0.0) for kind in kinds])
    if len(pairs):
        duals[len(duals) - len(pairs) :] = early.pair_duals[pairs]
    return Part(problem, found.inside.copy(), values, decided, duals, finished)


def early_columns(found: Found, problem: TrackingProblem, early: Early) -> tuple[_Ids, _Ids]:
    """Indices of the links and of the divisions of a region that were chosen early."""
    near = np.isin(early.links, found.id).all(axis=1)
    ends = np.searchsorted(found.id, early.links[near])
    links = find_links(problem.links, np.column_stack([ends, ends[:, 1:]]))[:, 0]
    near = np.isin(early.divisions, found.id).all(axis=1)
    divisions = find_divisions(problem.divisions, np.searchsorted(found.id, early.divisions[near]))
    return links[links >= 0], divisions[divisions >= 0]


def solution_of(
    block: int,
    digest: str,
    found: Found,
    part: Part,
    write: NDArray[np.bool_],
    decided: Decided,
    pairs: NDArray[np.int64],
) -> BlockSolution:
    """What a block writes: its own detections, and in the facts what it chose for parents of others.

    pairs: indices of the forbidden pairs of the part.   Of a contradicted block nothing but that fact.
    """
    problem, layout, values = part.problem, part.problem.layout, decided.values
    owned = write & ~np.array(decided.contradicted)
    mother = problem.divisions[:, 0]
    link_on, division_on = values[layout.link] & decided.columns[layout.link], values[layout.division].copy()
    division_on &= decided.columns[layout.division]
    early = ~owned & ~part.finished  # their blocks come later
    count = problem.n_detections
    duals = decided.duals[: 2 * count].reshape(2, -1)
    cap = decided.duals[2 * count : 3 * count] if problem.split else None
    ids = found.id
    own_pairs = owned[problem.links[problem.forbidden_pairs[:, 0], 0]]
    pair_duals = decided.duals[len(decided.duals) - len(pairs) :] if len(pairs) else np.empty(0)
    objective = float(problem.cost[decided.columns] @ values[decided.columns])
    return BlockSolution(
        block=block,
        digest=digest,
        id=ids[owned],
        selected=values[layout.detection][owned],
        appear=values[layout.appear][owned],
        disappear=values[layout.disappear][owned],
        dual_in=duals[0][owned],
        dual_out=duals[1][owned],
        dual_cap=None if cap is None else cap[owned],
        links=ids[problem.links[link_on & owned[problem.links[:, 0]]]].reshape(-1, 2),
        divisions=ids[problem.divisions[division_on & owned[mother]]].reshape(-1, 3),
        objective=objective,
        facts={
            "contradicted": decided.contradicted,
            "early_links": ids[problem.links[link_on & early[problem.links[:, 0]]]].tolist(),
            "early_divisions": ids[problem.divisions[division_on & early[mother]]].tolist(),
            "pair_duals": [
                [int(pair), float(y)] for pair, y in zip(pairs[own_pairs], pair_duals[own_pairs], strict=True)
            ],
        },
    )
