"""Learn the weights of a config, search on from there, and keep whichever answer is best on what was held out."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config, CostSettings
from tracker.errors import ConfigError
from tracker.ilp.backends import SolverSettings
from tracker.stopwatch import Progress, Stopwatch
from tracker.tuning.annotation import read_annotated
from tracker.tuning.held_out import HeldOut, make_folds, whole
from tracker.tuning.parts import Annotated, Part
from tracker.tuning.quick_score import Score
from tracker.tuning.search import Searched, ranges_around, require_optuna, search
from tracker.tuning.ssvm import Learnt, learn
from tracker.tuning.strength import STRENGTHS, choose_strength

_PATIENCE, _FEWEST_SECONDS = 20.0, 5.0  # a trial is given up after so many times what the start takes
BEFORE, SSVM, SEARCH = "before", "SSVM", "search"


@dataclass(frozen=True)
class FoldResult:
    """What each answer is worth on one held-out part.

    l2: chosen within the training part.   losses: answer -> what was to be made small.   scores: answer -> all
    metrics, empty where only pins are known.   weights: answer -> (K,) internal scale, learnt from the rest.
    train_losses: of the search, trial by trial.
    """

    name: str
    l2: float
    losses: dict[str, float]
    scores: dict[str, Score]
    weights: dict[str, NDArray[np.float64]]
    train_losses: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class Tuned:
    """The outcome.

    given: the config.   config: with the terms that were learnt, at the costs before.   movie: what was learnt from.
    folds: held-out scores.   kept: the answer with the smallest mean loss on held-out data, the simplest of equals.
    weights: (K,) internal scale, that answer fitted to all that is annotated.   l2, l2_losses: see `choose_strength`.
    learnt: the SSVM on everything.   searched: the search on everything, if it was kept.
    notes: sentences for people.   seconds: per stage.
    """

    given: Config
    config: Config
    movie: Annotated
    folds: tuple[FoldResult, ...]
    kept: str
    weights: NDArray[np.float64]
    l2: float
    l2_losses: dict[float, list[float]]
    learnt: Learnt
    searched: Searched | None
    notes: tuple[str, ...]
    seconds: dict[str, float]

    @property
    def answers(self) -> tuple[str, ...]:
        """before, SSVM, and search where there was one."""
        return tuple(self.folds[0].losses)

    def held_out(self, answer: str) -> NDArray[np.float64]:
        """(folds,) losses of an answer."""
        return np.array([fold.losses[answer] for fold in self.folds])

    @property
    def costs(self) -> CostSettings:
        """The costs that were kept, rounded to 6 digits; as given where nothing learnt is better."""
        if not self.helped:
            return self.given.costs
        model = self.movie.model
        rounded = [float(f"{value:.6g}") for value in model.external(self.weights).tolist()]
        return model.settings(model.internal(np.array(rounded)))

    @property
    def helped(self) -> bool:
        """Whether something learnt is better, on held-out data, than the costs were before."""
        return self.kept != BEFORE


def tune(config: Config, folder: Path, *, progress: Progress = lambda stage: None) -> Tuned:
    """Learn the weights of a config from its truth, else from its pins.

    folder: where the search keeps its trials (`tuning.db`); what is there of the same question is taken over.
    Nothing that is held out takes part in what it scores: per fold, the SSVM, the choice of its L2 strength and the
    search see the training part alone. The answer that is kept is then fitted once more to all that is annotated.
    Features are standardised over the whole movie, which takes no annotation.
    Raises the errors of tracker.errors.
    """
    if config.solver.backend != "highs":
        raise ConfigError(
            f'tuning solves with HiGHS, found solver.backend = "{config.solver.backend}". Set it to "highs"; the tuned '
            "costs are good for every backend"
        )
    wanted, watch = config.tuning, Stopwatch(progress=progress)
    given = config
    config, movie, notes = read_annotated(given, watch, wanted.features)
    if wanted.objective == "division_f1" and movie.truth is not None and not len(movie.truth.lineage.divisions):
        raise ConfigError(
            "the objective division_f1 needs true divisions: nothing divides in the truth, in the frames that are "
            "used. Use aogm, or frames in which cells divide"
        )
    searching = wanted.trials > 0 and movie.truth is not None
    if searching:
        require_optuna()
    settings = SolverSettings(threads=config.solver.threads, seed=config.solver.seed)
    folds = make_folds(config, movie, settings, watch)
    notes = (*notes, *_warn_without_divisions(folds))

    def learning(part: Part, l2: float) -> Learnt:
        watch.progress(f"SSVM, l2 = {l2:g}")
        return learn(part.examples, l2=l2, start=movie.model.start, threads=settings.threads)

    def answer(part: Part, known: NDArray[np.bool_]) -> tuple[Learnt, float, dict[float, list[float]]]:
        with watch.stage("ssvm", "learning"):
            l2, losses = choose_strength(movie, known, wanted.objective, settings, learning)
            return learning(part, l2), l2, losses

    def searched_from(part: Part, name: str, first: Learnt, l2: float) -> Searched:
        with watch.stage("search", "searching"):
            others = [learning(part, other).weights for other in STRENGTHS if other != l2]
            starts = [first.weights, movie.model.start, *others]
            return _search(config, movie, part, name, starts, folder, watch)

    results = []
    for fold in folds:
        watch.progress(f"without {fold.name}")
        learnt, l2, _ = answer(fold.train, fold.known)
        weights, train_losses = {BEFORE: movie.model.start, SSVM: learnt.weights}, np.empty(0)
        if searching:
            found = searched_from(fold.train, fold.name, learnt, l2)
            weights[SEARCH], train_losses = found.weights, found.losses
        results.append(_scored(fold, l2, weights, wanted.objective, train_losses))

    mean = {name: float(np.mean([one.losses[name] for one in results])) for name in results[0].losses}
    kept = min(mean, key=lambda name: mean[name])  # the first of equals: the simplest
    everything = whole(movie, settings)
    learnt, l2, l2_losses = answer(everything, movie.known)
    searched = searched_from(everything, "all", learnt, l2) if kept == SEARCH else None
    weights = {BEFORE: movie.model.start, SSVM: learnt.weights}
    if searched is not None:
        weights[SEARCH] = searched.weights
    return Tuned(
        given=given,
        config=config,
        movie=movie,
        folds=tuple(results),
        kept=kept,
        weights=weights[kept],
        l2=l2,
        l2_losses=l2_losses,
        learnt=learnt,
        searched=searched,
        notes=(*notes, *learnt.warnings),
        seconds=watch.seconds,
    )


def _search(
    config: Config,
    movie: Annotated,
    part: Part,
    name: str,
    starts: Sequence[NDArray[np.float64]],
    folder: Path,
    watch: Stopwatch,
) -> Searched:
    """The search on a training part.

    Weights under which the program takes more than 20 times as long (and 5 seconds) are given up: they are no good.
    """
    wanted, model = config.tuning, movie.model
    began = time.perf_counter()
    part.loss(starts[0], wanted.objective)
    patient = part.within(max(_FEWEST_SECONDS, _PATIENCE * (time.perf_counter() - began)))
    ranges = ranges_around(model.names, [weight.sign for weight in model.weights], starts)
    question = [repr((wanted.objective, wanted.seed, name, ranges)).encode(), movie.target.values.tobytes()]
    question += [array.tobytes() for array in (*starts, model.program.links, *model.design.values())]
    digest = hashlib.sha256(b"|".join(question)).hexdigest()[:12]
    return search(
        lambda weights: patient.loss(weights, wanted.objective),
        ranges,
        starts,
        trials=wanted.trials,
        seed=wanted.seed,
        database=folder / "tuning.db",
        study=f"{name} {wanted.objective} {digest}",
        progress=lambda stage: watch.progress(f"{name}: {stage}"),
    )


def _scored(
    fold: HeldOut, l2: float, weights: dict[str, NDArray[np.float64]], objective: str, train_losses: NDArray[np.float64]
) -> FoldResult:
    there = {answer: fold.convert(own) for answer, own in weights.items()}
    losses = {answer: fold.test.loss(own, objective) for answer, own in there.items()}
    scores = {} if fold.test.truth is None else {answer: fold.test.score(own) for answer, own in there.items()}
    return FoldResult(fold.name, l2, losses, scores, weights, train_losses)


def _warn_without_divisions(folds: Sequence[HeldOut]) -> list[str]:
    without = [fold.name for fold in folds if not fold.train.n_divisions]
    if not without:
        return []
    return [
        f"nothing divides in what is learnt from when {', '.join(without)} is held out: the weights of divisions are "
        "left alone there"
    ]
