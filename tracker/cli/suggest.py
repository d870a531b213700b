"""track suggest: what to look at next."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from tracker.annotations import solve_pinned
from tracker.cli.common import Json, Overwrite, Quiet, Set, Verbose, configure, output, print_json, progress
from tracker.cli.run import with_pins
from tracker.config import load_config
from tracker.crops import refuse_crops_folder, require_pictures, write_crops
from tracker.errors import ConfigError, OutputError
from tracker.exact_margins import exact_margins
from tracker.margins import bound_margins
from tracker.pin_table import KINDS
from tracker.pins import write_pins
from tracker.pipeline import to_lineage
from tracker.prepare import prepare, solver_settings
from tracker.stopwatch import Stopwatch
from tracker.suggest import ORDERS, Order, as_questions
from tracker.suggest import suggest as rank


def suggest(
    config: Annotated[Path, typer.Argument(help="The config file.")],
    target: Annotated[Path, typer.Option("--output", "-o", help="File of pins to write.")] = Path("suggested.csv"),
    budget: Annotated[int, typer.Option(help="How many.", min=1)] = 50,
    order: Annotated[str, typer.Option(help=f"{', '.join(ORDERS[:-1])} or {ORDERS[-1]}.")] = "margin",
    per_frame: Annotated[
        int | None,
        typer.Option(help="Others first when so many are of one frame; 0 = any number. diverse chooses.", min=0),
    ] = None,
    per_region: Annotated[
        int | None,
        typer.Option(help="Others first when so many are of one region (docs/pins.md); 0 = any number.", min=0),
    ] = None,
    crops: Annotated[Path | None, typer.Option(help="Folder for a strip of pictures per suggestion.")] = None,
    crop_size: Annotated[
        int | None,
        typer.Option(help="Side of what the strips show, in pixels of the movie; default: by the cells.", min=1),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Lower bounds instead of exact margins: coarser.")] = False,
    seed: Annotated[int, typer.Option(help="For the order random.", min=0)] = 0,
    pins: Annotated[list[Path] | None, typer.Option("--pins", help="Another file of pins. Repeatable.")] = None,
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
    if order not in ORDERS:
        raise ConfigError(f"--order must be one of {', '.join(ORDERS)}, found {order!r}")
    chosen: Order = order
    if crop_size is not None and crops is None:
        raise ConfigError("--crop-size says how large the crops are; it needs --crops FOLDER")
    loaded = load_config(config, settings)
    if pins:
        loaded = with_pins(loaded, pins)
    if crops is not None:
        require_pictures(loaded.data.segmentation, loaded.data.images)
        refuse_crops_folder(crops, overwrite)
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already. Name another file, or replace it with --overwrite")
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
    found = rank(
        lineage, prepared.graph, margins, prepared.association,
        order=chosen, budget=budget, per_frame=per_frame, per_region=per_region, seed=seed, known=known,
    )  # fmt: skip
    questions = as_questions(lineage, found, {"margin": margins.out})
    strips: list[Path] = []
    if crops is not None:
        with progress(quiet or as_json) as say:
            say("drawing crops")
            strips = write_crops(
                crops, lineage, prepared.graph, found.rows, margins.out, prepared.inputs.masks, prepared.inputs.images,
                crop_size_px=crop_size or 0, overwrite=overwrite,
            )  # fmt: skip
    write_pins(target, questions, overwrite=overwrite)
    if as_json:
        listed: list[dict[str, Any]] = [{"keys": row.keys, "note": row.note} for row in questions]
        for item, strip in zip(listed, strips, strict=False):
            item["crop"] = str(strip)
        print_json(listed)
    elif not quiet:
        table = Table(box=None, pad_edge=False)
        for name in ("t", "label", "children", ""):
            table.add_column(name)
        for row in questions[:10]:
            children = ", ".join(f"{t}:{label}" for t, label in row.keys[1:]) or "none"
            table.add_row(str(row.keys[0][0]), str(row.keys[0][1]), children, row.note)
        output().print(table)
        drawn = "" if crops is None else f", a strip of pictures for each to {crops}"
        output().print(f"wrote {len(questions)} suggestions to {target}{drawn}", markup=False)
