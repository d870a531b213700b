"""Contradictions between two or three pins: each sort by name, and all of them against a list of all lineages."""

from itertools import combinations, product

import numpy as np
import pytest

from tracker.pin_contradictions import find_contradictions, first_in_group
from tracker.pins import KINDS, PinRow, pin_table

NO, YES = False, True
# Detections 0 1 | 2 3 4 | 5 in three frames.
ONE_VALUE = "a pin cannot be both true and false"
ONE_PARENT = "a detection has one parent"
TWO_CHILDREN = "a detection has two children at most"
ALL_CHILDREN = "children names all the children of a detection"
NO_LINK = "a child is linked to its parent"
NO_DIVISION = "a detection with two children divides into them"
NOT_REAL = "a rejected detection has no part in a lineage"
NO_PARENT = "a detection that appears has no parent"
NO_CHILDREN = "a detection that disappears has no children"
ENDS = "a detection whose track ends disappears"

CASES = {
    "detection true and false": ([("detection", 2, YES), ("detection", 2, NO)], [((0, 1), ONE_VALUE)]),
    "link true and false": ([("link", 0, 2, NO), ("link", 0, 2, YES)], [((0, 1), ONE_VALUE)]),
    "division true and false": ([("division", 0, 2, 3, NO), ("division", 0, 2, 3, YES)], [((0, 1), ONE_VALUE)]),
    "appear true and false": ([("appear", 2, NO), ("appear", 2, YES)], [((0, 1), ONE_VALUE)]),
    "disappear true and false": ([("disappear", 2, NO), ("disappear", 2, YES)], [((0, 1), ONE_VALUE)]),
    "two parents, links": ([("link", 0, 2, YES), ("link", 1, 2, YES)], [((0, 1), ONE_PARENT)]),
    "two parents, division": ([("division", 0, 2, 3, YES), ("link", 1, 3, YES)], [((0, 1), ONE_PARENT)]),
    "two parents, children": ([("children", 0, 2), ("children", 1, 2, 3)], [((0, 1), ONE_PARENT)]),
    "two parents, twice": ([("division", 0, 2, 3, YES), ("division", 1, 2, 3, YES)], [((0, 1), ONE_PARENT)]),
    "two parents, skipping": ([("link", 0, 5, YES), ("link", 2, 5, YES)], [((0, 1), ONE_PARENT)]),
    "three links": ([("link", 0, 2, YES), ("link", 0, 3, YES), ("link", 0, 4, YES)], [((0, 1, 2), TWO_CHILDREN)]),
    "division and a third child": ([("link", 0, 2, YES), ("division", 0, 3, 4, YES)], [((0, 1), TWO_CHILDREN)]),
    "two divisions": ([("division", 0, 2, 3, YES), ("division", 0, 3, 4, YES)], [((0, 1), TWO_CHILDREN)]),
    "two children rows": ([("children", 0, 2), ("children", 0, 2, 3)], [((0, 1), ALL_CHILDREN)]),
    "no and one child": ([("children", 0, 2), ("children", 0)], [((0, 1), ALL_CHILDREN)]),
    "link to another child": ([("link", 0, 3, YES), ("children", 0, 2)], [((0, 1), ALL_CHILDREN)]),
    "link of an end": ([("children", 0), ("link", 0, 2, YES)], [((0, 1), ALL_CHILDREN)]),
    "division of an only child": ([("children", 0, 2), ("division", 0, 2, 3, YES)], [((0, 1), ALL_CHILDREN)]),
    "third link beside children": ([("children", 0, 2, 3), ("link", 0, 4, YES)], [((0, 1), ALL_CHILDREN)]),
    "forbidden link in children": ([("link", 0, 2, NO), ("children", 0, 2, 3)], [((0, 1), NO_LINK)]),
    "forbidden link in a division": ([("division", 0, 2, 3, YES), ("link", 0, 3, NO)], [((0, 1), NO_LINK)]),
    "forbidden division of children": ([("division", 0, 2, 3, NO), ("children", 0, 2, 3)], [((0, 1), NO_DIVISION)]),
    "forbidden division of two links": (
        [("division", 0, 2, 3, NO), ("link", 0, 3, YES), ("link", 0, 2, YES)],
        [((0, 1, 2), NO_DIVISION)],
    ),
    "link from a rejected": ([("link", 0, 2, YES), ("detection", 0, NO)], [((0, 1), NOT_REAL)]),
    "link to a rejected": ([("link", 0, 2, YES), ("detection", 2, NO)], [((0, 1), NOT_REAL)]),
    "division into a rejected": ([("detection", 3, NO), ("division", 0, 2, 3, YES)], [((0, 1), NOT_REAL)]),
    "children of a rejected": ([("detection", 0, NO), ("children", 0)], [((0, 1), NOT_REAL)]),
    "a rejected child": ([("detection", 2, NO), ("children", 0, 2)], [((0, 1), NOT_REAL)]),
    "a rejected appears": ([("detection", 2, NO), ("appear", 2, YES)], [((0, 1), NOT_REAL)]),
    "a rejected disappears": ([("detection", 2, NO), ("disappear", 2, YES)], [((0, 1), NOT_REAL)]),
    "appears with a parent": ([("appear", 2, YES), ("link", 0, 2, YES)], [((0, 1), NO_PARENT)]),
    "appears from a division": ([("division", 0, 2, 3, YES), ("appear", 3, YES)], [((0, 1), NO_PARENT)]),
    "appears as a child": ([("children", 0, 2), ("appear", 2, YES)], [((0, 1), NO_PARENT)]),
    "disappears with a child": ([("disappear", 0, YES), ("link", 0, 2, YES)], [((0, 1), NO_CHILDREN)]),
    "disappears with children": ([("disappear", 0, YES), ("children", 0, 2, 3)], [((0, 1), NO_CHILDREN)]),
    "ends and does not disappear": ([("children", 0), ("disappear", 0, NO)], [((0, 1), ENDS)]),
    "everything that agrees": (
        [
            *[
                ("detection", 0, YES),
                ("detection", 4, NO),
                ("link", 0, 2, YES),
                ("link", 0, 3, YES),
                ("link", 1, 2, NO),
            ],
            *[("division", 0, 2, 3, YES), ("division", 0, 2, 4, NO), ("children", 0, 2, 3), ("children", 1)],
            *[("appear", 0, YES), ("appear", 2, NO), ("disappear", 1, YES), ("disappear", 0, NO), ("appear", 4, NO)],
        ],
        [],
    ),
    "several": (
        [("link", 0, 2, YES), ("link", 1, 2, YES), ("appear", 2, YES), ("detection", 1, NO)],
        [((0, 1), ONE_PARENT), ((0, 2), NO_PARENT), ((1, 2), NO_PARENT), ((1, 3), NOT_REAL)],
    ),
}


