"""From a config to a priced program: what every command does before it solves."""

import importlib.util
import logging
import os
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracker.annotations import with_demanded, with_soft_pins
from tracker.auto.fit import measure_movie
from tracker.auto.model import MovieModel
from tracker.auto.sample import quick_flow, sample_windows
from tracker.candidate_stream import collect, stream_candidates
from tracker.candidate_windows import CandidateSource
from tracker.candidates import CandidateGraph, build_candidates
from tracker.config import Config
from tracker.config_scores import AssociationSettings, DivisionScoreSettings, EmbeddingSettings
from tracker.costs import Costs, price, to_problem
from tracker.detections import Detections
from tracker.errors import ConfigError, MissingExtraError
from tracker.features.context import FeatureContext
from tracker.ilp.backends import SolverSettings
from tracker.ilp.problem import TrackingProblem
from tracker.inputs import Inputs, read_annotations, read_inputs
from tracker.local_motion import local_motion
from tracker.needed import candidate_source, no_candidates, wants_needed, with_scores, with_statistics
from tracker.pin_checks import ResolvedPins
from tracker.scores import lay_on_detections, load_associations, load_division_scores, load_embeddings, load_geff_scores
from tracker.stopwatch import Progress, Stopwatch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """Everything up to the solve. problem: without the certain pins, with the likely ones as costs.

    pins: None when the config names no files of pins.   movie: what was measured; None when nothing asks for it.
    association: (E,) learned score of each link, None where the config names none.
    source: where only the candidates that are needed were kept (candidates.materialise): what all of them follow from.
    Then `graph`, `costs` and `problem` hold those alone, and `association` nothing.
    n_proposed: links and divisions that nearness and pins proposed.
    """

    inputs: Inputs
    graph: CandidateGraph
    costs: Costs
    problem: TrackingProblem
    pins: ResolvedPins | None
    movie: MovieModel | None = None
    association: NDArray[np.float64] | None = None
    source: CandidateSource | None = None
    n_proposed: tuple[int, int] = (0, 0)


def prepare(config: Config, watch: Stopwatch, *, with_motile: bool = False, as_needed: bool = False) -> Prepared:
    """Read, propose, price. Pins are checked against the movie, and against each other, before anything is priced.

    with_motile: the caller adds the motile classes that the config names, and heeds solver.engine.
    as_needed: the caller can do without candidates that could never be chosen, where candidates.materialise says so.
    Raises ConfigError where solver.method is another than the integer program, which is what is prepared here, and
    where the config needs motile and the caller does not know it.
    """
    if not with_motile and (config.costs.motile or config.solver.engine == "motile"):
        raise ConfigError(
            'costs.terms with `motile` and solver.engine = "motile" are for `track run`; this works with the costs and '
            "the program of this package alone: leave them out here"
        )
    if config.solver.method != "ilp":
        raise ConfigError(
            f'solver.method = "{config.solver.method}" is for `track run`; this works with the lineage of least cost: '
            'set solver.method = "ilp"'
        )
    with watch.stage("read", "reading detections"):
        inputs = read_inputs(config)
        pins = read_annotations(config, inputs.detections)
    divisions = config.candidates.divisions
    with watch.stage("measure", "measuring the movie"):
        movie = measure(config, inputs.detections)
    if as_needed and wants_needed(config, inputs.detections):
        return _prepare_needed(config, watch, inputs, pins, movie)
    with watch.stage("candidates", "proposing candidates"):
        graph = propose(config, inputs.detections, movie)
    with watch.stage("features", "computing features and costs"):
        context = context_of(config, inputs, graph, movie, watch.progress)
        costs = price(context, config.costs, divisions=divisions)
    if pins is not None:
        with watch.stage("candidates", "adding what pins demand"):
            grown = with_demanded(graph, pins, pairs=divisions == "pair")
        if len(grown.links) > len(graph.links) or len(grown.divisions) > len(graph.divisions):
            with watch.stage("features", "pricing what pins demand"):
                context = context_of(config, inputs, grown, movie, watch.progress)
                costs = price(context, config.costs, divisions=divisions, statistics=costs.statistics)
            graph = grown
    with watch.stage("build", "building the program"):
        problem = to_problem(graph, costs, config.costs)
        if pins is not None:
            problem = with_soft_pins(problem, pins, config.annotations.soft_weight)
    n_proposed = len(graph.links), len(graph.divisions)
    return Prepared(inputs, graph, costs, problem, pins, movie, context.association, None, n_proposed)


def _prepare_needed(
    config: Config, watch: Stopwatch, inputs: Inputs, pins: ResolvedPins | None, movie: MovieModel | None
) -> Prepared:
    """The same, keeping only the candidates that could be chosen."""
    source = source_of(config, watch, inputs, pins, movie)
    with watch.stage("candidates", "proposing and pricing candidates"):
        chunks = stream_candidates(source, with_columns=True, done=watch.share("proposing and pricing candidates"))
        needed = collect(source, chunks)
    with watch.stage("build", "building the program"):
        costs = Costs(
            link=needed.link_cost,
            division=needed.division_cost,
            columns=needed.columns,
            statistics=source.statistics,
            **vars(source.ends),
        )
        problem = to_problem(needed.graph, costs, config.costs)
        if pins is not None:
            problem = with_soft_pins(problem, pins, config.annotations.soft_weight)
    n_proposed = needed.n_links, needed.n_divisions
    return Prepared(inputs, needed.graph, costs, problem, pins, movie, None, source, n_proposed)


