"""Target matrix against a walk through the lineage, and against the trackastra package."""

import numpy as np
import pytest

from embeddings.targets import association_target, tracklets_of

# 0 -> 2 -> (3, 4); 4 -> 6; 1 -> 5; 7 alone
PARENT = np.array([-1, -1, 0, 2, 2, 1, 4, -1])


def test_tracklets():
    tracklet, parent = tracklets_of(PARENT)
    assert tracklet.tolist() == [0, 1, 0, 2, 3, 1, 3, 4]
    assert parent.tolist() == [-1, -1, 0, 0, -1]


def test_no_objects():
    tracklet, parent = tracklets_of(np.zeros(0, np.int64))
    assert tracklet.shape == parent.shape == (0,)
    assert association_target(tracklet, parent).shape == (0, 0)


def test_family_but_not_sisters():
    tracklet, parent = tracklets_of(PARENT)
    found = association_target(tracklet, parent)
    wanted = {0: {0, 2, 3, 4, 6}, 1: {1, 5}, 2: {0, 2, 3, 4, 6}, 3: {0, 2, 3}, 4: {0, 2, 4, 6}, 5: {1, 5},
              6: {0, 2, 4, 6}, 7: {7}}  # fmt: skip
    assert {i: set(np.flatnonzero(row).tolist()) for i, row in enumerate(found)} == wanted


def test_unmatched_detections_and_absent_mothers():
    tracklet, parent = tracklets_of(PARENT)
    window = np.append(tracklet[[2, 6, 3]], -1)  # the second's tracklet and its mother; a false detection
    assert association_target(window, parent).astype(int).tolist() == [
        [1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0],
    ]  # fmt: skip
    chain = np.array([-1, 0, 1, 2])  # great-grandmother and great-granddaughter, nobody between in the window
    assert association_target(np.array([0, 3]), chain).all()
    assert not association_target(np.array([-1, -1]), chain).any()


def random_lineage(seed):
    rng = np.random.default_rng(seed)
    parent = np.array([-1 if k < 3 or rng.random() < 0.1 else int(rng.integers(max(0, k - 6), k)) for k in range(50)])
    return parent, rng


@pytest.mark.parametrize("seed", range(4))
def test_is_the_relation_of_the_lineage(seed):
    parent, rng = random_lineage(seed)
    ancestors = []
    for row in range(len(parent)):
        ancestors.append({row} | (ancestors[parent[row]] if parent[row] >= 0 else set()))
    tracklet, parents = tracklets_of(parent)
    window = np.sort(rng.choice(50, 25, replace=False))
    wanted = np.array([[i in ancestors[j] or j in ancestors[i] for j in window] for i in window])
    np.testing.assert_array_equal(association_target(tracklet[window], parents), wanted)


def test_agrees_with_the_trackastra_package():
    data = pytest.importorskip("trackastra.data.data", reason="the package trackastra is not installed")
    import networkx as nx

    parent, rng = random_lineage(9)
    tracklet, parents = tracklets_of(parent)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(1, len(parents) + 1))
    graph.add_edges_from((int(above) + 1, k + 1) for k, above in enumerate(parents) if above >= 0)
    window = rng.choice(50, 30, replace=False)
    matched = np.where(rng.random(30) < 0.2, -1, tracklet[window])
    matching = {k: {k + 1: int(one) + 1} for k, one in enumerate(matched) if one >= 0}
    matching |= {k: {} for k, one in enumerate(matched) if one < 0}
    theirs = data._ctc_assoc_matrix(np.arange(1, 31), np.arange(30), graph, matching)
    np.testing.assert_array_equal(association_target(matched, parents), theirs)
