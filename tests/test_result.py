"""The result folder: complete or absent, and nobody's data lost."""

import errno
import json
import os
import resource
import stat
import tempfile
from pathlib import Path
from typing import Any

import geff
import numpy as np
import pytest
from memory_movie import case, strip

from tracker.errors import InputError, OutputError
from tracker.io import result as module
from tracker.io.result import ResultTables, refuse_existing, write_json, write_result
from tracker.io.tracks_csv import read_tracks_csv

# Row 0 divides into rows 2 and 3; row 1 goes on as row 4.
FOUND, MASKS = case({0: strip(5, 9), 1: strip(2, 4, 7)}, [(0, 2), (0, 3), (1, 4)])
TABLES = ResultTables(
    FOUND, {"margin": np.array([np.inf, 1.0, 2.0, 3.0, 4.0])}, {"cost": np.array([0.5, -1.0, np.nan])}
)
REPORT = {"status": "optimal", "objective": -1.5, "bound": float("-inf"), "gap": np.float64(0.25)}


def write(folder: Path, **changes: Any) -> None:
    arguments: dict[str, Any] = {"masks": MASKS, "report": REPORT, "metrics": None, "overwrite": False}
    write_result(folder, TABLES, **{**arguments, **changes})


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below `folder`: bytes of the files, None for folders."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


def fail_with(error: BaseException) -> Any:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it


def test_a_result_with_masks_is_complete(tmp_path: Path) -> None:
    write(tmp_path / "result", metrics={"TRA": 1.0, "division_f1": float("nan")})
    assert sorted(os.listdir(tmp_path)) == ["result"]
    folder = tmp_path / "result"
    assert sorted(os.listdir(folder)) == ["ctc", "metrics.json", "run.json", "tracks.csv", "tracks.geff"]
    assert sorted(os.listdir(folder / "ctc")) == ["mask000.tif", "mask001.tif", "res_track.txt"]
    assert json.loads((folder / "metrics.json").read_text()) == {"TRA": 1.0, "division_f1": None}
    assert json.loads((folder / "run.json").read_text()) == {
        "status": "optimal",
        "objective": -1.5,
        "bound": None,
        "gap": 0.25,
        "files": ["ctc", "metrics.json", "run.json", "tracks.csv", "tracks.geff"],
    }
    graph, metadata = geff.read(folder / "tracks.geff")
    table = read_tracks_csv(folder / "tracks.csv")
    assert sorted(graph.nodes) == table.id.tolist() == [1, 2, 3, 4, 5]
    assert table.parent_id.tolist() == [-1, -1, 1, 1, 2]
    assert (folder / "tracks.geff" / metadata.related_objects[0].path / "res_track.txt").is_file()
    assert graph.edges[1, 3] == {"cost": 0.5}
    assert graph.edges[2, 5] == {}


def test_a_result_of_points_has_no_masks_and_keeps_the_ids(tmp_path: Path) -> None:
    write(tmp_path / "result", masks=None)
    folder = tmp_path / "result"
    assert sorted(os.listdir(folder)) == ["run.json", "tracks.csv", "tracks.geff"]
    graph, metadata = geff.read(folder / "tracks.geff")
    assert sorted(graph.edges) == [(5, 2), (5, 4), (9, 7)]
    assert metadata.related_objects is None
    assert read_tracks_csv(folder / "tracks.csv").id.tolist() == [5, 9, 2, 4, 7]


def test_extra_files_lie_in_the_result_and_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "result", extra_files={"note.txt": lambda path: path.write_text("hello")})
    assert (tmp_path / "result" / "note.txt").read_text() == "hello"
    assert "note.txt" in json.loads((tmp_path / "result" / "run.json").read_text())["files"]


def test_parents_are_made_and_the_folder_is_open_to_others_as_usual(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "result")
    (tmp_path / "usual").mkdir()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a/b/result", tmp_path / "usual")]
    assert modes[0] == modes[1]


FAILURES = {
    errno.ENOSPC: "No space left on device. Everything there is as it was. "
    "Free some space, or name an [output] path on another disk",
    errno.EACCES: "Permission denied. Everything there is as it was. Name an [output] path that you may write to",
    errno.EIO: "Input/output error. Everything there is as it was. Mend this, or name another [output] path",
}


@pytest.mark.parametrize("writer", ["write_tracks_csv", "write_geff", "write_ctc", "write_json", "_swap"])
@pytest.mark.parametrize("number", FAILURES)
def test_nothing_is_left_when_the_system_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, writer: str
) -> None:
    monkeypatch.setattr(module, writer, fail_with(OSError(number, os.strerror(number))))
    folder = tmp_path / "made" / "result"
    with pytest.raises(OutputError) as caught:
        write(folder)
    assert str(caught.value) == f"the result cannot be written to {folder}: {FAILURES[number]}"
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("limit_bytes", [0, 200, 400, 700, 1000])
def test_nothing_is_left_when_a_file_really_cannot_grow(tmp_path: Path, limit_bytes: int) -> None:
    """As on a full disk, wherever it strikes: the limit stops one kind of file after another."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        with pytest.raises(OutputError, match="File too large"):
            write(tmp_path / "result")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("bug")])
def test_nothing_is_left_after_any_other_exception(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)):
        write(tmp_path / "result", extra_files={"overview.png": fail_with(error)})
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_failed_overwrite_keeps_the_earlier_result(tmp_path: Path, error: BaseException) -> None:
    write(tmp_path / "result")
    before = tree(tmp_path)
    with pytest.raises((OutputError, KeyboardInterrupt)):
        write(tmp_path / "result", overwrite=True, extra_files={"overview.png": fail_with(error)})
    assert tree(tmp_path) == before


@pytest.mark.parametrize("call", [0, 1, 2])
def test_a_rename_that_fails_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Renames of an overwrite: the old result away, its foreign file over, the new result in place."""
    write(tmp_path / "result")
    (tmp_path / "result" / "pins.csv").write_text("mine")
    before, rename, calls = tree(tmp_path), os.rename, []

    def fail_once(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == call + 1:
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_once)
    with pytest.raises(OutputError, match="Input/output error"):
        write(tmp_path / "result", overwrite=True)
    assert tree(tmp_path) == before


