"""A session in named situations: what it says, what it refuses, what a conflict leaves behind."""

from pathlib import Path

import numpy as np
import pytest
from session_cases import cold, config_of, content_of, keys_of, links_of, write_cells

from tracker.config import make_config
from tracker.errors import ConfigError, InputError, PinConflictError, SolverError
from tracker.pin_table import PinRow, PinsFileError
from tracker.pins import write_pins
from tracker.session import Session


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cells(tmp_path_factory.mktemp("movie"))


def first_links(session: Session, count: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    return sorted(links_of(session.lineage))[:count]


def test_opens_with_the_lineage_of_a_run(folder: Path, tmp_path: Path) -> None:
    session = Session(config_of(folder))
    objective, links = cold(content_of(), folder, [], tmp_path)
    assert session.objective == pytest.approx(objective, abs=1e-9)
    assert links_of(session.lineage) == links
    assert session.pins == ()
    change = session.solve()
    assert change.added.shape == change.removed.shape == (0, 2, 2)
    assert change.seconds > 0


def test_pins_of_the_config_hold_and_can_be_taken_away(folder: Path, tmp_path: Path) -> None:
    parent, child = first_links(Session(config_of(folder)), 1)[0]
    row = PinRow("link", (parent, child), False)
    write_pins(tmp_path / "pins.csv", [row])
    content = content_of() | {"annotations": {"pins": [str(tmp_path / "pins.csv")]}}
    session = Session(make_config(content, folder=folder))
    assert session.pins == (row,)
    assert (parent, child) not in links_of(session.lineage)
    session.unpin(row)
    assert (parent, child) in keys_of(session.solve().added)


def test_rejecting_detections_empties_components(folder: Path, tmp_path: Path) -> None:
    """Every detection of two frames, then of all frames, is rejected; then all come back."""
    session = Session(config_of(folder))
    found, start = session.lineage.detections, session.objective
    rows = [
        PinRow("detection", ((int(t), int(label)),), False) for t, label in zip(found.frame, found.label, strict=True)
    ]
    for chosen in ([row for row in rows if row.keys[0][0] in (3, 4)], rows):
        for row in chosen:
            if row not in session.pins:
                session.pin(row)
        session.solve()
        objective, links = cold(content_of(), folder, list(session.pins), tmp_path)
        assert session.objective == pytest.approx(objective, abs=1e-6)
        assert links_of(session.lineage) == links
    assert not session.lineage.selected.any()
    for row in rows:
        session.unpin(row)
    session.solve()
    assert session.objective == pytest.approx(start, abs=1e-9)


def far_link(session: Session) -> PinRow:
    """A link from the first detection to the farthest one three frames later: no candidate, and beyond the gap."""
    found = session.lineage.detections
    there = np.flatnonzero(found.step == 3)
    row = int(there[np.argmax(np.linalg.norm(found.position[there] - found.position[0], axis=1))])
    keys = [(int(found.frame[index]), int(found.label[index])) for index in (0, row)]
    return PinRow("link", (keys[0], keys[1]))


def test_what_a_pin_added_is_closed_without_it(folder: Path, tmp_path: Path) -> None:
    """The added link is the cheapest of all (its weight is negative), and yet gone when its pin is."""
    session = Session(config_of(folder))
    start = links_of(session.lineage)
    row = far_link(session)
    session.pin(row)
    assert row.keys in keys_of(session.solve().added)
    session.set_weight("link", "distance", -1.0)
    session.unpin(row)
    assert row.keys in keys_of(session.solve().removed)
    content = content_of()
    content["costs"]["terms"][0]["weight"] = -1.0
    objective, links = cold(content, folder, [], tmp_path)
    assert session.objective == pytest.approx(objective, abs=1e-6)
    assert links_of(session.lineage) == links != start


@pytest.mark.parametrize("kind", ["division", "children", "link"])
def test_divisions_that_a_pin_added_are_closed_without_it(folder: Path, tmp_path: Path, kind: str) -> None:
    """Far divisions are the cheapest of all, and none that the pin brought remains."""
    session = Session(config_of(folder))
    found = session.lineage.detections
    there = np.flatnonzero(found.step == 1)
    far = there[np.argsort(np.linalg.norm(found.position[there] - found.position[0], axis=1))[::-1]]
    rows = (0, *far[: 1 if kind == "link" else 2])
    row = PinRow(kind, tuple((int(found.frame[index]), int(found.label[index])) for index in rows))
    content = content_of()
    content["costs"]["terms"][1]["weight"] = -4.0
    session.set_weight("division", "distance", -4.0)
    for pins in ([row], [], [row]):
        if pins:
            session.pin(row)
        else:
            session.unpin(row)
        session.solve()
        objective, links = cold(content, folder, pins, tmp_path)
        assert session.objective == pytest.approx(objective, abs=1e-6)
        assert links_of(session.lineage) == links


@pytest.mark.parametrize("divisions", ["pair", "split"])
def test_the_default_preset_follows_pins_and_weights(folder: Path, tmp_path: Path, divisions: str) -> None:
    """What a pin brings is priced with what was measured at the start, and so are new weights."""
    content = {key: value for key, value in content_of(divisions).items() if key != "costs"}
    session = Session(make_config(content, folder=folder))
    found = session.lineage.detections
    there = np.flatnonzero(found.step == 1)
    far = there[np.argsort(np.linalg.norm(found.position[there] - found.position[1], axis=1))[::-1]]
    keys = tuple((int(found.frame[row]), int(found.label[row])) for row in (1, *far[:2]))
    pins = [far_link(session), PinRow("division", keys), PinRow("link", first_links(session, 3)[2], False)]

    def same_as(costs: dict, pinned: list[PinRow]) -> None:
        session.solve()
        objective, links = cold(content | {"costs": costs}, folder, pinned, tmp_path)
        assert session.objective == pytest.approx(objective, abs=1e-6)
        assert links_of(session.lineage) == links

    same_as({}, [])
    for number, row in enumerate(pins):
        session.pin(row)
        same_as({}, pins[: number + 1])
    session.set_cost("appear", 0.5)
    same_as({"appear": 0.5}, pins)
    session.set_weight("link", "surprise", 1.25)
    families = {"link": 1.25, "division": 1.0} if divisions == "pair" else {"link": 1.25}
    terms = [{"on": family, "feature": "surprise", "weight": weight} for family, weight in families.items()]
    same_as({"preset": "none", "appear": 0.5, "terms": terms}, pins)
    for row in pins[:2]:
        session.unpin(row)
    same_as({"preset": "none", "appear": 0.5, "terms": terms}, pins[2:])


def test_soft_pins_are_costs(folder: Path, tmp_path: Path) -> None:
    session = Session(config_of(folder))
    wrong = PinRow("link", first_links(session, 1)[0], False, 0.51)
    session.pin(wrong)
    assert not len(session.solve().removed)
    session.unpin(replace_confidence(wrong, 0.51))
    sure = replace_confidence(wrong, 0.9999999)
    session.pin(sure)
    assert wrong.keys in keys_of(session.solve().removed)
    objective, _ = cold(content_of(), folder, [sure], tmp_path)
    assert session.objective == pytest.approx(objective, abs=1e-6)


def replace_confidence(row: PinRow, confidence: float) -> PinRow:
    return row._replace(confidence=confidence, note="other")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SolverError])
