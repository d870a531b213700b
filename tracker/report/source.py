"""What a report is made of: a result folder, the images it was made from, and the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tracker
from tracker.config import Config, make_config
from tracker.detections import Detections
from tracker.errors import ConfigError, InputError, MovieError, TruthError, first_five
from tracker.inputs import ctc_masks
from tracker.io.movie import Movie
from tracker.io.movies import open_movie
from tracker.lineage import Lineage, ctc_labels
from tracker.load_result import load_run, report_of_run, with_ctc_labels
from tracker.mistakes import Mistakes, in_rows_of
from tracker.reading import image_frames
from tracker.truth import read_truth

_WANTED = (
    "status", "objective", "bound", "gap", "proof", "counts", "notes", "seconds", "peak_memory_mb", "config",
    "config_folder", "versions",
)  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """A comparison with the truth. metrics, mistakes: as in Source, but the rows are of `detections`."""

    metrics: Mapping[str, Any]
    mistakes: Mistakes
    detections: Detections


@dataclass(frozen=True)
class Source:
    """A result as a report shows it.

    lineage: N detections, all selected, with the input's own labels.   mask_label: (N,) their labels in `masks`.
    margin, margin_in: (N,), NaN where there is no other way, or none was measured.
    image_frames: (T,) the frame of the images that belongs to each kept frame; -1 where there is none.
    run: the content of run.json.   config: the one in it.
    metrics: of `tracker.evaluate.Metrics.to_dict`, and every error; None without a truth.
    """

    folder: Path
    lineage: Lineage
    mask_label: NDArray[np.int64]
    margin: NDArray[np.float64]
    margin_in: NDArray[np.float64]
    masks: Movie | None
    images: Movie | None
    image_frames: NDArray[np.int64]
    run: Mapping[str, Any]
    config: Config
    metrics: Mapping[str, Any] | None
    mistakes: Mistakes | None


def open_result(
    folder: Path,
    *,
    images: Path | None = None,
    truth: Path | None = None,
    with_images: bool = True,
    with_truth: bool = True,
    compared: Compared | None = None,
) -> Source:
    """Read a result, and find its images and truth: those given, else those of its config.

    with_images, with_truth: False = leave them out, wherever they are.
    compared: what the run that has just ended found with its truth, which is not read again then.
    Raises InputError when the folder is no result of this version, or its files do not fit each other; MovieError when
    the images are no longer where they were, or are others; TruthError likewise for the truth.
    """
    run, config = _read_run(folder)
    found = load_run(folder)
    lineage, count = found.lineage, len(found.lineage.detections)
    if found.masks is None and config.data.segmentation is not None:
        raise InputError(
            f"{folder} is a result of masks, but what holds them, its ctc or masks.zarr, is missing. "
            "Run again: `track run`"
        )
    if count != run["counts"].get("selected_detections", count):
        raise InputError(
            f"tracks.csv and run.json in {folder} are not of one run: {count} detections, and "
            f"{run['counts']['selected_detections']} by run.json. Was one of them replaced? Run again: `track run`"
        )
    unknown = np.full(count, np.nan)
    movie = _open_images(folder, config, images) if with_images else None
    pictured = np.full(len(lineage.detections.frames), -1, np.int64)
    if movie is not None:
        pictured = _image_frames(config, lineage, found.masks, movie)
    metrics: Mapping[str, Any] | None = None
    mistakes: Mistakes | None = None
    named = truth if truth is not None else config.data.truth
    if compared is not None:
        own = compared.detections
        metrics, mistakes = compared.metrics, in_rows_of(compared.mistakes, own, lineage.detections)
    elif named is not None and with_truth:
        metrics, mistakes = _compare(folder, config, lineage, found.masks, truth)
    return Source(
        folder=folder,
        lineage=lineage,
        mask_label=lineage.detections.label if found.masks is None else ctc_labels(lineage),
        margin=found.columns.get("margin", unknown),
        margin_in=found.columns.get("margin_in", unknown),
        masks=found.masks,
        images=movie,
        image_frames=pictured,
        run=run,
        config=config,
        metrics=metrics,
        mistakes=mistakes,
    )


def _read_run(folder: Path) -> tuple[dict[str, Any], Config]:
    """run.json and the config in it, checked."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputError(f"{folder} {what}: give the result folder that `track run` wrote")
    if not (folder / "run.json").is_file():
        raise InputError(
            f"there is no run.json in {folder}, so it is no result folder. Give one that `track run` wrote"
        )
    run = report_of_run(folder)
    versions = run.get("versions")
    writer = versions.get("pintrack", "unknown") if isinstance(versions, dict) else "unknown"
    by = (
        f"{folder / 'run.json'} was written by another version of pintrack ({writer}; this is {tracker.__version__}) "
        "or changed since"
    )
    lacking = [name for name in _WANTED if name not in run]
    if lacking:
        raise InputError(f"{by}: it has no {first_five(lacking)}. Run again: `track run`")
    try:
        config = make_config(run["config"], name=str(folder / "run.json"), folder=Path(run["config_folder"]))
    except ConfigError as error:
        raise InputError(f"{by}: its config cannot be read ({error}). Run again: `track run`") from error
    return run, config


def _open_images(folder: Path, config: Config, given: Path | None) -> Movie | None:
    if given is None and config.data.images is None:
        return None
    place = given if given is not None else config.path(str(config.data.images))
    try:
        return open_movie(place, channel=config.data.channel)
    except MovieError as error:
        if given is not None:
            raise
        raise MovieError(
            f"the images of {folder} were at {place} when it was made, and cannot be opened there now ({error}). "
            "Say where they are with --images PATH, or leave them out with --no-images"
        ) from error


def _image_frames(config: Config, lineage: Lineage, masks: Movie | None, images: Movie) -> NDArray[np.int64]:
    """(T,) as in Source."""
    frames = lineage.detections.frames
    if masks is None:
        return image_frames(images, None, frames)
    # The run paired its images with the whole segmentation, of which its own masks hold the kept frames only.
    whole = masks
    if config.data.segmentation is not None:
        place = ctc_masks(config.path(config.data.segmentation))
        whole = open_movie(place, kind="masks") if place.exists() else masks
    if whole.shape != masks.shape or not np.isin(frames, whole.frames).all():
        whole = masks
    return image_frames(images, whole, frames)


def _compare(
    folder: Path, config: Config, lineage: Lineage, masks: Movie | None, given: Path | None
) -> tuple[dict[str, Any], Mistakes]:
    from tracker.evaluate import compare, require_traccuracy

    require_traccuracy()
    place = given if given is not None else config.path(str(config.data.truth))
    found = lineage.detections
    if given is None and not place.exists():
        raise TruthError(
            f"the truth of {folder} was at {place} when it was made, and is not there now. "
            "Say where it is with --truth PATH, or leave it out with --no-truth"
        )
    truth = read_truth(place, scale=found.scale)
    if masks is None:
        metrics, mistakes = compare(lineage, truth)
        return metrics.to_dict(), mistakes
    metrics, mistakes = compare(with_ctc_labels(lineage), truth, masks=masks)
    rows = np.append(np.lexsort((ctc_labels(lineage), found.frame)), -1)
    return metrics.to_dict(), Mistakes(mistakes.kind, mistakes.t, rows[mistakes.rows], mistakes.position)
