"""Scores of another tool: a link property of a geff candidate graph, laid onto our links."""

import difflib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from geff import GeffReader
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tracker.detections import Detections
from tracker.errors import InputError, first_five
from tracker.io.geff_points import read_geff
from tracker.io.pixels import UNREADABLE

_LABEL_NAMES = ("label", "segmentation_id", "seg_id", "mask_id", "object_id")


@dataclass(frozen=True)
class LinkScores:
    """key: (M, 2) rows (parent, child) of our detections.   score: (M,) float.   rule: how nodes were matched."""

    key: NDArray[np.int64]
    score: NDArray[np.float64]
    rule: str


def read_link_scores(path: Path, name: str, detections: Detections) -> LinkScores:
    """The property `name` of every link of the geff whose two ends are detections of ours.

    Nodes are matched by (t, label) where the geff has a property called label (or segmentation_id, ...), by node id
    where our detections are points with those ids, else by position: the nearest detection of the frame, if it lies
    within half the median distance between neighbours there. Raises InputError when the property is unknown, a score is
    not finite, or fewer than half of the nodes in our frames match.
    """
    try:
        reader = GeffReader(path)
        if name not in reader.edge_prop_names:
            near = difflib.get_close_matches(name, reader.edge_prop_names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"associations.property = {name!r} is no link property of {path}{hint} "
                f"(it has: {', '.join(sorted(reader.edge_prop_names)) or 'none'})"
            )
        reader.read_edge_props([name])
        content = reader.build()
    except UNREADABLE as error:
        raise InputError(f"cannot read {path} as a geff: {error}") from error
    nodes = read_geff(path, lineage=False)
    rows, rule = _match(nodes.id, nodes.frame, nodes.position, dict(nodes.properties), detections)
    within = np.isin(nodes.frame, detections.frames)
    matched = int((rows[within] >= 0).sum())
    if 2 * matched < int(within.sum()) or not matched:
        raise InputError(
            f"only {matched} of the {int(within.sum())} nodes of {path} in these frames are detections of this movie "
            f"(matched by {rule}). Give the candidate graph that was made from the same masks or points"
        )
    edges = np.asarray(content["edge_ids"]).astype(np.int64).reshape(-1, 2)
    stored = content["edge_props"][name]
    values = np.asarray(stored["values"])
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        shape = f"{values.shape[1:]} " if values.ndim > 1 else ""
        raise InputError(f"link property {name!r} of {path} must be one number per link, found {shape}{values.dtype}")
    score = values.astype(np.float64)
    if stored["missing"] is not None:
        present = ~np.asarray(stored["missing"])
        edges, score = edges[present], score[present]
    order = np.argsort(nodes.id)
    place = order[np.minimum(np.searchsorted(nodes.id, edges, sorter=order), len(order) - 1)]
    lost = edges[(nodes.id[place] != edges).any(axis=1)].tolist()
    if lost:
        named = first_five(f"{parent} -> {child}" for parent, child in lost)
        raise InputError(f"links of {path} name nodes that it does not hold: {named}. Write the geff again")
    ends = rows[place]
    bad = np.flatnonzero(~np.isfinite(score))
    if len(bad):
        named = first_five(f"{parent} -> {child}" for parent, child in edges[bad].tolist())
        raise InputError(f"link property {name!r} of {path} must be finite; NaN or infinity on links {named}")
    ours = (ends >= 0).all(axis=1)
    ends, score = ends[ours], score[ours]
    backwards = ends[:, 0] > ends[:, 1]
    ends[backwards] = ends[backwards, ::-1]
    return LinkScores(ends, score, rule)


def _match(
    ids: NDArray[np.int64],
    frame: NDArray[np.int64],
    position: NDArray[np.float64],
    properties: dict[str, NDArray[np.float64]],
    detections: Detections,
) -> tuple[NDArray[np.int64], str]:
    """(nodes,) row of each node's detection, -1 without; and by which rule."""
    for name in _LABEL_NAMES:
        if name in properties:
            label = np.nan_to_num(properties[name], nan=-1).astype(np.int64)
            return detections.rows_of(frame, label), name
    if "area_px" not in detections.properties:
        rows = detections.rows_of(frame, ids)
        if (rows >= 0).any():
            return rows, "id"
    rows = np.full(len(ids), -1, np.int64)
    starts = detections.starts
    if position.shape[1] != detections.ndim:
        return rows, "position"
    trees = [cKDTree(detections.position[low:high]) for low, high in pairwise(starts.tolist())]
    spacing = np.array([np.median(tree.query(tree.data, k=2)[0][:, 1]) if tree.n > 1 else np.nan for tree in trees])
    lone = np.isnan(spacing)
    spacing[lone] = np.inf if lone.all() else np.median(spacing[~lone])  # as far as elsewhere in the movie
    for step, tree in enumerate(trees):
        own = np.flatnonzero(frame == detections.frames[step])
        if len(own) and tree.n:
            distance, index = tree.query(position[own] * detections.scale)
            rows[own] = np.where(distance <= 0.5 * spacing[step], index + starts[step], -1)
    return rows, "position"
