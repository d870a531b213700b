"""track segment: from images and a model to masks, and on to tracks."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from segment_files import CONFIG, RUN, about, masks  # noqa: E402

from tracker.config import load_config  # noqa: E402
from tracker.learning import segment as segmenting  # noqa: E402


def test_from_images_to_tracks(dish, capsys):
    assert track(*RUN, "--truth", "true") == 0
    output = capsys.readouterr()
    frames, objects, accuracy, last = output.out.splitlines()
    assert frames.startswith("frames    4 in ")
    assert objects.startswith("objects   ")
    assert accuracy.startswith("accuracy  F1 0.")
    assert accuracy.rstrip().endswith("(hits overlap by more than 0.5; 4 frames)")
    assert last == 'masks in masks; track them in config.toml with: [data] segmentation = "masks"'
    assert list(masks()) == ["mask000.tif", "mask001.tif", "mask002.tif", "mask003.tif"]
    for name, frame in zip(masks(), about()["frames"].values(), strict=True):
        mask = tifffile.imread(Path("masks") / name)
        assert (mask.shape, mask.dtype) == ((96, 96), np.uint16)
        assert np.unique(mask).tolist() == list(range(frame["objects"] + 1))
    assert track("run", "config.toml", "--set", "data.segmentation=masks", "-o", "result", "-q") == 0
    assert Path("result/tracks.csv").is_file()
    assert track("embed", "cellulus", "config.toml", "--set", "data.segmentation=masks", "--model", "model",
                 "-o", "vectors.npz", "-q") == 0  # fmt: skip
    assert np.load("vectors.npz")["vector"].shape[1] == 4


def test_what_is_kept_beside_the_masks(dish):
    assert track(*RUN, "-q") == 0
    found = about()
    assert found["method"] == "cellulus"
    assert found["settings"]["object_size_px"] == 22
    assert (found["settings"]["noise_repeats"], found["settings"]["noise_share"]) == (1, 0.01)
    assert found["settings"]["seed"] == 0
    assert {"numpy", "torch", "pintrack"} <= set(found["versions"])
    assert list(found["frames"]) == ["0", "1", "2", "3"]


def test_json_and_quiet(dish, capsys):
    assert track(*RUN, "--json", "--truth", "true") == 0
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert output.err == ""
    assert (found["method"], found["masks"], found["frames"], found["kept"]) == ("cellulus", "masks", 4, 0)
    assert set(found["accuracy"]) >= {"f1", "seg", "precision", "recall"}
    assert track(*RUN, "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_accuracy_is_that_of_the_frames_chosen(dish, capsys):
    assert track(*RUN, "-q") == 0
    assert track(*RUN, "--truth", "true", "--set", "data.frames=[0, 2]", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["frames"], found["accuracy"]["frames"]) == (2, 2)
    assert found["accuracy"]["found"] == found["objects"]


def test_what_is_told_on_the_way(dish):
    told = []
    given = ("cellulus", load_config(Path("config.toml")), Path("model"), Path("masks"))
    segmenting.segment_movie(*given, progress=told.append)
    assert told[0] == "segmenting frame 1 of 4"
    assert [stage.split(",")[0] for stage in told] == [f"segmenting frame {step} of 4" for step in (1, 2, 3, 4)]
    assert all(stage.endswith(" s left") for stage in told[1:])
    told.clear()
    segmenting.segment_movie(*given, truth=Path("true"), progress=told.append)
    assert told == ["comparing with the truth"]


def test_frames_with_nothing_in_them(dish, capsys):
    tifffile.imwrite("01/t001.tif", np.full((96, 96), 7, np.float32), photometric="minisblack")
    assert track(*RUN, "--set", "cellulus.smallest_share=4.0") == 0
    assert "note: nothing was found in 4 of 4 frames (t = 0, 1, 2, 3); their masks are empty" in capsys.readouterr().err
    assert not tifffile.imread("masks/mask001.tif").any()


def test_notes_on_scale_and_frames(dish, capsys):
    given = ("--set", "cellulus.object_size_px=10", "--set", "data.frames=[1, 3]", "--set", "cellulus.zoom=1.2")
    assert track(*RUN, *given) == 0
    notes = [line.removeprefix("note: ") for line in capsys.readouterr().err.splitlines()]
    assert notes[0] == (
        "objects of 10 px are 12 px across at zoom 1.2, and Cellulus sees 16 px around each pixel: they are likely to "
        "be merged, or not found. Train and segment with zoom = 3 (objects of 30 px suit best), or another "
        "object_size_px if that is wrong"
    )
    assert notes[1:3] == [
        "the model has learnt at zoom 1, and segments at zoom 1.2: objects should be as many pixels across in both",
        "data.frames and data.every chose the frames, and only these have masks now: leave both out where the masks "
        "are tracked",
    ]
    assert list(masks()) == ["mask001.tif", "mask002.tif"]


def test_what_training_prints(dish, capsys):
    assert track("train", "cellulus", "config.toml", "-o", "other") == 0
    output = capsys.readouterr()
    assert output.out.splitlines()[-1] == (
        "model in other; segment with: track segment cellulus config.toml --model other --output masks"
    )
    assert output.err.startswith("note: next to nothing was learnt: the loss is 0.")


def test_training_warns_of_the_scale(dish, capsys):
    assert track("train", "cellulus", "config.toml", "-o", "other", "--set", "cellulus.object_size_px=70") == 0
    assert "cut to pieces. Train and segment with zoom = 0.43" in " ".join(capsys.readouterr().err.split())


def test_every_key_of_training_arrives(dish):
    changes = {
        "training.seed": 1,
        "cellulus.zoom": 1.5,
        "cellulus.growth": 3,
        "cellulus.depth": 2,
        "cellulus.crop_px": 44,
        "cellulus.batch_size": 3,
        "cellulus.learning_rate": 0.01,
        "cellulus.weight_decay": 0.5,
        "cellulus.density": 0.2,
        "cellulus.pair_radius_px": 5.0,
        "cellulus.temperature": 5.0,
        "cellulus.offset_weight": 0.1,
        "cellulus.bend": "false",
    }
    found = set()
    for key, value in {"cellulus.features": 4, **changes}.items():
        more = ("--set", "cellulus.crop_px=60") if key == "cellulus.depth" else ()
        assert track("train", "cellulus", "config.toml", "-o", key, "-q", *more, "--set", f"{key}={value}") == 0
        found.add(next(Path(key).glob("weights-*")).name)
    assert next(Path("model").glob("weights-*")).name == next(Path("cellulus.features").glob("weights-*")).name
    assert len(found) == 1 + len(changes)


# ---- what is refused


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("zoom=large", "zoom: must be a number or a list, found 'large'"),
        ("object_size_px=0", "object_size_px: must be larger than 0, found 0"),
        ("refinement=both", "refinement: must be 'none', 'cell' or 'nucleus', found 'both'"),
        ("zooom=1", "zooom: unknown key; did you mean 'zoom'?"),
    ],
)
def test_keys_that_are_refused(dish, capsys, setting, message):
    refused(capsys, f"--set: [cellulus] {message}", *RUN, "--set", f"cellulus.{setting}")


def test_a_model_and_a_method(dish, capsys):
    refused(
        capsys,
        "there is no method 'cellpose' to segment with. Known: cellulus, stardist",
        "segment", "cellpose", *RUN[2:],
    )  # fmt: skip
    refused(
        capsys,
        "01 holds no model written by pintrack: model.json is missing. Name a folder that `track train` wrote",
        *RUN[:4], "01", *RUN[5:],
    )  # fmt: skip


def test_images_alone_are_not_enough_to_track(dish, capsys):
    refused(
        capsys,
        "[data] gives images alone, and this needs detections: give segmentation (masks) or points. "
        "`track segment cellulus` makes masks of images",
        "run", "config.toml",
    )  # fmt: skip


def test_masks_alone_are_not_enough_to_segment(dish, capsys):
    Path("config.toml").write_text(CONFIG.replace('images = "01"', 'segmentation = "true"'))
    refused(capsys, "Cellulus looks at images: give [data] images", *RUN)
    refused(
        capsys, "Cellulus looks at images: give [data] images", "train", "cellulus", "config.toml", "-o", "new",
    )  # fmt: skip


def test_a_truth_that_is_not_there(dish, capsys):
    refused(
        capsys,
        "no masks at truth: there is no truth in .; did you mean true?",
        *RUN, "--truth", "truth",
    )  # fmt: skip
