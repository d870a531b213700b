"""track train: mistakes are told before anything is trained, and nothing is written."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track, tree  # noqa: E402
from learning_files import GIVE_VECTORS, TRUTH, about, weights  # noqa: E402

from tracker.config_scores import TRAINED_METHODS  # noqa: E402

NO_METHOD = f"there is no method 'atrackt' to train. Known: {', '.join(TRAINED_METHODS)}"


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("atrackt", {}, NO_METHOD),
        ("attrackt", {"training.stepps": 3}, "--set: [training] stepps: unknown key; did you mean 'steps'?"),
        ("attrackt", {"window.n_frames": 3}, "--set: [window]: unknown section; did you mean 'windows'?"),
        ("attrackt", {"windows.n_frames": 1}, "--set: [windows] n_frames: must be at least 2, found 1"),
        ("attrackt", {"windows.favour": "all"}, "--set: [windows] favour: must be 'auto', 'divisions', 'detections' or "
         "'nothing', found 'all'"),
        ("attrackt", {"training.learning_rate": 0}, "--set: [training] learning_rate: must be larger than 0, found 0"),
        ("attrackt", {"training.device": "gpu"},
         "--set: [training] device: must be 'auto', 'cpu', 'cuda' or 'mps', found 'gpu'"),
        ("attrackt", {"training.patience": 3}, "training.patience counts looks at whole windows, and without "
         "training.validate_steps there are none; give both"),
        ("attrackt", {"network.d_model": 18},
         "d_model of a tracking transformer must be a multiple of twice the heads, found d_model 18 with 2 heads"),
        ("attrackt", {"windows.n_frames": 9}, "a window of 9 frames needs a movie at least as long, but 01_SEG has 6 "
         "frames; use a longer movie or a smaller window"),
        ("attrackt", {"windows.favour": "divisions"},
         "windows with divisions cannot be favoured: 01_SEG has no truth; give it, or favour detections"),
        ("attrackt", {"attrackt.autoencoder": "nowhere"}, "nowhere holds no model written by pintrack: model.json is "
         "missing. Name a folder that `track train` wrote"),
        ("reid", {"reid.patch_px": [15, 16]},
         "[reid] patch_px must be two or three sizes out of [4, 8, 16], the largest 16; found (15, 16)"),
        ("autoencoder", {"autoencoder.latent": 17}, "[autoencoder] latent must be a positive multiple of 16; found 17"),
        ("attrackt", {"network.normalisation": "softmax"},
         "attrackt learns with network.normalisation = \"quiet_softmax\" alone, found 'softmax'; leave it out"),
        ("attrackt", {"data.images": "nowhere"}, "no images at nowhere: there is no nowhere in ., which holds 01, "
         "01_GT, 01_SEG, config.toml, points.csv, points.toml"),
        ("attrackt", {"training.movies": ["other.toml"]},
         "other.toml does not exist. `track init FOLDER` writes a config for a folder"),
    ],
)  # fmt: skip
def test_what_is_refused_before_anything_is_trained(place, capsys, method, changes, message):
    given = [argument for key, value in changes.items() for argument in ("--set", f"{key}={json.dumps(value)}")]
    refused(capsys, message, "train", method, "config.toml", "-o", "model", *given)


def test_pins_are_for_finetuning(place, capsys):
    refused(
        capsys, "--pins are for finetune; attrackt learns without them: leave them out",
        "train", "attrackt", "config.toml", "-o", "model", "--pins", "nowhere.csv",
    )  # fmt: skip


def test_models_of_the_wrong_kind(trained, capsys):
    refused(
        capsys, f"told holds a tracking_transformer, which gives no vectors: name a model of {GIVE_VECTORS}",
        "train", "attrackt", "config.toml", "-o", "new", "--set", "attrackt.autoencoder=told",
    )  # fmt: skip
    refused(
        capsys, "looks holds a network of the kind autoencoder, wanted tracking_transformer: name another model folder",
        "train", "trackastra", "config.toml", "-o", "new", *TRUTH, "--set", "trackastra.start=looks",
    )  # fmt: skip


def test_places_that_are_no_folders(place, capsys):
    refused(
        capsys, "points.csv is a file, wanted a folder for the model",
        "train", "reid", "config.toml", "-o", "points.csv",
    )  # fmt: skip
    refused(
        capsys, "points.csv is a file, wanted no file above the folder for the model",
        "train", "reid", "config.toml", "-o", "points.csv/model",
    )  # fmt: skip


def test_a_start_decides_the_sizes(trained, tmp_path):
    """[network] and the length of windows need not be repeated."""
    more = ("--set", "trackastra.start=told", "--set", "network.d_model=64", "--set", "windows.n_frames=5")
    assert track("train", "trackastra", "config.toml", "-o", "on", "-q", *TRUTH, *more) == 0
    config = about("on")["config"]
    assert (config["d_model"], config["window_frames"]) == (16, 3)
    assert about("on")["provenance"]["windows"]["n_frames"] == 3
    assert weights("on") != weights("told")


def test_without_torch(place, capsys, monkeypatch):
    monkeypatch.setattr("tracker.prepare.importlib.util.find_spec", lambda name: None)
    before = tree(Path())
    assert track("train", "attrackt", "config.toml", "-o", "model") == 2
    assert capsys.readouterr().err == (
        "error: track train attrackt needs the package torch, which is not installed. "
        'Install it with: pip install "pintrack[learn]"\n'
    )
    assert tree(Path()) == before
