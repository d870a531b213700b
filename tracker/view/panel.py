"""The side panel: what is selected and what it could do, its lineage, pins, refusals, weights, keys."""

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from tracker.pin_table import meaning
from tracker.view.keys import CLICK_SAYS, DIGITS_SAY, KEYS
from tracker.view.layers import difference, shown_ways, words
from tracker.view.sliders import Sliders
from tracker.view.tree_layout import lineage_tree
from tracker.view.tree_widget import TreeWidget
from tracker.view.ways import key_of

if TYPE_CHECKING:
    from tracker.view.window import Window

_RED, _DIM = "#ff7b72", "#9aa0a6"


class Panel(QWidget):
    """Shows what a `Window` knows; its lists act through it."""

    def __init__(self, window: "Window") -> None:
        """Empty until `show_all`."""
        super().__init__()
        self._window = window
        self.time, self.head, self.message, self.file = QLabel(), QLabel(), QLabel(), QLabel()
        for label in (self.time, self.head, self.message, self.file):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.ways, self.pins, self.conflicts = _list(), _list(), _list()
        self.ways.setMinimumHeight(150)
        self.ways.itemClicked.connect(self._highlight)
        self.pins.itemDoubleClicked.connect(lambda item: self._go_to_pin())
        self.tree = TreeWidget(window.go_to)
        self.sliders = Sliders(window)
        self.take_away = _button("Take the pin away", self._take_away)
        self.save = _button("Save (S)", window.save)
        self.tabs = QTabWidget()
        for name, parts in (
            ("Lineage", [self.tree]),
            ("Pins", [self.pins, self.take_away]),
            ("Refused", [self.conflicts]),
            ("Weights", [_scrolled(self.sliders)]),
            ("Keys", [_scrolled(_keys())]),
        ):
            self.tabs.addTab(_column(parts), name)
        column = QVBoxLayout(self)
        for part in (self.time, self.head, self.ways, self.message, self.tabs, self.file, self.save):
            column.addWidget(part)
        column.setStretchFactor(self.tabs, 1)
        self.setMinimumWidth(330)

    def say(self, message: str, *, bad: bool = False) -> None:
        """What was done, or why it was not."""
        self.message.setText(message)
        self.message.setStyleSheet(f"color: {_RED}" if bad else f"color: {_DIM}")

    def show_all(self) -> None:
        """Everything anew."""
        self.show_selection()
        self.show_pins()
        self.show_conflicts()
        self.show_file()
        self.show_time()
        self.sliders.show_numbers()

    def show_selection(self) -> None:
        """The selected cell, its ways, its lineage."""
        window, opened = self._window, self._window.opened
        found, row = opened.session.inputs.detections, opened.selection
        place, count = opened.suggestions.place
        lines = [f"cost {opened.session.objective:.3f}, proven optimal", f"suggestion {place} of {count}"]
        if row >= 0:
            key = ":".join(map(str, key_of(found, row)))
            margin = opened.suggestions.out[row]
            sure = "no other way" if not np.isfinite(margin) else f"margin {margin:.2g}"
            if not opened.suggestions.exact[row] and np.isfinite(margin):
                sure = f"margin at least {margin:.2g}"
            state = f"track {opened.track[row]}, {sure}" if opened.track[row] else "not in the lineage"
            lines.append(f"{key} (t:label), {state}")
            if opened.targets:
                names = ", ".join(":".join(map(str, key_of(found, one))) for one in opened.targets)
                lines.append(f"picked: {names}")
        else:
            lines.append("no cell is selected: click one, or press N")
        self.head.setText("\n".join(lines))
        self.ways.clear()
        number = 0
        for way in shown_ways(opened.ways):
            number += way.side == "out"
            sign = f"{number}" if way.side == "out" else "-"
            item = QListWidgetItem(f"{sign:>2}  {words(opened, way)}   {difference(way)}   (cost {way.cost:.2f})")
            item.setData(Qt.ItemDataRole.UserRole, opened.ways.index(way))
            if way == opened.way:
                item.setForeground(QBrush(QColor("#ffd933")))
            elif way.pin == "forbidden":
                item.setForeground(QBrush(QColor(_RED)))
            self.ways.addItem(item)
        branches = lineage_tree(opened.lineage, opened.track, row)
        self.tree.show_tree(branches, found.step, window.stack.rgba, row, len(found.frames))

    def show_pins(self) -> None:
        """The pins of the file, then those of other files."""
        opened = self._window.opened
        self.pins.clear()
        for row in opened.pins:
            self.pins.addItem(meaning(row) + (f"   {row.note}" if row.note else ""))
        for row in opened.session.pins:
            if row not in opened.pins:
                item = QListWidgetItem(f"{meaning(row)}   (of another file)")
                item.setForeground(QBrush(QColor(_DIM)))
                self.pins.addItem(item)
        self.tabs.setTabText(1, f"Pins {len(opened.pins)}")

    def show_conflicts(self) -> None:
        """What was refused, the last one first."""
        conflicts = self._window.opened.conflicts
        self.conflicts.clear()
        self.conflicts.addItems(conflicts[::-1])
        self.tabs.setTabText(2, f"Refused {len(conflicts)}" if conflicts else "Refused")

    def show_file(self) -> None:
        """Whether all is saved."""
        file = self._window.opened.file
        self.file.setText(f"{file.path.name}: " + ("changes are kept, not saved yet" if file.unsaved else "saved"))

    def show_time(self) -> None:
        """Which frame is shown: napari's slider counts frames that were kept, names of cells have the movie's own t."""
        step, frames = int(self._window.viewer.dims.current_step[0]), self._window.opened.lineage.detections.frames
        self.time.setText(f"t = {frames[step]} (frame {step + 1} of {len(frames)})")
        self.tree.show_step(step)

    def _highlight(self, item: QListWidgetItem) -> None:
        self._window.opened.highlight = int(item.data(Qt.ItemDataRole.UserRole))
        self._window.show_selection()

    def _picked_pin(self) -> int:
        return int(self.pins.currentRow())

    def _go_to_pin(self) -> None:
        opened, place = self._window.opened, self._picked_pin()
        if 0 <= place < len(opened.pins):
            keys = np.array(opened.pins[place].keys[:1])
            self._window.go_to(int(opened.session.inputs.detections.rows_of(keys[:, 0], keys[:, 1])[0]))

    def _take_away(self) -> None:
        opened, place = self._window.opened, self._picked_pin()
        if 0 <= place < len(opened.pins):
            self._window.act(lambda: opened.take_away([opened.pins[place]]))
        else:
            self.say("choose a pin of this file in the list first", bad=True)


