"""Solve one instance with motile 0.4, the last release with hyperedges. Run by solver.py in an environment of its own.

Usage: python motile_hyperedges.py INSTANCE.npz TIME_LIMIT_S   prints one line of JSON.
"""

import json
import sys
import time

import ilpy
import motile
import numpy as np
from motile.constraints import MaxChildren, MaxParents, Pin
from motile.costs import Appear, Disappear, EdgeSelection

sys.setrecursionlimit(1_000_000)  # sums over many edges are nested expressions there


def main(path: str, time_limit_s: float) -> None:
    instance = np.load(path)
    start = time.perf_counter()
    graph = motile.TrackGraph()
    for row, frame in enumerate(instance["frame"].tolist()):
        graph.add_node(row, {"t": frame, **({"pinned": True} if instance["keep"] else {})})
    for (u, v), cost in zip(instance["links"].tolist(), instance["link_cost"].tolist(), strict=True):
        graph.add_edge((u, v), {"cost": cost})
    # Hyperedges by hand: TrackGraph.add_edge of 0.4.0 files them under a child instead of the parent.
    for (u, v, w), cost in zip(instance["divisions"].tolist(), instance["division_cost"].tolist(), strict=True):
        edge = ((u,), (v, w))
        graph.edges[edge] = {"cost": cost}
        graph.next_edges[u].append(edge)
        graph.prev_edges[v].append(edge)
        graph.prev_edges[w].append(edge)
    solver = motile.Solver(graph)
    solver.add_cost(EdgeSelection(weight=1.0, attribute="cost"))
    solver.add_cost(Appear(constant=1.0))
    solver.add_cost(Disappear(constant=1.0))
    if instance["keep"]:
        solver.add_constraint(Pin("pinned"))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(1))
    solver.costs  # noqa: B018 - builds the cost vector
    build_s = time.perf_counter() - start
    solution = solver.solve(timeout=time_limit_s, num_threads=2, backend=ilpy.Preference.Scip)
    total_s = time.perf_counter() - start
    objective = float(np.asarray(solver.costs, np.float64) @ np.asarray(solution.variable_values))
    print(json.dumps({"build_s": build_s, "total_s": total_s, "objective": objective, "status": solution.status.name}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
