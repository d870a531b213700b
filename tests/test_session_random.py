"""Random changes of pins and weights: after each, a session has the lineage that a run from the start finds."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from session_cases import cold, content_of, keys_of, links_of, write_cells

from tracker.config import make_config
from tracker.detections import Detections
from tracker.errors import PinConflictError
from tracker.pin_table import PinRow
from tracker.session import Session

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19" / "02_SEG"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("movie"))


def random_pin(detections: Detections, rng: np.random.Generator, *, soft: float) -> PinRow:
    """A pin on a detection and some of what comes within two frames, mostly near, sometimes far."""
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
    # A likely pin says what can be priced in every model: a detection or a link.
    likely = kind in ("detection", "link") and rng.random() < soft
    return PinRow(kind, (keys[own], *(keys[int(row)] for row in chosen)), value, 0.9 if likely else None)


def play(content: dict[str, Any], folder: Path, scratch: Path, n_changes: int, seed: int) -> dict[str, int]:
    """Random changes, each compared with a run from the start; returns how often what happened."""
    rng = np.random.default_rng(seed)
    session = Session(make_config(content, folder=folder))
    found = session.lineage.detections
    pins: list[PinRow] = []
    links = links_of(session.lineage)
    happened = {"pinned": 0, "unpinned": 0, "priced": 0, "refused": 0}
    for _ in range(n_changes):
        before, costs_before = list(pins), content
        draw = rng.random()
        if draw < 0.12:
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
        elif pins and draw < 0.4:
            gone = pins[int(rng.integers(len(pins)))]
            pins = [pin for pin in pins if pin != gone]
            session.unpin(gone)
            event = "unpinned"
        else:
            pins = [*pins, random_pin(found, rng, soft=0.15)]
            session.pin(pins[-1])
            event = "pinned"
        try:
            objective, expected = cold(content, folder, pins, scratch)
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
    happened = play(content_of(divisions, detection), folder, tmp_path, 60, seed=5)
    assert min(happened["pinned"], happened["unpinned"], happened["priced"]) >= 3
    assert happened["refused"] >= 1


@pytest.mark.data
@pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}")
def test_random_changes_on_hela(tmp_path: Path) -> None:
    content = content_of() | {"data": {"segmentation": str(HELA), "frames": [0, 10]}, "candidates": {}}
    happened = play(content, tmp_path, tmp_path, 30, seed=11)
    assert min(happened["pinned"], happened["unpinned"], happened["priced"]) >= 2
