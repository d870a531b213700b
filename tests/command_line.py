"""Helpers of the tests that call the program as a person does."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tracker.cli import main

WALK_CONFIG = '[data]\nimages = "images"\nsegmentation = "masks"\n'
MASK = np.zeros((20, 24), np.uint16)
MASK[2:6, 2:6] = 1
MASK[10:14, 12:16] = 5


def track(*arguments: object) -> int:
    """Call the program in this process; the log handlers it installs are taken away again."""
    loggers = [logging.getLogger(name) for name in ("tracker", "embeddings")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    try:
        return main([str(argument) for argument in arguments])
    finally:
        for logger, state in zip(loggers, before, strict=True):
            logger.handlers, logger.level, logger.propagate = state


def write_movie(folder: Path, *frames: np.ndarray[Any, Any]) -> Path:
    """A folder of numbered TIFFs."""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        tifffile.imwrite(folder / f"t{number:03d}.tif", frame, photometric="minisblack")
    return folder


def write_walk(folder: Path, n_frames: int = 4) -> Path:
    """images/ and masks/ of two cells that move right by a pixel per frame, in a folder that is made."""
    masks = [np.roll(MASK, step, axis=1) for step in range(n_frames)]
    write_movie(folder / "masks", *masks)
    write_movie(folder / "images", *[(100 + 10 * mask).astype(np.uint8) for mask in masks])
    return folder


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below `folder`, hidden files too: bytes of the files, None for folders."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def refused(
    capsys: pytest.CaptureFixture[str], message: str, *arguments: object, code: int = 2, below: Path | None = None
) -> None:
    """The command ends with `code` and exactly this paragraph on stderr; nothing is written."""
    place = below or Path()
    before = tree(place)
    assert track(*arguments) == code
    output = capsys.readouterr()
    assert output.err == f"error: {message}\n"
    assert output.out == ""
    assert tree(place) == before
