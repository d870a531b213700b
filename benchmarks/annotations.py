"""How fast pins mend a lineage: errors against the number of annotated detections, in suggested and in random order.

python benchmarks/annotations.py [--plot curve.png]     HeLa t 0-19, attrackt preset, `children` pins from the truth
"""

import argparse
from pathlib import Path

import numpy as np
from instances import DATA

from tracker.annotations import solve_pinned, with_demanded
from tracker.config import make_config
from tracker.costs import price, to_problem
from tracker.evaluate import evaluate
from tracker.exact_margins import exact_margins
from tracker.ilp.backends import SolverSettings
from tracker.lineage import Lineage
from tracker.matching import match_truth
from tracker.pin_checks import resolve_pins
from tracker.pin_table import PinRow, pin_table
from tracker.pipeline import to_lineage
from tracker.prepare import Stopwatch, context_of, prepare
from tracker.suggest import suggest
from tracker.truth import read_truth

HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"


class Annotator:
    """A person who knows the truth and answers which children a detection has."""

    def __init__(self) -> None:
        self.config = make_config({"data": {"segmentation": str(HELA / "02_SEG")}})
        self.prepared = prepare(self.config, Stopwatch())
        self.truth = read_truth(HELA / "02_GT" / "TRA")
        inputs = self.prepared.inputs
        rows, _ = match_truth(inputs.detections, self.truth, inputs.masks)
        self.children: dict[int, list[int]] = {}
        for node, parent in enumerate(self.truth.parent.tolist()):
            if parent >= 0:
                self.children.setdefault(int(rows[parent]), []).append(int(rows[node]))

    def answer(self, row: int) -> PinRow:
        found = self.prepared.inputs.detections
        family = (row, *self.children.get(row, []))
        return PinRow("children", tuple((int(found.frame[one]), int(found.label[one])) for one in family))

    def solve(self, rows: np.ndarray) -> tuple[Lineage, np.ndarray, object]:
        prepared = self.prepared
        graph, problem, pins = prepared.graph, prepared.problem, None
        if len(rows):
            pins = resolve_pins(pin_table([self.answer(int(row)) for row in rows]), graph.detections)
            graph = with_demanded(graph, pins, pairs=True)
            context = context_of(self.config, prepared.inputs, graph)
            statistics = prepared.costs.statistics
            costs = price(context, self.config.costs, divisions="pair", statistics=statistics)
            problem = to_problem(graph, costs, self.config.costs)
        pinned, solution = solve_pinned(problem, pins, SolverSettings())
        return to_lineage(graph, pinned, solution), solution.values, pinned

    def score(self, rows: np.ndarray) -> tuple[float, float, float]:
        lineage, _, _ = self.solve(rows)
        metrics = evaluate(lineage, self.truth, masks=self.prepared.inputs.masks)
        return metrics.AOGM, metrics.LNK, metrics.division_f1 or float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[0, 10, 30, 100, 300, 1000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plot", type=Path, help="draw the curves into this PNG")
    given = parser.parse_args()
    person = Annotator()
    lineage, values, problem = person.solve(np.empty(0, int))
    margins = exact_margins(problem, values)
    count = len(lineage.detections)
    orders = {
        order: [suggest(lineage, person.prepared.graph, margins, None, order=order, budget=count).rows]
        for order in ("margin", "combined")
    }
    orders["random"] = [np.random.default_rng(seed).permutation(count) for seed in range(given.seeds)]
    print("| order | pins | AOGM | LNK | division F1 |")
    print("|---|---|---|---|---|")
    curves: dict[str, list[float]] = {}
    for order, permutations in orders.items():
        for k in [*given.counts, count]:
            scores = np.array([person.score(rows[:k]) for rows in permutations])
            mean, spread = scores.mean(axis=0), scores.std(axis=0)
            text = [f"{m:.4g}" + (f" ± {s:.2g}" if len(scores) > 1 else "") for m, s in zip(mean, spread, strict=True)]
            print(f"| {order} | {min(k, len(permutations[0]))} | {' | '.join(text)} |", flush=True)
            curves.setdefault(order, []).append(mean[0])
    if given.plot is not None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), dpi=120)
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for order, curve in curves.items():
            axes.plot([*given.counts, count], curve, marker="o", label=order)
        axes.set(xscale="symlog", xlabel="annotated detections", ylabel="AOGM", title="HeLa t 0-19, attrackt preset")
        axes.legend()
        figure.savefig(given.plot)


if __name__ == "__main__":
    main()
