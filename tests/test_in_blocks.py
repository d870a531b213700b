"""Vectors and scores in blocks into the arrays of a store: equal to those at once, and resumable."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")
pytest.importorskip("funlib.persistence", reason="stores need the extra scale")

from command_line import track  # noqa: E402
from funlib.geometry import Roi  # noqa: E402
from funlib.persistence import open_ds  # noqa: E402
from learning_files import ASSOCIATIONS, METHODS, setting, stored, trained_cells  # noqa: E402

from embeddings.inference import link_scores  # noqa: E402
from embeddings.table import Associations, NodeEmbeddings  # noqa: E402
from tracker.errors import StoreError  # noqa: E402
from tracker.learning import block_tasks  # noqa: E402
from tracker.store.arrays import BlockArrays  # noqa: E402


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch, tmp_path_factory):
    """The current folder: a movie of 6 frames, a config that names no model, and models."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.chdir(trained_cells(tmp_path_factory, tmp_path / "place"))
    yield
    torch.set_num_threads(before)


SMALL = setting("store.block_frames", 2)


@pytest.mark.parametrize("model", ["looks", "views", "textures"])
def test_vectors_in_blocks_are_those_at_once(model, capsys):
    method = METHODS[model]
    assert track("embed", method, "config.toml", "--model", model, "-o", "once.npz") == 0
    assert track("embed", method, "config.toml", "--model", model, "--store", *SMALL, "--json") == 0
    report = json.loads(capsys.readouterr().out.partition("\n")[2])
    once = NodeEmbeddings.load(Path("once.npz"))
    assert report["rows"] == len(once.vector)
    arrays = stored("embeddings")
    assert arrays.done() == {0, 1, 2}
    parts = [arrays.read_vectors(block) for block in range(3)]
    np.testing.assert_allclose(np.concatenate([part for _, part in parts]), once.vector, rtol=1e-4, atol=1e-5)
    first, part = parts[1]
    assert first == (once.key[:, 0] < once.key[:, 0].min() + 2).sum()
    plain = open_ds(arrays.folder / "000001" / "vector")  # as others open it: by ids
    np.testing.assert_array_equal(plain[Roi((first + 1,), (2,))], part[1:3])


def test_scores_in_blocks_are_those_at_once_and_done_blocks_are_not_redone(monkeypatch, capsys):
    Path("config.toml").write_text(Path("config.toml").read_text() + ASSOCIATIONS)
    assert track("embed", "attrackt", "config.toml", "-o", "once.npz") == 0
    once = Associations.load(Path("once.npz"))
    asked = []

    def counting(network, movie, links, settings):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(len(links))
        return link_scores(network, movie, links, settings)

    monkeypatch.setattr(block_tasks, "link_scores", counting)
    assert track("embed", "attrackt", "config.toml", "--store", *SMALL) != 0  # interrupted after two blocks
    arrays = stored("associations")
    assert arrays.done() == {0, 1}
    assert not list(arrays.folder.glob(".*"))
    asked[:] = [0]
    assert track("embed", "attrackt", "config.toml", "--store", *SMALL) == 0
    assert arrays.done() == {0, 1, 2}
    assert len(asked) == 2  # one block more
    score = np.concatenate([arrays.read_scores(block)[1] for block in range(3)])
    np.testing.assert_allclose(score, once.score, atol=1e-6)
    asked[:] = []
    assert track("run", "config.toml", *SMALL) == 0  # uses what is there
    assert asked == []
    assert not Path("result.associations.npz").exists()


def test_several_processes_give_the_same(capfd):
    """Of vectors: test_tap_in_blocks.py."""
    Path("config.toml").write_text(Path("config.toml").read_text() + ASSOCIATIONS)
    assert track("embed", "attrackt", "config.toml", "--store", *SMALL) == 0
    arrays = stored("associations")
    alone = [arrays.read_scores(block) for block in range(3)]
    two = setting("store.workers", 2)
    assert track("embed", "attrackt", "config.toml", "--store", "--overwrite", *SMALL, *two) == 0
    for block, (links, score) in enumerate(alone):
        now = arrays.read_scores(block)
        np.testing.assert_array_equal(now[0], links)
        np.testing.assert_allclose(now[1], score, atol=1e-6)


@pytest.mark.parametrize("change", [{"variants": 8, "competition": "both"}, {"threshold": 0.1}])
def test_a_block_sees_all_rivals_in_all_windows(change, capsys):
    """Blocks of one frame, windows of three, links that skip a frame."""
    Path("config.toml").write_text(Path("config.toml").read_text() + ASSOCIATIONS)
    how = [part for key, value in change.items() for part in setting(f"associations.{key}", value)]
    how += setting("candidates.max_frame_gap", 2)
    assert track("embed", "attrackt", "config.toml", "-o", "once.npz", *how) == 0
    once = Associations.load(Path("once.npz"))
    assert track("embed", "attrackt", "config.toml", "--store", *how, *setting("store.block_frames", 1)) == 0
    arrays = stored("associations")
    score = np.concatenate([arrays.read_scores(block)[1] for block in sorted(arrays.done())])
    np.testing.assert_allclose(score, once.score, atol=1e-6)
    assert len(np.unique(score)) > 50


