"""track train: from a config to a model folder."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from learning_files import METHODS, TRUTH, about, setting, weights, write_cells  # noqa: E402

from embeddings.methods.load import load_tracking_model  # noqa: E402

# ---- every method


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_leaves(trained, name):
    method, found = METHODS[name], about(name)
    tracks = method in ("attrackt", "trackastra")
    assert found["network"] == ("tracking_transformer" if tracks else method)
    assert found["provenance"]["method"] == method
    assert found["provenance"]["steps"] == (4 if tracks else 3)
    assert Path(found["provenance"]["movies"][0]["name"]).name == "01_SEG"
    if tracks:
        network = load_tracking_model(Path(name), name, 2).network
        assert (network.config.d_model, network.config.window_frames, network.config.features) == (16, 3, 7)
    assert {path.suffix for path in Path(name).iterdir() if path.is_file()} >= {".json", ".csv", ".pt", ".safetensors"}


def test_what_is_printed(place, capsys):
    assert track("train", "trackastra", "config.toml", "--output", "models/told", *TRUTH) == 0
    output = capsys.readouterr()
    assert output.err == ""
    steps, loss, last = output.out.splitlines()
    assert steps.startswith("steps  4 in ")
    assert steps.rstrip().endswith(" s on cpu (finished)")
    assert loss.startswith("loss   0.")
    assert last == 'model in models/told; use it in config.toml with: [associations] model = "models/told"'


def test_keys_of_training_that_are_not_heeded(place, capsys):
    """Told for a method with numbers of its own; attrackt, which heeds them, also trains an auto-encoder."""
    patient = *setting("training.patience", 2), *setting("training.validate_steps", 2)
    for method, own in (("autoencoder", "steps"), ("maester", "steps, validate_steps")):
        assert track("train", method, "config.toml", "-o", method, *patient) == 0
        assert (
            f"WARNING {method} does not heed what [training] says of steps, validate_steps, patience: these are of "
            f"tracking transformers, and [{method}] has its own {own}"
        ) in " ".join(capsys.readouterr().err.split())
    assert track("train", "attrackt", "config.toml", "-o", "scores", *patient) == 0
    assert "heed" not in capsys.readouterr().err
    Path("config.toml").write_text(Path("config.toml").read_text().replace("steps = 4", "clip_norm = 2.0", 1))
    assert track("train", "reid", "config.toml", "-o", "views") == 0
    told = " ".join(capsys.readouterr().err.split())
    assert told == "WARNING reid does not heed what [training] says of clip_norm: these are of tracking transformers"


def test_crops_that_grow_are_told_and_kept(place, capsys):
    """And a training that begins with that model takes them over."""
    small = *setting("windows.crop_px", 20), *setting("windows.shift_px", 10.0)
    for method in ("attrackt", "trackastra"):
        assert track("train", method, "config.toml", "-o", method, "--json", *TRUTH, *small) == 0
        note = json.loads(capsys.readouterr().out)["notes"][0]
        assert note.startswith("cells are sparse: until a crop holds 8 of them a frame (windows.least_cells; 0: never)")
        found = about(method)["provenance"]
        assert found["grown"] > 2
        assert f"windows.crop_px to {found['windows']['crop_px']}, " in note
        assert about(method)["config"]["cutoff_px"] == pytest.approx(90 * found["grown"])
    Path("config.toml").write_text(Path("config.toml").read_text().replace("crop_px = 0\n", ""))
    begin = setting("trackastra.start", "trackastra")
    assert track("train", "trackastra", "config.toml", "-o", "further", "--json", *TRUTH, *begin) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []
    after = about("further")["provenance"]
    for key in ("windows", "augmentation", "grown"):
        assert after[key] == found[key]


def test_the_hint_is_counted_from_the_config(place, capsys, monkeypatch):
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert track("train", "autoencoder", "../config.toml", "-o", "looks") == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        'model in looks; use it in ../config.toml with: [embeddings] model = "elsewhere/looks"'
    )


def test_json_and_quiet(place, capsys):
    Path("config.toml").write_text(Path("config.toml").read_text().replace("[training]\nsteps = 4\n", "[training]\n"))
    assert track("train", "reid", "config.toml", "-o", "views", "--json") == 0
    output = capsys.readouterr()
    found = json.loads(output.out)
    assert output.err == ""
    assert found.pop("loss") > 0
    assert found.pop("seconds") > 0
    assert found == {
        "method": "reid", "model": "views", "stopped": "finished", "steps": 3, "best_step": 3, "device": "cpu",
        "notes": [],
    }  # fmt: skip
    assert track("train", "autoencoder", "config.toml", "-o", "looks", "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_the_config_is_what_is_trained(trained):
    """Sizes, windows and settings arrive; and the same config gives the same weights."""
    assert track("train", "attrackt", "config.toml", "-o", "again", "-q") == 0
    assert weights("again") == weights("model")
    assert weights("again/autoencoder") == weights("model/autoencoder")
    changes = {
        "training.seed": 1,
        "training.learning_rate": 0.01,
        "training.weight_decay": 0.5,
        "training.final_rate": 1.0,
        "training.clip_norm": 0.01,
        "windows.n_frames": 4,
        "windows.crop_px": 60,
        "windows.max_tokens": 6,
        "windows.batch_size": 1,
        "windows.augment": 0,
        "windows.shift_px": 9.0,
        "windows.favour": "nothing",
        "attrackt.transitive_weight": 5.0,
        "attrackt.hidden": 9,
        "attrackt.standardise": "true",
        "attrackt.autoencoder": "views",
    }
    found = {weights("model")}
    for key, value in changes.items():
        assert track("train", "attrackt", "config.toml", "-o", key, "-q", "--set", "attrackt.autoencoder=looks",
                     "--set", f"{key}={value}") == 0  # fmt: skip
        found.add(weights(key))
    assert len(found) == 1 + len(changes)


def test_a_given_autoencoder_is_copied_and_used(trained):
    assert track("train", "attrackt", "config.toml", "-o", "given", "-q", "--set", "attrackt.autoencoder=views") == 0
    assert weights("given/autoencoder") == weights("views")
    assert not Path("given/autoencoder/training.csv").exists()
    assert about("given")["provenance"]["embeddings"] == ["reid"]


def test_further_movies(place, capsys):
    """Their configs say where they lie; of these [data] alone counts."""
    write_cells(Path("second"))
    told = Path("second/points.toml").read_text().replace("[data]", '[data]\ntruth = "points.csv"')
    Path("second/told.toml").write_text(told.replace("d_model = 16", "d_model = 32"))
    given = ("train", "trackastra", "points.toml", "-o", "both", "-q", "--set", "data.truth=points.csv", "--set")
    assert track(*given, 'training.movies=["second/told.toml"]') == 0
    found = about("both")
    assert [movie["name"] for movie in found["provenance"]["movies"]] == ["points.csv", "second/points.csv"]
    assert found["config"]["d_model"] == 16
    refused(
        capsys, "learning from a truth needs data.truth, and the config of second/points.csv has none",
        *given[:4], "new", *given[5:], 'training.movies=["second/points.toml"]',
    )  # fmt: skip
    refused(
        capsys,
        "movies that are learnt together need the same axes and tokens, found (axes, tokens) (2, 0), (2, 7); train on "
        "one kind at a time",
        "train", "trackastra", "config.toml", "-o", "new", *TRUTH, "--set", 'training.movies=["second/told.toml"]',
    )  # fmt: skip


# ---- the truth


def test_the_truth_does_not_reach_attrackt(trained):
    """Neither a true one, nor one that gives the children of a frame to each other's parents; trackastra is taught."""
    lines = [line.split(",") for line in Path("points.csv").read_text().splitlines()]
    frame, parent = (np.array([row[lines[0].index(name)] for row in lines[1:]], int) for name in ("t", "parent_id"))
    for t in range(1, 6):
        parent[frame == t] = np.roll(parent[frame == t], 1)
    rows = [[*row[:-1], str(new)] for row, new in zip(lines[1:], parent, strict=True)]
    Path("wrong.csv").write_text("".join(",".join(row) + "\n" for row in [lines[0], *rows]))
    found = {}
    for method in ("attrackt", "trackastra"):
        for truth in ("points", "wrong"):
            name = f"{method}_{truth}"
            assert track("train", method, "config.toml", "-o", name, "-q", "--set", f"data.truth={truth}.csv") == 0
            found[name] = weights(name)
    assert found["attrackt_points"] == found["attrackt_wrong"] == weights("model")
    assert found["trackastra_points"] == weights("told")
    assert found["trackastra_wrong"] != weights("told")


