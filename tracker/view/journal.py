"""Every change, on disk before it is shown: what a crash leaves, and what a later session can still undo.

The file `.NAME.journal` beside a file of pins holds one JSON document per line: first where things stood when the pins
were last saved, then each event since. A last line that is cut short (the power failed while it was written) is left
out: its change was never shown.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker import __version__
from tracker.errors import InputError, OutputError
from tracker.pin_table import PinRow
from tracker.view.history import History, Step, after_step

FORMAT = 1


@dataclass
class Kept:
    """What a journal knows.

    saved: pins that the file held when it was last saved.   pins: those that are wished for now.
    numbers: weights and costs that were changed.   history: what can be undone.
    """

    saved: list[PinRow] = field(default_factory=list)
    pins: list[PinRow] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    history: History = field(default_factory=History)

    def follow(self, event: str, step: Step | None = None) -> None:
        """Change as the event says: `do` with its step, `undo`, `redo`."""
        if event == "do":
            assert step is not None
            self.history.do(step)
        elif event == "undo":
            step = self.history.done[-1].back
            self.history.undo()
        else:
            step = self.history.undone[-1]
            self.history.redo()
        self.pins = after_step(self.pins, step)
        self.numbers |= {name: after for name, _, after in step.numbers}


def journal_of(pins_path: Path) -> Path:
    """Where the journal of a file of pins lies."""
    return pins_path.with_name(f".{pins_path.name}.journal")


def read_journal(path: Path) -> Kept | None:
    """What the journal knows; None when there is none. Raises InputError for what is no journal of this format."""
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")  # each line ends with a line end; what follows was cut short
        lines = whole.decode("utf-8").split("\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}, the unsaved changes of the viewer: {error}. {_mend(path)}") from error
    try:
        start = json.loads(lines[0])
        found = start["format"]
        if found == FORMAT:
            numbers = {name: float(value) for name, value in start["numbers"].items()}
            history = History(_steps(start["done"]), _steps(start["undone"]))
            kept = Kept(_rows(start["saved"]), _rows(start["pins"]), numbers, history)
            for line in lines[1:]:
                event = json.loads(line)
                kept.follow(event["event"], _step(event["step"]) if event["event"] == "do" else None)
            return kept
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path}, the unsaved changes of the viewer, is damaged ({error!r}). {_mend(path)}") from error
    raise InputError(
        f"{path} holds unsaved changes in format {found}, written by pintrack {start.get('version', '(unknown)')}; "
        f"this is pintrack {__version__}, which reads format {FORMAT}. Open it with that version and save, or: "
        f"{_mend(path)}"
    )


def begin_journal(path: Path, kept: Kept) -> None:
    """Replace the journal by one that starts from `kept`. Raises OutputError."""
    start = {
        "format": FORMAT,
        "version": __version__,
        "saved": [list(row) for row in kept.saved],
        "pins": [list(row) for row in kept.pins],
        "numbers": kept.numbers,
        "done": [_plain(step) for step in kept.history.done],
        "undone": [_plain(step) for step in kept.history.undone],
    }
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8") as file:
            _put(file, start)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise _not_written(path, error) from error


def append_event(path: Path, event: str, step: Step | None = None) -> None:
    """Add an event, on disk when this returns. Raises OutputError."""
    content: dict[str, Any] = {"event": event}
    if step is not None:
        content["step"] = _plain(step)
    try:
        size = path.stat().st_size
        try:
            with path.open("a", encoding="utf-8") as file:
                _put(file, content)
        except OSError:
            os.truncate(path, size)  # half a line would be taken for the end
            raise
    except OSError as error:
        raise _not_written(path, error) from error


def _put(file: Any, content: dict[str, Any]) -> None:
    file.write(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
    file.flush()
    os.fsync(file.fileno())


def _not_written(path: Path, error: OSError) -> OutputError:
    return OutputError(f"the change cannot be kept in {path}: {error.strerror or error}. It was not made")


def _mend(path: Path) -> str:
    return f"To start from the file of pins alone, move {path.name} away"


def _plain(step: Step) -> dict[str, Any]:
    return {
        "added": [list(row) for row in step.added],
        "removed": [list(row) for row in step.removed],
        "numbers": [list(number) for number in step.numbers],
    }


def _step(content: dict[str, Any]) -> Step:
    numbers = tuple((str(name), float(before), float(after)) for name, before, after in content["numbers"])
    return Step(tuple(_rows(content["added"])), tuple(_rows(content["removed"])), numbers)


def _steps(contents: Sequence[dict[str, Any]]) -> list[Step]:
    return [_step(content) for content in contents]


def _rows(contents: Sequence[Sequence[Any]]) -> list[PinRow]:
    return [
        PinRow(str(kind), tuple((int(t), int(label)) for t, label in keys), value, confidence, str(note))
        for kind, keys, value, confidence, note in contents
    ]
