"""Other trackers behind one function each: detections -> (L, 2) links. Each with one setting for all movies.

Lengths are handed over in units of the movie's own spacing (median distance to the nearest neighbour), so that one
setting can fit movies of any magnification; `reach` is the farthest link, in spacings.
"""

import contextlib
import io
import warnings

import networkx as nx
import numpy as np
from scipy.spatial import cKDTree

from tracker.candidates import build_candidates
from tracker.detections import Detections


def spacing(detections: Detections) -> float:
    distances = []
    for first, last in zip(detections.starts[:-1], detections.starts[1:], strict=True):
        if last - first > 1:
            place = detections.position[first:last]
            distances.append(cKDTree(place).query(place, k=2)[0][:, 1])
    return float(np.median(np.concatenate(distances)))


def nearest(detections: Detections, reach: float) -> np.ndarray:
    """Every detection takes its nearest in the frame before; at most two children, the nearest."""
    graph = build_candidates(detections, neighbors=1, max_distance=reach * spacing(detections), divisions=False)
    links = graph.links.astype(np.int64)
    length = np.linalg.norm(detections.position[links[:, 0]] - detections.position[links[:, 1]], axis=1)
    order = np.lexsort((length, links[:, 0]))
    links = links[order]
    rank = np.arange(len(links)) - np.searchsorted(links[:, 0], links[:, 0])
    return links[rank < 2]


def laptrack(detections: Detections, reach: float) -> np.ndarray:
    """Linear assignment frame by frame, then gaps and splits (LapTrack); cutoffs are squared distances."""
    from laptrack import LapTrack

    frames = [
        detections.position[first:last] / spacing(detections)
        for first, last in zip(detections.starts[:-1], detections.starts[1:], strict=True)
    ]
    limit = reach**2
    tracker = LapTrack(cutoff=limit, gap_closing_cutoff=False, splitting_cutoff=limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = tracker.predict(frames)
    rows = [(detections.starts[t] + i, detections.starts[s] + j) for (t, i), (s, j) in tree.edges]
    return np.array(rows, np.int64).reshape(-1, 2)


def tracksdata(
    detections: Detections, reach: float, *, end: float = 1.0, division: float = 0.5, time_limit_s: float = 60.0
) -> np.ndarray:
    """The ILP of tracksdata on distances: a link of the length `reach` is worth nothing."""
    import polars as pl
    import tracksdata as td

    graph = td.graph.RustWorkXGraph()
    axes = ["z", "y", "x"][-detections.ndim :]
    for name in axes:
        graph.add_node_attr_key(name, pl.Float64)
    place = detections.position / spacing(detections)
    nodes = [
        {"t": int(t), **{name: float(value) for name, value in zip(axes, point, strict=True)}}
        for t, point in zip(detections.step, place, strict=True)
    ]
    row_of = {node: row for row, node in enumerate(graph.bulk_add_nodes(nodes))}
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        td.edges.DistanceEdges(distance_threshold=reach, n_neighbors=10, attr_keys=axes).add_edges(graph)
        solver = td.solvers.ILPSolver(
            edge_weight=td.EdgeAttr("distance") - reach,
            appearance_weight=end,
            disappearance_weight=end,
            division_weight=division,
            node_weight=-10.0,
            timeout=time_limit_s,
        )
        solution = solver.solve(graph)
    edges = solution.edge_attrs(attr_keys=[])
    pairs = zip(edges["source_id"].to_list(), edges["target_id"].to_list(), strict=True)
    return np.array([(row_of[u], row_of[v]) for u, v in pairs], np.int64).reshape(-1, 2)


def motile(
    detections: Detections, reach: float, *, end: float = 1.0, division: float = 0.5, time_limit_s: float = 60.0
) -> np.ndarray:
    """motile 1.0 with SCIP, time_limit_s: distances, constants for appearing, disappearing and splitting."""
    import motile
    from motile.constraints import MaxChildren, MaxParents
    from motile.costs import EdgeSelectedCost, NodeAppearCost, NodeDisappearCost, NodeSelectedCost, NodeSplitCost

    size = spacing(detections)
    graph = nx.DiGraph()
    for row, step in enumerate(detections.step.tolist()):
        graph.add_node(row, t=step)
    candidates = build_candidates(detections, neighbors=10, max_distance=reach * size, divisions=False)
    for u, v in candidates.links.tolist():
        length = float(np.linalg.norm(detections.position[u] - detections.position[v]) / size)
        graph.add_edge(u, v, length=length)
    solver = motile.Solver(motile.TrackGraph(graph, frame_attribute="t"))
    solver.add_cost(NodeSelectedCost(weight=0.0, constant=-10.0))
    solver.add_cost(EdgeSelectedCost(weight=1.0, attribute="length", constant=-reach))
    solver.add_cost(NodeAppearCost(constant=end))
    solver.add_cost(NodeDisappearCost(constant=end))
    solver.add_cost(NodeSplitCost(constant=division))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(2))
    solver.solve(timeout=time_limit_s)
    return np.array(list(solver.get_selected_subgraph().edges), np.int64).reshape(-1, 2)