def test_a_solve_that_breaks_off_can_be_asked_for_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    session = Session(config_of(folder))
    keys = first_links(session, 1)[0]
    state = session.objective, links_of(session.lineage)

    def fail(self: object) -> None:
        raise error("stop")

    session.pin(PinRow("link", keys, False))
    with monkeypatch.context() as patched:
        patched.setattr("tracker.ilp.resolve._Live.solve", fail)
        with pytest.raises(error):
            session.solve()
    assert (session.objective, links_of(session.lineage)) == state
    assert not session.pins
    session.pin(PinRow("link", keys, False))
    assert keys in keys_of(session.solve().removed)
    objective, links = cold(content_of(), folder, list(session.pins), tmp_path)
    assert session.objective == pytest.approx(objective, abs=1e-6)
    assert links_of(session.lineage) == links


def test_a_conflict_of_two_rows_gives_up_all_that_waits(folder: Path) -> None:
    session = Session(config_of(folder))
    (parent, child), other = first_links(session, 2)
    session.pin(PinRow("link", (parent, child)))
    session.solve()
    objective, links = session.objective, links_of(session.lineage)
    session.pin(PinRow("link", other, False))
    session.set_cost("appear", 7.0)
    session.pin(PinRow("appear", (child,)))
    with pytest.raises(PinConflictError) as caught:
        session.solve()
    named = f"{parent[0]}:{parent[1]} to {child[0]}:{child[1]}"
    assert f"session line 1 links {named}" in str(caught.value)
    assert f"session line 3 says {child[0]}:{child[1]} appears" in str(caught.value)
    assert session.pins == (PinRow("link", (parent, child)),)
    assert not len(session.solve().added)
    assert (session.objective, links_of(session.lineage)) == (objective, links)


