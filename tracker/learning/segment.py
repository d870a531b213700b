"""`track segment`: from images and a model to masks, frame by frame; what is done already is kept."""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from embeddings.cellulus_frames import ScaledFrames, named, scale_note
from embeddings.inference.cellulus_masks import segment_step, smallest_object_px
from embeddings.methods.cellulus import check_axes, load_cellulus
from embeddings.training.device import choose_device, use_threads
from tracker import __version__
from tracker.config import Config
from tracker.config_learning import Training
from tracker.config_segment import Cellulus
from tracker.errors import ConfigError, OutputError, first_five
from tracker.io.movies import open_movie
from tracker.io.result import write_json
from tracker.learning.cellulus import image_movie, segment_settings, zoom_of
from tracker.learning.detection_methods import model_digest
from tracker.learning.segmenter import Segmenter
from tracker.learning.stardist import stardist_segmenter
from tracker.mask_accuracy import MaskAccuracy, mask_accuracy
from tracker.prepare import Progress, ctc_masks

ABOUT = "segment.json"
_PACKAGES = ("numpy", "scipy", "scikit-image", "torch")


@dataclass(frozen=True)
class Segmented:
    """folder: of the masks.   objects: found in each frame, by its number.   kept: frames that were there already.

    notes: sentences for people.   accuracy: against a truth, where one was given.
    """

    folder: Path
    objects: Mapping[int, int]
    kept: int
    seconds: float
    notes: tuple[str, ...]
    accuracy: MaskAccuracy | None


def segment_movie(
    method: str,
    config: Config,
    model: Path,
    folder: Path,
    *,
    truth: Path | None = None,
    overwrite: bool = False,
    progress: Progress = lambda stage: None,
) -> Segmented:
    """Write `maskNNN.tif` for each image of the config and `segment.json` into `folder`.

    Frames that the same model made with the same settings of the same pixels are kept, so a segmentation that was
    broken off goes on.   truth: masks to compare with.   overwrite: replace masks of another model or other settings.
    Raises ConfigError, ModelError, MovieError; OutputError where the folder holds something else or cannot be written.
    """
    if method not in SEGMENTERS:
        raise ConfigError(f"there is no method {method!r} to segment with. Known: {', '.join(SEGMENTERS)}")
    began = time.perf_counter()
    loop = config.training or Training()
    if loop.threads:
        use_threads(loop.threads)
    movie = SEGMENTERS[method](config, model)
    true = None if truth is None else open_movie(ctc_masks(truth), kind="masks")  # a mistake shows at once
    notes = [*movie.notes, *_notes(config)]
    about = {
        "method": method,
        "model": model_digest(model),
        "settings": movie.settings,
        "images": movie.images,
        "versions": {"pintrack": __version__, **{name: version(name) for name in _PACKAGES}},
    }
    numbers = movie.frames.tolist()
    names = {t: f"mask{t:0{max(3, len(str(max(numbers))))}d}.tif" for t in numbers}
    with _told(folder):
        done = _begin(folder, about, overwrite)
        dtype = np.uint16 if movie.most <= np.iinfo(np.uint16).max else np.uint32  # of all frames alike
        kept = 0
        for step, t in enumerate(numbers):
            pixels = hashlib.sha256(np.ascontiguousarray(movie.pixels(step)).tobytes()).hexdigest()[:16]
            before = done.get(str(t))
            if before is not None and before["image"] == pixels and (folder / names[t]).exists():
                kept += 1
                continue
            progress(f"segmenting frame {step + 1:,} of {len(numbers):,}")
            labels, facts = movie.find(step)
            _write_mask(folder / names[t], labels.astype(dtype))
            done[str(t)] = {"image": pixels, "file": names[t], "objects": int(labels.max(initial=0)), **facts}
            _write_about(folder, {**about, "frames": done})
    objects = {t: int(done[str(t)]["objects"]) for t in numbers}
    empty = [t for t, count in objects.items() if not count]
    if empty:
        notes.append(
            f"nothing was found in {len(empty)} of {len(numbers)} frames (t = {first_five(empty)}); their masks are "
            "empty"
        )
    progress("comparing with the truth")
    accuracy = None if true is None else mask_accuracy(open_movie(folder, kind="masks"), true)
    return Segmented(folder, objects, kept, time.perf_counter() - began, tuple(notes), accuracy)


