"""track report without a browser: outlines, packing, sampling, sizes; and what is refused."""

import base64
import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import refused, track, tree
from report_cases import family_result, write_volume
from scipy.ndimage import binary_fill_holes, label
from skimage.draw import polygon

from tracker.doubts import uncertain_rows
from tracker.mistakes import KINDS
from tracker.report.contours import find_contours, thin
from tracker.report.numbers import margin_histogram
from tracker.report.pack import as_json, pack
from tracker.report.pictures import draw_pictures
from tracker.report.sample import chosen_rows
from tracker.report.source import open_result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a movie and its result, not to be changed."""
    return family_result(tmp_path_factory.mktemp("made")).parent


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, whose run.json says that it was made there; we are in it."""
    shutil.copytree(made, tmp_path / "here")
    path = tmp_path / "here" / "result" / "run.json"
    path.write_text(path.read_text().replace(str(made), str(tmp_path / "here")))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def content(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The words and the arrays of a report, read as the browser reads them."""
    text = path.read_text()
    meta = json.loads(re.search(r'id="meta">(.*?)</script>', text, re.DOTALL)[1])
    data = gzip.decompress(base64.b64decode(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]))
    kinds = {"Uint8Array": "u1", "Int16Array": "<i2", "Int32Array": "<i4", "Float32Array": "<f4", "Float64Array": "<f8"}
    return meta, {
        one["name"]: np.frombuffer(data, kinds[one["type"]], one["count"], one["offset"]) for one in meta["arrays"]
    }


def change(path: Path, **changes: object) -> None:
    report = json.loads(path.read_text())
    path.write_text(json.dumps({**report, **changes}))


def blobs() -> np.ndarray:
    """Regions of all sorts, with holes, pieces, corners that touch, and one at every edge."""
    rng = np.random.default_rng(3)
    noise = rng.random((60, 70))
    regions, _ = label(noise > 0.45)
    regions[20:40, 20:50] = 900
    regions[25:30, 25:30] = 0
    return regions


def test_contours_go_around_every_pixel_of_a_region_and_no_other() -> None:
    labels = blobs()
    found = find_contours(labels, step_px=1, smoothing=0)
    assert np.array_equal(np.unique(found.label), np.unique(labels)[1:])
    assert (np.diff(found.label) >= 0).all()
    inside = np.zeros(labels.shape, int)
    area = np.zeros(labels.max() + 1)
    for line, number in enumerate(found.label):
        points = found.points[found.start[line] : found.start[line + 1]].astype(float)
        y, x = points.T
        # A line through the middles of n sides cuts off an eighth of a pixel at each convex corner, adds it at others.
        area[number] += (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
        step = np.abs(np.diff(points, axis=0, append=points[:1]))
        assert step.max() <= 1.0
        rows, columns = polygon(y, x, labels.shape)
        if number == 900 and area[number] > 100:
            inside[rows, columns] = 1
    wanted = np.bincount(labels.ravel())
    lone = [number for number in np.unique(labels)[1:] if wanted[number] == 1]
    assert lone
    assert area[lone] == pytest.approx(0.5)  # a diamond
    assert area[900] == pytest.approx(wanted[900], abs=1.01)
    assert np.array_equal(inside == 1, binary_fill_holes(labels == 900))
    smooth = find_contours(labels, step_px=2.0, smoothing=2)
    assert len(smooth.points) < 0.7 * len(found.points)
    assert np.diff(thin(smooth, 8).start).max() <= -(-np.diff(smooth.start).max() // 8) + 5
    assert len(find_contours(np.zeros((3, 4), int)).label) == 0


def test_arrays_and_words_come_back_from_the_page() -> None:
    arrays = {"a": np.arange(5, dtype="u1"), "b": np.array([1.5, np.nan], "f4"), "c": np.array([2**40], "f8")}
    described, data = pack(arrays)
    raw = gzip.decompress(data)
    assert [one["offset"] % 8 for one in described] == [0, 0, 0]
    assert np.frombuffer(raw, "<f8", 1, described[2]["offset"])[0] == 2**40
    assert pack(arrays)[1] == data
    assert "<" not in as_json({"note": "</script><!--"})
    assert json.loads(as_json({"note": "</script>"})) == {"note": "</script>"}


def test_the_report_holds_the_lineage_the_outlines_and_the_errors(folder: Path) -> None:
    assert track("report", "result", "--quiet") == 0
    meta, arrays = content(folder / "result" / "report.html")
    source = open_result(folder / "result")
    found = source.lineage.detections
    assert arrays["x"] == pytest.approx(found.position[:, 1])
    assert arrays["label"].tolist() == found.label.tolist()  # of the input, not of ctc/
    assert arrays["parent"].tolist() == source.lineage.parent.tolist()
    assert len(arrays["divisions"]) == 3
    assert meta["kind_counts"][KINDS.index("false division")] == 1
    wrong = arrays["mistake_rows"].reshape(-1, 2)[arrays["mistake_kind"] == KINDS.index("false division")][0]
    assert (found.frame[wrong[0]], found.label[wrong[0]], wrong[1]) == (1, 3, -1)
    # Every detection has its outline, around its own pixels.
    ends = np.cumsum(arrays["line_length"])
    lines = np.split(arrays["line_points"].reshape(-1, 2).astype(int), ends[:-1])
    assert sorted(arrays["line_row"]) == list(range(len(found)))
    for row, line in zip(arrays["line_row"], lines, strict=True):
        outline = np.cumsum(line, axis=0) * meta["line_unit_px"] + np.round(found.position[row] * 4) / 4
        mask = tifffile.imread(folder / "masks" / f"t{found.frame[row]:03d}.tif") == found.label[row]
        y, x = np.nonzero(mask)
        low, high = outline.min(axis=0), outline.max(axis=0)
        assert (*low, *high) == pytest.approx((y.min(), x.min(), y.max(), x.max()), abs=0.75)
    first = (folder / "result" / "report.html").read_bytes()
    assert track("report", "result", "--quiet", "--overwrite") == 0
    assert (folder / "result" / "report.html").read_bytes() == first


def test_a_report_is_of_one_run(folder: Path) -> None:
    config = folder / "config.toml"
    assert track("run", config, "--quiet", "--overwrite", "--report") == 0
    first = (folder / "result" / "report.html").read_bytes()
    assert track("report", "result", "--quiet", "--overwrite") == 0  # compares again what the run has compared
    assert (folder / "result" / "report.html").read_bytes() == first
    (folder / "result" / "notes.txt").write_text("mine")
    assert "http" not in re.sub(r"http://www.w3.org/2000/svg", "", (folder / "result" / "report.html").read_text())
    assert track("run", config, "--quiet", "--overwrite") == 0
    assert (folder / "result" / "notes.txt").exists()
    assert not (folder / "result" / "report.html").exists()


def test_what_does_not_fit_is_left_out_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert track("simulate", "movie", "--seed", 1, "--frames", 8, "--shape", "400,400", "--cells", 30, "--quiet") == 0
    assert track("run", "--images", "movie/01", "--segmentation", "movie/01_SEG", "--output", "result", "--quiet") == 0
    assert track("report", "result", "--max-size-mb", 0.5, "--quiet") == 0
    path = tmp_path / "result" / "report.html"
    assert path.stat().st_size <= 0.5e6
    meta, arrays = content(path)
    assert any("To keep the file small pictures have" in note for note in meta["notes"])
    assert len(arrays["x"]) == meta["n_detections"]
    monkeypatch.setattr("tracker.report.write._BYTES_PER_DETECTION", 1000)
    assert track("report", "result", "--max-size-mb", 0.5, "--quiet", "--overwrite") == 0
    meta, arrays = content(path)
    assert 0 < len(arrays["x"]) <= 150 < meta["n_detections"]
    assert any(f"it holds {len(arrays['x'])} of" in note for note in meta["notes"])
    assert set(arrays["line_row"]) <= set(range(len(arrays["x"])))


def test_masks_in_zarr_are_shown_as_those_in_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert track("report", "result", "--quiet") == 0
    _, files = content(folder / "result" / "report.html")
    assert track("run", "config.toml", "--quiet", "--overwrite", "--set", "output.masks=zarr", "--report") == 0
    _, image = content(folder / "result" / "report.html")
    assert files.keys() == image.keys()
    assert all(np.array_equal(files[name], image[name], equal_nan=True) for name in files)


def test_volumes_are_shown_from_above_and_plane_by_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_volume(tmp_path)
    meta, arrays = content(tmp_path / "result" / "report.html")
    assert meta["planes"] == list(range(-1, 14))
    assert any(note.startswith("Volumes are seen from above") for note in meta["notes"])
    assert 'id="picture-3-13"' in (tmp_path / "result" / "report.html").read_text()
    masks = tifffile.imread(tmp_path / "movie" / "01_SEG" / "mask003.tif")
    rows = np.arange(arrays["start"][3], arrays["start"][4])
    for plane in range(14):
        there = {int(arrays["label"][row]) for row in arrays["line_row"][arrays["line_plane"] == plane] if row in rows}
        assert there == set(np.unique(masks[plane]).tolist()) - {0}, plane


def test_whole_lineages_are_chosen_with_errors_first(folder: Path) -> None:
    source = open_result(folder / "result")
    lineage, nobody = source.lineage, np.array([-1])
    walker = int(np.flatnonzero(lineage.detections.label == 7)[2])
    margin = np.full(len(lineage.detections), 5.0)
    margin[0] = 1.0
    assert len(chosen_rows(lineage, margin, nobody, 100)) == len(margin)
    assert set(lineage.detections.label[chosen_rows(lineage, margin, nobody, 6)]) == {2, 3, 4}  # one at least
    assert set(lineage.detections.label[chosen_rows(lineage, margin, np.array([walker]), 6)]) == {7}


def test_margins_are_counted_and_ranked(folder: Path) -> None:
    lineage = open_result(folder / "result").lineage
    margin = np.full(len(lineage.detections), np.nan)
    margin[:4] = [3.0, 0.0, 0.1, 30.0]
    shown = margin_histogram(lineage, margin)
    assert sum(shown["counts"]) + shown["zero"] == 4
    assert shown["none"] == int((lineage.detections.step < 4).sum()) - 4
    assert uncertain_rows(lineage.detections, lineage.selected, margin, 3).tolist() == [1, 2, 0]
    assert margin_histogram(lineage, np.full(len(margin), np.nan)) is None


def test_a_run_says_what_else_its_least_certain_decisions_could_be(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = json.loads((folder / "result" / "run.json").read_text())
    assert track("report", "result", "--quiet") == 0
    _, arrays = content(folder / "result" / "report.html")
    found = open_result(folder / "result").lineage.detections
    assert arrays["margin"][arrays["uncertain"]].tolist() == sorted(arrays["margin"][arrays["uncertain"]].tolist())
    assert len(run["doubts"]) > 5
    for doubt, row, rivals in zip(run["doubts"], arrays["uncertain"], arrays["rivals"].reshape(-1, 3), strict=True):
        assert (found.frame[row], found.label[row]) == (doubt["t"], doubt["label"])
        assert [[found.frame[one], found.label[one]] for one in rivals if one >= 0] == doubt["others"]
        assert row not in arrays["parent"][rivals[rivals >= 0]]
    # The cell that divides is the dearest to link otherwise: only the one that walks by is left to it.
    assert next(doubt for doubt in run["doubts"] if (doubt["t"], doubt["label"]) == (1, 3))["others"] == [[2, 7]]
    change(folder / "result" / "run.json", doubts=[{"t": 1}])
    refused(
        capsys,
        "the doubts in result/run.json cannot be read (KeyError('label')). Run again: `track run`",
        "report", "result", "--overwrite",
    )  # fmt: skip
    del run["doubts"]  # of a version that did not write them
    (folder / "result" / "run.json").write_text(json.dumps(run))
    assert track("report", "result", "--quiet", "--overwrite") == 0
    assert (content(folder / "result" / "report.html")[1]["rivals"] == -1).all()


def test_pictures_shrink_and_thin_out_to_their_size() -> None:
    from memory_movie import MemoryMovie

    rng = np.random.default_rng(0)
    movie = MemoryMovie({t: rng.integers(0, 4000, (200, 240)).astype(np.uint16) for t in range(8)})
    frames = np.arange(8)
    frames[3] = -1
    large = draw_pictures(movie, frames, [-1], 1e7)
    assert (large.scale, large.every, len(large.webp)) == (1.0, 1, 7)
    small = draw_pictures(movie, frames, [-1], 20_000)
    assert small.scale < 1
    assert 4 / 3 * sum(map(len, small.webp.values())) <= 20_000
    least = draw_pictures(movie, frames, [-1], 1_000)
    assert least.every > 1


def test_what_is_no_result_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result, run = folder / "result", folder / "result" / "run.json"
    written = run.read_text()
    refused(capsys, "nowhere does not exist: give the result folder that `track run` wrote", "report", "nowhere")
    refused(
        capsys,
        "there is no run.json in masks, so it is no result folder. Give one that `track run` wrote",
        "report", "masks",
    )  # fmt: skip
    report = json.loads(written)
    report["versions"]["pintrack"] = "0.0.3"
    run.write_text(json.dumps(report))
    assert track("report", "result", "--quiet") == 0  # what can be read is shown, and the version said
    meta, _ = content(result / "report.html")
    assert "The result was made by pintrack 0.0.3, this page by 0.1.0." in meta["notes"]
    (result / "report.html").unlink()
    del report["proof"]
    run.write_text(json.dumps(report))
    by = "result/run.json was written by another version of pintrack ({}; this is 0.1.0) or changed since: "
    refused(capsys, by.format("0.0.3") + "it has no proof. Run again: `track run`", "report", "result")
    report = json.loads(written)
    report["config"]["solver"]["wizardry"] = 1
    run.write_text(json.dumps(report))
    assert track("report", "result") == 2
    assert by.format("0.1.0") + "its config cannot be read" in capsys.readouterr().err
    change(run, **json.loads(written))
    run.write_text(written.replace('"selected_detections": 13', '"selected_detections": 99'))
    refused(
        capsys,
        "tracks.csv and run.json in result are not of one run: 13 detections, and 99 by run.json. "
        "Was one of them replaced? Run again: `track run`",
        "report", "result",
    )  # fmt: skip
    run.write_text(written)
    (result / "report.html").write_text("mine")
    refused(capsys, "result/report.html exists already; replace it with --overwrite", "report", "result")
    (result / "report.html").unlink()
    refused(
        capsys, "--images names what --no-images leaves out: give one of them",
        "report", "result", "--images", "images", "--no-images",
    )  # fmt: skip
    refused(capsys, "--max-size-mb must be at least 0.5; found 0.1", "report", "result", "--max-size-mb", 0.1)
    shutil.rmtree(result / "ctc")
    refused(
        capsys,
        "result is a result of masks, but what holds them, its ctc or masks.zarr, is missing. Run again: `track run`",
        "report", "result",
    )  # fmt: skip


def test_images_and_truth_that_moved_are_named_and_found_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "images").rename(folder / "pictures")
    before = tree(folder)
    assert track("report", "result") == 2
    error = capsys.readouterr().err
    said = f"error: the images of result were at {folder}/images when it was made, and cannot be opened there now ("
    assert error.startswith(said)
    assert error.endswith("). Say where they are with --images PATH, or leave them out with --no-images\n")
    assert tree(folder) == before
    assert track("report", "result", "--images", "pictures", "--quiet") == 0
    assert 'id="picture-4--1"' in (folder / "result" / "report.html").read_text()
    assert track("report", "result", "--no-images", "--quiet", "--overwrite") == 0
    assert 'id="picture-' not in (folder / "result" / "report.html").read_text()
    (folder / "truth").rename(folder / "true")
    refused(
        capsys,
        f"the truth of result was at {folder}/truth when it was made, and is not there now. "
        "Say where it is with --truth PATH, or leave it out with --no-truth",
        "report", "result", "--images", "pictures", "--overwrite",
    )  # fmt: skip
    options = ["--images", "pictures", "--overwrite", "--quiet"]
    assert track("report", "result", "--truth", "true", *options) == 0
    assert content(folder / "result" / "report.html")[0]["has_truth"]
    assert track("report", "result", "--no-truth", *options) == 0
    assert not content(folder / "result" / "report.html")[0]["has_truth"]
    tifffile.imwrite(folder / "pictures" / "t000.tif", np.zeros((9, 9), np.uint16))
    assert track("report", "result", "--no-truth", *options) == 2
    assert "pictures" in capsys.readouterr().err


def test_masks_of_another_result_are_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "result" / "ctc" / "mask003.tif"
    masks = tifffile.imread(path)
    masks[masks == 2] = 77
    tifffile.imwrite(path, masks)
    refused(
        capsys,
        "the masks in result/ctc are not those of the tracks: frame 3 must hold the labels of its tracks, and is "
        "without 2 and with 77. Were the masks or the tracks changed since? Run again: `track run`",
        "report", "result", "--no-truth",
    )  # fmt: skip
