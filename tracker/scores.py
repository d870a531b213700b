"""Learned tables laid onto the candidate graph: a vector per detection, a score per link."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.table import Associations, NodeEmbeddings, TableError
from tracker.candidates import CandidateGraph
from tracker.detections import Detections
from tracker.errors import InputError, first_five
from tracker.io.geff_scores import read_link_scores


def load_embeddings(path: Path, detections: Detections) -> NDArray[np.float64]:
    """(N, C) vector of every detection. Raises InputError naming detections without one, or with NaN."""
    try:
        table = NodeEmbeddings.load(path)
    except TableError as error:
        raise InputError(f"embeddings.path: {error}") from error
    rows = detections.rows_of(table.key[:, 0], table.key[:, 1])
    vectors = np.full((len(detections), table.vector.shape[1]), np.nan)
    vectors[rows[rows >= 0]] = table.vector[rows >= 0]
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise InputError(
            f"{path} must hold a finite vector for every detection; none for frame:label {detections.names(bad)}. "
            "Embed this movie again"
        )
    return vectors


def load_associations(path: Path, graph: CandidateGraph) -> NDArray[np.float64]:
    """(E,) score of every link, 0 where the table has none. Raises InputError."""
    detections = graph.detections
    try:
        table = Associations.load(path)
    except TableError as error:
        raise InputError(f"associations.path: {error}") from error
    bad = np.flatnonzero(~np.isfinite(table.score))
    if len(bad):
        named = first_five(f"{t}:{label} -> {t2}:{label2}" for (t, label), (t2, label2) in table.link[bad].tolist())
        raise InputError(f"{path} must hold finite scores; NaN or infinite for {named}. Compute the associations again")
    place = find_links(graph, table.link)
    if len(place) and not _known(detections, table.link).any():
        raise InputError(f"{path} scores no pair of detections of this movie. Compute the associations of this movie")
    column = np.zeros(len(graph.links))
    column[place[place >= 0]] = table.score[place >= 0]
    return column


def load_geff_scores(path: Path, name: str, graph: CandidateGraph) -> NDArray[np.float64]:
    """(E,) score of every link, 0 where the geff has none."""
    found = read_link_scores(path, name, graph.detections)
    return lay_on_links(graph, found.key, found.score)


def lay_on_links(graph: CandidateGraph, ends: NDArray[np.int64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """(E,) scores from (M, 2) rows (parent, child); links that are no candidates are passed over."""
    place = _place_of(graph, ends)
    column = np.zeros(len(graph.links))
    column[place[place >= 0]] = score[place >= 0]
    return column


def find_links(graph: CandidateGraph, link: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M,) place among the candidate links of (M, 2, 2) pairs of (frame, label), -1 where they are none."""
    found = graph.detections
    ends = np.column_stack([found.rows_of(link[:, end, 0], link[:, end, 1]) for end in (0, 1)])
    return np.where((ends >= 0).all(axis=1), _place_of(graph, ends), -1)


def scores_out(graph: CandidateGraph, association: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) sum of the scores of each detection's links to the next frame: how many children the scores expect.

    Links that skip frames are left out: a cell that is there in the next frame has its scores in the one after, too.
    Source: Attrackt, the sum over j in t + 1 of its confidence.
    """
    step = graph.detections.step
    parent, child = graph.links.T
    weights = np.where(step[child] - step[parent] == 1, association, 0.0)
    return np.bincount(parent, weights=weights, minlength=len(graph.detections)).astype(np.float64)


def _place_of(graph: CandidateGraph, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M,) place of (M, 2) rows (parent, child) among the links, which are sorted; -1 where they are none."""
    if not len(graph.links):
        return np.full(len(ends), -1)
    size = len(graph.detections)
    key = graph.links[:, 0].astype(np.int64) * size + graph.links[:, 1]
    wanted = ends[:, 0] * size + ends[:, 1]
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where(key[place] == wanted, place, -1)


def _known(detections: Detections, link: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(M,) whether both ends of (M, 2, 2) pairs are detections of this movie."""
    ends = [detections.rows_of(link[:, end, 0], link[:, end, 1]) for end in (0, 1)]
    return (ends[0] >= 0) & (ends[1] >= 0)
