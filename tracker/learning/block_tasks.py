"""What a process does with a block of frames: vectors, division scores, scores of links, into the arrays of a store.

Everything here can be pickled, and a block comes with what there is to know of it, so that a process holds no more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from embeddings.aligned import aligned
from embeddings.inference import ScoreSettings, link_scores
from embeddings.learning_movie import LearningMovie
from embeddings.methods.load import TrackingModel, load_tracking_model
from embeddings.methods.tap import METHOD as TAP
from embeddings.windows import TokenMovie
from tracker.config import Config
from tracker.config_scores import AssociationSettings
from tracker.detections import Detections
from tracker.inputs import ctc_masks
from tracker.io.movies import open_movie
from tracker.learning.detection_methods import METHODS
from tracker.learning.embedder import Embedder
from tracker.store.arrays import BlockArrays


@dataclass(frozen=True)
class Block:
    """Steps first_step .. stop_step - 1 of a movie."""

    number: int
    first_step: int
    stop_step: int

    def rows(self, found: Detections) -> tuple[int, int]:
        """First row of its detections, and the one behind the last."""
        return int(found.starts[self.first_step]), int(found.starts[self.stop_step])

    def about(self, method: str) -> dict[str, object]:
        """What its arrays say of themselves."""
        return {"steps": [self.first_step, self.stop_step], "method": method}


@dataclass(frozen=True)
class BlockDetections:
    """The detections of a block, of all frames of the movie.   first_row: of the first, in the whole movie."""

    block: Block
    first_row: int
    detections: Detections


@dataclass(frozen=True)
class BlockLinks:
    """Links (E, 2) of a block to score, by rows of `movie`.

    movie: the windows that hold them.   first_row: of its first detection, in the whole movie.
    beside: keep the scores of other links that are there.
    """

    block: Block
    movie: TokenMovie
    first_row: int
    links: NDArray[np.int64]
    beside: bool

    @classmethod
    def of(
        cls, block: Block, movie: TokenMovie, links: NDArray[np.integer], window_frames: int, *, beside: bool
    ) -> "BlockLinks":
        """links: by rows of the whole movie; parents lie in the block.   window_frames: that the network sees."""
        last_child = int(movie.step_of(links[:, 1].max(keepdims=True).astype(np.int64))[0])
        first = max(0, block.first_step - window_frames + 1)
        stop = min(movie.n_frames, max(block.stop_step + window_frames - 1, last_child + 1))
        first_row = int(movie.starts[first])
        return cls(block, movie.part(first, stop), first_row, links.astype(np.int64) - first_row, beside)


@dataclass(frozen=True)
class MovieFiles:
    """Images and masks of a config, each process opens them itself.   name: of the movie, for messages."""

    images: Path | None
    channel: int
    masks: Path | None
    name: str

    @classmethod
    def of(cls, config: Config, movie: LearningMovie) -> "MovieFiles":
        """Those that a movie was read from."""
        data = config.data
        images = None if data.images is None else config.path(data.images)
        masks = None if data.segmentation is None else ctc_masks(config.path(data.segmentation))
        return cls(images, data.channel, masks, movie.name)

    def open(self) -> Callable[[Detections], LearningMovie]:
        """Open them once; what gives the movie of some detections."""
        images = None if self.images is None else open_movie(self.images, channel=self.channel)
        masks = None if self.masks is None else open_movie(self.masks, kind="masks")
        return partial(LearningMovie, images=images, masks=masks, name=self.name)


@dataclass(frozen=True)
class LinkScoring:
    """A tracking model and how it is asked.   folder, name, ndim: as `load_tracking_model` takes them."""

    folder: Path
    name: str
    ndim: int
    method: str
    settings: ScoreSettings

    @classmethod
    def of(cls, config: Config, model: TrackingModel, ndim: int) -> "LinkScoring":
        """As [associations] asks."""
        given = config.associations
        assert given is not None
        assert given.model is not None
        return cls(config.path(given.model), given.model, ndim, model.method, score_settings(given, model))


def score_settings(given: AssociationSettings, model: TrackingModel) -> ScoreSettings:
    """How links are scored by a model, as [associations] asks."""
    return ScoreSettings(
        variants=given.variants,
        competition=given.competition,
        threshold=given.threshold,
        logit_clamp=model.logit_clamp,
        device=given.device,
    )


class DetectionScoring(Protocol):
    """Gives a score (n,) to each detection of a movie."""

    def __call__(self, *, movie: LearningMovie) -> NDArray[np.float32]:
        """Can be pickled."""


def embedding(files: MovieFiles, embedder: Embedder, arrays: BlockArrays) -> Callable[[BlockDetections], None]:
    """Vectors of detections."""
    movie_of = files.open()

    def do(part: BlockDetections) -> None:
        movie = movie_of(part.detections)
        made = METHODS[embedder.method].embed(embedder.model, movie, device=embedder.device, **embedder.options)
        vectors = aligned(part.detections, made, movie.name)
        arrays.write_vectors(part.block.number, part.first_row, vectors, part.block.about(embedder.method))

    return do


def dividing(files: MovieFiles, score: DetectionScoring, arrays: BlockArrays) -> Callable[[BlockDetections], None]:
    """Division scores of detections."""
    movie_of = files.open()

    def do(part: BlockDetections) -> None:
        scores = score(movie=movie_of(part.detections))
        arrays.write_detection_scores(part.block.number, part.first_row, scores, part.block.about(TAP))

    return do


def linking(scoring: LinkScoring, arrays: BlockArrays) -> Callable[[BlockLinks], None]:
    """Scores of links."""
    network = load_tracking_model(scoring.folder, scoring.name, scoring.ndim).network

    def do(part: BlockLinks) -> None:
        score = link_scores(network, part.movie, part.links, scoring.settings)
        links, number = part.links + part.first_row, part.block.number
        if part.beside:
            before = arrays.read_scores(number)
            links, score = np.concatenate([before[0], links]), np.concatenate([before[1], score])
        arrays.write_scores(number, links, score, part.block.about(scoring.method))

    return do
