"""The headline of a report: what came out, in numbers and plain words; and how sure the decisions are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.lineage import Lineage
from tracker.report.source import Source

_BARS = 32


def headline(source: Source) -> list[dict[str, str]]:
    """Tiles: name, value, note (a few words), meaning (a sentence or two)."""
    run, lineage = source.run, source.lineage
    counts, seconds = run["counts"], run["seconds"]
    tiles = [_cost(run)]
    given = counts.get("detections", len(lineage.detections))
    left_out = f", {given - len(lineage.detections):,} left out" if given > len(lineage.detections) else ""
    tiles.append(
        _tile("cells seen", f"{len(lineage.detections):,}", f"in {len(lineage.detections.frames):,} frames{left_out}",
              "Detections in the lineage: one cell in one frame each.")
    )  # fmt: skip
    tiles.append(
        _tile("tracks", f"{int(lineage.track_id.max(initial=0)):,}",
              f"{int(lineage.appears.sum()):,} lineages, {counts['disappear']:,} ends",
              "A track is one cell from birth or appearance to division or disappearance; a lineage is a first cell "
              "with all its descendants.")
    )  # fmt: skip
    of = f"of {counts['divisions']:,} possible" if counts.get("divisions") else ""
    tiles.append(
        _tile("divisions", f"{len(lineage.divisions):,}", of,
              "One cell in one frame, two daughters in the next. All pairs of nearby cells were considered.")
    )  # fmt: skip
    if source.metrics is not None:
        tiles += _scores(source.metrics)
    if counts.get("pins"):
        tiles.append(_tile("pins", f"{counts['pins']:,}", "all honoured", "What a person fixed beforehand."))
    tiles.append(
        _tile("seconds", f"{seconds.get('total', 0.0):,.1f}", f"solving {seconds.get('solve', 0.0):.2f}",
              "Wall time of the whole run, reading and writing included; and of the exact program alone.")
    )  # fmt: skip
    tiles.append(
        _tile("memory", f"{run['peak_memory_mb']:,.0f} MB", "at most", "The largest memory that the run used at once.")
    )
    return tiles


def _cost(run: Any) -> dict[str, str]:
    if run["objective"] is None:
        return _tile("cost", "none", "nothing is proven", "The sequential tracker has no costs, and proves nothing.")
    meaning = (
        "The sum of the costs of all decisions; lower is better. It is a number of the model and comparable only "
        "between results of the same movie and config."
    )
    if run["status"] == "optimal":
        return _tile("cost", f"{run['objective']:,.6g}", "proven optimal, gap 0" if not run["gap"] else
                     f"proven optimal, gap {run['gap']:.1e}",
                     f"{meaning} Proven by {run['proof']}: no lineage whatsoever is cheaper.")  # fmt: skip
    return _tile("cost", f"{run['objective']:,.6g}", f"gap {100 * run['gap']:.3g} %",
                 f"{meaning} Not proven: the cheapest lineage may be up to this much cheaper.")  # fmt: skip


def _scores(metrics: Any) -> list[dict[str, str]]:
    def number(name: str) -> str:
        return "-" if metrics[name] is None else f"{metrics[name]:.4f}"

    links = f"{metrics['fp_edges']:,} false, {metrics['fn_edges']:,} missed links"
    found = f"recall {number('division_recall')}, precision {number('division_precision')}"
    return [
        _tile("AOGM", "-" if metrics["AOGM"] is None else f"{metrics['AOGM']:g}", links,
              "Errors against the truth, weighted by the work of mending them; 0 is perfect."),
        _tile("TRA", number("TRA"), f"links alone {number('LNK')}",
              "Tracking score of the Cell Tracking Challenge, 0 to 1: one minus AOGM over that of an empty result. "
              "It also counts detections; LNK counts links alone."),
        _tile("division F1", number("division_f1"), found,
              "How well divisions agree with the true ones, from 0 to 1: in the same frame, with the same cells."),
    ]  # fmt: skip


def _tile(name: str, value: str, note: str, meaning: str) -> dict[str, str]:
    return {"name": name, "value": value, "note": note, "meaning": meaning}


def margin_histogram(lineage: Lineage, margin: NDArray[np.float64]) -> dict[str, Any] | None:
    """Counts of the margins of all ways out that have a next frame, in bars of equal width in log10.

    edges: in units of cost.   zero: how many lie below the first edge (among them exact zeros).   none: how many have
    no other way, or were not measured. None when no margin is known.
    """
    found = lineage.detections
    asked = margin[lineage.selected & (found.step < len(found.frames) - 1)]
    known = asked[np.isfinite(asked)]
    if not len(known):
        return None
    high = float(known.max())
    low = max(float(np.quantile(known, 0.01)), high * 1e-3) if high > 0 else 0.0
    if not high > 0 or low >= high:
        return {"edges": [low, low + 1.0], "counts": [len(known)], "zero": 0, "none": len(asked) - len(known)}
    edges = np.geomspace(low, high, _BARS + 1)
    edges[-1] = high
    counts, _ = np.histogram(known, edges)
    return {
        "edges": [float(f"{edge:.6g}") for edge in edges],
        "counts": counts.tolist(),
        "zero": int((known < edges[0]).sum()),
        "none": len(asked) - len(known),
        "median": float(np.median(known)),
    }
