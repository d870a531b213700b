"""Learned tables and scores of other tools, laid onto the candidate graph."""

import geff
import geff.core_io
import networkx as nx
import numpy as np
import pytest

from embeddings.table import Associations, NodeEmbeddings
from tracker.candidates import build_candidates
from tracker.detections import Detections
from tracker.errors import InputError
from tracker.io.geff_scores import read_link_scores
from tracker.scores import lay_on_links, load_associations, load_embeddings, load_geff_scores, scores_out

# Frames 2, 3, 4 hold the labels 5, 9 | 4, 7 | 5; positions in pixels times the scale (2, 1).
KEY = [(2, 5), (2, 9), (3, 4), (3, 7), (4, 5)]
PIXEL = [(0.0, 0.0), (0.0, 20.0), (1.0, 1.0), (1.0, 21.0), (2.0, 3.0)]


def detections(kind="masks"):
    frame, label = np.array(KEY).T
    scale = np.array([2.0, 1.0])
    properties = {"area_px": np.ones(5)} if kind == "masks" else {}
    return Detections(frame, label, np.array(PIXEL) * scale, np.array([2, 3, 4]), scale, properties=properties)


def graph(kind="masks"):
    found = build_candidates(detections(kind))
    assert found.links.tolist() == [[0, 2], [0, 3], [1, 2], [1, 3], [2, 4], [3, 4]]
    return found


def refused(call, message, path=None):
    with pytest.raises(InputError) as error:
        call()
    assert str(error.value).replace(str(path), "FILE") == message


def test_lay_on_links():
    """In any order; pairs that are no candidates, also backwards ones, are passed over; no score is 0."""
    ends = np.array([[3, 4], [0, 2], [0, 1], [2, 0], [4, 3], [0, 4]])
    scores = lay_on_links(graph(), ends, np.array([0.5, 0.25, 9, 9, 9, 9.0]))
    assert scores.tolist() == [0.25, 0, 0, 0, 0, 0.5]


def test_lay_on_no_links():
    alone = build_candidates(Detections(np.zeros(2, int), np.arange(2), np.zeros((2, 2)), np.arange(1), np.ones(2)))
    assert lay_on_links(alone, np.array([[0, 1]]), np.ones(1)).shape == (0,)
    assert lay_on_links(graph(), np.empty((0, 2), np.int64), np.empty(0)).tolist() == [0.0] * 6


def test_scores_of_the_next_frame_tell_how_many_children_there_are():
    """Those of links that skip a frame do not: there the same children are seen once more."""
    found = build_candidates(detections(), max_frame_gap=2)
    assert found.links.tolist() == [[0, 2], [0, 3], [0, 4], [1, 2], [1, 3], [1, 4], [2, 4], [3, 4]]
    sums = scores_out(found, np.array([0.75, 0.5, 0.9, 0.125, 0.25, 0.8, 1.0, 0.0]))
    assert sums.tolist() == [1.25, 0.375, 1.0, 0.0, 0.0]


def associations(path, links, scores):
    Associations(np.array(links, np.int64).reshape(-1, 2, 2), np.array(scores, np.float32)).save(path)
    return path


def test_associations(tmp_path):
    """By frame and label; other frames and labels are passed over, and so are pairs that are no candidates."""
    links = [
        ((2, 9), (3, 7)),
        ((2, 5), (3, 4)),
        ((2, 5), (4, 5)),  # no candidate
        ((2, 5), (3, 5)),  # there is no 3:5
        ((1, 5), (2, 5)),  # frame 1 was not read
        ((3, 4), (4, 5)),
    ]
    path = associations(tmp_path / "a.npz", links, [0.5, 0.25, 1, 1, 1, 0.75])
    assert load_associations(path, graph()).tolist() == [0.25, 0, 0, 0.5, 0.75, 0]


def test_an_empty_table_of_associations_scores_nothing(tmp_path):
    assert load_associations(associations(tmp_path / "a.npz", [], []), graph()).tolist() == [0.0] * 6


def test_associations_that_cannot_be_used(tmp_path):
    path = tmp_path / "a.npz"
    refused(lambda: load_associations(path, graph()), "associations.path: FILE does not exist", path)
    associations(path, [((7, 1), (8, 1)), ((2, 5), (3, 5))], [1, 1])
    refused(
        lambda: load_associations(path, graph()),
        "FILE scores no pair of detections of this movie. Compute the associations of this movie",
        path,
    )
    associations(path, [((2, 5), (3, 4)), ((2, 9), (3, 7))], [np.nan, np.inf])
    refused(
        lambda: load_associations(path, graph()),
        "FILE must hold finite scores; NaN or infinite for 2:5 -> 3:4, 2:9 -> 3:7. Compute the associations again",
        path,
    )
    NodeEmbeddings(np.array(KEY), np.zeros((5, 2), np.float32)).save(path)
    message = "associations.path: FILE holds node_embeddings, wanted associations"
    refused(lambda: load_associations(path, graph()), message, path)