def test_new_links_of_a_block_are_scored_beside_those_that_are_there(monkeypatch):
    """More candidates, and then fewer again: nothing is scored twice, or lost."""
    Path("config.toml").write_text(Path("config.toml").read_text() + ASSOCIATIONS)
    asked = []
    monkeypatch.setattr(block_tasks, "link_scores", lambda *given: asked.append(len(given[2])) or link_scores(*given))
    counts = []
    for neighbors in (2, 4, 2):
        assert (
            track("embed", "attrackt", "config.toml", "--store", *SMALL, *setting("candidates.neighbors", neighbors))
            == 0
        )
        counts.append(sum(len(stored("associations").read_scores(block)[0]) for block in range(3)))
    assert counts[0] < counts[1] == counts[2] == sum(asked)


def test_scores_that_another_process_replaced_are_missed(monkeypatch, capsys):
    Path("config.toml").write_text(Path("config.toml").read_text() + ASSOCIATIONS)
    write = BlockArrays.write_scores

    def other(self, number, links, score, about):
        write(self, number, links[1:], score[1:], about)

    monkeypatch.setattr(BlockArrays, "write_scores", other)
    assert track("embed", "attrackt", "config.toml", "--store", *SMALL) == 2
    assert "another process has replaced them" in " ".join(capsys.readouterr().err.split())


def test_what_cannot_be_kept_or_read_is_said(tmp_path, capsys):
    arrays = BlockArrays(tmp_path, "embeddings", "x")
    assert arrays.done() == set()
    with pytest.raises(StoreError, match="finite"):
        arrays.write_vectors(0, 0, np.full((2, 3), np.nan, np.float32), {})
    arrays.write_vectors(0, 5, np.ones((2, 3), np.float32), {"method": "it's"})
    arrays.write_vectors(1, 7, np.zeros((2, 3), np.float32), {})
    shutil.rmtree(arrays.folder / "000001" / "vector" / "c")  # pixels that are not there would read as something
    with pytest.raises(StoreError, match="a part of it is missing"):
        arrays.read_vectors(1)
    (arrays.folder / "000000" / "vector" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="computed anew"):
        arrays.read_vectors(0)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        BlockArrays(tmp_path / "file", "embeddings", "x").write_vectors(0, 0, np.ones((1, 1), np.float32), {})
    assert track("embed", "autoencoder", "config.toml", "--model", "looks", "--store", "-o", "table.npz") == 2
    assert "leave one of them out" in capsys.readouterr().err


def test_what_a_killed_process_left_is_removed(tmp_path):
    arrays = BlockArrays(tmp_path, "embeddings", "x")
    code = (
        "import os, sys; from pathlib import Path; from tracker.store.arrays import BlockArrays\n"
        "with BlockArrays(Path(sys.argv[1]), 'embeddings', 'x')._new(3) as place: os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    (left,) = arrays.folder.iterdir()
    assert arrays.done() == set()
    alive = left.with_name(left.name.replace(f"-{left.name.split('-')[-2]}-", f"-{os.getpid()}-"))
    elsewhere = left.with_name(left.name.replace(".partial-", ".partial-elsewhere"))
    for other in (alive, elsewhere):
        other.mkdir()
    arrays.clean()
    assert sorted(arrays.folder.iterdir()) == sorted([alive, elsewhere])


def test_two_processes_may_write_one_block(tmp_path, monkeypatch):
    """The other one is done while we write."""
    arrays, other = (BlockArrays(tmp_path, "embeddings", "x") for _ in range(2))
    with arrays._new(0):
        other.write_vectors(0, 0, np.zeros((2, 3), np.float32), {})
        arrays.write_vectors(0, 0, np.ones((2, 3), np.float32), {})
        shutil.rmtree(arrays.folder / "000000")
        other.write_vectors(0, 0, np.zeros((2, 3), np.float32), {})
    assert [path.name for path in arrays.folder.iterdir()] == ["000000"]


def test_blocks_can_be_read_by_whom_the_umask_lets(tmp_path):
    arrays = BlockArrays(tmp_path, "embeddings", "x")
    before = os.umask(0o022)
    try:
        arrays.write_vectors(0, 0, np.zeros((2, 3), np.float32), {})
    finally:
        os.umask(before)
    assert (arrays.folder / "000000").stat().st_mode & 0o777 == 0o755
