"""A config kept open: pins and weights change, and only what they touch is solved again."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tracker.annotations import check_divisions, solve_pinned, with_soft_pins
from tracker.candidates import CandidateGraph
from tracker.config import Config, CostSettings
from tracker.costs import Costs, price, resolve_terms, to_problem
from tracker.errors import ConfigError, InputError, SolverError
from tracker.features.context import FeatureContext
from tracker.ilp.bounds import forbidden_pairs
from tracker.ilp.problem import TrackingProblem
from tracker.ilp.resolve import ConflictError, PinnedResolver
from tracker.inputs import Inputs, read_inputs
from tracker.lineage import Lineage, make_lineage
from tracker.open_candidates import OpenCandidates, demanded_by
from tracker.pin_checks import ResolvedPins, resolve_pins
from tracker.pin_table import PinRow, PinTable, join_pins, meaning, pin_table
from tracker.pins import read_pins
from tracker.prepare import context_of, measure, propose, solver_settings

_NAME = "session"  # what messages call the rows that came through `pin`


@dataclass(frozen=True)
class Change:
    """What a solve changed.

    added, removed: (K, 2, 2) int64 keys of links, ((t, label) of the parent, (t, label) of the child).
    objective: cost of the lineage now.   bound: proven lower bound on it.   seconds: that the solve took.
    """

    added: NDArray[np.int64]
    removed: NDArray[np.int64]
    objective: float
    bound: float
    seconds: float


@dataclass(frozen=True)
class _Wish:
    """What a person asks for: pins and costs."""

    table: PinTable
    costs: CostSettings


@dataclass(frozen=True)
class _Solved:
    """A wish come true.

    candidates: all that were ever demanded, with which of them are open now.   priced: their costs.
    free: the program without certain pins, every candidate open.   soft: the likely pins in its costs.
    """

    wish: _Wish
    candidates: OpenCandidates
    priced: Costs
    free: TrackingProblem
    soft: tuple[PinRow, ...]
    resolver: PinnedResolver
    links: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 2), np.int64))


class Session:
    """One config, opened once; its lineage follows changes of pins and weights.

    Changes are collected; `solve` brings the lineage up to date. Where only certain pins changed, and all that they
    demand is a candidate, the living programs of the blocks they touch take a few steps. Else the program is built anew
    from the features that are known; candidates that a pin demanded are kept, closed while no pin demands them, so that
    every lineage is the one that a run with the same pins and weights would find. It is always the proven optimum:
    solver.gap and solver.time_limit_s are not heeded.
    """

    def __init__(self, config: Config) -> None:
        """Read, propose, price and solve, with the pins of the config.

        Raises ConfigError when solver.backend is not "highs", and whatever `prepare` and `solve` raise.
        """
        if config.solver.backend != "highs":
            raise ConfigError(
                f'a session keeps programs of HiGHS alive, found solver.backend = "{config.solver.backend}". '
                'Set it to "highs"'
            )
        self._config, self._settings = config, solver_settings(config)
        self._inputs = read_inputs(config)
        table = read_pins([config.path(path) for path in config.annotations.pins])
        self._n_pinned = 0
        self._divisions: Literal["pair", "split", "none"] = config.candidates.divisions
        self._movie = measure(config, self._inputs.detections)
        graph = propose(config, self._inputs.detections, self._movie)
        terms = resolve_terms(
            config.costs, has_association=config.associations is not None, has_pairs=self._divisions == "pair"
        )
        costs = config.costs.model_copy(update={"preset": "none", "terms": terms})
        self._wish = _Wish(table.take(np.empty(0, np.int64)), costs)
        priced = price(context_of(config, self._inputs, graph, self._movie), costs, divisions=self._divisions)
        candidates = OpenCandidates(graph, pairs=self._divisions == "pair")
        self._solved = self._build(self._wish, candidates, priced, self._resolve(self._wish))
        self._wish = replace(self._wish, table=table)
        self._check(table)
        self.solve()

    @property
    def lineage(self) -> Lineage:
        """The lineage as of the last solve."""
        solved = self._solved
        selected = solved.resolver.values[solved.free.layout.detection].copy()
        return make_lineage(self._inputs.detections, selected, solved.links)

    @property
    def objective(self) -> float:
        """Its cost."""
        return self._solved.resolver.objective

    @property
    def pins(self) -> tuple[PinRow, ...]:
        """The pins of the config and those since, in the order they came; those that wait for `solve` included."""
        return tuple(self._wish.table.row(row) for row in range(len(self._wish.table)))

    @property
    def inputs(self) -> Inputs:
        """What was read: detections and movies."""
        return self._inputs

    @property
    def costs(self) -> CostSettings:
        """Terms (those of the preset spelt out) and constants, as they are wished for now."""
        return self._wish.costs

    @property
    def program(self) -> tuple[CandidateGraph, TrackingProblem, NDArray[np.bool_]]:
        """What was solved last, not to be changed: the candidates, the program with all pins in it, its optimum."""
        resolver = self._solved.resolver
        return self._solved.candidates.graph, resolver.problem, resolver.values

    def dearer(self, choices: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
        """(K,) how much dearer the optimum of the last solve were under each choice (column, 0 or 1) alone; inf: none.

        A few steps of the living programs each. Columns that are fixed have no price: infinite.
        """
        return self._solved.resolver.cost_of([(np.array([column]), value) for column, value in choices])

    def pin(self, row: PinRow) -> None:
        """Add a pin; `solve` honours it. Messages call the N-th pin added here `session line N`.

        Raises, and then adds nothing: PinsFileError for a malformed row and for detections that are not there;
        InputError without a value; ConfigError for a division where candidates.divisions = "none".
        """
        if row.value is None:
            raise InputError(f"a pin of a session must be true or false, found none: it {meaning(row)}")
        single = pin_table([row], name=_NAME, lines=[self._n_pinned + 1])
        self._check(single)
        self._n_pinned += 1
        self._wish = replace(self._wish, table=join_pins([self._wish.table, single]))

    def unpin(self, row: PinRow) -> None:
        """Take a pin away, all its copies included; notes and the order of two children do not matter.

        Raises InputError when there is no such pin.
        """
        table, wanted = self._wish.table, pin_table([row])
        if not len(wanted):
            raise InputError("a pin to take away must be true or false, found none")
        key = table.key
        alike = (key == wanted.key).all(axis=(1, 2)) | (key == wanted.key[:, [0, 2, 1]]).all(axis=(1, 2))
        alike &= (table.kind == wanted.kind) & (table.value == wanted.value)
        alike &= np.isclose(table.confidence, wanted.confidence, rtol=0, atol=0, equal_nan=True)
        if not alike.any():
            raise InputError(f"no pin of this session {meaning(row)} with that confidence; `pins` lists all")
        self._wish = replace(self._wish, table=table.take(np.flatnonzero(~alike)))

    def set_weight(self, on: str, feature: str, weight: float) -> None:
        """Change the weight of a term of the config, or of its preset; its z-scores stay.

        Raises ConfigError when no term, or more than one, has that feature, and when the weight is not finite.
        """
        terms = self._wish.costs.terms
        named = f"the weight of {feature} on {on}"
        found = [number for number, term in enumerate(terms) if (term.on, term.feature) == (on, feature)]
        if len(found) != 1:
            known = ", ".join(f"{term.feature} on {term.on}" for term in terms) or "none"
            raise ConfigError(f"{named}: wanted one term, found {len(found)}. The terms are: {known}")
        _refuse_infinite(named, weight)
        changed = list(terms)
        changed[found[0]] = terms[found[0]].model_copy(update={"weight": float(weight)})
        self._set_costs(terms=tuple(changed))

    def set_cost(self, name: str, value: float) -> None:
        """Change costs.appear, costs.disappear or costs.division. Raises ConfigError for other names, and infinity."""
        if name not in ("appear", "disappear", "division"):
            raise ConfigError(f"wanted the cost appear, disappear or division, found {name!r}")
        _refuse_infinite(f"costs.{name}", value)
        self._set_costs(**{name: float(value)})

    def solve(self) -> Change:
        """Bring the lineage up to date; says which links that changed.

        Raises PinConflictError, naming the rows, when pins cannot hold together. Whatever is raised here, the session
        is as after the last solve that succeeded: all changes since then are given up, the guiltless ones as well.
        """
        start = time.perf_counter()
        before, wish = self._solved, self._wish
        self._wish = before.wish  # what remains when an error leaves this method
        after = self._follow(before, wish)
        self._wish, self._solved = wish, after
        size = len(self._inputs.detections)
        old, new = (links[:, 0] * size + links[:, 1] for links in (before.links, after.links))
        gone, came = (
            ~np.isin(these, those, assume_unique=True, kind="sort") for these, those in ((old, new), (new, old))
        )
        return Change(
            added=self._keys(after.links[came]),
            removed=self._keys(before.links[gone]),
            objective=after.resolver.objective,
            bound=after.resolver.bound,
            seconds=time.perf_counter() - start,
        )

    def give_up(self) -> None:
        """Forget all changes since the last solve that succeeded."""
        self._wish = self._solved.wish

    def _check(self, table: PinTable) -> None:
        check_divisions(resolve_pins(table, self._inputs.detections), self._divisions)

    def _resolve(self, wish: _Wish) -> ResolvedPins:
        return resolve_pins(wish.table, self._inputs.detections)

    def _set_costs(self, **changes: object) -> None:
        self._wish = replace(self._wish, costs=self._wish.costs.model_copy(update=changes))

    def _keys(self, links: NDArray[np.int64]) -> NDArray[np.int64]:
        found = self._inputs.detections
        return np.stack([found.frame[links], found.label[links]], axis=-1).astype(np.int64)

    def _follow(self, before: _Solved, wish: _Wish) -> _Solved:
        """From one wish to the next."""
        pins = self._resolve(wish)
        demand = demanded_by(pins)
        after = before
        if before.candidates.missing(demand):
            candidates = before.candidates.with_added(demand)
            context = context_of(self._config, self._inputs, candidates.graph, self._movie)
            statistics = before.priced.statistics
            priced = price(context, wish.costs, divisions=self._divisions, statistics=statistics)
            after = self._build(wish, candidates, priced, pins)
        elif wish.costs != before.wish.costs:
            known = before.priced
            priced = price(
                FeatureContext(before.candidates.graph, movie=self._movie),
                wish.costs,
                divisions=self._divisions,
                statistics=known.statistics,
                known=known.columns,
            )
            after = self._build(wish, before.candidates, priced, pins)
        elif _soft_rows(pins) != before.soft:
            after = self._build(wish, before.candidates, before.priced, pins)

        resolver, free = after.resolver, after.free
        forbidden = forbidden_pairs(free, pins.hard)
        if not np.array_equal(forbidden, resolver.problem.forbidden_pairs):
            resolver = PinnedResolver(replace(free, forbidden_pairs=forbidden), self._settings)
        closed = after.candidates.closed(free.layout, demand)
        try:
            resolver.follow(pins.hard, closed)
        except ConflictError as error:
            upper = free.upper.copy()
            upper[closed] = 0
            solve_pinned(free.with_bounds(free.lower, upper), pins, self._settings)  # fails as well, and names the rows
            raise SolverError("the solver found no lineage in small steps, but one from the start") from error
        return replace(after, wish=wish, resolver=resolver, links=_chosen_links(after.candidates.graph, resolver))

    def _build(self, wish: _Wish, candidates: OpenCandidates, priced: Costs, pins: ResolvedPins) -> _Solved:
        """New programs, without certain pins."""
        problem = to_problem(candidates.graph, priced, wish.costs)
        problem = with_soft_pins(problem, pins, self._config.annotations.soft_weight)
        resolver = PinnedResolver(problem, self._settings)
        return _Solved(wish, candidates, priced, problem, _soft_rows(pins), resolver)


def _refuse_infinite(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise ConfigError(f"{name} must be finite, found {value}")


def _soft_rows(pins: ResolvedPins) -> tuple[PinRow, ...]:
    return tuple(pins.table.row(row)._replace(note="") for row in pins.soft.tolist())


def _chosen_links(graph: CandidateGraph, resolver: PinnedResolver) -> NDArray[np.int64]:
    """(L, 2) rows of all links of the optimum, those of divisions included."""
    layout, values = resolver.problem.layout, resolver.values
    divided = graph.divisions[np.flatnonzero(values[layout.division])]
    return np.concatenate(
        [graph.links[np.flatnonzero(values[layout.link])], divided[:, :2], divided[:, [0, 2]]]
    ).astype(np.int64)
