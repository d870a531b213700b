"""tracks.geff: valid by geff's own checks, and what other tools read from it."""

import subprocess
import sys
from pathlib import Path

import geff
import numpy as np
import pytest
import zarr
from geff.core_io import read_to_memory
from geff.validate.data import ValidationConfig
from numpy.typing import NDArray

from tracker import __version__
from tracker.detections import Detections
from tracker.io.write_geff import write_geff
from tracker.lineage import Lineage, ctc_labels, make_lineage

ALL_CHECKS = ValidationConfig(graph=True, lineage=True, tracklet=True)


def situation(ndim: int = 2, unit: str = "pixel") -> Lineage:
    """Row 0 divides into rows 2 and 4; row 1 skips frame 6 and goes on as row 5, then 6; row 3 is not selected."""
    frame, label = np.array([5, 5, 6, 6, 6, 7, 8]), np.array([5, 9, 3, 7, 60000, 2, 2])
    position = np.arange(7 * ndim, dtype=float).reshape(7, ndim) / 3
    detections = Detections(frame, label, position, np.arange(5, 9), np.full(ndim, 0.5), unit)
    links = np.array([(0, 2), (0, 4), (1, 5), (5, 6)])
    return make_lineage(detections, np.arange(7) != 3, links)


def empty(ndim: int = 2) -> Lineage:
    none = np.empty(0, np.int64)
    detections = Detections(none, none, np.empty((0, ndim)), np.array([0, 1]), np.ones(ndim))
    return make_lineage(detections, np.empty(0, bool), np.empty((0, 2), np.int64))


def row_ids(lineage: Lineage) -> NDArray[np.int64]:
    return np.arange(1, len(lineage.detections) + 1)


def test_nodes_edges_and_properties(tmp_path: Path) -> None:
    found = situation()
    margin = np.array([1.5, np.inf, 2.5, 9.0, np.nan, -4.0, 0.0])
    cost = np.array([0.1, 0.2, np.nan, 0.4])
    path = tmp_path / "tracks.geff"
    write_geff(path, found, {"margin": margin}, {"cost": cost}, ids=row_ids(found), masks_place="../ctc")
    graph, _ = geff.read(path, data_validation=ALL_CHECKS)
    assert dict(graph.nodes(data=True))[1] == {
        "t": 5,
        "y": 0.0,
        "x": 1 / 3,
        "label": 5,
        "track_id": 1,
        "lineage_id": 1,
        "ctc_label": 1,
        "margin": 1.5,
    }
    assert sorted(graph.nodes) == [1, 2, 3, 5, 6, 7]
    assert {node: data.get("margin") for node, data in graph.nodes(data=True)} == {
        1: 1.5,
        2: None,
        3: 2.5,
        5: None,
        6: -4.0,
        7: 0.0,
    }
    assert {(a, b): data.get("cost") for a, b, data in graph.edges(data=True)} == {
        (1, 3): 0.1,
        (1, 5): 0.2,
        (2, 6): None,
        (6, 7): 0.4,
    }
    # The skipped frame ends a CTC label but not a track.
    tracks = {node: (data["track_id"], data["ctc_label"]) for node, data in graph.nodes(data=True)}
    assert tracks == {1: (1, 1), 2: (2, 2), 3: (3, 3), 5: (4, 4), 6: (2, 5), 7: (2, 5)}
    assert dict(graph.nodes(data="lineage_id")) == {1: 1, 2: 2, 3: 1, 5: 1, 6: 2, 7: 2}


@pytest.mark.parametrize("ndim", [2, 3])
def test_metadata(tmp_path: Path, ndim: int) -> None:
    found = situation(ndim, "um")
    write_geff(tmp_path / "tracks.geff", found, {}, {}, ids=row_ids(found), masks_place="../ctc")
    metadata = geff.GeffMetadata.read(tmp_path / "tracks.geff")
    assert metadata.directed
    names = ["t", "z", "y", "x"] if ndim == 3 else ["t", "y", "x"]
    axes = [(axis.name, axis.type, axis.unit) for axis in metadata.axes]
    assert axes == [("t", "time", "frame"), *((name, "space", "micrometer") for name in names[1:])]
    assert metadata.axes[0].min == 5
    assert metadata.axes[0].max == 8
    assert metadata.track_node_props == {"tracklet": "track_id", "lineage": "lineage_id"}
    assert [(item.type, item.path, item.node_prop) for item in metadata.related_objects] == [
        ("labels", "../ctc", "ctc_label")
    ]
    hints = metadata.display_hints
    assert (hints.display_horizontal, hints.display_vertical, hints.display_time) == ("x", "y", "t")
    assert hints.display_depth == ("z" if ndim == 3 else None)
    frames = found.detections.frames.tolist()
    assert metadata.extra == {"pintrack": __version__, "scale": [0.5] * ndim, "unit": "um", "frames": frames}


