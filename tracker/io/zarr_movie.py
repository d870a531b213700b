"""Movies in zarr (v2, v3): an array, or an OME-Zarr image of which the full resolution is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import MovieError, first_five
from tracker.io.axes import make_axes
from tracker.io.pixels import UNREADABLE, check_dtype, check_labels

if TYPE_CHECKING:
    import zarr

#: Meaning of an array that names no axes, by their number.
PLAIN = {2: "YX", 3: "TYX", 4: "TZYX", 5: "TCZYX"}
MARKERS = ("zarr.json", ".zarray", ".zgroup")


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group."""
    return any((path / marker).is_file() for marker in MARKERS)


class ZarrMovie:
    """A zarr array read frame by frame, frames 0..T-1, or those of them that we kept (see `write_zarr`).

    The axes are those of the OME-Zarr metadata (0.4, 0.5) or the array's dimension names; an array without either is
    (t, y, x), (t, z, y, x) or (t, c, z, y, x).
    """

    def __init__(self, path: Path, *, channel: int, kind: str) -> None:
        """Open the array without reading pixels. Raises MovieError."""
        import zarr  # here, because importing zarr takes half a second

        self._kind, self._path = kind, path
        with _readable(path, kind):
            node = zarr.open(path, mode="r")
            if isinstance(node, zarr.Group):
                array, letters, self.name = _full_resolution(node, path, kind)
            else:
                array, letters, self.name = node, _named_axes(node), str(path)
        check_dtype(array.dtype, kind, self.name)
        if len(letters) != array.ndim:
            raise MovieError(f"{self.name} has {array.ndim} axes, but its metadata names {len(letters)} ({letters})")
        self._axes = make_axes(letters, array.shape, channel=channel, kind=kind, where=self.name)
        self._array = array
        with _readable(path, kind, "attribute pintrack of "):
            ours: Any = node.attrs.get("pintrack") if isinstance(node, zarr.Group) else None
            kept = ours.get("frames") if isinstance(ours, dict) else None
            self.frames = np.array(range(self._axes.n_frames) if kept is None else kept, dtype=np.int64)
        self.shape, self.dtype = self._axes.shape, array.dtype.newbyteorder("=")

    def read(self, frame: int) -> NDArray[np.generic]:
        """Pixels of one frame, see `Movie`."""
        if not 0 <= frame < self._axes.n_frames:
            raise MovieError(f"{self.name} has no frame {frame}")
        with _readable(self._path, self._kind, f"frame {frame} of "):
            pixels = np.asarray(self._array[self._axes.index(int(frame))])
        if self._kind == "masks":
            check_labels(pixels, f"frame {frame} of {self.name}")
        return np.array(self._axes.arrange(pixels), dtype=self.dtype, order="C")


def _full_resolution(group: "zarr.Group", path: Path, kind: str) -> tuple["zarr.Array[Any]", str, str]:
    """Level 0 of an OME-Zarr image: array, axis letters, name."""
    import zarr

    attributes: dict[str, Any] = group.attrs.asdict()
    described = attributes.get("ome", attributes)
    if not described.get("multiscales"):
        inside = [f"{path.name}/{name}" for name in sorted(group.keys())]
        raise MovieError(
            f"{path} is a zarr group without an image (no multiscales metadata); for the {kind} name an array or "
            f"image in it: {first_five(inside) or 'it is empty'}"
        )
    image = described["multiscales"][0]
    place = image["datasets"][0]["path"]
    array = group[place]
    if not isinstance(array, zarr.Array):
        raise MovieError(f"{path / place} should be the full resolution of {path}, but is no array")
    axes = image.get("axes")
    return array, _named_axes(array) if axes is None else "".join(map(_letter, axes)), str(path / place)


def _named_axes(array: "zarr.Array[Any]") -> str:
    """Letters from the array's own dimension names (zarr v3, or xarray in v2), else by their number."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return "".join(map(_letter, names))
    return PLAIN.get(array.ndim, "?" * array.ndim)


def _letter(axis: str | dict[str, str]) -> str:
    """T, C, Z, Y or X for an axis given by name, or by OME's name and type; `?` when it means nothing here."""
    name, meaning = (axis, "") if isinstance(axis, str) else (axis["name"], axis.get("type", ""))
    by_type = {"time": "T", "channel": "C"}.get(meaning)
    return by_type or {"t": "T", "time": "T", "c": "C", "channel": "C", "z": "Z", "y": "Y", "x": "X"}.get(
        name.lower(), "?"
    )


@contextmanager
def _readable(path: Path, kind: str, part: str = "") -> Iterator[None]:
    """Turn whatever a damaged store causes into a MovieError that names it."""
    try:
        yield
    except MovieError:
        raise
    except UNREADABLE as error:
        raise MovieError(f"cannot read {part}{path} ({kind}): {type(error).__name__}: {error}") from error
