"""What to look at next: every order on cases small enough to rank by hand, and the command."""

import numpy as np
import pytest
from command_line import track, write_walk

from tracker.candidates import build_candidates
from tracker.detections import Detections
from tracker.errors import ConfigError
from tracker.lineage import Lineage, make_lineage
from tracker.margins import Margins
from tracker.pins import read_pin_rows
from tracker.suggest import as_questions, regions, suggest

FRAME, LABEL = np.array([0, 0, 1, 1, 1, 2]), np.array([4, 7, 1, 2, 3, 1])
FOUND = Detections(
    FRAME, LABEL, np.array([[0.0, 0], [0, 10], [0, 0], [0, 9], [0, 11], [0, 0]]), np.arange(3), np.ones(2)
)
LINEAGE: Lineage = make_lineage(FOUND, np.ones(6, bool), np.array([[0, 2], [1, 3], [1, 4], [2, 5]]))
GRAPH = build_candidates(FOUND, neighbors=3)
MARGINS = Margins(np.array([0.5, 2.0, 0.1, 0.3, np.inf, 0.0]), np.array([np.inf, np.inf, 3.0, 0.2, 0.4, 1.0]))


def rows(**options: object) -> list[int]:
    return suggest(LINEAGE, GRAPH, MARGINS, options.pop("association", None), **options).rows.tolist()  # type: ignore[arg-type]


def test_margin_ranks_the_least_sure_first_and_leaves_the_last_frame_out():
    assert rows(order="margin") == [2, 3, 0, 1, 4]
    assert rows(order="margin", budget=2) == [2, 3]


def test_per_frame_spreads_and_fills_up():
    assert rows(order="margin", per_frame=1, budget=2) == [2, 0]
    assert rows(order="margin", per_frame=1) == [2, 0, 3, 1, 4]
    assert rows(order="margin", per_frame=1, budget=3) == [2, 0, 3]


def test_known_detections_are_not_asked_again():
    assert rows(order="margin", known=np.array([0, 0, 1, 0, 0, 0], bool)) == [3, 0, 1, 4]


def test_confidence_compares_scores_with_chosen_children():
    score = np.zeros(len(GRAPH.links))
    score[[tuple(link) == (0, 2) for link in GRAPH.links.tolist()]] = 0.9  # |0.9 - 1| = 0.1
    score[[tuple(link) == (1, 3) for link in GRAPH.links.tolist()]] = 0.8  # |0.8 - 2| = 1.2
    score[[tuple(link) == (3, 5) for link in GRAPH.links.tolist()]] = 0.7  # |0.7 - 0| = 0.7
    assert rows(order="confidence", association=score) == [1, 2, 3, 0, 4]
    # Ranks by margin 0.4, 0.2, 0.8, 0.6, 0 and by confidence 0.25, 1, 0.75, 0.5, 0: means 0.325, 0.6, 0.775, 0.55, 0.
    assert rows(order="combined", association=score) == [2, 1, 3, 0, 4]


def test_confidence_needs_scores():
    with pytest.raises(
        ConfigError, match=r'"confidence" compares associations with the solution; give \[associations\]'
    ):
        rows(order="confidence")


def test_combined_without_scores_looks_at_the_children_too():
    assert rows(order="combined")[0] == 2
    assert rows(order="combined") != rows(order="margin")


def test_random_is_seeded():
    assert rows(order="random", seed=1) == rows(order="random", seed=1)
    assert rows(order="random", seed=1) != rows(order="random", seed=2)
    assert sorted(rows(order="random", seed=1)) == [0, 1, 2, 3, 4]


def pairs_of_cells(n_frames: int) -> Detections:
    """Row 4 t + i is cell i of frame t: two cells 10 apart near x = 10, two near x = 110; a region is 20 wide."""
    x = np.tile([5.0, 15.0, 105.0, 115.0], n_frames)
    frame = np.repeat(np.arange(n_frames), 4)
    place = np.column_stack([np.zeros(len(x)), x])
    return Detections(frame, np.tile(np.arange(1, 5), n_frames), place, np.arange(n_frames), np.ones(2))


def ranked_by_row(**options: object) -> list[int]:
    """Six frames to ask about, doubt falling with the row."""
    found = pairs_of_cells(7)
    lineage = make_lineage(found, np.ones(28, bool), np.column_stack([np.arange(24), np.arange(4, 28)]))
    margins = Margins(np.arange(28.0), np.full(28, np.inf))
    graph = build_candidates(found, neighbors=1)
    return suggest(lineage, graph, margins, None, **options).rows.tolist()  # type: ignore[arg-type]


def test_regions_are_cells_of_space_in_blocks_of_five_frames():
    assert regions(pairs_of_cells(7)).tolist() == [0, 0, 1, 1] * 5 + [2, 2, 3, 3] * 2


