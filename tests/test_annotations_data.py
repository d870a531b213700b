"""On the real HeLa movie: with every detection annotated the solution is the annotation, missing frames included."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tracker.annotations import solve_pinned
from tracker.config import make_config
from tracker.ilp.backends import SolverSettings
from tracker.inputs import read_inputs
from tracker.matching import match_truth
from tracker.pin_sources import pins_from_lineage, truth_as_lineage
from tracker.pin_table import PinRow
from tracker.pins import write_pins
from tracker.pipeline import run, to_lineage
from tracker.prepare import prepare
from tracker.stopwatch import Stopwatch
from tracker.truth import read_truth

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}"),
]


def test_pins_of_the_first_frames_hold_in_all(tmp_path: Path) -> None:
    """A truth knows what comes after the chosen frames: their last ends no track."""
    masks, truth = str(HELA / "02_SEG"), read_truth(HELA / "02_GT" / "TRA")
    inputs = read_inputs(make_config({"data": {"segmentation": masks, "frames": [0, 12]}}))
    true = truth_as_lineage(truth, inputs.detections, inputs.masks)
    pins = pins_from_lineage(
        true.lineage,
        np.arange(len(inputs.detections)),
        unknown_children=true.unknown_children,
        unknown_parent=true.unknown_parent,
    )
    kinds = Counter((pin.keys[0][0], pin.kind) for pin in pins)
    assert (kinds[11, "children"], kinds[11, "detection"]) == (1, 167)  # one nucleus ends in the last of these frames
    assert kinds[10, "detection"] == 1  # one is missed in it, and comes back later
    write_pins(tmp_path / "pins.csv", pins)
    prepared = prepare(
        make_config({"data": {"segmentation": masks}, "annotations": {"pins": [str(tmp_path / "pins.csv")]}}),
        Stopwatch(),
    )
    problem, solution = solve_pinned(prepared.problem, prepared.pins, SolverSettings(threads=1))
    whole = to_lineage(prepared.graph, problem, solution)
    found = whole.detections
    early = found.frame[whole.links[:, 1]] < 12
    assert whole.links[early].tolist() == true.lineage.links.tolist()


def test_every_detection_annotated(tmp_path: Path) -> None:
    pytest.importorskip("traccuracy")
    data = {"segmentation": str(HELA / "02_SEG"), "truth": str(HELA / "02_GT" / "TRA")}
    shared = {"data": data, "costs": {"preset": "attrackt"}}
    config = make_config(shared | {"output": {"path": str(tmp_path / "result")}})
    inputs, truth = read_inputs(config), read_truth(HELA / "02_GT" / "TRA")
    rows, _ = match_truth(inputs.detections, truth, inputs.masks)
    children: dict[int, list[int]] = {}
    for child, parent in enumerate(truth.parent.tolist()):
        children.setdefault(parent, []).append(child)

    def key(node: int) -> tuple[int, int]:
        return int(inputs.detections.frame[rows[node]]), int(inputs.detections.label[rows[node]])

    pins = [PinRow("children", tuple(key(one) for one in (node, *children.get(node, [])))) for node in range(len(rows))]
    write_pins(tmp_path / "pins.csv", pins)
    free = run(config)
    pinned = run(
        make_config(
            shared
            | {"annotations": {"pins": [str(tmp_path / "pins.csv")]}, "output": {"path": str(tmp_path / "pinned")}}
        )
    )
    assert free.metrics is not None
    assert pinned.metrics is not None
    assert free.metrics["AOGM"] == 82
    assert pinned.metrics["AOGM"] == 0
    assert pinned.report["counts"]["pins"] == 3271