def find(pins):
    """Contradictions of pins written (kind, row, ..., value); `children` have no value."""
    kind = np.array([KINDS.index(pin[0]) for pin in pins], np.int8)
    rows = np.full((len(pins), 3), -1, np.int64)
    for number, pin in enumerate(pins):
        content = pin[1:] if pin[0] == "children" else pin[1:-1]
        rows[number, : len(content)] = content
    value = np.array([pin[0] == "children" or pin[-1] for pin in pins], bool)
    return find_contradictions(kind, rows, value, 6)


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    pins, found = CASES[name]
    assert find(pins) == found


def lineages():
    """(L, 6) parents of all lineages of the six detections: a row, -1 = appears, -2 = not there."""
    parents = [[-2, -1]] * 2 + [[-2, -1, 0, 1]] * 3 + [[-2, -1, 0, 1, 2, 3, 4]]
    every = np.array(list(product(*parents)))
    there = every > -2
    fine = np.ones(len(every), bool)
    for parent in range(5):
        children = (every == parent).sum(axis=1)
        fine &= (children <= 2) & ((children == 0) | there[:, parent])
    return every[fine]


def honoured(pin, every):
    """(L,) lineages in which a pin holds, straight from what the kinds mean."""
    kind, own = pin[:2]
    there = every[:, own] > -2
    children = (every == own).sum(axis=1)
    if kind == "children":
        named = [every[:, child] == own for child in pin[2:]]
        return there & (children == len(named)) & np.all([there, *named], axis=0)
    holds = {
        "detection": there,
        "link": every[:, pin[2]] == own if kind == "link" else None,
        "division": (every[:, pin[2:-1]] == own).all(axis=1) if kind == "division" else None,
        "appear": every[:, own] == -1,
        "disappear": there & (children == 0),
    }[kind]
    return holds == pin[-1]


