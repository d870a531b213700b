"""run.json: what was asked, what was found, what it cost."""

import json
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import tracker
from tracker.config import Config
from tracker.doubts import doubts_of
from tracker.ilp.problem import Solution
from tracker.lineage import Lineage
from tracker.margins import Margins
from tracker.notes import notes_of
from tracker.prepare import Prepared
from tracker.sequential_run import sequential_notes

if TYPE_CHECKING:
    from tracker.blocks.read_back import Stored

_VERSIONS = ("numpy", "scipy", "highspy", "networkx", "scikit-image", "tifffile", "zarr", "geff", "ilpy", "traccuracy")


def make_report(
    config: Config,
    prepared: Prepared,
    solution: Solution,
    lineage: Lineage,
    margins: Margins | None,
    seconds: dict[str, float],
) -> dict[str, Any]:
    """The content of run.json; `seconds` and peak memory are completed when everything is written."""
    graph, layout, values = prepared.graph, prepared.problem.layout, solution.values
    pins = prepared.pins
    return {
        "status": solution.status,
        "objective": solution.objective,
        "bound": solution.bound,
        "gap": solution.gap,
        "proof": solution.proof,
        "counts": {
            "detections": len(graph.detections),
            "links": prepared.n_proposed[0],
            "divisions": prepared.n_proposed[1],
            "links_held": len(graph.links),
            "divisions_held": len(graph.divisions),
            **solution.counts,
            "selected_detections": int(lineage.selected.sum()),
            "selected_links": len(lineage.links),
            "selected_divisions": len(lineage.divisions),
            "appear": int(values[layout.appear].sum()),
            "disappear": int(values[layout.disappear].sum()),
            "tracks": int(lineage.track_id.max(initial=0)),
            "pins": 0 if pins is None else len(pins.table),
            "pins_unanswered": 0 if pins is None else pins.table.unanswered,
        },
        "notes": notes_of(config, graph.detections, prepared.movie, prepared.n_proposed[0] + len(graph.links)),
        "statistics": {
            f"{family}.{name}": {"mean": measured.mean, "std": measured.std}
            for (family, name), measured in prepared.costs.statistics.items()
        },
        "measured": None if prepared.movie is None else prepared.movie.numbers.model_dump(mode="json"),
        "doubts": [] if margins is None else doubts_of(lineage, margins.out, graph.links, prepared.costs.link),
        **about_run(config, seconds),
    }


def make_block_report(config: Config, stored: "Stored", lineage: Lineage, seconds: dict[str, float]) -> dict[str, Any]:
    """The same for a movie that was solved block by block; `blockwise` says how."""
    pins, filled = stored.pins, stored.filled
    return {
        "status": stored.status,
        "objective": stored.objective,
        "bound": stored.bound,
        "gap": stored.report["gap"],
        "proof": "blocks" if stored.status == "optimal" else "none",
        "counts": {
            "detections": len(lineage.detections),
            "links": filled.proposed[0],
            "divisions": filled.proposed[1],
            "links_held": filled.kept[0],
            "divisions_held": filled.kept[1],
            **stored.counts,
            "selected_detections": int(lineage.selected.sum()),
            "selected_links": len(lineage.links),
            "selected_divisions": len(lineage.divisions),
            "tracks": int(lineage.track_id.max(initial=0)),
            "pins": 0 if pins is None else len(pins.table),
            "pins_unanswered": 0 if pins is None else pins.table.unanswered,
        },
        "notes": list(stored.notes),
        "statistics": filled.statistics,
        "measured": filled.measured,
        "doubts": [] if stored.margins is None else doubts_of(lineage, stored.margins.out, *stored.near),
        "blockwise": stored.report,
        **about_run(config, seconds),
    }


def make_sequential_report(config: Config, lineage: Lineage, seconds: dict[str, float]) -> dict[str, Any]:
    """The same for the sequential tracker: there is no objective, no bound and no margin, and nothing is proven."""
    return {
        "status": "unproven",
        "objective": None,
        "bound": None,
        "gap": None,
        "proof": "none",
        "counts": {
            "detections": len(lineage.detections),
            "selected_detections": int(lineage.selected.sum()),
            "selected_links": len(lineage.links),
            "selected_divisions": len(lineage.divisions),
            "appear": int(lineage.appears.sum()),
            "disappear": int(lineage.disappears.sum()),
            "tracks": int(lineage.track_id.max(initial=0)),
            "pins": 0,
            "pins_unanswered": 0,
        },
        "notes": [
            'solver.method = "sequential": no divisions, no margins, and nothing is proven; for comparison with "ilp"',
            *sequential_notes(config),
        ],
        "statistics": {},
        "measured": None,
        **about_run(config, seconds),
    }


def about_run(config: Config, seconds: dict[str, float]) -> dict[str, Any]:
    """What every run.json ends with."""
    return {
        "seconds": dict(seconds),
        "peak_memory_mb": peak_memory_mb(),
        "config": json.loads(config.model_dump_json()),
        "config_folder": str(config.path(".").resolve()),
        "versions": _versions(),
        "seed": config.solver.seed,
    }


def _versions() -> dict[str, str]:
    found = {"pintrack": tracker.__version__, "python": platform.python_version()}
    for package in _VERSIONS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
