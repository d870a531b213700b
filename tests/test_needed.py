"""Holding only the candidates that could be chosen: the same lineage, cost, margins and tables as holding all."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from embeddings.table import Associations, NodeEmbeddings
from tracker.candidate_stream import stream_candidates
from tracker.config import Config, make_config
from tracker.errors import ConfigError
from tracker.features.standardise import Moments, Standardiser
from tracker.inputs import read_inputs
from tracker.io.tracks_csv import read_tracks_csv
from tracker.needed import count_proposed
from tracker.pipeline import RunResult, run
from tracker.prepare import prepare
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import write_movie
from tracker.stopwatch import Stopwatch

HEADER = "kind,t,label,t2,label2,t3,label3,value,confidence\n"
TERMS = [
    {"on": "link", "feature": "overlap", "weight": -1.0, "standardise": "zscore"},
    {"on": "division", "feature": "overlap", "weight": -1.0, "standardise": "zscore"},
    {"on": "division", "feature": "density_distance", "weight": 0.5},
    {"on": "detection", "feature": "area_px", "weight": 0.1, "standardise": "zscore"},
]
LEARNED = [{"on": on, "feature": "embedding_distance", "weight": 0.3} for on in ("link", "division")]
SETTINGS = {
    "auto": {},
    "auto, a gap, split": {"candidates": {"divisions": "split", "max_frame_gap": 2}},
    "auto, both ways, within reach": {"candidates": {"neighbors": 0, "max_distance": 30.0, "direction": "both"}},
    "z-scores, no divisions": {"candidates": {"divisions": "none"}, "costs": {"preset": "attrackt"}},
    "terms, gates, edge": {
        "candidates": {"pairs_per_parent": 6, "division_max_distance": 40.0},
        "costs": {"preset": "attrackt", "terms": TERMS, "border_px": 12},
        "features": {"overlap_shift": "centroid"},
    },
    "optional detections, a gap": {
        "candidates": {"max_frame_gap": 2, "direction": "forward"},
        "costs": {"preset": "attrackt", "detection": -1.5},
    },
    "learned": {
        "costs": {"preset": "attrackt", "terms": LEARNED},
        "associations": {"path": "scores.npz"},
        "embeddings": {"path": "vectors.npz"},
        "annotations": {"pins": ["pins.csv"]},
    },
    "learned, auto": {"associations": {"path": "scores.npz"}},
    "pins": {"annotations": {"pins": ["pins.csv", "likely.csv"], "soft_weight": 2.0}},
    "pins, split, optional": {
        "candidates": {"divisions": "split"},
        "costs": {"detection": 0.1},
        "annotations": {"pins": ["pins.csv"]},
    },
}


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated movie with tables of scores and with pins that go against it."""
    settings = SimulationSettings(
        n_frames=10, shape=(150, 150), n_cells=22, radius_px=6, cycle_frames=9, blink_probability=0.05
    )
    folder = tmp_path_factory.mktemp("needed") / "movie"
    write_movie(simulate(settings, seed=3), folder)
    found = read_inputs(make_config({"data": {"segmentation": "01_SEG"}}, folder=folder)).detections
    rng = np.random.default_rng(0)
    keys = np.column_stack([found.frame, found.label])
    NodeEmbeddings(keys, rng.normal(size=(len(keys), 3)).astype(np.float32), "rows").save(folder / "vectors.npz")
    near = np.array([(u, v) for u in range(len(keys)) for v in range(len(keys)) if keys[v, 0] - keys[u, 0] == 1])
    near = near[rng.random(len(near)) < 0.3]
    Associations(keys[near], rng.random(len(near)).astype(np.float32), "some").save(folder / "scores.npz")

    def key(frame: int, number: int) -> str:
        own = np.flatnonzero(found.frame == frame)
        return f"{frame},{found.label[own[number]]}"

    pins = [
        f"link,{key(1, 0)},{key(2, 5)},,,true,",
        f"link,{key(2, 1)},{key(3, 1)},,,false,",
        f"division,{key(3, 2)},{key(4, 3)},{key(4, 17)},true,",
        f"children,{key(5, 4)},,,,,true,",
        f"children,{key(6, 0)},{key(7, 9)},,,true,",
        f"appear,{key(4, 6)},,,,,true,",
        f"disappear,{key(2, 7)},,,,,false,",
        f"detection,{key(8, 2)},,,,,false,",
    ]
    likely = [f"link,{key(6, 3)},{key(7, 3)},,,true,0.9", f"division,{key(1, 4)},{key(2, 8)},{key(2, 9)},true,0.7"]
    (folder / "pins.csv").write_text(HEADER + "\n".join(pins) + "\n")
    (folder / "likely.csv").write_text(HEADER + "\n".join(likely) + "\n")
    return folder


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr("tracker.candidate_windows.WINDOW_DETECTIONS", 60)
    monkeypatch.setattr("tracker.candidate_windows.PAIRS_AT_ONCE", 100)


def config_of(movie: Path, folder: Path, materialise: str, sections: dict) -> Config:
    candidates = {**sections.get("candidates", {}), "materialise": materialise}
    data = {"segmentation": "01_SEG"}
    output = {"path": str(folder / materialise), **sections.get("output", {})}
    return make_config({**sections, "data": data, "candidates": candidates, "output": output}, folder=movie)


def both(movie: Path, folder: Path, sections: dict) -> tuple[RunResult, RunResult]:
    return tuple(run(config_of(movie, folder, way, sections)) for way in ("all", "needed"))


