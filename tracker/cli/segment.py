"""track segment: masks out of images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli.common import (
    Json,
    Overwrite,
    Quiet,
    Set,
    Verbose,
    configure,
    fact_table,
    output,
    print_json,
    progress,
    tell,
)
from tracker.config import load_config
from tracker.config_text import relative_to
from tracker.prepare import require_torch

if TYPE_CHECKING:
    from tracker.learning.segment import Segmented


def segment(
    method: Annotated[str, typer.Argument(help="cellulus or stardist.")],
    config: Annotated[Path, typer.Argument(help="The config file: which images, and how.")],
    model: Annotated[Path, typer.Option(help="Model folder (`track train` with the same method).")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for the masks.")],
    truth: Annotated[
        Path | None, typer.Option(help="True masks: folder of TIFFs, multi-page TIFF or zarr; prints F1 and SEG.")
    ] = None,
    overwrite: Overwrite = False,
    settings: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find the objects in images and write a mask per frame, for [data] segmentation.

    Ctrl-C keeps what is done; the same command goes on from there.
    """
    configure(quiet, verbose)
    require_torch(f"track segment {method}")
    from tracker.learning.mask_folder import frames_done
    from tracker.learning.segment import segment_movie

    try:
        with progress(quiet or as_json) as say:
            loaded = load_config(config, settings)
            done = segment_movie(method, loaded, model, folder, truth=truth, overwrite=overwrite, progress=say)
    except KeyboardInterrupt as error:
        finished = frames_done(folder)
        if not finished:
            raise
        what = f"interrupted; the masks of {finished:,} frames are in {folder}, and the same command goes on from there"
        tell("error:", what, "bold red")
        raise typer.Exit(1) from error
    if as_json:
        print_json(
            {
                "method": method,
                "masks": str(folder),
                "frames": len(done.objects),
                "kept": done.kept,
                "objects": sum(done.objects.values()),
                "seconds": done.seconds,
                "notes": list(done.notes),
                "accuracy": None if done.accuracy is None else done.accuracy.to_dict(),
            }
        )
    elif not quiet:
        for note in done.notes:
            tell("note:", note, "yellow")
        _print(done, config)


def _print(done: "Segmented", config: Path) -> None:
    table, count = fact_table(), len(done.objects)
    there = f"; {done.kept:,} were there already" if done.kept else ""
    table.add_row("frames", f"{count:,} in {done.seconds:.0f} s{there}")
    objects = sum(done.objects.values())
    table.add_row("objects", f"{objects:,}, {objects / count:.3g} per frame")
    found = done.accuracy
    if found is not None:
        shares = (("F1", found.f1), ("precision", found.precision), ("recall", found.recall), ("SEG", found.seg))
        text = ", ".join(f"{name} {'-' if share is None else format(share, '.4f')}" for name, share in shares)
        table.add_row("accuracy", f"{text} (hits overlap by more than {found.iou:g}; {found.frames:,} frames)")
    output().print(table)
    named = relative_to(str(done.folder.resolve()), config.resolve().parent)
    hint = f'track them in {config} with: [data] segmentation = "{named}"'
    output().print(f"masks in {done.folder}; {hint}", markup=False)
