"""overview.png: colours, layout of the tree, pixels of the frames; and that any result can be drawn."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from memory_movie import MemoryMovie, case, strip

from tracker import plot
from tracker.detections import Detections
from tracker.errors import MissingExtraError
from tracker.lineage import Lineage, make_lineage
from tracker.plot import plot_overview


def chains(*tracks: int, ndim: int = 2) -> Lineage:
    """One cell per entry, seen in frames 0 .. entry - 1."""
    keys = [(t, cell) for cell, length in enumerate(tracks) for t in range(length)]
    keys.sort()
    row = {key: index for index, key in enumerate(keys)}
    links = [(row[t - 1, cell], row[t, cell]) for t, cell in keys if t]
    frame, label = np.array(keys, np.int64).reshape(-1, 2).T
    position = np.tile(np.column_stack([label * 10.0, frame * 3.0]), 2)[:, 4 - ndim :]
    frames = np.arange(max(tracks, default=0))
    detections = Detections(frame, label, position, frames, np.ones(ndim))
    return make_lineage(detections, np.ones(len(frame), bool), np.array(links, np.int64))


def family() -> Lineage:
    """Row 0 divides into 2 and 3, row 2 into 4 and 5; row 1 is a bystander seen once, row 6 is not selected."""
    frame, label = np.array([0, 0, 1, 1, 2, 2, 2]), np.array([1, 2, 1, 2, 1, 2, 3])
    position = np.arange(14, dtype=float).reshape(7, 2)
    detections = Detections(frame, label, position, np.arange(3), np.ones(2))
    return make_lineage(detections, np.arange(7) < 6, np.array([(0, 2), (0, 3), (2, 4), (2, 5)]))


def size(path: Path) -> tuple[int, int]:
    """Width and height from the header of a PNG."""
    header = path.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(header[16:20]), int.from_bytes(header[20:24])


def test_a_parent_stands_midway_above_its_children() -> None:
    tracks = plot._tracks(family())
    assert tracks.parent.tolist() == [-1, -1, 0, 0, 2, 2]
    assert tracks.side.tolist() == [0, 0, -1, 1, -1, 1]
    assert tracks.generation.tolist() == [0, 0, 1, 1, 2, 2]
    shown = plot._shown(tracks)
    assert shown.tolist() == [1, 2]
    x = plot._columns(tracks, shown)
    assert x[4] < x[5] < x[3] < x[1]
    assert x[2] == (x[4] + x[5]) / 2
    assert x[0] == (x[2] + x[3]) / 2


def test_a_large_result_shows_its_largest_lineages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "_MAX_COLUMNS", 3)
    tracks = plot._tracks(family())
    assert plot._shown(tracks).tolist() == [1]
    assert np.isnan(plot._columns(tracks, np.array([1]))[1])
    monkeypatch.setattr(plot, "_MAX_COLUMNS", 2)
    assert plot._shown(tracks).tolist() == [1]
    # Of single tracks the longest are shown.
    assert plot._shown(plot._tracks(chains(2, 4, 1, 3))).tolist() == [2, 4]


@pytest.mark.parametrize("ndim", [2, 3])
def test_masks_are_painted_in_their_colors_over_the_image(ndim: int) -> None:
    red, blue = [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]
    image = strip(5, 9, ndim=ndim)
    colors = np.array([red, blue])
    picture = plot._picture(np.array([5, 9]), colors, 0, MemoryMovie({0: image}), None)
    assert picture.shape == (3, 12, 3)
    assert picture[1, 0, 0] > picture[1, 0, 2]
    assert picture[1, 3, 2] > picture[1, 3, 0]
    background = picture[1, 11]
    assert background.tolist() == pytest.approx([0x17 / 255, 0x1D / 255, 0x27 / 255])
    bright = plot._picture(np.array([5, 9]), colors, 0, None, MemoryMovie({0: image}))
    assert (bright[1, 3] > bright[1, 0]).all()
    assert (bright[1, 0] > bright[1, 11]).all()


def test_images_that_count_from_another_number_are_those_of_their_masks() -> None:
    masks = MemoryMovie({0: strip(5), 1: strip(5)})
    images = MemoryMovie({1: np.arange(36).reshape(3, 12), 2: np.arange(36)[::-1].reshape(3, 12)})
    first, second = (plot._picture(np.empty(0, np.int64), np.empty((0, 3)), t, masks, images) for t in (0, 1))
    assert first[0, 0, 0] < first[2, 11, 0]
    assert second[0, 0, 0] > second[2, 11, 0]


def test_a_constant_image_can_be_drawn() -> None:
    picture = plot._picture(np.empty(0, np.int64), np.empty((0, 3)), 0, None, MemoryMovie({0: np.full((4, 5), 7)}))
    assert np.isfinite(picture).all()


def test_a_wide_frame_is_thinned() -> None:
    wide = MemoryMovie({0: np.zeros((10, 3000), np.uint16)})
    assert plot._picture(np.empty(0, np.int64), np.empty((0, 3)), 0, wide, None).shape == (4, 1000, 3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_overview_with_masks_and_images(tmp_path: Path, ndim: int) -> None:
    images = {t: strip(5, 9, ndim=ndim) for t in (3, 4, 5)}
    found, masks = case(images, [(0, 2), (0, 3), (2, 4)], unselected=(1,))
    plot_overview(tmp_path / "a.png", found, masks, MemoryMovie(images))
    plot_overview(tmp_path / "b.png", found, masks, MemoryMovie(images))
    assert size(tmp_path / "a.png") == (1600, 900)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    plot_overview(tmp_path / "c.png", found, masks, None)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()


LINEAGES = {
    "points": chains(4, 3, 2),
    "points in a volume": chains(4, 3, 2, ndim=3),
    "one detection": chains(1),
    "one frame": chains(1, 1),
    "two frames": chains(2),
    "a family": family(),
    "many": chains(*[3] * 160),
    "nothing": make_lineage(
        Detections(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 2)), np.arange(2), np.ones(2)),
        np.empty(0, bool),
        np.empty((0, 2), np.int64),
    ),
    "no frames": chains(),
}


@pytest.mark.parametrize("name", LINEAGES)
def test_any_lineage_can_be_drawn(tmp_path: Path, name: str) -> None:
    plot_overview(tmp_path / "overview.png", LINEAGES[name], None, None)
    assert size(tmp_path / "overview.png") == (1600, 900)


def test_without_matplotlib_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.plot.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        plot_overview(tmp_path / "overview.png", chains(2), None, None)
    assert str(caught.value) == (
        "the overview picture needs the package matplotlib, which is not installed. "
        'Install it with: pip install "pintrack[plot]"'
    )
    assert not (tmp_path / "overview.png").exists()


def test_importing_it_does_not_import_matplotlib() -> None:
    command = "import sys, tracker.plot; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", command], check=False).returncode == 0
