"""Simulated movies: what happens in them, what is written, and that a run could be judged by them."""

import re
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from tracker.errors import ConfigError, OutputError
from tracker.evaluate import evaluate
from tracker.io.movies import open_movie
from tracker.io.points import read_points
from tracker.lineage import make_lineage
from tracker.matching import match_truth
from tracker.reading import detections_from_masks
from tracker.simulate import SimulationSettings, simulate
from tracker.simulate_files import draw_image, draw_mask, write_movie, write_points
from tracker.truth import read_truth

FLAT = SimulationSettings(n_frames=16, shape=(96, 110), n_cells=12, cycle_frames=10, blink_probability=0.05)
DEEP = SimulationSettings(n_frames=6, shape=(8, 60, 64), n_cells=10, cycle_frames=6, z_spacing=3.0, radius_px=7.0)
SEED = 4


@pytest.fixture(scope="module", params=[FLAT, DEEP], ids=["2-D", "3-D"])
def movie(request):
    return simulate(request.param, SEED)


def same(one, two):
    for name in ("frame", "position_px", "radius_px", "brightness"):
        np.testing.assert_array_equal(getattr(one.nuclei, name), getattr(two.nuclei, name))
        np.testing.assert_array_equal(getattr(one.missed, name), getattr(two.missed, name))
    np.testing.assert_array_equal(one.label, two.label)
    np.testing.assert_array_equal(one.parent, two.parent)


def test_the_same_seed_gives_the_same_movie(movie):
    again = simulate(movie.settings, SEED)
    same(movie, again)
    assert draw_image(movie, 3).tobytes() == draw_image(again, 3).tobytes()
    assert draw_mask(movie, 3).tobytes() == draw_mask(again, 3).tobytes()
    other = simulate(movie.settings, SEED + 1)
    assert len(other) != len(movie) or not np.array_equal(other.nuclei.position_px, movie.nuclei.position_px)


def test_everything_happens():
    movie = simulate(replace(FLAT, n_frames=40, enter_per_frame=0.5), SEED)
    frame, parent = movie.nuclei.frame, movie.parent
    child = np.flatnonzero(parent >= 0)
    gap = frame[child] - frame[parent[child]]
    children = np.bincount(parent[child], minlength=len(movie))
    assert (gap == 2).any()  # blink
    assert len(movie.missed) > 0
    assert (children == 2).sum() > 10
    assert children.max() == 2
    inner = np.array(movie.settings.shape) / 2 - np.abs(movie.nuclei.position_px - np.array(movie.settings.shape) / 2)
    entering = (parent < 0) & (frame > 0)
    leaving = (children == 0) & (frame < 39)
    for some in (entering, leaving):
        assert some.sum() > 3
        assert inner[some].min(axis=1).max() < 15  # near the edges alone


def test_volume_is_halved_by_a_division_and_grows_otherwise(movie):
    ndim = len(movie.settings.shape)
    volume = movie.nuclei.radius_px**ndim
    child = np.flatnonzero(movie.parent >= 0)
    ratio = volume[child] / volume[movie.parent[child]]
    # Not the number of children: a daughter may leave as she is born.
    born = movie.nuclei.brightness[movie.parent[child]] == 2
    assert born.any()
    assert ratio[~born].min() > 1.0
    # The mother was seen a frame before her end, up to 1 / MIN_CYCLE_FRAMES of the cycle short of double.
    assert np.all((ratio[born] >= 0.5) & (ratio[born] < 0.65))


def test_daughters_part_and_are_bright(movie):
    lineage = movie.to_lineage()
    mother, one, two = lineage.divisions.T
    apart = np.linalg.norm(lineage.detections.position[one] - lineage.detections.position[two], axis=1)
    assert np.all(apart > movie.nuclei.radius_px[one])
    assert np.all(movie.nuclei.brightness[mother] == 2.0)
    assert np.all(movie.nuclei.brightness[one] == 1.5)


def test_cells_touch_but_hardly_overlap():
    """Pixels lost to neighbours: fewer than 5 percent, in a field that is full of cells."""
    movie = simulate(replace(FLAT, n_cells=30, n_frames=5), SEED)
    masks = [draw_mask(movie, t) for t in range(5)]
    shape = np.array(movie.settings.shape)
    reach = movie.nuclei.radius_px[:, None]
    whole = ((movie.nuclei.position_px >= reach) & (movie.nuclei.position_px <= shape - 1 - reach)).all(axis=1)
    seen = np.array([np.sum(masks[t] == k) for t, k in zip(movie.nuclei.frame, movie.label, strict=True)])
    assert seen[whole].sum() > 0.95 * np.sum(np.pi * movie.nuclei.radius_px[whole] ** 2)
    touching = sum(np.sum((m[:, 1:] != m[:, :-1]) & (m[:, 1:] > 0) & (m[:, :-1] > 0)) for m in masks)
    assert touching > 20


