"""The file that a viewer's pins go to, and the journal beside it."""

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tracker.config import Config
from tracker.errors import OutputError
from tracker.file_lock import locked
from tracker.pin_table import PinRow, pin_table
from tracker.pins import read_pins, write_pins
from tracker.view.history import Step
from tracker.view.journal import Kept, append_event, begin_journal, journal_of, read_journal

_OTHER_VIEWER_S = 0.5


def default_pins(config: Config, place: Path) -> Path:
    """Where pins go unless told otherwise: the last file of the config at `place`, else NAME_pins.csv beside it."""
    named = config.annotations.pins
    return config.path(named[-1]) if named else place.with_name(f"{place.stem}_pins.csv")


class PinFile:
    """A file of pins while a viewer is open on it. kept: pins, numbers, history as they stand now; journal: its file.

    Others may add and take away rows meanwhile: only the viewer's own changes are written (see `write_pins`).
    """

    def __init__(self, path: Path) -> None:
        """Read the file (there may be none yet) and what an earlier viewer left in its journal.

        What others changed in the file since it was saved is taken over. Raises OutputError when the file may not be
        written, or when another viewer has it open; InputError when file or journal cannot be read.
        """
        self.path = path
        _refuse_unwritable(path)
        self.journal = journal_of(path)
        self._open = ExitStack()
        try:
            self._open.enter_context(locked(self.journal, wait_s=_OTHER_VIEWER_S))
        except OutputError as error:
            raise OutputError(
                f"{path} is open in another viewer. Close that one, or name another file with --pins"
            ) from error
        try:
            rows = _rows(path)
            self.kept = read_journal(self.journal) or Kept(rows, list(rows))
            self.recovered = self.kept.pins != self.kept.saved
            self._take_over(rows)
            begin_journal(self.journal, self.kept)  # a line that was cut short must not stay before new ones
        except BaseException:
            self._open.close()
            raise

    @property
    def unsaved(self) -> bool:
        """Whether the file lacks a change."""
        return set(self.kept.pins) != set(self.kept.saved)

    def follow(self, event: str, step: Step | None = None) -> None:
        """Keep an event: on disk when this returns. Raises OutputError; then it is not kept."""
        append_event(self.journal, event, step)
        self.kept.follow(event, step)

    def save(self) -> list[PinRow]:
        """Write the pins. Returns rows of the file that are not among the viewer's: others added them meanwhile.

        Raises OutputError when the system refuses; the journal still holds everything then.
        """
        before = pin_table([row for row in self.kept.saved if row.value is not None])
        if self.path.exists() or self.kept.pins:
            write_pins(self.path, self.kept.pins, since=before)
        there = _rows(self.path)
        self.kept.saved = [row for row in there if row in self.kept.pins]
        begin_journal(self.journal, self.kept)
        return [row for row in there if row not in self.kept.pins]

    def close(self) -> None:
        """Let others open it. A journal that knows no more than the file is taken away."""
        history = self.kept.history
        if not (history.done or history.undone or self.kept.numbers or self.unsaved):
            self.journal.unlink(missing_ok=True)
        self._open.close()

    def __enter__(self) -> "PinFile":
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()

    def _take_over(self, rows: list[PinRow]) -> None:
        """What others did to the file since it was saved."""
        kept = self.kept
        gone = [row for row in kept.saved if row not in rows]
        new = [row for row in rows if row not in kept.saved and row not in kept.pins]
        kept.pins = [row for row in kept.pins if row not in gone] + new
        kept.saved = rows


def _rows(path: Path) -> list[PinRow]:
    if not path.exists():
        return []
    table = read_pins([path])
    return list(dict.fromkeys(table.row(row) for row in range(len(table))))


def _refuse_unwritable(path: Path) -> None:
    advice = "Make it writable, or name another file with --pins"
    if path.is_dir():
        raise OutputError(f"the pins cannot go to {path}: it is a folder. Name a file with --pins")
    if path.exists() and not os.access(path, os.W_OK):
        raise OutputError(f"{path} is read-only, so pins cannot be saved there. {advice}")
    if not path.parent.is_dir():
        raise OutputError(f"the pins cannot go to {path}: there is no folder {path.parent}. Make it first")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(
            f"you may not write to the folder {path.parent}, where pins would be kept safe beside {path.name}. {advice}"
        )
