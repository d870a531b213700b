"""The plugin's widget: choose a config, and proofread it in the viewer that is open."""

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from tracker.config import load_config
from tracker.errors import PintrackError
from tracker.view.application import make_window
from tracker.view.pin_file import default_pins
from tracker.view.proofreading import Proofreading


class OpenConfig(QWidget):
    """A button that asks for a config file and opens it as `track view` does."""

    def __init__(self, napari_viewer: Any) -> None:
        """napari_viewer: given by napari."""
        super().__init__()
        self._viewer = napari_viewer
        self._window: Any = None
        self.message = QLabel("A config of `track init` or `track run`, opened as `track view` does.")
        self.message.setWordWrap(True)
        button = QPushButton("Open a config ...")
        button.clicked.connect(lambda checked=False: self._ask())
        column = QVBoxLayout(self)
        column.addWidget(button)
        column.addWidget(self.message)
        column.addStretch(1)

    def open(self, config: Path) -> None:
        """Open a config, with the pins that `track view` would take, in place of the one before; or say why not."""
        if self._window is not None:
            self._window.leave()
            failure, self._window = self._window.failure, None
            if failure is not None:
                self.message.setText(str(failure))
                return
        try:
            loaded = load_config(config)
            opened = Proofreading(loaded, default_pins(loaded, config))
        except PintrackError as error:
            self.message.setText(str(error))
            return
        self._window = make_window(opened, title=f"pintrack - {config.name}", viewer=self._viewer)
        self.message.setText(f"{config.name} is open; pins go to {opened.file.path.name}")

    def _ask(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open a config", "", "Configs (*.toml)")
        if name:
            self.open(Path(name))
