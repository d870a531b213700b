"""`track segment`: from images and a model to masks, frame by frame; what is done already is kept."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.cellulus_frames import ScaledFrames, named, scale_note
from embeddings.inference.cellulus_masks import SegmentSettings, segment_step, smallest_object_px
from embeddings.inference.time_left import FrameClock
from embeddings.methods.cellulus import check_axes, load_cellulus
from embeddings.training.device import choose_device, use_threads
from tracker import __version__
from tracker.config import Config
from tracker.config_learning import Training
from tracker.config_segment import Cellulus
from tracker.errors import ConfigError, first_five
from tracker.inputs import ctc_masks
from tracker.io.movies import open_movie
from tracker.learning.cellulus import image_movie, segment_settings, zoom_of
from tracker.learning.detection_methods import model_digest
from tracker.learning.mask_folder import begin, frame_digest, write_about, write_mask, writing_masks
from tracker.learning.segmenter import Segmenter
from tracker.learning.stardist import stardist_segmenter
from tracker.mask_accuracy import MaskAccuracy, mask_accuracy
from tracker.stopwatch import Progress

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
    broken off goes on.   truth: masks to compare with.
    overwrite: replace masks of another model, other settings or another movie.
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
        "images": movie.images.name,
        "versions": {"pintrack": __version__, **{name: version(name) for name in _PACKAGES}},
    }
    numbers = movie.frames.tolist()
    digits = max(3, len(str(movie.images.frames.max())))  # of all frames, so that those chosen later fit in
    with writing_masks(folder):
        dtype = np.uint16 if movie.most <= np.iinfo(np.uint16).max else np.uint32  # of all frames alike
        digest = cache(lambda t: frame_digest(movie.images, t))
        done = begin(folder, about, movie.images, numbers, digest, overwrite=overwrite)
        names = {t: Path(done[str(t)]["file"]).name if str(t) in done else f"mask{t:0{digits}d}.tif" for t in numbers}
        fits = [str(t) in done and done[str(t)]["image"] == digest(t) and (folder / names[t]).exists() for t in numbers]
        clock = FrameClock(fits.count(False))
        for step in np.flatnonzero(~np.array(fits)).tolist():
            t = numbers[step]
            progress(f"segmenting frame {step + 1:,} of {len(numbers):,}{clock.left}")
            labels, facts = movie.find(step)
            write_mask(folder / names[t], labels.astype(dtype))
            done[str(t)] = {"image": digest(t), "file": names[t], "objects": int(labels.max(initial=0)), **facts}
            write_about(folder, {**about, "frames": done})
            clock.done += 1
    objects = {t: int(done[str(t)]["objects"]) for t in numbers}
    empty = [t for t, count in objects.items() if not count]
    if empty:
        notes.append(
            f"nothing was found in {len(empty)} of {len(numbers)} frames (t = {first_five(empty)}); their masks are "
            "empty"
        )
    accuracy = None
    if true is not None:
        progress("comparing with the truth")
        accuracy = mask_accuracy(open_movie(folder, kind="masks"), true, frames=movie.frames)
    return Segmented(folder, objects, fits.count(True), time.perf_counter() - began, tuple(notes), accuracy)


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
        images=frames.frames.images,
        frames=frames.movie.detections.frames,
        find=find,
        settings={**_flat(settings), "zoom": list(zoom)},
        most=math.prod(shape) / max(smallest_object_px(settings, frames.zoom, len(shape)), 1.0),
        notes=tuple(note for note in notes if note),
    )


SEGMENTERS: Mapping[str, Callable[[Config, Path], Segmenter]] = {"cellulus": _cellulus, "stardist": stardist_segmenter}


def _flat(settings: SegmentSettings) -> dict[str, Any]:
    """Each by the name of its key in the config, where it has one."""
    flat, noise = asdict(settings), settings.noise
    del flat["noise"]
    return {**flat, "noise_repeats": noise.repeats, "noise_share": noise.share, "noise_values": list(noise.values)}


def _notes(config: Config) -> list[str]:
    if config.data.frames is None and config.data.every == 1:
        return []
    return [
        "data.frames and data.every chose the frames, and only these have masks now: leave both out where the masks "
        "are tracked"
    ]
