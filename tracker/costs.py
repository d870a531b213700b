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
class DetectionCosts:
    """What costs do not depend on links; lower is better.

    detection, appear, disappear: (N,).   appear_unit, disappear_unit: (N,) what costs.appear and costs.disappear are
    multiplied with; 0 where it is free.   split: cost of a division on top of its two links (model B), None in model A.
    """

    detection: NDArray[np.float64]
    appear: NDArray[np.float64]
    disappear: NDArray[np.float64]
    appear_unit: NDArray[np.float64]
    disappear_unit: NDArray[np.float64]
    split: float | None


@dataclass(frozen=True)
class Costs(DetectionCosts):
    """What every candidate costs; lower is better.

    link: (E,).   division: (H,) in place of the two links.
    columns: every feature computed, by (family, name).   statistics: z-score parameters by (family, name).
    """

    link: NDArray[np.float64]
    division: NDArray[np.float64]
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
    prices = TermPrices(context, terms, dict(statistics or {}), dict(known or {}))
    link = prices.total("link", np.zeros(len(graph.links)))
    division = prices.total("division", np.full(len(graph.divisions), settings.division))
    if divisions == "pair" and not prices.has("division"):
        division += link[graph.division_links].sum(axis=1)
    ends = price_detections(prices, settings, divisions=divisions)
    return Costs(link=link, division=division, columns=prices.columns, statistics=prices.statistics, **vars(ends))


@dataclass
class TermPrices:
    """The terms of a config on one graph. columns, statistics: as in `Costs`; what is not there is computed."""

    context: FeatureContext
    terms: tuple[Term, ...]
    statistics: dict[tuple[Family, str], Standardiser]
    columns: dict[tuple[Family, str], NDArray[np.float64]]

    def has(self, family: Family) -> bool:
        """Whether any term is on this family."""
        return any(term.on == family for term in self.terms)

    def column(self, family: Family, feature: str) -> NDArray[np.float64]:
        """One number per candidate of the family."""
        key = (family, feature)
        if key not in self.columns:
            self.columns[key] = compute_feature(self.context, family, feature)
        return self.columns[key]

    def total(self, family: Family, total: NDArray[np.float64]) -> NDArray[np.float64]:
        """`total` plus all terms on the family, in place."""
        for term in self.terms:
            if term.on != family:
                continue
            column = self.column(family, term.feature)
            if term.standardise == "zscore":
                key = (family, term.feature)
                if key not in self.statistics:
                    self.statistics[key] = Standardiser.measure(column)
                column = self.statistics[key](column)
            total += term.weight * column
        return total


def price_detections(prices: TermPrices, settings: CostSettings, *, divisions: str) -> DetectionCosts:
    """Price detections, their ends, and divisions of the split model."""
    context = prices.context
    constant = 0.0 if settings.detection == "keep" else settings.detection
    appear, disappear = _ends(context, settings)
    return DetectionCosts(
        detection=prices.total("detection", np.full(len(context.graph.detections), constant)),
        appear=settings.appear * appear,
        disappear=settings.disappear * disappear,
        appear_unit=appear,
        disappear_unit=disappear,
        split=_split(context, settings) if divisions == "split" else None,
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
