"""What a price is made of: the terms, constants and likely pins behind the candidates around one detection."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.annotations import with_soft_pins
from tracker.config import Config, Term
from tracker.costs import resolve_terms
from tracker.detections import Detections
from tracker.features import Family
from tracker.ilp.problem import make_problem
from tracker.pin_table import Key, named
from tracker.prepare import Prepared

Kind = Literal["link", "division", "disappear", "appear", "detection", "split"]


@dataclass(frozen=True)
class Line:
    """One item of a price.

    name: a feature, a constant of the config (`costs.appear`), or a likely pin.   cost: what it adds; lower is better.
    value: of the feature, as measured.   standardised: its z-score, None where the term takes it as it is.
    weight: of the term. cost = weight * (standardised or value); all three are None for constants and pins.
    """

    name: str
    cost: float
    value: float | None = None
    standardised: float | None = None
    weight: float | None = None


class Entry(NamedTuple):
    """A candidate.

    kind: "split" is what dividing costs on top of two links; the others are what they are called.
    column: of the program.   keys: (t, label) of the others: the child or children; for a way into the detection its
    parent, then the other child.   lines: what makes up the cost.
    """

    kind: Kind
    column: int
    keys: tuple[Key, ...]
    lines: list[Line]


@dataclass(frozen=True)
class PriceLines:
    """What prices around one detection are made of; make it with `around`.

    terms: of the config and its preset.   links, divisions: indices of those that hold the detection.
    """

    prepared: Prepared
    config: Config
    row: int
    terms: tuple[Term, ...]
    links: NDArray[np.int64]
    divisions: NDArray[np.int64]

    @classmethod
    def around(cls, prepared: Prepared, config: Config, row: int) -> "PriceLines":
        """The prices around detection `row` of what was `prepared` from `config`."""
        has_pairs = config.candidates.divisions == "pair"
        terms = resolve_terms(config.costs, has_association=config.associations is not None, has_pairs=has_pairs)
        links, divisions = prepared.graph.links, prepared.graph.divisions
        own_links = np.flatnonzero((links == row).any(axis=1))
        return cls(prepared, config, row, terms, own_links, np.flatnonzero((divisions == row).any(axis=1)))

    @property
    def detections(self) -> Detections:
        """The detections of the movie."""
        return self.prepared.graph.detections

    def key(self, row: int) -> Key:
        """(t, label) of a detection."""
        return int(self.detections.frame[row]), int(self.detections.label[row])

    def ways(self, side: Literal["out", "into"]) -> Iterator[Entry]:
        """All candidates on one side of the detection, without what likely pins add."""
        graph, layout, row = self.prepared.graph, self.prepared.problem.layout, self.row
        for index in self.links[graph.links[self.links, 0 if side == "out" else 1] == row].tolist():
            parent, child = graph.links[index].tolist()
            other = self.key(child if side == "out" else parent)
            yield Entry("link", layout.link.start + index, (other,), self._of_terms("link", index))
        is_parent = graph.divisions[self.divisions, 0] == row
        for index in self.divisions[is_parent == (side == "out")].tolist():
            others = tuple(self.key(one) for one in graph.divisions[index].tolist() if one != row)
            yield Entry("division", layout.division.start + index, others, self._of_division(index))
        if side == "into":
            cost = float(self.prepared.costs.appear[row])
            yield Entry("appear", layout.appear.start + row, (), [self._of_end("appear", cost)])
            return
        cost = float(self.prepared.costs.disappear[row])
        yield Entry("disappear", layout.disappear.start + row, (), [self._of_end("disappear", cost)])
        if self.prepared.costs.split is not None:
            yield Entry("split", layout.splits.start + row, (), self._of_split(self.prepared.costs.split))

    def _of_terms(self, family: Family, index: int, prefix: str = "") -> list[Line]:
        """One line per term of the config on that candidate."""
        costs, lines = self.prepared.costs, []
        for term in self.terms:
            if term.on != family:
                continue
            column = costs.columns[family, term.feature][index : index + 1]
            value = used = float(column[0])
            z = None
            if term.standardise == "zscore":
                z = used = float(costs.statistics[family, term.feature](column)[0])
            lines.append(Line(f"{prefix}{term.feature}", term.weight * used, value, z, term.weight))
        return lines

    def _of_division(self, index: int) -> list[Line]:
        """Terms on divisions, or those of its two links where there are none, and the constant."""
        if any(term.on == "division" for term in self.terms):
            lines = self._of_terms("division", index)
        else:
            graph = self.prepared.graph
            links = graph.division_links[index].tolist()
            to = [named(self.key(int(graph.links[link, 1]))) for link in links]
            lines = [
                line
                for link, child in zip(links, to, strict=True)
                for line in self._of_terms("link", link, f"link to {child}, ")
            ]
        return [*lines, Line("costs.division", self.config.costs.division)]

    def _of_split(self, cost: float) -> list[Line]:
        constant = self.config.costs.division
        measured = [] if self.prepared.movie is None else [Line("surprise of dividing", cost - constant)]
        return [Line("costs.division", constant), *measured]

    def itself(self) -> Entry:
        """The detection, without what likely pins add."""
        constant = self.config.costs.detection
        lines = [] if constant == "keep" else [Line("costs.detection", float(constant))]
        return Entry("detection", self.row, (), [*lines, *self._of_terms("detection", self.row)])

    def _of_end(self, name: Literal["appear", "disappear"], cost: float) -> Line:
        wanted = getattr(self.config.costs, name)
        unit = float(getattr(self.prepared.costs, f"{name}_unit")[self.row])
        if unit:
            measured = None if self.prepared.movie is None else unit
            return Line(f"costs.{name}", cost, value=measured, weight=None if measured is None else wanted)
        border = self.detections.properties.get("border_distance_px")
        if border is not None and border[self.row] < self.config.costs.border_px:
            return Line(f"costs.{name}, free near the image edge", cost)
        step, last = self.detections.step[self.row], len(self.detections.frames) - 1
        if name == "appear":
            return Line(f"costs.appear, free {'in the first frame' if step == 0 else 'after an empty frame'}", cost)
        return Line(f"costs.disappear, free {'in the last frame' if step == last else 'before an empty frame'}", cost)

    def likely_pins(self) -> dict[int, list[Line]]:
        """Column -> a line for each likely pin that changes its cost: pins laid, one by one, over these ways alone."""
        pins, problem, graph = self.prepared.pins, self.prepared.problem, self.prepared.graph
        found: dict[int, list[Line]] = {}
        if pins is None or not len(pins.soft):
            return found
        layout, count = problem.layout, problem.n_detections
        ways = make_problem(
            count, graph.links[self.links], None if problem.split else graph.divisions[self.divisions],
            link_cost=np.zeros(len(self.links)), appear_cost=0.0, disappear_cost=0.0,
            split_cost=0.0 if problem.split else None,
        )  # fmt: skip
        column_of = np.arange(layout.n_columns)
        column_of = np.concatenate(
            [
                column_of[layout.detection],
                column_of[layout.link][self.links],
                column_of[layout.division][self.divisions],
                column_of[layout.appear.start :],
            ]
        )
        rows = pins.rows[pins.soft]
        about = np.isin(rows[:, 0], graph.links[self.links, 0]) | (rows == self.row).any(axis=1)
        for pin in pins.soft[about].tolist():
            alone = replace(pins, soft=np.array([pin]))
            cost = with_soft_pins(ways, alone, self.config.annotations.soft_weight).cost
            name = f"{pins.table.describe(pin)}, confidence {pins.table.confidence[pin]:g}"
            for place in np.flatnonzero(cost).tolist():
                found.setdefault(int(column_of[place]), []).append(Line(name, float(cost[place])))
        return found