def test_embeddings(tmp_path):
    """In the order of the detections; keys that are no detection of ours are passed over."""
    order = [3, 0, 4, 1, 2]
    key = np.array([KEY[row] for row in order] + [(9, 9), (2, 6)])
    vector = np.column_stack([[*order, 9, 9], np.full(7, 0.5)]).astype(np.float32)
    NodeEmbeddings(key, vector).save(tmp_path / "a.npz")
    found = load_embeddings(tmp_path / "a.npz", detections())
    assert found.tolist() == [[row, 0.5] for row in range(5)]
    assert found.dtype == np.float64


def test_embeddings_that_cannot_be_used(tmp_path):
    path = tmp_path / "a.npz"
    refused(lambda: load_embeddings(path, detections()), "embeddings.path: FILE does not exist", path)
    vector = np.zeros((5, 3), np.float32)
    vector[1, 2] = np.nan
    NodeEmbeddings(np.array([*KEY[:3], (3, 8), KEY[4]]), vector).save(path)
    refused(
        lambda: load_embeddings(path, detections()),
        "FILE must hold a finite vector for every detection; none for frame:label 2:9, 3:7. Embed this movie again",
        path,
    )


# A candidate graph of another tool: its own node ids, a node in a frame that we did not read, and one that is not ours.
IDS = {KEY[0]: 40, KEY[1]: 3, KEY[2]: 17, KEY[3]: 8, KEY[4]: 99, (9, 1): 1}
EDGES = {(40, 17): 0.5, (3, 8): 0.25, (40, 99): 0.75, (99, 17): 1.0, (99, 1): 0.125}
WANTED = [0.5, 0, 0, 0.25, 1.0, 0]


def nodes(label=None, jitter=0.0, ids=IDS):
    places = dict(zip(KEY, PIXEL, strict=True))
    for (t, own), node in ids.items():
        y, x = places.get((t, own), (50.0, 50.0))
        yield node, {"t": t, "y": y + jitter, "x": x - jitter, **({} if label is None else {label: own})}


def write(path, given, edges=EDGES, name="score"):
    made = nx.DiGraph()
    made.add_nodes_from(given)
    for (source, target), score in edges.items():
        made.add_edge(source, target, **({} if score is None else {name: score}))
    geff.write(made, path, axis_names=["t", "y", "x"], axis_types=["time", "space", "space"])
    return path


@pytest.mark.parametrize("label", ["label", "mask_id"])
def test_geff_by_label(tmp_path, label):
    """Wherever the nodes lie; a link that leads back in time is turned; links to nodes that are not ours are gone."""
    path = write(tmp_path / "a.geff", nodes(label, jitter=100.0))
    found = read_link_scores(path, "score", detections())
    assert found.rule == label
    assert sorted(zip(map(tuple, found.key.tolist()), found.score.tolist(), strict=True)) == [
        ((0, 2), 0.5),
        ((0, 4), 0.75),
        ((1, 3), 0.25),
        ((2, 4), 1.0),
    ]
    assert load_geff_scores(path, "score", graph()).tolist() == WANTED


def test_geff_by_node_id_of_points(tmp_path):
    """Ids are unique over the movie, and the points' own labels."""
    frame = np.array(KEY)[:, 0]
    points = Detections(frame, np.array([3, 40, 8, 17, 99]), np.zeros((5, 2)), np.array([2, 3, 4]), np.ones(2))
    found = read_link_scores(write(tmp_path / "a.geff", nodes(jitter=100.0)), "score", points)
    assert found.rule == "id"
    assert sorted(map(tuple, found.key.tolist())) == [(0, 2), (1, 3), (1, 4), (3, 4)]


@pytest.mark.parametrize("kind", ["masks", "points"])
def test_geff_by_position(tmp_path, kind):
    """Within half the distance of neighbours; the stored positions are pixels, ours are in the unit."""
    edges = {(source + 1000, target + 1000): score for (source, target), score in EDGES.items()}
    ids = {key: node + 1000 for key, node in IDS.items()}
    path = write(tmp_path / "a.geff", nodes(jitter=1.5, ids=ids), edges)
    assert read_link_scores(path, "score", detections(kind)).rule == "position"
    assert load_geff_scores(path, "score", graph(kind)).tolist() == WANTED


def test_geff_links_without_the_score_count_as_none(tmp_path):
    path = write(tmp_path / "a.geff", nodes("label"), {**EDGES, (40, 17): None})
    assert load_geff_scores(path, "score", graph()).tolist() == [0, *WANTED[1:]]