def every_pin():
    """All pins but those that only the ends of the movie contradict."""
    links = [(0, 2), (0, 3), (0, 4), (0, 5), (1, 2), (1, 3), (1, 5), (2, 5), (3, 5)]
    divisions = [(0, 2, 3), (0, 2, 4), (0, 3, 5), (1, 2, 3)]
    pins = [("detection", row, value) for row in range(6) for value in (YES, NO)]
    pins += [("link", *link, value) for link in links for value in (YES, NO)]
    pins += [("division", *division, value) for division in divisions for value in (YES, NO)]
    pins += [("appear", row, value) for row in (2, 3, 5) for value in (YES, NO)]
    pins += [("disappear", row, value) for row in (0, 1, 2) for value in (YES, NO)]
    pins += [("children", *rows) for rows in [(0,), (1,), (2,), *links[:5], *divisions, (2, 5)]]
    return pins


def test_pairs_against_all_lineages():
    """A pair of pins is named exactly when no lineage honours both."""
    pins, every = every_pin(), lineages()
    held = np.array([honoured(pin, every) for pin in pins])
    assert held.any(axis=1).all()
    impossible = ~((held.astype(np.int64) @ held.T.astype(np.int64)) > 0)
    assert impossible.sum() > 300
    for first, second in combinations(range(len(pins)), 2):
        assert bool(find([pins[first], pins[second]])) == impossible[first, second], (pins[first], pins[second])


def test_many_pins_against_all_lineages():
    """Of many pins at once: all that is named is impossible, and every impossible pin is in something that is named."""
    pins, every = every_pin(), lineages()
    held = np.array([honoured(pin, every) for pin in pins])
    random = np.random.default_rng(0)
    sizes = set()
    for _ in range(150):
        chosen = np.sort(random.choice(len(pins), 8, replace=False))
        found = find([pins[pin] for pin in chosen])
        for members, _reason in found:
            sizes.add(len(members))
            assert not held[chosen[list(members)]].all(axis=0).any()
        impossible = {pair for pair in combinations(range(8), 2) if not held[chosen[list(pair)]].all(axis=0).any()}
        assert bool(impossible) <= bool(found)
        named_pairs = {members for members, _ in found if len(members) == 2}
        assert named_pairs <= impossible
    assert sizes == {2, 3}


def test_ten_thousand_pins_and_one_contradiction():
    """Found as among two; a parent with thousands of children is one contradiction."""
    count = 10_000
    rows = [PinRow("link", ((0, k), (1, k))) for k in range(count)] + [PinRow("link", ((0, 7), (1, 3)))]
    table = pin_table(rows)
    pins = table.key[:, :2, 0] * count + table.key[:, :2, 1]
    columns = np.column_stack([pins, np.full(len(pins), -1)])
    assert find_contradictions(table.kind, columns, table.value, 2 * count) == [((3, count), ONE_PARENT)]
    columns[:count, 0] = 0
    found = find_contradictions(table.kind[:count], columns[:count], table.value[:count], 2 * count)
    assert found == [((0, 1, 2), TWO_CHILDREN)]


def test_first_in_group():
    columns = np.array([[1, 2], [0, 5], [1, 2], [0, 5], [1, 3]])
    assert first_in_group(columns).tolist() == [0, 1, 0, 1, 4]
    assert first_in_group(np.empty((0, 3), np.int64)).tolist() == []
