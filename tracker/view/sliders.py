"""A slider per weight and cost; letting go of it solves again."""

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QSlider, QWidget

if TYPE_CHECKING:
    from tracker.view.window import Window

STEPS = 200


def span_of(value: float) -> tuple[float, float]:
    """From 0 to three times the value; from -1 to 1 around 0."""
    return (-1.0, 1.0) if value == 0 else (min(0.0, 3 * value), max(0.0, 3 * value))


class _Slider(QSlider):
    """Moved by hand and keys; the wheel, which scrolls the list it stands in, must not change a weight in passing."""

    def wheelEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Leave it to the list."""
        event.ignore()


class Sliders(QWidget):
    """One line per number: its name, a slider, the value."""

    def __init__(self, window: "Window") -> None:
        """The numbers of the window's session, around the values of the config."""
        super().__init__()
        self._window = window
        self.sliders: dict[str, QSlider] = {}
        self._values: dict[str, QLabel] = {}
        self._spans: dict[str, tuple[float, float]] = {}
        grid = QGridLayout(self)
        for line, (name, value) in enumerate(window.opened.initial_numbers.items()):
            self._spans[name] = span_of(value)
            slider = self.sliders[name] = _Slider(Qt.Orientation.Horizontal)
            slider.setRange(0, STEPS)
            slider.setTracking(False)  # the value changes when it is let go
            slider.setToolTip("lower cost is better; in the config: " + f"{value:g}")
            slider.valueChanged.connect(lambda place, name=name: self._changed(name, place))
            slider.sliderMoved.connect(lambda place, name=name: self._show(name, self.value_at(name, place)))
            self._values[name] = QLabel()
            for column, part in enumerate((QLabel(name), slider, self._values[name])):
                grid.addWidget(part, line, column)
        grid.setRowStretch(len(self.sliders), 1)
        self.show_numbers()

    def value_at(self, name: str, place: int) -> float:
        """The number at a place of its slider."""
        low, high = self._spans[name]
        return low + (high - low) * place / STEPS

    def show_numbers(self) -> None:
        """Move the sliders to where the session is, without solving."""
        for name, value in self._window.opened.numbers.items():
            low, high = self._spans[name]
            if not low <= value <= high:
                self._spans[name] = low, high = min(low, value), max(high, value)
            slider = self.sliders[name]
            slider.blockSignals(True)
            slider.setValue(round(STEPS * (value - low) / (high - low)))
            slider.blockSignals(False)
            self._show(name, value)

    def _show(self, name: str, value: float) -> None:
        self._values[name].setText(f"{value:.3g}")

    def _changed(self, name: str, place: int) -> None:
        self._window.act(lambda: self._window.opened.set_number(name, self.value_at(name, place)))
        self.show_numbers()
