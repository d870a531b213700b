"""From a priced program to its linear model: which weights there are, and what their columns hold."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config, Term
from tracker.costs import resolve_terms, to_problem
from tracker.ilp.problem import Layout
from tracker.prepare import Prepared
from tracker.tuning.cost_model import FAMILIES, LinearModel, Weight

__all__ = ["LinearModel", "Weight", "linear_model"]

_SAMPLE = 20_000  # rows that collinearity is looked for in
_SAME = 1e-5  # a direction this much shorter than the longest carries no information of its own
_WORSE = {
    "distance",
    "embedding_distance",
    "frame_gap",
    "velocity",
    "density_distance",
    "division_opposition",
    "division_surprise",
    "surprise",
}
_BETTER = {"overlap", "association", "division_score"}
# Whose sign is known for links only: a mother condenses before she divides, so sizes and brightness may differ.
_WORSE_LINKS, _BETTER_LINKS = {"intensity_difference", "size_sum"}, {"area_ratio"}


def linear_model(prepared: Prepared, config: Config) -> LinearModel:
    """The linear model of a prepared config: its terms and constants as weights, at their present values.

    Terms of the same kind, feature and standardisation are one weight. Left as they are, and named in `warnings`:
    features without spread over the candidates. Features that others determine are named, too; they are learnt.
    Pins play no part: neither the bounds of certain ones nor the costs of likely ones.
    """
    settings, costs, graph = config.costs, prepared.costs, prepared.graph
    pair = config.candidates.divisions == "pair"
    terms = _merged(resolve_terms(settings, has_association=_has_association(config), has_pairs=pair))
    count, notes = len(graph.detections), []
    weights: list[Weight] = []
    columns: dict[str, list[NDArray[np.float64]]] = {family: [] for family in FAMILIES}
    owners: dict[str, list[int]] = {family: [] for family in FAMILIES}
    kept: list[Term] = []

    def learn(family: str, weight: Weight, column: NDArray[np.float64]) -> None:
        columns[family].append(column)
        owners[family].append(len(weights))
        weights.append(weight)

    for term in terms:
        raw = costs.columns[term.on, term.feature]
        zscore = costs.statistics[term.on, term.feature] if term.standardise == "zscore" else None
        std = zscore.std if zscore is not None else float(raw.std()) if len(raw) else 0.0
        mean = zscore.mean if zscore is not None else 0.0
        name = f"{term.on}.{term.feature}"
        if std <= 1e-12 * max(abs(mean), float(np.abs(raw).max(initial=0.0))):
            kept.append(term)
            notes.append(f"{name} is the same for every candidate: its weight is left at {term.weight:g}")
            continue
        if any(weight.name == name for weight in weights):
            name += " (z-score)" if zscore is not None else " (raw)"
        sign = _sign(term)
        learn(
            term.on,
            Weight(name, term.on, term.feature, sign, term.weight, mean, std, zscore is not None),
            (raw - mean) / std,
        )
    learn("appear", Weight("appear", "appear", None, 0, settings.appear), costs.appear_unit)
    learn("disappear", Weight("disappear", "disappear", None, 0, settings.disappear), costs.disappear_unit)
    if pair:
        learn("division", Weight("division", "division", None, 0, settings.division), np.ones(len(graph.divisions)))
    elif costs.split is not None:
        learn("splits", Weight("division", "division", None, 0, settings.division), np.ones(count))
    if settings.detection != "keep":
        learn("detection", Weight("detection", "detection", None, 0, settings.detection), np.ones(count))

    program = to_problem(graph, costs, settings)
    design = {family: np.column_stack(found) for family, found in columns.items() if found}
    for family, table in design.items():
        names = [weights[owner].name for owner in owners[family]]
        notes += _collinear(table, names)
    model = LinearModel(
        weights=tuple(weights),
        settings_before=settings,
        kept_terms=tuple(kept),
        program=replace(program, cost=np.zeros(len(program.cost))),
        fixed=np.zeros(len(program.cost)),
        design=design,
        owners={family: np.array(owners[family], np.int64) for family in design},
        links_of_divisions=pair and not any(term.on == "division" for term in terms),
        step=graph.detections.step.astype(np.int64),
        columns=np.arange(len(program.cost)),
        warnings=tuple(notes),
    )
    fixed = program.cost - model.cost(model.start)
    rounding = 1e-9 * max(1.0, float(np.abs(program.cost).max(initial=0.0)))
    fixed[np.abs(fixed) <= rounding] = 0.0
    rest = fixed - _cost_of_kept(model, kept, prepared, program.layout)
    if costs.split is not None:
        rest[program.layout.splits] -= costs.split - settings.division  # what a term on surprise brings along
    unexplained = float(np.abs(rest).max(initial=0.0))
    return replace(model, fixed=fixed, unexplained=unexplained if unexplained > rounding else 0.0)


def _has_association(config: Config) -> bool:
    given = config.associations
    return given is not None and (given.path is not None or given.geff is not None)


def _merged(terms: tuple[Term, ...]) -> list[Term]:
    """The terms with those of the same kind, feature and standardisation added up."""
    total: dict[tuple[str, str, str], Term] = {}
    for term in terms:
        key = (term.on, term.feature, term.standardise)
        weight = term.weight + (total[key].weight if key in total else 0.0)
        total[key] = term.model_copy(update={"weight": weight})
    return list(total.values())


def _sign(term: Term) -> int:
    if term.feature in _WORSE or (term.on == "link" and term.feature in _WORSE_LINKS):
        return 1
    return -1 if term.feature in _BETTER or (term.on == "link" and term.feature in _BETTER_LINKS) else 0


def _cost_of_kept(model: LinearModel, kept: list[Term], prepared: Prepared, layout: Layout) -> NDArray[np.float64]:
    """(columns,) what the terms that are not learnt cost."""
    cost = np.zeros(layout.n_columns)
    for term in kept:
        if term.standardise == "none":  # the z-score of a column without spread is 0
            cost[getattr(layout, term.on)] += term.weight * prepared.costs.columns[term.on, term.feature]
    if model.links_of_divisions:
        cost[layout.division] += cost[layout.link][model.program.division_links].sum(axis=1)
    return cost


def _collinear(table: NDArray[np.float64], names: list[str]) -> list[str]:
    """Sentences on columns that are a weighted sum of others (and a constant), as far as a sample of rows shows."""
    if len(table) < 2 or len(names) < 2:
        return []
    sample = table[np.linspace(0, len(table) - 1, min(len(table), _SAMPLE)).astype(np.int64)]
    varies = np.ptp(sample, axis=0) > 0
    sample = sample[:, varies] - sample[:, varies].mean(axis=0)
    sample /= np.maximum(np.linalg.norm(sample, axis=0), 1e-300)
    own = np.array(names)[varies]
    squared, directions = np.linalg.eigh(sample.T @ sample)
    notes = []
    for length, direction in zip(squared, directions.T, strict=True):
        if length <= _SAME**2 * squared.max(initial=0.0):
            group = own[np.abs(direction) > 1e-3]
            notes.append(f"{', '.join(group)} determine each other: how their weights share the work is arbitrary")
    return notes
