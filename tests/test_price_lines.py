"""What a price is made of, by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bill_cases import ROWS, bill_of, run_of, run_on_a_line, the_way
from command_line import write_walk

from tracker.config import make_config
from tracker.pin_table import PinRow
from tracker.price_lines import Line


def test_a_division_without_terms_pays_for_its_links(tmp_path):
    bill = bill_of(run_on_a_line(tmp_path, ROWS, division=1.5), 0)
    found = the_way(bill.out, "division", (1, 3), (1, 4))
    assert found.lines == (
        Line("link to 1:3, distance", 1.0, 1.0, None, 1.0),
        Line("link to 1:4, distance", 2.0, 2.0, None, 1.0),
        Line("costs.division", 1.5),
    )
    assert (found.cost, found.chosen, found.more) == (4.5, False, 0.5)  # else a link of 1, and 1:4 appears for 3
    assert bill.sentence_out == "0:7 continues as 1:3; otherwise it would divide into 1:3 and 1:4, +0.50"
    assert bill.sentence_into == "0:7 appears; there is no other way"
    assert [(one.kind, one.keys, one.more) for one in bill.out] == [
        ("link", ((1, 3),), 0.0),
        ("division", ((1, 3), (1, 4)), 0.5),
        ("link", ((1, 4),), 1.0),
        ("disappear", (), 5.0),
    ]
    assert bill.out[-1].lines == (Line("costs.disappear", 3.0),)
    assert bill.into[-1].lines == (Line("costs.appear, free in the first frame", 0.0),)
    child = bill_of(run_on_a_line(tmp_path, ROWS, division=1.5), 2)
    assert child.key == (1, 4)
    assert child.sentence_into == "1:4 appears; otherwise it would come from the division of 0:7, with 1:3, +0.50"
    assert the_way(child.into, "division", (0, 7), (1, 3)).cost == 4.5
    assert the_way(child.out, "disappear").lines == (Line("costs.disappear, free in the last frame", 0.0),)


def test_z_scores_show_what_was_measured(tmp_path):
    terms = [{"on": "link", "feature": "distance", "weight": -2.0, "standardise": "zscore"}]
    bill = bill_of(run_on_a_line(tmp_path, ROWS, terms=terms), 0)  # lengths 1 and 2: mean 1.5, deviation 0.5
    assert the_way(bill.out, "link", (1, 3)).lines == (Line("distance", 2.0, 1.0, -1.0, -2.0),)
    assert the_way(bill.out, "link", (1, 4)).lines == (Line("distance", -2.0, 2.0, 1.0, -2.0),)


def test_likely_pins_are_lines_of_their_own(tmp_path):
    odds = math.log(0.9 / 0.1)
    pins = [
        PinRow("link", ((0, 7), (1, 4)), True, 0.9),
        PinRow("appear", ((1, 4),), False, 0.9),
        PinRow("detection", ((1, 4),), True, 0.9),
        PinRow("detection", ((1, 3),), True, 0.5),
    ]
    bill = bill_of(run_on_a_line(tmp_path, ROWS, pins, soft_weight=2.0), 2)
    name = "pins.csv line 2 links 0:7 to 1:4, confidence 0.9"
    assert the_way(bill.into, "link", (0, 7)).lines[1].name == name
    for found in (the_way(bill.into, "link", (0, 7)), the_way(bill.into, "division", (0, 7), (1, 3))):
        assert found.lines[-1] == Line(name, pytest.approx(-2 * odds))
    assert the_way(bill.into, "appear").lines == (
        Line("costs.appear", 3.0),
        Line("pins.csv line 3 says 1:4 does not appear, confidence 0.9", pytest.approx(2 * odds)),
    )
    assert bill.detection.lines == (Line("pins.csv line 4 says 1:4 is real, confidence 0.9", pytest.approx(-2 * odds)),)
    other = bill_of(run_on_a_line(tmp_path, ROWS, pins, soft_weight=2.0), 1)
    assert other.detection.lines == ()  # as likely as not
    shared = the_way(other.into, "division", (0, 7), (1, 4))  # through a pin that does not name this detection
    assert shared.lines[-1].name == name


def test_ends_say_why_they_are_free(tmp_path):
    folder = write_walk(tmp_path / "walk")
    costs = {"preset": "none", "border_px": 3.0, "terms": [{"on": "link", "feature": "distance"}]}
    run = run_of(make_config({"data": {"segmentation": "masks"}, "costs": costs}, folder=folder))
    bill = bill_of(run, 2)  # 1:1, three pixels from the left edge and two from the top
    assert the_way(bill.into, "appear").lines == (Line("costs.appear, free near the image edge", 0.0),)
    assert the_way(bill_of(run, 3).into, "appear").lines == (Line("costs.appear", 1.0),)
    empty = run_of(
        make_config(
            {"data": {"segmentation": "masks"}, "candidates": {"max_frame_gap": 2}, "costs": {**costs, "border_px": 0}},
            folder=with_an_empty_frame(tmp_path / "gap"),
        )
    )
    assert the_way(bill_of(empty, 0).out, "disappear").lines == (
        Line("costs.disappear, free before an empty frame", 0.0),
    )
    assert the_way(bill_of(empty, 2).into, "appear").lines == (Line("costs.appear, free after an empty frame", 0.0),)


def with_an_empty_frame(folder: Path) -> Path:
    write_walk(folder)
    tifffile.imwrite(folder / "masks" / "t001.tif", np.zeros((20, 24), np.uint16), photometric="minisblack")
    return folder
