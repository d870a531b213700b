"""`track embed`: the table that a model makes of a movie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.methods.load import PUBLIC
from embeddings.methods.tap import METHOD as TAP
from embeddings.methods.tap_plot import frame_attribution, plot_attribution, require_matplotlib
from embeddings.table import DetectionScores
from tracker.config import Config
from tracker.config_scores import (
    DETECTION_METHODS,
    LINK_METHODS,
    AssociationSettings,
    DivisionScoreSettings,
    EmbeddingSettings,
)
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.inputs import Inputs, read_inputs
from tracker.learning.dense_methods import attribution_options
from tracker.learning.division_scores import check_division_model, division_score_table
from tracker.learning.embedder import named_embedder
from tracker.learning.in_blocks import keep_vectors
from tracker.learning.kept import kept_in, kept_table
from tracker.learning.movies import learning_movie
from tracker.learning.scores import association_scores, embedding_vectors
from tracker.prepare import measure, propose
from tracker.stopwatch import Progress
from tracker.store.configured import store_place


@dataclass(frozen=True)
class Picture:
    """path: where to.   frame: t of the frame, None = that of the highest score."""

    path: Path
    frame: int | None = None


@dataclass(frozen=True)
class Made:
    """path: of the table, with [store] of the folder of the arrays.   kind: what its rows are.   rows: how many.

    scores: the same for division scores, where the method makes them, too.   scored_by: how they were made.
    """

    path: Path
    kind: str
    rows: int
    scores: Path | None = None
    scored_by: str = ""


def embed_movie(
    method: str,
    config: Config,
    model: Path | None,
    table: Path | None,
    *,
    picture: Picture | None = None,
    overwrite: bool = False,
    progress: Progress = lambda stage: None,
) -> Made:
    """Write the table of a method for the movie of a config; with [store] the arrays, block by block.

    model: folder; default the one the config names, for tap also that of [division_scores].
    table: where to; default where `track run` looks for it.
    picture: for tap alone: also draw where the arrow of time shows in a frame.
    overwrite: compute it anew even where an earlier one fits.   Raises ConfigError, and what the models raise.
    """
    known = (*LINK_METHODS, *DETECTION_METHODS)
    if method not in known:
        raise ConfigError(f"there is no method {method!r} to embed with. Known: {', '.join(known)}")
    if picture is not None:
        if method != TAP:
            raise ConfigError(f"--plot shows the attribution of {TAP}; {method} has none: leave it out")
        require_matplotlib()
    asked = _asked(method, config, model, table)
    section = "associations" if method in LINK_METHODS else "embeddings"
    path = kept_in(asked, getattr(asked, section).path, section)
    if asked.store is not None:
        if table is not None:
            raise ConfigError(
                "[store] keeps vectors and scores in its arrays, but --output names a table: leave one of them out"
            )
        path = store_place(asked).arrays / section
    progress("reading detections")
    inputs = read_inputs(asked)
    if method == TAP:
        return _with_division_scores(asked, inputs, path, table, picture, progress, anew=overwrite)
    if method in DETECTION_METHODS:
        _embedded(asked, inputs, progress, anew=overwrite)
        return Made(path, "detections", len(inputs.detections))
    progress("proposing candidates")
    movie = measure(asked, inputs.detections)
    links_alone = asked.candidates.model_copy(update={"divisions": "none"})
    graph = propose(asked.model_copy(update={"candidates": links_alone}), inputs.detections, movie)
    return Made(path, "links", len(association_scores(asked, inputs, graph, progress, anew=overwrite)))


def scores_beside(table: Path) -> Path:
    """Where the division scores go that are made with a table of features."""
    return table.with_name(f"{table.stem}.division_scores.npz")


def _asked(method: str, config: Config, model: Path | None, table: Path | None) -> Config:
    """The config with the model and the table of the command line."""
    section = "associations" if method in LINK_METHODS else "embeddings"
    given = getattr(config, section)
    changes: dict[str, object] = {"method": method, "geff": None} if method in LINK_METHODS else {"method": method}
    if model is not None:
        public = str(model) in PUBLIC and not model.exists()
        changes["model"] = str(model if public else model.resolve())
    elif given is None or given.model is None:
        scores = config.division_scores if method == TAP else None
        if scores is None or scores.model is None:
            sections = f"[{section}] or [division_scores]" if method == TAP else f"[{section}]"
            raise ConfigError(f"which model? Give --model FOLDER, or {sections} model in the config")
        changes |= {"model": scores.model, "device": scores.device}
    if table is not None:
        changes["path"] = str(table.resolve())
    before = {} if given is None else given.model_dump()
    kind = AssociationSettings if method in LINK_METHODS else EmbeddingSettings
    return config.model_copy(update={section: kind.model_validate({**before, **changes})})


def _embedded(config: Config, inputs: Inputs, progress: Progress, *, anew: bool) -> NDArray[np.float64] | None:
    """Have the vectors of [embeddings] kept; (N, C) where that takes them all at once, None in blocks."""
    if config.store is None:
        return embedding_vectors(config, inputs, progress, anew=anew)
    keep_vectors(config, named_embedder(config), learning_movie(config, inputs), progress, anew=anew)
    return None


def _with_division_scores(
    config: Config,
    inputs: Inputs,
    path: Path,
    table: Path | None,
    picture: Picture | None,
    progress: Progress,
    *,
    anew: bool,
) -> Made:
    """Features and division scores by the model of [embeddings]; beside `table`, where that is given."""
    embeddings, before = config.embeddings, config.division_scores
    assert embeddings is not None
    changes: dict[str, Any] = {"model": embeddings.model, "device": embeddings.device}
    if table is not None:
        changes["path"] = str(scores_beside(table).resolve())
    given = DivisionScoreSettings.model_validate({**({} if before is None else before.model_dump()), **changes})
    config = config.model_copy(update={"division_scores": given})
    movie = learning_movie(config, inputs)
    place = kept_in(config, given.path, "division_scores")
    check_division_model(config, given, movie)  # before the features are written, and the next, too
    if config.store is not None:
        place = store_place(config).arrays / "division_scores"
    elif not anew:
        kept_table(place, DetectionScores)
    if picture is not None:
        _step(inputs.detections, picture.frame, None)
    vectors = _embedded(config, inputs, progress, anew=anew)
    scored = division_score_table(config, inputs, progress, vectors=vectors, anew=anew)
    if picture is not None:
        progress("drawing")
        step = _step(inputs.detections, picture.frame, scored.score)
        options = {key: value for key, value in attribution_options(config).items() if key not in ("pool", "radius_px")}
        assert given.model is not None
        shown = frame_attribution(config.path(given.model), movie, step, device=given.device, **options)
        plot_attribution(picture.path, movie, step, shown, scored.score)
    return Made(path, "detections", len(inputs.detections), place, scored.provenance["scored_by"])


def _step(found: Detections, frame: int | None, score: NDArray[np.floating] | None) -> int:
    """The step of a frame, of the highest score if it is None. Raises ConfigError for a frame that is not there."""
    if frame is None:
        return int(found.step[np.argmax(score)]) if score is not None and len(score) else 0
    if frame not in found.frames:
        raise ConfigError(f"--frame {frame} is not there; this run has t = {found.frames[0]} to {found.frames[-1]}")
    return int(np.searchsorted(found.frames, frame))
