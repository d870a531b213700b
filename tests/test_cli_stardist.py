"""track train stardist and track segment stardist: from masks of a program and of a person to better ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from cellulus_cases import discs  # noqa: E402
from command_line import refused, track, write_movie  # noqa: E402
from stardist_cases import UNKNOWN, annotated, found_by_a_program  # noqa: E402

CONFIG = f"""
[data]
images = "01"

[training]
device = "cpu"
threads = 1

[stardist]
pseudo = "found"
sparse = "drawn"
unknown_label = {UNKNOWN}
channels = 2
growth = 2
depth = 1
features = 3
crop_px = 40
batch_size = 2
steps = 3
learning_rate = 1e-3
probability_threshold = 0.02
smallest_px = 5

[costs]
preset = "attrackt"

[solver]
threads = 1
"""
TRAIN = ("train", "stardist", "config.toml", "-o")
RUN = ("segment", "stardist", "config.toml", "--model", "model", "-o", "masks")


@pytest.fixture
def place(tmp_path, monkeypatch, tmp_path_factory):
    """The current folder: images, masks of three kinds, a config, and a model of three steps."""
    shared = tmp_path_factory.getbasetemp() / "stardist_files"
    if not (shared / "model" / "model.json").exists():
        images, masks = discs(0, 4)
        for name, movie in (
            ("01", images), ("true", masks), ("found", found_by_a_program(masks)), ("drawn", annotated(masks)),
        ):  # fmt: skip
            write_movie(shared / name, *(movie.read(t) for t in range(4)))
        (shared / "config.toml").write_text(CONFIG)
        assert track(*TRAIN[:2], shared / "config.toml", "-o", shared / "model", "-q") == 0
    monkeypatch.chdir(shutil.copytree(shared, tmp_path / "place"))
    return Path()


def told(key, value):
    return "--set", f"stardist.{key}={value}"


def weights(folder):
    return next(Path(folder).glob("weights-*")).name


def test_from_masks_to_masks_to_tracks(place, capsys):
    assert track(*TRAIN, "again") == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "model in again; segment with: track segment stardist config.toml --model again --output masks"
    )
    assert weights("again") == weights("model")
    assert track(*RUN, "--truth", "true") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "accuracy  F1 0." in output.out
    about = json.loads(Path("masks/segment.json").read_text())
    assert about["method"] == "stardist"
    assert about["settings"] == {"probability_threshold": 0.02, "overlap": 0.3, "smallest_px": 5, "tile_px": 512}
    assert list(about["frames"]["0"]) == ["image", "file", "objects"]
    for frame in about["frames"].values():
        mask = tifffile.imread(Path("masks") / frame["file"])
        assert (mask.shape, mask.dtype) == ((96, 96), np.uint16)
        assert np.unique(mask).tolist() == list(range(frame["objects"] + 1))
    assert track("run", "config.toml", "--set", "data.segmentation=masks", "-o", "result", "-q") == 0
    assert Path("result/tracks.csv").is_file()


def test_what_is_done_is_kept_and_other_settings_do_not_mix(place, capsys):
    assert track(*RUN, "-q") == 0
    assert track(*RUN, "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 4
    refused(
        capsys,
        "the masks in masks were made otherwise (overlap differs). Name another --output, or replace them with "
        "--overwrite",
        *RUN, *told("overlap", 0.6),
    )  # fmt: skip


def test_a_folder_of_masks_that_is_missing(place):
    """What one kind of labels weighs goes to the other."""
    Path("alone.toml").write_text(CONFIG.replace('sparse = "drawn"\n', ""))
    for a in (0, 1):
        assert track("train", "stardist", "alone.toml", "-o", f"alone{a}", "-q", *told("pseudo_weight", a)) == 0
    assert weights("alone0") == weights("alone1")
    assert track(*TRAIN, "classical", "-q", *told("pseudo_weight", 0)) == 0
    Path("alone.toml").write_text(CONFIG.replace('pseudo = "found"\n', ""))
    assert track("train", "stardist", "alone.toml", "-o", "sparse", "-q") == 0
    # The objects that were not drawn are known to be unknown: what a program saw of them makes no difference.
    assert weights("classical") == weights("sparse")
    assert len({weights(folder) for folder in ("model", "alone0", "classical")}) == 3


def test_further_movies_bring_masks_of_their_own(place, capsys):
    images, masks = discs(1, 4)
    write_movie(Path("other/01"), *(images.read(t) for t in range(4)))
    write_movie(Path("other/all"), *(masks.read(t) for t in range(4)))
    Path("other/config.toml").write_text('[data]\nimages = "01"\n\n[stardist]\npseudo = "all"\n')
    more = ("--set", 'training.movies=["other/config.toml"]')
    assert track(*TRAIN, "both", "-q", *more) == 0
    movies = json.loads(Path("both/model.json").read_text())["provenance"]["movies"]
    assert [Path(movie["pseudo"]).name for movie in movies] == ["found", "all"]
    assert [movie["sparse_frames"] > 0 for movie in movies] == [True, False]


def test_every_key_of_training_arrives(place):
    changes = {
        "channels": 3, "growth": 3, "depth": 2, "features": 4, "n_rays": 8, "crop_px": 42, "batch_size": 3,
        "learning_rate": 0.01, "final_rate": 1.0, "weight_decay": 50.0, "pseudo_weight": 0.2, "ray_weight": 0.5,
        "unknown_label": 5, "background_px": 3.0, "vary": "false", "contrast": "[0.5, 0.6]", "noise": 0.5,
    }  # fmt: skip
    found = {weights("model")}
    for key, value in changes.items():
        more = told("crop_px", 60) if key == "depth" else ()
        assert track(*TRAIN, key, "-q", *more, *told(key, value)) == 0
        found.add(weights(key))
    assert len(found) == 1 + len(changes)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("n_rays=2", "n_rays: must be at least 3, found 2"),
        ("pseudo_weight=1.5", "pseudo_weight: must be at most 1, found 1.5"),
        ("probability_threshold=1", "probability_threshold: must be smaller than 1, found 1"),
        ("psuedo='x'", "psuedo: unknown key; did you mean 'pseudo'?"),
    ],
)
def test_keys_that_are_refused(place, capsys, setting, message):
    refused(capsys, f"--set: [stardist] {message}", *TRAIN, "new", "--set", f"stardist.{setting}")


def test_masks_that_are_missing(place, capsys):
    Path("config.toml").write_text('[data]\nimages = "01"\n')
    refused(
        capsys,
        "StarDist learns from masks of 01: give pseudo (of all objects, as `track segment cellulus` makes them), "
        "sparse (of some objects, drawn by a person), or both",
        *TRAIN, "new",
    )  # fmt: skip
    refused(
        capsys, "no masks at dawn: there is no dawn in .; did you mean drawn?", *TRAIN, "new", *told("pseudo", "dawn"),
    )  # fmt: skip


def test_images_that_are_missing(place, capsys):
    Path("config.toml").write_text('[data]\nsegmentation = "true"\n')
    refused(capsys, "StarDist looks at images: give [data] images", *TRAIN, "new")
    refused(capsys, "StarDist looks at images: give [data] images", *RUN)


def test_masks_of_another_size(place, capsys):
    write_movie(Path("small"), *4 * [np.ones((90, 96), np.uint16)])
    refused(
        capsys,
        "images and masks must have one shape (y, x); found (96, 96) in 01 and (90, 96) in small",
        *TRAIN, "new", *told("sparse", "small"),
    )  # fmt: skip


def test_volumes(place, capsys):
    write_movie(Path("stack"), *2 * [np.ones((4, 96, 96), np.uint16)])
    message = (
        "StarDist is for 2-D images here, but those of stack have 3 axes (z, y, x): use Cellulus alone, which is for "
        "3-D, too, or a projection along z"
    )
    for command in ((*TRAIN, "new"), RUN):
        refused(capsys, message, *command, "--set", "data.images=stack")


def test_a_model_of_another_kind(place, capsys):
    Path("other").mkdir()
    about = json.loads(Path("model/model.json").read_text())
    Path("other/model.json").write_text(json.dumps({**about, "network": "cellulus"}))
    refused(
        capsys,
        "other holds a network of the kind cellulus, wanted stardist: name another model folder",
        *RUN[:4], "other", *RUN[5:],
    )  # fmt: skip
