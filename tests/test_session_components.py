"""Pins that change which parts of the real movie's program hang together; each against a run from the start."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from session_cases import ColdRuns, content_of, links_of

from tracker.config import make_config
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem
from tracker.pin_table import PinRow
from tracker.session import Session

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19" / "02_SEG"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}"),
]


class Movie:
    """All 20 frames, links of at most 30 px: a program of many components."""

    def __init__(self, detection: str | float) -> None:
        narrow = {"data": {"segmentation": str(HELA)}, "candidates": {"max_distance": 30.0}}
        self.content: dict[str, Any] = content_of(detection=detection) | narrow
        self.from_the_start = ColdRuns(self.content, HELA)
        self.free, solution, self.lineage = self.from_the_start.solve(self.content, [])
        self.objective = solution.objective
        self.component = components(self.free)
        found = self.lineage.detections
        self.keys = list(zip(found.frame.tolist(), found.label.tolist(), strict=True))

    def open(self) -> Session:
        return Session(make_config(self.content, folder=HELA))

    def follow(self, session: Session, pins: list[PinRow]) -> NDArray[np.int64]:
        """Solve under exactly `pins`, compare with a run from the start; components of what is open then."""
        for pin in set(session.pins) - set(pins):
            session.unpin(pin)
        for pin in set(pins) - set(session.pins):
            session.pin(pin)
        session.solve()
        problem, solution, lineage = self.from_the_start.solve(self.content, pins)
        assert session.objective == pytest.approx(solution.objective, rel=1e-9, abs=1e-6)
        assert links_of(session.lineage) == links_of(lineage)
        return components(problem)


@pytest.fixture(scope="module", params=["keep", -0.3])
def movie(request: pytest.FixtureRequest) -> Movie:
    return Movie(request.param)


def components(problem: TrackingProblem) -> NDArray[np.int64]:
    """(2, N) component of every detection's row in(v), and of its row out(v); -1 for rows without an open link.

    Rows hang together through links and divisions that are open, and through detections that are free.
    """
    layout, count = problem.layout, problem.n_detections
    links = problem.links[problem.upper[layout.link] == 1]
    divisions = problem.divisions[problem.upper[layout.division] == 1]
    free = np.flatnonzero(problem.lower[layout.detection] < problem.upper[layout.detection])
    joins = np.concatenate([links, divisions[:, :2], divisions[:, [0, 2]]]) + np.array([count, 0])
    ends = np.concatenate([joins, np.column_stack([free, free + count])])
    graph = coo_array((np.ones(len(ends)), tuple(ends.T)), shape=(2 * count, 2 * count))
    _, component = connected_components(graph, directed=False)
    return np.where(np.isin(component, component[joins]), component, -1).reshape(2, count)


def n_parts(component: NDArray[np.int64], rows: NDArray[np.bool_]) -> int:
    """In how many components those of `rows` (2, N) lie that have an open link."""
    return len(np.unique(component[rows & (component >= 0)]))


def test_there_are_many_components(movie: Movie) -> None:
    names, size = np.unique(movie.component, return_counts=True)
    assert len(names) > 90
    assert size[names >= 0].max() > 10


@pytest.mark.parametrize("kind", ["detection", "children"])
def test_pins_that_split_a_component(movie: Movie, kind: str) -> None:
    """A rejected detection, a track that ends: what hung together through it alone falls apart, and comes back."""
    session, split = movie.open(), []
    for parent in np.random.default_rng(1).permutation(np.unique(movie.lineage.links[:, 0])).tolist():
        pin = [parent, 0] if kind == "detection" else [parent, -1, -1]
        before = movie.component == movie.component[1, parent]
        if n_parts(components(apply_pins(movie.free, PinArrays(**{kind: np.array([pin])}))), before) > 1:
            split.append((PinRow(kind, (movie.keys[parent],), kind == "children"), before))
        if len(split) == 3:
            break
    assert len(split) == 3
    for number, (_, before) in enumerate(split, start=1):
        after = movie.follow(session, [pin for pin, _ in split[:number]])
        assert n_parts(movie.component, before) == 1
        assert n_parts(after, before) > 1
        assert session.objective != pytest.approx(movie.objective, abs=1e-3)
    for number in (2, 0):
        movie.follow(session, [pin for pin, _ in split[:number]])
    assert session.objective == pytest.approx(movie.objective, abs=1e-6)


@pytest.mark.parametrize("confidence", [None, 0.9999])
def test_pins_that_merge_two_components(movie: Movie, confidence: float | None) -> None:
    """A link that was too far to be a candidate; certain, it closes the child's other ways in, likely, it does not."""
    found, session = movie.lineage.detections, movie.open()
    names, size = np.unique(movie.component, return_counts=True)
    large = names[(names >= 0) & (size >= np.sort(size[names >= 0])[-20])]
    parent, child = np.meshgrid(*(np.flatnonzero(np.isin(side, large)) for side in movie.component[::-1]))
    next_frame = (found.step[child] == found.step[parent] + 1).ravel()
    parent, child = parent.ravel()[next_frame], child.ravel()[next_frame]
    apart = movie.component[1, parent] != movie.component[0, child]
    parent, child = parent[apart], child[apart]
    order = np.argsort(np.linalg.norm(found.position[child] - found.position[parent], axis=1))
    first = order[[0, 10, 20]]
    pins = []
    for u, v in zip(parent[first].tolist(), child[first].tolist(), strict=True):
        assert not ((movie.free.links == [u, v]).all(axis=1)).any()
        pins.append(PinRow("link", (movie.keys[u], movie.keys[v]), True, confidence))
        after = movie.follow(session, pins)
        assert after[1, u] == after[0, v]
        both = np.isin(movie.component, [movie.component[1, u], movie.component[0, v]])
        assert confidence is None or n_parts(after, both) == 1
    assert session.objective != pytest.approx(movie.objective, abs=1e-3)
    for number in (2, 1, 0):
        movie.follow(session, pins[:number])
    assert session.objective == pytest.approx(movie.objective, abs=1e-6)


def test_pins_that_empty_a_component(movie: Movie) -> None:
    """Of three components every detection is rejected; they come back one half at a time."""
    session = movie.open()
    names, size = np.unique(movie.component[movie.component >= 0], return_counts=True)
    emptied = [movie.component == name for name in names[np.argsort(-size)[[0, 3, 10]]]]
    pins: list[PinRow] = []
    for rows in emptied:
        assert n_parts(movie.component, rows) == 1
        pins += [PinRow("detection", (movie.keys[row],), False) for row in np.flatnonzero(rows.any(axis=0))]
        pins = list(dict.fromkeys(pins))
        assert n_parts(movie.follow(session, pins), rows) == 0
        assert not session.lineage.selected[rows.any(axis=0)].any()
    for part in (pins[::2], pins[:10], []):
        movie.follow(session, part)
    assert session.objective == pytest.approx(movie.objective, abs=1e-6)
