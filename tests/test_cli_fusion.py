"""`[associations] fuse`: from a config to a model that sees embeddings, and to scores by it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import track, tree  # noqa: E402
from learning_files import CONFIG, TRUTH, about, setting, weights  # noqa: E402

from embeddings.methods.load import load_tracking_model  # noqa: E402
from embeddings.nets.saved_transformer import load_model, save_model  # noqa: E402
from embeddings.table import Associations, NodeEmbeddings  # noqa: E402
from tracker.learning import embedder  # noqa: E402

pytestmark = pytest.mark.usefixtures("fused")

PINS = "kind,t,label,t2,label2,t3,label3,value,note\nchildren,0,1,1,1,,,true,\n"


@pytest.fixture
def asked(monkeypatch):
    """Options of each time that a movie with detections was embedded for a tracking model."""
    calls, real = [], embedder.METHODS["autoencoder"]

    def embed(model, movie, /, **options):
        if len(movie.detections):
            calls.append(options)
        return real.embed(model, movie, **options)

    monkeypatch.setitem(embedder.METHODS, "autoencoder", replace(real, embed=embed))
    return calls


def scores(path: str = "result.associations.npz") -> np.ndarray:
    return Associations.load(Path(path)).score


# ---- from a config to a model


def test_what_training_leaves():
    found = about("fused")
    assert found["config"]["embedding_channels"] == 16
    fuse = found["provenance"]["fuse"]
    assert (fuse["method"], fuse["channels"], list(fuse["made_with"])) == ("autoencoder", 16, ["model"])
    assert weights("fused/embedder") == weights("looks")
    network = load_tracking_model(Path("fused"), "fused", 2).network
    vectors = NodeEmbeddings.load(Path("result.embeddings.npz")).vector.astype(np.float64)
    np.testing.assert_allclose(network.fusion.mean, vectors.mean(axis=0), rtol=1e-4, atol=1e-6)


def test_attrackt_learns_with_them_too():
    """With the auto-encoder that it is to carry over, and the vectors of another method."""
    options = (*setting("associations.fuse", "reid"), *setting("embeddings.model", "views"))
    assert track("train", "attrackt", "learn.toml", "-o", "free", "-q", *options) == 0
    assert about("free")["provenance"]["fuse"]["method"] == "reid"
    assert weights("free/embedder") == weights("views")
    assert about("free/autoencoder")["network"] == "autoencoder"
    assert track("run", "learn.toml", "-q", *options, *setting("associations.model", "free")) == 0


def test_further_movies_are_embedded_by_the_same_model(asked):
    short = CONFIG.replace('segmentation = "01_SEG"', 'segmentation = "01_SEG"\ntruth = "01_GT/TRA"\nframes = [1, 5]')
    Path("short.toml").write_text(short.replace('path = "result"', 'path = "other"'))
    more = *TRUTH, *setting("training.movies", ["short.toml"])
    assert track("train", "trackastra", "learn.toml", "-o", "both", "-q", *more) == 0
    assert len(asked) == 1  # that of the first is kept from before
    assert len(NodeEmbeddings.load(Path("other.fused.npz")).key) < len(
        NodeEmbeddings.load(Path("result.embeddings.npz")).key
    )


def test_vectors_of_any_origin():
    """A file says whose they are; the model then holds nothing that computes them."""
    table = NodeEmbeddings.load(Path("result.embeddings.npz"))
    NodeEmbeddings(table.key[::-1], table.vector[::-1, :5], "mine").save(Path("mine.npz"))
    text = Path("learn.toml").read_text().replace('model = "looks"', 'path = "mine.npz"')
    Path("mine.toml").write_text(text.replace('"autoencoder"', '"mine"').replace('"fused"', '"taught"'))
    assert track("train", "trackastra", "mine.toml", "-o", "taught", "-q", *TRUTH) == 0
    assert about("taught")["provenance"]["fuse"] == {"method": "mine", "channels": 5, "made_with": None}
    assert not Path("taught/embedder").exists()
    assert track("run", "mine.toml", "-q") == 0
    assert track("run", "run.toml", "-q", *setting("associations.model", "taught"), "-o", "without") == 2


def test_it_starts_from_a_model_with_embeddings_or_without(asked):
    begin = setting("trackastra.start", "told")
    assert track("train", "trackastra", "learn.toml", "-o", "on", "-q", *TRUTH, *begin) == 0
    assert about("on")["provenance"]["fuse"]["method"] == "autoencoder"
    begin = setting("trackastra.start", "fused")
    assert track("train", "trackastra", "run.toml", "-o", "further", "-q", *TRUTH, *begin) == 0
    assert about("further")["provenance"]["fuse"] == about("fused")["provenance"]["fuse"]
    assert weights("further/embedder") == weights("looks")
    assert torch.equal(load_model(Path("further"))[0].fusion.std, load_model(Path("fused"))[0].fusion.std)
    assert len(asked) == 1  # the second, for which nothing was kept


def test_fine_tuning_keeps_them(asked):
    Path("pins.csv").write_text(PINS)
    options = "--pins", "pins.csv", *setting("finetune.start", "fused"), *setting("training.steps", 2)
    assert track("train", "finetune", "run.toml", "-o", "tuned", "-q", *options) == 0
    assert about("tuned")["provenance"]["fuse"] == about("fused")["provenance"]["fuse"]
    assert weights("tuned/embedder") == weights("looks")
    assert track("run", "run.toml", "-q", *setting("associations.model", "tuned")) == 0
    assert len(asked) == 1


# ---- from a model to scores


def test_a_model_brings_its_embedder(asked):
    """Vectors are computed once, whichever section asks for them; scores are the same."""
    assert track("run", "learn.toml", "-q") == 0
    assert asked == []  # kept from the training
    first = scores()
    shutil.rmtree("looks")
    assert track("run", "run.toml", "-q", "-o", "alone") == 0
    np.testing.assert_array_equal(scores("alone.associations.npz"), first)
    before = tree(Path())
    assert track("run", "run.toml", "-q", "-o", "alone", "--overwrite") == 0
    assert len(asked) == 1
    for name in ("alone.fused.npz", "alone.associations.npz"):
        assert tree(Path())[name] == before[name]
    assert track("embed", "trackastra", "run.toml", "-q", "-o", "table.npz", *setting("output.path", "alone")) == 0
    np.testing.assert_array_equal(scores("table.npz"), first)
    assert len(asked) == 1
    assert np.abs(scores() - scores_without()).max() > 1e-4


def scores_without() -> np.ndarray:
    """As if the network saw nothing of them."""
    network, known = load_model(Path("fused"))
    network.fusion.silence()
    shutil.copytree("fused", "deaf")
    save_model(network, Path("deaf"), known)
    assert track("run", "run.toml", "-q", "-o", "without", *setting("associations.model", "deaf")) == 0
    return scores("without.associations.npz")


def test_vectors_from_a_file_in_any_order():
    assert track("run", "run.toml", "-q") == 0
    table = NodeEmbeddings.load(Path("result.embeddings.npz"))
    order = np.random.default_rng(0).permutation(len(table.key))
    NodeEmbeddings(table.key[order], table.vector[order], "autoencoder").save(Path("mine.npz"))
    shutil.rmtree("fused/embedder")
    mine = setting("embeddings.path", "mine.npz")
    assert track("run", "run.toml", "-q", "-o", "by_hand", *mine) == 0
    np.testing.assert_array_equal(scores("by_hand.associations.npz"), scores())
    NodeEmbeddings(table.key, table.vector + 1, "autoencoder").save(Path("mine.npz"))
    assert track("run", "run.toml", "-q", "-o", "by_hand", "--overwrite", *mine) == 0
    assert np.abs(scores("by_hand.associations.npz") - scores()).max() > 1e-4


def test_other_images_or_options_make_them_out_of_date(asked, capsys, monkeypatch):
    assert track("run", "run.toml", "-q") == 0
    shutil.copytree("01", "02")
    assert track("run", "run.toml", "--overwrite", *setting("data.images", "02")) == 0
    told = capsys.readouterr().err
    for name in ("result.fused.npz", "result.associations.npz"):
        assert f"{name} is out of date (detections, model or settings changed) and is computed anew" in told
    assert len(asked) == 2
    # The options are those of the training, whatever the config says now.
    known = embedder.METHODS["autoencoder"]
    monkeypatch.setitem(embedder.METHODS, "autoencoder", replace(known, options=lambda config: {"batch_size": 5}))
    assert track("run", "run.toml", "-q", "--overwrite") == 0
    assert asked[-1].keys() == {"device"}
    assert track("train", "trackastra", "learn.toml", "-o", "asked", "-q", *TRUTH) == 0
    assert about("asked")["provenance"]["fuse"]["made_with"]["batch_size"] == 5
    monkeypatch.setitem(embedder.METHODS, "autoencoder", known)
    assert track("run", "run.toml", "-q", "--overwrite", *setting("associations.model", "asked")) == 0
    assert asked[-1].keys() == {"device", "batch_size"}
