"""How well a lineage agrees with the ground truth: the metrics of traccuracy behind one function."""

import contextlib
import importlib.util
import io
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.chota import chota
from tracker.errors import MissingExtraError, TruthError, first_five
from tracker.io.movie import Movie
from tracker.lineage import Lineage, make_lineage
from tracker.matching import Matching, match_objects
from tracker.mistakes import Mistakes, find_mistakes, in_rows_of
from tracker.truth import Truth, contract

if TYPE_CHECKING:
    import networkx as nx
    from traccuracy.matchers import Matched

MAX_FRAME_BUFFER = 2
_REPEATED = re.compile("already (calculated|present)")


@dataclass(frozen=True)
class Metrics:
    """Agreement of a lineage with the ground truth; None where a metric is not defined (say, no true division).

    AOGM: weighted number of edits that turn the result into the truth, 0 is perfect:
        5 * ns_nodes + 10 * fn_nodes + fp_nodes + fp_edges + 1.5 * fn_edges + ws_edges.
    TRA, DET, LNK: 1 - AOGM / (AOGM of an empty result), at least 0; DET counts objects alone, LNK links alone.
    fp_edges, fn_edges, ws_edges: links to delete, to add, and to change between "same cell" and "daughter".
    division_*: of parents with two children, the same objects at the same frames (frame buffer 0):
        F1, MBC = TP / (TP + FP + FN), precision and recall.
    CHOTA: in [0, 1], detection and association of whole lineages.
    complete_tracks: fraction of true tracks (from appearance or birth to division or end) without any error.
    details: everything traccuracy returned, with divisions at frame buffers 0, 1 and 2; the counts; and the matching.
    warnings: what a reader should know before trusting the numbers.
    """

    AOGM: float | None
    LNK: float | None
    TRA: float | None
    DET: float | None
    fp_edges: int
    fn_edges: int
    ws_edges: int
    division_f1: float | None
    division_mbc: float | None
    division_precision: float | None
    division_recall: float | None
    CHOTA: float | None
    complete_tracks: float | None
    details: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What metrics.json holds; nothing in it is NaN or infinite."""
        return asdict(self) | {"warnings": list(self.warnings)}


def require_traccuracy() -> None:
    """Raise MissingExtraError without traccuracy: ask before any work is done."""
    if importlib.util.find_spec("traccuracy") is None:
        raise MissingExtraError("traccuracy", "eval", "evaluating against a ground truth")


def evaluate(
    prediction: Lineage,
    truth: Truth,
    *,
    masks: Movie | None = None,
    matcher: str = "auto",
    max_distance: float | None = None,
) -> Metrics:
    """Compare a lineage with the ground truth: the metrics of `compare`, which says the rest."""
    return compare(prediction, truth, masks=masks, matcher=matcher, max_distance=max_distance)[0]


def compare(
    prediction: Lineage,
    truth: Truth,
    *,
    masks: Movie | None = None,
    matcher: str = "auto",
    max_distance: float | None = None,
) -> tuple[Metrics, Mistakes]:
    """Compare a lineage with the ground truth: how well they agree, and every error with its place.

    masks: in which the labels of `prediction.detections` lie; None for points.
    matcher, max_distance: see `tracker.matching.match_objects`. Where the rule of the Cell Tracking Challenge gives one
        detection to several true objects, AOGM, LNK, TRA, DET and CHOTA see that; divisions and complete tracks need
        one to one, so there the object with the largest overlap keeps it.
    Compared are the frames of the result; objects left out of the truth this way pass their children on. Where the
    truth has masks, frames of the result that it lacks are left out, too; a truth of points is empty there. Time is
    counted in compared frames, so that neither a late start nor every so-many-th frame looks like gaps.

    Raises TruthError when there is nothing to compare, MissingExtraError without traccuracy.
    """
    require_traccuracy()
    notes: list[str] = []
    original = prediction.detections
    prediction, truth = _same_frames(prediction, truth, notes)
    if not len(truth):
        raise TruthError(f"the ground truth {truth.name} has no object in the frames of the result")
    everything = match_objects(prediction.detections, truth, masks, rule=matcher, max_distance=max_distance)
    selected = np.append(prediction.selected, False)
    matching = replace(everything, rows=np.where(selected[everything.rows], everything.rows, -1))
    single = matching.one_to_one()
    shared = int((single.rows != matching.rows).sum())
    if shared:
        notes.append(
            f"{shared} true objects share a detection with another one; divisions and complete tracks "
            "leave it to the one with the largest overlap"
        )
    results, heard, mistakes = _run_metrics(prediction, truth, matching, single)
    notes.extend([*truth.warnings, *heard])
    details = results | {
        "matching": {
            "matcher": matching.rule,
            "max_distance": matching.max_distance,
            "matched": int((matching.rows >= 0).sum()),
            "shared": shared,
        },
        "counts": {
            "frames": len(truth.frames),
            "detections": int(prediction.selected.sum()),
            "links": len(prediction.links),
            "divisions": len(prediction.divisions),
            "truth_detections": len(truth),
            "truth_links": len(truth.links),
            "truth_divisions": truth.n_divisions,
            "truth_gaps": truth.n_gaps,
        },
    }
    return _summarise(_without_nan(details), notes), in_rows_of(mistakes, prediction.detections, original)


def _summarise(details: dict[str, Any], notes: list[str]) -> Metrics:
    links, divisions = details["CTCMetrics"], details["DivisionMetrics"]["Frame Buffer 0"]
    return Metrics(
        AOGM=links["AOGM"],
        LNK=links["LNK"],
        TRA=links["TRA"],
        DET=links["DET"],
        fp_edges=links["fp_edges"],
        fn_edges=links["fn_edges"],
        ws_edges=links["ws_edges"],
        division_f1=divisions["Division F1"],
        division_mbc=divisions["Mitotic Branching Correctness"],
        division_precision=divisions["Division Precision"],
        division_recall=divisions["Division Recall"],
        CHOTA=details["CHOTAMetric"]["CHOTA"],
        complete_tracks=details["CompleteTracks"]["complete_tracklets"],
        details=details,
        warnings=tuple(notes),
    )


def _same_frames(prediction: Lineage, truth: Truth, notes: list[str]) -> tuple[Lineage, Truth]:
    """Both of them over the frames to compare, which `prediction.detections.frames` then are."""
    found = prediction.detections
    common = np.intersect1d(found.frames, truth.frames)
    if not len(common):
        raise TruthError(
            f"result and ground truth {truth.name} have no frame in common: t = {_range(found.frames)} and "
            f"t = {_range(truth.frames)}. Give the truth of this movie, numbered as the movie is"
        )
    beyond = found.frames[~np.isin(found.frames, truth.frames)]
    if len(common) < len(truth.frames):
        notes.append(f"compared are {len(common)} of the {len(truth.frames)} frames of the ground truth")
        truth = truth.select(common)
    if not len(beyond):
        return prediction, truth
    if truth.masks is None:
        return prediction, replace(truth, frames=found.frames)
    notes.append(f"the ground truth lacks frames of the result, which are left out: t = {first_five(beyond)}")
    kept = prediction.selected & np.isin(found.frame, common)
    rows, parent = contract(np.where(prediction.selected, prediction.parent, -1), kept)
    detections = replace(
        found,
        frame=found.frame[rows],
        label=found.label[rows],
        position=found.position[rows],
        frames=common,
        properties={},
    )
    child = np.flatnonzero(parent >= 0)
    return make_lineage(detections, np.ones(len(rows), bool), np.column_stack([parent[child], child])), truth


def _run_metrics(
    prediction: Lineage, truth: Truth, matching: Matching, single: Matching
) -> tuple[dict[str, Any], list[str], Mistakes]:
    """Results of traccuracy by metric, the warnings it gave, and the errors it marked."""
    with _quiet() as heard:
        from traccuracy.metrics import CompleteTracks, CTCMetrics, DivisionMetrics

        results: dict[str, Any] = {"traccuracy": version("traccuracy")}
        whole, one_to_one = _matched(prediction, truth, matching), _matched(prediction, truth, single)
        results["CTCMetrics"] = CTCMetrics().compute(whole).results
        results["DivisionMetrics"] = DivisionMetrics(max_frame_buffer=MAX_FRAME_BUFFER).compute(one_to_one).results
        results["CompleteTracks"] = CompleteTracks().compute(one_to_one).results
    results["CHOTAMetric"] = {"CHOTA": chota(prediction, truth.to_lineage(), matching.rows)}
    return results, heard, find_mistakes(whole, one_to_one, prediction, truth, matching.rows)


def _matched(prediction: Lineage, truth: Truth, matching: Matching) -> "Matched":
    """The two graphs, time in compared frames, and who is who, as traccuracy wants them."""
    from traccuracy import TrackingGraph
    from traccuracy.matchers import Matched

    found = prediction.detections
    selected = np.flatnonzero(prediction.selected)
    objects = np.arange(len(truth))
    true_graph = TrackingGraph(_graph(objects, np.searchsorted(found.frames, truth.frame), truth.links), label_key=None)
    graph = TrackingGraph(_graph(selected, found.step[selected], prediction.links), label_key=None)
    pairs = np.flatnonzero(matching.rows >= 0)
    mapping = list(zip(pairs.tolist(), matching.rows[pairs].tolist(), strict=True))
    return Matched(true_graph, graph, mapping, {"name": matching.rule})


def _graph(nodes: NDArray[np.int64], step: NDArray[np.int64], links: NDArray[np.int64]) -> "nx.DiGraph[int]":
    import networkx as nx

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from((node, {"t": t}) for node, t in zip(nodes.tolist(), step.tolist(), strict=True))
    graph.add_edges_from(links.tolist())
    return graph


@contextlib.contextmanager
def _quiet() -> Iterator[list[str]]:
    """Hide progress bars and collect warnings, without the ones that tell of work done once instead of twice."""
    heard: list[str] = []
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("always")
        yield heard
    heard.extend(dict.fromkeys(str(item.message) for item in caught if not _REPEATED.search(str(item.message))))


def _without_nan(value: Any) -> Any:
    """Plain numbers, None for NaN and infinity."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _range(frames: NDArray[np.int64]) -> str:
    return f"{frames[0]} to {frames[-1]}" if len(frames) else "none"
