"""ASCENT as commands: trained, asked, priced, tracked one frame after another, and refused."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from learning_files import LOOKS_TERM, about, setting, weights, write_cells  # noqa: E402

from embeddings.table import NodeEmbeddings  # noqa: E402
from tracker.load_result import load_tracks  # noqa: E402
from tracker.sequential import sequential_links  # noqa: E402

SECTION = """
[ascent]
steps = 2
batch_size = 2
patch_px = 16
token_px = 8
width = 12
depth = 1
heads = 2
embedding = 8
set_layers = 1
set_heads = 2
feed_forward = 8
dropout = 0.0
elastic_px = 4.0
validate_steps = 2
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A movie, its config, and a model of it."""
    folder = write_cells(tmp_path_factory.mktemp("ascent") / "place")
    with (folder / "config.toml").open("a") as file:
        file.write(SECTION)
    assert track("train", "ascent", str(folder / "config.toml"), "-q", "-o", str(folder / "looks")) == 0
    return folder


@pytest.fixture(autouse=True)
def _place(made, monkeypatch):
    monkeypatch.chdir(made)


def told(section, **keys):
    """Options that override keys of a section."""
    return [argument for key, value in keys.items() for argument in setting(f"{section}.{key}", value)]


def test_every_key_arrives(tmp_path):
    """Each alone makes other weights; the same config makes the same."""
    keys = {
        "patch_px": 24, "token_px": 4, "zoom": 1.2, "width": 24, "depth": 2, "heads": 3, "mlp_ratio": 2, "pool": "mean",
        "visual_norm": True, "embedding": 16, "positions": "physical", "set_layers": 2, "set_heads": 4,
        "feed_forward": 16, "dropout": 0.5, "projection": 6, "elastic_px": 1.0, "jitter_px": 0.0, "rotation_deg": 10.0,
        "scale": [0.9, 1.1], "brightness": 0.0, "contrast": 0.0, "object_dropout": 0.6, "batch_size": 1,
        "max_detections": 2, "learning_rate": 0.01, "final_rate": 0.0, "weight_decay": 9.0, "temperature": 0.5,
        "negatives": "both_views",
    }  # fmt: skip
    given = ("train", "ascent", "config.toml", "-q", "-o")
    assert track(*given, str(tmp_path / "again")) == 0
    assert weights(tmp_path / "again") == weights("looks")
    found = {"nothing": weights("looks")}
    for key, value in keys.items():
        assert track(*given, str(tmp_path / key), *told("ascent", **{key: value})) == 0
        found[key] = weights(tmp_path / key)
    assert [key for key, one in found.items() if list(found.values()).count(one) > 1] == []


def test_dino_is_named_beside_the_config(tmp_path, capsys):
    torch.save({"head.weight": torch.zeros(1)}, "dino.pth")
    assert (
        track("train", "ascent", "config.toml", "-q", "-o", str(tmp_path / "new"), *told("ascent", dino="dino.pth"))
        == 2
    )
    shown = " ".join(capsys.readouterr().err.split())
    assert "dino.pth is no checkpoint of DINO's backbone that fits this vision transformer: cls_token, " in shown
    assert "head.weight not known" in shown


def test_its_vectors_are_kept_and_priced(tmp_path):
    config = Path("priced.toml")
    config.write_text(
        Path("config.toml").read_text() + LOOKS_TERM + '\n[embeddings]\nmethod = "ascent"\nmodel = "looks"\n'
        f'device = "cpu"\npath = "{tmp_path / "e.npz"}"\n'
    )
    assert track("check", str(config), "-q") == 0
    assert track("embed", "ascent", str(config), "-q") == 0
    table = NodeEmbeddings.load(tmp_path / "e.npz")
    assert table.vector.shape[1] == 8
    np.testing.assert_allclose(np.linalg.norm(table.vector, axis=1), 1.0, atol=1e-5)
    assert track("run", str(config), "-q", "-o", str(tmp_path / "result")) == 0
    report = json.loads((tmp_path / "result" / "run.json").read_text())
    assert report["status"] == "optimal"
    assert "link.embedding_distance" in report["statistics"]
    one = track("run", str(config), "-q", "-o", str(tmp_path / "one"), *told("solver", method="sequential"))
    assert one == 0
    lineage = load_tracks(tmp_path / "one")
    rows = lineage.detections.rows_of(table.key[:, 0], table.key[:, 1])
    assert (rows == np.arange(len(rows))).all()
    assert lineage.links.tolist() == sequential_links(lineage.detections, table.vector).tolist()


def test_another_zoom_makes_other_vectors(tmp_path):
    given = ("embed", "ascent", "config.toml", "-q", "--model", "looks", *told("embeddings", device="cpu"))
    for name, zoom in (("a", 1.0), ("b", 1.3)):
        path = str(tmp_path / f"{name}.npz")
        assert track(*given, "-o", path, *told("embeddings", path=path), *told("ascent", zoom=zoom)) == 0
    one, other = (NodeEmbeddings.load(tmp_path / f"{name}.npz").vector for name in "ab")
    assert not np.allclose(one, other)
    assert about("looks")["config"]["frames"] == {"zoom": 1.0, "dimensions": 2}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"heads": 5}, "[ascent] heads must divide width = 12; found 5"),
        ({"patch_px": 20}, "[ascent] patch_px must be even and a multiple of token_px = 8; found 20"),
        ({"scale": [1.0, 0.5]}, "augmentation: scale is a range of positive numbers, found [1, 0.5]"),
        ({"max_detections": 1}, "batch_size must be at least 1, max_detections at least 2 (or 0 for all) and memory_mb "
                                "not negative, found 2, 1 and 512"),
        ({"widht": 8}, "--set: [ascent] widht: unknown key; did you mean 'width'?"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_go_together(keys, message, tmp_path, capsys):
    refused(capsys, message, "train", "ascent", "config.toml", "-o", str(tmp_path / "new"), *told("ascent", **keys))


def test_cells_out_of_scale_are_said_before_any_work(tmp_path, capsys):
    given = ("--set", 'embeddings.model="looks"', *told("ascent", zoom=9.0))
    for command in (("check", "config.toml"), ("run", "config.toml", "-o", str(tmp_path / "new"))):
        assert track(*command, *given) == 2
        assert "ASCENT sees patches of 16 px, but the cells of" in " ".join(capsys.readouterr().err.split())
