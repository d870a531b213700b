"""Bounds that follow pins step by step are those that all pins give at once."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import examples
from test_solve import crowd

from tracker.ilp.bounds import apply_pins
from tracker.ilp.pinned_bounds import PinnedBounds
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import TrackingProblem

KINDS = ("detection", "link", "division", "children", "appear", "disappear")


def draw_pins(problem: TrackingProblem, rng: np.random.Generator) -> list[tuple[str, tuple[int, ...]]]:
    """A pin on what is a candidate; links that pins demand come from one parent each."""
    links = problem.links[rng.permutation(len(problem.links))]
    u, v = links[0].tolist()
    siblings = links[(links[:, 0] == u) & (links[:, 1] != v), 1].tolist()
    value = int(rng.integers(2))
    if problem.split:
        pair = (u, v, siblings[0]) if siblings else None
    else:
        own = problem.divisions[problem.divisions[:, 0] == u]
        pair = tuple(own[rng.integers(len(own))].tolist()) if len(own) else None
    kind = str(rng.choice(KINDS))
    if kind == "link":
        return [(kind, (u, v, value))]
    if kind == "division":
        return [(kind, (*pair, value))] if pair else []
    if kind == "children":
        return [(kind, [(u, -1, -1), (u, v, -1), pair or (u, v, -1)][rng.integers(3)])]
    return [(kind, (u, value))]


def as_arrays(pins: list[tuple[str, Any]]) -> PinArrays:
    rows: dict[str, list[Any]] = {}
    for kind, row in dict.fromkeys(pins):
        rows.setdefault(kind, []).append(row)
    return PinArrays(**{kind: np.array(content, np.int64) for kind, content in rows.items()})


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("split", [False, True])
@given(seed=st.integers(0, 2**32 - 1))
@examples(12)
def test_following_equals_starting_anew(split: bool, keep: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = crowd(int(rng.integers(5)), n_frames=4, per_frame=8, keep=keep, split=split)
    layout = problem.layout
    bounds, pins = PinnedBounds(problem), []
    may_close = np.r_[layout.link, layout.division]
    for _ in range(12):
        if pins and rng.random() < 0.4:
            pins.pop(int(rng.integers(len(pins))))
        else:
            pins += draw_pins(problem, rng)
        closed = np.unique(rng.choice(may_close, int(rng.integers(4))))
        before = bounds.lower.copy(), bounds.upper.copy()
        changed = bounds.move(as_arrays(pins), closed)
        upper = problem.upper.copy()
        upper[closed] = 0
        anew = apply_pins(problem.with_bounds(problem.lower, upper), as_arrays(pins))
        np.testing.assert_array_equal(bounds.lower, anew.lower)
        np.testing.assert_array_equal(bounds.upper, anew.upper)
        differs = (bounds.lower != before[0]) | (bounds.upper != before[1])
        np.testing.assert_array_equal(changed, np.flatnonzero(differs))
