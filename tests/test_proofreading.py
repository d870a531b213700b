"""Correcting a lineage, without a window: pins, undo, suggestions, what is refused, what a crash leaves."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from session_cases import cold, content_of, links_of, write_cells
from view_cases import key, link_pin, open_cells, some_link

from tracker.errors import InputError, OutputError, PinConflictError
from tracker.pin_table import PinRow
from tracker.pins import append_pins, read_pin_rows, write_pins
from tracker.view.journal import journal_of
from tracker.view.proofreading import Proofreading


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("movie"))


def forbid_chosen(opened: Proofreading, place: int = 0) -> PinRow:
    """Forbid a link of the lineage with the keys' own means; returns the pin."""
    parent, child = some_link(opened, place)
    opened.select(parent)
    assert opened.way is not None
    assert opened.way.rows == (child,)
    assert opened.way.chosen
    update = opened.pin_way(False)
    assert update is not None
    assert [parent, child] in update.links.tolist()
    assert {parent, child} <= set(update.rows.tolist())
    return link_pin(opened, parent, child, False)


def same(one: Proofreading, other: Proofreading) -> None:
    """Two that show the same."""
    assert one.pins == other.pins
    assert one.numbers == other.numbers
    assert links_of(one.lineage) == links_of(other.lineage)
    assert one.file.kept.history == other.file.kept.history


def test_a_pin_moves_the_optimum_and_undo_moves_it_back(folder: Path, tmp_path: Path) -> None:
    opened = open_cells(folder, tmp_path / "pins.csv")
    before, objective, tracks = links_of(opened.lineage), opened.session.objective, opened.track
    pin = forbid_chosen(opened)
    after = links_of(opened.lineage)
    assert opened.pins == [pin]
    assert after != before
    assert after == cold(content_of(), folder, [pin], tmp_path)[1]
    assert opened.undo() is not None
    assert links_of(opened.lineage) == before
    assert opened.session.objective == pytest.approx(objective)
    assert opened.track.tolist() == tracks.tolist()
    assert opened.pins == []
    assert opened.redo() is not None
    assert links_of(opened.lineage) == after
    assert opened.redo() is None
    opened.undo()
    assert opened.undo() is None
    opened.close()


def test_undo_and_redo_of_a_large_change_give_every_track_its_number(folder: Path, tmp_path: Path) -> None:
    opened = open_cells(folder, tmp_path / "pins.csv")
    assert len(opened.lineage.divisions)
    seen = [opened.track.copy()]
    for name, value in (("costs.division", 1000.0), ("costs.appear", 0.0), ("costs.division", 0.0)):
        opened.set_number(name, value)
        seen.append(opened.track.copy())
    assert len({tuple(track) for track in seen}) > 2
    for _ in range(2):
        for wanted in seen[-2::-1]:
            opened.undo()
            assert opened.track.tolist() == wanted.tolist()
        for wanted in seen[1:]:
            opened.redo()
            assert opened.track.tolist() == wanted.tolist()
    opened.undo()
    forbid_chosen(opened)
    opened.undo()
    assert opened.track.tolist() == seen[2].tolist()
    opened.close()
    again = open_cells(folder, tmp_path / "pins.csv")  # numbers begin anew, and what is done again is as it was
    start = again.track.copy()
    again.undo()
    again.redo()
    assert again.track.tolist() == start.tolist()
    again.close()


def test_ways_are_priced_as_re_solving_says(folder: Path, tmp_path: Path) -> None:
    """`more` of every way is what demanding it adds to the optimum; a way out is demanded as all the children."""
    opened = open_cells(folder, tmp_path / "pins.csv")
    start = opened.session.objective
    opened.select(int(opened.lineage.divisions[0, 0]))
    ways = [way for way in opened.ways if way.more is not None and np.isfinite(way.more)]
    assert {way.side for way in ways} == {"out", "into"}
    assert {way.kind for way in ways} == {"link", "division", "end"}
    assert len(ways) > 5
    assert opened.ways[0].chosen
    assert opened.ways[0].kind == "division"
    for way in ways:
        if way.side == "into" and way.kind == "link":
            continue  # a pinned link may be one of two, which this way is not
        opened.highlight = opened.ways.index(way)
        update = opened.declare_children(way) if way.side == "out" else opened.pin_way(True)
        assert update is not None
        assert opened.session.objective - start == pytest.approx(way.more, abs=1e-6)
        assert any(one.pin == "forced" and (one.kind, one.rows) == (way.kind, way.rows) for one in opened.ways)
        opened.undo()
    opened.close()


