"""Draw a simulated movie, one frame at a time, and write it to disk."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tracker.errors import OutputError
from tracker.io.tracked_masks import relabel
from tracker.io.write_ctc import track_table
from tracker.lineage import ctc_labels
from tracker.simulate import Nuclei, SimulatedMovie, centre_pixel

_MAX_LABEL = int(np.iinfo(np.uint16).max)
# Pixels around nuclei that are looked at in one go: bounds the memory of a crowded 3-D frame.
_PIXELS_AT_ONCE = 4_000_000
#: Added to every pixel, as cameras do, so that the noise of dark pixels is not cut off at zero.
_OFFSET = 100


def draw_mask(movie: SimulatedMovie, frame: int) -> NDArray[np.uint16]:
    """The label mask of a frame: balls of the nuclei's radii; a pixel in two of them is that of the nearer centre.

    Near is meant relative to the radius. Every nucleus owns the pixel of its centre. Raises OutputError when the
    frame has more nuclei than 16 bits can number.
    """
    rows = _rows_of(movie.nuclei, frame)
    label = movie.label[rows]
    if len(label) > _MAX_LABEL:
        raise OutputError(f"16-bit masks hold {_MAX_LABEL} nuclei per frame; frame {frame} has {len(label)}")
    nuclei, shape = movie.nuclei.take(rows), movie.settings.shape
    mask = np.zeros(shape, np.uint16)
    flat = mask.reshape(-1)
    nearest = np.full(flat.shape, np.inf)
    for _, pixel, relative in _balls(nuclei, movie):
        np.minimum.at(nearest, pixel, relative)
    for owner, pixel, relative in _balls(nuclei, movie):
        mine = relative <= nearest[pixel]
        flat[pixel[mine]] = label[owner[mine]]
    mask[tuple(centre_pixel(nuclei.position_px, shape).T)] = label
    return mask


def draw_image(movie: SimulatedMovie, frame: int) -> NDArray[np.uint16]:
    """The microscope's image of a frame: all nuclei, those missed in the masks too, blurred and noisy.

    Photons: background plus brightness * (1 - r^2 / 2), r = 0 at the centre and 1 at the edge of a nucleus; then blur,
    Poisson noise, read noise and an offset. The noise depends on the seed and the frame alone.
    """
    settings = movie.settings
    photons = np.zeros(int(np.prod(settings.shape)))
    for every in (movie.nuclei, movie.missed):
        nuclei = every.take(_rows_of(every, frame))
        for owner, pixel, relative in _balls(nuclei, movie):
            np.maximum.at(photons, pixel, settings.brightness * nuclei.brightness[owner] * (1 - relative**2 / 2))
    ndim = len(settings.shape)
    sharp = photons.reshape(settings.shape)
    blurred = gaussian_filter(sharp, settings.blur_px / settings.scale if ndim == 3 else settings.blur_px)
    rng = np.random.default_rng([movie.seed, frame])
    noisy = rng.poisson(settings.background + blurred) + rng.normal(_OFFSET, settings.read_noise, settings.shape)
    image: NDArray[np.uint16] = np.clip(np.rint(noisy), 0, _MAX_LABEL).astype(np.uint16)
    return image


def write_movie(movie: SimulatedMovie, folder: Path | str, *, images: bool = True) -> None:
    """Write the movie as sequence 01 of a Cell Tracking Challenge folder, which is made.

    `01/t000.tif` (unless images is False), `01_SEG/mask000.tif` with labels that tell nothing, and the truth
    `01_GT/TRA/man_track000.tif` with `man_track.txt`, where a label is a track; a blink ends a track, and what comes
    after is its only child. All or nothing: written to a temporary folder beside and renamed.
    Raises OutputError when the folder exists, cannot be written, or 16 bits cannot number nuclei or tracks.
    """
    folder = Path(folder)
    lineage = movie.to_lineage()
    track = ctc_labels(lineage)
    if track.max() > _MAX_LABEL:
        raise OutputError(f"16-bit masks hold {_MAX_LABEL} tracks; this movie has {track.max()}. Write points instead")
    digits = max(3, len(str(movie.settings.n_frames - 1)))
    with _whole(folder) as work:
        image_folder, mask_folder, truth_folder = work / "01", work / "01_SEG", work / "01_GT" / "TRA"
        for made in (image_folder, mask_folder, truth_folder) if images else (mask_folder, truth_folder):
            made.mkdir(parents=True)
        for frame in range(movie.settings.n_frames):
            rows = _rows_of(movie.nuclei, frame)
            mask = draw_mask(movie, frame)
            tracks, _ = relabel(mask, movie.label[rows], track[rows].astype(np.uint16))
            _write(mask_folder / f"mask{frame:0{digits}d}.tif", mask)
            _write(truth_folder / f"man_track{frame:0{digits}d}.tif", tracks)
            if images:
                _write(image_folder / f"t{frame:0{digits}d}.tif", draw_image(movie, frame))
        lines = [" ".join(map(str, line)) + "\n" for line in track_table(lineage, track).tolist()]
        (truth_folder / "man_track.txt").write_text("".join(lines), encoding="ascii", newline="\n")


def write_points(movie: SimulatedMovie, path: Path | str) -> None:
    """Write the centres in pixels as a table `id,t,[z,]y,x,radius,parent_id`; ids from 1, -1 = no parent.

    All or nothing, like `write_movie`. Raises OutputError when the file exists or cannot be written.
    """
    path = Path(path)
    nuclei, count = movie.nuclei, len(movie)
    axes = ["z", "y", "x"][-len(movie.settings.shape) :]
    parent_id = np.where(movie.parent >= 0, movie.parent + 1, -1)
    table = np.column_stack([np.arange(1, count + 1), nuclei.frame, nuclei.position_px, nuclei.radius_px, parent_id])
    form = ",".join(["%d", "%d", *["%.3f"] * (len(axes) + 1), "%d"])
    with whole_file(path) as work:
        np.savetxt(work, table, form, header=",".join(["id", "t", *axes, "radius", "parent_id"]), comments="")


def _balls(
    nuclei: Nuclei, movie: SimulatedMovie
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Pixels in nuclei, in parts: row of the nucleus, flat index of the pixel, distance / radius, (K,) each."""
    if not len(nuclei):
        return
    shape, scale = movie.settings.shape, movie.settings.scale
    reach = np.ceil(nuclei.radius_px.max() / scale).astype(int)
    box = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), axis=-1).reshape(-1, len(shape))
    at_once = max(1, _PIXELS_AT_ONCE // len(box))
    centre = centre_pixel(nuclei.position_px, shape)
    for start in range(0, len(nuclei), at_once):
        part = slice(start, start + at_once)
        pixel = centre[part, None, :] + box
        away = (pixel - nuclei.position_px[part, None, :]) * scale
        relative = np.sqrt((away**2).sum(axis=2)) / nuclei.radius_px[part, None]
        inside = (relative <= 1) & ((pixel >= 0) & (pixel < shape)).all(axis=2)
        owner = np.nonzero(inside)[0] + start
        yield owner, np.ravel_multi_index(tuple(pixel[inside].T), shape), relative[inside]


def _rows_of(nuclei: Nuclei, frame: int) -> NDArray[np.int64]:
    return np.arange(*np.searchsorted(nuclei.frame, [frame, frame + 1]).tolist())


def _write(path: Path, pixels: NDArray[np.generic]) -> None:
    tifffile.imwrite(path, pixels, photometric="minisblack", compression="zlib")


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """The path of a file beside `target` that takes its name at the end, or vanishes."""
    with _whole(target) as work:
        work.rmdir()
        yield work


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target` that takes its name at the end, or vanishes."""
    if os.path.lexists(target):
        raise OutputError(f"{target} exists already; name another place for the simulated movie, or remove it first")
    work = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
        work.chmod(0o755)
        yield work
        os.rename(work, target)
    except OSError as error:
        raise OutputError(f"the simulated movie cannot be written to {target}: {error.strerror or error}") from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True) if work.is_dir() else work.unlink(missing_ok=True)
