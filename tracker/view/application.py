"""Opening the window, and closing it so that nothing is lost."""

import napari
from napari import Viewer
from qtpy.QtWidgets import QApplication

from tracker.view.proofreading import Proofreading
from tracker.view.window import Window


def make_window(opened: Proofreading, *, title: str, viewer: Viewer | None = None, show: bool = True) -> Window:
    """A window on `opened`, in a new viewer unless one is given. When that closes, pins are saved."""
    try:
        viewer = Viewer(title=title, show=show) if viewer is None else viewer
        window = Window(viewer, opened)
    except BaseException:
        opened.close()
        raise
    qt_window = viewer.window._qt_window
    qt_window.destroyed.connect(lambda: window.close())
    application = QApplication.instance()
    if application is not None:
        application.aboutToQuit.connect(window.close)
    return window


def show_until_closed(window: Window) -> None:
    """Run Qt until the window is closed. Raises OutputError when the pins could not be saved then."""
    try:
        napari.run()
    finally:
        window.close()
    if window.failure is not None:
        raise window.failure
