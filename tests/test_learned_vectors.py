"""A model in [embeddings]; and what else a model in the config is good for."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track  # noqa: E402
from learning_files import (  # noqa: E402
    ASSOCIATIONS,
    CONFIG,
    EMBEDDINGS,
    LOOKS_TERM,
    counted_embeddings,
    setting,
)

from embeddings.table import Associations, NodeEmbeddings  # noqa: E402
from tracker.config import load_config, make_config  # noqa: E402
from tracker.errors import ConfigError  # noqa: E402
from tracker.learning.dense_methods import maester_options  # noqa: E402
from tracker.learning.embedder import Embedder  # noqa: E402
from tracker.learning.movies import learning_movie  # noqa: E402
from tracker.pins import PinRow, read_pins  # noqa: E402
from tracker.session import Session  # noqa: E402
from tracker.tuning.tuned_config import moved  # noqa: E402

AUTO = CONFIG.replace('preset = "attrackt"', 'preset = "auto"') + ASSOCIATIONS


@pytest.fixture(autouse=True)
def _place(trained):
    """The current folder: a movie, a config that names an auto-encoder, and models."""
    Path("config.toml").write_text(CONFIG + EMBEDDINGS + LOOKS_TERM)


@pytest.fixture
def asked(monkeypatch):
    """How many movies were embedded."""
    return counted_embeddings(monkeypatch)


# ---- vectors


def test_vectors_are_computed_kept_and_used_again(asked):
    assert track("run", "config.toml", "-q") == 0
    path = Path("result.embeddings.npz")
    table = NodeEmbeddings.load(path)
    assert (table.method, table.vector.shape) == ("autoencoder", (38, 16))
    before = path.stat().st_mtime_ns, path.read_bytes(), Path("result/tracks.csv").read_bytes()
    assert track("run", "config.toml", "-q", "--overwrite") == 0
    assert before == (path.stat().st_mtime_ns, path.read_bytes(), Path("result/tracks.csv").read_bytes())
    assert len(asked) == 1
    # The same table by hand, in any order: it is the vectors that price.
    order = np.random.default_rng(0).permutation(38)
    NodeEmbeddings(table.key[order], table.vector[order]).save(Path("mine.npz"))
    Path("mine.toml").write_text(CONFIG + '\n[embeddings]\npath = "mine.npz"\n' + LOOKS_TERM)
    assert track("run", "mine.toml", "-q", "-o", "by_hand") == 0
    assert Path("by_hand/tracks.csv").read_bytes() == before[2]
    assert len(asked) == 1


@pytest.mark.parametrize(("key", "value"), [("embeddings.model", "views"), ("data.frames", [0, 5])])
def test_what_makes_vectors_out_of_date(asked, capsys, key, value):
    assert track("run", "config.toml", "-q") == 0
    assert track("run", "config.toml", "--overwrite", *setting(key, value)) == 0
    said = "result.embeddings.npz is out of date (detections, model or settings changed) and is computed anew"
    assert said in capsys.readouterr().err
    assert len(asked) == 2


def test_other_images_make_vectors_out_of_date(asked):
    """Of points too, which know nothing of pixels themselves."""
    points = Path("points.toml").read_text().replace("[data]", '[data]\nimages = "01"')
    Path("points.toml").write_text(points + EMBEDDINGS + LOOKS_TERM)
    assert track("run", "points.toml", "-q") == 0
    Path("02").mkdir()
    for path in Path("01").iterdir():
        tifffile.imwrite(Path("02") / path.name, tifffile.imread(path)[::-1])
    first = NodeEmbeddings.load(Path("result.embeddings.npz")).vector
    assert track("run", "points.toml", "-q", "--overwrite", *setting("data.images", "02")) == 0
    assert len(asked) == 2
    assert not np.array_equal(first, NodeEmbeddings.load(Path("result.embeddings.npz")).vector)


def test_vectors_from_elsewhere_are_not_replaced(capsys):
    key = NodeEmbeddings(np.array([[0, 1]]), np.ones((1, 2), np.float32))
    key.save(Path("result.embeddings.npz"))
    message = (
        "result.embeddings.npz holds vectors that came from elsewhere, and would be replaced by the model's. Leave out "
        "model to use them, or let path name another file"
    )
    for command in ("run", "check"):
        refused(capsys, message, command, "config.toml")


def test_what_checks_a_model_is_what_embeds():
    """Also for a tracking model that asks for the vectors: cells that its embedder cannot see are told beforehand."""
    given = load_config(Path("config.toml"))
    options = {**maester_options(given), "zoom": 5.0}
    asked = Embedder("maester", Path("textures"), options, "cpu", Path("e.npz"))
    for ask in (asked.check, lambda movie: asked.table(given, movie, lambda stage: None)):
        with pytest.raises(ConfigError, match=r"01_SEG are 46\.2 px across at zoom 5: .* Set zoom = 0\.65, or other"):
            ask(learning_movie(given))
    replace(asked, options=maester_options(given)).check(learning_movie(given))


# ---- what a model in the config is good for


def test_suggest_by_confidence_with_the_preset_auto(capsys):
    """The preset has no term on scores, yet they say where the solution is doubtful."""
    Path("config.toml").write_text(AUTO)
    assert track("suggest", "config.toml", "--order", "confidence", "--budget", "5", "-q") == 0
    asked = read_pins([Path("suggested.csv")])
    assert len(asked) == 0
    assert asked.unanswered == 5
    without = AUTO.replace(ASSOCIATIONS, "")
    Path("without.toml").write_text(without)
    refused(
        capsys, 'the order "confidence" compares associations with the solution; give [associations], or use margin',
        "suggest", "without.toml", "--order", "confidence", "-o", "other.csv",
    )  # fmt: skip


def test_a_term_on_surprise_of_the_scores():
    term = '\n[[costs.terms]]\non = "{}"\nfeature = "association_surprise"\nweight = 3.0\n'
    Path("config.toml").write_text(AUTO + term.format("link") + term.format("division"))
    assert track("run", "config.toml", "-q") == 0
    config = json.loads(Path("result/run.json").read_text())["config"]
    assert [one["feature"] for one in config["costs"]["terms"]] == ["association_surprise"] * 2
    assert config["associations"]["model"] == "model"
    Path("plain.toml").write_text(AUTO)
    assert track("run", "plain.toml", "-q", "-o", "plain") == 0
    assert Path("plain/tracks.csv").read_bytes() != Path("result/tracks.csv").read_bytes()


def test_a_session_scores_the_links_that_pins_bring():
    Path("config.toml").write_text(CONFIG + ASSOCIATIONS)
    session = Session(load_config(Path("config.toml"), ["candidates.neighbors=1"]))
    first = Associations.load(Path("result.associations.npz")).link.tolist()
    every = [[[0, one], [1, other]] for one in range(1, 9) for other in range(1, 7)]
    new = next(link for link in every if link not in first)
    session.pin(PinRow("link", tuple(map(tuple, new)), True))
    assert new in session.solve().added.tolist()
    second = Associations.load(Path("result.associations.npz"))
    assert len(second.score) == len(first) + 1
    assert new in second.link.tolist()


# ---- a config that moves


def test_paths_of_models_move_with_a_tuned_config(tmp_path):
    Path("inside").mkdir()
    given = make_config(
        {
            "data": {"segmentation": "01_SEG"},
            "associations": {"model": "model"},
            "embeddings": {"model": "looks"},
            "attrackt": {"autoencoder": "looks"},
            "trackastra": {"start": "general_2d"},
            "finetune": {"start": "model"},
            "sam": {"upsampler_path": "anyup.pth"},
            "ascent": {"dino": "dino.pth"},
            "stardist": {"pseudo": "masks", "sparse": "drawn"},
            "training": {"movies": ["points.toml"]},
        }
    )
    found = moved(given, Path("inside"))
    assert found.associations.model == found.finetune.start == "../model"
    assert found.embeddings.model == found.attrackt.autoencoder == "../looks"
    assert (found.sam.upsampler_path, found.ascent.dino) == ("../anyup.pth", "../dino.pth")
    assert (found.stardist.pseudo, found.stardist.sparse) == ("../masks", "../drawn")
    assert found.trackastra.start == "general_2d"  # no folder here: a public name
    assert found.training.movies == ("../points.toml",)
