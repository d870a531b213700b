"""Movies of TIFF files: a folder with one file per frame, or one file with many pages."""

import logging
import re
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

from tracker.errors import MovieError, first_five
from tracker.io.axes import make_axes
from tracker.io.pixels import UNREADABLE, check_dtype, check_labels, check_same

SUFFIXES = (".tif", ".tiff")


def is_tiff(path: Path) -> bool:
    """Whether the name is that of a TIFF file; hidden files are not (macOS leaves `._t000.tif`)."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def list_tiffs(folder: Path) -> list[Path]:
    """The TIFF files of a folder, sorted by name."""
    return sorted(path for path in folder.iterdir() if is_tiff(path) and path.is_file())


def number_frames(files: Sequence[Path], kind: str, where: object) -> list[tuple[int, Path]]:
    """(t, file) sorted by t, where t is the last run of digits of the file's name: man_track013.tif is 13.

    Raises MovieError when a name has no number, two files share one, or the numbers have no constant stride.
    """
    if not files:
        raise MovieError(f"no TIFF file (.tif, .tiff) for the {kind} in {where}")
    found = [(re.search(r"\d{1,18}(?=\D*$)", path.stem), path) for path in files]
    unnumbered = [path.name for match, path in found if match is None]
    if unnumbered:
        mend = "Rename or move them" if len(files) > 1 else "To read one file with many pages, name the file itself"
        raise MovieError(
            f"every file of the {kind} in {where} needs a frame number in its name, as in t013.tif; "
            f"without one: {first_five(unnumbered)}. {mend}"
        )
    numbered = sorted((int(match.group()), path) for match, path in found if match is not None)
    frames = np.array([frame for frame, _ in numbered], np.int64)
    twice = np.unique(frames[1:][np.diff(frames) == 0])
    if len(twice):
        names = [path.name for frame, path in numbered if frame in twice]
        raise MovieError(
            f"several files of the {kind} in {where} have the same frame number: {first_five(names)}. Keep one of each"
        )
    strides, counts = np.unique(np.diff(frames), return_counts=True)
    if len(strides) > 1:
        usual = strides[np.argmax(counts)]
        jumps = [f"{frames[k]} to {frames[k + 1]}" for k in np.flatnonzero(np.diff(frames) != usual)]
        raise MovieError(
            f"the frame numbers of the {kind} in {where} must have one constant stride; most are {usual} apart, "
            f"but found jumps from {first_five(jumps)}. Add the missing files or renumber"
        )
    return numbered


class TiffFolder:
    """One TIFF file per frame, each 2-D or 3-D. The first file is read at once, the others when asked for."""

    def __init__(self, files: Sequence[Path], *, channel: int, kind: str, name: str) -> None:
        """Number the `files` (see `number_frames`) and look at the first. Raises MovieError."""
        self.name = name
        self._kind, self._channel = kind, channel
        self._files = dict(number_frames(files, kind, name))
        self.frames = np.array(list(self._files), np.int64)
        first = self._read_file(self._files[int(self.frames[0])])
        self.shape, self.dtype = first.shape, first.dtype

    def read(self, frame: int) -> NDArray[np.generic]:
        """Pixels of one frame, see `Movie`."""
        path = self._files.get(int(frame))
        if path is None:
            raise MovieError(f"{self.name} has no frame {frame}")
        pixels = self._read_file(path)
        check_same(pixels, self.shape, self.dtype, self._kind, path)
        if self._kind == "masks":
            check_labels(pixels, path)
        return pixels

    def _read_file(self, path: Path) -> NDArray[np.generic]:
        with _readable(path, self._kind), tifffile.TiffFile(path) as file:
            letters, size, series = _layout(file, self._kind, path)
            if len(series) > 1 or "T" in letters:
                raise MovieError(
                    f"each file of a folder is one frame, but {path} holds several time points. "
                    "To read it as a movie, name the file itself"
                )
            letters = re.sub("[^CSZYX]", "Z", letters)  # planes without a name are planes of z
            if self._kind == "masks":
                letters = letters.replace("C", "Z")
            check_dtype(series[0].dtype, self._kind, path)
            axes = make_axes(letters, size, channel=self._channel, kind=self._kind, where=path)
            pixels = np.asarray(series[0].asarray(maxworkers=1)).reshape(size)
        return np.ascontiguousarray(axes.arrange(pixels[axes.index(0)]))


class TiffStack:
    """One TIFF file of many pages, frames 0..T-1, of which one frame is read at a time.

    Time is the axis that the file calls T. Where it names none, the first axis is time and the next one is z: a movie
    has a time, and a stack that was saved without one is called z (or channel) by most programs.
    """

    def __init__(self, path: Path, *, channel: int, kind: str) -> None:
        """Look at the pages of the file without reading pixels. Raises MovieError."""
        self.name = str(path)
        self._kind, self._path = kind, path
        self._lock = threading.Lock()  # pages are looked up and read at one shared position in the file
        with _readable(path, kind):
            file = tifffile.TiffFile(path)
            weakref.finalize(self, file.close)
            letters, size, series = _layout(file, kind, path)
        check_dtype(series[0].dtype, kind, path)
        self._axes = make_axes(_with_time(letters, size, kind, path), size, channel=channel, kind=kind, where=path)
        self.frames = np.arange(self._axes.n_frames, dtype=np.int64)
        self.shape, self.dtype = self._axes.shape, series[0].dtype
        self._series = series
        self._planes = np.arange(int(np.prod(size[:-2], dtype=int))).reshape(size[:-2])
        self._planes_per_page = int(np.prod(series[0].keyframe.shape[:-2], dtype=int))
        n_pages = sum(len(part) for part in series)
        self._mapped: np.memmap[tuple[int, ...], np.dtype[np.generic]] | None = None
        if n_pages * self._planes_per_page != self._planes.size:
            # ImageJ and others write a large stack as one page followed by raw pixels.
            self._mapped = self._map_raw(file, size)

    def read(self, frame: int) -> NDArray[np.generic]:
        """Pixels of one frame, see `Movie`."""
        if not 0 <= frame < len(self.frames):
            raise MovieError(f"{self.name} has no frame {frame}")
        index = self._axes.index(int(frame))
        with _readable(self._path, self._kind, f"frame {frame} of "):
            pixels = self._read_pages(self._planes[index[:-2]]) if self._mapped is None else self._mapped[index]
            pixels = np.array(self._axes.arrange(pixels), dtype=self.dtype, order="C")
        if self._kind == "masks":
            check_labels(pixels, f"frame {frame} of {self.name}")
        return pixels

    def _read_pages(self, planes: NDArray[np.int64]) -> NDArray[np.generic]:
        """Read the numbered planes, () or (z,)."""
        numbers = planes // self._planes_per_page
        pages = {int(number): self._read_page(int(number)) for number in np.unique(numbers)}
        return np.array(
            [pages[int(n)][int(p) % self._planes_per_page] for n, p in zip(numbers.flat, planes.flat, strict=True)]
        ).reshape(*planes.shape, *self.shape[-2:])

    def _read_page(self, number: int) -> NDArray[np.generic]:
        """Planes (p, y, x) of one page."""
        part, within = divmod(number, len(self._series[0]))
        with self._lock:
            page = self._series[part][within]
            if page is None:
                raise MovieError(f"page {number} of {self.name} is missing")
            return np.asarray(page.asarray(maxworkers=1)).reshape(-1, *self.shape[-2:])

    def _map_raw(
        self, file: tifffile.TiffFile, size: tuple[int, ...]
    ) -> np.memmap[tuple[int, ...], np.dtype[np.generic]]:
        offset = self._series[0].dataoffset
        if offset is None or len(self._series) > 1:
            raise MovieError(f"the pages of {self.name} do not add up to its size {size}; save it anew")
        dtype = self.dtype.newbyteorder(file.byteorder)
        with _readable(self._path, self._kind):
            return np.memmap(self._path, dtype=dtype, mode="r", offset=offset, shape=size)


def _with_time(letters: str, size: tuple[int, ...], kind: str, path: Path) -> str:
    """Letters in which a movie's time axis is named: see `TiffStack`."""
    leading = letters[:-2]
    if letters[-2:] != "YX" or letters.endswith("S"):
        return letters
    if "T" in leading:
        unnamed = re.sub("[TCZ]", "", leading)
        return letters.replace(unnamed, "Z") if len(unnamed) == 1 and "Z" not in leading else letters
    if kind == "images" and len(leading) > 1 and "C" in leading:
        raise MovieError(
            f"the axes of {path} are {letters} ({' x '.join(map(str, size))}), with no time among them. "
            "Save the file with the axes t, z, y, x or t, c, y, x"
        )
    return {0: "", 1: "T", 2: "TZ"}.get(len(leading), leading) + "YX"


