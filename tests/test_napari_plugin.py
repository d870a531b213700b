"""The napari plugin: its manifest, and what it reads and writes, without a window."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from command_line import track, write_walk
from memory_movie import MemoryMovie
from viewer_cases import NAPARI_WARNS

import tracker
from tracker.detections import Detections
from tracker.errors import InputError, MovieError, OutputError
from tracker.lineage import Lineage, make_lineage
from tracker.load_result import LoadedResult, load_result
from tracker.reading import image_frames
from tracker.track_colours import track_colours
from tracker.view.frames import LazyFrames, contrast_of
from tracker.view.layers import forks_metadata, tracks_layer, tracks_metadata
from tracker.view.plugin import get_reader, layers_of, lineage_of_tracks, write_masks_and_tracks, write_tracks

MANIFEST = Path(tracker.__file__).with_name("napari.yaml")


@NAPARI_WARNS
def test_the_manifest_is_valid_and_names_what_there_is() -> None:
    npe2 = pytest.importorskip("npe2")
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    assert manifest.name == "pintrack"
    pytest.importorskip("qtpy")
    manifest.validate_imports()


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_walk(tmp_path_factory.mktemp("walk") / "movie")
    done = folder / "result"
    assert (
        track("run", "--segmentation", folder / "masks", "--output", done, "--set", "costs.preset=attrackt", "-q") == 0
    )
    return done


@NAPARI_WARNS
@pytest.mark.parametrize("part", ["", "tracks.geff", "ctc", "tracks.csv"])
def test_reads_what_a_run_leaves(result: Path, part: str) -> None:
    pytest.importorskip("napari")
    read = get_reader(str(result / part))
    assert read is not None
    layers = read(str(result / part))
    kinds = [kind for _, _, kind in layers]
    assert kinds == (["tracks"] if part == "tracks.geff" else ["labels", "tracks"])
    data, _, _ = layers[-1]
    assert data[:, :2].tolist() == [[track, step] for track in (1, 2) for step in range(4)]
    if len(layers) == 2:
        masks = layers[0][0]
        assert masks.shape == (4, 20, 24)
        assert masks[3][3, 6] == 1
        assert np.unique(masks[1:3]).tolist() == [0, 1, 2]
        colours = layers[0][1]["colormap"]
        assert type(colours).__name__ == "CyclicLabelColormap"  # found in a texture, not colour by colour
        wanted = np.column_stack([track_colours([1, 2]), np.ones(2)])
        assert colours.map(np.array([1, 2])) == pytest.approx(wanted, abs=1e-6)
        assert colours.map(0)[3] == 0
    assert layers[-1][1]["colormaps_dict"]["track_id"].map(data[:1, 0])[0, :3] == pytest.approx(track_colours([1])[0])


@NAPARI_WARNS
def test_masks_that_are_not_those_of_the_tracks(result: Path, tmp_path: Path) -> None:
    """Refused where the first, the middle or the last frame shows it, else said when the frame is looked at."""
    pytest.importorskip("napari")
    said = "the masks in .* are not those of the tracks: frame {} must hold the labels of its tracks, and is without 2"
    for frame in (1, 2):
        folder = tmp_path / f"changed{frame}"
        shutil.copytree(result, folder)
        path = folder / "ctc" / f"mask00{frame}.tif"
        masks = tifffile.imread(path)
        tifffile.imwrite(path, np.where(masks == 2, 9, masks))
        if frame == 2:
            with pytest.raises(MovieError, match=said.format(2) + " and with 9"):
                get_reader(str(folder))(str(folder))
            continue
        (masks, _, _), _ = get_reader(str(folder))(str(folder))
        assert np.unique(masks[0]).tolist() == [0, 1, 2]
        with pytest.warns(UserWarning, match=said.format(1) + " and with 9"):
            assert np.unique(masks[1]).tolist() == [0, 1]


def test_points_may_lack_an_image() -> None:
    images = MemoryMovie({3: np.full((4, 5), 7, np.uint16), 5: np.full((4, 5), 9, np.uint16)})
    detections = dividing(2).detections
    detections = replace(detections, frame=np.array([3, 3, 4, 4, 5]), frames=np.array([3, 4, 5]))
    frames = LazyFrames(images, image_frames(images, None, detections.frames))
    assert [np.unique(frames[step]).tolist() for step in range(3)] == [[7], [0], [9]]
    assert frames.pictured.tolist() == [0, 2]
    low, high = contrast_of(frames)
    assert (low, high) == (7, 9)  # what is not there is not the darkest


def test_leaves_other_files_alone(tmp_path: Path) -> None:
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tmp_path / "image.tif")) is None
    assert get_reader([str(tmp_path / "a.geff")]) is None


TRACKS = np.array([[1, 0, 5, 5], [1, 1, 6, 5], [2, 2, 7, 3], [2, 3, 8, 3], [3, 2, 7, 8], [7, 0, 1, 1]], float)


def test_writes_what_it_reads(tmp_path: Path) -> None:
    written = write_tracks(str(tmp_path / "mine"), TRACKS, {"graph": {2: [1], 3: [1]}})
    assert written == [str(tmp_path / "mine.geff")]
    lineage = load_result(written[0]).lineage
    assert len(lineage.detections) == 6
    assert lineage.links.tolist() == lineage_of_tracks(TRACKS, {"graph": {2: [1], 3: [1]}}).links.tolist()
    assert len(lineage.divisions) == 1
    with pytest.raises(OutputError, match="exists already"):
        write_tracks(written[0], TRACKS, {})


def dividing(ndim: int) -> Lineage:
    """Every third frame of a movie; row 0 divides, row 1 skips a frame; nothing is in the last frame."""
    frame, label = np.array([4, 4, 7, 7, 10]), np.array([3, 9, 2, 5, 8])
    position = np.arange(5 * ndim, dtype=float).reshape(5, ndim) / 7
    frames, scale = np.array([4, 7, 10, 13]), np.array([2.0, 0.5, 0.25])[-ndim:]
    links = np.array([(0, 2), (0, 3), (1, 4)])
    return make_lineage(Detections(frame, label, position, frames, scale, "um"), np.ones(5, bool), links)


@NAPARI_WARNS
@pytest.mark.parametrize("ndim", [2, 3])
def test_what_was_read_is_written_and_read_again_as_it_was(tmp_path: Path, ndim: int) -> None:
    pytest.importorskip("napari")
    lineage = dividing(ndim)
    ((data, attributes, _),) = layers_of(LoadedResult(lineage, None), "cells")
    (written,) = write_tracks(str(tmp_path / "cells v1.2"), data, attributes)
    assert written == str(tmp_path / "cells v1.2.geff")
    again = load_result(written).lineage
    found, wanted = again.detections, lineage.detections
    for name in ("frame", "position", "frames", "scale"):
        assert getattr(found, name).tolist() == getattr(wanted, name).tolist(), name
    assert found.unit == "um"
    assert again.links.tolist() == lineage.links.tolist()
    assert again.divisions.tolist() == lineage.divisions.tolist()
    ((twice, others, _),) = get_reader(written)(written)
    assert twice.tolist() == data.tolist()
    assert others["metadata"] == attributes["metadata"]
    masks = np.zeros((4, *[8] * ndim), np.int32)
    masks[data[:, 1].astype(int), ..., 3, 2 * data[:, 0].astype(int) - 1] = 1
    masks *= 1 + np.arange(8) // 2
    write_masks_and_tracks(str(tmp_path / "ctc"), [(masks, {}, "labels"), (data, attributes, "tracks")])
    assert sorted(path.name for path in (tmp_path / "ctc").glob("*.tif")) == [f"mask{t:03}.tif" for t in (4, 7, 10, 13)]


def test_layers_of_others_count_with_their_scale(tmp_path: Path) -> None:
    attributes = {"graph": {}, "scale": [1.0, 0.5, 0.25], "translate": [0.0, 10.0, 20.0], "units": ["s", "um", "um"]}
    lineage = lineage_of_tracks(TRACKS, attributes)
    assert lineage.detections.position[0].tolist() == [12.5, 21.25]
    assert (lineage.detections.scale.tolist(), lineage.detections.unit) == ([0.5, 0.25], "um")


def test_what_holds_no_tracks_is_not_saved(tmp_path: Path) -> None:
    """napari has no empty tracks layer: one row of track 0 stands for none."""
    empty = dividing(2)
    empty = make_lineage(empty.detections, np.zeros(5, bool), np.empty((0, 2), np.int64))
    lines = tracks_layer(empty, empty.track_id)
    with pytest.raises(InputError, match="the layer has no tracks, so there is nothing to save"):
        write_tracks(str(tmp_path / "none"), lines.data, {"metadata": tracks_metadata(empty)})
    with pytest.raises(InputError, match="the lines of the layer 'divisions' are no tracks: save the layer 'tracks'"):
        write_tracks(str(tmp_path / "none"), TRACKS, {"name": "divisions", "metadata": forks_metadata()})
    beyond = np.array([[7, 4, 1.0, 1.0]])
    with pytest.raises(InputError, match=r"in the 4 frames of their movie; not so: tracks 7"):
        write_tracks(str(tmp_path / "none"), beyond, {"metadata": tracks_metadata(empty)})
    assert not list(tmp_path.iterdir())


def test_masks_of_another_movie_are_not_saved(tmp_path: Path) -> None:
    for masks in (np.zeros((3, 12, 12), np.int32), np.zeros((4, 2, 12, 12), np.int32)):
        with pytest.raises(InputError, match=r"wanted the axes t, y, x and a mask for t = 0 to 3, found the shape"):
            write_masks_and_tracks(str(tmp_path / "ctc"), [(masks, {}, "labels"), (TRACKS, {}, "tracks")])


def test_writes_a_folder_of_masks(tmp_path: Path) -> None:
    masks = np.zeros((4, 12, 12), np.int32)
    for number, step, y, x in TRACKS.astype(int).tolist():
        masks[step, y : y + 2, x : x + 2] = number
    layers = [(masks, {}, "labels"), (TRACKS, {"graph": {2: [1], 3: [1]}}, "tracks")]
    write_masks_and_tracks(str(tmp_path / "mine_RES"), layers)
    assert (tmp_path / "mine_RES" / "res_track.txt").read_text() == "1 0 1 0\n2 0 0 0\n3 2 3 1\n4 2 2 1\n"
    masks[2] = 0
    with pytest.raises(InputError, match="the labels layer must hold every tracked detection"):
        write_masks_and_tracks(str(tmp_path / "other_RES"), layers)
    assert [path.name for path in tmp_path.iterdir()] == ["mine_RES"]  # no half of it, either


@pytest.mark.parametrize(
    ("data", "graph", "message"),
    [
        (TRACKS, {2: [1, 7]}, "track 2 has 2. Merges cannot be written"),
        (TRACKS, {2: [3]}, "begins after her mother's last frame; not so: tracks 2"),
        (TRACKS, {2: [9]}, "names track 2 from 9"),
        (TRACKS, {2: [1], 3: [1], 7: [1]}, "not so: tracks 7"),
        (np.concatenate([TRACKS, TRACKS[:1]]), {}, "twice: tracks 1"),
    ],
)
def test_refuses_what_is_no_lineage(data: np.ndarray, graph: dict[int, list[int]], message: str) -> None:
    with pytest.raises(InputError) as caught:
        lineage_of_tracks(data, {"graph": graph})
    assert message in str(caught.value)
