"""Tracked masks as an OME-Zarr label image: for movies whose frames are too many or too large for files of TIFF."""

from pathlib import Path

import numpy as np

from tracker import __version__
from tracker.io.movie import Movie
from tracker.io.tracked_masks import tracked_masks
from tracker.io.units import ome_unit
from tracker.lineage import Lineage

#: Where in masks.zarr the pixels are.
LEVEL = "0"
_CHUNK_BYTES = 64_000_000


def write_zarr(path: Path, lineage: Lineage, masks: Movie) -> None:
    """Write an OME-Zarr 0.5 image (zarr format 3) of the axes t, [z,] y, x at `path`, which is made.

    Pixels are uint32 and hold `ctc_labels`, labels of the Cell Tracking Challenge, 0 where no detection was selected.
    t is the movie's own: frames that were left out are there, but empty, and take no space. The group's attribute
    `pintrack.frames` lists those that were kept, and `open_movie` reads no others. The scale is that of the detections,
    in their unit. The array is `path/0`, which `funlib.persistence.open_ds` opens too, in frames and pixels, for that
    library has whole numbers alone.

    Raises MovieError when a mask does not hold a selected detection.
    """
    import zarr  # here, because importing zarr takes half a second

    found = lineage.detections
    axes = ("t", "z", "y", "x") if len(masks.shape) == 3 else ("t", "y", "x")
    shape = (int(found.frames.max(initial=-1)) + 1, *masks.shape)
    plane_bytes = 4 * int(np.prod(masks.shape[1:]))
    chunk = (max(1, min(masks.shape[0], _CHUNK_BYTES // max(1, plane_bytes))), *masks.shape[1:])
    unit = ome_unit(found.unit)
    space = {"type": "space"} if unit == "pixel" else {"type": "space", "unit": unit}
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.attrs.update({
        "ome": {
            "version": "0.5",
            "multiscales": [
                {
                    "name": "tracks",
                    "axes": [{"name": "t", "type": "time"}, *({"name": axis, **space} for axis in axes[1:])],
                    "datasets": [
                        {
                            "path": LEVEL,
                            "coordinateTransformations": [{"type": "scale", "scale": [1.0, *found.scale.tolist()]}],
                        }
                    ],
                }
            ],
            "image-label": {"version": "0.5"},
        },
        "pintrack": {"version": __version__, "frames": found.frames.tolist(), "unit": found.unit},
    })  # fmt: skip
    array = group.create_array(
        LEVEL,
        shape=shape,
        dtype="uint32",
        chunks=(1, *chunk),
        dimension_names=axes,
        attributes={"axis_names": list(axes), "types": ["time", *["space"] * (len(axes) - 1)]},
    )
    for frame, image in tracked_masks(lineage, masks, np.dtype(np.uint32)):
        # A chunk at a time: zarr writes several from as many threads, which go on after one has failed (disk full).
        for first in range(0, masks.shape[0], chunk[0]):
            array[frame, first : first + chunk[0]] = image[first : first + chunk[0]]
