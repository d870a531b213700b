"""track suggest: strips of pictures and the limits of the orders, on the command line."""

import json
import sys
from pathlib import Path

import pytest
from command_line import refused, track, write_walk
from PIL import Image

from tracker.crop_strip import PANEL_PX

pytestmark = pytest.mark.usefixtures("walk")


def test_crops(capsys):
    assert track("suggest", "config.toml", "--budget", "3", "--crops", "strips") == 0
    assert "wrote 3 suggestions to suggested.csv, a strip of pictures for each to strips\n" in capsys.readouterr().out
    names = sorted(path.name for path in Path("strips").iterdir())
    assert [name[:4] for name in names] == ["0001", "0002", "0003"]
    first = {path.name: path.read_bytes() for path in Path("strips").iterdir()}
    for name in names:
        with Image.open(Path("strips") / name) as strip:
            assert strip.size[0] > 4 * PANEL_PX
    again = ["--overwrite", "--json", "--quiet"]
    assert track("suggest", "config.toml", "--budget", "3", "--crops", "strips", *again) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [item["crop"] for item in listed] == [str(Path("strips") / name) for name in names]
    for item, name in zip(listed, names, strict=True):
        t, label = item["keys"][0]
        assert name[5:] == f"t{t:03d}_label{label:05d}.png"
    assert {path.name: path.read_bytes() for path in Path("strips").iterdir()} == first


def test_crop_size(capsys):
    options = ["--budget", "1", "--overwrite", "-q"]
    assert track("suggest", "config.toml", "--crops", "large", *options) == 0
    assert track("suggest", "config.toml", "--crops", "small", "--crop-size", "8", *options) == 0
    (large,), (small,) = Path("large").iterdir(), Path("small").iterdir()
    assert large.name == small.name
    assert large.read_bytes() != small.read_bytes()
    refused(
        capsys, "--crop-size says how large the crops are; it needs --crops FOLDER",
        "suggest", "config.toml", "--crop-size", "8",
    )  # fmt: skip


def test_what_pins_say_is_not_asked_again(capsys):
    """Answers given by --pins, as often as there are files, and no word of theirs among the questions."""
    header = "kind,t,label,t2,label2,t3,label3,value,note\n"
    Path("one.csv").write_text(header + "children,0,1,1,1,,,true,\n")
    Path("two.csv").write_text(header + "children,0,5,1,5,,,true,\n")
    asked = {}
    for name, given in (("free", []), ("pinned", ["--pins", "one.csv", "--pins", "two.csv"])):
        assert track("suggest", "config.toml", "--output", f"{name}.csv", "--json", *given) == 0
        asked[name] = {tuple(item["keys"][0]) for item in json.loads(capsys.readouterr().out)}
    assert asked["free"] - asked["pinned"] == {(0, 1), (0, 5)}


def test_masks_alone_are_enough():
    Path("config.toml").write_text('[data]\nsegmentation = "masks"\n')
    assert track("suggest", "config.toml", "--budget", "2", "--crops", "strips", "-q") == 0
    assert len(list(Path("strips").iterdir())) == 2


def test_points_alone_cannot_be_shown(capsys):
    Path("points.csv").write_text("id,t,y,x\n1,0,1,1\n2,1,1,2\n")
    Path("config.toml").write_text('[data]\npoints = "points.csv"\n')
    refused(
        capsys,
        "crops need data.images or data.segmentation, and there are only points: give the images of these points, "
        "or leave --crops out",
        "suggest", "config.toml", "--crops", "strips",
    )  # fmt: skip


def test_a_folder_in_use_is_refused_before_any_work(capsys, monkeypatch):
    # The package tracker.cli holds the command under the name of its module.
    module = sys.modules["tracker.cli.suggest"]
    monkeypatch.setattr(module, "prepare", lambda *_: pytest.fail("the movie was read"))
    refused(
        capsys,
        "the folder masks exists already and holds t000.tif, t001.tif, t002.tif, t003.tif. Name another with --crops, "
        "or replace the crops in it with --overwrite",
        "suggest", "config.toml", "--crops", "masks",
    )  # fmt: skip
    Path("suggested.csv").write_text("mine")
    refused(
        capsys, "suggested.csv exists already. Name another file, or replace it with --overwrite",
        "suggest", "config.toml", "--crops", "strips",
    )  # fmt: skip


def frames_asked(capsys: pytest.CaptureFixture[str], *options: str) -> list[int]:
    assert track("suggest", "config.toml", "--overwrite", "--json", *options) == 0
    return [item["keys"][0][0] for item in json.loads(capsys.readouterr().out)]


@pytest.mark.parametrize("order", ["margin", "random", "diverse"])
def test_limits(capsys, order):
    # Two cells in each of three frames that can be asked about.
    assert sorted(frames_asked(capsys, "--order", order, "--budget", "3", "--per-frame", "1", "--per-region", "0")) == [
        0, 1, 2,
    ]  # fmt: skip
    assert sorted(frames_asked(capsys, "--order", order, "--per-frame", "1")) == [0, 0, 1, 1, 2, 2]


def test_per_region(capsys, tmp_path):
    # Both cells of the walk are in one region, and a region ends after five frames.
    write_walk(tmp_path / "long", n_frames=7)
    Path("config.toml").write_text('[data]\nsegmentation = "long/masks"\n')
    first, second = sorted(frames_asked(capsys, "--budget", "2", "--per-region", "1"))
    assert first < 5
    assert second == 5
    unlimited = ["--order", "diverse", "--per-region", "0", "--per-frame", "0"]
    assert frames_asked(capsys, *unlimited) == frames_asked(capsys, "--order", "combined")
