"""Cell Tracking Challenge folder: one relabelled mask per frame and a table of tracks."""

import logging
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from tracker.io.movie import Movie
from tracker.io.tracked_masks import tracked_masks
from tracker.lineage import Lineage, ctc_labels

_log = logging.getLogger(__name__)

MAX_UINT16_TRACKS = int(np.iinfo(np.uint16).max)


def write_ctc(folder: Path, lineage: Lineage, masks: Movie) -> None:
    """Write `maskNNN.tif` for every kept frame and `res_track.txt` into `folder`, which is made.

    NNN is the input's own t, with 3 digits, or as many as the largest t needs. Pixels hold `ctc_labels`, 0 where a
    detection was not selected; 16-bit, or 32-bit with a logged warning for more than 65,535 tracks. Lines of
    res_track.txt are `L B E P`: label, first and last t, parent label or 0. The files are deflate-compressed.

    Tools of the challenge count frames by one from 0: a result that starts later, or keeps every n-th frame only,
    has to be renumbered (files, B and E) for them. Within the kept frames every label is present from B to E.

    Raises MovieError when a mask does not hold a selected detection.
    """
    found, label = lineage.detections, ctc_labels(lineage)
    n_tracks = int(label.max(initial=0))
    dtype: np.dtype[np.uint16] | np.dtype[np.uint32] = np.dtype(np.uint16)
    if n_tracks > MAX_UINT16_TRACKS:
        dtype = np.dtype(np.uint32)
        _log.warning(
            "%d tracks do not fit the 16-bit masks of the Cell Tracking Challenge (%d): writing 32-bit masks, "
            "which its own tools may refuse",
            n_tracks,
            MAX_UINT16_TRACKS,
        )
    if not np.array_equal(found.frames, np.arange(len(found.frames))):
        _log.warning(
            "the tracked masks keep the movie's own frame numbers, t = %d to %d in %d frames; tools that count frames "
            "by one from 0 want them renumbered",
            found.frames[0],
            found.frames[-1],
            len(found.frames),
        )
    folder.mkdir(parents=True)
    digits = max(3, len(str(int(found.frames.max(initial=0)))))
    for frame, image in tracked_masks(lineage, masks, dtype):
        tifffile.imwrite(folder / f"mask{frame:0{digits}d}.tif", image, photometric="minisblack", compression="zlib")
    table = track_table(lineage, label)
    lines = [f"{a} {b} {c} {d}\n" for a, b, c, d in table.tolist()]
    (folder / "res_track.txt").write_text("".join(lines), encoding="ascii", newline="\n")


def track_table(lineage: Lineage, label: NDArray[np.int64]) -> NDArray[np.int64]:
    """(tracks, 4) int64 `L B E P` from the (N,) labels of `ctc_labels`."""
    rows = np.flatnonzero(lineage.selected)
    number, first = np.unique(label[rows], return_index=True)
    last = len(rows) - 1 - np.unique(label[rows][::-1], return_index=True)[1]
    parent = lineage.parent[rows[first]]
    parent_label = np.where(parent >= 0, label[np.maximum(parent, 0)], 0)
    frame = lineage.detections.frame[rows]
    return np.column_stack([number, frame[first], frame[last], parent_label])
