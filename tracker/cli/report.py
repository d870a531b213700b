"""track report: a result to look at."""

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.common import Overwrite, Quiet, Verbose, configure, output, progress
from tracker.errors import ConfigError


def report(
    result: Annotated[Path, typer.Argument(help="The result folder of a run.")],
    images: Annotated[
        Path | None, typer.Option(help="Where the images are now; default: where the run had them.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Ground truth to list the errors; default: that of the run.")
    ] = None,
    no_images: Annotated[bool, typer.Option("--no-images", help="Leave the images out.")] = False,
    no_truth: Annotated[bool, typer.Option("--no-truth", help="Leave the errors out.")] = False,
    max_size_mb: Annotated[float, typer.Option(help="Largest size of the file; what does not fit is sampled.")] = 20.0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write report.html into a result: movie, lineage trees, doubts and errors in one file."""
    configure(quiet, verbose)
    for given, left_out, name in ((images, no_images, "images"), (truth, no_truth, "truth")):
        if given is not None and left_out:
            raise ConfigError(f"--{name} names what --no-{name} leaves out: give one of them")
    from tracker.report.source import open_result
    from tracker.report.write import check_size, refuse_report, write_report

    check_size(max_size_mb)
    refuse_report(result, overwrite)
    with progress(quiet) as say:
        say("reading the result")
        source = open_result(result, images=images, truth=truth, with_images=not no_images, with_truth=not no_truth)
        path = write_report(source, max_size_mb=max_size_mb, progress=say)
    if not quiet:
        output().print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB): open it in a browser", markup=False)
