"""The movies of a config as the learned methods take them."""

from dataclasses import replace

from embeddings.learning_movie import LearningMovie
from embeddings.windows import truth_of_detections
from tracker.config import Config, load_config
from tracker.errors import ConfigError
from tracker.inputs import Inputs, read_inputs
from tracker.matching import match_objects
from tracker.truth import read_truth


def learning_movies(config: Config, *, truth: bool) -> list[LearningMovie]:
    """The movie of the config, then those of `training.movies`; with who descends from whom where `truth` is asked.

    Raises ConfigError where a movie has no data.truth, and what reading raises.
    """
    others = () if config.training is None else config.training.movies
    configs = [config, *(load_config(config.path(other)) for other in others)]
    return [with_truth(learning_movie(one), one) if truth else learning_movie(one) for one in configs]


def learning_movie(config: Config, inputs: Inputs | None = None) -> LearningMovie:
    """The movie of one config; inputs: where it was read already."""
    inputs = inputs or read_inputs(config)
    data = config.data
    source = data.segmentation or data.points
    assert source is not None
    return LearningMovie(inputs.detections, inputs.images, inputs.masks, name=str(config.path(source)))


def with_truth(movie: LearningMovie, config: Config) -> LearningMovie:
    """The movie with the tracklets of the truth of its config. Raises ConfigError where there is none."""
    if config.data.truth is None:
        raise ConfigError(f"learning from a truth needs data.truth, and the config of {movie.name} has none")
    truth = read_truth(config.path(config.data.truth), scale=config.data.scale).select(movie.detections.frames)
    matched = match_objects(movie.detections, truth, movie.masks).one_to_one()
    return replace(movie, truth=truth_of_detections(matched.rows, truth.parent, len(movie.detections)))
