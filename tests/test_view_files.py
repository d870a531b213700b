"""What napari saves, images and layers that a viewer may lack, how windows end, the widget of the plugin."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from viewer_cases import NAPARI_WARNS

from tracker.errors import InputError, OutputError
from tracker.load_result import load_result
from tracker.pins import read_pin_rows

pytestmark = NAPARI_WARNS


def test_napari_saves_the_tracks_as_they_are(opening: Any, tmp_path: Path, cells: Any) -> None:
    data = cells.data.model_copy(update={"every": 2, "scale": (0.5, 0.25), "unit": "um"})
    hands = opening(tmp_path / "pins.csv", cells.model_copy(update={"data": data}))
    window, opened = hands.window, hands.window.opened
    window.viewer.dims.set_current_step(0, 1)
    assert window.panel.time.text() == "t = 2 (frame 2 of 3)"
    (written,) = window.stack.tracks.save(str(tmp_path / "mine.geff"), plugin="pintrack")
    again, lineage = load_result(written).lineage, opened.lineage
    assert again.detections.frames.tolist() == [0, 2, 4]
    assert again.detections.scale.tolist() == [0.5, 0.25]
    assert again.detections.unit == "um"

    def places(one: Any) -> Any:
        found = one.detections
        named = [(int(t), *place) for t, place in zip(found.frame, found.position.tolist(), strict=True)]
        return {tuple(named[row] for row in link) for link in one.links}, len(one.divisions)

    assert places(again) == places(lineage)
    window.viewer.layers.selection = {window.stack.cells, window.stack.tracks}
    (folder,) = window.viewer.layers.save(str(tmp_path / "mine_RES"), selected=True, plugin="pintrack")
    masks = load_result(folder)
    assert masks.masks.frames.tolist() == [0, 2, 4]
    assert len(masks.lineage.divisions) == len(lineage.divisions)
    with pytest.raises(InputError, match="save the layer 'tracks'"):
        window.stack.forks.save(str(tmp_path / "forks.geff"), plugin="pintrack")


def test_images_that_count_from_one_lie_below_their_masks(opening: Any, tmp_path: Path, cells: Any) -> None:
    """`track run` pairs them by order, where the numbers differ."""
    (tmp_path / "images").mkdir()
    paths = sorted(Path(cells.data.images).glob("*.tif"))
    for number, path in enumerate(paths, start=1):
        shutil.copy(path, tmp_path / "images" / f"t{number:03}.tif")
    data = cells.data.model_copy(update={"images": str(tmp_path / "images")})
    window = opening(tmp_path / "pins.csv", cells.model_copy(update={"data": data})).window
    for step in (0, len(paths) - 1):
        assert np.array_equal(window.viewer.layers["image"].data[step], tifffile.imread(paths[step]))


def test_layers_that_were_thrown_away_are_not_missed(opening: Any, tmp_path: Path) -> None:
    hands = opening(tmp_path / "pins.csv")
    window, opened = hands.window, hands.window.opened
    for layer in (window.stack.tracks, window.stack.doubt, window.stack.ways, window.stack.cells, window.stack.changed):
        window.viewer.layers.remove(layer)
    hands.press("N", "F", "U", "1")
    assert len(opened.pins) == 1
    window.viewer.dims.set_current_step(0, 0)
    window.viewer.reset_view()
    hands.click(2)
    assert opened.selection == 2
    hands.press("S")
    assert read_pin_rows([tmp_path / "pins.csv"]) == opened.pins


def test_a_window_that_was_left_acts_no_more(opening: Any, viewer: Any, tmp_path: Path) -> None:
    hands = opening(tmp_path / "pins.csv")
    window, opened = hands.window, hands.window.opened
    hands.press("N", "1")
    window.close()
    journal = opened.file.journal.read_bytes()
    hands.press("U", "N", "F", "S")
    assert len(opened.pins) == 1
    assert opened.file.journal.read_bytes() == journal
    window.leave()
    assert not viewer.layers
    assert "pintrack" not in viewer.window.dock_widgets


def test_the_plugin_opens_a_config_in_place_of_the_one_before(viewer: Any, cells: Any, tmp_path: Path) -> None:
    from tracker.view.plugin_widget import OpenConfig

    viewer.layers.clear()
    viewer.window._qt_window.show()
    place, widget = tmp_path / "config.toml", OpenConfig(viewer)
    place.write_text(f'[data]\nsegmentation = "{cells.data.segmentation}"\n[costs]\npreset = "attrackt"\n')
    widget.open(place)
    assert widget.message.text() == "config.toml is open; pins go to config_pins.csv"
    names = [layer.name for layer in viewer.layers]
    widget.open(place)  # the same pins again: the first window let them go
    assert [layer.name for layer in viewer.layers] == names
    place.write_text("[data]\nsegmentation = 'nowhere'\n")
    widget.open(place)
    assert "nowhere" in widget.message.text()
    assert not viewer.layers


def test_pins_that_cannot_be_saved_at_the_end_are_said_and_kept(
    opening: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tracker.view import application

    hands = opening(tmp_path / "pins.csv")
    opened = hands.window.opened
    hands.press("N", "1")

    def full(*given: object, **named: object) -> None:
        raise OutputError("pins.csv cannot be written: no space left on device")

    monkeypatch.setattr("tracker.view.pin_file.write_pins", full)
    monkeypatch.setattr(application.napari, "run", lambda: None)
    with pytest.raises(OutputError, match=r"no space left .*\.pins\.csv\.journal keeps the changes for the next"):
        application.show_until_closed(hands.window)
    monkeypatch.undo()
    again = opening(tmp_path / "pins.csv").window.opened
    assert again.file.recovered
    assert again.pins == opened.pins != []
