"""Weights and costs of a session by name, as sliders show them."""

from tracker.session import Session

_COSTS = ("appear", "disappear", "division")


def numbers_of(session: Session) -> dict[str, float]:
    """Name -> value: `overlap on link` for the weight of a term, `costs.appear` for a constant.

    Terms that stand twice in the config, or only name a motile class, cannot be told apart and are left out.
    """
    costs = session.costs
    names = [f"{term.feature} on {term.on}" for term in costs.terms]
    found = {name: term.weight for name, term in zip(names, costs.terms, strict=True) if names.count(name) == 1}
    return found | {f"costs.{name}": float(getattr(costs, name)) for name in _COSTS}


def set_number(session: Session, name: str, value: float) -> None:
    """Wish for another weight or cost. Raises ConfigError for names that there are not, and for infinity."""
    if name.startswith("costs."):
        session.set_cost(name.removeprefix("costs."), value)
        return
    feature, _, on = name.partition(" on ")
    session.set_weight(on, feature, value)
