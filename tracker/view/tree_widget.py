"""The lineage of the selected cell as a tree that is drawn, and clicked."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from tracker.view.tree_layout import Branch

_MARGIN = 14.0
_GREY = QColor(150, 150, 150)


class TreeWidget(QWidget):
    """Time runs down, divisions are forks. The dashed line is the frame that is shown; the square is the selection."""

    def __init__(self, go_to: Callable[[int], None]) -> None:
        """go_to: called with the row that is clicked."""
        super().__init__()
        self._go_to = go_to
        self._branches: list[Branch] = []
        self._step_of: NDArray[np.int64] = np.empty(0, np.int64)
        self._rgba: NDArray[np.float64] = np.zeros((1, 4))
        self._selection, self._step, self._n_steps = -1, 0, 1
        self.setMinimumHeight(140)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setToolTip("lineage of the selected cell, time running down; click to go there")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Half of the panel."""
        return QSize(260, 220)

    def show_tree(
        self,
        branches: list[Branch],
        step_of: NDArray[np.int64],
        rgba: NDArray[np.float64],
        selection: int,
        n_steps: int,
    ) -> None:
        """step_of: (N,) step of each detection.   rgba: (T + 1, 4) colours of tracks."""
        self._branches, self._step_of, self._rgba = branches, step_of, rgba
        self._selection, self._n_steps = selection, n_steps
        self.update()

    def show_step(self, step: int) -> None:
        """Which frame is shown."""
        self._step = step
        self.update()

    def place_of(self, branch: Branch, step: float) -> QPointF:
        """Where a branch is at a step, in pixels of the widget."""
        widest = max((one.place for one in self._branches), default=0.0)
        x = self.width() / 2 if widest == 0 else _MARGIN + branch.place * (self.width() - 2 * _MARGIN) / widest
        y = _MARGIN + step * (self.height() - 2 * _MARGIN) / max(self._n_steps - 1, 1)
        return QPointF(x, y)

    def paintEvent(self, event: Any) -> None:  # noqa: N802
        """Draw everything."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self._branches:
            painter.setPen(_GREY)
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "select a cell: its lineage")
            return
        y = self.place_of(self._branches[0], self._step).y()
        painter.setPen(QPen(_GREY, 1, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(0, y), QPointF(self.width(), y))
        by_track = {branch.track: branch for branch in self._branches}
        for branch in self._branches:
            steps = self._step_of[branch.rows]
            colour = QColor.fromRgbF(*self._rgba[branch.track, :3].tolist())
            painter.setPen(QPen(colour, 3))
            start = self.place_of(branch, float(steps[0]))
            painter.drawLine(start, self.place_of(branch, float(steps[-1])))
            painter.drawPoint(start)
            if branch.mother:
                mother = by_track[branch.mother]
                fork = self.place_of(mother, float(self._step_of[mother.rows[-1]]))
                painter.setPen(QPen(colour, 1.5))
                painter.drawLine(fork, QPointF(start.x(), fork.y()))
                painter.drawLine(QPointF(start.x(), fork.y()), start)
            if self._selection in branch.rows:
                centre = self.place_of(branch, float(self._step_of[self._selection]))
                painter.setPen(QPen(QColor("#ffd933"), 2))
                painter.drawRect(int(centre.x()) - 5, int(centre.y()) - 5, 10, 10)

    def mousePressEvent(self, event: Any) -> None:  # noqa: N802
        """Go to the detection nearest to the click."""
        best, nearest = -1, np.inf
        for branch in self._branches:
            for row in branch.rows.tolist():
                place = self.place_of(branch, float(self._step_of[row]))
                far = abs(place.x() - event.position().x()) + abs(place.y() - event.position().y())
                if far < nearest:
                    best, nearest = row, far
        if best >= 0:
            self._go_to(best)
