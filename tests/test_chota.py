"""CHOTA against the reference in traccuracy."""

import math
import warnings

import networkx as nx
import numpy as np
import pytest
from truth_cases import points, result

from tracker.chota import chota


def forest(rng, count, n_frames, share):
    """Random links between neighbouring frames, at most two children each."""
    frames = np.sort(rng.integers(n_frames, size=count))
    free, links = np.full(count, 2), []
    for child in np.flatnonzero(rng.random(count) < share):
        mothers = np.flatnonzero((frames == frames[child] - 1) & (free > 0))
        if len(mothers):
            links.append((int(rng.choice(mothers)), int(child)))
            free[links[-1][0]] -= 1
    return points(frames, links)


@pytest.mark.parametrize("seed", range(5))
def test_same_as_traccuracy(seed):
    pytest.importorskip("traccuracy")
    rng = np.random.default_rng(seed)
    truth = forest(rng, 60, 8, 0.9)
    other = forest(rng, 60, 8, 0.8)
    prediction = result(other, other.links)
    rows = np.where(rng.random(60) < 0.8, rng.permutation(60), -1)
    if seed > 2:
        rows[::7] = rows[1]  # several true objects in one detection
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from traccuracy import TrackingGraph
        from traccuracy.matchers import Matched
        from traccuracy.metrics import CHOTAMetric

        graphs = []
        for lineage in (truth, other):
            graph = nx.DiGraph()
            graph.add_nodes_from((k, {"t": int(t)}) for k, t in enumerate(lineage.frame))
            graph.add_edges_from(lineage.links.tolist())
            graphs.append(TrackingGraph(graph))
        pairs = [(k, int(row)) for k, row in enumerate(rows) if row >= 0]
        theirs = CHOTAMetric().compute(Matched(*graphs, pairs, {})).results["CHOTA"]
    assert chota(prediction, truth.to_lineage(), rows) == pytest.approx(theirs, abs=1e-12)
    assert 0 < theirs < 0.9


def test_perfect_and_nothing_found():
    truth = points([0, 1, 1, 2], [(0, 1), (0, 2), (2, 3)])
    lineage = truth.to_lineage()
    assert chota(lineage, lineage, np.arange(4)) == 1.0
    assert chota(lineage, lineage, np.full(4, -1)) == 0.0
    nothing = result(truth, [], unselected=range(4))
    assert chota(nothing, lineage, np.full(4, -1)) == 0.0
    assert math.isnan(chota(nothing, nothing, np.full(4, -1)[:0]))


def test_a_missed_division_by_hand():
    """0 -> 1, 2 without 0 -> 2: alone, 2 sees one pair of the three of its kin, 0 and 1 two of three."""
    truth = points([0, 1, 1], [(0, 1), (0, 2)])
    # True tracks: 0 with kin 0, 1, 2; 1 with kin 0, 1; 2 with kin 0, 2. Found: 0-1 and 2.
    # 0: 2 shared / 3 either; 1: 2 / 2; 2: 1 / 2.
    found = chota(result(truth, [(0, 1)]), truth.to_lineage(), np.arange(3))
    assert found == pytest.approx(np.sqrt((2 / 3 + 1 + 1 / 2) / 3))
