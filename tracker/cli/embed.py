"""track embed: what a model makes of a movie, as a table."""

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.common import Json, Overwrite, Quiet, Set, Verbose, configure, output, print_json, progress
from tracker.config import load_config
from tracker.errors import OutputError
from tracker.prepare import require_torch


def embed(
    method: Annotated[str, typer.Argument(help="attrackt, trackastra, finetune, autoencoder or reid.")],
    config: Annotated[Path, typer.Argument(help="The config file of the movie.")],
    model: Annotated[
        Path | None, typer.Option(help="Model folder; default [associations] or [embeddings] model.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--output", "-o", help="The table (.npz); default beside the result, as track run.")
    ] = None,
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
    from tracker.learning.embed import embed_movie

    if table is not None and table.exists() and not overwrite:
        raise OutputError(f"{table} exists already. Name another --output, or replace it with --overwrite")
    with progress(quiet or as_json) as say:
        made = embed_movie(method, load_config(config, settings), model, table, overwrite=overwrite, progress=say)
    if as_json:
        print_json({"method": method, "table": str(made.path), "kind": made.kind, "rows": made.rows})
    elif not quiet:
        output().print(f"{made.rows:,} {made.kind} in {made.path}", markup=False)
