"""track run: the main job."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

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
    tell,
)
from tracker.cli.evaluate import metrics_table
from tracker.cli.explain_tables import bill_as_json, bill_tables, parse_keys
from tracker.config import Config, load_config, make_config
from tracker.config_text import relative_to, write_config
from tracker.errors import ConfigError, OutputError
from tracker.pipeline import RunResult
from tracker.pipeline import run as run_pipeline


def run(
    config: Annotated[Path | None, typer.Argument(help="The config file; or give the input by options.")] = None,
    images: Annotated[str | None, typer.Option(help="Images, when there is no config.")] = None,
    segmentation: Annotated[str | None, typer.Option(help="Label masks, when there is no config.")] = None,
    points: Annotated[str | None, typer.Option(help="Point table, when there is no config.")] = None,
    truth: Annotated[str | None, typer.Option(help="Ground truth, when there is no config.")] = None,
    pins: Annotated[list[Path] | None, typer.Option("--pins", help="Another file of pins. Repeatable.")] = None,
    result: Annotated[Path | None, typer.Option("--output", "-o", help="Result folder.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Also write overview.png.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write report.html, as `track report` does.")] = False,
    explain: Annotated[
        list[str] | None,
        typer.Option("--explain", metavar="T:LABEL", help="Print the bill of a detection, such as 5:31. Repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run in blocks that was interrupted.")] = False,
    overwrite: Overwrite = False,
    settings: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Track a movie: find the cheapest lineage, prove it, write it.

    With a config file, or without one:  track run --images 02 --segmentation 02_SEG --output result
    """
    configure(quiet, verbose)
    explained = parse_keys(explain)
    given = {"images": images, "segmentation": segmentation, "points": points, "truth": truth}
    beside = None
    if config is not None:
        named = [f"--{name}" for name, value in given.items() if value is not None]
        if named:
            raise ConfigError(
                f"{', '.join(named)} cannot be combined with a config file; "
                f"set it there, or with --set data.{named[0].removeprefix('--')}=PATH"
            )
        loaded = load_config(config, settings)
    else:
        if segmentation is None and points is None:
            raise ConfigError("give a config file, or --segmentation (with --images), or --points")
        if any(setting.partition("=")[0].strip() == "output.path" for setting in settings or []):
            raise ConfigError("without a config file the result folder is named by --output, not by --set output.path")
        folder = (result or Path("result")).resolve()
        beside = folder.with_name(folder.name + ".toml")
        loaded = _config_from_options(given, folder, settings)
        if beside.exists() and not overwrite:
            raise OutputError(f"{beside} exists already. Name another --output, or replace it with --overwrite")
    if result is not None and config is not None:
        loaded = _with_output(loaded, result)
    if pins:
        loaded = with_pins(loaded, pins)
    written = loaded.path(loaded.output.path)
    with progress(quiet or as_json) as say:
        try:
            done = run_pipeline(
                loaded, overwrite=overwrite, plot=plot, explained=explained, resume=resume, progress=say
            )
        except KeyboardInterrupt as error:
            if loaded.blockwise is None:
                raise
            tell("error:", "interrupted; what is done is in the store, and --resume goes on from there", "bold red")
            raise typer.Exit(1) from error
        if report:
            from tracker.report.source import Compared, open_result
            from tracker.report.write import write_report

            say("writing the report")
            compared = None
            if done.metrics is not None and done.mistakes is not None:
                compared = Compared(done.metrics, done.mistakes, done.lineage.detections)
            write_report(open_result(written, compared=compared), progress=say)
    if beside is not None:
        try:
            write_config(loaded, beside, title="Written by track run; `track run` this file to repeat it.")
        except OutputError as error:
            raise OutputError(f"the result is complete in {written}, but {error}") from error
    if as_json:
        content = json.loads((written / "run.json").read_text(encoding="utf-8"))
        metrics = {} if done.metrics is None else {"metrics": done.metrics}
        bills = {"explain": [bill_as_json(bill) for bill in done.bills]} if explained else {}
        print_json({**content, **metrics, **bills})
    elif not quiet:
        for note in done.report["notes"]:
            tell("note:", note, "yellow")
        for bill in done.bills:
            output().print(bill_tables(bill))
        _print_summary(done, written, beside)


def _config_from_options(given: dict[str, str | None], folder: Path, settings: list[str] | None) -> Config:
    """A config of defaults, its paths relative to the folder that will hold the result."""
    data: dict[str, Any] = {name: relative_to(value, folder.parent) for name, value in given.items()}
    content = {"data": {name: value for name, value in data.items() if value is not None}}
    return make_config({**content, "output": {"path": folder.name}}, settings, name="options", folder=folder.parent)


def with_pins(config: Config, pins: list[Path]) -> Config:
    """The config with more files of pins, given from where we are."""
    folder = config.path(".").resolve()
    more = [str(relative_to(str(path.resolve()), folder)) for path in pins]
    annotations = config.annotations.model_copy(update={"pins": (*config.annotations.pins, *more)})
    return config.model_copy(update={"annotations": annotations})


def _with_output(config: Config, folder: Path) -> Config:
    changed = config.output.model_copy(update={"path": str(folder.resolve())})
    return config.model_copy(update={"output": changed})


def _print_summary(done: RunResult, folder: Path, config: Path | None) -> None:
    report, console = done.report, output()
    counts, seconds = report["counts"], report["seconds"]
    table = fact_table()
    proposed = report["status"] != "unproven"  # the sequential tracker has neither costs nor candidates
    if proposed:
        table.add_row("cost", f"{report['objective']:.6g}  ({_proof_in_words(report)})")
    table.add_row("detections", f"{counts['selected_detections']:,} of {counts['detections']:,} in the lineage")
    table.add_row("links", f"{counts['selected_links']:,}" + proposed * f" of {counts.get('links', 0):,} candidates")
    candidates = f" of {counts['divisions']:,} candidates" if counts.get("divisions") else ""
    table.add_row("divisions", f"{counts['selected_divisions']:,}{candidates}")
    table.add_row("tracks", f"{counts['tracks']:,}; {counts['appear']:,} appear, {counts['disappear']:,} disappear")
    if counts["pins"]:
        waiting = f"; {counts['pins_unanswered']:,} not answered yet" if counts["pins_unanswered"] else ""
        table.add_row("pins", f"{counts['pins']:,} honoured{waiting}")
    table.add_row("seconds", f"{seconds['total']:.2f}, of which solving {seconds['solve']:.2f}")
    console.print(table)
    if done.metrics is not None:
        for note in done.metrics["warnings"]:
            tell("note", note, "yellow")
        console.print(metrics_table(done.metrics))
    console.print(f"result in {folder}" + (f", its config in {config}" if config else ""), markup=False)


def _proof_in_words(report: dict[str, Any]) -> str:
    """How good the answer is known to be."""
    if report["status"] == "optimal":
        return f"proven optimal by {report['proof']}"
    gap = f"gap {100 * report['gap']:.3g} %"
    asked = report["config"]["solver"]["gap"]
    return f"{gap}, as solver.gap allows" if report["gap"] <= asked else f"{gap}: time ran out"
