"""On the real HeLa movie: with every detection annotated the solution is the annotation, missing frames included."""

import os
from pathlib import Path

import pytest

from tracker.config import make_config
from tracker.matching import match_truth
from tracker.pin_table import PinRow
from tracker.pins import write_pins
from tracker.pipeline import run
from tracker.prepare import read_inputs
from tracker.truth import read_truth

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}"),
]


def test_every_detection_annotated(tmp_path: Path) -> None:
    pytest.importorskip("traccuracy")
    data = {"segmentation": str(HELA / "02_SEG"), "truth": str(HELA / "02_GT" / "TRA")}
    config = make_config({"data": data, "output": {"path": str(tmp_path / "result")}})
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
        make_config({
            "data": data,
            "annotations": {"pins": [str(tmp_path / "pins.csv")]},
            "output": {"path": str(tmp_path / "pinned")},
        })
    )  # fmt: skip
    assert free.metrics is not None
    assert pinned.metrics is not None
    assert free.metrics["AOGM"] == 82
    assert pinned.metrics["AOGM"] == 0
    assert pinned.report["counts"]["pins"] == 3271
