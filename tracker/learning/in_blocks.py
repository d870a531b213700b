"""Vectors and scores block by block of frames into the arrays of a store: resumable, on several processes, equal.

A block is some frames in a row. The network sees what it sees otherwise: a block of vectors or of division scores gets
the detections of its frames alone, with all frames of the movie to look at; a block of scores of links those whose
parents lie in it, with all detections of the windows around as rivals. So the answer is that of the whole movie at
once, up to rounding, and what a worker holds is bounded by a block. The process that hands out the blocks holds all
detections with their shapes, and what is asked for.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial

import numpy as np
from numpy.typing import NDArray

from embeddings.learning_movie import LearningMovie
from embeddings.methods.load import TrackingModel
from embeddings.methods.tap import METHOD as TAP
from embeddings.methods.tap import division_scores
from tracker.config import Config
from tracker.config_store import StoreSettings
from tracker.detections import Detections
from tracker.errors import StoreError
from tracker.learning.block_tasks import (
    Block,
    BlockDetections,
    BlockLinks,
    LinkScoring,
    MovieFiles,
    dividing,
    embedding,
    linking,
)
from tracker.learning.block_workers import Item, each_done
from tracker.learning.dense_methods import attribution_options
from tracker.learning.embedder import Embedder
from tracker.stopwatch import Progress
from tracker.store.arrays import BlockArrays
from tracker.store.configured import store_place

log = logging.getLogger(__name__)


def keep_vectors(
    config: Config, embedder: Embedder, movie: LearningMovie, progress: Progress, *, anew: bool = False
) -> BlockArrays:
    """Have the arrays hold the vector of every detection by an embedder; blocks that are there are used.

    anew: compute them all, whatever is there.   Raises what embedding does, StoreError, WorkerError.
    """
    arrays = _arrays(config, "embeddings", embedder.identity(config, movie))
    start = partial(embedding, MovieFiles.of(config, movie), embedder, arrays)
    _by_detection(config, arrays, movie.detections, start, "embedding", progress, anew=anew)
    return arrays


def vectors_in_blocks(
    config: Config, embedder: Embedder, movie: LearningMovie, progress: Progress, *, anew: bool = False
) -> NDArray[np.float64]:
    """(N, C) vector of every detection; otherwise as `keep_vectors`."""
    arrays = keep_vectors(config, embedder, movie, progress, anew=anew)
    vectors = np.zeros((0, 0))
    for block in _filled_blocks(config, movie.detections):
        first, part = arrays.read_vectors(block.number)
        if not len(vectors):
            vectors = np.empty((len(movie.detections), part.shape[1]))
        vectors[first : first + len(part)] = part
    return vectors


def division_scores_in_blocks(
    config: Config, movie: LearningMovie, identity: str, progress: Progress, *, anew: bool = False
) -> NDArray[np.float32]:
    """(N,) attribution of the arrow of time at every detection, by the model of [division_scores] asked as [tap] says.

    identity: tells these from others.   anew, and what is raised: as in `keep_vectors`.
    """
    given, arrays = config.division_scores, _arrays(config, "division_scores", identity)
    assert given is not None
    assert given.model is not None
    score = partial(division_scores, config.path(given.model), device=given.device, **attribution_options(config))
    start = partial(dividing, MovieFiles.of(config, movie), score, arrays)
    _by_detection(config, arrays, movie.detections, start, "scoring detections", progress, anew=anew)
    return _division_scores(config, arrays, movie.detections)


def given_scores_in_blocks(
    config: Config,
    found: Detections,
    identity: str,
    compute: Callable[[], NDArray[np.float32]],
    *,
    anew: bool = False,
) -> NDArray[np.float32]:
    """(N,) division scores that are made of all detections at once: those that are there, else what `compute` gives."""
    arrays, blocks = _arrays(config, "division_scores", identity), _filled_blocks(config, found)
    if anew or not {block.number for block in blocks} <= arrays.done():
        score = compute()
        for block in blocks:
            first, stop = block.rows(found)
            arrays.write_detection_scores(block.number, first, score[first:stop], block.about(TAP))
    return _division_scores(config, arrays, found)


def scores_in_blocks(
    config: Config,
    movie: LearningMovie,
    model: TrackingModel,
    links: NDArray[np.integer],
    identity: str,
    progress: Progress,
    *,
    anew: bool = False,
) -> NDArray[np.float32]:
    """(E,) score of every link (E, 2), rows, sorted by parent, by the model of [associations].

    Only links that have none are scored, unless `anew`.   Raises what scoring does, StoreError, WorkerError.
    """
    arrays, found = _arrays(config, "associations", identity), movie.detections
    done: set[int] = set() if anew else arrays.done()
    places = []
    for block in _blocks(config, found):
        own = slice(*np.searchsorted(links[:, 0], np.array(block.rows(found), links.dtype)).tolist())
        if own.stop > own.start:
            places.append((block, own))
    missing = {}
    for block, own in places:
        lacks = np.isnan(_scores_of(arrays, block.number, links[own])) if block.number in done else np.True_
        if lacks.any():
            missing[block.number] = np.broadcast_to(lacks, own.stop - own.start)
    window = model.network.config.window_frames
    todo = (
        BlockLinks.of(block, movie.tokens, links[own][missing[block.number]], window, beside=block.number in done)
        for block, own in places
        if block.number in missing
    )
    start = partial(linking, LinkScoring.of(config, model, found.ndim), arrays)
    _complete(config, start, todo, len(missing), len(places), "scoring", progress)
    score = np.empty(len(links), np.float32)
    for block, own in places:
        score[own] = _scores_of(arrays, block.number, links[own])
    if np.isnan(score).any():
        raise StoreError(
            f"{arrays.folder} lacks scores that were there a moment ago: another process has replaced them. When it is "
            "done, do the same again"
        )
    return score


def _arrays(config: Config, kind: str, identity: str) -> BlockArrays:
    """Blocks of another size are other blocks."""
    frames = (config.store or StoreSettings()).block_frames
    arrays = BlockArrays(store_place(config).arrays, kind, f"{identity}-{frames}")
    arrays.clean()
    return arrays


def _blocks(config: Config, found: Detections) -> list[Block]:
    size = (config.store or StoreSettings()).block_frames
    steps = range(0, len(found.frames), size)
    return [Block(number, step, min(step + size, len(found.frames))) for number, step in enumerate(steps)]


def _filled_blocks(config: Config, found: Detections) -> list[Block]:
    """Those with detections."""
    starts = found.starts
    return [block for block in _blocks(config, found) if starts[block.stop_step] > starts[block.first_step]]


def _scores_of(arrays: BlockArrays, number: int, links: NDArray[np.integer]) -> NDArray[np.float32]:
    """Scores of links in a block, NaN where it has none."""
    ids, score = arrays.read_scores(number)
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    span = int(max(ids.max(initial=0), links.max(initial=0))) + 1
    wanted = links[:, 0].astype(np.int64) * span + links[:, 1]
    key = ids[order, 0] * span + ids[order, 1]
    if not len(key):
        return np.full(len(links), np.nan, np.float32)
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where(key[place] == wanted, score[order[place]], np.nan).astype(np.float32)


def _division_scores(config: Config, arrays: BlockArrays, found: Detections) -> NDArray[np.float32]:
    """(N,) what the blocks hold."""
    score = np.empty(len(found), np.float32)
    for block in _filled_blocks(config, found):
        first, part = arrays.read_detection_scores(block.number)
        score[first : first + len(part)] = part
    return score


def _by_detection(
    config: Config,
    arrays: BlockArrays,
    found: Detections,
    start: Callable[[], Callable[[BlockDetections], None]],
    what: str,
    progress: Progress,
    *,
    anew: bool,
) -> None:
    """Have a block of values for the detections of each block."""
    blocks = _filled_blocks(config, found)
    done: set[int] = set() if anew else arrays.done()
    missing = [block for block in blocks if block.number not in done]
    parts = (BlockDetections(block, block.rows(found)[0], found.part(slice(*block.rows(found)))) for block in missing)
    _complete(config, start, parts, len(missing), len(blocks), what, progress)


def _complete(
    config: Config,
    start: Callable[[], Callable[[Item], None]],
    parts: Iterable[Item],
    count: int,
    total: int,
    what: str,
    progress: Progress,
) -> None:
    """Do the parts, which are `count`, here or in processes of their own; each is kept as soon as it is done."""
    if count < total:
        log.info("%d of %d blocks are there already", total - count, total)
    if not count:
        return
    workers = min((config.store or StoreSettings()).workers, count)
    with closing(each_done(start, parts, workers)) as doing:
        for done, _ in enumerate(doing, start=total - count + 1):
            progress(f"{what}: block {done:,} of {total:,}")
