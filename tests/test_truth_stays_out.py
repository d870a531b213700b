"""Nothing that tells the truth reaches the solution."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import track, tree

from tracker.io.tracks_csv import read_tracks_csv

TABLE = "id,t,y,x\n7,0,1.5,1\n3,0,9,9\n4,1,2,1\n9,1,9,8\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, holding points.csv."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.csv").write_text(TABLE)


def test_a_parent_column_changes_nothing():
    rng = np.random.default_rng(3)
    count, found = 40, {}
    place = np.repeat(rng.uniform(0, 50, (10, 2)), 4, axis=0) + rng.normal(0, 2, (count, 2))
    lines = [f"{k + 1},{k % 4},{y:.3f},{x:.3f}" for k, (y, x) in enumerate(place)]
    true_parent = np.array([k if k % 4 else -1 for k in range(count)])
    columns = {"none": None, "true": true_parent, "shuffled": rng.permutation(true_parent), "all": np.full(count, 1)}
    for name, parent in columns.items():
        header = "id,t,y,x" + ("" if parent is None else ",parent_id")
        rows = lines if parent is None else [f"{line},{own}" for line, own in zip(lines, parent, strict=True)]
        Path("points.csv").write_text("\n".join([header, *rows]))
        assert track("run", "--points", "points.csv", "--output", name, "-q") == 0
        found[name] = Path(name, "tracks.csv").read_bytes()
    assert set(found.values()) == {found["none"]}
    assert read_tracks_csv(Path("none/tracks.csv")).parent_id.max() > 0


def test_the_truth_changes_nothing():
    Path("truth.csv").write_text("id,t,y,x,parent_id\n7,0,1.5,1,-1\n3,0,9,9,-1\n4,1,2,1,7\n9,1,9,8,3\n")
    Path("wrong.csv").write_text("id,t,y,x,parent_id\n7,0,1.5,1,-1\n3,0,9,9,-1\n4,1,2,1,3\n9,1,9,8,7\n")
    assert track("run", "--points", "points.csv", "--output", "alone", "-q") == 0
    for name, errors in (("truth", 0), ("wrong", 2)):
        assert track("run", "--points", "points.csv", "--truth", f"{name}.csv", "--output", name, "-q") == 0
        assert tree(Path(name))["tracks.csv"] == tree(Path("alone"))["tracks.csv"]
        assert json.loads(Path(name, "metrics.json").read_text())["fn_edges"] == errors
