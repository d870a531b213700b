"""Vectors and scores block by block of frames into the arrays of a store: resumable, on several processes, equal.

A block is some frames in a row. The network sees what it sees otherwise: a block of vectors gets those of its frames
alone, with all frames of the movie to look at; a block of scores those of the links whose parents lie in it, with all
detections as rivals. So the answer is that of the whole movie at once, up to rounding, and what the network holds in
memory is bounded by a block. Detections themselves, and their shapes, are in the memory of each process.
"""

import logging
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.aligned import aligned
from embeddings.inference import ScoreSettings, link_scores
from embeddings.learning_movie import LearningMovie
from embeddings.methods.load import TrackingModel, load_tracking_model
from embeddings.table import NodeEmbeddings
from embeddings.training.device import use_threads
from tracker.config import Config
from tracker.config_store import StoreSettings
from tracker.detections import Detections
from tracker.io.movies import open_movie
from tracker.learning.detection_methods import METHODS
from tracker.learning.embedder import Embedder
from tracker.prepare import Progress, ctc_masks
from tracker.store.arrays import BlockArrays
from tracker.store.configured import store_place

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Work:
    """What a process needs to do any block; can be pickled. embedder: None for scores of links.

    fused: vectors that the tracking transformer sees beside shapes, None without.
    """

    config: Config
    folder: str  # of the config: what its paths are counted from
    detections: Detections
    arrays: BlockArrays
    embedder: Embedder | None
    fused: NodeEmbeddings | None


@dataclass(frozen=True)
class _Block:
    """A block: its number, its steps, and its links (E, 2) of rows, None where it is vectors that are wanted."""

    number: int
    first_step: int
    stop_step: int
    links: NDArray[np.int64] | None = None


def vectors_in_blocks(
    config: Config, embedder: Embedder, movie: LearningMovie, progress: Progress, *, anew: bool = False
) -> NDArray[np.float64]:
    """(N, C) vector of every detection by the model of [embeddings]; blocks that are there are used."""
    arrays = _arrays(config, "embeddings", embedder.identity(config, movie))
    blocks = [block for block in _blocks(config, movie.detections) if _rows(movie.detections, block).size]
    done = set() if anew else arrays.done()
    work = _Work(config, str(config.path(".").resolve()), movie.detections, arrays, embedder, None)
    _run(work, [block for block in blocks if block.number not in done], len(blocks), "embedding", progress)
    if not blocks:
        return np.zeros((0, 0))
    return np.concatenate([arrays.read_vectors(block.number)[1] for block in blocks]).astype(np.float64)


def scores_in_blocks(
    config: Config,
    movie: LearningMovie,
    links: NDArray[np.int64],
    identity: str,
    progress: Progress,
    *,
    anew: bool = False,
) -> NDArray[np.float32]:
    """(E,) score of every link (E, 2), rows, by the model of [associations]; only links that have none are scored."""
    arrays = _arrays(config, "associations", identity)
    parent_step = movie.detections.step[links[:, 0]]
    done = set() if anew else arrays.done()
    todo, kept = [], []
    blocks = _blocks(config, movie.detections)
    for block in blocks:
        own = np.flatnonzero((parent_step >= block.first_step) & (parent_step < block.stop_step))
        if not len(own):
            continue
        kept.append((block.number, own))
        there = _scores_of(arrays, block.number, links[own]) if block.number in done else np.full(len(own), np.nan)
        if np.isnan(there).any():
            todo.append(replace(block, links=links[own]))
    work = _Work(config, str(config.path(".").resolve()), movie.detections, arrays, None, movie.fused)
    _run(work, todo, len(kept), "scoring", progress)
    score = np.full(len(links), np.nan, np.float32)
    for number, own in kept:
        score[own] = _scores_of(arrays, number, links[own])
    return score


def _arrays(config: Config, kind: str, identity: str) -> BlockArrays:
    """Blocks of another size are other blocks."""
    frames = (config.store or StoreSettings()).block_frames
    return BlockArrays(store_place(config).arrays, kind, f"{identity}-{frames}")


def _blocks(config: Config, found: Detections) -> list[_Block]:
    size = (config.store or StoreSettings()).block_frames
    steps = range(0, len(found.frames), size)
    return [_Block(number, step, min(step + size, len(found.frames))) for number, step in enumerate(steps)]


