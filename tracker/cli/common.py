"""What the commands share: options, messages, progress."""

import functools
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TextIO

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from tracker.errors import PintrackError

if TYPE_CHECKING:
    from tracker.stopwatch import Progress

P = ParamSpec("P")
_FILE_COLUMNS = 240

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More messages.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override the config. Repeatable.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]


def output() -> Console:
    """Results go here."""
    return Console(highlight=False, soft_wrap=True, width=_width(sys.stdout))


def messages() -> Console:
    """Progress and errors go here."""
    return Console(stderr=True, highlight=False, soft_wrap=True, width=_width(sys.stderr))


def _width(stream: TextIO) -> int | None:
    """In a file or a pipe lines are not broken at the width of a terminal."""
    return None if stream.isatty() else _FILE_COLUMNS


def configure(quiet: bool, verbose: bool) -> None:
    """Let the library's log messages through to stderr."""
    level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
    handler = RichHandler(level=level, console=messages(), show_time=False, show_path=False, markup=False)
    for package in ("tracker", "embeddings"):
        root = logging.getLogger(package)
        root.handlers = [handler]
        root.setLevel(level)
        root.propagate = False


def reporting_errors(command: Callable[P, None]) -> Callable[P, None]:
    """The command, ending with one paragraph on stderr and an exit code instead of a traceback."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except PintrackError as error:
            raise _ended(str(error), error.exit_code) from error
        except KeyboardInterrupt as error:
            raise _ended("interrupted; nothing was written") from error
        except BrokenPipeError as error:  # the reader of our output has gone
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from error
        except MemoryError as error:
            advice = "`track check` says how much a run needs; fewer neighbors or pairs_per_parent need less"
            raise _ended(f"out of memory; nothing was written. {advice}") from error
        except typer.Exit:
            raise
        except Exception as error:  # the last resort: a person gets a sentence, not a traceback
            logging.getLogger("tracker").debug("traceback", exc_info=True)
            what = f"unexpected {type(error).__name__}: {error}"
            raise _ended(f"{what}. This is a bug; run again with --verbose and report it") from error

    return guarded


def _ended(message: str, code: int = 1) -> typer.Exit:
    tell("error:", message, "bold red")
    return typer.Exit(code)


def tell(kind: str, message: str, style: str) -> None:
    """A message on stderr, as it is: brackets in it are no markup."""
    messages().print(Text.assemble((kind, style), " ", message))


@contextmanager
def progress(quiet: bool) -> "Iterator[Progress]":
    """A spinner that names the stage, on a terminal only."""
    console = messages()
    if quiet or not sys.stderr.isatty():
        yield lambda stage: None
        return
    with console.status("starting") as status:
        yield lambda stage: status.update(stage)


def either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def fact_table() -> Table:
    """A table of names and values, without header or lines."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    return table


def print_json(content: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
