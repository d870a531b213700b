"""What strips show: words, outlines, places and brightness, as they are given to be drawn."""

import numpy as np
import pytest
from crop_movie import DIVIDES, ENDS, frame, movie, points, write
from memory_movie import MemoryMovie

from tracker import crop_view
from tracker.crop_strip import Outline, Panel
from tracker.detections import Detections
from tracker.lineage import make_lineage
from tracker.reading import detections_from_masks


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Panel], str, str, str]]:
    """What is given to be drawn."""
    calls: list[tuple[list[Panel], str, str, str]] = []
    real = crop_view.draw_strip

    def record(panels, *words):
        calls.append((panels, *words))
        return real(panels, *words)

    monkeypatch.setattr(crop_view, "draw_strip", record)
    return calls


def said(outlines: list[Outline]) -> list[tuple[str, str]]:
    return [(one.style, one.text) for one in outlines]


def test_what_a_strip_says(tmp_path, drawn):
    lineage, masks, images = movie()
    write(tmp_path / "crops", lineage, masks, images, ENDS, 0, DIVIDES)
    (first, *about_first), (divides, *about_divides), (ends, *about_ends) = drawn
    assert about_first == [
        "2 of 3    t = 4, label 3: the model says it goes on as 5:7",
        "margin unknown",
        "1 other candidate, 1 outside the picture",
    ]
    assert about_divides == [
        "3 of 3    t = 5, label 7: the model says it divides into 6:2 and 6:5",
        "margin 0.125: what another answer would add to the model's cost",
        "2 other candidates, 1 outside the picture",
    ]
    assert about_ends[0] == "1 of 3    t = 6, label 9: the model says it ends here"
    assert about_ends[1] == "margin infinite: there is no other answer"
    assert [panel.title for panel in first] == [
        "no frame", "t = 4   the cell", "t = 5   its answer and other candidates", "t = 6   after",
    ]  # fmt: skip
    assert [panel.title for panel in ends][-1] == "no frame"
    assert [said(panel.outlines) for panel in divides] == [
        [("parent", "3")],
        [("cell", "7")],
        [("child", "2"), ("child", "5"), ("candidate", "9")],
        [("grandchild", "4")],
    ]


def test_a_strip_is_as_long_as_the_answer_needs(tmp_path, drawn):
    lineage, masks, images = movie()
    skips = make_lineage(lineage.detections, lineage.selected, np.array([(0, 7)]))
    write(tmp_path / "crops", skips, masks, images, 0)
    assert len(drawn[0][0]) == 5
    assert said(drawn[0][0][-1].outlines) == [("child", "4")]


def test_the_crop_holds_all_children_and_can_be_set(tmp_path, drawn):
    lineage, masks, images = movie()
    far = make_lineage(lineage.detections, lineage.selected, np.array([(1, 3), (1, 4)]))
    write(tmp_path / "a", far, masks, images, DIVIDES)
    # 1 ends 41 pixels right of the centre of 7: 82, and half a diameter more; the movie is 60 high.
    assert drawn[0][0][1].grey.shape == (60, 85)
    write(tmp_path / "b", far, masks, images, DIVIDES, crop_size_px=20)
    assert drawn[1][0][1].grey.shape == (20, 20)
    assert [said(panel.outlines) for panel in drawn[1][0]][2] == [
        ("child", "2"),
        ("candidate", "5"),
        ("candidate", "9"),
    ]


def test_masks_alone_are_grey_levels(tmp_path, drawn):
    lineage, masks, _ = movie()
    write(tmp_path / "crops", lineage, masks, None, DIVIDES)
    panel = drawn[0][0][2]
    levels = {int(label): set(panel.grey[panel.labels == label].tolist()) for label in np.unique(panel.labels)}
    assert levels[0] == {0.05}
    assert all(len(level) == 1 for level in levels.values())
    assert len(set.union(*levels.values())) == len(levels) == 4


def test_brightness_is_shared_by_the_panels_and_survives_nan(tmp_path, drawn):
    lineage, masks, _ = movie()
    pixels = {t: np.where(mask > 0, 100.0 * (t - 3), 0.0) for t, mask in masks.pixels.items()}
    pixels[5][6, 28] = np.nan
    write(tmp_path / "crops", lineage, masks, MemoryMovie(pixels), DIVIDES)
    panels = drawn[0][0]
    np.testing.assert_allclose([panel.grey.max() for panel in panels], np.array([0.25, 0.5, 0.75, 1]) ** 0.6)
    assert panels[1].grey[1, 1] == 0


