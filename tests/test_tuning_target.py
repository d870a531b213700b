"""What a truth or pins decide, worked out by hand on a small family."""

import re

import numpy as np
import pytest
from tuning_cases import DISTANCES, FAMILY_LINKS, cells, config, family, prepared, truth_of, wandering

from tracker.errors import TruthError
from tracker.ilp.problem import find_links
from tracker.pin_checks import resolve_pins
from tracker.pin_table import PinRow, pin_table
from tracker.tuning.linear_model import linear_model
from tracker.tuning.target import cut_target, target_from_pins, target_from_truth

ALL = {"neighbors": 8}
PAIR = config(candidates=ALL)
SPLIT = config(DISTANCES[:1], candidates=ALL | {"divisions": "split"})
OPTIONAL = config(candidates=ALL, detection=-1.0)


def chosen(made, target, what="values"):
    """What a target holds, in rows of detections, by family."""
    problem, layout, column = made.problem, made.problem.layout, getattr(target, what)
    found = {
        "link": {tuple(map(int, pair)) for pair in problem.links[column[layout.link] == 1]},
        "division": {tuple(map(int, rows)) for rows in problem.divisions[column[layout.division] == 1]},
    }
    for name in ("detection", "appear", "disappear", "splits"):
        found[name] = set(np.flatnonzero(column[getattr(layout, name)]).tolist())
    return found


def free(made, target):
    """Columns that are neither decided nor fixed, as `chosen` names them."""
    problem = made.problem
    left = ~target.decided & (problem.lower < problem.upper)
    return chosen(made, type(target)(left.astype(np.int8), left, target.spans))


def test_every_family_of_the_pair_model():
    made = prepared(family(), PAIR)
    target, report = target_from_truth(made, truth_of(family(), FAMILY_LINKS))
    values = chosen(made, target)
    assert values["link"] == {(1, 4), (2, 5), (4, 6)}
    assert values["division"] == {(0, 2, 3)}
    assert values["appear"] == {7}
    assert values["disappear"] == {3}
    # First appearances and last ends are what every lineage has: nobody had to decide them.
    left = free(made, target)
    assert left["link"] == left["division"] == set()
    assert left["appear"] == {0, 1}
    assert left["disappear"] == {5, 6, 7}
    assert (report.links, report.divisions, report.appearances, report.disappearances) == (3, 1, 1, 1)
    assert (report.rule, report.objects, report.matched) == ("point", 8, 8)


def test_every_family_of_the_split_model():
    made = prepared(family(), SPLIT)
    target, _ = target_from_truth(made, truth_of(family(), FAMILY_LINKS))
    values = chosen(made, target)
    assert values["link"] == set(FAMILY_LINKS)
    assert values["splits"] == {0}
    assert values["appear"] == {7}
    assert values["disappear"] == {3}
    assert free(made, target)["splits"] <= {5, 6, 7}  # the last frame cannot divide anyway


def test_optional_detections_that_are_no_true_object_are_left_out():
    links = [pair for pair in FAMILY_LINKS if 3 not in pair]
    made = prepared(family(), OPTIONAL)
    target, _ = target_from_truth(made, truth_of(family(), links, without=(3,)))
    values, layout = chosen(made, target), made.problem.layout
    assert values["link"] == {(0, 2), (1, 4), (2, 5), (4, 6)}
    assert values["detection"] == {0, 1, 2, 4, 5, 6, 7}
    assert target.decided[layout.detection][3]
    assert target.values[layout.detection][3] == 0
    assert target.values[layout.appear][[0, 1]].all()


def test_kept_detections_that_are_no_true_object_stay_open():
    links = [pair for pair in FAMILY_LINKS if 3 not in pair]
    made = prepared(family(), PAIR)
    target, _ = target_from_truth(made, truth_of(family(), links, without=(3,)))
    layout = made.problem.layout
    # Its parents and children are all known to be others', so it stands alone.
    assert target.values[layout.appear][3] == 1
    assert target.decided[layout.appear][3]
    # Nobody knows the way out of it, but 7 appeared and 5, 6 have parents: it ends, too.
    assert target.values[layout.disappear][3] == 1


def test_a_true_link_that_is_no_candidate_stays_open():
    near = config(candidates={"neighbors": 1})
    detections = cells([(0, 0.0), (0, 10.0), (1, 9.0), (1, 11.0)])
    made = prepared(detections, near)
    target, report = target_from_truth(made, truth_of(detections, [(0, 2), (1, 3)]))
    assert (report.links, report.lost_links) == (1, 1)
    values = chosen(made, target)
    assert values["link"] == {(1, 3)}
    # 2 is known not to come from 1, and has no other candidate: appearing is all it can do.
    assert values["appear"] == {2}


def test_a_true_division_that_is_no_candidate_stays_open():
    made = prepared(family(), config(candidates=ALL | {"division_max_distance": 1.0}))
    target, report = target_from_truth(made, truth_of(family(), FAMILY_LINKS))
    assert (report.divisions, report.lost_divisions) == (0, 1)
    left = free(made, target)
    assert left["link"] == {(0, 2), (0, 3)}
    assert {2, 3} <= left["appear"]
    assert 0 in left["disappear"]


def test_only_trusted_frames_decide():
    made = prepared(family(), PAIR)
    target, report = target_from_truth(made, truth_of(family(), FAMILY_LINKS), np.array([0, 1]))
    assert target.spans[target.decided].max() == 1
    assert (report.objects, report.links, report.divisions, report.disappearances) == (5, 1, 1, 0)