def test_all_children_and_no_cell(folder: Path, tmp_path: Path) -> None:
    opened = open_cells(folder, tmp_path / "pins.csv")
    parent, child = some_link(opened)
    opened.select(parent)
    opened.declare_children()
    assert opened.pins == [PinRow("children", (key(opened, parent), key(opened, child)))]
    end = next(way for way in opened.ways if way.kind == "end" and way.side == "out")
    opened.declare_children(end)  # another answer takes the place of the first
    assert opened.pins == [PinRow("children", (key(opened, parent),))]
    assert child not in opened.lineage.links[opened.lineage.links[:, 0] == parent, 1]
    opened.take_away()
    assert opened.pins == []
    opened.reject()
    assert not opened.lineage.selected[parent]
    assert opened.track[parent] == 0
    with pytest.raises(InputError, match="a way into it"):
        opened.declare_children(next(way for way in opened.ways if way.side == "into"))
    opened.close()


def test_targets_make_links_that_were_no_candidates(folder: Path, tmp_path: Path) -> None:
    opened = open_cells(folder, tmp_path / "pins.csv")
    found = opened.session.inputs.detections
    graph, _, _ = opened.session.program
    parent = 0
    known = graph.links[graph.links[:, 0] == parent, 1]
    later = np.flatnonzero(found.step == 1)
    far = int(np.setdiff1d(later, known)[0])
    with pytest.raises(InputError, match="select a cell first"):
        opened.pick_target(far)
    opened.select(parent)
    with pytest.raises(InputError, match="must be later"):
        opened.pick_target(1)
    opened.pick_target(far)
    opened.pin_way(True)
    assert opened.pins == [link_pin(opened, parent, far, True)]
    assert [parent, far] in opened.lineage.links.tolist()
    opened.pick_target(int(known[0]))
    opened.declare_children()
    assert opened.lineage.n_children[parent] == 2
    opened.close()


def test_a_contradiction_is_refused_with_the_reason(folder: Path, tmp_path: Path) -> None:
    opened = open_cells(folder, tmp_path / "pins.csv")
    forbid_chosen(opened)
    before, pins = links_of(opened.lineage), list(opened.pins)
    parent, child = some_link(opened, 3)
    opened.select(parent)
    opened.reject()
    opened.select(child)
    opened.highlight = next(k for k, way in enumerate(opened.ways) if way.side == "into" and way.kind == "end")
    opened.pin_way(False)  # must have a parent
    kept = list(opened.pins), links_of(opened.lineage)
    opened.select(parent)
    opened.pick_target(child)
    with pytest.raises(PinConflictError, match="a rejected detection has no part in a lineage"):
        opened.pin_way(True)
    assert (list(opened.pins), links_of(opened.lineage)) == kept
    assert len(opened.conflicts) == 1
    assert "rejects" in opened.conflicts[0]
    opened.undo()
    opened.undo()
    assert (opened.pins, links_of(opened.lineage)) == (pins, before)
    opened.close()


def test_reopening_gives_the_same_state(folder: Path, tmp_path: Path) -> None:
    opened = open_cells(folder, tmp_path / "pins.csv")
    forbid_chosen(opened)
    forbid_chosen(opened, 2)
    opened.set_number("distance on link", 0.8)
    opened.set_number("costs.appear", 3.0)
    opened.undo()
    opened.close()
    assert read_pin_rows([tmp_path / "pins.csv"]) == opened.pins
    again = open_cells(folder, tmp_path / "pins.csv")
    same(opened, again)
    assert again.redo() is not None
    assert again.numbers["costs.appear"] == 3.0
    for _ in range(4):
        again.undo()
    assert again.pins == []
    assert again.numbers == again.initial_numbers
    again.close()


def test_a_crash_loses_nothing(folder: Path, tmp_path: Path) -> None:
    """A copy of what lies on disk at any time opens as what was shown; half a line is none."""
    opened = open_cells(folder, tmp_path / "pins.csv")
    for crash in range(3):
        if crash == 1:
            opened.save()
        if crash == 2:
            opened.undo()
        else:
            forbid_chosen(opened, crash)
        crashed = tmp_path / f"crash{crash}"
        crashed.mkdir()
        for path in (tmp_path / "pins.csv", journal_of(tmp_path / "pins.csv")):
            if path.exists():
                shutil.copy(path, crashed)
        with journal_of(crashed / "pins.csv").open("a") as journal:
            journal.write('{"event": "do", "step": {"added": [["li')
        again = open_cells(folder, crashed / "pins.csv")
        assert again.file.recovered == (again.pins != read_pin_rows([crashed / "pins.csv"]) if crash else True)
        same(opened, again)
        forbid_chosen(again, 5)  # writes behind the half line
        again.file.close()
        same(again, third := open_cells(folder, crashed / "pins.csv"))
        third.close()
    opened.close()


