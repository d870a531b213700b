"""Strips of pictures as files: where outlines lie in them, how often frames are read, what happens to the folder."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from command_line import tree
from crop_movie import DIVIDES, PLACES, WINDOW_X, WINDOW_Y, ZOOM, frame, movie, points, write
from memory_movie import MemoryMovie
from PIL import Image

from tracker.candidates import build_candidates
from tracker.crop_strip import CYAN, MAGENTA, PANEL_PX, YELLOW, panel_corner
from tracker.crops import write_crops
from tracker.errors import ConfigError, MovieError, OutputError
from tracker.io.movies import open_movie
from tracker.lineage import make_lineage
from tracker.reading import detections_from_masks

DATA = Path(os.environ.get("TRACK_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
HELA = DATA / "Fluo-N2DL-HeLa-02-t00-19"


def panels_of(path: Path) -> list[np.ndarray]:
    """The square of each panel, (PANEL_PX, PANEL_PX, 3)."""
    with Image.open(path) as file:
        strip = np.asarray(file)
    corners = [panel_corner(index) for index in range(strip.shape[1] // PANEL_PX)]
    return [strip[top : top + PANEL_PX, left : left + PANEL_PX] for left, top in corners]


def within(panel: np.ndarray, label: int, t: int, color: tuple[int, int, int]) -> np.ndarray:
    """Where the square of a cell, as it was cut from the panel, has this colour."""
    y, x = PLACES[t][label]
    top, left = (y - WINDOW_Y) * ZOOM, (x - WINDOW_X) * ZOOM
    return (panel[top : top + 6 * ZOOM, left : left + 6 * ZOOM] == color).all(axis=-1)


def ring(width_px: int) -> np.ndarray:
    expected = np.ones((6 * ZOOM, 6 * ZOOM), bool)
    expected[width_px:-width_px, width_px:-width_px] = False
    return expected


def test_outlines_lie_on_the_edges_of_the_masks(tmp_path):
    lineage, masks, images = movie()
    (path,) = write(tmp_path / "new" / "crops", lineage, masks, images, DIVIDES)
    assert path == tmp_path / "new" / "crops" / "0001_t005_label00007.png"
    before, now, after, later = panels_of(path)
    np.testing.assert_array_equal(within(before, 3, 4, YELLOW), ring(1))
    np.testing.assert_array_equal(within(now, 7, 5, YELLOW), ring(3))
    np.testing.assert_array_equal(within(after, 2, 6, CYAN), ring(3))
    np.testing.assert_array_equal(within(after, 5, 6, CYAN), ring(3))
    np.testing.assert_array_equal(within(later, 4, 7, CYAN), ring(1))
    dashed = within(after, 9, 6, MAGENTA)
    assert not (dashed & ~ring(2)).any()
    assert 0.4 < dashed.sum() / ring(2).sum() < 0.6
    # Inside is the cell as bright as can be, far from it the background.
    assert (now[20 * ZOOM, 20 * ZOOM] == 255).all()
    assert (now[30 * ZOOM, 5 * ZOOM] == 0).all()


def test_a_panel_without_a_frame_is_blank(tmp_path):
    lineage, masks, images = movie()
    (path,) = write(tmp_path / "crops", lineage, masks, images, 0)
    before, now, *_ = panels_of(path)
    blank = (before == before[0, 0]).all(axis=-1)
    assert before[0, 0].tolist() == [29, 36, 47]
    assert 0.98 < blank.mean() < 1  # all but the words
    assert not blank[PANEL_PX // 2 - 8 : PANEL_PX // 2 + 8].all()
    assert not (now == before[0, 0]).all(axis=-1).any()


def test_each_frame_is_read_once_in_the_order_of_time(tmp_path):
    lineage, masks, images = movie()
    paths = write(tmp_path / "crops", lineage, masks, images, 4, 6, 0, 3, 2, 1)
    assert masks.reads == images.reads == [4, 5, 6, 7]
    assert [path.name[:4] for path in paths] == ["0001", "0002", "0003", "0004", "0005", "0006"]
    assert sorted(path.name for path in (tmp_path / "crops").iterdir()) == [path.name for path in paths]


def test_a_movie_larger_than_a_panel_is_thinned_out(tmp_path):
    places = {1: (300, 400), 2: (10, 1000)}
    masks = MemoryMovie({t: frame(places, (600, 1200)) for t in range(2)})
    masks.pixels[1][30, 31] = 3  # one pixel, lost between those that are drawn
    found = detections_from_masks(masks)
    lineage = make_lineage(found, np.ones(len(found), bool), np.array([(0, 2), (1, 3)]))
    (path,) = write(tmp_path / "crops", lineage, masks, None, 0, crop_size_px=5000)
    _, now, *_ = panels_of(path)
    assert (now == YELLOW).all(axis=-1).any()


def test_points_alone_cannot_be_shown(tmp_path):
    with pytest.raises(ConfigError) as error:
        write(tmp_path / "crops", points([[0.0, 0], [0, 0], [9, 9]]), None, None, 0)
    assert str(error.value) == (
        "crops need data.images or data.segmentation, and there are only points: give the images of these points, "
        "or leave --crops out"
    )
    assert tree(tmp_path) == {}


def test_a_folder_that_holds_something_is_refused(tmp_path):
    lineage, masks, images = movie()
    folder = tmp_path / "crops"
    folder.mkdir()
    write(folder, lineage, masks, images, 0, DIVIDES)
    before = tree(tmp_path)
    with pytest.raises(OutputError) as error:
        write(folder, lineage, masks, images, DIVIDES)
    assert str(error.value) == (
        f"the folder {folder} exists already and holds 0001_t004_label00003.png, 0002_t005_label00007.png. Name "
        "another with --crops, or replace the crops in it with --overwrite"
    )
    assert tree(tmp_path) == before


def test_overwriting_replaces_strips_and_nothing_else(tmp_path):
    lineage, masks, images = movie()
    folder = tmp_path / "crops"
    write(folder, lineage, masks, images, 0, DIVIDES)
    (folder / "0001_t004.png").write_text("mine")
    write(folder, lineage, masks, images, DIVIDES, overwrite=True)
    assert sorted(os.listdir(folder)) == ["0001_t004.png", "0001_t005_label00007.png"]
    assert os.listdir(tmp_path) == ["crops"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "crops").write_text("mine")
    with pytest.raises(OutputError) as error:
        write(tmp_path / "crops", *movie(), 0, overwrite=True)
    assert str(error.value) == f"crops need a folder, but {tmp_path / 'crops'} is a file. Name another with --crops"


def test_a_frame_that_cannot_be_read_leaves_nothing(tmp_path):
    lineage, masks, images = movie()
    read = images.read

    def unreadable(t: int) -> np.ndarray:
        if t == 7:
            raise MovieError("t = 7 is damaged")
        return read(t)

    images.read = unreadable
    with pytest.raises(MovieError, match="damaged"):
        write(tmp_path / "crops", lineage, masks, images, 0, DIVIDES)
    assert tree(tmp_path) == {}


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OutputError) as error:
        write(tmp_path / "crops", *movie(), 0)
    assert str(error.value) == (
        f"the crops cannot be written to {tmp_path / 'crops'}: No space left on device. "
        "Name another folder with --crops"
    )
    assert tree(tmp_path) == {}


@pytest.mark.data
@pytest.mark.skipif(not HELA.is_dir(), reason=f"the real movies are not at TRACK_DATA = {DATA}")
def test_crops_of_a_real_movie(tmp_path):
    masks, images = open_movie(HELA / "02_SEG", kind="masks"), open_movie(HELA / "02")
    found = detections_from_masks(masks, frames=masks.frames[:4])
    graph = build_candidates(found, neighbors=10)
    nearest = build_candidates(found, neighbors=1).links
    lineage = make_lineage(found, np.ones(len(found), bool), nearest[np.unique(nearest[:, 1], return_index=True)[1]])
    single = np.flatnonzero((lineage.n_children == 1) & (found.properties["border_distance_px"] > 100))
    rows = single[:: len(single) // 9][:10]
    paths = write_crops(tmp_path / "crops", lineage, graph, rows, np.zeros(len(found)), masks, images)
    assert len(paths) == 10
    for row, path in zip(rows.tolist(), paths, strict=True):
        assert path.name[5:] == f"t{found.frame[row]:03d}_label{found.label[row]:05d}.png"
        panels = panels_of(path)
        assert len(panels) == 4
        # Away from the edges of the movie the cell is in the middle of its panel, and its outline around it.
        down, across = np.nonzero((panels[1] == YELLOW).all(axis=-1))
        assert down.max() - down.min() < PANEL_PX / 2
        assert abs((across.min() + across.max()) / 2 - PANEL_PX / 2) < 6
        assert (panels[2] == CYAN).all(axis=-1).any()
        assert (panels[2] == MAGENTA).all(axis=-1).any()
