"""Read a result back: the folder that a run leaves, or any other lineage on disk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config, make_config
from tracker.detections import Detections
from tracker.errors import InputError, first_five
from tracker.io.geff_extra import as_they_were
from tracker.io.movie import Movie
from tracker.io.movies import open_movie
from tracker.io.tracks_csv import TracksTable, read_tracks_csv
from tracker.lineage import Lineage, ctc_labels, make_lineage
from tracker.truth import read_truth


@dataclass(frozen=True)
class LoadedResult:
    """A lineage, and the masks in which its detections' labels lie (None for points)."""

    lineage: Lineage
    masks: Movie | None


@dataclass(frozen=True)
class LoadedRun:
    """What a run left. lineage: its selected detections, with the input's own labels.

    masks: of its ctc folder or masks.zarr, which hold `ctc_labels`; None for points.
    columns: (N,) each, the further columns of tracks.csv, `margin` among them; NaN where the file has an empty cell.
    """

    lineage: Lineage
    masks: Movie | None
    columns: Mapping[str, NDArray[np.float64]]


def load_result(path: Path | str) -> LoadedResult:
    """Read the result folder of a run (tracks.csv, with masks ctc/ or masks.zarr), or what `read_truth` reads.

    Of a run's folder with masks the labels are those of the tracked masks and the frames those that have a mask there;
    without, frames are the ones from the first to the last point, in the stride `data.every` of run.json. Positions
    are in the unit of the run. A geff that pintrack wrote gives its own scale, unit and frames. Raises InputError when
    files are missing or do not fit each other.
    """
    folder = Path(path)
    if not folder.exists():
        raise InputError(f"there is no result at {folder}. Give the folder that `track run` wrote")
    if not (folder / "tracks.csv").is_file():
        if folder.is_dir() and (folder / "ctc").is_dir():
            raise InputError(f"a result needs its tracks.csv; {folder} has none. Read {folder / 'ctc'} instead")
        truth = read_truth(folder)
        lineage = truth.to_lineage()
        if truth.masks is None and folder.is_dir():  # a geff
            lineage = replace(lineage, detections=as_they_were(folder, lineage.detections))
        return LoadedResult(lineage, truth.masks)
    found = load_run(folder)
    lineage = found.lineage if found.masks is None else with_ctc_labels(found.lineage)
    return LoadedResult(lineage, found.masks)


def load_tracks(path: Path | str) -> Lineage:
    """Read the selected detections and links of a run with the input's own labels; frames as in `load_result`.

    Raises InputError when files are missing or do not fit each other.
    """
    return load_run(path).lineage


def load_run(path: Path | str) -> LoadedRun:
    """Read the result folder of a run, with the input's own labels; frames as in `load_result`.

    Raises InputError when files are missing or do not fit each other.
    """
    folder = Path(path)
    if not (folder / "tracks.csv").is_file():
        raise InputError(f"there is no tracks.csv in {folder}. Give the folder that `track run` wrote")
    data = report_of_run(folder).get("config", {}).get("data", {})
    table = read_tracks_csv(folder / "tracks.csv")
    ndim = table.position.shape[1]
    scale = np.asarray(data.get("scale") or [1.0] * ndim, np.float64)
    places = [folder / name for name in ("ctc", "masks.zarr") if (folder / name).is_dir()]
    masks = open_movie(places[0], kind="masks") if places else None
    detections = Detections(
        frame=table.t,
        label=table.label,
        position=table.position,
        frames=_frames_of_points(table, int(data.get("every") or 1)) if masks is None else masks.frames,
        scale=scale,
        unit=str(data.get("unit") or "pixel"),
        image_shape=None if masks is None else masks.shape,
    )
    lineage = make_lineage(detections, np.ones(len(detections), bool), _links(table, folder / "tracks.csv"))
    return LoadedRun(lineage, masks, table.columns)


def report_of_run(folder: Path) -> dict[str, Any]:
    """The run.json of a result folder; empty when there is no such file. Raises InputError when it is not readable."""
    path = folder / "run.json"
    if not path.is_file():
        return {}
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        report.get("config", {}).get("data", {})
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    return dict(report)


def config_of_run(folder: Path, settings: list[str] | None = None) -> Config:
    """The config that a result folder was made with, with `settings` as of `--set` on top.

    Raises InputError when the folder has none, ConfigError when this version cannot read it.
    """
    report = report_of_run(folder)
    lacking = [name for name in ("config", "config_folder") if name not in report]
    if lacking:
        raise InputError(
            f"{folder} is no result folder of `track run`: there is no {' and no '.join(lacking)} in its run.json"
            if report
            else f"there is no run.json in {folder}, so it is no result folder. Give one that `track run` wrote"
        )
    name, place = str(folder / "run.json"), Path(report["config_folder"])
    return make_config(report["config"], settings, name=name, folder=place)


def _frames_of_points(table: TracksTable, every: int) -> NDArray[np.int64]:
    if not len(table.t):
        return np.empty(0, np.int64)
    return np.union1d(np.arange(table.t.min(), table.t.max() + 1, every), table.t)


def _links(table: TracksTable, path: Path) -> NDArray[np.int64]:
    """(L, 2) rows from the column parent_id."""
    child = np.flatnonzero(table.parent_id >= 0)
    order = np.argsort(table.id)
    place = np.minimum(np.searchsorted(table.id[order], table.parent_id[child]), max(len(order) - 1, 0))
    parent = order[place]
    orphan = table.id[parent] != table.parent_id[child]
    if orphan.any():
        raise InputError(
            f"every parent_id in {path} must be an id of the file or -1; unknown: "
            f"{first_five(table.parent_id[child[orphan]])}. Was the file cut?"
        )
    return np.column_stack([parent, child])


def with_ctc_labels(lineage: Lineage) -> Lineage:
    """The same lineage with the labels of its tracked masks, sorted by them."""
    found, label = lineage.detections, ctc_labels(lineage)
    order = np.lexsort((label, found.frame))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    detections = replace(found, frame=found.frame[order], label=label[order], position=found.position[order])
    return make_lineage(detections, lineage.selected[order], rank[lineage.links])
