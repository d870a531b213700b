"""A folder of pictures, one strip per suggestion: the cell a frame earlier, now, and where it may have gone."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.candidates import CandidateGraph
from tracker.crop_view import CropView
from tracker.errors import ConfigError, OutputError, first_five
from tracker.io.movie import Movie
from tracker.lineage import Lineage

_NAME = re.compile(r"\d{4,}_t-?\d{2,}_label-?\d{4,}\.png")


def write_crops(
    folder: Path,
    lineage: Lineage,
    graph: CandidateGraph,
    rows: NDArray[np.int64],
    margin: NDArray[np.float64],
    masks: Movie | None,
    images: Movie | None,
    *,
    crop_size_px: int = 0,
    overwrite: bool = False,
) -> list[Path]:
    """Write a PNG for each of `rows` (K,), named like 0001_t005_label00031.png in their order; returns the paths.

    The panels show one place: the kept frame before the detection, its own, and those that follow, at least two and
    as many as its chosen children need. Outlined are the detection and its parent, the chosen children and theirs,
    and dashed the other candidates. Points are circles. Volumes are shown from above, the maximum over the planes that
    the detection and its chosen children reach and one more on both sides; outlines wherever the cell lies.

    margin: (N,) of the way out, for the text.
    crop_size_px: side of the square that is shown; 0 = chosen for each: 4 median diameters, more where the detection
        and its chosen children need it, and up to 6 where the other candidates do.
    overwrite: replace the strips of an earlier call; other files in the folder stay.
    The grey of images lies between percentiles 1 and 99.7 of all panels of a strip, to the power 0.6, which lifts dim
    cells; without images, masks are shown in grey levels. A frame is read once at most, and few are in memory.
    Raises ConfigError without masks and images; OutputError when the folder may not be used, or the system refuses.
    """
    require_pictures(masks, images)
    refuse_crops_folder(folder, overwrite)
    found = lineage.detections
    view = CropView(lineage, graph, margin, masks, images, crop_size_px)
    names = [
        f"{place:04d}_t{found.frame[row]:03d}_label{found.label[row]:05d}.png"
        for place, row in enumerate(rows.tolist(), 1)
    ]
    try:
        with _replacing(folder) as new:
            for place in np.argsort(found.step[rows], kind="stable").tolist():
                strip = view.strip(int(rows[place]), f"{place + 1} of {len(rows)}")
                strip.save(new / names[place], format="PNG", compress_level=1)
    except OSError as error:
        raise OutputError(
            f"the crops cannot be written to {folder}: {error.strerror or error}. Name another folder with --crops"
        ) from error
    return [folder / name for name in names]


def require_pictures(masks: object, images: object) -> None:
    """Raise ConfigError when both are None, movies or names of movies: ask before any work is done."""
    if masks is None and images is None:
        raise ConfigError(
            "crops need data.images or data.segmentation, and there are only points: give the images of these points, "
            "or leave --crops out"
        )


def refuse_crops_folder(folder: Path, overwrite: bool) -> None:
    """Raise OutputError when `folder` is a file, or holds anything and `overwrite` is not set: ask before any work."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise OutputError(f"crops need a folder, but {folder} is a file. Name another with --crops")
    held = sorted(os.listdir(folder))
    if held and not overwrite:
        raise OutputError(
            f"the folder {folder} exists already and holds {first_five(held)}. Name another with --crops, or replace "
            "the crops in it with --overwrite"
        )


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A temporary folder beside, whose files take the place of earlier strips at the end; not after a failure."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    try:
        new = work / "new"
        new.mkdir()
        yield new
        if not folder.exists():
            os.rename(new, folder)
            return
        written = os.listdir(new)
        for name in written:
            os.replace(new / name, folder / name)
        for name in set(os.listdir(folder)) - set(written):
            if _NAME.fullmatch(name):
                (folder / name).unlink()
    finally:
        shutil.rmtree(work, ignore_errors=True)
