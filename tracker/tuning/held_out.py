"""Every way to hold something out: what is learnt from, what is scored, and how weights get from one to the other."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config, load_config
from tracker.errors import ConfigError
from tracker.ilp.backends import SolverSettings
from tracker.stopwatch import Stopwatch
from tracker.tuning.annotation import read_annotated
from tracker.tuning.cost_model import LinearModel
from tracker.tuning.parts import Annotated, Part, make_part
from tracker.tuning.splits import contiguous_pieces, time_blocks

Convert = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class HeldOut:
    """One fold.

    name: of what is held out.   known: (T,) bool, frames that may be learnt from.   convert: weights (K,) as learnt in
    `train` to those of `test`.
    """

    name: str
    known: NDArray[np.bool_]
    train: Part
    test: Part
    convert: Convert


def whole(movie: Annotated, settings: SolverSettings) -> Part:
    """All that is annotated."""
    return make_part(movie, contiguous_pieces(movie.known), settings)


def make_folds(config: Config, movie: Annotated, settings: SolverSettings, watch: Stopwatch) -> list[HeldOut]:
    """The folds that [tuning] asks for.

    blocks: each of `folds` blocks of time is held out once. Where only pins are known, a block without any is none.
    movie: learnt is from this movie, scored on each of `movies`, whose costs are given this config's terms.
    Raises ConfigError when there are too few frames, or a movie has no truth to score with.
    """
    if config.tuning.validate == "movie":
        return _other_movies(config, movie, settings, watch)
    found = []
    for block in time_blocks(movie.detections.frames, movie.known, config.tuning.folds):
        train, test = make_part(movie, block.train, settings), make_part(movie, block.test, settings)
        if train.n_decided and test.n_decided:
            found.append(HeldOut(block.name, block.train >= 0, train, test, lambda weights: weights))
    if len(found) < 2:
        raise ConfigError(
            f"of the {config.tuning.folds} blocks of time only {len(found)} can be held out: in the others, or besides "
            "them, nothing is decided. Annotate more frames, or choose fewer tuning.folds"
        )
    return found


def _other_movies(config: Config, movie: Annotated, settings: SolverSettings, watch: Stopwatch) -> list[HeldOut]:
    train, found = whole(movie, settings), []
    for name in config.tuning.movies:
        other = load_config(config.path(name)).model_copy(update={"costs": config.costs})
        if other.data.truth is None:
            raise ConfigError(f"{name} in tuning.movies has no truth to score with; set [data] truth there")
        watch.progress(f"reading {name}")
        _, there, _ = read_annotated(other, watch, "config")
        found.append(HeldOut(name, movie.known, train, whole(there, settings), _converter(movie.model, there.model)))
    return found


def _converter(here: LinearModel, there: LinearModel) -> Convert:
    """Weights by their names, each in the config's units; a weight that only the other movie has stays as it is."""

    def convert(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        learnt = dict(zip(here.names, here.external(weights).tolist(), strict=True))
        return there.internal(np.array([learnt.get(weight.name, weight.value) for weight in there.weights]))

    return convert