def _keys() -> QLabel:
    lines = [f"<tr><td><b>{key.names[0]}</b>&nbsp;&nbsp;</td><td>{key.says}</td></tr>" for key in KEYS]
    lines.insert(0, f"<tr><td><b>click</b></td><td>{CLICK_SAYS}</td></tr>")
    lines.insert(2, f"<tr><td><b>1 .. 9</b></td><td>{DIGITS_SAY}</td></tr>")
    label = QLabel(f"<table>{''.join(lines)}</table>")
    label.setWordWrap(True)
    label.setAlignment(Qt.AlignmentFlag.AlignTop)
    return label


def _scrolled(part: QWidget) -> QScrollArea:
    """As large as there is room, however many lines it has."""
    made = QScrollArea()
    made.setWidgetResizable(True)
    made.setFrameShape(QFrame.Shape.NoFrame)
    made.setWidget(part)
    return made


def _list() -> QListWidget:
    made = QListWidget()
    made.setWordWrap(True)
    made.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    made.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return made


def _button(text: str, do: object) -> QPushButton:
    made = QPushButton(text)
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    made.clicked.connect(lambda checked=False: do())  # type: ignore[operator]
    return made


def _column(parts: list[QWidget]) -> QWidget:
    made = QWidget()
    column = QVBoxLayout(made)
    column.setContentsMargins(4, 4, 4, 4)
    for part in parts:
        column.addWidget(part)
    return made
