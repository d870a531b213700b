"""The result folder on the command line: nothing is lost, nothing is left half written."""

import errno
import os
from pathlib import Path

import pytest
from command_line import refused, track

import tracker.io.result
from tracker.io.tracks_csv import read_tracks_csv

MASKS = '[data]\nsegmentation = "masks"\n'


@pytest.fixture(autouse=True)
def folder(walk: Path) -> Path:
    """The current folder, holding images/, masks/ and a config that names the masks alone."""
    (walk / "config.toml").write_text(MASKS)
    return walk


def test_an_existing_result_stays(capsys):
    assert track("run", "config.toml", "-q") == 0
    refused(
        capsys,
        f"the result folder {Path('result').resolve()} exists already. Name another [output] path, or replace it "
        "with --overwrite",
        "run", "config.toml",
    )  # fmt: skip
    Path("result/notes.txt").write_text("mine")
    assert track("run", "config.toml", "--overwrite", "--set", "data.frames=[0,2]", "-q") == 0
    assert len(read_tracks_csv(Path("result/tracks.csv")).t) == 4
    assert Path("result/notes.txt").read_text() == "mine"


def test_a_folder_that_is_no_result_is_never_overwritten(capsys):
    message = (
        f"{Path('images').resolve()} will not be overwritten: it is no earlier result (it has no run.json) but holds "
        "t000.tif, t001.tif, t002.tif, t003.tif. Name another [output] path, or empty this folder yourself"
    )
    refused(capsys, message, "run", "config.toml", "--output", "images", "--overwrite")


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("writer", ["write_tracks_csv", "write_geff", "write_ctc", "write_json"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_disk_full(capsys, monkeypatch, writer, overwrite):
    Path("config.toml").write_text(MASKS + '[output]\npath = "new/result"')
    if overwrite:
        assert track("run", "config.toml", "-q") == 0
    monkeypatch.setattr(tracker.io.result, writer, full_disk)
    refused(
        capsys,
        f"the result cannot be written to {Path('new/result').resolve()}: No space left on device. Everything there "
        "is as it was. Free some space, or name an [output] path on another disk",
        "run", "config.toml", *(["--overwrite"] if overwrite else []),
    )  # fmt: skip
    assert Path("new").exists() == overwrite


def half_a_config(path: Path, text: str, **options: str) -> int:
    if ".toml" in path.name:
        with path.open("w", **options) as file:
            file.write(text[:100])
        full_disk()
    return path.write_bytes(text.encode())


def test_disk_full_as_a_config_is_written(capsys, folder, monkeypatch):
    monkeypatch.setattr(Path, "write_text", half_a_config)
    refused(
        capsys,
        "the config cannot be written to config.toml: No space left on device. Name another place with --output",
        "init", "--overwrite",
    )  # fmt: skip
    assert track("run", "--segmentation", "masks", "--output", "new") == 2
    assert capsys.readouterr() == (
        "",
        f"error: the result is complete in {folder}/new, but the config cannot be written to {folder}/new.toml: "
        "No space left on device. Name another place with --output\n",
    )
    assert sorted(path.name for path in folder.iterdir()) == ["config.toml", "images", "masks", "new"]
    assert (folder / "new/run.json").is_file()
