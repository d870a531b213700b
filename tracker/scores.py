"""Learned tables laid onto the candidate graph: a vector or a score per detection, a score per link."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.table import Associations, DetectionScores, NodeEmbeddings, TableError
from tracker.candidates import CandidateGraph
from tracker.detections import Detections
from tracker.errors import InputError, first_five


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


def load_division_scores(path: Path, detections: Detections) -> NDArray[np.float64]:
    """(N,) score of every detection. Raises InputError naming detections without one, or with NaN."""
    try:
        table = DetectionScores.load(path)
    except TableError as error:
        raise InputError(f"division_scores.path: {error}") from error
    score = lay_on_detections(table, detections)
    bad = np.flatnonzero(~np.isfinite(score))
    if len(bad):
        raise InputError(
            f"{path} must hold a finite score for every detection; none for frame:label {detections.names(bad)}. "
            "Score this movie again"
        )
    return score


def lay_on_detections(table: DetectionScores, detections: Detections) -> NDArray[np.float64]:
    """(N,) scores of the table, NaN where it has none."""
    rows = detections.rows_of(table.key[:, 0], table.key[:, 1])
    score = np.full(len(detections), np.nan)
    score[rows[rows >= 0]] = table.score[rows >= 0]
    return score


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
    ends = _ends(detections, table.link)
    if len(ends) and not (ends >= 0).all(axis=1).any():
        raise InputError(f"{path} scores no pair of detections of this movie. Compute the associations of this movie")
    return lay_on_links(graph, ends, table.score.astype(np.float64))


def load_geff_scores(path: Path, name: str, graph: CandidateGraph) -> NDArray[np.float64]:
    """(E,) score of every link, 0 where the geff has none."""
    from tracker.io.geff_scores import read_link_scores  # here, because importing geff takes half a second

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
    return _place_of(graph, _ends(graph.detections, link))


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
    """(M,) place of (M, 2) rows (parent, child) among the links, which are sorted; -1 where they are none.

    A row of -1 is no detection.
    """
    if not len(graph.links):
        return np.full(len(ends), -1)
    size = len(graph.detections)
    key = graph.links[:, 0].astype(np.int64) * size + graph.links[:, 1]
    wanted = ends[:, 0] * size + ends[:, 1]
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where((key[place] == wanted) & (ends >= 0).all(axis=1), place, -1)


def _ends(detections: Detections, link: NDArray[np.int64]) -> NDArray[np.int64]:
    """(M, 2) rows of both ends of (M, 2, 2) pairs of (frame, label), -1 where there is no such detection."""
    return np.column_stack([detections.rows_of(link[:, end, 0], link[:, end, 1]) for end in (0, 1)])
