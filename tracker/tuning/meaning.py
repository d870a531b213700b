"""What learnt costs mean, in the words and units of the movie."""

import numpy as np
from numpy.typing import NDArray

from tracker.tuning.cost_model import LinearModel, Weight


def meanings(
    model: LinearModel, weights: NDArray[np.float64], unit: str
) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """A sentence for each constant (appear, disappear, division), and one for each term (kind, feature).

    weights: (K,) internal scale.   unit: of length.   A cost is compared with the length of the link that costs as
    much and is, apart from its length, as candidates are (the median of each other feature).
    """
    link = _link_of(model, weights)
    constants = {}
    for weight, value in zip(model.weights, weights.tolist(), strict=True):
        if weight.feature is None:
            constants[weight.name] = _constant(weight.name, value, link, unit)
    terms = {
        (weight.on, weight.feature): _term(weight, value, unit)
        for weight, value in zip(model.weights, weights.tolist(), strict=True)
        if weight.feature is not None
    }
    return constants, terms


def _link_of(model: LinearModel, weights: NDArray[np.float64]) -> tuple[float, float] | None:
    """Cost of an otherwise typical link of length 0, and per unit of length; None where length costs nothing.

    Neither where links have a term that follows their length in a way of its own (surprise).
    """
    names = [weight.name for weight in model.weights]
    if "link.distance" not in names or "link.surprise" in names:
        return None
    owners = model.owners["link"].tolist()
    table = model.design["link"]
    if not len(table):
        return None
    place = owners.index(names.index("link.distance"))
    distance = model.weights[names.index("link.distance")]
    slope = float(weights[names.index("link.distance")]) / distance.std
    if slope <= 0:
        return None
    typical = np.median(table, axis=0)
    typical[place] = -distance.mean / distance.std
    return float(typical @ weights[owners]), slope


def _constant(name: str, value: float, link: tuple[float, float] | None, unit: str) -> str:
    what = {"appear": "appearing", "disappear": "disappearing"}.get(name)
    if what is None:
        kind = "every division" if name == "division" else "using a detection"
        if value == 0:
            return f"{kind} costs what its terms say"
        return f"added to the cost of {kind}: this makes it {'dearer' if value > 0 else 'cheaper'}"
    if link is None:
        return f"what {what} costs; with terms on surprise, times how unlikely it is"
    length = (value - link[0]) / link[1]
    if length < 0:
        return f"{what} costs less than any link that is otherwise typical"
    return f"{what} costs as much as a link of {length:.3g} {unit}"


def _term(weight: Weight, value: float, unit: str) -> str:
    """How the price changes with the feature."""
    where = {"link": "links", "division": "divisions", "detection": "detections"}[weight.on]
    if value == 0:
        return f"{weight.feature} makes no difference to {where}"
    per = abs(value) / weight.std
    step = 1.0 if weight.feature == "distance" else _step(weight.std)
    of_what = f"each {unit if weight.feature == 'distance' else format(step, 'g')} of {weight.feature}"
    size = per * step
    return f"{of_what} makes {where} {size:.3g} {'dearer' if value > 0 else 'cheaper'}"


def _step(std: float) -> float:
    """A round step of a feature that varies so much: 1, 0.1, 0.01, ..."""
    return float(10.0 ** np.floor(np.log10(std)))
