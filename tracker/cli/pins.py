"""track pins: pins checked, shown, merged, and made from a truth or a result."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from tracker.annotations import solve_pinned
from tracker.cli.common import (
    Json,
    Overwrite,
    Quiet,
    Set,
    Verbose,
    configure,
    fact_table,
    output,
    print_json,
    progress,
    reporting_errors,
    tell,
)
from tracker.cli.run import with_pins
from tracker.config import Config, load_config
from tracker.detections import Detections
from tracker.errors import ConfigError, PinConflictError, first_five
from tracker.ilp.backends import check_backend
from tracker.inputs import read_inputs
from tracker.lineage import Lineage
from tracker.load_result import config_of_run, load_tracks, report_of_run
from tracker.pin_checks import check_rows
from tracker.pin_sources import detections_in_order, lineage_over, merge_rows, pins_from_lineage, truth_as_lineage
from tracker.pin_table import KINDS, PinRow, display_name, meaning
from tracker.pins import read_pin_rows, read_pins, write_pins
from tracker.prepare import prepare, solver_settings
from tracker.stopwatch import Stopwatch
from tracker.truth import read_truth

pins_app = typer.Typer(no_args_is_help=True)

ConfigFile = Annotated[Path, typer.Argument(help="The config file.")]
More = Annotated[list[Path] | None, typer.Option("--pins", help="Another file of pins. Repeatable.")]
Target = Annotated[Path, typer.Option("--output", "-o", help="The file of pins to write.")]


def _on_pins(work: Callable[[Config, bool, bool], None]) -> Callable[..., None]:
    """The command that does `work` with a config that has pins, `as_json` and `quiet`."""

    def command(
        config: ConfigFile,
        pins: More = None,
        settings: Set = None,
        as_json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        configure(quiet, verbose)
        loaded = load_config(config, settings)
        loaded = with_pins(loaded, pins) if pins else loaded
        if not loaded.annotations.pins:
            raise ConfigError(f"there are no pins: name files in {config} ([annotations] pins), or with --pins FILE")
        work(loaded, as_json, quiet)

    command.__doc__ = work.__doc__
    return command


def check(loaded: Config, as_json: bool, quiet: bool) -> None:
    """Check pins against the movie and each other, solving included; count them. Exit code 3: they contradict."""
    check_backend(loaded.solver.backend)
    with progress(quiet or as_json) as say:
        prepared = prepare(loaded, Stopwatch(progress=say))
        say("solving")
        solve_pinned(prepared.problem, prepared.pins, solver_settings(loaded))
    assert prepared.pins is not None
    table = prepared.pins.table
    different = prepared.pins.different
    kinds = Counter(KINDS[kind] for kind in table.kind[different].tolist())
    found = {
        "pins": len(different),
        "duplicates": len(table) - len(different),
        "kinds": {kind: kinds[kind] for kind in KINDS},
        "with_confidence": len(prepared.pins.soft),
        "unanswered": table.unanswered,
        "files": list(table.files),
    }
    if as_json:
        print_json(found)
    elif not quiet:
        lines = fact_table()
        for kind in (kind for kind in KINDS if kinds[kind]):
            lines.add_row(kind, f"{kinds[kind]:,}")
        repeated = ("duplicates",) if found["duplicates"] else ()
        for name in ("pins", *repeated, "with_confidence", "unanswered"):
            lines.add_row(name.replace("_", " "), f"{found[name]:,}")
        output().print(lines)
        output().print("no contradictions: a lineage honours them all")


def show(loaded: Config, as_json: bool, quiet: bool) -> None:
    """List the pins of a config with their places and meanings, whether or not they fit the movie."""
    table = read_pins([loaded.path(path) for path in loaded.annotations.pins])
    rows = [table.row(row) for row in range(len(table))]
    places = [(int(file), int(line)) for file, line in zip(table.file, table.line, strict=True)]
    if as_json:
        content = [
            {"file": table.files[file], "line": line, "meaning": meaning(row), **_row_as_json(row)}
            for row, (file, line) in zip(rows, places, strict=True)
        ]
        print_json({"pins": content, "unanswered": table.unanswered})
        return
    lines = Table(box=None, pad_edge=False)
    for name in ("where", "what", "confidence", "note"):
        lines.add_column(name, style="bold" if name == "where" else None)
    for row, (file, line) in zip(rows, places, strict=True):
        confidence = "" if row.confidence is None else f"{row.confidence:g}"
        cells = (f"{display_name(table.files, file)}:{line}", meaning(row), confidence, row.note)
        lines.add_row(*map(Text, cells))  # brackets in a note are no markup
    output().print(lines)
    if table.unanswered and not quiet:
        tell("note:", f"{table.unanswered} rows are not answered yet (?)", "yellow")


def merge(
    files: Annotated[list[Path], typer.Argument(help="Files of pins.")],
    target: Target,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Put files of pins together: each row once, and no question that another file answers."""
    configure(quiet, verbose)
    _write(target, merge_rows(read_pin_rows(files)), overwrite, quiet)
    try:
        check_rows(read_pins(files))
    except PinConflictError as error:
        if not quiet:
            tell("warning:", f"these pins contradict each other: {error}", "yellow")


