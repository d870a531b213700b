"""Open a movie of images or label masks, whatever its format."""

import difflib
import glob
from pathlib import Path

from tracker.errors import MovieError
from tracker.io.movie import Movie
from tracker.io.pixels import check_kind
from tracker.io.tiff import TiffFolder, TiffStack, is_tiff, list_tiffs
from tracker.io.zarr_movie import ZarrMovie, is_zarr

FORMS = "a folder of numbered TIFF files, one TIFF file with many pages, a zarr array or an OME-Zarr image"


def open_movie(path: Path | str, *, channel: int = 0, kind: str = "images") -> Movie:
    """Open a movie lazily: frames are read one at a time.

    path: a folder of numbered TIFFs (t013.tif is frame 13), a multi-page TIFF, a zarr array or OME-Zarr image, or a
        pattern such as `01/*.tif`.
    channel: which channel of the images to read, from 0, where there are several; masks have one.
    kind: `images` or `masks`; masks must hold integers >= 0. Also how messages call the movie.
    Raises MovieError when the path is missing or is no such movie.
    """
    check_kind(kind)
    place = Path(path)
    if place.is_dir():
        if is_zarr(place):
            return ZarrMovie(place, channel=channel, kind=kind)
        return TiffFolder(list_tiffs(place), channel=channel, kind=kind, name=str(place))
    if place.is_file():
        if not is_tiff(place):
            raise MovieError(f"{place} is not a known form of {kind}: wanted {FORMS}")
        return TiffStack(place, channel=channel, kind=kind)
    if glob.has_magic(str(place)):
        files = [found for found in map(Path, glob.glob(str(place))) if is_tiff(found)]
        return TiffFolder(sorted(files), channel=channel, kind=kind, name=str(place))
    raise MovieError(f"no {kind} at {place}: {_nearest(place)}")


def _nearest(path: Path) -> str:
    """What there is in the last folder of a missing path that exists, the closest names first."""
    missing = path
    while not missing.parent.is_dir() and missing.parent != missing:
        missing = missing.parent
    if not missing.parent.is_dir():
        return f"there is no {missing.parent}"
    names = sorted(entry.name for entry in missing.parent.iterdir() if not entry.name.startswith("."))
    close = difflib.get_close_matches(missing.name, names, n=3, cutoff=0.4)
    if close:
        return f"there is no {missing.name} in {missing.parent}; did you mean {' or '.join(close)}?"
    return f"there is no {missing.name} in {missing.parent}, which holds {', '.join(names[:8]) or 'nothing'}"
