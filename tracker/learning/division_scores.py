"""How much each detection looks like dividing: where the arrow of time shows, or by a probe that pins have taught."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.arrow_pairs import need_frames
from embeddings.frame_images import FrameImages
from embeddings.inference.linear_probe import linear_probe
from embeddings.learning_movie import LearningMovie
from embeddings.methods.tap import METHOD, NOUN, division_scores, embed_tap, load_tap
from embeddings.table import DetectionScores
from embeddings.training.device import choose_device
from tracker.config import Config
from tracker.config_scores import DivisionScoreSettings
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.inputs import Inputs, read_annotations
from tracker.learning.dense_methods import attribution_options, tap_options
from tracker.learning.detection_methods import method_of, model_digest
from tracker.learning.embedder import Embedder
from tracker.learning.in_blocks import division_scores_in_blocks, given_scores_in_blocks, vectors_in_blocks
from tracker.learning.kept import fitting, identity_of, keep, kept_in, kept_table
from tracker.learning.movies import learning_movie
from tracker.stopwatch import Progress

log = logging.getLogger(__name__)
_FEWEST_DIVIDING, _FEWEST_OTHERS = 3, 10  # examples of a probe


def check_division_model(config: Config, given: DivisionScoreSettings, movie: LearningMovie) -> None:
    """Raise what scoring would raise before the model of [division_scores] has looked at anything."""
    assert given.model is not None
    folder = config.path(given.model)
    made_by = method_of(folder)
    if made_by != METHOD:
        raise ConfigError(
            f"division_scores needs a model of {METHOD}, but {given.model} was made by {made_by}: name another model"
        )
    choose_device(given.device)
    _, pairs, _ = load_tap(folder)
    need_frames(FrameImages(movie, NOUN), 2 * min(pairs.gaps_frames))


def division_score_table(
    config: Config,
    inputs: Inputs,
    progress: Progress = lambda stage: None,
    *,
    vectors: NDArray[np.float64] | None = None,
    anew: bool = False,
) -> DetectionScores:
    """The scores of all detections by the model of [division_scores], kept like those of links.

    Where the certain pins of the config name enough cells that divide, and that do not, and division_scores.probe is
    set, a linear probe learns the difference from the features of these cells, and scores all by it; its scores are
    log-likelihood ratios. Otherwise a score is the attribution of the arrow of time (`division_scores`), at least 0.
    Higher is likelier, either way; provenance says which, and `scored_by` is "probe" or "attribution".
    vectors: (N, C) features by the same model, where they are known.   anew: do not use what is kept.
    """
    given = config.division_scores
    assert given is not None
    assert given.model is not None
    movie = learning_movie(config, inputs)
    check_division_model(config, given, movie)
    folder, found = config.path(given.model), inputs.detections
    rows, dividing = known_divisions(config, found)
    n_dividing, n_others = int(dividing.sum()), int((~dividing).sum())
    about: dict[str, Any] = {"scored_by": "attribution", **attribution_options(config)}
    if given.probe and n_dividing >= _FEWEST_DIVIDING and n_others >= _FEWEST_OTHERS:
        about = {"scored_by": "probe", "dividing": n_dividing, "others": n_others, **tap_options(config)}
        told = np.column_stack([found.frame[rows], found.label[rows], dividing]).tolist()
    else:
        told = []
        if given.probe and len(rows):
            log.info(
                "pins name %d cells that divide and %d that do not; %d and %d would teach a probe, so divisions are "
                "scored without", n_dividing, n_others, _FEWEST_DIVIDING, _FEWEST_OTHERS,
            )  # fmt: skip
    data = config.data
    identity = identity_of(movie, model_digest(folder), images=data.images, channel=data.channel, told=told, how=about)
    key = np.column_stack([found.frame, found.label])
    if config.store is not None:
        score = _in_blocks(config, given, movie, (rows, dividing) if told else None, identity, progress, vectors, anew)
        return DetectionScores(key, score, METHOD, {**about, "identity": identity, "model": given.model})
    path = kept_in(config, given.path, "division_scores")
    table = None if anew else fitting(kept_table(path, DetectionScores), identity, path)
    if table is not None:
        log.debug("the scores in %s are used again", path)
        return table
    progress(f"scoring {len(found):,} detections")
    if told:
        if vectors is None:
            vectors = embed_tap(folder, movie, device=given.device, **tap_options(config)).vector.astype(np.float64)
        score = linear_probe(vectors, rows, dividing).astype(np.float32)
    else:
        score = division_scores(folder, movie, device=given.device, **attribution_options(config))
    table = DetectionScores(key, score, METHOD, {**about, "identity": identity, "model": given.model})
    keep(table, path)
    return table


def _in_blocks(
    config: Config,
    given: DivisionScoreSettings,
    movie: LearningMovie,
    told: tuple[NDArray[np.int64], NDArray[np.bool_]] | None,
    identity: str,
    progress: Progress,
    vectors: NDArray[np.float64] | None,
    anew: bool,
) -> NDArray[np.float32]:
    """(N,) scores from the arrays of [store], computed where they are not there.

    told: rows of detections and which of them divide, for a probe; it learns from the vectors of the whole movie, which
    are in the arrays, too. None: no probe.
    """
    if told is None:
        return division_scores_in_blocks(config, movie, identity, progress, anew=anew)
    assert given.model is not None
    folder = config.path(given.model)
    embedder = Embedder(METHOD, folder, tap_options(config), given.device, kept_in(config, None, "embeddings"))

    def probed() -> NDArray[np.float32]:
        known = vectors_in_blocks(config, embedder, movie, progress) if vectors is None else vectors
        return linear_probe(known, *told).astype(np.float32)

    return given_scores_in_blocks(config, movie.detections, identity, probed, anew=anew)


def known_divisions(config: Config, detections: Detections) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows of the detections of which the certain pins of a config say whether they divide, and which do.

    `division` and `children` with two say that they do; `children` with fewer, and `disappear`, that they do not.
    """
    pins = read_annotations(config, detections)
    if pins is None:
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    hard = pins.hard
    both = (hard.children[:, 1:] >= 0).all(axis=1)
    divides = np.union1d(hard.division[hard.division[:, 3] == 1, 0], hard.children[both, 0])
    others = np.union1d(hard.children[~both, 0], hard.disappear[hard.disappear[:, 1] == 1, 0])
    rows = np.concatenate([divides, others]).astype(np.int64)
    return rows, np.arange(len(rows)) < len(divides)
