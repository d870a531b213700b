"""Stretches of an annotated movie: what weights are learnt from, and what they are scored on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracker.detections import Detections
from tracker.errors import NoSolutionError
from tracker.ilp.backends import SolverSettings
from tracker.ilp.solve import solve
from tracker.lineage import Lineage, make_lineage
from tracker.tuning.cost_model import LinearModel
from tracker.tuning.quick_score import MatchedTruth, Score, quick_score
from tracker.tuning.target import Target, cut_target


@dataclass(frozen=True)
class Annotated:
    """A whole movie and all that is known of it.

    model: its costs.   target: what is decided.   truth: of the same frames, None where only pins are known.
    known: (T,) bool, frames that the annotation speaks of.
    """

    detections: Detections
    model: LinearModel
    target: Target
    truth: MatchedTruth | None
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class Part:
    """Contiguous stretches of a movie, each as if it had been recorded alone.

    examples: a model and a target for each stretch.   truth: of all of them, None where only pins are known.
    """

    detections: Detections
    examples: tuple[tuple[LinearModel, Target], ...]
    truth: MatchedTruth | None
    settings: SolverSettings

    @property
    def n_decided(self) -> int:
        """How many choices the annotation decides."""
        return sum(int(target.decided.sum()) for _, target in self.examples)

    @property
    def n_divisions(self) -> int:
        """How many divisions are known to be true."""
        total = 0
        for model, target in self.examples:
            layout = model.program.layout
            total += int(target.values[layout.division].sum()) + int(target.values[layout.splits].sum())
        return total

    def within(self, seconds: float) -> "Part":
        """The same, giving up on each solve after so many seconds."""
        return replace(self, settings=replace(self.settings, time_limit_s=seconds))

    def loss(self, weights: NDArray[np.float64], objective: str) -> float:
        """What is to be made small, at internal weights (K,): the objective (`Score.loss`).

        Where only pins are known: the share of the decided choices (links, divisions, ends) that come out wrong.
        Infinite where no optimum was proven in time.
        """
        values = self._solve(weights)
        if values is None:
            return float("inf")
        if self.truth is None:
            wrong = sum(
                int((chosen != target.values)[target.decided].sum())
                for chosen, (_, target) in zip(values, self.examples, strict=True)
            )
            return wrong / max(self.n_decided, 1)
        lineage = join_lineages(self.detections, [model for model, _ in self.examples], values)
        return quick_score(lineage, self.truth, with_chota=objective == "chota").loss(objective)

    def score(self, weights: NDArray[np.float64]) -> Score:
        """All metrics at internal weights (K,); wants a truth, and no time limit."""
        values = self._solve(weights)
        assert self.truth is not None
        assert values is not None
        return quick_score(join_lineages(self.detections, [model for model, _ in self.examples], values), self.truth)

    def _solve(self, weights: NDArray[np.float64]) -> list[NDArray[np.bool_]] | None:
        """The optimum of each stretch; None where one was not proven in time."""
        found = []
        for model, _ in self.examples:
            try:
                solution = solve(model.problem(weights), self.settings)
            except NoSolutionError:
                return None
            if solution.status != "optimal":
                return None
            found.append(solution.values)
        return found


def make_part(movie: Annotated, piece: NDArray[np.int64], settings: SolverSettings) -> Part:
    """The part of a movie that consists of some stretches.

    piece: (T,) number of the stretch that each step belongs to, from 0, -1 = left out.   settings: of the solver.
    """
    examples = []
    for number in range(int(piece.max(initial=-1)) + 1):
        steps = np.flatnonzero(piece == number)
        if steps[0] == 0 and steps[-1] == len(piece) - 1:
            examples.append((movie.model, movie.target))
            continue
        model = movie.model.cut(int(steps[0]), int(steps[-1]) + 1)
        examples.append((model, cut_target(movie.target, movie.model, model)))
    truth = None if movie.truth is None else movie.truth.part(movie.detections.frames, piece)
    return Part(movie.detections, tuple(examples), truth, settings)


def join_lineages(
    detections: Detections, models: Sequence[LinearModel], values: Sequence[NDArray[np.bool_]]
) -> Lineage:
    """The chosen columns (columns,) of models that were cut from one of all `detections`, as one lineage over these."""
    selected = np.zeros(len(detections), bool)
    links = [np.empty((0, 2), np.int64)]
    for model, chosen in zip(models, values, strict=True):
        layout, program = model.program.layout, model.program
        rows = model.columns[layout.detection]  # the detections are the first columns of the whole model
        divided = rows[program.divisions[chosen[layout.division]]].reshape(-1, 3)
        links += [rows[program.links[chosen[layout.link]]].reshape(-1, 2), divided[:, :2], divided[:, [0, 2]]]
        selected[rows[chosen[layout.detection]]] = True
    return make_lineage(detections, selected, np.concatenate(links))