def test_images_that_count_from_another_number_are_paired_in_order(tmp_path, drawn):
    lineage, masks, images = movie()
    renumbered = MemoryMovie({t - 4: image for t, image in images.pixels.items()})
    write(tmp_path / "crops", lineage, masks, renumbered, DIVIDES)
    assert renumbered.reads == [0, 1, 2, 3]
    assert [panel.title[:5] for panel in drawn[0][0]] == ["t = 4", "t = 5", "t = 6", "t = 7"]


def test_a_constant_image_can_be_drawn(tmp_path, drawn):
    lineage, masks, images = movie()
    flat = MemoryMovie({t: np.full_like(image, 7) for t, image in images.pixels.items()})
    write(tmp_path / "crops", lineage, masks, flat, DIVIDES)
    assert all((panel.grey == 0).all() for panel in drawn[0][0])


def test_volumes_are_seen_from_above_through_the_planes_of_the_cell_and_its_children(tmp_path, drawn):
    flat = {0: {1: (20, 20)}, 1: {1: (20, 22), 2: (20, 32), 3: (30, 20)}}
    planes = {0: {1: 4}, 1: {1: 5, 2: 4, 3: 9}}
    pixels = {}
    for t, places in flat.items():
        pixels[t] = np.zeros((12, 60, 60), np.uint16)
        for label, place in places.items():
            pixels[t][planes[t][label]] += frame({label: place}, (60, 60))
    masks = MemoryMovie(pixels)
    images = MemoryMovie({t: np.where(mask > 0, 50, 0) for t, mask in pixels.items()})
    # The planes that are shown are 3 to 6.
    for plane in range(2, 8):
        images.pixels[0][plane, 10, plane] = 60
    found = detections_from_masks(masks, scale=[2, 1, 1])
    lineage = make_lineage(found, np.ones(4, bool), np.array([(0, 1), (0, 2)]))
    write(tmp_path / "crops", lineage, masks, images, 0, crop_size_px=60)
    _, now, after, _ = drawn[0][0]
    assert now.grey.shape == (60, 60)
    assert now.grey[10, 2:8].tolist() == [0, 1, 1, 1, 1, 0]
    assert after.grey[32, 22] == 0
    assert after.labels[32, 22] == 0
    assert said(after.outlines) == [("child", "1 z+1"), ("child", "2"), ("candidate", "3 z+5")]
    assert after.outlines[2].inside.sum() == 36


def test_points_are_circles_on_the_image(tmp_path, drawn):
    lineage = points([[10.0, 12], [10, 12], [10, 32]], scale=0.5)
    images = MemoryMovie({t: np.zeros((50, 70), np.uint8) for t in (0, 1)})
    write(tmp_path / "crops", lineage, None, images, 0, crop_size_px=70)
    before, now, after, later = drawn[0][0]
    assert [before.title, later.title] == ["no frame", "no image of t = 2"]
    assert said(after.outlines) == [("child", "1"), ("candidate", "2")]
    # 20 apart, 40 pixels: a radius of 14, and half a pixel to the edge of the middle one.
    down, across = np.nonzero(now.outlines[0].inside)
    assert [down.min(), down.max(), across.min(), across.max()] == [6, 34, 10, 38]
    assert now.outlines[0].inside.sum() == pytest.approx(np.pi * 14.5**2, rel=0.02)


def test_a_lonely_point_has_a_circle_too(tmp_path, drawn):
    found = Detections(np.arange(2), np.ones(2, int), np.full((2, 2), 20.0), np.arange(2), np.ones(2))
    lineage = make_lineage(found, np.ones(2, bool), np.array([(0, 1)]))
    images = MemoryMovie({t: np.zeros((40, 40), np.uint8) for t in (0, 1)})
    write(tmp_path / "crops", lineage, None, images, 0)
    assert np.ptp(np.nonzero(drawn[0][0][1].outlines[0].inside)[0]) == 10
