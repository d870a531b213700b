"""Learning the costs: how fast it converges, against motile's fit_weights, and what it is worth on held-out frames.

python benchmarks/tuning.py [--part convergence|motile|halves]     needs the extras tune and eval

convergence: the SSVM on HeLa t 0-19.   motile: both learn 4 weights of one small simulated problem, in one run each.
halves: learnt from the first half of a movie, or from 50 answered pins there, scored on the second half (AOGM).
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from instances import DATA

from tracker.config import Config, make_config
from tracker.exact_margins import exact_margins
from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve
from tracker.pin_sources import pins_from_lineage, truth_as_lineage
from tracker.pins import write_pins
from tracker.pipeline import to_lineage
from tracker.prepare import prepare
from tracker.simulate import SimulationSettings, simulate
from tracker.stopwatch import Stopwatch
from tracker.suggest import suggest
from tracker.truth import read_truth
from tracker.tuning.annotation import read_annotated
from tracker.tuning.held_out import whole
from tracker.tuning.parts import Annotated, Part, make_part
from tracker.tuning.ssvm import Learnt, learn
from tracker.tuning.strength import choose_strength

HELA, SIM = DATA / "Fluo-N2DL-HeLa-02-t00-19", DATA / "Fluo-N2DH-SIM+"
MOVIES = {
    "HeLa t 0-19": ({"images": HELA / "02", "segmentation": HELA / "02_SEG", "truth": HELA / "02_GT" / "TRA"}, 20),
    "SIM+ 01": ({"images": SIM / "01", "segmentation": SIM / "01_GT" / "TRA", "truth": SIM / "01_GT" / "TRA"}, 65),
}
SETTINGS = SolverSettings(threads=2)
PATIENCE_S = 120


def config_of(movie: str, preset: str, **more: object) -> Config:
    data = {key: str(value) for key, value in MOVIES[movie][0].items()}
    return make_config({"data": data, "costs": {"preset": preset}, **more})


def convergence() -> None:
    print("| preset | weights | l2 | iterations | gap | seconds |\n|---|---|---|---|---|---|")
    for preset in ("attrackt", "auto"):
        _, movie, _ = read_annotated(config_of("HeLa t 0-19", preset), Stopwatch(), "auto")
        for l2 in (0.1, 0.01, 0.001):
            found = learn(whole(movie, SETTINGS).examples, l2=l2, start=movie.model.start, threads=2)
            print(
                f"| {preset} | {len(found.weights)} | {l2:g} | {len(found.history)} | {found.history[-1].gap:.1e} "
                f"| {found.seconds:.1f} |",
                flush=True,
            )


def halves() -> None:
    print("| movie, second half | preset | AOGM before | SSVM, first half | SSVM, 50 pins |\n|---|---|---|---|---|")
    for name, (_, n_frames) in MOVIES.items():
        for preset in ("attrackt", "auto"):
            config = config_of(name, preset)
            _, movie, _ = read_annotated(config, Stopwatch(), "auto")
            first = np.arange(n_frames) < n_frames // 2
            test = make_part(movie, np.where(first, -1, 0), SETTINGS)
            before = test.score(movie.model.start).AOGM
            after = test.score(learn_from(movie, first).weights).AOGM
            few = test.score(from_pins(config, name, preset, first)).AOGM
            print(f"| {name} | {preset} | {before:g} | {after:g} | {few:g} |", flush=True)


def learn_from(movie: Annotated, first: np.ndarray) -> Learnt:
    def learning(part: Part, l2: float) -> Learnt:
        return learn(part.examples, l2=l2, start=movie.model.start, threads=2)

    l2, _ = choose_strength(movie, first, "aogm", SETTINGS, learning)
    return learning(make_part(movie, np.where(first, 0, -1), SETTINGS), l2)


def from_pins(config: Config, name: str, preset: str, first: np.ndarray) -> np.ndarray:
    """Weights from 50 `children` pins, answered by the truth in the order in which they are suggested."""
    n_train = int(first.sum())
    data = config.data.model_copy(update={"frames": (0, n_train)})
    half = prepare(config.model_copy(update={"data": data}), Stopwatch())
    solution = solve(half.problem, SETTINGS)
    lineage = to_lineage(half.graph, half.problem, solution)
    margins = exact_margins(half.problem, solution.values, SETTINGS)
    truth = read_truth(config.path(str(config.data.truth)))
    known = truth_as_lineage(truth.select(half.inputs.detections.frames), half.inputs.detections, half.inputs.masks)
    last = half.inputs.detections.step == n_train - 1
    known_already = last | ~known.lineage.selected
    rows = suggest(lineage, half.graph, margins, None, order="margin", budget=50, known=known_already).rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pins.csv"
        write_pins(path, pins_from_lineage(known.lineage, np.asarray(rows, np.int64)))
        pinned = config_of(name, preset, annotations={"pins": [str(path)]})
        without = pinned.data.model_copy(update={"truth": None})
        _, movie, _ = read_annotated(pinned.model_copy(update={"data": without}), Stopwatch(), "auto")
    return learn_from(movie, first).weights


def small_movie() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, positions and parents of a few cells that do not divide, few enough for motile."""
    settings = SimulationSettings(n_frames=8, shape=(120, 120), n_cells=8, cycle_frames=float("inf"),
                                  enter_per_frame=0.3, blink_probability=0.0)  # fmt: skip
    movie = simulate(settings, seed=0)
    return movie.nuclei.frame, movie.nuclei.position_px, movie.parent