def test_others_may_write_the_file_meanwhile(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "pins.csv"
    opened = open_cells(folder, path)
    pin = forbid_chosen(opened)
    opened.save()
    other = link_pin(opened, *some_link(opened, 4), True)
    append_pins(path, [other])
    mine = forbid_chosen(opened, 2)
    assert opened.save() == [other]
    assert read_pin_rows([path]) == [pin, other, mine]
    assert opened.save() == [other]
    opened.close()
    again = open_cells(folder, path)
    assert again.pins == [pin, mine, other]
    again.close()
    write_pins(path, [mine], overwrite=True)
    again = open_cells(folder, path)
    assert again.pins == [mine]
    again.close()


def test_pins_of_other_files_stand(folder: Path, tmp_path: Path) -> None:
    probe = open_cells(folder, tmp_path / "probe.csv")
    fixed = link_pin(probe, *some_link(probe), False)
    probe.close()
    assert not journal_of(tmp_path / "probe.csv").exists()
    write_pins(tmp_path / "fixed.csv", [fixed])
    opened = open_cells(folder, tmp_path / "pins.csv", annotations={"pins": [str(tmp_path / "fixed.csv")]})
    assert opened.session.pins == (fixed,)
    assert opened.pins == []
    with pytest.raises(InputError, match="correct it in its own file"):
        opened.take_away([fixed])
    forbid_chosen(opened, 2)
    opened.close()
    assert fixed not in read_pin_rows([tmp_path / "pins.csv"])


def test_suggestions_ask_the_most_doubtful_and_not_again(folder: Path, tmp_path: Path) -> None:
    opened = open_cells(folder, tmp_path / "pins.csv")
    margins = opened.suggestions
    seen = []
    for _ in range(5):
        row = margins.next()
        assert margins.exact[row]
        opened.select(row)
        assert opened.ways[0].chosen
        others = [way.more for way in opened.ways if way.side == "out" and not way.chosen and way.more is not None]
        assert margins.out[row] <= min(others) + 1e-9
        update = opened.declare_children()
        assert update is not None
        margins.changed(update.links)
        seen.append(row)
    assert len(set(seen)) == 5
    assert margins.previous() == seen[-2]
    margins.rank()
    rest = []
    while (row := margins.next()) >= 0:
        rest.append(row)
        opened.select(row)
        opened.declare_children()
    assert not set(rest) & set(seen)
    found = opened.session.inputs.detections
    asked = opened.lineage.selected & (found.step < len(found.frames) - 1)
    assert set(rest) | set(seen) == set(np.flatnonzero(asked).tolist())
    opened.close()


def test_what_cannot_be_written_is_said_at_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pins.csv"
    opened = open_cells(folder, path)
    with pytest.raises(OutputError, match=r"open in another viewer\. Close that one"):
        open_cells(folder, path)
    forbid_chosen(opened)
    before = links_of(opened.lineage)
    journal_of(path).unlink()
    with pytest.raises(OutputError, match=r"cannot be kept in .*\. It was not made"):
        forbid_chosen(opened, 2)
    assert links_of(opened.lineage) == before
    assert len(opened.pins) == len(opened.session.pins) == 1
    opened.save()
    opened.close()
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != path)
    with pytest.raises(OutputError, match=r"pins\.csv is read-only, so pins cannot be saved there"):
        open_cells(folder, path)
    with pytest.raises(OutputError, match="there is no folder"):
        open_cells(folder, tmp_path / "nowhere" / "pins.csv")


def test_a_journal_of_another_time_is_refused(folder: Path, tmp_path: Path) -> None:
    journal = journal_of(tmp_path / "pins.csv")
    journal.write_text('{"format": 7, "version": "9.1"}\n')
    with pytest.raises(InputError, match=r"format 7, written by pintrack 9\.1; this is pintrack .* reads format 1"):
        open_cells(folder, tmp_path / "pins.csv")
    journal.write_text("notes\n")
    with pytest.raises(InputError, match=r"is damaged .* move \.pins\.csv\.journal away"):
        open_cells(folder, tmp_path / "pins.csv")
    journal.unlink()
    opened = open_cells(folder, tmp_path / "pins.csv")
    opened.set_number("frame_gap on link", 1.0)
    opened.close()
    costs = content_of()["costs"]
    with pytest.raises(InputError, match="sets frame_gap on link, which this config has not"):
        open_cells(folder, tmp_path / "pins.csv", costs=costs | {"terms": costs["terms"][:1]})
