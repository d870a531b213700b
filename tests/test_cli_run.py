"""track run, with a config and without one."""

import json
import sys
from pathlib import Path

import pytest
from command_line import WALK_CONFIG, refused, track, tree

from tracker.io.tracks_csv import read_tracks_csv

pytestmark = pytest.mark.usefixtures("walk")

HEADER = "kind,t,label,t2,label2,t3,label3,value,note\n"


# ---- without a config


def test_a_run_without_config_leaves_one_that_repeats_it(capsys, walk):
    assert track("run", "--images", "images", "--segmentation", "masks", "--output", "out/result") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"result in {walk}/out/result, its config in {walk}/out/result.toml"
    assert sorted(path.name for path in Path("out").iterdir()) == ["result", "result.toml"]
    text = Path("out/result.toml").read_text()
    assert 'images = "../images" ' in text
    assert 'path = "result" ' in text
    first = tree(Path("out/result"))
    assert track("run", "out/result.toml", "-q") == 2
    assert track("run", "out/result.toml", "--overwrite", "-q") == 0
    again = tree(Path("out/result"))
    assert first.keys() == again.keys()
    changed = {name for name in first if first[name] != again[name]}
    assert changed == {"run.json"}  # seconds and memory
    configs = [json.loads(content["run.json"])["config"] for content in (first, again)]
    assert configs[0] == configs[1]