def frames_done(folder: Path) -> int:
    """How many frames a segmentation has left in a folder."""
    try:
        return len(json.loads((folder / ABOUT).read_text(encoding="utf-8"))["frames"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _cellulus(config: Config, model: Path) -> Segmenter:
    """Cellulus with its model, at the zoom of the config."""
    settings, zoom = segment_settings(config), zoom_of(config.cellulus or Cellulus())
    device = choose_device((config.training or Training()).device)
    network, trained_zoom, _ = load_cellulus(model)
    frames = ScaledFrames(image_movie(config), zoom)
    check_axes(network.config, frames, model)
    network.to(device)
    notes = [scale_note(settings.object_size_px, zoom, network.config.field_of_view_px)]
    if not math.isclose(zoom[-1], trained_zoom[-1], rel_tol=0.01):
        notes.append(
            f"the model has learnt at zoom {named(trained_zoom)}, and segments at zoom {named(zoom)}: objects should "
            "be as many pixels across in both"
        )
    shape = frames.frames.images.shape

    def find(step: int) -> tuple[NDArray[np.int64], dict[str, float]]:
        found = segment_step(network, frames, step, settings, device)
        return found.labels, {"foreground": found.foreground, "threshold": found.threshold}

    return Segmenter(
        images=frames.name,
        frames=frames.movie.detections.frames,
        pixels=frames.frames.pixels,
        find=find,
        settings={**asdict(settings), "zoom": list(zoom)},
        most=math.prod(shape) / max(smallest_object_px(settings, frames.zoom, len(shape)), 1.0),
        notes=tuple(note for note in notes if note),
    )


SEGMENTERS: Mapping[str, Callable[[Config, Path], Segmenter]] = {"cellulus": _cellulus, "stardist": stardist_segmenter}


def _notes(config: Config) -> list[str]:
    if config.data.frames is None and config.data.every == 1:
        return []
    return [
        "data.frames and data.every chose the frames, and only these have masks now: leave both out where the masks "
        "are tracked"
    ]


def _begin(folder: Path, about: Mapping[str, Any], overwrite: bool) -> dict[str, dict[str, Any]]:
    """What is done already, by frame; the folder is made. Raises OutputError where it holds something else."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"masks need a folder, but {folder} is a file. Name another --output")
    folder.mkdir(parents=True, exist_ok=True)
    held = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    if not held:
        return {}
    try:
        earlier = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        frames, known = dict(earlier["frames"]), {key: earlier[key] for key in ("method", "model", "settings")}
        files = [frame["file"] for frame in frames.values()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{folder} holds {first_five(held)}, which no segmentation left there (no usable {ABOUT}). Name another "
            "--output, or empty this folder yourself"
        ) from error
    wanted = json.loads(json.dumps({key: about[key] for key in known}))
    if known == wanted:
        return frames
    if not overwrite:
        other = [key for key in ("method", "model") if known[key] != wanted[key]]
        before, now = known["settings"], wanted["settings"]
        other += [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
        raise OutputError(
            f"the masks in {folder} were made otherwise ({first_five(other)} differs). Name another --output, or "
            "replace them with --overwrite"
        )
    (folder / ABOUT).unlink()
    for name in files:
        (folder / Path(name).name).unlink(missing_ok=True)
    return {}


def _write_mask(path: Path, labels: NDArray[np.generic]) -> None:
    """Write beside, and rename."""
    partial = path.with_name(f".{path.name}.partial")  # hidden: no frame of the movie
    try:
        tifffile.imwrite(partial, labels, photometric="minisblack", compression="zlib")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_about(folder: Path, about: Mapping[str, Any]) -> None:
    partial = folder / f".{ABOUT}.partial"
    try:
        write_json(partial, about)
        partial.replace(folder / ABOUT)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Turn what the system says into an OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"the masks cannot be written to {folder}: {error.strerror or error}. What was finished is there; mend "
            "this and give the same command again, or name another --output"
        ) from error