def test_without_masks_there_are_no_ctc_labels(tmp_path: Path) -> None:
    found = situation()
    write_geff(tmp_path / "tracks.geff", found, {}, {}, ids=np.arange(7) * 10)
    graph, metadata = geff.read(tmp_path / "tracks.geff", data_validation=ALL_CHECKS)
    assert metadata.related_objects is None
    assert "ctc_label" not in metadata.node_props_metadata
    assert sorted(graph.edges) == [(0, 20), (0, 40), (10, 50), (50, 60)]


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_empty_lineage_can_be_written_and_read(tmp_path: Path, ndim: int) -> None:
    found = empty(ndim)
    columns = {"margin": np.empty(0)}
    write_geff(tmp_path / "t.geff", found, columns, {"cost": np.empty(0)}, ids=row_ids(found), masks_place="../ctc")
    geff.validate_structure(tmp_path / "t.geff")
    graph, _ = geff.read(tmp_path / "t.geff", data_validation=ALL_CHECKS)
    assert len(graph.nodes) == len(graph.edges) == 0


def test_detections_without_links(tmp_path: Path) -> None:
    found = situation()
    found = make_lineage(found.detections, found.selected, np.empty((0, 2), np.int64))
    write_geff(tmp_path / "t.geff", found, {"margin": np.full(7, np.inf)}, {"cost": np.empty(0)}, ids=row_ids(found))
    graph, _ = geff.read(tmp_path / "t.geff", data_validation=ALL_CHECKS)
    assert len(graph.nodes) == 6
    assert len(graph.edges) == 0
    assert not any("margin" in data for _, data in graph.nodes(data=True))


@pytest.mark.parametrize("unit", ["furlong", "pixel", "px", "µm"])
def test_any_unit_is_written_without_a_word(tmp_path: Path, unit: str) -> None:
    found = situation(unit=unit)
    write_geff(tmp_path / "t.geff", found, {}, {}, ids=row_ids(found))
    wanted = {"furlong": "furlong", "pixel": "pixel", "px": "pixel", "µm": "micrometer"}[unit]
    assert zarr.open_group(tmp_path / "t.geff", mode="r").attrs["geff"]["axes"][1]["unit"] == wanted


def test_the_validator_of_geff_is_content(tmp_path: Path) -> None:
    found = situation()
    write_geff(tmp_path / "t.geff", found, {"margin": np.full(7, np.inf)}, {}, ids=row_ids(found), masks_place="../ctc")
    command = [sys.executable, "-c", "from geff._cli import app; app()", "validate", str(tmp_path / "t.geff")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_ids_beyond_32_bits(tmp_path: Path) -> None:
    found = situation()
    write_geff(tmp_path / "t.geff", found, {}, {}, ids=np.arange(7) + 2**60)
    memory = read_to_memory(tmp_path / "t.geff")
    assert memory["node_ids"].tolist() == [2**60 + row for row in (0, 1, 2, 4, 5, 6)]
    assert memory["edge_ids"].tolist() == [[2**60 + a, 2**60 + b] for a, b in found.links.tolist()]


def test_traccuracy_loads_it_with_masks(tmp_path: Path) -> None:
    from traccuracy.loaders import load_geff_data

    found = situation()
    write_geff(tmp_path / "t.geff", found, {}, {}, ids=row_ids(found), masks_place="../ctc")
    labels = ctc_labels(found)
    masks = np.zeros((9, 4, 8), np.uint16)
    for row in np.flatnonzero(found.selected):
        masks[found.detections.frame[row], :, row] = labels[row]
    zarr.save_array(str(tmp_path / "masks.zarr"), masks)
    loaded = load_geff_data(
        str(tmp_path / "t.geff"), seg_path=str(tmp_path / "masks.zarr"), seg_property="ctc_label", load_all_props=True
    )
    assert sorted(loaded.graph.edges) == [(1, 3), (1, 5), (2, 6), (6, 7)]
    assert {node: loaded.graph.nodes[node]["ctc_label"] for node in loaded.graph} == {
        row + 1: labels[row] for row in np.flatnonzero(found.selected).tolist()
    }
    assert loaded.get_divisions() == [1]
    assert (loaded.start_frame, loaded.end_frame) == (5, 9)
