"""How fast pins mend a lineage: errors against the number of annotated detections, in suggested and in random order.

python benchmarks/annotations.py [--plot curve.png]     HeLa t 0-19, attrackt preset, `children` pins from the truth

All orders are over the detections that have a next frame. Of the random order mean and spread of some seeds.
"""

import argparse
from dataclasses import dataclass
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
from tracker.prepare import context_of, prepare
from tracker.stopwatch import Stopwatch
from tracker.suggest import Order, suggest
from tracker.truth import read_truth

HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"


class Annotator:
    """A person who knows the truth and answers which children a detection has."""

    def __init__(self) -> None:
        self.config = make_config({"data": {"segmentation": str(HELA / "02_SEG")}, "costs": {"preset": "attrackt"}})
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


@dataclass
class Curve:
    """One order: scores (R, counts, 3) of AOGM, LNK, division F1, and the pins that halve AOGM, for its R repeats."""

    counts: list[int]
    scores: np.ndarray
    halved: list[int]


def measure(person: Annotator, orders: list[np.ndarray], counts: list[int]) -> Curve:
    counts = [*(count for count in counts if count < len(orders[0])), len(orders[0])]
    scores = np.array([[person.score(rows[:count]) for count in counts] for rows in orders])
    halved = [halving(person, rows, counts, own[:, 0]) for rows, own in zip(orders, scores, strict=True)]
    return Curve(counts, scores, halved)


def halving(person: Annotator, rows: np.ndarray, counts: list[int], errors: np.ndarray) -> int:
    """Fewest pins that leave at most half of the errors, by bisection between the first two counts around it."""
    half = errors[0] / 2
    first = int(np.flatnonzero(errors <= half)[0])
    above, below = counts[first - 1], counts[first]
    while below - above > 1:
        middle = (above + below) // 2
        if person.score(rows[:middle])[0] > half:
            above = middle
        else:
            below = middle
    return below


def draw(curves: dict[str, Curve], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    figure = Figure(figsize=(7, 4.5), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    half = next(iter(curves.values())).scores[0, 0, 0] / 2
    for (order, curve), colour in zip(curves.items(), ("tab:blue", "tab:orange", "tab:gray"), strict=True):
        errors = curve.scores[:, :, 0]
        mean, spread = errors.mean(axis=0), errors.std(axis=0)
        repeats = f" (mean and spread of {len(errors)} seeds)" if len(errors) > 1 else ""
        axes.plot(curve.counts, mean, color=colour, marker=".", label=order + repeats)
        axes.fill_between(curve.counts, mean - spread, mean + spread, color=colour, alpha=0.25, linewidth=0)
        axes.plot(np.mean(curve.halved), half, color=colour, marker="o", markersize=9, fillstyle="none")
    axes.axhline(half, color="black", linewidth=0.8, linestyle=":")
    axes.annotate(
        "half of the errors (rings: measured)", (0, half), xytext=(3, 3), textcoords="offset points", fontsize=8
    )
    counts = next(iter(curves.values())).counts
    axes.set_xscale("symlog", linthresh=10)  # 0 has a place, too
    axes.xaxis.set_major_locator(FixedLocator(counts))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{count:,}" for count in counts], rotation=30)
    axes.set_xlim(0, counts[-1] * 1.15)
    axes.set_ylim(0)
    axes.grid(alpha=0.3)
    axes.set(
        xlabel="annotated detections",
        ylabel="AOGM (0 is perfect)",
        title="HeLa t 0-19, attrackt preset: pins mend errors",
    )
    axes.legend(frameon=False, loc="lower left")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[0, 10, 30, 100, 300, 1000, 2000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--plot", type=Path, help="draw the curves into this PNG")
    given = parser.parse_args()
    if given.counts[0] != 0 or given.counts != sorted(given.counts):
        parser.error("--counts must ascend from 0")
    person = Annotator()
    lineage, values, problem = person.solve(np.empty(0, int))
    margins = exact_margins(problem, values)

    def ranked(order: Order, seed: int = 0) -> np.ndarray:
        graph, count = person.prepared.graph, len(lineage.detections)
        return suggest(lineage, graph, margins, None, order=order, budget=count, seed=seed).rows

    orders = {
        "margin": [ranked("margin")],
        "combined": [ranked("combined")],
        "random": [ranked("random", seed) for seed in range(given.seeds)],
    }
    print("| order | pins | AOGM | LNK | division F1 |")
    print("|---|---|---|---|---|")
    curves: dict[str, Curve] = {}
    for order, rankings in orders.items():
        curve = curves[order] = measure(person, rankings, given.counts)
        for count, mean, spread in zip(curve.counts, curve.scores.mean(axis=0), curve.scores.std(axis=0), strict=True):
            text = [
                f"{m:.4g}" + (f" ± {s:.2g}" if len(rankings) > 1 else "") for m, s in zip(mean, spread, strict=True)
            ]
            print(f"| {order} | {count} | {' | '.join(text)} |", flush=True)
    print()
    print("| order | pins until half of the errors are left | of what random needs |")
    print("|---|---|---|")
    needed = np.mean(curves["random"].halved)
    for order, curve in curves.items():
        spread = f" ± {np.std(curve.halved):.0f}" if len(curve.halved) > 1 else ""
        print(f"| {order} | {np.mean(curve.halved):.0f}{spread} | {np.mean(curve.halved) / needed:.1%} |")
    if given.plot is not None:
        draw(curves, given.plot)


if __name__ == "__main__":
    main()
