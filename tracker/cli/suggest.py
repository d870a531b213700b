"""track suggest: what to look at next."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from tracker.annotations import solve_pinned
from tracker.cli.common import Json, Overwrite, Quiet, Set, Verbose, configure, output, print_json, progress
from tracker.config import load_config
from tracker.errors import ConfigError
from tracker.exact_margins import exact_margins
from tracker.margins import bound_margins
from tracker.pin_table import KINDS
from tracker.pins import write_pins
from tracker.pipeline import solver_settings, to_lineage
from tracker.prepare import Stopwatch, prepare
from tracker.suggest import Order, as_questions
from tracker.suggest import suggest as rank

_ORDERS = ("margin", "confidence", "combined", "random")


def suggest(
    config: Annotated[Path, typer.Argument(help="The config file.")],
    target: Annotated[Path, typer.Option("--output", "-o", help="File of pins to write.")] = Path("suggested.csv"),
    budget: Annotated[int, typer.Option(help="How many.", min=1)] = 50,
    order: Annotated[str, typer.Option(help="margin, confidence, combined or random.")] = "margin",
    per_frame: Annotated[int, typer.Option(help="At most so many of one frame; 0 = any number.", min=0)] = 0,
    fast: Annotated[bool, typer.Option("--fast", help="Lower bounds instead of exact margins: coarser.")] = False,
    seed: Annotated[int, typer.Option(help="For the order random.", min=0)] = 0,
    overwrite: Overwrite = False,
    settings: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Rank the detections worth a look; write them as pins to be confirmed.

    Each row holds the model's own answer with the value `?`: set it to true where it is right, or correct the row.
    """
    configure(quiet, verbose)
    if order not in _ORDERS:
        raise ConfigError(f"--order must be one of {', '.join(_ORDERS)}, found {order!r}")
    chosen: Order = order  # type: ignore[assignment]
    loaded = load_config(config, settings)
    with progress(quiet or as_json) as say:
        prepared = prepare(loaded, Stopwatch(progress=say))
        say("solving")
        problem, solution = solve_pinned(prepared.problem, prepared.pins, solver_settings(loaded))
        say("measuring margins")
        if fast or solution.status != "optimal" or chosen == "random":
            margins = bound_margins(problem, solution)
        else:
            margins = exact_margins(problem, solution.values, solver_settings(loaded))
    lineage = to_lineage(prepared.graph, problem, solution)
    known = np.zeros(len(lineage.detections), bool)
    if prepared.pins is not None:
        answered = prepared.pins.table.kind == KINDS.index("children")
        known[prepared.pins.rows[answered, 0]] = True
    association = prepared.costs.columns.get(("link", "association"))
    found = rank(
        lineage, prepared.graph, margins, association,
        order=chosen, budget=budget, per_frame=per_frame, seed=seed, known=known,
    )  # fmt: skip
    questions = as_questions(lineage, found, {"margin": margins.out})
    write_pins(target, questions, overwrite=overwrite)
    if as_json:
        print_json([{"keys": row.keys, "note": row.note} for row in questions])
    elif not quiet:
        table = Table(box=None, pad_edge=False)
        for name in ("t", "label", "children", ""):
            table.add_column(name)
        for row in questions[:10]:
            children = ", ".join(f"{t}:{label}" for t, label in row.keys[1:]) or "none"
            table.add_row(str(row.keys[0][0]), str(row.keys[0][1]), children, row.note)
        output().print(table)
        output().print(f"wrote {len(questions)} suggestions to {target}")
