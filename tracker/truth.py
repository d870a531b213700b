"""Ground truth: who really descends from whom, read from a Cell Tracking Challenge folder or a point table."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.detections import Detections
from tracker.errors import ConfigError, TruthError, first_five
from tracker.io.ctc import CtcTracks, find_track_table, read_track_table
from tracker.io.movie import Movie
from tracker.io.movies import open_movie
from tracker.io.points import PointTable, read_points
from tracker.lineage import Lineage, make_lineage
from tracker.reading import frames_of_points, select_frames
from tracker.regions import region_properties


@dataclass(frozen=True)
class Truth:
    """M true objects, sorted by (frame, label). A row is an index into these arrays.

    frame: (M,) int64.   label: (M,) int64, label in the truth's own mask of that frame, or the id of the point.
    position: (M, D) float64, [z,] y, x times `scale`.   parent: (M,) int64 row of the parent or -1; a parent may lie
        several frames back (a gap).   frames: (T,) int64, every frame of the truth, empty ones included.
    scale: (D,) float64.   masks: where the objects lie, None for points.   name: the path it was read from.
    warnings: what was odd but could be used.
    """

    frame: NDArray[np.int64]
    label: NDArray[np.int64]
    position: NDArray[np.float64]
    parent: NDArray[np.int64]
    frames: NDArray[np.int64]
    scale: NDArray[np.float64]
    masks: Movie | None = None
    name: str = "truth"
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of objects M."""
        return len(self.frame)

    @property
    def links(self) -> NDArray[np.int64]:
        """(L, 2) rows (parent, child), sorted by child."""
        child = np.flatnonzero(self.parent >= 0)
        return np.column_stack([self.parent[child], child])

    @property
    def n_children(self) -> NDArray[np.int64]:
        """(M,) number of children."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self)).astype(np.int64)

    @property
    def n_divisions(self) -> int:
        """Objects with two children or more."""
        return int((self.n_children > 1).sum())

    @property
    def n_gaps(self) -> int:
        """Links that skip frames of the truth."""
        step = np.searchsorted(self.frames, self.frame)
        parent, child = self.links.T
        return int((step[child] - step[parent] > 1).sum())

    def select(self, frames: NDArray[np.int64]) -> "Truth":
        """The truth of these frames alone: children of what is left out pass to the nearest ancestor that is kept.

        A parent left with more than two children (it divided twice between kept frames) is named in `warnings`.
        Raises TruthError when the truth has none of the frames.
        """
        chosen = self.frames[np.isin(self.frames, frames)]
        if not len(chosen):
            raise TruthError(
                f"the ground truth {self.name} has t = {self.frames[0]} to {self.frames[-1]}, none of the frames "
                f"wanted: t = {first_five(frames)}. Give the truth of this movie, numbered as the movie is"
            )
        rows, parent = contract(self.parent, np.isin(self.frame, chosen))
        left = replace(
            self,
            frame=self.frame[rows],
            label=self.label[rows],
            position=self.position[rows],
            parent=parent,
            frames=chosen,
        )
        crowded = left.n_children > 2
        crowded &= self.n_children[rows] <= 2
        if crowded.any():
            note = f"with these frames alone, objects of {self.name} have more than two children (frame:label): "
            left = replace(left, warnings=(*left.warnings, note + left.names(np.flatnonzero(crowded))))
        return left

    def to_lineage(self, unit: str = "pixel") -> Lineage:
        """The truth as if it were a result: every object a detection of the same row, all of them selected."""
        detections = Detections(
            frame=self.frame,
            label=self.label,
            position=self.position,
            frames=self.frames,
            scale=self.scale,
            unit=unit,
            image_shape=None if self.masks is None else self.masks.shape,
        )
        return make_lineage(detections, np.ones(len(self), bool), self.links)

    def names(self, rows: NDArray[np.int64]) -> str:
        """First five of `rows` as frame:label, with the count: for messages."""
        return first_five(f"{self.frame[row]}:{self.label[row]}" for row in rows)


def contract(parent: NDArray[np.int64], kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Leave out objects of a lineage; what descends from them passes to the nearest ancestor that is kept.

    parent: (M,) row or -1.   kept: (M,).   Returns the kept rows (K,) and, counted among them, their parents (K,).
    """
    ancestor = parent.copy()
    # Pointer doubling: whoever points at an object left out takes over where that one points.
    while len(astray := np.flatnonzero((ancestor >= 0) & ~kept[ancestor])):
        ancestor[astray] = ancestor[ancestor[astray]]
    number = np.append(np.cumsum(kept) - 1, -1)
    return np.flatnonzero(kept), number[ancestor[kept]]


def read_truth(
    path: Path | str,
    *,
    scale: ArrayLike | None = None,
    frames: tuple[int, int] | None = None,
    every: int = 1,
) -> Truth:
    """Read a ground truth.

    path: a folder of masks with their track table (`01_GT/TRA`, or `01_GT` above it; also a result folder `01_RES`),
        or a table of points with a column parent_id.
    scale: (D,) size of a pixel (or of the table's unit) along [z,] y, x, default 1.
    frames: half-open, counted from the first frame of the truth, default all.   every: keep every so-many-th.
    Links of a folder: each object of a track to the next one of it, and the last of the parent track to the first.
    Raises TruthError, or MovieError and PointsError for files that cannot be read.
    """
    place = Path(path)
    if place.is_dir() and not any(place.glob("*_track.txt")) and any((place / "TRA").glob("*_track.txt")):
        place = place / "TRA"
    if place.name.endswith("_track.txt") or (place.is_dir() and any(place.glob("*_track.txt"))):
        truth = _from_masks(place, scale)
    elif place.is_dir() and any(place.glob("*.tif*")):
        raise TruthError(f"a folder of masks is a ground truth only with its track table; no man_track.txt in {place}")
    elif not place.exists():
        raise TruthError(f"no ground truth at {place}")
    else:
        truth = _from_points(read_points(place), scale)
    if frames is None and every == 1:
        return truth
    return truth.select(select_frames(truth.frames, frames, every))