def test_geff_scores_may_be_integers_and_have_any_name(tmp_path):
    path = write(tmp_path / "a.geff", nodes("label"), {(40, 17): 3, (3, 8): -2}, name="votes")
    assert load_geff_scores(path, "votes", graph()).tolist() == [3, 0, 0, -2, 0, 0]


def geff_refused(path, message, name="score", kind="masks"):
    refused(lambda: load_geff_scores(path, name, graph(kind)), message, path)


def test_geff_unknown_property(tmp_path):
    path = write(tmp_path / "a.geff", nodes("label"), name="probability")
    geff_refused(
        path,
        "associations.property = 'probabilty' is no link property of FILE; did you mean 'probability'? "
        "(it has: probability)",
        "probabilty",
    )
    path = write(tmp_path / "b.geff", nodes("label"), dict.fromkeys(EDGES))
    geff_refused(path, "associations.property = 'score' is no link property of FILE (it has: none)")


def test_geff_nan_scores(tmp_path):
    path = write(tmp_path / "a.geff", nodes("label"), {**EDGES, (40, 17): np.nan, (99, 17): np.inf})
    geff_refused(path, "link property 'score' of FILE must be finite; NaN or infinity on links 40 -> 17, 99 -> 17")


def test_geff_scores_that_are_no_numbers(tmp_path):
    path = write(tmp_path / "a.geff", nodes("label"), dict.fromkeys(EDGES, "good"))
    geff_refused(path, "link property 'score' of FILE must be one number per link, found <U4")
    pairs = {edge: np.array([score, 0.0]) for edge, score in EDGES.items()}
    path = write(tmp_path / "b.geff", nodes("label"), pairs)
    geff_refused(path, "link property 'score' of FILE must be one number per link, found (2,) float64")


@pytest.mark.parametrize("label", ["label", None])
def test_geff_of_another_movie(tmp_path, label):
    """Labels that are not ours; places that are not ours."""
    ids = {(t, own + 100): node for (t, own), node in IDS.items()} if label else IDS
    path = write(tmp_path / "a.geff", nodes(label, jitter=50.0, ids=ids))
    geff_refused(
        path,
        "only 0 of the 5 nodes of FILE in these frames are detections of this movie (matched by "
        f"{label or 'position'}). Give the candidate graph that was made from the same masks or points",
    )


def test_geff_of_other_frames(tmp_path):
    path = write(
        tmp_path / "a.geff", [(1, {"t": 9, "y": 0.0, "x": 0.0}), (2, {"t": 10, "y": 0.0, "x": 0.0})], {(1, 2): 1.0}
    )
    geff_refused(
        path,
        "only 0 of the 0 nodes of FILE in these frames are detections of this movie (matched by position). "
        "Give the candidate graph that was made from the same masks or points",
    )  # fmt: skip


def write_edges(folder, edges, score):
    """The usual nodes, with these edges as they are."""
    path = write(folder / "usual.geff", nodes("label"))
    kept, metadata = geff.read(path)
    ids = np.array(sorted(kept.nodes), np.uint64)
    columns = {
        name: {"values": np.array([kept.nodes[int(node)][name] for node in ids]), "missing": None}
        for name in ("t", "y", "x", "label")
    }
    scores = {"score": {"values": np.array(score, float), "missing": None}}
    links = np.array(edges, np.uint64).reshape(-1, 2)
    geff.core_io.write_arrays(folder / "a.geff", ids, columns, links, scores, metadata)
    return folder / "a.geff"


def test_geff_without_links(tmp_path):
    """An empty property of no links scores nothing."""
    assert load_geff_scores(write_edges(tmp_path, [], []), "score", graph()).tolist() == [0.0] * 6


@pytest.mark.parametrize("unknown", [20, 5000])
def test_geff_links_to_nodes_it_does_not_hold(tmp_path, unknown):
    path = write_edges(tmp_path, [(40, 17), (unknown, 17)], [1, 1])
    geff_refused(path, f"links of FILE name nodes that it does not hold: {unknown} -> 17. Write the geff again")


def test_geff_scores_of_a_lone_detection(tmp_path):
    """Frame 4 holds one detection only: a node 30 px away is not taken for it."""
    given = dict(nodes())
    given[99]["x"] += 30.0
    found = read_link_scores(write(tmp_path / "a.geff", given.items()), "score", detections())
    assert sorted(map(tuple, found.key.tolist())) == [(0, 2), (1, 3)]


def test_what_is_no_geff(tmp_path):
    for name in ("missing", "plain"):
        path = tmp_path / name
        if name == "plain":
            path.mkdir()
        with pytest.raises(InputError) as error:
            load_geff_scores(path, "score", graph())
        assert str(error.value).startswith(f"cannot read {path} as a geff: ")