def _rows(found: Detections, block: _Block) -> NDArray[np.int64]:
    starts = found.starts
    return np.arange(starts[block.first_step], starts[block.stop_step])


def _scores_of(arrays: BlockArrays, number: int, links: NDArray[np.int64]) -> NDArray[np.float32]:
    """Scores of links in a block, NaN where it has none."""
    ids, score = arrays.read_scores(number)
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    span = int(max(ids.max(initial=0), links.max(initial=0))) + 1
    key, wanted = ids[order, 0] * span + ids[order, 1], links[:, 0] * span + links[:, 1]
    if not len(key):
        return np.full(len(links), np.nan, np.float32)
    place = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where(key[place] == wanted, score[order[place]], np.nan).astype(np.float32)


def _run(work: _Work, blocks: list[_Block], total: int, what: str, progress: Progress) -> None:
    """Do blocks, here or in processes of their own; each is kept as soon as it is done."""
    if len(blocks) < total:
        log.info("%d of %d blocks are there already", total - len(blocks), total)
    if not blocks:
        return
    workers = min((work.config.store or StoreSettings()).workers, len(blocks))
    for done, _ in enumerate(_each(work, blocks, workers), start=total - len(blocks) + 1):
        progress(f"{what}: block {done:,} of {total:,}")


def _each(work: _Work, blocks: list[_Block], workers: int) -> Iterator[int]:
    if workers == 1:
        worker = _Worker(work)
        yield from map(worker.do, blocks)
        return
    context = multiprocessing.get_context("spawn")  # a process with threads and a GPU must not be forked
    with context.Pool(workers, _start, (work, max(1, (os.cpu_count() or 1) // workers))) as pool:
        yield from pool.imap_unordered(_do, blocks)


class _Worker:
    """One process: the movies, opened, and the model, loaded once."""

    def __init__(self, work: _Work) -> None:
        data, config = work.config.data, work.config
        images = None if data.images is None else open_movie(config.path(data.images), channel=data.channel)
        masks = None
        if data.segmentation is not None:
            masks = open_movie(ctc_masks(config.path(data.segmentation)), kind="masks")
        self._work = work
        self._movie = LearningMovie(work.detections, images, masks, fused=work.fused)
        self._model: TrackingModel | None = None
        if work.embedder is None:
            given = config.associations
            assert given is not None
            assert given.model is not None
            self._model = load_tracking_model(config.path(given.model), given.model, work.detections.ndim)

    def do(self, block: _Block) -> int:
        """Compute and keep a block; its number."""
        rows = _rows(self._work.detections, block)
        about: dict[str, object] = {"steps": [block.first_step, block.stop_step]}
        if self._work.embedder is not None:
            embedder, found = self._work.embedder, self._work.detections
            part = replace(
                found,
                frame=found.frame[rows],
                label=found.label[rows],
                position=found.position[rows],
                properties={name: column[rows] for name, column in found.properties.items()},
            )
            method = METHODS[embedder.method]
            own = replace(self._movie, detections=part)
            made = method.embed(embedder.model, own, device=embedder.device, **embedder.options)
            vectors = aligned(part, made, self._movie.name)
            self._work.arrays.write_vectors(block.number, int(rows[0]), vectors, {**about, "method": embedder.method})
            return block.number
        assert self._model is not None
        assert block.links is not None
        given = self._work.config.associations
        assert given is not None
        settings = ScoreSettings(
            variants=given.variants,
            competition=given.competition,
            threshold=given.threshold,
            logit_clamp=self._model.logit_clamp,
            device=given.device,
        )
        score = link_scores(self._model.network, self._movie.tokens, block.links, settings)
        about = {**about, "method": self._model.method}
        self._work.arrays.write_scores(block.number, block.links, score, about)
        return block.number


_worker: _Worker | None = None


def _start(work: _Work, threads: int) -> None:
    """Make this process a worker."""
    global _worker
    use_threads(threads)
    _worker = _Worker(replace(work, config=work.config.at(Path(work.folder))))


def _do(block: _Block) -> int:
    assert _worker is not None
    return _worker.do(block)
