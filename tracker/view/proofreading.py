"""A lineage that is being corrected: the session, what is selected, what was done, where pins are kept. No window.

Every change goes the same way: it is solved, then kept in the journal, then shown. What cannot hold is refused with the
reason, and nothing changes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config
from tracker.errors import InputError, PinConflictError, PintrackError
from tracker.lineage import Lineage
from tracker.pin_table import PinRow, meaning
from tracker.pins import read_pin_rows
from tracker.session import Change, Session
from tracker.suggest import Order
from tracker.view.history import Step
from tracker.view.numbers import numbers_of, set_number
from tracker.view.pin_file import PinFile
from tracker.view.stable_tracks import parents_of_tracks
from tracker.view.suggestions import Suggestions
from tracker.view.track_numbers import TrackNumbers
from tracker.view.ways import Way, key_of, ways_of

_CONFLICTS_KEPT = 20
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Update:
    """What a step changed. rows: (K,) detections of all tracks that changed.   links: (L, 2) rows of links, old or new.

    step: what was done.   seconds: from asking to knowing.
    """

    step: Step
    change: Change
    rows: NDArray[np.int64]
    links: NDArray[np.int64]
    seconds: float


class Proofreading:
    """A config kept open, a file of pins, and a person's place in them.

    lineage: as of the last step.
    selection: row that is looked at, -1 for none.   targets: rows picked as its children, up to two.
    highlight: index into `ways` of the way that keys act on.
    conflicts: why changes were refused, the last one last.
    """

    def __init__(
        self, config: Config, pins_path: Path, *, order: Order = "diverse", progress: Progress = lambda stage: None
    ) -> None:
        """Open all: the movie, the pins of the config and of the file, what an earlier viewer left unsaved.

        Raises whatever `Session` and `PinFile` raise, PinConflictError when pins cannot hold together.
        """
        self.config = config
        self.file = PinFile(pins_path)
        try:
            progress("reading, proposing, solving")
            others = [name for name in config.annotations.pins if not _same(config.path(name), pins_path)]
            self.fixed = frozenset(read_pin_rows([config.path(name) for name in others]))
            names = [*others, str(pins_path.resolve())] if pins_path.exists() else others
            annotations = config.annotations.model_copy(update={"pins": tuple(names)})
            self.session = Session(config.model_copy(update={"annotations": annotations}).at(config.path(".")))
            self.initial_numbers = numbers_of(self.session)
            self._resume()
            self.lineage = self.session.lineage
            self._track_numbers = TrackNumbers(self.lineage)
            self.selection, self.highlight = -1, 0
            self.targets: list[int] = []
            self.conflicts: list[str] = []
            self._ways: tuple[Way, ...] | None = None
            progress("measuring margins")
            self.suggestions = Suggestions(self.session, order=order)
            self.suggestions.rank()
        except BaseException:
            self.file.close()
            raise

    @property
    def pins(self) -> list[PinRow]:
        """The pins of the file, those that are not saved yet included."""
        return self.file.kept.pins

    @property
    def track(self) -> NDArray[np.int64]:
        """(N,) number of each detection's track, 0 where it is not selected: see `TrackNumbers`."""
        return self._track_numbers.track

    @property
    def numbers(self) -> dict[str, float]:
        """Weights and costs by name."""
        return numbers_of(self.session)

    @property
    def parent_tracks(self) -> NDArray[np.int64]:
        """(T,) of the tracks 1 .. T the one that divided into it, or 0."""
        return parents_of_tracks(self.track, self.lineage)

    @property
    def ways(self) -> tuple[Way, ...]:
        """What the selected detection can do, best first, ways out before ways in; empty without a selection."""
        if self._ways is None:
            self._ways = ways_of(self.session, self.selection) if self.selection >= 0 else ()
        return self._ways

    @property
    def way(self) -> Way | None:
        """The way that keys act on."""
        return self.ways[self.highlight] if self.highlight < len(self.ways) else None

    def select(self, row: int) -> None:
        """Look at a detection; -1 at none."""
        self.selection, self.targets, self.highlight, self._ways = row, [], 0, None

    def pick_target(self, row: int) -> None:
        """Pick a later detection as a child of the selected one, or drop it; of more than two the first goes.

        Raises InputError when nothing is selected, or when it is not later.
        """
        found = self.session.inputs.detections
        if self.selection < 0:
            raise InputError("select a cell first; then pick its child, in a later frame")
        if found.frame[row] <= found.frame[self.selection]:
            raise InputError(
                f"a child must be later than its parent: wanted a frame after t = {found.frame[self.selection]}, "
                f"found t = {found.frame[row]}"
            )
        self.targets = [one for one in self.targets if one != row] if row in self.targets else [*self.targets, row][-2:]

    def turn(self, by: int) -> None:
        """Move the highlight among the ways."""
        if self.ways:
            self.highlight = (self.highlight + by) % len(self.ways)

    def pin_way(self, value: bool) -> Update | None:
        """Pin the picked targets, or else the highlighted way; false forbids it. None when that is pinned already."""
        return self.apply(self._replacing([self._row_of_way(value)]))

    def declare_children(self, way: Way | None = None) -> Update | None:
        """Say: these are all the children - of `way`, else the picked targets, else those that it has now."""
        if way is not None and way.side == "into":
            raise InputError("all the children are a way out of the cell; this is a way into it")
        selected = self._selected()
        if way is None:
            children = self.targets or self.lineage.links[self.lineage.links[:, 0] == selected, 1].tolist()
        else:
            children = list(way.rows)
        return self.apply(self._replacing([self._row("children", [selected, *sorted(children)])]))

    def reject(self) -> Update | None:
        """Say: this is no cell."""
        return self.apply(self._replacing([self._row("detection", [self._selected()], False)]))

    def take_away(self, rows: Sequence[PinRow] | None = None) -> Update | None:
        """Take pins away: `rows`, else those of the file that begin at the selected detection.

        Raises InputError when there are none, or when they are of another file.
        """
        if rows is None:
            key = key_of(self.session.inputs.detections, self._selected())
            rows = [row for row in self.pins if row.keys[0] == key]
            if not rows:
                raise InputError(f"{self.file.path.name} has no pin about {key[0]}:{key[1]}")
        foreign = [row for row in rows if row in self.fixed or row not in self.pins]
        if foreign:
            raise InputError(
                f"the pin that {meaning(foreign[0])} is not of {self.file.path.name} alone; correct it in its own file"
            )
        return self.apply(Step(removed=tuple(rows)))

    def set_number(self, name: str, value: float) -> Update | None:
        """Change a weight or cost."""
        before = self.numbers
        if name not in before:
            raise InputError(f"there is no weight or cost {name!r}; there are {', '.join(before)}")
        if before[name] == value:
            return None
        return self.apply(Step(numbers=((name, before[name], value),)))

    def undo(self) -> Update | None:
        """Take back the last step; None when there is none."""
        done = self.file.kept.history.done
        return self._follow("undo", done[-1].back) if done else None

    def redo(self) -> Update | None:
        """Do again what was undone last; None when there is nothing."""
        undone = self.file.kept.history.undone
        return self._follow("redo", undone[-1]) if undone else None

    def apply(self, step: Step) -> Update | None:
        """Do a step; None when it changes nothing. Raises PintrackError with the reason; then nothing has changed."""
        return self._follow("do", step) if step else None

    def save(self) -> list[PinRow]:
        """Write the pins; returns those that others wrote into the file meanwhile and that are not heeded here yet."""
        return self.file.save()

    def close(self) -> None:
        """Save what is not saved yet, and let others open the file."""
        try:
            if self.file.unsaved:
                self.file.save()
        finally:
            self.file.close()

    def _follow(self, event: str, step: Step) -> Update:
        start = time.perf_counter()
        try:
            change = self._solve(step)
        except PinConflictError as error:
            self.conflicts = [*self.conflicts, str(error)][-_CONFLICTS_KEPT:]
            raise
        try:
            self.file.follow(event, step if event == "do" else None)
        except PintrackError:
            self._solve(step.back)
            raise
        before = self.lineage
        self.lineage, self._ways = self.session.lineage, None
        self.highlight = 0
        old = self.track
        self._track_numbers.follow(event, self.lineage)
        rows, links = self._touched(change, before, old)
        return Update(step, change, rows, links, time.perf_counter() - start)

    def _solve(self, step: Step) -> Change:
        session = self.session
        try:
            for row in step.removed:
                session.unpin(row)
            for row in step.added:
                session.pin(row)
            for name, _, value in step.numbers:
                set_number(session, name, value)
        except BaseException:
            session.give_up()
            raise
        return session.solve()

    def _touched(
        self, change: Change, before: Lineage, old: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Detections of all tracks that a change touches, and the changed links."""
        found = self.lineage.detections
        keys = np.concatenate([change.added, change.removed])
        links = found.rows_of(keys[..., 0], keys[..., 1]).reshape(-1, 2)
        ends = np.unique(np.concatenate([links.ravel(), np.flatnonzero(self.lineage.selected != before.selected)]))
        tracks = np.setdiff1d(np.concatenate([self.track[ends], old[ends]]), [0])
        return np.flatnonzero(np.isin(self.track, tracks) | np.isin(np.arange(len(found)), ends)), links

    def _resume(self) -> None:
        """Bring the session to the pins and numbers that are kept."""
        kept = self.file.kept
        there = self.session.pins
        added = [row for row in kept.pins if row not in there]
        removed = [row for row in dict.fromkeys(there) if row not in self.fixed and row not in kept.pins]
        try:
            numbers = tuple((name, self.initial_numbers[name], value) for name, value in kept.numbers.items())
            self._solve(Step(tuple(added), tuple(removed), numbers))
        except KeyError as error:
            raise InputError(
                f"the viewer's journal of {self.file.path.name} sets {error.args[0]}, which this config has not. "
                f"Open it with the config that it belongs to, or move .{self.file.path.name}.journal away"
            ) from error
        except PintrackError as error:
            error.args = (f"the journal of {self.file.path.name} and the file do not fit each other: {error}",)
            raise

    def _selected(self) -> int:
        if self.selection < 0:
            raise InputError("no cell is selected; click one, or press N for the next suggestion")
        return self.selection

    def _row_of_way(self, value: bool) -> PinRow:
        """The pin that the picked targets, or the highlighted way, would be."""
        selected = self._selected()
        if self.targets:
            return self._row("division" if len(self.targets) == 2 else "link", [selected, *sorted(self.targets)], value)
        way = self.way
        assert way is not None  # a selected detection can at least end
        if way.kind == "end":
            return self._row("disappear" if way.side == "out" else "appear", [selected], value)
        if way.side == "out":
            return self._row(way.kind, [selected, *way.rows], value)
        parent, *sibling = way.rows
        return self._row(way.kind, [parent, *sorted([selected, *sibling])], value)

    def _row(self, kind: str, rows: Sequence[int], value: bool = True) -> PinRow:
        found = self.session.inputs.detections
        return PinRow(kind, tuple(key_of(found, row) for row in rows), value)

    def _replacing(self, rows: Sequence[PinRow]) -> Step:
        """The step that adds pins in place of those of the file that say the opposite, or name other children."""
        there = self.session.pins
        added = tuple(row for row in rows if row not in there)
        kinds = {(row.kind, row.keys[:1] if row.kind == "children" else row.keys) for row in added}
        old = [
            row
            for row in self.pins
            if (row.kind, row.keys[:1] if row.kind == "children" else row.keys) in kinds
            and row.confidence is None
            and row not in self.fixed
        ]
        return Step(added, tuple(old))


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