def test_a_missing_truth(place, capsys):
    refused(
        capsys,
        "learning from a truth needs data.truth, and the config of 01_SEG has none",
        "train", "trackastra", "config.toml", "-o", "told",
    )  # fmt: skip
    refused(
        capsys, "no ground truth at 01_GT/TRB",
        "train", "trackastra", "config.toml", "-o", "told", "--set", "data.truth=01_GT/TRB",
    )  # fmt: skip


# ---- folders


def test_a_folder_that_holds_a_model(trained, capsys):
    refused(
        capsys, "model holds a model already. Name another folder, or go on with it by --resume",
        "train", "attrackt", "config.toml", "-o", "model",
    )  # fmt: skip
    assert track("train", "attrackt", "config.toml", "-o", "model", "--resume", "-q") == 0  # nothing is left to do
    changed = ("train", "attrackt", "config.toml", "-o", "model", "--resume", "--set")
    for section, folder, key, old, new in (
        ("attrackt", "model", "hidden", 8, 9),
        ("autoencoder", "model/autoencoder", "latent", 16, 32),
    ):
        assert track(*changed, f"{section}.{key}={new}") == 1
        assert capsys.readouterr().err == (
            f"error: the training in {folder} cannot be resumed: {key} was {old} and is now {new}. Resume it as it "
            "was, or train into another folder\n"
        )


# ---- points


def test_places_alone(place, capsys):
    """Points have no shape, so the network sees where they are, and no more."""
    told = ("--set", "data.truth=points.csv")
    assert track("train", "trackastra", "points.toml", "-o", "told", "-q", *told) == 0
    assert about("told")["config"]["features"] == 0
    assert track("train", "attrackt", "points.toml", "-o", "model", "-q", "--set", "data.images=01") == 0
    assert about("model")["config"]["features"] == 0
    for name in ("told", "model"):
        assert track("run", "points.toml", "-o", f"result_{name}", "-q", "--set", f"associations.model={name}",
                     "--set", "associations.device=cpu") == 0  # fmt: skip
        assert Path(f"result_{name}.associations.npz").exists()
    refused(
        capsys, "the auto-encoder needs data.images: give the images of points.csv",
        "train", "attrackt", "points.toml", "-o", "blind",
    )  # fmt: skip
