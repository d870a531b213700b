"""The viewer, driven by real key and mouse events on a real (virtual) screen."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from session_cases import links_of
from viewer_cases import NAPARI_WARNS, write_cells

from tracker.pin_table import PinRow, meaning
from tracker.pins import read_pin_rows
from tracker.view.proofreading import Proofreading

pytestmark = NAPARI_WARNS


def shown_links(window: Any) -> set[tuple[int, int, int]]:
    """(track, step, next step) of the lines on the screen, and (track, -1, mother) of the forks."""
    data = window.stack.tracks.data
    same = data[1:, 0] == data[:-1, 0]
    lines = {tuple(map(int, (a[0], a[1], b[1]))) for a, b in zip(data[:-1][same], data[1:][same], strict=True)}
    forks = {(int(one), -1, int(mother)) for one, (mother,) in window.stack.tracks.graph.items()}
    assert {one for one, _, _ in forks} == set(window.stack.forks.data[:, 0].astype(int)) - {0}
    return lines | forks


def shown_pixels(window: Any) -> np.ndarray:
    """Track numbers of the masks of the frame that is shown."""
    return np.asarray(window.stack.cells.data[int(window.viewer.dims.current_step[0])])


def test_keys_pin_undo_and_save(opening: Any, tmp_path: Path) -> None:
    hands = opening(tmp_path / "pins.csv")
    window, opened = hands.window, hands.window.opened
    before, lines = links_of(opened.lineage), shown_links(window)
    hands.press("N")
    row = opened.suggestions.current
    assert opened.selection == row
    assert window.viewer.dims.current_step[0] == opened.session.inputs.detections.step[row]
    assert window.stack.camera.center[-2:] == pytest.approx(tuple(opened.session.inputs.detections.position[row]))
    first = opened.way
    assert first.chosen

    hands.press("F")  # forbid what it does
    assert len(opened.pins) == 1
    assert opened.pins[0].value is False
    assert links_of(opened.lineage) != before
    assert shown_links(window) != lines
    assert meaning(opened.pins[0]) in window.panel.message.text()
    assert window.panel.pins.count() == 1
    assert len(window.stack.changed.data) > 0  # flashes
    here = shown_pixels(window)
    assert set(np.unique(here)) - {0} == set(
        opened.track[opened.session.inputs.detections.step == window.viewer.dims.current_step[0]]
    ) - {0}

    hands.press("U")
    assert links_of(opened.lineage) == before
    assert shown_links(window) == lines
    hands.press("Shift+U")
    assert len(opened.pins) == 1
    hands.press("Ctrl+Z")
    assert opened.pins == []

    hands.press("1")  # what it does is right: all children; then the next question comes by itself
    assert opened.pins[0].kind == "children"
    assert opened.selection != row
    assert opened.selection == opened.suggestions.current
    hands.press("Down", "L")  # the second way, pinned
    assert len(opened.pins) == 2
    assert meaning(opened.pins[1]) in window.panel.message.text()
    hands.press("Shift+N")
    assert opened.selection == row
    assert not (tmp_path / "pins.csv").exists()
    hands.press("S")
    assert read_pin_rows([tmp_path / "pins.csv"]) == opened.pins
    assert "saved 2 pins" in window.panel.message.text()


def test_reopening_shows_the_same(opening: Any, tmp_path: Path) -> None:
    hands = opening(tmp_path / "pins.csv")
    hands.press("N", "1", "N", "N", "F", "U", "N", "C")
    opened = hands.window.opened
    state = list(opened.pins), links_of(opened.lineage), opened.session.objective
    assert len(opened.pins) == 2
    again = opening(tmp_path / "pins.csv")  # closes the first, which saves
    opened = again.window.opened
    assert (list(opened.pins), links_of(opened.lineage)) == state[:2]
    assert opened.session.objective == pytest.approx(state[2])
    assert again.window.panel.pins.count() == 2
    assert read_pin_rows([tmp_path / "pins.csv"]) == opened.pins
    again.press("U", "U")
    assert opened.pins == []


def test_clicks_select_and_pick(opening: Any, tmp_path: Path) -> None:
    hands = opening(tmp_path / "pins.csv")
    window, opened = hands.window, hands.window.opened
    found = opened.session.inputs.detections
    window.viewer.reset_view()
    hands.click(2)
    assert opened.selection == 2
    assert len(window.stack.ways.data) > 0
    assert "chosen" in "".join(window.stack.way_ends.features["text"])
    hands.press("C")
    assert opened.pins[0].keys[0] == (int(found.frame[2]), int(found.label[2]))
    hands.press("Delete")
    assert opened.pins == []
    window.viewer.dims.set_current_step(0, 1)
    other = int(
        np.flatnonzero(
            (found.step == 1)
            & ~np.isin(np.arange(len(found)), opened.lineage.links[opened.lineage.links[:, 0] == 2, 1])
        )[0]
    )
    hands.click(other, shift=True)
    assert opened.targets == [other]
    hands.press("L")
    assert [2, other] in opened.lineage.links.tolist()
    hands.click(int(np.flatnonzero(found.step == 1)[0]))
    assert opened.targets == []


def test_a_contradiction_is_told_and_changes_nothing(opening: Any, tmp_path: Path) -> None:
    hands = opening(tmp_path / "pins.csv")
    window, opened = hands.window, hands.window.opened
    hands.press("N", "C", "Shift+N")
    row = opened.suggestions.current
    window.go_to(row)
    lines = shown_links(window)
    hands.press("R")
    assert "a rejected detection has no part in a lineage" in window.panel.message.text()
    assert window.panel.conflicts.count() == 1
    assert len(opened.pins) == 1
    assert shown_links(window) == lines


def test_sliders_solve_again_and_are_undone(opening: Any, tmp_path: Path) -> None:
    from qtpy.QtCore import QPoint, QPointF, Qt
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QApplication

    hands = opening(tmp_path / "pins.csv")
    window, opened = hands.window, hands.window.opened
    name = next(iter(opened.numbers))
    slider = window.panel.sliders.sliders[name]
    objective, place = opened.session.objective, slider.value()
    slider.setValue(place + 50)
    assert opened.numbers[name] == pytest.approx(window.panel.sliders.value_at(name, place + 50))
    assert opened.session.objective != objective
    hands.press("U")
    assert opened.numbers == opened.initial_numbers
    assert slider.value() == place
    wheel = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(slider, wheel)  # scrolls the list
    assert opened.numbers == opened.initial_numbers
    before = links_of(opened.lineage)
    assert any(step < 0 for _, step, _ in shown_links(window))
    window.act(lambda: opened.set_number("costs.division", 1e3))
    window.settle()
    assert not any(step < 0 for _, step, _ in shown_links(window))  # no division is left to draw
    hands.press("U")
    assert links_of(opened.lineage) == before
    assert any(step < 0 for _, step, _ in shown_links(window))


def test_the_tree_shows_the_lineage_and_is_clicked(opening: Any, tmp_path: Path) -> None:
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    hands = opening(tmp_path / "pins.csv")
    window, opened = hands.window, hands.window.opened
    mother, one, other = opened.lineage.divisions[0].tolist()
    window.go_to(mother)
    tree = window.panel.tree
    tracks = [branch.track for branch in tree._branches]
    assert {opened.track[mother], opened.track[one], opened.track[other]} <= set(tracks)
    branch = next(branch for branch in tree._branches if branch.track == opened.track[other])
    place = tree.place_of(branch, float(opened.session.inputs.detections.step[branch.rows[-1]]))
    QTest.mouseClick(tree, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert opened.selection == branch.rows[-1]


def test_volumes(opening: Any, tmp_path: Path) -> None:
    config = write_cells(tmp_path / "volume", volume=True)
    hands = opening(tmp_path / "pins.csv", config)
    window, opened = hands.window, hands.window.opened
    before = links_of(opened.lineage)
    hands.press("N")
    place = opened.session.inputs.detections.position[opened.selection]
    assert window.viewer.dims.point[1] == pytest.approx(place[0], abs=0.5)
    assert np.allclose(window.stack.selected.data[0, 0], window.viewer.dims.point[1])
    hands.click(opened.selection)
    assert opened.selection == opened.suggestions.current
    window.viewer.dims.ndisplay = 3
    assert window.stack.selected.data[0] == pytest.approx(place)
    hands.press("F")
    assert links_of(opened.lineage) != before
    hands.press("U")
    assert links_of(opened.lineage) == before
    window.viewer.dims.ndisplay = 2


def test_pins_of_others_are_listed_apart(opening: Any, tmp_path: Path, cells: Any) -> None:
    probe = Proofreading(cells, tmp_path / "probe.csv")
    (mother, child) = probe.lineage.links[0].tolist()
    keys = tuple(
        (int(probe.session.inputs.detections.frame[row]), int(probe.session.inputs.detections.label[row]))
        for row in (mother, child)
    )
    probe.close()
    from tracker.pins import write_pins

    write_pins(tmp_path / "fixed.csv", [PinRow("link", keys, True)])
    annotations = cells.annotations.model_copy(update={"pins": (str(tmp_path / "fixed.csv"),)})
    hands = opening(tmp_path / "pins.csv", cells.model_copy(update={"annotations": annotations}))
    panel = hands.window.panel
    assert panel.pins.count() == 1
    assert "of another file" in panel.pins.item(0).text()
    panel.pins.setCurrentRow(0)
    panel.take_away.click()
    assert "choose a pin of this file" in panel.message.text()
