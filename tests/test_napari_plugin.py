"""The napari plugin: its manifest, and what it reads and writes, without a window."""

from pathlib import Path

import numpy as np
import pytest
from command_line import track, write_walk
from viewer_cases import NAPARI_WARNS

import tracker
from tracker.errors import InputError, OutputError
from tracker.load_result import load_result
from tracker.view.plugin import get_reader, lineage_of_tracks, write_masks_and_tracks, write_tracks

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


@pytest.mark.parametrize("part", ["", "tracks.geff", "ctc", "tracks.csv"])
def test_reads_what_a_run_leaves(result: Path, part: str) -> None:
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
    assert lineage.links.tolist() == lineage_of_tracks(TRACKS, {2: [1], 3: [1]}, {}).links.tolist()
    assert len(lineage.divisions) == 1
    with pytest.raises(OutputError, match="exists already"):
        write_tracks(written[0], TRACKS, {})


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
    assert not (tmp_path / "other_RES").exists()


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
        lineage_of_tracks(data, graph, {})
    assert message in str(caught.value)
