"""What napari asks of a plugin: reading lineages from disk, and writing them. Registered in napari.yaml."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import InputError, OutputError, first_five
from tracker.io.write_ctc import write_ctc
from tracker.io.write_geff import write_geff
from tracker.lineage import Lineage, make_lineage
from tracker.load_result import LoadedResult, load_result
from tracker.view.colours import LineColours, label_colormap, track_rgba
from tracker.view.frames import read_masks
from tracker.view.layers import tracks_layer, tracks_metadata
from tracker.view.stable_tracks import parents_of_tracks

LayerData = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """A reader for a `.geff`, a folder of masks with its track table, or a result of `track run`; else None."""
    if not isinstance(path, str):
        return None
    place = Path(path)
    tables = place.is_dir() and any(any(at.glob("*_track.txt")) for at in (place, place / "TRA"))
    ours = place.suffix == ".geff" or tables or (place / "tracks.csv").is_file() or place.name == "tracks.csv"
    return read_lineage if ours or place.name.endswith("_track.txt") else None


def read_lineage(path: str | Sequence[str]) -> list[LayerData]:
    """Tracks with their divisions, and the masks coloured alike where there are any. Raises InputError."""
    place = Path(path if isinstance(path, str) else path[0])
    if place.name == "tracks.csv":
        place = place.parent
    return layers_of(load_result(place), place.stem if place.name != "tracks.geff" else place.parent.name)


def layers_of(found: LoadedResult, name: str) -> list[LayerData]:
    """A lineage as layer data of napari. Raises MovieError for masks that are not those of the tracks."""
    lineage = found.lineage
    layers: list[LayerData] = []
    track = lineage.track_id
    rgba = track_rgba(parents_of_tracks(track, lineage))
    if found.masks is not None:
        masks = read_masks(found.masks, lineage.detections, track)
        options = {"name": f"{name} masks", "scale": (1.0, *lineage.detections.scale), "opacity": 0.45}
        layers.append((masks, options | {"colormap": label_colormap(rgba)}, "labels"))
    lines = tracks_layer(lineage, track)
    drawn = {"name": name, "graph": lines.graph, "colormaps_dict": {"track_id": LineColours(rgba)}}
    layers.append((lines.data, drawn | {"metadata": tracks_metadata(lineage)}, "tracks"))
    return layers


def lineage_of_tracks(data: Any, attributes: dict[str, Any]) -> Lineage:
    """The lineage that a tracks layer shows; attributes: as napari gives them to a writer.

    A layer of `layers_of` or `track view` has the frames, scale and unit of its movie. Of any other layer a step is
    the frame, and its own scale, translation and unit count. Labels are the numbers of the tracks, from 1.
    Raises InputError for no tracks, for merges, and for what does not follow in time.
    """
    given = attributes.get("metadata", {}).get("pintrack", {})
    if "drawn_from" in given:
        raise InputError(
            f"the lines of the layer {attributes.get('name', '')!r} are no tracks: save the layer "
            f"{given['drawn_from']!r}, which holds the divisions too"
        )
    table = np.asarray(data, np.float64)
    if given:
        table = table[table[:, 0] > 0]  # track 0 stands for none
    if not len(table):
        raise InputError("the layer has no tracks, so there is nothing to save")
    table = table[np.lexsort((table[:, 0], table[:, 1]))]
    track, step = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    frames = np.asarray(given.get("frames", np.arange(step.max() + 1)), np.int64)
    outside = (step < 0) | (step >= len(frames))
    if outside.any():
        raise InputError(
            f"the tracks must lie in the {len(frames)} frames of their movie; "
            f"not so: tracks {first_five(np.unique(track[outside]))}"
        )
    frame = frames[step]
    twice = (np.diff(step) == 0) & (np.diff(track) == 0)
    if twice.any():
        raise InputError(f"a track may be once in a frame; twice: tracks {first_five(np.unique(track[1:][twice]))}")
    size = np.asarray(attributes.get("scale", np.ones(table.shape[1] - 1)), np.float64)[1:]
    corner = np.asarray(attributes.get("translate", np.zeros(table.shape[1] - 1)), np.float64)[1:]
    detections = Detections(
        frame=frame,
        label=track - min(int(track.min()), 1) + 1,  # labels of masks begin at 1
        position=table[:, 2:] * size + corner,
        frames=frames if given else frames[step.min() :],
        scale=np.asarray(given.get("scale", size), np.float64),
        unit=str(given.get("unit") or _unit_of(attributes)),
    )
    order = np.lexsort((frame, track))
    same = np.diff(track[order]) == 0
    links = np.column_stack([order[:-1][same], order[1:][same]])
    first, last = order[np.append(True, ~same)], order[np.append(~same, True)]
    place = {int(track[row]): index for index, row in enumerate(first)}
    forks = []
    for child, parents in attributes.get("graph", {}).items():
        if len(parents) != 1:
            raise InputError(f"a cell has one parent; track {child} has {len(parents)}. Merges cannot be written")
        if child not in place or parents[0] not in place:
            raise InputError(f"the graph of the layer names track {child} from {parents[0]}, of which one is not there")
        forks.append((last[place[int(parents[0])]], first[place[int(child)]]))
    links = np.concatenate([links, np.array(forks, np.int64).reshape(-1, 2)])
    backwards = frame[links[:, 0]] >= frame[links[:, 1]]
    if backwards.any():
        names = first_five(np.unique(track[links[backwards, 1]]))
        raise InputError(f"a daughter begins after her mother's last frame; not so: tracks {names}")
    many = np.flatnonzero(np.bincount(links[:, 0], minlength=len(table)) > 2)
    if len(many):
        raise InputError(f"a cell has two daughters at most; more: tracks {first_five(np.unique(track[many]))}")
    return make_lineage(detections, np.ones(len(table), bool), links)


def write_tracks(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """One tracks layer as a geff. Raises OutputError for what exists; InputError for what is no lineage."""
    place = Path(path if path.endswith(".geff") else f"{path}.geff")
    lineage = lineage_of_tracks(data, attributes)
    _write_whole(place, lambda part: write_geff(part, lineage, {}, {}, ids=np.arange(len(lineage.detections))))
    return [str(place)]


def write_masks_and_tracks(path: str, layers: list[LayerData]) -> list[str]:
    """A labels layer whose values are the tracks of a tracks layer, as a folder of the Cell Tracking Challenge.

    Raises OutputError for what exists; InputError for what is no lineage, and for masks that do not belong to it.
    """
    kinds = {kind: (data, attributes) for data, attributes, kind in layers}
    (masks, _), (data, attributes) = kinds["labels"], kinds["tracks"]
    lineage = lineage_of_tracks(data, attributes)
    found = lineage.detections
    known = attributes.get("metadata", {}).get("pintrack", {}).get("frames", np.arange(masks.shape[0]))
    movie = _LayerMovie(masks, np.asarray(known, np.int64))
    if len(movie.shape) != found.ndim or not np.isin(found.frames, movie.frames[: masks.shape[0]]).all():
        raise InputError(
            f"the labels layer must hold the masks of the tracks: wanted the axes t, {', '.join('zyx'[-found.ndim :])} "
            f"and a mask for t = {found.frames[0]} to {found.frames[-1]}, found the shape {tuple(masks.shape)}"
        )
    _write_whole(Path(path), lambda part: write_ctc(part, lineage, movie))
    return [str(path)]


class _LayerMovie:
    """The masks of a labels layer as a movie. frames: (T,) frame of each of its steps."""

    name = "the labels layer"

    def __init__(self, masks: Any, frames: NDArray[np.int64]) -> None:
        self._masks, self.frames = masks, frames
        self.shape: tuple[int, ...] = tuple(masks.shape[1:])
        self.dtype: np.dtype[np.generic] = np.dtype(masks.dtype)

    def read(self, frame: int) -> NDArray[np.generic]:
        """The mask of a frame."""
        return np.asarray(self._masks[int(np.searchsorted(self.frames, frame))])


def _write_whole(place: Path, write: Callable[[Path], None]) -> None:
    """Write beside, then rename: whole, or not at all."""
    if place.exists():
        raise OutputError(f"{place} exists already. Name another place")
    part = place.with_name(f".{place.name}.partial")
    shutil.rmtree(part, ignore_errors=True)  # of a napari that was killed
    try:
        write(part)
        os.replace(part, place)
    except OSError as error:
        raise OutputError(f"{place} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unit_of(attributes: dict[str, Any]) -> str:
    """What napari calls the unit of the last axis."""
    units = attributes.get("units")
    return str(units[-1]) if units else "pixel"
