"""What learnt costs mean, in the words and units of the movie."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracker.tuning.cost_model import LinearModel, Weight
from tracker.tuning.ssvm import Learnt
from tracker.tuning.target import Target

TermKey = tuple[str, str, str]  # on, feature, standardise
_CONSTANTS = {"appear": "appear", "disappear": "disappear", "detection": "detection"}  # weight -> family that it prices
_ALONE = "; left alone: nothing in the annotation decides it"


def meanings(
    model: LinearModel, weights: NDArray[np.float64], unit: str, undecided: Collection[str] = ()
) -> tuple[dict[str, str], dict[TermKey, str]]:
    """A sentence for each constant (appear, disappear, division), and one for each term (kind, feature, standardise).

    weights: (K,) internal scale.   unit: of length.   undecided: see `undecided_weights`. A cost is compared with the
    link that costs as much and is, apart from its length or surprise, as candidates are (the median of each other
    feature). Terms that differ in their standardisation alone say what they do together.
    """
    link = _link_of(model, weights, "surprise", "nats") or _link_of(model, weights, "distance", unit)
    constants: dict[str, str] = {}
    terms: dict[TermKey, str] = {}
    same = np.isclose(weights, model.start, rtol=1e-5, atol=0.0)  # tuned.toml has six digits
    for place, weight in enumerate(model.weights):
        alone = _ALONE if same[place] and weight.name in undecided else ""
        if weight.feature is None:
            said = _constant(model, weight.name, float(weights[place]), link)
            constants[weight.name] = said + alone
        else:
            key = (weight.on, weight.feature, "zscore" if weight.standardised else "none")
            terms[key] = _term(weight, _slope(model, weights, weight.on, weight.feature), unit) + alone
    return constants, terms


def undecided_weights(model: LinearModel, target: Target, learnt: Learnt) -> frozenset[str]:
    """Names of the weights that nothing in the annotation decides.

    Weights on divisions where none is known to be true, and constants of which no column that they price is decided.
    """
    found = set(learnt.frozen)
    for name, family in _CONSTANTS.items():
        if name in model.names:
            place = model.owners[family].tolist().index(model.names.index(name))
            priced = model.design[family][:, place] != 0
            if not (target.decided[getattr(model.program.layout, family)] & priced).any():
                found.add(name)
    return frozenset(found)


class _Link(NamedTuple):
    """Cost of an otherwise typical link at 0, and per unit of length or of surprise."""

    base: float
    slope: float
    unit: str


def _slope(model: LinearModel, weights: NDArray[np.float64], on: str, feature: str) -> float:
    """Cost per unit of a feature, over all its terms."""
    pairs = zip(model.weights, weights.tolist(), strict=True)
    return sum(value / weight.std for weight, value in pairs if (weight.on, weight.feature) == (on, feature))


def _link_of(model: LinearModel, weights: NDArray[np.float64], feature: str, unit: str) -> _Link | None:
    """None where links do not become dearer with the feature."""
    table = model.design.get("link", np.empty((0, 0)))
    slope = _slope(model, weights, "link", feature)
    if not len(table) or slope <= 0:
        return None
    owners = model.owners["link"]
    typical = np.median(table, axis=0)
    for place, owner in enumerate(owners.tolist()):
        weight = model.weights[owner]
        if weight.feature == feature:
            typical[place] = -weight.mean / weight.std
    kept = float(np.median(model.fixed[model.program.layout.link]))  # terms that are not learnt
    return _Link(float(typical @ weights[owners]) + kept, slope, unit)


def _constant(model: LinearModel, name: str, value: float, link: _Link | None) -> str:
    what = {"appear": "appearing", "disappear": "disappearing"}.get(name)
    if what is None:
        kind = "every division" if name == "division" else "using a detection"
        if value == 0:
            return f"{kind} costs what its terms say"
        return f"added to the cost of {kind}: this makes it {'dearer' if value > 0 else 'cheaper'}"
    if not model.settings_before.measures:
        return f"what {what} costs" if link is None else f"{what} costs {_as_a_link(value, link)}"
    units = model.design[name][:, 0]
    if not units.any():
        return f"times the surprise of {what}, which is free in this movie"
    cost = value * float(np.median(units[units != 0]))
    return f"times its surprise: about {cost:.3g} at a typical cell" + (
        f", {_as_a_link(cost, link)}" if link is not None else ""
    )


def _as_a_link(cost: float, link: _Link) -> str:
    length = (cost - link.base) / link.slope
    if length < 0 and link.unit != "nats":
        return "less than any link that is otherwise typical"
    return f"as much as a link of {length:.3g} {link.unit}"


def _term(weight: Weight, slope: float, unit: str) -> str:
    """How the price changes with the feature."""
    where = {"link": "links", "division": "divisions", "detection": "detections"}[weight.on]
    if slope == 0:
        return f"{weight.feature} makes no difference to {where}"
    own_unit = {"distance": unit, "surprise": "nat"}.get(str(weight.feature))
    step = 1.0 if own_unit is not None else _step(weight.std)
    of_what = f"each {own_unit or format(step, 'g')} of {weight.feature}"
    return f"{of_what} makes {where} {abs(slope) * step:.3g} {'dearer' if slope > 0 else 'cheaper'}"


def _step(std: float) -> float:
    """A round step of a feature that varies so much: 1, 0.1, 0.01, ..."""
    return float(10.0 ** np.floor(np.log10(std)))