def motile_seconds(queue: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # SCIP talks
    import motile
    import networkx as nx
    from motile.constraints import MaxChildren, MaxParents
    from motile.costs import EdgeSelectedCost, NodeAppearCost

    frame, position, parent = small_movie()
    graph = nx.DiGraph()
    for row, t in enumerate(frame.tolist()):
        graph.add_node(row, t=t, gt=1.0, one=1.0)
    for child in range(len(frame)):
        for row in np.flatnonzero(frame == frame[child] - 1).tolist():
            length = float(np.linalg.norm(position[row] - position[child]))
            if length < 60:
                graph.add_edge(row, child, d=length / 10, gt=float(parent[child] == row))
    solver = motile.Solver(motile.TrackGraph(graph))
    solver.add_cost(EdgeSelectedCost(weight=1.0, attribute="d", constant=-1.0))
    solver.add_cost(NodeAppearCost(weight=1.0, attribute="one", constant=1.0))
    solver.add_constraint(MaxParents(1))
    solver.add_constraint(MaxChildren(1))
    start = time.perf_counter()
    solver.fit_weights("gt", regularizer_weight=0.1, max_iterations=50, eps=1e-3)
    queue.put((time.perf_counter() - start, graph.number_of_nodes(), graph.number_of_edges()))


def our_seconds() -> float:
    frame, position, parent = small_movie()
    with tempfile.TemporaryDirectory() as folder:
        known = enumerate(zip(frame, position, parent, strict=True))
        rows = [f"{row},{t},{y},{x},{up}" for row, (t, (y, x), up) in known]
        path = Path(folder) / "points.csv"
        path.write_text("id,t,y,x,parent_id\n" + "\n".join(rows) + "\n")
        terms = [{"on": "link", "feature": name, "weight": 0.1} for name in ("distance", "density_distance")]
        config = make_config({
            "data": {"points": str(path), "truth": str(path)},
            "candidates": {"neighbors": 0, "max_distance": 60.0, "divisions": "none"},
            "costs": {"preset": "none", "terms": terms},
        })  # fmt: skip
        _, movie, _ = read_annotated(config, Stopwatch(), "config")
    start = time.perf_counter()
    learn(whole(movie, SETTINGS).examples, l2=0.1, start=movie.model.start, threads=2)
    return time.perf_counter() - start


def against_motile() -> None:
    queue: multiprocessing.Queue = multiprocessing.Queue()  # type: ignore[type-arg]
    process = multiprocessing.Process(target=motile_seconds, args=(queue,))
    process.start()
    process.join(PATIENCE_S)
    done = not process.is_alive() and not queue.empty()
    process.kill()
    ours = our_seconds()
    if not done:
        print(f"motile's fit_weights did not return in {PATIENCE_S} s; ours took {ours:.3f} s")
        return
    theirs, nodes, edges = queue.get()
    print(f"{nodes} detections, {edges} links: motile {theirs:.3f} s, ours {ours:.3f} s, ratio {theirs / ours:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"convergence": convergence, "motile": against_motile, "halves": halves}
    parser.add_argument("--part", choices=list(parts), action="append")
    for name in parser.parse_args().part or list(parts):
        print(f"\n{name}\n", flush=True)
        parts[name]()


if __name__ == "__main__":
    main()
