"""Points from a geff."""

import re

import geff
import geff.core_io
import networkx as nx
import numpy as np
import pytest
from point_files import refused

from tracker.errors import PointsError
from tracker.io.points import read_points


def write_geff(path, nodes, edges, axes=("t", "z", "y", "x"), types=("time", "space", "space", "space"), **options):
    graph = nx.DiGraph()
    for node, values in nodes.items():
        graph.add_node(node, **values)
    graph.add_edges_from(edges)
    geff.write(graph, path, axis_names=axes and list(axes), axis_types=types and list(types), **options)
    return path


NODES = {
    5: {"t": 0, "z": 0.5, "y": 1.0, "x": 2.0, "size": 3, "word": "a"},
    3: {"t": 1, "z": 1.5, "y": 1.0, "x": 2.5, "size": 4, "word": "b"},
    8: {"t": 2, "z": 2.5, "y": 0.0, "x": 9.0, "word": "c"},
}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("axes", [("t", "z", "y", "x"), ("x", "y", "z", "t"), None])
def test_geff(tmp_path, axes, zarr_format):
    types = axes and tuple("time" if axis == "t" else "space" for axis in axes)
    without_text = {node: {k: v for k, v in values.items() if k != "word"} for node, values in NODES.items()}
    nodes = NODES if zarr_format == 2 else without_text  # zarr 3 has no settled form for text
    path = write_geff(tmp_path / "tracks.geff", nodes, [(5, 3), (3, 8)], axes, types, zarr_format=zarr_format)
    table = read_points(path)
    assert table.id.tolist() == [5, 3, 8]
    assert table.frame.tolist() == [0, 1, 2]
    assert table.axes == ("z", "y", "x")
    assert table.position.tolist() == [[0.5, 1, 2], [1.5, 1, 2.5], [2.5, 0, 9]]
    assert table.parent_id.tolist() == [-1, 5, 3]
    assert list(table.properties) == ["size"]
    np.testing.assert_array_equal(table.properties["size"], [3, 4, np.nan])
    assert read_points(path, lineage=False).parent_id is None


def test_geff_in_the_plane_with_named_time(tmp_path):
    nodes = {k: {"frame": k, "y": 1.0, "x": 2.0} for k in range(3)}
    path = write_geff(tmp_path / "a.zarr", nodes, [], ("frame", "y", "x"), ("time", "space", "space"))
    table = read_points(path)
    assert table.axes == ("y", "x")
    assert table.frame.tolist() == [0, 1, 2]
    assert table.parent_id is None  # no edges


def test_bad_geff(tmp_path):
    merge = write_geff(tmp_path / "merge.geff", NODES, [(5, 8), (3, 8)])
    refused(merge, "a lineage gives each point one parent at most; in FILE these have several: 8")
    assert len(read_points(merge, lineage=False)) == 3
    half = write_geff(tmp_path / "half.geff", {1: {"t": 0.5, "y": 1.0, "x": 1.0}}, [], ("t", "y", "x"), None)
    refused(half, "the time of a point must be an integer; not so in FILE node 1")
    lost = write_geff(tmp_path / "lost.geff", {1: {"t": 0, "y": np.nan, "x": 1.0}}, [], ("t", "y", "x"), None)
    refused(lost, "positions must be finite; NaN or infinite in FILE node 1. Remove or mend these points")
    other = write_geff(tmp_path / "other.geff", {1: {"t": 0, "a": 1.0, "b": 1.0}}, [], ("t", "a", "b"), None)
    refused(other, "the nodes of FILE need a time axis and the axes [z,] y, x; found t, a, b")
    words = write_geff(tmp_path / "words.geff", {1: {"t": 0, "y": "a", "x": 1.0}}, [], None, None)
    refused(words, "the axes of FILE must be one number per node; not so: y")
    (tmp_path / "plain").mkdir()
    with pytest.raises(PointsError, match=re.escape(f"cannot read {tmp_path / 'plain'} as a geff: ")):
        read_points(tmp_path / "plain")


def test_empty_geff(tmp_path):
    write_geff(tmp_path / "a.geff", NODES, [])
    metadata = geff.GeffMetadata.read(tmp_path / "a.geff")
    none = {name: {"values": np.empty(0), "missing": None} for name in "tzyx"}
    metadata.node_props_metadata = {}
    geff.core_io.write_arrays(
        tmp_path / "b.geff", np.empty(0, np.uint64), none, np.empty((0, 2), np.uint64), {}, metadata
    )
    refused(tmp_path / "b.geff", "no points in FILE")
