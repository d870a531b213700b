"""tracker.motile.Solver against motile 1.0 with SCIP on the real HeLa movie: whole build and solve, same code for both.

python benchmarks/motile_solver.py                          # all, with 400 s for motile at 20 frames with pairs
python benchmarks/motile_solver.py --time-limit 20          # motile is stopped after 20 s: ratios are lower bounds then
python benchmarks/motile_solver.py --part usual             # usual | pairs | custom

usual: edge, appear, disappear and split costs, as motile-tracker's, 20 frames, 10 neighbours.
pairs: also a cost of a user's own on every EdgeSplitPair, at 3 and at 20 frames.
custom: the usual costs with a constraint of a user's own on a few edges, 20 frames.
"""

import argparse
import cProfile
import pstats
import time
from collections.abc import Iterator

import ilpy
import motile
import numpy as np
from instances import hela_detections
from motile.constraints import Constraint, MaxChildren, MaxParents
from motile.costs import Cost, EdgeSelectedCost, NodeAppearCost, NodeDisappearCost, NodeSplitCost, Weight
from motile.variables import EdgeSelected, EdgeSplitPair

from tracker.candidates import build_candidates
from tracker.motile import Solver


class PairCost(Cost):
    """A cost of a user's own: distance of the parent to the midpoint of the children, looked up one by one."""

    def __init__(self, positions: dict[int, np.ndarray], weight: float, constant: float) -> None:
        self.positions, self.weight, self.constant = positions, Weight(weight), Weight(constant)

    def apply(self, solver: motile.Solver) -> None:
        where = self.positions
        for (one, other), index in solver.get_variables(EdgeSplitPair).items():
            (py, px), (ay, ax), (by, bx) = where[one[0]], where[one[1]], where[other[1]]
            distance = ((py - (ay + by) / 2) ** 2 + (px - (ax + bx) / 2) ** 2) ** 0.5
            solver.add_variable_cost(index, distance, self.weight)
            solver.add_variable_cost(index, 1.0, self.constant)


class NotBoth(Constraint):
    """A constraint of a user's own: of some pairs of edges at most one each."""

    def __init__(self, pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
        self.pairs = pairs

    def instantiate(self, solver: motile.Solver) -> Iterator[ilpy.Expression]:
        edges = solver.get_variables(EdgeSelected)
        for one, other in self.pairs:
            yield edges[one] + edges[other] <= 1


def hela(n_frames: int) -> tuple[motile.TrackGraph, dict[int, tuple[float, float]]]:
    """Nodes are rows; edges to the 10 nearest of the frame before, with their distance."""
    graph = build_candidates(hela_detections(n_frames))
    detections, track_graph = graph.detections, motile.TrackGraph()
    for row, frame in enumerate(detections.frame.tolist()):
        track_graph.add_node(row, {"t": frame})
    ends = detections.position[graph.links]
    distance = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    for (u, v), far in zip(graph.links.tolist(), distance.tolist(), strict=True):
        track_graph.add_edge((u, v), {"distance": far})
    return track_graph, dict(enumerate(map(tuple, detections.position.tolist())))


def build(solver_class: type[motile.Solver], n_frames: int, part: str) -> motile.Solver:
    graph, positions = GRAPHS[n_frames]
    solver = solver_class(graph)
    solver.add_cost(EdgeSelectedCost(weight=1.0, attribute="distance", constant=-20.0))
    solver.add_cost(NodeAppearCost(constant=30.0))
    solver.add_cost(NodeDisappearCost(constant=30.0))
    solver.add_cost(NodeSplitCost(constant=20.0))
    if part == "pairs":
        solver.add_cost(PairCost(positions, weight=0.5, constant=-5.0))
    if part == "custom":
        nodes = range(0, len(graph.nodes), 100)
        solver.add_constraint(NotBoth([tuple(graph.next_edges[u][:2]) for u in nodes if len(graph.next_edges[u]) > 1]))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(2))
    return solver


GRAPHS: dict[int, tuple[motile.TrackGraph, dict[int, tuple[float, float]]]] = {}


def timed(
    solver_class: type[motile.Solver], n_frames: int, part: str, limit_s: float
) -> tuple[float, float, str, float]:
    """Seconds to build and in all, status, objective."""
    start = time.perf_counter()
    solver = build(solver_class, n_frames, part)
    built = time.perf_counter()
    backend = ilpy.Preference.Any if solver_class is Solver else ilpy.Preference.Scip
    solution = solver.solve(timeout=limit_s, num_threads=2, backend=backend)
    end = time.perf_counter()
    return built - start, end - start, solution.status.name, float(solver.costs @ np.asarray(solution.variable_values))


def compare(n_frames: int, part: str, limit_s: float) -> None:
    GRAPHS.setdefault(n_frames, hela(n_frames))
    graph = GRAPHS[n_frames][0]
    print(f"\n{part}, {n_frames} frames: {len(graph.nodes)} nodes, {len(graph.edges)} edges", flush=True)
    ours = min(timed(Solver, n_frames, part, 0.0) for _ in range(3))
    print("  tracker.motile  build {:6.2f} s, all {:8.2f} s, {}, objective {:.4f}".format(*ours), flush=True)
    theirs = timed(motile.Solver, n_frames, part, limit_s)
    print("  motile + SCIP   build {:6.2f} s, all {:8.2f} s, {}, objective {:.4f}".format(*theirs))
    least = "" if theirs[2] == "OPTIMAL" else "at least "
    print(f"  ratio {least}{theirs[1] / ours[1]:.1f}", flush=True)


def floor(n_frames: int, part: str) -> None:
    """Where the time goes."""
    with cProfile.Profile() as profile:
        build(Solver, n_frames, part).solve()
    print(f"\n{part}, {n_frames} frames, own time of the dearest functions:")
    pstats.Stats(profile).sort_stats("tottime").print_stats(12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["usual", "pairs", "custom"], action="append")
    parser.add_argument("--time-limit", type=float, default=400.0, help="seconds for motile's solver")
    parser.add_argument("--profile", action="store_true", help="say where our time goes instead")
    parser.add_argument("--frames", type=int, default=20)
    given = parser.parse_args()
    for part in given.part or ["usual", "pairs", "custom"]:
        for n_frames in (3, given.frames) if part == "pairs" else (given.frames,):
            if given.profile:
                GRAPHS.setdefault(n_frames, hela(n_frames))
                floor(n_frames, part)
            else:
                compare(n_frames, part, given.time_limit)


if __name__ == "__main__":
    main()
