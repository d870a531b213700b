"""track init: a commented config that runs as it is, for whatever layout the folder has."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
import tifffile
from command_line import MASK, refused, track, tree, write_walk

from tracker.config import Config, Term
from tracker.config_measured import Measured, MeasuredProperty
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import write_movie


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_data(path="config.toml"):
    return tomllib.loads(Path(path).read_text(encoding="utf-8"))["data"]


def runs(config="config.toml"):
    assert track("check", config, "-q") == 0
    assert track("run", config, "-q") == 0
    return json.loads((Path(config).parent / "result/run.json").read_text())


@pytest.fixture
def challenge() -> Path:
    """A folder of the Cell Tracking Challenge with truth, and a second movie without masks."""
    movie = simulate(SimulationSettings(n_frames=4, shape=(48, 48), n_cells=3), seed=2)
    write_movie(movie, "movie")
    shutil.copytree("movie/01", "movie/02")
    return Path("movie")


def test_challenge_folder(challenge, capsys):
    assert track("init", "movie") == 0
    assert capsys.readouterr() == ("wrote config.toml; now: track run config.toml\n", "")
    assert read_data() == {
        "images": "movie/01",
        "segmentation": "movie/01_SEG",
        "truth": "movie/01_GT/TRA",
        "unit": "pixel",
        "every": 1,
        "channel": 0,
    }
    assert runs()["status"] == "optimal"
    assert json.loads(Path("result/metrics.json").read_text())["DET"] == 1


def test_current_folder(challenge, monkeypatch):
    monkeypatch.chdir(challenge)
    assert track("init", "-q") == 0
    assert read_data()["segmentation"] == "01_SEG"


def test_config_elsewhere_counts_paths_from_there(challenge, monkeypatch):
    assert track("init", "movie", "--output", "configs/deep/first.toml", "-q") == 0
    assert read_data("configs/deep/first.toml")["images"] == "../../movie/01"
    Path("other").mkdir()
    monkeypatch.chdir("other")
    assert runs("../configs/deep/first.toml")["counts"]["selected_detections"] > 0
    assert track("init", "../movie", "--output", "../configs", "-q") == 0
    assert read_data("../configs/config.toml")["images"] == "../movie/01"


def test_several_movies(challenge, capsys):
    shutil.copytree("movie/01_SEG", "movie/02_SEG")
    assert track("init", "movie") == 0
    assert capsys.readouterr().err == "note: found the movies 01, 02; took 01 (another: --sequence NAME)\n"
    assert track("init", "movie", "--sequence", "02", "--overwrite") == 0
    assert capsys.readouterr().err == ""
    assert read_data()["images"] == "movie/02"
    refused(capsys, "--sequence 03: no such movie; found 01, 02", "init", "movie", "--sequence", "03", "-o", "new.toml")


def test_images_and_masks(capsys):
    write_walk(Path("dish 1"))
    assert track("init", "dish 1", "-q") == 0
    data = read_data()
    assert (data["images"], data["segmentation"]) == ("dish 1/images", "dish 1/masks")
    assert "truth" not in data
    assert runs()["counts"]["selected_links"] == 6


@pytest.mark.parametrize(
    ("image", "options", "reason"),
    [
        (
            MASK[:, :20],
            {},
            "images and masks must have one shape ([z,] y, x); found (20, 20) in images and (20, 24) in masks",
        ),
        (
            MASK[:, :20].repeat(3).reshape(20, 20, 3).astype("uint8"),
            {"photometric": "rgb"},
            "images must have one value per pixel; found a colour (RGB) image in images/t000.tif (axes YXS of sizes "
            "20 x 20 x 3). Save the channel to be used as a greyscale image",
        ),
    ],
)
def test_images_that_do_not_fit_are_left_out(capsys, image, options, reason):
    write_walk(Path())
    for path in Path("images").iterdir():
        tifffile.imwrite(path, image, **options)
    assert track("init") == 0
    assert capsys.readouterr().err == f"note: left the images out: {reason}\n"
    assert "images" not in read_data()
    assert runs()["counts"]["selected_links"] == 6


@pytest.mark.parametrize("argument", ["points", "points/cells.csv"])
def test_points(argument):
    Path("points").mkdir()
    Path("points/cells.csv").write_text("id,t,y,x\n1,0,1,1\n2,1,1,2\n")
    assert track("init", argument, "-q") == 0
    assert read_data()["points"] == "points/cells.csv"
    assert runs()["counts"]["selected_links"] == 1


def test_every_key_is_there_with_its_meaning(challenge):
    assert track("init", "movie", "-q") == 0
    text = Path("config.toml").read_text(encoding="utf-8")
    for name, described in Config.model_fields.items():
        start = re.search(rf"^(# )?\[{name}\]$", text, re.MULTILINE)
        assert start, name
        section = text[start.end() :].split("\n[")[0]
        models = [described.annotation, *getattr(described.annotation, "__args__", ())]
        for key, inner in next(model for model in models if hasattr(model, "model_fields")).model_fields.items():
            if key not in ("terms", "measured", "motile"):  # tables of their own
                line = next(line for line in section.splitlines() if re.match(rf"(# )?{key} =", line))
                assert inner.description, key
                assert line.endswith(f"# {inner.description}"), key
    for key, inner in Term.model_fields.items():
        assert re.search(rf"^# {key} = .*# {re.escape(inner.description)}$", text, re.MULTILINE), key


def test_measured_numbers_are_frozen(challenge, capsys):
    """With their meanings; they are those of a run that measures, and its lineage comes of them."""
    assert track("init", "movie", "-q") == 0
    measuring = runs()
    shutil.move("result/tracks.csv", "before.csv")
    shutil.rmtree("result")
    assert track("init", "movie", "--measure", "--output", "frozen.toml") == 0
    note = "note: measured on too little (9 links): the numbers of the preset auto are starting values (docs/auto.md)\n"
    assert capsys.readouterr() == ("wrote frozen.toml; now: track run frozen.toml\n", note)
    text = Path("frozen.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["costs"]["measured"] == measuring["measured"]
    for model in (Measured, MeasuredProperty):
        for key, inner in model.model_fields.items():
            if key != "properties":
                assert re.search(rf"^{key} = .*# {re.escape(inner.description)}$", text, re.MULTILINE), key
    frozen = runs("frozen.toml")
    assert frozen["measured"] == frozen["config"]["costs"]["measured"] == measuring["measured"]
    assert measuring["config"]["costs"]["measured"] is None
    assert frozen["objective"] == pytest.approx(measuring["objective"], rel=1e-12)
    assert Path("result/tracks.csv").read_bytes() == Path("before.csv").read_bytes()


def test_what_is_commented_out_can_be_switched_on(challenge):
    assert track("init", "movie", "-q") == 0
    text = Path("config.toml").read_text()
    text = text.replace("# scale =", "scale = [0.5, 0.5]", 1).replace("# frames =", "frames = [0, 3]", 1)
    for line in ("[[costs.terms]]", 'on = "link"', 'feature = "overlap"', "weight = -1.0", 'standardise = "zscore"'):
        assert f"\n# {line}" in text
        text = text.replace(f"\n# {line}", f"\n{line}")
    Path("config.toml").write_text(text)
    config = runs()["config"]
    assert config["data"]["scale"] == [0.5, 0.5]
    assert config["costs"]["terms"] == [
        {"on": "link", "feature": "overlap", "weight": -1.0, "standardise": "zscore"},
    ]  # fmt: skip


def test_an_existing_config_stays(challenge, capsys):
    Path("config.toml").write_text("mine")
    refused(
        capsys,
        "config.toml exists already. Name another with --output, or replace it with --overwrite",
        "init", "movie",
    )  # fmt: skip
    assert track("init", "movie", "--overwrite", "-q") == 0
    assert sorted(tree(Path())) == sorted(["config.toml", *(f"movie/{name}" for name in tree(challenge)), "movie"])


def test_nothing_to_track(capsys):
    Path("empty").mkdir()
    Path("odd").mkdir()
    for number in range(10):
        Path(f"odd/{number}.txt").touch()
    wanted = (
        "wanted folders such as images + masks, or 01 + 01_SEG (Cell Tracking Challenge), or one table of points; found"
    )
    refused(capsys, f"no images with masks found in empty: {wanted} nothing", "init", "empty")
    refused(
        capsys,
        f"no images with masks found in odd: {wanted} "
        "0.txt, 1.txt, 2.txt, 3.txt, 4.txt, 5.txt, 6.txt, 7.txt ...",
        "init", "odd",
    )  # fmt: skip
    refused(
        capsys,
        "there is no folder nowhere. Give a folder of images and masks, or a table of points",
        "init", "nowhere",
    )  # fmt: skip
    Path("my.toml").touch()
    refused(
        capsys,
        "my.toml is a file, wanted a folder of images and masks, or a table of points (.csv, .tsv, .xml, .geff)",
        "init", "my.toml",
    )  # fmt: skip
    Path("cells.csv").write_text("name,age\nada,3\n")
    refused(
        capsys,
        "a point table needs a header that names the columns t, [z,] y, x and may name id and parent_id; cells.csv has "
        "no t, y, x (its first line: 'name,age')",
        "init", "cells.csv",
    )  # fmt: skip


def test_float_masks_are_refused_at_once(capsys):
    write_walk(Path())
    for path in Path("masks").iterdir():
        tifffile.imwrite(path, MASK.astype("float32"))
    refused(
        capsys,
        "label masks must be integers; found float32 in masks/t000.tif. If these are labels, save them as uint16 or "
        "uint32; if they are images, name them as images",
        "init",
    )  # fmt: skip
