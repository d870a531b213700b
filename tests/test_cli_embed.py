"""track embed: what a model makes of a movie, as a table."""

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track, tree  # noqa: E402
from learning_files import ASSOCIATIONS, EMBEDDINGS, GIVE_VECTORS, KNOWN, cells, setting  # noqa: E402

from embeddings.inference import time_left  # noqa: E402
from embeddings.methods import load  # noqa: E402
from embeddings.table import Associations, DetectionScores, NodeEmbeddings  # noqa: E402
from tracker.learning import scores  # noqa: E402

pytestmark = pytest.mark.usefixtures("trained")


@pytest.fixture
def asked(monkeypatch):
    """How many links each call of the network is asked for."""
    calls, real = [], scores.link_scores

    def counting(network, movie, links, *given):
        calls.append(len(links))
        return real(network, movie, links, *given)

    monkeypatch.setattr(scores, "link_scores", counting)
    return calls


def add(text):
    with Path("config.toml").open("a") as file:
        file.write(text)


def test_scores_of_links(capsys):
    assert track("embed", "attrackt", "config.toml", "--model", "model", "-o", "tables/scores.npz") == 0
    path = Path("tables/scores.npz").resolve()
    assert capsys.readouterr() == (f"120 links in {path}\n", "")
    table = Associations.load(path)
    assert (table.method, table.link.shape, table.score.shape) == ("attrackt", (120, 2, 2), (120,))
    assert (table.link[:, 1, 0] == table.link[:, 0, 0] + 1).all()
    assert not Path("result.associations.npz").exists()


@pytest.mark.parametrize(("method", "model"), [("autoencoder", "looks"), ("reid", "views")])
def test_vectors_of_detections(capsys, method, model):
    assert track("embed", method, "config.toml", "--model", model, "--json") == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert json.loads(output.out) == {
        "method": method, "table": "result.embeddings.npz", "kind": "detections", "rows": 38,
    }  # fmt: skip
    table = NodeEmbeddings.load(Path("result.embeddings.npz"))
    assert table.vector.shape == (38, 16)
    assert np.isfinite(table.vector).all()
    made = cells()
    assert table.key.tolist() == np.column_stack([made.nuclei.frame, made.label]).tolist()


@pytest.mark.parametrize(
    ("method", "model", "said"),
    [
        ("autoencoder", "looks", "the network"), ("reid", "views", "the network"), ("maester", "textures", "MAESTER"),
        ("tap", "arrow", "time arrow prediction"),
    ],
)  # fmt: skip
def test_a_long_wait_is_announced(capsys, monkeypatch, method, model, said):
    monkeypatch.setattr(time_left, "_LONG_SECONDS", 0.0)
    given = (*setting("embeddings.device", "cpu"), *setting("embeddings.model", model))
    assert track("embed", method, "config.toml", *given) == 0
    told = [line for line in capsys.readouterr().err.split("WARNING") if line.strip()]
    assert len(told) == (2 if method == "tap" else 1)  # its division scores are a second turn
    assert all(" ".join(line.split()).startswith(f"{said} takes ") for line in told)
    assert all(" per frame on cpu, so another " in " ".join(line.split()) for line in told)
    assert all(line.split()[-3:] == ["for", "5", "frames"] for line in told)


