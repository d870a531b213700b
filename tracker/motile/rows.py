"""The rows of a motile model: those of motile's own classes are kept by their meaning, and written when asked for.

Writing them is most of what motile spends its time on (one Python object per row and variable), and our solver does
not need them. Whoever looks into `solver.constraints` finds every row where motile would have put it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import ilpy
from ilpy.expressions import Expression

Written = Callable[[], Iterable[ilpy.Constraint | Expression]]


@dataclass(eq=False)
class ModelRows(ilpy.Constraints):
    """motile's `Constraints`, in two kinds.

    max_parents, max_children: the smallest limit given, None without one.
    exclusive: sets of variables (indices) of which at most one may be 1.
    pins: variable index -> the values demanded of it, with who demands each: {7: {True: "Pin 'gt' of node 3"}}.
    custom: rows of anybody else's, with the name of what they come from.
    source: the name that rows added from now on get.
    """

    max_parents: int | None = None
    max_children: int | None = None
    exclusive: list[list[int]] = field(default_factory=list)
    pins: dict[int, dict[bool, str]] = field(default_factory=dict)
    custom: list[tuple[ilpy.Constraint, str]] = field(default_factory=list)
    source: str = "a row added to solver.constraints"
    _entries: list[ilpy.Constraint | Written] = field(default_factory=list)

    def later(self, written: Written) -> None:
        """Remember rows whose meaning is known, to be written when somebody asks."""
        self._entries.append(written)

    def add(self, constraint: ilpy.Constraint | Expression) -> None:
        """Append a row that is nobody's but its author's."""
        row = constraint.as_constraint() if isinstance(constraint, Expression) else constraint
        self._entries.append(row)
        self.custom.append((row, self.source))

    def add_all(self, constraints: ilpy.Constraints) -> None:
        """Append every row of another collection."""
        for constraint in constraints:
            self.add(constraint)

    def clear(self) -> None:
        """Forget every row, and what is remembered of motile's own constraints; what variables mean stays."""
        self._entries.clear()
        self.custom.clear()
        self.exclusive.clear()
        self.pins.clear()
        self.max_parents = self.max_children = None

    @property
    def _constraints(self) -> list[ilpy.Constraint]:  # type: ignore[override]  # a list of motile's own
        """All rows, written."""
        written = list(self._write())
        self._entries = [*written]
        return written

    def _write(self) -> Iterator[ilpy.Constraint]:
        for entry in self._entries:
            if isinstance(entry, ilpy.Constraint):
                yield entry
            else:
                for row in entry():
                    yield row.as_constraint() if isinstance(row, Expression) else row

    def limit_parents(self, count: int) -> None:
        """At most so many parents."""
        self.max_parents = count if self.max_parents is None else min(count, self.max_parents)

    def limit_children(self, count: int) -> None:
        """At most so many children."""
        self.max_children = count if self.max_children is None else min(count, self.max_children)

    def demand(self, variable: int, value: bool, who: str) -> None:
        """A pin: the variable must have this value."""
        self.pins.setdefault(variable, {}).setdefault(value, who)
