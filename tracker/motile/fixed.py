"""A motile constraint that fixes variables, each by itself: what a pin should be."""

from collections.abc import Iterator, Mapping
from typing import Any

import motile
from ilpy.expressions import Expression
from motile.constraints import Constraint
from motile.variables import EdgeSelected, NodeSelected

from tracker.motile.vocabulary import Kind


class Fixed(Constraint):
    """Values that variables must have, for any kind of variable; what is not named stays free.

    Unlike motile's `Pin` it needs no attribute on the graph, makes one row per pin, and None is no value.
    """

    def __init__(
        self,
        nodes: Mapping[Any, bool] | None = None,
        edges: Mapping[Any, bool] | None = None,
        others: Mapping[Kind, Mapping[Any, bool]] | None = None,
    ) -> None:
        """`nodes`, `edges`: selected or not.   others: kind of variable -> key -> value."""
        self.values: dict[Kind, dict[Any, bool]] = {kind: dict(own) for kind, own in (others or {}).items()}
        for kind, own in ((NodeSelected, nodes), (EdgeSelected, edges)):
            self.values.setdefault(kind, {}).update(own or {})

    def instantiate(self, solver: motile.Solver) -> Iterator[Expression]:
        """One row per value."""
        for kind, own in self.values.items():
            if own:
                variables = solver.get_variables(kind)
                for key, value in own.items():
                    yield variables[key] == int(value)
