"""Vectors and scores in blocks into the arrays of a store: equal to those at once, and resumable."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")
pytest.importorskip("funlib.persistence", reason="stores need the extra scale")

from command_line import track  # noqa: E402
from funlib.geometry import Roi  # noqa: E402
from funlib.persistence import open_ds  # noqa: E402
from learning_files import ASSOCIATIONS, EMBEDDINGS, METHODS, setting, trained_cells  # noqa: E402

from embeddings.inference import link_scores  # noqa: E402
from embeddings.table import Associations, NodeEmbeddings  # noqa: E402
from tracker.errors import StoreError  # noqa: E402
from tracker.learning import in_blocks  # noqa: E402
from tracker.store.arrays import BlockArrays  # noqa: E402


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch, tmp_path_factory):
    """The current folder: a movie of 6 frames, a config that names no model, and models."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.chdir(trained_cells(tmp_path_factory, tmp_path / "place"))
    yield
    torch.set_num_threads(before)


def stored(kind):
    (folder,) = Path(f"result.arrays/{kind}").iterdir()
    return BlockArrays(folder.parents[1], kind, folder.name)


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

    monkeypatch.setattr(in_blocks, "link_scores", counting)
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
    Path("config.toml").write_text(Path("config.toml").read_text() + EMBEDDINGS)
    assert track("embed", "autoencoder", "config.toml", "--store", *SMALL) == 0
    arrays = stored("embeddings")
    alone = [arrays.read_vectors(block)[1] for block in range(3)]
    two = setting("store.workers", 2)
    assert track("embed", "autoencoder", "config.toml", "--store", "--overwrite", *SMALL, *two) == 0
    for block, vectors in enumerate(alone):
        np.testing.assert_allclose(arrays.read_vectors(block)[1], vectors, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_kept_or_read_is_said(tmp_path, capsys):
    arrays = BlockArrays(tmp_path, "embeddings", "x")
    assert arrays.done() == set()
    with pytest.raises(StoreError, match="finite"):
        arrays.write_vectors(0, 0, np.full((2, 3), np.nan, np.float32), {})
    arrays.write_vectors(0, 5, np.ones((2, 3), np.float32), {"method": "it's"})
    (arrays.folder / "000000" / "vector" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="computed anew"):
        arrays.read_vectors(0)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        BlockArrays(tmp_path / "file", "embeddings", "x").write_vectors(0, 0, np.ones((1, 1), np.float32), {})
    assert track("embed", "autoencoder", "config.toml", "--model", "looks", "--store", "-o", "table.npz") == 2
    assert "leave one of them out" in capsys.readouterr().err
