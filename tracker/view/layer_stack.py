"""The layers of the viewer, kept as the lineage, the selection and the frame have it."""

from typing import Any

import numpy as np
from napari import Viewer
from numpy.typing import NDArray

from tracker.reading import image_frames
from tracker.view.colours import LineColours, label_colormap, track_rgba
from tracker.view.frames import LazyFrames, contrast_of, track_masks
from tracker.view.layers import cell_spacing, doubt_sizes, forks_metadata, tracks_layer, tracks_metadata, ways_layer
from tracker.view.proofreading import Proofreading, Update

FLASH_STEPS = 14
_THIN, _LINE, _BOLD = 0.025, 0.05, 0.06  # widths of rings and lines, in distances between neighbours


class LayerStack:
    """The layers on a napari viewer.

    image; cells: masks coloured by track; tracks: lines; divisions: from mothers to daughters; doubt: a ring per
    detection, larger where the margin is smaller; ways: candidates of the selection, costs: their texts; selected;
    changed: what the last step moved, flashing. In a volume of which one plane is shown, all but image, cells and
    tracks are drawn in that plane.
    """

    def __init__(self, viewer: Viewer, opened: Proofreading) -> None:
        """Add all layers."""
        self.viewer, self.opened = viewer, opened
        self.spacing = cell_spacing(opened.lineage)
        self.rgba = track_rgba(opened.parent_tracks)
        self._detections = opened.session.inputs.detections
        self._changed_rows = np.empty(0, np.int64)
        self._flash_left = 0
        before = set(viewer.layers)
        self._add()
        self.layers = [layer for layer in viewer.layers if layer not in before]

    def _add(self) -> None:
        viewer, opened, found = self.viewer, self.opened, self._detections
        inputs, ndim = opened.session.inputs, found.ndim
        scale = (1.0, *found.scale)
        if inputs.images is not None:
            frames = LazyFrames(inputs.images, image_frames(inputs.images, inputs.masks, found.frames))
            viewer.add_image(
                frames, name="image", scale=scale, contrast_limits=contrast_of(frames), gamma=0.7, multiscale=False
            )
        self.cells = None
        if inputs.masks is not None:
            self._masks = track_masks(inputs.masks, found, lambda: opened.track)
            self.cells = viewer.add_labels(
                self._masks, name="cells", scale=scale, opacity=0.45, multiscale=False,
                colormap=label_colormap(self.rgba),
            )  # fmt: skip
            self.cells.editable = False
        lines = tracks_layer(opened.lineage, opened.track)
        drawn: dict[str, Any] = {
            "tail_length": 8, "tail_width": 3, "blending": "translucent",
            "colormaps_dict": {"track_id": LineColours(self.rgba)},
        }  # fmt: skip
        # napari draws a graph, too, but takes long to; its graph is for saving, and follows when there is time.
        self._graph = lines.graph
        metadata = tracks_metadata(opened.lineage)
        self.tracks = viewer.add_tracks(lines.data, graph=lines.graph, name="tracks", metadata=metadata, **drawn)
        self.tracks.display_graph = False
        self.forks = viewer.add_tracks(lines.forks, name="divisions", metadata=forks_metadata(), **drawn)
        rings: dict[str, Any] = {
            "ndim": ndim, "face_color": "transparent",
            "border_width_is_relative": False, "border_width": _THIN * self.spacing,
        }  # fmt: skip
        bold = rings | {"border_width": _BOLD * self.spacing}
        nowhere = np.empty((0, ndim))
        self.doubt = viewer.add_points(nowhere, name="doubt", border_color="white", **rings)
        self.ways = viewer.add_vectors(
            np.empty((0, 2, ndim)), name="ways", ndim=ndim, vector_style="line", opacity=1.0,
            edge_width=_LINE * self.spacing,
        )  # fmt: skip
        self.way_ends = viewer.add_points(
            nowhere, name="costs", border_color="white", size=self.spacing * 0.12,
            text={"string": "{text}", "size": 10, "color": "white", "anchor": "upper_left"},
            features={"text": np.empty(0, str)}, **rings,
        )  # fmt: skip
        self.selected = viewer.add_points(nowhere, name="selected", border_color="#ffd933", symbol="square", **bold)
        self.changed = viewer.add_points(nowhere, name="changed", border_color="#ffffff", **bold)
        for layer in (self.doubt, self.ways, self.way_ends, self.selected, self.changed):
            layer.editable = False
        viewer.layers.selection.active = self.tracks
        viewer.dims.axis_labels = ("t", *("z", "y", "x")[-ndim:])
        viewer.dims.set_current_step(0, 0)
        self.show_doubt()

    def show_lineage(self) -> None:
        """Tracks and masks as the lineage has them now."""
        rgba = track_rgba(self.opened.parent_tracks)
        if self.cells is not None:
            if np.array_equal(rgba, self.rgba):
                self.cells.refresh(extent=False)
            else:
                self.cells.colormap = label_colormap(rgba)  # draws anew, too
        self.rgba = rgba
        lines = tracks_layer(self.opened.lineage, self.opened.track)
        self._graph = lines.graph
        for layer, data in ((self.tracks, lines.data), (self.forks, lines.forks)):
            layer.colormaps_dict = {"track_id": LineColours(rgba)}
            layer.data = data

    def show_graph(self) -> None:
        """Tell napari which track comes from which, as it saves them."""
        if self.tracks.graph != self._graph:
            self.tracks.graph = self._graph

    def show_changed(self, update: Update) -> None:
        """Begin to flash what a step changed; `fade` goes on."""
        self._changed_rows = update.rows
        self._flash_left = FLASH_STEPS
        self.draw_changed()
        self.fade()

    def draw_changed(self) -> None:
        """Rings around what changed, in the frame that is shown."""
        rows = self._changed_rows[self._detections.step[self._changed_rows] == self._step()]
        self._put(self.changed, rows, np.full(len(rows), 1.0 * self.spacing))

    def fade(self) -> bool:
        """One step of two waves of light; whether there are more."""
        self._flash_left -= 1
        share = self._flash_left / FLASH_STEPS
        self.changed.opacity = float(abs(np.sin(2 * np.pi * share))) * 0.9 if share > 0 else 0.0
        if self._flash_left <= 0:
            self._changed_rows = np.empty(0, np.int64)
            self.draw_changed()
        return self._flash_left > 0

    def show_doubt(self) -> None:
        """Rings of the frame that is shown."""
        rows = np.flatnonzero((self._detections.step == self._step()) & self.opened.lineage.selected)
        self._put(self.doubt, rows, doubt_sizes(self.opened.suggestions.out[rows], self.spacing))

    def show_selection(self) -> None:
        """The selection, its targets, its ways."""
        opened, row = self.opened, self.opened.selection
        rows = np.array([row] if row >= 0 else [], np.int64)
        targets = np.array(opened.targets, np.int64)
        here = np.concatenate([rows, targets])
        self._put(self.selected, here, np.where(here == row, 1.0, 0.7) * 0.75 * self.spacing)
        if row < 0:
            _set_data(self.ways, np.empty((0, 2, self._detections.ndim)))
            _set_data(self.way_ends, np.empty((0, self._detections.ndim)))
        else:
            shown = ways_layer(opened)
            lines = shown.lines.copy()
            self._flatten(lines[:, 0])
            if self.is_flat():
                lines[:, 1, :-2] = 0.0
            _set_data(self.ways, lines)
            if len(lines):
                self.ways.edge_color = shown.colour
            places = self._flatten(shown.places.copy())
            _set_data(self.way_ends, places)
            self.way_ends.features = {"text": np.array(shown.texts, dtype=object)}

    def _put(self, layer: Any, rows: NDArray[np.int64], size: NDArray[np.float64]) -> None:
        """Rings around detections, in the plane that is shown."""
        _set_data(layer, self._flatten(self._detections.position[rows].copy()))
        if len(rows):
            layer.size = size

    @property
    def camera(self) -> Any:
        """Where the viewer looks; since napari 0.9 it belongs to the scene."""
        scene = getattr(self.viewer, "scene", None)
        return self.viewer.camera if scene is None else scene.camera

    def canvas_size(self) -> tuple[int, int]:
        """Height and width of the canvas in pixels of the screen."""
        height, width = self.viewer.window._qt_viewer.canvas.size
        return int(height), int(width)

    def draw_now(self) -> None:
        """Draw the canvas at once, before Qt turns to what else it has to do."""
        self.viewer.window._qt_viewer.canvas.native.repaint()

    def is_flat(self) -> bool:
        """Whether one plane of a volume is shown."""
        return self._detections.ndim == 3 and self.viewer.dims.ndisplay == 2

    def _flatten(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions in a volume of which one plane is shown are drawn in that plane."""
        if self.is_flat():
            places[:, 0] = self.viewer.dims.point[1]
        return places

    def _step(self) -> int:
        return int(self.viewer.dims.current_step[0])

    def row_at(self, event: Any) -> int:
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
        return int(rows[np.argmin(distance)]) if len(rows) and distance.min() < 0.5 * self.spacing else -1


def _set_data(layer: Any, data: NDArray[np.float64]) -> None:
    """New marks. They lie within the tracks: the viewer is not told, or it would measure all layers again."""
    if len(data) or len(layer.data):
        with layer.events.data.blocker():
            layer.data = data
