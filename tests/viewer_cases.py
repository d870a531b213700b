"""A screen for the viewer, and hands that press keys and click."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tracker.config import make_config
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import write_movie
from tracker.view.proofreading import Proofreading

# What napari and npe2 still use of pydantic, said when they are imported.
NAPARI_WARNS = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")


@contextmanager
def screen(config: Path) -> Iterator[None]:
    """A display for Qt: that of the desktop, or else one of Xvfb; skips, saying why, where there is neither."""
    for package in ("napari", "qtpy", "PyQt6"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the viewer needs {package}, which is not installed")
    os.environ["NAPARI_CONFIG"] = str(config)  # not the settings of whoever runs the tests
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        yield
        return
    if shutil.which("Xvfb") is None:
        pytest.skip("there is no display, and no Xvfb to make one: `make system-packages` installs it")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as pipe:
            os.environ["DISPLAY"] = f":{pipe.readline().strip()}"
        yield
    finally:
        del os.environ["DISPLAY"]
        server.terminate()
        server.wait()


def write_cells(folder: Path, *, volume: bool = False) -> Any:
    """A simulated movie of masks and images, and its config."""
    settings = SimulationSettings(
        n_frames=5,
        shape=(16, 64, 64) if volume else (96, 96),
        n_cells=6,
        radius_px=5,
        cycle_frames=5,
        speed_px=1.5,
    )
    folder = folder / "cells"
    write_movie(simulate(settings, seed=2), folder)
    data = {"images": str(folder / "01"), "segmentation": str(folder / "01_SEG")}
    return make_config({"data": data, "costs": {"preset": "attrackt"}, "solver": {"threads": 1}}, folder=folder)


FAILED: list[Any] = []  # errors that left a key or a timer


@contextmanager
def napari_viewer() -> Iterator[Any]:
    """A viewer on the screen that there is."""
    with pytest.MonkeyPatch.context() as patch:
        from napari import Viewer

        patch.setattr(sys, "excepthook", lambda *error: FAILED.append(error))  # or Qt ends the program
        made = Viewer(show=False)
        made.window.resize(1200, 800)
        yield made
        made.close()


@contextmanager
def windows_on(viewer: Any, config: Any) -> Iterator[Callable[..., "Hands"]]:
    """A function that opens a window; all are closed, and the viewer emptied, at the end."""
    from tracker.view.application import make_window

    windows = []

    def open_window(pins: Path, wanted: Any = config) -> Hands:
        for window in windows:
            window.close()
        viewer.layers.clear()
        window = make_window(Proofreading(wanted, pins), title="test", viewer=viewer)
        windows.append(window)
        viewer.window._qt_window.show()
        return Hands(window)

    yield open_window
    assert not FAILED
    for window in windows:
        window.close()
    viewer.layers.clear()


class Hands:
    """Keys and clicks on the canvas of a window, as Qt delivers them."""

    def __init__(self, window: Any) -> None:
        self.window = window
        self.canvas = window.viewer.window._qt_viewer.canvas.native

    def press(self, *keys: str) -> None:
        """`N`, `Shift+U`, `Ctrl+Z`, `Down`."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        modifiers = {"Shift": Qt.KeyboardModifier.ShiftModifier, "Ctrl": Qt.KeyboardModifier.ControlModifier}
        for key in keys:
            *held, name = key.split("+")
            modifier = Qt.KeyboardModifier.NoModifier
            for one in held:
                modifier |= modifiers[one]
            QTest.keyClick(self.canvas, getattr(Qt.Key, f"Key_{name}"), modifier)
        self.window.settle()

    def click(self, row: int, *, shift: bool = False) -> None:
        """On the centre of a detection of the frame that is shown."""
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        place = self.window.opened.session.inputs.detections.position[row]
        camera, (height, width) = self.window.stack.camera, self.window.stack.canvas_size()
        y, x = ((place[-2:] - camera.center[-2:]) * camera.zoom).tolist()
        modifier = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        at = QPoint(round(x + width / 2), round(y + height / 2))
        QTest.mouseClick(self.canvas, Qt.MouseButton.LeftButton, modifier, at)
        self.window.settle()
