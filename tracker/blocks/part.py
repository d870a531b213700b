"""Part: some detections of a problem with every column that touches them, and what is decided there so far."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from tracker.ilp.problem import Layout, TrackingProblem
from tracker.ilp.rows import right_hand_side

_Flags = NDArray[np.bool_]


@dataclass
class Part:
    """A piece of a tracking problem, with the state of the solve.

    problem: its columns at their real costs and bounds (those of kept detections and of a person's pins).
    whole: (N,) detections all of whose columns are here. The others, the *rim*, are the far ends of those columns.
    values, decided: (columns,) what was decided, and whether it was.
    duals: (rows,) multipliers, `<= 0` on `<=` rows.   finished: (N,) whose rows have theirs.
    half_paired: (L,) links that are in a forbidden pair whose other link, and so whose row, is not here: what that row
        pays for them is unknown.
    """

    problem: TrackingProblem
    whole: _Flags
    values: _Flags
    decided: _Flags
    duals: NDArray[np.float64]
    finished: _Flags
    half_paired: _Flags | None = None


@dataclass(frozen=True)
class Places:
    """Where the detections, columns and rows of a part lie in what it was taken from."""

    detections: NDArray[np.int64]
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]


def undecided(problem: TrackingProblem) -> Part:
    """The whole problem, nothing decided."""
    layout = problem.layout
    return Part(
        problem=problem,
        whole=np.ones(problem.n_detections, bool),
        values=np.zeros(layout.n_columns, bool),
        decided=np.zeros(layout.n_columns, bool),
        duals=np.zeros(len(right_hand_side(problem))),
        finished=np.zeros(problem.n_detections, bool),
    )


def take(part: Part, chosen: _Flags) -> tuple[Part, Places]:
    """The part in which only `chosen` (N,) detections are whole, of those that are whole here."""
    problem, whole = part.problem, part.whole & chosen
    links = np.flatnonzero(whole[problem.links].any(axis=1))
    divisions = np.flatnonzero(whole[problem.divisions].any(axis=1))
    sets = [number for number, members in enumerate(problem.exclusive_sets) if whole[members].any()]
    members = [problem.exclusive_sets[number] for number in sets]
    ends = [problem.links[links].ravel(), problem.divisions[divisions].ravel(), np.flatnonzero(whole), *members]
    inside = np.unique(np.concatenate(ends)).astype(np.int64)
    place = np.full(problem.n_detections, -1, np.int64)
    place[inside] = np.arange(len(inside))

    new_link = np.full(len(problem.links) + 1, -1, np.int64)  # the last stands for "no candidate"
    new_link[links] = np.arange(len(links))
    pairs = new_link[problem.forbidden_pairs].reshape(-1, 2)
    known = np.flatnonzero((pairs >= 0).all(axis=1))
    half = np.zeros(len(links), bool) if part.half_paired is None else part.half_paired[links]
    half[pairs[(pairs >= 0).any(axis=1) & (pairs < 0).any(axis=1)].max(axis=1)] = True
    own, old = Layout(len(inside), len(links), len(divisions), problem.split), problem.layout
    columns = np.empty(own.n_columns, np.int64)
    for family in ("detection", "appear", "disappear", *(["splits"] if problem.split else [])):
        columns[getattr(own, family)] = getattr(old, family).start + inside
    columns[own.link], columns[own.division] = old.link.start + links, old.division.start + divisions
    kinds = 3 if problem.split else 2
    first_extra = kinds * problem.n_detections
    rows = np.concatenate([
        *(kind * problem.n_detections + inside for kind in range(kinds)),
        first_extra + np.array(sets, np.int64),
        first_extra + len(problem.exclusive_sets) + known,
    ])  # fmt: skip
    small = TrackingProblem(
        links=place[problem.links[links]].reshape(-1, 2),
        divisions=place[problem.divisions[divisions]].reshape(-1, 3),
        split=problem.split,
        cost=problem.cost[columns],
        lower=problem.lower[columns],
        upper=problem.upper[columns],
        n_detections=len(inside),
        exclusive_sets=[place[own_set] for own_set in members],
        forbidden_pairs=pairs[known],
        division_links=new_link[problem.division_links[divisions]].reshape(-1, 2),
    )
    taken = Part(
        problem=small,
        whole=whole[inside],
        values=part.values[columns],
        decided=part.decided[columns],
        duals=part.duals[rows],
        finished=part.finished[inside],
        half_paired=half,
    )
    return taken, Places(inside, columns, rows)


def touching(problem: TrackingProblem, chosen: _Flags) -> _Flags:
    """(columns,) those with an end among the `chosen` (N,) detections."""
    layout = problem.layout
    found = np.zeros(layout.n_columns, bool)
    for family in _single(problem):
        found[family] = chosen
    found[layout.link] = chosen[problem.links].any(axis=1)
    found[layout.division] = chosen[problem.divisions].any(axis=1)
    return found


def within(problem: TrackingProblem, chosen: _Flags) -> _Flags:
    """(columns,) those with all ends among the `chosen` (N,) detections."""
    return ~touching(problem, ~chosen)


def ends_of(problem: TrackingProblem, columns: _Flags) -> _Flags:
    """(N,) detections that any of the `columns` (flags) touches."""
    layout = problem.layout
    found = np.zeros(problem.n_detections, bool)
    for family in _single(problem):
        found |= columns[family]
    found[problem.links[columns[layout.link]].ravel()] = True
    found[problem.divisions[columns[layout.division]].ravel()] = True
    return found


def grown(problem: TrackingProblem, chosen: _Flags, rings: int = 1) -> _Flags:
    """(N,) the `chosen` detections and those up to `rings` columns (or shared exclusive sets) away."""
    found = chosen.copy()
    for _ in range(rings):
        before = found.copy()
        for ends in (problem.links, problem.divisions):
            found[ends[before[ends].any(axis=1)].ravel()] = True
        for members in problem.exclusive_sets:
            if before[members].any():
                found[members] = True
        if np.array_equal(found, before):
            break
    return found


def windows(problem: TrackingProblem, chosen: _Flags) -> list[NDArray[np.int64]]:
    """The `chosen` detections in connected groups: two with a column or an exclusive set in common are in one."""
    pairs = [problem.links, problem.divisions[:, :2], problem.divisions[:, [0, 2]], problem.divisions[:, 1:]]
    pairs += [np.column_stack([members[:-1], members[1:]]) for members in problem.exclusive_sets]
    ends = np.concatenate(pairs)
    ends = ends[chosen[ends].all(axis=1)]
    size = problem.n_detections
    graph = csr_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(size, size))
    label = connected_components(graph, directed=False)[1]
    rows = np.flatnonzero(chosen)
    order = rows[np.argsort(label[rows], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(label[order])) + 1) if len(order) else []


def rows_of_detections(problem: TrackingProblem, chosen: _Flags) -> _Flags:
    """(rows,) the rows that belong to the `chosen` detections alone.

    in, out (and cap); of an exclusive set, when all members are chosen; of a forbidden pair, when the parent is.
    """
    sets = [bool(chosen[members].all()) for members in problem.exclusive_sets]
    pairs = chosen[problem.links[problem.forbidden_pairs[:, 0], 0]]
    return np.concatenate([*[chosen] * (3 if problem.split else 2), np.array(sets, bool), pairs])


def _single(problem: TrackingProblem) -> list[slice]:
    layout = problem.layout
    return [layout.detection, layout.appear, layout.disappear, *([layout.splits] if problem.split else [])]
