"""Every mistake that an input can have: one paragraph on stderr, exit code 2, and nothing written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from command_line import MASK, refused, track, write_movie, write_walk

from tracker.io.tracks_csv import read_tracks_csv

MASKS = '[data]\nsegmentation = "masks"\n'
BOTH = MASKS + 'images = "images"\n'
POINTS = '[data]\npoints = "points.csv"\n'
TABLE = "id,t,y,x\n7,0,1.5,1\n3,0,9,9\n4,1,2,1\n9,1,9,8\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, holding images/, masks/ and points.csv that are in order."""
    monkeypatch.chdir(tmp_path)
    write_walk(tmp_path)
    (tmp_path / "points.csv").write_text(TABLE)
    return tmp_path


@pytest.fixture
def bad(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Check that running (and checking, unless `only_run`) a config is refused with a message."""

    def check(config: str, message: str, *, only_run: bool = False) -> None:
        Path("config.toml").write_text(config)
        refused(capsys, message, "run", "config.toml")
        if not only_run:
            refused(capsys, message, "check", "config.toml")

    return check


def replace(name: str, *frames: np.ndarray[Any, Any]) -> None:
    """Put these frames in the place of a movie."""
    for old in Path(name).iterdir():
        old.unlink()
    Path(name).rmdir()
    write_movie(Path(name), *frames)


# ---- files that are missing or cannot be read


def test_missing_movies(bad):
    bad(
        '[data]\nsegmentation = "mask"',
        "no masks at mask: there is no mask in .; did you mean masks or images?",
    )
    bad(
        MASKS + 'images = "elsewhere/01"',
        "no images at elsewhere/01: there is no elsewhere in ., which holds config.toml, images, masks, points.csv",
    )


def test_missing_points(bad):
    bad('[data]\npoints = "cells.csv"', "no point table at cells.csv")


def test_missing_config(capsys):
    refused(capsys, "nope.toml does not exist. `track init FOLDER` writes a config for a folder", "run", "nope.toml")
    refused(capsys, "masks is a folder, wanted a config file. `track init masks` writes one", "run", "masks")


def test_damaged_file(bad):
    Path("masks/t002.tif").write_bytes(b"no picture")
    bad(
        MASKS,
        "cannot read masks/t002.tif (masks): damaged, cut short, or no TIFF file "
        "(TiffFileError: not a TIFF file: header=b'no p')",
    )


def test_unknown_kind_of_file(bad):
    bad(
        '[data]\nsegmentation = "points.csv"',
        "points.csv is not a known form of masks: wanted a folder of numbered TIFF files, one TIFF file with many "
        "pages, a zarr array or an OME-Zarr image",
    )


def test_missing_truth_is_told_before_the_work(bad, monkeypatch):
    monkeypatch.setattr("tracker.pipeline.solve_pinned", None)
    bad(MASKS + 'truth = "01_GT/TRA"', "no ground truth at 01_GT/TRA", only_run=True)


# ---- pixels


def test_a_frame_of_another_shape(bad):
    tifffile.imwrite("masks/t002.tif", MASK[:10])
    bad(
        MASKS,
        "all frames of the masks must be alike; the first is (20, 24) uint16, found (10, 24) uint16 in masks/t002.tif",
    )


def test_colours(bad):
    tifffile.imwrite("masks/t000.tif", np.zeros((20, 24, 3), np.uint8), photometric="rgb")
    bad(
        MASKS,
        "masks must have one value per pixel; found a colour (RGB) image in masks/t000.tif (axes YXS of sizes "
        "20 x 24 x 3). Save the channel to be used as a greyscale image",
    )


def test_images_of_another_shape(bad):
    replace("images", *[MASK[:, :20]] * 4)
    bad(
        BOTH,
        "images and masks must have one shape ([z,] y, x); found (20, 20) in images and (20, 24) in masks",
    )


def test_fewer_images_than_masks(bad):
    Path("images/t003.tif").unlink()
    bad(
        BOTH,
        "every mask needs its image; 4 masks in masks (t = 0 to 3) but 3 images in images (t = 0 to 2); "
        "without an image: t = 3",
    )


def test_float_masks(bad):
    replace("masks", *[MASK.astype(np.float32)] * 3)
    bad(
        MASKS,
        "label masks must be integers; found float32 in masks/t000.tif. If these are labels, save them as uint16 or "
        "uint32; if they are images, name them as images",
    )


def test_label_0_only(bad):
    replace("masks", *[0 * MASK] * 3)
    bad(MASKS, "the masks in masks hold no object: all 3 frames read have label 0 only")


def test_an_empty_movie(bad):
    replace("masks")
    bad(MASKS, "no TIFF file (.tif, .tiff) for the masks in masks")


def test_nan_in_an_image_matters_only_to_a_feature_that_looks_there(bad, capsys):
    image = MASK.astype(np.float32)
    image[3, 3] = np.nan
    replace("images", image, *[MASK.astype(np.float32)] * 3)
    bad(
        BOTH + '[[costs.terms]]\non = "link"\nfeature = "intensity_difference"',
        "link feature 'intensity_difference' must be finite, found NaN or infinity at 0:1 -> 1:1, 0:1 -> 1:5. "
        "Mend the input there, or remove the term",
        only_run=True,
    )
    Path("config.toml").write_text(BOTH)
    assert track("run", "config.toml", "-q") == 0
    assert capsys.readouterr() == ("", "")


# ---- points


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            TABLE + "3,2,1,1\n",
            "every point needs an id of its own; points.csv repeats the ids 3: line 3, line 6. "
            "Number the points anew over the whole movie",
        ),
        (
            TABLE + "5,2,nan,1\n6,2,1,inf\n",
            "positions must be finite; NaN or infinite in points.csv line 6, line 7. Remove or mend these points",
        ),
        ("id,t,y,x\n", "no points in points.csv"),
        ("", "no points in points.csv"),
        (
            "id,t,y\n1,0,3\n",
            "a point table needs a header that names the columns t, [z,] y, x and may name id and parent_id; "
            "points.csv has no x (its first line: 'id,t,y')",
        ),
        (TABLE + "5,2,left,1\n", "y must be a number; not so in points.csv line 6 ('left')"),
    ],
)
def test_points(bad, text, message):
    Path("points.csv").write_text(text)
    bad(POINTS, message)


def test_nan_in_a_column_matters_only_to_the_term_that_uses_it(bad, capsys):
    Path("points.csv").write_text("id,t,y,x,size\n1,0,1,1,3\n2,1,1,1,\n")
    bad(
        POINTS + '[[costs.terms]]\non = "detection"\nfeature = "size"',
        "detection feature 'size' must be finite, found NaN or infinity at 1:2. "
        "Mend the input there, or remove the term",
    )
    Path("config.toml").write_text(POINTS)
    assert track("run", "config.toml", "-q") == 0
    assert capsys.readouterr() == ("", "")


# ---- the config


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("neighbours = 5", "[candidates] neighbours: unknown key; did you mean 'neighbors'?"),
        ("neighbors = -1", "[candidates] neighbors: must be at least 0, found -1"),
        (
            "neighbors = 0",
            "[candidates]: neighbors = 0 proposes every detection within max_distance; give a finite max_distance",
        ),
        ("max_distance = nan", "[candidates] max_distance: must be larger than 0, found nan"),
    ],
)
def test_candidates(bad, more, message):
    bad(f"{MASKS}[candidates]\n{more}", f"config.toml: {message}")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            MASKS + '[[costs.terms]]\non = "link"\nfeature = "distanse"',
            "unknown link feature 'distanse'; did you mean 'distance'? Known: area_ratio, association, "
            "association_surprise, constant, density_distance, distance, embedding_distance, frame_gap, "
            "intensity_difference, overlap, size_sum, surprise, velocity",
        ),
        (
            MASKS + '[[costs.terms]]\non = "link"\nfeature = "intensity_difference"',
            "feature 'intensity_difference' needs the detection property 'intensity_mean', which this input does not "
            "have (it has: area_px, bbox_px, border_distance_px, centroid_px, equivalent_diameter_px, "
            "inertia_tensor_px2); give data.images",
        ),
        (
            POINTS + '[[costs.terms]]\non = "link"\nfeature = "overlap"',
            "feature 'overlap' needs masks; give data.segmentation instead of points",
        ),
        (
            MASKS + '[[costs.terms]]\non = "division"\nfeature = "association"',
            "feature 'association' needs scores; give associations.model, associations.path or associations.geff",
        ),
        (
            POINTS + "[costs]\nborder_px = 5",
            "costs.border_px needs the extent of the image; give data.images besides the points, or set it to 0",
        ),
        (MASKS + "scale = [1.0, 1.0, 1.0]", "data.scale needs 2 numbers (y, x) for this input, found [1.0, 1.0, 1.0]"),
        (
            MASKS + "frames = [0, 9]",
            "data.frames = [0, 9] must be a half-open range within [0, 4], counted from the first frame; "
            "there are 4 frames, t = 0 to 3",
        ),
    ],
)
def test_what_does_not_fit_the_input(bad, config, message):
    bad(config, message)


# ---- a movie of one frame, or with empty ones


@pytest.mark.parametrize("config", [MASKS + "frames = [2, 3]", POINTS + "frames = [0, 1]"])
def test_one_frame_is_a_result_without_links(config, capsys):
    Path("config.toml").write_text(config)
    assert track("run", "config.toml", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["status"] == "optimal"
    assert report["objective"] == 0
    counts = report["counts"]
    assert [counts[name] for name in ("selected_detections", "tracks", "appear", "disappear")] == [2, 2, 2, 2]
    assert [counts[name] for name in ("links", "divisions", "selected_links", "selected_divisions")] == [0, 0, 0, 0]
    assert read_tracks_csv(Path("result/tracks.csv")).parent_id.tolist() == [-1, -1]
    assert Path("result/tracks.geff").is_dir()


def test_empty_frames_between_are_no_mistake(capsys):
    replace("masks", MASK, 0 * MASK, MASK)
    Path("config.toml").write_text(MASKS)
    assert track("run", "config.toml", "-q") == 0
    assert read_tracks_csv(Path("result/tracks.csv")).t.tolist() == [0, 0, 2, 2]
    assert Path("result/ctc/mask001.tif").is_file()
    assert capsys.readouterr() == ("", "")
