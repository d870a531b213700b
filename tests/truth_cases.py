"""A truth of points drawn as text, and ground truth folders written from small masks."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tracker.lineage import make_lineage
from tracker.truth import Truth

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[2] / "shared" / "data"))


def points(frames, links, *, first=0, every=1, last=None):
    """A truth of points 0, 1, ... in `frames` (increasing), far apart from each other; links are pairs of these."""
    frame = np.array(frames, np.int64) * every + first
    parent = np.full(len(frame), -1, np.int64)
    for source, target in links:
        parent[target] = source
    place = np.arange(len(frame)) * 10.0
    stop = frame.max() if last is None else last
    return Truth(
        frame=frame,
        label=np.arange(len(frame)),
        position=np.column_stack([place, place]),
        parent=parent,
        frames=np.arange(first, stop + 1, every),
        scale=np.ones(2),
    )


def result(truth, links, unselected=()):
    """The detections of `truth`, linked otherwise."""
    lineage = truth.to_lineage()
    selected = ~np.isin(np.arange(len(truth)), unselected)
    return make_lineage(lineage.detections, selected, np.array(links, np.int64).reshape(-1, 2))


def write_truth(folder, masks, table, name="man_track"):
    """Write masks {t: array} and the lines of a track table as a Cell Tracking Challenge folder."""
    folder.mkdir(parents=True)
    for frame, mask in masks.items():
        tifffile.imwrite(folder / f"{name}{frame:03d}.tif", np.asarray(mask, np.uint16), photometric="minisblack")
    table_name = "res_track.txt" if name == "mask" else "man_track.txt"
    (folder / table_name).write_text("\n".join(table) + "\n")
    return folder


def moved(truth, by):
    """The same truth with every position shifted."""
    return replace(truth, position=truth.position + by)


def data(*parts):
    """A path in the folder of real movies; skips the test where that is absent."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the real movies are absent: no {path} (set TRACK_DATA)")
    return path
