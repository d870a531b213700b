"""`track run` with the sequential tracker: what it writes, what it says, what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from embeddings.table import NodeEmbeddings
from tracker.cli import main
from tracker.config import make_config
from tracker.errors import ConfigError
from tracker.io.ctc import read_track_table
from tracker.load_result import load_tracks
from tracker.pipeline import run
from tracker.prepare import prepare
from tracker.sequential import SequentialSettings, sequential_links
from tracker.sequential_run import sequential_notes
from tracker.simulate import SimulatedMovie, SimulationSettings, simulate
from tracker.simulate_files import write_movie
from tracker.stopwatch import Stopwatch


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedMovie, Path, np.ndarray]:
    """Simulated nuclei that do not divide but blink; each has a vector of its own, a little noisy."""
    settings = SimulationSettings(
        n_frames=8, shape=(128, 128), n_cells=8, radius_px=6, cycle_frames=1000, blink_probability=0.08, speed_px=0.7
    )
    made = simulate(settings, seed=4)
    folder = tmp_path_factory.mktemp("simulated") / "movie"
    write_movie(made, folder)
    rng = np.random.default_rng(0)
    cell = np.arange(len(made))
    for row in np.flatnonzero(made.parent >= 0).tolist():
        cell[row] = cell[made.parent[row]]
    vectors = rng.normal(size=(len(made), 8))[cell] + 0.1 * rng.normal(size=(len(made), 8))
    key = np.column_stack([made.nuclei.frame, made.label])
    NodeEmbeddings(key, vectors.astype(np.float32), "cells").save(folder / "vectors.npz")
    return made, folder, vectors


def content_of(output: Path) -> dict[str, dict[str, object]]:
    return {
        "data": {"images": "01", "segmentation": "01_SEG"},
        "embeddings": {"path": "vectors.npz"},
        "solver": {"method": "sequential"},
        "output": {"path": str(output)},
    }


def report_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def test_the_links_are_written_as_any_others(movie, tmp_path):
    made, folder, vectors = movie
    content = content_of(tmp_path / "result")
    content["data"]["truth"] = "01_GT"
    done = run(make_config(content, folder=folder), plot=False)
    expected = sequential_links(made.to_lineage().detections, vectors.astype(np.float32))
    assert done.lineage.links.tolist() == expected.tolist()
    gaps = made.nuclei.frame[expected[:, 1]] - made.nuclei.frame[expected[:, 0]]
    assert (gaps > 1).any()  # cells blink
    np.testing.assert_array_equal(load_tracks(tmp_path / "result").links, expected)
    table = read_track_table(tmp_path / "result" / "ctc" / "res_track.txt")
    assert (table.parent > 0).sum() == (gaps > 1).sum()  # a label ends at a gap, and its follower names it as parent
    assert sorted(path.name for path in (tmp_path / "result").iterdir()) == [
        "ctc", "metrics.json", "run.json", "tracks.csv", "tracks.geff",
    ]  # fmt: skip
    assert done.metrics["AOGM"] <= 4
    assert (done.graph, done.costs, done.problem, done.solution, done.margins) == (None,) * 5


def test_the_report_says_that_nothing_is_proven(movie, tmp_path):
    made, folder, _ = movie
    done = run(make_config(content_of(tmp_path / "result"), folder=folder))
    report = report_of(tmp_path / "result")
    assert (report["status"], report["proof"]) == ("unproven", "none")
    assert (report["objective"], report["bound"], report["gap"]) == (None, None, None)
    assert report["notes"] == [
        'solver.method = "sequential": no divisions, no margins, and nothing is proven; for comparison with "ilp"'
    ]
    counts = report["counts"]
    assert counts["detections"] == counts["selected_detections"] == len(made)
    assert counts["selected_links"] == len(done.lineage.links)
    assert counts["selected_divisions"] == 0
    assert counts["appear"] == counts["disappear"] == counts["tracks"] == len(made) - len(done.lineage.links)
    assert list(report["seconds"]) == ["read", "features", "solve", "write", "total"]
    assert report["config"]["solver"]["method"] == "sequential"
    header = (tmp_path / "result" / "tracks.csv").read_text().splitlines()
    assert header[0] == "id,t,y,x,label,track_id,parent_id,margin"
    assert header[1].endswith(",")


def test_its_section_is_heeded(movie, tmp_path):
    made, folder, vectors = movie
    content = content_of(tmp_path / "result") | {"sequential": {"max_gap_frames": 1, "momentum": 0.2}}
    done = run(make_config(content, folder=folder))
    settings = SequentialSettings(max_gap_frames=1, momentum=0.2)
    expected = sequential_links(made.to_lineage().detections, vectors.astype(np.float32), settings)
    assert done.lineage.links.tolist() == expected.tolist()
    assert (made.nuclei.frame[expected[:, 1]] - made.nuclei.frame[expected[:, 0]] == 1).all()


def test_the_command_line(movie, tmp_path, capsys):
    _, folder, _ = movie
    config = folder / "sequential.toml"
    config.write_text(
        '[data]\nsegmentation = "01_SEG"\n[embeddings]\npath = "vectors.npz"\n[solver]\nmethod = "sequential"\n'
    )
    assert main(["check", str(config)]) == 0
    capsys.readouterr()
    assert main(["run", str(config), "--output", str(tmp_path / "result")]) == 0
    shown = capsys.readouterr()
    words = " ".join(shown.out.split())
    report = report_of(tmp_path / "result")
    assert f"links {report['counts']['selected_links']} divisions 0 tracks" in words
    assert "cost" not in words
    assert 'note: solver.method = "sequential": no divisions, no margins' in " ".join(shown.err.split())
    assert main(["run", str(config), "--output", str(tmp_path / "again"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "unproven"


def test_what_is_set_and_not_used_is_named(movie, tmp_path, capsys):
    _, folder, _ = movie
    config = folder / "much.toml"
    config.write_text(
        '[data]\nsegmentation = "01_SEG"\n[embeddings]\npath = "vectors.npz"\n[solver]\nmethod = "sequential"\n'
        "gap = 0.1\n[candidates]\nneighbors = 5\n"
        '[costs]\npreset = "none"\n[[costs.terms]]\non = "link"\nfeature = "distance"\n'
        '[output]\nmargins = "none"\n'
    )
    unused = "not used: [candidates], [costs], 1 cost term, solver.gap, output.margins"
    assert main(["check", str(config), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"][:2] == [
        'solver.method = "sequential": the run goes by [embeddings] alone, and looks at none of the candidates, costs '
        "and features that are listed here",
        unused,
    ]
    assert main(["run", str(config), "--output", str(tmp_path / "result"), "-q"]) == 0
    assert report_of(tmp_path / "result")["notes"][1:] == [unused]


def test_terms_and_scores_are_counted(movie):
    content = {
        "data": {"segmentation": "01_SEG"},
        "associations": {"path": "a.npz"},
        "division_scores": {"path": "d.npz"},
        "features": {"overlap_shift": "drift"},
        "costs": {"terms": [{"on": "link", "feature": "distance"}, {"on": "link", "feature": "overlap"}]},
    }
    assert sequential_notes(make_config(content)) == [
        "not used: [features], [associations], [division_scores], 2 cost terms"
    ]
    assert sequential_notes(make_config(content_of(Path("result")))) == []


@pytest.mark.parametrize("command", [["run"], ["check"]])
def test_pins_are_refused(movie, tmp_path, capsys, command):
    _, folder, _ = movie
    (folder / "pins.csv").write_text("")
    config = folder / "pinned.toml"
    config.write_text(
        '[data]\nsegmentation = "01_SEG"\n[embeddings]\npath = "vectors.npz"\n[solver]\nmethod = "sequential"\n'
        '[annotations]\npins = ["pins.csv"]\n'
    )
    assert main([*command, str(config)]) == 2
    assert " ".join(capsys.readouterr().err.split()) == (
        'error: solver.method = "sequential" knows nothing of pins: leave out annotations.pins (and --pins), or set '
        'solver.method = "ilp", which honours them'
    )


def test_without_vectors_it_is_refused(movie, tmp_path):
    content = content_of(tmp_path / "result")
    del content["embeddings"]
    with pytest.raises(ConfigError) as error:
        run(make_config(content, folder=movie[1]))
    assert str(error.value) == (
        'solver.method = "sequential" links by vectors of detections and nothing else: give [embeddings] path or '
        'model, or set solver.method = "ilp"'
    )
    assert not (tmp_path / "result").exists()


def test_there_is_nothing_to_explain(movie, tmp_path):
    with pytest.raises(
        ConfigError, match=r'^solver.method = "sequential" has no costs to explain: leave out --explain$'
    ):
        run(make_config(content_of(tmp_path / "result"), folder=movie[1]), explained=[(0, 1)])


def test_commands_that_need_the_optimum_say_so(movie, tmp_path):
    with pytest.raises(ConfigError) as error:
        prepare(make_config(content_of(tmp_path / "result"), folder=movie[1]), Stopwatch())
    assert str(error.value) == (
        'solver.method = "sequential" is for `track run`; this works with the lineage of least cost: set '
        'solver.method = "ilp"'
    )