def test_the_size_of_a_region_follows_the_spacing_of_its_block():
    frame = np.repeat(np.arange(6), 4)
    place = np.concatenate([pairs_of_cells(5).position, [[0.0, 5], [0, 55], [0, 105], [0, 155]]])
    found = Detections(frame, np.tile(np.arange(1, 5), 6), place, np.arange(6), np.ones(2))
    assert regions(found)[20:].tolist() == [2, 2, 3, 3]  # 50 apart: 100 wide


@pytest.mark.parametrize("place", [[[3.0, 4.0]], [[3.0, 4.0], [3.0, 4.0]]])
def test_without_two_detections_apart_a_block_is_one_region(place):
    count = len(place)
    found = Detections(np.zeros(count, int), np.arange(count), np.array(place), np.arange(3), np.ones(2))
    assert regions(found).tolist() == [0] * count


def test_no_detections_have_no_regions():
    none = np.empty(0, np.int64)
    assert regions(Detections(none, none, np.empty((0, 2)), np.arange(3), np.ones(2))).tolist() == []


def test_per_region_spreads_and_fills_up():
    assert ranked_by_row(order="margin", per_region=1, budget=4) == [0, 2, 20, 22]
    assert ranked_by_row(order="margin", per_region=1, budget=6) == [0, 2, 20, 22, 1, 3]


def test_both_limits_hold_and_what_one_refuses_takes_no_room_of_the_other():
    # Row 3 finds its frame full and leaves its region one place, which row 6 takes.
    assert ranked_by_row(order="margin", per_frame=3, per_region=2, budget=4) == [0, 1, 2, 6]


def test_diverse_is_combined_with_limits():
    # ceil(2 * 4 / 6 frames) = 2 per frame and ceil(4 * 4 / 4 regions) = 4 per region.
    assert ranked_by_row(order="diverse", budget=4) == [0, 1, 4, 5]
    assert ranked_by_row(order="combined", per_frame=2, per_region=4, budget=4) == [0, 1, 4, 5]
    assert ranked_by_row(order="diverse", per_region=1, budget=4) == [0, 2, 20, 22]
    assert ranked_by_row(order="combined", per_frame=2, per_region=1, budget=4) == [0, 2, 20, 22]
    assert ranked_by_row(order="diverse", per_region=0, budget=4) == [0, 1, 4, 5]
    assert ranked_by_row(order="diverse", per_region=0, budget=3) == [0, 4, 8]
    assert ranked_by_row(order="diverse", per_region=2, per_frame=0, budget=4) == [0, 1, 2, 3]
    assert ranked_by_row(order="diverse", per_region=0, per_frame=0, budget=4) == [0, 1, 2, 3]
    assert sorted(ranked_by_row(order="diverse", budget=50)) == list(range(24))


def test_questions_hold_the_models_answer():
    found = suggest(LINEAGE, GRAPH, MARGINS, None, order="margin")
    questions = as_questions(LINEAGE, found, {"margin": MARGINS.out})
    assert [row.keys for row in questions] == [
        ((1, 1), (2, 1)), ((1, 2),), ((0, 4), (1, 1)), ((0, 7), (1, 2), (1, 3)), ((1, 3),),
    ]  # fmt: skip
    assert all(row.kind == "children" and row.value is None for row in questions)
    assert questions[0].note == "margin 0.1"


@pytest.mark.parametrize("options", [[], ["--fast"], ["--order", "random", "--seed", "3"], ["--order", "diverse"]])
def test_command(capsys, tmp_path, monkeypatch, options):
    monkeypatch.chdir(write_walk(tmp_path))
    (tmp_path / "config.toml").write_text('[data]\nsegmentation = "masks"\n')
    assert track("suggest", "config.toml", "--budget", "4", *options) == 0
    assert "wrote 4 suggestions to suggested.csv" in capsys.readouterr().out
    first = (tmp_path / "suggested.csv").read_bytes()
    questions = read_pin_rows([tmp_path / "suggested.csv"])
    assert len(questions) == 4
    assert all(row.value is None for row in questions)
    assert track("suggest", "config.toml", "--budget", "4", *options) == 2
    assert "suggested.csv" in capsys.readouterr().err
    assert track("suggest", "config.toml", "--budget", "4", "--overwrite", *options) == 0
    assert (tmp_path / "suggested.csv").read_bytes() == first
    (tmp_path / "suggested.csv").write_text(first.decode().replace("?", "true"))
    assert track("run", "config.toml", "--pins", "suggested.csv") == 0
    assert "pins        4 honoured" in capsys.readouterr().out


def test_unknown_order(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(write_walk(tmp_path))
    (tmp_path / "config.toml").write_text('[data]\nsegmentation = "masks"\n')
    assert track("suggest", "config.toml", "--order", "best") == 2
    assert (
        "--order must be one of margin, confidence, combined, random, diverse, found 'best'" in capsys.readouterr().err
    )