def from_truth(
    config: ConfigFile,
    target: Target,
    truth: Annotated[Path | None, typer.Option(help="CTC folder or points; default data.truth.")] = None,
    first: Annotated[int | None, typer.Option(help="Only the first so many detections.", min=0)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random order of --first, default 0.", min=0)] = None,
    order: Annotated[Path | None, typer.Option(help="Only the detections of this file of pins, in its order.")] = None,
    max_distance: Annotated[float | None, typer.Option(help="Farthest match of points, in data.unit.", min=0)] = None,
    keep_unmatched: Annotated[
        bool, typer.Option("--keep-unmatched", help="Do not reject detections that are no true object.")
    ] = False,
    overwrite: Overwrite = False,
    settings: Set = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write what a ground truth says of all detections, or of some, as pins."""
    configure(quiet, verbose)
    loaded = load_config(config, settings)
    if seed is not None and (first is None or order is not None):
        raise ConfigError("--seed shuffles the detections of which --first takes some; it goes with --first alone")
    if truth is None and loaded.data.truth is None:
        raise ConfigError(f"a ground truth is needed: set data.truth in {config}, or give --truth PATH")
    place = loaded.path(loaded.data.truth) if truth is None and loaded.data.truth is not None else truth
    assert place is not None
    with progress(quiet) as say:
        say("reading the truth")
        true = read_truth(place, scale=loaded.data.scale)
        say("reading detections")
        inputs = read_inputs(loaded)
        say("comparing")
        found = truth_as_lineage(true, inputs.detections, inputs.masks, max_distance)
        rows = _chosen(inputs.detections, order, first, seed or 0)
        pins = pins_from_lineage(
            found.lineage,
            rows,
            "from truth",
            reject_unselected=not keep_unmatched,
            frames=true.frames,
            unknown_children=found.unknown_children,
            unknown_parent=found.unknown_parent,
        )
    beyond = inputs.detections.frames[~np.isin(inputs.detections.frames, true.frames)]
    if len(beyond) and not quiet:
        tell("note:", f"nothing is said of frames that the truth lacks: t = {first_five(beyond)}", "yellow")
    _write(target, pins, overwrite, quiet)


def from_result(
    result: Annotated[Path, typer.Argument(help="The result folder of a run.")],
    target: Target,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Freeze a result: pins with which every later run of the same input gives the same lineage."""
    configure(quiet, verbose)
    with progress(quiet) as say:
        say("reading the result")
        lineage = _over_its_input(result, load_tracks(result))
        rows = np.arange(len(lineage.detections))
        pins = pins_from_lineage(lineage, rows, "from result", reject_unselected=True)
    _write(target, pins, overwrite, quiet)


def _chosen(detections: Detections, order: Path | None, first: int | None, seed: int) -> NDArray[np.int64]:
    """Rows of the detections to speak of; a smaller `first` takes the beginning of what a larger one takes."""
    if order is not None:
        return detections_in_order(read_pin_rows([order]), detections)[:first]
    if first is None:
        return np.arange(len(detections))
    return np.random.default_rng(seed).permutation(len(detections))[:first]


def _over_its_input(result: Path, lineage: Lineage) -> Lineage:
    """With the detections that the run left out, which only its input knows; read when there are any."""
    counts = report_of_run(result).get("counts", {})
    if counts.get("detections") == len(lineage.detections):
        return lineage
    return lineage_over(lineage, read_inputs(config_of_run(result)).detections)


def _write(target: Path, pins: Iterable[PinRow], overwrite: bool, quiet: bool) -> None:
    rows = list(pins)
    write_pins(target, rows, overwrite=overwrite)
    if not quiet:
        kinds = Counter(row.kind for row in rows)
        counted = ", ".join(f"{kinds[kind]:,} {kind}" for kind in KINDS if kinds[kind])
        waiting = sum(row.value is None for row in rows)
        unanswered = f"; {waiting:,} not answered yet" if waiting else ""
        counts = f" ({counted}{unanswered})" if rows else ""
        output().print(f"wrote {len(rows):,} pins{counts} to {target}", markup=False)


def _row_as_json(row: PinRow) -> dict[str, Any]:
    keys = [list(key) for key in row.keys]
    return {"kind": row.kind, "keys": keys, "value": row.value, "confidence": row.confidence, "note": row.note}


pins_app.command("check")(reporting_errors(_on_pins(check)))
pins_app.command("show")(reporting_errors(_on_pins(show)))
pins_app.command("merge")(reporting_errors(merge))
pins_app.command("from-truth")(reporting_errors(from_truth))
pins_app.command("from-result")(reporting_errors(from_result))
