"""How long a pin and the solve after it take: a session on the real HeLa movie, living programs on 4 x 4 tiles of it.

Every pin is random: a link of the lineage is forbidden, or its child rejected. Run by hand:
`python benchmarks/session.py`; about a minute.
"""

import time

import numpy as np
from instances import HELA, attrackt_problem, hela_detections

from tracker.config import make_config
from tracker.errors import PinConflictError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.resolve import ConflictError, Resolver
from tracker.pin_table import PinRow
from tracker.session import Session

N_PINS = 50


def main() -> None:
    start = time.perf_counter()
    session = Session(make_config({"data": {"segmentation": str(HELA)}}))
    opened = time.perf_counter() - start
    report("HeLa, 20 frames", len(session.lineage.detections), opened, session_seconds(session))

    detections = hela_detections(20, 4)
    graph, problem = attrackt_problem(detections, keep=True)
    start = time.perf_counter()
    resolver = Resolver(problem, SolverSettings())
    opened = time.perf_counter() - start
    report("4 x 4 tiles, 20 frames", len(detections), opened, resolver_seconds(resolver, graph.links))


def session_seconds(session: Session) -> list[float]:
    """Of every pin and its solve; pins stay. Contradictions are passed over."""
    rng = np.random.default_rng(0)
    found = session.lineage.detections
    keys = list(zip(found.frame.tolist(), found.label.tolist(), strict=True))
    seconds: list[float] = []
    while len(seconds) < N_PINS:
        links = session.lineage.links
        parent, child = links[rng.integers(len(links))]
        if rng.random() < 0.5:
            row = PinRow("detection", (keys[child],), False)
        else:
            row = PinRow("link", (keys[parent], keys[child]), False)
        start = time.perf_counter()
        try:
            session.pin(row)
            session.solve()
        except PinConflictError:
            continue
        seconds.append(time.perf_counter() - start)
    return seconds


def resolver_seconds(resolver: Resolver, links: np.ndarray) -> list[float]:
    """Of every change of bounds and its solve; pins stay. Contradictions are passed over."""
    rng = np.random.default_rng(0)
    free = resolver.problem
    rejected, forbidden = np.empty((0, 2), np.int64), np.empty((0, 3), np.int64)
    seconds: list[float] = []
    while len(seconds) < N_PINS:
        chosen = np.flatnonzero(resolver.values[free.layout.link])
        parent, child = links[rng.choice(chosen)]
        more_rejected, more_forbidden = rejected, forbidden
        if rng.random() < 0.5:
            more_rejected = np.append(rejected, [[child, 0]], axis=0)
        else:
            more_forbidden = np.append(forbidden, [[parent, child, 0]], axis=0)
        start = time.perf_counter()
        pinned = apply_pins(free, PinArrays(detection=more_rejected, link=more_forbidden))
        try:
            resolver.rebind(pinned.lower, pinned.upper)
        except ConflictError:
            continue
        seconds.append(time.perf_counter() - start)
        rejected, forbidden = more_rejected, more_forbidden
    return seconds


def report(name: str, n_detections: int, opened_s: float, seconds: list[float]) -> None:
    print(
        f"{name}: {n_detections} detections, opened in {opened_s:.1f} s; {len(seconds)} pins, each with its solve: "
        f"mean {1000 * np.mean(seconds):.1f} ms, median {1000 * np.median(seconds):.1f} ms, "
        f"max {1000 * np.max(seconds):.1f} ms"
    )


if __name__ == "__main__":
    main()
