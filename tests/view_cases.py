"""A small movie that is opened for proofreading."""

from pathlib import Path
from typing import Any

from session_cases import content_of

from tracker.config import make_config
from tracker.pin_table import Key, PinRow
from tracker.view.proofreading import Proofreading


def open_cells(folder: Path, pins: Path, **sections: Any) -> Proofreading:
    """The movie of session_cases.write_cells."""
    return Proofreading(make_config(content_of() | sections, folder=folder), pins)


def some_link(opened: Proofreading, place: int = 0) -> tuple[int, int]:
    """Rows of a link whose parent has no other child."""
    lineage = opened.lineage
    single = lineage.links[lineage.n_children[lineage.links[:, 0]] == 1]
    return int(single[place, 0]), int(single[place, 1])


def key(opened: Proofreading, row: int) -> Key:
    found = opened.session.inputs.detections
    return int(found.frame[row]), int(found.label[row])


def link_pin(opened: Proofreading, parent: int, child: int, value: bool) -> PinRow:
    return PinRow("link", (key(opened, parent), key(opened, child)), value)
