"""The command line: one file per command, the only place that prints."""

import typer

from tracker.cli.check import check
from tracker.cli.common import reporting_errors
from tracker.cli.embed import embed
from tracker.cli.evaluate import evaluate
from tracker.cli.init import init
from tracker.cli.pins import pins_app
from tracker.cli.run import run
from tracker.cli.segment import segment
from tracker.cli.simulate import simulate
from tracker.cli.suggest import suggest
from tracker.cli.train import train
from tracker.cli.tune import tune

app = typer.Typer(
    name="track",
    help="Global cell tracking, solved exactly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},
    rich_markup_mode=None,  # or names of sections, [data], would be taken for markup
)
for command in (init, check, run, evaluate, suggest, tune, train, segment, embed, simulate):
    app.command()(reporting_errors(command))
app.add_typer(pins_app)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code.

    0 done; 2 a mistake in config, input or command line; 3 the pins contradict each other; 4 no solution within the
    time limit; 1 anything else.
    """
    try:
        app(args=arguments, prog_name="track")
    except SystemExit as end:  # how typer ends, after success too
        return end.code if isinstance(end.code, int) else 0
    return 0
