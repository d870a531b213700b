"""The cost model: a weighted sum of features plus constants, linear in its weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.candidates import CandidateGraph
from tracker.config import CostSettings, Term
from tracker.errors import ConfigError, FeatureError
from tracker.features import Family, compute_feature
from tracker.features.context import FeatureContext
from tracker.features.standardise import Standardiser
from tracker.ilp.problem import TrackingProblem, make_problem
from tracker.presets import PRESETS


@dataclass(frozen=True)
class Costs:
    """What every candidate costs; lower is better.

    link: (E,).   division: (H,) in place of the two links.   detection, appear, disappear: (N,).
    appear_unit, disappear_unit: (N,) what costs.appear and costs.disappear are multiplied with; 0 where it is free.
    split: cost of a division on top of its two links (model B), None in model A.
    columns: every feature computed, by (family, name).   statistics: z-score parameters by (family, name).
    """

    link: NDArray[np.float64]
    division: NDArray[np.float64]
    detection: NDArray[np.float64]
    appear: NDArray[np.float64]
    disappear: NDArray[np.float64]
    appear_unit: NDArray[np.float64]
    disappear_unit: NDArray[np.float64]
    split: float | None
    columns: dict[tuple[Family, str], NDArray[np.float64]]
    statistics: dict[tuple[Family, str], Standardiser]


def resolve_terms(settings: CostSettings, *, has_association: bool, has_pairs: bool) -> tuple[Term, ...]:
    """The preset's terms and the config's own.

    Terms on divisions are left out where divisions are no candidates of their own.
    """
    chosen = PRESETS[settings.preset]
    preset = [
        Term.model_validate({"on": on, "feature": feature, "weight": weight, "standardise": standardise})
        for on, feature, weight, standardise in (*chosen.terms, *(chosen.scores if has_association else ()))
        if has_pairs or on != "division"
    ]
    wrong = [term.feature for term in settings.terms if term.on == "division"]
    if wrong and not has_pairs:
        raise ConfigError(
            f'costs.terms on divisions ({", ".join(wrong)}) need candidates.divisions = "pair"; '
            'with "split" a division costs its two links plus costs.division'
        )
    return (*preset, *settings.terms)


def price(
    context: FeatureContext,
    settings: CostSettings,
    *,
    divisions: str,
    statistics: Mapping[tuple[Family, str], Standardiser] | None = None,
    known: Mapping[tuple[Family, str], NDArray[np.float64]] | None = None,
) -> Costs:
    """Price every candidate:  cost = sum over terms of weight * z(feature), plus constants.

    divisions: "pair", "split" or "none". A division costs the terms on divisions plus costs.division; where there is
    no term on divisions, it costs its two links plus costs.division (as in the split model).
    Where surprises are measured (`context.movie`), costs.appear and costs.disappear are multiplied with those of
    appearing and disappearing. Appearing is free in the first frame read and after an empty one, disappearing in the
    last and before an empty one;
    both within `border_px` of the image edge.
    statistics: z-score parameters measured before candidates were added, so that a pin changes no cost; default, those
    of the graph's own candidates.   known: feature columns of this graph computed before, which are not computed anew.
    """
    terms = resolve_terms(settings, has_association=context.association is not None, has_pairs=divisions == "pair")
    graph = context.graph
    columns = dict(known or {})
    measured = dict(statistics or {})
    totals: dict[Family, NDArray[np.float64]] = {
        "link": np.zeros(len(graph.links)),
        "division": np.full(len(graph.divisions), settings.division),
        "detection": np.full(len(graph.detections), 0.0 if settings.detection == "keep" else settings.detection),
    }
    for term in terms:
        key = (term.on, term.feature)
        if key not in columns:
            columns[key] = compute_feature(context, term.on, term.feature)
        column = columns[key]
        if term.standardise == "zscore":
            if key not in measured:
                measured[key] = Standardiser.measure(column)
            column = measured[key](column)
        totals[term.on] += term.weight * column
    if divisions == "pair" and not any(term.on == "division" for term in terms):
        totals["division"] += totals["link"][graph.division_links].sum(axis=1)
    appear, disappear = _ends(context, settings)
    return Costs(
        link=totals["link"],
        division=totals["division"],
        detection=totals["detection"],
        appear=settings.appear * appear,
        disappear=settings.disappear * disappear,
        appear_unit=appear,
        disappear_unit=disappear,
        split=_split(context, settings) if divisions == "split" else None,
        columns=columns,
        statistics=measured,
    )


def _split(context: FeatureContext, settings: CostSettings) -> float:
    """What a division costs on top of its two links."""
    return settings.division + (0.0 if context.movie is None else context.surprise.splitting(context.movie.numbers))


def _ends(context: FeatureContext, settings: CostSettings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N,) what costs.appear and costs.disappear are multiplied with: 1, or the measured surprise; 0 where free."""
    detections, movie = context.graph.detections, context.movie
    filled = np.diff(detections.starts) > 0
    step = detections.step
    units = [np.ones(len(detections))] * 2 if movie is None else context.surprise.ends(movie.numbers)
    appear = np.where(np.append(False, filled[:-1])[step], units[0], 0.0)
    disappear = np.where(np.append(filled[1:], False)[step], units[1], 0.0)
    if settings.border_px > 0:
        if "border_distance_px" not in detections.properties:
            raise FeatureError(
                "costs.border_px needs the extent of the image; give data.images besides the points, or set it to 0"
            )
        near = detections.properties["border_distance_px"] < settings.border_px
        appear[near] = 0.0
        disappear[near] = 0.0
    return appear, disappear


def to_problem(graph: CandidateGraph, costs: Costs, settings: CostSettings) -> TrackingProblem:
    """Costs as columns of the ILP."""
    return make_problem(
        len(graph.detections),
        graph.links,
        graph.divisions,
        link_cost=costs.link,
        division_cost=costs.division,
        detection_cost=costs.detection,
        appear_cost=costs.appear,
        disappear_cost=costs.disappear,
        split_cost=costs.split,
        keep=settings.detection == "keep",
        division_links=graph.division_links,
    )
