"""The command line: one file per command, the only place that prints."""

import sys
from importlib import import_module

import typer

from tracker.cli.common import reporting_errors

#: What `track --help` says of each command: the first sentence of its docstring. tracker/cli/NAME.py holds it.
COMMANDS = {
    "init": "Look at a folder of images and masks and write a commented config that runs as it is.",
    "check": "Validate a config and its input; print the sizes of the problem.",
    "run": "Track a movie: find the cheapest lineage, prove it, write it.",
    "evaluate": "Score a result: AOGM, LNK, TRA, DET, divisions, CHOTA, complete tracks.",
    "report": "Write report.html into a result: movie, lineage trees, doubts and errors in one file.",
    "view": "Open a window in which keys pin what you know, and the optimum follows at once.",
    "suggest": "Rank the detections worth a look; write them as pins to be confirmed.",
    "tune": "Learn what choices cost from a truth or from pins; score it on frames held out; write tuned.toml.",
    "train": "Train a network and write its model folder, for [associations] or [embeddings] model.",
    "segment": "Find the objects in images and write a mask per frame, for [data] segmentation.",
    "embed": "Score the candidate links of a movie, or embed its detections, with a trained model.",
    "simulate": "Simulate nuclei that move, grow, divide, enter, leave, blink and touch.",
    "pins": "What people know: check, show, merge and make pins.",
}


def _make_app(wanted: str) -> typer.Typer:
    """The program with one command to be run; of the others, whose imports take seconds, only names and sentences."""
    app = typer.Typer(
        name="track",
        help="Global cell tracking, solved exactly.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"max_content_width": 120},
        rich_markup_mode=None,  # or names of sections, [data], would be taken for markup
    )
    for name, sentence in COMMANDS.items():
        if name != wanted:
            app.command(name, help=sentence)(_not_wanted)
            continue
        module = import_module(f"tracker.cli.{name}")
        if hasattr(module, f"{name}_app"):  # a group of commands
            app.add_typer(getattr(module, f"{name}_app"), name=name, help=sentence)
        else:
            app.command(name)(reporting_errors(getattr(module, name)))
    return app


def _not_wanted() -> None:
    raise AssertionError("a command that was not named was run")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code.

    0 done; 2 a mistake in config, input or command line; 3 the pins contradict each other; 4 no solution within the
    time limit; 1 anything else.
    """
    given = sys.argv[1:] if arguments is None else arguments
    app = _make_app(given[0] if given else "")
    try:
        app(args=given, prog_name="track")
    except SystemExit as end:  # how typer ends, after success too
        return end.code if isinstance(end.code, int) else 0
    return 0
