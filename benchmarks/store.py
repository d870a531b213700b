"""Write and read a large program through the store, on SQLite and on a private PostgreSQL, beside funlib.persistence.

    python benchmarks/store.py                      # 1M detections, 10M links; minutes
    python benchmarks/store.py --detections 100000

The peer is the plain way of funlib.persistence (write_nodes, write_edges, read_graph) on a smaller program, both by the
row. PostgreSQL is left out where it is not installed.
"""

import argparse
import platform
import resource
import sys
import tempfile
import time
from pathlib import Path

import networkx as nx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from postgres_server import running_server, why_not

from tracker.store import BlockSolution, CandidateRows, DetectionRows, Header, Region, create_store, parse_place

SPACING = 10.0


def program(first: int, stop: int, per_step: int, neighbors: int):
    """Detections of steps first..stop, and links to `neighbors` of the next step."""
    random = np.random.default_rng(first)
    ids = np.arange(first * per_step, stop * per_step)
    steps, side = ids // per_step, int(np.ceil(np.sqrt(per_step)))
    place = np.stack([ids % per_step // side, ids % per_step % side], axis=1) * SPACING
    zeros = np.zeros(len(ids))
    detections = DetectionRows(
        ids, steps, steps, ids % per_step + 1, place + random.normal(size=place.shape), zeros + 1, zeros + 1, zeros,
        zeros == 0, {"area_px": random.normal(size=len(ids))},
    )  # fmt: skip
    return detections, ids


def links_of(ids, per_step, neighbors, last):
    parents = np.repeat(ids[ids // per_step < last], neighbors)
    offset = np.tile(np.arange(neighbors) - neighbors // 2, len(parents) // neighbors)
    child = (parents % per_step + offset) % per_step + (parents // per_step + 1) * per_step
    cost = np.random.default_rng(1).normal(size=len(parents))
    return CandidateRows(np.column_stack([parents, child]), cost, link_columns={"distance": np.abs(cost)})


def timed(what: str, work, rows: int) -> float:
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    print(f"  {what:<44} {seconds:8.2f} s   {rows / max(seconds, 1e-9):12,.0f} rows/s", flush=True)
    return seconds


def ours(place, detections: int, neighbors: int, per_step: int) -> dict[str, float]:
    steps = detections // per_step
    header = Header({}, np.arange(steps), 2, detection_columns=("area_px",), link_columns=("distance",))
    store = create_store(place, header)
    chunk = max(1, 100_000 // per_step)
    seconds, links = {}, 0

    def write():
        nonlocal links
        for first in range(0, steps, chunk):
            rows, ids = program(first, min(steps, first + chunk), per_step, neighbors)
            store.write_detections(rows)
            candidates = links_of(ids, per_step, neighbors, steps - 1)
            store.write_candidates(candidates)
            links += len(candidates.links)

    total = detections * (neighbors + 1)
    seconds["write"] = timed(f"write {detections:,} nodes, {neighbors} links each", write, total)
    side = np.ceil(np.sqrt(per_step)) * SPACING
    middle = np.array([[side / 4, side / 4], [3 * side / 4, 3 * side / 4]])
    region = Region(steps // 2, steps // 2 + 5, middle)
    parts = []
    seconds["region"] = timed("read 5 steps, a quarter of each", lambda: parts.append(store.read(region)), 1)
    part = parts[0]
    print(f"  {'':<44} {part.inside.sum():,} detections, {len(part.links):,} links")
    own = part.id[part.inside]
    chosen = part.links[part.inside[part.links[:, 0]]]
    chosen = part.id[chosen[np.unique(chosen[:, 0], return_index=True)[1]]]
    bits = np.ones(len(own), bool)
    empty = np.empty((0, 3), np.int64)
    solution = BlockSolution(0, "d", own, bits, ~bits, ~bits, bits * 0.5, bits * 0.5, chosen, empty)
    seconds["commit"] = timed("commit that block", lambda: store.write_solution(solution), len(own))
    seconds["commit again"] = timed("commit it again", lambda: store.write_solution(solution), len(own))

    def read_all():
        for first in range(0, steps, chunk):
            store.read(Region(first, min(steps, first + chunk)))

    seconds["read"] = timed("read everything, region by region", read_all, total)
    seconds["solution"] = timed("read the solution", lambda: sum(1 for _ in store.read_solution()), detections)
    store.close()
    return seconds


def plain(make, detections: int, neighbors: int, per_step: int) -> dict[str, float]:
    """The same rows by funlib.persistence alone, which takes and gives a networkx graph."""
    from funlib.persistence.types import Vec

    rows, ids = program(0, detections // per_step, per_step, neighbors)
    candidates = links_of(ids, per_step, neighbors, detections // per_step - 1)
    graph = nx.DiGraph()
    places = np.column_stack([rows.frame, rows.position]).tolist()
    graph.add_nodes_from((id, {"position": place, "cost": 1.0}) for id, place in zip(ids.tolist(), places, strict=True))
    costs = candidates.link_cost.tolist()
    graph.add_edges_from((u, v, {"cost": c}) for (u, v), c in zip(candidates.links.tolist(), costs, strict=True))
    database = make(
        mode="w", directed=True, node_attrs={"position": Vec(float, 3), "cost": float}, edge_attrs={"cost": float}
    )
    total = detections + len(costs)
    seconds = {}
    seconds["write"] = timed(f"funlib: write {detections:,} nodes", lambda: database.write_graph(graph), total)
    seconds["read"] = timed("funlib: read_graph", database.read_graph, total)
    database.close()
    return seconds


def compare(name: str, place_of, make_plain, arguments) -> None:
    print(f"{name}")
    ours(place_of("large"), arguments.detections, arguments.neighbors, arguments.per_step)
    small = arguments.plain
    print(f" beside funlib.persistence, {small:,} nodes:")
    mine = ours(place_of("small"), small, arguments.neighbors, arguments.per_step_plain)
    theirs = plain(make_plain, small, arguments.neighbors, arguments.per_step_plain)
    for key in ("write", "read"):
        print(f"  {key}: funlib.persistence takes {theirs[key] / mine[key]:.1f} times as long")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--per-step", type=int, default=2_500)
    parser.add_argument("--neighbors", type=int, default=10)
    parser.add_argument("--plain", type=int, default=20_000, help="nodes for funlib.persistence alone")
    parser.add_argument("--per-step-plain", type=int, default=500)
    parser.add_argument("--only", choices=["sqlite", "postgresql"])
    arguments = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    from funlib.persistence.graphs import PgSQLGraphDatabase, SQLiteGraphDataBase

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.only != "postgresql":
            compare(
                "SQLite",
                lambda size: parse_place(f"sqlite:///{size}.db", folder),
                lambda **given: SQLiteGraphDataBase(folder / "plain.db", "position", **given),
                arguments,
            )
            print(f"  file: {(folder / 'large.db').stat().st_size / 1e9:.2f} GB")
        if arguments.only == "sqlite":
            pass
        elif why_not():
            print(f"PostgreSQL: left out: {why_not()}")
        else:
            with running_server() as server:
                compare(
                    "PostgreSQL (fsync off)",
                    lambda size: parse_place(server.url(size), arrays=folder / "arrays"),
                    lambda **given: PgSQLGraphDatabase(
                        "position", "plain", "127.0.0.1", "tester", server_password(), server.port, **given
                    ),
                    arguments,
                )
    print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


def server_password() -> str:
    from postgres_server import PASSWORD

    return PASSWORD


if __name__ == "__main__":
    main()