def test_an_existing_result_is_not_overwritten_unasked(tmp_path: Path) -> None:
    write(tmp_path / "result")
    before = tree(tmp_path)
    for attempt in (lambda: refuse_existing(tmp_path / "result", False), lambda: write(tmp_path / "result")):
        with pytest.raises(OutputError) as caught:
            attempt()
        assert str(caught.value) == (
            f"the result folder {tmp_path / 'result'} exists already. Name another [output] path, or replace it with "
            "--overwrite"
        )
    assert tree(tmp_path) == before


def test_overwriting_replaces_what_a_run_wrote_and_keeps_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    write(folder, metrics={"TRA": 1.0}, extra_files={"overview.png": lambda path: path.write_text("old")})
    (folder / "pins.csv").write_text("kind,t,label\n")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine")
    write(folder, masks=None, report={"status": "feasible"}, overwrite=True)
    assert sorted(os.listdir(folder)) == ["notes", "pins.csv", "run.json", "tracks.csv", "tracks.geff"]
    assert (folder / "notes" / "a.txt").read_text() == "mine"
    assert json.loads((folder / "run.json").read_text()) == {
        "status": "feasible",
        "files": ["run.json", "tracks.csv", "tracks.geff"],
    }
    assert os.listdir(tmp_path) == ["result"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"files": 3}', '{"files": [[]]}'])
def test_nothing_is_lost_when_an_earlier_run_json_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "run.json").write_text(text)
    (tmp_path / "result" / "pins.csv").write_text("mine")
    write(tmp_path / "result", overwrite=True)
    assert (tmp_path / "result" / "pins.csv").read_text() == "mine"
    assert json.loads((tmp_path / "result" / "run.json").read_text())["status"] == "optimal"


def test_a_folder_of_something_else_is_never_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in "abcdefg":
        (folder / name).write_text(name)
    before = tree(tmp_path)
    with pytest.raises(OutputError) as caught:
        write(folder, overwrite=True)
    assert str(caught.value) == (
        f"{folder} will not be overwritten: it is no earlier result (it has no run.json) but holds a, b, c, d, e and "
        "2 more (7). Name another [output] path, or empty this folder yourself"
    )
    assert tree(tmp_path) == before


def test_an_empty_folder_may_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "result").mkdir()
    refuse_existing(tmp_path / "result", True)
    write(tmp_path / "result", overwrite=True)
    assert (tmp_path / "result" / "run.json").is_file()


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "result").symlink_to(tmp_path / "far")
    write(tmp_path / "result", overwrite=True)
    assert (tmp_path / "result").is_symlink()
    assert (tmp_path / "far" / "run.json").is_file()


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_in_the_way(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError) as caught:
        refuse_existing(tmp_path / "file", overwrite)
    assert str(caught.value) == (
        f"the result needs a folder, but {tmp_path / 'file'} is a file. Name another [output] path"
    )
    with pytest.raises(OutputError) as caught:
        refuse_existing(tmp_path / "file" / "result", overwrite)
    assert str(caught.value) == (
        f"the result folder {tmp_path / 'file' / 'result'} cannot be made: {tmp_path / 'file'} is a file. "
        "Name another [output] path"
    )
    assert (tmp_path / "file").read_text() == "mine"


def test_a_place_without_permission_is_refused_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(OutputError) as caught:
        refuse_existing(tmp_path / "deep" / "result", False)
    assert str(caught.value) == (
        f"the result folder {tmp_path / 'deep' / 'result'} cannot be made: you may not write to {tmp_path}. "
        "Name an [output] path where you may"
    )


def test_no_permission_to_make_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "mkdtemp", fail_with(PermissionError(errno.EACCES, "Permission denied")))
    with pytest.raises(OutputError, match="Permission denied"):
        write(tmp_path / "a" / "result")
    assert tree(tmp_path) == {}


def test_json_is_standard_json(tmp_path: Path) -> None:
    content = {
        "nan": float("nan"),
        "numpy": {"float": np.float32(0.5), "inf": np.float64("inf"), "int": np.int64(3), "bool": np.bool_(True)},
        "array": np.array([1.0, np.nan]),
        "path": Path("a") / "b",
        "tuple": (1, None, "µm"),
        3: "key",
    }
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=fail_with(AssertionError())) == {
        "nan": None,
        "numpy": {"float": 0.5, "inf": None, "int": 3, "bool": True},
        "array": [1.0, None],
        "path": str(Path("a") / "b"),
        "tuple": [1, None, "µm"],
        "3": "key",
    }
    assert text.startswith('{\n  "nan": null,\n')
    assert text.endswith("}\n")


@pytest.mark.parametrize(
    ("detection", "link", "message"),
    [
        ({"margin": np.zeros(4)}, {}, "detection column margin must have shape (5,), found (4,)"),
        ({}, {"cost": np.zeros((3, 1))}, "link column cost must have shape (3,), found (3, 1)"),
        ({"t": np.zeros(5)}, {}, "detection columns may not be named t: the outputs use these names"),
    ],
)
def test_columns_that_do_not_fit(detection: dict[str, Any], link: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        ResultTables(FOUND, detection, link)
    assert str(caught.value) == message
