"""The straight line from files to a written lineage, and what it promises about itself."""

import json
import math
from pathlib import Path

import geff
import numpy as np
import pytest
from command_line import write_walk

from embeddings.table import Associations, NodeEmbeddings
from tracker.config import Config, make_config
from tracker.errors import OutputError
from tracker.io.ctc import read_track_table
from tracker.io.tracks_csv import read_tracks_csv
from tracker.pipeline import run
from tracker.prepare import measure, prepare
from tracker.simulate import SimulatedMovie, SimulationSettings, simulate
from tracker.simulate_files import write_movie, write_points
from tracker.stopwatch import Stopwatch

STAGES = ["read", "measure", "candidates", "features", "build", "solve", "margins", "write", "total"]
# What the architecture promises of run.json; more may be there.
KEYS = {
    "status",
    "objective",
    "bound",
    "gap",
    "proof",
    "measured",
    "counts",
    "seconds",
    "peak_memory_mb",
    "config",
    "versions",
    "seed",
}
COUNTS = {
    "detections", "links", "divisions", "columns", "rows", "components", "selected_detections", "selected_links",
    "selected_divisions", "appear", "disappear", "pins",
}  # fmt: skip
METRICS = {
    "AOGM", "LNK", "TRA", "DET", "fp_edges", "fn_edges", "ws_edges", "division_f1", "division_mbc",
    "division_precision", "division_recall", "CHOTA", "complete_tracks", "details",
}  # fmt: skip


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedMovie, Path]:
    """Simulated nuclei that divide and blink, written as a Challenge folder and as points."""
    settings = SimulationSettings(
        n_frames=12, shape=(128, 128), n_cells=8, radius_px=6, cycle_frames=9, blink_probability=0.08, speed_px=0.7
    )
    simulated = simulate(settings, seed=4)
    folder = tmp_path_factory.mktemp("simulated") / "movie"
    write_movie(simulated, folder)
    write_points(simulated, folder / "points.csv")
    return simulated, folder


def config_of(movie: Path, folder: Path, name: str = "result", *, points: bool = False, **sections: object) -> Config:
    """A config whose paths are counted from the movie's folder; the result goes elsewhere."""
    data = {"points": "points.csv"} if points else {"images": "01", "segmentation": "01_SEG"}
    data |= sections.pop("data", {})
    output = {"path": str(folder / name)} | sections.pop("output", {})
    return make_config({"data": data, "output": output, **sections}, folder=movie)


def read_report(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


# ---- the report


@pytest.mark.parametrize("divisions", ["pair", "split", "none"])
def test_report(tmp_path, divisions):
    write_walk(tmp_path)
    config = make_config(
        {"data": {"segmentation": "masks"}, "candidates": {"divisions": divisions}, "solver": {"seed": 5}},
        folder=tmp_path,
    )
    done = run(config)
    report = read_report(tmp_path / "result")
    assert report.keys() >= KEYS
    assert report["counts"].keys() >= COUNTS
    assert (report["status"], report["seed"]) == ("optimal", 5)
    assert report["objective"] == done.solution.objective
    assert report["bound"] == pytest.approx(report["objective"], rel=1e-12)
    assert report["gap"] <= 1e-12
    known = {
        "detections": 8, "links": 12, "divisions": 6 if divisions == "pair" else 0, "selected_detections": 8,
        "selected_links": 6, "selected_divisions": 0, "appear": 2, "disappear": 2, "tracks": 2, "pins": 0,
        "columns": {"pair": 42, "split": 44, "none": 36}[divisions],
    }  # fmt: skip
    assert {name: report["counts"][name] for name in known} == known
    assert report["counts"]["rows"] > 0
    assert report["counts"]["components"] > 0
    assert list(report["seconds"]) == STAGES
    assert all(value >= 0 for value in report["seconds"].values())
    assert report["seconds"]["total"] >= sum(report["seconds"][name] for name in STAGES[:-1])
    assert 20 < report["peak_memory_mb"] < 10_000
    assert {"pintrack", "python", "numpy", "highspy"} <= report["versions"].keys()
    assert make_config(report["config"], folder=tmp_path) == config
    assert report["files"] == ["ctc", "run.json", "tracks.csv", "tracks.geff"]
    assert report["statistics"] == {}  # surprises are not standardised
    numbers = measure(config, done.graph.detections).numbers
    assert report["measured"] == numbers.model_dump()
    assert 0.5 < numbers.step_scale < 2  # both cells walk 1 px per frame


def test_report_of_a_preset_that_measures_nothing(tmp_path):
    write_walk(tmp_path)
    run(make_config({"data": {"segmentation": "masks"}, "costs": {"preset": "attrackt"}}, folder=tmp_path))
    report = read_report(tmp_path / "result")
    assert report["gap"] == 0
    assert report["bound"] == report["objective"]
    assert report["measured"] is None
    assert report["statistics"]["link.distance"] == {
        "mean": pytest.approx(np.mean([1, 1, math.hypot(8, 11), math.hypot(8, 9)])),
        "std": pytest.approx(np.std([1, 1, math.hypot(8, 11), math.hypot(8, 9)])),
    }


def test_metrics(movie, tmp_path):
    _, folder = movie
    done = run(config_of(folder, tmp_path, data={"truth": "01_GT/TRA"}))
    metrics = json.loads((tmp_path / "result/metrics.json").read_text())
    assert metrics.keys() >= METRICS
    assert metrics == done.metrics
    assert metrics["DET"] == 1
    assert metrics["details"]["counts"]["detections"] == done.report["counts"]["selected_detections"]
    assert read_report(tmp_path / "result")["seconds"]["evaluate"] > 0


def test_progress_names_the_stages(tmp_path):
    write_walk(tmp_path)
    stages = []
    run(make_config({"data": {"segmentation": "masks"}}, folder=tmp_path), progress=stages.append)
    assert stages == [
        "reading detections", "measuring the movie", "proposing candidates", "computing features and costs",
        "building the program", "solving", "measuring margins", "writing the result",
    ]  # fmt: skip


def test_a_failure_in_a_stage_is_passed_on():
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError), watch.stage("read", "reading"):
        raise ZeroDivisionError
    assert watch.seconds == {}


