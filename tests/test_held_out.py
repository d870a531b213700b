"""Frames that are held out: how many, and the same ones by seed and movie."""

import numpy as np
import pytest

from embeddings.held_out import held_out_steps


@pytest.mark.parametrize(("count", "away"), [(0, 0), (1, 0), (3, 0), (4, 1), (10, 1), (11, 2), (80, 8), (200, 8)])
def test_how_many(count, away):
    steps = np.arange(count) * 3 + 1
    held, learnt = held_out_steps(steps, 0, 0)
    assert (len(held), len(learnt)) == (away, count - away)
    assert sorted([*held, *learnt]) == steps.tolist()
    assert (np.diff(held) > 0).all()
    assert (np.diff(learnt) > 0).all()


def test_they_stay_the_same_ones():
    """Trainings that are resumed must not learn from what was held out."""
    assert held_out_steps(np.arange(30), 7, 0)[0].tolist() == [2, 21, 29]
    assert held_out_steps(np.arange(11), 7, 1)[0].tolist() == [1, 6]
    assert held_out_steps(np.arange(12), 0, 0)[0].tolist() == [2, 10]
