"""Whether a window can be opened at all, asked before Qt ends the program."""

import importlib.util
import os
import subprocess
import sys

from tracker.errors import InputError, MissingExtraError

_PROBE = """
from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
from qtpy.QtWidgets import QApplication
application = QApplication([])
context, surface = QOpenGLContext(), QOffscreenSurface()
surface.create()
raise SystemExit(0 if context.create() and context.makeCurrent(surface) else 3)
"""
_PROBE_S = 60


class DisplayError(InputError):
    """There is no screen, or none that can show a movie."""


def require_viewer() -> None:
    """Raise MissingExtraError without napari or Qt, DisplayError without a screen with OpenGL."""
    for package in ("napari", "qtpy", "PyQt6"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "view", "`track view`")
    advice = "Run it where you see a desktop (over ssh: ssh -X, or a remote desktop), or look at `track run --plot`"
    if sys.platform.startswith("linux") and not _has_screen():
        raise DisplayError(f"`track view` opens a window, and there is no display here (DISPLAY is not set). {advice}")
    try:
        done = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=_PROBE_S)
    except subprocess.TimeoutExpired as error:
        raise DisplayError(f"the display did not answer within {_PROBE_S} seconds. {advice}") from error
    if done.returncode == 3:
        raise DisplayError(f"the display has no OpenGL, with which movies are drawn. {advice}")
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        why = said[0] if said else f"Qt ended with {done.returncode}"
        raise DisplayError(f"`track view` cannot open a window here: {why}. {advice}")


def _has_screen() -> bool:
    named = os.environ.get("QT_QPA_PLATFORM", "")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or named not in ("", "xcb", "wayland"))
