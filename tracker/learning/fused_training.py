"""`[associations] fuse`: movies with the embeddings that a tracking transformer is to learn with."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from embeddings.learning_movie import LearningMovie
from embeddings.table import NodeEmbeddings
from embeddings.training.checkpoint import checkpoints
from tracker.config import Config, load_config
from tracker.errors import ConfigError
from tracker.learning.detection_methods import METHODS, copy_model, named_model, weights_digest
from tracker.learning.embedder import Embedder, read_vectors
from tracker.learning.fused import EMBEDDER, Tracking, check_fuse, fused_source
from tracker.learning.kept import kept_in
from tracker.stopwatch import Progress


def fused_movies(
    config: Config, movies: Sequence[LearningMovie], progress: Progress, start: Tracking | None = None
) -> list[LearningMovie]:
    """The movies of a training with the vectors that [associations] fuse asks for; as they are where it does not.

    They come from the [embeddings] of the config, and of the configs in training.movies; where one of these has none,
    from the model of the first. Those of a model to begin with that has learnt with some are those (`fused_source`).
    Raises ConfigError where they are missing or do not go together.
    """
    others = () if config.training is None else config.training.movies
    configs = [config, *(load_config(config.path(other)) for other in others)]
    fuse = None if config.associations is None else config.associations.fuse
    if start is not None and start.fused:
        check_fuse(fuse, start.model, str(start.folder))
        sources = [fused_source(one, start, movie) for one, movie in zip(configs, movies, strict=True)]
        tables = [source.table(progress) for source in sources if source is not None]
        return [replace(movie, fused=table) for movie, table in zip(movies, tables, strict=True)]
    if fuse is None:
        return list(movies)
    bare = next((movie.name for movie in movies if not movie.tokens.tokens.shape[1]), None)
    if bare is not None:
        raise ConfigError(
            f"associations.fuse adds embeddings to the shape features of detections, and those of {bare} have none: "
            "give data.segmentation instead of points, or leave fuse out"
        )
    if config.embeddings is None:
        raise ConfigError(
            f'associations.fuse = "{fuse}" needs a vector for every detection: give [embeddings] model (a folder that '
            f"`track train {fuse}` wrote) or path (a NodeEmbeddings file)"
        )
    tables = [_table_to_learn(config, one, fuse, movie, progress) for one, movie in zip(configs, movies, strict=True)]
    first = tables[0].provenance.get("made_with")
    for movie, table in zip(movies, tables, strict=True):
        made_with = table.provenance.get("made_with")
        if None not in (first, made_with) and made_with != first:
            raise ConfigError(
                f"the embeddings of {movies[0].name} and of {movie.name} come from different models, or were asked for "
                "differently: embed all movies of a training alike"
            )
    return [replace(movie, fused=table) for movie, table in zip(movies, tables, strict=True)]


def _table_to_learn(config: Config, one: Config, fuse: str, movie: LearningMovie, progress: Progress) -> NodeEmbeddings:
    """The vectors of one movie of a training.   config: of the training.   one: of the movie."""
    given, home = one.embeddings or config.embeddings, one if one.embeddings else config
    assert given is not None
    if given.model is None:
        if one.embeddings is None:
            raise ConfigError(
                "associations.fuse needs the embeddings of every movie of the training, and the config of "
                f"{movie.name} has no [embeddings]: give their path there, or a model in the config of the training"
            )
        table = read_vectors(one, given)
        _check_method(fuse, table.method, f"{given.path} holds vectors of")
        return table
    method, model = named_model(home)
    _check_method(fuse, method, f"{given.model} is a model of")
    path = kept_in(one, given.path, "embeddings") if home is one else kept_in(one, None, "fused")
    # Asked in the same way for all movies.
    return Embedder(method, model, METHODS[method].options(config), given.device, path).table(one, movie, progress)


def keep_embedder(config: Config, folder: Path, start: Tracking | None = None) -> None:
    """Put a copy of the model of [embeddings], or of that of the start, into the tracking model which learns with it.

    Without a model (there is a path) there is none to keep, and weights that others have published stay where they are.
    Raises ConfigError where the folder has begun with another.
    """
    own = folder / EMBEDDER
    if start is not None and start.fused:
        if (start.folder / EMBEDDER / "model.json").exists():
            copy_model(start.folder / EMBEDDER, own)
        return
    if config.associations is None or config.associations.fuse is None or config.embeddings is None:
        return
    held = (own / "model.json").exists()
    method, model = (None, None) if config.embeddings.model is None else named_model(config)
    if method is None or model is None or METHODS[method].train is None:
        if held:
            raise ConfigError(
                f"{own} holds a model of embeddings, and [embeddings] now gives them without: give that model, or "
                "train into another folder"
            )
        return
    if held and checkpoints(folder) and weights_digest(own) != weights_digest(model):
        raise ConfigError(
            f"the model in {folder} learns with the embeddings of the model in {own}, and {config.embeddings.model} is "
            "another: give [embeddings] as it was, or train into another folder"
        )
    copy_model(model, own)


def _check_method(wanted: str, found: str, what: str) -> None:
    if wanted != found:
        raise ConfigError(
            f'associations.fuse = "{wanted}" wants embeddings of that method, but {what} {found or "an unnamed method"}'
            f': give those, or fuse = "{found or "NAME"}"'
        )