# ---- what is written


@pytest.mark.parametrize("divisions", ["pair", "split"])
def test_the_outputs_agree(movie, tmp_path, divisions):
    simulated, folder = movie
    candidates = {"max_frame_gap": 2, "divisions": divisions}
    done = run(config_of(folder, tmp_path, candidates=candidates, costs={"division": 0.3}))
    lineage, result = done.lineage, tmp_path / "result"
    assert (result / "tracks.csv").read_text().startswith("id,t,y,x,label,track_id,parent_id,margin,margin_in\n1,0,")
    table = read_tracks_csv(result / "tracks.csv")
    assert len(table.id) == len(simulated)
    assert len(lineage.divisions) > 0
    pairs = {(parent + 1, child + 1) for parent, child in lineage.links.tolist()}
    child = np.flatnonzero(table.parent_id > 0)
    assert set(zip(table.parent_id[child].tolist(), table.id[child].tolist(), strict=True)) == pairs
    graph, metadata = geff.read(result / "tracks.geff")
    assert set(graph.edges) == pairs
    assert [axis.unit for axis in metadata.axes][1:] == ["pixel", "pixel"]
    assert {"cost", "surprise"} <= graph.edges[next(iter(pairs))].keys()
    tracks = read_track_table(result / "ctc/res_track.txt")
    skipping = np.diff(lineage.detections.step[lineage.links], axis=1).max(axis=1) > 1
    assert skipping.any()
    assert (tracks.parent > 0).sum() == (skipping | (lineage.n_children[lineage.links[:, 0]] == 2)).sum()
    chosen_cost = sum(graph.edges[pair]["cost"] for pair in pairs)
    ends = done.costs.appear[lineage.appears].sum() + done.costs.disappear[lineage.disappears].sum()
    assert chosen_cost + ends == pytest.approx(done.solution.objective)


@pytest.mark.parametrize("margins", ["bound", "none"])
def test_margins(movie, tmp_path, margins):
    _, folder = movie
    done = run(config_of(folder, tmp_path, points=True, output={"margins": margins}))
    table = read_tracks_csv(tmp_path / "result/tracks.csv")
    assert "margin" in table.columns
    assert np.isfinite(table.columns["margin"]).any() == (margins == "bound")
    assert (done.margins is None) == (margins == "none")
    assert read_report(tmp_path / "result")["seconds"]["margins"] >= 0


def test_an_existing_result_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "result").mkdir()
    with pytest.raises(OutputError):
        run(make_config({"data": {"segmentation": "nowhere"}}, folder=tmp_path))


# ---- repeatable


@pytest.mark.parametrize("points", [False, True])
def test_two_runs_are_the_same(movie, tmp_path, points):
    _, folder = movie
    settings = {"candidates": {"max_frame_gap": 2}, "costs": {"detection": -1.0}}
    runs = [
        run(config_of(folder, tmp_path, name, points=points, solver={"threads": threads}, **settings))
        for name, threads in (("one", 1), ("two", 1), ("three", 3))
    ]
    texts = {(tmp_path / name / "tracks.csv").read_bytes() for name in ("one", "two", "three")}
    assert len(texts) == 1
    assert len({done.solution.objective for done in runs}) == 1


