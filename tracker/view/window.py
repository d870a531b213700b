"""The napari window on a lineage that is being corrected: layers that follow, keys that act, cells that are clicked."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari import Viewer
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from tracker.errors import OutputError, PintrackError
from tracker.pin_table import meaning
from tracker.view.history import Step
from tracker.view.keys import DIGITS, KEYS
from tracker.view.layer_stack import LayerStack
from tracker.view.panel import Panel
from tracker.view.proofreading import Proofreading, Update

AUTOSAVE_MS, FLASH_STEP_MS, LATER_MS = 2000, 60, 30
_ZOOM_NEIGHBOURS = 12  # a suggestion is shown with so many distances of neighbours across the view


class Window:
    """Ties a `Proofreading` to a napari viewer.

    What keys do first moves the lineage, then the layers; lists, prices and margins follow when Qt is idle.
    """

    def __init__(self, viewer: Viewer, opened: Proofreading) -> None:
        """Add the layers and the panel, bind the keys."""
        self.viewer, self.opened = viewer, opened
        self.failure: PintrackError | None = None
        self._closed = False
        self._detections = opened.session.inputs.detections
        self.stack = LayerStack(viewer, opened)
        self.panel = Panel(self)
        self._dock = viewer.window.add_dock_widget(self.panel, name="pintrack", area="right")
        self._autosave = _timer(AUTOSAVE_MS, self._save_quietly)
        self._later = _timer(LATER_MS, self._catch_up)
        self._flash = QTimer()
        self._flash.setInterval(FLASH_STEP_MS)
        self._flash.timeout.connect(self._fade)
        self._pending: list[NDArray[np.int64]] = []
        self._bind()
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.dims.events.ndisplay.connect(self.show_selection)
        viewer.mouse_drag_callbacks.append(self._on_click)
        self.panel.show_all()
        if opened.file.recovered:
            self.say("changes that an earlier viewer had not saved are back")

    # What keys do --------------------------------------------------------------------------------------------------

    def next(self) -> None:
        """Go to the next suggestion."""
        row = self.opened.suggestions.next()
        if row < 0:
            self.say("nothing is left to ask: every cell with a next frame is answered")
            return
        self.go_to(row)

    def previous(self) -> None:
        """Go back to the suggestion before."""
        row = self.opened.suggestions.previous()
        if row >= 0:
            self.go_to(row)

    def complete(self) -> None:
        """Declare all children."""
        self._answer(self.opened.declare_children)

    def choose(self, number: int) -> None:
        """Declare all children, those of the way out with that number, from 1."""
        out = [way for way in self.opened.ways if way.side == "out"]
        if number > len(out):
            self.say(f"there is no way {number}" if out else "no cell is selected; click one, or press N", bad=True)
            return
        self._answer(lambda: self.opened.declare_children(out[number - 1]))

    def end(self) -> None:
        """Declare that there are no children."""
        out = [way for way in self.opened.ways if (way.side, way.kind) == ("out", "end")]
        self._answer(lambda: self.opened.declare_children(out[0] if out else None))

    def link(self) -> None:
        """Pin what is highlighted or picked."""
        self.act(lambda: self.opened.pin_way(True))

    def forbid(self) -> None:
        """Forbid what is highlighted or picked."""
        self.act(lambda: self.opened.pin_way(False))

    def reject(self) -> None:
        """Reject the detection."""
        self._answer(self.opened.reject)

    def take_away(self) -> None:
        """Take the selection's pins away."""
        self.act(self.opened.take_away)

    def undo(self) -> None:
        """Undo."""
        self.act(self.opened.undo, nothing="nothing to undo")

    def redo(self) -> None:
        """Do again."""
        self.act(self.opened.redo, nothing="nothing to do again")

    def turn_down(self) -> None:
        """Highlight the next way."""
        self.opened.turn(1)
        self.show_selection()

    def turn_up(self) -> None:
        """Highlight the way before."""
        self.opened.turn(-1)
        self.show_selection()

    def save(self) -> None:
        """Save the pins."""
        try:
            others = self.opened.save()
        except PintrackError as error:
            self.say(str(error), bad=True)
        else:
            count = len(self.opened.pins)
            more = f"; {len(others)} rows of others in it are heeded when you open it again" if others else ""
            name = self.opened.file.path.name
            done = f"saved {count} pin{'s' * (count != 1)} to {name}{more}"
            self.say(done if count or self.opened.file.path.exists() else "no pins yet: nothing to save")
        self.panel.show_file()

    # What happens then ---------------------------------------------------------------------------------------------

    def act(self, do: Callable[[], Update | None], *, nothing: str = "that is so already") -> bool:
        """Do something that may move the optimum, and show it; says why where it is refused. Whether it was done."""
        try:
            update = do()
        except PintrackError as error:
            self.say(str(error), bad=True)
            self.panel.show_conflicts()
            return False
        if update is None:
            self.say(nothing)
            return True
        self.show_change(update)
        return True

    def show_change(self, update: Update) -> None:
        """New tracks on the screen at once; prices, margins and lists follow as soon as Qt is idle."""
        self.stack.show_lineage()
        self.stack.show_changed(update)
        self.stack.draw_now()
        self._flash.start()
        changed = len(update.links)
        links = f"{changed} link{'s' * (changed != 1)} changed" if changed else "no link changed"
        self.say(f"{_done(update.step)}: {links}, {1000 * update.seconds:.0f} ms")
        self._pending.append(update.links)
        self._later.start()
        self._autosave.start()

    def go_to(self, row: int) -> None:
        """Select a detection, and show it."""
        place = self._detections.position[row]
        self.viewer.dims.set_current_step(0, int(self._detections.step[row]))
        if len(place) == 3 and self.viewer.dims.ndisplay == 2:
            self.viewer.dims.set_point(1, float(place[0]))
        self.stack.camera.center = tuple(place) if self.viewer.dims.ndisplay == 3 else (0.0, *place[-2:])
        height, width = self.stack.canvas_size()
        self.stack.camera.zoom = min(height, width) / (_ZOOM_NEIGHBOURS * self.stack.spacing)
        self.select(row)

    def select(self, row: int) -> None:
        """Look at a detection; -1 at none."""
        self.opened.select(row)
        self.show_selection()

    def settle(self) -> None:
        """Do now what waits for Qt to be idle."""
        if self._later.isActive():
            self._later.stop()
            self._catch_up()

    def show_selection(self, event: object = None) -> None:
        """The selection and its ways, in the layers and in the panel."""
        self.stack.show_selection()
        self.panel.show_selection()

    def say(self, message: str, *, bad: bool = False) -> None:
        """A message in the panel and the status bar."""
        self.panel.say(message, bad=bad)
        self.viewer.status = message

    def close(self) -> None:
        """Save, and let others open the file. Layers stay, to be looked at.

        Where saving fails, `failure` says why: this is called while Qt closes the window, which no error may leave.
        """
        if self._closed:
            return
        self._closed = True
        for provider, name in self._bound:
            provider.bind_key(name, None)  # what stays must not change pins any more
        for timer in (self._autosave, self._later, self._flash):
            timer.stop()
        self.viewer.dims.events.current_step.disconnect(self._on_step)
        self.viewer.dims.events.ndisplay.disconnect(self.show_selection)
        self.viewer.mouse_drag_callbacks.remove(self._on_click)
        try:
            self.opened.close()
        except PintrackError as error:
            kept = self.opened.file.journal.name
            self.failure = OutputError(f"{error}. Nothing is lost: {kept} keeps the changes for the next `track view`")

    def leave(self) -> None:
        """Close, and take the panel and the layers away, so that another lineage can be shown in this viewer."""
        self.close()
        self.viewer.window.remove_dock_widget(self._dock)
        for layer in self.stack.layers:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    # Inside --------------------------------------------------------------------------------------------------------

    def _bind(self) -> None:
        layers = [self.viewer, *self.stack.layers]
        actions = [(name, getattr(self, key.action)) for key in KEYS for name in key.names]
        actions += [(digit, lambda digit=digit: self.choose(int(digit))) for digit in DIGITS]
        self._bound = [(provider, name) for provider in layers for name, _ in actions]
        for provider in layers:  # the active layer is asked before the viewer
            for name, action in actions:
                provider.bind_key(name, _as_key(action), overwrite=True)

    def _fade(self) -> None:
        if not self.stack.fade():
            self._flash.stop()

    def _heed(self) -> None:
        """Margins as the changed links have them; the next suggestion hangs on them."""
        for links in self._pending:
            self.opened.suggestions.changed(links)
        self._pending.clear()

    def _catch_up(self) -> None:
        self._heed()
        self.stack.show_graph()
        self.stack.show_doubt()
        self.stack.show_selection()
        self.panel.show_all()

    def _on_step(self, event: object = None) -> None:
        self.stack.show_doubt()
        if self.stack.is_flat():
            self.show_selection()
        if self._flash.isActive():
            self.stack.draw_changed()
        self.panel.show_time()

    def _on_click(self, viewer: Any, event: Any) -> Any:
        """A click that is no drag selects the cell under it; with Shift it picks a child."""
        if event.button != 1:
            return
        yield
        if event.type == "mouse_move":
            return  # napari pans
        row = self.stack.row_at(event)
        if "Shift" in event.modifiers:
            if row >= 0:
                try:
                    self.opened.pick_target(row)
                except PintrackError as error:
                    self.say(str(error), bad=True)
                self.show_selection()
        else:
            self.select(row)

    def _answer(self, do: Callable[[], Update | None]) -> None:
        """Do something that answers a suggestion; then go to the next one."""
        asked = self.opened.selection >= 0 and self.opened.selection == self.opened.suggestions.current
        if self.act(do) and asked:
            self._heed()
            self.next()

    def _save_quietly(self) -> None:
        if self.opened.file.unsaved:
            self.save()


def _done(step: Step) -> str:
    """What a step did, in words."""
    if step.added:
        return meaning(step.added[-1])
    if step.removed:
        return f"no longer {meaning(step.removed[-1])}"
    name, _, after = step.numbers[-1]
    return f"{name} = {after:.3g}"


def _timer(interval_ms: int, do: Callable[[], None]) -> QTimer:
    timer = QTimer()
    timer.setSingleShot(True)
    timer.setInterval(interval_ms)
    timer.timeout.connect(do)
    return timer


def _as_key(action: Callable[[], None]) -> Callable[[Any], None]:
    def pressed(provider: Any = None) -> None:
        action()

    return pressed
