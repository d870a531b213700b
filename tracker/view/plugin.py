"""What napari asks of a plugin: reading lineages from disk, and writing them. Registered in napari.yaml."""

import os
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
from tracker.track_colours import colour_table
from tracker.view.frames import track_masks
from tracker.view.layers import tracks_layer
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
    """A lineage as layer data of napari."""
    lineage = found.lineage
    layers: list[LayerData] = []
    track = lineage.track_id
    if found.masks is not None:
        masks = track_masks(found.masks, lineage.detections, lambda: track)
        options = {"name": f"{name} masks", "scale": (1.0, *lineage.detections.scale), "opacity": 0.45}
        layers.append((masks, options | {"colormap": _colormap(lineage)}, "labels"))
    lines = tracks_layer(lineage, track)
    metadata = {"pintrack": {"scale": lineage.detections.scale.tolist(), "unit": lineage.detections.unit}}
    layers.append((lines.data, {"name": name, "graph": lines.graph, "metadata": metadata}, "tracks"))
    return layers


def lineage_of_tracks(data: Any, graph: dict[int, list[int]], metadata: dict[str, Any]) -> Lineage:
    """The lineage that a tracks layer shows. Raises InputError for merges, and for what does not follow in time."""
    table = np.asarray(data, np.float64)
    table = table[np.lexsort((table[:, 0], table[:, 1]))]
    track, frame = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    given = metadata.get("pintrack", {})
    twice = (np.diff(frame) == 0) & (np.diff(track) == 0)
    if twice.any():
        raise InputError(f"a track may be once in a frame; twice: tracks {first_five(np.unique(track[1:][twice]))}")
    label = track - min(int(track.min(initial=1)), 1) + 1  # labels of masks begin at 1
    detections = Detections(
        frame=frame,
        label=label,
        position=table[:, 2:],
        frames=np.arange(frame.min(initial=0), frame.max(initial=-1) + 1),
        scale=np.asarray(given.get("scale", [1.0] * (table.shape[1] - 2)), np.float64),
        unit=str(given.get("unit", "pixel")),
    )
    order = np.lexsort((frame, track))
    same = np.diff(track[order]) == 0
    links = np.column_stack([order[:-1][same], order[1:][same]])
    first, last = order[np.append(True, ~same)], order[np.append(~same, True)]
    place = {int(track[row]): index for index, row in enumerate(first)}
    forks = []
    for child, parents in graph.items():
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
    place = Path(path).with_suffix(".geff")
    lineage = lineage_of_tracks(data, attributes.get("graph", {}), attributes.get("metadata", {}))
    _write_whole(place, lambda part: write_geff(part, lineage, {}, {}, ids=np.arange(len(lineage.detections))))
    return [str(place)]


def write_masks_and_tracks(path: str, layers: list[LayerData]) -> list[str]:
    """A labels layer whose values are the tracks of a tracks layer, as a folder of the Cell Tracking Challenge."""
    kinds = {kind: (data, attributes) for data, attributes, kind in layers}
    (masks, _), (data, attributes) = kinds["labels"], kinds["tracks"]
    lineage = lineage_of_tracks(data, attributes.get("graph", {}), attributes.get("metadata", {}))
    movie = _LayerMovie(masks, lineage.detections.frames)
    _write_whole(Path(path), lambda part: write_ctc(part, lineage, movie))
    return [str(path)]


class _LayerMovie:
    """The masks of a labels layer as a movie."""

    name = "the labels layer"

    def __init__(self, masks: Any, frames: NDArray[np.int64]) -> None:
        self._masks, self.frames = masks, frames
        self.shape: tuple[int, ...] = tuple(masks.shape[1:])
        self.dtype: np.dtype[np.generic] = np.dtype(masks.dtype)

    def read(self, frame: int) -> NDArray[np.generic]:
        """The mask of one step."""
        return np.asarray(self._masks[frame])


def _write_whole(place: Path, write: Callable[[Path], None]) -> None:
    """Write beside, then rename: whole, or not at all."""
    if place.exists():
        raise OutputError(f"{place} exists already. Name another place")
    part = place.with_name(f".{place.name}.partial")
    try:
        write(part)
        os.replace(part, place)
    except OSError as error:
        raise OutputError(f"{place} cannot be written: {error.strerror or error}") from error


def _colormap(lineage: Lineage) -> dict[int | None, Any]:
    colours = colour_table(parents_of_tracks(lineage.track_id, lineage))
    return {**dict(enumerate(colours)), 0: np.zeros(4), None: np.zeros(4)}
