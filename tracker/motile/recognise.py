"""What motile's own constraints mean, read without writing their rows."""

import warnings
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import ilpy
import numpy as np
from motile.constraints import Constraint, ExclusiveNodes, ExpressionConstraint, MaxChildren, MaxParents, Pin
from motile.variables import EdgeSelected, NodeSelected

from tracker.errors import first_five
from tracker.motile.vocabulary import index_map

if TYPE_CHECKING:
    from tracker.motile.solver import Solver


class FreePinWarning(UserWarning):
    """A pin attribute without a value: it is taken as no pin."""


def take(solver: "Solver", constraint: Constraint) -> bool:
    """Remember one of motile's own constraints by its meaning; False when it is anybody else's, or a subclass."""
    rows = solver.constraints
    if type(constraint) is MaxParents:
        solver.get_variables(EdgeSelected)
        rows.limit_parents(constraint.max_parents)
        rows.later(partial(MaxParents(constraint.max_parents).instantiate, solver))
    elif type(constraint) is MaxChildren:
        solver.get_variables(EdgeSelected)
        rows.limit_children(constraint.max_children)
        rows.later(partial(MaxChildren(constraint.max_children).instantiate, solver))
    elif type(constraint) is ExclusiveNodes:
        index = index_map(solver.get_variables(NodeSelected))
        sets = [list(members) for members in constraint.exclusive_sets]
        rows.exclusive += [[index[node] for node in dict.fromkeys(members)] for members in sets]
        rows.later(partial(ExclusiveNodes(sets).instantiate, solver))
    elif isinstance(constraint, ExpressionConstraint) and type(constraint) in (Pin, ExpressionConstraint):
        _take_expression(solver, constraint)
    else:
        return False
    return True


def _take_expression(solver: "Solver", constraint: ExpressionConstraint) -> None:
    """Each pinned node or edge is a pin of its own; motile's two rows over all of them are written at once."""
    code, is_pin = constraint._expression, type(constraint) is Pin
    name = f"{type(constraint).__name__}({', '.join(code.co_names)})"
    written = {True: ilpy.Constraint(), False: ilpy.Constraint()}
    counts, valueless = {True: 0, False: 0}, []
    for kind, asked in ((NodeSelected, constraint.eval_nodes), (EdgeSelected, constraint.eval_edges)):
        if not asked:
            continue
        index_of = index_map(solver.get_variables(kind))
        word, items = ("node", solver.graph.nodes) if kind is NodeSelected else ("edge", solver.graph.edges)
        for key, data in items.items():
            if is_pin and any(_without_value(data[own]) for own in code.co_names if own in data):
                valueless.append(key)
                continue
            try:
                value = bool(eval(code, None, data))  # as motile does: the expression is the user's own program
            except NameError:
                continue
            index = index_of[key]
            written[value].set_coefficient(index, 1)
            counts[value] += 1
            solver.constraints.demand(index, value, f"{name} of {word} {key!r} = {value}")
    for value, row in written.items():
        row.set_relation(ilpy.Relation.Equal)
        row.set_value(counts[value] if value else 0)
        solver.constraints.later(partial(iter, [row]))
    if valueless:
        warnings.warn(
            f"the attribute of {name} has no value (None or NaN) for {len(valueless)} nodes and edges: "
            f"{first_five(valueless)}. They are left free, as without the attribute; motile itself excludes them. "
            "Say False to exclude one",
            FreePinWarning,
            stacklevel=4,
        )


def _without_value(value: Any) -> bool:
    return value is None or (isinstance(value, float | np.floating) and bool(value != value))


def bounds_in(row: ilpy.Constraint) -> Iterator[tuple[int, bool]]:
    """The values of 0/1 variables that a row alone leaves no choice about, if it does so for all of its variables.

    So `x == 1` is a pin, and so are a sum of n variables that is to be n, and one that is to be 0.
    """
    coefficients, relation, value = row.get_coefficients(), row.get_relation(), row.get_value()
    least = sum(min(number, 0.0) for number in coefficients.values())
    most = sum(max(number, 0.0) for number in coefficients.values())
    if relation != ilpy.Relation.GreaterEqual and value == least:
        yield from ((index, number < 0) for index, number in coefficients.items())
    elif relation != ilpy.Relation.LessEqual and value == most:
        yield from ((index, number > 0) for index, number in coefficients.items())
