"""What the commands share: options, messages, progress."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler

from tracker.pipeline import Progress

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More messages.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override the config. Repeatable.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def output() -> Console:
    """Results go here."""
    return Console(highlight=False, soft_wrap=True)


def messages() -> Console:
    """Progress and errors go here."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def configure(quiet: bool, verbose: bool) -> None:
    """Let the library's log messages through to stderr."""
    level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
    handler = RichHandler(level=level, console=messages(), show_time=False, show_path=False, markup=False)
    root = logging.getLogger("tracker")
    root.handlers = [handler]
    root.setLevel(level)
    root.propagate = False


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """A spinner that names the stage, on a terminal only."""
    console = messages()
    if quiet or not sys.stderr.isatty():
        yield lambda stage: None
        return
    with console.status("starting") as status:
        yield lambda stage: status.update(stage)


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(content, indent=2) + "\n")
