"""The preset auto beside other trackers, given the same detections: one setting of each for all movies.

python benchmarks/defaults.py [--leave-one-out] [--peers nearest laptrack tracksdata motile] [--reach 0.8]

Wants `pip install laptrack tracksdata polars` besides the project. Lengths are handed to the others in units of each
movie's spacing; `--reach` is their farthest link. AOGM / division F1; a few minutes, most of them motile's.
"""

import argparse
import itertools
import time

import numpy as np
import peers
from movies import MOVIES

import tracker.auto.fit
import tracker.auto.flow
import tracker.auto.model
from tracker.auto.fit import measure_movie
from tracker.candidates import build_candidates
from tracker.config import make_config
from tracker.costs import price, to_problem
from tracker.detections import Detections
from tracker.features.context import FeatureContext
from tracker.ilp.solve import solve
from tracker.inputs import Inputs, read_inputs
from tracker.lineage import make_lineage
from tracker.matching import match_objects
from tracker.truth import read_truth
from tracker.tuning.quick_score import MatchedTruth, Score, quick_score

SLOW = 12_000  # detections above which motile is not asked
CHOICES = {
    "PROPERTY_WEIGHT": (tracker.auto.model, (0.5, 0.7, 1.0)),
    "NEIGHBORS": (tracker.auto.flow, (12, 20)),
}
PRIORS = {"division_rate": (0.005, 0.01, 0.02)}


def load(name: str) -> tuple[Inputs, MatchedTruth]:
    data = {key: value if isinstance(value, (list, int)) else str(value) for key, value in MOVIES[name].items()}
    data.setdefault("truth", data.get("segmentation", data.get("points")))
    config = make_config({"data": data})
    assert config.data.truth is not None
    truth = read_truth(config.path(config.data.truth), scale=config.data.scale)
    inputs = read_inputs(config)
    truth = truth.select(inputs.detections.frames)
    return inputs, MatchedTruth.make(truth, match_objects(inputs.detections, truth, inputs.masks))


def auto(detections: Detections) -> np.ndarray:
    """Links of the preset auto with the default candidates."""
    settings = make_config({"data": {"points": "-"}}).costs
    movie = measure_movie(detections, lambda flow: build_candidates(detections, flow=flow))
    graph = build_candidates(detections, flow=movie.flow)
    costs = price(FeatureContext(graph=graph, movie=movie), settings, divisions="pair")
    problem = to_problem(graph, costs, settings)
    values, layout = solve(problem).values, problem.layout
    divided = graph.divisions[values[layout.division]]
    return np.concatenate([graph.links[values[layout.link]], divided[:, :2], divided[:, [0, 2]]]).astype(np.int64)


def score(inputs: Inputs, truth: MatchedTruth, links: np.ndarray) -> Score:
    """The numbers of traccuracy, by the tuner's own quick count (tests hold it to traccuracy)."""
    found = inputs.detections
    return quick_score(make_lineage(found, np.ones(len(found), bool), links), truth, with_chota=False)


def compare(names: list[str], reach: float) -> None:
    print(f"| movie | detections | auto | {' | '.join(names)} |")
    print("|---" * (3 + len(names)) + "|")
    for movie in MOVIES:
        inputs, truth = load(movie)
        cells = []
        for name in ["auto", *names]:
            if name == "motile" and len(inputs.detections) > SLOW:
                cells.append("not run")
                continue
            start = time.perf_counter()
            links = auto(inputs.detections) if name == "auto" else getattr(peers, name)(inputs.detections, reach)
            seconds = time.perf_counter() - start
            found = score(inputs, truth, links)
            f1 = "-" if np.isnan(found.division_f1) else format(found.division_f1, ".2f")
            cells.append(f"{found.AOGM:g} / {f1} ({seconds:.1f} s)")
        print(f"| {movie} | {len(inputs.detections)} | {' | '.join(cells)} |", flush=True)


def leave_one_out() -> None:
    """For every movie the constants that are best on the others, and how they do on it."""
    loaded = {name: load(name) for name in MOVIES}
    kinds = {name: name.split(",")[0].split(" every")[0] for name in MOVIES}  # a movie at two frame rates is one
    grids = [[(name, value) for value in values] for name, (_, values) in CHOICES.items()]
    grids += [[(name, value) for value in values] for name, values in PRIORS.items()]
    table: dict[tuple[tuple[str, float], ...], dict[str, float]] = {}
    for combination in itertools.product(*grids):
        for name, value in combination:
            if name in CHOICES:
                setattr(CHOICES[name][0], name, value)
            else:
                tracker.auto.fit._FIRST[name] = value
        table[combination] = {
            name: score(inputs, truth, auto(inputs.detections)).AOGM for name, (inputs, truth) in loaded.items()
        }
        print(dict(combination), list(table[combination].values()), flush=True)
    shipped = (("PROPERTY_WEIGHT", 0.7), ("NEIGHBORS", 20), ("division_rate", 0.01))
    print("| movie left out | constants best on the others | AOGM with them | as shipped |")
    print("|---|---|---|---|")
    for left_out in MOVIES:
        others = [name for name in MOVIES if kinds[name] != kinds[left_out]]

        def total(choice: tuple[tuple[str, float], ...], others: list[str] = others) -> float:
            return sum(table[choice][name] / len(loaded[name][0].detections) for name in others)

        best = min(table, key=total)
        words = ", ".join(f"{name} {value:g}" for name, value in best)
        print(f"| {left_out} | {words} | {table[best][left_out]:g} | {table[shipped][left_out]:g} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="*", default=["nearest", "laptrack", "tracksdata", "motile"])
    parser.add_argument("--reach", type=float, default=0.8, help="farthest link of the others, in spacings")
    parser.add_argument("--leave-one-out", action="store_true")
    given = parser.parse_args()
    if given.leave_one_out:
        leave_one_out()
    else:
        compare(given.peers, given.reach)


if __name__ == "__main__":
    main()