def source_of(
    config: Config, watch: Stopwatch, inputs: Inputs, pins: ResolvedPins | None, movie: MovieModel | None
) -> CandidateSource:
    """All that the candidates of a movie follow from, its statistics measured."""
    with watch.stage("features", "looking around detections"):
        others = config.model_copy(update={"associations": None})
        context = context_of(others, inputs, no_candidates(inputs.detections), movie, watch.progress)
        source = candidate_source(config, context, movie, pins)
    given = config.associations
    if given is not None:
        with watch.stage("candidates", "scoring links"):
            source = with_scores(source, lambda graph: _associations(config, given, inputs, graph, watch.progress))
    with watch.stage("features", "measuring candidates"):
        return with_statistics(source, watch.share("measuring candidates"))


def solver_settings(config: Config) -> SolverSettings:
    """The solver's share of a config."""
    wanted = config.solver
    return SolverSettings(wanted.backend, wanted.gap, wanted.time_limit_s, wanted.threads, wanted.seed)


def measure(config: Config, detections: Detections) -> MovieModel | None:
    """What the preset auto measures on the movie, with the candidates of the config; None when nothing asks for it."""
    if not config.costs.measures:
        return None
    if len(detections) > config.costs.measure_detections:
        return _measure_sample(config, detections)
    return _measure(config, detections)


def _measure_sample(config: Config, detections: Detections) -> MovieModel:
    """What a large movie's windows say, and the local motion everywhere."""
    wanted = solver_settings(config)
    flow = quick_flow(detections, wanted.threads or os.cpu_count() or 1)
    if config.costs.measured is not None:
        return MovieModel(config.costs.measured, flow)
    sample = sample_windows(
        detections, config.costs.measure_detections, apart=config.candidates.max_frame_gap, seed=config.solver.seed
    )
    found = _measure(config, sample.detections)
    log.info("the numbers of the preset auto come from %s", sample)
    return MovieModel(found.numbers, flow, found.n_links, str(sample))


def _measure(config: Config, detections: Detections) -> MovieModel:
    keep = config.costs.detection == "keep"
    return measure_movie(
        detections,
        lambda flow: _propose(config, detections, flow, pairs=config.candidates.divisions != "none"),
        numbers=config.costs.measured,
        keep=keep,
        detection_cost=0.0 if config.costs.detection == "keep" else config.costs.detection,
        settings=replace(solver_settings(config), backend="highs"),
    )


def propose(config: Config, detections: Detections, movie: MovieModel | None = None) -> CandidateGraph:
    """The candidate graph of a config, before pins add to it; near is where the measured motion leads."""
    flow = None if movie is None else movie.flow
    return _propose(config, detections, flow, pairs=config.candidates.divisions == "pair")


def _propose(
    config: Config, detections: Detections, flow: NDArray[np.float64] | None, *, pairs: bool
) -> CandidateGraph:
    wanted = config.candidates
    return build_candidates(
        detections,
        neighbors=wanted.neighbors,
        direction=wanted.direction,
        max_distance=wanted.max_distance,
        max_frame_gap=wanted.max_frame_gap,
        divisions=pairs,
        pairs_per_parent=wanted.pairs_per_parent,
        division_max_distance=wanted.division_max_distance,
        flow=flow,
    )


def context_of(
    config: Config,
    inputs: Inputs,
    graph: CandidateGraph,
    movie: MovieModel | None = None,
    progress: Progress = lambda stage: None,
) -> FeatureContext:
    """What features look at: the graph, movies, local motion, and learned scores laid onto it.

    Scores that a model is to compute are computed here, if they are not there yet.
    """
    embedding = association = division_score = None
    if config.embeddings is not None:
        embedding = embeddings_of(config, config.embeddings, inputs, progress)
    if config.associations is not None:
        association = _associations(config, config.associations, inputs, graph, progress)
    if config.division_scores is not None:
        division_score = _division_scores(config, config.division_scores, inputs, progress)
    flow = None if movie is None else movie.flow
    if config.features.flow == "neighbors":  # asked for by name, so it goes before what auto measured
        flow = local_motion(graph.detections)
    return FeatureContext(
        graph=graph,
        masks=inputs.masks,
        overlap_shift=config.features.overlap_shift,
        embedding=embedding,
        association=association,
        division_score=division_score,
        flow=flow,
        movie=movie,
        images=inputs.images,
    )


def embeddings_of(config: Config, given: EmbeddingSettings, inputs: Inputs, progress: Progress) -> NDArray[np.float64]:
    """(N, C) the vectors of [embeddings], computed where a model is named and they are not there yet."""
    if given.model is None:
        assert given.path is not None
        return load_embeddings(config.path(given.path), inputs.detections)
    require_torch("embeddings.model")
    from tracker.learning.scores import embedding_vectors

    return embedding_vectors(config, inputs, progress)


def _division_scores(
    config: Config, given: DivisionScoreSettings, inputs: Inputs, progress: Progress
) -> NDArray[np.float64]:
    if given.model is None:
        assert given.path is not None
        return load_division_scores(config.path(given.path), inputs.detections)
    require_torch("division_scores.model")
    from tracker.learning.division_scores import division_score_table

    return lay_on_detections(division_score_table(config, inputs, progress), inputs.detections)


def _associations(
    config: Config, given: AssociationSettings, inputs: Inputs, graph: CandidateGraph, progress: Progress
) -> NDArray[np.float64]:
    if given.geff is not None:
        return load_geff_scores(config.path(given.geff), given.property, graph)
    if given.model is None:
        assert given.path is not None
        return load_associations(config.path(given.path), graph)
    require_torch("associations.model")
    from tracker.learning.scores import association_scores

    return association_scores(config, inputs, graph, progress)


def require_torch(what: str) -> None:
    """Raise MissingExtraError when torch is not installed; `what` needs it."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("torch", "learn", what)
