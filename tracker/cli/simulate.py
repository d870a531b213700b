"""track simulate: a movie with truth, to try things on."""

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.common import Quiet, Verbose, configure, output, progress
from tracker.errors import ConfigError
from tracker.simulate import SimulationSettings
from tracker.simulate import simulate as make_movie
from tracker.simulate_files import write_movie, write_points
from tracker.simulate_scale import scale_settings, stream_points


def simulate(
    target: Annotated[Path, typer.Argument(help="Folder to make; or a file ending in .csv, for points only.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same movie.", min=0)] = 0,
    frames: Annotated[int | None, typer.Option(help="Frames; default 30.", min=1)] = None,
    cells: Annotated[int | None, typer.Option(help="Cells in the first frame; default 24.", min=1)] = None,
    shape: Annotated[str | None, typer.Option(help="Size in pixels: Y,X or Z,Y,X; default 256,256.")] = None,
    detections: Annotated[
        int | None, typer.Option(help="Points only: about so many, at constant density, in place of --cells.", min=1)
    ] = None,
    blink: Annotated[float, typer.Option(help="Probability of a cell to be missed in a frame.", min=0, max=1)] = 0.01,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Simulate nuclei that move, grow, divide, enter, leave, blink and touch."""
    configure(quiet, verbose)
    if detections is not None:
        if target.suffix != ".csv" or cells is not None or shape is not None:
            raise ConfigError(
                "--detections makes a table of points and chooses cells and shape itself: give a target that ends in "
                ".csv, and neither --cells nor --shape"
            )
        with progress(quiet) as say:
            say("simulating and writing")
            settings = scale_settings(detections, frames, blink)
            count = stream_points(settings, seed, target)
        if not quiet:
            output().print(f"wrote {count:,} detections in {settings.n_frames} frames to {target}")
        return
    shape = "256,256" if shape is None else shape
    try:
        size = tuple(int(part) for part in shape.split(","))
    except ValueError as error:
        raise ConfigError(f"--shape wants Y,X or Z,Y,X in whole pixels, found {shape!r}") from error
    settings = SimulationSettings(n_frames=frames or 30, shape=size, n_cells=cells or 24, blink_probability=blink)
    with progress(quiet) as say:
        say("simulating")
        movie = make_movie(settings, seed)
        say("writing")
        write = write_points if target.suffix == ".csv" else write_movie
        write(movie, target)
    if not quiet:
        output().print(f"wrote {len(movie):,} detections in {settings.n_frames} frames to {target}")
