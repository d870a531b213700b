"""track evaluate: a result against the truth."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tracker.cli.common import Json, Quiet, Verbose, configure, messages, output, print_json, progress

_ROWS = (
    ("AOGM", "weighted number of corrections to the lineage graph; 0 is perfect"),
    ("LNK", "linking score, 1 is perfect"),
    ("TRA", "tracking score, 1 is perfect"),
    ("DET", "detection score, 1 is perfect"),
    ("fp_edges", "false links"),
    ("fn_edges", "missed links"),
    ("ws_edges", "links of the wrong kind (division or not)"),
    ("division_f1", "divisions: harmonic mean of precision and recall"),
    ("division_precision", "divisions found that are true"),
    ("division_recall", "true divisions found"),
    ("division_mbc", "mitotic branching correctness"),
    ("CHOTA", "higher order tracking accuracy over lineages, 1 is perfect"),
    ("complete_tracks", "share of tracks found from begin to end"),
)


def evaluate(
    result: Annotated[Path, typer.Argument(help="A result folder, or any CTC result folder.")],
    truth: Annotated[Path, typer.Argument(help="CTC folder (01_GT/TRA), or points with parent_id.")],
    matcher: Annotated[str, typer.Option(help="auto, ctc, iou, id or point.")] = "auto",
    max_distance: Annotated[float | None, typer.Option(help="Farthest match of points, in the result's unit.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score a result: AOGM, LNK, TRA, DET, divisions, CHOTA, complete tracks."""
    configure(quiet, verbose)
    from tracker.evaluate import evaluate as evaluate_lineage
    from tracker.load_result import load_result
    from tracker.truth import read_truth

    with progress(quiet or as_json) as say:
        say("reading the result")
        loaded = load_result(result)
        say("reading the truth")
        scale = loaded.lineage.detections.scale
        say("comparing")
        metrics = evaluate_lineage(
            loaded.lineage,
            read_truth(truth, scale=scale),
            masks=loaded.masks,
            matcher=matcher,
            max_distance=max_distance,
        ).to_dict()
    if as_json:
        print_json(metrics)
        return
    if not quiet:
        for note in metrics["warnings"]:
            messages().print(f"note: {note}", markup=False)
    output().print(metrics_table(metrics))


def metrics_table(metrics: dict[str, Any]) -> Table:
    """Metrics with their meaning."""
    table = Table(box=None, pad_edge=False)
    table.add_column("metric", style="bold")
    table.add_column("value", justify="right")
    table.add_column("meaning", style="dim")
    for name, meaning in _ROWS:
        value = metrics[name]
        text = "-" if value is None else f"{value:g}" if name in ("AOGM",) or "edges" in name else f"{value:.4f}"
        table.add_row(name, text, meaning)
    return table