def test_masks_and_points_in_the_same_places_give_the_same_lineage(movie, tmp_path):
    simulated, folder = movie
    table = run(config_of(folder, tmp_path)).lineage.detections
    places = [(k, table.frame[k], *table.position[k].tolist()) for k in range(len(table))]
    lines = [",".join(map(str, place)) for place in places]
    (tmp_path / "points.csv").write_text("\n".join(["id,t,y,x", *lines]))
    run(make_config({"data": {"points": "points.csv"}, "output": {"path": "points"}}, folder=tmp_path))
    masks = read_tracks_csv(tmp_path / "result/tracks.csv")
    points = read_tracks_csv(tmp_path / "points/tracks.csv")
    assert len(masks.id) == len(simulated)
    np.testing.assert_array_equal(masks.track_id, points.track_id)


# ---- frame gaps


def test_a_gap_of_two_bridges_the_blinks(movie, tmp_path):
    simulated, folder = movie
    true_links = {tuple(link) for link in simulated.links.tolist()}
    step = simulated.nuclei.frame
    blinks = {(a, b) for a, b in true_links if step[b] - step[a] == 2}
    assert len(blinks) >= 3
    found = {}
    for gap in (1, 2):
        done = run(config_of(folder, tmp_path, f"gap{gap}", points=True, candidates={"max_frame_gap": gap}))
        found[gap] = {tuple(link) for link in done.lineage.links.tolist()}
    assert not found[1] & blinks
    assert found[2] >= blinks
    assert len(true_links - found[2]) < len(true_links - found[1])


# ---- parts of the input


def test_frames_keep_their_numbers(movie, tmp_path):
    _, folder = movie
    run(config_of(folder, tmp_path, data={"frames": [3, 10], "every": 3}))
    assert np.unique(read_tracks_csv(tmp_path / "result/tracks.csv").t).tolist() == [3, 6, 9]
    assert sorted(path.name for path in (tmp_path / "result/ctc").glob("*.tif")) == [
        "mask003.tif", "mask006.tif", "mask009.tif",
    ]  # fmt: skip


def test_the_folder_above_the_masks_will_do(movie, tmp_path):
    _, folder = movie
    done = run(config_of(folder, tmp_path, data={"segmentation": "01_GT"}))
    assert done.report["counts"]["detections"] == len(movie[0])


def test_learned_tables_enter_the_costs(tmp_path):
    write_walk(tmp_path)
    keys = np.array([(t, label) for t in range(4) for label in (1, 5)])
    # The scores contradict the distances: they say that the two cells change places in every frame.
    pairs = [[(t, a), (t + 1, b)] for t in range(3) for a, b in ((1, 5), (5, 1))]
    Associations(np.array(pairs), np.ones(6, np.float32), "swap").save(tmp_path / "scores.npz")
    NodeEmbeddings(keys, np.arange(8, dtype=np.float32)[:, None], "rows").save(tmp_path / "vectors.npz")
    term = {"on": "link", "feature": "association", "weight": -5.0}
    distance = {"on": "link", "feature": "embedding_distance", "weight": 0.0}
    content = {
        "data": {"segmentation": "masks"},
        "associations": {"path": "scores.npz"},
        "embeddings": {"path": "vectors.npz"},
        "candidates": {"divisions": "none"},
        "costs": {"preset": "none", "terms": [term, distance]},
    }
    config = make_config(content, folder=tmp_path)
    done = run(config)
    assert done.solution.objective == -30
    assert done.lineage.detections.label[done.lineage.links].tolist() == [[5, 1], [1, 5]] * 3
    columns = geff.read(tmp_path / "result/tracks.geff")[0].edges[1, 4]
    assert columns["association"] == 1
    assert columns["embedding_distance"] == 3
    prepared = prepare(config, Stopwatch())
    assert len(prepared.graph.links) == len(prepared.costs.columns["link", "association"]) == 12


def test_exact_margins_are_no_smaller_than_bounds(movie: tuple[SimulatedMovie, Path], tmp_path: Path) -> None:
    exact = run(config_of(movie[1], tmp_path, "one", output={"margins": "exact"})).margins
    bound = run(config_of(movie[1], tmp_path, "two", output={"margins": "bound"})).margins
    assert exact is not None
    assert bound is not None
    assert (exact.out >= bound.out - 1e-6).all()
    assert (exact.out > bound.out + 1e-6).any()
