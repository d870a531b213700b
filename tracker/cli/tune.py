"""track tune: costs learnt from annotations."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tracker.cli.common import (
    Json,
    Overwrite,
    Quiet,
    Set,
    Verbose,
    configure,
    output,
    print_json,
    progress,
    tell,
)
from tracker.cli.run import with_pins
from tracker.config import Config, load_config
from tracker.errors import ConfigError, MissingExtraError


def tune(
    config: Annotated[Path, typer.Argument(help="The config file, with a truth or with pins.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for what is learnt.")] = Path("tuned"),
    objective: Annotated[str | None, typer.Option(help="aogm, lnk, division_f1 or chota.")] = None,
    trials: Annotated[int | None, typer.Option(help="Trials of the search per fold.", min=0)] = None,
    folds: Annotated[int | None, typer.Option(help="Blocks of time, each held out once.", min=2)] = None,
    features: Annotated[str | None, typer.Option(help="auto, all or config: which terms get a weight.")] = None,
    no_search: Annotated[bool, typer.Option("--no-search", help="Only the SSVM.")] = False,
    truth: Annotated[Path | None, typer.Option(help="Ground truth, in place of the config's.")] = None,
    pins: Annotated[
        list[Path] | None,
        typer.Option("--pins", help="Learn from these pins, not from the config's truth. Repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the search.", min=0)] = None,
    overwrite: Overwrite = False,
    settings: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Learn what choices cost from a truth or from pins; score it on frames held out; write tuned.toml."""
    configure(quiet, verbose)
    from tracker.plot import require_matplotlib

    if importlib.util.find_spec("clarabel") is None:
        raise MissingExtraError("clarabel", "tune", "learning costs")
    from tracker.tuning.quick_score import check_objective
    from tracker.tuning.report import refuse_existing_tuning, write_tuning
    from tracker.tuning.tune import tune as learn_costs

    loaded = load_config(config, settings)
    if objective is not None:
        check_objective(objective)
    if features not in (None, "auto", "all", "config"):
        raise ConfigError(f"--features must be auto, all or config; found {features!r}")
    asked = {"objective": objective, "trials": 0 if no_search else trials, "folds": folds, "features": features,
             "seed": seed}  # fmt: skip
    loaded = _with(loaded, {name: value for name, value in asked.items() if value is not None}, truth)
    data, unused = loaded.data, None
    if pins:
        loaded = with_pins(loaded, pins)
        if truth is None and data.truth is not None:
            unused = data.truth
            loaded = loaded.model_copy(update={"data": data.model_copy(update={"truth": None})})
    require_matplotlib()
    refuse_existing_tuning(folder, overwrite)
    try:
        with progress(quiet or as_json) as say:
            done = learn_costs(loaded, folder, progress=say)
            if unused is not None:  # runs with tuned.toml are still scored with it
                first, *others = done.notes
                notes = (f"{first}, as --pins asks; not from the truth {unused}", *others)
                done = replace(done, given=done.given.model_copy(update={"data": data}), notes=notes)
            say("writing")
            report = write_tuning(folder, done)
    except KeyboardInterrupt:
        database = folder / "tuning.db"
        if not database.exists():
            raise
        message = f"interrupted; {database} keeps the trials so far, and the same command goes on from there"
        tell("error:", message, "bold red")
        raise typer.Exit(1) from None
    if as_json:
        print_json(report)
    elif not quiet:
        for note in done.notes:
            tell("note:", note, "yellow")
        _print_report(report, folder)


def _with(config: Config, tuning: dict[str, Any], truth: Path | None) -> Config:
    """The config with what the command line says."""
    changes: dict[str, Any] = {"tuning": config.tuning.model_copy(update=tuning)}
    if truth is not None:
        changes["data"] = config.data.model_copy(update={"truth": str(truth.resolve())})
    return config.model_copy(update=changes)


def _print_report(report: dict[str, Any], folder: Path) -> None:
    console = output()
    table = Table(box=None, pad_edge=False)
    table.add_column("held out", style="bold")
    for answer in report["held_out"]:
        table.add_column(answer + (" (kept)" if answer == report["kept"] else ""), justify="right")
    metrics = ["AOGM", "LNK", "division_f1", "CHOTA"] if report["folds"][0]["scores"] else []
    for fold in report["folds"]:
        table.add_row(fold["held_out"], *(f"{loss:.4g}" for loss in fold["losses"].values()))
    name = "mean" if not metrics else f"{report['objective']}, mean"
    table.add_row(name, *(_spread(found["loss"]) for found in report["held_out"].values()))
    for metric in metrics:
        table.add_row(metric, *(_spread(found[metric]) for found in report["held_out"].values()))
    console.print(table)
    console.print(_verdict(report), markup=False)
    console.print(f"wrote {folder / 'tuned.toml'}; now: track run {folder / 'tuned.toml'}", markup=False)


def _spread(found: dict[str, float] | None) -> str:
    return "-" if found is None else f"{found['mean']:.4g} +- {found['std']:.2g}"


def _verdict(report: dict[str, Any]) -> str:
    means = {answer: found["loss"]["mean"] for answer, found in report["held_out"].items()}
    learnt = {answer: mean for answer, mean in means.items() if answer != "before"}
    best = min(learnt, key=lambda answer: learnt[answer])
    if not report["helped"]:
        return (
            f"tuning did not help: on held-out data {best} gives {learnt[best]:.4g}, the costs as they were "
            f"{means['before']:.4g} (smaller is better); tuned.toml keeps the costs as they were"
        )
    return (
        f"tuned.toml has the costs of {report['kept']}, fitted to all that is annotated: on held-out data "
        f"{means[report['kept']]:.4g} in place of {means['before']:.4g} (smaller is better)"
    )
