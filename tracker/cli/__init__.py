"""The command line: one file per command, the only place that prints."""

import logging
import os
import sys

import click
import typer

from tracker.cli.check import check
from tracker.cli.common import messages
from tracker.cli.evaluate import evaluate
from tracker.cli.init import init
from tracker.cli.run import run
from tracker.cli.simulate import simulate
from tracker.errors import PintrackError

app = typer.Typer(
    name="track",
    help="Global cell tracking, solved exactly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (init, check, run, evaluate, simulate):
    app.command()(command)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code.

    0 done; 2 a mistake in config or input; 3 the pins contradict each other; 4 no solution within the time limit;
    1 anything else.
    """
    try:
        code = app(args=arguments, prog_name="track", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except PintrackError as error:
        _say(str(error))
        return error.exit_code
    except click.exceptions.Abort:
        _say("interrupted; nothing was written")
    except KeyboardInterrupt:
        _say("interrupted; nothing was written")
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MemoryError:
        _say("out of memory. `track check` says how much a run needs; fewer neighbors or pairs_per_parent need less")
    except Exception as error:  # the last resort: a person gets a sentence, not a traceback
        logging.getLogger("tracker").debug("traceback", exc_info=True)
        _say(f"unexpected {type(error).__name__}: {error}. This is a bug; run again with --verbose and report it")
    return 1


def _say(message: str) -> None:
    messages().print(f"[bold red]error:[/] {_escaped(message)}")


def _escaped(message: str) -> str:
    return message.replace("[", "\\[")