def test_every_method_of_links(capsys):
    assert track("embed", "trackastra", "config.toml", "--model", "told", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert Associations.load(Path("result.associations.npz")).method == "trackastra"


def test_the_table_is_what_run_uses(asked):
    """Made beside the result, where `track run` looks for it; with the model and settings of the config."""
    add(ASSOCIATIONS + EMBEDDINGS)
    assert track("embed", "attrackt", "config.toml", "-q") == 0
    assert track("embed", "autoencoder", "config.toml", "-q") == 0
    before = {name: content for name, content in tree(Path()).items() if name.endswith(".npz")}
    assert sorted(before) == ["result.associations.npz", "result.embeddings.npz"]
    assert track("run", "config.toml", "-q") == 0
    assert asked == [120]
    after = tree(Path())
    assert {name: after[name] for name in before} == before


def test_a_table_that_fits_stays_unless_it_is_to_be_replaced(asked):
    """Whichever path leads to the model."""
    add(ASSOCIATIONS)
    assert track("embed", "attrackt", "config.toml", "-q") == 0
    assert track("embed", "attrackt", "config.toml", "-q", "--model", "model") == 0
    assert asked == [120]
    assert track("embed", "attrackt", "config.toml", "-q", "--overwrite") == 0
    assert asked == [120, 120]
    assert track("embed", "trackastra", "config.toml", "-q", "--model", "told") == 0
    assert asked == [120, 120, 120]


def test_a_model_is_found_from_where_we_are(monkeypatch):
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert track("embed", "attrackt", "../config.toml", "--model", "../model", "-o", "scores.npz", "-q") == 0
    assert Path("scores.npz").exists()


def test_scores_of_another_tool_do_not_stand_in_the_way():
    add('\n[associations]\ngeff = "other.geff"\n')
    assert track("embed", "attrackt", "config.toml", "--model", "model", "-q", "-o", "scores.npz") == 0
    assert len(Associations.load(Path("scores.npz")).score) == 120


# ---- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("atrackt",), f"there is no method 'atrackt' to embed with. Known: {KNOWN}"),
        (("attrackt",), "which model? Give --model FOLDER, or [associations] model in the config"),
        (("reid",), "which model? Give --model FOLDER, or [embeddings] model in the config"),
        (("attrackt", "--model", "told"), "wanted a model of the method attrackt, but PLACE/told was made by "
         "trackastra: name another model, or the method trackastra"),
        (("autoencoder", "--model", "views"), "wanted a model of the method autoencoder, but PLACE/views was made by "
         "reid: name another model, or the method reid"),
        (("attrackt", "--model", "looks"), "PLACE/looks holds a network of the kind autoencoder, wanted "
         "tracking_transformer: name another model folder"),
        (("reid", "--model", "model"), "PLACE/model holds a tracking_transformer, which gives no vectors: name a model "
         f"of {GIVE_VECTORS}"),
        (("attrackt", "--model", "nowhere"), "PLACE/nowhere holds no model written by pintrack: model.json is missing. "
         "Name a folder that `track train` wrote"),
        (("attrackt", "--model", "model", "-o", "points.csv"),
         "points.csv exists already. Name another --output, or replace it with --overwrite"),
        (("attrackt", "--model", "model", *setting("candidates.max_frame_gap", 3)), "links over 3 frames never lie in "
         "a window of 3 frames: make candidates.max_frame_gap at most 2, or name a model with longer windows"),
    ],
)  # fmt: skip
def test_what_is_refused(capsys, arguments, message):
    method, *more = arguments
    place = str(Path().resolve())
    refused(capsys, message.replace("PLACE", place), "embed", method, "config.toml", *more)


def test_a_table_from_elsewhere_is_replaced_on_request_only(capsys):
    Associations(np.array([[[0, 1], [1, 1]]]), np.ones(1, np.float32)).save(Path("result.associations.npz"))
    given = ("embed", "attrackt", "config.toml", "--model")
    refused(
        capsys,
        "result.associations.npz holds scores that came from elsewhere, and would be replaced by the model's. Leave "
        "out model to use them, or let path name another file",
        *given, "model",
    )  # fmt: skip
    assert track(*given, "nowhere", "--overwrite") == 2  # a mistake does not cost the table that was there
    assert len(Associations.load(Path("result.associations.npz")).score) == 1
    assert track(*given, "model", "--overwrite", "-q") == 0
    assert len(Associations.load(Path("result.associations.npz")).score) == 120


def test_a_table_beside_is_not_replaced_unasked(capsys):
    """Neither scores of another program nor those of an earlier command; and no features without scores are left."""
    given = ("embed", "tap", "config.toml", "--model", "arrow", "-q", "-o", "y.npz")
    DetectionScores(np.array([[0, 1]]), np.ones(1, np.float32)).save(Path("y.division_scores.npz"))
    message = "y.division_scores.npz exists already. Name another --output, or replace it with --overwrite"
    refused(capsys, message, *given)
    assert track(*given, "--overwrite") == 0
    assert len(DetectionScores.load(Path("y.division_scores.npz")).score) == 38
    Path("y.npz").unlink()
    refused(capsys, message, *given)


def test_features_are_not_written_where_scores_cannot_be(capsys):
    DetectionScores(np.array([[0, 1]]), np.ones(1, np.float32)).save(Path("result.division_scores.npz"))
    message = (
        "result.division_scores.npz holds scores that came from elsewhere, and would be replaced by the model's. Leave "
        "out model to use them, or let path name another file"
    )
    refused(capsys, message, "embed", "tap", "config.toml", "--model", "arrow")
    assert track("embed", "tap", "config.toml", "--model", "arrow", "-q", "--overwrite") == 0


def test_a_public_name(capsys, monkeypatch):
    monkeypatch.setattr(load, "find_spec", lambda name: None)
    refused(
        capsys,
        "there is no folder ctc. To download the public model of that name, install the trackastra package "
        '(pip install "pintrack[demo]"); or unpack its release yourself and name the folder',
        "embed", "trackastra", "config.toml", "--model", "ctc",
    )  # fmt: skip


def test_without_torch(capsys, monkeypatch):
    monkeypatch.setattr("tracker.prepare.importlib.util.find_spec", lambda name: None)
    refused(
        capsys,
        "track embed attrackt needs the package torch, which is not installed. "
        'Install it with: pip install "pintrack[learn]"',
        "embed", "attrackt", "config.toml", "--model", "model",
    )  # fmt: skip
    add(ASSOCIATIONS)
    refused(
        capsys,
        "associations.model needs the package torch, which is not installed. "
        'Install it with: pip install "pintrack[learn]"',
        "run", "config.toml",
    )  # fmt: skip
