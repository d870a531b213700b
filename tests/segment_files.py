"""Images, their true masks, a config and a model of Cellulus on disk, and what is found of masks."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from cellulus_cases import discs
from command_line import track, write_movie

CONFIG = """
[data]
images = "01"

[training]
device = "cpu"
threads = 1

[cellulus]
object_size_px = 22
zoom = 1.0
channels = 3
growth = 2
features = 4
crop_px = 40
batch_size = 2
steps = 3
pair_radius_px = 6.0
noise_repeats = 1
refinement = "nucleus"
smallest_share = 0.02

[costs]
preset = "attrackt"

[solver]
threads = 1
"""
RUN = ("segment", "cellulus", "config.toml", "--model", "model", "-o", "masks")


def segment_files(temporary: pytest.TempPathFactory, to: Path) -> Path:
    """Copy there 01, true, config.toml, and a model of three steps, trained once for all tests."""
    shared = temporary.getbasetemp() / "segment_files"
    if not (shared / "model" / "model.json").exists():
        images, masks = discs(0, 4)
        write_movie(shared / "01", *(images.read(t) for t in range(4)))
        write_movie(shared / "true", *(masks.read(t) for t in range(4)))
        (shared / "config.toml").write_text(CONFIG)
        assert track("train", "cellulus", shared / "config.toml", "-o", shared / "model", "-q") == 0
    return shutil.copytree(shared, to)


def about(folder: str = "masks") -> dict[str, Any]:
    """What is known of masks."""
    content: dict[str, Any] = json.loads((Path(folder) / "segment.json").read_text())
    return content


def masks(folder: str = "masks") -> dict[str, bytes]:
    """The files of masks."""
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.tif"))}
