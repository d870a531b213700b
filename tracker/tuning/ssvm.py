"""Weights by a structured support vector machine: the wanted lineage must be cheaper than every other, by its loss.

    minimise   l2 / 2 |w - start|^2 + 1/n sum over examples of
               max over lineages y of [loss(y) - cost_w(y)] + min over lineages z that agree with the target cost_w(z)

n: decided true links, a division being two.   loss: Hamming distance to the target over the decided columns. Rare kinds
count as often as they occur; a wrong division costs several columns anyway (itself, a link, an appearance).
The maximum is found by the exact solver of the tracking program; the minimum over w by cutting planes, each
independent part of each program with planes of its own. Where the target leaves columns open the second term makes
the objective a difference of convex functions: z is fixed, w learnt, z found again, for a few rounds.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError
from tracker.ilp.backends import SolverSettings
from tracker.tuning.bundle import Bundle
from tracker.tuning.cost_model import LinearModel, Weight
from tracker.tuning.example import Example, make_example
from tracker.tuning.target import Target

_ROUNDS = 5


class Step(NamedTuple):
    """How far the learning is.

    iteration: from 1.   primal: the objective of the best weights so far.   dual: a lower bound on the best possible.
    gap: (primal - dual) / primal.   round: of filling in what the target leaves open, from 1; primal never rises over
    all rounds, dual never falls within one.
    """

    iteration: int
    primal: float
    dual: float
    gap: float
    round: int


@dataclass(frozen=True)
class Learnt:
    """What was learnt.

    weights: (K,) internal scale.   history: a Step per iteration.   slack: the loss term at the weights, per decided
    true link; 0 when every wrong lineage is dearer by its loss.   frozen: names of weights left alone, since nothing in
    the target speaks for them.   converged: the gap was closed.
    """

    weights: NDArray[np.float64]
    history: tuple[Step, ...]
    slack: float
    seconds: float
    converged: bool
    frozen: tuple[str, ...]
    warnings: tuple[str, ...]


def learn(
    examples: Sequence[tuple[LinearModel, Target]],
    *,
    l2: float,
    start: NDArray[np.float64],
    gap: float = 1e-3,
    max_iterations: int = 300,
    threads: int = 1,
    progress: Callable[[Step], None] | None = None,
) -> Learnt:
    """Learn the weights that models have in common from their targets.

    examples: models and their targets; internal scale is that of the first model.
    l2: strength of the pull towards `start` (K,), internal scale.   gap: relative, at which to stop.
    max_iterations: over all rounds.   threads: components solved at once.   progress: told every step.
    The result is the same, bit for bit, on every run with one number of threads.
    Raises InputError where there is nothing to learn from, or the models have different weights.
    """
    began = time.perf_counter()
    own = [make_example(model.in_units_of(examples[0][0]), target) for model, target in examples]
    problem = _Learning(own, l2, np.asarray(start, float), threads)
    history: list[Step] = []
    best, primal, converged = problem.start, np.inf, False
    for round_number in range(1, _ROUNDS + 1):
        problem.complete(best)
        bundle, dual, converged = problem.new_bundle(), 0.0, False
        value, planes = problem.objective(best)
        primal = at_first = min(primal, value)
        while len(history) < max_iterations and not converged:
            bundle.add(*planes)
            candidate, bound = bundle.lowest()
            dual = max(dual, bound)
            value, planes = problem.objective(candidate)
            if value < primal:
                best, primal = candidate, value
            converged = primal - dual <= gap * primal
            here = Step(len(history) + 1, primal, dual, (primal - dual) / max(primal, 1e-300), round_number)
            history.append(here)
            if progress is not None:
                progress(here)
        if problem.is_complete or not converged or at_first - primal <= gap * primal:
            break
    slack = primal - 0.5 * l2 * float((best - problem.start) @ (best - problem.start))
    notes = []
    if problem.frozen:
        notes.append(f"nothing divides in what is learnt from: {', '.join(problem.frozen)} left as before")
    return Learnt(best, tuple(history), slack, time.perf_counter() - began, converged, problem.frozen, tuple(notes))


class _Learning:
    """The objective, its planes, and what is held fixed."""

    def __init__(self, examples: list[Example], l2: float, start: NDArray[np.float64], threads: int) -> None:
        if not l2 > 0:
            raise InputError(f"l2 must be a positive number, found {l2:g}")
        if not any(example.target.decided.any() for example in examples):
            raise InputError("nothing is decided in the target: there is nothing to learn from. Give more annotation")
        self.examples, self.l2 = examples, l2
        self.settings = SolverSettings(threads=threads)
        weights = examples[0].model.weights
        self.frozen = _without_evidence(examples, weights)
        held = np.array([weight.name in self.frozen for weight in weights], bool)
        sign = np.array([weight.sign for weight in weights])
        low, high = np.where(sign > 0, 0.0, -np.inf), np.where(sign < 0, 0.0, np.inf)
        self.start = np.where(held, start, np.clip(start, low, high))
        self.low, self.high = np.where(held, start, low), np.where(held, start, high)
        self.scale = 1.0 / max(1, sum(example.n_links for example in examples))
        self.is_complete = all(example.complete for example in examples)
        self.wanted: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []

    def complete(self, weights: NDArray[np.float64]) -> None:
        """Fill in what the targets leave open, as is cheapest at `weights`."""
        if self.is_complete and self.wanted:
            return
        self.wanted = [one.describe(one.completion(weights, self.settings)) for one in self.examples]

    def new_bundle(self) -> Bundle:
        """Without planes."""
        n_parts = sum(example.n_parts for example in self.examples)
        return Bundle(self.l2, self.start, self.low, self.high, n_parts)

    def objective(
        self, weights: NDArray[np.float64]
    ) -> tuple[float, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]]:
        """The objective at `weights`, and a plane per part that touches the loss there."""
        constants, slopes = [], []
        for example, (wanted, features) in zip(self.examples, self.wanted, strict=True):
            constant, found = example.describe(example.oracle(weights, self.settings))
            constants.append(wanted - constant)
            slopes.append(features - found)
        constant, slope = np.concatenate(constants) * self.scale, np.concatenate(slopes) * self.scale
        away = weights - self.start
        loss = np.maximum(constant + slope @ weights, 0.0).sum()
        value = float(0.5 * self.l2 * (away @ away) + loss)
        return value, (constant, slope, np.arange(len(constant)))


def _without_evidence(examples: list[Example], weights: tuple[Weight, ...]) -> tuple[str, ...]:
    """Names of the weights on divisions, when no target has one."""
    for example in examples:
        layout, values = example.program.layout, example.target.values
        if values[layout.division].any() or values[layout.splits].any():
            return ()
    return tuple(weight.name for weight in weights if weight.on == "division")
