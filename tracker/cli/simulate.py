"""track simulate: a movie with truth, to try things on."""

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli.common import Quiet, Verbose, configure, output, progress
from tracker.errors import ConfigError
from tracker.simulate import SimulationSettings
from tracker.simulate import simulate as make_movie
from tracker.simulate_files import write_movie, write_points


def simulate(
    target: Annotated[Path, typer.Argument(help="Folder to make; or a file ending in .csv, for points only.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same movie.", min=0)] = 0,
    frames: Annotated[int, typer.Option(help="Frames.", min=1)] = 30,
    cells: Annotated[int, typer.Option(help="Cells in the first frame.", min=1)] = 24,
    shape: Annotated[str, typer.Option(help="Size in pixels: Y,X or Z,Y,X.")] = "256,256",
    blink: Annotated[float, typer.Option(help="Probability of a cell to be missed in a frame.", min=0, max=1)] = 0.01,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Simulate nuclei that move, grow, divide, enter, leave, blink and touch."""
    configure(quiet, verbose)
    try:
        size = tuple(int(part) for part in shape.split(","))
    except ValueError as error:
        raise ConfigError(f"--shape wants Y,X or Z,Y,X in whole pixels, found {shape!r}") from error
    settings = SimulationSettings(n_frames=frames, shape=size, n_cells=cells, blink_probability=blink)
    with progress(quiet) as say:
        say("simulating")
        movie = make_movie(settings, seed)
        say("writing")
        write = write_points if target.suffix == ".csv" else write_movie
        write(movie, target)
    if not quiet:
        output().print(f"wrote {len(movie):,} detections in {frames} frames to {target}")