def _layout(
    file: tifffile.TiffFile, kind: str, path: Path
) -> tuple[str, tuple[int, ...], list[tifffile.TiffPageSeries]]:
    """Axis letters and sizes, without axes of length 1, of the pixels in a file, and the series that hold them.

    A writer that adds frame by frame leaves one series per frame: alike, they are stacked along a T axis.
    """
    series = list(file.series)
    letters, size = series[0].axes, series[0].shape
    kinds = {(part.axes, part.shape, part.dtype) for part in series}
    if len(kinds) > 1:
        found = [f"{' x '.join(map(str, part.shape))} {part.dtype}" for part in series]
        raise MovieError(f"all pages of the {kind} in {path} must be alike; found {first_five(found)}")
    if len(series) > 1:
        letters, size = f"T{letters}", (len(series), *size)
    # Stacks of 3 or 4 planes are often stored as planar colour (S before Y, X): planes like any other.
    return re.sub(r"S(?=\w*YX$)", "Q", letters), tuple(map(int, size)), series


@contextmanager
def _readable(path: Path, kind: str, part: str = "") -> Iterator[None]:
    """Turn whatever a damaged file causes into a MovieError that names it."""
    complaints: list[str] = []
    handler = _Complaints(complaints)
    logger = logging.getLogger("tifffile")
    logger.addHandler(handler)
    try:
        yield
    except MovieError:
        raise
    except UNREADABLE as error:
        reason = f"damaged, cut short, or no TIFF file ({type(error).__name__}: {error})"
        raise MovieError(f"cannot read {part}{path} ({kind}): {reason}") from error
    finally:
        logger.removeHandler(handler)
    if complaints:
        raise MovieError(f"cannot read {part}{path} ({kind}): damaged or cut short ({complaints[0]})")


class _Complaints(logging.Handler):
    """Collects what tifffile logs instead of raising: it reads a file that was cut short as a shorter one."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._complaints = complaints
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.thread == self._thread and re.search("offset|series", message):
            self._complaints.append(message)
