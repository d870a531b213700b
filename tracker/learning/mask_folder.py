"""A folder of masks, one file per frame, and what is known of them: `segment.json`."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from tracker.errors import OutputError, first_five
from tracker.io.movie import Movie
from tracker.io.result import write_json

ABOUT = "segment.json"


def frames_done(folder: Path) -> int:
    """How many frames a segmentation has left in a folder."""
    try:
        return len(json.loads((folder / ABOUT).read_text(encoding="utf-8"))["frames"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def frame_digest(images: Movie, t: int) -> str:
    """Tells the pixels of a frame from others: 16 hexadecimal digits. Raises MovieError."""
    return hashlib.sha256(np.ascontiguousarray(images.read(t)).tobytes()).hexdigest()[:16]


def begin(
    folder: Path,
    about: Mapping[str, Any],
    images: Movie,
    wanted: Sequence[int],
    digest: Callable[[int], str],
    *,
    overwrite: bool,
) -> dict[str, dict[str, Any]]:
    """What is done already, by frame; the folder is made.

    about: of the masks to come; method, model and settings are compared.   images: all of the movie.
    wanted: frames to segment.   digest: `frame_digest` of one.   overwrite: delete the masks that do not belong.
    Raises OutputError where the folder holds something else, or masks that this run would not make anew and that are
    of other images.
    """
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
        seen, source = {int(t): frame["image"] for t, frame in frames.items()}, earlier["images"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{folder} holds {first_five(held)}, which no segmentation left there (no usable {ABOUT}). Name another "
            "--output, or empty this folder yourself"
        ) from error
    now = json.loads(json.dumps({key: about[key] for key in known}))
    if known == now:
        anew = set(wanted) if source == images.name else set()  # where the images of a movie were replaced
        there = set(images.frames.tolist())
        foreign = [t for t in seen if t not in there or (t not in anew and digest(t) != seen[t])]
        if not foreign:
            return frames
        why = f"are of other images: t = {first_five(foreign)} of {source}, as it was, are not those of {images.name}"
    else:
        why = f"were made otherwise ({first_five(_differing(known, now))} differs)"
    if not overwrite:
        raise OutputError(f"the masks in {folder} {why}. Name another --output, or replace them with --overwrite")
    (folder / ABOUT).unlink()
    for name in files:
        (folder / Path(name).name).unlink(missing_ok=True)
    return {}


def _differing(known: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Method and model, and the settings by their keys."""
    before, after = known["settings"], now["settings"]
    differing = [key for key in ("method", "model") if known[key] != now[key]]
    return differing + [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]


def write_mask(path: Path, labels: NDArray[np.generic]) -> None:
    """Write beside, and rename."""
    partial = path.with_name(f".{path.name}.partial")  # hidden: no frame of the movie
    try:
        tifffile.imwrite(partial, labels, photometric="minisblack", compression="zlib")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Likewise for `segment.json`."""
    partial = folder / f".{ABOUT}.partial"
    try:
        write_json(partial, about)
        partial.replace(folder / ABOUT)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def writing_masks(folder: Path) -> Iterator[None]:
    """Turn what the system says into an OutputError."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"the masks cannot be written to {folder}: {error.strerror or error}. What was finished is there; mend "
            "this and give the same command again, or name another --output"
        ) from error
