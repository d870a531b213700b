"""track embed: what a model makes of a movie, as a table."""

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.common import (
    Json,
    Overwrite,
    Quiet,
    Set,
    Verbose,
    configure,
    either,
    output,
    print_json,
    progress,
    tell,
)
from tracker.config import load_config
from tracker.config_scores import DETECTION_METHODS, LINK_METHODS
from tracker.config_store import StoreSettings
from tracker.errors import ConfigError, OutputError
from tracker.prepare import require_torch
from tracker.store.configured import store_place


def embed(
    method: Annotated[str, typer.Argument(help=f"{either((*LINK_METHODS, *DETECTION_METHODS))}.")],
    config: Annotated[Path, typer.Argument(help="The config file of the movie.")],
    model: Annotated[
        Path | None, typer.Option(help="Model folder (sam: file); default [associations] or [embeddings] model.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--output", "-o", help="The table (.npz); default beside the result, as track run.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="tap: draw where the arrow of time shows in a frame.")
    ] = None,
    frame: Annotated[
        int | None, typer.Option(help="Which frame --plot draws (its t); default that of the highest score.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Block by block into the arrays of [store]; what is there is not redone.")
    ] = False,
    overwrite: Overwrite = False,
    settings: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Score the candidate links of a movie, or embed its detections, with a trained model.

    `track run` does this itself where a config names a model; this keeps the table for other uses.
    """
    configure(quiet, verbose)
    require_torch(f"track embed {method}")
    from tracker.learning.embed import Picture, embed_movie, scores_beside

    beside = scores_beside(table) if table is not None and method == "tap" else None
    for file, option in ((table, "--output"), (beside, "--output"), (plot, "--plot")):
        if file is not None and file.exists() and not overwrite:
            raise OutputError(f"{file} exists already. Name another {option}, or replace it with --overwrite")
    if frame is not None and plot is None:
        raise ConfigError("--frame says which frame --plot FILE.png draws: give both")
    picture = None if plot is None else Picture(plot, frame)
    loaded = load_config(config, settings)
    if store and loaded.store is None:
        loaded = loaded.model_copy(update={"store": StoreSettings()})
    with progress(quiet or as_json) as say:
        try:
            made = embed_movie(method, loaded, model, table, picture=picture, overwrite=overwrite, progress=say)
        except KeyboardInterrupt as error:
            if loaded.store is None:
                raise
            again = "the same without --overwrite" if overwrite else "the same command"
            what = (
                f"interrupted; blocks that are done are in {store_place(loaded).arrays}, and {again} goes on from there"
            )
            tell("error:", what, "bold red")
            raise typer.Exit(1) from error
    if as_json:
        report = {"method": method, "table": str(made.path), "kind": made.kind, "rows": made.rows}
        if made.scores is not None:
            report |= {"division_scores": str(made.scores), "scored_by": made.scored_by}
        if plot is not None:
            report["picture"] = str(plot)
        print_json(report)
    elif not quiet:
        output().print(f"{made.rows:,} {made.kind} in {made.path}", markup=False)
        if made.scores is not None:
            output().print(f"division scores, by {made.scored_by}, in {made.scores}", markup=False)
        if plot is not None:
            output().print(f"picture in {plot}", markup=False)
