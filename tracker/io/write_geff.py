"""tracks.geff: the lineage in the graph exchange file format, for other tracking tools."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker import __version__
from tracker.io.geff_extra import about_detections
from tracker.io.units import ome_unit
from tracker.lineage import Lineage, ctc_labels, lineage_ids

if TYPE_CHECKING:
    from geff._typing import PropDictNpArray
    from zarr.abc.buffer import Buffer


def write_geff(
    path: Path,
    lineage: Lineage,
    detection_columns: Mapping[str, NDArray[np.float64]],
    link_columns: Mapping[str, NDArray[np.float64]],
    *,
    ids: NDArray[np.int64],
    masks_place: str | None = None,
) -> None:
    """Write the selected detections as nodes and the links as edges (parent, child).

    ids: (N,) node ids, not negative.   masks_place: the tracked masks, relative to `path`; None when there are none.
    Node properties: the axes t, [z,] y, x (frames; positions in the unit of the detections), `label`, `track_id`
    (declared as tracklet: it may skip frames), `lineage_id` (declared as lineage), with masks `ctc_label`, the label
    in those masks, and the `detection_columns` (N,). Edge properties: the `link_columns` (L,).
    A value that is NaN or infinite (no alternative) is written as missing. What a geff has no place for, pixel size,
    unit as it was written, frames without detections, stands in `extra` (`tracker.io.geff_extra`).
    """
    from geff import GeffMetadata  # here, because importing geff takes half a second
    from geff.core_io import write_arrays
    from zarr.storage import MemoryStore

    found, rows = lineage.detections, np.flatnonzero(lineage.selected)
    axes = ("z", "y", "x")[-found.ndim :]
    node_props: dict[str, PropDictNpArray] = {"t": _whole(found.frame[rows])}
    node_props |= {axis: {"values": found.position[rows, i], "missing": None} for i, axis in enumerate(axes)}
    node_props["label"] = _whole(found.label[rows])
    node_props["track_id"] = _whole(lineage.track_id[rows])
    node_props["lineage_id"] = _whole(lineage_ids(lineage)[rows])
    if masks_place is not None:
        node_props["ctc_label"] = _whole(ctc_labels(lineage)[rows])
    node_props |= {name: _measured(column[rows]) for name, column in detection_columns.items()}
    edge_props = {name: _measured(column) for name, column in link_columns.items()}
    unit = ome_unit(found.unit)
    description: dict[str, Any] = {
        "directed": True,
        "axes": [
            {"name": "t", "type": "time", "unit": "frame"},
            *({"name": axis, "type": "space", "unit": unit} for axis in axes),
        ],
        "node_props_metadata": {},
        "edge_props_metadata": {},
        "track_node_props": {"tracklet": "track_id", "lineage": "lineage_id"},
        "display_hints": {"display_horizontal": "x", "display_vertical": "y", "display_time": "t"},
        "extra": {"pintrack": __version__, **about_detections(found)},
    }
    if "z" in axes:
        description["display_hints"]["display_depth"] = "z"
    if masks_place is not None:
        description["related_objects"] = [{"type": "labels", "path": masks_place, "node_prop": "ctc_label"}]
    node_ids = ids.astype(np.uint64)
    with warnings.catch_warnings():
        # A unit that geff does not know is allowed, and the user's own choice.
        warnings.filterwarnings("ignore", message="Spatial unit")
        metadata = GeffMetadata.model_validate(description)
        # zarr writes files from several threads, which may still be at it after one has failed (disk full): so it
        # writes into memory, and the files are made here, one after the other.
        held: dict[str, Buffer] = {}
        write_arrays(MemoryStore(held), node_ids[rows], node_props, node_ids[lineage.links], edge_props, metadata)
    for key, content in held.items():
        (path / key).parent.mkdir(parents=True, exist_ok=True)
        (path / key).write_bytes(content.to_bytes())


def _whole(values: NDArray[np.int64]) -> "PropDictNpArray":
    return {"values": np.asarray(values, np.int64), "missing": None}


def _measured(values: NDArray[np.float64]) -> "PropDictNpArray":
    missing = ~np.isfinite(values)
    return {"values": np.where(missing, 0.0, values), "missing": missing if missing.any() else None}