@pytest.mark.parametrize("name", SETTINGS)
def test_needed_gives_what_all_gives(movie, tmp_path, small_windows, name):
    whole, needed = both(movie, tmp_path, SETTINGS[name])
    assert needed.solution.status == "optimal"
    assert needed.solution.objective == pytest.approx(whole.solution.objective, rel=1e-12)
    assert needed.lineage.links.tolist() == whole.lineage.links.tolist()
    assert needed.lineage.selected.tolist() == whole.lineage.selected.tolist()
    for way in ("out", "into"):
        np.testing.assert_allclose(getattr(needed.margins, way), getattr(whole.margins, way), rtol=1e-9, atol=1e-9)
    for own, other in ((needed, whole), (whole, needed)):
        assert set(own.report["statistics"]) == set(other.report["statistics"])
    for key, measured in whole.report["statistics"].items():
        assert needed.report["statistics"][key] == pytest.approx(measured, rel=1e-12, abs=1e-14)
    counts, held = whole.report["counts"], needed.report["counts"]
    assert (counts["links"], counts["divisions"]) == (held["links"], held["divisions"])
    assert held["free_columns"] == counts["free_columns"]
    assert held["links_held"] + held["divisions_held"] < counts["links"] + counts["divisions"]
    first, second = (read_tracks_csv(tmp_path / way / "tracks.csv") for way in ("all", "needed"))
    assert first.parent_id.tolist() == second.parent_id.tolist()


def test_link_columns_are_those_of_the_whole(movie, tmp_path, small_windows):
    import zarr

    both(movie, tmp_path, SETTINGS["terms, gates, edge"])
    tables = [zarr.open_group(tmp_path / way / "tracks.geff", mode="r")["edges"]["props"] for way in ("all", "needed")]
    assert sorted(tables[0]) == sorted(tables[1]) == ["cost", "distance", "overlap"]
    for name in tables[0]:
        np.testing.assert_allclose(tables[1][name]["values"][:], tables[0][name]["values"][:], rtol=1e-9, atol=1e-12)


def test_chunks_are_the_whole_movie_in_parts(movie, tmp_path, small_windows):
    prepared = prepare(config_of(movie, tmp_path, "needed", {}), Stopwatch(), as_needed=True)
    assert prepared.source is not None
    shares = []
    chunks = list(stream_candidates(prepared.source, done=shares.append))
    assert len(chunks) > 3
    assert [chunk.stop_step for chunk in chunks[:-1]] == [chunk.first_step for chunk in chunks[1:]]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    step = prepared.graph.detections.step
    for chunk in chunks:
        assert ((step[chunk.links[:, 0]] >= chunk.first_step) & (step[chunk.links[:, 0]] < chunk.stop_step)).all()
        assert chunk.links[chunk.division_links[:, 0]].tolist() == chunk.divisions[:, [0, 1]].tolist()
        assert chunk.links[chunk.division_links[:, 1]].tolist() == chunk.divisions[:, [0, 2]].tolist()
    np.testing.assert_array_equal(np.concatenate([chunk.links for chunk in chunks]), prepared.graph.links)
    (part,) = stream_candidates(prepared.source, steps=(3, 4))
    assert (step[part.links[:, 0]] == 3).all()
    assert len(part.links) == (step[prepared.graph.links[:, 0]] == 3).sum()


def test_what_looks_at_all_candidates_says_so(movie, tmp_path):
    with pytest.raises(ConfigError, match=r"output.margins.*materialise"):
        run(config_of(movie, tmp_path, "needed", {"output": {"margins": "exact"}}))
    with pytest.raises(ConfigError, match=r"--explain.*materialise"):
        run(config_of(movie, tmp_path, "needed", {}), explained=[(1, 1)])


def test_ctrl_c_between_windows_leaves_nothing(movie, tmp_path, small_windows, monkeypatch):
    monkeypatch.setattr("tracker.stopwatch._TELL_S", 0.0)
    heard = []

    def tell(stage):
        heard.append(stage)
        if " %, " in stage:  # of the windows some are behind, and some are not
            os.kill(os.getpid(), signal.SIGINT)

    config = config_of(movie, tmp_path, "needed", {})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            run(config, progress=tell)
    finally:
        signal.signal(signal.SIGINT, before)
    assert " %, " in heard[-1]
    assert not list(tmp_path.iterdir())
    assert run(config).solution.status == "optimal"


def test_auto_holds_all_candidates_of_a_small_movie(movie, tmp_path, monkeypatch):
    assert prepare(config_of(movie, tmp_path, "auto", {}), Stopwatch(), as_needed=True).source is None
    monkeypatch.setattr("tracker.needed.MANY", 1000)
    assert prepare(config_of(movie, tmp_path, "auto", {}), Stopwatch(), as_needed=True).source is not None
    assert prepare(config_of(movie, tmp_path, "auto", {}), Stopwatch()).source is None


@pytest.mark.parametrize("name", ["auto", "auto, a gap, split", "auto, both ways, within reach", "terms, gates, edge"])
def test_count_of_what_would_be_proposed(movie, tmp_path, name):
    config = config_of(movie, tmp_path, "all", SETTINGS[name])
    prepared = prepare(config, Stopwatch())
    counted = count_proposed(config, prepared.inputs.detections)
    assert 0.6 * sum(prepared.n_proposed) < counted < 1.6 * sum(prepared.n_proposed)


def test_moments_of_parts():
    rng = np.random.default_rng(1)
    column = 1e6 + rng.normal(size=10_001)
    edges = [0, 0, 1, 17, 5000, 10_001]
    parts = [Moments.measure(column[low:high]) for low, high in pairwise(edges)]
    whole, joined = Standardiser.measure(column), Standardiser.of_parts(parts)
    assert joined.mean == pytest.approx(whole.mean, rel=1e-14)
    assert joined.std == pytest.approx(whole.std, rel=1e-12)
    assert Standardiser.of_parts([]) == Standardiser.measure(np.empty(0))
