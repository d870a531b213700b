"""Our tables are those of funlib.persistence: it reads them plainly. And reading by region goes through an index."""

import numpy as np
import pytest
from store_cases import HEADER, KINDS, decided, filled, place_of, random_rows

from tracker.store import Region, create_store

pytest.importorskip("funlib.persistence", reason="stores need the extra scale")
from funlib.geometry import Roi
from funlib.persistence.graphs import PgSQLGraphDatabase, SQLiteGraphDataBase


@pytest.fixture(params=KINDS[1:])
def place(request, tmp_path):
    return place_of(request.param, tmp_path, request)


def plain_graph(place):
    """As anybody else would open it."""
    if place.kind == "sqlite":
        return SQLiteGraphDataBase(place.path, "position", mode="r")
    return PgSQLGraphDatabase("position", place.database, place.host, place.user, place.password, place.port, mode="r")


def test_funlib_reads_what_is_written(place):
    store, rows, candidates = filled(place)
    solution = decided(4, rows.id, candidates)
    store.write_solution(solution)
    database = plain_graph(place)
    graph = database.read_graph()
    assert sorted(graph.nodes) == rows.id.tolist()
    assert sorted(graph.edges) == sorted(map(tuple, candidates.links.tolist()))
    for row, id in enumerate(rows.id.tolist()):
        node = graph.nodes[id]
        assert list(node["position"]) == [rows.frame[row], *rows.position[row].tolist()]
        assert (node["label"], node["owner"], node["selected"]) == (rows.label[row], 4, solution.selected[row])
        assert (node["appear_cost"], node["dual_in"]) == (rows.appear_cost[row], solution.dual_in[row])
    chosen = {edge for edge, values in graph.edges.items() if values["selected"]}
    assert chosen == set(map(tuple, solution.links.tolist()))
    for (u, v), cost in zip(candidates.links.tolist(), candidates.link_cost.tolist(), strict=True):
        assert graph.edges[u, v]["cost"] == cost
    roi = Roi((4, -5, 0), (3, 10, 100))  # whole numbers; frames 4 to 6
    part = store.read(Region(1, 3, np.array([[-5.0, 0], [5, 100]])))
    assert sorted(node["id"] for node in database.read_nodes(roi)) == part.id[part.inside].tolist()
    database.close()


def test_regions_are_read_through_an_index(place):
    detections, candidates = random_rows(0, per_step=400)
    store = create_store(place, HEADER)
    store.write_detections(detections)
    store.write_candidates(candidates)
    if place.kind == "postgresql":
        store._change("SET enable_seqscan = off")  # tables as small as these are rightly read whole
    asked = []
    table = store._table

    def noted(name, rest, parameters=()):
        explain = "EXPLAIN QUERY PLAN" if place.kind == "sqlite" else "EXPLAIN"
        asked.append((name, " ".join(str(row) for row in store._rows(f"{explain} SELECT 1 {rest}", parameters))))
        return table(name, rest, parameters)

    store._table = noted
    part = store.read(Region(1, 2, np.array([[0.0, 0.0], [3.0, 3.0]])))
    assert 0 < part.inside.sum() < 15
    indices = {
        "nodes": ("pos_index", "nodes_place", "nodes_pkey", "PRIMARY KEY"),
        "edges": ("edges",),
        "divisions": ("d",),
    }
    assert {name for name, _ in asked} == set(indices)
    first = asked[0][1]
    assert "pos_index" in first or "nodes_place" in first
    for name, plan in asked:
        assert "Seq Scan" not in plan, plan
        assert f"SCAN {name}" not in plan, plan
        assert any(index in plan for index in indices[name]), plan
