"""Outlines of objects: grown, shrunk, cut to what is bright, filled, taken apart."""

import numpy as np
import pytest

from embeddings.inference.refine_masks import bright_parts, filled, grown, refine, separate, shrunk


def mask(text):
    return np.array([[int(letter) if letter != "." else 0 for letter in line] for line in text.split()], np.int64)


def text(labels):
    return "\n".join("".join(str(one) if one else "." for one in row) for row in labels)


ROW = mask("........ .11..22. .11..22. ........")


def test_growing_meets_in_the_middle_and_keeps_what_is_there():
    assert text(grown(ROW, 1.0)) == ".11..22.\n11112222\n11112222\n.11..22."
    assert grown(ROW, 0.0) is ROW
    assert not grown(np.zeros((3, 3), np.int64), 5.0).any()


def test_shrinking_erases_both_sides_of_a_boundary():
    wide = mask("11112222 " * 4)
    assert text(shrunk(wide, 1.0)) == "\n".join(["111..222"] * 4)
    assert text(shrunk(wide, 2.0)) == "\n".join(["11....22"] * 4)
    assert shrunk(wide, 0.0) is wide


def test_shrinking_keeps_the_edge_of_the_image():
    one = mask("111. 111. 111. ....")
    assert text(shrunk(one, 1.0)) == "11..\n11..\n....\n...."
    whole = np.ones((4, 4), np.int64)
    np.testing.assert_array_equal(shrunk(whole, 3.0), whole)


def slow_shrunk(labels, distance):
    out = labels.copy()
    for place in np.argwhere(labels):
        other = np.argwhere(labels != labels[tuple(place)])
        # the nearest pixel of anything else, along the axes or across
        if len(other) and np.abs(other - place).sum(axis=1).min() <= distance:
            out[tuple(place)] = 0
    return out


def test_the_outermost_pixels_go_first():
    labels = np.random.default_rng(0).integers(0, 3, (6, 6)).repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(shrunk(labels, 1.0), slow_shrunk(labels, 1))


def test_distances_follow_the_size_of_pixels():
    line = np.zeros((9, 9, 9), np.int64)
    line[4, 4, 4] = 1
    found = grown(line, 2.0, spacing=(2.0, 1.0, 1.0))
    assert np.argwhere(found[:, 4, 4]).ravel().tolist() == [3, 4, 5]
    assert np.argwhere(found[4, :, 4]).ravel().tolist() == [2, 3, 4, 5, 6]


def test_bright_parts_have_a_threshold_each():
    labels = mask("1111.2222 1111.2222")
    image = np.array([[1, 1, 9, 9, 0, 100, 100, 500, 500]] * 2, float)
    assert text(bright_parts(labels, image)) == "..11...22\n..11...22"
    flat = np.where(labels == 1, 7.0, image)
    assert text(bright_parts(labels, flat)) == "1111...22\n1111...22"
    assert not bright_parts(np.zeros((3, 3), np.int64), np.ones((3, 3))).any()


def test_the_threshold_is_otsus():
    from skimage.filters import threshold_otsu

    rng = np.random.default_rng(0)
    image = np.concatenate([rng.normal(50, 10, 300), rng.normal(120, 20, 100)]).reshape(20, 20)
    kept = bright_parts(np.ones((20, 20), np.int64), image) > 0
    agree = kept == (image > threshold_otsu(image))
    assert agree.mean() > 0.99


def test_only_holes_of_one_label_are_filled():
    labels = mask("1111222. 1..1222. 1111.22. 1111222. ....333. ....3.3. 22.2333. 2...2...")
    labels[6:, :5] = mask("222.. 2....")
    found = filled(labels)
    assert text(found[:4, :4]) == "1111\n1111\n1111\n1111"  # a hole of 1
    assert found[2, 4] == 0  # between 1 and 2
    assert found[5, 5] == 3
    assert found[7, 1] == 0  # open to the edge
    full = np.ones((3, 3), np.int64)
    assert filled(full) is full


def test_holes_in_volumes():
    ball = np.zeros((5, 5, 5), np.int64)
    ball[1:4, 1:4, 1:4] = 7
    ball[2, 2, 2] = 0
    assert filled(ball)[2, 2, 2] == 7


def test_pieces_become_objects_and_small_ones_go():
    labels = mask("11..1 11..1 ..22. 3....")
    assert text(separate(labels, 2)) == "11..2\n11..2\n..33.\n....."
    assert text(separate(labels, 3)) == "11...\n11...\n.....\n....."
    assert separate(labels, 0).max() == 4
    assert not separate(np.zeros((3, 3), np.int64), 0).any()


@pytest.mark.parametrize("how", ["none", "cell", "nucleus"])
def test_refinements(how):
    labels = np.zeros((30, 30), np.int64)
    labels[8:22, 8:22] = 1
    image = np.zeros((30, 30))
    image[10:20, 10:20] = 1
    found = refine(labels, image, how, grow_px=2.0, shrink_px=4.0)
    rows = np.flatnonzero(found.any(axis=1))
    assert (rows[0], rows[-1]) == {"none": (8, 21), "cell": (10, 19), "nucleus": (10, 19)}[how]
