"""`track view` where it cannot open a window, and what the page about it says."""

import importlib.util
import json
from pathlib import Path

import pytest
from command_line import refused, track, write_walk

from tracker.view import display
from tracker.view.keys import CLICK_SAYS, DIGITS_SAY, KEYS

ROOT = Path(__file__).parents[1]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    write_walk(tmp_path / "movie")
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "walk.toml"
    place.write_text('[data]\nsegmentation = "movie/masks"\n[costs]\npreset = "attrackt"\n')
    return place


def test_without_napari(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "napari" else find(name))
    refused(
        capsys,
        '`track view` needs the package napari, which is not installed. Install it with: pip install "pintrack[view]"',
        "view",
        "walk.toml",
    )


def test_without_a_display(config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(display.sys, "platform", "linux")
    advice = "Run it where you see a desktop (over ssh: ssh -X, or a remote desktop), or look at `track run --plot`"
    refused(
        capsys,
        f"`track view` opens a window, and there is no display here (DISPLAY is not set). {advice}",
        "view",
        "walk.toml",
    )
    monkeypatch.setenv("DISPLAY", ":987")  # nobody is there; Qt would end the program
    assert track("view", "walk.toml") == 2
    said = capsys.readouterr().err
    assert "error: `track view` cannot open a window here: " in said or "no OpenGL" in said
    assert advice in said


def test_what_is_wrong_with_the_input(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tracker.cli.view.require_viewer", lambda: None)
    refused(
        capsys,
        "--order must be one of margin, confidence, combined, random, diverse, found 'best'",
        "view",
        "walk.toml",
        "--order",
        "best",
    )
    refused(
        capsys,
        f"the pins cannot go to {config.parent / 'movie'}: it is a folder. Name a file with --pins",
        "view",
        "walk.toml",
        "--pins",
        config.parent / "movie",
    )
    (config.parent / ".walk_pins.csv.journal").write_text(json.dumps({"format": 2, "version": "8"}) + "\n")
    assert track("view", "walk.toml") == 2
    assert "written by pintrack 8" in capsys.readouterr().err
    (config.parent / ".walk_pins.csv.journal").unlink()
    lines = ["kind,t,label,t2,label2,value", "link,0,1,1,1,true", "link,0,1,1,1,false"]
    (config.parent / "walk_pins.csv").write_text("\n".join(lines) + "\n")
    assert track("view", "walk.toml") == 3
    assert "walk_pins.csv line 2 links 0:1 to 1:1" in capsys.readouterr().err
    refused(
        capsys,
        "there is no run.json in movie, so it is no result folder. Give one that `track run` wrote",
        "view",
        "movie",
    )
    assert track("run", "walk.toml", "--quiet") == 0  # a result holds its config; its pins lie beside it
    (config.parent / "result_pins.csv").write_text("\n".join(lines) + "\n")
    assert track("view", "result") == 3
    assert "result_pins.csv line 2 links 0:1 to 1:1" in capsys.readouterr().err
    (config.parent / "result" / "run.json").write_text(json.dumps({"config": {}}))
    refused(
        capsys,
        "result is no result folder of `track run`: there is no config_folder in its run.json",
        "view",
        "result",
    )


def test_what_moved_since_the_run(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tracker.cli.view.require_viewer", lambda: None)
    config.write_text(config.read_text().replace("[data]", '[data]\nimages = "movie/images"'))
    assert track("run", "walk.toml", "--quiet") == 0
    (config.parent / "movie" / "images").rename(config.parent / "movie" / "pictures")
    assert track("view", "result") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: what result was made from cannot be opened now (no images at ")
    assert "If it moved, say where it is with --set data.images=PATH" in said
    assert not (config.parent / ".result_pins.csv.journal").exists()


def test_the_page_names_every_key() -> None:
    page = (ROOT / "docs" / "view.md").read_text()
    for key in KEYS:
        shown = f"`{key.names[0]}`"
        assert shown in page, key
    for says in (DIGITS_SAY, CLICK_SAYS, *(key.says for key in KEYS if key.names[0] in "CELFRS")):
        assert f"| {says} |" in page