def _from_masks(path: Path, scale: ArrayLike | None) -> Truth:
    table = find_track_table(path)
    tracks = read_track_table(table)
    masks = open_movie(table.parent, kind="masks")
    regions = [region_properties(masks.read(int(frame))) for frame in masks.frames]
    frame = np.repeat(masks.frames, [len(found) for found in regions])
    label = np.concatenate([found.label for found in regions])
    pixel_size = _pixel_size(scale, len(masks.shape), table)
    parent, missing = _links_of_tracks(tracks, frame, label, masks.frames, table)
    notes: tuple[str, ...] = ()
    if missing:
        notes = (f"{table} names objects that its masks do not show, taken as gaps (frame:label): {missing}",)
    return Truth(
        frame=frame,
        label=label,
        position=np.concatenate([found.centroid_px for found in regions]) * pixel_size,
        parent=parent,
        frames=masks.frames,
        scale=pixel_size,
        masks=masks,
        name=str(table.parent),
        warnings=notes,
    )


def _links_of_tracks(
    tracks: CtcTracks,
    frame: NDArray[np.int64],
    label: NDArray[np.int64],
    frames: NDArray[np.int64],
    table: Path,
) -> tuple[NDArray[np.int64], str]:
    """(M,) parent rows of the objects (frame, label), and the objects missing as text, empty when there are none."""
    order = np.argsort(tracks.label)
    names, begin, end = tracks.label[order], tracks.begin[order], tracks.end[order]
    track = np.minimum(np.searchsorted(names, label), max(len(names) - 1, 0))
    strange = np.ones(len(label), bool)
    if len(names):
        strange = (names[track] != label) | (frame < begin[track]) | (frame > end[track])
    if strange.any():
        found = first_five(f"{t}:{k}" for t, k in zip(frame[strange], label[strange], strict=True))
        raise TruthError(
            f"every object in the masks must lie within a track of {table}; outside of all tracks (frame:label): "
            f"{found}. Give the table that belongs to these masks"
        )
    by_track = np.lexsort((frame, track))
    same = track[by_track][1:] == track[by_track][:-1]
    parent = np.full(len(frame), -1, np.int64)
    parent[by_track[1:][same]] = by_track[:-1][same]
    first, last = np.full(len(names), -1, np.int64), np.full(len(names), -1, np.int64)
    opens, closes = np.append(True, ~same)[: len(label)], np.append(~same, True)[: len(label)]
    first[track[by_track[opens]]], last[track[by_track[closes]]] = by_track[opens], by_track[closes]
    mother = np.where(tracks.parent[order] > 0, np.searchsorted(names, tracks.parent[order]), -1)
    shown, shown_mother = contract(mother, last >= 0)  # a track of which nothing is shown is a gap
    has_mother = shown_mother >= 0
    parent[first[shown[has_mother]]] = last[shown[shown_mother[has_mother]]]
    wanted = np.searchsorted(frames, end, side="right") - np.searchsorted(frames, begin)
    short = np.flatnonzero(wanted > np.bincount(track, minlength=len(names)))
    holes = [
        f"{t}:{names[k]}"
        for k in short
        for t in frames[(frames >= begin[k]) & (frames <= end[k]) & ~np.isin(frames, frame[track == k])]
    ]
    return parent, first_five(holes)


def _from_points(table: PointTable, scale: ArrayLike | None) -> Truth:
    if table.parent_id is None:
        raise TruthError(
            f"a table of points is a ground truth only with a lineage: a column parent_id (-1 = none); "
            f"{table.name} has none"
        )
    pixel_size = _pixel_size(scale, len(table.axes), table.name)
    order = np.lexsort((table.id, table.frame))
    by_id = order[np.argsort(table.id[order])]
    row_of = np.empty(len(order), np.int64)
    row_of[order] = np.arange(len(order))
    wanted = table.parent_id[order]
    place = np.minimum(np.searchsorted(table.id[by_id], wanted), len(by_id) - 1)
    known = (wanted >= 0) & (table.id[by_id[place]] == wanted)
    parent = np.where(known, row_of[by_id[place]], -1)
    frame, label = table.frame[order], table.id[order]
    late = np.flatnonzero((parent >= 0) & (frame[parent] >= frame))
    if len(late):
        raise TruthError(
            f"a parent must come before its child; not so in {table.name} for the points {first_five(label[late])}"
        )
    cut = int(((wanted >= 0) & ~known).sum())
    notes = (f"{cut} points of {table.name} name a parent that is not in the table: taken as none",) if cut else ()
    truth = Truth(
        frame=frame,
        label=label,
        position=table.position[order] * pixel_size,
        parent=parent,
        frames=frames_of_points(table),
        scale=pixel_size,
        name=table.name,
        warnings=notes,
    )
    crowded = np.flatnonzero(truth.n_children > 2)
    if not len(crowded):
        return truth
    note = f"objects of {table.name} have more than two children (frame:id): {truth.names(crowded)}"
    return replace(truth, warnings=(*notes, note))


def _pixel_size(scale: ArrayLike | None, ndim: int, where: object) -> NDArray[np.float64]:
    size = np.ones(ndim) if scale is None else np.asarray(scale, np.float64)
    if size.shape != (ndim,):
        axes = ", ".join("zyx"[-ndim:])
        raise ConfigError(f"scale needs {ndim} numbers ({axes}) for the ground truth {where}, found {size.tolist()}")
    return size
