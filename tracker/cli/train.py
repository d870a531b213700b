"""track train: a network learns from movies."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from tracker.cli.common import (
    Json,
    Quiet,
    Set,
    Verbose,
    configure,
    either,
    fact_table,
    messages,
    output,
    print_json,
    tell,
)
from tracker.cli.run import with_pins
from tracker.config import load_config
from tracker.config_scores import DETECTION_METHODS, TRAINED_METHODS
from tracker.config_text import relative_to
from tracker.errors import ConfigError
from tracker.prepare import require_torch

if TYPE_CHECKING:
    from embeddings.train import TrainingResult
    from embeddings.training.history import Progress
    from tracker.learning.train import Watch

_GO_ON = "the same command with --resume goes on from there"


def train(
    method: Annotated[str, typer.Argument(help=f"{either(TRAINED_METHODS)}.")],
    config: Annotated[Path, typer.Argument(help="The config file: which movies to learn from, and how.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for the model.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a training that was broken off.")] = False,
    pins: Annotated[
        list[Path] | None, typer.Option("--pins", help="finetune: another file of annotations. Repeatable.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Train on a CPU however long it takes.")] = False,
    settings: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a network and write its model folder, for [associations] or [embeddings] model.

    Ctrl-C saves; --resume goes on from there.
    """
    configure(quiet, verbose)
    require_torch(f"track train {method}")
    from tracker.learning.train import train_method

    if pins and method != "finetune":
        raise ConfigError(f"--pins are for finetune; {method} learns without them: leave them out")
    loaded = load_config(config, [*(settings or []), *(["training.cpu_hours=0"] if yes else [])])
    if pins:
        loaded = with_pins(loaded, pins)
    try:
        with _shown(quiet or as_json) as watch:
            done = train_method(method, loaded, folder, resume=resume, watch=watch)
    except KeyboardInterrupt as error:  # between two trainings, or while reading: the loop itself saves and returns
        if not folder.is_dir():
            raise
        tell("error:", f"interrupted; what was finished is in {folder}, and {_GO_ON}", "bold red")
        raise typer.Exit(1) from error
    report = {
        "method": method,
        "model": str(folder),
        "stopped": done.stopped,
        "steps": done.steps,
        "loss": None if done.loss != done.loss else done.loss,
        "best_step": done.best_step if done.best_step >= 0 else None,
        "seconds": done.seconds,
        "device": done.device,
        "notes": list(done.notes),
    }
    if as_json:
        print_json(report)
    elif not quiet:
        for note in done.notes:
            tell("note:", note, "yellow")
        _print(done, method, folder, config)
    if done.stopped == "interrupted":
        tell("error:", f"interrupted; saved in {folder}, and {_GO_ON}", "bold red")
        raise typer.Exit(1)


def _print(done: "TrainingResult", method: str, folder: Path, config: Path) -> None:
    table = fact_table()
    table.add_row("steps", f"{done.steps:,} in {done.seconds:.0f} s on {done.device} ({done.stopped})")
    best = f"; held out {done.held_out_loss:.4g} at step {done.best_step:,}, kept" if done.best_step >= 0 else ""
    if done.loss == done.loss:  # none before the first line of training.csv
        table.add_row("loss", f"{done.loss:.4g}{best}")
    output().print(table)
    if not (folder / "model.json").exists():  # broken off before there was one
        return
    if method in ("cellulus", "stardist"):
        hint = f"segment with: track segment {method} {config} --model {folder} --output masks"
        output().print(f"model in {folder}; {hint}", markup=False)
        return
    section = "embeddings" if method in DETECTION_METHODS else "associations"
    sections = f"[{section}] or [division_scores]" if method == "tap" else f"[{section}]"
    named = relative_to(str(folder.resolve()), config.resolve().parent)
    output().print(f'model in {folder}; use it in {config} with: {sections} model = "{named}"', markup=False)


@contextmanager
def _shown(quiet: bool) -> "Iterator[Watch]":
    """A bar with step, loss, speed and time left, on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, shown: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=messages()) as bar:
        task = bar.add_task("starting", total=None, facts="")

        def show(stage: str, shown: "Progress | None") -> None:
            if shown is None:
                bar.update(task, description=stage, facts="")
            else:
                facts = f"loss {shown.loss:.4g}, {shown.steps_per_second:.3g} steps/s"
                bar.update(task, description=stage, total=shown.steps, completed=shown.step, facts=facts)

        yield show