def test_an_unfit_truth_is_refused():
    detections = family()
    made = prepared(detections, PAIR)
    truth = truth_of(detections, FAMILY_LINKS)
    object.__setattr__(truth, "position", truth.position + np.array([500.0, 0.0]))
    with pytest.raises(TruthError, match=re.escape(
        "the ground truth truth does not fit the detections: 0 of its 8 objects in t = 0 to 2 are detections (by the "
        "rule 'point'), wanted at least 50%. Give the truth of this movie, and of the same detections"
    )):  # fmt: skip
        target_from_truth(made, truth)


def pinned(settings, *rows):
    made = prepared(family(), settings)
    table = pin_table([PinRow(*row) for row in rows])
    return made, target_from_pins(made, resolve_pins(table, made.inputs.detections))


# Keys (t, label) of the rows of family(): 0 = 0:1, 1 = 0:2 | 2 = 1:1, 3 = 1:2, 4 = 1:3 | 5 = 2:1, 6 = 2:2, 7 = 2:3


def test_children_decide_the_ways_out_and_the_ways_into_the_children():
    made, target = pinned(PAIR, ("children", ((0, 1), (1, 1), (1, 2))))
    links, divisions = made.problem.links, made.problem.divisions
    decided, layout = target.decided, made.problem.layout
    assert chosen(made, target)["division"] == {(0, 2, 3)}
    out = links[:, 0] == 0
    into = np.isin(links[:, 1], [2, 3])
    np.testing.assert_array_equal(decided[layout.link], out | into)
    held = (divisions[:, 0] == 0) | np.isin(divisions[:, 1:], [2, 3]).any(axis=1)
    np.testing.assert_array_equal(decided[layout.division], held)
    assert np.flatnonzero(decided[layout.appear]).tolist() == [2, 3]
    assert np.flatnonzero(decided[layout.disappear]).tolist() == [0]


def test_a_link_decides_the_parent_but_not_whether_it_divides():
    made, target = pinned(PAIR, ("link", ((0, 2), (1, 3))))
    at = made.problem.layout.link.start + find_links(made.problem.links, np.array([[1, 4, 4]]))[0, 0]
    assert not target.decided[at]
    assert target.values.sum() == 0
    assert target.decided[made.problem.layout.disappear][1]
    assert target.decided[made.problem.layout.appear][4]
    left = free(made, target)
    assert {pair for pair in left["link"] if pair[0] == 1} == {(1, 4)}
    assert {rows for rows in left["division"] if rows[0] == 1} == {(1, 2, 4), (1, 3, 4)}


def test_what_is_false_decides_zeros():
    made, target = pinned(PAIR, ("link", ((0, 1), (1, 1)), False), ("appear", ((2, 3),), False))
    layout, divisions = made.problem.layout, made.problem.divisions
    assert target.values.sum() == 0
    assert [tuple(pair) for pair in made.problem.links[target.decided[layout.link]]] == [(0, 2)]
    held = (divisions[:, 0] == 0) & (divisions[:, 1:] == 2).any(axis=1)
    np.testing.assert_array_equal(target.decided[layout.division], held)
    assert np.flatnonzero(target.decided[layout.appear]).tolist() == [7]
    assert not target.decided[layout.disappear].any()


def test_a_likely_pin_decides_nothing():
    _, target = pinned(PAIR, ("link", ((0, 1), (1, 1)), True, 0.9))
    assert not target.decided.any()


def test_cut_to_steps():
    made = prepared(family(), PAIR)
    model = linear_model(made, PAIR)
    target, _ = target_from_truth(made, truth_of(family(), FAMILY_LINKS))
    inner = model.cut(1, 3)
    part, layout = cut_target(target, model, inner), inner.program.layout
    links = inner.program.links[part.values[layout.link] == 1] + 2  # rows 0 and 1 are left out
    assert {tuple(map(int, pair)) for pair in links} == {(2, 5), (4, 6)}
    assert part.values[layout.division].sum() == 0
    assert (part.spans.min(), part.spans.max()) == (0, 1)
    assert part.decided.sum() < target.decided.sum()


@pytest.mark.parametrize("settings", [PAIR, SPLIT])
def test_a_cut_target_is_the_target_of_the_cut_movie(settings):
    detections, links = wandering()
    settings = settings.model_copy(
        update={"costs": settings.costs.model_copy(update={"terms": settings.costs.terms[:1]})}
    )
    made = prepared(detections, settings)
    model = linear_model(made, settings)
    target, _ = target_from_truth(made, truth_of(detections, links))
    part = cut_target(target, model, model.cut(1, 4))
    inside = np.flatnonzero((detections.frame >= 1) & (detections.frame < 4))
    alone = cells(
        list(zip((detections.frame[inside] - 1).tolist(), detections.position[inside, 1].tolist(), strict=True))
    )
    first = inside[0]
    own = [(u - first, v - first) for u, v in links if u in inside and v in inside]
    wanted, _ = target_from_truth(prepared(alone, settings), truth_of(alone, own))
    np.testing.assert_array_equal(part.decided, wanted.decided)
    np.testing.assert_array_equal(part.values, wanted.values)


def test_a_gap_across_the_cut_leaves_the_way_in_open():
    settings = config(candidates=ALL | {"max_frame_gap": 2})
    detections = cells([(0, 0.0), (1, 20.0), (2, 0.0), (2, 20.0)])
    made = prepared(detections, settings)
    model = linear_model(made, settings)
    target, _ = target_from_truth(made, truth_of(detections, [(0, 2), (1, 3)]))
    layout = made.problem.layout
    assert target.decided[layout.appear][2]
    part = cut_target(target, model, model.cut(1, 3))
    assert not part.decided[model.cut(1, 3).program.layout.appear][1]
