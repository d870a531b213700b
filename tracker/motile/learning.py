"""Weights of a motile model from marked nodes and edges, by our structured support vector machine (tracker/tuning)."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import motile
import numpy as np
from motile.variables import EdgeSelected, NodeSelected
from numpy.typing import NDArray

from tracker.config import CostSettings
from tracker.errors import InputError, first_five
from tracker.ilp.bounds import apply_pins
from tracker.ilp.pins import PinArrays
from tracker.ilp.problem import find_links
from tracker.ilp.solve import InfeasibleProblemError, solve
from tracker.motile.flow import FlowProgram, fits, to_flow
from tracker.motile.model import Model, read_model
from tracker.tuning.cost_model import FAMILIES, LinearModel, Weight
from tracker.tuning.ssvm import learn
from tracker.tuning.target import decide

if TYPE_CHECKING:
    from tracker.motile.solver import Solver

logger = logging.getLogger(__name__)


def learn_weights(
    solver: "Solver", gt_attribute: str, regularizer_weight: float, max_iterations: int, eps: float
) -> NDArray[np.float64]:
    """(weights,) in the order of `solver.weights`.

        minimise  regularizer_weight / 2 |w|^2 + max over selections y of [loss(y) - cost_w(y)] + cost_w(truth)

    The truth has a value for every variable that the marks decide: a node whose edges in are all marked false appears,
    a node with two true children splits, and so on. motile takes all of these to be 0, and thereby learns that
    appearing and splitting are dear. What the marks leave open is filled in as is cheapest, for a few rounds.
    loss: number of marked nodes and edges that are wrong, as in motile.
    A model that is no flow is learnt by motile itself, which a line in the log says.
    Raises InputError where no node and no edge is marked, or the marks contradict each other.
    """
    for kind in (NodeSelected, EdgeSelected):
        solver.get_variables(kind)
    model = read_model(solver)
    if not fits(model) or model.rows.sources or model.custom_kinds:
        logger.warning("this model is no flow: motile learns its weights itself, with all indicators 0 in the truth")
        motile.Solver.fit_weights(solver, gt_attribute, regularizer_weight, max_iterations, eps)
        return solver.weights.to_ndarray().astype(np.float64)
    flow = to_flow(model, solver.costs, np.ones(model.n_variables, bool))
    marks = _marks(solver, model, gt_attribute)
    step = _steps(solver, model)
    linear = _linear_model(solver, flow, step)
    truth = replace(decide(flow.problem, marks, step), loss=_loss(flow, marks))
    try:
        solve(replace(apply_pins(flow.problem, marks), cost=np.zeros(linear.n_columns)))
    except InfeasibleProblemError as error:
        raise InputError(
            f"the marks {gt_attribute!r} of nodes and edges contradict each other or the constraints: no selection "
            f"agrees with them all, around {[model.names[row] for row in error.rows[:5].tolist()]}"
        ) from error
    layout, values = linear.program.layout, truth.values
    n_links = max(1, int(values[layout.link].sum() + 2 * values[layout.division].sum()))
    learnt = learn(
        [(linear, truth)],
        l2=regularizer_weight / n_links,
        start=np.zeros(len(linear.weights)),
        gap=eps,
        max_iterations=max_iterations,
    )
    for warning in learnt.warnings:
        logger.warning(warning)
    return learnt.weights


def _marks(solver: "Solver", model: Model, attribute: str) -> PinArrays:
    """The marks as pins."""
    found: dict[type, list[tuple[int, ...]]] = {NodeSelected: [], EdgeSelected: []}
    odd = []
    nodes = [((row,), name, solver.graph.nodes[name]) for row, name in enumerate(model.names)]
    ends = model.edges.tolist()
    edges = [(tuple(ends[row]), name, solver.graph.edges[name]) for row, name in enumerate(model.edge_names)]
    for kind, items in ((NodeSelected, nodes), (EdgeSelected, edges)):
        for rows, name, data in items:
            mark = data.get(attribute)
            if mark is None or mark != mark:
                continue
            if mark in (0, 1):
                found[kind].append((*rows, int(mark)))
            else:
                odd.append(f"{name!r}: {mark!r}")
    if odd:
        raise InputError(f"{attribute!r} must be 1, 0 or None; found {first_five(odd)}")
    return PinArrays(
        detection=np.array(found[NodeSelected], np.int64).reshape(-1, 2),
        link=np.array(found[EdgeSelected], np.int64).reshape(-1, 3),
    )


def _loss(flow: FlowProgram, marks: PinArrays) -> NDArray[np.float64]:
    """(2, columns) Hamming distance over marked nodes and edges; an edge is the sum of a link and of divisions."""
    model, layout = flow.model, flow.problem.layout
    place = find_links(model.edges, marks.link[:, [0, 1, 1]])[:, 0]
    worth, truth = np.zeros(model.n_variables), np.zeros((2, layout.n_columns))
    worth[model.starts[NodeSelected] + marks.detection[:, 0]] = 1.0 - 2.0 * marks.detection[:, 1]
    worth[model.starts[EdgeSelected] + place] = 1.0 - 2.0 * marks.link[:, 2]
    truth[0] = flow.column_sums(worth)
    truth[1, layout.detection][marks.detection[:, 0]] = marks.detection[:, 1]
    truth[1, layout.link][place] = marks.link[:, 2]
    return truth


def _steps(solver: "Solver", model: Model) -> NDArray[np.int64]:
    frames = [solver.graph.nodes[name][solver.graph.frame_attribute] for name in model.names]
    return np.asarray(np.unique(frames, return_inverse=True)[1], np.int64)


def _linear_model(solver: "Solver", flow: FlowProgram, step: NDArray[np.int64]) -> LinearModel:
    """The weights of the solver over the columns of the program, each as it is: nothing is standardised."""
    layout, features = flow.problem.layout, solver.features.to_ndarray()
    table = np.column_stack([flow.column_sums(column) for column in features.T])
    design, owners = {}, {}
    for family in FAMILIES:
        own = table[getattr(layout, family)]
        used = np.flatnonzero(np.abs(own).sum(axis=0) > 0) if len(own) else np.empty(0, np.int64)
        if len(used):
            design[family], owners[family] = own[:, used], used
    weights = []
    for number, (name, weight) in enumerate(zip(solver.weight_names, solver.weights._weights, strict=True)):
        on = [family for family, used in owners.items() if number in used]
        family = "division" if on and set(on) <= {"division", "splits"} else (on or ["detection"])[0]
        weights.append(Weight(name, family, None, 0, float(weight.value)))
    return LinearModel(
        weights=tuple(weights),
        settings_before=CostSettings(),
        kept_terms=(),
        program=replace(flow.problem, cost=np.zeros(layout.n_columns)),
        fixed=np.zeros(layout.n_columns),
        design=design,
        owners=owners,
        links_of_divisions=False,
        step=step,
        columns=np.arange(layout.n_columns),
    )