def test_a_conflict_that_only_the_solver_sees(tmp_path: Path) -> None:
    """One cell, then three that do not appear: it has two children at most."""
    points = "id,t,y,x\n1,0,0,0\n2,1,0,-3\n3,1,0,1\n4,1,0,4\n"
    (tmp_path / "points.csv").write_text(points)
    content = {"data": {"points": "points.csv"}, "solver": {"threads": 1}}
    session = Session(make_config(content, folder=tmp_path))
    rows = [PinRow("appear", ((1, label),), False) for label in (2, 3, 4)]
    for row in rows[:2]:
        session.pin(row)
        session.solve()
    links = links_of(session.lineage)
    session.pin(rows[2])
    with pytest.raises(PinConflictError) as caught:
        session.solve()
    assert str(caught.value).startswith(
        "these pins cannot hold together: session line 1 says 1:2 does not appear, "
        "session line 2 says 1:3 does not appear, session line 3 says 1:4 does not appear."
    )
    assert session.pins == tuple(rows[:2])
    assert links_of(session.lineage) == links
    session.unpin(rows[0])
    session.pin(rows[2])
    session.solve()
    assert {child[1] for _, child in links_of(session.lineage)} >= {3, 4}


def test_either_order_of_two_children_is_one_division(folder: Path) -> None:
    session = Session(config_of(folder))
    found = session.lineage.detections
    parent, one, other = (
        (int(found.frame[row]), int(found.label[row])) for row in (0, *np.flatnonzero(found.step == 1)[:2])
    )
    session.pin(PinRow("division", (parent, one, other)))
    session.solve()
    assert {(parent, one), (parent, other)} <= links_of(session.lineage)
    session.unpin(PinRow("division", (parent, other, one), note="said twice"))
    assert session.pins == ()


def test_bad_calls_change_nothing(folder: Path) -> None:
    session = Session(config_of(folder))
    with pytest.raises(PinsFileError, match=r"session line 1: there is no detection 0:99 in frame 0"):
        session.pin(PinRow("detection", ((0, 99),)))
    with pytest.raises(PinsFileError, match=r"session line 1: the kind link names 2 detections, found 1"):
        session.pin(PinRow("link", ((0, 1),)))
    with pytest.raises(InputError, match="must be true or false, found none"):
        session.pin(PinRow("detection", ((0, 1),), None))
    with pytest.raises(InputError, match="no pin of this session says 0:1 is real with that confidence"):
        session.unpin(PinRow("detection", ((0, 1),)))
    with pytest.raises(InputError, match="a pin to take away must be true or false"):
        session.unpin(PinRow("detection", ((0, 1),), None))
    with pytest.raises(ConfigError, match=r"overlap on link: wanted one term, found 0\. The terms are: distance on"):
        session.set_weight("link", "overlap", 1.0)
    with pytest.raises(ConfigError, match="the weight of distance on link must be finite, found nan"):
        session.set_weight("link", "distance", float("nan"))
    with pytest.raises(ConfigError, match=r"costs\.appear must be finite, found inf"):
        session.set_cost("appear", float("inf"))
    with pytest.raises(ConfigError, match="wanted the cost appear, disappear or division, found 'death'"):
        session.set_cost("death", 1.0)
    assert session.pins == ()
    assert not len(session.solve().added)


def test_divisions_that_the_config_forbids(folder: Path) -> None:
    session = Session(config_of(folder, divisions="none"))
    found = session.lineage.detections
    rows = (0, *np.flatnonzero(found.step == 1)[:2])
    keys = tuple((int(found.frame[row]), int(found.label[row])) for row in rows)
    with pytest.raises(ConfigError, match=r'session line 1 divides .* candidates\.divisions = "none"'):
        session.pin(PinRow("division", keys))
    assert session.pins == ()


def test_only_highs_keeps_programs_alive(folder: Path) -> None:
    config = make_config(content_of() | {"solver": {"backend": "scip"}}, folder=folder)
    with pytest.raises(ConfigError, match=r'keeps programs of HiGHS alive, found solver\.backend = "scip"'):
        Session(config)