def test_labels_tell_nothing():
    """Within each frame 1.., and as good as unrelated to those of the frame before."""
    movie = simulate(replace(FLAT, n_cells=60, shape=(400, 400), n_frames=12, enter_per_frame=0), SEED)
    for frame in range(12):
        labels = movie.label[movie.nuclei.frame == frame]
        np.testing.assert_array_equal(labels, np.arange(1, len(labels) + 1))
    child = np.flatnonzero(movie.parent >= 0)
    assert abs(np.corrcoef(movie.label[child], movie.label[movie.parent[child]])[0, 1]) < 0.15


def test_every_nucleus_has_pixels_and_lies_at_its_centroid(movie):
    for frame in range(movie.settings.n_frames):
        mask = draw_mask(movie, frame)
        rows = np.flatnonzero(movie.nuclei.frame == frame)
        np.testing.assert_array_equal(np.unique(mask[mask > 0]), movie.label[rows])
        inside = np.all(
            (movie.nuclei.position_px[rows] > 11) & (movie.nuclei.position_px[rows] < np.array(mask.shape) - 12), axis=1
        )
        for row in rows[inside]:
            centroid = np.argwhere(mask == movie.label[row]).mean(axis=0)
            assert np.linalg.norm((centroid - movie.nuclei.position_px[row]) * movie.settings.scale) < 2.0


def test_crowded_nuclei_still_have_pixels():
    """More cells than there is room for, some with one centre pixel: those are missed, the others are all drawn."""
    settings = SimulationSettings(n_frames=3, shape=(12, 12), n_cells=100, radius_px=4.0, push_rounds=0)
    movie = simulate(settings, SEED)
    assert len(movie.missed) > 10
    for frame in range(3):
        mask = draw_mask(movie, frame)
        np.testing.assert_array_equal(np.unique(mask[mask > 0]), movie.label[movie.nuclei.frame == frame])


def test_images_show_nuclei_missed_ones_too():
    movie = simulate(FLAT, SEED)
    frame = int(movie.missed.frame[0])
    image, mask = draw_image(movie, frame), draw_mask(movie, frame)
    assert image.dtype == mask.dtype == np.uint16
    dark = np.median(image[mask == 0])
    assert dark == pytest.approx(100 + FLAT.background, abs=5)
    place = tuple(np.rint(movie.missed.position_px[0]).astype(int))
    assert image[place] > dark + 0.4 * FLAT.brightness
    assert mask[place] == 0


def test_written_movie_reads_back_as_its_truth(movie, tmp_path):
    pytest.importorskip("traccuracy")
    write_movie(movie, tmp_path / "sim")
    truth, lineage = read_truth(tmp_path / "sim" / "01_GT"), movie.to_lineage()
    masks, images = open_movie(tmp_path / "sim" / "01_SEG", kind="masks"), open_movie(tmp_path / "sim" / "01")
    assert (len(truth), len(truth.links), truth.n_divisions) == (len(movie), len(movie.links), len(lineage.divisions))
    assert truth.warnings == ()
    np.testing.assert_array_equal(masks.read(2), draw_mask(movie, 2))
    np.testing.assert_array_equal(images.read(2), draw_image(movie, 2))
    assert masks.dtype == images.dtype == truth.masks.dtype == np.uint16
    assert [path.name for path in tmp_path.iterdir()] == ["sim"]
    metrics = evaluate(lineage, truth, masks=masks)
    assert (metrics.AOGM, metrics.CHOTA, metrics.complete_tracks, metrics.division_f1) == (0.0, 1.0, 1.0, 1.0)
    broken = make_lineage(lineage.detections, lineage.selected, lineage.links[5:])
    assert evaluate(broken, truth, masks=masks).fn_edges == 5


@pytest.mark.parametrize("every", [2, 3])
def test_perfect_over_every_so_many_frames(tmp_path, every):
    pytest.importorskip("traccuracy")
    movie = simulate(FLAT, SEED)
    write_movie(movie, tmp_path / "sim", images=False)
    assert not (tmp_path / "sim" / "01").exists()
    masks = open_movie(tmp_path / "sim" / "01_SEG", kind="masks")
    whole = read_truth(tmp_path / "sim" / "01_GT" / "TRA")
    truth = read_truth(tmp_path / "sim" / "01_GT" / "TRA", every=every)
    detections = detections_from_masks(masks, frames=masks.frames[::every])
    rows, rule = match_truth(detections, truth, masks)
    assert rule == "ctc"
    assert np.array_equal(np.sort(rows), np.arange(len(detections)))
    lineage = make_lineage(detections, np.ones(len(detections), bool), rows[truth.links])
    for judge in (truth, whole):  # the whole truth is brought down to the frames of the result
        metrics = evaluate(lineage, judge, masks=masks)
        assert metrics.AOGM == 0.0
        assert metrics.details["counts"]["frames"] == len(masks.frames[::every])


