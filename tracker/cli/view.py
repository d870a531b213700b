"""track view: look at a lineage and correct it."""

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.common import Quiet, Set, Verbose, configure, output, progress
from tracker.config import load_config
from tracker.errors import ConfigError, InputError, MovieError, PointsError
from tracker.load_result import config_of_run
from tracker.suggest import ORDERS, Order
from tracker.view.display import require_viewer
from tracker.view.pin_file import default_pins
from tracker.view.proofreading import Proofreading


def view(
    config: Annotated[
        Path, typer.Argument(help="The config file, or the result folder of a run, which holds its config.")
    ],
    pins: Annotated[
        Path | None,
        typer.Option(
            "--pins", help="File that your pins go to. Default: the last of the config, or NAME_pins.csv beside it."
        ),
    ] = None,
    order: Annotated[str, typer.Option(help=f"Of suggestions: {', '.join(ORDERS[:-1])} or {ORDERS[-1]}.")] = "diverse",
    settings: Set = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Open a window in which keys pin what you know, and the optimum follows at once.

    N goes to the next suggestion, 1 to 9 choose what becomes of the cell, U undoes, S saves; the panel lists all keys.
    """
    configure(quiet, verbose)
    if order not in ORDERS:
        raise ConfigError(f"--order must be one of {', '.join(ORDERS)}, found {order!r}")
    chosen: Order = order
    loaded = config_of_run(config, settings) if config.is_dir() else load_config(config, settings)
    target = default_pins(loaded, config.resolve() if config.is_dir() else config) if pins is None else pins
    require_viewer()
    with progress(quiet) as say:
        try:
            opened = Proofreading(loaded, target, order=chosen, progress=say)
        except (MovieError, PointsError) as error:
            if not config.is_dir():
                raise
            raise InputError(
                f"what {config} was made from cannot be opened now ({error}). If it moved, say where it is with "
                "--set data.images=PATH, --set data.segmentation=PATH or --set data.points=PATH"
            ) from error
        say("opening the window")
        from tracker.view.application import make_window

        window = make_window(opened, title=f"pintrack - {config.name}")
    from tracker.view.application import show_until_closed

    show_until_closed(window)
    if not quiet:
        count = len(opened.pins)
        output().print(f"{count} pin{'s' * (count != 1)} in {target}", markup=False)
        if count:
            name = "CONFIG" if config.is_dir() else config
            output().print(f"next: track run {name} --pins {target}", markup=False)
        changed = {name: value for name, value in opened.numbers.items() if opened.initial_numbers[name] != value}
        if changed:
            names = ", ".join(f"{name} = {value:.4g}" for name, value in changed.items())
            output().print(f"weights changed here, not in the config: {names}", markup=False)
