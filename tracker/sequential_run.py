"""A run with the sequential tracker in the place of the integer program."""

import numpy as np
from pydantic import BaseModel

from tracker.config import Config, CostSettings, Solving
from tracker.config_sequential import Sequential
from tracker.errors import ConfigError
from tracker.inputs import Inputs, read_inputs
from tracker.lineage import Lineage, make_lineage
from tracker.prepare import embeddings_of
from tracker.sequential import SequentialSettings, sequential_links
from tracker.stopwatch import Stopwatch

_UNUSED_SECTIONS = ("candidates", "features", "associations", "division_scores")


def check_sequential(config: Config) -> None:
    """Raise ConfigError when solver.method = "sequential" has no vectors to go by, or pins that it cannot honour."""
    if config.solver.method != "sequential":
        return
    if config.embeddings is None:
        raise ConfigError(
            'solver.method = "sequential" links by vectors of detections and nothing else: give [embeddings] path or '
            'model, or set solver.method = "ilp"'
        )
    if config.annotations.pins:
        raise ConfigError(
            'solver.method = "sequential" knows nothing of pins: leave out annotations.pins (and --pins), or set '
            'solver.method = "ilp", which honours them'
        )


def sequential_notes(config: Config) -> list[str]:
    """A sentence on what the config sets and the sequential tracker does not look at; none where it sets no such."""
    unused = [f"[{name}]" for name in _UNUSED_SECTIONS if _is_set(config, name)]
    count = len(config.costs.terms)
    if config.costs.model_copy(update={"terms": ()}) != CostSettings():
        unused.append("[costs]")
    if count:
        unused.append(f"{count} cost term{'' if count == 1 else 's'}")
    unused += [f"solver.{key}" for key in Solving.model_fields if key != "method" and _is_set(config.solver, key)]
    if _is_set(config.output, "margins"):
        unused.append("output.margins")
    return [f"not used: {', '.join(unused)}"] if unused else []


def _is_set(section: BaseModel, key: str) -> bool:
    """Whether a key has another value than its default."""
    return bool(getattr(section, key) != type(section).model_fields[key].get_default())


def track_sequentially(config: Config, watch: Stopwatch) -> tuple[Inputs, Lineage]:
    """What was read, and the lineage of all detections by their vectors alone."""
    assert config.embeddings is not None
    with watch.stage("read", "reading detections"):
        inputs = read_inputs(config)
    with watch.stage("features", "reading embeddings"):
        vectors = embeddings_of(config, config.embeddings, inputs, watch.progress)
    settings = SequentialSettings(**(config.sequential or Sequential()).model_dump())
    with watch.stage("solve", "tracking frame by frame"):
        links = sequential_links(inputs.detections, vectors, settings)
    return inputs, make_lineage(inputs.detections, np.ones(len(inputs.detections), np.bool_), links)
