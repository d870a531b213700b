"""The napari window on a lineage that is being corrected: layers that follow, keys that act, cells that are clicked."""

from collections.abc import Callable
from typing import Any

import numpy as np
from napari import Viewer
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from tracker.errors import PintrackError
from tracker.pin_table import meaning
from tracker.view.frames import LazyFrames, contrast_of, track_masks
from tracker.view.keys import DIGITS, KEYS
from tracker.view.layers import cell_spacing, doubt_sizes, track_rgba, tracks_layer, ways_layer
from tracker.view.panel import Panel
from tracker.view.proofreading import Proofreading, Update
from tracker.view.ways import key_of

AUTOSAVE_MS, FLASH_STEP_MS, FLASH_STEPS = 2000, 60, 14
_ZOOM_NEIGHBOURS = 12  # a suggestion is shown with so many distances of neighbours across the view


class _ColourOfTrack:
    """What the tracks layer asks for colours: (n,) track numbers -> (n, 4)."""

    def __init__(self, table: NDArray[np.float64]) -> None:
        self._table = table

    def map(self, track: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._table[np.asarray(track, np.int64)]


class Window:
    """Ties a `Proofreading` to a napari viewer.

    Layers: image, cells (masks coloured by track), tracks, doubt (a ring per detection, larger where the margin is
    smaller), ways (candidates of the selection), changed (what the last step moved).
    """

    def __init__(self, viewer: Viewer, opened: Proofreading) -> None:
        """Add the layers and the panel, bind the keys."""
        self.viewer, self.opened = viewer, opened
        self._closed = False
        self._spacing = cell_spacing(opened.lineage)
        self._detections = opened.session.inputs.detections
        self._rgba = track_rgba(opened)
        self._add_layers()
        self.panel = Panel(self)
        self._dock = viewer.window.add_dock_widget(self.panel, name="pintrack", area="right")
        self._autosave = _timer(AUTOSAVE_MS, self._save_quietly)
        self._later = _timer(0, self._catch_up)
        self._flash = QTimer()
        self._flash.setInterval(FLASH_STEP_MS)
        self._flash.timeout.connect(self._fade)
        self._flash_left = 0
        self._pending: list[NDArray[np.int64]] = []
        self._bind()
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.dims.events.ndisplay.connect(self._show_selection)
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
        self._show_selection()

    def turn_up(self) -> None:
        """Highlight the way before."""
        self.opened.turn(-1)
        self._show_selection()

    def save(self) -> None:
        """Save the pins."""
        try:
            others = self.opened.save()
        except PintrackError as error:
            self.say(str(error), bad=True)
        else:
            count = len(self.opened.pins)
            more = f"; {len(others)} rows of others in it are heeded when you open it again" if others else ""
            self.say(f"saved {count} pin{'s' * (count != 1)} to {self.opened.file.path}{more}")
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
        self._show_lineage()
        self._show_changed(update)
        history = self.opened.file.kept.history
        last = history.done[-1] if history.done else None
        pin = "" if last is None or not last.added else f"{meaning(last.added[-1])}: "
        changed = len(update.change.added) + len(update.change.removed)
        self.say(f"{pin}{changed} links changed, {1000 * update.seconds:.0f} ms")
        self._pending.append(update.links)
        self._later.start()
        self._autosave.start()

    def go_to(self, row: int) -> None:
        """Select a detection, and show it."""
        place = self._detections.position[row]
        self.viewer.dims.set_current_step(0, int(self._detections.step[row]))
        if len(place) == 3 and self.viewer.dims.ndisplay == 2:
            self.viewer.dims.set_point(1, float(place[0]))
        self.viewer.camera.center = tuple(place) if self.viewer.dims.ndisplay == 3 else (0.0, *place[-2:])
        height, width = self._canvas_size()
        self.viewer.camera.zoom = min(height, width) / (_ZOOM_NEIGHBOURS * self._spacing)
        self.select(row)

    def select(self, row: int) -> None:
        """Look at a detection; -1 at none."""
        self.opened.select(row)
        self._show_selection()

    def settle(self) -> None:
        """Do now what waits for Qt to be idle."""
        if self._later.isActive():
            self._later.stop()
            self._catch_up()

    def say(self, message: str, *, bad: bool = False) -> None:
        """A message in the panel and the status bar."""
        self.panel.say(message, bad=bad)
        self.viewer.status = message

    def close(self) -> None:
        """Save, and let others open the file. Layers stay."""
        if self._closed:
            return
        self._closed = True
        for timer in (self._autosave, self._later, self._flash):
            timer.stop()
        self.viewer.dims.events.current_step.disconnect(self._on_step)
        self.viewer.dims.events.ndisplay.disconnect(self._show_selection)
        self.viewer.mouse_drag_callbacks.remove(self._on_click)
        self.opened.close()

    # Inside --------------------------------------------------------------------------------------------------------

    def _add_layers(self) -> None:
        viewer, opened, found = self.viewer, self.opened, self._detections
        inputs, ndim = opened.session.inputs, found.ndim
        scale = (1.0, *found.scale)
        if inputs.images is not None:
            frames = LazyFrames(inputs.images, found.frames)
            viewer.add_image(
                frames, name="image", scale=scale, contrast_limits=contrast_of(frames), gamma=0.7, multiscale=False
            )
        self.cells = None
        if inputs.masks is not None:
            self._masks = track_masks(inputs.masks, found, lambda: opened.track)
            self.cells = viewer.add_labels(
                self._masks, name="cells", scale=scale, opacity=0.45, multiscale=False, colormap=self._colormap()
            )
            self.cells.editable = False
        lines = tracks_layer(opened.lineage, opened.track)
        self.tracks = viewer.add_tracks(
            lines.data, graph=lines.graph, name="tracks", tail_length=8, tail_width=3, blending="translucent",
            colormaps_dict={"track_id": _ColourOfTrack(self._rgba)},
        )  # fmt: skip
        rings: dict[str, Any] = {
            "ndim": ndim, "face_color": "transparent", "out_of_slice_display": ndim == 3, "border_width_is_relative": False,
        }  # fmt: skip
        nowhere = np.empty((0, ndim))
        self.doubt = viewer.add_points(nowhere, name="doubt", border_color="white", **rings)
        self.ways = viewer.add_vectors(np.empty((0, 2, ndim)), name="ways", ndim=ndim, vector_style="line", opacity=1.0)
        self.way_ends = viewer.add_points(
            nowhere, name="costs", border_color="white", size=self._spacing * 0.12,
            text={"string": "{text}", "size": 10, "color": "white", "anchor": "upper_left"}, features={"text": np.empty(0, str)},
            **rings,
        )  # fmt: skip
        self.selected = viewer.add_points(nowhere, name="selected", border_color="#ffd933", symbol="square", **rings)
        self.changed = viewer.add_points(nowhere, name="changed", border_color="#ffffff", **rings)
        for layer in (self.doubt, self.ways, self.way_ends, self.selected, self.changed):
            layer.editable = False
        viewer.layers.selection.active = self.tracks if self.cells is None else self.cells
        viewer.dims.axis_labels = ("t", *("z", "y", "x")[-ndim:])
        viewer.dims.set_current_step(0, 0)
        self._show_doubt()

    def _colormap(self) -> DirectLabelColormap:
        colours: dict[int | None, Any] = dict(enumerate(self._rgba))
        return DirectLabelColormap(color_dict={**colours, None: np.zeros(4)})

    def _bind(self) -> None:
        layers = [self.viewer, *self.viewer.layers]
        actions = [(name, getattr(self, key.action)) for key in KEYS for name in key.names]
        actions += [(digit, lambda digit=digit: self.choose(int(digit))) for digit in DIGITS]
        for provider in layers:  # the active layer is asked before the viewer
            for name, action in actions:
                provider.bind_key(name, _as_key(action), overwrite=True)

    def _show_lineage(self) -> None:
        rgba = track_rgba(self.opened)
        if self.cells is not None:
            if not np.array_equal(rgba, self._rgba):
                self._rgba = rgba
                self.cells.colormap = self._colormap()
            self.cells.refresh()
        self._rgba = rgba
        lines = tracks_layer(self.opened.lineage, self.opened.track)
        self.tracks.colormaps_dict = {"track_id": _ColourOfTrack(rgba)}
        self.tracks.data = lines.data
        self.tracks.graph = lines.graph

    def _show_changed(self, update: Update) -> None:
        self._changed_rows = update.rows
        self._flash_left = FLASH_STEPS
        self._draw_changed()
        self._fade()
        self._flash.start()

    def _draw_changed(self) -> None:
        rows = self._changed_rows[self._detections.step[self._changed_rows] == self._step()]
        self._put(self.changed, rows, np.full(len(rows), 1.0 * self._spacing), 0.06)

    def _fade(self) -> None:
        """Two waves of light, then nothing."""
        self._flash_left -= 1
        share = self._flash_left / FLASH_STEPS
        self.changed.opacity = float(abs(np.sin(2 * np.pi * share))) * 0.9 if share > 0 else 0.0
        if self._flash_left <= 0:
            self._flash.stop()
            self._put(self.changed, np.empty(0, np.int64), np.empty(0), 0.06)

    def _catch_up(self) -> None:
        for links in self._pending:
            self.opened.suggestions.changed(links)
        self._pending.clear()
        self._show_doubt()
        self._show_selection()
        self.panel.show_all()

    def _show_doubt(self) -> None:
        rows = np.flatnonzero((self._detections.step == self._step()) & self.opened.lineage.selected)
        self._put(self.doubt, rows, doubt_sizes(self.opened.suggestions.out[rows], self._spacing), 0.025)

    def _show_selection(self, event: object = None) -> None:
        opened, row = self.opened, self.opened.selection
        rows = np.array([row] if row >= 0 else [], np.int64)
        targets = np.array(opened.targets, np.int64)
        here = np.concatenate([rows, targets])
        self._put(self.selected, here, np.where(here == row, 1.0, 0.7) * 0.75 * self._spacing, 0.05)
        if row < 0:
            self.ways.data = np.empty((0, 2, self._detections.ndim))
            self.way_ends.data = np.empty((0, self._detections.ndim))
        else:
            shown = ways_layer(opened)
            lines = shown.lines.copy()
            self._flatten(lines[:, 0])
            if self._is_flat():
                lines[:, 1, :-2] = 0.0
            self.ways.data = lines
            if len(lines):
                self.ways.edge_color = shown.colour
                self.ways.edge_width = 0.05 * self._spacing
            places = self._flatten(shown.places.copy())
            self.way_ends.data = places
            self.way_ends.features = {"text": np.array(shown.texts, dtype=object)}
            self.way_ends.border_width = 0.025 * self._spacing
        self.panel.show_selection()

    def _put(self, layer: Any, rows: NDArray[np.int64], size: NDArray[np.float64], width: float) -> None:
        """Rings around detections, in the plane that is shown."""
        layer.data = self._flatten(self._detections.position[rows].copy())
        if len(rows):
            layer.size = size
            layer.border_width = width * self._spacing

    def _is_flat(self) -> bool:
        return self._detections.ndim == 3 and self.viewer.dims.ndisplay == 2

    def _flatten(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions in a volume of which one plane is shown are drawn in that plane."""
        if self._is_flat():
            places[:, 0] = self.viewer.dims.point[1]
        return places

    def _step(self) -> int:
        return int(self.viewer.dims.current_step[0])

    def _on_step(self, event: object = None) -> None:
        self._show_doubt()
        if self._is_flat():
            self._show_selection()
        if self._flash.isActive():
            self._draw_changed()
        self.panel.show_time()

    def _on_click(self, viewer: Any, event: Any) -> Any:
        """A click that is no drag selects the cell under it; with Shift it picks a child."""
        if event.button != 1:
            return
        yield
        if event.type == "mouse_move":
            return  # napari pans
        row = self._row_at(event)
        if "Shift" in event.modifiers:
            if row >= 0:
                try:
                    self.opened.pick_target(row)
                except PintrackError as error:
                    self.say(str(error), bad=True)
                self._show_selection()
        else:
            self.select(row)

    def _row_at(self, event: Any) -> int:
        """The detection at a mouse event, -1 where there is none."""
        found, step = self._detections, self._step()
        rows = np.arange(*found.starts[[step, step + 1]])
        place = np.asarray(event.position)
        if self.viewer.dims.ndisplay == 3:
            if self.cells is None:
                return -1
            value = self.cells.get_value(
                event.position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
            )
            own = rows[self.opened.track[rows] == value] if value else rows[:0]
            return int(own[0]) if len(own) else -1
        if self.cells is not None:
            pixel = tuple(np.round(place[1:] / found.scale).astype(int))
            if any(not 0 <= one < extent for one, extent in zip(pixel, self._masks.shape[1:], strict=True)):
                return -1
            own = rows[found.label[rows] == self._masks.read(step)[pixel]]
            return int(own[0]) if len(own) else -1
        distance = np.linalg.norm((found.position[rows] - place[1:])[:, -2:], axis=1)
        return int(rows[np.argmin(distance)]) if len(rows) and distance.min() < 0.5 * self._spacing else -1

    def _answer(self, do: Callable[[], Update | None]) -> None:
        """Do something that answers a suggestion; then go to the next one."""
        asked = self.opened.selection >= 0 and self.opened.selection == self.opened.suggestions.current
        if self.act(do) and asked:
            self.settle()
            self.next()

    def _save_quietly(self) -> None:
        if self.opened.file.unsaved:
            self.save()

    def _canvas_size(self) -> tuple[int, int]:
        height, width = self.viewer.window._qt_viewer.canvas.size
        return int(height), int(width)


def name_of(window: Window, row: int) -> str:
    """A detection as messages call it."""
    return ":".join(map(str, key_of(window.opened.session.inputs.detections, row)))


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
