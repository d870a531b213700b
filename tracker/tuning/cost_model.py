"""The cost model as a linear function of its weights: what every column of the program says about each weight."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tracker.config import CostSettings, Term
from tracker.errors import ConfigError, InputError, first_five
from tracker.ilp.problem import TrackingProblem

FAMILIES = ("detection", "link", "division", "appear", "disappear", "splits")
_CONSTANTS = ("appear", "disappear", "division", "detection")


@dataclass(frozen=True)
class Weight:
    """One number to learn.

    name: as a config says it: "link.distance", "appear", ...   on: what it prices.   feature: None for constants.
    sign: +1: may not be negative (a distance never helps); -1: may not be positive; 0: free.
    value: the present weight, in the config's own units.
    mean, std: the column enters learning as (x - mean) / std; 0 and 1 for constants. Without the config's own z-score
        nothing is subtracted (that would be a further constant), so that mean is 0.
    standardised: the config asks for the z-score, so that weight and internal weight are the same number.
    """

    name: str
    on: str
    feature: str | None
    sign: int
    value: float
    mean: float = 0.0
    std: float = 1.0
    standardised: bool = False

    @property
    def scale(self) -> float:
        """Internal weight over config weight."""
        return 1.0 if self.standardised or self.feature is None else self.std


@dataclass(frozen=True)
class LinearModel:
    """cost(column) = sum over weights of internal weight * design(column, weight) + fixed(column).

    weights: the K to learn.   settings_before: the costs they come from.
    kept_terms: terms that are not learnt (columns without spread); their costs are in `fixed`.
    program: the ILP without costs.   fixed: (columns,).
    design: family -> (columns of the family, weights of the family), internal scale.
    owners: family -> which weights those are.   links_of_divisions: a division also costs its two links.
    step: (N,) of each detection.   columns: (columns,) where each lies in the model that this one was cut from.
    unexplained: largest cost that no term or constant of a config could express.   warnings: in plain words.
    """

    weights: tuple[Weight, ...]
    settings_before: CostSettings
    kept_terms: tuple[Term, ...]
    program: TrackingProblem
    fixed: NDArray[np.float64]
    design: Mapping[str, NDArray[np.float64]]
    owners: Mapping[str, NDArray[np.int64]]
    links_of_divisions: bool
    step: NDArray[np.int64]
    columns: NDArray[np.int64]
    unexplained: float = 0.0
    warnings: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the weights."""
        return tuple(weight.name for weight in self.weights)

    @property
    def start(self) -> NDArray[np.float64]:
        """(K,) present weights, internal scale."""
        return self.internal(np.array([weight.value for weight in self.weights]))

    @property
    def n_columns(self) -> int:
        """Columns of the program."""
        return self.program.layout.n_columns

    @property
    def spans(self) -> NDArray[np.int64]:
        """(columns, 2) first and last step of the detections that each column touches."""
        return column_spans(self.program, self.step)

    def internal(self, config_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,) weights on the internal scale, from the config's."""
        return np.asarray(config_weights, float) * np.array([weight.scale for weight in self.weights])

    def external(self, internal: NDArray[np.float64]) -> NDArray[np.float64]:
        """(K,) weights as a config gives them, from the internal scale."""
        return np.asarray(internal, float) / np.array([weight.scale for weight in self.weights])

    def cost(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(columns,) costs at internal weights (K,)."""
        layout = self.program.layout
        cost = np.zeros(self.n_columns)
        for family, table in self.design.items():
            cost[_family(layout, family)] = table @ weights[self.owners[family]]
        if self.links_of_divisions:
            cost[layout.division] += cost[layout.link][self.program.division_links].sum(axis=1)
        return cost + self.fixed

    def problem(self, weights: NDArray[np.float64], loss: NDArray[np.float64] | None = None) -> TrackingProblem:
        """The program at internal weights (K,); loss: (columns,) is added to the costs."""
        cost = self.cost(weights)
        return replace(self.program, cost=cost if loss is None else cost + loss)

    def psi_by_group(self, values: NDArray[np.bool_], group: NDArray[np.int64], n_groups: int) -> NDArray[np.float64]:
        """(n_groups, K) joint features of the columns of each group.   group: (columns,) number of its group.

        sum over a group of (cost * values) = weights @ its features + sum over it of (fixed * values).
        """
        layout, found = self.program.layout, np.zeros((n_groups, len(self.weights)))
        for family, table in self.design.items():
            place = _family(layout, family)
            chosen = np.flatnonzero(values[place])
            _add(found, group[place][chosen], self.owners[family], table[chosen])
        if self.links_of_divisions and "link" in self.design:
            chosen = np.flatnonzero(values[layout.division])
            both = self.design["link"][self.program.division_links[chosen]].sum(axis=1)
            _add(found, group[layout.division][chosen], self.owners["link"], both)
        return found

    def settings(self, weights: NDArray[np.float64]) -> CostSettings:
        """The [costs] section that gives exactly the costs at these internal weights (K,).

        No preset: every term is written out. Raises ConfigError when there are costs that no term expresses.
        """
        if self.unexplained > 0:
            raise ConfigError(
                f'costs.preset = "{self.settings_before.preset}" holds costs of up to {self.unexplained:.3g} that no '
                "term expresses; write them as terms before tuning"
            )
        given = {name: getattr(self.settings_before, name) for name in _CONSTANTS}
        terms = list(self.kept_terms)
        for weight, value in zip(self.weights, self.external(weights).tolist(), strict=True):
            if weight.feature is None:
                given[weight.name] = value
            else:
                terms.append(
                    Term.model_validate({
                        "on": weight.on,
                        "feature": weight.feature,
                        "weight": value,
                        "standardise": "zscore" if weight.standardised else "none",
                    })
                )  # fmt: skip
        order = {family: place for place, family in enumerate(("link", "division", "detection"))}
        terms.sort(key=lambda term: order[term.on])
        return self.settings_before.model_copy(update={**given, "preset": "none", "terms": tuple(terms)})

    def in_units_of(self, other: "LinearModel") -> "LinearModel":
        """The same costs with the internal scale of another model, so that both can share internal weights.

        Raises InputError when the two do not have the same weights.
        """
        if self.names != other.names:
            differing = sorted(set(self.names) ^ set(other.names))
            raise InputError(
                f"movies to learn from together must have the same weights; not so: {first_five(differing)}. A feature "
                "without spread in one of the movies has no weight there: remove its term"
            )
        factor = np.array([own.scale / its.scale for own, its in zip(self.weights, other.weights, strict=True)])
        weights = tuple(replace(own, std=own.std / by) for own, by in zip(self.weights, factor.tolist(), strict=True))
        design = {family: table * factor[self.owners[family]] for family, table in self.design.items()}
        return replace(self, weights=weights, design=design)

    def cut(self, step_from: int, step_to: int) -> "LinearModel":
        """The model of the steps in [step_from, step_to) alone, as if the movie were these frames.

        Standardisation stays as it is. Appearing is free in its first frame, disappearing in its last.
        """
        layout, whole = self.program.layout, self.program
        inside = (self.step >= step_from) & (self.step < step_to)
        chosen = {
            "detection": inside,
            "link": inside[whole.links].all(axis=1),
            "division": inside[whole.divisions].all(axis=1),
            "appear": inside,
            "disappear": inside,
            "splits": inside[: layout.splits.stop - layout.splits.start],
        }
        keep = np.flatnonzero(np.concatenate([chosen[family] for family in FAMILIES]))
        design = {family: table[chosen[family]] for family, table in self.design.items()}
        fixed, step = self.fixed[keep], self.step[inside]
        number, link_number = np.cumsum(inside) - 1, np.cumsum(chosen["link"]) - 1
        links = number[whole.links[chosen["link"]]]
        division_links = whole.division_links[chosen["division"]]
        program = replace(
            whole,
            links=links.reshape(-1, 2),
            divisions=number[whole.divisions[chosen["division"]]].reshape(-1, 3),
            cost=np.zeros(len(keep)),
            lower=whole.lower[keep],
            upper=whole.upper[keep],
            n_detections=int(inside.sum()),
            exclusive_sets=[number[own] for rows in whole.exclusive_sets if len(own := rows[inside[rows]]) > 1],
            division_links=np.where(division_links >= 0, link_number[division_links], -1).reshape(-1, 2),
        )
        for family, free in (("appear", step == step_from), ("disappear", step == step_to - 1)):
            fixed[_family(program.layout, family)][free] = 0.0
            if family in design:
                design[family][free] = 0.0
        return replace(
            self, program=program, fixed=fixed, design=design, step=step - step_from, columns=self.columns[keep]
        )


def column_spans(program: TrackingProblem, step: NDArray[np.int64]) -> NDArray[np.int64]:
    """(columns, 2) first and last step of the detections that each column touches.   step: (N,) of each detection."""
    single = np.column_stack([step, step])
    several = [
        np.column_stack([rows.min(axis=1), rows.max(axis=1)]) for rows in (step[program.links], step[program.divisions])
    ]
    return np.concatenate([single, *several, *[single] * (3 if program.split else 2)]).astype(np.int64)


def _family(layout: object, family: str) -> slice:
    place: slice = getattr(layout, family)
    return place


def _add(
    total: NDArray[np.float64], group: NDArray[np.int64], owners: NDArray[np.int64], rows: NDArray[np.float64]
) -> None:
    """Add rows (C, K_family) to the rows `group` (C,) and the columns `owners` (K_family,) of `total`, in place."""
    for place, owner in enumerate(owners.tolist()):
        total[:, owner] += np.bincount(group, rows[:, place], minlength=len(total))
