"""track init: a config for a folder."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tracker.cli.common import Overwrite, Quiet, Verbose, configure, output, tell
from tracker.config import make_config
from tracker.config_text import relative_to, write_config
from tracker.errors import ConfigError, MovieError, OutputError
from tracker.inputs import read_inputs
from tracker.io.ctc import Sequence, find_sequences
from tracker.io.movies import open_movie
from tracker.io.points import SUFFIXES, read_points
from tracker.notes import hardly_measured
from tracker.prepare import measure as measure_config
from tracker.reading import pair_frames


def init(
    folder: Annotated[Path, typer.Argument(help="Folder of images and masks, or a table of points.")] = Path(),
    target: Annotated[Path, typer.Option("--output", "-o", help="Where to write the config.")] = Path("config.toml"),
    sequence: Annotated[str | None, typer.Option(help="Which movie, when the folder holds several.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Measure the movie now and freeze the numbers into the config.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Look at a folder of images and masks and write a commented config that runs as it is."""
    configure(quiet, verbose)
    if target.is_dir():
        target = target / "config.toml"
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already. Name another with --output, or replace it with --overwrite")
    data = _data_of(folder, sequence, quiet)
    relative = {key: relative_to(str(Path(value).resolve()), target.resolve().parent) for key, value in data.items()}
    content: dict[str, Any] = {"data": relative}
    config = make_config(content, name=str(target), folder=target.parent)
    if measure:
        movie = measure_config(config, read_inputs(config).detections)
        assert movie is not None  # the default preset measures
        note = hardly_measured(movie)
        if note is not None and not quiet:
            tell("note:", note, "yellow")
        config = make_config(
            {**content, "costs": {"measured": movie.numbers.model_dump()}}, name=str(target), folder=target.parent
        )
    title = (
        f"How to track {folder.resolve().name}. Check it: track check {target.name}   Run it: track run {target.name}"
    )
    write_config(config, target, title=title)
    if not quiet:
        output().print(f"wrote {target}; now: track run {target}", markup=False)


def _data_of(folder: Path, wanted: str | None, quiet: bool) -> dict[str, str]:
    """The [data] paths for a folder or a table of points."""
    if folder.suffix.lower() in SUFFIXES and folder.exists():
        return _points(folder)
    if folder.is_file():
        raise MovieError(
            f"{folder} is a file, wanted a folder of images and masks, or a table of points ({', '.join(SUFFIXES)})"
        )
    if not folder.is_dir():
        raise MovieError(f"there is no folder {folder}. Give a folder of images and masks, or a table of points")
    found = [movie for movie in find_sequences(folder) if movie.segmentation is not None]
    if not found:
        tables = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if len(tables) == 1:
            return _points(tables[0])
        raise MovieError(
            f"no images with masks found in {folder}: wanted folders such as images + masks, or 01 + 01_SEG "
            f"(Cell Tracking Challenge), or one table of points; found {_content(folder)}"
        )
    movie = _choose(found, wanted)
    if len(found) > 1 and wanted is None and not quiet:
        names = ", ".join(other.name for other in found)
        tell("note:", f"found the movies {names}; took {movie.name} (another: --sequence NAME)", "yellow")
    assert movie.segmentation is not None
    masks = open_movie(movie.segmentation, kind="masks")
    data = {"segmentation": str(movie.segmentation)}
    try:
        pair_frames(masks, open_movie(movie.images))
        data = {"images": str(movie.images), **data}
    except MovieError as error:  # masks alone can be tracked
        if not quiet:
            tell("note:", f"left the images out: {error}", "yellow")
    return data if movie.truth is None else {**data, "truth": str(movie.truth)}


def _points(path: Path) -> dict[str, str]:
    read_points(path, lineage=False)  # raises where the config would not run
    return {"points": str(path)}


def _choose(found: list[Sequence], wanted: str | None) -> Sequence:
    if wanted is None:
        return found[0]
    for movie in found:
        if movie.name == wanted:
            return movie
    raise ConfigError(f"--sequence {wanted}: no such movie; found {', '.join(movie.name for movie in found)}")


def _content(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "") if names else "nothing"
