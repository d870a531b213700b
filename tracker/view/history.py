"""What was done, so that it can be undone and done again."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tracker.pin_table import PinRow

LONGEST = 1000  # steps that can be undone


@dataclass(frozen=True)
class Step:
    """One change of a person's wishes.

    added, removed: pins.   numbers: (name, before, after) of weights and costs, named as in `Numbers`.
    """

    added: tuple[PinRow, ...] = ()
    removed: tuple[PinRow, ...] = ()
    numbers: tuple[tuple[str, float, float], ...] = ()

    @property
    def back(self) -> "Step":
        """The step that undoes this one."""
        turned = tuple((name, after, before) for name, before, after in self.numbers)
        return Step(self.removed, self.added, turned)

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.added or self.removed or self.numbers)


@dataclass
class History:
    """Steps that were done, the last one last, and those that were undone, the next one last."""

    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)

    def do(self, step: Step) -> None:
        """A new step: what was undone before cannot be done again."""
        self.done.append(step)
        del self.done[:-LONGEST]
        self.undone.clear()

    def undo(self) -> None:
        """The last step was undone."""
        self.undone.append(self.done.pop())

    def redo(self) -> None:
        """What was undone last was done again."""
        self.done.append(self.undone.pop())


def after_step(pins: Iterable[PinRow], step: Step) -> list[PinRow]:
    """The pins after a step, in their order, the added ones last; what is there already is not added again."""
    kept = [row for row in pins if row not in step.removed]
    return [*kept, *(row for row in step.added if row not in kept)]
