"""Models that a config names: looked at by track check, and refused where they do not fit."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra learn")

from command_line import refused, track, tree  # noqa: E402
from learning_files import ASSOCIATIONS, CONFIG, EMBEDDINGS, GIVE_VECTORS, LOOKS_TERM, setting  # noqa: E402
from network_cases import small_network, write_release  # noqa: E402

from embeddings.nets.saved_transformer import save_model  # noqa: E402
from embeddings.table import Associations  # noqa: E402
from tracker.cli.common import either  # noqa: E402
from tracker.config_scores import DETECTION_METHODS  # noqa: E402
from tracker.learning import scores  # noqa: E402


@pytest.fixture(autouse=True)
def _place(trained):
    """The current folder: a movie, configs that name models, and models."""
    Path("config.toml").write_text(CONFIG + ASSOCIATIONS)
    Path("looks.toml").write_text(CONFIG + EMBEDDINGS + LOOKS_TERM)


def test_check_loads_models_but_computes_nothing(monkeypatch, capsys):
    def fail(*_given, **_options):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(scores, "link_scores", fail)
    monkeypatch.setattr("embeddings.nets.autoencoder.Autoencoder.encode", fail)
    text = Path("config.toml").read_text() + EMBEDDINGS + LOOKS_TERM
    Path("config.toml").write_text(text)
    before = tree(Path())
    assert track("check", "config.toml", "--json") == 0
    assert tree(Path()) == before
    terms = {(term["on"], term["feature"], term["weight"]) for term in json.loads(capsys.readouterr().out)["terms"]}
    assert {("link", "association", -1.0), ("link", "embedding_distance", 1.0)} <= terms


def test_models_that_cannot_be_used(capsys):
    """Told by run and by check alike, before anything is computed."""
    save_model(small_network(dimensions=3), Path("deep"), {"method": "attrackt"})
    save_model(small_network(features=3), Path("odd"), {"method": "attrackt"})
    write_release(Path("release"), small_network(features=7))
    cases = {
        ("associations.model", "nowhere"): "nowhere holds no model written by pintrack: model.json is missing. Name a "
        "folder that `track train` wrote",
        ("associations.model", "deep"): "the model deep is for 3-D movies, the movie is 2-D: name a model trained on "
        "2-D movies",
        (
            "associations.model",
            "odd",
        ): "the model odd was made for 3 features per detection, 01_SEG has 7: name a model "
        "that was trained on such movies",
        ("associations.model", "looks"): "looks holds a network of the kind autoencoder, wanted tracking_transformer: "
        "name another model folder",
        ("associations.method", "trackastra"): "wanted a model of the method trackastra, but model was made by "
        "attrackt: name another model, or the method attrackt",
    }
    if not torch.cuda.is_available():
        cases["associations.device", "cuda"] = "device = 'cuda' cannot be used here; this machine has cpu"
    for (key, value), message in cases.items():
        for command in ("check", "run"):
            refused(capsys, message, command, "config.toml", *setting(key, value))
    assert track("check", "config.toml", "-q", *setting("associations.model", "release")) == 0
    assert track("run", "config.toml", "-q", *setting("associations.model", "release")) == 0
    assert Associations.load(Path("result.associations.npz")).method == "trackastra"


def test_patch_models_that_cannot_be_used(capsys):
    cases = {
        ("embeddings.model", "told"): "told holds a tracking_transformer, which gives no vectors: name a model of "
        f"{GIVE_VECTORS}",
        ("embeddings.method", "reid"): "wanted a model of the method reid, but looks was made by autoencoder: name "
        "another model, or the method autoencoder",
    }
    for (key, value), message in cases.items():
        for command in ("check", "run"):
            refused(capsys, message, command, "looks.toml", *setting(key, value))
    blind = Path("looks.toml").read_text().replace('images = "01"\n', "")
    Path("blind.toml").write_text(blind)
    for command in ("check", "run"):
        refused(capsys, "the auto-encoder needs data.images: give the images of 01_SEG", command, "blind.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[associations]\nmodle = "model"', "[associations] modle: unknown key; did you mean 'model'?"),
        ("[associations]", "[associations]: give model (a folder that `track train` wrote), path (an Associations "
         "file) or geff (a candidate graph with scores)"),
        ('[associations]\nmodel = "model"\ngeff = "a.geff"',
         "[associations]: geff brings its own scores; leave out path and model"),
        ('[associations]\nmodel = "model"\nvariants = 4', "[associations] variants: must be 1 or 8, found 4"),
        ('[associations]\nmodel = "model"\nthreshold = 1.0', "[associations] threshold: must be smaller than 1, found "
         "1.0"),
        ("[embeddings]",
         "[embeddings]: give path (a NodeEmbeddings file) or model (a folder that `track train` wrote)"),
        ('[embeddings]\nmodel = "looks"\nmethod = "attrackt"',
         f"[embeddings] method: must be {either([repr(one) for one in DETECTION_METHODS])}, found 'attrackt'"),
    ],
)  # fmt: skip
def test_sections_that_say_the_wrong_thing(capsys, text, message):
    Path("config.toml").write_text(f"{CONFIG}\n{text}\n")
    refused(capsys, f"config.toml: {message}", "check", "config.toml")