def test_points(movie, tmp_path):
    path = tmp_path / "points.csv"
    write_points(movie, path)
    axes = ["y", "x"] if len(movie.settings.shape) == 2 else ["z", "y", "x"]
    assert path.read_text().splitlines()[0] == ",".join(["id", "t", *axes, "radius", "parent_id"])
    table = read_points(path)
    np.testing.assert_allclose(table.position, movie.nuclei.position_px, atol=5.1e-4)
    np.testing.assert_allclose(table.properties["radius"], movie.nuclei.radius_px, atol=5.1e-4)
    truth = read_truth(path, scale=movie.settings.scale)
    np.testing.assert_array_equal(truth.links, movie.links)
    pytest.importorskip("traccuracy")
    metrics = evaluate(movie.to_lineage(from_masks=False), truth)
    assert (metrics.AOGM, metrics.details["matching"]["matcher"]) == (0.0, "id")


def test_many_points():
    """Tens of thousands, without pushing: far below a second."""
    settings = SimulationSettings(n_frames=10, shape=(3000, 3000), n_cells=4000, push_rounds=0)
    movie = simulate(settings, SEED)
    assert len(movie) > 40_000
    assert np.all(np.diff(movie.nuclei.frame) >= 0)
    child = np.flatnonzero(movie.parent >= 0)
    step = movie.nuclei.position_px[child] - movie.nuclei.position_px[movie.parent[child]]
    divided = np.bincount(movie.parent[child], minlength=len(movie))[movie.parent[child]] == 2
    one_frame = movie.nuclei.frame[child] - movie.nuclei.frame[movie.parent[child]] == 1
    assert step[one_frame & ~divided].std() == pytest.approx(settings.speed_px, rel=0.05)


def test_no_divisions_and_nothing_comes():
    movie = simulate(replace(FLAT, cycle_frames=np.inf, enter_per_frame=0.0, blink_probability=0.0), SEED)
    assert len(movie.to_lineage().divisions) == 0
    assert np.all(movie.nuclei.frame[movie.parent < 0] == 0)
    assert np.all(movie.nuclei.radius_px == FLAT.radius_px)


def test_a_movie_may_run_empty(tmp_path):
    fast = SimulationSettings(n_frames=4, shape=(20, 20), n_cells=1, speed_px=500.0, enter_per_frame=0.0)
    movie = simulate(fast, SEED)
    assert movie.nuclei.frame.max() < 3
    write_movie(movie, tmp_path / "sim")
    assert not tifffile.imread(tmp_path / "sim" / "01_SEG" / "mask003.tif").any()


def test_existing_places_are_refused(tmp_path):
    movie = simulate(replace(FLAT, n_frames=1), SEED)
    for write, place in ((write_movie, tmp_path), (write_points, tmp_path / "old.csv")):
        (tmp_path / "old.csv").write_text("kept")
        message = f"{place} exists already; name another place for the simulated movie, or remove it first"
        with pytest.raises(OutputError, match=f"^{re.escape(message)}$"):
            write(movie, place)
    assert (tmp_path / "old.csv").read_text() == "kept"
    with pytest.raises(OutputError, match=f"^the simulated movie cannot be written to {tmp_path}/old.csv/sim: "):
        write_movie(movie, tmp_path / "old.csv" / "sim")


def test_nothing_is_left_when_writing_fails(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    place = tmp_path / "deep" / "sim"
    with pytest.raises(
        OutputError, match=f"^the simulated movie cannot be written to {place}: No space left on device$"
    ):
        write_movie(simulate(replace(FLAT, n_frames=1), SEED), place)
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_frames": 0}, "n_frames must be at least 1; found 0"),
        ({"shape": (9,)}, "shape must be two or three positive sizes; found (9,)"),
        ({"persistence": 1.0}, "persistence must be at least 0 and below 1; found 1.0"),
        ({"cycle_frames": 2}, "cycle_frames must be at least 4; found 2"),
        ({"speed_px": float("nan")}, "speed_px must be finite and not negative; found nan"),
    ],
)
def test_settings_refused(change, message):
    with pytest.raises(ConfigError, match=f"^simulation: {re.escape(message)}$"):
        replace(FLAT, **change)