def test_points_without_config(capsys, walk):
    (walk / "cells.csv").write_text("id,t,y,x\n4,0,1,1\n2,1,1,2\n")
    assert track("run", "--points", "cells.csv", "--set", "data.unit=micrometer", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert 'unit = "micrometer"' in Path("result.toml").read_text()
    table = Path("result/tracks.csv").read_text().splitlines()
    assert table == ["id,t,y,x,label,track_id,parent_id,margin,margin_in", *table[1:]]
    assert [line.split(",")[:7] for line in table[1:]] == [
        ["4", "0", "1.0", "1.0", "4", "1", "-1"],
        ["2", "1", "1.0", "2.0", "2", "1", "4"],
    ]
    assert not Path("result/ctc").exists()


def test_a_run_without_config_refuses(capsys, walk):
    refused(capsys, "give a config file, or --segmentation (with --images), or --points", "run", "--images", "images")
    refused(
        capsys,
        "--images, --points cannot be combined with a config file; set it there, or with --set data.images=PATH",
        "run", "config.toml", "--images", "images", "--points", "a.csv",
    )  # fmt: skip
    refused(
        capsys,
        "options: [data]: give either segmentation (masks) or points, found both",
        "run", "--segmentation", "masks", "--points", "a.csv",
    )  # fmt: skip
    (walk / "result.toml").write_text("mine")
    refused(
        capsys,
        f"{walk}/result.toml exists already. Name another --output, or replace it with --overwrite",
        "run", "--segmentation", "masks",
    )  # fmt: skip


# ---- with a config


def test_set_overrides_the_file(capsys):
    settings = ["data.frames=[1, 4]", "data.unit=µm", "candidates.divisions=none", 'output.path="else where"']
    assert track("run", "config.toml", "--json", *(part for text in settings for part in ("--set", text))) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["config"]["data"]["frames"] == [1, 4]
    assert report["config"]["data"]["unit"] == "µm"
    assert report["counts"]["divisions"] == 0
    assert read_tracks_csv(Path("else where/tracks.csv")).t.tolist() == [1, 1, 2, 2, 3, 3]


def test_set_names_itself_when_it_is_wrong(capsys):
    refused(
        capsys,
        "--set: [solver] gapp: unknown key; did you mean 'gap'?",
        "run", "config.toml", "--set", "solver.gapp=0",
    )  # fmt: skip
    refused(
        capsys,
        "--set wants section.key=VALUE, such as solver.gap=0.01, found 'gap=0'",
        "check", "config.toml", "--set", "gap=0",
    )  # fmt: skip


def test_output_is_counted_from_the_current_folder(walk, monkeypatch):
    (walk / "elsewhere").mkdir()
    monkeypatch.chdir(walk / "elsewhere")
    assert track("run", "../config.toml", "--output", "mine", "-q") == 0
    assert track("run", "../config.toml", "-q") == 0
    assert (walk / "elsewhere/mine/run.json").is_file()
    assert (walk / "result/run.json").is_file()


def test_plot(walk):
    assert track("run", "config.toml", "--plot", "-q") == 0
    assert (walk / "result/overview.png").read_bytes().startswith(b"\x89PNG")
    assert "overview.png" in json.loads((walk / "result/run.json").read_text())["files"]


def test_plot_without_matplotlib_is_told_before_the_work(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("tracker.pipeline.solve_pinned", None)
    assert track("run", "config.toml", "--plot") == 2
    assert 'pip install "pintrack[plot]"' in capsys.readouterr().err


# ---- with pins


def test_run_with_pins(capsys, tmp_path):
    (tmp_path / "config.toml").write_text('[data]\nsegmentation = "masks"\n[annotations]\npins = ["a.csv"]\n')
    (tmp_path / "a.csv").write_text(HEADER + "link,0,1,1,5,,,true,crossing\nlink,1,1,2,1,,,?,\n")
    assert track("run", "config.toml") == 0
    assert "pins        1 honoured; 1 not answered yet" in capsys.readouterr().out
    lines = [line.split(",") for line in (tmp_path / "result" / "tracks.csv").read_text().splitlines()]
    parent = {(row[1], row[4]): row[6] for row in lines[1:]}
    identity = {(row[1], row[4]): row[0] for row in lines[1:]}
    assert parent["1", "5"] == identity["0", "1"]

    before = tree(tmp_path)
    (tmp_path / "b.csv").write_text(HEADER + "\nlink,0,5,1,5,,,true,\n")
    assert track("run", "config.toml", "--pins", "b.csv", "--overwrite") == 3
    error = capsys.readouterr().err
    assert "a.csv line 2 links 0:1 to 1:5, b.csv line 3 links 0:5 to 1:5: a detection has one parent" in error
    (tmp_path / "b.csv").unlink()
    assert tree(tmp_path) == before


# ---- what is no config


def test_a_table_of_points_is_no_config(capsys, walk):
    hint = "For a table of points use --points cells.csv, or track init cells.csv"
    (walk / "cells.csv").write_text("id,t,y,x\n1,0,5,5\n")
    assert track("run", "cells.csv") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: cells.csv is not valid TOML: ")
    assert error.endswith(f"). {hint}\n")
    (walk / "cells.geff").mkdir()
    message = f"cells.geff is a folder, wanted a config file. {hint.replace('csv', 'geff')}"
    refused(capsys, message, "run", "cells.geff")


def test_single_numbers_of_auto_need_the_others(capsys, walk):
    message = (
        "--set: [costs] measured: single numbers can only be changed where all are given; freeze them first with "
        "`track init FOLDER --measure`"
    )
    refused(capsys, message, "run", "config.toml", "--set", "costs.measured.division_rate=0.02")
    single = "costs.measured.properties.size.mean=2"
    refused(capsys, message, "run", "config.toml", "--set", single)
    mixed = (*("--set", "costs.measured.division_rate=2"), *("--set", single))
    assert track("run", "config.toml", *mixed) == 2
    error = capsys.readouterr().err
    assert error.count("freeze them first") == 1
    assert "must be given" not in error
    (walk / "frozen.toml").write_text(WALK_CONFIG + "[costs.measured]\nstep_scale = 1.0\n")
    assert track("run", "frozen.toml", "--set", "costs.measured.division_rate=0.02") == 2
    assert "[costs] measured step_tail: must be given" in capsys.readouterr().err
