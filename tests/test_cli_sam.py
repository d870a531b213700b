"""SAM from the command line: a file of weights made by others gives vectors, and is not trained."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from learning_files import LOOKS_TERM, cells, setting  # noqa: E402
from sam_cases import checkpoint  # noqa: E402
from upsampler_cases import Bilinear, Guided, saved  # noqa: E402

from embeddings.table import NodeEmbeddings  # noqa: E402

EMBEDDINGS = '\n[embeddings]\nmethod = "sam"\nmodel = "weights/sam.pth"\ndevice = "cpu"\n'


@pytest.fixture(autouse=True)
def _place(place):
    """The current folder: a movie, a config, and a checkpoint beside it."""
    Path("weights").mkdir()
    checkpoint(Path("weights/sam.pth"))


def add(text):
    with Path("config.toml").open("a") as file:
        file.write(text)


def vectors():
    return NodeEmbeddings.load(Path("result.embeddings.npz")).vector


def test_vectors_of_detections(capsys):
    given = ("embed", "sam", "config.toml", "--model", "weights/sam.pth", "--json")
    assert track(*given, *setting("embeddings.device", "cpu"), *setting("embeddings.path", "v.npz")) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert json.loads(output.out) == {"method": "sam", "table": "v.npz", "kind": "detections", "rows": 38}
    table, made = NodeEmbeddings.load(Path("v.npz")), cells()
    assert (table.method, table.vector.shape) == ("sam", (38, 6))
    assert table.key.tolist() == np.column_stack([made.nuclei.frame, made.label]).tolist()
    assert table.provenance["embedding"]["aggregation"] == "mask_mean"


def test_a_run_computes_them_and_computes_them_anew_when_asked_otherwise():
    add(EMBEDDINGS + LOOKS_TERM)
    assert track("check", "config.toml", "-q") == 0
    assert not Path("result.embeddings.npz").exists()
    assert track("run", "config.toml", "-q") == 0
    first, before = vectors(), Path("result.embeddings.npz").stat().st_mtime_ns
    assert track("run", "config.toml", "-q", "--overwrite") == 0
    assert Path("result.embeddings.npz").stat().st_mtime_ns == before
    assert track("run", "config.toml", "-q", "--overwrite", *setting("sam.aggregation", "centroid")) == 0
    centroid = vectors()
    assert not np.allclose(centroid, first)
    checkpoint(Path("weights/sam.pth"), seed=7)
    assert track("run", "config.toml", "-q", "--overwrite", *setting("sam.aggregation", "centroid")) == 0
    assert not np.allclose(vectors(), centroid)


def test_another_upsampler_under_the_same_name_is_noticed():
    add(EMBEDDINGS + '\n[sam]\nupsampler = "anyup"\nupsampler_path = "weights/up.pt"\n')
    saved(Bilinear(), Path("weights/up.pt"))
    assert track("embed", "sam", "config.toml", "-q") == 0
    first = vectors()
    saved(Guided(), Path("weights/up.pt"))
    assert track("embed", "sam", "config.toml", "-q") == 0
    assert not np.allclose(vectors(), first)


# ---- what is refused


def test_it_is_not_trained_here(capsys):
    message = (
        'sam is not trained here: give [embeddings] method = "sam" and, as model, weights that were published for it'
    )
    refused(capsys, message, "train", "sam", "config.toml", "-o", "model")


def test_a_file_of_weights_without_a_method(capsys):
    add(EMBEDDINGS.replace('method = "sam"\n', "") + LOOKS_TERM)
    message = (
        'embeddings.model is a file, weights/sam.pth: say what reads it, as in method = "sam"; or name a folder that '
        "`track train` wrote"
    )
    for command in ("check", "run"):
        refused(capsys, message, command, "config.toml", "-q")


def test_mistakes_are_told_before_anything_is_encoded(capsys):
    add(EMBEDDINGS + LOOKS_TERM)
    cases = [
        ({"sam.zoom": -1.0}, "--set: [sam] zoom: must be larger than 0, found -1.0"),
        ({"sam.upsampler": "anyup"}, 'upsampler = "anyup" needs upsampler_path, a TorchScript file of AnyUp'),
        (
            {"sam.upsampler": "anyup", "sam.upsampler_path": "weights/up.pt"},
            "the weights weights/up.pt cannot be read: No such file or directory",
        ),
    ]
    for changes, message in cases:
        changed = [option for key, value in changes.items() for option in setting(key, value)]
        for command in ("check", "run"):
            refused(capsys, message, command, "config.toml", "-q", *changed)
    assert track("check", "config.toml", "-q", *setting("sam.zoom", 0.1)) == 2
    assert "they must be larger than a patch and smaller than what it sees. Set zoom = " in capsys.readouterr().err
