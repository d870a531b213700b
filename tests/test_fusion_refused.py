"""Embeddings that a tracking model cannot learn with, or be asked with: what is said."""

import shutil
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from fusion_files import LEARN, RUN  # noqa: E402
from learning_files import CONFIG, EMBEDDINGS, TRUTH, setting  # noqa: E402

from embeddings.table import NodeEmbeddings  # noqa: E402

pytestmark = pytest.mark.usefixtures("fused")

TRAIN = "train", "trackastra", "learn.toml", "-o", "never", *TRUTH
MINE = '\n[embeddings]\npath = "mine.npz"\n'


def table() -> NodeEmbeddings:
    """The vectors that the model has learnt with."""
    return NodeEmbeddings.load(Path("result.embeddings.npz"))


def by_hand(method: str = "autoencoder", channels: int = 16, made_with: object = None) -> None:
    """Write mine.npz: those vectors as if they came from elsewhere."""
    known = {} if made_with is None else {"made_with": made_with}
    NodeEmbeddings(table().key, table().vector[:, :channels], method, known).save(Path("mine.npz"))


# ---- to learn with


def test_nothing_to_learn_with(capsys):
    Path("learn.toml").write_text(LEARN.replace(EMBEDDINGS, ""))
    message = (
        'associations.fuse = "autoencoder" needs a vector for every detection: give [embeddings] model (a folder that '
        "`track train autoencoder` wrote) or path (a NodeEmbeddings file)"
    )
    refused(capsys, message, *TRAIN)


def test_vectors_of_another_method(capsys):
    message = (
        'associations.fuse = "autoencoder" wants embeddings of that method, but views is a model of reid: give those, '
        'or fuse = "reid"'
    )
    refused(capsys, message, *TRAIN, *setting("embeddings.model", "views"))
    Path("learn.toml").write_text(LEARN.replace(EMBEDDINGS, MINE))
    by_hand(method="")
    message = (
        'associations.fuse = "autoencoder" wants embeddings of that method, but mine.npz holds vectors of an unnamed '
        'method: give those, or fuse = "NAME"'
    )
    refused(capsys, message, *TRAIN)


def test_points_have_no_features_to_add_to(capsys):
    text = LEARN.replace('images = "01"\nsegmentation = "01_SEG"', 'images = "01"\npoints = "points.csv"')
    Path("learn.toml").write_text(text)
    message = (
        "associations.fuse adds embeddings to the shape features of detections, and those of points.csv have none: "
        "give data.segmentation instead of points, or leave fuse out"
    )
    refused(capsys, message, *TRAIN, *setting("data.truth", "points.csv"))


def test_further_movies_with_other_vectors_or_none(capsys):
    short = CONFIG.replace('segmentation = "01_SEG"', 'segmentation = "01_SEG"\ntruth = "01_GT/TRA"\nframes = [1, 5]')
    Path("short.toml").write_text(short)
    more = setting("training.movies", ["short.toml"])
    Path("learn.toml").write_text(LEARN.replace(EMBEDDINGS, MINE))
    by_hand(made_with={"model": "0123456789abcdef"})
    message = (
        "associations.fuse needs the embeddings of every movie of the training, and the config of 01_SEG has no "
        "[embeddings]: give their path there, or a model in the config of the training"
    )
    refused(capsys, message, *TRAIN, *more)
    Path("short.toml").write_text(short + EMBEDDINGS.replace('"looks"', '"looks"\npath = "short.npz"'))
    message = (
        "the embeddings of 01_SEG and of 01_SEG come from different models, or were asked for differently: embed all "
        "movies of a training alike"
    )
    assert track(*TRAIN, *more) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_training_goes_on_with_the_same_model_only(capsys):
    assert track("train", "autoencoder", "learn.toml", "-o", "other", "-q", *setting("training.seed", 5)) == 0
    resume = "train", "trackastra", "learn.toml", "-o", "fused", "--resume", *TRUTH
    assert track(*resume, *setting("embeddings.model", "other")) == 2
    message = (
        "the model in fused learns with the embeddings of the model in fused/embedder, and other is another: give "
        "[embeddings] as it was, or train into another folder"
    )
    assert message in capsys.readouterr().err
    Path("learn.toml").write_text(LEARN.replace(EMBEDDINGS, MINE))
    by_hand()
    message = (
        "fused/embedder holds a model of embeddings, and [embeddings] now gives them without: give that model, or "
        "train into another folder"
    )
    refused(capsys, message, *resume)


# ---- to be asked with


def test_a_model_that_has_learnt_otherwise(capsys):
    other = 'associations.fuse = "{}", but the model {} has learnt with{}'
    cases = {
        ("reid", "fused"): ' embeddings of autoencoder: name another model, or fuse = "autoencoder"',
        ("reid", "told"): "out embeddings: train one with them, or leave fuse out",
    }
    for (method, model), message in cases.items():
        options = *setting("associations.fuse", method), *setting("associations.model", model)
        for command in ("check", "run"):
            refused(capsys, other.format(method, model, message), command, "run.toml", *options)


def test_a_model_that_has_lost_its_embedder(capsys):
    shutil.rmtree("fused/embedder")
    message = (
        "the model fused has learnt with embeddings of the method autoencoder (16 channels) and does not hold the "
        "model that computes them; {}. Give [embeddings] path (a NodeEmbeddings file of this movie), or the model that "
        "it was trained with"
    )
    by_hand(method="reid")
    assert track("train", "autoencoder", "learn.toml", "-o", "other", "-q", *setting("training.seed", 5)) == 0
    cases = {
        "": "[embeddings] gives none",
        MINE: "mine.npz holds vectors of reid",
        EMBEDDINGS.replace("looks", "views"): "views is a model of reid",
        EMBEDDINGS.replace("looks", "other"): "other is another model of autoencoder",
    }
    for section, found in cases.items():
        Path("run.toml").write_text(RUN + section)
        refused(capsys, message.format(found), "check", "run.toml")
        assert track("run", "run.toml", "-q", "-o", "never") == 2
        assert message.format(found) in capsys.readouterr().err
    Path("run.toml").write_text(RUN + EMBEDDINGS)
    assert track("run", "run.toml", "-q", "-o", "mended") == 0


def test_vectors_in_a_file_that_cannot_be_those(capsys):
    Path("run.toml").write_text(RUN + MINE)
    by_hand(channels=3)
    message = (
        "the model fused has learnt with embeddings of 16 channels, mine.npz gives 3: embed the movie by the model "
        "that it was trained with"
    )
    for command in ("check", "run"):
        refused(capsys, message, command, "run.toml")
    by_hand(made_with={"model": "0123456789abcdef"})
    message = (
        "the vectors in mine.npz come from another model than those that fused has learnt with, or were asked for "
        "differently: embed the movie by the model that it was trained with"
    )
    for command in ("check", "run"):
        refused(capsys, message, command, "run.toml")
    NodeEmbeddings(table().key[1:], table().vector[1:], "autoencoder").save(Path("mine.npz"))
    message = "every detection of 01_SEG needs a finite vector; none for frame:label 0:1. Embed this movie again"
    refused(capsys, message, "embed", "trackastra", "run.toml")


def test_check_looks_at_the_embedder(capsys):
    (path,) = Path("fused/embedder").glob("weights-*")
    path.write_bytes(path.read_bytes()[:-4])
    message = (
        f"the weights {path} are damaged: their checksum is not the one in model.json. Copy the folder again, or use "
        "another checkpoint"
    )
    for command in ("check", "run"):
        refused(capsys, message, command, "run.toml")
