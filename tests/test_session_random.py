"""Random changes of pins and weights: after each, a session has the lineage that a run from the start finds."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from session_cases import ColdRuns, Links, cold, content_of, keys_of, links_of, write_cells

from tracker.config import make_config
from tracker.detections import Detections
from tracker.errors import PinConflictError
from tracker.pin_table import KINDS, PinRow
from tracker.session import Session

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
LIKELY = [f"likely {kind}" for kind in KINDS]
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19" / "02_SEG"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("movie"))


def random_pin(detections: Detections, rng: np.random.Generator, *, soft: float, pairs: bool) -> PinRow:
    """A pin on a detection and some of what comes within two frames, mostly near, sometimes far.

    soft: how many of the pins are only likely.   pairs: in a model that can price two children together.
    """
    keys = list(zip(detections.frame.tolist(), detections.label.tolist(), strict=True))
    own = int(rng.integers(len(keys)))
    gap = detections.step - detections.step[own]
    later = np.flatnonzero((gap > 0) & (gap <= (2 if rng.random() < 0.2 else 1)))
    near = later[np.argsort(np.linalg.norm(detections.position[later] - detections.position[own], axis=1))]
    near = near[: 4 if rng.random() < 0.8 else 12]
    kind = str(rng.choice(["detection", "link", "link", "division", "children", "appear", "disappear"]))
    count = {"link": 1, "division": 2, "children": int(rng.integers(3))}.get(kind, 0)
    if len(near) < count:
        kind, count = "detection", 0
    chosen = rng.choice(near, count, replace=False) if count else []
    value = kind == "children" or bool(rng.random() < 0.6)
    likely = rng.random() < soft and (pairs or count < 2)
    confidence = float(rng.choice([0.3, 0.75, 0.9])) if likely else None
    return PinRow(kind, (keys[own], *(keys[int(row)] for row in chosen)), value, confidence)


def play(
    content: dict[str, Any],
    folder: Path,
    from_the_start: Callable[[dict[str, Any], list[PinRow]], tuple[float, Links]],
    n_changes: int,
    seed: int,
) -> Counter[str]:
    """Random changes, each compared with a run from the start; returns how often what happened."""
    rng = np.random.default_rng(seed)
    session = Session(make_config(content, folder=folder))
    found = session.lineage.detections
    pins: list[PinRow] = []
    links = links_of(session.lineage)
    pairs = content["candidates"].get("divisions", "pair") == "pair"
    happened: Counter[str] = Counter()
    for _ in range(n_changes):
        before, costs_before = list(pins), content
        draw = rng.random()
        if draw < 0.08:
            name, value = str(rng.choice(["weight", "appear", "disappear", "division"])), float(rng.uniform(0.3, 2))
            costs = dict(content["costs"])
            if name == "weight":
                costs["terms"] = [{**costs["terms"][0], "weight": value}, *costs["terms"][1:]]
                session.set_weight("link", "distance", value)
            else:
                costs[name] = value
                session.set_cost(name, value)
            content = content | {"costs": costs}
            event = "priced"
        elif pins and draw < 0.38:
            gone = pins[int(rng.integers(len(pins)))]
            pins = [pin for pin in pins if pin != gone]
            session.unpin(gone)
            event = "unpinned"
        else:
            pins = [*pins, random_pin(found, rng, soft=0.18, pairs=pairs)]
            session.pin(pins[-1])
            event = "pinned" if pins[-1].confidence is None else f"likely {pins[-1].kind}"
        try:
            objective, expected = from_the_start(content, pins)
        except PinConflictError:
            state = session.objective, links
            with pytest.raises(PinConflictError, match="session line"):
                session.solve()
            pins, content = before, costs_before
            assert list(session.pins) == pins
            assert (session.objective, links_of(session.lineage)) == state
            happened["refused"] += 1
            continue
        change = session.solve()
        assert change.objective == session.objective
        assert session.objective == pytest.approx(objective, rel=1e-9, abs=1e-6)
        assert change.bound == pytest.approx(objective, rel=1e-6, abs=1e-6)
        now = links_of(session.lineage)
        assert now == expected
        assert (keys_of(change.added), keys_of(change.removed)) == (now - links, links - now)
        assert len(change.added) + len(change.removed) == len(now ^ links)
        links = now
        happened[event] += 1
    return happened


@pytest.mark.parametrize(
    ("divisions", "detection"), [("pair", "keep"), ("pair", -0.3), ("split", "keep"), ("split", -0.3)]
)
def test_random_changes(folder: Path, tmp_path: Path, divisions: str, detection: str | float) -> None:
    content = content_of(divisions, detection)
    happened = play(content, folder, lambda content, pins: cold(content, folder, pins, tmp_path), 60, seed=5)
    assert min(happened[event] for event in ("pinned", "unpinned", "priced")) >= 3
    assert happened["refused"] >= 1
    assert sum(happened[event] for event in LIKELY) >= 3


@pytest.mark.data
@pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}")
def test_random_changes_on_hela(tmp_path: Path) -> None:
    """200 changes of the whole movie, every kind of pin, certain and likely; fewer neighbours than usual, for speed."""
    content = content_of() | {"data": {"segmentation": str(HELA)}, "candidates": {"neighbors": 6}}
    happened = play(content, tmp_path, ColdRuns(content, tmp_path), 200, seed=11)
    assert min(happened[event] for event in ("pinned", "unpinned", "priced")) >= 15
    assert all(happened[event] for event in LIKELY), happened
    assert happened.total() == 200
