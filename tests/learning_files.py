"""A tiny movie on disk, and a config with which every method learns a few steps of it in a moment."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import track
from learning_movies import fast_cells

from tracker.cli.common import either
from tracker.config_scores import DETECTION_METHODS, LINK_METHODS
from tracker.simulate import SimulatedMovie
from tracker.simulate_files import write_movie, write_points

CONFIG = """
[data]
images = "01"
segmentation = "01_SEG"

[candidates]
neighbors = 4

[costs]
preset = "attrackt"

[training]
steps = 4
device = "cpu"
threads = 1
report_steps = 2

[windows]
n_frames = 3
crop_px = 0
batch_size = 2

[network]
d_model = 16
heads = 2
encoder_layers = 1
decoder_layers = 1
position_channels = 4
feature_channels = 2
cutoff_px = 90.0

[autoencoder]
steps = 3
batch_size = 4
patch_px = [16, 16]
channels = 4
multipliers = [1, 1, 2]
blocks = 1
groups = 4
attention_px = 0
latent = 16

[reid]
steps = 3
batch_size = 8
patch_px = [16, 16]
channels = 4
multipliers = [1, 1, 2]
blocks = 1
groups = 4
attention_px = 0
latent = 16

[maester]
steps = 3
batch_size = 4
image_px = 24
patch_px = 3
width = 16
depth = 1
decoder_width = 16
decoder_depth = 1
decoder_heads = 2

[tap]
steps = 3
batch_size = 4
channels = 4
levels = 1
features = 4
crop_px = 16

[attrackt]
hidden = 8

[finetune]
rank = 2
pseudo_share = 0.5

[solver]
threads = 1

[output]
path = "result"
"""
ASSOCIATIONS = '\n[associations]\nmodel = "model"\nvariants = 1\ndevice = "cpu"\n'
TRUTH = ("--set", "data.truth=01_GT/TRA")
LOOKS_TERM = '\n[[costs.terms]]\non = "link"\nfeature = "embedding_distance"\nstandardise = "zscore"\n'
EMBEDDINGS = '\n[embeddings]\nmodel = "looks"\ndevice = "cpu"\n'


#: As messages name them.
KNOWN = ", ".join((*LINK_METHODS, *DETECTION_METHODS))
GIVE_VECTORS = either([method for method in DETECTION_METHODS if method != "sam"])  # it has no model folders
#: Of the models that `trained_cells` holds.
METHODS = {
    "looks": "autoencoder",
    "views": "reid",
    "textures": "maester",
    "arrow": "tap",
    "model": "attrackt",
    "told": "trackastra",
}


def cells() -> SimulatedMovie:
    return fast_cells(5, n_frames=6, n_cells=8)


def write_cells(folder: Path) -> Path:
    """01, 01_SEG, 01_GT/TRA, points.csv, config.toml, and points.toml for the points, in a folder that is made."""
    write_movie(cells(), folder)
    write_points(cells(), folder / "points.csv")
    (folder / "config.toml").write_text(CONFIG)
    (folder / "points.toml").write_text(
        CONFIG.replace('images = "01"\nsegmentation = "01_SEG"', 'points = "points.csv"')
    )
    return folder


def trained_cells(temporary: pytest.TempPathFactory, to: Path) -> Path:
    """Copy there what `write_cells` writes and the models METHODS, trained once for all tests."""
    shared = temporary.getbasetemp() / "learnt" / "files"
    if not (shared / "told" / "model.json").exists():
        shared.parent.mkdir(exist_ok=True)
        write_cells(shared)
        for name, method in METHODS.items():
            assert track("train", method, shared / "config.toml", "-o", shared / name, "-q", *TRUTH) == 0
    return shutil.copytree(shared, to)


def counted_embeddings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The method of each time that a movie with detections is embedded from here on."""
    from tracker.learning.detection_methods import METHODS as KNOWN_METHODS  # with torch, which not all tests have

    calls: list[str] = []

    def counting(name: str, embed: Callable[..., Any]) -> Callable[..., Any]:
        def counted(model: Path, movie: Any, **options: Any) -> Any:
            if len(movie.detections):
                calls.append(name)
            return embed(model, movie, **options)

        return counted

    for name, method in list(KNOWN_METHODS.items()):
        monkeypatch.setitem(KNOWN_METHODS, name, replace(method, embed=counting(name, method.embed)))
    return calls


def weights(folder: Path | str) -> str:
    """Name of the file of weights of a model, which carries their checksum."""
    (path,) = Path(folder).glob("weights-*")
    return path.name


def about(folder: Path | str) -> dict[str, Any]:
    """What its model.json says."""
    return json.loads((Path(folder) / "model.json").read_text())


def stored(kind: str) -> Any:
    """The arrays of a kind that the only run so far has left beside `result`."""
    from tracker.store.arrays import BlockArrays  # with zarr, which not all tests have

    (folder,) = Path(f"result.arrays/{kind}").iterdir()
    return BlockArrays(folder.parents[1], kind, folder.name)


def setting(key: str, value: object) -> tuple[str, str]:
    """The option that overrides the config."""
    return "--set", f"{key}={json.dumps(value)}"
