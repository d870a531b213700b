"""What 10,000 true pins cost in solving time, and how soon a contradiction among them is named.

python benchmarks/pins.py [--repetitions 5]     HeLa t 0-19 with all it has, and 4 x 4 tiles of it; about two minutes
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from instances import HELA, hela_detections

from tracker.annotations import solve_pinned, with_demanded
from tracker.candidates import CandidateGraph, build_candidates
from tracker.config import CostSettings
from tracker.costs import price, to_problem
from tracker.detections import Detections
from tracker.errors import PinConflictError
from tracker.features.context import FeatureContext
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem
from tracker.io.movies import open_movie
from tracker.lineage import Lineage, make_lineage
from tracker.pin_checks import ResolvedPins, resolve_pins
from tracker.pin_sources import TrueLineage, pins_from_lineage, truth_as_lineage
from tracker.pin_table import PinRow
from tracker.pins import read_pins, write_pins
from tracker.truth import read_truth

N_PINS = 10_000
COSTS = CostSettings(preset="attrackt")


class Instance:
    """A movie with its truth, priced without pins."""

    def __init__(self, tiles_per_side: int) -> None:
        self.detections = hela_detections(20, tiles_per_side)
        self.truth = tiled_truth(self.detections, tiles_per_side)
        self.graph = build_candidates(self.detections)
        self.costs = price(FeatureContext(self.graph), COSTS, divisions="pair")
        self.problem = to_problem(self.graph, self.costs, COSTS)

    def key(self, row: int) -> tuple[int, int]:
        return int(self.detections.frame[row]), int(self.detections.label[row])

    def read(self, path: Path) -> ResolvedPins:
        return resolve_pins(read_pins([path]), self.detections)

    def grow(self, pins: ResolvedPins) -> TrackingProblem:
        """The program with the candidates that pins demand."""
        grown: CandidateGraph = with_demanded(self.graph, pins, pairs=True)
        costs = price(FeatureContext(grown), COSTS, divisions="pair", statistics=self.costs.statistics)
        return to_problem(grown, costs, COSTS)

    def true_pins(self, rng: np.random.Generator) -> list[PinRow]:
        """Up to 10,000 pins: families with appearances, links, detections, in random order."""
        lineage = self.truth.lineage
        rows = np.arange(len(self.detections))
        families = pins_from_lineage(
            lineage, rows, unknown_children=self.truth.unknown_children, unknown_parent=self.truth.unknown_parent
        )
        links = [PinRow("link", (self.key(one), self.key(other))) for one, other in lineage.links.tolist()]
        real = [PinRow("detection", (self.key(row),)) for row in np.flatnonzero(lineage.selected).tolist()]
        pins = [*dict.fromkeys([*families, *links, *real])]
        return [pins[place] for place in rng.permutation(len(pins))[:N_PINS].tolist()]

    def founder(self) -> tuple[int, list[PinRow]]:
        """A detection that appears, says the truth, and the true families of all that could be its parent."""
        lineage = self.truth.lineage
        founders = np.flatnonzero(lineage.selected & (lineage.parent < 0) & ~self.truth.unknown_parent)
        row = int(founders[0])
        near = np.unique(self.graph.links[self.graph.links[:, 1] == row, 0])
        return row, pins_from_lineage(lineage, near, unknown_children=self.truth.unknown_children)


def tiled_truth(detections: Detections, tiles_per_side: int) -> TrueLineage:
    """The truth of every tile."""
    single = hela_detections(20)
    truth = read_truth(HELA.parent / "02_GT" / "TRA")
    true = truth_as_lineage(truth, single, open_movie(HELA, kind="masks"))
    selected = np.zeros((3, len(detections)), bool)
    links = []
    for number in range(tiles_per_side**2):
        row = detections.rows_of(single.frame, single.label + number * 100_000)
        links.append(row[true.lineage.links])
        selected[:, row] = true.lineage.selected, true.unknown_children, true.unknown_parent
    lineage: Lineage = make_lineage(detections, selected[0], np.concatenate(links))
    return TrueLineage(lineage, selected[1], selected[2])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def solving_time(name: str, instance: Instance, folder: Path, repetitions: int) -> None:
    pins = instance.true_pins(np.random.default_rng(0))
    path = folder / "true.csv"
    write_pins(path, pins, overwrite=True)
    settings = SolverSettings()
    reading = [seconds(lambda: instance.read(path)) for _ in range(repetitions)]
    resolved = instance.read(path)
    growing = [seconds(lambda: instance.grow(resolved)) for _ in range(repetitions)]
    grown = instance.grow(resolved)
    without, with_pins = [], []
    for _ in range(repetitions):
        without.append(seconds(lambda: solve_pinned(instance.problem, None, settings)))
        with_pins.append(seconds(lambda: solve_pinned(grown, resolved, settings)))
    free, pinned = np.median(without), np.median(with_pins)
    spread = f"{np.min(with_pins) / np.min(without):.2f}"
    print(
        f"| {name} | {len(instance.detections)} | {len(pins)} | {free:.3f} s | {pinned:.3f} s | "
        f"**{pinned / free:.2f}** ({spread}) | {np.median(reading):.3f} s | {np.median(growing):.3f} s |",
        flush=True,
    )


def contradictions(name: str, instance: Instance, folder: Path, repetitions: int) -> None:
    """A second parent, which two rows show; a founder that may not appear, which only solving shows."""
    rng = np.random.default_rng(0)
    row, families = instance.founder()
    founder = instance.key(row)
    spoken_for = {*families, PinRow("appear", (founder,))}
    pins = [*families, *(pin for pin in instance.true_pins(rng) if pin not in spoken_for)][: N_PINS - 1]
    parent, child = next(pin.keys for pin in pins if pin.kind == "link")
    stranger = next(key for key in map(instance.key, range(len(instance.detections))) if key != parent)
    assert stranger[0] < child[0]
    planted = {
        "two parents": PinRow("link", (stranger, child)),
        "a founder that does not appear": PinRow("appear", (founder,), False),
    }
    path = folder / "contradicting.csv"
    for kind, pin in planted.items():
        place = int(rng.integers(len(pins)))
        write_pins(path, [*pins[:place], pin, *pins[place:]], overwrite=True)
        found = [named_after(instance, path) for _ in range(repetitions)]
        message = found[0][1]
        assert f"line {place + 2} " in message, message  # the header is line 1
        checking, solving = np.median([times for times, _ in found], axis=0)
        together = np.median([sum(times) for times, _ in found])
        print(
            f"| {name} | {len(pins) + 1} | {kind} | {message.count(' line ')} | {checking:.3f} s | "
            f"{f'{solving:.3f} s' if solving else '-'} | **{together:.3f} s** |",
            flush=True,
        )


def named_after(instance: Instance, path: Path) -> tuple[tuple[float, float], str]:
    """Seconds of reading and checking, and of solving and tracing (0 when it did not come so far); the message."""
    start = time.perf_counter()
    try:
        resolved = instance.read(path)
    except PinConflictError as error:
        return (time.perf_counter() - start, 0.0), str(error)
    checking = time.perf_counter() - start
    grown = instance.grow(resolved)
    start = time.perf_counter()
    try:
        solve_pinned(grown, resolved, SolverSettings())
    except PinConflictError as error:
        return (checking, time.perf_counter() - start), str(error)
    raise AssertionError("these pins contradict each other, and nobody says so")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    instances = {"HeLa, 20 frames": Instance(1), "4x4 tiles": Instance(4)}
    with TemporaryDirectory() as name:
        folder = Path(name)
        print(f"True pins; medians of {given.repetitions}, solves with and without by turns (in brackets: of the best)")
        print()
        print("| movie | detections | pins | solve without | solve with | ratio | read and check | add candidates |")
        print("|---|---|---|---|---|---|---|---|")
        for title, instance in instances.items():
            solving_time(title, instance, folder, given.repetitions)
        print()
        print("| movie | pins | planted | rows named | read and check | solve and trace | together |")
        print("|---|---|---|---|---|---|---|")
        for title, instance in instances.items():
            contradictions(title, instance, folder, given.repetitions)


if __name__ == "__main__":
    main()
