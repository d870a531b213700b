"""More terms to learn than a config has: every feature that its input supports."""

import logging
from dataclasses import replace

import numpy as np

from tracker.config import Config, Term
from tracker.costs import price, resolve_terms, to_problem
from tracker.errors import FeatureError
from tracker.features import FEATURES, Family, compute_feature
from tracker.prepare import Prepared, context_of

log = logging.getLogger(__name__)
# Scores of a network, not measured on the movie.
_LEARNED = ("association", "embedding_distance", "division_score", "division_surprise")
_FAMILIES: tuple[Family, ...] = ("link", "division")


def with_more_terms(config: Config, prepared: Prepared, which: str) -> tuple[Config, Prepared, tuple[str, ...]]:
    """The same costs with further terms of weight 0, priced; and sentences on what was left out.

    which: "config": none is added; "auto": those measured on the movie alone (positions, sizes, brightness, masks);
        "all": learned scores that the config names, too.
    A feature is left out where the input lacks what it needs, or where it is the same for every candidate. New terms
    are z-scored. The preset, if any, is written out as terms; where divisions have had no term of their own and so
    cost their two links, they are given none, so that the costs stay what they were.
    """
    settings = config.costs
    context = context_of(config, prepared.inputs, prepared.graph, prepared.movie)
    pairs = config.candidates.divisions == "pair"
    terms = resolve_terms(settings, has_association=context.association is not None, has_pairs=pairs)
    present = {(term.on, term.feature) for term in terms}
    columns, notes = dict(prepared.costs.columns), []
    families = tuple(family for family in _FAMILIES if any(term.on == family for term in terms) or family == "link")
    added = []
    for family in families if which != "config" else ():
        for name, module in FEATURES.items():
            if name == "constant" or not hasattr(module, family) or (family, name) in present:
                continue
            if name in _LEARNED and which == "auto":
                continue
            try:
                column = compute_feature(context, family, name)
            except FeatureError as error:
                log.debug("%s.%s is not learnt: %s", family, name, error)
                continue
            if len(column) and np.ptp(column) > 0:
                columns[family, name] = column
                added.append(Term(on=family, feature=name, weight=0.0, standardise="zscore"))
    if added:
        notes.append("also learnt: " + ", ".join(f"{term.on}.{term.feature}" for term in added))
    if not added:
        return config, prepared, ()
    costs = settings.model_copy(update={"preset": "none", "terms": (*terms, *added)})
    config = config.model_copy(update={"costs": costs})
    priced = price(
        context, costs, divisions=config.candidates.divisions, statistics=prepared.costs.statistics, known=columns
    )
    problem = to_problem(prepared.graph, priced, costs)
    return config, replace(prepared, costs=priced, problem=problem), tuple(notes)
