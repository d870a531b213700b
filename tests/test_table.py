"""The two tables: what is saved is loaded; what is no table is refused by name."""

import io
import json
import os
import stat

import numpy as np
import pytest

from embeddings.table import Associations, NodeEmbeddings, TableError

KEY = np.array([[0, 7], [0, 4_000_000_000], [3, 1]])
LINK = np.array([[[0, 7], [1, 2]], [[0, 9], [2, 2**40]]])


def embeddings():
    return NodeEmbeddings(KEY, np.arange(6, dtype=np.float32).reshape(3, 2), "auto-encoder", {"seed": 3, "of": ["a"]})


def associations():
    return Associations(LINK, np.array([0.25, 1.0], np.float32), "transformer", {"epochs": 2})


def test_node_embeddings_round_trip(tmp_path):
    embeddings().save(tmp_path / "a.npz")
    loaded = NodeEmbeddings.load(tmp_path / "a.npz")
    assert loaded.key.tolist() == KEY.tolist()
    assert loaded.vector.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert (loaded.key.dtype, loaded.vector.dtype) == (np.int64, np.float32)
    assert (loaded.method, loaded.provenance) == ("auto-encoder", {"seed": 3, "of": ["a"]})


def test_associations_round_trip(tmp_path):
    associations().save(tmp_path / "a.npz")
    loaded = Associations.load(tmp_path / "a.npz")
    assert loaded.link.tolist() == LINK.tolist()
    assert loaded.score.tolist() == [0.25, 1.0]
    assert (loaded.link.dtype, loaded.score.dtype) == (np.int64, np.float32)
    assert (loaded.method, loaded.provenance) == ("transformer", {"epochs": 2})


def test_empty_tables(tmp_path):
    NodeEmbeddings(np.empty((0, 2), np.int64), np.empty((0, 5), np.float32)).save(tmp_path / "a.npz")
    assert NodeEmbeddings.load(tmp_path / "a.npz").vector.shape == (0, 5)
    Associations(np.empty((0, 2, 2), np.int64), np.empty(0, np.float32)).save(tmp_path / "b.npz")
    assert Associations.load(tmp_path / "b.npz").link.shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: NodeEmbeddings(KEY, np.zeros((2, 4), np.float32)),
            "node embeddings need key (N, 2) and vector (N, C), found (3, 2) and (2, 4)",
        ),
        (
            lambda: NodeEmbeddings(KEY[:, 0], np.zeros((3, 4), np.float32)),
            "node embeddings need key (N, 2) and vector (N, C), found (3,) and (3, 4)",
        ),
        (
            lambda: Associations(LINK, np.zeros(3, np.float32)),
            "associations need link (M, 2, 2) and score (M,), found (2, 2, 2) and (3,)",
        ),
        (
            lambda: Associations(KEY, np.zeros(3, np.float32)),
            "associations need link (M, 2, 2) and score (M,), found (3, 2) and (3,)",
        ),
    ],
)
def test_wrong_shapes(make, message):
    with pytest.raises(TableError) as error:
        make()
    assert str(error.value) == message


def refused(table, path, message):
    with pytest.raises(TableError) as error:
        table.load(path)
    assert str(error.value).replace(str(path), "FILE").startswith(message), str(error.value)


def test_wrong_kind_and_missing_file(tmp_path):
    path = tmp_path / "a.npz"
    refused(NodeEmbeddings, path, "FILE does not exist")
    associations().save(path)
    refused(NodeEmbeddings, path, "FILE holds associations, wanted node_embeddings")
    embeddings().save(path)
    refused(Associations, path, "FILE holds node_embeddings, wanted associations")


def write(path, **arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)


def about(**content):
    return np.array(json.dumps({"kind": "node_embeddings", "method": "", "provenance": {}, **content}))


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


DAMAGED = {
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("frame,label\n0,1\n"),
    "truncated": lambda path: (embeddings().save(path), path.write_bytes(path.read_bytes()[:-40])),
    "flipped": lambda path: (embeddings().save(path), path.write_bytes(path.read_bytes().replace(b"\x00", b"\x13"))),
    "no about": lambda path: write(path, key=KEY, vector=np.zeros((3, 1))),
    "about is no JSON": lambda path: write(path, about=np.array("hello"), key=KEY, vector=np.zeros((3, 1))),
    "about is a list": lambda path: write(path, about=np.array("[1]"), key=KEY, vector=np.zeros((3, 1))),
    "no vector": lambda path: write(path, about=about(), key=KEY),
    "words": lambda path: write(path, about=about(), key=KEY, vector=np.array([["a"], ["b"], ["c"]])),
    "fractions": lambda path: write(path, about=about(), key=KEY + 0.5, vector=np.zeros((3, 1))),
    "shapes": lambda path: write(path, about=about(), key=KEY, vector=np.zeros((2, 1))),
    "single array": lambda path: path.write_bytes(npy(KEY)),
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_table(tmp_path, name):
    path = tmp_path / "a.npz"
    DAMAGED[name](path)
    refused(NodeEmbeddings, path, "FILE is not a table of node_embeddings written by pintrack: ")


def test_saving_replaces_at_once_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.npz"
    embeddings().save(path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(TableError, match=r"a\.npz could not be written: No space left on device$"):
        associations().save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.npz"]


def test_saving_into_a_missing_folder(tmp_path):
    with pytest.raises(TableError, match=r"a\.npz could not be written: No such file or directory$"):
        embeddings().save(tmp_path / "none" / "a.npz")


def test_others_may_read_what_is_saved(tmp_path):
    """The usual permissions of a new file, not those of a private temporary one."""
    (tmp_path / "plain").touch()
    embeddings().save(tmp_path / "a.npz")
    modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("plain", "a.npz")}
    assert len(modes) == 1
